//! The append-only log: record format and log manager. A state machine, no I/O.
#![forbid(unsafe_code)]
