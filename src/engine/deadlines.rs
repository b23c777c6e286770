//! When keys cease to exist: a queue, the soonest first.
//!
//! An entry whose key has since gone or got another time is stale. Stale entries are looked for a few
//! at a time, so that no change of a key takes long: a binary heap in chunks, through which a sweep
//! goes from the end to the beginning whenever it has become twice as long as after the last sweep.

/// So many entries are not worth looking for stale ones.
const MIN: usize = 64;
/// Entries that one [`Deadlines::sweep`] looks at: they go faster than new ones come.
const SWEPT_AT_ONCE: usize = 4;
/// Entries that lie together; growing moves no more.
const CHUNK: usize = 1024;

/// Times in Unix milliseconds, with hashes of keys.
#[derive(Debug)]
pub struct Deadlines {
    chunks: Vec<Vec<Entry>>,
    len: usize,
    /// The sweep has yet to look at the entries before this one; 0 when there is none.
    unswept: usize,
    /// How many entries there may be before a sweep begins.
    max: usize,
}

/// A time in two parts, which need no alignment of eight bytes, and the hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    high: i32,
    low: u32,
    hash: u32,
}

impl Entry {
    fn new(at: i64, hash: u32) -> Self {
        Self { high: (at >> 32) as i32, low: at as u32, hash }
    }

    fn parts(self) -> (i64, u32) {
        (i64::from(self.high) << 32 | i64::from(self.low), self.hash)
    }
}

impl FromIterator<(i64, u32)> for Deadlines {
    fn from_iter<I: IntoIterator<Item = (i64, u32)>>(entries: I) -> Self {
        let mut deadlines = Self::default();
        entries.into_iter().for_each(|(at, hash)| deadlines.push(at, hash));
        deadlines.max = 2 * deadlines.len + MIN;
        deadlines
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0, unswept: 0, max: MIN }
    }
}

impl Deadlines {
    /// How many entries there are, stale ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that the entries take up.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum::<usize>() * size_of::<Entry>()
    }

    /// The soonest time, with the hash that belongs to it.
    pub fn first(&self) -> Option<(i64, u32)> {
        (self.len > 0).then(|| self.at(0).parts())
    }

    /// The time with this number, below [`Deadlines::len`], with its hash: number 0 is the soonest, and
    /// each is no later than those with twice its number plus one and plus two.
    pub fn nth(&self, index: usize) -> Option<(i64, u32)> {
        (index < self.len).then(|| self.at(index).parts())
    }

    /// Adds a time.
    pub fn push(&mut self, at: i64, hash: u32) {
        let entry = Entry::new(at, hash);
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
            last => {
                // The first chunk grows as it fills; a further one will surely be filled.
                let mut chunk = Vec::with_capacity(if last.is_some() { CHUNK } else { 0 });
                chunk.push(entry);
                self.chunks.push(chunk);
            }
        }
        self.len += 1;
        self.rise(self.len - 1, entry);
    }

    /// Drops the soonest time.
    pub fn drop_first(&mut self) {
        self.remove(0);
    }

    /// Looks at a few entries, if there are many, and drops those that are not live. To be called
    /// whenever one was added. Answers whether a sweep has ended, which left [`Deadlines::len`].
    pub fn sweep(&mut self, is_live: impl Fn(i64, u32) -> bool) -> bool {
        if self.unswept == 0 {
            if self.len <= self.max {
                return false;
            }
            self.unswept = self.len;
        }
        for _ in 0..SWEPT_AT_ONCE {
            self.unswept = self.unswept.min(self.len);
            let Some(index) = self.unswept.checked_sub(1) else { break };
            let (at, hash) = self.at(index).parts();
            if is_live(at, hash) {
                self.unswept = index;
            } else {
                self.remove(index);
            }
        }
        if self.unswept == 0 {
            self.max = 2 * self.len + MIN;
        }
        self.unswept == 0
    }

    fn at(&self, index: usize) -> Entry {
        self.chunks[index / CHUNK][index % CHUNK]
    }

    fn set(&mut self, index: usize, entry: Entry) {
        self.chunks[index / CHUNK][index % CHUNK] = entry;
    }

    fn remove(&mut self, index: usize) {
        let Some(chunk) = self.chunks.last_mut() else { return };
        let Some(last) = chunk.pop() else { return };
        if chunk.is_empty() {
            self.chunks.pop();
        }
        self.len -= 1;
        if index < self.len {
            self.sink(index, last);
        }
    }

    /// Puts an entry at `index` or, if it is sooner than what is above, where it belongs up there.
    fn rise(&mut self, mut index: usize, entry: Entry) {
        while index > 0 {
            let parent = (index - 1) / 2;
            let above = self.at(parent);
            if above <= entry {
                break;
            }
            self.set(index, above);
            index = parent;
        }
        self.set(index, entry);
    }

    /// Puts an entry at `index`, or where it belongs below or above.
    fn sink(&mut self, mut index: usize, entry: Entry) {
        loop {
            let mut child = 2 * index + 1;
            if child >= self.len {
                break;
            }
            if child + 1 < self.len && self.at(child + 1) < self.at(child) {
                child += 1;
            }
            let below = self.at(child);
            if entry <= below {
                break;
            }
            self.set(index, below);
            index = child;
        }
        self.rise(index, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng::Rng;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn the_soonest_comes_first(
            steps in prop::collection::vec((any::<bool>(), any::<i64>(), any::<u32>()), 1..400),
            factor in 1i64..1 << 40,
        ) {
            let (mut deadlines, mut model) = (Deadlines::default(), BTreeSet::new());
            for (add, at, hash) in steps {
                let entry = (at / factor, hash);
                if add && model.insert(entry) {
                    deadlines.push(entry.0, entry.1);
                } else if !add {
                    model.pop_first();
                    deadlines.drop_first();
                }
                prop_assert_eq!(deadlines.first(), model.first().copied());
                prop_assert_eq!(deadlines.len(), model.len());
            }
        }
    }

    #[test]
    fn stale_entries_go_a_few_at_a_time_and_live_ones_stay() {
        const KEYS: usize = 5000;
        let (mut deadlines, mut rng) = (Deadlines::default(), Rng::new(1));
        let mut live = vec![0; KEYS];
        let mut most = 0;
        for step in 0..40 * KEYS {
            let key = if step < KEYS { step } else { rng.below(KEYS) };
            live[key] = rng.below(1 << 40) as i64 - (1 << 39);
            deadlines.push(live[key], key as u32);
            let asked = Cell::new(0);
            deadlines.sweep(|at, hash| {
                asked.set(asked.get() + 1);
                live[hash as usize] == at
            });
            assert!(asked.get() <= SWEPT_AT_ONCE);
            most = most.max(deadlines.len());
        }
        assert!(most < 3 * KEYS, "{most} entries for {KEYS} keys");
        let mut left: BTreeSet<_> = (0u32..).zip(live).map(|(key, at)| (at, key)).collect();
        let mut before = i64::MIN;
        while let Some((at, hash)) = deadlines.first() {
            assert!(at >= before);
            before = at;
            left.remove(&(at, hash));
            deadlines.drop_first();
        }
        assert!(left.is_empty());
    }
}
