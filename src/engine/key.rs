//! Keys in memory.

use std::fmt;
use std::ops::Deref;

const INLINE_LEN: usize = 22;

/// A binary-safe string of 24 bytes (22 of them for the content; longer ones are on the heap).
#[derive(Clone)]
pub struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE_LEN]),
    Heap(Box<[u8]>),
}

impl Key {
    /// Bytes on the heap besides the key itself.
    pub fn heap_len(&self) -> usize {
        match &self.0 {
            Repr::Inline(..) => 0,
            Repr::Heap(bytes) => bytes.len(),
        }
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        if bytes.len() <= INLINE_LEN {
            let mut inline = [0; INLINE_LEN];
            inline[..bytes.len()].copy_from_slice(bytes);
            Self(Repr::Inline(bytes.len() as u8, inline))
        } else {
            Self(Repr::Heap(bytes.into()))
        }
    }
}

impl Deref for Key {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self))
    }
}

/// Whether two words are the same. In WebAssembly `==` calls a function that compares bytes.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let ((one_words, one_rest), (other_words, other_rest)) =
        (one.as_chunks::<8>(), other.as_chunks::<8>());
    let words = one_words.iter().zip(other_words);
    words.into_iter().all(|(one, other)| one == other)
        && match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
            // The last words may overlap those before.
            (Some(one), Some(other)) => one == other,
            _ => one_rest.iter().zip(other_rest).all(|(one, other)| one == other),
        }
}
