//! What a snapshot has still to save of one database, while the database changes.
//!
//! Entries of a dictionary lie densely, new ones come last, and the last takes the place of one that
//! is removed. So the walk goes from the last entry that there was to the first: what is at the
//! cursor or behind it has been saved, or is new. Before it, only what is in `saved` needs no saving:
//! keys that were saved before they changed, and entries that took the place of one removed.

use crate::engine::dict::{Dict, Slot};
use crate::engine::key::Key;
use crate::engine::keyspace::Object;
use crate::engine::lazyfree::LazyFree;
use std::collections::VecDeque;

/// So many keys that are saved already are passed over at a time.
pub(super) const SKIP: usize = 64;

/// The walk over one database.
pub struct Walk {
    /// The number that the database had when the snapshot began.
    number: usize,
    /// How many keys there were then, and how many of them with an expiry time.
    pub(super) sizes: (usize, usize),
    cursor: usize,
    saved: Dict<()>,
    /// Keys that have changed since, as they were.
    early: Queue,
    /// The dictionary itself, if the database has got another one: nothing in it changes any more.
    detached: Option<Dict<Object>>,
    /// A key of which a part is saved, and its value as it was, once it has changed.
    current: Option<(Key, Option<Object>)>,
}

/// What is to be saved next.
pub(super) enum Next<'a> {
    /// A key as it was.
    Early(Key, Object),
    /// A key as it is.
    Here(&'a [u8], &'a Object),
    /// Nothing yet: many keys are saved already.
    Skipped,
    /// Nothing is left.
    End,
}

impl Walk {
    /// Begins with all that is in `keys`.
    pub(in crate::engine) fn new(number: usize, keys: &Dict<Object>, volatile: usize) -> Self {
        Self {
            number,
            sizes: (keys.len(), volatile),
            cursor: keys.len(),
            saved: Dict::new(keys.seed()),
            early: Queue::default(),
            detached: None,
            current: None,
        }
    }

    /// The number that the database had when the walk began.
    pub(in crate::engine) fn number(&self) -> usize {
        self.number
    }

    /// What to save next. What is not saved at once is given to [`Walk::pause`].
    pub(super) fn next<'a>(&'a mut self, keys: &'a Dict<Object>) -> Next<'a> {
        if let Some((key, object)) = self.early.pop() {
            return Next::Early(key, object);
        }
        let keys = self.detached.as_ref().unwrap_or(keys);
        self.cursor = self.cursor.min(keys.len());
        for _ in 0..SKIP {
            let Some(index) = self.cursor.checked_sub(1) else { return Next::End };
            self.cursor = index;
            let Some((key, object)) = keys.nth(index) else { return Next::End };
            if self.saved.is_empty() || self.saved.remove(key).is_none() {
                return Next::Here(key, object);
            }
        }
        Next::Skipped
    }

    /// A part of this key is saved; `object` is its value, if it is not in the dictionary.
    pub(super) fn pause(&mut self, key: Key, object: Option<Object>) {
        self.current = Some((key, object));
    }

    /// Whether a key is paused.
    pub(super) fn is_paused(&self) -> bool {
        self.current.is_some()
    }

    /// The value of the paused key, as it was.
    pub(super) fn paused<'a>(&'a self, keys: &'a Dict<Object>) -> Option<&'a Object> {
        let (key, object) = self.current.as_ref()?;
        let keys = self.detached.as_ref().unwrap_or(keys);
        object.as_ref().or_else(|| keys.get(key))
    }

    /// All of the paused key is saved; answers its value, if it was kept.
    pub(super) fn resume(&mut self) -> Option<Object> {
        self.current.take()?.1
    }

    /// The key at `slot` is about to change.
    #[cold]
    pub(in crate::engine) fn before_change(&mut self, keys: &Dict<Object>, slot: Slot) {
        if let (true, Some((key, object))) =
            (self.wants(keys, slot), keys.nth(slot.index() as usize))
        {
            self.keep(key, object.clone());
        }
    }

    /// The key at `slot` is about to be removed; whether its value is to be kept then.
    #[cold]
    pub(in crate::engine) fn before_removal(&mut self, keys: &Dict<Object>, slot: Slot) -> bool {
        let is_wanted = self.wants(keys, slot);
        if self.detached.is_some() {
            return false;
        }
        let (index, last) = (slot.index() as usize, keys.len().saturating_sub(1));
        if let Some((key, _)) = keys.nth(index) {
            self.saved.remove(key);
        }
        if index < self.cursor
            && self.cursor <= last
            && let Some((key, _)) = keys.nth(last)
        {
            self.saved.insert(key, ());
        }
        self.cursor = self.cursor.min(last);
        is_wanted
    }

    /// Keeps what `key` held, until it is saved.
    pub(in crate::engine) fn keep(&mut self, key: &[u8], object: Object) {
        match &mut self.current {
            Some((current, old)) if **current == *key => *old = Some(object),
            _ => self.early.push(key.into(), object),
        }
    }

    /// Whether the value at `slot` has still to be saved as it is; from now on that is seen to.
    fn wants(&mut self, keys: &Dict<Object>, slot: Slot) -> bool {
        let index = slot.index() as usize;
        let Some((key, _)) = keys.nth(index).filter(|_| self.detached.is_none()) else {
            return false;
        };
        if let Some((current, old)) = &self.current
            && **current == *key
        {
            return old.is_none();
        }
        let is_wanted = index < self.cursor && !self.saved.contains(key);
        if is_wanted {
            self.saved.insert(key, ());
        }
        is_wanted
    }

    /// The database gets another dictionary. Answers the old one, or an empty one if the walk has need
    /// of it.
    pub(in crate::engine) fn detach(&mut self, keys: Dict<Object>) -> Dict<Object> {
        let is_over = self.cursor == 0 && self.current.is_none();
        if is_over || self.detached.is_some() {
            return keys;
        }
        let empty = Dict::new(keys.seed());
        self.detached = Some(keys);
        empty
    }

    /// The walk is over: what it kept is to be freed.
    pub(super) fn free(mut self, lazyfree: &mut LazyFree) {
        if let Some(keys) = self.detached.take() {
            lazyfree.add_keys(keys);
        }
        let paused = self.current.take().and_then(|(_, old)| old);
        let early = std::iter::from_fn(|| self.early.pop().map(|(_, object)| object));
        early.chain(paused).for_each(|object| lazyfree.add(object.value));
    }
}

/// Keys with what they held, first in, first out. In chunks: to grow moves no more than one.
#[derive(Default)]
struct Queue(VecDeque<VecDeque<(Key, Object)>>);

impl Queue {
    const CHUNK: usize = 256;

    fn push(&mut self, key: Key, object: Object) {
        if self.0.back().is_none_or(|chunk| chunk.len() >= Self::CHUNK) {
            self.0.push_back(VecDeque::with_capacity(Self::CHUNK));
        }
        if let Some(chunk) = self.0.back_mut() {
            chunk.push_back((key, object));
        }
    }

    fn pop(&mut self) -> Option<(Key, Object)> {
        let chunk = self.0.front_mut()?;
        let first = chunk.pop_front();
        if chunk.is_empty() {
            self.0.pop_front();
        }
        first
    }
}
