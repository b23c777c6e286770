//! How the tabs of one origin share a keyspace. A state machine, no I/O.
#![forbid(unsafe_code)]
