//! Persistence: the format of the store, the log manager and the replay. State machines, no I/O.
//!
//! The store that a driver brings holds one [`manifest`], the pieces of a base, and the records of
//! the effect stream since then ([`frame`]). [`log`] decides what is stored when; [`replay`] makes
//! the keyspace again, [`incoming`] takes it from another tab, and [`follow`] keeps one up to date with
//! a stream from elsewhere; [`measure`] finds where the records end, and [`lineage`] tells whose stream it is.
#![forbid(unsafe_code)]

mod apply;
pub mod follow;
pub mod frame;
pub mod incoming;
pub mod lineage;
pub mod log;
pub mod manifest;
pub mod measure;
pub mod replay;
