//! IndexedDB as a store of the log: a thin driver, in windows and workers alike.
//!
//! The database `lodis:<name>` has two object stores: `log` (key: offset in the effect stream,
//! value: a record as `Uint8Array`) and `meta` (key `manifest`, value: the manifest; key `[number,
//! offset]`, value: a piece of that base). Each transaction is built synchronously; its end is told
//! to a callback, once.

use super::store::{
    AppendError, Claim, Claimant, Done, Part, Store, StoreError, Stored, reason, to_bytes,
};
use crate::persist::log::{Durability, Place, Transaction};
use crate::persist::manifest::Manifest;
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
/// Bytes of frames that are written in one task: a millisecond or two.
const WRITE_LEN: usize = 128 * 1024;

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

/// An open database. A clone is the same connection.
#[derive(Clone)]
pub(super) struct IndexedDb {
    database: IdbDatabase,
    closed: Rc<Cell<bool>>,
    _on_version_change: Rc<Closure<dyn FnMut(Event)>>,
}

impl IndexedDb {
    /// Opens, or makes, the database of `name`.
    pub(super) fn open(name: &str, done: impl FnOnce(Result<Self, StoreError>) + 'static) {
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
                    Ok(database) => Ok(Self::new(database.unchecked_into())),
                    Err(error) => Err(unusable(&error)),
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

    /// One transaction that does `work` if the manifest's epoch is `epoch`. Requests run in order, so
    /// that the check comes first and takes the rest back. What goes wrong in tasks to come is told
    /// to the third argument of `work`.
    fn guarded(
        &self,
        epoch: u64,
        durability: Durability,
        leaving: bool,
        done: Done<Result<(), AppendError>>,
        work: impl FnOnce(&IdbObjectStore, &IdbObjectStore, Failure) -> Result<(), JsValue>,
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

impl Store for IndexedDb {
    fn close(&self) {
        self.closed.set(true);
        self.database.set_onversionchange(None);
        self.database.set_onclose(None);
        self.database.close();
    }

    fn claim(&self, claimant: Claimant, done: Done<Result<Claim, StoreError>>) {
        let transaction = match self.begin(Durability::Strict) {
            Ok(transaction) => transaction,
            Err(error) => return done(Err(unusable(&error))),
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
                    let claim = take_over(&log, &meta, &value, last.get(), claimant);
                    if claim.is_err() {
                        abort(&aborting);
                    }
                    *found.borrow_mut() = Some(claim);
                }),
            );
            Ok::<(), JsValue>(())
        })();
        if let Err(error) = begun {
            abort(&transaction);
            return done(Err(unusable(&error)));
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

    fn read(&self, part: Part, from: u64, most: u32, done: Done<Result<Vec<Stored>, StoreError>>) {
        let request = (|| {
            let mode = IdbTransactionMode::Readonly;
            let (store, range) = match part {
                Part::Log => (LOG, IdbKeyRange::lower_bound(&number(from))?),
                Part::Base(base) => (META, pieces(base, from)?),
            };
            let transaction = self.database.transaction_with_str_and_mode(store, mode)?;
            transaction.object_store(store)?.get_all_with_key_and_limit(&range, most)
        })();
        match request {
            Err(error) => done(Err(unusable(&error))),
            Ok(request) => on_end(
                &request,
                Box::new(move |result| {
                    done(match result {
                        Err(error) => Err(unusable(&error)),
                        Ok(values) => Ok(Array::from(&values).iter().map(Stored).collect()),
                    });
                }),
            ),
        }
    }

    fn append(
        &self,
        work: Rc<Transaction>,
        durability: Durability,
        leaving: bool,
        done: Done<Result<(), AppendError>>,
    ) {
        let most = if leaving { usize::MAX } else { WRITE_LEN };
        let epoch = work.manifest.epoch;
        self.guarded(epoch, durability, leaving, done, |log, meta, failure| {
            if work.manifest_changed {
                put(meta, &MANIFEST.into(), &work.manifest.encode())?;
            }
            if let Some(newest) = work.trim {
                trim(log, meta, &work.manifest, newest)?;
            }
            put_frames([log.clone(), meta.clone()], work, 0, most, failure)
        });
    }

    fn repair(
        &self,
        epoch: u64,
        repair: &Repair,
        record: Option<&[u8]>,
        done: Done<Result<(), AppendError>>,
    ) {
        self.guarded(epoch, Durability::Strict, false, done, |log, _, _| {
            let from = number(repair.delete_from);
            let range = IdbKeyRange::lower_bound(&from)?;
            log.delete(range.as_ref())?;
            record.map_or(Ok(()), |record| put(log, &from, record).map(|_| ()))
        });
    }
}

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

/// Puts frames from number `index` on: up to `most` bytes in this task, and so on in the next.
fn put_frames(
    stores: [IdbObjectStore; 2],
    work: Rc<Transaction>,
    mut index: usize,
    most: usize,
    failure: Failure,
) -> Result<(), JsValue> {
    let mut bytes = 0;
    while let Some((place, frame)) = work.frame(index) {
        let [log, meta] = &stores;
        let request = match place {
            Place::Record { offset } => put(log, &number(offset), &frame)?,
            Place::Piece { base, offset } => put(meta, &piece_key(base, offset), &frame)?,
        };
        index += 1;
        bytes += frame.len();
        if bytes >= most && index < work.frames() {
            on_end(
                &request,
                Box::new(move |result| {
                    // An error of a request aborts the transaction by itself.
                    let Ok(_) = result else { return };
                    if let Err(error) = put_frames(stores, work, index, most, failure.clone()) {
                        failure.fail(AppendError::Failed(reason(&error)));
                    }
                }),
            );
            break;
        }
    }
    Ok(())
}

fn number(value: u64) -> JsValue {
    JsValue::from_f64(value as f64)
}

fn piece_key(base: u64, offset: u64) -> JsValue {
    Array::of2(&number(base), &number(offset)).into()
}

/// The pieces of a base from an offset on.
fn pieces(base: u64, from: u64) -> Result<IdbKeyRange, JsValue> {
    IdbKeyRange::bound(&piece_key(base, from), &Array::of2(&number(base), &f64::INFINITY.into()))
}

/// Deletes what the manifest has no use for, of bases with numbers up to `newest`.
fn trim(
    log: &IdbObjectStore,
    meta: &IdbObjectStore,
    manifest: &Manifest,
    newest: u64,
) -> Result<(), JsValue> {
    let before = IdbKeyRange::upper_bound_with_open(&number(manifest.start), true)?;
    log.delete(before.as_ref())?;
    let base = manifest.base.number;
    let of = |base: f64| Array::of1(&base.into());
    let older = IdbKeyRange::bound_with_lower_open_and_upper_open(
        &of(-1.0),
        &of(base as f64),
        false,
        true,
    )?;
    meta.delete(older.as_ref())?;
    if newest > base {
        let newer = IdbKeyRange::bound(&of(base as f64 + 1.0), &of(newest as f64 + 1.0))?;
        meta.delete(newer.as_ref())?;
    }
    Ok(())
}

/// Makes the claimant the owner; `value` is the manifest in the store, `last` the last record's offset.
fn take_over(
    log: &IdbObjectStore,
    meta: &IdbObjectStore,
    value: &JsValue,
    last: Option<u64>,
    claimant: Claimant,
) -> Result<Claim, StoreError> {
    let found = if value.is_undefined() { None } else { Some(to_bytes(value)?) };
    let manifest = claimant.raise(found.as_deref(), last)?;
    let written = put(meta, &MANIFEST.into(), &manifest.encode());
    let trimmed = written.and_then(|_| trim(log, meta, &manifest, u64::MAX));
    trimmed.map_err(|error| unusable(&error))?;
    Ok(Claim { manifest, last })
}

/// Why IndexedDB cannot be used.
fn unusable(error: &JsValue) -> StoreError {
    let message = reason(error);
    match error.dyn_ref::<DomException>().map(DomException::name).as_deref() {
        Some("VersionError") => StoreError::too_new(message),
        _ => StoreError::unavailable(message),
    }
}

fn open_request(name: &str) -> Result<IdbOpenDbRequest, StoreError> {
    let factory =
        Reflect::get(&js_sys::global(), &"indexedDB".into()).map_err(|error| unusable(&error))?;
    if factory.is_undefined() || factory.is_null() {
        return Err(StoreError::unavailable("this environment has no IndexedDB"));
    }
    let factory: IdbFactory = factory.unchecked_into();
    factory
        .open_with_u32(&format!("lodis:{name}"), DATABASE_VERSION)
        .map_err(|error| unusable(&error))
}

fn key_of(cursor: &JsValue) -> Option<u64> {
    let cursor: &IdbCursor = cursor.dyn_ref()?;
    cursor.key().ok()?.as_f64().map(|key| key as u64)
}

fn put(store: &IdbObjectStore, key: &JsValue, bytes: &[u8]) -> Result<IdbRequest, JsValue> {
    store.put_with_key(&Uint8Array::from(bytes), key)
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
