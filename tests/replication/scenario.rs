//! One scenario: tabs, their pages, and what happens to them.

use super::copy::Op;
use super::tab::{Answer, Asked, Log, State, Tab};
use super::world::{Agenda, Channel, Event, Lock, Rng, Store};
use lodis::persist::lineage::Lineage;
use lodis::replication::message::Message;
use lodis::replication::peer::{Action, Claimed, Run};

/// Pages call nothing after this, a little later than the adversary.
const PAGES_MS: i64 = 5500;
const END_MS: i64 = 40_000;

/// What many scenarios came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub acknowledged: u64,
    pub leaders: u64,
    pub robbed: u64,
    pub resent: u64,
    pub kept: u64,
    pub lost: u64,
    pub loads: u64,
}

impl Summary {
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.leaders += other.leaders;
        self.robbed += other.robbed;
        self.resent += other.resent;
        self.kept += other.kept;
        self.lost += other.lost;
        self.loads += other.loads;
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

/// What a log has asked the store for.
struct Transaction {
    epoch: u64,
    lineage: Lineage,
    from: u64,
    stretches: Vec<Vec<u8>>,
}

pub struct Scenario {
    pub now: i64,
    pub rng: Rng,
    pub agenda: Agenda,
    pub lock: Lock,
    pub store: Store,
    transactions: Vec<Transaction>,
    channel: Channel,
    pub tabs: Vec<Tab>,
    /// A write is acknowledged once it is stored.
    pub always: bool,
    /// This tab is never troubled.
    pub steady: Option<usize>,
    pub slow_store: bool,
    traces: bool,
    numbers: u64,
    pub done: Vec<Done>,
    summary: Summary,
}

pub fn run(seed: u64) -> Summary {
    let mut rng = Rng::new(seed);
    let always = rng.one_in(2);
    let mut scenario = Scenario {
        now: 0,
        agenda: Agenda::default(),
        lock: Lock::default(),
        store: Store::default(),
        transactions: Vec::new(),
        channel: Channel::default(),
        tabs: Vec::new(),
        always,
        steady: (!always).then_some(0),
        slow_store: rng.one_in(4),
        traces: std::env::var_os("LODIS_TRACE").is_some(),
        numbers: 0,
        done: Vec::new(),
        summary: Summary::default(),
        rng,
    };
    for _ in 0..2 + scenario.rng.below(5) {
        scenario.open();
    }
    scenario.agenda.add(100, Event::Adversary);
    scenario.play();
    scenario.check();
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
        self.tabs.push(Tab::new(index as u64 + 1, replica, leads));
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
            Event::Message(tab, _)
            | Event::Wake(tab)
            | Event::Granted(tab, _)
            | Event::Robbed(tab)
            | Event::Gone { told: tab, .. }
            | Event::Told(tab, ..)
            | Event::Loaded(tab, _)
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
            Event::Message(tab, bytes) => {
                let message = Message::decode(bytes).expect("it was sent so");
                self.trace(format_args!("tab {tab} hears {message:?}"));
            }
            event => self.trace(format_args!("{event:?}")),
        }
        if let Some(tab) = Self::listener(&event) {
            match self.tabs[tab].state {
                State::Dead => return,
                State::Frozen => return self.tabs[tab].missed.push(event),
                // The page is not there; what its driver had under way goes on.
                State::Away if matches!(event, Event::Client(_)) => return self.plan_client(tab),
                State::Away if matches!(event, Event::Message(..)) => return,
                State::Away | State::Alive => {}
            }
        }
        let clock = Self::listener(&event).map_or(0, |tab| self.clock(tab));
        match event {
            Event::Message(tab, bytes) => {
                let message = Message::decode(&bytes).expect("it was sent so");
                self.tabs[tab].peer.receive(message, clock);
                self.pump(tab);
            }
            Event::Wake(tab) => {
                self.tabs[tab].wake_at = None;
                self.tabs[tab].peer.wake(clock);
                self.pump(tab);
            }
            Event::Granted(tab, grant) => self.granted(tab, grant),
            Event::Robbed(tab) => self.robbed(tab),
            Event::Gone { told, tab } => {
                self.tabs[told].peer.gone(tab);
                self.pump(told);
            }
            Event::Stored(tab, transaction) => self.store_ends(tab, transaction),
            Event::Told(tab, transaction, is_stored) => self.stored(tab, transaction, is_stored),
            Event::Flush(tab) => self.flush(tab, false),
            Event::Loaded(tab, load) => self.loaded(tab, load),
            Event::Claimed(tab) => self.claimed(tab),
            Event::Applied(tab) => {
                self.tabs[tab].busy = false;
                self.apply(tab);
                self.pump(tab);
            }
            Event::Verified(tab) => self.verified(tab),
            Event::Client(tab) => {
                self.call(tab);
                self.plan_client(tab);
            }
            Event::Adversary => self.trouble(),
            Event::Resume(tab) => self.resume(tab),
            Event::Return(tab) => {
                if self.tabs[tab].state == State::Away {
                    let clock = self.clock(tab);
                    self.tabs[tab].state = State::Alive;
                    self.tabs[tab].peer.start(clock);
                    self.pump(tab);
                }
            }
        }
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
    fn clock(&self, tab: usize) -> i64 {
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
        while let Some(action) = self.tabs[tab].peer.next_action() {
            self.perform(tab, action);
        }
        self.work(tab);
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
        self.trace(format_args!("tab {tab} does {action:?}"));
        match action {
            Action::Send(message) => self.send(tab, &message),
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
                self.tabs[tab].peer.tabs_alive(&alive, clock);
            }
            Action::Load => {
                self.tabs[tab].load += 1;
                self.tabs[tab].work.push_back(action);
            }
            Action::Claim(_)
            | Action::Apply(..)
            | Action::Lead { .. }
            | Action::Run(_)
            | Action::Await { .. } => {
                self.tabs[tab].work.push_back(action);
            }
            Action::Follow => self.follow(tab),
            Action::Reply(seq, reply) => {
                let reply = u64::from_le_bytes(reply.try_into().unwrap());
                self.acknowledge(tab, seq, reply);
            }
            Action::Kept(seq) => {
                self.summary.kept += 1;
                let reply = self.tabs[tab].executed[&seq];
                self.acknowledge(tab, seq, reply);
            }
            Action::Lost(seq) => {
                self.summary.lost += 1;
                assert!(self.tabs[tab].troubled, "tab {tab} lost its request {seq}");
                self.tabs[tab].asked.remove(&seq);
            }
            Action::Disconnect(gone, _) => {
                self.tabs[tab].answers.retain(|answer| answer.tab != gone);
            }
            Action::Watch(_)
            | Action::Welcomed
            | Action::Connect(_)
            | Action::Cancel(..)
            | Action::Push(_) => {}
        }
    }

    fn send(&mut self, tab: usize, message: &Message) {
        let bytes = message.encode();
        for other in (0..self.tabs.len()).filter(|other| *other != tab) {
            if !matches!(self.tabs[other].state, State::Dead | State::Away) {
                let at = self.channel.arrival(tab, other, self.now, &mut self.rng);
                self.agenda.add(at, Event::Message(other, bytes.clone()));
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
            match action {
                Action::Claim(_) => {
                    self.tabs[tab].busy = true;
                    let wait = 1 + self.rng.below(10) as i64;
                    self.agenda.add(self.now + wait, Event::Claimed(tab));
                }
                Action::Load => {
                    // Several may have been asked for; the last one counts.
                    let is_last =
                        !self.tabs[tab].work.iter().any(|work| matches!(work, Action::Load));
                    if is_last {
                        self.summary.loads += 1;
                        self.tabs[tab].busy = true;
                        self.tabs[tab].work.push_front(action);
                        let wait = 1 + self.rng.below(60) as i64;
                        let load = self.tabs[tab].load;
                        self.agenda.add(self.now + wait, Event::Loaded(tab, load));
                    }
                }
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
                Action::Lead { lineage, stored, tail, .. } => {
                    if self.tabs[tab].peer.position().is_some_and(|at| at.lineage == lineage) {
                        self.summary.leaders += 1;
                        let queue = tail.into();
                        let epoch = lineage.epoch();
                        let log = Log { epoch, lineage, stored, queue, ..Log::default() };
                        self.tabs[tab].log = Some(log);
                        self.flush(tab, true);
                    }
                }
                Action::Run(run) => self.run(tab, run),
                Action::Await { tab: from, seq, offset } => {
                    if self.tabs[tab].log.is_some() {
                        self.answer(tab, Answer { offset, tab: from, seq, reply: 0 });
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
            let end = self.store.end();
            self.trace(format_args!(
                "tab {tab} has {:?}, the store {end} of {:?}",
                self.tabs[tab].peer.position(),
                lineage.leaders[0]
            ));
            self.tabs[tab].peer.claimed(Claimed { epoch, lineage, start: 0, end });
        } else {
            let clock = self.clock(tab);
            self.tabs[tab].peer.lock_lost(clock);
        }
        self.pump(tab);
    }

    fn loaded(&mut self, tab: usize, load: u64) {
        self.tabs[tab].busy = false;
        self.tabs[tab].work.pop_front();
        if self.tabs[tab].load == load {
            let (lineage, end) = (self.store.lineage, self.store.end());
            let clock = self.clock(tab);
            self.tabs[tab].copy = self.store.load();
            self.tabs[tab].peer.loaded(lineage, end, clock);
        }
        self.pump(tab);
    }

    /// Runs what a tab asked this leader for.
    fn run(&mut self, tab: usize, run: Run) {
        let Run { tab: from, seq, acked, call, .. } = run;
        if !self.tabs[tab].peer.is_leader() || self.tabs[tab].log.is_none() {
            return;
        }
        let this = &mut self.tabs[tab];
        let (reply, effect) = match this.copy.record((from, seq)) {
            Some(reply) => {
                self.summary.resent += 1;
                (reply, Vec::new())
            }
            None => this.copy.run(Op::of(&call), (from, seq), acked),
        };
        self.wrote(tab, effect);
        let offset = self.tabs[tab].peer.position().unwrap().offset;
        self.answer(tab, Answer { offset, tab: from, seq, reply });
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

    /// The copy of a leader has changed.
    fn wrote(&mut self, tab: usize, effect: Vec<u8>) {
        let Tab { peer, log: Some(log), .. } = &mut self.tabs[tab] else { unreachable!() };
        if !effect.is_empty() {
            peer.written(effect.clone(), log.stored);
            log.queue.push_back(effect);
            self.plan_flush(tab);
        }
    }

    fn plan_flush(&mut self, tab: usize) {
        let wait = if self.always { 0 } else { 100 + self.rng.below(800) as i64 };
        let Some(log) = &mut self.tabs[tab].log else { return };
        if !log.flush_planned && !log.queue.is_empty() && !log.is_storing {
            log.flush_planned = true;
            self.agenda.add(self.now + wait, Event::Flush(tab));
        }
    }

    fn flush(&mut self, tab: usize, is_first: bool) {
        let wait = if self.slow_store { 100 + self.rng.below(900) } else { 1 + self.rng.below(20) };
        let Some(log) = &mut self.tabs[tab].log else { return };
        log.flush_planned = false;
        if !log.is_storing && (is_first || !log.queue.is_empty()) {
            log.is_storing = true;
            log.under_way = log.queue.len();
            log.transaction = self.transactions.len();
            let Log { epoch, lineage, stored: from, .. } = *log;
            let stretches = log.queue.iter().cloned().collect();
            self.transactions.push(Transaction { epoch, lineage, from, stretches });
            self.agenda.add(self.now + wait as i64, Event::Stored(tab, log.transaction));
        }
    }

    /// A transaction ends: the store does not care what has become of the tab.
    fn store_ends(&mut self, tab: usize, transaction: usize) {
        if self.tabs[tab].state == State::Dead && self.rng.one_in(2) {
            return;
        }
        let Transaction { epoch, lineage, from, stretches } = &self.transactions[transaction];
        let is_owner = self.store.epoch == *epoch;
        self.trace(format_args!(
            "store of {:?} told by tab {tab} of {epoch}: {:?} from {from}",
            self.store.epoch, lineage.leaders[0]
        ));
        if is_owner {
            let mut offset = *from;
            assert_eq!(offset, self.store.end(), "there is a gap in the store");
            for stretch in stretches {
                self.store.records.push((offset, stretch.clone()));
                offset += stretch.len() as u64;
            }
            self.store.lineage = *lineage;
        }
        self.agenda.add(self.now, Event::Told(tab, transaction, is_owner));
    }

    fn stored(&mut self, tab: usize, transaction: usize, is_stored: bool) {
        let Some(log) = &mut self.tabs[tab].log else { return };
        if !log.is_storing || log.transaction != transaction {
            return;
        }
        if !is_stored {
            let clock = self.clock(tab);
            self.tabs[tab].peer.lock_lost(clock);
            return self.pump(tab);
        }
        for stretch in log.queue.drain(..log.under_way) {
            log.stored += stretch.len() as u64;
        }
        (log.under_way, log.is_storing) = (0, false);
        let clock = self.clock(tab);
        self.tabs[tab].peer.led(clock);
        self.plan_flush(tab);
        self.settle(tab);
        self.pump(tab);
    }

    /// Answers what is stored now.
    fn settle(&mut self, tab: usize) {
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
        let clock = self.clock(tab);
        let this = &mut self.tabs[tab];
        this.answers.clear();
        this.log = None;
        for (seq, (reply, offset)) in std::mem::take(&mut this.own) {
            this.executed.insert(seq, reply);
            let call = this.asked[&seq].op.call();
            this.peer.executed(seq, call, offset, clock);
        }
        for seq in std::mem::take(&mut this.unsure) {
            let call = this.asked[&seq].op.call();
            this.peer.request(seq, call, false, clock);
        }
    }

    /// A page calls.
    fn call(&mut self, tab: usize) {
        if self.tabs[tab].asked.len() > 3 {
            return;
        }
        self.numbers += 1;
        let op = match self.rng.below(10) {
            0..=5 => Op::Append(self.numbers),
            6 => Op::AppendIfEven(self.numbers),
            _ => Op::Read,
        };
        let (now, clock) = (self.now, self.clock(tab));
        let this = &mut self.tabs[tab];
        let seq = this.next_seq;
        this.next_seq += 1;
        let is_alone = this.asked.is_empty();
        this.asked.insert(seq, Asked { op, at: now });
        if this.peer.is_leader() && this.log.is_some() {
            if this.peer.may_write(clock) {
                self.call_own(tab, seq);
            } else {
                this.unsure.push_back(seq);
                let wait = 1 + self.rng.below(5) as i64;
                self.agenda.add(now + wait, Event::Verified(tab));
            }
        } else if op.is_read() && is_alone && this.peer.has_copy() {
            let length = this.copy.list.len() as u64;
            self.acknowledge(tab, seq, length);
        } else {
            this.peer.request(seq, op.call(), false, clock);
        }
        self.pump(tab);
    }

    /// A leader runs what its own page asks for.
    fn call_own(&mut self, tab: usize, seq: u64) {
        let op = self.tabs[tab].asked[&seq].op;
        let (reply, effect) = self.tabs[tab].copy.run(op, (0, 0), 0);
        let is_written = !effect.is_empty();
        self.wrote(tab, effect);
        if self.always && is_written {
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
            while let Some(action) = self.tabs[tab].peer.next_action() {
                self.perform(tab, action);
            }
        }
        for seq in std::mem::take(&mut self.tabs[tab].unsure) {
            if self.tabs[tab].peer.is_leader() && self.tabs[tab].log.is_some() {
                self.call_own(tab, seq);
            } else {
                let call = self.tabs[tab].asked[&seq].op.call();
                self.tabs[tab].peer.request(seq, call, false, clock);
            }
        }
        self.pump(tab);
    }

    fn acknowledge(&mut self, tab: usize, seq: u64, reply: u64) {
        let Some(Asked { op, at }) = self.tabs[tab].asked.remove(&seq) else { return };
        self.tabs[tab].executed.remove(&seq);
        self.summary.acknowledged += 1;
        self.done.push(Done { op, tab, invoked: at, acked: self.now, reply });
    }
}
