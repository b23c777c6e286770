//! The log manager: decides which effects are stored when, in which transaction.
//!
//! A state machine: the driver tells it what happened ([`Log::append`], [`Log::stored`], …), then
//! performs what [`Log::next_action`] answers until there is nothing more, and comes back at
//! [`Log::wake_at`] with [`Log::wake`]. Times are Unix milliseconds.
//!
//! At most one transaction is under way; what arrives meanwhile becomes the next one (group
//! commit). A transaction that fails is kept and tried again, before anything newer: nothing is
//! dropped, nothing overtakes.

use super::manifest::Manifest;
use super::record::{self, Record};
use crate::engine::config::AppendFsync;
use crate::engine::status::PersistenceStatus;
use crate::resp::{Request, RequestParser};
use std::collections::VecDeque;
use std::rc::Rc;

/// Payloads are gathered into one record up to this many bytes; a longer unit is a record alone.
pub const RECORD_LEN: usize = 256 * 1024;
/// `appendfsync everysec`: how long the first byte waits, so that it is stored within the second.
pub const EVERYSEC_MS: i64 = 900;
/// `appendfsync no`: how long the first byte waits, and how many bytes are worth a transaction.
pub const NO_MS: i64 = 5000;
/// See [`NO_MS`].
pub const NO_BYTES: usize = 64 * 1024;
/// How long a failed transaction rests before it is tried again.
pub const RETRY_MS: i64 = 1000;

/// The settings that the log obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `appendonly`.
    pub append_only: bool,
    /// `appendfsync`.
    pub append_fsync: AppendFsync,
}

/// What the store promises when a transaction is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk.
    Strict,
    /// The operating system has it.
    Relaxed,
}

/// What to write, in one transaction that must first find `epoch` in the store's manifest: if
/// another epoch is there, it writes nothing, and the driver reports [`Log::fenced`].
#[derive(Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Delete every record first: the records are a new beginning.
    pub replace: bool,
    /// The payloads of the records, each with the offset that is its key, in order.
    payloads: Vec<(u64, Vec<u8>)>,
    /// The manifest to write as well; its epoch is the one to be found.
    pub manifest: Manifest,
    /// What is stored once the transaction is complete: every effect before this offset.
    pub end: u64,
    /// Whether the manifest differs from what is in the store.
    pub manifest_changed: bool,
}

impl Transaction {
    /// How many records there are.
    pub fn records(&self) -> usize {
        self.payloads.len()
    }

    /// Record number `index`, encoded, with the offset that is its key; `None` after the last. To
    /// encode all of a large transaction at once would take long.
    pub fn record(&self, index: usize) -> Option<(u64, Vec<u8>)> {
        let (offset, payload) = self.payloads.get(index)?;
        let record = Record { epoch: self.manifest.epoch, offset: *offset, payload };
        // A payload is at most one argument of 512 MiB and what is around it, or one transaction;
        // in 32 bits of address space none can have 4 GiB.
        Some((*offset, record::encode(&record)?))
    }
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Perform the transaction, then report [`Log::stored`], [`Log::failed`] or [`Log::fenced`].
    Store(Rc<Transaction>, Durability),
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
}

/// The state between two effects and the store.
#[derive(Debug)]
pub struct Log {
    settings: Settings,
    manifest: Manifest,
    /// Payloads that no transaction has yet, each with its offset.
    waiting: VecDeque<(u64, Vec<u8>)>,
    waiting_bytes: usize,
    /// When the first of them came.
    waiting_since: Option<i64>,
    /// Transactions in order; the first may be under way.
    queue: VecDeque<Rc<Transaction>>,
    /// The durability of the transaction under way.
    under_way: Option<Durability>,
    retry_at: Option<i64>,
    failure: Option<String>,
    fenced: bool,
    /// The offset after everything that was appended.
    end: u64,
    durable: u64,
    /// Everything before this offset has been stored strictly.
    strict: u64,
    /// A flush wants everything before this offset to be strict.
    flush_to: Option<u64>,
    /// Start what waits without delay.
    urgent: bool,
    last_stored_ms: i64,
    base_size: u64,
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
            queue: VecDeque::new(),
            under_way: None,
            retry_at: None,
            failure: None,
            fenced: false,
            end,
            durable: end,
            strict: end,
            flush_to: None,
            urgent: false,
            last_stored_ms: now_ms,
            base_size: 0,
            actions: VecDeque::new(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Effects were made: stretches of whole units that follow what was appended before.
    pub fn append(&mut self, stretches: impl Iterator<Item = Vec<u8>>, now_ms: i64) {
        for effects in stretches {
            self.waiting_since.get_or_insert(now_ms);
            self.waiting_bytes += effects.len();
            let offset = self.end;
            self.end += effects.len() as u64;
            match self.waiting.back_mut() {
                Some((_, payload)) if payload.len() + effects.len() <= RECORD_LEN => {
                    payload.extend_from_slice(&effects);
                }
                _ => self.waiting.push_back((offset, effects)),
            }
        }
        self.start_if_due(now_ms);
    }

    /// `appendfsync` was changed.
    pub fn set_append_fsync(&mut self, append_fsync: AppendFsync, now_ms: i64) {
        self.settings.append_fsync = append_fsync;
        self.start_if_due(now_ms);
    }

    /// `appendonly no`: what waits is stored, and that recording has ended.
    pub fn stop_recording(&mut self, now_ms: i64) {
        self.settings.append_only = false;
        self.seal();
        self.manifest.recording = false;
        self.enqueue(false, Vec::new(), true);
        self.start_if_due(now_ms);
    }

    /// `appendonly yes`: the whole keyspace, as effects, becomes the beginning of the log.
    /// Answers the offset after it, where the stream goes on.
    pub fn start_recording(&mut self, snapshot: Vec<u8>, now_ms: i64) -> u64 {
        self.settings.append_only = true;
        self.seal();
        self.manifest.recording = true;
        self.manifest.base = self.end;
        self.base_size = snapshot.len() as u64;
        let payloads = cut(snapshot, self.end);
        self.end += self.base_size;
        self.enqueue(true, payloads, true);
        self.start_if_due(now_ms);
        self.end
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
        self.flush_to = Some(self.end);
        self.retry_at = None;
        self.start_if_due(now_ms);
        self.finish_flush();
    }

    /// The transaction under way is complete.
    pub fn stored(&mut self, now_ms: i64) {
        let Some(durability) = self.under_way.take() else { return };
        let Some(transaction) = self.queue.pop_front() else { return };
        self.durable = transaction.end;
        if durability == Durability::Strict {
            self.strict = self.durable;
        }
        self.last_stored_ms = now_ms;
        if self.failure.take().is_some() {
            self.actions.push_back(Action::Recovered);
        }
        self.actions.push_back(Action::Durable(self.durable));
        self.finish_flush();
        self.start_if_due(now_ms);
        if self.waiting.is_empty() {
            self.urgent = false;
        }
    }

    /// The transaction under way has failed and left nothing behind.
    pub fn failed(&mut self, reason: &str, now_ms: i64) {
        if self.under_way.take().is_none() {
            return;
        }
        self.retry_at = Some(now_ms.saturating_add(RETRY_MS));
        if self.failure.as_deref() != Some(reason) {
            self.failure = Some(reason.to_owned());
            self.actions.push_back(Action::Failed(reason.to_owned()));
        }
        if self.flush_to.take().is_some() {
            self.actions.push_back(Action::FlushFailed(reason.to_owned()));
        }
    }

    /// The transaction under way found another epoch and wrote nothing.
    pub fn fenced(&mut self) {
        self.under_way = None;
        if std::mem::replace(&mut self.fenced, true) {
            return;
        }
        self.actions.push_back(Action::Fenced);
        self.failure = Some(self.reason());
        self.actions.push_back(Action::Failed(self.reason()));
        if self.flush_to.take().is_some() {
            self.actions.push_back(Action::FlushFailed(self.reason()));
        }
    }

    /// The time of [`Log::wake_at`] has come, or any other time.
    pub fn wake(&mut self, now_ms: i64) {
        self.start_if_due(now_ms);
    }

    /// When to call [`Log::wake`]: Unix milliseconds, `None` when nothing waits for a time.
    pub fn wake_at(&self) -> Option<i64> {
        if self.under_way.is_some() || self.fenced {
            return None;
        }
        self.retry_at.or_else(|| self.due_at())
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
        status.current_size = self.durable.saturating_sub(self.manifest.base);
        status.base_size = self.base_size;
        status.buffered = self.end - self.durable;
        status.durable_offset = self.durable;
    }

    fn reason(&self) -> String {
        "another context has taken over the store".to_owned()
    }

    /// When what waits is to be stored.
    fn due_at(&self) -> Option<i64> {
        let since = self.waiting_since?;
        let wait = match self.settings.append_fsync {
            AppendFsync::Always => 0,
            AppendFsync::Everysec => EVERYSEC_MS,
            AppendFsync::No if self.waiting_bytes >= NO_BYTES => 0,
            AppendFsync::No => NO_MS,
        };
        Some(since.saturating_add(wait))
    }

    fn start_if_due(&mut self, now_ms: i64) {
        if self.under_way.is_some() || self.fenced || self.retry_at.is_some_and(|at| at > now_ms) {
            return;
        }
        let wants_flush = self.flush_to.is_some_and(|to| self.strict < to);
        if self.queue.is_empty() {
            let due = self.urgent || self.due_at().is_some_and(|at| at <= now_ms);
            if wants_flush && self.waiting.is_empty() {
                // What is stored already becomes strict with a strict transaction after it.
                self.enqueue(false, Vec::new(), true);
            } else if wants_flush || due {
                self.seal();
            }
        }
        let Some(transaction) = self.queue.front() else { return };
        let strict = wants_flush
            || self.settings.append_fsync == AppendFsync::Always
            || transaction.manifest_changed;
        let durability = if strict { Durability::Strict } else { Durability::Relaxed };
        self.retry_at = None;
        self.under_way = Some(durability);
        self.actions.push_back(Action::Store(Rc::clone(transaction), durability));
    }

    /// Makes a transaction of what waits.
    fn seal(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let payloads = std::mem::take(&mut self.waiting).into();
        self.waiting_bytes = 0;
        self.waiting_since = None;
        self.enqueue(false, payloads, false);
    }

    fn enqueue(&mut self, replace: bool, payloads: Vec<(u64, Vec<u8>)>, manifest_changed: bool) {
        let (manifest, end) = (self.manifest, self.end);
        let transaction = Transaction { replace, payloads, manifest, end, manifest_changed };
        self.queue.push_back(Rc::new(transaction));
    }

    fn finish_flush(&mut self) {
        if let Some(to) = self.flush_to
            && self.strict >= to
            && self.queue.is_empty()
        {
            self.flush_to = None;
            self.actions.push_back(Action::Flushed(self.strict));
        }
    }
}

/// Cuts a snapshot between commands into payloads of about [`RECORD_LEN`], the first at `offset`.
fn cut(snapshot: Vec<u8>, offset: u64) -> Vec<(u64, Vec<u8>)> {
    let mut payloads = Vec::new();
    let mut start = 0;
    let mut parser = RequestParser::default();
    while let Ok(Some(Request::Array(_))) = parser.next(&snapshot) {
        let position = parser.position();
        if position - start >= RECORD_LEN || position == snapshot.len() {
            payloads.push((offset + start as u64, snapshot[start..position].to_vec()));
            start = position;
        }
    }
    if start < snapshot.len() {
        payloads.push((offset + start as u64, snapshot[start..].to_vec()));
    }
    payloads
}
