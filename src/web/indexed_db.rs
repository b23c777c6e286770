//! IndexedDB as a store of the log: a thin driver, in windows and workers alike.
//!
//! The database `lodis:<name>` has two object stores: `log` (key: offset in the effect stream,
//! value: a record as `Uint8Array`) and `meta` (key `manifest`, value: the manifest). Each
//! transaction is built synchronously; its end is told to a callback, once.

use crate::persist::log::{Durability, Transaction};
use crate::persist::manifest::Manifest;
use crate::persist::record::RecordError;
use crate::persist::replay::Repair;
use js_sys::{Array, Reflect, Uint8Array};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{
    DomException, Event, IdbCursor, IdbCursorDirection, IdbDatabase, IdbFactory, IdbKeyRange,
    IdbObjectStore, IdbOpenDbRequest, IdbRequest, IdbTransaction, IdbTransactionMode,
};

/// The version of the database's layout. A browser refuses to open a database of a higher one.
const DATABASE_VERSION: u32 = 1;
const LOG: &str = "log";
const META: &str = "meta";
const MANIFEST: &str = "manifest";
/// Bytes of records that are written in one task: a millisecond or two.
const WRITE_LEN: usize = 256 * 1024;

#[wasm_bindgen]
extern "C" {
    /// `IDBDatabase` with the third argument of `transaction`, which web-sys counts as unstable.
    #[wasm_bindgen(extends = js_sys::Object)]
    type DurableDatabase;

    #[wasm_bindgen(method, catch, js_name = transaction)]
    fn transaction(
        this: &DurableDatabase,
        stores: &JsValue,
        mode: &str,
        options: &JsValue,
    ) -> Result<IdbTransaction, JsValue>;

    /// `IDBTransaction` with `commit`, which web-sys calls deprecated and the standard does not.
    #[wasm_bindgen(extends = js_sys::Object)]
    type CommittedTransaction;

    #[wasm_bindgen(method, catch)]
    fn commit(this: &CommittedTransaction) -> Result<(), JsValue>;
}

/// Why a store cannot be used.
#[derive(Clone, Debug)]
pub(super) struct StoreError {
    /// `STORE_UNAVAILABLE`, `STORE_TOO_NEW` or `STORE_CORRUPT`.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: String,
}

impl StoreError {
    /// IndexedDB is missing or has refused.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self { code: "STORE_UNAVAILABLE", message: message.into() }
    }

    /// What is stored cannot be understood.
    pub(super) fn corrupt(message: impl Into<String>) -> Self {
        Self { code: "STORE_CORRUPT", message: message.into() }
    }

    /// A newer program has written it.
    pub(super) fn too_new(message: impl Into<String>) -> Self {
        Self { code: "STORE_TOO_NEW", message: message.into() }
    }

    fn from_js(value: &JsValue) -> Self {
        let message = reason(value);
        match value.dyn_ref::<DomException>().map(DomException::name).as_deref() {
            Some("VersionError") => Self::too_new(message),
            _ => Self::unavailable(message),
        }
    }
}

/// How an append ended without being stored.
#[derive(Clone, Debug)]
pub(super) enum AppendError {
    /// Another epoch is in the manifest.
    Fenced,
    /// The transaction was aborted, for this reason.
    Failed(String),
}

/// What a new owner finds.
pub(super) struct Claim {
    /// The manifest with the epoch raised, as it now is in the store.
    pub(super) manifest: Manifest,
    /// The offset of the last record.
    pub(super) last: Option<u64>,
}

/// A record that is not in the module's memory yet.
pub(super) struct StoredRecord(JsValue);

impl StoredRecord {
    /// Its length in bytes, if it is one.
    pub(super) fn len(&self) -> usize {
        self.0.dyn_ref::<Uint8Array>().map_or(0, |bytes| bytes.length() as usize)
    }

    /// The encoded record.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, StoreError> {
        to_bytes(&self.0)
    }
}

/// An open database. A clone is the same connection.
#[derive(Clone)]
pub(super) struct Store {
    database: IdbDatabase,
    closed: Rc<Cell<bool>>,
    _on_version_change: Rc<Closure<dyn FnMut(Event)>>,
}

impl Store {
    /// Opens, or makes, the database of `name`.
    pub(super) fn open(name: &str, done: impl FnOnce(Result<Store, StoreError>) + 'static) {
        let request = match open_request(name) {
            Ok(request) => request,
            Err(error) => return done(Err(error)),
        };
        let upgrading = request.clone();
        let upgrade = Closure::<dyn FnMut(Event)>::new(move |_| {
            let Ok(database) = upgrading.result() else { return };
            let database: IdbDatabase = database.unchecked_into();
            // A failure here aborts the upgrade, and the request ends in an error.
            for store in [LOG, META] {
                if database.create_object_store(store).is_err() {
                    database.close();
                }
            }
        });
        request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
        on_end(
            request.clone().unchecked_ref(),
            Box::new(move |result| {
                request.set_onupgradeneeded(None);
                drop(upgrade);
                done(match result {
                    Ok(database) => Ok(Store::new(database.unchecked_into())),
                    Err(error) => Err(StoreError::from_js(&error)),
                });
            }),
        );
    }

    fn new(database: IdbDatabase) -> Self {
        let closed = Rc::new(Cell::new(false));
        let (closing, flag) = (database.clone(), Rc::clone(&closed));
        let on_version_change = Closure::<dyn FnMut(Event)>::new(move |_| {
            flag.set(true);
            closing.close();
        });
        let handler: &js_sys::Function = on_version_change.as_ref().unchecked_ref();
        database.set_onversionchange(Some(handler));
        database.set_onclose(Some(handler));
        Self { database, closed, _on_version_change: Rc::new(on_version_change) }
    }

    /// Closes the connection. What is under way still ends.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.database.set_onversionchange(None);
        self.database.set_onclose(None);
        self.database.close();
    }

    /// Raises the epoch, and says whether effects are recorded from now on. A store that cannot be
    /// understood is left as it is.
    pub(super) fn claim(
        &self,
        append_only: bool,
        now_ms: i64,
        done: impl FnOnce(Result<Claim, StoreError>) + 'static,
    ) {
        let transaction = match self.begin(Durability::Strict) {
            Ok(transaction) => transaction,
            Err(error) => return done(Err(StoreError::from_js(&error))),
        };
        let found: Rc<RefCell<Option<Result<Claim, StoreError>>>> = Rc::default();
        let last: Rc<Cell<Option<u64>>> = Rc::default();
        let begun = (|| {
            let (log, meta) = (transaction.object_store(LOG)?, transaction.object_store(META)?);
            let direction = IdbCursorDirection::Prev;
            let everything = JsValue::UNDEFINED;
            let cursor = log.open_key_cursor_with_range_and_direction(&everything, direction)?;
            let seen = Rc::clone(&last);
            on_end(&cursor, Box::new(move |result| seen.set(result.ok().and_then(|c| key_of(&c)))));
            let manifest = meta.get(&MANIFEST.into())?;
            let (found, last) = (Rc::clone(&found), Rc::clone(&last));
            let aborting = transaction.clone();
            on_end(
                &manifest,
                Box::new(move |result| {
                    let Ok(value) = result else { return };
                    let raised = raise(&value, last.get(), append_only, now_ms);
                    let written = raised.and_then(|manifest| {
                        let claim = Claim { manifest, last: last.get() };
                        put(&meta, MANIFEST.into(), &manifest.encode())
                            .map_err(|error| StoreError::from_js(&error))
                            .map(|_| claim)
                    });
                    if written.is_err() {
                        abort(&aborting);
                    }
                    *found.borrow_mut() = Some(written);
                }),
            );
            Ok::<(), JsValue>(())
        })();
        if let Err(error) = begun {
            abort(&transaction);
            return done(Err(StoreError::from_js(&error)));
        }
        on_transaction_end(
            &transaction,
            Box::new(move |result| {
                let found = found.borrow_mut().take();
                done(match (found, result) {
                    (Some(Err(error)), _) => Err(error),
                    (Some(Ok(claim)), Ok(())) => Ok(claim),
                    (_, Err(reason)) => Err(StoreError::unavailable(reason)),
                    (None, Ok(())) => Err(StoreError::unavailable("the manifest was not read")),
                });
            }),
        );
    }

    /// Reads up to `most` records from offset `from` on; none means the end.
    pub(super) fn read(
        &self,
        from: u64,
        most: u32,
        done: impl FnOnce(Result<Vec<StoredRecord>, StoreError>) + 'static,
    ) {
        let request = (|| {
            let mode = IdbTransactionMode::Readonly;
            let transaction = self.database.transaction_with_str_and_mode(LOG, mode)?;
            let range = IdbKeyRange::lower_bound(&JsValue::from_f64(from as f64))?;
            transaction.object_store(LOG)?.get_all_with_key_and_limit(&range, most)
        })();
        match request {
            Err(error) => done(Err(StoreError::from_js(&error))),
            Ok(request) => on_end(
                &request,
                Box::new(move |result| {
                    done(match result {
                        Err(error) => Err(StoreError::from_js(&error)),
                        Ok(values) => Ok(Array::from(&values).iter().map(StoredRecord).collect()),
                    });
                }),
            ),
        }
    }

    /// Performs a transaction of the log manager, a large one in several tasks.
    ///
    /// `leaving` does all of it at once, and commits without waiting for the check of the epoch, which
    /// a page that ends would not live to see; the Web Lock that it still holds keeps other owners
    /// out.
    pub(super) fn append(
        &self,
        work: Rc<Transaction>,
        durability: Durability,
        leaving: bool,
        done: impl FnOnce(Result<(), AppendError>) + 'static,
    ) {
        let most = if leaving { usize::MAX } else { WRITE_LEN };
        let epoch = work.manifest.epoch;
        let work = Box::new(move |log: &IdbObjectStore, meta: &IdbObjectStore, failure| {
            if work.replace {
                log.clear()?;
            }
            if work.manifest_changed {
                put(meta, MANIFEST.into(), &work.manifest.encode())?;
            }
            put_records(log.clone(), work, 0, most, failure)
        });
        self.guarded(epoch, durability, leaving, Box::new(done), work);
    }

    /// Makes the log end where the replay did; `record` is what stays of the last record.
    pub(super) fn repair(
        &self,
        epoch: u64,
        repair: &Repair,
        record: Option<&[u8]>,
        done: impl FnOnce(Result<(), AppendError>) + 'static,
    ) {
        let work = Box::new(move |log: &IdbObjectStore, _: &IdbObjectStore, _| {
            let from = JsValue::from_f64(repair.delete_from as f64);
            let range = IdbKeyRange::lower_bound(&from)?;
            log.delete(range.as_ref())?;
            record.map_or(Ok(()), |record| put(log, from, record).map(|_| ()))
        });
        self.guarded(epoch, Durability::Strict, false, Box::new(done), work);
    }

    /// One transaction that does `work` if the manifest's epoch is `epoch`. Requests run in order, so
    /// that the check comes first and takes the rest back. What goes wrong in tasks to come is told
    /// to the third argument of `work`.
    fn guarded(
        &self,
        epoch: u64,
        durability: Durability,
        leaving: bool,
        done: Box<dyn FnOnce(Result<(), AppendError>)>,
        work: GuardedWork<'_>,
    ) {
        if self.closed.get() {
            let reason = "the database was closed because another context changes or deletes it";
            return done(Err(AppendError::Failed(reason.to_owned())));
        }
        let transaction = match self.begin(durability) {
            Ok(transaction) => transaction,
            Err(error) => return done(Err(AppendError::Failed(reason(&error)))),
        };
        let failure = Failure { transaction: transaction.clone(), error: Rc::default() };
        let (fencing, found) = (failure.clone(), Rc::clone(&failure.error));
        let begun = (|| {
            let (log, meta) = (transaction.object_store(LOG)?, transaction.object_store(META)?);
            on_end(
                &meta.get(&MANIFEST.into())?,
                Box::new(move |result| {
                    let Ok(value) = result else { return };
                    let found = to_bytes(&value).ok().and_then(|b| Manifest::decode(&b).ok());
                    if found.is_none_or(|manifest| manifest.epoch != epoch) {
                        fencing.fail(AppendError::Fenced);
                    }
                }),
            );
            work(&log, &meta, failure)?;
            if leaving {
                let ending: &CommittedTransaction = transaction.unchecked_ref();
                ending.commit()?;
            }
            Ok(())
        })();
        if let Err(error) = begun {
            abort(&transaction);
            return done(Err(AppendError::Failed(reason(&error))));
        }
        on_transaction_end(
            &transaction,
            Box::new(move |result| {
                done(match (found.take(), result) {
                    (Some(error), _) => Err(error),
                    (None, Ok(())) => Ok(()),
                    (None, Err(reason)) => Err(AppendError::Failed(reason)),
                });
            }),
        );
    }

    fn begin(&self, durability: Durability) -> Result<IdbTransaction, JsValue> {
        let durability = match durability {
            Durability::Strict => "strict",
            Durability::Relaxed => "relaxed",
        };
        let options = js_sys::Object::new();
        Reflect::set(&options, &"durability".into(), &durability.into())?;
        let stores = Array::of2(&LOG.into(), &META.into());
        let database: &DurableDatabase = self.database.unchecked_ref();
        database.transaction(&stores, "readwrite", &options)
    }
}

/// What a transaction does to the log and to the rest.
type GuardedWork<'a> =
    Box<dyn FnOnce(&IdbObjectStore, &IdbObjectStore, Failure) -> Result<(), JsValue> + 'a>;

/// How a transaction that is under way is given up.
#[derive(Clone)]
struct Failure {
    transaction: IdbTransaction,
    error: Rc<RefCell<Option<AppendError>>>,
}

impl Failure {
    fn fail(&self, error: AppendError) {
        self.error.borrow_mut().get_or_insert(error);
        abort(&self.transaction);
    }
}

/// Puts records from number `index` on: up to `most` bytes in this task, and so on in the next.
fn put_records(
    log: IdbObjectStore,
    work: Rc<Transaction>,
    mut index: usize,
    most: usize,
    failure: Failure,
) -> Result<(), JsValue> {
    let mut bytes = 0;
    while let Some((offset, record)) = work.record(index) {
        let request = put(&log, JsValue::from_f64(offset as f64), &record)?;
        index += 1;
        bytes += record.len();
        if bytes >= most && index < work.records() {
            on_end(
                &request,
                Box::new(move |result| {
                    // An error of a request aborts the transaction by itself.
                    let Ok(_) = result else { return };
                    if let Err(error) = put_records(log, work, index, most, failure.clone()) {
                        failure.fail(AppendError::Failed(reason(&error)));
                    }
                }),
            );
            break;
        }
    }
    Ok(())
}

fn open_request(name: &str) -> Result<IdbOpenDbRequest, StoreError> {
    let factory = Reflect::get(&js_sys::global(), &"indexedDB".into())
        .map_err(|error| StoreError::from_js(&error))?;
    if factory.is_undefined() || factory.is_null() {
        return Err(StoreError::unavailable("this environment has no IndexedDB"));
    }
    let factory: IdbFactory = factory.unchecked_into();
    factory
        .open_with_u32(&format!("lodis:{name}"), DATABASE_VERSION)
        .map_err(|error| StoreError::from_js(&error))
}

/// The manifest of a new owner.
fn raise(
    value: &JsValue,
    last: Option<u64>,
    append_only: bool,
    now_ms: i64,
) -> Result<Manifest, StoreError> {
    let mut manifest = if value.is_undefined() {
        if last.is_some() {
            return Err(StoreError::corrupt("there are records, but no manifest"));
        }
        Manifest { created_ms: now_ms, ..Manifest::default() }
    } else {
        Manifest::decode(&to_bytes(value)?).map_err(|error| match error {
            RecordError::TooNew(_) => StoreError::too_new(error.to_string()),
            _ => StoreError::corrupt(format!("the manifest: {error}")),
        })?
    };
    manifest.epoch = manifest.epoch.saturating_add(1);
    manifest.recording |= append_only;
    Ok(manifest)
}

fn key_of(cursor: &JsValue) -> Option<u64> {
    let cursor: &IdbCursor = cursor.dyn_ref()?;
    cursor.key().ok()?.as_f64().map(|key| key as u64)
}

fn put(store: &IdbObjectStore, key: JsValue, bytes: &[u8]) -> Result<IdbRequest, JsValue> {
    store.put_with_key(&Uint8Array::from(bytes), &key)
}

fn to_bytes(value: &JsValue) -> Result<Vec<u8>, StoreError> {
    let Some(array) = value.dyn_ref::<Uint8Array>() else {
        return Err(StoreError::corrupt("a value in the store is not a Uint8Array"));
    };
    let mut bytes = Vec::new();
    let len = array.length() as usize;
    if bytes.try_reserve_exact(len).is_err() {
        return Err(StoreError::unavailable("out of memory"));
    }
    bytes.resize(len, 0);
    array.copy_to(&mut bytes);
    Ok(bytes)
}

/// A transaction that has ended by itself cannot be aborted, and need not be.
fn abort(transaction: &IdbTransaction) {
    let _ = transaction.abort();
}

/// Tells the end of a request: exactly one of the two events comes, once.
fn on_end(request: &IdbRequest, done: Box<dyn FnOnce(Result<JsValue, JsValue>)>) {
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

/// Tells the end of a transaction, with the reason of an abort. An `error` is followed by `abort`.
fn on_transaction_end(transaction: &IdbTransaction, done: Box<dyn FnOnce(Result<(), String>)>) {
    let ended = transaction.clone();
    let handler = Closure::once_into_js(move |event: Event| {
        if event.type_() == "complete" {
            return done(Ok(()));
        }
        let error = ended.error().map(JsValue::from);
        done(Err(error.map_or_else(|| "the transaction was aborted".to_owned(), |e| reason(&e))));
    });
    transaction.set_oncomplete(Some(handler.unchecked_ref()));
    transaction.set_onabort(Some(handler.unchecked_ref()));
}

/// What JavaScript threw, as `Name: message`.
pub(super) fn reason(value: &JsValue) -> String {
    let text = |name: &str| Reflect::get(value, &name.into()).ok().and_then(|v| v.as_string());
    let (name, message) = (text("name"), text("message").filter(|text| !text.is_empty()));
    match (name, message) {
        (Some(name), Some(message)) => format!("{name}: {message}"),
        (Some(name), None) => name,
        (None, Some(message)) => message,
        (None, None) => value.as_string().unwrap_or_else(|| "unknown error".to_owned()),
    }
}
