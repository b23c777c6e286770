//! Whether what the pages saw is what came of it.
//!
//! What must hold of a write that a page was told of:
//!
//! - **`appendfsync always`**: it is in the end in the list, at its place.
//! - **`everysec`**: so it is if the page was there all the time; or else it may be missing, but then
//!   nowhere. Another tab with a copy has to be there all the time, and is.
//! - **`appendonly no`**: the same if such a tab is there. If none is, there may have been no copy left,
//!   or only one that a leader since gone has done without: in that, it may be at another place, since
//!   it was asked for twice, and pages have seen another order. It is never there twice.
//!
//! And whoever begins to lead has, in each case, the longest copy of all tabs that were there since it
//! asked ([`Scenario::check_leader`]): what survives is lost only if nobody who has it answers.

use super::copy::Op;
use super::scenario::{Done, Scenario};
use super::tab::State;
use lodis::persist::lineage::{Lineage, Reign};
use lodis::replication::peer::Recording;
use std::collections::{BTreeMap, BTreeSet};

impl Scenario {
    /// A tab begins to lead: nobody who could tell knows better.
    pub fn check_leader(&self, leader: usize, lineage: &Lineage) {
        let Reign { begin, .. } = lineage.leaders[0];
        let before = lineage.leaders[1].epoch;
        let mine = self.tabs[leader].claims_with.map_or((0, 0), |position| position.rank());
        let is_kept = mine.0 < before || mine.1 <= begin;
        assert!(is_kept, "tab {leader} had {mine:?}, and leads from {begin} on");
        let since = self.tabs[leader].gathers_since;
        if self.tabs[leader].present_since >= since {
            // Its clock may have jumped: it has lost its patience too early.
            return;
        }
        for (tab, other) in self.tabs.iter().enumerate() {
            let was_there = other.state == State::Alive && other.present_since < since;
            if let Some(position) = other.peer.position().filter(|_| tab != leader && was_there) {
                assert!(
                    position.rank() <= (before, begin),
                    "tab {leader} leads from {begin} of {before} on, tab {tab} has {position:?}"
                );
            }
        }
    }

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
            if self.recording != Recording::Off {
                assert_eq!(self.store.load().list, list, "the store is not what the leader has");
            }
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
        let is_kept_by_nobody = !self.always && self.steady.is_none();
        for done in &self.done {
            let (Op::Append(number) | Op::AppendIfEven(number) | Op::Replace(number)) = done.op
            else {
                continue;
            };
            if done.reply == 0 {
                assert!(
                    is_kept_by_nobody || !list.contains(&number),
                    "what was refused was done: {number}"
                );
                continue;
            }
            let place = list.get(done.reply as usize - 1);
            let is_there = place == Some(&number);
            // Within a second only those who were there all the time have the last word.
            let may_be_lost = !self.always && self.tabs[done.tab].troubled;
            assert!(
                is_there || is_kept_by_nobody || (may_be_lost && !list.contains(&number)),
                "tab {} was told that {number} is number {} at {}, which is {place:?}",
                done.tab,
                done.reply,
                done.acked
            );
            if is_there && !is_kept_by_nobody {
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
            if self.tabs[done.tab].troubled || is_kept_by_nobody {
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
