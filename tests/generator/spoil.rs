//! Commands that are not as they should be.

use super::Dice;

/// Words that one number or another must not be.
const EDGES: &[&str] = &[
    "",
    " 1",
    "1 ",
    "+1",
    "01",
    "0",
    "-0",
    "-1",
    "1.0",
    "1e3",
    "0x10",
    "0x1p3",
    "1e309",
    "-1e309",
    "1e-400",
    "nan",
    "-nan",
    "inf",
    "-Infinity",
    "2147483648",
    "-2147483649",
    "4294967296",
    "9007199254740993",
    "999999999999999999",
    "1000000000000000000",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "word",
];

/// Spoils a word after the first `literal` ones: replaces it, leaves it out, says it twice, says it
/// in the other case, or puts something before it.
pub fn spoil(dice: &mut Dice, argv: &mut Vec<Vec<u8>>, literal: usize) {
    if argv.len() <= literal {
        return;
    }
    let index = literal + dice.below(argv.len() - literal);
    let edge = dice.pick(EDGES).as_bytes().to_vec();
    match dice.below(8) {
        0 => _ = argv.remove(index),
        1 => argv.insert(index, argv[index].clone()),
        2 => argv.insert(index + 1, edge),
        3 => {
            argv.iter_mut().skip(literal).for_each(|word| {
                // The names of keys are in lower case.
                if word.iter().all(u8::is_ascii_uppercase) {
                    word.make_ascii_lowercase();
                }
            });
        }
        _ => argv[index] = edge,
    }
}
