//! A follower that applies a leader's stretches is the leader's copy: what it stores, what its
//! sessions read, and what they may not do.

use generator::{Dice, Forms, Times, seeds, shown};
use lodis::engine::blocking::Unblock;
use lodis::engine::session::SessionId;
use lodis::engine::table::{Command, flag};
use lodis::engine::{Engine, Options, registry};
use lodis::persist::follow::{Follower, PushError};
use lodis::persist::replay::ReplayError;
use lodis::resp::split_words;
use std::collections::{BTreeMap, VecDeque};

mod generator;

const NOW_MS: i64 = 1_700_000_000_000;
const READ_ONLY: &str = "-READONLY You can't write against a read only replica.\r\n";

fn engine() -> Engine {
    Engine::new(&Options { now_us: NOW_MS * 1000, ..Options::default() })
}

/// A session of an engine.
struct Client {
    engine: Engine,
    session: SessionId,
}

impl Client {
    fn new() -> Self {
        let mut engine = engine();
        let session = engine.connect();
        Self { engine, session }
    }

    fn leader() -> Self {
        let mut client = Self::new();
        client.engine.effects.set_enabled(true);
        client
    }

    fn call(&mut self, argv: &[Vec<u8>]) -> Vec<u8> {
        let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        let mut reply = Vec::new();
        self.engine.call(self.session, &argv, &mut reply);
        // What waits for an element shall not keep the session from the next command.
        self.engine.unblock(self.session, Unblock::Timeout);
        reply.extend(self.engine.sessions.take_messages_of(self.session));
        reply
    }

    fn line(&mut self, line: &str) -> String {
        let reply = self.call(&split_words(line.as_bytes()).unwrap());
        String::from_utf8_lossy(&reply).into_owned()
    }

    fn later(&mut self, ms: i64) {
        self.engine.set_time(self.engine.now_us() + ms * 1000);
    }
}

/// An engine that follows, with its session.
struct Copy {
    client: Client,
    follower: Follower,
}

impl Copy {
    fn new() -> Self {
        let mut client = Client::new();
        client.engine.set_follower(true);
        let follower = Follower::new(&mut client.engine, 0);
        Self { client, follower }
    }

    /// Applies all that the leader has written since.
    fn catch_up(&mut self, leader: &mut Client) {
        let stretches: Vec<Vec<u8>> = leader.engine.effects.drain().collect();
        for stretch in stretches {
            self.follower.push(self.follower.end(), &stretch).unwrap();
        }
        while self.follower.step(&mut self.client.engine, 10).unwrap() {}
        self.client.engine.set_time(leader.engine.now_us());
        assert_eq!(self.follower.applied(), leader.engine.effects.offset());
        assert_eq!(self.client.engine.digest(), leader.engine.digest());
    }
}

/// A pair of them, of which the copy has applied what came of these commands.
fn pair(commands: &[&str]) -> (Client, Copy) {
    let (mut leader, mut copy) = (Client::leader(), Copy::new());
    for command in commands {
        let reply = leader.line(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
    }
    copy.catch_up(&mut leader);
    (leader, copy)
}

fn resolve(argv: &[Vec<u8>]) -> Option<&'static Command> {
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    registry::Registry::new().resolve(&argv)
}

/// What is left of a reply when order does not matter.
fn sorted(reply: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = reply.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// What a follower is not told: when a key or a consumer was last used.
const UNTOLD: &[&str] = &["object", "xinfo", "memory", "sort_ro", "dump"];

/// A leader, and a follower some way behind it.
struct Run<'a> {
    forms: &'a Forms,
    dice: Dice,
    leader: Client,
    copy: Copy,
    /// The stream that the follower has not been pushed, and where that begins.
    behind: VecDeque<u8>,
    /// The leader's digest at each offset where a command ended.
    digests: BTreeMap<u64, u64>,
    compared: usize,
}

impl Run<'_> {
    fn write(&mut self) {
        self.leader.later(self.dice.below(200) as i64);
        if self.dice.one_in(8) {
            self.leader.engine.tick();
            self.note();
        }
        let (argv, _) = self.forms.command(&mut self.dice, Times::Near(NOW_MS));
        self.leader.call(&argv);
        self.note();
    }

    fn note(&mut self) {
        let stretches = self.leader.engine.effects.drain();
        self.behind.extend(stretches.flatten());
        self.digests.insert(self.leader.engine.effects.offset(), self.leader.engine.digest());
    }

    /// Pushes some bytes, cut anywhere, and applies some of what there is.
    fn follow(&mut self) {
        let engine = &mut self.copy.client.engine;
        let most = self.dice.below(400).min(self.behind.len());
        let bytes: Vec<u8> = self.behind.drain(..most).collect();
        self.copy.follower.push(self.copy.follower.end(), &bytes).unwrap();
        // The clocks of two tabs are not the same.
        engine.set_time(self.leader.engine.now_us() + self.dice.below(100_000) as i64);
        let steps = 1 + self.dice.below(4);
        self.copy.follower.step(engine, steps).unwrap();
        engine.tick();
        assert!(!engine.is_loading());
        assert_eq!(engine.effects.offset(), self.copy.follower.applied());
        self.check();
    }

    /// The copy is what the leader was.
    fn check(&self) {
        if let Some(digest) = self.digests.get(&self.copy.follower.applied()) {
            assert_eq!(self.copy.client.engine.digest(), *digest);
        }
    }

    /// A session of the follower runs anything: nothing changes.
    fn read(&mut self) {
        let (argv, _) = self.forms.command(&mut self.dice, Times::Near(NOW_MS));
        let before = self.copy.client.engine.digest();
        let reply = self.copy.client.call(&argv);
        assert_eq!(self.copy.client.engine.digest(), before, "{}", shown(&argv));
        let is_write = resolve(&argv).is_some_and(|command| command.has(flag::WRITE));
        let is_valid = !reply.starts_with(b"-ERR wrong number") && !reply.starts_with(b"+QUEUED");
        if is_write && is_valid {
            assert_eq!(reply, READ_ONLY.as_bytes(), "{}", shown(&argv));
        }
        self.copy.client.line("DISCARD");
    }

    /// Applies all that the leader has written.
    fn catch_up(&mut self) {
        let all: Vec<u8> = self.behind.drain(..).collect();
        self.copy.follower.push(self.copy.follower.end(), &all).unwrap();
        while self.copy.follower.step(&mut self.copy.client.engine, 5).unwrap() {}
        assert_eq!(self.copy.follower.applied(), self.leader.engine.effects.offset());
    }

    /// Both at one offset and time answer the same.
    fn compare(&mut self) {
        self.catch_up();
        self.copy.client.engine.set_time(self.leader.engine.now_us());
        self.check();
        // Those that were there may have selected a database, or another protocol.
        let db = self.dice.below(2).to_string();
        for client in [&mut self.leader, &mut self.copy.client] {
            client.engine.disconnect(client.session);
            client.session = client.engine.connect();
            client.line(&format!("SELECT {db}"));
        }
        for _ in 0..20 {
            let (argv, form) = self.forms.command(&mut self.dice, Times::Near(NOW_MS));
            let is_read = resolve(&argv)
                .is_some_and(|command| command.has(flag::READONLY) && !command.has(flag::BLOCKING));
            if !is_read || form.random || UNTOLD.contains(&&*form.name[0]) {
                continue;
            }
            self.compared += 1;
            let (theirs, ours) = (self.leader.call(&argv), self.copy.client.call(&argv));
            let same = match form.unordered {
                true => sorted(&theirs) == sorted(&ours),
                false => theirs == ours,
            };
            assert!(
                same,
                "{}: {} is not {}",
                shown(&argv),
                ours.escape_ascii(),
                theirs.escape_ascii()
            );
            // What has expired as it was read counts no longer.
            self.note();
            self.catch_up();
        }
    }
}

#[test]
fn a_follower_is_a_copy_at_every_offset() {
    let forms = Forms::load(|form| !["multi", "watch", "flushall"].contains(&&*form.name[0]));
    let mut compared = 0;
    for seed in seeds(120, false) {
        let run = std::panic::catch_unwind(|| {
            let mut run = Run {
                forms: &forms,
                dice: Dice::new(seed),
                leader: Client::leader(),
                copy: Copy::new(),
                behind: VecDeque::new(),
                digests: BTreeMap::new(),
                compared: 0,
            };
            for _ in 0..400 {
                match run.dice.below(16) {
                    0..8 => run.write(),
                    8..12 => run.follow(),
                    12..15 => run.read(),
                    _ => run.compare(),
                }
            }
            run.compare();
            run.compared
        });
        match run {
            Ok(reads) => compared += reads,
            Err(panic) => {
                eprintln!("LODIS_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(compared > 1000 || std::env::var("LODIS_SEED").is_ok(), "{compared} reads compared");
}

#[test]
fn every_write_command_is_refused() {
    let forms = Forms::load(|_| true);
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    let writes = registry::commands().filter(|command| command.has(flag::WRITE));
    writes.for_each(|command| _ = refused.insert(command.name, 0));
    let (leader, mut copy) = pair(&["SET s 1", "RPUSH l 1", "HSET h f 1", "ZADD z 1 m"]);
    let mut dice = Dice::new(1);
    for _ in 0..60_000 {
        let (argv, form) = forms.command(&mut dice, Times::Near(NOW_MS));
        let Some(count) = refused.get_mut(&*form.name[0]) else { continue };
        *count += 1;
        let reply = copy.client.call(&argv);
        assert_eq!(String::from_utf8_lossy(&reply), READ_ONLY, "{}", shown(&argv));
    }
    let never: Vec<_> = refused.iter().filter(|(_, count)| **count == 0).collect();
    assert!(never.is_empty(), "never made: {never:?}");
    assert_eq!(copy.client.engine.digest(), leader.engine.digest());
    let commands = copy.client.engine.stats.errors_by_code.get(&b"READONLY"[..]).copied();
    assert!(commands > Some(1000));
}

#[test]
fn a_transaction_may_read_and_not_write() {
    let (_, mut copy) = pair(&["SET k 1"]);
    for line in ["MULTI", "GET k", "EXEC"] {
        assert!(!copy.client.line(line).starts_with('-'));
    }
    copy.client.line("MULTI");
    assert_eq!(copy.client.line("INCR k"), READ_ONLY);
    assert!(copy.client.line("EXEC").starts_with("-EXECABORT"));
    // One that was begun when the engine did lead.
    copy.client.engine.set_follower(false);
    copy.client.line("MULTI");
    copy.client.line("INCR k");
    copy.client.engine.set_follower(true);
    assert_eq!(
        copy.client.line("EXEC"),
        "-EXECABORT Transaction discarded because of: READONLY You can't write against a read \
         only replica.\r\n"
    );
    assert_eq!(copy.client.line("GET k"), "$1\r\n1\r\n");
}

#[test]
fn what_is_past_its_time_is_hidden_and_stays() {
    let (mut leader, mut copy) = pair(&[
        "SET k v PX 10",
        "SET other v",
        "HSET h a 1 b 2",
        "HPEXPIRE h 10 FIELDS 1 a",
        "HSET gone a 1",
        "HPEXPIRE gone 10 FIELDS 1 a",
    ]);
    let stored = copy.client.engine.digest();
    assert_eq!(copy.client.line("GET k"), "$1\r\nv\r\n");
    copy.client.later(10);
    for (line, reply) in [
        ("GET k", "$-1\r\n"),
        ("EXISTS k other", ":1\r\n"),
        ("TTL k", ":-2\r\n"),
        ("PEXPIRETIME k", ":-2\r\n"),
        ("TYPE k", "+none\r\n"),
        ("STRLEN k", ":0\r\n"),
        ("OBJECT ENCODING k", "$-1\r\n"),
        ("DUMP k", "$-1\r\n"),
        ("KEYS k*", "*0\r\n"),
        ("SCAN 0 MATCH k* COUNT 100", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("HGETALL h", "*2\r\n$1\r\nb\r\n$1\r\n2\r\n"),
        ("HLEN h", ":1\r\n"),
        ("HGET h a", "$-1\r\n"),
        ("HTTL h FIELDS 2 a b", "*2\r\n:-2\r\n:-1\r\n"),
        ("HRANDFIELD h 5", "*1\r\n$1\r\nb\r\n"),
        ("EXISTS gone", ":0\r\n"),
        ("TYPE gone", "+none\r\n"),
        ("HGETALL gone", "*0\r\n"),
        ("DBSIZE", ":4\r\n"),
    ] {
        assert_eq!(copy.client.line(line), reply, "{line}");
    }
    for _ in 0..200 {
        assert_ne!(copy.client.line("RANDOMKEY"), "$1\r\nk\r\n");
    }
    assert_eq!(copy.client.engine.tick(), None, "nothing is planned");
    assert_eq!(copy.client.engine.digest(), stored);
    // The leader's clock is not as late: what it does with the fields still holds.
    leader.line("HPERSIST h FIELDS 1 a");
    leader.line("HSET gone a 2");
    leader.line("PERSIST k");
    copy.catch_up(&mut leader);
    copy.client.later(10);
    assert_eq!(copy.client.line("HGETALL h"), "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_eq!(copy.client.line("HGET gone a"), "$1\r\n2\r\n");
    assert_eq!(copy.client.line("GET k"), "$1\r\nv\r\n");
}

#[test]
fn all_keys_past_their_time_are_no_keys() {
    let commands: Vec<String> = (0..300).map(|i| format!("SET k{i} v PX 10")).collect();
    let (_, mut copy) = pair(&commands.iter().map(String::as_str).collect::<Vec<_>>());
    copy.client.later(10);
    assert_eq!(copy.client.line("RANDOMKEY"), "$-1\r\n");
    assert_eq!(copy.client.line("KEYS *"), "*0\r\n");
    assert_eq!(copy.client.line("DBSIZE"), ":300\r\n");
}

#[test]
fn a_clock_that_is_put_back_shows_again_what_was_hidden() {
    let (_, mut copy) = pair(&[
        "HSET h a 1 b 2 c 3",
        "HPEXPIRE h 10 FIELDS 1 a",
        "HPEXPIRE h 20 FIELDS 1 b",
        "SET k v PX 10",
    ]);
    let stored = copy.client.engine.digest();
    for (later, len, exists) in [(10, 2, 0), (10, 1, 0), (-10, 2, 0), (-10, 3, 1), (30, 1, 0)] {
        copy.client.later(later);
        assert_eq!(copy.client.line("HLEN h"), format!(":{len}\r\n"));
        assert_eq!(copy.client.line("EXISTS k"), format!(":{exists}\r\n"));
        assert_eq!(copy.client.engine.digest(), stored);
    }
}

#[test]
fn who_leads_after_it_followed_lets_expire_what_it_hid() {
    let (_, mut copy) = pair(&[
        "SET k v PX 10",
        "HSET h a 1 b 2",
        "HPEXPIRE h 10 FIELDS 1 a",
        "HSET later a 1 b 2",
        "HPEXPIRE later 20 FIELDS 1 a",
    ]);
    copy.client.later(20);
    assert_eq!(copy.client.line("HLEN h"), ":1\r\n");
    assert_eq!(copy.client.line("HLEN later"), ":1\r\n");
    copy.client.later(-10);
    let offset = copy.follower.end_following(&mut copy.client.engine);
    let engine = &mut copy.client.engine;
    engine.set_follower(false);
    engine.effects.set_enabled(true);
    assert_eq!(engine.effects.offset(), offset);
    engine.tick();
    let effects = String::from_utf8(engine.effects.take()).unwrap();
    assert!(effects.starts_with("*2\r\n$6\r\nSELECT"), "{effects}");
    assert!(effects.contains("DEL\r\n$1\r\nk") && effects.contains("HDEL\r\n$1\r\nh\r\n$1\r\na"));
    assert_eq!(copy.client.line("HLEN later"), ":2\r\n");
    assert_eq!(copy.client.line("SET k v"), "+OK\r\n");
    assert_ne!(copy.client.engine.effects.offset(), offset);
}

#[test]
fn nothing_is_evicted_and_nobody_stays_blocked() {
    let (_, mut copy) = pair(&["SET k v"]);
    copy.client.engine.set_follower(false);
    let waiting = copy.client.engine.connect();
    copy.client.engine.call(waiting, &[b"BLPOP", b"list", b"0"], &mut Vec::new());
    assert_eq!(copy.client.engine.blocked_len(), 1);
    copy.client.engine.set_follower(true);
    assert_eq!(copy.client.engine.blocked_len(), 0);
    assert!(!copy.client.engine.sessions.have_messages());
    copy.client.line("CONFIG SET maxmemory 1 maxmemory-policy allkeys-random");
    assert_eq!(copy.client.line("GET k"), "$1\r\nv\r\n");
    copy.client.engine.tick();
    assert_eq!(copy.client.line("DBSIZE"), ":1\r\n");
}

#[test]
fn a_unit_is_seen_whole_or_not_at_all() {
    let (mut leader, mut copy) = pair(&["MSET a 0 b 0"]);
    for line in ["MULTI", "INCR a", "INCR b", "EXEC"] {
        leader.line(line);
    }
    let stretch = leader.engine.effects.take();
    let offset = copy.follower.applied();
    for (at, byte) in stretch.iter().enumerate() {
        copy.follower.push(offset + at as u64, &[*byte]).unwrap();
        copy.follower.step(&mut copy.client.engine, 1).unwrap();
        while copy.follower.step(&mut copy.client.engine, 1).unwrap() {}
        let expected = if at + 1 == stretch.len() { "1" } else { "0" };
        let both = format!("*2\r\n$1\r\n{expected}\r\n$1\r\n{expected}\r\n");
        assert_eq!(copy.client.line("MGET a b"), both, "byte {at}");
    }
    assert_eq!(copy.follower.applied(), offset + stretch.len() as u64);
}

#[test]
fn a_stretch_is_taken_once_and_in_order() {
    let (mut leader, mut copy) = pair(&["SET a 0"]);
    let start = copy.follower.end();
    leader.line("INCR a");
    let first = leader.engine.effects.take();
    leader.line("INCR a");
    let second = leader.engine.effects.take();
    let later = start + first.len() as u64;
    assert_eq!(copy.follower.push(later, &second), Err(PushError::Gap(start)));
    copy.follower.push(start, &first).unwrap();
    copy.follower.push(start, &[first, second].concat()).unwrap();
    copy.follower.push(later, b"").unwrap();
    while copy.follower.step(&mut copy.client.engine, 1).unwrap() {}
    assert_eq!(copy.client.line("GET a"), "$1\r\n2\r\n");
    assert_eq!(copy.client.engine.digest(), leader.engine.digest());
}

#[test]
fn what_is_no_effect_ends_following() {
    let (_, mut copy) = pair(&["SET a 0"]);
    let end = copy.follower.end();
    copy.follower.push(end, b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n").unwrap();
    let error = copy.follower.step(&mut copy.client.engine, 5).unwrap_err();
    assert!(matches!(&error, ReplayError::Corrupt(what) if what.contains("not a write command")));
    assert!(!copy.client.engine.is_loading());
    assert_eq!(copy.follower.step(&mut copy.client.engine, 5), Err(error.clone()));
    assert_eq!(copy.follower.push(end, b""), Err(PushError::Failed(error)));
}

#[test]
fn a_blocked_reader_learns_of_what_was_applied() {
    let (mut leader, mut copy) = pair(&["XADD x 1-1 f v"]);
    let reader = copy.client.engine.connect();
    let argv: [&[u8]; 6] = [b"XREAD", b"BLOCK", b"0", b"STREAMS", b"x", b"$"];
    copy.client.engine.call(reader, &argv, &mut Vec::new());
    assert_eq!(copy.client.engine.blocked_len(), 1);
    leader.line("XADD x 2-1 f w");
    copy.catch_up(&mut leader);
    let message = copy.client.engine.sessions.take_messages_of(reader);
    assert!(String::from_utf8_lossy(&message).contains("2-1"), "{}", message.escape_ascii());
}
