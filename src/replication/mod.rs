//! How the tabs of one origin share a keyspace. State machines, no I/O.
//!
//! One tab **leads** a name: it has the lock of the name, and the store knows its epoch. It runs every
//! write, and its effects are one stream of bytes, which the others **follow**, each on its own copy
//! (or with none: thin tabs). [`message`] is what travels, [`peer`] is one tab.
//!
//! - **Joining.** A tab greets. If the leader has what the tab's copy lacks ([`backlog`]), that follows;
//!   if not, the tab loads everything first, and greets again: from the store, or from
//!   the leader if the store cannot serve (`snapshots`, `loading`).
//! - **Writing.** A request has a number; its effects and the record of its reply are one unit of the
//!   stream. The reply counts once the copy has come to the offset at which it was true.
//! - **Failover.** Who gets the lock is a candidate: it raises the epoch in the store, so that a former
//!   leader writes nothing any more, and takes from the other tabs what they have of the stream beyond
//!   the store. It tells the store from where on it leads, then it serves, and everybody sends again what was not replied to; records tell what was
//!   run. A leader that does not answer is robbed of the lock.
//! - **Replacing** everything at once is no part of the stream, which jumps: whoever is before that place
//!   lacks something that nobody can send, and loads everything.
//! - **What is part of the stream** after that says its [lineage](crate::persist::lineage).
#![forbid(unsafe_code)]

pub mod backlog;
mod candidate;
pub mod follower;
pub mod leader;
mod loading;
pub mod message;
pub mod peer;
mod snapshots;
