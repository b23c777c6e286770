//! What is borne of clients: how many there are, how long one may be silent, and how much may wait
//! for one that does not read.
//!
//! The host tells what it has not been able to send ([`Engine::set_unsent`]), and closes sessions that
//! were killed.

use super::Engine;
use super::config::parse_memory;
use super::session::{Session, SessionId, Sessions};

/// How often clients are looked at that may have to go.
const LOOK_MS: i64 = 1000;

/// How much may wait for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    /// Bytes that are too many at once; 0 for no limit.
    hard: u64,
    /// Bytes that are too many after a while; 0 for no limit.
    soft: u64,
    /// That while.
    soft_s: i32,
}

/// `client-output-buffer-limit`: of those who are subscribed to nothing, replicas, and subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits([Limit; 3]);

/// The names of the classes, as they are answered; a replica is a slave.
const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

impl Default for OutputLimits {
    fn default() -> Self {
        let limit =
            |hard: u64, soft: u64, soft_s| Limit { hard: hard << 20, soft: soft << 20, soft_s };
        Self([limit(0, 0, 0), limit(256, 64, 60), limit(32, 8, 60)])
    }
}

impl OutputLimits {
    /// The setting, as CONFIG GET answers it.
    pub(super) fn text(&self) -> String {
        let words = CLASSES.iter().zip(self.0);
        let texts = words.map(|(class, Limit { hard, soft, soft_s })| {
            [*class, &hard.to_string(), &soft.to_string(), &soft_s.to_string()].join(" ")
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    /// Changes the classes that the setting names.
    pub(super) fn set(&mut self, value: &[u8]) -> Result<(), String> {
        let words: Vec<&[u8]> = value.split(|byte| *byte == b' ').collect();
        let (limits, rest) = words.as_chunks::<4>();
        if value.is_empty() {
            return Ok(());
        }
        if !rest.is_empty() {
            return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
        }
        for [class, hard, soft, seconds] in limits {
            let class = if class.eq_ignore_ascii_case(b"replica") { b"slave" } else { *class };
            let is_named = |name: &str| class.eq_ignore_ascii_case(name.as_bytes());
            let place = CLASSES.iter().position(|name| is_named(name));
            let Some(limit) = place.and_then(|at| self.0.get_mut(at)) else {
                return Err(
                    "Invalid client class specified in buffer limit configuration.".to_owned()
                );
            };
            let new = parse_memory(hard).zip(parse_memory(soft)).zip(parse_seconds(seconds));
            let Some(((hard, soft), soft_s)) = new else {
                return Err("Error in hard, soft or soft_seconds setting in buffer limit \
                            configuration."
                    .to_owned());
            };
            *limit = Limit { hard, soft, soft_s };
        }
        Ok(())
    }

    fn of(&self, session: &Session) -> Limit {
        let [normal, _, pubsub] = self.0;
        if session.is_subscriber() { pubsub } else { normal }
    }
}

/// No word is none at all.
fn parse_seconds(word: &[u8]) -> Option<i32> {
    if word.is_empty() {
        return Some(0);
    }
    let seconds = crate::number::parse_integer(word).filter(|seconds| *seconds >= 0)?;
    Some(i32::try_from(seconds).unwrap_or(i32::MAX))
}

/// What of a session waits to be sent, and for how long it has been too much.
#[derive(Debug, Default)]
pub struct Unsent {
    /// Bytes that the host has.
    pub host: u64,
    /// Since when there are more than the soft limit: Unix milliseconds.
    since_ms: Option<i64>,
}

impl Session {
    /// Bytes that wait to be sent.
    fn waiting(&self) -> u64 {
        self.unsent.host.saturating_add(self.outbox.len() as u64)
    }
}

impl Sessions {
    /// Drops the session if more waits for it than may; whether it did.
    pub(super) fn drop_if_slow(&mut self, id: SessionId) -> bool {
        let Some(session) = self.get(id).filter(|session| !session.closing) else { return false };
        let (limit, waiting) = (self.output_limits.of(session), session.waiting());
        let is_over = |limit: u64| limit > 0 && waiting >= limit;
        self.is_slow |= is_over(limit.soft);
        if is_over(limit.hard) {
            self.drop_slow(id);
            return true;
        }
        false
    }

    fn drop_slow(&mut self, id: SessionId) {
        self.slow_dropped += 1;
        self.kill(id);
    }
}

impl Engine {
    /// The host has so many bytes for the session that it cannot send yet. If that is too much, the
    /// session is one that was killed from now on.
    pub fn set_unsent(&mut self, id: SessionId, bytes: u64) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.unsent.host = bytes;
            self.sessions.drop_if_slow(id);
        }
    }

    /// Whether one more client may connect.
    pub fn admits_client(&mut self) -> bool {
        let clients = self.sessions.iter().filter(|(_, session)| !session.closing).count();
        let is_full = clients >= self.config.max_clients as usize;
        self.stats.rejected_connections += u64::from(is_full);
        !is_full
    }

    /// Lets clients go that have been too slow, or silent, for too long. Answers when to look again.
    pub(super) fn look_at_clients(&mut self) -> Option<i64> {
        self.sessions.output_limits = self.config.output_limits;
        let idle_ms = i64::from(self.config.timeout_s) * 1000;
        if idle_ms == 0 && !self.sessions.is_slow {
            return None;
        }
        let now = self.now_ms();
        if now < self.clients_due_ms {
            return Some(self.clients_due_ms);
        }
        self.sessions.is_slow = false;
        let ids: Vec<SessionId> = self.sessions.iter().map(|(id, _)| id).collect();
        for id in ids {
            let limits = self.sessions.output_limits;
            let Some(session) = self.sessions.get_mut(id) else { continue };
            let limit = limits.of(session);
            let is_slow = limit.soft > 0 && session.waiting() >= limit.soft;
            let since = session.unsent.since_ms.filter(|_| is_slow).unwrap_or(now);
            session.unsent.since_ms = is_slow.then_some(since);
            let is_silent = idle_ms > 0
                && session.is_connection
                && session.blocked.is_none()
                && !session.is_subscriber()
                && now.saturating_sub(session.active_ms) > idle_ms;
            if is_slow && now.saturating_sub(since) > i64::from(limit.soft_s) * 1000 {
                self.sessions.drop_slow(id);
            } else if is_silent {
                self.kill(id);
            } else {
                self.sessions.is_slow |= is_slow;
            }
        }
        self.clients_due_ms = now.saturating_add(LOOK_MS);
        Some(self.clients_due_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_whole_or_not() {
        let mut limits = OutputLimits::default();
        let before = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(limits.text(), before);
        for good in ["", "replica 256mb 64mb 60", "PubSub 32mb 8mb 60 normal 0 0 "] {
            assert_eq!(limits.set(good.as_bytes()), Ok(()), "{good}");
            assert_eq!(limits.text(), before);
        }
        for (bad, why) in [
            ("normal 0 0", "Wrong number of arguments"),
            ("normal  0 0 0", "Wrong number of arguments"),
            ("master 0 0 0", "Invalid client class"),
            ("normal 1x 0 0", "Error in hard, soft"),
            ("normal -1 0 0", "Error in hard, soft"),
            ("normal 0 0 -1", "Error in hard, soft"),
            ("normal 0 0 1x", "Error in hard, soft"),
        ] {
            let error = OutputLimits::default().set(bad.as_bytes()).unwrap_err();
            assert!(error.starts_with(why), "{bad}: {error}");
        }
    }
}
