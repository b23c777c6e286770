//! The append-only log: record format, log manager and replay. State machines, no I/O.
//!
//! The store that a driver brings holds one [`manifest`] and, under the offset of its first byte,
//! each [`record`] of the effect stream. [`log`] decides what is stored when; [`replay`] makes the
//! keyspace again.
#![forbid(unsafe_code)]

pub mod log;
pub mod manifest;
pub mod record;
pub mod replay;
