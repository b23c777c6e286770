//! `Log` in a dedicated worker, where there is no `window`.
#![cfg(target_arch = "wasm32")]

use js_sys::{Function, Promise, Reflect};
use lodis::web::{Lodis, Log};
use wasm_bindgen::convert::TryFromJsValue;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::*;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// `INCR n` as a frame.
const FRAME: &[u8] = b"\x02\0\0\0\x04\0\0\0INCR\x01\0\0\0n";

fn object<T: JsCast>(pairs: &[(&str, JsValue)]) -> T {
    let object = js_sys::Object::new();
    for (name, value) in pairs {
        Reflect::set(&object, &(*name).into(), value).unwrap();
    }
    object.unchecked_into()
}

async fn wait(promise: Promise) -> JsValue {
    JsFuture::from(promise).await.unwrap()
}

/// Opens, counts one up, waits until that is stored by itself, closes; answers the reply.
async fn visit(name: &str) -> String {
    let now = js_sys::Date::now();
    let lodis = Lodis::new(&object(&[("nowMs", now.into())])).map_err(JsValue::from).unwrap();
    let options = object(&[("appendOnly", true.into()), ("appendFsync", "everysec".into())]);
    let opening = Log::open(&lodis, name.into(), &options, Function::new_no_args(""));
    let log = wait(opening.map_err(JsValue::from).unwrap()).await;
    let log = Log::try_from_js_value(log).unwrap();
    let session = lodis.connect(3);
    let room = lodis.reserve(FRAME.len()) as *mut u8;
    // SAFETY: `reserve` answers room for so many bytes in this very memory.
    unsafe { std::ptr::copy_nonoverlapping(FRAME.as_ptr(), room, FRAME.len()) };
    lodis.exec(session, FRAME.len(), now);
    // SAFETY: `head` answers a pointer to where the reply is and its length.
    let reply = unsafe {
        let [reply, len] = *(lodis.head() as *const [usize; 2]);
        std::slice::from_raw_parts(reply as *const u8, len).to_vec()
    };
    log.written(now);
    let started = js_sys::Date::now();
    while log.durable_offset() < lodis.offset() {
        assert!(js_sys::Date::now() - started < 5000.0, "the timer did not fire");
        let channel = web_sys::MessageChannel::new().unwrap();
        wait(Promise::new(&mut |resolve, _| {
            channel.port2().set_onmessage(Some(&resolve));
            channel.port1().post_message(&JsValue::NULL).unwrap();
        }))
        .await;
        channel.port1().close();
    }
    wait(log.close()).await;
    String::from_utf8(reply).unwrap()
}

#[wasm_bindgen_test]
async fn a_worker_keeps_its_data() {
    let name = format!("worker-{}", js_sys::Date::now());
    assert_eq!(visit(&name).await, ":1\r\n");
    assert_eq!(visit(&name).await, ":2\r\n");
}
