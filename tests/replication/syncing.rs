//! What the driver of a tab does with loads and snapshots.

use super::copy::Copy;
use super::scenario::Scenario;
use super::tab::Tab;
use super::world::Event;
use lodis::replication::peer::{Action, Recording};

/// A snapshot that a tab makes.
#[derive(Default)]
pub struct Snapshot {
    /// What is asked for now; 0 for nothing.
    number: u64,
    /// What is to be given, once it has begun.
    rest: Option<Vec<u8>>,
    is_planned: bool,
}

impl Scenario {
    /// What was being loaded is given up.
    pub fn end_load(&mut self, tab: usize) {
        let this = &mut self.tabs[tab];
        this.load += 1;
        this.incoming.clear();
        this.work.retain(|work| !matches!(work, Action::Load | Action::LoadPiece { .. }));
        if std::mem::take(&mut this.is_loading) {
            this.busy = false;
        }
    }

    /// The store has been read.
    pub fn loaded(&mut self, tab: usize, load: u64) {
        if self.tabs[tab].load != load {
            return;
        }
        (self.tabs[tab].busy, self.tabs[tab].is_loading) = (false, false);
        let clock = self.clock(tab);
        if self.lock.holder != Some(tab) && self.has_no_memory(tab) {
            return;
        }
        if self.recording == Recording::Shared || self.lock.holder == Some(tab) {
            let (lineage, end) = (self.store.lineage, self.store.end());
            self.tabs[tab].copy = self.store.load();
            self.tabs[tab].peer.loaded(lineage, end, clock);
        } else {
            assert!(self.tabs[tab].can_lead(), "it has nothing that it could have owned");
            self.tabs[tab].peer.load_failed(clock);
        }
        self.pump(tab);
    }

    /// There is no memory for what is being loaded, now and then.
    fn has_no_memory(&mut self, tab: usize) -> bool {
        if self.steady == Some(tab) || !self.tabs[tab].replica || !self.rng.one_in(200) {
            return false;
        }
        self.end_load(tab);
        self.tabs[tab].work.retain(|work| !matches!(work, Action::Apply(..)));
        self.tabs[tab].copy = Copy::default();
        self.tabs[tab].replica = false;
        self.tabs[tab].present_since = self.now;
        let clock = self.clock(tab);
        self.tabs[tab].peer.hold_no_copy(clock);
        self.pump(tab);
        true
    }

    pub fn load_piece(&mut self, tab: usize, action: Action) {
        let this = &mut self.tabs[tab];
        (this.busy, this.is_loading) = (true, true);
        this.work.push_front(action);
        let wait = self.rng.below(4) as i64;
        self.agenda.add(self.now + wait, Event::PieceLoaded(tab, self.tabs[tab].load));
    }

    pub fn piece_loaded(&mut self, tab: usize, load: u64) {
        let clock = self.clock(tab);
        if self.tabs[tab].load != load || self.has_no_memory(tab) {
            return;
        }
        let this = &mut self.tabs[tab];
        (this.busy, this.is_loading) = (false, false);
        let Some(Action::LoadPiece { lineage, offset, is_first, is_last, bytes }) =
            this.work.pop_front()
        else {
            unreachable!()
        };
        assert_eq!(is_first, this.incoming.is_empty());
        this.incoming.extend_from_slice(&bytes);
        if is_last {
            self.summary.syncs += 1;
            this.copy = Copy::decode(&std::mem::take(&mut this.incoming));
            this.peer.loaded(lineage, offset, clock);
        } else {
            this.peer.piece_taken(clock);
        }
        self.pump(tab);
    }

    /// A snapshot was asked for: another one may be under way.
    pub fn plan_snapshot(&mut self, tab: usize) {
        self.tabs[tab].snapshots += 1;
        let number = self.tabs[tab].snapshots;
        self.tabs[tab].snapshot = Snapshot { number, ..Snapshot::default() };
        let wait = if self.rng.one_in(8) { self.rng.below(500) } else { self.rng.below(4) };
        self.agenda.add(self.now + wait as i64, Event::SnapshotBegins(tab, number));
    }

    pub fn end_snapshot(&mut self, tab: usize) {
        let this = &mut self.tabs[tab];
        this.snapshot = Snapshot::default();
        this.work.retain(|work| *work != Action::Snapshot);
    }

    pub fn snapshot_begins(&mut self, tab: usize, number: u64) {
        if self.tabs[tab].snapshot.number != number {
            return;
        }
        let clock = self.clock(tab);
        if self.rng.one_in(20) {
            self.snapshot_fails(tab);
        } else {
            let Tab { peer, copy, snapshot, .. } = &mut self.tabs[tab];
            snapshot.rest = Some(copy.encode());
            let offset = peer.position().unwrap().offset;
            assert_eq!(offset, copy.offset, "the copy is not what the peer takes it for");
            peer.snapshot_began(offset, clock);
        }
        self.pump(tab);
    }

    fn snapshot_fails(&mut self, tab: usize) {
        self.end_snapshot(tab);
        self.tabs[tab].present_since = self.now;
        self.tabs[tab].peer.snapshot_failed();
    }

    pub fn plan_snapshot_step(&mut self, tab: usize) {
        let Tab { peer, snapshot, .. } = &mut self.tabs[tab];
        if snapshot.rest.is_some() && !snapshot.is_planned && peer.wants_piece() {
            snapshot.is_planned = true;
            let wait = self.rng.below(6) as i64;
            self.agenda.add(self.now + wait, Event::SnapshotStep(tab, snapshot.number));
        }
    }

    pub fn snapshot_steps(&mut self, tab: usize, number: u64) {
        let clock = self.clock(tab);
        let Tab { peer, snapshot, .. } = &mut self.tabs[tab];
        if snapshot.number != number {
            return;
        }
        snapshot.is_planned = false;
        if self.rng.one_in(100) {
            self.snapshot_fails(tab);
        } else if peer.wants_piece()
            && let Some(rest) = &mut snapshot.rest
        {
            let len = rest.len().min(1 + self.rng.below(800) as usize);
            let piece = rest.drain(..len).collect();
            let is_last = rest.is_empty();
            if is_last {
                *snapshot = Snapshot::default();
            }
            peer.snapshot_piece(piece, is_last, clock);
        }
        self.pump(tab);
    }
}
