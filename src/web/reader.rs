//! The records of a store, read ahead of their replay.

use super::indexed_db::{Store, StoreError, StoredRecord};
use crate::persist::record::HEADER_LEN;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// How many bytes one request is to bring: the browser makes them into objects in one task.
const READ_LEN: usize = 1024 * 1024;
/// How many records the first request brings, and any other at most.
const FIRST_RECORDS: u32 = 4;
const MOST_RECORDS: u32 = 1024;

/// Waits for records: told whether the end was reached instead.
type Waiter = Box<dyn FnOnce(Result<bool, StoreError>)>;

/// Reads a log from one end to the other.
pub(super) struct Reader {
    store: Store,
    /// The key from which the next request reads on.
    from: Cell<u64>,
    /// How many records it is to bring.
    most: Cell<u32>,
    ready: RefCell<VecDeque<StoredRecord>>,
    /// How many bytes are in `ready`: to ask each record would take a call of JavaScript.
    unread: Cell<usize>,
    is_reading: Cell<bool>,
    /// Where the last request found nothing more.
    ended_at: Cell<Option<u64>>,
    error: RefCell<Option<StoreError>>,
    waiter: RefCell<Option<Waiter>>,
}

impl Reader {
    /// Begins to read at offset `base`.
    pub(super) fn new(store: Store, base: u64) -> Rc<Self> {
        let reader = Rc::new(Self {
            store,
            from: Cell::new(base),
            most: Cell::new(FIRST_RECORDS),
            ready: RefCell::default(),
            unread: Cell::new(0),
            is_reading: Cell::new(false),
            ended_at: Cell::new(None),
            error: RefCell::default(),
            waiter: RefCell::default(),
        });
        reader.read();
        reader
    }

    /// The next record, if it has been read. `key` is where it is to be looked for: records are read
    /// ahead by their lengths, which are not those of records that are damaged.
    pub(super) fn next(self: &Rc<Self>, key: u64) -> Option<StoredRecord> {
        let record = self.ready.borrow_mut().pop_front();
        let len = record.as_ref().map_or(0, StoredRecord::len);
        self.unread.set(self.unread.get().saturating_sub(len));
        if record.is_none() && self.ended_at.get().is_some_and(|end| end != key) {
            self.ended_at.set(None);
            self.from.set(key);
        }
        self.read();
        record
    }

    /// Calls `waiter` when there is a record, or none any more (`true`), or an error.
    pub(super) fn when_ready(&self, waiter: impl FnOnce(Result<bool, StoreError>) + 'static) {
        *self.waiter.borrow_mut() = Some(Box::new(waiter));
        self.tell();
    }

    fn tell(&self) {
        let ended = match self.error.take() {
            Some(error) => Err(error),
            None if !self.ready.borrow().is_empty() => Ok(false),
            None if self.ended_at.get().is_some() => Ok(true),
            None => return,
        };
        let waiter = self.waiter.take();
        match waiter {
            Some(waiter) => waiter(ended),
            None => *self.error.borrow_mut() = ended.err(),
        }
    }

    /// Asks for more, if there is more and little has been read.
    fn read(self: &Rc<Self>) {
        let is_over = self.ended_at.get().is_some() || self.error.borrow().is_some();
        if self.is_reading.get() || is_over || self.unread.get() >= READ_LEN {
            return;
        }
        self.is_reading.set(true);
        let reader = Rc::clone(self);
        self.store.read(self.from.get(), self.most.get(), move |records| {
            reader.is_reading.set(false);
            match records {
                Err(error) => *reader.error.borrow_mut() = Some(error),
                Ok(records) => reader.take(records),
            }
            reader.tell();
        });
    }

    fn take(&self, records: Vec<StoredRecord>) {
        if records.is_empty() {
            return self.ended_at.set(Some(self.from.get()));
        }
        let (mut bytes, mut payloads) = (0, 0);
        for len in records.iter().map(StoredRecord::len) {
            bytes += len;
            payloads += len.saturating_sub(HEADER_LEN).max(1);
        }
        self.unread.set(self.unread.get() + bytes);
        self.from.set(self.from.get().saturating_add(payloads as u64));
        let most = records.len().saturating_mul(READ_LEN) / bytes.max(1);
        self.most.set(u32::try_from(most).unwrap_or(MOST_RECORDS).clamp(1, MOST_RECORDS));
        self.ready.borrow_mut().extend(records);
    }
}
