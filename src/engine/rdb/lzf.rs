//! LZF, the compression of strings in an RDB.
//!
//! A control byte below 32 is followed by one more literal bytes than it says. Any other has in its
//! upper three bits the length of a repetition less 2 (7: the next byte is added), and in the lower
//! five and one more byte the distance less 1.

const HASH_BITS: u32 = 14;
const DISTANCE_MAX: usize = 1 << 13;
const LENGTH_MAX: usize = (1 << 8) + (1 << 3);
const LITERALS_MAX: usize = 1 << 5;

/// The compressed bytes, if they are fewer than `bytes` by more than 4.
pub(super) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let limit = bytes.len().checked_sub(4)?;
    let mut table = vec![u32::MAX; 1 << HASH_BITS];
    let mut out: Vec<u8> = Vec::new();
    let (mut at, mut literals) = (0, 0);
    while at < bytes.len() {
        let length = match bytes.get(at..at + 3) {
            Some(next) => {
                let slot = &mut table[hash(next)];
                let before = std::mem::replace(slot, at as u32) as usize;
                repetition(bytes, before, at).map(|length| (before, length))
            }
            None => None,
        };
        let Some((before, length)) = length else {
            at += 1;
            continue;
        };
        write_literals(&mut out, &bytes[literals..at]);
        let (distance, rest) = (at - before - 1, length - 2);
        if rest < 7 {
            out.push((rest << 5 | distance >> 8) as u8);
        } else {
            out.extend_from_slice(&[(7 << 5 | distance >> 8) as u8, (rest - 7) as u8]);
        }
        out.push(distance as u8);
        at += length;
        literals = at;
        if out.len() >= limit {
            return None;
        }
    }
    write_literals(&mut out, &bytes[literals..]);
    (out.len() < limit).then_some(out)
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
        fn any_bytes_are_refused_or_right(bytes: Vec<u8>, len in 0usize..300) {
            if let Some(out) = decompress(&bytes, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
