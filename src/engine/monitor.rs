//! MONITOR: sessions that are shown what all sessions run.

use super::Engine;
use super::registry::Resolved;
use super::session::{ReplyMode, SessionId};
use super::table::flag;
use super::timing::secrets;

/// A monitor for which more than this waits is too slow, and is disconnected.
const WAITING_MAX: usize = 32 << 20;

impl Engine {
    /// Has a session shown what is run, or no longer. Hosts forget what they have copied: of what they
    /// answer themselves nothing could be shown.
    pub(super) fn set_monitor(&mut self, id: SessionId, is_on: bool) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        if std::mem::replace(&mut session.monitors, is_on) == is_on {
            return;
        }
        if is_on {
            self.monitors.push(id);
            self.forget_copies();
        } else {
            self.monitors.retain(|other| *other != id);
        }
    }

    /// No copy that a host has made is worth anything any more.
    pub(super) fn forget_copies(&mut self) {
        self.copied = None;
        for index in 0..self.keyspace.databases() {
            self.keyspace.db_mut(index).generations().advance_all();
        }
    }

    /// Shows the monitors a command of a session. Scripts come before what they call, all others when they
    /// have run.
    #[cold]
    pub(super) fn feed_monitors(&mut self, id: SessionId, resolved: Resolved, argv: &[&[u8]]) {
        let Some(session) = self.sessions.get(id) else { return };
        if self.loading || resolved.command.has(flag::ADMIN) {
            return;
        }
        let now_us = self.now_us();
        let (s, us) = (now_us.div_euclid(1_000_000), now_us.rem_euclid(1_000_000));
        let own = if session.address.is_empty() {
            format!("lodis:{}", session.client_id)
        } else {
            session.address.clone()
        };
        let from = if session.in_script.is_some() { "lua" } else { &own };
        let mut line = format!("+{s}.{us:06} [{} {from}]", session.db).into_bytes();
        let secret = secrets(resolved, argv);
        for (at, word) in argv.iter().enumerate() {
            line.push(b' ');
            quote(if secret.contains(&at) { b"(redacted)" } else { word }, &mut line);
        }
        line.extend_from_slice(b"\r\n");
        for monitor in self.monitors.clone() {
            let session = self.sessions.get(monitor);
            if session.is_none_or(|session| session.reply_mode == ReplyMode::Off) {
                continue;
            }
            if session.is_some_and(|session| session.outbox.len() > WAITING_MAX) {
                self.kill(monitor);
            } else {
                self.sessions.deliver(monitor, |out| out.raw(&line));
            }
        }
    }
}

/// Whether monitors are shown the command before it runs.
pub(super) fn is_shown_first(resolved: Resolved) -> bool {
    resolved.command.has(flag::SKIP_MONITOR)
}

/// Adds a word as Redis quotes it.
fn quote(word: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    for byte in word {
        match byte {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', *byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            7 => line.extend_from_slice(b"\\a"),
            8 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(*byte),
            _ => line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    line.push(b'"');
}
