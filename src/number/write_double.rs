//! Doubles as text.

use super::decimal::{Decimal, parts, shortest};

/// Integers up to this magnitude are written without an exponent.
const EXACT_INTEGER: f64 = (1i64 << 52) as f64;

/// Appends the shortest text that reads as `value` again, as Redis writes it: integers below 2^52
/// plain, `1e+22`, `0.1`, `inf`, `-0`. At most 25 bytes.
pub fn write_double(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    if value.is_infinite() {
        return out.extend_from_slice(b"inf");
    }
    if value < EXACT_INTEGER && value.fract() == 0.0 {
        return out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    }
    let (significand, exponent) = parts(value);
    write_digits(shortest(significand, exponent), out);
}

fn write_digits(Decimal { digits, power: scale }: Decimal, out: &mut Vec<u8>) {
    let mut text = itoa::Buffer::new();
    let digits = text.format(digits).as_bytes();
    let count = digits.len();
    let exponent = scale - 1 + count as i32;
    let size = exponent.unsigned_abs() as usize;
    if scale >= 0 && size < count + 7 {
        out.extend_from_slice(digits);
        out.resize(out.len() + scale as usize, b'0');
    } else if scale < 0 && (scale > -7 || size < 4) {
        let places = scale.unsigned_abs() as usize;
        match count.checked_sub(places).filter(|whole| *whole > 0) {
            Some(whole) => {
                out.extend_from_slice(&digits[..whole]);
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
            None => {
                out.extend_from_slice(b"0.");
                out.resize(out.len() + places - count, b'0');
                out.extend_from_slice(digits);
            }
        }
    } else {
        out.extend_from_slice(&digits[..1]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        write_double(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn as_redis_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (2.71, "2.71"),
            (100_000_000.0, "100000000"),
            (4_503_599_627_370_495.0, "4503599627370495"),
            (4_503_599_627_370_496.0, "4503599627370496"),
            (1e20, "1e+20"),
            (1.5e300, "1.5e+300"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.234e-5, "1.234e-5"),
            (0.001234567, "0.001234567"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn it_reads_as_the_same_number(bits: u64) {
            let value = f64::from_bits(bits);
            proptest::prop_assume!(value.is_finite());
            proptest::prop_assert_eq!(text(value).parse::<f64>().unwrap().to_bits(), bits);
            proptest::prop_assert!(text(value).len() <= 25);
        }
    }
}
