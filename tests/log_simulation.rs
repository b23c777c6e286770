//! The log manager against a store that is slow, fails, and crashes at any moment.
//!
//! Each run has a seed; a failing one prints it. `LODIS_SEED=<seed> cargo test --test
//! log_simulation` runs that one alone.

use lodis::engine::config::AppendFsync;
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::persist::log::{Action, Durability, Log, Settings, Transaction};
use lodis::persist::manifest::Manifest;
use lodis::persist::record::decode;
use lodis::persist::replay::{Replay, ReplayError};
use std::collections::BTreeMap;
use std::rc::Rc;

const RUNS: u64 = 600;
const STEPS: usize = 120;

/// SplitMix64, so that a run is its seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// What survives a crash.
#[derive(Clone, Default)]
struct Disk {
    manifest: Manifest,
    records: BTreeMap<u64, Vec<u8>>,
}

impl Disk {
    fn apply(&mut self, transaction: &Transaction) {
        if transaction.replace {
            self.records.clear();
        }
        let records = (0..transaction.records()).map(|index| transaction.record(index).unwrap());
        self.records.extend(records);
        if transaction.manifest_changed {
            self.manifest = transaction.manifest;
        }
    }
}

/// One owner of the store, from opening to crash.
struct Owner {
    engine: Engine,
    session: SessionId,
    log: Log,
    under_way: Option<(Rc<Transaction>, Durability)>,
    /// The sum of all increments after each effect, by offset: what a prefix of the log means.
    history: BTreeMap<u64, [i64; 2]>,
    /// The highest offset that was told to be durable.
    told: u64,
    failing: bool,
}

/// The two counters that each transaction of the test moves together.
fn counters(engine: &Engine) -> [i64; 2] {
    [b"x".as_slice(), b"y"].map(|key| {
        let object = engine.keyspace.db(0).get(key);
        let string = object.and_then(|object| object.value.as_string());
        string.map_or(0, |string| {
            string.with_bytes(|bytes| std::str::from_utf8(bytes).unwrap().parse().unwrap())
        })
    })
}

impl Owner {
    fn open(disk: &mut Disk, now: i64, dice: &mut Dice) -> Self {
        disk.manifest.epoch += 1;
        let mut engine = Engine::new(&Options { now_us: now * 1000, ..Options::default() });
        let mut replay = Replay::begin(&mut engine, disk.manifest.base);
        for record in disk.records.values() {
            replay.push(record).unwrap();
            while replay.step(&mut engine, 2).unwrap() {}
        }
        let finished = replay.finish(&mut engine);
        if let Some(repair) = &finished.repair {
            disk.records.split_off(&repair.delete_from);
            assert!(repair.payload.is_empty(), "records hold whole units");
        }
        let append_fsync =
            [AppendFsync::Always, AppendFsync::Everysec, AppendFsync::No][dice.below(3) as usize];
        disk.manifest.recording |= dice.one_in(2);
        let settings = Settings { append_only: disk.manifest.recording, append_fsync };
        let log = Log::new(settings, disk.manifest, finished.offset, now);
        engine.effects.set_enabled(settings.append_only);
        let session = engine.connect();
        let history = BTreeMap::from([(finished.offset, counters(&engine))]);
        let told = finished.offset;
        Self { engine, session, log, under_way: None, history, told, failing: false }
    }

    /// A write as a client makes it; while the store fails it is refused.
    fn write(&mut self, now: i64, dice: &mut Dice) {
        let by = (dice.below(100) as i64).to_string();
        let long = "v".repeat(dice.below(40_000) as usize);
        let before = counters(&self.engine);
        self.engine.set_time(now * 1000);
        let session = self.session;
        if dice.one_in(3) {
            self.call(session, &["SET", "big", &long]);
        }
        // MSET is one command, and so one unit, that moves both counters.
        let [x, y] = before.map(|value| value + by.parse::<i64>().unwrap());
        self.call(session, &["MSET", "x", &x.to_string(), "y", &y.to_string()]);
        if self.failing {
            assert_eq!(counters(&self.engine), before, "a write was accepted while failing");
        }
        self.log.append(self.engine.effects.drain(), now);
        if self.log.settings().append_only {
            self.history.insert(self.log.end(), counters(&self.engine));
        }
    }

    fn call(&mut self, session: SessionId, argv: &[&str]) {
        let argv: Vec<&[u8]> = argv.iter().map(|word| word.as_bytes()).collect();
        let mut reply = Vec::new();
        self.engine.call(session, &argv, &mut reply);
        assert_eq!(reply.starts_with(b"-MISCONF"), self.failing);
    }

    fn toggle(&mut self, now: i64) {
        if self.log.settings().append_only {
            self.engine.effects.set_enabled(false);
            self.log.stop_recording(now);
            return;
        }
        let mut snapshot = Vec::new();
        self.engine.write_snapshot(&mut snapshot);
        let end = self.log.start_recording(snapshot, now);
        self.engine.effects.resume_at(end);
        self.engine.effects.set_enabled(true);
        self.history.insert(end, counters(&self.engine));
    }

    fn pump(&mut self, flush_to: &mut Option<u64>) {
        while let Some(action) = self.log.next_action() {
            match action {
                Action::Store(transaction, durability) => {
                    assert!(self.under_way.is_none(), "two transactions at once");
                    self.under_way = Some((transaction, durability));
                }
                Action::Durable(offset) => {
                    assert!(offset >= self.told);
                    self.told = offset;
                }
                Action::Failed(_) => self.failing = true,
                Action::Recovered => self.failing = false,
                Action::Flushed(offset) => {
                    assert!(flush_to.is_some_and(|to| offset >= to && self.told >= to));
                    *flush_to = None;
                }
                Action::FlushFailed(_) => *flush_to = None,
                Action::Fenced => panic!("nobody else is there"),
            }
            self.log.report(&mut self.engine.persistence);
        }
    }
}

/// One life of the store: several owners, one after the other.
fn run(seed: u64) {
    let mut dice = Dice(seed);
    let mut disk = Disk::default();
    let mut now = 1_700_000_000_000;
    for _ in 0..4 {
        let mut owner = Owner::open(&mut disk, now, &mut dice);
        let mut flush_to = None;
        for _ in 0..dice.below(STEPS as u64) {
            now += dice.below(700) as i64;
            match dice.below(12) {
                0..4 => owner.write(now, &mut dice),
                4..7 => finish(&mut owner, &mut disk, now, &mut dice),
                7 => owner.log.hidden(now),
                8 if dice.one_in(4) => owner.toggle(now),
                9 => {
                    flush_to = Some(owner.log.end());
                    owner.log.flush(now);
                }
                _ => owner.log.wake(now),
            }
            owner.pump(&mut flush_to);
            let waits = owner.log.durable() < owner.log.end();
            let planned = owner.under_way.is_some() || owner.log.wake_at().is_some();
            assert!(planned || !waits, "bytes wait, and nobody will store them");
            assert!(flush_to.is_none() || owner.under_way.is_some(), "a flush was forgotten");
        }
        crash(&owner, &mut disk, &mut dice);
        check(&owner, &disk);
    }
}

/// The transaction under way ends.
fn finish(owner: &mut Owner, disk: &mut Disk, now: i64, dice: &mut Dice) {
    let Some((transaction, _)) = owner.under_way.take() else { return };
    assert_eq!(transaction.manifest.epoch, disk.manifest.epoch);
    if dice.one_in(4) {
        owner.log.failed(["QuotaExceededError", "AbortError"][dice.below(2) as usize], now);
    } else {
        disk.apply(&transaction);
        owner.log.stored(now);
    }
}

/// The process ends: what is under way has happened, or not, or its last record is torn.
fn crash(owner: &Owner, disk: &mut Disk, dice: &mut Dice) {
    let Some((transaction, _)) = &owner.under_way else { return };
    match dice.below(3) {
        0 => {}
        1 => disk.apply(transaction),
        _ => {
            disk.apply(transaction);
            // A new beginning is whole or not there: nothing durable may depend on its last record.
            let last = transaction.records().checked_sub(1).filter(|_| !transaction.replace);
            if let Some((offset, record)) = last.and_then(|last| transaction.record(last)) {
                let torn = record[..dice.below(record.len() as u64) as usize].to_vec();
                disk.records.insert(offset, torn);
            }
        }
    }
}

/// What was told to be durable is there, and the end of the log is a state that was.
fn check(owner: &Owner, disk: &Disk) {
    let mut engine = Engine::new(&Options::default());
    let mut replay = Replay::begin(&mut engine, disk.manifest.base);
    let mut push = || -> Result<(), ReplayError> {
        for record in disk.records.values() {
            replay.push(record)?;
            while replay.step(&mut engine, 2)? {}
        }
        Ok(())
    };
    push().unwrap();
    let finished = replay.finish(&mut engine);
    assert!(finished.offset >= owner.told, "{} < {}", finished.offset, owner.told);
    let found = counters(&engine);
    assert_eq!(found[0], found[1], "half of a unit");
    let then = owner.history.range(..=finished.offset).next_back();
    assert_eq!(Some(&found), then.map(|(_, counters)| counters), "at {}", finished.offset);
    let mut end = disk.manifest.base;
    for record in disk.records.values().filter_map(|bytes| decode(bytes).ok()) {
        assert_eq!(record.offset, end, "a gap");
        end += record.payload.len() as u64;
    }
}

#[test]
fn nothing_durable_is_ever_lost() {
    let only = std::env::var("LODIS_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = only.map_or(0..RUNS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        if std::panic::catch_unwind(|| run(seed)).is_err() {
            panic!("again: LODIS_SEED={seed} cargo test -p lodis --test log_simulation");
        }
    }
}
