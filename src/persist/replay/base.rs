//! The base of a log, loaded piece by piece.

use super::ReplayError;
use crate::engine::Engine;
use crate::engine::rdb::file::{Expired, Loader, Progress};
use crate::persist::frame::{self, FrameError, Kind};
use crate::persist::manifest::Base;

/// How loading goes on.
pub(super) enum Loading {
    /// There is more to do before the next piece.
    Working,
    /// It needs the next piece.
    Starving,
    /// All of the base is loaded.
    Complete,
}

/// A base that is being loaded.
pub(super) struct BaseReplay {
    base: Base,
    loader: Loader,
    pushed: u64,
}

impl BaseReplay {
    /// Begins with the first piece; `None` if there is nothing to load.
    pub(super) fn begin(engine: &mut Engine, base: Base) -> Option<Self> {
        // The log may give a key that is past its time another one.
        let loader = |engine| Loader::new(engine, Expired::Keep);
        (base.len > 0).then(|| Self { base, loader: loader(engine), pushed: 0 })
    }

    /// How many bytes were pushed.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Whether every piece was pushed.
    pub(super) fn has_all(&self) -> bool {
        self.pushed >= self.base.len
    }

    /// What there is to say if no more pieces come.
    pub(super) fn missing(&self) -> String {
        format!("the base ends at byte {} of {}", self.pushed, self.base.len)
    }

    /// Adds the next piece. The manifest speaks of it only since it was stored whole.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), ReplayError> {
        let here = self.pushed;
        let corrupt = |what: &str| ReplayError::Corrupt(format!("byte {here} of the base: {what}"));
        let piece = frame::decode(Kind::Piece, bytes).map_err(|error| match error {
            FrameError::TooNew { version, .. } => ReplayError::TooNew(version),
            _ => corrupt(&error.to_string()),
        })?;
        let end = here.saturating_add(piece.payload.len() as u64);
        if piece.origin != self.base.number || piece.offset != here || piece.payload.is_empty() {
            return Err(corrupt("a piece from somewhere else"));
        }
        if end > self.base.len {
            return Err(corrupt("it goes on after its end"));
        }
        self.loader.push(piece.payload);
        self.pushed = end;
        Ok(())
    }

    /// Reads some of what was pushed: about `budget` bytes.
    pub(super) fn step(&mut self, budget: usize) -> Result<Loading, ReplayError> {
        match self.loader.step(budget).map_err(|error| ReplayError::of("the base", &error))? {
            Progress::Working => Ok(Loading::Working),
            Progress::Hungry if !self.has_all() => Ok(Loading::Starving),
            Progress::Hungry => Err(ReplayError::Corrupt("the base has no end".to_owned())),
            Progress::Done => Ok(Loading::Complete),
        }
    }

    /// Puts what was read into the engine.
    pub(super) fn finish(self, engine: &mut Engine) -> Result<(), ReplayError> {
        let loaded =
            self.loader.finish(engine).map_err(|error| ReplayError::of("the base", &error))?;
        if !engine.requests.load(&loaded.aux) {
            return Err(ReplayError::Corrupt("the base: a record of a request".to_owned()));
        }
        Ok(())
    }

    /// Puts what was read into the engine, though there is more that cannot be.
    pub(super) fn salvage(self, engine: &mut Engine) {
        self.loader.salvage(engine);
    }

    /// Gives up what was read.
    pub(super) fn discard(self, engine: &mut Engine) {
        self.loader.discard(engine);
    }
}
