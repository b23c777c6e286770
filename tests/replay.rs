//! The log replayed makes the same keyspace, however the stream was cut into records.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::persist::record::{Record, encode};
use lodis::persist::replay::{Finished, Replay, ReplayError};
use proptest::prelude::*;

const NOW_MS: i64 = 1_700_000_000_000;

/// Templates of commands; `k` and `v` and `n` and `t` stand for a key, a value, a small number
/// and a time to live; `l`, `h`, `s` and `z` for keys that mostly hold a list, hash, set or sorted
/// set, and `m` for a field or member.
const TEMPLATES: &[&str] = &[
    "SET k v",
    "SET k v EX t",
    "SET k v PX n KEEPTTL",
    "SET k v KEEPTTL",
    "SET k v NX",
    "SET k v GET",
    "SETEX k t v",
    "PSETEX k t v",
    "SETNX k v",
    "GETSET k v",
    "GETDEL k",
    "GETEX k PERSIST",
    "GETEX k EX t",
    "APPEND k v",
    "SETRANGE k n v",
    "MSET k v k v",
    "MSETNX k v k v",
    "SET k n",
    "INCR k",
    "DECR k",
    "INCRBY k n",
    "DECRBY k n",
    "INCRBYFLOAT k 0.1",
    "DEL k k",
    "UNLINK k",
    "EXPIRE k t",
    "PEXPIRE k n",
    "PEXPIRE k t XX",
    "EXPIRE k -1",
    "PEXPIREAT k 1",
    "PERSIST k",
    "RENAME k k",
    "RENAMENX k k",
    "COPY k k",
    "COPY k k DB n REPLACE",
    "MOVE k n",
    "GET k",
    "EXISTS k",
    "TOUCH k",
    "RPUSH l v m v",
    "LPUSH l m m",
    "LPUSHX l v",
    "RPUSHX l m",
    "LPOP l",
    "RPOP l n",
    "LSET l n v",
    "LINSERT l BEFORE m v",
    "LTRIM l n -2",
    "LREM l 0 m",
    "LMOVE l l LEFT RIGHT",
    "RPOPLPUSH l l",
    "LMPOP 2 l l RIGHT COUNT n",
    "BLPOP l l 1",
    "BRPOP l 1",
    "BLMOVE l l RIGHT LEFT 1",
    "BRPOPLPUSH l l 1",
    "BLMPOP 1 2 l l LEFT",
    "HSET h m v m n",
    "HMSET h m n",
    "HSETNX h m v",
    "HDEL h m m",
    "HINCRBY h m n",
    "HINCRBYFLOAT h m 0.1",
    "HPEXPIRE h t FIELDS 2 m m",
    "HEXPIRE h n FIELDS 1 m",
    "HPEXPIREAT h 1 FIELDS 1 m",
    "HEXPIREAT h 1800000000 GT FIELDS 1 m",
    "HPERSIST h FIELDS 2 m m",
    "HGETDEL h FIELDS 1 m",
    "HGETEX h PX t FIELDS 2 m m",
    "HGETEX h PERSIST FIELDS 1 m",
    "HSETEX h PX t FIELDS 1 m v",
    "HSETEX h FNX KEEPTTL FIELDS 1 m v",
    "HSETEX h PX 0 FIELDS 1 m v",
    "HGETALL h",
    "SADD s m m n",
    "SREM s m",
    "SMOVE s s m",
    "SPOP s",
    "SPOP s n",
    "SINTERSTORE s s s",
    "SUNIONSTORE s s s",
    "SDIFFSTORE s s s",
    "ZADD z n m n m",
    "ZADD z GT CH n m",
    "ZADD z INCR 0.1 m",
    "ZINCRBY z n m",
    "ZREM z m m",
    "ZPOPMIN z",
    "ZPOPMAX z n",
    "ZMPOP 2 z z MAX COUNT n",
    "BZPOPMIN z z 1",
    "BZPOPMAX z 1",
    "BZMPOP 1 2 z z MIN",
    "ZRANGESTORE z z 0 n",
    "ZREMRANGEBYRANK z 0 0",
    "ZREMRANGEBYSCORE z (n n",
    "ZREMRANGEBYLEX z [m (m",
    "ZUNIONSTORE z 2 z s WEIGHTS n n",
    "ZINTERSTORE z 2 z z",
    "ZDIFFSTORE z 2 z z",
    "DEL l h s z",
    "EXPIRE h t",
    "RENAME h h",
    "COPY h h REPLACE",
    "COPY z z DB n",
    "MOVE l n",
    "SELECT n",
    "SWAPDB n n",
    "FLUSHDB",
    "FLUSHALL",
    "MULTI",
    "EXEC",
    "EXEC",
    "DISCARD",
    "NOSUCH k",
    "GET",
];

#[derive(Clone, Debug)]
struct Step {
    argv: Vec<Vec<u8>>,
    later_ms: i64,
    tick: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let words = prop::collection::vec(0usize..1000, 8);
    (0..TEMPLATES.len(), words, 0i64..400, any::<bool>()).prop_map(
        |(template, seeds, later, tick)| {
            let word = |(index, word): (usize, &str)| match word {
                "k" => format!("key{}", seeds[index % 8] % 6).into_bytes(),
                "l" | "h" | "s" | "z" => format!("{word}{}", seeds[index % 8] % 3).into_bytes(),
                "m" => format!("member{}", seeds[index % 8] % 5).into_bytes(),
                "v" => [b"v\r\n$*\0".as_slice(), seeds[index % 8].to_string().as_bytes()].concat(),
                "n" => (seeds[index % 8] % 3 + 1).to_string().into_bytes(),
                "t" => (seeds[index % 8] % 500 + 1).to_string().into_bytes(),
                other => other.as_bytes().to_vec(),
            };
            let argv = TEMPLATES[template].split(' ').enumerate().map(word).collect();
            Step { argv, later_ms: later, tick }
        },
    )
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

impl Moment {
    fn is_of(&self, engine: &mut Engine) -> bool {
        engine.set_time(self.now_us);
        engine.digest() == self.digest
    }
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
            let record = Record { epoch: 1, offset: start as u64, payload: &stream[start..end] };
            records.push(encode(&record).unwrap());
        }
        start = start.max(end);
    }
    records
}

fn replay(records: &[Vec<u8>], engine: &mut Engine) -> Result<Finished, ReplayError> {
    let mut replay = Replay::begin(engine, 0);
    let result = (|| {
        for record in records {
            replay.push(record)?;
            while replay.step(engine, 3)? {}
        }
        Ok(())
    })();
    match result {
        Ok(()) => Ok(replay.finish(engine)),
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
    fn a_snapshot_replayed_makes_the_same_keyspace(steps in prop::collection::vec(step(), 1..80)) {
        let (engine, ..) = record(&steps);
        let mut snapshot = Vec::new();
        engine.write_snapshot(&mut snapshot);
        let (copy, _) = replayed(&records(&snapshot, &[]), &engine);
        prop_assert_eq!(copy.digest(), engine.digest());
    }

    #[test]
    fn a_log_cut_anywhere_gives_a_whole_prefix(
        steps in prop::collection::vec(step(), 1..40),
        cuts in prop::collection::vec(any::<usize>(), 0..5),
        at in any::<prop::sample::Index>(),
    ) {
        let (_, stream, moments) = record(&steps);
        let at = at.index(stream.len() + 1);
        let (mut copy, finished) = replayed(&records(&stream[..at], &cuts), &engine());
        let prefix = finished.offset as usize;
        prop_assert!(prefix <= at);
        prop_assert_eq!(finished.repair.is_some(), prefix < at);
        // Between two steps there may be the SELECT of the later one, or some of the keys that
        // expired before it: the keyspace is that of the one or the other, at its time.
        let later = moments.partition_point(|moment| moment.offset <= at as u64);
        let [before, after] = [later - 1, later.min(moments.len() - 1)].map(|i| &moments[i]);
        prop_assert!(finished.offset >= before.offset);
        let is_before = before.is_of(&mut copy);
        prop_assert!(is_before || (finished.offset > before.offset && after.is_of(&mut copy)));
        copy.set_time(NOW_MS * 1000);
        // The same keyspace again from the repaired store.
        let mut kept: Vec<Vec<u8>> = records(&stream[..at], &cuts);
        if let Some(repair) = finished.repair {
            kept.retain(|bytes| {
                lodis::persist::record::decode(bytes).unwrap().offset < repair.delete_from
            });
            let offset = repair.delete_from;
            if !repair.payload.is_empty() {
                kept.push(encode(&Record { epoch: 1, offset, payload: &repair.payload }).unwrap());
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
