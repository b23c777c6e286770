//! Hashes: the encodings `listpack`, `listpackex` and `hashtable`.

use super::listpack::{Item, Listpack, Position};
use crate::collections::{Sorted, SortedKeys};
use crate::engine::config::Limits;
use crate::engine::dict::{Dict, extrapolate};
use crate::engine::key::Key;
use crate::engine::rng::Rng;

/// Fields with values; fields may have an expiry time, for which hashes without any pay nothing.
/// A field is found in O(1), in a listpack in O(fields).
#[derive(Clone)]
pub struct Hash(Repr);

#[derive(Clone)]
enum Repr {
    Plain(Fields),
    /// Some field has, or had, an expiry time.
    Expiring(Box<(Fields, Expiries)>),
}

#[derive(Clone)]
enum Fields {
    /// Field, value, field, value, …
    Listpack(Listpack),
    Table(Box<Dict<Key>>),
}

/// The expiry times of fields: Unix milliseconds.
#[derive(Clone)]
struct Expiries {
    by_field: Dict<i64>,
    /// The soonest first.
    queue: SortedKeys<(i64, Box<[u8]>)>,
    /// The soonest that the keyspace has been told.
    noted: Option<i64>,
    /// Fields that were put aside, with their values, the soonest first: all are sooner than others.
    hidden: Vec<Hidden>,
}

/// A field that was put aside: when it ceased to exist, its name and value.
type Hidden = (i64, Box<[u8]>, Box<[u8]>);

impl Expiries {
    /// When the first field ceases to exist.
    fn first_at(&self) -> Option<i64> {
        self.hidden.first().map(|(at, ..)| *at).or_else(|| self.first_shown_at())
    }

    /// When the first field ceases to exist that is not put aside.
    fn first_shown_at(&self) -> Option<i64> {
        self.queue.first().map(|((at, _), ())| *at)
    }
}

impl Hash {
    /// An empty one in the encoding that so many fields will have, if they are short.
    pub fn for_len(len: usize, limits: Limits) -> Self {
        let mut hash = Self::default();
        if len > limits.hash_max_listpack_entries {
            hash.make_table(limits);
        }
        hash
    }

    /// Takes a listpack of fields and values, as an RDB stores it. As in Redis it may have longer ones
    /// than it would get here. `None` if a field is there twice.
    pub fn from_listpack(listpack: Listpack, limits: Limits) -> Option<Self> {
        let len = listpack.len();
        if len % 2 == 1 {
            return None;
        }
        if len / 2 <= limits.hash_max_listpack_entries && listpack.is_keyed(2) {
            return Some(Self(Repr::Plain(Fields::Listpack(listpack))));
        }
        let mut hash = Self::for_len(len / 2, limits);
        let mut items = listpack.iter();
        while let (Some(field), Some(value)) = (items.next(), items.next()) {
            field
                .with_bytes(|field| value.with_bytes(|value| hash.set(field, value, limits)))
                .then_some(())?;
        }
        Some(hash)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        match self.fields() {
            Fields::Listpack(listpack) => listpack.len() / 2,
            Fields::Table(table) => table.len(),
        }
    }

    /// See [`super::Value::parts`].
    pub(super) fn parts(&self) -> usize {
        match self.fields() {
            Fields::Listpack(_) => 1,
            Fields::Table(table) => table.len(),
        }
    }

    /// See [`super::Value::heap_bytes`].
    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        let fields = match self.fields() {
            Fields::Listpack(listpack) => listpack.heap_len(),
            Fields::Table(table) => {
                size_of::<Dict<Key>>() + table.memory_bytes(samples, Key::heap_len)
            }
        };
        let Repr::Expiring(expiring) = &self.0 else { return fields };
        let Expiries { by_field, queue, hidden, .. } = &expiring.1;
        let aside = hidden.iter().map(|(_, field, value)| field.len() + value.len());
        let names = queue.keys().map(|(_, name)| name.len());
        fields
            + size_of::<(Fields, Expiries)>()
            + by_field.memory_bytes(samples, |_| 0)
            + queue.memory_bytes()
            + extrapolate(names, queue.len(), samples)
            + size_of_val(&hidden[..])
            + extrapolate(aside, hidden.len(), samples)
    }

    /// See [`super::Value::free_parts`].
    pub(super) fn free_parts(&mut self, most: usize) -> usize {
        if let Fields::Table(table) = self.fields_mut() {
            let freed = table.dismantle(most, drop);
            if freed > 0 {
                return freed;
            }
        }
        let Repr::Expiring(expiring) = &mut self.0 else { return 0 };
        let Expiries { by_field, queue, hidden, .. } = &mut expiring.1;
        if !hidden.is_empty() {
            let freed = hidden.len().min(most);
            hidden.truncate(hidden.len() - freed);
            return freed;
        }
        match by_field.dismantle(most, drop) {
            0 => queue.dismantle(most),
            freed => freed,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name that `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match (&self.0, self.fields()) {
            (_, Fields::Table(_)) => "hashtable",
            (Repr::Plain(_), _) => "listpack",
            (Repr::Expiring(_), _) => "listpackex",
        }
    }

    /// The listpack of fields and values, while the hash is one.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match self.fields() {
            Fields::Listpack(listpack) => Some(listpack),
            Fields::Table(_) => None,
        }
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Item<'_>> {
        match self.fields() {
            Fields::Listpack(listpack) => {
                Some(listpack.get(listpack.next(find(listpack, field)?)?))
            }
            Fields::Table(table) => table.get(field).map(|value| Item::Bytes(value)),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        match self.fields() {
            Fields::Listpack(listpack) => find(listpack, field).is_some(),
            Fields::Table(table) => table.contains(field),
        }
    }

    /// Sets the value of a field, its expiry time apart; whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: Limits) -> bool {
        let longest = field.len().max(value.len());
        if longest > limits.hash_max_listpack_value {
            self.make_table(limits);
        }
        let created = match self.fields_mut() {
            Fields::Listpack(listpack) => set_in_listpack(listpack, field, value),
            Fields::Table(table) => table.insert(field, value.into()).is_none(),
        };
        if self.len() > limits.hash_max_listpack_entries {
            self.make_table(limits);
        }
        created
    }

    /// Removes a field; whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        self.set_expiry(field, None);
        match self.fields_mut() {
            Fields::Listpack(listpack) => match find(listpack, field) {
                Some(position) => {
                    listpack.remove_some(position, 2);
                    true
                }
                None => false,
            },
            Fields::Table(table) => table.remove(field).is_some(),
        }
    }

    /// Calls `f` with every field and value.
    pub fn visit<'a>(&'a self, mut f: impl FnMut(Item<'a>, Item<'a>)) {
        match self.fields() {
            Fields::Listpack(listpack) => {
                let mut items = listpack.iter();
                while let (Some(field), Some(value)) = (items.next(), items.next()) {
                    f(field, value);
                }
            }
            Fields::Table(table) => {
                table.iter().for_each(|(field, value)| f(Item::Bytes(field), Item::Bytes(value)));
            }
        }
    }

    /// Calls `f` with fields and values, from number `start` on in the order that they have until the
    /// hash changes, up to where it answers false; whether it never did.
    pub fn visit_from<'a>(
        &'a self,
        start: usize,
        mut f: impl FnMut(Item<'a>, Item<'a>) -> bool,
    ) -> bool {
        match self.fields() {
            Fields::Listpack(listpack) => {
                let first = i64::try_from(start.saturating_mul(2)).ok();
                let Some(first) = first.and_then(|first| listpack.seek(first)) else { return true };
                let mut items = listpack.iter_from(first);
                while let (Some(field), Some(value)) = (items.next(), items.next()) {
                    if !f(field, value) {
                        return false;
                    }
                }
                true
            }
            Fields::Table(table) => table
                .iter_from(start)
                .all(|(field, value)| f(Item::Bytes(field), Item::Bytes(value))),
        }
    }

    /// Field and value number `index`, in no particular order. O(1), in a listpack O(fields).
    pub fn nth(&self, index: usize) -> Option<(Item<'_>, Item<'_>)> {
        match self.fields() {
            Fields::Listpack(listpack) => {
                let field = listpack.seek(i64::try_from(index).ok()?.checked_mul(2)?)?;
                Some((listpack.get(field), listpack.get(listpack.next(field)?)))
            }
            Fields::Table(table) => {
                table.nth(index).map(|(field, value)| (Item::Bytes(field), Item::Bytes(value)))
            }
        }
    }

    /// A field, each with the same probability.
    pub fn random(&self, rng: &mut Rng) -> Option<(Item<'_>, Item<'_>)> {
        self.nth(rng.below(self.len()))
    }

    /// Visits the fields under `cursor` and answers the next cursor; see [`Dict::scan`]. A listpack
    /// is visited whole.
    pub fn scan<'a>(&'a self, cursor: u64, mut f: impl FnMut(Item<'a>, Item<'a>)) -> u64 {
        match self.fields() {
            Fields::Listpack(_) => {
                self.visit(f);
                0
            }
            Fields::Table(table) => {
                table.scan(cursor, |field, value| f(Item::Bytes(field), Item::Bytes(value)))
            }
        }
    }

    /// When a field ceases to exist: Unix milliseconds.
    pub fn expiry(&self, field: &[u8]) -> Option<i64> {
        match &self.0 {
            Repr::Plain(_) => None,
            Repr::Expiring(expiring) => expiring.1.by_field.get(field).copied(),
        }
    }

    /// Sets or takes away the expiry time of a field that is there.
    pub fn set_expiry(&mut self, field: &[u8], at: Option<i64>) {
        if let (Repr::Plain(_), None) = (&self.0, at) {
            return;
        }
        let Expiries { by_field, queue, .. } = self.expiries_mut();
        let old = match at {
            Some(at) => by_field.insert(field, at),
            None => by_field.remove(field),
        };
        if let Some(old) = old {
            queue.remove(&(old, field.into()));
        }
        if let Some(at) = at {
            queue.insert((at, field.into()), ());
        }
    }

    /// When the first field ceases to exist.
    pub fn next_expiry(&self) -> Option<i64> {
        match &self.0 {
            Repr::Plain(_) => None,
            Repr::Expiring(expiring) => expiring.1.first_at(),
        }
    }

    /// The first expiry time as the keyspace knows it: at the last [`Hash::note_expiry`].
    pub fn noted_expiry(&self) -> Option<i64> {
        match &self.0 {
            Repr::Plain(_) => None,
            Repr::Expiring(expiring) => expiring.1.noted,
        }
    }

    /// Takes note of the first expiry time, and answers it.
    pub fn note_expiry(&mut self) -> Option<i64> {
        let Repr::Expiring(expiring) = &mut self.0 else { return None };
        expiring.1.noted = expiring.1.first_at();
        expiring.1.noted
    }

    /// Removes the first field whose time has come by `now_ms`; answers its name.
    pub fn pop_expired(&mut self, now_ms: i64) -> Option<Vec<u8>> {
        let Repr::Expiring(expiring) = &mut self.0 else { return None };
        let ((at, field), ()) = expiring.1.queue.first()?;
        if *at > now_ms {
            return None;
        }
        let field = field.to_vec();
        self.remove(&field);
        Some(field)
    }

    /// Whether there are fields that were put aside.
    pub fn hides(&self) -> bool {
        matches!(&self.0, Repr::Expiring(expiring) if !expiring.1.hidden.is_empty())
    }

    /// The fields that were put aside: when they ceased to exist, their names and values.
    pub fn hidden(&self) -> impl Iterator<Item = (i64, &[u8], &[u8])> {
        let hidden = match &self.0 {
            Repr::Plain(_) => &[][..],
            Repr::Expiring(expiring) => &expiring.1.hidden,
        };
        hidden.iter().map(|(at, field, value)| (*at, &**field, &**value))
    }

    fn hidden_until(&self) -> Option<i64> {
        let Repr::Expiring(expiring) = &self.0 else { return None };
        expiring.1.hidden.last().map(|(at, ..)| *at)
    }

    /// Whether [`Hash::hide_past`] would change anything.
    pub fn would_hide(&self, now_ms: i64) -> bool {
        let Repr::Expiring(expiring) = &self.0 else { return false };
        expiring.1.first_shown_at().is_some_and(|at| at <= now_ms)
            || self.hidden_until().is_some_and(|at| at > now_ms)
    }

    /// Puts the fields aside whose time has come by `now_ms`, and no others: as if they were gone, but
    /// for [`Hash::next_expiry`].
    pub fn hide_past(&mut self, now_ms: i64, limits: Limits) {
        // The clock was put back.
        if self.hidden_until().is_some_and(|at| at > now_ms) {
            self.show_all(limits);
        }
        let Repr::Expiring(expiring) = &self.0 else { return };
        let past = expiring.1.queue.keys().take_while(|(at, _)| *at <= now_ms);
        let past: Vec<(i64, Box<[u8]>)> = past.cloned().collect();
        for (at, field) in past {
            let value = self.get(&field).map(Item::to_vec).unwrap_or_default();
            self.remove(&field);
            self.expiries_mut().hidden.push((at, field, value.into()));
        }
    }

    /// Puts back what was put aside.
    pub fn show_all(&mut self, limits: Limits) {
        let Repr::Expiring(expiring) = &mut self.0 else { return };
        for (at, field, value) in std::mem::take(&mut expiring.1.hidden) {
            self.set(&field, &value, limits);
            self.set_expiry(&field, Some(at));
        }
    }

    fn fields(&self) -> &Fields {
        match &self.0 {
            Repr::Plain(fields) => fields,
            Repr::Expiring(expiring) => &expiring.0,
        }
    }

    fn fields_mut(&mut self) -> &mut Fields {
        match &mut self.0 {
            Repr::Plain(fields) => fields,
            Repr::Expiring(expiring) => &mut expiring.0,
        }
    }

    fn expiries_mut(&mut self) -> &mut Expiries {
        if let Repr::Plain(fields) = &mut self.0 {
            let seed = match fields {
                Fields::Listpack(_) => 0,
                Fields::Table(table) => table.seed(),
            };
            let fields = std::mem::replace(fields, Fields::Listpack(Listpack::new()));
            let expiries = Expiries {
                by_field: Dict::new(seed),
                queue: Sorted::new(),
                noted: None,
                hidden: Vec::new(),
            };
            self.0 = Repr::Expiring(Box::new((fields, expiries)));
        }
        match &mut self.0 {
            Repr::Expiring(expiring) => &mut expiring.1,
            Repr::Plain(_) => unreachable!("made expiring above"),
        }
    }

    fn make_table(&mut self, limits: Limits) {
        let Fields::Listpack(listpack) = self.fields() else { return };
        let mut table = Dict::new(limits.hash_seed);
        let mut items = listpack.iter();
        while let (Some(field), Some(value)) = (items.next(), items.next()) {
            field.with_bytes(|field| value.with_bytes(|value| table.insert(field, value.into())));
        }
        *self.fields_mut() = Fields::Table(Box::new(table));
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self(Repr::Plain(Fields::Listpack(Listpack::new())))
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        self.visit(|field, value| {
            map.entry(&field, &value);
        });
        map.finish()
    }
}

fn find(listpack: &Listpack, field: &[u8]) -> Option<Position> {
    listpack.find(listpack.first(), field, 1)
}

fn set_in_listpack(listpack: &mut Listpack, field: &[u8], value: &[u8]) -> bool {
    match find(listpack, field).and_then(|field| listpack.next(field)) {
        Some(position) => {
            listpack.replace(position, Item::of(value));
            false
        }
        None => {
            listpack.push_back(Item::of(field));
            listpack.push_back(Item::of(value));
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn encodings() {
        let limits = Limits { hash_max_listpack_entries: 3, ..Limits::default() };
        let mut hash = Hash::default();
        for field in ["a", "b", "c"] {
            assert!(hash.set(field.as_bytes(), b"1", limits));
            assert_eq!(hash.encoding(), "listpack");
        }
        let mut expiring = hash.clone();
        expiring.set_expiry(b"a", Some(5));
        assert_eq!(expiring.encoding(), "listpackex");
        assert!(hash.set(b"d", b"1", limits) && expiring.set(b"d", b"1", limits));
        assert_eq!((hash.encoding(), expiring.encoding()), ("hashtable", "hashtable"));
        assert_eq!(expiring.next_expiry(), Some(5));
        let mut long = Hash::default();
        long.set(b"a", &[b'x'; 65], limits);
        assert_eq!(long.encoding(), "hashtable");
        assert!(size_of::<Hash>() <= 24);
    }

    #[test]
    fn from_a_listpack() {
        let limits = Limits { hash_max_listpack_entries: 2, ..Limits::default() };
        let of = |words: &[&str]| {
            let items = words.iter().map(|word| Item::of(word.as_bytes()));
            let hash = Hash::from_listpack(items.collect(), limits)?;
            Some((hash.encoding(), hash.len(), hash.get(b"a").map(Item::to_vec)))
        };
        assert_eq!(of(&["b", "1", "a", "2"]), Some(("listpack", 2, Some(b"2".to_vec()))));
        let three = of(&["a", "2", "b", "1", "c", "3"]);
        assert_eq!(three, Some(("hashtable", 3, Some(b"2".to_vec()))));
        assert_eq!(of(&["a", "1", "a", "2"]), None);
        assert_eq!(of(&["a", "1", "b", "2", "a", "1"]), None);
        assert_eq!(of(&["a"]), None);
    }

    proptest! {
        #[test]
        fn like_a_map(
            steps in prop::collection::vec((0u8..6, "[a-f]|[0-9]{1,2}", "[a-c]{0,3}|[0-9]{1,3}", 0i64..20), 1..80),
            most in prop::sample::select(vec![4usize, 100]),
        ) {
            let limits = Limits { hash_max_listpack_entries: most, ..Limits::default() };
            let mut model: BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)> = BTreeMap::new();
            let mut hash = Hash::default();
            for (kind, field, value, at) in &steps {
                let (field, value) = (field.as_bytes().to_vec(), value.as_bytes().to_vec());
                match kind {
                    0..=2 => {
                        let created = hash.set(&field, &value, limits);
                        prop_assert_eq!(created, !model.contains_key(&field));
                        model.entry(field).or_insert((Vec::new(), None)).0 = value;
                    }
                    3 => prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some()),
                    4 => if let Some(entry) = model.get_mut(&field) {
                        entry.1 = (at % 4 != 0).then_some(*at);
                        hash.set_expiry(&field, entry.1);
                    },
                    _ => while let Some(gone) = hash.pop_expired(*at) {
                        let (_, due) = model.remove(&gone).unwrap();
                        prop_assert!(due.unwrap() <= *at);
                    },
                }
                prop_assert_eq!(hash.len(), model.len());
                prop_assert_eq!(hash.next_expiry(), model.values().filter_map(|(_, at)| *at).min());
                let mut seen = BTreeMap::new();
                hash.visit(|field, value| { seen.insert(field.to_vec(), value.to_vec()); });
                let expected: BTreeMap<_, _> = model.iter().map(|(f, (v, _))| (f.clone(), v.clone())).collect();
                prop_assert_eq!(&seen, &expected);
                for (field, (value, at)) in &model {
                    prop_assert_eq!(hash.get(field).map(Item::to_vec), Some(value.clone()));
                    prop_assert_eq!(hash.expiry(field), *at);
                }
                let mut nth: Vec<_> = (0..=hash.len()).filter_map(|n| hash.nth(n)).map(|(f, _)| f.to_vec()).collect();
                nth.sort();
                prop_assert_eq!(nth, model.keys().cloned().collect::<Vec<_>>());
            }
        }
    }
}
