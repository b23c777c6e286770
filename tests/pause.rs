//! CLIENT PAUSE and MONITOR where the transcripts cannot tell: sessions that wait for everything, that end
//! meanwhile, and in which nothing may wait.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};

struct Server {
    engine: Engine,
}

impl Server {
    fn new() -> Self {
        Self { engine: Engine::new(&Options { now_us: 1_000_000, ..Options::default() }) }
    }

    fn run(&mut self, session: SessionId, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        self.engine.call(session, &words, &mut reply);
        String::from_utf8(reply).unwrap()
    }

    fn heard(&mut self, session: SessionId) -> String {
        String::from_utf8(self.engine.sessions.take_messages_of(session)).unwrap()
    }

    /// Lets time go by; answers when the engine wants to be called again.
    fn advance(&mut self, ms: i64) -> Option<i64> {
        self.engine.set_time(self.engine.now_us() + ms * 1000);
        self.engine.tick()
    }
}

#[test]
fn everything_waits_for_the_end_of_a_whole_pause() {
    let mut server = Server::new();
    let [a, b, c] = [(); 3].map(|()| server.engine.connect());
    assert_eq!(server.run(a, "CLIENT PAUSE 500"), "+OK\r\n");
    assert_eq!(server.run(a, "CLIENT PAUSE 100 WRITE"), "", "it waits as well");
    assert_eq!(server.run(b, "PING"), "");
    assert_eq!(server.run(c, "CLIENT UNPAUSE"), "");
    let due = server.advance(100).unwrap();
    assert_eq!(due, 1500);
    assert_eq!(server.run(b, "GET k"), "", "a session that waits runs nothing");
    assert_eq!(server.heard(b), "");
    server.advance(400);
    assert_eq!(server.heard(b), "+PONG\r\n");
    assert_eq!(server.heard(c), "+OK\r\n", "it ends the pause of the first one");
    assert_eq!(server.heard(a), "+OK\r\n");
    assert_eq!(server.run(a, "SET k v"), "+OK\r\n");
    assert!(!server.engine.is_paused());
}

#[test]
fn who_waits_may_end_may_block_and_may_pause_again() {
    let mut server = Server::new();
    let [admin, gone, pops, pauses, muted] = [(); 5].map(|()| server.engine.connect());
    server.run(admin, "CLIENT PAUSE 500 WRITE");
    assert_eq!(server.run(gone, "SET gone 1"), "");
    assert_eq!(server.run(pops, "BLPOP list 1"), "");
    assert_eq!(server.run(muted, "CLIENT REPLY SKIP"), "");
    assert_eq!(server.run(muted, "RPUSH other 1"), "");
    assert_eq!(server.run(pauses, "MULTI"), "+OK\r\n");
    assert_eq!(server.run(pauses, "CLIENT PAUSE 300 WRITE"), "+QUEUED\r\n");
    assert_eq!(server.run(pauses, "INCR n"), "");
    assert!(server.run(admin, "INFO clients").contains("blocked_clients:4"));
    server.engine.disconnect(gone);
    server.advance(500);
    assert_eq!(server.heard(pops), "");
    assert_eq!(server.heard(muted), "");
    assert_eq!(server.run(muted, "PING"), "+PONG\r\n");
    assert_eq!(server.heard(pauses), "+QUEUED\r\n");
    assert_eq!(server.run(pauses, "EXEC"), "*2\r\n+OK\r\n:1\r\n");
    // What blocks does so from now on.
    assert_eq!(server.advance(100), Some(1800));
    assert_eq!(server.run(admin, "RPUSH list x"), "");
    server.advance(200);
    assert_eq!(server.heard(admin), ":1\r\n");
    assert_eq!(server.heard(pops), "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
    assert_eq!(server.run(admin, "EXISTS gone"), ":0\r\n");
}

#[test]
fn where_nothing_may_wait_an_error_says_so() {
    let mut server = Server::new();
    let [admin, embedded] = [(); 2].map(|()| server.engine.connect());
    server.engine.sessions.get_mut(embedded).unwrap().deny_blocking = true;
    server.run(admin, "CLIENT PAUSE 500 WRITE");
    let set = server.engine.registry().get(b"set");
    assert!(server.engine.postpones(embedded, set, &[b"SET", b"k", b"v"]));
    assert!(!server.engine.postpones(embedded, set, &[b"SET", b"k"]));
    assert!(
        server.run(embedded, "SET k v").starts_with("-ERR CLIENT PAUSE postpones this command")
    );
    assert_eq!(server.run(embedded, "GET k"), "$-1\r\n");
    server.run(admin, "CLIENT UNPAUSE");
    assert_eq!(server.run(embedded, "SET k v"), "+OK\r\n");
}

#[test]
fn an_embedded_client_monitors_beside_what_it_does() {
    let mut server = Server::new();
    let [embedded, other] = [(); 2].map(|()| server.engine.connect());
    server.engine.sessions.get_mut(embedded).unwrap().deny_blocking = true;
    assert!(server.run(other, "MONITOR OFF").starts_with("-ERR wrong number"));
    assert_eq!(server.run(embedded, "MONITOR"), "+OK\r\n");
    assert_eq!(server.run(embedded, "MONITOR"), "+OK\r\n");
    assert_eq!(server.run(embedded, "SET k v"), "+OK\r\n");
    assert_eq!(server.heard(embedded), "+1.000000 [0 lodis:1] \"SET\" \"k\" \"v\"\r\n");
    // Of values that the host has copied it would show nothing.
    server.engine.take_copied();
    server.run(other, "GET k");
    server.run(other, "GET k");
    assert!(server.engine.take_copied().is_none());
    assert_eq!(server.heard(embedded).lines().count(), 2);
    assert_eq!(server.run(embedded, "MONITOR OFF"), "+OK\r\n");
    server.run(other, "GET k");
    server.engine.take_copied();
    server.run(other, "GET k");
    assert!(server.engine.take_copied().is_some());
    assert_eq!(server.heard(embedded), "");
}

#[test]
fn a_monitor_that_does_not_read_is_disconnected() {
    let mut server = Server::new();
    let [monitor, other] = [(); 2].map(|()| server.engine.connect());
    server.run(monitor, "MONITOR");
    let long = format!("ECHO {}", "x".repeat(1 << 20));
    for _ in 0..40 {
        server.run(other, &long);
    }
    assert!(server.engine.sessions.get(monitor).is_none_or(|session| session.closing));
}

#[test]
fn a_sleep_is_a_pause() {
    let mut server = Server::new();
    let [sleeper, other] = [(); 2].map(|()| server.engine.connect());
    assert_eq!(server.run(sleeper, "DEBUG SLEEP 0.5"), "");
    assert_eq!(server.run(other, "PING"), "");
    server.advance(500);
    assert_eq!(server.heard(sleeper), "+OK\r\n");
    assert_eq!(server.heard(other), "+PONG\r\n");
}

#[test]
fn debug_is_for_whom_it_is_allowed() {
    use lodis::engine::config::DebugCommand;
    let mut server = Server::new();
    let session = server.engine.connect();
    for (setting, address, is_allowed) in [
        (DebugCommand::Local, "", true),
        (DebugCommand::Local, "tab:0000", true),
        (DebugCommand::Local, "127.0.0.1:1234", true),
        (DebugCommand::Local, "[::1]:1234", true),
        (DebugCommand::Local, "10.0.0.1:1234", false),
        (DebugCommand::Yes, "10.0.0.1:1234", true),
        (DebugCommand::No, "", false),
    ] {
        server.engine.config.debug_command = setting;
        server.engine.sessions.get_mut(session).unwrap().address = address.to_owned();
        let reply = server.run(session, "DEBUG DIGEST");
        assert_eq!(reply.starts_with("+0000"), is_allowed, "{setting:?} {address}");
        assert_eq!(reply.starts_with("-ERR DEBUG command not allowed."), !is_allowed);
    }
}

#[test]
fn a_reload_keeps_everything() {
    let mut server = Server::new();
    let session = server.engine.connect();
    for line in [
        "SET s text",
        "SET n 12 PX 1000",
        "RPUSH l a b 3",
        "SADD set a b",
        "SADD ints 1 2",
        "ZADD z 1.5 a",
        "HSET h a 1",
        "HPEXPIRE h 500 FIELDS 1 a",
        "XADD x 1-1 a b",
        "XGROUP CREATE x g 0",
        "XREADGROUP GROUP g c STREAMS x >",
    ] {
        assert!(!server.run(session, line).starts_with('-'), "{line}");
    }
    let (before, digest) = (server.engine.digest(), server.run(session, "DEBUG DIGEST"));
    for line in ["DEBUG RELOAD", "DEBUG RELOAD NOFLUSH MERGE", "DEBUG LOADAOF"] {
        assert_eq!(server.run(session, line), "+OK\r\n");
    }
    assert!(server.run(session, "DEBUG RELOAD NOSAVE").starts_with("-ERR Error trying to load"));
    assert_eq!(server.engine.digest(), before);
    assert_eq!(server.run(session, "DEBUG DIGEST"), digest);
    // The keyspace counts them without looking.
    assert_eq!(server.engine.keyspace.db(0).expiring_hashes_len(), 1);
    server.advance(600);
    assert_eq!(server.run(session, "EXISTS h"), ":0\r\n");
}
