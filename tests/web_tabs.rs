//! `Tabs` in a real browser: several of them in one page, with an engine each, share locks, channel and
//! store as tabs do.
#![cfg(target_arch = "wasm32")]

#[path = "web_tabs/member.rs"]
mod member;

use js_sys::{Array, Error, Function, Promise, Uint8Array};
use lodis::engine::session_state::SessionState;
use lodis::replication::message::{Greeting, Kind, Message};
use member::{Member, Options, USUAL, field, frame, fresh_name, kind, pause, text, until, wait};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::*;

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(module = "/tests/web_tabs/page.js")]
extern "C" {
    fn locks_of(name: &str) -> Promise;
    fn send_raw(name: &str, message: &JsValue) -> Promise;
    fn count_posts(name: &str) -> Function;
    fn greet_raw(name: &str, hello: &Uint8Array) -> Promise;
    fn hold(name: &str, steal: bool) -> Promise;
    fn replace_locks(kind: &str) -> Function;
    fn after_asking_for(wanted: &str, hook: &Function) -> Function;
}

#[wasm_bindgen(module = "/tests/web_log/database.js")]
extern "C" {
    fn fail_puts(kind: &str);
    fn delete_database(name: &str) -> Promise;
}

const THIN: Options = Options { replica: false, ..USUAL };
const OK: &str = "+OK\r\n";
/// The version of the protocol.
const VERSION: u8 = 3;

async fn lock_count(name: &str) -> u32 {
    Array::from(&wait(locks_of(name)).await).length()
}

/// Takes the lock of a name from whoever leads; answers what lets go of it.
async fn steal(name: &str) -> Function {
    wait(hold(&format!("lodis:{name}"), true)).await.unchecked_into()
}

fn post(message: &Message) -> Uint8Array {
    let mut post = Vec::new();
    message.post(&mut post);
    Uint8Array::from(post.as_slice())
}

fn undo(function: &Function) {
    function.call0(&JsValue::NULL).unwrap();
}

fn code(error: &JsValue) -> String {
    assert!(error.is_instance_of::<Error>());
    field(error, "code").as_string().unwrap()
}

/// The one of two that leads, first, once one does.
async fn sorted<'a>(one: &'a Member, other: &'a Member) -> (&'a Member, &'a Member) {
    until("a leader", || one.told("lead") + other.told("lead") > 0).await;
    let (leader, follower) = if one.told("lead") > 0 { (one, other) } else { (other, one) };
    leader.next("lead").await;
    (leader, follower)
}

#[wasm_bindgen_test]
async fn the_second_follows_the_first_and_reads_its_own_writes() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    assert_eq!(first.run("SET a 1"), OK);
    let second = Member::replica(&name).await;
    first.counts(1).await;
    assert_eq!(second.run("GET a"), "$1\r\n1\r\n");
    assert!(second.run("SET a 2").starts_with("-READONLY "));
    assert_eq!(second.ask("SET b 2").await, OK);
    assert_eq!(second.run("GET b"), "$1\r\n2\r\n");
    assert_eq!(first.run("GET b"), "$1\r\n2\r\n");
    assert_eq!(first.run("SET c 3"), OK);
    second.replies("GET c", "$1\r\n3\r\n").await;
    // A leader's own requests come from the same numbers, and are run as the others' are.
    assert_eq!(first.ask("INCR c").await, ":4\r\n");
    assert_eq!((first.told("lost"), second.told("lost")), (0, 0));
}

#[wasm_bindgen_test]
async fn what_is_asked_early_is_run_in_order_once_somebody_leads() {
    let name = fresh_name();
    let release = wait(hold(&format!("lodis:{name}"), false)).await.unchecked_into();
    let members = [Member::join(&name), Member::join(&name)];
    let early: Vec<[f64; 2]> =
        members.iter().map(|one| [one.request("RPUSH l x"), one.request("LLEN l")]).collect();
    pause(60.0).await;
    assert_eq!(members.iter().map(|member| member.told("reply")).sum::<usize>(), 0);
    undo(&release);
    for (member, [push, len]) in members.iter().zip(early) {
        let (push, len) = (member.reply(push).await, member.reply(len).await);
        assert!([":1\r\n", ":2\r\n"].contains(&push.as_str()), "{push}");
        assert!(len >= push, "{len} after {push}");
    }
    assert_eq!(members[1].ask("LLEN l").await, ":2\r\n");
}

#[wasm_bindgen_test]
async fn names_are_apart_and_messages_reach_only_the_tab_they_are_for() {
    let name = fresh_name();
    let leader = Member::leader(&name).await;
    let (one, two) = (Member::replica(&name).await, Member::replica(&name).await);
    let other = Member::leader(&fresh_name()).await;
    one.forget_events();
    other.forget_events();
    assert!(two.ask("SUBSCRIBE alerts").await.starts_with(">3\r\n$9\r\nsubscribe\r\n"));
    assert_eq!(leader.run("PUBLISH alerts hi"), ":1\r\n");
    let message = ">3\r\n$7\r\nmessage\r\n$6\r\nalerts\r\n$2\r\nhi\r\n";
    assert_eq!(text(&two.next("push").await, "messages"), message);
    // Also what it publishes itself.
    assert_eq!(two.ask("PUBLISH alerts hi").await, ":1\r\n");
    assert_eq!(text(&two.next("push").await, "messages"), message);
    one.hears_nothing().await;
    other.hears_nothing().await;
    assert_eq!(other.run("DBSIZE"), ":0\r\n");
}

#[wasm_bindgen_test]
async fn requests_are_run_once_while_leaders_go() {
    const COUNT: usize = 60;
    let name = fresh_name();
    let mut leader = Member::leader(&name).await;
    let asker = Member::join_as(&name, Options { leads: false, ..USUAL });
    asker.next("welcome").await;
    let mut seqs = Vec::new();
    for round in 0..3 {
        let heir = Member::replica(&name).await;
        for _ in 0..COUNT {
            seqs.push(asker.request("INCR n"));
        }
        if round > 0 {
            // In the midst of them.
            leader.next("ran").await;
        }
        leader.tabs.close();
        heir.next("lead").await;
        leader = heir;
    }
    for (index, seq) in seqs.into_iter().enumerate() {
        assert_eq!(asker.reply(seq).await, format!(":{}\r\n", index + 1));
    }
    let last = format!("${}\r\n{}\r\n", 3, 3 * COUNT);
    assert_eq!((leader.run("GET n"), asker.ask("GET n").await), (last.clone(), last));
    assert_eq!(asker.told("lost"), 0);
}

#[wasm_bindgen_test]
async fn who_takes_over_has_everything_and_stores_it() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::replica(&name).await;
    for number in 0..50 {
        assert_eq!(first.run(&format!("SET key:{number} {number}")), OK);
    }
    second.replies("DBSIZE", ":50\r\n").await;
    // What is not stored yet the other one has.
    first.tabs.close();
    second.next("lead").await;
    assert_eq!(second.run("DBSIZE"), ":50\r\n");
    assert_eq!(second.run("SET last 1"), OK);
    let third = Member::replica(&name).await;
    assert_eq!(third.run("DBSIZE"), ":51\r\n");
    let stored = second.block("WAITAOF 1 0 0");
    assert_eq!(second.reply(stored).await, "*2\r\n:1\r\n:0\r\n");
    for member in [third, second] {
        member.tabs.close();
    }
    let anew = Member::leader(&name).await;
    assert_eq!(anew.run("DBSIZE"), ":51\r\n");
}

#[wasm_bindgen_test]
async fn a_leader_that_is_robbed_follows_and_nothing_is_lost() {
    // Alone, and with another one.
    for is_alone in [true, false] {
        let name = fresh_name();
        let first = Member::leader(&name).await;
        let second = if is_alone { None } else { Some(Member::replica(&name).await) };
        assert_eq!(first.run("SET a 1"), OK);
        let release = steal(&name).await;
        first.next("follow").await;
        first.attach_anew();
        assert!(first.run("SET a 2").starts_with("-READONLY "));
        let request = first.request("INCR a");
        undo(&release);
        let (leader, follower) = match &second {
            Some(second) => sorted(&first, second).await,
            None => (&first, &first),
        };
        if is_alone {
            first.next("lead").await;
        }
        assert_eq!(first.reply(request).await, ":2\r\n");
        assert_eq!(leader.run("GET a"), "$1\r\n2\r\n");
        follower.replies("GET a", "$1\r\n2\r\n").await;
        assert_eq!((first.told("failed"), first.told("lost")), (0, 0));
    }
}

#[wasm_bindgen_test]
async fn the_lock_is_taken_from_one_that_does_not_answer() {
    let name = fresh_name();
    // As a tab that is frozen: it holds the lock, and says nothing.
    let release = wait(hold(&format!("lodis:{name}"), false)).await.unchecked_into();
    let member = Member::join_as(&name, Options { silence_ms: 200.0, ..USUAL });
    let request = member.request("SET a 1");
    member.next("lead").await;
    assert_eq!(member.reply(request).await, OK);
    undo(&release);
}

#[wasm_bindgen_test]
async fn a_leader_writes_on_while_the_first_other_tab_joins() {
    let name = fresh_name();
    let sure: Rc<RefCell<Vec<bool>>> = Rc::default();
    let noted = Rc::clone(&sure);
    let note = move |tabs: &lodis::web::Tabs, event: &JsValue| {
        if kind(event) == "tabs" {
            noted.borrow_mut().push(tabs.may_write());
        }
    };
    // Nobody has asked for so long whether it still leads that it does not know.
    let options = Options { silence_ms: 1000.0, ..USUAL };
    let leader = Member::try_join(&name, options, Box::new(note)).unwrap();
    leader.next("lead").await;
    pause(600.0).await;
    assert!(leader.tabs.may_write());
    let second = Member::replica(&name).await;
    assert_eq!(*sure.borrow(), [true]);
    assert_eq!(second.ask("SET a 1").await, OK);
}

#[wasm_bindgen_test]
async fn thin_tabs_hold_nothing_and_those_that_do_not_lead_wait() {
    let name = fresh_name();
    let waiting = Member::join_as(&name, Options { leads: false, ..USUAL });
    let request = waiting.request("SET a 1");
    waiting.hears_nothing().await;
    let leader = Member::leader(&name).await;
    assert_eq!(waiting.reply(request).await, OK);
    let thin = Member::join_as(&name, THIN);
    thin.next("welcome").await;
    assert_eq!(thin.ask("INCR a").await, ":2\r\n");
    assert_eq!((thin.told("copy"), thin.run("DBSIZE")), (0, ":0\r\n".to_owned()));
    leader.tabs.close();
    // It loads the store first.
    thin.next("lead").await;
    assert_eq!(thin.run("INCR a"), ":3\r\n");
    assert_eq!(waiting.ask("INCR a").await, ":4\r\n");
    assert_eq!(waiting.told("lead"), 0);
}

#[wasm_bindgen_test]
async fn a_session_is_the_same_at_the_next_leader() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::join_as(&name, Options { leads: false, ..USUAL });
    second.readable(true).await;
    let third = Member::replica(&name).await;
    assert_eq!(second.ask("SELECT 3").await, OK);
    assert_eq!(second.ask("SET a 3").await, OK);
    // The copy is read in the same database.
    assert_eq!(second.run("GET a"), "$1\r\n3\r\n");
    assert_eq!(first.run("GET a"), "_\r\n");
    first.tabs.close();
    third.next("lead").await;
    assert_eq!(second.ask("GET a").await, "$1\r\n3\r\n");
    let seq = second.request("MULTI");
    until("MULTI", || second.told("reply") == 1).await;
    let event = second.next("reply").await;
    assert_eq!(field(&event, "seq").as_f64(), Some(seq));
    assert_eq!(field(&event, "transaction").as_bool(), Some(true));
    assert_eq!(second.ask("INCR a").await, "+QUEUED\r\n");
    let fourth = Member::replica(&name).await;
    third.tabs.close();
    fourth.next("lead").await;
    // What was queued at the other leader is gone.
    assert!(second.ask("EXEC").await.starts_with("-EXECABORT "));
    assert_eq!(second.ask("GET a").await, "$1\r\n3\r\n");
}

#[wasm_bindgen_test]
async fn what_may_block_does_not_tell_the_next_leader_where_a_session_is() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::join_as(&name, Options { leads: false, ..USUAL });
    second.readable(true).await;
    let third = Member::replica(&name).await;
    let waiting = second.block("BLPOP list 0");
    assert_eq!(second.ask("SELECT 3").await, OK);
    assert_eq!(second.ask("SET a 3").await, OK);
    first.tabs.close();
    third.next("lead").await;
    // Nor is it told where it is by what has blocked.
    second.next("welcome").await;
    assert_eq!(third.run("RPUSH list x"), ":1\r\n");
    assert_eq!(second.reply(waiting).await, "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
    assert_eq!(second.run("GET a"), "$1\r\n3\r\n");
    assert_eq!(second.ask("GET a").await, "$1\r\n3\r\n");
}

#[wasm_bindgen_test]
async fn what_a_tab_has_read_is_told_by_its_leader_and_everything_by_the_next() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::join_as(&name, Options { leads: false, ..USUAL });
    second.readable(true).await;
    let third = Member::replica(&name).await;
    let invalidated = |keys: &str| format!(">2\r\n$10\r\ninvalidate\r\n{keys}");
    second.request("CLIENT TRACKING ON NOLOOP");
    let event = second.next("reply").await;
    assert_eq!(field(&event, "tracking").as_f64(), Some(2.0));
    assert_eq!(second.ask("GET a").await, "_\r\n");
    assert_eq!(third.ask("SET a 1").await, OK);
    assert_eq!(text(&second.next("push").await, "messages"), invalidated("*1\r\n$1\r\na\r\n"));
    assert_eq!(second.run("GET a"), "$1\r\n1\r\n", "its copy has it by then");
    assert_eq!(second.ask("GET a").await, "$1\r\n1\r\n");
    assert_eq!(second.ask("SET a 2").await, OK);
    first.run("SET b 1");
    assert_eq!((second.ask("GET b").await.as_str(), second.told("push")), ("$1\r\n1\r\n", 0));
    let id = first.run("CLIENT ID");
    let redirect = format!("CLIENT TRACKING ON REDIRECT {}", id[1..].trim_end());
    assert_eq!(third.ask(&redirect).await, OK);
    first.tabs.close();
    third.next("lead").await;
    // The session of the one that leads now is to be told, too; the other client was that of the first.
    assert!(third.run("CLIENT TRACKINGINFO").contains("broken_redirect"));
    assert_eq!(second.ask("GET a").await, "$1\r\n2\r\n");
    assert_eq!(text(&second.next("push").await, "messages"), invalidated("_\r\n"));
    assert!(second.ask("CLIENT TRACKINGINFO").await.contains("noloop"));
    assert_eq!(third.run("SET a 3"), OK);
    assert_eq!(text(&second.next("push").await, "messages"), invalidated("*1\r\n$1\r\na\r\n"));
}

#[wasm_bindgen_test]
async fn what_config_set_has_changed_is_so_at_the_next_leader() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::join_as(&name, Options { leads: false, ..USUAL });
    second.readable(true).await;
    let change = "CONFIG SET appendfsync always notify-keyspace-events KA";
    assert_eq!(second.ask(change).await, OK);
    // One that comes later is told, too.
    let third = Member::replica(&name).await;
    for tab in [&second, &third] {
        assert!(tab.run("CONFIG GET appendfsync").contains("always"));
    }
    first.tabs.close();
    third.next("lead").await;
    assert!(second.ask("CONFIG GET notify-keyspace-events").await.contains("AK"));
    fail_puts("quota");
    let refused = second.ask("SET a 1").await;
    fail_puts("");
    assert!(refused.starts_with("-MISCONF Errors writing to the AOF file: "), "{refused}");
}

#[wasm_bindgen_test]
async fn what_blocks_is_served_cancelled_and_goes_on_at_the_next_leader() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::replica(&name).await;
    let (one, two, own) =
        (second.block("BLPOP one 0"), second.block("BLPOP two 0"), first.block("BLPOP own 0"));
    // It holds up nothing.
    assert_eq!(second.ask("RPUSH one a").await, ":1\r\n");
    assert_eq!(second.reply(one).await, "*2\r\n$3\r\none\r\n$1\r\na\r\n");
    first.tabs.cancel(own);
    assert!(first.reply(own).await.starts_with("-UNBLOCKED "));
    let three = second.block("BLPOP three 0");
    second.tabs.cancel(three);
    assert!(second.reply(three).await.starts_with("-UNBLOCKED "));
    assert!(first.run("INFO clients").contains("blocked_clients:1\r\n"));
    first.tabs.close();
    second.next("lead").await;
    assert_eq!(second.told("reply"), 0);
    assert_eq!(second.run("RPUSH two b"), ":1\r\n");
    assert_eq!(second.reply(two).await, "*2\r\n$3\r\ntwo\r\n$1\r\nb\r\n");
    assert_eq!(second.run("EXISTS two"), ":0\r\n");
}

#[wasm_bindgen_test]
async fn what_has_reached_a_tab_is_not_put_back_when_it_ends() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::join_as(&name, Options { leads: false, ..USUAL });
    second.readable(true).await;
    let third = Member::replica(&name).await;
    second.block("BLPOP never 0");
    for (round, leader) in [&first, &third].into_iter().enumerate() {
        let popped = second.block("BLPOP jobs 0");
        until("two that wait", || leader.run("INFO clients").contains("blocked_clients:2\r\n"))
            .await;
        assert_eq!(leader.run(&format!("RPUSH jobs {round}")), ":1\r\n");
        let job = format!("*2\r\n$4\r\njobs\r\n$1\r\n{round}\r\n");
        assert_eq!(second.reply(popped).await, job);
        if round == 0 {
            // Whoever comes next knows it, too: the second asks for what it sees.
            assert_eq!(second.ask("SET seen 1").await, OK);
            first.tabs.close();
            third.next("lead").await;
        }
    }
    second.tabs.close();
    until("nobody", || third.run("INFO clients").contains("blocked_clients:0\r\n")).await;
    assert_eq!(third.run("EXISTS jobs"), ":0\r\n");
}

#[wasm_bindgen_test]
async fn what_a_task_asks_for_is_one_post_and_so_is_what_comes_of_it() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::replica(&name).await;
    let third = Member::replica(&name).await;
    first.counts(2).await;
    let counted = count_posts(&name);
    let asked: Vec<f64> = (0..100).map(|_| second.request("INCR n")).collect();
    for (i, number) in asked.into_iter().enumerate() {
        assert_eq!(second.reply(number).await, format!(":{}\r\n", i + 1));
    }
    assert_eq!(second.run("GET n"), "$3\r\n100\r\n");
    third.replies("GET n", "$3\r\n100\r\n").await;
    let posts = counted.call0(&JsValue::NULL).unwrap().as_f64().unwrap();
    assert_eq!(posts, 2.0, "one with all requests, one with effects and replies");

    let popped = second.block("BLPOP list 0");
    let pushed = second.request("RPUSH list a");
    assert_eq!(second.reply(pushed).await, ":1\r\n");
    assert_eq!(second.reply(popped).await, "*2\r\n$4\r\nlist\r\n$1\r\na\r\n");
    // What was asked for before it left is run.
    second.request("SET last 1");
    second.tabs.close();
    third.replies("GET last", "$1\r\n1\r\n").await;
}

#[wasm_bindgen_test]
async fn what_a_tab_has_taken_that_ends_with_the_leader_goes_back() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::replica(&name).await;
    // A tab that says nothing of what it gets.
    let tab = 0x0102_0304_0506_0708_u64;
    let release = wait(hold(&format!("lodis:{name}:tab:{tab:016x}"), false)).await.unchecked_into();
    let greeting = Greeting { replica: false, position: None, loads: false, returns: false };
    let hello = Message { payload: greeting.encode(), ..Message::new(Kind::Hello, tab, 0) };
    let welcome = wait(greet_raw(&name, &post(&hello))).await;
    let welcome = Message::read_all(&Uint8Array::from(welcome).to_vec()).unwrap();
    let epoch = welcome.iter().map(|message| message.epoch).max().unwrap();
    assert_eq!(first.run("RPUSH jobs a b"), ":2\r\n");
    let session = SessionState::default().encode();
    let call = [&(session.len() as u16).to_le_bytes()[..], &session, &frame("BLPOP jobs 0")];
    let block = Message { seq: 1, payload: call.concat(), ..Message::new(Kind::Block, tab, epoch) };
    wait(send_raw(&name, &post(&block))).await;
    second.replies("LLEN jobs", ":1\r\n").await;
    first.tabs.close();
    undo(&release);
    second.next("lead").await;
    until("the job", || second.run("LRANGE jobs 0 0") == "*1\r\n$1\r\na\r\n").await;
    assert_eq!(second.run("LLEN jobs"), ":2\r\n");
}

#[wasm_bindgen_test]
async fn a_tab_that_is_away_is_waited_for_by_the_next_leader() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::join_as(&name, Options { leads: false, ..USUAL });
    second.readable(true).await;
    let third = Member::replica(&name).await;
    let [popped, own] = [second.block("BLPOP jobs 0"), first.block("BLPOP jobs 0")];
    until("two that wait", || first.run("INFO clients").contains("blocked_clients:2\r\n")).await;
    second.tabs.leave();
    first.counts(1).await;
    first.tabs.leave();
    third.next("lead").await;
    // For longer than it takes to see that they hold no lock.
    pause(300.0).await;
    for member in [&second, &first] {
        member.tabs.come().unwrap();
        member.next("welcome").await;
    }
    until("two that wait", || third.run("INFO clients").contains("blocked_clients:2\r\n")).await;
    assert_eq!(third.run("RPUSH jobs a b"), ":2\r\n");
    for (member, seq) in [(&second, popped), (&first, own)] {
        assert!(member.reply(seq).await.starts_with("*2\r\n$4\r\njobs\r\n"));
        assert_eq!(member.told("lost"), 0);
    }
}

#[wasm_bindgen_test]
async fn what_was_done_of_a_request_that_blocks_is_not_done_again() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::join_as(&name, Options { leads: false, ..USUAL });
    second.readable(true).await;
    let third = Member::replica(&name).await;
    let request = ["INCR n", "BLPOP jobs 0", "INCR n"].map(frame).concat();
    let seq = second.send(request, true);
    third.replies("GET n", "$1\r\n1\r\n").await;
    first.tabs.close();
    third.next("lead").await;
    assert_eq!(third.run("RPUSH jobs a"), ":1\r\n");
    assert_eq!(second.reply(seq).await, ":1\r\n*2\r\n$4\r\njobs\r\n$1\r\na\r\n:2\r\n");
}

#[wasm_bindgen_test]
async fn a_tab_whose_session_is_killed_gets_another_one() {
    let name = fresh_name();
    let leader = Member::leader(&name).await;
    let second = Member::replica(&name).await;
    assert_eq!(second.ask("SELECT 2").await, OK);
    let list = leader.run("CLIENT LIST");
    let line = list.lines().find(|line| line.contains(" addr=tab:")).unwrap();
    let at = line.find("id=").unwrap();
    let id = line[at + 3..].split(' ').next().unwrap();
    assert_eq!(leader.run(&format!("CLIENT KILL ID {id}")), ":1\r\n");
    second.next("welcome").await;
    // Where it was.
    assert_eq!(second.ask("SET a 1").await, OK);
    assert_eq!(leader.run("DBSIZE"), ":0\r\n");
    assert_eq!(leader.run("SELECT 2"), OK);
    assert_eq!(leader.run("GET a"), "$1\r\n1\r\n");
}

#[wasm_bindgen_test]
async fn who_leaves_lets_others_lead_and_comes_back_with_what_it_asked_for() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    let second = Member::replica(&name).await;
    assert_eq!(first.run("SET a 1"), OK);
    first.tabs.leave();
    first.next("follow").await;
    first.attach_anew();
    second.next("lead").await;
    assert_eq!(lock_count(&name).await, 2);
    let request = first.request("INCR a");
    assert_eq!(second.run("INCR a"), ":2\r\n");
    pause(60.0).await;
    assert_eq!(first.told("reply"), 0);
    first.tabs.come().unwrap();
    assert_eq!(first.reply(request).await, ":3\r\n");
    first.replies("GET a", "$1\r\n3\r\n").await;

    second.counts(1).await;
    first.tabs.leave();
    second.counts(0).await;
    assert_eq!(second.run("SET b 1"), OK);
    first.tabs.come().unwrap();
    first.replies("GET b", "$1\r\n1\r\n").await;
    assert_eq!((first.told("failed"), second.told("failed")), (0, 0));
}

#[wasm_bindgen_test]
async fn a_copy_of_a_store_that_was_deleted_is_not_one_of_the_next() {
    let name = fresh_name();
    let first = Member::leader(&name).await;
    assert_eq!(first.run("SET old 1"), OK);
    let second = Member::replica(&name).await;
    second.tabs.leave();
    first.tabs.close();
    wait(delete_database(&name)).await;
    let third = Member::leader(&name).await;
    assert_eq!(third.run("SET new 1"), OK);
    second.tabs.come().unwrap();
    second.replies("GET new", "$1\r\n1\r\n").await;
    assert_eq!(second.run("DBSIZE"), ":1\r\n");
    assert_eq!(third.run("SET newer 1"), OK);
    second.replies("DBSIZE", ":2\r\n").await;

    // Nor do those that stay bring it back.
    let release = steal(&name).await;
    wait(delete_database(&name)).await;
    undo(&release);
    let (leader, follower) = sorted(&second, &third).await;
    assert_eq!(leader.run("DBSIZE"), ":0\r\n");
    follower.replies("DBSIZE", ":0\r\n").await;
    assert_eq!(leader.run("SET last 1"), OK);
    follower.replies("GET last", "$1\r\n1\r\n").await;
}

#[wasm_bindgen_test]
async fn the_leader_hears_of_a_tab_that_leaves_or_crashes() {
    let name = fresh_name();
    let leader = Member::leader(&name).await;
    let second = Member::replica(&name).await;
    leader.counts(1).await;
    second.tabs.close();
    leader.counts(0).await;

    let tab = 0x0102_0304_0506_0708_u64;
    let release = wait(hold(&format!("lodis:{name}:tab:{tab:016x}"), false)).await.unchecked_into();
    let mut hello = vec![0; 5 + 49 + 8];
    (hello[0], hello[1]) = (VERSION, 49 + 8);
    hello[6..14].copy_from_slice(&tab.to_le_bytes());
    wait(send_raw(&name, &Uint8Array::from(hello.as_slice()))).await;
    leader.counts(1).await;
    assert!(leader.run("CLIENT LIST").contains(" addr=tab:0102030405060708 "));
    leader.forget_events();
    leader.hears_nothing().await;
    undo(&release);
    leader.counts(0).await;
    assert!(!leader.run("CLIENT LIST").contains(" addr=tab:"));
}

#[wasm_bindgen_test]
async fn always_answers_what_is_stored_and_reads_while_the_store_fails() {
    let name = fresh_name();
    let leader = Member::join_as(&name, Options { fsync: "always", ..USUAL });
    leader.next("lead").await;
    let second = Member::replica(&name).await;
    let blocked = second.block("BLPOP list 0");
    assert_eq!(second.ask("SET a 1").await, OK);
    fail_puts("quota");
    let write = second.request("SET a 2");
    let own = leader.request("INCR n");
    let (write, own) = (second.reply(write).await, leader.reply(own).await);
    let (read, refused) = (second.ask("GET n").await, second.ask("SET a 3").await);
    // What blocks in vain has nothing to store.
    second.tabs.cancel(blocked);
    assert!(second.reply(blocked).await.starts_with("-UNBLOCKED "));
    fail_puts("");
    for reply in [write, own, refused] {
        assert!(reply.starts_with("-MISCONF Errors writing to the AOF file: "), "{reply}");
    }
    assert_eq!(read, "$1\r\n1\r\n");
    leader.next("log recovered").await;
    assert_eq!(second.ask("SET a 4").await, OK);
}

#[wasm_bindgen_test]
async fn a_closed_one_is_silent_and_leaves_no_lock() {
    // At every moment of joining, alone and beside a leader.
    for alone in [true, false] {
        for ms in 0..12 {
            let name = fresh_name();
            let leader = if alone { None } else { Some(Member::leader(&name).await) };
            let member = Member::join(&name);
            if ms > 0 {
                pause(f64::from(ms - 1)).await;
            }
            member.tabs.close();
            member.forget_events();
            member.request("SET a 1");
            member.tabs.cancel(1.0);
            member.tabs.written();
            member.tabs.verify();
            member.tabs.leave();
            member.tabs.come().unwrap();
            member.tabs.close();
            assert!(!member.tabs.may_write());
            member.hears_nothing().await;
            if let Some(leader) = leader {
                assert_eq!(lock_count(&name).await, 2, "closed after {ms} ms");
                leader.tabs.close();
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
    let restore = after_asking_for(&format!("lodis:{name}"), hook.as_ref().unchecked_ref());
    *member.borrow_mut() = Some(Member::join(&name));
    pause(50.0).await;
    undo(&restore);
    let member = member.take().unwrap();
    member.hears_nothing().await;
    assert_eq!(lock_count(&name).await, 0);
    Member::leader(&name).await;
}

#[wasm_bindgen_test]
async fn handlers_may_call_back() {
    let name = fresh_name();
    let _leader = Member::leader(&name).await;
    let member = Member::try_join(
        &name,
        USUAL,
        Box::new(|tabs, event| match kind(event).as_str() {
            "welcome" => tabs.request(1.0, frame("INCR n"), false),
            "reply" => {
                let seq = field(event, "seq").as_f64().unwrap();
                if seq < 3.0 {
                    tabs.request(seq + 1.0, frame("INCR n"), false)
                } else {
                    tabs.close()
                }
            }
            _ => {}
        }),
    )
    .unwrap();
    member.next("welcome").await;
    for number in [1.0, 2.0, 3.0] {
        assert_eq!(member.reply(number).await, format!(":{number}\r\n"));
    }
    member.forget_events();
    member.hears_nothing().await;
    assert_eq!(lock_count(&name).await, 2);
}

#[wasm_bindgen_test]
async fn what_is_no_message_is_ignored_and_a_newer_version_ends_the_tab() {
    let name = fresh_name();
    let leader = Member::leader(&name).await;
    let second = Member::replica(&name).await;
    leader.counts(1).await;
    leader.next("log durable").await;
    leader.forget_events();
    second.forget_events();
    let older = [&[VERSION - 1, 0][..], &[7; 60]].concat();
    for stray in [&[][..], &older, &[VERSION, 200], &[VERSION, 0, 1], &[VERSION]] {
        wait(send_raw(&name, &Uint8Array::from(stray))).await;
    }
    wait(send_raw(&name, &"text".into())).await;
    wait(send_raw(&name, &JsValue::NULL)).await;
    assert_eq!(second.ask("SET a 1").await, OK);
    assert_eq!((leader.told("failed"), second.told("failed")), (0, 0));

    wait(send_raw(&name, &Uint8Array::from(&[VERSION + 1][..]))).await;
    for member in [&leader, &second] {
        let failed = member.next("failed").await;
        assert_eq!(code(&field(&failed, "error")), "OUTDATED");
        assert!(lock_count(&name).await > 0, "what there is may yet be stored");
        member.tabs.close();
    }
    pause(20.0).await;
    assert_eq!(lock_count(&name).await, 0);
}

#[wasm_bindgen_test]
async fn missing_and_refused_locks_are_told() {
    let restore = replace_locks("missing");
    let joined = Member::try_join(&fresh_name(), USUAL, Box::new(|_, _| ()));
    undo(&restore);
    assert_eq!(code(&joined.err().unwrap()), "LOCKS_UNAVAILABLE");

    let restore = replace_locks("refused");
    let member = Member::join(&fresh_name());
    let failed = member.next("failed").await;
    undo(&restore);
    assert_eq!(code(&field(&failed, "error")), "LOCKS_UNAVAILABLE");
    member.hears_nothing().await;

    // A tab that comes back to a page without them hears of it, too.
    let member = Member::leader(&fresh_name()).await;
    member.tabs.leave();
    let restore = replace_locks("missing");
    let come = member.tabs.come();
    undo(&restore);
    assert_eq!(code(&come.err().unwrap()), "LOCKS_UNAVAILABLE");
}
