//! What is read from files and stores.

use super::{Here, Target, dice_of};
use crate::generator::Dice;
use crate::{commands, mutate};
use lodis::engine::import::Import;
use lodis::engine::rdb::crc64;
use lodis::engine::rdb::file::Progress;
use lodis::engine::rdb::file::{Expired, Purpose};
use lodis::engine::session_state::SessionState;
use lodis::persist::frame::{self, Frame, Kind};
use lodis::persist::manifest::Manifest;
use lodis::persist::replay::Replay;

pub const RDB: Target = Target { name: "rdb", run: rdb, mutate: mutate_binary, seeds: rdb_seeds };
pub const DUMP: Target =
    Target { name: "dump", run: dump, mutate: mutate_binary, seeds: dump_seeds };
pub const LOG: Target = Target { name: "log", run: log, mutate: mutate_log, seeds: log_seeds };
pub const RECORDS: Target =
    Target { name: "records", run: records, mutate: mutate_binary, seeds: record_seeds };

fn mutate_binary(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    mutate::bytes(
        dice,
        corpus,
        input,
        &[&[0x80, 0, 0, 0x10, 0], &[0x81], &[0xff], &[0xc3], &[0xfe]],
    );
    input.truncate(16_384);
}

/// What fills a keyspace with everything there is.
fn populated(seed: u64, commands: usize) -> Here {
    let mut here = Here::new();
    let mut dice = Dice::new(seed);
    here.engine.config.limits.hash_max_listpack_entries = dice.pick(&[3, 512]);
    here.engine.config.limits.zset_max_listpack_entries = dice.pick(&[3, 128]);
    here.engine.config.limits.set_max_listpack_entries = dice.pick(&[3, 128]);
    here.engine.config.limits.set_max_intset_entries = dice.pick(&[3, 128]);
    for _ in 0..commands {
        let (argv, _) = commands::any(&mut dice);
        let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        here.call(&argv);
        here.engine.unblock(here.session, lodis::engine::blocking::Unblock::Timeout);
        here.engine.sessions.take_messages_of(here.session);
        let is_over = here.engine.sessions.get(here.session).is_none_or(|s| s.closing);
        if is_over || argv.first().is_some_and(|name| name.eq_ignore_ascii_case(b"multi")) {
            here.engine.disconnect(here.session);
            here.session = here.engine.connect();
        }
    }
    here
}

/// Files without their checksum.
fn rdb_seeds() -> Vec<Vec<u8>> {
    let file = |seed: u64| {
        let mut here = populated(seed, 20 + 10 * seed as usize);
        let purpose = if seed.is_multiple_of(2) { Purpose::Keep } else { Purpose::Travel };
        here.engine.begin_snapshot(purpose, &[("redis-ver", "8.4.0")]);
        while !here.engine.step_snapshot(1000) {}
        let mut file = here.engine.take_snapshot();
        file.truncate(file.len().saturating_sub(8));
        file
    };
    (0..16).map(file).collect()
}

fn rdb(input: &[u8]) {
    let file = [input, &crc64(0, input).to_le_bytes()].concat();
    let mut here = Here::new();
    let mut dice = dice_of(input);
    if dice.one_in(2) {
        here.line("SET old 1");
        let mut import = Import::begin(&mut here.engine);
        let most = dice.pick(&[1, 30, 10_000]);
        for piece in file.chunks(1 + dice.below(most)) {
            let mut step = import.push(&mut here.engine, piece).map(|()| Progress::Working);
            while let Ok(Progress::Working) = step {
                step = import.step(&mut here.engine, 1 + dice.below(500));
            }
            if step.is_err() {
                import.discard(&mut here.engine);
                assert_eq!(here.line("GET old"), b"$1\r\n1\r\n");
                return here.check();
            }
        }
        let _ = import.finish(&mut here.engine);
    } else {
        let _ = here.engine.load_rdb(&file, Expired::Keep);
    }
    touch_everything(&mut here);
    here.check();
}

/// What was read can be read again, and changed.
fn touch_everything(here: &mut Here) {
    let keys: Vec<(usize, Vec<u8>)> = here
        .engine
        .keyspace
        .iter()
        .enumerate()
        .flat_map(|(db, keys)| keys.keys().iter().map(move |(key, _)| (db, key.to_vec())))
        .take(20)
        .collect();
    for (db, key) in keys {
        here.call(&[b"SELECT", db.to_string().as_bytes()]);
        touch(here, &key);
    }
}

fn touch(here: &mut Here, key: &[u8]) {
    let kind = here.call(&[b"TYPE", key]);
    let commands: &[&[&[u8]]] = match kind.as_slice() {
        b"+string\r\n" => &[
            &[b"GETRANGE", key, b"0", b"-1"],
            &[b"PFCOUNT", key],
            &[b"PFMERGE", b"\xffhll", key],
            &[b"PFADD", key, b"x"],
            &[b"SETBIT", key, b"77", b"1"],
            &[b"APPEND", key, b"x"],
            &[b"INCRBYFLOAT", key, b"1.5"],
        ],
        b"+list\r\n" => &[
            &[b"LRANGE", key, b"0", b"-1"],
            &[b"LINSERT", key, b"BEFORE", b"a", b"b"],
            &[b"LSET", key, b"-1", b"zzz"],
            &[b"LREM", key, b"0", b"a"],
            &[b"LPUSH", key, b"x"],
            &[b"RPOP", key],
        ],
        b"+set\r\n" => &[
            &[b"SMEMBERS", key],
            &[b"SADD", key, b"x", b"12345678901"],
            &[b"SPOP", key],
            &[b"SREM", key, b"1", b"x"],
        ],
        b"+zset\r\n" => &[
            &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
            &[b"ZADD", key, b"INCR", b"1", b"x"],
            &[b"ZRANGEBYLEX", key, b"-", b"+"],
            &[b"ZPOPMIN", key],
            &[b"ZRANK", key, b"x"],
        ],
        b"+hash\r\n" => &[
            &[b"HGETALL", key],
            &[b"HSET", key, b"x", b"y"],
            &[b"HPEXPIRE", key, b"1000", b"FIELDS", b"1", b"x"],
            &[b"HRANDFIELD", key, b"3", b"WITHVALUES"],
            &[b"HDEL", key, b"x"],
        ],
        b"+stream\r\n" => &[
            &[b"XRANGE", key, b"-", b"+"],
            &[b"XINFO", b"STREAM", key, b"FULL"],
            &[b"XADD", key, b"*", b"f", b"v"],
            &[b"XDEL", key, b"1-1"],
            &[b"XTRIM", key, b"MAXLEN", b"2"],
            &[b"XAUTOCLAIM", key, b"g0", b"c", b"0", b"0"],
        ],
        _ => &[],
    };
    for argv in commands {
        here.call(argv);
    }
    here.call(&[b"OBJECT", b"ENCODING", key]);
    here.call(&[b"MEMORY", b"USAGE", key]);
    here.call(&[b"COPY", key, b"\xffcopy", b"REPLACE"]);
}

/// Payloads without version and checksum.
fn dump_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for seed in 0..12 {
        let mut here = populated(seed + 100, 60);
        let keys: Vec<Vec<u8>> =
            here.engine.keyspace.db(0).keys().iter().map(|(key, _)| key.to_vec()).collect();
        here.line("SELECT 0");
        for key in keys {
            let reply = here.call(&[b"DUMP", &key]);
            let start = reply.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let end = reply.len().saturating_sub(12);
            if reply.starts_with(b"$") && start < end {
                seeds.push(reply[start..end].to_vec());
            }
        }
    }
    seeds
}

fn dump(input: &[u8]) {
    let mut payload = input.to_vec();
    payload.extend_from_slice(&12u16.to_le_bytes());
    payload.extend_from_slice(&crc64(0, &payload).to_le_bytes());
    let mut here = Here::new();
    let reply = here.call(&[b"RESTORE", b"key", b"0", &payload]);
    if reply == b"+OK\r\n" {
        here.check();
        touch(&mut here, b"key");
    }
    here.check();
    let reply = here.call(&[b"FUNCTION", b"RESTORE", &payload]);
    if reply == b"+OK\r\n" {
        here.line("FUNCTION LIST");
        here.check();
    }
}

fn log_seeds() -> Vec<Vec<u8>> {
    let stream = |seed: u64| {
        let mut dice = Dice::new(seed);
        let mut here = Here::new();
        here.engine.effects.set_enabled(true);
        for _ in 0..30 {
            let (argv, _) = commands::any(&mut dice);
            let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
            here.call(&argv);
            here.engine.unblock(here.session, lodis::engine::blocking::Unblock::Timeout);
        }
        here.engine.effects.drain().flatten().collect()
    };
    (0..20).map(stream).collect()
}

fn mutate_log(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    const WORDS: &[&[u8]] = &[
        b"*1\r\n$5\r\nMULTI\r\n",
        b"*1\r\n$4\r\nEXEC\r\n",
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
    ];
    if dice.one_in(2) {
        commands::mutate(dice, corpus, input);
    } else {
        mutate::bytes(dice, corpus, input, WORDS);
    }
    input.truncate(16_384);
}

/// A log with good checksums, and anything in it, as records that are cut anywhere.
fn log(input: &[u8]) {
    let mut here = Here::new();
    let mut dice = dice_of(input);
    let mut replay = Replay::begin(&mut here.engine, &Manifest::default());
    let (mut offset, mut rest) = (0, input);
    let mut result = Ok(());
    while !rest.is_empty() && result.is_ok() {
        let (payload, later) = rest.split_at(rest.len().min(1 + dice.below(2000)));
        let frame = Frame { kind: Kind::Record, origin: 1, offset, payload };
        let Some(frame) = frame::encode(&frame) else { return };
        (offset, rest) = (offset + payload.len() as u64, later);
        result = replay.push(&frame);
        while result.is_ok() {
            match replay.step(&mut here.engine, 1 + dice.below(50)) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => result = Err(error),
            }
        }
    }
    match result {
        Err(_) => replay.abandon(&mut here.engine),
        Ok(()) => match replay.finish(&mut here.engine) {
            Err(_) => {}
            Ok(finished) => assert!(finished.offset <= input.len() as u64),
        },
    }
    here.check();
}

fn record_seeds() -> Vec<Vec<u8>> {
    let manifest = Manifest { epoch: 3, start: 10, recording: true, ..Manifest::default() };
    let frame =
        Frame { kind: Kind::Record, origin: 1, offset: 0, payload: b"*1\r\n$8\r\nFLUSHALL\r\n" };
    let frame = frame::encode(&frame).unwrap_or_default();
    let mut here = Here::new();
    here.line("CLIENT SETNAME x");
    here.line("SELECT 3");
    let state = here.engine.session_state(here.session).map(|state| state.encode());
    let first = |byte: u8, rest: &[u8]| [&[byte], rest].concat();
    vec![
        first(0, &manifest.encode()),
        first(1, &frame),
        first(2, &state.unwrap_or_default()),
        first(3, b"\x09\0\0\0maxmemory\x01\0\0\x001"),
        first(4, &here.line("COMMAND DOCS get")),
    ]
}

/// Everything else that has a form of its own.
fn records(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else { return };
    let mut here = Here::new();
    match kind {
        0 => {
            // With a checksum that is good for what it is in.
            for bytes in [rest.to_vec(), with_crc(rest, 8)] {
                if let Ok(manifest) = Manifest::decode(&bytes) {
                    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
                }
            }
        }
        1 => {
            let _ = frame::decode(Kind::Record, rest);
            let _ = frame::decode(Kind::Piece, rest);
        }
        2 => {
            if let Ok(state) = SessionState::decode(rest) {
                here.engine.restore_session(here.session, &state);
                here.call(&[b"CLIENT", b"INFO"]);
                here.call(&[b"CLIENT", b"TRACKINGINFO"]);
                here.call(&[b"PUBLISH", b"a", b"b"]);
            }
        }
        3 => {
            here.engine.config.adopt(rest);
            here.engine.config.maxmemory.bytes = 0;
        }
        _ => {
            let names = ["lodis-request", "lodis-undo", "lodis-away", "lodis-gone"];
            let aux: Vec<(Vec<u8>, Vec<u8>)> = names
                .iter()
                .zip(rest.chunks(rest.len() / names.len() + 1))
                .map(|(name, rest)| (name.as_bytes().to_vec(), rest.to_vec()))
                .collect();
            let _ = here.engine.requests.load(&aux);
            let words: Vec<&[u8]> = rest.split(|byte| *byte == b' ').collect();
            let _ = here.engine.requests.apply(&words);
        }
    }
    here.check();
}

/// The last bytes become the checksum of those before.
fn with_crc(bytes: &[u8], len: usize) -> Vec<u8> {
    let body = &bytes[..bytes.len().saturating_sub(len)];
    [body, &crc64(0, body).to_le_bytes()].concat()
}
