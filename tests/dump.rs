//! DUMP and RESTORE: values travel to a real redis-server and back, in every type and encoding; what
//! is damaged is refused. The tests with a server are skipped, saying so, where it is not installed.

use lodis::engine::config::Limits;
use lodis::engine::rdb::{self, Purpose};
use lodis::engine::session::SessionId;
use lodis::engine::types::Value;
use lodis::engine::{Engine, Options};
use proptest::prelude::*;
use real_redis::Redis;

mod real_redis;

struct Here {
    engine: Engine,
    session: SessionId,
}

impl Here {
    fn new() -> Self {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        let now_us = i64::try_from(now.as_micros()).unwrap();
        let mut engine = Engine::new(&Options { now_us, ..Options::default() });
        let session = engine.connect();
        Self { engine, session }
    }

    fn call(&mut self, argv: &[&[u8]]) -> Vec<u8> {
        let mut reply = Vec::new();
        self.engine.call(self.session, argv, &mut reply);
        reply
    }
}

/// The content of a bulk string.
fn bulk(reply: &[u8]) -> &[u8] {
    let start = reply.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    assert_eq!(reply[0], b'$', "{:?}", String::from_utf8_lossy(reply));
    &reply[start..reply.len() - 2]
}

/// The elements of an array of bulk strings, in groups; in order unless the type has none.
fn elements(reply: &[u8], group: usize, ordered: bool) -> Vec<Vec<Vec<u8>>> {
    assert_eq!(reply[0], b'*', "{:?}", String::from_utf8_lossy(reply));
    let mut rest = &reply[reply.iter().position(|byte| *byte == b'\n').unwrap() + 1..];
    let mut words = Vec::new();
    while !rest.is_empty() {
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let len: usize = std::str::from_utf8(&rest[1..line - 2]).unwrap().parse().unwrap();
        words.push(rest[line..line + len].to_vec());
        rest = &rest[line + len + 2..];
    }
    let mut groups: Vec<_> = words.chunks(group).map(<[_]>::to_vec).collect();
    if !ordered {
        groups.sort();
    }
    groups
}

type Content = (String, Vec<Vec<Vec<u8>>>);

/// The whole content of a key.
fn content(mut call: impl FnMut(&[&[u8]]) -> Vec<u8>, key: &[u8]) -> Content {
    let kind = String::from_utf8(call(&[b"TYPE", key])).unwrap();
    let content = match kind.trim() {
        "+string" => vec![vec![bulk(&call(&[b"GET", key])).to_vec()]],
        "+list" => elements(&call(&[b"LRANGE", key, b"0", b"-1"]), 1, true),
        "+set" => elements(&call(&[b"SMEMBERS", key]), 1, false),
        "+hash" => elements(&call(&[b"HGETALL", key]), 2, false),
        "+zset" => {
            let mut pairs = elements(&call(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]), 2, true);
            // Redis 7.0 prints more digits than it takes.
            for pair in &mut pairs {
                let score: f64 = std::str::from_utf8(&pair[1]).unwrap().parse().unwrap();
                pair[1] = score.to_le_bytes().to_vec();
            }
            pairs
        }
        "+stream" => {
            let mut words = Vec::new();
            for command in [
                &[b"XRANGE".as_slice(), key, b"-", b"+"][..],
                &[b"XINFO", b"GROUPS", key],
                &[b"XPENDING", key, b"g"],
                &[b"XPENDING", key, b"g", b"-", b"+", b"100"],
            ] {
                words.push(vec![call(command)]);
            }
            words
        }
        other => panic!("{other}"),
    };
    (kind, content)
}

/// A command that makes a value: its words before the elements, and those.
fn makers() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let many = |count: usize, element: &dyn Fn(usize) -> Vec<Vec<u8>>| {
        (0..count).flat_map(element).collect::<Vec<_>>()
    };
    let odd =
        ["", "a\0b\r\n\u{ff}", "-0", "007", "1.5", "9223372036854775807", "99999999999999999999"];
    let odd: Vec<Vec<u8>> = odd.iter().map(|word| text(word)).collect();
    let mut makers = vec![
        ("SET", vec![text("plain")]),
        ("SET", vec![text("")]),
        ("SET", vec![vec![b'x'; 100_000]]),
        ("SET", vec![(0..=255).cycle().take(20_000).collect()]),
        ("RPUSH", odd.clone()),
        ("RPUSH", many(10_000, &|n| vec![format!("element {n}").into_bytes()])),
        ("RPUSH", vec![vec![b'y'; 20_000], text("small")]),
        ("SADD", many(100, &|n| vec![n.to_string().into_bytes()])),
        ("SADD", many(100, &|n| vec![(n * 100_000).to_string().into_bytes()])),
        ("SADD", many(100, &|n| vec![(n as i64 * i64::from(i32::MAX)).to_string().into_bytes()])),
        ("SADD", many(1000, &|n| vec![n.to_string().into_bytes()])),
        ("SADD", odd.clone()),
        ("SADD", many(1000, &|n| vec![format!("member {n}").into_bytes()])),
        ("HSET", odd.iter().flat_map(|word| [word.clone(), text("value")]).collect()),
        ("HSET", vec![text("field"), vec![b'z'; 1000]]),
        ("HSET", many(1000, &|n| vec![n.to_string().into_bytes(), vec![b'v'; n % 50]])),
        ("ZADD", odd.iter().flat_map(|word| [text("1.5"), word.clone()]).collect()),
        (
            "ZADD",
            ["inf", "-inf", "0.1", "1e300", "-0", "3"]
                .iter()
                .flat_map(|s| [text(s), text(s)])
                .collect(),
        ),
        (
            "ZADD",
            many(1000, &|n| {
                vec![(n as f64 / 7.0).to_string().into_bytes(), n.to_string().into_bytes()]
            }),
        ),
    ];
    for number in [
        "0",
        "-1",
        "127",
        "-128",
        "128",
        "32767",
        "-32769",
        "2147483647",
        "2147483648",
        "-2147483649",
        "9223372036854775807",
    ] {
        makers.push(("SET", vec![text(number)]));
    }
    makers
}

fn make(call: &mut dyn FnMut(&[&[u8]]) -> Vec<u8>, command: &str, elements: &[Vec<u8>]) {
    call(&[b"DEL", b"k"]);
    let head: [&[u8]; 2] = [command.as_bytes(), b"k"];
    let argv: Vec<&[u8]> = head.into_iter().chain(elements.iter().map(Vec::as_slice)).collect();
    let reply = call(&argv);
    assert_ne!(reply[0], b'-', "{}", String::from_utf8_lossy(&reply));
}

/// A stream of several nodes with deleted entries, groups, and entries that are pending.
fn make_stream(call: &mut dyn FnMut(&[&[u8]]) -> Vec<u8>) {
    call(&[b"DEL", b"k"]);
    for number in 1..300 {
        let id = format!("{number}-{}", number % 3);
        let other: &[u8] = if number % 7 == 0 { b"other" } else { b"field" };
        call(&[b"XADD", b"k", id.as_bytes(), other, id.as_bytes(), b"b", b"same"]);
    }
    for id in ["5-2", "6-0", "299-2", "150-0"] {
        assert_eq!(call(&[b"XDEL", b"k", id.as_bytes()]), b":1\r\n");
    }
    call(&[b"XGROUP", b"CREATE", b"k", b"g", b"10"]);
    call(&[b"XGROUP", b"CREATE", b"k", b"empty", b"$"]);
    call(&[b"XREADGROUP", b"GROUP", b"g", b"alice", b"COUNT", b"3", b"STREAMS", b"k", b">"]);
    call(&[b"XREADGROUP", b"GROUP", b"g", b"bob", b"COUNT", b"4", b"STREAMS", b"k", b">"]);
    call(&[b"XGROUP", b"CREATECONSUMER", b"k", b"g", b"idle"]);
}

/// Without what depends on the moment: how long entries have been pending.
fn timeless((kind, mut words): Content) -> Content {
    words.pop();
    (kind, words)
}

#[test]
fn streams_travel_both_ways() {
    let Some(mut redis) = Redis::start() else { return };
    let mut here = Here::new();
    make_stream(&mut |argv| redis.call(argv));
    let payload = redis.call(&[b"DUMP", b"k"]);
    assert_eq!(here.call(&[b"RESTORE", b"k", b"0", bulk(&payload), b"REPLACE"]), b"+OK\r\n");
    let theirs = timeless(content(|argv| redis.call(argv), b"k"));
    assert_eq!(timeless(content(|argv| here.call(argv), b"k")), theirs);
    make_stream(&mut |argv| here.call(argv));
    let payload = here.call(&[b"DUMP", b"k"]);
    assert_eq!(redis.call(&[b"RESTORE", b"k", b"0", bulk(&payload), b"REPLACE"]), b"+OK\r\n");
    let ours = timeless(content(|argv| here.call(argv), b"k"));
    assert_eq!(timeless(content(|argv| redis.call(argv), b"k")), ours);
    assert_eq!(ours, theirs);
    assert_eq!(here.call(&[b"RESTORE", b"copy", b"0", bulk(&payload)]), b"+OK\r\n");
    let digests = [b"k".as_slice(), b"copy"]
        .map(|key| here.engine.keyspace.db(0).get(key).map(|object| object.value.digest()));
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn damaged_streams_never_trap() {
    let mut here = Here::new();
    make_stream(&mut |argv| here.call(argv));
    let payload = here.call(&[b"DUMP", b"k"]);
    let body = &bulk(&payload)[..bulk(&payload).len() - 10];
    let mut rng = lodis::engine::rng::Rng::new(1);
    for _ in 0..3000 {
        let mut damaged = body.to_vec();
        for _ in 0..=rng.below(4) {
            let at = rng.below(damaged.len());
            damaged[at] = rng.next_u64() as u8;
        }
        if rng.below(4) == 0 {
            damaged.truncate(rng.below(damaged.len()));
        }
        let reply = here.call(&[b"RESTORE", b"k", b"0", &sealed(&damaged), b"REPLACE"]);
        if reply == b"+OK\r\n" {
            here.call(&[b"XRANGE", b"k", b"-", b"+"]);
            here.call(&[b"XINFO", b"STREAM", b"k", b"FULL"]);
            here.call(&[b"XTRIM", b"k", b"MAXLEN", b"3"]);
            here.call(&[b"XADD", b"k", b"*", b"a", b"b"]);
        }
    }
}

#[test]
fn values_of_a_real_server_restore_here() {
    let Some(mut redis) = Redis::start() else { return };
    let mut here = Here::new();
    for (command, elements) in makers() {
        make(&mut |argv| redis.call(argv), command, &elements);
        let payload = redis.call(&[b"DUMP", b"k"]);
        let reply = here.call(&[b"RESTORE", b"k", b"0", bulk(&payload), b"REPLACE"]);
        assert_eq!(reply, b"+OK\r\n", "{command}: {}", String::from_utf8_lossy(&reply));
        let theirs = content(|argv| redis.call(argv), b"k");
        assert_eq!(content(|argv| here.call(argv), b"k"), theirs, "{command}");
    }
}

#[test]
fn values_of_ours_restore_there() {
    let Some(mut redis) = Redis::start() else { return };
    let mut here = Here::new();
    for (command, elements) in makers() {
        make(&mut |argv| here.call(argv), command, &elements);
        let payload = here.call(&[b"DUMP", b"k"]);
        let reply = redis.call(&[b"RESTORE", b"k", b"0", bulk(&payload), b"REPLACE"]);
        assert_eq!(reply, b"+OK\r\n", "{command}: {}", String::from_utf8_lossy(&reply));
        let ours = content(|argv| here.call(argv), b"k");
        assert_eq!(content(|argv| redis.call(argv), b"k"), ours, "{command}");
    }
}

#[test]
fn values_restore_where_they_were_dumped() {
    let mut here = Here::new();
    for (command, elements) in makers() {
        make(&mut |argv| here.call(argv), command, &elements);
        let payload = here.call(&[b"DUMP", b"k"]);
        let reply = here.call(&[b"RESTORE", b"copy", b"0", bulk(&payload), b"REPLACE"]);
        assert_eq!(reply, b"+OK\r\n", "{command}");
        let [one, other] = [b"k".as_slice(), b"copy"]
            .map(|key| here.engine.keyspace.db(0).get(key).map(|object| object.value.digest()));
        assert_eq!(one, other, "{command}");
    }
}

#[test]
fn fields_keep_their_times() {
    let mut here = Here::new();
    here.call(&[b"HSET", b"k", b"a", b"1", b"b", b"2", b"c", b"3"]);
    here.call(&[b"HPEXPIREAT", b"k", b"1900000000000", b"FIELDS", b"1", b"a"]);
    here.call(&[b"HPEXPIREAT", b"k", b"1900000000007", b"FIELDS", b"1", b"b"]);
    let payload = here.call(&[b"DUMP", b"k"]);
    here.call(&[b"RESTORE", b"copy", b"0", bulk(&payload)]);
    let times = here.call(&[b"HPEXPIRETIME", b"copy", b"FIELDS", b"3", b"a", b"b", b"c"]);
    assert_eq!(times, b"*3\r\n:1900000000000\r\n:1900000000007\r\n:-1\r\n");
}

/// A payload with a right footer.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut payload = [body, &10u16.to_le_bytes()].concat();
    let checksum = rdb::crc64(0, &payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

#[test]
fn the_footer_is_checked() {
    let good = sealed(b"\x00\x01a");
    assert!(rdb::restore(&good, Limits::default()).is_ok());
    for damaged in 0..good.len() {
        let mut bad = good.clone();
        bad[damaged] ^= 1;
        assert_eq!(rdb::restore(&bad, Limits::default()).err(), Some(rdb::RdbError::Footer));
        let cut = &good[..damaged];
        assert_eq!(rdb::restore(cut, Limits::default()).err(), Some(rdb::RdbError::Footer));
    }
}

#[test]
fn what_is_no_value_is_refused() {
    let bad: [&[u8]; 17] = [
        b"",
        b"\x07\x01a",
        b"\x00\x02a",
        b"\x00\x01ab",
        b"\x00\xc4\x01",
        b"\x00\xc3\x03\x81\xff\xff\xff\xff\xff\xff\xff\xff\xe0\x00\x00",
        b"\x01\x00",
        b"\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x02\x02\x01a\x01a",
        b"\x04\x02\x01a\x01b\x01a\x01c",
        b"\x04\x01\x01a",
        b"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x7f",
        b"\x05\x02\x01a\x00\x00\x00\x00\x00\x00\xf0\x3f\x01a\x00\x00\x00\x00\x00\x00\xf0\x3f",
        b"\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x05\x00\x01\x00",
        b"\x10\x09\x09\x00\x00\x00\x01\x00\x01\x01\xff",
        b"\x12\x01\x03\x01a",
        b"\x12\x00",
    ];
    for body in bad {
        let error = rdb::restore(&sealed(body), Limits::default()).err();
        assert_eq!(error, Some(rdb::RdbError::Data), "{body:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_values_never_trap(
        maker in 0usize..19,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (command, elements) = makers().swap_remove(maker);
        let few: Vec<Vec<u8>> = elements.into_iter().take(20).map(|mut word| { word.truncate(100); word }).collect();
        let mut here = Here::new();
        make(&mut |argv| here.call(argv), command, &few);
        let payload = here.call(&[b"DUMP", b"k"]);
        let payload = bulk(&payload);
        let mut body = payload[..payload.len() - 10].to_vec();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len() + 1));
        }
        let reply = here.call(&[b"RESTORE", b"k", b"0", &sealed(&body), b"REPLACE"]);
        if reply == b"+OK\r\n" {
            content(|argv| here.call(argv), b"k");
        } else {
            prop_assert_eq!(reply, b"-ERR Bad data format\r\n");
        }
    }

    #[test]
    fn arbitrary_bodies_never_trap(kind in 0u8..30, body in prop::collection::vec(any::<u8>(), 0..60)) {
        let body = [&[kind], body.as_slice()].concat();
        let _ = rdb::restore(&sealed(&body), Limits::default());
    }
}

#[test]
fn a_snapshot_knows_which_consumers_were_never_active() {
    let mut here = Here::new();
    here.call(&[b"XGROUP", b"CREATE", b"k", b"g", b"0", b"MKSTREAM"]);
    here.call(&[b"XGROUP", b"CREATECONSUMER", b"k", b"g", b"idle"]);
    let object = here.engine.keyspace.db(0).get(b"k").expect("it was made");
    let active = |purpose| {
        let payload = rdb::dump(&object.value, purpose);
        match rdb::restore(&payload, Limits::default()) {
            Ok(Value::Stream(stream)) => {
                let group = stream.groups.get(&b"g"[..]).expect("a group");
                group.consumers.get(&b"idle"[..]).expect("a consumer").active_ms
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(active(Purpose::Keep), None);
    // 7.0 knows only when a consumer was seen.
    assert_eq!(active(Purpose::Travel), Some(here.engine.now_ms()));
}
