//! A record: a stretch of the effect stream as it lies in the store.
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..4 | the letters `LDSR` |
//! | 4..8 | format version, `u32`: [`VERSION`] |
//! | 8..16 | epoch of the owner that wrote the record, `u64` |
//! | 16..24 | offset in the effect stream of the payload's first byte, `u64` |
//! | 24..28 | length of the payload in bytes, `u32` |
//! | 28..36 | [`crc64`] over bytes 0..28 and the payload |
//! | 36.. | payload: commands as RESP, whole units only; nothing follows |
//!
//! A reader that finds a higher version knows nothing about what follows and refuses it.

use crate::engine::rdb::crc64;

/// The version that this code writes, and the highest that it reads.
pub const VERSION: u32 = 1;
/// The length of everything before the payload.
pub const HEADER_LEN: usize = 36;

const MAGIC: [u8; 4] = *b"LDSR";
const CHECKED_LEN: usize = 28;

/// A record, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The owner that wrote it.
    pub epoch: u64,
    /// Where its payload begins in the effect stream.
    pub offset: u64,
    /// Effects as RESP.
    pub payload: &'a [u8],
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// A newer program wrote it, in this format version.
    TooNew(u32),
    /// The end is missing: shorter than its header, or than the length therein.
    Torn,
    /// Something in it is not as it was written.
    Damaged,
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooNew(version) => write!(
                formatter,
                "format version {version} is newer than {VERSION}, which this Lodis can read"
            ),
            Self::Torn => formatter.write_str("the record's end is missing"),
            Self::Damaged => formatter.write_str("the record's checksum does not match"),
        }
    }
}

/// Encodes a record. `None` when the payload is 4 GiB or longer.
pub fn encode(record: &Record<'_>) -> Option<Vec<u8>> {
    let len = u32::try_from(record.payload.len()).ok()?;
    let mut bytes = Vec::with_capacity(HEADER_LEN + record.payload.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&record.epoch.to_le_bytes());
    bytes.extend_from_slice(&record.offset.to_le_bytes());
    bytes.extend_from_slice(&len.to_le_bytes());
    let checksum = crc64(crc64(0, &bytes), record.payload);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.extend_from_slice(record.payload);
    Some(bytes)
}

/// Decodes what [`encode`] made.
///
/// # Errors
/// [`RecordError`]; the checksum covers every byte, so a changed one is always found.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, RecordError> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        let shown = bytes.len().min(MAGIC.len());
        let begins_well = bytes[..shown] == MAGIC[..shown];
        return Err(if begins_well { RecordError::Torn } else { RecordError::Damaged });
    };
    let mut fields = Fields::new(header);
    if fields.take::<4>() != MAGIC {
        return Err(RecordError::Damaged);
    }
    let version = fields.u32();
    if version > VERSION {
        return Err(RecordError::TooNew(version));
    }
    let (epoch, offset, len, checksum) = (fields.u64(), fields.u64(), fields.u32(), fields.u64());
    if payload.len() < len as usize {
        return Err(RecordError::Torn);
    }
    let actual = crc64(crc64(0, &header[..CHECKED_LEN]), payload);
    if version != VERSION || payload.len() != len as usize || actual != checksum {
        return Err(RecordError::Damaged);
    }
    Ok(Record { epoch, offset, payload })
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
        encode(&Record { epoch: 7, offset: 1 << 40, payload }).unwrap()
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let bytes = sample();
        let record = decode(&bytes).unwrap();
        assert_eq!((record.epoch, record.offset), (7, 1 << 40));
        assert_eq!(record.payload, b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
        assert_eq!(&bytes[..8], b"LDSR\x01\0\0\0");
        assert_eq!(bytes.len(), HEADER_LEN + record.payload.len());
    }

    #[test]
    fn a_cut_at_any_byte_is_torn() {
        let bytes = sample();
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), Err(RecordError::Torn), "{len} bytes");
        }
    }

    #[test]
    fn any_flipped_bit_is_found() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = decode(&flipped).unwrap_err();
            let in_version = (32..64).contains(&bit);
            assert_eq!(matches!(error, RecordError::TooNew(_)), in_version && bit != 32, "{bit}");
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        assert_eq!(decode(&longer), Err(RecordError::Damaged));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused(bytes: Vec<u8>, start in 0usize..HEADER_LEN) {
            prop_assert!(decode(&bytes).is_err());
            let after_header = [&sample()[..start], &bytes].concat();
            prop_assert!(decode(&after_header).is_err());
        }
    }
}
