//! Keyspaces and the files they are written to.

// Every test binary that includes this uses its own part of it.
#![allow(dead_code)]

use crate::generator::{Dice, Forms, Times};
use lodis::engine::blocking::Unblock;
use lodis::engine::rdb::file::{
    Expired, LoadError, Loaded, Loader, Progress, Purpose, Usage, ValueCursor, Writer,
};
use lodis::engine::registry::Registry;
use lodis::engine::session::SessionId;
use lodis::engine::table::flag;
use lodis::engine::{Engine, Options};
use std::borrow::Cow;
use std::sync::LazyLock;

/// When all of it happens.
pub const NOW_MS: i64 = 1_700_000_000_000;

/// Parameters that decide when a value changes its encoding, and what they may be.
pub const PARAMETERS: &[(&str, &[&str])] = &[
    ("list-max-listpack-size", &["-2", "2", "5", "-1"]),
    ("hash-max-listpack-entries", &["512", "3", "6"]),
    ("hash-max-listpack-value", &["64", "8"]),
    ("set-max-intset-entries", &["512", "3"]),
    ("set-max-listpack-entries", &["128", "3"]),
    ("zset-max-listpack-entries", &["128", "3", "6"]),
    ("zset-max-listpack-value", &["64", "8"]),
    ("stream-node-max-entries", &["100", "2", "3"]),
];

pub static FORMS: LazyLock<Forms> = LazyLock::new(|| Forms::load(|_| true));
pub static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// Whether commands like this one fill a keyspace: they have keys, and do not wait. `SELECT` is one
/// of them, so that there is more than one database.
pub fn fills(argv: &[Vec<u8>]) -> bool {
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    REGISTRY.resolve(&argv).is_some_and(|command| {
        let has_keys = !command.keys.is_empty() && !command.has(flag::BLOCKING);
        command.name == "select" || has_keys
    })
}

/// An engine with a session.
pub struct Here {
    pub engine: Engine,
    pub session: SessionId,
}

impl Here {
    pub fn new(seed: u64) -> Self {
        Self::at(seed, NOW_MS)
    }

    pub fn at(seed: u64, now_ms: i64) -> Self {
        let options = Options { now_us: now_ms * 1000, seed, ..Options::default() };
        let mut engine = Engine::new(&options);
        let session = engine.connect();
        Self { engine, session }
    }

    pub fn call(&mut self, argv: &[&[u8]]) -> Vec<u8> {
        let mut reply = Vec::new();
        self.engine.call(self.session, argv, &mut reply);
        reply
    }

    pub fn run(&mut self, line: &str) -> String {
        self.run_as(self.session, line)
    }

    pub fn run_as(&mut self, session: SessionId, line: &str) -> String {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        self.engine.call(session, &argv, &mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// Runs so many random commands of the forms whose name `wanted` accepts.
    pub fn populate(&mut self, dice: &mut Dice, commands: usize, wanted: impl Fn(&str) -> bool) {
        self.populate_at(Times::Near(NOW_MS), dice, commands, wanted);
    }

    /// As [`Here::populate`], with such times.
    pub fn populate_at(
        &mut self,
        times: Times,
        dice: &mut Dice,
        commands: usize,
        wanted: impl Fn(&str) -> bool,
    ) {
        for (name, values) in PARAMETERS {
            let value = dice.pick(values);
            assert_eq!(self.run(&format!("CONFIG SET {name} {value}")), "+OK\r\n");
        }
        let mut left = commands;
        while left > 0 {
            let (argv, form) = FORMS.command(dice, times);
            if fills(&argv) && wanted(&form.name[0]) {
                let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
                self.call(&argv);
                self.engine.unblock(self.session, Unblock::Timeout);
                self.engine.sessions.take_messages_of(self.session);
                left -= 1;
            }
        }
    }

    /// Database and name of every key.
    pub fn keys(&self) -> Vec<(usize, Vec<u8>)> {
        let dbs = self.engine.keyspace.iter().enumerate();
        let mut keys: Vec<_> = dbs
            .flat_map(|(db, keys)| keys.keys().iter().map(move |(key, _)| (db, key.to_vec())))
            .collect();
        keys.sort();
        keys
    }

    /// For each database, how many keys it has, how many that expire, and with fields that do.
    pub fn lens(&self) -> Vec<[usize; 3]> {
        let lens = |db: &lodis::engine::keyspace::Db| {
            [db.len(), db.volatile_len(), db.expiring_hashes_len()]
        };
        self.engine.keyspace.iter().map(lens).collect()
    }
}

/// The keyspace as a file, written in slices.
pub fn save(engine: &Engine, purpose: Purpose, budget: usize) -> Vec<u8> {
    save_all(engine, purpose, budget, &mut |_| {})
}

/// As [`save`]; `each` is told how many bytes every slice of a value has.
pub fn save_all(
    engine: &Engine,
    purpose: Purpose,
    budget: usize,
    each: &mut dyn FnMut(usize),
) -> Vec<u8> {
    let aux = [("redis-ver", lodis::engine::REDIS_VERSION), ("redis-bits", "64")];
    let mut writer = Writer::new(purpose, engine.keyspace.fields_expire(), &aux);
    let mut file = writer.take();
    let now_s = (engine.now_ms() / 1000) as u32;
    for (index, db) in engine.keyspace.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        writer.select(index, db.len(), db.volatile_len());
        for (key, object) in db.keys().iter() {
            let usage = match object.idle_s(now_s) {
                0 => Usage::Untold,
                idle_s => Usage::Idle(idle_s.into()),
            };
            writer.begin_key(key, &object.value, object.expires_at(), usage);
            let mut cursor = ValueCursor::default();
            let mut is_whole = false;
            // A cursor goes on with a clone as well: a value that changes is kept as one.
            let mut value = Cow::Borrowed(&object.value);
            while !is_whole {
                file.append(&mut writer.take());
                let before = writer.spent();
                is_whole = writer.value(&value, &mut cursor, budget);
                each(writer.len());
                assert!(is_whole || writer.spent() > before, "what costs nothing has no end");
                if !is_whole && value.parts() < 1000 {
                    value = Cow::Owned((*value).clone());
                }
            }
        }
    }
    writer.finish();
    file.append(&mut writer.take());
    assert!(writer.is_empty());
    file
}

/// Loads a file: pushed and read in pieces that the dice decide, or at once.
pub fn load(
    engine: &mut Engine,
    file: &[u8],
    dice: Option<&mut Dice>,
    expired: Expired,
) -> Result<Loaded, LoadError> {
    let Some(dice) = dice else { return engine.load_rdb(file, expired) };
    let mut loader = Loader::new(engine, expired);
    let mut left = file;
    let most = dice.pick(&[3, 100, 10_000, 1_000_000]);
    loop {
        match loader.step(1 + dice.below(most)) {
            Ok(Progress::Done) => {
                // What is not pushed any more belongs to what follows.
                loader.push(left);
                return loader.finish(engine);
            }
            Ok(Progress::Working) if !dice.one_in(20) => {}
            Ok(Progress::Hungry) if left.is_empty() => return loader.finish(engine),
            Ok(_) => {
                let (now, later) = left.split_at(left.len().min(1 + dice.below(most)));
                loader.push(now);
                left = later;
            }
            Err(error) => {
                loader.discard(engine);
                return Err(error);
            }
        }
    }
}
