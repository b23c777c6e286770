//! What a script can do: call commands.

use super::shebang::Flags;
use crate::engine::Engine;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::registry::Resolved;
use crate::engine::session::SessionId;
use crate::engine::table::flag;
use crate::resp::{Protocol, Writer};

/// Each call counts as so many steps of the interpreter, and each byte of its reply as one.
const WORK_OF_CALL: u64 = 300;
/// So many steps of the interpreter take a microsecond, if not less.
pub const STEPS_PER_US: u64 = 10;
/// A command takes as long as a clock says, but no longer than this, in microseconds: a page that sleeps
/// meanwhile is not to blame.
const CALL_US_MAX: u64 = 1_000_000;
/// A reply that is longer is an error.
const REPLY_MAX: usize = 8 << 20;

/// What a call came to.
pub struct Reply {
    /// In RESP.
    pub bytes: Vec<u8>,
    /// The script has called so much that it must end.
    pub spent: bool,
}

/// A script that is running, as the engine sees it.
pub struct Run<'a> {
    engine: &'a mut Engine,
    session: SessionId,
    protocol: Protocol,
    reads_only: bool,
    allows_oom: bool,
    had_room: bool,
    changes_before: u64,
    work: u64,
    work_max: u64,
    /// How long its commands have taken, and what the clock said when the last one ended.
    took_us: u64,
    asked_us: u64,
    us_max: u64,
    caller: Caller,
}

/// How the session was before.
struct Caller {
    db: usize,
    protocol: Protocol,
    denied_blocking: bool,
}

impl<'a> Run<'a> {
    /// Begins to run a script for the session of a command, which may execute so many steps: its calls may
    /// come to a multiple of that, and take as long as so many steps do.
    ///
    /// # Errors
    /// It must not run now.
    pub fn begin(
        c: &'a mut Ctx<'_>,
        flags: Flags,
        reads_only: bool,
        steps: u64,
    ) -> Result<Self, Error> {
        let id = c.session_id;
        let engine = &mut *c.engine;
        let had_room = engine.has_room();
        if flags.declared {
            engine.admit_script(flags, reads_only, had_room)?;
        }
        let changes_before = engine.stats.changes;
        let mut caller = Caller { db: 0, protocol: Protocol::Resp2, denied_blocking: false };
        if let Some(session) = engine.sessions.get_mut(id) {
            caller.db = session.db;
            caller.protocol = std::mem::take(&mut session.protocol);
            caller.denied_blocking = std::mem::replace(&mut session.deny_blocking, true);
            session.in_script = Some(caller.protocol);
        }
        Ok(Self {
            took_us: 0,
            asked_us: (engine.clock)(),
            us_max: steps / STEPS_PER_US,
            engine,
            session: id,
            protocol: Protocol::Resp2,
            reads_only: reads_only || flags.no_writes,
            allows_oom: flags.allow_oom,
            had_room,
            changes_before,
            work: 0,
            work_max: steps.saturating_mul(4),
            caller,
        })
    }

    /// Sets the protocol in which replies come (`redis.setresp`).
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        if let Some(session) = self.engine.sessions.get_mut(self.session) {
            session.protocol = protocol;
        }
    }

    /// The protocol in which replies come.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Runs a command; an error is a reply like any other.
    pub fn call(&mut self, argv: &[&[u8]]) -> Reply {
        let mut bytes = Vec::new();
        if let Err(error) = self.run(argv, &mut bytes) {
            bytes.clear();
            self.engine.stats.count_error(error.code());
            Writer::new(&mut bytes, self.protocol).error(error.as_bytes());
        }
        if bytes.len() > REPLY_MAX {
            let error: &[u8] = b"ERR the reply is too long for a script";
            bytes = Vec::new();
            Writer::new(&mut bytes, self.protocol).error(error);
        }
        self.work = self.work.saturating_add(WORK_OF_CALL).saturating_add(bytes.len() as u64);
        let now_us = (self.engine.clock)();
        let took_us = now_us.saturating_sub(self.asked_us).min(CALL_US_MAX);
        (self.took_us, self.asked_us) = (self.took_us.saturating_add(took_us), now_us);
        Reply { bytes, spent: self.work > self.work_max || self.took_us > self.us_max }
    }

    fn run(&mut self, argv: &[&[u8]], bytes: &mut Vec<u8>) -> Result<(), Error> {
        let named = self.engine.named(argv);
        let unknown = Error::fixed("ERR Unknown Redis command called from script");
        let Some(argv) = named.words(argv) else { return Err(unknown) };
        let command = self.engine.registry().resolve(argv).ok_or(unknown)?;
        if !command.can_run(argv.len()) {
            return Err(Error::fixed("ERR Wrong number of args calling Redis command from script"));
        }
        let resolved = self.engine.resolve(argv)?;
        self.admit(resolved, argv)?;
        let mut out = Writer::new(bytes, self.protocol);
        self.engine.run(self.session, resolved, argv, &mut out);
        Ok(())
    }

    fn admit(&mut self, resolved: Resolved, argv: &[&[u8]]) -> Result<(), Error> {
        let command = resolved.command;
        if command.has(flag::NOSCRIPT) {
            return Err(Error::fixed("ERR This Redis command is not allowed from script"));
        }
        self.engine.admit_user(self.session, resolved, argv)?;
        if command.has(flag::WRITE) {
            if self.reads_only {
                return Err(Error::fixed(
                    "ERR Write commands are not allowed from read-only scripts.",
                ));
            }
            self.engine.admit_write()?;
            if !self.engine.effects.make_room() || !self.engine.may_log(command) {
                return Err(Error::OUT_OF_MEMORY);
            }
        }
        if command.has(flag::DENYOOM) {
            let has_changed = self.engine.stats.changes != self.changes_before;
            let had_room = self.had_room || self.allows_oom || has_changed;
            if !had_room || !(self.engine.meter.has_reserve)() {
                return Err(Error::OUT_OF_MEMORY);
            }
            self.engine.ask_for_words(argv)?;
        }
        Ok(())
    }

    /// Whether the user may run a command; `None` if there is no such command.
    pub fn may(&mut self, argv: &[&[u8]]) -> Option<bool> {
        let named = self.engine.named(argv);
        let argv = named.words(argv)?;
        let command = self.engine.registry().resolve(argv)?;
        Some(self.engine.denial(self.session, command, argv).is_none())
    }

    /// Seconds since the engine was made.
    pub fn seconds(&self) -> f64 {
        self.engine.now_us().saturating_sub(self.engine.started_us) as f64 / 1e6
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // What the last command answered is not what the script does.
        self.engine.copied = None;
        if let Some(session) = self.engine.sessions.get_mut(self.session) {
            session.db = self.caller.db;
            session.protocol = self.caller.protocol;
            session.deny_blocking = self.caller.denied_blocking;
            session.in_script = None;
        }
    }
}

impl Engine {
    /// Whether there is room for more, after keys were evicted if that helps.
    fn has_room(&mut self) -> bool {
        (self.config.maxmemory.bytes == 0 || self.make_room()) && (self.meter.has_reserve)()
    }

    /// Whether a script with a shebang may run.
    fn admit_script(&self, flags: Flags, reads_only: bool, has_room: bool) -> Result<(), Error> {
        if !flags.allow_oom && !has_room {
            return Err(Error::fixed(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > \
                 'maxmemory'",
            ));
        }
        if flags.no_writes {
            return Ok(());
        }
        if self.is_follower() {
            return Err(Error::fixed(
                "READONLY Can not run script with write flag on readonly replica",
            ));
        }
        if let Some(why) = &self.persistence.write_error {
            return Err(Error::new(format!(
                "MISCONF Redis is configured to persist data to AOF, but it's currently unable to \
                 persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only \
                 scripts. AOF error: {why}"
            )));
        }
        if reads_only {
            return Err(Error::fixed(
                "ERR Can not execute a script with write flag using *_ro command.",
            ));
        }
        Ok(())
    }

    /// Whether a script may write.
    fn admit_write(&self) -> Result<(), Error> {
        if self.is_follower() {
            return Err(Error::READ_ONLY);
        }
        self.write_refusal().map_or(Ok(()), Err)
    }
}
