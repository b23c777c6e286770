//! CRC-64 as Redis computes it (polynomial "Jones", reflected, initial value 0).

use std::hint::black_box;
use std::sync::OnceLock;

/// 0xad93d23594c935a9 with its bits reversed.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// Table number `n` has what a byte comes to when `n` zero bytes follow it, so that eight bytes are
/// looked up at once: each lookup waits for the one before it otherwise.
type Tables = [[u64; 256]; 8];

/// Made when they are first needed: they would make up much of a small program.
static TABLES: OnceLock<Box<Tables>> = OnceLock::new();

fn make_tables() -> Box<Tables> {
    let mut tables = Box::new([[0; 256]; 8]);
    // Or the compiler would make the first one, and put it into the program all the same.
    let polynomial = black_box(POLYNOMIAL);
    for byte in 0..256 {
        let mut value = byte as u64;
        for _ in 0..8 {
            value = if value & 1 == 1 { (value >> 1) ^ polynomial } else { value >> 1 };
        }
        tables[0][byte] = value;
    }
    for number in 1..8 {
        for byte in 0..256 {
            let before = tables[number - 1][byte];
            tables[number][byte] = tables[0][usize::from(before as u8)] ^ (before >> 8);
        }
    }
    tables
}

/// Goes on with checksum `crc` (0 at the beginning) over `bytes`. Cost: one table lookup a byte.
pub fn crc64(mut crc: u64, bytes: &[u8]) -> u64 {
    let tables = TABLES.get_or_init(make_tables);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (crc ^ u64::from_le_bytes(*word)).to_le_bytes();
        crc = 0;
        for (table, byte) in tables.iter().rev().zip(mixed) {
            crc ^= table[usize::from(byte)];
        }
    }
    rest.iter().fold(crc, |crc, byte| tables[0][usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_the_checksum_of_redis() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(crc64(0, b"1234"), b"56789"), 0xe9c6_d914_c4b8_d9ca);
    }

    proptest! {
        #[test]
        fn eight_bytes_at_once_are_what_eight_bits_of_each_are(crc: u64, bytes: Vec<u8>) {
            let bit = |crc: u64| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            let slow = bytes.iter().fold(crc, |crc, byte| {
                (0..8).fold(crc ^ u64::from(*byte), |crc, _| bit(crc))
            });
            prop_assert_eq!(crc64(crc, &bytes), slow);
        }
    }
}
