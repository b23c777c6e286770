//! Reading a file.

use super::error::Halt;
use super::{Cause, LoadError, MAGIC, VERSION_CHECKSUM, opcode};
use crate::engine::Engine;
use crate::engine::config::Limits;
use crate::engine::keyspace::Keyspace;
use crate::engine::last_use::{LastUse, Moment};
use crate::engine::libraries::{Libraries, name_of};
use crate::engine::rdb::decode::read::Reader;
use crate::engine::rdb::decode::{self, Builder};
use crate::engine::rdb::{Budget, VERSION_MAX, crc64, kind};
use crate::engine::types::Value;

/// What becomes of keys whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// They are left out: the file is all there is.
    Skip,
    /// They are loaded: what follows the file, a log, may yet give them another time.
    Keep,
}

/// How far a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to be read of what was pushed.
    Working,
    /// More has to be pushed.
    Hungry,
    /// The file has ended, and its checksum is right.
    Done,
}

/// What a file was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Its version.
    pub version: u16,
    /// How many keys were loaded.
    pub keys: u64,
    /// How many keys were left out because their time had come.
    pub expired: u64,
    /// How many keys were left out because they held collections of nothing, as in Redis.
    pub empty: u64,
    /// How many libraries of functions were passed over, since they have no name.
    pub functions: u64,
    /// What the file says about itself: names and values.
    pub aux: Vec<(Vec<u8>, Vec<u8>)>,
    /// How many bytes it has.
    pub bytes: u64,
    /// What was pushed after its end.
    pub rest: Vec<u8>,
}

/// Reads a file into a keyspace of its own, which takes the place of the engine's at the end: until
/// then nothing has changed, and nothing ever does if the file is refused.
pub struct Loader {
    /// What has been pushed; the first `used` bytes have been read.
    buffer: Vec<u8>,
    used: usize,
    crc: u64,
    state: State,
    keyspace: Keyspace,
    limits: Limits,
    now_ms: i64,
    now_s: u32,
    expired: Expired,
    db: usize,
    about: About,
    value: Option<(Vec<u8>, Builder)>,
    libraries: Libraries,
    loaded: Loaded,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Body,
    Checksum,
    Done,
}

/// What has been said about the key that comes next.
#[derive(Clone, Copy, Default)]
struct About {
    expires_at: Option<i64>,
    idle_s: u32,
    counter: Option<u8>,
}

impl Loader {
    /// Begins to read a file for this engine, as things stand with it now.
    pub fn new(engine: &mut Engine, expired: Expired) -> Self {
        let databases = engine.keyspace.databases();
        Self {
            buffer: Vec::new(),
            used: 0,
            crc: 0,
            state: State::Header,
            keyspace: Keyspace::new(databases, &mut engine.rng),
            limits: engine.config.limits,
            now_ms: engine.now_ms(),
            now_s: engine.now_s(),
            expired,
            db: 0,
            about: About::default(),
            value: None,
            libraries: Libraries::default(),
            loaded: Loaded::default(),
        }
    }

    /// Adds the next bytes of the file, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        // What is moved is no more than what has been read.
        if self.used >= self.buffer.len() - self.used {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Reads on until that has cost about `budget` bytes.
    ///
    /// # Errors
    /// What is wrong with the file. It is of no use to go on then.
    pub fn step(&mut self, budget: usize) -> Result<Progress, LoadError> {
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.read(&buffer, &mut Budget::new(budget));
        self.buffer = buffer;
        match result {
            Ok(progress) => Ok(progress),
            Err(Halt::Short) => Ok(Progress::Hungry),
            Err(Halt::Refused(cause)) => Err(self.error(cause)),
        }
    }

    /// How many bytes of the file have been read.
    pub fn offset(&self) -> u64 {
        self.loaded.bytes
    }

    /// Whether the file has come to its end.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many bytes wait to be read.
    pub fn unread(&self) -> usize {
        self.buffer.len() - self.used
    }

    /// How many keys have been read so far.
    pub fn keys(&self) -> u64 {
        self.loaded.keys
    }

    /// Puts what was read in the place of everything that the engine holds. Who watches a key or
    /// waits for one that was there, or is now, learns of it.
    ///
    /// # Errors
    /// If the file has not come to its end; nothing has changed then.
    pub fn finish(mut self, engine: &mut Engine) -> Result<Loaded, LoadError> {
        if self.state != State::Done {
            let error = self.error(Cause::Truncated);
            self.discard(engine);
            return Err(error);
        }
        engine.keyspace.exchange(&mut self.keyspace);
        engine.libraries.replace(std::mem::take(&mut self.libraries));
        engine.changed_by_itself();
        self.loaded.rest = self.buffer.split_off(self.used);
        let loaded = std::mem::take(&mut self.loaded);
        self.discard(engine);
        Ok(loaded)
    }

    /// Puts the keys that were read in the place of everything that the engine holds, though the file
    /// has not come to its end.
    pub fn salvage(mut self, engine: &mut Engine) {
        engine.keyspace.exchange(&mut self.keyspace);
        engine.libraries.replace(std::mem::take(&mut self.libraries));
        self.discard(engine);
    }

    /// Gives what was read to be freed bit by bit.
    pub fn discard(mut self, engine: &mut Engine) {
        for index in 0..self.keyspace.databases() {
            engine.lazyfree.add_keys(self.keyspace.db_mut(index).clear());
        }
    }

    pub(in crate::engine) fn error(&self, cause: Cause) -> LoadError {
        LoadError { offset: self.loaded.bytes, cause }
    }

    fn read(&mut self, buffer: &[u8], budget: &mut Budget) -> Result<Progress, Halt> {
        if self.state == State::Checksum {
            return self.checksum(buffer);
        }
        let unread = buffer.get(self.used..).unwrap_or_default();
        let mut reader = Reader(unread);
        let mut result = Ok(());
        while matches!(self.state, State::Header | State::Body) && !budget.is_spent() {
            result = self.part(&mut reader, budget);
            if result.is_err() {
                break;
            }
        }
        let used = unread.len() - reader.0.len();
        self.crc = crc64(self.crc, unread.get(..used).unwrap_or_default());
        self.advance(used);
        result?;
        match self.state {
            State::Checksum => self.checksum(buffer),
            State::Done => Ok(Progress::Done),
            State::Header | State::Body => Ok(Progress::Working),
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.used += bytes;
        self.loaded.bytes += bytes as u64;
    }

    fn checksum(&mut self, buffer: &[u8]) -> Result<Progress, Halt> {
        if self.loaded.version >= VERSION_CHECKSUM {
            let mut reader = Reader(buffer.get(self.used..).unwrap_or_default());
            let expected = u64::from_le_bytes(reader.array()?);
            // 0 is what a server writes that is told not to sum.
            if expected != 0 && expected != self.crc {
                return Err(Cause::Checksum.into());
            }
            self.advance(size_of::<u64>());
        }
        self.state = State::Done;
        Ok(Progress::Done)
    }

    /// Reads the header, an opcode with all that belongs to it, the name of a key, or some of a value.
    fn part(&mut self, reader: &mut Reader<'_>, budget: &mut Budget) -> Result<(), Halt> {
        if let Some((_, builder)) = &mut self.value {
            if builder.read(reader, budget)? {
                self.end_collection()?;
            }
            return Ok(());
        }
        let before = reader.0;
        let result = match self.state {
            State::Header => self.header(reader),
            _ => self.opcode(reader),
        };
        match result {
            Ok(()) => budget.spend(before.len() - reader.0.len()),
            Err(_) => reader.0 = before,
        }
        result
    }

    fn header(&mut self, reader: &mut Reader<'_>) -> Result<(), Halt> {
        let known = reader.0.get(..MAGIC.len()).unwrap_or(reader.0);
        if !MAGIC.starts_with(known) {
            return Err(Cause::Header.into());
        }
        reader.bytes(MAGIC.len())?;
        let digits = reader.array::<4>()?.map(|byte| char::from(byte).to_digit(10));
        let version = digits.iter().try_fold(0, |value, digit| Some(value * 10 + (*digit)?));
        let version =
            version.and_then(|version| u16::try_from(version).ok()).ok_or(Cause::Header)?;
        if !(1..=VERSION_MAX).contains(&version) {
            return Err(Cause::Version(version).into());
        }
        self.loaded.version = version;
        self.state = State::Body;
        Ok(())
    }

    fn opcode(&mut self, reader: &mut Reader<'_>) -> Result<(), Halt> {
        match reader.byte()? {
            opcode::EOF => self.state = State::Checksum,
            opcode::SELECTDB => {
                let number = reader.number()?;
                let db = usize::try_from(number).ok();
                let db = db.filter(|db| *db < self.keyspace.databases());
                self.db = db.ok_or(Cause::Database(number))?;
            }
            // Dictionaries grow bit by bit: nothing is won by knowing how many keys there will be.
            opcode::RESIZEDB => _ = (reader.number()?, reader.number()?),
            opcode::SLOT_INFO => _ = (reader.number()?, reader.number()?, reader.number()?),
            opcode::EXPIRETIME => {
                let seconds = i32::from_le_bytes(reader.array()?);
                self.about.expires_at = Some(i64::from(seconds) * 1000);
            }
            opcode::EXPIRETIME_MS => {
                self.about.expires_at = Some(i64::from_le_bytes(reader.array()?));
            }
            opcode::IDLE => {
                self.about.idle_s = u32::try_from(reader.number()?).unwrap_or(u32::MAX);
            }
            opcode::FREQ => self.about.counter = Some(reader.byte()?),
            opcode::AUX => {
                let (name, value) = (reader.string()?, reader.string()?);
                self.loaded.aux.push((name.into_owned(), value.into_owned()));
            }
            opcode::FUNCTION2 => {
                let code = reader.string()?;
                match name_of(&code) {
                    Ok(name) => self.libraries.put(name, &code),
                    Err(_) => self.loaded.functions += 1,
                }
            }
            opcode::FUNCTION_PRE_GA => return Err(Cause::Functions.into()),
            opcode::MODULE_AUX | MODULE_PRE_GA | MODULE_2 => return Err(Cause::Module.into()),
            kind::STRING => {
                let key = reader.string()?;
                let value = decode::string(reader)?;
                self.add(&key, value)?;
            }
            kind => {
                let builder = Builder::new(kind, self.limits).ok_or(Cause::Opcode(kind))?;
                let key = reader.string()?.into_owned();
                self.value = Some((key, builder));
            }
        }
        Ok(())
    }

    /// A collection has been read whole.
    fn end_collection(&mut self) -> Result<(), Halt> {
        match self.value.take() {
            Some((key, builder)) => match builder.finish() {
                Some(value) => self.add(&key, value),
                None => {
                    self.about = About::default();
                    self.loaded.empty += 1;
                    Ok(())
                }
            },
            None => Ok(()),
        }
    }

    fn add(&mut self, key: &[u8], value: Value) -> Result<(), Halt> {
        let About { expires_at, idle_s, counter } = std::mem::take(&mut self.about);
        let is_due = expires_at.is_some_and(|at| at <= self.now_ms);
        if is_due && self.expired == Expired::Skip {
            self.loaded.expired += 1;
            return Ok(());
        }
        let db = self.keyspace.db_mut(self.db);
        let moment = Moment::Time(self.now_s.saturating_sub(idle_s));
        if db.set(key, value, expires_at, moment).is_some() {
            return Err(Cause::Duplicate(key.to_vec()).into());
        }
        if let Some(counter) = counter {
            db.set_last_use(key, LastUse::counted(self.now_s, counter));
        }
        self.loaded.keys += 1;
        Ok(())
    }
}

impl Engine {
    /// Replaces everything by what an RDB file holds. Cost: O(bytes), at once: [`Loader`] does it in
    /// slices.
    ///
    /// # Errors
    /// What is wrong with the file; nothing has changed then.
    pub fn load_rdb(&mut self, file: &[u8], expired: Expired) -> Result<Loaded, LoadError> {
        let mut loader = Loader::new(self, expired);
        loader.push(file);
        loop {
            match loader.step(usize::MAX) {
                Ok(Progress::Working) => {}
                Ok(Progress::Hungry | Progress::Done) => return loader.finish(self),
                Err(error) => {
                    loader.discard(self);
                    return Err(error);
                }
            }
        }
    }
}

/// Values of modules.
const MODULE_PRE_GA: u8 = 6;
const MODULE_2: u8 = 7;
