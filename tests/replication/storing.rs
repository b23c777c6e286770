//! The log of a leader, and what it has the store do.

use super::copy::Copy;
use super::scenario::Scenario;
use super::tab::{Log, State, Tab};
use super::world::Event;
use lodis::persist::lineage::Lineage;
use lodis::replication::leader::Inheritance;
use lodis::replication::peer::Recording;

/// What a log has asked the store for.
pub struct Transaction {
    epoch: u64,
    lineage: Lineage,
    /// What takes the place of everything that is in the store, and its offset.
    base: Option<(u64, Copy)>,
    from: u64,
    stretches: Vec<Vec<u8>>,
}

impl Scenario {
    pub fn lead(
        &mut self,
        tab: usize,
        lineage: Lineage,
        stored: u64,
        tail: Vec<Vec<u8>>,
        anew: bool,
    ) {
        self.summary.leaders += 1;
        let copy = &self.tabs[tab].copy;
        self.unsure.extend(self.lost.iter().filter_map(|origin| copy.taken_by(*origin)));
        let is_recorded = self.recording != Recording::Off;
        self.summary.anew += u64::from(anew && is_recorded);
        let mut log = Log { epoch: lineage.epoch(), lineage, stored, ..Log::default() };
        if anew {
            log.stored = 0;
            log.is_held = is_recorded;
        } else if is_recorded {
            log.queue = tail.into();
        }
        self.tabs[tab].log = Some(log);
        self.flush(tab, true);
    }

    /// The copy of a leader has changed.
    pub fn wrote(&mut self, tab: usize, effect: Vec<u8>) {
        let Tab { peer, log: Some(log), .. } = &mut self.tabs[tab] else { unreachable!() };
        if effect.is_empty() {
            return;
        }
        if self.rng.one_in(100) {
            peer.passed_over(effect.len());
        } else {
            peer.written(effect.clone(), log.stored);
        }
        if self.recording != Recording::Off && !log.is_held {
            log.queue.push_back(effect);
        }
        self.plan_flush(tab);
    }

    /// The copy of a leader is another one, of which the effect tells nobody.
    pub fn replaced(&mut self, tab: usize, effect: &[u8]) {
        self.summary.replaced += 1;
        let Tab { peer, log: Some(log), .. } = &mut self.tabs[tab] else { unreachable!() };
        let offset = peer.position().unwrap().offset + effect.len() as u64;
        peer.replaced(offset);
        // What follows is in the base to come.
        log.is_held = self.recording != Recording::Off;
        self.plan_flush(tab);
    }

    fn plan_flush(&mut self, tab: usize) {
        let wait = if self.always { 0 } else { 100 + self.rng.below(800) as i64 };
        let Some(log) = &mut self.tabs[tab].log else { return };
        let has_work = log.is_held || !log.queue.is_empty();
        if !log.flush_planned && has_work && !log.is_storing {
            log.flush_planned = true;
            self.agenda.add(self.now + wait, Event::Flush(tab));
        }
    }

    pub fn flush(&mut self, tab: usize, is_first: bool) {
        let wait = if self.slow_store { 100 + self.rng.below(900) } else { 1 + self.rng.below(20) };
        if self.has_ended(tab) {
            return;
        }
        let Tab { peer, copy, log: Some(log), .. } = &mut self.tabs[tab] else { return };
        log.flush_planned = false;
        let is_base = !is_first && log.is_held && log.queue.is_empty();
        if log.is_storing || !(is_first || is_base || !log.queue.is_empty()) {
            return;
        }
        log.is_storing = true;
        log.transaction = self.transactions.len();
        log.under_way = log.queue.len();
        log.base_under_way = None;
        let mut base = None;
        if is_base {
            log.is_held = false;
            let offset = peer.position().unwrap().offset;
            log.base_under_way = Some(offset);
            base = Some((offset, copy.clone()));
        }
        let Log { epoch, lineage, stored: from, .. } = *log;
        let stretches = log.queue.iter().cloned().collect();
        self.transactions.push(Transaction { epoch, lineage, base, from, stretches });
        let transaction = log.transaction;
        self.agenda.add(self.store_goes_on() + wait as i64, Event::Stored(tab, transaction));
    }

    /// When the store does something again.
    pub fn store_goes_on(&self) -> i64 {
        self.now.max(self.store_stands_until)
    }

    /// A transaction ends: the store does not care what has become of the tab.
    pub fn store_ends(&mut self, tab: usize, transaction: usize) {
        if self.tabs[tab].state == State::Dead && self.rng.one_in(2) {
            return;
        }
        let Transaction { epoch, lineage, base, from, stretches } = &self.transactions[transaction];
        let is_owner = self.store.epoch == *epoch;
        self.trace(format_args!(
            "store of {:?} told by tab {tab} of {epoch}: {:?} from {from}",
            self.store.epoch, lineage.leaders[0]
        ));
        if is_owner {
            if let Some((at, _)) = base {
                assert!(*at >= self.store.end(), "the store has come further than its base");
                self.store.base.clone_from(base);
                self.store.records.clear();
            }
            let mut offset = *from;
            let is_next = stretches.is_empty() || offset == self.store.end();
            assert!(is_next, "there is a gap in the store: {offset} {}", self.store.end());
            for stretch in stretches {
                self.store.records.push((offset, stretch.clone()));
                offset += stretch.len() as u64;
            }
            self.store.lineage = *lineage;
        }
        self.agenda.add(self.now, Event::Told(tab, transaction, is_owner));
    }

    pub fn stored(&mut self, tab: usize, transaction: usize, is_stored: bool) {
        let Some(log) = &mut self.tabs[tab].log else { return };
        if !log.is_storing || log.transaction != transaction {
            return;
        }
        if !is_stored {
            let clock = self.clock(tab);
            self.tabs[tab].peer.lock_lost(clock);
            return self.pump(tab);
        }
        log.stored = log.base_under_way.unwrap_or(log.stored);
        for stretch in log.queue.drain(..log.under_way) {
            log.stored += stretch.len() as u64;
        }
        (log.under_way, log.is_storing) = (0, false);
        let clock = self.clock(tab);
        let Tab { id, peer, copy, .. } = &mut self.tabs[tab];
        if !peer.is_leader() {
            let tabs = copy.tabs().into_iter().filter(|tab| !copy.away.contains(tab)).collect();
            let away = copy.away.iter().copied().collect();
            let gone = copy.gone.iter().copied().collect();
            peer.led(&Inheritance { tabs, away, gone, were_more: false }, clock);
            let effect = copy.set_away(*id, false);
            self.pump(tab);
            self.wrote(tab, effect);
        }
        self.plan_flush(tab);
        self.settle(tab);
        self.pump(tab);
    }
}
