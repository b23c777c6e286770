//! CLIENT PAUSE: for some time commands wait, and nothing expires or is evicted.
//!
//! A command that comes meanwhile parks its session; when the time is over it is called as if it had
//! just come, in the order in which the commands came. A session in which nothing may wait is answered
//! an error instead: its host asks [`Engine::postpones`] before.

use super::Engine;
use super::blocking::{BlockOn, Parked};
use super::error::Error;
use super::registry::Resolved;
use super::script;
use super::session::SessionId;
use super::table::{Command, flag};
use crate::resp::Writer;

/// A pause, until those that wait because of it have got on.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// When it is over: Unix milliseconds.
    until_ms: i64,
    /// Whether all commands wait, and not only those that may write.
    is_all: bool,
    /// Who waits, in the order in which they came. Some may have ended since.
    waiting: Vec<SessionId>,
    /// Those that waited are getting on.
    is_ending: bool,
}

/// What a session is answered in which nothing may wait.
pub(crate) const POSTPONED: Error =
    Error::fixed("ERR CLIENT PAUSE postpones this command, and a synchronous call cannot wait");

impl Engine {
    /// Whether commands are postponed now.
    pub fn is_paused(&self) -> bool {
        self.pause.as_ref().is_some_and(|pause| self.now_ms() < pause.until_ms)
    }

    /// Whether what is past its time, or would be evicted, stays where it is.
    pub(crate) fn keeps_all(&self) -> bool {
        self.follower || self.is_paused()
    }

    /// Begins a pause, or makes one longer and stricter that there is.
    pub(super) fn begin_pause(&mut self, until_ms: i64, is_all: bool) {
        let is_paused = self.is_paused();
        let pause = self.pause.get_or_insert_default();
        pause.until_ms = if is_paused { pause.until_ms.max(until_ms) } else { until_ms };
        pause.is_all = is_all || (is_paused && pause.is_all);
        self.forget_copies();
    }

    /// Ends the pause; who waits gets on when the command has run that says so.
    pub(super) fn end_pause(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.until_ms = i64::MIN;
        }
    }

    /// When the pause is over, if there is one.
    pub(super) fn pause_ends(&self) -> Option<i64> {
        self.pause.as_ref().map(|pause| pause.until_ms)
    }

    /// Whether the session has to wait with this command.
    pub fn postpones(
        &mut self,
        id: SessionId,
        command: Option<&'static Command>,
        argv: &[&[u8]],
    ) -> bool {
        let resolved = self.resolve_with(command, argv);
        self.is_paused() && resolved.is_ok_and(|resolved| self.must_wait(id, resolved, argv))
    }

    fn must_wait(&mut self, id: SessionId, resolved: Resolved, argv: &[&[u8]]) -> bool {
        if self.pause.as_ref().is_some_and(|pause| pause.is_all) {
            return true;
        }
        if resolved.command.name != "exec" {
            return self.may_write(resolved.command, argv);
        }
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let queue = session.queue.take();
        let is_found = queue.as_ref().is_some_and(|queue| {
            queue.commands.iter().any(|words| {
                let argv: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
                self.resolve(&argv).is_ok_and(|queued| self.may_write(queued.command, &argv))
            })
        });
        if let Some(session) = self.sessions.get_mut(id) {
            session.queue = queue;
        }
        is_found
    }

    /// Whether a command may change something, or tell others something.
    fn may_write(&mut self, command: &Command, argv: &[&[u8]]) -> bool {
        if command.has(flag::SKIP_MONITOR) {
            return !command.has(flag::READONLY) && !script::only_reads(self, command.name, argv);
        }
        command.has(flag::WRITE) || command.has(flag::MAY_REPLICATE)
    }

    /// Has a session wait with a command that has been admitted, if it must; whether it does. In a
    /// session in which nothing may wait it is answered.
    #[cold]
    pub(super) fn is_postponed(
        &mut self,
        id: SessionId,
        resolved: Resolved,
        argv: &[&[u8]],
        out: &mut Writer<'_>,
    ) -> bool {
        if !self.is_paused() || !self.must_wait(id, resolved, argv) {
            return false;
        }
        if self.sessions.get(id).is_some_and(|session| session.deny_blocking) {
            out.error(POSTPONED.as_bytes());
            return true;
        }
        self.park(id, Parked::paused(), argv);
        if let Some(pause) = &mut self.pause {
            pause.waiting.push(id);
        }
        true
    }

    /// Lets those get on that have waited, if the pause is over.
    #[cold]
    pub(super) fn settle_pause(&mut self) {
        while !self.is_paused()
            && let Some(pause) = self.pause.as_mut().filter(|pause| !pause.is_ending)
        {
            if pause.waiting.is_empty() {
                self.pause = None;
                return;
            }
            pause.is_ending = true;
            for id in std::mem::take(&mut pause.waiting) {
                self.get_on(id);
            }
            if let Some(pause) = &mut self.pause {
                pause.is_ending = false;
            }
        }
    }

    /// Calls what a session has waited with.
    fn get_on(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(id) else { return };
        if session.blocked.as_ref().is_none_or(|blocked| blocked.on != BlockOn::Paused) {
            return;
        }
        let protocol = session.protocol;
        let Some(blocked) = self.unpark(id) else { return };
        let argv = blocked.words();
        let command = argv.first().and_then(|name| self.registry.get(name));
        let mut reply = Vec::new();
        self.copied = None;
        self.effects.begin_unit();
        let before = self.begin_part();
        let outer = self.run_for(blocked.request);
        let has_room = self.has_room_for_effects();
        self.process(id, command, &argv, has_room, &mut Writer::new(&mut reply, protocol));
        self.run_for(outer);
        let again = self.sessions.get_mut(id).and_then(|session| session.blocked.as_mut());
        let is_over = again.is_none();
        if let Some(again) = again {
            again.muted = blocked.muted;
            again.request = blocked.request;
        } else if let Some(request) = blocked.request {
            self.end_part(request, blocked.heard(&reply), 1, before);
        }
        self.note_unit(false);
        self.effects.end_unit();
        if is_over {
            self.deliver_reply(id, &blocked, &reply);
        }
        self.serve_blocked();
        if self.tracking.is_some() {
            self.settle_tracking();
        }
    }
}
