//! LZF, the compression of strings in an RDB.
//!
//! A control byte below 32 is followed by one more literal bytes than it says. Any other has in its
//! upper three bits the length of a repetition less 2 (7: the next byte is added), and in the lower
//! five and one more byte the distance less 1.

const HASH_BITS: u32 = 14;
const DISTANCE_MAX: usize = 1 << 13;
pub(super) const LENGTH_MAX: usize = (1 << 8) + (1 << 3);
const LITERALS_MAX: usize = 1 << 5;

/// Where bytes were seen before. One is enough for many strings, one after the other.
#[derive(Default)]
pub(super) struct Compressor {
    /// By hash: the index in the string, `base` added. What is below `base` is of strings before.
    table: Vec<u32>,
    base: u32,
    /// The length of the string that is being compressed.
    len: u32,
}

/// A string that is being compressed.
pub(super) struct Compression {
    out: Vec<u8>,
    at: usize,
    literals: usize,
}

/// How far a compression is.
pub(super) enum Compressed {
    /// Not at its end.
    Partly,
    /// At its end: the bytes, if they are fewer by more than 4.
    Whole(Option<Vec<u8>>),
}

impl Compressor {
    /// Begins with a string of `len` bytes; what was begun before cannot be gone on with.
    pub(super) fn begin(&mut self, len: usize) -> Compression {
        let mut base = self.base.saturating_add(self.len);
        self.len = u32::try_from(len).unwrap_or(u32::MAX);
        if self.table.is_empty() || base.checked_add(self.len).is_none() {
            self.table.clear();
            // Without memory for it, nothing is compressed.
            if self.table.try_reserve_exact(1 << HASH_BITS).is_ok() {
                self.table.resize(1 << HASH_BITS, 0);
            }
            base = 1;
        }
        self.base = base;
        Compression { out: Vec::new(), at: 0, literals: 0 }
    }

    /// Goes on with a string until about `most` more of its bytes are compressed.
    pub(super) fn step(
        &mut self,
        bytes: &[u8],
        state: &mut Compression,
        most: usize,
    ) -> Compressed {
        let limit = match bytes.len().checked_sub(4) {
            // Indices are 32 bits.
            Some(limit) if !self.table.is_empty() && self.base.checked_add(self.len).is_some() => {
                limit
            }
            _ => return Compressed::Whole(None),
        };
        let end = state.at.saturating_add(most).min(bytes.len());
        while state.at < end {
            let at = state.at;
            let repeated = match bytes.get(at..at + 3) {
                Some(next) => {
                    let slot = &mut self.table[hash(next)];
                    let before = std::mem::replace(slot, self.base + at as u32);
                    let before = before.checked_sub(self.base).map(|before| before as usize);
                    before.and_then(|before| Some((before, repetition(bytes, before, at)?)))
                }
                None => None,
            };
            let Some((before, length)) = repeated else {
                state.at += 1;
                continue;
            };
            if !state.has_room(limit) {
                return Compressed::Whole(None);
            }
            state.write_repetition(bytes, before, length);
        }
        if state.at < bytes.len() {
            return Compressed::Partly;
        }
        if !state.has_room(limit) {
            return Compressed::Whole(None);
        }
        write_literals(&mut state.out, bytes.get(state.literals..).unwrap_or_default());
        let out = std::mem::take(&mut state.out);
        Compressed::Whole(Some(out).filter(|out| out.len() < limit))
    }
}

impl Compression {
    /// Whether there is memory for the literals that wait and a repetition, and they may yet be worth it.
    fn has_room(&mut self, limit: usize) -> bool {
        let literals = self.at - self.literals;
        let bytes = literals + literals.div_ceil(LITERALS_MAX);
        self.out.len() + bytes < limit && self.out.try_reserve(bytes + 3).is_ok()
    }

    fn write_repetition(&mut self, bytes: &[u8], before: usize, length: usize) {
        write_literals(&mut self.out, &bytes[self.literals..self.at]);
        let (distance, rest) = (self.at - before - 1, length - 2);
        if rest < 7 {
            self.out.push((rest << 5 | distance >> 8) as u8);
        } else {
            self.out.extend_from_slice(&[(7 << 5 | distance >> 8) as u8, (rest - 7) as u8]);
        }
        self.out.push(distance as u8);
        self.at += length;
        self.literals = self.at;
    }
}

fn hash(next: &[u8]) -> usize {
    let word = u32::from_le_bytes([next[0], next[1], next[2], 0]);
    (word.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

/// How many bytes at `at` repeat those at `before`, if it is worth saying.
fn repetition(bytes: &[u8], before: usize, at: usize) -> Option<usize> {
    if before >= at || at - before > DISTANCE_MAX {
        return None;
    }
    let most = LENGTH_MAX.min(bytes.len() - at);
    let length = (0..most).take_while(|index| bytes[before + index] == bytes[at + index]).count();
    (length >= 3).then_some(length)
}

fn write_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

/// The `len` bytes that were compressed; `None` if they cannot be had from `bytes`.
pub(super) fn decompress(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    // Three bytes stand for at most LENGTH_MAX: what claims more is not worth any memory.
    if len > bytes.len().checked_mul(LENGTH_MAX)? {
        return None;
    }
    let mut out: Vec<u8> = Vec::new();
    out.try_reserve_exact(len).ok()?;
    let mut input = bytes.iter();
    while let Some(control) = input.next() {
        let control = usize::from(*control);
        if control < LITERALS_MAX {
            let rest = input.as_slice().get(..=control)?;
            if out.len() + rest.len() > len {
                return None;
            }
            out.extend_from_slice(rest);
            input = input.as_slice()[control + 1..].iter();
            continue;
        }
        let mut length = control >> 5;
        if length == 7 {
            length += usize::from(*input.next()?);
        }
        let distance = (control & 0x1f) << 8 | usize::from(*input.next()?);
        let from = out.len().checked_sub(distance + 1)?;
        if out.len() + length + 2 > len {
            return None;
        }
        for index in from..from + length + 2 {
            out.push(out[index]);
        }
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
        compress_with(&mut Compressor::default(), bytes, usize::MAX)
    }

    fn compress_with(with: &mut Compressor, bytes: &[u8], most: usize) -> Option<Vec<u8>> {
        let mut state = with.begin(bytes.len());
        loop {
            if let Compressed::Whole(compressed) = with.step(bytes, &mut state, most) {
                return compressed;
            }
        }
    }

    #[test]
    fn indices_of_many_strings_never_overflow() {
        let mut compressor = Compressor::default();
        let bytes = b"abcdefgh".repeat(10);
        let expected = compress(&bytes);
        assert!(expected.is_some());
        assert_eq!(compress_with(&mut compressor, &bytes, usize::MAX), expected);
        compressor.base = u32::MAX - 200;
        for _ in 0..5 {
            assert_eq!(compress_with(&mut compressor, &bytes, usize::MAX), expected);
        }
        assert!(compressor.base < 1000);
    }

    #[test]
    fn what_repeats_becomes_short() {
        let bytes = b"abcabcabcabcabcabcabcabcabcabcabcabcabc".repeat(100);
        let compressed = compress(&bytes).unwrap();
        assert!(compressed.len() < bytes.len() / 50);
        assert_eq!(decompress(&compressed, bytes.len()), Some(bytes.clone()));
        assert_eq!(decompress(&compressed, bytes.len() - 1), None);
        assert_eq!(decompress(&compressed, bytes.len() + 1), None);
        assert_eq!(compress(b"abcdefghijklmnopqrstuvwxyz"), None);
        assert_eq!(decompress(&[0xe0, 0xff, 0xff], 1 << 40), None);
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(bytes in prop::collection::vec(0u8..4, 0..600)) {
            if let Some(compressed) = compress(&bytes) {
                prop_assert_eq!(decompress(&compressed, bytes.len()), Some(bytes));
            }
        }

        #[test]
        fn neither_slices_nor_strings_before_matter(
            strings in prop::collection::vec(prop::collection::vec(0u8..3, 0..200), 1..5),
            most in 1usize..50,
        ) {
            let mut compressor = Compressor::default();
            for bytes in strings {
                let sliced = compress_with(&mut compressor, &bytes, most);
                prop_assert_eq!(sliced, compress(&bytes));
            }
        }

        #[test]
        fn any_bytes_are_refused_or_right(bytes: Vec<u8>, len in 0usize..300) {
            if let Some(out) = decompress(&bytes, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
