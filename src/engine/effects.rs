//! The effect stream: what writes came to, deterministic, encoded once as RESP.
//!
//! The log, the other tabs and any upstream consume this stream; replaying it from the beginning
//! makes the same keyspace. A position in it is a byte offset.

use crate::resp::write_command;
use std::collections::VecDeque;

/// A stretch ends with the unit in which it has become this long, in bytes. Growing a buffer without
/// bounds would move ever more at once.
pub const STRETCH_LEN: usize = 256 * 1024;
/// So many stretches may wait, some 256 MiB. Nothing takes them while a task goes on that writes without
/// end.
const FULL_MAX: usize = 1024;
/// What a command may append without asking, in bytes.
const ROOM: usize = 64 * 1024;

/// Collects effects until a consumer takes them.
///
/// Effects of one top-level command (an EXEC with all it runs is one) form a unit: more than one
/// are put between MULTI and EXEC, so that they are replayed together or not at all. The commands of a
/// request of another tab, and the record of it ([`super::requests`]), are one unit as well.
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
    /// The unit goes on until [`Effects::release`], over several commands.
    is_held: bool,
    /// Effects of the unit are kept apart as well ([`super::upstream`]), if they may be about names that begin
    /// so, and those there are.
    captures: bool,
    prefix: Vec<u8>,
    captured: Captured,
}

/// How far a unit has come.
pub(super) struct Mark(usize, usize, Option<usize>, [usize; 2]);

/// Effects of a unit, in RESP, each with the number of its database.
#[derive(Debug, Default)]
pub(super) struct Captured {
    pub bytes: Vec<u8>,
    pub dbs: Vec<usize>,
    /// There was no memory for all of them.
    pub is_torn: bool,
}

impl Captured {
    #[cold]
    fn push(&mut self, db: usize, argv: &[&[u8]]) {
        let bytes = argv.iter().map(|word| word.len() + 16).sum::<usize>() + 16;
        self.is_torn |= self.bytes.try_reserve(bytes).is_err() || self.dbs.try_reserve(1).is_err();
        if !self.is_torn {
            write_command(&mut self.bytes, argv);
            self.dbs.push(db);
        }
    }
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
            self.forget_unit();
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
        self.forget_unit();
    }

    fn forget_unit(&mut self) {
        (self.unit_start, self.unit_len, self.is_held) = (0, 0, false);
    }

    /// Bytes of memory that what can be taken, and room for more, takes up.
    pub fn waiting_bytes(&self) -> usize {
        self.full.iter().chain([&self.buffer]).map(Vec::capacity).sum()
    }

    /// Whether there is room for a command of usual size: not if too much waits, or where a buffer that
    /// has become large cannot grow.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        let (len, capacity) = (self.buffer.len(), self.buffer.capacity());
        self.full.len() < FULL_MAX && (capacity - len >= ROOM || capacity < ROOM / 4)
    }

    /// Makes room for a command of usual size; whether there is some then.
    #[inline]
    pub(super) fn make_room(&mut self) -> bool {
        self.has_room() || (self.full.len() < FULL_MAX && self.buffer.try_reserve(ROOM).is_ok())
    }

    /// Whether so much waits that it had better be taken before there is more.
    pub fn is_much(&self) -> bool {
        !self.full.is_empty()
    }

    /// Whether there is something to [`Effects::take`].
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && (self.buffer.is_empty() || self.is_held)
    }

    /// Takes a stretch of what has been recorded, the next one: whole units only, a database selected
    /// first, so that it can be read by itself; some [`STRETCH_LEN`] bytes at most, unless one unit is
    /// longer. Empty when there is nothing. What of a request is there must wait for its end.
    pub fn take(&mut self) -> Vec<u8> {
        match self.full.pop_front() {
            Some(stretch) => stretch,
            None if self.is_held => Vec::new(),
            None => self.end_stretch(),
        }
    }

    /// Takes every stretch there is.
    pub fn drain(&mut self) -> impl Iterator<Item = Vec<u8>> {
        std::iter::from_fn(|| Some(self.take()).filter(|stretch| !stretch.is_empty()))
    }

    /// What follows is no part of a stretch with what there is.
    pub(super) fn cut(&mut self) {
        if !self.buffer.is_empty() && !self.is_held {
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
    #[inline]
    pub(super) fn begin_unit(&mut self) {
        if !self.is_held {
            self.unit_start = self.buffer.len();
            self.unit_len = 0;
        }
    }

    /// A unit begins that several commands are part of.
    pub(super) fn hold(&mut self) {
        self.release();
        self.begin_unit();
        self.is_held = true;
    }

    /// Whether a unit has begun that several commands are part of.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// The unit that several commands were part of is at its end.
    pub(super) fn release(&mut self) {
        if std::mem::take(&mut self.is_held) {
            self.end_unit();
            self.begin_unit();
        }
    }

    /// How far the unit has come, which goes on.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.buffer.len(), self.unit_len, self.selected, self.captured())
    }

    /// Takes what there is of a unit that goes on, the first one.
    pub(super) fn take_unit(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// What the unit has had since is no part of it.
    pub(super) fn rewind(&mut self, Mark(len, unit_len, selected, captured): Mark) {
        self.buffer.truncate(len);
        self.forget_captured(captured);
        (self.unit_len, self.selected) = (unit_len, selected);
    }

    /// How many effects the unit has so far.
    pub(super) fn unit_len(&self) -> usize {
        self.unit_len
    }

    /// Asks for room for so many bytes; whether there is some.
    pub(super) fn reserve(&mut self, bytes: usize) -> bool {
        !self.enabled || self.buffer.try_reserve(bytes).is_ok()
    }

    /// Appends what belongs to no database.
    pub(super) fn append_record(&mut self, argv: &[&[u8]]) {
        if self.enabled {
            write_command(&mut self.buffer, argv);
            self.unit_len += 1;
        }
    }

    /// Appends one effect on database `db`.
    #[inline]
    pub(super) fn append(&mut self, db: usize, argv: &[&[u8]]) {
        if self.captures && self.may_concern(argv) {
            self.captured.push(db, argv);
        }
        self.append_alone(db, argv);
    }

    /// Appends one effect on database `db` that nobody has asked for: a key has gone by itself.
    #[inline]
    pub(super) fn append_alone(&mut self, db: usize, argv: &[&[u8]]) {
        if self.enabled {
            self.encode(db, argv);
        }
    }

    /// Whether an effect may be about a name with the prefix: some word begins so, or it is about all names.
    fn may_concern(&self, argv: &[&[u8]]) -> bool {
        let about_all: [&[u8]; 3] = [b"flushall", b"flushdb", b"swapdb"];
        argv.iter().skip(1).any(|word| word.starts_with(&self.prefix))
            || argv
                .first()
                .is_some_and(|name| about_all.iter().any(|all| name.eq_ignore_ascii_case(all)))
    }

    /// Whether effects of units are kept apart as well.
    #[inline]
    pub(super) fn captures(&self) -> bool {
        self.captures
    }

    /// Keeps effects of units apart as well if they may be about names that begin so, or no longer.
    pub(super) fn set_captures(&mut self, prefix: Option<&[u8]>) {
        self.captures = prefix.is_some();
        self.prefix = prefix.unwrap_or_default().to_vec();
    }

    /// Whether effects of the unit were kept apart.
    #[inline]
    pub(super) fn has_captured(&self) -> bool {
        self.captures && (!self.captured.dbs.is_empty() || self.captured.is_torn)
    }

    /// How much has been kept apart.
    pub(super) fn captured(&self) -> [usize; 2] {
        [self.captured.bytes.len(), self.captured.dbs.len()]
    }

    /// Forgets what has been kept apart since.
    pub(super) fn forget_captured(&mut self, [bytes, dbs]: [usize; 2]) {
        self.captured.bytes.truncate(bytes);
        self.captured.dbs.truncate(dbs);
    }

    /// The effects of the unit that were kept apart.
    pub(super) fn take_captured(&mut self) -> Captured {
        std::mem::take(&mut self.captured)
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
        if self.is_held {
            return;
        }
        if self.unit_len >= 2 {
            self.wrap_unit();
        }
        if self.buffer.len() >= STRETCH_LEN {
            self.cut();
        }
    }

    /// Puts the unit between MULTI and EXEC, where it is: it may be large.
    fn wrap_unit(&mut self) {
        let end = self.buffer.len();
        write_command(&mut self.buffer, &[b"MULTI"]);
        let multi = self.buffer.len() - end;
        if let Some(unit) = self.buffer.get_mut(self.unit_start..) {
            unit.rotate_right(multi);
        }
        write_command(&mut self.buffer, &[b"EXEC"]);
    }
}
