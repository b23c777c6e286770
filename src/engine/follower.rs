//! An engine that follows another one: a leader decides what happens, and here it is read.
//!
//! Nothing expires or is evicted on its own account, and sessions may not write. What is past its time
//! is hidden from them, but stays until the leader says that it is gone, as at a replica of Redis's:
//! keys are passed over, and fields of a hash are put aside ([`Hash::hide_past`]) where nobody but who
//! applies the leader's effects finds them.
//!
//! [`Hash::hide_past`]: super::types::Hash::hide_past

use super::Engine;
use super::dict::Slot;
use super::key::Key;
use super::keyspace::Object;
use super::types::Value;

impl Engine {
    /// Makes the engine one that follows, or one that leads again.
    ///
    /// One that follows records no effects; its snapshot under way is ended, and whoever is blocked is
    /// so no longer and gets no reply: the host has what they asked for, and asks the leader. Where it
    /// leads again, the host has effects recorded from the offset on that it has applied.
    pub fn set_follower(&mut self, follower: bool) {
        if follower == self.follower {
            return;
        }
        self.follower = follower;
        if !follower {
            self.show_all_fields();
            return;
        }
        self.untrack_all();
        self.effects.set_enabled(false);
        self.requests.forget_unrecorded();
        self.end_snapshot();
        let blocked: Vec<_> = self.blocked().collect();
        for id in blocked {
            self.unpark(id);
        }
    }

    /// Whether the engine follows another one.
    pub fn is_follower(&self) -> bool {
        self.follower
    }

    /// What a key holds that has been looked up: what is past its time is gone then, or hidden.
    pub(super) fn seen(&self, db: usize, key: &[u8]) -> Option<&Object> {
        let object = self.keyspace.db(db).get(key)?;
        let is_hidden = self.follower && (self.is_due(object) || object.value.is_spent());
        (!is_hidden).then_some(object)
    }

    /// Puts the fields of the hash at `slot` aside that are past their time, or back that are not;
    /// whether others are left.
    pub(super) fn hide_fields(&mut self, db: usize, slot: Slot) -> bool {
        let (now, limits) = (self.now_ms(), self.config.limits);
        let keys = self.keyspace.db_mut(db);
        let Value::Hash(hash) = &keys.at(slot).value else { return true };
        if hash.would_hide(now)
            && let Value::Hash(hash) = keys.value_at(slot)
        {
            hash.hide_past(now, limits);
        }
        let hash = &self.keyspace.db(db).at(slot).value;
        !hash.is_spent()
    }

    /// Puts the fields of the hash at `slot` back that were put aside.
    pub(super) fn show_fields(&mut self, db: usize, slot: Slot) {
        let limits = self.config.limits;
        let keys = self.keyspace.db_mut(db);
        if let Value::Hash(hash) = &keys.at(slot).value
            && hash.hides()
            && let Value::Hash(hash) = keys.value_at(slot)
        {
            hash.show_all(limits);
        }
    }

    fn show_all_fields(&mut self) {
        for db in 0..self.keyspace.databases() {
            let keys = self.keyspace.db(db);
            if keys.expiring_hashes_len() == 0 {
                continue;
            }
            let hides = |value: &Value| matches!(value, Value::Hash(hash) if hash.hides());
            let hiding = keys.keys().iter().filter(|(_, object)| hides(&object.value));
            let hiding: Vec<Key> = hiding.map(|(key, _)| Key::from(key)).collect();
            for key in hiding {
                if let Some(slot) = self.keyspace.db(db).locate(&key) {
                    self.show_fields(db, slot);
                }
            }
        }
    }
}
