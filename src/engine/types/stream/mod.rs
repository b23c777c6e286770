//! Streams: entries in the order of their ids, and consumer groups.

mod group;
mod id;
mod node;
mod trim;

pub use group::{Consumer, Group, Pending};
pub use id::{StreamId, parse_unsigned};
pub use node::{Entry, Node};
pub use trim::Trim;

use crate::collections::Sorted;
use crate::engine::config::Limits;
use crate::engine::dict::extrapolate;
use std::collections::VecDeque;

/// An append-only log of entries. To find an id is O(log n), to append or trim O(1).
#[derive(Clone, Debug, Default)]
pub struct Stream {
    nodes: VecDeque<Node>,
    len: usize,
    /// The highest id that was ever there.
    pub last_id: StreamId,
    /// The highest id that was deleted.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    /// The consumer groups by name.
    pub groups: Sorted<Vec<u8>, Group>,
}

impl Stream {
    /// Adds a node after all others, as an RDB stores it; whether that is its place. Redis keeps nodes
    /// in which every entry is deleted; they are left out.
    pub fn push_node(&mut self, node: Node) -> bool {
        if node.is_empty() {
            return true;
        }
        let is_after = |last: &Node| last.last_id() < Some(node.id());
        let belongs = self.nodes.back().is_none_or(is_after);
        if belongs {
            self.len += node.len();
            self.nodes.push_back(node);
        }
        belongs
    }

    /// The nodes.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.nodes.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// See [`crate::engine::types::Value::parts`].
    pub(in crate::engine::types) fn parts(&self) -> usize {
        self.nodes.len() + self.groups.values().map(Group::parts).sum::<usize>()
    }

    /// See [`crate::engine::types::Value::heap_bytes`].
    pub(in crate::engine::types) fn heap_bytes(&self, samples: usize) -> usize {
        let lens = self.nodes.iter().map(Node::heap_len);
        let groups = self.groups.iter().map(|(name, group)| name.capacity() + group.heap_bytes());
        self.nodes.capacity() * size_of::<Node>()
            + extrapolate(lens, self.nodes.len(), samples)
            + self.groups.memory_bytes()
            + groups.sum::<usize>()
    }

    /// See [`crate::engine::types::Value::free_parts`].
    pub(in crate::engine::types) fn free_parts(&mut self, most: usize) -> usize {
        if !self.nodes.is_empty() {
            let left = self.nodes.len().saturating_sub(most);
            let freed = self.nodes.len() - left;
            self.nodes.truncate(left);
            return freed;
        }
        let Some((_, group)) = self.groups.last_mut() else { return 0 };
        let freed = group.free_parts(most);
        if freed == 0 {
            self.groups.pop_last();
        }
        freed.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The id of the first entry; `0-0` if there is none.
    pub fn first_id(&self) -> StreamId {
        self.nodes.front().and_then(Node::first_live).unwrap_or(StreamId::MIN)
    }

    /// The id of the last entry that is there; `0-0` if there is none.
    pub fn last_entry_id(&self) -> StreamId {
        self.nodes.back().and_then(Node::last_live).unwrap_or(StreamId::MIN)
    }

    /// Adds an entry with an id above [`Stream::last_id`].
    pub fn append(&mut self, id: StreamId, fields: &[[&[u8]; 2]], limits: Limits) {
        let bytes = fields.iter().flatten().map(|word| word.len()).sum();
        let (max_bytes, max_entries) =
            (limits.stream_node_max_bytes, limits.stream_node_max_entries);
        match self.nodes.back_mut().filter(|n| n.has_room(bytes, max_bytes, max_entries)) {
            Some(node) => node.append(id, fields),
            None => self.nodes.push_back(Node::new(id, fields)),
        }
        self.len += 1;
        self.last_id = id;
        self.entries_added = self.entries_added.saturating_add(1);
    }

    /// Calls `f` with the entries from `start` to `end`, upwards or downwards, up to where it
    /// answers false.
    pub fn visit<'a>(
        &'a self,
        start: StreamId,
        end: StreamId,
        reverse: bool,
        mut f: impl FnMut(Entry<'a>) -> bool,
    ) {
        if start > end {
            return;
        }
        let first = self.nodes.partition_point(|node| node.id() <= start).saturating_sub(1);
        let last = self.nodes.partition_point(|node| node.id() <= end);
        let mut nodes = self.nodes.range(first..last.max(first));
        if reverse {
            nodes.rev().all(|node| node.visit(start, end, true, &mut f));
        } else {
            nodes.all(|node| node.visit(start, end, false, &mut f));
        }
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let mut found = None;
        self.visit(id, id, false, |entry| {
            found = Some(entry);
            false
        });
        found
    }

    /// Whether there is an entry with this id.
    pub fn contains(&self, id: StreamId) -> bool {
        let node = self.nodes.partition_point(|node| node.id() <= id).checked_sub(1);
        node.and_then(|node| self.nodes.get(node)).is_some_and(|node| node.contains(id))
    }

    /// Deletes an entry; whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(number) = self.nodes.partition_point(|node| node.id() <= id).checked_sub(1) else {
            return false;
        };
        let Some(node) = self.nodes.get_mut(number) else { return false };
        if !node.delete(id) {
            return false;
        }
        if node.is_empty() {
            self.nodes.remove(number);
        }
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        true
    }

    /// Whether a group has still to read the entry `id`, or somebody to acknowledge it.
    pub fn is_referenced(&self, id: StreamId) -> bool {
        self.groups.values().any(|group| id > group.last_id) || self.is_pending(id)
    }

    /// Whether an entry, be it deleted or not, is pending in a group.
    pub fn is_pending(&self, id: StreamId) -> bool {
        self.groups.values().any(|group| group.pending.contains_key(&id))
    }

    /// Whether entries were deleted that came after `id`, so that counting from there is wrong.
    pub fn has_tombstones_after(&self, id: StreamId) -> bool {
        let max_deleted = self.max_deleted_id;
        !self.is_empty()
            && max_deleted != StreamId::MIN
            && self.first_id() <= max_deleted
            && id <= max_deleted
    }

    /// How many entries had been added up to `id`, if that can be told.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.entries_added);
        }
        let first = self.first_id();
        if self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= first {
            return None;
        }
        let before = self.entries_added.saturating_sub(self.len as u64);
        match id.cmp(&first) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before + 1),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// How far `group` has read once these entries, which come next, are delivered: the last id,
    /// and how many entries, if that can be told. `None` if there are none.
    pub fn read_after(&self, group: &Group, ids: &[StreamId]) -> Option<(StreamId, Option<u64>)> {
        let (mut last, mut read) = (group.last_id, group.entries_read);
        for id in ids {
            read = match read {
                Some(read) if !self.has_tombstones_after(last) => Some(read.saturating_add(1)),
                _ => self.entries_up_to(*id),
            };
            last = *id;
        }
        (!ids.is_empty()).then_some((last, read))
    }

    /// When the first of the entries that are pending in `group` will have been for `min_ms`
    /// milliseconds; those that are deleted do not count. O(pending).
    pub fn claimable_at(&self, group: &Group, min_ms: i64) -> Option<i64> {
        let there = group.pending.iter().filter(|(id, _)| self.contains(**id));
        let since = there.map(|(_, pending)| pending.delivered_ms).min()?;
        Some(since.saturating_add(min_ms))
    }

    /// How many entries a group has still to read, if that can be told.
    pub fn lag(&self, group: &Group) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_tombstones_after(group.last_id) => Some(read),
            _ => self.entries_up_to(group.last_id),
        };
        read.map(|read| self.entries_added.saturating_sub(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::types::Listpack;
    use proptest::prelude::*;

    type Fields = Vec<(Vec<u8>, Vec<u8>)>;
    type Model = std::collections::BTreeMap<StreamId, Fields>;

    fn all(stream: &Stream, reverse: bool) -> Vec<(StreamId, Fields)> {
        let mut all = Vec::new();
        stream.visit(StreamId::MIN, StreamId::MAX, reverse, |entry| {
            let fields = entry.fields.iter().map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
            all.push((entry.id, fields));
            true
        });
        all
    }

    #[test]
    fn the_bytes_are_those_of_redis() {
        let mut stream = Stream::default();
        let limits = Limits::default();
        stream.append(StreamId { ms: 5, seq: 1 }, &[[b"a", b"x"]], limits);
        stream.append(StreamId { ms: 5, seq: 2 }, &[[b"a", b"y"]], limits);
        stream.append(StreamId { ms: 7, seq: 0 }, &[[b"b", b"1"]], limits);
        let items: Vec<Vec<u8>> =
            stream.nodes().next().unwrap().listpack().iter().map(|item| item.to_vec()).collect();
        let expected = "3 0 1 a 0 2 0 0 x 4 2 0 1 y 4 0 2 -1 1 b 1 6";
        assert_eq!(items, expected.split(' ').map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_node_is_refused() {
        let of = |text: &str| {
            let items = text.split(' ').map(|word| crate::engine::types::Item::of(word.as_bytes()));
            Node::from_parts(StreamId { ms: 1, seq: 1 }, items.collect::<Listpack>())
        };
        assert!(of("1 0 1 a 0 2 0 0 x 4").is_some());
        for bad in [
            "1",
            "1 0 1 a 0",
            "2 0 1 a 0 2 0 0 x 4",
            "1 1 1 a 0 2 0 0 x 4",
            "1 0 9 a 0 2 0 0 x 4",
            "1 0 1 a 0 2 0 0 x",
            "1 0 1 a 0 0 0 0 -1 x 4",
            "1 0 1 a 0 0 0 0 99999999999 x 4",
            "1 0 1 a 0 x 0 0 x 4",
            "2 0 1 a 0 2 0 0 x 4 2 0 0 y 4",
            "0 0 1 a 0 3 0 0 x 4",
        ] {
            assert!(of(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn like_a_map(
            steps in prop::collection::vec((0u8..8, 0u64..4, prop::collection::vec(("[ab]", "[a-c]{0,2}|[0-9]"), 1..3), any::<prop::sample::Index>()), 1..80),
            most in prop::sample::select(vec![0usize, 1, 3, 100]),
        ) {
            let limits = Limits { stream_node_max_entries: most, ..Limits::default() };
            let mut stream = Stream::default();
            let mut model = Model::new();
            for (kind, gap, fields, at) in steps {
                let ids: Vec<StreamId> = model.keys().copied().collect();
                match kind {
                    0..=4 => {
                        let last = stream.last_id;
                        let id = if gap == 0 { last.next().unwrap() } else { StreamId { ms: last.ms + gap, seq: gap % 2 } };
                        let words: Vec<[&[u8]; 2]> = fields.iter().map(|(f, v)| [f.as_bytes(), v.as_bytes()]).collect();
                        stream.append(id, &words, limits);
                        model.insert(id, fields.iter().map(|(f, v)| (f.clone().into_bytes(), v.clone().into_bytes())).collect());
                    }
                    5 if !ids.is_empty() => {
                        let id = *at.get(&ids);
                        prop_assert!(stream.contains(id) && stream.get(id).is_some());
                        prop_assert!(stream.delete(id));
                        prop_assert!(!stream.delete(id) && !stream.contains(id));
                        model.remove(&id);
                    }
                    6 => {
                        let keep = gap as usize;
                        let surplus = model.len().saturating_sub(keep);
                        prop_assert_eq!(stream.trim(Trim::MaxLen(keep), false, 0), surplus);
                        ids.iter().take(surplus).for_each(|id| { model.remove(id); });
                    }
                    _ if !ids.is_empty() => {
                        let min = *at.get(&ids);
                        stream.trim(Trim::MinId(min), false, 0);
                        model.retain(|id, _| *id >= min);
                    }
                    _ => {}
                }
                let expected: Vec<_> = model.clone().into_iter().collect();
                prop_assert_eq!(all(&stream, false), expected.clone());
                let mut backwards = all(&stream, true);
                backwards.reverse();
                prop_assert_eq!(backwards, expected);
                prop_assert_eq!(stream.len(), model.len());
                prop_assert_eq!(stream.first_id(), model.keys().next().copied().unwrap_or_default());
            }
            let mut again = Stream::default();
            for node in stream.nodes() {
                let node = Node::from_parts(node.id(), node.listpack().clone()).unwrap();
                prop_assert!(again.push_node(node));
            }
            prop_assert_eq!(all(&again, false), all(&stream, false));
        }
    }
}
