//! What is around the tabs: time, the channel, the lock, the store.

use super::copy::Copy;
use lodis::persist::lineage::Lineage;
use std::collections::{BTreeMap, VecDeque};

/// Random numbers, the same for the same seed.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What is to happen at some time.
#[derive(Clone, Debug)]
pub enum Event {
    Post(usize, Vec<u8>),
    Wake(usize),
    Granted(usize, u64),
    Robbed(usize),
    Gone {
        told: usize,
        tab: u64,
        watch: u64,
    },
    /// A transaction of a tab's log ends.
    Stored(usize, usize),
    /// The tab hears of it: how far it got, or that it was fenced off.
    Told(usize, usize, bool),
    /// The store has been read for the load with this number.
    Loaded(usize, u64),
    /// A piece for the load with this number has been read.
    PieceLoaded(usize, u64),
    /// The snapshot with this number begins, or goes on.
    SnapshotBegins(usize, u64),
    SnapshotStep(usize, u64),
    Claimed(usize),
    /// A slow copy has applied what comes first.
    Applied(usize),
    Flush(usize),
    Verified(usize),
    Client(usize),
    Adversary,
    Resume(usize),
    Return(usize),
}

/// Events in the order of their times.
#[derive(Default)]
pub struct Agenda {
    events: BTreeMap<(i64, u64), Event>,
    count: u64,
}

impl Agenda {
    pub fn add(&mut self, at: i64, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    pub fn next(&mut self) -> Option<(i64, Event)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}

/// The lock of the name.
#[derive(Default)]
pub struct Lock {
    pub holder: Option<usize>,
    pub queue: VecDeque<usize>,
    /// Rises with each grant: a late one is not for who has let go since.
    pub grant: u64,
}

/// What is in the store.
#[derive(Default)]
pub struct Store {
    pub epoch: u64,
    pub lineage: Lineage,
    /// What there was at an offset.
    pub base: Option<(u64, Copy)>,
    pub records: Vec<(u64, Vec<u8>)>,
}

impl Store {
    pub fn start(&self) -> u64 {
        self.base.as_ref().map_or(0, |(offset, _)| *offset)
    }

    pub fn end(&self) -> u64 {
        let last = self.records.last();
        last.map_or(self.start(), |(offset, bytes)| offset + bytes.len() as u64)
    }

    /// Everything in it.
    pub fn load(&self) -> Copy {
        let mut copy = self.base.as_ref().map(|(_, copy)| copy.clone()).unwrap_or_default();
        for (_, record) in &self.records {
            copy.apply(record);
        }
        copy
    }
}

/// The channel: messages of one sender to one receiver come in order.
#[derive(Default)]
pub struct Channel {
    last: BTreeMap<(usize, usize), i64>,
}

impl Channel {
    pub fn arrival(&mut self, from: usize, to: usize, now: i64, rng: &mut Rng) -> i64 {
        let delay = if rng.one_in(40) { rng.below(60) } else { rng.below(3) };
        let last = self.last.entry((from, to)).or_default();
        *last = (*last).max(now + delay as i64);
        *last
    }
}
