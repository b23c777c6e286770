//! What is fed with inputs.
//!
//! A target runs one input, and panics if something holds no more that has to hold.

mod acl;
mod commands;
mod formats;
mod lua;
mod peer;
mod protocol;

use crate::generator::Dice;
use crate::memory;
use lodis::engine::meter::Meter;
use lodis::engine::rdb::file::{Expired, Purpose};
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};

/// When all of it happens.
pub const NOW_MS: i64 = 1_700_000_000_000;

/// Changes an input in place; the corpus is there to take parts from.
pub type Mutate = fn(&mut Dice, &[Vec<u8>], &mut Vec<u8>);

/// Something to be fed.
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
    /// Makes an input of another one.
    pub mutate: Mutate,
    /// What to begin with, besides the files of the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    commands::TARGET,
    protocol::RESP,
    protocol::MESSAGES,
    peer::TARGET,
    acl::TARGET,
    formats::RDB,
    formats::DUMP,
    formats::LOG,
    formats::RECORDS,
    lua::LUA,
    lua::LIBRARIES,
    lua::DATA,
];

/// An engine, and a session.
pub struct Here {
    /// The engine.
    pub engine: Engine,
    /// The session.
    pub session: SessionId,
}

impl Here {
    /// As it is for every input of a target.
    pub fn new() -> Self {
        Self::with(memory::METER)
    }

    /// As [`Here::new`], where the replies do not tell what memory is in use.
    pub fn without_memory() -> Self {
        Self::with(Meter { has_reserve: memory::METER.has_reserve, ..Meter::default() })
    }

    fn with(meter: Meter) -> Self {
        let mut engine =
            Engine::new(&Options { now_us: NOW_MS * 1000, seed: 1, meter, ..Options::default() });
        engine.config.proto_max_bulk_len = 32 << 20;
        engine.config.busy_reply_threshold = 2;
        let session = engine.connect();
        Self { engine, session }
    }

    /// Runs a command.
    pub fn call(&mut self, argv: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        self.engine.call(self.session, argv, &mut out);
        out
    }

    /// Runs a command given in one line.
    pub fn line(&mut self, line: &str) -> Vec<u8> {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.call(&argv)
    }

    /// What must hold whatever has happened.
    pub fn check(&mut self) {
        let other = self.engine.connect();
        let mut out = Vec::new();
        self.engine.call(other, &[b"PING"], &mut out);
        let is_full = out.starts_with(b"-OOM") || out.starts_with(b"-MISCONF");
        assert!(out == b"+PONG\r\n" || is_full, "PING: {}", out.escape_ascii());
        self.engine.disconnect(other);
        for db in self.engine.keyspace.iter() {
            let (mut expire, mut with_fields) = (0, 0);
            for (_, object) in db.keys().iter() {
                expire += usize::from(object.expires_at().is_some());
                with_fields += usize::from(object.value.next_field_expiry().is_some());
            }
            let counted = (db.keys().iter().count(), expire, with_fields);
            let told = (db.len(), db.volatile_len(), db.expiring_hashes_len());
            assert_eq!(told, counted, "keys, those that expire, those with fields that do");
        }
        self.check_file();
    }

    /// What there is becomes a file, and that the same again.
    fn check_file(&mut self) {
        assert!(self.engine.begin_snapshot(Purpose::Travel, &[]), "a snapshot is under way");
        while !self.engine.step_snapshot(1 << 20) {}
        let file = self.engine.take_snapshot();
        self.engine.end_snapshot();
        let mut copy = Self::new();
        copy.engine.set_time(self.engine.now_us());
        if let Err(error) = copy.engine.load_rdb(&file, Expired::Keep) {
            panic!("its own file is refused: {error}");
        }
        self.same_as(&copy.engine, "its own file");
    }

    /// Another engine holds the same.
    pub fn same_as(&self, copy: &Engine, what: &str) {
        if self.engine.digest() == copy.digest() {
            return;
        }
        for (index, (ours, theirs)) in
            self.engine.keyspace.iter().zip(copy.keyspace.iter()).enumerate()
        {
            for (key, object) in ours.keys().iter() {
                let same = theirs.get(key).is_some_and(|other| {
                    other.value.digest() == object.value.digest()
                        && other.expires_at() == object.expires_at()
                });
                assert!(
                    same,
                    "{what}: key {:?} of database {index} is another",
                    key.escape_ascii().to_string()
                );
            }
            assert_eq!(ours.len(), theirs.len(), "{what}: keys of database {index}");
        }
        panic!("{what}: the libraries are others");
    }
}

/// Numbers that an input stands for, for choices that are no part of it.
pub fn dice_of(input: &[u8]) -> Dice {
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Dice::new(hash)
}
