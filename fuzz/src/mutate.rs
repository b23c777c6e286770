//! Inputs made of others.

use crate::generator::Dice;

/// Numbers at which something ends.
pub const EDGES: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "7",
    "64",
    "127",
    "128",
    "255",
    "256",
    "511",
    "512",
    "1023",
    "1024",
    "4096",
    "32767",
    "65535",
    "65536",
    "1048576",
    "16777216",
    "536870911",
    "536870912",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "4611686018427387904",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e309",
    "-inf",
    "nan",
    "0.1",
    "-0",
    "1e-400",
    "",
];

/// Changes some bytes; `words` is what the format is made of.
pub fn bytes(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>, words: &[&[u8]]) {
    for _ in 0..1 + dice.below(5) {
        let len = input.len();
        let at = dice.below(len + 1);
        let some = |dice: &mut Dice| {
            let bits = dice.below(7);
            1 + dice.below(1 << bits)
        };
        match dice.below(14) {
            0 if at < len => input[at] ^= 1 << dice.below(8),
            1 if at < len => input[at] = dice.next() as u8,
            2 if at < len => input[at] = dice.pick(&[0, 1, 0x7f, 0x80, 0xff, b'\r', b'\n', b'-']),
            3 => input.insert(at, dice.next() as u8),
            4 if at < len => drop(input.drain(at..(at + some(dice)).min(len))),
            5 => input.truncate(at),
            6 if at < len => {
                let part = input[at..(at + some(dice)).min(len)].to_vec();
                for _ in 0..some(dice) {
                    input.splice(at..at, part.iter().copied());
                }
            }
            7 | 8 => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len() + 1);
                let part = &other[from..(from + 4 * some(dice)).min(other.len())];
                let end = if dice.one_in(2) { at } else { (at + part.len()).min(len) };
                input.splice(at..end, part.iter().copied());
            }
            9 | 10 if !words.is_empty() => {
                let word = words[dice.below(words.len())];
                input.splice(at..at, word.iter().copied());
            }
            11 => number(dice, input, at),
            12 => binary(dice, input, at),
            _ => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}

/// Puts another number in the place of digits.
fn number(dice: &mut Dice, input: &mut Vec<u8>, at: usize) {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = input.iter().skip(at).position(is_digit).map(|found| found + at) else {
        return;
    };
    let len = input[start..].iter().take_while(|byte| is_digit(byte)).count();
    input.splice(start..start + len, dice.pick(EDGES).bytes());
}

/// Puts a number of some bytes in the place of others.
fn binary(dice: &mut Dice, input: &mut [u8], at: usize) {
    let number = match dice.below(3) {
        0 => dice.pick(&[0, 1, -1, i64::MIN, i64::MAX, i32::MIN.into(), i32::MAX.into()]),
        1 => dice.below(300) as i64,
        _ => dice.next() as i64 >> dice.below(64),
    };
    let mut bytes = number.to_le_bytes();
    if dice.one_in(2) {
        bytes.reverse();
    }
    let bytes = &bytes[..dice.pick(&[1, 2, 4, 8])];
    for (place, byte) in input.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}
