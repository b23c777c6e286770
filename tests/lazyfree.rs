//! Large values that are gone are freed bit by bit, and wholly.

mod allocator;

use allocator::{allocated, frees};
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};

const ELEMENTS: usize = 20_000;
/// How many frees there may be in one command or tick: far fewer than elements.
const FREES_AT_ONCE: usize = 1200;

struct Host {
    engine: Engine,
    session: SessionId,
    reply: Vec<u8>,
}

impl Host {
    fn new() -> Self {
        let mut engine = Engine::new(&Options::default());
        let session = engine.connect();
        let mut host = Self { engine, session, reply: Vec::with_capacity(4096) };
        // What counts commands, errors and so on is there from now on.
        host.run("SET warm up");
        host.run("DEL warm");
        host.end();
        host
    }

    /// Runs a command; answers the reply and how often memory was given back.
    fn run(&mut self, line: &str) -> (String, usize) {
        self.reply.clear();
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let before = frees();
        self.engine.call(self.session, &argv, &mut self.reply);
        let freed = frees() - before;
        (String::from_utf8_lossy(&self.reply).into_owned(), freed)
    }

    /// Ticks until nothing is due; the most frees that there were in one.
    fn end(&mut self) -> usize {
        let mut most = 0;
        loop {
            let before = frees();
            let next = self.engine.tick();
            most = most.max(frees() - before);
            if next.is_none_or(|at| at > self.engine.now_ms()) {
                return most;
            }
        }
    }

    fn info(&mut self, name: &str) -> usize {
        let text = self.run("INFO memory").0;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap().parse().unwrap()
    }

    /// Makes `key` a value of the kind, with many elements.
    fn fill(&mut self, kind: &str, key: &str) {
        let long = "x".repeat(100);
        if kind == "stream" {
            self.run(&format!("XGROUP CREATE {key} group $ MKSTREAM"));
        }
        for i in 0..ELEMENTS {
            let line = match kind {
                "list" => format!("RPUSH {key} {long}{i}"),
                "set" => format!("SADD {key} a_member_that_is_not_inline_{i}"),
                "hash" => format!("HSET {key} a_field_that_is_not_inline_{i} {long}"),
                "expiring hash" => {
                    format!("HSETEX {key} PX {} FIELDS 1 a_field_that_is_long_{i} {long}", i + 1)
                }
                "sorted set" => format!("ZADD {key} {i} a_member_that_is_not_inline_{i}"),
                _ => format!("XADD {key} {}-1 field {long}{i}", i + 1),
            };
            let reply = self.run(&line).0;
            assert!(!reply.starts_with('-'), "{reply}");
        }
        if kind == "stream" {
            for consumer in ["eve", "omar"] {
                self.run(&format!("XREADGROUP GROUP group {consumer} COUNT 9000 STREAMS {key} >"));
            }
            self.reply = Vec::with_capacity(4096);
        }
    }
}

const KINDS: [&str; 6] = ["list", "set", "hash", "expiring hash", "sorted set", "stream"];
/// Ways for `big` to go, with what has to be there before.
const WAYS: [&[&str]; 9] = [
    &["DEL big"],
    &["UNLINK big"],
    &["SET big small", "DEL big"],
    &["SET other x", "RENAME other big", "DEL big"],
    &["SET other x", "COPY other big REPLACE", "DEL big other"],
    &["PEXPIRE big -1"],
    &["SUNIONSTORE big nothing"],
    &["FLUSHDB"],
    &["FLUSHALL"],
];

#[test]
fn whatever_removes_a_large_value_frees_it_bit_by_bit_and_wholly() {
    for kind in KINDS {
        for way in WAYS {
            let mut host = Host::new();
            let base = allocated();
            host.fill(kind, "big");
            let full = allocated() - base;
            assert!(full > ELEMENTS as isize * 24, "{kind}: {full} bytes");
            for line in way {
                let (reply, frees) = host.run(line);
                assert!(!reply.starts_with('-'), "{reply}");
                assert!(frees < FREES_AT_ONCE, "{kind}, {line}: {frees} frees");
            }
            assert_eq!(host.info("lazyfree_pending_objects"), 1, "{kind}, {way:?}");
            let freed = host.info("lazyfreed_objects");
            let most = host.end();
            assert!(most < FREES_AT_ONCE, "{kind}, {way:?}: {most} frees in a tick");
            assert_eq!(host.info("lazyfree_pending_objects"), 0, "{kind}, {way:?}");
            assert_eq!(host.info("lazyfreed_objects"), freed + 1, "{kind}, {way:?}");
            let left = allocated() - base;
            // The dictionary, the queue and the reply may keep some room.
            assert!(left < 8192, "{kind}, {way:?}: {left} bytes are left");
        }
    }
}

#[test]
fn a_key_whose_time_comes_is_freed_bit_by_bit() {
    let mut host = Host::new();
    host.fill("set", "big");
    host.run("PEXPIRE big 10");
    host.engine.set_time(20_000);
    let most = host.end();
    assert!(most < FREES_AT_ONCE, "{most} frees in a tick");
    assert_eq!((host.info("lazyfreed_objects"), host.engine.keyspace.db(0).len()), (1, 0));
}

#[test]
fn a_flushed_database_is_freed_bit_by_bit_and_its_large_values_too() {
    let mut host = Host::new();
    let base = allocated();
    for i in 0..ELEMENTS {
        host.run(&format!("SET a_key_that_is_too_long_to_be_inline:{i} value:{i}"));
        host.run(&format!("SADD small:{} a{i} b{i} c{i}", i % 500));
    }
    host.fill("set", "big");
    let keys = ELEMENTS + 500 + 1;
    assert!(host.run("FLUSHALL").1 < FREES_AT_ONCE);
    assert_eq!(host.run("DBSIZE").0, ":0\r\n");
    assert_eq!(host.info("lazyfree_pending_objects"), keys);
    host.engine.tick();
    let pending = host.info("lazyfree_pending_objects");
    assert!(pending < keys && pending > 0, "{pending}");
    assert_eq!(host.info("lazyfreed_objects") + pending, keys);
    let most = host.end();
    assert!(most < FREES_AT_ONCE, "{most} frees in a tick");
    assert_eq!(host.info("lazyfreed_objects"), keys);
    assert!(allocated() - base < 8192, "{} bytes are left", allocated() - base);
    host.run("CONFIG RESETSTAT");
    assert_eq!(host.info("lazyfreed_objects"), 0);
}

#[test]
fn who_asks_for_it_has_values_freed_at_once() {
    for (setting, fill, line) in [
        ("lazyfree-lazy-user-del", "set", "DEL big"),
        ("lazyfree-lazy-server-del", "set", "SET big small"),
        ("lazyfree-lazy-expire", "set", "PEXPIRE big -1"),
        ("lazyfree-lazy-user-flush", "set", "FLUSHALL"),
        ("lazyfree-lazy-user-flush", "set", "FLUSHDB"),
    ] {
        let mut host = Host::new();
        assert_eq!(host.run(&format!("CONFIG SET {setting} no")).0, "+OK\r\n");
        host.fill(fill, "big");
        assert!(host.run(line).1 > ELEMENTS, "{line}");
        assert_eq!(host.info("lazyfree_pending_objects"), 0);
    }
    for line in ["FLUSHALL SYNC", "FLUSHDB SYNC"] {
        let mut host = Host::new();
        host.fill("set", "big");
        assert!(host.run(line).1 > ELEMENTS, "{line}");
    }
}

#[test]
fn without_a_pause_no_more_waits_than_a_bound() {
    let mut host = Host::new();
    let members: Vec<String> = (0..300_000).map(|i| format!("m{i}")).collect();
    let line = format!("SADD big {}", members.join(" "));
    let base = allocated();
    let mut most = 0;
    for _ in 0..16 {
        host.run(&line);
        host.run("DEL big");
        most = most.max(host.info("lazyfree_pending_objects"));
    }
    assert!((2..=5).contains(&most), "{most} sets of 300,000 members wait");
    host.end();
    assert!(allocated() - base < 8192);
}
