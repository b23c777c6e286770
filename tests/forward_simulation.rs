//! Forwarding between tabs that die at any moment, over a channel that keeps order per sender only.
//!
//! Each run has a seed; a failing one prints it. `LODIS_SEED=<seed> cargo test --test
//! forward_simulation` runs that one alone.

use lodis::replication::forward::{Action, Guest, Owner};
use lodis::replication::forward_message::{Kind, Message, MessageError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const RUNS: u64 = 4000;
const STEPS: usize = 300;

/// SplitMix64, so that a run is its seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    /// Mostly short, sometimes much longer than the repetition of a hello.
    fn delay(&mut self) -> i64 {
        let limit = if self.one_in(10) { 1500 } else { 30 };
        self.below(limit) as i64
    }
}

enum Role {
    Guest(Guest),
    Owner(Owner),
}

/// A living tab.
struct Tab {
    role: Role,
    next_seq: u64,
    /// The ownership that its session is in, if it was welcomed.
    session: Option<u64>,
    /// Every request of it: whether it may be repeated, and the ownerships it was sent to.
    requests: BTreeMap<u64, (bool, Vec<u64>)>,
    settled: BTreeSet<u64>,
}

/// What happens when its time has come.
enum Event {
    Deliver { to: u64, bytes: Vec<u8> },
    Granted { tab: u64 },
    Loaded { tab: u64, id: u64 },
    Answer { tab: u64, id: u64, guest: u64, seq: u64 },
    Gone { tab: u64, id: u64, guest: u64 },
}

struct World {
    dice: Dice,
    now: i64,
    next_number: u64,
    events: BTreeMap<(i64, u64), Event>,
    /// The latest arrival on the way from one tab to another: what comes later arrives later.
    arrivals: BTreeMap<(u64, u64), i64>,
    tabs: BTreeMap<u64, Tab>,
    /// Who holds the lock, first, and who waits for it.
    queue: VecDeque<u64>,
    /// The ownership in force: its tab and number.
    owner: Option<(u64, u64)>,
    sessions: BTreeMap<u64, BTreeSet<u64>>,
    /// Requests that block: ownership, guest and number.
    blocked: BTreeSet<(u64, u64, u64)>,
    /// Per guest and sequence number: the ownerships that ran it.
    runs: BTreeMap<(u64, u64), Vec<u64>>,
    lost: usize,
    replies: usize,
    /// Taken back before they were sent.
    cancelled: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            now: 0,
            next_number: 1,
            events: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            tabs: BTreeMap::new(),
            queue: VecDeque::new(),
            owner: None,
            sessions: BTreeMap::new(),
            blocked: BTreeSet::new(),
            runs: BTreeMap::new(),
            lost: 0,
            replies: 0,
            cancelled: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn at(&mut self, time: i64, event: Event) {
        let order = self.number();
        self.events.insert((time, order), event);
    }

    fn soon(&mut self, event: Event) {
        let time = self.now + self.dice.delay();
        self.at(time, event);
    }

    fn join(&mut self) {
        let tab = self.number();
        let mut guest = Guest::new(tab);
        let actions = guest.start(self.now);
        let state = Tab {
            role: Role::Guest(guest),
            next_seq: 1,
            session: None,
            requests: BTreeMap::new(),
            settled: BTreeSet::new(),
        };
        self.tabs.insert(tab, state);
        self.queue.push_back(tab);
        if self.queue.len() == 1 {
            self.soon(Event::Granted { tab });
        }
        self.perform(tab, actions);
    }

    /// A crash, or a tab that says goodbye first.
    fn leave(&mut self, tab: u64, politely: bool) {
        if politely {
            let actions = match &mut self.tabs.get_mut(&tab).unwrap().role {
                Role::Guest(guest) => guest.stop(),
                Role::Owner(owner) => owner.stop(),
            };
            self.perform(tab, actions);
        }
        self.tabs.remove(&tab);
        let held = self.queue.front() == Some(&tab);
        self.queue.retain(|waiting| *waiting != tab);
        if self.owner.is_some_and(|(owner, _)| owner == tab) {
            self.owner = None;
        }
        if let (true, Some(&next)) = (held, self.queue.front()) {
            self.soon(Event::Granted { tab: next });
        }
        if let Some((owner, id)) = self.owner {
            self.soon(Event::Gone { tab: owner, id, guest: tab });
        }
    }

    fn request(&mut self, tab: u64) {
        let blocking = self.dice.one_in(4);
        let repeatable = !blocking && self.dice.one_in(2);
        let state = self.tabs.get_mut(&tab).unwrap();
        let Role::Guest(guest) = &mut state.role else { return };
        let seq = state.next_seq;
        state.next_seq += 1;
        state.requests.insert(seq, (repeatable, Vec::new()));
        let actions = if blocking {
            guest.block(seq, frame(tab, seq))
        } else {
            guest.request(seq, frame(tab, seq), repeatable)
        };
        self.perform(tab, actions);
    }

    /// Takes any request back, whether it blocks or not.
    fn cancel(&mut self, tab: u64) {
        let seq = self.dice.below(self.tabs[&tab].next_seq);
        let Role::Guest(guest) = &mut self.tabs.get_mut(&tab).unwrap().role else { return };
        let actions = guest.cancel(seq);
        self.perform(tab, actions);
    }

    /// What blocks is served, or its time runs out.
    fn unblock(&mut self, id: u64, guest: u64, seq: u64) {
        let Some((tab, _)) = self.owner.filter(|(_, owner)| *owner == id) else { return };
        if self.blocked.remove(&(id, guest, seq)) {
            self.soon(Event::Answer { tab, id, guest, seq });
        }
    }

    fn push(&mut self) {
        let Some((tab, id)) = self.owner else { return };
        let guests: Vec<u64> = self.sessions.entry(id).or_default().iter().copied().collect();
        if guests.is_empty() {
            return;
        }
        let guest = guests[self.dice.below(guests.len() as u64) as usize];
        let Role::Owner(owner) = &self.tabs[&tab].role else { unreachable!() };
        let actions = owner.push(guest, guest.to_le_bytes().to_vec());
        self.perform(tab, actions);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver { to, bytes } => self.deliver(to, &bytes),
            Event::Granted { tab } => {
                if self.queue.front() == Some(&tab) {
                    let id = self.number();
                    self.hand_back(tab);
                    self.tabs.get_mut(&tab).unwrap().role = Role::Owner(Owner::new(id));
                    self.owner = Some((tab, id));
                    self.soon(Event::Loaded { tab, id });
                }
            }
            Event::Loaded { tab, id } => self.as_owner(tab, id, Owner::serve),
            Event::Answer { tab, id, guest, seq } => {
                self.as_owner(tab, id, |owner| owner.answer(guest, seq, frame(guest, seq)));
            }
            Event::Gone { tab, id, guest } => self.as_owner(tab, id, |owner| owner.gone(guest)),
        }
    }

    fn as_owner(&mut self, tab: u64, id: u64, work: impl FnOnce(&mut Owner) -> Vec<Action>) {
        if self.owner != Some((tab, id)) {
            return;
        }
        let Role::Owner(owner) = &mut self.tabs.get_mut(&tab).unwrap().role else { unreachable!() };
        let actions = work(owner);
        self.perform(tab, actions);
    }

    /// A guest that becomes the owner runs what is open itself, or gives it up.
    fn hand_back(&mut self, tab: u64) {
        let state = self.tabs.get_mut(&tab).unwrap();
        state.settled.extend(state.requests.keys());
    }

    fn deliver(&mut self, to: u64, bytes: &[u8]) {
        let message = Message::decode(bytes).unwrap();
        let now = self.now;
        let Some(tab) = self.tabs.get_mut(&to) else { return };
        let actions = match &mut tab.role {
            Role::Guest(guest) => guest.receive(message, now),
            Role::Owner(owner) => owner.receive(message),
        };
        self.perform(to, actions);
    }

    fn send(&mut self, from: u64, message: &Message) {
        if matches!(message.kind, Kind::Request | Kind::Block) {
            let tab = self.tabs.get_mut(&from).unwrap();
            tab.requests.get_mut(&message.seq).unwrap().1.push(message.owner);
        }
        let others: Vec<u64> = self.tabs.keys().copied().filter(|tab| *tab != from).collect();
        for to in others {
            // Only messages of a session that are not numbered must come once.
            let twice = message.kind != Kind::Push && self.dice.one_in(20);
            for _ in 0..if twice { 2 } else { 1 } {
                let due = self.now + self.dice.delay();
                let arrival = self.arrivals.entry((from, to)).or_default();
                *arrival = due.max(*arrival);
                let time = *arrival;
                self.at(time, Event::Deliver { to, bytes: message.encode() });
            }
        }
    }

    fn perform(&mut self, tab: u64, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(message) => self.send(tab, &message),
                Action::Welcomed => self.welcomed(tab),
                Action::Reply(seq, reply) => self.replied(tab, seq, &reply),
                Action::Push(messages) => assert_eq!(messages, tab.to_le_bytes()),
                Action::Lost(seq) => self.give_up(tab, seq),
                Action::Connect(guest) => {
                    let id = self.owner.unwrap().1;
                    assert!(self.sessions.entry(id).or_default().insert(guest), "connected twice");
                    if !self.tabs.contains_key(&guest) {
                        self.soon(Event::Gone { tab, id, guest });
                    }
                }
                Action::Request(guest, seq, bytes) => {
                    let id = self.run(guest, seq, &bytes);
                    self.soon(Event::Answer { tab, id, guest, seq });
                }
                Action::Block(guest, seq, bytes) => {
                    let id = self.run(guest, seq, &bytes);
                    self.blocked.insert((id, guest, seq));
                }
                Action::Cancel(guest, seq) => {
                    let id = self.owner.unwrap().1;
                    self.unblock(id, guest, seq);
                }
                Action::Disconnect(guest) => {
                    let id = self.owner.unwrap().1;
                    assert!(self.sessions.entry(id).or_default().remove(&guest), "no session");
                }
            }
        }
    }

    fn welcomed(&mut self, tab: u64) {
        let sessions = &self.sessions;
        let serving =
            self.owner.filter(|(_, id)| sessions.get(id).is_some_and(|s| s.contains(&tab)));
        self.tabs.get_mut(&tab).unwrap().session = serving.map(|(_, id)| id);
    }

    /// Runs a request; answers the ownership.
    fn run(&mut self, guest: u64, seq: u64, bytes: &[u8]) -> u64 {
        let id = self.owner.unwrap().1;
        assert!(self.sessions[&id].contains(&guest), "a request without a session");
        assert_eq!(bytes, frame(guest, seq));
        let last =
            self.runs.range((guest, 0)..=(guest, u64::MAX)).rfind(|(_, by)| by.contains(&id));
        assert!(last.is_none_or(|(&(_, last), _)| last < seq), "run out of order, or twice");
        let runs = self.runs.entry((guest, seq)).or_default();
        runs.push(id);
        let runs = runs.len();
        if let Some(state) = self.tabs.get(&guest) {
            assert!(state.requests[&seq].0 || runs == 1, "a write was run twice");
        }
        id
    }

    fn replied(&mut self, tab: u64, seq: u64, reply: &[u8]) {
        let sent = !self.tabs[&tab].requests[&seq].1.is_empty();
        if sent {
            assert_eq!(reply, frame(tab, seq), "the reply of another request");
            assert!(self.runs.contains_key(&(tab, seq)), "a reply to what was not run");
        } else {
            assert!(reply.starts_with(b"-UNBLOCKED "), "a reply to what was not sent");
            self.cancelled += 1;
        }
        self.settle(tab, seq);
        self.replies += 1;
    }

    fn give_up(&mut self, tab: u64, seq: u64) {
        let owner = self.owner.map(|(_, id)| id);
        let (repeatable, sent) = &self.tabs[&tab].requests[&seq];
        assert!(!repeatable, "given up, but it may be repeated");
        assert!(!sent.is_empty() && sent.iter().all(|id| Some(*id) != owner), "given up too early");
        self.settle(tab, seq);
        self.lost += 1;
    }

    fn settle(&mut self, tab: u64, seq: u64) {
        let first = self.tabs.get_mut(&tab).unwrap().settled.insert(seq);
        assert!(first, "settled twice");
    }

    /// Lets everything due until `until` happen, in order.
    fn pass(&mut self, until: i64) {
        loop {
            let wake = self.tabs.iter().filter_map(|(tab, state)| match &state.role {
                Role::Guest(guest) => Some((guest.wake_at()?, *tab)),
                Role::Owner(_) => None,
            });
            let wake = wake.min().filter(|(at, _)| *at <= until);
            let event = self.events.first_key_value().map(|(key, _)| *key);
            let event = event.filter(|(at, _)| *at <= until);
            match (wake, event) {
                (Some((at, tab)), event) if event.is_none_or(|(due, _)| at < due) => {
                    self.now = at.max(self.now);
                    let now = self.now;
                    let Role::Guest(guest) = &mut self.tabs.get_mut(&tab).unwrap().role else {
                        unreachable!()
                    };
                    let actions = guest.wake(now);
                    self.perform(tab, actions);
                }
                (_, Some(key)) => {
                    self.now = key.0.max(self.now);
                    let event = self.events.remove(&key).unwrap();
                    self.happen(event);
                }
                _ => break,
            }
        }
        self.now = until;
    }

    fn step(&mut self) {
        let living: Vec<u64> = self.tabs.keys().copied().collect();
        let any = living.get(self.dice.below(living.len().max(1) as u64) as usize).copied();
        match (self.dice.below(20), any) {
            (0, Some(tab)) => {
                let politely = self.dice.one_in(2);
                self.leave(tab, politely);
            }
            (1, _) | (_, None) if living.len() < 5 => self.join(),
            (2..=4, _) => self.push(),
            (5, Some(tab)) => self.cancel(tab),
            (6, _) => {
                if let Some((id, guest, seq)) = self.blocked.first().copied() {
                    self.unblock(id, guest, seq);
                    self.blocked.remove(&(id, guest, seq));
                }
            }
            (_, Some(tab)) => self.request(tab),
            _ => {}
        }
        let pause = self.dice.delay();
        self.pass(self.now + pause);
    }
}

/// The frame of a request, and its reply: nothing else looks like it.
fn frame(tab: u64, seq: u64) -> Vec<u8> {
    [tab, seq].iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// One run; answers how many requests were lost, answered, and taken back before they were sent.
fn simulate(seed: u64) -> [usize; 3] {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    // Nobody dies any more: everything must come to an end.
    world.pass(world.now + 60_000);
    for (id, guest, seq) in world.blocked.clone() {
        world.unblock(id, guest, seq);
    }
    world.pass(world.now + 60_000);
    let owner = world.owner.map(|(_, id)| id);
    assert_eq!(owner.is_some(), !world.tabs.is_empty());
    for (number, tab) in &world.tabs {
        if let Role::Guest(guest) = &tab.role {
            assert_eq!(guest.wake_at(), None, "tab {number} still greets");
            assert_eq!(tab.session, owner, "tab {number} has no session");
            let open: Vec<_> = tab.requests.keys().filter(|s| !tab.settled.contains(s)).collect();
            assert!(open.is_empty(), "tab {number} waits for {open:?} for ever");
        }
    }
    assert!(world.events.is_empty(), "still busy");
    [world.lost, world.replies, world.cancelled]
}

#[test]
fn every_request_runs_once_or_is_given_up() {
    if let Ok(seed) = std::env::var("LODIS_SEED") {
        simulate(seed.parse().expect("LODIS_SEED is a number"));
        return;
    }
    let [mut lost, mut replies, mut cancelled] = [0; 3];
    for seed in 0..RUNS {
        let run = std::panic::catch_unwind(|| simulate(seed));
        let Ok(counts) = run else {
            panic!("run it alone: LODIS_SEED={seed} cargo test --test forward_simulation");
        };
        lost += counts[0];
        replies += counts[1];
        cancelled += counts[2];
    }
    // The runs do reach what they are for.
    assert!(lost > 1000 && replies > 100_000, "{lost} lost, {replies} answered");
    assert!(cancelled > 100, "{cancelled} cancelled");
}

#[test]
fn any_bytes_are_a_message_or_are_refused() {
    let mut dice = Dice(7);
    let mut messages = 0;
    for _ in 0..200_000 {
        let mut bytes: Vec<u8> = (0..dice.below(40)).map(|_| dice.next() as u8).collect();
        let shape = [1, dice.below(11) as u8];
        for (byte, value) in bytes.iter_mut().zip(shape).take(dice.below(3) as usize) {
            *byte = value;
        }
        match Message::decode(&bytes) {
            Ok(message) => {
                messages += 1;
                assert_eq!(message.encode(), bytes);
            }
            Err(MessageError::Version(version)) => assert!(version != 1 && bytes[0] == version),
            Err(MessageError::Malformed) => {
                assert!(bytes.len() < 26 || usize::from(bytes[1]) > Kind::Cancel as usize);
            }
        }
    }
    assert!(messages > 1000);
}
