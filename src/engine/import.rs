//! An RDB file that takes the place of everything there is, in one step and while commands run.
//!
//! It is read into a keyspace of its own ([`Loader`]). Until that is exchanged for the engine's,
//! nothing has changed; what is written meanwhile goes with what there was.

use super::Engine;
use super::eviction::Policy;
use super::rdb::file::{Cause, Expired, LoadError, Loaded, Loader, Progress};
use super::room::ask;

/// So much may be taken at once without asking for it, as long as there is the reserve.
const UNASKED: usize = 256 * 1024;

/// A file that is being read.
pub struct Import {
    loader: Loader,
    /// Bytes of memory that it has taken.
    bytes: usize,
}

impl Import {
    /// Begins with a file of which nothing is there yet.
    pub fn begin(engine: &mut Engine) -> Self {
        Self { loader: Loader::new(engine, Expired::Skip), bytes: 0 }
    }

    /// Adds the next bytes of the file, cut anywhere.
    ///
    /// # Errors
    /// There is no memory for them. The import is to be given up then.
    pub fn push(&mut self, engine: &mut Engine, bytes: &[u8]) -> Result<(), LoadError> {
        // The buffer grows by what it has.
        self.may(engine, self.loader.unread().saturating_add(bytes.len()))?;
        self.count(engine, |loader| {
            loader.push(bytes);
            Ok(())
        })
    }

    /// Reads on for about as long as `budget` bytes take.
    ///
    /// # Errors
    /// What is wrong with the file. The import is to be given up then.
    pub fn step(&mut self, engine: &mut Engine, budget: usize) -> Result<Progress, LoadError> {
        // A string that is there whole may be copied, and be turned into something else.
        self.may(engine, self.loader.unread())?;
        self.count(engine, |loader| loader.step(budget))
    }

    /// How many bytes of the file have been read.
    pub fn offset(&self) -> u64 {
        self.loader.offset()
    }

    /// Puts what was read in the place of everything there is. Who watches a key, waits for one or has
    /// copied a value learns of it; a log has to begin anew with what there is then.
    ///
    /// # Errors
    /// If the file has not come to its end, or goes on after it; nothing has changed then.
    pub fn finish(self, engine: &mut Engine) -> Result<Loaded, LoadError> {
        let goes_on = self.loader.is_done() && self.loader.unread() > 0;
        let rest = if goes_on { Err(self.loader.error(Cause::Rest)) } else { Ok(()) };
        if let Err(error) = rest.and_then(|()| self.may(engine, 0)) {
            self.discard(engine);
            return Err(error);
        }
        engine.beside = engine.beside.saturating_sub(self.bytes);
        let loaded = self.loader.finish(engine)?;
        engine.effects.cut();
        engine.persistence.replaced(engine.effects.offset());
        // What was there is gone, and that is as far as the stream can tell. From here on it is worth
        // nothing without the base to come, but whoever waits for this offset waits for that.
        engine.watch_for_upstream();
        engine.effects.begin_unit();
        engine.effects.append(0, &[b"FLUSHALL"]);
        engine.note_unit(false);
        engine.effects.end_unit();
        engine.copied = None;
        engine.serve_blocked();
        Ok(loaded)
    }

    /// Gives up what was read; nothing has changed.
    pub fn discard(self, engine: &mut Engine) {
        engine.beside = engine.beside.saturating_sub(self.bytes);
        self.loader.discard(engine);
    }

    /// Does some work, and takes note of the memory that it takes.
    fn count<T>(
        &mut self,
        engine: &mut Engine,
        work: impl FnOnce(&mut Loader) -> Result<T, LoadError>,
    ) -> Result<T, LoadError> {
        let before = (engine.meter.used)();
        let result = work(&mut self.loader);
        let after = (engine.meter.used)();
        self.bytes = self.bytes.saturating_add(after).saturating_sub(before);
        engine.beside = engine.beside.saturating_add(after).saturating_sub(before);
        result
    }

    /// Whether there is memory to go on with, and for two times so many bytes at once.
    fn may(&self, engine: &Engine, bytes: usize) -> Result<(), LoadError> {
        let maxmemory = engine.config.maxmemory;
        // Other policies let keys go once it is there.
        let is_limited = maxmemory.bytes > 0 && maxmemory.policy == Policy::NoEviction;
        let used = (self.bytes + engine.startup_bytes) as u64;
        let bytes = if bytes > UNASKED { bytes.saturating_mul(2) } else { 0 };
        if (is_limited && used > maxmemory.bytes)
            || !(engine.meter.has_reserve)()
            || ask(bytes).is_err()
        {
            return Err(self.loader.error(Cause::NoMemory));
        }
        Ok(())
    }
}
