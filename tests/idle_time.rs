//! OBJECT IDLETIME: what counts as a use of a key.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::resp::split_words;

const NOW_US: i64 = 1_700_000_000_000_000;

struct Harness {
    engine: Engine,
    session: SessionId,
    now_us: i64,
}

impl Harness {
    /// An engine whose keys, one of each type, have not been used for 100 seconds.
    fn new() -> Self {
        let mut engine = Engine::new(&Options { now_us: NOW_US, ..Options::default() });
        let session = engine.connect();
        let mut harness = Self { engine, session, now_us: NOW_US };
        for command in [
            "SET string 5 EX 1000",
            "RPUSH list 1 2",
            "HSET hash f v",
            "SADD set 1 2",
            "ZADD zset 1 a 2 b",
        ] {
            harness.call(command);
        }
        harness.later(100);
        harness
    }

    fn later(&mut self, seconds: i64) {
        self.now_us += seconds * 1_000_000;
        self.engine.set_time(self.now_us);
    }

    fn call(&mut self, line: &str) -> String {
        let words = split_words(line.as_bytes()).unwrap();
        let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut reply = Vec::new();
        self.engine.call(self.session, &argv, &mut reply);
        let reply = String::from_utf8_lossy(&reply).into_owned();
        assert!(!reply.starts_with('-'), "{line}: {reply}");
        reply
    }

    fn idle(&mut self, key: &str) -> String {
        self.call(&format!("OBJECT IDLETIME {key}")).trim_end().to_owned()
    }
}

#[test]
fn who_reads_or_changes_a_key_uses_it() {
    for (command, key) in [
        ("GET string", "string"),
        ("INCR string", "string"),
        ("SET string 1", "string"),
        ("SET string 1 XX", "string"),
        ("GETRANGE string 0 1", "string"),
        ("EXPIRE string 10", "string"),
        ("PERSIST string", "string"),
        ("COPY string copy", "string"),
        ("COPY string copy", "copy"),
        ("RENAME string copy", "copy"),
        ("DUMP string", "string"),
        ("TOUCH string", "string"),
        ("LRANGE list 0 -1", "list"),
        ("LPUSH list 3", "list"),
        ("LPOP list", "list"),
        ("HGET hash f", "hash"),
        ("HSET hash f w", "hash"),
        ("SISMEMBER set 1", "set"),
        ("SINTER set set", "set"),
        ("SADD set 1", "set"),
        ("SPOP set", "set"),
        ("SORT set", "set"),
        ("SORT set BY nosort GET strin*", "set"),
        ("SORT_RO zset ALPHA", "zset"),
        ("ZADD zset 5 a", "zset"),
        ("ZSCORE zset a", "zset"),
    ] {
        let mut harness = Harness::new();
        harness.call(command);
        harness.later(7);
        assert_eq!(harness.idle(key), ":7", "{command}");
    }
}

#[test]
fn who_asks_about_a_key_does_not_use_it() {
    for command in [
        "TYPE string",
        "EXISTS string",
        "TTL string",
        "PTTL string",
        "EXPIRETIME string",
        "PEXPIRETIME string",
        "OBJECT ENCODING string",
        "OBJECT REFCOUNT string",
        "OBJECT IDLETIME string",
        "KEYS *",
        "SCAN 0 TYPE string",
        "RANDOMKEY",
        "GET list2",
    ] {
        let mut harness = Harness::new();
        harness.call(command);
        harness.later(7);
        assert_eq!(harness.idle("string"), ":107", "{command}");
    }
}

#[test]
fn no_touch_leaves_the_time_as_it_is() {
    let mut harness = Harness::new();
    harness.call("CLIENT NO-TOUCH ON");
    for command in
        ["GET string", "INCR string", "LRANGE list 0 -1", "SADD set 9", "SORT zset ALPHA"]
    {
        harness.call(command);
    }
    for key in ["string", "list", "set", "zset"] {
        assert_eq!(harness.idle(key), ":100", "{key}");
    }
    harness.call("TOUCH string");
    assert_eq!(harness.idle("string"), ":0");
    harness.call("GET list2");
    harness.call("CLIENT NO-TOUCH OFF");
    harness.call("LRANGE list 0 -1");
    assert_eq!(harness.idle("list"), ":0");
}

#[test]
fn restore_brings_an_idle_time() {
    let mut harness = Harness::new();
    let mut payload = Vec::new();
    harness.engine.call(harness.session, &[b"DUMP", b"list"], &mut payload);
    let start = payload.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let payload = payload[start..payload.len() - 2].to_vec();
    // No key has been idle since before 2010: the time has 31 bits.
    for (idle, shown) in [("50", ":50"), ("0", ":0"), ("9223372036854775807", ":437696100")] {
        let mut reply = Vec::new();
        let argv: &[&[u8]] =
            &[b"RESTORE", b"copy", b"0", &payload, b"REPLACE", b"IDLETIME", idle.as_bytes()];
        harness.engine.call(harness.session, argv, &mut reply);
        assert_eq!(reply, b"+OK\r\n");
        assert_eq!(harness.idle("copy"), shown);
    }
    harness.later(-1000);
    assert_eq!(harness.idle("string"), ":0");
}
