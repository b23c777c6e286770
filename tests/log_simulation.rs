//! The log manager against a store that is slow, fails, and crashes at any moment.
//!
//! Each scenario has a seed; a failing one prints it. `LODIS_SEED=<seed> cargo test --test
//! log_simulation` runs that one alone.

use generator::Dice;
use lodis::engine::config::AppendFsync;
use lodis::engine::import::Import;
use lodis::engine::rdb::file::{Progress, Purpose};
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::persist::frame::{Frame, Kind, encode};
use lodis::persist::lineage::Lineage;
use lodis::persist::log::{Action, Durability, Log, Settings, Transaction};
use lodis::persist::manifest::Manifest;
use lodis::persist::measure::Measure;
use lodis::persist::replay::{Replay, ReplayError};
use std::collections::BTreeMap;
use std::rc::Rc;
use store::{Damage, Disk};
use stream::{Copy, Streams};

mod generator;
#[path = "log_simulation/store.rs"]
mod store;
#[path = "log_simulation/stream.rs"]
mod stream;
#[path = "log_simulation/writes.rs"]
mod writes;

/// How many scenarios there are by default; each has several owners, one after the other.
const SCENARIOS: u64 = 40_000;
const STEPS: usize = 60;

/// What the keyspace was, by the offset in the effect stream: all that may be found there again.
type History = BTreeMap<u64, Vec<u64>>;

/// One owner of the store, from opening to crash: a leader, who goes on with what the store has, or
/// with a copy that has more.
struct Owner {
    lineage: Lineage,
    /// The lineage is known to be in the store; nobody writes before.
    has_led: bool,
    /// What will be a copy elsewhere, unless everything was replaced since.
    copy: Option<Copy>,
    engine: Engine,
    session: SessionId,
    log: Log,
    /// The epoch that it has, at least, once it may write.
    epoch: u64,
    under_way: Option<(Rc<Transaction>, Durability)>,
    /// An emptied store is being claimed.
    claiming: Option<Manifest>,
    /// Until when the connection is lost.
    lost_until: i64,
    /// Nothing fails any more.
    is_calm: bool,
    /// What was stored is gone, as the log says.
    is_lost: bool,
    history: History,
    /// The highest offset that was told to be in the store, and to be on the disk.
    told: [u64; 2],
    failing: bool,
    flush_to: Option<u64>,
    /// Where each base was begun, and the digest then: the only one there, once it is complete.
    bases: BTreeMap<u64, (u64, u64)>,
    last_base: u64,
}

/// Finds the end of the records from a known place on, and repairs it.
fn measure(disk: &mut Disk, before: &Manifest, known: u64) -> u64 {
    let mut measure = Measure::begin(before, known);
    for (_, record) in disk.records.range(measure.next_key()..) {
        measure.push(record).unwrap();
    }
    let measured = measure.finish();
    if let Some(repair) = measured.repair {
        disk.records.split_off(&repair.delete_from);
    }
    measured.end
}

fn load(disk: &Disk, now: i64) -> Result<(Engine, Replay), ReplayError> {
    let mut engine =
        Engine::new(&Options { now_us: now * 1000, databases: 2, ..Options::default() });
    let mut replay = Replay::begin(&mut engine, &disk.manifest);
    let base = disk.manifest.base;
    let pieces = disk.pieces.range((base.number, 0)..).filter(|_| base.len > 0);
    for (_, piece) in pieces.take_while(|((number, _), _)| *number == base.number) {
        replay.push(piece)?;
        while replay.step(&mut engine, 2)? {}
    }
    for (_, record) in disk.records.range(disk.manifest.start..) {
        replay.push(record)?;
        while replay.step(&mut engine, 2)? {}
    }
    Ok((engine, replay))
}

/// Adds what the store lacks to what it has; answers the end of that.
fn apply(tail: &[Vec<u8>], stored: u64, engine: &mut Engine, replay: &mut Replay) -> u64 {
    let mut end = stored;
    for payload in tail {
        let frame = Frame { kind: Kind::Record, origin: 0, offset: end, payload };
        replay.push(&encode(&frame).unwrap()).unwrap();
        while replay.step(engine, 2).unwrap() {}
        end += payload.len() as u64;
    }
    end
}

/// Settings of any kind.
fn settings(append_only: bool, dice: &mut Dice) -> Settings {
    Settings {
        append_only,
        append_fsync: dice.pick(&[AppendFsync::Always, AppendFsync::Everysec, AppendFsync::No]),
        rewrite_percentage: dice.pick(&[0, 50, 100]),
        rewrite_min_size: dice.pick(&[200, 2000, 20_000]),
    }
}

impl Owner {
    /// The store can be read, but may refuse to be claimed. `copy` is one that has survived, and the
    /// end of the records that it knows of.
    fn open(
        disk: &mut Disk,
        copy: Option<(Copy, u64)>,
        streams: &mut Streams,
        now: i64,
        dice: &mut Dice,
    ) -> Self {
        let before = disk.manifest;
        let is_refused = disk.manifest.epoch > 0 && dice.one_in(4);
        let wants_recording = dice.one_in(2);
        disk.lost = false;
        if !is_refused {
            disk.manifest.epoch += 1;
            disk.manifest.recording |= wants_recording;
            disk.trim(u64::MAX);
        }
        let known = copy.as_ref().map_or(0, |(_, known)| *known);
        let measured = copy.is_some().then(|| measure(disk, &before, known));
        let (mut engine, mut replay) = load(disk, now).unwrap();
        let stored = measured.unwrap_or_else(|| measure(disk, &before, 0));
        let mut copy = copy.map(|(copy, _)| copy).unwrap_or_default();
        let tail = if measured.is_some() { copy.tail(stored, dice) } else { Vec::new() };
        let end = apply(&tail, stored, &mut engine, &mut replay);
        let finished = replay.finish(&mut engine).unwrap();
        let payload = finished.repair.map(|repair| repair.payload).unwrap_or_default();
        assert!(payload.is_empty(), "records hold whole units");
        assert_eq!(finished.offset, end, "measured as it is replayed");
        let settings = settings(disk.manifest.recording || wants_recording, dice);
        let mut log = Log::new(settings, disk.manifest, stored, now);
        if is_refused {
            log.claim_later("QuotaExceededError", now);
            log.report(&mut engine.persistence);
        }
        engine.effects.set_enabled(settings.append_only);
        let session = engine.connect();
        let digest = engine.digest();
        let epoch = disk.manifest.epoch + u64::from(is_refused);
        let lineage = disk.manifest.lineage.succeeded(epoch, end);
        streams.begin(epoch);
        log.lead(lineage, tail.into_iter(), now);
        copy.lineage = disk.manifest.lineage;
        copy.stretches.retain(|offset, _| *offset < end);
        copy.history.retain(|offset, _| (stored..end).contains(offset));
        copy.history.insert(end, vec![digest]);
        Self {
            lineage,
            has_led: false,
            history: copy.history.clone(),
            copy: Some(copy),
            engine,
            session,
            log,
            epoch,
            under_way: None,
            claiming: None,
            lost_until: 0,
            is_calm: false,
            is_lost: false,
            told: [stored; 2],
            failing: is_refused,
            flush_to: None,
            bases: BTreeMap::new(),
            last_base: disk.manifest.base.number,
        }
    }

    /// A write as a client makes it; while the store fails it is refused.
    fn write(&mut self, streams: &mut Streams, now: i64, dice: &mut Dice) {
        self.engine.set_time(now * 1000);
        let before = self.engine.digest();
        for words in writes::some(dice) {
            let argv: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            let mut reply = Vec::new();
            self.engine.call(self.session, &argv, &mut reply);
            let is_refused = reply.starts_with(b"-MISCONF") || reply.starts_with(b"-EXECABORT");
            assert!(self.failing || !is_refused, "{words:?}: {}", reply.escape_ascii());
        }
        let after = self.engine.digest();
        assert!(!self.failing || before == after, "a write was accepted while failing");
        let stretches: Vec<Vec<u8>> = self.engine.effects.drain().collect();
        let bytes = stretches.concat();
        if !bytes.is_empty() {
            streams.write(self.lineage.leaders[0], self.log.end(), &bytes);
            if let Some(copy) = &mut self.copy {
                copy.stretches.insert(self.log.end(), bytes);
            }
        }
        self.log.append(stretches.into_iter(), now);
        if self.log.settings().append_only {
            self.history.entry(self.log.end()).or_default().push(after);
        }
    }

    /// Everything is replaced by what is in a file.
    fn replace(&mut self, streams: &mut Streams, now: i64, dice: &mut Dice) {
        self.engine.set_time(now * 1000);
        let file = file(now, dice);
        let mut import = Import::begin(&mut self.engine);
        import.push(&mut self.engine, &file).unwrap();
        while import.step(&mut self.engine, 1 + dice.below(400)).unwrap() != Progress::Done {}
        import.finish(&mut self.engine).unwrap();
        let replaced_at = std::mem::take(&mut self.engine.persistence.requests).replaced_at;
        assert!(replaced_at.is_some());
        let end = self.log.end();
        self.log.take(&mut self.engine.effects, replaced_at, |_| (), now);
        streams.skip(self.lineage.leaders[0], end, self.log.end());
        self.copy = None;
        if self.log.settings().append_only {
            let digest = self.engine.digest();
            self.history.entry(self.log.end()).or_default().push(digest);
        }
    }

    fn toggle(&mut self, now: i64) {
        self.copy = None;
        if self.log.settings().append_only {
            self.engine.effects.set_enabled(false);
            self.log.stop_recording(now);
            self.engine.effects.resume_at(self.log.end());
            return;
        }
        self.engine.effects.resume_at(self.log.end());
        self.engine.effects.set_enabled(true);
        self.log.start_recording(now);
    }

    fn begin_rewrite(&mut self, now: i64, dice: &mut Dice) {
        if dice.one_in(8) {
            return self.log.put_rewrite_off(now);
        }
        assert!(self.engine.begin_snapshot(Purpose::Keep, &[]));
        self.log.begin_rewrite(now);
        let digest = self.engine.digest();
        self.history.entry(self.log.end()).or_default().push(digest);
        self.last_base += 1;
        self.bases.insert(self.last_base, (self.log.end(), digest));
    }

    /// Some of the base is written, if the store can take it.
    fn write_base(&mut self, now: i64, dice: &mut Dice) {
        if !self.log.wants_pieces() {
            return;
        }
        let is_complete = self.engine.step_snapshot(1 + dice.below(400));
        if is_complete || dice.one_in(2) {
            self.log.add_piece(self.engine.take_snapshot(), now);
        }
        if is_complete {
            self.log.finish_rewrite(now);
        }
    }

    fn pump(&mut self, now: i64, dice: &mut Dice) {
        while let Some(action) = self.log.next_action() {
            match action {
                Action::Store(transaction, durability) => {
                    assert!(self.under_way.is_none(), "two transactions at once");
                    self.under_way = Some((transaction, durability));
                }
                Action::Claim(manifest) => {
                    assert!(self.under_way.is_none() && self.claiming.is_none());
                    self.claiming = Some(manifest);
                }
                Action::Led => {
                    assert!(!self.has_led);
                    self.has_led = true;
                }
                Action::Lost(_) => {
                    self.is_lost = true;
                    self.copy = None;
                    self.told = [0, 0];
                    self.last_base += 1;
                }
                Action::Durable(offset) => {
                    assert!(offset >= self.told[0]);
                    self.told[0] = offset;
                }
                Action::Failed(_) => self.failing = true,
                Action::Recovered => {
                    self.failing = false;
                    self.is_lost = false;
                }
                Action::Flushed(offset) => {
                    assert!(self.flush_to.is_some_and(|to| offset >= to));
                    self.told[1] = self.told[1].max(offset);
                    self.flush_to = None;
                }
                Action::FlushFailed(_) => self.flush_to = None,
                Action::Fenced => panic!("nobody else is there"),
                Action::Rewrite => self.begin_rewrite(now, dice),
                Action::Rewritten | Action::RewriteFailed(_) => self.engine.end_snapshot(),
            }
            self.log.report(&mut self.engine.persistence);
            self.told[1] = self.told[1].max(self.engine.persistence.durable_offset);
        }
    }

    /// The transaction under way ends.
    fn finish(&mut self, disk: &mut Disk, now: i64, dice: &mut Dice) {
        let is_cut_off = now < self.lost_until;
        if let Some(manifest) = self.claiming.take() {
            let is_failing = is_cut_off || self.fails(dice);
            if !is_failing || dice.one_in(2) {
                assert!(manifest.epoch >= disk.manifest.epoch);
                disk.claim(manifest);
            }
            return match is_failing {
                true => self.log.failed("InvalidStateError", now),
                false => self.log.claimed(now),
            };
        }
        let Some((transaction, durability)) = self.under_way.take() else { return };
        if is_cut_off {
            // It may have been stored all the same, which the owner did not live to hear.
            if disk.admits(&transaction) && dice.one_in(2) {
                self.apply(disk, &transaction, durability);
            }
            self.log.failed("InvalidStateError", now);
        } else if !disk.admits(&transaction) {
            assert!(disk.lost, "nobody else is there");
            self.log.lost("the store was emptied", now);
        } else if self.fails(dice) {
            self.log.failed(dice.pick(&["QuotaExceededError", "AbortError"]), now);
        } else {
            self.apply(disk, &transaction, durability);
            if transaction.manifest_changed && !self.is_lost {
                self.told = self.told.map(|told| told.max(transaction.manifest.start));
            }
            self.log.stored(now);
        }
    }

    fn fails(&self, dice: &mut Dice) -> bool {
        !self.is_calm && dice.one_in(4)
    }

    fn apply(&mut self, disk: &mut Disk, transaction: &Transaction, durability: Durability) {
        disk.apply(transaction, durability);
        if let Some((offset, digest)) = self.bases.remove(&disk.manifest.base.number) {
            disk.lost = false;
            self.history.retain(|at, _| *at >= offset);
            self.history.entry(offset).or_default().retain(|known| *known == digest);
        }
    }

    fn step(&mut self, disk: &mut Disk, streams: &mut Streams, now: i64, dice: &mut Dice) {
        match dice.below(16) {
            0..4 if self.has_led => self.write(streams, now, dice),
            4..8 => self.finish(disk, now, dice),
            8 => self.log.hidden(now),
            9 if self.has_led && dice.one_in(4) => self.toggle(now),
            10 => {
                self.flush_to =
                    Some(if self.log.settings().append_only { self.log.end() } else { 0 });
                self.log.flush(now);
            }
            11 if dice.one_in(3) => self.log.want_rewrite(now),
            11 if dice.one_in(3) => self.log.want_strict(self.log.end(), now),
            14 if self.has_led && dice.one_in(6) => self.replace(streams, now, dice),
            12..14 => self.write_base(now, dice),
            14 if dice.one_in(8) => disk.lose(dice),
            14 if dice.one_in(8) => self.lose_connection(now, dice),
            _ => self.log.wake(now),
        }
        self.pump(now, dice);
        let waits = self.engine.persistence.buffered > 0;
        let is_busy = self.under_way.is_some() || self.claiming.is_some();
        let planned = is_busy || self.log.wake_at().is_some() || self.log.wants_pieces();
        assert!(planned || !waits, "bytes wait, and nobody will store them");
        assert!(self.flush_to.is_none() || planned, "a flush was forgotten");
        assert!(self.has_led || planned, "nobody will tell the store who leads");
    }

    fn lose_connection(&mut self, now: i64, dice: &mut Dice) {
        self.lost_until = now + dice.below(8000) as i64;
        self.log.disturbed(dice.pick(&[None, Some("the database was closed")]), now);
    }

    /// All goes well from now on: soon everything is stored.
    fn settle(&mut self, disk: &mut Disk, mut now: i64, dice: &mut Dice) {
        (self.lost_until, self.is_calm) = (0, true);
        for _ in 0..400 {
            now += 100;
            if self.under_way.is_some() || self.claiming.is_some() {
                self.finish(disk, now, dice);
            }
            self.write_base(now, dice);
            self.log.wake(now);
            self.pump(now, dice);
            let is_busy = self.under_way.is_some() || self.claiming.is_some();
            if !is_busy && self.log.wake_at().is_none() && !self.log.wants_pieces() {
                break;
            }
        }
        assert!(!self.failing && !self.is_lost, "no recovery");
        assert!(disk.manifest.epoch >= self.epoch, "not claimed");
        assert!(self.has_led && (disk.lost || disk.manifest.lineage == self.lineage));
        if self.log.settings().append_only {
            assert!(!disk.lost, "the store stays empty");
            assert_eq!(self.log.durable(), self.log.end());
        }
    }
}

/// An RDB file with some keys.
fn file(now: i64, dice: &mut Dice) -> Vec<u8> {
    let options = Options { now_us: now * 1000, databases: 2, ..Options::default() };
    let mut engine = Engine::new(&options);
    let session = engine.connect();
    for _ in 0..dice.below(10) {
        for words in writes::some(dice) {
            let argv: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            engine.call(session, &argv, &mut Vec::new());
        }
    }
    engine.begin_snapshot(Purpose::Travel, &[]);
    while !engine.step_snapshot(usize::MAX) {}
    engine.take_snapshot()
}

/// One life of the store: several owners, one after the other.
fn run(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut disk = Disk::default();
    let mut streams = Streams::default();
    let mut copy = None;
    let mut now = 1_700_000_000_000;
    for _ in 0..3 {
        let mut owner = Owner::open(&mut disk, copy.take(), &mut streams, now, &mut dice);
        for _ in 0..dice.below(STEPS) {
            now += dice.below(700) as i64;
            owner.step(&mut disk, &mut streams, now, &mut dice);
        }
        if dice.one_in(4) {
            // Somebody looks at the store: what is gone shows.
            owner.log.disturbed(None, now);
            owner.pump(now, &mut dice);
            owner.settle(&mut disk, now, &mut dice);
        }
        let damage = disk.crash(owner.under_way.take(), &mut dice);
        check(&owner, &disk, damage, now);
        streams.check(&disk.manifest, &disk.records);
        let is_led = owner.has_led && !owner.is_lost;
        assert!(!is_led || disk.lost || disk.manifest.lineage == owner.lineage, "led in vain");
        let survives = damage == Damage::Crash && !disk.lost && dice.one_in(2);
        let known = if dice.one_in(2) { owner.told[0] } else { 0 };
        let history = owner.history;
        copy = owner.copy.take().filter(|_| survives).map(|copy| {
            let lineage = if owner.has_led { owner.lineage } else { copy.lineage };
            (Copy { lineage, history, ..copy }, known)
        });
        if let Some((copy, _)) = &copy {
            // Whoever has it can go on with the store, and is not to load it.
            let end = copy.history.last_key_value().map_or(0, |(offset, _)| *offset);
            assert!(disk.manifest.lineage.admits(copy.lineage.epoch(), end));
        }
    }
}

/// What was told to be durable is there, and the end of the log is a state that was.
fn check(owner: &Owner, disk: &Disk, damage: Damage, now: i64) {
    let (mut engine, replay) = load(disk, now).unwrap();
    let finished = replay.finish(&mut engine).unwrap();
    let found = engine.digest();
    if disk.lost && !owner.bases.contains_key(&disk.manifest.base.number) {
        let empty = Engine::new(&Options { databases: 2, ..Options::default() });
        return assert_eq!(found, empty.digest(), "what was there before the store was emptied");
    }
    let told = match damage {
        Damage::Crash => owner.told[0],
        Damage::PowerCut => owner.told[1],
    };
    assert!(finished.offset >= told, "{} < {told}", finished.offset);
    let known = owner.history.get(&finished.offset);
    assert!(known.is_some_and(|known| known.contains(&found)), "at {}", finished.offset);
}

#[test]
fn nothing_durable_is_ever_lost() {
    let only = std::env::var("LODIS_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = only.map_or(0..SCENARIOS, |seed: u64| seed..seed + 1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let seeds = seeds.clone();
            scope.spawn(move || {
                for seed in seeds.filter(|seed| seed % threads == thread) {
                    if std::panic::catch_unwind(|| run(seed)).is_err() {
                        panic!(
                            "again: LODIS_SEED={seed} cargo test -p lodis --test log_simulation"
                        );
                    }
                }
            });
        }
    });
}
