//! Group *string*: whole strings that are set.

use super::expire::{Expiry, MILLISECONDS, SECONDS, Unit};
use super::string::{STRING, encode, reply_string};
use super::string_compare::Comparison;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Begin, Command, Find, KeySpec, flag, key, ts};
use crate::engine::types::StringValue;
use crate::number::parse_integer;
use crate::resp::Writer;

const OVERWRITE: &[KeySpec] = &[KeySpec::at(1, key::OW | key::UPDATE)];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "mset",
        handler: Some(mset),
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::from(1, -1, 2, key::OW | key::UPDATE)],
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Atomically creates or modifies the string values of one or more keys.",
        syntax: "key_value{key:key value}...",
        reply: ts("\"OK\""),
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        ..STRING
    },
    Command {
        name: "msetex",
        handler: Some(msetex),
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM | flag::MOVABLEKEYS,
        keys: &[KeySpec {
            flags: key::OW | key::UPDATE,
            begin: Begin::Index(1),
            find: Find::Keynum { index: 0, first: 1, step: 2 },
        }],
        since: "8.4.0",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Atomically sets multiple string keys with a shared expiration in a single \
            operation.",
        syntax: "numkeys:integer data{key:key value}... [condition(NX | XX)] [expiration(\
            EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time | \
            PXAT unix-time-milliseconds:unix-time | KEEPTTL)]",
        reply: ts("0 | 1"),
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        ..STRING
    },
    Command {
        name: "msetnx",
        handler: Some(msetnx),
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::from(1, -1, 2, key::OW | key::INSERT)],
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Atomically modifies the string values of one or more keys only when all keys \
            don't exist.",
        syntax: "key_value{key:key value}...",
        reply: ts("0 | 1"),
        tips: &["request_policy:multi_shard", "response_policy:agg_min"],
        ..STRING
    },
    Command {
        name: "psetex",
        handler: Some(psetex),
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: OVERWRITE,
        since: "2.6.0",
        complexity: "O(1)",
        summary: "Sets both string value and expiration time in milliseconds of a key. The key is \
            created if it doesn't exist.",
        syntax: "key:key milliseconds:integer value",
        reply: ts("\"OK\""),
        ..STRING
    },
    Command {
        name: "set",
        handler: Some(set),
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE | key::VARIABLE_FLAGS)],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Sets the string value of a key, ignoring its type. The key is created if it \
            doesn't exist.",
        syntax: "key:key value [condition(NX | XX | IFEQ ifeq-value | IFNE ifne-value | \
            IFDEQ ifdeq-digest | IFDNE ifdne-digest)] [GET] [expiration(EX seconds:integer | \
            PX milliseconds:integer | EXAT unix-time-seconds:unix-time | \
            PXAT unix-time-milliseconds:unix-time | KEEPTTL)]",
        reply: ts(
            "With<S, \"GET\", string | null, With<S, \"NX\" | \"XX\" | \"IFEQ\" | \"IFNE\" | \
                \"IFDEQ\" | \"IFDNE\", \"OK\" | null, \"OK\">>",
        ),
        ..STRING
    },
    Command {
        name: "setex",
        handler: Some(setex),
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: OVERWRITE,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Sets the string value and expiration time of a key. Creates the key if it \
            doesn't exist.",
        syntax: "key:key seconds:integer value",
        reply: ts("\"OK\""),
        ..STRING
    },
    Command {
        name: "setnx",
        handler: Some(setnx),
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::at(1, key::OW | key::INSERT)],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Set the string value of a key only when the key doesn't exist.",
        syntax: "key:key value",
        reply: ts("0 | 1"),
        ..STRING
    },
];

fn mset(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    set_many(c, pairs(args, "mset")?)?;
    out.ok();
    Ok(())
}

fn msetnx(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let pairs = pairs(args, "msetnx")?;
    let free = pairs.iter().all(|[key, _]| c.locate(key).is_none());
    if free {
        set_many(c, pairs)?;
    }
    out.integer(i64::from(free));
    Ok(())
}

fn pairs<'a>(args: &mut Args<'a>, command: &str) -> Result<&'a [[&'a [u8]; 2]], Error> {
    match args.rest().as_chunks() {
        (pairs, []) => Ok(pairs),
        _ => Err(Error::new(format!("ERR wrong number of arguments for '{command}' command"))),
    }
}

fn set_many(c: &mut Ctx<'_>, pairs: &[[&[u8]; 2]]) -> Result<(), Error> {
    let strings = pairs.iter().map(|[_, value]| encode(value)).collect::<Result<Vec<_>, _>>()?;
    for ([key, _], string) in pairs.iter().zip(strings) {
        c.set(key, string, None);
        c.notify(class::STRING, "set", key);
        c.changed();
    }
    Ok(())
}

/// On what setting depends.
#[derive(Clone, Copy)]
enum Condition<'a> {
    /// `NX`: the key does not exist.
    Absent,
    /// `XX`: it exists.
    Present,
    /// It holds the string that is compared with.
    Holds(Comparison<'a>),
}

#[derive(Default)]
struct SetOptions<'a> {
    condition: Option<Condition<'a>>,
    get: bool,
    keep_ttl: bool,
    expiry: Option<Expiry<'a>>,
}

impl<'a> SetOptions<'a> {
    /// The options of SET, or, if `many`, those of MSETEX.
    fn parse(args: &mut Args<'a>, many: bool) -> Result<Self, Error> {
        let mut options = Self::default();
        while !args.is_empty() {
            if options.expiry.is_none() && args.accept("KEEPTTL") {
                options.keep_ttl = true;
            } else if !many && args.accept("GET") {
                options.get = true;
            } else if !options.accept_condition(args, many)?
                && (options.keep_ttl || !Expiry::accept(args, &mut options.expiry)?)
            {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }

    /// Reads a condition, if it is one. The same one may be given again, but no other.
    fn accept_condition(&mut self, args: &mut Args<'a>, many: bool) -> Result<bool, Error> {
        let mut comparison = match self.condition {
            Some(Condition::Holds(comparison)) => Some(comparison),
            _ => None,
        };
        let condition = match self.condition {
            None | Some(Condition::Absent) if args.accept("NX") => Condition::Absent,
            None | Some(Condition::Present) if args.accept("XX") => Condition::Present,
            None | Some(Condition::Holds(_))
                if !many && Comparison::accept(args, &mut comparison)? =>
            {
                match comparison {
                    Some(comparison) => Condition::Holds(comparison),
                    None => return Ok(false),
                }
            }
            _ => return Ok(false),
        };
        self.condition = Some(condition);
        Ok(true)
    }

    /// Nothing that depends on what the key held.
    fn is_plain(&self) -> bool {
        self.condition.is_none() && !self.get && !self.keep_ttl
    }

    /// Whether the condition is met.
    fn is_met(&self, c: &mut Ctx<'_>, key: &[u8]) -> Result<bool, Error> {
        let object = c.lookup(key);
        Ok(match (self.condition, object) {
            (None, _) => true,
            (Some(Condition::Absent), object) => object.is_none(),
            (Some(Condition::Present), object) => object.is_some(),
            (Some(Condition::Holds(comparison)), None) => comparison.is_met_by_none(),
            (Some(Condition::Holds(comparison)), Some(object)) => {
                comparison.is_met_by(object.value.as_string().ok_or(Error::WRONG_TYPE)?)?
            }
        })
    }
}

fn set(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, value) = (args.take()?, args.take()?);
    if args.is_empty() {
        c.set_string(key, value)?;
        c.notify(class::STRING, "set", key);
        c.changed();
        out.ok();
        return Ok(());
    }
    set_with_options(c, key, value, &SetOptions::parse(args, false)?, out)
}

fn set_with_options(
    c: &mut Ctx<'_>,
    key: &[u8],
    value: &[u8],
    options: &SetOptions<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let expires_at = options.expiry.as_ref().map(|expiry| expiry.positive(c, "set")).transpose()?;
    let string = encode(value)?;
    if let (true, Some(at)) = (options.is_plain(), expires_at) {
        set_expiring(c, key, value, string, at);
        out.ok();
        return Ok(());
    }
    let is_met = options.is_met(c, key)?;
    match (options.get, is_met) {
        (true, _) => _ = reply_string(c, key, out)?,
        (false, true) => out.ok(),
        (false, false) => out.null(),
    }
    match expires_at {
        _ if !is_met => {}
        Some(at) => set_expiring(c, key, value, string, at),
        None => set_lasting(c, key, value, string, options.keep_ttl),
    }
    Ok(())
}

/// Sets a string that does not expire, unless it is to keep the time that the key has.
fn set_lasting(c: &mut Ctx<'_>, key: &[u8], value: &[u8], string: StringValue, keep_ttl: bool) {
    let old = c.lookup(key).and_then(|object| object.expires_at());
    c.set(key, string, old.filter(|_| keep_ttl));
    c.notify(class::STRING, "set", key);
    if keep_ttl {
        c.effect(&[b"SET", key, value, b"KEEPTTL"]);
    } else {
        c.effect(&[b"SET", key, value]);
    }
}

fn msetex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let count = parse_integer(args.take()?)
        .and_then(|count| i32::try_from(count).ok())
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0)
        .ok_or(Error::fixed("ERR invalid numkeys value"))?;
    let words = args.take_many(count.saturating_mul(2));
    let words = words.ok_or(Error::fixed("ERR wrong number of key-value pairs"))?;
    let (pairs, _) = words.as_chunks::<2>();
    let options = SetOptions::parse(args, true)?;
    let expires_at =
        options.expiry.as_ref().map(|expiry| expiry.positive(c, "msetex")).transpose()?;
    let strings = pairs.iter().map(|[_, value]| encode(value)).collect::<Result<Vec<_>, _>>()?;
    for [key, _] in pairs {
        if !options.is_met(c, key)? {
            out.integer(0);
            return Ok(());
        }
    }
    for ([key, value], string) in pairs.iter().zip(strings) {
        match expires_at {
            Some(at) => set_expiring(c, key, value, string, at),
            None => set_lasting(c, key, value, string, options.keep_ttl),
        }
    }
    out.integer(1);
    Ok(())
}

/// Sets a string that ceases to exist at `at`, and logs that moment. `value` is its content.
fn set_expiring(c: &mut Ctx<'_>, key: &[u8], value: &[u8], string: StringValue, at: i64) {
    c.set(key, string, Some(at));
    c.notify(class::STRING, "set", key);
    c.notify(class::GENERIC, "expire", key);
    c.effect(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(at).as_bytes()]);
}

fn setex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    set_for(c, args, out, &SECONDS, "setex")
}

fn psetex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    set_for(c, args, out, &MILLISECONDS, "psetex")
}

fn set_for(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    unit: &'static Unit,
    command: &str,
) -> Result<(), Error> {
    let (key, span, value) = (args.take()?, args.take()?, args.take()?);
    let at = Expiry::new(unit, span).positive(c, command)?;
    set_expiring(c, key, value, encode(value)?, at);
    out.ok();
    Ok(())
}

fn setnx(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, value) = (args.take()?, args.take()?);
    let free = c.locate(key).is_none();
    if free {
        c.set(key, encode(value)?, None);
        c.notify(class::STRING, "set", key);
        c.changed();
    }
    out.integer(i64::from(free));
    Ok(())
}
