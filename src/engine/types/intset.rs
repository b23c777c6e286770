//! The intset: different integers in order, in one piece of memory, as Redis lays them out.
//!
//! Width of an integer in bytes (2, 4 or 8) and number of integers, both `u32`, then the integers;
//! all little-endian.

const HEADER_LEN: usize = 8;

/// Redis's sorted array of integers. A lookup is O(log n), a change O(n).
#[derive(Clone, PartialEq, Eq)]
pub struct Intset(Vec<u8>);

impl Intset {
    /// No integers.
    pub fn new() -> Self {
        Self(vec![2, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Takes bytes that claim to be an intset. `None` unless the header is right and the integers
    /// rise.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let width = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
        let len = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
        if !matches!(width, 2 | 4 | 8) || len.checked_mul(width)? != bytes.len() - HEADER_LEN {
            return None;
        }
        let intset = Self(bytes);
        let rises = intset.iter().zip(intset.iter().skip(1)).all(|(one, next)| one < next);
        rises.then_some(intset)
    }

    /// The bytes, header included: what Redis stores in an RDB.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes it takes on the heap.
    pub fn heap_len(&self) -> usize {
        self.0.capacity()
    }

    /// How many integers there are.
    pub fn len(&self) -> usize {
        (self.0.len() - HEADER_LEN) / self.width()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER_LEN
    }

    /// Integer number `index`, the smallest first.
    pub fn get(&self, index: usize) -> Option<i64> {
        let width = self.width();
        let start = index.checked_mul(width)?.checked_add(HEADER_LEN)?;
        let bytes = self.0.get(start..start + width)?;
        Some(match bytes {
            [a, b] => i64::from(i16::from_le_bytes([*a, *b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([*a, *b, *c, *d])),
            _ => i64::from_le_bytes(*bytes.first_chunk()?),
        })
    }

    /// Whether `value` is in it.
    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Adds an integer; whether it was not there.
    pub fn insert(&mut self, value: i64) -> bool {
        let Err(index) = self.search(value) else { return false };
        let needed = width_of(value);
        if needed > self.width() {
            self.widen(needed);
        }
        let width = self.width();
        let start = HEADER_LEN + index * width;
        let old_len = self.0.len();
        if self.0.capacity() < old_len + width {
            // An eighth more than needed: few moves, little waste.
            self.0.reserve_exact(width + old_len / 8);
        }
        self.0.resize(old_len + width, 0);
        self.0.copy_within(start..old_len, start + width);
        self.0[start..start + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.store_len();
        true
    }

    /// Removes an integer; whether it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else { return false };
        let width = self.width();
        let start = HEADER_LEN + index * width;
        self.0.drain(start..start + width);
        self.store_len();
        true
    }

    /// The integers, the smallest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    fn width(&self) -> usize {
        usize::from(self.0[0])
    }

    fn store_len(&mut self) {
        let len = self.len() as u32;
        self.0[4..HEADER_LEN].copy_from_slice(&len.to_le_bytes());
    }

    fn search(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).unwrap_or(i64::MAX).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn widen(&mut self, width: usize) {
        let mut wider = Vec::with_capacity(HEADER_LEN + (self.len() + 1) * width);
        wider.extend_from_slice(&(width as u32).to_le_bytes());
        wider.extend_from_slice(&self.0[4..HEADER_LEN]);
        for value in self.iter() {
            wider.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        self.0 = wider;
    }
}

fn width_of(value: i64) -> usize {
    match value {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    }
}

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Intset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_bytes_are_those_of_redis() {
        let mut intset = Intset::new();
        for value in [5, -1, 5, 300] {
            intset.insert(value);
        }
        let small = [2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 5, 0, 0x2c, 1];
        assert_eq!(intset.as_bytes(), small);
        intset.insert(70_000);
        let wide = [
            4, 0, 0, 0, 4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0x2c, 1, 0, 0, 0x70, 0x11,
            1, 0,
        ];
        assert_eq!(intset.as_bytes(), wide);
        for bad in
            [&wide[..23], &[3, 0, 0, 0, 0, 0, 0, 0], &[2, 0, 0, 0, 2, 0, 0, 0, 5, 0, 5, 0], &[]]
        {
            assert_eq!(Intset::from_bytes(bad.to_vec()), None);
        }
    }

    proptest! {
        #[test]
        fn like_a_set(steps in prop::collection::vec((any::<bool>(), prop_oneof![-9i64..9, any::<i16>().prop_map(i64::from), any::<i64>()]), 1..60)) {
            let (mut model, mut intset) = (BTreeSet::new(), Intset::new());
            for (add, value) in steps {
                if add {
                    prop_assert_eq!(intset.insert(value), model.insert(value));
                } else {
                    prop_assert_eq!(intset.remove(value), model.remove(&value));
                }
                prop_assert_eq!(intset.contains(value), add);
                prop_assert!(intset.iter().eq(model.iter().copied()));
                prop_assert_eq!(Intset::from_bytes(intset.as_bytes().to_vec()), Some(intset.clone()));
            }
        }
    }
}
