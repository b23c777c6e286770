//! RDB files: what is written is read again, whatever the keyspace, the slices and the cuts; a real
//! redis-server reads ours, and Lodis its own; what is damaged is refused. The tests with a server
//! are skipped, saying so, where it is not installed.

use allocator::peak;
use files::{Here, NOW_MS, load, save, save_all};
use generator::{Dice, seeds};
use lodis::engine::rdb::crc64;
use lodis::engine::rdb::file::{
    Cause, Expired, Loader, Progress, Purpose, Usage, ValueCursor, Writer,
};
use lodis::engine::types::{Item, Listpack, StringValue};
use proptest::prelude::*;

mod allocator;
#[path = "rdb/files.rs"]
mod files;
mod generator;

/// Random keyspaces of a run.
const KEYSPACES: u64 = 60;
/// Commands that make one.
const COMMANDS: usize = 600;

#[test]
fn what_is_written_is_read_again() {
    for seed in seeds(KEYSPACES, false) {
        let mut dice = Dice::new(seed);
        let mut here = Here::new(seed);
        here.populate(&mut dice, COMMANDS, |_| true);
        for purpose in [Purpose::Travel, Purpose::Keep] {
            let budget = dice.pick(&[1, 50, 1000, usize::MAX]);
            let file = save(&here.engine, purpose, budget);
            let mut copy = Here::new(seed + 1);
            let again = format!("again: LODIS_SEED={seed} cargo test -p lodis --test rdb");
            let loaded = load(&mut copy.engine, &file, Some(&mut dice), Expired::Keep);
            let loaded = loaded.unwrap_or_else(|error| panic!("{error}; {again}"));
            assert_eq!(copy.engine.digest(), here.engine.digest(), "{again}");
            assert_eq!(copy.lens(), here.lens(), "{again}");
            assert_eq!(loaded.bytes, file.len() as u64, "{again}");
            // It is the same however it is cut and sliced.
            assert_eq!(save(&here.engine, purpose, usize::MAX), file, "{again}");
        }
    }
}

#[test]
fn it_is_known_whether_fields_expire() {
    for seed in seeds(KEYSPACES, false) {
        let mut here = Here::new(seed);
        let mut dice = Dice::new(seed);
        here.populate(&mut dice, COMMANDS, |name| name.starts_with('h') || name == "rename");
        for db in here.engine.keyspace.iter() {
            let expiring =
                |value: &lodis::engine::types::Value| value.next_field_expiry().is_some();
            let there = db.keys().iter().filter(|(_, object)| expiring(&object.value)).count();
            assert_eq!(db.expiring_hashes_len(), there, "LODIS_SEED={seed}");
        }
    }
}

#[test]
fn the_version_is_the_oldest_that_holds_the_data() {
    let mut here = Here::new(1);
    here.run("HSET h f v");
    here.run("XADD s 1-1 f v");
    let version = |here: &Here, purpose| save(&here.engine, purpose, 100)[..9].to_vec();
    assert_eq!(version(&here, Purpose::Travel), b"REDIS0010");
    assert_eq!(version(&here, Purpose::Keep), b"REDIS0011");
    here.run("HPEXPIRE h 1000000 FIELDS 1 f");
    assert_eq!(version(&here, Purpose::Travel), b"REDIS0012");
    assert_eq!(version(&here, Purpose::Keep), b"REDIS0012");
    for last in ["HPERSIST h FIELDS 1 f", "HDEL h f", "DEL h", "SET h v", "HSET h f w", "FLUSHALL"]
    {
        let mut here = Here::new(1);
        here.run("HSET h f v g w");
        here.run("HPEXPIRE h 1000000 FIELDS 1 f");
        here.run("RENAME h i");
        here.run("COPY i h");
        here.run("DEL i");
        assert_eq!(version(&here, Purpose::Travel), b"REDIS0012");
        here.run(last);
        assert_eq!(version(&here, Purpose::Travel), b"REDIS0010", "{last}");
    }
}

/// A key of each kind that is far beyond any budget.
fn large() -> Here {
    let mut here = Here::new(1);
    let mut words = |head: &str, element: &dyn Fn(usize) -> Vec<Vec<u8>>| {
        let elements: Vec<Vec<u8>> = (0..30_000).flat_map(element).collect();
        for chunk in elements.chunks(6000) {
            let head = head.split(' ').map(str::as_bytes);
            let argv: Vec<&[u8]> = head.chain(chunk.iter().map(Vec::as_slice)).collect();
            here.call(&argv);
        }
    };
    let text = |text: String| text.into_bytes();
    words("RPUSH list", &|n| vec![text(format!("element {n}"))]);
    words("SADD set", &|n| vec![text(format!("member {n}"))]);
    words("SADD integers", &|n| vec![text(n.to_string())]);
    words("ZADD zset", &|n| vec![text(format!("{}.5", n % 7000)), text(format!("m{n}"))]);
    words("HSET hash", &|n| vec![text(format!("f{n}")), text(format!("value {n}"))]);
    words("HSET expiring", &|n| vec![text(format!("f{n}")), text(format!("value {n}"))]);
    for n in 0..300 {
        here.run(&format!("HPEXPIREAT expiring {} FIELDS 1 f{n}", NOW_MS + 1_000_000 + n));
    }
    for n in 1..=20_000 {
        here.run(&format!("XADD stream {n}-1 field value{n}"));
    }
    here.run("XGROUP CREATE stream g 0");
    here.run("XREADGROUP GROUP g alice COUNT 8000 STREAMS stream >");
    here.run("XREADGROUP GROUP g bob COUNT 5000 STREAMS stream >");
    here.run("XGROUP CREATE stream h 0");
    here.run("XREADGROUP GROUP h alice COUNT 3 STREAMS stream >");
    here
}

#[test]
fn no_step_does_more_than_its_budget() {
    // What one element may have more: a node of a list or of a stream, at most.
    const ELEMENT: usize = 9000;
    let here = large();
    for budget in [1000, 20_000] {
        let mut most = 0;
        let file = save_all(&here.engine, Purpose::Keep, budget, &mut |written| {
            most = most.max(written);
        });
        assert!(most <= budget + ELEMENT, "{most} bytes written in one step");
        let mut copy = Here::new(2);
        let mut loader = Loader::new(&mut copy.engine, Expired::Keep);
        loader.push(&file);
        let (mut steps, mut before) = (0, 0);
        while loader.step(budget).expect("it is whole") != Progress::Done {
            let read = loader.offset() - before;
            assert!(read <= (budget + ELEMENT) as u64, "{read} bytes read in one step");
            before = loader.offset();
            steps += 1;
        }
        assert!(steps > file.len() / (budget + ELEMENT), "{steps} steps");
        loader.finish(&mut copy.engine).expect("it is whole");
        assert_eq!(copy.engine.digest(), here.engine.digest());
    }
}

#[test]
fn short_elements_cost_more_than_their_bytes() {
    let mut here = Here::new(1);
    let members: Vec<Vec<u8>> = (0..50_000).map(|n: u32| n.to_string().into_bytes()).collect();
    let head = [b"SADD".as_slice(), b"set"];
    here.call(&head.into_iter().chain(members.iter().map(Vec::as_slice)).collect::<Vec<_>>());
    let mut steps = 0;
    save_all(&here.engine, Purpose::Keep, 3200, &mut |_| steps += 1);
    assert!(steps >= 500, "{steps} steps for 50000 members");
}

#[test]
fn what_is_compressed_costs_what_it_was() {
    let mut writer = Writer::new(Purpose::Keep, false, &[]);
    let value = StringValue::text(&[b'x'; 10_000]).unwrap().into();
    for _ in 0..100 {
        writer.begin_key(b"k", &value, None, Usage::Untold);
        assert!(writer.value(&value, &mut ValueCursor::default(), usize::MAX));
    }
    assert!(writer.len() < 50_000);
    assert!((1_000_000..1_100_000).contains(&writer.spent()), "{}", writer.spent());
}

#[test]
fn long_strings_are_written_in_slices() {
    let mut dice = Dice::new(1);
    let repeated = b"a phrase that is there again and again, ".repeat(30_000);
    let noise: Vec<u8> = (0..1_000_000).map(|_| dice.next() as u8).collect();
    let mut here = Here::new(1);
    for (key, value) in [("repeated", &repeated), ("noise", &noise)] {
        here.call(&[b"SET", key.as_bytes(), value]);
        here.call(&[b"HSET", b"hash", key.as_bytes(), value, b"next", b"one"]);
        here.call(&[b"RPUSH", b"list", value, b"next"]);
        here.call(&[b"SADD", b"set", value, b"next"]);
        here.call(&[b"XADD", b"stream", b"*", b"field", value]);
    }
    let whole = save(&here.engine, Purpose::Keep, usize::MAX);
    assert!(whole.len() < 5_600_000, "what repeats itself is not compressed: {}", whole.len());
    for budget in [1500, 100_000] {
        let (mut most, mut steps) = (0, 0);
        let file = save_all(&here.engine, Purpose::Keep, budget, &mut |written| {
            most = most.max(written);
            steps += 1;
        });
        assert!(most <= budget + 100, "{most} bytes written in one step");
        // Compression is work as well.
        assert!(steps > 5 * (repeated.len() + noise.len()) / budget, "{steps} steps");
        assert!(file == whole);
    }
    let mut copy = Here::new(2);
    load(&mut copy.engine, &whole, Some(&mut dice), Expired::Skip).expect("it is whole");
    assert_eq!(copy.engine.digest(), here.engine.digest());
}

/// A file of these bytes between the header and the end.
fn file_of(version: u16, body: &[u8]) -> Vec<u8> {
    let mut file = [format!("REDIS{version:04}").as_bytes(), body, b"\xff"].concat();
    if version >= 5 {
        file.extend_from_slice(&crc64(0, &file).to_le_bytes());
    }
    file
}

#[test]
fn files_of_all_versions() {
    let ziplist = b"\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf2\xff";
    let mut body =
        b"\xfe\x00\x00\x01s\x05hello\x01\x01l\x02\x01a\x01b\x02\x02se\x02\x01a\x01b".to_vec();
    body.extend_from_slice(b"\x03\x01z\x02\x01a\x011\x01b\xfe\x04\x01h\x01\x01f\x01v");
    body.extend_from_slice(b"\x09\x02zm\x07\x01\x01f\x01\x00v\xff\xfe\x01");
    for (kind, key) in [(10, b'a'), (12, b'b'), (13, b'c')] {
        body.extend_from_slice(&[kind, 1, key]);
        body.extend_from_slice(ziplist);
    }
    body.extend_from_slice(b"\x0e\x01d\x01");
    body.extend_from_slice(ziplist);
    body.extend_from_slice(b"\x0b\x01i\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x07\x00");
    let seconds = (NOW_MS / 1000 + 60) as i32;
    body.extend_from_slice(
        &[b"\xfd".as_slice(), &seconds.to_le_bytes(), b"\x00\x01t\x01x"].concat(),
    );
    for version in [1, 2, 3, 4, 5, 6, 9, 12] {
        let mut here = Here::new(1);
        let file = file_of(version, &body);
        let loaded = load(&mut here.engine, &file, None, Expired::Skip).expect("it is whole");
        assert_eq!((loaded.version, loaded.keys, loaded.bytes), (version, 12, file.len() as u64));
        for (command, reply) in [
            ("GET s", "$5\r\nhello\r\n"),
            ("LRANGE l 0 -1", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
            ("SCARD se", ":2\r\n"),
            ("ZRANGE z 0 -1 WITHSCORES", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\ninf\r\n"),
            ("HGET h f", "$1\r\nv\r\n"),
            ("HGET zm f", "$1\r\nv\r\n"),
            ("SELECT 1", "+OK\r\n"),
            ("LRANGE a 0 -1", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
            ("ZSCORE b a", "$1\r\n1\r\n"),
            ("HGET c a", "$1\r\n1\r\n"),
            ("LRANGE d 0 -1", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
            ("SISMEMBER i 7", ":1\r\n"),
            ("GET t", "$1\r\nx\r\n"),
            ("EXPIRETIME t", &format!(":{seconds}\r\n")),
        ] {
            assert_eq!(here.run(command), reply, "{command}, version {version}");
        }
    }
}

fn listpack(words: &[&str]) -> Vec<u8> {
    let listpack: Listpack = words.iter().map(|word| Item::of(word.as_bytes())).collect();
    let bytes = listpack.as_bytes();
    [&[bytes.len() as u8], bytes].concat()
}

#[test]
fn fields_that_expire_in_every_form() {
    let at = NOW_MS + 1000;
    let number = [b"\x81".as_slice(), &at.to_be_bytes()].concat();
    let packed = listpack(&["a", "1", &at.to_string(), "b", "2", "0"]);
    let forms: [(u8, Vec<u8>); 4] = [
        (22, [b"\x02", &number[..], b"\x01a\x011\x00\x01b\x012"].concat()),
        (23, packed.clone()),
        (24, [&at.to_le_bytes()[..], b"\x02\x01\x01a\x011\x00\x01b\x012"].concat()),
        (25, [&at.to_le_bytes()[..], &packed].concat()),
    ];
    for (kind, form) in forms {
        let mut here = Here::new(1);
        let file = file_of(12, &[&[kind, 1, b'h'], &form[..]].concat());
        load(&mut here.engine, &file, Some(&mut Dice::new(1)), Expired::Skip).expect("it is whole");
        let times = format!("*2\r\n:{at}\r\n:-1\r\n");
        assert_eq!(here.run("HPEXPIRETIME h FIELDS 2 a b"), times, "type {kind}");
        assert_eq!(here.run("HMGET h a b"), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
        assert!(here.engine.keyspace.fields_expire());
        here.engine.set_time((at + 1) * 1000);
        here.engine.tick();
        assert_eq!(here.run("HLEN h"), ":1\r\n", "type {kind}");
    }
}

#[test]
fn streams_in_every_form() {
    let id = |ms: u64| [ms.to_be_bytes(), 1u64.to_be_bytes()].concat();
    let entries = ["2", "1", "1", "f", "0", "2", "0", "0", "v", "4", "2", "1", "0", "w", "4"];
    let entries = [&entries[..], &["3", "2", "0", "x", "4"]].concat();
    let node = [b"\x01\x10", &id(5)[..], &listpack(&entries)].concat();
    let time = NOW_MS.to_le_bytes();
    let pending = [b"\x01", &id(5)[..], &time, b"\x03"].concat();
    for (kind, added, read, active) in [
        (15u8, &b""[..], &b""[..], &b""[..]),
        (19, b"\x05\x01\x07\x01\x03", b"\x01", b""),
        (21, b"\x05\x01\x07\x01\x03", b"\x01", &time),
    ] {
        let group = [b"\x01\x01g\x05\x01", read, &pending, b"\x01\x05alice", &time, active];
        let body = [&[kind, 1, b's'], &node[..], b"\x02\x07\x01", added, &group.concat()];
        let body = [&body.concat()[..], b"\x01", &id(5)].concat();
        let mut here = Here::new(1);
        let mut dice = Dice::new(1);
        load(&mut here.engine, &file_of(11, &body), Some(&mut dice), Expired::Skip)
            .unwrap_or_else(|error| panic!("type {kind}: {error}"));
        let added = if kind == 15 { 2 } else { 3 };
        let info = here.run("XINFO STREAM s");
        assert!(info.contains(&format!("entries-added\r\n:{added}\r\n")), "{kind}: {info}");
        let entries = "*2\r\n*2\r\n$3\r\n5-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n\
            *2\r\n$3\r\n6-1\r\n*2\r\n$1\r\nf\r\n$1\r\nw\r\n";
        assert_eq!(here.run("XRANGE s - +"), entries, "type {kind}");
        here.engine.set_time((NOW_MS + 50) * 1000);
        let pending = "*1\r\n*4\r\n$3\r\n5-1\r\n$5\r\nalice\r\n:50\r\n:3\r\n";
        assert_eq!(here.run("XPENDING s g - + 9"), pending, "type {kind}");
        assert_eq!(here.run("XADD s 7-1 f v").as_bytes()[0], b'-', "the last id is kept");
    }
}

#[test]
fn what_a_file_says_besides() {
    let mut body = b"\xfa\x09redis-ver\x057.0.0\xfa\x05ctime\xc2\x00\xf1\x53\x65".to_vec();
    body.extend_from_slice(
        b"\xf5\x21#!lua name=x and what it consists\xf5\x01#\xfe\x00\xfb\x07\x01",
    );
    body.extend_from_slice(b"\xf8\x3c\x00\x01i\x01v\xf9\xc8\x00\x01f\x01v\xf4\x01\x02\x03");
    body.extend_from_slice(b"\x01\x05empty\x00\x04\x06nobody\x00");
    for (key, at) in [(b'p', NOW_MS), (b'n', NOW_MS + 1)] {
        body.push(0xfc);
        body.extend_from_slice(&at.to_le_bytes());
        body.extend_from_slice(&[0, 1, key, 1, b'v']);
    }
    let file = [&file_of(10, &body)[..], b"*1\r\n$4\r\nPING\r\n"].concat();
    let mut here = Here::new(1);
    let loaded = load(&mut here.engine, &file, None, Expired::Skip).expect("it is whole");
    assert_eq!((loaded.keys, loaded.expired, loaded.empty, loaded.functions), (3, 1, 2, 2));
    let aux = [(&b"redis-ver"[..], &b"7.0.0"[..]), (b"ctime", b"1700000000")];
    assert_eq!(loaded.aux, aux.map(|(name, value)| (name.to_vec(), value.to_vec())));
    assert_eq!(loaded.rest, b"*1\r\n$4\r\nPING\r\n");
    assert_eq!(loaded.bytes as usize, file.len() - loaded.rest.len());
    assert_eq!(here.run("OBJECT IDLETIME i"), ":60\r\n");
    assert_eq!(here.run("PTTL n"), ":1\r\n");
    let loaded = load(&mut here.engine, &file, None, Expired::Keep).expect("it is whole");
    assert_eq!((loaded.keys, loaded.expired), (4, 0));
}

#[test]
fn files_that_are_refused() {
    let mut here = Here::new(1);
    here.run("SET kept here");
    let before = here.engine.digest();
    let data = |body: &[u8]| file_of(10, body);
    let no_sum = |body: &[u8]| [b"REDIS0010", body].concat();
    let mut wrong = data(b"\x00\x01k\x01v");
    wrong[11] ^= 1;
    for (file, offset, cause) in [
        (b"RESP".to_vec(), 0, Cause::Header),
        (b"REDIS00x1".to_vec(), 0, Cause::Header),
        (b"REDIS0000".to_vec(), 0, Cause::Version(0)),
        (b"REDIS0013".to_vec(), 0, Cause::Version(13)),
        (b"".to_vec(), 0, Cause::Truncated),
        (b"REDIS00".to_vec(), 0, Cause::Truncated),
        (no_sum(b"\x00\x01k\x05v"), 9, Cause::Truncated),
        (no_sum(b"\x00\x01k\x01v\xff1234567"), 15, Cause::Truncated),
        (
            no_sum(b"\x00\x01k\x01v\x01\x01l\x81\xff\xff\xff\xff\xff\xff\xff\xff"),
            26,
            Cause::Truncated,
        ),
        (no_sum(b"\x00\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff"), 9, Cause::Truncated),
        (data(b"\x00\x01k\xc5"), 9, Cause::Data),
        (data(b"\x02\x01k\x02\x01a\x01a"), 15, Cause::Data),
        (
            data(b"\x00\x01k\xc3\x03\x81\xff\xff\xff\xff\xff\xff\xff\xff\xe0\x00\x00"),
            9,
            Cause::Data,
        ),
        (data(b"\x08\x01k"), 9, Cause::Opcode(8)),
        (data(b"\xf3"), 9, Cause::Opcode(243)),
        (data(b"\xfe\x0f\xfe\x10"), 11, Cause::Database(16)),
        (data(b"\x00\x01k\x01v\x00\x01k\x01w"), 14, Cause::Duplicate(b"k".to_vec())),
        (data(b"\x07\x01k"), 9, Cause::Module),
        (data(b"\xf7\x01k"), 9, Cause::Module),
        (data(b"\xf6\x01k"), 9, Cause::Functions),
        (wrong, 15, Cause::Checksum),
    ] {
        for mut dice in [None, Some(Dice::new(1))] {
            let error = load(&mut here.engine, &file, dice.as_mut(), Expired::Skip).unwrap_err();
            let name = file.escape_ascii();
            assert_eq!((error.offset, &error.cause), (offset, &cause), "{name}: {error}");
        }
        assert_eq!(here.engine.digest(), before);
    }
    // Without a checksum nothing is checked.
    let mut file = data(b"\x00\x01k\x01v");
    let end = file.len() - 8;
    file[end..].fill(0);
    assert!(load(&mut here.engine, &file, None, Expired::Skip).is_ok());
}

#[test]
fn whoever_watches_or_waits_learns_of_it() {
    let mut here = Here::new(1);
    here.run("RPUSH list from-file");
    let file = save(&here.engine, Purpose::Travel, 100);
    let mut here = Here::new(2);
    here.run("SET old value");
    let keys = ["list", "old", "neither"].map(|key| {
        let session = here.engine.connect();
        here.run_as(session, &format!("WATCH {key}"));
        here.run_as(session, "MULTI");
        here.run_as(session, "PING");
        session
    });
    let waiting = here.engine.connect();
    assert_eq!(here.run_as(waiting, "BLPOP list 0"), "");
    let slots = here.engine.keyspace.db_mut(0).generations().keep().to_vec();
    load(&mut here.engine, &file, None, Expired::Skip).expect("it is whole");
    let replies = keys.map(|session| here.run_as(session, "EXEC"));
    assert_eq!(replies, ["*-1\r\n", "*-1\r\n", "*1\r\n+PONG\r\n"]);
    let now = here.engine.keyspace.db_mut(0).generations().keep();
    assert!(now.iter().zip(&slots).all(|(now, before)| now != before));
    here.engine.tick();
    let message = here.engine.sessions.take_messages_of(waiting);
    assert_eq!(message, b"*2\r\n$4\r\nlist\r\n$9\r\nfrom-file\r\n");
    assert_eq!(here.run("DBSIZE"), ":0\r\n");
}

#[test]
fn what_was_there_is_freed_bit_by_bit() {
    let mut here = large();
    let file = file_of(10, b"\x00\x01k\x01v");
    load(&mut here.engine, &file, None, Expired::Skip).expect("it is whole");
    assert_eq!(here.keys(), [(0, b"k".to_vec())]);
    assert!(here.engine.lazyfree.pending() > 0);
    while here.engine.lazyfree.step(1000) {}
}

/// A string of a file that is short and stands for `bytes`.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    let value = StringValue::text(bytes).unwrap();
    let payload = lodis::engine::rdb::dump(&value.into(), Purpose::Travel);
    // Without the type and the footer.
    let string = payload[1..payload.len() - 10].to_vec();
    assert!(string.len() < bytes.len() / 50);
    string
}

#[test]
fn no_more_memory_than_the_input_stands_for() {
    const ENTRIES: usize = 1_000_000;
    let mut ziplist = ((11 + 2 * ENTRIES) as u32).to_le_bytes().to_vec();
    ziplist.extend_from_slice(b"\0\0\0\0\xff\xff\x00\xf1");
    ziplist.extend_from_slice(&b"\x02\xf1".repeat(ENTRIES - 1));
    ziplist.push(0xff);
    let mut listpack = ((7 + 2 * ENTRIES) as u32).to_le_bytes().to_vec();
    listpack.extend_from_slice(b"\xff\xff");
    listpack.extend_from_slice(&b"\x00\x01".repeat(ENTRIES));
    listpack.push(0xff);
    let huge = b"\x81\x00\x00\x00\xff\xff\xff\xff\xff";
    let packed = [(10, &ziplist), (12, &ziplist), (13, &ziplist), (16, &listpack), (17, &listpack)];
    let compressed = packed.map(|(kind, bytes)| [&[kind, 1, b'k'], &*compressed(bytes)].concat());
    let counted =
        [1, 2, 3, 4, 5, 14, 15, 18, 19, 21].map(|kind| [&[kind, 1, b'k'], &huge[..]].concat());
    let strings = [&[0, 1, b'k'], &huge[..]].concat();
    let long_key = [&[0], &huge[..]].concat();
    let hash = [&[24, 1, b'k', 0, 0, 0, 0, 0, 0, 0, 0], &huge[..]].concat();
    let lzf = [&[0, 1, b'k', 0xc3, 3], &huge[..], b"\xe0\x00\x00"].concat();
    let group = b"\x13\x01k\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01g\x00\x00\x00".to_vec();
    let group = [group, huge.to_vec()].concat();
    let resize = [b"\xfb", &huge[..], huge].concat();
    let others = [strings, long_key, hash, lzf, group, resize];
    for body in compressed.into_iter().chain(counted).chain(others) {
        let stands_for = if body.len() > 1000 { 2 * ENTRIES } else { 0 };
        let mut here = Here::new(1);
        let file = file_of(10, &body);
        let (result, peak) = peak(|| load(&mut here.engine, &file, None, Expired::Skip).is_ok());
        assert_eq!(result, body[0] == 10 || body[0] == 0xfb, "{}", body[..3].escape_ascii());
        let most = 4 * stands_for + 100_000;
        assert!(peak <= most, "{peak} bytes for {}", body[..body.len().min(40)].escape_ascii());
    }
}

/// A file with a bit of everything.
fn varied(seed: u64, purpose: Purpose) -> Vec<u8> {
    let mut here = Here::new(seed);
    here.populate(&mut Dice::new(seed), 200, |_| true);
    save(&here.engine, purpose, usize::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_refused_or_read(
        seed in 0u64..40,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        sealed: bool,
    ) {
        let purpose = if seed % 2 == 0 { Purpose::Keep } else { Purpose::Travel };
        let mut file = varied(seed, purpose);
        let whole = file.clone();
        for (at, byte) in damage {
            let at = at.index(file.len() - 8);
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len() + 1));
        }
        if sealed && file.len() >= 17 {
            // A damage that the checksum does not tell.
            let end = file.len() - 8;
            let sum = crc64(0, &file[..end]);
            file[end..].copy_from_slice(&sum.to_le_bytes());
        }
        let mut dice = Dice::new(seed);
        let [sliced, at_once] = [Some(&mut dice), None].map(|dice| {
            let mut here = Here::new(7);
            let (result, peak) = peak(|| load(&mut here.engine, &file, dice, Expired::Skip));
            assert!(peak <= 100_000 + 200 * file.len(), "{peak} bytes for {}", file.len());
            (result.map(|_| here.engine.digest()), here)
        });
        prop_assert_eq!(&sliced.0, &at_once.0);
        match sliced.0 {
            Ok(_) => {
                // Files of the first versions have no checksum.
                let is_summed = file[5..9] >= b"0005"[..];
                prop_assert!(sealed || !is_summed || file == whole, "damage that is not seen");
                let mut here = sliced.1;
                // Whatever was read can be worked with, and written again.
                here.populate(&mut Dice::new(seed), 100, |_| true);
                let file = save(&here.engine, purpose, 1000);
                let mut copy = Here::new(3);
                load(&mut copy.engine, &file, None, Expired::Keep).expect("it was written");
                prop_assert_eq!(copy.engine.digest(), here.engine.digest());
            }
            Err(error) => prop_assert!(error.offset <= file.len() as u64),
        }
    }

    #[test]
    fn arbitrary_bytes_never_trap(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut here = Here::new(1);
        let _ = load(&mut here.engine, &file_of(10, &body), None, Expired::Skip);
    }
}
