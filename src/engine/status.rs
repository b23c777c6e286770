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
    /// Bytes of the log in the store.
    pub current_size: u64,
    /// Bytes of its base.
    pub base_size: u64,
    /// Bytes that wait to be stored.
    pub buffered: u64,
    /// The offset up to which everything is stored.
    pub durable_offset: u64,
}
