//! How a reign begins.
//!
//! Before a leader does anything that others may see, the store must know that it leads, and from
//! which offset on; or else somebody with an older copy might be taken for one who can go on from
//! there. What the store lacks of the stream up to then comes with that, so that a store never ends
//! before its last leader began.

use super::{Action, Change, Log, Plan, Stretches};
use crate::persist::lineage::Lineage;
use std::iter;

impl Log {
    /// Goes on as the leader with the stream of this new lineage. `tail` is what the store lacks of
    /// it, in stretches of whole units: from where the log ends. Both are stored at once, strictly,
    /// and before anything else; then comes [`Action::Led`]. To be called before anything is appended.
    ///
    /// Where effects are not recorded the lineage is stored alone; and also where they will be once
    /// there is a first base: that has the tail in it.
    pub fn lead(&mut self, lineage: Lineage, tail: impl Iterator<Item = Vec<u8>>, now_ms: i64) {
        self.lineage = lineage;
        self.is_leading = true;
        self.gather(tail, now_ms);
        let mut stretches = self.take_waiting();
        let mut end = self.end;
        if !self.settings.append_only {
            (self.held_from, self.durable, self.strict) = (end, end, end);
        } else if self.is_held() {
            self.held_from = end;
            self.rewrites.is_wanted = true;
        }
        if !self.settings.append_only || self.is_held() {
            (stretches, end) = (Stretches::new(), 0);
        }
        let change = Some(Change::Leader(lineage));
        self.plan(Plan { change, ..Plan::records(stretches, end) });
        self.start_if_due(now_ms);
    }

    /// As [`Log::lead`], where what the store lacks is not known any more: the log goes on at `offset`, and
    /// what follows is held back until there is a base that has everything. Until then the store is as
    /// it was, but for the lineage.
    pub fn lead_anew(&mut self, lineage: Lineage, offset: u64, now_ms: i64) {
        self.end = self.end.max(offset);
        self.planned = self.end;
        if self.settings.append_only {
            self.replaced_after = Some(self.rewrites.last_number);
        }
        self.lead(lineage, iter::empty(), now_ms);
    }

    /// Tells that the store knows the lineage, if it now does.
    pub(super) fn finish_leading(&mut self) {
        if self.is_leading && self.manifest.lineage == self.lineage {
            self.is_leading = false;
            self.actions.push_back(Action::Led);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Durability, Place, Settings, Transaction};
    use super::*;
    use crate::engine::config::AppendFsync;
    use crate::persist::manifest::Manifest;
    use std::rc::Rc;

    /// The log of a store that was claimed, which ends at 100.
    fn log(append_only: bool, recording: bool) -> (Log, Lineage) {
        let settings = Settings {
            append_only,
            append_fsync: AppendFsync::Everysec,
            rewrite_percentage: 0,
            rewrite_min_size: 0,
        };
        let lineage = Lineage::default().succeeded(4, 0);
        let manifest = Manifest { epoch: 5, recording, lineage, ..Manifest::default() };
        (Log::new(settings, manifest, 100, 0), lineage.succeeded(5, 103))
    }

    fn tail() -> impl Iterator<Item = Vec<u8>> {
        [b"a".to_vec(), b"bc".to_vec()].into_iter()
    }

    fn actions(log: &mut Log) -> Vec<Action> {
        iter::from_fn(|| log.next_action()).collect()
    }

    fn store(log: &mut Log) -> Rc<Transaction> {
        let all = actions(log);
        let [Action::Store(transaction, Durability::Strict)] = &all[..] else { panic!("{all:?}") };
        Rc::clone(transaction)
    }

    #[test]
    fn the_tail_and_the_lineage_are_one_transaction() {
        let (mut log, lineage) = log(true, true);
        log.lead(lineage, tail(), 0);
        let transaction = store(&mut log);
        assert!(transaction.manifest_changed && transaction.manifest.lineage == lineage);
        assert_eq!(transaction.frame(0).unwrap().0, Place::Record { offset: 100 });
        assert_eq!((transaction.frames(), log.durable(), log.end()), (1, 100, 103));
        log.append([b"more".to_vec()].into_iter(), 0);
        log.want_rewrite(0);
        log.begin_rewrite(0);
        log.add_piece(vec![1], 0);
        log.failed("QuotaExceededError", 0);
        assert_eq!(
            actions(&mut log),
            [Action::Rewrite, Action::Failed("QuotaExceededError".to_owned())]
        );
        log.wake(super::super::RETRY_MS);
        assert_eq!(store(&mut log), transaction, "before anything else");
        log.stored(600);
        let all = actions(&mut log);
        assert_eq!(all[..3], [Action::Recovered, Action::Durable(103), Action::Led]);
    }

    #[test]
    fn without_a_tail_the_lineage_is_stored_alone() {
        let (mut log, _) = log(true, true);
        let lineage = log.lineage.succeeded(5, 100);
        log.lead(lineage, iter::empty(), 0);
        let transaction = store(&mut log);
        assert_eq!((transaction.frames(), transaction.manifest.lineage), (0, lineage));
        log.stored(0);
        assert_eq!(actions(&mut log), [Action::Durable(100), Action::Led]);
    }

    #[test]
    fn what_is_not_recorded_is_no_record() {
        let (mut log, lineage) = log(false, false);
        log.lead(lineage, tail(), 0);
        assert_eq!((store(&mut log).frames(), log.end()), (0, 103));
        log.stored(0);
        assert_eq!(actions(&mut log), [Action::Durable(103), Action::Led]);
    }

    #[test]
    fn a_log_that_has_not_begun_begins_with_a_base_that_has_the_tail() {
        let (mut log, lineage) = log(true, false);
        log.lead(lineage, tail(), 0);
        let all = actions(&mut log);
        let [Action::Rewrite, Action::Store(transaction, _)] = &all[..] else { panic!("{all:?}") };
        assert_eq!(transaction.frames(), 0);
        log.stored(0);
        assert_eq!(actions(&mut log), [Action::Durable(100), Action::Led]);
        log.begin_rewrite(0);
        log.finish_rewrite(0);
        assert_eq!(store(&mut log).manifest.start, 103);
        log.stored(0);
        assert_eq!(log.durable(), 103);
    }

    #[test]
    fn what_nobody_knows_is_in_a_base() {
        let (mut log, _) = log(true, true);
        let lineage = log.lineage.succeeded(5, 200);
        log.lead_anew(lineage, 200, 0);
        let all = actions(&mut log);
        let [Action::Rewrite, Action::Store(transaction, Durability::Strict)] = &all[..] else {
            panic!("{all:?}")
        };
        assert_eq!((transaction.frames(), transaction.manifest.lineage), (0, lineage));
        assert_eq!(transaction.manifest.start, log.manifest.start, "the store is as it was");
        log.append([b"abc".to_vec()].into_iter(), 0);
        log.stored(0);
        assert_eq!(actions(&mut log), [Action::Durable(100), Action::Led]);
        log.wake(10_000);
        assert_eq!(actions(&mut log), [], "it waits for the base");
        log.begin_rewrite(10_000);
        log.finish_rewrite(10_000);
        assert_eq!(store(&mut log).manifest.start, 203);
        log.stored(10_000);
        assert_eq!((log.durable(), log.end()), (203, 203));
        let (mut log, _) = self::log(false, false);
        let lineage = log.lineage.succeeded(5, 200);
        log.lead_anew(lineage, 200, 0);
        assert_eq!((store(&mut log).frames(), log.end()), (0, 200));
        log.stored(0);
        assert_eq!(actions(&mut log), [Action::Durable(200), Action::Led]);
    }

    #[test]
    fn a_store_that_is_emptied_knows_the_leader_once_it_has_a_base() {
        let (mut log, lineage) = log(true, true);
        log.lead(lineage, tail(), 0);
        store(&mut log);
        log.lost("gone", 0);
        let all = actions(&mut log);
        let [Action::Lost(_), Action::Claim(manifest)] = &all[..] else { panic!("{all:?}") };
        assert_eq!(manifest.lineage, Lineage::default(), "no copy is a part of nothing");
        log.claimed(0);
        assert_eq!(actions(&mut log), [Action::Rewrite]);
        log.begin_rewrite(0);
        log.finish_rewrite(0);
        assert_eq!(store(&mut log).manifest.lineage, lineage);
        log.stored(0);
        assert!(actions(&mut log).contains(&Action::Led));
        // And with nothing to be written, alone.
        let (mut log, lineage) = self::log(false, false);
        log.durable = 0;
        log.lead(lineage, iter::empty(), 0);
        store(&mut log);
        log.durable = 0;
        log.lost("gone", 0);
        actions(&mut log);
        log.claimed(0);
        let all = actions(&mut log);
        let [Action::Recovered, Action::Store(transaction, _)] = &all[..] else {
            panic!("{all:?}")
        };
        assert_eq!(transaction.manifest.lineage, lineage);
        log.stored(0);
        assert!(actions(&mut log).contains(&Action::Led));
    }
}
