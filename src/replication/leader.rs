//! The tab that leads: it runs what the others ask for, and tells them every effect.

use super::follower::Call;
use super::message::{Greeting, Kind, Message, Welcome};
use super::peer::{Action, Peer, Role, Run};
use crate::collections::Sorted;

/// The latest tabs that are remembered to have gone for good.
const GONE_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Leader {
    /// The store knows that this tab leads, and from which offset on: no copy that ends otherwise can
    /// become the stream any more.
    pub(super) serves: bool,
    /// The tabs that have a session here, and whether each holds a copy.
    followers: Sorted<u64, bool>,
    /// Requests that have not been answered, by tab and number, and the greeting that they followed.
    running: Sorted<(u64, u64), u64>,
    /// Tabs whose records were forgotten.
    gone: Vec<u64>,
    /// When the lock was last known to be this tab's.
    turned_ms: i64,
    /// Requests that came since, when that was too long ago.
    held: Vec<Message>,
}

impl Peer {
    /// Goes on with the stream, as its leader, once the store has been told.
    pub(super) fn lead(&mut self, now_ms: i64) {
        let Some(lineage) = self.lineage else { return self.step_down(now_ms) };
        let (stored, offset) = (self.backlog.stored(), self.backlog.end());
        let Some(tail) = self.backlog.since(stored) else { return self.load_anew() };
        let tail = tail.into_iter().map(|(_, stretch)| stretch.to_vec()).collect();
        let lineage = lineage.succeeded(self.term, offset);
        self.review(&lineage);
        self.lineage = Some(lineage);
        self.readable_from = 0;
        self.role = Role::Leader(Leader { turned_ms: now_ms, ..Leader::default() });
        self.actions.push_back(Action::Lead { lineage, offset, stored, tail });
    }

    /// The store has what [`Action::Lead`] said.
    pub fn led(&mut self, now_ms: i64) {
        let Role::Leader(leader) = &mut self.role else { return };
        if std::mem::replace(&mut leader.serves, true) {
            return;
        }
        leader.turned_ms = now_ms;
        let mut serving = self.message(Kind::Serving);
        serving.offset = self.backlog.end();
        self.actions.push_back(Action::Send(serving));
        let seqs: Vec<u64> = self.pending.keys().copied().collect();
        for seq in seqs {
            self.run_own(seq);
        }
    }

    /// Runs a request that this tab has made as a follower.
    pub(super) fn run_own(&mut self, seq: u64) {
        let acked = self.acked();
        let Some(pending) = self.pending.get_mut(&seq) else { return };
        if pending.reply.is_some() {
            return;
        }
        let tab = self.settings.tab;
        let action = match pending.executed.filter(|_| pending.kept) {
            // It is in the copy with which this tab leads.
            Some((_, offset)) => Action::Await { tab, seq, offset },
            None => {
                pending.sent = true;
                let (blocks, call) = (pending.blocks, pending.call.clone());
                Action::Run(Run { tab, seq, acked, blocks, call })
            }
        };
        if let Role::Leader(leader) = &mut self.role {
            leader.running.insert((tab, seq), 0);
        }
        self.actions.push_back(action);
    }

    /// The engine has written a stretch of the stream; the store has everything before `stored`.
    pub fn written(&mut self, stretch: Vec<u8>, stored: u64) {
        let Role::Leader(leader) = &self.role else { return };
        self.backlog.set_stored(stored);
        if leader.followers.values().any(|replica| *replica) {
            let mut effects = self.message(Kind::Effects);
            (effects.seq, effects.offset) = (self.backlog.stored(), self.backlog.end());
            effects.payload.clone_from(&stretch);
            self.actions.push_back(Action::Send(effects));
        }
        self.applied = self.applied.max(self.backlog.end() + stretch.len() as u64);
        self.backlog.push(stretch);
    }

    /// The reply to a request of a tab, which was true at `offset`.
    pub fn answer(&mut self, tab: u64, seq: u64, offset: u64, reply: Vec<u8>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(greeting) = leader.running.remove(&(tab, seq)) else { return };
        if tab == self.settings.tab {
            match self.pending.remove(&seq) {
                Some(pending) if pending.kept => {
                    self.actions.push_back(Action::Kept(seq));
                }
                Some(_) => self.actions.push_back(Action::Reply(seq, reply)),
                None => {}
            }
        } else {
            let message = self.message(Kind::Reply);
            let message = Message { to: tab, seq, offset, greeting, payload: reply, ..message };
            self.actions.push_back(Action::Send(message));
        }
    }

    /// Messages of the session of a tab.
    pub fn push(&mut self, tab: u64, messages: Vec<u8>) {
        if matches!(&self.role, Role::Leader(leader) if leader.followers.contains_key(&tab)) {
            self.send_to(tab, Kind::Push, 0, 0, messages);
        }
    }

    /// A tab has ended.
    pub fn gone(&mut self, tab: u64) {
        self.part(tab, true);
    }

    /// The lock was found to be this tab's.
    pub fn turned(&mut self, now_ms: i64) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.turned_ms = now_ms;
        for message in std::mem::take(&mut leader.held) {
            self.receive_as_leader(message, now_ms);
        }
    }

    /// Whether this tab may write before it has made sure that it still leads: nobody else can have
    /// lost patience with it.
    pub fn may_write(&self, now_ms: i64) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let idle = now_ms.saturating_sub(leader.turned_ms);
        leader.followers.is_empty() || (0..=self.settings.silence_ms / 2).contains(&idle)
    }

    pub(super) fn receive_as_leader(&mut self, message: Message, now_ms: i64) {
        let from = message.from;
        let is_sure = self.may_write(now_ms);
        let Role::Leader(leader) = &mut self.role else { return };
        if !leader.serves {
            if matches!(message.kind, Kind::Hello | Kind::Ping) {
                self.pong();
            }
            return;
        }
        let is_for_me = message.epoch == self.term && leader.followers.contains_key(&from);
        match message.kind {
            Kind::Hello => self.welcome(&message),
            Kind::Ping => {
                let kind =
                    if leader.followers.contains_key(&from) { Kind::Pong } else { Kind::Serving };
                self.send_to(from, kind, 0, 0, Vec::new());
            }
            Kind::Request | Kind::Block | Kind::Await if is_for_me && !is_sure => {
                if leader.held.is_empty() {
                    self.actions.push_back(Action::Verify);
                }
                leader.held.push(message);
            }
            Kind::Request | Kind::Block if is_for_me => {
                let Some(call) = Call::decode(&message.payload) else { return };
                let (seq, acked) = (message.seq, message.offset);
                if leader.running.insert((from, seq), message.greeting).is_none() {
                    let blocks = message.kind == Kind::Block;
                    self.actions.push_back(Action::Run(Run {
                        tab: from,
                        seq,
                        acked,
                        blocks,
                        call,
                    }));
                }
            }
            Kind::Await if is_for_me => {
                let Message { seq, offset, .. } = message;
                if leader.running.insert((from, seq), message.greeting).is_none() {
                    self.actions.push_back(Action::Await { tab: from, seq, offset });
                }
            }
            Kind::Cancel if is_for_me => self.actions.push_back(Action::Cancel(from, message.seq)),
            Kind::Bye => self.part(from, message.seq == 0),
            _ => {}
        }
    }

    fn welcome(&mut self, message: &Message) {
        let tab = message.from;
        let (Some(greeting), Some(lineage)) = (Greeting::decode(&message.payload), self.lineage)
        else {
            return;
        };
        let position = greeting.position.filter(|position| {
            position.is_of(&lineage) && self.backlog.since(position.offset).is_some()
        });
        let goes_on = !greeting.replica || position.is_some();
        let Role::Leader(leader) = &mut self.role else { return };
        let forgotten = leader.gone.contains(&tab);
        let is_new = leader.followers.insert(tab, greeting.replica && goes_on).is_none();
        if forgotten {
            leader.gone.retain(|gone| *gone != tab);
        }
        if is_new {
            self.actions.push_back(Action::Connect(tab));
            self.actions.push_back(Action::Watch(tab));
        }
        let welcome = Welcome { lineage, goes_on, forgotten };
        let answer = Message {
            to: tab,
            greeting: message.greeting,
            offset: self.backlog.end(),
            payload: welcome.encode(),
            ..self.message(Kind::Welcome)
        };
        self.actions.push_back(Action::Send(answer));
        let Some(position) = position.filter(|_| greeting.replica) else { return };
        self.send_since(tab, Kind::Effects, self.backlog.stored(), position.offset);
    }

    /// A tab has left, for good or not.
    fn part(&mut self, tab: u64, for_good: bool) {
        let Role::Leader(leader) = &mut self.role else { return };
        let was_here = leader.followers.remove(&tab).is_some();
        let running: Vec<_> = leader
            .running
            .from(&(tab, 0))
            .map(|(key, _)| *key)
            .take_while(|key| key.0 == tab)
            .collect();
        for key in running {
            leader.running.remove(&key);
        }
        if for_good {
            if leader.gone.len() == GONE_MAX {
                leader.gone.remove(0);
            }
            leader.gone.push(tab);
        }
        if was_here || for_good {
            self.actions.push_back(Action::Disconnect(tab, for_good));
        }
    }
}
