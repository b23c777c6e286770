//! Numbers as Redis reads and writes them.
#![forbid(unsafe_code)]

mod angle;
mod big;
mod decimal;
mod extended;
mod read_double;
mod write_double;

pub use angle::{cosine, sine};
pub use decimal::{fixed, general};
pub use extended::Extended;
pub use read_double::{parse_bound, parse_double};
pub use write_double::write_double;

/// Reads a canonical signed 64-bit integer: no sign but `-`, no leading zeros, no spaces.
/// The inverse of formatting, so that a string that parses can be stored as the integer.
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (first, rest) = digits.split_first()?;
    if *first == b'0' {
        return (rest.is_empty() && !negative).then_some(0);
    }
    if !(1..=19).contains(&digits.len()) {
        return None;
    }
    let mut magnitude = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // 19 digits stay below 10^19, which fits.
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers() {
        for good in [0, 1, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(parse_integer(good.to_string().as_bytes()), Some(good));
        }
        for bad in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            " 1",
            "1 ",
            "1.0",
            "9223372036854775808",
            "99999999999999999999",
            "-9223372036854775809",
        ] {
            assert_eq!(parse_integer(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_parses_is_what_formatting_gives(text in "[-+ ]?[0-9]{0,20}", value: i64) {
            let canonical = text.parse().ok().filter(|value: &i64| value.to_string() == text);
            proptest::prop_assert_eq!(parse_integer(text.as_bytes()), canonical);
            proptest::prop_assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }
    }
}
