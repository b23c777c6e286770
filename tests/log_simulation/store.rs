//! A store that keeps what survives a crash.

use crate::generator::Dice;
use lodis::persist::log::{Durability, Place, Transaction};
use lodis::persist::manifest::Manifest;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How an owner has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The process ended: the operating system writes what it has.
    Crash,
    /// The machine did.
    PowerCut,
}

/// What is in the store, and what of it may vanish with the power.
#[derive(Clone, Default)]
pub struct Disk {
    pub manifest: Manifest,
    pub records: BTreeMap<u64, Vec<u8>>,
    pub pieces: BTreeMap<(u64, u64), Vec<u8>>,
    /// Emptied, and no base was stored since.
    pub lost: bool,
    /// What it was before each transaction since the last strict one.
    before: Vec<Disk>,
}

impl Disk {
    /// Whether its owner may write that.
    pub fn admits(&self, transaction: &Transaction) -> bool {
        self.manifest.epoch == transaction.epoch || self.manifest == transaction.manifest
    }

    pub fn apply(&mut self, transaction: &Transaction, durability: Durability) {
        match durability {
            Durability::Strict => self.before.clear(),
            Durability::Relaxed => {
                let before = std::mem::take(&mut self.before);
                let copy = self.clone();
                self.before = before;
                self.before.push(copy);
            }
        }
        self.put(transaction, usize::MAX);
        self.end(transaction);
    }

    fn put(&mut self, transaction: &Transaction, most: usize) {
        for index in 0..transaction.frames().min(most) {
            let (place, header, payload) = transaction.frame(index).unwrap();
            let frame = [&header, payload].concat();
            match place {
                Place::Record { offset } => self.records.insert(offset, frame),
                Place::Piece { base, offset } => self.pieces.insert((base, offset), frame),
            };
        }
    }

    fn end(&mut self, transaction: &Transaction) {
        if transaction.manifest_changed {
            self.manifest = transaction.manifest;
        }
        if let Some(newest) = transaction.trim {
            assert_eq!(self.manifest, transaction.manifest, "trimmed by another manifest");
            self.trim(newest);
        }
    }

    /// Somebody empties the store, or forgets some of it.
    pub fn lose(&mut self, dice: &mut Dice) {
        self.manifest = Manifest::default();
        self.records.retain(|_, _| dice.one_in(4));
        self.pieces.retain(|_, _| dice.one_in(4));
        self.lost = true;
        self.before.clear();
    }

    /// The owner begins anew.
    pub fn claim(&mut self, manifest: Manifest) {
        self.manifest = manifest;
        self.trim(u64::MAX);
        self.before.clear();
    }

    /// Deletes what the manifest has no use for.
    pub fn trim(&mut self, newest: u64) {
        let Manifest { start, base, .. } = self.manifest;
        self.records.retain(|offset, _| *offset >= start);
        self.pieces.retain(|(number, _), _| *number == base.number || *number > newest);
    }

    /// The owner ends: what is under way has happened, or not, or has begun.
    pub fn crash(
        &mut self,
        under_way: Option<(Rc<Transaction>, Durability)>,
        dice: &mut Dice,
    ) -> Damage {
        if self.manifest == Manifest::default() {
            // Records without a manifest would not be opened, but deleted.
            self.records.clear();
            self.pieces.clear();
            return Damage::Crash;
        }
        if let Some((transaction, durability)) = under_way {
            match dice.below(3) {
                0 => {}
                1 => self.apply(&transaction, durability),
                _ => self.begin(&transaction, dice),
            }
        }
        if !dice.one_in(3) {
            self.before.clear();
            return Damage::Crash;
        }
        let lost = dice.below(self.before.len() + 1);
        let kept = self.before.len() - lost;
        if lost > 0 {
            *self = self.before.swap_remove(kept);
        }
        self.before.clear();
        Damage::PowerCut
    }

    /// Does some of a transaction, as a store of files might: frames first, then the manifest, then
    /// the rest. The last frame may be torn, or may have been spoiled.
    fn begin(&mut self, transaction: &Transaction, dice: &mut Dice) {
        let frames = dice.below(transaction.frames() + 1);
        self.put(transaction, frames);
        if frames == transaction.frames() && dice.one_in(2) {
            if transaction.manifest_changed {
                self.manifest = transaction.manifest;
            }
            return;
        }
        let Some((place, header, payload)) = transaction.frame(frames) else { return };
        let mut frame = [&header, payload].concat();
        if dice.one_in(2) {
            frame.truncate(dice.below(frame.len()));
        } else {
            let bit = dice.below(frame.len() * 8);
            // The version is not to be the one of a program to come.
            if !(32..64).contains(&bit) {
                frame[bit / 8] ^= 1 << (bit % 8);
            }
        }
        match place {
            Place::Record { offset } => self.records.insert(offset, frame),
            Place::Piece { base, offset } => self.pieces.insert((base, offset), frame),
        };
    }
}
