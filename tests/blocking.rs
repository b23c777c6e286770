//! Blocked sessions, as a host sees them: timeouts, unblocking, the log.

use lodis::engine::session::SessionId;
use lodis::engine::{Connection, Engine, Options};

fn engine() -> Engine {
    Engine::new(&Options { now_us: 1_700_000_000_000_000, ..Options::default() })
}

fn call(engine: &mut Engine, id: SessionId, command: &str) -> String {
    let argv: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    let mut reply = Vec::new();
    engine.call(id, &argv, &mut reply);
    String::from_utf8(reply).unwrap()
}

fn messages(engine: &mut Engine, id: SessionId) -> String {
    String::from_utf8(engine.sessions.take_messages_of(id)).unwrap()
}

fn later(engine: &mut Engine, ms: i64) -> Option<i64> {
    engine.set_time(engine.now_us() + ms * 1000);
    engine.tick().map(|at| at - engine.now_ms())
}

#[test]
fn time_runs_out() {
    let mut engine = engine();
    let [a, b] = [engine.connect(), engine.connect()];
    assert_eq!(call(&mut engine, a, "WAIT 1 100"), "");
    assert_eq!(call(&mut engine, b, "WAIT 1 0"), "");
    assert_eq!(engine.blocked_len(), 2);
    assert_eq!(call(&mut engine, a, "PING"), "", "nothing runs meanwhile");
    assert_eq!(later(&mut engine, 99), Some(1));
    assert_eq!(messages(&mut engine, a), "");
    assert_eq!(later(&mut engine, 1), None);
    assert_eq!(messages(&mut engine, a), ":0\r\n");
    assert_eq!(call(&mut engine, a, "PING"), "+PONG\r\n");
    assert_eq!(engine.blocked_len(), 1);
}

#[test]
fn others_unblock_and_kill() {
    let mut engine = engine();
    let [a, b, c, d] = [(); 4].map(|()| engine.connect());
    for id in [a, b, c] {
        assert_eq!(call(&mut engine, id, "WAIT 1 0"), "");
    }
    assert!(call(&mut engine, d, "INFO clients").contains("blocked_clients:3\r\n"));
    assert!(call(&mut engine, d, "CLIENT LIST ID 1").contains(" flags=b "));
    assert_eq!(call(&mut engine, d, "CLIENT UNBLOCK 1"), ":1\r\n");
    assert_eq!(call(&mut engine, d, "CLIENT UNBLOCK 1"), ":0\r\n");
    assert_eq!(call(&mut engine, d, "CLIENT UNBLOCK 2 ERROR"), ":1\r\n");
    assert_eq!(call(&mut engine, d, "CLIENT KILL ID 3"), ":1\r\n");
    assert_eq!(messages(&mut engine, a), ":0\r\n");
    assert_eq!(messages(&mut engine, b), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    assert_eq!(messages(&mut engine, c), "");
    assert_eq!(engine.blocked_len(), 0);
}

#[test]
fn an_ended_session_waits_no_more() {
    let mut engine = engine();
    let a = engine.connect();
    assert_eq!(call(&mut engine, a, "WAIT 1 100"), "");
    engine.disconnect(a);
    assert_eq!((engine.blocked_len(), later(&mut engine, 100)), (0, None));
}

#[test]
fn a_muted_session_gets_no_reply() {
    let mut engine = engine();
    let a = engine.connect();
    assert_eq!(call(&mut engine, a, "CLIENT REPLY SKIP"), "");
    assert_eq!(call(&mut engine, a, "WAIT 1 100"), "");
    later(&mut engine, 100);
    assert_eq!(messages(&mut engine, a), "");
    assert_eq!(call(&mut engine, a, "PING"), "+PONG\r\n");
}

#[test]
fn where_blocking_is_denied_it_answers_at_once() {
    let mut engine = engine();
    let a = engine.connect();
    engine.sessions.get_mut(a).unwrap().deny_blocking = true;
    assert_eq!(call(&mut engine, a, "SELECT 3"), "+OK\r\n");
    assert_eq!(call(&mut engine, a, "WAIT 1 0"), ":0\r\n");
    let b = engine.fork(a);
    assert_eq!(engine.sessions.get(b).unwrap().db, 3);
    assert_eq!(call(&mut engine, b, "WAIT 1 0"), "");
}

#[test]
fn a_connection_goes_on_where_it_stopped() {
    let mut engine = engine();
    let mut connection = Connection::open(&mut engine);
    let mut out = Vec::new();
    connection.receive(&mut engine, b"PING\r\nWAIT 1 100\r\nECHO a\r\nECHO b\r\n", &mut out);
    assert_eq!(out, b"+PONG\r\n");
    connection.receive(&mut engine, b"ECHO c\r\n", &mut out);
    assert_eq!(out, b"+PONG\r\n");
    later(&mut engine, 100);
    out = engine.sessions.take_messages_of(connection.session());
    connection.receive(&mut engine, &[], &mut out);
    assert_eq!(out, b":0\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
}

#[test]
fn waitaof_waits_for_what_had_been_written_when_it_came() {
    let mut engine = engine();
    engine.effects.set_enabled(true);
    engine.config.append_only = true;
    let [a, b] = [engine.connect(), engine.connect()];
    call(&mut engine, a, "SET k v");
    let written = engine.effects.offset();
    assert_eq!(call(&mut engine, a, "WAITAOF 1 0 0"), "");
    assert_eq!(call(&mut engine, b, "WAITAOF 0 0 0"), "*2\r\n:0\r\n:0\r\n");
    call(&mut engine, b, "SET k w");
    engine.persistence.durable_offset = written - 1;
    engine.serve_durable();
    assert_eq!(messages(&mut engine, a), "");
    engine.persistence.durable_offset = written;
    engine.serve_durable();
    assert_eq!(messages(&mut engine, a), "*2\r\n:1\r\n:0\r\n");
    assert_eq!(call(&mut engine, a, "WAITAOF 1 0 10"), "");
    later(&mut engine, 10);
    assert_eq!(messages(&mut engine, a), "*2\r\n:0\r\n:0\r\n");
    assert_eq!(call(&mut engine, a, "WAITAOF 1 1 10"), "");
    engine.persistence.durable_offset = engine.effects.offset();
    engine.serve_durable();
    later(&mut engine, 10);
    assert_eq!(messages(&mut engine, a), "*2\r\n:1\r\n:0\r\n");
}
