//! Frames: what lies in the store besides the manifest, each with a checksum. A *record* is a stretch
//! of the effect stream, a *piece* is one of a base.
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..4 | the letters `LDSR` (a record) or `LDSB` (a piece) |
//! | 4..8 | format version, `u32`: [`VERSION`] |
//! | 8..16 | epoch of the owner that wrote the record, or number of the base, `u64` |
//! | 16..24 | offset of the payload's first byte in the effect stream, or in the base, `u64` |
//! | 24..28 | length of the payload in bytes, `u32` |
//! | 28..36 | [`crc64`] over bytes 0..28 and the payload |
//! | 36.. | payload: of a record, commands as RESP, whole units only; of a piece, RDB; nothing follows |
//!
//! A reader that finds a higher version knows nothing about what follows and refuses it.

use crate::engine::rdb::crc64;

/// The version that this code writes, and the highest that it reads.
pub const VERSION: u32 = 1;
/// The length of everything before the payload.
pub const HEADER_LEN: usize = 36;

const CHECKED_LEN: usize = 28;

/// What a frame is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The effect stream.
    Record,
    /// A base.
    Piece,
}

impl Kind {
    fn magic(self) -> [u8; 4] {
        match self {
            Self::Record => *b"LDSR",
            Self::Piece => *b"LDSB",
        }
    }
}

/// A frame, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is part of.
    pub kind: Kind,
    /// The epoch of the owner that wrote a record; the number of a piece's base.
    pub origin: u64,
    /// Where its payload begins: in the effect stream, or in the base.
    pub offset: u64,
    /// Effects as RESP, or RDB.
    pub payload: &'a [u8],
}

/// Why bytes are no frame, or no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A newer program wrote it.
    TooNew {
        /// In this format version.
        version: u32,
        /// The highest that is known here.
        known: u32,
    },
    /// The end is missing: shorter than its header, or than the length therein.
    Torn,
    /// Something in it is not as it was written.
    Damaged,
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooNew { version, known } => write!(
                formatter,
                "format version {version} is newer than {known}, which this Lodis can read"
            ),
            Self::Torn => formatter.write_str("the end is missing"),
            Self::Damaged => formatter.write_str("the checksum does not match"),
        }
    }
}

/// Encodes a frame. `None` when the payload is 4 GiB or longer.
pub fn encode(frame: &Frame<'_>) -> Option<Vec<u8>> {
    Some([header(frame)?.as_slice(), frame.payload].concat())
}

/// What comes before the payload, [`HEADER_LEN`] bytes. `None` when the payload is 4 GiB or longer.
pub fn header(frame: &Frame<'_>) -> Option<Vec<u8>> {
    let len = u32::try_from(frame.payload.len()).ok()?;
    let mut bytes = Vec::with_capacity(HEADER_LEN);
    bytes.extend_from_slice(&frame.kind.magic());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&frame.origin.to_le_bytes());
    bytes.extend_from_slice(&frame.offset.to_le_bytes());
    bytes.extend_from_slice(&len.to_le_bytes());
    let checksum = crc64(crc64(0, &bytes), frame.payload);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Some(bytes)
}

/// Decodes what [`encode`] made of a frame of this kind.
///
/// # Errors
/// [`FrameError`]; the checksum covers every byte, so a changed one is always found.
pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    let magic = kind.magic();
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        let shown = bytes.len().min(magic.len());
        let begins_well = bytes[..shown] == magic[..shown];
        return Err(if begins_well { FrameError::Torn } else { FrameError::Damaged });
    };
    let mut fields = Fields::new(header);
    if fields.take::<4>() != magic {
        return Err(FrameError::Damaged);
    }
    let version = fields.u32();
    if version > VERSION {
        return Err(FrameError::TooNew { version, known: VERSION });
    }
    let (origin, offset, len, checksum) = (fields.u64(), fields.u64(), fields.u32(), fields.u64());
    if payload.len() < len as usize {
        return Err(FrameError::Torn);
    }
    let actual = crc64(crc64(0, &header[..CHECKED_LEN]), payload);
    if version != VERSION || payload.len() != len as usize || actual != checksum {
        return Err(FrameError::Damaged);
    }
    Ok(Frame { kind, origin, offset, payload })
}

/// Reads fixed fields one after the other; beyond the end they are 0.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk::<N>() else { return [0; N] };
        self.0 = rest;
        *field
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let payload = b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n";
        encode(&Frame { kind: Kind::Record, origin: 7, offset: 1 << 40, payload }).unwrap()
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let bytes = sample();
        let record = decode(Kind::Record, &bytes).unwrap();
        assert_eq!((record.origin, record.offset), (7, 1 << 40));
        assert_eq!(decode(Kind::Piece, &bytes), Err(FrameError::Damaged));
        assert_eq!(record.payload, b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
        assert_eq!(&bytes[..8], b"LDSR\x01\0\0\0");
        assert_eq!(bytes.len(), HEADER_LEN + record.payload.len());
    }

    #[test]
    fn a_cut_at_any_byte_is_torn() {
        let bytes = sample();
        for len in 0..bytes.len() {
            assert_eq!(decode(Kind::Record, &bytes[..len]), Err(FrameError::Torn), "{len} bytes");
        }
    }

    #[test]
    fn any_flipped_bit_is_found() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = decode(Kind::Record, &flipped).unwrap_err();
            let in_version = (32..64).contains(&bit);
            assert_eq!(
                matches!(error, FrameError::TooNew { .. }),
                in_version && bit != 32,
                "{bit}"
            );
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        assert_eq!(decode(Kind::Record, &longer), Err(FrameError::Damaged));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused(bytes: Vec<u8>, start in 0usize..HEADER_LEN) {
            prop_assert!(decode(Kind::Record, &bytes).is_err());
            let after_header = [&sample()[..start], &bytes].concat();
            prop_assert!(decode(Kind::Record, &after_header).is_err());
        }
    }
}
