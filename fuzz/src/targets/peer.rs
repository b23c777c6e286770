//! A tab that keeps to the protocol, among tabs that say anything.

use super::Target;
use crate::generator::Dice;
use crate::mutate;
use lodis::persist::lineage::{Lineage, Position};
use lodis::replication::leader::Inheritance;
use lodis::replication::message::{Greeting, Kind, Message, Welcome};
use lodis::replication::peer::{Action, Claimed, Limits, Peer, Recording, Run, Settings};
use std::collections::VecDeque;

pub const TARGET: Target = Target { name: "peer", run, mutate, seeds };

/// More than that, one thing that happens does not lead to.
const ACTIONS_MAX: usize = 10_000;

fn seeds() -> Vec<Vec<u8>> {
    let mut dice = Dice::new(3);
    (0..60).map(|len| (0..len * 8).map(|_| dice.next() as u8).collect()).collect()
}

fn mutate(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    mutate::bytes(dice, corpus, input, &[&[0; 4], &[1; 4], &[255; 4]]);
    input.truncate(2000);
}

/// What an input says, number by number; zeros at its end.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Mostly a small one.
    fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => u64::MAX - 1,
            253 => 1 << 40,
            small => u64::from(small),
        }
    }

    fn lineage(&mut self) -> Lineage {
        let reigns = (0..self.byte() % 4).map(|_| (self.number(), self.number()));
        let reigns: Vec<_> = reigns.collect();
        let add = |known: Lineage, (epoch, begin)| known.succeeded(epoch, begin);
        reigns.into_iter().fold(Lineage::default(), add)
    }

    fn payload(&mut self) -> Vec<u8> {
        let is = |byte: u8, bit: u8| byte & bit != 0;
        let flags = self.byte();
        match flags % 5 {
            0 => Vec::new(),
            1 => {
                let position = Position { lineage: self.lineage(), offset: self.number() };
                position.encode()
            }
            2 => {
                let has = is(flags, 16);
                let position =
                    has.then(|| Position { lineage: self.lineage(), offset: self.number() });
                let (replica, loads, returns) = (is(flags, 32), is(flags, 64), is(flags, 128));
                Greeting { replica, position, loads, returns }.encode()
            }
            3 => {
                let lineage = self.lineage();
                let (goes_on, from_store) = (is(flags, 16), is(flags, 32));
                Welcome { lineage, goes_on, from_store, forgotten: is(flags, 64) }.encode()
            }
            _ => (0..self.byte() % 64).map(|_| self.byte()).collect(),
        }
    }

    fn message(&mut self) -> Message {
        let kind = Kind::ALL[usize::from(self.byte()) % Kind::ALL.len()];
        Message {
            kind,
            from: 2 + u64::from(self.byte() % 3),
            to: u64::from(self.byte() % 2),
            epoch: self.number(),
            seq: self.number(),
            offset: self.number(),
            greeting: self.number(),
            payload: self.payload(),
        }
    }
}

struct Tab<'a> {
    peer: Peer,
    words: Words<'a>,
    now_ms: i64,
    /// What it is to do.
    work: VecDeque<Action>,
    seq: u64,
    end: u64,
}

fn run(input: &[u8]) {
    let mut words = Words(input);
    let flags = words.byte();
    let settings =
        Settings { tab: 1, replica: flags & 1 != 0, leads: flags & 2 != 0, silence_ms: 100 };
    let limits = Limits { keep_len: 100, pinned_len: 300, window: 2, away_ms: 1000 };
    let peer = Peer::with_limits(settings, limits);
    let mut tab = Tab { peer, words, now_ms: 0, work: VecDeque::new(), seq: 0, end: 0 };
    tab.peer.start(0);
    while !tab.words.0.is_empty() {
        tab.happen();
        tab.take_actions();
    }
}

impl Tab<'_> {
    fn happen(&mut self) {
        let now = self.now_ms;
        match self.words.byte() % 16 {
            0..6 => {
                let message = self.words.message();
                self.peer.receive(message, now);
            }
            6..10 => self.do_work(),
            10 => {
                self.now_ms += i64::from(self.words.byte()) * 4;
                if self.peer.wake_at().is_some_and(|at| at <= self.now_ms) {
                    self.peer.wake(self.now_ms);
                }
            }
            11 => {
                self.seq += 1;
                let blocks = self.words.byte() % 2 == 1;
                let call = self.words.payload();
                self.peer.request(self.seq, call, blocks, now);
            }
            12 if self.peer.is_leader() => {
                let bytes = self.words.payload();
                self.end = self.end.saturating_add(bytes.len() as u64);
                self.peer.written(bytes, self.end);
            }
            13 => match self.words.byte() % 8 {
                0 => self.peer.cancel(self.seq),
                1 => self.peer.lock_lost(now),
                2 => self.peer.copy_lost(now),
                3 => self.peer.set_recording(Recording::Off),
                4 => self.peer.set_recording(Recording::Owned),
                5 => self.peer.killed(2),
                6 => self.peer.gone(3),
                _ => self.peer.configured(vec![1, 2]),
            },
            14 if self.words.byte().is_multiple_of(8) => {
                self.peer.leave(now % 2 == 0);
                self.take_actions();
                self.peer.start(now);
            }
            _ => {
                if self.peer.wants_piece() {
                    let is_last = self.words.byte() % 2 == 1;
                    self.peer.snapshot_piece(vec![7; 10], is_last, now);
                }
            }
        }
    }

    fn take_actions(&mut self) {
        let mut count = 0;
        while let Some(action) = self.peer.next_action() {
            count += 1;
            assert!(count <= ACTIONS_MAX, "so much is to be done: {action:?}");
            match action {
                Action::EndLoad => self
                    .work
                    .retain(|work| !matches!(work, Action::Load | Action::LoadPiece { .. })),
                Action::EndSnapshot => self.work.retain(|work| *work != Action::Snapshot),
                Action::DropLock => {
                    let is_lock = |work: &Action| {
                        matches!(work, Action::AskLock | Action::StealLock | Action::Claim(_))
                    };
                    self.work.retain(|work| !is_lock(work));
                }
                Action::Send(_) | Action::Follow | Action::Welcomed => {}
                action => self.work.push_back(action),
            }
        }
    }

    /// Does what is to be done, well or not.
    fn do_work(&mut self) {
        let Some(action) = self.work.pop_front() else { return };
        let (now, is_well) = (self.now_ms, !self.words.byte().is_multiple_of(4));
        match action {
            Action::AskLock | Action::StealLock => self.peer.lock_granted(),
            Action::Claim(_) if !is_well => self.peer.claim_failed(now),
            Action::Claim(known) => {
                let lineage = self.words.lineage();
                let epoch = lineage.epoch().saturating_add(1 + u64::from(self.words.byte()));
                let end = known.saturating_add(u64::from(self.words.byte()));
                self.peer.claimed(Claimed { epoch, lineage, start: 0, end });
            }
            Action::Load if !is_well => self.peer.load_failed(now),
            Action::Load => {
                let lineage = self.words.lineage();
                let offset = self.words.number();
                self.peer.loaded(lineage, offset, now);
            }
            Action::LoadPiece { lineage, offset, is_last, .. } => {
                self.peer.piece_taken(now);
                if is_last {
                    self.peer.loaded(lineage, offset, now);
                }
            }
            Action::Snapshot if !is_well => self.peer.snapshot_failed(),
            Action::Snapshot => {
                let offset = self.peer.position().map_or(0, |position| position.offset);
                self.peer.snapshot_began(offset, now);
            }
            Action::Verify if !is_well => self.peer.lock_lost(now),
            Action::Verify => self.peer.turned(now),
            Action::AskTabs => self.peer.tabs_alive(&[1, 2, 3][..1 + usize::from(is_well)], now),
            Action::Apply(offset, bytes) => {
                self.peer.applied(offset.saturating_add(bytes.len() as u64));
            }
            Action::Lead { offset, .. } => {
                self.end = offset;
                let inheritance =
                    Inheritance { tabs: vec![2], away: vec![3], ..Default::default() };
                self.peer.led(&inheritance, now);
            }
            Action::Run(Run { tab, seq, .. }) => {
                self.peer.answer(tab, seq, self.end, vec![1, 2, 3]);
            }
            Action::Disconnect(tab, _) => self.peer.forgot(tab),
            _ => {}
        }
    }
}
