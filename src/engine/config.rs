//! Settings that CONFIG reads and changes.

/// When a write is acknowledged with respect to the log (`appendfsync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AppendFsync {
    /// After it has been stored with strict durability.
    Always,
    /// At once; it is stored within a second.
    #[default]
    Everysec,
    /// At once; it is stored when the host finds it convenient.
    No,
}

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// `databases`: fixed at open.
    pub databases: usize,
    /// `appendonly`: whether effects go to the store.
    pub append_only: bool,
    /// `appendfsync`.
    pub append_fsync: AppendFsync,
    /// `notify-keyspace-events`: bits of [`super::notify::class`].
    pub notify: u32,
    /// `proto-max-bulk-len` in bytes.
    pub proto_max_bulk_len: usize,
    /// Counts changes by CONFIG SET, so that a host can see that there was one.
    pub generation: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            databases: 16,
            append_only: false,
            append_fsync: AppendFsync::Everysec,
            notify: 0,
            proto_max_bulk_len: 512 * 1024 * 1024,
            generation: 0,
        }
    }
}
