//! Trimming: taking old entries away.

use super::{Node, Stream, StreamId};

/// How a stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// So many entries are left.
    MaxLen(usize),
    /// No entry before this id is left.
    MinId(StreamId),
}

impl Trim {
    /// How many entries of `node`, the first one, go if `len` are left in all; `None` if trimming is
    /// at an end.
    fn surplus(self, len: usize, node: &Node, approximate: bool) -> Option<Surplus> {
        let entries = node.len();
        match self {
            Self::MaxLen(most) if len <= most => None,
            Self::MaxLen(most) if len - entries >= most => Some(Surplus::Whole),
            Self::MaxLen(most) => Some(Surplus::Some(len - most)),
            Self::MinId(id) => {
                // Where it may be approximate, an entry that is deleted counts, as in Redis.
                let last = if approximate { node.last_id() } else { node.last_live() };
                let whole = last.is_some_and(|last| last < id);
                Some(if whole { Surplus::Whole } else { Surplus::Some(entries) })
            }
        }
    }

    fn spares(self, id: StreamId) -> bool {
        matches!(self, Self::MinId(min) if id >= min)
    }
}

enum Surplus {
    Whole,
    Some(usize),
}

impl Stream {
    /// Cuts entries off the beginning: whole nodes only if it may be `approximate`, and then no more
    /// than `limit` entries (0: any number). Answers how many. O(entries that go).
    pub fn trim(&mut self, trim: Trim, approximate: bool, limit: usize) -> usize {
        let mut deleted = 0;
        while let Some(node) = self.nodes.front_mut() {
            let entries = node.len();
            let Some(surplus) = trim.surplus(self.len, node, approximate) else { break };
            if limit > 0 && deleted + entries > limit {
                break;
            }
            let mut surplus = match surplus {
                Surplus::Whole => {
                    self.nodes.pop_front();
                    self.len -= entries;
                    deleted += entries;
                    continue;
                }
                Surplus::Some(_) if approximate => break,
                Surplus::Some(surplus) => surplus,
            };
            let cut = node.delete_while(|id| {
                let goes = surplus > 0 && !trim.spares(id);
                surplus = surplus.saturating_sub(1);
                goes
            });
            self.len -= cut;
            deleted += cut;
            break;
        }
        deleted
    }

    /// As [`Stream::trim`], but entries stay that are referenced ([`Stream::is_referenced`]), and
    /// those after them may go. Answers which went. O(entries x groups x log pending).
    pub fn trim_unreferenced(
        &mut self,
        trim: Trim,
        approximate: bool,
        limit: usize,
    ) -> Vec<StreamId> {
        let mut gone = Vec::new();
        for node in &self.nodes {
            let Some(surplus) = trim.surplus(self.len - gone.len(), node, approximate) else {
                break;
            };
            if limit > 0 && gone.len() + node.len() > limit {
                break;
            }
            let mut surplus = match surplus {
                Surplus::Whole => usize::MAX,
                Surplus::Some(_) if approximate => break,
                Surplus::Some(surplus) => surplus,
            };
            node.visit(StreamId::MIN, StreamId::MAX, false, &mut |entry| {
                let goes = surplus > 0 && !trim.spares(entry.id);
                if goes && !self.is_referenced(entry.id) {
                    surplus -= 1;
                    gone.push(entry.id);
                }
                goes
            });
        }
        gone.iter().for_each(|id| {
            self.delete(*id);
        });
        gone
    }

    /// The ids of the entries that go if nothing but `trim` limits it, in order.
    pub fn surplus_ids(&self, trim: Trim) -> Vec<StreamId> {
        let most = match trim {
            Trim::MaxLen(most) => self.len.saturating_sub(most),
            Trim::MinId(_) => usize::MAX,
        };
        let mut ids = Vec::new();
        self.visit(StreamId::MIN, StreamId::MAX, false, |entry| {
            let goes = ids.len() < most && !trim.spares(entry.id);
            if goes {
                ids.push(entry.id);
            }
            goes
        });
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Limits;
    use crate::engine::types::stream::Group;
    use proptest::prelude::*;

    fn ids(stream: &Stream) -> Vec<u64> {
        stream.surplus_ids(Trim::MaxLen(0)).into_iter().map(|id| id.ms).collect()
    }

    fn id(ms: u64) -> StreamId {
        StreamId { ms, seq: 0 }
    }

    proptest! {
        #[test]
        fn what_is_referenced_stays(
            deleted in prop::collection::btree_set(1u64..20, 0..6),
            pending in prop::collection::btree_set(1u64..20, 0..8),
            read in 0u64..22,
            most in 0usize..20,
            min in 0u64..22,
            per_node in prop::sample::select(vec![1usize, 3, 100]),
        ) {
            let limits = Limits { stream_node_max_entries: per_node, ..Limits::default() };
            let mut stream = Stream::default();
            (1..20).for_each(|ms| stream.append(id(ms), &[[b"f", b"v"]], limits));
            deleted.iter().for_each(|ms| _ = stream.delete(id(*ms)));
            let mut group = Group::new(id(read), None);
            group.create_consumer(b"c", 0);
            pending.iter().for_each(|ms| group.deliver(id(*ms), b"c", 0, 1));
            stream.groups.insert(b"g".to_vec(), group);
            let before = ids(&stream);
            let free = |ms: u64| ms <= read && !pending.contains(&ms);
            let free_ids = before.iter().copied().filter(|ms| free(*ms));
            let surplus = before.len().saturating_sub(most);
            for (trim, expected) in [
                (Trim::MaxLen(most), free_ids.clone().take(surplus).collect::<Vec<_>>()),
                (Trim::MinId(id(min)), free_ids.take_while(|ms| *ms < min).collect()),
            ] {
                let mut trimmed = stream.clone();
                let gone = trimmed.trim_unreferenced(trim, false, 0);
                prop_assert_eq!(gone.iter().map(|id| id.ms).collect::<Vec<_>>(), expected.clone());
                let left: Vec<u64> =
                    before.iter().copied().filter(|ms| !expected.contains(ms)).collect();
                prop_assert_eq!(ids(&trimmed), left);
                prop_assert_eq!(trimmed.len(), before.len() - expected.len());
                let mut approximate = stream.clone();
                let gone = approximate.trim_unreferenced(trim, true, 0);
                prop_assert!(gone.iter().all(|id| expected.contains(&id.ms)));
            }
        }
    }
}
