//! Takes the whole keyspace from another tab: pieces of a snapshot of an engine, which is loaded beside
//! what there is and takes its place at the end.
//!
//! The driver pushes a piece, has [`Incoming::step`] run until it answers false, and pushes the next;
//! after the last one comes [`Incoming::finish`].

use super::follow::Follower;
use super::replay::ReplayError;
use crate::engine::Engine;
use crate::engine::rdb::file::{Expired, Loader, Progress};

/// A snapshot that is being loaded.
pub struct Incoming {
    loader: Loader,
}

impl Incoming {
    /// Begins with nothing.
    pub fn new(engine: &mut Engine) -> Self {
        // The stream may give a key that is past its time another one.
        Self { loader: Loader::new(engine, Expired::Keep) }
    }

    /// Adds the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.loader.push(piece);
    }

    /// Reads some of what was pushed: about `budget` bytes. Whether there is more to do before the next
    /// piece.
    ///
    /// # Errors
    /// [`ReplayError`]: it is no snapshot of an engine, or there is no memory. Nothing has changed.
    pub fn step(&mut self, budget: usize) -> Result<bool, ReplayError> {
        match self.loader.step(budget).map_err(|error| ReplayError::of("a snapshot", &error))? {
            Progress::Working => Ok(true),
            Progress::Hungry | Progress::Done => Ok(false),
        }
    }

    /// Puts what was read in the place of what the engine holds, which follows the stream from
    /// `offset` on.
    ///
    /// # Errors
    /// [`ReplayError::Corrupt`]: the end is missing, or a record in it is malformed: the keyspace is not to
    /// be read then.
    pub fn finish(self, engine: &mut Engine, offset: u64) -> Result<Follower, ReplayError> {
        let loaded =
            self.loader.finish(engine).map_err(|error| ReplayError::of("a snapshot", &error))?;
        if !engine.requests.load(&loaded.aux) {
            return Err(ReplayError::Corrupt("a record of a request in a snapshot".to_owned()));
        }
        Ok(Follower::new(engine, offset))
    }

    /// Gives up what was read.
    pub fn discard(self, engine: &mut Engine) {
        self.loader.discard(engine);
    }
}
