//! Requests of other tabs are executed once, whoever leads: their records are in the stream.

use forwarded::{
    blocking, call, effects, engine, followed, id, is_blocked, known, leader, loaded, run, snapshot,
};
use generator::{Dice, seeds};
use lodis::engine::Engine;
use lodis::engine::rdb::file::{Expired, Purpose};
use lodis::engine::session::SessionId;
use lodis::persist::follow::Follower;
use lodis::persist::replay::ReplayError;
use std::collections::BTreeMap;

mod forwarded;
mod generator;

#[test]
fn a_frame_and_its_record_are_one_unit() {
    let mut engine = leader();
    let session = engine.connect();
    run(&mut engine, session, id(7, 1), 0, &["SET a 1", "SELECT 1", "INCR a"]);
    assert_eq!(
        effects(&mut engine),
        [
            "MULTI",
            "SET a 1",
            "SELECT 1",
            "INCR a",
            r"LODIS.DONE 7 1 0 3 +OK\r\n+OK\r\n:1\r\n",
            "EXEC"
        ]
    );
    let transaction = ["MULTI", "INCR a", "INCR b", "EXEC", "GET a"];
    run(&mut engine, session, id(7, 2), 1, &transaction);
    let found = effects(&mut engine);
    assert_eq!(found[..4], ["MULTI", "SELECT 1", "INCR a", "INCR b"]);
    assert!(found[4].starts_with(r"LODIS.DONE 7 2 1 5 +OK\r\n+QUEUED"), "{found:?}");
    assert_eq!(found[5], "EXEC");
    assert_eq!(engine.requests.find(id(7, 1)), None, "it is acknowledged");
    assert_eq!(engine.requests.find(id(7, 2)).unwrap().done, 5);
    // Nothing of a unit can be taken before its end.
    engine.begin_request(session, id(7, 3), 2);
    call(&mut engine, session, "INCR a");
    assert!(engine.effects.is_empty() && engine.effects.take().is_empty());
    engine.end_request(b":3\r\n", 1);
    assert!(!engine.effects.is_empty());
    // Those of the leader's own have none.
    effects(&mut engine);
    call(&mut engine, session, "INCR a");
    assert_eq!(effects(&mut engine), ["SELECT 1", "INCR a"]);
}

#[test]
fn what_has_no_effect_has_a_record_only_beside_what_has() {
    let mut engine = leader();
    let session = engine.connect();
    run(&mut engine, session, id(1, 1), 0, &["GET a"]);
    run(&mut engine, session, id(2, 1), 0, &["GET a"]);
    run(&mut engine, session, id(1, 2), 0, &["GET b", "NOSUCH"]);
    assert_eq!((effects(&mut engine), known(&engine)), Default::default());
    assert_eq!(engine.requests.find(id(1, 1)).unwrap().reply, b"$-1\r\n");
    run(&mut engine, session, id(1, 3), 1, &["SET a 1"]);
    let found = effects(&mut engine);
    assert_eq!(found[..2], ["MULTI", "SET a 1"]);
    assert!(found[2].starts_with(r"LODIS.DONE 1 2 1 2 $-1\r\n-ERR"), "{found:?}");
    assert_eq!(found[3..], [r"LODIS.DONE 1 3 1 1 +OK\r\n", "EXEC"]);
    run(&mut engine, session, id(2, 2), 0, &["PUBLISH c nobody"]);
    assert!(effects(&mut engine).is_empty());
    let listener = engine.connect();
    call(&mut engine, listener, "SUBSCRIBE c");
    run(&mut engine, session, id(2, 3), 2, &["PUBLISH c hello"]);
    assert_eq!(effects(&mut engine), [r"LODIS.DONE 2 3 2 1 :1\r\n"]);
    engine.forget_tab(2);
    engine.forget_tab(3);
    assert_eq!(effects(&mut engine), ["LODIS.GONE 2"]);
    assert_eq!(known(&engine).len(), 2);
}

#[test]
fn what_blocks_is_recorded_in_parts() {
    let mut engine = leader();
    let [one, two] = [engine.connect(), engine.connect()];
    let frame = ["INCR a", "BLPOP list 0", "INCR b"];
    run(&mut engine, one, id(1, 1), 0, &frame);
    assert_eq!(effects(&mut engine), ["MULTI", "INCR a", r"LODIS.DONE 1 1 0 1 :1\r\n", "EXEC"]);
    run(&mut engine, two, id(2, 1), 0, &["RPUSH list x", "INCR c"]);
    assert_eq!(
        effects(&mut engine),
        [
            "MULTI",
            "RPUSH list x",
            "LPOP list",
            // And how to put x back, should the tab die: the rest is in tests/undo.rs.
            concat!(
                r"LODIS.DONE 1 1 0 2 *2\r\n$4\r\nlist\r\n$1\r\nx\r\n ",
                r"*5\r\n$1\r\n0\r\n$2\r\n-1\r\n$5\r\nLPUSH\r\n$4\r\nlist\r\n$1\r\nx\r\n",
            ),
            "INCR c",
            r"LODIS.DONE 2 1 0 2 :1\r\n:1\r\n",
            "EXEC"
        ]
    );
    run(&mut engine, one, id(1, 1), 0, &frame[2..]);
    assert_eq!(effects(&mut engine)[2], r"LODIS.DONE 1 1 0 3 :1\r\n");
    let record = engine.requests.find(id(1, 1)).unwrap();
    assert_eq!((record.done, record.reply.len()), (3, 4 + 21 + 4));
    // It waits in vain: no effect, no record.
    run(&mut engine, one, id(1, 2), 1, &["BLPOP list 1"]);
    engine.set_time(engine.now_us() + 1_000_000);
    engine.tick();
    assert!(effects(&mut engine).is_empty());
    assert_eq!(engine.requests.find(id(1, 2)).unwrap().reply, b"*-1\r\n");
}

/// The number of a request that may block, as the stream has it.
fn blocking_seq(seq: u64) -> u64 {
    (1 << 63) + seq
}

#[test]
fn what_blocks_is_acknowledged_by_itself() {
    let mut engine = leader();
    let [session, one, two] = [engine.connect(), engine.connect(), engine.connect()];
    run(&mut engine, one, blocking(1, 1), 0, &["BLPOP never 0"]);
    for seq in [2, 3, 5] {
        run(&mut engine, session, id(1, seq), seq - 1, &["INCR a"]);
    }
    run(&mut engine, two, blocking(1, 4), 3, &["INCR b", "BLPOP list 0"]);
    run(&mut engine, session, id(2, 1), 0, &["RPUSH list x"]);
    // One that waits for ever keeps no record of what came after it.
    let numbers = |engine: &Engine| -> Vec<(u64, u64)> {
        known(engine).into_iter().map(|(tab, seq, ..)| (tab, seq)).collect()
    };
    let four = blocking_seq(4);
    assert_eq!(numbers(&engine), [(1, 5), (1, four), (2, 1)]);
    engine.requests.acknowledge(1, u64::MAX);
    assert_eq!(numbers(&engine), [(1, four), (2, 1)]);
    effects(&mut engine);
    // Others than those that were meant stay.
    engine.acknowledge_blocking(1, 2, 3, &[]);
    engine.acknowledge_blocking(1, 0, 4, &[1, 4]);
    engine.acknowledge_blocking(2, 0, 9, &[]);
    engine.acknowledge_blocking(7, 0, 9, &[]);
    assert_eq!((numbers(&engine).len(), effects(&mut engine).len()), (2, 0));
    engine.acknowledge_blocking(1, 0, 4, &[1]);
    assert_eq!(effects(&mut engine), [format!("LODIS.ACKED 1 {four}")]);
    assert_eq!(numbers(&engine), [(2, 1)]);
    engine.acknowledge_blocking(1, 4, 4, &[]);
    assert!(effects(&mut engine).is_empty(), "once");
    // What still waits has a record to come.
    run(&mut engine, session, id(2, 2), 1, &["RPUSH never x"]);
    assert_eq!(numbers(&engine), [(1, blocking_seq(1)), (2, 2)]);
    run(&mut engine, one, blocking(1, 6), 5, &["BLPOP list 1"]);
    engine.set_time(engine.now_us() + 1_000_000);
    engine.tick();
    effects(&mut engine);
    // It has waited in vain: the record is the leader's only, and goes with nothing else.
    run(&mut engine, session, id(1, 7), 5, &["INCR a"]);
    assert_eq!(effects(&mut engine).len(), 4);
    engine.acknowledge_blocking(1, 0, 6, &[1]);
    assert!(effects(&mut engine).is_empty());
}

#[test]
fn whoever_has_the_stream_forgets_what_was_acknowledged() {
    let mut engine = leader();
    let (session, feeder) = (engine.connect(), engine.connect());
    for seq in 1..=3 {
        run(&mut engine, session, blocking(1, seq), 0, &["BLPOP list 0"]);
        run(&mut engine, feeder, id(2, seq), seq - 1, &["RPUSH list x"]);
        engine.sessions.take_messages_of(session);
    }
    let base = snapshot(&mut engine, Purpose::Keep);
    let first: Vec<u8> = engine.effects.drain().flatten().collect();
    assert_eq!(known(&engine).len(), 4);
    engine.acknowledge_blocking(1, 1, 3, &[2]);
    let then: Vec<u8> = engine.effects.drain().flatten().collect();
    assert_eq!(known(&engine).len(), 2);
    let (whole, start) = ([first.as_slice(), &then].concat(), first.len() as u64);
    let copies = [followed(&whole), loaded(&[], 0, &whole).unwrap()];
    for copy in copies.into_iter().chain([loaded(&base, start, &then).unwrap()]) {
        assert_eq!((known(&copy), copy.digest()), (known(&engine), engine.digest()));
    }
}

#[test]
fn whoever_has_the_stream_knows_who_is_away_and_who_was_forgotten() {
    let mut engine = leader();
    let session = engine.connect();
    for tab in 1..=5 {
        run(&mut engine, session, id(tab, 1), 0, &["INCR a"]);
    }
    effects(&mut engine);
    // One that has asked for nothing that is known may come back as well.
    for (tab, is_away, told) in
        [(1, true, 1), (1, true, 0), (2, true, 1), (2, false, 1), (3, false, 0), (9, true, 1)]
    {
        engine.set_away(tab, is_away);
        assert_eq!(effects(&mut engine).len(), told, "{tab} {is_away}");
    }
    assert!(engine.forget_tab(3) && engine.forget_tab(9));
    assert!(!engine.forget_tab(3), "once");
    engine.leave_tab(4, true);
    engine.leave_tab(8, true);
    assert_eq!(effects(&mut engine), ["LODIS.GONE 3", "LODIS.GONE 9", "LODIS.LEFT 4"]);
    let of = |engine: &Engine| {
        let (gone, were_more) = engine.requests.gone();
        assert!(!were_more);
        (engine.requests.tabs().collect::<Vec<_>>(), gone.collect::<Vec<_>>())
    };
    assert_eq!(of(&engine), (vec![(1, true), (2, false), (5, false)], vec![3, 9]));
    let base = snapshot(&mut engine, Purpose::Keep);
    let start = engine.effects.offset();
    assert_eq!(of(&loaded(&base, start, &[]).unwrap()), of(&engine));
    // Who asks for something again is told of nothing any more.
    run(&mut engine, session, id(9, 7), 0, &["INCR a"]);
    engine.set_away(9, true);
    let log: Vec<u8> = engine.effects.drain().flatten().collect();
    assert_eq!(of(&engine).1, [3]);
    assert_eq!(of(&loaded(&base, start, &log).unwrap()), of(&engine));
    // Too many to know all.
    for tab in 1000..1256 {
        run(&mut engine, session, id(tab, 1), 0, &["INCR a"]);
        assert!(engine.forget_tab(tab));
    }
    let (gone, were_more) = engine.requests.gone();
    assert_eq!((gone.count(), were_more), (256, true));
}

#[test]
fn records_are_there_wherever_the_effects_are() {
    let mut engine = leader();
    let session = engine.connect();
    let long = format!("SET long {}", "x".repeat(1000));
    run(&mut engine, session, id(1, 1), 0, &["SET a 1", "GET a"]);
    run(&mut engine, session, id(u64::MAX, 1), 0, &[&long, "GET long"]);
    run(&mut engine, session, id(1, 2), 0, &["BLPOP list 0"]);
    let other = engine.connect();
    run(&mut engine, other, id(3, 1), 0, &["RPUSH list a"]);
    run(&mut engine, other, id(4, 9), 8, &["INCR a"]);
    engine.forget_tab(4);
    let first: Vec<u8> = engine.effects.drain().flatten().collect();
    let start = first.len() as u64;
    assert_eq!(engine.effects.offset(), start);
    let then = known(&engine);
    assert_eq!(then.len(), 4);
    for copy in [followed(&first), loaded(&[], 0, &first).unwrap()] {
        assert_eq!((known(&copy), copy.digest()), (then.clone(), engine.digest()));
    }
    run(&mut engine, other, id(3, 2), 1, &["GET a"]);
    let base = snapshot(&mut engine, Purpose::Keep);
    let travel = snapshot(&mut engine, Purpose::Travel);
    run(&mut engine, session, id(1, 3), 1, &["INCR a"]);
    let log: Vec<u8> = engine.effects.drain().flatten().collect();
    let now = known(&engine);
    assert_ne!(now, then);
    assert!(now.iter().any(|(tab, ..)| *tab == u64::MAX));
    let copy = loaded(&base, start, &log).unwrap();
    // What has no effect is not in the base, and what was acknowledged is in none.
    let expected: Vec<_> = now.iter().filter(|(tab, ..)| *tab != 3).cloned().collect();
    assert_eq!((known(&copy), copy.digest()), (expected, engine.digest()));
    assert_eq!(copy.effects.offset(), engine.effects.offset());
    // A file that leaves the browser has none, and one that comes in brings none.
    let has = |file: &[u8]| file.windows(13).any(|bytes| bytes == b"lodis-request");
    assert!(has(&base) && !has(&travel));
    engine.load_rdb(&base, Expired::Skip).unwrap();
    assert_eq!(known(&engine), now);
}

#[test]
fn records_are_refused_that_are_none() {
    for line in [
        "LODIS.DONE",
        "LODIS.DONE 1 2 0 1",
        "LODIS.DONE 1 2 0 1 r r",
        "LODIS.DONE x 2 0 1 r",
        "LODIS.DONE 1 -2 0 1 r",
        "LODIS.DONE 1 2 0 4294967296 r",
        "LODIS.ACKED",
        "LODIS.ACKED 1",
        "LODIS.ACKED 1 x",
        "LODIS.ACKED x 1",
        "LODIS.AWAY 1",
        "LODIS.AWAY 1 2",
        "LODIS.AWAY x 1",
        "LODIS.LEFT",
        "LODIS.LEFT 1 2",
        "LODIS.GONE",
        "LODIS.GONE x",
        "LODIS.GONE 1 2",
    ] {
        let mut stream = Vec::new();
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        lodis::resp::write_command(&mut stream, &words);
        match loaded(&[], 0, &stream).err() {
            Some(ReplayError::Corrupt(what)) => {
                assert_eq!(what, "after offset 0: a malformed record", "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
        // And they are no commands.
        let mut engine = leader();
        let session = engine.connect();
        assert!(call(&mut engine, session, line).starts_with("-ERR unknown command"));
    }
    let mut torn = engine();
    assert!(!torn.requests.load(&[(b"lodis-request".to_vec(), b"short".to_vec())]));
    assert!(torn.requests.load(&[(b"other".to_vec(), b"short".to_vec())]));
}

#[test]
fn a_leader_that_follows_forgets_what_the_stream_does_not_tell() {
    let mut engine = leader();
    let session = engine.connect();
    run(&mut engine, session, id(1, 1), 0, &["SET a 1"]);
    run(&mut engine, session, id(1, 2), 0, &["GET a"]);
    engine.begin_request(session, id(1, 3), 0);
    call(&mut engine, session, "INCR a");
    engine.set_follower(true);
    engine.end_request(b":2\r\n", 1);
    assert!(engine.requests.find(id(1, 1)).is_some());
    assert_eq!(engine.requests.find(id(1, 2)), None);
    assert_eq!(engine.requests.find(id(1, 3)), None);
    assert!(engine.effects.is_empty());
}

/// A tab: its frames, and how many requests were answered in a row.
struct Tab {
    tab: u64,
    frames: Vec<Vec<String>>,
    /// What it has been answered, by the number of the request.
    answers: BTreeMap<u64, String>,
    acked: u64,
    session: SessionId,
}

impl Tab {
    fn new(tab: u64, dice: &mut Dice) -> Self {
        let frame = |seq: usize, dice: &mut Dice| {
            let command = |at: usize, dice: &mut Dice| match dice.below(8) {
                0 => "GET c:1:1:0".to_owned(),
                1 => "BLPOP jobs 0".to_owned(),
                2 => format!("RPUSH jobs {tab}:{seq}:{at}"),
                3 => format!("MSET a:{tab}:{seq} 1 b:{tab}:{seq} 2"),
                _ => format!("INCR c:{tab}:{seq}:{at}"),
            };
            (0..1 + dice.below(4)).map(|at| command(at, dice)).collect()
        };
        let frames = (0..30).map(|seq| frame(seq, dice)).collect();
        Self { tab, frames, answers: BTreeMap::new(), acked: 0, session: SessionId(0) }
    }

    /// Runs what comes next, or goes on with it; whether there was something to do. A reply is heard
    /// if `hears` says so.
    fn advance(&mut self, engine: &mut Engine, hears: bool) -> bool {
        let seq = (1..=self.frames.len() as u64).find(|seq| !self.answers.contains_key(seq));
        let Some(seq) = seq.filter(|_| !is_blocked(engine, self.session)) else { return false };
        engine.sessions.take_messages_of(self.session);
        let frame = &self.frames[seq as usize - 1];
        let id = id(self.tab, seq);
        let done = engine.requests.find(id).map_or(0, |record| record.done as usize);
        if done < frame.len() {
            let rest: Vec<&str> = frame[done..].iter().map(String::as_str).collect();
            run(engine, self.session, id, self.acked, &rest);
        }
        let record = engine.requests.find(id).filter(|record| record.done as usize == frame.len());
        if let Some(record) = record.filter(|_| hears) {
            self.answers.insert(seq, String::from_utf8(record.reply.clone()).unwrap());
            self.acked = seq;
        }
        true
    }
}

/// Every counter was counted once; what was popped or is left over is what was pushed.
fn check(engine: &mut Engine, tabs: &[Tab]) {
    let session = engine.connect();
    let mut jobs: Vec<String> = Vec::new();
    let mut popped: Vec<String> = Vec::new();
    for tab in tabs {
        for (seq, frame) in tab.frames.iter().enumerate() {
            let answer = tab.answers.get(&(seq as u64 + 1));
            let mut replies = answer.map(|answer| answer.split("\r\n"));
            for line in frame {
                let mut next = || replies.as_mut().and_then(Iterator::next).map(str::to_owned);
                let words: Vec<&str> = line.split(' ').collect();
                match words[0] {
                    "INCR" if answer.is_some() => {
                        assert_eq!(next().as_deref(), Some(":1"), "{line}");
                        assert_eq!(
                            call(engine, session, &format!("GET {}", words[1])),
                            "$1\r\n1\r\n"
                        );
                    }
                    "RPUSH" => {
                        next();
                        jobs.push(words[2].to_owned());
                    }
                    "BLPOP" if answer.is_some() => {
                        let [.., job] = [(); 5].map(|()| next().unwrap());
                        popped.push(job);
                    }
                    "GET" if answer.is_some() => {
                        if next().as_deref() == Some("$1") {
                            next();
                        }
                    }
                    _ => _ = next(),
                }
            }
        }
    }
    let left = call(engine, session, "LRANGE jobs 0 -1");
    popped.extend(left.split("\r\n").filter(|line| line.contains(':')).map(str::to_owned));
    jobs.sort();
    popped.sort();
    assert_eq!(popped, jobs, "a job was lost, or handed out twice");
    engine.disconnect(session);
}

/// Leaders die one after the other; each time a follower goes on from as much as it has applied, and
/// no tab has heard more. In the end everything was executed once.
#[test]
fn requests_are_executed_once_though_leaders_die() {
    for seed in seeds(300, false) {
        let mut dice = Dice::new(seed);
        let mut tabs: Vec<Tab> = (1..=3).map(|tab| Tab::new(tab, &mut dice)).collect();
        let mut engine = leader();
        // The stream up to where it is known to all.
        let mut stream: Vec<u8> = Vec::new();
        for deaths in 0.. {
            tabs.iter_mut().for_each(|tab| tab.session = engine.connect());
            let mut heard = stream.len();
            for _ in 0..5 + dice.below(60) {
                // Replies are heard once the effects are where a successor finds them.
                let hears = dice.one_in(2);
                let at = dice.below(tabs.len());
                tabs[at].advance(&mut engine, hears);
                stream.extend(engine.effects.drain().flatten());
                if hears {
                    heard = stream.len();
                }
            }
            let is_over = deaths >= 4;
            let known = if is_over { 0 } else { dice.below(stream.len() - heard + 1) };
            let cut = if is_over { stream.len() } else { heard + known };
            let mut successor = self::engine();
            successor.set_follower(true);
            let mut follower = Follower::new(&mut successor, 0);
            follower.push(0, &stream[..cut]).unwrap();
            while follower.step(&mut successor, 10).unwrap() {}
            let offset = follower.end_following(&mut successor);
            stream.truncate(offset as usize);
            if is_over {
                assert_eq!(successor.digest(), engine.digest(), "LODIS_SEED={seed}");
                break;
            }
            successor.set_follower(false);
            successor.effects.set_enabled(true);
            assert_eq!(successor.effects.offset(), offset);
            engine = successor;
        }
        let feeder = engine.connect();
        for job in 0.. {
            if !tabs.iter_mut().any(|tab| tab.advance(&mut engine, true)) {
                if tabs.iter().all(|tab| tab.answers.len() == tab.frames.len()) {
                    break;
                }
                let pushed = call(&mut engine, feeder, &format!("RPUSH jobs feed:{job}"));
                assert!(pushed.starts_with(':'), "{pushed}");
                tabs[0].frames.push(vec![format!("RPUSH jobs feed:{job}")]);
                let seq = tabs[0].frames.len() as u64;
                tabs[0].answers.insert(seq, ":1\r\n".to_owned());
            }
        }
        check(&mut engine, &tabs);
    }
}
