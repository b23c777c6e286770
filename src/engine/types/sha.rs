//! The digest of a value that DEBUG DIGEST makes: the same as that of a real server.

use super::stream::StreamId;
use super::{Item, Value};
use crate::number::general;
use sha1_smol::Sha1;

/// A digest to which parts are added, in order or in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sha([u8; 20]);

impl Sha {
    /// Adds a part; in which order does not matter.
    pub fn add(&mut self, part: &[u8]) {
        for (byte, other) in self.0.iter_mut().zip(Sha1::from(part).digest().bytes()) {
            *byte ^= other;
        }
    }

    /// Adds the next part.
    pub fn mix(&mut self, part: &[u8]) {
        self.add(part);
        self.0 = Sha1::from(self.0).digest().bytes();
    }

    /// Adds what is a digest itself; in which order does not matter.
    pub fn add_digest(&mut self, other: Self) {
        self.add(&other.0);
    }

    /// In hexadecimal digits.
    pub fn digits(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn mix_item(&mut self, item: Item<'_>) {
        item.with_bytes(|bytes| self.mix(bytes));
    }

    /// Adds the next part, which is a number of a type.
    pub fn mix_number(&mut self, number: u32) {
        self.mix(&number.to_be_bytes());
    }

    /// Adds the value of a key, and that it has an expiry time.
    pub fn mix_value(&mut self, value: &Value, expires: bool) {
        self.mix_number(kind(value));
        match value {
            Value::String(string) => string.with_bytes(|bytes| self.mix(bytes)),
            Value::List(list) => list.visit(0, |item| {
                self.mix_item(item);
                true
            }),
            Value::Set(set) => {
                set.visit(|member| {
                    member.with_bytes(|bytes| self.add(bytes));
                    true
                });
            }
            Value::SortedSet(set) => set.visit(0, false, |member, score| {
                let mut pair = Self::default();
                pair.mix_item(member);
                pair.mix(general(score).as_bytes());
                self.add_digest(pair);
                true
            }),
            Value::Hash(hash) => hash.visit(|field, value| {
                let mut pair = Self::default();
                pair.mix_item(field);
                pair.mix_item(value);
                let has_expiry = field.with_bytes(|field| hash.expiry(field).is_some());
                if has_expiry {
                    pair.add(b"!!hexpire!!");
                }
                self.add_digest(pair);
            }),
            Value::Stream(stream) => stream.visit(StreamId::MIN, StreamId::MAX, false, |entry| {
                self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                for (field, value) in entry.fields {
                    self.mix_item(field);
                    self.mix_item(value);
                }
                true
            }),
        }
        if expires {
            self.add(b"!!expire!!");
        }
    }
}

/// The number that Redis has for the type.
fn kind(value: &Value) -> u32 {
    match value {
        Value::String(_) => 0,
        Value::List(_) => 1,
        Value::Set(_) => 2,
        Value::SortedSet(_) => 3,
        Value::Hash(_) => 4,
        Value::Stream(_) => 6,
    }
}
