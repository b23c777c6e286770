//! What is done with the engine and the store, one after the other: claiming, loading, applying,
//! leading, and running requests.

use super::super::log;
use super::super::opening::{Opening, cut, replay_error};
use super::super::reader::Reader;
use super::super::store::{Claim, Claimant, Done, Part, Store, StoreError};
use super::super::timer::{LOAD_MS, after_ms, after_this_task, elapsed_ms, now_ms};
use super::driver::{Driver, store_error, then, with};
use super::guests::told;
use super::sync::Place;
use crate::engine::Engine;
use crate::persist::follow::{Follower, PushError};
use crate::persist::lineage::Lineage;
use crate::persist::manifest::Manifest;
use crate::persist::measure::{Measure, Measured};
use crate::persist::replay::{Finished, Repair, ReplayError};
use crate::replication::leader::Inheritance;
use crate::replication::peer::{Action, Claimed};
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What is applied between two looks at the clock, in steps of [`Follower::step`].
const SLICE_STEPS: usize = 64;
/// How often a store is read that changes meanwhile, and how long to wait in between, in milliseconds.
const LOADS_MAX: u32 = 5;
const RELOAD_MS: f64 = 100.0;

/// What [`Action::Lead`] says.
struct Begin {
    lineage: Lineage,
    offset: u64,
    stored: u64,
    tail: Vec<Vec<u8>>,
    anew: bool,
}

#[derive(Default)]
pub(super) struct Lane {
    actions: VecDeque<Action>,
    /// The first action takes its time.
    is_busy: bool,
    /// The tab has left, or ended.
    is_paused: bool,
    /// A load that is under way, and how often it has failed.
    loading: Option<Rc<Cell<bool>>>,
    failures: u32,
    /// Counts claims: an older one is worth nothing.
    claims: u64,
}

impl Lane {
    pub(super) fn plan(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Begins nothing more. A load under way is begun anew after [`Lane::go_on`].
    pub(super) fn pause(&mut self) {
        self.is_paused = true;
        if self.give_up_load() {
            self.actions.push_front(Action::Load);
        }
    }

    pub(super) fn go_on(&mut self) {
        self.is_paused = false;
    }

    /// Ends everything.
    pub(super) fn close(&mut self) {
        self.is_paused = true;
        self.give_up_load();
        self.actions.clear();
    }

    /// Loads nothing any more.
    pub(super) fn forget_loads(&mut self) {
        self.give_up_load();
        let is_load = |action: &Action| matches!(action, Action::Load | Action::LoadPiece { .. });
        self.actions.retain(|action| !is_load(action));
    }

    pub(super) fn forget_snapshot(&mut self) {
        self.actions.retain(|action| !matches!(action, Action::Snapshot));
    }

    /// Whether there was one under way.
    fn give_up_load(&mut self) -> bool {
        self.loading.take().is_some_and(|given_up| !given_up.replace(true))
    }

    fn next(&mut self) -> Option<Action> {
        if self.is_busy || self.is_paused { None } else { self.actions.pop_front() }
    }
}

impl Driver {
    /// Does what comes next, if nothing is under way; whether there was something.
    pub(super) fn work(self: &Rc<Self>) -> bool {
        let Some(action) = self.lane.borrow_mut().next() else { return false };
        match action {
            Action::Claim(known) => self.claim_store(known),
            Action::Load => self.load(),
            Action::Apply(offset, stretch) => self.apply(offset, &stretch),
            Action::LoadPiece { lineage, offset, is_first, is_last, bytes } => {
                self.load_piece(Place { lineage, offset, is_last }, is_first, &bytes);
            }
            Action::Push(messages) => self.push(&messages),
            Action::Snapshot => self.begin_snapshot(),
            Action::Lead { lineage, offset, stored, tail, anew } => {
                self.lead(Begin { lineage, offset, stored, tail, anew });
            }
            Action::Run(run) => self.run(run),
            Action::Acked { tab, first, last, pending } => self.acked(tab, first, last, &pending),
            _ => {}
        }
        true
    }

    pub(super) fn begin(&self) {
        self.lane.borrow_mut().is_busy = true;
    }

    pub(super) fn end(&self) {
        self.lane.borrow_mut().is_busy = false;
    }

    /// The store is not this tab's any more: what was to be done with it is not.
    pub(super) fn forget_claim(&self) {
        self.claim.take();
        let mut lane = self.lane.borrow_mut();
        lane.claims += 1;
        lane.actions.retain(|action| {
            let is_leaders = matches!(action, Action::Run(_) | Action::Acked { .. });
            !is_leaders && !matches!(action, Action::Claim(_) | Action::Lead { .. })
        });
    }

    /// Takes the store over, and finds out where its records end.
    fn claim_store(self: &Rc<Self>, known: u64) {
        self.begin();
        let number = self.lane.borrow().claims;
        let append_only = self.options.append_only;
        let ended = then(self, move |driver, result: Result<Claimed, StoreError>| {
            driver.end();
            if driver.lane.borrow().claims != number {
                return driver.pump();
            }
            match result {
                Ok(claimed) => driver.update(|peer| peer.claimed(claimed)),
                Err(error) => driver.fail(store_error(&error)),
            }
        });
        let this = Rc::downgrade(self);
        self.with_store(move |store| {
            let store = match store {
                Ok(store) => store,
                Err(error) => return ended(Err(error)),
            };
            let claimant = Claimant { append_only, now_ms: now_ms(), anew: None };
            let claiming = Rc::clone(&store);
            let claimed = move |claim: Result<Claim, StoreError>| match claim {
                Ok(claim) => with(&this, |driver| driver.claimed(&store, claim, known, ended)),
                Err(error) => ended(Err(error)),
            };
            claiming.claim(claimant, Box::new(claimed));
        });
    }

    fn claimed(
        self: &Rc<Self>,
        store: &Rc<dyn Store>,
        claim: Claim,
        known: u64,
        ended: Done<Result<Claimed, StoreError>>,
    ) {
        let manifest = claim.manifest;
        // The epoch of a store that is full is raised later.
        let epoch = manifest.epoch.saturating_add(u64::from(claim.refused.is_some()));
        let told = move |end: u64| Claimed {
            epoch,
            lineage: manifest.lineage,
            start: manifest.start,
            end,
        };
        let found = claim.found.unwrap_or(manifest);
        let last = claim.last.unwrap_or(manifest.start);
        *self.claim.borrow_mut() = Some(claim);
        if self.peer.borrow().position().is_none() {
            // All of it is to be loaded, which will show where it ends.
            return ended(Ok(told(last)));
        }
        let measure = Measure::begin(&found, known);
        let reader = Reader::new(Rc::clone(store), Part::Log, measure.next_key());
        let (this, store) = (Rc::downgrade(self), Rc::clone(store));
        let measured = move |measured: Result<Measured, StoreError>| {
            let Measured { end, repair } = match measured {
                Ok(measured) => measured,
                Err(error) => return ended(Err(error)),
            };
            let Some(repair) = repair else { return ended(Ok(told(end))) };
            with(&this, |driver| {
                let on_log = driver.on_log.clone();
                let done = move |result: Result<(), StoreError>| ended(result.map(|()| told(end)));
                cut(&*store, &manifest, repair, on_log, Box::new(done));
            });
        };
        measure_all(measure, reader, Box::new(measured));
    }

    /// Loads later, and not what is being loaded now.
    pub(super) fn plan_load(&self) {
        self.end_load();
        let mut lane = self.lane.borrow_mut();
        lane.failures = 0;
        // Nothing before it counts.
        lane.actions.retain(|action| !matches!(action, Action::Apply(..)));
        lane.plan(Action::Load);
    }

    fn load(self: &Rc<Self>) {
        self.begin();
        let given_up = Rc::new(Cell::new(false));
        self.lane.borrow_mut().loading = Some(Rc::clone(&given_up));
        self.end_following();
        let claim = self.claim.borrow().clone();
        let this = Rc::downgrade(self);
        let inspected = then(self, move |driver, claim: Result<Claim, StoreError>| {
            let given_up = Rc::clone(&given_up);
            let claim = match claim {
                Ok(claim) => claim,
                Err(error) => return driver.loaded(&given_up, Err(error)),
            };
            let lineage = claim.manifest.lineage;
            let heard = Rc::clone(&given_up);
            let followed = move |result: Result<(Finished, Follower), StoreError>| {
                with(&this, |driver| {
                    driver.loaded(
                        &heard,
                        result.map(|(finished, follower)| (lineage, finished, follower)),
                    );
                });
            };
            let store = driver.open_store();
            let Some(store) = store else {
                return driver
                    .loaded(&given_up, Err(StoreError::unavailable("the store is closed")));
            };
            let (core, on_log) = (Rc::clone(&driver.core), driver.on_log.clone());
            Opening::follow(core, store, claim, on_log, given_up, Box::new(followed));
        });
        self.with_store(move |store| match (store, claim) {
            (Err(error), _) => inspected(Err(error)),
            (Ok(_), Some(claim)) => inspected(Ok(claim)),
            (Ok(store), None) => store.inspect(inspected),
        });
    }

    fn loaded(
        self: &Rc<Self>,
        given_up: &Rc<Cell<bool>>,
        result: Result<(Lineage, Finished, Follower), StoreError>,
    ) {
        self.end();
        if given_up.get() {
            if let Ok((.., follower)) = result {
                follower.end_following(&mut self.core.borrow_mut().engine);
            }
            return self.pump();
        }
        self.lane.borrow_mut().loading = None;
        let owner = self.claim.borrow().as_ref().map(|claim| claim.manifest);
        match (result, owner) {
            (Ok((lineage, finished, follower)), owner) => {
                *self.follower.borrow_mut() = Some(follower);
                let offset = finished.offset;
                match (owner, finished.repair) {
                    (Some(owner), Some(repair)) => self.cut(&owner, repair, lineage, offset),
                    _ => self.update(|peer| peer.loaded(lineage, offset, now_ms())),
                }
            }
            (Err(error), Some(_)) => self.fail(store_error(&error)),
            (Err(error), None) if error.is_no_memory() => {
                self.hold_no_copy();
                self.pump();
            }
            (Err(_), None) => self.load_again(),
        }
    }

    /// The end of the store that this tab has claimed was not whole.
    fn cut(self: &Rc<Self>, owner: &Manifest, repair: Repair, lineage: Lineage, offset: u64) {
        let Some(store) = self.open_store() else { return };
        self.begin();
        let done = then(self, move |driver, result: Result<(), StoreError>| {
            driver.end();
            match result {
                Ok(()) => driver.update(|peer| peer.loaded(lineage, offset, now_ms())),
                Err(error) => driver.fail(store_error(&error)),
            }
        });
        cut(&*store, owner, repair, self.on_log.clone(), done);
    }

    /// The leader writes what is being read: a base may have taken the place of another one.
    fn load_again(self: &Rc<Self>) {
        let failures = {
            let mut lane = self.lane.borrow_mut();
            lane.failures += 1;
            lane.failures
        };
        if failures >= LOADS_MAX {
            // Another tab can load it, perhaps.
            return self.update(|peer| peer.load_failed(now_ms()));
        }
        let this = Rc::downgrade(self);
        let again = move || {
            with(&this, |driver| {
                let is_planned = {
                    let lane = driver.lane.borrow();
                    lane.loading.is_some() || lane.actions.contains(&Action::Load)
                };
                if !is_planned {
                    driver.lane.borrow_mut().actions.push_front(Action::Load);
                    driver.pump();
                }
            });
        };
        after_ms(RELOAD_MS, Box::new(again));
        self.pump();
    }

    /// Applies a stretch that begins at `offset`.
    fn apply(self: &Rc<Self>, offset: u64, stretch: &[u8]) {
        let pushed =
            self.follower.borrow_mut().as_mut().map(|follower| follower.push(offset, stretch));
        match pushed {
            Some(Ok(())) => self.apply_some(),
            Some(Err(PushError::Failed(error))) => self.spoiled(&error),
            Some(Err(PushError::Gap(_))) | None => self.lose_copy(),
        }
    }

    fn apply_some(self: &Rc<Self>) {
        let started = elapsed_ms();
        let more = loop {
            let core = &mut *self.core.borrow_mut();
            let mut follower = self.follower.borrow_mut();
            let Some(follower) = &mut *follower else { return self.end() };
            let more = match follower.step(&mut core.engine, SLICE_STEPS) {
                Ok(more) => more && elapsed_ms() - started < LOAD_MS,
                Err(error) => break Err(error),
            };
            if !more {
                break Ok((follower.applied(), follower.applied() < follower.end()));
            }
        };
        match more {
            Ok((applied, is_more)) => {
                self.peer.borrow_mut().applied(applied);
                self.lane.borrow_mut().is_busy = is_more;
                if self.core.borrow().engine.sessions.have_messages() {
                    self.emit("ran", &[]);
                }
                if is_more {
                    let this = Rc::downgrade(self);
                    after_this_task(Box::new(move || {
                        with(&this, |driver| {
                            driver.apply_some();
                            driver.pump();
                        });
                    }));
                }
            }
            Err(error) => self.spoiled(&error),
        }
    }

    /// The copy cannot be brought further, or loaded.
    pub(super) fn spoiled(self: &Rc<Self>, error: &ReplayError) {
        match error {
            ReplayError::OutOfMemory => self.hold_no_copy(),
            _ => self.lose_copy(),
        }
    }

    /// There is no memory for a copy: this tab forwards everything from now on.
    fn hold_no_copy(self: &Rc<Self>) {
        self.end();
        self.end_load();
        self.lane.borrow_mut().actions.retain(|action| !matches!(action, Action::Apply(..)));
        self.end_following();
        {
            let engine = &mut self.core.borrow_mut().engine;
            engine.clear();
            engine.requests.clear();
        }
        self.emit("thin", &[]);
        self.peer.borrow_mut().hold_no_copy(now_ms());
    }

    fn lose_copy(self: &Rc<Self>) {
        self.end();
        self.discard_incoming();
        self.end_following();
        self.peer.borrow_mut().copy_lost(now_ms());
    }

    /// The engine's keyspace is nobody's copy.
    pub(super) fn end_following(&self) {
        if let Some(follower) = self.follower.take() {
            follower.end_following(&mut self.core.borrow_mut().engine);
        }
    }

    /// Begins to lead: the log goes on where the store ends, and the engine where the copy does.
    fn lead(self: &Rc<Self>, begin: Begin) {
        let Begin { lineage, offset, stored, tail, anew } = begin;
        let is_still = self.peer.borrow().position().is_some_and(|at| at.lineage == lineage);
        let (Some(claim), Some(store)) = (self.claim.take(), self.open_store()) else { return };
        if !is_still {
            return;
        }
        self.end_following();
        self.core.borrow_mut().engine.effects.resume_at(offset);
        let is_refused = claim.refused.is_some();
        let core = Rc::clone(&self.core);
        let changes = self.core.borrow().engine.config.changes();
        let log = log::Driver::new(core, store, self.options, self.on_log.clone(), claim, stored);
        *self.log.borrow_mut() = Some(Rc::clone(&log));
        // What CONFIG SET has changed counts for more than what this tab was opened with.
        self.core.borrow_mut().engine.adopt_settings(&changes);
        let audience = Rc::downgrade(self);
        log.lead(audience, lineage, offset, tail, anew);
        if is_refused {
            // Nothing can be written as yet, so that nobody can take another copy for this one.
            self.serve();
        }
    }

    /// The store knows that this tab leads: it runs what is asked for.
    pub(super) fn serve(self: &Rc<Self>) {
        let Some(log) = self.log.borrow().clone() else { return };
        let (inheritance, settings) = {
            let engine = &mut self.core.borrow_mut().engine;
            if !engine.is_follower() {
                return;
            }
            engine.set_follower(false);
            engine.restore_session(self.session.get(), &self.state.borrow());
            (inheritance(engine), engine.config.changes())
        };
        self.emit_log(log);
        self.update(|peer| {
            peer.led(&inheritance, now_ms());
            peer.configured(settings);
        });
        self.core.borrow_mut().engine.set_away(self.tab, false);
        self.collect();
    }

    /// Leads no longer, and follows from where this engine is.
    pub(super) fn follow(self: &Rc<Self>) {
        let log = self.log.take();
        let Some(log) = log else { return };
        log.end();
        self.forget_guests();
        {
            let engine = &mut self.core.borrow_mut().engine;
            if let Some(state) = engine.session_state(self.session.get()) {
                *self.state.borrow_mut() = state;
            }
            engine.set_follower(true);
            let offset = engine.effects.offset();
            *self.follower.borrow_mut() = Some(Follower::new(engine, offset));
        }
        if !self.shares_store() {
            self.close_store();
        }
        let fields = told(&self.state.borrow());
        self.emit("follow", &fields);
    }
}

/// What an engine that begins to lead tells of other tabs.
fn inheritance(engine: &Engine) -> Inheritance {
    let requests = &engine.requests;
    let of = |wanted: bool| {
        let tabs = requests.tabs().filter(|(_, is_away)| *is_away == wanted);
        tabs.map(|(tab, _)| tab).collect()
    };
    let (gone, were_more) = requests.gone();
    Inheritance { tabs: of(false), away: of(true), gone: gone.collect(), were_more }
}

/// Measures all records there are.
fn measure_all(mut measure: Measure, reader: Rc<Reader>, done: Done<Result<Measured, StoreError>>) {
    while let Some(frame) = reader.next(measure.next_key()) {
        let pushed = frame.bytes().and_then(|bytes| measure.push(&bytes).map_err(replay_error));
        if let Err(error) = pushed {
            return done(Err(error));
        }
    }
    let next = Rc::clone(&reader);
    reader.when_ready(move |ended| match ended {
        Ok(true) => done(Ok(measure.finish())),
        Ok(false) => after_this_task(Box::new(move || measure_all(measure, next, done))),
        Err(error) => done(Err(error)),
    });
}
