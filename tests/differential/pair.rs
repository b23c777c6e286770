//! Lodis and a real redis-server that are told the same.

// Every test binary that includes this uses its own part of it.
#![allow(dead_code)]

use super::reply::{Compare, Reply};
use crate::generator::shown;
use crate::real_redis::{Client, Redis};
use lodis::engine::registry::Registry;
use lodis::engine::session::SessionId;
use lodis::engine::table::flag;
use lodis::engine::{Engine, Options};

/// A command and how its replies are compared.
#[derive(Clone, Debug)]
pub struct Call {
    pub argv: Vec<Vec<u8>>,
    pub compare: Compare,
}

/// What belongs together: one command, or a transaction.
pub type Unit = Vec<Call>;

/// The databases that commands select.
const DATABASES: usize = 3;
/// Units that are sent to the real server at once.
const BATCH: usize = 64;

/// Two servers.
pub struct Pair {
    engine: Engine,
    session: SessionId,
    reader: SessionId,
    listener: SessionId,
    commands: Client,
    reads: Client,
    events: Client,
    registry: Registry,
    /// Whether encodings of sorted sets are comparable.
    sorts: bool,
}

impl Pair {
    /// Both empty, with these parameters set.
    pub fn new(redis: &Redis, parameters: &[(&str, &str)]) -> Self {
        let engine = Engine::new(&Options { now_us: now_us(), ..Options::default() });
        let mut pair = Self::of(redis, engine);
        pair.read(&[words("FLUSHALL")]);
        let subscribe = words("PSUBSCRIBE __keyevent@*");
        run(&mut pair.engine, pair.listener, &subscribe);
        pair.events.send_all([subscribe.as_slice()]);
        pair.events.read();
        // Keys expire when they are looked up, not at times of the server's own.
        pair.reads.send_all([words("DEBUG SET-ACTIVE-EXPIRE 0").as_slice()]);
        assert_eq!(pair.reads.read(), b"+OK\r\n");
        for (name, value) in parameters.iter().chain(&[("notify-keyspace-events", "EAnm")]) {
            let [(ours, theirs)] = &pair.read(&[words(&format!("CONFIG SET {name} {value}"))])[..]
            else {
                panic!("one reply");
            };
            assert_eq!(ours, theirs, "{name} {value}");
        }
        pair
    }

    /// Both as they are.
    pub fn of(redis: &Redis, mut engine: Engine) -> Self {
        let [session, reader, listener] = [(); 3].map(|()| engine.connect());
        let [commands, reads, events] = [(); 3].map(|()| redis.connect());
        Self {
            engine,
            session,
            reader,
            listener,
            commands,
            reads,
            events,
            registry: Registry::new(),
            sorts: false,
        }
    }

    /// Runs `units` on both and compares the replies, and the keyspaces every `every` units and
    /// at the end. The error has the number of units that were run. SORT in Redis makes a listpack
    /// that it sorts a skiplist, so encodings of sorted sets are compared where there is none.
    pub fn run(&mut self, units: &[Unit], every: usize) -> Result<(), (usize, String)> {
        self.sorts = units.iter().flatten().any(|call| call.argv[0].starts_with(b"SORT"));
        let mut done = 0;
        while done < units.len() {
            let most = BATCH.min(every - done % every).min(units.len() - done);
            let batch = &units[done..done + most];
            let unlike = batch.iter().position(|unit| self.is_unlike(unit));
            let batch = &batch[..unlike.map_or(most, |index| index.max(1))];
            if unlike == Some(0) {
                self.expire();
            }
            self.run_batch(batch).map_err(|(index, error)| (done + index + 1, error))?;
            done += batch.len();
            if let (Some(0), Some(unit)) = (unlike, batch.last()) {
                self.make_alike(unit);
                self.expire();
            }
            if done % every == 0 || done == units.len() {
                self.compare_keys().map_err(|error| (done, error))?;
            }
        }
        Ok(())
    }

    fn run_batch(&mut self, batch: &[Unit]) -> Result<(), (usize, String)> {
        self.engine.set_time(now_us());
        self.take_events();
        let calls =
            || batch.iter().enumerate().flat_map(|(i, unit)| unit.iter().map(move |c| (i, c)));
        self.commands.send_all(calls().map(|(_, call)| call.argv.as_slice()));
        let mut events = Vec::new();
        for (index, call) in calls() {
            let ours = run(&mut self.engine, self.session, &call.argv);
            let [ours, theirs] = [ours, self.commands.read()].map(|bytes| Reply::parse(&bytes));
            let command = shown(&call.argv);
            if !ours.is_as(&theirs, &call.compare) {
                return Err((index, format!("{command}\n  Lodis: {ours:?}\n  Redis: {theirs:?}")));
            }
            let published = self.our_events();
            let unordered = call.compare.any(|how| how.unordered);
            events.push((index, command.to_string(), unordered, published));
        }
        let mut theirs = self.their_events();
        let mut theirs = theirs.as_mut_slice();
        let unlike = batch.last().is_some_and(|unit| self.is_unlike(unit));
        let ends = batch.len() - usize::from(unlike);
        events.retain(|(index, ..)| *index < ends);
        for (index, command, unordered, mut ours) in events {
            let most = theirs.len().min(ours.len());
            if unordered {
                ours.sort();
                theirs[..most].sort();
            }
            if theirs[..most] != ours {
                let theirs = &theirs[..theirs.len().min(ours.len() + 3)];
                let error = format!(
                    "events of {command}\n  Lodis: {ours:?}\n  Redis, and of what \
                    follows: {theirs:?}"
                );
                return Err((index, error));
            }
            theirs = &mut theirs[most..];
        }
        if ends == batch.len() && !theirs.is_empty() {
            return Err((ends - 1, format!("events in Redis only: {theirs:?}")));
        }
        Ok(())
    }

    /// The events since the last time, each with its database and key.
    fn our_events(&mut self) -> Vec<String> {
        let bytes = self.engine.sessions.take_messages_of(self.listener);
        Reply::parse_all(&bytes).iter().filter_map(event).collect()
    }

    fn their_events(&mut self) -> Vec<String> {
        self.events.send_all([words("PING").as_slice()]);
        let mut events = Vec::new();
        loop {
            let message = Reply::parse(&self.events.read());
            match &message {
                Reply::Elements(_, parts) if parts.len() == 4 => {
                    events.extend(event(&message));
                }
                _ => return events,
            }
        }
    }

    /// Forgets the events of what is not compared.
    fn take_events(&mut self) {
        self.our_events();
        self.their_events();
    }

    /// Whether the keyspaces may differ after it, or the events of it.
    fn is_unlike(&self, unit: &Unit) -> bool {
        unit.iter().any(|call| call.compare.any(|how| how.quiet) || self.is_random_write(call))
    }

    fn is_random_write(&self, call: &Call) -> bool {
        let argv: Vec<&[u8]> = call.argv.iter().map(Vec::as_slice).collect();
        let command = self.registry.resolve(&argv);
        call.compare.random && command.is_some_and(|command| command.has(flag::WRITE))
    }

    /// Gives both the values that the real server has, for the keys among the words of `unit`.
    fn make_alike(&mut self, unit: &Unit) {
        let db = self.engine.sessions.get(self.session).expect("it is connected").db;
        self.read(&[words(&format!("SELECT {db}"))]);
        let keys = unit.iter().filter(|call| call.compare.random).flat_map(|call| &call.argv[1..]);
        for key in keys {
            // No random change is one of a string, and a copy may have another encoding.
            let object = self.engine.keyspace.db(db).get(key);
            if object.is_some_and(|object| object.value.type_name() == "string") {
                continue;
            }
            self.reads.send_all([[b"DUMP".to_vec(), key.clone()].as_slice()]);
            let dump = self.reads.read();
            self.reads.send_all([[b"PEXPIRETIME".to_vec(), key.clone()].as_slice()]);
            let Reply::Leaf(_, at) = Reply::parse(&self.reads.read()) else { unreachable!() };
            let at = if at.starts_with(b"-") { b"0".to_vec() } else { at };
            match dump.iter().position(|byte| *byte == b'\n') {
                Some(line) if !dump.starts_with(b"$-1") && !dump.starts_with(b"_") => {
                    let value = dump[line + 1..dump.len() - 2].to_vec();
                    let [restore, replace] = [b"RESTORE", b"REPLACE"].map(|word| word.to_vec());
                    let argv =
                        [restore, key.clone(), at, value, replace, b"ABSTTL".to_vec()].to_vec();
                    let replies = self.read(std::slice::from_ref(&argv));
                    assert_eq!(replies[0].0, replies[0].1, "{}", shown(&argv));
                }
                _ => _ = self.read(&[[b"DEL".to_vec(), key.clone()].to_vec()]),
            }
        }
    }

    /// Has both delete the keys whose time has come.
    fn expire(&mut self) {
        self.engine.set_time(now_us());
        for db in 0..DATABASES {
            let keys = self.engine.keyspace.db(db).keys();
            let due = keys.iter().filter(|(_, object)| object.is_expired(self.engine.now_ms()));
            let exists = due.map(|(key, _)| [b"EXISTS".to_vec(), key.to_vec()].to_vec());
            let select = words(&format!("SELECT {db}"));
            let asked: Vec<_> = std::iter::once(select).chain(exists).collect();
            self.read(&asked);
        }
    }

    /// The replies of both to commands of their own connections.
    fn read(&mut self, commands: &[Vec<Vec<u8>>]) -> Vec<(Reply, Reply)> {
        self.reads.send_all(commands.iter().map(Vec::as_slice));
        let mut both = |argv: &Vec<Vec<u8>>| {
            let ours = run(&mut self.engine, self.reader, argv);
            [ours, self.reads.read()].map(|bytes| Reply::parse(&bytes)).into()
        };
        commands.iter().map(&mut both).collect()
    }

    /// Compares the keys of both, with their values, expiry times and encodings.
    pub fn compare_keys(&mut self) -> Result<(), String> {
        self.engine.set_time(now_us());
        for db in 0..DATABASES {
            let replies = self.read(&[words(&format!("SELECT {db}")), words("KEYS *")]);
            let (ours, theirs) = &replies[1];
            let unordered = Compare { unordered: true, ..Compare::default() };
            if !ours.is_as(theirs, &unordered) {
                return Err(format!("keys of {db}\n  Lodis: {ours:?}\n  Redis: {theirs:?}"));
            }
            let Reply::Elements(_, keys) = theirs else { unreachable!() };
            let key = |reply: &Reply| match reply {
                Reply::Leaf(_, key) => key.clone(),
                Reply::Elements(..) => unreachable!("keys are strings"),
            };
            self.compare_values(db, keys.iter().map(key).collect())?;
        }
        self.compare_digests()
    }

    /// Compares what both say of everything there is.
    fn compare_digests(&mut self) -> Result<(), String> {
        let [(ours, theirs)] = &self.read(&[words("DEBUG DIGEST")])[..] else { unreachable!() };
        let (Reply::Leaf(_, ours), Reply::Leaf(_, theirs)) = (ours, theirs) else { unreachable!() };
        if ours == theirs {
            return Ok(());
        }
        let [ours, theirs] = [ours, theirs].map(|digest| String::from_utf8_lossy(digest));
        Err(format!("DEBUG DIGEST\n  Lodis: {ours}\n  Redis: {theirs}"))
    }

    fn compare_values(&mut self, db: usize, keys: Vec<Vec<u8>>) -> Result<(), String> {
        let mut reads: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut encodings = Vec::new();
        for key in keys {
            let Some(object) = self.engine.keyspace.db(db).get(&key) else { continue };
            let of_type = object.value.type_name();
            let mut read = |line: &str| {
                let mut argv = words(line);
                argv.insert(if argv[0] == b"XINFO" { 2 } else { 1 }, key.clone());
                reads.push(argv);
            };
            read("TYPE");
            read("PEXPIRETIME");
            readings(of_type).iter().for_each(|line| read(line));
            encodings.push((key, of_type, object.value.encoding()));
        }
        for (argv, (ours, theirs)) in reads.iter().zip(self.read(&reads)) {
            let how = Compare {
                unordered: [b"SMEMBERS".as_slice(), b"HGETALL"].contains(&&argv[0][..]),
                span: argv[0] == b"PEXPIRETIME",
                ..Compare::default()
            };
            let [ours, theirs] = [ours, theirs].map(|reply| match argv[0].as_slice() {
                b"HGETALL" => in_pairs(reply),
                b"XINFO" => comparable(reply),
                _ => reply,
            });
            if !ours.is_as(&theirs, &how) {
                let command = shown(argv);
                return Err(format!("{command} in {db}\n  Lodis: {ours:?}\n  Redis: {theirs:?}"));
            }
        }
        self.compare_encodings(db, &encodings)
    }

    fn compare_encodings(
        &mut self,
        db: usize,
        ours: &[(Vec<u8>, &str, &'static str)],
    ) -> Result<(), String> {
        let ask = |key: &Vec<u8>| [b"OBJECT".to_vec(), b"ENCODING".to_vec(), key.clone()];
        let asked: Vec<_> = ours.iter().map(|(key, ..)| ask(key)).collect();
        self.reads.send_all(asked.iter().map(|argv| argv.as_slice()));
        for (key, of_type, encoding) in ours {
            let Reply::Leaf(_, theirs) = Reply::parse(&self.reads.read()) else { unreachable!() };
            let theirs = String::from_utf8_lossy(&theirs).into_owned();
            let same = match *of_type {
                // Small ones became listpacks in 7.2.
                "list" => true,
                "zset" if self.sorts => true,
                "set" => (theirs == "intset") == (*encoding == "intset"),
                _ => theirs == *encoding,
            };
            if !same {
                let key = key.escape_ascii();
                return Err(format!("encoding of {key} in {db}: {encoding}, in Redis {theirs}"));
            }
        }
        Ok(())
    }
}

/// The event of a message, as `set@0 key`, if it is one that an older server has too: before 7.2
/// consumers were made at other times.
fn event(message: &Reply) -> Option<String> {
    let Reply::Elements(_, parts) = message else { unreachable!("a message has parts") };
    let [_, _, Reply::Leaf(_, channel), Reply::Leaf(_, key)] = parts.as_slice() else {
        unreachable!("a message of a pattern has a channel and a content")
    };
    let channel = String::from_utf8_lossy(channel);
    let (db, name) = channel.trim_start_matches("__keyevent@").split_once("__:").unwrap();
    let is_alike = !name.ends_with("consumer");
    is_alike.then(|| format!("{name}@{db} {}", key.escape_ascii()))
}

/// What tells all of a value.
fn readings(of_type: &str) -> &'static [&'static str] {
    match of_type {
        "string" => &["GET"],
        "list" => &["LRANGE 0 -1"],
        "hash" => &["HGETALL"],
        "set" => &["SMEMBERS"],
        "zset" => &["ZRANGE 0 -1 WITHSCORES", "ZCARD"],
        _ => &["XRANGE - +", "XINFO STREAM", "XINFO GROUPS", "XPENDING g0", "XPENDING g1"],
    }
}

/// Fields with their values, so that sorting keeps them together.
fn in_pairs(reply: Reply) -> Reply {
    match reply {
        Reply::Elements(kind, elements) => {
            let pair = |pair: &[Reply]| Reply::Elements(b'*', pair.to_vec());
            Reply::Elements(kind, elements.chunks(2).map(pair).collect())
        }
        leaf => leaf,
    }
}

/// Without what `XINFO STREAM` tells about the inner tree, and without what an older server knows
/// otherwise: consumers that claimed nothing were not made, and lags were told of fragmented streams.
fn comparable(reply: Reply) -> Reply {
    let is_internal = |pair: &[Reply]| {
        matches!(&pair[0], Reply::Leaf(_, name)
            if name.starts_with(b"radix-tree-") || name == b"consumers" || name == b"lag")
    };
    match reply {
        Reply::Elements(kind, elements) if matches!(elements.first(), Some(Reply::Leaf(..))) => {
            let kept = elements.chunks(2).filter(|pair| !is_internal(pair));
            Reply::Elements(kind, kept.flatten().cloned().collect())
        }
        Reply::Elements(kind, groups) => {
            Reply::Elements(kind, groups.into_iter().map(comparable).collect())
        }
        leaf => leaf,
    }
}

/// The words of a line.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn run(engine: &mut Engine, session: SessionId, argv: &[Vec<u8>]) -> Vec<u8> {
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    let mut reply = Vec::new();
    engine.call(session, &argv, &mut reply);
    reply
}

fn now_us() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap()
}
