//! The log manager: decides which effects are stored when, in which transaction, and when the log is
//! written anew.
//!
//! A state machine: the driver tells it what happened ([`Log::append`], [`Log::stored`], …), then
//! performs what [`Log::next_action`] answers until there is nothing more, and comes back at
//! [`Log::wake_at`] with [`Log::wake`]. Times are Unix milliseconds.
//!
//! At most one transaction is under way; what arrives meanwhile becomes the next one (group
//! commit). A transaction that fails is kept and tried again, before anything newer: nothing is
//! dropped, nothing overtakes.
//!
//! A rewrite makes a base of the keyspace as it is at one offset. Its pieces are stored between the
//! transactions of the stream, and nothing refers to them until one transaction writes the manifest
//! that does, and deletes what was before. A rewrite that fails is given up, and the log is as it
//! was.
//!
//! Who begins to lead is told to the store before anything else ([`Log::lead`]).

mod leading;
mod loss;
mod rewrite;
mod transaction;

pub use loss::{RETRY_MAX_MS, RETRY_MS};
pub use rewrite::{REST_MAX_MS, REST_MS};
pub use transaction::{Durability, Place, Transaction};

use super::frame::Kind;
use super::lineage::Lineage;
use super::manifest::{Base, Manifest};
use crate::engine::config::AppendFsync;
use crate::engine::effects::Effects;
use crate::engine::status::PersistenceStatus;
use loss::Loss;
use rewrite::{Rewrite, Rewrites};
use std::collections::VecDeque;
use std::iter;
use std::rc::Rc;
use transaction::Stretches;

/// Payloads are gathered into one record up to this many bytes; a longer unit is a record alone.
pub const RECORD_LEN: usize = 256 * 1024;
/// `appendfsync everysec`: how long the first byte waits, so that it is stored within the second.
pub const EVERYSEC_MS: i64 = 900;
/// `appendfsync no`: how long the first byte waits, and how many bytes are worth a transaction.
pub const NO_MS: i64 = 5000;
/// See [`NO_MS`].
pub const NO_BYTES: usize = 64 * 1024;
/// So many pieces of a base wait for the store, at most.
const PIECES_MAX: usize = 2;

/// The settings that the log obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `appendonly`.
    pub append_only: bool,
    /// `appendfsync`.
    pub append_fsync: AppendFsync,
    /// `auto-aof-rewrite-percentage`; 0 for never.
    pub rewrite_percentage: u64,
    /// `auto-aof-rewrite-min-size` in bytes.
    pub rewrite_min_size: u64,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Perform the transaction, then report [`Log::stored`], [`Log::failed`], [`Log::fenced`] or
    /// [`Log::lost`].
    Store(Rc<Transaction>, Durability),
    /// Put this manifest into the store, which has none, or one of an earlier time, and delete
    /// everything else; then report [`Log::claimed`], [`Log::failed`] or [`Log::fenced`].
    Claim(Manifest),
    /// What was in the store is gone, for this reason, and will be written anew. [`Action::Recovered`]
    /// follows once all of it is there.
    Lost(String),
    /// What [`Log::lead`] was told is in the store.
    Led,
    /// Every effect before the offset is in the store.
    Durable(u64),
    /// The store failed, with this reason: writes must be refused.
    Failed(String),
    /// The store works again.
    Recovered,
    /// Every flush asked for up to the offset is done.
    Flushed(u64),
    /// Every flush asked for so far cannot be done, with this reason.
    FlushFailed(String),
    /// Another owner has taken the store over; this one never writes again.
    Fenced,
    /// Call [`Log::begin_rewrite`], and give it pieces while [`Log::wants_pieces`].
    Rewrite,
    /// A base is complete, and what was before it is gone.
    Rewritten,
    /// The rewrite is given up, for this reason: there is no use for more pieces.
    RewriteFailed(String),
}

/// What changes in the manifest.
#[derive(Clone, Copy, Debug)]
enum Change {
    Recording(bool),
    /// The epoch is raised, which could not be done when the store was opened.
    Owner {
        recording: bool,
    },
    /// Who leads.
    Leader(Lineage),
    /// The base, where the records begin, whether recording begins with it, and whose stream it is,
    /// which a store that was emptied does not know.
    Base {
        base: Base,
        start: u64,
        starts_recording: bool,
        lineage: Lineage,
    },
}

/// A transaction to come.
#[derive(Debug)]
struct Plan {
    kind: Kind,
    /// The number of the pieces' base.
    base: u64,
    stretches: Rc<Stretches>,
    change: Option<Change>,
    trim: Option<u64>,
    /// What is stored once it is complete: every effect before this offset.
    end: u64,
    /// So many plans of the stream must be done before.
    after: u64,
}

/// Where a plan waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Records, and changes of the manifest.
    Stream,
    /// Pieces, then what makes them the base. The stream comes first.
    Base,
}

/// The state between two effects and the store.
#[derive(Debug)]
pub struct Log {
    settings: Settings,
    /// As it is in the store.
    manifest: Manifest,
    /// Payloads that no plan has yet, each with its offset.
    waiting: VecDeque<(u64, Vec<u8>)>,
    waiting_bytes: usize,
    /// When the first of them came.
    waiting_since: Option<i64>,
    stream: VecDeque<Plan>,
    base: VecDeque<Plan>,
    /// The front of which line is under way.
    under_way: Option<(Line, Durability, Rc<Transaction>)>,
    /// Whose turn it was.
    last_line: Line,
    /// The transaction at the front of this line has failed, or so it seemed: a connection may break
    /// after it was stored. No other may begin, with a manifest that knows nothing of that.
    uncertain: Option<Line>,
    rewrites: Rewrites,
    loss: Loss,
    /// Whose stream it is.
    lineage: Lineage,
    /// The store does not know that yet.
    is_leading: bool,
    retry_at: Option<i64>,
    /// How many transactions have failed, one after the other.
    tries: u32,
    failure: Option<String>,
    fenced: bool,
    /// The offset after everything that was appended.
    end: u64,
    /// The offset after everything that a plan has.
    planned: u64,
    /// Where the recorded stream ended when `appendonly` was turned off, or on.
    held_from: u64,
    durable: u64,
    /// Everything was replaced; a base with a higher number has what there was then.
    replaced_after: Option<u64>,
    /// Everything before this offset has been stored strictly.
    strict: u64,
    /// Plans made for the stream, and those that are done.
    plans_made: u64,
    plans_done: u64,
    /// A flush wants everything before this offset to be strict, and so many plans to be done.
    flush_to: Option<(u64, u64)>,
    /// Somebody waits for everything before this offset to be strict.
    strict_wanted: u64,
    /// Start what waits without delay.
    urgent: bool,
    last_stored_ms: i64,
    actions: VecDeque<Action>,
}

impl Log {
    /// Goes on with a store that holds `manifest`, with its epoch raised, and every effect before
    /// `end`.
    pub fn new(settings: Settings, manifest: Manifest, end: u64, now_ms: i64) -> Self {
        Self {
            settings,
            manifest,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_since: None,
            stream: VecDeque::new(),
            base: VecDeque::new(),
            under_way: None,
            last_line: Line::Base,
            uncertain: None,
            rewrites: Rewrites::after(manifest.base.number),
            loss: Loss::None,
            lineage: manifest.lineage,
            is_leading: false,
            retry_at: None,
            tries: 0,
            failure: None,
            fenced: false,
            end,
            planned: end,
            held_from: end,
            replaced_after: None,
            durable: end,
            strict: end,
            plans_made: 0,
            plans_done: 0,
            flush_to: None,
            strict_wanted: 0,
            urgent: false,
            last_stored_ms: now_ms,
            actions: VecDeque::new(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Effects were made: stretches of whole units that follow what was appended before.
    ///
    /// Where effects are not recorded, they are passed over.
    pub fn append(&mut self, stretches: impl Iterator<Item = Vec<u8>>, now_ms: i64) {
        if !self.settings.append_only {
            let len: u64 = stretches.map(|stretch| stretch.len() as u64).sum();
            return self.go_on_at(self.end.saturating_add(len));
        }
        self.gather(stretches, now_ms);
        self.start_if_due(now_ms);
    }

    fn gather(&mut self, stretches: impl Iterator<Item = Vec<u8>>, now_ms: i64) {
        for effects in stretches {
            self.waiting_since.get_or_insert(now_ms);
            self.waiting_bytes += effects.len();
            let offset = self.end;
            self.end += effects.len() as u64;
            // What there is no memory to join stays a record of its own.
            let last = self.waiting.back_mut().and_then(|(_, payload)| {
                let fits = payload.len() + effects.len() <= RECORD_LEN;
                (fits && payload.try_reserve(effects.len()).is_ok()).then_some(payload)
            });
            match last {
                Some(payload) => payload.extend_from_slice(&effects),
                None => self.waiting.push_back((offset, effects)),
            }
        }
    }

    /// Takes everything that was recorded, and shows each stretch to `seen`. At `replaced_at`, if there
    /// is such a place, everything was replaced ([`Log::replaced`]): what follows is not shown.
    pub fn take(
        &mut self,
        effects: &mut Effects,
        replaced_at: Option<u64>,
        mut seen: impl FnMut(&[u8]),
        now_ms: i64,
    ) {
        let Some(at) = replaced_at else {
            return self.append(effects.drain().inspect(|stretch| seen(stretch)), now_ms);
        };
        while self.end < at && !effects.is_empty() {
            let stretch = effects.take();
            seen(&stretch);
            self.append(iter::once(stretch), now_ms);
        }
        self.replaced(now_ms);
        self.append(effects.drain(), now_ms);
    }

    /// Settings other than `appendonly` were changed.
    pub fn set_settings(&mut self, settings: Settings, now_ms: i64) {
        self.settings = Settings { append_only: self.settings.append_only, ..settings };
        self.start_if_due(now_ms);
    }

    /// `appendonly no`: what waits is stored, and that recording has ended. The stream goes on at
    /// [`Log::end`], which is earlier than it was if the log had not begun yet. A rewrite under way
    /// goes on as well.
    pub fn stop_recording(&mut self, now_ms: i64) {
        let is_held = self.is_held();
        self.settings.append_only = false;
        if is_held {
            // Whoever waits for what was held back is not to wait for ever.
            self.fail("appendonly was turned off before the log had begun");
            self.clear_failure();
            self.replaced_after = None;
            self.forget_held();
            self.end = self.held_from.max(self.rewrites.save_only().unwrap_or(0));
            self.planned = self.held_from;
            for plan in &mut self.base {
                if let Some(Change::Base { starts_recording, .. }) = &mut plan.change {
                    *starts_recording = false;
                }
            }
        } else {
            self.held_from = self.end;
        }
        self.seal();
        self.plan_change(Change::Recording(false));
        self.start_if_due(now_ms);
    }

    /// The stream goes on at this offset; what comes before is not recorded.
    pub fn go_on_at(&mut self, offset: u64) {
        self.end = self.end.max(offset);
    }

    /// Whether everything that was appended and is to be recorded is stored.
    pub fn is_saved(&self) -> bool {
        self.durable >= self.recorded()
    }

    /// Whether the stream can be loaded from the store, up to [`Log::durable`].
    pub fn holds_stream(&self) -> bool {
        self.settings.append_only && !self.is_held() && !self.loss.is_open()
    }

    /// `appendonly yes`: recording begins with a rewrite, for which the driver is asked.
    pub fn start_recording(&mut self, now_ms: i64) {
        self.held_from = self.recorded().max(self.durable);
        self.settings.append_only = true;
        self.rewrites.is_wanted = true;
        self.start_if_due(now_ms);
    }

    /// Somebody wants the log to be written anew.
    pub fn want_rewrite(&mut self, now_ms: i64) {
        self.rewrites.is_wanted = true;
        self.start_if_due(now_ms);
    }

    /// Everything was replaced by something else, after what was appended so far: what follows is held
    /// back until there is a base that begins with it. Until then the store is as it was.
    pub fn replaced(&mut self, now_ms: i64) {
        if self.settings.append_only {
            if !self.is_held() {
                self.seal();
                self.held_from = self.end;
            }
            self.replaced_after = Some(self.rewrites.last_number);
            self.rewrites.is_wanted = true;
        }
        self.start_if_due(now_ms);
    }

    /// A rewrite begins: everything that was appended so far will be in the base, whose pieces follow.
    pub fn begin_rewrite(&mut self, now_ms: i64) {
        let starts_recording = self.is_held();
        if starts_recording {
            self.forget_held();
        }
        self.seal();
        let rewrites = &mut self.rewrites;
        (rewrites.is_asked, rewrites.is_wanted) = (false, false);
        rewrites.last_number += 1;
        rewrites.current = Some(Rewrite {
            base: Base { number: rewrites.last_number, len: 0, saved_ms: now_ms },
            start: self.end,
            starts_recording,
            is_complete: false,
        });
    }

    /// The driver cannot begin now: it is asked again.
    pub fn put_rewrite_off(&mut self, now_ms: i64) {
        self.rewrites.put_off(now_ms.saturating_add(RETRY_MS));
    }

    /// Whether a rewrite is under way, and the store can take another piece of its base.
    pub fn wants_pieces(&self) -> bool {
        let goes_on = self.rewrites.current.is_some_and(|rewrite| !rewrite.is_complete);
        goes_on && self.base.len() < PIECES_MAX
    }

    /// The next piece of the base.
    pub fn add_piece(&mut self, piece: Vec<u8>, now_ms: i64) {
        let Some(rewrite) = &mut self.rewrites.current else { return };
        if piece.is_empty() || rewrite.is_complete {
            return;
        }
        let offset = rewrite.base.len;
        rewrite.base.len += piece.len() as u64;
        let stretches = vec![(offset, piece)];
        self.base.push_back(Plan {
            kind: Kind::Piece,
            base: rewrite.base.number,
            ..Plan::records(stretches, 0)
        });
        self.start_if_due(now_ms);
    }

    /// That was the last piece.
    pub fn finish_rewrite(&mut self, now_ms: i64) {
        let Some(rewrite) = &mut self.rewrites.current else { return };
        rewrite.is_complete = true;
        let Rewrite { base, start, starts_recording, .. } = *rewrite;
        self.base.push_back(Plan {
            change: Some(Change::Base { base, start, starts_recording, lineage: self.lineage }),
            trim: Some(base.number),
            after: self.plans_made,
            ..Plan::records(Stretches::new(), start)
        });
        self.start_if_due(now_ms);
    }

    /// Somebody waits for everything before `offset` to be stored strictly.
    pub fn want_strict(&mut self, offset: u64, now_ms: i64) {
        if offset > self.strict_wanted {
            self.strict_wanted = offset;
            self.start_if_due(now_ms);
        }
    }

    /// The page is being hidden, and may be ended soon: store what waits at once.
    pub fn hidden(&mut self, now_ms: i64) {
        self.urgent = true;
        self.retry_at = None;
        self.start_if_due(now_ms);
        self.urgent = self.under_way.is_some() && !self.waiting.is_empty();
    }

    /// Store everything strictly, now. Ends in one [`Action::Flushed`] or [`Action::FlushFailed`].
    pub fn flush(&mut self, now_ms: i64) {
        if self.fenced {
            return self.actions.push_back(Action::FlushFailed(self.reason()));
        }
        self.flush_to = Some((self.recorded(), self.plans_made));
        self.retry_at = None;
        self.start_if_due(now_ms);
        self.finish_flush();
    }

    /// The transaction under way is complete.
    pub fn stored(&mut self, now_ms: i64) {
        let Some((line, durability, transaction)) = self.under_way.take() else { return };
        let Some(plan) = self.line(line).pop_front() else { return };
        self.manifest = transaction.manifest;
        if line == Line::Stream {
            self.plans_done += 1;
        }
        self.durable = self.durable.max(plan.end);
        self.held_from = self.held_from.max(self.durable);
        if durability == Durability::Strict {
            self.strict = self.durable;
        }
        self.last_stored_ms = now_ms;
        self.tries = 0;
        if matches!(plan.change, Some(Change::Base { .. })) && self.loss == Loss::Claimed {
            self.loss = Loss::MadeGood;
        }
        if let Some(Change::Base { base, .. }) = plan.change {
            self.replaced_after = self.replaced_after.filter(|number| *number >= base.number);
        }
        self.recover();
        self.actions.push_back(Action::Durable(self.durable));
        self.finish_leading();
        if matches!(plan.change, Some(Change::Base { .. })) {
            self.rewrites.current = None;
            self.rewrites.succeed();
            self.actions.push_back(Action::Rewritten);
        }
        self.finish_flush();
        self.start_if_due(now_ms);
        if self.waiting.is_empty() {
            self.urgent = false;
        }
    }

    /// The transaction under way has failed. It may be in the store all the same, but only whole.
    pub fn failed(&mut self, reason: &str, now_ms: i64) {
        if self.loss == Loss::Claiming {
            self.loss = Loss::Unclaimed;
        } else {
            let Some((line, _, transaction)) = self.under_way.take() else { return };
            if transaction.kind == Kind::Piece {
                let is_needed = self.is_held() || self.loss.is_open();
                self.abandon_rewrite(reason, now_ms);
                if is_needed {
                    let until = self.rest_until(now_ms);
                    self.rewrites.put_off(until);
                    self.fail(reason);
                }
                return self.start_if_due(now_ms);
            }
            self.uncertain = Some(line);
        }
        self.retry_at = Some(self.rest_until(now_ms));
        self.fail(reason);
    }

    /// The transaction under way found another epoch and wrote nothing.
    pub fn fenced(&mut self) {
        self.under_way = None;
        if std::mem::replace(&mut self.fenced, true) {
            return;
        }
        self.actions.push_back(Action::Fenced);
        let reason = self.reason();
        self.fail(&reason);
    }

    /// The time of [`Log::wake_at`] has come, or any other time.
    pub fn wake(&mut self, now_ms: i64) {
        self.start_if_due(now_ms);
    }

    /// When to call [`Log::wake`]: Unix milliseconds, `None` when nothing waits for a time.
    pub fn wake_at(&self) -> Option<i64> {
        if self.under_way.is_some() || self.fenced || self.loss == Loss::Claiming {
            return None;
        }
        let due = self.retry_at.or_else(|| self.due_at());
        let rewrite = self.rewrites.wake_at().filter(|_| self.retry_at.is_none());
        [due, rewrite].into_iter().flatten().min()
    }

    /// The next thing to do, in order.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Every effect before this offset is in the store.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The offset after everything that was appended.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Why the store fails, while it does.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Brings what INFO and MISCONF show up to date.
    pub fn report(&self, status: &mut PersistenceStatus) {
        status.attached = true;
        status.write_error.clone_from(&self.failure);
        status.last_save_s = self.last_stored_ms.div_euclid(1000);
        status.current_size = self.size();
        status.base_size = self.manifest.base.len;
        status.buffered = self.recorded().saturating_sub(self.durable);
        status.durable_offset = self.strict;
        status.rewriting = self.rewrites.current.is_some();
    }

    /// The offset after everything that is to be stored.
    fn recorded(&self) -> u64 {
        if self.settings.append_only { self.end } else { self.planned }
    }

    /// Bytes in the store.
    fn size(&self) -> u64 {
        self.manifest.base.len + self.durable.saturating_sub(self.manifest.start)
    }

    fn reason(&self) -> String {
        "another context has taken over the store".to_owned()
    }

    /// Whether effects are recorded, or will be once what is planned is done.
    fn is_recording(&self) -> bool {
        let planned = self.stream.iter().rev().find_map(|plan| match plan.change {
            Some(Change::Recording(recording) | Change::Owner { recording }) => Some(recording),
            _ => None,
        });
        planned.unwrap_or(self.manifest.recording)
    }

    /// Whether effects wait for the first base of a log that begins, or begins anew.
    fn is_held(&self) -> bool {
        self.settings.append_only && (self.replaced_after.is_some() || !self.is_recording())
    }

    fn fail(&mut self, reason: &str) {
        if self.failure.as_deref() != Some(reason) {
            self.failure = Some(reason.to_owned());
            self.actions.push_back(Action::Failed(reason.to_owned()));
        }
        if self.flush_to.take().is_some() {
            self.actions.push_back(Action::FlushFailed(reason.to_owned()));
        }
    }

    /// Gives the rewrite up; what has been stored of it is deleted.
    fn abandon_rewrite(&mut self, reason: &str, now_ms: i64) {
        self.base.clear();
        self.rewrites.current = None;
        self.rewrites.rest(now_ms);
        if !self.settings.append_only {
            self.end = self.held_from;
            self.planned = self.end;
        }
        self.actions.push_back(Action::RewriteFailed(reason.to_owned()));
        let trim = Some(self.rewrites.last_number);
        self.plan(Plan { trim, ..Plan::records(Stretches::new(), 0) });
    }

    /// The base to come has what was held back for the one that failed.
    fn forget_held(&mut self) {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.waiting_since = None;
        self.planned = self.end;
    }

    /// When what waits is to be stored.
    fn due_at(&self) -> Option<i64> {
        let since = self.waiting_since.filter(|_| !self.is_held())?;
        let wait = match self.settings.append_fsync {
            AppendFsync::Always => 0,
            AppendFsync::Everysec => EVERYSEC_MS,
            AppendFsync::No if self.waiting_bytes >= NO_BYTES => 0,
            AppendFsync::No => NO_MS,
        };
        Some(since.saturating_add(wait))
    }

    fn start_if_due(&mut self, now_ms: i64) {
        if self.fenced || self.retry_at.is_some_and(|at| at > now_ms) {
            return;
        }
        self.retry_at = None;
        if self.claims_first() {
            return;
        }
        let (size, base) = (self.size(), self.manifest.base.len);
        if self.rewrites.is_due(&self.settings, size, base, now_ms) {
            self.rewrites.is_asked = true;
            self.actions.push_back(Action::Rewrite);
        }
        if self.under_way.is_some() {
            return;
        }
        let wants_strict = self.strict
            < self.flush_to.map_or(0, |(to, _)| to).max(self.strict_wanted.min(self.recorded()));
        if self.stream.is_empty() && !self.is_held() {
            let due = self.urgent || self.due_at().is_some_and(|at| at <= now_ms);
            if wants_strict && self.waiting.is_empty() {
                // What is stored already becomes strict with a strict transaction after it.
                self.plan(Plan::records(Stretches::new(), self.planned));
            } else if wants_strict || due {
                self.seal();
            }
        }
        self.start(wants_strict);
    }

    /// Begins the next transaction, if there is one: the lines take turns, unless the store fails.
    fn start(&mut self, wants_strict: bool) {
        let base_next =
            self.last_line == Line::Stream && self.failure.is_none() && !self.is_leading;
        let base_ready = self.base.front().is_some_and(|plan| plan.after <= self.plans_done);
        let line = match (self.uncertain.take(), self.stream.is_empty(), base_ready) {
            (Some(line), ..) => line,
            (_, true, false) => return,
            (_, true, true) => Line::Base,
            (_, false, true) if base_next => Line::Base,
            (_, false, _) => Line::Stream,
        };
        let before = self.manifest;
        let Some(plan) = self.line(line).front() else { return };
        let manifest = plan.change.map_or(before, |change| change.apply(before));
        let transaction = Rc::new(Transaction {
            epoch: before.epoch,
            manifest,
            manifest_changed: manifest != before,
            trim: plan.trim,
            kind: plan.kind,
            base: plan.base,
            stretches: Rc::clone(&plan.stretches),
        });
        let (is_piece, is_change) = (plan.kind == Kind::Piece, plan.change.is_some());
        let always = self.settings.append_fsync == AppendFsync::Always;
        let strict = is_change || (!is_piece && (wants_strict || always));
        let durability = if strict { Durability::Strict } else { Durability::Relaxed };
        self.last_line = line;
        self.under_way = Some((line, durability, Rc::clone(&transaction)));
        self.actions.push_back(Action::Store(transaction, durability));
    }

    fn line(&mut self, line: Line) -> &mut VecDeque<Plan> {
        match line {
            Line::Stream => &mut self.stream,
            Line::Base => &mut self.base,
        }
    }

    /// Makes a plan of what waits.
    fn seal(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let stretches = self.take_waiting();
        self.plan(Plan::records(stretches, self.end));
    }

    /// All that waits, which a plan will have.
    fn take_waiting(&mut self) -> Stretches {
        self.waiting_bytes = 0;
        self.waiting_since = None;
        self.planned = self.end;
        std::mem::take(&mut self.waiting).into()
    }

    fn plan_change(&mut self, change: Change) {
        self.plan(Plan { change: Some(change), ..Plan::records(Stretches::new(), 0) });
    }

    fn plan(&mut self, plan: Plan) {
        self.plans_made += 1;
        self.stream.push_back(plan);
    }

    fn finish_flush(&mut self) {
        if let Some((to, plans)) = self.flush_to
            && self.strict >= to
            && self.plans_done >= plans
            && !self.is_held()
            && !self.loss.is_open()
        {
            self.flush_to = None;
            self.actions.push_back(Action::Flushed(self.strict));
        }
    }
}

impl Plan {
    fn records(stretches: Stretches, end: u64) -> Self {
        let stretches = Rc::new(stretches);
        Self { kind: Kind::Record, base: 0, stretches, change: None, trim: None, end, after: 0 }
    }
}

impl Change {
    fn apply(self, manifest: Manifest) -> Manifest {
        match self {
            Self::Recording(recording) => Manifest { recording, ..manifest },
            Self::Owner { recording } => {
                Manifest { epoch: manifest.epoch.saturating_add(1), recording, ..manifest }
            }
            Self::Leader(lineage) => Manifest { lineage, ..manifest },
            Self::Base { base, start, starts_recording, lineage } => {
                let recording = manifest.recording || starts_recording;
                Manifest { base, start, recording, lineage, ..manifest }
            }
        }
    }
}
