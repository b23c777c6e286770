//! What a blocking pop has handed to a tab that died is put back, once, whoever leads.

use forwarded::{
    blocking, call, effects, engine, followed, id, is_blocked, known, leader, loaded, run, snapshot,
};
use generator::{Dice, seeds};
use lodis::engine::Engine;
use lodis::engine::rdb::file::Purpose;
use lodis::engine::session::SessionId;
use lodis::persist::follow::Follower;
use lodis::persist::replay::ReplayError;
use lodis::resp::write_command;
use std::collections::{BTreeMap, BTreeSet};

mod forwarded;
mod generator;

/// Runs commands of the leader's own, which answer no error.
fn setup(engine: &mut Engine, lines: &[&str]) {
    let session = engine.connect();
    for line in lines {
        let reply = call(engine, session, line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    engine.disconnect(session);
}

/// A command of the leader's own.
fn ask(engine: &mut Engine, line: &str) -> String {
    let session = engine.connect();
    let reply = call(engine, session, line);
    engine.disconnect(session);
    reply
}

/// The whole stream, and a copy that has applied it.
fn stream_of(engine: &mut Engine) -> Vec<u8> {
    engine.effects.drain().flatten().collect()
}

/// A follower that has become the leader.
fn successor(stream: &[u8]) -> Engine {
    let mut engine = followed(stream);
    engine.set_follower(false);
    engine.effects.set_enabled(true);
    engine
}

const LISTS: &[&str] = &["RPUSH list a b c", "RPUSH other x", "EXPIRE list 1000"];
const SETS: &[&str] = &["ZADD set 1 a 2.5 b inf c", "ZADD other 1e300 x", "EXPIRE set 1000"];
/// What is there before, a pop, and what puts it back.
const POPS: &[(&[&str], &str, &str)] = &[
    (LISTS, "BLPOP none list 0", "LPUSH list a"),
    (LISTS, "BRPOP list 0", "RPUSH list c"),
    (LISTS, "BLPOP other 0", "LPUSH other x"),
    (LISTS, "BLMPOP 0 2 none list LEFT COUNT 2", "LPUSH list b a"),
    (LISTS, "BLMPOP 0 1 list RIGHT COUNT 2", "RPUSH list b c"),
    (LISTS, "BLMPOP 0 1 list RIGHT", "RPUSH list c"),
    (SETS, "BZPOPMIN none set 0", "ZADD set NX 1 a"),
    (SETS, "BZPOPMAX set 0", "ZADD set NX inf c"),
    (SETS, "BZPOPMAX other 0", "ZADD other NX 1e+300 x"),
    (SETS, "BZMPOP 0 1 set MIN COUNT 2", "ZADD set NX 2.5 b 1 a"),
    (SETS, "BZMPOP 0 1 set MAX", "ZADD set NX inf c"),
];

#[test]
fn a_pop_is_undone() {
    for (lines, pop, inverse) in POPS {
        let mut engine = leader();
        setup(&mut engine, lines);
        let before = engine.digest();
        let session = engine.connect();
        let reply = run(&mut engine, session, id(1, 1), 0, &[pop]);
        assert!(reply.starts_with('*') && engine.digest() != before, "{pop}: {reply}");
        engine.disconnect(session);
        effects(&mut engine);
        engine.forget_tab(1);
        assert_eq!(effects(&mut engine), ["MULTI", "LODIS.GONE 1", inverse, "EXEC"], "{pop}");
        assert_eq!((engine.digest(), known(&engine).len()), (before, 0), "{pop}");
        engine.forget_tab(1);
        assert!(effects(&mut engine).is_empty(), "once");
    }
}

#[test]
fn what_has_reached_the_tab_is_not_undone_and_the_rest_is() {
    let mut engine = leader();
    setup(&mut engine, &["RPUSH list a b c d"]);
    let session = engine.connect();
    for seq in 1..=3 {
        run(&mut engine, session, blocking(1, seq), 0, &["BLPOP list 0"]);
    }
    // The third reply has come before the second.
    engine.acknowledge_blocking(1, 1, 1, &[]);
    engine.acknowledge_blocking(1, 3, 3, &[]);
    let mut other = successor(&stream_of(&mut engine));
    for engine in [&mut engine, &mut other] {
        engine.forget_tab(1);
        assert_eq!(ask(engine, "LRANGE list 0 -1"), "*2\r\n$1\r\nb\r\n$1\r\nd\r\n");
    }
}

#[test]
fn who_takes_its_leave_says_whether_it_has_got_what_it_took() {
    for (settled, left) in [(true, ":0\r\n"), (false, ":1\r\n")] {
        let mut engine = leader();
        setup(&mut engine, &["RPUSH list a"]);
        let session = engine.connect();
        run(&mut engine, session, blocking(1, 1), 0, &["BLPOP list 0"]);
        engine.leave_tab(1, settled);
        assert_eq!(ask(&mut engine, "LLEN list"), left);
        assert_eq!(known(&engine), []);
    }
}

#[test]
fn the_time_to_live_comes_back_with_the_key() {
    let all = [
        (LISTS, "BLMPOP 0 1 list LEFT COUNT 9", "LPUSH list c b a"),
        (LISTS, "BLMPOP 0 1 list RIGHT COUNT 3", "RPUSH list a b c"),
        (SETS, "BZMPOP 0 1 set MAX COUNT 3", "ZADD set NX 1 a 2.5 b inf c"),
    ];
    for (lines, pop, inverse) in all {
        let mut engine = leader();
        setup(&mut engine, lines);
        let before = engine.digest();
        let session = engine.connect();
        run(&mut engine, session, id(1, 1), 0, &[pop]);
        effects(&mut engine);
        engine.forget_tab(1);
        let key = pop.split(' ').nth(3).unwrap();
        let expire = format!("PEXPIREAT {key} 1700001000000");
        let expected = ["MULTI", "LODIS.GONE 1", inverse, &expire, "EXEC"];
        assert_eq!(effects(&mut engine), expected, "{pop}");
        assert_eq!(engine.digest(), before, "{pop}");
        // Also if others have taken the rest.
        let first = [&pop[..pop.len() - 1], "1"].concat();
        run(&mut engine, session, id(3, 1), 0, &[&first]);
        setup(&mut engine, &[pop]);
        engine.forget_tab(3);
        assert_eq!(ask(&mut engine, &format!("TTL {key}")), ":1000\r\n", "{pop}");
        setup(&mut engine, &[&format!("DEL {key}")]);
        lines.iter().for_each(|line| _ = ask(&mut engine, line));
        // A key that is there again has a time to live of its own, or none.
        run(&mut engine, session, id(2, 1), 0, &[pop]);
        setup(&mut engine, &[inverse]);
        engine.forget_tab(2);
        assert_eq!(ask(&mut engine, &format!("TTL {key}")), ":-1\r\n", "{pop}");
    }
}

#[test]
fn a_pop_that_has_waited_is_undone_as_well() {
    for (lines, pop, _) in POPS {
        let mut engine = leader();
        let session = engine.connect();
        let frame = ["INCR n", "SELECT 2", pop, "INCR n"];
        run(&mut engine, session, id(1, 7), 0, &frame);
        assert!(is_blocked(&engine, session), "{pop}");
        let feeder = engine.connect();
        call(&mut engine, feeder, "SELECT 2");
        for line in *lines {
            call(&mut engine, feeder, line);
        }
        assert!(!is_blocked(&engine, session), "{pop}");
        run(&mut engine, session, id(1, 7), 0, &frame[3..]);
        engine.forget_tab(1);
        let stream = stream_of(&mut engine);
        assert_eq!(followed(&stream).digest(), engine.digest());
        let mut other = engine;
        assert_eq!(call(&mut other, feeder, "DEL n"), ":1\r\n");
        call(&mut other, feeder, "SELECT 0");
        assert_eq!(call(&mut other, feeder, "DEL n"), ":1\r\n");
        let mut expected = self::engine();
        let feeder = expected.connect();
        call(&mut expected, feeder, "SELECT 2");
        lines.iter().for_each(|line| _ = call(&mut expected, feeder, line));
        assert_eq!(expected.digest(), other.digest(), "{pop}");
    }
}

#[test]
fn what_is_no_blocking_pop_is_not_undone() {
    for frame in [
        &["LPOP list"][..],
        &["RPOP list 2"],
        &["LMPOP 1 list LEFT"],
        &["ZPOPMIN set"],
        &["ZMPOP 1 set MAX"],
        &["BLMOVE list there LEFT LEFT 0"],
        &["BRPOPLPUSH list there 0"],
        &["MULTI", "BLPOP list 0", "BZPOPMIN set 0", "EXEC"],
    ] {
        let mut engine = leader();
        setup(&mut engine, &["RPUSH list a b c", "ZADD set 1 a 2 b"]);
        let session = engine.connect();
        run(&mut engine, session, id(1, 1), 0, frame);
        let after = engine.digest();
        effects(&mut engine);
        engine.forget_tab(1);
        assert_eq!(effects(&mut engine), ["LODIS.GONE 1"], "{frame:?}");
        assert_eq!(engine.digest(), after);
    }
    // A session that must not wait, and one that is no other tab's.
    let mut engine = leader();
    setup(&mut engine, &["RPUSH list a b c"]);
    let session = engine.connect();
    engine.sessions.get_mut(session).unwrap().deny_blocking = true;
    run(&mut engine, session, id(1, 1), 0, &["BLPOP list 0"]);
    let own = engine.connect();
    call(&mut engine, own, "BLPOP list 0");
    // One of the leader's own is served in the middle of a request.
    assert_eq!(call(&mut engine, own, "BLPOP later 0"), "");
    run(&mut engine, session, id(1, 2), 0, &["RPUSH later x", "LLEN later"]);
    engine.forget_tab(1);
    assert_eq!(ask(&mut engine, "LRANGE list 0 -1"), "*1\r\n$1\r\nc\r\n");
    assert_eq!(ask(&mut engine, "EXISTS later"), ":0\r\n");
}

#[test]
fn what_is_acknowledged_is_not_undone() {
    let mut engine = leader();
    setup(&mut engine, &["RPUSH list a b c d"]);
    let session = engine.connect();
    for seq in 1..=3 {
        run(&mut engine, session, id(1, seq), seq.saturating_sub(2), &["BLPOP list 0"]);
    }
    effects(&mut engine);
    // The stream does not tell of it by itself.
    engine.requests.acknowledge(1, 2);
    engine.requests.acknowledge(9, 2);
    assert!(effects(&mut engine).is_empty());
    run(&mut engine, session, id(1, 4), 0, &["INCR n"]);
    assert!(effects(&mut engine).iter().any(|line| line.starts_with("LODIS.DONE 1 4 2 1")));
    engine.forget_tab(1);
    assert_eq!(ask(&mut engine, "LRANGE list 0 -1"), "*2\r\n$1\r\nc\r\n$1\r\nd\r\n");
}

#[test]
fn jobs_come_back_in_their_order() {
    let mut engine = leader();
    setup(&mut engine, &["RPUSH list a b c d e f"]);
    let before = engine.digest();
    let [one, two] = [engine.connect(), engine.connect()];
    run(&mut engine, one, id(1, 1), 0, &["BLPOP list 0", "BLPOP list 0"]);
    run(&mut engine, one, id(1, 2), 0, &["BLPOP list 0", "BRPOP list 0"]);
    let after = stream_of(&mut engine);
    let mut copy = followed(&after);
    engine.forget_tab(1);
    assert_eq!(engine.digest(), before);
    // The latest first, of whichever session: two of a tab.
    run(&mut engine, two, id(2, 1), 0, &["BLPOP list 0"]);
    run(&mut engine, one, id(2, 2), 0, &["BLPOP list 0"]);
    run(&mut engine, two, id(2, 3), 0, &["BRPOP list 0"]);
    engine.forget_tab(2);
    assert_eq!(engine.digest(), before);
    let mut follower = Follower::new(&mut copy, after.len() as u64);
    copy.set_follower(true);
    follower.push(after.len() as u64, &stream_of(&mut engine)).unwrap();
    while follower.step(&mut copy, 10).unwrap() {}
    assert_eq!((copy.digest(), known(&copy)), (before, Vec::new()));
}

#[test]
fn who_waits_gets_the_job_at_once() {
    let mut engine = leader();
    setup(&mut engine, &["RPUSH list a b"]);
    let [dead, second, third, fourth] = [(); 4].map(|()| engine.connect());
    run(&mut engine, dead, id(1, 1), 0, &["BLPOP list 0", "BLPOP list 0"]);
    // The dead one waits itself; whoever asked first is served first, with the first job.
    run(&mut engine, dead, id(1, 2), 0, &["BLPOP list 0"]);
    run(&mut engine, second, id(2, 1), 0, &["BLPOP list 0"]);
    call(&mut engine, third, "BRPOP list 0");
    run(&mut engine, fourth, id(4, 1), 0, &["BLPOP list 0"]);
    let before = stream_of(&mut engine);
    engine.forget_tab(1);
    let unit = stream_of(&mut engine);
    assert_eq!(engine.requests.find(id(2, 1)).unwrap().reply, b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n");
    let reply = engine.sessions.take_messages_of(third);
    assert_eq!(reply, b"*2\r\n$4\r\nlist\r\n$1\r\nb\r\n");
    assert!(!is_blocked(&engine, dead) && is_blocked(&engine, fourth));
    assert!(engine.sessions.take_messages_of(dead).is_empty());
    // One unit: a copy has all of it, or nothing.
    let whole = [before.as_slice(), &unit].concat();
    for cut in before.len()..=whole.len() {
        let copy = followed(&whole[..cut]);
        let tabs: Vec<u64> = known(&copy).iter().map(|(tab, ..)| *tab).collect();
        assert_eq!(tabs, if cut == whole.len() { [2] } else { [1] }, "{cut}");
    }
    // What it got is undone in turn, though it was handed out in the middle of that.
    engine.forget_tab(2);
    assert_eq!(engine.requests.find(id(4, 1)).unwrap().reply, b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n");
    assert_eq!(successor(&whole).digest(), followed(&whole).digest());
}

#[test]
fn a_request_that_serves_others_goes_on() {
    let mut engine = leader();
    let [one, two, own] = [(); 3].map(|()| engine.connect());
    run(&mut engine, one, id(1, 1), 0, &["BLPOP list 0"]);
    call(&mut engine, own, "BLPOP list 0");
    run(&mut engine, two, id(2, 1), 0, &["RPUSH list a b c", "BLPOP list 0"]);
    engine.forget_tab(2);
    assert_eq!(ask(&mut engine, "LRANGE list 0 -1"), "*1\r\n$1\r\nc\r\n");
    engine.forget_tab(1);
    assert_eq!(ask(&mut engine, "LRANGE list 0 -1"), "*2\r\n$1\r\na\r\n$1\r\nc\r\n");
}

#[test]
fn a_successor_undoes_it() {
    let mut engine = leader();
    setup(&mut engine, &["SELECT 3", "RPUSH list a b c", "ZADD set 1 m"]);
    let before = engine.digest();
    let session = engine.connect();
    run(&mut engine, session, id(u64::MAX, 1), 0, &["SELECT 3", "BLPOP list 0", "BLPOP list 0"]);
    run(&mut engine, session, id(u64::MAX, 2), 0, &["BZPOPMAX set 0", "BLPOP none 0"]);
    let base = snapshot(&mut engine, Purpose::Keep);
    let stream = stream_of(&mut engine);
    let end = stream.len() as u64;
    run(&mut engine, session, id(u64::MAX, 3), 0, &["BLPOP list 0"]);
    let rest = stream_of(&mut engine);
    let whole = [stream.as_slice(), &rest].concat();
    let loaded = [
        loaded(&[], 0, &whole).unwrap(),
        loaded(&base, end, &rest).unwrap(),
        successor(&whole),
        engine,
    ];
    for mut engine in loaded {
        engine.effects.set_enabled(true);
        let again = snapshot(&mut engine, Purpose::Keep);
        engine.forget_tab(u64::MAX);
        assert_eq!(engine.digest(), before);
        // From base to base.
        let mut engine = self::loaded(&again, 0, &[]).unwrap();
        engine.forget_tab(u64::MAX);
        assert_eq!(engine.digest(), before);
        assert!(!engine.sessions.have_messages());
    }
}

#[test]
fn what_cannot_be_put_back_is_left_out() {
    let mut engine = leader();
    setup(&mut engine, &["RPUSH list a b", "RPUSH job c", "ZADD set 1 m 2 n"]);
    let session = engine.connect();
    let frame = ["BLPOP job 0", "BLPOP list 0", "BZPOPMIN set 0"];
    run(&mut engine, session, id(1, 1), 0, &frame);
    setup(&mut engine, &["DEL list", "SET list string", "ZADD set 9 m"]);
    effects(&mut engine);
    engine.forget_tab(1);
    assert_eq!(effects(&mut engine), ["MULTI", "LODIS.GONE 1", "LPUSH job c", "EXEC"]);
    assert_eq!(ask(&mut engine, "GET list"), "$6\r\nstring\r\n");
    assert_eq!(ask(&mut engine, "ZSCORE set m"), "$1\r\n9\r\n");
    assert!(ask(&mut engine, "INFO errorstats").contains("errorstat_WRONGTYPE:count=1"));
}

#[test]
fn what_comes_back_is_published_as_any_write_is() {
    let mut engine = leader();
    setup(&mut engine, &["RPUSH list a", "CONFIG SET notify-keyspace-events KEA"]);
    let [session, listener] = [engine.connect(), engine.connect()];
    run(&mut engine, session, id(1, 1), 0, &["BRPOP list 0"]);
    call(&mut engine, listener, "PSUBSCRIBE __keyspace*");
    engine.forget_tab(1);
    let heard = String::from_utf8(engine.sessions.take_messages_of(listener)).unwrap();
    assert!(heard.contains("__keyspace@0__:list\r\n$5\r\nrpush\r\n"), "{heard}");
    // And who watches it knows.
    run(&mut engine, session, id(2, 1), 0, &["BRPOP list 0"]);
    let watcher = engine.connect();
    for line in ["WATCH list", "MULTI", "LLEN list"] {
        call(&mut engine, watcher, line);
    }
    engine.forget_tab(2);
    assert_eq!(call(&mut engine, watcher, "EXEC"), "*-1\r\n");
}

#[test]
fn a_leader_that_follows_undoes_nothing() {
    let mut engine = leader();
    setup(&mut engine, &["RPUSH list a b c"]);
    let session = engine.connect();
    run(&mut engine, session, id(1, 1), 0, &["BLPOP list 0"]);
    // The stream has nothing of it: neither has the next leader.
    engine.begin_request(session, id(1, 2), 0);
    call(&mut engine, session, "BLPOP list 0");
    engine.set_follower(true);
    let digest = engine.digest();
    engine.set_follower(false);
    engine.forget_tab(1);
    assert_ne!(engine.digest(), digest);
    assert_eq!(ask(&mut engine, "LRANGE list 0 -1"), "*2\r\n$1\r\na\r\n$1\r\nc\r\n");
    run(&mut engine, session, id(2, 1), 0, &["BLPOP list 0"]);
    engine.set_follower(true);
    engine.forget_tab(2);
    assert_eq!((ask(&mut engine, "LLEN list"), known(&engine).len()), (":1\r\n".to_owned(), 0));
}

/// Words, one in the other.
fn nested(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_command(&mut bytes, words);
    bytes
}

#[test]
fn undos_are_refused_that_are_none() {
    let words = |line: &'static str| line.split(' ').map(str::as_bytes).collect::<Vec<_>>();
    let good = nested(&words("0 -1 LPUSH key a"));
    let many = nested(&words("15 1700000000000 ZADD key NX 1 a 2 b"));
    let mut cases = vec![(good.clone(), true), (many, true)];
    for bad in [
        "0 -1 LPUSH key",
        "0 -1 FLUSHALL key a",
        "0 -1 lpush key a",
        "x -1 LPUSH key a",
        "0 soon LPUSH key a",
        "0 -1",
    ] {
        cases.push((nested(&words(bad)), false));
    }
    cases.extend((1..good.len()).map(|len| (good[..len].to_vec(), false)));
    cases.push(([&good[..], b"*"].concat(), false));
    cases.push((b"LPUSH key a\r\n".to_vec(), false));
    for (undo, is_good) in cases {
        let shown = undo.escape_ascii().to_string();
        let both = [good.as_slice(), &undo].concat();
        let line: [&[u8]; 7] = [b"LODIS.DONE", b"1", b"2", b"0", b"1", b"+OK\r\n", &both];
        let mut stream = Vec::new();
        write_command(&mut stream, &line);
        match loaded(&[], 0, &stream) {
            Ok(_) => assert!(is_good, "{shown}"),
            Err(ReplayError::Corrupt(_)) => assert!(!is_good, "{shown}"),
            Err(other) => panic!("{shown}: {other:?}"),
        }
        let aux = |name: &str, rest: &[&[u8]]| {
            let ids = [1u64, 2].map(u64::to_le_bytes).concat();
            (name.as_bytes().to_vec(), [&ids[..], &rest.concat()].concat())
        };
        let record = aux("lodis-request", &[&1u32.to_le_bytes(), b"+OK\r\n"]);
        let undo = aux("lodis-undo", &[&undo]);
        let mut engine = engine();
        assert_eq!(engine.requests.load(&[record.clone(), undo.clone()]), is_good, "{shown}");
        assert!(!engine.requests.load(&[undo.clone(), record.clone()]), "it has no record");
        // A base of before there were undos.
        assert!(engine.requests.load(&[record]));
        engine.forget_tab(1);
    }
    // A database that is not there.
    let mut engine = engine();
    let [far, job] = ["16 -1 LPUSH key a", "1 -1 LPUSH key b"].map(|line| nested(&words(line)));
    let both = [job, far].concat();
    let line: [&[u8]; 7] = [b"LODIS.DONE", b"1", b"2", b"0", b"1", b"", &both];
    assert_eq!(engine.requests.apply(&line), Some(true));
    engine.forget_tab(1);
    assert!(ask(&mut engine, "INFO keyspace").contains("db1:keys=1"));
}

/// A consumer of jobs.
struct Tab {
    number: u64,
    session: SessionId,
    /// The request that is on its way.
    seq: u64,
    acked: u64,
}

/// Leaders and consumers, as they come and go.
struct Queue {
    dice: Dice,
    engine: Engine,
    tabs: Vec<Tab>,
    dead: Vec<u64>,
    stream: Vec<u8>,
    /// How much of the stream a successor is sure to have.
    sure: usize,
    /// How often a tab has heard of a job.
    heard: BTreeMap<String, usize>,
    /// Jobs of which the leader does not know that they were heard.
    unacked: BTreeMap<(u64, u64), String>,
    /// Jobs that may be heard again.
    repeated: BTreeSet<String>,
}

const FRAMES: [&str; 6] = [
    "BLPOP jobs 0",
    "BRPOP jobs 0",
    "BLMPOP 0 2 none jobs LEFT COUNT 1",
    "BZPOPMIN scored 0",
    "BZPOPMAX scored 0",
    "BZMPOP 0 1 scored MIN",
];

impl Queue {
    fn new(seed: u64) -> Self {
        let mut queue = Self {
            dice: Dice::new(seed),
            engine: leader(),
            tabs: Vec::new(),
            dead: Vec::new(),
            stream: Vec::new(),
            sure: 0,
            heard: BTreeMap::new(),
            unacked: BTreeMap::new(),
            repeated: BTreeSet::new(),
        };
        (1..=4).for_each(|number| queue.open(number));
        queue
    }

    fn open(&mut self, number: u64) {
        let session = self.engine.connect();
        self.tabs.push(Tab { number, session, seq: 1, acked: 0 });
    }

    fn push_job(&mut self, job: usize) {
        let line = if job.is_multiple_of(2) {
            format!("RPUSH jobs job:{job}")
        } else {
            format!("ZADD scored {job} job:{job}")
        };
        setup(&mut self.engine, &[&line]);
        self.spread(true);
    }

    /// The others apply what is new, and are sure to have it if somebody hears of it.
    fn spread(&mut self, is_sure: bool) {
        self.stream.extend(self.engine.effects.drain().flatten());
        if is_sure {
            self.sure = self.stream.len();
        }
    }

    fn advance(&mut self) {
        let at = self.dice.below(self.tabs.len());
        let Tab { number, session, seq, acked } = self.tabs[at];
        let id = id(number, seq);
        if is_blocked(&self.engine, session) {
            return;
        }
        self.engine.sessions.take_messages_of(session);
        if self.engine.requests.find(id).is_none() {
            let frame = FRAMES[(number + seq) as usize % FRAMES.len()];
            run(&mut self.engine, session, id, acked, &[frame]);
            self.unacked.retain(|(tab, seq), _| *tab != number || *seq > acked);
        }
        let Some(record) = self.engine.requests.find(id).filter(|_| self.dice.one_in(2)) else {
            return self.spread(false);
        };
        let reply = String::from_utf8(record.reply.clone()).unwrap();
        let job = reply.split("\r\n").find(|line| line.starts_with("job:")).unwrap();
        *self.heard.entry(job.to_owned()).or_default() += 1;
        self.unacked.insert((number, seq), job.to_owned());
        let tab = &mut self.tabs[at];
        (tab.seq, tab.acked) = (seq + 1, seq);
        self.spread(true);
        if self.dice.one_in(2) {
            self.engine.requests.acknowledge(number, seq);
            self.unacked.retain(|(tab, _), _| *tab != number);
        }
    }

    /// A tab dies, and another one is opened. The leader hears of it, or only the next one does.
    fn kill_tab(&mut self) {
        let at = self.dice.below(self.tabs.len());
        let tab = self.tabs.swap_remove(at);
        self.dead.push(tab.number);
        let lost = self.unacked.iter().filter(|((number, _), _)| *number == tab.number);
        self.repeated.extend(lost.map(|(_, job)| job.clone()));
        if self.dice.one_in(2) {
            self.engine.forget_tab(tab.number);
            self.engine.disconnect(tab.session);
        } else {
            self.engine.disconnect(tab.session);
            if self.dice.one_in(2) {
                self.engine.forget_tab(tab.number);
            }
        }
        self.spread(false);
        let number = 1 + self.tabs.iter().map(|tab| tab.number).chain([tab.number]).max().unwrap();
        let number = number.max(1 + self.dead.iter().max().unwrap());
        self.open(number);
    }

    /// The leader dies. What it was told of acknowledgements, and did not write down, is forgotten.
    fn kill_leader(&mut self) {
        let cut = self.sure + self.dice.below(self.stream.len() - self.sure + 1);
        let copy = followed(&self.stream[..cut]);
        self.stream.truncate(copy.effects.offset() as usize);
        assert!(self.sure <= self.stream.len());
        self.sure = self.stream.len();
        self.engine = successor(&self.stream);
        for tab in &mut self.tabs {
            tab.session = self.engine.connect();
        }
        // What was acknowledged may not be in the stream; who dies before it says so again has lost it.
        for (tab, seq, _, reply) in known(&self.engine) {
            let job = reply.split("\r\n").find(|line| line.starts_with("job:")).unwrap();
            if self.heard.contains_key(job) {
                self.unacked.insert((tab, seq), job.to_owned());
                if self.dead.contains(&tab) {
                    self.repeated.insert(job.to_owned());
                }
            }
        }
        for tab in self.dead.clone() {
            self.engine.forget_tab(tab);
        }
        self.spread(false);
    }

    /// What is in no tab's hands.
    fn left(&mut self) -> Vec<String> {
        let lists = ["LRANGE jobs 0 -1", "ZRANGE scored 0 -1"];
        let replies: String = lists.map(|line| ask(&mut self.engine, line)).concat();
        replies.split("\r\n").filter(|line| line.contains(':')).map(str::to_owned).collect()
    }
}

/// Every job is heard of by a tab that lives on, or is still there; and twice only where a tab has died
/// that had it and had not said so.
#[test]
fn no_job_is_lost_when_consumers_and_leaders_die() {
    let (mut repeated, mut came_back) = (0, 0);
    for seed in seeds(300, false) {
        let mut queue = Queue::new(seed);
        let mut jobs = 0;
        for _ in 0..120 {
            match queue.dice.below(16) {
                0 => queue.kill_tab(),
                1 => queue.kill_leader(),
                2..8 => {
                    jobs += 1;
                    queue.push_job(jobs);
                }
                _ => queue.advance(),
            }
        }
        // All that is in somebody's hands dies with them.
        let in_hands: Vec<Tab> = queue.tabs.drain(..).collect();
        let before = queue.left().len();
        for tab in &in_hands {
            queue.engine.requests.acknowledge(tab.number, tab.acked);
            queue.engine.forget_tab(tab.number);
        }
        queue.dead.iter().for_each(|tab| _ = queue.engine.forget_tab(*tab));
        let left = queue.left();
        came_back += left.len() - before;
        for job in (1..=jobs).map(|job| format!("job:{job}")) {
            let heard = queue.heard.get(&job).copied().unwrap_or_default();
            let there = left.iter().filter(|left| **left == job).count();
            let times = heard + there;
            assert!(times > 0, "{job} is lost: LODIS_SEED={seed}");
            assert!(times == 1 || queue.repeated.contains(&job), "{job}: LODIS_SEED={seed}");
            repeated += times - 1;
        }
        queue.spread(true);
        assert_eq!(followed(&queue.stream).digest(), queue.engine.digest(), "LODIS_SEED={seed}");
    }
    assert!(std::env::var("LODIS_SEED").is_ok() || (repeated > 0 && came_back > 100));
}
