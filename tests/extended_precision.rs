//! INCRBYFLOAT computes in extended precision: thousands of random sums, compared with a real
//! redis-server. Skipped, saying so, where none is installed, or a `long double` is something else.

use lodis::engine::{Engine, Options};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use real_redis::Redis;

mod real_redis;

const CASES: usize = 6_000;

/// Numbers of every kind: everyday ones, those with ties, huge, tiny, long, hexadecimal, broken.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?[0-9]{1,6}(\\.[0-9]{1,6})?",
        4 => any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| format!("{x:e}")),
        2 => any::<f64>().prop_map(|x| x.to_string()),
        2 => any::<i64>().prop_map(|x| x.to_string()),
        2 => any::<u64>().prop_map(|x| x.to_string()),
        2 => "[-+]?[0-9]{1,30}\\.[0-9]{0,40}",
        2 => "-?[1-9]\\.[0-9]{0,25}e-?[0-9]{1,2}",
        2 => "-?[1-9]\\.[0-9]{0,25}[eE][-+]?(49[0-9]{2}|[0-9]{3,4})",
        1 => "-?0x[0-9a-fA-F]{1,20}(\\.[0-9a-f]{0,20})?([pP]-?[0-9]{1,4})?",
        // Halfway between two of the type: 2^64 + an odd number of halves of its last place.
        1 => any::<u64>().prop_map(|x| format!("0x1{:016x}.8", x)),
        1 => any::<u32>().prop_map(|x| format!("0.{x:010}5")),
        1 => "0?\\.0{10,18}[1-9][0-9]{0,3}5?",
        1 => "[-+0-9.eExXpPinfa ]{0,6}",
    ]
}

#[test]
fn sums_are_those_of_redis() {
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("skipped: a long double has 80 bits on x86-64 only");
        return;
    }
    let Some(mut redis) = Redis::start() else { return };
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..CASES {
        let mut draw = || number().new_tree(&mut runner).unwrap().current();
        let (a, b) = (draw(), draw());
        let set: [&[u8]; 3] = [b"SET", b"k", a.as_bytes()];
        let increment: [&[u8]; 3] = [b"INCRBYFLOAT", b"k", b.as_bytes()];
        redis.call(&set);
        let expected = redis.call(&increment);
        let mut actual = Vec::new();
        engine.call(session, &set, &mut Vec::new());
        engine.call(session, &increment, &mut actual);
        let [actual, expected] = [actual, expected].map(|reply| String::from_utf8(reply).unwrap());
        assert_eq!(actual, expected, "{a:?} + {b:?}");
    }
}
