//! `Tabs`: who owns a name, and forwarding between tabs, as JavaScript sees it.
//!
//! Drives [`crate::replication::forward`]. Ownership is the Web Lock `lodis:<name>`; every tab also
//! holds `lodis:<name>:tab:<id>`, by which an owner learns that a guest is gone. Events are
//! delivered as tasks of their own order, while nothing here is borrowed.

use super::channel::Channel;
use super::locks::{Ask, Lock};
use super::timer::{Timer, now_ms};
use crate::collections::Sorted;
use crate::replication::forward::{Action, Guest, Owner};
use crate::replication::forward_message::Message;
use js_sys::{Function, Object, Reflect, Uint8Array};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/**
 * What happens between tabs. "lost": the owner went away before it answered, outcome unknown.
 * "failed": the browser refuses Web Locks after all (error.code is LOCKS_UNAVAILABLE), or another
 * context has stolen the owner's (FENCED); the last event.
 */
export type TabsEvent =
  | { type: "own" }
  | { type: "guest" }
  | { type: "connect"; tab: string }
  | { type: "request"; tab: string; seq: number; frame: Uint8Array }
  | { type: "block"; tab: string; seq: number; frame: Uint8Array }
  | { type: "cancel"; tab: string; seq: number }
  | { type: "disconnect"; tab: string }
  | { type: "reply"; seq: number; reply: Uint8Array }
  | { type: "push"; messages: Uint8Array }
  | { type: "lost"; seq: number }
  | { type: "failed"; error: Error };
"#;

/// One context's part in a name.
#[wasm_bindgen]
pub struct Tabs {
    driver: Rc<Driver>,
}

enum Role {
    Joining(Guest),
    Guest(Guest),
    Owner(Owner),
    Closed,
}

struct Driver {
    name: String,
    tab: u64,
    role: RefCell<Role>,
    welcomed: Cell<bool>,
    channel: RefCell<Option<Channel>>,
    /// This tab's own lock, and the lock of the name, held or waited for.
    locks: RefCell<Vec<Lock>>,
    /// The locks of guests, waited for.
    watches: RefCell<Sorted<u64, Lock>>,
    timer: OnceCell<Timer>,
    on_event: Function,
    events: RefCell<VecDeque<JsValue>>,
    delivering: Cell<bool>,
}

#[wasm_bindgen]
impl Tabs {
    /// Joins the tabs that have opened `name`. The first one is told `own`, any other `guest` once
    /// the owner serves, and `own` when its turn comes.
    ///
    /// Throws an `Error` with `code` `LOCKS_UNAVAILABLE` where there are no Web Locks or no
    /// BroadcastChannel; the event `failed` has it where the browser refuses them later, as in a
    /// sandboxed frame.
    pub fn join(
        name: String,
        #[wasm_bindgen(unchecked_param_type = "(event: TabsEvent) => void")] on_event: Function,
    ) -> Result<Tabs, JsValue> {
        let tab = random()?;
        let driver = Rc::new(Driver {
            name: format!("lodis:{name}"),
            tab,
            role: RefCell::new(Role::Joining(Guest::new(tab))),
            welcomed: Cell::new(false),
            channel: RefCell::new(None),
            locks: RefCell::new(Vec::new()),
            watches: RefCell::default(),
            timer: OnceCell::new(),
            on_event,
            events: RefCell::new(VecDeque::new()),
            delivering: Cell::new(false),
        });
        driver.join().map_err(|cause| {
            let error = unavailable();
            error.set_cause(&cause);
            error
        })?;
        Ok(Self { driver })
    }

    /// Owner: the store is open, requests may come.
    pub fn serve(&self) {
        self.driver.as_owner(Owner::serve);
    }

    /// Owner: the RESP3 replies to a request.
    pub fn answer(&self, tab: String, seq: f64, reply: Vec<u8>) {
        self.driver.as_owner(|owner| owner.answer(tab_id(&tab), seq as u64, reply));
    }

    /// Owner: RESP3 push messages for the session of a tab.
    pub fn push(&self, tab: String, messages: Vec<u8>) {
        self.driver.as_owner(|owner| owner.push(tab_id(&tab), messages));
    }

    /// Guest: has the commands of `frame` (see `Lodis.exec`) run. `seq` must rise.
    pub fn request(&self, seq: f64, frame: Vec<u8>, read_only: bool) {
        self.driver.as_guest(|guest, _| guest.request(seq as u64, frame, read_only));
    }

    /// Guest: as `request`, for commands that may block, in a session of their own.
    pub fn block(&self, seq: f64, frame: Vec<u8>) {
        self.driver.as_guest(|guest, _| guest.block(seq as u64, frame));
    }

    /// Guest: ends the blocking of a request, which is then replied to.
    pub fn cancel(&self, seq: f64) {
        self.driver.as_guest(|guest, _| guest.cancel(seq as u64));
    }

    /// What this context is now.
    #[wasm_bindgen(unchecked_return_type = "\"joining\" | \"owner\" | \"guest\"")]
    pub fn role(&self) -> String {
        let role = match &*self.driver.role.borrow() {
            Role::Owner(_) => "owner",
            Role::Guest(_) if self.driver.welcomed.get() => "guest",
            _ => "joining",
        };
        role.to_owned()
    }

    /// Lets go of locks and channel; no event comes after it.
    pub fn close(&self) {
        self.driver.close();
    }
}

impl Drop for Tabs {
    fn drop(&mut self) {
        self.driver.close();
    }
}

impl Driver {
    fn join(self: &Rc<Self>) -> Result<(), JsValue> {
        let this = Rc::downgrade(self);
        let on_message = move |bytes: Vec<u8>| with(&this, |driver| driver.receive(&bytes));
        *self.channel.borrow_mut() = Some(Channel::join(&self.name, on_message)?);
        let this = Rc::downgrade(self);
        let timer = Timer::new(move || with(&this, |d| d.as_guest(|g, now| g.wake(now))));
        // Set once, here.
        let _ = self.timer.set(timer);
        let this = Rc::downgrade(self);
        let own = self.tab_lock(self.tab);
        let lock = Lock::request(
            &own,
            Ask::Wait,
            Box::new(move |held| {
                with(&this, |driver| match held {
                    Ok(_) => driver.ask_for_name(),
                    Err(error) => driver.fail(error),
                });
            }),
        )?;
        self.locks.borrow_mut().push(lock);
        Ok(())
    }

    fn tab_lock(&self, tab: u64) -> String {
        format!("{}:tab:{tab:016x}", self.name)
    }

    fn ask_for_name(self: &Rc<Self>) {
        let this = Rc::downgrade(self);
        self.lock_name(
            Ask::IfAvailable,
            Box::new(move |held| {
                with(&this, |driver| match held {
                    Ok(true) => driver.own(),
                    Ok(false) => driver.follow(),
                    Err(error) => driver.fail(error),
                });
            }),
        );
    }

    fn lock_name(self: &Rc<Self>, ask: Ask, then: Box<dyn Fn(Result<bool, JsValue>)>) {
        if matches!(*self.role.borrow(), Role::Closed) {
            return;
        }
        match Lock::request(&self.name, ask, then) {
            Ok(lock) => self.locks.borrow_mut().push(lock),
            Err(error) => self.fail(error),
        }
    }

    /// Without locks nobody can tell who owns the name; a lock that was held was stolen.
    fn fail(self: &Rc<Self>, cause: JsValue) {
        let is_owner = matches!(*self.role.borrow(), Role::Owner(_));
        let error = if is_owner { stolen() } else { unavailable() };
        error.set_cause(&cause);
        self.close();
        self.emit("failed", &[("error", error.into())]);
        self.deliver();
    }

    fn follow(self: &Rc<Self>) {
        let this = Rc::downgrade(self);
        self.lock_name(
            Ask::Wait,
            Box::new(move |held| {
                with(&this, |driver| match held {
                    Ok(_) => driver.own(),
                    Err(error) => driver.fail(error),
                });
            }),
        );
        self.become_guest();
        self.as_guest(Guest::start);
    }

    fn become_guest(&self) {
        let mut role = self.role.borrow_mut();
        *role = match std::mem::replace(&mut *role, Role::Closed) {
            Role::Joining(guest) => Role::Guest(guest),
            other => other,
        };
    }

    fn own(self: &Rc<Self>) {
        if matches!(*self.role.borrow(), Role::Closed) {
            return;
        }
        // Requests that the last owner has not answered are the host's again.
        let Ok(id) = random() else { return };
        *self.role.borrow_mut() = Role::Owner(Owner::new(id));
        self.set_timer(None);
        self.emit("own", &[]);
        self.deliver();
    }

    fn receive(self: &Rc<Self>, bytes: &[u8]) {
        // Another version of the protocol, or not ours: ignored.
        let Ok(message) = Message::decode(bytes) else { return };
        let actions = match &mut *self.role.borrow_mut() {
            Role::Owner(owner) => owner.receive(message),
            Role::Guest(guest) => guest.receive(message, now_ms()),
            Role::Joining(_) | Role::Closed => Vec::new(),
        };
        self.perform(actions);
    }

    fn as_owner(self: &Rc<Self>, work: impl FnOnce(&mut Owner) -> Vec<Action>) {
        let actions = match &mut *self.role.borrow_mut() {
            Role::Owner(owner) => work(owner),
            _ => Vec::new(),
        };
        self.perform(actions);
    }

    fn as_guest(self: &Rc<Self>, work: impl FnOnce(&mut Guest, i64) -> Vec<Action>) {
        let actions = match &mut *self.role.borrow_mut() {
            Role::Guest(guest) | Role::Joining(guest) => work(guest, now_ms()),
            _ => Vec::new(),
        };
        self.perform(actions);
    }

    fn perform(self: &Rc<Self>, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(message) => {
                    if let Some(channel) = &*self.channel.borrow() {
                        channel.send(&message.encode());
                    }
                }
                Action::Welcomed => {
                    self.welcomed.set(true);
                    self.emit("guest", &[]);
                }
                Action::Reply(seq, reply) => {
                    self.emit("reply", &[("seq", number(seq)), ("reply", bytes(&reply))]);
                }
                Action::Push(messages) => self.emit("push", &[("messages", bytes(&messages))]),
                Action::Lost(seq) => self.emit("lost", &[("seq", number(seq))]),
                Action::Connect(tab) => {
                    self.watch(tab);
                    self.emit("connect", &[("tab", tab_name(tab))]);
                }
                Action::Request(tab, seq, frame) => self.emit(
                    "request",
                    &[("tab", tab_name(tab)), ("seq", number(seq)), ("frame", bytes(&frame))],
                ),
                Action::Block(tab, seq, frame) => self.emit(
                    "block",
                    &[("tab", tab_name(tab)), ("seq", number(seq)), ("frame", bytes(&frame))],
                ),
                Action::Cancel(tab, seq) => {
                    self.emit("cancel", &[("tab", tab_name(tab)), ("seq", number(seq))]);
                }
                Action::Disconnect(tab) => {
                    self.watches.borrow_mut().remove(&tab);
                    self.emit("disconnect", &[("tab", tab_name(tab))]);
                }
            }
        }
        let wake_at = match &*self.role.borrow() {
            Role::Guest(guest) => guest.wake_at(),
            _ => None,
        };
        self.set_timer(wake_at);
        self.deliver();
    }

    /// Waits for the lock that a guest holds as long as it lives.
    fn watch(self: &Rc<Self>, tab: u64) {
        let this = Rc::downgrade(self);
        let gone = move |held: Result<bool, JsValue>| {
            if held.is_ok() {
                with(&this, |driver| driver.as_owner(|owner| owner.gone(tab)));
            }
        };
        if let Ok(lock) = Lock::request(&self.tab_lock(tab), Ask::Wait, Box::new(gone)) {
            self.watches.borrow_mut().insert(tab, lock);
        }
    }

    fn set_timer(&self, at: Option<i64>) {
        if let Some(timer) = self.timer.get() {
            timer.set(at);
        }
    }

    fn emit(&self, kind: &str, fields: &[(&str, JsValue)]) {
        let event = Object::new();
        for (name, value) in [("type", JsValue::from(kind))].iter().chain(fields) {
            // A plain object takes any property.
            let _ = Reflect::set(&event, &JsValue::from(*name), value);
        }
        self.events.borrow_mut().push_back(event.into());
    }

    /// Hands events over, in order, also when a handler causes further ones.
    fn deliver(&self) {
        if self.delivering.replace(true) {
            return;
        }
        loop {
            let next = self.events.borrow_mut().pop_front();
            let Some(event) = next else { break };
            if let Err(error) = self.on_event.call1(&JsValue::UNDEFINED, &event) {
                report(&error);
            }
        }
        self.delivering.set(false);
    }

    fn close(self: &Rc<Self>) {
        self.as_guest(|guest, _| guest.stop());
        self.as_owner(Owner::stop);
        *self.role.borrow_mut() = Role::Closed;
        self.events.borrow_mut().clear();
        self.set_timer(None);
        self.watches.take();
        self.channel.take();
        self.locks.take();
    }
}

fn with(driver: &Weak<Driver>, work: impl FnOnce(&Rc<Driver>)) {
    if let Some(driver) = driver.upgrade() {
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

fn random() -> Result<u64, JsValue> {
    getrandom::u64().map_err(|error| js_sys::Error::new(&error.to_string()).into())
}

fn unavailable() -> js_sys::Error {
    coded(
        "LOCKS_UNAVAILABLE",
        "This context has no Web Locks or no BroadcastChannel, so tabs cannot share a store here.",
    )
}

fn stolen() -> js_sys::Error {
    coded("FENCED", "another context has taken over the store")
}

fn coded(code: &str, message: &str) -> js_sys::Error {
    let error = js_sys::Error::new(message);
    // An ordinary object takes a property.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error
}

fn number(value: u64) -> JsValue {
    JsValue::from(value as f64)
}

fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn tab_name(tab: u64) -> JsValue {
    JsValue::from(format!("{tab:016x}"))
}

fn tab_id(name: &str) -> u64 {
    u64::from_str_radix(name, 16).unwrap_or_default()
}
