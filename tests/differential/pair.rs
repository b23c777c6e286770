//! Lodis and a real redis-server that are told the same.

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
    commands: Client,
    reads: Client,
    registry: Registry,
    /// Whether encodings of sorted sets are comparable.
    sorts: bool,
}

impl Pair {
    /// Both empty, with these parameters set.
    pub fn new(redis: &Redis, parameters: &[(&str, &str)]) -> Self {
        let mut engine = Engine::new(&Options { now_us: now_us(), ..Options::default() });
        let [session, reader] = [(); 2].map(|()| engine.connect());
        let [commands, reads] = [(); 2].map(|()| redis.connect());
        let mut pair = Self {
            engine,
            session,
            reader,
            commands,
            reads,
            registry: Registry::new(),
            sorts: false,
        };
        pair.read(&[words("FLUSHALL")]);
        for (name, value) in parameters {
            let [(ours, theirs)] = &pair.read(&[words(&format!("CONFIG SET {name} {value}"))])[..]
            else {
                panic!("one reply");
            };
            assert_eq!(ours, theirs, "{name} {value}");
        }
        pair
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
            let ends = batch.iter().position(|unit| self.is_unlike(unit));
            let batch = &batch[..ends.map_or(most, |index| index + 1)];
            self.run_batch(batch).map_err(|(index, error)| (done + index + 1, error))?;
            done += batch.len();
            if let (Some(_), Some(unit)) = (ends, batch.last()) {
                self.make_alike(unit);
            }
            if done % every == 0 || done == units.len() {
                self.compare_keys().map_err(|error| (done, error))?;
            }
        }
        Ok(())
    }

    fn run_batch(&mut self, batch: &[Unit]) -> Result<(), (usize, String)> {
        self.engine.set_time(now_us());
        let calls =
            || batch.iter().enumerate().flat_map(|(i, unit)| unit.iter().map(move |c| (i, c)));
        self.commands.send_all(calls().map(|(_, call)| call.argv.as_slice()));
        for (index, call) in calls() {
            let ours = run(&mut self.engine, self.session, &call.argv);
            let [ours, theirs] = [ours, self.commands.read()].map(|bytes| Reply::parse(&bytes));
            if !ours.is_as(&theirs, &call.compare) {
                let command = shown(&call.argv);
                return Err((index, format!("{command}\n  Lodis: {ours:?}\n  Redis: {theirs:?}")));
            }
        }
        Ok(())
    }

    /// Whether the keyspaces may differ after it.
    fn is_unlike(&self, unit: &Unit) -> bool {
        unit.iter().any(|call| {
            let argv: Vec<&[u8]> = call.argv.iter().map(Vec::as_slice).collect();
            let command = self.registry.resolve(&argv);
            call.compare.random && command.is_some_and(|command| command.has(flag::WRITE))
        })
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
                    let replies = self.read(&[argv]);
                    assert_eq!(replies[0].0, replies[0].1, "RESTORE of {}", key.escape_ascii());
                }
                _ => _ = self.read(&[[b"DEL".to_vec(), key.clone()].to_vec()]),
            }
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

    fn compare_keys(&mut self) -> Result<(), String> {
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
        Ok(())
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
