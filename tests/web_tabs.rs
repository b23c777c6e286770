//! `Tabs` in a real browser: several of them in one page share its locks and channels as tabs do.
#![cfg(target_arch = "wasm32")]

use js_sys::{Array, Error, Function, Promise, Reflect, Uint8Array};
use lodis::web::Tabs;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::*;

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(inline_js = r#"
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The names of the locks that are held or waited for, of one store. */
export async function locks_of(name) {
    const { held, pending } = await navigator.locks.query();
    const names = [...held, ...pending].map((lock) => lock.name);
    return names.filter((lock) => lock === `lodis:${name}` || lock.startsWith(`lodis:${name}:`));
}

/** Sends anything on the channel of a store. */
export async function send_raw(name, message) {
    const channel = new BroadcastChannel(`lodis:${name}`);
    channel.postMessage(message);
    await sleep(20);
    channel.close();
}

/** Holds a lock as a tab does; answers what a crash does to it. */
export function hold(name) {
    return new Promise((held) => {
        navigator.locks.request(name, () => new Promise((release) => held(release)));
    });
}

/** What `navigator.locks` is from now on; answers what undoes it. */
export function replace_locks(kind) {
    const refuse = () => Promise.reject(new DOMException("Refused.", "SecurityError"));
    const value = kind === "refused" ? { request: refuse } : undefined;
    Object.defineProperty(navigator, "locks", { configurable: true, value });
    return () => delete navigator.locks;
}

/** Calls `hook` when the lock called `wanted` has been asked for; answers what undoes it. */
export function after_asking_for(wanted, hook) {
    const { locks } = navigator;
    const request = (name, options, callback) => {
        if (name === wanted) queueMicrotask(hook);
        return locks.request(name, options, callback);
    };
    Object.defineProperty(navigator, "locks", { configurable: true, value: { request } });
    return () => delete navigator.locks;
}
"#)]
extern "C" {
    fn sleep(ms: f64) -> Promise;
    fn locks_of(name: &str) -> Promise;
    fn send_raw(name: &str, message: &JsValue) -> Promise;
    fn hold(name: &str) -> Promise;
    fn replace_locks(kind: &str) -> Function;
    fn after_asking_for(wanted: &str, hook: &Function) -> Function;
}

thread_local! {
    static NAMES: Cell<u32> = const { Cell::new(0) };
}

/// A name that nobody has used.
fn fresh_name() -> String {
    NAMES.set(NAMES.get() + 1);
    format!("tabs-{}-{}", js_sys::Date::now(), NAMES.get())
}

async fn wait(promise: Promise) -> JsValue {
    JsFuture::from(promise).await.unwrap()
}

async fn pause(ms: f64) {
    wait(sleep(ms)).await;
}

async fn lock_count(name: &str) -> u32 {
    Array::from(&wait(locks_of(name)).await).length()
}

fn text(event: &JsValue, field: &str) -> String {
    Reflect::get(event, &field.into()).unwrap().as_string().unwrap()
}

fn seq(event: &JsValue) -> f64 {
    Reflect::get(event, &"seq".into()).unwrap().as_f64().unwrap()
}

fn bytes(event: &JsValue, field: &str) -> Vec<u8> {
    Reflect::get(event, &field.into()).unwrap().unchecked_into::<Uint8Array>().to_vec()
}

type Handler = Closure<dyn FnMut(JsValue)>;

/// One `Tabs`, and the events that it has told and the test has not yet taken.
struct Member {
    tabs: Rc<Tabs>,
    events: Rc<RefCell<Vec<JsValue>>>,
    _handler: Handler,
}

impl Member {
    fn join(name: &str) -> Self {
        Self::join_with(name, |_, _| ())
    }

    /// Joins; `react` is called inside the handler of every event.
    fn join_with(name: &str, react: impl Fn(&Tabs, &JsValue) + 'static) -> Self {
        let events = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&events);
        let this: Rc<RefCell<Option<Rc<Tabs>>>> = Rc::default();
        let inside = Rc::clone(&this);
        let handler = Handler::new(move |event: JsValue| {
            let tabs = inside.borrow().clone().expect("no event comes before join() is done");
            react(&tabs, &event);
            noted.borrow_mut().push(event);
        });
        let on_event: Function = handler.as_ref().clone().unchecked_into();
        let tabs = Rc::new(Tabs::join(name.to_owned(), on_event).unwrap());
        *this.borrow_mut() = Some(Rc::clone(&tabs));
        Self { tabs, events, _handler: handler }
    }

    /// A member that owns the name and serves.
    async fn owner(name: &str) -> Self {
        let member = Self::join(name);
        member.next("own").await;
        member.tabs.serve();
        member
    }

    /// A member that an owner has welcomed, and its name there.
    async fn guest_of(name: &str, owner: &Self) -> (Self, String) {
        let member = Self::join(name);
        member.next("guest").await;
        (member, text(&owner.next("connect").await, "tab"))
    }

    /// Takes the next event, which must be of this kind; waits five seconds at most.
    async fn next(&self, kind: &str) -> JsValue {
        for _ in 0..500 {
            if !self.events.borrow().is_empty() {
                let event = self.events.borrow_mut().remove(0);
                assert_eq!(text(&event, "type"), kind);
                return event;
            }
            pause(10.0).await;
        }
        panic!("no event '{kind}'");
    }

    async fn hears_nothing(&self) {
        pause(60.0).await;
        assert_eq!(self.events.borrow().len(), 0);
    }
}

#[wasm_bindgen_test]
async fn the_second_forwards_to_the_first() {
    let name = fresh_name();
    let first = Member::join(&name);
    assert_eq!(first.tabs.role(), "joining");
    first.next("own").await;
    assert_eq!(first.tabs.role(), "owner");
    let second = Member::join(&name);
    second.tabs.request(1.0, b"early".to_vec(), false);
    second.hears_nothing().await;
    assert_eq!(second.tabs.role(), "joining");

    first.tabs.serve();
    second.next("guest").await;
    assert_eq!(second.tabs.role(), "guest");
    let tab = text(&first.next("connect").await, "tab");
    second.tabs.request(2.0, b"late".to_vec(), true);
    for (number, frame) in [(1.0, b"early".as_slice()), (2.0, b"late")] {
        let request = first.next("request").await;
        assert_eq!(text(&request, "tab"), tab);
        assert_eq!((seq(&request), bytes(&request, "frame").as_slice()), (number, frame));
    }
    first.tabs.answer(tab.clone(), 2.0, b"+2\r\n".to_vec());
    first.tabs.answer(tab.clone(), 2.0, b"+again\r\n".to_vec());
    first.tabs.push(tab.clone(), b">1\r\n+x\r\n".to_vec());
    first.tabs.answer(tab, 1.0, vec![0, 255]);
    let reply = second.next("reply").await;
    assert_eq!((seq(&reply), bytes(&reply, "reply")), (2.0, b"+2\r\n".to_vec()));
    assert_eq!(bytes(&second.next("push").await, "messages"), b">1\r\n+x\r\n");
    let reply = second.next("reply").await;
    assert_eq!((seq(&reply), bytes(&reply, "reply")), (1.0, vec![0, 255]));
    second.hears_nothing().await;
    first.hears_nothing().await;
}

#[wasm_bindgen_test]
async fn messages_reach_only_the_guest_they_are_for() {
    let name = fresh_name();
    let owner = Member::owner(&name).await;
    let (one, one_there) = Member::guest_of(&name, &owner).await;
    let (two, two_there) = Member::guest_of(&name, &owner).await;
    assert_ne!(one_there, two_there);
    let other = Member::owner(&fresh_name()).await;
    owner.tabs.push(two_there.clone(), b"two".to_vec());
    one.hears_nothing().await;
    other.hears_nothing().await;
    assert_eq!(bytes(&two.next("push").await, "messages"), b"two");
    owner.tabs.push("0123456789abcdef".to_owned(), b"nobody".to_vec());
    owner.tabs.answer("no number".to_owned(), 1.0, b"nobody".to_vec());
    one.hears_nothing().await;
    two.hears_nothing().await;
}

#[wasm_bindgen_test]
async fn a_guest_takes_over() {
    let name = fresh_name();
    let first = Member::owner(&name).await;
    let (second, _) = Member::guest_of(&name, &first).await;
    let (third, _) = Member::guest_of(&name, &first).await;
    third.tabs.request(1.0, b"write".to_vec(), false);
    third.tabs.request(2.0, b"read".to_vec(), true);
    first.next("request").await;
    first.next("request").await;

    first.tabs.close();
    second.next("own").await;
    assert_eq!(second.tabs.role(), "owner");
    third.tabs.request(3.0, b"waits".to_vec(), false);
    third.hears_nothing().await;
    second.tabs.serve();
    assert_eq!(seq(&third.next("lost").await), 1.0);
    third.next("guest").await;
    let tab = text(&second.next("connect").await, "tab");
    for (number, frame) in [(2.0, b"read".as_slice()), (3.0, b"waits")] {
        let request = second.next("request").await;
        assert_eq!((seq(&request), bytes(&request, "frame").as_slice()), (number, frame));
        second.tabs.answer(tab.clone(), number, frame.to_vec());
        assert_eq!(bytes(&third.next("reply").await, "reply"), frame);
    }
    first.hears_nothing().await;
}

#[wasm_bindgen_test]
async fn the_owner_hears_of_a_guest_that_leaves_or_crashes() {
    let name = fresh_name();
    let owner = Member::owner(&name).await;
    let (guest, tab) = Member::guest_of(&name, &owner).await;
    guest.tabs.close();
    assert_eq!(text(&owner.next("disconnect").await, "tab"), tab);

    let tab = 0x0102_0304_0506_0708_u64;
    let release = wait(hold(&format!("lodis:{name}:tab:{tab:016x}"))).await;
    let mut hello = vec![0; 26];
    hello[0] = 1;
    hello[10..18].copy_from_slice(&tab.to_le_bytes());
    wait(send_raw(&name, &Uint8Array::from(hello.as_slice()))).await;
    assert_eq!(text(&owner.next("connect").await, "tab"), "0102030405060708");
    owner.hears_nothing().await;
    release.unchecked_into::<Function>().call0(&JsValue::NULL).unwrap();
    assert_eq!(text(&owner.next("disconnect").await, "tab"), "0102030405060708");
    owner.hears_nothing().await;
}

#[wasm_bindgen_test]
async fn a_closed_one_is_silent_and_leaves_no_lock() {
    // At every moment of joining, alone and beside an owner.
    for alone in [true, false] {
        for ms in 0..12 {
            let name = fresh_name();
            let owner = if alone { None } else { Some(Member::owner(&name).await) };
            let member = Member::join(&name);
            if ms > 0 {
                pause(f64::from(ms - 1)).await;
            }
            member.tabs.close();
            member.events.borrow_mut().clear();
            member.tabs.request(1.0, b"x".to_vec(), true);
            member.tabs.serve();
            member.tabs.close();
            member.hears_nothing().await;
            assert_eq!(member.tabs.role(), "joining");
            if let Some(owner) = owner {
                assert_eq!(lock_count(&name).await, 2, "closed after {ms} ms");
                owner.tabs.close();
                pause(20.0).await;
            }
            assert_eq!(lock_count(&name).await, 0, "closed after {ms} ms");
        }
    }
}

/// Closes a member while the browser is about to grant it the name.
#[wasm_bindgen_test]
async fn a_name_granted_too_late_is_let_go() {
    let name = fresh_name();
    let member: Rc<RefCell<Option<Member>>> = Rc::default();
    let inside = Rc::clone(&member);
    let hook = Closure::<dyn FnMut()>::new(move || inside.borrow().as_ref().unwrap().tabs.close());
    let undo = after_asking_for(&format!("lodis:{name}"), hook.as_ref().unchecked_ref());
    *member.borrow_mut() = Some(Member::join(&name));
    pause(50.0).await;
    undo.call0(&JsValue::NULL).unwrap();
    assert!(member.borrow().as_ref().unwrap().events.borrow().is_empty());
    assert_eq!(lock_count(&name).await, 0);
    Member::owner(&name).await;
}

#[wasm_bindgen_test]
async fn handlers_may_call_back() {
    let name = fresh_name();
    let _owner = Member::join_with(&name, |tabs, event| match text(event, "type").as_str() {
        "own" => tabs.serve(),
        "request" => {
            tabs.push(text(event, "tab"), b"hi".to_vec());
            tabs.answer(text(event, "tab"), seq(event), bytes(event, "frame"));
        }
        _ => {}
    });
    let guest = Member::join_with(&name, |tabs, event| match text(event, "type").as_str() {
        "guest" => tabs.request(1.0, b"1".to_vec(), false),
        "reply" if seq(event) < 3.0 => tabs.request(seq(event) + 1.0, b"n".to_vec(), false),
        "reply" => tabs.close(),
        _ => {}
    });
    guest.next("guest").await;
    for number in [1.0, 2.0, 3.0] {
        guest.next("push").await;
        assert_eq!(seq(&guest.next("reply").await), number);
    }
    guest.hears_nothing().await;
    assert_eq!(lock_count(&name).await, 2);
}

#[wasm_bindgen_test]
async fn what_is_no_message_is_ignored() {
    let name = fresh_name();
    let owner = Member::owner(&name).await;
    let (guest, tab) = Member::guest_of(&name, &owner).await;
    for stray in [&[][..], &[2, 0, 0], &[1, 200], &[1, 0, 1]] {
        wait(send_raw(&name, &Uint8Array::from(stray))).await;
    }
    wait(send_raw(&name, &"text".into())).await;
    wait(send_raw(&name, &JsValue::NULL)).await;
    guest.tabs.request(1.0, b"x".to_vec(), true);
    owner.next("request").await;
    owner.tabs.answer(tab, 1.0, b"y".to_vec());
    guest.next("reply").await;
}

#[wasm_bindgen_test]
async fn missing_and_refused_locks_are_told() {
    let undo = replace_locks("missing");
    let joined = Tabs::join(fresh_name(), Function::new_no_args(""));
    undo.call0(&JsValue::NULL).unwrap();
    let error = joined.err().unwrap();
    assert!(error.is_instance_of::<Error>());
    assert_eq!(text(&error, "code"), "LOCKS_UNAVAILABLE");

    let undo = replace_locks("refused");
    let member = Member::join(&fresh_name());
    let failed = member.next("failed").await;
    undo.call0(&JsValue::NULL).unwrap();
    let error = Reflect::get(&failed, &"error".into()).unwrap();
    assert_eq!(text(&error, "code"), "LOCKS_UNAVAILABLE");
    member.hears_nothing().await;
}
