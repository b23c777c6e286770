//! The connection to a database of IndexedDB, which is opened anew once it is lost.
//!
//! Safari loses connections while a page sleeps, browsers close them when a user deletes a site's
//! data, and another context that deletes or upgrades the database asks for it to be closed.

use super::store::{StoreError, reason};
use super::timer::{Timer, now_ms};
use js_sys::Reflect;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{DomException, Event, IdbDatabase, IdbFactory, IdbRequest, IdbVersionChangeEvent};

/// How long a request to open may take before somebody is told: another context may have to close
/// the database first.
const STALL_MS: i64 = 3000;

/// Waits for the database.
type Waiter = Box<dyn FnOnce(Result<IdbDatabase, StoreError>)>;
/// Is told that the database was out of reach, and why, if it still is.
pub(super) type Disturbed = Box<dyn Fn(Option<String>)>;

/// Is told why opening takes so long.
pub(super) type OnStall = Rc<dyn Fn(String)>;

/// What a new database gets, and in which version.
pub(super) struct Layout {
    pub(super) version: u32,
    pub(super) stores: &'static [&'static str],
}

/// One database.
pub(super) struct Connection {
    name: String,
    layout: Layout,
    /// Whether a database that is not there is made.
    makes: bool,
    database: RefCell<Option<IdbDatabase>>,
    /// Handles what the database tells of itself.
    handler: OnceCell<Closure<dyn FnMut(Event)>>,
    waiters: RefCell<Vec<Waiter>>,
    is_opening: Cell<bool>,
    /// Is told why opening takes so long; without it, who waits is refused then.
    on_stall: RefCell<Option<OnStall>>,
    stall: OnceCell<Timer>,
    /// Opening takes long, and who wants the database is refused at once.
    is_stalled: Cell<bool>,
    on_disturbed: RefCell<Option<Disturbed>>,
    closed: Cell<bool>,
}

impl Connection {
    /// Nothing is opened yet.
    pub(super) fn new(name: String, layout: Layout, makes: bool, on_stall: OnStall) -> Rc<Self> {
        let connection = Rc::new(Self {
            name,
            layout,
            makes,
            database: RefCell::default(),
            handler: OnceCell::new(),
            waiters: RefCell::default(),
            is_opening: Cell::new(false),
            on_stall: RefCell::new(Some(on_stall)),
            stall: OnceCell::new(),
            is_stalled: Cell::new(false),
            on_disturbed: RefCell::default(),
            closed: Cell::new(false),
        });
        let this = Rc::downgrade(&connection);
        connection.handler.get_or_init(|| {
            Closure::new(move |event: Event| {
                if let Some(connection) = this.upgrade() {
                    connection.ended(&event);
                }
            })
        });
        let this = Rc::downgrade(&connection);
        connection.stall.get_or_init(|| {
            Timer::new(move || {
                if let Some(connection) = this.upgrade() {
                    connection.stalled("other contexts have not closed it yet");
                }
            })
        });
        connection
    }

    /// From now on, `handler` is told when the database was out of reach, and opening it again does
    /// not take as long as it likes.
    pub(super) fn watch(&self, handler: Disturbed) {
        *self.on_disturbed.borrow_mut() = Some(handler);
        *self.on_stall.borrow_mut() = None;
    }

    /// Whether it is open now.
    pub(super) fn is_open(&self) -> bool {
        self.database.borrow().is_some()
    }

    /// Calls `work` with the open database: at once, unless it has to be opened first.
    pub(super) fn with(
        self: &Rc<Self>,
        work: impl FnOnce(Result<IdbDatabase, StoreError>) + 'static,
    ) {
        if self.closed.get() {
            return work(Err(StoreError::unavailable("the store is closed")));
        }
        let open = self.database.borrow().clone();
        if let Some(database) = open {
            return work(Ok(database));
        }
        if self.is_stalled.get() {
            return work(Err(cannot_open("other contexts have not closed it yet")));
        }
        self.waiters.borrow_mut().push(Box::new(work));
        if self.is_opening.get() {
            return;
        }
        self.is_opening.set(true);
        if let Err(error) = self.open() {
            self.opened(Err(error));
        }
    }

    /// The database does not do what it should: it is closed, and opened anew when it is needed.
    pub(super) fn give_up(&self, broken: &IdbDatabase) {
        if self.database.borrow().as_ref() == Some(broken) {
            self.let_go();
        }
    }

    /// Closes it for good. What is under way still ends.
    pub(super) fn close(&self) {
        self.closed.set(true);
        *self.on_disturbed.borrow_mut() = None;
        self.let_go();
        self.answer(&Err(StoreError::unavailable("the store is closed")));
    }

    fn let_go(&self) {
        if let Some(database) = self.database.take() {
            database.set_onversionchange(None);
            database.set_onclose(None);
            database.close();
        }
    }

    fn open(self: &Rc<Self>) -> Result<(), StoreError> {
        let request = factory()?
            .open_with_u32(&self.name, self.layout.version)
            .map_err(|error| unusable(&error))?;
        if let Some(stall) = self.stall.get() {
            stall.set(Some(now_ms().saturating_add(STALL_MS)));
        }
        let (upgrading, stores, makes) = (request.clone(), self.layout.stores, self.makes);
        let upgrade = Closure::<dyn FnMut(Event)>::new(move |_| {
            let Ok(database) = upgrading.result() else { return };
            let database: IdbDatabase = database.unchecked_into();
            let makes_all = || stores.iter().all(|s| database.create_object_store(s).is_ok());
            if !makes || !makes_all() {
                // Nothing is left of the database then, and the request ends in an error.
                let _ = upgrading.transaction().map(|upgrade| upgrade.abort());
            }
        });
        let this = Rc::downgrade(self);
        let blocked = Closure::<dyn FnMut(Event)>::new(move |_| {
            if let Some(connection) = this.upgrade() {
                connection.stalled("another context has it open in an older version");
            }
        });
        request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
        request.set_onblocked(Some(blocked.as_ref().unchecked_ref()));
        let (this, asked) = (Rc::clone(self), request.clone());
        on_end(
            request.unchecked_ref(),
            Box::new(move |result| {
                asked.set_onupgradeneeded(None);
                asked.set_onblocked(None);
                drop((upgrade, blocked));
                this.opened(match result {
                    Ok(database) => Ok(database.unchecked_into()),
                    Err(error) => Err(unusable(&error)),
                });
            }),
        );
        Ok(())
    }

    fn opened(&self, result: Result<IdbDatabase, StoreError>) {
        self.is_opening.set(false);
        self.is_stalled.set(false);
        if let Some(stall) = self.stall.get() {
            stall.set(None);
        }
        if let Ok(database) = &result {
            if self.closed.get() {
                return database.close();
            }
            let handler = self.handler.get().map(|handler| handler.as_ref().unchecked_ref());
            database.set_onversionchange(handler);
            database.set_onclose(handler);
            *self.database.borrow_mut() = Some(database.clone());
            if self.waiters.borrow().is_empty() {
                // Who waited was refused meanwhile.
                self.disturb(None);
            }
        }
        self.answer(&result);
    }

    fn answer(&self, result: &Result<IdbDatabase, StoreError>) {
        for waiter in self.waiters.take() {
            waiter(result.clone());
        }
    }

    /// Opening takes long.
    fn stalled(&self, why: &str) {
        let error = cannot_open(why);
        let on_stall = self.on_stall.borrow().clone();
        if let Some(tell) = on_stall {
            return tell(error.message);
        }
        self.is_stalled.set(true);
        self.answer(&Err(error));
    }

    /// The browser has closed the database, or another context asks for that.
    fn ended(&self, event: &Event) {
        self.let_go();
        if event.type_() != "versionchange" {
            return self.disturb(None);
        }
        let change: &IdbVersionChangeEvent = event.unchecked_ref();
        self.disturb(Some(match change.new_version() {
            None => "another context deletes the database".to_owned(),
            Some(version) => {
                format!("another context makes the database one of version {}", version as u64)
            }
        }));
    }

    fn disturb(&self, reason: Option<String>) {
        let handler = self.on_disturbed.take();
        if let Some(handler) = handler {
            handler(reason);
            if !self.closed.get() {
                self.on_disturbed.borrow_mut().get_or_insert(handler);
            }
        }
    }
}

fn cannot_open(why: &str) -> StoreError {
    StoreError::unavailable(format!("the database cannot be opened: {why}"))
}

fn factory() -> Result<IdbFactory, StoreError> {
    let factory =
        Reflect::get(&js_sys::global(), &"indexedDB".into()).map_err(|error| unusable(&error))?;
    if factory.is_undefined() || factory.is_null() {
        return Err(StoreError::unavailable("this environment has no IndexedDB"));
    }
    Ok(factory.unchecked_into())
}

/// Why IndexedDB cannot be used.
pub(super) fn unusable(error: &JsValue) -> StoreError {
    let message = reason(error);
    match error.dyn_ref::<DomException>().map(DomException::name).as_deref() {
        Some("VersionError") => StoreError::too_new(message),
        _ => StoreError::unavailable(message),
    }
}

/// Tells the end of a request: exactly one of the two events comes, once.
pub(super) fn on_end(request: &IdbRequest, done: Box<dyn FnOnce(Result<JsValue, JsValue>)>) {
    let ended = request.clone();
    let handler = Closure::once_into_js(move |_: Event| {
        let error = ended.error().ok().flatten();
        done(match error {
            Some(error) => Err(error.into()),
            None => ended.result(),
        });
    });
    request.set_onsuccess(Some(handler.unchecked_ref()));
    request.set_onerror(Some(handler.unchecked_ref()));
}
