//! `Log` in a real browser: IndexedDB as the store.
#![cfg(target_arch = "wasm32")]

use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use lodis::persist::manifest::VERSION;
use lodis::web::{Lodis, Log};
use std::cell::Cell;
use wasm_bindgen::convert::TryFromJsValue;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::*;

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(module = "/tests/web_log/database.js")]
extern "C" {
    fn fail_puts(kind: &str);
    fn replace_global(name: &str, value: &JsValue) -> Function;
    fn refusing_factory(name: &str) -> JsValue;
    fn read_all(name: &str) -> Promise;
    fn read_keys(name: &str) -> Promise;
    fn read_manifest(name: &str) -> Promise;
    fn write_manifest(name: &str, bytes: &JsValue) -> Promise;
    fn write_record(name: &str, key: f64, bytes: &JsValue) -> Promise;
    fn read_meta_keys(name: &str) -> Promise;
    fn delete_piece(name: &str) -> Promise;
    fn raise_version(name: &str) -> Promise;
    fn watch_durability() -> JsValue;
    fn seen_by(watch: &JsValue) -> Array;
    fn stop_watch(watch: &JsValue);
    fn sleep(ms: f64) -> Promise;
    fn break_connection(kind: &str);
    fn hold_opening() -> Function;
    fn watch_commits() -> Function;
    fn delete_database(name: &str) -> Promise;
    fn upgrade_database(name: &str, version: u32) -> Promise;
    fn empty_database(name: &str) -> Promise;
    fn delete_record(name: &str, key: f64) -> Promise;
}

/// An engine with its log, and the events it has told.
struct Page {
    lodis: Lodis,
    session: u32,
    log: Log,
    events: Array,
    _handler: Closure<dyn FnMut(JsValue, JsValue)>,
}

thread_local! {
    static NAMES: Cell<u32> = const { Cell::new(0) };
}

/// A database name that nobody has used.
fn fresh_name() -> String {
    NAMES.set(NAMES.get() + 1);
    format!("test-{}-{}", js_sys::Date::now(), NAMES.get())
}

async fn wait(promise: Promise) -> Result<JsValue, JsValue> {
    JsFuture::from(promise).await
}

fn object<T: JsCast>(pairs: &[(&str, JsValue)]) -> T {
    let object = js_sys::Object::new();
    for (name, value) in pairs {
        Reflect::set(&object, &(*name).into(), value).unwrap();
    }
    object.unchecked_into()
}

fn now() -> f64 {
    js_sys::Date::now()
}

impl Page {
    async fn open(name: &str, append_only: bool, fsync: &str) -> Result<Self, JsValue> {
        let lodis = Lodis::new(&object(&[("nowMs", now().into())])).map_err(JsValue::from)?;
        let session = lodis.connect(3);
        let events = Array::new();
        let noted = events.clone();
        let handler = Closure::<dyn FnMut(JsValue, JsValue)>::new(move |kind, value| {
            noted.push(&Array::of2(&kind, &value));
        });
        let options = object(&[("appendOnly", append_only.into()), ("appendFsync", fsync.into())]);
        let on_event: Function = handler.as_ref().clone().unchecked_into();
        let opening = Log::open(&lodis, name.into(), &options, on_event).map_err(JsValue::from)?;
        let log = wait(opening).await?;
        let log = <Log as TryFromJsValue>::try_from_js_value(log)?;
        Ok(Self { lodis, session, log, events, _handler: handler })
    }

    /// Runs one command and tells the log; the reply as RESP3.
    fn call(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let mut frame = (words.len() as u32).to_le_bytes().to_vec();
        for word in words {
            frame.extend((word.len() as u32).to_le_bytes());
            frame.extend(word.as_bytes());
        }
        let room = self.lodis.reserve(frame.len()) as *mut u8;
        // SAFETY: `reserve` answers room for so many bytes in this very memory.
        unsafe { std::ptr::copy_nonoverlapping(frame.as_ptr(), room, frame.len()) };
        self.lodis.exec(self.session, frame.len(), now());
        // SAFETY: `head` answers a pointer to where the reply is and its length.
        let text = unsafe {
            let [reply, len] = *(self.lodis.head() as *const [usize; 2]);
            std::slice::from_raw_parts(reply as *const u8, len).to_vec()
        };
        self.log.written(now());
        String::from_utf8(text).unwrap()
    }

    fn get(&self, key: &str) -> Option<String> {
        let reply = self.call(&format!("GET {key}"));
        let (_, rest) = reply.split_once("\r\n")?;
        rest.strip_suffix("\r\n").map(str::to_owned)
    }

    fn told(&self, kind: &str) -> Vec<JsValue> {
        self.told_after("", kind)
    }

    /// What was told of a kind since the first event of another one.
    fn told_after(&self, first: &str, kind: &str) -> Vec<JsValue> {
        let pairs = self.events.iter().map(|pair| Array::from(&pair));
        let is = |pair: &Array, kind: &str| pair.get(0).as_string().as_deref() == Some(kind);
        let later = pairs.skip_while(|pair| !first.is_empty() && !is(pair, first));
        later.filter(|pair| is(pair, kind)).map(|pair| pair.get(1)).collect()
    }

    /// Waits for an event, at most half a minute.
    async fn until(&self, kind: &str) -> JsValue {
        for _ in 0..3000 {
            if let Some(value) = self.told(kind).pop() {
                return value;
            }
            wait(sleep(10.0)).await.unwrap();
        }
        panic!("no event '{kind}'");
    }

    async fn flush(&self) -> f64 {
        wait(self.log.flush()).await.unwrap().as_f64().unwrap()
    }

    async fn close(self) {
        wait(self.log.close()).await.unwrap();
    }
}

fn code(error: &JsValue) -> String {
    Reflect::get(error, &"code".into()).unwrap().as_string().unwrap_or_default()
}

async fn refused(name: &str) -> String {
    code(&Page::open(name, true, "always").await.err().expect("open must be refused"))
}

async fn bytes_of(promise: Promise) -> Vec<u8> {
    wait(promise).await.unwrap().unchecked_into::<Uint8Array>().to_vec()
}

async fn keys(name: &str) -> Vec<f64> {
    let keys = wait(read_keys(name)).await.unwrap();
    Array::from(&keys).iter().map(|key| key.as_f64().unwrap()).collect()
}

#[wasm_bindgen_test]
async fn what_was_written_is_there_after_reopening() {
    let name = fresh_name();
    let page = Page::open(&name, true, "everysec").await.unwrap();
    for number in 0..300 {
        page.call(&format!("SET key:{number} {number}"));
    }
    page.call("SET volatile x EX 100");
    let offset = page.lodis.offset();
    page.close().await;
    let page = Page::open(&name, true, "everysec").await.unwrap();
    assert_eq!(page.lodis.offset(), offset);
    assert_eq!(page.log.durable_offset(), offset);
    assert_eq!(page.get("key:299").as_deref(), Some("299"));
    assert_eq!(page.get("volatile").as_deref(), Some("x"));
    assert_eq!(page.told("progress").last().unwrap().as_f64(), Some(1.0));
    page.call("INCR key:299");
    page.close().await;
    let page = Page::open(&name, false, "no").await.unwrap();
    assert_eq!(page.get("key:299").as_deref(), Some("300"));
    page.close().await;
}

#[wasm_bindgen_test]
async fn a_long_log_is_read_in_several_batches() {
    let name = fresh_name();
    let page = Page::open(&name, true, "everysec").await.unwrap();
    let value = "v".repeat(300_000);
    for number in 0..150 {
        page.call(&format!("SET key:{number} {number}{value}"));
    }
    page.close().await;
    assert_eq!(keys(&name).await.len(), 150);
    let page = Page::open(&name, true, "everysec").await.unwrap();
    assert_eq!(page.get("key:149"), Some(format!("149{value}")));
    let progress: Vec<f64> = page.told("progress").iter().map(|p| p.as_f64().unwrap()).collect();
    assert!(progress.len() > 2 && progress.is_sorted(), "{progress:?}");
    page.close().await;
}

#[wasm_bindgen_test]
async fn always_waits_for_a_strict_transaction_and_groups() {
    let page = Page::open(&fresh_name(), true, "always").await.unwrap();
    let watch = watch_durability();
    assert!(page.log.waits_for_store());
    page.call("SET a 1");
    assert!(page.log.durable_offset() < page.lodis.offset());
    for _ in 0..50 {
        page.call("INCR a");
    }
    while page.log.durable_offset() < page.lodis.offset() {
        wait(sleep(1.0)).await.unwrap();
    }
    stop_watch(&watch);
    let seen: Vec<_> = seen_by(&watch).iter().map(|seen| seen.as_string().unwrap()).collect();
    assert_eq!(seen, ["strict", "strict"]);
    assert_eq!(page.told("durable").last().unwrap().as_f64(), Some(page.lodis.offset()));
    page.call("CONFIG SET appendfsync everysec");
    assert!(!page.log.waits_for_store());
    page.close().await;
}

#[wasm_bindgen_test]
async fn everysec_waits_and_hidden_does_not() {
    let page = Page::open(&fresh_name(), true, "everysec").await.unwrap();
    let stored = async |page: &Page| {
        while page.log.durable_offset() < page.lodis.offset() {
            wait(sleep(10.0)).await.unwrap();
        }
    };
    let watch = watch_durability();
    let begun = js_sys::Date::now();
    page.call("SET a 1");
    wait(sleep(300.0)).await.unwrap();
    // On a busy machine this may have been long.
    if js_sys::Date::now() - begun < 800.0 {
        assert_eq!(seen_by(&watch).length(), 0);
    }
    stored(&page).await;
    assert_eq!(seen_by(&watch).length(), 1);
    page.call("SET a 2");
    page.log.hidden();
    assert_eq!(seen_by(&watch).length(), 2, "in the same task");
    stored(&page).await;
    stop_watch(&watch);
    let seen: Vec<_> = seen_by(&watch).iter().map(|seen| seen.as_string().unwrap()).collect();
    assert_eq!(seen, ["relaxed", "relaxed"]);
    page.call("SET a 3");
    assert_eq!(page.flush().await, page.lodis.offset());
    page.close().await;
}

#[wasm_bindgen_test]
async fn a_store_from_a_newer_version_is_refused_and_untouched() {
    let name = fresh_name();
    let page = Page::open(&name, true, "always").await.unwrap();
    page.call("SET a 1");
    page.close().await;
    let mut manifest = bytes_of(read_manifest(&name)).await;
    manifest[4] = VERSION as u8 + 1;
    wait(write_manifest(&name, &Uint8Array::from(&manifest[..]))).await.unwrap();
    assert_eq!(refused(&name).await, "STORE_TOO_NEW");
    assert_eq!(bytes_of(read_manifest(&name)).await, manifest);
    assert_eq!(keys(&name).await, [0.0]);
    let name = fresh_name();
    Page::open(&name, true, "always").await.unwrap().close().await;
    wait(raise_version(&name)).await.unwrap();
    assert_eq!(refused(&name).await, "STORE_TOO_NEW");
}

#[wasm_bindgen_test]
async fn a_torn_tail_is_cut_and_damage_before_it_is_refused() {
    let name = fresh_name();
    let page = Page::open(&name, true, "always").await.unwrap();
    for number in 1..=3 {
        page.call(&format!("SET a {number}"));
        page.flush().await;
    }
    page.close().await;
    let keys_before = keys(&name).await;
    assert_eq!(keys_before.len(), 3);
    let records = Array::from(&wait(read_all(&name)).await.unwrap());
    let last: Vec<u8> = records.get(2).unchecked_into::<Uint8Array>().to_vec();
    let torn = Uint8Array::from(&last[..last.len() - 5]);
    wait(write_record(&name, keys_before[2], &torn)).await.unwrap();
    let page = Page::open(&name, true, "always").await.unwrap();
    assert_eq!(page.get("a").as_deref(), Some("2"));
    assert_eq!(page.told("cut").len(), 1);
    assert_eq!(page.lodis.offset(), keys_before[2]);
    assert_eq!(keys(&name).await, keys_before[..2]);
    page.call("SET a 4");
    page.close().await;
    let page = Page::open(&name, true, "always").await.unwrap();
    assert_eq!(page.get("a").as_deref(), Some("4"));
    assert_eq!(page.told("cut").len(), 0);
    page.close().await;
    let mut first: Vec<u8> = records.get(0).unchecked_into::<Uint8Array>().to_vec();
    first[50] ^= 1;
    wait(write_record(&name, 0.0, &Uint8Array::from(&first[..]))).await.unwrap();
    assert_eq!(refused(&name).await, "STORE_CORRUPT");
}

#[wasm_bindgen_test]
async fn a_frozen_owner_never_writes_again() {
    let name = fresh_name();
    let old = Page::open(&name, true, "always").await.unwrap();
    old.call("SET a 1");
    old.flush().await;
    let new = Page::open(&name, true, "always").await.unwrap();
    assert_eq!(new.get("a").as_deref(), Some("1"));
    let before = keys(&name).await;
    old.call("SET a old");
    old.until("fenced").await;
    assert_eq!(keys(&name).await, before, "nothing was written, though it was committed at once");
    assert!(old.call("SET a older").starts_with("-MISCONF"));
    assert!(old.log.error().is_some());
    assert!(wait(old.log.flush()).await.is_err());
    new.call("SET b new");
    new.flush().await;
    assert!(new.told("fenced").is_empty());
    new.close().await;
    let page = Page::open(&name, true, "always").await.unwrap();
    assert_eq!(page.get("a").as_deref(), Some("1"));
    assert_eq!(page.get("b").as_deref(), Some("new"));
    page.close().await;
}

#[wasm_bindgen_test]
async fn indexed_db_refused() {
    for value in [
        JsValue::UNDEFINED,
        refusing_factory("SecurityError"),
        refusing_factory("InvalidStateError"),
    ] {
        let restore = replace_global("indexedDB", &value);
        let code = refused(&fresh_name()).await;
        restore.call0(&JsValue::UNDEFINED).unwrap();
        assert_eq!(code, "STORE_UNAVAILABLE");
    }
}

#[wasm_bindgen_test]
async fn a_failing_store_refuses_writes_and_recovers_without_loss() {
    for (kind, reason) in
        [("quota", "QuotaExceededError: The quota is exceeded."), ("abort", "abort")]
    {
        let name = fresh_name();
        let page = Page::open(&name, true, "always").await.unwrap();
        page.call("SET before 1");
        page.flush().await;
        fail_puts(kind);
        page.call("SET during 2");
        let why = page.until("failed").await.as_string().unwrap();
        assert!(why.contains(reason), "{why}");
        assert_eq!(page.log.error(), Some(why.clone()));
        let refusal = page.call("SET refused 3");
        assert_eq!(refusal, format!("-MISCONF Errors writing to the AOF file: {why}\r\n"));
        assert_eq!(page.get("before").as_deref(), Some("1"));
        assert!(wait(page.log.flush()).await.is_err());
        fail_puts("");
        page.until("recovered").await;
        assert_eq!(page.log.error(), None);
        page.call("SET after 4");
        page.close().await;
        let page = Page::open(&name, true, "always").await.unwrap();
        assert_eq!(page.get("during").as_deref(), Some("2"));
        assert_eq!(page.get("after").as_deref(), Some("4"));
        assert_eq!(page.call("EXISTS refused"), ":0\r\n");
        page.close().await;
    }
}

#[wasm_bindgen_test]
async fn appendonly_off_and_on_again() {
    let name = fresh_name();
    let page = Page::open(&name, false, "always").await.unwrap();
    page.call("SET a 1");
    assert!(!page.log.waits_for_store());
    page.flush().await;
    assert!(keys(&name).await.is_empty());
    page.call("CONFIG SET appendonly yes");
    assert!(page.log.waits_for_store());
    page.call("SET b 2");
    page.flush().await;
    page.call("CONFIG SET appendonly no");
    page.call("SET c 3");
    page.close().await;
    let page = Page::open(&name, false, "always").await.unwrap();
    assert_eq!(page.get("a").as_deref(), Some("1"));
    assert_eq!(page.get("b").as_deref(), Some("2"));
    assert_eq!(page.call("EXISTS c"), ":0\r\n");
    assert_eq!(page.call("CONFIG GET appendonly"), "%1\r\n$10\r\nappendonly\r\n$2\r\nno\r\n");
    page.call("DEL a");
    let before = keys(&name).await;
    page.call("CONFIG SET appendonly yes");
    page.flush().await;
    let after = keys(&name).await;
    assert!(after.iter().all(|key| !before.contains(key)), "{before:?} {after:?}");
    page.close().await;
    let page = Page::open(&name, false, "always").await.unwrap();
    assert_eq!(page.call("EXISTS a"), ":0\r\n");
    assert_eq!(page.get("b").as_deref(), Some("2"));
    assert_eq!(page.call("CONFIG GET appendonly"), "%1\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n");
    page.close().await;
}

/// The numbers of the bases of which there are pieces, in order.
async fn bases(name: &str) -> Vec<f64> {
    let keys = Array::from(&wait(read_meta_keys(name)).await.unwrap());
    // Fences have a word there.
    let numbers = keys.iter().filter(|key| key.is_array()).map(|key| Array::from(&key).get(0));
    let mut numbers: Vec<f64> = numbers.filter_map(|number| number.as_f64()).collect();
    numbers.dedup();
    numbers
}

#[wasm_bindgen_test]
async fn a_rewrite_makes_a_base_and_drops_what_was_before() {
    let name = fresh_name();
    let page = Page::open(&name, true, "always").await.unwrap();
    for number in 0..2000 {
        page.call(&format!("SET key:{number} {}", "v".repeat(500)));
    }
    page.call("SADD set a b c");
    page.call("PEXPIREAT key:7 4000000000000");
    page.flush().await;
    let before = keys(&name).await;
    assert_eq!(page.call("BGREWRITEAOF"), "+Background append only file rewriting started\r\n");
    // Some of this comes before the base has the key.
    for number in 0..2000 {
        page.call(&format!("APPEND key:{number} {number}"));
    }
    page.until("rewritten").await;
    let after = keys(&name).await;
    assert!(after.iter().all(|key| !before.contains(key)), "records from before the base are left");
    assert_eq!(bases(&name).await, [1.0]);
    page.call("BGREWRITEAOF");
    page.close().await;
    let page = Page::open(&name, true, "always").await.unwrap();
    assert_eq!(page.call("DBSIZE"), ":2001\r\n");
    for number in [0, 1, 999, 1999] {
        let value = format!("{}{number}", "v".repeat(500));
        assert_eq!(page.get(&format!("key:{number}")), Some(value));
    }
    assert_eq!(page.call("PEXPIRETIME key:7"), ":4000000000000\r\n");
    assert_eq!(page.call("SCARD set"), ":3\r\n");
    assert!(bases(&name).await.len() == 1, "what a rewrite has left behind that did not end");
    page.close().await;
    wait(delete_piece(&name)).await.unwrap();
    assert_eq!(refused(&name).await, "STORE_CORRUPT");
}

#[wasm_bindgen_test]
async fn the_log_stays_bounded_under_endless_updates_of_few_keys() {
    let name = fresh_name();
    let page = Page::open(&name, true, "everysec").await.unwrap();
    page.call("CONFIG SET auto-aof-rewrite-min-size 64kb");
    let mut most = 0;
    for round in 0..40 {
        for number in 0..100 {
            page.call(&format!("SET key:{} {round}:{}", number % 10, "v".repeat(1000)));
        }
        page.flush().await;
        let records = Array::from(&wait(read_all(&name)).await.unwrap());
        let bytes: u32 =
            records.iter().map(|record| record.unchecked_into::<Uint8Array>().length()).sum();
        most = most.max(bytes);
    }
    // Four megabytes were written, to keys that have ten kilobytes.
    assert!(page.told("rewritten").len() > 5);
    assert!(most < 600_000, "{most} bytes");
    page.close().await;
    let page = Page::open(&name, true, "everysec").await.unwrap();
    assert!(page.get("key:3").unwrap().starts_with("39:"));
    page.close().await;
}

#[wasm_bindgen_test]
async fn a_rewrite_that_the_store_refuses_changes_nothing() {
    let name = fresh_name();
    let page = Page::open(&name, true, "always").await.unwrap();
    page.call("SET a 1");
    page.flush().await;
    fail_puts("quota");
    page.call("BGREWRITEAOF");
    let why = page.until("rewriteFailed").await.as_string().unwrap();
    fail_puts("");
    assert!(why.contains("QuotaExceededError"), "{why}");
    assert!(page.call("INFO persistence").contains("aof_last_bgrewrite_status:err\r\n"));
    assert!(page.told("failed").is_empty(), "no write has failed");
    assert_eq!(page.call("SET a 2"), "+OK\r\n");
    page.close().await;
    let page = Page::open(&name, true, "always").await.unwrap();
    assert_eq!(page.get("a").as_deref(), Some("2"));
    assert!(bases(&name).await.is_empty());
    page.close().await;
}

#[wasm_bindgen_test]
async fn what_is_not_recorded_can_be_saved() {
    let name = fresh_name();
    let page = Page::open(&name, false, "always").await.unwrap();
    page.call("SET a 1");
    page.call("BGSAVE");
    page.until("rewritten").await;
    page.call("SET a 2");
    page.close().await;
    let page = Page::open(&name, false, "always").await.unwrap();
    assert_eq!(page.get("a").as_deref(), Some("1"));
    assert!(keys(&name).await.is_empty());
    page.close().await;
}

#[wasm_bindgen_test]
async fn a_lost_connection_is_opened_anew_and_nobody_notices() {
    for kind in ["onclose", "state", "InvalidStateError", "UnknownError"] {
        let name = fresh_name();
        let page = Page::open(&name, true, "always").await.unwrap();
        page.call("SET before 1");
        page.flush().await;
        break_connection(kind);
        page.call("SET after 2");
        page.flush().await;
        assert_eq!(page.log.durable_offset(), page.lodis.offset());
        assert!(page.told("failed").is_empty(), "{kind}: {:?}", page.told("failed"));
        // A transaction that is under way when the connection breaks.
        page.call("SET under way");
        break_connection("onclose");
        page.call("SET last 3");
        page.flush().await;
        assert!(page.told("failed").is_empty() && page.told("lost").is_empty(), "{kind}");
        page.close().await;
        let page = Page::open(&name, true, "always").await.unwrap();
        for (key, value) in [("before", "1"), ("after", "2"), ("under", "way"), ("last", "3")] {
            assert_eq!(page.get(key).as_deref(), Some(value), "{kind}");
        }
        page.close().await;
    }
}

#[wasm_bindgen_test]
async fn a_connection_that_cannot_be_opened_anew_refuses_writes_until_it_can() {
    let name = fresh_name();
    let page = Page::open(&name, true, "always").await.unwrap();
    page.call("SET before 1");
    page.flush().await;
    let resume = hold_opening();
    break_connection("onclose");
    page.call("SET during 2");
    let why = page.until("failed").await.as_string().unwrap();
    assert!(why.contains("another context has it open"), "{why}");
    assert!(page.log.durable_offset() < page.lodis.offset());
    assert_eq!(
        page.call("SET no 1"),
        format!("-MISCONF Errors writing to the AOF file: {why}\r\n")
    );
    assert_eq!(page.get("during").as_deref(), Some("2"));
    // Nobody waits for ever.
    assert!(wait(page.log.flush()).await.is_err());
    assert!(wait(page.log.flush()).await.is_err());
    resume.call0(&JsValue::UNDEFINED).unwrap();
    page.until("recovered").await;
    page.flush().await;
    page.close().await;
    let page = Page::open(&name, true, "always").await.unwrap();
    assert_eq!(page.get("during").as_deref(), Some("2"));
    assert_eq!(page.call("EXISTS no"), ":0\r\n");
    page.close().await;
}

#[wasm_bindgen_test]
async fn opening_that_is_blocked_is_told_and_goes_on() {
    let name = fresh_name();
    let resume = hold_opening();
    let events = Array::new();
    let noted = events.clone();
    let handler = Closure::<dyn FnMut(JsValue, JsValue)>::new(move |kind, value| {
        noted.push(&Array::of2(&kind, &value));
        resume.call0(&JsValue::UNDEFINED).unwrap();
    });
    let lodis = Lodis::new(&object(&[("nowMs", now().into())])).map_err(JsValue::from).unwrap();
    let options = object(&[("appendOnly", true.into()), ("appendFsync", "always".into())]);
    let on_event: Function = handler.as_ref().clone().unchecked_into();
    let opening =
        Log::open(&lodis, name.into(), &options, on_event).map_err(JsValue::from).unwrap();
    let log = wait(opening).await.unwrap();
    assert_eq!(Array::from(&events.get(0)).get(0).as_string().as_deref(), Some("blocked"));
    wait(<Log as TryFromJsValue>::try_from_js_value(log).unwrap().close()).await.unwrap();
}

/// Everything that a page has is written anew into a database that was deleted or emptied.
async fn is_written_anew(name: &str, page: Page, value: &str) {
    page.until("recovered").await;
    assert!(!page.told("lost").is_empty());
    page.call("SET after 4");
    page.flush().await;
    assert_eq!(page.log.durable_offset(), page.lodis.offset());
    page.close().await;
    let page = Page::open(name, true, "always").await.unwrap();
    assert_eq!(page.call("DBSIZE"), ":502\r\n");
    assert_eq!(page.get("key:499").as_deref(), Some(value));
    assert_eq!(page.get("after").as_deref(), Some("4"));
    page.close().await;
}

async fn page_with_data(name: &str) -> Page {
    let page = Page::open(name, true, "always").await.unwrap();
    for number in 0..500 {
        page.call(&format!("SET key:{number} {number}"));
    }
    page.call("BGREWRITEAOF");
    page.until("rewritten").await;
    page.call("SET recorded 1");
    page.flush().await;
    page
}

#[wasm_bindgen_test]
async fn a_database_that_another_context_deletes_is_written_anew() {
    let name = fresh_name();
    let page = page_with_data(&name).await;
    let deleting = delete_database(&name);
    let why = page.until("failed").await.as_string().unwrap();
    assert_eq!(why, "another context deletes the database");
    assert!(page.call("SET no 1").starts_with("-MISCONF"));
    wait(deleting).await.unwrap();
    is_written_anew(&name, page, "499").await;
}

#[wasm_bindgen_test]
async fn a_database_that_somebody_else_has_made_meanwhile_is_left_alone() {
    let name = fresh_name();
    let old = page_with_data(&name).await;
    let deleting = delete_database(&name);
    // Requests for one database are served in order: this one comes before the old owner's.
    let new = Page::open(&name, true, "always").await.unwrap();
    wait(deleting).await.unwrap();
    old.until("failed").await;
    assert_eq!(new.call("DBSIZE"), ":0\r\n");
    new.call("SET new 1");
    new.flush().await;
    old.until("fenced").await;
    new.call("SET new 2");
    new.flush().await;
    new.close().await;
    let page = Page::open(&name, true, "always").await.unwrap();
    assert_eq!(page.call("DBSIZE"), ":1\r\n");
    assert_eq!(page.get("new").as_deref(), Some("2"));
    page.close().await;
}

#[wasm_bindgen_test]
async fn a_page_that_is_hidden_writes_no_record_into_a_database_that_was_emptied() {
    let name = fresh_name();
    let page = Page::open(&name, true, "everysec").await.unwrap();
    let commits = watch_commits();
    let epochs = |stops: bool| -> Vec<f64> {
        let epochs = Array::from(&commits.call1(&JsValue::UNDEFINED, &stops.into()).unwrap());
        epochs.iter().map(|epoch| epoch.as_f64().unwrap()).collect()
    };
    page.call("SET a 1");
    page.flush().await;
    let [epoch] = epochs(false)[..] else { panic!("one transaction") };
    assert!(epoch > 0.0, "it has passed a fence");
    fail_puts("quota");
    page.call("SET b 2");
    assert!(wait(page.log.flush()).await.is_err());
    wait(delete_database(&name)).await.unwrap();
    fail_puts("");
    epochs(false);
    page.log.hidden();
    page.until("lost").await;
    page.until("recovered").await;
    // A transaction that is committed at once does not wait for the check. Those of the next epoch may be.
    assert!(epochs(true).iter().all(|passed| *passed > epoch));
    page.close().await;
    let page = Page::open(&name, true, "everysec").await.unwrap();
    assert_eq!(page.get("a").as_deref(), Some("1"));
    assert_eq!(page.get("b").as_deref(), Some("2"));
    page.close().await;
}

#[wasm_bindgen_test]
async fn a_store_that_was_emptied_is_written_anew() {
    let name = fresh_name();
    let page = page_with_data(&name).await;
    wait(empty_database(&name)).await.unwrap();
    assert_eq!(page.call("SET key:499 new"), "+OK\r\n");
    let before = page.log.durable_offset();
    page.until("recovered").await;
    let lost = page.told_after("lost", "durable");
    assert!(
        lost.iter().any(|offset| offset.as_f64() < Some(before)),
        "what is gone is not durable"
    );
    is_written_anew(&name, page, "new").await;
}

#[wasm_bindgen_test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let name = fresh_name();
    let page = page_with_data(&name).await;
    let upgrading = upgrade_database(&name, 7);
    let why = page.until("failed").await.as_string().unwrap();
    assert_eq!(why, "another context makes the database one of version 7");
    wait(upgrading).await.unwrap();
    for _ in 0..3000 {
        if page.log.error().is_some_and(|why| why.contains("VersionError")) {
            break;
        }
        wait(sleep(10.0)).await.unwrap();
    }
    assert!(page.call("SET no 1").contains("VersionError"));
    assert_eq!(page.get("key:499").as_deref(), Some("499"));
    assert!(wait(page.log.close()).await.is_err());
}

#[wasm_bindgen_test]
async fn who_waits_when_the_log_is_abandoned_hears_of_it() {
    let page = Page::open(&fresh_name(), true, "always").await.unwrap();
    page.call("SET a 1");
    // It would come with the next transaction.
    page.call("SET a 2");
    let flushed = page.log.flush();
    page.log.abandon();
    assert_eq!(code(&wait(flushed).await.unwrap_err()), "STORE_FAILED");
}

#[wasm_bindgen_test]
async fn a_record_that_is_missing_is_refused() {
    let name = fresh_name();
    let page = Page::open(&name, true, "always").await.unwrap();
    for number in 1..=3 {
        page.call(&format!("SET a {number}"));
        page.flush().await;
    }
    page.close().await;
    wait(delete_record(&name, keys(&name).await[1])).await.unwrap();
    assert_eq!(refused(&name).await, "STORE_CORRUPT");
}
