//! What leaders have written, wherever a copy of it may be.

use crate::generator::Dice;
use lodis::persist::frame::{Kind, decode};
use lodis::persist::lineage::{Lineage, Reign};
use lodis::persist::manifest::Manifest;
use std::collections::BTreeMap;

/// What each leader has written, by its epoch; `None` where that is not known.
#[derive(Default)]
pub struct Streams(BTreeMap<u64, Vec<Option<u8>>>);

impl Streams {
    /// Somebody leads; a store that was emptied may bring an epoch back.
    pub fn begin(&mut self, epoch: u64) {
        self.0.insert(epoch, Vec::new());
    }

    /// The leader has written these bytes at an offset; what was there is no part of the stream, since
    /// it was held back and then given up.
    pub fn write(&mut self, reign: Reign, offset: u64, bytes: &[u8]) {
        self.add(reign, offset, bytes.iter().copied().map(Some));
    }

    /// The leader has written something between two offsets, as everything was replaced.
    pub fn skip(&mut self, reign: Reign, offset: u64, end: u64) {
        self.add(reign, offset, (offset..end).map(|_| None));
    }

    fn add(&mut self, reign: Reign, offset: u64, bytes: impl Iterator<Item = Option<u8>>) {
        let written = self.0.get_mut(&reign.epoch).unwrap();
        let at = (offset - reign.begin) as usize;
        assert!(at <= written.len(), "a gap");
        written.truncate(at);
        written.extend(bytes);
    }

    /// The records of a store are what the leaders of its lineage have written, each until the next
    /// one began.
    pub fn check(&self, manifest: &Manifest, records: &BTreeMap<u64, Vec<u8>>) {
        let leaders = manifest.lineage.leaders;
        assert!(leaders[0].epoch <= manifest.epoch, "of a leader who never owned it");
        for record in records.range(manifest.start..).map(|(_, bytes)| bytes) {
            let Ok(record) = decode(Kind::Record, record) else { continue };
            let mut end = record.offset + record.payload.len() as u64;
            for Reign { epoch, begin } in leaders.into_iter().filter(|reign| reign.epoch > 0) {
                let from = begin.max(record.offset);
                if from >= end {
                    continue;
                }
                let stored =
                    &record.payload[(from - record.offset) as usize..][..(end - from) as usize];
                let written = &self.0[&epoch][(from - begin) as usize..];
                assert!(written.len() >= stored.len(), "at {from} is more than {epoch} wrote");
                let is_same = stored.iter().zip(written).all(|(a, b)| b.is_none_or(|b| *a == b));
                assert!(is_same, "at {from} it is not what {epoch} wrote");
                end = from;
            }
            let forgotten = leaders.iter().all(|reign| reign.epoch > 0);
            assert!(forgotten || end <= record.offset, "up to {end} nobody wrote it");
        }
    }
}

/// What survives of an owner in another tab.
#[derive(Default)]
pub struct Copy {
    pub lineage: Lineage,
    /// Stretches of the stream, by their offsets: at least what the store lacks.
    pub stretches: BTreeMap<u64, Vec<u8>>,
    /// What the keyspace was, by the offset.
    pub history: BTreeMap<u64, Vec<u64>>,
}

impl Copy {
    /// What it has beyond the end of the store, or some of that.
    pub fn tail(&self, end: u64, dice: &mut Dice) -> Vec<Vec<u8>> {
        let mut tail = Vec::new();
        let mut next = end;
        while let Some(stretch) = self.stretches.get(&next).filter(|_| !dice.one_in(5)) {
            next += stretch.len() as u64;
            tail.push(stretch.clone());
        }
        tail
    }
}
