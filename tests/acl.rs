//! Users and what they may do, with random rules: beside a real redis-server, from one engine to another,
//! and with rules that nobody would write.
//!
//! A failing run prints its seed: `LODIS_SEED=<seed> cargo test -p lodis --test acl`.

use generator::form::parse_version;
use generator::{Dice, Forms, Times, seeds, shown};
use lodis::engine::registry::commands;
use lodis::engine::session::SessionId;
use lodis::engine::{Engine, Options};
use real_redis::Redis;

mod generator;
mod real_redis;

const ROUNDS: u64 = 40;
const RULES: usize = 12;
const COMMANDS: usize = 150;

const CATEGORIES: &[&str] = &[
    "all",
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
    "nosuch",
    "",
];
/// Categories of these differ since 7.2, or here.
const OTHERS: &[&str] = &["save", "wait", "cluster", "debug", "script", "module", "memory"];
const PATTERNS: &[&str] =
    &["*", "k*", "k1", "l*", "s*", "z*", "?1", "[a-m]*", "", "a b", "\\*", "h?*", "dest*"];
const CHANNELS: &[&str] = &["*", "c*", "c1", "news.?", "", "ch", "__key*"];
const HASH: &str = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4";

struct Here {
    engine: Engine,
    session: SessionId,
}

impl Here {
    fn new() -> Self {
        let mut engine = Engine::new(&Options::default());
        let session = engine.connect();
        Self { engine, session }
    }

    fn call(&mut self, argv: &[&[u8]]) -> String {
        let mut reply = Vec::new();
        self.engine.call(self.session, argv, &mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }
}

/// A rule for commands, keys or channels.
fn selector_rule(dice: &mut Dice, names: &[String]) -> String {
    let sign = dice.pick(&["+", "-", "+"]);
    match dice.below(12) {
        0 | 1 => format!("{sign}@{}", dice.pick(CATEGORIES)),
        2..5 => format!("{sign}{}", names[dice.below(names.len())]),
        5 => format!(
            "{sign}{}|{}",
            dice.pick(&["select", "config", "get"]),
            dice.pick(&["0", "get"])
        ),
        6 => format!("~{}", dice.pick(PATTERNS)),
        7 | 8 => {
            format!("%{}~{}", dice.pick(&["R", "W", "RW", "rw", "", "X"]), dice.pick(PATTERNS))
        }
        9 => format!("&{}", dice.pick(CHANNELS)),
        _ => dice
            .pick(&[
                "allkeys",
                "resetkeys",
                "allchannels",
                "resetchannels",
                "allcommands",
                "NoCommands",
                "",
                "+@ALL",
                "-@all",
                "nosuch",
            ])
            .to_owned(),
    }
}

fn rule(dice: &mut Dice, names: &[String]) -> String {
    match dice.below(16) {
        0 => {
            let rules: Vec<String> =
                (0..dice.below(4)).map(|_| selector_rule(dice, names)).collect();
            format!("({})", rules.join(" "))
        }
        1 => dice.pick(&["on", "off", "nopass", "resetpass", "clearselectors", "reset"]).to_owned(),
        2 => format!("{}{}", dice.pick(&[">", "<"]), dice.pick(&["", "pw", "other"])),
        3 => format!("{}{}", dice.pick(&["#", "!"]), dice.pick(&[HASH, "abc", ""])),
        4 => dice.pick(&["(", ")", "(+get", "+set)", "()", "sanitize-payload"]).to_owned(),
        _ => selector_rule(dice, names),
    }
}

fn names() -> Vec<String> {
    let mut names = vec!["nosuch".to_owned(), "config|nosuch".to_owned()];
    for command in commands() {
        names.push(command.name.to_owned());
        names
            .extend(command.subcommands.iter().map(|sub| format!("{}|{}", command.name, sub.name)));
    }
    names
}

/// What 7.0 answers in the words of newer ones.
fn modern(reply: &[u8]) -> String {
    String::from_utf8_lossy(reply).replace("This user", "User u")
}

/// A reply without what is told about its length, and what a newer version tells.
fn without_lengths(reply: &str) -> String {
    let is_told = |line: &&str| !line.starts_with('$') && *line != "sanitize-payload";
    reply.split("\r\n").filter(is_told).collect::<Vec<_>>().join(" ")
}

#[test]
fn random_users_may_do_what_redis_lets_them_do() {
    let Some(mut redis) = Redis::start() else { return };
    let info = String::from_utf8(redis.call(&[b"INFO", b"server"])).unwrap();
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap();
    let version = parse_version(version);
    let names: Vec<String> = names()
        .into_iter()
        .filter(|name| {
            let known = redis.call(&[b"COMMAND", b"INFO", name.as_bytes()]);
            let container = name.split('|').next().unwrap_or_default();
            !OTHERS.contains(&container)
                && (name.contains("nosuch")
                    || !matches!(known.as_slice(), b"*1\r\n*-1\r\n" | b"*1\r\n$-1\r\n"))
        })
        .collect();
    let forms = Forms::load(|form| form.since.is_none_or(|since| Some(since) <= version));
    for seed in seeds(ROUNDS, false) {
        println!("LODIS_SEED={seed}");
        let mut dice = Dice::new(seed);
        let mut here = Here::new();
        redis.call(&[b"ACL", b"DELUSER", b"u"]);
        for _ in 0..RULES {
            let rules: Vec<String> = (0..=dice.below(3)).map(|_| rule(&mut dice, &names)).collect();
            let mut argv: Vec<&[u8]> = vec![b"ACL", b"SETUSER", b"u"];
            argv.extend(rules.iter().map(|rule| rule.as_bytes()));
            let theirs = redis.call(&argv);
            assert_eq!(here.call(&argv), String::from_utf8_lossy(&theirs), "{rules:?}");
            let get: [&[u8]; 3] = [b"ACL", b"GETUSER", b"u"];
            let ours = same_user(&here.call(&get));
            assert_eq!(ours, same_user(&String::from_utf8_lossy(&redis.call(&get))), "{rules:?}");
        }
        for _ in 0..COMMANDS {
            let (argv, _) = forms.command(&mut dice, Times::Far);
            let words =
                |at: usize| argv.get(at).map(|word| String::from_utf8_lossy(word).to_lowercase());
            let name = words(0).unwrap_or_default();
            // What a subcommand of a container is, differs.
            if OTHERS.contains(&name.as_str()) {
                continue;
            }
            let mut dry: Vec<&[u8]> = vec![b"ACL", b"DRYRUN", b"u"];
            dry.extend(argv.iter().map(Vec::as_slice));
            let theirs = redis.call(&dry);
            if theirs.starts_with(b"-ERR Command") {
                continue;
            }
            let (ours, theirs) = (here.call(&dry), modern(&theirs));
            let list = here.call(&[b"ACL", b"LIST"]);
            assert_eq!(
                without_lengths(&ours),
                without_lengths(&theirs),
                "{}\n{list}",
                shown(&argv)
            );
        }
    }
}

/// What ACL GETUSER tells in every version: all but the rules for commands.
fn same_user(reply: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = reply.split("\r\n").filter(|line| !line.starts_with(['$', '*']));
    while let Some(line) = lines.next() {
        match line {
            "commands" => drop(lines.next()),
            "sanitize-payload" => {}
            _ => kept.push(line),
        }
    }
    kept.join(" ")
}

#[test]
fn the_next_leader_has_the_same_users() {
    let names = names();
    let forms = Forms::load(|_| true);
    for seed in seeds(ROUNDS, false) {
        println!("LODIS_SEED={seed}");
        let mut dice = Dice::new(seed);
        let mut here = Here::new();
        for user in [&b"u"[..], b"v", b"default", b"w"] {
            for _ in 0..RULES {
                let rule = rule(&mut dice, &names);
                here.call(&[b"ACL", b"SETUSER", user, rule.as_bytes()]);
            }
        }
        let all: [&[u8]; 4] = [b"ACL", b"SETUSER", b"default", b"+@all"];
        here.call(&all);
        let mut next = Here::new();
        next.engine.adopt_settings(&here.engine.config.changes());
        assert_eq!(next.engine.config.changes(), here.engine.config.changes());
        // Who decides here is nobody's session.
        for (line, ours) in here.lines().into_iter().zip(next.lines()) {
            assert_eq!(line, ours);
        }
        for _ in 0..COMMANDS {
            let (argv, _) = forms.command(&mut dice, Times::Far);
            let mut dry: Vec<&[u8]> = vec![b"ACL", b"DRYRUN", b"u"];
            dry.extend(argv.iter().map(Vec::as_slice));
            assert_eq!(here.call(&dry), next.call(&dry), "{}", shown(&argv));
        }
    }
}

impl Here {
    fn lines(&self) -> Vec<Vec<u8>> {
        self.engine.config.changes().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }
}

#[test]
fn no_rule_is_too_strange() {
    const ALPHABET: &[u8] = b"+-~%&@#!<>()|*RW \0\xffgetconfiglnopasd0123456789";
    for seed in seeds(10 * ROUNDS, false) {
        println!("LODIS_SEED={seed}");
        let mut dice = Dice::new(seed);
        let mut here = Here::new();
        for _ in 0..50 {
            let mut word = |most: usize| -> Vec<u8> {
                (0..dice.below(most)).map(|_| dice.pick(ALPHABET)).collect()
            };
            let (name, rules) = (word(3), [word(12), word(6), word(80)]);
            let mut argv: Vec<&[u8]> = vec![b"ACL", b"SETUSER", &name];
            argv.extend(rules.iter().map(Vec::as_slice));
            here.call(&argv);
            here.call(&[b"ACL", b"DRYRUN", &name, &rules[0], &rules[1], &rules[2]]);
            here.call(&[b"AUTH", &name, &rules[0]]);
        }
        let lines = here.engine.config.changes();
        let mut next = Here::new();
        next.engine.adopt_settings(&lines);
        next.engine.adopt_settings(&rules_cut(&mut dice, &lines));
    }
}

/// What was cut off, or spoiled.
fn rules_cut(dice: &mut Dice, lines: &[u8]) -> Vec<u8> {
    let mut lines = lines[..dice.below(lines.len() + 1)].to_vec();
    if !lines.is_empty() {
        let at = dice.below(lines.len());
        lines[at] = dice.next() as u8;
    }
    lines
}

/// Calls words that are separated by blanks.
fn call(engine: &mut Engine, session: SessionId, line: &str) -> String {
    let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut reply = Vec::new();
    engine.call(session, &argv, &mut reply);
    String::from_utf8_lossy(&reply).into_owned()
}

fn is_over(engine: &Engine, session: SessionId) -> bool {
    engine.sessions.get(session).is_none_or(|session| session.closing)
}

#[test]
fn sessions_of_who_is_gone_are_over() {
    let mut engine = Engine::new(&Options::default());
    let [admin, one, two, waiting] = [(); 4].map(|()| engine.connect());
    call(&mut engine, admin, "ACL SETUSER u on nopass +@all ~* &*");
    assert_eq!(call(&mut engine, one, "AUTH u x"), "+OK\r\n");
    assert_eq!(call(&mut engine, two, "HELLO 3 AUTH u x SETNAME two").chars().next(), Some('%'));
    assert!(call(&mut engine, admin, "CLIENT LIST").contains("name=two "));
    assert_eq!(call(&mut engine, admin, "CLIENT LIST").matches(" user=u ").count(), 2);
    call(&mut engine, waiting, "AUTH u x");
    let blocked = engine.fork(waiting);
    assert_eq!(call(&mut engine, blocked, "BLPOP l 0"), "");
    // Its own one has its reply before.
    assert_eq!(call(&mut engine, two, "ACL DELUSER u"), ":1\r\n");
    for session in [one, two, waiting, blocked] {
        assert!(is_over(&engine, session));
        assert_eq!(call(&mut engine, session, "PING"), "");
    }
    assert!(!is_over(&engine, admin));
    assert_eq!(call(&mut engine, admin, "RPUSH l 1"), ":1\r\n");
}

#[test]
fn who_may_not_subscribe_any_more_is_not_subscribed() {
    let mut engine = Engine::new(&Options::default());
    let [admin, channel, pattern, shard, other] = [(); 5].map(|()| engine.connect());
    call(&mut engine, admin, "ACL SETUSER u on nopass +@all ~* &a &b &p*");
    for session in [channel, pattern, shard, other] {
        call(&mut engine, session, "AUTH u x");
    }
    call(&mut engine, channel, "SUBSCRIBE a");
    call(&mut engine, pattern, "PSUBSCRIBE p*");
    call(&mut engine, shard, "SSUBSCRIBE b");
    call(&mut engine, admin, "ACL SETUSER u &more");
    call(&mut engine, admin, "ACL SETUSER other on");
    assert!([channel, pattern, shard, other].iter().all(|id| !is_over(&engine, *id)));
    call(&mut engine, admin, "ACL SETUSER u resetchannels &a &p");
    assert_eq!(
        [channel, pattern, shard, other].map(|id| is_over(&engine, id)),
        [false, true, true, false]
    );
    assert_eq!(call(&mut engine, admin, "CLIENT KILL USER u"), ":2\r\n");
    assert!(is_over(&engine, channel) && is_over(&engine, other) && !is_over(&engine, admin));
}

#[test]
fn what_is_denied_again_soon_is_counted() {
    let mut engine = Engine::new(&Options::default());
    let [admin, session] = [(); 2].map(|()| engine.connect());
    call(&mut engine, admin, "ACL SETUSER u on nopass +get ~k");
    call(&mut engine, session, "AUTH u x");
    let count = |engine: &mut Engine| call(engine, admin, "ACL LOG").matches("entry-id").count();
    for (seconds, entries) in [(0, 1), (30, 1), (60, 1), (121, 2)] {
        engine.set_time(seconds * 1_000_000);
        call(&mut engine, session, "GET a");
        assert_eq!(count(&mut engine), entries);
    }
    assert!(call(&mut engine, admin, "ACL LOG 1").contains("$8\r\nentry-id\r\n:1\r\n"));
    for key in 0..200 {
        call(&mut engine, session, &format!("GET other{key}"));
    }
    let all = call(&mut engine, admin, "ACL LOG 1000");
    assert_eq!(all.matches("entry-id").count(), 128);
    assert_eq!(count(&mut engine), 10);
    let info = call(&mut engine, admin, "INFO stats");
    assert!(info.contains(
        "acl_access_denied_auth:0\r\nacl_access_denied_cmd:0\r\nacl_access_denied_key:204\r\n"
    ));
}

#[test]
fn nobody_goes_on_with_copies_of_what_may_not_be_read() {
    let mut engine = Engine::new(&Options::default());
    let [admin, session] = [(); 2].map(|()| engine.connect());
    call(&mut engine, admin, "SET k v");
    let generation = |engine: &mut Engine| engine.keyspace.db_mut(0).generations().keep().to_vec();
    let mut before = generation(&mut engine);
    for line in ["ACL SETUSER u on nopass +get ~a", "ACL SETUSER default +get", "ACL DELUSER u"] {
        call(&mut engine, admin, line);
        assert!(std::mem::replace(&mut before, generation(&mut engine)) != before, "{line}");
    }
    call(&mut engine, admin, "ACL SETUSER u on nopass +get ~a");
    let before = generation(&mut engine);
    call(&mut engine, session, "AUTH u x");
    assert_ne!(generation(&mut engine), before);
}

#[test]
fn passwords_go_with_the_settings() {
    let mut engine = Engine::new(&Options::default());
    let admin = engine.connect();
    call(&mut engine, admin, "CONFIG SET requirepass secret");
    assert_eq!(call(&mut engine, admin, "SET k 1"), "+OK\r\n");
    let session = engine.connect();
    assert_eq!(call(&mut engine, session, "GET k"), "-NOAUTH Authentication required.\r\n");
    let blocking = engine.fork(session);
    assert_eq!(call(&mut engine, blocking, "BLPOP k 0"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(call(&mut engine, session, "AUTH secret"), "+OK\r\n");
    let blocking = engine.fork(session);
    assert_eq!(call(&mut engine, blocking, "GET k"), "$1\r\n1\r\n");
    // What another engine has recorded is run here, whatever is asked of sessions.
    let changes = engine.config.changes();
    let mut next = Engine::new(&Options::default());
    let before = next.connect();
    next.adopt_settings(&changes);
    let after = next.connect();
    assert_eq!(call(&mut next, before, "PING"), "+PONG\r\n");
    assert_eq!(call(&mut next, after, "PING"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(call(&mut next, after, "AUTH secret"), "+OK\r\n");
}
