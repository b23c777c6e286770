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
    SessionState { db, in_transaction, watching, name: name.into(), ..SessionState::default() }
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
fn a_session_stays_the_one_of_its_user() {
    let users = ["ACL SETUSER u on >pw +get +acl|whoami ~a", "ACL SETUSER v on nopass +@all ~* &*"];
    let state = state_after(&[users[0], "AUTH u pw"]);
    assert_eq!(
        (state.user.as_deref(), state.is_restricted, state.tracks()),
        (Some(&b"u"[..]), true, 2)
    );
    let all = state_after(&[users[1], "AUTH v pw", "CLIENT TRACKING ON BCAST"]);
    assert_eq!((all.user.as_deref(), all.is_restricted, all.tracks()), (Some(&b"v"[..]), false, 1));
    let asked = state_after(&["CONFIG SET requirepass secret"]);
    assert_eq!((asked.user, asked.is_restricted), (None, false));
    let default = state_after(&["CONFIG SET requirepass secret", "AUTH secret"]);
    assert_eq!((default.user.as_deref(), default.is_restricted), (Some(&b"default"[..]), false));

    let (mut engine, session) = session_after(&users);
    assert!(engine.restore_session(session, &state));
    assert_eq!(engine.session_state(session), Some(state.clone()));
    assert_eq!(call(&mut engine, session, "ACL WHOAMI"), "$1\r\nu\r\n");
    assert_eq!(call(&mut engine, session, "GET a"), "$-1\r\n");
    assert_eq!(call(&mut engine, session, "GET b"), "-NOPERM No permissions to access a key\r\n");
    // Where there is no such user, it is nobody else's.
    let (mut engine, session) = session_after(&[]);
    assert!(engine.restore_session(session, &state));
    for line in ["GET a", "ACL WHOAMI", "ACL SETUSER u on"] {
        let refused = "-NOAUTH Authentication required.\r\n";
        assert_eq!(call(&mut engine, session, line), refused, "{line}");
    }
    assert_eq!(call(&mut engine, session, "AUTH default any"), "+OK\r\n");
    assert_eq!(call(&mut engine, session, "GET a"), "$-1\r\n");
    // One that has not authenticated has to, where that takes a password.
    let (mut engine, session) = session_after(&["CONFIG SET requirepass secret"]);
    let other = engine.connect();
    assert!(engine.restore_session(other, &SessionState::default()));
    assert!(engine.restore_session(session, &SessionState::default()));
    assert_eq!(call(&mut engine, other, "PING"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(call(&mut engine, session, "PING"), "+PONG\r\n");
    assert!(engine.restore_session(other, &default));
    assert_eq!(call(&mut engine, other, "PING"), "+PONG\r\n");
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
    assert_eq!(with(4, 33), Err(SessionStateError::Flags(33)));
    // The name of a user is missing.
    assert_eq!(with(4, 17), Err(SessionStateError::Length));
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
        let mut state = state(dice.next() as u32, dice.one_in(2), dice.one_in(2), &name);
        state.user = dice.one_in(2).then(|| name.clone().into());
        let mut bytes = state.encode();
        let at = dice.below(bytes.len());
        bytes[at] ^= dice.next() as u8;
        if let Ok(state) = SessionState::decode(&bytes) {
            assert_eq!(state.encode(), bytes, "seed {seed}");
            read += 1;
        }
    }
    assert!((100..450).contains(&read), "{read}");
}
