//! A tab that has got the lock: it takes the store over, and gathers what the others have beyond it.

use super::message::{Kind, Message};
use super::peer::{Action, Claimed, Peer, Role};
use crate::persist::lineage::Position;

/// How long a candidate waits for the tabs that there are, in milliseconds: one may be frozen.
const GATHER_MS: i64 = 150;
/// How long for the next of what one tab has.
const TAIL_MS: i64 = 300;

#[derive(Default)]
pub(super) struct Candidate {
    /// Where the store is in the stream, once it is this tab's.
    store: Option<Position>,
    /// Tabs that have not said what they have.
    waiting: Vec<u64>,
    /// What the others have said that they have.
    haves: Vec<(u64, Position)>,
    /// Who is sending what it has.
    source: Option<(u64, Position)>,
    until: Option<i64>,
}

impl Candidate {
    pub(super) fn wake_at(&self) -> Option<i64> {
        self.until
    }
}

impl Peer {
    /// The lock is this tab's.
    pub fn lock_granted(&mut self) {
        match self.role {
            Role::Follower(_) => {
                self.end_snapshots();
                self.end_sync();
                self.doubt_replies();
                // Whether there is a better copy is to be seen.
                self.is_stale = false;
                self.role = Role::Candidate(Candidate::default());
                self.actions.push_back(Action::Claim(self.backlog.stored()));
                self.pong();
            }
            Role::Out => self.actions.push_back(Action::DropLock),
            _ => {}
        }
    }

    /// The store is this tab's.
    pub fn claimed(&mut self, claimed: Claimed) {
        self.end_sync();
        let Role::Candidate(candidate) = &mut self.role else { return };
        self.term = self.term.max(claimed.epoch);
        let end = claimed.start.max(claimed.end);
        let store = Position { lineage: claimed.lineage.until(end), offset: end };
        // It may have been claimed before, for somebody who was robbed since: all are asked again.
        *candidate = Candidate { store: Some(store), ..Candidate::default() };
        match self.position() {
            Some(mine) if mine.offset >= end && mine.is_of(&claimed.lineage) => {
                // The leaders that the store has heard of since count, too.
                self.lineage = Some(claimed.lineage.until(mine.offset));
                self.backlog.set_stored(claimed.end);
                self.actions.push_back(Action::AskTabs);
            }
            // The last leader was to be stored anew, or not at all.
            Some(mine) if mine.rank() > store.rank() => self.actions.push_back(Action::AskTabs),
            _ => self.load_anew(),
        }
    }

    /// The copy is the one of the store, or of another tab.
    pub(super) fn loaded_as_candidate(&mut self, is_synced: bool, now_ms: i64) {
        let position = self.position();
        let Role::Candidate(candidate) = &mut self.role else { return };
        if is_synced {
            candidate.source = None;
            self.choose(now_ms);
        } else if candidate.store.is_some() {
            candidate.store = position;
            self.actions.push_back(Action::AskTabs);
        }
    }

    /// The tabs that there are, this one or not.
    pub fn tabs_alive(&mut self, tabs: &[u64], now_ms: i64) {
        let tab = self.settings.tab;
        let Role::Candidate(candidate) = &mut self.role else { return };
        candidate.waiting = tabs.iter().copied().filter(|other| *other != tab).collect();
        candidate.haves.clear();
        candidate.source = None;
        candidate.until = Some(now_ms.saturating_add(GATHER_MS));
        let gather = self.message(Kind::Gather);
        self.actions.push_back(Action::Send(gather));
        self.choose_if_complete(now_ms);
    }

    pub(super) fn receive_as_candidate(&mut self, message: Message, now_ms: i64) {
        let term = self.term;
        let end = self.backlog.end();
        let is_syncing = self.is_syncing();
        let Role::Candidate(candidate) = &mut self.role else { return };
        let is_source = candidate.source.is_some_and(|(source, _)| source == message.from);
        match message.kind {
            Kind::Have if message.epoch == term => {
                candidate.waiting.retain(|tab| *tab != message.from);
                if let Some(position) = Position::decode(&message.payload) {
                    candidate.haves.push((message.from, position));
                }
                self.choose_if_complete(now_ms);
            }
            Kind::Tail if is_syncing => {}
            Kind::Tail if is_source && message.epoch == term && message.offset == end => {
                candidate.until = Some(now_ms.saturating_add(TAIL_MS));
                if !message.payload.is_empty() {
                    self.actions.push_back(Action::Apply(end, message.payload.clone()));
                    self.backlog.push(message.payload);
                }
                if message.seq == 1 {
                    self.tail_ended(now_ms);
                }
            }
            // It does not have all that lacks here.
            Kind::Tail if is_source && message.epoch == term => self.sync_from_source(now_ms),
            Kind::Snapshot | Kind::Piece => self.sync_answered(message, now_ms),
            Kind::Hello | Kind::Ping => self.pong(),
            Kind::Bye => {
                candidate.waiting.retain(|tab| *tab != message.from);
                if is_source {
                    return self.drop_source(now_ms);
                }
                self.choose_if_complete(now_ms);
            }
            _ => {}
        }
    }

    pub(super) fn wake_candidate(&mut self, now_ms: i64) {
        let Role::Candidate(candidate) = &mut self.role else { return };
        if candidate.until.is_none_or(|until| until > now_ms) {
            return;
        }
        if candidate.source.is_some() {
            return self.drop_source(now_ms);
        }
        candidate.waiting.clear();
        self.choose_if_complete(now_ms);
    }

    /// Says to all that somebody is about to lead.
    pub(super) fn pong(&mut self) {
        let mut pong = self.message(Kind::Pong);
        pong.epoch = 0;
        self.actions.push_back(Action::Send(pong));
    }

    fn choose_if_complete(&mut self, now_ms: i64) {
        let Role::Candidate(candidate) = &self.role else { return };
        let is_asking = candidate.until.is_some() && candidate.source.is_none();
        if is_asking && candidate.waiting.is_empty() {
            self.choose(now_ms);
        }
    }

    /// Takes what the best of the others has beyond this copy, or leads.
    fn choose(&mut self, now_ms: i64) {
        let Some(mine) = self.position() else { return self.step_down(now_ms) };
        let Role::Candidate(candidate) = &mut self.role else { return };
        candidate.until = None;
        let best = candidate.haves.iter().copied().max_by_key(|(_, position)| position.rank());
        let Some((tab, best)) = best.filter(|(_, best)| best.rank() > mine.rank()) else {
            return match candidate.store {
                Some(store) => self.lead(store, now_ms),
                None => self.step_down(now_ms),
            };
        };
        candidate.source = Some((tab, best));
        if !mine.is_of(&best.lineage) {
            // What this copy has is not in the stream any more.
            return self.sync_from_source(now_ms);
        }
        candidate.until = Some(now_ms.saturating_add(TAIL_MS));
        self.send_to(tab, Kind::Want, 0, mine.offset, Vec::new());
    }

    /// Asks the source for everything.
    fn sync_from_source(&mut self, now_ms: i64) {
        let Role::Candidate(candidate) = &mut self.role else { return };
        let Some((tab, position)) = candidate.source else { return };
        candidate.until = None;
        // What it has sent before is for nobody.
        self.greeting += 1;
        self.sync_from(tab, position.lineage, now_ms);
    }

    pub(super) fn load_anew(&mut self) {
        self.forget_copy();
        self.load();
    }

    /// All that the source has is here.
    fn tail_ended(&mut self, now_ms: i64) {
        let end = self.backlog.end();
        let Role::Candidate(candidate) = &mut self.role else { return };
        match candidate.source.take() {
            Some((tab, position)) if end < position.offset => {
                candidate.haves.retain(|(other, _)| *other != tab);
            }
            Some((_, position)) => self.lineage = Some(position.lineage),
            None => return,
        }
        self.choose(now_ms);
    }

    /// The source is silent, or has left.
    pub(super) fn drop_source(&mut self, now_ms: i64) {
        self.end_sync();
        let Role::Candidate(candidate) = &mut self.role else { return };
        if let Some((tab, _)) = candidate.source.take() {
            candidate.haves.retain(|(other, _)| *other != tab);
        }
        self.choose(now_ms);
    }
}
