//! The digest of a keyspace.

use super::Engine;
use std::hash::{BuildHasher, Hasher};

impl Engine {
    /// A number that is the same for the same libraries, keys, values and expiry times, in whatever
    /// order they came. Keys and fields whose time has come count as long as they are there.
    pub fn digest(&self) -> u64 {
        let mut digest = 0u64;
        for (_, code) in self.libraries.iter() {
            let mut hasher = foldhash::quality::FixedState::with_seed(1).build_hasher();
            hasher.write(code);
            digest = digest.wrapping_add(hasher.finish());
        }
        for (index, db) in self.keyspace.iter().enumerate() {
            for (key, object) in db.keys().iter() {
                let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
                hasher.write_usize(index);
                hasher.write_usize(key.len());
                hasher.write(key);
                hasher.write_i64(object.expires_at().unwrap_or(-1));
                hasher.write_u64(object.value.digest());
                digest = digest.wrapping_add(hasher.finish());
            }
        }
        digest
    }
}
