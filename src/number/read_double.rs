//! Doubles as Redis reads them.

use super::extended::{nearest_of_digits, rounded_double};

/// Reads a double in any form that `strtod` knows (hexadecimal, `inf`, `1e5`), all of `text`, but
/// not NaN, not more than the type can hold, and not one so small that it would become zero.
pub fn parse_double(text: &[u8]) -> Option<f64> {
    let (value, exact) = read(text)?;
    exact.then_some(value)
}

/// As [`parse_double`], but what is too large is infinite and what is too small is zero: the
/// bounds of ranges are read so.
pub fn parse_bound(text: &[u8]) -> Option<f64> {
    read(text).map(|(value, _)| value)
}

/// The number, and whether it is in range.
fn read(text: &[u8]) -> Option<(f64, bool)> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let is = |word: &[u8]| unsigned.eq_ignore_ascii_case(word);
    if is(b"inf") || is(b"infinity") {
        return Some((if negative { f64::NEG_INFINITY } else { f64::INFINITY }, true));
    }
    let (value, is_zero) = match unsigned {
        [b'0', b'x' | b'X', digits @ ..] => hexadecimal(digits)?,
        digits => decimal(digits)?,
    };
    let in_range = value.is_finite() && (is_zero || value != 0.0);
    Some((if negative { -value } else { value }, in_range))
}

/// Digits that always fit 64 bits.
const DIGITS: u32 = 19;

fn decimal(text: &[u8]) -> Option<(f64, bool)> {
    let end = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
    let (digits, power) = text.split_at(end);
    let mut exponent = match power.split_first() {
        None => 0,
        Some((_, power)) => parse_power(power)?,
    };
    let (mut significand, mut taken, mut more, mut seen, mut point) =
        (0u64, 0, false, false, false);
    for byte in digits {
        if *byte == b'.' && !point {
            point = true;
            continue;
        }
        if !byte.is_ascii_digit() {
            return None;
        }
        seen = true;
        if taken < DIGITS {
            significand = significand * 10 + u64::from(byte - b'0');
            taken += u32::from(significand != 0);
            exponent -= i32::from(point);
        } else {
            more |= *byte != b'0';
            exponent = exponent.saturating_add(i32::from(!point));
        }
    }
    if !seen {
        return None;
    }
    let value = nearest(significand, exponent);
    if more && value != nearest(significand + 1, exponent) {
        // The digits that are left decide.
        let places = digits.iter().rev().take_while(|byte| **byte != b'.').count();
        let places = if point { i32::try_from(places).unwrap_or(i32::MAX) } else { 0 };
        let exponent = match power.split_first() {
            None => 0,
            Some((_, power)) => parse_power(power)?,
        };
        let digits = digits.iter().filter(|byte| **byte != b'.').map(|byte| byte - b'0');
        return Some((nearest_of_digits(digits, exponent.saturating_sub(places)), false));
    }
    Some((value, significand == 0))
}

/// The double nearest to `significand * 10^exponent`.
fn nearest(significand: u64, exponent: i32) -> f64 {
    // Both are exact, and so is every power on the way.
    const EXACT: u64 = 1 << 53;
    const EXACT_POWER: u32 = 22;
    /// 5 to this power still fits 63 bits.
    const SHORT_POWER: u32 = 27;
    let size = exponent.unsigned_abs();
    if significand <= EXACT && size <= EXACT_POWER {
        let power = (0..size).fold(1.0, |power, _| power * 10.0);
        return if exponent < 0 { significand as f64 / power } else { significand as f64 * power };
    }
    if significand == 0 || size > SHORT_POWER {
        let digits = itoa::Buffer::new().format(significand).to_owned();
        return nearest_of_digits(digits.bytes().map(|byte| byte - b'0'), exponent);
    }
    let five = u128::from(5u64.pow(size));
    if exponent >= 0 {
        return rounded_double(u128::from(significand) * five, exponent);
    }
    // At least 63 bits of quotient, and one bit for all that is left of them.
    let shift = 63 + significand.leading_zeros();
    let above = u128::from(significand) << shift;
    let quotient = above / five;
    let sticky = u128::from(quotient * five != above);
    rounded_double(quotient << 1 | sticky, exponent - shift as i32 - 1)
}

fn hexadecimal(text: &[u8]) -> Option<(f64, bool)> {
    let end = text.iter().position(|byte| matches!(byte, b'p' | b'P')).unwrap_or(text.len());
    let (digits, power) = text.split_at(end);
    let mut exponent = match power.split_first() {
        None => 0,
        Some((_, power)) => parse_power(power)?,
    };
    let (mut bits, mut lost, mut seen, mut point) = (0u64, false, false, false);
    for byte in digits {
        if *byte == b'.' {
            if point {
                return None;
            }
            point = true;
            continue;
        }
        let digit = u64::from(char::from(*byte).to_digit(16)?);
        seen = true;
        if bits >> 58 == 0 {
            bits = bits << 4 | digit;
            exponent -= if point { 4 } else { 0 };
        } else {
            lost |= digit != 0;
            exponent = exponent.saturating_add(if point { 0 } else { 4 });
        }
    }
    if !seen {
        return None;
    }
    // The conversion rounds; the last bit stands for all that was lost.
    let mut value = (bits | u64::from(lost)) as f64;
    let mut left = exponent.clamp(-5000, 5000);
    while left != 0 && value != 0.0 && value.is_finite() {
        let step = left.clamp(-1000, 1000);
        value *= 2f64.powi(step);
        left -= step;
    }
    Some((value, bits == 0 && !lost))
}

fn parse_power(text: &[u8]) -> Option<i32> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits
        .iter()
        .fold(0i32, |sum, digit| sum.saturating_mul(10).saturating_add(i32::from(digit - b'0')))
        .min(1_000_000_000);
    Some(if text.starts_with(b"-") { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strtod_reads() {
        for (text, value) in [
            ("0", 0.0),
            ("1.5", 1.5),
            ("+1.5", 1.5),
            ("-.5", -0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E-3", 0.001),
            ("0x10", 16.0),
            ("0x1.8p1", 3.0),
            ("-0X.8", -0.5),
            ("0x1p-1074", 5e-324),
            ("0x1fffffffffffff8", 144_115_188_075_855_870.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0e999", 0.0),
            ("9223372036854775807", 9_223_372_036_854_775_807.0),
        ] {
            assert_eq!(parse_double(text.as_bytes()), Some(value), "{text}");
        }
        assert!(parse_double(b"-0").unwrap().is_sign_negative());
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "", " 1", "1 ", "nan", "-nan", "1e", "e1", ".", "--1", "+-1", "1.2.3", "0x", "0x.",
            "0xg", "0x1p", "infinit", "1_0", "1,5",
        ] {
            assert_eq!(parse_bound(text.as_bytes()), None, "{text}");
        }
        for (text, bound) in
            [("1e309", f64::INFINITY), ("-1e309", f64::NEG_INFINITY), ("1e-400", 0.0)]
        {
            assert_eq!(parse_double(text.as_bytes()), None, "{text}");
            assert_eq!(parse_bound(text.as_bytes()), Some(bound), "{text}");
        }
        assert_eq!(parse_double(b"0x1p99999999999"), None);
    }

    fn read_alike(text: &str) {
        let (value, _) = read(text.as_bytes()).expect(text);
        assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
    }

    #[test]
    fn the_nearest_double_at_every_edge() {
        let midpoint = "1.00000000000000011102230246251565404236316680908203125";
        for text in [
            "9007199254740993",
            "9007199254740992.5",
            "9007199254740993.00000000000000000001",
            midpoint,
            &format!("{midpoint}{}1", "0".repeat(900)),
            "1e22",
            "1e23",
            "1e-22",
            "1e-23",
            "123456789012345678e-27",
            "18446744073709551615e27",
            "18446744073709551616e-28",
            "9999999999999999999.9999",
            "4.9406564584124654e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "2.2250738585072011e-308",
            "2.2250738585072014e-308",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "0.000000000000000000000000000000000000000000000001",
            "1e-2147483648",
            "1e2147483648",
            &format!("0.{}1e1001", "0".repeat(1000)),
            &format!("1{}e-1000", "0".repeat(1000)),
        ] {
            read_alike(text);
        }
    }

    proptest::proptest! {
        #[test]
        fn they_are_read_as_by_the_standard_library(
            bits: u64,
            text in "[0-9]{1,25}(\\.[0-9]{0,25})?(e-?[0-9]{1,2})?",
            few in "[0-9]{1,19}e-?[0-3]?[0-9]",
        ) {
            let value = f64::from_bits(bits).abs();
            proptest::prop_assume!(value.is_finite());
            read_alike(&format!("{value:e}"));
            read_alike(&format!("{value:.30e}"));
            read_alike(&text);
            read_alike(&few);
        }
    }
}
