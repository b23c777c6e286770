//! A tab that another one leads: it finds the leader, follows its stream, and forwards what it cannot
//! answer itself.

use super::message::{Greeting, Kind, Message, Welcome};
use super::peer::{Action, Peer, Role};
use crate::persist::lineage::Lineage;

/// How long a tab waits for a welcome before it says hello again, in milliseconds.
const HELLO_MS: i64 = 250;

/// What a session is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The database that it has selected.
    pub database: u32,
    /// Commands, as the facade takes them.
    pub frame: Vec<u8>,
}

impl Call {
    fn encode(&self) -> Vec<u8> {
        [&self.database.to_le_bytes(), self.frame.as_slice()].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (database, frame) = bytes.split_first_chunk()?;
        Some(Self { database: u32::from_le_bytes(*database), frame: frame.to_vec() })
    }
}

/// A request of this tab.
pub(super) struct Pending {
    pub(super) call: Call,
    pub(super) blocks: bool,
    /// A leader may have run it.
    pub(super) sent: bool,
    /// It was run here, while this tab led, in this epoch; its effects end at this offset.
    pub(super) executed: Option<(u64, u64)>,
    /// That is in the stream, as it is now: another leader may have left it out, and one after that not
    /// have heard of that.
    pub(super) kept: bool,
    /// Its reply, which is to wait until the copy has come to this offset.
    pub(super) reply: Option<(u64, Vec<u8>)>,
}

impl Pending {
    fn new(call: Call, blocks: bool, executed: Option<(u64, u64)>) -> Self {
        Self { call, blocks, sent: false, executed, kept: false, reply: None }
    }
}

#[derive(Default)]
pub(super) struct Follower {
    /// The tab that leads, once it has said welcome.
    pub(super) leader: Option<u64>,
    /// When to greet again.
    hello_at: Option<i64>,
    /// Since when an answer is due, of whatever kind.
    waiting_since: Option<i64>,
    /// The leader was asked whether it is there.
    pinged: bool,
}

impl Follower {
    pub(super) fn wake_at(&self, silence_ms: i64) -> Option<i64> {
        let patience = if self.pinged { silence_ms } else { silence_ms / 2 };
        let silent_at = self.waiting_since.map(|since| since.saturating_add(patience));
        [self.hello_at, silent_at].into_iter().flatten().min()
    }
}

impl Peer {
    /// Has the leader run commands. `seq` rises from request to request.
    pub fn request(&mut self, seq: u64, call: Call, blocks: bool, now_ms: i64) {
        self.ask(seq, Pending::new(call, blocks, None), now_ms);
    }

    /// After [`Action::Follow`]: this tab has run commands itself, with effects up to `offset`, and has
    /// not acknowledged them. What comes of it: [`Action::Kept`], or a reply of another leader.
    pub fn executed(&mut self, seq: u64, call: Call, offset: u64, now_ms: i64) {
        let executed = self.lineage.map(|lineage| (lineage.epoch(), offset));
        self.ask(seq, Pending::new(call, false, executed), now_ms);
    }

    /// Ends the blocking of a request: it will be replied to soon, whatever it comes to.
    pub fn cancel(&mut self, seq: u64) {
        match &self.role {
            Role::Leader(_) => self.actions.push_back(Action::Cancel(self.settings.tab, seq)),
            Role::Follower(Follower { leader: Some(leader), .. }) => {
                let leader = *leader;
                self.send_to(leader, Kind::Cancel, seq, 0, Vec::new());
            }
            _ => {}
        }
        if let Some(pending) = self.pending.get_mut(&seq)
            && !pending.sent
        {
            self.pending.remove(&seq);
            self.actions.push_back(Action::Lost(seq));
        }
    }

    fn ask(&mut self, seq: u64, pending: Pending, now_ms: i64) {
        self.last_seq = self.last_seq.max(seq);
        let is_new = pending.executed.is_none();
        self.pending.insert(seq, pending);
        match &mut self.role {
            Role::Leader(leader) if leader.serves => self.run_own(seq),
            Role::Follower(Follower { leader: Some(_), .. }) if is_new => self.forward(seq, now_ms),
            _ => {}
        }
    }

    /// Sends a request to the leader.
    fn forward(&mut self, seq: u64, now_ms: i64) {
        let acked = self.acked();
        let Role::Follower(follower) = &mut self.role else { return };
        let (Some(leader), Some(pending)) = (follower.leader, self.pending.get_mut(&seq)) else {
            return;
        };
        follower.waiting_since.get_or_insert(now_ms);
        if let Some((_, offset)) = pending.executed.filter(|_| pending.kept) {
            return self.send_to(leader, Kind::Await, seq, offset, Vec::new());
        }
        pending.sent = true;
        let kind = if pending.blocks { Kind::Block } else { Kind::Request };
        let payload = pending.call.encode();
        self.send_to(leader, kind, seq, acked, payload);
    }

    /// Looks for the leader.
    pub(super) fn follow(&mut self, now_ms: i64) {
        self.role = Role::Follower(Follower::default());
        self.greet_anew(now_ms);
    }

    /// Looks for the leader again: what answers an older greeting counts for nothing.
    pub(super) fn greet_anew(&mut self, now_ms: i64) {
        self.greeting += 1;
        if let Role::Follower(follower) = &mut self.role {
            let waiting_since = follower.waiting_since.or(Some(now_ms));
            *follower = Follower { waiting_since, ..Follower::default() };
        }
        self.greet(now_ms);
    }

    fn greet(&mut self, now_ms: i64) {
        let Role::Follower(follower) = &mut self.role else { return };
        follower.hello_at = Some(now_ms.saturating_add(HELLO_MS));
        let greeting =
            Greeting { replica: self.settings.replica, position: self.position() }.encode();
        let mut hello = self.message(Kind::Hello);
        // A leader of an epoch that was not heard of yet is to hear it, too.
        hello.epoch = 0;
        hello.payload = greeting;
        self.actions.push_back(Action::Send(hello));
    }

    pub(super) fn wake_follower(&mut self, now_ms: i64) {
        let silence = self.settings.silence_ms;
        let Role::Follower(follower) = &mut self.role else { return };
        let due = follower.wake_at(silence).unwrap_or(now_ms);
        if now_ms.saturating_sub(due) > silence / 4 {
            // It was this tab that slept: who is there has yet to be heard.
            (follower.waiting_since, follower.pinged) = (Some(now_ms), false);
        }
        if let Some(since) = follower.waiting_since {
            let waited = now_ms.saturating_sub(since);
            if waited >= silence && follower.pinged {
                (follower.waiting_since, follower.pinged) = (Some(now_ms), false);
                if self.settings.leads {
                    self.actions.push_back(Action::StealLock);
                }
            } else if waited >= silence / 2 && !follower.pinged {
                follower.pinged = true;
                let mut ping = self.message(Kind::Ping);
                ping.epoch = 0;
                self.actions.push_back(Action::Send(ping));
            }
        }
        let Role::Follower(follower) = &self.role else { return };
        if follower.hello_at.is_some_and(|at| at <= now_ms) {
            self.greet(now_ms);
        }
    }

    pub(super) fn receive_as_follower(&mut self, message: Message, now_ms: i64) {
        let Role::Follower(follower) = &mut self.role else { return };
        let is_leader = follower.leader == Some(message.from) && message.epoch == self.term;
        match message.kind {
            Kind::Serving if message.epoch == self.term && !is_leader => self.greet_anew(now_ms),
            Kind::Welcome if message.epoch == self.term && message.greeting == self.greeting => {
                if let Some(welcome) = Welcome::decode(&message.payload) {
                    self.welcomed(message.from, welcome, message.offset, now_ms);
                }
            }
            Kind::Bye if is_leader => self.greet_anew(now_ms),
            Kind::Gather if message.epoch == self.term => self.tell_position(message.from, now_ms),
            Kind::Want if message.epoch == self.term => {
                self.send_since(message.from, Kind::Tail, 0, message.offset);
                self.send_to(message.from, Kind::Tail, 1, self.backlog.end(), Vec::new());
            }
            // Whoever is about to lead is there, and needs time.
            Kind::Pong => self.heard(now_ms),
            Kind::Effects if is_leader => {
                self.heard(now_ms);
                self.effects_came(message, now_ms);
            }
            Kind::Reply if is_leader && message.greeting == self.greeting => {
                self.heard(now_ms);
                if let Some(pending) = self.pending.get_mut(&message.seq) {
                    pending.reply = Some((message.offset, message.payload));
                    self.settle();
                }
            }
            Kind::Push if is_leader => self.actions.push_back(Action::Push(message.payload)),
            _ => {}
        }
    }

    /// The leader is there.
    fn heard(&mut self, now_ms: i64) {
        let is_waiting = !self.pending.is_empty();
        let Role::Follower(follower) = &mut self.role else { return };
        follower.pinged = false;
        let is_waiting = is_waiting || follower.leader.is_none();
        follower.waiting_since = is_waiting.then_some(now_ms);
    }

    fn welcomed(&mut self, leader: u64, welcome: Welcome, end: u64, now_ms: i64) {
        let is_replica = self.settings.replica;
        let goes_on = welcome.goes_on && (self.lineage.is_some() || !is_replica);
        let Role::Follower(follower) = &mut self.role else { return };
        if follower.leader.is_some() {
            return;
        }
        *follower = Follower { leader: Some(leader), ..Follower::default() };
        self.review(&welcome.lineage);
        if !goes_on && is_replica {
            self.forget_copy();
            if !self.loading {
                self.load();
            }
        } else {
            self.lineage = is_replica.then_some(welcome.lineage);
            // What the leader had when it said welcome is on its way.
            self.readable_from = self.readable_from.min(end);
        }
        if welcome.forgotten {
            self.lose_sent();
        }
        self.actions.push_back(Action::Welcomed);
        let unanswered: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.reply.is_none())
            .map(|(seq, _)| *seq)
            .collect();
        for seq in unanswered {
            self.forward(seq, now_ms);
        }
    }

    /// The copy is not one of the stream, or too old.
    pub(super) fn forget_copy(&mut self) {
        for (_, pending) in self.pending.iter_mut() {
            pending.reply = None;
        }
        self.lineage = None;
        self.readable_from = u64::MAX;
    }

    /// Decides what has become of requests that this tab has run itself when it led, now that the
    /// stream has a leader.
    pub(super) fn review(&mut self, stream: &Lineage) {
        let executed: Vec<(u64, (u64, u64))> = self
            .pending
            .iter()
            .filter_map(|(seq, pending)| Some((*seq, pending.executed?)))
            .collect();
        for (seq, (epoch, offset)) in executed {
            if !stream.remembers(epoch) {
                // Who led in between cannot be told any more.
                self.give_up(seq, Action::Lost(seq));
            } else if let Some(pending) = self.pending.get_mut(&seq) {
                pending.kept = stream.admits(epoch, offset);
            }
        }
    }

    /// What was run of what this tab has sent, nobody knows any more.
    fn lose_sent(&mut self) {
        let sent: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| pending.sent).map(|(seq, _)| *seq).collect();
        for seq in sent {
            self.give_up(seq, Action::Lost(seq));
        }
    }

    fn give_up(&mut self, seq: u64, action: Action) {
        self.pending.remove(&seq);
        self.actions.push_back(action);
    }

    fn effects_came(&mut self, message: Message, now_ms: i64) {
        if self.lineage.is_none() {
            return;
        }
        let end = self.backlog.end();
        if message.offset > end {
            return self.greet_anew(now_ms);
        }
        if message.offset == end && !message.payload.is_empty() {
            self.actions.push_back(Action::Apply(end, message.payload.clone()));
            self.backlog.push(message.payload);
        }
        self.backlog.set_stored(message.seq);
    }

    /// A candidate asks what this tab has got. From now on nobody else is listened to.
    fn tell_position(&mut self, candidate: u64, now_ms: i64) {
        let payload = self.position().map(|position| position.encode()).unwrap_or_default();
        self.greet_anew(now_ms);
        self.heard(now_ms);
        self.send_to(candidate, Kind::Have, 0, 0, payload);
    }

    /// Gives out the replies that the copy is far enough for.
    pub(super) fn settle(&mut self) {
        let (applied, has_copy) = (self.applied, self.settings.replica);
        let ready: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| {
                pending.reply.as_ref().is_some_and(|(at, _)| !has_copy || *at <= applied)
            })
            .map(|(seq, _)| *seq)
            .collect();
        for seq in ready {
            match self.pending.remove(&seq) {
                Some(Pending { kept: true, .. }) => {
                    self.actions.push_back(Action::Kept(seq));
                }
                Some(Pending { reply: Some((_, reply)), .. }) => {
                    self.actions.push_back(Action::Reply(seq, reply));
                }
                _ => {}
            }
        }
        if self.pending.is_empty()
            && let Role::Follower(follower) = &mut self.role
            && follower.leader.is_some()
        {
            (follower.waiting_since, follower.pinged) = (None, false);
        }
    }
}
