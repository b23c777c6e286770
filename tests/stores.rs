//! Stores of every format there has been are opened by every version since.
//!
//! A folder of `tests/stores` is a store: `manifest`, and frames by the names `piece-<offset>` and
//! `record-<offset>`. All hold the same keyspace. `LODIS_WRITE_STORE=<folder> cargo test -p lodis
//! --test stores` writes one in the format of today: do that when the format changes, never again
//! for a folder that is there.

use lodis::engine::rdb::file::Purpose;
use lodis::engine::{Engine, Options};
use lodis::persist::frame::{Frame, Kind, encode};
use lodis::persist::lineage::Lineage;
use lodis::persist::manifest::{Base, Manifest, VERSION};
use lodis::persist::replay::Replay;
use std::fs;
use std::path::{Path, PathBuf};

const NOW_US: i64 = 1_700_000_000_000_000;

/// What the stores hold: the first of it in the base, where there is one.
const COMMANDS: [&[&str]; 2] = [
    &[
        "SET string a",
        "SET number 12345678901",
        "SET expiring x PXAT 4000000000000",
        "RPUSH list a b 3",
        "SADD intset 1 2 3",
        "SADD set a b c",
        "HSET hash f v g w",
        "ZADD zset 1 a 2.5 b -3 c",
        "XADD stream 1-1 f v",
        "XGROUP CREATE stream group 0",
        "PFADD hll a b c",
    ],
    &["APPEND string b", "LPOP list", "SREM set c", "ZINCRBY zset 1 a", "XADD stream 2-1 f w"],
];

fn folders() -> Vec<PathBuf> {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores");
    fs::read_dir(stores).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn engine() -> Engine {
    Engine::new(&Options { now_us: NOW_US, ..Options::default() })
}

fn run(engine: &mut Engine, lines: &[&str]) {
    let session = engine.connect();
    for line in lines {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        engine.call(session, &argv, &mut reply);
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
}

/// The frames of a kind, in the order of their offsets.
fn frames(folder: &Path, kind: &str) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if let Some(offset) = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-')) {
            frames.push((offset.parse::<u64>().unwrap(), fs::read(&path).unwrap()));
        }
    }
    frames.sort();
    frames.into_iter().map(|(_, bytes)| bytes).collect()
}

#[test]
fn every_store_is_opened() {
    let mut expected = engine();
    COMMANDS.iter().for_each(|lines| run(&mut expected, lines));
    let mut versions = Vec::new();
    for folder in folders() {
        let bytes = fs::read(folder.join("manifest")).unwrap();
        versions.push(u32::from_le_bytes(bytes[4..8].try_into().unwrap()));
        let manifest = Manifest::decode(&bytes).unwrap();
        let mut engine = engine();
        let mut replay = Replay::begin(&mut engine, &manifest);
        for frame in frames(&folder, "piece").into_iter().chain(frames(&folder, "record")) {
            replay.push(&frame).unwrap();
            while replay.step(&mut engine, 10).unwrap() {}
        }
        let finished = replay.finish(&mut engine).unwrap();
        assert_eq!(finished.repair, None, "{}", folder.display());
        assert!(manifest.recording);
        assert!(manifest.lineage.admits(manifest.epoch, finished.offset), "{}", folder.display());
        assert_eq!(engine.digest(), expected.digest(), "{}", folder.display());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=VERSION).collect::<Vec<_>>(), "one store of each format");
}

#[test]
fn a_store_is_written() {
    let Ok(folder) = std::env::var("LODIS_WRITE_STORE") else { return };
    let folder = Path::new(&folder);
    let mut engine = engine();
    engine.effects.set_enabled(true);
    run(&mut engine, COMMANDS[0]);
    let start = engine.effects.drain().flatten().count() as u64;
    engine.begin_snapshot(Purpose::Keep, &[]);
    let mut base = Base { number: 1, len: 0, saved_ms: NOW_US / 1000 };
    let write = |name: String, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    loop {
        let is_complete = engine.step_snapshot(100);
        let payload = engine.take_snapshot();
        if !payload.is_empty() {
            let offset = base.len;
            base.len += payload.len() as u64;
            let piece = Frame { kind: Kind::Piece, origin: 1, offset, payload: &payload };
            write(format!("piece-{offset}"), &encode(&piece).unwrap());
        }
        if is_complete {
            break;
        }
    }
    run(&mut engine, COMMANDS[1]);
    let payload: Vec<u8> = engine.effects.drain().flatten().collect();
    let record = Frame { kind: Kind::Record, origin: 3, offset: start, payload: &payload };
    write(format!("record-{start}"), &encode(&record).unwrap());
    let created_ms = NOW_US / 1000;
    let lineage = Lineage::default().succeeded(2, 0).succeeded(3, start);
    let manifest = Manifest { epoch: 3, start, created_ms, recording: true, base, lineage };
    write("manifest".to_owned(), &manifest.encode());
}
