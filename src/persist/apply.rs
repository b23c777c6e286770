//! Applies the effect stream to an engine: what replaying the log and following a leader share.
//!
//! SELECT, MULTI and EXEC frame the stream and are understood here, as are the records of
//! [`crate::engine::requests`]; everything else must be a write command of the table. A unit, which
//! is a command by itself or all that is between MULTI and EXEC, is run in one step: once it has been
//! read whole, or not at all.

use super::replay::ReplayError;
use crate::engine::Engine;
use crate::engine::registry::subcommand;
use crate::engine::session::SessionId;
use crate::engine::table::flag;
use crate::resp::{Limits, Request, RequestParser};
use smallvec::SmallVec;
use std::cell::Cell;
use std::ops::Range;

type Words = Vec<Range<usize>>;

/// Bytes of a command that count as a step.
const STEP_LEN: usize = 4096;

/// An empty buffer that is larger is given back.
const BUFFER_KEPT: usize = 1024 * 1024;

/// Runs the units of a stream. While it does, the engine must be loading.
pub(super) struct Applier {
    session: SessionId,
    parser: RequestParser,
    /// What was pushed, from offset `start` on.
    buffer: Vec<u8>,
    start: u64,
    /// The offset after what was pushed.
    end: u64,
    /// The offset after the last whole unit that was run.
    applied: u64,
    /// Between MULTI and EXEC: the commands so far.
    unit: Option<Vec<Words>>,
    /// The last reply's room.
    reply: Cell<Vec<u8>>,
}

/// What there is to run.
enum Unit {
    Nothing,
    Command(Words),
    Transaction(Vec<Words>),
}

impl Applier {
    /// Begins at `offset`.
    pub(super) fn new(engine: &mut Engine, offset: u64) -> Self {
        Self {
            session: engine.connect_owner(),
            parser: parser(),
            buffer: Vec::new(),
            start: offset,
            end: offset,
            applied: offset,
            unit: None,
            reply: Cell::default(),
        }
    }

    /// The offset after the last whole unit that was run.
    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    /// The offset after what was pushed.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Adds the bytes from [`Applier::end`] on.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), ReplayError> {
        let end = self.end.checked_add(bytes.len() as u64);
        let end = end.ok_or_else(|| self.corrupt("an offset is too large"))?;
        self.buffer.try_reserve(bytes.len()).map_err(|_| ReplayError::OutOfMemory)?;
        self.buffer.extend_from_slice(bytes);
        self.end = end;
        Ok(())
    }

    /// Lets go of what is applied, once that is most of what there is.
    pub(super) fn forget_applied(&mut self) {
        if (self.applied - self.start).saturating_mul(2) >= self.buffer.len() as u64 {
            self.forget_before(self.applied);
        }
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEPT {
            self.buffer = Vec::new();
        }
    }

    /// Lets go of the bytes before `offset`, of which all must be applied.
    pub(super) fn forget_before(&mut self, offset: u64) {
        let dropped = offset.min(self.applied).saturating_sub(self.start);
        if dropped == 0 {
            return;
        }
        self.start += dropped;
        let dropped = dropped as usize;
        self.buffer.drain(..dropped);
        self.parser.rebase(dropped);
        for range in self.unit.iter_mut().flatten().flatten() {
            *range = range.start.saturating_sub(dropped)..range.end.saturating_sub(dropped);
        }
    }

    /// The applied bytes from `offset` on; those that are gone are missing.
    pub(super) fn applied_from(&self, offset: u64) -> &[u8] {
        let [from, to] = [offset, self.applied].map(|at| at.saturating_sub(self.start) as usize);
        self.buffer.get(from..to).unwrap_or_default()
    }

    /// Lets go of everything that is not applied: the stream goes on from there.
    pub(super) fn rewind(&mut self) {
        (self.start, self.end) = (self.applied, self.applied);
        (self.buffer, self.parser, self.unit) = (Vec::new(), parser(), None);
    }

    /// Runs units of up to `steps` steps, and the last one whole: a command is one, and another for
    /// every [`STEP_LEN`] bytes. Whether there may be more to do.
    pub(super) fn step(&mut self, engine: &mut Engine, steps: usize) -> Result<bool, ReplayError> {
        let mut left = steps;
        while left > 0 {
            left -= 1;
            let request = self.parser.next(&self.buffer);
            let words = match request.map_err(|error| self.corrupt(&error.reply()))? {
                None => return Ok(false),
                Some(Request::Array(words)) => words,
                Some(Request::Inline(_)) => return Err(self.corrupt("an inline command")),
            };
            match self.sort(words)? {
                Unit::Nothing => continue,
                Unit::Command(words) => {
                    left = left.saturating_sub(cost(&words));
                    self.run(engine, &words)?;
                    self.parser.reuse(Request::Array(words));
                }
                Unit::Transaction(commands) => {
                    for words in &commands {
                        left = left.saturating_sub(cost(words));
                        self.run(engine, words)?;
                    }
                }
            }
            self.applied = self.start + self.parser.position() as u64;
        }
        Ok(true)
    }

    /// Ends the session that the commands are run in.
    pub(super) fn end_session(self, engine: &mut Engine) {
        engine.disconnect(self.session);
    }

    /// Decides what a command means for the unit it is in.
    fn sort(&mut self, words: Words) -> Result<Unit, ReplayError> {
        let is = |name: &[u8]| self.word(&words, 0).eq_ignore_ascii_case(name) && words.len() == 1;
        let (is_multi, is_exec) = (is(b"multi"), is(b"exec"));
        match (&mut self.unit, is_multi, is_exec) {
            (None, true, _) => self.unit = Some(Vec::new()),
            (Some(_), true, _) => return Err(self.corrupt("MULTI inside MULTI")),
            (None, _, true) => return Err(self.corrupt("EXEC without MULTI")),
            (unit @ Some(_), _, true) => {
                return Ok(Unit::Transaction(unit.take().unwrap_or_default()));
            }
            (Some(unit), ..) => unit.push(words),
            (None, ..) => return Ok(Unit::Command(words)),
        }
        Ok(Unit::Nothing)
    }

    fn run(&self, engine: &mut Engine, words: &Words) -> Result<(), ReplayError> {
        let argv: SmallVec<[&[u8]; 8]> =
            (0..words.len()).map(|index| self.word(words, index)).collect();
        let Some(name) = argv.first() else { return Err(self.corrupt("an empty command")) };
        if name.eq_ignore_ascii_case(b"select") {
            return self.select(engine, &argv);
        }
        if let Some(is_good) = engine.requests.apply(&argv) {
            return if is_good { Ok(()) } else { Err(self.corrupt("a malformed record")) };
        }
        let known = engine.registry().get(name);
        let mut command = known;
        if let (Some(container), Some(sub)) = (command, argv.get(1)) {
            command = subcommand(container, sub).or(command);
        }
        if !command.is_some_and(|command| command.has(flag::WRITE)) {
            let name = String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned();
            return Err(self.corrupt(&format!("'{name}' is not a write command")));
        }
        let mut reply = self.reply.take();
        reply.clear();
        engine.call_known(self.session, known, &argv, &mut reply);
        if let [b'-' | b'!', text @ ..] = reply.as_slice() {
            if text.starts_with(b"OOM ") {
                return Err(ReplayError::OutOfMemory);
            }
            return Err(self.corrupt(String::from_utf8_lossy(text).trim_end()));
        }
        self.reply.set(reply);
        Ok(())
    }

    fn select(&self, engine: &mut Engine, argv: &[&[u8]]) -> Result<(), ReplayError> {
        let databases = engine.keyspace.databases();
        let number = match argv {
            [_, digits] => std::str::from_utf8(digits).ok().and_then(|d| d.parse::<usize>().ok()),
            _ => None,
        };
        let number = number.filter(|number| *number < databases);
        let number =
            number.ok_or_else(|| self.corrupt("SELECT of a database that is not there"))?;
        if let Some(session) = engine.sessions.get_mut(self.session) {
            session.db = number;
        }
        Ok(())
    }

    fn word(&self, words: &Words, index: usize) -> &[u8] {
        let range = words.get(index).cloned().unwrap_or_default();
        self.buffer.get(range).unwrap_or_default()
    }

    fn corrupt(&self, what: &str) -> ReplayError {
        ReplayError::Corrupt(format!("after offset {}: {what}", self.applied))
    }
}

fn parser() -> RequestParser {
    RequestParser::new(Limits { bulk_len: i32::MAX as usize, ..Limits::default() })
}

/// What a command costs beyond a step.
fn cost(words: &Words) -> usize {
    words.first().zip(words.last()).map_or(0, |(a, z)| z.end - a.start) / STEP_LEN
}
