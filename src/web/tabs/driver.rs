//! Does what the peer asks for.

use super::super::adapter::Adapter;
use super::super::allocator::METER;
use super::super::facade::Core;
use super::super::indexed_db::IndexedDb;
use super::super::locks::Ask;
use super::super::log::{self, Audience, Keeping, Log, on_stall};
use super::super::store::{Claim, Done, Store, StoreError};
use super::super::timer::{Timer, now_ms};
use super::TabsOptions;
use super::copy::Lane;
use super::guests::{Answer, Guests};
use super::links::Links;
use super::sync::Sending;
use crate::engine::session::SessionId;
use crate::engine::session_state::SessionState;
use crate::persist::follow::Follower;
use crate::persist::incoming::Incoming;
use crate::replication::message::Message;
use crate::replication::peer::{Action, Peer, Recording, Run, Settings};
use js_sys::{Function, Object, Reflect, Uint8Array};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;

pub(super) struct Driver {
    /// `lodis:` and the name.
    pub(super) name: String,
    /// This tab's number.
    pub(super) tab: u64,
    silence_ms: i64,
    pub(super) core: Rc<RefCell<Core>>,
    pub(super) peer: RefCell<Peer>,
    pub(super) options: Keeping,
    pub(super) links: RefCell<Option<Links>>,
    /// A store of JavaScript's, in place of IndexedDB.
    calls: Option<JsValue>,
    store: RefCell<Option<Rc<dyn Store>>>,
    /// As this tab has claimed it.
    pub(super) claim: RefCell<Option<Claim>>,
    /// While this tab leads.
    pub(super) log: RefCell<Option<Rc<log::Driver>>>,
    /// While another one does, and this one has a copy.
    pub(super) follower: RefCell<Option<Follower>>,
    /// What another tab has sent of a copy.
    pub(super) incoming: RefCell<Option<Incoming>>,
    pub(super) sending: Cell<Sending>,
    /// What is to be done with the engine and the store, in order.
    pub(super) lane: RefCell<Lane>,
    pub(super) guests: RefCell<Guests>,
    /// What requests have answered that were run since effects were collected.
    pub(super) ran: RefCell<Vec<Answer>>,
    pub(super) has_run: Cell<bool>,
    /// Requests that wait for the end of a pause.
    pub(super) held: RefCell<Vec<Run>>,
    /// What waits for the store.
    pub(super) answers: RefCell<Vec<Answer>>,
    /// What this tab runs itself.
    pub(super) session: Cell<SessionId>,
    /// What that takes with it to another leader, as of the last reply.
    pub(super) state: RefCell<SessionState>,
    timer: OnceCell<Timer>,
    /// Looks now and then whether this tab still leads, as long as others might wish to.
    lease: OnceCell<Timer>,
    is_pumping: Cell<bool>,
    /// What is to be sent waits for the end of the task.
    is_joining: Cell<bool>,
    pub(super) is_flush_planned: Cell<bool>,
    /// As the host was told.
    has_copy: Cell<bool>,
    pub(super) is_outdated: Cell<bool>,
    closed: Cell<bool>,
    on_event: Function,
    pub(super) on_log: Function,
    events: RefCell<VecDeque<JsValue>>,
    is_delivering: Cell<bool>,
}

impl Driver {
    pub(super) fn new(
        core: Rc<RefCell<Core>>,
        session: SessionId,
        name: String,
        calls: Option<JsValue>,
        options: &TabsOptions,
        on_event: Function,
        on_log: Function,
    ) -> Result<Rc<Self>, JsValue> {
        let tab = getrandom::u64().map_err(|error| js_sys::Error::new(&error.to_string()))?.max(1);
        let (replica, leads) = (options.replica(), options.leads());
        let silence_ms = options.silence_ms() as i64;
        core.borrow_mut().engine.set_follower(true);
        let driver = Rc::new(Self {
            name: format!("lodis:{name}"),
            tab,
            silence_ms,
            core,
            peer: RefCell::new(Peer::new(Settings { tab, replica, leads, silence_ms })),
            options: Keeping::of(options)?,
            links: RefCell::default(),
            calls,
            store: RefCell::default(),
            claim: RefCell::default(),
            log: RefCell::default(),
            follower: RefCell::default(),
            incoming: RefCell::default(),
            sending: Cell::default(),
            lane: RefCell::default(),
            guests: RefCell::default(),
            ran: RefCell::default(),
            has_run: Cell::new(false),
            held: RefCell::default(),
            answers: RefCell::default(),
            session: Cell::new(session),
            state: RefCell::default(),
            timer: OnceCell::new(),
            lease: OnceCell::new(),
            is_pumping: Cell::new(false),
            is_joining: Cell::new(false),
            is_flush_planned: Cell::new(false),
            has_copy: Cell::new(false),
            is_outdated: Cell::new(false),
            closed: Cell::new(false),
            on_event,
            on_log,
            events: RefCell::default(),
            is_delivering: Cell::new(false),
        });
        let this = Rc::downgrade(&driver);
        driver.timer.get_or_init(|| {
            Timer::new(move || with(&this, |driver| driver.update(|peer| peer.wake(now_ms()))))
        });
        let this = Rc::downgrade(&driver);
        driver.lease.get_or_init(|| {
            Timer::new(move || {
                with(&this, |driver| {
                    driver.verify();
                    driver.keep_lease();
                });
            })
        });
        Ok(driver)
    }

    /// As long as there are other tabs, makes certain in time that this one leads.
    pub(super) fn keep_lease(&self) {
        let is_shared = self.log.borrow().is_some() && !self.guests.borrow().is_empty();
        let at = is_shared.then(|| now_ms().saturating_add(self.silence_ms / 4));
        if let Some(timer) = self.lease.get() {
            timer.set(at);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Tells the peer something, and does what it then asks for.
    pub(super) fn update(self: &Rc<Self>, tell: impl FnOnce(&mut Peer)) {
        self.collect_all();
        tell(&mut self.peer.borrow_mut());
        self.pump();
    }

    /// Tells the peer of the messages of a post. Effects and answers of requests that come together go out
    /// together.
    pub(super) fn receive(self: &Rc<Self>, messages: Vec<Message>) {
        self.collect_all();
        self.is_pumping.set(true);
        let mut messages = messages.into_iter().peekable();
        while let Some(message) = messages.next() {
            let epoch = message.epoch;
            self.peer.borrow_mut().receive(message, now_ms());
            self.act();
            let is_like = |next: &Message| next.is_request() && next.epoch == epoch;
            if !messages.peek().is_some_and(is_like) {
                self.collect_all();
            }
        }
        self.is_pumping.set(false);
        self.pump();
    }

    /// The peer must know everything that this tab has written before it may hear that it leads no longer.
    pub(super) fn collect_all(&self) {
        if !self.settle_run() {
            self.collect();
        }
    }

    /// Gives the peer and the log what the engine has written.
    pub(super) fn collect(&self) {
        let log = self.log.borrow().clone();
        if let Some(log) = log {
            log.collect(now_ms());
        }
    }

    /// Does what the peer asks for, until there is nothing more.
    pub(super) fn pump(self: &Rc<Self>) {
        if self.is_pumping.replace(true) {
            return;
        }
        self.act();
        while self.settle_run() {
            self.act();
        }
        self.is_pumping.set(false);
        if !self.is_joining.get() {
            self.flush();
        }
        let has_copy = self.follower.borrow().is_some() && self.peer.borrow().has_copy();
        if self.has_copy.replace(has_copy) != has_copy {
            self.emit("copy", &[("readable", has_copy.into())]);
        }
        let wake_at = if self.is_closed() { None } else { self.peer.borrow().wake_at() };
        if let Some(timer) = self.timer.get() {
            timer.set(wake_at);
        }
        self.go_on_sending();
        let log = self.log.borrow().clone();
        if let Some(log) = log {
            log.pump();
        }
        self.deliver();
    }

    fn act(self: &Rc<Self>) {
        loop {
            let action = self.peer.borrow_mut().next_action();
            match action {
                Some(action) => self.perform(action),
                None if self.work() => {}
                None => return,
            }
        }
    }

    fn perform(self: &Rc<Self>, action: Action) {
        match action {
            Action::Send(message) => self.send(&message),
            Action::AskLock => self.lock_name(Ask::Wait),
            Action::StealLock => self.lock_name(Ask::Steal),
            Action::DropLock => {
                self.drop_name();
                self.forget_claim();
            }
            Action::Verify => self.verify_lock(),
            Action::AskTabs => self.ask_tabs(),
            Action::Watch(tab) => self.watch(tab),
            Action::Load => self.plan_load(),
            Action::Claim(_)
            | Action::Apply(..)
            | Action::LoadPiece { .. }
            | Action::Snapshot
            | Action::Lead { .. }
            | Action::Run(_)
            | Action::Acked { .. } => self.lane.borrow_mut().plan(action),
            Action::EndSnapshot => self.end_snapshot(),
            Action::EndLoad => self.end_load(),
            Action::Follow => self.follow(),
            Action::Welcomed => self.emit("welcome", &[]),
            Action::Connect(tab) => self.connect(tab),
            Action::Disconnect(tab, parting) => self.disconnect(tab, parting),
            Action::Cancel(tab, seq) => self.cancel_call(tab, seq),
            Action::Reply(seq, reply) => self.replied(seq, &reply),
            Action::Lost(seq) => self.emit("lost", &[("seq", number(seq))]),
            // What it tells of is to be in the copy.
            Action::Push(_) if self.follower.borrow().is_some() => {
                self.lane.borrow_mut().plan(action);
            }
            Action::Push(messages) => self.push(&messages),
            Action::Config(changes) => {
                let engine = &mut self.core.borrow_mut().engine;
                engine.adopt_settings(&changes);
                // What the leader has told of it is older than the settings.
                let user = self.state.borrow().user.clone();
                engine.restore_user(self.session.get(), user.as_deref(), false);
            }
        }
    }

    pub(super) fn push(&self, messages: &[u8]) {
        self.emit("push", &[("messages", bytes(messages))]);
    }

    /// `session` runs what this tab runs itself.
    pub(super) fn attach(&self, session: SessionId) {
        self.session.set(session);
        let state = self.state.borrow();
        let engine = &mut self.core.borrow_mut().engine;
        if engine.is_follower() {
            self.select(engine, &state);
        } else {
            engine.restore_session(session, &state);
        }
    }

    pub(super) fn request(self: &Rc<Self>, seq: u64, frame: Vec<u8>, blocks: bool) {
        let call = self.call(&frame);
        // What a task asks for goes to the leader in one post. The others know what a leader has written
        // itself before anybody sees a promise of that.
        self.is_joining.set(self.log.borrow().is_none());
        self.update(|peer| peer.request(seq, call, blocks, now_ms()));
        if self.is_joining.replace(false) {
            self.flush_soon();
        }
    }

    pub(super) fn cancel(self: &Rc<Self>, seq: u64) {
        self.update(|peer| peer.cancel(seq));
    }

    pub(super) fn written(self: &Rc<Self>) {
        self.collect();
        self.take_messages();
        self.pump();
    }

    pub(super) fn may_write(&self) -> bool {
        let peer = self.peer.borrow();
        peer.is_leader() && peer.may_write(now_ms())
    }

    pub(super) fn verify(self: &Rc<Self>) {
        if self.peer.borrow().is_leader() && self.links.borrow().is_some() {
            self.verify_lock();
        }
    }

    pub(super) fn leave(self: &Rc<Self>) {
        if self.is_closed() || self.links.borrow().is_none() {
            return;
        }
        let log = self.log.borrow().clone();
        if let Some(log) = log {
            if self.peer.borrow().waits() {
                self.core.borrow_mut().engine.set_away(self.tab, true);
                log.collect(now_ms());
            }
            log.hidden();
        }
        if let Some(store) = self.open_store() {
            store.leave(self.may_write());
        }
        self.lane.borrow_mut().pause();
        self.update(|peer| peer.leave(true));
        self.part();
        self.close_store();
    }

    pub(super) fn close(self: &Rc<Self>) {
        // From here on no event is told.
        if self.closed.replace(true) {
            return;
        }
        self.update(|peer| peer.leave(false));
        self.shut();
    }

    /// The instance cannot go on.
    pub(super) fn fail(self: &Rc<Self>, error: JsValue) {
        if self.closed.get() {
            return;
        }
        self.close();
        self.emit("failed", &[("error", error)]);
        self.deliver();
    }

    fn shut(&self) {
        self.lane.borrow_mut().close();
        self.events.borrow_mut().clear();
        for timer in [&self.timer, &self.lease].into_iter().filter_map(OnceCell::get) {
            timer.set(None);
        }
        self.part();
        self.close_store();
    }

    /// Calls `work` with the store, which is opened if it is not.
    pub(super) fn with_store(
        self: &Rc<Self>,
        work: impl FnOnce(Result<Rc<dyn Store>, StoreError>) + 'static,
    ) {
        if let Some(store) = self.open_store() {
            return work(Ok(store));
        }
        if let Some(calls) = &self.calls {
            let store: Rc<dyn Store> = Rc::new(Adapter::new(calls.clone().unchecked_into()));
            *self.store.borrow_mut() = Some(Rc::clone(&store));
            return work(Ok(store));
        }
        let this = Rc::downgrade(self);
        let name = self.name.strip_prefix("lodis:").unwrap_or_default();
        let opened = move |opened: Result<IndexedDb, StoreError>| {
            let Some(driver) = this.upgrade() else { return };
            let store = opened.map(|store| Rc::new(store) as Rc<dyn Store>);
            if let Ok(store) = &store {
                *driver.store.borrow_mut() = Some(Rc::clone(store));
            }
            work(store);
        };
        IndexedDb::open(name, on_stall(&self.on_log), opened);
    }

    /// The store, if it is open.
    pub(super) fn open_store(&self) -> Option<Rc<dyn Store>> {
        self.store.borrow().clone()
    }

    /// Whether other contexts can read the store while somebody has it.
    pub(super) fn shares_store(&self) -> bool {
        self.calls.is_none()
    }

    pub(super) fn close_store(&self) {
        if let Some(store) = self.store.take() {
            store.close();
        }
    }

    pub(super) fn emit(&self, kind: &str, fields: &[(&str, JsValue)]) {
        if self.closed.get() && kind != "failed" {
            return;
        }
        let event = Object::new();
        for (name, value) in [("type", JsValue::from(kind))].iter().chain(fields) {
            // A plain object takes any property.
            let _ = Reflect::set(&event, &JsValue::from(*name), value);
        }
        self.events.borrow_mut().push_back(event.into());
    }

    /// Hands the log of a leader over.
    pub(super) fn emit_log(&self, driver: Rc<log::Driver>) {
        self.emit("lead", &[("log", Log { driver }.into())]);
    }

    /// Hands events over, in order, also when a handler causes further ones.
    pub(super) fn deliver(&self) {
        if self.is_delivering.replace(true) {
            return;
        }
        loop {
            let next = self.events.borrow_mut().pop_front();
            let Some(event) = next else { break };
            if let Err(error) = self.on_event.call1(&JsValue::UNDEFINED, &event) {
                report(&error);
            }
        }
        self.is_delivering.set(false);
    }
}

impl Audience for Driver {
    fn written(&self, stretch: &[u8], stored: u64) {
        let peer = &mut *self.peer.borrow_mut();
        // One is kept, and one sent.
        let copies = 2 * (stretch.len() + 64);
        if (METER.has_reserve)() && Vec::<u8>::new().try_reserve_exact(copies).is_ok() {
            peer.written(stretch.to_vec(), stored);
        } else {
            peer.passed_over(stretch.len());
        }
    }

    fn replaced(&self, offset: u64) {
        self.peer.borrow_mut().replaced(offset);
    }

    fn configured(&self, changes: Vec<u8>) {
        self.peer.borrow_mut().configured(changes);
    }

    fn recording(&self, holds_stream: bool) {
        let recording = match (holds_stream, self.shares_store()) {
            (false, _) => Recording::Off,
            (true, true) => Recording::Shared,
            (true, false) => Recording::Owned,
        };
        self.peer.borrow_mut().set_recording(recording);
    }

    fn led(self: Rc<Self>) {
        self.serve();
    }

    fn durable(self: Rc<Self>) {
        self.settle_answers();
        // Some may have waited for just that (WAITAOF).
        self.take_messages();
        self.pump();
    }

    fn failed(self: Rc<Self>, reason: &str) {
        self.refuse_answers(reason);
        self.pump();
    }

    fn fenced(self: Rc<Self>) {
        self.update(|peer| peer.lock_lost(now_ms()));
    }
}

/// Does `work` with a driver that is still there.
pub(super) fn with(driver: &Weak<Driver>, work: impl FnOnce(&Rc<Driver>)) {
    if let Some(driver) = driver.upgrade().filter(|driver| !driver.is_closed()) {
        work(&driver);
    }
}

/// An exception of an event handler is the page's, and must not stop the others.
fn report(error: &JsValue) {
    let function = Reflect::get(&js_sys::global(), &"reportError".into());
    if let Some(function) = function.ok().and_then(|f| f.dyn_into::<Function>().ok()) {
        let _ = function.call1(&JsValue::UNDEFINED, error);
    }
}

pub(super) fn number(value: u64) -> JsValue {
    JsValue::from(value as f64)
}

pub(super) fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// What a store refuses with, as the host knows it.
pub(super) fn store_error(error: &StoreError) -> JsValue {
    log::js_error(error.code, &error.message)
}

/// Ends work that a driver has begun with a callback of its own.
pub(super) fn then<T: 'static>(
    driver: &Rc<Driver>,
    work: impl FnOnce(&Rc<Driver>, T) + 'static,
) -> Done<T> {
    let this = Rc::downgrade(driver);
    Box::new(move |value| with(&this, |driver| work(driver, value)))
}
