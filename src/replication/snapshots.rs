//! Gives all that there is to tabs that cannot load it from the store.
//!
//! The driver makes one snapshot at a time, for all who have asked by then; those who ask later wait for
//! the next. Its pieces go to all at once, and no faster than the slowest takes them; who takes none is
//! left out. What follows the snapshot is kept until they come for it.

use super::message::{Kind, Message};
use super::peer::{Action, Peer, Role};
use crate::collections::Sorted;

/// A tab that is sent a snapshot, or is loading what it was sent.
struct Receiver {
    tab: u64,
    /// Which of its greetings it has asked after.
    greeting: u64,
    snapshot: u64,
    /// The offset of the snapshot.
    offset: u64,
    /// How many pieces it was sent, and has taken.
    sent: u64,
    taken: u64,
    /// When it was last heard of, or sent something that it has not taken.
    since: i64,
}

/// The snapshot that the driver is making.
struct Current {
    number: u64,
    pieces: u64,
}

#[derive(Default)]
pub(super) struct Snapshots {
    /// Tabs that wait for the next one, and their greetings.
    waiting: Sorted<u64, u64>,
    receivers: Vec<Receiver>,
    /// The driver was asked for one, which has not begun.
    is_asked: bool,
    current: Option<Current>,
    /// The number of the newest one.
    number: u64,
}

impl Snapshots {
    /// When the first of those who are silent is to be left out.
    pub(super) fn wake_at(&self, silence_ms: i64) -> Option<i64> {
        let silent = self.receivers.iter().filter(|receiver| receiver.taken < receiver.sent);
        silent.map(|receiver| receiver.since.saturating_add(silence_ms)).min()
    }
}

impl Peer {
    /// The snapshot that [`Action::Snapshot`] asked for has begun: of everything up to `offset`, which is
    /// where a stretch of the stream ends. All of those have been [`Peer::written`] or [`Peer::applied`].
    pub fn snapshot_began(&mut self, offset: u64, now_ms: i64) {
        if !std::mem::take(&mut self.snapshots.is_asked) {
            return;
        }
        if self.lineage.is_none() || self.backlog.since(offset).is_none() {
            self.actions.push_back(Action::EndSnapshot);
            return self.snapshot_failed();
        }
        self.snapshots.number += 1;
        let number = self.snapshots.number;
        self.snapshots.current = Some(Current { number, pieces: 0 });
        let payload = self.backlog.stored().min(offset).to_le_bytes().to_vec();
        for (&tab, &greeting) in std::mem::take(&mut self.snapshots.waiting).iter() {
            let message = Message { to: tab, greeting, ..self.message(Kind::Snapshot) };
            let message = Message { seq: number, offset, payload: payload.clone(), ..message };
            self.actions.push_back(Action::Send(message));
            self.snapshots.receivers.push(Receiver {
                tab,
                greeting,
                snapshot: number,
                offset,
                sent: 0,
                taken: 0,
                since: now_ms,
            });
        }
        self.tidy_snapshots();
    }

    /// Whether the snapshot that has begun should go on: there is somebody for the next piece.
    pub fn wants_piece(&self) -> bool {
        let Some(current) = &self.snapshots.current else { return false };
        let mut receivers = self.snapshots.receivers.iter();
        receivers.all(|receiver| {
            receiver.snapshot != current.number
                || receiver.sent.saturating_sub(receiver.taken) < self.limits.window
        })
    }

    /// The next piece of the snapshot, to be made while [`Peer::wants_piece`].
    pub fn snapshot_piece(&mut self, piece: Vec<u8>, is_last: bool, now_ms: i64) {
        let Some(current) = &mut self.snapshots.current else { return };
        current.pieces += 1;
        let (greeting, seq) = (current.number, current.pieces);
        for receiver in &mut self.snapshots.receivers {
            if receiver.snapshot == greeting {
                if receiver.sent == receiver.taken {
                    receiver.since = now_ms;
                }
                receiver.sent = seq;
            }
        }
        let message = Message { greeting, seq, ..self.message(Kind::Piece) };
        let message = Message { offset: u64::from(is_last), payload: piece, ..message };
        self.actions.push_back(Action::Send(message));
        if is_last {
            self.snapshots.current = None;
            self.ask_for_snapshot();
        }
    }

    /// There will be no snapshot, or no more of it. Those who wait for it ask again later.
    pub fn snapshot_failed(&mut self) {
        let snapshots = &mut self.snapshots;
        snapshots.is_asked = false;
        match snapshots.current.take() {
            Some(current) => {
                snapshots.receivers.retain(|receiver| receiver.snapshot != current.number);
            }
            None => snapshots.waiting = Sorted::new(),
        }
        self.tidy_snapshots();
    }

    /// A tab asks for everything, or has taken another piece of it.
    pub(super) fn sync_came(&mut self, message: &Message, now_ms: i64) {
        let Message { from: tab, greeting, seq, .. } = *message;
        if seq == 0 {
            self.snapshots.receivers.retain(|receiver| receiver.tab != tab);
            self.snapshots.waiting.insert(tab, greeting);
            return self.tidy_snapshots();
        }
        let receivers = self.snapshots.receivers.iter_mut();
        for receiver in receivers.filter(|one| one.tab == tab && one.greeting == greeting) {
            receiver.taken = receiver.taken.max(seq.min(receiver.sent));
            receiver.since = now_ms;
        }
    }

    /// A tab takes no more of what it has asked for.
    pub(super) fn forget_receiver(&mut self, tab: u64) {
        self.snapshots.waiting.remove(&tab);
        self.snapshots.receivers.retain(|receiver| receiver.tab != tab);
        self.tidy_snapshots();
    }

    /// Gives nothing to anybody any more.
    pub(super) fn end_snapshots(&mut self) {
        self.snapshots.waiting = Sorted::new();
        self.snapshots.receivers.clear();
        self.tidy_snapshots();
    }

    /// What all wait for, or are loading, is of no use: there has to be another one.
    pub(super) fn restart_snapshots(&mut self) {
        for receiver in std::mem::take(&mut self.snapshots.receivers) {
            self.snapshots.waiting.insert(receiver.tab, receiver.greeting);
        }
        if self.snapshots.is_asked || self.snapshots.current.is_some() {
            self.end_snapshot();
        }
        self.tidy_snapshots();
    }

    /// The backlog has become shorter: who has been given what was before that needs another snapshot.
    pub(super) fn outrun_receivers(&mut self) {
        let start = self.backlog.start();
        let is_outrun = |receiver: &mut Receiver| receiver.offset < start;
        let snapshots = &mut self.snapshots;
        if !snapshots.receivers.iter().any(|receiver| receiver.offset < start) {
            return;
        }
        for receiver in snapshots.receivers.extract_if(.., is_outrun) {
            snapshots.waiting.insert(receiver.tab, receiver.greeting);
        }
        self.tidy_snapshots();
    }

    /// Leaves those out who have been silent for too long.
    pub(super) fn wake_snapshots(&mut self, now_ms: i64) {
        let silence = self.settings.silence_ms;
        let Some(due) = self.snapshots.wake_at(silence) else { return };
        let late = now_ms.saturating_sub(due);
        let receivers = &mut self.snapshots.receivers;
        if late > silence / 4 {
            // It was this tab that slept.
            receivers.iter_mut().for_each(|receiver| receiver.since = now_ms);
        } else if late >= 0 {
            receivers.retain(|receiver| {
                let at = receiver.since.saturating_add(silence);
                receiver.taken == receiver.sent || at > now_ms
            });
            self.tidy_snapshots();
        }
    }

    /// Ends a snapshot that nobody wants, asks for one if somebody does, and keeps what of the stream
    /// will be asked for.
    fn tidy_snapshots(&mut self) {
        let Snapshots { waiting, receivers, is_asked, current, .. } = &self.snapshots;
        let is_idle = match current {
            Some(current) => !receivers.iter().any(|one| one.snapshot == current.number),
            None => *is_asked && waiting.is_empty(),
        };
        let pin = receivers.iter().map(|receiver| receiver.offset).min();
        if is_idle {
            self.end_snapshot();
        }
        self.backlog.set_pin(pin);
        self.ask_for_snapshot();
    }

    fn end_snapshot(&mut self) {
        (self.snapshots.is_asked, self.snapshots.current) = (false, None);
        self.actions.push_back(Action::EndSnapshot);
    }

    fn ask_for_snapshot(&mut self) {
        let snapshots = &mut self.snapshots;
        let is_busy = snapshots.is_asked || snapshots.current.is_some();
        if !is_busy && !snapshots.waiting.is_empty() && !matches!(self.role, Role::Out) {
            snapshots.is_asked = true;
            self.actions.push_back(Action::Snapshot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::leader::Inheritance;
    use super::super::message::{Greeting, Welcome};
    use super::super::peer::{Claimed, Limits, Recording, Settings};
    use super::*;
    use crate::persist::lineage::{Lineage, Position};

    const SILENCE: i64 = 1000;

    fn actions(peer: &mut Peer) -> Vec<Action> {
        std::iter::from_fn(|| peer.next_action()).collect()
    }

    fn sent(peer: &mut Peer) -> Vec<Message> {
        let sent = actions(peer).into_iter().filter_map(|action| match action {
            Action::Send(message) => Some(message),
            _ => None,
        });
        sent.collect()
    }

    fn peer(tab: u64) -> Peer {
        let settings = Settings { tab, replica: true, leads: tab == 1, silence_ms: SILENCE };
        let limits = Limits { keep_len: 0, pinned_len: 20, window: 2, ..Limits::default() };
        let mut peer = Peer::with_limits(settings, limits);
        peer.start(0);
        peer
    }

    /// Tab 1, which leads, with nothing in its store but ten bytes of stream.
    fn leader() -> Peer {
        let mut peer = peer(1);
        peer.set_recording(Recording::Owned);
        peer.lock_granted();
        peer.claimed(Claimed { epoch: 1, lineage: Lineage::default(), start: 0, end: 0 });
        peer.loaded(Lineage::default(), 0, 0);
        peer.tabs_alive(&[1], 0);
        peer.led(&Inheritance::default(), 0);
        assert!(peer.is_leader());
        peer.written(vec![0; 10], 10);
        actions(&mut peer);
        peer
    }

    /// A tab greets, and asks for everything.
    fn ask(leader: &mut Peer, tab: u64, greeting: u64) {
        let position = None;
        let payload = Greeting { replica: true, position, loads: true, returns: false }.encode();
        let hello = Message { greeting, payload, ..Message::new(Kind::Hello, tab, 0) };
        leader.receive(hello, 0);
        take(leader, tab, greeting, 0, 0);
    }

    fn take(leader: &mut Peer, tab: u64, greeting: u64, seq: u64, now_ms: i64) {
        leader.receive(Message { greeting, seq, ..Message::new(Kind::Sync, tab, 1) }, now_ms);
    }

    fn count(actions: &[Action], wanted: &Action) -> usize {
        actions.iter().filter(|action| *action == wanted).count()
    }

    #[test]
    fn those_who_wait_share_a_snapshot_and_the_slowest_sets_the_pace() {
        let mut leader = leader();
        ask(&mut leader, 2, 7);
        ask(&mut leader, 3, 8);
        let all = actions(&mut leader);
        assert_eq!(count(&all, &Action::Snapshot), 1);
        let welcomes = all.iter().filter_map(|action| match action {
            Action::Send(message) => Welcome::decode(&message.payload),
            _ => None,
        });
        assert!(welcomes.into_iter().all(|welcome| !welcome.goes_on && !welcome.from_store));
        assert!(!leader.wants_piece());
        leader.snapshot_began(10, 0);
        let began = sent(&mut leader);
        let told: Vec<_> = began.iter().map(|m| (m.kind, m.to, m.greeting, m.offset)).collect();
        assert_eq!(told, [(Kind::Snapshot, 2, 7, 10), (Kind::Snapshot, 3, 8, 10)]);
        for number in 1..=2 {
            assert!(leader.wants_piece());
            leader.snapshot_piece(vec![number], false, 0);
        }
        let pieces = sent(&mut leader);
        assert_eq!(pieces.len(), 2, "each of them once, for all");
        assert!(pieces.iter().all(|piece| piece.to == 0));
        take(&mut leader, 2, 7, 1, 0);
        assert!(!leader.wants_piece(), "the other one has not");
        take(&mut leader, 3, 7, 1, 0);
        assert!(!leader.wants_piece(), "that was of an older greeting");
        take(&mut leader, 3, 8, 1, 0);
        assert!(leader.wants_piece());
        ask(&mut leader, 4, 1);
        assert_eq!(count(&actions(&mut leader), &Action::Snapshot), 0, "it waits for the next");
        leader.snapshot_piece(vec![3], true, 0);
        let all = actions(&mut leader);
        assert_eq!(count(&all, &Action::Snapshot), 1);
        assert!(!leader.wants_piece());
    }

    #[test]
    fn who_is_silent_or_leaves_is_left_out() {
        let mut leader = leader();
        ask(&mut leader, 2, 1);
        ask(&mut leader, 3, 1);
        leader.snapshot_began(10, 0);
        assert_eq!(leader.wake_at(), None, "nobody has anything to say");
        leader.snapshot_piece(vec![1], false, 0);
        leader.snapshot_piece(vec![2], false, 0);
        take(&mut leader, 2, 1, 2, SILENCE / 2);
        assert_eq!(leader.wake_at(), Some(SILENCE));
        leader.wake(2 * SILENCE);
        assert!(!leader.wants_piece(), "it was the leader who slept");
        leader.wake(3 * SILENCE);
        assert!(leader.wants_piece());
        actions(&mut leader);
        leader.gone(2);
        let all = actions(&mut leader);
        assert_eq!((count(&all, &Action::EndSnapshot), count(&all, &Action::Snapshot)), (1, 0));
        assert!(!leader.wants_piece());
        leader.snapshot_piece(vec![3], true, 0);
        assert_eq!(actions(&mut leader), [], "it came too late");
    }

    #[test]
    fn what_follows_is_kept_for_a_while_for_who_loads() {
        let mut leader = leader();
        ask(&mut leader, 2, 1);
        leader.snapshot_began(10, 0);
        leader.snapshot_piece(vec![1], true, 0);
        leader.written(vec![0; 20], 10);
        leader.written(Vec::new(), 30);
        assert!(leader.backlog.since(10).is_some());
        actions(&mut leader);
        leader.written(vec![0; 1], 30);
        leader.written(Vec::new(), 31);
        assert!(leader.backlog.since(10).is_none());
        assert_eq!(count(&actions(&mut leader), &Action::Snapshot), 1, "it needs another one");
        leader.snapshot_began(31, 0);
        let again = sent(&mut leader);
        assert_eq!((again[0].kind, again[0].seq, again[0].offset), (Kind::Snapshot, 2, 31));
    }

    #[test]
    fn what_was_replaced_is_nobodys() {
        let mut leader = leader();
        leader.set_recording(Recording::Shared);
        let greet = |leader: &mut Peer, tab, offset| {
            let position = leader.position().map(|position| Position { offset, ..position });
            let payload =
                Greeting { replica: true, position, loads: true, returns: false }.encode();
            let hello = Message { greeting: 1, payload, ..Message::new(Kind::Hello, tab, 0) };
            leader.receive(hello, 0);
            let answers = sent(leader);
            let welcome = Welcome::decode(&answers[0].payload).unwrap();
            (welcome.goes_on, welcome.from_store)
        };
        assert_eq!(greet(&mut leader, 2, 10), (true, true));
        ask(&mut leader, 3, 1);
        leader.snapshot_began(10, 0);
        actions(&mut leader);
        leader.replaced(15);
        let all = actions(&mut leader);
        let Action::Send(effects) = &all[0] else { panic!("{all:?}") };
        assert_eq!((effects.kind, effects.offset, effects.payload.len()), (Kind::Effects, 15, 0));
        assert_eq!(all[1..], [Action::EndSnapshot, Action::Snapshot]);
        assert_eq!(greet(&mut leader, 2, 10), (false, false), "the store is as it was");
        assert_eq!(greet(&mut leader, 2, 15), (true, false));
        leader.written(vec![0; 5], 15);
        actions(&mut leader);
        assert_eq!(greet(&mut leader, 2, 10), (false, true), "it has a base");
    }

    #[test]
    fn a_snapshot_that_fails_is_asked_for_again_by_those_who_want_it() {
        let mut leader = leader();
        ask(&mut leader, 2, 1);
        actions(&mut leader);
        leader.snapshot_failed();
        assert_eq!(actions(&mut leader), []);
        ask(&mut leader, 2, 2);
        assert_eq!(count(&actions(&mut leader), &Action::Snapshot), 1);
        leader.snapshot_began(9, 0);
        let all = actions(&mut leader);
        assert_eq!(all, [Action::EndSnapshot], "no stretch begins there");
    }

    #[test]
    fn who_asked_loads_piece_by_piece_and_greets_again() {
        let (mut leader, mut follower) = (leader(), peer(2));
        let carry = |from: &mut Peer, to: &mut Peer| {
            let mut others = Vec::new();
            for action in actions(from) {
                match action {
                    Action::Send(message) => to.receive(message, 0),
                    other => others.push(other),
                }
            }
            others
        };
        carry(&mut follower, &mut leader);
        carry(&mut leader, &mut follower);
        carry(&mut follower, &mut leader);
        assert_eq!(carry(&mut leader, &mut follower), [Action::Snapshot]);
        leader.snapshot_began(10, 0);
        leader.snapshot_piece(vec![1], false, 0);
        leader.snapshot_piece(vec![2], true, 0);
        carry(&mut leader, &mut follower);
        let pieces = actions(&mut follower);
        let [
            Action::LoadPiece { is_first: true, is_last: false, .. },
            Action::LoadPiece { is_first: false, is_last: true, lineage, offset: 10, .. },
        ] = &pieces[..]
        else {
            panic!("{pieces:?}")
        };
        follower.piece_taken(0);
        follower.loaded(*lineage, 9, 0);
        assert!(follower.position().is_none(), "that was another load");
        follower.loaded(*lineage, 10, 0);
        assert!(follower.position() == leader.position() && !follower.has_copy());
        carry(&mut follower, &mut leader);
        carry(&mut leader, &mut follower);
        assert!(follower.has_copy());
        leader.written(vec![0; 5], 10);
        let applied = carry(&mut leader, &mut follower);
        assert_eq!(applied, []);
        assert_eq!(actions(&mut follower), [Action::Welcomed, Action::Apply(10, vec![0; 5])]);
    }

    #[test]
    fn who_is_sent_nothing_any_more_greets_again() {
        let mut follower = peer(2);
        let lineage = Lineage::default().succeeded(1, 0);
        let welcome = Welcome { lineage, goes_on: false, from_store: false, forgotten: false };
        let greeting = sent(&mut follower)[0].greeting;
        let message = Message { greeting, ..Message::new(Kind::Welcome, 1, 1) };
        follower.receive(Message { payload: welcome.encode(), ..message }, 0);
        let payload = 0_u64.to_le_bytes().to_vec();
        let began = Message { greeting, seq: 5, payload, ..Message::new(Kind::Snapshot, 1, 1) };
        follower.receive(began, 0);
        let piece = Message { greeting: 5, seq: 1, ..Message::new(Kind::Piece, 1, 1) };
        follower.receive(piece, 0);
        assert_eq!(follower.wake_at(), None, "it is this tab's turn");
        follower.piece_taken(0);
        actions(&mut follower);
        assert_eq!(follower.wake_at(), Some(2 * SILENCE));
        follower.wake(2 * SILENCE);
        let all = actions(&mut follower);
        assert_eq!(all[0], Action::EndLoad);
        assert!(matches!(&all[1], Action::Send(Message { kind: Kind::Hello, .. })), "{all:?}");
    }
}
