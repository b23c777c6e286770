//! One tab: its peer, its copy, and what the driver of a browser does between the two.

use super::copy::{Copy, Op};
use super::syncing::Snapshot;
use lodis::persist::lineage::{Lineage, Position};
use lodis::replication::peer::{Action, Limits, Peer, Settings};
use std::collections::{BTreeMap, VecDeque};

/// A call of the page.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub op: Op,
    pub at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Alive,
    /// Nothing happens until it is resumed.
    Frozen,
    /// In the back/forward cache.
    Away,
    Dead,
}

/// A leader's log.
#[derive(Default)]
pub struct Log {
    pub epoch: u64,
    pub lineage: Lineage,
    pub stored: u64,
    /// Stretches that are not stored.
    pub queue: VecDeque<Vec<u8>>,
    /// How many of them are being stored.
    pub under_way: usize,
    /// The store has nothing of what follows until it has a base, which is to be made.
    pub is_held: bool,
    /// Where the base that is being stored ends.
    pub base_under_way: Option<u64>,
    pub is_storing: bool,
    pub flush_planned: bool,
    pub transaction: usize,
}

/// What waits for the store: a reply to a request, by offset.
pub struct Answer {
    pub offset: u64,
    pub tab: u64,
    pub seq: u64,
    pub reply: u64,
}

/// A request that waits at the leader.
pub struct Parked {
    pub tab: u64,
    pub seq: u64,
    pub acked: u64,
    pub op: Op,
}

pub struct Tab {
    pub id: u64,
    leads: bool,
    pub replica: bool,
    pub peer: Peer,
    pub copy: Copy,
    pub state: State,
    /// What is to be sent at the end of the task.
    pub post: Vec<u8>,
    /// What is to be done with the copy, in order.
    pub work: VecDeque<Action>,
    /// The first of `work` takes its time.
    pub busy: bool,
    /// The number of the newest load: another one counts for nothing.
    pub load: u64,
    /// What takes its time is a load.
    pub is_loading: bool,
    /// The pieces of a snapshot that have come.
    pub incoming: Vec<u8>,
    /// What others load from this tab, and the number of the newest one.
    pub snapshot: Snapshot,
    pub snapshots: u64,
    pub log: Option<Log>,
    /// Replies that wait for the store.
    pub answers: Vec<Answer>,
    /// Requests that wait for a job.
    pub parked: VecDeque<Parked>,
    /// The tabs of which it wants to know when they have ended, and the numbers of these wishes.
    pub watches: BTreeMap<u64, u64>,
    /// Calls of the page, by number.
    pub asked: BTreeMap<u64, Asked>,
    /// Replacements by the leader that this tab is, which wait for the store, with their replies and
    /// offsets.
    pub own: BTreeMap<u64, (u64, u64)>,
    pub next_seq: u64,
    pub wake_at: Option<i64>,
    /// How much its clock is ahead.
    pub clock: i64,
    /// It has been frozen, away or ended.
    pub troubled: bool,
    /// It has been away, or has ended.
    pub has_left: bool,
    /// It was away, and a leader has forgotten it.
    pub was_forgotten: bool,
    /// Since when it has answered whatever it was asked, by the clock that it had.
    pub present_since: i64,
    /// It ends after so many more steps, in the middle of a task.
    pub steps_left: Option<u64>,
    /// What it had when it claimed the store.
    pub claims_with: Option<Position>,
    /// When it asked which tabs there are, as a candidate.
    pub gathers_since: i64,
    /// Events that came while it was frozen.
    pub missed: Vec<super::world::Event>,
}

impl Tab {
    pub fn new(id: u64, replica: bool, leads: bool, limits: Limits) -> Self {
        let settings = Settings { tab: id, replica, leads, silence_ms: 1000 };
        Self {
            id,
            leads,
            replica,
            peer: Peer::with_limits(settings, limits),
            copy: Copy::default(),
            state: State::Alive,
            post: Vec::new(),
            work: VecDeque::new(),
            busy: false,
            load: 0,
            is_loading: false,
            incoming: Vec::new(),
            snapshot: Snapshot::default(),
            snapshots: 0,
            log: None,
            answers: Vec::new(),
            parked: VecDeque::new(),
            watches: BTreeMap::new(),
            asked: BTreeMap::new(),
            own: BTreeMap::new(),
            next_seq: 1,
            wake_at: None,
            clock: 0,
            troubled: false,
            has_left: false,
            was_forgotten: false,
            present_since: 0,
            steps_left: None,
            claims_with: None,
            gathers_since: 0,
            missed: Vec::new(),
        }
    }
}

impl Tab {
    pub fn can_lead(&self) -> bool {
        self.leads
    }

    /// Whether its copy is to be what the leader has.
    pub fn holds_copy(&self) -> bool {
        self.replica || self.peer.is_leader()
    }
}
