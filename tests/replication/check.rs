//! Whether what the pages saw is what came of it.

use super::copy::Op;
use super::scenario::{Done, Scenario};
use super::tab::State;
use std::collections::{BTreeMap, BTreeSet};

impl Scenario {
    pub fn check(&self) {
        let alive: Vec<usize> =
            (0..self.tabs.len()).filter(|tab| self.tabs[*tab].state == State::Alive).collect();
        let leaders: Vec<usize> =
            alive.iter().copied().filter(|tab| self.tabs[*tab].peer.is_leader()).collect();
        let could_lead = alive.iter().any(|tab| self.tabs[*tab].can_lead());
        assert_eq!(leaders.len(), usize::from(could_lead), "leaders: {leaders:?} of {alive:?}");
        if could_lead {
            for tab in &alive {
                let asked = &self.tabs[*tab].asked;
                assert!(asked.is_empty(), "tab {tab} still waits for {asked:?}");
            }
        }
        let list = match leaders.first() {
            Some(leader) => self.tabs[*leader].copy.list.clone(),
            None => self.store.load().list,
        };
        if could_lead {
            assert_eq!(self.store.load().list, list, "the store is not what the leader has");
            for tab in alive.iter().filter(|tab| self.tabs[**tab].holds_copy()) {
                assert_eq!(self.tabs[*tab].copy.list, list, "the copy of tab {tab}");
            }
        }
        let once: BTreeSet<&u64> = list.iter().collect();
        assert_eq!(once.len(), list.len(), "something was done twice");
        self.check_replies(&list);
    }

    /// What the pages were told is what the list says, in the order of time.
    fn check_replies(&self, list: &[u64]) {
        let mut writes: Vec<&Done> = Vec::new();
        for done in &self.done {
            let (Op::Append(number) | Op::AppendIfEven(number)) = done.op else { continue };
            if done.reply == 0 {
                assert!(!list.contains(&number), "what was refused was done: {number}");
                continue;
            }
            let place = list.get(done.reply as usize - 1);
            let is_there = place == Some(&number);
            // Within a second only those who were there all the time have the last word.
            let may_be_lost = !self.always && self.tabs[done.tab].troubled;
            assert!(
                is_there || (may_be_lost && !list.contains(&number)),
                "tab {} was told that {number} is number {} at {}, which is {place:?}",
                done.tab,
                done.reply,
                done.acked
            );
            if is_there {
                writes.push(done);
            }
        }
        writes.sort_by_key(|done| done.acked);
        let mut newest: BTreeMap<i64, u64> = BTreeMap::new();
        let mut most = 0;
        for done in &writes {
            let before = newest.range(..done.invoked).next_back().map_or(0, |(_, most)| *most);
            assert!(before < done.reply, "{} came after {before}, but was asked later", done.reply);
            most = most.max(done.reply);
            newest.insert(done.acked, most);
        }
        let mut seen: BTreeMap<usize, Vec<(i64, u64)>> = BTreeMap::new();
        let mut all: Vec<&Done> = self.done.iter().collect();
        all.sort_by_key(|done| done.acked);
        for done in all {
            // Who was not there may have seen what nobody else has kept, and had not been stored.
            if self.tabs[done.tab].troubled {
                continue;
            }
            let seen = seen.entry(done.tab).or_default();
            let least = seen
                .iter()
                .filter(|(at, _)| *at < done.invoked)
                .map(|(_, n)| *n)
                .max()
                .unwrap_or(0);
            if done.op.is_read() {
                assert!(done.reply >= least, "tab {} reads {} after {least}", done.tab, done.reply);
            }
            seen.push((done.acked, done.reply));
        }
    }
}
