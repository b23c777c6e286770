//! How an engine learns what memory there is. It has no allocator of its own to ask.

/// What the host knows of memory, asked when it is needed: it changes with every allocation.
///
/// All of it is of the whole program, which may hold several engines.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// Bytes that are allocated (`used_memory`).
    pub used: fn() -> usize,
    /// The most that `used` has ever been.
    pub peak: fn() -> usize,
    /// Bytes that the allocator has got hold of (`used_memory_rss`).
    pub total: fn() -> usize,
    /// Whether there is memory to be had, besides what a command needs to come to an end. It may try
    /// to get some.
    pub has_reserve: fn() -> bool,
}

impl Default for Meter {
    /// Nothing is known, and `maxmemory` never reached.
    fn default() -> Self {
        Self { used: || 0, peak: || 0, total: || 0, has_reserve: || true }
    }
}
