//! The end of the stream, kept for those who lack it.

use std::collections::VecDeque;

/// How much is kept of what is stored, in bytes.
pub const KEEP_LEN: usize = 1024 * 1024;

/// Stretches of the stream, one after the other, with nothing missing. A stretch can be read by itself.
#[derive(Debug, Default)]
pub struct Backlog {
    stretches: VecDeque<Vec<u8>>,
    /// The offset of the first byte that is kept.
    start: u64,
    /// The offset after the last byte.
    end: u64,
    /// Everything before this offset is in the store.
    stored: u64,
}

impl Backlog {
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

    /// Forgets everything; the stream goes on at `offset`, and is stored up to there.
    pub fn reset(&mut self, offset: u64) {
        *self = Self { start: offset, end: offset, stored: offset, ..Self::default() };
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
            at += stretch.len() as u64;
        }
        let first = found.first().map_or(at, |(at, _)| *at);
        (first == offset).then_some(found)
    }

    fn trim(&mut self) {
        while let Some(first) = self.stretches.front() {
            let after = self.start + first.len() as u64;
            let kept = self.end - after;
            if after > self.stored || kept < KEEP_LEN as u64 {
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

    #[test]
    fn what_is_stored_goes_beyond_a_mebibyte() {
        let mut backlog = Backlog::default();
        backlog.reset(10);
        for _ in 0..5 {
            backlog.push(vec![0; KEEP_LEN / 2]);
        }
        assert_eq!((backlog.start(), backlog.end()), (10, 10 + 5 * KEEP_LEN as u64 / 2));
        backlog.set_stored(backlog.end());
        assert_eq!(backlog.start(), 10 + 3 * KEEP_LEN as u64 / 2);
        assert!(backlog.since(10).is_none());
        assert_eq!(backlog.since(backlog.start()).map(|all| all.len()), Some(2));
        assert!(backlog.since(backlog.start() + 1).is_none());
        assert_eq!(backlog.since(backlog.end()), Some(Vec::new()));
        assert!(backlog.since(backlog.end() + 1).is_none());
    }
}
