//! Values that are gone for everybody and still in memory, to be freed a few parts at a time.
//!
//! Nothing is freed behind the page's back: there is one thread, which a large value would hold for
//! long. Whoever drives the engine frees what waits here with [`crate::engine::Engine::tick`].

use super::dict::Dict;
use super::keyspace::Object;
use super::types::Value;
use std::collections::VecDeque;

/// A value with no more parts is freed at once, as in Redis.
const THRESHOLD: usize = 64;
/// So many parts may wait; whoever adds more frees as many as it adds. Commands that follow each
/// other without a pause would fill the memory otherwise.
const MOST_WAITING: usize = 1 << 20;

/// What waits to be freed.
#[derive(Default)]
pub struct LazyFree {
    queue: VecDeque<Garbage>,
    /// How many parts there are in the queue, not counting those of values among keys.
    parts: usize,
    /// Values and keys that wait.
    pending: usize,
    /// Values and keys that have been freed from here (`lazyfreed_objects`).
    freed: u64,
}

enum Garbage {
    Value(Value),
    Keys(Dict<Object>),
}

impl LazyFree {
    /// Frees a value: at once if that does not take long, or else later.
    pub fn add(&mut self, value: Value) {
        let parts = value.parts();
        if parts > THRESHOLD {
            self.pending += 1;
            self.push(Garbage::Value(value), parts);
        }
    }

    /// Frees all keys of a database, later.
    pub fn add_keys(&mut self, keys: Dict<Object>) {
        let parts = keys.len();
        if parts > 0 {
            self.pending += parts;
            self.push(Garbage::Keys(keys), parts);
        }
    }

    /// Frees up to `parts` parts; whether something is left to be freed.
    pub fn step(&mut self, parts: usize) -> bool {
        let mut left = parts;
        while left > 0 && !self.queue.is_empty() {
            left -= self.free_some(left).min(left);
        }
        !self.queue.is_empty()
    }

    /// How many values and keys wait.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// How many values and keys have been freed from here.
    pub fn freed(&self) -> u64 {
        self.freed
    }

    /// Counts from zero again.
    pub fn reset_freed(&mut self) {
        self.freed = 0;
    }

    fn push(&mut self, garbage: Garbage, parts: usize) {
        if self.parts > MOST_WAITING {
            self.step(parts);
        }
        self.parts = self.parts.saturating_add(parts);
        self.queue.push_back(garbage);
    }

    /// Frees up to `most` parts of what is first; answers how many steps that was, at least one.
    fn free_some(&mut self, most: usize) -> usize {
        let Some(first) = self.queue.front_mut() else { return most };
        let (freed, objects, large) = match first {
            Garbage::Value(value) => {
                let freed = value.free_parts(most);
                (freed, usize::from(freed == 0), Vec::new())
            }
            Garbage::Keys(keys) => {
                let mut large = Vec::new();
                // A value that is not large still has up to so many parts.
                let freed = keys.dismantle(most.div_ceil(8), |object: Object| {
                    if object.value.parts() > THRESHOLD {
                        large.push(object.value);
                    }
                });
                (freed, freed, large)
            }
        };
        if freed == 0 {
            self.queue.pop_front();
        }
        self.parts -= freed.min(self.parts);
        self.pending -= objects.min(self.pending);
        self.freed += objects as u64;
        for value in large {
            // It has been counted as a key.
            self.pending += 1;
            self.freed -= 1;
            self.parts = self.parts.saturating_add(value.parts());
            self.queue.push_back(Garbage::Value(value));
        }
        freed.max(1)
    }
}
