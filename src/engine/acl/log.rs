//! The log of what was denied.

use super::Reason;

/// What was denied again within this time is one entry, if that is among the last so many.
const SAME_MS: i64 = 60_000;
const LOOKED_AT: usize = 10;
/// The longest object that is kept.
const OBJECT_MAX: usize = 4096;

/// Where something was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    Toplevel,
    Multi,
    Lua,
}

impl Context {
    /// The name in ACL LOG.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toplevel => "toplevel",
            Self::Multi => "multi",
            Self::Lua => "lua",
        }
    }
}

/// What was denied, to whom, and how often.
#[derive(Debug)]
pub struct Entry {
    pub count: i64,
    pub reason: Reason,
    pub context: Context,
    pub object: Vec<u8>,
    pub username: Vec<u8>,
    pub info: Vec<u8>,
    pub id: i64,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// The log, the latest first, and how often what was denied.
#[derive(Debug, Default)]
pub struct Log {
    pub entries: Vec<Entry>,
    next_id: i64,
}

impl Log {
    /// Adds an entry, or counts it in one like it; no more than `most` are kept.
    pub fn add(&mut self, mut entry: Entry, most: usize) {
        entry.object.truncate(OBJECT_MAX);
        let is_like = |known: &&mut Entry| {
            known.reason == entry.reason
                && known.context == entry.context
                && entry.updated_ms.abs_diff(known.updated_ms) <= SAME_MS as u64
                && known.object == entry.object
                && known.username == entry.username
        };
        if let Some(known) = self.entries.iter_mut().take(LOOKED_AT).find(is_like) {
            known.count += 1;
            (known.info, known.updated_ms) = (entry.info, entry.updated_ms);
        } else {
            entry.id = self.next_id;
            self.next_id += 1;
            self.entries.insert(0, entry);
        }
        self.entries.truncate(most);
    }
}
