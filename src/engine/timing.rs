//! How long commands take, if somebody wants to know: asking the host's clock twice costs more than
//! most commands.

use super::Engine;
use super::registry::Resolved;
use super::session::SessionId;
use super::table::flag;
use crate::collections::Sorted;
use std::collections::VecDeque;
use std::ops::Range;

/// So many words of a command are kept, and so many bytes of a word.
const WORDS: usize = 32;
const WORD_BYTES: usize = 128;

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// SLOWLOG, the oldest first.
    pub(super) slow: VecDeque<Slow>,
    next_id: i64,
    /// LATENCY: when something took too long.
    pub(super) events: Vec<Samples>,
    /// LATENCY HISTOGRAM, by the commands' full names.
    pub(super) histograms: Sorted<String, Histogram>,
}

/// So many samples of an event are kept.
const SAMPLES: usize = 160;

/// When an event took too long.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) event: &'static str,
    /// Unix seconds, and milliseconds that it took; the worst of every second.
    pub(super) samples: VecDeque<(i64, i64)>,
    /// The longest ever, in milliseconds.
    pub(super) most_ms: i64,
}

/// Durations up to a second fall into so many powers of two of 1024 nanoseconds.
const BUCKETS: usize = 21;

/// How often a command took how long.
#[derive(Debug, Default)]
pub(super) struct Histogram([i64; BUCKETS]);

impl Histogram {
    /// The longest duration of a bucket in nanoseconds: that of Redis's histograms, which count with a
    /// precision of two digits.
    fn longest_ns(bucket: usize) -> u64 {
        (1 << (10 + bucket)) + (1 << (3 + bucket)) - 1
    }

    fn count(&mut self, took_us: u64) {
        let took_ns = took_us.saturating_mul(1000);
        let bucket = (0..BUCKETS).find(|bucket| took_ns <= Self::longest_ns(*bucket));
        if let Some(count) = self.0.get_mut(bucket.unwrap_or(BUCKETS - 1)) {
            *count += 1;
        }
    }

    /// How many calls there were.
    pub(super) fn calls(&self) -> i64 {
        self.0.iter().sum()
    }

    /// So many nanoseconds so many calls of a thousand took at most.
    pub(super) fn percentile_ns(&self, permille: i64) -> u64 {
        let wanted = (self.calls() * permille).div_euclid(1000).max(1);
        let mut sum = 0;
        let reached = self.0.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        Self::longest_ns(reached.unwrap_or(BUCKETS - 1))
    }

    /// Microseconds, and how many calls took no longer, where it is more than before.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (i64, i64)> {
        let mut sum = 0;
        self.0.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(bucket, count)| {
            sum += count;
            ((Self::longest_ns(bucket) / 1000) as i64, sum)
        })
    }
}

impl Timing {
    fn note_event(&mut self, event: &'static str, at_s: i64, took_ms: i64) {
        let found = self.events.iter().position(|known| known.event == event);
        let at = found.unwrap_or_else(|| {
            self.events.push(Samples { event, samples: VecDeque::new(), most_ms: 0 });
            self.events.len() - 1
        });
        let Some(known) = self.events.get_mut(at) else { return };
        known.most_ms = known.most_ms.max(took_ms);
        match known.samples.back_mut() {
            Some((last_s, worst_ms)) if *last_s == at_s => *worst_ms = took_ms.max(*worst_ms),
            _ => {
                if known.samples.len() >= SAMPLES {
                    known.samples.pop_front();
                }
                known.samples.push_back((at_s, took_ms));
            }
        }
    }

    fn note_call(&mut self, resolved: Resolved, took_us: u64) {
        let name = resolved.full_name();
        if let Some(histogram) = self.histograms.get_mut(&name) {
            return histogram.count(took_us);
        }
        let mut histogram = Histogram::default();
        histogram.count(took_us);
        self.histograms.insert(name, histogram);
    }
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
        self.calls.count_us(resolved.command, took_us);
        let at_s = self.now.us.div_euclid(1_000_000);
        if self.config.latency_tracking {
            self.timing.note_call(resolved, took_us);
        }
        let (took_ms, threshold) = (took_us / 1000, self.config.latency_monitor_threshold as u64);
        if threshold > 0 && took_ms >= threshold {
            let event = if resolved.command.has(flag::FAST) { "fast-command" } else { "command" };
            self.timing.note_event(event, at_s, i64::try_from(took_ms).unwrap_or(i64::MAX));
        }
        let is_slow = u64::try_from(self.config.slowlog_log_slower_than)
            .is_ok_and(|slower_than_us| took_us >= slower_than_us);
        if is_slow && !resolved.command.has(flag::SKIP_SLOWLOG) {
            self.note_slow(id, resolved, argv, took_us);
        }
    }

    fn note_slow(&mut self, id: SessionId, resolved: Resolved, argv: &[&[u8]], took_us: u64) {
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
    let secret = secrets(resolved, argv);
    for word in words.iter_mut().take(secret.end).skip(secret.start) {
        *word = b"(redacted)".to_vec();
    }
    words
}

/// Where passwords are.
pub(super) fn secrets(resolved: Resolved, argv: &[&[u8]]) -> Range<usize> {
    let after = |name: &[u8]| {
        let found = argv.iter().skip(2).position(|word| word.eq_ignore_ascii_case(name));
        found.map(|at| at + 3)
    };
    match (resolved.container, resolved.command.name) {
        (None, "auth") if argv.len() <= 3 => 1..3,
        (None, "hello") => after(b"auth").map_or(0..0, |at| at..at + 2),
        (Some(_), "setuser") => 2..argv.len(),
        (Some(container), "set") if container.name == "config" => {
            after(b"requirepass").map_or(0..0, |at| at..at + 1)
        }
        _ => 0..0,
    }
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
    fn what_takes_too_long_is_counted_and_drawn() {
        static ASKED: AtomicU64 = AtomicU64::new(0);
        // The times at which commands begin and end, in milliseconds.
        const TIMES: [u64; 10] = [0, 9, 10, 15, 20, 40, 50, 51, 60, 60];
        let clock = || TIMES.get(ASKED.fetch_add(1, Relaxed) as usize).unwrap_or(&0) * 1000;
        let mut engine = Engine::new(&Options { clock, now_us: 7_000_000, ..Options::default() });
        let session = engine.connect();
        let mut run = |at_s: i64, words: &[&[u8]]| {
            let mut out = Vec::new();
            engine.set_time(at_s * 1_000_000);
            engine.call(session, words, &mut out);
            String::from_utf8(out).unwrap()
        };
        let settings: [&[u8]; 6] =
            [b"CONFIG", b"SET", b"latency-monitor-threshold", b"5", b"latency-tracking", b"yes"];
        run(7, &settings);
        run(8, &[b"PING"]);
        run(8, &[b"PING"]);
        run(9, &[b"PING"]);
        run(10, &[b"PING"]);
        run(10, &[b"CONFIG", b"SET", b"latency-tracking", b"no"]);
        let latest = run(70, &[b"LATENCY", b"LATEST"]);
        assert_eq!(latest, "*1\r\n*4\r\n$12\r\nfast-command\r\n:9\r\n:20\r\n:20\r\n");
        let history = run(70, &[b"LATENCY", b"HISTORY", b"fast-command"]);
        assert_eq!(history, "*2\r\n*2\r\n:8\r\n:9\r\n*2\r\n:9\r\n:20\r\n");
        let graph = run(69, &[b"LATENCY", b"GRAPH", b"fast-command"]);
        let drawn = " #\n |\n |\n_|\n  \n11\nmm\n";
        assert!(graph.ends_with(&format!("{drawn}\r\n")), "{graph}");
        assert!(graph.contains("fast-command - high 20 ms, low 9 ms (all time high 20 ms)\n---"));
        let histogram = run(70, &[b"LATENCY", b"HISTOGRAM", b"ping"]);
        let buckets = ":1056\r\n:1\r\n:8454\r\n:2\r\n:16908\r\n:3\r\n:33816\r\n:4\r\n";
        assert!(histogram.ends_with(buckets), "{histogram}");
        let report = run(70, &[b"LATENCY", b"DOCTOR"]);
        assert!(report.contains("2 latency spikes (average 14ms). Worst all time event 20ms."));
        assert_eq!(run(70, &[b"LATENCY", b"RESET", b"command", b"fast-command"]), ":1\r\n");
    }

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
