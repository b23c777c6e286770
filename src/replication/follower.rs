//! A tab that another one leads: it finds the leader, follows its stream, and forwards what it cannot
//! answer itself.

use super::loading::Loading;
use super::message::{Greeting, Kind, Message, Welcome, joined};
use super::peer::{Action, Peer, Role};

/// How long a tab waits for a welcome before it says hello again, in milliseconds.
const HELLO_MS: i64 = 250;

/// A request of this tab.
pub(super) struct Pending {
    pub(super) call: Vec<u8>,
    pub(super) blocks: bool,
    /// A leader may have run it.
    pub(super) sent: bool,
    /// Its reply, which is to wait until the copy has come to this offset.
    pub(super) reply: Option<(u64, Vec<u8>)>,
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
    /// Has the leader run something. `seq` rises from request to request.
    pub fn request(&mut self, seq: u64, call: Vec<u8>, blocks: bool, now_ms: i64) {
        self.last_seq = self.last_seq.max(seq);
        if blocks {
            self.last_blocking = self.last_seq;
        }
        self.pending.insert(seq, Pending { call, blocks, sent: false, reply: None });
        match &mut self.role {
            Role::Leader(leader) if leader.serves => self.run_own_if_sure(seq, now_ms),
            Role::Follower(Follower { leader: Some(_), .. }) => self.forward(seq, now_ms),
            _ => {}
        }
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

    /// Sends a request to the leader.
    fn forward(&mut self, seq: u64, now_ms: i64) {
        let acked = self.acked();
        let Role::Follower(follower) = &mut self.role else { return };
        let (Some(leader), Some(pending)) = (follower.leader, self.pending.get_mut(&seq)) else {
            return;
        };
        follower.waiting_since.get_or_insert(now_ms);
        pending.sent = true;
        let kind = if pending.blocks { Kind::Block } else { Kind::Request };
        let payload = pending.call.clone();
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
        self.end_sync();
        self.doubt_replies();
        if let Role::Follower(follower) = &mut self.role {
            let waiting_since = follower.waiting_since.or(Some(now_ms));
            *follower = Follower { waiting_since, ..Follower::default() };
        }
        self.greet(now_ms);
    }

    fn greet(&mut self, now_ms: i64) {
        let Role::Follower(follower) = &mut self.role else { return };
        follower.hello_at = Some(now_ms.saturating_add(HELLO_MS));
        let (replica, loads) = (self.settings.replica, !self.cannot_load);
        let (position, returns) = (self.position(), self.returns);
        let greeting = Greeting { replica, position, loads, returns }.encode();
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
            Kind::Sync if message.epoch == self.term => self.sync_came(&message, now_ms),
            Kind::Snapshot | Kind::Piece if is_leader => {
                self.heard(now_ms);
                self.sync_answered(message, now_ms);
            }
            Kind::Bye => self.forget_receiver(message.from),
            // Whoever is about to lead is there, and needs time.
            Kind::Pong => self.heard(now_ms),
            Kind::Effects if is_leader => {
                self.heard(now_ms);
                self.effects_came(message, now_ms);
            }
            Kind::Reply if is_leader && message.greeting == self.greeting => {
                self.heard(now_ms);
                let (at, seq) = (message.offset, message.seq);
                if self.pending.contains_key(&seq) && self.is_far_enough(at) {
                    self.settle_one(seq, message.payload);
                    self.rest();
                } else if let Some(pending) = self.pending.get_mut(&seq) {
                    pending.reply = Some((at, message.payload));
                }
            }
            Kind::Config if is_leader && self.config != message.payload => {
                self.config.clone_from(&message.payload);
                self.actions.push_back(Action::Config(message.payload));
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
        self.end_snapshots();
        if !goes_on && is_replica {
            self.replace_copy(leader, welcome, now_ms);
        } else {
            self.is_stale = false;
            self.lineage = is_replica.then_some(welcome.lineage);
            // What the leader had when it said welcome is on its way.
            self.readable_from = self.readable_from.min(end);
        }
        if welcome.forgotten {
            self.lose_sent();
        }
        self.returns = false;
        self.actions.push_back(Action::Welcomed);
        if self.last_blocking > 0 {
            // What a leader before this one was told may not have come to it.
            let pending = joined(&self.blocking());
            self.send_to(leader, Kind::Ack, 0, self.last_blocking, pending);
        }
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

    /// The copy does not go on: another one is loaded.
    fn replace_copy(&mut self, leader: u64, welcome: Welcome, now_ms: i64) {
        if !welcome.from_store {
            self.withhold_copy();
            self.is_stale = true;
            return self.sync_from(leader, welcome.lineage, now_ms);
        }
        self.forget_copy();
        if !matches!(self.loading, Loading::Store) {
            self.load();
        }
    }

    /// The copy is not one of the stream, or too old.
    pub(super) fn forget_copy(&mut self) {
        self.withhold_copy();
        self.lineage = None;
    }

    /// Forgets replies that were true later than where the copy is: whether the stream comes to that is
    /// not known any more.
    pub(super) fn doubt_replies(&mut self) {
        let end = if self.is_stale { None } else { self.position().map(|mine| mine.offset) };
        for (_, pending) in self.pending.iter_mut() {
            pending.reply = pending.reply.take().filter(|(at, _)| Some(*at) <= end);
        }
    }

    /// The copy is not to be read.
    fn withhold_copy(&mut self) {
        for (_, pending) in self.pending.iter_mut() {
            pending.reply = None;
        }
        self.readable_from = u64::MAX;
    }

    /// What was run of what this tab has sent, nobody knows any more.
    pub(super) fn lose_sent(&mut self) {
        let sent: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| pending.sent).map(|(seq, _)| *seq).collect();
        for seq in sent {
            self.pending.remove(&seq);
            self.actions.push_back(Action::Lost(seq));
        }
    }

    fn effects_came(&mut self, message: Message, now_ms: i64) {
        if self.lineage.is_none() || self.is_stale {
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
        self.backlog.set_recorded(message.greeting != 1);
    }

    /// A candidate asks what this tab has got. From now on nobody else is listened to.
    fn tell_position(&mut self, candidate: u64, now_ms: i64) {
        let payload = self.position().map(|position| position.encode()).unwrap_or_default();
        self.end_snapshots();
        self.greet_anew(now_ms);
        self.heard(now_ms);
        self.send_to(candidate, Kind::Have, 0, 0, payload);
    }

    /// Whether a reply may be given out that was true at this offset.
    fn is_far_enough(&self, at: u64) -> bool {
        !self.settings.replica || at <= self.applied
    }

    fn settle_one(&mut self, seq: u64, reply: Vec<u8>) {
        let blocks = self.pending.remove(&seq).is_some_and(|pending| pending.blocks);
        self.actions.push_back(Action::Reply(seq, reply));
        if let Role::Follower(Follower { leader: Some(leader), .. }) = &self.role
            && blocks
        {
            self.send_to(*leader, Kind::Ack, seq, seq, Vec::new());
        }
    }

    /// Gives out the replies that the copy is far enough for.
    pub(super) fn settle(&mut self) {
        let ready: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| {
                pending.reply.as_ref().is_some_and(|(at, _)| self.is_far_enough(*at))
            })
            .map(|(seq, _)| *seq)
            .collect();
        for seq in ready {
            let reply = self.pending.get_mut(&seq).and_then(|pending| pending.reply.take());
            if let Some((_, reply)) = reply {
                self.settle_one(seq, reply);
            }
        }
        self.rest();
    }

    /// Waits for nobody, if all replies are here.
    fn rest(&mut self) {
        if self.pending.is_empty()
            && let Role::Follower(follower) = &mut self.role
            && follower.leader.is_some()
        {
            (follower.waiting_since, follower.pinged) = (None, false);
        }
    }
}
