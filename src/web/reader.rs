//! The frames of a store, read ahead of their replay.

use super::store::{Part, Store, StoreError, Stored};
use crate::persist::frame::HEADER_LEN;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// How many bytes one request is to bring: the browser makes them into objects in one task.
const READ_LEN: usize = 1024 * 1024;
/// How many frames the first request brings, and any other at most.
const FIRST_FRAMES: u32 = 4;
const MOST_FRAMES: u32 = 1024;

/// Waits for frames: told whether the end was reached instead.
type Waiter = Box<dyn FnOnce(Result<bool, StoreError>)>;

/// Reads a part of a store from one end to the other.
pub(super) struct Reader {
    store: Rc<dyn Store>,
    part: Part,
    /// The key from which the next request reads on.
    from: Cell<u64>,
    /// How many frames it is to bring.
    most: Cell<u32>,
    ready: RefCell<VecDeque<Stored>>,
    /// How many bytes are in `ready`: to ask each record would take a call of JavaScript.
    unread: Cell<usize>,
    is_reading: Cell<bool>,
    /// Where the last request found nothing more.
    ended_at: Cell<Option<u64>>,
    error: RefCell<Option<StoreError>>,
    waiter: RefCell<Option<Waiter>>,
}

impl Reader {
    /// Begins to read at offset `from`.
    pub(super) fn new(store: Rc<dyn Store>, part: Part, from: u64) -> Rc<Self> {
        let reader = Rc::new(Self {
            store,
            part,
            from: Cell::new(from),
            most: Cell::new(FIRST_FRAMES),
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

    /// What it reads.
    pub(super) fn part(&self) -> Part {
        self.part
    }

    /// The next frame, if it has been read. `key` is where it is to be looked for: frames are read
    /// ahead by their lengths, which are not those of frames that are damaged.
    pub(super) fn next(self: &Rc<Self>, key: u64) -> Option<Stored> {
        let frame = self.ready.borrow_mut().pop_front();
        let len = frame.as_ref().map_or(0, Stored::len);
        self.unread.set(self.unread.get().saturating_sub(len));
        if frame.is_none() && self.ended_at.get().is_some_and(|end| end != key) {
            self.ended_at.set(None);
            self.from.set(key);
        }
        self.read();
        frame
    }

    /// Calls `waiter` when there is a frame, or none any more (`true`), or an error.
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
        let done = move |frames: Result<Vec<Stored>, StoreError>| {
            reader.is_reading.set(false);
            match frames {
                Err(error) => *reader.error.borrow_mut() = Some(error),
                Ok(frames) => reader.take(frames),
            }
            reader.tell();
        };
        self.store.read(self.part, self.from.get(), self.most.get(), Box::new(done));
    }

    fn take(&self, frames: Vec<Stored>) {
        if frames.is_empty() {
            return self.ended_at.set(Some(self.from.get()));
        }
        let (mut bytes, mut payloads) = (0, 0);
        for len in frames.iter().map(Stored::len) {
            bytes += len;
            payloads += len.saturating_sub(HEADER_LEN).max(1);
        }
        self.unread.set(self.unread.get() + bytes);
        self.from.set(self.from.get().saturating_add(payloads as u64));
        let most = frames.len().saturating_mul(READ_LEN) / bytes.max(1);
        self.most.set(u32::try_from(most).unwrap_or(MOST_FRAMES).clamp(1, MOST_FRAMES));
        self.ready.borrow_mut().extend(frames);
    }
}
