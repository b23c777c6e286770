//! Doubles as Redis reads them.

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

fn decimal(text: &[u8]) -> Option<(f64, bool)> {
    // Rust's own reader knows these forms too, and signs.
    if !matches!(text.first()?, b'0'..=b'9' | b'.') {
        return None;
    }
    let value = std::str::from_utf8(text).ok()?.parse::<f64>().ok()?;
    let mut significand = text.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    let is_zero = significand.all(|byte| matches!(byte, b'0' | b'.'));
    Some((value, is_zero))
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
}
