//! What is done when what was stored is gone, and when the store was out of reach.
//!
//! The engine has all the data, so a store that was emptied is filled again: it is claimed with a
//! manifest that has a higher epoch and nothing else, then a base is written, and the records go on
//! after it. Until that base is complete nothing counts as stored, and the store is of no lineage:
//! it does not have what comes before the offset that it begins with, so no copy is a part of it.

use super::rewrite::Rewrites;
use super::{Action, Change, Log, Plan, Stretches};
use crate::persist::lineage::Lineage;
use crate::persist::manifest::{Base, Manifest};

/// How long a failed transaction rests before it is tried again, doubled for each failure before it.
pub const RETRY_MS: i64 = 500;
/// The longest such rest.
pub const RETRY_MAX_MS: i64 = 8000;

/// How far a store that was emptied has been filled again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Loss {
    /// It was not emptied.
    #[default]
    None,
    /// It is to be claimed.
    Unclaimed,
    /// It is being claimed.
    Claiming,
    /// It waits for its base.
    Claimed,
    /// It has its base, which is to be told.
    MadeGood,
}

impl Loss {
    /// Whether something is to be done yet.
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Self::None | Self::MadeGood)
    }
}

impl Log {
    /// The transaction under way has found no manifest, or not that of this owner's own time, and
    /// wrote nothing: what was stored is gone, for this reason.
    pub fn lost(&mut self, reason: &str, now_ms: i64) {
        if self.fenced {
            return;
        }
        let had_some = self.loss.is_open() || self.size() > 0;
        self.under_way = None;
        self.uncertain = None;
        self.replaced_after = None;
        self.retry_at = None;
        self.base.clear();
        self.stream.clear();
        self.plans_done = self.plans_made;
        if self.rewrites.current.is_some() {
            self.actions.push_back(Action::RewriteFailed(reason.to_owned()));
        }
        let is_wanted = self.settings.append_only || had_some || self.rewrites.is_wanted;
        let number = self.rewrites.last_number + 1;
        self.rewrites = Rewrites::after(number);
        self.rewrites.is_wanted = is_wanted;
        self.manifest = Manifest {
            epoch: self.manifest.epoch.saturating_add(1),
            start: self.end,
            recording: false,
            base: Base { number, len: 0, saved_ms: now_ms },
            lineage: Lineage::default(),
            ..self.manifest
        };
        self.forget_held();
        (self.held_from, self.durable, self.strict) = (self.end, 0, 0);
        self.loss = Loss::Unclaimed;
        self.actions.push_back(Action::Lost(reason.to_owned()));
        self.start_if_due(now_ms);
    }

    /// The store could be read, but not claimed, for this reason: `manifest` is in it with its epoch
    /// not raised. That is done before anything else, with whether effects are recorded from now on.
    pub fn claim_later(&mut self, reason: &str, now_ms: i64) {
        let change = Some(Change::Owner { recording: self.settings.append_only });
        let trim = Some(u64::MAX);
        self.plan(Plan { change, trim, ..Plan::records(Stretches::new(), 0) });
        self.retry_at = Some(self.rest_until(now_ms));
        self.fail(reason);
    }

    /// The manifest of [`Action::Claim`] is in the store, and nothing else.
    pub fn claimed(&mut self, now_ms: i64) {
        if self.loss != Loss::Claiming {
            return;
        }
        self.loss = Loss::Claimed;
        self.tries = 0;
        if !self.rewrites.is_wanted && self.rewrites.current.is_none() {
            (self.durable, self.strict) = (self.planned, self.planned);
            self.loss = Loss::MadeGood;
            if self.lineage != self.manifest.lineage {
                self.plan_change(Change::Leader(self.lineage));
            }
            self.recover();
            self.finish_flush();
        }
        self.start_if_due(now_ms);
    }

    /// The store was out of reach, and what is in it may have changed: it is looked at again, at once,
    /// or later if it is out of reach now, for this reason.
    pub fn disturbed(&mut self, reason: Option<&str>, now_ms: i64) {
        if self.fenced || self.loss == Loss::Claiming {
            return;
        }
        // A transaction under way may have ended before that happened.
        if !self.loss.is_open() && self.stream.len() < 2 {
            self.plan(Plan::records(Stretches::new(), 0));
        }
        self.retry_at = None;
        if let Some(reason) = reason {
            self.retry_at = Some(self.rest_until(now_ms));
            self.fail(reason);
        }
        self.start_if_due(now_ms);
    }

    /// Begins to claim a store that was emptied, if that is what comes next; whether nothing else may
    /// begin yet.
    pub(super) fn claims_first(&mut self) -> bool {
        if self.loss == Loss::Unclaimed {
            self.loss = Loss::Claiming;
            self.actions.push_back(Action::Claim(self.manifest));
        }
        self.loss == Loss::Claiming
    }

    /// Until when to rest after a failure.
    pub(super) fn rest_until(&mut self, now_ms: i64) -> i64 {
        let wait = RETRY_MS.saturating_mul(1 << self.tries.min(16)).min(RETRY_MAX_MS);
        self.tries = self.tries.saturating_add(1);
        now_ms.saturating_add(wait)
    }

    /// The store works. What waits for a base has failed until that is complete.
    pub(super) fn recover(&mut self) {
        if !self.loss.is_open() && !self.is_held() {
            self.clear_failure();
        }
    }

    /// There is nothing that has failed any more.
    pub(super) fn clear_failure(&mut self) {
        let was_lost = self.loss == Loss::MadeGood;
        if was_lost {
            self.loss = Loss::None;
        }
        if self.failure.take().is_some() || was_lost {
            self.actions.push_back(Action::Recovered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;
    use crate::engine::config::AppendFsync;

    fn log() -> Log {
        let settings = Settings {
            append_only: true,
            append_fsync: AppendFsync::Always,
            rewrite_percentage: 0,
            rewrite_min_size: 0,
        };
        Log::new(settings, Manifest { epoch: 5, recording: true, ..Manifest::default() }, 0, 0)
    }

    fn actions(log: &mut Log) -> Vec<Action> {
        std::iter::from_fn(|| log.next_action()).collect()
    }

    #[test]
    fn it_is_tried_again_less_and_less_often() {
        let mut log = log();
        log.append([b"x".to_vec()].into_iter(), 0);
        let mut now = 0;
        let mut rests = Vec::new();
        for _ in 0..7 {
            log.failed("no room", now);
            let wake = log.wake_at().unwrap();
            rests.push(wake - now);
            log.wake(wake - 1);
            assert!(log.wake_at().is_some(), "too early");
            now = wake;
            log.wake(now);
            assert_eq!(log.wake_at(), None, "it is under way");
        }
        assert_eq!(rests, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        log.stored(now);
        log.append([b"y".to_vec()].into_iter(), now);
        log.failed("no room", now);
        assert_eq!(log.wake_at(), Some(now + RETRY_MS));
    }

    #[test]
    fn nothing_counts_as_stored_before_the_base_of_a_store_that_was_emptied() {
        let mut log = log();
        log.append([b"x".to_vec()].into_iter(), 0);
        log.stored(0);
        assert_eq!(log.durable(), 1);
        log.append([b"y".to_vec()].into_iter(), 0);
        actions(&mut log);
        log.lost("gone", 0);
        let all = actions(&mut log);
        let [Action::Lost(_), Action::Claim(manifest)] = &all[..] else { panic!("{all:?}") };
        assert!((manifest.epoch, manifest.start, manifest.recording) == (6, 2, false));
        assert_eq!(log.durable(), 0);
        log.claimed(0);
        assert_eq!(actions(&mut log), [Action::Rewrite]);
        log.append([b"z".to_vec()].into_iter(), 0);
        log.flush(0);
        log.begin_rewrite(0);
        log.add_piece(vec![1], 0);
        log.finish_rewrite(0);
        log.stored(0);
        assert_eq!(log.durable(), 0);
        assert!(!actions(&mut log).contains(&Action::Recovered));
        log.stored(0);
        let all = actions(&mut log);
        assert_eq!((log.durable(), log.end()), (3, 3));
        assert!(all.contains(&Action::Recovered) && all.contains(&Action::Flushed(3)), "{all:?}");
    }

    #[test]
    fn what_may_have_been_stored_is_stored_again_before_anything_else() {
        let mut log = log();
        log.append([b"x".to_vec()].into_iter(), 0);
        log.stored(0);
        log.want_rewrite(0);
        log.begin_rewrite(0);
        log.finish_rewrite(0);
        actions(&mut log);
        log.failed("the connection is lost", 0);
        log.stop_recording(0);
        actions(&mut log);
        log.wake(RETRY_MS);
        let all = actions(&mut log);
        let [Action::Store(transaction, _)] = &all[..] else { panic!("{all:?}") };
        assert!(transaction.manifest.start == 1 && transaction.manifest.recording);
    }
}
