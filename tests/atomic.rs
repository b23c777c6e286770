//! Units that are put together command by command: undone, nothing has happened; kept, all of it has
//! happened at once; tried on a copy, it happens at the leader or not at all.

use generator::{Dice, Forms, Times, seeds, shown};
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::persist::follow::Follower;
use lodis::resp::split_words;
use std::collections::BTreeMap;

mod generator;

const NOW_MS: i64 = 1_700_000_000_000;
const CONFLICT: &str = "-ATOMIC conflict: what the callback has read has changed\r\n";

struct Client {
    engine: Engine,
    session: SessionId,
}

impl Client {
    fn new(seed: u64) -> Self {
        let now_us = NOW_MS * 1000;
        let mut engine = Engine::new(&Options { seed, now_us, ..Options::default() });
        let session = engine.connect();
        Self { engine, session }
    }

    fn leader() -> Self {
        let mut client = Self::new(1);
        client.engine.effects.set_enabled(true);
        client
    }

    fn call_as(&mut self, session: SessionId, argv: &[Vec<u8>]) -> String {
        let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        let mut reply = Vec::new();
        self.engine.call(session, &argv, &mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }

    fn call(&mut self, argv: &[Vec<u8>]) -> String {
        self.call_as(self.session, argv)
    }

    fn line(&mut self, line: &str) -> String {
        self.call(&split_words(line.as_bytes()).unwrap())
    }

    fn line_as(&mut self, session: SessionId, line: &str) -> String {
        self.call_as(session, &split_words(line.as_bytes()).unwrap())
    }

    fn lines(&mut self, lines: &[&str]) {
        for line in lines {
            let reply = self.line(line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
    }

    fn begin(&mut self, is_trial: bool) {
        assert!(self.engine.begin_atomic(self.session, is_trial));
    }

    fn later(&mut self, ms: i64) {
        self.engine.set_time(self.engine.now_us() + ms * 1000);
    }

    fn heard(&mut self, session: SessionId) -> String {
        let messages = self.engine.sessions.take_messages_of(session);
        String::from_utf8_lossy(&messages).into_owned()
    }

    /// All that can be seen of the keyspace.
    fn state(&self) -> State {
        let dbs = self.engine.keyspace.iter();
        let sizes = dbs.map(|db| [db.len(), db.volatile_len(), db.expiring_hashes_len()]).collect();
        let keys = self.engine.keyspace.iter().enumerate().flat_map(|(index, db)| {
            db.keys().iter().map(move |(key, object)| {
                let value = (object.value.encoding(), object.value.digest(), object.expires_at());
                ((index, key.to_vec()), value)
            })
        });
        let counted = (self.engine.stats.changes, self.engine.stats.expired_keys);
        State { digest: self.engine.digest(), sizes, keys: keys.collect(), counted }
    }
}

/// A key's encoding, digest and expiry time.
type Seen = (&'static str, u64, Option<i64>);

#[derive(Debug, PartialEq, Eq)]
struct State {
    digest: u64,
    sizes: Vec<[usize; 3]>,
    keys: BTreeMap<(usize, Vec<u8>), Seen>,
    counted: (u64, u64),
}

struct Copy {
    client: Client,
    follower: Follower,
}

impl Copy {
    fn new() -> Self {
        let mut client = Client::new(2);
        client.engine.set_follower(true);
        let follower = Follower::new(&mut client.engine, 0);
        Self { client, follower }
    }

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

fn pair(lines: &[&str]) -> (Client, Copy) {
    let (mut leader, mut copy) = (Client::leader(), Copy::new());
    leader.lines(lines);
    copy.catch_up(&mut leader);
    (leader, copy)
}

/// Nothing that is past its time is left once all has been done that is due.
fn assert_all_expires(client: &mut Client, seed: u64) {
    client.later(3_600_000);
    while client.engine.tick().is_some_and(|at| at <= client.engine.now_ms()) {}
    let now = client.engine.now_ms();
    for db in client.engine.keyspace.iter() {
        for (key, object) in db.keys().iter() {
            let key = key.escape_ascii();
            assert!(!object.is_expired(now), "seed {seed}: {key} is past its time");
            let field_at = object.value.next_field_expiry();
            assert!(field_at.is_none_or(|at| at > now), "seed {seed}: a field of {key} is");
        }
    }
}

fn forms() -> Forms {
    // These end or mute the session, or wait.
    let is_left = ["multi", "watch", "client", "hello", "reset", "exec", "discard", "config"];
    Forms::load(|form| !is_left.iter().any(|name| form.is_of(&[*name]) || form.name[0] == *name))
}

type Words = Vec<Vec<u8>>;

/// A leader and its copy, and random units at either.
struct Run<'a> {
    forms: &'a Forms,
    dice: Dice,
    leader: Client,
    copy: Copy,
    seed: u64,
    /// What was run before.
    log: Vec<String>,
    unit: Vec<Words>,
}

impl<'a> Run<'a> {
    fn new(forms: &'a Forms, seed: u64) -> Self {
        let (mut leader, mut copy) = pair(&[]);
        for client in [&mut leader, &mut copy.client] {
            if let Some(session) = client.engine.sessions.get_mut(client.session) {
                session.deny_blocking = true;
            }
        }
        let dice = Dice::new(seed);
        Self { forms, dice, leader, copy, seed, log: Vec::new(), unit: Vec::new() }
    }

    fn command(&mut self) -> Words {
        self.forms.command(&mut self.dice, Times::Near(NOW_MS)).0
    }

    fn context(&self) -> String {
        let unit: Vec<String> = self.unit.iter().map(|argv| shown(argv).to_string()).collect();
        let (seed, log) = (self.seed, self.log.join("\n"));
        format!("seed {seed}, after\n{log}\nunit\n{}", unit.join("\n"))
    }

    fn step(&mut self) {
        self.leader.later(self.dice.below(200) as i64);
        for _ in 0..self.dice.below(12) {
            let argv = self.command();
            self.log.push(shown(&argv).to_string());
            self.leader.call(&argv);
        }
        self.copy.catch_up(&mut self.leader);
        self.unit = (0..1 + self.dice.below(10)).map(|_| self.command()).collect();
        match self.dice.below(4) {
            kind @ (0 | 1) => self.lead(kind == 1),
            kind => self.attempt(kind == 3),
        }
        self.copy.catch_up(&mut self.leader);
        self.leader.engine.tick();
        let unit = self.unit.iter().map(|argv| shown(argv).to_string());
        self.log.push(format!("-- {}", unit.collect::<Vec<_>>().join(" ; ")));
    }

    /// At the leader: the unit is kept, or nothing has happened.
    fn lead(&mut self, is_kept: bool) {
        let (before, offset) = (self.leader.state(), self.leader.engine.effects.offset());
        self.leader.begin(false);
        self.unit.iter().for_each(|argv| _ = self.leader.call(argv));
        self.leader.engine.end_atomic(is_kept);
        if !is_kept {
            assert_eq!(self.leader.state(), before, "{}", self.context());
            assert_eq!(self.leader.engine.effects.offset(), offset, "{}", self.context());
        }
    }

    /// At the copy: what was tried is what happens at the leader, unless that has changed.
    fn attempt(&mut self, others_write: bool) {
        let before = self.copy.client.state();
        self.copy.client.begin(true);
        self.unit.iter().for_each(|argv| _ = self.copy.client.call(argv));
        let tried = self.copy.client.engine.digest();
        let words = self.copy.client.engine.end_atomic(true);
        assert_eq!(self.copy.client.state(), before, "{}", self.context());
        if words.is_empty() {
            return;
        }
        if others_write {
            let argv = self.command();
            self.leader.call(&argv);
        }
        let has_changed = self.leader.engine.digest() != before.digest;
        let before = self.leader.state();
        let reply = self.leader.call(&words);
        if !has_changed {
            assert_eq!(reply, "+OK\r\n", "{}", self.context());
            assert_eq!(self.leader.engine.digest(), tried, "{}", self.context());
        } else if reply != "+OK\r\n" {
            assert_eq!(reply, CONFLICT, "{}", self.context());
            assert_eq!(self.leader.state(), before, "{}", self.context());
        }
    }
}

#[test]
fn random_units_are_undone_kept_or_tried() {
    let forms = forms();
    let runs = std::env::var("LODIS_SCENARIOS").map_or(150, |runs| runs.parse().unwrap());
    for seed in seeds(runs, false) {
        let mut run = Run::new(&forms, seed);
        (0..40).for_each(|_| run.step());
        assert_all_expires(&mut run.leader, seed);
        run.copy.catch_up(&mut run.leader);
    }
}

/// Sessions that watch, wait, listen and track, none of which is the one that writes.
struct Others {
    watching: SessionId,
    waiting: SessionId,
    listening: SessionId,
    tracking: SessionId,
}

impl Others {
    fn of(client: &mut Client) -> Self {
        client.lines(&["CONFIG SET notify-keyspace-events KEA", "SET watched 1", "SET read 1"]);
        let mut connect = || client.engine.connect();
        let (watching, waiting) = (connect(), connect());
        let (listening, tracking) = (connect(), connect());
        assert_eq!(client.line_as(watching, "WATCH watched gone"), "+OK\r\n");
        assert_eq!(client.line_as(waiting, "BLPOP queue 0"), "");
        client.line_as(listening, "PSUBSCRIBE *");
        client.line_as(tracking, "HELLO 3");
        assert_eq!(client.line_as(tracking, "CLIENT TRACKING ON"), "+OK\r\n");
        client.line_as(tracking, "GET read");
        client.engine.sessions.take_messages_of(listening);
        Self { watching, waiting, listening, tracking }
    }

    fn exec(&self, client: &mut Client) -> String {
        client.line_as(self.watching, "MULTI");
        client.line_as(self.watching, "PING");
        client.line_as(self.watching, "EXEC")
    }
}

const NOTICED: &[&str] =
    &["INCR watched", "SET read 2", "RPUSH queue job", "SET gone 1", "PUBLISH news hello"];

#[test]
fn nobody_hears_of_what_is_undone() {
    let mut client = Client::leader();
    let others = Others::of(&mut client);
    let offset = client.engine.effects.offset();
    client.begin(false);
    client.lines(NOTICED);
    assert_eq!(client.line("PUBLISH news again"), ":1\r\n");
    assert_eq!(client.line("GET read"), "$1\r\n2\r\n");
    client.engine.end_atomic(false);
    for id in [others.waiting, others.listening, others.tracking] {
        assert_eq!(client.heard(id), "");
    }
    assert_eq!(client.engine.blocked_len(), 1);
    assert_eq!(client.engine.effects.offset(), offset);
    assert_eq!(others.exec(&mut client), "*1\r\n+PONG\r\n");
    assert_eq!(client.line("GET read"), "$1\r\n1\r\n");
}

#[test]
fn all_hear_of_what_is_kept_once_it_is_done() {
    let mut client = Client::leader();
    let others = Others::of(&mut client);
    client.engine.effects.drain().count();
    client.begin(false);
    client.lines(NOTICED);
    for id in [others.waiting, others.listening, others.tracking] {
        assert_eq!(client.heard(id), "");
    }
    client.engine.end_atomic(true);
    assert!(client.heard(others.waiting).contains("job"));
    let heard = client.heard(others.listening);
    let order = ["incrby", "rpush", "hello", "lpop"].map(|word| heard.find(word).unwrap());
    assert!(order.is_sorted(), "{heard}");
    assert!(client.heard(others.tracking).contains("invalidate"));
    assert_eq!(others.exec(&mut client), "*-1\r\n");
    let stream = String::from_utf8(client.engine.effects.drain().flatten().collect()).unwrap();
    let at = |word: &str| stream.find(word).unwrap_or_else(|| panic!("{word}: {stream}"));
    assert!(at("MULTI") < at("INCR") && at("gone") < at("EXEC") && at("EXEC") < at("LPOP"));
}

#[test]
fn what_cannot_be_undone_is_refused_and_time_stands_still() {
    let mut client = Client::leader();
    client.lines(&["SET a 1 PX 100", "SELECT 1", "SET b 1"]);
    let (other, session) = (client.engine.connect(), client.session);
    client.begin(false);
    assert!(!client.engine.begin_atomic(session, false));
    let refused = "-ERR Command not allowed inside a transaction\r\n";
    for line in [
        "MULTI",
        "EXEC",
        "WATCH a",
        "AUTH x",
        "HELLO 3",
        "SUBSCRIBE x",
        "CONFIG SET maxmemory 1",
        "CLIENT SETNAME x",
        "SCRIPT FLUSH",
        "FUNCTION FLUSH",
        "SWAPDB 0 1",
        "SAVE",
        "RESET",
    ] {
        assert_eq!(client.line(line), refused, "{line}");
    }
    assert_eq!(client.line("BLPOP nothing 0"), "*-1\r\n");
    assert!(client.line_as(other, "SET b 2").starts_with("-ERR another unit"));
    assert_eq!(client.line("SELECT 0"), "+OK\r\n");
    client.later(1000);
    assert_eq!(client.line("EXISTS a"), ":1\r\n");
    client.engine.end_atomic(true);
    assert_eq!(client.line("GET b"), "$1\r\n1\r\n");
    client.later(1000);
    client.lines(&["SELECT 0"]);
    assert_eq!(client.line("EXISTS a"), ":0\r\n");
    client.lines(&["MULTI"]);
    assert!(!client.engine.begin_atomic(session, false));
}

#[test]
fn a_trial_conflicts_with_what_it_has_looked_at_and_nothing_else() {
    let setup = &["SET a 1", "SET b 1", "SADD s x", "SELECT 1", "SET a 5", "SELECT 0"];
    let cases: &[(&[&str], &str, bool)] = &[
        (&["INCR a"], "SET a 2", true),
        (&["INCR a"], "SET b 2", false),
        (&["INCR a"], "PEXPIRE a 100000", true),
        (&["GET b", "INCR a"], "SET b 2", true),
        (&["GET b", "INCR a"], "SET b 1", false),
        (&["EXISTS c", "INCR a"], "SET c 1", true),
        (&["SET c 1", "GET c"], "SET d 1", false),
        (&["KEYS *", "INCR a"], "SET d 1", true),
        (&["DBSIZE", "INCR a"], "DEL b", true),
        (&["SORT s BY w_* STORE t"], "SET w_x 1", true),
        (&["SELECT 1", "GET a", "SELECT 0", "INCR a"], "SET b 1", false),
        (&["MOVE a 1", "INCR b"], "SET d 1", false),
        (&["COPY a a REPLACE DB 1"], "SET d 1", false),
        (&["FLUSHALL", "SET z 1"], "SET d 1", false),
    ];
    for (unit, change, conflicts) in cases {
        let (mut leader, mut copy) = pair(setup);
        copy.client.begin(true);
        unit.iter().for_each(|line| _ = copy.client.line(line));
        let words = copy.client.engine.end_atomic(true);
        leader.lines(&[change]);
        let before = leader.engine.digest();
        let reply = leader.call(&words);
        assert_eq!(reply, if *conflicts { CONFLICT } else { "+OK\r\n" }, "{unit:?} {change}");
        assert_eq!(leader.engine.digest() == before, *conflicts, "{unit:?} {change}");
        copy.catch_up(&mut leader);
    }
    // What is in the other database.
    for (unit, change) in [("MOVE a 1", "SET a 6"), ("COPY b a DB 1", "DEL a")] {
        let (mut leader, mut copy) = pair(setup);
        copy.client.begin(true);
        copy.client.lines(&["INCR b", unit]);
        let words = copy.client.engine.end_atomic(true);
        leader.lines(&["SELECT 1", change, "SELECT 0"]);
        assert_eq!(leader.call(&words), CONFLICT, "{unit}");
    }
}

#[test]
fn what_a_trial_comes_to_is_run_whole_or_not_at_all() {
    let (mut leader, mut copy) = pair(&["RPUSH l 1", "SADD s 1 2 3"]);
    let others = Others::of(&mut leader);
    copy.catch_up(&mut leader);
    copy.client.begin(true);
    copy.client.lines(NOTICED);
    copy.client.lines(&["SPOP s", "SPUBLISH shard x"]);
    let words = copy.client.engine.end_atomic(true);
    assert_eq!(leader.call(&words), "+OK\r\n");
    assert!(leader.heard(others.waiting).contains("job"));
    let heard = leader.heard(others.listening);
    assert!(heard.contains("hello") && heard.contains("srem"), "{heard}");
    assert_eq!(others.exec(&mut leader), "*-1\r\n");
    copy.catch_up(&mut leader);
    // The last of its effects fails: so do the others.
    let broken = |effects: &[u8]| {
        let digest = words[1].clone();
        [vec![words[0].clone(), digest, effects.to_vec()], words[3..].to_vec()].concat()
    };
    let mut empty = broken(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$4\r\nINCR\r\n$1\r\nl\r\n");
    empty.truncate(3);
    empty[1] = vec![0; 8];
    let before = leader.state();
    assert!(leader.call(&empty).starts_with("-WRONGTYPE"));
    for words in [vec![words[0].clone()], broken(b"*1\r\n"), broken(b"x"), empty[..2].to_vec()] {
        assert!(leader.call(&words).starts_with('-'));
    }
    assert!(leader.line("LODIS.ATOMIC 1 2 3").starts_with("-ERR Protocol error"));
    let state = leader.state();
    assert_eq!((state.digest, state.keys), (before.digest, before.keys));
    // Who may not read a key is not told whether it is what he has guessed.
    leader.lines(&["ACL SETUSER u on nopass +@all ~own:*"]);
    let user = leader.engine.connect();
    leader.line_as(user, "AUTH u x");
    assert!(leader.line_as(user, "LODIS.ATOMIC 12345678 x 0:k").starts_with("-NOPERM "));
    // What only reads comes to nothing.
    copy.client.begin(true);
    copy.client.lines(&["LRANGE l 0 -1", "GET watched"]);
    assert!(copy.client.engine.end_atomic(true).is_empty());
}
