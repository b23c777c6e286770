//! What is to be done upstream, at a real Redis: a queue that is as durable as the writes it tells of.
//!
//! An entry is what one unit of the effect stream came to for keys of the prefix. It is in the same unit,
//! so whoever has the writes has the entry: the log, the base that takes its place, every follower.
//! Records in the stream, which only those know who apply it:
//!
//! ```text
//! LODIS.OUTBOX client db prefix max     writes are queued from here on; alone: no longer
//! LODIS.QUEUED epoch seq commands       an entry
//! LODIS.SENT epoch seq                  entries up to this one have been applied upstream
//! ```
//!
//! Numbers ascend. Upstream keeps that of the last entry it has applied, in the same transaction, and
//! passes over what is not above it. A leader that crashes may have sent entries that nobody else has: so
//! whoever takes over counts on in an epoch of its own, and the numbers of lost entries are never given
//! to others.

use crate::resp::write_command;
use std::collections::VecDeque;

const OUTBOX: &[u8] = b"LODIS.OUTBOX";
const QUEUED: &[u8] = b"LODIS.QUEUED";
const SENT: &[u8] = b"LODIS.SENT";

/// The name of the words about a file that hold such a record.
pub(super) const AUX: &str = "lodis-outbox";

/// What an entry costs beside its bytes.
const ENTRY_BYTES: usize = 64;

/// The number of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId {
    /// Of the leader that has put it into the queue.
    pub epoch: u64,
    /// In this epoch, from 1 on.
    pub seq: u64,
}

impl EntryId {
    pub fn parse(word: &[u8]) -> Option<Self> {
        let dash = word.iter().position(|byte| *byte == b'-')?;
        let (epoch, seq) = (word.get(..dash)?, word.get(dash + 1..)?);
        Some(Self { epoch: number(epoch)?, seq: number(seq)? })
    }

    pub fn text(self) -> Vec<u8> {
        let [epoch, seq] = self.words();
        [epoch.as_slice(), b"-", &seq].concat()
    }

    fn words(self) -> [Vec<u8>; 2] {
        [self.epoch, self.seq].map(|number| number.to_string().into_bytes())
    }
}

/// The queue.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Whose entries they are, as upstream knows it.
    pub(super) client: Vec<u8>,
    pub(super) db: usize,
    pub(super) prefix: Vec<u8>,
    /// How many bytes may wait.
    pub(super) max: usize,
    pub(super) last: EntryId,
    pub(super) entries: VecDeque<(EntryId, Vec<u8>)>,
    pub(super) bytes: usize,
    /// The last number is one that this engine has given.
    pub(super) is_own: bool,
    /// How often so much changed that everything has to be compared with upstream again.
    pub(super) stale: u64,
    /// How many units there was no memory to queue for.
    pub(super) lost: u64,
    /// Who sends, and until when: Unix milliseconds.
    pub(super) lease: Option<(Vec<u8>, i64)>,
    /// Who sends has been told that there is something.
    pub(super) is_told: bool,
}

impl Outbox {
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.max
    }

    /// The number of the next entry.
    pub(super) fn next_id(&mut self, now_ms: i64) -> EntryId {
        if !self.is_own {
            let now = u64::try_from(now_ms).unwrap_or_default();
            self.last = EntryId { epoch: now.max(self.last.epoch.saturating_add(1)), seq: 0 };
            self.is_own = true;
        }
        EntryId { seq: self.last.seq.saturating_add(1), ..self.last }
    }

    /// Adds an entry; whether there was memory for it.
    pub(super) fn add(&mut self, id: EntryId, commands: Vec<u8>) -> bool {
        if self.entries.try_reserve(1).is_err() {
            return false;
        }
        self.last = self.last.max(id);
        self.bytes = self.bytes.saturating_add(commands.len() + ENTRY_BYTES);
        self.entries.push_back((id, commands));
        true
    }

    /// Forgets entries up to this one.
    pub(super) fn trim(&mut self, id: EntryId) -> bool {
        let before = self.entries.len();
        while let Some((first, commands)) = self.entries.front()
            && *first <= id
        {
            self.bytes = self.bytes.saturating_sub(commands.len() + ENTRY_BYTES);
            self.entries.pop_front();
        }
        self.last = self.last.max(id);
        self.entries.len() < before
    }

    /// The record that begins it.
    pub(super) fn record(&self) -> [Vec<u8>; 5] {
        let [db, max] = [self.db, self.max].map(|number| number.to_string().into_bytes());
        [OUTBOX.to_vec(), self.client.clone(), db, self.prefix.clone(), max]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes
    }
}

/// The record of an entry.
pub(super) fn queued<'a>(words: &'a [Vec<u8>; 2], commands: &'a [u8]) -> [&'a [u8]; 4] {
    [QUEUED, &words[0], &words[1], commands]
}

impl EntryId {
    /// The words of the number in a record.
    pub(super) fn record_words(self) -> [Vec<u8>; 2] {
        self.words()
    }
}

/// The record that entries have been applied upstream.
pub(super) fn sent(words: &[Vec<u8>; 2]) -> [&[u8]; 3] {
    [SENT, &words[0], &words[1]]
}

/// The record that nothing is queued any more.
pub(super) const CLOSED: [&[u8]; 1] = [OUTBOX];

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Does what a command of the stream says, if it is one of those here; whether it was well formed.
pub(super) fn apply(outbox: &mut Option<Box<Outbox>>, argv: &[&[u8]]) -> Option<bool> {
    let name = *argv.first()?;
    match name {
        OUTBOX => Some(apply_outbox(outbox, argv).is_some()),
        QUEUED | SENT => Some(apply_entry(outbox.as_mut(), argv).is_some()),
        _ => None,
    }
}

fn apply_outbox(outbox: &mut Option<Box<Outbox>>, argv: &[&[u8]]) -> Option<()> {
    let [_, client, db, prefix, max] = argv else {
        *outbox = None;
        return (argv.len() == 1).then_some(());
    };
    let (db, max) = (usize::try_from(number(db)?).ok()?, usize::try_from(number(max)?).ok()?);
    let it = outbox.get_or_insert_default();
    if it.client != *client {
        **it = Outbox { client: client.to_vec(), ..Outbox::default() };
    }
    (it.db, it.prefix, it.max, it.is_own) = (db, prefix.to_vec(), max, false);
    Some(())
}

fn apply_entry(outbox: Option<&mut Box<Outbox>>, argv: &[&[u8]]) -> Option<()> {
    let (outbox, [name, epoch, seq, rest @ ..]) = (outbox?, argv) else { return None };
    let id = EntryId { epoch: number(epoch)?, seq: number(seq)? };
    outbox.is_own = false;
    match (*name, rest) {
        (QUEUED, [commands]) if id > outbox.last => {
            let mut kept = Vec::new();
            if kept.try_reserve_exact(commands.len()).is_ok() {
                kept.extend_from_slice(commands);
                outbox.add(id, kept);
            } else {
                (outbox.last, outbox.lost) = (id, outbox.lost + 1);
            }
        }
        (SENT, []) => _ = outbox.trim(id),
        _ => return None,
    }
    Some(())
}

/// Calls `write` with all of it as words about a file, as long as that answers true; whether it always has.
pub(super) fn save(outbox: Option<&Outbox>, mut write: impl FnMut(&str, &[u8]) -> bool) -> bool {
    let Some(outbox) = outbox else { return true };
    let mut write = |argv: &[&[u8]]| {
        let bytes = argv.iter().map(|word| word.len() + 32).sum::<usize>();
        let mut record = Vec::new();
        record.try_reserve_exact(bytes + 32).is_ok() && {
            write_command(&mut record, argv);
            write(AUX, &record)
        }
    };
    let begin = outbox.record();
    let begin: Vec<&[u8]> = begin.iter().map(Vec::as_slice).collect();
    write(&begin)
        && outbox.entries.iter().all(|(id, commands)| write(&queued(&id.words(), commands)))
        && (!outbox.entries.is_empty() || write(&sent(&outbox.last.words())))
}
