//! The tab that leads: it runs what the others ask for, and tells them every effect.

use super::message::{Greeting, Kind, Message, Welcome, all_numbers};
use super::peer::{Action, Parting, Peer, Recording, Role, Run};
use crate::collections::Sorted;
use crate::persist::lineage::{Lineage, Position};

/// What the copy of a tab that begins to lead tells of other tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inheritance {
    /// Those of which there are records, or are to be: they may have ended, unless they are away.
    pub tabs: Vec<u64>,
    /// Those that are away.
    pub away: Vec<u64>,
    /// The latest whose records were forgotten though they may come back.
    pub gone: Vec<u64>,
    /// There were more of these.
    pub were_more: bool,
}

/// A tab that has a session here.
struct Guest {
    /// It holds a copy, or is going to.
    is_replica: bool,
    /// What it had executed is known here, though it was away.
    is_known: bool,
}

#[derive(Default)]
pub(super) struct Leader {
    /// The store knows that this tab leads, and from which offset on: no copy that ends otherwise can
    /// become the stream any more.
    pub(super) serves: bool,
    /// The lineage without this reign.
    pub(super) before: Option<Lineage>,
    followers: Sorted<u64, Guest>,
    /// Requests that have not been answered, by tab and number, and the greeting that they followed.
    running: Sorted<(u64, u64), u64>,
    /// Tabs whose records were forgotten, and which have asked for nothing since; and whether there were
    /// more: then those are known only that are away.
    gone: Vec<u64>,
    were_more: bool,
    /// When the lock was last known to be this tab's.
    turned_ms: i64,
    /// Requests that came since, when that was too long ago.
    held: Vec<Message>,
    /// This tab's own of that kind.
    held_own: Vec<u64>,
}

impl Peer {
    /// Goes on with the stream, as its leader, once the store has been told, which has come to `store`.
    pub(super) fn lead(&mut self, store: Position, now_ms: i64) {
        let Some(before) = self.position().map(|position| position.lineage) else {
            return self.step_down(now_ms);
        };
        let offset = self.backlog.end();
        let known = self.backlog.since(store.offset).filter(|_| store.is_of(&before));
        let anew = known.is_none();
        let stored = if anew { offset } else { store.offset };
        let tail = known.unwrap_or_default();
        let tail = tail.into_iter().map(|(_, stretch)| stretch.to_vec()).collect();
        let lineage = before.succeeded(self.term, offset);
        self.lineage = Some(lineage);
        self.readable_from = 0;
        self.backlog.set_recorded(self.recording != Recording::Off);
        let before = Some(before);
        self.role = Role::Leader(Leader { before, turned_ms: now_ms, ..Leader::default() });
        self.actions.push_back(Action::Lead { lineage, offset, stored, tail, anew });
    }

    /// The store has what [`Action::Lead`] said, and the copy of this tab tells that.
    pub fn led(&mut self, inheritance: &Inheritance, now_ms: i64) {
        let Role::Leader(leader) = &mut self.role else { return };
        if std::mem::replace(&mut leader.serves, true) {
            return;
        }
        leader.turned_ms = now_ms;
        let mut serving = self.message(Kind::Serving);
        serving.offset = self.backlog.end();
        self.actions.push_back(Action::Send(serving));
        self.inherit(inheritance, now_ms);
        if self.last_blocking > 0 {
            self.own_acked(0, self.last_blocking);
        }
        let seqs: Vec<u64> = self.pending.keys().copied().collect();
        for seq in seqs {
            self.run_own(seq);
        }
    }

    /// Looks after the tabs of the leaders before this one: those that have ended meanwhile have told
    /// nobody.
    fn inherit(&mut self, inheritance: &Inheritance, now_ms: i64) {
        let own = self.settings.tab;
        let is_known = |peer: &Self, tab: u64| {
            let is_away = inheritance.away.contains(&tab) || peer.is_away(tab);
            !inheritance.gone.contains(&tab) && (is_away || !inheritance.were_more)
        };
        if let Role::Leader(leader) = &mut self.role {
            leader.gone.clone_from(&inheritance.gone);
            leader.were_more = inheritance.were_more;
        }
        for tab in inheritance.away.iter().filter(|tab| **tab != own) {
            if !self.is_away(*tab) {
                self.add_away(*tab, now_ms);
            }
        }
        if std::mem::take(&mut self.returns) && !is_known(self, own) {
            self.lose_sent();
            self.actions.push_back(Action::Disconnect(own, Parting::Ended));
        }
        let is_away = |tab: &u64| self.away.iter().any(|away| away.tab == *tab && !away.is_back);
        let absent = self.away.iter().filter(|away| !away.is_back);
        let told = absent.map(|away| Action::Disconnect(away.tab, Parting::Away));
        let back = self.away.iter().filter(|away| away.is_back).map(|away| away.tab);
        let others = inheritance.tabs.iter().copied().filter(|tab| *tab != own && !is_away(tab));
        let watched = back.chain(others).map(Action::Watch);
        self.actions.extend(told.chain(watched).collect::<Vec<_>>());
    }

    fn is_away(&self, tab: u64) -> bool {
        self.away.iter().any(|away| away.tab == tab)
    }

    /// The records of a tab were forgotten, though it may come back.
    pub fn forgot(&mut self, tab: u64) {
        if let Role::Leader(leader) = &mut self.role {
            leader.gone.push(tab);
        }
    }

    /// Forgets tabs that have been away for too long.
    pub(super) fn wake_leader(&mut self, now_ms: i64) {
        // Who is back is watched, and may have yet to say hello to this leader.
        let late = self.away.extract_if(.., |away| !away.is_back && away.until <= now_ms);
        let ended = late.map(|away| Action::Disconnect(away.tab, Parting::Ended));
        self.actions.extend(ended.collect::<Vec<_>>());
    }

    /// Runs a request of this tab's own once it is certain that it leads.
    pub(super) fn run_own_if_sure(&mut self, seq: u64, now_ms: i64) {
        let is_sure = self.may_write(now_ms);
        let Role::Leader(leader) = &mut self.role else { return };
        if is_sure && leader.held_own.is_empty() {
            return self.run_own(seq);
        }
        if leader.held.is_empty() && leader.held_own.is_empty() {
            self.actions.push_back(Action::Verify);
        }
        leader.held_own.push(seq);
    }

    /// Runs a request of this tab's own.
    pub(super) fn run_own(&mut self, seq: u64) {
        let (acked, tab) = (self.acked(), self.settings.tab);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(pending) = self.pending.get_mut(&seq) else { return };
        if pending.reply.is_some() {
            return;
        }
        pending.sent = true;
        leader.running.insert((tab, seq), 0);
        let (blocks, call) = (pending.blocks, pending.call.clone());
        self.actions.push_back(Action::Run(Run { tab, seq, acked, blocks, call }));
    }

    /// The engine has written a stretch of the stream; the store has everything before `stored`.
    pub fn written(&mut self, stretch: Vec<u8>, stored: u64) {
        if !matches!(self.role, Role::Leader(_)) {
            return;
        }
        if self.recording != Recording::Off {
            self.backlog.set_stored(stored);
        }
        if self.has_replicas() {
            self.send_effects(stretch.clone());
        }
        let end = self.backlog.end().saturating_add(stretch.len() as u64);
        self.applied = self.applied.max(end);
        self.backlog.push(stretch);
        self.outrun_receivers();
    }

    /// As [`Peer::written`], where there is no memory for copies of so many bytes: others load what there is
    /// then.
    pub fn passed_over(&mut self, bytes: usize) {
        self.replaced(self.backlog.end().saturating_add(bytes as u64));
    }

    /// Everything was replaced by something that the stream does not tell. The stream goes on at
    /// `offset`, which must be later than everything that was [`Peer::written`], so that nobody is there:
    /// what it has in between is nobody's. The store has nothing of this until it has a base from there
    /// on.
    pub fn replaced(&mut self, offset: u64) {
        if !matches!(self.role, Role::Leader(_)) {
            return;
        }
        let offset = offset.max(self.backlog.end());
        self.backlog.reset(offset, self.backlog.stored());
        self.applied = offset;
        // Who sees that it lacks something greets anew.
        self.send_effects(Vec::new());
        self.restart_snapshots();
    }

    /// Sends what follows to all who follow.
    fn send_effects(&mut self, payload: Vec<u8>) {
        if self.has_replicas() {
            let effects = self.effects(self.backlog.end(), payload);
            self.actions.push_back(Action::Send(effects));
        }
    }

    fn has_replicas(&self) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        leader.followers.values().any(|guest| guest.is_replica)
    }

    fn effects(&self, offset: u64, payload: Vec<u8>) -> Message {
        let greeting = u64::from(!self.backlog.is_recorded());
        let message = Message { greeting, ..self.message(Kind::Effects) };
        Message { seq: self.backlog.stored(), offset, payload, ..message }
    }

    /// These of the settings were changed, as [`Action::Config`] tells the others: whoever leads next goes
    /// on with them.
    pub fn configured(&mut self, config: Vec<u8>) {
        if !matches!(self.role, Role::Leader(_)) || self.config == config {
            return;
        }
        self.config.clone_from(&config);
        self.send_to(0, Kind::Config, 0, 0, config);
    }

    /// The reply to a request of a tab, which was true at `offset`.
    pub fn answer(&mut self, tab: u64, seq: u64, offset: u64, reply: Vec<u8>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(greeting) = leader.running.remove(&(tab, seq)) else { return };
        if tab == self.settings.tab {
            let Some(pending) = self.pending.remove(&seq) else { return };
            self.actions.push_back(Action::Reply(seq, reply));
            if pending.blocks {
                self.own_acked(seq, seq);
            }
        } else {
            let message = self.message(Kind::Reply);
            let message = Message { to: tab, seq, offset, greeting, payload: reply, ..message };
            self.actions.push_back(Action::Send(message));
        }
    }

    /// Replies to what may block have reached this tab itself.
    fn own_acked(&mut self, first: u64, last: u64) {
        let (tab, pending) = (self.settings.tab, self.blocking());
        self.actions.push_back(Action::Acked { tab, first, last, pending });
    }

    /// Messages of the session of a tab.
    pub fn push(&mut self, tab: u64, messages: Vec<u8>) {
        if matches!(&self.role, Role::Leader(leader) if leader.followers.contains_key(&tab)) {
            self.send_to(tab, Kind::Push, 0, 0, messages);
        }
    }

    /// The session of a tab was ended (`CLIENT KILL`): it gets another one.
    pub fn killed(&mut self, tab: u64) {
        self.part(tab, Parting::Killed);
        self.send_to(tab, Kind::Bye, 1, 0, Vec::new());
    }

    /// A tab has ended.
    pub fn gone(&mut self, tab: u64) {
        // Who is about to lead will look again.
        if self.is_leader() {
            self.part(tab, Parting::Ended);
        }
    }

    /// The lock was found to be this tab's.
    pub fn turned(&mut self, now_ms: i64) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.turned_ms = now_ms;
        let (held, own) = (std::mem::take(&mut leader.held), std::mem::take(&mut leader.held_own));
        for message in held {
            self.receive_as_leader(message, now_ms);
        }
        for seq in own {
            self.run_own(seq);
        }
    }

    /// Whether this tab may write before it has made sure that it still leads: nobody else can have
    /// lost patience with it.
    pub fn may_write(&self, now_ms: i64) -> bool {
        matches!(&self.role, Role::Leader(leader) if leader.followers.is_empty())
            || self.has_turned(now_ms)
    }

    /// Whether the lock was this tab's a short while ago.
    fn has_turned(&self, now_ms: i64) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let idle = now_ms.saturating_sub(leader.turned_ms);
        (0..=self.settings.silence_ms / 2).contains(&idle)
    }

    /// Holds a message back until it is known that this tab still leads.
    fn hold(&mut self, message: Message) {
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.held.is_empty() && leader.held_own.is_empty() {
            self.actions.push_back(Action::Verify);
        }
        leader.held.push(message);
    }

    pub(super) fn receive_as_leader(&mut self, message: Message, now_ms: i64) {
        let from = message.from;
        let (is_sure, has_turned) = (self.may_write(now_ms), self.has_turned(now_ms));
        let Role::Leader(leader) = &mut self.role else { return };
        if !leader.serves {
            if matches!(message.kind, Kind::Hello | Kind::Ping) {
                self.pong();
            }
            return;
        }
        let is_for_me = message.epoch == self.term && leader.followers.contains_key(&from);
        match message.kind {
            // With the first that follows there is somebody who may lose patience: this tab may write on
            // without a break only if it has made sure before.
            Kind::Hello if !has_turned => self.hold(message),
            Kind::Hello => self.welcome(&message),
            Kind::Ping => {
                let kind =
                    if leader.followers.contains_key(&from) { Kind::Pong } else { Kind::Serving };
                self.send_to(from, kind, 0, 0, Vec::new());
            }
            Kind::Request | Kind::Block if is_for_me && !is_sure => self.hold(message),
            Kind::Request | Kind::Block if is_for_me => {
                let Message { seq, offset: acked, payload: call, .. } = message;
                leader.gone.retain(|gone| *gone != from);
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
            Kind::Ack if is_for_me => {
                let Message { seq: first, offset: last, payload, .. } = message;
                let pending = all_numbers(&payload);
                self.actions.push_back(Action::Acked { tab: from, first, last, pending });
            }
            Kind::Cancel if is_for_me => self.actions.push_back(Action::Cancel(from, message.seq)),
            Kind::Sync if is_for_me => self.sync_came(&message, now_ms),
            Kind::Bye => {
                let parting = match message.seq {
                    0 => Parting::Left,
                    1 => Parting::Settled,
                    _ => Parting::Away,
                };
                self.part(from, parting);
                if parting == Parting::Away
                    && let Some(oldest) = self.add_away(from, now_ms)
                {
                    self.actions.push_back(Action::Disconnect(oldest, Parting::Ended));
                }
            }
            _ => {}
        }
    }

    fn welcome(&mut self, message: &Message) {
        let tab = message.from;
        let (Some(greeting), Some(lineage)) = (Greeting::decode(&message.payload), self.lineage)
        else {
            return;
        };
        // It has loaded what it asked for, or has given that up.
        self.forget_receiver(tab);
        let position = greeting.position.filter(|position| {
            position.is_of(&lineage) && self.backlog.since(position.offset).is_some()
        });
        let goes_on = !greeting.replica || position.is_some();
        let is_shared = self.recording == Recording::Shared && greeting.loads;
        // Who loads the store comes to what it has now, at least.
        let from_store = is_shared && self.backlog.stored() >= self.backlog.start();
        let Role::Leader(leader) = &mut self.role else { return };
        // What follows is for who goes on, and it may, as an earlier welcome has told it: this may answer a
        // greeting that was repeated.
        let guest = leader.followers.get(&tab);
        let is_new = guest.is_none();
        let was_away = self.away.iter().any(|away| away.tab == tab);
        let is_kept = !leader.gone.contains(&tab) && (was_away || !leader.were_more);
        let is_known = guest.map_or(is_kept, |guest| guest.is_known);
        let guest = Guest { is_replica: greeting.replica, is_known };
        leader.followers.insert(tab, guest);
        let forgotten = greeting.returns && !is_known;
        if is_new {
            self.away.retain(|away| away.tab != tab);
            if forgotten {
                // What it is told has become of its requests is to be so.
                self.actions.push_back(Action::Disconnect(tab, Parting::Ended));
            }
            self.actions.push_back(Action::Connect(tab));
            self.actions.push_back(Action::Watch(tab));
        }
        let welcome = Welcome { lineage, goes_on, from_store, forgotten };
        let answer = Message {
            to: tab,
            greeting: message.greeting,
            offset: self.backlog.end(),
            payload: welcome.encode(),
            ..self.message(Kind::Welcome)
        };
        self.actions.push_back(Action::Send(answer));
        if !self.config.is_empty() {
            self.send_to(tab, Kind::Config, 0, 0, self.config.clone());
        }
        let Some(position) = position.filter(|_| greeting.replica) else { return };
        let stretches = self.backlog.since(position.offset).unwrap_or_default();
        let effects: Vec<Message> = stretches
            .into_iter()
            .map(|(at, stretch)| Message { to: tab, ..self.effects(at, stretch.to_vec()) })
            .collect();
        self.actions.extend(effects.into_iter().map(Action::Send));
    }

    /// A tab has left.
    fn part(&mut self, tab: u64, parting: Parting) {
        self.forget_receiver(tab);
        if !matches!(self.role, Role::Leader(_)) {
            return;
        }
        self.away.retain(|away| away.tab != tab);
        let Role::Leader(leader) = &mut self.role else { return };
        leader.held.retain(|message| message.from != tab);
        leader.followers.remove(&tab);
        let running: Vec<_> = leader
            .running
            .from(&(tab, 0))
            .map(|(key, _)| *key)
            .take_while(|key| key.0 == tab)
            .collect();
        for key in running {
            leader.running.remove(&key);
        }
        self.actions.push_back(Action::Disconnect(tab, parting));
    }
}
