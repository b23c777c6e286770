//! When, or how often, a key was used: what eviction goes by.

/// 2010 in Unix time.
const EPOCH_S: u32 = 1_262_304_000;
/// What is smaller is a frequency, with the minute it is of; what is not is a time.
const TIMES: u32 = 1 << 24;
/// The counter of a new key, which is to live long enough to be counted (Redis: `LFU_INIT_VAL`).
const NEW_COUNTER: u8 = 5;

/// When a key was last used, in seconds; or, while a policy asks for that, how often, as a logarithmic
/// counter in eight bits with the minute of its last change in 16. The lowest bit is whether the value
/// was copied since it was set.
#[derive(Clone, Copy, Debug)]
pub struct LastUse(u32);

/// A moment in which keys are used, and what they take note of then.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// The time: Unix seconds.
    Time(u32),
    /// That they are used once more.
    Frequency(Frequency),
}

/// What it takes to count uses.
#[derive(Clone, Copy, Debug)]
pub struct Frequency {
    /// Unix time in seconds.
    pub now_s: u32,
    /// `lfu-log-factor`: the greater it is, the more uses until a counter is at its end.
    pub log_factor: u32,
    /// `lfu-decay-time`: after so many minutes a counter is one less; 0 for never.
    pub decay_minutes: u32,
    /// A random number.
    pub random: u32,
}

impl LastUse {
    /// Of a key that is new.
    #[inline(always)]
    pub fn new(moment: Moment) -> Self {
        match moment {
            Moment::Time(now_s) => Self::at(now_s),
            Moment::Frequency(frequency) => Self::counted(frequency.now_s, NEW_COUNTER),
        }
    }

    /// 31 bits last until 2077.
    #[inline(always)]
    fn at(now_s: u32) -> Self {
        Self((now_s.saturating_sub(EPOCH_S) + TIMES) << 1)
    }

    /// Used so often, as the counter says.
    pub fn counted(now_s: u32, counter: u8) -> Self {
        Self(((now_s / 60 % (1 << 16)) << 8 | u32::from(counter)) << 1)
    }

    /// Takes note of one more use.
    #[inline(always)]
    pub fn renew(&mut self, moment: Moment) {
        let renewed = match moment {
            Moment::Time(now_s) => Self::at(now_s),
            Moment::Frequency(frequency) => self.incremented(frequency),
        };
        self.0 = renewed.0 | self.0 & 1;
    }

    /// For how many seconds the key has not been used, as far as is known.
    pub fn idle_s(self, now_s: u32) -> u32 {
        match self.counter() {
            Some(_) => self.elapsed_minutes(now_s) * 60,
            None => now_s.saturating_sub(EPOCH_S).saturating_sub((self.0 >> 1) - TIMES),
        }
    }

    /// How often it was used, on a logarithmic scale, and less with time. A key of which only the time
    /// is known counts as one that was new then.
    pub fn frequency(self, now_s: u32, decay_minutes: u32) -> u8 {
        let periods = self.elapsed_minutes(now_s).checked_div(decay_minutes).unwrap_or(0);
        let counter = self.counter().unwrap_or(NEW_COUNTER);
        counter.saturating_sub(periods.try_into().unwrap_or(u8::MAX))
    }

    fn counter(self) -> Option<u8> {
        (self.0 >> 1 < TIMES).then_some((self.0 >> 1) as u8)
    }

    /// Minutes since the counter was changed, which wrap around after 45 days as in Redis.
    fn elapsed_minutes(self, now_s: u32) -> u32 {
        if self.counter().is_none() {
            return self.idle_s(now_s) / 60;
        }
        let (minute, now) = (self.0 >> 9, now_s / 60 % (1 << 16));
        if now >= minute { now - minute } else { (1 << 16) - 1 - minute + now }
    }

    #[cold]
    fn incremented(self, by: Frequency) -> Self {
        let counter = self.frequency(by.now_s, by.decay_minutes);
        // As often as one in so many uses.
        let one_in = u64::from(counter.saturating_sub(NEW_COUNTER)) * u64::from(by.log_factor) + 1;
        let counted = u64::from(by.random).saturating_mul(one_in) <= u64::from(u32::MAX);
        Self::counted(by.now_s, counter.saturating_add(u8::from(counted)))
    }

    /// Whether it was copied; from now on it was.
    pub fn copy(&mut self) -> bool {
        let was_copied = self.0 & 1 != 0;
        self.0 |= 1;
        was_copied
    }

    /// The value has been changed.
    #[inline(always)]
    pub fn forget_copies(&mut self) {
        self.0 &= !1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng::Rng;

    const NOW_S: u32 = 1_700_000_000;

    fn used(now_s: u32, random: u32) -> Moment {
        Moment::Frequency(Frequency { now_s, log_factor: 10, decay_minutes: 1, random })
    }

    #[test]
    fn times_are_kept_beside_the_flag() {
        let mut last_use = LastUse::new(Moment::Time(NOW_S));
        assert!(!last_use.copy() && last_use.copy());
        last_use.renew(Moment::Time(NOW_S + 1));
        assert_eq!(last_use.idle_s(NOW_S + 11), 10);
        assert!(last_use.copy());
        last_use.forget_copies();
        assert_eq!(last_use.idle_s(NOW_S + 11), 10);
        assert!(!last_use.copy());
        for now_s in [0, EPOCH_S, EPOCH_S + 1, EPOCH_S + (1 << 31) - TIMES - 1] {
            assert_eq!(LastUse::new(Moment::Time(now_s)).idle_s(now_s), 0, "{now_s}");
            assert_eq!(LastUse::new(Moment::Time(now_s)).counter(), None, "{now_s}");
        }
    }

    /// Redis's own table: a counter after so many uses with factor 10.
    #[test]
    fn counters_grow_with_the_logarithm_of_uses() {
        let mut rng = Rng::new(1);
        for (uses, expected) in [(100, 10), (1000, 18), (100_000, 142), (1_000_000, 255)] {
            let mut last_use = LastUse::new(used(NOW_S, 0));
            for _ in 0..uses {
                last_use.renew(used(NOW_S, rng.next_u64() as u32));
            }
            let counter = i32::from(last_use.frequency(NOW_S, 1));
            assert!((counter - expected).abs() <= 2 + expected / 10, "{uses}: {counter}");
        }
    }

    #[test]
    fn counters_decay_with_time_and_across_the_end_of_the_minutes() {
        let end_s = NOW_S - NOW_S % (60 << 16) + (60 << 16);
        for now_s in [NOW_S, end_s - 60] {
            let last_use = LastUse::counted(now_s, 100);
            assert_eq!(last_use.frequency(now_s + 59 - now_s % 60, 1), 100);
            assert_eq!(last_use.frequency(now_s + 600, 0), 100);
            assert!((89..=91).contains(&last_use.frequency(now_s + 600, 1)));
            assert!((94..=96).contains(&last_use.frequency(now_s + 600, 2)));
            assert_eq!(last_use.frequency(now_s + 60 * 200, 1), 0);
            assert!((540..=660).contains(&last_use.idle_s(now_s + 600)));
        }
    }

    #[test]
    fn what_one_policy_has_noted_means_something_to_another() {
        let time = LastUse::new(Moment::Time(NOW_S));
        assert_eq!(time.frequency(NOW_S, 1), NEW_COUNTER);
        assert_eq!(time.frequency(NOW_S + 180, 1), NEW_COUNTER - 3);
        let mut counted = LastUse::counted(NOW_S, 200);
        assert!(counted.idle_s(NOW_S + 3600).abs_diff(3600) <= 60);
        counted.renew(Moment::Time(NOW_S));
        assert_eq!(counted.idle_s(NOW_S + 5), 5);
    }
}
