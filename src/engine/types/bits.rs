//! Strings as rows of bits, the highest bit of a byte first.

/// The bit at `offset`; false beyond the end.
pub fn bit(bytes: &[u8], offset: usize) -> bool {
    bytes.get(offset / 8).is_some_and(|byte| byte >> (7 - offset % 8) & 1 == 1)
}

/// How many bits are set.
pub fn count(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let of_words: u32 = words.iter().map(|word| u64::from_ne_bytes(*word).count_ones()).sum();
    (of_words + rest.iter().map(|byte| byte.count_ones()).sum::<u32>()) as usize
}

/// How many bits are set from bit `start` to before bit `end`, which is not beyond the end.
pub fn count_range(bytes: &[u8], start: usize, end: usize) -> usize {
    let (first, last) = (start.div_ceil(8), end / 8);
    if first > last {
        return (start..end).filter(|offset| bit(bytes, *offset)).count();
    }
    let before = (start..first * 8).filter(|offset| bit(bytes, *offset)).count();
    let after = (last * 8..end).filter(|offset| bit(bytes, *offset)).count();
    before + count(bytes.get(first..last).unwrap_or_default()) + after
}

/// The first bit that is `wanted` from bit `start` to before bit `end`.
pub fn position(bytes: &[u8], wanted: bool, start: usize, end: usize) -> Option<usize> {
    let (first, last) = (start.div_ceil(8), end / 8);
    let one_by_one =
        |mut range: std::ops::Range<usize>| range.find(|offset| bit(bytes, *offset) == wanted);
    if first > last {
        return one_by_one(start..end);
    }
    let skipped = if wanted { 0 } else { 0xff };
    let in_bytes = || {
        let whole = bytes.get(first..last)?;
        let index = whole.iter().position(|byte| *byte != skipped)?;
        let byte = whole[index] ^ skipped;
        Some((first + index) * 8 + byte.leading_zeros() as usize)
    };
    one_by_one(start..first * 8).or_else(in_bytes).or_else(|| one_by_one(last * 8..end))
}

/// The integer of `width` bits (at most 64) at `offset`, without a sign; beyond the end are zeros.
pub fn get(bytes: &[u8], offset: usize, width: u32) -> u64 {
    (offset..offset + width as usize)
        .fold(0, |value, offset| value << 1 | u64::from(bit(bytes, offset)))
}

/// Writes the lowest `width` bits of `value` at `offset`; there must be room.
pub fn set(bytes: &mut [u8], offset: usize, width: u32, value: u64) {
    for index in 0..width {
        let at = offset + index as usize;
        let on = value >> (width - 1 - index) & 1;
        let mask = 1u8 << (7 - at % 8);
        if let Some(byte) = bytes.get_mut(at / 8) {
            *byte = if on == 1 { *byte | mask } else { *byte & !mask };
        }
    }
}

/// A way to combine bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// In the first, and in none of the others.
    Diff,
    /// Not in the first, but in another.
    Diff1,
    /// In the first, and in another.
    AndOr,
    /// In exactly one.
    One,
}

/// Combines strings; shorter ones go on with zero bytes. `None` when the allocator refuses.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Option<Vec<u8>> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut out = Vec::new();
    out.try_reserve_exact(len).ok()?;
    let (first, others) = sources.split_first()?;
    out.extend_from_slice(first);
    out.resize(len, 0);
    match operation {
        Operation::Not => out.iter_mut().for_each(|byte| *byte = !*byte),
        Operation::And => {
            others.iter().for_each(|other| fold(&mut out, other, true, |a, b| a & b));
        }
        Operation::Or => others.iter().for_each(|other| fold(&mut out, other, false, |a, b| a | b)),
        Operation::Xor => {
            others.iter().for_each(|other| fold(&mut out, other, false, |a, b| a ^ b));
        }
        Operation::Diff | Operation::Diff1 | Operation::AndOr => {
            let union = combine(Operation::Or, others)?;
            match operation {
                Operation::Diff => fold(&mut out, &union, false, |a, b| a & !b),
                Operation::Diff1 => fold(&mut out, &union, true, |a, b| !a & b),
                _ => fold(&mut out, &union, true, |a, b| a & b),
            }
        }
        Operation::One => {
            let mut several = Vec::new();
            several.try_reserve_exact(len).ok()?;
            several.resize(len, 0);
            for other in others {
                for ((seen, several), byte) in out.iter_mut().zip(&mut several).zip(*other) {
                    *several |= *seen & byte;
                    *seen |= byte;
                }
            }
            fold(&mut out, &several, false, |a, b| a & !b);
        }
    }
    Some(out)
}

/// Combines with `other`, which goes on with zero bytes if these `matter`.
fn fold(out: &mut [u8], other: &[u8], matter: bool, f: impl Fn(u8, u8) -> u8) {
    let shared = other.len().min(out.len());
    for (byte, other) in out.iter_mut().zip(other) {
        *byte = f(*byte, *other);
    }
    if matter {
        out[shared..].iter_mut().for_each(|byte| *byte = f(*byte, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(bytes: &[u8]) -> Vec<bool> {
        (0..bytes.len() * 8).map(|offset| bit(bytes, offset)).collect()
    }

    proptest! {
        #[test]
        fn ranges_are_what_a_walk_finds(bytes in prop::collection::vec(prop::sample::select(vec![0u8, 255, 1, 128, 24]), 0..20), a in 0usize..170, b in 0usize..170, wanted: bool) {
            let bits = row(&bytes);
            let (start, end) = (a.min(b).min(bits.len()), a.max(b).min(bits.len()));
            prop_assert_eq!(count(&bytes), bits.iter().filter(|bit| **bit).count());
            prop_assert_eq!(count_range(&bytes, start, end), bits[start..end].iter().filter(|bit| **bit).count());
            let found = bits[start..end].iter().position(|bit| *bit == wanted).map(|at| at + start);
            prop_assert_eq!(position(&bytes, wanted, start, end), found);
        }

        #[test]
        fn integers_come_back(mut bytes in prop::collection::vec(any::<u8>(), 20), offset in 0usize..90, width in 1u32..=64, value: u64) {
            let before = row(&bytes);
            set(&mut bytes, offset, width, value);
            let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
            prop_assert_eq!(get(&bytes, offset, width), value & mask);
            let after = row(&bytes);
            let end = offset + width as usize;
            prop_assert_eq!(&before[..offset], &after[..offset]);
            prop_assert_eq!(&before[end..], &after[end..]);
        }

        #[test]
        fn combinations_are_those_of_single_bits(sources in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 2..5)) {
            let refs: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            for operation in [Operation::And, Operation::Or, Operation::Xor, Operation::Diff, Operation::Diff1, Operation::AndOr, Operation::One] {
                let combined = combine(operation, &refs).unwrap();
                prop_assert_eq!(combined.len(), sources.iter().map(Vec::len).max().unwrap());
                for offset in 0..combined.len() * 8 {
                    let bits: Vec<bool> = refs.iter().map(|source| bit(source, offset)).collect();
                    let (first, others) = (bits[0], bits[1..].iter().any(|bit| *bit));
                    let set = bits.iter().filter(|bit| **bit).count();
                    let expected = match operation {
                        Operation::And => set == bits.len(),
                        Operation::Or => set > 0,
                        Operation::Xor => set % 2 == 1,
                        Operation::Diff => first && !others,
                        Operation::Diff1 => !first && others,
                        Operation::AndOr => first && others,
                        _ => set == 1,
                    };
                    prop_assert_eq!(bit(&combined, offset), expected, "{:?}", operation);
                }
            }
        }
    }
}
