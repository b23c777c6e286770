//! Maps in the order of their keys: sorted runs of entries.
//!
//! The standard library's tree is faster where entries come and go in the middle of very many, and
//! ten times the code in the wasm file. Here an insertion moves half a run, and now and then the
//! list of runs; at the ends, where most happens, next to nothing.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;

/// Entries of a run, at most.
const RUN: usize = 128;

/// A map in the order of its keys.
#[derive(Clone)]
pub struct Sorted<K, V> {
    /// No run is empty; every key is above all before it.
    runs: Vec<Vec<(K, V)>>,
    len: usize,
}

/// A set in order.
pub type SortedKeys<K> = Sorted<K, ()>;

/// Where an entry is, or belongs.
#[derive(Clone, Copy)]
struct Place {
    run: usize,
    at: usize,
}

impl<K, V> Sorted<K, V> {
    /// An empty map, which holds no memory.
    pub const fn new() -> Self {
        Self { runs: Vec::new(), len: 0 }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that the entries take up, but not what they have elsewhere.
    pub fn memory_bytes(&self) -> usize {
        let entries: usize = self.runs.iter().map(Vec::capacity).sum();
        entries * size_of::<(K, V)>() + self.runs.capacity() * size_of::<Vec<(K, V)>>()
    }

    /// The entry with the lowest key.
    pub fn first(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The entry with the highest key.
    pub fn last(&self) -> Option<(&K, &V)> {
        self.runs.last()?.last().map(|(key, value)| (key, value))
    }

    /// The same, with a value that may be changed.
    pub fn last_mut(&mut self) -> Option<(&K, &mut V)> {
        self.runs.last_mut()?.last_mut().map(|(key, value)| (&*key, value))
    }

    /// Takes the entry with the highest key.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        let run = self.runs.last_mut()?;
        let entry = run.pop();
        if run.is_empty() {
            self.runs.pop();
        }
        self.len -= 1;
        entry
    }

    /// Drops up to `most` entries, those with the highest keys; answers how many.
    pub fn dismantle(&mut self, most: usize) -> usize {
        (0..most).take_while(|_| self.pop_last().is_some()).count()
    }

    /// The entries in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { runs: &self.runs, place: Place { run: 0, at: 0 } }
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The entries in order, with values that may be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.runs.iter_mut().flatten().map(|(key, value)| (&*key, value))
    }

    fn at(&self, place: Place) -> Option<&(K, V)> {
        self.runs.get(place.run)?.get(place.at)
    }

    fn at_mut(&mut self, place: Place) -> Option<&mut (K, V)> {
        self.runs.get_mut(place.run)?.get_mut(place.at)
    }

    fn insert_at(&mut self, Place { run, at }: Place, entry: (K, V)) {
        self.len += 1;
        let Some(entries) = self.runs.get_mut(run) else { return self.runs.push(vec![entry]) };
        if entries.len() < RUN {
            return entries.insert(at, entry);
        }
        // What only grows at its end leaves full runs behind.
        if at == entries.len() {
            return self.runs.insert(run + 1, vec![entry]);
        }
        let mut rest = entries.split_off(RUN / 2);
        match at.checked_sub(RUN / 2) {
            None => entries.insert(at, entry),
            Some(at) => rest.insert(at, entry),
        }
        self.runs.insert(run + 1, rest);
    }

    fn remove_at(&mut self, Place { run, at }: Place) -> Option<(K, V)> {
        let entries = self.runs.get_mut(run).filter(|entries| at < entries.len())?;
        let entry = entries.remove(at);
        if entries.is_empty() {
            self.runs.remove(run);
        }
        self.len -= 1;
        Some(entry)
    }
}

impl<K, V> Sorted<K, V> {
    /// Where a key is, or `Err` of where it belongs.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Place, Place>
    where
        K: Borrow<Q>,
    {
        let order = |(other, _): &(K, V)| other.borrow().cmp(key);
        let below =
            |run: &Vec<(K, V)>| run.last().is_some_and(|last| order(last) == Ordering::Less);
        let run = self.runs.partition_point(below);
        // What is above everything belongs at the end of the last run.
        let Some(entries) = self.runs.get(run) else {
            let last = self.runs.len().saturating_sub(1);
            return Err(Place { run: last, at: self.runs.last().map_or(0, Vec::len) });
        };
        match entries.binary_search_by(order) {
            Ok(at) => Ok(Place { run, at }),
            Err(at) => Err(Place { run, at }),
        }
    }

    /// Whether a key is in it.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The key as the map has it, and its value.
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.at(self.find(key).ok()?).map(|(key, value)| (key, value))
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.at_mut(self.find(key).ok()?).map(|(_, value)| value)
    }

    /// Sets the value of a key; answers the value it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V>
    where
        K: Ord,
    {
        match self.find(&key) {
            Ok(place) => self.at_mut(place).map(|(_, old)| std::mem::replace(old, value)),
            Err(place) => {
                self.insert_at(place, (key, value));
                None
            }
        }
    }

    /// Takes a key out; answers its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        self.remove_at(place).map(|(_, value)| value)
    }

    /// The entries from a key on, in order.
    pub fn from<Q: Ord + ?Sized>(&self, key: &Q) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).unwrap_or_else(|place| place);
        Iter { runs: &self.runs, place }
    }
}

/// Entries in order.
pub struct Iter<'a, K, V> {
    runs: &'a [Vec<(K, V)>],
    place: Place,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let run = self.runs.get(self.place.run)?;
            if let Some((key, value)) = run.get(self.place.at) {
                self.place.at += 1;
                return Some((key, value));
            }
            self.place = Place { run: self.place.run + 1, at: 0 };
        }
    }
}

impl<'a, K, V> IntoIterator for &'a Sorted<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K, V> IntoIterator for Sorted<K, V> {
    type Item = (K, V);
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<(K, V)>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.runs.into_iter().flatten()
    }
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Sorted<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u8),
        Append(u8),
        Remove(u16),
        RemoveFirst,
        PopLast,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..2000u16, any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
            2 => any::<u8>().prop_map(Step::Append),
            2 => (0..2000u16).prop_map(Step::Remove),
            1 => Just(Step::RemoveFirst),
            1 => Just(Step::PopLast),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map(steps in proptest::collection::vec(step(), 0..1500), from: u16) {
            let (mut model, mut map) = (BTreeMap::new(), Sorted::new());
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                    }
                    Step::Append(value) => {
                        let key = model.last_key_value().map_or(0, |(key, _)| key + 1);
                        prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                    }
                    Step::Remove(key) => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    Step::RemoveFirst => {
                        let first = map.first().map(|(key, _)| *key);
                        prop_assert_eq!(first, model.pop_first().map(|(key, _)| key));
                        first.map(|key| map.remove(&key));
                    }
                    Step::PopLast => prop_assert_eq!(map.pop_last(), model.pop_last()),
                }
                prop_assert_eq!(map.len(), model.len());
                prop_assert!(map.runs.iter().all(|run| (1..=RUN).contains(&run.len())));
            }
            prop_assert!(map.iter().eq(&model));
            prop_assert!(map.from(&from).eq(model.range(from..)));
            prop_assert_eq!(map.last(), model.last_key_value());
            for key in 0..2000 {
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
            prop_assert!(map.into_iter().eq(model));
        }
    }

    #[test]
    fn what_grows_at_its_end_fills_its_runs() {
        let mut map = Sorted::new();
        (0..10 * RUN).for_each(|key| assert_eq!(map.insert(key, ()), None));
        assert_eq!(map.runs.len(), 10);
    }
}
