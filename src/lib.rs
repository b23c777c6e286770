//! Lodis: the LOcal DIctionary Server.
//!
//! Redis's data model, commands, file formats and wire protocol as one small module without
//! threads, clock, randomness or I/O of its own. Layers depend downwards only:
//!
//! | module | is | must not know |
//! | --- | --- | --- |
//! | `web` | the wasm-bindgen facade and its thin drivers (IndexedDB, BroadcastChannel, Web Locks) | commands, formats |
//! | [`replication`] | the protocol between tabs, a state machine: events in, actions out | clocks, I/O, JavaScript |
//! | [`persist`] | the log's records and manager, a state machine: events in, actions out | clocks, I/O, JavaScript |
//! | [`engine`] | command table, commands, keyspace, expiry, transactions, pub/sub, effects | clocks, I/O, JavaScript |
//! | [`resp`] | RESP2 and RESP3, reading and writing | everything else |
//! | [`number`] | numbers as Redis reads and writes them | everything else |
//! | [`collections`] | maps in the order of their keys | everything else |
//!
//! `web` exists only on `wasm32`; everything below it runs and is tested natively.
//! The test `tests/tidy.rs` enforces this table.

// The wasm file has no `Debug`: `lodis-bindgen` takes it out with the panics, which alone need it.
#![cfg_attr(not(test), warn(clippy::use_debug))]

pub mod collections;
pub mod engine;
pub mod number;
pub mod persist;
pub mod replication;
pub mod resp;
#[cfg(target_arch = "wasm32")]
pub mod web;
