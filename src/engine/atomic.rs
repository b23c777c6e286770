//! Units that a caller puts together command by command, and that are undone as a whole if need be:
//! `redis.atomic()`.
//!
//! Between [`Engine::begin_atomic`] and [`Engine::end_atomic`] a session's commands are part of one unit.
//! Time stands still, nothing is evicted, and nobody hears of anything: messages wait, and so do those
//! who watch keys, or wait for them. In the end all of it happens at once, or none of it has
//! ([`super::keyspace`] keeps the images of what has changed). What a script may call may be called, and
//! scripts; what concerns the session or the server may not, since that is not undone.
//!
//! Where another engine leads, the unit is a trial: it is run on the copy and always undone, and comes to
//! a command for the leader, which says what was looked at, by its digest, and what it would have
//! changed, as effects. The leader runs that ([`Engine::run_trial`]) if what was looked at is the same
//! there; if not, the caller has to try again. So nothing depends on chance, on time, or on the order in
//! which a set has its members: all that has been decided already.

use super::Engine;
use super::dict::Dict;
use super::effects::{Effects, Mark};
use super::error::Error;
use super::pubsub::Space;
use super::registry::Resolved;
use super::room::ask;
use super::session::SessionId;
use super::table::{Command, flag};
use crate::number::parse_integer;
use crate::resp::{Limits, Request, RequestParser, Writer};
use std::hash::{BuildHasher, Hasher};

/// The command that a trial comes to: the digest of what was looked at, the effects, and what was looked
/// at: `<database>:<key>`, or `<database>*` for all keys.
const TRIAL: &[u8] = b"LODIS.ATOMIC";
/// Parts of a value by which its size is estimated.
const SAMPLES: usize = 16;
/// What it costs to keep a key's name.
const KEY_BYTES: usize = 96;

const CONFLICT: Error = Error::fixed("ATOMIC conflict: what the callback has read has changed");
const BROKEN: Error = Error::fixed("ERR Protocol error: broken unit");

/// A unit that is being put together.
pub(super) struct Atomic {
    session: SessionId,
    /// How the session was.
    db: usize,
    denied_blocking: bool,
    has_room: bool,
    /// Whether the unit of the effects is this one's alone.
    holds: bool,
    mark: Mark,
    /// Counters as they were.
    counted: [u64; 3],
    messages: Vec<(Space, Vec<u8>, Vec<u8>)>,
    trial: Option<Trial>,
    /// It is what a trial came to.
    repeats: bool,
}

struct Trial {
    /// What belongs to the engine.
    effects: Effects,
    is_follower: bool,
    /// What was looked at.
    looked: Dict<()>,
}

/// The commands that there are in RESP, each as its words, if that is what there is.
pub(super) fn parse_commands(bytes: &[u8]) -> Option<Vec<Vec<&[u8]>>> {
    let limits = Limits { bulk_len: i32::MAX as usize, ..Limits::default() };
    let (mut parser, mut commands) = (RequestParser::new(limits), Vec::new());
    while parser.position() < bytes.len() {
        let Ok(Some(Request::Array(ranges))) = parser.next(bytes) else { return None };
        let words = ranges.into_iter().map(|range| bytes.get(range).unwrap_or_default());
        commands.push(words.collect());
    }
    Some(commands)
}

impl Engine {
    /// Begins a unit of a session; whether that is possible: there is none, and the session is not between
    /// MULTI and EXEC. A trial leaves everything as it is.
    pub fn begin_atomic(&mut self, id: SessionId, is_trial: bool) -> bool {
        let is_free = self.atomic.is_none()
            && self.sessions.get(id).is_some_and(|session| {
                session.queue.is_none() && session.blocked.is_none() && !session.closing
            });
        if is_free {
            let has_room = (is_trial || self.config.maxmemory.bytes == 0 || self.make_room())
                && (self.meter.has_reserve)();
            self.begin_unit(id, has_room, is_trial, false);
        }
        is_free
    }

    fn begin_unit(&mut self, id: SessionId, has_room: bool, is_trial: bool, repeats: bool) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let (db, denied_blocking) = (session.db, session.deny_blocking);
        session.deny_blocking = true;
        let holds = !self.effects.is_held();
        if holds {
            self.effects.hold();
        }
        for index in 0..self.keyspace.databases() {
            self.keyspace.db_mut(index).begin_images();
        }
        let trial = is_trial.then(|| {
            let mut effects = Effects::default();
            effects.set_enabled(true);
            effects.hold();
            Trial {
                effects: std::mem::replace(&mut self.effects, effects),
                is_follower: std::mem::take(&mut self.follower),
                looked: Dict::new(self.keyspace.db(0).keys().seed()),
            }
        });
        self.atomic = Some(Box::new(Atomic {
            session: id,
            db,
            denied_blocking,
            has_room,
            holds,
            mark: self.effects.mark(),
            counted: self.counted(),
            messages: Vec::new(),
            trial,
            repeats,
        }));
    }

    fn counted(&self) -> [u64; 3] {
        [self.stats.changes, self.stats.expired_keys, self.stats.expired_fields]
    }

    /// Ends the unit, which is undone unless it `is_kept`. A trial always is; if it would be kept, the
    /// answer is the words of what the leader is to run, or nothing if nothing would have changed.
    pub fn end_atomic(&mut self, is_kept: bool) -> Vec<Vec<u8>> {
        let effects = if self.is_trial() { self.effects.take_unit() } else { Vec::new() };
        let trial = self.end_unit(is_kept).flatten();
        self.serve_blocked();
        if self.tracking.is_some() {
            self.settle_tracking();
        }
        match trial {
            Some(trial) if is_kept && !effects.is_empty() => self.told(&trial, effects),
            _ => Vec::new(),
        }
    }

    /// What the leader is told of a trial.
    fn told(&self, trial: &Trial, effects: Vec<u8>) -> Vec<Vec<u8>> {
        let looked: Vec<Vec<u8>> = trial.looked.iter().map(|(look, ())| look.to_vec()).collect();
        let digest = looked.iter().fold(0u64, |sum, look| sum.wrapping_add(self.digest_of(look)));
        let mut words = vec![TRIAL.to_vec(), digest.to_le_bytes().to_vec(), effects];
        words.extend(looked);
        words
    }

    /// Whether there was a unit.
    fn end_unit(&mut self, is_kept: bool) -> Option<Option<Trial>> {
        let Atomic {
            session: id, db, denied_blocking, holds, mark, counted, messages, trial, ..
        } = *self.atomic.take()?;
        self.copied = None;
        if let Some(session) = self.sessions.get_mut(id) {
            (session.db, session.deny_blocking) = (db, denied_blocking);
        }
        if is_kept && trial.is_none() {
            self.keep_unit(id, messages);
        } else {
            self.undo_unit();
            self.effects.rewind(mark);
            [self.stats.changes, self.stats.expired_keys, self.stats.expired_fields] = counted;
        }
        let trial = trial.map(|mut trial| {
            std::mem::swap(&mut self.effects, &mut trial.effects);
            self.follower = trial.is_follower;
            trial
        });
        if holds {
            self.note_unit(true);
            self.effects.release();
        }
        Some(trial)
    }

    fn keep_unit(&mut self, id: SessionId, messages: Vec<(Space, Vec<u8>, Vec<u8>)>) {
        for index in 0..self.keyspace.databases() {
            let Some(mut images) = self.keyspace.db_mut(index).commit() else { continue };
            images.dismantle(usize::MAX, |object| self.lazyfree.add(object.value));
        }
        if self.tracking.is_some() {
            let by = self.sessions.get(id).and_then(|session| session.acts_for);
            self.invalidate(Some(by.unwrap_or(id)));
        }
        for (space, channel, message) in messages {
            self.publish(space, &channel, &message);
        }
    }

    fn undo_unit(&mut self) {
        for index in 0..self.keyspace.databases() {
            for object in self.keyspace.db_mut(index).roll_back() {
                self.lazyfree.add(object.value);
            }
        }
    }

    /// The digest of what was looked at.
    fn digest_of(&self, look: &[u8]) -> u64 {
        let at = look.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(look.len());
        let (db, key) = look.split_at(at);
        let db = parse_integer(db).and_then(|db| usize::try_from(db).ok());
        let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
        hasher.write(look);
        if let Some(db) = db.filter(|db| *db < self.keyspace.databases()) {
            let keys = self.keyspace.db(db).keys();
            let all = keys.iter().map(|(key, _)| self.digest_of_key(db, key));
            hasher.write_u64(match key.strip_prefix(b":") {
                Some(key) => self.digest_of_key(db, key),
                None => all.fold(0, u64::wrapping_add),
            });
        }
        hasher.finish()
    }

    fn digest_of_key(&self, db: usize, key: &[u8]) -> u64 {
        let Some(object) = self.keyspace.db(db).get(key) else { return 0 };
        if self.is_due(object) {
            return 0;
        }
        let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
        hasher.write(key);
        hasher.write_i64(object.expires_at().unwrap_or(-1));
        hasher.write_u64(object.value.digest());
        hasher.finish()
    }

    /// Runs what a trial came to, if that is what the words are; what else they are is wrong with
    /// `error`.
    #[cold]
    pub(super) fn run_trial(
        &mut self,
        id: SessionId,
        argv: &[&[u8]],
        error: Error,
    ) -> Result<(), Error> {
        let [TRIAL, digest, effects, looked @ ..] = argv else { return Err(error) };
        let session = self.sessions.get(id).filter(|session| session.queue.is_none());
        let Some(session) = session.filter(|_| self.atomic.is_none()) else { return Err(error) };
        // Who may not read a key is not to guess what it holds.
        if !session.is_free() {
            return Err(Error::fixed(
                "NOPERM where another tab leads, atomic() is for users who may do everything",
            ));
        }
        let (commands, digest) = (parse_commands(effects), (*digest).try_into());
        let (Some(commands), Ok(digest)) = (commands, digest) else { return Err(BROKEN) };
        let now = looked.iter().fold(0u64, |sum, look| sum.wrapping_add(self.digest_of(look)));
        if u64::from_le_bytes(digest) != now {
            return Err(CONFLICT);
        }
        let has_room =
            (self.config.maxmemory.bytes == 0 || self.make_room()) && (self.meter.has_reserve)();
        self.begin_unit(id, has_room, false, true);
        let mut reply = Vec::new();
        for words in commands {
            reply.clear();
            let command = words.first().and_then(|name| self.registry.get(name));
            self.call_real(id, command, &words, &mut reply);
            if let Some(text) = reply.strip_prefix(b"-") {
                let error = Error::new(text.strip_suffix(b"\r\n").unwrap_or(text));
                self.end_unit(false);
                return Err(error);
            }
        }
        self.end_unit(true);
        Ok(())
    }

    /// Whether the command cannot be part of the unit: `out` then says so.
    #[cold]
    pub(super) fn is_refused_in_unit(
        &mut self,
        id: SessionId,
        argv: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> bool {
        let is_other = self.atomic.as_ref().is_some_and(|atomic| atomic.session != id);
        let refused = match self.resolve(argv) {
            _ if is_other => Some(Error::fixed("ERR another unit is being put together")),
            Ok(resolved) if !may_be_in_unit(resolved) => {
                Some(Error::fixed("ERR Command not allowed inside a transaction"))
            }
            Ok(resolved) if !resolved.command.has(flag::READONLY) => self.ask_for_words(argv).err(),
            _ => None,
        };
        if let (Some(error), Some(session)) = (&refused, self.sessions.get(id)) {
            self.stats.count_error(error.code());
            Writer::new(out, session.protocol).error(error.as_bytes());
        }
        refused.is_some()
    }

    /// Before a command of the unit runs: notes what it looks at, and asks for what it takes to keep
    /// what it may change.
    #[cold]
    pub(super) fn before_in_atomic(
        &mut self,
        command: &Command,
        db: usize,
        argv: &[&[u8]],
    ) -> Result<(), Error> {
        if !(self.meter.has_reserve)() {
            return Err(Error::OUT_OF_MEMORY);
        }
        let positions = command.key_positions(argv).unwrap_or_default();
        if let Some(trial) = self.atomic.as_mut().and_then(|atomic| atomic.trial.as_mut()) {
            let mut look = |db: &[u8], mark: &[u8], key: &[u8]| {
                trial.looked.insert(&[db, mark, key].concat(), ());
            };
            let mut digits = itoa::Buffer::new();
            let here = digits.format(db).as_bytes();
            for (at, _) in &positions {
                look(here, b":", argv.get(*at).copied().unwrap_or_default());
            }
            let patterns = |word: &&[u8]| {
                word.eq_ignore_ascii_case(b"by") || word.eq_ignore_ascii_case(b"get")
            };
            match (command.name, argv) {
                ("keys" | "scan" | "randomkey" | "dbsize", _) => look(here, b"*", b""),
                ("sort" | "sort_ro", _) if argv.iter().any(patterns) => look(here, b"*", b""),
                ("move", [_, key, db]) => look(db, b":", key),
                ("copy", [_, _, key, options @ ..]) => {
                    let is_db = |word: &&[u8]| word.eq_ignore_ascii_case(b"db");
                    let at = options.iter().position(is_db).unwrap_or(options.len());
                    look(options.get(at + 1).unwrap_or(&here), b":", key);
                }
                _ => {}
            }
        }
        if !command.has(flag::WRITE) {
            return Ok(());
        }
        let bytes_of = |db: usize, key: &[u8]| self.keyspace.db(db).image_bytes(key, SAMPLES);
        let keys = positions.iter().filter_map(|(at, _)| argv.get(*at));
        let kept: usize = keys.map(|key| KEY_BYTES + bytes_of(db, key)).sum();
        let flushed: usize = match command.name {
            "flushdb" | "flushall" => self.keyspace.iter().map(|db| db.len() * KEY_BYTES * 2).sum(),
            _ => 0,
        };
        ask(kept + flushed)
    }

    /// Keeps a message until the unit ends; answers how many will get it. That of a trial is the
    /// leader's to send, who gets it is not known.
    #[cold]
    pub(super) fn hold_message(&mut self, space: Space, channel: &[u8], message: &[u8]) -> usize {
        let Some(atomic) = &mut self.atomic else { return 0 };
        if atomic.trial.is_some() {
            let name: &[u8] = if space == Space::Shard { b"SPUBLISH" } else { b"PUBLISH" };
            self.effects.append_record(&[name, channel, message]);
            return 0;
        }
        atomic.messages.push((space, channel.to_vec(), message.to_vec()));
        self.pubsub.receivers(space, channel)
    }

    /// Whether a unit is put together on a copy: who listens to events is told by the leader.
    pub(super) fn is_trial(&self) -> bool {
        self.atomic.as_ref().is_some_and(|atomic| atomic.trial.is_some())
    }

    /// Whether what is run has been decided before: it is the log's, or a trial's.
    pub(crate) fn is_repeating(&self) -> bool {
        self.loading || self.atomic.as_ref().is_some_and(|atomic| atomic.repeats)
    }

    /// Whether there was room when the unit began, if there is one.
    pub(super) fn room_of_unit(&self) -> Option<bool> {
        self.atomic.as_ref().map(|atomic| atomic.has_room)
    }
}

/// What a script may call, and scripts. A database that is exchanged for another one is not put back.
fn may_be_in_unit(resolved: Resolved) -> bool {
    let Resolved { command, container } = resolved;
    let is_script = container.is_none()
        && matches!(
            command.name,
            "eval" | "evalsha" | "eval_ro" | "evalsha_ro" | "fcall" | "fcall_ro"
        );
    let is_refused = command.has(flag::NOSCRIPT) || command.has(flag::NO_MULTI);
    is_script || !(is_refused || command.name == "swapdb")
}
