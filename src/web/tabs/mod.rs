//! `Tabs`: one context's part in a name, as JavaScript sees it.
//!
//! Drives [`crate::replication::peer`]: [`links`] are the locks and the channel that tie a tab to the
//! others, [`copy`] is what is done with the engine and the store, in order, [`sync`] brings everything
//! from one tab to another, and [`guests`] are the sessions of other tabs at the one that leads. Events are delivered while nothing here is borrowed.

mod copy;
mod driver;
mod guests;
mod links;
mod sync;

use super::facade::Lodis;
use super::log::LogOptions;
use crate::engine::session::SessionId;
use driver::Driver;
use js_sys::Function;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
export interface TabsOptions extends LogOptions {
  /** Hold a copy of the data while another tab leads. */
  replica: boolean;
  /** Lead, if nobody else does. */
  leads: boolean;
  /** How long a leader may be silent before it is robbed, in milliseconds. */
  silenceMs: number;
}
/**
 * What happens between tabs. "lead": this one does from now on, and `log` records it; "follow": it does
 * no longer; "welcome": the leader has a session for it, a new one; "copy": whether its own copy can be
 * read; "thin": there is no memory for one, and from now on there is none; "reply": what a request
 * answered, and whether a MULTI is open since, and whether CLIENT TRACKING is on: 1 if it is, 2 if all reads
 * have to be the leader's; "follow" tells that too; "lost": it is not known
 * what became of a request; "push": messages of this tab's session; "ran": requests of others were run
 * here, or the copy has changed in a way that sessions here are told of; "tabs": how many others there are,
 * at the leader; "failed": the last event, nothing goes on: the `code` of the error is that of a store
 * (`Log.open`), or LOCKS_UNAVAILABLE where the browser refuses Web Locks, or OUTDATED when a tab has a newer
 * version: `close` is then yet to be called.
 */
export type TabsEvent =
  | { type: "lead"; log: Log }
  | { type: "follow"; transaction: boolean; tracking: 0 | 1 | 2 }
  | { type: "welcome" }
  | { type: "copy"; readable: boolean }
  | { type: "thin" }
  | { type: "reply"; seq: number; reply: Uint8Array; transaction: boolean; tracking: 0 | 1 | 2 }
  | { type: "lost"; seq: number }
  | { type: "push"; messages: Uint8Array }
  | { type: "ran" }
  | { type: "tabs"; count: number }
  | { type: "failed"; error: Error };
"#;

#[wasm_bindgen]
extern "C" {
    /// How a context takes part in a name.
    #[wasm_bindgen(js_name = Object, typescript_type = "TabsOptions", extends = LogOptions)]
    pub type TabsOptions;
    #[wasm_bindgen(method, getter)]
    fn replica(this: &TabsOptions) -> bool;
    #[wasm_bindgen(method, getter)]
    fn leads(this: &TabsOptions) -> bool;
    #[wasm_bindgen(method, getter, js_name = silenceMs)]
    fn silence_ms(this: &TabsOptions) -> f64;
}

/// One context's part in a name.
#[wasm_bindgen]
pub struct Tabs {
    driver: Rc<Driver>,
}

#[wasm_bindgen]
impl Tabs {
    /// Joins the tabs that have opened `name`, with `lodis`, which must be fresh, for the data, and
    /// `session` for what this tab runs itself. The store is `store`, or the database `lodis:<name>`.
    ///
    /// Throws an `Error` with `code` `LOCKS_UNAVAILABLE` where there are no Web Locks or no
    /// BroadcastChannel.
    pub fn join(
        lodis: &Lodis,
        session: u32,
        name: String,
        #[wasm_bindgen(unchecked_param_type = "StoreCalls | undefined")] store: JsValue,
        options: &TabsOptions,
        #[wasm_bindgen(unchecked_param_type = "(event: TabsEvent) => void")] on_event: Function,
        #[wasm_bindgen(unchecked_param_type = "(type: LogEvent, value: number | string) => void")]
        on_log: Function,
    ) -> Result<Tabs, JsValue> {
        let session = SessionId(session);
        let store = Some(store).filter(|store| !store.is_undefined());
        let driver = Driver::new(lodis.core(), session, name, store, options, on_event, on_log)?;
        driver.come().map_err(|cause| links::unavailable(&cause))?;
        Ok(Self { driver })
    }

    /// `session` runs what this tab runs itself, from now on.
    pub fn attach(&self, session: u32) {
        self.driver.attach(SessionId(session));
    }

    /// Has the commands of `frame` (see `Lodis.exec`; names, not numbers) run by the leader, which this
    /// tab may be. `seq` must rise. `blocks`: they may block, and get a session of their own.
    pub fn request(&self, seq: f64, frame: Vec<u8>, blocks: bool) {
        self.driver.request(seq as u64, frame, blocks);
    }

    /// Ends the blocking of a request, which is then replied to.
    pub fn cancel(&self, seq: f64) {
        self.driver.cancel(seq as u64);
    }

    /// Leader: runs what CLIENT PAUSE has postponed, if the pause is over.
    pub fn resume(&self) {
        self.driver.resume();
    }

    /// Leader: the effect stream advanced, or a session has messages.
    pub fn written(&self) {
        self.driver.written();
    }

    /// Whether this tab leads for certain, and may run a write without `request`.
    #[wasm_bindgen(js_name = mayWrite)]
    pub fn may_write(&self) -> bool {
        self.driver.may_write()
    }

    /// Makes certain that this tab leads, if it does and has not been heard of for long.
    pub fn verify(&self) {
        self.driver.verify();
    }

    /// The page will be frozen, or is put into the back/forward cache: lets go of locks, channel and
    /// store. What was asked for goes on after `come`.
    pub fn leave(&self) {
        self.driver.leave();
    }

    /// The page is back. Throws as `join` does.
    pub fn come(&self) -> Result<(), JsValue> {
        self.driver.come().map_err(|cause| links::unavailable(&cause))
    }

    /// Lets go of locks, channel and store; no event comes after it.
    pub fn close(&self) {
        self.driver.close();
    }
}

impl Drop for Tabs {
    fn drop(&mut self) {
        self.driver.close();
    }
}
