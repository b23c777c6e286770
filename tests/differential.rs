//! Random commands of the groups *string* and *generic*, run here and by a real redis-server: the
//! replies are the same. Skipped, saying so, where redis-server is not installed.

use lodis::engine::{Engine, Options};
use proptest::prelude::*;
use proptest::strategy::{Union, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use real_redis::Redis;

mod real_redis;

const COMMANDS: usize = 10_000;

/// Commands as words: `k` stands for a key, `v` a value, `i` an integer, `s` a span,
/// `t` a moment, `*` options.
const FORMS: &[&str] = &[
    "APPEND k v",
    "COPY k k *",
    "COPY k k DB i *",
    "DECR k",
    "DECRBY k i",
    "DEL k k",
    "EXISTS k k",
    "EXPIRE k s",
    "PEXPIRE k s",
    "EXPIREAT k t *",
    "EXPIRETIME k",
    "GET k",
    "GETDEL k",
    "GETEX k *",
    "GETEX k PXAT t",
    "GETRANGE k i i",
    "GETSET k v",
    "INCR k",
    "INCRBY k i",
    "INCRBYFLOAT k v",
    "INCRBYFLOAT k i",
    "LCS k k *",
    "LCS k k IDX MINMATCHLEN i WITHMATCHLEN",
    "MGET k k k",
    "MOVE k i",
    "MSET k v k v",
    "MSETNX k v k v",
    "PERSIST k",
    "PEXPIREAT k t *",
    "PEXPIRETIME k",
    "PSETEX k s v",
    "RENAME k k",
    "RENAMENX k k",
    "SET k v",
    "SET k v *",
    "SET k v EXAT t *",
    "SETEX k s v",
    "SETNX k v",
    "SETRANGE k i v",
    "STRLEN k",
    "SUBSTR k i i",
    "TOUCH k k",
    "TTL k",
    "TYPE k",
    "UNLINK k k",
    "KEYS p",
];
const VALUES: &[&str] = &[
    "",
    "\0",
    "abc",
    "hello world",
    "abcabcabc",
    "bcabcabca",
    "12",
    "-5",
    "007",
    "3.5",
    "1e3",
    "0x10",
    "9223372036854775807",
    "a value that is longer than what an embstr would hold",
];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "5",
    "-3",
    "10",
    "16",
    "100",
    "-100",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "x",
    "",
    " 1",
    "1.5",
    "+1",
    "-0",
    "600000000",
];
/// Spans that are over at once or in centuries.
const SPANS: &[&str] = &[
    "-1",
    "0",
    "33177117420",
    "9223372036854775",
    "9223372036854775807",
    "-9223372036854775808",
    "x",
];
/// Moments of long ago and in centuries.
const MOMENTS: &[&str] = &[
    "-1",
    "0",
    "1",
    "33177117420",
    "33177117420499",
    "33177117420500",
    "9223372036854775",
    "9223372036854775807",
    "-9223372036854775808",
    "x",
];
const OPTIONS: &[&str] = &[
    "NX",
    "XX",
    "GT",
    "LT",
    "GET",
    "KEEPTTL",
    "PERSIST",
    "REPLACE",
    "LEN",
    "IDX",
    "MINMATCHLEN",
    "WITHMATCHLEN",
    "nx",
    "EX",
    "DB",
    "0",
    "-1",
    "x",
];

fn one_of(words: &'static [&'static str]) -> BoxedStrategy<Vec<String>> {
    prop::sample::select(words).prop_map(|word| vec![word.to_owned()]).boxed()
}

fn part(part: &str) -> BoxedStrategy<Vec<String>> {
    match part {
        "k" => one_of(&["k1", "k2", "k3", ""]),
        "v" => one_of(VALUES),
        "i" => one_of(INTEGERS),
        "s" => one_of(SPANS),
        "t" => one_of(MOMENTS),
        "p" => "[k1-3*?\\[\\]\\\\^]{0,5}".prop_map(|pattern| vec![pattern]).boxed(),
        "*" => prop::collection::vec(prop::sample::select(OPTIONS), 0..4)
            .prop_map(|words| words.into_iter().map(str::to_owned).collect())
            .boxed(),
        word => Just(vec![word.to_owned()]).boxed(),
    }
}

fn command() -> impl Strategy<Value = Vec<String>> {
    Union::new(
        FORMS.iter().map(|form| {
            form.split(' ').map(part).collect::<Vec<_>>().prop_map(|parts| parts.concat())
        }),
    )
}

/// A moment that is none of the given ones.
fn is_from_span(reply: &str) -> bool {
    !reply.starts_with(":-")
        && !reply.starts_with(":33177117")
        && !reply.starts_with(":92233720368")
}

/// Keys come in any order, and what is left of a time depends on when it is asked.
fn comparable(name: &str, reply: Vec<u8>) -> String {
    let reply = String::from_utf8_lossy(&reply).into_owned();
    match name {
        "KEYS" => {
            let mut words: Vec<&str> = reply.split("\r\n").collect();
            words.sort_unstable();
            words.join(" ")
        }
        "TTL" if !reply.starts_with(":-") => "a span".to_owned(),
        "EXPIRETIME" | "PEXPIRETIME" if is_from_span(&reply) => "now and a span".to_owned(),
        _ => reply,
    }
}

#[test]
fn replies_are_those_of_redis() {
    let Some(mut redis) = Redis::start() else { return };
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let now_us = i64::try_from(now.as_micros()).unwrap();
    let mut engine = Engine::new(&Options { now_us, ..Options::default() });
    let session = engine.connect();
    let mut runner = TestRunner::new(Config::default());
    let commands = command();
    for _ in 0..COMMANDS {
        let words = commands.new_tree(&mut runner).unwrap().current();
        let argv: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        let mut actual = Vec::new();
        engine.call(session, &argv, &mut actual);
        let expected = redis.call(&argv);
        let [actual, expected] = [actual, expected].map(|reply| comparable(&words[0], reply));
        assert_eq!(actual, expected, "{words:?}");
    }
}
