//! Forwarding between tabs that come, die and take over, over a channel with delays.
//!
//! Each run has a seed; a failing one prints it. `LODIS_SEED=<seed> cargo test --test
//! forward_simulation` runs that one alone.

use lodis::engine::rng::Rng;
use lodis::replication::forward::{Action, Guest, Owner};
use lodis::replication::message::Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const RUNS: u64 = 10_000;
const STEPS: usize = 300;
/// Long enough for every hello, request and reply that is under way.
const SETTLE_STEPS: usize = 400;

struct Tab {
    guest: Guest,
    owner: Option<Owner>,
    /// Unanswered requests: whether each may be repeated.
    open: BTreeMap<u64, bool>,
    next_seq: u64,
    /// Sent by this tab, not yet delivered to each other tab.
    outgoing: BTreeMap<u64, VecDeque<Vec<u8>>>,
}

struct World {
    rng: Rng,
    now: i64,
    next_tab: u64,
    next_owner: u64,
    tabs: BTreeMap<u64, Tab>,
    /// (owner, tab) to the last request it executed.
    executed: BTreeMap<(u64, u64), u64>,
    /// Requests that must not run twice, and did run.
    ran_once: BTreeSet<(u64, u64)>,
    /// The owner's replies that wait, as those of `appendfsync always` do.
    late: Vec<(u64, u64, u64)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            rng: Rng::new(seed),
            now: 0,
            next_tab: 1,
            next_owner: 1000,
            tabs: BTreeMap::new(),
            executed: BTreeMap::new(),
            ran_once: BTreeSet::new(),
            late: Vec::new(),
        };
        world.open_tab();
        world.elect();
        world.open_tab();
        world
    }

    fn open_tab(&mut self) {
        let id = self.next_tab;
        self.next_tab += 1;
        let others: Vec<u64> = self.tabs.keys().copied().collect();
        let mut tab = Tab {
            guest: Guest::new(id),
            owner: None,
            open: BTreeMap::new(),
            next_seq: 1,
            outgoing: others.iter().map(|other| (*other, VecDeque::new())).collect(),
        };
        let actions = tab.guest.start(self.now);
        for other in self.tabs.values_mut() {
            other.outgoing.insert(id, VecDeque::new());
        }
        self.tabs.insert(id, tab);
        self.perform(id, actions);
    }

    fn owner_tab(&self) -> Option<u64> {
        self.tabs.iter().find(|(_, tab)| tab.owner.is_some()).map(|(id, _)| *id)
    }

    /// The lock of the name is free: some tab gets it. Its own requests are its host's again.
    fn elect(&mut self) {
        let Some(id) = self.pick(|_| true) else { return };
        self.next_owner += 1;
        let tab = self.tabs.get_mut(&id).unwrap();
        tab.open.clear();
        let mut owner = Owner::new(self.next_owner);
        let actions = owner.serve();
        tab.owner = Some(owner);
        self.perform(id, actions);
    }

    /// A tab dies; what it has sent and not delivered goes with it, but for a part.
    fn kill(&mut self, id: u64) {
        self.tabs.remove(&id);
        self.late.retain(|(owner, ..)| *owner != id);
        for tab in self.tabs.values_mut() {
            tab.outgoing.remove(&id);
        }
        if let Some(owner) = self.owner_tab() {
            let actions = self.tabs.get_mut(&owner).unwrap().owner.as_mut().unwrap().gone(id);
            self.perform(owner, actions);
        }
    }

    fn pick(&mut self, wanted: impl Fn(&Tab) -> bool) -> Option<u64> {
        let ids: Vec<u64> =
            self.tabs.iter().filter(|(_, tab)| wanted(tab)).map(|(id, _)| *id).collect();
        (!ids.is_empty()).then(|| ids[self.rng.below(ids.len())])
    }

    fn request(&mut self) {
        let Some(id) = self.pick(|tab| tab.owner.is_none()) else { return };
        let repeatable = self.rng.below(2) == 0;
        let tab = self.tabs.get_mut(&id).unwrap();
        let seq = tab.next_seq;
        tab.next_seq += 1;
        tab.open.insert(seq, repeatable);
        let frame = [id, seq, u64::from(repeatable)].iter().flat_map(|n| n.to_le_bytes()).collect();
        let actions = tab.guest.request(seq, frame, repeatable);
        self.perform(id, actions);
    }

    /// Delivers one message of some tab to some other, in the order of that pair.
    fn deliver(&mut self) {
        let Some(from) = self.pick(|tab| tab.outgoing.values().any(|queue| !queue.is_empty()))
        else {
            return;
        };
        let queues = &mut self.tabs.get_mut(&from).unwrap().outgoing;
        let full: Vec<u64> =
            queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(to, _)| *to).collect();
        let to = full[self.rng.below(full.len())];
        let bytes = queues.get_mut(&to).unwrap().pop_front().unwrap();
        let message = Message::decode(&bytes).expect("what a tab sends decodes");
        let now = self.now;
        let tab = self.tabs.get_mut(&to).unwrap();
        let actions = match &mut tab.owner {
            Some(owner) => owner.receive(message),
            None => tab.guest.receive(message, now),
        };
        self.perform(to, actions);
    }

    fn wake(&mut self) {
        self.now += 100;
        let due: Vec<u64> = self.tabs.keys().copied().collect();
        for id in due {
            let tab = self.tabs.get_mut(&id).unwrap();
            let actions = if tab.owner.is_none() { tab.guest.wake(self.now) } else { Vec::new() };
            self.perform(id, actions);
        }
    }

    fn answer_late(&mut self) {
        if self.late.is_empty() {
            return;
        }
        // Replies of one tab leave in order; those of several in any.
        let (at, tab, seq) = self.late.remove(0);
        let reply = [tab, seq].iter().flat_map(|n| n.to_le_bytes()).collect();
        let owner = self.tabs.get_mut(&at).unwrap().owner.as_mut().unwrap();
        let mut actions = owner.answer(tab, seq, reply);
        actions.extend(owner.push(tab, tab.to_le_bytes().to_vec()));
        self.perform(at, actions);
    }

    fn perform(&mut self, id: u64, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(message) => {
                    for queue in self.tabs.get_mut(&id).unwrap().outgoing.values_mut() {
                        queue.push_back(message.encode());
                    }
                }
                Action::Request(tab, seq, frame) => self.execute(id, tab, seq, &frame),
                Action::Reply(seq, reply) => {
                    let expected: Vec<u8> =
                        [id, seq].iter().flat_map(|n| n.to_le_bytes()).collect();
                    assert_eq!(reply, expected, "tab {id} got a reply that is not its own");
                    let open = self.tabs.get_mut(&id).unwrap().open.remove(&seq);
                    assert!(open.is_some(), "tab {id}: request {seq} was answered twice");
                }
                Action::Lost(seq) => {
                    let open = self.tabs.get_mut(&id).unwrap().open.remove(&seq);
                    assert_eq!(open, Some(false), "tab {id}: request {seq} was not to be lost");
                }
                Action::Push(messages) => {
                    assert_eq!(messages, id.to_le_bytes(), "tab {id} got another's messages");
                }
                Action::Connect(_) | Action::Disconnect(_) | Action::Welcomed => {}
            }
        }
    }

    fn execute(&mut self, at: u64, tab: u64, seq: u64, frame: &[u8]) {
        let sent: Vec<u64> =
            frame.chunks(8).map(|n| u64::from_le_bytes(n.try_into().unwrap())).collect();
        assert_eq!(sent[..2], [tab, seq], "a request arrived as another's");
        let last = self.executed.insert((self.next_owner, tab), seq).unwrap_or(0);
        assert!(last < seq, "tab {tab}: request {seq} ran after {last}");
        if sent[2] == 0 {
            assert!(self.ran_once.insert((tab, seq)), "tab {tab}: request {seq} ran twice");
        }
        self.late.push((at, tab, seq));
    }

    fn step(&mut self) {
        match self.rng.below(40) {
            0 => self.open_tab(),
            1 => {
                if let Some(id) = self.pick(|tab| tab.owner.is_none()) {
                    self.kill(id);
                }
            }
            2 => {
                if let Some(id) = self.owner_tab() {
                    self.kill(id);
                }
            }
            3..=5 if self.owner_tab().is_none() => self.elect(),
            6 | 7 => self.wake(),
            8..=14 => self.request(),
            15..=20 => self.answer_late(),
            _ => self.deliver(),
        }
    }

    /// No more deaths: everything that is open must come to an end.
    fn settle(&mut self) {
        if self.owner_tab().is_none() {
            self.elect();
        }
        for _ in 0..SETTLE_STEPS {
            self.wake();
            for _ in 0..60 {
                self.deliver();
                self.answer_late();
            }
            if self.tabs.values().all(|tab| tab.open.is_empty()) {
                return;
            }
        }
        for (id, tab) in &self.tabs {
            assert!(tab.open.is_empty(), "tab {id}: requests hang: {:?}", tab.open);
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
}

#[test]
fn every_request_ends_and_none_runs_twice() {
    let seeds = match std::env::var("LODIS_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("LODIS_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..RUNS,
    };
    for seed in seeds {
        let replay = format!("LODIS_SEED={seed} cargo test --test forward_simulation");
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("seed {seed} failed; replay it with: {replay}");
            std::panic::resume_unwind(panic);
        }
    }
}
