//! What commands write to the effect stream and which keyspace events they publish. Both were
//! compared with the append-only file and the events of redis-server 7.0.15.

use lodis::engine::notify::parse_classes;
use lodis::engine::pubsub::Space;
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::resp::{Request, RequestParser, split_words};

/// Thursday 14 November 2023, in Unix milliseconds.
const NOW_MS: i64 = 1_700_000_000_000;

struct Harness {
    engine: Engine,
    session: SessionId,
    listener: SessionId,
}

impl Harness {
    fn new() -> Self {
        let mut engine = Engine::new(&Options { now_us: NOW_MS * 1000, ..Options::default() });
        engine.effects.set_enabled(true);
        engine.config.notify = parse_classes(b"KEAnm").unwrap();
        let (session, listener) = (engine.connect(), engine.connect());
        engine.pubsub.add(Space::Pattern, b"__keyevent@*", listener);
        Self { engine, session, listener }
    }

    fn call(&mut self, line: &str) -> String {
        let words = split_words(line.as_bytes()).unwrap();
        let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut reply = Vec::new();
        self.engine.call(self.session, &argv, &mut reply);
        String::from_utf8(reply).unwrap()
    }

    /// The effects since the last time, without the selection of database 0.
    fn effects(&mut self) -> String {
        let effects = commands(&self.engine.effects.take());
        let effects = effects.iter().map(|words| words.join(" "));
        effects.filter(|effect| effect != "SELECT 0").collect::<Vec<_>>().join("; ")
    }

    /// The events since the last time, each with its key; those of other databases than 0 marked.
    fn events(&mut self) -> String {
        let messages = self.engine.sessions.take_messages_of(self.listener);
        let events = commands(&messages).into_iter().map(|message| {
            let (db, event) = message[2].rsplit_once("__:").unwrap();
            let db = db.trim_start_matches("__keyevent@");
            let mark = if db == "0" { String::new() } else { format!("@{db}") };
            format!("{event} {}{mark}", message[3])
        });
        events.collect::<Vec<_>>().join("; ")
    }
}

/// Arrays of bulk strings, which effects are, and messages in RESP2 too.
fn commands(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut parser = RequestParser::default();
    let mut found = Vec::new();
    while let Some(request) = parser.next(bytes).unwrap() {
        let Request::Array(words) = request else { panic!("an inline command") };
        let text = |range| String::from_utf8_lossy(&bytes[range]).into_owned();
        found.push(words.into_iter().map(text).collect());
    }
    assert_eq!(parser.position(), bytes.len());
    found
}

/// `command => effects | events`.
const CASES: &str = r#"
SET a 1 => SET a 1 | new a; set a
SET a 1 EX 100 => SET a 1 PXAT 1700000100000 | set a; expire a
SET a 1 PX 100000 => SET a 1 PXAT 1700000100000 | set a; expire a
SET a 1 EXAT 33177117420 => SET a 1 PXAT 33177117420000 | set a; expire a
SET a 1 PXAT 33177117420000 NX =>  |
SET a 1 XX GET PXAT 33177117420000 => SET a 1 PXAT 33177117420000 | set a; expire a
SET a 2 KEEPTTL => SET a 2 KEEPTTL | set a
SET a 2 KEEPTTL GET => SET a 2 KEEPTTL | set a
SET a 2 NX =>  |
SET b 2 NX => SET b 2 | new b; set b
SET c 3 NX GET => SET c 3 | keymiss c; new c; set c
SETEX d 100 x => SET d x PXAT 1700000100000 | new d; set d; expire d
PSETEX d 100000 x => SET d x PXAT 1700000100000 | set d; expire d
SETNX d 1 =>  |
SETNX e 1 => SETNX e 1 | new e; set e
GETSET e 2 => SET e 2 | set e
GETDEL e => DEL e | del e
GETDEL e =>  | keymiss e
GETEX d =>  |
GETEX d EX 100 => PEXPIREAT d 1700000100000 | expire d
GETEX d PXAT 33177117420000 => PEXPIREAT d 33177117420000 | expire d
GETEX d PERSIST => PERSIST d | persist d
GETEX d PERSIST =>  |
GETEX d PXAT 1 => DEL d | del d
INCR n => INCR n | new n; incrby n
INCRBY n 5 => INCRBY n 5 | incrby n
DECR n => DECR n | incrby n
DECRBY n 3 => DECRBY n 3 | incrby n
INCRBYFLOAT n 1.5 => SET n 3.5 KEEPTTL | incrbyfloat n
APPEND a x => APPEND a x | append a
APPEND aa x => APPEND aa x | new aa; append aa
APPEND aa "" => APPEND aa  | append aa
SETRANGE aa 0 "" =>  |
SETRANGE aa 5 x => SETRANGE aa 5 x | setrange aa
SETRANGE new 0 x => SETRANGE new 0 x | new new; setrange new
MSET m1 1 m2 2 => MSET m1 1 m2 2 | new m1; set m1; new m2; set m2
MSETNX m2 1 m3 3 =>  |
MSETNX m3 1 m4 3 => MSETNX m3 1 m4 3 | new m3; set m3; new m4; set m4
GET nothing =>  | keymiss nothing
MGET nothing n =>  | keymiss nothing
EXISTS nothing =>  | keymiss nothing
TTL nothing =>  | keymiss nothing
TYPE nothing =>  | keymiss nothing
TOUCH nothing =>  | keymiss nothing
STRLEN nothing =>  | keymiss nothing
GETRANGE nothing 0 1 =>  | keymiss nothing
LCS nothing n =>  | keymiss nothing
COPY nothing n =>  | keymiss nothing
DEL m1 m2 nothing => DEL m1 m2 nothing | del m1; del m2
UNLINK m3 nothing => UNLINK m3 nothing | del m3
DEL nothing =>  |
EXPIRE a 100 => PEXPIREAT a 1700000100000 | expire a
EXPIRE a 50 GT =>  |
PEXPIRE a 100000 => PEXPIREAT a 1700000100000 | expire a
EXPIREAT a 33177117420 => PEXPIREAT a 33177117420000 | expire a
PEXPIREAT a 33177117420000 XX => PEXPIREAT a 33177117420000 | expire a
PERSIST a => PERSIST a | persist a
PERSIST a =>  |
EXPIRE a -1 => DEL a | del a
RENAME aa ab => RENAME aa ab | new ab; rename_from aa; rename_to ab
RENAME ab ab =>  |
SET ac 1 => SET ac 1 | new ac; set ac
RENAME ab ac => RENAME ab ac | new ac; rename_from ab; rename_to ac
SET ad 1 => SET ad 1 | new ad; set ad
RENAMENX ad ac =>  |
RENAMENX ad ae => RENAMENX ad ae | new ae; rename_from ad; rename_to ae
COPY ae af => COPY ae af | new af; copy_to af
COPY ae af =>  |
COPY ae af REPLACE => COPY ae af REPLACE | new af; copy_to af
COPY ae ae DB 3 => COPY ae ae DB 3 | new ae@3; copy_to ae@3
MOVE ae 3 =>  |
MOVE af 3 => MOVE af 3 | new af@3; move_from af; move_to af@3
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
GET p => DEL p | expired p; keymiss p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
SET p 2 => MULTI; DEL p; SET p 2; EXEC | expired p; new p; set p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | set p; expire p
DEL p => DEL p | expired p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
INCR p => MULTI; DEL p; INCR p; EXEC | expired p; new p; incrby p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | set p; expire p
APPEND p 1 => MULTI; DEL p; APPEND p 1; EXEC | expired p; new p; append p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | set p; expire p
RENAME p q => DEL p | expired p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
RENAME ac p => MULTI; DEL p; RENAME ac p; EXEC | expired p; new p; rename_from ac; rename_to p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | set p; expire p
COPY p pp => DEL p | expired p; keymiss p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
EXPIRE p 100 => DEL p | expired p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
SETNX p 100 => MULTI; DEL p; SETNX p 100; EXEC | expired p; new p; set p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | set p; expire p
SET p 1 XX => DEL p | expired p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
MSET p 1 => MULTI; DEL p; MSET p 1; EXEC | expired p; new p; set p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | set p; expire p
GETDEL p => DEL p | expired p; keymiss p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
PERSIST p => DEL p | expired p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
EXISTS p p => DEL p | expired p; keymiss p; keymiss p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
TTL p => DEL p | expired p; keymiss p
SET p 1 PXAT 1 => SET p 1 PXAT 1 | new p; set p; expire p
SET p 1 KEEPTTL => MULTI; DEL p; SET p 1 KEEPTTL; EXEC | expired p; new p; set p
TTL p =>  |
"#;

/// As [`CASES`], for sets, SORT and OBJECT.
const SET_CASES: &str = r#"
SADD s 1 2 3 => SADD s 1 2 3 | new s; sadd s
SADD s 1 =>  |
SADD s 3 4 => SADD s 3 4 | sadd s
SADD t a => SADD t a | new t; sadd t
SREM s 9 =>  |
SREM s 4 9 3 => SREM s 4 9 3 | srem s
SMOVE s t 9 =>  |
SMOVE s t 2 => SMOVE s t 2 | srem s; sadd t
SMOVE s s 1 =>  |
SMOVE s t 1 => SMOVE s t 1 | srem s; del s; sadd t
SMOVE s t 1 =>  |
SADD u only => SADD u only | new u; sadd u
SPOP u => SREM u only | spop u; del u
SPOP u =>  |
SADD u 7 => SADD u 7 | new u; sadd u
SPOP u 0 =>  |
SPOP u 1 => DEL u | spop u; del u
SADD u 8 9 => SADD u 8 9 | new u; sadd u
SPOP u 5 => DEL u | spop u; del u
SPOP u 3 =>  |
SADD u x => SADD u x | new u; sadd u
SREM u x => SREM u x | srem u; del u
SRANDMEMBER t =>  |
SRANDMEMBER nothing =>  | keymiss nothing
SISMEMBER nothing a =>  | keymiss nothing
SCARD nothing =>  | keymiss nothing
SMEMBERS nothing =>  | keymiss nothing
SMISMEMBER nothing a =>  | keymiss nothing
SSCAN nothing 0 =>  | keymiss nothing
SINTER nothing t =>  | keymiss nothing
SINTERCARD 1 nothing =>  | keymiss nothing
SUNION nothing =>  | keymiss nothing
SDIFF nothing t =>  | keymiss nothing
SUNIONSTORE d t nothing => SUNIONSTORE d t nothing | keymiss nothing; new d; sunionstore d
SUNIONSTORE d t => SUNIONSTORE d t | sunionstore d
SINTERSTORE d t t => SINTERSTORE d t t | sinterstore d
SDIFFSTORE d t t => SDIFFSTORE d t t | del d
SDIFFSTORE d t t =>  |
SINTERSTORE d nothing t =>  | keymiss nothing
SDIFFSTORE e t => SDIFFSTORE e t | new e; sdiffstore e
SET e 1 => SET e 1 | set e
SDIFFSTORE e t => SDIFFSTORE e t | sdiffstore e
SINTERSTORE e t nothing => SINTERSTORE e t nothing | keymiss nothing; del e
RPUSH l 3 1 2 => RPUSH l 3 1 2 | new l; rpush l
SORT l =>  |
SORT l STORE m => SORT l STORE m | new m; sortstore m
SORT l DESC STORE m => SORT l DESC STORE m | sortstore m
SORT l LIMIT 0 0 STORE m => SORT l LIMIT 0 0 STORE m | del m
SORT l LIMIT 0 0 STORE m =>  |
SORT nothing STORE m =>  | keymiss nothing
SORT_RO nothing =>  | keymiss nothing
SORT l BY w_* LIMIT 0 1 =>  | keymiss w_3; keymiss w_1; keymiss w_2
SORT l STORE l => SORT l STORE l | sortstore l
SORT t BY nosort STORE m => SORT t BY nosort STORE m | new m; sortstore m
OBJECT ENCODING nothing =>  |
OBJECT IDLETIME l =>  |
SADD t2 a b => SADD t2 a b | new t2; sadd t2
SPOP t2 2 => DEL t2 | spop t2; del t2
"#;

/// Runs the cases and compares what they come to.
fn run(cases: &str) -> Harness {
    let mut harness = Harness::new();
    let mut actual = String::new();
    for case in cases.trim().lines() {
        let command = case.split(" => ").next().unwrap();
        harness.call(command);
        let (effects, events) = (harness.effects(), harness.events());
        actual.push_str(format!("{command} => {effects} | {events}").trim_end());
        actual.push('\n');
    }
    assert_eq!(cases.trim().lines().collect::<Vec<_>>(), actual.lines().collect::<Vec<_>>());
    harness
}

#[test]
fn effects_and_events_of_sets_are_those_of_redis() {
    let stats = run(SET_CASES).engine.stats;
    // 27 hits in Redis, where SPOP of all members goes through SUNION.
    assert_eq!((stats.keyspace_hits, stats.keyspace_misses), (24, 19));
}

#[test]
fn effects_and_events_are_those_of_redis() {
    let harness = run(CASES);
    let stats = &harness.engine.stats;
    assert_eq!((stats.keyspace_hits, stats.keyspace_misses), (17, 18));
}

#[test]
fn replayed_effects_make_the_same_keyspace() {
    let mut original = Harness::new();
    let mut stream = Vec::new();
    for case in CASES.trim().lines() {
        original.call(case.split(" => ").next().unwrap());
        stream.extend(original.engine.effects.take());
    }
    let mut copy = Harness::new();
    copy.engine.set_loading(true);
    for words in commands(&stream) {
        if words[0] == "MULTI" || words[0] == "EXEC" {
            continue;
        }
        if words[0] == "SELECT" {
            copy.engine.sessions.get_mut(copy.session).unwrap().db = words[1].parse().unwrap();
            continue;
        }
        let reply =
            copy.call(&words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(" "));
        assert!(!reply.starts_with('-'), "{words:?}: {reply}");
    }
    copy.engine.set_loading(false);
    assert_eq!(copy.engine.digest(), original.engine.digest());
}

#[test]
fn nothing_expires_while_loading() {
    let mut harness = Harness::new();
    harness.engine.set_loading(true);
    harness.call("SET k v PXAT 1");
    assert_eq!(harness.call("PEXPIREAT k 2"), ":1\r\n");
    assert_eq!(harness.call("PEXPIRETIME k"), ":2\r\n");
    assert_eq!(harness.call("GETEX k PXAT 3"), "$1\r\nv\r\n");
    assert_eq!(harness.call("KEYS *"), "*1\r\n$1\r\nk\r\n");
    harness.engine.set_loading(false);
    assert_eq!(harness.call("KEYS *"), "*0\r\n");
    assert_eq!(harness.engine.keyspace.db(0).len(), 1, "KEYS removes nothing");
    assert_eq!(harness.call("SCAN 0"), "*2\r\n$1\r\n0\r\n*0\r\n");
    assert_eq!(harness.engine.keyspace.db(0).len(), 0, "SCAN removes what it finds expired");
}

#[test]
fn an_error_changes_nothing() {
    let mut harness = Harness::new();
    harness.call("MSET text abc number 1");
    harness.call("SADD letters a b");
    harness.call("RPUSH numbers 1 x");
    harness.effects();
    harness.events();
    let digest = harness.engine.digest();
    for command in [
        "INCR text",
        "INCRBY number 9223372036854775807",
        "DECRBY number -9223372036854775808",
        "INCRBYFLOAT text 1",
        "INCRBYFLOAT number inf",
        "INCRBYFLOAT number x",
        "SET text v EX 0",
        "SET text v EX x",
        "SET text v NX XX",
        "SETEX text 0 v",
        "GETEX text EX 0",
        "EXPIRE text 9223372036854775807",
        "EXPIRE text x",
        "EXPIRE text 1 FOO",
        "SETRANGE text -1 x",
        "SETRANGE text 536870912 x",
        "MSET text 1 number",
        "COPY text text",
        "MOVE text 0",
        "MOVE text 16",
        "RENAME nothing text",
        "SCAN x",
        "SORT text",
        "SORT text STORE number",
        "SORT numbers STORE text",
        "SORT numbers LIMIT 0 x STORE text",
        "SADD text a",
        "SREM text a",
        "SMOVE letters text a",
        "SPOP letters -1",
        "SUNIONSTORE number letters text",
        "SINTERSTORE number letters text",
        "SDIFFSTORE number letters text",
    ] {
        assert!(harness.call(command).starts_with('-'), "{command}");
        assert_eq!((harness.effects(), harness.events()), Default::default(), "{command}");
        assert_eq!(harness.engine.digest(), digest, "{command}");
    }
}

#[test]
fn a_string_is_no_longer_than_proto_max_bulk_len() {
    const TOO_LONG: &str = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
    let mut harness = Harness::new();
    harness.engine.config.proto_max_bulk_len = 10;
    assert_eq!(harness.call("SET k 123456"), "+OK\r\n");
    assert_eq!(harness.call("APPEND k 7890"), ":10\r\n");
    assert_eq!(harness.call("APPEND k x"), TOO_LONG);
    assert_eq!(harness.call("SETRANGE k 9 x"), ":10\r\n");
    assert_eq!(harness.call("SETRANGE k 10 x"), TOO_LONG);
    assert_eq!(harness.call("SETRANGE new 10 x"), TOO_LONG);
    assert_eq!(harness.call("GET k"), "$10\r\n123456789x\r\n");
    // What the log holds was allowed when it was written.
    harness.engine.set_loading(true);
    assert_eq!(harness.call("APPEND k x"), ":11\r\n");
}

#[test]
fn what_cannot_be_allocated_is_an_error() {
    let mut harness = Harness::new();
    harness.engine.config.proto_max_bulk_len = usize::MAX;
    harness.call("SET k v");
    let reply = harness.call("SETRANGE k 9223372036854775807 x");
    assert!(reply.starts_with("-OOM "), "{reply}");
    assert_eq!(harness.call("GET k"), "$1\r\nv\r\n");
    harness.engine.config.proto_max_bulk_len = 1 << 20;
    harness.call("SETRANGE long 60000 x");
    let reply = harness.call("LCS long long");
    assert!(
        reply.starts_with("-ERR Insufficient memory, failed allocating transient memory for LCS"),
        "{reply}"
    );
}
