//! What placeholders stand for.

use super::{Dice, Times};

/// A word of a form that stands for many.
#[derive(Clone, Copy, Debug)]
pub enum Placeholder {
    /// A key that mostly has a type: an index into [`TYPES`].
    Typed(usize),
    Key,
    Value,
    Field,
    Member,
    Int,
    Small,
    Count,
    Float,
    Score,
    Id,
    Group,
    Consumer,
    Pattern,
    Ttl,
    Time,
    Lex,
    Bit,
    Lon,
    Lat,
    Db,
    Library,
    Libraries,
}

/// The types that keys are called after.
pub const TYPES: &[&str] =
    &["list", "hash", "set", "zset", "stream", "string", "bits", "hll", "geo"];

/// Keys of each type.
const KEYS: usize = 3;

const VALUES: &[&str] = &[
    "",
    "\0",
    "abc",
    "v\r\n$*",
    "hello world",
    "abcabcabc",
    "bcabcabca",
    "12",
    "-5",
    "007",
    "3.5",
    "1e3",
    "0x10",
    "9223372036854775807",
    "a value that is longer than what an embstr would hold",
    "a value that is longer than sixty-four bytes, so that no listpack of the default takes it",
];

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "5",
    "-3",
    "10",
    "16",
    "100",
    "-100",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "x",
    "",
    " 1",
    "1.5",
    "+1",
    "-0",
    "600000000",
];

const FLOATS: &[&str] = &[
    "0",
    "-0",
    "1",
    "0.1",
    "-2.5",
    "3.0e2",
    "1e17",
    "1e-7",
    "123456789.123456789",
    "inf",
    "-inf",
    "+inf",
    "nan",
    "1e309",
    "0x1p3",
    "1.",
    ".5",
    "",
    "x",
    " 1",
    "1 ",
    "9223372036854775807",
];

const SCORES: &[&str] =
    &["-inf", "-7", "-1", "0", "0.5", "1", "1.5", "2", "3", "4", "10", "1e6", "+inf"];

/// Spans that are over at once or in centuries, and nonsense.
const SPANS: &[&str] = &[
    "-1",
    "0",
    "33177117420",
    "33177117420",
    "43177117420",
    "9223372036854775",
    "9223372036854775807",
    "-9223372036854775808",
    "x",
];

/// Moments of long ago and in centuries, and nonsense.
const MOMENTS: &[&str] = &[
    "-1",
    "0",
    "1",
    "33177117420",
    "33177117420499",
    "33177117420500",
    "9223372036854775",
    "9223372036854775807",
    "-9223372036854775808",
    "x",
];

/// Bounds of members by their bytes.
const LEX: &[&str] = &["-", "+", "[", "(", "[m", "[m2", "(m1", "[m5", "(m4", "[1", "(3", "m1", ""];

const IDS: &[&str] = &["0", "1", "2", "0-0", "0-1", "1-1", "1-2", "2-1", "3-5", "9-9", "12-0"];

const PATTERNS: &[&str] =
    &["*", "?*", "[a-m]*", "*1", "[^a-m]*[1-2]", "hash?", "f*", "\\*", "m[0-9", "[x-", "a**b"];

/// Latitudes and longitudes: here and there, at the edges, and beyond them.
const DEGREES: &[&str] = &[
    "0",
    "13.361389",
    "15.087269",
    "38.115556",
    "37.502669",
    "-122.4",
    "85.05",
    "-85.06",
    "180",
    "181",
];

impl Placeholder {
    /// The placeholder called `name`.
    pub fn parse(name: &str) -> Result<Self, String> {
        if let Some(index) = TYPES.iter().position(|of_type| *of_type == name) {
            return Ok(Self::Typed(index));
        }
        Ok(match name {
            "key" => Self::Key,
            "value" => Self::Value,
            "field" => Self::Field,
            "member" => Self::Member,
            "int" => Self::Int,
            "small" => Self::Small,
            "count" => Self::Count,
            "float" => Self::Float,
            "score" => Self::Score,
            "id" => Self::Id,
            "group" => Self::Group,
            "consumer" => Self::Consumer,
            "pattern" => Self::Pattern,
            "ttl" => Self::Ttl,
            "time" => Self::Time,
            "lex" => Self::Lex,
            "bit" => Self::Bit,
            "lon" => Self::Lon,
            "lat" => Self::Lat,
            "db" => Self::Db,
            "library" => Self::Library,
            "libraries" => Self::Libraries,
            _ => return Err(format!("no placeholder is called <{name}>")),
        })
    }

    /// A word it stands for.
    pub fn word(self, dice: &mut Dice, times: Times) -> Vec<u8> {
        match self {
            Self::Typed(_) if dice.one_in(16) => any_key(dice),
            Self::Typed(index) => key_of(index, dice),
            Self::Key => any_key(dice),
            Self::Value => dice.pick(VALUES).into(),
            Self::Field => numbered("f", dice.below(10)),
            Self::Member => match dice.below(16) {
                0 => dice.pick(VALUES).into(),
                1..5 => numbered("", dice.below(6)),
                _ => numbered("m", dice.below(10)),
            },
            Self::Int => dice.pick(INTEGERS).into(),
            Self::Small => (dice.below(9) as i64 - 3).to_string().into(),
            Self::Count => dice.below(11).to_string().into(),
            Self::Float => dice.pick(FLOATS).into(),
            Self::Score => dice.pick(SCORES).into(),
            Self::Id => dice.pick(IDS).into(),
            Self::Group => numbered("g", dice.below(2)),
            Self::Consumer => numbered("c", dice.below(3)),
            Self::Pattern => dice.pick(PATTERNS).into(),
            Self::Ttl => match times {
                Times::Near(_) => (1 + dice.below(500)).to_string().into(),
                Times::Far => dice.pick(SPANS).into(),
            },
            Self::Time => moment(dice, times),
            Self::Lex => dice.pick(LEX).into(),
            Self::Bit => dice.below(71).to_string().into(),
            Self::Lon | Self::Lat => dice.pick(DEGREES).into(),
            Self::Db => dice.pick(&["0", "0", "1", "1", "2", "16", "-1", "x"]).into(),
            Self::Library => library(dice),
            Self::Libraries => {
                lodis::engine::rdb::dump_libraries([library(dice).as_slice()].into_iter())
            }
        }
    }
}

/// A time in seconds or in milliseconds: it is not known which of them a command takes.
fn moment(dice: &mut Dice, times: Times) -> Vec<u8> {
    let Times::Near(now_ms) = times else {
        return dice.pick(MOMENTS).into();
    };
    let later = dice.below(20_000) as i64;
    match dice.below(8) {
        0 => b"1".into(),
        1..4 => (now_ms / 1000 + later / 500).to_string().into(),
        _ => (now_ms + later).to_string().into(),
    }
}

/// A library with one function, both called the same.
fn library(dice: &mut Dice) -> Vec<u8> {
    let (name, does) = (dice.pick(&["one", "two"]), dice.pick(&["INCR", "STRLEN"]));
    let body = format!("function(keys) return redis.call('{does}', keys[1]) end");
    format!("#!lua name={name}\nredis.register_function('{name}', {body})").into()
}

fn numbered(prefix: &str, number: usize) -> Vec<u8> {
    format!("{prefix}{number}").into()
}

fn key_of(of_type: usize, dice: &mut Dice) -> Vec<u8> {
    numbered(TYPES[of_type], 1 + dice.below(KEYS))
}

fn any_key(dice: &mut Dice) -> Vec<u8> {
    match dice.below(32) {
        0 => Vec::new(),
        1 => b"nokey".into(),
        _ => key_of(dice.below(TYPES.len()), dice),
    }
}
