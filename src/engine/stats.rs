//! Counters that INFO shows and CONFIG RESETSTAT clears.

use crate::collections::Sorted;

/// Error codes that are counted apart; a client can make up codes only through bugs of ours, but
/// the map stays bounded all the same.
const ERROR_CODES: usize = 128;

/// What has happened since the engine began, or since CONFIG RESETSTAT.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Commands run.
    pub commands: u64,
    /// Sessions begun.
    pub connections: u64,
    /// Connections that were refused since there were too many.
    pub rejected_connections: u64,
    /// Connections that were closed since they sent so much without an end.
    pub query_limit_disconnections: u64,
    /// Keys found by commands that answer their value.
    pub keyspace_hits: u64,
    /// Keys not found.
    pub keyspace_misses: u64,
    /// Keys that ceased to exist because their time had come.
    pub expired_keys: u64,
    /// Fields of hashes that ceased to exist because their time had come.
    pub expired_fields: u64,
    /// Keys that ceased to exist because of `maxmemory`.
    pub evicted_keys: u64,
    /// For how long more memory was used than `maxmemory`, in microseconds, not counting the time since
    /// it last was not.
    pub eviction_exceeded_us: u64,
    /// Requests that users may not make, in the order of [`super::acl::Reason::NAMES`].
    pub denied: [u64; 4],
    /// Error replies.
    pub errors: u64,
    /// Error replies by their code (`ERR`, `WRONGTYPE`, …).
    pub errors_by_code: Sorted<Vec<u8>, u64>,
    /// Changes of the keyspace since the log was last whole (`rdb_changes_since_last_save`).
    pub changes: u64,
}

impl Stats {
    /// Counts one error reply.
    pub fn count_error(&mut self, code: &[u8]) {
        self.errors += 1;
        if let Some(count) = self.errors_by_code.get_mut(code) {
            *count += 1;
        } else if self.errors_by_code.len() < ERROR_CODES {
            self.errors_by_code.insert(code.to_vec(), 1);
        }
    }

    /// Counts commands whose replies the host had copies of.
    pub fn count_copies(&mut self, replies: u64) {
        self.commands += replies;
        self.keyspace_hits += replies;
    }

    /// Counts one lookup.
    pub fn count_lookup(&mut self, found: bool) {
        *(if found { &mut self.keyspace_hits } else { &mut self.keyspace_misses }) += 1;
    }
}
