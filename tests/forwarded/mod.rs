//! Requests of other tabs, as a leader runs them, and what a successor makes of the stream.

// Every test binary that includes this uses its own part of it.
#![allow(dead_code)]

use lodis::engine::rdb::file::Purpose;
use lodis::engine::requests::RequestId;
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::persist::follow::Follower;
use lodis::persist::frame::{Frame, Kind, encode};
use lodis::persist::manifest::{Base, Manifest};
use lodis::persist::replay::{Replay, ReplayError};
use lodis::resp::{Request, RequestParser, split_words};

const NOW_MS: i64 = 1_700_000_000_000;

/// An engine that has nothing to do with a stream.
pub fn engine() -> Engine {
    Engine::new(&Options { now_us: NOW_MS * 1000, ..Options::default() })
}

/// An engine whose effects are recorded.
pub fn leader() -> Engine {
    let mut engine = engine();
    engine.effects.set_enabled(true);
    engine
}

/// The number of a request.
pub fn id(tab: u64, seq: u64) -> RequestId {
    RequestId { tab, seq }
}

/// The number of one that may block.
pub fn blocking(tab: u64, seq: u64) -> RequestId {
    RequestId::new(tab, seq, true)
}

/// One command; answers its reply.
pub fn call(engine: &mut Engine, session: SessionId, line: &str) -> String {
    let words = split_words(line.as_bytes()).unwrap();
    let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut reply = Vec::new();
    engine.call(session, &argv, &mut reply);
    String::from_utf8(reply).unwrap()
}

/// Whether the session waits.
pub fn is_blocked(engine: &Engine, session: SessionId) -> bool {
    engine.sessions.get(session).is_some_and(|session| session.blocked.is_some())
}

/// A part of a request: what is left of the frame, up to a command that blocks. Answers the replies.
pub fn run(
    engine: &mut Engine,
    session: SessionId,
    id: RequestId,
    acked: u64,
    frame: &[&str],
) -> String {
    engine.begin_request(session, id, acked);
    let (mut replies, mut done) = (String::new(), 0);
    for line in frame {
        replies += &call(engine, session, line);
        if is_blocked(engine, session) {
            break;
        }
        done += 1;
    }
    engine.end_request(replies.as_bytes(), done);
    replies
}

/// The commands of a stream, one a line; the selection of database 0 apart.
pub fn lines(stream: &[u8]) -> Vec<String> {
    let (mut parser, mut found) = (RequestParser::default(), Vec::new());
    while let Some(request) = parser.next(stream).unwrap() {
        let Request::Array(words) = request else { panic!("an inline command") };
        let text = |range: std::ops::Range<usize>| stream[range].escape_ascii().to_string();
        found.push(words.into_iter().map(text).collect::<Vec<_>>().join(" "));
    }
    found.retain(|line| line != "SELECT 0");
    found
}

/// What the stream has told since the last time.
pub fn effects(engine: &mut Engine) -> Vec<String> {
    engine.effects.drain().flat_map(|stretch| lines(&stretch)).collect()
}

/// What an engine knows: (tab, seq), commands done, replies.
pub fn known(engine: &Engine) -> Vec<(u64, u64, u32, String)> {
    let text = |reply: &[u8]| String::from_utf8(reply.to_vec()).unwrap();
    engine.requests.iter().map(|(id, done, reply)| (id.tab, id.seq, done, text(reply))).collect()
}

/// Applies a stream to a new engine.
pub fn followed(stream: &[u8]) -> Engine {
    let mut engine = engine();
    engine.set_follower(true);
    let mut follower = Follower::new(&mut engine, 0);
    follower.push(0, stream).unwrap();
    while follower.step(&mut engine, 10).unwrap() {}
    follower.end_following(&mut engine);
    engine
}

/// A frame of a store.
pub fn frame(kind: Kind, offset: u64, payload: &[u8]) -> Vec<u8> {
    encode(&Frame { kind, origin: 1, offset, payload }).unwrap()
}

/// A new engine that has loaded a base, and the stream since.
pub fn loaded(base: &[u8], start: u64, log: &[u8]) -> Result<Engine, ReplayError> {
    let mut engine = engine();
    // What was there before is not to be found any more.
    let session = engine.connect();
    call(&mut engine, session, "SET before 1");
    run(&mut engine, session, id(99, 1), 0, &["SET before 2"]);
    let base_of = Base { number: 1, len: base.len() as u64, saved_ms: 0 };
    let manifest = Manifest { start, base: base_of, ..Manifest::default() };
    let mut replay = Replay::begin(&mut engine, &manifest);
    let frames = [(Kind::Piece, 0, base), (Kind::Record, start, log)];
    for (kind, offset, payload) in frames.into_iter().filter(|(.., payload)| !payload.is_empty()) {
        replay.push(&frame(kind, offset, payload))?;
        while replay.step(&mut engine, 10)? {}
    }
    replay.finish(&mut engine)?;
    Ok(engine)
}

/// A base.
pub fn snapshot(engine: &mut Engine, purpose: Purpose) -> Vec<u8> {
    assert!(engine.begin_snapshot(purpose, &[("redis-ver", "8.4.0")]));
    while !engine.step_snapshot(1000) {}
    let bytes = engine.take_snapshot();
    engine.end_snapshot();
    bytes
}
