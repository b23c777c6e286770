//! Everything, from one tab to another: a snapshot in pieces.

use super::super::log::{PIECE_LEN, SNAPSHOT_STEP};
use super::super::timer::{LOAD_MS, TICK_MS, after_ms, after_this_task, elapsed_ms, now_ms};
use super::driver::{Driver, with};
use crate::engine::rdb::file::Purpose;
use crate::persist::incoming::Incoming;
use crate::persist::lineage::Lineage;
use crate::replication::peer::Action;
use std::rc::Rc;

/// What is loaded between two looks at the clock, in bytes.
const LOAD_STEP: usize = 8 * 1024;
/// How long to wait for the end of another snapshot, in milliseconds.
const RETRY_MS: f64 = 20.0;

/// How far a snapshot for other tabs has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sending {
    #[default]
    No,
    /// Another one is under way.
    Waiting,
    Begun,
    /// A task is to come that goes on with it.
    Planned,
}

/// Of which stream a snapshot is, and where.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) lineage: Lineage,
    pub(super) offset: u64,
    /// The piece is the last.
    pub(super) is_last: bool,
}

impl Driver {
    /// Begins a snapshot for other tabs, once no other one is under way.
    pub(super) fn begin_snapshot(self: &Rc<Self>) {
        self.collect();
        let offset = {
            let engine = &mut self.core.borrow_mut().engine;
            let begun = engine.begin_snapshot(Purpose::Keep, &[]);
            begun.then(|| engine.effects.offset())
        };
        if let Some(offset) = offset {
            self.sending.set(Sending::Begun);
            return self.peer.borrow_mut().snapshot_began(offset, now_ms());
        }
        self.sending.set(Sending::Waiting);
        let this = Rc::downgrade(self);
        let again = move || {
            with(&this, |driver| {
                if driver.sending.get() == Sending::Waiting {
                    driver.lane.borrow_mut().plan(Action::Snapshot);
                    driver.pump();
                }
            });
        };
        after_ms(RETRY_MS, Box::new(again));
    }

    /// Nobody wants the snapshot any more.
    pub(super) fn end_snapshot(&self) {
        self.lane.borrow_mut().forget_snapshot();
        if matches!(self.sending.take(), Sending::Begun | Sending::Planned) {
            self.core.borrow_mut().engine.end_snapshot();
        }
    }

    /// Has the next task write more of the snapshot, if somebody can take it.
    pub(super) fn go_on_sending(self: &Rc<Self>) {
        if self.sending.get() != Sending::Begun || !self.peer.borrow().wants_piece() {
            return;
        }
        self.sending.set(Sending::Planned);
        let this = Rc::downgrade(self);
        let work = move || {
            with(&this, |driver| {
                if driver.sending.get() == Sending::Planned {
                    driver.sending.set(Sending::Begun);
                    driver.send_pieces();
                    driver.pump();
                }
            });
        };
        after_this_task(Box::new(work));
    }

    /// Writes some of the snapshot, for one slice of time.
    fn send_pieces(&self) {
        let started = elapsed_ms();
        let engine = &mut self.core.borrow_mut().engine;
        let peer = &mut *self.peer.borrow_mut();
        while peer.wants_piece() && elapsed_ms() - started < TICK_MS {
            if engine.snapshot_purpose() != Some(Purpose::Keep) {
                // The log that ended has ended this, too.
                self.sending.set(Sending::No);
                return peer.snapshot_failed();
            }
            let is_complete = engine.step_snapshot(SNAPSHOT_STEP);
            if is_complete || engine.snapshot_len() >= PIECE_LEN {
                peer.snapshot_piece(engine.take_snapshot(), is_complete, now_ms());
            }
            if is_complete {
                engine.end_snapshot();
                return self.sending.set(Sending::No);
            }
        }
    }

    /// Loads a piece of another tab's snapshot.
    pub(super) fn load_piece(self: &Rc<Self>, place: Place, is_first: bool, piece: &[u8]) {
        if is_first {
            self.discard_incoming();
            let incoming = Incoming::new(&mut self.core.borrow_mut().engine);
            *self.incoming.borrow_mut() = Some(incoming);
        }
        if let Some(incoming) = &mut *self.incoming.borrow_mut() {
            incoming.push(piece);
        }
        self.begin();
        self.load_some(place);
    }

    fn load_some(self: &Rc<Self>, place: Place) {
        let started = elapsed_ms();
        let more = loop {
            let mut incoming = self.incoming.borrow_mut();
            // It was given up.
            let Some(incoming) = &mut *incoming else { return self.end() };
            match incoming.step(LOAD_STEP) {
                Ok(true) if elapsed_ms() - started < LOAD_MS => {}
                result => break result,
            }
        };
        match more {
            Ok(true) => {
                let this = Rc::downgrade(self);
                after_this_task(Box::new(move || {
                    with(&this, |driver| {
                        driver.load_some(place);
                        driver.pump();
                    });
                }));
            }
            Ok(false) => self.piece_loaded(place),
            Err(error) => self.spoiled(&error),
        }
    }

    fn piece_loaded(self: &Rc<Self>, place: Place) {
        self.end();
        let Place { lineage, offset, is_last } = place;
        if !is_last {
            return self.peer.borrow_mut().piece_taken(now_ms());
        }
        let Some(incoming) = self.incoming.take() else { return };
        self.end_following();
        let follower = incoming.finish(&mut self.core.borrow_mut().engine, offset);
        let follower = match follower {
            Ok(follower) => follower,
            Err(error) => return self.spoiled(&error),
        };
        *self.follower.borrow_mut() = Some(follower);
        let peer = &mut *self.peer.borrow_mut();
        peer.piece_taken(now_ms());
        peer.loaded(lineage, offset, now_ms());
    }

    /// What is being loaded is not wanted any more.
    pub(super) fn end_load(&self) {
        self.lane.borrow_mut().forget_loads();
        self.discard_incoming();
    }

    pub(super) fn discard_incoming(&self) {
        if let Some(incoming) = self.incoming.take() {
            incoming.discard(&mut self.core.borrow_mut().engine);
        }
    }
}
