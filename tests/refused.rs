//! What a script of replies cannot show: refused writes, killed sessions, effects of EXEC, INFO.

use lodis::engine::session::SessionId;
use lodis::engine::{Connection, Engine, Options};

fn call(engine: &mut Engine, session: SessionId, line: &str) -> String {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut reply = Vec::new();
    engine.call(session, &words, &mut reply);
    String::from_utf8(reply).unwrap()
}

const MISCONF: &str = "MISCONF Errors writing to the AOF file: quota";

#[test]
fn writes_are_refused_while_the_store_fails() {
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    call(&mut engine, session, "SET k before");
    call(&mut engine, session, "MULTI");
    call(&mut engine, session, "SET k queued");
    engine.effects.set_enabled(true);
    engine.persistence.write_error = Some("quota".to_owned());
    let digest = engine.digest();

    let aborted = format!("-EXECABORT Transaction discarded because of: {MISCONF}\r\n");
    assert_eq!(call(&mut engine, session, "EXEC"), aborted);
    for write in ["SET k after", "DEL k", "FLUSHALL", "SWAPDB 0 1", "PING"] {
        assert_eq!(call(&mut engine, session, write), format!("-{MISCONF}\r\n"), "{write}");
    }
    call(&mut engine, session, "MULTI");
    assert_eq!(call(&mut engine, session, "SET k v"), format!("-{MISCONF}\r\n"));
    assert!(call(&mut engine, session, "EXEC").starts_with("-EXECABORT"));

    assert_eq!(call(&mut engine, session, "GET k"), "$6\r\nbefore\r\n");
    call(&mut engine, session, "MULTI");
    call(&mut engine, session, "GET k");
    assert_eq!(call(&mut engine, session, "EXEC"), "*1\r\n$6\r\nbefore\r\n");
    let info = call(&mut engine, session, "INFO persistence");
    assert!(info.contains("aof_last_write_status:err\r\naof_last_write_error:quota\r\n"));
    assert_eq!(engine.digest(), digest);
    assert!(engine.effects.is_empty());

    engine.persistence.write_error = None;
    assert_eq!(call(&mut engine, session, "SET k after"), "+OK\r\n");
}

#[test]
fn a_transaction_is_one_unit_of_the_stream() {
    let mut engine = Engine::new(&Options::default());
    engine.effects.set_enabled(true);
    let session = engine.connect();
    for line in ["MULTI", "SET a 1", "INCR nope x", "EXEC", "MULTI", "SET a 1", "GET a"] {
        call(&mut engine, session, line);
    }
    assert!(engine.effects.is_empty(), "nothing ran");
    call(&mut engine, session, "SELECT 2");
    call(&mut engine, session, "INCR a");
    call(&mut engine, session, "EXEC");
    let stream = String::from_utf8(engine.effects.take()).unwrap();
    let words: Vec<&str> = stream.split("\r\n").filter(|l| !l.starts_with(['*', '$'])).collect();
    assert_eq!(words.join(" ").trim(), "MULTI SELECT 0 SET a 1 SELECT 2 INCR a EXEC");
}

#[test]
fn a_watched_key_that_expires_aborts() {
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    for (watched_at, expected) in [(0, "*-1\r\n"), (2_000, "*0\r\n")] {
        engine.set_time(0);
        call(&mut engine, session, "SET k v PX 1");
        engine.set_time(watched_at);
        call(&mut engine, session, "WATCH k");
        engine.set_time(3_000);
        call(&mut engine, session, "MULTI");
        assert_eq!(call(&mut engine, session, "EXEC"), expected, "watched at {watched_at} us");
    }
}

#[test]
fn a_killed_session_runs_nothing_and_its_host_learns_of_it() {
    let mut engine = Engine::new(&Options::default());
    let (killer, victim) = (engine.connect(), engine.connect());
    call(&mut engine, victim, "SUBSCRIBE news");
    assert_eq!(call(&mut engine, killer, "CLIENT KILL TYPE pubsub"), ":1\r\n");
    assert_eq!(call(&mut engine, victim, "PING"), "");
    assert_eq!(call(&mut engine, killer, "PUBLISH news x"), ":0\r\n");
    assert_eq!(call(&mut engine, killer, "CLIENT KILL TYPE pubsub"), ":0\r\n");
    assert!(engine.sessions.have_messages());
    assert_eq!(engine.sessions.take_messages(), Some((victim, Vec::new())));
    assert!(engine.sessions.get(victim).unwrap().closing);
    engine.disconnect(victim);
    assert_eq!(engine.sessions.len(), 1);
}

/// As since Redis 7.2; 7.0 sent the message before the reply.
#[test]
fn a_publisher_gets_its_own_message_after_its_reply() {
    let mut engine = Engine::new(&Options::default());
    let mut connection = Connection::open(&mut engine);
    let mut out = Vec::new();
    connection.receive(&mut engine, b"HELLO 3\r\nSUBSCRIBE a\r\n", &mut out);
    out.clear();
    connection.receive(&mut engine, b"PUBLISH a hi\r\n", &mut out);
    assert_eq!(out, b":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n");
}

#[test]
fn a_connection_ends_with_quit_and_follows_proto_max_bulk_len() {
    let mut engine = Engine::new(&Options::default());
    let mut connection = Connection::open(&mut engine);
    let mut out = Vec::new();
    let big = b"*2\r\n$4\r\nECHO\r\n$2000000\r\n";
    connection.receive(&mut engine, b"CONFIG SET proto-max-bulk-len 1mb\r\n", &mut out);
    connection.receive(&mut engine, big, &mut out);
    assert_eq!(out, b"+OK\r\n-ERR Protocol error: invalid bulk length\r\n");
    assert!(connection.is_closed());

    let mut connection = Connection::open(&mut engine);
    out.clear();
    connection.receive(&mut engine, b"QUIT\r\nPING\r\n", &mut out);
    assert_eq!(out, b"+OK\r\n");
    assert!(connection.is_closed());
}

#[test]
fn config_set_is_all_or_nothing_and_counted() {
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    let before = engine.config.generation;
    call(&mut engine, session, "CONFIG SET appendonly yes appendfsync sometimes");
    assert!(!engine.config.append_only);
    assert_eq!(engine.config.generation, before);
    call(&mut engine, session, "CONFIG SET appendonly yes appendfsync always");
    assert!(engine.config.append_only);
    assert_eq!(engine.config.generation, before + 1);
}

#[test]
fn info_tells_what_is_known() {
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    call(&mut engine, session, "SET a 1");
    call(&mut engine, session, "SET b 1 EX 10");
    call(&mut engine, session, "NOSUCH");
    call(&mut engine, session, "INCR a b");
    call(&mut engine, session, "GET a");
    engine.set_time(5_000_000);
    let info = call(&mut engine, session, "INFO");
    let expected = [
        "redis_version:",
        "lodis_version:",
        "uptime_in_seconds:5",
        "db0:keys=2,expires=1",
        "errorstat_ERR:count=2",
        "total_error_replies:2",
        "keyspace_hits:1",
        "connected_clients:1",
    ];
    for line in expected {
        assert!(info.contains(&format!("\r\n{line}")), "{line} in {info}");
    }
    let two = call(&mut engine, session, "INFO keyspace SERVER");
    assert!(two.contains("# Server\r\n") && two.contains("\r\n\r\n# Keyspace\r\n"));
    assert!(!two.contains("# Clients"));
    call(&mut engine, session, "CONFIG RESETSTAT");
    assert!(call(&mut engine, session, "INFO errorstats").ends_with("# Errorstats\r\n\r\n"));
}
