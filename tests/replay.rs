//! The log replayed makes the same keyspace, however the stream was cut into records.

use generator::{Dice, Forms, Times, shown};
use lodis::engine::blocking::Unblock;
use lodis::engine::rdb::file::Purpose;
use lodis::engine::registry;
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::persist::frame::{Frame, Kind, decode, encode};
use lodis::persist::manifest::{Base, Manifest};
use lodis::persist::replay::{Finished, Replay, ReplayError};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;

mod generator;

const NOW_MS: i64 = 1_700_000_000_000;

/// Commands that no form makes, and why.
const WITHOUT_FORM: &[(&str, &str)] = &[
    ("quit", "it ends the session"),
    ("client kill", "it ends sessions"),
    ("client reply", "it mutes the session; no keys are concerned"),
    ("subscribe", "a subscriber runs no other commands"),
    ("psubscribe", "a subscriber runs no other commands"),
    ("ssubscribe", "a subscriber runs no other commands"),
    ("shutdown", "it ends the host"),
    ("monitor", "a monitor runs no commands about keys"),
    ("bgrewriteaof", "it is for the host, which a test of the engine has none of"),
    ("bgsave", "it is for the host"),
    ("save", "it is for the host"),
    ("asking", "there is no cluster: it always fails"),
    ("cluster", "there is no cluster: it always fails"),
    ("readonly", "there is no cluster: it always fails"),
    ("readwrite", "there is no cluster: it always fails"),
    ("failover", "no follower has an address: it always fails"),
    ("config set", "a configuration is not part of the keyspace"),
];

#[derive(Clone, Debug)]
struct Step {
    argv: Vec<Vec<u8>>,
    later_ms: i64,
    tick: bool,
}

fn forms() -> &'static Forms {
    static FORMS: LazyLock<Forms> = LazyLock::new(|| Forms::load(|_| true));
    &FORMS
}

/// What fails is made smaller by leaving steps out, not by other commands in their place.
fn step() -> impl Strategy<Value = Step> {
    (any::<u64>().no_shrink(), 0i64..400, any::<bool>()).prop_map(|(seed, later_ms, tick)| {
        let (argv, _) = forms().command(&mut Dice::new(seed), Times::Near(NOW_MS));
        Step { argv, later_ms, tick }
    })
}

#[test]
fn every_command_has_a_form() {
    let mut missing = Vec::new();
    let has_form = |name: &[&str]| forms().iter().any(|form| form.is_of(name));
    let mut check = |name: &[&str]| {
        let excepted = WITHOUT_FORM.iter().any(|(known, _)| *known == name.join(" "));
        if has_form(name) == excepted {
            missing.push(name.join(" "));
        }
    };
    for command in registry::commands() {
        match command.subcommands {
            [] => check(&[command.name]),
            all => all.iter().for_each(|sub| check(&[command.name, sub.name])),
        }
    }
    assert!(missing.is_empty(), "no form in tests/forms, or one and an exception: {missing:?}");
}

/// A form that always fails would prove nothing about what its command does.
#[test]
fn every_command_with_a_form_succeeds_at_times() {
    let mut engine = engine();
    let session = engine.connect();
    let mut dice = Dice::new(1);
    let mut failing: BTreeMap<String, String> = BTreeMap::new();
    for command in registry::commands() {
        failing.insert(command.name.to_owned(), "never made".to_owned());
    }
    // Without ACLs there is no password that fits.
    failing.remove("auth");
    WITHOUT_FORM.iter().for_each(|(name, _)| _ = failing.remove(*name));
    for _ in 0..60_000 {
        let (argv, form) = forms().command(&mut dice, Times::Near(NOW_MS));
        let mut reply = Vec::new();
        let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        engine.call(session, &words, &mut reply);
        engine.unblock(session, Unblock::Timeout);
        engine.sessions.take_messages_of(session);
        if !reply.starts_with(b"-") {
            failing.remove(&form.name[0]);
        } else if let Some(why) = failing.get_mut(&form.name[0]) {
            *why = format!("{} at {}: {}", shown(&argv), form.place, reply.escape_ascii());
        }
    }
    assert!(failing.is_empty(), "these never succeed: {failing:#?}");
}

fn engine() -> Engine {
    Engine::new(&Options { now_us: NOW_MS * 1000, ..Options::default() })
}

/// What the keyspace was when the stream had come to an offset.
struct Moment {
    offset: u64,
    now_us: i64,
    digest: u64,
}

/// The digest of what the log up to `end` gives at this time, once everything has expired that is due.
fn settled(stream: &[u8], end: usize, now_us: i64) -> u64 {
    let (mut engine, _) = replayed(&records(&stream[..end], &[]), &engine());
    engine.set_time(now_us);
    while engine.tick().is_some_and(|at| at <= engine.now_ms()) {}
    engine.digest()
}

/// Runs the steps; answers the whole stream, and what the keyspace was after each step.
fn record(steps: &[Step]) -> (Engine, Vec<u8>, Vec<Moment>) {
    let mut engine = engine();
    engine.effects.set_enabled(true);
    let session = engine.connect();
    let mut stream = Vec::new();
    let mut moments = vec![Moment { offset: 0, now_us: NOW_MS * 1000, digest: engine.digest() }];
    let mut now = NOW_MS;
    let mut take = |engine: &mut Engine| {
        stream.extend(engine.effects.take());
        let (offset, now_us) = (stream.len() as u64, engine.now_us());
        moments.push(Moment { offset, now_us, digest: engine.digest() });
    };
    for step in steps {
        now += step.later_ms;
        engine.set_time(now * 1000);
        if step.tick {
            engine.tick();
            take(&mut engine);
        }
        call(&mut engine, session, &step.argv);
        take(&mut engine);
        // What waits for an element shall not keep the session from the next step.
        engine.unblock(session, Unblock::Timeout);
        engine.sessions.take_messages_of(session);
    }
    (engine, stream, moments)
}

fn call(engine: &mut Engine, session: SessionId, argv: &[Vec<u8>]) {
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    engine.call(session, &argv, &mut Vec::new());
}

/// The stream as records that end at `cuts`.
fn records(stream: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    let mut start = 0;
    let mut records = Vec::new();
    for end in ends.into_iter().filter(|end| *end > 0) {
        if end > start {
            records.push(record_of(start as u64, &stream[start..end]));
        }
        start = start.max(end);
    }
    records
}

fn record_of(offset: u64, payload: &[u8]) -> Vec<u8> {
    encode(&Frame { kind: Kind::Record, origin: 1, offset, payload }).unwrap()
}

fn replay(records: &[Vec<u8>], engine: &mut Engine) -> Result<Finished, ReplayError> {
    replay_all(&Manifest::default(), records, engine)
}

/// Replays the pieces of a base, if the manifest has one, and records.
fn replay_all(
    manifest: &Manifest,
    frames: &[Vec<u8>],
    engine: &mut Engine,
) -> Result<Finished, ReplayError> {
    let mut replay = Replay::begin(engine, manifest);
    let result = (|| {
        for frame in frames {
            replay.push(frame)?;
            while replay.step(engine, 3)? {}
        }
        Ok(())
    })();
    match result {
        Ok(()) => replay.finish(engine),
        Err(error) => {
            replay.abandon(engine);
            Err(error)
        }
    }
}

/// An engine that has replayed `records`, at the time of `like`.
fn replayed(records: &[Vec<u8>], like: &Engine) -> (Engine, Finished) {
    let mut copy = engine();
    copy.set_time(like.now_us());
    let finished = replay(records, &mut copy).unwrap();
    (copy, finished)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn the_log_replayed_makes_the_same_keyspace(
        steps in prop::collection::vec(step(), 1..120),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let (engine, stream, _) = record(&steps);
        let (copy, finished) = replayed(&records(&stream, &cuts), &engine);
        prop_assert_eq!(copy.digest(), engine.digest());
        prop_assert_eq!(finished, Finished { offset: stream.len() as u64, repair: None });
        prop_assert_eq!(copy.effects.offset(), stream.len() as u64);
        prop_assert_eq!(copy.stats.commands, 0);
    }

    #[test]
    fn a_base_and_the_log_since_make_the_same_keyspace(
        steps in prop::collection::vec(step(), 1..80),
        later in prop::collection::vec(step(), 0..40),
        budget in 1usize..2000,
    ) {
        let (mut engine, stream, _) = record(&steps);
        engine.begin_snapshot(Purpose::Keep, &[]);
        let then = engine.digest();
        let session = engine.connect();
        let (mut pieces, mut written) = (Vec::new(), Vec::new());
        let mut later = later.into_iter();
        loop {
            let is_complete = engine.step_snapshot(budget);
            pieces.push(engine.take_snapshot());
            if is_complete {
                break;
            }
            if let Some(step) = later.next() {
                call(&mut engine, session, &step.argv);
                engine.unblock(session, Unblock::Timeout);
                written.extend(engine.effects.drain().flatten());
            }
        }
        engine.end_snapshot();
        let (manifest, mut frames) = base_of(&pieces, stream.len() as u64);
        let mut base = self::engine();
        base.set_time(engine.now_us());
        replay_all(&manifest, &frames, &mut base).unwrap();
        prop_assert_eq!(base.digest(), then);
        frames.extend(records(&written, &[]).iter().map(|bytes| {
            let record = decode(Kind::Record, bytes).unwrap();
            record_of(manifest.start + record.offset, record.payload)
        }));
        let mut copy = self::engine();
        copy.set_time(engine.now_us());
        let finished = replay_all(&manifest, &frames, &mut copy).unwrap();
        prop_assert_eq!(copy.digest(), engine.digest());
        prop_assert_eq!(finished.offset, (stream.len() + written.len()) as u64);
    }

    #[test]
    fn a_log_cut_anywhere_gives_a_whole_prefix(
        steps in prop::collection::vec(step(), 1..40),
        cuts in prop::collection::vec(any::<usize>(), 0..5),
        at in any::<prop::sample::Index>(),
    ) {
        let (_, stream, moments) = record(&steps);
        let at = at.index(stream.len() + 1);
        let (copy, finished) = replayed(&records(&stream[..at], &cuts), &engine());
        let prefix = finished.offset as usize;
        prop_assert!(prefix <= at);
        prop_assert_eq!(finished.repair.is_some(), prefix < at);
        // Between two steps there may be the SELECT of the later one, or some of the keys that
        // expired before it: the keyspace is that of the one or the other, at its time.
        let later = moments.partition_point(|moment| moment.offset <= at as u64);
        let [before, after] = [later - 1, later.min(moments.len() - 1)].map(|i| &moments[i]);
        prop_assert!(finished.offset >= before.offset);
        let is_of = |moment: &Moment| {
            let whole = settled(&stream, moment.offset as usize, moment.now_us);
            settled(&stream, at, moment.now_us) == whole
        };
        prop_assert!(is_of(before) || (finished.offset > before.offset && is_of(after)));
        let (exact, _) = replayed(&records(&stream[..before.offset as usize], &[]), &engine());
        prop_assert_eq!(exact.digest(), before.digest);
        // The same keyspace again from the repaired store.
        let mut kept: Vec<Vec<u8>> = records(&stream[..at], &cuts);
        if let Some(repair) = finished.repair {
            kept.retain(|bytes| {
                decode(Kind::Record, bytes).unwrap().offset < repair.delete_from
            });
            let offset = repair.delete_from;
            if !repair.payload.is_empty() {
                kept.push(record_of(offset, &repair.payload));
            }
        }
        let (again, finished) = replayed(&kept, &engine());
        prop_assert_eq!(again.digest(), copy.digest());
        prop_assert_eq!(finished, Finished { offset: prefix as u64, repair: None });
    }

    #[test]
    fn a_torn_last_record_is_cut_and_one_in_the_middle_is_refused(
        steps in prop::collection::vec(step(), 20..60),
        at in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
    ) {
        let (_, stream, moments) = record(&steps);
        let cuts: Vec<usize> = moments.iter().map(|moment| moment.offset as usize).collect();
        let mut records = records(&stream, &cuts);
        prop_assume!(records.len() > 1);
        let last = records.len() - 1;
        let (before, _) = replayed(&records[..last], &engine());
        let whole = records[last].clone();
        records[last].truncate(at.index(whole.len()));
        let (copy, finished) = replayed(&records, &engine());
        prop_assert_eq!(copy.digest(), before.digest());
        prop_assert!(finished.repair.is_some());
        records[last] = whole;
        let damaged = flip.index(last);
        let byte = 12 + flip.index(records[damaged].len() - 12);
        records[damaged][byte] ^= 1;
        prop_assert!(matches!(replay(&records, &mut engine()), Err(ReplayError::Corrupt(_))));
        records.remove(damaged);
        prop_assert!(matches!(replay(&records, &mut engine()), Err(ReplayError::Corrupt(_))));
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 1..200)) {
        let _ = replay(&records(&payload, &[]), &mut engine());
        let framed = [b"*1\r\n$5\r\nMULTI\r\n".as_slice(), &payload].concat();
        let _ = replay(&records(&framed, &[]), &mut engine());
    }
}

fn resp(commands: &[&[&str]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for command in commands {
        let argv: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        lodis::resp::write_command(&mut bytes, &argv);
    }
    bytes
}

#[test]
fn an_unfinished_multi_is_not_applied() {
    let stream = resp(&[&["SET", "a", "1"], &["MULTI"], &["SET", "a", "2"], &["SET", "b", "2"]]);
    let (copy, finished) = replayed(&records(&stream, &[]), &engine());
    assert_eq!(finished.offset, resp(&[&["SET", "a", "1"]]).len() as u64);
    assert_eq!(copy.keyspace.db(0).len(), 1);
    let repair = finished.repair.unwrap();
    assert_eq!((repair.delete_from, repair.payload), (0, resp(&[&["SET", "a", "1"]])));
}

#[test]
fn what_is_no_effect_is_refused() {
    for (commands, text) in [
        (vec![vec!["GET", "a"]], "after offset 0: 'GET' is not a write command"),
        (vec![vec!["NOSUCH"]], "after offset 0: 'NOSUCH' is not a write command"),
        (vec![vec!["EXEC"]], "after offset 0: EXEC without MULTI"),
        (vec![vec!["MULTI"], vec!["MULTI"]], "after offset 0: MULTI inside MULTI"),
        (vec![vec!["SELECT", "16"]], "after offset 0: SELECT of a database that is not there"),
        (
            vec![vec!["SET", "a", "x"], vec!["INCR", "a"]],
            "after offset 27: ERR value is not an integer or out of range",
        ),
    ] {
        let commands: Vec<&[&str]> = commands.iter().map(Vec::as_slice).collect();
        let error = replay(&records(&resp(&commands), &[]), &mut engine()).unwrap_err();
        assert_eq!(error, ReplayError::Corrupt(text.to_owned()));
    }
}

/// A manifest with the pieces of its base, and the pieces.
fn base_of(pieces: &[Vec<u8>], start: u64) -> (Manifest, Vec<Vec<u8>>) {
    let (mut len, mut frames) = (0, Vec::new());
    for payload in pieces.iter().filter(|piece| !piece.is_empty()) {
        let piece = Frame { kind: Kind::Piece, origin: 7, offset: len, payload };
        frames.push(encode(&piece).unwrap());
        len += payload.len() as u64;
    }
    (Manifest { start, base: Base { number: 7, len, saved_ms: 0 }, ..Manifest::default() }, frames)
}

fn pieces_of_fifty_keys() -> Vec<Vec<u8>> {
    let (mut engine, ..) = record(&[]);
    let session = engine.connect();
    for i in 0..50 {
        let key = format!("key:{i}");
        engine.call(session, &[b"SET", key.as_bytes(), b"value"], &mut Vec::new());
    }
    engine.begin_snapshot(Purpose::Keep, &[]);
    let mut pieces = Vec::new();
    while !engine.step_snapshot(100) {
        pieces.push(engine.take_snapshot());
    }
    pieces.push(engine.take_snapshot());
    pieces
}

#[test]
fn a_base_that_is_not_whole_is_refused() {
    let pieces = pieces_of_fifty_keys();
    let (manifest, whole) = base_of(&pieces, 0);
    assert!(whole.len() > 3);
    let load = |frames: &[Vec<u8>], manifest: &Manifest| {
        let mut engine = engine();
        let result = replay_all(manifest, frames, &mut engine);
        // What is not whole leaves nothing behind.
        assert!(result.is_ok() || engine.keyspace.db(0).is_empty());
        assert!(!engine.is_loading());
        result
    };
    assert!(load(&whole, &manifest).is_ok());
    let refused = |frames: &[Vec<u8>], manifest: &Manifest| match load(frames, manifest) {
        Err(ReplayError::Corrupt(what)) => what,
        other => panic!("{other:?}"),
    };
    let last = whole.len() - 1;
    assert!(refused(&whole[..last], &manifest).contains("the base ends at byte"));
    assert!(refused(&whole[1..], &manifest).contains("a piece from somewhere else"));
    let mut torn = whole.clone();
    torn[1].truncate(40);
    assert!(refused(&torn, &manifest).contains("the end is missing"));
    let mut flipped = whole.clone();
    flipped[2][40] ^= 1;
    assert!(refused(&flipped, &manifest).contains("the checksum does not match"));
    let of = |len: u64| Manifest { base: Base { len, ..manifest.base }, ..manifest };
    assert!(refused(&whole, &of(manifest.base.len - 1)).contains("goes on after its end"));
    let (shorter, frames) = base_of(&pieces[..last], 0);
    assert!(refused(&frames, &shorter).contains("the base has no end"));
}

#[test]
fn what_is_whole_before_damage_is_salvaged() {
    let pieces = pieces_of_fifty_keys();
    let (manifest, mut frames) = base_of(&pieces, 0);
    let pieces = frames.len();
    let mut stream = resp(&[&["SET", "after", "1"]]);
    let half = resp(&[&["MULTI"], &["SET", "a", "1"]]);
    frames.push(record_of(0, &stream));
    let end = stream.len();
    stream.extend_from_slice(&half);
    frames.push(record_of(end as u64, &half));
    let salvage = |frames: &[Vec<u8>]| {
        let mut engine = engine();
        let mut replay = Replay::begin(&mut engine, &manifest);
        for frame in frames {
            if replay.push(frame).is_err() {
                break;
            }
            while replay.step(&mut engine, 3).unwrap() {}
        }
        let missing = replay.salvage(&mut engine);
        assert!(!engine.is_loading());
        (engine.keyspace.db(0).len(), missing.unwrap_or_default())
    };
    let (keys, missing) = salvage(&frames);
    assert!(keys == 51 && missing.contains("within a unit"), "{keys} {missing}");
    assert_eq!(salvage(&frames[..=pieces]), (51, String::new()));
    let (keys, missing) = salvage(&frames[..2]);
    assert!(
        (1..50).contains(&keys) && missing.contains("the base ends at byte"),
        "{keys} {missing}"
    );
    let mut damaged = frames.clone();
    damaged[2][40] ^= 1;
    assert_eq!(salvage(&damaged).0, keys, "what comes after the damage");
}
