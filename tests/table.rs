//! The command table against a real redis-server's COMMAND INFO and COMMAND DOCS. Skipped, saying
//! so, where redis-server is not installed.
//!
//! The installed server is a 7.0; where Redis 8 declares otherwise, [`EXCEPTIONS`] says what.

use lodis::engine::registry::commands;
use lodis::engine::{Engine, Options};
use real_redis::Redis;
use std::collections::BTreeMap;

mod real_redis;

/// Command, aspect, and why the two differ. An aspect that agrees again fails the test.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("acl|deluser", "tips", "since 7.2"),
    ("acl|save", "tips", "since 7.2"),
    ("acl|setuser", "tips", "since 7.2"),
    ("bitop", "arguments", "7.2 names the operations, and 8.2 adds four"),
    ("blmove", "flags", "noscript until 7.2"),
    ("blpop", "flags", "noscript until 7.2"),
    ("brpop", "flags", "noscript until 7.2"),
    ("brpoplpush", "flags", "noscript until 7.2"),
    ("bzpopmax", "flags", "noscript until 7.2"),
    ("bzpopmin", "flags", "noscript until 7.2"),
    ("client|kill", "arguments", "7.4 adds MAXAGE; our notation has no optional choices"),
    ("client|list", "arguments", "7.2 has no block around the numbers of ID"),
    ("client|setname", "tips", "since 7.2"),
    ("cluster", "arguments", "no subcommand is declared, since none does anything"),
    ("command|getkeys", "arguments", "since 7.2"),
    ("command|getkeys", "arity", "7.2 allows a command of one word"),
    ("command|getkeysandflags", "arguments", "since 7.2"),
    ("command|getkeysandflags", "arity", "7.2 allows a command of one word"),
    ("config|resetstat", "tips", "since 7.2"),
    ("debug", "arguments", "no subcommand is declared, as in Redis, which takes any"),
    ("geodist", "complexity", "corrected in 7.2"),
    ("geohash", "arguments", "7.2 allows to name no member"),
    ("geohash", "complexity", "corrected in 7.2"),
    ("geopos", "arguments", "7.2 allows to name no member"),
    ("geopos", "complexity", "corrected in 7.2"),
    ("georadius", "arguments", "7.2 takes STORE or STOREDIST"),
    ("georadiusbymember", "arguments", "7.2 takes STORE or STOREDIST"),
    ("hscan", "arguments", "7.4 adds NOVALUES"),
    ("hscan", "complexity", "7.0 ends with two full stops"),
    ("lolwut", "complexity", "not stated"),
    ("monitor", "arity", "an embedded client ends it with OFF"),
    ("monitor", "complexity", "not stated"),
    ("pfmerge", "arguments", "7.2 allows to have no sources"),
    ("psubscribe", "complexity", "reworded in 7.2"),
    ("punsubscribe", "complexity", "reworded in 7.2"),
    ("quit", "deprecated_since", "deprecated by 7.2"),
    ("quit", "replaced_by", "deprecated by 7.2"),
    ("save", "acl", "blocking by its flags"),
    ("save", "flags", "blocking: nobody else waits for the store"),
    ("set", "arguments", "8.4 adds comparisons"),
    ("sscan", "complexity", "7.0 ends with two full stops"),
    ("sunsubscribe", "complexity", "reworded in 7.2"),
    ("unsubscribe", "complexity", "reworded in 7.2"),
    ("wait", "acl", "blocking by its flags since 7.2"),
    ("wait", "flags", "blocking, and not noscript, since 7.2"),
    ("xadd", "arguments", "8.2 adds what becomes of references"),
    ("xreadgroup", "arguments", "8.4 adds CLAIM"),
    ("xtrim", "arguments", "8.2 adds what becomes of references"),
    ("zrank", "arguments", "7.2 adds WITHSCORE"),
    ("zrank", "arity", "7.2 adds WITHSCORE"),
    ("zrevrank", "arguments", "7.2 adds WITHSCORE"),
    ("zrevrank", "arity", "7.2 adds WITHSCORE"),
    ("zscan", "complexity", "7.0 ends with two full stops"),
];

/// A reply in a form that compares: sets and maps are ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reply {
    Null,
    Text(String),
    List(Vec<Reply>),
    Map(BTreeMap<Reply, Reply>),
}

impl Reply {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            other => panic!("not a list: {other:?}"),
        }
    }

    fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(&Self::Text(name.to_owned())),
            other => panic!("not a map: {other:?}"),
        }
    }
}

fn read(bytes: &[u8], at: &mut usize) -> Reply {
    let line_end = *at + bytes[*at..].iter().position(|byte| *byte == b'\r').unwrap();
    let line = String::from_utf8(bytes[*at + 1..line_end].to_vec()).unwrap();
    let kind = bytes[*at];
    *at = line_end + 2;
    let count = || line.parse::<usize>().unwrap();
    match kind {
        b'_' => Reply::Null,
        b'+' | b':' => Reply::Text(line),
        b'$' => {
            let text = String::from_utf8(bytes[*at..*at + count()].to_vec()).unwrap();
            *at += count() + 2;
            Reply::Text(text)
        }
        b'*' => Reply::List((0..count()).map(|_| read(bytes, at)).collect()),
        b'~' => {
            let mut items: Vec<_> = (0..count()).map(|_| read(bytes, at)).collect();
            items.sort();
            Reply::List(items)
        }
        b'%' => {
            let pairs = (0..count()).map(|_| (read(bytes, at), read(bytes, at)));
            Reply::Map(pairs.collect())
        }
        other => panic!("unexpected {}: {line}", char::from(other)),
    }
}

/// The aspects of one command: name of the aspect, and its value.
type Aspects = BTreeMap<&'static str, Reply>;

/// Collects what COMMAND INFO says, subcommands included, by full name.
fn collect_info(entry: &Reply, all: &mut BTreeMap<String, Aspects>) {
    let [name, arity, flags, first, last, step, acl, tips, keys, subcommands] = entry.list() else {
        panic!("COMMAND INFO: {entry:?}")
    };
    let aspects = all.entry(name.text().to_owned()).or_default();
    let range = Reply::List(vec![first.clone(), last.clone(), step.clone()]);
    aspects.insert("arity", arity.clone());
    aspects.insert("flags", flags.clone());
    aspects.insert("range", range);
    aspects.insert("acl", acl.clone());
    aspects.insert("tips", tips.clone());
    aspects.insert("keys", without(keys, &["notes"]));
    subcommands.list().iter().for_each(|sub| collect_info(sub, all));
}

/// Collects what COMMAND DOCS says. Summaries were rewritten after 7.0 and are not compared.
fn collect_docs(docs: &Reply, all: &mut BTreeMap<String, Aspects>) {
    let Reply::Map(docs) = docs else { panic!("COMMAND DOCS: {docs:?}") };
    for (name, entry) in docs {
        let aspects = all.entry(name.text().to_owned()).or_default();
        for aspect in ["since", "group", "complexity", "deprecated_since", "replaced_by"] {
            if let Some(value) = entry.get(aspect) {
                aspects.insert(aspect, value.clone());
            }
        }
        if let Some(arguments) = entry.get("arguments") {
            // Redis 8 has other names, and tells no history here.
            let left_out = ["name", "display_text", "since", "deprecated_since", "summary"];
            aspects.insert("arguments", without(arguments, &left_out));
        }
        if let Some(subcommands) = entry.get("subcommands") {
            collect_docs(subcommands, all);
        }
    }
}

/// A reply without some fields of its maps, at any depth.
fn without(reply: &Reply, fields: &[&str]) -> Reply {
    match reply {
        Reply::List(items) => Reply::List(items.iter().map(|i| without(i, fields)).collect()),
        Reply::Map(map) => {
            let kept = map.iter().filter(|(name, _)| !fields.contains(&name.text()));
            Reply::Map(kept.map(|(name, value)| (name.clone(), without(value, fields))).collect())
        }
        other => other.clone(),
    }
}

fn collect(mut call: impl FnMut(&[&[u8]]) -> Vec<u8>) -> BTreeMap<String, Aspects> {
    let mut all = BTreeMap::new();
    call(&[b"HELLO", b"3"]);
    let names: Vec<&[u8]> = commands().map(|command| command.name.as_bytes()).collect();
    let info = call(&[&[b"COMMAND" as &[u8], b"INFO"], names.as_slice()].concat());
    for entry in read(&info, &mut 0).list().iter().filter(|entry| **entry != Reply::Null) {
        collect_info(entry, &mut all);
    }
    let docs = call(&[&[b"COMMAND" as &[u8], b"DOCS"], names.as_slice()].concat());
    collect_docs(&read(&docs, &mut 0), &mut all);
    all
}

/// Whether the first version came after the second.
fn is_newer(version: &str, than: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        text.split('.').map(|number| number.parse().unwrap_or(0)).collect()
    };
    numbers(version) > numbers(than)
}

#[test]
fn the_table_is_what_redis_says_about_itself() {
    let Some(mut redis) = Redis::start() else { return };
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    let ours = collect(|argv| {
        let mut reply = Vec::new();
        engine.call(session, argv, &mut reply);
        reply
    });
    let theirs = collect(|argv| redis.call(argv));
    let info = String::from_utf8(redis.call(&[b"INFO", b"server"])).unwrap();
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap();

    let mut differences = Vec::new();
    let mut agreeing: Vec<_> = EXCEPTIONS.to_vec();
    for (name, aspects) in &ours {
        let Some(theirs) = theirs.get(name) else {
            let since = aspects.get("since").map(Reply::text).unwrap_or_default();
            if !is_newer(since, version) {
                differences.push(format!("{name}: redis-server has no such command"));
            }
            continue;
        };
        let every_aspect: std::collections::BTreeSet<_> =
            aspects.keys().chain(theirs.keys()).collect();
        for aspect in every_aspect {
            let (here, there) = (aspects.get(aspect), theirs.get(aspect));
            if here == there {
                continue;
            }
            agreeing.retain(|(n, a, _)| !(n == name && a == aspect));
            if !EXCEPTIONS.iter().any(|(n, a, _)| n == name && a == aspect) {
                differences.push(format!("{name} {aspect}:\n   here {here:?}\n  there {there:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(agreeing.is_empty(), "no exceptions any more: {agreeing:?}");
}
