//! Random commands of every type, run here and by a real redis-server: the replies are the same,
//! and so are the keyspaces and the keyspace events. Skipped, saying so, where redis-server is not installed.
//!
//! A run is rounds, each with a seed; a failing one prints it and the fewest commands that fail.
//! `LODIS_SEED=<seed> cargo test --test differential` runs that one alone, `LODIS_COMMANDS=<n>`
//! makes a longer run, of other commands each time.

use generator::form::{Form, parse_version};
use generator::spoil::spoil;
use generator::{Dice, Forms, Times, seeds, shown};
use lodis::engine::registry::Registry;
use lodis::engine::table::{Command, flag};
use pair::{Call, Pair, Unit, words};
use real_redis::Redis;
use reply::Compare;
use std::time::{Duration, Instant};

mod generator;
#[path = "differential/pair.rs"]
mod pair;
mod real_redis;
#[path = "differential/reply.rs"]
mod reply;

/// Commands of a run.
const COMMANDS: usize = 100_000;
/// Units of a round; each begins with empty keyspaces and its own configuration.
const ROUND: usize = 4000;
/// Units between two comparisons of the keyspaces.
const EVERY: usize = 150;
/// One command in so many is not as it should be.
const SPOILED: usize = 6;
/// Commands that are always as they should be: newer versions differ, or, of XAUTOCLAIM, machines.
const UNSPOILED: &[&str] =
    &["bitcount", "bitpos", "lpos", "sadd", "xautoclaim", "xgroup", "zrank", "zrevrank"];
/// How long a failing round may be made smaller.
const PATIENCE: Duration = Duration::from_secs(20);

/// Parameters that decide when a value changes its encoding, and what they may be in a round.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("list-max-listpack-size", &["-2", "2", "5", "-1"]),
    ("hash-max-listpack-entries", &["512", "3", "6"]),
    ("hash-max-listpack-value", &["64", "8"]),
    ("set-max-intset-entries", &["512", "3"]),
    ("zset-max-listpack-entries", &["128", "3", "6"]),
    ("zset-max-listpack-value", &["64", "8"]),
    ("stream-node-max-entries", &["100", "2", "3"]),
    // Strings of no more than a mebibyte.
    ("proto-max-bulk-len", &["1048576"]),
];

/// How a form's replies are compared.
fn compare(form: &Form) -> Compare {
    let Form { unordered, random, span, quiet, .. } = *form;
    Compare { unordered, random, span, quiet, ..Compare::default() }
}

/// What makes the commands of a round.
struct Source<'a> {
    forms: &'a Forms,
    registry: Registry,
    dice: Dice,
    /// Whether there are SORT commands: see [`Pair::run`].
    sorts: bool,
}

impl Source<'_> {
    fn unit(&mut self) -> Unit {
        if self.dice.one_in(100) {
            let skipped = Compare { skipped: true, ..Compare::default() };
            let line = self.dice.pick(&["HELLO 2", "HELLO 3"]);
            return vec![Call { argv: words(line), compare: skipped }];
        }
        let call = self.call();
        if !self.has(&call, flag::BLOCKING) && !self.dice.one_in(40) {
            return vec![call];
        }
        self.transaction(call)
    }

    /// A transaction that begins with this command. In one, no command waits.
    fn transaction(&mut self, first: Call) -> Unit {
        let plain = |line: &str| Call { argv: words(line), compare: Compare::default() };
        let mut unit = vec![first];
        for _ in 0..self.dice.below(4) {
            unit.push(self.call());
        }
        // What is not queued has no place in the reply of EXEC.
        unit.retain(|call| call.argv[0] != b"WATCH" && !self.has(call, flag::NO_MULTI));
        // After a random change nothing is comparable.
        let random = |call: &Call| call.compare.random && self.has(call, flag::WRITE);
        if let Some(index) = unit.iter().position(random) {
            unit.truncate(index + 1);
        }
        unit.insert(0, plain("MULTI"));
        if self.dice.one_in(10) {
            unit.push(plain("DISCARD"));
        } else {
            let mut exec = plain("EXEC");
            exec.compare.inner = unit[1..].iter().map(|call| call.compare.clone()).collect();
            unit.push(exec);
        }
        // What is queued answers that.
        let last = unit.len() - 1;
        for call in &mut unit[1..last] {
            call.compare.unordered = false;
            call.compare.span = false;
        }
        unit
    }

    fn call(&mut self) -> Call {
        loop {
            let (mut argv, form) = self.forms.command(&mut self.dice, Times::Far);
            // Ranges by lex are nobody knows what when scores differ.
            let is_lex = argv.iter().any(|word| word.starts_with(b"lex"));
            if self.dice.one_in(SPOILED) && self.is_spoilable(form) && !is_lex {
                spoil(&mut self.dice, &mut argv, form.name.len());
            }
            // A listpack knows no -0, a skiplist does; and scans tell the one's integers as such.
            let avoided = |word: &[u8]| {
                if self.sorts {
                    [b"-0".as_slice(), b"ZSCAN"].contains(&word)
                } else {
                    word.starts_with(b"SORT")
                }
            };
            if !argv.iter().any(|word| avoided(word)) {
                return Call { argv, compare: compare(form) };
            }
        }
    }

    /// Whether commands of this form answer the same with any words. What is random with fewer
    /// words, has its own order without some, or would answer for hours is left as it is.
    fn is_spoilable(&self, form: &Form) -> bool {
        let argv: Vec<&[u8]> = form.name.iter().map(String::as_bytes).collect();
        let name = form.name[0].as_str();
        // 7.0 takes timeouts beyond every range for negative ones.
        let is_fit = |command: &Command| !command.keys.is_empty() && !command.has(flag::BLOCKING);
        self.registry.resolve(&argv).is_some_and(is_fit)
            && !form.random
            && !name.ends_with("scan")
            && !name.starts_with("geo")
            && !UNSPOILED.contains(&name)
    }

    fn has(&self, call: &Call, flags: u32) -> bool {
        let argv: Vec<&[u8]> = call.argv.iter().map(Vec::as_slice).collect();
        self.registry.resolve(&argv).is_some_and(|command| command.has(flags))
    }
}

/// The fewest units found that still fail, and how.
fn smallest(
    redis: &Redis,
    parameters: &[(&str, &str)],
    mut units: Vec<Unit>,
) -> (Vec<Unit>, String) {
    let fails = |units: &[Unit]| Pair::new(redis, parameters).run(units, usize::MAX).err();
    let Some((_, mut error)) = fails(&units) else {
        return (units, "it did not fail again".to_owned());
    };
    let started = Instant::now();
    let mut size = units.len().div_ceil(2);
    while started.elapsed() < PATIENCE {
        let mut smaller = false;
        let mut start = 0;
        while start < units.len() && started.elapsed() < PATIENCE {
            let mut rest = units.clone();
            rest.drain(start..(start + size).min(units.len()));
            match fails(&rest) {
                Some((run, why)) => {
                    rest.truncate(run);
                    (units, error, smaller) = (rest, why, true);
                }
                None => start += size,
            }
        }
        match (size, smaller) {
            (1, false) => break,
            (1, true) => {}
            _ => size = size.div_ceil(2),
        }
    }
    (units, error)
}

fn version(redis: &mut Redis) -> (u32, u32) {
    let info = String::from_utf8(redis.call(&[b"INFO", b"server"])).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    line.and_then(parse_version).expect("a server tells its version")
}

#[test]
fn replies_and_keyspaces_are_those_of_redis() {
    let Some(mut redis) = Redis::start() else { return };
    let version = version(&mut redis);
    let forms = Forms::load(|form| !form.here && form.since.is_none_or(|since| since <= version));
    let asked = std::env::var("LODIS_COMMANDS").ok();
    let commands =
        asked.as_ref().map_or(COMMANDS, |text| text.parse().expect("LODIS_COMMANDS is a number"));
    for seed in seeds(commands.div_ceil(ROUND) as u64, asked.is_some()) {
        let mut dice = Dice::new(seed);
        let sorts = dice.one_in(2);
        let mut source = Source { forms: &forms, registry: Registry::new(), dice, sorts };
        let parameters: Vec<(&str, &str)> =
            PARAMETERS.iter().map(|(name, values)| (*name, source.dice.pick(values))).collect();
        let mut units: Vec<Unit> = (0..ROUND).map(|_| source.unit()).collect();
        let Err((run, error)) = Pair::new(&redis, &parameters).run(&units, EVERY) else { continue };
        units.truncate(run);
        let (units, again) = smallest(&redis, &parameters, units);
        let lines: Vec<String> =
            units.iter().flatten().map(|call| format!("  {}", shown(&call.argv))).collect();
        panic!(
            "{error}\nAgain: LODIS_SEED={seed} cargo test -p lodis --test differential\n\
             Smaller, with {parameters:?}:\n{}\n{again}",
            lines.join("\n"),
        );
    }
}
