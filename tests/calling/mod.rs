//! An engine, and sessions that call it with lines as redis-cli takes them.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::resp::split_words;

pub fn engine() -> Engine {
    Engine::new(&Options { now_us: 1_700_000_000_000_000, ..Options::default() })
}

pub fn call(engine: &mut Engine, id: SessionId, line: &str) -> String {
    let words = split_words(line.as_bytes()).unwrap();
    let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut reply = Vec::new();
    engine.call(id, &argv, &mut reply);
    String::from_utf8(reply).unwrap()
}

/// A session in RESP3 that has called this.
pub fn session(engine: &mut Engine, lines: &[&str]) -> SessionId {
    let id = engine.connect();
    call(engine, id, "HELLO 3");
    lines.iter().for_each(|line| assert!(!call(engine, id, line).starts_with('-'), "{line}"));
    id
}
