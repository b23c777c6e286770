//! What a store writes at once.

use crate::persist::frame::{self, Frame, Kind};
use crate::persist::manifest::Manifest;
use std::rc::Rc;

/// Stretches of the effect stream, or of a base, each with its offset therein.
pub(super) type Stretches = Vec<(u64, Vec<u8>)>;

/// What the store promises when a transaction is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk, and so is everything that was stored before.
    Strict,
    /// The operating system has it.
    Relaxed,
}

/// What to write, all of it or nothing, if the store's manifest has this `epoch`, or is `manifest`
/// already. If another one is there, nothing is written, and the driver reports
/// [`super::Log::fenced`].
#[derive(Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The epoch of the manifest that is in the store.
    pub epoch: u64,
    /// The manifest as it is to be afterwards.
    pub manifest: Manifest,
    /// Whether it differs from what is in the store.
    pub manifest_changed: bool,
    /// Delete what the manifest has no use for: records before its start, and pieces of bases with
    /// numbers up to this one, but for its base.
    pub trim: Option<u64>,
    pub(super) kind: Kind,
    /// The number of the base of which the stretches are, if they are pieces.
    pub(super) base: u64,
    pub(super) stretches: Rc<Stretches>,
}

impl Transaction {
    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.stretches.len()
    }

    /// The place of frame number `index`, its header and its payload: there may be no memory for a copy of
    /// it. `None` after the last. To encode all of a large transaction at once would take long.
    pub fn frame(&self, index: usize) -> Option<(Place, Vec<u8>, &[u8])> {
        let (offset, payload) = self.stretches.get(index)?;
        let offset = *offset;
        let (origin, place) = match self.kind {
            Kind::Record => (self.manifest.epoch, Place::Record { offset }),
            Kind::Piece => (self.base, Place::Piece { base: self.base, offset }),
        };
        // A payload is at most one argument of 512 MiB and what is around it, or one transaction;
        // in 32 bits of address space none can have 4 GiB.
        let header = frame::header(&Frame { kind: self.kind, origin, offset, payload })?;
        Some((place, header, payload))
    }
}

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Among the pieces of bases.
    Piece {
        /// The base's number.
        base: u64,
        /// Where in the base it begins.
        offset: u64,
    },
    /// Among the records.
    Record {
        /// Where in the effect stream it begins.
        offset: u64,
    },
}
