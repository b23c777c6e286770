//! Counters that INFO shows and CONFIG RESETSTAT clears.

/// What has happened since the engine began, or since CONFIG RESETSTAT.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Commands run.
    pub commands: u64,
    /// Sessions begun.
    pub connections: u64,
    /// Keys found by commands that answer their value.
    pub keyspace_hits: u64,
    /// Keys not found.
    pub keyspace_misses: u64,
    /// Keys that ceased to exist because their time had come.
    pub expired_keys: u64,
    /// Error replies.
    pub errors: u64,
    /// Changes of the keyspace since the log was last whole (`rdb_changes_since_last_save`).
    pub changes: u64,
}

impl Stats {
    /// Counts one lookup.
    pub fn count_lookup(&mut self, found: bool) {
        *(if found { &mut self.keyspace_hits } else { &mut self.keyspace_misses }) += 1;
    }
}
