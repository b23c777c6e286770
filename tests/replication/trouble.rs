//! The adversary.

use super::scenario::Scenario;
use super::tab::State;
use super::world::Event;

/// It ends after this, in milliseconds.
const TROUBLE_MS: i64 = 5000;

impl Scenario {
    pub fn trouble(&mut self) {
        if self.now > TROUBLE_MS {
            return;
        }
        let tab = self.rng.below(self.tabs.len() as u64) as usize;
        // Whoever leads is troubled more often.
        let tab = if self.rng.one_in(2) { self.lock.holder.unwrap_or(tab) } else { tab };
        let is_alive = self.tabs[tab].state == State::Alive && self.steady != Some(tab);
        match self.rng.below(11) {
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
            9 => {
                self.tabs[tab].clock += self.rng.below(6000) as i64 - 3000;
                self.tabs[tab].present_since = self.now;
            }
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
            // One of them may end or freeze the tab? None does.
            self.happen(event);
        }
    }

    fn leave(&mut self, tab: usize) {
        self.trace(format_args!("tab {tab} goes away"));
        self.tabs[tab].troubled = true;
        self.tabs[tab].peer.leave(true);
        self.pump(tab);
        self.tabs[tab].state = State::Away;
        let wait = 20 + self.rng.below(3000) as i64;
        self.agenda.add(self.now + wait, Event::Return(tab));
    }

    /// The process of a tab ends, as it is.
    fn end(&mut self, tab: usize) {
        self.trace(format_args!("tab {tab} ends"));
        self.tabs[tab].state = State::Dead;
        self.tabs[tab].troubled = true;
        let id = self.tabs[tab].id;
        for told in 0..self.tabs.len() {
            self.agenda.add(self.now + 50, Event::Gone { told, tab: id });
        }
        self.lock.queue.retain(|waiting| *waiting != tab);
        if self.lock.holder == Some(tab) {
            self.lock.holder = None;
            self.grant();
        }
    }
}
