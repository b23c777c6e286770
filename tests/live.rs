//! Live queries: what is remembered, told and forgotten (`src/engine/live.rs`).

mod calling;

use calling::{call, engine, session};
use lodis::engine::Engine;
use lodis::engine::session::SessionId;
use lodis::resp::Protocol;

/// The numbers of queries that a session is told to run again.
fn told(engine: &mut Engine, id: SessionId) -> Vec<u32> {
    let text = String::from_utf8(engine.sessions.take_messages_of(id)).unwrap();
    if text.is_empty() {
        return Vec::new();
    }
    let rest = text.strip_prefix(">2\r\n$10\r\nlodis.live\r\n*").unwrap();
    rest.split("\r\n:").skip(1).map(|number| number.trim().parse().unwrap()).collect()
}

/// Keys, and pairs of a key and a reader, that are remembered.
fn remembered(engine: &mut Engine, id: SessionId) -> [usize; 2] {
    let text = call(engine, id, "INFO everything");
    ["tracking_total_keys", "tracking_total_items"].map(|field| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).unwrap();
        line.parse().unwrap()
    })
}

#[test]
fn a_query_is_told_of_once_when_a_key_that_it_read_has_changed() {
    let mut engine = engine();
    let a = session(&mut engine, &["SET k 1", "HSET h f 1"]);
    let b = session(&mut engine, &[]);
    assert_eq!(call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k"), "*2\r\n_\r\n$1\r\n1\r\n");
    assert_eq!(call(&mut engine, a, "LODIS.LIVE ON 2 0 MGET k none h"), {
        "*2\r\n_\r\n*3\r\n$1\r\n1\r\n_\r\n_\r\n"
    });
    assert_eq!(remembered(&mut engine, b), [3, 4]);
    for line in ["SET other 1", "GET k", "SADD h x", "DEL nothing"] {
        call(&mut engine, b, line);
        assert_eq!(told(&mut engine, a), [0u32; 0], "{line}");
    }
    call(&mut engine, b, "SET none 1");
    assert_eq!(told(&mut engine, a), [2]);
    // One message for a command, however much it changes.
    call(&mut engine, b, "MSET k 2 h 2");
    assert_eq!(told(&mut engine, a), [1, 2]);
    call(&mut engine, b, "MSET k 3 none 3 h 3");
    assert_eq!((told(&mut engine, a), told(&mut engine, b)), (vec![], vec![]));
    assert_eq!(remembered(&mut engine, b), [0, 0]);
    // Its own changes count, and only those that happen.
    call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
    for (line, is_told) in
        [("MULTI", false), ("SET k 4", false), ("DISCARD", false), ("SET k 4", true)]
    {
        call(&mut engine, a, line);
        assert_eq!(!told(&mut engine, a).is_empty(), is_told, "{line}");
    }
}

#[test]
fn an_error_is_a_reply_too_and_is_followed() {
    let mut engine = engine();
    let a = session(&mut engine, &["SET k 1"]);
    let reply = call(&mut engine, a, "LODIS.LIVE ON 7 0 LRANGE k 0 -1");
    assert!(reply.starts_with("*2\r\n_\r\n-WRONGTYPE "), "{reply}");
    call(&mut engine, a, "DEL k");
    assert_eq!(told(&mut engine, a), [7]);
}

#[test]
fn what_reads_more_than_it_names_is_told_of_every_change() {
    let mut engine = engine();
    let a = session(&mut engine, &["RPUSH l 1 2"]);
    for (query, command) in
        ["KEYS *", "DBSIZE", "SCAN 0", "RANDOMKEY", "SORT_RO l BY w_*"].iter().enumerate()
    {
        let query = query + 1;
        call(&mut engine, a, &format!("LODIS.LIVE ON {query} 0 {command}"));
    }
    call(&mut engine, a, "LODIS.LIVE ON 6 0 SORT_RO l");
    call(&mut engine, a, "SET anything 1");
    assert_eq!(told(&mut engine, a), [1, 2, 3, 4, 5]);
    call(&mut engine, a, "RPUSH l 3");
    assert_eq!(told(&mut engine, a), [6]);
}

#[test]
fn a_query_stays_in_its_database_and_apart_from_what_the_session_is_doing() {
    let mut engine = engine();
    let a = session(&mut engine, &["SET k zero", "SELECT 3", "SET k three", "MULTI", "INCR n"]);
    let three = "*2\r\n_\r\n$5\r\nthree\r\n";
    assert_eq!(call(&mut engine, a, "LODIS.LIVE ON 1 3 GET k"), three);
    assert_eq!(call(&mut engine, a, "LODIS.LIVE ON 2 0 GET k"), "*2\r\n_\r\n$4\r\nzero\r\n");
    assert_eq!(call(&mut engine, a, "EXEC"), "*1\r\n:1\r\n");
    call(&mut engine, a, "SELECT 5");
    assert_eq!(call(&mut engine, a, "LODIS.LIVE ON 1 3 GET k"), three);
    assert_eq!(call(&mut engine, a, "GET k"), "_\r\n");
}

#[test]
fn everything_is_told_when_all_may_have_changed() {
    for line in ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1"] {
        let mut engine = engine();
        let a = session(&mut engine, &["SET k 1"]);
        call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
        call(&mut engine, a, "LODIS.LIVE ON 2 0 GET none");
        call(&mut engine, a, line);
        assert_eq!(told(&mut engine, a), [1, 2], "{line}");
    }
}

#[test]
fn what_expires_is_told_and_when_it_will() {
    let mut engine = engine();
    let a = session(&mut engine, &["SET k 1 PX 50", "HSET h f 1 g 1", "HPEXPIRE h 20 FIELDS 1 f"]);
    let due = |engine: &Engine, ms: i64| format!("*2\r\n:{}\r\n", engine.now_ms() + ms);
    let at = due(&engine, 50);
    assert!(call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k").starts_with(&at));
    let at = due(&engine, 20);
    assert!(call(&mut engine, a, "LODIS.LIVE ON 2 0 HLEN h").starts_with(&at));
    for expected in [2, 1] {
        engine.set_time(engine.now_us() + 30_000);
        while engine.tick().is_some_and(|at| at <= engine.now_ms()) {}
        assert_eq!(told(&mut engine, a), [expected]);
    }
}

#[test]
fn a_copy_tells_of_what_is_applied_to_it() {
    let mut engine = engine();
    let a = session(&mut engine, &["SET k 1"]);
    engine.set_follower(true);
    call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
    // As what applies the leader's effects does.
    engine.set_loading(true);
    call(&mut engine, a, "SET k 2");
    engine.set_loading(false);
    assert_eq!(told(&mut engine, a), [1]);
    // It goes on where the engine leads, and ends where it begins to follow.
    call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
    engine.set_follower(false);
    call(&mut engine, a, "SET k 3");
    assert_eq!(told(&mut engine, a), [1]);
    call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
    engine.set_follower(true);
    assert_eq!(remembered(&mut engine, a), [0, 0]);
}

#[test]
fn queries_end_one_by_one_and_with_their_session() {
    let mut engine = engine();
    let a = session(&mut engine, &[]);
    let b = session(&mut engine, &["CLIENT TRACKING ON", "GET k"]);
    for line in ["ON 1 0 GET k", "ON 2 0 GET k", "ON 3 0 DBSIZE", "ON 4 0 GET x"] {
        call(&mut engine, a, &format!("LODIS.LIVE {line}"));
    }
    assert_eq!(remembered(&mut engine, b), [2, 4]);
    for line in ["OFF 1 GET k", "OFF 3 DBSIZE", "OFF 4 GET x", "OFF 9 GET nothing"] {
        assert_eq!(call(&mut engine, a, &format!("LODIS.LIVE {line}")), "+OK\r\n", "{line}");
    }
    assert_eq!(remembered(&mut engine, b), [1, 2]);
    call(&mut engine, a, "SET k 1");
    assert_eq!(told(&mut engine, a), [2]);
    for line in ["ON 1 0 GET k", "ON 2 0 DBSIZE", "OFF", "OFF"] {
        call(&mut engine, a, &format!("LODIS.LIVE {line}"));
    }
    call(&mut engine, b, "SET k 2");
    assert_eq!(told(&mut engine, a), [0u32; 0]);
    call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
    engine.disconnect(a);
    assert_eq!(session(&mut engine, &[]), a);
    call(&mut engine, b, "SET k 3");
    assert_eq!(told(&mut engine, a), [0u32; 0]);
    // Nothing is collected for nobody.
    call(&mut engine, b, "CLIENT TRACKING OFF");
    assert_eq!(remembered(&mut engine, b), [0, 0]);
}

#[test]
fn the_limit_of_the_table_has_queries_run_again() {
    let mut engine = engine();
    let a = session(&mut engine, &["CONFIG SET tracking-table-max-keys 1"]);
    call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
    call(&mut engine, a, "LODIS.LIVE ON 2 0 GET l");
    assert_eq!(told(&mut engine, a).len(), 1);
    assert_eq!(remembered(&mut engine, a), [1, 1]);
}

#[test]
fn users_read_only_what_they_may_by_the_names_that_commands_have() {
    let mut engine = engine();
    engine.rename_command(b"get", b"fetch").unwrap();
    let a =
        session(&mut engine, &["SET k 1", "ACL SETUSER u on nopass ~mine +get +multi", "AUTH u x"]);
    let unknown = call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
    assert!(unknown.starts_with("-ERR unknown command"), "{unknown}");
    let denied = call(&mut engine, a, "LODIS.LIVE ON 1 0 FETCH k");
    assert!(denied.starts_with("-NOPERM "), "{denied}");
    assert_eq!(call(&mut engine, a, "LODIS.LIVE ON 1 0 FETCH mine"), "*2\r\n_\r\n_\r\n");
    // Nor does it learn when that changes.
    let b = session(&mut engine, &["SET k 2"]);
    assert_eq!(told(&mut engine, a), [0u32; 0]);
    call(&mut engine, b, "SET mine 1");
    assert_eq!(told(&mut engine, a), [1]);
    assert_eq!(call(&mut engine, a, "LODIS.LIVE OFF 1 FETCH mine"), "+OK\r\n");
}

#[test]
fn who_has_not_authenticated_asks_nothing() {
    let mut engine = engine();
    session(&mut engine, &["CONFIG SET requirepass secret"]);
    let id = engine.connect();
    engine.sessions.get_mut(id).unwrap().protocol = Protocol::Resp3;
    let reply = call(&mut engine, id, "LODIS.LIVE ON 1 0 GET k");
    assert_eq!(reply, "-NOAUTH Authentication required.\r\n");
    call(&mut engine, id, "AUTH secret");
    assert_eq!(remembered(&mut engine, id), [0, 0]);
}

#[test]
fn what_is_no_query_is_refused_and_remembered_nowhere() {
    let mut engine = engine();
    let a = session(&mut engine, &["MULTI"]);
    for (line, error) in [
        ("", "ERR syntax error"),
        ("ON", "ERR syntax error"),
        ("ON 1 0", "ERR syntax error"),
        ("OFF 1", "ERR syntax error"),
        ("MAYBE 1 0 GET k", "ERR syntax error"),
        ("ON 0 0 GET k", "ERR value is not an integer or out of range"),
        ("ON 4294967296 0 GET k", "ERR value is not an integer or out of range"),
        ("OFF x GET k", "ERR value is not an integer or out of range"),
        ("ON 1 16 GET k", "ERR DB index is out of range"),
        ("ON 1 -1 GET k", "ERR DB index is out of range"),
        ("ON 1 0 SET k 1", "ERR a live query only reads"),
        ("ON 1 0 SORT k", "ERR a live query only reads"),
        ("ON 1 0 EXEC", "ERR a live query only reads"),
        ("ON 1 0 GET", "ERR wrong number of arguments for 'get' command"),
        ("ON 1 0 LODIS.LIVE ON 1 0 GET k", "ERR unknown command 'LODIS.LIVE'"),
    ] {
        let reply = call(&mut engine, a, &format!("LODIS.LIVE {line}"));
        assert!(reply.starts_with(&format!("-{error}")), "{line}: {reply}");
    }
    // Nor has it spoilt what has begun.
    assert_eq!(call(&mut engine, a, "EXEC"), "*0\r\n");
    assert_eq!(remembered(&mut engine, a), [0, 0]);
    let old = engine.connect();
    let reply = call(&mut engine, old, "LODIS.LIVE ON 1 0 GET k");
    assert_eq!(reply, "-ERR LODIS.LIVE speaks RESP3\r\n");
    assert!(engine.begin_atomic(a, false));
    let reply = call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
    assert_eq!(reply, "-ERR LODIS.LIVE is no part of a unit\r\n");
    engine.end_atomic(true);
}

#[test]
fn a_unit_that_is_undone_changes_nothing() {
    let mut engine = engine();
    let a = session(&mut engine, &["SET k 1"]);
    for (is_kept, expected) in [(false, vec![]), (true, vec![1])] {
        call(&mut engine, a, "LODIS.LIVE ON 1 0 GET k");
        assert!(engine.begin_atomic(a, false));
        call(&mut engine, a, "SET k 2");
        engine.end_atomic(is_kept);
        assert_eq!(told(&mut engine, a), expected);
    }
}
