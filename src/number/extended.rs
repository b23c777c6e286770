//! Extended precision: the 80-bit `long double` in which Redis computes INCRBYFLOAT.
//!
//! A 64-bit significand and a 15-bit exponent, as the x87 has them: IEEE 754 rounding (to nearest,
//! ties to even), gradual underflow. Reading and printing are exact, as glibc's `strtold` and
//! `printf("%.17Lf")` are.

use super::big::{Big, quotient, shift_right_rounded};
use super::decimal::{PLACES_MAX, write_fixed};

/// The exponent of the last bit of the significand, at its least and at its greatest.
const EXPONENT_MIN: i32 = -16445;
const EXPONENT_MAX: i32 = 16320;
/// The longest text that Redis reads as a number, in bytes.
const TEXT_LEN_MAX: usize = 5 * 1024 - 1;

/// A number in extended precision; never NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    /// `significand * 2^exponent`; the top bit is set unless the exponent is at its least.
    Finite(u64, i32),
    Infinite,
}

impl Extended {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, magnitude: Magnitude::Finite(0, EXPONENT_MIN) };

    /// Reads a number in any form that `strtold` knows, but not NaN, not more than the type can
    /// hold, and not one so small that it would become zero. Cost: quadratic in the length, which
    /// is limited to 5,119 bytes.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let is = |word: &[u8]| unsigned.eq_ignore_ascii_case(word);
        if is(b"inf") || is(b"infinity") {
            return Some(Self { negative, magnitude: Magnitude::Infinite });
        }
        let magnitude = match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => Digits::parse(digits, 16)?.hexadecimal(),
            digits => Digits::parse(digits, 10)?.decimal(),
        }?;
        Some(Self { negative, magnitude })
    }

    /// A thousand times the number, rounded up; `None` above the range of a 64-bit integer, and the
    /// lowest one below it.
    pub fn thousandfold_ceiled(self) -> Option<i64> {
        match (self.thousandfold_magnitude(), self.negative) {
            (Some(magnitude), true) => Some(-magnitude),
            (Some(magnitude), false) => Some(magnitude),
            (None, true) => Some(i64::MIN),
            (None, false) => None,
        }
    }

    fn thousandfold_magnitude(self) -> Option<i64> {
        let Magnitude::Finite(significand, exponent) = self.magnitude else { return None };
        let product = u128::from(significand) * 1000;
        let magnitude = if exponent >= 0 {
            let shifted = product.checked_shl(exponent.unsigned_abs())?;
            (shifted >> exponent.unsigned_abs() == product).then_some(shifted)?
        } else {
            let shift = exponent.unsigned_abs();
            let whole = product.checked_shr(shift).unwrap_or(0);
            let exact = whole.checked_shl(shift).unwrap_or(0) == product;
            whole + u128::from(!exact && !self.negative)
        };
        i64::try_from(magnitude).ok()
    }

    /// Whether the number is infinite.
    pub fn is_infinite(self) -> bool {
        self.magnitude == Magnitude::Infinite
    }

    /// The sum, rounded; `None` for infinities of opposite sign (NaN).
    pub fn plus(self, other: Self) -> Option<Self> {
        use Magnitude::{Finite, Infinite};
        let (a, b) = match (self.magnitude, other.magnitude) {
            (Infinite, Infinite) => return (self.negative == other.negative).then_some(self),
            (Infinite, _) => return Some(self),
            (_, Infinite) => return Some(other),
            (Finite(a, a_exponent), Finite(b, b_exponent)) => ((a, a_exponent), (b, b_exponent)),
        };
        if (a.1, a.0) < (b.1, b.0) {
            return other.plus(self);
        }
        // 63 bits below the larger significand, the last of them for all that lies below it. When
        // any of the smaller one is lost so far down, at most one bit cancels.
        let large = u128::from(a.0) << 63;
        let small = shift_right_sticky(u128::from(b.0) << 63, a.1.abs_diff(b.1));
        let sum = if self.negative == other.negative { large + small } else { large - small };
        Some(Self { negative: self.negative, magnitude: round(sum, a.1 - 63) })
    }

    /// Appends the number as Redis prints it for people: rounded to 17 decimal places, without
    /// trailing zeros. At most 4,952 bytes.
    pub fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        if self.negative {
            out.push(b'-');
        }
        match self.magnitude {
            Magnitude::Infinite => out.extend_from_slice(b"inf"),
            Magnitude::Finite(significand, exponent) => {
                write_fixed(out, significand, exponent, PLACES_MAX);
                while out.last() == Some(&b'0') {
                    out.pop();
                }
                if out.last() == Some(&b'.') {
                    out.pop();
                }
            }
        }
        if &out[start..] == b"-0" {
            out.remove(start);
        }
    }
}

impl From<i64> for Extended {
    fn from(value: i64) -> Self {
        let magnitude = round(u128::from(value.unsigned_abs()), 0);
        Self { negative: value < 0, magnitude }
    }
}

/// Rounds `value * 2^exponent` to the type. A lost part below `value` is in its last bit, which
/// must then lie below the rounding position.
fn round(value: u128, exponent: i32) -> Magnitude {
    let bits = 128 - value.leading_zeros() as i32;
    let target = (exponent + bits - 64).max(EXPONENT_MIN);
    let mut significand = match u32::try_from(target - exponent) {
        Ok(drop) => shift_right_rounded(value, drop),
        Err(_) => value << exponent.abs_diff(target).min(127),
    };
    let mut target = target;
    if significand >> 64 != 0 {
        significand >>= 1;
        target += 1;
    }
    if significand == 0 {
        target = EXPONENT_MIN;
    }
    if target > EXPONENT_MAX {
        return Magnitude::Infinite;
    }
    Magnitude::Finite(significand as u64, target)
}

/// `value / 2^bits` rounded down, the last bit set if anything was lost.
fn shift_right_sticky(value: u128, bits: u32) -> u128 {
    match value.checked_shr(bits) {
        Some(quotient) => quotient | u128::from(quotient << bits != value),
        None => u128::from(value != 0),
    }
}

/// The digits of a number as written, and where its point is.
struct Digits {
    value: Big,
    /// Digits from the first that is not zero.
    significant: i32,
    /// Digits after the point.
    places: i32,
    /// The exponent as written.
    exponent: i32,
}

impl Digits {
    fn parse(text: &[u8], radix: u32) -> Option<Self> {
        let mut digits = Self { value: Big::default(), significant: 0, places: 0, exponent: 0 };
        let (mut any, mut point) = (false, false);
        let mut rest = text;
        while let [byte, tail @ ..] = rest {
            if let Some(digit) = char::from(*byte).to_digit(radix) {
                digits.value.multiply_add(radix, digit);
                digits.significant += i32::from(!digits.value.is_zero());
                digits.places += i32::from(point);
                any = true;
            } else if *byte == b'.' && !point {
                point = true;
            } else {
                break;
            }
            rest = tail;
        }
        let mark = if radix == 16 { b'p' } else { b'e' };
        match rest {
            [] => {}
            [byte, written @ ..] if byte.eq_ignore_ascii_case(&mark) => {
                digits.exponent = parse_exponent(written)?;
            }
            _ => return None,
        }
        any.then_some(digits)
    }

    fn decimal(self) -> Option<Magnitude> {
        let exponent = self.exponent - self.places;
        // Beyond these the result is infinite or zero, whatever the digits are.
        if !self.value.is_zero() && !(-5000..5000).contains(&(exponent + self.significant)) {
            return None;
        }
        let (mut above, mut below) = (self.value, Big::from(1));
        if above.is_zero() {
            return Some(Extended::ZERO.magnitude);
        }
        let power = if exponent < 0 { &mut below } else { &mut above };
        power.multiply_by_five_to(exponent.unsigned_abs());
        representable(rounded_quotient(above, below, exponent))
    }

    fn hexadecimal(self) -> Option<Magnitude> {
        if self.value.is_zero() {
            return Some(Extended::ZERO.magnitude);
        }
        let exponent = self.exponent - 4 * self.places;
        representable(rounded_quotient(self.value, Big::from(1), exponent))
    }
}

/// What follows the exponent's mark; far beyond what the type can hold, it stays there.
fn parse_exponent(text: &[u8]) -> Option<i32> {
    const FAR: i32 = 1_000_000;
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let append = |value: i32, digit: &u8| (value * 10 + i32::from(digit - b'0')).min(FAR);
    Some(sign * digits.iter().fold(0, append))
}

/// Neither infinite nor zero.
fn representable(magnitude: Magnitude) -> Option<Magnitude> {
    matches!(magnitude, Magnitude::Finite(1.., _)).then_some(magnitude)
}

/// `above / below * 2^exponent`, rounded once. Neither is zero.
fn rounded_quotient(above: Big, below: Big, exponent: i32) -> Magnitude {
    let (quotient, exponent) = quotient(above, below, exponent);
    round(quotient, exponent)
}

/// The double nearest to these decimal digits times `10^exponent`.
pub(super) fn nearest_of_digits(digits: impl Iterator<Item = u8>, exponent: i32) -> f64 {
    /// More digits than the midpoint between two doubles can have.
    const DIGITS: i32 = 800;
    /// No double has so many before its point, or zeros after it.
    const PLACES: i32 = 400;
    let (mut above, mut below) = (Big::default(), Big::from(1));
    let (mut significant, mut exponent, mut more) = (0, exponent, false);
    for digit in digits {
        if significant < DIGITS {
            above.multiply_add(10, u32::from(digit));
            significant += i32::from(!above.is_zero());
        } else {
            more |= digit != 0;
            exponent = exponent.saturating_add(1);
        }
    }
    if more {
        above.multiply_add(10, 1);
        exponent = exponent.saturating_sub(1);
    }
    let top = exponent.saturating_add(significant);
    if above.is_zero() || top < -PLACES {
        return 0.0;
    }
    if top > PLACES {
        return f64::INFINITY;
    }
    let power = if exponent < 0 { &mut below } else { &mut above };
    power.multiply_by_five_to(exponent.unsigned_abs());
    let (value, exponent) = quotient(above, below, exponent);
    rounded_double(value, exponent)
}

/// The double nearest to `value * 2^exponent`, which is not zero. What is lost below `value` is in
/// its last bit.
pub(super) fn rounded_double(value: u128, exponent: i32) -> f64 {
    const BITS: i32 = 53;
    const EXPONENT_MIN: i32 = -1074;
    const EXPONENT_MAX: i32 = 971;
    let bits = 128 - value.leading_zeros() as i32;
    let mut target = (exponent + bits - BITS).max(EXPONENT_MIN);
    let mut significand = match u32::try_from(target - exponent) {
        Ok(drop) => shift_right_rounded(value, drop) as u64,
        Err(_) => (value << exponent.abs_diff(target).min(127)) as u64,
    };
    if significand >> BITS != 0 {
        significand >>= 1;
        target += 1;
    }
    if target > EXPONENT_MAX {
        return f64::INFINITY;
    }
    // Without its top bit a number is subnormal, and has the least exponent.
    let is_normal = significand >> (BITS - 1) != 0;
    let biased = if is_normal { (target - EXPONENT_MIN + 1) as u64 } else { 0 };
    f64::from_bits(biased << (BITS - 1) | significand & ((1 << (BITS - 1)) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> String {
        let (a, b) = (Extended::parse(a.as_bytes()), Extended::parse(b.as_bytes()));
        let mut text = Vec::new();
        a.expect("a number").plus(b.expect("a number")).expect("a sum").write(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn sums_as_redis_prints_them() {
        for (a, b, expected) in [
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3.0", "1.000000000000000005", "4.00000000000000001"),
            ("3.0", "1.00000000000000005", "4.00000000000000005"),
            ("0.1", "0.2", "0.3"),
            ("1", "-1", "0"),
            ("0", "-1e-30", "0"),
            ("0", "5.1e-18", "0.00000000000000001"),
            ("0", "5e-18", "0"),
            ("9223372036854775807", "0.5", "9223372036854775807.5"),
            ("18446744073709551615", "0.5", "18446744073709551616"),
            ("18446744073709551615", "0.25", "18446744073709551615"),
            ("1e4932", "-1e4932", "0"),
            ("0x10", "0x.8p1", "17"),
            ("+1.", "-.5E0", "0.5"),
        ] {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
        }
        assert_eq!(sum("1e30", "0"), "1000000000000000000024696061952");
        let largest = sum("1.18973149535723176502e+4932", "0");
        assert!(largest.starts_with("1189731495357231765") && largest.len() == 4933);
    }

    #[test]
    fn integers_are_exact() {
        for value in [0, 1, -1, i64::MAX, i64::MIN] {
            let mut text = Vec::new();
            Extended::from(value).write(&mut text);
            assert_eq!(text, value.to_string().as_bytes());
        }
    }

    #[test]
    fn limits() {
        let parse = |text: &str| Extended::parse(text.as_bytes());
        assert!(parse("inf").unwrap().is_infinite() && parse("-Infinity").unwrap().is_infinite());
        assert_eq!(parse("inf").unwrap().plus(parse("-inf").unwrap()), None);
        let most = parse("1.1897e4932").unwrap();
        assert!(most.plus(most).unwrap().is_infinite());
        // The smallest of all is 2^-16445, about 3.6e-4951; half of it becomes zero.
        assert!(parse("3e-4951").is_some() && parse("1e-4951").is_none());
        assert!(parse("0x1p-16445").is_some() && parse("0x1p-16446").is_none());
        assert!(parse("0x1p16383").is_some() && parse("0x1p16384").is_none());
        assert_eq!(parse("0e999999999999"), Some(Extended::ZERO));
    }

    #[test]
    fn what_is_not_a_number() {
        for bad in [
            "", " 1", "1 ", "-", "+-1", ".", "e5", "1e", "1e+", "1.2.3", "0x", "0xg", "0x1p",
            "nan", "nan()", "infin", "1f", "1e9999", "-1e9999", "1e-9999", "1,5", "1\0",
        ] {
            assert_eq!(Extended::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Extended::parse(&[b'1'; 5120]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(
            a in "[-+]?(0x)?[0-9a-fA-F.]{0,40}([ep][-+]?[0-9]{1,9})?",
            b in proptest::collection::vec(proptest::num::u8::ANY, 0..20),
        ) {
            let read = [a.as_bytes(), &b].map(Extended::parse);
            for x in read.into_iter().flatten() {
                for y in [x, Extended::from(i64::MIN), Extended::ZERO] {
                    let mut text = Vec::new();
                    x.plus(y).into_iter().for_each(|sum| sum.write(&mut text));
                }
            }
        }

        #[test]
        fn a_sum_does_not_depend_on_the_order(a: i64, b: i64, x: f64, y: f64) {
            let parse = |x: f64| Extended::parse(x.to_string().as_bytes());
            let pairs = [Some((a.into(), b.into())), parse(x).zip(parse(y))];
            for (a, b) in pairs.into_iter().flatten() {
                let there = a.plus(b).map(|sum| sum.magnitude);
                proptest::prop_assert_eq!(there, b.plus(a).map(|sum| sum.magnitude));
                let back = a.plus(a).and_then(|twice| twice.plus(negated(a)));
                proptest::prop_assert_eq!(back.map(|sum| sum.magnitude), Some(a.magnitude));
            }
        }
    }

    fn negated(x: Extended) -> Extended {
        Extended { negative: !x.negative, ..x }
    }
}
