//! A copied value is what GET would answer, as long as its generation has not changed and its time
//! has not come, whatever runs in between.
//!
//! A failing run prints its seed: `LODIS_SEED=<seed> cargo test -p lodis --test generations`.

use generator::{Dice, Forms, Times, seeds, shown};
use lodis::engine::blocking::Unblock;
use lodis::engine::generations::{Copied, Generations};
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use std::collections::{BTreeMap, BTreeSet};

mod generator;

const ROUNDS: u64 = 60;
const COMMANDS: usize = 2000;
const DATABASES: usize = 3;
const START_US: i64 = 1_700_000_000_000_000;

struct Copy {
    reply: Vec<u8>,
    copied: Copied,
    generation: u32,
}

struct Host {
    engine: Engine,
    /// A session for every database.
    readers: Vec<SessionId>,
    copies: BTreeMap<(usize, Vec<u8>), Copy>,
    keys: BTreeSet<Vec<u8>>,
    used: usize,
}

impl Host {
    fn new() -> Self {
        let mut engine =
            Engine::new(&Options { now_us: START_US, databases: DATABASES, ..Options::default() });
        let readers = (0..DATABASES).map(|_| engine.connect()).collect::<Vec<_>>();
        for (db, id) in readers.iter().enumerate() {
            engine.call(*id, &[b"HELLO", b"3"], &mut Vec::new());
            engine.call(*id, &[b"SELECT", db.to_string().as_bytes()], &mut Vec::new());
        }
        Self { engine, readers, copies: BTreeMap::new(), keys: BTreeSet::new(), used: 0 }
    }

    fn get(&mut self, db: usize, key: &[u8]) -> Vec<u8> {
        let mut reply = Vec::new();
        self.engine.call(self.readers[db], &[b"GET", key], &mut reply);
        reply
    }

    fn generation(&mut self, db: usize, copied: Copied) -> u32 {
        let generations = self.engine.keyspace.db_mut(db).generations();
        generations.keep()[Generations::slot(copied.hash)]
    }

    /// Compares every copy that may still be used with what GET answers.
    fn compare(&mut self, after: &str) {
        for ((db, key), copy) in std::mem::take(&mut self.copies) {
            let is_over = copy.copied.expires_at.is_some_and(|at| at <= self.engine.now_ms());
            if is_over || self.generation(db, copy.copied) != copy.generation {
                continue;
            }
            let (reply, copied) = (self.get(db, &key), copy.reply.escape_ascii());
            assert_eq!(reply.escape_ascii().to_string(), copied.to_string(), "{after}");
            self.used += 1;
        }
    }

    fn copy(&mut self) {
        for key in self.keys.clone() {
            for db in 0..DATABASES {
                // The first time is not worth a copy.
                self.get(db, &key);
                self.engine.take_copied();
                let reply = self.get(db, &key);
                let Some(copied) = self.engine.take_copied() else {
                    assert!(!reply.starts_with(b"$"), "a value that is no copy");
                    continue;
                };
                let generation = self.generation(db, copied);
                self.copies.insert((db, key.clone()), Copy { reply, copied, generation });
            }
        }
    }
}

#[test]
fn a_copy_is_what_get_answers() {
    let forms = Forms::load(|_| true);
    let mut used = 0;
    for seed in seeds(ROUNDS, false) {
        let mut dice = Dice::new(seed);
        let mut host = Host::new();
        let session = host.engine.connect();
        for _ in 0..COMMANDS {
            if dice.one_in(8) {
                let later = host.engine.now_us() + dice.below(500_000) as i64;
                host.engine.set_time(later);
            }
            if dice.one_in(8) {
                host.engine.tick();
            }
            let now_ms = host.engine.now_ms();
            let (argv, _) = forms.command(&mut dice, Times::Near(now_ms));
            let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
            host.engine.call(session, &words, &mut Vec::new());
            host.engine.unblock(session, Unblock::Timeout);
            host.engine.sessions.take_messages_of(session);
            host.compare(&format!("{}\nLODIS_SEED={seed}", shown(&argv)));
            if host.keys.len() < 40 {
                host.keys.extend(argv.iter().skip(1).filter(|word| word.len() < 32).cloned());
            }
            host.copy();
        }
        used += host.used;
    }
    assert!(used > COMMANDS / 10, "{used} copies used only");
}

#[test]
fn only_a_whole_value_is_a_copy() {
    let mut host = Host::new();
    let mut copied = |line: &str| {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        host.engine.call(host.readers[0], &words, &mut Vec::new());
        host.engine.take_copied().is_some()
    };
    assert!(!copied("SET a 1"));
    assert!(!copied("GET a"), "read once");
    assert!(copied("GET a"));
    assert!(copied("GET a"));
    assert!(!copied("APPEND a 1"));
    assert!(!copied("GET a"), "changed in place");
    assert!(copied("GET a"));
    assert!(!copied("SET a 2"));
    assert!(!copied("GET a"), "set anew");
    assert!(copied("GET a"));
    assert!(!copied("GET b"), "nothing is there");
    assert!(!copied("GETRANGE a 0 -1"));
    assert!(!copied("MGET a"));
    assert!(!copied("GETEX a"));
    assert!(!copied("RPUSH l 1"));
    assert!(!copied("GET l"), "an error");
    assert!(!copied("MULTI"));
    assert!(!copied("GET a"), "queued");
}
