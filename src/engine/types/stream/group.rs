//! Consumer groups.

use super::id::StreamId;
use crate::collections::{Sorted, SortedKeys, sort_by};
use std::sync::Arc;

/// A consumer group: how far it has read, and what has been delivered and not acknowledged.
#[derive(Clone, Debug)]
pub struct Group {
    /// The last entry that was delivered.
    pub last_id: StreamId,
    /// How many entries the group has read of all that were ever added, if that is known.
    pub entries_read: Option<u64>,
    /// What is pending.
    pub pending: Sorted<StreamId, Pending>,
    /// The consumers by name.
    pub consumers: Sorted<Arc<[u8]>, Consumer>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Whom it was delivered to.
    pub consumer: Arc<[u8]>,
    /// When: Unix milliseconds.
    pub delivered_ms: i64,
    /// How often.
    pub deliveries: u64,
}

/// A consumer of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// When it last tried something: Unix milliseconds.
    pub seen_ms: i64,
    /// When it last got something, if it ever did.
    pub active_ms: Option<i64>,
    /// What is pending for it.
    pub pending: SortedKeys<StreamId>,
}

impl Group {
    /// Bytes of memory that it has on the heap. O(consumers).
    pub(super) fn heap_bytes(&self) -> usize {
        let consumers = self.consumers.iter();
        let consumers =
            consumers.map(|(name, consumer)| name.len() + consumer.pending.memory_bytes());
        self.pending.memory_bytes() + self.consumers.memory_bytes() + consumers.sum::<usize>()
    }

    /// A group that has read up to `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Self { last_id, entries_read, pending: Sorted::new(), consumers: Sorted::new() }
    }

    /// See [`crate::engine::types::Value::parts`].
    pub(super) fn parts(&self) -> usize {
        let of_consumers = self.consumers.values().map(|consumer| 1 + consumer.pending.len());
        self.pending.len() + of_consumers.sum::<usize>()
    }

    /// See [`crate::engine::types::Value::free_parts`].
    pub(super) fn free_parts(&mut self, most: usize) -> usize {
        let freed = self.pending.dismantle(most);
        if freed > 0 {
            return freed;
        }
        let Some((_, consumer)) = self.consumers.last_mut() else { return 0 };
        let freed = consumer.pending.dismantle(most);
        if freed == 0 {
            self.consumers.pop_last();
        }
        freed.max(1)
    }

    /// Makes a consumer; whether it was not there.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: i64) -> bool {
        if self.consumers.contains_key(name) {
            return false;
        }
        let consumer = Consumer { seen_ms: now_ms, active_ms: None, pending: Sorted::new() };
        self.consumers.insert(name.into(), consumer);
        true
    }

    /// Removes a consumer with what is pending for it; answers how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        consumer.pending.keys().for_each(|id| {
            self.pending.remove(id);
        });
        Some(consumer.pending.len())
    }

    /// Makes an entry pending for a consumer that is there, whoever had it before.
    pub fn deliver(&mut self, id: StreamId, name: &[u8], delivered_ms: i64, deliveries: u64) {
        self.acknowledge(id);
        let Some((name, _)) = self.consumers.get_key_value(name) else { return };
        let name = Arc::clone(name);
        if let Some(consumer) = self.consumers.get_mut(&name) {
            consumer.pending.insert(id, ());
        }
        self.pending.insert(id, Pending { consumer: name, delivered_ms, deliveries });
    }

    /// What has been pending for `min_ms` milliseconds or more, and since when: that first which
    /// was delivered first. O(pending).
    pub fn idle_longest(&self, now_ms: i64, min_ms: i64) -> Vec<(i64, StreamId)> {
        let since = self.pending.iter().map(|(id, pending)| (pending.delivered_ms, *id));
        let mut idle: Vec<_> =
            since.filter(|(since, _)| now_ms.saturating_sub(*since) >= min_ms).collect();
        sort_by(&mut idle, Ord::cmp);
        idle
    }

    /// Takes an entry from what is pending; whether it was.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        if let Some(consumer) = self.consumers.get_mut(&pending.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }
}
