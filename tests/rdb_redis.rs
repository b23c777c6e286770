//! RDB files travel to a real redis-server and back: random data of every type, and what is far
//! beyond any slice. Skipped, saying so, where redis-server is not installed.

use files::{Here, fills, load, save};
use generator::{Dice, Forms, Times, seeds};
use lodis::engine::Engine;
use lodis::engine::rdb::file::{Expired, Purpose, Usage, ValueCursor, Writer};
use lodis::engine::types::StringValue;
use pair::{Pair, words};
use real_redis::{Client, Redis};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

#[path = "rdb/files.rs"]
mod files;
mod generator;
#[path = "differential/pair.rs"]
mod pair;
mod real_redis;
#[path = "differential/reply.rs"]
mod reply;

/// Random keyspaces of a run, each way.
const KEYSPACES: u64 = 8;
/// Commands that make one.
const COMMANDS: usize = 3000;

/// Commands after which fields expire; 7.0 knows none that do.
const FIELDS_EXPIRE: [&str; 6] =
    ["hexpire", "hpexpire", "hexpireat", "hpexpireat", "hsetex", "hgetex"];

/// A directory that goes when this does.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lodis-rdb-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A directory with this file in it.
    fn with(file: &[u8]) -> Self {
        let directory = Self::new();
        std::fs::write(directory.file(), file).unwrap();
        directory
    }

    fn file(&self) -> PathBuf {
        self.0.join("dump.rdb")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn now_ms() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

/// Keys, values, expiry times and encodings have to be the same in both.
fn compare(redis: &Redis, engine: Engine, seed: u64) {
    if let Err(error) = Pair::of(redis, engine).compare_keys() {
        panic!("{error}\nAgain: LODIS_SEED={seed} cargo test -p lodis --test rdb_redis");
    }
}

/// Every key of a real server has to have the content that it has here, consumer groups and the
/// last digit included.
fn compare_dumps(redis: &mut Redis, engine: &Engine) {
    for (db, keys) in engine.keyspace.iter().enumerate() {
        redis.call(&[b"SELECT", db.to_string().as_bytes()]);
        let now = engine.now_ms();
        for (key, object) in keys.keys().iter().filter(|(_, object)| !object.is_expired(now)) {
            let reply = redis.call(&[b"DUMP", key]);
            let line = reply.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let payload = &reply[line..reply.len() - 2];
            let theirs = lodis::engine::rdb::restore(payload, engine.config.limits).unwrap();
            assert_eq!(theirs.digest(), object.value.digest(), "{}", key.escape_ascii());
        }
    }
}

#[test]
fn a_real_server_loads_our_files() {
    for seed in seeds(KEYSPACES, false) {
        let mut dice = Dice::new(seed);
        let mut here = Here::at(seed, now_ms());
        here.populate_at(Times::Far, &mut dice, COMMANDS, |name| !FIELDS_EXPIRE.contains(&name));
        assert!(here.keys().len() > 10, "{} keys", here.keys().len());
        assert!(!here.engine.keyspace.fields_expire());
        let file = save(&here.engine, Purpose::Travel, 1 + dice.below(500));
        let directory = Directory::with(&file);
        let Some(mut redis) = Redis::start_in(&directory.0) else { return };
        compare_dumps(&mut redis, &here.engine);
        // Encodings depend on what was, unless both have just been loaded.
        let mut copy = Here::at(seed, now_ms());
        load(&mut copy.engine, &file, None, Expired::Skip).unwrap();
        compare(&redis, copy.engine, seed);
    }
}

/// Tells a server to do what makes a random keyspace.
fn populate(redis: &Redis, dice: &mut Dice) {
    let forms = Forms::load(|form| !form.here && form.since.is_none_or(|since| since <= (7, 0)));
    let mut client: Client = redis.connect();
    for (name, values) in files::PARAMETERS {
        // 7.2 brought the listpack of sets.
        let value = dice.pick(values);
        client.send_all([words(&format!("CONFIG SET {name} {value}")).as_slice()]);
        let reply = client.read();
        assert!(reply == b"+OK\r\n" || name.starts_with("set-max-listpack"), "{name}");
    }
    let mut left = COMMANDS;
    while left > 0 {
        let mut commands = Vec::new();
        while commands.len() < 64 {
            let (argv, _) = forms.command(dice, Times::Far);
            if fills(&argv) {
                commands.push(argv);
            }
        }
        client.send_all(commands.iter().map(Vec::as_slice));
        commands.iter().for_each(|_| _ = client.read());
        left = left.saturating_sub(commands.len());
    }
}

#[test]
fn files_of_a_real_server_are_loaded() {
    for seed in seeds(KEYSPACES, false) {
        let mut dice = Dice::new(seed);
        let directory = Directory::new();
        let Some(mut redis) = Redis::start_in(&directory.0) else { return };
        if dice.one_in(2) {
            let plain: [&[u8]; 3] = [b"DEBUG", b"QUICKLIST-PACKED-THRESHOLD", b"10b"];
            assert_eq!(redis.call(&plain), b"+OK\r\n");
        }
        if dice.one_in(3) {
            redis.call(&[b"CONFIG", b"SET", b"rdbcompression", b"no"]);
        }
        populate(&redis, &mut dice);
        assert_eq!(redis.call(&[b"SAVE"]), b"+OK\r\n");
        let file = std::fs::read(directory.file()).unwrap();
        let mut here = Here::at(seed, now_ms());
        let loaded = load(&mut here.engine, &file, Some(&mut dice), Expired::Keep).unwrap();
        assert!(loaded.keys > 10 && loaded.bytes == file.len() as u64);
        assert!(loaded.aux.iter().any(|(name, _)| name == b"redis-ver"));
        compare_dumps(&mut redis, &here.engine);
        let Some(again) = Redis::start_in(&directory.0) else { return };
        compare(&again, here.engine, seed);
    }
}

#[test]
fn damaged_files_of_a_real_server_never_trap() {
    let directory = Directory::new();
    let Some(mut redis) = Redis::start_in(&directory.0) else { return };
    let [mut loaded, mut refused] = [0, 0];
    for seed in seeds(4, false) {
        let mut dice = Dice::new(seed);
        redis.call(&[b"FLUSHALL"]);
        populate(&redis, &mut dice);
        assert_eq!(redis.call(&[b"SAVE"]), b"+OK\r\n");
        let whole = std::fs::read(directory.file()).unwrap();
        let body = whole.len() - 8;
        for _ in 0..1500 {
            let mut file = whole.clone();
            for _ in 0..=dice.below(3) {
                file[9 + dice.below(body - 9)] = dice.next() as u8;
            }
            if dice.one_in(4) {
                file.truncate(dice.below(body));
            } else {
                // Damage that no checksum tells.
                file[body..].fill(0);
            }
            let mut here = Here::at(seed, now_ms());
            match load(&mut here.engine, &file, Some(&mut dice), Expired::Keep) {
                Ok(_) => {
                    loaded += 1;
                    here.populate_at(Times::Far, &mut dice, 50, |_| true);
                    save(&here.engine, Purpose::Keep, 100);
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.offset <= file.len() as u64, "{error}");
                }
            }
        }
    }
    assert!(loaded > 500 && refused > 500, "{loaded} loaded, {refused} refused");
}

#[test]
fn a_real_server_has_our_functions() {
    let mut here = Here::at(1, now_ms());
    let library = "#!lua name=ours\nredis.register_function('ours', function() return 7 end)";
    let words = [&b"FUNCTION"[..], b"LOAD", library.as_bytes()];
    let mut reply = Vec::new();
    here.engine.call(here.session, &words, &mut reply);
    assert_eq!(reply, b"$4\r\nours\r\n");
    assert!(here.engine.begin_snapshot(Purpose::Travel, &[]));
    while !here.engine.step_snapshot(100) {}
    let directory = Directory::with(&here.engine.take_snapshot());
    let Some(mut redis) = Redis::start_in(&directory.0) else { return };
    assert_eq!(redis.call(&[b"FCALL", b"ours", b"0"]), b":7\r\n");
}

#[test]
fn functions_and_frequencies_are_read() {
    let directory = Directory::new();
    let Some(mut redis) = Redis::start_in(&directory.0) else { return };
    redis.call(&[b"SET", b"k", b"v"]);
    let library = b"#!lua name=one\nredis.register_function('one', function() return 1 end)";
    assert_eq!(redis.call(&[b"FUNCTION", b"LOAD", library]), b"$3\r\none\r\n");
    redis.call(&[b"CONFIG", b"SET", b"maxmemory-policy", b"allkeys-lfu"]);
    redis.call(&[b"SET", b"often", b"v"]);
    for _ in 0..3000 {
        redis.call(&[b"GET", b"often"]);
    }
    let before = redis.call(&[b"OBJECT", b"FREQ", b"often"]);
    assert_eq!(redis.call(&[b"SAVE"]), b"+OK\r\n");
    let mut here = Here::at(1, now_ms());
    let file = std::fs::read(directory.file()).unwrap();
    let loaded = load(&mut here.engine, &file, None, Expired::Skip).unwrap();
    assert_eq!((loaded.keys, loaded.functions), (2, 0));
    assert_eq!(here.engine.libraries().get(b"one"), Some(&library[..]));
    assert_eq!(here.run("FCALL one 0"), ":1\r\n");
    assert_eq!(here.run("CONFIG SET maxmemory-policy allkeys-lfu"), "+OK\r\n");
    let ours = here.run("OBJECT FREQ often").into_bytes();
    // It may have gone down with a minute that has passed.
    let after = redis.call(&[b"OBJECT", b"FREQ", b"often"]);
    assert!(ours == before || ours == after, "{}", ours.escape_ascii());
    assert_eq!(here.run("GET k"), "$1\r\nv\r\n");
}

#[test]
fn a_real_server_is_told_how_keys_were_used() {
    let mut writer = Writer::new(Purpose::Travel, false, &[]);
    writer.select(2, 2, 0);
    for (key, usage) in
        [("often", Usage::Frequency(200)), ("idle", Usage::Idle(5000)), ("new", Usage::Untold)]
    {
        let value = StringValue::text(b"v").unwrap().into();
        writer.begin_key(key.as_bytes(), &value, None, usage);
        assert!(writer.value(&value, &mut ValueCursor::default(), 100));
    }
    writer.finish();
    let directory = Directory::with(&writer.take());
    let Some(mut redis) = Redis::start_in(&directory.0) else { return };
    let policy = |policy: &'static str| {
        [b"CONFIG", "SET".as_bytes(), b"maxmemory-policy", policy.as_bytes()]
    };
    for (eviction, question, key, least, most) in [
        ("allkeys-lru", "IDLETIME", "idle", 5000, 5100),
        ("allkeys-lru", "IDLETIME", "new", 0, 100),
        ("allkeys-lfu", "FREQ", "often", 199, 200),
        ("allkeys-lfu", "FREQ", "new", 1, 10),
    ] {
        assert_eq!(redis.call(&policy(eviction)), b"+OK\r\n");
        // This reads the file again.
        assert_eq!(redis.call(&[b"DEBUG", b"RELOAD", b"NOSAVE"]), b"+OK\r\n");
        assert_eq!(redis.call(&[b"SELECT", b"2"]), b"+OK\r\n");
        let reply = redis.call(&[b"OBJECT", question.as_bytes(), key.as_bytes()]);
        let number = String::from_utf8(reply).unwrap()[1..].trim().parse::<i64>().unwrap();
        assert!((least..=most).contains(&number), "{question} {key}: {number}");
    }
}

/// Puts `count` elements into a key of every kind.
fn fill(mut call: impl FnMut(&[&[u8]]), count: usize) {
    let texts: Vec<String> = (0..count).map(|n| format!("element {n} {}", n * n)).collect();
    for chunk in texts.chunks(500) {
        let mut each = |head: &str, words: &dyn Fn(&String) -> Vec<Vec<u8>>| {
            let words: Vec<Vec<u8>> = chunk.iter().flat_map(words).collect();
            let head = head.split(' ').map(str::as_bytes);
            call(&head.chain(words.iter().map(Vec::as_slice)).collect::<Vec<_>>());
        };
        let bytes = |text: &String| text.clone().into_bytes();
        let score = |text: &String| (text.len() as f64 / 7.0).to_string().into_bytes();
        each("RPUSH list1", &|text| vec![bytes(text)]);
        each("SADD set1", &|text| vec![bytes(text)]);
        each("ZADD zset1", &|text| vec![score(text), bytes(text)]);
        each("HSET hash1", &|text| vec![bytes(text), bytes(text)]);
    }
    for n in 1..=count {
        call(&[
            b"XADD",
            b"stream1",
            format!("{n}-1").as_bytes(),
            b"field",
            texts[n - 1].as_bytes(),
        ]);
    }
    call(&[b"XGROUP", b"CREATE", b"stream1", b"g0", b"0"]);
    for consumer in [b"c0", b"c1"] {
        let group: [&[u8]; 3] = [b"XREADGROUP", b"GROUP", b"g0"];
        let rest: [&[u8]; 6] = [consumer, b"COUNT", b"3000", b"STREAMS", b"stream1", b">"];
        call(&[&group[..], &rest].concat());
    }
    let phrase = b"again and again ".repeat(count);
    call(&[b"SET", b"string1", &phrase]);
    let mut dice = Dice::new(1);
    let noise: Vec<u8> = (0..count * 8).map(|_| dice.next() as u8).collect();
    call(&[b"SET", b"string2", &noise]);
    call(&[b"RPUSH", b"list2", &noise, b"small", &phrase]);
    call(&[b"PEXPIREAT", b"list2", b"33177117420499"]);
}

#[test]
fn large_values_travel_both_ways() {
    let directory = Directory::new();
    let Some(mut redis) = Redis::start_in(&directory.0) else { return };
    fill(|argv| _ = redis.call(argv), 20_000);
    assert_eq!(redis.call(&[b"SAVE"]), b"+OK\r\n");
    let file = std::fs::read(directory.file()).unwrap();
    let mut here = Here::at(1, now_ms());
    let mut dice = Dice::new(2);
    load(&mut here.engine, &file, Some(&mut dice), Expired::Skip).unwrap();
    assert_eq!(here.keys().len(), 8);
    compare_dumps(&mut redis, &here.engine);
    compare(&redis, here.engine, 0);

    let mut here = Here::at(1, now_ms());
    fill(|argv| _ = here.call(argv), 20_000);
    let directory = Directory::with(&save(&here.engine, Purpose::Travel, 4000));
    let Some(mut redis) = Redis::start_in(&directory.0) else { return };
    assert_eq!(redis.call(&[b"DBSIZE"]), b":8\r\n");
    compare_dumps(&mut redis, &here.engine);
    compare(&redis, here.engine, 0);
}
