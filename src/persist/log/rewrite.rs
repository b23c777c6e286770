//! When the log is written anew, and how far that has come.

use super::Settings;
use crate::persist::manifest::Base;

/// How long the log waits after a rewrite on its own account has failed, doubled for each that failed
/// before it.
pub const REST_MS: i64 = 60_000;
/// The longest such wait.
pub const REST_MAX_MS: i64 = 3_600_000;

/// A rewrite under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rewrite {
    /// As far as it has come.
    pub(super) base: Base,
    /// Everything before this offset of the effect stream is in the base.
    pub(super) start: u64,
    /// Whether recording begins with it.
    pub(super) starts_recording: bool,
    pub(super) is_complete: bool,
}

/// Decides about rewrites.
#[derive(Debug, Default)]
pub(super) struct Rewrites {
    pub(super) current: Option<Rewrite>,
    /// The driver has been asked to begin.
    pub(super) is_asked: bool,
    /// Somebody wants one.
    pub(super) is_wanted: bool,
    /// The highest number that a base has had.
    pub(super) last_number: u64,
    /// How many have failed, one after the other.
    failures: u32,
    /// Not before this time, unless somebody wants one.
    rest_until: Option<i64>,
    /// Not before this time.
    put_off_until: Option<i64>,
}

impl Rewrites {
    /// None so far; the last base had this number.
    pub(super) fn after(last_number: u64) -> Self {
        Self { last_number, ..Self::default() }
    }

    /// Whether it is time for one: the log has `size` bytes, of which `base` are the base's.
    pub(super) fn is_due(
        &mut self,
        settings: &Settings,
        size: u64,
        base: u64,
        now_ms: i64,
    ) -> bool {
        self.rest_until = self.rest_until.filter(|until| *until > now_ms);
        self.put_off_until = self.put_off_until.filter(|until| *until > now_ms);
        if self.current.is_some() || self.is_asked || self.put_off_until.is_some() {
            return false;
        }
        self.is_wanted || (self.rest_until.is_none() && has_grown(settings, size, base))
    }

    /// When to look again whether it is time for one.
    pub(super) fn wake_at(&self) -> Option<i64> {
        if self.current.is_some() || self.is_asked {
            return None;
        }
        self.put_off_until.filter(|_| self.is_wanted).or(self.rest_until)
    }

    /// One is wanted, but not before this time.
    pub(super) fn put_off(&mut self, until: i64) {
        self.is_asked = false;
        self.is_wanted = true;
        self.put_off_until = Some(until);
    }

    /// Recording does not begin with the one under way; answers where that was begun.
    pub(super) fn save_only(&mut self) -> Option<u64> {
        let current = self.current.as_mut()?;
        current.starts_recording = false;
        Some(current.start)
    }

    /// One has failed.
    pub(super) fn rest(&mut self, now_ms: i64) {
        let wait = REST_MS.saturating_mul(1 << self.failures.min(16)).min(REST_MAX_MS);
        self.failures += 1;
        self.rest_until = Some(now_ms.saturating_add(wait));
    }

    /// One is complete.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.rest_until = None;
        self.put_off_until = None;
    }
}

/// `auto-aof-rewrite-percentage` and `auto-aof-rewrite-min-size`.
fn has_grown(settings: &Settings, size: u64, base: u64) -> bool {
    let percentage = u128::from(settings.rewrite_percentage);
    let growth = u128::from(size.saturating_sub(base)) * 100;
    settings.append_only
        && percentage > 0
        && size >= settings.rewrite_min_size
        && growth >= percentage * u128::from(base.max(1))
}
