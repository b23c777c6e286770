//! `Lodis`: one engine, as JavaScript sees it.
//!
//! Requests are written into linear memory and parsed in place; a reply is written once, and the
//! call that wrote it answers flags. Where the reply is says the head, whose place never changes.
//! No call runs JavaScript, so none can come back while the engine is borrowed.

use super::allocator::METER;
use super::frame::{Argv, Frame};
use super::timer::{TICK_MS, elapsed_ms};
use crate::collections::Sorted;
use crate::engine::blocking::Unblock;
use crate::engine::config::DebugCommand;
use crate::engine::error::Error;
use crate::engine::generations::Generations;
use crate::engine::import::Import;
use crate::engine::pause::POSTPONED;
use crate::engine::registry::commands;
use crate::engine::session::{Session, SessionId};
use crate::engine::status::Requests;
use crate::engine::table::Command;
use crate::engine::{Connection, Engine, Options, syntax};
use crate::resp::{Protocol, Writer};
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Requests up to this size are written to a buffer that never moves.
const REQUEST_LEN: usize = 64 * 1024;
/// A reply buffer that has grown beyond this is given back.
const REPLY_KEEP: usize = 1024 * 1024;
/// So much of the reply buffer is there at least.
const REPLY_LEAST: usize = 64 * 1024;
/// What the error takes that there is no memory for a reply.
const REFUSAL: usize = 64;
/// The refusals of all commands of a shorter frame fit into the least reply buffer.
const SHORT_FRAME: usize = REPLY_LEAST / REFUSAL * 8;

/// Messages wait: call `takeMessages` until it answers -1.
const FLAG_MESSAGES: u32 = 1;
/// The effect stream advanced, CONFIG SET changed a setting, or the log is asked for something.
const FLAG_WROTE: u32 = 2;
/// The session or connection is to be ended.
const FLAG_CLOSE: u32 = 4;
/// The reply is the value of one key, for which it was asked before: the head says what a copy of it
/// depends on.
const FLAG_COPIED: u32 = 16;
/// What the session read before may no longer be what it would read now: it has selected another
/// database, begun or ended a transaction, or its reads are tracked, or are no longer.
const FLAG_FORGET: u32 = 32;
/// A setting was changed.
const FLAG_SETTINGS: u32 = 64;
/// So much has been recorded that it is to be taken at once.
const FLAG_MUCH: u32 = 128;
/// The reply is `+OK`, null, or an integer that is in the bits from [`BRIEF_SHIFT`] on, and need not be
/// read; or it is a string as long as these bits say, which comes before the last two bytes.
const BRIEF_OK: u32 = 1 << 8;
const BRIEF_NULL: u32 = 2 << 8;
const BRIEF_INTEGER: u32 = 3 << 8;
const BRIEF_STRING: u32 = 4 << 8;
const BRIEF_SHIFT: u32 = 12;
/// The most digits of such an integer, or of the length of such a string.
const BRIEF_DIGITS: usize = 6;
/// The session waits for the end of a blocking command; its other replies come as messages.
const FLAG_BLOCKED: u32 = 8;
/// `attention` tells what there is.
const FLAG_ATTENTION: u32 = 1 << 11;
/// Of the last request nothing was run, since CLIENT PAUSE postpones a command of it: it is to be given
/// again once that is over. Its replies are errors, for who cannot wait.
const ATTENTION_HELD: u32 = 1;
/// SHUTDOWN: the host is to store what is pending, and to end.
const ATTENTION_SHUTDOWN: u32 = 2;

/// What the facade and the drivers of one engine share.
pub(crate) struct Core {
    pub(crate) engine: Engine,
    connections: Vec<Option<Connection>>,
    /// Commands after one that blocks, by session.
    unfinished: Sorted<u32, Vec<u8>>,
    pub(super) request: Vec<u8>,
    /// A file that is being loaded.
    pub(super) import: Option<Import>,
    /// Set by `reserve` for one request that is too large for `request`.
    large_request: Option<Vec<u8>>,
    reply: Vec<u8>,
    head: Box<Head>,
    /// How far the engine was when a unit began.
    begun: Progress,
    /// Whether the last request was not run.
    is_held: bool,
}

/// What changes when something was written, or set, or the host is asked for something.
type Progress = (u64, u64, Requests, u64);

/// About the last reply, for JavaScript to read in place.
#[repr(C)]
#[derive(Default)]
struct Head {
    reply: u32,
    /// In bytes.
    reply_len: u32,
    /// Whose it is.
    session: u32,
    /// Written by JavaScript: how often it has answered a copy in place of a command.
    copies: u32,
    /// The generation, of those of `generations`, that must be what it is now.
    slot: u32,
    /// When the key ceases to exist: Unix milliseconds, or infinity.
    expires_at: f64,
}

/// One engine.
#[wasm_bindgen]
pub struct Lodis {
    pub(super) core: Rc<RefCell<Core>>,
}

#[wasm_bindgen]
extern "C" {
    /// How an engine begins. Reading an object so takes a fifth of the code that checking it would, which
    /// the package has done.
    #[wasm_bindgen(js_name = Object, typescript_type = "LodisOptions")]
    pub type LodisOptions;
    #[wasm_bindgen(method, getter)]
    fn databases(this: &LodisOptions) -> Option<u32>;
    #[wasm_bindgen(method, getter)]
    fn maxmemory(this: &LodisOptions) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = maxmemoryPolicy)]
    fn maxmemory_policy(this: &LodisOptions) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn requirepass(this: &LodisOptions) -> Option<String>;
    /// Lines of rules.
    #[wasm_bindgen(method, getter)]
    fn users(this: &LodisOptions) -> Option<Vec<String>>;
    /// Commands and their new names in turn.
    #[wasm_bindgen(method, getter)]
    fn renames(this: &LodisOptions) -> Option<Vec<String>>;
    #[wasm_bindgen(method, getter, js_name = enableDebugCommand)]
    fn enable_debug_command(this: &LodisOptions) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = nowMs)]
    fn now_ms(this: &LodisOptions) -> f64;
}

#[wasm_bindgen]
impl Lodis {
    /// An engine with an empty keyspace: `{ databases?: number, maxmemory?: string,
    /// maxmemoryPolicy?: string, requirepass?: string, users?: string[], renames?: string[],
    /// enableDebugCommand?: string, nowMs: number }`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &LodisOptions) -> Result<Lodis, JsError> {
        let seed = getrandom::u64().map_err(|error| JsError::new(&error.to_string()))?;
        let mut engine = Engine::new(&Options {
            seed,
            now_us: micros(options.now_ms()),
            databases: options.databases().unwrap_or(16).clamp(1, 16_384) as usize,
            meter: METER,
            clock: || micros(elapsed_ms()) as u64,
            random: || getrandom::u64().unwrap_or_default(),
        });
        let settings = [
            (&b"maxmemory"[..], options.maxmemory()),
            (b"maxmemory-policy", options.maxmemory_policy()),
            (b"requirepass", options.requirepass()),
        ];
        let settings: Vec<_> = settings
            .iter()
            .filter_map(|(name, value)| Some((*name, value.as_deref()?.as_bytes())))
            .collect();
        let refused = |error: Error| JsError::new(&String::from_utf8_lossy(error.as_bytes()));
        engine.config.set(&settings).map_err(refused)?;
        for user in options.users().unwrap_or_default() {
            engine.add_user(user.as_bytes()).map_err(refused)?;
        }
        for names in options.renames().unwrap_or_default().as_chunks::<2>().0 {
            let [old, new] = names.each_ref().map(|name| name.as_bytes());
            engine.rename_command(old, new).map_err(refused)?;
        }
        if let Some(word) = &options.enable_debug_command() {
            engine.config.debug_command =
                DebugCommand::parse(word.as_bytes()).map_err(|why| JsError::new(&why))?;
        }
        let core = Core {
            engine,
            connections: Vec::new(),
            unfinished: Sorted::new(),
            request: vec![0; REQUEST_LEN],
            import: None,
            large_request: None,
            reply: Vec::new(),
            head: Box::default(),
            begun: Progress::default(),
            is_held: false,
        };
        Ok(Self { core: Rc::new(RefCell::new(core)) })
    }

    /// Begins a session that speaks RESP `version` (2 or 3); answers its number. A command that
    /// would block answers there that it found nothing: `fork` a session for it.
    pub fn connect(&self, version: u32) -> u32 {
        let protocol = if version == 2 { Protocol::Resp2 } else { Protocol::Resp3 };
        self.core.borrow_mut().connect(protocol).0
    }

    /// Begins a session that may block, in the database and with the protocol and the name of
    /// another one; answers its number. When `exec` answers the flag 8, the replies that are missing
    /// come through `takeMessages`, the last of them without that flag.
    pub fn fork(&self, session: u32) -> u32 {
        self.core.borrow_mut().engine.fork(SessionId(session)).0
    }

    /// Whether the session is between MULTI and EXEC.
    #[wasm_bindgen(js_name = inTransaction)]
    pub fn in_transaction(&self, session: u32) -> bool {
        let core = self.core.borrow();
        core.engine.sessions.get(SessionId(session)).is_some_and(|s| s.queue.is_some())
    }

    /// The number of the database that a session has selected.
    pub fn database(&self, session: u32) -> u32 {
        let core = self.core.borrow();
        core.engine.sessions.get(SessionId(session)).map_or(0, |session| session.db as u32)
    }

    /// Whether the session may do everything: it has authenticated, if that takes a password.
    #[wasm_bindgen(js_name = mayEverything)]
    pub fn may_everything(&self, session: u32) -> bool {
        let core = self.core.borrow();
        core.engine.sessions.get(SessionId(session)).is_some_and(Session::is_free)
    }

    /// Ends a session's blocking command with the error `UNBLOCKED`, which comes through
    /// `takeMessages`; whether there was one.
    pub fn unblock(&self, session: u32) -> bool {
        self.core.borrow_mut().engine.unblock(SessionId(session), Unblock::Error)
    }

    /// Begins a session anew that CLIENT KILL has ended, with the same number here, in its database, with
    /// its name. It is another client, without subscriptions; of an open MULTI, EXEC answers EXECABORT.
    pub fn renew(&self, session: u32) {
        let core = &mut *self.core.borrow_mut();
        let session = SessionId(session);
        let Some(state) = core.engine.session_state(session) else { return };
        core.disconnect(session);
        // The number that was given back last is given out first.
        let new = core.connect(Protocol::Resp3);
        debug_assert_eq!(new, session);
        core.engine.restore_session(new, &state);
    }

    /// Ends a session.
    pub fn disconnect(&self, session: u32) {
        self.core.borrow_mut().disconnect(SessionId(session));
    }

    /// A pointer to room for a request of `bytes` bytes; 0 when there is no memory for it.
    /// Up to 64 KiB the pointer is always the same.
    pub fn reserve(&self, bytes: usize) -> usize {
        let core = &mut *self.core.borrow_mut();
        core.large_request = None;
        if bytes <= REQUEST_LEN {
            return core.request.as_ptr() as usize;
        }
        let mut large = Vec::new();
        if large.try_reserve_exact(bytes).is_err() {
            return 0;
        }
        large.resize(bytes, 0);
        core.large_request.insert(large).as_ptr() as usize
    }

    /// A pointer to what is known of the last reply, always the same. `u32` each: where it is, its
    /// length in bytes, and its session; a counter, to be increased for every copy that was answered
    /// in place of a GET; if the flag 16 is set, the slot of the value's generation, and as
    /// `f64`, aligned to eight bytes, when the key ceases to exist (Unix milliseconds, or infinity).
    pub fn head(&self) -> usize {
        std::ptr::from_ref(&*self.core.borrow().head) as usize
    }

    /// A pointer to the generations (`u32`) of the database that a session has selected, the same for
    /// as long as the flag 32 does not come. While one has not changed, and the time has not come, a
    /// copied value is what GET would answer.
    pub fn generations(&self, session: u32) -> usize {
        let engine = &mut self.core.borrow_mut().engine;
        let db = engine.sessions.get(SessionId(session)).map_or(0, |session| session.db);
        engine.keyspace.db_mut(db).generations().keep().as_ptr() as usize
    }

    /// Runs every command in the first `bytes` bytes of the request buffer, in order, as `session`.
    /// A command is `u32` argc, then argc times `u32` length and bytes; if the highest bit of argc
    /// is set, then the first word is a `u32` number of `commandNames`. Or the request is a table:
    /// `u32` 2^32-1, `u32` how many numbers follow, the numbers (`u32` argc, number of a command, and
    /// lengths of the other words, of each command), then the bytes of those words. Answers the
    /// reply's flags.
    pub fn exec(&self, session: u32, bytes: usize, now_ms: f64) -> u32 {
        self.core.borrow_mut().answer(bytes, now_ms, session, |core, frame| {
            let id = SessionId(session);
            let cannot_wait = core.engine.sessions.get(id).is_some_and(|s| s.deny_blocking);
            core.is_held = core.engine.is_paused() && cannot_wait && core.holds(id, frame);
            if core.is_held {
                core.refuse(frame);
            } else {
                core.run_frame(session, frame);
            }
        })
    }

    /// Begins a unit of a session: what it runs until `endAtomic` is one, or has never been. A `trial`
    /// comes to a request for the engine that leads. False between MULTI and EXEC, and inside a unit.
    #[wasm_bindgen(js_name = beginAtomic)]
    pub fn begin_atomic(&self, session: u32, trial: bool, now_ms: f64) -> bool {
        let core = &mut *self.core.borrow_mut();
        core.engine.set_time(micros(now_ms));
        core.begun = core.progress();
        core.engine.begin_atomic(SessionId(session), trial)
    }

    /// Ends it, kept or undone. The reply is the request that a trial comes to, if it was to be kept and
    /// there is something to run; answers the reply's flags, or -1 if there is no memory for it.
    #[wasm_bindgen(js_name = endAtomic)]
    pub fn end_atomic(&self, session: u32, kept: bool) -> i32 {
        let core = &mut *self.core.borrow_mut();
        let words = core.engine.end_atomic(kept);
        core.begin_reply();
        if !words.is_empty() {
            let bytes = words.iter().map(|word| word.len() + 4).sum::<usize>();
            if core.reply.try_reserve(bytes + 4).is_err() {
                return -1;
            }
            core.reply.extend((words.len() as u32).to_le_bytes());
        }
        for word in words {
            core.reply.extend((word.len() as u32).to_le_bytes());
            core.reply.extend(word);
        }
        core.end_reply(session);
        core.flags(session, core.begun) as i32
    }

    /// What the flag 2048 of the last reply was about: 1 if the request was not run, 2 for SHUTDOWN.
    pub fn attention(&self) -> u32 {
        let core = &mut *self.core.borrow_mut();
        let held = if std::mem::take(&mut core.is_held) { ATTENTION_HELD } else { 0 };
        let shutdown =
            if std::mem::take(&mut core.engine.shutdown) { ATTENTION_SHUTDOWN } else { 0 };
        held | shutdown
    }

    /// Begins a connection that takes raw RESP; answers its number, which is its session's, or -1 if
    /// there are too many.
    #[wasm_bindgen(js_name = openConnection)]
    pub fn open_connection(&self, address: String, now_ms: f64) -> i32 {
        let core = &mut *self.core.borrow_mut();
        core.engine.set_time(micros(now_ms));
        if !core.engine.admits_client() {
            return -1;
        }
        let connection = Connection::open(&mut core.engine);
        let id = connection.session();
        if let Some(session) = core.engine.sessions.get_mut(id) {
            session.address = address;
        }
        let slot = id.0 as usize;
        if core.connections.len() <= slot {
            core.connections.resize_with(slot + 1, || None);
        }
        core.connections[slot] = Some(connection);
        id.0 as i32
    }

    /// A connection has been sent all but so many bytes of what it is to be sent.
    #[wasm_bindgen(js_name = setUnsent)]
    pub fn set_unsent(&self, connection: u32, bytes: f64) {
        self.core.borrow_mut().engine.set_unsent(SessionId(connection), bytes as u64);
    }

    /// After how many seconds of silence a connection's peer is to be asked whether it is there; 0 for
    /// never.
    #[wasm_bindgen(js_name = keepAlive)]
    pub fn keep_alive(&self) -> u32 {
        self.core.borrow().engine.config.tcp_keepalive_s
    }

    /// Gives a connection the first `bytes` bytes of the request buffer. Answers the reply's flags.
    pub fn receive(&self, connection: u32, bytes: usize, now_ms: f64) -> u32 {
        let slot = connection as usize;
        self.core.borrow_mut().answer(bytes, now_ms, connection, |core, raw| {
            if let Some(Some(connection)) = core.connections.get_mut(slot) {
                connection.receive(&mut core.engine, raw, &mut core.reply);
            }
        })
    }

    /// Ends a connection and its session.
    #[wasm_bindgen(js_name = closeConnection)]
    pub fn close_connection(&self, connection: u32) {
        let core = &mut *self.core.borrow_mut();
        let taken = core.connections.get_mut(connection as usize).and_then(Option::take);
        if let Some(connection) = taken {
            core.engine.disconnect(connection.session());
        }
    }

    /// Makes the messages of a session that has some the last reply, and answers its flags; -1 when
    /// none has. What the session was sent while it was blocked runs then.
    #[wasm_bindgen(js_name = takeMessages)]
    pub fn take_messages(&self) -> i32 {
        let core = &mut *self.core.borrow_mut();
        let Some((id, messages)) = core.engine.sessions.take_messages() else { return -1 };
        let before = core.progress();
        if core.connections.get(id.0 as usize).is_some_and(Option::is_some) {
            core.engine.stats.net_output += messages.len() as u64;
        }
        core.begin_reply();
        if messages.len() > core.reply.capacity() {
            core.reply = messages;
        } else {
            core.reply.extend_from_slice(&messages);
        }
        core.go_on(id.0);
        core.end_reply(id.0);
        core.flags(id.0, before) as i32
    }

    /// Does what is due, for a few milliseconds at most. Answers in how many milliseconds to call
    /// again; `Infinity` for never.
    pub fn tick(&self, now_ms: f64) -> f64 {
        let engine = &mut self.core.borrow_mut().engine;
        engine.set_time(micros(now_ms));
        let (now, started) = (engine.now_ms(), elapsed_ms());
        loop {
            let wait = engine.tick().map_or(f64::INFINITY, |at| (at - now) as f64);
            if wait > 0.0 || elapsed_ms() - started >= TICK_MS {
                return wait;
            }
        }
    }

    /// The names of all commands, subcommands apart, separated by blanks, and `-` for one that has
    /// another name: a command's number, which is another one in another version, is its place.
    #[wasm_bindgen(js_name = commandNames)]
    pub fn command_names(&self) -> String {
        let mut names = String::new();
        for command in commands() {
            let is_renamed = self.core.borrow().engine.is_renamed(command);
            names.push_str(if is_renamed { "-" } else { command.name });
            names.push(' ');
        }
        names
    }

    /// The byte offset after the last effect.
    pub fn offset(&self) -> f64 {
        self.core.borrow().engine.effects.offset() as f64
    }

    /// The command table for completion and hints:
    /// `{ name, syntax, summary, group, since, complexity, readOnly }[]`, subcommands as `config get`.
    pub fn hints(&self) -> Result<JsValue, JsError> {
        let mut hints = Vec::new();
        for command in commands() {
            if command.handler.is_some() {
                hints.push(Hint::new(command.name.to_owned(), command));
            }
            let sub =
                |sub: &'static Command| Hint::new(format!("{} {}", command.name, sub.name), sub);
            hints.extend(command.subcommands.iter().map(sub));
        }
        Ok(serde_wasm_bindgen::to_value(&hints)?)
    }
}

impl Lodis {
    /// What the drivers of this engine work on.
    pub(crate) fn core(&self) -> Rc<RefCell<Core>> {
        Rc::clone(&self.core)
    }
}

impl Core {
    /// Runs `work` on the request that JavaScript has written; answers the reply's flags.
    fn answer(
        &mut self,
        bytes: usize,
        now_ms: f64,
        session: u32,
        work: impl FnOnce(&mut Self, &[u8]),
    ) -> u32 {
        self.engine.set_time(micros(now_ms));
        let copies = std::mem::take(&mut self.head.copies);
        if copies > 0 {
            self.engine.count_copies(copies.into());
        }
        let (progress, view) = (self.progress(), self.view(session));
        self.begin_reply();
        // The buffer stays where it is: JavaScript holds on to its address.
        let request = std::mem::take(&mut self.request);
        let large = self.large_request.take();
        work(self, large.as_deref().unwrap_or(&request).get(..bytes).unwrap_or_default());
        self.request = request;
        if self.is_held {
            self.large_request = large;
        }
        self.end_reply(session);
        let forget = if view == self.view(session) { 0 } else { FLAG_FORGET };
        self.flags(session, progress) | self.note_copied(session) | forget | brief(&self.reply)
    }

    /// On what, besides the keyspace, it depends what a session reads.
    fn view(&self, session: u32) -> Option<(usize, bool, bool)> {
        let session = self.engine.sessions.get(SessionId(session))?;
        Some((session.db, session.queue.is_some(), session.tracks_reads()))
    }

    /// Puts into the head what the last reply is a copy of, if it is one, and a copy of it may be
    /// answered: nobody checks then what a user may read.
    fn note_copied(&mut self, session: u32) -> u32 {
        let Some(copied) = self.engine.take_copied() else { return 0 };
        if !self.engine.sessions.get(SessionId(session)).is_some_and(Session::is_free) {
            return 0;
        }
        self.head.slot = Generations::slot(copied.hash) as u32;
        self.head.expires_at = copied.expires_at.map_or(f64::INFINITY, |at| at as f64);
        FLAG_COPIED
    }

    fn progress(&self) -> Progress {
        let engine = &self.engine;
        (
            engine.effects.offset(),
            engine.config.generation,
            engine.persistence.requests,
            engine.host.wanted(),
        )
    }

    fn flags(&self, id: u32, before: Progress) -> u32 {
        let session = self.engine.sessions.get(SessionId(id));
        let connection = self.connections.get(id as usize).and_then(Option::as_ref);
        // A session that CLIENT KILL has ended may have nothing else to say.
        let is_set_anew = before.1 != self.engine.config.generation;
        let is_over = session.is_none_or(|session| session.closing)
            || connection.is_some_and(Connection::is_closed);
        let is_blocked = session.is_some_and(|session| session.blocked.is_some());
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        flag(self.engine.sessions.have_messages(), FLAG_MESSAGES)
            | flag(before != self.progress(), FLAG_WROTE)
            | flag(is_set_anew, FLAG_SETTINGS)
            | flag(self.engine.effects.is_much(), FLAG_MUCH)
            | flag(is_over, FLAG_CLOSE)
            | flag(is_blocked, FLAG_BLOCKED)
            | flag(self.is_held || self.engine.shutdown, FLAG_ATTENTION)
    }

    fn is_blocked(&self, session: u32) -> bool {
        self.engine.sessions.get(SessionId(session)).is_some_and(|s| s.blocked.is_some())
    }

    /// Runs the commands of a frame one after the other, up to one that blocks; answers how many are
    /// done.
    fn run_frame(&mut self, session: u32, frame: &[u8]) -> u32 {
        let is_short = frame.len() <= SHORT_FRAME;
        let mut frame = Frame::new(frame);
        let mut left = if is_short { 0 } else { frame.count(self.engine.registry()) };
        if !self.keeps_room(left) {
            // One error for all of them, of which none is run.
            Writer::new(&mut self.reply, Protocol::Resp3).error(Error::OUT_OF_MEMORY.as_bytes());
            return left;
        }
        let mut argv = Argv::new();
        let mut done = 0;
        while !frame.is_empty() {
            left = left.saturating_sub(1);
            let start = self.reply.len();
            let Some(command) = frame.next(self.engine.registry(), &mut argv) else {
                let mut out = Writer::new(&mut self.reply, Protocol::Resp3);
                out.error(b"ERR Protocol error: broken frame");
                break;
            };
            let is_closed = |session: &Session| session.closing;
            if self.engine.sessions.get(SessionId(session)).is_none_or(is_closed) {
                let mut out = Writer::new(&mut self.reply, Protocol::Resp3);
                out.error(b"ERR the session was closed by a command before this one");
                done += 1;
                continue;
            }
            self.engine.call_known(SessionId(session), command, &argv, &mut self.reply);
            if !self.keeps_room(left) {
                // The others are to be told at least that there is no memory for their replies.
                self.reply.truncate(start);
                let mut out = Writer::new(&mut self.reply, Protocol::Resp3);
                out.error(Error::OUT_OF_MEMORY.as_bytes());
            }
            if self.is_blocked(session) {
                if !frame.is_empty() {
                    self.unfinished.insert(session, frame.to_vec());
                }
                break;
            }
            done += 1;
        }
        done
    }

    /// Whether the refusals of so many commands would fit into the reply.
    fn keeps_room(&mut self, commands: u32) -> bool {
        let bytes = (commands as usize).saturating_mul(REFUSAL);
        self.reply.capacity() - self.reply.len() >= bytes
            || self.reply.try_reserve(bytes).is_ok()
            || self.reply.try_reserve_exact(bytes).is_ok()
    }

    /// Whether a session has to wait with a command of a frame.
    pub(super) fn holds(&mut self, session: SessionId, frame: &[u8]) -> bool {
        let mut frame = Frame::new(frame);
        let mut argv = Argv::new();
        while !frame.is_empty()
            && let Some(command) = frame.next(self.engine.registry(), &mut argv)
        {
            if self.engine.postpones(session, command, &argv) {
                return true;
            }
        }
        false
    }

    /// Whether a frame does nothing but to end a pause.
    pub(super) fn is_unpause(&self, frame: &[u8]) -> bool {
        let mut frame = Frame::new(frame);
        let mut argv = Argv::new();
        let command = frame.next(self.engine.registry(), &mut argv).flatten();
        command.is_some_and(|command| command.name == "client")
            && argv.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"unpause"))
            && frame.is_empty()
    }

    /// Answers every command of a frame that it would have to wait.
    fn refuse(&mut self, frame: &[u8]) {
        for _ in 0..Frame::new(frame).count(self.engine.registry()) {
            Writer::new(&mut self.reply, Protocol::Resp3).error(POSTPONED.as_bytes());
        }
    }

    /// Runs a frame of another tab as its session; answers the replies, and how many commands are done.
    /// What comes after one that blocks, [`Core::rest`] answers.
    pub(super) fn run_remote(&mut self, session: SessionId, frame: &[u8]) -> (Vec<u8>, u32) {
        self.begin_reply();
        let done = self.run_frame(session.0, frame);
        let is_short = self.reply.len() < REPLY_LEAST;
        let reply = if is_short { self.reply.clone() } else { std::mem::take(&mut self.reply) };
        (reply, done)
    }

    /// The commands after one that has blocked, which are not to be run otherwise.
    pub(super) fn rest(&mut self, session: SessionId) -> Option<Vec<u8>> {
        self.unfinished.remove(&session.0)
    }

    /// Begins a session in which nothing blocks.
    pub(super) fn connect(&mut self, protocol: Protocol) -> SessionId {
        let id = self.engine.connect();
        if let Some(session) = self.engine.sessions.get_mut(id) {
            session.protocol = protocol;
            session.deny_blocking = true;
        }
        id
    }

    /// Ends a session.
    pub(super) fn disconnect(&mut self, session: SessionId) {
        self.unfinished.remove(&session.0);
        self.engine.disconnect(session);
    }

    /// Runs what came after a blocking command that has been answered.
    fn go_on(&mut self, session: u32) {
        if self.is_blocked(session) {
            return;
        }
        if let Some(frame) = self.unfinished.remove(&session) {
            self.run_frame(session, &frame);
        }
        if let Some(Some(connection)) = self.connections.get_mut(session as usize) {
            connection.receive(&mut self.engine, &[], &mut self.reply);
        }
    }

    fn begin_reply(&mut self) {
        self.reply.clear();
        if self.reply.capacity() > REPLY_KEEP {
            self.reply.shrink_to(REPLY_LEAST);
        } else if self.reply.capacity() < REPLY_LEAST {
            // There may be no memory for it; then even short replies may not fit.
            let _ = self.reply.try_reserve_exact(REPLY_LEAST);
        }
    }

    fn end_reply(&mut self, session: u32) {
        let (reply, reply_len) = (self.reply.as_ptr() as u32, self.reply.len() as u32);
        (self.head.reply, self.head.reply_len) = (reply, reply_len);
        self.head.session = session;
    }
}

/// One command of the table, for people.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hint {
    name: String,
    syntax: String,
    summary: &'static str,
    group: &'static str,
    since: &'static str,
    complexity: &'static str,
    read_only: bool,
}

impl Hint {
    fn new(name: String, command: &'static Command) -> Self {
        Self {
            name,
            syntax: syntax::hint(&syntax::parse(command.syntax).unwrap_or_default()),
            summary: command.summary,
            group: command.group.name(),
            since: command.since,
            complexity: command.complexity,
            read_only: command.has(crate::engine::table::flag::READONLY),
        }
    }
}

/// A reply that flags can carry.
fn brief(reply: &[u8]) -> u32 {
    match reply {
        b"+OK\r\n" => BRIEF_OK,
        b"_\r\n" => BRIEF_NULL,
        [b':', digits @ .., b'\r', b'\n'] if digits.len() <= BRIEF_DIGITS => {
            digits_value(digits).map_or(0, |value| BRIEF_INTEGER | value << BRIEF_SHIFT)
        }
        [b'$', rest @ .., b'\r', b'\n'] => brief_string(rest),
        _ => 0,
    }
}

/// The flag of a reply whose length and text, between its first byte and the last two, are `rest`.
fn brief_string(rest: &[u8]) -> u32 {
    let end = rest.iter().take(BRIEF_DIGITS + 1).position(|byte| *byte == b'\r');
    let Some((digits, text)) = end.map(|end| rest.split_at(end)) else { return 0 };
    match digits_value(digits) {
        Some(length) if text.len() == length as usize + 2 => BRIEF_STRING | length << BRIEF_SHIFT,
        _ => 0,
    }
}

/// The value of at most [`BRIEF_DIGITS`] decimal digits.
fn digits_value(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0'))
    })
}

/// Milliseconds of JavaScript to microseconds; what is no time counts as 0.
pub(super) fn micros(ms: f64) -> i64 {
    (ms * 1000.0) as i64
}
