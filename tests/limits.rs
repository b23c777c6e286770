//! What is borne of clients: output that nobody reads, requests without an end, silence, and too many.

use lodis::engine::session::SessionId;
use lodis::engine::{Connection, Engine, Options};

const START_MS: i64 = 1_700_000_000_000;

fn engine() -> Engine {
    Engine::new(&Options { now_us: START_MS * 1000, ..Options::default() })
}

fn call(engine: &mut Engine, id: SessionId, line: &str) -> String {
    let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut reply = Vec::new();
    engine.call(id, &argv, &mut reply);
    String::from_utf8_lossy(&reply).into_owned()
}

/// Goes on to a later moment; answers when the engine wants to be called again.
fn tick(engine: &mut Engine, later_ms: i64) -> Option<i64> {
    engine.set_time((START_MS + later_ms) * 1000);
    engine.tick()
}

fn is_closing(engine: &Engine, id: SessionId) -> bool {
    engine.sessions.get(id).is_none_or(|session| session.closing)
}

fn info(engine: &mut Engine, id: SessionId, name: &str) -> String {
    let text = call(engine, id, "INFO everything");
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_default().to_owned()
}

const DISCONNECTIONS: &str = "client_output_buffer_limit_disconnections";

#[test]
fn a_subscriber_that_is_not_drained_is_dropped_and_the_publisher_goes_on() {
    let mut engine = engine();
    let (publisher, slow, quick) = (engine.connect(), engine.connect(), engine.connect());
    for id in [slow, quick] {
        call(&mut engine, id, "SUBSCRIBE news");
    }
    let message = "m".repeat(1 << 20);
    let publish = format!("PUBLISH news {message}");
    for round in 1.. {
        assert_eq!(call(&mut engine, publisher, &publish), ":2\r\n");
        assert!(engine.sessions.take_messages_of(quick).len() > message.len());
        if is_closing(&engine, slow) {
            assert_eq!(round, 32, "the hard limit is 32 MiB");
            break;
        }
    }
    // What waited is gone, and the host sees that there is a session to be closed.
    assert!(engine.sessions.has_messages(slow));
    assert_eq!(engine.sessions.take_messages_of(slow), []);
    assert_eq!(info(&mut engine, publisher, DISCONNECTIONS), "1");
    engine.disconnect(slow);
    assert_eq!(call(&mut engine, publisher, "PUBLISH news x"), ":1\r\n");
    call(&mut engine, publisher, "CONFIG RESETSTAT");
    assert_eq!(info(&mut engine, publisher, DISCONNECTIONS), "0");
}

#[test]
fn one_transaction_can_be_too_much_for_a_subscriber() {
    let mut engine = engine();
    let (publisher, slow) = (engine.connect(), engine.connect());
    call(&mut engine, publisher, "CONFIG SET client-output-buffer-limit");
    engine.config.set(&[(b"client-output-buffer-limit", b"pubsub 1000 0 0")]).unwrap();
    engine.tick();
    call(&mut engine, slow, "SUBSCRIBE news");
    call(&mut engine, publisher, "MULTI");
    for _ in 0..100 {
        call(&mut engine, publisher, "PUBLISH news 0123456789");
    }
    let reply = call(&mut engine, publisher, "EXEC");
    assert!(reply.starts_with("*100\r\n:1\r\n"), "{reply}");
    assert!(is_closing(&engine, slow));
}

#[test]
fn what_the_host_could_not_send_counts_and_a_soft_limit_takes_its_time() {
    let mut engine = engine();
    let (publisher, slow) = (engine.connect(), engine.connect());
    let limit: &[u8] = b"pubsub 10000 1000 5 normal 500 0 0";
    engine.config.set(&[(b"client-output-buffer-limit", limit)]).unwrap();
    tick(&mut engine, 0);
    call(&mut engine, slow, "SUBSCRIBE news");
    engine.sessions.take_messages_of(slow);
    engine.set_unsent(slow, 999);
    assert_eq!(tick(&mut engine, 0), None);
    engine.set_unsent(slow, 1000);
    let listed = call(&mut engine, publisher, "CLIENT LIST TYPE pubsub");
    assert!(listed.contains(" obl=0 oll=1 omem=1000 "), "{listed}");
    // It recovers in between.
    assert!(tick(&mut engine, 1000).is_some());
    engine.set_unsent(slow, 10);
    assert!(tick(&mut engine, 5000).is_some());
    engine.set_unsent(slow, 9000);
    for later in [6000, 8000, 11_000] {
        assert_eq!(tick(&mut engine, later), Some(START_MS + later + 1000));
        assert!(!is_closing(&engine, slow), "{later}");
    }
    tick(&mut engine, 12_000);
    assert!(is_closing(&engine, slow));
    assert_eq!(tick(&mut engine, 13_000), None);
    // One that is subscribed to nothing has limits of its own.
    let normal = engine.connect();
    engine.set_unsent(normal, 499);
    assert!(!is_closing(&engine, normal));
    engine.set_unsent(normal, 500);
    assert!(is_closing(&engine, normal));
    assert_eq!(info(&mut engine, publisher, DISCONNECTIONS), "2");
}

#[test]
fn a_request_without_an_end_ends_the_connection() {
    let mut engine = engine();
    let observer = engine.connect();
    engine.config.query_buffer_limit = 1 << 20;
    let mut connection = Connection::open(&mut engine);
    let mut out = Vec::new();
    let mut send = |connection: &mut Connection, engine: &mut Engine, bytes: &[u8]| {
        connection.receive(engine, bytes, &mut out);
        connection.is_closed()
    };
    assert!(!send(&mut connection, &mut engine, b"*2\r\n$4\r\nECHO\r\n$2000000\r\n"));
    let listed = call(&mut engine, observer, "CLIENT LIST");
    assert!(listed.contains(" qbuf=16 "), "{listed}");
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..15 {
        assert!(!send(&mut connection, &mut engine, &piece));
    }
    assert!(send(&mut connection, &mut engine, &piece));
    // So does a transaction that nobody executes.
    let mut connection = Connection::open(&mut engine);
    assert!(!send(&mut connection, &mut engine, b"MULTI\r\n"));
    let set = [b"SET k ".as_slice(), &piece[..60_000], b"\r\n"].concat();
    let count = (1..100).find(|_| send(&mut connection, &mut engine, &set));
    assert_eq!(count, Some((1 << 20) / 60_004 + 1));
    let name = "client_query_buffer_limit_disconnections";
    assert_eq!(info(&mut engine, observer, name), "2");
}

#[test]
fn who_is_silent_is_closed_unless_it_waits_for_something() {
    let mut engine = engine();
    let mut open = |request: &str| {
        let mut connection = Connection::open(&mut engine);
        connection.receive(&mut engine, request.as_bytes(), &mut Vec::new());
        connection.session()
    };
    let silent = open("PING\r\n");
    let subscribed = open("SUBSCRIBE a\r\n");
    let blocked = open("BLPOP k 0\r\n");
    let begun = open("*1\r\n$4\r\nPI");
    let embedded = engine.connect();
    assert_eq!(call(&mut engine, embedded, "CONFIG SET timeout 10"), "+OK\r\n");
    assert!(tick(&mut engine, 9000).is_some());
    assert!(tick(&mut engine, 10_000).is_some());
    assert!(![silent, begun].iter().any(|id| is_closing(&engine, *id)));
    tick(&mut engine, 11_000);
    let closed = [silent, subscribed, blocked, begun, embedded].map(|id| is_closing(&engine, id));
    assert_eq!(closed, [true, false, false, true, false]);
}

#[test]
fn there_are_no_more_clients_than_may_be() {
    let mut engine = engine();
    let first = engine.connect();
    assert_eq!(call(&mut engine, first, "CONFIG SET maxclients 2"), "+OK\r\n");
    assert!(engine.admits_client());
    let second = Connection::open(&mut engine).session();
    assert!(!engine.admits_client());
    assert_eq!(info(&mut engine, first, "rejected_connections"), "1");
    assert_eq!(info(&mut engine, first, "maxclients"), "2");
    engine.kill(second);
    assert!(engine.admits_client());
}

/// Commands with very many words take a time that grows with their number, and not with its square.
#[test]
fn very_many_words_are_no_reason_to_stop() {
    let mut engine = engine();
    let id = engine.connect();
    let names: Vec<String> = (0..200_000).map(|number| format!("name{number}")).collect();
    let mut ask = |head: &str, tail: &[String]| {
        let words = head.split(' ').chain(tail.iter().map(String::as_str));
        let argv: Vec<&[u8]> = words.map(str::as_bytes).collect();
        let mut reply = Vec::new();
        engine.call(id, &argv, &mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    };
    let last = names.last().unwrap();
    for (subscribe, unsubscribe) in [("SUBSCRIBE", "UNSUBSCRIBE"), ("SSUBSCRIBE", "SUNSUBSCRIBE")] {
        let done = |reply: String, count: usize| {
            assert!(reply.ends_with(&format!("${}\r\n{last}\r\n:{count}\r\n", last.len())));
        };
        done(ask(subscribe, &names), names.len());
        done(ask(unsubscribe, &names), 0);
        done(ask(subscribe, &names), names.len());
        done(ask(unsubscribe, &[]), 0);
    }
    assert_eq!(ask("SADD set", &names), ":200000\r\n");
    assert_eq!(ask("SINTERCARD 2 set set", &[]), ":200000\r\n");
    assert_eq!(ask("DEL set", &names), ":1\r\n");
    assert_eq!(ask("MULTI", &[]), "+OK\r\n");
    for _ in 0..200_000 {
        assert_eq!(ask("INCR n", &[]), "+QUEUED\r\n");
    }
    assert!(ask("EXEC", &[]).ends_with(":200000\r\n"));
}
