//! What commands write to the effect stream and which keyspace events they publish, here and at a
//! real server, where effects are what its replicas get.

mod real_redis;

use lodis::engine::effects::STRETCH_LEN;
use lodis::engine::notify::parse_classes;
use lodis::engine::pubsub::Space;
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::resp::{Request, RequestParser, split_words};
use real_redis::{Client, Redis};
use std::path::Path;

/// Thursday 14 November 2023, in Unix milliseconds.
const NOW_MS: i64 = 1_700_000_000_000;

struct Harness {
    engine: Engine,
    session: SessionId,
    listener: SessionId,
}

impl Harness {
    fn new() -> Self {
        let mut engine = Engine::new(&Options { now_us: NOW_MS * 1000, ..Options::default() });
        engine.effects.set_enabled(true);
        engine.config.notify = parse_classes(b"KEAnm").unwrap();
        let (session, listener) = (engine.connect(), engine.connect());
        engine.pubsub.add(Space::Pattern, b"__keyevent@*", listener);
        Self { engine, session, listener }
    }

    fn call(&mut self, line: &str) -> String {
        let words = split_words(line.as_bytes()).unwrap();
        let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut reply = Vec::new();
        self.engine.call(self.session, &argv, &mut reply);
        String::from_utf8(reply).unwrap()
    }

    /// `effects | events` of a command; of `stats`, the hits and misses so far.
    fn outcome(&mut self, line: &str) -> String {
        if line == "stats" {
            let stats = &self.engine.stats;
            return format!("{} hits, {} misses", stats.keyspace_hits, stats.keyspace_misses);
        }
        self.call(line);
        format!("{} | {}", self.effects(), self.events())
    }

    /// The effects since the last time, without the selection of database 0.
    fn effects(&mut self) -> String {
        written(commands(&self.engine.effects.take()))
    }

    /// The events since the last time, each with its key; those of other databases than 0 marked.
    fn events(&mut self) -> String {
        let messages = self.engine.sessions.take_messages_of(self.listener);
        published(commands(&messages))
    }
}

/// Arrays of bulk strings, which effects are, and messages in RESP2 too.
fn commands(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut parser = RequestParser::default();
    let mut found = Vec::new();
    while let Some(request) = parser.next(bytes).unwrap() {
        let Request::Array(words) = request else { panic!("an inline command") };
        let text = |range: std::ops::Range<usize>| bytes[range].escape_ascii().to_string();
        found.push(words.into_iter().map(text).collect());
    }
    assert_eq!(parser.position(), bytes.len());
    found
}

/// Effects as the files have them.
fn written(effects: Vec<Vec<String>>) -> String {
    let effects = effects.iter().map(|words| words.join(" "));
    effects.filter(|effect| effect != "SELECT 0").collect::<Vec<_>>().join("; ")
}

/// Messages of `__keyevent@*` as the files have them.
fn published(messages: Vec<Vec<String>>) -> String {
    let events = messages.into_iter().map(|message| {
        let (db, event) = message[2].rsplit_once("__:").unwrap();
        let db = db.trim_start_matches("__keyevent@");
        let mark = if db == "0" { String::new() } else { format!("@{db}") };
        format!("{event} {}{mark}", message[3])
    });
    events.collect::<Vec<_>>().join("; ")
}

/// A line of a file in `tests/effects`: a command and what comes of it.
struct Case {
    command: String,
    here: String,
    /// Unless the real server does not know the command.
    redis: Option<String>,
}

/// The files of `tests/effects`.
fn files() -> Vec<(String, Vec<Case>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/effects");
    let entries = std::fs::read_dir(directory).expect("tests/effects is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "effects"))
        .map(|path| (path.display().to_string(), cases(&std::fs::read_to_string(&path).unwrap())))
        .collect();
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(!files.is_empty(), "no cases");
    files
}

/// `command => effects | events`; after it, where it is not the same, `redis: effects | events`.
/// What comes after `@here` is newer than the real server.
fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut shared = true;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let outcome = |text: &str| match text.trim_start().strip_prefix('|') {
            Some(events) => format!(" | {}", events.trim()),
            None if text.ends_with('|') => format!("{text} "),
            None => text.to_owned(),
        };
        if let Some(text) = line.strip_prefix("redis: ") {
            cases.last_mut().expect("a case above").redis = Some(outcome(text));
            continue;
        }
        if line == "@here" {
            shared = false;
            continue;
        }
        let (command, here) = line.split_once(" => ").expect("command => effects | events");
        let here = outcome(here);
        let redis = shared.then(|| here.clone());
        cases.push(Case { command: command.to_owned(), redis, here });
    }
    cases
}

/// A real server, what it sends its replicas and the events it publishes.
struct Observed<'a> {
    redis: &'a mut Redis,
    replica: Client,
    listener: Client,
}

/// The channel of the messages that tell where a command ends.
const MARK: &str = "mark";

impl<'a> Observed<'a> {
    fn new(redis: &'a mut Redis) -> Self {
        for [name, value] in [
            ["notify-keyspace-events", "KEAnm"],
            ["repl-ping-replica-period", "3600"],
            ["repl-diskless-sync-delay", "0"],
        ] {
            redis.call(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]);
        }
        redis.call(&[b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0"]);
        let (replica, mut listener) = (redis.replica(), redis.connect());
        listener.send(&[b"PSUBSCRIBE", b"__keyevent@*", MARK.as_bytes()]);
        listener.read();
        listener.read();
        redis.call(&[b"CONFIG", b"RESETSTAT"]);
        Self { redis, replica, listener }
    }

    fn outcome(&mut self, line: &str) -> String {
        if line == "stats" {
            let info = self.redis.call(&[b"INFO", b"stats"]);
            let info = String::from_utf8_lossy(&info).into_owned();
            let field = |name| info.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            return format!(
                "{} hits, {} misses",
                field("keyspace_hits:"),
                field("keyspace_misses:")
            );
        }
        let words = split_words(line.as_bytes()).unwrap();
        self.redis.call(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
        self.redis.call(&[b"PUBLISH", MARK.as_bytes(), b""]);
        let effects = until(&mut self.replica, |words| words[0] == "PUBLISH");
        let events = until(&mut self.listener, |words| words[2] == MARK);
        format!("{} | {}", written(effects), published(events))
    }
}

/// What arrives before a message.
fn until(client: &mut Client, is_last: impl Fn(&[String]) -> bool) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    loop {
        let words = commands(&client.read()).remove(0);
        if is_last(&words) {
            return found;
        }
        found.push(words);
    }
}

/// Without times of this century, which are those of the clock.
fn timeless(outcome: &str) -> String {
    let is_time = |word: &str| word.len() == 13 && word.starts_with('1') && !word.contains(';');
    let words = outcome.split(' ').map(|word| match word.strip_suffix(';') {
        Some(time) if is_time(time) => "<ms>;",
        None if is_time(word) => "<ms>",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn effects_and_events_are_as_written() {
    for (name, cases) in files() {
        let mut harness = Harness::new();
        let mut wrong = String::new();
        for case in cases {
            let found = harness.outcome(&case.command);
            if found != case.here {
                wrong.push_str(&format!("{}\n  => {}\n  not {found}\n", case.command, case.here));
            }
        }
        assert!(wrong.is_empty(), "{name}\n{wrong}");
    }
}

#[test]
fn effects_and_events_are_those_of_redis() {
    for (name, cases) in files() {
        let Some(mut redis) = Redis::start() else { return };
        let mut observed = Observed::new(&mut redis);
        let mut wrong = String::new();
        for case in cases {
            let Some(expected) = &case.redis else { continue };
            let [expected, found] =
                [expected, &observed.outcome(&case.command)].map(|o| timeless(o));
            if found != expected {
                wrong.push_str(&format!("{}\n  => {expected}\n  redis {found}\n", case.command));
            }
        }
        assert!(wrong.is_empty(), "{name}\n{wrong}");
    }
}

#[test]
fn replayed_effects_make_the_same_keyspace() {
    for (name, cases) in files() {
        let mut original = Harness::new();
        let mut stream = Vec::new();
        for case in cases {
            original.call(&case.command);
            stream.extend(original.engine.effects.take());
        }
        let copy = replay(&stream);
        assert_eq!(copy.engine.digest(), original.engine.digest(), "{name}");
    }
}

/// An engine that has loaded the stream.
fn replay(stream: &[u8]) -> Harness {
    let mut copy = Harness::new();
    copy.engine.set_loading(true);
    for words in commands(stream) {
        if words[0] == "MULTI" || words[0] == "EXEC" {
            continue;
        }
        if words[0] == "SELECT" {
            copy.engine.sessions.get_mut(copy.session).unwrap().db = words[1].parse().unwrap();
            continue;
        }
        let reply =
            copy.call(&words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(" "));
        assert!(!reply.starts_with('-'), "{words:?}: {reply}");
    }
    copy.engine.set_loading(false);
    copy
}

#[test]
fn nothing_expires_while_loading() {
    let mut harness = Harness::new();
    harness.engine.set_loading(true);
    harness.call("SET k v PXAT 1");
    assert_eq!(harness.call("PEXPIREAT k 2"), ":1\r\n");
    assert_eq!(harness.call("PEXPIRETIME k"), ":2\r\n");
    assert_eq!(harness.call("GETEX k PXAT 3"), "$1\r\nv\r\n");
    assert_eq!(harness.call("KEYS *"), "*1\r\n$1\r\nk\r\n");
    harness.engine.set_loading(false);
    assert_eq!(harness.call("KEYS *"), "*0\r\n");
    assert_eq!(harness.engine.keyspace.db(0).len(), 1, "KEYS removes nothing");
    assert_eq!(harness.call("SCAN 0"), "*2\r\n$1\r\n0\r\n*0\r\n");
    assert_eq!(harness.engine.keyspace.db(0).len(), 0, "SCAN removes what it finds expired");
}

#[test]
fn an_error_changes_nothing() {
    let mut harness = Harness::new();
    harness.call("MSET text abc number 1");
    harness.call("SADD letters a b");
    harness.call("RPUSH numbers 1 x");
    harness.effects();
    harness.events();
    let digest = harness.engine.digest();
    for command in [
        "INCR text",
        "INCRBY number 9223372036854775807",
        "DECRBY number -9223372036854775808",
        "INCRBYFLOAT text 1",
        "INCRBYFLOAT number inf",
        "INCRBYFLOAT number x",
        "SET text v EX 0",
        "SET text v EX x",
        "SET text v NX XX",
        "SETEX text 0 v",
        "GETEX text EX 0",
        "EXPIRE text 9223372036854775807",
        "EXPIRE text x",
        "EXPIRE text 1 FOO",
        "SETRANGE text -1 x",
        "SETRANGE text 536870912 x",
        "MSET text 1 number",
        "COPY text text",
        "MOVE text 0",
        "MOVE text 16",
        "RENAME nothing text",
        "SCAN x",
        "SORT text",
        "SORT text STORE number",
        "SORT numbers STORE text",
        "SORT numbers LIMIT 0 x STORE text",
        "SADD text a",
        "SREM text a",
        "SMOVE letters text a",
        "SPOP letters -1",
        "SUNIONSTORE number letters text",
        "SINTERSTORE number letters text",
        "SDIFFSTORE number letters text",
    ] {
        assert!(harness.call(command).starts_with('-'), "{command}");
        assert_eq!((harness.effects(), harness.events()), Default::default(), "{command}");
        assert_eq!(harness.engine.digest(), digest, "{command}");
    }
}

#[test]
fn a_string_is_no_longer_than_proto_max_bulk_len() {
    const TOO_LONG: &str = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
    let mut harness = Harness::new();
    harness.engine.config.proto_max_bulk_len = 10;
    assert_eq!(harness.call("SET k 123456"), "+OK\r\n");
    assert_eq!(harness.call("APPEND k 7890"), ":10\r\n");
    assert_eq!(harness.call("APPEND k x"), TOO_LONG);
    assert_eq!(harness.call("SETRANGE k 9 x"), ":10\r\n");
    assert_eq!(harness.call("SETRANGE k 10 x"), TOO_LONG);
    assert_eq!(harness.call("SETRANGE new 10 x"), TOO_LONG);
    assert_eq!(harness.call("GET k"), "$10\r\n123456789x\r\n");
    // What the log holds was allowed when it was written.
    harness.engine.set_loading(true);
    assert_eq!(harness.call("APPEND k x"), ":11\r\n");
}

#[test]
fn what_cannot_be_allocated_is_an_error() {
    let mut harness = Harness::new();
    harness.engine.config.proto_max_bulk_len = usize::MAX;
    harness.call("SET k v");
    let reply = harness.call("SETRANGE k 9223372036854775807 x");
    assert!(reply.starts_with("-OOM "), "{reply}");
    assert_eq!(harness.call("GET k"), "$1\r\nv\r\n");
    harness.engine.config.proto_max_bulk_len = 1 << 20;
    harness.call("SETRANGE long 60000 x");
    let reply = harness.call("LCS long long");
    assert_eq!(
        reply,
        "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n"
    );
}

#[test]
fn a_long_stream_comes_in_stretches_that_can_be_read_by_themselves() {
    let mut original = Harness::new();
    original.engine.effects.set_enabled(true);
    let (value, start) = ("v".repeat(1000), original.engine.effects.offset());
    for number in 0..2000 {
        original.call(&format!("MSET a{number} {value} b{number} {value}"));
        original.call(&format!("LMOVE nothing a{number} LEFT LEFT"));
    }
    let stretches: Vec<Vec<u8>> = original.engine.effects.drain().collect();
    assert!(original.engine.effects.is_empty());
    let total: usize = stretches.iter().map(Vec::len).sum();
    assert_eq!(original.engine.effects.offset() - start, total as u64);
    assert!(stretches.len() > 10, "{}", stretches.len());
    for stretch in &stretches {
        assert!(stretch.len() < STRETCH_LEN + 3000, "{} bytes", stretch.len());
        let words = commands(stretch);
        assert_eq!(words[0], ["SELECT", "0"]);
    }
    let copy = replay(&stretches.concat());
    assert_eq!(copy.engine.digest(), original.engine.digest());
}
