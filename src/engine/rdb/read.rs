//! Reading lengths and strings.

use super::lzf;
use std::borrow::Cow;

/// What is left to be read. Every method answers `None` when the bytes are not what it reads.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// A length, or how a string is encoded.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn length(&mut self) -> Option<Length> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        Some(match (first >> 6, first) {
            (0, _) => Length::Plain(low),
            (1, _) => Length::Plain(low << 8 | u64::from(self.byte()?)),
            (3, _) => Length::Encoded(first & 0x3f),
            (_, 0x80) => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            (_, 0x81) => Length::Plain(u64::from_be_bytes(self.array()?)),
            _ => return None,
        })
    }

    /// A number of any size.
    pub(super) fn number(&mut self) -> Option<u64> {
        match self.length()? {
            Length::Plain(number) => Some(number),
            Length::Encoded(_) => None,
        }
    }

    /// A number of things, each of which takes at least a byte of what is left.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    /// A string, in whatever way it is encoded.
    pub(super) fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        let digits =
            |value: i64| Some(Cow::Owned(itoa::Buffer::new().format(value).as_bytes().to_vec()));
        match self.length()? {
            Length::Plain(len) => self.bytes(usize::try_from(len).ok()?).map(Cow::Borrowed),
            Length::Encoded(0) => digits(i64::from(i8::from_le_bytes(self.array()?))),
            Length::Encoded(1) => digits(i64::from(i16::from_le_bytes(self.array()?))),
            Length::Encoded(2) => digits(i64::from(i32::from_le_bytes(self.array()?))),
            Length::Encoded(3) => {
                let compressed = self.count()?;
                let len = usize::try_from(self.number()?).ok()?;
                lzf::decompress(self.bytes(compressed)?, len).map(Cow::Owned)
            }
            Length::Encoded(_) => None,
        }
    }

    /// A double as text, with a length byte before it that can also mean NaN and infinities.
    pub(super) fn text_double(&mut self) -> Option<f64> {
        match self.byte()? {
            253 => None,
            254 => Some(f64::INFINITY),
            255 => Some(f64::NEG_INFINITY),
            len => crate::engine::number::parse_bound(self.bytes(usize::from(len))?),
        }
    }

    /// A double as bits, which is a number.
    pub(super) fn double(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.array()?)).filter(|double| !double.is_nan())
    }
}
