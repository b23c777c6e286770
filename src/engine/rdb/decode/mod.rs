//! Reading values.

pub(super) mod read;
mod stream;
mod ziplist;

use super::{Budget, kind};
use crate::engine::config::Limits;
use crate::engine::types::list::End;
use crate::engine::types::{
    Hash, Intset, Item, List, Listpack, Set, SortedSet, StringValue, Value,
};
use read::{Read, Reader, Stop};
use stream::StreamBuilder;

/// The value in a payload without its footer: all of it, or `None`.
pub(super) fn value(body: &[u8], limits: Limits) -> Option<Value> {
    let (kind, body) = body.split_first()?;
    let mut reader = Reader(body);
    if *kind == kind::STRING {
        let value = string(&mut reader).ok()?;
        return reader.0.is_empty().then_some(value);
    }
    let mut builder = Builder::new(*kind, limits)?;
    while !builder.read(&mut reader, &mut Budget::new(usize::MAX)).ok()? {}
    if reader.0.is_empty() { builder.finish() } else { None }
}

/// The libraries in a payload without its footer, each after `kind`.
#[cfg(feature = "scripting")]
pub(super) fn libraries(body: &[u8], kind: u8) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader(body);
    let mut codes = Vec::new();
    while !reader.0.is_empty() {
        if reader.byte().ok()? != kind {
            return None;
        }
        codes.push(reader.string().ok()?.into_owned());
    }
    Some(codes)
}

/// A value of the kind [`kind::STRING`].
pub(super) fn string(reader: &mut Reader<'_>) -> Read<Value> {
    StringValue::encode(&reader.string()?).map(Value::from).map_err(|_| Stop::NoMemory)
}

/// A collection that is being read, as much of it at a time as there is, or as may be.
pub(super) struct Builder {
    kind: u8,
    limits: Limits,
    /// How many elements are to come, once that is known. What is one string counts as one.
    left: Option<usize>,
    /// What the expiry times of fields are relative to.
    first_ms: i64,
    value: Building,
}

enum Building {
    List(List),
    Nodes(Vec<Listpack>),
    Set(Set),
    SortedSet(SortedSet),
    Hash(Hash),
    Stream(Box<StreamBuilder>),
}

impl Builder {
    /// Nothing yet of a collection of this kind, if there is such a kind.
    pub(super) fn new(kind: u8, limits: Limits) -> Option<Self> {
        let value = match kind {
            kind::LIST => Building::List(List::default()),
            kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
                Building::Nodes(Vec::new())
            }
            kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => Building::Set(Set::default()),
            // One that is no listpack may yet become one, when it is whole.
            kind::ZSET | kind::ZSET_2 => {
                Building::SortedSet(SortedSet::for_len(usize::MAX, limits))
            }
            kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => Building::SortedSet(SortedSet::default()),
            kind::HASH
            | kind::HASH_ZIPMAP
            | kind::HASH_ZIPLIST
            | kind::HASH_LISTPACK
            | kind::HASH_METADATA_PRE_GA
            | kind::HASH_LISTPACK_EX_PRE_GA
            | kind::HASH_METADATA
            | kind::HASH_LISTPACK_EX => Building::Hash(Hash::default()),
            kind::STREAM_LISTPACKS | kind::STREAM_LISTPACKS_2 | kind::STREAM_LISTPACKS_3 => {
                Building::Stream(Box::new(StreamBuilder::new()))
            }
            _ => return None,
        };
        Some(Self { kind, limits, left: None, first_ms: 0, value })
    }

    /// Reads on for as long as the budget lasts; whether the value is whole. [`Stop::Short`] leaves
    /// what is not whole to be read again with more bytes after it.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, budget: &mut Budget) -> Read<bool> {
        if let Building::Stream(stream) = &mut self.value {
            return stream.read(self.kind, reader, budget);
        }
        let mut left = match self.left {
            Some(left) => left,
            None => reader.whole(|reader| self.begin(reader))?,
        };
        while left > 0 {
            self.left = Some(left);
            if budget.is_spent() {
                return Ok(false);
            }
            let before = reader.0.len();
            reader.whole(|reader| self.element(reader))?;
            budget.spend(before - reader.0.len());
            left -= 1;
        }
        self.left = Some(0);
        Ok(true)
    }

    /// The value that has been read whole, unless it holds nothing and may not.
    pub(super) fn finish(self) -> Option<Value> {
        let value = match self.value {
            Building::List(list) => list.into(),
            Building::Nodes(nodes) => List::from_nodes(nodes, self.limits).into(),
            Building::Set(set) => set.into(),
            Building::SortedSet(set) => set.compacted(self.limits).into(),
            Building::Hash(hash) => hash.into(),
            Building::Stream(stream) => stream.finish().into(),
        };
        Some(value).filter(|value: &Value| !value.is_spent())
    }

    /// What comes before the elements; answers how many there are.
    fn begin(&mut self, reader: &mut Reader<'_>) -> Read<usize> {
        if matches!(self.kind, kind::HASH_METADATA | kind::HASH_LISTPACK_EX) {
            self.first_ms = i64::from_le_bytes(reader.array()?);
        }
        match self.kind {
            kind::LIST
            | kind::LIST_QUICKLIST
            | kind::LIST_QUICKLIST_2
            | kind::SET
            | kind::ZSET
            | kind::ZSET_2
            | kind::HASH
            | kind::HASH_METADATA_PRE_GA
            | kind::HASH_METADATA => {}
            _ => return Ok(1),
        }
        let count = reader.count()?;
        match &mut self.value {
            Building::Set(set) => *set = Set::for_len(count, self.limits),
            Building::Hash(hash) => *hash = Hash::for_len(count, self.limits),
            _ => {}
        }
        Ok(count)
    }

    /// Reads an element; what it is read from is whole before anything is done with it.
    fn element(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let (kind, limits) = (self.kind, self.limits);
        match &mut self.value {
            Building::List(list) => list.push(End::Right, &[reader.string()?], limits),
            Building::Nodes(nodes) => nodes.push(node(kind, reader)?),
            Building::Set(set) => add_to_set(set, kind, reader, limits)?,
            Building::SortedSet(set) => add_to_sorted_set(set, kind, reader, limits)?,
            Building::Hash(hash) => add_to_hash(hash, kind, self.first_ms, reader, limits)?,
            Building::Stream(_) => {}
        }
        Ok(())
    }
}

/// `Ok` if it is as it must be.
fn must(is_good: bool) -> Read<()> {
    if is_good { Ok(()) } else { Err(Stop::Bad) }
}

fn listpack(reader: &mut Reader<'_>) -> Read<Listpack> {
    Listpack::from_bytes(reader.string()?.into_owned()).ok_or(Stop::Bad)
}

/// A string that is a listpack, or what came before that, as a listpack.
fn packed(kind: u8, reader: &mut Reader<'_>) -> Read<Listpack> {
    let read = match kind {
        kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::ZSET_ZIPLIST | kind::HASH_ZIPLIST => {
            ziplist::entries
        }
        kind::HASH_ZIPMAP => ziplist::zipmap,
        _ => return listpack(reader),
    };
    let string = reader.string()?;
    let mut listpack = Listpack::new();
    // What is too short in there stays so, whatever comes after it.
    read(&string, &mut |word| listpack.push_back(word)).map_err(|_| Stop::Bad)?;
    Ok(listpack)
}

/// A node of a list.
fn node(kind: u8, reader: &mut Reader<'_>) -> Read<Listpack> {
    const PLAIN: u64 = 1;
    const PACKED: u64 = 2;
    if kind != kind::LIST_QUICKLIST_2 {
        return packed(kind, reader);
    }
    match reader.number()? {
        PLAIN => Ok([Item::of(&reader.string()?)].into_iter().collect()),
        PACKED => listpack(reader),
        _ => Err(Stop::Bad),
    }
}

fn add_to_set(set: &mut Set, kind: u8, reader: &mut Reader<'_>, limits: Limits) -> Read<()> {
    match kind {
        kind::SET_INTSET => {
            let intset = Intset::from_bytes(reader.string()?.into_owned()).ok_or(Stop::Bad)?;
            if intset.len() <= limits.set_max_intset_entries {
                *set = intset.into();
            } else {
                let mut text = itoa::Buffer::new();
                intset.iter().for_each(|value| {
                    set.add(text.format(value).as_bytes(), limits);
                });
            }
            Ok(())
        }
        kind::SET_LISTPACK => {
            *set = Set::from_listpack(listpack(reader)?, limits).ok_or(Stop::Bad)?;
            Ok(())
        }
        _ => must(set.add(&reader.string()?, limits)),
    }
}

fn add_to_sorted_set(
    set: &mut SortedSet,
    kind: u8,
    reader: &mut Reader<'_>,
    limits: Limits,
) -> Read<()> {
    let mut add = |member: &[u8], score: f64| {
        must(!score.is_nan() && set.insert(member, score, limits).is_none())
    };
    match kind {
        kind::ZSET => add(&reader.string()?, reader.text_double()?),
        kind::ZSET_2 => add(&reader.string()?, reader.double()?),
        _ => {
            let packed = packed(kind, reader)?;
            *set = SortedSet::from_listpack(packed, limits).ok_or(Stop::Bad)?;
            Ok(())
        }
    }
}

fn add_to_hash(
    hash: &mut Hash,
    kind: u8,
    first_ms: i64,
    reader: &mut Reader<'_>,
    limits: Limits,
) -> Read<()> {
    let mut set = |field: &[u8], value: &[u8], expiry: Option<i64>| {
        must(hash.set(field, value, limits) && expiry.is_none_or(|at| at >= 0))?;
        hash.set_expiry(field, expiry);
        Ok(())
    };
    match kind {
        kind::HASH => set(&reader.string()?, &reader.string()?, None),
        kind::HASH_METADATA | kind::HASH_METADATA_PRE_GA => {
            let time = i64::try_from(reader.number()?).map_err(|_| Stop::Bad)?;
            let expiry = match time {
                0 => None,
                at if kind == kind::HASH_METADATA_PRE_GA => Some(at),
                after => Some(first_ms.checked_add(after - 1).ok_or(Stop::Bad)?),
            };
            set(&reader.string()?, &reader.string()?, expiry)
        }
        kind::HASH_LISTPACK_EX | kind::HASH_LISTPACK_EX_PRE_GA => {
            let listpack = listpack(reader)?;
            let mut items = listpack.iter();
            while let Some(field) = items.next() {
                let (value, Some(Item::Int(at))) = (items.next().ok_or(Stop::Bad)?, items.next())
                else {
                    return Err(Stop::Bad);
                };
                let expiry = (at != 0).then_some(at);
                field.with_bytes(|field| value.with_bytes(|value| set(field, value, expiry)))?;
            }
            Ok(())
        }
        _ => {
            let packed = packed(kind, reader)?;
            *hash = Hash::from_listpack(packed, limits).ok_or(Stop::Bad)?;
            Ok(())
        }
    }
}
