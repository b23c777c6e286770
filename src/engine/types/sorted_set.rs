//! The value type behind the commands of its family.

use super::Listpack;

/// A collection in Redis's encodings.
#[derive(Clone, Debug, Default)]
pub struct SortedSet(Listpack);

impl SortedSet {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name that `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        "listpack"
    }
}
