//! One tab of a test: an engine of its own with its [`Tabs`], and what they have told.

use js_sys::{Date, Function, Object, Promise, Reflect, Uint8Array};
use lodis::web::{Lodis, Tabs};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(module = "/tests/web_tabs/page.js")]
extern "C" {
    pub fn sleep(ms: f64) -> Promise;
}

thread_local! {
    static NAMES: Cell<u32> = const { Cell::new(0) };
}

/// A name that nobody has used.
pub fn fresh_name() -> String {
    NAMES.set(NAMES.get() + 1);
    format!("tabs-{}-{}", Date::now(), NAMES.get())
}

pub async fn wait(promise: Promise) -> JsValue {
    JsFuture::from(promise).await.unwrap()
}

pub async fn pause(ms: f64) {
    wait(sleep(ms)).await;
}

/// Waits until something is so, half a minute at most.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        pause(10.0).await;
    }
    panic!("not within half a minute: {what}");
}

pub fn field(event: &JsValue, name: &str) -> JsValue {
    Reflect::get(event, &name.into()).unwrap()
}

pub fn kind(event: &JsValue) -> String {
    field(event, "type").as_string().unwrap()
}

fn seq(event: &JsValue) -> f64 {
    field(event, "seq").as_f64().unwrap()
}

pub fn text(event: &JsValue, name: &str) -> String {
    String::from_utf8(field(event, name).unchecked_into::<Uint8Array>().to_vec()).unwrap()
}

/// One command as a frame.
pub fn frame(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut frame = (words.len() as u32).to_le_bytes().to_vec();
    for word in words {
        frame.extend((word.len() as u32).to_le_bytes());
        frame.extend(word.as_bytes());
    }
    frame
}

/// How a member takes part.
#[derive(Clone, Copy)]
pub struct Options {
    pub replica: bool,
    pub leads: bool,
    pub silence_ms: f64,
    pub fsync: &'static str,
}

pub const USUAL: Options =
    Options { replica: true, leads: true, silence_ms: 3000.0, fsync: "everysec" };

type Handler = Closure<dyn FnMut(JsValue)>;
type LogHandler = Closure<dyn FnMut(JsValue, JsValue)>;
type React = Box<dyn Fn(&Tabs, &JsValue)>;

/// One tab.
pub struct Member {
    pub lodis: Lodis,
    pub tabs: Rc<Tabs>,
    session: Cell<u32>,
    next_seq: Cell<f64>,
    events: Rc<RefCell<Vec<JsValue>>>,
    _on_event: Handler,
    _on_log: LogHandler,
}

impl Member {
    pub fn join(name: &str) -> Self {
        Self::join_as(name, USUAL)
    }

    pub fn join_as(name: &str, options: Options) -> Self {
        Self::try_join(name, options, Box::new(|_, _| ())).unwrap()
    }

    /// Joins; `react` is called inside the handler of every event.
    pub fn try_join(name: &str, options: Options, react: React) -> Result<Self, JsValue> {
        let lodis = Lodis::new(&object(&[("nowMs", Date::now().into())])).map_err(JsValue::from)?;
        let session = lodis.connect(3);
        let events = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&events);
        let this: Rc<RefCell<Option<Rc<Tabs>>>> = Rc::default();
        let inside = Rc::clone(&this);
        let handler = Handler::new(move |event: JsValue| {
            let tabs = inside.borrow().clone().expect("no event comes before join() is done");
            react(&tabs, &event);
            noted.borrow_mut().push(event);
        });
        let noted = Rc::clone(&events);
        let log_handler = LogHandler::new(move |kind: JsValue, value: JsValue| {
            let kind = format!("log {}", kind.as_string().unwrap_or_default());
            noted.borrow_mut().push(object(&[("type", kind.into()), ("value", value)]));
        });
        let settings = object(&[
            ("appendOnly", true.into()),
            ("appendFsync", options.fsync.into()),
            ("replica", options.replica.into()),
            ("leads", options.leads.into()),
            ("silenceMs", options.silence_ms.into()),
        ]);
        let on_event: Function = handler.as_ref().clone().unchecked_into();
        let on_log: Function = log_handler.as_ref().clone().unchecked_into();
        let tabs = Tabs::join(
            &lodis,
            session,
            name.to_owned(),
            JsValue::UNDEFINED,
            &settings,
            on_event,
            on_log,
        )?;
        let tabs = Rc::new(tabs);
        *this.borrow_mut() = Some(Rc::clone(&tabs));
        Ok(Self {
            lodis,
            tabs,
            session: Cell::new(session),
            next_seq: Cell::new(1.0),
            events,
            _on_event: handler,
            _on_log: log_handler,
        })
    }

    /// One that leads.
    pub async fn leader(name: &str) -> Self {
        let member = Self::join(name);
        member.next("lead").await;
        member
    }

    /// One that follows, and can read its copy.
    pub async fn replica(name: &str) -> Self {
        let member = Self::join(name);
        member.next("welcome").await;
        member.readable(true).await;
        member
    }

    /// The next event of a kind, which is then forgotten; half a minute at most.
    pub async fn next(&self, wanted: &str) -> JsValue {
        until(wanted, || self.told(wanted) > 0).await;
        self.take(|event| kind(event) == wanted).unwrap()
    }

    fn take(&self, is_it: impl Fn(&JsValue) -> bool) -> Option<JsValue> {
        let mut events = self.events.borrow_mut();
        let place = events.iter().position(is_it)?;
        Some(events.remove(place))
    }

    /// How many events of a kind were told and not taken.
    pub fn told(&self, wanted: &str) -> usize {
        self.events.borrow().iter().filter(|event| kind(event) == wanted).count()
    }

    pub fn forget_events(&self) {
        self.events.borrow_mut().clear();
    }

    pub async fn hears_nothing(&self) {
        pause(60.0).await;
        let kinds: Vec<String> = self.events.borrow().iter().map(kind).collect();
        assert!(kinds.is_empty(), "{kinds:?}");
    }

    /// Waits for the news that the copy can be read, or not.
    pub async fn readable(&self, wanted: bool) {
        until("news of the copy", || {
            let is_it = |event: &JsValue| {
                kind(event) == "copy" && field(event, "readable").as_bool() == Some(wanted)
            };
            self.take(is_it).is_some()
        })
        .await;
    }

    /// Waits until the leader counts so many others.
    pub async fn counts(&self, wanted: u32) {
        until("a number of tabs", || {
            let is_it = |event: &JsValue| {
                kind(event) == "tabs" && field(event, "count").as_f64() == Some(wanted.into())
            };
            self.take(is_it).is_some()
        })
        .await;
    }

    /// Another session runs what is run here, as the host has it after "follow".
    pub fn attach_anew(&self) {
        self.lodis.disconnect(self.session.get());
        self.session.set(self.lodis.connect(3));
        self.tabs.attach(self.session.get());
    }

    /// Runs one command here, and tells the others; the reply as RESP3.
    pub fn run(&self, line: &str) -> String {
        let frame = frame(line);
        let room = self.lodis.reserve(frame.len()) as *mut u8;
        // SAFETY: `reserve` answers room for so many bytes in this very memory.
        unsafe { std::ptr::copy_nonoverlapping(frame.as_ptr(), room, frame.len()) };
        self.lodis.exec(self.session.get(), frame.len(), Date::now());
        // SAFETY: `head` answers a pointer to where the reply is and its length.
        let reply = unsafe {
            let [reply, len] = *(self.lodis.head() as *const [usize; 2]);
            std::slice::from_raw_parts(reply as *const u8, len).to_vec()
        };
        self.tabs.written();
        String::from_utf8(reply).unwrap()
    }

    /// Waits until a command that is run here replies so.
    pub async fn replies(&self, line: &str, wanted: &str) {
        until(&format!("{line}: {wanted:?}"), || self.run(line) == wanted).await;
    }

    /// Has the leader run one command; answers the number of the request.
    pub fn request(&self, line: &str) -> f64 {
        self.send(frame(line), false)
    }

    /// One that may block.
    pub fn block(&self, line: &str) -> f64 {
        self.send(frame(line), true)
    }

    pub fn send(&self, frame: Vec<u8>, blocks: bool) -> f64 {
        let seq = self.next_seq.replace(self.next_seq.get() + 1.0);
        self.tabs.request(seq, frame, blocks);
        seq
    }

    /// What a request came to.
    pub async fn reply(&self, number: f64) -> String {
        let is_it =
            |event: &JsValue| matches!(&*kind(event), "reply" | "lost") && seq(event) == number;
        until("a reply", || self.events.borrow().iter().any(is_it)).await;
        let event = self.take(is_it).unwrap();
        if kind(&event) == "lost" { "lost".to_owned() } else { text(&event, "reply") }
    }

    /// Has the leader run one command; answers what it came to.
    pub async fn ask(&self, line: &str) -> String {
        self.reply(self.request(line)).await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may not be told anything any more, since its handlers end with it.
        self.tabs.close();
    }
}

fn object<T: JsCast>(pairs: &[(&str, JsValue)]) -> T {
    let object = Object::new();
    for (name, value) in pairs {
        Reflect::set(&object, &(*name).into(), value).unwrap();
    }
    object.unchecked_into()
}
