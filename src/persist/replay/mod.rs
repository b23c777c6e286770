//! Makes the keyspace again from the base and the records of a store.
//!
//! The driver pushes the pieces of the base, then the records, in the order of their offsets, and
//! calls [`Replay::step`] as long as there is something to do, giving the page its turn in between;
//! then [`Replay::finish`]. Nothing else may use the engine meanwhile.
//!
//! What the records hold is read and run as [`super::apply`] says.

mod base;

use super::apply::Applier;
use super::follow::Follower;
use super::frame::{self, FrameError, Kind};
use super::manifest::Manifest;
use crate::engine::Engine;
use crate::engine::rdb::file::{Cause, LoadError};
use crate::engine::stats::Stats;
use base::{BaseReplay, Loading};
use std::collections::VecDeque;

/// Why a store cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// A record of a newer format version.
    TooNew(u32),
    /// Something that cannot be explained by a write that was cut short.
    Corrupt(String),
    /// No memory for it.
    OutOfMemory,
}

impl ReplayError {
    /// What is wrong with an RDB file that is a part of what is replayed.
    pub(super) fn of(what: &str, error: &LoadError) -> Self {
        match error.cause {
            Cause::NoMemory => Self::OutOfMemory,
            _ => Self::Corrupt(format!("{what}: {error}")),
        }
    }
}

/// What the end of the log looked like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Where the stream goes on: the offset after the last whole unit.
    pub offset: u64,
    /// The last record was not whole, or ended within a unit.
    pub repair: Option<Repair>,
}

/// How the store is made to end where the replay did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Delete every record from this offset on.
    pub delete_from: u64,
    /// Then the payload of the record at that offset, unless it is empty.
    pub payload: Vec<u8>,
    /// What was found.
    pub reason: String,
}

/// Bytes of the base that count as a step.
const BASE_STEP_LEN: usize = 128;

/// A replay under way.
pub struct Replay {
    stats: Stats,
    /// What comes before the records, until all of it is loaded.
    base: Option<BaseReplay>,
    /// The length of the base.
    base_len: u64,
    /// Where the records begin.
    start: u64,
    /// Runs the records.
    applier: Applier,
    /// The offsets of the records that are not applied, or only in part.
    starts: VecDeque<u64>,
    cut: Option<(u64, FrameError)>,
}

impl Replay {
    /// Begins with a store that has this manifest. What the engine holds is gone when that is loaded,
    /// or at once if there is no base. The engine is loading until the end.
    pub fn begin(engine: &mut Engine, manifest: &Manifest) -> Self {
        engine.set_loading(true);
        engine.requests.clear();
        if manifest.base.len == 0 {
            engine.clear();
        }
        Self {
            stats: engine.stats.clone(),
            base: BaseReplay::begin(engine, manifest.base),
            base_len: manifest.base.len,
            start: manifest.start,
            applier: Applier::new(engine, manifest.start),
            starts: VecDeque::new(),
            cut: None,
        }
    }

    /// How many bytes of the base and the records are done.
    pub fn done(&self) -> u64 {
        let base = self.base.as_ref().map_or(self.base_len, BaseReplay::pushed);
        base.saturating_add(self.applier.applied().saturating_sub(self.start))
    }

    /// Whether the next frame to be pushed is a piece of the base, and not a record.
    pub fn wants_piece(&self) -> bool {
        self.base.as_ref().is_some_and(|base| !base.has_all())
    }

    /// The offset from which the next frame is to be looked for: in the base if it is a piece, or else
    /// in the effect stream.
    pub fn next_key(&self) -> u64 {
        match &self.base {
            Some(base) if !base.has_all() => base.pushed(),
            _ => self.applier.end().saturating_add(u64::from(self.cut.is_some())),
        }
    }

    /// Adds the next frame. All [`Replay::step`]s of the one before it must be done.
    ///
    /// # Errors
    /// [`ReplayError`]: it is of a newer version, it does not follow the frame before it, or that
    /// one was not whole: only the last record may be torn.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ReplayError> {
        match &mut self.base {
            Some(base) if !base.has_all() => base.push(bytes),
            _ => self.push_record(bytes),
        }
    }

    fn push_record(&mut self, bytes: &[u8]) -> Result<(), ReplayError> {
        if let Some((offset, error)) = self.cut {
            return Err(ReplayError::Corrupt(format!("record at offset {offset}: {error}")));
        }
        let end = self.applier.end();
        let record = match frame::decode(Kind::Record, bytes) {
            Ok(record) => record,
            Err(FrameError::TooNew { version, .. }) => return Err(ReplayError::TooNew(version)),
            Err(error) => {
                self.cut = Some((end, error));
                return Ok(());
            }
        };
        if record.offset != end {
            return Err(ReplayError::Corrupt(format!(
                "a record begins at offset {}, but the one before it ends at {end}",
                record.offset
            )));
        }
        if record.payload.is_empty() {
            return Err(ReplayError::Corrupt(format!("an empty record at {end}")));
        }
        self.forget_applied();
        self.applier.push(record.payload)?;
        self.starts.push_back(end);
        Ok(())
    }

    /// Runs commands of up to `steps` steps: each is one, and more if it is long; or as many times
    /// [`BASE_STEP_LEN`] bytes of the base. Whether there is more to do before the next frame.
    ///
    /// # Errors
    /// [`ReplayError::Corrupt`]: not RDB, not RESP, not a write command, or one that answers an error.
    pub fn step(&mut self, engine: &mut Engine, steps: usize) -> Result<bool, ReplayError> {
        let Some(base) = &mut self.base else { return self.applier.step(engine, steps) };
        match base.step(steps.saturating_mul(BASE_STEP_LEN))? {
            Loading::Working => return Ok(true),
            Loading::Starving => return Ok(false),
            Loading::Complete => {}
        }
        self.base.take().map_or(Ok(()), |base| base.finish(engine))?;
        Ok(true)
    }

    /// Ends the replay; the engine's stream goes on where the log ends.
    ///
    /// # Errors
    /// [`ReplayError::Corrupt`]: the end of the base is missing.
    pub fn finish(self, engine: &mut Engine) -> Result<Finished, ReplayError> {
        let (finished, follower) = self.follow(engine)?;
        follower.end_following(engine);
        Ok(finished)
    }

    /// As [`Replay::finish`], and follows a stream from there on.
    ///
    /// # Errors
    /// As [`Replay::finish`].
    pub fn follow(mut self, engine: &mut Engine) -> Result<(Finished, Follower), ReplayError> {
        if let Some(base) = &self.base {
            let error = ReplayError::Corrupt(base.missing());
            self.abandon(engine);
            return Err(error);
        }
        let offset = self.applier.applied();
        let repair = self.unreadable().map(|reason| {
            self.forget_applied();
            let delete_from = self.starts.front().copied().unwrap_or(offset);
            let payload = self.applier.applied_from(delete_from).to_vec();
            Repair { delete_from, payload, reason }
        });
        self.applier.rewind();
        engine.stats = self.stats;
        let follower = Follower::with(engine, self.applier);
        engine.set_loading(false);
        Ok((Finished { offset, repair }, follower))
    }

    /// Ends the replay with what could be read, be there more or not; answers what cannot be read, if
    /// there is something. Nothing of a store is to be changed after that.
    pub fn salvage(mut self, engine: &mut Engine) -> Option<String> {
        let missing = self.base.take().map(|base| {
            let missing = base.missing();
            base.salvage(engine);
            missing
        });
        let missing = missing.or_else(|| self.unreadable());
        self.abandon(engine);
        missing
    }

    /// What is wrong with the end of the log, if something is.
    fn unreadable(&self) -> Option<String> {
        let applied = self.applier.applied();
        match self.cut {
            Some((offset, error)) => Some(format!("record at offset {offset}: {error}")),
            None if applied < self.applier.end() => {
                Some(format!("the log ends within a unit at offset {applied}"))
            }
            None => None,
        }
    }

    /// Ends a replay that failed. What was replayed so far is in the keyspace.
    pub fn abandon(self, engine: &mut Engine) {
        if let Some(base) = self.base {
            base.discard(engine);
        }
        self.applier.end_session(engine);
        engine.stats = self.stats;
        engine.set_loading(false);
    }

    /// Drops records that were run to their end.
    fn forget_applied(&mut self) {
        let (applied, end) = (self.applier.applied(), self.applier.end());
        let whole = |starts: &VecDeque<u64>| starts.get(1).copied().unwrap_or(end);
        while !self.starts.is_empty() && whole(&self.starts) <= applied {
            self.starts.pop_front();
        }
        self.applier.forget_before(self.starts.front().copied().unwrap_or(end));
    }
}
