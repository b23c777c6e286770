//! Other tabs at the one that leads: each has a session here, and its requests are run once.
//!
//! Before the replies to a request, and in the record of it, comes what the session would take with it
//! to another leader: the length of a [`SessionState`] as `u16`, and that. So does a frame begin.

use super::super::facade::{Core, micros};
use super::super::frame::Frame;
use super::super::timer::now_ms;
use super::driver::{Driver, bytes, number};
use crate::collections::Sorted;
use crate::engine::Engine;
use crate::engine::blocking::Unblock;
use crate::engine::requests::{Record, RequestId};
use crate::engine::session::SessionId;
use crate::engine::session_state::SessionState;
use crate::replication::peer::{Parting, Run};
use crate::resp::Protocol;
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// The sessions of other tabs.
#[derive(Default)]
pub(super) struct Guests {
    tabs: Sorted<u64, Guest>,
    /// Requests that block, by tab and number.
    calls: Sorted<(u64, u64), Blocking>,
}

struct Guest {
    session: SessionId,
    /// It does not know yet where the session was at another leader.
    is_new: bool,
}

/// A request that blocks, in a session of its own.
struct Blocking {
    id: RequestId,
    session: SessionId,
    acked: u64,
    /// The replies so far.
    reply: Vec<u8>,
    /// How many commands the request has.
    commands: u32,
}

/// What a tab is told once the store has everything before an offset.
pub(super) struct Answer {
    pub(super) offset: u64,
    pub(super) tab: u64,
    pub(super) seq: u64,
    pub(super) reply: Vec<u8>,
    /// How many commands the request has.
    pub(super) commands: u32,
    /// Whether it has made effects.
    pub(super) wrote: bool,
}

impl Driver {
    /// A request of this tab, as its leader takes it.
    pub(super) fn call(&self, frame: &[u8]) -> Vec<u8> {
        let state = match &*self.log.borrow() {
            Some(_) => self.core.borrow().engine.session_state(self.session.get()),
            None => None,
        };
        let state = state.unwrap_or_else(|| self.state.borrow().clone());
        with_state(&state, frame)
    }

    /// The reply to a request of this tab has come.
    pub(super) fn replied(&self, seq: u64, reply: &[u8]) {
        let known = || Some((self.state.borrow().clone(), reply.strip_prefix(&NO_STATE)?));
        let Some((state, reply)) = split_state(reply).or_else(known) else {
            return self.emit("lost", &[("seq", number(seq))]);
        };
        let [transaction, tracking] = told(&state);
        if self.log.borrow().is_none() {
            self.select(&mut self.core.borrow_mut().engine, &state);
            *self.state.borrow_mut() = state;
        }
        let fields = [("seq", number(seq)), ("reply", bytes(reply)), transaction, tracking];
        self.emit("reply", &fields);
    }

    /// What this tab reads on its own copy is in the database of its session at the leader, and what that
    /// session's user may read.
    pub(super) fn select(&self, engine: &mut Engine, state: &SessionState) {
        engine.restore_user(self.session.get(), state.user.as_deref(), !state.is_restricted);
        let db = state.db as usize;
        if db < engine.keyspace.databases()
            && let Some(session) = engine.sessions.get_mut(self.session.get())
        {
            session.db = db;
        }
    }

    /// A tab wants a session.
    pub(super) fn connect(self: &Rc<Self>, tab: u64) {
        self.end_session(tab);
        {
            let core = &mut *self.core.borrow_mut();
            let session = core.connect(Protocol::Resp3);
            if let Some(session) = core.engine.sessions.get_mut(session) {
                session.is_remote = true;
                session.address = format!("tab:{tab:016x}");
            }
            self.guests.borrow_mut().tabs.insert(tab, Guest { session, is_new: true });
            core.engine.set_away(tab, false);
        }
        self.collect();
        self.tell_count();
    }

    /// A tab is not here any more.
    pub(super) fn disconnect(self: &Rc<Self>, tab: u64, parting: Parting) {
        self.unwatch(tab);
        self.end_session(tab);
        if self.log.borrow().is_some() {
            {
                let engine = &mut self.core.borrow_mut().engine;
                match parting {
                    Parting::Ended if engine.forget_tab(tab) => self.peer.borrow_mut().forgot(tab),
                    Parting::Ended | Parting::Killed => {}
                    Parting::Left => engine.leave_tab(tab, false),
                    Parting::Settled => engine.leave_tab(tab, true),
                    Parting::Away => engine.set_away(tab, true),
                }
            }
            self.collect();
            self.take_messages();
        }
        self.tell_count();
    }

    fn end_session(&self, tab: u64) {
        let guests = &mut *self.guests.borrow_mut();
        let core = &mut *self.core.borrow_mut();
        if let Some(guest) = guests.tabs.remove(&tab) {
            core.disconnect(guest.session);
        }
        let calls = guests.calls.from(&(tab, 0)).map(|(key, _)| *key);
        let calls: Vec<_> = calls.take_while(|key| key.0 == tab).collect();
        for key in calls {
            if let Some(call) = guests.calls.remove(&key) {
                core.disconnect(call.session);
            }
        }
        self.answers.borrow_mut().retain(|answer| answer.tab != tab);
    }

    /// This tab leads no longer.
    pub(super) fn forget_guests(&self) {
        let guests = self.guests.take();
        let core = &mut *self.core.borrow_mut();
        for guest in guests.tabs.values() {
            core.disconnect(guest.session);
        }
        for call in guests.calls.values() {
            core.disconnect(call.session);
        }
        core.engine.replicas = 0;
        self.ran.take();
        self.held.take();
        self.answers.take();
        self.keep_lease();
    }

    fn tell_count(&self) {
        let count = self.guests.borrow().tabs.len();
        self.core.borrow_mut().engine.replicas = count;
        self.emit("tabs", &[("count", number(count as u64))]);
        self.keep_lease();
    }

    /// Whether CLIENT PAUSE postpones a request, or one that came before from the same tab.
    fn must_hold(&self, run: &Run) -> bool {
        let is_paused = self.core.borrow().engine.is_paused();
        if !is_paused && self.held.borrow().is_empty() {
            return false;
        }
        let session = match self.guests.borrow().tabs.get(&run.tab) {
            Some(guest) => guest.session,
            None => self.session.get(),
        };
        let core = &mut *self.core.borrow_mut();
        let Some((_, frame)) = split_state(&run.call) else { return false };
        let is_next = self.held.borrow().iter().any(|held| held.tab == run.tab);
        (is_next && !core.is_unpause(frame)) || (is_paused && core.holds(session, frame))
    }

    /// Runs what was postponed, if the pause is over.
    pub(super) fn resume(self: &Rc<Self>) {
        if self.held.borrow().is_empty() || self.core.borrow().engine.is_paused() {
            return;
        }
        for run in self.held.take() {
            self.run(run);
        }
        self.pump();
    }

    /// Runs a request, unless its record says that it was run.
    pub(super) fn run(self: &Rc<Self>, run: Run) {
        if self.log.borrow().is_none() {
            return;
        }
        self.core.borrow_mut().engine.set_time(micros(now_ms() as f64));
        if self.must_hold(&run) {
            return self.held.borrow_mut().push(run);
        }
        let Run { tab, seq, acked, blocks, call } = run;
        let Some((state, frame)) = split_state(&call) else { return };
        let id = RequestId::new(tab, seq, blocks);
        let before = self.core.borrow().engine.effects.offset();
        let was_run = self.core.borrow().engine.requests.find(id).is_some();
        let answer = {
            let core = &mut *self.core.borrow_mut();
            let guests = &mut *self.guests.borrow_mut();
            core.engine.set_time(micros(now_ms() as f64));
            let mut is_new = false;
            let session = match guests.tabs.get_mut(&tab) {
                Some(guest) => {
                    is_new = guest.is_new;
                    // What may block tells where the session was when it was asked for: perhaps long ago.
                    if is_new && (!blocks || state.in_transaction) {
                        core.engine.restore_session(guest.session, &state);
                        guest.is_new = false;
                    }
                    guest.session
                }
                None if tab == self.tab => self.session.get(),
                None => return,
            };
            let commands = Frame::new(frame).count(core.engine.registry());
            let in_transaction =
                core.engine.sessions.get(session).is_some_and(|session| session.queue.is_some());
            let work = Work { id, acked, session, frame, commands };
            if blocks && !in_transaction {
                let call = work.block(core, is_new.then_some(&state));
                let is_done = !is_blocked(core, call.session);
                guests.calls.insert((tab, seq), call);
                if is_done { Some(guests.finish(core, session, (tab, seq))) } else { None }
            } else {
                Some(Outcome { reply: work.run(core), commands, wrote: was_run })
            }
        };
        self.has_run.set(true);
        if let Some(Outcome { reply, commands, wrote }) = answer {
            let offset = self.core.borrow().engine.effects.offset();
            let wrote = wrote || offset != before;
            let answer = Answer { offset, tab, seq, reply, commands, wrote };
            self.ran.borrow_mut().push(answer);
        }
        if self.core.borrow().engine.sessions.have_messages() {
            self.take_messages();
        }
    }

    /// Answers the requests that were run, all of whose effects are collected together; whether there were
    /// any.
    pub(super) fn settle_run(&self) -> bool {
        if !self.has_run.replace(false) {
            return false;
        }
        self.collect();
        for answer in self.ran.take() {
            self.answer_at(answer);
        }
        self.emit("ran", &[]);
        true
    }

    /// Replies to what may block have reached a tab, from one number to another, but for those `pending`.
    pub(super) fn acked(&self, tab: u64, first: u64, last: u64, pending: &[u64]) {
        if self.log.borrow().is_some() {
            self.core.borrow_mut().engine.acknowledge_blocking(tab, first, last, pending);
            self.collect();
        }
    }

    /// Hands out what sessions of other tabs were told, and goes on with requests that blocked.
    pub(super) fn take_messages(self: &Rc<Self>) {
        loop {
            let (pushes, answers) = {
                let core = &mut *self.core.borrow_mut();
                let guests = &mut *self.guests.borrow_mut();
                (guests.pushes(core), guests.go_on(core, self.session.get(), self.tab))
            };
            if pushes.is_empty() && answers.is_empty() {
                return;
            }
            self.collect_all();
            for (tab, messages) in pushes {
                let mut peer = self.peer.borrow_mut();
                match messages {
                    Some(messages) => peer.push(tab, messages),
                    None => peer.killed(tab),
                }
            }
            for ((tab, seq), Outcome { reply, commands, wrote }) in answers {
                let offset = self.core.borrow().engine.effects.offset();
                self.answer_at(Answer { offset, tab, seq, reply, commands, wrote });
            }
        }
    }

    /// Ends the blocking of a request.
    pub(super) fn cancel_call(self: &Rc<Self>, tab: u64, seq: u64) {
        let session = self.guests.borrow().calls.get(&(tab, seq)).map(|call| call.session);
        if let Some(session) = session {
            self.core.borrow_mut().engine.unblock(session, Unblock::Error);
            self.take_messages();
        }
    }

    /// Answers a request, once the store has what it may have to wait for.
    pub(super) fn answer_at(&self, answer: Answer) {
        let waits = match &*self.log.borrow() {
            Some(log) => {
                // What was only read need not wait for a store that fails, perhaps for long.
                let must_wait = answer.wrote || !log.is_failing();
                must_wait && log.waits_for_store() && log.durable() < answer.offset
            }
            None => return,
        };
        if waits {
            self.answers.borrow_mut().push(answer);
        } else {
            self.give(answer);
        }
    }

    fn give(&self, Answer { offset, tab, seq, reply, .. }: Answer) {
        self.peer.borrow_mut().answer(tab, seq, offset, reply);
    }

    /// Answers what is stored now.
    pub(super) fn settle_answers(&self) {
        let stored = match &*self.log.borrow() {
            Some(log) => log.durable(),
            None => return,
        };
        let mut answers = self.answers.borrow_mut();
        for answer in answers.extract_if(.., |answer| answer.offset <= stored) {
            self.give(answer);
        }
    }

    /// What waits for the store cannot be stored.
    pub(super) fn refuse_answers(&self, reason: &str) {
        for mut answer in self.answers.take() {
            if answer.wrote {
                let error = format!("-MISCONF Errors writing to the AOF file: {reason}\r\n");
                let reply = &mut answer.reply;
                let len =
                    reply.first_chunk().map_or(0, |len| usize::from(u16::from_le_bytes(*len)));
                reply.truncate(NO_STATE.len() + len);
                reply.extend_from_slice(error.repeat(answer.commands as usize).as_bytes());
            }
            self.give(answer);
        }
    }
}

impl Guests {
    pub(super) fn is_empty(&self) -> bool {
        self.tabs.is_empty()
    }

    /// Messages of tabs' sessions; none of one whose session was killed.
    fn pushes(&mut self, core: &mut Core) -> Vec<(u64, Option<Vec<u8>>)> {
        let sessions = &mut core.engine.sessions;
        let waiting = self.tabs.iter().filter(|(_, guest)| sessions.has_messages(guest.session));
        let waiting: Vec<_> = waiting.map(|(tab, guest)| (*tab, guest.session)).collect();
        let take = |(tab, session): (u64, SessionId)| {
            let is_killed = sessions.get(session).is_none_or(|session| session.closing);
            let messages = sessions.take_messages_of(session);
            (tab, (!is_killed).then_some(messages))
        };
        waiting.into_iter().map(take).collect()
    }

    /// Goes on with requests whose blocking has ended; answers the replies to those that are done.
    fn go_on(
        &mut self,
        core: &mut Core,
        own: SessionId,
        own_tab: u64,
    ) -> Vec<((u64, u64), Outcome)> {
        let sessions = &core.engine.sessions;
        let served = self.calls.iter().filter(|(_, call)| sessions.has_messages(call.session));
        let served: Vec<(u64, u64)> = served.map(|(key, _)| *key).collect();
        let mut answers = Vec::new();
        for (tab, seq) in served {
            let Some(call) = self.calls.get_mut(&(tab, seq)) else { continue };
            let session = call.session;
            if core.engine.sessions.get(session).is_none_or(|session| session.closing) {
                call.reply.extend_from_slice(
                    b"-UNBLOCKED the session of this command was closed by CLIENT KILL\r\n",
                );
            } else {
                call.reply.extend_from_slice(&core.engine.sessions.take_messages_of(session));
                while !is_blocked(core, session)
                    && let Some(rest) = core.rest(session)
                {
                    call.run_part(core, &rest);
                }
                if is_blocked(core, session) {
                    continue;
                }
            }
            let like = match self.tabs.get(&tab) {
                Some(guest) => guest.session,
                None if tab == own_tab => own,
                None => continue,
            };
            answers.push(((tab, seq), self.finish(core, like, (tab, seq))));
        }
        answers
    }

    /// Ends the session of a request that is done.
    fn finish(&mut self, core: &mut Core, like: SessionId, key: (u64, u64)) -> Outcome {
        let Some(call) = self.calls.remove(&key) else { return Outcome::default() };
        core.disconnect(call.session);
        let wrote = core.engine.requests.find(call.id).is_some_and(Record::is_told);
        let reply = match core.engine.session_state(like) {
            Some(state) if !self.tabs.get(&key.0).is_some_and(|guest| guest.is_new) => {
                with_state(&state, &call.reply)
            }
            _ => [&NO_STATE, call.reply.as_slice()].concat(),
        };
        Outcome { reply, commands: call.commands, wrote }
    }
}

/// What a request has come to.
#[derive(Default)]
struct Outcome {
    /// After the state of the session.
    reply: Vec<u8>,
    /// How many replies.
    commands: u32,
    /// Whether it has made effects.
    wrote: bool,
}

/// A request to be run.
struct Work<'a> {
    id: RequestId,
    acked: u64,
    session: SessionId,
    frame: &'a [u8],
    commands: u32,
}

impl Work<'_> {
    /// Runs it to its end, unless that was done.
    fn run(&self, core: &mut Core) -> Vec<u8> {
        let Self { id, acked, session, frame, commands } = *self;
        let record = core.engine.requests.find(id).filter(|record| record.done >= commands);
        if let Some(reply) = record.map(|record| record.reply.clone()) {
            core.engine.requests.acknowledge(id.tab, acked);
            if let Some((state, _)) = split_state(&reply) {
                core.engine.restore_session(session, &state);
            }
            return reply;
        }
        core.engine.begin_request(session, id, acked);
        let (replies, _) = core.run_remote(session, frame);
        let state = core.engine.session_state(session).unwrap_or_default();
        let reply = with_state(&state, &replies);
        core.engine.end_request(&reply, commands);
        reply
    }

    /// Runs it in a session of its own, up to a command that blocks, from where its record ends: where the
    /// tab's own one is, or where that was, if it is yet to come there.
    fn block(&self, core: &mut Core, state: Option<&SessionState>) -> Blocking {
        let Self { id, acked, session, frame, commands } = *self;
        let session = core.engine.fork(session);
        if let Some(state) = state {
            let state = SessionState { tracking: None, ..state.clone() };
            core.engine.restore_session(session, &state);
        }
        if let Some(session) = core.engine.sessions.get_mut(session) {
            session.is_remote = true;
        }
        let (done, reply) = match core.engine.requests.find(id) {
            Some(record) => (record.done, record.reply.clone()),
            None => (0, Vec::new()),
        };
        core.engine.requests.acknowledge(id.tab, acked);
        let mut call = Blocking { id, session, acked, reply, commands };
        let mut rest = Frame::new(frame);
        rest.skip(done, core.engine.registry());
        if !rest.is_empty() {
            call.run_part(core, &rest.to_vec());
        }
        call
    }
}

impl Blocking {
    /// Runs commands up to one that blocks.
    fn run_part(&mut self, core: &mut Core, frame: &[u8]) {
        core.engine.begin_request(self.session, self.id, self.acked);
        let (replies, done) = core.run_remote(self.session, frame);
        core.engine.end_request(&replies, done);
        self.reply.extend_from_slice(&replies);
    }
}

fn is_blocked(core: &Core, session: SessionId) -> bool {
    core.engine.sessions.get(session).is_some_and(|session| session.blocked.is_some())
}

/// In place of a state that the leader has not been told yet: the tab knows it.
const NO_STATE: [u8; 2] = [0; 2];

/// What the host has to know of the state of its session.
pub(super) fn told(state: &SessionState) -> [(&'static str, JsValue); 2] {
    [("transaction", state.in_transaction.into()), ("tracking", state.tracks().into())]
}

/// The bytes after what a session takes with it.
fn with_state(state: &SessionState, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = state.encode();
    if encoded.len() > usize::from(u16::MAX) {
        encoded = SessionState { name: Vec::new(), ..state.clone() }.encode();
    }
    let len = u16::try_from(encoded.len()).unwrap_or(0);
    [&len.to_le_bytes()[..], &encoded, bytes].concat()
}

fn split_state(bytes: &[u8]) -> Option<(SessionState, &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (state, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    Some((SessionState::decode(state).ok()?, rest))
}
