//! SHA-256, under which passwords are kept.

/// A digest.
pub type Digest = [u8; 32];

const ROUND: [u32; 64] = constants::<64>(true);
const START: [u32; 8] = constants::<8>(false);

/// The first 32 bits of the fractional parts of the roots of the first primes: cube roots, or square
/// roots.
const fn constants<const N: usize>(cube: bool) -> [u32; N] {
    let (mut found, mut prime, mut at) = ([0; N], 2u128, 0);
    while at < N {
        let mut divisor = 2;
        while divisor < prime && !prime.is_multiple_of(divisor) {
            divisor += 1;
        }
        if divisor == prime {
            found[at] = root(prime, cube) as u32;
            at += 1;
        }
        prime += 1;
    }
    found
}

/// The root of `prime` times 2^32, rounded down.
const fn root(prime: u128, cube: bool) -> u64 {
    let (mut low, mut high) = (0u128, 1u128 << 37);
    while high - low > 1 {
        let middle = (low + high) / 2;
        let is_below = if cube {
            middle * middle * middle <= prime << 96
        } else {
            middle * middle <= prime << 64
        };
        if is_below {
            low = middle;
        } else {
            high = middle;
        }
    }
    low as u64
}

/// The digest of `text`.
pub fn sha256(text: &[u8]) -> Digest {
    let mut state = START;
    let (blocks, rest) = text.as_chunks::<64>();
    blocks.iter().for_each(|block| compress(&mut state, block));
    let mut last = [0; 128];
    let end = if rest.len() < 56 { 64 } else { 128 };
    for (to, from) in last.iter_mut().zip(rest.iter().chain(&[0x80])) {
        *to = *from;
    }
    let bits = (text.len() as u64).wrapping_mul(8).to_be_bytes();
    last[end - 8..end].copy_from_slice(&bits);
    last[..end].as_chunks::<64>().0.iter().for_each(|block| compress(&mut state, block));
    let mut digest = [0; 32];
    for (to, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    digest
}

fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut words = [0u32; 64];
    for (to, from) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *to = u32::from_be_bytes(*from);
    }
    for at in 16..64 {
        let (near, far) = (words[at - 2], words[at - 15]);
        let near = near.rotate_right(17) ^ near.rotate_right(19) ^ (near >> 10);
        let far = far.rotate_right(7) ^ far.rotate_right(18) ^ (far >> 3);
        words[at] = words[at - 16].wrapping_add(far).wrapping_add(words[at - 7]).wrapping_add(near);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (constant, word) in ROUND.iter().zip(words) {
        let sum = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let first =
            h.wrapping_add(sum).wrapping_add(choice).wrapping_add(*constant).wrapping_add(word);
        let sum = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        (h, g, f, e) = (g, f, e, d.wrapping_add(first));
        (d, c, b, a) = (c, b, a, first.wrapping_add(sum).wrapping_add(majority));
    }
    for (word, change) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(change);
    }
}

/// The digits of bytes, lower case.
pub fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|d| DIGITS[usize::from(d)]).collect()
}

/// A digest from its 64 digits, lower case.
pub fn parse_hex(digits: &[u8]) -> Option<Digest> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let digits: &[u8; 64] = digits.try_into().ok()?;
    let mut digest = [0; 32];
    for (to, [high, low]) in digest.iter_mut().zip(digits.as_chunks::<2>().0) {
        *to = value(*high)? << 4 | value(*low)?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        let long = b"a".repeat(1_000_000);
        let cases: [(&[u8], &str); 5] = [
            (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq\
                  klmnopqrlmnopqrsmnopqrstnopqrstu",
                "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
            ),
            (&long, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ];
        for (text, digits) in cases {
            assert_eq!(hex(&sha256(text)), digits.as_bytes());
            assert_eq!(parse_hex(digits.as_bytes()), Some(sha256(text)));
        }
        // Around the end of a block.
        for len in 50..70 {
            assert_ne!(sha256(&vec![0; len]), sha256(&vec![0; len + 1]));
        }
        assert_eq!(parse_hex(&[b'A'; 64]), None);
        assert_eq!(parse_hex(&[b'a'; 63]), None);
    }
}
