//! Binary numbers in decimal, exactly rounded: what `printf` does with `%.*f` and `%.17g`, and the
//! fewest digits that read as the same number. Without the formatting of the standard library,
//! which is as large as a command family.

use super::big::{Big, quotient, shift_right_rounded};
use std::cmp::Ordering;

/// Decimal places at the most: so many are exact in 128 bits.
pub(super) const PLACES_MAX: u32 = 17;
/// The digits of a double at the most, so that another one is not meant.
const DIGITS_MAX: i32 = 17;
/// A double's significand has so many bits.
const SIGNIFICAND_BITS: u32 = 53;

/// `digits * 10^power`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) digits: u64,
    pub(super) power: i32,
}

/// A finite double as `significand * 2^exponent`, less its sign.
pub(super) fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << (SIGNIFICAND_BITS - 1)) - 1);
    match (bits >> (SIGNIFICAND_BITS - 1)) as i32 & 0x7ff {
        0 => (fraction, -1074),
        biased => (fraction | 1 << (SIGNIFICAND_BITS - 1), biased - 1075),
    }
}

/// A number with exactly `places` decimals, 17 at the most, rounded half to even: `%.*f` of C.
pub fn fixed(value: f64, places: u32) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let mut text = sign.as_bytes().to_vec();
    if value.is_finite() {
        let (significand, exponent) = parts(value);
        write_fixed(&mut text, significand, exponent, places.min(PLACES_MAX));
    } else {
        text.extend_from_slice(if value.is_nan() { b"nan" } else { b"inf" });
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The number with 17 significant digits and no zeros at their end: `%.17g` of C.
pub fn general(value: f64) -> String {
    const FIXED: std::ops::Range<i32> = -4..DIGITS_MAX;
    if value == 0.0 || !value.is_finite() {
        return fixed(value, 0);
    }
    let (significand, exponent) = parts(value);
    let Decimal { digits, power } = rounded(significand, exponent);
    let mut text = itoa::Buffer::new().format(digits).to_owned();
    let exponent = power + DIGITS_MAX - 1;
    text.truncate(text.trim_end_matches('0').len());
    match usize::try_from(exponent) {
        Ok(whole) if FIXED.contains(&exponent) => match text.len().checked_sub(whole + 1) {
            None => text.extend(std::iter::repeat_n('0', whole + 1 - text.len())),
            Some(0) => {}
            Some(_) => text.insert(whole + 1, '.'),
        },
        Err(_) if FIXED.contains(&exponent) => {
            text.insert_str(0, &"0.0000"[..1 + exponent.unsigned_abs() as usize]);
        }
        _ => {
            if text.len() > 1 {
                text.insert(1, '.');
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            text.push_str(&format!("e{sign}{:02}", exponent.abs()));
        }
    }
    if value < 0.0 {
        text.insert(0, '-');
    }
    text
}

/// Appends `significand * 2^exponent` with `places` decimals, 17 at the most.
pub(super) fn write_fixed(out: &mut Vec<u8>, significand: u64, exponent: i32, places: u32) {
    let fraction = match u32::try_from(exponent) {
        Ok(exponent) => {
            write_integer(out, significand, exponent);
            0
        }
        Err(_) => {
            let factor = 10u128.pow(places);
            let product = u128::from(significand) * factor;
            let shifted = shift_right_rounded(product, exponent.unsigned_abs());
            write_padded(out, (shifted / factor) as u64, 0);
            (shifted % factor) as u64
        }
    };
    if places > 0 {
        out.push(b'.');
        write_padded(out, fraction, places as usize);
    }
}

fn write_integer(out: &mut Vec<u8>, significand: u64, exponent: u32) {
    const CHUNK: u32 = 1_000_000_000;
    let mut value = Big::from(significand);
    value.shift_left(exponent);
    let mut chunks = vec![value.divide(CHUNK)];
    while !value.is_zero() {
        chunks.push(value.divide(CHUNK));
    }
    let mut width = 0;
    for chunk in chunks.iter().rev() {
        write_padded(out, u64::from(*chunk), width);
        width = 9;
    }
}

fn write_padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits);
}

/// The fewest digits that read as this double, and of those the nearest ones; of two as near, the
/// greater ones, as Redis has it. It is not zero.
pub(super) fn shortest(significand: u64, exponent: i32) -> Decimal {
    let up = DIGITS_MAX - 1 - magnitude(significand, exponent);
    // The midpoints to the doubles beside it. The one below is nearer where the exponent changes.
    let is_lowest = significand == 1 << (SIGNIFICAND_BITS - 1) && exponent > -1074;
    let below = 4 * significand - if is_lowest { 1 } else { 2 };
    let (low, is_low_exact) = scaled(below, exponent - 2, up);
    let (high, is_high_exact) = scaled(4 * significand + 2, exponent - 2, up);
    // A midpoint reads as the even one of its two.
    let is_even = significand.is_multiple_of(2);
    let mut first = low + u64::from(!is_even || !is_low_exact);
    let mut last = high - u64::from(!is_even && is_high_exact);
    let (mut unit, mut power) = (1, -up);
    while first.div_ceil(10) <= last / 10 {
        (first, last) = (first.div_ceil(10), last / 10);
        (unit, power) = (unit * 10, power + 1);
    }
    let digits = in_units(significand, exponent, up, unit, Half::Up).clamp(first, last);
    Decimal { digits, power }
}

/// 17 significant digits of a double that is not zero.
fn rounded(significand: u64, exponent: i32) -> Decimal {
    const LIMIT: u64 = 10u64.pow(DIGITS_MAX as u32);
    let power = magnitude(significand, exponent) - DIGITS_MAX + 1;
    let digits = in_units(significand, exponent, -power, 1, Half::ToEven);
    if digits < LIMIT {
        return Decimal { digits, power };
    }
    let (digits, power) = (in_units(significand, exponent, -power, 10, Half::ToEven), power + 1);
    if digits < LIMIT {
        Decimal { digits, power }
    } else {
        Decimal { digits: digits / 10, power: power + 1 }
    }
}

/// The power of ten at a number's first digit, or the one below it.
fn magnitude(significand: u64, exponent: i32) -> i32 {
    /// The decimal logarithm of 2, times 2^40.
    const LOG_10_OF_2: i64 = 330_985_980_541;
    let top = exponent + 63 - significand.leading_zeros() as i32;
    ((i64::from(top) * LOG_10_OF_2) >> 40) as i32
}

/// Where a number in the middle between two goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    ToEven,
    Up,
}

/// `significand * 2^exponent * 10^power` in units, rounded; below 10^18.
fn in_units(significand: u64, exponent: i32, power: i32, unit: u64, half: Half) -> u64 {
    let (doubled, is_exact) = scaled(4 * significand, exponent - 1, power);
    let (whole, rest) = (doubled / (2 * unit), doubled % (2 * unit));
    let up = match rest.cmp(&unit) {
        Ordering::Less => 0,
        Ordering::Equal if is_exact && half == Half::ToEven => whole & 1,
        _ => 1,
    };
    whole + up
}

/// `significand * 2^exponent * 10^power` less its fraction, and whether it has none. The significand
/// has 56 bits at the most and is not zero; the product is below 2^63.
fn scaled(significand: u64, exponent: i32, power: i32) -> (u64, bool) {
    /// With a significand, this power of five fits 128 bits.
    const SHORT_POWER: u32 = 30;
    let (wide, twos, tens) = (u128::from(significand), exponent + power, power.unsigned_abs());
    let shift = twos.unsigned_abs();
    if tens <= SHORT_POWER && shift < 128 {
        let factor = 5u128.pow(tens);
        if power >= 0 && twos <= 0 {
            let product = wide * factor;
            return ((product >> shift) as u64, product & ((1 << shift) - 1) == 0);
        }
        if power < 0 && twos >= 0 && shift < wide.leading_zeros() {
            let product = wide << shift;
            return ((product / factor) as u64, product.is_multiple_of(factor));
        }
    }
    let (mut above, mut below) = (Big::from(significand), Big::from(1));
    if power < 0 { &mut below } else { &mut above }.multiply_by_five_to(tens);
    let (quotient, exponent) = quotient(above, below, twos);
    // More bits than the product has, so that some are after its point.
    let shift = exponent.unsigned_abs();
    let whole = quotient.checked_shr(shift).unwrap_or(0);
    (whole as u64, whole << shift == quotient)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortest_text(value: f64) -> String {
        let (significand, exponent) = parts(value);
        let Decimal { digits, power } = shortest(significand, exponent);
        format!("{digits}e{power}")
    }

    /// The same from the standard library.
    fn expected(value: f64) -> String {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap();
        let places = digits.split_once('.').map_or(0, |(_, places)| places.len() as i32);
        let exponent: i32 = exponent.parse().unwrap();
        format!("{}e{}", digits.replace('.', ""), exponent - places)
    }

    /// As the standard library has it, in the form of C.
    fn expected_general(value: f64) -> String {
        let text = format!("{value:.16e}");
        let (mantissa, exponent) = text.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        let stripped = |text: &str| match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text.to_owned(),
        };
        if (-4..17).contains(&exponent) {
            let decimals = usize::try_from(16 - exponent).unwrap();
            return stripped(&format!("{value:.decimals$}"));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", stripped(mantissa), exponent.abs())
    }

    #[test]
    fn every_power_of_two_and_of_ten_and_their_neighbours() {
        let twos = (0..2046u64).map(|biased| f64::from_bits(biased << 52));
        let tens = (-323..309).map(|power| format!("1e{power}").parse::<f64>().unwrap());
        for value in twos.chain(tens) {
            for value in [value.next_down(), value, value.next_up()] {
                if value > 0.0 && value.is_finite() {
                    assert_eq!(shortest_text(value), expected(value), "{value:e}");
                    assert_eq!(general(value), expected_general(value), "{value:e}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_usual_number() {
        for (value, text) in
            [(0.0, "0"), (-0.0, "-0"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")]
        {
            assert_eq!(general(value), text);
        }
        assert_eq!(fixed(0.0, 2), "0.00");
        assert_eq!(fixed(-0.0, 4), "-0.0000");
        assert_eq!(fixed(f64::NAN, 2), "nan");
        assert_eq!(fixed(0.5, 0), "0");
        assert_eq!(fixed(1.5, 0), "2");
    }

    #[test]
    fn doubles_have_17_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.10000000000000001"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (1e-4, "0.0001"),
            (1e-5, "1.0000000000000001e-05"),
            (123456.789, "123456.789"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(general(value), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn as_the_standard_library_has_them(bits: u64, short in -99_999_999i64..99_999_999, places in 0u32..8, of in 0u32..=17) {
            let any = f64::from_bits(bits);
            let usual = short as f64 / 10f64.powi(places as i32);
            for value in [any, usual, any.abs().sqrt().sqrt(), any.fract(), usual * 1e17] {
                if value.is_finite() && value != 0.0 {
                    proptest::prop_assert_eq!(shortest_text(value), expected(value.abs()));
                    proptest::prop_assert_eq!(general(value), expected_general(value));
                    let of_places = of as usize;
                    proptest::prop_assert_eq!(fixed(value, of), format!("{value:.of_places$}"));
                }
            }
        }
    }
}
