//! Sets: the encodings `intset`, `listpack` and `hashtable`.

use super::intset::Intset;
use super::listpack::{Item, Listpack};
use crate::engine::config::Limits;
use crate::engine::dict::Dict;
use crate::engine::rng::Rng;
use crate::number::parse_integer;

/// Different strings. A member is found in O(1), in the compact encodings in O(log n) or O(n).
#[derive(Clone)]
pub struct Set(Encoding);

#[derive(Clone)]
enum Encoding {
    Intset(Intset),
    Listpack(Listpack),
    Table(Box<Dict<()>>),
}

impl Set {
    /// An empty one in the encoding that so many members will have, if they are short.
    pub fn for_len(len: usize, limits: Limits) -> Self {
        let mut set = Self::default();
        if len > limits.set_max_intset_entries.max(limits.set_max_listpack_entries) {
            set.make_table(limits);
        }
        set
    }

    /// Takes a listpack of members, as an RDB stores it. As in Redis it may have longer ones than it
    /// would get here. `None` if a member is there twice.
    pub fn from_listpack(listpack: Listpack, limits: Limits) -> Option<Self> {
        if listpack.len() <= limits.set_max_listpack_entries && listpack.is_keyed(1) {
            return Some(Self(Encoding::Listpack(listpack)));
        }
        let mut set = Self::for_len(listpack.len(), limits);
        let mut items = listpack.iter();
        items.all(|member| member.with_bytes(|member| set.add(member, limits))).then_some(set)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Encoding::Intset(intset) => intset.len(),
            Encoding::Listpack(listpack) => listpack.len(),
            Encoding::Table(table) => table.len(),
        }
    }

    /// See [`super::Value::parts`].
    pub(super) fn parts(&self) -> usize {
        match &self.0 {
            Encoding::Table(table) => table.len(),
            _ => 1,
        }
    }

    /// See [`super::Value::heap_bytes`].
    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Encoding::Intset(intset) => intset.heap_len(),
            Encoding::Listpack(listpack) => listpack.heap_len(),
            Encoding::Table(table) => size_of::<Dict<()>>() + table.memory_bytes(samples, |()| 0),
        }
    }

    /// See [`super::Value::free_parts`].
    pub(super) fn free_parts(&mut self, most: usize) -> usize {
        match &mut self.0 {
            Encoding::Table(table) => table.dismantle(most, drop),
            _ => 0,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name that `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match self.0 {
            Encoding::Intset(_) => "intset",
            Encoding::Listpack(_) => "listpack",
            Encoding::Table(_) => "hashtable",
        }
    }

    /// The intset, while the set is one.
    pub fn as_intset(&self) -> Option<&Intset> {
        match &self.0 {
            Encoding::Intset(intset) => Some(intset),
            _ => None,
        }
    }

    /// The listpack of members, while the set is one.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Encoding::Listpack(listpack) => Some(listpack),
            _ => None,
        }
    }

    /// Whether `word` is a member.
    pub fn contains(&self, word: &[u8]) -> bool {
        match &self.0 {
            Encoding::Intset(intset) => {
                parse_integer(word).is_some_and(|value| intset.contains(value))
            }
            Encoding::Listpack(listpack) => listpack.find(listpack.first(), word, 0).is_some(),
            Encoding::Table(table) => table.contains(word),
        }
    }

    /// Makes ready for `count` members, `first` among them, that are about to be added: as in Redis
    /// that alone may change the encoding, even if some of them are the same.
    pub fn prepare(&mut self, first: &[u8], count: usize, limits: Limits) {
        let intset = count <= limits.set_max_intset_entries;
        let listpack = count <= limits.set_max_listpack_entries;
        let fits = match self.0 {
            _ if self.is_empty() && intset && parse_integer(first).is_some() => {
                self.0 = Encoding::Intset(Intset::new());
                true
            }
            _ if self.is_empty() => {
                self.0 = Encoding::Listpack(Listpack::new());
                listpack
            }
            Encoding::Intset(_) => intset,
            Encoding::Listpack(_) => listpack,
            Encoding::Table(_) => true,
        };
        if !fits {
            self.make_table(limits);
        }
    }

    /// A set without members, in the same encoding.
    pub fn empty_like(&self, limits: Limits) -> Self {
        Self(match self.0 {
            Encoding::Intset(_) => Encoding::Intset(Intset::new()),
            Encoding::Listpack(_) => Encoding::Listpack(Listpack::new()),
            Encoding::Table(_) => Encoding::Table(Box::new(Dict::new(limits.hash_seed))),
        })
    }

    /// Becomes an intset, if the members are integers and not too many.
    pub fn make_intset(&mut self, limits: Limits) {
        if self.len() > limits.set_max_intset_entries {
            return;
        }
        let mut intset = Intset::new();
        let all_integers = self.visit(|member| {
            let value = member.with_bytes(parse_integer);
            value.is_some_and(|value| intset.insert(value))
        });
        if all_integers {
            self.0 = Encoding::Intset(intset);
        }
    }

    /// A table from which most has been taken becomes a listpack, if what is left fits.
    pub fn shrink(&mut self, limits: Limits) {
        let Encoding::Table(table) = &self.0 else { return };
        let mut smaller = Self(Encoding::Listpack(Listpack::new()));
        table.iter().for_each(|(member, ())| {
            smaller.add(member, limits);
        });
        *self = smaller;
    }

    /// Adds a member; whether it was not there.
    pub fn add(&mut self, word: &[u8], limits: Limits) -> bool {
        if let Encoding::Intset(intset) = &mut self.0 {
            if let Some(value) = parse_integer(word) {
                let added = intset.insert(value);
                if intset.len() > limits.set_max_intset_entries {
                    self.make_table(limits);
                }
                return added;
            }
            self.leave_intset(word.len(), limits);
        }
        if let Encoding::Listpack(listpack) = &mut self.0 {
            if listpack.find(listpack.first(), word, 0).is_some() {
                return false;
            }
            if listpack.len() < limits.set_max_listpack_entries
                && word.len() <= limits.set_max_listpack_value
            {
                listpack.push_back(Item::of(word));
                return true;
            }
            self.make_table(limits);
        }
        match &mut self.0 {
            Encoding::Table(table) => table.insert(word, ()).is_none(),
            _ => false,
        }
    }

    /// Removes a member; whether it was there.
    pub fn remove(&mut self, word: &[u8]) -> bool {
        match &mut self.0 {
            Encoding::Intset(intset) => {
                parse_integer(word).is_some_and(|value| intset.remove(value))
            }
            Encoding::Listpack(listpack) => match listpack.find(listpack.first(), word, 0) {
                Some(position) => {
                    listpack.remove(position);
                    true
                }
                None => false,
            },
            Encoding::Table(table) => table.remove(word).is_some(),
        }
    }

    /// Member number `index`, in no particular order. O(1), in a listpack O(n).
    pub fn nth(&self, index: usize) -> Option<Item<'_>> {
        match &self.0 {
            Encoding::Intset(intset) => intset.get(index).map(Item::Int),
            Encoding::Listpack(listpack) => listpack.at(i64::try_from(index).ok()?),
            Encoding::Table(table) => table.nth(index).map(|(member, ())| Item::Bytes(member)),
        }
    }

    /// A member, each with the same probability.
    pub fn random(&self, rng: &mut Rng) -> Option<Item<'_>> {
        self.nth(rng.below(self.len()))
    }

    /// Every member, up to where `f` answers false; whether it was all of them.
    pub fn visit<'a>(&'a self, mut f: impl FnMut(Item<'a>) -> bool) -> bool {
        match &self.0 {
            Encoding::Intset(intset) => intset.iter().all(|value| f(Item::Int(value))),
            Encoding::Listpack(listpack) => listpack.iter().all(f),
            Encoding::Table(table) => table.iter().all(|(member, ())| f(Item::Bytes(member))),
        }
    }

    /// As [`Set::visit`], from number `start` on, in the order that it has until it changes.
    pub fn visit_from<'a>(&'a self, start: usize, mut f: impl FnMut(Item<'a>) -> bool) -> bool {
        match &self.0 {
            Encoding::Table(table) => {
                table.iter_from(start).all(|(member, ())| f(Item::Bytes(member)))
            }
            Encoding::Listpack(listpack) => {
                let first = i64::try_from(start).ok().and_then(|start| listpack.seek(start));
                first.is_none_or(|first| listpack.iter_from(first).all(f))
            }
            Encoding::Intset(intset) => intset.iter().skip(start).all(|value| f(Item::Int(value))),
        }
    }

    /// Visits the members under `cursor` and answers the next cursor; see [`Dict::scan`]. The
    /// compact encodings are visited whole.
    pub fn scan<'a>(&'a self, cursor: u64, mut f: impl FnMut(Item<'a>)) -> u64 {
        if let Encoding::Table(table) = &self.0 {
            return table.scan(cursor, |member, ()| f(Item::Bytes(member)));
        }
        self.visit(|member| {
            f(member);
            true
        });
        0
    }

    /// An intset is to hold a word of `len` bytes that is no integer.
    fn leave_intset(&mut self, len: usize, limits: Limits) {
        let Encoding::Intset(intset) = &self.0 else { return };
        let ends = [intset.get(0), intset.len().checked_sub(1).and_then(|last| intset.get(last))];
        let digits = ends.into_iter().flatten().map(|value| Item::Int(value).len()).max();
        if intset.len() < limits.set_max_listpack_entries
            && len.max(digits.unwrap_or(0)) <= limits.set_max_listpack_value
        {
            self.0 = Encoding::Listpack(intset.iter().map(Item::Int).collect());
        } else {
            self.make_table(limits);
        }
    }

    fn make_table(&mut self, limits: Limits) {
        let mut table = Dict::new(limits.hash_seed);
        self.visit(|member| {
            member.with_bytes(|member| table.insert(member, ()));
            true
        });
        self.0 = Encoding::Table(Box::new(table));
    }
}

impl From<Intset> for Set {
    fn from(intset: Intset) -> Self {
        Self(Encoding::Intset(intset))
    }
}

impl Default for Set {
    fn default() -> Self {
        Self(Encoding::Intset(Intset::new()))
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut set = f.debug_set();
        self.visit(|member| {
            set.entry(&member);
            true
        });
        set.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn encodings() {
        let limits = Limits {
            set_max_intset_entries: 3,
            set_max_listpack_entries: 4,
            set_max_listpack_value: 5,
            ..Limits::default()
        };
        let of = |words: &[&str]| {
            let mut set = Set::default();
            words.iter().for_each(|word| assert!(set.add(word.as_bytes(), limits)));
            set.encoding()
        };
        assert_eq!(of(&["1", "2", "-3"]), "intset");
        assert_eq!(of(&["1", "2", "3", "4"]), "hashtable");
        assert_eq!(of(&["1", "2", "3", "a"]), "listpack");
        assert_eq!(of(&["a", "1", "2", "3"]), "listpack");
        assert_eq!(of(&["a", "1", "2", "3", "4"]), "hashtable");
        assert_eq!(of(&["abcdef"]), "hashtable");
        assert_eq!(of(&["123456", "a"]), "hashtable");
        assert_eq!(of(&["01"]), "listpack");
    }

    #[test]
    fn from_a_listpack() {
        let limits =
            Limits { set_max_intset_entries: 2, set_max_listpack_entries: 2, ..Limits::default() };
        let of = |words: &[&str]| {
            let items = words.iter().map(|word| Item::of(word.as_bytes()));
            Set::from_listpack(items.collect(), limits).map(|set| (set.encoding(), set.len()))
        };
        assert_eq!(of(&["a", "1"]), Some(("listpack", 2)));
        assert_eq!(of(&["a", "1", "b"]), Some(("hashtable", 3)));
        assert_eq!(of(&["a", "a"]), None);
        assert_eq!(of(&["a", "b", "a"]), None);
    }

    #[test]
    fn encodings_before_members_are_added() {
        let limits =
            Limits { set_max_intset_entries: 3, set_max_listpack_entries: 2, ..Limits::default() };
        let expecting = |words: &[&str], first: &str, count: usize| {
            let mut set = Set::default();
            words.iter().for_each(|word| assert!(set.add(word.as_bytes(), limits)));
            set.prepare(first.as_bytes(), count, limits);
            assert_eq!(set.len(), words.len());
            set.encoding()
        };
        assert_eq!(expecting(&[], "1", 3), "intset");
        assert_eq!(expecting(&[], "1", 4), "hashtable");
        assert_eq!(expecting(&[], "a", 2), "listpack");
        assert_eq!(expecting(&[], "a", 3), "hashtable");
        assert_eq!(expecting(&["1"], "a", 3), "intset");
        assert_eq!(expecting(&["1"], "a", 4), "hashtable");
        assert_eq!(expecting(&["a"], "1", 2), "listpack");
        assert_eq!(expecting(&["a"], "1", 3), "hashtable");
        let without_intset = Limits { set_max_intset_entries: 0, ..limits };
        let mut set = Set::default();
        set.prepare(b"1", 1, without_intset);
        assert!(set.add(b"1", without_intset));
        assert_eq!(set.encoding(), "listpack");
    }

    #[test]
    fn every_member_comes_as_often() {
        let words: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        for (entries, encoding) in
            [((10, 0), "intset"), ((0, 10), "listpack"), ((0, 0), "hashtable")]
        {
            let limits = Limits {
                set_max_intset_entries: entries.0,
                set_max_listpack_entries: entries.1,
                ..Limits::default()
            };
            let mut set = Set::default();
            set.prepare(b"0", 10, limits);
            words.iter().for_each(|word| assert!(set.add(word.as_bytes(), limits)));
            assert_eq!(set.encoding(), encoding);
            let mut rng = crate::engine::rng::Rng::new(5);
            let mut times = [0; 10];
            for _ in 0..10_000 {
                let member = set.random(&mut rng).map(Item::to_vec).unwrap();
                times[usize::from(member[0] - b'0')] += 1;
            }
            assert!(times.iter().all(|times| (850..1150).contains(times)), "{encoding} {times:?}");
        }
    }

    #[test]
    fn smaller_encodings() {
        let limits = Limits { set_max_listpack_entries: 2, ..Limits::default() };
        let table = |words: &[&str]| {
            let mut set = Set::default();
            set.prepare(b"a", 9, limits);
            words.iter().for_each(|word| assert!(set.add(word.as_bytes(), limits)));
            assert_eq!(set.encoding(), "hashtable");
            set
        };
        for (words, intset, shrunk) in [
            (&["1", "-5"][..], "intset", "listpack"),
            (&["1", "a"], "hashtable", "listpack"),
            (&["1", "01", "3"], "hashtable", "hashtable"),
        ] {
            let (mut one, mut other) = (table(words), table(words));
            one.make_intset(limits);
            other.shrink(limits);
            assert_eq!((one.encoding(), other.encoding()), (intset, shrunk), "{words:?}");
            for set in [one, other] {
                assert_eq!(set.len(), words.len());
                assert!(words.iter().all(|word| set.contains(word.as_bytes())));
            }
        }
        let mut set = table(&["1", "2"]);
        set.make_intset(Limits { set_max_intset_entries: 1, ..limits });
        assert_eq!(set.encoding(), "hashtable");
    }

    proptest! {
        #[test]
        fn like_a_set(
            steps in prop::collection::vec((any::<bool>(), "[a-d]|-?[0-9]{1,3}"), 1..60),
            most in prop::sample::select(vec![3usize, 100]),
        ) {
            let limits = Limits { set_max_intset_entries: most, set_max_listpack_entries: most, ..Limits::default() };
            let (mut model, mut set) = (BTreeSet::new(), Set::default());
            for (add, word) in steps {
                let word = word.into_bytes();
                if add {
                    prop_assert_eq!(set.add(&word, limits), model.insert(word.clone()));
                } else {
                    prop_assert_eq!(set.remove(&word), model.remove(&word));
                }
                prop_assert_eq!(set.contains(&word), add);
                prop_assert_eq!(set.len(), model.len());
                let seen: BTreeSet<_> = (0..=set.len()).filter_map(|n| set.nth(n)).map(Item::to_vec).collect();
                prop_assert_eq!(&seen, &model);
                let mut visited = BTreeSet::new();
                prop_assert!(set.visit(|member| visited.insert(member.to_vec())));
                prop_assert_eq!(&visited, &model);
            }
        }
    }
}
