//! One tab's part in a name: follower, candidate or leader.
//!
//! The driver tells what happens, then performs [`Peer::next_action`] until there is none, in order.
//! Messages of one sender come in order; those of two in any; some may be lost while a tab has left.

use super::backlog::{Backlog, KEEP_LEN, PINNED_LEN};
use super::candidate::Candidate;
use super::follower::{Follower, Pending};
use super::leader::Leader;
use super::loading::Loading;
use super::message::{Kind, Message};
use super::snapshots::Snapshots;
use crate::collections::Sorted;
use crate::persist::lineage::{Lineage, Position};
use std::collections::VecDeque;

/// What a tab wants to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A random number that no other tab has; not 0.
    pub tab: u64,
    /// Whether to hold a copy of the data while another tab leads.
    pub replica: bool,
    /// Whether to lead, if nobody else does.
    pub leads: bool,
    /// How long a leader may be silent that was asked something, in milliseconds.
    pub silence_ms: i64,
}

/// How much is kept and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the stream that are kept though the store has them.
    pub keep_len: u64,
    /// Bytes of the stream that are kept for tabs that load what was before.
    pub pinned_len: u64,
    /// Pieces of a snapshot that a tab may be sent before it has taken the first of them.
    pub window: u64,
    /// How long a tab may be away, and still come back for replies, in milliseconds.
    pub away_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keep_len: KEEP_LEN, pinned_len: PINNED_LEN, window: 4, away_ms: AWAY_MS }
    }
}

/// What becomes of the effects of a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// They are stored, and every tab can load them.
    Shared,
    /// They are stored, and only the tab that owns the store can load them.
    Owned,
    /// They are not stored: there are only the copies of the tabs.
    Off,
}

/// What the driver is to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send to all other tabs.
    Send(Message),
    /// Ask for the lock of the name, and wait for it; then [`Peer::lock_granted`].
    AskLock,
    /// Take the lock away from whoever holds it; then [`Peer::lock_granted`].
    StealLock,
    /// Let go of the lock, or of the wish for it.
    DropLock,
    /// Take the store over: raise its epoch, and find out where its records end, which have come to
    /// this offset at least; then [`Peer::claimed`], or [`Peer::claim_failed`].
    Claim(u64),
    /// Load the keyspace from the store, into an empty one; then [`Peer::loaded`], or
    /// [`Peer::load_failed`]. What else is being loaded is given up.
    Load,
    /// Load this piece of a snapshot, into a keyspace beside the one that is there; then
    /// [`Peer::piece_taken`]. After the last, put it in the place of that one; then [`Peer::loaded`].
    LoadPiece {
        /// Whose stream it is of.
        lineage: Lineage,
        /// Where in it.
        offset: u64,
        /// Whether a new keyspace begins: what else is being loaded is given up.
        is_first: bool,
        /// Whether it is the last.
        is_last: bool,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// Give up what is being loaded, and pieces that were not taken.
    EndLoad,
    /// Begin a snapshot of the keyspace as it is after the actions before this one, or later if another
    /// one is under way; then [`Peer::snapshot_began`], and [`Peer::snapshot_piece`] while
    /// [`Peer::wants_piece`]; or [`Peer::snapshot_failed`].
    Snapshot,
    /// Give up the snapshot that was asked for.
    EndSnapshot,
    /// Find out whether the lock is still this tab's; then [`Peer::turned`], or [`Peer::lock_lost`].
    Verify,
    /// Find out which tabs there are; then [`Peer::tabs_alive`].
    AskTabs,
    /// Tell [`Peer::gone`] when this tab has ended.
    Watch(u64),
    /// Apply effects that begin at this offset to the copy; then [`Peer::applied`].
    Apply(u64, Vec<u8>),
    /// Be the leader, of this stream: tell the store, then [`Peer::led`]. `tail` is what the store lacks of
    /// it, from `stored` on, and is stored together with the lineage.
    Lead {
        /// Whose it is from now on.
        lineage: Lineage,
        /// The offset after the last effect.
        offset: u64,
        /// The offset up to which the store has it.
        stored: u64,
        /// The rest.
        tail: Vec<Vec<u8>>,
        /// What the store lacks is not known any more: it is told the lineage, then gets a base with
        /// everything. `stored` is `offset` then, where the log goes on.
        anew: bool,
    },
    /// Be a follower.
    Follow,
    /// The leader knows this tab, as this connection: tell it the state of the session.
    Welcomed,
    /// A leader: this tab wants a session, a new one.
    Connect(u64),
    /// A leader: run a request, unless its record says that it was run.
    Run(Run),
    /// A leader: the replies to the requests of this tab that may block have reached it, from number
    /// `first` to `last`, but for those `pending`, which ascend.
    Acked {
        /// Whose.
        tab: u64,
        /// From which number on.
        first: u64,
        /// Up to which.
        last: u64,
        /// Those in between that have not.
        pending: Vec<u64>,
    },
    /// A leader: end the blocking of a request of this tab.
    Cancel(u64, u64),
    /// A leader: this tab is not here any more, and what it has asked for is not to be answered.
    Disconnect(u64, Parting),
    /// The reply to a request of this tab.
    Reply(u64, Vec<u8>),
    /// Whether this request of this tab was run is not known.
    Lost(u64),
    /// Messages of this tab's session.
    Push(Vec<u8>),
    /// What was changed of the leader's settings.
    Config(Vec<u8>),
}

/// What becomes of the records of a tab that is not here any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It seems to have ended: what its blocking pops took out is put back, and all is forgotten; then
    /// [`Peer::forgot`], if there was something.
    Ended,
    /// It has taken its leave: the same.
    Left,
    /// It has got all its replies: all is forgotten.
    Settled,
    /// It comes back for replies: they are kept, and whoever leads next is to keep them, too.
    Away,
    /// It is here, and gets another session.
    Killed,
}

/// A tab that has left, and comes back for replies.
pub(super) struct Away {
    pub(super) tab: u64,
    /// It was heard of since.
    pub(super) is_back: bool,
    /// Until when a leader keeps its records, while it does not come.
    pub(super) until: i64,
}

/// The latest tabs that are remembered to be away, and for how long, in milliseconds: as long as browsers
/// keep pages that may come back.
const AWAY_MAX: usize = 64;
const AWAY_MS: i64 = 10 * 60 * 1000;

/// A request to be run by the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whose it is; this tab's own number for one that it asked for itself.
    pub tab: u64,
    /// Its number, which rises from request to request of a tab.
    pub seq: u64,
    /// Replies up to this number have reached the tab, but for those to what may block.
    pub acked: u64,
    /// Whether it may block.
    pub blocks: bool,
    /// What to run.
    pub call: Vec<u8>,
}

/// What the store says of itself when it was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The new epoch.
    pub epoch: u64,
    /// Whose stream it has.
    pub lineage: Lineage,
    /// The offset of its first record.
    pub start: u64,
    /// The offset after its last record.
    pub end: u64,
}

pub(super) enum Role {
    /// It has left.
    Out,
    Follower(Follower),
    Candidate(Candidate),
    Leader(Leader),
}

/// A tab's part in a name.
pub struct Peer {
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) role: Role,
    pub(super) actions: VecDeque<Action>,
    /// Whose stream the copy is of; none if there is no copy, or none that is of use. It ends where the
    /// backlog does.
    pub(super) lineage: Option<Lineage>,
    pub(super) backlog: Backlog,
    /// The offset up to which the copy has applied it.
    pub(super) applied: u64,
    /// The offset from which on a copy that was loaded anew is no older than the one before.
    pub(super) readable_from: u64,
    /// Another copy is to take the place of this one, which is kept in case that nobody has a better
    /// one.
    pub(super) is_stale: bool,
    /// The copy is being loaded.
    pub(super) loading: Loading,
    /// This tab cannot load the store.
    pub(super) cannot_load: bool,
    /// What is given to tabs that load from this one.
    pub(super) snapshots: Snapshots,
    pub(super) recording: Recording,
    /// What was changed of the leader's settings.
    pub(super) config: Vec<u8>,
    /// The highest epoch that was heard of.
    pub(super) term: u64,
    /// This tab's own requests that wait for a reply.
    pub(super) pending: Sorted<u64, Pending>,
    /// The number of the newest request, and of the newest that may block.
    pub(super) last_seq: u64,
    pub(super) last_blocking: u64,
    /// The number of the newest greeting.
    pub(super) greeting: u64,
    /// The latest tabs that have left.
    pub(super) away: Vec<Away>,
    /// This tab has left while a leader may have run what it waits for.
    pub(super) returns: bool,
}

impl Peer {
    /// A tab that has not come yet.
    pub fn new(settings: Settings) -> Self {
        Self::with_limits(settings, Limits::default())
    }

    /// As [`Peer::new`], with other limits.
    pub fn with_limits(settings: Settings, limits: Limits) -> Self {
        Self {
            settings,
            limits,
            role: Role::Out,
            actions: VecDeque::new(),
            lineage: None,
            backlog: Backlog::new(limits.keep_len, limits.pinned_len),
            applied: 0,
            readable_from: u64::MAX,
            is_stale: false,
            loading: Loading::No,
            cannot_load: false,
            snapshots: Snapshots::default(),
            recording: Recording::Shared,
            config: Vec::new(),
            term: 0,
            pending: Sorted::new(),
            last_seq: 0,
            last_blocking: 0,
            greeting: 0,
            away: Vec::new(),
            returns: false,
        }
    }

    /// What to do next.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Comes, or comes back.
    pub fn start(&mut self, now_ms: i64) {
        if !matches!(self.role, Role::Out) {
            return;
        }
        self.follow(now_ms);
        if self.settings.leads {
            self.actions.push_back(Action::AskLock);
        }
    }

    /// Leaves; `returns` if it may come back, with what it has asked for.
    pub fn leave(&mut self, returns: bool) {
        if matches!(self.role, Role::Out) {
            return;
        }
        let waits = self.waits();
        let mut bye = self.message(Kind::Bye);
        bye.seq = u64::from(returns) + u64::from(returns && waits);
        self.actions.push_back(Action::Send(bye));
        self.returns |= waits;
        self.away.clear();
        self.resign();
        self.end_sync();
        self.role = Role::Out;
    }

    /// Whether a leader may have run something whose reply has not come.
    pub fn waits(&self) -> bool {
        self.pending.values().any(|pending| pending.sent)
    }

    /// A message tells that a tab leaves, or is here. A leader knows more of it.
    fn note_away(&mut self, message: &Message, now_ms: i64) {
        let tab = message.from;
        match message.kind {
            Kind::Bye if message.seq == 2 => _ = self.add_away(tab, now_ms),
            Kind::Bye => self.away.retain(|away| away.tab != tab),
            Kind::Hello => {
                let away = self.away.iter_mut().filter(|away| away.tab == tab);
                away.for_each(|away| away.is_back = true);
            }
            _ => {}
        }
    }

    /// Remembers a tab that is away; answers the one that had to be forgotten for it.
    pub(super) fn add_away(&mut self, tab: u64, now_ms: i64) -> Option<u64> {
        self.away.retain(|away| away.tab != tab);
        let is_full = self.away.len() >= AWAY_MAX;
        let oldest = is_full.then(|| self.away.remove(0).tab);
        let until = now_ms.saturating_add(self.limits.away_ms);
        self.away.push(Away { tab, is_back: false, until });
        oldest
    }

    /// What becomes of the effects of this tab when it leads.
    pub fn set_recording(&mut self, recording: Recording) {
        self.recording = recording;
        if matches!(self.role, Role::Leader(_)) {
            self.backlog.set_recorded(recording != Recording::Off);
        }
    }

    /// Whether this tab leads.
    pub fn is_leader(&self) -> bool {
        matches!(&self.role, Role::Leader(leader) if leader.serves)
    }

    /// Whether the copy can be read: nothing that this tab has seen before is missing in it.
    pub fn has_copy(&self) -> bool {
        self.lineage.is_some() && self.applied >= self.readable_from
    }

    /// Where the copy is in the stream, if there is one.
    pub fn position(&self) -> Option<Position> {
        let offset = self.backlog.end();
        self.lineage.map(|lineage| Position { lineage: lineage.until(offset), offset })
    }

    /// When to call [`Peer::wake`].
    pub fn wake_at(&self) -> Option<i64> {
        let silence = self.settings.silence_ms;
        let role = match &self.role {
            Role::Follower(follower) => follower.wake_at(silence),
            Role::Candidate(candidate) => candidate.wake_at(),
            Role::Leader(leader) if leader.serves => {
                let absent = self.away.iter().filter(|away| !away.is_back);
                absent.map(|away| away.until).min()
            }
            _ => None,
        };
        let others = [self.snapshots.wake_at(silence), self.loading.wake_at()];
        [role].into_iter().chain(others).flatten().min()
    }

    /// The time of [`Peer::wake_at`] has come.
    pub fn wake(&mut self, now_ms: i64) {
        self.wake_snapshots(now_ms);
        self.wake_loading(now_ms);
        match self.role {
            Role::Follower(_) => self.wake_follower(now_ms),
            Role::Candidate(_) => self.wake_candidate(now_ms),
            Role::Leader(_) if self.is_leader() => self.wake_leader(now_ms),
            _ => {}
        }
    }

    /// A message came.
    pub fn receive(&mut self, message: Message, now_ms: i64) {
        let is_mine = message.to == 0 || message.to == self.settings.tab;
        if !is_mine || message.from == self.settings.tab {
            return;
        }
        if message.epoch > self.term && !matches!(self.role, Role::Out) {
            // Somebody has taken the store over since.
            self.term = message.epoch;
            if matches!(self.role, Role::Follower(_)) {
                self.end_snapshots();
            } else {
                self.step_down(now_ms);
            }
        }
        if !self.is_leader() && !matches!(self.role, Role::Out) {
            self.note_away(&message, now_ms);
        }
        match self.role {
            Role::Follower(_) => self.receive_as_follower(message, now_ms),
            Role::Candidate(_) => self.receive_as_candidate(message, now_ms),
            Role::Leader(_) => self.receive_as_leader(message, now_ms),
            Role::Out => {}
        }
    }

    /// The lock was stolen, or the store has another owner.
    pub fn lock_lost(&mut self, now_ms: i64) {
        match self.role {
            Role::Leader(_) | Role::Candidate(_) => self.step_down(now_ms),
            // It was this tab's for a moment, which passed unseen.
            Role::Follower(_) if self.settings.leads => self.actions.push_back(Action::AskLock),
            _ => {}
        }
    }

    /// The store could not be taken over, or loaded: somebody else may try.
    pub fn claim_failed(&mut self, now_ms: i64) {
        self.lock_lost(now_ms);
    }

    /// The copy has applied everything up to this offset.
    pub fn applied(&mut self, offset: u64) {
        self.applied = self.applied.max(offset);
        self.settle();
    }

    pub(super) fn step_down(&mut self, now_ms: i64) {
        self.resign();
        self.follow(now_ms);
        if self.settings.leads {
            self.actions.push_back(Action::AskLock);
        }
    }

    /// Lets go of what only a leader has, or a candidate.
    fn resign(&mut self) {
        self.end_snapshots();
        self.actions.push_back(Action::DropLock);
        if let Role::Leader(leader) = &self.role {
            if !leader.serves {
                // Whether the store has heard of this reign is not known; nobody else has.
                self.lineage = leader.before;
            }
            self.actions.push_back(Action::Follow);
        }
    }

    pub(super) fn message(&self, kind: Kind) -> Message {
        let greeting = self.greeting;
        Message { greeting, ..Message::new(kind, self.settings.tab, self.term) }
    }

    pub(super) fn send_to(&mut self, to: u64, kind: Kind, seq: u64, offset: u64, payload: Vec<u8>) {
        let message = Message { to, seq, offset, payload, ..self.message(kind) };
        self.actions.push_back(Action::Send(message));
    }

    /// Sends what the backlog has from an offset on to one tab.
    pub(super) fn send_since(&mut self, to: u64, kind: Kind, seq: u64, offset: u64) {
        let stretches = self.backlog.since(offset).unwrap_or_default();
        let stretches: Vec<_> =
            stretches.into_iter().map(|(at, bytes)| (at, bytes.to_vec())).collect();
        for (at, bytes) in stretches {
            self.send_to(to, kind, seq, at, bytes);
        }
    }

    /// Replies up to this number have reached this tab, but for those to what may block.
    pub(super) fn acked(&self) -> u64 {
        let first = self.pending.iter().find(|(_, pending)| !pending.blocks);
        first.map_or(self.last_seq, |(seq, _)| seq.saturating_sub(1))
    }

    /// Those to what may block that have not.
    pub(super) fn blocking(&self) -> Vec<u64> {
        let blocking = self.pending.iter().filter(|(_, pending)| pending.blocks);
        blocking.map(|(seq, _)| *seq).collect()
    }
}
