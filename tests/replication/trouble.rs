//! The adversary.

use super::scenario::{GRACE_MS, Scenario};
use super::tab::State;
use super::world::Event;

/// It ends after this, in milliseconds.
const TROUBLE_MS: i64 = 5000;

impl Scenario {
    pub fn trouble(&mut self) {
        if self.now > TROUBLE_MS {
            self.tabs.iter_mut().for_each(|tab| tab.steps_left = None);
            return;
        }
        let tab = self.rng.below(self.tabs.len() as u64) as usize;
        // Whoever leads is troubled more often.
        let tab = if self.rng.one_in(2) { self.lock.holder.unwrap_or(tab) } else { tab };
        let is_alive = self.tabs[tab].state == State::Alive && self.steady != Some(tab);
        match self.rng.below(12) {
            0..=2 if is_alive => self.freeze(tab),
            3..=4 if is_alive => self.end(tab),
            5 if is_alive => self.leave(tab),
            6 if is_alive => {
                self.tabs[tab].peer.leave(false);
                self.pump(tab);
                self.end(tab);
            }
            7 if self.tabs.len() < 10 => self.open(),
            8 => self.slow_store = !self.slow_store,
            // A page that is stopped holds a transaction, and whoever comes after it waits.
            9 => self.store_stands_until = self.now + self.rng.below(4000) as i64,
            10 => {
                self.tabs[tab].clock += self.rng.below(6000) as i64 - 3000;
                self.tabs[tab].present_since = self.now;
            }
            11 if is_alive => self.tabs[tab].steps_left = Some(self.rng.below(40)),
            _ => {}
        }
        let wait = 20 + self.rng.below(400) as i64;
        self.agenda.add(self.now + wait, Event::Adversary);
    }

    fn freeze(&mut self, tab: usize) {
        self.trace(format_args!("tab {tab} is frozen"));
        self.tabs[tab].state = State::Frozen;
        self.tabs[tab].troubled = true;
        let wait = 20 + self.rng.below(4000) as i64;
        self.agenda.add(self.now + wait, Event::Resume(tab));
    }

    pub fn resume(&mut self, tab: usize) {
        if self.tabs[tab].state != State::Frozen {
            return;
        }
        self.tabs[tab].state = State::Alive;
        self.tabs[tab].present_since = self.now;
        let missed = std::mem::take(&mut self.tabs[tab].missed);
        for event in missed {
            self.happen(event);
        }
    }

    fn leave(&mut self, tab: usize) {
        self.trace(format_args!("tab {tab} goes away"));
        let this = &mut self.tabs[tab];
        (this.troubled, this.has_left) = (true, true);
        if this.log.is_some() && this.peer.is_leader() && this.peer.waits() {
            let effect = this.copy.set_away(this.id, true);
            self.wrote(tab, effect);
        }
        self.tabs[tab].peer.leave(true);
        self.pump(tab);
        if self.tabs[tab].state == State::Dead {
            return;
        }
        self.tabs[tab].state = State::Away;
        self.let_go(tab);
        let wait = 20 + self.rng.below(3000) as i64;
        self.agenda.add(self.now + wait, Event::Return(tab));
    }

    pub fn comes_back(&mut self, tab: usize) {
        let id = self.tabs[tab].id;
        if self.tabs.iter().any(|other| other.watches.contains_key(&id)) {
            // Who watches has its lock now, until it has made of that what it will.
            self.agenda.add(self.now + 5, Event::Return(tab));
        } else if self.tabs[tab].state == State::Away {
            let clock = self.clock(tab);
            self.tabs[tab].state = State::Alive;
            self.tabs[tab].present_since = self.now;
            self.tabs[tab].peer.start(clock);
            self.pump(tab);
        }
    }

    /// A tab has let go of its locks.
    fn let_go(&mut self, tab: usize) {
        self.tabs[tab].watches.clear();
        let id = self.tabs[tab].id;
        for told in 0..self.tabs.len() {
            if let Some(watch) = self.tabs[told].watches.get(&id) {
                let gone = Event::Gone { told, tab: id, watch: *watch };
                self.agenda.add(self.now + GRACE_MS, gone);
            }
        }
    }

    /// A tab is about to do something: whether it has ended, perhaps just now.
    pub fn has_ended(&mut self, tab: usize) -> bool {
        match self.tabs[tab].steps_left {
            Some(0) if self.tabs[tab].state != State::Dead => {
                self.summary.cut_short += 1;
                self.end(tab);
            }
            Some(left) => self.tabs[tab].steps_left = Some(left.saturating_sub(1)),
            None => {}
        }
        self.tabs[tab].state == State::Dead
    }

    /// The process of a tab ends, as it is.
    fn end(&mut self, tab: usize) {
        self.trace(format_args!("tab {tab} ends"));
        self.tabs[tab].state = State::Dead;
        (self.tabs[tab].troubled, self.tabs[tab].has_left) = (true, true);
        self.let_go(tab);
        self.lock.queue.retain(|waiting| *waiting != tab);
        if self.lock.holder == Some(tab) {
            self.lock.holder = None;
            self.grant();
        }
    }
}
