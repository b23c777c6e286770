//! Whether there is memory for what a command is going to do.
//!
//! What a command allocates besides some hundred kilobytes is asked about before, or reserved: where
//! there is none, the command is refused. To run out of memory in the middle would end the program.

use super::Engine;
use super::error::Error;
use super::table::{Command, flag};

/// So many bytes are not asked about.
const UNASKED: usize = 64 * 1024;
/// As long as the program has not got hold of so much memory, there is more.
const FEW: usize = 32 << 20;
/// So much of the effect stream may wait for the store where there is no memory, and where there is.
const FEW_EFFECTS: u64 = 64 * 1024;
pub(super) const MOST_EFFECTS: u64 = 256 << 20;
/// Parts of a value by which its size is estimated.
pub(super) const SAMPLES: usize = 16;

/// Asks the allocator for so many bytes, and gives them back.
///
/// # Errors
/// [`Error::OUT_OF_MEMORY`].
pub(in crate::engine) fn ask(bytes: usize) -> Result<(), Error> {
    if bytes <= UNASKED || Vec::<u8>::new().try_reserve_exact(bytes).is_ok() {
        return Ok(());
    }
    Err(Error::OUT_OF_MEMORY)
}

impl Engine {
    /// Asks for what it takes to store arguments, with what belongs to them, and to log them.
    #[inline]
    pub(super) fn ask_for_words(&self, argv: &[&[u8]]) -> Result<(), Error> {
        let bytes = argv.iter().map(|word| word.len() + 64).sum::<usize>();
        if bytes <= UNASKED {
            return Ok(());
        }
        // A buffer that grows is there twice.
        let times = if self.effects.is_enabled() { 4 } else { 2 };
        ask(bytes.saturating_mul(times))
    }

    /// Whether what a write comes to may be recorded: not if so much waits for the store that there is no
    /// memory for more, or should be none. It is stored when the task has ended.
    pub(super) fn may_log(&self, command: &Command) -> bool {
        let waiting = self.effects.waiting_bytes() as u64 + self.persistence.buffered;
        let is_tight = || waiting > FEW_EFFECTS && !(self.meter.has_reserve)();
        let is_much = !self.effects.has_room() || self.persistence.buffered > MOST_EFFECTS;
        // What frees more than it logs.
        let frees = match command.name {
            "del" | "unlink" => true,
            "flushall" | "flushdb" => self.keyspace.iter().any(|db| !db.is_empty()),
            _ => false,
        };
        frees || !(is_much || is_tight())
    }

    /// Asks for what it takes to copy values, if that is what the command does, or to keep them as they are.
    #[inline]
    pub(super) fn ask_before(
        &mut self,
        command: &Command,
        db: usize,
        argv: &[&[u8]],
    ) -> Result<(), Error> {
        if self.atomic.is_some() {
            self.before_in_atomic(command, db, argv)?;
        }
        self.ask_for_copies(command, db, argv)
    }

    #[inline]
    fn ask_for_copies(&self, command: &Command, db: usize, argv: &[&[u8]]) -> Result<(), Error> {
        if !command.has(flag::COPIES) || (self.meter.total)() < FEW {
            return Ok(());
        }
        // Without a reserve there is nothing that even a small copy could be sure of.
        if !(self.meter.has_reserve)() {
            return Err(Error::OUT_OF_MEMORY);
        }
        let positions = command.key_positions(argv).unwrap_or_default();
        let values =
            positions.iter().filter_map(|(at, _)| self.keyspace.db(db).get(argv.get(*at)?));
        let bytes: usize = values.map(|object| object.value.heap_bytes(SAMPLES)).sum();
        // Another encoding may take twice as much.
        ask(bytes.saturating_mul(3))
    }
}
