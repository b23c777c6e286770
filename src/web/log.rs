//! `Log`: the persistence of one [`Lodis`] in a store, as JavaScript sees it.
//!
//! Drives [`crate::persist::log`] and [`crate::persist::replay`]. While JavaScript runs (a call
//! into the browser, an event handler), nothing here is borrowed.

use super::adapter::{Adapter, StoreCalls};
use super::connection::OnStall;
use super::facade::{Core, Lodis};
use super::indexed_db::IndexedDb;
use super::opening::Opening;
use super::store::{AppendError, Claim, Claimant, FENCED, Store, StoreError};
use super::timer::{TICK_MS, Timer, after_this_task, elapsed_ms, now_ms};
use crate::engine::config::{AppendFsync, Config};
use crate::engine::rdb::file::Purpose;
use crate::engine::status::Requests;
use crate::persist::lineage::Lineage;
use crate::persist::log::{Action, Durability, Log as Manager, Settings, Transaction};
use crate::persist::manifest::Manifest;
use js_sys::{Function, Promise, Reflect};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// What is written of a snapshot between two looks at the clock, in bytes.
pub(super) const SNAPSHOT_STEP: usize = 16 * 1024;
/// A piece of a base has at least so many bytes, unless it is the last.
pub(super) const PIECE_LEN: usize = 128 * 1024;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
export interface LogOptions {
  /** Record effects; what a store has recorded is loaded in any case, and goes on being recorded. */
  appendOnly: boolean;
  appendFsync: "always" | "everysec" | "no";
}
/**
 * "durable": stored up to this offset; "failed": writes are refused, for this reason; "recovered";
 * "fenced": another context owns the store now; "lost": what was stored is gone, for this reason, and
 * is written anew, after which "recovered" comes; "blocked": opening waits for other contexts;
 * "progress": 0..1 while loading; "cut": the end of the log was not whole and has been cut, for this
 * reason; "rewritten": the log has a new base; "rewriteFailed": it could not be written, for this
 * reason.
 */
export type LogEvent =
  | "durable" | "failed" | "recovered" | "fenced" | "lost" | "blocked" | "progress" | "cut"
  | "rewritten" | "rewriteFailed";
"#;

#[wasm_bindgen]
extern "C" {
    /// How a log is kept.
    #[wasm_bindgen(js_name = Object, typescript_type = "LogOptions")]
    pub type LogOptions;
    #[wasm_bindgen(method, getter, js_name = appendOnly)]
    fn append_only(this: &LogOptions) -> bool;
    #[wasm_bindgen(method, getter, js_name = appendFsync)]
    fn append_fsync(this: &LogOptions) -> String;
}

/// The same, read.
#[derive(Clone, Copy)]
pub(super) struct Keeping {
    pub(super) append_only: bool,
    append_fsync: AppendFsync,
}

impl Keeping {
    pub(super) fn of(options: &LogOptions) -> Result<Self, JsError> {
        let append_fsync = match options.append_fsync().as_str() {
            "always" => AppendFsync::Always,
            "everysec" => AppendFsync::Everysec,
            "no" => AppendFsync::No,
            _ => return Err(JsError::new("appendFsync is \"always\", \"everysec\" or \"no\"")),
        };
        Ok(Self { append_only: options.append_only(), append_fsync })
    }
}

/// Persistence of one engine.
#[wasm_bindgen]
pub struct Log {
    pub(super) driver: Rc<Driver>,
}

#[wasm_bindgen]
impl Log {
    /// Opens a store, or the database `lodis:<name>`, replays it into `lodis`, which must be fresh,
    /// takes the store over, and records effects from then on.
    ///
    /// Rejects with an `Error` that has a `code`: `STORE_UNAVAILABLE`, `STORE_LOCKED`,
    /// `STORE_TOO_NEW` or `STORE_CORRUPT`. After that, `lodis` may hold a part of the log and must
    /// not be used.
    #[wasm_bindgen(unchecked_return_type = "Promise<Log>")]
    pub fn open(
        lodis: &Lodis,
        #[wasm_bindgen(unchecked_param_type = "string | StoreCalls")] store: JsValue,
        options: &LogOptions,
        #[wasm_bindgen(unchecked_param_type = "(type: LogEvent, value: number | string) => void")]
        on_event: Function,
    ) -> Result<Promise, JsError> {
        let options = Keeping::of(options)?;
        let core = lodis.core();
        let (promise, settle) = promise();
        let settle = move |opened: Result<Rc<Driver>, StoreError>| match opened {
            Ok(driver) => settle(Ok(Log { driver }.into())),
            Err(error) => settle(Err(js_error(error.code, &error.message))),
        };
        let Some(name) = store.as_string() else {
            let store = Rc::new(Adapter::new(store.unchecked_into::<StoreCalls>()));
            Opening::claim(core, store, options, on_event, Box::new(settle));
            return Ok(promise);
        };
        IndexedDb::open(&name, on_stall(&on_event), move |store| match store {
            Ok(store) => Opening::claim(core, Rc::new(store), options, on_event, Box::new(settle)),
            Err(error) => settle(Err(error)),
        });
        Ok(promise)
    }

    /// Reads what can be read of a store, or of the database `lodis:<name>`, into `lodis`, which must be
    /// fresh, and leaves it as it is. Answers what could not be read: `undefined` if it is whole.
    #[wasm_bindgen(unchecked_return_type = "Promise<string | undefined>")]
    pub fn salvage(
        lodis: &Lodis,
        #[wasm_bindgen(unchecked_param_type = "string | StoreCalls")] store: JsValue,
        #[wasm_bindgen(unchecked_param_type = "(type: LogEvent, value: number | string) => void")]
        on_event: Function,
    ) -> Promise {
        let core = lodis.core();
        let (promise, settle) = promise();
        let salvaged = move |result: Result<Option<String>, StoreError>| {
            settle(match result {
                Ok(missing) => Ok(missing.map_or(JsValue::UNDEFINED, JsValue::from)),
                Err(error) => Err(js_error(error.code, &error.message)),
            });
        };
        let Some(name) = store.as_string() else {
            let store = Rc::new(Adapter::new(store.unchecked_into::<StoreCalls>()));
            Opening::salvage(core, store, on_event, Box::new(salvaged));
            return promise;
        };
        IndexedDb::open_existing(&name, on_stall(&on_event), move |store| match store {
            Ok(store) => Opening::salvage(core, Rc::new(store), on_event, Box::new(salvaged)),
            Err(error) => salvaged(Err(error)),
        });
        promise
    }

    /// The effect stream advanced, or a setting may have changed. `now_ms`: Unix milliseconds.
    pub fn written(&self, now_ms: f64) {
        self.driver.collect(now_ms as i64);
        self.driver.pump();
    }

    /// Every effect before this offset is stored.
    #[wasm_bindgen(js_name = durableOffset)]
    pub fn durable_offset(&self) -> f64 {
        self.driver.durable() as f64
    }

    /// Whether everything that is to be stored is.
    #[wasm_bindgen(js_name = isSaved)]
    pub fn is_saved(&self) -> bool {
        let driver = &self.driver;
        let (manager, core) = (driver.manager.borrow(), driver.core.borrow());
        let is_collected = manager.end() >= core.engine.effects.offset();
        manager.is_saved() && (is_collected || !manager.settings().append_only)
    }

    /// Whether a write may be acknowledged only once it is stored.
    #[wasm_bindgen(js_name = waitsForStore)]
    pub fn waits_for_store(&self) -> bool {
        self.driver.waits_for_store()
    }

    /// Stores everything there is now, strictly. Answers the offset up to which everything is
    /// stored; rejects with the reason if that fails, and goes on trying all the same.
    #[wasm_bindgen(unchecked_return_type = "Promise<number>")]
    pub fn flush(&self) -> Promise {
        let (promise, settle) = promise();
        self.driver.flush_then(move |result| {
            let offset = result.map(|offset| JsValue::from_f64(offset as f64));
            settle(offset.map_err(|why| js_error("STORE_FAILED", &why)));
        });
        promise
    }

    /// The page is hidden, or about to end: starts to store what waits.
    pub fn hidden(&self) {
        self.driver.hidden();
    }

    /// Why writes are refused, while they are.
    pub fn error(&self) -> Option<String> {
        self.driver.manager.borrow().failure().map(str::to_owned)
    }

    /// Closes the connection and stops the timer; what is not stored yet is not stored any more.
    pub fn abandon(&self) {
        self.driver.shut();
    }

    /// Flushes, closes the connection and stops the timer. Rejects if the flush failed: what is
    /// not stored is then lost. What is written afterwards is not stored.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn close(&self) -> Promise {
        if self.driver.closed.get() {
            return Promise::resolve(&JsValue::UNDEFINED);
        }
        let (promise, settle) = promise();
        let driver = Rc::clone(&self.driver);
        self.driver.flush_then(move |result| {
            driver.shut();
            settle(result.map(|_| JsValue::UNDEFINED).map_err(|r| js_error("STORE_FAILED", &r)));
        });
        promise
    }
}

/// Settles a promise once a flush is done or has failed.
type Waiter = Box<dyn FnOnce(Result<u64, String>)>;

/// Who follows the stream that a log records.
pub(super) trait Audience {
    /// The next stretch of it; everything before `stored` is in the store.
    fn written(&self, stretch: &[u8], stored: u64);
    /// Everything was replaced, which the stream does not tell; it goes on at this offset.
    fn replaced(&self, offset: u64);
    /// The settings that were changed are these now.
    fn configured(&self, changes: Vec<u8>);
    /// Whether the store has the stream.
    fn recording(&self, holds_stream: bool);
    /// The store knows who leads.
    fn led(self: Rc<Self>);
    /// More of it is in the store.
    fn durable(self: Rc<Self>);
    /// The store cannot be written, for this reason.
    fn failed(self: Rc<Self>, reason: &str);
    /// The store has another owner.
    fn fenced(self: Rc<Self>);
}

/// An open store with its log manager.
pub(super) struct Driver {
    core: Rc<RefCell<Core>>,
    store: Rc<dyn Store>,
    manager: RefCell<Manager>,
    audience: OnceCell<Weak<dyn Audience>>,
    pub(super) on_event: Function,
    timer: OnceCell<Timer>,
    waiters: RefCell<Vec<(u64, Waiter)>>,
    /// The generation of the settings that the manager knows.
    generation: Cell<u64>,
    closed: Cell<bool>,
    /// The page may end before it sees another event.
    leaving: Cell<bool>,
    /// A transaction that the next task begins.
    deferred: RefCell<Option<Rc<Transaction>>>,
    /// A task is to come that goes on with the rewrite.
    is_rewriting: Cell<bool>,
}

impl Driver {
    pub(super) fn new(
        core: Rc<RefCell<Core>>,
        store: Rc<dyn Store>,
        options: Keeping,
        on_event: Function,
        claim: Claim,
        offset: u64,
    ) -> Rc<Self> {
        let Claim { manifest, refused, .. } = claim;
        let (settings, generation) = {
            let config = &mut core.borrow_mut().engine.config;
            config.append_only = manifest.recording || options.append_only;
            config.append_fsync = options.append_fsync;
            (settings(config), config.generation)
        };
        let mut manager = Manager::new(settings, manifest, offset, now_ms());
        if let Some(why) = refused {
            manager.claim_later(&why, now_ms());
        }
        let manager = RefCell::new(manager);
        Rc::new(Self {
            core,
            store,
            manager,
            audience: OnceCell::new(),
            on_event,
            timer: OnceCell::new(),
            waiters: RefCell::default(),
            generation: Cell::new(generation),
            closed: Cell::new(false),
            leaving: Cell::new(false),
            deferred: RefCell::default(),
            is_rewriting: Cell::new(false),
        })
    }

    /// Begins to record.
    pub(super) fn start(self: &Rc<Self>) {
        let driver = Rc::downgrade(self);
        self.timer.get_or_init(|| {
            Timer::new(move || {
                if let Some(driver) = driver.upgrade() {
                    driver.manager.borrow_mut().wake(now_ms());
                    driver.pump();
                }
            })
        });
        let driver = Rc::downgrade(self);
        self.store.watch(Box::new(move |reason| {
            if let Some(driver) = driver.upgrade() {
                driver.manager.borrow_mut().disturbed(reason.as_deref(), now_ms());
                driver.pump();
            }
        }));
        let mut core = self.core.borrow_mut();
        let engine = &mut core.engine;
        engine.effects.set_enabled(engine.config.append_only || self.audience.get().is_some());
        self.manager.borrow().report(&mut engine.persistence);
        drop(core);
        self.pump();
    }

    /// Takes what the engine has recorded, and obeys changed settings and requests.
    pub(super) fn collect(&self, now: i64) {
        if self.closed.get() {
            return;
        }
        let engine = &mut self.core.borrow_mut().engine;
        let manager = &mut *self.manager.borrow_mut();
        let Requests { rewrite, durable_offset, replaced_at } =
            std::mem::take(&mut engine.persistence.requests);
        let (audience, stored) = (self.audience.get().and_then(Weak::upgrade), manager.durable());
        let seen = |stretch: &[u8]| {
            if let Some(audience) = &audience {
                audience.written(stretch, stored);
            }
        };
        manager.take(&mut engine.effects, replaced_at, seen, now);
        if let (Some(audience), Some(_)) = (&audience, replaced_at) {
            audience.replaced(engine.effects.offset());
        }
        if rewrite {
            manager.want_rewrite(now);
        }
        manager.want_strict(durable_offset, now);
        if self.generation.replace(engine.config.generation) == engine.config.generation {
            return;
        }
        manager.set_settings(settings(&engine.config), now);
        if let Some(audience) = &audience {
            audience.configured(engine.config.changes());
        }
        match (manager.settings().append_only, engine.config.append_only) {
            (true, false) if audience.is_some() => {
                // Others have followed the stream up to here.
                manager.stop_recording(now);
                manager.go_on_at(engine.effects.offset());
            }
            (true, false) => {
                engine.effects.set_enabled(false);
                manager.stop_recording(now);
                engine.effects.resume_at(manager.end());
            }
            (false, true) => {
                if audience.is_none() {
                    engine.effects.resume_at(manager.end());
                    engine.effects.set_enabled(true);
                }
                manager.start_recording(now);
            }
            _ => {}
        }
    }

    /// Tells `audience` from now on what becomes of the stream, which this log's engine leads. `lineage`
    /// and `tail` are those of [`Manager::lead`], or with `offset` of [`Manager::lead_anew`].
    pub(super) fn lead(
        self: &Rc<Self>,
        audience: Weak<dyn Audience>,
        lineage: Lineage,
        offset: u64,
        tail: Vec<Vec<u8>>,
        anew: bool,
    ) {
        // Set once, here.
        let _ = self.audience.set(audience);
        let now = now_ms();
        {
            let mut manager = self.manager.borrow_mut();
            if anew {
                manager.lead_anew(lineage, offset, now);
            } else {
                manager.lead(lineage, tail.into_iter(), now);
            }
        }
        self.start();
    }

    /// Does what the manager asks for, until there is nothing more.
    pub(super) fn pump(self: &Rc<Self>) {
        loop {
            let action = {
                let mut manager = self.manager.borrow_mut();
                let action = manager.next_action();
                if !self.closed.get() {
                    let engine = &mut self.core.borrow_mut().engine;
                    manager.report(&mut engine.persistence);
                    engine.serve_durable();
                }
                action
            };
            let Some(action) = action else { break };
            self.perform(action);
        }
        let holds_stream = self.manager.borrow().holds_stream();
        self.tell_audience(|audience| audience.recording(holds_stream));
        self.go_on_rewriting();
        let wake_at = if self.closed.get() { None } else { self.manager.borrow().wake_at() };
        if let Some(timer) = self.timer.get() {
            timer.set(wake_at);
        }
    }

    fn perform(self: &Rc<Self>, action: Action) {
        let is_answer = matches!(action, Action::Flushed(_) | Action::FlushFailed(_));
        if self.closed.get() && !is_answer {
            return;
        }
        match action {
            Action::Store(transaction, Durability::Relaxed) if !self.leaving.get() => {
                // Nobody waits for it: what this task has done already may have taken its time.
                *self.deferred.borrow_mut() = Some(transaction);
                let driver = Rc::clone(self);
                after_this_task(Box::new(move || driver.store_deferred()));
            }
            Action::Store(transaction, durability) => self.append(transaction, durability),
            Action::Claim(manifest) => self.claim(manifest),
            Action::Led => self.tell_audience(|audience| audience.led()),
            Action::Lost(why) => tell(&self.on_event, "lost", why.into()),
            Action::Durable(offset) => {
                self.tell_audience(|audience| audience.durable());
                tell(&self.on_event, "durable", (offset as f64).into());
            }
            Action::Failed(why) => {
                tell(&self.on_event, "failed", why.as_str().into());
                self.tell_audience(|audience| audience.failed(&why));
            }
            Action::Recovered => tell(&self.on_event, "recovered", "".into()),
            Action::Fenced if self.audience.get().is_some() => {
                self.tell_audience(|audience| audience.fenced());
            }
            Action::Fenced => tell(&self.on_event, "fenced", "".into()),
            Action::Flushed(offset) => self.answer_waiters(offset, &Ok(offset)),
            Action::FlushFailed(why) => self.answer_waiters(u64::MAX, &Err(why)),
            Action::Rewrite => self.begin_rewrite(),
            Action::Rewritten => self.end_rewrite(None),
            Action::RewriteFailed(why) => self.end_rewrite(Some(why)),
        }
    }

    fn tell_audience(&self, tell: impl FnOnce(Rc<dyn Audience>)) {
        if let Some(audience) = self.audience.get().and_then(Weak::upgrade) {
            tell(audience);
        }
    }

    /// The offset up to which everything is stored.
    pub(super) fn durable(&self) -> u64 {
        self.manager.borrow().durable()
    }

    /// Whether the store cannot be written at the moment.
    pub(super) fn is_failing(&self) -> bool {
        self.manager.borrow().failure().is_some()
    }

    /// Whether a write may be acknowledged only once it is stored.
    pub(super) fn waits_for_store(&self) -> bool {
        let settings = self.manager.borrow().settings();
        settings.append_only && settings.append_fsync == AppendFsync::Always
    }

    /// The base is the keyspace as it is now: after everything that the manager has been given.
    fn begin_rewrite(self: &Rc<Self>) {
        let now = now_ms();
        self.collect(now);
        {
            let engine = &mut self.core.borrow_mut().engine;
            if !engine.begin_snapshot(Purpose::Keep, &[]) {
                return self.manager.borrow_mut().put_rewrite_off(now);
            }
            engine.persistence.rewrite_began_ms = now;
            self.manager.borrow_mut().begin_rewrite(now);
        }
        self.go_on_rewriting();
    }

    /// Has the next task write more of the base, if the store can take it.
    fn go_on_rewriting(self: &Rc<Self>) {
        if self.closed.get()
            || !self.manager.borrow().wants_pieces()
            || self.is_rewriting.replace(true)
        {
            return;
        }
        let driver = Rc::clone(self);
        after_this_task(Box::new(move || {
            driver.is_rewriting.set(false);
            driver.write_base();
            driver.pump();
        }));
    }

    /// Writes some of the base, for one slice of time.
    fn write_base(&self) {
        let started = elapsed_ms();
        let engine = &mut self.core.borrow_mut().engine;
        let manager = &mut *self.manager.borrow_mut();
        while manager.wants_pieces() && elapsed_ms() - started < TICK_MS {
            let is_complete = engine.step_snapshot(SNAPSHOT_STEP);
            if is_complete || engine.snapshot_len() >= PIECE_LEN {
                manager.add_piece(engine.take_snapshot(), now_ms());
            }
            if is_complete {
                manager.finish_rewrite(now_ms());
            }
        }
    }

    fn end_rewrite(&self, error: Option<String>) {
        {
            let engine = &mut self.core.borrow_mut().engine;
            engine.end_snapshot();
            engine.persistence.saved(error.clone(), now_ms());
        }
        match error {
            None => tell(&self.on_event, "rewritten", "".into()),
            Some(why) => tell(&self.on_event, "rewriteFailed", why.into()),
        }
    }

    /// Starts to store what waits: the page may end before it sees another event.
    pub(super) fn hidden(self: &Rc<Self>) {
        if self.closed.get() {
            return;
        }
        let now = now_ms();
        self.collect(now);
        self.manager.borrow_mut().hidden(now);
        self.leaving.set(true);
        self.store_deferred();
        self.pump();
        self.leaving.set(false);
    }

    fn store_deferred(self: &Rc<Self>) {
        let deferred = self.deferred.take().filter(|_| !self.closed.get());
        if let Some(transaction) = deferred {
            self.append(transaction, Durability::Relaxed);
        }
    }

    fn append(self: &Rc<Self>, transaction: Rc<Transaction>, durability: Durability) {
        let driver = Rc::clone(self);
        let done = move |result| {
            let now = now_ms();
            {
                let mut manager = driver.manager.borrow_mut();
                match result {
                    Ok(()) => manager.stored(now),
                    Err(AppendError::Failed(why)) => manager.failed(&why, now),
                    Err(AppendError::Lost(why)) => manager.lost(&why, now),
                    Err(AppendError::Fenced) => manager.fenced(),
                }
            }
            driver.pump();
        };
        self.store.append(transaction, durability, self.leaving.get(), Box::new(done));
    }

    /// Begins anew in a store that was emptied.
    fn claim(self: &Rc<Self>, manifest: Manifest) {
        let driver = Rc::clone(self);
        let claimant = Claimant { append_only: false, now_ms: now_ms(), anew: Some(manifest) };
        let done = move |claimed: Result<Claim, StoreError>| {
            {
                let mut manager = driver.manager.borrow_mut();
                match claimed {
                    Ok(_) => manager.claimed(now_ms()),
                    Err(error) if error.code == FENCED => manager.fenced(),
                    Err(error) => manager.failed(&error.message, now_ms()),
                }
            }
            driver.pump();
        };
        self.store.claim(claimant, Box::new(done));
    }

    /// Answers those who wait for an offset up to this one.
    fn answer_waiters(&self, up_to: u64, result: &Result<u64, String>) {
        let (answered, others): (Vec<_>, Vec<_>) =
            self.waiters.take().into_iter().partition(|(to, _)| *to <= up_to);
        *self.waiters.borrow_mut() = others;
        answered.into_iter().for_each(|(_, waiter)| waiter(result.clone()));
    }

    fn flush_then(self: &Rc<Self>, waiter: impl FnOnce(Result<u64, String>) + 'static) {
        if self.closed.get() {
            return waiter(Err("the log is closed".to_owned()));
        }
        let now = now_ms();
        self.collect(now);
        {
            let mut manager = self.manager.borrow_mut();
            self.waiters.borrow_mut().push((manager.end(), Box::new(waiter)));
            manager.flush(now);
        }
        self.pump();
    }

    /// Ends everything: no timer, no connection, no effects.
    fn shut(&self) {
        if !self.closed.get() {
            self.store.close();
            self.end();
        }
    }

    /// Ends recording: no timer, no effects. The store stays open; what is under way there still ends.
    pub(super) fn end(&self) {
        if self.closed.replace(true) {
            return;
        }
        if let Some(timer) = self.timer.get() {
            timer.set(None);
        }
        self.answer_waiters(u64::MAX, &Err("the log is closed".to_owned()));
        let engine = &mut self.core.borrow_mut().engine;
        engine.effects.set_enabled(false);
        // One that is made for a file goes on.
        if engine.snapshot_purpose() == Some(Purpose::Keep) {
            engine.end_snapshot();
        }
        engine.persistence.attached = false;
    }
}

/// What of the settings the manager obeys.
fn settings(config: &Config) -> Settings {
    Settings {
        append_only: config.append_only,
        append_fsync: config.append_fsync,
        rewrite_percentage: config.rewrite_percentage,
        rewrite_min_size: config.rewrite_min_size,
    }
}

pub(super) fn on_stall(on_event: &Function) -> OnStall {
    let on_event = on_event.clone();
    Rc::new(move |why| tell(&on_event, "blocked", why.into()))
}

/// Calls the handler of events. What it throws is its own affair, and reported as uncaught.
pub(super) fn tell(on_event: &Function, kind: &str, value: JsValue) {
    if let Err(thrown) = on_event.call2(&JsValue::UNDEFINED, &kind.into(), &value) {
        after_this_task(Box::new(move || wasm_bindgen::throw_val(thrown)));
    }
}

/// An `Error` with a `code`.
pub(super) fn js_error(code: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(&format!("{code}: {message}"));
    // An ordinary object takes a property.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

/// A promise, and what settles it.
fn promise() -> (Promise, impl FnOnce(Result<JsValue, JsValue>) + 'static) {
    let mut functions = None;
    let promise = Promise::new(&mut |resolve, reject| functions = Some((resolve, reject)));
    let settle = move |result: Result<JsValue, JsValue>| {
        let Some((resolve, reject)) = functions else { return };
        // The functions of a promise do not throw.
        let _ = match result {
            Ok(value) => resolve.call1(&JsValue::UNDEFINED, &value),
            Err(error) => reject.call1(&JsValue::UNDEFINED, &error),
        };
    };
    (promise, settle)
}
