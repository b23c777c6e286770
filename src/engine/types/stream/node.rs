//! A node of a stream: up to a hundred entries or so in one listpack, as Redis lays them out.
//!
//! It begins with how many entries there are, how many are marked as deleted, the names of the fields
//! of the first one with their number before them, and a 0. An entry is flags, the distance of its
//! id from the node's in milliseconds and number, fields and values (or, with a flag, only values
//! for the names at the beginning), and how many of these items there are.

use super::id::StreamId;
use crate::engine::types::listpack::{Item, Listpack, Position};

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
    pub fields: Vec<(Item<'a>, Item<'a>)>,
}

/// Where an entry is.
struct Place {
    id: StreamId,
    flags: i64,
    /// Where its flags are.
    at: Position,
    /// Where what comes after its id is.
    body: Option<Position>,
}

impl Node {
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
        let same = self.names().is_some_and(|names| {
            names.len() == fields.len()
                && names.iter().zip(fields).all(|(name, [field, _])| name.is(field))
        });
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

    /// The entries that are not deleted, in order.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = Vec::with_capacity(self.len());
        self.walk(|place| {
            if place.flags & DELETED == 0
                && let Some(fields) = self.fields(place)
            {
                entries.push(Entry { id: place.id, fields });
            }
            true
        });
        entries
    }

    /// The ids of the entries that are not deleted, in order.
    pub(super) fn ids(&self) -> Vec<StreamId> {
        let mut ids = Vec::with_capacity(self.len());
        self.walk(|place| {
            if place.flags & DELETED == 0 {
                ids.push(place.id);
            }
            true
        });
        ids
    }

    /// Marks an entry as deleted; whether it was there.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let mut found = None;
        self.walk(|place| {
            if place.id == id && place.flags & DELETED == 0 {
                found = Some((place.at, place.flags));
            }
            place.id < id
        });
        let Some((at, flags)) = found else { return false };
        self.entries.replace(at, Item::Int(flags | DELETED));
        self.add_to_number(0, -1);
        self.add_to_number(1, 1);
        true
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

    /// The names at the beginning.
    fn names(&self) -> Option<Vec<Item<'_>>> {
        let count = self.number(2);
        let names: Vec<Item<'_>> = self.entries.iter().skip(3).take(count).collect();
        (names.len() == count).then_some(names)
    }

    /// Visits every entry, up to where `f` answers false; whether all of it could be read.
    fn walk(&self, mut f: impl FnMut(&Place) -> bool) -> bool {
        let entries = &self.entries;
        let names = self.number(2);
        let mut at = entries.seek(names as i64 + 4);
        while let Some(start) = at {
            let mut cursor = Some(start);
            let integer = |cursor: &mut Option<Position>| {
                let position = (*cursor)?;
                *cursor = entries.next(position);
                match entries.get(position) {
                    Item::Int(value) => Some(value),
                    Item::Bytes(_) => None,
                }
            };
            let (Some(flags), Some(ms), Some(seq)) =
                (integer(&mut cursor), integer(&mut cursor), integer(&mut cursor))
            else {
                return false;
            };
            let id = StreamId {
                ms: self.id.ms.wrapping_add(ms as u64),
                seq: self.id.seq.wrapping_add(seq as u64),
            };
            let place = Place { id, flags, at: start, body: cursor };
            let rest = if flags & SAME_FIELDS != 0 {
                names
            } else {
                match integer(&mut cursor).map(usize::try_from) {
                    Some(Ok(count)) => count.saturating_mul(2),
                    _ => return false,
                }
            };
            for _ in 0..rest {
                let Some(position) = cursor else { return false };
                cursor = entries.next(position);
            }
            // The number of items, which is there for walks in the other direction.
            let Some(last) = cursor else { return false };
            at = entries.next(last);
            if !f(&place) {
                return true;
            }
        }
        true
    }

    fn fields(&self, place: &Place) -> Option<Vec<(Item<'_>, Item<'_>)>> {
        let mut items = self.entries.iter_from(place.body?);
        if place.flags & SAME_FIELDS != 0 {
            return self.names()?.into_iter().map(|name| Some((name, items.next()?))).collect();
        }
        let Item::Int(count) = items.next()? else { return None };
        (0..count).map(|_| Some((items.next()?, items.next()?))).collect()
    }

    /// Whether the numbers at the beginning are right, and the ids rise.
    fn check(&self) -> bool {
        let (mut live, mut deleted, mut rises) = (0, 0, true);
        let mut last: Option<StreamId> = None;
        let whole = self.entries.len() >= self.number(2).saturating_add(4)
            && self.walk(|place| {
                let counter = if place.flags & DELETED == 0 { &mut live } else { &mut deleted };
                *counter += 1;
                rises &= last.is_none_or(|last| last < place.id) && place.id >= self.id;
                last = Some(place.id);
                self.fields(place).is_some()
            });
        whole
            && rises
            && live > 0
            && self.number(0) == live
            && self.number(1) == deleted
            && self.entries().len() == live
    }
}
