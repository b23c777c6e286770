//! Scripts of several sessions, run here and by a real redis-server: the bytes are the same.
//! Skipped, saying so, where redis-server is not installed.
//!
//! A line is `A> COMMAND`: session A sends it and gets one reply; `A2> …` gets two, `A0> …` none;
//! `A1<` reads one message that was sent to A. A word `@B` is the number of B's client.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use real_redis::{Client, Redis};
use std::collections::BTreeMap;

mod real_redis;

struct Both {
    ours: SessionId,
    /// What ours has received and the script has not read.
    received: Vec<u8>,
    theirs: Client,
    /// What CLIENT ID answers, there and here.
    id: String,
}

fn run(script: &str) {
    run_with(script, false);
}

fn run_in_resp3(script: &str) {
    run_with(script, true);
}

fn run_with(script: &str, resp3: bool) {
    let Some(redis) = Redis::start() else { return };
    let mut engine = Engine::new(&Options::default());
    let mut sessions: BTreeMap<char, Both> = BTreeMap::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let at = line.find(['>', '<']).unwrap_or_else(|| panic!("{line}"));
        let name = line.chars().next().unwrap();
        let frames: usize = if at == 1 { 1 } else { line[1..at].parse().unwrap() };
        sessions.entry(name).or_insert_with(|| {
            let (ours, mut theirs) = (engine.connect(), redis.connect());
            if resp3 {
                engine.call(ours, &[b"HELLO", b"3"], &mut Vec::new());
                theirs.send(&[b"HELLO", b"3"]);
                theirs.read();
            }
            theirs.send(&[b"CLIENT", b"ID"]);
            let id = String::from_utf8(theirs.read()).unwrap()[1..].trim_end().to_owned();
            engine.sessions.get_mut(ours).unwrap().client_id = id.parse().unwrap();
            Both { ours, received: Vec::new(), theirs, id }
        });
        if line.as_bytes()[at] == b'>' {
            let mut words = lodis::resp::split_words(&line.as_bytes()[at + 1..]).unwrap();
            for word in words.iter_mut().filter(|word| word.starts_with(b"@")) {
                *word = sessions[&char::from(word[1])].id.clone().into();
            }
            let session = sessions.get_mut(&name).unwrap();
            let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            engine.call(session.ours, &argv, &mut session.received);
            session.theirs.send(&argv);
        }
        let session = sessions.get_mut(&name).unwrap();
        session.received.extend(engine.sessions.take_messages_of(session.ours));
        for _ in 0..frames {
            let theirs = session.theirs.read();
            let ours = &session.received[..theirs.len().min(session.received.len())];
            assert_eq!(
                String::from_utf8_lossy(ours),
                String::from_utf8_lossy(&theirs),
                "{line}\nhere {:?}",
                String::from_utf8_lossy(&session.received)
            );
            session.received.drain(..theirs.len());
        }
    }
    for (name, session) in &mut sessions {
        if engine.sessions.get(session.ours).is_none_or(|session| session.closing) {
            continue;
        }
        session.theirs.send(&[b"ECHO", b"the end"]);
        let rest = session.theirs.read();
        session.received.extend(engine.sessions.take_messages_of(session.ours));
        engine.call(session.ours, &[b"ECHO", b"the end"], &mut session.received);
        let ours = String::from_utf8_lossy(&session.received);
        assert_eq!(ours, String::from_utf8_lossy(&rest), "left unread by {name}");
    }
}

#[test]
fn transactions() {
    run(r#"
        A> MULTI
        A> MULTI
        A> WATCH k
        A> SET k 1
        A> INCR k
        A> GET missing
        A> SETEX
        A> EXEC
        A> GET k
        A> EXEC
        A> DISCARD
        A> EXEC now
        A> MULTI
        A> EXEC now
        A> EXEC
        A> MULTI
        A> SET k word
        A> INCR k
        A> SET k 2
        A> SELECT 3
        A> SET other 1
        A> SELECT 99
        A> EXEC
        A> GET other
        A> SELECT 0
        A> MULTI
        A> NOSUCHCOMMAND a b
        A> SET k lost
        A> EXEC
        A> GET k
        A> WATCH k j
        B> SET k 3
        A> MULTI
        A> GET k
        A> EXEC
        A> WATCH j
        A> UNWATCH
        B> SET j 1
        A> MULTI
        A> EXEC
        A> WATCH k
        A> SET k own
        A> MULTI
        A> EXEC
        A> WATCH k
        B> SELECT 1
        B> SET k elsewhere
        A> MULTI
        A> GET k
        A> EXEC
        A> WATCH k
        B> FLUSHDB
        A> MULTI
        A> EXEC
        A> WATCH k
        B> FLUSHALL
        A> MULTI
        A> EXEC
        A> WATCH absent
        B> FLUSHALL
        A> MULTI
        A> EXEC
        A> WATCH absent
        B> SET absent 1
        B> SWAPDB 0 1
        A> MULTI
        A> EXEC
        A> MULTI
        A> SET k v
        A> DISCARD
        A> GET k
        A> MULTI
        A> PING
        A> SUBSCRIBE ch
        A> SSUBSCRIBE ch
        A> PING
        A> UNSUBSCRIBE
        A> EXEC
        A> MULTI
        A> GET missing
        A> AUTH default any
        A> RESET
        A> EXEC
    "#);
}

#[test]
fn pubsub_in_resp2() {
    run(r#"
        A3> SUBSCRIBE a b a
        A> PSUBSCRIBE a*
        A> SSUBSCRIBE a
        A> GET k
        A> PUBLISH a x
        A> CONFIG GET appendonly
        A> NOSUCHCOMMAND
        A> PING
        A> PING hi
        A> PING hi there
        B> PUBLISH a message
        A1<
        A1<
        B> SPUBLISH a shard
        A1<
        B> PUBLISH zzz other
        B> PUBSUB NUMSUB a b none
        B> PUBSUB NUMSUB
        B> PUBSUB NUMPAT
        B> PUBSUB CHANNELS b*
        B> PUBSUB SHARDCHANNELS
        B> PUBSUB SHARDNUMSUB a b
        B> PUBSUB HELP
        B> PUBSUB NOPE
        B> PUBSUB
        B> PUBSUB CHANNELS a b
        A1> UNSUBSCRIBE b
        A1> UNSUBSCRIBE nothing
        A1> UNSUBSCRIBE
        A1> UNSUBSCRIBE
        A1> PUNSUBSCRIBE a*
        A1> PUNSUBSCRIBE
        A1> PUNSUBSCRIBE
        A1> GET k
        A1> SUNSUBSCRIBE
        A1> SUNSUBSCRIBE
        A1> GET k
        A1> SUBSCRIBE a
        A1> RESET
        B> PUBLISH a nobody
        A1> PING
    "#);
}

#[test]
fn errors_of_connections_and_the_server() {
    run(r#"
        A> CLIENT SETNAME eve
        A> CLIENT GETNAME
        A> CLIENT SETNAME "e ve"
        A> CLIENT SETNAME ""
        A> CLIENT GETNAME
        A> CLIENT LIST TYPE foo
        A> CLIENT LIST ID x
        A> CLIENT LIST ID
        A> CLIENT LIST ID 999999
        A> CLIENT LIST FOO BAR
        A> CLIENT KILL ID 0
        A> CLIENT KILL ID x
        A> CLIENT KILL ID 999999
        A> CLIENT KILL TYPE foo
        A> CLIENT KILL USER x
        A> CLIENT KILL SKIPME x
        A> CLIENT KILL 1.1.1.1:1
        A> CLIENT KILL a b c
        A> CLIENT KILL
        A> CLIENT REPLY x
        A> CLIENT NO-EVICT ON
        A> CLIENT NO-EVICT x
        A> CLIENT UNBLOCK 1 x
        A> CLIENT UNBLOCK x
        A> CLIENT UNBLOCK 1 2 3
        A> CLIENT UNBLOCK 999999 ERROR
        A> CLIENT GETREDIR
        A> CLIENT NOPE
        A> CLIENT
        A> HELLO 4
        A> HELLO x
        A> HELLO 2 AUTH a
        A> HELLO 2 AUTH a b
        A> HELLO 2 SETNAME
        A> HELLO 2 SETNAME "a b"
        A> HELLO 2 FOO
        A> AUTH x
        A> AUTH default x
        A> AUTH foo x
        A> AUTH a b c
        A> ECHO hi
        A> PING
        A> PING "hi there"
        A> PING a b
        A> SELECT a
        A> SELECT 99
        A> SELECT -1
        A> SELECT 4294967296
        A> SWAPDB a 1
        A> SWAPDB 1 a
        A> SWAPDB 1 99
        A> SWAPDB 1 1
        A> FLUSHDB x
        A> FLUSHDB SYNC ASYNC
        A> FLUSHALL ASYNC
        A> FLUSHDB sync
        A> DBSIZE
        A> SET k v
        A> DBSIZE
        A> CONFIG SET appendfsync foo
        A> CONFIG SET appendonly foo
        A> CONFIG SET notify-keyspace-events q
        A> CONFIG SET proto-max-bulk-len 1
        A> CONFIG SET proto-max-bulk-len x
        A> CONFIG SET proto-max-bulk-len 2mb
        A> CONFIG GET proto-max-bulk-len
        A> CONFIG SET databases 3
        A> CONFIG SET a b
        A> CONFIG SET appendfsync no a b
        A> CONFIG SET appendfsync no appendfsync no
        A> CONFIG SET appendfsync no x
        A> CONFIG SET appendfsync no notify-keyspace-events q
        A> CONFIG GET appendfsync
        A> CONFIG SET APPENDFSYNC NO notify-keyspace-events KEA
        A> CONFIG GET appendfsyn?
        A> CONFIG GET notify-keyspace-events
        A> CONFIG GET save
        A> CONFIG GET no*thing
        A> CONFIG SET
        A> CONFIG GET
        A> CONFIG FOO
        A> CONFIG
        A> CONFIG RESETSTAT
        A> COMMAND GETKEYS mset a 1 b 2
        A> COMMAND GETKEYS foo a
        A> COMMAND GETKEYS config get
        A> COMMAND GETKEYS get a b
        A> COMMAND GETKEYSANDFLAGS get a
        A> COMMAND LIST FILTERBY FOO x
        A> COMMAND LIST FOO
        A> COMMAND LIST FILTERBY MODULE foo
        A> COMMAND LIST FILTERBY PATTERN ping
        A> COMMAND INFO get config|get nosuch
        A> COMMAND FOO
        A> COMMAND COUNT x
        A> COMMAND HELP
        A> INFO nosuchsection
        A> FLUSHALL
        A> SET a 0
        A> SWAPDB 0 1
        A> GET a
        A> SELECT 1
        A> GET a
        A> SWAPDB 1 0
        A> DBSIZE
        A> FLUSHALL
        A> SELECT 0
        A> PUBLISH nobody hears
        A> PUBSUB CHANNELS
        A> nosuch a b c
        A> nosuch aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb c
        A> "no\r\nsuch" "a\r\nb"
        A0> CLIENT REPLY SKIP
        A0> SET k unseen
        A> GET k
        A0> CLIENT REPLY OFF
        A0> GET k
        A0> NOSUCH
        A> CLIENT REPLY ON
    "#);
}

#[test]
fn pubsub_in_resp3() {
    run(r#"
        A> SUBSCRIBE before
        A> PING
        A> RESET
        B> SETNX k v
    "#);
    // HELLO's own reply names the version and the number of the client, which differ.
    run_in_resp3(
        r#"
        A2> SUBSCRIBE a b
        A> GET missing
        A> PING
        B> PUBLISH b other
        A1<
        A> SSUBSCRIBE s
        A> CONFIG GET appendonly
        A> MULTI
        A> GET missing
        A> EXEC
        A0> CLIENT REPLY OFF
        A0> GET k
        A1> SUBSCRIBE c
        B> PUBLISH c unsilenced
        A1<
        A> CLIENT REPLY ON
        A3> UNSUBSCRIBE c b a
        A> UNSUBSCRIBE
        A> MULTI
        A> EXEC
        A> WATCH k
        B> SET k 1
        A> MULTI
        A> EXEC
        A> CLIENT GETNAME
        A> COMMAND INFO pubsub|help ping nosuch
        A> COMMAND GETKEYSANDFLAGS get a
    "#,
    );
}

#[test]
fn tracking_tells_of_keys_that_were_read() {
    run_in_resp3(
        r#"
        A> CLIENT TRACKING ON
        A> CLIENT TRACKINGINFO
        B> SET k 1
        A> GET k
        B> SET k 2
        A1<
        B> SET k 3
        A> MGET k l m
        B> MSET l 1 k 1 n 1
        A2<
        B> DEL m
        A> EXISTS m
        B> SET m 1
        A1<
        B> RPUSH list a
        A> LRANGE list 0 -1
        A> GET list
        B> LPOP list
        A1<
        A> GET k
        A2> SET k own
        A> GET k
        A2> GETEX k EX 100
        A> OBJECT ENCODING k
        B> PERSIST k
        A1<
        A> GET k
        B> SELECT 5
        B> SET k elsewhere
        A1<
        A> GET k
        A> GET k
        B> FLUSHALL
        A1<
        B> SET k 1
        A> GET k
        A2> FLUSHDB
        A> MULTI
        A> GET k
        A> SET k 1
        A> GET k
        A2> EXEC
        B> SET k 2
        A1<
        A> CLIENT TRACKING OFF
        A> GET k
        B> SET k 3
        A> CLIENT GETREDIR
    "#,
    );
}

#[test]
fn tracking_can_be_asked_for_or_declined_command_by_command() {
    run_in_resp3(
        r#"
        A> CLIENT TRACKING ON OPTIN
        A> GET k
        B> SET k 1
        A> CLIENT CACHING YES
        A> CLIENT TRACKINGINFO
        A> GET k
        A> CLIENT TRACKINGINFO
        A> GET l
        B> MSET k 2 l 2
        A1<
        A> CLIENT CACHING YES
        A> CLIENT CACHING NO
        A> CLIENT CACHING x
        A> GET k
        B> SET k 3
        A1<
        A> CLIENT CACHING YES
        A> MULTI
        A> GET k
        A> GET l
        A> EXEC
        A> GET m
        B> MSET k 1 l 1 m 1
        A2<
        A> MULTI
        A> CLIENT CACHING YES
        A> GET k
        A> EXEC
        B> SET k 3
        A1<
        A> CLIENT TRACKING ON OPTOUT
        A> CLIENT TRACKING OFF
        A> CLIENT TRACKING ON OPTOUT NOLOOP
        A> GET k
        A> SET k own
        A> GET k
        A> CLIENT CACHING NO
        A> CLIENT TRACKINGINFO
        A> GET l
        A> CLIENT CACHING YES
        B> MSET k 1 l 1
        A1<
        A> CLIENT CACHING NO
        A> nosuch
        A> GET k
        B> SET k 2
        A1<
        A> RESET
        A> CLIENT TRACKINGINFO
    "#,
    );
}

#[test]
fn tracking_by_prefixes_tells_of_every_key() {
    run_in_resp3(
        r#"
        A> CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:
        A> CLIENT TRACKINGINFO
        B> SET other 1
        B> SET user:1 1
        A1<
        B> MSET user:9 1 item:1 1 user:3 1 user:9 2 x 1
        A2<
        A2> SET item:2 1
        B> MULTI
        B> SET user:4 1
        B> GET user:4
        B> DEL user:1
        B> EXEC
        A1<
        A> CLIENT TRACKING ON BCAST PREFIX it
        A> CLIENT TRACKING ON BCAST PREFIX item:5
        A> CLIENT TRACKING ON BCAST NOLOOP PREFIX more:
        A> CLIENT TRACKINGINFO
        A> SET item:2 2
        A> MULTI
        A> SET item:3 1
        A> EXEC
        B> SET more:1 1
        A1<
        A> CLIENT TRACKING ON
        A> CLIENT TRACKING ON OPTIN
        A> CLIENT TRACKING OFF
        A> CLIENT TRACKING ON BCAST
        A> CLIENT TRACKINGINFO
        B> SET "" 1
        A1<
        B> FLUSHALL
        A1<
        A> CLIENT TRACKING ON BCAST PREFIX a PREFIX ab
        A> CLIENT TRACKING ON BCAST OPTIN
        A> CLIENT TRACKING OFF BCAST PREFIX a PREFIX ab
        A> CLIENT TRACKINGINFO
    "#,
    );
}

#[test]
fn tracking_can_be_redirected() {
    let script = |resp3_target: &str| {
        format!(
            r#"
            B> PING
            {resp3_target}
            A> CLIENT TRACKING ON REDIRECT @B
            A> GET k
            C> SET k 1
            B1<
            A> GET k
            C> FLUSHALL
            B1<
            A> GET k
            C> SET k 1
            B1<
            A> GET k
            A> GET l
            C> CLIENT KILL ID @B
            C> SET k 2
            A> PING
            "#
        )
    };
    run(&script("B> SUBSCRIBE __redis__:invalidate"));
    run_in_resp3(
        &script("").replace("A> PING", "A1<\nC> SET l 1\nA1<").replace("GET l", "MGET l m"),
    );
    run(r#"
        A> CLIENT TRACKING
        A> CLIENT TRACKING on foo
        A> CLIENT TRACKING maybe
        A> CLIENT TRACKING on PREFIX a
        A> CLIENT TRACKING on PREFIX
        A> CLIENT TRACKING ON REDIRECT
        A> CLIENT TRACKING ON REDIRECT 0
        A> CLIENT TRACKING ON REDIRECT -1
        A> CLIENT TRACKING ON REDIRECT x
        A> CLIENT TRACKING ON REDIRECT @A REDIRECT @A
        A> CLIENT TRACKING OFF REDIRECT 999999
        A> CLIENT TRACKING ON OPTIN OPTOUT
        A> CLIENT CACHING YES
        A> CLIENT CACHING
        A> CLIENT TRACKING ON
        A> CLIENT CACHING YES
        A> CLIENT CACHING NO
        A> CLIENT GETREDIR
        A> GET k
        A> SET k 1
        A> CONFIG GET tracking*
        A> CONFIG SET tracking-table-max-keys -1
        A> CONFIG SET tracking-table-max-keys x
        A> CONFIG SET tracking-table-max-keys 0
        A> CONFIG GET tracking*
    "#);
}
