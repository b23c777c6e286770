//! Forwarding: guests send their commands to the owner of the name.
//!
//! The channel delivers the messages of one sender in order; those of two senders, also of an owner
//! that has gone and of its successor, in any. A request is executed at most once by one owner. When
//! the owner changes, a request that may be repeated is sent to the new one; of any other that was
//! sent, nobody knows whether it ran: it is lost.
//!
//! A guest numbers its greetings, and greets anew whenever it hears of another owner. Only one tab
//! can own the name, so whoever answers the newest greeting has outlived everyone heard of before;
//! a late answer to an older greeting may come from a tab that has gone, and counts for nothing.

use super::forward_message::{Kind, Message};
use crate::collections::Sorted;

/// How long a guest waits for a welcome before it says hello again, in milliseconds.
const HELLO_MS: i64 = 250;
/// The reply to what was cancelled before it was sent.
const UNBLOCKED: &[u8] = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";

/// What the driver is to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send to all other tabs.
    Send(Message),
    /// A guest: an owner serves this tab from now on, in a new session.
    Welcomed,
    /// A guest: the reply to a request.
    Reply(u64, Vec<u8>),
    /// A guest: messages of its session.
    Push(Vec<u8>),
    /// A guest: whether this request ran is unknown.
    Lost(u64),
    /// An owner: this tab wants a session; tell when the tab is gone.
    Connect(u64),
    /// An owner: run a request of this tab.
    Request(u64, u64, Vec<u8>),
    /// An owner: run a request of this tab that may block, in a session of its own.
    Block(u64, u64, Vec<u8>),
    /// An owner: end the blocking of a request of this tab, if it still blocks.
    Cancel(u64, u64),
    /// An owner: this tab is gone.
    Disconnect(u64),
}

fn message(kind: Kind, owner: u64, tab: u64, seq: u64, payload: Vec<u8>) -> Action {
    Action::Send(Message { kind, owner, tab, seq, payload })
}

struct Pending {
    kind: Kind,
    frame: Vec<u8>,
    repeatable: bool,
    sent: bool,
}

/// The side of a tab that does not own the name.
pub struct Guest {
    tab: u64,
    owner: Option<u64>,
    /// The number of the newest greeting.
    greeting: u64,
    /// When to greet again. While this is set, new requests wait.
    hello_at: Option<i64>,
    pending: Sorted<u64, Pending>,
}

impl Guest {
    /// A guest with a random number of its own.
    pub fn new(tab: u64) -> Self {
        Self { tab, owner: None, greeting: 0, hello_at: None, pending: Sorted::new() }
    }

    /// Looks for an owner.
    pub fn start(&mut self, now_ms: i64) -> Vec<Action> {
        self.hello_at = Some(now_ms + HELLO_MS);
        vec![message(Kind::Hello, 0, self.tab, self.greeting, Vec::new())]
    }

    /// When to call [`Guest::wake`].
    pub fn wake_at(&self) -> Option<i64> {
        self.hello_at
    }

    /// The time of [`Guest::wake_at`] has come.
    pub fn wake(&mut self, now_ms: i64) -> Vec<Action> {
        match self.hello_at {
            Some(at) if at <= now_ms => self.start(now_ms),
            _ => Vec::new(),
        }
    }

    /// Has commands run by the owner; waits for one if there is none. `seq` rises from request to
    /// request; `repeatable` says that running them twice does no harm.
    pub fn request(&mut self, seq: u64, frame: Vec<u8>, repeatable: bool) -> Vec<Action> {
        self.ask(seq, Pending { kind: Kind::Request, frame, repeatable, sent: false })
    }

    /// As [`Guest::request`], for commands that may block, in a session of their own. They are not
    /// repeated.
    pub fn block(&mut self, seq: u64, frame: Vec<u8>) -> Vec<Action> {
        self.ask(seq, Pending { kind: Kind::Block, frame, repeatable: false, sent: false })
    }

    /// Ends the blocking of a request: it will be replied to soon, whatever it comes to.
    pub fn cancel(&mut self, seq: u64) -> Vec<Action> {
        let Some(pending) = self.pending.get(&seq) else { return Vec::new() };
        if !pending.sent {
            self.pending.remove(&seq);
            return vec![Action::Reply(seq, UNBLOCKED.to_vec())];
        }
        // An owner that has gone cannot be told; the request is lost, and that is said then.
        let owner = self.owner.filter(|_| self.hello_at.is_none());
        owner.map(|o| message(Kind::Cancel, o, self.tab, seq, Vec::new())).into_iter().collect()
    }

    fn ask(&mut self, seq: u64, pending: Pending) -> Vec<Action> {
        let owner = self.owner.filter(|_| self.hello_at.is_none());
        let send = owner.map(|o| message(pending.kind, o, self.tab, seq, pending.frame.clone()));
        self.pending.insert(seq, Pending { sent: send.is_some(), ..pending });
        send.into_iter().collect()
    }

    /// A message arrived.
    pub fn receive(&mut self, received: Message, now_ms: i64) -> Vec<Action> {
        let mine = received.tab == self.tab;
        match received.kind {
            Kind::Serving if self.owner != Some(received.owner) => self.greet_anew(now_ms),
            // Its goodbye: no reply can come any more.
            Kind::Bye if self.owner.is_some_and(|owner| owner == received.owner) => {
                self.greet_anew(now_ms)
            }
            Kind::Welcome if mine && self.hello_at.is_some() && received.seq == self.greeting => {
                self.welcome(received.owner)
            }
            Kind::Reply if mine && self.owner == Some(received.owner) => {
                let known = self.pending.remove(&received.seq).is_some();
                let reply = Action::Reply(received.seq, received.payload);
                if known { vec![reply] } else { Vec::new() }
            }
            Kind::Push if mine && self.owner == Some(received.owner) => {
                vec![Action::Push(received.payload)]
            }
            _ => Vec::new(),
        }
    }

    /// Leaves.
    pub fn stop(&mut self) -> Vec<Action> {
        self.hello_at = None;
        vec![message(Kind::Bye, 0, self.tab, 0, Vec::new())]
    }

    fn greet_anew(&mut self, now_ms: i64) -> Vec<Action> {
        self.greeting += 1;
        self.start(now_ms)
    }

    fn welcome(&mut self, owner: u64) -> Vec<Action> {
        let same = self.owner.replace(owner) == Some(owner);
        self.hello_at = None;
        let mut actions = Vec::new();
        for (seq, pending) in std::mem::take(&mut self.pending) {
            if same && pending.sent {
                self.pending.insert(seq, pending);
            } else if pending.sent && !pending.repeatable {
                actions.push(Action::Lost(seq));
            } else {
                actions.extend(self.ask(seq, pending));
            }
        }
        actions.extend((!same).then_some(Action::Welcomed));
        actions
    }
}

/// The side of the tab that owns the name.
pub struct Owner {
    id: u64,
    serving: bool,
    /// The last request of each guest.
    tabs: Sorted<u64, u64>,
}

impl Owner {
    /// An owner with a random number for this ownership; it does not serve yet.
    pub fn new(id: u64) -> Self {
        Self { id, serving: false, tabs: Sorted::new() }
    }

    /// The store is open: guests may come.
    pub fn serve(&mut self) -> Vec<Action> {
        self.serving = true;
        vec![message(Kind::Serving, self.id, 0, 0, Vec::new())]
    }

    /// A message arrived.
    pub fn receive(&mut self, received: Message) -> Vec<Action> {
        let Message { kind, owner, tab, seq, payload } = received;
        match kind {
            Kind::Hello if self.serving => self.hello(tab, seq),
            Kind::Request | Kind::Block if owner == self.id => {
                let Some(last) = self.tabs.get_mut(&tab).filter(|last| **last < seq) else {
                    return Vec::new();
                };
                *last = seq;
                let action = if kind == Kind::Block { Action::Block } else { Action::Request };
                vec![action(tab, seq, payload)]
            }
            Kind::Cancel if owner == self.id && self.tabs.contains_key(&tab) => {
                vec![Action::Cancel(tab, seq)]
            }
            Kind::Bye => self.gone(tab),
            _ => Vec::new(),
        }
    }

    /// The reply to a request of a guest.
    pub fn answer(&self, tab: u64, seq: u64, reply: Vec<u8>) -> Vec<Action> {
        self.send(Kind::Reply, tab, seq, reply)
    }

    /// Messages of a guest's session.
    pub fn push(&self, tab: u64, messages: Vec<u8>) -> Vec<Action> {
        self.send(Kind::Push, tab, 0, messages)
    }

    /// A guest is gone.
    pub fn gone(&mut self, tab: u64) -> Vec<Action> {
        self.tabs.remove(&tab).map(|_| Action::Disconnect(tab)).into_iter().collect()
    }

    /// Leaves: guests need not wait for replies.
    pub fn stop(&mut self) -> Vec<Action> {
        self.serving = false;
        vec![message(Kind::Bye, self.id, 0, 0, Vec::new())]
    }

    fn hello(&mut self, tab: u64, greeting: u64) -> Vec<Action> {
        let welcome = message(Kind::Welcome, self.id, tab, greeting, Vec::new());
        if self.tabs.contains_key(&tab) {
            return vec![welcome];
        }
        self.tabs.insert(tab, 0);
        vec![Action::Connect(tab), welcome]
    }

    fn send(&self, kind: Kind, tab: u64, seq: u64, payload: Vec<u8>) -> Vec<Action> {
        let known = self.tabs.contains_key(&tab);
        known.then(|| message(kind, self.id, tab, seq, payload)).into_iter().collect()
    }
}
