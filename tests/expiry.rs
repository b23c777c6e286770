//! Expiry as time goes by: what a key's last moment looks like, and who removes it.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};

const START_MS: i64 = 1_700_000_000_000;

struct Harness {
    engine: Engine,
    session: SessionId,
}

impl Harness {
    fn new() -> Self {
        let options = Options { now_us: START_MS * 1000, ..Options::default() };
        let mut engine = Engine::new(&options);
        engine.effects.set_enabled(true);
        let session = engine.connect();
        Self { engine, session }
    }

    /// Runs a command `after_ms` after the start.
    fn at(&mut self, after_ms: i64, line: &str) -> String {
        self.engine.set_time((START_MS + after_ms) * 1000);
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        self.engine.call(self.session, &argv, &mut reply);
        String::from_utf8(reply).unwrap()
    }

    fn effects(&mut self) -> String {
        String::from_utf8(self.engine.effects.take()).unwrap()
    }
}

#[test]
fn a_key_lives_up_to_its_moment_and_not_longer() {
    let mut h = Harness::new();
    h.at(0, "SET k v EX 10");
    assert_eq!(h.at(9_999, "GET k"), "$1\r\nv\r\n");
    assert_eq!(h.at(9_999, "PTTL k"), ":1\r\n");
    h.effects();
    assert_eq!(h.at(10_000, "GET k"), "$-1\r\n");
    assert_eq!(h.effects(), "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
    assert_eq!((h.engine.stats.expired_keys, h.engine.keyspace.db(0).len()), (1, 0));
}

#[test]
fn ttl_rounds_to_the_nearest_second() {
    let mut h = Harness::new();
    h.at(0, "SET k v EX 10");
    for (after_ms, ttl) in [(0, 10), (499, 10), (500, 10), (501, 9), (9_500, 1), (9_501, 0)] {
        assert_eq!(h.at(after_ms, "TTL k"), format!(":{ttl}\r\n"), "after {after_ms} ms");
    }
}

#[test]
fn every_command_takes_an_expired_key_for_none() {
    for (command, reply) in [
        ("GET k", "$-1\r\n"),
        ("EXISTS k", ":0\r\n"),
        ("TYPE k", "+none\r\n"),
        ("TTL k", ":-2\r\n"),
        ("STRLEN k", ":0\r\n"),
        ("DEL k", ":0\r\n"),
        ("UNLINK k", ":0\r\n"),
        ("TOUCH k", ":0\r\n"),
        ("PERSIST k", ":0\r\n"),
        ("EXPIRE k 10", ":0\r\n"),
        ("SET k w XX", "$-1\r\n"),
        ("SET k w NX", "+OK\r\n"),
        ("SETNX k w", ":1\r\n"),
        ("MSETNX k w", ":1\r\n"),
        ("GETSET k w", "$-1\r\n"),
        ("GETDEL k", "$-1\r\n"),
        ("GETEX k PERSIST", "$-1\r\n"),
        ("APPEND k ab", ":2\r\n"),
        ("INCR k", ":1\r\n"),
        ("INCRBYFLOAT k 2.5", "$3\r\n2.5\r\n"),
        ("SETRANGE k 0 abc", ":3\r\n"),
        ("RENAME k l", "-ERR no such key\r\n"),
        ("RENAMENX other k", ":1\r\n"),
        ("COPY k l", ":0\r\n"),
        ("COPY other k", ":1\r\n"),
        ("MOVE k 1", ":0\r\n"),
        ("KEYS k", "*0\r\n"),
        ("SCAN 0 MATCH k COUNT 100", "*2\r\n$1\r\n0\r\n*0\r\n"),
    ] {
        let mut h = Harness::new();
        h.at(0, "SET k 41 PX 5");
        h.at(0, "SET other value");
        assert_eq!(h.at(5, command), reply, "{command}");
        let left = h.at(5, "PTTL k");
        assert!(left == ":-1\r\n" || left == ":-2\r\n", "{command}: the old time stayed: {left}");
    }
}

#[test]
fn changing_a_value_in_place_keeps_its_time_and_setting_it_does_not() {
    for (command, keeps) in [
        ("INCR k", true),
        ("DECRBY k 3", true),
        ("INCRBYFLOAT k 0.5", true),
        ("APPEND k 1", true),
        ("SETRANGE k 0 1", true),
        ("SET k 1 KEEPTTL", true),
        ("GETEX k", true),
        ("SET k 1", false),
        ("SET k 1 XX", false),
        ("GETSET k 1", false),
        ("MSET k 1", false),
        ("GETEX k PERSIST", false),
        ("PERSIST k", false),
    ] {
        let mut h = Harness::new();
        h.at(0, "SET k 41 PX 5000");
        h.at(1000, command);
        let left = if keeps { ":4000\r\n" } else { ":-1\r\n" };
        assert_eq!(h.at(1000, "PTTL k"), left, "{command}");
    }
}

#[test]
fn randomkey_finds_the_one_that_lives() {
    let mut h = Harness::new();
    for number in 0..100 {
        h.at(0, &format!("SET key{number} v PX 5"));
    }
    h.at(0, "SET alive v");
    assert_eq!(h.at(5, "RANDOMKEY"), "$5\r\nalive\r\n");
    h.at(5, "DEL alive");
    assert_eq!(h.at(5, "RANDOMKEY"), "$-1\r\n");
    assert_eq!(h.engine.keyspace.db(0).len(), 0);
}

#[test]
fn ticks_remove_what_nobody_asks_for() {
    let mut h = Harness::new();
    for number in 0..1000 {
        h.at(0, &format!("SET key{number} v PX {}", 10 + number % 2));
    }
    h.at(0, "SET later v PX 5000");
    assert_eq!(h.engine.tick(), Some(START_MS + 10));
    h.engine.set_time((START_MS + 10) * 1000);
    let mut ticks = 0;
    while h.engine.tick().is_some_and(|next| next <= START_MS + 10) {
        ticks += 1;
        assert!(ticks < 100, "ticks come to an end");
    }
    assert_eq!(h.engine.keyspace.db(0).len(), 501);
    h.engine.set_time((START_MS + 20) * 1000);
    while h.engine.tick().is_some_and(|next| next <= START_MS + 20) {}
    assert_eq!(h.engine.keyspace.db(0).len(), 1);
    assert_eq!(h.engine.tick(), Some(START_MS + 5000));
    assert_eq!(h.at(20, "DEL later"), ":1\r\n");
}
