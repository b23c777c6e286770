//! Runs the transcripts in `tests/cases/*.redis`: here, and on a real redis-server, so that an
//! expectation of ours that Redis does not share is found.
//!
//! A transcript begins with an empty keyspace and default settings. It is read line by line:
//!
//! | line | |
//! | --- | --- |
//! | `> COMMAND` | a command, with redis-cli's quoting; the lines under it are its reply as redis-cli shows it in a terminal |
//! | `>> COMMAND` | a command that blocks: its reply comes later, as a message |
//! | `<` | the next message that was pushed to the client (also the second and further replies of SUBSCRIBE); the lines under it are the message |
//! | `~ PATTERN` | a line of a reply that varies: `*` stands for anything |
//! | `@client NAME` | this client speaks from here on; the first is called `A` |
//! | `@advance MS` | milliseconds go by: here the clock is set, with the real server they are slept |
//! | `@since 7.2` … `@end` | holds from that version on: not run on an older real server |
//! | `# …`, empty line | a comment; it ends a reply |
//!
//! At the end of a transcript no client may have anything unread.

use lodis::engine::meter::Meter;
use lodis::engine::session::SessionId;
use lodis::engine::syntax::{self, Arg, Kind};
use lodis::engine::table::Command;
use lodis::engine::{Engine, Options, registry};
use real_redis::{Client, Redis};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, mem};
use transcript::{Action, Step};

mod real_redis;
#[path = "conformance/reply.rs"]
mod reply;
#[path = "conformance/transcript.rs"]
mod transcript;

/// What transcripts run on.
trait Target {
    /// Sends a command as a client, which is new if its name is.
    fn send(&mut self, client: &str, argv: &[&[u8]]);
    /// Sends a command that is not answered now.
    fn block(&mut self, client: &str, argv: &[&[u8]]) -> Result<(), String>;
    /// Takes the next reply or message of a client.
    fn read(&mut self, client: &str) -> Result<String, String>;
    fn advance(&mut self, ms: u64);
    /// Whether it can do what came with this version of Redis.
    fn has(&self, version: (u32, u32)) -> bool;
    /// Fails if a client has something unread.
    fn finish(&mut self) -> Result<(), String>;
}

struct Native {
    engine: Engine,
    /// The session of each client, and what it has not read.
    clients: BTreeMap<String, (SessionId, Vec<u8>)>,
}

impl Native {
    fn new() -> Self {
        let meter = Meter { used: || 1 << 20, ..Meter::default() };
        let options = Options { now_us: 1_700_000_000_000_000, meter, ..Options::default() };
        Self { engine: Engine::new(&options), clients: BTreeMap::new() }
    }

    fn collect(&mut self) {
        for (session, unread) in self.clients.values_mut() {
            unread.extend(self.engine.sessions.take_messages_of(*session));
        }
    }
}

impl Target for Native {
    fn send(&mut self, client: &str, argv: &[&[u8]]) {
        let (session, unread) = self
            .clients
            .entry(client.to_owned())
            .or_insert_with(|| (self.engine.connect(), Vec::new()));
        self.engine.call(*session, argv, unread);
        self.collect();
    }

    fn block(&mut self, client: &str, argv: &[&[u8]]) -> Result<(), String> {
        self.send(client, argv);
        match &self.clients[client].1[..] {
            [] => Ok(()),
            answered => Err(format!("answered at once: {:?}", String::from_utf8_lossy(answered))),
        }
    }

    fn read(&mut self, client: &str) -> Result<String, String> {
        let (_, unread) = self.clients.get_mut(client).ok_or("it has not said anything yet")?;
        let (text, rest) = reply::show(unread)?;
        *unread = rest.to_vec();
        Ok(text)
    }

    fn advance(&mut self, ms: u64) {
        self.engine.set_time(self.engine.now_us() + i64::try_from(ms).unwrap() * 1000);
        self.engine.tick();
        self.collect();
    }

    fn has(&self, _: (u32, u32)) -> bool {
        true
    }

    fn finish(&mut self) -> Result<(), String> {
        for (name, (_, unread)) in mem::take(&mut self.clients) {
            if !unread.is_empty() {
                let unread = String::from_utf8_lossy(&unread).into_owned();
                return Err(format!("left unread by {name}: {unread:?}"));
            }
        }
        Ok(())
    }
}

struct Real {
    redis: Redis,
    version: (u32, u32),
    clients: BTreeMap<String, Client>,
}

impl Real {
    fn start() -> Option<Self> {
        let mut redis = Redis::start()?;
        let info = redis.call(&[b"INFO", b"server"]);
        let info = String::from_utf8_lossy(&info).into_owned();
        let version = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"))
            .and_then(transcript::parse_version)
            .expect("INFO tells the version");
        Some(Self { redis, version, clients: BTreeMap::new() })
    }
}

impl Target for Real {
    fn send(&mut self, client: &str, argv: &[&[u8]]) {
        let new = || self.redis.connect();
        self.clients.entry(client.to_owned()).or_insert_with(new).send(argv);
    }

    fn block(&mut self, client: &str, argv: &[&[u8]]) -> Result<(), String> {
        let blocked = |info: &[u8]| {
            let info = String::from_utf8_lossy(info).into_owned();
            let field = info.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
            field.and_then(|count| count.parse::<usize>().ok()).unwrap_or(0)
        };
        let before = blocked(&self.redis.call(&[b"INFO", b"clients"]));
        self.send(client, argv);
        // What other clients do next must come after it.
        for _ in 0..6000 {
            if blocked(&self.redis.call(&[b"INFO", b"clients"])) > before {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err("it does not block".to_owned())
    }

    fn read(&mut self, client: &str) -> Result<String, String> {
        let client = self.clients.get_mut(client).ok_or("it has not said anything yet")?;
        Ok(reply::show(&client.read())?.0)
    }

    fn advance(&mut self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }

    fn has(&self, version: (u32, u32)) -> bool {
        self.version >= version
    }

    fn finish(&mut self) -> Result<(), String> {
        for (name, mut client) in mem::take(&mut self.clients) {
            // It works in every state of a client.
            client.send(&[b"RESET"]);
            let next = reply::show(&client.read())?.0;
            if next != "RESET" {
                return Err(format!("left unread by {name}: {next}"));
            }
        }
        Ok(())
    }
}

/// How a transcript went.
#[derive(Default)]
struct Outcome {
    run: usize,
    skipped: usize,
    failures: Vec<String>,
}

/// Runs the steps of a transcript, whose name is for the failures.
fn run(name: &str, steps: &[Step], target: &mut dyn Target) -> Outcome {
    let mut outcome = Outcome::default();
    let mut client = "A";
    for step in steps {
        if !target.has(step.since) {
            outcome.skipped += 1;
            continue;
        }
        let (text, expected) = match &step.action {
            Action::Client(name) => {
                client = name;
                continue;
            }
            Action::Advance(ms) => {
                target.advance(*ms);
                continue;
            }
            Action::Block { text, argv } => {
                let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
                outcome.run += 1;
                if let Err(error) = target.block(client, &argv) {
                    outcome.failures.push(format!("{name}:{}: {text}\n{error}\n", step.line));
                }
                continue;
            }
            Action::Call { text, argv, expected } => {
                let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
                target.send(client, &argv);
                (text.as_str(), expected)
            }
            Action::Message { expected } => ("(a message)", expected),
        };
        outcome.run += 1;
        let got = target.read(client).unwrap_or_else(|error| error);
        if !transcript::matches(expected, &got) {
            let (line, expected) = (step.line, expected.join("\n"));
            outcome
                .failures
                .push(format!("{name}:{line}: {text}\nexpected\n{expected}\ngot\n{got}\n"));
        }
    }
    if let Err(error) = target.finish() {
        outcome.failures.push(format!("{name}: {error}\n"));
    }
    outcome
}

/// The transcripts by name.
fn transcripts() -> Vec<(String, Vec<Step>)> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(cases)
        .expect("there are transcripts")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "redis"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no transcripts");
    let read = |path: PathBuf| {
        let name = format!("tests/cases/{}", path.file_name().unwrap().to_string_lossy());
        let steps = transcript::parse(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{name}:{error}"));
        (name, steps)
    };
    files.into_iter().map(read).collect()
}

/// Runs every file, each on a target of its own; `None` from `start`: none of them can run.
fn run_all<T: Target>(on: &str, start: impl Fn() -> Option<T>) {
    let mut failures = Vec::new();
    for (name, steps) in transcripts() {
        let Some(mut target) = start() else { return };
        let outcome = run(&name, &steps, &mut target);
        println!(
            "{on} {name}: {} run, {} failed, {} skipped",
            outcome.run,
            outcome.failures.len(),
            outcome.skipped
        );
        failures.extend(outcome.failures);
    }
    assert!(failures.is_empty(), "{} failed\n\n{}", failures.len(), failures.join("\n"));
}

/// Commands and options that no transcript has, and why.
const UNTOLD: &[(&str, &str, &str)] = &[
    ("bgrewriteaof", "", "the host does it: saving.rs"),
    ("bgsave", "", "the host does it: saving.rs"),
    ("client help", "", "lists the subcommands that there are here"),
    ("client kill", "MAXAGE", "tests/sessions.rs: a session has to become old"),
    ("client list", "NORMAL", "tests/sessions.rs: addresses and times differ"),
    ("client reply", "OFF", "nothing is answered: tests/sessions.rs"),
    ("client reply", "SKIP", "nothing is answered: tests/sessions.rs"),
    ("config help", "", "lists the subcommands that there are here"),
    ("lastsave", "", "a time"),
    ("quit", "", "tests/node/serve-raw.test.ts: the connection ends"),
    ("save", "", "the host does it: saving.rs"),
    ("script debug", "SYNC", "there is no debugger"),
    ("script debug", "YES", "there is no debugger"),
    ("time", "", "a time"),
    ("xgroup help", "", "newer versions say more"),
    ("xinfo help", "", "newer versions say more"),
];

/// The upper-case words of a command's arguments.
fn tokens<'a>(args: &[Arg<'a>], found: &mut Vec<&'a str>) {
    for arg in args {
        found.extend(arg.token);
        if let Kind::OneOf(args) | Kind::Block(args) = &arg.kind {
            tokens(args, found);
        }
    }
}

#[test]
fn every_command_and_every_option_is_in_a_transcript() {
    let lines: Vec<String> = transcripts()
        .into_iter()
        .flat_map(|(_, steps)| steps)
        .filter_map(|step| match step.action {
            Action::Call { text, .. } | Action::Block { text, .. } => Some(text.to_lowercase()),
            _ => None,
        })
        .collect();
    let mut untold = Vec::new();
    let mut check = |name: &str, command: &Command| {
        let mine: Vec<Vec<&str>> = lines
            .iter()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.is_empty() || rest.starts_with(' '))
            .map(|rest| rest.split(' ').collect())
            .collect();
        if mine.is_empty() {
            untold.push((name.to_owned(), String::new()));
            return;
        }
        let mut options = Vec::new();
        tokens(&syntax::parse(command.syntax).expect("a syntax"), &mut options);
        options.retain(|option| !mine.iter().any(|line| line.contains(&&*option.to_lowercase())));
        untold.extend(options.into_iter().map(|option| (name.to_owned(), option.to_owned())));
    };
    for command in registry::commands() {
        match command.subcommands {
            [] => check(command.name, command),
            all => all.iter().for_each(|sub| check(&format!("{} {}", command.name, sub.name), sub)),
        }
    }
    untold.sort();
    let expected: Vec<(String, String)> =
        UNTOLD.iter().map(|(name, option, _)| ((*name).to_owned(), (*option).to_owned())).collect();
    assert_eq!(untold, expected);
}

#[test]
fn native() {
    run_all("here", || Some(Native::new()));
}

#[test]
fn real() {
    run_all("redis-server", Real::start);
}

fn failures(text: &str, target: &mut dyn Target) -> Vec<String> {
    run("x", &transcript::parse(text).unwrap(), target).failures
}

#[test]
fn a_wrong_expectation_fails() {
    let text = "> SET k v\nOK\n\n> GET k\n\"w\"\n";
    let expected = ["x:4: GET k\nexpected\n\"w\"\ngot\n\"v\"\n"];
    assert_eq!(failures(text, &mut Native::new()), expected);
    if let Some(mut real) = Real::start() {
        assert_eq!(failures(text, &mut real), expected);
    }
    for wrong in [
        "> PING\nPONG\nPONG\n",
        "> PING\n~ P*P\n",
        "> ECHO \"a b\"\n\"a  b\"\n",
        "> PING\nPONG\n<\nPONG\n",
        "> SUBSCRIBE a b\n1) \"subscribe\"\n2) \"a\"\n3) (integer) 1\n",
        "> SET k v PX 10\nOK\n@advance 9\n> EXISTS k\n(integer) 0\n",
        "> SET k v PX 10\nOK\n@advance 10\n> EXISTS k\n(integer) 1\n",
        "@since 99.0\n> PING\nPANG\n@end\n",
        ">> WAIT 1 0\n@client B\n> PING\nPANG\n",
        "> SELECT 1\nOK\n> SET k v\nOK\n@client B\n> GET k\n\"v\"\n",
    ] {
        assert_eq!(failures(wrong, &mut Native::new()).len(), 1, "{wrong}");
    }
}

#[test]
fn a_newer_section_is_skipped_on_an_older_server() {
    let text = "@since 99.0\n> PING\nPANG\n@end\n> PING\nPONG\n";
    let Some(mut real) = Real::start() else { return };
    let outcome = run("x", &transcript::parse(text).unwrap(), &mut real);
    assert_eq!((outcome.run, outcome.skipped, outcome.failures.len()), (1, 1, 0));
}

#[test]
fn a_transcript_that_cannot_be_read_is_refused() {
    for (text, error) in [
        ("> PING\n", "1: no reply is expected"),
        ("# a\n\nPONG\n", "3: a reply to nothing: PONG"),
        ("> PING\nPONG\n\nPONG\n", "4: a reply to nothing: PONG"),
        ("> GET \"k\nv\n", "1: quotes: > GET \"k"),
        ("@nap 10\n", "1: no such directive: @nap 10"),
        ("@advance soon\n", "1: no time: @advance soon"),
        ("@since now\n", "1: no version: @since now"),
        ("@since 7.2\n\n", "2: @since without @end"),
        ("@end\n", "1: no such directive: @end"),
    ] {
        assert_eq!(transcript::parse(text).err().as_deref(), Some(error), "{text}");
    }
}

#[test]
fn replies_look_like_those_of_redis_cli() {
    let shown = |bytes: &[u8]| reply::show(bytes).map(|(text, rest)| (text, rest.len()));
    for (bytes, text) in [
        (&b"+OK\r\n"[..], "OK"),
        (b"-ERR no\r\n", "(error) ERR no"),
        (b"$7\r\n\"\\\r\n\x07\x00\xff\r\n", r#""\"\\\r\n\a\x00\xff""#),
        (b"$-1\r\n", "(nil)"),
        (b"*-1\r\n", "(nil)"),
        (b"_\r\n", "(nil)"),
        (b"*0\r\n", "(empty array)"),
        (b"~0\r\n", "(empty set)"),
        (b"%0\r\n", "(empty hash)"),
        (b",1.5\r\n", "(double) 1.5"),
        (b"#t\r\n", "(true)"),
        (b"(123\r\n", "123"),
        (b"=8\r\ntxt:a\nbc\r\n", "a\nbc"),
        (
            b"*2\r\n*2\r\n:1\r\n~1\r\n:2\r\n:3\r\n",
            "1) 1) (integer) 1\n   2) 1~ (integer) 2\n2) (integer) 3",
        ),
        (b"%1\r\n+a\r\n*2\r\n:1\r\n:2\r\n", "1# a => \n   1) (integer) 1\n   2) (integer) 2"),
        (b"%1\r\n+a\r\n*1\r\n:1\r\n", "1# a => 1) (integer) 1"),
        (b">1\r\n+a\r\n", "1) a"),
    ] {
        assert_eq!(shown(bytes), Ok((text.to_owned(), 0)));
        assert!(shown(&bytes[..bytes.len() - 1]).is_err(), "{text}, cut");
    }
    let ten = [&b"*10\r\n"[..], &b":0\r\n".repeat(10)].concat();
    assert!(shown(&ten).unwrap().0.starts_with(" 1) (integer) 0\n 2) "));
    assert!(shown(&ten).unwrap().0.ends_with("\n10) (integer) 0"));
}

#[test]
fn the_absence_of_redis_server_is_said_or_refused() {
    for (ci, require, fails) in [
        (None, None, false),
        (Some("false"), None, false),
        (Some("true"), None, true),
        (None, Some("1"), true),
    ] {
        assert_eq!(real_redis::is_required(ci, require), fails, "{ci:?} {require:?}");
    }
}
