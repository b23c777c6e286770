//! IndexedDB as a store of the log: a thin driver, in windows and workers alike.
//!
//! The database `lodis:<name>` has two object stores: `log` (key: offset in the effect stream,
//! value: a record as `Uint8Array`) and `meta` (key `manifest`, value: the manifest; key `[number,
//! offset]`, value: a piece of that base; key `["fence", epoch]`: the owner of that epoch writes no
//! more). Each transaction is built synchronously; its end is told to a callback, once.
//!
//! A transaction that fails for any reason but room is tried once more over a new connection: one that
//! is broken shows in many ways. A second failure is told.
//!
//! A page that is frozen, stopped or busy ends no transaction, and whoever asks for one after it waits
//! until the page goes on. Therefore what needs no answer is committed at once: what only reads, and
//! records, which begin with the addition of a fence that is then deleted. Where it is already, the
//! addition fails, and all of the transaction with it: to find out takes no task of the page. What is
//! under way for longer is ended when the page leaves.

use super::connection::{Connection, Disturbed, Layout, OnStall, on_end, unusable};
use super::store::{
    AppendError, Claim, Claimant, Done, Owner, Part, Store, StoreError, Stored, admit, inspected,
    joined, optional_bytes, reason,
};
use crate::persist::log::{Durability, Place, Transaction};
use crate::persist::manifest::Manifest;
use crate::persist::replay::Repair;
use js_sys::{Array, Reflect, Uint8Array};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{
    DomException, Event, IdbCursor, IdbCursorDirection, IdbDatabase, IdbKeyRange, IdbObjectStore,
    IdbRequest, IdbTransaction, IdbTransactionMode,
};

/// The version of the database's layout. A browser refuses to open a database of a higher one.
const LAYOUT: Layout = Layout { version: 1, stores: &[LOG, META] };
const LOG: &str = "log";
const META: &str = "meta";
const MANIFEST: &str = "manifest";
const FENCE: &str = "fence";
/// The fences of so many epochs are kept: a tab may have slept for as long.
const FENCES: u64 = 1000;
/// Bytes of frames that are written in one task: a millisecond or two.
const WRITE_LEN: usize = 128 * 1024;
/// What the reason begins with when there is no room.
const NO_ROOM: &str = "QuotaExceededError";

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

/// A database. A clone is the same connection.
#[derive(Clone)]
pub(super) struct IndexedDb {
    connection: Rc<Connection>,
    writing: Writing,
}

/// The latest transactions that write: those that have ended do not mind what is done to them.
type Writing = Rc<RefCell<VecDeque<Begun>>>;

/// How many can be under way: one of a log, one of a log that has ended, and a claim.
const WRITING: usize = 3;

/// A transaction that writes.
#[derive(Clone)]
struct Begun {
    transaction: IdbTransaction,
    /// Nothing is to be added to it.
    is_whole: Rc<Cell<bool>>,
    /// It is committed as soon as that is so.
    is_quick: bool,
}

impl Begun {
    fn complete(&self) -> Result<(), JsValue> {
        self.is_whole.set(true);
        if self.is_quick { commit(&self.transaction) } else { Ok(()) }
    }
}

impl IndexedDb {
    /// Opens, or makes, the database of `name`. `on_stall` is told why that takes long.
    pub(super) fn open(
        name: &str,
        on_stall: OnStall,
        done: impl FnOnce(Result<Self, StoreError>) + 'static,
    ) {
        Self::connect(name, true, on_stall, done);
    }

    /// Opens the database of `name` to read it, if there is one.
    pub(super) fn open_existing(
        name: &str,
        on_stall: OnStall,
        done: impl FnOnce(Result<Self, StoreError>) + 'static,
    ) {
        Self::connect(name, false, on_stall, done);
    }

    fn connect(
        name: &str,
        makes: bool,
        on_stall: OnStall,
        done: impl FnOnce(Result<Self, StoreError>) + 'static,
    ) {
        let connection = Connection::new(format!("lodis:{name}"), LAYOUT, makes, on_stall);
        let store = Self { connection: Rc::clone(&connection), writing: Rc::default() };
        connection.with(move |opened| done(opened.map(|_| store)));
    }

    /// Does `work` in a transaction, the first time or once more.
    fn attempt(self, mut work: Appending, is_first: bool, done: Done<Result<(), AppendError>>) {
        let (connection, writing) = (Rc::clone(&self.connection), Rc::clone(&self.writing));
        // Of a database that was closed the check may find that it is another one.
        work.is_known &= connection.is_open() && is_first;
        connection.with(move |database| {
            let database = match database {
                Ok(database) => database,
                Err(error) => return done(Err(AppendError::Failed(error.message))),
            };
            let (broken, again) = (database.clone(), work.clone());
            let ended = move |result| match result {
                Err(AppendError::Failed(why)) if !why.starts_with(NO_ROOM) => {
                    self.connection.give_up(&broken);
                    if is_first {
                        self.attempt(again, false, done);
                    } else {
                        done(Err(AppendError::Failed(why)));
                    }
                }
                result => done(result),
            };
            work.perform(&database, &writing, Box::new(ended));
        });
    }
}

/// A transaction of the log manager.
#[derive(Clone)]
struct Appending {
    work: Rc<Transaction>,
    durability: Durability,
    leaving: bool,
    /// The database is the one that the owner has claimed.
    is_known: bool,
}

impl Appending {
    fn perform(
        self,
        database: &IdbDatabase,
        writing: &Writing,
        done: Done<Result<(), AppendError>>,
    ) {
        let Self { work, durability, leaving, is_known } = self;
        let most = if leaving { usize::MAX } else { WRITE_LEN };
        let owner = Owner { epoch: work.epoch, manifest: work.manifest };
        // What changes the manifest may be done by the time it is tried again.
        let is_fenced = is_known && !work.manifest_changed;
        let is_quick = is_fenced || (is_known && leaving);
        let begun = begin(database, durability, is_quick, writing);
        guarded(begun, owner, is_fenced, done, |log, meta, failure| {
            if work.manifest_changed {
                put(meta, &MANIFEST.into(), &work.manifest.encode())?;
                fence(meta, work.epoch, work.manifest.epoch)?;
            }
            if let Some(newest) = work.trim {
                trim(log, meta, &work.manifest, newest)?;
            }
            put_frames([log.clone(), meta.clone()], work, 0, most, failure)
        });
    }
}

/// One transaction that does `work` if the manifest is that of its owner. Requests run in order, so
/// that the check comes first and takes the rest back. What goes wrong in tasks to come is told
/// to the third argument of `work`.
fn guarded(
    begun: Result<Begun, JsValue>,
    owner: Owner,
    is_fenced: bool,
    done: Done<Result<(), AppendError>>,
    work: impl FnOnce(&IdbObjectStore, &IdbObjectStore, Failure) -> Result<(), JsValue>,
) {
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => return done(Err(AppendError::Failed(reason(&error)))),
    };
    let transaction = begun.transaction.clone();
    let failure = Failure { begun, error: Rc::default() };
    let (fencing, found) = (failure.clone(), Rc::clone(&failure.error));
    let begun = (|| {
        let (log, meta) = (transaction.object_store(LOG)?, transaction.object_store(META)?);
        if is_fenced {
            pass_fence(&meta, owner.epoch, Rc::clone(&failure.error))?;
        }
        on_end(
            &meta.get(&MANIFEST.into())?,
            Box::new(move |result| {
                let Ok(value) = result else { return };
                if let Err(error) = admit(owner, &value) {
                    fencing.fail(error);
                }
            }),
        );
        work(&log, &meta, failure)
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

/// Fails with all of the transaction if the owner of this epoch is to write no more.
fn pass_fence(
    meta: &IdbObjectStore,
    epoch: u64,
    found: Rc<RefCell<Option<AppendError>>>,
) -> Result<(), JsValue> {
    let key = fence_key(epoch);
    on_end(
        &meta.add_with_key(&true.into(), &key)?,
        Box::new(move |result| {
            let error = result.err().and_then(|error| error.dyn_into::<DomException>().ok());
            if error.is_some_and(|error| error.name() == "ConstraintError") {
                found.borrow_mut().get_or_insert(AppendError::Fenced);
            }
        }),
    );
    meta.delete(&key)?;
    Ok(())
}

/// Has the owner of an epoch write no more: `next` is the one that follows it.
fn fence(meta: &IdbObjectStore, epoch: u64, next: u64) -> Result<(), JsValue> {
    if epoch < next {
        meta.put_with_key(&true.into(), &fence_key(epoch))?;
        let old = IdbKeyRange::bound(&fence_key(0), &fence_key(epoch.saturating_sub(FENCES)))?;
        meta.delete(old.as_ref())?;
    }
    Ok(())
}

fn fence_key(epoch: u64) -> JsValue {
    Array::of2(&FENCE.into(), &number(epoch)).into()
}

/// Ends a transaction without waiting for what its requests answer.
fn commit(transaction: &IdbTransaction) -> Result<(), JsValue> {
    let ending: &CommittedTransaction = transaction.unchecked_ref();
    ending.commit()
}

fn begin(
    database: &IdbDatabase,
    durability: Durability,
    is_quick: bool,
    writing: &Writing,
) -> Result<Begun, JsValue> {
    let durability = match durability {
        Durability::Strict => "strict",
        Durability::Relaxed => "relaxed",
    };
    let options = js_sys::Object::new();
    Reflect::set(&options, &"durability".into(), &durability.into())?;
    let stores = Array::of2(&LOG.into(), &META.into());
    let database: &DurableDatabase = database.unchecked_ref();
    let transaction = database.transaction(&stores, "readwrite", &options)?;
    let begun = Begun { transaction, is_whole: Rc::default(), is_quick };
    let mut writing = writing.borrow_mut();
    writing.truncate(WRITING - 1);
    writing.push_front(begun.clone());
    Ok(begun)
}

impl Store for IndexedDb {
    fn close(&self) {
        self.connection.close();
    }

    fn leave(&self, is_owner: bool) {
        for Begun { transaction, is_whole, .. } in self.writing.take() {
            if !is_owner || !is_whole.get() || commit(&transaction).is_err() {
                abort(&transaction);
            }
        }
    }

    fn watch(&self, disturbed: Disturbed) {
        self.connection.watch(disturbed);
    }

    fn claim(&self, claimant: Claimant, done: Done<Result<Claim, StoreError>>) {
        let writing = Rc::clone(&self.writing);
        self.connection.with(move |database| match database {
            Ok(database) => claim(&database, claimant, &writing, done),
            Err(error) => done(Err(error)),
        });
    }

    fn inspect(&self, done: Done<Result<Claim, StoreError>>) {
        self.connection.with(move |database| match database {
            Ok(database) => inspect(&database, done),
            Err(error) => done(Err(error)),
        });
    }

    fn read(&self, part: Part, from: u64, most: u32, done: Done<Result<Vec<Stored>, StoreError>>) {
        self.connection.with(move |database| match database {
            Ok(database) => read(&database, part, from, most, done),
            Err(error) => done(Err(error)),
        });
    }

    fn append(
        &self,
        work: Rc<Transaction>,
        durability: Durability,
        leaving: bool,
        done: Done<Result<(), AppendError>>,
    ) {
        let appending = Appending { work, durability, leaving, is_known: true };
        self.clone().attempt(appending, true, done);
    }

    fn repair(
        &self,
        owner: &Manifest,
        repair: &Repair,
        record: Option<&[u8]>,
        done: Done<Result<(), AppendError>>,
    ) {
        let (owner, from) = (Owner::of(*owner), number(repair.delete_from));
        let record = record.map(<[u8]>::to_vec);
        let writing = Rc::clone(&self.writing);
        self.connection.with(move |database| {
            let database = match database {
                Ok(database) => database,
                Err(error) => return done(Err(AppendError::Failed(error.message))),
            };
            let begun = begin(&database, Durability::Strict, false, &writing);
            guarded(begun, owner, false, done, |log, _, _| {
                let range = IdbKeyRange::lower_bound(&from)?;
                log.delete(range.as_ref())?;
                record.map_or(Ok(()), |record| put(log, &from, &record).map(|_| ()))
            });
        });
    }
}

fn claim(
    database: &IdbDatabase,
    claimant: Claimant,
    writing: &Writing,
    done: Done<Result<Claim, StoreError>>,
) {
    let transaction = match begin(database, Durability::Strict, false, writing) {
        Ok(begun) => begun.transaction,
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
                (Some(Ok(claim)), Err(reason)) => claim.refuse(reason),
                (None, Err(reason)) => Err(StoreError::unavailable(reason)),
                (None, Ok(())) => Err(StoreError::unavailable("the manifest was not read")),
            });
        }),
    );
}

fn inspect(database: &IdbDatabase, done: Done<Result<Claim, StoreError>>) {
    let request = (|| {
        let mode = IdbTransactionMode::Readonly;
        let transaction = database.transaction_with_str_and_mode(META, mode)?;
        let request = transaction.object_store(META)?.get(&MANIFEST.into())?;
        commit(&transaction)?;
        Ok(request)
    })();
    match request {
        Err(error) => done(Err(unusable(&error))),
        Ok(request) => on_end(
            &request,
            Box::new(move |result| {
                let found = result.map_err(|error| unusable(&error));
                done(found.and_then(|value| inspected(&value)));
            }),
        ),
    }
}

fn read(
    database: &IdbDatabase,
    part: Part,
    from: u64,
    most: u32,
    done: Done<Result<Vec<Stored>, StoreError>>,
) {
    let request = (|| {
        let mode = IdbTransactionMode::Readonly;
        let (store, range) = match part {
            Part::Log => (LOG, IdbKeyRange::lower_bound(&number(from))?),
            Part::Base(base) => (META, pieces(base, from)?),
        };
        let transaction = database.transaction_with_str_and_mode(store, mode)?;
        let request = transaction.object_store(store)?.get_all_with_key_and_limit(&range, most)?;
        commit(&transaction)?;
        Ok(request)
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

/// How a transaction that is under way is given up.
#[derive(Clone)]
struct Failure {
    begun: Begun,
    error: Rc<RefCell<Option<AppendError>>>,
}

impl Failure {
    fn fail(&self, error: AppendError) {
        self.error.borrow_mut().get_or_insert(error);
        abort(&self.begun.transaction);
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
    while let Some((place, header, payload)) = work.frame(index) {
        let [log, meta] = &stores;
        let frame = joined([&header, payload]);
        let request = match place {
            Place::Record { offset } => log.put_with_key(&frame, &number(offset))?,
            Place::Piece { base, offset } => meta.put_with_key(&frame, &piece_key(base, offset))?,
        };
        index += 1;
        bytes += frame.length() as usize;
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
            return Ok(());
        }
    }
    failure.begun.complete()
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
    let claim = claimant.raise(optional_bytes(value)?.as_deref(), last)?;
    let manifest = &claim.manifest;
    let written = put(meta, &MANIFEST.into(), &manifest.encode());
    let trimmed = written.and_then(|_| trim(log, meta, manifest, u64::MAX));
    let fenced = trimmed.and_then(|()| match claim.found {
        Some(found) => fence(meta, found.epoch, manifest.epoch),
        None => Ok(()),
    });
    fenced.map_err(|error| unusable(&error))?;
    Ok(claim)
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

/// Tells the end of a transaction, with the reason of an abort. An `error` is followed by `abort`.
fn on_transaction_end(transaction: &IdbTransaction, done: Box<dyn FnOnce(Result<(), String>)>) {
    let ended = transaction.clone();
    let handler = Closure::once_into_js(move |event: Event| {
        if event.type_() == "complete" {
            return done(Ok(()));
        }
        done(Err(why_aborted(ended.error())));
    });
    transaction.set_oncomplete(Some(handler.unchecked_ref()));
    transaction.set_onabort(Some(handler.unchecked_ref()));
}

/// Some browsers tell that there is no room by an `AbortError`, or by no error at all.
fn why_aborted(error: Option<DomException>) -> String {
    match error {
        Some(error) if error.name() != "AbortError" => reason(&error),
        _ => "AbortError: the browser has aborted the transaction without a reason; \
              its storage may be full"
            .to_owned(),
    }
}
