//! The manifest: what there is to know of a store before its records are read.
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..4 | the letters `LDSM` |
//! | 4..8 | format version of the store, `u32`: [`VERSION`] |
//! | 8..16 | epoch, `u64`: who raised it last is the owner; nobody else may write |
//! | 16..24 | base, `u64`: offset in the effect stream where the first record begins |
//! | 24..32 | when the store was made, `i64`: Unix time in milliseconds |
//! | 32..36 | flags, `u32`: bit 0, effects are recorded (`appendonly yes`); the others are 0 |
//! | 36..44 | [`crc64`] over bytes 0..36 |

use super::record::{Fields, RecordError, VERSION};
use crate::engine::rdb::crc64;

/// The length of an encoded manifest of this version.
pub const LEN: usize = 44;

const MAGIC: [u8; 4] = *b"LDSM";
const CHECKED_LEN: usize = 36;
const RECORDING: u32 = 1;

/// A store's manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Raised by each new owner.
    pub epoch: u64,
    /// Where the log begins in the effect stream.
    pub base: u64,
    /// When the store was made: Unix time in milliseconds.
    pub created_ms: i64,
    /// Whether effects go to the store.
    pub recording: bool,
}

impl Manifest {
    /// The manifest as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.base.to_le_bytes());
        bytes.extend_from_slice(&self.created_ms.to_le_bytes());
        let flags = if self.recording { RECORDING } else { 0 };
        bytes.extend_from_slice(&flags.to_le_bytes());
        let checksum = crc64(0, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Decodes what [`Manifest::encode`] made.
    ///
    /// # Errors
    /// [`RecordError`], as for a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(bytes);
        let magic: [u8; 4] = fields.take();
        let version = fields.u32();
        if bytes.len() >= 8 && magic == MAGIC && version > VERSION {
            return Err(RecordError::TooNew(version));
        }
        if bytes.len() < LEN {
            let shown = bytes.len().min(MAGIC.len());
            let begins_well = bytes[..shown] == MAGIC[..shown];
            return Err(if begins_well { RecordError::Torn } else { RecordError::Damaged });
        }
        let (epoch, base, created_ms) = (fields.u64(), fields.u64(), fields.u64() as i64);
        let (flags, checksum) = (fields.u32(), fields.u64());
        let whole = magic == MAGIC && version == VERSION && bytes.len() == LEN;
        if !whole || crc64(0, &bytes[..CHECKED_LEN]) != checksum || flags > RECORDING {
            return Err(RecordError::Damaged);
        }
        Ok(Self { epoch, base, created_ms, recording: flags == RECORDING })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: Manifest =
        Manifest { epoch: 3, base: 1 << 33, created_ms: 1_700_000_000_123, recording: true };

    #[test]
    fn what_is_encoded_is_decoded() {
        let bytes = SAMPLE.encode();
        assert_eq!(bytes.len(), LEN);
        assert_eq!(Manifest::decode(&bytes), Ok(SAMPLE));
    }

    #[test]
    fn every_change_is_found() {
        let bytes = SAMPLE.encode();
        for len in 0..bytes.len() {
            assert_eq!(Manifest::decode(&bytes[..len]), Err(RecordError::Torn), "{len} bytes");
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
        assert_eq!(Manifest::decode(&bytes), Err(RecordError::TooNew(9)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused(bytes: Vec<u8>) {
            prop_assert!(Manifest::decode(&bytes).is_err());
        }
    }
}
