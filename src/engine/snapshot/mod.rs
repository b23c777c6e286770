//! The keyspace as it is at one moment, written as an RDB file bit by bit while it changes.
//!
//! [`Engine::begin_snapshot`] chooses the moment. Each [`Engine::step_snapshot`] writes some more; in
//! between, commands run. Every change of a key goes through [`super::keyspace::Db`], which lets the
//! [`Walk`] keep what it has still to save.

mod walk;

pub use walk::Walk;

use super::Engine;
use super::dict::Dict;
use super::key::Key;
use super::keyspace::{Db, Object};
use super::rdb::file::{Purpose, Usage, ValueCursor, WHOLE_MAX, Writer};
use walk::{Next, SKIP};

/// Bytes that a name and a value take besides what they are.
const AUX_COST: usize = 32;
/// What it costs at least to look at a key, in what bytes cost.
const KEY_COST: usize = 32;

/// A snapshot that is being written.
pub struct Snapshot {
    writer: Writer,
    purpose: Purpose,
    /// How many keys there are to save.
    keys: usize,
    /// How many of them are saved, or begun.
    saved: usize,
    now_s: u32,
    /// The database that is being saved, by the number that it had in the beginning.
    number: usize,
    /// Whether the file says so.
    is_selected: bool,
    /// How far the key that is paused is saved.
    cursor: ValueCursor,
    /// Values that nobody but the walk had, and that are saved.
    garbage: Vec<Object>,
    /// What this step may still cost, about as bytes.
    left: usize,
    is_complete: bool,
}

impl Engine {
    /// Begins a snapshot of the keyspace as it is now; whether none was under way. `aux` goes to the
    /// beginning of the file, and so do the records of [`Engine::requests`] if the file is to be kept
    /// beside a log. False also if there is no memory for them.
    pub fn begin_snapshot(&mut self, purpose: Purpose, aux: &[(&str, &str)]) -> bool {
        if self.snapshot.is_some() {
            return false;
        }
        let mut writer = Writer::new(purpose, self.keyspace.fields_expire(), aux);
        if purpose == Purpose::Keep {
            let is_saved = self.requests.save(|name, saved| {
                let has_room = writer.reserve(saved.len() + name.len() + AUX_COST);
                if has_room {
                    writer.aux(name.as_bytes(), saved);
                }
                has_room
            });
            if !is_saved {
                return false;
            }
        }
        for (_, code) in self.libraries.iter() {
            if !writer.reserve(code.len() + AUX_COST) {
                return false;
            }
            writer.library(code);
        }
        for number in 0..self.keyspace.databases() {
            self.keyspace.db_mut(number).begin_walk(number);
        }
        self.snapshot = Some(Box::new(Snapshot {
            writer,
            purpose,
            keys: self.keyspace.iter().map(Db::len).sum(),
            saved: 0,
            now_s: self.now_s(),
            number: 0,
            is_selected: false,
            cursor: ValueCursor::default(),
            garbage: Vec::new(),
            left: 0,
            is_complete: false,
        }));
        true
    }

    /// Goes on, for about as long as `budget` bytes take; whether the snapshot is complete.
    pub fn step_snapshot(&mut self, budget: usize) -> bool {
        let Some(mut snapshot) = self.snapshot.take() else { return true };
        snapshot.left = budget.max(1);
        while !snapshot.is_complete && snapshot.left > 0 {
            self.save_some(&mut snapshot);
        }
        for object in snapshot.garbage.drain(..) {
            self.lazyfree.add(object.value);
        }
        let is_complete = snapshot.is_complete;
        self.snapshot = Some(snapshot);
        is_complete
    }

    /// What the snapshot under way is for.
    pub fn snapshot_purpose(&self) -> Option<Purpose> {
        self.snapshot.as_ref().map(|snapshot| snapshot.purpose)
    }

    /// How many keys of the snapshot under way are saved, or begun, and how many there are.
    pub fn snapshot_progress(&self) -> (usize, usize) {
        self.snapshot.as_ref().map_or((0, 0), |snapshot| (snapshot.saved, snapshot.keys))
    }

    /// How many bytes there are to [`Engine::take_snapshot`].
    pub fn snapshot_len(&self) -> usize {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.writer.len())
    }

    /// Makes room for what a step with this budget writes, as long as names of keys are not long; whether
    /// there was memory for that.
    pub fn reserve_snapshot(&mut self, budget: usize) -> bool {
        let bytes = budget.saturating_add(WHOLE_MAX * 2);
        self.snapshot.as_mut().is_none_or(|snapshot| snapshot.writer.reserve(bytes))
    }

    /// Takes what has been written since.
    pub fn take_snapshot(&mut self) -> Vec<u8> {
        self.snapshot.as_mut().map(|snapshot| snapshot.writer.take()).unwrap_or_default()
    }

    /// Ends a snapshot, complete or not.
    pub fn end_snapshot(&mut self) {
        if self.snapshot.take().is_none() {
            return;
        }
        for index in 0..self.keyspace.databases() {
            self.end_walk(index);
        }
    }

    /// Saves some of one database, or its end.
    fn save_some(&mut self, snapshot: &mut Snapshot) {
        let databases = self.keyspace.databases();
        let here = |index: &usize| self.keyspace.db(*index).walk_number() == Some(snapshot.number);
        if let Some(index) = (0..databases).find(here) {
            if !snapshot.save(self.keyspace.db_mut(index)) {
                return;
            }
            self.end_walk(index);
        }
        snapshot.number += 1;
        snapshot.is_selected = false;
        if snapshot.number >= databases {
            snapshot.writer.finish();
            snapshot.is_complete = true;
        }
    }

    fn end_walk(&mut self, index: usize) {
        if let Some(walk) = self.keyspace.db_mut(index).end_walk() {
            walk.free(&mut self.lazyfree);
        }
    }
}

impl Snapshot {
    /// Saves keys of `db` until that is done, or enough; whether it is done.
    fn save(&mut self, db: &mut Db) -> bool {
        let (Some(walk), keys) = db.walk() else { return true };
        if !self.is_selected && walk.sizes.0 > 0 {
            self.is_selected = true;
            self.writer.select(self.number, walk.sizes.0, walk.sizes.1);
        }
        while self.left > 0 {
            let before = self.writer.spent();
            let Some(passed) = self.save_one(walk, keys) else { return true };
            let spent = usize::try_from(self.writer.spent() - before).unwrap_or(usize::MAX);
            self.left = self.left.saturating_sub(spent.max(passed * KEY_COST));
        }
        false
    }

    /// Saves a key, or some of one, or passes over some that are saved already; answers how many it
    /// looked at, `None` if none is left.
    fn save_one(&mut self, walk: &mut Walk, keys: &Dict<Object>) -> Option<usize> {
        if walk.is_paused() {
            let cursor = &mut self.cursor;
            let mut save = |object: &Object| self.writer.value(&object.value, cursor, self.left);
            if walk.paused(keys).is_none_or(&mut save) {
                self.garbage.extend(walk.resume());
            }
            return Some(1);
        }
        let rest = match walk.next(keys) {
            Next::End => return None,
            Next::Skipped => return Some(SKIP),
            Next::Early(key, object) => {
                if self.begin(&key, &object) {
                    self.garbage.push(object);
                    return Some(1);
                }
                Some((key, Some(object)))
            }
            Next::Here(key, object) => (!self.begin(key, object)).then(|| (Key::from(key), None)),
        };
        if let Some((key, object)) = rest {
            walk.pause(key, object);
        }
        Some(1)
    }

    /// Saves a key, and some of its value; whether that was all of it.
    fn begin(&mut self, key: &[u8], object: &Object) -> bool {
        self.saved += 1;
        let usage = Usage::Idle(object.idle_s(self.now_s).into());
        self.cursor = ValueCursor::default();
        self.writer.begin_key(key, &object.value, object.expires_at(), usage);
        self.writer.value(&object.value, &mut self.cursor, self.left)
    }
}
