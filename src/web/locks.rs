//! Web Locks, in windows and workers.

use js_sys::{Function, Object, Promise, Reflect};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::AbortController;

/// A lock that is held, or waited for. Dropping it lets go of it, or withdraws the request.
pub(super) struct Lock {
    release: Rc<RefCell<Option<Function>>>,
    abort: Option<AbortController>,
}

/// How to ask for a lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Only if nobody holds it.
    IfAvailable,
    /// When its turn comes.
    Wait,
}

impl Lock {
    /// Asks for the exclusive lock called `name`. `then` hears once whether it is held now; with
    /// [`Ask::Wait`] only when it is. Fails where there are no Web Locks, or they are refused.
    pub(super) fn request(
        name: &str,
        ask: Ask,
        then: impl FnOnce(bool) + 'static,
    ) -> Result<Self, JsValue> {
        let locks = manager()?;
        let release = Rc::new(RefCell::new(None));
        let held = Rc::clone(&release);
        let granted = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            if lock.is_null() {
                then(false);
                return JsValue::UNDEFINED;
            }
            // Held until this promise resolves.
            let promise = Promise::new(&mut |resolve, _| *held.borrow_mut() = Some(resolve));
            then(true);
            promise.into()
        });
        let options = Object::new();
        let abort = match ask {
            Ask::IfAvailable => {
                Reflect::set(&options, &"ifAvailable".into(), &JsValue::TRUE)?;
                None
            }
            Ask::Wait => {
                let abort = AbortController::new()?;
                Reflect::set(&options, &"signal".into(), &abort.signal())?;
                Some(abort)
            }
        };
        let request: Function = Reflect::get(&locks, &"request".into())?.dyn_into()?;
        let promise: Promise =
            request.call3(&locks, &name.into(), &options, &granted)?.dyn_into()?;
        // A withdrawn request rejects, which is no fault.
        let ignore = Closure::once_into_js(|_: JsValue| ());
        let catch: Function = Reflect::get(&promise, &"catch".into())?.dyn_into()?;
        catch.call1(&promise, &ignore)?;
        Ok(Self { release, abort })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        match (self.release.take(), &self.abort) {
            (Some(release), _) => {
                let _ = release.call0(&JsValue::UNDEFINED);
            }
            (None, Some(abort)) => abort.abort(),
            (None, None) => {}
        }
    }
}

fn manager() -> Result<JsValue, JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let locks = Reflect::get(&navigator, &"locks".into())?;
    if locks.is_undefined() {
        Err(js_sys::Error::new("no Web Locks here").into())
    } else {
        Ok(locks)
    }
}
