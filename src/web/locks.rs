//! Web Locks, in windows and workers.

use js_sys::{Array, Function, Object, Promise, Reflect};
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

/// Why a lock is not held.
pub(super) enum Refused {
    /// The browser does not give it, for this reason.
    Denied(JsValue),
    /// It was held, and another context has taken it.
    Stolen,
}

/// How to ask for a lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// When its turn comes.
    Wait,
    /// At once: whoever holds it loses it.
    Steal,
}

/// A lock that somebody holds.
pub(super) struct Holding {
    /// The lock's name.
    pub(super) name: String,
    /// The page or worker that holds it.
    pub(super) client: String,
}

impl Lock {
    /// Asks for the exclusive lock called `name`. `then` hears when it is held, or why the browser
    /// refuses it; later, if another context steals it, it hears of an error. A dropped request hears
    /// nothing. Fails where there are no Web Locks.
    pub(super) fn request(
        name: &str,
        ask: Ask,
        then: Box<dyn Fn(Result<(), Refused>)>,
    ) -> Result<Self, JsValue> {
        let locks = manager()?;
        let state = Rc::new(RefCell::new(State::Asked));
        let then: Rc<dyn Fn(Result<(), Refused>)> = Rc::from(then);
        let (asked, answer) = (Rc::clone(&state), Rc::clone(&then));
        let granted = Closure::once_into_js(move |_: JsValue| -> JsValue {
            if !matches!(*asked.borrow(), State::Asked) {
                return JsValue::UNDEFINED;
            }
            // Held until this promise resolves.
            let promise =
                Promise::new(&mut |resolve, _| *asked.borrow_mut() = State::Held(resolve));
            answer(Ok(()));
            promise.into()
        });
        let options = Object::new();
        let abort = match ask {
            Ask::Steal => {
                Reflect::set(&options, &"steal".into(), &JsValue::TRUE)?;
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
        let rejected =
            Closure::once_into_js(move |error: JsValue| match asked.replace(State::Dropped) {
                State::Dropped => {}
                State::Asked => then(Err(Refused::Denied(error))),
                State::Held(_) => then(Err(Refused::Stolen)),
            });
        let catch: Function = Reflect::get(&promise, &"catch".into())?.dyn_into()?;
        catch.call1(&promise, &rejected)?;
        Ok(Self { state, abort })
    }
}

impl Lock {
    /// Whether it is held, as far as was heard.
    pub(super) fn is_held(&self) -> bool {
        matches!(*self.state.borrow(), State::Held(_))
    }
}

/// Asks which locks are held in all contexts of this origin.
pub(super) fn query(then: impl FnOnce(Result<Vec<Holding>, JsValue>) + 'static) {
    let asked = || -> Result<Promise, JsValue> {
        let locks = manager()?;
        let query: Function = Reflect::get(&locks, &"query".into())?.dyn_into()?;
        query.call0(&locks)?.dyn_into()
    };
    let promise = match asked() {
        Ok(promise) => promise,
        Err(error) => return then(Err(error)),
    };
    let then = Rc::new(RefCell::new(Some(then)));
    let rejected = Rc::clone(&then);
    let answered = Closure::once_into_js(move |snapshot: JsValue| {
        if let Some(then) = then.take() {
            then(holdings(&snapshot));
        }
    });
    let refused = Closure::once_into_js(move |error: JsValue| {
        if let Some(then) = rejected.take() {
            then(Err(error));
        }
    });
    let chained = Reflect::get(&promise, &"then".into()).and_then(|then| {
        let then: Function = then.dyn_into()?;
        then.call2(&promise, &answered, &refused)
    });
    // `then` of a promise takes functions.
    debug_assert!(chained.is_ok());
}

fn holdings(snapshot: &JsValue) -> Result<Vec<Holding>, JsValue> {
    let held: Array = Reflect::get(snapshot, &"held".into())?.dyn_into()?;
    let text = |lock: &JsValue, field: &str| Reflect::get(lock, &field.into()).ok()?.as_string();
    let holding = |lock: JsValue| {
        Some(Holding { name: text(&lock, "name")?, client: text(&lock, "clientId")? })
    };
    Ok(held.iter().filter_map(holding).collect())
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
