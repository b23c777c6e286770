//! Reading streams: nodes, counters, groups.

use super::read::{Read, Reader, Stop};
use super::{listpack, must};
use crate::collections::Sorted;
use crate::engine::rdb::{Budget, kind};
use crate::engine::types::Stream;
use crate::engine::types::stream::{Consumer, Group, Node, Pending, StreamId};
use std::sync::Arc;

/// A stream that is being read.
pub(super) struct StreamBuilder {
    stream: Stream,
    next: Next,
    groups_left: usize,
    /// The group that is being read, and its name.
    group: Option<(Vec<u8>, Group)>,
    consumers_left: usize,
    /// The consumer of it that is being read, and its name.
    consumer: Option<(Arc<[u8]>, Consumer)>,
    /// How many of the group's pending entries have a consumer.
    owned: usize,
    /// Whose the others are: no other name is at this address.
    nobody: Arc<[u8]>,
}

/// What comes next; numbers are of those that are left.
#[derive(Clone, Copy)]
enum Next {
    NodeCount,
    Nodes(usize),
    Counters,
    Group,
    Pending(usize),
    Consumers,
    Consumer,
    Owned(usize),
    End,
}

impl StreamBuilder {
    pub(super) fn new() -> Self {
        Self {
            stream: Stream::default(),
            next: Next::NodeCount,
            groups_left: 0,
            group: None,
            consumers_left: 0,
            consumer: None,
            owned: 0,
            nobody: Arc::from(&b""[..]),
        }
    }

    /// See [`super::Builder::read`].
    pub(super) fn read(
        &mut self,
        kind: u8,
        reader: &mut Reader<'_>,
        budget: &mut Budget,
    ) -> Read<bool> {
        while !matches!(self.next, Next::End) {
            if budget.is_spent() {
                return Ok(false);
            }
            let before = reader.0.len();
            self.next = reader.whole(|reader| self.part(kind, reader))?;
            budget.spend(before - reader.0.len());
        }
        Ok(true)
    }

    pub(super) fn finish(self) -> Stream {
        self.stream
    }

    /// Reads a part; answers what comes after it.
    fn part(&mut self, kind: u8, reader: &mut Reader<'_>) -> Read<Next> {
        match self.next {
            Next::NodeCount => Ok(Next::Nodes(reader.count()?)),
            Next::Nodes(0) => Ok(Next::Counters),
            Next::Nodes(left) => {
                self.node(reader)?;
                Ok(Next::Nodes(left - 1))
            }
            Next::Counters => {
                self.counters(kind, reader)?;
                Ok(Next::Group)
            }
            Next::Group if self.groups_left == 0 => Ok(Next::End),
            Next::Group => self.begin_group(kind, reader).map(Next::Pending),
            Next::Pending(0) => Ok(Next::Consumers),
            Next::Pending(left) => {
                self.pending(reader)?;
                Ok(Next::Pending(left - 1))
            }
            Next::Consumers => {
                self.consumers_left = reader.count()?;
                Ok(Next::Consumer)
            }
            Next::Consumer if self.consumers_left == 0 => {
                self.end_group()?;
                Ok(Next::Group)
            }
            Next::Consumer => self.begin_consumer(kind, reader).map(Next::Owned),
            Next::Owned(0) => {
                self.end_consumer()?;
                Ok(Next::Consumer)
            }
            Next::Owned(left) => {
                self.own(reader)?;
                Ok(Next::Owned(left - 1))
            }
            Next::End => Ok(Next::End),
        }
    }

    fn node(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let id = reader.string()?;
        let id = StreamId::from_bytes(id.as_ref().try_into().map_err(|_| Stop::Bad)?);
        let node = Node::from_parts(id, listpack(reader)?).ok_or(Stop::Bad)?;
        must(self.stream.push_node(node))
    }

    fn counters(&mut self, kind: u8, reader: &mut Reader<'_>) -> Read<()> {
        let stream = &mut self.stream;
        let len = stream.len() as u64;
        must(reader.number()? == len)?;
        stream.last_id = read_id(reader)?;
        must(stream.last_entry_id() <= stream.last_id)?;
        if kind == kind::STREAM_LISTPACKS {
            stream.entries_added = len;
        } else {
            // The id of the first entry is known from the nodes.
            read_id(reader)?;
            stream.max_deleted_id = read_id(reader)?;
            stream.entries_added = reader.number()?;
        }
        self.groups_left = reader.count()?;
        Ok(())
    }

    /// Answers how many entries are pending.
    fn begin_group(&mut self, kind: u8, reader: &mut Reader<'_>) -> Read<usize> {
        let name = reader.string()?.into_owned();
        let last_id = read_id(reader)?;
        let read = if kind == kind::STREAM_LISTPACKS {
            self.stream.entries_up_to(last_id)
        } else {
            Some(reader.number()?).filter(|read| *read != u64::MAX)
        };
        let pending = reader.count()?;
        self.group = Some((name, Group::new(last_id, read)));
        self.owned = 0;
        Ok(pending)
    }

    fn pending(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let id = StreamId::from_bytes(reader.array()?);
        let delivered_ms = i64::from_le_bytes(reader.array()?);
        let deliveries = reader.number()?;
        let (_, group) = self.group.as_mut().ok_or(Stop::Bad)?;
        let pending = Pending { consumer: Arc::clone(&self.nobody), delivered_ms, deliveries };
        must(group.pending.insert(id, pending).is_none())
    }

    /// Answers how many entries are pending for it.
    fn begin_consumer(&mut self, kind: u8, reader: &mut Reader<'_>) -> Read<usize> {
        let name: Arc<[u8]> = reader.string()?.as_ref().into();
        let seen_ms = i64::from_le_bytes(reader.array()?);
        let active_ms = if kind == kind::STREAM_LISTPACKS_3 {
            Some(i64::from_le_bytes(reader.array()?)).filter(|ms| *ms >= 0)
        } else {
            Some(seen_ms)
        };
        let owned = reader.count()?;
        let consumer = Consumer { seen_ms, active_ms, pending: Sorted::new() };
        self.consumer = Some((name, consumer));
        Ok(owned)
    }

    fn own(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        let id = StreamId::from_bytes(reader.array()?);
        let (Some((_, group)), Some((name, consumer))) = (&mut self.group, &mut self.consumer)
        else {
            return Err(Stop::Bad);
        };
        must(consumer.pending.insert(id, ()).is_none())?;
        let pending = group.pending.get_mut(&id).ok_or(Stop::Bad)?;
        must(Arc::ptr_eq(&pending.consumer, &self.nobody))?;
        pending.consumer = Arc::clone(name);
        self.owned += 1;
        Ok(())
    }

    fn end_consumer(&mut self) -> Read<()> {
        self.consumers_left -= 1;
        let (Some((_, group)), Some((name, consumer))) = (&mut self.group, self.consumer.take())
        else {
            return Err(Stop::Bad);
        };
        must(group.consumers.insert(name, consumer).is_none())
    }

    fn end_group(&mut self) -> Read<()> {
        self.groups_left -= 1;
        let (name, group) = self.group.take().ok_or(Stop::Bad)?;
        must(self.owned == group.pending.len())?;
        must(self.stream.groups.insert(name, group).is_none())
    }
}

fn read_id(reader: &mut Reader<'_>) -> Read<StreamId> {
    Ok(StreamId { ms: reader.number()?, seq: reader.number()? })
}
