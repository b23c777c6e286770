//! How long commands take, if somebody wants to know: asking the host's clock twice costs more than
//! most commands.

use super::Engine;
use super::registry::Resolved;
use super::session::SessionId;
use super::table::flag;
use std::collections::VecDeque;

/// So many words of a command are kept, and so many bytes of a word.
const WORDS: usize = 32;
const WORD_BYTES: usize = 128;

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// SLOWLOG, the oldest first.
    pub(super) slow: VecDeque<Slow>,
    next_id: i64,
}

/// A command that took long.
#[derive(Debug)]
pub(super) struct Slow {
    pub(super) id: i64,
    pub(super) at_s: i64,
    pub(super) took_us: i64,
    pub(super) words: Vec<Vec<u8>>,
    pub(super) address: String,
    pub(super) name: Vec<u8>,
}

impl Engine {
    /// A command of a session has run that began at this time of the clock.
    #[cold]
    pub(super) fn note_duration(
        &mut self,
        id: SessionId,
        resolved: Resolved,
        argv: &[&[u8]],
        began_us: u64,
    ) {
        let took_us = (self.clock)().saturating_sub(began_us);
        let is_slow = u64::try_from(self.config.slowlog_log_slower_than)
            .is_ok_and(|slower_than_us| took_us >= slower_than_us);
        if self.loading || !is_slow || resolved.command.has(flag::SKIP_SLOWLOG) {
            return;
        }
        let most = self.config.slowlog_max_len;
        while self.timing.slow.len() >= most && self.timing.slow.pop_front().is_some() {}
        let Some(session) = self.sessions.get(id) else { return };
        let entry = Slow {
            id: self.timing.next_id,
            at_s: self.now.us.div_euclid(1_000_000),
            took_us: i64::try_from(took_us).unwrap_or(i64::MAX),
            words: shortened(resolved, argv),
            address: session.address.clone(),
            name: session.name.clone(),
        };
        self.timing.next_id += 1;
        if most > 0 && (self.meter.has_reserve)() {
            self.timing.slow.push_back(entry);
        }
    }
}

/// The words of a command as SLOWLOG shows them: not all of them, none whole that is long, and no
/// password.
fn shortened(resolved: Resolved, argv: &[&[u8]]) -> Vec<Vec<u8>> {
    let whole = if argv.len() > WORDS { WORDS - 1 } else { argv.len() };
    let mut words: Vec<Vec<u8>> =
        argv.iter().take(whole).map(|word| shortened_word(word)).collect();
    if argv.len() > whole {
        words.push(format!("... ({} more arguments)", argv.len() - whole).into_bytes());
    }
    let secret = match resolved.command.name {
        "auth" if argv.len() <= 3 => 1..3,
        "hello" => {
            let is_auth = |word: &&[u8]| word.eq_ignore_ascii_case(b"AUTH");
            argv.iter().skip(2).position(is_auth).map_or(0..0, |at| at + 3..at + 5)
        }
        _ => 0..0,
    };
    for word in words.iter_mut().take(secret.end).skip(secret.start) {
        *word = b"(redacted)".to_vec();
    }
    words
}

fn shortened_word(word: &[u8]) -> Vec<u8> {
    match word.split_at_checked(WORD_BYTES) {
        Some((shown, rest)) if !rest.is_empty() => {
            [shown, format!("... ({} more bytes)", rest.len()).as_bytes()].concat()
        }
        _ => word.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{Engine, Options};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    static CLOCK: AtomicU64 = AtomicU64::new(0);

    #[test]
    fn only_what_takes_long_is_in_the_slow_log() {
        // Every command takes 100 microseconds more than the one before.
        let clock = || {
            let asked = CLOCK.fetch_add(1, Relaxed);
            if asked.is_multiple_of(2) { 0 } else { asked.div_ceil(2) * 100 }
        };
        let mut engine = Engine::new(&Options { clock, ..Options::default() });
        let session = engine.connect();
        let mut run = |words: &[&[u8]]| {
            let mut out = Vec::new();
            engine.call(session, words, &mut out);
            String::from_utf8(out).unwrap()
        };
        run(&[b"PING"]);
        assert_eq!(CLOCK.load(Relaxed), 0, "the clock is asked for nothing");
        run(&[b"CONFIG", b"SET", b"slowlog-log-slower-than", b"250"]);
        (0..3).for_each(|_| drop(run(&[b"PING"])));
        assert_eq!(run(&[b"SLOWLOG", b"LEN"]), ":1\r\n");
        assert!(run(&[b"SLOWLOG", b"GET", b"-1"]).contains(":300\r\n*1\r\n$4\r\nPING\r\n"));
        run(&[b"CONFIG", b"SET", b"slowlog-max-len", b"2"]);
        assert_eq!(run(&[b"SLOWLOG", b"LEN"]), ":2\r\n");
        run(&[b"CONFIG", b"SET", b"slowlog-max-len", b"0"]);
        assert_eq!(run(&[b"SLOWLOG", b"LEN"]), ":0\r\n");
    }
}
