//! Writing values.

use super::{crc64, kind, lzf, stream};
use crate::engine::number::parse_integer;
use crate::engine::types::{Hash, Item, List, Set, SortedSet, Value};

/// The version that every type but the newest has been read by since Redis 7.0.
const VERSION: u16 = 10;
/// The version that tells when consumers of streams were last active: Redis 7.2.
const VERSION_CONSUMERS: u16 = 11;
/// The version that has fields with expiry times: Redis 7.4.
const VERSION_FIELD_EXPIRY: u16 = 12;
/// Shorter strings are not worth compressing.
const COMPRESSED_MIN: usize = 21;

/// What a payload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To travel: in the oldest form that holds the value, so that old servers read it too.
    Travel,
    /// To be read by Lodis: nothing is left out.
    Keep,
}

/// The payload that DUMP answers. Cost: O(bytes).
pub fn dump(value: &Value, purpose: Purpose) -> Vec<u8> {
    let mut out = Vec::new();
    let version = write_value(&mut out, value, purpose);
    out.extend_from_slice(&version.to_le_bytes());
    let checksum = crc64(0, &out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// Writes type and value; answers the version that reads it.
fn write_value(out: &mut Vec<u8>, value: &Value, purpose: Purpose) -> u16 {
    match value {
        Value::String(string) => {
            out.push(kind::STRING);
            string.with_bytes(|bytes| write_string(out, bytes));
        }
        Value::List(list) => write_list(out, list),
        Value::Set(set) => write_set(out, set),
        Value::SortedSet(set) => write_sorted_set(out, set),
        Value::Hash(hash) if hash.next_expiry().is_some() => {
            write_expiring_hash(out, hash);
            return VERSION_FIELD_EXPIRY;
        }
        Value::Hash(hash) => write_hash(out, hash),
        Value::Stream(value) if purpose == Purpose::Keep => {
            stream::write(out, value, kind::STREAM_LISTPACKS_3);
            return VERSION_CONSUMERS;
        }
        Value::Stream(value) => stream::write(out, value, kind::STREAM_LISTPACKS_2),
    }
    VERSION
}

pub(super) fn write_len(out: &mut Vec<u8>, len: usize) {
    match len {
        0..0x40 => out.push(len as u8),
        0x40..0x4000 => out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
        0x4000..=0xffff_ffff => {
            out.push(0x80);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// A string: a small integer as one, what repeats itself compressed.
pub(super) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() <= 11
        && let Some(value) = parse_integer(bytes)
        && write_small_integer(out, value)
    {
        return;
    }
    if bytes.len() >= COMPRESSED_MIN
        && let Some(compressed) = lzf::compress(bytes)
    {
        out.push(0xc3);
        write_len(out, compressed.len());
        write_len(out, bytes.len());
        out.extend_from_slice(&compressed);
        return;
    }
    write_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_small_integer(out: &mut Vec<u8>, value: i64) -> bool {
    let bytes = value.to_le_bytes();
    let (tag, len) = match value {
        -0x80..=0x7f => (0xc0, 1),
        -0x8000..=0x7fff => (0xc1, 2),
        -0x8000_0000..=0x7fff_ffff => (0xc2, 4),
        _ => return false,
    };
    out.push(tag);
    out.extend_from_slice(&bytes[..len]);
    true
}

fn write_item(out: &mut Vec<u8>, item: Item<'_>) {
    item.with_bytes(|bytes| write_string(out, bytes));
}

fn write_list(out: &mut Vec<u8>, list: &List) {
    const PACKED: usize = 2;
    out.push(kind::LIST_QUICKLIST_2);
    let nodes = list.nodes();
    write_len(out, nodes.len());
    for node in nodes {
        write_len(out, PACKED);
        write_string(out, node.as_bytes());
    }
}

fn write_set(out: &mut Vec<u8>, set: &Set) {
    if let Some(intset) = set.as_intset() {
        out.push(kind::SET_INTSET);
        return write_string(out, intset.as_bytes());
    }
    out.push(kind::SET);
    write_len(out, set.len());
    set.visit(|member| {
        write_item(out, member);
        true
    });
}

fn write_sorted_set(out: &mut Vec<u8>, set: &SortedSet) {
    if let Some(listpack) = set.as_listpack() {
        out.push(kind::ZSET_LISTPACK);
        return write_string(out, listpack.as_bytes());
    }
    out.push(kind::ZSET_2);
    write_len(out, set.len());
    // From the highest on, as Redis does: it is read faster so.
    set.visit(set.len().saturating_sub(1), true, |member, score| {
        write_item(out, member);
        out.extend_from_slice(&score.to_le_bytes());
        true
    });
}

fn write_hash(out: &mut Vec<u8>, hash: &Hash) {
    if let Some(listpack) = hash.as_listpack() {
        out.push(kind::HASH_LISTPACK);
        return write_string(out, listpack.as_bytes());
    }
    out.push(kind::HASH);
    write_len(out, hash.len());
    hash.visit(|field, value| {
        write_item(out, field);
        write_item(out, value);
    });
}

/// Times are relative to the first of them, from 1 on; 0 is for a field that does not expire.
fn write_expiring_hash(out: &mut Vec<u8>, hash: &Hash) {
    let first = hash.next_expiry().unwrap_or_default();
    out.push(kind::HASH_METADATA);
    out.extend_from_slice(&first.to_le_bytes());
    write_len(out, hash.len());
    hash.visit(|field, value| {
        let expiry = field.with_bytes(|field| hash.expiry(field));
        let after = expiry.map_or(0, |at| at.saturating_sub(first).saturating_add(1));
        write_len(out, usize::try_from(after).unwrap_or(usize::MAX));
        write_item(out, field);
        write_item(out, value);
    });
}
