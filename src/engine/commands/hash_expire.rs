//! Group *hash*: expiry times of fields, and the commands that set, read and delete with them.

use super::hash::{HASH, bulk_or_null, modified};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, KeySpec, flag, key, ts};
use crate::engine::types::Hash;
use crate::number::parse_integer;
use crate::resp::Writer;

const SETTING: Command = Command {
    arity: -6,
    flags: flag::WRITE | flag::DENYOOM | flag::FAST,
    keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
    since: "7.4.0",
    complexity: "O(N) where N is the number of specified fields",
    reply: ts("(-2 | 0 | 1 | 2)[]"),
    ..HASH
};
const READING: Command = Command {
    arity: -5,
    flags: flag::READONLY | flag::FAST,
    keys: &[KeySpec::at(1, key::RO | key::ACCESS)],
    since: "7.4.0",
    complexity: "O(N) where N is the number of specified fields",
    syntax: "key:key FIELDS fields{numfields:integer field...}",
    reply: ts("number[]"),
    ..HASH
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "hexpire",
        handler: Some(hexpire),
        summary: "Set expiry for hash field using relative time to expire (seconds).",
        syntax: "key:key seconds:integer [condition(NX | XX | GT | LT)] \
            FIELDS fields{numfields:integer field...}",
        ..SETTING
    },
    Command {
        name: "hexpireat",
        handler: Some(hexpireat),
        summary: "Set expiry for hash field using an absolute Unix timestamp (seconds).",
        syntax: "key:key unix-time-seconds:unix-time [condition(NX | XX | GT | LT)] \
            FIELDS fields{numfields:integer field...}",
        ..SETTING
    },
    Command {
        name: "hexpiretime",
        handler: Some(hexpiretime),
        summary: "Returns the expiration time of a hash field as a Unix timestamp, in seconds.",
        ..READING
    },
    Command {
        name: "hgetdel",
        handler: Some(hgetdel),
        arity: -5,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::DELETE)],
        since: "8.0.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Returns the value of a field and deletes it from the hash.",
        syntax: "key:key FIELDS fields{numfields:integer field...}",
        reply: ts("(string | null)[]"),
        ..HASH
    },
    Command {
        name: "hgetex",
        handler: Some(hgetex),
        arity: -5,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE)],
        since: "8.0.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Get the value of one or more fields of a given hash key, and optionally set \
            their expiration.",
        syntax: "key:key [expiration(EX seconds:integer | PX milliseconds:integer | \
            EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | PERSIST)] \
            FIELDS fields{numfields:integer field...}",
        reply: ts("(string | null)[]"),
        ..HASH
    },
    Command {
        name: "hpersist",
        handler: Some(hpersist),
        arity: -5,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields",
        summary: "Removes the expiration time for each specified field.",
        syntax: "key:key FIELDS fields{numfields:integer field...}",
        reply: ts("(-2 | -1 | 1)[]"),
        ..HASH
    },
    Command {
        name: "hpexpire",
        handler: Some(hpexpire),
        summary: "Set expiry for hash field using relative time to expire (milliseconds).",
        syntax: "key:key milliseconds:integer [condition(NX | XX | GT | LT)] \
            FIELDS fields{numfields:integer field...}",
        ..SETTING
    },
    Command {
        name: "hpexpireat",
        handler: Some(hpexpireat),
        summary: "Set expiry for hash field using an absolute Unix timestamp (milliseconds).",
        syntax: "key:key unix-time-milliseconds:unix-time [condition(NX | XX | GT | LT)] \
            FIELDS fields{numfields:integer field...}",
        ..SETTING
    },
    Command {
        name: "hpexpiretime",
        handler: Some(hpexpiretime),
        summary: "Returns the expiration time of a hash field as a Unix timestamp, in msec.",
        ..READING
    },
    Command {
        name: "hpttl",
        handler: Some(hpttl),
        summary: "Returns the TTL in milliseconds of a hash field.",
        tips: &["nondeterministic_output"],
        ..READING
    },
    Command {
        name: "hsetex",
        handler: Some(hsetex),
        arity: -6,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
        since: "8.0.0",
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Set the value of one or more fields of a given hash key, and optionally set \
            their expiration.",
        syntax: "key:key [condition(FNX | FXX)] [expiration(EX seconds:integer | \
            PX milliseconds:integer | EXAT unix-time-seconds:unix-time | \
            PXAT unix-time-milliseconds:unix-time | KEEPTTL)] \
            FIELDS fields{numfields:integer data{field value}...}",
        reply: ts("0 | 1"),
        ..HASH
    },
    Command {
        name: "httl",
        handler: Some(httl),
        summary: "Returns the TTL in seconds of a hash field.",
        tips: &["nondeterministic_output"],
        ..READING
    },
];

/// The latest time that a field may have: Redis has 46 bits for it.
const TIME_MAX: i64 = (1 << 46) - 1;

/// What a number in a command is: milliseconds in it, and whether it counts from now.
#[derive(Clone, Copy)]
struct Unit {
    ms: i64,
    relative: bool,
}

const SECONDS: Unit = Unit { ms: 1000, relative: true };
const MILLISECONDS: Unit = Unit { ms: 1, relative: true };
const UNIX_SECONDS: Unit = Unit { ms: 1000, relative: false };
const UNIX_MILLISECONDS: Unit = Unit { ms: 1, relative: false };

impl Unit {
    /// The unit that an option names.
    fn accept(args: &mut Args<'_>) -> Option<Self> {
        let units = [
            ("EX", SECONDS),
            ("PX", MILLISECONDS),
            ("EXAT", UNIX_SECONDS),
            ("PXAT", UNIX_MILLISECONDS),
        ];
        units.into_iter().find_map(|(name, unit)| args.accept(name).then_some(unit))
    }

    /// Reads a moment: Unix milliseconds.
    fn read(self, word: &[u8], now_ms: i64, command: &str) -> Result<i64, Error> {
        let value = parse_integer(word).ok_or(Error::NOT_AN_INTEGER)?;
        if value < 0 {
            return Err(Error::fixed("ERR invalid expire time, must be >= 0"));
        }
        let base = if self.relative { now_ms } else { 0 };
        value
            .checked_mul(self.ms)
            .filter(|ms| *ms <= TIME_MAX - base)
            .map(|ms| ms + base)
            .ok_or_else(|| Error::new(format!("ERR invalid expire time in '{command}' command")))
    }
}

/// When the expiry time of a field may be set.
#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Always,
    Absent,
    Present,
    Greater,
    Less,
}

impl Condition {
    fn accept(args: &mut Args<'_>) -> Self {
        let conditions = [
            ("NX", Self::Absent),
            ("XX", Self::Present),
            ("GT", Self::Greater),
            ("LT", Self::Less),
        ];
        let found = conditions.into_iter().find(|(name, _)| args.accept(name));
        found.map_or(Self::Always, |(_, condition)| condition)
    }

    fn allows(self, old: Option<i64>, at: i64) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => old.is_none(),
            Self::Present => old.is_some(),
            Self::Greater => old.is_some_and(|old| at > old),
            Self::Less => old.is_none_or(|old| at < old),
        }
    }
}

const NUMBER: &str = "ERR Number of fields must be a positive integer";

/// `FIELDS numfields field...`, to the end; `error` is for a number that is none.
fn take_fields<'a>(args: &mut Args<'a>, error: &'static str) -> Result<&'a [&'a [u8]], Error> {
    if !args.accept("FIELDS") {
        return Err(Error::fixed(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let count = args.take_integer_or(Error::fixed(error))?;
    if count < 1 {
        return Err(Error::fixed(error));
    }
    if usize::try_from(count) != Ok(args.len()) {
        return Err(Error::fixed(
            "ERR The `numfields` parameter must match the number of arguments",
        ));
    }
    Ok(args.rest())
}

/// What became of fields whose expiry time was to be set.
#[derive(Default)]
struct Outcome<'a> {
    updated: Vec<&'a [u8]>,
    deleted: Vec<&'a [u8]>,
}

impl<'a> Outcome<'a> {
    /// Sets the expiry time of a field that is there, or deletes it if that time has come.
    fn set(&mut self, hash: &mut Hash, field: &'a [u8], at: i64, is_past: bool) {
        if is_past {
            hash.remove(field);
            self.deleted.push(field);
        } else {
            hash.set_expiry(field, Some(at));
            self.updated.push(field);
        }
    }

    /// Logs what was done.
    fn log(&self, c: &mut Ctx<'_>, key: &[u8], at: i64) {
        if !self.deleted.is_empty() {
            c.effect(&[&[b"HDEL", key], self.deleted.as_slice()].concat());
        }
        if !self.updated.is_empty() {
            let (mut at_text, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
            let at = at_text.format(at).as_bytes();
            let count = count.format(self.updated.len()).as_bytes();
            let head: [&[u8]; 5] = [b"HPEXPIREAT", key, at, b"FIELDS", count];
            c.effect(&[&head, self.updated.as_slice()].concat());
        }
    }

    fn is_none(&self) -> bool {
        self.updated.is_empty() && self.deleted.is_empty()
    }
}

/// Whether fields with this expiry time are deleted at once. What is replayed says so itself.
fn is_past(c: &Ctx<'_>, at: i64) -> bool {
    at <= c.now_ms() && !c.engine.is_loading()
}

fn expire(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    unit: Unit,
    command: &str,
) -> Result<(), Error> {
    let key = args.take()?;
    c.get_mut::<Hash>(key)?;
    let at = unit.read(args.take()?, c.now_ms(), command)?;
    let condition = Condition::accept(args);
    let fields = take_fields(args, "ERR Parameter `numFields` should be greater than 0")?;
    let past = is_past(c, at);
    out.array(fields.len());
    let Some(hash) = c.get_mut::<Hash>(key)? else {
        fields.iter().for_each(|_| out.integer(-2));
        return Ok(());
    };
    let mut outcome = Outcome::default();
    for field in fields {
        if !hash.contains(field) {
            out.integer(-2);
        } else if !condition.allows(hash.expiry(field), at) {
            out.integer(0);
        } else {
            outcome.set(hash, field, at, past);
            out.integer(if past { 2 } else { 1 });
        }
    }
    if !outcome.is_none() {
        modified(c, if past { "hdel" } else { "hexpire" }, key);
        c.remove_if_empty(key);
        outcome.log(c, key, at);
    }
    Ok(())
}

fn hexpire(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    expire(c, args, out, SECONDS, "hexpire")
}

fn hpexpire(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    expire(c, args, out, MILLISECONDS, "hpexpire")
}

fn hexpireat(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    expire(c, args, out, UNIX_SECONDS, "hexpireat")
}

fn hpexpireat(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    expire(c, args, out, UNIX_MILLISECONDS, "hpexpireat")
}

fn read_expiry(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    unit: Unit,
) -> Result<(), Error> {
    let key = args.take()?;
    let base = if unit.relative { c.now_ms() } else { 0 };
    let hash = c.read_as::<Hash>(key)?;
    let fields = take_fields(args, NUMBER)?;
    out.array(fields.len());
    for field in fields {
        out.integer(match hash.filter(|hash| hash.contains(field)) {
            None => -2,
            Some(hash) => {
                hash.expiry(field).map_or(-1, |at| (at - base + unit.ms - 1).div_euclid(unit.ms))
            }
        });
    }
    Ok(())
}

fn httl(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    read_expiry(c, args, out, SECONDS)
}

fn hpttl(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    read_expiry(c, args, out, MILLISECONDS)
}

fn hexpiretime(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    read_expiry(c, args, out, UNIX_SECONDS)
}

fn hpexpiretime(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    read_expiry(c, args, out, UNIX_MILLISECONDS)
}

fn hpersist(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    c.get_mut::<Hash>(key)?;
    let fields = take_fields(args, NUMBER)?;
    out.array(fields.len());
    let Some(hash) = c.get_mut::<Hash>(key)? else {
        fields.iter().for_each(|_| out.integer(-2));
        return Ok(());
    };
    let mut persisted = false;
    for field in fields {
        out.integer(if !hash.contains(field) {
            -2
        } else if hash.expiry(field).is_none() {
            -1
        } else {
            hash.set_expiry(field, None);
            persisted = true;
            1
        });
    }
    if persisted {
        modified(c, "hpersist", key);
        c.changed();
    }
    Ok(())
}

fn hgetdel(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    c.get_mut::<Hash>(key)?;
    let fields = take_fields(args, NUMBER)?;
    out.array(fields.len());
    let Some(hash) = c.get_mut::<Hash>(key)? else {
        fields.iter().for_each(|_| out.null());
        return Ok(());
    };
    let mut effect: Vec<&[u8]> = vec![b"HDEL", key];
    for field in fields {
        bulk_or_null(hash.get(field), out);
        if hash.remove(field) {
            effect.push(field);
        }
    }
    if effect.len() > 2 {
        modified(c, "hdel", key);
        c.remove_if_empty(key);
        c.effect(&effect);
    }
    Ok(())
}

fn hgetex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    c.get_mut::<Hash>(key)?;
    let at = match Unit::accept(args) {
        Some(unit) => Some(unit.read(args.take()?, c.now_ms(), "hgetex")?),
        None => None,
    };
    let persist = at.is_none() && args.accept("PERSIST");
    let fields = take_fields(args, NUMBER)?;
    let past = at.is_some_and(|at| is_past(c, at));
    out.array(fields.len());
    let Some(hash) = c.get_mut::<Hash>(key)? else {
        fields.iter().for_each(|_| out.null());
        return Ok(());
    };
    let mut outcome = Outcome::default();
    for field in fields {
        let value = hash.get(field);
        let found = value.is_some();
        bulk_or_null(value, out);
        match at {
            Some(at) if found => outcome.set(hash, field, at, past),
            None if persist && hash.expiry(field).is_some() => {
                hash.set_expiry(field, None);
                outcome.updated.push(field);
            }
            _ => {}
        }
    }
    if outcome.is_none() {
        return Ok(());
    }
    let Some(at) = at else {
        modified(c, "hpersist", key);
        let mut count = itoa::Buffer::new();
        let count = count.format(outcome.updated.len()).as_bytes();
        let head: [&[u8]; 4] = [b"HPERSIST", key, b"FIELDS", count];
        c.effect(&[&head, outcome.updated.as_slice()].concat());
        return Ok(());
    };
    modified(c, if past { "hdel" } else { "hexpire" }, key);
    c.remove_if_empty(key);
    outcome.log(c, key, at);
    Ok(())
}

/// The arguments of HSETEX.
#[derive(Default)]
struct SetEx<'a> {
    /// `FNX` is false, `FXX` true.
    present: Option<bool>,
    at: Option<i64>,
    keep_ttl: bool,
    pairs: &'a [[&'a [u8]; 2]],
}

impl<'a> SetEx<'a> {
    fn parse(args: &mut Args<'a>, now_ms: i64) -> Result<Self, Error> {
        const ARITY: Error = Error::fixed("ERR wrong number of arguments for 'hsetex' command");
        let mut parsed = Self::default();
        while !args.is_empty() {
            if args.accept("FIELDS") {
                if args.len() < 3 {
                    return Err(ARITY);
                }
                let error = Error::fixed("ERR invalid number of fields");
                let count = args.take_integer_or(error.clone())?;
                let count = i32::try_from(count).ok().filter(|count| *count > 0).ok_or(error)?;
                let (pairs, []) = args.rest().as_chunks::<2>() else { return Err(ARITY) };
                if pairs.len() != count as usize {
                    return Err(ARITY);
                }
                parsed.pairs = pairs;
                return Ok(parsed);
            }
            let expires = parsed.at.is_some() || parsed.keep_ttl;
            let only_one = Error::fixed(
                "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
            );
            if let Some(unit) = Unit::accept(args) {
                if expires {
                    return Err(only_one);
                }
                let word = args.next().ok_or(Error::fixed("ERR missing expire time"))?;
                parsed.at = Some(unit.read(word, now_ms, "hsetex")?);
            } else if args.accept("KEEPTTL") {
                if expires {
                    return Err(only_one);
                }
                parsed.keep_ttl = true;
            } else {
                parsed.take_condition(args)?;
            }
        }
        Err(ARITY)
    }

    fn take_condition(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        let present = args.accept("FXX");
        if !present && !args.accept("FNX") {
            return Err(Error::new([b"ERR unknown argument: ", args.take()?].concat()));
        }
        if self.present.replace(present).is_some() {
            return Err(Error::fixed("ERR Only one of FXX or FNX arguments can be specified"));
        }
        Ok(())
    }

    fn allows(&self, hash: Option<&Hash>) -> bool {
        let mut contained =
            self.pairs.iter().map(|[field, _]| hash.is_some_and(|hash| hash.contains(field)));
        self.present.is_none_or(|present| contained.all(|contained| contained == present))
    }
}

fn hsetex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let set = SetEx::parse(args, c.now_ms())?;
    let limits = c.limits();
    let hash = c.get_mut::<Hash>(key)?;
    if !set.allows(hash.as_deref()) {
        out.integer(0);
        return Ok(());
    }
    let past = set.at.is_some_and(|at| is_past(c, at));
    let hash = c.get_or_create::<Hash>(key)?;
    let mut outcome = Outcome::default();
    for [field, value] in set.pairs {
        hash.set(field, value, limits);
        match set.at {
            Some(at) => outcome.set(hash, field, at, past),
            None if !set.keep_ttl => hash.set_expiry(field, None),
            None => {}
        }
    }
    out.integer(1);
    modified(c, "hset", key);
    if set.at.is_some() {
        modified(c, if past { "hdel" } else { "hexpire" }, key);
    }
    c.remove_if_empty(key);
    let Some(at) = set.at else {
        c.changed();
        return Ok(());
    };
    if past {
        outcome.log(c, key, at);
        return Ok(());
    }
    let (mut at_text, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let at = at_text.format(at).as_bytes();
    let count = count.format(set.pairs.len()).as_bytes();
    let head: [&[u8]; 6] = [b"HSETEX", key, b"PXAT", at, b"FIELDS", count];
    c.effect(&[&head, set.pairs.as_flattened()].concat());
    Ok(())
}
