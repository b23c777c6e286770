//! Error replies.

use std::borrow::Cow;

/// An error reply, whole: code and text, as the client sees it after `-`.
///
/// A handler that answers an error has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Cow<'static, [u8]>);

impl Error {
    /// The key holds another type.
    pub const WRONG_TYPE: Self =
        Self::fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// An option is unknown, repeated, or in conflict with another.
    pub const SYNTAX: Self = Self::fixed("ERR syntax error");
    /// An argument is not a canonical 64-bit integer.
    pub const NOT_AN_INTEGER: Self = Self::fixed("ERR value is not an integer or out of range");
    /// An argument is not a number.
    pub const NOT_A_FLOAT: Self = Self::fixed("ERR value is not a valid float");
    /// An argument must not be negative.
    pub const NOT_POSITIVE: Self = Self::fixed("ERR value is out of range, must be positive");
    /// The result of an increment does not fit 64 bits.
    pub const OVERFLOW: Self = Self::fixed("ERR increment or decrement would overflow");
    /// The key does not exist where it must.
    pub const NO_SUCH_KEY: Self = Self::fixed("ERR no such key");
    /// An index or offset is outside its range.
    pub const OUT_OF_RANGE: Self = Self::fixed("ERR index out of range");
    /// A database number outside `0..databases`.
    pub const NO_SUCH_DATABASE: Self = Self::fixed("ERR DB index is out of range");
    /// The string would grow beyond `proto-max-bulk-len`.
    pub const STRING_TOO_LONG: Self =
        Self::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    /// Another engine decides what happens.
    pub const READ_ONLY: Self =
        Self::fixed("READONLY You can't write against a read only replica.");
    /// The allocator refused.
    pub const OUT_OF_MEMORY: Self =
        Self::fixed("OOM command not allowed when used memory > 'maxmemory'.");

    /// An error whose text is known beforehand.
    pub const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }

    /// An error with text made for the occasion.
    pub fn new(text: impl Into<Vec<u8>>) -> Self {
        Self(Cow::Owned(text.into()))
    }

    /// The text, code first.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The code: the first word (`ERR`, `WRONGTYPE`, …).
    pub fn code(&self) -> &[u8] {
        self.0.split(|byte| *byte == b' ').next().unwrap_or_default()
    }
}
