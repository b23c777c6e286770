//! Strings: the encodings `int`, `embstr` and `raw`.

use crate::number::parse_integer;
use std::borrow::Cow;
use std::collections::TryReserveError;

/// The longest string that is stored as `embstr`, in bytes.
const EMBSTR_LEN: usize = 44;
/// The length of the longest canonical integer, in bytes.
const INTEGER_LEN: usize = 20;

/// A binary-safe string in the encoding that Redis would choose.
#[derive(Clone, Debug)]
pub struct StringValue(Encoding);

#[derive(Clone, Debug)]
enum Encoding {
    /// An `i64`, as bytes: they need no alignment, which saves eight bytes a key in WebAssembly.
    Int([u8; 8]),
    Embstr(Box<[u8]>),
    Raw(Vec<u8>),
}

impl StringValue {
    /// The content in the encoding that fits it, an integer becoming `int`.
    ///
    /// # Errors
    /// When the allocator refuses.
    pub fn encode(bytes: &[u8]) -> Result<Self, TryReserveError> {
        if bytes.len() <= INTEGER_LEN
            && let Some(value) = parse_integer(bytes)
        {
            return Ok(value.into());
        }
        Self::text(bytes)
    }

    /// Puts other content into the memory that is there, if the content would take just as much and
    /// have the same encoding; whether it did.
    pub fn replace_in_place(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() <= INTEGER_LEN && parse_integer(bytes).is_some() {
            return false;
        }
        match &mut self.0 {
            Encoding::Embstr(old) if old.len() == bytes.len() => old.copy_from_slice(bytes),
            Encoding::Raw(old) if old.len() == bytes.len() && old.len() > EMBSTR_LEN => {
                old.copy_from_slice(bytes);
            }
            _ => return false,
        }
        true
    }

    /// The content as `embstr` or `raw`, even if it reads as an integer.
    ///
    /// # Errors
    /// When the allocator refuses.
    pub fn text(bytes: &[u8]) -> Result<Self, TryReserveError> {
        if bytes.len() <= EMBSTR_LEN {
            return Ok(Self(Encoding::Embstr(bytes.into())));
        }
        let mut raw = Vec::new();
        raw.try_reserve_exact(bytes.len())?;
        raw.extend_from_slice(bytes);
        Ok(Self(Encoding::Raw(raw)))
    }

    /// Zero bytes with `bytes` after them at `offset`, as `raw`.
    ///
    /// # Errors
    /// When the allocator refuses.
    pub fn padded(offset: usize, bytes: &[u8]) -> Result<Self, TryReserveError> {
        let mut string = Self(Encoding::Raw(Vec::new()));
        string.write_at(offset, bytes)?;
        Ok(string)
    }

    /// Makes it the integer `value`.
    pub fn set_integer(&mut self, value: i64) {
        *self = value.into();
    }

    /// Appends `tail`; answers the new length. The encoding becomes `raw`.
    ///
    /// # Errors
    /// When the allocator refuses; the content is as before.
    pub fn append(&mut self, tail: &[u8]) -> Result<usize, TryReserveError> {
        let raw = self.make_raw();
        reserve(raw, tail.len())?;
        raw.extend_from_slice(tail);
        Ok(raw.len())
    }

    /// Overwrites from `offset` on, growing as needed, any gap filled with zero bytes; answers the
    /// new length. The encoding becomes `raw`.
    ///
    /// # Errors
    /// When the allocator refuses; the content is as before.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) -> Result<usize, TryReserveError> {
        let raw = self.make_raw();
        let end = offset.saturating_add(bytes.len());
        if end > raw.len() {
            reserve(raw, end - raw.len())?;
            raw.resize(end, 0);
        }
        raw[offset..end].copy_from_slice(bytes);
        Ok(raw.len())
    }

    /// Makes it at least `len` bytes long, with zero bytes at the end; whether it grew. The encoding
    /// becomes `raw`.
    ///
    /// # Errors
    /// When the allocator refuses; the content is as before.
    pub fn grow(&mut self, len: usize) -> Result<bool, TryReserveError> {
        let raw = self.make_raw();
        if len <= raw.len() {
            return Ok(false);
        }
        reserve(raw, len - raw.len())?;
        raw.resize(len, 0);
        Ok(true)
    }

    /// The content, to be changed in place; the encoding becomes `raw`.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.make_raw()
    }

    /// The name that `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match self.0 {
            Encoding::Int(_) => "int",
            Encoding::Embstr(_) => "embstr",
            Encoding::Raw(_) => "raw",
        }
    }

    /// The content. Borrowed but for `int`.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Encoding::Int(value) => {
                let value = i64::from_ne_bytes(*value);
                Cow::Owned(itoa::Buffer::new().format(value).as_bytes().to_vec())
            }
            Encoding::Embstr(bytes) => Cow::Borrowed(bytes),
            Encoding::Raw(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// Calls `f` with the content, without an allocation in any encoding.
    pub fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match &self.0 {
            Encoding::Int(value) => {
                f(itoa::Buffer::new().format(i64::from_ne_bytes(*value)).as_bytes())
            }
            Encoding::Embstr(bytes) => f(bytes),
            Encoding::Raw(bytes) => f(bytes),
        }
    }

    /// How many bytes it takes on the heap.
    pub fn heap_len(&self) -> usize {
        match &self.0 {
            Encoding::Int(_) => 0,
            Encoding::Embstr(bytes) => bytes.len(),
            Encoding::Raw(bytes) => bytes.capacity(),
        }
    }

    /// The length of the content in bytes.
    pub fn len(&self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content as a canonical integer.
    pub fn integer(&self) -> Option<i64> {
        match &self.0 {
            Encoding::Int(value) => Some(i64::from_ne_bytes(*value)),
            Encoding::Embstr(bytes) => parse_integer(bytes),
            Encoding::Raw(bytes) => parse_integer(bytes),
        }
    }

    /// The content as a growable buffer, to be changed in place; the encoding becomes `raw`.
    fn make_raw(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0, Encoding::Raw(_)) {
            self.0 = Encoding::Raw(self.bytes().into_owned());
        }
        match &mut self.0 {
            Encoding::Raw(bytes) => bytes,
            _ => unreachable!("made raw above"),
        }
    }
}

impl From<i64> for StringValue {
    fn from(value: i64) -> Self {
        Self(Encoding::Int(value.to_ne_bytes()))
    }
}

/// Room for `more` bytes: twice what there was if that can be had, or else no more than needed.
fn reserve(raw: &mut Vec<u8>, more: usize) -> Result<(), TryReserveError> {
    raw.try_reserve(more).or_else(|_| raw.try_reserve_exact(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let encoding = |bytes: &[u8]| StringValue::encode(bytes).unwrap().encoding();
        assert_eq!(encoding(b"12"), "int");
        assert_eq!(encoding(b"012"), "embstr");
        assert_eq!(encoding(&[b'a'; 44]), "embstr");
        assert_eq!(encoding(&[b'a'; 45]), "raw");
        assert_eq!(StringValue::text(b"12").unwrap().encoding(), "embstr");
        let mut value = StringValue::from(12);
        assert_eq!(value.append(b"3"), Ok(3));
        assert_eq!((value.encoding(), value.integer(), value.len()), ("raw", Some(123), 3));
    }

    #[test]
    fn what_is_replaced_in_place_is_as_if_made_anew() {
        for (old, new, replaced) in [
            (&b"abc"[..], &b"xyz"[..], true),
            (b"abc", b"123", false),
            (b"abc", b"ab", false),
            (b"123", b"124", false),
            (&[b'a'; 45], &[b'b'; 45], true),
            (&[b'a'; 45], &[b'b'; 46], false),
        ] {
            let mut value = StringValue::encode(old).unwrap();
            assert_eq!(value.replace_in_place(new), replaced, "{}", old.escape_ascii());
            if replaced {
                assert_eq!(value.encoding(), StringValue::encode(new).unwrap().encoding());
                assert_eq!(&*value.bytes(), new);
            }
        }
        let mut short = StringValue::padded(0, b"abc").unwrap();
        assert!(!short.replace_in_place(b"xyz"), "it is raw, and would be embstr");
    }

    #[test]
    fn writing_inside_and_past_the_end() {
        let mut value = StringValue::encode(b"abc").unwrap();
        assert_eq!(value.write_at(1, b"xy"), Ok(3));
        assert_eq!(value.write_at(5, b"z"), Ok(6));
        assert_eq!(&*value.bytes(), b"axy\0\0z");
        assert!(value.write_at(usize::MAX, b"").is_err(), "no allocation of that size");
        assert_eq!(value.len(), 6);
        assert_eq!(&*StringValue::padded(2, b"z").unwrap().bytes(), b"\0\0z");
    }
}
