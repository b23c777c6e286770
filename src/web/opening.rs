//! Reading a store into an engine: to go on writing it, or to save what can be read of it.

use super::facade::Core;
use super::log::{Driver, Keeping, tell};
use super::reader::Reader;
use super::store::{AppendError, CORRUPT, Claim, Claimant, Done, Part, Store, StoreError};
use super::timer::{LOAD_MS, after_this_task, elapsed_ms, now_ms};
use crate::persist::follow::Follower;
use crate::persist::frame::{self, Frame, Kind};
use crate::persist::manifest::Manifest;
use crate::persist::replay::{Finished, Repair, Replay, ReplayError};
use js_sys::Function;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What runs between two looks at the clock, in steps of [`Replay::step`].
const SLICE_STEPS: usize = 64;

/// Hears whether a store was opened.
pub(super) type Settle = Box<dyn FnOnce(Result<Rc<Driver>, StoreError>)>;
/// Hears what could not be read of a store, if something could not.
pub(super) type Salvaged = Box<dyn FnOnce(Result<Option<String>, StoreError>)>;

/// Hears of a copy that goes on where the store ends, and of what that end looks like.
pub(super) type Followed = Box<dyn FnOnce(Result<(Finished, Follower), StoreError>)>;

/// What becomes of a store that was read.
enum Purpose {
    /// It is somebody's stream, which is followed from there on, unless that is given up meanwhile.
    Follow(Rc<Cell<bool>>, Followed),
    /// It goes on being written.
    Own(Keeping, Settle),
    /// It stays as it is.
    Salvage(Salvaged),
}

/// A store being loaded.
pub(super) struct Opening {
    core: Rc<RefCell<Core>>,
    store: Rc<dyn Store>,
    claim: Claim,
    on_event: Function,
    replay: Replay,
    reader: Rc<Reader>,
    purpose: Purpose,
}

impl Opening {
    /// Takes the store over, and reads it into the engine.
    pub(super) fn claim(
        core: Rc<RefCell<Core>>,
        store: Rc<dyn Store>,
        options: Keeping,
        on_event: Function,
        settle: Settle,
    ) {
        let claimant = Claimant { append_only: options.append_only, now_ms: now_ms(), anew: None };
        let claiming = Rc::clone(&store);
        let done = move |claim: Result<Claim, StoreError>| match claim {
            Err(error) => {
                store.close();
                settle(Err(error));
            }
            Ok(claim) => Self::begin(core, store, claim, on_event, Purpose::Own(options, settle)),
        };
        claiming.claim(claimant, Box::new(done));
    }

    /// Reads what can be read of the store into the engine.
    pub(super) fn salvage(
        core: Rc<RefCell<Core>>,
        store: Rc<dyn Store>,
        on_event: Function,
        salvaged: Salvaged,
    ) {
        let inspected = Rc::clone(&store);
        let done = move |claim: Result<Claim, StoreError>| match claim {
            Err(error) => {
                store.close();
                salvaged(Err(error));
            }
            Ok(claim) => Self::begin(core, store, claim, on_event, Purpose::Salvage(salvaged)),
        };
        inspected.inspect(Box::new(done));
    }

    /// Reads the store, which somebody else may be writing, into the engine: what `claim` says of it.
    /// Setting `given_up` ends that: nothing is heard of it any more.
    pub(super) fn follow(
        core: Rc<RefCell<Core>>,
        store: Rc<dyn Store>,
        claim: Claim,
        on_event: Function,
        given_up: Rc<Cell<bool>>,
        followed: Followed,
    ) {
        Self::begin(core, store, claim, on_event, Purpose::Follow(given_up, followed));
    }

    fn begin(
        core: Rc<RefCell<Core>>,
        store: Rc<dyn Store>,
        claim: Claim,
        on_event: Function,
        purpose: Purpose,
    ) {
        let manifest = &claim.manifest;
        let replay = Replay::begin(&mut core.borrow_mut().engine, manifest);
        let (part, from) = match manifest.base.len {
            0 => (Part::Log, manifest.start),
            _ => (Part::Base(manifest.base.number), 0),
        };
        let reader = Reader::new(Rc::clone(&store), part, from);
        Self { core, store, claim, on_event, replay, reader, purpose }.run();
    }

    /// Replays for one slice of time.
    fn run(mut self) {
        if matches!(&self.purpose, Purpose::Follow(given_up, _) if given_up.get()) {
            return self.replay.abandon(&mut self.core.borrow_mut().engine);
        }
        let started = elapsed_ms();
        while elapsed_ms() - started < LOAD_MS {
            let stepped = self.replay.step(&mut self.core.borrow_mut().engine, SLICE_STEPS);
            match stepped {
                Err(error) => return self.fail(replay_error(error)),
                Ok(true) => continue,
                Ok(false) => {}
            }
            if self.reader.part() != Part::Log && !self.replay.wants_piece() {
                let (store, from) = (Rc::clone(&self.store), self.replay.next_key());
                self.reader = Reader::new(store, Part::Log, from);
            }
            let reader = Rc::clone(&self.reader);
            let Some(frame) = reader.next(self.replay.next_key()) else {
                // What reading takes is not to be added to this slice, nor this to that.
                return reader.when_ready(move |ended| match ended {
                    Ok(true) => self.finish(),
                    Ok(false) => self.pause(),
                    Err(error) => self.fail(error),
                });
            };
            let pushed =
                frame.bytes().and_then(|bytes| self.replay.push(&bytes).map_err(replay_error));
            if let Err(error) = pushed {
                return self.fail(error);
            }
        }
        self.pause();
    }

    /// Goes on in the next task.
    fn pause(self) {
        let Manifest { base, start, .. } = self.claim.manifest;
        let log = self.claim.last.unwrap_or(start).saturating_sub(start);
        let total = base.len.saturating_add(log).max(1) as f64;
        tell(&self.on_event, "progress", (self.replay.done() as f64 / total).min(1.0).into());
        after_this_task(Box::new(move || self.run()));
    }

    fn fail(self, error: StoreError) {
        let Self { core, store, replay, purpose, .. } = self;
        if !matches!(purpose, Purpose::Follow(..)) {
            store.close();
        }
        let keeps = matches!(purpose, Purpose::Salvage(_)) && error.code == CORRUPT;
        if keeps {
            replay.salvage(&mut core.borrow_mut().engine);
        } else {
            replay.abandon(&mut core.borrow_mut().engine);
        }
        match purpose {
            Purpose::Follow(_, followed) => followed(Err(error)),
            Purpose::Own(_, settle) => settle(Err(error)),
            Purpose::Salvage(salvaged) if keeps => salvaged(Ok(Some(error.message))),
            Purpose::Salvage(salvaged) => salvaged(Err(error)),
        }
    }

    /// The whole log has been read.
    fn finish(self) {
        let Self { core, store, claim, on_event, replay, purpose, .. } = self;
        let (options, settle) = match purpose {
            Purpose::Own(options, settle) => (options, settle),
            Purpose::Follow(given_up, _) if given_up.get() => {
                return replay.abandon(&mut core.borrow_mut().engine);
            }
            Purpose::Follow(_, followed) => {
                let result = replay.follow(&mut core.borrow_mut().engine).map_err(replay_error);
                return followed(result);
            }
            Purpose::Salvage(salvaged) => {
                store.close();
                let missing = replay.salvage(&mut core.borrow_mut().engine);
                return salvaged(Ok(missing));
            }
        };
        let finished = match replay.finish(&mut core.borrow_mut().engine) {
            Ok(finished) => finished,
            Err(error) => {
                store.close();
                return settle(Err(replay_error(error)));
            }
        };
        tell(&on_event, "progress", 1.into());
        let manifest = claim.manifest;
        let driver =
            Driver::new(core, Rc::clone(&store), options, on_event, claim, finished.offset);
        let Some(repair) = finished.repair else {
            driver.start();
            return settle(Ok(driver));
        };
        let closing = Rc::clone(&store);
        let on_event = driver.on_event.clone();
        let done = move |result: Result<(), StoreError>| match result {
            Ok(()) => {
                driver.start();
                settle(Ok(driver));
            }
            Err(error) => {
                closing.close();
                settle(Err(error));
            }
        };
        cut(&*store, &manifest, repair, on_event, Box::new(done));
    }
}

/// Makes the store of this owner end where its replay did, and tells that.
pub(super) fn cut(
    store: &dyn Store,
    owner: &Manifest,
    repair: Repair,
    on_event: Function,
    done: Done<Result<(), StoreError>>,
) {
    let frame = Frame {
        kind: Kind::Record,
        origin: owner.epoch,
        offset: repair.delete_from,
        payload: &repair.payload,
    };
    let kept = if repair.payload.is_empty() { None } else { frame::encode(&frame) };
    let reason = repair.reason.clone();
    let ended = move |result| {
        done(match result {
            Ok(()) => {
                tell(&on_event, "cut", reason.into());
                Ok(())
            }
            Err(AppendError::Fenced) => Err(StoreError::fenced()),
            Err(AppendError::Lost(why) | AppendError::Failed(why)) => {
                Err(StoreError::unavailable(why))
            }
        });
    };
    store.repair(owner, &repair, kept.as_deref(), Box::new(ended));
}

pub(super) fn replay_error(error: ReplayError) -> StoreError {
    match error {
        ReplayError::TooNew(version) => StoreError::too_new(format!(
            "a record has format version {version}, which this Lodis cannot read"
        )),
        ReplayError::Corrupt(what) => StoreError::corrupt(what),
        ReplayError::OutOfMemory => StoreError::no_memory(),
    }
}
