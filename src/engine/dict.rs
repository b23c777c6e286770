//! The dictionary: keyspace, and every set and hash.
//!
//! Chained hashing over two tables of bucket heads that are powers of two in size. Growing and
//! shrinking move a few buckets at each change, so no operation takes long, and SCAN's cursor
//! counts in reverse binary, so that a scan across any number of resizes answers every entry that
//! was there throughout (Pieter Noordhuis's algorithm, as in Redis's `dict.c`).
//!
//! Entries lie densely in chunks, apart from the buckets: removing one moves the last into its
//! place. That makes a random entry one step, and iteration a walk over memory.

use super::key::{Key, same};
use super::rng::Rng;
use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hasher};

const NONE: u32 = u32::MAX;
const MIN_BUCKETS: usize = 4;
const CHUNK: usize = 1024;
/// Buckets moved to the new table at each change of the dictionary while it is being resized.
const MOVES_PER_CHANGE: usize = 4;
/// A table of so many buckets is made bit by bit before it is needed: all of its memory is touched.
const LARGE: usize = 1 << 16;
/// Heads made at each insertion then: more than enough, since that begins when a 32nd of the buckets
/// is left.
const HEADS_PER_CHANGE: usize = 128;
/// A dictionary this many times sparser than its buckets shrinks.
const SPARSE: usize = 8;

/// Maps binary-safe keys to values.
#[derive(Clone)]
pub struct Dict<V> {
    heads: Vec<u32>,
    /// Empty unless the dictionary is being resized; then the old heads, of which those before
    /// `moved` are empty.
    old_heads: Vec<u32>,
    moved: usize,
    /// The heads of a large table that is going to be needed, as many as have been made.
    next_heads: Vec<u32>,
    chunks: Vec<Vec<Entry<V>>>,
    len: usize,
    seed: u64,
}

/// Where an entry lies, so that it need not be looked up twice. Good until the next insertion into
/// or removal from its dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

impl Slot {
    /// The number by which [`Dict::nth`] answers the entry.
    pub fn index(self) -> u32 {
        self.0
    }
}

#[derive(Clone)]
struct Entry<V> {
    hash: u32,
    next: u32,
    key: Key,
    value: V,
}

impl<V> Dict<V> {
    /// Bytes of memory that an entry takes up, but not what its key and value have on the heap.
    pub const ENTRY_BYTES: usize = size_of::<Entry<V>>() + size_of::<u32>();

    /// An empty dictionary that allocates nothing. `seed` keeps outsiders from choosing keys that
    /// fall into one bucket.
    pub fn new(seed: u64) -> Self {
        Self {
            heads: Vec::new(),
            old_heads: Vec::new(),
            moved: 0,
            next_heads: Vec::new(),
            chunks: Vec::new(),
            len: 0,
            seed,
        }
    }

    /// What the dictionary was made with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many buckets there are, the old table's included.
    pub fn buckets(&self) -> usize {
        self.heads.len() + self.old_heads.len()
    }

    /// Bytes of memory that the tables take up, entries and room for more included, but not what keys
    /// and values have on the heap. O(1).
    pub fn table_bytes(&self) -> usize {
        let heads = [&self.heads, &self.old_heads, &self.next_heads];
        let heads: usize = heads.into_iter().map(Vec::capacity).sum();
        let last = self.chunks.last().map_or(0, Vec::capacity);
        let room = self.chunks.len().saturating_sub(1) * CHUNK + last;
        heads * size_of::<u32>()
            + room * size_of::<Entry<V>>()
            + self.chunks.capacity() * size_of::<Vec<Entry<V>>>()
    }

    /// Bytes of memory that everything takes up, by the average of so many entries (0: all of them).
    /// `heap_len` tells what a value has on the heap.
    pub fn memory_bytes(&self, samples: usize, heap_len: impl Fn(&V) -> usize) -> usize {
        let entries = self.chunks.iter().flatten();
        let lens = entries.map(|entry| entry.key.heap_len() + heap_len(&entry.value));
        self.table_bytes() + extrapolate(lens, self.len, samples)
    }

    /// The hash by which [`Dict::find_by_hash`] finds a key.
    pub fn hash(&self, key: &[u8]) -> u32 {
        let mut hasher = FixedState::with_seed(self.seed).build_hasher();
        hasher.write(key);
        let hash = hasher.finish();
        (hash ^ (hash >> 32)) as u32
    }

    /// Where `key` is.
    #[inline(always)]
    pub fn locate(&self, key: &[u8]) -> Option<Slot> {
        self.find(key).map(Slot)
    }

    /// The value at `slot`.
    #[inline(always)]
    pub fn at(&self, slot: Slot) -> &V {
        &self.entry(slot.0).value
    }

    /// Whether anything is at `slot`.
    pub fn has(&self, slot: Slot) -> bool {
        (slot.0 as usize) < self.len
    }

    /// The [`Dict::hash`] of the key at `slot`.
    #[inline(always)]
    pub fn hash_at(&self, slot: Slot) -> u32 {
        self.entry(slot.0).hash
    }

    /// The value at `slot`, to be changed.
    #[inline(always)]
    pub fn at_mut(&mut self, slot: Slot) -> &mut V {
        &mut self.entry_mut(slot.0).value
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        self.find(key).map(|index| &self.entry(index).value)
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        self.find(key).map(|index| &mut self.entry_mut(index).value)
    }

    /// Whether `key` is there.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// Sets the value of `key`; answers the value it had.
    pub fn insert(&mut self, key: &[u8], value: V) -> Option<V> {
        let hash = self.hash(key);
        if let Some(index) = self.find_hashed(hash, key) {
            return Some(std::mem::replace(&mut self.entry_mut(index).value, value));
        }
        self.push(hash, key.into(), value);
        None
    }

    /// The value of `key`, made by `make` if it was not there.
    pub fn get_or_insert_with(&mut self, key: &[u8], make: impl FnOnce() -> V) -> &mut V {
        let hash = self.hash(key);
        let index = match self.find_hashed(hash, key) {
            Some(index) => index,
            None => self.push(hash, key.into(), make()),
        };
        &mut self.entry_mut(index).value
    }

    /// Adds `key`, which is not there; answers where it is.
    pub fn add(&mut self, key: &[u8], value: V) -> Slot {
        Slot(self.push(self.hash(key), key.into(), value))
    }

    /// Removes `key`; answers what was there. The entry with the highest [`Slot::index`] takes its
    /// place.
    pub fn remove(&mut self, key: &[u8]) -> Option<V> {
        let hash = self.hash(key);
        let index = self.find_hashed(hash, key)?;
        let entry = self.remove_at(index);
        self.resize_step();
        Some(entry.value)
    }

    /// Removes everything and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new(self.seed);
    }

    /// Drops up to `most` entries and gives their values to `each`; answers how many. Nothing is
    /// found from then on: this is for a dictionary that nobody needs any more.
    pub fn dismantle(&mut self, most: usize, mut each: impl FnMut(V)) -> usize {
        (self.heads, self.old_heads, self.moved) = (Vec::new(), Vec::new(), 0);
        self.next_heads = Vec::new();
        let mut dropped = 0;
        while dropped < most
            && let Some(chunk) = self.chunks.last_mut()
        {
            if let Some(entry) = chunk.pop() {
                each(entry.value);
                dropped += 1;
            }
            if chunk.is_empty() {
                self.chunks.pop();
            }
        }
        self.len -= dropped;
        dropped
    }

    /// A key with this [`Dict::hash`] that `wanted` accepts, with its value.
    pub fn find_by_hash(
        &self,
        hash: u32,
        wanted: impl Fn(&[u8], &V) -> bool,
    ) -> Option<(&Key, &V)> {
        let mut at = self.head(hash);
        while at != NONE {
            let entry = self.entry(at);
            if entry.hash == hash && wanted(&entry.key, &entry.value) {
                return Some((&entry.key, &entry.value));
            }
            at = entry.next;
        }
        None
    }

    /// An entry, each with the same probability.
    pub fn random(&self, rng: &mut Rng) -> Option<(&[u8], &V)> {
        if self.is_empty() {
            return None;
        }
        let entry = self.entry(rng.below(self.len) as u32);
        Some((&entry.key, &entry.value))
    }

    /// Entry number `index`, below [`Dict::len`], in no particular order.
    #[inline(always)]
    pub fn nth(&self, index: usize) -> Option<(&[u8], &V)> {
        let entry = self.chunks.get(index / CHUNK)?.get(index % CHUNK)?;
        Some((&entry.key, &entry.value))
    }

    /// Every entry, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &V)> {
        self.chunks.iter().flatten().map(|entry| (&*entry.key, &entry.value))
    }

    /// The entries from number `index` on, in the order of [`Dict::nth`].
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = (&[u8], &V)> {
        let entries = self.chunks.iter().skip(index / CHUNK).flatten().skip(index % CHUNK);
        entries.map(|entry| (&*entry.key, &entry.value))
    }

    /// Every value, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.chunks.iter_mut().flatten().map(|entry| &mut entry.value)
    }

    /// Visits the entries under `cursor` and answers the next cursor; 0 begins and ends a scan.
    ///
    /// An entry that is there from the beginning of a scan to its end is visited at least once,
    /// whatever is inserted or removed meanwhile.
    pub fn scan<'a>(&'a self, cursor: u64, mut visit: impl FnMut(&'a [u8], &'a V)) -> u64 {
        if self.is_empty() {
            return 0;
        }
        let (small, large) = if self.old_heads.is_empty() {
            (&self.heads, &self.heads)
        } else if self.old_heads.len() < self.heads.len() {
            (&self.old_heads, &self.heads)
        } else {
            (&self.heads, &self.old_heads)
        };
        let (small_mask, large_mask) = (small.len() as u64 - 1, large.len() as u64 - 1);
        self.visit_bucket(small[(cursor & small_mask) as usize], &mut visit);
        if self.old_heads.is_empty() {
            return next_cursor(cursor, small_mask);
        }
        // All buckets of the larger table that the smaller one's bucket expands to.
        let mut cursor = cursor;
        loop {
            self.visit_bucket(large[(cursor & large_mask) as usize], &mut visit);
            cursor = next_cursor(cursor, large_mask);
            if cursor & (small_mask ^ large_mask) == 0 {
                return cursor;
            }
        }
    }

    /// Moves up to `buckets` buckets of an unfinished resize, and begins another if that leaves too
    /// many; whether more are left to move.
    pub fn rehash(&mut self, buckets: usize) -> bool {
        self.move_buckets(buckets);
        if self.len < self.heads.len() / 4 * 3 {
            self.next_heads = Vec::new();
        }
        let sparse = self.heads.len() > MIN_BUCKETS && self.len * SPARSE < self.heads.len();
        if sparse && self.old_heads.is_empty() {
            self.start_resize((self.len * 2).next_power_of_two().max(MIN_BUCKETS));
        }
        !self.old_heads.is_empty()
    }

    fn move_buckets(&mut self, buckets: usize) {
        for _ in 0..buckets {
            let Some(head) = self.old_heads.get_mut(self.moved) else { break };
            let mut at = std::mem::replace(head, NONE);
            self.moved += 1;
            while at != NONE {
                let next = self.entry(at).next;
                self.link(at);
                at = next;
            }
        }
        if self.moved >= self.old_heads.len() {
            self.old_heads = Vec::new();
            self.moved = 0;
        }
    }

    fn visit_bucket<'a>(&'a self, head: u32, visit: &mut impl FnMut(&'a [u8], &'a V)) {
        let mut at = head;
        while at != NONE {
            let entry = self.entry(at);
            visit(&entry.key, &entry.value);
            at = entry.next;
        }
    }

    #[inline(always)]
    fn find(&self, key: &[u8]) -> Option<u32> {
        self.find_hashed(self.hash(key), key)
    }

    fn find_hashed(&self, hash: u32, key: &[u8]) -> Option<u32> {
        let mut at = self.head(hash);
        while at != NONE {
            let entry = self.entry(at);
            if entry.hash == hash && same(&entry.key, key) {
                return Some(at);
            }
            at = entry.next;
        }
        None
    }

    #[inline(always)]
    fn entry(&self, index: u32) -> &Entry<V> {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }

    #[inline(always)]
    fn entry_mut(&mut self, index: u32) -> &mut Entry<V> {
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }

    #[inline(always)]
    fn head(&self, hash: u32) -> u32 {
        if self.heads.is_empty() { NONE } else { *self.head_slot(hash) }
    }

    /// The head of the bucket where entries with `hash` are now.
    #[inline(always)]
    fn head_slot(&self, hash: u32) -> &u32 {
        match self.old_bucket(hash) {
            Some(bucket) => &self.old_heads[bucket],
            None => &self.heads[hash as usize & (self.heads.len() - 1)],
        }
    }

    fn head_slot_mut(&mut self, hash: u32) -> &mut u32 {
        match self.old_bucket(hash) {
            Some(bucket) => &mut self.old_heads[bucket],
            None => {
                let mask = self.heads.len() - 1;
                &mut self.heads[hash as usize & mask]
            }
        }
    }

    #[inline(always)]
    fn old_bucket(&self, hash: u32) -> Option<usize> {
        if self.old_heads.is_empty() {
            return None;
        }
        let bucket = hash as usize & (self.old_heads.len() - 1);
        (bucket >= self.moved).then_some(bucket)
    }

    /// Puts an entry at the front of its bucket.
    fn link(&mut self, index: u32) {
        let slot = self.head_slot_mut(self.entry(index).hash);
        let next = std::mem::replace(slot, index);
        self.entry_mut(index).next = next;
    }

    /// Takes an entry out of its bucket, leaving it in its chunk.
    fn unlink(&mut self, index: u32) {
        let (hash, next) = (self.entry(index).hash, self.entry(index).next);
        self.relink(hash, index, next);
    }

    /// Makes whatever points at `index` in the bucket of `hash` point at `target`.
    fn relink(&mut self, hash: u32, index: u32, target: u32) {
        let head = self.head_slot_mut(hash);
        if *head == index {
            *head = target;
            return;
        }
        let mut at = *head;
        while self.entry(at).next != index {
            at = self.entry(at).next;
        }
        self.entry_mut(at).next = target;
    }

    fn push(&mut self, hash: u32, key: Key, value: V) -> u32 {
        self.resize_step();
        if self.heads.is_empty() {
            self.heads = vec![NONE; MIN_BUCKETS];
        } else if self.old_heads.is_empty() && self.len >= self.heads.len() - self.heads.len() / 32
        {
            self.grow();
        }
        let index = self.len as u32;
        assert!(index < NONE, "a dictionary holds fewer than 2^32 entries");
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => {
                chunk.push(Entry { hash, next: NONE, key, value })
            }
            last => {
                // The first chunk grows as it fills; a further one will surely be filled.
                let mut chunk = Vec::with_capacity(if last.is_some() { CHUNK } else { 0 });
                chunk.push(Entry { hash, next: NONE, key, value });
                self.chunks.push(chunk);
            }
        }
        self.len += 1;
        self.link(index);
        index
    }

    fn remove_at(&mut self, index: u32) -> Entry<V> {
        self.unlink(index);
        let last = self.len as u32 - 1;
        if index != last {
            self.relink(self.entry(last).hash, last, index);
        }
        let chunk = self.chunks.last_mut().expect("an entry is in a chunk");
        let moved = chunk.pop().expect("the last chunk holds an entry");
        if chunk.is_empty() {
            self.chunks.pop();
        }
        self.len -= 1;
        if index == last { moved } else { std::mem::replace(self.entry_mut(index), moved) }
    }

    /// Makes a part of the larger table, or begins to use it once it is needed.
    fn grow(&mut self) {
        let buckets = self.heads.len() * 2;
        if self.len >= self.heads.len() {
            self.start_resize(buckets);
        } else if buckets >= LARGE {
            if self.next_heads.is_empty() && self.next_heads.try_reserve_exact(buckets).is_err() {
                return;
            }
            let made = self.next_heads.len() + HEADS_PER_CHANGE;
            self.next_heads.resize(made.min(buckets), NONE);
        }
    }

    fn resize_step(&mut self) {
        if self.len == 0 {
            self.heads = Vec::new();
            self.old_heads = Vec::new();
            self.next_heads = Vec::new();
            self.moved = 0;
        } else {
            self.rehash(MOVES_PER_CHANGE);
        }
    }

    fn start_resize(&mut self, buckets: usize) {
        let mut heads = std::mem::take(&mut self.next_heads);
        if heads.capacity() != buckets {
            heads = Vec::new();
            // Chains that are too long are better than no memory for anything else.
            if heads.try_reserve_exact(buckets).is_err() {
                return;
            }
        }
        heads.resize(buckets, NONE);
        self.old_heads = std::mem::replace(&mut self.heads, heads);
        self.moved = 0;
        self.move_buckets(MOVES_PER_CHANGE);
    }
}

/// The sum of `len` numbers, by the average of so many of them (0: all of them).
pub fn extrapolate(numbers: impl Iterator<Item = usize>, len: usize, samples: usize) -> usize {
    let samples = if samples == 0 { len } else { samples.min(len) };
    let sum: usize = numbers.take(samples).sum();
    if samples == len { sum } else { (sum as u64 * len as u64 / samples as u64) as usize }
}

/// Counts up from the highest bit of the mask downwards.
fn next_cursor(cursor: u64, mask: u64) -> u64 {
    (cursor | !mask).reverse_bits().wrapping_add(1).reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_table_is_there_before_it_is_needed() {
        let mut dict = Dict::new(1);
        let mut resizes = 0;
        for number in 0..300_000u32 {
            let (buckets, made) = (dict.heads.len(), dict.next_heads.len());
            dict.insert(&number.to_le_bytes(), ());
            assert!(dict.next_heads.len() <= made + HEADS_PER_CHANGE);
            if dict.heads.len() > buckets && dict.heads.len() >= LARGE {
                assert_eq!(made, dict.heads.len(), "most of it was made at once");
                resizes += 1;
            }
        }
        assert_eq!(resizes, 4);
        assert!((0..300_000u32).all(|number| dict.contains(&number.to_le_bytes())));
    }

    #[test]
    fn a_table_that_is_not_needed_after_all_is_given_back() {
        let mut dict = Dict::new(1);
        for number in 0..65_000u32 {
            dict.insert(&number.to_le_bytes(), ());
        }
        assert!(!dict.next_heads.is_empty());
        for number in 40_000..65_000u32 {
            dict.remove(&number.to_le_bytes());
        }
        dict.rehash(1);
        assert_eq!(dict.next_heads.capacity(), 0);
        assert!((0..40_000u32).all(|number| dict.contains(&number.to_le_bytes())));
    }
}
