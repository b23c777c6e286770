//! Writing a file.

use super::{MAGIC, opcode};
use crate::engine::rdb::crc64;
use crate::engine::rdb::encode::{Encoder, Purpose, ValueCursor, kind_of, version};
use crate::engine::types::Value;

/// How a key has been used, as far as a file tells it: what Redis evicts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// It is not told.
    Untold,
    /// It has not been used for so many seconds.
    Idle(u64),
    /// The logarithmic counter of how often it has been used.
    Frequency(u8),
}

/// Writes a file into memory, from which it is taken piece by piece. The order of calls is that of
/// the file: [`Writer::select`], and for each key [`Writer::begin_key`] and [`Writer::value`] until the
/// value is whole; at last [`Writer::finish`].
pub struct Writer {
    encoder: Encoder,
    purpose: Purpose,
    version: u16,
    /// Of what has been taken.
    crc: u64,
}

impl Writer {
    /// Begins a file. Its version is the oldest that holds what is written for this purpose, with
    /// hashes whose fields expire if there are any. `aux` are words about the file, such as
    /// `redis-ver`, with their values; Redis passes over those that it does not know.
    pub fn new(purpose: Purpose, fields_expire: bool, aux: &[(&str, &str)]) -> Self {
        let version = version(purpose, fields_expire);
        let mut encoder = Encoder::default();
        encoder.out.extend_from_slice(MAGIC);
        encoder.out.extend_from_slice(format!("{version:04}").as_bytes());
        let mut writer = Self { encoder, purpose, version, crc: 0 };
        for (name, value) in aux {
            writer.aux(name.as_bytes(), value.as_bytes());
        }
        writer
    }

    /// Adds a word about the file, with its value. Before any key.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.encoder.out.push(opcode::AUX);
        self.encoder.string(name);
        self.encoder.string(value);
    }

    /// Adds a library of functions. Before any key.
    pub fn library(&mut self, code: &[u8]) {
        self.encoder.out.push(opcode::FUNCTION2);
        self.encoder.string(code);
    }

    /// The version of the file.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The keys that follow are in database `db`; it has so many, and so many with an expiry time.
    pub fn select(&mut self, db: usize, keys: usize, volatile: usize) {
        self.encoder.out.push(opcode::SELECTDB);
        self.encoder.len(db);
        self.encoder.out.push(opcode::RESIZEDB);
        self.encoder.len(keys);
        self.encoder.len(volatile);
    }

    /// Begins a key: everything but its value, which [`Writer::value`] writes.
    pub fn begin_key(&mut self, key: &[u8], value: &Value, expires_at: Option<i64>, usage: Usage) {
        let out = &mut self.encoder.out;
        if let Some(at) = expires_at {
            out.push(opcode::EXPIRETIME_MS);
            out.extend_from_slice(&at.to_le_bytes());
        }
        match usage {
            Usage::Untold => {}
            Usage::Idle(seconds) => {
                out.push(opcode::IDLE);
                self.encoder.number(seconds);
            }
            Usage::Frequency(count) => out.extend_from_slice(&[opcode::FREQ, count]),
        }
        self.encoder.out.push(kind_of(value, self.purpose));
        self.encoder.string(key);
        self.encoder.spent = self.encoder.spent.saturating_add(key.len() as u64);
    }

    /// Writes on from `cursor`, which is a new one at first, for about `budget` bytes; whether the
    /// value is whole. It must not change until then.
    pub fn value(&mut self, value: &Value, cursor: &mut ValueCursor, budget: usize) -> bool {
        self.encoder.value(value, self.purpose, cursor, budget)
    }

    /// What it has cost to write the keys so far, in the bytes that budgets are in: what is compressed
    /// costs what it was, and short elements cost more than their bytes. A host that wants to know
    /// how much a step may still do asks this, not [`Writer::len`].
    pub fn spent(&self) -> u64 {
        self.encoder.spent
    }

    /// How many bytes can be taken.
    pub fn len(&self) -> usize {
        self.encoder.out.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.encoder.out.is_empty()
    }

    /// Makes room for so many bytes more; whether there was memory for that.
    pub fn reserve(&mut self, bytes: usize) -> bool {
        self.encoder.out.try_reserve(bytes).is_ok()
    }

    /// Takes what has been written since the last time. Cost: O(bytes), for the checksum.
    pub fn take(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.encoder.out);
        self.crc = crc64(self.crc, &bytes);
        bytes
    }

    /// Ends the file. What is then taken is the rest of it.
    pub fn finish(&mut self) {
        self.encoder.out.push(opcode::EOF);
        let crc = crc64(self.crc, &self.encoder.out);
        self.encoder.out.extend_from_slice(&crc.to_le_bytes());
    }
}
