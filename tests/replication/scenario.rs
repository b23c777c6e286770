//! One scenario: tabs, their pages, and what happens to them.

use super::copy::{Copy, Op, Origin};
use super::storing::Transaction;
use super::tab::{Answer, Asked, Parked, State, Tab};
use super::world::{Agenda, Channel, Event, Lock, Rng, Store};
use lodis::replication::message::Message;
use lodis::replication::peer::{Action, Claimed, Limits, Parting, Recording, Run};
use std::collections::BTreeSet;

/// Pages call nothing after this, a little later than the adversary.
const PAGES_MS: i64 = 5500;
const END_MS: i64 = 40_000;
/// So long may a tab be away.
const AWAY_MS: i64 = 10_000;
/// What a tab has sent comes before the news that it has ended.
pub const GRACE_MS: i64 = 100;

/// What many scenarios came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub acknowledged: u64,
    pub leaders: u64,
    pub robbed: u64,
    pub resent: u64,
    pub lost: u64,
    pub handled: u64,
    pub put_back: u64,
    pub loads: u64,
    pub syncs: u64,
    pub replaced: u64,
    pub anew: u64,
    /// Tabs that have ended in the middle of a task.
    pub cut_short: u64,
    /// Scenarios with jobs of which nobody can be sure.
    pub unsure: u64,
}

impl Summary {
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.leaders += other.leaders;
        self.robbed += other.robbed;
        self.resent += other.resent;
        self.lost += other.lost;
        self.handled += other.handled;
        self.put_back += other.put_back;
        self.loads += other.loads;
        self.syncs += other.syncs;
        self.replaced += other.replaced;
        self.anew += other.anew;
        self.cut_short += other.cut_short;
        self.unsure += other.unsure;
    }
}

/// A call that was answered.
pub struct Done {
    pub op: Op,
    pub tab: usize,
    pub invoked: i64,
    pub acked: i64,
    pub reply: u64,
}

pub struct Scenario {
    pub now: i64,
    pub rng: Rng,
    pub agenda: Agenda,
    pub lock: Lock,
    pub store: Store,
    pub transactions: Vec<Transaction>,
    channel: Channel,
    pub tabs: Vec<Tab>,
    pub recording: Recording,
    pub limits: Limits,
    /// A write is acknowledged once it is stored.
    pub always: bool,
    /// This tab is never troubled.
    pub steady: Option<usize>,
    pub slow_store: bool,
    /// The store does nothing before this time.
    pub store_stands_until: i64,
    traces: bool,
    numbers: u64,
    watches: u64,
    pub done: Vec<Done>,
    /// Requests of which their pages were told that nobody knows what became of them.
    pub lost: Vec<Origin>,
    /// Jobs that such a request has taken out after all: the leader that forgot it ended before anybody else
    /// had heard of that. They go with it, as with a connection that breaks.
    pub unsure: BTreeSet<u64>,
    pub summary: Summary,
}

pub fn run(seed: u64) -> Summary {
    let mut rng = Rng::new(seed);
    let recording = match rng.below(4) {
        0..=1 => Recording::Shared,
        2 => Recording::Owned,
        _ => Recording::Off,
    };
    let always = recording != Recording::Off && rng.one_in(2);
    let steady = !always && (recording != Recording::Off || rng.one_in(2));
    let steady = steady.then_some(0);
    let limits = match rng.below(3) {
        0 => Limits { away_ms: AWAY_MS, ..Limits::default() },
        _ => Limits {
            away_ms: AWAY_MS,
            keep_len: 40 * rng.below(10),
            pinned_len: 40 * rng.below(60),
            window: 1 + rng.below(4),
        },
    };
    let mut scenario = Scenario {
        now: 0,
        agenda: Agenda::default(),
        lock: Lock::default(),
        store: Store::default(),
        transactions: Vec::new(),
        channel: Channel::default(),
        tabs: Vec::new(),
        recording,
        limits,
        always,
        steady,
        slow_store: rng.one_in(4),
        store_stands_until: 0,
        traces: std::env::var_os("LODIS_TRACE").is_some(),
        numbers: 0,
        watches: 0,
        done: Vec::new(),
        lost: Vec::new(),
        unsure: BTreeSet::new(),
        summary: Summary::default(),
        rng,
    };
    for _ in 0..2 + scenario.rng.below(7) {
        scenario.open();
    }
    scenario.agenda.add(100, Event::Adversary);
    scenario.play();
    scenario.check();
    scenario.summary.unsure = u64::from(!scenario.unsure.is_empty());
    scenario.summary
}

impl Scenario {
    fn play(&mut self) {
        while let Some((at, event)) = self.agenda.next() {
            if at > END_MS {
                return;
            }
            self.now = at;
            self.happen(event);
        }
    }

    pub fn open(&mut self) {
        let index = self.tabs.len();
        let is_steady = self.steady == Some(index);
        let replica = is_steady || !self.rng.one_in(6);
        let leads = index == 0 || !self.rng.one_in(8);
        self.tabs.push(Tab::new(index as u64 + 1, replica, leads, self.limits));
        self.tabs[index].peer.set_recording(self.recording);
        self.tabs[index].present_since = self.now;
        let clock = self.clock(index);
        self.tabs[index].peer.start(clock);
        self.pump(index);
        self.plan_client(index);
    }

    fn plan_client(&mut self, tab: usize) {
        let wait = 1 + self.rng.below(150) as i64;
        if self.now + wait < PAGES_MS {
            self.agenda.add(self.now + wait, Event::Client(tab));
        }
    }

    /// The tab that hears of an event, if one does.
    fn listener(event: &Event) -> Option<usize> {
        match event {
            Event::Post(tab, _)
            | Event::Wake(tab)
            | Event::Granted(tab, _)
            | Event::Robbed(tab)
            | Event::Gone { told: tab, .. }
            | Event::Told(tab, ..)
            | Event::Loaded(tab, _)
            | Event::PieceLoaded(tab, _)
            | Event::SnapshotBegins(tab, _)
            | Event::SnapshotStep(tab, _)
            | Event::Claimed(tab)
            | Event::Applied(tab)
            | Event::Flush(tab)
            | Event::Verified(tab)
            | Event::Client(tab) => Some(*tab),
            Event::Stored(..) | Event::Adversary | Event::Resume(_) | Event::Return(_) => None,
        }
    }

    pub fn trace(&self, what: std::fmt::Arguments<'_>) {
        if self.traces {
            println!("{:6} {what}", self.now);
        }
    }

    pub fn happen(&mut self, event: Event) {
        match &event {
            Event::Post(tab, post) => {
                for message in Message::read_all(post).expect("it was sent so") {
                    self.trace(format_args!("tab {tab} hears {message:?}"));
                }
            }
            event => self.trace(format_args!("{event:?}")),
        }
        if let Some(tab) = Self::listener(&event) {
            match self.tabs[tab].state {
                State::Dead => return,
                State::Frozen => return self.tabs[tab].missed.push(event),
                // The page is not there; what its driver had under way goes on.
                State::Away if matches!(event, Event::Client(_)) => return self.plan_client(tab),
                State::Away if matches!(event, Event::Post(..)) => return,
                State::Away | State::Alive => {}
            }
        }
        let clock = Self::listener(&event).map_or(0, |tab| self.clock(tab));
        match event {
            Event::Post(tab, post) => self.hear(tab, &post),
            Event::Wake(tab) => {
                self.tabs[tab].wake_at = None;
                self.tabs[tab].peer.wake(clock);
                self.pump(tab);
            }
            Event::Granted(tab, grant) => self.granted(tab, grant),
            Event::Robbed(tab) => self.robbed(tab),
            Event::Gone { told, tab, watch } => {
                if self.tabs[told].watches.get(&tab) == Some(&watch) {
                    self.tabs[told].watches.remove(&tab);
                    self.tabs[told].peer.gone(tab);
                    self.pump(told);
                }
            }
            Event::Stored(tab, transaction) => self.store_ends(tab, transaction),
            Event::Told(tab, transaction, is_stored) => self.stored(tab, transaction, is_stored),
            Event::Flush(tab) => self.flush(tab, false),
            Event::Loaded(tab, load) => self.loaded(tab, load),
            Event::PieceLoaded(tab, load) => self.piece_loaded(tab, load),
            Event::SnapshotBegins(tab, number) => self.snapshot_begins(tab, number),
            Event::SnapshotStep(tab, number) => self.snapshot_steps(tab, number),
            Event::Claimed(tab) => self.claimed(tab),
            Event::Applied(tab) => {
                self.tabs[tab].busy = false;
                self.apply(tab);
                self.pump(tab);
            }
            Event::Verified(tab) => self.verified(tab),
            Event::Client(tab) => self.call_some(tab),
            Event::Adversary => self.trouble(),
            Event::Resume(tab) => self.resume(tab),
            Event::Return(tab) => self.comes_back(tab),
        }
    }

    fn hear(&mut self, tab: usize, post: &[u8]) {
        let clock = self.clock(tab);
        for message in Message::read_all(post).expect("it was sent so") {
            self.tabs[tab].peer.receive(message, clock);
            self.join(tab);
        }
        self.post(tab);
    }

    fn granted(&mut self, tab: usize, grant: u64) {
        if self.lock.holder == Some(tab) && self.lock.grant == grant {
            self.tabs[tab].peer.lock_granted();
            self.pump(tab);
        }
    }

    fn robbed(&mut self, tab: usize) {
        if self.lock.holder != Some(tab) {
            let clock = self.clock(tab);
            self.tabs[tab].peer.lock_lost(clock);
            self.pump(tab);
        }
    }

    /// What the clock of a tab shows.
    pub fn clock(&self, tab: usize) -> i64 {
        self.now + self.tabs[tab].clock
    }

    pub fn grant(&mut self) {
        if self.lock.holder.is_none()
            && let Some(next) = self.lock.queue.pop_front()
        {
            self.lock.holder = Some(next);
            self.lock.grant += 1;
            let wait = self.rng.below(5) as i64;
            self.agenda.add(self.now + wait, Event::Granted(next, self.lock.grant));
        }
    }

    /// Does what the peer asks for.
    pub fn pump(&mut self, tab: usize) {
        self.join(tab);
        self.post(tab);
    }

    /// Does what the peer asks for; what it sends waits for the end of the task.
    fn join(&mut self, tab: usize) {
        loop {
            match self.tabs[tab].peer.next_action() {
                Some(action) => self.perform(tab, action),
                None if self.tabs[tab].busy || self.tabs[tab].work.is_empty() => break,
                None => self.work(tab),
            }
        }
        self.plan_snapshot_step(tab);
        let clock = self.tabs[tab].clock;
        let wake_at = self.tabs[tab].peer.wake_at().map(|at| at - clock);
        if let Some(at) = wake_at
            && self.tabs[tab].wake_at.is_none_or(|known| at < known || known < self.now)
        {
            self.tabs[tab].wake_at = Some(at);
            self.agenda.add(at.max(self.now + 1), Event::Wake(tab));
        }
    }

    fn perform(&mut self, tab: usize, action: Action) {
        if self.has_ended(tab) {
            return;
        }
        self.trace(format_args!("tab {tab} does {action:?}"));
        match action {
            Action::Send(message) => message.post(&mut self.tabs[tab].post),
            Action::AskLock => self.ask_lock(tab),
            Action::StealLock => self.steal_lock(tab),
            Action::DropLock => self.drop_lock(tab),
            Action::Verify => {
                let wait = 1 + self.rng.below(5) as i64;
                self.agenda.add(self.now + wait, Event::Verified(tab));
            }
            Action::AskTabs => {
                let is_there = |tab: &&Tab| !matches!(tab.state, State::Dead | State::Away);
                let alive: Vec<u64> = self.tabs.iter().filter(is_there).map(|tab| tab.id).collect();
                let clock = self.clock(tab);
                self.tabs[tab].gathers_since = self.now;
                self.tabs[tab].peer.tabs_alive(&alive, clock);
            }
            Action::Load | Action::LoadPiece { is_first: true, .. } | Action::EndLoad => {
                self.end_load(tab);
                if action != Action::EndLoad {
                    self.tabs[tab].work.push_back(action);
                }
            }
            Action::EndSnapshot => self.end_snapshot(tab),
            Action::LoadPiece { .. }
            | Action::Snapshot
            | Action::Claim(_)
            | Action::Apply(..)
            | Action::Lead { .. }
            | Action::Acked { .. }
            | Action::Run(_) => {
                self.tabs[tab].work.push_back(action);
            }
            Action::Follow => self.follow(tab),
            Action::Reply(seq, reply) => {
                let reply = u64::from_le_bytes(reply.try_into().unwrap());
                self.acknowledge(tab, seq, reply);
            }
            Action::Lost(seq) => {
                self.summary.lost += 1;
                assert!(self.tabs[tab].was_forgotten, "tab {tab} lost its request {seq}");
                let asked = self.tabs[tab].asked.remove(&seq);
                let blocks = asked.is_some_and(|asked| asked.op.blocks());
                self.lost.push(Copy::origin(self.tabs[tab].id, seq, blocks));
            }
            Action::Disconnect(gone, parting) => self.disconnect(tab, gone, parting),
            Action::Connect(other) => {
                let effect = self.tabs[tab].copy.set_away(other, false);
                self.wrote(tab, effect);
            }
            Action::Watch(other) => {
                self.watches += 1;
                self.tabs[tab].watches.insert(other, self.watches);
                let state = self.tabs[other as usize - 1].state;
                if matches!(state, State::Dead | State::Away) {
                    let gone = Event::Gone { told: tab, tab: other, watch: self.watches };
                    self.agenda.add(self.now + GRACE_MS, gone);
                }
            }
            Action::Welcomed | Action::Cancel(..) | Action::Push(_) | Action::Config(_) => {}
        }
    }

    /// Sends what there is to send.
    fn post(&mut self, tab: usize) {
        let post = std::mem::take(&mut self.tabs[tab].post);
        if post.is_empty() || self.has_ended(tab) {
            return;
        }
        for other in (0..self.tabs.len()).filter(|other| *other != tab) {
            if !matches!(self.tabs[other].state, State::Dead | State::Away) {
                let at = self.channel.arrival(tab, other, self.now, &mut self.rng);
                self.agenda.add(at, Event::Post(other, post.clone()));
            }
        }
    }

    fn ask_lock(&mut self, tab: usize) {
        if !self.lock.queue.contains(&tab) && self.lock.holder != Some(tab) {
            self.lock.queue.push_back(tab);
            self.grant();
        }
    }

    fn steal_lock(&mut self, tab: usize) {
        self.summary.robbed += 1;
        let robbed = self.lock.holder.take();
        self.lock.queue.retain(|waiting| *waiting != tab);
        self.lock.queue.push_front(tab);
        self.grant();
        if let Some(robbed) = robbed.filter(|robbed| *robbed != tab) {
            self.agenda.add(self.now + 2, Event::Robbed(robbed));
        }
    }

    fn drop_lock(&mut self, tab: usize) {
        self.lock.queue.retain(|waiting| *waiting != tab);
        if self.lock.holder == Some(tab) {
            self.lock.holder = None;
            self.grant();
        }
    }

    /// Goes on with what is to be done with the copy.
    fn work(&mut self, tab: usize) {
        while !self.tabs[tab].busy
            && let Some(action) = self.tabs[tab].work.pop_front()
        {
            if self.has_ended(tab) {
                return;
            }
            match action {
                Action::Claim(known) => {
                    assert!(known <= self.store.end(), "nobody has stored what it relies on");
                    self.tabs[tab].busy = true;
                    let at = self.store_goes_on() + 1 + self.rng.below(10) as i64;
                    self.agenda.add(at, Event::Claimed(tab));
                }
                Action::Load => {
                    self.summary.loads += 1;
                    (self.tabs[tab].busy, self.tabs[tab].is_loading) = (true, true);
                    let at = self.store_goes_on() + 1 + self.rng.below(60) as i64;
                    let load = self.tabs[tab].load;
                    self.agenda.add(at, Event::Loaded(tab, load));
                }
                Action::LoadPiece { .. } => self.load_piece(tab, action),
                Action::Snapshot => self.plan_snapshot(tab),
                Action::Apply(..) => {
                    self.tabs[tab].work.push_front(action);
                    if self.rng.one_in(6) {
                        self.tabs[tab].busy = true;
                        let wait = 1 + self.rng.below(10) as i64;
                        self.agenda.add(self.now + wait, Event::Applied(tab));
                    } else {
                        self.apply(tab);
                    }
                }
                Action::Lead { lineage, stored, tail, anew, .. } => {
                    if self.tabs[tab].peer.position().is_some_and(|at| at.lineage == lineage) {
                        self.check_leader(tab, &lineage);
                        self.lead(tab, lineage, stored, tail, anew);
                    }
                }
                Action::Run(run) => self.run(tab, run),
                Action::Acked { tab: of, first, last, pending } => {
                    if self.tabs[tab].log.is_some() {
                        let copy = &mut self.tabs[tab].copy;
                        let effect = copy.acknowledge(of, first, last, &pending);
                        self.wrote(tab, effect);
                    }
                }
                other => unreachable!("{other:?}"),
            }
        }
    }

    fn apply(&mut self, tab: usize) {
        let Some(Action::Apply(offset, bytes)) = self.tabs[tab].work.pop_front() else {
            unreachable!()
        };
        self.tabs[tab].copy.apply(&bytes);
        self.tabs[tab].peer.applied(offset + bytes.len() as u64);
        while let Some(action) = self.tabs[tab].peer.next_action() {
            self.perform(tab, action);
        }
    }

    fn claimed(&mut self, tab: usize) {
        self.tabs[tab].busy = false;
        if self.lock.holder == Some(tab) {
            self.store.epoch += 1;
            let Store { epoch, lineage, .. } = self.store;
            let (start, end) = (self.store.start(), self.store.end());
            self.trace(format_args!(
                "tab {tab} has {:?}, the store {end} of {:?}",
                self.tabs[tab].peer.position(),
                lineage.leaders[0]
            ));
            self.tabs[tab].claims_with = self.tabs[tab].peer.position();
            self.tabs[tab].peer.claimed(Claimed { epoch, lineage, start, end });
        } else {
            let clock = self.clock(tab);
            self.tabs[tab].peer.lock_lost(clock);
        }
        self.pump(tab);
    }

    /// Runs what a tab asked this leader for.
    fn run(&mut self, tab: usize, run: Run) {
        let Run { tab: from, seq, acked, blocks, call } = run;
        if !self.tabs[tab].peer.is_leader() || self.tabs[tab].log.is_none() {
            return;
        }
        let this = &mut self.tabs[tab];
        let (origin, op) = (Copy::origin(from, seq, blocks), Op::of(&call));
        let (reply, effect) = match this.copy.record(origin) {
            Some(reply) => {
                self.summary.resent += 1;
                (reply, Vec::new())
            }
            None => match this.copy.run(op, origin, acked) {
                Some(done) => done,
                None => return this.parked.push_back(Parked { tab: from, seq, acked, op }),
            },
        };
        self.wrote(tab, effect);
        let offset = self.tabs[tab].peer.position().unwrap().offset;
        self.answer(tab, Answer { offset, tab: from, seq, reply });
        self.serve_parked(tab);
    }

    /// Lets those get on that wait for a job.
    fn serve_parked(&mut self, tab: usize) {
        while let Tab { copy, parked, log: Some(_), .. } = &mut self.tabs[tab]
            && !copy.jobs.is_empty()
            && let Some(Parked { tab: from, seq, acked, op }) = parked.pop_front()
        {
            let done = copy.run(op, Copy::origin(from, seq, true), acked);
            let (reply, effect) = done.expect("there is a job");
            self.wrote(tab, effect);
            let offset = self.tabs[tab].peer.position().unwrap().offset;
            self.answer(tab, Answer { offset, tab: from, seq, reply });
        }
    }

    /// Another tab is not here any more.
    fn disconnect(&mut self, tab: usize, gone: u64, parting: Parting) {
        let this = &mut self.tabs[tab];
        this.watches.remove(&gone);
        this.answers.retain(|answer| answer.tab != gone);
        this.parked.retain(|parked| parked.tab != gone);
        this.work.retain(|work| !matches!(work, Action::Run(run) if run.tab == gone));
        if this.log.is_none() {
            return;
        }
        let effect = match parting {
            Parting::Ended => this.copy.forget(gone, false, false),
            Parting::Left => this.copy.forget(gone, true, false),
            Parting::Settled => this.copy.forget(gone, true, true),
            Parting::Away => this.copy.set_away(gone, true),
            Parting::Killed => Vec::new(),
        };
        self.summary.put_back += u64::from(effect.len() > 48);
        if parting == Parting::Ended && !effect.is_empty() {
            this.peer.forgot(gone);
            self.tabs[gone as usize - 1].was_forgotten = true;
        }
        self.wrote(tab, effect);
        self.serve_parked(tab);
    }

    fn answer(&mut self, tab: usize, answer: Answer) {
        if self.always {
            self.tabs[tab].answers.push(answer);
            self.settle(tab);
        } else {
            let Answer { offset, tab: from, seq, reply } = answer;
            self.tabs[tab].peer.answer(from, seq, offset, reply.to_le_bytes().to_vec());
        }
        while let Some(action) = self.tabs[tab].peer.next_action() {
            self.perform(tab, action);
        }
    }

    /// Answers what is stored now.
    pub fn settle(&mut self, tab: usize) {
        let Tab { peer, log: Some(log), answers, own, .. } = &mut self.tabs[tab] else { return };
        let stored = log.stored;
        for answer in answers.extract_if(.., |answer| answer.offset <= stored) {
            let reply = answer.reply.to_le_bytes().to_vec();
            peer.answer(answer.tab, answer.seq, answer.offset, reply);
        }
        let done: Vec<(u64, u64)> = own
            .iter()
            .filter(|(_, (_, offset))| *offset <= stored)
            .map(|(seq, (reply, _))| (*seq, *reply))
            .collect();
        for (seq, reply) in done {
            self.tabs[tab].own.remove(&seq);
            self.acknowledge(tab, seq, reply);
        }
    }

    /// The tab leads no longer.
    fn follow(&mut self, tab: usize) {
        let this = &mut self.tabs[tab];
        this.answers.clear();
        this.parked.clear();
        this.log = None;
        // What becomes of a replacement that is not stored is not known.
        for seq in std::mem::take(&mut this.own).into_keys() {
            this.asked.remove(&seq);
        }
    }

    /// A page calls.
    /// A page may ask for several things in one task.
    fn call_some(&mut self, tab: usize) {
        let times = if self.rng.one_in(4) { 1 + self.rng.below(4) } else { 1 };
        for _ in 0..times {
            self.call(tab);
        }
        self.post(tab);
        self.plan_client(tab);
    }

    fn call(&mut self, tab: usize) {
        let op = match self.rng.below(24) {
            0..=7 => Op::Append(self.numbers + 1),
            8..=9 => Op::AppendIfEven(self.numbers + 1),
            10..=13 => Op::Push(self.numbers + 1),
            14..=16 => Op::Pop,
            17 => Op::Move,
            18 if self.rng.one_in(3) => Op::Replace(self.numbers + 1),
            _ => Op::Read,
        };
        let asked = self.tabs[tab].asked.values();
        let (waiting, ordered): (Vec<&Asked>, Vec<&Asked>) = asked.partition(|a| a.op.blocks());
        let is_alone = ordered.is_empty();
        if ordered.len() > 3 || (op.blocks() && waiting.len() > 2) {
            return;
        }
        self.numbers += 1;
        let (now, clock) = (self.now, self.clock(tab));
        let this = &mut self.tabs[tab];
        let seq = this.next_seq;
        this.next_seq += 1;
        this.asked.insert(seq, Asked { op, at: now });
        let leads = this.peer.is_leader() && this.log.is_some() && this.peer.may_write(clock);
        if leads && matches!(op, Op::Replace(_)) {
            self.replace_own(tab, seq);
        } else if leads && is_alone && !self.always && !op.blocks() {
            let (reply, effect) = this.copy.run(op, (0, 0), 0).expect("it need not wait");
            self.wrote(tab, effect);
            self.acknowledge(tab, seq, reply);
            self.serve_parked(tab);
        } else if op.is_read() && is_alone && this.peer.has_copy() {
            let length = this.copy.list.len() as u64;
            self.acknowledge(tab, seq, length);
        } else {
            this.peer.request(seq, op.call(), op.blocks(), clock);
        }
        if self.tabs[tab].log.is_none() { self.join(tab) } else { self.pump(tab) }
    }

    /// The page of a leader has everything replaced.
    fn replace_own(&mut self, tab: usize, seq: u64) {
        let this = &mut self.tabs[tab];
        let done = this.copy.run(this.asked[&seq].op, (0, 0), 0);
        let (reply, effect) = done.expect("it need not wait");
        self.replaced(tab, &effect);
        if self.always {
            let offset = self.tabs[tab].peer.position().unwrap().offset;
            self.tabs[tab].own.insert(seq, (reply, offset));
        } else {
            self.acknowledge(tab, seq, reply);
        }
    }

    /// A leader that was not sure has asked who holds the lock.
    fn verified(&mut self, tab: usize) {
        let clock = self.clock(tab);
        if self.lock.holder == Some(tab) {
            self.tabs[tab].peer.turned(clock);
        } else {
            self.tabs[tab].peer.lock_lost(clock);
        }
        self.pump(tab);
    }

    fn acknowledge(&mut self, tab: usize, seq: u64, reply: u64) {
        if self.has_ended(tab) {
            return;
        }
        let Some(Asked { op, at }) = self.tabs[tab].asked.remove(&seq) else { return };
        self.summary.acknowledged += 1;
        self.summary.handled += u64::from(op.blocks());
        self.done.push(Done { op, tab, invoked: at, acked: self.now, reply });
    }
}
