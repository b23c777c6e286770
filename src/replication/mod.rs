//! How the tabs of one origin share a keyspace. State machines, no I/O.
//!
//! One tab owns a name; every other is a guest that forwards its commands to the owner and gets
//! replies and pub/sub messages back. [`message`] is what travels, [`forward`] decides.
#![forbid(unsafe_code)]

pub mod forward;
pub mod message;
