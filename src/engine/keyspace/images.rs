//! What a unit changes, so that it can be undone: each key as it was before it changed first.
//!
//! As long as there are images, nobody who watches a key is told that it has changed: in the end they
//! are told at once ([`Db::commit`]), or nothing has happened ([`Db::roll_back`]).

use super::{Db, Object};
use crate::engine::dict::{Dict, Slot};
use crate::engine::key::Key;

/// The images of one database.
pub(super) struct Images {
    /// Keys that have changed, as they were.
    before: Dict<Object>,
    /// Keys that have come.
    new: Dict<()>,
    /// Keys of which those who watch them are to be told.
    touched: Dict<()>,
    /// Keys at which those who wait for them are to look, although they have not changed.
    woken: Vec<Key>,
    /// All keys have changed.
    all: bool,
}

impl Images {
    /// Whether it is known how `key` was.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.before.contains(key) || self.new.contains(key)
    }

    /// The key at `slot` is about to change.
    #[cold]
    pub(super) fn before_change(&mut self, keys: &Dict<Object>, slot: Slot) {
        if let Some((key, object)) = keys.nth(slot.index() as usize)
            && !self.has(key)
        {
            self.before.insert(key, object.clone());
        }
    }

    /// `key`, of which it is not known how it was, held this.
    pub(super) fn keep(&mut self, key: &[u8], object: Object) {
        self.before.insert(key, object);
    }

    /// `key` is about to come.
    #[cold]
    pub(super) fn before_creation(&mut self, key: &[u8]) {
        if !self.has(key) {
            self.new.insert(key, ());
        }
    }

    /// Those who watch `key` are to be told.
    #[cold]
    pub(super) fn touch(&mut self, key: &[u8]) {
        self.touched.insert(key, ());
    }

    /// Those who wait for `key` are to look at it.
    #[cold]
    pub(super) fn wake(&mut self, key: &[u8]) {
        self.woken.push(key.into());
    }

    /// All keys have changed.
    pub(super) fn all_changed(&mut self) {
        self.all = true;
    }
}

impl Db {
    /// From now on what changes can be undone.
    pub fn begin_images(&mut self) {
        let seed = self.dict.seed();
        self.images = Some(Box::new(Images {
            before: Dict::new(seed),
            new: Dict::new(seed),
            touched: Dict::new(seed),
            woken: Vec::new(),
            all: false,
        }));
    }

    /// Bytes that it takes to keep `key` as it is, if that has still to be done.
    pub fn image_bytes(&self, key: &[u8], samples: usize) -> usize {
        let is_known = self.images.as_ref().is_none_or(|images| images.has(key));
        let object = self.dict.get(key).filter(|_| !is_known);
        object.map_or(0, |object| object.value.heap_bytes(samples))
    }

    /// What has changed stays; answers the images.
    pub fn commit(&mut self) -> Option<Dict<Object>> {
        let Images { before, touched, woken, all, .. } = *self.images.take()?;
        for (key, ()) in touched.iter() {
            self.touch(key);
        }
        woken.iter().for_each(|key| self.wake(key));
        if all {
            self.all_changed();
        }
        Some(before)
    }

    /// Everything is as it was; answers what there was instead.
    pub fn roll_back(&mut self) -> Vec<Object> {
        let mut gone = Vec::new();
        let Some(images) = self.images.take() else { return gone };
        let Images { mut before, new, all, .. } = *images;
        for (key, ()) in new.iter() {
            self.generations.advance(self.dict.hash(key));
            let is_wanted = self.before_removal(key);
            let object = self.extract(key);
            match &mut self.walk {
                Some(walk) if is_wanted => object.into_iter().for_each(|old| walk.keep(key, old)),
                _ => gone.extend(object),
            }
        }
        while let Some((key, _)) = before.len().checked_sub(1).and_then(|last| before.nth(last)) {
            let key = Key::from(key);
            self.generations.advance(self.dict.hash(&key));
            if let Some(object) = before.remove(&key) {
                gone.extend(self.put(&key, object));
            }
        }
        if all {
            self.generations.advance_all();
        }
        gone
    }

    /// Removes every key, one by one.
    pub(super) fn clear_each(&mut self) {
        let keys: Vec<Key> = self.dict.iter().map(|(key, _)| Key::from(key)).collect();
        for key in keys {
            self.discard(&key);
        }
    }
}
