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

use super::copy::{Copy, Op};
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
                let unanswered = asked.values().filter(|asked| !asked.op.blocks()).count();
                assert_eq!(unanswered, 0, "tab {tab} still waits for {asked:?}");
            }
        }
        let copy = match leaders.first() {
            Some(leader) => self.tabs[*leader].copy.clone(),
            None => self.store.load(),
        };
        if could_lead {
            if self.recording != Recording::Off {
                self.check_copy(&self.store.load(), &copy, "what is stored");
            }
            for tab in alive.iter().filter(|tab| self.tabs[**tab].holds_copy()) {
                self.check_copy(&self.tabs[*tab].copy, &copy, &format!("the copy of tab {tab}"));
            }
            self.check_records(&copy, leaders[0]);
        }
        self.check_jobs(&copy);
        let list = copy.list;
        let once: BTreeSet<&u64> = list.iter().collect();
        assert_eq!(once.len(), list.len(), "something was done twice");
        self.check_replies(&list);
    }

    fn check_copy(&self, copy: &Copy, leaders: &Copy, whose: &str) {
        assert_eq!(copy, leaders, "{whose}");
    }

    /// A leader keeps nothing of tabs that have ended, and nothing of what may block that was received:
    /// what still waits has no record, and waits in vain.
    fn check_records(&self, copy: &Copy, leader: usize) {
        let is_there = |id: &u64| self.tabs[*id as usize - 1].state == State::Alive;
        let known: Vec<u64> = copy.tabs().union(&copy.away).copied().collect();
        let ended: Vec<&u64> = known.iter().filter(|tab| !is_there(tab)).collect();
        assert!(ended.is_empty(), "{ended:?} are not forgotten: {copy:?}");
        assert_eq!(copy.away, BTreeSet::new(), "they are all back");
        let kept: Vec<_> = copy.blocking_records().collect();
        assert!(kept.is_empty(), "{kept:?} were acknowledged");
        let parked = &self.tabs[leader].parked;
        assert!(parked.is_empty() || copy.jobs.is_empty(), "{:?} is for somebody", copy.jobs);
        for tab in self.tabs.iter().filter(|tab| tab.state == State::Alive) {
            let waits: Vec<u64> = tab.asked.keys().copied().collect();
            let known = parked.iter().filter(|parked| parked.tab == tab.id);
            let mut known: Vec<u64> = known.map(|parked| parked.seq).collect();
            known.sort();
            assert_eq!(waits, known, "what tab {} waits for", tab.id);
        }
    }

    /// Each job is in one place, and was handed to one tab, or to another one after that had left.
    fn check_jobs(&self, copy: &Copy) {
        let mut places: BTreeSet<u64> = BTreeSet::new();
        for job in copy.jobs.iter().chain(&copy.moved) {
            assert!(places.insert(*job), "job {job} is in two places");
        }
        if !self.always && self.steady.is_none() {
            // There may have been no copy left.
            return;
        }
        // Nobody leads who could have heard what became of these.
        let taken = copy.taken();
        let mut popped: BTreeMap<u64, Vec<&Done>> = BTreeMap::new();
        for done in self.done.iter().filter(|done| done.op == Op::Pop) {
            popped.entry(done.reply).or_default().push(done);
        }
        for (job, handlers) in &mut popped {
            handlers.sort_by_key(|done| done.acked);
            // Who was handed it last has kept it, unless it is somewhere by now.
            let keeps = usize::from(!places.contains(job));
            let others = &handlers[..handlers.len() - keeps];
            assert!(
                others.iter().all(|done| self.tabs[done.tab].has_left),
                "job {job} was handed to {:?} as well",
                others.iter().map(|done| done.tab).collect::<Vec<_>>()
            );
        }
        for done in &self.done {
            // Within a second only those who were there all the time have the last word.
            let may_be_lost = !self.always && self.tabs[done.tab].troubled;
            match done.op {
                Op::Push(job) if !may_be_lost => assert!(
                    places.contains(&job)
                        || popped.contains_key(&job)
                        || taken.contains(&job)
                        || self.unsure.contains(&job),
                    "job {job} was lost"
                ),
                Op::Move if !may_be_lost => {
                    assert!(copy.moved.contains(&done.reply), "job {} was not moved", done.reply);
                }
                _ => {}
            }
        }
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
        let is_length = |done: &&Done| !done.op.blocks() && !matches!(done.op, Op::Push(_));
        let mut all: Vec<&Done> = self.done.iter().filter(is_length).collect();
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
