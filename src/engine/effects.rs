//! The effect stream: what writes came to, deterministic, encoded once as RESP.
//!
//! The log, the other tabs and any upstream consume this stream; replaying it from the beginning
//! makes the same keyspace. A position in it is a byte offset.

use crate::resp::write_command;
use std::collections::VecDeque;

/// A stretch ends with the unit in which it has become this long, in bytes. Growing a buffer without
/// bounds would move ever more at once.
pub const STRETCH_LEN: usize = 256 * 1024;

/// Collects effects until a consumer takes them.
///
/// Effects of one top-level command (an EXEC with all it runs is one) form a unit: more than one
/// are put between MULTI and EXEC, so that they are replayed together or not at all.
#[derive(Debug, Default)]
pub struct Effects {
    enabled: bool,
    /// Stretches that are long enough.
    full: VecDeque<Vec<u8>>,
    buffer: Vec<u8>,
    /// The offset of the first byte in `buffer`.
    start: u64,
    /// The database that the stream has selected so far.
    selected: Option<usize>,
    unit_start: usize,
    unit_len: usize,
}

impl Effects {
    /// Begins or stops recording. Without a consumer nothing is encoded.
    pub fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
        if !enabled {
            self.start = self.offset();
            self.full = VecDeque::new();
            self.buffer = Vec::new();
            self.selected = None;
        }
    }

    /// Whether effects are recorded.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The byte offset after the last effect.
    pub fn offset(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    /// Goes on at `offset`: the stream before it is in the store.
    pub fn resume_at(&mut self, offset: u64) {
        self.start = offset;
        self.full.clear();
        self.buffer.clear();
        self.selected = None;
    }

    /// Bytes of memory that what can be taken, and room for more, takes up.
    pub fn waiting_bytes(&self) -> usize {
        self.full.iter().chain([&self.buffer]).map(Vec::capacity).sum()
    }

    /// Whether there is something to [`Effects::take`].
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.buffer.is_empty()
    }

    /// Takes a stretch of what has been recorded, the next one: whole units only, a database selected
    /// first, so that it can be read by itself; some [`STRETCH_LEN`] bytes at most, unless one unit is
    /// longer. Empty when there is nothing.
    pub fn take(&mut self) -> Vec<u8> {
        self.full.pop_front().unwrap_or_else(|| self.end_stretch())
    }

    /// Takes every stretch there is.
    pub fn drain(&mut self) -> impl Iterator<Item = Vec<u8>> {
        std::iter::from_fn(|| Some(self.take()).filter(|stretch| !stretch.is_empty()))
    }

    /// What follows is no part of a stretch with what there is.
    pub(super) fn cut(&mut self) {
        if !self.buffer.is_empty() {
            let stretch = self.end_stretch();
            self.full.push_back(stretch);
        }
    }

    fn end_stretch(&mut self) -> Vec<u8> {
        let stretch = std::mem::take(&mut self.buffer);
        self.start += stretch.len() as u64;
        self.selected = None;
        stretch
    }

    /// A top-level command begins.
    pub(super) fn begin_unit(&mut self) {
        self.unit_start = self.buffer.len();
        self.unit_len = 0;
    }

    /// Appends one effect on database `db`.
    #[inline]
    pub(super) fn append(&mut self, db: usize, argv: &[&[u8]]) {
        if self.enabled {
            self.encode(db, argv);
        }
    }

    fn encode(&mut self, db: usize, argv: &[&[u8]]) {
        if self.selected != Some(db) {
            self.selected = Some(db);
            write_command(
                &mut self.buffer,
                &[b"SELECT", itoa::Buffer::new().format(db).as_bytes()],
            );
        }
        write_command(&mut self.buffer, argv);
        self.unit_len += 1;
    }

    /// A top-level command is done.
    #[inline]
    pub(super) fn end_unit(&mut self) {
        if self.unit_len >= 2 {
            self.wrap_unit();
        }
        if self.buffer.len() >= STRETCH_LEN {
            self.cut();
        }
    }

    fn wrap_unit(&mut self) {
        let effects = self.buffer.split_off(self.unit_start);
        write_command(&mut self.buffer, &[b"MULTI"]);
        self.buffer.extend_from_slice(&effects);
        write_command(&mut self.buffer, &[b"EXEC"]);
    }
}
