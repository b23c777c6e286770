//! Counters that INFO shows and CONFIG RESETSTAT clears.

use crate::collections::Sorted;
use std::collections::VecDeque;

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
    /// Bytes that came from connections.
    pub net_input: u64,
    /// Bytes that connections were sent.
    pub net_output: u64,
    /// The lately seen, the oldest first.
    samples: VecDeque<Sample>,
}

/// What there was at some time.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at_ms: i64,
    commands: u64,
    net_input: u64,
    net_output: u64,
}

/// Between two samples there is at least so much time.
const SAMPLE_MS: i64 = 100;
/// What happens now is the mean of so much time, as in Redis.
const SAMPLES_MS: i64 = 1600;

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

    /// Takes note of what there is now, if that was not done just before.
    pub fn sample(&mut self, at_ms: i64) {
        match self.samples.back() {
            // The clock was set back.
            Some(last) if at_ms < last.at_ms => self.samples.clear(),
            Some(last) if at_ms < last.at_ms.saturating_add(SAMPLE_MS) => return,
            _ => {}
        }
        // One that is older stays: from it on, what came since can be told.
        while self.samples.get(1).is_some_and(|next| next.at_ms <= at_ms.saturating_sub(SAMPLES_MS))
        {
            self.samples.pop_front();
        }
        let Self { commands, net_input, net_output, .. } = *self;
        self.samples.push_back(Sample { at_ms, commands, net_input, net_output });
    }

    /// Per second, commands, and bytes from connections and to them.
    pub fn rates(&self, now_ms: i64) -> [u64; 3] {
        let Some(first) = self.samples.front() else { return [0; 3] };
        let ms =
            u64::try_from(now_ms.saturating_sub(first.at_ms)).unwrap_or(0).max(SAMPLE_MS as u64);
        let per_s = |now: u64, then: u64| now.saturating_sub(then).saturating_mul(1000) / ms;
        [
            per_s(self.commands, first.commands),
            per_s(self.net_input, first.net_input),
            per_s(self.net_output, first.net_output),
        ]
    }

    /// Counts commands whose replies the host had copies of.
    pub fn count_copies(&mut self, replies: u64) {
        self.commands += replies;
        self.keyspace_hits += replies;
    }

    /// Begins anew; `changes` counts since the last save and not since the last reset.
    pub fn reset(&mut self) {
        *self = Self { changes: self.changes, ..Self::default() };
    }

    /// Counts one lookup.
    pub fn count_lookup(&mut self, found: bool) {
        *(if found { &mut self.keyspace_hits } else { &mut self.keyspace_misses }) += 1;
    }
}
