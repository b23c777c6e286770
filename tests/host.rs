//! What the process around an engine brings: its settings, an RDB file, a configuration file. The host
//! here is the test.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};

struct Harness {
    engine: Engine,
    session: SessionId,
}

impl Harness {
    fn new(saves: bool, config_file: &str) -> Self {
        let mut engine = Engine::new(&Options::default());
        engine.attach_host(saves, config_file.to_owned());
        let session = engine.connect();
        Self { engine, session }
    }

    fn call(&mut self, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(|word| word.replace('_', " ")).collect();
        let argv: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        let mut reply = Vec::new();
        self.engine.call(self.session, &argv, &mut reply);
        String::from_utf8(reply).unwrap()
    }

    /// What came for the session while it was blocked.
    fn message(&mut self) -> String {
        String::from_utf8(self.engine.sessions.take_messages_of(self.session)).unwrap()
    }

    /// The host has saved, or could not.
    fn saved(&mut self, error: Option<&str>) {
        self.engine.began_saving();
        self.engine.saved(error.map(str::to_owned));
    }

    fn changes(&self) -> u64 {
        self.engine.stats.changes
    }
}

#[test]
fn save_waits_for_the_file() {
    let mut harness = Harness::new(true, "");
    harness.call("SET k v");
    assert_eq!(harness.call("SAVE"), "");
    assert!(harness.engine.host.rdb().unwrap().is_running());
    harness.saved(None);
    assert_eq!(harness.message(), "+OK\r\n");
    assert_eq!(harness.changes(), 0);
    assert_eq!(harness.call("SAVE"), "");
    harness.saved(Some("No space left on device"));
    assert_eq!(harness.message(), "-ERR No space left on device\r\n");
    let info = harness.call("INFO persistence");
    for field in ["rdb_last_bgsave_status:err", "rdb_saves:2", "rdb_bgsave_in_progress:0"] {
        assert!(info.contains(&format!("{field}\r\n")), "{field}: {info}");
    }
}

#[test]
fn bgsave_answers_at_once() {
    let mut harness = Harness::new(true, "");
    assert_eq!(harness.call("BGSAVE"), "+Background saving started\r\n");
    assert_eq!(harness.call("BGSAVE"), "-ERR Background save already in progress\r\n");
    assert_eq!(harness.call("SAVE"), "-ERR Background save already in progress\r\n");
    assert_eq!(harness.call("BGSAVE SCHEDULE"), "+Background saving scheduled\r\n");
    harness.engine.began_saving();
    harness.call("SET k v");
    harness.engine.saved(None);
    assert_eq!(harness.changes(), 1, "it came after the file had been begun");
    assert!(harness.engine.host.rdb().unwrap().is_running(), "one is scheduled");
    harness.saved(None);
    assert!(!harness.engine.host.rdb().unwrap().is_running());
    // What the host has saved by itself is nothing that was asked for.
    harness.saved(None);
    assert_eq!(harness.call("BGSAVE"), "+Background saving started\r\n");
    assert_eq!(harness.call("BGREWRITEAOF"), "-ERR there is no store to save to\r\n");
}

#[test]
fn writes_are_refused_while_the_file_cannot_be_written() {
    let mut harness = Harness::new(true, "");
    assert_eq!(harness.call("CONFIG SET save 60_1"), "+OK\r\n");
    harness.saved(Some("No space left on device"));
    let refused =
        "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist";
    assert!(harness.call("SET k v").starts_with(refused));
    assert!(harness.call("PING").starts_with(refused));
    assert_eq!(harness.call("GET k"), "$-1\r\n");
    assert_eq!(harness.call("CONFIG SET stop-writes-on-bgsave-error no"), "+OK\r\n");
    assert_eq!(harness.call("SET k v"), "+OK\r\n");
    assert_eq!(harness.call("CONFIG SET stop-writes-on-bgsave-error yes save "), "+OK\r\n");
    assert_eq!(harness.call("SET k v"), "+OK\r\n");
    assert_eq!(harness.call("CONFIG SET save 1_1"), "+OK\r\n");
    assert!(harness.call("SET k v").starts_with(refused));
    harness.saved(None);
    assert_eq!(harness.call("SET k v"), "+OK\r\n");
}

#[test]
fn shutdown_saves_first() {
    let mut harness = Harness::new(true, "");
    assert_eq!(harness.call("SHUTDOWN SAVE"), "");
    assert!(!harness.engine.shutdown);
    harness.saved(Some("No space left on device"));
    assert_eq!(harness.message(), "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");
    assert!(!harness.engine.shutdown);
    harness.call("SHUTDOWN SAVE FORCE");
    harness.saved(Some("No space left on device"));
    assert!(harness.engine.shutdown);
    for (line, save, waits) in [
        ("SHUTDOWN", "", false),
        ("SHUTDOWN", "60_1", true),
        ("SHUTDOWN NOSAVE", "60_1", false),
        ("SHUTDOWN SAVE", "", true),
    ] {
        let mut harness = Harness::new(true, "");
        harness.call(&format!("CONFIG SET save {save}"));
        harness.call(line);
        assert_eq!(harness.engine.shutdown, !waits, "{line}, {save}");
        harness.saved(None);
        assert!(harness.engine.shutdown);
    }
}

#[test]
fn save_points_are_redis_s() {
    let mut harness = Harness::new(true, "");
    let refused = "-ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters\r\n";
    for bad in ["60", "60_1_2", "0_1", "x_1", "60_-1", "60__1"] {
        assert_eq!(harness.call(&format!("CONFIG SET save {bad}")), refused, "{bad}");
    }
    assert_eq!(harness.call("CONFIG SET save 60_1_10_1000"), "+OK\r\n");
    assert!(harness.call("CONFIG GET save").ends_with("\r\n60 1 10 1000\r\n"));
    let mut memory = Harness::new(false, "");
    let refused = "-ERR CONFIG SET failed (possibly related to argument 'save') - there is no file to save to\r\n";
    assert_eq!(memory.call("CONFIG SET save 60_1"), refused);
    assert_eq!(memory.call("CONFIG SET save "), "+OK\r\n");
}

#[test]
fn settings_of_the_host_are_read_only() {
    let mut harness = Harness::new(true, "");
    harness.engine.host.set("port", "6379");
    harness.engine.host.set("port", "6380");
    harness.engine.host.set("dir", "/data");
    assert_eq!(harness.call("CONFIG GET por[t]"), "*2\r\n$4\r\nport\r\n$4\r\n6380\r\n");
    assert!(harness.call("INFO server").contains("tcp_port:6380\r\n"));
    let refused = "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config\r\n";
    assert_eq!(harness.call("CONFIG SET Port 1"), refused);
    let refused = "-ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config\r\n";
    assert_eq!(harness.call("CONFIG SET timeout 1 dir /tmp"), refused);
    assert!(harness.call("CONFIG GET timeout").ends_with("\r\n0\r\n"), "nothing has changed");
}

#[test]
fn the_configuration_file_is_written_by_the_host() {
    let mut harness = Harness::new(false, "");
    let none = "-ERR The server is running without a config file\r\n";
    assert_eq!(harness.call("CONFIG REWRITE"), none);
    let mut harness = Harness::new(false, "/etc/lodis.conf");
    assert!(harness.call("INFO server").contains("config_file:/etc/lodis.conf\r\n"));
    assert_eq!(harness.call("CONFIG REWRITE"), "");
    assert!(harness.engine.host.file().unwrap().is_running());
    harness.engine.rewrote_config(None);
    assert_eq!(harness.message(), "+OK\r\n");
    harness.call("CONFIG REWRITE");
    harness.engine.rewrote_config(Some("Permission denied".to_owned()));
    assert_eq!(harness.message(), "-ERR Rewriting config file: Permission denied\r\n");
    harness.call("MULTI");
    assert_eq!(harness.call("CONFIG REWRITE"), "+QUEUED\r\n");
    assert!(harness.call("EXEC").contains("-ERR CONFIG REWRITE has to wait for the file"));
    assert!(!harness.engine.host.file().unwrap().is_running());
}

#[test]
fn what_is_configured_is_obeyed_or_refused_with_the_reason() {
    let mut engine = Engine::new(&Options::default());
    assert_eq!(engine.config.configure("maxmemory", "1kb"), Ok(()));
    assert_eq!(engine.config.maxmemory.bytes, 1024);
    let reason = |result: Result<(), String>| result.unwrap_err();
    assert_eq!(
        reason(engine.config.configure("timeout", "x")),
        "argument couldn't be parsed into an integer"
    );
    let unknown = "Bad directive or wrong number of arguments";
    assert_eq!(reason(engine.config.configure("foo", "bar")), unknown);
}
