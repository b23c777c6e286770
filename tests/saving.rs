//! Commands that ask the host to save, and what they answer; the host here is the test.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};

struct Harness {
    engine: Engine,
    session: SessionId,
}

impl Harness {
    fn new() -> Self {
        let mut engine = Engine::new(&Options::default());
        engine.persistence.attached = true;
        let session = engine.connect();
        Self { engine, session }
    }

    fn call(&mut self, line: &str) -> String {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        self.engine.call(self.session, &argv, &mut reply);
        String::from_utf8(reply).unwrap()
    }

    /// What came for the session while it was blocked.
    fn message(&mut self) -> String {
        self.engine.serve_durable();
        String::from_utf8(self.engine.sessions.take_messages_of(self.session)).unwrap()
    }

    /// The host has made a base, or could not.
    fn saved(&mut self, error: Option<&str>) {
        assert!(std::mem::take(&mut self.engine.persistence.requests).rewrite);
        self.engine.persistence.rewriting = false;
        self.engine.persistence.saved(error.map(str::to_owned), 0);
    }
}

#[test]
fn without_a_store_there_is_nothing_to_save_to() {
    let mut harness = Harness::new();
    harness.engine.persistence.attached = false;
    for command in ["SAVE", "BGSAVE", "BGSAVE SCHEDULE", "BGREWRITEAOF"] {
        assert_eq!(harness.call(command), "-ERR there is no store to save to\r\n");
        assert!(!harness.engine.persistence.requests.rewrite);
    }
}

#[test]
fn saving_goes_on_in_the_background() {
    let mut harness = Harness::new();
    assert_eq!(harness.call("BGSAVE"), "+Background saving started\r\n");
    assert_eq!(harness.call("BGSAVE"), "-ERR Background save already in progress\r\n");
    assert_eq!(harness.call("SAVE"), "-ERR Background save already in progress\r\n");
    assert_eq!(harness.call("BGSAVE SCHEDULE"), "+Background saving scheduled\r\n");
    let text = "-ERR Background append only file rewriting already in progress\r\n";
    assert_eq!(harness.call("BGREWRITEAOF"), text);
    assert!(harness.call("INFO persistence").contains("rdb_bgsave_in_progress:1\r\n"));
    harness.saved(None);
    let info = harness.call("INFO persistence");
    assert!(info.contains("rdb_bgsave_in_progress:0\r\n"));
    assert!(info.contains("aof_last_bgrewrite_status:ok\r\n"));
    let text = "+Background append only file rewriting started\r\n";
    assert_eq!(harness.call("BGREWRITEAOF"), text);
    harness.saved(Some("QuotaExceededError: no room"));
    let info = harness.call("INFO persistence");
    assert!(info.contains("aof_last_bgrewrite_status:err\r\n"));
    assert!(info.contains("aof_last_bgrewrite_error:QuotaExceededError: no room\r\n"));
    assert!(info.contains("rdb_saves:2\r\n"));
}

#[test]
fn save_waits_for_the_store() {
    let mut harness = Harness::new();
    assert_eq!(harness.call("SAVE"), "");
    assert_eq!(harness.message(), "", "nothing is saved yet");
    harness.saved(None);
    assert_eq!(harness.message(), "+OK\r\n");
    assert_eq!(harness.call("SAVE"), "");
    harness.saved(Some("QuotaExceededError: no room"));
    assert_eq!(harness.message(), "-ERR QuotaExceededError: no room\r\n");
}

#[test]
fn where_nothing_can_wait_save_says_so() {
    let mut harness = Harness::new();
    let session = harness.engine.sessions.get_mut(harness.session).unwrap();
    session.deny_blocking = true;
    let reply = harness.call("SAVE");
    assert!(reply.starts_with("-ERR SAVE has to wait"), "{reply}");
    assert!(!harness.engine.persistence.requests.rewrite, "nothing was begun");
    harness.call("MULTI");
    let text = "-ERR Command not allowed inside a transaction\r\n";
    assert_eq!(harness.call("SAVE"), text);
}

#[test]
fn bad_words_are_refused() {
    let mut harness = Harness::new();
    assert_eq!(harness.call("BGSAVE NOW"), "-ERR syntax error\r\n");
    assert_eq!(harness.call("BGSAVE SCHEDULE NOW"), "-ERR syntax error\r\n");
    assert!(!harness.engine.persistence.requests.rewrite);
}
