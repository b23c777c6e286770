//! What is queued for upstream: effects of keys with the prefix, in the unit of the writes they tell of, for
//! everybody who has those; and what comes from upstream.

use lodis::engine::rdb::Purpose;
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::persist::follow::Follower;
use lodis::persist::frame::{Frame, Kind, encode};
use lodis::persist::incoming::Incoming;
use lodis::persist::manifest::Manifest;
use lodis::persist::replay::{Replay, ReplayError};
use lodis::resp::{split_words, write_command};

const NOW_MS: i64 = 1_700_000_000_000;

struct Client {
    engine: Engine,
    session: SessionId,
}

impl Client {
    fn new(now_ms: i64) -> Self {
        let mut engine = Engine::new(&Options { now_us: now_ms * 1000, ..Options::default() });
        engine.effects.set_enabled(true);
        let session = engine.connect();
        Self { engine, session }
    }

    /// Queues what has the prefix `a:`, and may send.
    fn attached() -> Self {
        let mut client = Self::new(NOW_MS);
        assert_eq!(client.line("LODIS.UPSTREAM ATTACH me 0 a: 100000"), "$2\r\nme\r\n");
        assert_eq!(client.line("LODIS.UPSTREAM LEASE it 60000"), ":1\r\n");
        client
    }

    fn call(&mut self, argv: &[&[u8]]) -> Vec<u8> {
        let mut reply = Vec::new();
        self.engine.call(self.session, argv, &mut reply);
        reply
    }

    fn line(&mut self, line: &str) -> String {
        let words = split_words(line.as_bytes()).unwrap();
        let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        String::from_utf8_lossy(&self.call(&argv)).into_owned()
    }

    fn lines(&mut self, lines: &[&str]) {
        for line in lines {
            let reply = self.line(line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
    }

    /// The entries that wait: commands with spaces between their words, entries with bars.
    fn queue(&mut self) -> String {
        let reply = self.call(&[b"LODIS.UPSTREAM", b"NEXT", b"it", b"1000000"]);
        let text = String::from_utf8_lossy(&reply).into_owned();
        assert!(text.starts_with('*'), "{text}");
        let mut shown = String::new();
        for line in text.split("\r\n").skip(1) {
            let is_id = line.split_once('-').is_some_and(|(a, b)| {
                a.parse::<u64>().is_ok_and(|a| a > 1 << 40) && b.parse::<u64>().is_ok()
            });
            match line.as_bytes().first() {
                _ if is_id => shown.push('|'),
                Some(b'*') => shown.push(';'),
                Some(b'$') | None => {}
                _ => shown.push_str(&format!("{line} ")),
            }
        }
        shown.replace(";|;;", "|").replace(" ;|", " |").replace(" |;;", " |").replace(" ;", "; ")
    }

    /// The number of the last entry.
    fn last(&mut self) -> String {
        let status = self.line("LODIS.UPSTREAM STATUS");
        status
            .split("\r\n")
            .filter(|line| line.starts_with("17") && line.contains('-'))
            .last()
            .unwrap()
            .to_owned()
    }

    fn trim(&mut self) {
        let last = self.last();
        assert_eq!(self.line(&format!("LODIS.UPSTREAM TRIM it {last}")), ":0\r\n");
    }

    fn stream(&mut self) -> Vec<u8> {
        self.engine.effects.drain().flatten().collect()
    }
}

#[test]
fn effects_of_keys_with_the_prefix_are_queued_in_units() {
    let mut it = Client::attached();
    it.lines(&[
        "SET b:1 x",
        "INCR a:n",
        "GET a:n",
        "MULTI",
        "SADD a:s m",
        "INCR b:n",
        "EXPIRE a:s 100",
        "EXEC",
    ]);
    assert_eq!(
        it.queue(),
        "|INCR a:n |SADD a:s m ; PEXPIREAT a:s 1700000100000 ".replace(" ;", ";")
    );
    it.trim();
    assert_eq!(it.queue(), "");
    // What random commands come to, and what changes nothing.
    it.lines(&[
        "SPOP a:s",
        "SREM a:s nothing",
        "INCRBYFLOAT a:f 1.5",
        "SELECT 1",
        "SET a:k v",
        "SELECT 0",
    ]);
    let queue = it.queue();
    assert!(queue.starts_with("|") && !queue.contains("a:k"), "{queue}");
    assert!(queue.contains("a:f 1.5"), "{queue}");
}

#[test]
fn what_crosses_the_prefix_or_the_database_is_queued_by_value() {
    let mut it = Client::attached();
    it.lines(&["SET b:1 x", "RENAME b:1 a:1"]);
    let queue = it.queue();
    assert!(queue.starts_with("|RESTORE a:1 0 "), "{queue}");
    it.trim();
    it.lines(&["RENAME a:1 b:1"]);
    assert_eq!(it.queue(), "|DEL a:1 ");
    it.trim();
    it.lines(&["SELECT 1", "SET a:2 x", "MOVE a:2 0", "SET a:3 y", "SELECT 0"]);
    assert!(it.queue().starts_with("|RESTORE a:2 0 "));
    it.trim();
    // All of the unit then: or it would be done twice.
    it.lines(&[
        "MULTI",
        "INCR a:n",
        "SMOVE a:none b:none x",
        "SET b:3 x",
        "COPY b:3 a:4",
        "INCR a:n",
        "EXEC",
    ]);
    let queue = it.queue();
    assert!(queue.contains("RESTORE a:n 0") && queue.contains("RESTORE a:4 0"), "{queue}");
    assert!(!queue.contains("INCR"), "{queue}");
}

#[test]
fn keys_that_go_by_themselves_are_not_queued() {
    let mut it = Client::attached();
    it.lines(&["SET a:1 x PX 100", "HSET a:h f 1 g 2", "HPEXPIRE a:h 100 FIELDS 1 f"]);
    it.trim();
    it.engine.set_time((NOW_MS + 200) * 1000);
    it.lines(&["EXISTS a:1", "HLEN a:h"]);
    assert!(String::from_utf8_lossy(&it.stream()).contains("HDEL"));
    assert_eq!(it.queue(), "");
}

#[test]
fn what_is_counted_is_not_queued() {
    let mut it = Client::attached();
    it.lines(&["PFADD a:p x y", "PFCOUNT a:p", "MULTI", "PFADD a:p z", "PFCOUNT a:p", "EXEC"]);
    assert_eq!(it.queue(), "|PFADD a:p x y |PFADD a:p z ");
    // Who follows here has it.
    assert!(String::from_utf8_lossy(&it.stream()).contains("SETRANGE"));
}

#[test]
fn whoever_follows_or_replays_has_the_queue_and_counts_on_above_it() {
    let mut it = Client::attached();
    it.lines(&["SET a:1 x", "INCR a:n"]);
    let stream = it.stream();
    let mut other = Client::new(NOW_MS - 5000);
    other.engine.set_follower(true);
    let mut follower = Follower::new(&mut other.engine, 0);
    follower.push(0, &stream).unwrap();
    while follower.step(&mut other.engine, 1000).unwrap() {}
    follower.end_following(&mut other.engine);
    other.engine.set_follower(false);
    other.engine.effects.set_enabled(true);
    other.lines(&["LODIS.UPSTREAM LEASE it 60000"]);
    assert_eq!(other.queue(), it.queue());
    let last = it.last();
    assert_eq!(other.last(), last);
    // Its clock is behind.
    other.lines(&["INCR a:n"]);
    let [epoch, before] =
        [other.last(), last].map(|id| id.split_once('-').unwrap().0.parse::<u64>().unwrap());
    assert!(epoch > before);
}

#[test]
fn a_log_that_is_replayed_queues_nothing_twice() {
    let mut it = Client::attached();
    it.lines(&["SET a:1 x", "INCR a:n"]);
    let stream = it.stream();
    let record = Frame { kind: Kind::Record, origin: 1, offset: 0, payload: &stream };
    let mut other = Client::new(NOW_MS);
    let mut replay = Replay::begin(&mut other.engine, &Manifest::default());
    replay.push(&encode(&record).unwrap()).unwrap();
    while replay.step(&mut other.engine, 1).unwrap() {}
    replay.finish(&mut other.engine).unwrap();
    other.lines(&["LODIS.UPSTREAM LEASE it 60000"]);
    assert_eq!(other.queue(), "|SET a:1 x |INCR a:n ");
    other.lines(&["INCR a:n"]);
    assert_eq!(other.queue(), "|SET a:1 x |INCR a:n |INCR a:n ");
}

#[test]
fn the_base_of_a_log_has_the_queue() {
    let mut it = Client::attached();
    it.lines(&["SET a:1 x", "INCR a:n", "SELECT 3", "INCR x"]);
    assert!(it.engine.begin_snapshot(Purpose::Keep, &[]));
    let mut file = Vec::new();
    while !it.engine.step_snapshot(1 << 20) {}
    file.extend(it.engine.take_snapshot());
    it.engine.end_snapshot();
    let mut other = Client::new(NOW_MS);
    let mut incoming = Incoming::new(&mut other.engine);
    incoming.push(&file);
    while incoming.step(1000).unwrap() {}
    incoming.finish(&mut other.engine, 0).unwrap().end_following(&mut other.engine);
    other.engine.set_follower(false);
    other.lines(&["LODIS.UPSTREAM LEASE it 60000"]);
    assert_eq!(other.queue(), "|SET a:1 x |INCR a:n ");
    assert_eq!(other.last(), it.last());
}

#[test]
fn what_comes_from_upstream_is_not_queued_and_spares_what_waits() {
    let mut it = Client::attached();
    it.lines(&["SELECT 2", "SET x 1"]);
    let mut source = Client::new(NOW_MS);
    source.lines(&["RPUSH l 1 2 3"]);
    let dump = source.call(&[b"DUMP", b"l"]);
    let start = dump.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
    let payload = &dump[start..dump.len() - 2];
    let at = (NOW_MS + 1000).to_string();
    let apply = |it: &mut Client, key: &[u8], payload: &[u8], at: &str| {
        let argv = [b"LODIS.UPSTREAM", b"APPLY".as_slice(), b"it", key, payload, at.as_bytes()];
        String::from_utf8_lossy(&it.call(&argv)).into_owned()
    };
    assert_eq!(apply(&mut it, b"a:l", payload, &at), "*1\r\n:1\r\n");
    assert_eq!(it.queue(), "");
    it.stream();
    assert_eq!(apply(&mut it, b"a:l", payload, &at), "*1\r\n:1\r\n");
    assert_eq!(it.stream(), b"", "nothing has changed");
    // It is in the database of the queue, and the session where it was.
    assert_eq!(it.line("GET x"), "$1\r\n1\r\n");
    it.lines(&["SELECT 0"]);
    assert_eq!(it.line("PEXPIRETIME a:l"), format!(":{at}\r\n"));
    it.lines(&["RPUSH a:l 4"]);
    assert_eq!(apply(&mut it, b"a:l", b"", "0"), "*1\r\n:0\r\n");
    assert_eq!(apply(&mut it, b"b:l", payload, "0"), "*1\r\n:0\r\n");
    assert_eq!(it.line("LLEN a:l"), ":4\r\n");
    it.trim();
    assert_eq!(apply(&mut it, b"a:l", b"", "0"), "*1\r\n:1\r\n");
    assert_eq!(it.line("EXISTS a:l"), ":0\r\n");
    assert_eq!(it.queue(), "");
    assert_eq!(
        apply(&mut it, b"a:l", b"junk", "0"),
        "*1\r\n-ERR DUMP payload version or checksum are wrong\r\n"
    );
}

#[test]
fn a_transaction_that_is_being_queued_is_left_alone() {
    let mut it = Client::attached();
    it.lines(&[
        "SET a:0 x",
        "MULTI",
        "SET a:1 x",
        "LODIS.UPSTREAM STATUS",
        "LODIS.UPSTREAM TELL x",
    ]);
    assert_eq!(it.queue(), "|SET a:0 x ");
    it.trim();
    it.lines(&["SET a:2 x", "EXEC"]);
    assert_eq!(it.queue(), "|SET a:1 x ; SET a:2 x ".replace(" ;", ";"));
}

#[test]
fn what_is_told_is_heard() {
    let mut it = Client::attached();
    let other = it.engine.connect();
    let mut reply = Vec::new();
    it.engine.call(other, &[b"SUBSCRIBE", b"__lodis__:upstream"], &mut reply);
    it.lines(&["LODIS.UPSTREAM TELL news", "SET a:1 x", "SET a:2 x"]);
    let messages = it.engine.sessions.take_messages_of(other);
    let messages = String::from_utf8_lossy(&messages).into_owned();
    // That something waits is told once, until it is asked for.
    assert_eq!(messages.matches("message").count(), 2, "{messages}");
    assert!(messages.contains("news"));
    it.queue();
    it.lines(&["SET a:3 x"]);
    assert!(!it.engine.sessions.take_messages_of(other).is_empty());
}

#[test]
fn a_full_queue_refuses_keys_of_its_prefix_alone() {
    let mut it = Client::new(NOW_MS);
    it.lines(&[
        "LODIS.UPSTREAM ATTACH me 0 a: 100",
        "LODIS.UPSTREAM LEASE it 1000",
        "SET a:1 x",
        "SET a:2 x",
    ]);
    let full = "-UPSTREAMFULL too many writes wait for upstream: keys of its prefix cannot be changed now\r\n";
    assert_eq!(it.line("SET a:3 x"), full);
    assert_eq!(it.line("DEL a:1"), full);
    assert_eq!(it.line("GET a:1"), "$1\r\nx\r\n");
    it.lines(&["SET b:3 x", "MULTI"]);
    assert_eq!(it.line("SET a:3 x"), full);
    assert!(it.line("EXEC").starts_with("-EXECABORT"));
    it.trim();
    it.lines(&["SET a:3 x"]);
}

#[test]
fn keys_are_listed_bit_by_bit() {
    let mut it = Client::attached();
    for index in 0..3000 {
        it.lines(&[&format!("SET b:{index} x")]);
        if index < 500 {
            it.lines(&[&format!("SET a:{index} x")]);
        }
    }
    let (mut cursor, mut count, mut steps) = ("0".to_owned(), 0, 0);
    loop {
        let reply = it.line(&format!("LODIS.UPSTREAM KEYS it {cursor}"));
        count += reply.matches("a:").count();
        assert!(!reply.contains("b:"));
        steps += 1;
        cursor = reply.split("\r\n").nth(2).unwrap().to_owned();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(count, 500);
    assert!(steps > 3);
}

#[test]
fn one_sends_at_a_time() {
    let mut it = Client::attached();
    assert_eq!(it.line("LODIS.UPSTREAM LEASE other 1000"), ":0\r\n");
    let lost = "-NOLEASE another one sends to upstream, or nobody does\r\n";
    assert_eq!(it.line("LODIS.UPSTREAM NEXT other 1"), lost);
    assert_eq!(it.line("LODIS.UPSTREAM TRIM other 1-1"), lost);
    assert_eq!(it.line("LODIS.UPSTREAM APPLY other"), lost);
    it.engine.set_time((NOW_MS + 60_001) * 1000);
    assert_eq!(it.line("LODIS.UPSTREAM LEASE other 1000"), ":1\r\n");
    assert_eq!(it.line("LODIS.UPSTREAM NEXT it 1"), lost);
    // Whoever renews knows that nobody else has been there.
    assert_eq!(it.line("LODIS.UPSTREAM LEASE other 1000"), ":2\r\n");
    it.engine.set_time((NOW_MS + 70_000) * 1000);
    assert_eq!(it.line("LODIS.UPSTREAM LEASE other 1000"), ":2\r\n");
    it.lines(&["LODIS.UPSTREAM RELEASE other"]);
    assert_eq!(it.line("LODIS.UPSTREAM LEASE it 1000"), ":1\r\n");
}

#[test]
fn bad_words_are_refused_and_change_nothing() {
    let mut it = Client::new(NOW_MS);
    assert_eq!(it.line("LODIS.UPSTREAM STATUS"), "$-1\r\n");
    for (line, error) in [
        ("LODIS.UPSTREAM LEASE it 1", "ERR there is no upstream"),
        ("LODIS.UPSTREAM ATTACH me x a: 1", "ERR value is not an integer or out of range"),
        ("LODIS.UPSTREAM ATTACH me 99 a: 1", "ERR DB index is out of range"),
        ("LODIS.UPSTREAM ATTACH me", "ERR syntax error"),
        ("LODIS.UPSTREAM", "ERR syntax error"),
    ] {
        assert_eq!(it.line(line), format!("-{error}\r\n"), "{line}");
    }
    assert_eq!(it.stream(), b"");
    let mut it = Client::attached();
    for (line, error) in [
        ("LODIS.UPSTREAM LEASE it 0", "ERR value is out of range, must be positive"),
        ("LODIS.UPSTREAM TRIM it x", "ERR value is not an integer or out of range"),
        ("LODIS.UPSTREAM APPLY it a:1 x", "ERR syntax error"),
        ("LODIS.UPSTREAM KEYS it x", "ERR value is not an integer or out of range"),
        ("LODIS.UPSTREAM NEXT it x", "ERR value is not an integer or out of range"),
    ] {
        assert_eq!(it.line(line), format!("-{error}\r\n"), "{line}");
    }
    it.lines(&["SET a:1 x"]);
    assert_eq!(
        it.line("LODIS.UPSTREAM ATTACH me 0 b: 100"),
        "-ERR 1 writes wait for an upstream of another prefix or database\r\n"
    );
    assert!(it.engine.begin_atomic(it.session, false));
    assert_eq!(
        it.line("LODIS.UPSTREAM STATUS"),
        "-ERR LODIS.UPSTREAM is no part of a transaction\r\n"
    );
    it.engine.end_atomic(true);
    it.lines(&["ACL SETUSER eve on nopass +@all ~* &*", "AUTH eve x"]);
    // Who may do everything may do this.
    it.lines(&[
        "LODIS.UPSTREAM STATUS",
        "ACL SETUSER amy on nopass +@all -flushall ~*",
        "AUTH amy x",
    ]);
    assert_eq!(
        it.line("LODIS.UPSTREAM STATUS"),
        "-NOPERM an upstream is for users who may do everything\r\n"
    );
}

#[test]
fn a_flush_asks_for_all_and_detaching_forgets() {
    let mut it = Client::attached();
    it.lines(&["SET a:1 x", "FLUSHALL"]);
    assert_eq!(it.queue(), "|SET a:1 x ");
    assert!(it.line("LODIS.UPSTREAM STATUS").ends_with(":1\r\n:0\r\n"));
    assert_eq!(it.line("LODIS.UPSTREAM DETACH"), ":1\r\n");
    it.lines(&["SET a:1 x"]);
    assert_eq!(it.line("LODIS.UPSTREAM STATUS"), "$-1\r\n");
}

#[test]
fn a_callback_is_one_entry_and_none_if_it_is_undone() {
    let mut it = Client::attached();
    for is_kept in [false, true] {
        assert!(it.engine.begin_atomic(it.session, false));
        it.lines(&["INCR a:1", "INCR a:2"]);
        it.engine.end_atomic(is_kept);
    }
    assert_eq!(it.queue(), "|INCR a:1; INCR a:2 ");
}

#[test]
fn malformed_records_end_the_stream() {
    let whole = "LODIS.OUTBOX me 0 a: 100";
    for (before, record) in [
        (None, "LODIS.QUEUED 5 1 x"),
        (None, "LODIS.SENT 5 1"),
        (None, "LODIS.OUTBOX me x a: 100"),
        (None, "LODIS.OUTBOX me 0 a:"),
        (Some(whole), "LODIS.QUEUED 5 x x"),
        (Some(whole), "LODIS.QUEUED 5 1"),
        (Some(whole), "LODIS.QUEUED 0 0 x"),
        (Some(whole), "LODIS.SENT 5 1 x"),
        (Some(whole), "LODIS.SENT 5"),
    ] {
        let mut stream = Vec::new();
        for line in before.into_iter().chain([record]) {
            let words = split_words(line.as_bytes()).unwrap();
            let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            write_command(&mut stream, &argv);
        }
        let mut other = Client::new(NOW_MS);
        other.engine.set_follower(true);
        let mut follower = Follower::new(&mut other.engine, 0);
        follower.push(0, &stream).unwrap();
        let result = std::iter::repeat_with(|| follower.step(&mut other.engine, 1))
            .find(|result| !matches!(result, Ok(true)));
        assert!(matches!(result, Some(Err(ReplayError::Corrupt(_)))), "{record}: {result:?}");
    }
}
