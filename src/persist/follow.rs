//! Follows a leader: applies the stretches of its effect stream as they come.
//!
//! The engine must be a follower ([`Engine::set_follower`]). Sessions may read between two steps: a
//! step applies whole units only, so that none is ever seen in part, and the engine is loading during
//! a step alone. Who asks has [`Follower::step`] run until it answers false; what
//! [`Engine::effects`](crate::engine::effects::Effects::offset) tells is the offset that reads are
//! true for.

use super::apply::Applier;
use super::replay::ReplayError;
use crate::engine::Engine;

/// Why a stretch was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushError {
    /// The bytes from this offset on are missing; they can still be pushed.
    Gap(u64),
    /// What [`Follower::step`] answers from now on.
    Failed(ReplayError),
}

/// Applies a stream to an engine from some offset on.
pub struct Follower {
    applier: Applier,
    failed: Option<ReplayError>,
}

impl Follower {
    /// Begins at `offset`, where the engine's keyspace is: at the beginning of a stretch. After a
    /// replay, [`super::replay::Replay::follow`] goes on anywhere.
    pub fn new(engine: &mut Engine, offset: u64) -> Self {
        let applier = Applier::new(engine, offset);
        Self::with(engine, applier)
    }

    pub(super) fn with(engine: &mut Engine, applier: Applier) -> Self {
        engine.effects.resume_at(applier.applied());
        Self { applier, failed: None }
    }

    /// The offset after the last unit that was applied.
    pub fn applied(&self) -> u64 {
        self.applier.applied()
    }

    /// The offset after the last byte that was pushed.
    pub fn end(&self) -> u64 {
        self.applier.end()
    }

    /// Adds the stream from `offset` on. What has been pushed before is passed over.
    ///
    /// # Errors
    /// [`PushError`]; nothing has been added then.
    pub fn push(&mut self, offset: u64, bytes: &[u8]) -> Result<(), PushError> {
        if let Some(error) = &self.failed {
            return Err(PushError::Failed(error.clone()));
        }
        let end = self.end();
        let known = end.checked_sub(offset).ok_or(PushError::Gap(end))?;
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let pushed = self.applier.push(bytes.get(known..).unwrap_or_default());
        pushed.map_err(|error| PushError::Failed(self.fail(error)))
    }

    /// Applies units of up to `steps` steps, and the last one whole: a command is a step, and more
    /// if it is long. Whether there may be more to do.
    ///
    /// # Errors
    /// [`ReplayError`]: the stream is no effect stream, or there is no memory. A unit may be applied in
    /// part then: the keyspace must not be read any more, and everything be loaded anew.
    pub fn step(&mut self, engine: &mut Engine, steps: usize) -> Result<bool, ReplayError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        engine.set_loading(true);
        let result = self.applier.step(engine, steps.max(1));
        self.applier.forget_applied();
        engine.effects.resume_at(self.applier.applied());
        engine.set_loading(false);
        result.map_err(|error| self.fail(error))
    }

    /// Ends following; answers [`Follower::applied`], where a stream of the engine's own goes on.
    pub fn end_following(self, engine: &mut Engine) -> u64 {
        let applied = self.applied();
        self.applier.end_session(engine);
        applied
    }

    fn fail(&mut self, error: ReplayError) -> ReplayError {
        self.failed.insert(error).clone()
    }
}
