//! Writing values.

mod stream;

use super::lzf::{Compressed, Compression, Compressor};
use super::{Budget, crc64, kind};
use crate::engine::types::{Hash, Intset, Item, List, Listpack, Set, SortedSet, Value};
use crate::number::parse_integer;
use stream::StreamCursor;

/// The version that every type but the newest has been read by since Redis 7.0.
const VERSION: u16 = 10;
/// The version that has listpacks of sets, and tells when consumers of streams were last active: Redis
/// 7.2.
const VERSION_KEEP: u16 = 11;
/// The version that has fields with expiry times: Redis 7.4.
const VERSION_FIELD_EXPIRY: u16 = 12;
/// Shorter strings are not worth compressing.
const COMPRESSED_MIN: usize = 21;
/// Longer strings are written in slices.
pub(in crate::engine) const WHOLE_MAX: usize = 1 << 16;

/// What a payload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To travel: in the oldest form that holds the value, so that old servers read it too.
    Travel,
    /// To be read by Lodis: nothing is left out, and it is read as fast as may be.
    Keep,
}

/// The payload that DUMP answers. Cost: O(bytes).
pub fn dump(value: &Value, purpose: Purpose) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.out.push(kind_of(value, purpose));
    let mut cursor = ValueCursor::default();
    while !encoder.value(value, purpose, &mut cursor, usize::MAX) {}
    finished(encoder.out, version(purpose, value.next_field_expiry().is_some()))
}

/// A payload with its footer.
fn finished(mut out: Vec<u8>, version: u16) -> Vec<u8> {
    out.extend_from_slice(&version.to_le_bytes());
    let checksum = crc64(0, &out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// The payload that FUNCTION DUMP answers; `kind` comes before each library.
#[cfg(feature = "scripting")]
pub(super) fn libraries<'c>(codes: impl Iterator<Item = &'c [u8]>, kind: u8) -> Vec<u8> {
    let mut encoder = Encoder::default();
    for code in codes {
        encoder.out.push(kind);
        encoder.string(code);
    }
    finished(encoder.out, VERSION)
}

/// The oldest version that holds values as this purpose has them, and fields that expire, if there are
/// any.
pub(super) fn version(purpose: Purpose, fields_expire: bool) -> u16 {
    match purpose {
        _ if fields_expire => VERSION_FIELD_EXPIRY,
        Purpose::Keep => VERSION_KEEP,
        Purpose::Travel => VERSION,
    }
}

/// The type byte of a value.
pub(super) fn kind_of(value: &Value, purpose: Purpose) -> u8 {
    match value {
        Value::String(_) => kind::STRING,
        Value::List(_) => kind::LIST_QUICKLIST_2,
        Value::Set(set) if set.as_intset().is_some() => kind::SET_INTSET,
        Value::Set(set) if kept_listpack(set, purpose).is_some() => kind::SET_LISTPACK,
        Value::Set(_) => kind::SET,
        Value::SortedSet(set) if set.as_listpack().is_some() => kind::ZSET_LISTPACK,
        Value::SortedSet(_) => kind::ZSET_2,
        Value::Hash(hash) if hash.next_expiry().is_some() => kind::HASH_METADATA,
        Value::Hash(hash) if hash.as_listpack().is_some() => kind::HASH_LISTPACK,
        Value::Hash(_) => kind::HASH,
        Value::Stream(_) if purpose == Purpose::Keep => kind::STREAM_LISTPACKS_3,
        Value::Stream(_) => kind::STREAM_LISTPACKS_2,
    }
}

/// The listpack as which a set is written.
fn kept_listpack(set: &Set, purpose: Purpose) -> Option<&Listpack> {
    set.as_listpack().filter(|_| purpose == Purpose::Keep)
}

/// How much of a value is written. It is good for that value as long as it does not change, and for
/// its clones.
#[derive(Default)]
pub struct ValueCursor {
    /// Whether what comes before the elements is written.
    begun: bool,
    /// How many elements, or nodes, are written.
    done: usize,
    /// What is written of the string that the next element ends with.
    string: Option<LongString>,
    stream: StreamCursor,
}

impl ValueCursor {
    /// Whether this is the first time.
    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }
}

/// A long string of which a part is written.
enum LongString {
    /// It is being compressed, and nothing is written.
    Compressing(Compression),
    /// The length is written, and so many bytes of the string, or of what it was compressed to.
    Written(usize, Option<Vec<u8>>),
}

/// Writes values.
#[derive(Default)]
pub(super) struct Encoder {
    pub(super) out: Vec<u8>,
    /// What everything so far has cost.
    pub(super) spent: u64,
    compressor: Compressor,
}

impl Encoder {
    /// Writes on at `cursor` until that has cost about `budget` bytes; whether the value is written
    /// whole. Its type is not.
    pub(super) fn value(
        &mut self,
        value: &Value,
        purpose: Purpose,
        cursor: &mut ValueCursor,
        budget: usize,
    ) -> bool {
        let mut budget = Budget::new(budget);
        let is_whole = match value {
            Value::String(string) => {
                string.with_bytes(|bytes| self.slice(bytes, &mut cursor.string, &mut budget))
            }
            Value::List(list) => self.list(list, cursor, &mut budget),
            Value::Set(set) => self.set(set, purpose, cursor, &mut budget),
            Value::SortedSet(set) => self.sorted_set(set, cursor, &mut budget),
            Value::Hash(hash) => self.hash(hash, cursor, &mut budget),
            Value::Stream(stream) => self.stream(stream, purpose, cursor, &mut budget),
        };
        self.spent = self.spent.saturating_add(budget.spent);
        is_whole
    }

    pub(super) fn number(&mut self, number: u64) {
        match number {
            0..0x40 => self.out.push(number as u8),
            0x40..0x4000 => {
                self.out.extend_from_slice(&[0x40 | (number >> 8) as u8, number as u8]);
            }
            0x4000..=0xffff_ffff => {
                self.out.push(0x80);
                self.out.extend_from_slice(&(number as u32).to_be_bytes());
            }
            _ => {
                self.out.push(0x81);
                self.out.extend_from_slice(&number.to_be_bytes());
            }
        }
    }

    pub(super) fn len(&mut self, len: usize) {
        self.number(len as u64);
    }

    /// A string: a small integer as one, what repeats itself compressed.
    pub(super) fn string(&mut self, bytes: &[u8]) {
        if bytes.len() <= 11
            && let Some(value) = parse_integer(bytes)
            && self.small_integer(value)
        {
            return;
        }
        if bytes.len() >= COMPRESSED_MIN {
            let mut state = self.compressor.begin(bytes.len());
            let compressed = self.compressor.step(bytes, &mut state, usize::MAX);
            if let Compressed::Whole(Some(compressed)) = compressed {
                self.compressed_len(compressed.len(), bytes.len());
                self.out.extend_from_slice(&compressed);
                return;
            }
        }
        self.len(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn item(&mut self, item: Item<'_>) {
        item.with_bytes(|bytes| self.string(bytes));
    }

    fn small_integer(&mut self, value: i64) -> bool {
        let bytes = value.to_le_bytes();
        let (tag, len) = match value {
            -0x80..=0x7f => (0xc0, 1),
            -0x8000..=0x7fff => (0xc1, 2),
            -0x8000_0000..=0x7fff_ffff => (0xc2, 4),
            _ => return false,
        };
        self.out.push(tag);
        self.out.extend_from_slice(&bytes[..len]);
        true
    }

    fn compressed_len(&mut self, compressed: usize, len: usize) {
        self.out.push(0xc3);
        self.len(compressed);
        self.len(len);
    }

    /// Goes on with a string, of which `state` says how much is written; whether it is whole.
    fn slice(&mut self, bytes: &[u8], state: &mut Option<LongString>, budget: &mut Budget) -> bool {
        if bytes.len() <= WHOLE_MAX {
            self.string(bytes);
            budget.spend(bytes.len());
            return true;
        }
        let (written, compressed) = match state.take() {
            Some(LongString::Written(written, compressed)) => (written, compressed),
            before => {
                let mut compression = match before {
                    Some(LongString::Compressing(compression)) => compression,
                    _ => self.compressor.begin(bytes.len()),
                };
                let most = budget.left();
                budget.spend(most.min(bytes.len()));
                match self.compressor.step(bytes, &mut compression, most) {
                    Compressed::Partly => {
                        *state = Some(LongString::Compressing(compression));
                        return false;
                    }
                    Compressed::Whole(compressed) => {
                        match &compressed {
                            Some(short) => self.compressed_len(short.len(), bytes.len()),
                            None => self.len(bytes.len()),
                        }
                        (0, compressed)
                    }
                }
            }
        };
        let source = compressed.as_deref().unwrap_or(bytes);
        let rest = source.get(written..).unwrap_or_default();
        let now = &rest[..rest.len().min(budget.left())];
        self.out.extend_from_slice(now);
        budget.spend(now.len());
        let is_whole = now.len() == rest.len();
        if !is_whole {
            *state = Some(LongString::Written(written + now.len(), compressed));
        }
        is_whole
    }

    fn list(&mut self, list: &List, cursor: &mut ValueCursor, budget: &mut Budget) -> bool {
        const PACKED: usize = 2;
        if cursor.begin() {
            self.len(list.nodes().len());
        }
        for node in list.nodes_from(cursor.done) {
            if budget.is_spent() {
                return false;
            }
            if cursor.string.is_none() {
                self.len(PACKED);
            }
            if !self.slice(node.as_bytes(), &mut cursor.string, budget) {
                return false;
            }
            cursor.done += 1;
        }
        true
    }

    fn set(
        &mut self,
        set: &Set,
        purpose: Purpose,
        cursor: &mut ValueCursor,
        budget: &mut Budget,
    ) -> bool {
        let packed = set.as_intset().map(Intset::as_bytes);
        let listpack = || kept_listpack(set, purpose).map(Listpack::as_bytes);
        if let Some(bytes) = packed.or_else(listpack) {
            return self.slice(bytes, &mut cursor.string, budget);
        }
        if cursor.begin() {
            self.len(set.len());
        }
        set.visit_from(cursor.done, |member| {
            if budget.is_spent() {
                return false;
            }
            let is_whole =
                member.with_bytes(|member| self.slice(member, &mut cursor.string, budget));
            cursor.done += usize::from(is_whole);
            is_whole
        })
    }

    fn sorted_set(
        &mut self,
        set: &SortedSet,
        cursor: &mut ValueCursor,
        budget: &mut Budget,
    ) -> bool {
        if let Some(listpack) = set.as_listpack() {
            return self.slice(listpack.as_bytes(), &mut cursor.string, budget);
        }
        if cursor.begin() {
            self.len(set.len());
        }
        // From the highest on, as Redis does: it is read faster so.
        let Some(rank) = set.len().checked_sub(cursor.done + 1) else { return true };
        set.visit(rank, true, |member, score| {
            if budget.is_spent() {
                return false;
            }
            self.item(member);
            self.out.extend_from_slice(&score.to_le_bytes());
            budget.spend(member.len());
            cursor.done += 1;
            true
        });
        cursor.done == set.len()
    }

    fn hash(&mut self, hash: &Hash, cursor: &mut ValueCursor, budget: &mut Budget) -> bool {
        let first = hash.next_expiry();
        if first.is_none()
            && let Some(listpack) = hash.as_listpack()
        {
            return self.slice(listpack.as_bytes(), &mut cursor.string, budget);
        }
        if cursor.begin() {
            first.iter().for_each(|first| self.out.extend_from_slice(&first.to_le_bytes()));
            self.len(hash.len());
        }
        hash.visit_from(cursor.done, |field, value| {
            if budget.is_spent() {
                return false;
            }
            if cursor.string.is_none() {
                if let Some(first) = first {
                    let expiry = field.with_bytes(|field| hash.expiry(field));
                    self.relative_time(first, expiry);
                }
                self.item(field);
                budget.spend(field.len());
            }
            let is_whole = value.with_bytes(|value| self.slice(value, &mut cursor.string, budget));
            cursor.done += usize::from(is_whole);
            is_whole
        })
    }

    /// Times are relative to the first of them, from 1 on; 0 is for a field that does not expire.
    fn relative_time(&mut self, first: i64, at: Option<i64>) {
        let after = at.map_or(0, |at| at.saturating_sub(first).saturating_add(1));
        self.number(u64::try_from(after).unwrap_or(u64::MAX));
    }
}
