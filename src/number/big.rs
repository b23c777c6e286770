//! Natural numbers of any size, for what must be exact and does not fit 128 bits.

use std::cmp::Ordering;

/// A natural number of any size: 32 bits a limb, the lowest first, the highest not zero.
#[derive(Default)]
pub(super) struct Big(Vec<u32>);

impl Big {
    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bits(&self) -> i32 {
        let Some(top) = self.0.last() else { return 0 };
        self.0.len() as i32 * 32 - top.leading_zeros() as i32
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    pub(super) fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    pub(super) fn multiply_by_five_to(&mut self, power: u32) {
        /// The greatest one that fits a limb.
        const STEP: u32 = 13;
        for _ in 0..power / STEP {
            self.multiply_add(5u32.pow(STEP), 0);
        }
        self.multiply_add(5u32.pow(power % STEP), 0);
    }

    pub(super) fn shift_left(&mut self, bits: u32) {
        self.multiply_add(1 << (bits % 32), 0);
        let zeros = std::iter::repeat_n(0, if self.is_zero() { 0 } else { bits as usize / 32 });
        self.0.splice(0..0, zeros);
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for limb in self.0.iter_mut().rev() {
            let low = *limb << 31;
            *limb = *limb >> 1 | carry;
            carry = low;
        }
        self.trim();
    }

    /// Takes `other` away if it is not greater; whether it was.
    fn subtract(&mut self, other: &Self) -> bool {
        let order = self.0.len().cmp(&other.0.len());
        if order.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())) == Ordering::Less {
            return false;
        }
        let mut borrow = false;
        for (index, limb) in self.0.iter_mut().enumerate() {
            let subtrahend = other.0.get(index).copied().unwrap_or(0);
            let (difference, first) = limb.overflowing_sub(subtrahend);
            let (difference, second) = difference.overflowing_sub(u32::from(borrow));
            *limb = difference;
            borrow = first || second;
        }
        self.trim();
        true
    }

    /// Divides by `divisor`; answers the remainder.
    pub(super) fn divide(&mut self, divisor: u32) -> u32 {
        let mut rest = 0u64;
        for limb in self.0.iter_mut().rev() {
            rest = rest << 32 | u64::from(*limb);
            *limb = (rest / u64::from(divisor)) as u32;
            rest %= u64::from(divisor);
        }
        self.trim();
        rest as u32
    }
}

impl From<u64> for Big {
    fn from(value: u64) -> Self {
        let mut big = Self(vec![value as u32, (value >> 32) as u32]);
        big.trim();
        big
    }
}

/// `above / below * 2^exponent` as 69 bits or more and a power of two; what is lost is in the last
/// bit. Neither is zero.
pub(super) fn quotient(mut above: Big, mut below: Big, exponent: i32) -> (u128, i32) {
    /// More bits of the quotient than the significand has.
    const BITS: i32 = 68;
    let scale = BITS - 1 - (above.bits() - below.bits());
    let scaled = if scale >= 0 { &mut above } else { &mut below };
    scaled.shift_left(scale.unsigned_abs());
    below.shift_left(BITS.unsigned_abs());
    let mut quotient = 0u128;
    for _ in 0..=BITS {
        quotient <<= 1;
        if above.subtract(&below) {
            quotient |= 1;
        }
        below.halve();
    }
    let inexact = u128::from(!above.is_zero());
    (quotient << 1 | inexact, exponent - scale - 1)
}

/// `value / 2^bits`, to the nearest integer, ties to even; `value` is below 2^127 if `bits` is
/// above 127.
pub(super) fn shift_right_rounded(value: u128, bits: u32) -> u128 {
    if bits == 0 {
        return value;
    }
    let (Some(quotient), Some(unit)) = (value.checked_shr(bits), 1u128.checked_shl(bits)) else {
        return 0;
    };
    let up = match (value & (unit - 1)).cmp(&(unit / 2)) {
        Ordering::Less => 0,
        Ordering::Equal => quotient & 1,
        Ordering::Greater => 1,
    };
    quotient + up
}
