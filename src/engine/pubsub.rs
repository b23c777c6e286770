//! Who is subscribed to what, and delivery.

use super::dict::Dict;
use super::glob::glob_match;
use super::key::Key;
use super::session::{SessionId, Sessions};

/// The three spaces of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// SUBSCRIBE, PUBLISH.
    Channel,
    /// PSUBSCRIBE.
    Pattern,
    /// SSUBSCRIBE, SPUBLISH.
    Shard,
}

/// All subscriptions.
pub struct PubSub {
    channels: Dict<Vec<SessionId>>,
    shard_channels: Dict<Vec<SessionId>>,
    /// In the order in which patterns were first subscribed to.
    patterns: Vec<(Key, Vec<SessionId>)>,
}

impl PubSub {
    /// No subscriptions.
    pub fn new(seed: u64) -> Self {
        Self { channels: Dict::new(seed), shard_channels: Dict::new(seed), patterns: Vec::new() }
    }

    /// The channels of a space that has subscribers, with them.
    pub fn subscribers(&self, space: Space) -> &Dict<Vec<SessionId>> {
        match space {
            Space::Shard => &self.shard_channels,
            Space::Channel | Space::Pattern => &self.channels,
        }
    }

    /// How many different patterns are subscribed to.
    pub fn pattern_count(&self) -> usize {
        self.patterns.len()
    }

    /// Whether the session has this subscription.
    pub(super) fn has(&self, space: Space, name: &[u8], id: SessionId) -> bool {
        let ids = match space {
            Space::Channel => self.channels.get(name),
            Space::Shard => self.shard_channels.get(name),
            Space::Pattern => {
                self.patterns.iter().find(|(known, _)| **known == *name).map(|(_, ids)| ids)
            }
        };
        ids.is_some_and(|ids| ids.contains(&id))
    }

    /// Adds a subscription that the session does not have.
    pub fn add(&mut self, space: Space, name: &[u8], id: SessionId) {
        match space {
            Space::Channel => self.channels.get_or_insert_with(name, Vec::new).push(id),
            Space::Shard => self.shard_channels.get_or_insert_with(name, Vec::new).push(id),
            Space::Pattern => match self.patterns.iter_mut().find(|(known, _)| **known == *name) {
                Some((_, ids)) => ids.push(id),
                None => self.patterns.push((name.into(), vec![id])),
            },
        }
    }

    /// Takes away a subscription.
    pub(super) fn remove(&mut self, space: Space, name: &[u8], id: SessionId) {
        let channels = match space {
            Space::Pattern => {
                for (_, ids) in self.patterns.iter_mut().filter(|(known, _)| **known == *name) {
                    ids.retain(|other| *other != id);
                }
                return self.patterns.retain(|(_, ids)| !ids.is_empty());
            }
            Space::Channel => &mut self.channels,
            Space::Shard => &mut self.shard_channels,
        };
        let Some(ids) = channels.get_mut(name) else { return };
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            channels.remove(name);
        }
    }

    /// How many subscriptions a message would reach.
    pub(super) fn receivers(&self, space: Space, channel: &[u8]) -> usize {
        let direct = self.subscribers(space).get(channel).map_or(0, Vec::len);
        let patterns = self
            .patterns
            .iter()
            .filter(|(pattern, _)| space != Space::Shard && glob_match(pattern, channel, false));
        direct + patterns.map(|(_, ids)| ids.len()).sum::<usize>()
    }

    /// Delivers a message; answers how many subscriptions received it.
    pub(super) fn publish(
        &self,
        sessions: &mut Sessions,
        space: Space,
        channel: &[u8],
        message: &[u8],
    ) -> usize {
        let kind: &[u8] = if space == Space::Shard { b"smessage" } else { b"message" };
        let mut receivers = 0;
        for id in self.subscribers(space).get(channel).into_iter().flatten() {
            sessions.deliver(*id, |out| {
                out.push(3);
                [kind, channel, message].iter().for_each(|part| out.bulk(part));
            });
            receivers += 1;
        }
        if space == Space::Shard {
            return receivers;
        }
        for (pattern, ids) in &self.patterns {
            if !glob_match(pattern, channel, false) {
                continue;
            }
            for id in ids {
                sessions.deliver(*id, |out| {
                    out.push(4);
                    [b"pmessage", &**pattern, channel, message].iter().for_each(|p| out.bulk(p));
                });
                receivers += 1;
            }
        }
        receivers
    }
}
