//! Web Locks, in windows and workers.

use js_sys::{Function, Object, Promise, Reflect};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::AbortController;

/// A lock that is held, or waited for. Dropping it lets go of it, or withdraws the request.
pub(super) struct Lock {
    state: Rc<RefCell<State>>,
    abort: Option<AbortController>,
}

enum State {
    Asked,
    /// What lets go of it.
    Held(Function),
    /// Nobody wants it any more: if it is granted all the same, it is let go at once.
    Dropped,
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
    /// Asks for the exclusive lock called `name`. `then` hears whether it is held now, with
    /// [`Ask::Wait`] only when it is, or why the browser refuses it; later, if another context steals
    /// it, it hears of an error once more. A dropped request hears nothing.
    /// Fails where there are no Web Locks.
    pub(super) fn request(
        name: &str,
        ask: Ask,
        then: Box<dyn Fn(Result<bool, JsValue>)>,
    ) -> Result<Self, JsValue> {
        let locks = manager()?;
        let state = Rc::new(RefCell::new(State::Asked));
        let then: Rc<dyn Fn(Result<bool, JsValue>)> = Rc::from(then);
        let (asked, answer) = (Rc::clone(&state), Rc::clone(&then));
        let granted = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            if !matches!(*asked.borrow(), State::Asked) {
                return JsValue::UNDEFINED;
            }
            if lock.is_null() {
                answer(Ok(false));
                return JsValue::UNDEFINED;
            }
            // Held until this promise resolves.
            let promise =
                Promise::new(&mut |resolve, _| *asked.borrow_mut() = State::Held(resolve));
            answer(Ok(true));
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
        let asked = Rc::clone(&state);
        // A withdrawn request rejects too, which is no fault.
        let rejected = Closure::once_into_js(move |error: JsValue| {
            let before = asked.replace(State::Dropped);
            if !matches!(before, State::Dropped) {
                then(Err(error));
            }
        });
        let catch: Function = Reflect::get(&promise, &"catch".into())?.dyn_into()?;
        catch.call1(&promise, &rejected)?;
        Ok(Self { state, abort })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        match (self.state.replace(State::Dropped), &self.abort) {
            (State::Held(release), _) => {
                let _ = release.call0(&JsValue::UNDEFINED);
            }
            (State::Asked, Some(abort)) => abort.abort(),
            _ => {}
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
