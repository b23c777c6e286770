//! What a session takes with it from one leader to the next.

use generator::Dice;
use lodis::engine::session::SessionId;
use lodis::engine::session_state::{SessionState, SessionStateError};
use lodis::engine::{Engine, Options};
use lodis::resp::split_words;

mod generator;

fn call(engine: &mut Engine, session: SessionId, line: &str) -> String {
    let words = split_words(line.as_bytes()).unwrap();
    let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut reply = Vec::new();
    engine.call(session, &argv, &mut reply);
    String::from_utf8(reply).unwrap()
}

/// A session that has done this, and the engine.
fn session_after(lines: &[&str]) -> (Engine, SessionId) {
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    lines.iter().for_each(|line| assert!(!call(&mut engine, session, line).starts_with('-')));
    (engine, session)
}

/// The state after this, which survives as bytes.
fn state_after(lines: &[&str]) -> SessionState {
    let (engine, session) = session_after(lines);
    let state = engine.session_state(session).unwrap();
    assert_eq!(SessionState::decode(&state.encode()), Ok(state.clone()));
    state
}

fn state(db: u32, in_transaction: bool, watching: bool, name: &str) -> SessionState {
    SessionState { db, in_transaction, watching, name: name.into(), tracking: None }
}

/// An engine with a session in this state.
fn restored(state: &SessionState) -> (Engine, SessionId) {
    let (mut engine, session) = session_after(&[]);
    assert!(engine.restore_session(session, state));
    assert_eq!(engine.session_state(session).as_ref(), Some(state));
    (engine, session)
}

#[test]
fn the_state_is_what_the_commands_have_made() {
    assert_eq!(state_after(&[]), SessionState::default());
    assert_eq!(state_after(&["SELECT 15", "CLIENT SETNAME it"]), state(15, false, false, "it"));
    assert_eq!(state_after(&["WATCH a"]), state(0, false, true, ""));
    assert_eq!(state_after(&["WATCH a", "MULTI", "GET a"]), state(0, true, true, ""));
    assert_eq!(state_after(&["WATCH a", "UNWATCH"]), SessionState::default());
    assert_eq!(state_after(&["WATCH a", "MULTI", "EXEC"]), SessionState::default());
    assert_eq!(Engine::new(&Options::default()).session_state(SessionId(0)), None);
}

#[test]
fn a_restored_session_is_in_its_database_with_its_name() {
    let (mut engine, session) = restored(&state(3, false, false, "it"));
    assert_eq!(call(&mut engine, session, "CLIENT GETNAME"), "$2\r\nit\r\n");
    assert_eq!(call(&mut engine, session, "SET a 1"), "+OK\r\n");
    assert_eq!(call(&mut engine, session, "SELECT 0"), "+OK\r\n");
    assert_eq!(call(&mut engine, session, "GET a"), "$-1\r\n");
    // What was there before is gone.
    for line in ["WATCH a", "MULTI"] {
        call(&mut engine, session, line);
    }
    assert!(engine.restore_session(session, &state(3, false, false, "")));
    assert_eq!(call(&mut engine, session, "CLIENT GETNAME"), "$-1\r\n");
    assert_eq!(call(&mut engine, session, "EXEC"), "-ERR EXEC without MULTI\r\n");
    assert_eq!(call(&mut engine, session, "GET a"), "$1\r\n1\r\n");
}

#[test]
fn nothing_is_restored_where_there_is_no_place() {
    let (mut engine, session) = session_after(&["SELECT 2", "MULTI"]);
    let before = engine.session_state(session);
    assert!(!engine.restore_session(session, &state(16, false, true, "it")));
    assert!(!engine.restore_session(session, &state(u32::MAX, false, true, "it")));
    assert_eq!(engine.session_state(session), before);
    assert!(!engine.restore_session(SessionId(9), &SessionState::default()));
}

#[test]
fn a_transaction_that_was_open_is_discarded_at_its_end() {
    for watching in [false, true] {
        let (mut engine, session) = restored(&state(0, true, watching, ""));
        assert_eq!(call(&mut engine, session, "SET a 1"), "+QUEUED\r\n");
        assert_eq!(
            call(&mut engine, session, "EXEC"),
            "-EXECABORT Transaction discarded because of previous errors.\r\n"
        );
        assert_eq!(call(&mut engine, session, "GET a"), "$-1\r\n");
        // The next one is not concerned, neither by the one that was open nor by the watch.
        for (line, reply) in [("MULTI", "+OK\r\n"), ("SET a 1", "+QUEUED\r\n")] {
            assert_eq!(call(&mut engine, session, line), reply);
        }
        assert_eq!(call(&mut engine, session, "EXEC"), "*1\r\n+OK\r\n");
    }
    let (mut engine, session) = restored(&state(0, true, true, ""));
    assert_eq!(call(&mut engine, session, "DISCARD"), "+OK\r\n");
    assert_eq!(engine.session_state(session), Some(SessionState::default()));
}

#[test]
fn a_watch_that_was_in_force_is_broken() {
    let watching = state(0, false, true, "");
    let transaction = |engine: &mut Engine, session| {
        assert_eq!(call(engine, session, "MULTI"), "+OK\r\n");
        assert_eq!(call(engine, session, "SET a 1"), "+QUEUED\r\n");
        call(engine, session, "EXEC")
    };
    let (mut engine, session) = restored(&watching);
    // More keys do not mend it.
    assert_eq!(call(&mut engine, session, "WATCH b"), "+OK\r\n");
    assert_eq!(transaction(&mut engine, session), "*-1\r\n");
    assert_eq!(call(&mut engine, session, "GET a"), "$-1\r\n");
    assert_eq!(transaction(&mut engine, session), "*1\r\n+OK\r\n");
    // Nobody asks any more.
    for line in ["UNWATCH", "RESET"] {
        let (mut engine, session) = restored(&watching);
        call(&mut engine, session, line);
        assert_eq!(transaction(&mut engine, session), "*1\r\n+OK\r\n");
    }
    // From leader to leader.
    let (engine, session) = restored(&watching);
    let (mut engine, session) = restored(&engine.session_state(session).unwrap());
    assert_eq!(transaction(&mut engine, session), "*-1\r\n");
}

#[test]
fn bytes_are_read_as_they_were_written_or_refused() {
    let bytes = state(258, true, false, "it").encode();
    assert_eq!(bytes, [2, 1, 0, 0, 1, 2, 0, b'i', b't']);
    assert_eq!(state(1, false, true, "").encode(), [1, 0, 0, 0, 2, 0, 0]);
    for len in 0..bytes.len() {
        assert_eq!(SessionState::decode(&bytes[..len]), Err(SessionStateError::Length), "{len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(SessionState::decode(&longer), Err(SessionStateError::Length));
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        SessionState::decode(&bytes)
    };
    assert_eq!(with(4, 9), Err(SessionStateError::Flags(9)));
    assert_eq!(with(8, b'\n'), Err(SessionStateError::Name));
    let long = "n".repeat(70_000);
    for (len, kept) in [(65_535, 65_535), (65_536, 0), (70_000, 0)] {
        let decoded = SessionState::decode(&state(7, true, true, &long[..len]).encode());
        assert_eq!(decoded, Ok(state(7, true, true, &long[..kept])));
    }
}

#[test]
fn whatever_is_read_is_written_the_same() {
    let mut read = 0;
    for seed in 0..500 {
        let mut dice = Dice::new(seed);
        let name = "name".repeat(dice.below(3));
        let mut bytes = state(dice.next() as u32, dice.one_in(2), dice.one_in(2), &name).encode();
        let at = dice.below(bytes.len());
        bytes[at] ^= dice.next() as u8;
        if let Ok(state) = SessionState::decode(&bytes) {
            assert_eq!(state.encode(), bytes, "seed {seed}");
            read += 1;
        }
    }
    assert!((100..450).contains(&read), "{read}");
}
