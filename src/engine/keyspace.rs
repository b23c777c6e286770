//! The databases: keys, values, expiry times, and who watches which key.

mod images;

use super::deadlines::Deadlines;
use super::dict::{Dict, Slot};
use super::generations::{Copied, Generations};
use super::key::Key;
use super::last_use::{LastUse, Moment};
use super::rng::Rng;
use super::session::SessionId;
use super::snapshot::Walk;
use super::tracking::{Changed, News};
use super::types::Value;
use images::Images;
use std::rc::Rc;

/// So many entries are not worth a walk over all keys.
const MANY_DEADLINES: usize = 1024;

/// A value with what belongs to its key.
#[derive(Clone, Debug)]
pub struct Object {
    /// The value.
    pub value: Value,
    /// [`NEVER`], or Unix time in milliseconds: half the size of an `Option`, and as bytes, which
    /// need no alignment.
    expires_at: [u8; 8],
    last_use: LastUse,
}

const NEVER: i64 = i64::MIN;

// A key costs this much, and eight bytes in its dictionary, besides what its name and its value
// have on the heap.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Object>() == 28 && size_of::<Key>() == 24);

/// The bits of an expiry time, to be stored.
fn store(expires_at: Option<i64>) -> [u8; 8] {
    expires_at.map_or(NEVER, |at| at.max(NEVER + 1)).to_ne_bytes()
}

fn load(expires_at: [u8; 8]) -> Option<i64> {
    Some(i64::from_ne_bytes(expires_at)).filter(|at| *at != NEVER)
}

impl Object {
    fn new(value: Value, expires_at: Option<i64>, last_use: LastUse) -> Self {
        Self { value, expires_at: store(expires_at), last_use }
    }

    /// When the key ceases to exist: Unix time in milliseconds.
    pub fn expires_at(&self) -> Option<i64> {
        load(self.expires_at)
    }

    /// Whether the key, or a part of its value, has an expiry time.
    #[inline(always)]
    pub fn is_volatile(&self) -> bool {
        self.expires_at().is_some() || self.value.next_field_expiry().is_some()
    }

    /// For how many seconds the key has not been used, as far as is known.
    pub fn idle_s(&self, now_s: u32) -> u32 {
        self.last_use.idle_s(now_s)
    }

    /// When or how often the key was used.
    pub fn last_use(&self) -> LastUse {
        self.last_use
    }

    /// Whether the key is past its time.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at().is_some_and(|at| at <= now_ms)
    }
}

/// One database.
pub struct Db {
    dict: Dict<Object>,
    /// How many keys have an expiry time.
    volatile: usize,
    /// How many keys are known to have fields that expire.
    expiring_hashes: usize,
    /// Expiry times of keys, and the soonest one of each hash's fields, with the hashes of the keys.
    deadlines: Deadlines,
    /// Keys that some session watches.
    watched: Dict<Watch>,
    /// Keys that have changed while sessions wait for them, in that order.
    ready: Vec<Key>,
    generations: Generations,
    /// What a snapshot that is being written has still to save.
    walk: Option<Box<Walk>>,
    /// The keys that have changed, if anybody wants to know.
    changed: Option<Box<Changed>>,
    /// As keys were before what may be undone.
    images: Option<Box<Images>>,
}

struct Watch {
    watchers: usize,
    version: u64,
    /// Sessions that wait for a change, in the order in which they came.
    waiters: Vec<SessionId>,
    /// Whether the key is in `ready`.
    ready: bool,
}

impl Db {
    fn new(seed: u64) -> Self {
        Self {
            dict: Dict::new(seed),
            volatile: 0,
            expiring_hashes: 0,
            deadlines: Deadlines::default(),
            watched: Dict::new(seed),
            ready: Vec::new(),
            generations: Generations::default(),
            walk: None,
            changed: None,
            images: None,
        }
    }

    /// The keys, to be read. Expired keys that nobody has touched are still among them.
    pub fn keys(&self) -> &Dict<Object> {
        &self.dict
    }

    /// How many keys there are, expired ones that nobody has touched included, as in Redis.
    pub fn len(&self) -> usize {
        self.dict.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.dict.is_empty()
    }

    /// How many keys have an expiry time.
    pub fn volatile_len(&self) -> usize {
        self.volatile
    }

    /// How many keys have fields that expire.
    pub fn expiring_hashes_len(&self) -> usize {
        self.expiring_hashes
    }

    /// Bytes of memory that are there for the keys to be found, and for them to expire.
    pub fn overhead_bytes(&self) -> (usize, usize) {
        (self.dict.table_bytes() + self.watched.table_bytes(), self.deadlines.memory_bytes())
    }

    /// What `key` holds, expired or not.
    pub fn get(&self, key: &[u8]) -> Option<&Object> {
        self.dict.get(key)
    }

    /// Where `key` is, expired or not; good until a key is set or removed.
    #[inline(always)]
    pub fn locate(&self, key: &[u8]) -> Option<Slot> {
        self.dict.locate(key)
    }

    /// What the key at `slot` holds.
    #[inline(always)]
    pub fn at(&self, slot: Slot) -> &Object {
        self.dict.at(slot)
    }

    /// What a copy of the value at `slot` depends on, if a key is there, and the value was asked for
    /// before: to copy what is read once is not worth it.
    pub fn copied(&mut self, slot: Slot) -> Option<Copied> {
        if !self.dict.has(slot) || !self.dict.at_mut(slot).last_use.copy() {
            return None;
        }
        Some(Copied { hash: self.dict.hash_at(slot), expires_at: self.at(slot).expires_at() })
    }

    /// By which the host sees that a copy is out of date.
    pub fn generations(&mut self) -> &mut Generations {
        &mut self.generations
    }

    /// The value at `slot`, to be changed in place. The caller says so with [`Db::touch`].
    #[inline(always)]
    pub fn value_at(&mut self, slot: Slot) -> &mut Value {
        self.before_change(slot);
        let object = self.dict.at_mut(slot);
        object.last_use.forget_copies();
        &mut object.value
    }

    /// The value of `key`, to be changed in place. The caller says so with [`Db::touch`].
    pub fn value_mut(&mut self, key: &[u8]) -> Option<&mut Value> {
        let slot = self.dict.locate(key)?;
        Some(self.value_at(slot))
    }

    /// The key at `slot` is about to change: who keeps it as it is must have it.
    #[inline(always)]
    fn before_change(&mut self, slot: Slot) {
        if let Some(walk) = &mut self.walk {
            walk.before_change(&self.dict, slot);
        }
        if let Some(images) = &mut self.images {
            images.before_change(&self.dict, slot);
        }
    }

    /// Begins the walk of a snapshot over this database, which has this number.
    pub(super) fn begin_walk(&mut self, number: usize) {
        self.walk = Some(Box::new(Walk::new(number, &self.dict, self.volatile)));
    }

    /// The walk of a snapshot over this database, and its keys.
    pub(super) fn walk(&mut self) -> (Option<&mut Walk>, &Dict<Object>) {
        (self.walk.as_deref_mut(), &self.dict)
    }

    /// The number that this database had when the walk over it began.
    pub(super) fn walk_number(&self) -> Option<usize> {
        Some(self.walk.as_ref()?.number())
    }

    /// Ends the walk.
    pub(super) fn end_walk(&mut self) -> Option<Box<Walk>> {
        self.walk.take()
    }

    /// Takes note that the key at `slot` is used.
    pub fn used(&mut self, slot: Slot, moment: Moment) {
        self.dict.at_mut(slot).last_use.renew(moment);
    }

    /// Makes `key` one that was last used so.
    pub fn set_last_use(&mut self, key: &[u8], last_use: LastUse) {
        if let Some(object) = self.dict.get_mut(key) {
            object.last_use = last_use;
            object.last_use.forget_copies();
        }
    }

    /// As [`Db::used`], if no part of the key expires; whether that is so.
    #[inline(always)]
    pub fn use_unless_volatile(&mut self, slot: Slot, moment: Option<Moment>) -> bool {
        let object = self.dict.at_mut(slot);
        if object.is_volatile() {
            return false;
        }
        if let Some(moment) = moment {
            object.last_use.renew(moment);
        }
        true
    }

    /// Sets what `key` holds, its expiry time and last use included; answers the expiry time that it had,
    /// and what it held if that is to be freed.
    pub fn set(
        &mut self,
        key: &[u8],
        mut value: Value,
        expires_at: Option<i64>,
        moment: Moment,
    ) -> Option<(Option<i64>, Option<Object>)> {
        value.note_field_expiry();
        let mut last_use = LastUse::new(moment);
        // A key that is used often is so still when it holds something else.
        if let Moment::Frequency(_) = moment
            && let Some(old) = self.dict.get(key)
        {
            last_use = old.last_use;
            last_use.renew(moment);
            last_use.forget_copies();
        }
        let old = self.put(key, Object::new(value, expires_at, last_use));
        self.touch(key);
        let Some(images) = &mut self.images else {
            return old.map(|old| (old.expires_at(), Some(old)));
        };
        let Some(old) = old else {
            images.before_creation(key);
            return None;
        };
        let expires_at = old.expires_at();
        if images.has(key) {
            return Some((expires_at, Some(old)));
        }
        images.keep(key, old);
        Some((expires_at, None))
    }

    /// Puts `key` there with what belongs to it, silently; answers what it held.
    fn put(&mut self, key: &[u8], object: Object) -> Option<Object> {
        if let Some(walk) = &mut self.walk
            && let Some(slot) = self.dict.locate(key)
        {
            walk.before_change(&self.dict, slot);
        }
        let times = |object: &Object| (object.expires_at(), object.value.noted_field_expiry());
        let (expires_at, fields_expire_at) = times(&object);
        let old = self.dict.insert(key, object);
        let (old_deadline, old_fields_expire_at) = old.as_ref().map(times).unwrap_or_default();
        self.note_deadline(key, old_deadline, expires_at);
        self.note_field_deadline(key, old_fields_expire_at, None);
        self.note_field_deadline(key, None, fields_expire_at);
        old
    }

    /// Makes `bytes` the string at `key` in the memory that the key has, if that is possible: it holds
    /// a string of this size and encoding, and does not expire. Whether it was.
    pub fn replace_string(&mut self, key: &[u8], bytes: &[u8], moment: Moment) -> bool {
        let Some(slot) = self.dict.locate(key) else { return false };
        self.before_change(slot);
        let object = self.dict.at_mut(slot);
        if object.is_volatile() {
            return false;
        }
        let Value::String(string) = &mut object.value else { return false };
        let is_replaced = string.replace_in_place(bytes);
        if is_replaced {
            object.last_use.renew(moment);
            object.last_use.forget_copies();
            self.touch_hashed(key, self.dict.hash_at(slot));
        }
        is_replaced
    }

    /// Adds `key`, which is not there, without an expiry time; answers where it is.
    pub fn create(&mut self, key: &[u8], value: Value, moment: Moment) -> Slot {
        if let Some(images) = &mut self.images {
            images.before_creation(key);
        }
        self.dict.add(key, Object::new(value, None, LastUse::new(moment)))
    }

    /// Sets or takes away the expiry time of `key`; whether the key is there.
    pub fn set_expiry(&mut self, key: &[u8], expires_at: Option<i64>) -> bool {
        let Some(slot) = self.dict.locate(key) else { return false };
        self.before_change(slot);
        let object = self.dict.at_mut(slot);
        let old_deadline = load(std::mem::replace(&mut object.expires_at, store(expires_at)));
        self.note_deadline(key, old_deadline, expires_at);
        self.touch(key);
        true
    }

    /// Removes `key`; answers what it held.
    pub fn remove(&mut self, key: &[u8]) -> Option<Object> {
        let is_wanted = self.before_removal(key);
        let object = self.take(key)?;
        if self.wants_image(key)
            && let Some(images) = &mut self.images
        {
            images.keep(key, object.clone());
        }
        if is_wanted && let Some(walk) = &mut self.walk {
            walk.keep(key, object.clone());
        }
        Some(object)
    }

    /// Removes `key`; answers its expiry time, and what it held if that is to be freed.
    pub fn discard(&mut self, key: &[u8]) -> Option<(Option<i64>, Option<Object>)> {
        let is_wanted = self.before_removal(key);
        let object = self.take(key)?;
        let expires_at = object.expires_at();
        let mut object = Some(object);
        if self.wants_image(key)
            && let Some(images) = &mut self.images
        {
            let image = if is_wanted { object.clone() } else { object.take() };
            image.into_iter().for_each(|image| images.keep(key, image));
        }
        if is_wanted && let Some(walk) = &mut self.walk {
            object.take().into_iter().for_each(|object| walk.keep(key, object));
        }
        Some((expires_at, object))
    }

    /// Whether it is to be kept how `key` was, of which that is not known.
    #[inline]
    fn wants_image(&self, key: &[u8]) -> bool {
        self.images.as_ref().is_some_and(|images| !images.has(key))
    }

    /// Whether a snapshot wants what `key`, which is about to be removed, holds.
    fn before_removal(&mut self, key: &[u8]) -> bool {
        let Some(walk) = &mut self.walk else { return false };
        self.dict.locate(key).is_some_and(|slot| walk.before_removal(&self.dict, slot))
    }

    fn take(&mut self, key: &[u8]) -> Option<Object> {
        let object = self.extract(key)?;
        self.touch(key);
        Some(object)
    }

    /// Removes `key`, silently.
    fn extract(&mut self, key: &[u8]) -> Option<Object> {
        let object = self.dict.remove(key)?;
        self.volatile -= usize::from(object.expires_at().is_some());
        self.note_field_deadline(key, object.value.noted_field_expiry(), None);
        Some(object)
    }

    /// Removes every key; answers them, or nothing if a snapshot has still to save them.
    pub fn clear(&mut self) -> Dict<Object> {
        self.touch_all();
        self.all_changed();
        if self.images.is_some() {
            self.clear_each();
        }
        self.deadlines = Deadlines::default();
        (self.volatile, self.expiring_hashes) = (0, 0);
        let empty = Dict::new(self.dict.seed());
        let keys = std::mem::replace(&mut self.dict, empty);
        match &mut self.walk {
            Some(walk) => walk.detach(keys),
            None => keys,
        }
    }

    /// See [`Keyspace::swap`].
    fn exchange(&mut self, other: &mut Self) {
        self.touch_existing(|dict, key| dict.contains(key) || other.dict.contains(key));
        other.touch_existing(|dict, key| dict.contains(key) || self.dict.contains(key));
        std::mem::swap(self, other);
        std::mem::swap(&mut self.watched, &mut other.watched);
        std::mem::swap(&mut self.ready, &mut other.ready);
        std::mem::swap(&mut self.generations, &mut other.generations);
        std::mem::swap(&mut self.changed, &mut other.changed);
        self.all_changed();
        other.all_changed();
    }

    /// As [`Db::exchange`], but what a snapshot has still to save is kept here for it.
    fn replace(&mut self, other: &mut Self) {
        self.exchange(other);
        std::mem::swap(&mut self.walk, &mut other.walk);
        if let Some(walk) = &mut self.walk {
            let empty = Dict::new(other.dict.seed());
            other.dict = walk.detach(std::mem::replace(&mut other.dict, empty));
        }
    }

    /// Takes note of a change of the expiry times of a hash's fields.
    pub fn note_field_expiry(&mut self, key: &[u8]) {
        let Some(Object { value: Value::Hash(hash), .. }) = self.dict.get_mut(key) else { return };
        let old = hash.noted_expiry();
        let new = hash.note_expiry();
        self.note_field_deadline(key, old, new);
    }

    /// A key with a time before `now_ms`, its own or a field's, if there is one.
    pub fn next_expired(&mut self, now_ms: i64) -> Option<Vec<u8>> {
        while let Some((at, hash)) = self.deadlines.first().filter(|(at, _)| *at <= now_ms) {
            if let Some(key) = expiring(&self.dict, at, hash) {
                return Some(key.to_vec());
            }
            self.deadlines.drop_first();
        }
        None
    }

    /// How many times there are of which [`Db::volatile_nth`] can tell the key.
    pub fn deadlines_len(&self) -> usize {
        self.deadlines.len()
    }

    /// The key whose own time is the one with this number, unless nothing has it any more. Those with
    /// small numbers are of the soonest, the first one is the soonest.
    pub fn volatile_nth(&self, index: usize) -> Option<(&[u8], &Object)> {
        let (at, hash) = self.deadlines.nth(index)?;
        let is_of = |_: &[u8], object: &Object| object.expires_at() == Some(at);
        self.dict.find_by_hash(hash, is_of).map(|(key, object)| (&**key, object))
    }

    /// Drops a few of the soonest times, as long as nothing has them any more.
    pub fn drop_stale_deadlines(&mut self, most: usize) {
        for _ in 0..most {
            match self.deadlines.first() {
                Some((at, hash)) if expiring(&self.dict, at, hash).is_none() => {
                    self.deadlines.drop_first();
                }
                _ => return,
            }
        }
    }

    /// The soonest expiry time in Unix milliseconds. It may belong to a key that is gone.
    pub fn next_deadline(&self) -> Option<i64> {
        self.deadlines.first().map(|(at, _)| at)
    }

    /// Moves up to `buckets` buckets of an unfinished resize; whether more are left.
    pub fn rehash(&mut self, buckets: usize) -> bool {
        self.dict.rehash(buckets)
    }

    fn all_changed(&mut self) {
        self.generations.advance_all();
        if let Some(images) = &mut self.images {
            images.all_changed();
        } else if let Some(changed) = &mut self.changed {
            changed.add_all();
        }
    }

    /// Begins or ends to collect the keys that change.
    pub(super) fn collect_changed(&mut self, news: Option<&News>) {
        self.changed = news.map(|news| Box::new(Changed::new(Rc::clone(news))));
    }

    /// The keys that have changed, if anybody wants to know.
    pub(super) fn changed(&mut self) -> Option<&mut Changed> {
        self.changed.as_deref_mut()
    }

    /// Tells whoever watches `key`, or keeps a copy of its value, that it has changed.
    pub fn touch(&mut self, key: &[u8]) {
        if self.generations.are_kept() || !self.watched.is_empty() || self.changed.is_some() {
            self.touch_hashed(key, self.dict.hash(key));
        }
    }

    fn touch_hashed(&mut self, key: &[u8], hash: u32) {
        self.generations.advance(hash);
        if let Some(images) = &mut self.images {
            return images.touch(key);
        }
        if let Some(changed) = &mut self.changed {
            changed.add(key);
        }
        if !self.watched.is_empty()
            && let Some(watch) = self.watched.get_mut(key)
        {
            watch.version += 1;
            self.wake(key);
        }
    }

    /// Has those who wait for changes of `key` look at it again.
    pub fn wake(&mut self, key: &[u8]) {
        if let Some(images) = &mut self.images {
            return images.wake(key);
        }
        if let Some(watch) = self.watched.get_mut(key)
            && !watch.waiters.is_empty()
            && !watch.ready
        {
            watch.ready = true;
            self.ready.push(key.into());
        }
    }

    /// Makes a session wait for changes of `key`.
    pub fn wait(&mut self, key: &[u8], id: SessionId) {
        self.watch_entry(key).waiters.push(id);
    }

    /// Ends one [`Db::wait`].
    pub fn unwait(&mut self, key: &[u8], id: SessionId) {
        let Some(watch) = self.watched.get_mut(key) else { return };
        watch.waiters.retain(|other| *other != id);
        self.drop_watch_if_unused(key);
    }

    /// The key that was first to change among those that sessions wait for, with its waiters in
    /// the order in which they came; it counts as looked at.
    pub fn next_ready(&mut self) -> Option<(Key, Vec<SessionId>)> {
        if self.ready.is_empty() {
            return None;
        }
        let key = self.ready.remove(0);
        let waiters = self.watched.get_mut(&key).map(|watch| {
            watch.ready = false;
            watch.waiters.clone()
        });
        Some((key, waiters.unwrap_or_default()))
    }

    /// How many keys sessions wait for.
    pub fn awaited_len(&self) -> usize {
        self.watched.iter().filter(|(_, watch)| !watch.waiters.is_empty()).count()
    }

    fn watch_entry(&mut self, key: &[u8]) -> &mut Watch {
        self.watched.get_or_insert_with(key, || Watch {
            watchers: 0,
            version: 0,
            waiters: Vec::new(),
            ready: false,
        })
    }

    fn drop_watch_if_unused(&mut self, key: &[u8]) {
        let unused = |watch: &Watch| watch.watchers == 0 && watch.waiters.is_empty();
        if self.watched.get(key).is_some_and(unused) {
            self.watched.remove(key);
        }
    }

    /// Begins to watch `key`; the version to compare with at EXEC.
    pub fn watch(&mut self, key: &[u8]) -> u64 {
        let watch = self.watch_entry(key);
        watch.watchers += 1;
        watch.version
    }

    /// The version of a watched key; it changes whenever the key does.
    pub fn watched_version(&self, key: &[u8]) -> u64 {
        self.watched.get(key).map_or(0, |watch| watch.version)
    }

    /// Ends one [`Db::watch`].
    pub fn unwatch(&mut self, key: &[u8]) {
        let Some(watch) = self.watched.get_mut(key) else { return };
        watch.watchers -= 1;
        self.drop_watch_if_unused(key);
    }

    /// Touches every watched key that exists (FLUSHDB, SWAPDB).
    fn touch_all(&mut self) {
        self.touch_existing(|dict, key| dict.contains(key));
    }

    fn touch_existing(&mut self, exists: impl Fn(&Dict<Object>, &[u8]) -> bool) {
        if self.watched.is_empty() {
            return;
        }
        let keys: Vec<Vec<u8>> = self
            .watched
            .iter()
            .filter(|(key, _)| exists(&self.dict, key))
            .map(|(key, _)| key.to_vec())
            .collect();
        keys.iter().for_each(|key| self.touch(key));
    }

    fn note_deadline(&mut self, key: &[u8], old: Option<i64>, expires_at: Option<i64>) {
        self.volatile -= usize::from(old.is_some());
        let Some(at) = expires_at else { return };
        self.volatile += 1;
        if old != expires_at {
            self.push_deadline(key, at);
        }
    }

    fn note_field_deadline(&mut self, key: &[u8], old: Option<i64>, new: Option<i64>) {
        self.expiring_hashes += usize::from(new.is_some());
        self.expiring_hashes -= usize::from(old.is_some());
        if let Some(at) = new.filter(|_| old != new) {
            self.push_deadline(key, at);
        }
    }

    fn push_deadline(&mut self, key: &[u8], at: i64) {
        self.deadlines.push(at, self.dict.hash(key));
        let dict = &self.dict;
        let swept = self.deadlines.sweep(|at, hash| expiring(dict, at, hash).is_some());
        // A key has two times at most. If it came and went again and again with the same time, then
        // that is there as often, and never stale.
        if swept && self.deadlines.len() > 2 * dict.len() + MANY_DEADLINES {
            let times = dict.iter().flat_map(|(key, object)| {
                let times = [object.expires_at(), object.value.next_field_expiry()];
                times.into_iter().flatten().map(|at| (at, dict.hash(key)))
            });
            self.deadlines = times.collect();
        }
    }
}

/// The key with this hash that expires, or of which a field expires, at this time.
fn expiring(dict: &Dict<Object>, at: i64, hash: u32) -> Option<&Key> {
    let is_of = |_: &[u8], object: &Object| {
        object.expires_at() == Some(at) || object.value.next_field_expiry() == Some(at)
    };
    dict.find_by_hash(hash, is_of).map(|(key, _)| key)
}

/// All databases.
pub struct Keyspace {
    dbs: Vec<Db>,
}

impl Keyspace {
    /// `databases` empty databases.
    pub fn new(databases: usize, rng: &mut Rng) -> Self {
        Self { dbs: (0..databases).map(|_| Db::new(rng.next_u64())).collect() }
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    /// Database `index`, which must be below [`Keyspace::databases`].
    #[inline(always)]
    pub fn db(&self, index: usize) -> &Db {
        &self.dbs[index]
    }

    /// Database `index`, to be changed.
    #[inline(always)]
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        &mut self.dbs[index]
    }

    /// Whoever keeps copies of values must not answer them any more.
    pub(super) fn forget_copies(&mut self) {
        self.dbs.iter_mut().for_each(|db| db.generations.advance_all());
    }

    /// The next key that has changed while sessions wait for it, with its database and them.
    pub fn next_ready(&mut self) -> Option<(usize, Key, Vec<SessionId>)> {
        let ready = |(index, db): (usize, &mut Db)| {
            db.next_ready().map(|(key, waiters)| (index, key, waiters))
        };
        self.dbs.iter_mut().enumerate().find_map(ready)
    }

    /// Whether any hash has fields that expire.
    pub fn fields_expire(&self) -> bool {
        self.dbs.iter().any(|db| db.expiring_hashes > 0)
    }

    /// All databases, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Db> {
        self.dbs.iter()
    }

    /// Exchanges two databases. Watches and generations stay with the number: watched keys that are
    /// in either of the two count as changed.
    pub fn swap(&mut self, first: usize, second: usize) {
        if first == second {
            return;
        }
        let (low, high) = (first.min(second), first.max(second));
        let (left, right) = self.dbs.split_at_mut(high);
        left[low].exchange(&mut right[0]);
    }

    /// Exchanges all databases with those of `other`, which has as many. A snapshot under way goes on
    /// with what there was.
    pub fn exchange(&mut self, other: &mut Self) {
        let pairs = self.dbs.iter_mut().zip(&mut other.dbs);
        pairs.for_each(|(one, other)| one.replace(other));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::types::StringValue;

    #[test]
    fn deadlines_stay_few_whatever_comes_and_goes() {
        let value = || Value::from(StringValue::text(b"x").unwrap());
        let mut db = Db::new(1);
        for i in 0..50_000i64 {
            db.set(b"comes and goes", value(), Some(1000), Moment::Time(0));
            db.remove(b"comes and goes");
            db.set(b"is put off", value(), Some(2000 + i), Moment::Time(0));
            db.set_expiry(b"is the same", Some(3000));
        }
        db.set(b"comes and goes", value(), Some(1000), Moment::Time(0));
        assert!(db.deadlines.len() < 4 * MANY_DEADLINES, "{}", db.deadlines.len());
        assert_eq!(db.next_expired(999), None);
        assert_eq!(db.next_expired(1000).as_deref(), Some(&b"comes and goes"[..]));
        db.remove(b"comes and goes");
        assert_eq!(db.next_expired(51_998), None);
        assert_eq!(db.next_expired(51_999).as_deref(), Some(&b"is put off"[..]));
    }

    #[test]
    fn the_last_use_of_a_key_costs_nothing() {
        let with_expiry_only = size_of::<(Value, Option<i64>)>();
        assert!(size_of::<Object>() <= with_expiry_only);
        let last_use = LastUse::new(Moment::Time(0));
        let value = Value::from(StringValue::text(b"").unwrap());
        let at = |expires_at| Object::new(value.clone(), expires_at, last_use);
        for time in [None, Some(0), Some(-1), Some(i64::MAX)] {
            assert_eq!(at(time).expires_at(), time);
        }
        assert!(at(Some(i64::MIN)).is_expired(0));
    }
}
