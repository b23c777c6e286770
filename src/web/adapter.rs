//! A store that JavaScript has made (`pkg/src/stores/store.ts`), behind the trait of the log.

use super::store::{
    AppendError, Claim, Claimant, Done, FENCED, Part, Store, StoreError, Stored, inspected, joined,
    optional_bytes, reason,
};
use crate::persist::log::{Durability, Place, Transaction};
use crate::persist::manifest::Manifest;
use crate::persist::replay::Repair;
use js_sys::{Array, Reflect, Uint8Array};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Bytes of frames in one change: encoding them takes a millisecond or two.
const WRITE_LEN: usize = 256 * 1024;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/**
 * A store for `Log.open`: nothing throws, each `done` is called once, later, and one call is worked
 * on at a time. -1 stands for what there is not; frames are base (0: a record), offset, bytes.
 */
export interface StoreCalls {
  open(done: (error: unknown, manifest: Uint8Array | undefined, last: number) => void): void;
  read(
    base: number, from: number, limit: number,
    done: (error: unknown, frames: Uint8Array[] | undefined) => void,
  ): void;
  write(
    expected: Uint8Array | undefined, strict: boolean, cut: number,
    frames: (number | Uint8Array)[], manifest: Uint8Array | undefined,
    start: number, base: number,
    done: (error: unknown) => void,
  ): void;
  close(): void;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// See the TypeScript above.
    #[wasm_bindgen(extends = js_sys::Object)]
    pub(super) type StoreCalls;

    #[wasm_bindgen(method)]
    fn open(this: &StoreCalls, done: &JsValue);

    #[wasm_bindgen(method)]
    fn read(this: &StoreCalls, base: f64, from: f64, limit: u32, done: &JsValue);

    #[wasm_bindgen(method)]
    #[allow(clippy::too_many_arguments)]
    fn write(
        this: &StoreCalls,
        expected: &JsValue,
        strict: bool,
        cut: f64,
        frames: &Array,
        manifest: &JsValue,
        start: f64,
        base: f64,
        done: &JsValue,
    );

    #[wasm_bindgen(method)]
    fn close(this: &StoreCalls);
}

/// A store of JavaScript's. A clone is the same one.
#[derive(Clone)]
pub(super) struct Adapter(Rc<Inner>);

struct Inner {
    calls: StoreCalls,
    /// The manifest in the store, as far as is known here.
    manifest: RefCell<JsValue>,
    /// A change has failed: of records at and after the next one, some may be there.
    is_dirty: Cell<bool>,
}

/// One call of `write`.
#[derive(Default)]
struct Change {
    is_strict: bool,
    cut: Option<u64>,
    frames: Array,
    manifest: Option<Manifest>,
    trims: bool,
}

impl Change {
    fn push(&self, place: Place, frame: &Uint8Array) {
        let (base, offset) = match place {
            Place::Record { offset } => (0, offset),
            Place::Piece { base, offset } => (base, offset),
        };
        self.frames.push(&(base as f64).into());
        self.frames.push(&(offset as f64).into());
        self.frames.push(frame);
    }
}

impl Adapter {
    pub(super) fn new(calls: StoreCalls) -> Self {
        let manifest = RefCell::new(JsValue::UNDEFINED);
        Self(Rc::new(Inner { calls, manifest, is_dirty: Cell::new(false) }))
    }

    fn write(&self, change: Change, done: Done<Result<(), AppendError>>) {
        let none = -1.0;
        let trim = change.manifest.filter(|_| change.trims);
        let (start, base) = trim.map_or((none, none), |m| (m.start as f64, m.base.number as f64));
        let cut = change.cut.map_or(none, |offset| offset as f64);
        let manifest: JsValue = change.manifest.map_or(JsValue::UNDEFINED, |manifest| {
            Uint8Array::from(manifest.encode().as_slice()).into()
        });
        let (store, written) = (self.clone(), manifest.clone());
        let ended = ended(move |result, _| {
            let Inner { manifest, is_dirty, .. } = &*store.0;
            done(match result {
                Ok(_) => {
                    if !written.is_undefined() {
                        *manifest.borrow_mut() = written;
                    }
                    if cut >= 0.0 {
                        is_dirty.set(false);
                    }
                    Ok(())
                }
                Err(error) => {
                    is_dirty.set(true);
                    Err(match code_of(&error).as_deref() {
                        Some(FENCED) => AppendError::Fenced,
                        Some("LOST") => AppendError::Lost(reason(&error)),
                        _ => AppendError::Failed(reason(&error)),
                    })
                }
            });
        });
        let expected = self.0.manifest.borrow().clone();
        let Change { is_strict, frames, .. } = &change;
        let calls = &self.0.calls;
        calls.write(&expected, *is_strict, cut, frames, &manifest, start, base, &ended);
    }

    /// Writes the frames from number `index` on, in one change or several, of which only the last
    /// has the rest of the transaction: a store that does a part has records or pieces too many.
    fn put(
        &self,
        work: Rc<Transaction>,
        mut index: usize,
        durability: Durability,
        done: Done<Result<(), AppendError>>,
    ) {
        let mut change = Change::default();
        let mut bytes = 0;
        while bytes < WRITE_LEN
            && let Some((place, header, payload)) = work.frame(index)
        {
            if let Place::Record { offset } = place
                && self.0.is_dirty.get()
                && index == 0
            {
                change.cut = Some(offset);
            }
            let frame = joined([&header, payload]);
            bytes += frame.length() as usize;
            change.push(place, &frame);
            index += 1;
        }
        if index < work.frames() {
            let store = self.clone();
            return self.write(
                change,
                Box::new(move |result| match result {
                    Ok(()) => store.put(work, index, durability, done),
                    Err(error) => done(Err(error)),
                }),
            );
        }
        change.is_strict = durability == Durability::Strict;
        change.manifest = work.manifest_changed.then_some(work.manifest);
        change.trims = work.trim.is_some();
        self.write(change, done);
    }
}

impl Store for Adapter {
    fn claim(&self, claimant: Claimant, done: Done<Result<Claim, StoreError>>) {
        let store = self.clone();
        let opened = ended(move |result, last| {
            let raised = result.map_err(|error| unusable(&error)).and_then(|found| {
                let last = last.as_f64().filter(|last| *last >= 0.0).map(|last| last as u64);
                let claim = claimant.raise(optional_bytes(&found)?.as_deref(), last)?;
                *store.0.manifest.borrow_mut() = found;
                Ok(claim)
            });
            let claim = match raised {
                Ok(claim) => claim,
                Err(error) => return done(Err(error)),
            };
            let manifest = Some(claim.manifest);
            let change = Change { is_strict: true, manifest, trims: true, ..Change::default() };
            let claimed = move |result| {
                done(match result {
                    Ok(()) => Ok(claim),
                    Err(AppendError::Fenced) => Err(StoreError::fenced()),
                    Err(AppendError::Lost(why)) => Err(StoreError::unavailable(why)),
                    Err(AppendError::Failed(why)) => claim.refuse(why),
                });
            };
            store.write(change, Box::new(claimed));
        });
        if claimant.anew.is_some() {
            self.0.calls.close();
        }
        self.0.calls.open(&opened);
    }

    fn inspect(&self, done: Done<Result<Claim, StoreError>>) {
        let opened = ended(move |result, _| {
            done(result.map_err(|error| unusable(&error)).and_then(|found| inspected(&found)));
        });
        self.0.calls.open(&opened);
    }

    fn read(&self, part: Part, from: u64, most: u32, done: Done<Result<Vec<Stored>, StoreError>>) {
        let base = match part {
            Part::Log => 0,
            Part::Base(number) => number,
        };
        let read = ended(move |result, _| {
            done(match result {
                Err(error) => Err(unusable(&error)),
                Ok(frames) => match frames.dyn_into::<Array>() {
                    Ok(frames) => Ok(frames.iter().map(Stored).collect()),
                    Err(_) => Err(StoreError::unavailable("read() did not answer an array")),
                },
            });
        });
        self.0.calls.read(base as f64, from as f64, most, &read);
    }

    fn append(
        &self,
        work: Rc<Transaction>,
        durability: Durability,
        _leaving: bool,
        done: Done<Result<(), AppendError>>,
    ) {
        self.put(work, 0, durability, done);
    }

    fn repair(
        &self,
        _owner: &Manifest,
        repair: &Repair,
        record: Option<&[u8]>,
        done: Done<Result<(), AppendError>>,
    ) {
        let offset = repair.delete_from;
        let change = Change { is_strict: true, cut: Some(offset), ..Change::default() };
        if let Some(record) = record {
            change.push(Place::Record { offset }, &record.into());
        }
        self.write(change, done);
    }

    fn close(&self) {
        self.0.calls.close();
    }
}

/// A `done` of [`StoreCalls`]: it is called once, with an error or with up to two values.
fn ended(done: impl FnOnce(Result<JsValue, JsValue>, JsValue) + 'static) -> JsValue {
    Closure::once_into_js(move |error: JsValue, value: JsValue, more: JsValue| {
        done(if error.is_undefined() { Ok(value) } else { Err(error) }, more);
    })
}

fn code_of(error: &JsValue) -> Option<String> {
    Reflect::get(error, &"code".into()).ok()?.as_string()
}

fn unusable(error: &JsValue) -> StoreError {
    let message = reason(error);
    let codes = ["STORE_LOCKED", "STORE_CORRUPT", "STORE_TOO_NEW"];
    let code = code_of(error).and_then(|code| codes.into_iter().find(|known| *known == code));
    StoreError { code: code.unwrap_or("STORE_UNAVAILABLE"), message }
}
