//! `maxmemory`: which keys go, how many at once, and what is said about it.

mod allocator;
mod real_redis;

use lodis::engine::meter::Meter;
use lodis::engine::requests::RequestId;
use lodis::engine::rng::Rng;
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::persist::frame::{Frame, Kind, encode};
use lodis::persist::manifest::Manifest;
use lodis::persist::replay::{Replay, ReplayError};
use lodis::resp::{RequestParser, split_words, write_command};
use real_redis::Redis;

fn allocated() -> usize {
    allocator::allocated() as usize
}

const POLICIES: [&str; 7] = [
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
];
const START_US: i64 = 1_700_000_000_000_000;

struct Host {
    engine: Engine,
    session: SessionId,
    reply: Vec<u8>,
}

impl Host {
    fn new() -> Self {
        let meter =
            Meter { used: allocated, peak: allocated, total: allocated, ..Meter::default() };
        let mut engine =
            Engine::new(&Options { seed: 1, now_us: START_US, meter, ..Options::default() });
        let session = engine.connect();
        Self { engine, session, reply: Vec::with_capacity(1 << 16) }
    }

    fn send(&mut self, argv: &[&[u8]]) -> String {
        self.reply.clear();
        self.engine.call(self.session, argv, &mut self.reply);
        String::from_utf8_lossy(&self.reply).into_owned()
    }

    /// Runs a command that succeeds.
    fn run(&mut self, line: &str) -> String {
        let words = split_words(line.as_bytes()).unwrap();
        let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let reply = self.send(&argv);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
        reply
    }

    fn integer(&mut self, line: &str) -> usize {
        let reply = self.run(line);
        reply.trim_start_matches(':').trim_end().parse().expect("an integer")
    }

    fn info(&mut self, field: &str) -> usize {
        let info = self.run("INFO");
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.expect("INFO has the field").parse().expect("a number")
    }

    fn later(&mut self, ms: i64) {
        self.engine.set_time(self.engine.now_us() + ms * 1000);
    }

    /// Sets a limit at which so many bytes must go.
    fn squeeze(&mut self, policy: &str, bytes: usize) {
        let most = allocated() - bytes;
        self.run(&format!("CONFIG SET maxmemory-policy {policy} maxmemory {most}"));
    }

    /// Ticks until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..1_000_000 {
            if self.engine.tick().is_none_or(|at| at > self.engine.now_ms()) {
                return;
            }
        }
        panic!("there is no end");
    }

    fn key_count(&mut self) -> usize {
        self.integer("DBSIZE")
    }
}

const VALUE: [u8; 200] = [b'v'; 200];

fn name(number: usize) -> String {
    format!("key:{number:06}")
}

/// What a key of the tests is worth: the greater, the sooner it is to go.
type Make = fn(usize) -> Vec<Vec<u8>>;

/// `abc` as a string, dumped by Redis 7.0.
const PAYLOAD: &[u8] = b"\x00\x03abc\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2";
const KEYS: usize = 5000;

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn restored(number: usize, option: &str, value: usize) -> Vec<Vec<u8>> {
    let mut command = words(&["RESTORE", &name(number), "0"]);
    command.push(PAYLOAD.to_vec());
    command.extend(words(&[option, &value.to_string()]));
    command
}

/// Each policy with commands that make keys of rising worth.
const RANKED: [(&str, Make); 3] = [
    ("allkeys-lru", |number| restored(number, "IDLETIME", 10 * number)),
    ("allkeys-lfu", |number| restored(number, "FREQ", 255 - number * 250 / KEYS)),
    ("volatile-ttl", |number| {
        let seconds = (2 * KEYS - number).to_string();
        words(&["SET", &name(number), "abc", "EX", &seconds])
    }),
];

/// In which order the keys are made.
fn shuffled() -> Vec<usize> {
    Rng::new(7).sample(KEYS, KEYS - 1)
}

/// Of keys whose worth rises with their number, how great it is on average of those that went: 1 for the
/// best that is possible, 0.5 for any.
fn quality(gone: &[usize]) -> f64 {
    let sum: usize = gone.iter().sum();
    let best: usize = (KEYS - gone.len()..KEYS).sum();
    sum as f64 / best as f64
}

fn quality_here(policy: &str, make: Make) -> f64 {
    let mut host = Host::new();
    for number in shuffled() {
        let command = make(number);
        let argv: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        host.run("CONFIG SET maxmemory 0");
        if policy == "allkeys-lfu" {
            host.run("CONFIG SET maxmemory-policy allkeys-lfu");
        }
        let reply = host.send(&argv);
        assert_eq!(reply, "+OK\r\n");
    }
    host.squeeze(policy, 60 * KEYS / 4);
    host.settle();
    let gone: Vec<usize> = shuffled()
        .into_iter()
        .filter(|number| host.integer(&format!("EXISTS {}", name(*number))) == 0)
        .collect();
    assert!((KEYS / 10..KEYS / 2).contains(&gone.len()), "{policy}: {} went", gone.len());
    quality(&gone)
}

fn quality_there(redis: &mut Redis, policy: &str, make: Make) -> f64 {
    redis.call(&[b"FLUSHALL"]);
    redis.call(&[b"CONFIG", b"SET", b"maxmemory", b"0", b"maxmemory-policy", policy.as_bytes()]);
    let mut request = Vec::new();
    for number in shuffled() {
        let command = make(number);
        write_command(&mut request, &command.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    redis.answer(&request, KEYS - 1);
    let info = String::from_utf8(redis.call(&[b"INFO", b"memory"])).unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let most = used.parse::<usize>().unwrap() - 80 * KEYS / 4;
    redis.call(&[b"CONFIG", b"SET", b"maxmemory", most.to_string().as_bytes()]);
    redis.call(&[b"CONFIG", b"SET", b"maxmemory-eviction-tenacity", b"100"]);
    redis.call(&[b"PING"]);
    redis.call(&[b"CONFIG", b"SET", b"maxmemory", b"0"]);
    let exists = |number: &usize| redis.call(&[b"EXISTS", name(*number).as_bytes()]) == b":1\r\n";
    let mut exists = exists;
    let gone: Vec<usize> = shuffled().into_iter().filter(|number| !exists(number)).collect();
    assert!((KEYS / 20..KEYS * 2 / 3).contains(&gone.len()), "{policy}: {} went there", gone.len());
    quality(&gone)
}

#[test]
fn the_right_keys_go_as_they_do_from_a_real_server() {
    let mut redis = Redis::start();
    for (policy, make) in RANKED {
        let ours = quality_here(policy, make);
        assert!(ours > 0.9, "{policy}: {ours:.3}");
        if let Some(redis) = &mut redis {
            let theirs = quality_there(redis, policy, make);
            assert!(ours > theirs - 0.05, "{policy}: {ours:.3}, there {theirs:.3}");
        }
    }
}

/// A host with so many keys that never expire, `stays:*`, and so many that do, `goes:*`.
fn with_keys(stay: usize, go: usize) -> Host {
    let mut host = Host::new();
    for number in 0..stay {
        host.send(&[b"SET", format!("stays:{number}").as_bytes(), &VALUE]);
    }
    for number in 0..go {
        let seconds = (1000 + number).to_string();
        host.send(&[
            b"SET",
            format!("goes:{number}").as_bytes(),
            &VALUE,
            b"EX",
            seconds.as_bytes(),
        ]);
    }
    host
}

#[test]
fn every_policy_keeps_memory_within_the_limit_while_writes_go_on() {
    for policy in POLICIES {
        let mut host = with_keys(1000, 2000);
        let most = allocated() + 100_000;
        host.run(&format!("CONFIG SET maxmemory-policy {policy} maxmemory {most}"));
        for number in 0..5000 {
            host.later(10);
            let reply =
                host.send(&[b"SET", format!("new:{number}").as_bytes(), &VALUE, b"EX", b"1000"]);
            assert_eq!(reply, "+OK\r\n", "{policy} {number}");
            host.run("GET stays:0");
            // One command may use more than there was, as in Redis; a table that grows is the most.
            assert!(allocated() <= most + 1000, "{policy}: {} too many", allocated() - most);
        }
        let stay = host.integer("EXISTS stays:1 stays:500 stays:999");
        assert_eq!(stay == 3, policy.starts_with("volatile"), "{policy}: {stay}");
        assert!(host.info("evicted_keys") > 3000, "{policy}");
        assert_eq!(host.info("current_eviction_exceeded_time"), 0);
    }
}

#[test]
fn keys_that_never_expire_are_not_touched_and_then_there_is_no_room() {
    for policy in POLICIES.iter().filter(|policy| policy.starts_with("volatile")) {
        let mut host = with_keys(1000, 100);
        host.squeeze(policy, 200_000);
        host.settle();
        assert_eq!(host.key_count(), 1000, "{policy}");
        let refused = host.send(&[b"SET", b"k", b"v"]);
        assert_eq!(refused, "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
        assert_eq!(host.send(&[b"GET", b"stays:1"]).len(), VALUE.len() + 8);
        host.later(2500);
        assert_eq!(host.info("current_eviction_exceeded_time"), 2500);
        host.run("CONFIG SET maxmemory 0");
        host.run("CONFIG SET maxmemory 100gb");
        host.run("SET k v");
        assert_eq!(host.info("total_eviction_exceeded_time"), 2500);
        assert_eq!(host.info("current_eviction_exceeded_time"), 0);
    }
}

#[test]
fn keys_in_use_stay() {
    // Times are kept in seconds; counters decay by one a minute.
    for (policy, step_ms) in [("allkeys-lru", 1000), ("allkeys-lfu", 10)] {
        let mut host = Host::new();
        host.run(&format!("CONFIG SET maxmemory-policy {policy}"));
        host.send(&[b"SET", b"warm", b"up"]);
        let most = allocated() + 1_000_000;
        host.run(&format!("CONFIG SET maxmemory {most}"));
        for number in 0..20_000 {
            host.later(step_ms);
            host.send(&[b"SET", name(number).as_bytes(), &VALUE]);
            if number >= 100 {
                host.run(&format!("GET {}", name(number % 100)));
            }
        }
        let stay = (0..100).filter(|i| host.integer(&format!("EXISTS {}", name(*i))) == 1).count();
        // Where frequency counts, those that came when nothing was known of them yet may go.
        assert!(stay >= 95, "{policy}: {stay}");
        assert!(host.info("evicted_keys") > 10_000, "{policy}");
    }
}

#[test]
fn the_soonest_go_however_many_have_gone() {
    let mut host = with_keys(0, 2000);
    host.squeeze("volatile-ttl", 0);
    for number in 0..20_000 {
        let seconds = (1 + number % 900).to_string();
        let key = format!("soon:{number}");
        host.send(&[b"SET", key.as_bytes(), &VALUE, b"EX", seconds.as_bytes()]);
    }
    let stay = (0..2000).filter(|i| host.integer(&format!("EXISTS goes:{i}")) == 1).count();
    assert!(stay >= 1900, "{stay}");
    let times = host.engine.keyspace.db(0).deadlines_len();
    assert!(times < 3 * 2000, "{times} times");
}

/// Replays effects into another engine; answers its digest.
fn replayed(effects: &[u8]) -> u64 {
    let mut engine = Engine::new(&Options { now_us: START_US, ..Options::default() });
    let session = engine.connect();
    let mut parser = RequestParser::default();
    engine.set_loading(true);
    while let Some(request) = parser.next(effects).unwrap() {
        let lodis::resp::Request::Array(ranges) = request else { panic!("inline") };
        let argv: Vec<&[u8]> = ranges.into_iter().map(|range| &effects[range]).collect();
        let mut reply = Vec::new();
        engine.call(session, &argv, &mut reply);
        assert!(!reply.starts_with(b"-"));
    }
    engine.set_loading(false);
    engine.digest()
}

#[test]
fn a_replay_of_the_effects_makes_the_same_keyspace() {
    for policy in POLICIES {
        for lazy in ["yes", "no"] {
            let mut host = Host::new();
            host.engine.effects.set_enabled(true);
            host.run(&format!("CONFIG SET lazyfree-lazy-eviction {lazy}"));
            host.send(&[b"SET", b"warm", b"up"]);
            let most = allocated() + 100_000;
            host.run(&format!("CONFIG SET maxmemory-policy {policy} maxmemory {most}"));
            for number in 0..2000 {
                host.run(&format!("SELECT {}", number % 3));
                host.send(&[b"SET", name(number).as_bytes(), &VALUE, b"EX", b"1000"]);
                host.run("MULTI");
                host.send(&[b"HSET", format!("hash:{number}").as_bytes(), b"f", b"v"]);
                host.send(&[b"EXPIRE", format!("hash:{number}").as_bytes(), b"2000"]);
                host.run("EXEC");
            }
            let effects: Vec<u8> = host.engine.effects.drain().flatten().collect();
            let word: &[u8] = if lazy == "yes" { b"\r\nUNLINK\r\n" } else { b"\r\nDEL\r\n" };
            assert!(effects.windows(word.len()).any(|part| part == word), "{policy}: none went");
            // A key goes by itself, and not as a part of the command before which it went.
            let unit: &[u8] = b"MULTI\r\n*2\r\n$6\r\nUNLINK";
            assert!(!effects.windows(unit.len()).any(|part| part == unit), "{policy}");
            assert_eq!(replayed(&effects), host.engine.digest(), "{policy}");
        }
    }
}

#[test]
fn effects_that_wait_for_the_store_are_not_counted() {
    let mut host = with_keys(1000, 0);
    host.engine.effects.set_enabled(true);
    let most = allocated() + 50_000;
    host.run(&format!("CONFIG SET maxmemory-policy allkeys-lru maxmemory {most}"));
    for _ in 0..5000 {
        host.send(&[b"SET", b"stays:0", &VALUE]);
    }
    assert!(allocated() > most + 1_000_000);
    assert!(host.info("mem_not_counted_for_evict") > 1_000_000);
    assert_eq!(host.key_count(), 1000);
}

#[test]
fn nothing_goes_while_a_log_is_replayed() {
    let mut host = with_keys(100, 100);
    host.engine.set_loading(true);
    host.run("CONFIG SET maxmemory-policy allkeys-random maxmemory 1");
    host.run("SET more x");
    host.settle();
    assert_eq!(host.key_count(), 201);
    host.engine.set_loading(false);
    host.run("GET more");
    host.settle();
    assert_eq!(host.key_count(), 0);
}

#[test]
fn a_log_for_which_there_is_no_memory_is_not_taken_for_a_damaged_one() {
    let mut effects = Vec::new();
    write_command(&mut effects, &[b"SELECT", b"0"]);
    write_command(&mut effects, &[b"SET", b"a", b"b"]);
    let record = Frame { kind: Kind::Record, origin: 1, offset: 0, payload: &effects };
    let record = encode(&record).unwrap();
    for has_reserve in [true, false] {
        let has_reserve: fn() -> bool = if has_reserve { || true } else { || false };
        let meter = Meter { has_reserve, ..Meter::default() };
        let mut engine = Engine::new(&Options { meter, ..Options::default() });
        let mut replay = Replay::begin(&mut engine, &Manifest::default());
        replay.push(&record).unwrap();
        let expected = if has_reserve() { Ok(false) } else { Err(ReplayError::OutOfMemory) };
        assert_eq!(replay.step(&mut engine, 100), expected);
        // Nor do commands run then that need memory; others do.
        replay.abandon(&mut engine);
        let session = engine.connect();
        for (command, refused) in [("SET a b", !has_reserve()), ("GET a", false), ("DEL a", false)]
        {
            let argv: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
            let mut reply = Vec::new();
            engine.call(session, &argv, &mut reply);
            assert_eq!(reply.starts_with(b"-OOM "), refused, "{command}");
        }
    }
}

/// What is put back for a tab that died while it popped is subject to the limit as what clients write.
#[test]
fn what_is_put_back_takes_room_or_is_refused() {
    for (policy, comes_back) in [("allkeys-random", true), ("noeviction", false)] {
        let mut host = Host::new();
        let job = [b'j'; 20_000];
        host.send(&[b"SET", b"filler", &[b'f'; 200_000]]);
        host.send(&[b"RPUSH", b"list", &job]);
        host.engine.effects.set_enabled(true);
        host.engine.begin_request(host.session, RequestId { tab: 1, seq: 1 }, 0);
        let reply = host.run("BLPOP list 0");
        host.engine.end_request(reply.as_bytes(), 1);
        host.engine.effects.drain().for_each(drop);
        // A limit that a command reaches only by what it adds is none for it.
        host.squeeze(policy, 100_000);
        host.engine.forget_tab(1);
        let stream: Vec<u8> = host.engine.effects.drain().flatten().collect();
        assert_eq!(host.integer("EXISTS list"), usize::from(comes_back), "{policy}");
        assert_eq!(host.integer("EXISTS filler"), usize::from(!comes_back), "{policy}");
        let refused = host.engine.stats.errors_by_code.get(b"OOM".as_slice()).copied();
        assert_eq!(refused, (!comes_back).then_some(1), "{policy}");
        let has = |word: &[u8]| stream.windows(word.len()).any(|bytes| bytes == word);
        assert_eq!((has(b"filler"), has(&job)), (comes_back, comes_back), "{policy}");
        assert!(has(b"LODIS.GONE"), "{policy}");
    }
}

#[test]
fn so_many_keys_go_at_once_as_the_tenacity_allows_and_the_rest_in_ticks() {
    for (tenacity, at_once) in [(0, 16), (1, 50), (10, 500), (20, 2019), (100, 20_000)] {
        let mut host = with_keys(20_000, 0);
        host.run(&format!("CONFIG SET maxmemory-eviction-tenacity {tenacity}"));
        host.run("CONFIG SET maxmemory-policy allkeys-random maxmemory 1");
        // As long as keys can go, commands that need memory run.
        let reply = host.send(&[b"SET", b"key", b"v"]);
        let refused = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
        assert_eq!(reply, if tenacity < 100 { "+OK\r\n" } else { refused });
        assert_eq!(host.info("evicted_keys").min(at_once), at_once, "{tenacity}");
        assert!(host.engine.stats.evicted_keys <= 2 * at_once as u64, "{tenacity}");
        let before = host.engine.stats.evicted_keys;
        let again = host.engine.tick() == Some(host.engine.now_ms());
        assert_eq!(again, tenacity < 100);
        assert!(host.engine.stats.evicted_keys - before <= at_once as u64);
        host.settle();
        assert_eq!(host.key_count(), 0);
    }
}

#[test]
fn a_large_value_that_is_being_freed_saves_other_keys() {
    let mut host = Host::new();
    host.run("SET first x EX 10");
    for start in (0..200_000).step_by(1000) {
        let members: Vec<String> = (start..start + 1000).map(|i| format!("member {i}")).collect();
        let mut argv: Vec<&[u8]> = vec![b"SADD", b"large"];
        argv.extend(members.iter().map(String::as_bytes));
        host.send(&argv);
    }
    host.run("EXPIRE large 100");
    for number in 0..1000 {
        host.send(&[b"SET", name(number).as_bytes(), &VALUE, b"EX", b"1000"]);
    }
    host.squeeze("volatile-ttl", 1_000_000);
    host.run("SET new x");
    assert_eq!(host.integer("EXISTS first large"), 0);
    assert!(host.engine.lazyfree.pending() > 0);
    host.settle();
    assert_eq!(host.key_count(), 1001);
    assert_eq!(host.info("evicted_keys"), 2);
}

#[test]
fn what_is_being_freed_anyway_is_no_reason_to_refuse_a_write() {
    let mut host = with_keys(0, 0);
    for start in (0..200_000).step_by(1000) {
        let members: Vec<String> = (start..start + 1000).map(|i| format!("member {i}")).collect();
        let mut argv: Vec<&[u8]> = vec![b"SADD", b"large"];
        argv.extend(members.iter().map(String::as_bytes));
        host.send(&argv);
    }
    host.squeeze("noeviction", 1_000_000);
    let refused = host.send(&[b"SET", b"k", b"v"]);
    assert!(refused.starts_with("-OOM"));
    host.run("DEL large");
    host.run("SET k v");
    assert_eq!(host.info("evicted_keys"), 0);
}

#[test]
fn the_few_keys_that_may_go_are_found_among_times_that_belong_to_none() {
    for policy in POLICIES.iter().filter(|policy| policy.starts_with("volatile")) {
        let mut host = Host::new();
        for number in 0..3000 {
            let key = format!("hash:{number}");
            host.send(&[b"HSET", key.as_bytes(), b"f", b"v"]);
            host.run(&format!("HEXPIRE {key} 100 FIELDS 1 f"));
            host.run(&format!("SET stale:{number} x EX 50"));
            host.run(&format!("PERSIST stale:{number}"));
        }
        host.run("SET a x EX 1000");
        host.run("SET b x EX 1000");
        host.squeeze(policy, 100_000);
        host.settle();
        assert_eq!(host.integer("EXISTS a b"), 0, "{policy}");
        assert_eq!(host.key_count(), 6000, "{policy}");
        assert!(host.send(&[b"SET", b"k", b"v"]).starts_with("-OOM"));
    }
}

#[test]
fn a_pool_of_another_policy_is_not_used() {
    let mut host = with_keys(500, 500);
    host.squeeze("allkeys-lru", 1000);
    host.run("PING");
    let gone = host.engine.stats.evicted_keys;
    assert!((1..20).contains(&gone), "{gone}");
    host.squeeze("volatile-lru", 20_000);
    host.settle();
    let stay = 500 - host.integer("DBSIZE").abs_diff(host.integer("DBSIZE"));
    assert_eq!(stay, 500);
    let keys = host.run("KEYS stays:*");
    let stays: usize = keys.lines().next().unwrap()[1..].parse().unwrap();
    assert!(stays >= 500 - gone as usize, "{stays}");
}

#[test]
fn memory_usage_is_what_a_value_takes() {
    let number = |i: usize| i.to_string();
    let long = "x".repeat(100);
    type Fill = (&'static str, usize, &'static str);
    let fills: [Fill; 11] = [
        ("SET {key} {long}", 1, "string"),
        ("SETRANGE {key} 100000 x", 1, "long string"),
        ("RPUSH {key} {i}", 20, "short list"),
        ("RPUSH {key} {long}{i}", 5000, "list"),
        ("HSET {key} {i} x", 5000, "hash"),
        ("HSET {key} {long}{i} {long}", 3000, "hash of long fields"),
        ("SADD {key} {i}", 400, "intset"),
        ("SADD {key} member:{i}", 5000, "set"),
        ("ZADD {key} {i} member:{i}", 5000, "sorted set"),
        ("XADD {key} * field {i}", 5000, "stream"),
        ("PFADD {key} {i}", 3000, "hyperloglog"),
    ];
    for (form, count, what) in fills {
        let mut host = Host::new();
        // The tables of the database, and all else, are there from now on.
        host.run("SET other x");
        host.run(&form.replace("{key}", "warm").replace("{i}", "1").replace("{long}", &long));
        host.run("DEL warm");
        host.run("MEMORY USAGE other");
        let before = allocated();
        for i in 0..count {
            let line = form.replace("{key}", "key").replace("{i}", &number(i));
            host.run(&line.replace("{long}", &long));
        }
        let real = allocated() - before;
        for samples in [0, 5] {
            let told = host.integer(&format!("MEMORY USAGE key SAMPLES {samples}"));
            let slack = 200 + real / if samples == 0 { 20 } else { 5 };
            assert!(told.abs_diff(real) < slack, "{what}: {told}, really {real}");
        }
    }
}

#[test]
fn info_and_stats_tell_what_is_used() {
    let mut host = with_keys(1000, 1000);
    let used = host.info("used_memory");
    assert!(used.abs_diff(allocated()) < 50_000, "{used}");
    let dataset = host.info("used_memory_dataset");
    assert!((2000 * VALUE.len()..2000 * (VALUE.len() + 100)).contains(&dataset), "{dataset}");
    assert_eq!(dataset + host.info("used_memory_overhead"), host.info("used_memory"));
    host.run("CONFIG SET maxmemory 5mb maxmemory-policy allkeys-lfu");
    let info = host.run("INFO memory");
    for line in ["maxmemory:5242880", "maxmemory_human:5.00M", "maxmemory_policy:allkeys-lfu"] {
        assert!(info.contains(&format!("\r\n{line}\r\n")), "{line}: {info}");
    }
    let stats = host.run("MEMORY STATS");
    for name in ["total.allocated", "keys.count\r\n:2000\r\n", "db.0", "overhead.hashtable.main"] {
        assert!(stats.contains(name), "{name}: {stats}");
    }
    assert!(host.run("MEMORY DOCTOR").contains("Hardly any"));
    assert!(host.run("MEMORY MALLOC-STATS").contains("not supported"));
    host.run("MEMORY PURGE");
}
