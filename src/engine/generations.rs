//! Which keys have changed, for a host that keeps copies of values.
//!
//! A host that has copied a value may go on answering it for as long as the generation of the key's
//! slot is what it was then, and the key's expiry time has not come. Every change of a key changes
//! the generation of its slot; changes of other keys in that slot do so too.

/// How many slots there are in a database, a power of two.
pub const SLOTS: usize = 16_384;

/// The generations of one database; nothing is counted before somebody asks.
#[derive(Debug, Default)]
pub struct Generations(Option<Box<[u32]>>);

impl Generations {
    /// The slot of a key with this hash.
    pub fn slot(hash: u32) -> usize {
        hash as usize % SLOTS
    }

    /// Every slot's generation. They stay at the same address.
    pub fn keep(&mut self) -> &[u32] {
        self.0.get_or_insert_with(|| vec![0; SLOTS].into())
    }

    /// Whether anybody has asked.
    pub fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    /// A key with this hash has changed.
    pub fn advance(&mut self, hash: u32) {
        if let Some(generations) = &mut self.0 {
            let generation = &mut generations[Self::slot(hash)];
            *generation = generation.wrapping_add(1);
        }
    }

    /// Any key may have changed.
    pub fn advance_all(&mut self) {
        for generation in self.0.as_deref_mut().unwrap_or_default() {
            *generation = generation.wrapping_add(1);
        }
    }
}

/// A reply that is the value of one key as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The key's hash, from which [`Generations::slot`] gives its slot.
    pub hash: u32,
    /// When the key ceases to exist: Unix milliseconds.
    pub expires_at: Option<i64>,
}
