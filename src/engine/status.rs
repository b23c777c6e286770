//! What the host tells the engine about the log, for INFO, LASTSAVE and MISCONF.

/// The state of persistence. The log's driver keeps it true.
#[derive(Clone, Debug, Default)]
pub struct PersistenceStatus {
    /// Whether a store is attached at all.
    pub attached: bool,
    /// Why the last write to the store failed; writes are refused with `MISCONF` while it is set.
    pub write_error: Option<String>,
    /// When the log was last whole in the store: Unix seconds, 0 for never.
    pub last_save_s: i64,
    /// Bytes of the log in the store, its base included.
    pub current_size: u64,
    /// Bytes of its base.
    pub base_size: u64,
    /// Bytes that wait to be stored.
    pub buffered: u64,
    /// The offset up to which everything is on the disk.
    pub durable_offset: u64,
    /// Whether a base is being written, or will be at once.
    pub rewriting: bool,
    /// How often a base was written, or could not be.
    pub saves: u64,
    /// Why the last one could not be written.
    pub save_error: Option<String>,
    /// When the one that is being written began: Unix milliseconds.
    pub rewrite_began_ms: i64,
    /// How long the last one took, in milliseconds.
    pub rewrite_took_ms: Option<i64>,
    /// What commands have asked the host for.
    pub requests: Requests,
}

/// What commands ask of the host, until it has taken note.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// A new base.
    pub rewrite: bool,
    /// Everything up to this offset is to be on the disk.
    pub durable_offset: u64,
    /// At this offset everything was replaced: no effects make of what was before what came then, and
    /// those that follow are worth nothing before there is a new base.
    pub replaced_at: Option<u64>,
}

impl PersistenceStatus {
    /// Asks the host for a new base.
    pub fn want_rewrite(&mut self) {
        self.rewriting = true;
        self.requests.rewrite = true;
    }

    /// Tells the host that everything was replaced at `offset`.
    pub fn replaced(&mut self, offset: u64) {
        self.requests.replaced_at = Some(offset);
    }

    /// Asks the host to have everything up to `offset` on the disk.
    pub fn want_durable(&mut self, offset: u64) {
        self.requests.durable_offset = self.requests.durable_offset.max(offset);
    }

    /// The last base was written, or could not be for this reason.
    pub fn saved(&mut self, error: Option<String>, now_ms: i64) {
        self.saves += 1;
        self.save_error = error;
        self.rewrite_took_ms = Some(now_ms.saturating_sub(self.rewrite_began_ms));
    }
}
