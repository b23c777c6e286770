//! Rules of users: what ACL LIST tells of them makes the same user again.

use super::{Here, Target};
use crate::generator::Dice;
use crate::mutate;

pub const TARGET: Target = Target { name: "acl", run, mutate, seeds };

fn seeds() -> Vec<Vec<u8>> {
    [
        "on nopass ~* &* +@all",
        "on >secret <other #e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 ~a* %R~b? %W~c %RW~[d-f]",
        "+@read -@dangerous +get -set +config|get -client|kill allchannels resetkeys",
        "(+get ~x) (+@write -del %W~y*) clearselectors (~z +@all)",
        "reset off resetpass allkeys allcommands nocommands sanitize-payload skip-sanitize-payload",
        "+select|0 -@all +@hash +acl|whoami &chan:* resetchannels &a &b",
    ]
    .iter()
    .map(|rules| rules.as_bytes().to_vec())
    .collect()
}

fn mutate(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    const WORDS: &[&[u8]] = &[
        b" ",
        b"(",
        b")",
        b"+",
        b"-",
        b"@",
        b"|",
        b"~",
        b"%",
        b"R",
        b"W",
        b"&",
        b">",
        b"<",
        b"#",
        b"!",
        b" +@all",
        b" -@all",
        b" +get",
        b" -get",
        b" +client|id",
        b" -client",
        b" ~*",
        b" %RW~k",
        b" (",
        b" reset",
        b" nopass",
        b" on",
        b" allkeys",
        b" allchannels",
        b" +@keyspace",
        b" +@scripting",
    ];
    mutate::bytes(dice, corpus, input, WORDS);
    input.truncate(2000);
}

fn run(input: &[u8]) {
    let mut here = Here::new();
    let rules: Vec<&[u8]> = input.split(|byte| *byte == b' ').collect();
    let is_set = set(&mut here, b"first", &rules);
    let first = listed(&mut here, b"first");
    if is_set {
        here.call(&[b"ACL", b"GETUSER", b"first"]);
        let words: Vec<Vec<u8>> = split(&first);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        assert!(set(&mut here, b"other", &words), "{}", first.escape_ascii());
        let other = listed(&mut here, b"other");
        assert!(first == other, "{}\n{}", first.escape_ascii(), other.escape_ascii());
        for command in ["GET x", "SET a b", "CONFIG GET x", "PUBLISH c m", "EVAL return(1) 1 x"] {
            here.line(&format!("ACL DRYRUN first {command}"));
        }
    }
    // Whoever may do less than a user could before is none the wiser.
    set(&mut here, b"default", &rules);
    here.line("GET x");
    here.line("SUBSCRIBE chan:1");
    here.line("ACL LOG");
}

fn set(here: &mut Here, user: &[u8], rules: &[&[u8]]) -> bool {
    let head: [&[u8]; 3] = [b"ACL", b"SETUSER", user];
    here.call(&[&head[..], rules].concat()) == b"+OK\r\n"
}

/// What ACL LIST tells of a user, after its name.
fn listed(here: &mut Here, user: &[u8]) -> Vec<u8> {
    let reply = here.call(&[b"ACL", b"LIST"]);
    let head = [b"user ", user, b" "].concat();
    let start = reply.windows(head.len()).position(|window| window == head);
    let Some(start) = start.map(|at| at + head.len()) else { return Vec::new() };
    let rest = reply.get(start..).unwrap_or_default();
    let end = rest.windows(2).position(|window| window == b"\r\n").unwrap_or(rest.len());
    rest[..end].to_vec()
}

/// A selector is one word, though there are blanks in it.
fn split(rules: &[u8]) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut is_inside = false;
    for word in rules.split(|byte| *byte == b' ') {
        match words.last_mut().filter(|_| is_inside) {
            Some(last) => {
                last.push(b' ');
                last.extend_from_slice(word);
            }
            None => words.push(word.to_vec()),
        }
        is_inside = if is_inside {
            !word.ends_with(b")")
        } else {
            word.starts_with(b"(") && !word.ends_with(b")")
        };
    }
    words
}
