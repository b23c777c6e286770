//! A node of a stream: up to a hundred entries or so in one listpack, as Redis lays them out.
//!
//! It begins with how many entries there are, how many are marked as deleted, the names of the fields
//! of the first one with their number before them, and a 0. An entry is flags, the distance of its
//! id from the node's in milliseconds and number, fields and values (or, with a flag, only values
//! for the names at the beginning), and how many of these items there are.

use super::id::StreamId;
use crate::engine::types::listpack::{Item, Iter, Listpack, Position};
use smallvec::SmallVec;

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// Entries with ids from `id` on.
#[derive(Clone, Debug)]
pub struct Node {
    id: StreamId,
    entries: Listpack,
}

/// An entry that is not deleted.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Fields and values, as they were given.
    pub fields: Fields<'a>,
}

/// Few enough to need no memory of their own, mostly.
type Fields<'a> = SmallVec<[(Item<'a>, Item<'a>); 2]>;

/// The names at the beginning.
#[derive(Clone)]
struct Names<'a> {
    len: usize,
    /// They, and what comes after them.
    items: Iter<'a>,
}

/// Where an entry is.
struct Place {
    id: StreamId,
    flags: i64,
    /// Where its flags are.
    at: Position,
    /// Where what comes after its id is.
    body: Option<Position>,
    /// How many items there are from there on, but the last.
    items: usize,
}

impl Place {
    fn is_live(&self) -> bool {
        self.flags & DELETED == 0
    }
}

impl Node {
    /// How many bytes it takes on the heap.
    pub(super) fn heap_len(&self) -> usize {
        self.entries.heap_len()
    }

    /// A node with one entry.
    pub(super) fn new(id: StreamId, fields: &[[&[u8]; 2]]) -> Self {
        let mut entries = Listpack::new();
        entries.push_back(Item::Int(1));
        entries.push_back(Item::Int(0));
        entries.push_back(Item::Int(fields.len() as i64));
        fields.iter().for_each(|[name, _]| entries.push_back(Item::of(name)));
        entries.push_back(Item::Int(0));
        let mut node = Self { id, entries };
        node.push(id, fields, true);
        node
    }

    /// Takes a listpack from an RDB; `None` unless all of it is entries in order.
    pub fn from_parts(id: StreamId, entries: Listpack) -> Option<Self> {
        let node = Self { id, entries };
        node.check().then_some(node)
    }

    /// The id that those of the entries are relative to.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The bytes of the listpack.
    pub fn listpack(&self) -> &Listpack {
        &self.entries
    }

    /// Whether every entry is deleted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries there are that are not deleted.
    pub fn len(&self) -> usize {
        self.number(0)
    }

    /// Whether an entry with fields and values of `bytes` bytes may be added.
    pub(super) fn has_room(&self, bytes: usize, max_bytes: usize, max_entries: usize) -> bool {
        let fits = max_bytes == 0 || self.entries.byte_len().saturating_add(bytes) < max_bytes;
        fits && (max_entries == 0 || self.number(0) + self.number(1) < max_entries)
    }

    /// Adds an entry after all others.
    pub(super) fn append(&mut self, id: StreamId, fields: &[[&[u8]; 2]]) {
        let names = self.names();
        let same = names.len == fields.len()
            && names.items.zip(fields).all(|(name, [field, _])| name.is(field));
        self.add_to_number(0, 1);
        self.push(id, fields, same);
    }

    fn push(&mut self, id: StreamId, fields: &[[&[u8]; 2]], same: bool) {
        let distance = |a: u64, b: u64| Item::Int(a.wrapping_sub(b) as i64);
        self.entries.push_back(Item::Int(if same { SAME_FIELDS } else { 0 }));
        self.entries.push_back(distance(id.ms, self.id.ms));
        self.entries.push_back(distance(id.seq, self.id.seq));
        if !same {
            self.entries.push_back(Item::Int(fields.len() as i64));
        }
        for [field, value] in fields {
            if !same {
                self.entries.push_back(Item::of(field));
            }
            self.entries.push_back(Item::of(value));
        }
        let items = if same { fields.len() + 3 } else { 2 * fields.len() + 4 };
        self.entries.push_back(Item::Int(items as i64));
    }

    /// Calls `f` with the entries from `start` to `end` that are not deleted, upwards or downwards,
    /// up to where it answers false; whether it never did.
    pub(super) fn visit<'a>(
        &'a self,
        start: StreamId,
        end: StreamId,
        reverse: bool,
        f: &mut dyn FnMut(Entry<'a>) -> bool,
    ) -> bool {
        let names = self.names();
        let mut next = if reverse { self.last_place() } else { self.first_place() };
        while let Some(place) = next {
            let beyond = if reverse { place.id < start } else { place.id > end };
            if beyond {
                return true;
            }
            let mut after = None;
            if place.is_live()
                && (start..=end).contains(&place.id)
                && let Some((fields, items)) = self.fields(&place, &names)
            {
                if !f(Entry { id: place.id, fields }) {
                    return false;
                }
                after = Some(items);
            }
            next = match after {
                _ if reverse => self.place_before(&place),
                Some(mut items) => {
                    // How many items there are.
                    items.next();
                    items.position().and_then(|at| self.place_at(at, names.len))
                }
                None => self.place_after(&place),
            };
        }
        true
    }

    /// The id of the last entry, deleted or not.
    pub(super) fn last_id(&self) -> Option<StreamId> {
        self.last_place().map(|place| place.id)
    }

    /// The id of the first entry that is not deleted.
    pub(super) fn first_live(&self) -> Option<StreamId> {
        let places = std::iter::successors(self.first_place(), |place| self.place_after(place));
        places.filter(Place::is_live).map(|place| place.id).next()
    }

    /// The id of the last entry that is not deleted.
    pub(super) fn last_live(&self) -> Option<StreamId> {
        let places = std::iter::successors(self.last_place(), |place| self.place_before(place));
        places.filter(Place::is_live).map(|place| place.id).next()
    }

    /// Whether there is an entry with this id that is not deleted.
    pub(super) fn contains(&self, id: StreamId) -> bool {
        self.find(id).is_some()
    }

    fn find(&self, id: StreamId) -> Option<Place> {
        let mut places = std::iter::successors(self.first_place(), |place| self.place_after(place));
        places.find(|place| place.id >= id).filter(|place| place.id == id && place.is_live())
    }

    /// Marks an entry as deleted; whether it was there.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some(place) = self.find(id) else { return false };
        self.mark_deleted(&place);
        true
    }

    /// Marks entries from the first on as deleted, up to where `f` answers false; answers how many.
    pub(super) fn delete_while(&mut self, mut f: impl FnMut(StreamId) -> bool) -> usize {
        let mut deleted = 0;
        let mut next = self.first_place();
        while let Some(place) = next {
            if place.is_live() {
                if !f(place.id) {
                    break;
                }
                self.mark_deleted(&place);
                deleted += 1;
            }
            next = self.place_after(&place);
        }
        deleted
    }

    fn mark_deleted(&mut self, place: &Place) {
        self.entries.replace(place.at, Item::Int(place.flags | DELETED));
        self.add_to_number(0, -1);
        self.add_to_number(1, 1);
    }

    fn number(&self, index: i64) -> usize {
        match self.entries.at(index) {
            Some(Item::Int(value)) => usize::try_from(value).unwrap_or(0),
            _ => 0,
        }
    }

    fn add_to_number(&mut self, index: i64, by: i64) {
        if let Some(at) = self.entries.seek(index)
            && let Item::Int(value) = self.entries.get(at)
        {
            self.entries.replace(at, Item::Int(value.saturating_add(by)));
        }
    }

    fn names(&self) -> Names<'_> {
        let mut items = self.entries.iter();
        let len = match items.nth(2) {
            Some(Item::Int(len)) => usize::try_from(len).unwrap_or(0),
            _ => 0,
        };
        Names { len, items }
    }

    fn first_place(&self) -> Option<Place> {
        let Names { len, mut items } = self.names();
        // A 0 comes after the names.
        items.nth(len)?;
        self.place_at(items.position()?, len)
    }

    fn last_place(&self) -> Option<Place> {
        self.place_ending_at(self.entries.last()?)
    }

    fn place_after(&self, place: &Place) -> Option<Place> {
        let mut last = place.body?;
        for _ in 0..place.items {
            last = self.entries.next(last)?;
        }
        self.place_at(self.entries.next(last)?, self.names().len)
    }

    fn place_before(&self, place: &Place) -> Option<Place> {
        self.place_ending_at(self.entries.previous(place.at)?)
    }

    /// The entry of which `last` is the number of items. There is none before the first: what ends
    /// the names is a 0.
    fn place_ending_at(&self, last: Position) -> Option<Place> {
        let count = self.integer(last).filter(|count| *count > 0)?;
        let mut at = last;
        for _ in 0..count {
            at = self.entries.previous(at)?;
        }
        self.place_at(at, self.names().len)
    }

    /// The entry whose flags are at `at`; there are so many names at the beginning.
    fn place_at(&self, at: Position, names: usize) -> Option<Place> {
        let mut entries = self.entries.iter_from(at);
        let mut integer = || match entries.next()? {
            Item::Int(value) => Some(value),
            Item::Bytes(_) => None,
        };
        let (flags, ms, seq) = (integer()?, integer()?, integer()?);
        let id = StreamId {
            ms: self.id.ms.wrapping_add(ms as u64),
            seq: self.id.seq.wrapping_add(seq as u64),
        };
        let body = entries.position();
        let items = if flags & SAME_FIELDS != 0 {
            names
        } else {
            usize::try_from(self.integer(body?)?).ok()?.checked_mul(2)?.checked_add(1)?
        };
        Some(Place { id, flags, at, body, items })
    }

    fn integer(&self, position: Position) -> Option<i64> {
        match self.entries.get(position) {
            Item::Int(value) => Some(value),
            Item::Bytes(_) => None,
        }
    }

    /// The fields and values of an entry, and the items after them.
    fn fields<'a>(&'a self, place: &Place, names: &Names<'a>) -> Option<(Fields<'a>, Iter<'a>)> {
        let mut items = self.entries.iter_from(place.body?);
        let mut fields = Fields::new();
        if place.flags & SAME_FIELDS != 0 {
            for name in names.items.clone().take(names.len) {
                fields.push((name, items.next()?));
            }
        } else {
            let Item::Int(count) = items.next()? else { return None };
            for _ in 0..count {
                fields.push((items.next()?, items.next()?));
            }
        }
        Some((fields, items))
    }

    /// Whether all of it is entries whose ids rise, and the numbers say what there is.
    fn check(&self) -> bool {
        let names = self.number(2);
        let (mut live, mut deleted) = (0, 0);
        let mut next = self.entries.seek(names.saturating_add(4) as i64);
        let ends_names = self.entries.at(names.saturating_add(3) as i64);
        if !matches!(ends_names, Some(Item::Int(0))) {
            return false;
        }
        let names = self.names();
        let mut last: Option<StreamId> = None;
        while let Some(at) = next {
            let Some((place, end)) = self.checked_place(at, &names) else { return false };
            if place.id < self.id || last.is_some_and(|last| last >= place.id) {
                return false;
            }
            last = Some(place.id);
            *(if place.is_live() { &mut live } else { &mut deleted }) += 1;
            next = self.entries.next(end);
        }
        self.number(0) == live && self.number(1) == deleted
    }

    /// The entry at `at`, and where its number of items is, if that number is right.
    fn checked_place(&self, at: Position, names: &Names<'_>) -> Option<(Place, Position)> {
        let place = self.place_at(at, names.len)?;
        self.fields(&place, names)?;
        let mut end = place.body?;
        for _ in 0..place.items {
            end = self.entries.next(end)?;
        }
        let items = self.integer(end)?;
        (usize::try_from(items).ok()? == place.items.checked_add(3)?).then_some((place, end))
    }
}
