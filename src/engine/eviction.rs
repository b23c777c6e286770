//! `maxmemory`: what goes when it is reached.
//!
//! As in Redis, the best key to go is not looked for among all of them, but among a few that are chosen
//! at random, and the best of those chosen before, which are kept in a pool.

use super::Engine;
use super::config::parse_name;
use super::keyspace::{Db, Object};
use super::last_use::{Frequency, Moment};
use super::notify::class;
use super::rng::Rng;
use super::session::Queue;
use super::table::{Command, flag};

/// How many candidates are kept.
const POOL: usize = 16;
/// Where only some of what is looked at can go, so many times the samples are looked at.
const LOOKED_AT: usize = 16;
/// So many times candidates are looked for at once.
const TRIES: usize = 16;
/// Parts of values that are freed in place of evicting a key.
const PARTS: usize = 8;
/// Times of keys that are gone are dropped up to so many with each key that goes.
const STALE: usize = 16;
/// Keys that go at once whatever the tenacity is.
const MIN_KEYS: usize = 16;

/// Which keys go (`maxmemory-policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// Of those that expire, those not used for longest.
    VolatileLru,
    /// Of those that expire, those used least often.
    VolatileLfu,
    /// Of those that expire, any.
    VolatileRandom,
    /// Of those that expire, the soonest to.
    VolatileTtl,
    /// Those not used for longest.
    AllkeysLru,
    /// Those used least often.
    AllkeysLfu,
    /// Any.
    AllkeysRandom,
    /// None.
    #[default]
    NoEviction,
}

/// The settings of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxMemory {
    /// `maxmemory` in bytes; 0 for no limit.
    pub bytes: u64,
    /// `maxmemory-policy`.
    pub policy: Policy,
    /// `maxmemory-samples`: keys among which one is chosen.
    pub samples: u32,
    /// `maxmemory-eviction-tenacity`, 0 to 100: how many keys may go before a command runs.
    pub tenacity: u32,
    /// `lfu-log-factor`.
    pub lfu_log_factor: u32,
    /// `lfu-decay-time` in minutes.
    pub lfu_decay_time: u32,
}

impl Default for MaxMemory {
    fn default() -> Self {
        Self {
            bytes: 0,
            policy: Policy::NoEviction,
            samples: 5,
            tenacity: 10,
            lfu_log_factor: 10,
            lfu_decay_time: 1,
        }
    }
}

impl Policy {
    /// Each with its name, in Redis's order.
    const NAMES: &[(Self, &str)] = &[
        (Self::VolatileLru, "volatile-lru"),
        (Self::VolatileLfu, "volatile-lfu"),
        (Self::VolatileRandom, "volatile-random"),
        (Self::VolatileTtl, "volatile-ttl"),
        (Self::AllkeysLru, "allkeys-lru"),
        (Self::AllkeysLfu, "allkeys-lfu"),
        (Self::AllkeysRandom, "allkeys-random"),
        (Self::NoEviction, "noeviction"),
    ];

    /// The name in CONFIG.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(value, _)| *value == self).map_or("", |(_, name)| name)
    }

    pub(super) fn parse(word: &[u8]) -> Result<Self, String> {
        parse_name(Self::NAMES, word)
    }

    /// Whether it asks how often keys are used, and not when.
    #[inline(always)]
    pub fn is_lfu(self) -> bool {
        matches!(self, Self::VolatileLfu | Self::AllkeysLfu)
    }

    fn is_random(self) -> bool {
        matches!(self, Self::VolatileRandom | Self::AllkeysRandom)
    }

    /// Whether keys go that never expire.
    fn is_for_all(self) -> bool {
        matches!(self, Self::AllkeysLru | Self::AllkeysLfu | Self::AllkeysRandom)
    }

    /// How many keys of a database may go.
    fn evictable(self, db: &Db) -> usize {
        if self.is_for_all() { db.len() } else { db.volatile_len() }
    }
}

impl MaxMemory {
    /// How many keys may go before a command. Redis gives it a time: half a millisecond by default,
    /// 50 microseconds less for each step down, 15 percent more for each step up. This is how many may
    /// go in that time.
    fn keys_at_once(&self) -> usize {
        match self.tenacity {
            0..=10 => MIN_KEYS.max(50 * self.tenacity as usize),
            100.. => usize::MAX,
            more => (10..more).fold(500, |keys, _| keys + keys * 3 / 20),
        }
    }
}

/// The state of eviction.
#[derive(Debug, Default)]
pub(super) struct Eviction {
    pool: Vec<Candidate>,
    /// The policy by which the pool was filled.
    policy: Policy,
    /// The database of which the last random key was.
    db: usize,
    /// Whether it goes on in the next tick.
    running: bool,
    /// Since when too much memory is used: Unix microseconds.
    exceeded_since_us: Option<i64>,
}

/// A key that could go; the greater the score, the sooner.
#[derive(Debug)]
struct Candidate {
    score: u64,
    db: usize,
    key: Box<[u8]>,
}

/// What has come of looking for memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Enough,
    /// More is going to be freed.
    Running,
    Full,
}

/// What is the next to go.
enum Pick {
    Key(usize, Box<[u8]>),
    /// None was found among those looked at.
    NotFound,
    /// There is nothing that may go.
    Nothing,
}

impl Engine {
    /// Evicts keys if more memory is used than may be. Whether commands that need memory may run.
    pub(super) fn make_room(&mut self) -> bool {
        if let Some(has_room) = self.room_of_unit() {
            return has_room;
        }
        let outcome = self.evict();
        self.eviction.running = outcome == Outcome::Running;
        match (outcome, self.eviction.exceeded_since_us) {
            (Outcome::Enough, Some(_)) => {
                self.stats.eviction_exceeded_us += self.eviction_exceeded_us();
                self.eviction.exceeded_since_us = None;
            }
            (Outcome::Running | Outcome::Full, None) => {
                self.eviction.exceeded_since_us = Some(self.now_us());
            }
            _ => {}
        }
        outcome != Outcome::Full
    }

    /// Looks in the next tick whether keys must go.
    pub(super) fn evict_soon(&mut self) {
        self.eviction.running = true;
    }

    /// Goes on with evicting if that was not finished; whether it still is not.
    pub(super) fn evict_on(&mut self) -> bool {
        if self.eviction.running {
            self.make_room();
        }
        self.eviction.running
    }

    /// For how long too much memory has been used, in microseconds.
    pub(super) fn eviction_exceeded_us(&self) -> u64 {
        let since = self.eviction.exceeded_since_us.unwrap_or(self.now_us());
        self.now_us().saturating_sub(since).try_into().unwrap_or_default()
    }

    /// Bytes that wait for the store: evicting keys makes more of them and not fewer. What is being
    /// loaded, which may yet be refused. And replies that other tabs have not acknowledged.
    pub(super) fn not_counted_bytes(&self) -> u64 {
        let bytes = self.effects.waiting_bytes() + self.beside + self.requests.memory_bytes();
        bytes as u64 + self.persistence.buffered
    }

    /// Bytes that are used for something else than keys and their values, the empty engine included.
    pub(super) fn overhead_bytes(&self) -> u64 {
        let tables = self.keyspace.iter().map(Db::overhead_bytes);
        let tables: usize = tables.map(|(keys, expiry)| keys + expiry).sum();
        (self.startup_bytes + tables) as u64 + self.not_counted_bytes()
    }

    /// Bytes that are used for keys and their values.
    pub(super) fn dataset_bytes(&self) -> u64 {
        ((self.meter.used)() as u64).saturating_sub(self.overhead_bytes())
    }

    fn is_too_much(&self) -> bool {
        let (used, most) = ((self.meter.used)() as u64, self.config.maxmemory.bytes);
        used > most && used.saturating_sub(self.not_counted_bytes()) > most
    }

    fn evict(&mut self) -> Outcome {
        let maxmemory = self.config.maxmemory;
        if maxmemory.bytes == 0 || self.is_loading() || self.keeps_all() {
            return Outcome::Enough;
        }
        let mut left = maxmemory.keys_at_once();
        while self.is_too_much() {
            if left == 0 {
                return Outcome::Running;
            }
            left -= 1;
            // What is going to be freed anyway comes first: more keys would go than need to.
            if self.lazyfree.pending() > 0 {
                self.lazyfree.step(PARTS);
                continue;
            }
            if maxmemory.policy == Policy::NoEviction {
                return Outcome::Full;
            }
            match self.pick() {
                Pick::Key(db, key) => self.evict_key(db, &key),
                Pick::NotFound => {}
                Pick::Nothing => return Outcome::Full,
            }
        }
        Outcome::Enough
    }

    fn evict_key(&mut self, db: usize, key: &[u8]) {
        let lazy = self.config.lazyfree.eviction;
        self.remove_key(db, key, lazy);
        self.keyspace.db_mut(db).drop_stale_deadlines(STALE);
        self.stats.evicted_keys += 1;
        self.effects.begin_unit();
        self.effects.append_alone(db, &[if lazy { b"UNLINK" } else { b"DEL" }, key]);
        self.effects.end_unit();
        self.notify(class::EVICTED, "evicted", db, key);
        self.changed_by_itself();
    }

    fn pick(&mut self) -> Pick {
        let policy = self.config.maxmemory.policy;
        if policy != self.eviction.policy {
            self.eviction.pool.clear();
            self.eviction.policy = policy;
        }
        if self.keyspace.iter().all(|db| policy.evictable(db) == 0) {
            return Pick::Nothing;
        }
        for _ in 0..TRIES {
            let found = if policy.is_random() { self.pick_random() } else { self.pick_best() };
            if let Some((db, key)) = found {
                return Pick::Key(db, key);
            }
        }
        Pick::NotFound
    }

    /// A random key, of each database in turn.
    fn pick_random(&mut self) -> Option<(usize, Box<[u8]>)> {
        let Self { keyspace, rng, eviction, .. } = self;
        for _ in 0..keyspace.databases() {
            eviction.db = (eviction.db + 1) % keyspace.databases();
            let db = keyspace.db(eviction.db);
            let mut key = None;
            sample(db, rng, eviction.policy, 1, |candidate, _| key = Some(candidate.into()));
            if let Some(key) = key {
                return Some((eviction.db, key));
            }
        }
        None
    }

    /// The best candidate, after some more have come into the pool.
    fn pick_best(&mut self) -> Option<(usize, Box<[u8]>)> {
        let samples = self.config.maxmemory.samples as usize;
        for index in 0..self.keyspace.databases() {
            self.fill_pool(index, samples);
        }
        while let Some(Candidate { score, db, key }) = self.eviction.pool.pop() {
            let policy = self.eviction.policy;
            let object = self.keyspace.db(db).get(&key);
            let may_go = |object: &&Object| policy.is_for_all() || object.expires_at().is_some();
            // One that has been used since is none any more.
            if object.filter(may_go).is_some_and(|object| self.score(object) >= score) {
                return Some((db, key));
            }
        }
        None
    }

    fn fill_pool(&mut self, index: usize, samples: usize) {
        let mut found: Vec<Candidate> = Vec::new();
        let policy = self.eviction.policy;
        let mut rng = Rng::new(self.rng.next_u64());
        sample(self.keyspace.db(index), &mut rng, policy, samples, |key, object| {
            let (score, pool) = (self.score(object), &self.eviction.pool);
            if pool.len() < POOL || pool.first().is_some_and(|worst| worst.score < score) {
                found.push(Candidate { score, db: index, key: key.into() });
            }
        });
        let pool = &mut self.eviction.pool;
        for candidate in found {
            if pool.iter().any(|known| known.db == index && known.key == candidate.key) {
                continue;
            }
            let at = pool.partition_point(|known| known.score < candidate.score);
            pool.insert(at, candidate);
            if pool.len() > POOL {
                pool.remove(0);
            }
        }
    }

    /// How much better it is that a key goes than another one.
    fn score(&self, object: &Object) -> u64 {
        let maxmemory = self.config.maxmemory;
        if maxmemory.policy == Policy::VolatileTtl {
            let at = object.expires_at().unwrap_or(i64::MAX);
            return at.abs_diff(i64::MAX);
        }
        let last_use = object.last_use();
        if maxmemory.policy.is_lfu() {
            u64::MAX - u64::from(last_use.frequency(self.now_s(), maxmemory.lfu_decay_time))
        } else {
            last_use.idle_s(self.now_s()).into()
        }
    }

    /// The moment, for keys to take note of.
    #[inline(always)]
    pub(super) fn moment(&mut self) -> Moment {
        if self.config.maxmemory.policy.is_lfu() {
            return self.counted_use();
        }
        Moment::Time(self.now_s())
    }

    #[cold]
    fn counted_use(&mut self) -> Moment {
        let maxmemory = self.config.maxmemory;
        Moment::Frequency(Frequency {
            now_s: self.now_s(),
            log_factor: maxmemory.lfu_log_factor,
            decay_minutes: maxmemory.lfu_decay_time,
            random: self.rng.next_u64() as u32,
        })
    }

    /// Whether a command is refused when there is no memory: one that needs some, one that waits for
    /// EXEC, and an EXEC of one that needs some.
    pub(super) fn needs_room(&self, command: &Command, queue: Option<&Queue>) -> bool {
        command.has(flag::DENYOOM)
            || match command.name {
                "exec" => queue.is_some_and(|queue| self.has_queued(queue, flag::DENYOOM)),
                "discard" | "quit" | "reset" => false,
                _ => queue.is_some(),
            }
    }
}

/// Shows some random keys that may go, all if there are no more; of those that expire soonest, if
/// that is the policy. A key may be shown twice.
fn sample<'a>(
    db: &'a Db,
    rng: &mut Rng,
    policy: Policy,
    count: usize,
    mut show: impl FnMut(&'a [u8], &'a Object),
) {
    if policy.is_for_all() {
        for number in 0..count.min(db.len()) {
            let number = if db.len() <= count { number } else { rng.below(db.len()) };
            if let Some((key, object)) = db.keys().nth(number) {
                show(key, object);
            }
        }
        return;
    }
    let len = db.deadlines_len();
    let mut show_from = |start: usize| {
        let mut shown = 0;
        for step in 0..len.min(LOOKED_AT.saturating_mul(count)) {
            if shown < count
                && let Some((key, object)) = db.volatile_nth((start + step) % len)
            {
                show(key, object);
                shown += 1;
            }
        }
        shown > 0
    };
    if policy != Policy::VolatileTtl || !show_from(0) {
        show_from(rng.below(len));
    }
}
