//! Sessions with addresses, as tabs have them: CLIENT LIST, INFO and KILL, here and by a real
//! redis-server. Skipped, saying so, where redis-server is not installed.

use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use lodis::resp::split_words;
use real_redis::{Client, Redis};
use std::collections::BTreeMap;

mod real_redis;

const NAMES: [&str; 4] = ["A", "B", "C", "D"];

/// The same clients, here and there.
struct Both {
    engine: Engine,
    redis: Redis,
    clients: BTreeMap<&'static str, (SessionId, Client)>,
    /// What a script calls them, here and there.
    words: Vec<(String, [String; 2])>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The fields of a line of CLIENT LIST.
fn fields(line: &str) -> BTreeMap<String, String> {
    let fields = line.split_whitespace().filter_map(|field| field.split_once('='));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The lines of a reply about clients, by their names.
fn described(reply: &[u8]) -> BTreeMap<String, BTreeMap<String, String>> {
    let reply = text(reply);
    let lines = reply.lines().filter(|line| line.contains("id="));
    let lines = lines.map(fields).map(|line| (line["name"].clone(), line));
    lines.filter(|(name, _)| !name.is_empty()).collect()
}

impl Both {
    fn new() -> Option<Self> {
        let redis = Redis::start()?;
        let mut engine = Engine::new(&Options::default());
        // The one with which the other server was started.
        engine.connect();
        let mut both = Self { engine, redis, clients: BTreeMap::new(), words: Vec::new() };
        for name in NAMES {
            both.open(name);
        }
        Some(both)
    }

    fn open(&mut self, name: &'static str) {
        let client = (self.engine.connect(), self.redis.connect());
        self.clients.insert(name, client);
        self.run(name, &format!("CLIENT SETNAME {name}"));
        let [_, theirs] = self.replies(name, "CLIENT INFO");
        let theirs = fields(&text(&theirs));
        let session = self.clients[name].0;
        let session = self.engine.sessions.get_mut(session).unwrap();
        session.address.clone_from(&theirs["addr"]);
        let ids = [session.client_id.to_string(), theirs["id"].clone()];
        let address = theirs["addr"].clone();
        self.words.push((format!("id:{name}"), ids));
        self.words.push((format!("addr:{name}"), [address.clone(), address]));
    }

    fn send(&mut self, name: &str, line: &str, awaited: bool) -> [Vec<u8>; 2] {
        let mut lines = [line.to_owned(), line.to_owned()];
        for (word, meant) in &self.words {
            for (line, meant) in lines.iter_mut().zip(meant) {
                *line = line.replace(word, meant);
            }
        }
        let [ours, theirs] = lines.map(|line| split_words(line.as_bytes()).unwrap());
        let (session, client) = self.clients.get_mut(name).unwrap();
        let mut reply = Vec::new();
        let argv: Vec<&[u8]> = ours.iter().map(Vec::as_slice).collect();
        self.engine.call(*session, &argv, &mut reply);
        client.send(&theirs.iter().map(Vec::as_slice).collect::<Vec<_>>());
        [reply, if awaited { client.read() } else { Vec::new() }]
    }

    fn replies(&mut self, name: &str, line: &str) -> [Vec<u8>; 2] {
        self.send(name, line, true)
    }

    /// Both answer the same.
    fn run(&mut self, name: &str, line: &str) {
        let [ours, theirs] = self.replies(name, line);
        assert_eq!(text(&ours), text(&theirs), "{name}> {line}");
    }

    /// A command that blocks, here and there.
    fn block(&mut self, name: &str, line: &str) {
        assert_eq!(self.send(name, line, false), [Vec::new(), Vec::new()]);
        while !text(&self.redis.call(&[b"INFO", b"clients"])).contains("blocked_clients:1\r\n") {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// What one of them is told of all is the same, as far as both tell of it.
    fn compare(&mut self, name: &str, line: &str) -> Vec<String> {
        let [ours, theirs] = self.replies(name, line).map(|reply| described(&reply));
        let names: Vec<String> = ours.keys().cloned().collect();
        assert_eq!(names, theirs.keys().cloned().collect::<Vec<_>>(), "{line}");
        for (name, here) in &ours {
            let there = &theirs[name];
            // What depends on time and on how memory is laid out.
            const OTHER: [&str; 6] = ["id", "age", "idle", "qbuf", "multi-mem", "tot-mem"];
            let same = here
                .keys()
                .filter(|field| there.contains_key(*field) && !OTHER.contains(&field.as_str()));
            let same: Vec<&String> = same.collect();
            assert!(same.len() >= 12, "{same:?}");
            for field in same {
                assert_eq!(here[field], there[field], "{line}: {field} of {name}");
            }
        }
        // What the older server does not tell.
        assert!(
            ours.values().all(|line| line.contains_key("watch") && line.contains_key("lib-ver"))
        );
        names
    }
}

/// After this, who is alive?
fn alive_after(script: &[(&str, &str)]) -> Option<String> {
    let mut both = Both::new()?;
    for (name, line) in script {
        both.run(name, line);
    }
    both.open("observer");
    let names = both.compare("observer", "CLIENT LIST");
    // Whoever was killed is told so by its host, which finds it among those with messages.
    while let Some((id, messages)) = both.engine.sessions.take_messages() {
        let is_killed = both.engine.sessions.get(id).unwrap().closing;
        assert!(!is_killed || messages.is_empty());
        both.engine.disconnect(id);
    }
    Some(names.concat())
}

#[test]
fn clients_are_killed_by_what_they_are() {
    for (lines, expected) in [
        (&[("A", "CLIENT KILL ADDR addr:B")][..], "ACDobserver"),
        (&[("A", "CLIENT KILL addr:B")], "ACDobserver"),
        (&[("A", "CLIENT KILL addr:A")], "BCDobserver"),
        (&[("A", "CLIENT KILL ID id:C")], "ABDobserver"),
        (&[("A", "CLIENT KILL ID id:A")], "ABCDobserver"),
        (&[("A", "CLIENT KILL ID id:A SKIPME no")], "BCDobserver"),
        (&[("A", "CLIENT KILL ADDR addr:B ID id:C")], "ABCDobserver"),
        (&[("A", "CLIENT KILL ADDR addr:B ID id:B SKIPME yes")], "ACDobserver"),
        (&[("A", "CLIENT KILL TYPE normal")], "Aobserver"),
        (&[("A", "CLIENT KILL TYPE normal SKIPME no")], "observer"),
        (&[("A", "CLIENT KILL TYPE replica")], "ABCDobserver"),
        (&[("A", "CLIENT KILL TYPE master SKIPME no")], "ABCDobserver"),
        (&[("B", "SUBSCRIBE c"), ("A", "CLIENT KILL TYPE pubsub")], "ACDobserver"),
        (&[("B", "PSUBSCRIBE c"), ("A", "CLIENT KILL TYPE normal")], "ABobserver"),
        (&[("A", "CLIENT KILL SKIPME yes")], "Aobserver"),
        (&[("A", "CLIENT KILL USER default SKIPME no")], "observer"),
        (&[("A", "CLIENT KILL LADDR addr:B")], "ABCDobserver"),
        (&[("A", "CLIENT KILL ADDR \"\"")], "ABCDobserver"),
        (&[("A", "CLIENT KILL \"\"")], "ABCDobserver"),
        (&[("B", "MULTI"), ("B", "CLIENT KILL ID id:C"), ("B", "EXEC")], "ABDobserver"),
    ] {
        let Some(names) = alive_after(lines) else { return };
        assert_eq!(names, expected, "{lines:?}");
    }
}

#[test]
fn an_embedded_session_without_an_address_cannot_be_meant_by_one() {
    let mut engine = Engine::new(&Options::default());
    let [one, other] = [engine.connect(), engine.connect()];
    let mut reply = Vec::new();
    engine.call(one, &[b"CLIENT", b"KILL", b"ADDR", b"", b"SKIPME", b"no"], &mut reply);
    engine.call(one, &[b"CLIENT", b"KILL", b""], &mut reply);
    assert_eq!(text(&reply), ":0\r\n-ERR No such client\r\n");
    assert!(!engine.sessions.get(other).unwrap().closing);
}

#[test]
fn clients_are_described_alike() {
    let Some(mut both) = Both::new() else { return };
    both.compare("A", "CLIENT LIST");
    for line in ["SELECT 3", "WATCH k", "MULTI", "GET a", "GET b"] {
        both.run("B", line);
    }
    both.run("C", "SUBSCRIBE x");
    both.run("C", "PSUBSCRIBE y*");
    both.run("D", "WATCH k");
    both.run("A", "CLIENT NO-EVICT on");
    both.compare("A", "CLIENT LIST");
    // One of them watches a key that changes, the other one of that name in another database.
    both.run("A", "SET k 1");
    both.compare("A", "CLIENT LIST");
    assert_eq!(both.compare("A", "CLIENT LIST TYPE pubsub"), ["C"]);
    assert_eq!(both.compare("A", "CLIENT LIST TYPE normal"), ["A", "B", "D"]);
    assert_eq!(both.compare("A", "CLIENT LIST ID id:D id:B 999999"), ["B", "D"]);
    assert_eq!(both.compare("A", "CLIENT INFO"), ["A"]);
    both.run("D", "UNWATCH");
    both.run("A", "CLIENT NO-EVICT off");
    both.block("D", "BLPOP list 0");
    both.compare("A", "CLIENT LIST");
    // Who is killed while it waits gets nothing.
    both.run("A", "CLIENT KILL ID id:D");
    both.run("A", "RPUSH list a");
    both.run("A", "LLEN list");
    both.compare("A", "CLIENT LIST");
}
