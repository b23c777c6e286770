//! Redis's serialisation of one value: what DUMP answers and an RDB file is made of.
//!
//! A payload is a type byte, the value, the RDB version (`u16`) and a CRC-64 of all before it (both
//! little-endian). Values that are to travel are written in the oldest form that holds them, so that
//! old servers read them too; everything that Redis has written since version 1 is read. What is read is checked
//! whole: bytes that are not a value give an error, and never more memory than they stand for.

mod crc64;
mod decode;
mod encode;
pub mod file;
mod lzf;

pub use crc64::crc64;
pub use encode::{Purpose, dump};

use super::config::Limits;
use super::types::Value;

/// The newest version that is read.
const VERSION_MAX: u16 = 12;
const FOOTER_LEN: usize = 10;

/// Why a payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RdbError {
    /// Its version is not known, or its checksum is another one.
    Footer,
    /// It is no value, or a damaged one.
    Data,
}

/// The bytes of a type in a payload.
mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET_2: u8 = 5;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM_LISTPACKS: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_LISTPACKS_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_LISTPACKS_3: u8 = 21;
    pub const HASH_METADATA_PRE_GA: u8 = 22;
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    pub const HASH_METADATA: u8 = 24;
    pub const HASH_LISTPACK_EX: u8 = 25;
}

/// What a call may do, roughly in bytes.
struct Budget {
    left: usize,
    spent: u64,
}

impl Budget {
    /// What an element costs besides its bytes: short ones are many.
    const ELEMENT: usize = 32;

    /// Something is always done, so that there is an end.
    fn new(bytes: usize) -> Self {
        Self { left: bytes.max(1), spent: 0 }
    }

    fn spend(&mut self, bytes: usize) {
        let cost = bytes.saturating_add(Self::ELEMENT);
        self.left = self.left.saturating_sub(cost);
        self.spent = self.spent.saturating_add(cost as u64);
    }

    /// What it may still do.
    fn left(&self) -> usize {
        self.left
    }

    fn is_spent(&self) -> bool {
        self.left == 0
    }
}

/// Reads what [`dump`] has written, or DUMP of a Redis up to 8. Cost: O(bytes), and more for what
/// has to be put in order.
///
/// # Errors
/// [`RdbError`].
pub fn restore(payload: &[u8], limits: Limits) -> Result<Value, RdbError> {
    decode::value(checked(payload)?, limits).ok_or(RdbError::Data)
}

/// What is in a payload before its footer, which is right.
fn checked(payload: &[u8]) -> Result<&[u8], RdbError> {
    let checked = payload.len().checked_sub(8).ok_or(RdbError::Footer)?;
    let body_len = payload.len().checked_sub(FOOTER_LEN).ok_or(RdbError::Footer)?;
    let (checked, checksum) = payload.split_at(checked);
    let (body, version) = checked.split_at(body_len);
    let version = version.first_chunk().map_or(u16::MAX, |bytes| u16::from_le_bytes(*bytes));
    let checksum = checksum.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    if version > VERSION_MAX || crc64(0, checked) != checksum {
        return Err(RdbError::Footer);
    }
    Ok(body)
}

/// The payload that FUNCTION DUMP answers.
#[cfg(feature = "scripting")]
pub fn dump_libraries<'c>(codes: impl Iterator<Item = &'c [u8]>) -> Vec<u8> {
    encode::libraries(codes, file::FUNCTION)
}

/// Reads what [`dump_libraries`] has written, or FUNCTION DUMP of Redis.
///
/// # Errors
/// [`RdbError`].
#[cfg(feature = "scripting")]
pub fn restore_libraries(payload: &[u8]) -> Result<Vec<Vec<u8>>, RdbError> {
    decode::libraries(checked(payload)?, file::FUNCTION).ok_or(RdbError::Data)
}
