//! Blocked sessions: BLPOP and its kin.
//!
//! A blocking handler that finds nothing ends with [`Ctx::block`]: the session is parked with its
//! command, and waits for changes of keys. When one of them has changed and holds what the command
//! wants, the same command runs again, after the command (or whole transaction) that changed it;
//! who came first is served first. The reply goes to the session's outbox.

use super::Engine;
use super::context::Ctx;
use super::error::Error;
use super::key::Key;
use super::requests::RequestId;
use super::session::SessionId;
use super::types::Value;
use crate::collections::SortedKeys;
use crate::number::{Extended, parse_integer};
use crate::resp::Writer;

/// What a blocked command waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockOn {
    /// A list at one of the keys.
    List,
    /// A sorted set at one of the keys.
    SortedSet,
    /// A stream at one of the keys.
    Stream,
    /// Any change of a key: a stream with entries, or the end of the stream or its group.
    StreamGroup,
    /// The effect stream being durable up to a byte offset (`WAITAOF`).
    Durable(u64),
    /// A base, or an RDB file, having been written so often (`SAVE`).
    Saved(u64),
    /// The configuration file having been written so often (`CONFIG REWRITE`).
    Rewritten(u64),
    /// The end of a pause (`CLIENT PAUSE`).
    Paused,
    /// Nothing but the timeout (`WAIT` for replicas that nobody has).
    Timeout,
}

impl BlockOn {
    /// Whether the command may get on, now that a key holds `value`.
    fn wants(self, value: Option<&Value>) -> bool {
        match self {
            Self::List => matches!(value, Some(Value::List(_))),
            Self::SortedSet => matches!(value, Some(Value::SortedSet(_))),
            Self::Stream => matches!(value, Some(Value::Stream(_))),
            Self::StreamGroup => true,
            Self::Durable(_)
            | Self::Saved(_)
            | Self::Rewritten(_)
            | Self::Paused
            | Self::Timeout => false,
        }
    }
}

/// The reply when time has run out, or when blocking is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// Where a string was asked for.
    Null,
    /// Where an array was asked for.
    NullArray,
    /// Where a string was asked for, but as a null array when time has run out: so does Redis
    /// answer BLMOVE.
    Element,
    /// How many replicas have acknowledged: none.
    Replicas,
    /// Whether the log here, and how many replicas, have stored up to a byte offset.
    Stored(u64),
    /// That it is over.
    Ok,
    /// That nothing could wait for a base to be written.
    Unsaved,
    /// That nothing could wait for the configuration file to be written.
    Unwritten,
}

/// How long a command may block: when it gives up, in Unix milliseconds, or `None` for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Option<i64>);

impl Timeout {
    /// Reads seconds, which may have a fraction; 0 is for ever.
    ///
    /// # Errors
    /// Redis's own when it is no number, negative, or too large.
    pub fn seconds(word: &[u8], now_ms: i64) -> Result<Self, Error> {
        let error = Error::fixed("ERR timeout is not a float or out of range");
        let parsed = Extended::parse(word).ok_or(error)?;
        let ms = parsed.thousandfold_ceiled().ok_or(OUT_OF_RANGE)?;
        Self::after(ms, now_ms)
    }

    /// Reads milliseconds; 0 is for ever.
    ///
    /// # Errors
    /// Redis's own when it is no integer, negative, or too large.
    pub fn milliseconds(word: &[u8], now_ms: i64) -> Result<Self, Error> {
        let error = Error::fixed("ERR timeout is not an integer or out of range");
        Self::after(parse_integer(word).ok_or(error)?, now_ms)
    }

    fn after(ms: i64, now_ms: i64) -> Result<Self, Error> {
        if ms < 0 {
            return Err(Error::fixed("ERR timeout is negative"));
        }
        let at = now_ms.checked_add(ms).ok_or(OUT_OF_RANGE)?;
        Ok(Self((ms > 0).then_some(at)))
    }
}

const OUT_OF_RANGE: Error = Error::fixed("ERR timeout is out of range");

/// What a handler asks for with [`Ctx::block`].
pub(super) struct Parked {
    keys: Vec<Key>,
    on: BlockOn,
    timeout: Timeout,
    nothing: Nothing,
    /// What to run again, if not the words as they were given.
    argv: Option<Vec<Box<[u8]>>>,
    /// When to run it again even if nothing changes: Unix milliseconds.
    again: Option<i64>,
}

/// A session's blocked command.
#[derive(Debug)]
pub struct Blocked {
    /// The database in which it waits.
    pub db: usize,
    /// The keys it waits for.
    pub keys: Vec<Key>,
    /// What it waits for.
    pub on: BlockOn,
    /// When it gives up: Unix milliseconds.
    pub deadline: Option<i64>,
    /// When it is run again, whatever happens: Unix milliseconds.
    again: Option<i64>,
    nothing: Nothing,
    argv: Vec<Box<[u8]>>,
    /// Its reply is not sent (CLIENT REPLY).
    pub(super) muted: bool,
    /// The request of another tab that it is a part of.
    pub(super) request: Option<RequestId>,
}

/// All blocked sessions.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    sessions: SortedKeys<SessionId>,
    alarms: SortedKeys<(i64, SessionId)>,
}

impl Parked {
    /// Until a pause is over.
    pub(super) fn paused() -> Self {
        let (on, timeout, nothing) = (BlockOn::Paused, Timeout(None), Nothing::Null);
        Self { keys: Vec::new(), on, timeout, nothing, argv: None, again: None }
    }
}

impl Blocked {
    /// The words of the command.
    pub(super) fn words(&self) -> Vec<&[u8]> {
        self.argv.iter().map(|word| &**word).collect()
    }

    /// What of its reply is sent.
    pub(super) fn heard<'r>(&self, reply: &'r [u8]) -> &'r [u8] {
        if self.muted { &[] } else { reply }
    }

    /// When something is to be done for it.
    fn alarm(&self) -> Option<i64> {
        self.deadline.into_iter().chain(self.again).min()
    }
}

/// Why a blocked command ends without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblock {
    /// As if its time had run out.
    Timeout,
    /// With an error, as `CLIENT UNBLOCK … ERROR` asks for.
    Error,
}

impl Ctx<'_> {
    /// The byte offset that `WAITAOF` waited for before it was run again.
    pub fn durable_goal(&self) -> Option<u64> {
        match self.resumed? {
            BlockOn::Durable(offset) => Some(offset),
            _ => None,
        }
    }

    /// For how many bases or files the command has waited, if it has.
    pub fn saves_goal(&self) -> Option<u64> {
        match self.resumed? {
            BlockOn::Saved(goal) | BlockOn::Rewritten(goal) => Some(goal),
            _ => None,
        }
    }

    /// Whether the session may wait at all.
    pub fn may_block(&mut self) -> bool {
        let session = self.session();
        !(session.executing || session.deny_blocking || self.engine.is_loading())
    }

    /// Parks the session until one of `keys` changes and holds what `on` says; the command then
    /// runs again from the beginning. Where blocking is not allowed, as in a transaction, it answers
    /// `nothing` at once.
    ///
    /// The last thing a handler does, when it has changed and written nothing.
    pub fn block(
        &mut self,
        keys: &[&[u8]],
        on: BlockOn,
        timeout: Timeout,
        nothing: Nothing,
        out: &mut Writer<'_>,
    ) -> Result<(), Error> {
        if !self.may_block() {
            self.engine.write_nothing(nothing, out);
            return Ok(());
        }
        let mut unique: Vec<Key> = Vec::with_capacity(keys.len());
        for key in keys {
            if !unique.iter().any(|known| **known == **key) {
                unique.push((*key).into());
            }
        }
        let parked = Parked { keys: unique, on, timeout, nothing, argv: None, again: None };
        self.parked = Some(Box::new(parked));
        Ok(())
    }

    /// Has `argv` run again in place of the words as they were given, after [`Ctx::block`].
    pub fn resume_with(&mut self, argv: Vec<Box<[u8]>>) {
        if let Some(parked) = &mut self.parked {
            parked.argv = Some(argv);
        }
    }

    /// Has it run again at this moment even if nothing changes, after [`Ctx::block`].
    pub fn resume_at(&mut self, at_ms: Option<i64>) {
        if let Some(parked) = &mut self.parked {
            parked.again = at_ms;
        }
    }
}

impl Engine {
    /// How many sessions are blocked.
    pub fn blocked_len(&self) -> usize {
        self.waiting.sessions.len()
    }

    /// How many of them are to be looked at at some time.
    pub(super) fn alarms_len(&self) -> usize {
        self.waiting.alarms.len()
    }

    /// The blocked sessions.
    pub(super) fn blocked(&self) -> impl Iterator<Item = SessionId> {
        self.waiting.sessions.keys().copied()
    }

    /// When the first blocked session gives up, or tries again.
    pub(super) fn next_timeout(&self) -> Option<i64> {
        self.waiting.alarms.first().map(|((at, _), ())| *at)
    }

    /// Parks a session whose handler has asked for it.
    pub(super) fn park(&mut self, id: SessionId, parked: Parked, argv: &[&[u8]]) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Parked { keys, on, timeout, nothing, argv: resumed, again } = parked;
        let db = session.db;
        for key in &keys {
            self.keyspace.db_mut(db).wait(key, id);
        }
        self.waiting.sessions.insert(id, ());
        let blocked = session.blocked.insert(Box::new(Blocked {
            db,
            keys,
            on,
            deadline: timeout.0,
            again,
            nothing,
            argv: resumed.unwrap_or_else(|| argv.iter().map(|word| Box::from(*word)).collect()),
            muted: false,
            request: None,
        }));
        if let Some(at) = blocked.alarm() {
            self.waiting.alarms.insert((at, id), ());
        }
    }

    /// Takes a session out of the waiting ones; answers what it waited with.
    pub(super) fn unpark(&mut self, id: SessionId) -> Option<Box<Blocked>> {
        let blocked = self.sessions.get_mut(id)?.blocked.take()?;
        for key in &blocked.keys {
            self.keyspace.db_mut(blocked.db).unwait(key, id);
        }
        self.waiting.sessions.remove(&id);
        if let Some(at) = blocked.alarm() {
            self.waiting.alarms.remove(&(at, id));
        }
        Some(blocked)
    }

    /// Ends a session's blocked command without what it waited for; whether it was blocked. One that is
    /// postponed cannot be ended.
    pub fn unblock(&mut self, id: SessionId, why: Unblock) -> bool {
        let blocked = self.sessions.get(id).and_then(|session| session.blocked.as_ref());
        if blocked.is_some_and(|blocked| blocked.on == BlockOn::Paused) {
            return false;
        }
        let Some(blocked) = self.unpark(id) else { return false };
        self.count_unblocked(&blocked, why);
        let Some(session) = self.sessions.get(id) else { return true };
        let mut reply = Vec::new();
        let mut out = Writer::new(&mut reply, session.protocol);
        match why {
            Unblock::Timeout if blocked.nothing == Nothing::Element => out.null_array(),
            Unblock::Timeout => self.write_nothing(blocked.nothing, &mut out),
            Unblock::Error => {
                out.error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK");
            }
        }
        if let Some(request) = blocked.request {
            self.note_part(request, blocked.heard(&reply), 1);
        }
        self.deliver_reply(id, &blocked, &reply);
        true
    }

    /// Counts a call that has come to nothing.
    fn count_unblocked(&mut self, blocked: &Blocked, why: Unblock) {
        let argv = blocked.words();
        let Some(command) = self.registry.resolve(&argv) else { return };
        self.calls.count(command);
        if why == Unblock::Error {
            self.stats.count_error(b"UNBLOCKED");
            self.calls.count_failed(command);
        }
    }

    /// Lets blocked sessions get on for which something has changed. Called when a command, or a
    /// whole transaction, is done.
    pub(super) fn serve_blocked(&mut self) {
        if self.waiting.sessions.is_empty() || self.loading {
            return;
        }
        while let Some((db, key, waiters)) = self.keyspace.next_ready() {
            for id in waiters {
                if self.may_serve(id, db, &key) {
                    self.serve(id);
                }
            }
        }
    }

    /// Lets those get on that wait for the log, which is now stored further than it was, or for a base.
    pub fn serve_durable(&mut self) {
        let (durable, saves) = (self.persistence.durable_offset, self.saves());
        let rewritten = self.host.file().map_or(0, |file| file.done);
        let waiting: Vec<SessionId> = self.blocked().collect();
        for id in waiting {
            let blocked = self.sessions.get(id).and_then(|session| session.blocked.as_ref());
            let is_over = blocked.is_some_and(|blocked| match blocked.on {
                BlockOn::Durable(offset) => offset <= durable,
                BlockOn::Saved(goal) => goal <= saves,
                BlockOn::Rewritten(goal) => goal <= rewritten,
                _ => false,
            });
            if is_over {
                self.serve(id);
            }
        }
    }

    /// Ends the blocked commands whose time has run out.
    pub(super) fn time_out_blocked(&mut self) {
        let now = self.now_ms();
        while let Some((at, id)) = self.waiting.alarms.first().map(|(alarm, ())| *alarm) {
            if at > now {
                return;
            }
            let blocked = self.sessions.get(id).and_then(|session| session.blocked.as_ref());
            if blocked.is_some_and(|blocked| blocked.deadline.is_none_or(|at| at > now)) {
                self.serve(id);
            } else {
                self.unblock(id, Unblock::Timeout);
            }
        }
    }

    fn may_serve(&self, id: SessionId, db: usize, key: &[u8]) -> bool {
        let Some(session) = self.sessions.get(id) else { return false };
        let Some(blocked) = &session.blocked else { return false };
        let object = self.keyspace.db(db).get(key).filter(|object| !self.is_due(object));
        blocked.on.wants(object.map(|object| &object.value))
    }

    /// Runs a blocked command again; the session stays where it is if that finds nothing.
    fn serve(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(blocked) = session.blocked.take() else { return };
        let selected = std::mem::replace(&mut session.db, blocked.db);
        let protocol = session.protocol;
        let argv = blocked.words();
        let mut reply = Vec::new();
        self.effects.begin_unit();
        let before = self.begin_part();
        let outer = self.run_for(blocked.request);
        let parked = match self.resolve(&argv) {
            Ok(resolved) => {
                let mut out = Writer::new(&mut reply, protocol);
                self.run_or_park(id, resolved, &argv, Some(blocked.on), &mut out)
            }
            Err(_) => None,
        };
        self.run_for(outer);
        if let Some(request) = blocked.request
            && parked.is_none()
        {
            self.end_part(request, blocked.heard(&reply), 1, before);
        }
        self.note_unit(false);
        self.effects.end_unit();
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.db = selected;
        let old = blocked.alarm();
        let blocked = session.blocked.insert(blocked);
        let Some(parked) = parked else {
            if let Some(blocked) = self.unpark(id) {
                self.deliver_reply(id, &blocked, &reply);
            }
            return;
        };
        blocked.again = parked.again;
        let alarms = &mut self.waiting.alarms;
        old.map(|at| alarms.remove(&(at, id)));
        blocked.alarm().map(|at| alarms.insert((at, id), ()));
    }

    pub(super) fn deliver_reply(&mut self, id: SessionId, blocked: &Blocked, reply: &[u8]) {
        self.sessions.deliver(id, |out| out.raw(blocked.heard(reply)));
    }

    pub(super) fn write_nothing(&self, nothing: Nothing, out: &mut Writer<'_>) {
        match nothing {
            Nothing::Null | Nothing::Element => out.null(),
            Nothing::Ok => out.ok(),
            Nothing::NullArray => out.null_array(),
            Nothing::Replicas => out.integer(0),
            Nothing::Stored(offset) => {
                out.array(2);
                let stored = self.config.append_only && self.persistence.durable_offset >= offset;
                out.integer(i64::from(stored));
                out.integer(0);
            }
            Nothing::Unsaved => {
                out.error(
                    b"ERR SAVE has to wait for the store, which is not possible here: use BGSAVE",
                );
            }
            Nothing::Unwritten => {
                out.error(
                    b"ERR CONFIG REWRITE has to wait for the file, which is not possible here",
                );
            }
        }
    }
}
