//! Writing streams: nodes, counters, groups.

use super::{Encoder, Purpose, ValueCursor};
use crate::collections::{Iter, Sorted};
use crate::engine::rdb::Budget;
use crate::engine::types::Stream;
use crate::engine::types::stream::{Consumer, Group, Pending, StreamId};
use std::sync::Arc;

/// What comes next: the first field is what is written last, if anything is; others are the group and
/// the consumer to which it belongs.
#[derive(Default)]
pub(super) enum StreamCursor {
    #[default]
    Nodes,
    Group(Option<Vec<u8>>),
    Pending(Option<StreamId>, Vec<u8>),
    Consumer(Option<Arc<[u8]>>, Vec<u8>),
    Owned(Option<StreamId>, Vec<u8>, Arc<[u8]>),
    End,
}

impl Encoder {
    pub(super) fn stream(
        &mut self,
        stream: &Stream,
        purpose: Purpose,
        cursor: &mut ValueCursor,
        budget: &mut Budget,
    ) -> bool {
        let group = |name: &[u8]| stream.groups.get(name);
        while !budget.is_spent() {
            let next = match &mut cursor.stream {
                StreamCursor::Nodes => {
                    if !self.nodes(stream, cursor, budget) {
                        return false;
                    }
                    self.counters(stream);
                    Some(StreamCursor::Group(None))
                }
                StreamCursor::Group(last) => {
                    let next = after(&stream.groups, last.as_deref()).next();
                    Some(next.map_or(StreamCursor::End, |(name, group)| {
                        self.begin_group(name, group);
                        StreamCursor::Pending(None, name.clone())
                    }))
                }
                StreamCursor::Pending(last, name) => group(name).and_then(|group| {
                    for (id, pending) in after(&group.pending, last.as_ref()) {
                        if budget.is_spent() {
                            return None;
                        }
                        self.pending(*id, pending);
                        budget.spend(size_of::<StreamId>());
                        *last = Some(*id);
                    }
                    self.len(group.consumers.len());
                    Some(StreamCursor::Consumer(None, std::mem::take(name)))
                }),
                StreamCursor::Consumer(last, name) => group(name).map(|group| {
                    let name = std::mem::take(name);
                    match after(&group.consumers, last.as_deref()).next() {
                        None => StreamCursor::Group(Some(name)),
                        Some((consumer, state)) => {
                            self.begin_consumer(consumer, state, purpose);
                            StreamCursor::Owned(None, name, Arc::clone(consumer))
                        }
                    }
                }),
                StreamCursor::Owned(last, name, consumer) => {
                    let state = group(name).and_then(|group| group.consumers.get(&**consumer));
                    state.and_then(|state| {
                        for (id, ()) in after(&state.pending, last.as_ref()) {
                            if budget.is_spent() {
                                return None;
                            }
                            self.out.extend_from_slice(&id.to_bytes());
                            budget.spend(size_of::<StreamId>());
                            *last = Some(*id);
                        }
                        let name = std::mem::take(name);
                        Some(StreamCursor::Consumer(Some(Arc::clone(consumer)), name))
                    })
                }
                StreamCursor::End => return true,
            };
            let Some(next) = next else { return false };
            cursor.stream = next;
            budget.spend(0);
        }
        false
    }

    fn nodes(&mut self, stream: &Stream, cursor: &mut ValueCursor, budget: &mut Budget) -> bool {
        if cursor.begin() {
            self.len(stream.nodes().len());
        }
        for node in stream.nodes().skip(cursor.done) {
            if budget.is_spent() {
                return false;
            }
            if cursor.string.is_none() {
                self.string(&node.id().to_bytes());
            }
            if !self.slice(node.listpack().as_bytes(), &mut cursor.string, budget) {
                return false;
            }
            cursor.done += 1;
        }
        true
    }

    fn counters(&mut self, stream: &Stream) {
        self.len(stream.len());
        for id in [stream.last_id, stream.first_id(), stream.max_deleted_id] {
            self.id(id);
        }
        self.number(stream.entries_added);
        self.len(stream.groups.len());
    }

    fn begin_group(&mut self, name: &[u8], group: &Group) {
        self.string(name);
        self.id(group.last_id);
        self.number(group.entries_read.unwrap_or(u64::MAX));
        self.len(group.pending.len());
    }

    fn pending(&mut self, id: StreamId, pending: &Pending) {
        self.out.extend_from_slice(&id.to_bytes());
        self.out.extend_from_slice(&pending.delivered_ms.to_le_bytes());
        self.number(pending.deliveries);
    }

    fn begin_consumer(&mut self, name: &[u8], consumer: &Consumer, purpose: Purpose) {
        self.string(name);
        self.out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
        if purpose == Purpose::Keep {
            self.out.extend_from_slice(&consumer.active_ms.unwrap_or(-1).to_le_bytes());
        }
        self.len(consumer.pending.len());
    }

    fn id(&mut self, id: StreamId) {
        self.number(id.ms);
        self.number(id.seq);
    }
}

/// The entries after `last`, which is one of them, or all.
fn after<'a, K: std::borrow::Borrow<Q>, V, Q: Ord + ?Sized>(
    entries: &'a Sorted<K, V>,
    last: Option<&Q>,
) -> std::iter::Skip<Iter<'a, K, V>> {
    let first = last.map_or_else(|| entries.iter(), |last| entries.from(last));
    first.skip(usize::from(last.is_some()))
}
