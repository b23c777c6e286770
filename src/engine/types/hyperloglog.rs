//! HyperLogLog: how many different elements, about, in at most 12 kB; Redis's own format.
//!
//! A string: `HYLL`, a byte for the encoding (0 dense, 1 sparse), three bytes that are 0, and the
//! cardinality as it was last computed (`u64`, little-endian; the highest bit says that it is out of
//! date). Then 16,384 registers of 6 bits (dense, the lowest bits of a byte first), or (sparse)
//! `00xxxxxx` for up to 64 registers that are 0, `01xxxxxx yyyyyyyy` for up to 16,384 of them, and
//! `1vvvvvxx` for up to 4 registers that are `v`, up to 32.

const P: u32 = 14;
const REGISTERS: usize = 1 << P;
/// Bits of a hash that are not the register's number.
const Q: u32 = 64 - P;
const REGISTER_BITS: usize = 6;
const REGISTER_MAX: u8 = (1 << REGISTER_BITS) - 1;
const HEADER_LEN: usize = 16;
const DENSE_LEN: usize = HEADER_LEN + (REGISTERS * REGISTER_BITS).div_ceil(8);
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const SPARSE_VALUE_MAX: u8 = 32;
const SEED: u64 = 0xadc8_3b19;

/// The string is no HyperLogLog, or a damaged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HllError {
    /// It does not begin as one.
    Invalid,
    /// Its registers cannot be read.
    Corrupt,
}

/// A HyperLogLog's bytes, checked at the beginning only.
#[derive(Clone, Debug)]
pub struct HyperLogLog(Vec<u8>);

impl HyperLogLog {
    /// One without elements, sparse.
    pub fn new() -> Self {
        let mut bytes = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        push_zeros(&mut bytes, REGISTERS);
        Self(bytes)
    }

    /// Takes the content of a string.
    ///
    /// # Errors
    /// [`HllError::Invalid`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, HllError> {
        let head = bytes.starts_with(b"HYLL") && bytes.len() >= HEADER_LEN;
        let whole = head
            && match bytes[4] {
                DENSE => bytes.len() == DENSE_LEN,
                encoding => encoding == SPARSE,
            };
        if whole { Ok(Self(bytes)) } else { Err(HllError::Invalid) }
    }

    /// The string.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The encoding that `PFDEBUG ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        if self.is_sparse() { "sparse" } else { "dense" }
    }

    fn is_sparse(&self) -> bool {
        self.0[4] == SPARSE
    }

    /// The cardinality as it was last computed, if nothing has changed since.
    pub fn cached(&self) -> Option<u64> {
        let bytes = self.0.get(8..HEADER_LEN)?.first_chunk()?;
        let value = u64::from_le_bytes(*bytes);
        (value >> 63 == 0).then_some(value)
    }

    /// Remembers the cardinality.
    pub fn set_cached(&mut self, cardinality: u64) {
        self.0[8..HEADER_LEN].copy_from_slice(&cardinality.to_le_bytes());
    }

    /// The remembered cardinality is out of date.
    pub fn invalidate(&mut self) {
        self.0[HEADER_LEN - 1] |= 0x80;
    }

    /// Every register.
    ///
    /// # Errors
    /// [`HllError::Corrupt`].
    pub fn registers(&self) -> Result<Vec<u8>, HllError> {
        if self.is_sparse() {
            return sparse_registers(&self.0[HEADER_LEN..]).ok_or(HllError::Corrupt);
        }
        Ok((0..REGISTERS).map(|index| self.dense(index)).collect())
    }

    /// Adds an element; whether a register changed. Becomes dense when the sparse form would be
    /// longer than `sparse_max` bytes.
    ///
    /// # Errors
    /// [`HllError::Corrupt`].
    pub fn add(&mut self, element: &[u8], sparse_max: usize) -> Result<bool, HllError> {
        let (index, count) = register_of(element);
        self.raise(index, count, sparse_max)
    }

    /// Raises a register to `value`, if it is lower; whether it was.
    ///
    /// # Errors
    /// [`HllError::Corrupt`].
    pub fn raise(&mut self, index: usize, value: u8, sparse_max: usize) -> Result<bool, HllError> {
        if self.is_sparse() {
            if value > SPARSE_VALUE_MAX {
                self.make_dense()?;
            } else {
                let raised =
                    self.raise_sparse(index, value, sparse_max).ok_or(HllError::Corrupt)?;
                if let Some(raised) = raised {
                    return Ok(raised);
                }
                self.make_dense()?;
            }
        }
        let raised = self.dense(index) < value;
        if raised {
            self.set_dense(index, value);
        }
        Ok(raised)
    }

    /// Gives up the sparse form.
    ///
    /// # Errors
    /// [`HllError::Corrupt`].
    pub fn make_dense(&mut self) -> Result<(), HllError> {
        if !self.is_sparse() {
            return Ok(());
        }
        let registers = self.registers()?;
        self.0.truncate(HEADER_LEN);
        self.0.resize(DENSE_LEN, 0);
        self.0[4] = DENSE;
        for (index, value) in registers.into_iter().enumerate().filter(|(_, value)| *value > 0) {
            self.set_dense(index, value);
        }
        Ok(())
    }

    /// The sparse form for people: `z:n` and `Z:n` for runs of zeros, `v:value,n` for others.
    ///
    /// # Errors
    /// [`HllError::Corrupt`].
    pub fn decode(&self) -> Result<String, HllError> {
        let mut bytes = self.0.get(HEADER_LEN..).unwrap_or_default();
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            let run = Run::read(bytes).ok_or(HllError::Corrupt)?;
            parts.push(match (run.value, run.size) {
                (0, 1) => format!("z:{}", run.len),
                (0, _) => format!("Z:{}", run.len),
                (value, _) => format!("v:{value},{}", run.len),
            });
            bytes = &bytes[run.size..];
        }
        Ok(parts.join(" "))
    }

    fn dense(&self, index: usize) -> u8 {
        let bit = index * REGISTER_BITS;
        let (byte, shift) = (HEADER_LEN + bit / 8, bit % 8);
        let low = u16::from(self.0.get(byte).copied().unwrap_or(0));
        let high = u16::from(self.0.get(byte + 1).copied().unwrap_or(0));
        ((low | high << 8) >> shift) as u8 & REGISTER_MAX
    }

    fn set_dense(&mut self, index: usize, value: u8) {
        let bit = index * REGISTER_BITS;
        let (byte, shift) = (HEADER_LEN + bit / 8, bit % 8);
        let (mask, value) = (u16::from(REGISTER_MAX) << shift, u16::from(value) << shift);
        for (at, mask, value) in
            [(byte, mask as u8, value as u8), (byte + 1, (mask >> 8) as u8, (value >> 8) as u8)]
        {
            if let Some(byte) = self.0.get_mut(at) {
                *byte = *byte & !mask | value;
            }
        }
    }

    /// Raises a register of the sparse form; `None` if that is damaged, and in it, if it would be
    /// longer than `len_max`.
    fn raise_sparse(&mut self, index: usize, value: u8, len_max: usize) -> Option<Option<bool>> {
        let (mut at, mut first) = (HEADER_LEN, 0);
        let run = loop {
            let run = Run::read(self.0.get(at..)?)?;
            if index < first + run.len {
                break run;
            }
            first += run.len;
            at += run.size;
        };
        if run.value >= value {
            return Some(Some(false));
        }
        let mut parts = Vec::new();
        run.write(index - first, &mut parts);
        Run { value, len: 1, size: 0 }.write(1, &mut parts);
        run.write(first + run.len - index - 1, &mut parts);
        if parts.len() > run.size && self.0.len() - run.size + parts.len() > len_max {
            return Some(None);
        }
        self.0.splice(at..at + run.size, parts);
        self.merge_values(at);
        Some(Some(true))
    }

    /// Joins neighbouring runs of the same value, from up to three runs before `at` on.
    fn merge_values(&mut self, at: usize) {
        let mut start = HEADER_LEN;
        let mut starts = Vec::new();
        while start < at {
            starts.push(start);
            let Some(run) = self.0.get(start..).and_then(Run::read) else { return };
            start += run.size;
        }
        // Redis looks at five runs, from the one before the change on.
        let mut here = starts.last().copied().unwrap_or(HEADER_LEN);
        for _ in 0..5 {
            let Some(run) = self.0.get(here..).and_then(Run::read) else { return };
            let next = here + run.size;
            if run.value > 0
                && let Some(other) = self.0.get(next..).and_then(Run::read)
                && other.value == run.value
                && run.len + other.len <= 4
            {
                let mut joined = Vec::new();
                Run { len: run.len + other.len, ..run }.write(run.len + other.len, &mut joined);
                self.0.splice(here..next + other.size, joined);
                continue;
            }
            here = next;
        }
    }
}

impl Default for HyperLogLog {
    fn default() -> Self {
        Self::new()
    }
}

/// Registers in a row with the same value, in the sparse form.
#[derive(Clone, Copy)]
struct Run {
    value: u8,
    len: usize,
    /// Its bytes.
    size: usize,
}

impl Run {
    fn read(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let low = usize::from(first & 0x3f);
        Some(match first >> 6 {
            0 => Self { value: 0, len: low + 1, size: 1 },
            1 => Self { value: 0, len: (low << 8 | usize::from(*bytes.get(1)?)) + 1, size: 2 },
            _ => Self { value: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1, size: 1 },
        })
    }

    /// Writes `len` registers of this value.
    fn write(self, len: usize, out: &mut Vec<u8>) {
        if len == 0 {
            return;
        }
        if self.value == 0 {
            return push_zeros(out, len);
        }
        out.push(0x80 | (self.value - 1) << 2 | (len - 1) as u8);
    }
}

fn push_zeros(out: &mut Vec<u8>, len: usize) {
    if len <= 64 {
        out.push(len as u8 - 1);
    } else {
        out.extend_from_slice(&[0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]);
    }
}

fn sparse_registers(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut registers = Vec::with_capacity(REGISTERS);
    while !bytes.is_empty() {
        let run = Run::read(bytes)?;
        if registers.len() + run.len > REGISTERS {
            return None;
        }
        registers.resize(registers.len() + run.len, run.value);
        bytes = &bytes[run.size..];
    }
    (registers.len() == REGISTERS).then_some(registers)
}

/// The register of an element, and the length of the run of zeros in its hash, with the one after.
fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element);
    let index = hash as usize & (REGISTERS - 1);
    let rest = hash >> P | 1 << Q;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// MurmurHash64A, as Redis uses it, on little-endian words.
fn murmur64a(bytes: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 47)).wrapping_mul(M);
        hash = (hash ^ k).wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 47)).wrapping_mul(M);
    hash ^ (hash >> 47)
}

/// The cardinality that registers stand for (Otmar Ertl's estimator, as in Redis).
pub fn cardinality(registers: &[u8]) -> u64 {
    const ALPHA_INFINITY: f64 = 0.721_347_520_444_481_7;
    let mut histogram = [0u32; 64];
    registers.iter().for_each(|value| histogram[usize::from(*value & REGISTER_MAX)] += 1);
    let m = REGISTERS as f64;
    let q = Q as usize;
    let mut z = m * tau((m - f64::from(histogram[q + 1])) / m);
    for count in histogram[1..=q].iter().rev() {
        z = (z + f64::from(*count)) * 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA_INFINITY * m * m / z).round() as u64
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_counts_about_right_in_both_encodings() {
        let mut hll = HyperLogLog::new();
        for number in 0..100_000u32 {
            hll.add(&number.to_le_bytes(), 3000).unwrap();
            if [9, 99, 999, 9999, 99_999].contains(&number) {
                let counted = cardinality(&hll.registers().unwrap()) as f64;
                let error = (counted - f64::from(number + 1)).abs() / f64::from(number + 1);
                assert!(error < 0.03, "{number}: {counted}");
            }
        }
        assert_eq!((hll.encoding(), hll.as_bytes().len()), ("dense", DENSE_LEN));
    }

    proptest! {
        #[test]
        fn sparse_and_dense_hold_the_same(raised in prop::collection::vec((0usize..REGISTERS, 1u8..=32), 1..200)) {
            let (mut sparse, mut dense) = (HyperLogLog::new(), HyperLogLog::new());
            dense.make_dense().unwrap();
            for (index, value) in raised {
                let index = index % 40;
                let one = sparse.raise(index, value, 10_000).unwrap();
                prop_assert_eq!(one, dense.raise(index, value, 0).unwrap());
            }
            prop_assert_eq!(sparse.encoding(), "sparse");
            prop_assert_eq!(sparse.registers().unwrap(), dense.registers().unwrap());
        }

        #[test]
        fn damaged_ones_never_trap(bytes in prop::collection::vec(any::<u8>(), 0..40), index in 0usize..REGISTERS) {
            let body = [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0".as_slice(), &bytes].concat();
            let mut hll = HyperLogLog::from_bytes(body).unwrap();
            let _ = hll.registers();
            let _ = hll.raise(index, 5, 3000);
            let _ = hll.make_dense();
        }
    }
}
