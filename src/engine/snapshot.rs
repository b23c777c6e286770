//! The keyspace as effects, and its digest.

use super::Engine;
use super::keyspace::Object;
use super::types::Value;
use crate::resp::write_command;
use std::hash::{BuildHasher, Hasher};

impl Engine {
    /// Appends commands that make this keyspace from an empty one, expiry times included.
    /// Keys whose time has come are left out. Cost: O(bytes of the keyspace).
    pub fn write_snapshot(&self, buffer: &mut Vec<u8>) {
        let now = self.now_ms();
        for (index, db) in self.keyspace.iter().enumerate() {
            if db.is_empty() {
                continue;
            }
            write_command(buffer, &[b"SELECT", itoa::Buffer::new().format(index).as_bytes()]);
            let live = db.keys().iter().filter(|(_, object)| !object.is_expired(now));
            live.for_each(|(key, object)| write_object(buffer, key, object));
        }
    }

    /// A number that is the same for the same keys, values and expiry times, in whatever order
    /// they came. Keys whose time has come do not count.
    pub fn digest(&self) -> u64 {
        let now = self.now_ms();
        let mut digest = 0u64;
        let mut command = Vec::new();
        for (index, db) in self.keyspace.iter().enumerate() {
            for (key, object) in db.keys().iter().filter(|(_, o)| !o.is_expired(now)) {
                command.clear();
                write_object(&mut command, key, object);
                let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
                hasher.write_usize(index);
                hasher.write(&command);
                digest = digest.wrapping_add(hasher.finish());
            }
        }
        digest
    }
}

fn write_object(buffer: &mut Vec<u8>, key: &[u8], object: &Object) {
    match &object.value {
        Value::String(string) => string.with_bytes(|bytes| match object.expires_at {
            None => write_command(buffer, &[b"SET", key, bytes]),
            Some(at) => {
                let mut digits = itoa::Buffer::new();
                write_command(buffer, &[b"SET", key, bytes, b"PXAT", digits.format(at).as_bytes()]);
            }
        }),
        // No command makes these yet.
        Value::List(_)
        | Value::Hash(_)
        | Value::Set(_)
        | Value::SortedSet(_)
        | Value::Stream(_) => {}
    }
}
