//! Value types: data and algorithms, no replies.

pub mod bits;
mod digest;
pub mod geo;
mod hash;
pub mod hyperloglog;
mod intset;
pub mod list;
pub mod listpack;
mod set;
mod sha;
mod sorted_set;
pub mod stream;
mod string;

pub use hash::Hash;
pub use intset::Intset;
pub use list::List;
pub use listpack::{Item, Listpack};
pub use set::Set;
pub(super) use sha::Sha;
pub use sorted_set::SortedSet;
pub use stream::Stream;
pub use string::StringValue;

/// What a key holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// A binary-safe string, or an integer.
    String(StringValue),
    /// Strings in the order in which they were put.
    List(List),
    /// Fields with values.
    Hash(Hash),
    /// Different strings.
    Set(Set),
    /// Different strings, ordered by score.
    SortedSet(SortedSet),
    /// An append-only log of entries, with its consumer groups.
    Stream(Box<Stream>),
}

/// A collection that a key can hold. A key whose collection has become empty ceases to exist,
/// streams excepted.
pub trait DataType: Default + Into<Value> {
    /// The collection, if `value` is of this type.
    fn of(value: &Value) -> Option<&Self>;
    /// The collection, if `value` is of this type, to be changed.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
}

impl Value {
    /// The name that `TYPE` answers.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
            Self::Stream(_) => "stream",
        }
    }

    /// The name that `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::String(string) => string.encoding(),
            Self::List(list) => list.encoding(),
            Self::Hash(hash) => hash.encoding(),
            Self::Set(set) => set.encoding(),
            Self::SortedSet(sorted_set) => sorted_set.encoding(),
            Self::Stream(_) => "stream",
        }
    }

    /// When the first field of a hash ceases to exist: Unix milliseconds.
    pub fn next_field_expiry(&self) -> Option<i64> {
        match self {
            Self::Hash(hash) => hash.next_expiry(),
            _ => None,
        }
    }

    /// See [`Hash::noted_expiry`].
    pub fn noted_field_expiry(&self) -> Option<i64> {
        match self {
            Self::Hash(hash) => hash.noted_expiry(),
            _ => None,
        }
    }

    /// See [`Hash::note_expiry`].
    pub fn note_field_expiry(&mut self) -> Option<i64> {
        match self {
            Self::Hash(hash) => hash.note_expiry(),
            _ => None,
        }
    }

    /// Whether it is a collection that has nothing left to hold its key: never a string or stream.
    pub fn is_spent(&self) -> bool {
        match self {
            Self::String(_) | Self::Stream(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Hash(hash) => hash.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::SortedSet(sorted_set) => sorted_set.is_empty(),
        }
    }

    /// How many steps it takes to free it, roughly. O(1), for a stream O(groups and consumers).
    pub fn parts(&self) -> usize {
        match self {
            Self::String(_) => 1,
            Self::List(list) => list.parts(),
            Self::Hash(hash) => hash.parts(),
            Self::Set(set) => set.parts(),
            Self::SortedSet(sorted_set) => sorted_set.parts(),
            Self::Stream(stream) => stream.parts(),
        }
    }

    /// Frees up to `most` of its parts, at least one if there are any; answers how many. What is left
    /// is good for nothing but to be freed.
    pub fn free_parts(&mut self, most: usize) -> usize {
        match self {
            Self::String(_) => 0,
            Self::List(list) => list.free_parts(most),
            Self::Hash(hash) => hash.free_parts(most),
            Self::Set(set) => set.free_parts(most),
            Self::SortedSet(sorted_set) => sorted_set.free_parts(most),
            Self::Stream(stream) => stream.free_parts(most),
        }
    }

    /// Bytes of memory that it has on the heap, by the average of so many of its parts (0: all of
    /// them).
    pub fn heap_bytes(&self, samples: usize) -> usize {
        match self {
            Self::String(string) => string.heap_len(),
            Self::List(list) => list.heap_bytes(samples),
            Self::Hash(hash) => hash.heap_bytes(samples),
            Self::Set(set) => set.heap_bytes(samples),
            Self::SortedSet(sorted_set) => sorted_set.heap_bytes(samples),
            Self::Stream(stream) => size_of::<Stream>() + stream.heap_bytes(samples),
        }
    }

    /// The string, if it is one.
    pub fn as_string(&self) -> Option<&StringValue> {
        match self {
            Self::String(string) => Some(string),
            _ => None,
        }
    }

    /// The string, if it is one, to be changed.
    pub fn as_string_mut(&mut self) -> Option<&mut StringValue> {
        match self {
            Self::String(string) => Some(string),
            _ => None,
        }
    }
}

impl From<StringValue> for Value {
    fn from(string: StringValue) -> Self {
        Self::String(string)
    }
}

impl From<Stream> for Value {
    fn from(stream: Stream) -> Self {
        Self::Stream(Box::new(stream))
    }
}

macro_rules! data_type {
    ($($kind:ident),*) => {$(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::$kind(value)
            }
        }

        impl DataType for $kind {
            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$kind(value) => Some(value),
                    _ => None,
                }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$kind(value) => Some(value),
                    _ => None,
                }
            }
        }
    )*};
}

data_type!(List, Hash, Set, SortedSet);

impl DataType for Stream {
    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Stream(value) => Some(value),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Stream(value) => Some(value),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_no_more_than_four_words() {
        assert!(size_of::<Value>() <= 4 * size_of::<u64>());
    }
}
