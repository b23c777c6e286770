//! Reading values.

pub(super) mod read;
mod stream;
mod ziplist;

use super::{Budget, kind};
use crate::engine::config::Limits;
use crate::engine::number::{parse_double, parse_integer};
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
    let mut builder = Builder::new(*kind, limits)?;
    while !builder.read(&mut reader, &mut Budget::new(usize::MAX)).ok()? {}
    if reader.0.is_empty() { builder.finish() } else { None }
}

/// A value that is being read, as much of it at a time as there is, or as may be.
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
    String(StringValue),
    List(List),
    Nodes(Vec<Listpack>),
    Set(Set),
    SortedSet(SortedSet),
    Hash(Hash),
    Stream(Box<StreamBuilder>),
}

impl Builder {
    /// Nothing yet of a value of this kind, if there is such a kind.
    pub(super) fn new(kind: u8, limits: Limits) -> Option<Self> {
        let value = match kind {
            kind::STRING => Building::String(0.into()),
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
            Building::String(string) => string.into(),
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
            | kind::HASH_METADATA => reader.count(),
            _ => Ok(1),
        }
    }

    /// Reads an element; what it is read from is whole before anything is done with it.
    fn element(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let (kind, limits) = (self.kind, self.limits);
        match &mut self.value {
            Building::String(string) => {
                *string = StringValue::encode(&reader.string()?).map_err(|_| Stop::Bad)?;
            }
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

/// How words are packed into one string.
#[derive(Clone, Copy)]
enum Packed {
    Listpack,
    Ziplist,
    Zipmap,
}

impl Packed {
    /// Reads a string and hands the words in it to `f`, without keeping any.
    fn each(self, reader: &mut Reader<'_>, f: &mut dyn FnMut(Item<'_>) -> Read<()>) -> Read<()> {
        if let Self::Listpack = self {
            return listpack(reader)?.iter().try_for_each(f);
        }
        let string = reader.string()?;
        let result = match self {
            Self::Zipmap => ziplist::zipmap(&string, f),
            _ => ziplist::entries(&string, f),
        };
        // What is too short in there stays so, whatever comes after it.
        result.map_err(|_| Stop::Bad)
    }

    /// As [`Packed::each`], so many words at a time.
    fn rows<const N: usize>(
        self,
        reader: &mut Reader<'_>,
        mut f: impl FnMut([&[u8]; N]) -> Read<()>,
    ) -> Read<()> {
        let mut row = [const { Vec::new() }; N];
        let mut filled = 0;
        self.each(reader, &mut |word| {
            row[filled] = word.to_vec();
            filled = (filled + 1) % N;
            if filled == 0 { f(row.each_ref().map(Vec::as_slice)) } else { Ok(()) }
        })?;
        must(filled == 0)
    }
}

/// A node of a list.
fn node(kind: u8, reader: &mut Reader<'_>) -> Read<Listpack> {
    const PLAIN: u64 = 1;
    const PACKED: u64 = 2;
    if kind != kind::LIST_QUICKLIST_2 {
        let mut node = Listpack::new();
        Packed::Ziplist.each(reader, &mut |word| {
            word.with_bytes(|word| node.push_back(Item::of(word)));
            Ok(())
        })?;
        return Ok(node);
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
        kind::SET_LISTPACK => Packed::Listpack
            .each(reader, &mut |member| must(member.with_bytes(|member| set.add(member, limits)))),
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
    let packed = match kind {
        kind::ZSET => return add(&reader.string()?, reader.text_double()?),
        kind::ZSET_2 => return add(&reader.string()?, reader.double()?),
        kind::ZSET_LISTPACK => Packed::Listpack,
        _ => Packed::Ziplist,
    };
    packed.rows(reader, |[member, score]| add(member, parse_double(score).ok_or(Stop::Bad)?))
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
    let packed = match kind {
        kind::HASH => return set(&reader.string()?, &reader.string()?, None),
        kind::HASH_METADATA | kind::HASH_METADATA_PRE_GA => {
            let time = i64::try_from(reader.number()?).map_err(|_| Stop::Bad)?;
            let expiry = match time {
                0 => None,
                at if kind == kind::HASH_METADATA_PRE_GA => Some(at),
                after => Some(first_ms.checked_add(after - 1).ok_or(Stop::Bad)?),
            };
            return set(&reader.string()?, &reader.string()?, expiry);
        }
        kind::HASH_LISTPACK_EX | kind::HASH_LISTPACK_EX_PRE_GA => {
            return Packed::Listpack.rows(reader, |[field, value, expiry]| {
                let expiry = parse_integer(expiry).ok_or(Stop::Bad)?;
                set(field, value, (expiry != 0).then_some(expiry))
            });
        }
        kind::HASH_ZIPLIST => Packed::Ziplist,
        kind::HASH_ZIPMAP => Packed::Zipmap,
        _ => Packed::Listpack,
    };
    packed.rows(reader, |[field, value]| set(field, value, None))
}
