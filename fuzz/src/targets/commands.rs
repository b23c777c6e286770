//! Argument vectors, right and wrong, over a keyspace with a bit of everything.

use super::{Here, NOW_MS, Target};
use crate::commands::{any, mutate, read, write};
use crate::generator::Dice;
use lodis::engine::Engine;
use lodis::engine::blocking::Unblock;
use lodis::engine::rdb::file::Purpose;
use lodis::persist::frame::{Frame, Kind, encode};
use lodis::persist::manifest::Manifest;
use lodis::persist::replay::Replay;

pub const TARGET: Target = Target { name: "commands", run, mutate, seeds };

/// What there is before the first command.
const KEYSPACE: &str = "\
SET string1 hello
SET string2 12345
SET bits1 \u{7f}abc
RPUSH list1 a b c 1 2 3
HSET hash1 f1 v1 f2 2 f3 3.5
SADD set1 m1 m2 m3
SADD set2 1 2 3 99999999999
ZADD zset1 1 m1 2 m2 3.5 m3
GEOADD geo1 13.361389 38.115556 m1 15.087269 37.502669 m2
PFADD hll1 a b c
XADD stream1 1-1 f v
XADD stream1 2-1 f v g w
XGROUP CREATE stream1 g0 0
XREADGROUP GROUP g0 c0 COUNT 1 STREAMS stream1 >
PEXPIRE string2 1000000
HPEXPIRE hash1 1000000 FIELDS 1 f1";

/// Settings that let commands run for longer than anybody waits.
const TOO_LONG: [&[u8]; 3] = [b"busy-reply-threshold", b"lua-time-limit", b"proto-max-bulk-len"];

fn seeds() -> Vec<Vec<u8>> {
    let mut dice = Dice::new(1);
    (0..100).map(|_| write(&(0..8).map(|_| any(&mut dice).0).collect::<Vec<_>>())).collect()
}

fn run(input: &[u8]) {
    let mut here = Here::new();
    for line in KEYSPACE.lines() {
        let reply = here.line(line);
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
    let base = snapshot(&mut here);
    here.engine.effects.set_enabled(true);
    let mut stream = Vec::new();
    let mut now_ms = NOW_MS;
    for argv in read(input) {
        let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        if let [b"@", later] = words.as_slice() {
            let later = std::str::from_utf8(later).ok().and_then(|word| word.parse::<u32>().ok());
            now_ms += i64::from(later.unwrap_or_default());
            here.engine.set_time(now_ms * 1000);
            here.engine.tick();
        } else if words.iter().any(|word| TOO_LONG.iter().any(|no| word.eq_ignore_ascii_case(no))) {
            continue;
        } else {
            here.step(&words);
        }
        stream.extend(here.engine.effects.drain().flatten());
    }
    here.check();
    replay(&here, &base, &stream);
}

impl Here {
    fn step(&mut self, words: &[&[u8]]) {
        let mut out = Vec::new();
        self.engine.call(self.session, words, &mut out);
        self.engine.unblock(self.session, Unblock::Timeout);
        self.engine.sessions.take_messages_of(self.session);
        if self.engine.sessions.get(self.session).is_none_or(|session| session.closing) {
            self.engine.disconnect(self.session);
            self.session = self.engine.connect();
        }
    }
}

fn snapshot(here: &mut Here) -> Vec<u8> {
    here.engine.begin_snapshot(Purpose::Keep, &[]);
    while !here.engine.step_snapshot(1 << 20) {}
    let file = here.engine.take_snapshot();
    here.engine.end_snapshot();
    file
}

/// The log makes the same keyspace.
fn replay(here: &Here, base: &[u8], stream: &[u8]) {
    let mut copy = Here::new();
    copy.engine.set_time(here.engine.now_us());
    let mut manifest = Manifest::default();
    (manifest.base.number, manifest.base.len) = (1, base.len() as u64);
    let mut replay = Replay::begin(&mut copy.engine, &manifest);
    let mut frames = vec![Frame { kind: Kind::Piece, origin: 1, offset: 0, payload: base }];
    if !stream.is_empty() {
        frames.push(Frame { kind: Kind::Record, origin: 1, offset: 0, payload: stream });
    }
    for frame in frames {
        let Some(frame) = encode(&frame) else { panic!("too large for a frame") };
        push(&mut replay, &mut copy.engine, &frame);
    }
    match replay.finish(&mut copy.engine) {
        Ok(finished) => assert_eq!(finished.repair, None),
        Err(error) => panic!("its own log is refused: {error:?}"),
    }
    here.same_as(&copy.engine, "its own log");
}

fn push(replay: &mut Replay, engine: &mut Engine, frame: &[u8]) {
    if let Err(error) = replay.push(frame) {
        panic!("its own log is refused: {error:?}");
    }
    loop {
        match replay.step(engine, 1000) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => panic!("its own log is refused: {error:?}"),
        }
    }
}
