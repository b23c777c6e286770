//! Reading lengths and strings.

use crate::engine::rdb::lzf;
use crate::engine::room::ask;
use std::borrow::Cow;

/// Why something is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::rdb) enum Stop {
    /// The bytes end before it does.
    Short,
    /// The bytes are something else.
    Bad,
    /// There is no memory for it.
    NoMemory,
}

pub(in crate::engine::rdb) type Read<T> = Result<T, Stop>;

/// What is left to be read.
pub(in crate::engine::rdb) struct Reader<'a>(pub(in crate::engine::rdb) &'a [u8]);

/// A length, or how a string is encoded.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<'a> Reader<'a> {
    /// Reads what `read` reads, or nothing.
    pub(in crate::engine::rdb) fn whole<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<T> {
        let before = self.0;
        read(self).inspect_err(|_| self.0 = before)
    }

    pub(in crate::engine::rdb) fn bytes(&mut self, len: usize) -> Read<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Stop::Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(in crate::engine::rdb) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Stop::Short)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(in crate::engine::rdb) fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn length(&mut self) -> Read<Length> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        Ok(match (first >> 6, first) {
            (0, _) => Length::Plain(low),
            (1, _) => Length::Plain(low << 8 | u64::from(self.byte()?)),
            (3, _) => Length::Encoded(first & 0x3f),
            (_, 0x80) => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            (_, 0x81) => Length::Plain(u64::from_be_bytes(self.array()?)),
            _ => return Err(Stop::Bad),
        })
    }

    /// A number of any size.
    pub(in crate::engine::rdb) fn number(&mut self) -> Read<u64> {
        match self.length()? {
            Length::Plain(number) => Ok(number),
            Length::Encoded(_) => Err(Stop::Bad),
        }
    }

    /// A number of things. They may not be there: it is worth no memory.
    pub(in crate::engine::rdb) fn count(&mut self) -> Read<usize> {
        usize::try_from(self.number()?).map_err(|_| Stop::Bad)
    }

    /// A string, in whatever way it is encoded.
    pub(in crate::engine::rdb) fn string(&mut self) -> Read<Cow<'a, [u8]>> {
        let digits =
            |value: i64| Ok(Cow::Owned(itoa::Buffer::new().format(value).as_bytes().to_vec()));
        match self.length()? {
            Length::Plain(len) => {
                self.bytes(usize::try_from(len).map_err(|_| Stop::Bad)?).map(Cow::Borrowed)
            }
            Length::Encoded(0) => digits(i64::from(i8::from_le_bytes(self.array()?))),
            Length::Encoded(1) => digits(i64::from(i16::from_le_bytes(self.array()?))),
            Length::Encoded(2) => digits(i64::from(i32::from_le_bytes(self.array()?))),
            Length::Encoded(3) => {
                let (compressed, len) = (self.count()?, self.count()?);
                let compressed = self.bytes(compressed)?;
                // What is made of it is there twice for a moment.
                let most = len.min(compressed.len().saturating_mul(lzf::LENGTH_MAX));
                ask(most.saturating_mul(2)).map_err(|_| Stop::NoMemory)?;
                lzf::decompress(compressed, len).map(Cow::Owned).ok_or(Stop::Bad)
            }
            Length::Encoded(_) => Err(Stop::Bad),
        }
    }

    /// A double as text, with a length byte before it that can also mean NaN and infinities.
    pub(in crate::engine::rdb) fn text_double(&mut self) -> Read<f64> {
        match self.byte()? {
            253 => Err(Stop::Bad),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            len => {
                let text = self.bytes(usize::from(len))?;
                crate::number::parse_bound(text).ok_or(Stop::Bad)
            }
        }
    }

    /// A double as bits, which is a number.
    pub(in crate::engine::rdb) fn double(&mut self) -> Read<f64> {
        let double = f64::from_le_bytes(self.array()?);
        if double.is_nan() { Err(Stop::Bad) } else { Ok(double) }
    }
}
