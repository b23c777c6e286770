//! Client-side caching, where no script can compare it with a real server: what goes without a command,
//! what is bounded, and what a host makes of it. The rest is in `sessions.rs`.

mod calling;

use calling::{call, engine, session};
use lodis::engine::import::Import;
use lodis::engine::meter::Meter;
use lodis::engine::rdb::file::Progress;
use lodis::engine::session::SessionId;
use lodis::engine::session_state::{SessionState, SessionStateError};
use lodis::engine::{Engine, Options};

fn messages(engine: &mut Engine, id: SessionId) -> String {
    String::from_utf8(engine.sessions.take_messages_of(id)).unwrap()
}

fn of(keys: &[&str]) -> String {
    let keys: String = keys.iter().map(|key| format!("${}\r\n{key}\r\n", key.len())).collect();
    format!(">2\r\n$10\r\ninvalidate\r\n*{}\r\n{keys}", keys.matches('$').count())
}

const ALL: &str = ">2\r\n$10\r\ninvalidate\r\n_\r\n";

fn info(engine: &mut Engine, id: SessionId, field: &str) -> usize {
    let text = call(engine, id, "INFO everything");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).unwrap();
    line.parse().unwrap()
}

#[test]
fn what_expires_is_told_also_to_whom_asks_not_to_hear_of_its_own_changes() {
    let mut engine = engine();
    let a = session(&mut engine, &["CLIENT TRACKING ON NOLOOP"]);
    let b = session(&mut engine, &["CLIENT TRACKING ON BCAST PREFIX k NOLOOP"]);
    let c = session(&mut engine, &["SET k 1 PX 50", "HSET h f 1 g 1", "HPEXPIRE h 50 FIELDS 1 f"]);
    messages(&mut engine, b);
    for line in ["GET k", "HGET h f"] {
        call(&mut engine, a, line);
    }
    engine.set_time(engine.now_us() + 50_000);
    while engine.tick().is_some_and(|at| at <= engine.now_ms()) {}
    let mut told = [of(&["k"]), of(&["h"])];
    if messages(&mut engine, a) != told.concat() {
        told.reverse();
    }
    assert_eq!(messages(&mut engine, b), of(&["k"]));
    // As it is read.
    call(&mut engine, c, "SET k 1 PX 50");
    messages(&mut engine, b);
    call(&mut engine, a, "GET k");
    engine.set_time(engine.now_us() + 50_000);
    assert_eq!(call(&mut engine, a, "GET k"), "_\r\n");
    assert_eq!(messages(&mut engine, a), of(&["k"]));
    assert_eq!(messages(&mut engine, b), of(&["k"]));
}

#[test]
fn what_is_evicted_is_told() {
    let meter = Meter { used: || 1 << 20, ..Meter::default() };
    let mut engine = Engine::new(&Options { meter, ..Options::default() });
    let a = session(&mut engine, &["SET k 1", "CLIENT TRACKING ON NOLOOP", "GET k"]);
    assert_eq!(messages(&mut engine, a), "");
    call(&mut engine, a, "CONFIG SET maxmemory 1 maxmemory-policy allkeys-random");
    call(&mut engine, a, "GET other");
    assert_eq!(messages(&mut engine, a), of(&["k"]));
}

#[test]
fn where_databases_are_exchanged_everything_may_have_changed() {
    let mut engine = engine();
    let a = session(&mut engine, &["SET k 1", "CLIENT TRACKING ON", "GET k"]);
    let b = session(&mut engine, &["CLIENT TRACKING ON BCAST PREFIX x"]);
    call(&mut engine, b, "SWAPDB 0 1");
    assert_eq!([a, b].map(|id| messages(&mut engine, id)), [ALL, ALL]);
    call(&mut engine, b, "SET k 1");
    assert_eq!(messages(&mut engine, a), "", "it has to read it again");
    call(&mut engine, a, "GET k");
    assert_eq!(info(&mut engine, a, "tracking_total_keys"), 1);
    // An empty file.
    let mut file = b"REDIS0011\xff".to_vec();
    file.extend_from_slice(&[0; 8]);
    let mut import = Import::begin(&mut engine);
    import.push(&mut engine, &file).unwrap();
    while import.step(&mut engine, 100).unwrap() != Progress::Done {}
    import.finish(&mut engine).unwrap();
    assert_eq!([a, b].map(|id| messages(&mut engine, id)), [ALL, ALL]);
    assert_eq!(info(&mut engine, a, "tracking_total_keys"), 0);
}

#[test]
fn the_table_forgets_keys_beyond_its_bound_and_says_so() {
    let mut engine = engine();
    let a = session(&mut engine, &["CONFIG SET tracking-table-max-keys 3", "CLIENT TRACKING ON"]);
    let b = session(&mut engine, &["CLIENT TRACKING ON", "GET k0", "GET k1"]);
    assert_eq!(info(&mut engine, a, "tracking_clients"), 2);
    call(&mut engine, a, "MGET k0 k1 k2 k3 k4 k5");
    let told = messages(&mut engine, a);
    assert_eq!(told.matches("invalidate").count(), 3);
    assert_eq!(info(&mut engine, a, "tracking_total_keys"), 3);
    let left = (0..6).filter(|n| !told.contains(&format!("k{n}\r")));
    let items = 3 + left.filter(|n| *n < 2).count();
    assert_eq!(info(&mut engine, a, "tracking_total_items"), items);
    engine.disconnect(a);
    assert_eq!(info(&mut engine, b, "tracking_clients"), 1);
    call(&mut engine, b, "CLIENT TRACKING OFF");
    assert_eq!(info(&mut engine, b, "tracking_total_keys"), 0);
}

#[test]
fn one_command_of_many_keys_is_told_in_parts_or_as_everything() {
    let mut engine = engine();
    let a = session(&mut engine, &["CLIENT TRACKING ON BCAST", "CLIENT TRACKING ON BCAST"]);
    assert_eq!(info(&mut engine, a, "tracking_total_prefixes"), 1);
    let b = session(&mut engine, &[]);
    let mset = |keys: usize| (0..keys).fold("MSET".to_owned(), |l, n| format!("{l} k{n} 1"));
    call(&mut engine, b, &mset(3000));
    let told = messages(&mut engine, a);
    assert_eq!(told.matches("invalidate").count(), 3);
    assert!((0..3000).all(|n| told.contains(&format!("\nk{n}\r"))));
    call(&mut engine, b, &mset(20_000));
    assert!(messages(&mut engine, a).ends_with(ALL));
}

#[test]
fn a_blocking_command_reads_and_writes_for_who_has_called_it() {
    let mut engine = engine();
    let a = session(&mut engine, &["CLIENT TRACKING ON NOLOOP"]);
    let b = session(&mut engine, &[]);
    let fork = engine.fork(a);
    assert_eq!(call(&mut engine, fork, "XREAD BLOCK 0 STREAMS s $"), "");
    call(&mut engine, b, "XADD s 1-1 f v");
    assert!(messages(&mut engine, fork).contains("1-1"));
    engine.disconnect(fork);
    assert_eq!(messages(&mut engine, a), of(&["s"]));
    // When it was served it has read the stream again.
    call(&mut engine, b, "XADD s 2-1 f v");
    assert_eq!(messages(&mut engine, a), of(&["s"]));
    call(&mut engine, b, "RPUSH l 1");
    call(&mut engine, a, "LLEN l");
    let fork = engine.fork(a);
    assert!(call(&mut engine, fork, "BLPOP l 0").starts_with('*'));
    engine.disconnect(fork);
    assert_eq!(messages(&mut engine, a), "", "its own change");
}

#[test]
fn a_redirect_is_broken_when_the_other_one_is_gone() {
    let mut engine = engine();
    let b = session(&mut engine, &[]);
    let a = session(&mut engine, &["CLIENT TRACKING ON REDIRECT 1 NOLOOP", "GET k"]);
    assert!(call(&mut engine, a, "CLIENT INFO").contains(" flags=t "));
    assert!(call(&mut engine, a, "CLIENT INFO").contains(" redir=1 "));
    engine.disconnect(b);
    // Another session takes its number here, but is another client.
    let c = session(&mut engine, &["SET k 1"]);
    assert_eq!(c, b);
    assert_eq!(messages(&mut engine, c), "");
    assert_eq!(messages(&mut engine, a), ">2\r\n$21\r\ntracking-redir-broken\r\n:1\r\n");
    assert!(call(&mut engine, a, "CLIENT INFO").contains(" flags=tR "));
    assert!(call(&mut engine, a, "CLIENT TRACKINGINFO").contains("broken_redirect"));
    call(&mut engine, a, "CLIENT TRACKING OFF");
    call(&mut engine, a, "CLIENT TRACKING ON BCAST");
    assert!(call(&mut engine, a, "CLIENT INFO").contains(" flags=tB "));
}

#[test]
fn who_keeps_copies_asks_again_while_reads_are_tracked() {
    let mut engine = engine();
    let a = session(&mut engine, &["SET k 1", "GET k"]);
    assert_eq!(engine.take_copied(), None, "nobody has asked for it before");
    call(&mut engine, a, "GET k");
    assert!(engine.take_copied().is_some());
    call(&mut engine, a, "CLIENT TRACKING ON");
    call(&mut engine, a, "GET k");
    assert_eq!(engine.take_copied(), None);
    call(&mut engine, a, "CLIENT TRACKING OFF");
    call(&mut engine, a, "CLIENT TRACKING ON BCAST");
    call(&mut engine, a, "GET k");
    assert!(engine.take_copied().is_some());
}

#[test]
fn a_session_goes_on_tracking_at_another_leader() {
    let mut old = engine();
    let target = old.connect();
    for how in ["OPTIN", "BCAST PREFIX a PREFIX b NOLOOP", ""] {
        let line = format!("CLIENT TRACKING ON {how}");
        let a = session(&mut old, &[&line]);
        let state = old.session_state(a).unwrap();
        assert_eq!(SessionState::decode(&state.encode()), Ok(state.clone()));
        let mut new = engine();
        let a = session(&mut new, &[]);
        assert!(new.restore_session(a, &state));
        assert_eq!(new.session_state(a), Some(state.clone()));
        assert_eq!(messages(&mut new, a), ALL, "nobody knows what it has read");
        assert!(new.restore_session(a, &state));
        assert_eq!(messages(&mut new, a), "", "it tracks already");
        let b = session(&mut new, &[]);
        call(&mut new, a, "CLIENT CACHING YES");
        call(&mut new, a, "GET a");
        call(&mut new, b, "SET a 1");
        assert_eq!(messages(&mut new, a), of(&["a"]));
        assert!(new.restore_session(a, &SessionState::default()));
        assert_eq!(info(&mut new, a, "tracking_clients"), 0);
    }
    // The number of the other client is nobody's, or another one's, there.
    let a = session(&mut old, &["CLIENT TRACKING ON REDIRECT 1"]);
    let state = old.session_state(a).unwrap();
    assert_eq!(state.tracking.as_ref().unwrap().redirect, 1);
    old.disconnect(target);
    let mut new = engine();
    session(&mut new, &[]);
    let a = session(&mut new, &[]);
    new.restore_session(a, &state);
    assert_eq!(messages(&mut new, a), ">2\r\n$21\r\ntracking-redir-broken\r\n:1\r\n");
    // What does not fit is everything.
    let long = format!("CLIENT TRACKING ON BCAST PREFIX a{0} PREFIX b{0}", "-".repeat(10_000));
    let a = session(&mut old, &[&long]);
    let bytes = old.session_state(a).unwrap().encode();
    let a = session(&mut new, &[]);
    new.restore_session(a, &SessionState::decode(&bytes).unwrap());
    assert_eq!(messages(&mut new, a), ALL);
    let b = session(&mut new, &["SET b 1"]);
    assert_eq!(messages(&mut new, a), of(&["b"]));
    call(&mut new, b, "CLIENT TRACKING ON BCAST PREFIX ab PREFIX c");
    let bytes = new.session_state(b).unwrap().encode();
    for len in (0..bytes.len()).filter(|len| ![16, 20].contains(len)) {
        let error = SessionState::decode(&bytes[..len]);
        assert_eq!(error, Err(SessionStateError::Length), "{len}");
    }
    let unknown = [&bytes[..7], &[64], &bytes[8..]].concat();
    assert_eq!(SessionState::decode(&unknown), Err(SessionStateError::Flags(64)));
}

#[test]
fn a_script_tells_its_own_session_once_it_is_done() {
    let mut engine = engine();
    let a = session(&mut engine, &["CLIENT TRACKING ON", "GET k"]);
    let b = session(&mut engine, &["CLIENT TRACKING ON", "GET k"]);
    let script = "EVAL \"redis.call('SET', KEYS[1], 1) return redis.call('GET', 'l')\" 1 k";
    let reply = call(&mut engine, a, script);
    assert_eq!(reply, "_\r\n");
    assert_eq!([a, b].map(|id| messages(&mut engine, id)), [of(&["k"]), of(&["k"])]);
    call(&mut engine, b, "SET l 1");
    assert_eq!(messages(&mut engine, a), of(&["l"]), "it was read by the script");
}

#[test]
fn a_follower_tracks_nothing() {
    let mut engine = engine();
    let a = session(&mut engine, &["CLIENT TRACKING ON"]);
    engine.set_follower(true);
    assert_eq!(info(&mut engine, a, "tracking_clients"), 0);
    let refused = "-READONLY You can't write against a read only replica.\r\n";
    assert_eq!(call(&mut engine, a, "CLIENT TRACKING ON"), refused);
    assert_eq!(call(&mut engine, a, "CLIENT TRACKING OFF"), "+OK\r\n");
}
