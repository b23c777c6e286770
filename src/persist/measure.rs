//! Finds where the records of a store end, without a keyspace: a copy that is here already need not
//! be loaded anew by whoever takes the store over, but must go on where the store does.
//!
//! The driver pushes the records from [`Measure::next_key`] on, in the order of their offsets, then
//! looks at [`Measure::finish`].

use super::frame::{self, FrameError, Kind};
use super::manifest::Manifest;
use super::replay::{Repair, ReplayError};

/// Where the records end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The offset after the last whole record; where the records begin, if there is none.
    pub end: u64,
    /// The last record is not whole: it is to be deleted before anything is stored.
    pub repair: Option<Repair>,
}

/// Records being measured.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    end: u64,
    cut: Option<FrameError>,
}

impl Measure {
    /// Begins with a store that had this manifest before it was claimed, and whose records have come
    /// to `known` at least, where one of them ended.
    ///
    /// Where effects were not recorded, what an owner knew tells nothing about records, so all of them
    /// are measured.
    pub fn begin(before: &Manifest, known: u64) -> Self {
        let known = if before.recording { known } else { 0 };
        Self { end: before.start.max(known), cut: None }
    }

    /// The offset from which the next record is to be looked for.
    pub fn next_key(&self) -> u64 {
        self.end.saturating_add(u64::from(self.cut.is_some()))
    }

    /// Adds the next record.
    ///
    /// # Errors
    /// [`ReplayError`]: it is of a newer version, it does not follow the record before it, or that one
    /// was not whole: only the last one may be torn.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ReplayError> {
        let end = self.end;
        if let Some(error) = self.cut {
            return Err(ReplayError::Corrupt(format!("record at offset {end}: {error}")));
        }
        match frame::decode(Kind::Record, bytes) {
            Ok(record) if record.offset == end && !record.payload.is_empty() => {
                self.end = end.saturating_add(record.payload.len() as u64);
            }
            Ok(record) => {
                let (offset, len) = (record.offset, record.payload.len());
                return Err(ReplayError::Corrupt(format!(
                    "a record of {len} bytes at offset {offset}, but the one before it ends at {end}"
                )));
            }
            Err(FrameError::TooNew { version, .. }) => return Err(ReplayError::TooNew(version)),
            Err(error) => self.cut = Some(error),
        }
        Ok(())
    }

    /// There are no more records.
    pub fn finish(self) -> Measured {
        let end = self.end;
        let repair = self.cut.map(|error| Repair {
            delete_from: end,
            payload: Vec::new(),
            reason: format!("record at offset {end}: {error}"),
        });
        Measured { end, repair }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::frame::{Frame, encode};

    fn record(offset: u64, payload: &[u8]) -> Vec<u8> {
        encode(&Frame { kind: Kind::Record, origin: 1, offset, payload }).unwrap()
    }

    fn manifest(recording: bool) -> Manifest {
        Manifest { start: 100, recording, ..Manifest::default() }
    }

    #[test]
    fn records_are_measured_from_where_they_are_known() {
        let mut measure = Measure::begin(&manifest(true), 130);
        assert_eq!(measure.next_key(), 130);
        measure.push(&record(130, b"12345")).unwrap();
        measure.push(&record(135, b"1")).unwrap();
        assert_eq!(measure.finish(), Measured { end: 136, repair: None });
        let unknown = Measure::begin(&manifest(true), 7).finish();
        assert_eq!(unknown, Measured { end: 100, repair: None });
        let unrecorded = Measure::begin(&manifest(false), 130);
        assert_eq!(unrecorded.next_key(), 100, "somebody knew of effects that nobody stored");
    }

    #[test]
    fn a_torn_record_does_not_count_unless_others_follow() {
        let mut measure = Measure::begin(&manifest(true), 0);
        measure.push(&record(100, b"12345")).unwrap();
        let torn = record(105, b"1234");
        measure.push(&torn[..torn.len() - 1]).unwrap();
        assert_eq!(measure.next_key(), 106);
        let Measured { end, repair } = measure.finish();
        let repair = repair.unwrap();
        assert_eq!((end, repair.delete_from, repair.payload), (105, 105, Vec::new()));
        assert!(matches!(measure.push(&record(109, b"1")), Err(ReplayError::Corrupt(_))));
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        for bytes in [record(101, b"1"), record(99, b"1"), record(100, b"")] {
            let mut measure = Measure::begin(&manifest(true), 0);
            assert!(matches!(measure.push(&bytes), Err(ReplayError::Corrupt(_))));
        }
        let mut newer = record(100, b"1");
        newer[4] = 9;
        let refused = Measure::begin(&manifest(true), 0).push(&newer);
        assert_eq!(refused, Err(ReplayError::TooNew(9)));
    }
}
