//! The end of the stream, kept for those who lack it.

use std::collections::VecDeque;

/// How much is kept of what is stored, in bytes.
pub const KEEP_LEN: u64 = 1024 * 1024;
/// How much is kept for somebody who is loading the stream up to an earlier offset, in bytes.
pub const PINNED_LEN: u64 = 16 * 1024 * 1024;

/// Stretches of the stream, one after the other, with nothing missing. A stretch can be read by itself.
#[derive(Debug)]
pub struct Backlog {
    stretches: VecDeque<Vec<u8>>,
    /// The offset of the first byte that is kept.
    start: u64,
    /// The offset after the last byte.
    end: u64,
    /// Everything before this offset is in the store; it may be earlier than what is kept.
    stored: u64,
    /// What follows is not going to be stored.
    unrecorded: bool,
    /// Somebody is going to ask for what follows this offset.
    pin: Option<u64>,
    keep_len: u64,
    pinned_len: u64,
}

impl Default for Backlog {
    fn default() -> Self {
        Self::new(KEEP_LEN, PINNED_LEN)
    }
}

impl Backlog {
    /// An empty one with other limits than [`KEEP_LEN`] and [`PINNED_LEN`].
    pub fn new(keep_len: u64, pinned_len: u64) -> Self {
        Self {
            stretches: VecDeque::new(),
            start: 0,
            end: 0,
            stored: 0,
            unrecorded: false,
            pin: None,
            keep_len,
            pinned_len,
        }
    }

    /// The offset of the first byte that is kept.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The offset after the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Everything before this offset is in the store.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// Whether what follows is going to be stored.
    pub fn is_recorded(&self) -> bool {
        !self.unrecorded
    }

    /// Forgets everything; the stream goes on at `offset`, and is stored up to `stored`.
    pub fn reset(&mut self, offset: u64, stored: u64) {
        self.stretches.clear();
        (self.start, self.end, self.stored) = (offset, offset, stored.min(offset));
        self.pin = None;
    }

    /// What follows is going to be stored, or not: nothing waits for the store then.
    pub fn set_recorded(&mut self, recorded: bool) {
        self.unrecorded = !recorded;
        self.trim();
    }

    /// Somebody is going to ask for what follows this offset.
    pub fn set_pin(&mut self, pin: Option<u64>) {
        self.pin = pin;
        self.trim();
    }

    /// Takes the next stretch.
    pub fn push(&mut self, stretch: Vec<u8>) {
        self.end = self.end.saturating_add(stretch.len() as u64);
        self.stretches.push_back(stretch);
        self.trim();
    }

    /// Everything before `offset` is in the store.
    pub fn set_stored(&mut self, offset: u64) {
        self.stored = self.stored.max(offset.min(self.end));
        self.trim();
    }

    /// The stretches from `offset` on, each with its own offset. None if it is not where a stretch
    /// begins or the last one ends.
    pub fn since(&self, offset: u64) -> Option<Vec<(u64, &[u8])>> {
        let mut at = self.start;
        let mut found = Vec::new();
        for stretch in &self.stretches {
            if at >= offset {
                found.push((at, stretch.as_slice()));
            }
            at = at.saturating_add(stretch.len() as u64);
        }
        let first = found.first().map_or(at, |(at, _)| *at);
        (first == offset).then_some(found)
    }

    fn trim(&mut self) {
        while let Some(first) = self.stretches.front() {
            let after = self.start.saturating_add(first.len() as u64);
            let is_stored = after <= self.stored || self.unrecorded;
            let is_pinned =
                self.pin.is_some_and(|pin| after > pin && self.end - pin <= self.pinned_len);
            if !is_stored || is_pinned || self.end - after < self.keep_len {
                return;
            }
            self.start = after;
            self.stretches.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backlog from 10 on, with five stretches of 50 bytes.
    fn backlog() -> Backlog {
        let mut backlog = Backlog::new(100, 200);
        backlog.reset(10, 10);
        for _ in 0..5 {
            backlog.push(vec![0; 50]);
        }
        backlog
    }

    #[test]
    fn what_is_stored_goes_when_there_is_enough() {
        let mut backlog = backlog();
        assert_eq!((backlog.start(), backlog.end()), (10, 260));
        backlog.set_stored(backlog.end());
        assert_eq!(backlog.start(), 160);
        assert!(backlog.since(10).is_none());
        assert_eq!(backlog.since(160).map(|all| all.len()), Some(2));
        assert!(backlog.since(161).is_none());
        assert_eq!(backlog.since(260), Some(Vec::new()));
        assert!(backlog.since(261).is_none());
    }

    #[test]
    fn what_is_never_stored_goes_as_well() {
        let mut backlog = backlog();
        backlog.set_recorded(false);
        assert_eq!((backlog.start(), backlog.stored()), (160, 10));
        backlog.set_recorded(true);
        backlog.push(vec![0; 500]);
        assert_eq!(backlog.start(), 160);
    }

    #[test]
    fn what_is_pinned_stays_for_a_while() {
        let mut backlog = backlog();
        backlog.set_pin(Some(110));
        backlog.set_stored(backlog.end());
        assert_eq!(backlog.start(), 110);
        backlog.push(vec![0; 50]);
        backlog.set_stored(310);
        assert_eq!(backlog.start(), 110);
        backlog.push(vec![0; 1]);
        assert_eq!(backlog.start(), 210, "it was too much");
        backlog.set_pin(None);
        assert_eq!(backlog.start(), 210);
    }

    #[test]
    fn it_may_begin_after_what_is_stored() {
        let mut backlog = backlog();
        backlog.reset(500, 400);
        backlog.push(vec![0; 500]);
        assert_eq!((backlog.start(), backlog.stored()), (500, 400));
        assert!(backlog.since(400).is_none());
    }

    #[test]
    fn no_offset_is_beyond_the_last_number() {
        let mut backlog = Backlog::new(0, 0);
        backlog.reset(u64::MAX - 1, 0);
        backlog.push(vec![0; 10]);
        backlog.push(vec![0; 10]);
        assert_eq!(backlog.end(), u64::MAX);
        assert!(backlog.since(u64::MAX - 1).is_some());
        backlog.set_stored(u64::MAX);
        assert_eq!(backlog.start(), u64::MAX);
    }
}
