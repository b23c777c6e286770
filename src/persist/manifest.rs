//! The manifest: what there is to know of a store before anything else in it is read.
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..4 | the letters `LDSM` |
//! | 4..8 | format version of the store, `u32`: [`VERSION`] |
//! | 8..16 | epoch, `u64`: who raised it last is the owner; nobody else may write |
//! | 16..24 | offset in the effect stream where the first record begins, `u64`: what came before is in the base |
//! | 24..32 | when the store was made, `i64`: Unix time in milliseconds |
//! | 32..36 | flags, `u32`: bit 0, effects are recorded (`appendonly yes`); the others are 0 |
//! | 36..44 | number of the base, `u64`; 0 in a store that has had none |
//! | 44..52 | length of the base in bytes, `u64`; 0 if there is none: the keyspace begins empty |
//! | 52..60 | when the base was made, `i64`: Unix time in milliseconds |
//! | 60..188 | lineage of the stream: 8 leaders, the last one first, each with its epoch, `u64`, and the offset at which it began, `u64`; both 0 where there was none |
//! | 188..196 | [`crc64`] over bytes 0..188 |
//!
//! The epoch of the last leader is lower than that of the owner until the owner leads. Without any
//! leader no copy elsewhere is a part of what the store has.
//!
//! Version 2 had no lineage: the checksum is in bytes 60..68, over bytes 0..60. Version 1 had no base
//! either: the checksum is in bytes 36..44, over bytes 0..36. Their owners had the only copy, so
//! whoever owned the store last is taken for the leader of all of the stream.

use super::frame::{Fields, FrameError};
use super::lineage::{Lineage, Reign};
use crate::engine::rdb::crc64;

/// The version that this code writes, and the highest that it reads.
pub const VERSION: u32 = 3;
/// The length of an encoded manifest of this version.
pub const LEN: usize = 196;

const MAGIC: [u8; 4] = *b"LDSM";
const CHECKSUM_LEN: usize = 8;
const RECORDING: u32 = 1;

/// A store's manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Raised by each new owner.
    pub epoch: u64,
    /// Where the records begin in the effect stream.
    pub start: u64,
    /// When the store was made: Unix time in milliseconds.
    pub created_ms: i64,
    /// Whether effects go to the store.
    pub recording: bool,
    /// What came before the first record.
    pub base: Base,
    /// Whose stream it is.
    pub lineage: Lineage,
}

/// The keyspace as it was at an offset of the effect stream: an RDB file, in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Base {
    /// Each base of a store has a higher number than those before it.
    pub number: u64,
    /// In bytes; 0 for an empty keyspace, of which there are no pieces.
    pub len: u64,
    /// When it was made: Unix time in milliseconds.
    pub saved_ms: i64,
}

impl Manifest {
    /// The manifest as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.start.to_le_bytes());
        bytes.extend_from_slice(&self.created_ms.to_le_bytes());
        let flags = if self.recording { RECORDING } else { 0 };
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&self.base.number.to_le_bytes());
        bytes.extend_from_slice(&self.base.len.to_le_bytes());
        bytes.extend_from_slice(&self.base.saved_ms.to_le_bytes());
        for Reign { epoch, begin } in self.lineage.leaders {
            bytes.extend_from_slice(&epoch.to_le_bytes());
            bytes.extend_from_slice(&begin.to_le_bytes());
        }
        let checksum = crc64(0, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Decodes what [`Manifest::encode`] made, in this version or an older one.
    ///
    /// # Errors
    /// [`FrameError`], as for a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let mut fields = Fields::new(bytes);
        let magic: [u8; 4] = fields.take();
        let version = fields.u32();
        if bytes.len() >= 8 && magic == MAGIC && version > VERSION {
            return Err(FrameError::TooNew { version, known: VERSION });
        }
        let len = match version {
            1 => 44,
            2 => 68,
            _ => LEN,
        };
        if bytes.len() < len {
            let shown = bytes.len().min(MAGIC.len());
            let begins_well = bytes[..shown] == MAGIC[..shown];
            return Err(if begins_well { FrameError::Torn } else { FrameError::Damaged });
        }
        let (epoch, start, created_ms) = (fields.u64(), fields.u64(), fields.u64() as i64);
        let flags = fields.u32();
        let mut base = Base::default();
        if version > 1 {
            base = Base { number: fields.u64(), len: fields.u64(), saved_ms: fields.u64() as i64 };
        }
        let mut lineage = Lineage::default().succeeded(epoch, 0);
        if version > 2 {
            lineage.leaders =
                std::array::from_fn(|_| Reign { epoch: fields.u64(), begin: fields.u64() });
        }
        let whole = magic == MAGIC && version > 0 && bytes.len() == len && flags <= RECORDING;
        if !whole || crc64(0, &bytes[..len - CHECKSUM_LEN]) != fields.u64() {
            return Err(FrameError::Damaged);
        }
        Ok(Self { epoch, start, created_ms, recording: flags == RECORDING, base, lineage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Manifest {
        Manifest {
            epoch: 3,
            start: 1 << 33,
            created_ms: 1_700_000_000_123,
            recording: true,
            base: Base { number: 5, len: 1 << 34, saved_ms: 1_700_000_000_456 },
            lineage: Lineage::default().succeeded(1, 0).succeeded(2, 1 << 32),
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let bytes = sample().encode();
        assert_eq!(bytes.len(), LEN);
        assert_eq!(Manifest::decode(&bytes), Ok(sample()));
    }

    /// The beginning of the sample as an older version had it.
    fn older(version: u8, len: usize) -> Vec<u8> {
        let mut bytes = sample().encode()[..len].to_vec();
        bytes[4] = version;
        let checksum = crc64(0, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    #[test]
    fn older_versions_are_of_one_leader_and_the_first_has_no_base() {
        let lineage = Lineage::default().succeeded(3, 0);
        let second = Manifest { lineage, ..sample() };
        let first = Manifest { base: Base::default(), ..second };
        for (mut bytes, manifest) in [(older(1, 36), first), (older(2, 60), second)] {
            assert_eq!(Manifest::decode(&bytes), Ok(manifest));
            bytes.push(0);
            assert_eq!(Manifest::decode(&bytes), Err(FrameError::Damaged));
        }
    }

    #[test]
    fn every_change_is_found() {
        let bytes = sample().encode();
        for len in 0..bytes.len() {
            assert_eq!(Manifest::decode(&bytes[..len]), Err(FrameError::Torn), "{len} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_named_whatever_follows() {
        let bytes = [&b"LDSM"[..], &9u32.to_le_bytes(), b"anything"].concat();
        let error = FrameError::TooNew { version: 9, known: VERSION };
        assert_eq!(Manifest::decode(&bytes), Err(error));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused(bytes: Vec<u8>) {
            prop_assert!(Manifest::decode(&bytes).is_err());
        }
    }
}
