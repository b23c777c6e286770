//! Scripts that nobody would write: parts of others, put together at random. Whatever they are, the
//! interpreter does not panic, and the next script runs.
//!
//! A failing run prints its seed: `LODIS_SEED=<seed> cargo test -p lodis --test scripting_fuzz`.

use generator::{Dice, seeds};
use lodis::engine::{Engine, Options};

mod generator;

const ROUNDS: u64 = 100;
const SCRIPTS: usize = 100;

/// The scripts in the transcripts.
fn corpus() -> Vec<String> {
    let texts = [include_str!("cases/scripting.redis"), include_str!("cases/scripting_lua.redis")];
    let lines = texts.iter().flat_map(|text| text.lines());
    let scripts = lines.filter_map(|line| line.strip_prefix("> EVAL \"")?.split_once("\" 0"));
    scripts.map(|(script, _)| script.replace("\\n", "\n").replace("\\\\", "\\")).collect()
}

/// Names, numbers, strings and everything else, one by one.
fn tokens(script: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for letter in script.chars() {
        let is_word = letter.is_ascii_alphanumeric() || letter == '_';
        match tokens.last_mut().filter(|_| is_word && in_word) {
            Some(token) => token.push(letter),
            None => tokens.push(letter.to_string()),
        }
        in_word = is_word;
    }
    tokens
}

const EXTRA: &[&str] = &[
    "nil",
    "true",
    "{}",
    "''",
    "1e308",
    "-1",
    "0/0",
    "2^53",
    "...",
    "function() end",
    "#",
    "..",
    " and ",
    " or ",
    " not ",
    "string.rep('x',1000)",
    "redis",
    "_G",
    "KEYS",
    "coroutine.yield()",
    "pcall",
    "setmetatable({},{__index=_G,__call=print})",
    "-1e15",
    "math.huge",
    "'%1%f[%w]'",
    "'(()'",
    "'[^'",
    "unpack",
    "select",
    "table.sort",
    "string.format",
    "string.gsub",
    "error",
    "xpcall",
    "next",
];

fn mutate(dice: &mut Dice, corpus: &[Vec<String>], mut script: Vec<String>) -> String {
    for _ in 0..1 + dice.below(6) {
        if script.is_empty() {
            break;
        }
        let at = dice.below(script.len());
        let other = &corpus[dice.below(corpus.len())];
        match dice.below(6) {
            0 => drop(script.remove(at)),
            1 => script.insert(at, script[dice.below(script.len())].clone()),
            2 if !other.is_empty() => script[at] = other[dice.below(other.len())].clone(),
            3 => script[at] = dice.pick(EXTRA).to_owned(),
            4 => script.insert(at, dice.pick(EXTRA).to_owned()),
            _ => {
                let from = dice.below(other.len().max(1));
                script.splice(at..at, other.iter().skip(from).take(8).cloned());
            }
        }
    }
    script.concat()
}

#[test]
fn nothing_that_a_script_says_is_a_panic() {
    let corpus: Vec<Vec<String>> = corpus().iter().map(|script| tokens(script)).collect();
    assert!(corpus.len() > 100);
    for seed in seeds(ROUNDS, false) {
        let mut dice = Dice::new(seed);
        let mut engine = Engine::new(&Options::default());
        let session = engine.connect();
        let mut call = |argv: &[&str]| {
            let argv: Vec<&[u8]> = argv.iter().map(|word| word.as_bytes()).collect();
            let mut out = Vec::new();
            engine.call(session, &argv, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        call(&["CONFIG", "SET", "busy-reply-threshold", "5"]);
        for _ in 0..SCRIPTS {
            let script = corpus[dice.below(corpus.len())].clone();
            let script = mutate(&mut dice, &corpus, script);
            let reply = call(&["EVAL", &script, "1", "list", "a", "1"]);
            assert!(!reply.contains("panicked"), "{script}\n{reply}\nLODIS_SEED={seed}");
        }
        assert_eq!(call(&["EVAL", "return 'alive'", "0"]), "$5\r\nalive\r\n", "LODIS_SEED={seed}");
    }
}
