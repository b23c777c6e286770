//! Time: the clocks and timers that windows and workers have in common.

use js_sys::{Function, Reflect};
use std::cell::RefCell;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{MessageChannel, Performance};

/// How long loading may hold the thread at a time.
pub(super) const LOAD_MS: f64 = 2.5;
/// How long a tick, and writing a base, may; what they did may be stored right after it.
pub(super) const TICK_MS: f64 = 2.0;

/// The longest delay that `setTimeout` understands.
const MAX_DELAY_MS: f64 = 2_147_483_647.0;

/// Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    js_sys::Date::now() as i64
}

/// Milliseconds since some moment, never going back.
pub(super) fn elapsed_ms() -> f64 {
    let performance = Reflect::get(&js_sys::global(), &"performance".into());
    match performance.ok().and_then(|value| value.dyn_into::<Performance>().ok()) {
        Some(performance) => performance.now(),
        None => js_sys::Date::now(),
    }
}

/// Runs `work` as a task of its own, soon: without the delay that nested timers get.
pub(super) fn after_this_task(work: Box<dyn FnOnce()>) {
    let Ok(channel) = MessageChannel::new() else { return after_ms(0.0, work) };
    let (sender, receiver) = (channel.port1(), channel.port2());
    let handler = Closure::once_into_js(move |_: JsValue| {
        // Open ports would keep each other alive.
        channel.port1().close();
        work();
    });
    receiver.set_onmessage(Some(handler.unchecked_ref()));
    // `undefined` can always be cloned.
    let _ = sender.post_message(&JsValue::UNDEFINED);
}

/// Runs `work` after this many milliseconds.
pub(super) fn after_ms(delay_ms: f64, work: Box<dyn FnOnce()>) {
    set_timeout(Closure::once_into_js(work).unchecked_ref(), delay_ms);
}

/// Runs `work` when the script that runs now has ended, as a part of the same task.
pub(super) fn after_this_microtask(work: Box<dyn FnOnce()>) {
    call_global("queueMicrotask", &[&Closure::once_into_js(work)]);
}

fn set_timeout(handler: &Function, delay_ms: f64) -> JsValue {
    call_global("setTimeout", &[handler.as_ref(), &delay_ms.into()])
}

fn call_global(name: &str, arguments: &[&JsValue]) -> JsValue {
    let global = js_sys::global();
    let function = Reflect::get(&global, &name.into()).ok();
    let function = function.and_then(|value| value.dyn_into::<Function>().ok());
    let arguments: js_sys::Array = arguments.iter().map(|argument| (*argument).clone()).collect();
    function.and_then(|f| f.apply(&global, &arguments).ok()).unwrap_or(JsValue::UNDEFINED)
}

/// One timer that can be set anew.
pub(super) struct Timer {
    handler: Closure<dyn FnMut()>,
    set: std::rc::Rc<RefCell<Option<(i64, JsValue)>>>,
}

impl Timer {
    /// A timer that runs `work`.
    pub(super) fn new(work: impl Fn() + 'static) -> Self {
        let set = std::rc::Rc::new(RefCell::new(None));
        let cleared = std::rc::Rc::clone(&set);
        let handler = Closure::new(move || {
            cleared.take();
            work();
        });
        Self { handler, set }
    }

    /// Runs at `at`, in Unix milliseconds, and not at the time set before; `None` for never.
    pub(super) fn set(&self, at: Option<i64>) {
        if self.set.borrow().as_ref().map(|(at, _)| *at) == at {
            return;
        }
        if let Some((_, id)) = self.set.take() {
            call_global("clearTimeout", &[&id]);
        }
        let Some(at) = at else { return };
        let delay = ((at - now_ms()) as f64).clamp(0.0, MAX_DELAY_MS);
        let id = set_timeout(self.handler.as_ref().unchecked_ref(), delay);
        *self.set.borrow_mut() = Some((at, id));
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.set(None);
    }
}
