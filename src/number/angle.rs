//! Sine and cosine, the same ones on all machines, and in a tenth of the code of those that are exact
//! for any angle: for what turns around more than a few times, digits are lost.

use std::f64::consts::{FRAC_PI_2, TAU};

/// What a quarter turn has beyond its double.
const FRAC_PI_2_REST: f64 = 6.123_233_995_736_766e-17;

/// The sine of an angle in radians, within two units in the last place; NaN for infinity.
pub fn sine(angle: f64) -> f64 {
    let (quarters, rest) = reduced(angle);
    quarter(quarters, rest)
}

/// The cosine of an angle in radians, within two units in the last place; NaN for infinity.
pub fn cosine(angle: f64) -> f64 {
    let (quarters, rest) = reduced(angle);
    quarter(quarters + 1, rest)
}

/// The quarter turns nearest to an angle, and what is left of it: an eighth of a turn at the most.
fn reduced(angle: f64) -> (i32, f64) {
    let angle = if angle.abs() > TAU { angle % TAU } else { angle };
    let quarters = (angle / FRAC_PI_2).round_ties_even();
    (quarters as i32, (angle - quarters * FRAC_PI_2) - quarters * FRAC_PI_2_REST)
}

fn quarter(quarters: i32, rest: f64) -> f64 {
    let value = if quarters & 1 == 0 { rest * series(rest, 1) } else { series(rest, 0) };
    if quarters & 2 == 0 { value } else { -value }
}

/// The series of the sine, less its first factor, or of the cosine: `skip` is 1, or 0.
fn series(rest: f64, skip: i32) -> f64 {
    /// The next term is below the last place.
    const TERMS: i32 = 9;
    let square = rest * rest;
    (1..=TERMS).rev().fold(1.0, |sum, term| {
        let below = f64::from((2 * term + skip) * (2 * term + skip - 1));
        1.0 - square / below * sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(ours: f64, exact: f64, angle: f64) {
        // Near its zeros, as far off as the angle is.
        let most = (2.0 * f64::EPSILON * exact.abs()).max(angle.abs() * 1e-16 * 1e-16).max(1e-320);
        assert!((ours - exact).abs() <= most, "{angle}: {ours}, not {exact}");
    }

    #[test]
    fn every_angle_on_earth() {
        for step in -100_000..=100_000 {
            let angle = f64::from(step) / 100_000.0 * TAU;
            near(sine(angle), angle.sin(), angle);
            near(cosine(angle), angle.cos(), angle);
        }
        assert_eq!(sine(0.0).to_bits(), 0);
        assert_eq!(cosine(0.0), 1.0);
    }

    #[test]
    fn what_is_far_around_is_still_one() {
        for angle in [100.0, -1e6, 1e300, f64::MAX] {
            assert!(sine(angle).abs() <= 1.0 && cosine(angle).abs() <= 1.0);
        }
        assert!(sine(f64::INFINITY).is_nan() && cosine(f64::NAN).is_nan());
        assert!((sine(100.0) - 100f64.sin()).abs() < 1e-13);
    }
}
