//! Reading values.

use super::read::Reader;
use super::{kind, stream, ziplist};
use crate::engine::config::Limits;
use crate::engine::number::{parse_double, parse_integer};
use crate::engine::types::{
    Hash, Intset, Item, List, Listpack, Set, SortedSet, StringValue, Value,
};
use std::borrow::Cow;

/// The value in a payload without its footer: all of it, or `None`.
pub(super) fn value(body: &[u8], limits: Limits) -> Option<Value> {
    let mut reader = Reader(body);
    let kind = reader.byte()?;
    let value = match kind {
        kind::STRING => StringValue::encode(&reader.string()?).ok()?.into(),
        kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
            list(kind, &mut reader, limits)?.into()
        }
        kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => set(kind, &mut reader, limits)?.into(),
        kind::ZSET | kind::ZSET_2 | kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => {
            sorted_set(kind, &mut reader, limits)?.into()
        }
        kind::HASH_METADATA | kind::HASH_LISTPACK_EX => {
            expiring_hash(kind, &mut reader, limits)?.into()
        }
        kind::STREAM_LISTPACKS | kind::STREAM_LISTPACKS_2 | kind::STREAM_LISTPACKS_3 => {
            stream::read(kind, &mut reader)?.into()
        }
        _ => hash(kind, &mut reader, limits)?.into(),
    };
    reader.0.is_empty().then_some(value)
}

fn listpack(reader: &mut Reader<'_>) -> Option<Listpack> {
    Listpack::from_bytes(reader.string()?.into_owned())
}

/// The words of a listpack, copied.
fn words(listpack: &Listpack) -> Vec<Cow<'static, [u8]>> {
    listpack.iter().map(|item| Cow::Owned(item.to_vec())).collect()
}

fn owned(words: Vec<Cow<'_, [u8]>>) -> Vec<Cow<'static, [u8]>> {
    words.into_iter().map(|word| Cow::Owned(word.into_owned())).collect()
}

fn list(kind: u8, reader: &mut Reader<'_>, limits: Limits) -> Option<List> {
    const PLAIN: u64 = 1;
    const PACKED: u64 = 2;
    let of =
        |words: &[Cow<'_, [u8]>]| words.iter().map(|word| Item::of(word)).collect::<Listpack>();
    let mut nodes = Vec::new();
    match kind {
        kind::LIST => {
            let mut list = List::default();
            for _ in 0..reader.count()? {
                list.push(crate::engine::types::list::End::Right, &[reader.string()?], limits);
            }
            return (!list.is_empty()).then_some(list);
        }
        kind::LIST_ZIPLIST => nodes.push(of(&ziplist::entries(&reader.string()?)?)),
        kind::LIST_QUICKLIST => {
            for _ in 0..reader.count()? {
                nodes.push(of(&ziplist::entries(&reader.string()?)?));
            }
        }
        _ => {
            for _ in 0..reader.count()? {
                nodes.push(match reader.number()? {
                    PLAIN => of(&[reader.string()?]),
                    PACKED => listpack(reader)?,
                    _ => return None,
                });
            }
        }
    }
    Some(List::from_nodes(nodes, limits)).filter(|list| !list.is_empty())
}

fn set(kind: u8, reader: &mut Reader<'_>, limits: Limits) -> Option<Set> {
    let mut set = Set::default();
    match kind {
        kind::SET_INTSET => {
            let intset = Intset::from_bytes(reader.string()?.into_owned())?;
            if intset.len() <= limits.set_max_intset_entries {
                set = intset.into();
            } else {
                let mut text = itoa::Buffer::new();
                intset.iter().for_each(|value| {
                    set.add(text.format(value).as_bytes(), limits);
                });
            }
        }
        kind::SET_LISTPACK => {
            for member in listpack(reader)?.iter() {
                member.with_bytes(|member| set.add(member, limits)).then_some(())?;
            }
        }
        _ => {
            for _ in 0..reader.count()? {
                set.add(&reader.string()?, limits).then_some(())?;
            }
        }
    }
    (!set.is_empty()).then_some(set)
}

fn sorted_set(kind: u8, reader: &mut Reader<'_>, limits: Limits) -> Option<SortedSet> {
    // One that is no listpack may yet become one, when it is whole.
    let many = if matches!(kind, kind::ZSET | kind::ZSET_2) { usize::MAX } else { 0 };
    let mut set = SortedSet::for_len(many, limits);
    let mut add = |member: &[u8], score: f64| {
        (!score.is_nan() && set.insert(member, score, limits).is_none()).then_some(())
    };
    match kind {
        kind::ZSET | kind::ZSET_2 => {
            for _ in 0..reader.count()? {
                let member = reader.string()?;
                let score =
                    if kind == kind::ZSET { reader.text_double()? } else { reader.double()? };
                add(&member, score)?;
            }
        }
        _ => {
            let words = if kind == kind::ZSET_LISTPACK {
                words(&listpack(reader)?)
            } else {
                owned(ziplist::entries(&reader.string()?)?)
            };
            let (pairs, []) = words.as_chunks::<2>() else { return None };
            for [member, score] in pairs {
                add(member, parse_double(score)?)?;
            }
        }
    }
    (!set.is_empty()).then(|| set.compacted(limits))
}

fn hash(kind: u8, reader: &mut Reader<'_>, limits: Limits) -> Option<Hash> {
    let mut hash = Hash::default();
    let mut set = |field: &[u8], value: &[u8]| hash.set(field, value, limits).then_some(());
    if kind == kind::HASH {
        for _ in 0..reader.count()? {
            let (field, value) = (reader.string()?, reader.string()?);
            set(&field, &value)?;
        }
        return (!hash.is_empty()).then_some(hash);
    }
    let words = match kind {
        kind::HASH_LISTPACK => words(&listpack(reader)?),
        kind::HASH_ZIPLIST => owned(ziplist::entries(&reader.string()?)?),
        kind::HASH_ZIPMAP => owned(ziplist::zipmap(&reader.string()?)?),
        _ => return None,
    };
    let (pairs, []) = words.as_chunks::<2>() else { return None };
    for [field, value] in pairs {
        set(field, value)?;
    }
    (!hash.is_empty()).then_some(hash)
}

/// A hash some of whose fields expire.
fn expiring_hash(kind: u8, reader: &mut Reader<'_>, limits: Limits) -> Option<Hash> {
    let first = i64::from_le_bytes(reader.array()?);
    let mut hash = Hash::default();
    let mut set = |field: &[u8], value: &[u8], expiry: Option<i64>| {
        if !hash.set(field, value, limits) || expiry.is_some_and(|at| at < 0) {
            return None;
        }
        hash.set_expiry(field, expiry);
        Some(())
    };
    if kind == kind::HASH_METADATA {
        for _ in 0..reader.count()? {
            let after = i64::try_from(reader.number()?).ok()?;
            let expiry = if after == 0 { None } else { Some(first.checked_add(after - 1)?) };
            let (field, value) = (reader.string()?, reader.string()?);
            set(&field, &value, expiry)?;
        }
    } else {
        let words = words(&listpack(reader)?);
        let (triples, []) = words.as_chunks::<3>() else { return None };
        for [field, value, expiry] in triples {
            let expiry = parse_integer(expiry)?;
            set(field, value, (expiry != 0).then_some(expiry))?;
        }
    }
    (!hash.is_empty()).then_some(hash)
}
