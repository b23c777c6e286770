//! RDB files: a keyspace in Redis's own format, written and read a slice at a time.
//!
//! A file is a header, opcodes with what belongs to them, keys with their values, and a CRC-64 of all
//! before it. [`Writer`] writes one in the oldest version that holds the data; [`Loader`] reads what
//! Redis has written since version 1.

mod error;
mod loader;
mod writer;

pub(in crate::engine) use super::encode::WHOLE_MAX;
pub use super::encode::{Purpose, ValueCursor};
pub use error::{Cause, LoadError};
pub use loader::{Expired, Loaded, Loader, Progress};
pub use writer::{Usage, Writer};

const MAGIC: &[u8; 5] = b"REDIS";
/// The first version with a checksum at the end.
const VERSION_CHECKSUM: u16 = 5;

/// What comes before a library of functions.
#[cfg(feature = "scripting")]
pub(super) const FUNCTION: u8 = opcode::FUNCTION2;

/// Bytes that are no type of a value.
mod opcode {
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION2: u8 = 245;
    pub const FUNCTION_PRE_GA: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQ: u8 = 249;
    pub const AUX: u8 = 250;
    pub const RESIZEDB: u8 = 251;
    pub const EXPIRETIME_MS: u8 = 252;
    pub const EXPIRETIME: u8 = 253;
    pub const SELECTDB: u8 = 254;
    pub const EOF: u8 = 255;
}
