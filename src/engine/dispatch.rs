//! From the words of a command to its reply.

use super::Engine;
use super::args::Args;
use super::blocking::{BlockOn, Parked};
use super::context::Ctx;
use super::error::Error;
use super::live::LIVE;
use super::monitor::is_shown_first;
use super::registry::{Resolved, subcommand};
use super::renames::Named;
use super::room::MOST_EFFECTS;
use super::session::{Queue, ReplyMode, Session, SessionId};
use super::table::{Command, flag};
use crate::resp::{Protocol, Writer};

/// A command with one of these flags reads or changes something, or tells others something.
const DATA: u32 = flag::WRITE | flag::READONLY | flag::MAY_REPLICATE | flag::SKIP_MONITOR;

impl Engine {
    /// Runs one command of a session and appends its reply to `out`.
    ///
    /// `argv` is the command's name and arguments; an empty one is ignored. Messages to this and
    /// other sessions stay in their outboxes. A command that blocks appends nothing: its reply comes
    /// as a message, and until then the session must be given no other command.
    pub fn call(&mut self, id: SessionId, argv: &[&[u8]], out: &mut Vec<u8>) {
        let command = argv.first().and_then(|name| self.registry.get(name));
        self.call_known(id, command, argv, out);
    }

    /// As [`Engine::call`], where the command that the first word names is known: `None` if there is
    /// no such command.
    pub fn call_known(
        &mut self,
        id: SessionId,
        command: Option<&'static Command>,
        argv: &[&[u8]],
        out: &mut Vec<u8>,
    ) {
        if !self.renames.is_empty() && self.sessions.get(id).is_some_and(|s| !s.is_owner) {
            return match self.named(argv) {
                Named::AsItSays => self.call_real(id, command, argv, out),
                Named::Other(command, argv) => self.call_real(id, Some(command), &argv, out),
                Named::Nothing => self.call_real(id, None, argv, out),
            };
        }
        self.call_real(id, command, argv, out);
    }

    /// As [`Engine::call_known`], with the names of the table.
    #[inline]
    pub(super) fn call_real(
        &mut self,
        id: SessionId,
        command: Option<&'static Command>,
        argv: &[&[u8]],
        out: &mut Vec<u8>,
    ) {
        let now_ms = self.now_ms();
        let Some(session) = self.sessions.get_mut(id) else { return };
        if argv.is_empty() || session.closing || session.blocked.is_some() {
            return;
        }
        session.active_ms = now_ms;
        let protocol = session.protocol;
        let in_unit = self.atomic.is_some();
        if in_unit && self.is_refused_in_unit(id, argv, out) {
            return;
        }
        self.copied = None;
        // What goes because of that is no part of the command.
        let has_room = self.has_room_for_effects();
        let mut writer = Writer::new(out, protocol);
        let start = writer.position();
        self.watch_for_upstream();
        self.effects.begin_unit();
        self.process(id, command, argv, has_room, &mut writer);
        self.note_unit(false);
        self.effects.end_unit();
        if in_unit {
            return;
        }
        if self.sessions.get(id).is_some_and(|session| session.reply_mode != ReplyMode::On) {
            writer.truncate(start);
            self.suppress_reply(id);
        }
        if self.pause.is_some() {
            self.settle_pause();
        }
        self.serve_blocked();
        if self.tracking.is_some() {
            self.end_caching(id, command.map(|command| command.name));
            self.settle_tracking();
        }
    }

    /// Whether there is room for what commands add, after keys were evicted if that helps.
    pub(super) fn has_room_for_effects(&mut self) -> bool {
        let has_room =
            (self.config.maxmemory.bytes == 0 || self.make_room()) && (self.meter.has_reserve)();
        self.effects.make_room() && self.persistence.buffered <= MOST_EFFECTS && has_room
    }

    /// Answers a command, has it wait, or puts it into the queue of a transaction.
    pub(super) fn process(
        &mut self,
        id: SessionId,
        command: Option<&'static Command>,
        argv: &[&[u8]],
        mut has_room: bool,
        out: &mut Writer<'_>,
    ) {
        let resolved = match resolve_known(command, argv) {
            Ok(resolved) => resolved,
            Err(error) => return self.process_unlisted(id, argv, error, has_room, out),
        };
        let Some(session) = self.sessions.get(id) else { return };
        if resolved.command.has(flag::DENYOOM) || session.queue.is_some() {
            has_room = has_room && (self.meter.has_reserve)();
            if let Err(error) = self.ask_for_words(argv) {
                return self.reject(id, argv, &error, out);
            }
        }
        let is_restricted = self.is_restricted();
        let Some(session) = self.sessions.get_mut(id) else { return };
        if !session.is_plain() || is_restricted || !has_room {
            let admitted = self.admit_user(id, resolved, argv);
            let admitted = admitted.and_then(|()| self.admit(id, resolved, has_room));
            if let Err(error) = admitted.and_then(|()| self.admit_upstream(resolved, argv)) {
                return self.reject(id, argv, &error, out);
            }
            if self.pause.is_some() && self.is_postponed(id, resolved, argv, out) {
                return;
            }
            match self.is_queued(id, resolved, argv) {
                Ok(false) => {}
                Ok(true) => return out.simple("QUEUED"),
                Err(error) => return self.reject(id, argv, &error, out),
            }
        } else {
            session.last_command = Some(resolved);
        }
        self.run(id, resolved, argv, out);
    }

    /// Runs what hosts send each other, or themselves; what else the words are is wrong with `error`.
    #[cold]
    fn process_unlisted(
        &mut self,
        id: SessionId,
        argv: &[&[u8]],
        error: Error,
        has_room: bool,
        out: &mut Writer<'_>,
    ) {
        if let [LIVE, words @ ..] = argv {
            let start = out.position();
            // A transaction that has begun is not spoilt by it.
            if let Err(error) = self.live(id, words, has_room, out) {
                out.truncate(start);
                out.error(error.as_bytes());
            }
            return;
        }
        if let Some(result) = self.run_upstream(id, argv, has_room, out) {
            return result.unwrap_or_else(|error| self.reject(id, argv, &error, out));
        }
        match self.run_trial(id, argv, error) {
            Ok(()) => out.ok(),
            Err(error) => self.reject(id, argv, &error, out),
        }
    }

    /// Whether what commands may do has to be looked at.
    #[inline]
    fn is_restricted(&self) -> bool {
        self.follower || self.refuses_writes() || self.pause.is_some() || self.is_upstream_full()
    }

    /// Remembers the last command, and queues it if a transaction has begun; whether it did.
    fn is_queued(
        &mut self,
        id: SessionId,
        resolved: Resolved,
        argv: &[&[u8]],
    ) -> Result<bool, Error> {
        let Some(session) = self.sessions.get_mut(id) else { return Ok(false) };
        session.last_command = Some(resolved);
        let queue = session.queue.as_mut().filter(|_| may_be_queued(resolved));
        let Some(queue) = queue else { return Ok(false) };
        // It is one stretch of memory, however many commands there are.
        if queue.commands.try_reserve(1).is_err() {
            return Err(Error::OUT_OF_MEMORY);
        }
        queue.bytes += argv.iter().map(|word| word.len()).sum::<usize>();
        queue.commands.push(argv.iter().map(|word| Box::from(*word)).collect());
        Ok(true)
    }

    /// As [`Engine::resolve`], where the command that the first word names is known.
    pub(super) fn resolve_with(
        &self,
        command: Option<&'static Command>,
        argv: &[&[u8]],
    ) -> Result<Resolved, Error> {
        resolve_known(command, argv)
    }

    /// Finds the command and checks the number of its words.
    pub(super) fn resolve(&self, argv: &[&[u8]]) -> Result<Resolved, Error> {
        let command = argv.first().and_then(|name| self.registry.get(name));
        resolve_known(command, argv)
    }

    /// Whether the session may run the command now.
    fn admit(&self, id: SessionId, resolved: Resolved, has_room: bool) -> Result<(), Error> {
        let command = resolved.command;
        let Some(session) = self.sessions.get(id) else { return Ok(()) };
        if session.queue.is_some() && command.has(flag::NO_MULTI) {
            return Err(Error::fixed("ERR Command not allowed inside a transaction"));
        }
        if self.follower && self.is_write(session, command) && !self.loading {
            return Err(Error::READ_ONLY);
        }
        let must_wait = || self.is_write(session, command) && !self.may_log(command);
        if !has_room && (self.needs_room(command, session.queue.as_ref()) || must_wait()) {
            return Err(Error::OUT_OF_MEMORY);
        }
        // By PING, Redis lets a monitor see it.
        if let Some(error) = self.write_refusal()
            && (command.name == "ping" || self.is_write(session, command))
            && !self.loading
        {
            return Err(error);
        }
        if session.protocol == Protocol::Resp2
            && session.is_subscriber()
            && !allowed_while_subscribed(resolved)
        {
            return Err(Error::new(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / \
                 RESET are allowed in this context",
                resolved.full_name()
            )));
        }
        // What is embedded goes on as if another client monitored for it.
        if session.monitors
            && !session.deny_blocking
            && (self.is_write(session, command) || command.flags & DATA != 0)
        {
            return Err(Error::fixed("ERR Replica can't interact with the keyspace"));
        }
        Ok(())
    }

    /// A write, or an EXEC with a write in its queue.
    fn is_write(&self, session: &Session, command: &Command) -> bool {
        match command.name {
            "exec" => {
                session.queue.as_ref().is_some_and(|queue| self.has_queued(queue, flag::WRITE))
            }
            _ => command.has(flag::WRITE),
        }
    }

    /// Whether a command with the flag waits for EXEC.
    pub(super) fn has_queued(&self, queue: &Queue, flag: u32) -> bool {
        queue.commands.iter().any(|argv| {
            let argv: Vec<&[u8]> = argv.iter().map(|word| &**word).collect();
            self.resolve(&argv).is_ok_and(|queued| queued.command.has(flag))
        })
    }

    /// Answers an error for a command that did not run; a transaction remembers it.
    fn reject(&mut self, id: SessionId, argv: &[&[u8]], error: &Error, out: &mut Writer<'_>) {
        if let Some(command) = self.registry.resolve(argv) {
            self.calls.count_rejected(command);
        }
        let is_exec = argv.first().is_some_and(|name| name.eq_ignore_ascii_case(b"exec"));
        if is_exec {
            self.discard(id);
            // Redis drops the error's own code here.
            let reason = error.as_bytes();
            let text = reason.strip_prefix(b"ERR ").unwrap_or(reason);
            let whole = [b"EXECABORT Transaction discarded because of: ", text].concat();
            self.stats.count_error(b"EXECABORT");
            return out.error(&whole);
        }
        if let Some(queue) = self.sessions.get_mut(id).and_then(|session| session.queue.as_mut()) {
            queue.aborted = true;
        }
        self.stats.count_error(error.code());
        out.error(error.as_bytes());
    }

    /// Runs a command that has been admitted.
    #[inline]
    pub(super) fn run(
        &mut self,
        id: SessionId,
        resolved: Resolved,
        argv: &[&[u8]],
        out: &mut Writer<'_>,
    ) {
        if let Some(parked) = self.run_or_park(id, resolved, argv, None, out) {
            self.park(id, *parked, argv);
        }
    }

    /// Runs a command that has been admitted; answers what it asks to wait for, if it does.
    /// `resumed` is what it has waited for already, if it has.
    pub(super) fn run_or_park(
        &mut self,
        id: SessionId,
        resolved: Resolved,
        argv: &[&[u8]],
        resumed: Option<BlockOn>,
        out: &mut Writer<'_>,
    ) -> Option<Box<Parked>> {
        let handler = resolved.command.handler?;
        self.copied = None;
        let start = out.position();
        let mut args = Args::new(argv, 1 + usize::from(resolved.container.is_some()));
        let mut context = Ctx::new(self, id, resumed);
        if context.engine.requests.running.is_some() && resolved.command.has(flag::BLOCKING) {
            context.is_undoable = context.may_block();
        }
        let db = context.db_index();
        let began_us = context.engine.config.is_timed.then(|| (context.engine.clock)());
        let is_monitored = !context.engine.monitors.is_empty() && resumed.is_none();
        let is_shown_first = is_monitored && is_shown_first(resolved);
        if is_shown_first {
            context.engine.feed_monitors(id, resolved, argv);
        }
        let result = match context.engine.ask_before(resolved.command, db, argv) {
            Ok(()) => handler(&mut context, &mut args, out),
            Err(error) => Err(error),
        };
        let word_for_word = context.dirty && !context.rewritten;
        let parked = context.parked.take();
        debug_assert!(
            result.is_ok() || !context.dirty,
            "{}: an error after a change",
            resolved.full_name()
        );
        if is_monitored && !is_shown_first {
            self.feed_monitors(id, resolved, argv);
        }
        if self.tracking.is_some() {
            self.note_command(id, resolved, argv);
        }
        self.stats.commands += 1;
        if parked.is_none() && !self.loading {
            self.calls.count(resolved.command);
            if let Some(began_us) = began_us {
                self.note_duration(id, resolved, argv, began_us);
            }
        }
        if let Err(error) = result {
            self.stats.count_error(error.code());
            self.calls.count_failed(resolved.command);
            out.truncate(start);
            out.take_torn();
            out.error(error.as_bytes());
            return None;
        }
        if word_for_word {
            self.effects.append(db, argv);
        }
        if out.take_torn() {
            out.truncate(start);
            self.stats.count_error(Error::OUT_OF_MEMORY.code());
            out.error(Error::OUT_OF_MEMORY.as_bytes());
        }
        parked
    }

    /// Leaves MULTI, and lets go of watched keys.
    pub(super) fn discard(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.queue = None;
        self.unwatch(id);
    }

    /// Whether a key that the session watches has changed or expired since, or may have.
    pub(super) fn is_touched(&self, id: SessionId) -> bool {
        let now = self.now_ms();
        self.sessions.get(id).is_some_and(|session| {
            session.watch_lost
                || session.watched.iter().any(|watch| {
                    let db = self.keyspace.db(watch.db);
                    db.watched_version(&watch.key) != watch.version
                        || db.get(&watch.key).is_some_and(|object| object.is_expired(now))
                })
        })
    }

    /// Lets go of watched keys.
    pub(super) fn unwatch(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.watch_lost = false;
        let watched = std::mem::take(&mut session.watched);
        for key in watched {
            self.keyspace.db_mut(key.db).unwatch(&key.key);
        }
    }

    /// The reply of a command is not sent.
    #[cold]
    fn suppress_reply(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        match session.reply_mode {
            ReplyMode::SkipNext => session.reply_mode = ReplyMode::Skip,
            ReplyMode::Skip => session.reply_mode = ReplyMode::On,
            ReplyMode::On | ReplyMode::Off => {}
        }
        if let Some(blocked) = &mut session.blocked {
            blocked.muted = true;
        }
    }
}

#[inline]
fn resolve_known(command: Option<&'static Command>, argv: &[&[u8]]) -> Result<Resolved, Error> {
    match command {
        Some(command) if command.subcommands.is_empty() && command.can_run(argv.len()) => {
            Ok(Resolved { command, container: None })
        }
        _ => resolve_subcommand(command, argv),
    }
}

fn resolve_subcommand(
    command: Option<&'static Command>,
    argv: &[&[u8]],
) -> Result<Resolved, Error> {
    let Some(command) = command else { return Err(unknown_command(argv)) };
    let mut resolved = Resolved { command, container: None };
    if !command.subcommands.is_empty()
        && let Some(name) = argv.get(1)
    {
        match subcommand(command, name) {
            Some(sub) => resolved = Resolved { command: sub, container: Some(command) },
            None => return Err(unknown_subcommand(command, name)),
        }
    }
    if !resolved.command.can_run(argv.len()) {
        return Err(wrong_arity(&resolved.full_name()));
    }
    Ok(resolved)
}

/// Whether a transaction keeps the command for EXEC.
fn may_be_queued(resolved: Resolved) -> bool {
    // A subcommand may have such a name too.
    resolved.container.is_some()
        || !matches!(
            resolved.command.name,
            "exec" | "discard" | "multi" | "watch" | "quit" | "reset"
        )
}

fn allowed_while_subscribed(resolved: Resolved) -> bool {
    resolved.container.is_none()
        && matches!(
            resolved.command.name,
            "ping"
                | "subscribe"
                | "ssubscribe"
                | "psubscribe"
                | "unsubscribe"
                | "sunsubscribe"
                | "punsubscribe"
                | "quit"
                | "reset"
        )
}

fn unknown_command(argv: &[&[u8]]) -> Error {
    const SHOWN: usize = 128;
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(&argv[0][..argv[0].len().min(SHOWN)]);
    text.extend_from_slice(b"', with args beginning with: ");
    let start = text.len();
    for argument in &argv[1..] {
        let room = SHOWN.saturating_sub(text.len() - start);
        if room == 0 {
            break;
        }
        text.push(b'\'');
        text.extend_from_slice(&argument[..argument.len().min(room)]);
        text.extend_from_slice(b"' ");
    }
    Error::new(text)
}

fn unknown_subcommand(container: &Command, name: &[u8]) -> Error {
    let shown = String::from_utf8_lossy(&name[..name.len().min(128)]).into_owned();
    let container = container.name.to_ascii_uppercase();
    Error::new(format!("ERR unknown subcommand '{shown}'. Try {container} HELP."))
}

fn wrong_arity(full_name: &str) -> Error {
    Error::new(format!("ERR wrong number of arguments for '{full_name}' command"))
}
