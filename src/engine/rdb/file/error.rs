//! Why a file is refused.

use crate::engine::rdb::VERSION_MAX;
use crate::engine::rdb::decode::read::Stop;
use std::fmt;

/// Why a file is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The offset in the file of what could not be read.
    pub offset: u64,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It does not begin as an RDB file does.
    Header,
    /// It is of a version that is not known.
    Version(u16),
    /// It ends before it should.
    Truncated,
    /// A byte that is neither an opcode nor the type of a value.
    Opcode(u8),
    /// A value, or what is said about one, is damaged.
    Data,
    /// There is no database with this number.
    Database(u64),
    /// This key was there before, in the same database.
    Duplicate(Vec<u8>),
    /// It has data of a module, which Lodis has none of.
    Module,
    /// It has functions in a form that no release of Redis writes.
    Functions,
    /// The checksum at its end is another one: it is damaged somewhere.
    Checksum,
    /// Something follows its end.
    Rest,
    /// Nothing is wrong with it, but there is no memory for it, or not as much as `maxmemory` allows.
    NoMemory,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Header => write!(f, "it is no RDB file")?,
            Cause::Version(version) => {
                write!(f, "it is of RDB version {version}, and {VERSION_MAX} is the last known")?;
            }
            Cause::Truncated => write!(f, "it ends too early")?,
            Cause::Opcode(byte) => write!(f, "{byte} is neither a type nor an opcode")?,
            Cause::Data => write!(f, "what is there is no value")?,
            Cause::Database(number) => write!(f, "there is no database {number}")?,
            Cause::Duplicate(key) => write!(f, "'{}' is there twice", key.escape_ascii())?,
            Cause::Module => write!(f, "it has data of a module")?,
            Cause::Functions => write!(f, "it has functions of a pre-release of Redis 7.0")?,
            Cause::Checksum => write!(f, "its checksum is wrong")?,
            Cause::Rest => write!(f, "it goes on after its end")?,
            Cause::NoMemory => write!(f, "there is not enough memory for it")?,
        }
        write!(f, " (offset {})", self.offset)
    }
}

impl std::error::Error for LoadError {}

/// Why there is nothing to do, or no going on.
pub(super) enum Halt {
    /// More bytes are needed.
    Short,
    Refused(Cause),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Short => Self::Short,
            Stop::Bad => Self::Refused(Cause::Data),
            Stop::NoMemory => Self::Refused(Cause::NoMemory),
        }
    }
}

impl From<Cause> for Halt {
    fn from(cause: Cause) -> Self {
        Self::Refused(cause)
    }
}
