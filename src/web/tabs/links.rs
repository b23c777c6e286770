//! What ties a tab to the others: the channel, the lock of the name, and a lock for each tab, by which
//! others learn that it has ended.

use super::super::channel::Channel;
use super::super::locks::{self, Ask, Holding, Lock, Refused};
use super::super::timer::{after_ms, after_this_microtask, now_ms};
use super::driver::{Driver, with};
use crate::collections::Sorted;
use crate::replication::message::{Kind, Message, MessageError, VERSION};
use js_sys::Reflect;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What a tab has sent may arrive a little later than the news that it has ended, in milliseconds.
const GRACE_MS: f64 = 100.0;
/// A post that has become this long waits for no further message, in bytes.
const POST_LEN: usize = 256 * 1024;

/// More than a message has besides its payload, in bytes.
const BESIDE: usize = 100;

pub(super) struct Links {
    channel: Channel,
    /// What is about to be sent, in one post.
    post: Vec<u8>,
    /// This tab's own lock.
    _own: Lock,
    /// The lock of the name.
    name: Option<Lock>,
    /// The locks of other tabs.
    watches: Sorted<u64, Lock>,
}

impl Links {
    fn clear(&mut self) {
        self.post.clear();
        self.post.shrink_to(POST_LEN);
    }
}

impl Driver {
    /// Ties this tab to the others.
    pub(super) fn come(self: &Rc<Self>) -> Result<(), JsValue> {
        if self.links.borrow().is_some() || self.is_closed() {
            return Ok(());
        }
        let this = Rc::downgrade(self);
        let on_message = move |bytes: Vec<u8>| with(&this, |driver| driver.hear(&bytes));
        let channel = Channel::join(&self.name, on_message)?;
        let this = Rc::downgrade(self);
        let held = move |held: Result<(), Refused>| {
            with(&this, |driver| match held {
                Ok(()) => driver.update(|peer| peer.start(now_ms())),
                Err(refused) => driver.refused(refused),
            });
        };
        let own = Lock::request(&self.tab_lock(self.tab), Ask::Wait, Box::new(held))?;
        let (post, watches) = (Vec::new(), Sorted::new());
        let links = Links { channel, post, _own: own, name: None, watches };
        *self.links.borrow_mut() = Some(links);
        self.lane.borrow_mut().go_on();
        Ok(())
    }

    /// Lets go of the others.
    pub(super) fn part(&self) {
        self.links.take();
    }

    fn tab_lock(&self, tab: u64) -> String {
        format!("{}{tab:016x}", self.tab_prefix())
    }

    fn tab_prefix(&self) -> String {
        format!("{}:tab:", self.name)
    }

    fn hear(self: &Rc<Self>, bytes: &[u8]) {
        match Message::read_all(bytes) {
            Ok(messages) => self.receive(messages),
            Err(MessageError::Version(version)) if version > VERSION => self.outdated(),
            // It is to know at once, and not to lose patience first.
            Err(MessageError::Version(_)) => {
                let nobody = Message { to: self.tab, ..Message::new(Kind::Ping, self.tab, 0) };
                self.send(&nobody);
                self.flush();
            }
            Err(_) => {}
        }
    }

    /// Another tab speaks a newer version: the host stores what there is, and closes this one.
    fn outdated(&self) {
        if !self.is_outdated.replace(true) {
            let reason = "another tab runs a newer version of Lodis: reload this page";
            self.emit("failed", &[("error", coded("OUTDATED", reason))]);
            self.deliver();
        }
    }

    /// Sends a message with the next [`Driver::flush`].
    pub(super) fn send(&self, message: &Message) {
        if let Some(links) = &mut *self.links.borrow_mut() {
            let bytes = message.payload.len();
            if links.post.len() + bytes >= POST_LEN
                || links.post.try_reserve(bytes + BESIDE).is_err()
            {
                // Here it is not copied: there may be no memory for that.
                message.begin(&mut links.post);
                links.channel.send([&links.post, &message.payload]);
                links.clear();
            } else {
                message.post(&mut links.post);
            }
        }
    }

    /// Sends what there is to send, in one post.
    pub(super) fn flush(&self) {
        if let Some(links) = &mut *self.links.borrow_mut()
            && !links.post.is_empty()
        {
            links.channel.send([&links.post, &[]]);
            links.clear();
        }
    }

    /// Sends what there is to send at the end of this task, before anything else can happen.
    pub(super) fn flush_soon(self: &Rc<Self>) {
        if self.is_flush_planned.replace(true) {
            return;
        }
        let this = Rc::downgrade(self);
        after_this_microtask(Box::new(move || {
            with(&this, |driver| {
                driver.is_flush_planned.set(false);
                driver.flush();
            });
        }));
    }

    /// Asks for the lock of the name.
    pub(super) fn lock_name(self: &Rc<Self>, ask: Ask) {
        self.drop_name();
        let this = Rc::downgrade(self);
        let then = move |held: Result<(), Refused>| {
            with(&this, |driver| match held {
                Ok(()) => driver.update(|peer| peer.lock_granted()),
                Err(Refused::Stolen) => driver.update(|peer| peer.lock_lost(now_ms())),
                Err(refused) => driver.refused(refused),
            });
        };
        match Lock::request(&self.name, ask, Box::new(then)) {
            Ok(lock) => {
                if let Some(links) = &mut *self.links.borrow_mut() {
                    links.name = Some(lock);
                }
            }
            Err(error) => self.refused(Refused::Denied(error)),
        }
    }

    /// Lets go of the lock of the name, or of the wish for it.
    pub(super) fn drop_name(&self) {
        let lock = self.links.borrow_mut().as_mut().and_then(|links| links.name.take());
        drop(lock);
    }

    /// Without locks nobody can tell who leads.
    fn refused(self: &Rc<Self>, refused: Refused) {
        let cause = match refused {
            Refused::Denied(cause) => cause,
            Refused::Stolen => "another context has stolen the lock of this tab".into(),
        };
        self.fail(unavailable(&cause));
    }

    /// Tells the peer when another tab has ended.
    pub(super) fn watch(self: &Rc<Self>, tab: u64) {
        let this = Rc::downgrade(self);
        let ended = move |held: Result<(), Refused>| {
            if held.is_err() {
                return;
            }
            let this = this.clone();
            let gone = move || {
                with(&this, |driver| {
                    if driver.unwatch(tab) {
                        driver.update(|peer| peer.gone(tab));
                    }
                });
            };
            after_ms(GRACE_MS, Box::new(gone));
        };
        let lock = Lock::request(&self.tab_lock(tab), Ask::Wait, Box::new(ended));
        if let (Ok(lock), Some(links)) = (lock, &mut *self.links.borrow_mut()) {
            links.watches.insert(tab, lock);
        }
    }

    /// Looks for the end of a tab no longer; whether it did.
    pub(super) fn unwatch(&self, tab: u64) -> bool {
        let mut links = self.links.borrow_mut();
        links.as_mut().is_some_and(|links| links.watches.remove(&tab).is_some())
    }

    /// Tells the peer which tabs there are.
    pub(super) fn ask_tabs(self: &Rc<Self>) {
        self.query(|driver, holdings| {
            let prefix = driver.tab_prefix();
            let tab =
                |lock: &Holding| u64::from_str_radix(lock.name.strip_prefix(&prefix)?, 16).ok();
            let tabs: Vec<u64> = holdings.iter().filter_map(tab).collect();
            driver.update(|peer| peer.tabs_alive(&tabs, now_ms()));
        });
    }

    /// Tells the peer whether the lock of the name is still this tab's: that of the same page or worker
    /// as this tab's own lock, and not known to be lost.
    pub(super) fn verify_lock(self: &Rc<Self>) {
        self.query(|driver, holdings| {
            let client = |name: &str| {
                holdings.iter().find(|lock| lock.name == name).map(|lock| lock.client.as_str())
            };
            let own = client(&driver.tab_lock(driver.tab));
            let is_held = {
                let links = driver.links.borrow();
                let lock = links.as_ref().and_then(|links| links.name.as_ref());
                lock.is_some_and(Lock::is_held)
            };
            let is_mine = is_held && own.is_some() && client(&driver.name) == own;
            driver.update(
                |peer| {
                    if is_mine { peer.turned(now_ms()) } else { peer.lock_lost(now_ms()) }
                },
            );
        });
    }

    fn query(self: &Rc<Self>, then: impl FnOnce(&Rc<Self>, &[Holding]) + 'static) {
        let this = Rc::downgrade(self);
        locks::query(move |holdings| {
            with(&this, |driver| match holdings {
                Ok(holdings) => then(driver, &holdings),
                Err(error) => driver.refused(Refused::Denied(error)),
            });
        });
    }
}

/// Where tabs cannot share a name.
pub(super) fn unavailable(cause: &JsValue) -> JsValue {
    let error = coded(
        "LOCKS_UNAVAILABLE",
        "This context has no Web Locks or no BroadcastChannel, so tabs cannot share a store here.",
    );
    let name = JsValue::from("cause");
    // An ordinary object takes a property.
    let _ = Reflect::set(&error, &name, cause);
    error
}

pub(super) fn coded(code: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    // An ordinary object takes a property.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}
