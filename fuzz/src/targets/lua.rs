//! Scripts, libraries, and what the formats of scripts are given.

use super::{Here, Target};
use crate::generator::Dice;
use crate::mutate;

pub const LUA: Target = Target { name: "lua", run: script, mutate: mutate_script, seeds: scripts };
pub const LIBRARIES: Target =
    Target { name: "libraries", run: library, mutate: mutate_script, seeds: libraries };
pub const DATA: Target = Target { name: "data", run: data, mutate: mutate_data, seeds: data_seeds };

const CASES: &str = concat!(
    include_str!("../../../tests/cases/scripting.redis"),
    include_str!("../../../tests/cases/scripting_lua.redis")
);

/// The scripts in the transcripts.
fn scripts() -> Vec<Vec<u8>> {
    let lines = CASES.lines();
    let scripts = lines.filter_map(|line| line.strip_prefix("> EVAL \"")?.split_once("\" 0"));
    let text = |script: &str| script.replace("\\n", "\n").replace("\\\\", "\\").into_bytes();
    scripts.map(|(script, _)| text(script)).collect()
}

fn libraries() -> Vec<Vec<u8>> {
    [
        "redis.register_function('f', function(keys, args) return redis.call('GET', keys[1]) end)",
        "redis.register_function{function_name='f', callback=function(keys) return #keys end, \
         flags={'no-writes', 'allow-oom'}, description='d'}",
        "local function g(...) return {...} end\nredis.register_function('f', g)",
    ]
    .iter()
    .map(|library| library.as_bytes().to_vec())
    .collect()
}

/// What scripts are made of, besides what is in others.
const EXTRA: &[&[u8]] = &[
    b"nil",
    b"true",
    b"{}",
    b"''",
    b"1e308",
    b"-1",
    b"0/0",
    b"2^53",
    b"...",
    b"function() end",
    b"#",
    b"..",
    b" and ",
    b" or ",
    b" not ",
    b"string.rep('x',1000)",
    b"string.rep('x',1e8)",
    b"redis",
    b"_G",
    b"KEYS",
    b"ARGV",
    b"coroutine.yield()",
    b"coroutine.wrap(function() ",
    b"pcall",
    b"pcall(",
    b"setmetatable({},{__index=_G,__call=print})",
    b"-1e15",
    b"math.huge",
    b"'%1%f[%w]'",
    b"'(()'",
    b"'[^'",
    b"unpack",
    b"unpack({},1,1e7)",
    b"select('#',",
    b"table.sort(",
    b"table.concat(",
    b"string.format('%99.99f',",
    b"string.gsub(",
    b"string.find(",
    b"error(",
    b"xpcall(",
    b"next",
    b"loadstring(",
    b"string.dump(",
    b"cjson.encode(",
    b"cjson.decode(",
    b"cmsgpack.pack(",
    b"cmsgpack.unpack(",
    b"struct.pack(",
    b"struct.unpack(",
    b"bit.tohex(",
    b"bit.lshift(",
    b"redis.call('SET',KEYS[1],",
    b"redis.call('LRANGE',KEYS[1],0,-1)",
    b"redis.pcall(",
    b"redis.setresp(3)",
    b"redis.error_reply(",
    b"redis.status_reply(",
    b"redis.sha1hex(",
    b"while true do ",
    b"repeat ",
    b" until ",
    b"for i=1,1e9 do ",
    b" end ",
    b"local t={} t[1]=t ",
    b"local function f(...) return f(...) end ",
    b"t.t=t ",
    b"return ",
    b"goto ",
    b"[[",
    b"]]",
    b"--",
    b"(((((((((((((((((((((((((((((",
    b"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{",
    b")",
    b"}",
    b"a.b.c=",
];

/// Names, numbers, strings and everything else, one by one.
fn tokens(script: &[u8]) -> Vec<Vec<u8>> {
    let mut tokens: Vec<Vec<u8>> = Vec::new();
    let mut in_word = false;
    for letter in script {
        let is_word = letter.is_ascii_alphanumeric() || *letter == b'_';
        match tokens.last_mut().filter(|_| is_word && in_word) {
            Some(token) => token.push(*letter),
            None => tokens.push(vec![*letter]),
        }
        in_word = is_word;
    }
    tokens
}

fn mutate_script(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    if dice.one_in(8) {
        mutate::bytes(dice, corpus, input, EXTRA);
        return input.truncate(8192);
    }
    let mut script = tokens(input);
    for _ in 0..1 + dice.below(6) {
        let at = dice.below(script.len() + 1);
        let other = tokens(&corpus[dice.below(corpus.len())]);
        let from = dice.below(other.len().max(1));
        match dice.below(8) {
            0 if at < script.len() => drop(script.remove(at)),
            1 if at < script.len() => {
                let again =
                    script[at..].iter().take(1 + dice.below(8)).cloned().collect::<Vec<_>>();
                let times = 1 << dice.below(dice_limit(&again));
                script.splice(at..at, std::iter::repeat_n(again, times).flatten());
            }
            2 if at < script.len() && !other.is_empty() => script[at] = other[from].clone(),
            3 if at < script.len() => script[at] = dice.pick(EXTRA).to_vec(),
            4 | 5 => script.insert(at, dice.pick(EXTRA).to_vec()),
            6 if at < script.len() => script[at] = dice.pick(mutate::EDGES).into(),
            _ => drop(script.splice(at..at, other.into_iter().skip(from).take(12))),
        }
    }
    *input = script.concat();
    input.truncate(8192);
}

/// How often something is doubled at most.
fn dice_limit(part: &[Vec<u8>]) -> usize {
    if part.len() > 2 { 3 } else { 10 }
}

fn script(input: &[u8]) {
    let mut here = Here::new();
    here.line("RPUSH list a b");
    let first = here.call(&[b"EVAL", input, b"1", b"list", b"a", b"1"]);
    assert!(!contains(&first, b"panicked"), "{}", first.escape_ascii());
    here.line("HELLO 3");
    here.call(&[b"EVAL_RO", input, b"2", b"list", b"other", b"-5"]);
    assert_eq!(here.line("EVAL return(1) 0"), b":1\r\n");
    here.check();
}

fn library(input: &[u8]) {
    let mut here = Here::new();
    here.line("SET k v");
    let code = [b"#!lua name=fuzz\n", input].concat();
    here.call(&[b"FUNCTION", b"LOAD", &code]);
    here.line("FCALL f 1 k a b");
    here.line("FCALL_RO f 2 k k");
    here.line("FUNCTION LIST WITHCODE");
    here.call(&[b"FUNCTION", b"LOAD", b"REPLACE", &code]);
    here.call(&[b"FUNCTION", b"LOAD", input]);
    here.line("FUNCTION STATS");
    here.check();
}

/// The first byte says what the rest is given to.
const READERS: &[&str] = &[
    "return cjson.encode(cjson.decode(ARGV[1]))",
    "return cmsgpack.pack(cmsgpack.unpack(ARGV[1]))",
    "return {cmsgpack.unpack_limit(ARGV[1],3,1)}",
    "return {struct.unpack(ARGV[2],ARGV[1])}",
    "return struct.pack(ARGV[2],1,2,-3,'x',1e308,ARGV[1])",
    "return struct.size(ARGV[1])",
    "return string.format(ARGV[1],1,-2,3.5,'x',{},nil)",
    "return {string.find(ARGV[1],ARGV[2])}",
    "return {string.gsub(ARGV[1],ARGV[2],ARGV[3])}",
    "return loadstring(ARGV[1])",
    "return {tonumber(ARGV[1]),tonumber(ARGV[1],36),cjson.encode(ARGV[1])}",
    "return redis.error_reply(ARGV[1])",
];

fn data_seeds() -> Vec<Vec<u8>> {
    let texts: &[(u8, &[u8])] = &[
        (0, br#"{"a":[1,2.5e3,null,true,"\u00e9\ud83d\ude00\n"],"b":{}}"#),
        (0, b"[[[[[[[[[[]]]]]]]]]]"),
        (1, b"\x82\xa1a\x93\x01\xcb\x40\x04\0\0\0\0\0\0\xc0\xa1b\xdc\0\x01\xd9\x01x"),
        (1, b"\xc4\x01x\xd3\xff\xff\xff\xff\xff\xff\xff\xff\xcf\0\0\0\0\0\0\0\x01\xde\0\x01\x01\x02"),
        (2, b"\x01\x02\x03\x04"),
        (3, b"\x01\x02\0\x03\0\0\0abc\0,<bhIs"),
        (4, b"x,>!4bBhHlLiI4fdsc0c3xT"),
        (5, b">i4i8c10!8d"),
        (6, b"%5.2d %-10s %q %c %g %x %%"),
        (7, b"hello world,(%a+)%s*()%f[%w]%b()[^a-z]-.$"),
        (8, b"hello world,(o)(.),%2%1%0"),
        (9, b"return function(...) local a <const> = 1 end"),
        (10, b"0x1p4"),
        (11, b"ERR a\r\nb"),
    ];
    texts.iter().map(|(reader, rest)| [&[*reader], *rest].concat()).collect()
}

fn mutate_data(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    const WORDS: &[&[u8]] = &[
        b"[",
        b"{\"a\":",
        b"]",
        b"}",
        b"\\u",
        b"\\ud800",
        b"1e9",
        b"-",
        b"\"",
        b"%b()",
        b"%f[",
        b"(",
        b")",
        b"[^",
        b"%1",
        b"*",
        b"-",
        b"+",
        b"?",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\x7f\xff\xff\xff",
        b"\xc1",
        b"\xc9",
        b"\x91",
        b"\x81",
        b"c0",
        b"!16",
        b"i99",
        b"s",
        b"%99999d",
        b"%.99999f",
        b",",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        b".*.*.*.*.*b",
        b"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
    ];
    mutate::bytes(dice, corpus, input, WORDS);
    input.truncate(8192);
}

fn data(input: &[u8]) {
    let Some((reader, rest)) = input.split_first() else { return };
    let reader = READERS[usize::from(*reader) % READERS.len()];
    let mut parts = rest.rsplitn(2, |byte| *byte == b',');
    let (last, first) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(rest));
    let mut here = Here::new();
    let argv = [b"EVAL", reader.as_bytes(), b"0", first, last, b"%1x%0"];
    let reply = here.call(&argv);
    assert!(!contains(&reply, b"panicked"), "{}", reply.escape_ascii());
    here.call(&[b"EVAL", reader.as_bytes(), b"0", rest, first, last]);
    assert_eq!(here.line("EVAL return(1) 0"), b":1\r\n");
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
