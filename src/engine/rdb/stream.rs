//! Streams: nodes, counters, groups.

use super::encode::{write_len, write_string};
use super::kind;
use super::read::Reader;
use crate::collections::Sorted;
use crate::engine::types::stream::{Consumer, Group, Node, Pending, StreamId};
use crate::engine::types::{Listpack, Stream};
use std::sync::Arc;

pub(super) fn write(out: &mut Vec<u8>, stream: &Stream, kind: u8) {
    out.push(kind);
    let nodes = stream.nodes();
    write_len(out, nodes.len());
    for node in nodes {
        write_string(out, &node.id().to_bytes());
        write_string(out, node.listpack().as_bytes());
    }
    write_len(out, stream.len());
    for id in [stream.last_id, stream.first_id(), stream.max_deleted_id] {
        write_id(out, id);
    }
    write_number(out, stream.entries_added);
    write_len(out, stream.groups.len());
    for (name, group) in &stream.groups {
        write_string(out, name);
        write_id(out, group.last_id);
        write_number(out, group.entries_read.unwrap_or(u64::MAX));
        write_group(out, group, kind);
    }
}

fn write_group(out: &mut Vec<u8>, group: &Group, kind: u8) {
    write_len(out, group.pending.len());
    for (id, pending) in &group.pending {
        out.extend_from_slice(&id.to_bytes());
        out.extend_from_slice(&pending.delivered_ms.to_le_bytes());
        write_number(out, pending.deliveries);
    }
    write_len(out, group.consumers.len());
    for (name, consumer) in &group.consumers {
        write_string(out, name);
        out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
        if kind == kind::STREAM_LISTPACKS_3 {
            out.extend_from_slice(&consumer.active_ms.unwrap_or(-1).to_le_bytes());
        }
        write_len(out, consumer.pending.len());
        consumer.pending.keys().for_each(|id| out.extend_from_slice(&id.to_bytes()));
    }
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    match usize::try_from(number) {
        Ok(number) => write_len(out, number),
        Err(_) => {
            out.push(0x81);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn write_id(out: &mut Vec<u8>, id: StreamId) {
    write_number(out, id.ms);
    write_number(out, id.seq);
}

fn read_id(reader: &mut Reader<'_>) -> Option<StreamId> {
    Some(StreamId { ms: reader.number()?, seq: reader.number()? })
}

pub(super) fn read(kind: u8, reader: &mut Reader<'_>) -> Option<Stream> {
    let mut nodes = Vec::new();
    for _ in 0..reader.count()? {
        let id = StreamId::from_bytes(reader.string()?.as_ref().try_into().ok()?);
        let listpack = Listpack::from_bytes(reader.string()?.into_owned())?;
        nodes.push(Node::from_parts(id, listpack)?);
    }
    let mut stream = Stream::from_nodes(nodes)?;
    if reader.number()? != stream.len() as u64 {
        return None;
    }
    stream.last_id = read_id(reader)?;
    if stream.last_entry_id() > stream.last_id {
        return None;
    }
    if kind == kind::STREAM_LISTPACKS {
        stream.entries_added = stream.len() as u64;
    } else {
        // The id of the first entry is known from the nodes.
        read_id(reader)?;
        stream.max_deleted_id = read_id(reader)?;
        stream.entries_added = reader.number()?;
    }
    for _ in 0..reader.count()? {
        let name = reader.string()?.into_owned();
        let last_id = read_id(reader)?;
        let read = if kind == kind::STREAM_LISTPACKS {
            stream.entries_up_to(last_id)
        } else {
            Some(reader.number()?).filter(|read| *read != u64::MAX)
        };
        let group = read_group(kind, reader, Group::new(last_id, read))?;
        if stream.groups.insert(name, group).is_some() {
            return None;
        }
    }
    Some(stream)
}

fn read_group(kind: u8, reader: &mut Reader<'_>, mut group: Group) -> Option<Group> {
    let nobody: Arc<[u8]> = Arc::from(&b""[..]);
    for _ in 0..reader.count()? {
        let id = StreamId::from_bytes(reader.array()?);
        let delivered_ms = i64::from_le_bytes(reader.array()?);
        let deliveries = reader.number()?;
        let pending = Pending { consumer: Arc::clone(&nobody), delivered_ms, deliveries };
        if group.pending.insert(id, pending).is_some() {
            return None;
        }
    }
    let mut owned = 0;
    for _ in 0..reader.count()? {
        let name: Arc<[u8]> = reader.string()?.as_ref().into();
        let seen_ms = i64::from_le_bytes(reader.array()?);
        let active_ms = if kind == kind::STREAM_LISTPACKS_3 {
            Some(i64::from_le_bytes(reader.array()?)).filter(|ms| *ms >= 0)
        } else {
            Some(seen_ms)
        };
        let mut ids = Sorted::new();
        for _ in 0..reader.count()? {
            let id = StreamId::from_bytes(reader.array()?);
            let pending = group.pending.get_mut(&id)?;
            if !Arc::ptr_eq(&pending.consumer, &nobody) || ids.insert(id, ()).is_some() {
                return None;
            }
            pending.consumer = Arc::clone(&name);
            owned += 1;
        }
        let consumer = Consumer { seen_ms, active_ms, pending: ids };
        if group.consumers.insert(name, consumer).is_some() {
            return None;
        }
    }
    (owned == group.pending.len()).then_some(group)
}
