//! Strings: the encodings `int`, `embstr` and `raw`.

use crate::engine::number::parse_integer;
use std::borrow::Cow;

/// The longest string that is stored as `embstr`, in bytes.
const EMBSTR_LEN: usize = 44;

/// A binary-safe string in the encoding that Redis would choose.
#[derive(Clone, Debug)]
pub struct StringValue(Encoding);

#[derive(Clone, Debug)]
enum Encoding {
    Int(i64),
    Embstr(Box<[u8]>),
    Raw(Vec<u8>),
}

impl StringValue {
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
                Cow::Owned(itoa::Buffer::new().format(*value).as_bytes().to_vec())
            }
            Encoding::Embstr(bytes) => Cow::Borrowed(bytes),
            Encoding::Raw(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// Calls `f` with the content, without an allocation in any encoding.
    pub fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match &self.0 {
            Encoding::Int(value) => f(itoa::Buffer::new().format(*value).as_bytes()),
            Encoding::Embstr(bytes) => f(bytes),
            Encoding::Raw(bytes) => f(bytes),
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
            Encoding::Int(value) => Some(*value),
            Encoding::Embstr(bytes) => parse_integer(bytes),
            Encoding::Raw(bytes) => parse_integer(bytes),
        }
    }

    /// The content as a growable buffer, to be changed in place; the encoding becomes `raw`.
    pub fn make_raw(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0, Encoding::Raw(_)) {
            self.0 = Encoding::Raw(self.bytes().into_owned());
        }
        match &mut self.0 {
            Encoding::Raw(bytes) => bytes,
            _ => unreachable!("made raw above"),
        }
    }
}

impl From<&[u8]> for StringValue {
    fn from(bytes: &[u8]) -> Self {
        // The longest canonical integer has 20 bytes.
        if bytes.len() <= 20
            && let Some(value) = parse_integer(bytes)
        {
            return Self(Encoding::Int(value));
        }
        if bytes.len() <= EMBSTR_LEN {
            return Self(Encoding::Embstr(bytes.into()));
        }
        Self(Encoding::Raw(bytes.to_vec()))
    }
}

impl From<i64> for StringValue {
    fn from(value: i64) -> Self {
        Self(Encoding::Int(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let encoding = |bytes: &[u8]| StringValue::from(bytes).encoding();
        assert_eq!(encoding(b"12"), "int");
        assert_eq!(encoding(b"012"), "embstr");
        assert_eq!(encoding(&[b'a'; 44]), "embstr");
        assert_eq!(encoding(&[b'a'; 45]), "raw");
        let mut value = StringValue::from(12);
        value.make_raw().push(b'3');
        assert_eq!((value.encoding(), value.integer(), value.len()), ("raw", Some(123), 3));
    }
}
