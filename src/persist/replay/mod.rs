//! Makes the keyspace again from the base and the records of a store.
//!
//! The driver pushes the pieces of the base, then the records, in the order of their offsets, and
//! calls [`Replay::step`] as long as there is something to do, giving the page its turn in between;
//! then [`Replay::finish`]. Nothing else may use the engine meanwhile.
//!
//! SELECT, MULTI and EXEC frame the stream and are understood here; everything else must be a
//! write command of the table. A transaction runs only once its EXEC has been read.

mod base;

use super::frame::{self, FrameError, Kind};
use super::manifest::Manifest;
use crate::engine::Engine;
use crate::engine::registry::subcommand;
use crate::engine::session::SessionId;
use crate::engine::stats::Stats;
use crate::engine::table::flag;
use crate::resp::{Limits, Request, RequestParser};
use base::{BaseReplay, Loading};
use smallvec::SmallVec;
use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;

/// Why a store cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// A record of a newer format version.
    TooNew(u32),
    /// Something that cannot be explained by a write that was cut short.
    Corrupt(String),
    /// No memory for it.
    OutOfMemory,
}

/// What the end of the log looked like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Where the stream goes on: the offset after the last whole unit.
    pub offset: u64,
    /// The last record was not whole, or ended within a unit.
    pub repair: Option<Repair>,
}

/// How the store is made to end where the replay did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Delete every record from this offset on.
    pub delete_from: u64,
    /// Then the payload of the record at that offset, unless it is empty.
    pub payload: Vec<u8>,
    /// What was found.
    pub reason: String,
}

type Words = Vec<Range<usize>>;

/// Bytes of a command that count as a step.
const STEP_LEN: usize = 4096;

/// Bytes of the base that count as a step.
const BASE_STEP_LEN: usize = 128;

/// A replay under way.
pub struct Replay {
    session: SessionId,
    stats: Stats,
    /// What comes before the records, until all of it is loaded.
    base: Option<BaseReplay>,
    /// The length of the base.
    base_len: u64,
    /// Where the records begin.
    start: u64,
    parser: RequestParser,
    /// Payloads from the record on that holds `applied`.
    buffer: Vec<u8>,
    /// The offsets of the records in `buffer`; the first is the offset of its first byte.
    starts: VecDeque<u64>,
    /// The offset after the last pushed payload.
    end: u64,
    /// The offset after the last whole unit that was run.
    applied: u64,
    /// Between MULTI and EXEC: the commands so far.
    unit: Option<Vec<Words>>,
    /// Commands to run, and the offset after them once they have.
    ready: VecDeque<Words>,
    ready_end: u64,
    cut: Option<(u64, FrameError)>,
    /// The last reply's room.
    reply: Cell<Vec<u8>>,
}

impl Replay {
    /// Begins with a store that has this manifest. The engine is loading until [`Replay::finish`] or
    /// [`Replay::abandon`].
    pub fn begin(engine: &mut Engine, manifest: &Manifest) -> Self {
        engine.set_loading(true);
        let limits = Limits { bulk_len: i32::MAX as usize, ..Limits::default() };
        Self {
            stats: engine.stats.clone(),
            session: engine.connect(),
            base: BaseReplay::begin(engine, manifest.base),
            base_len: manifest.base.len,
            start: manifest.start,
            parser: RequestParser::new(limits),
            buffer: Vec::new(),
            starts: VecDeque::new(),
            end: manifest.start,
            applied: manifest.start,
            unit: None,
            ready: VecDeque::new(),
            ready_end: manifest.start,
            cut: None,
            reply: Cell::default(),
        }
    }

    /// How many bytes of the base and the records are done.
    pub fn done(&self) -> u64 {
        let base = self.base.as_ref().map_or(self.base_len, BaseReplay::pushed);
        base.saturating_add(self.applied.saturating_sub(self.start))
    }

    /// Whether the next frame to be pushed is a piece of the base, and not a record.
    pub fn wants_piece(&self) -> bool {
        self.base.as_ref().is_some_and(|base| !base.has_all())
    }

    /// The offset from which the next frame is to be looked for: in the base if it is a piece, or else
    /// in the effect stream.
    pub fn next_key(&self) -> u64 {
        match &self.base {
            Some(base) if !base.has_all() => base.pushed(),
            _ => self.end.saturating_add(u64::from(self.cut.is_some())),
        }
    }

    /// Adds the next frame. All [`Replay::step`]s of the one before it must be done.
    ///
    /// # Errors
    /// [`ReplayError`]: it is of a newer version, it does not follow the frame before it, or that
    /// one was not whole: only the last record may be torn.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ReplayError> {
        match &mut self.base {
            Some(base) if !base.has_all() => base.push(bytes),
            _ => self.push_record(bytes),
        }
    }

    fn push_record(&mut self, bytes: &[u8]) -> Result<(), ReplayError> {
        if let Some((offset, error)) = self.cut {
            return Err(ReplayError::Corrupt(format!("record at offset {offset}: {error}")));
        }
        let record = match frame::decode(Kind::Record, bytes) {
            Ok(record) => record,
            Err(FrameError::TooNew { version, .. }) => return Err(ReplayError::TooNew(version)),
            Err(error) => {
                self.cut = Some((self.end, error));
                return Ok(());
            }
        };
        if record.offset != self.end {
            return Err(ReplayError::Corrupt(format!(
                "a record begins at offset {}, but the one before it ends at {}",
                record.offset, self.end
            )));
        }
        if record.payload.is_empty() {
            return Err(ReplayError::Corrupt(format!("an empty record at {}", self.end)));
        }
        let Some(end) = self.end.checked_add(record.payload.len() as u64) else {
            return Err(ReplayError::Corrupt("an offset is too large".to_owned()));
        };
        self.forget_applied();
        self.buffer.try_reserve(record.payload.len()).map_err(|_| ReplayError::OutOfMemory)?;
        self.buffer.extend_from_slice(record.payload);
        self.starts.push_back(self.end);
        self.end = end;
        Ok(())
    }

    /// Runs commands of up to `steps` steps: each is one, and another for every [`STEP_LEN`] bytes; or as
    /// many times [`BASE_STEP_LEN`] bytes of the base. Whether there is more to do before the next frame.
    ///
    /// # Errors
    /// [`ReplayError::Corrupt`]: not RDB, not RESP, not a write command, or one that answers an error.
    pub fn step(&mut self, engine: &mut Engine, steps: usize) -> Result<bool, ReplayError> {
        let Some(base) = &mut self.base else { return self.step_records(engine, steps) };
        match base.step(steps.saturating_mul(BASE_STEP_LEN))? {
            Loading::Working => return Ok(true),
            Loading::Starving => return Ok(false),
            Loading::Complete => {}
        }
        self.base.take().map_or(Ok(()), |base| base.finish(engine))?;
        Ok(true)
    }

    fn step_records(&mut self, engine: &mut Engine, steps: usize) -> Result<bool, ReplayError> {
        let mut left = steps;
        while left > 0 {
            if let Some(words) = self.ready.pop_front() {
                let bytes = words.first().zip(words.last()).map_or(0, |(a, z)| z.end - a.start);
                left = left.saturating_sub(1 + bytes / STEP_LEN);
                self.run(engine, &words)?;
                if self.ready.is_empty() {
                    self.applied = self.ready_end;
                }
                continue;
            }
            left -= 1;
            let request = self.parser.next(&self.buffer);
            let position = self.offset_of(self.parser.position());
            match request.map_err(|error| self.corrupt(&error.reply()))? {
                None => return Ok(false),
                Some(Request::Array(words)) => self.sort(words, position)?,
                Some(Request::Inline(_)) => return Err(self.corrupt("an inline command")),
            }
        }
        Ok(true)
    }

    /// Ends the replay; the engine's stream goes on where the log ends.
    ///
    /// # Errors
    /// [`ReplayError::Corrupt`]: the end of the base is missing.
    pub fn finish(mut self, engine: &mut Engine) -> Result<Finished, ReplayError> {
        if let Some(base) = &self.base {
            let error = ReplayError::Corrupt(base.missing());
            self.abandon(engine);
            return Err(error);
        }
        let repair = self.unreadable().map(|reason| {
            self.forget_applied();
            let delete_from = self.starts.front().copied().unwrap_or(self.applied);
            let keep = (self.applied - delete_from) as usize;
            let payload = self.buffer.get(..keep).unwrap_or_default().to_vec();
            Repair { delete_from, payload, reason }
        });
        let offset = self.applied;
        self.abandon(engine);
        engine.effects.resume_at(offset);
        Ok(Finished { offset, repair })
    }

    /// Ends the replay with what could be read, be there more or not; answers what cannot be read, if
    /// there is something. Nothing of a store is to be changed after that.
    pub fn salvage(mut self, engine: &mut Engine) -> Option<String> {
        let missing = self.base.take().map(|base| {
            let missing = base.missing();
            base.salvage(engine);
            missing
        });
        let missing = missing.or_else(|| self.unreadable());
        self.abandon(engine);
        missing
    }

    /// What is wrong with the end of the log, if something is.
    fn unreadable(&self) -> Option<String> {
        match self.cut {
            Some((offset, error)) => Some(format!("record at offset {offset}: {error}")),
            None if self.applied < self.end => {
                Some(format!("the log ends within a unit at offset {}", self.applied))
            }
            None => None,
        }
    }

    /// Ends a replay that failed. What was replayed so far is in the keyspace.
    pub fn abandon(self, engine: &mut Engine) {
        if let Some(base) = self.base {
            base.discard(engine);
        }
        engine.disconnect(self.session);
        engine.stats = self.stats;
        engine.set_loading(false);
    }

    /// Decides what a command means for the unit it is in.
    fn sort(&mut self, words: Words, position: u64) -> Result<(), ReplayError> {
        let is = |name: &[u8]| self.word(&words, 0).eq_ignore_ascii_case(name) && words.len() == 1;
        let (is_multi, is_exec) = (is(b"multi"), is(b"exec"));
        match (&mut self.unit, is_multi, is_exec) {
            (None, true, _) => self.unit = Some(Vec::new()),
            (Some(_), true, _) => return Err(self.corrupt("MULTI inside MULTI")),
            (None, _, true) => return Err(self.corrupt("EXEC without MULTI")),
            (unit @ Some(_), _, true) => {
                self.ready = unit.take().unwrap_or_default().into();
                self.ready_end = position;
                if self.ready.is_empty() {
                    self.applied = position;
                }
            }
            (Some(unit), ..) => unit.push(words),
            (None, ..) => {
                self.ready.push_back(words);
                self.ready_end = position;
            }
        }
        Ok(())
    }

    fn run(&self, engine: &mut Engine, words: &Words) -> Result<(), ReplayError> {
        let argv: SmallVec<[&[u8]; 8]> =
            (0..words.len()).map(|index| self.word(words, index)).collect();
        let Some(name) = argv.first() else { return Err(self.corrupt("an empty command")) };
        if name.eq_ignore_ascii_case(b"select") {
            return self.select(engine, &argv);
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

    fn offset_of(&self, position: usize) -> u64 {
        self.starts.front().copied().unwrap_or(self.end) + position as u64
    }

    fn corrupt(&self, what: &str) -> ReplayError {
        ReplayError::Corrupt(format!("after offset {}: {what}", self.applied))
    }

    /// Drops records that were run to their end.
    fn forget_applied(&mut self) {
        let whole = |starts: &VecDeque<u64>, end| starts.get(1).copied().unwrap_or(end);
        let first = self.starts.front().copied().unwrap_or(self.end);
        while !self.starts.is_empty() && whole(&self.starts, self.end) <= self.applied {
            self.starts.pop_front();
        }
        let kept = self.starts.front().copied().unwrap_or(self.end);
        let dropped = (kept - first) as usize;
        if dropped == 0 {
            return;
        }
        self.buffer.drain(..dropped);
        self.parser.rebase(dropped);
        for range in self.unit.iter_mut().flatten().flatten() {
            *range = range.start.saturating_sub(dropped)..range.end.saturating_sub(dropped);
        }
    }
}
