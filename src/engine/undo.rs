//! What a blocking pop hands to a tab that dies is put back.
//!
//! A job that BLPOP, BRPOP, BLMPOP, BZPOPMIN, BZPOPMAX or BZMPOP takes out for another tab is nowhere
//! but in the reply. As long as that is not acknowledged, its record ([`super::requests`]) says how to
//! put the job back, and when the tab is gone ([`Engine::forget_tab`]), this is done: the list is as
//! it was before, or the sorted set; with the time to live that it had, if it is not there any more.
//! Nothing that has happened since is overwritten: a member that was added again keeps
//! its new score, and where there is a value of another type now, nothing is put back.
//!
//! Who puts something back is subject to `maxmemory` as a client is: keys are evicted for it, and
//! where there is no room all the same, nothing is put back. The error that a client would get is
//! counted (`INFO errorstats`).
//!
//! What BLMOVE moves is not lost, since it is in another list; and who pops without blocking, or where
//! blocking is not allowed, is not concerned.
//!
//! Of each pop the record has a command in RESP: the database, when the key expired (Unix milliseconds,
//! or -1), the command that puts back what was taken out, the key, and that, as it was taken out.

use super::Engine;
use super::atomic::parse_commands;
use super::context::Ctx;
use super::error::Error;
use super::keyspace::Object;
use super::registry::Resolved;
use super::requests::RequestId;
use super::session::SessionId;
use crate::number::parse_integer;
use crate::resp::{Protocol, Writer};

/// When a key expires that does not.
const NEVER: i64 = -1;

type Words<'u> = Vec<&'u [u8]>;

/// What a record says of its pops, each as its words, if that is what it says.
pub(super) fn parse(undo: &[u8]) -> Option<Vec<Words<'_>>> {
    let pops = parse_commands(undo)?;
    for words in &pops {
        let [db, expires_at, name, _, _, ..] = words.as_slice() else { return None };
        let are_numbers = parse_integer(db).is_some() && parse_integer(expires_at).is_some();
        if !are_numbers || !matches!(*name, b"LPUSH" | b"RPUSH" | b"ZADD") {
            return None;
        }
    }
    Some(pops)
}

/// What a command takes out.
pub struct Taken {
    /// Whether it is to be put back; not without memory to remember it.
    is_wanted: bool,
    expires_at: i64,
    count: usize,
    /// In RESP.
    words: Vec<u8>,
}

impl Taken {
    /// Whether [`Taken::add`] does something.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Adds a word of what is taken out.
    #[inline]
    pub fn add(&mut self, word: &[u8]) {
        if self.is_wanted {
            self.append(word);
        }
    }

    #[inline(never)]
    fn append(&mut self, word: &[u8]) {
        let mut out = Writer::new(&mut self.words, Protocol::Resp2);
        out.bulk(word);
        self.is_wanted = !out.take_torn();
        self.count += 1;
    }
}

impl Ctx<'_> {
    /// The command is about to take something out of `key`. It is remembered only if it goes to a tab
    /// that may be gone before it has it.
    pub fn begin_undo(&self, key: &[u8]) -> Taken {
        let is_wanted = self.is_undoable;
        let object = self.engine.keyspace.db(self.db_index()).get(key).filter(|_| is_wanted);
        let expires_at = object.and_then(Object::expires_at).unwrap_or(NEVER);
        Taken { is_wanted, expires_at, count: 0, words: Vec::new() }
    }

    /// It has been taken out, and the command puts it back.
    pub fn note_undo(&mut self, command: &[u8], key: &[u8], taken: &Taken) {
        let db = self.db_index();
        let Some(undo) = self.engine.requests.running_undo().filter(|_| taken.is_wanted) else {
            return;
        };
        let len = undo.len();
        let mut out = Writer::new(undo, Protocol::Resp2);
        out.array(4 + taken.count);
        out.bulk_integer(db as i64);
        out.bulk_integer(taken.expires_at);
        out.bulk(command);
        out.bulk(key);
        out.raw(&taken.words);
        if out.take_torn() {
            out.truncate(len);
        }
    }
}

impl Engine {
    /// Whose part is being run from now on, if it is one of a request; answers whose it was.
    pub(super) fn run_for(&mut self, request: Option<RequestId>) -> Option<RequestId> {
        std::mem::replace(&mut self.requests.running, request)
    }

    /// Puts back what requests have taken out, the latest first, and lets those get on that wait for it.
    pub(super) fn put_back<'u>(&mut self, undos: impl DoubleEndedIterator<Item = &'u [u8]>) {
        let session = self.sessions.open(self.now_ms());
        for undo in undos.rev() {
            for words in parse(undo).unwrap_or_default().iter().rev() {
                self.put_back_one(session, words);
            }
        }
        self.sessions.close(session);
        self.serve_blocked();
    }

    fn put_back_one(&mut self, session: SessionId, words: &[&[u8]]) -> Option<()> {
        let [db, expires_at, name, key, taken @ ..] = words else { return None };
        let db = usize::try_from(parse_integer(db)?).ok()?;
        if db >= self.keyspace.databases() {
            return None;
        }
        let mut argv = vec![*name, key];
        // What has come in since is not overwritten.
        argv.extend((*name == b"ZADD").then_some(b"NX".as_slice()));
        argv.extend(taken.iter().rev());
        let has_room = self.config.maxmemory.bytes == 0 || self.make_room();
        if !has_room || !(self.meter.has_reserve)() || self.ask_for_words(&argv).is_err() {
            self.stats.count_error(Error::OUT_OF_MEMORY.code());
            return None;
        }
        self.sessions.get_mut(session)?.db = db;
        self.expire_if_due(db, key);
        let was_there = self.keyspace.db(db).get(key).is_some();
        self.run_silently(session, &argv)?;
        if !was_there && parse_integer(expires_at) != Some(NEVER) {
            self.run_silently(session, &[b"PEXPIREAT", key, expires_at])?;
        }
        Some(())
    }

    fn run_silently(&mut self, session: SessionId, argv: &[&[u8]]) -> Option<()> {
        let command = self.registry.get(argv.first()?)?;
        let mut reply = Vec::new();
        let mut out = Writer::new(&mut reply, Protocol::Resp2);
        self.run_or_park(session, Resolved { command, container: None }, argv, None, &mut out);
        Some(())
    }
}
