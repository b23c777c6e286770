//! A number for a value's content, whatever its encoding and the order in memory.

use super::stream::StreamId;
use super::{Hash, Item, Stream, Value};
use std::hash::{BuildHasher, Hasher};

fn hasher() -> foldhash::quality::FoldHasher<'static> {
    foldhash::quality::FixedState::with_seed(0).build_hasher()
}

/// The digest of parts in order; each part has its length.
fn of(parts: &[&[u8]]) -> u64 {
    let mut hasher = hasher();
    for part in parts {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

fn of_item(item: Item<'_>) -> u64 {
    item.with_bytes(|bytes| of(&[bytes]))
}

fn of_stream(stream: &Stream) -> u64 {
    let mut digest = 0u64;
    let mut add = |parts: &[&[u8]]| digest = digest.rotate_left(1) ^ of(parts).wrapping_mul(3);
    stream.visit(StreamId::MIN, StreamId::MAX, false, |entry| {
        add(&[&entry.id.to_bytes()]);
        for (field, value) in entry.fields {
            field.with_bytes(|field| value.with_bytes(|value| add(&[field, value])));
        }
        true
    });
    let ids = [stream.last_id, stream.max_deleted_id].map(StreamId::to_bytes);
    add(&[&ids[0], &ids[1], &stream.entries_added.to_le_bytes()]);
    for (name, group) in &stream.groups {
        let read = group.entries_read.map_or(-1, |read| read as i64).to_le_bytes();
        add(&[name, &group.last_id.to_bytes(), &read]);
        group.consumers.keys().for_each(|consumer| add(&[consumer]));
        for (id, pending) in &group.pending {
            let (at, count) =
                (pending.delivered_ms.to_le_bytes(), pending.deliveries.to_le_bytes());
            add(&[&id.to_bytes(), &pending.consumer, &at, &count]);
        }
    }
    digest
}

fn of_hash(hash: &Hash) -> u64 {
    let of_field = |field: &[u8], value: &[u8], expires_at: Option<i64>| {
        of(&[field, value, &expires_at.unwrap_or(0).to_le_bytes()])
    };
    let mut digest = 0u64;
    hash.visit(|field, value| {
        let field = field.with_bytes(|field| {
            value.with_bytes(|value| of_field(field, value, hash.expiry(field)))
        });
        digest = digest.wrapping_add(field);
    });
    let hidden = hash.hidden().map(|(at, field, value)| of_field(field, value, Some(at)));
    hidden.fold(digest, u64::wrapping_add)
}

impl Value {
    /// The same for the same content, expiry times of fields and consumer groups included, but not
    /// when consumers were last seen. Fields whose time has come count as long as they are there.
    /// Cost: O(bytes).
    pub fn digest(&self) -> u64 {
        let mut digest = 0u64;
        match self {
            Self::String(string) => digest = string.with_bytes(|bytes| of(&[bytes])),
            Self::List(list) => list.visit(0, |item| {
                digest = digest.rotate_left(1) ^ of_item(item).wrapping_mul(3);
                true
            }),
            Self::Set(set) => {
                set.visit(|member| {
                    digest = digest.wrapping_add(of_item(member));
                    true
                });
            }
            Self::Hash(hash) => digest = of_hash(hash),
            Self::SortedSet(set) => set.visit(0, false, |member, score| {
                // A listpack forgets the sign of a zero, as in Redis, and a tree may become one.
                let score = (score + 0.0).to_le_bytes();
                let pair = member.with_bytes(|member| of(&[member, &score]));
                digest = digest.wrapping_add(pair);
                true
            }),
            Self::Stream(stream) => digest = of_stream(stream),
        }
        of(&[self.type_name().as_bytes(), &digest.to_le_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Limits;
    use crate::engine::types::{Set, SortedSet};

    #[test]
    fn encodings_and_order_do_not_matter() {
        let (small, large) = (
            Limits::default(),
            Limits {
                hash_max_listpack_entries: 0,
                set_max_intset_entries: 0,
                zset_max_listpack_entries: 0,
                ..Limits::default()
            },
        );
        let of = |words: &[&str], limits: Limits| {
            let (mut set, mut hash, mut sorted) =
                (Set::default(), Hash::default(), SortedSet::default());
            for word in words {
                set.add(word.as_bytes(), limits);
                hash.set(word.as_bytes(), b"v", limits);
                sorted.insert(word.as_bytes(), 1.5, limits);
            }
            [Value::from(set), hash.into(), sorted.into()].map(|value| value.digest())
        };
        let digests = of(&["1", "2", "3"], small);
        assert_eq!(digests, of(&["3", "2", "1"], large));
        assert_ne!(digests[0], digests[1]);
        assert_ne!(digests, of(&["1", "2"], small));
        let mut hash = Hash::default();
        hash.set(b"a", b"v", small);
        let before = Value::from(hash.clone()).digest();
        hash.set_expiry(b"a", Some(5));
        let expiring = Value::from(hash.clone()).digest();
        assert_ne!(expiring, before);
        hash.hide_past(5, small);
        assert_eq!((hash.len(), Value::from(hash.clone()).digest()), (0, expiring));
        hash.set(b"b", b"v", small);
        assert_ne!(Value::from(hash).digest(), expiring);
    }
}
