//! The keyspace as effects, and its digest.

use super::Engine;
use super::keyspace::Object;
use super::rdb::{self, Purpose};
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
    /// they came. Keys and fields whose time has come do not count.
    pub fn digest(&self) -> u64 {
        let now = self.now_ms();
        let mut digest = 0u64;
        for (index, db) in self.keyspace.iter().enumerate() {
            for (key, object) in db.keys().iter().filter(|(_, o)| !o.is_expired(now)) {
                let Some(content) = object.value.digest(now) else { continue };
                let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
                hasher.write_usize(index);
                hasher.write_usize(key.len());
                hasher.write(key);
                hasher.write_i64(object.expires_at().unwrap_or(-1));
                hasher.write_u64(content);
                digest = digest.wrapping_add(hasher.finish());
            }
        }
        digest
    }
}

fn write_object(buffer: &mut Vec<u8>, key: &[u8], object: &Object) {
    let mut digits = itoa::Buffer::new();
    let at = digits.format(object.expires_at().unwrap_or(0)).as_bytes();
    match &object.value {
        Value::String(string) => string.with_bytes(|bytes| match object.expires_at() {
            None => write_command(buffer, &[b"SET", key, bytes]),
            Some(_) => write_command(buffer, &[b"SET", key, bytes, b"PXAT", at]),
        }),
        value => {
            let payload = rdb::dump(value, Purpose::Keep);
            write_command(buffer, &[b"RESTORE", key, at, &payload, b"ABSTTL"]);
        }
    }
}
