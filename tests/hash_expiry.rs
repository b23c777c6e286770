//! Fields of hashes that expire: when nobody asks, in the effect stream, and when replayed.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};

const NOW_MS: i64 = 1_700_000_000_000;

fn engine() -> (Engine, SessionId) {
    let mut engine = Engine::new(&Options { now_us: NOW_MS * 1000, ..Options::default() });
    engine.effects.set_enabled(true);
    let session = engine.connect();
    (engine, session)
}

fn call(engine: &mut Engine, id: SessionId, command: &str) -> String {
    let argv: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
    let mut reply = Vec::new();
    engine.call(id, &argv, &mut reply);
    String::from_utf8(reply).unwrap()
}

/// The effects since the last time, one a line.
fn effects(engine: &mut Engine) -> Vec<String> {
    let bytes = String::from_utf8(engine.effects.take()).unwrap();
    let mut commands: Vec<Vec<&str>> = Vec::new();
    for line in bytes.split("\r\n").filter(|line| !line.starts_with('$')) {
        match line.strip_prefix('*') {
            Some(_) => commands.push(Vec::new()),
            None if !line.is_empty() => commands.last_mut().unwrap().push(line),
            None => {}
        }
    }
    let commands = commands.into_iter().map(|words| words.join(" "));
    commands.filter(|command| !command.starts_with("SELECT")).collect()
}

fn later(engine: &mut Engine, ms: i64) -> Option<i64> {
    engine.set_time(engine.now_us() + ms * 1000);
    engine.tick().map(|at| at - engine.now_ms())
}

#[test]
fn fields_go_when_their_time_has_come_though_nobody_asks() {
    let (mut engine, id) = engine();
    call(&mut engine, id, "HSETEX h PX 10 FIELDS 2 a 1 b 2");
    call(&mut engine, id, "HSETEX h PX 20 FIELDS 1 c 3");
    effects(&mut engine);
    assert_eq!(later(&mut engine, 9), Some(1));
    assert_eq!(later(&mut engine, 1), Some(10));
    assert_eq!(effects(&mut engine), ["HDEL h a b"]);
    assert_eq!(call(&mut engine, id, "HGETALL h"), "*2\r\n$1\r\nc\r\n$1\r\n3\r\n");
    assert_eq!(later(&mut engine, 10), None);
    assert_eq!(effects(&mut engine), ["HDEL h c"]);
    assert_eq!(call(&mut engine, id, "DBSIZE"), ":0\r\n");
    assert!(call(&mut engine, id, "INFO stats").contains("expired_subkeys:3\r\n"));
}

#[test]
fn whoever_asks_first_finds_them_gone() {
    let (mut engine, id) = engine();
    call(&mut engine, id, "CONFIG SET notify-keyspace-events KEA");
    call(&mut engine, id, "HSETEX h PX 10 FIELDS 1 a 1");
    call(&mut engine, id, "HSET h b 2");
    effects(&mut engine);
    let listener = engine.connect();
    call(&mut engine, listener, "SUBSCRIBE __keyspace@0__:h");
    engine.set_time((NOW_MS + 10) * 1000);
    assert_eq!(call(&mut engine, id, "HINCRBY h a 5"), ":5\r\n");
    assert_eq!(effects(&mut engine), ["MULTI", "HDEL h a", "HINCRBY h a 5", "EXEC"]);
    let messages = String::from_utf8(engine.sessions.take_messages_of(listener)).unwrap();
    let events: Vec<&str> = messages.split("\r\n").filter(|w| w.starts_with('h')).collect();
    assert_eq!(events, ["hexpired", "hincrby"]);
}

#[test]
fn moments_are_logged_and_not_spans() {
    let (mut engine, id) = engine();
    let at = NOW_MS + 10_000;
    for (command, effect) in [
        ("HSET h a 1 b 2", vec!["HSET h a 1 b 2".to_owned()]),
        ("HEXPIRE h 10 FIELDS 3 a no b", vec![format!("HPEXPIREAT h {at} FIELDS 2 a b")]),
        ("HEXPIRE h 10 NX FIELDS 1 a", vec![]),
        ("HINCRBYFLOAT h a 1", vec!["HSETEX h KEEPTTL FIELDS 1 a 2".to_owned()]),
        ("HGETEX h PERSIST FIELDS 2 a no", vec!["HPERSIST h FIELDS 1 a".to_owned()]),
        ("HGETEX h PERSIST FIELDS 1 a", vec![]),
        ("HGETEX h PX 10000 FIELDS 1 a", vec![format!("HPEXPIREAT h {at} FIELDS 1 a")]),
        ("HSETEX h EX 10 FIELDS 1 c 3", vec![format!("HSETEX h PXAT {at} FIELDS 1 c 3")]),
        ("HSETEX h FXX KEEPTTL FIELDS 1 c 4", vec!["HSETEX h FXX KEEPTTL FIELDS 1 c 4".to_owned()]),
        ("HPEXPIREAT h 1 FIELDS 1 c", vec!["HDEL h c".to_owned()]),
        ("HGETDEL h FIELDS 2 b no", vec!["HDEL h b".to_owned()]),
        ("HSETEX h PX 0 FIELDS 1 a 1", vec!["HDEL h a".to_owned()]),
    ] {
        call(&mut engine, id, command);
        assert_eq!(effects(&mut engine), effect, "{command}");
    }
    assert_eq!(call(&mut engine, id, "EXISTS h"), ":0\r\n");
}

#[test]
fn a_thousand_fields_go_a_slice_at_a_time() {
    let (mut engine, id) = engine();
    for field in 0..1000 {
        call(&mut engine, id, &format!("HSETEX h PX 10 FIELDS 1 f{field} v"));
    }
    engine.set_time((NOW_MS + 10) * 1000);
    let mut ticks = 0;
    while engine.tick().is_some() {
        ticks += 1;
        assert!(ticks < 20);
    }
    assert!(ticks >= 4);
    assert_eq!(engine.keyspace.db(0).len(), 0);
}

#[test]
fn nothing_expires_while_the_log_is_replayed() {
    let (mut engine, id) = engine();
    engine.set_loading(true);
    for command in ["HSET h a 1 b 2", "HPEXPIREAT h 1 FIELDS 1 a", "HINCRBY h a 1"] {
        assert!(!call(&mut engine, id, command).starts_with('-'));
    }
    assert_eq!(call(&mut engine, id, "HGET h a"), "$1\r\n2\r\n");
    engine.set_loading(false);
    engine.tick();
    assert_eq!(call(&mut engine, id, "HLEN h"), ":1\r\n");
}
