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
    /// The store is this tab's.
    pub(super) claimed: bool,
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
        let Role::Candidate(candidate) = &mut self.role else { return };
        candidate.claimed = true;
        self.term = self.term.max(claimed.epoch);
        let store = claimed.lineage;
        let reaches = claimed.start.max(claimed.end);
        let mine = self.position().filter(|mine| mine.offset >= reaches);
        let is_kept = mine.is_some_and(|mine| mine.is_of(&store));
        if is_kept {
            // The leaders that the store has heard of since count, too.
            self.lineage = Some(store);
            self.backlog.set_stored(claimed.end);
            self.actions.push_back(Action::AskTabs);
        } else {
            self.load_anew();
        }
    }

    /// The tabs that there are, this one or not.
    pub fn tabs_alive(&mut self, tabs: &[u64], now_ms: i64) {
        let tab = self.settings.tab;
        let Role::Candidate(candidate) = &mut self.role else { return };
        candidate.waiting = tabs.iter().copied().filter(|other| *other != tab).collect();
        candidate.haves.clear();
        candidate.until = Some(now_ms.saturating_add(GATHER_MS));
        let gather = self.message(Kind::Gather);
        self.actions.push_back(Action::Send(gather));
        self.choose_if_complete(now_ms);
    }

    pub(super) fn receive_as_candidate(&mut self, message: Message, now_ms: i64) {
        let term = self.term;
        let end = self.backlog.end();
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
            // It has no longer what it said, or what is here does not fit.
            Kind::Tail if is_source && message.epoch == term => self.drop_source(now_ms),
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
            return self.lead(now_ms);
        };
        if !mine.is_of(&best.lineage) {
            // What this copy has is not in the stream any more; what the store has is.
            return self.load_anew();
        }
        candidate.source = Some((tab, best));
        candidate.until = Some(now_ms.saturating_add(TAIL_MS));
        self.send_to(tab, Kind::Want, 0, mine.offset, Vec::new());
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
    fn drop_source(&mut self, now_ms: i64) {
        let Role::Candidate(candidate) = &mut self.role else { return };
        if let Some((tab, _)) = candidate.source.take() {
            candidate.haves.retain(|(other, _)| *other != tab);
        }
        self.choose(now_ms);
    }
}
