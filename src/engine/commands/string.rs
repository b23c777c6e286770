//! Group *string*: reading, writing, and parts of strings.

use super::expire::{Expiry, MILLISECONDS, SECONDS, Unit, expire_at, persist};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::StringValue;
use crate::resp::Writer;

const STRING: Command = Command { group: Group::String, ..Command::BASE };

const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];
const OVERWRITE: &[KeySpec] = &[KeySpec::at(1, key::OW | key::UPDATE)];
const SUBSTRING_COMPLEXITY: &str = "O(N) where N is the length of the returned string. The \
    complexity is ultimately determined by the returned length, but because creating a substring \
    from an existing string is very cheap, it can be considered O(1) for small strings.";

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "append",
        handler: Some(append),
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::INSERT)],
        since: "2.0.0",
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is \
            small and the already present value is of any size, since the dynamic string library \
            used by Redis will double the free space available on every reallocation.",
        summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
        syntax: "key:key value",
        reply: ts("number"),
        ..STRING
    },
    Command {
        name: "get",
        handler: Some(get),
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: READ,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the string value of a key.",
        syntax: "key:key",
        reply: ts("string | null"),
        ..STRING
    },
    Command {
        name: "getdel",
        handler: Some(getdel),
        arity: 2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::DELETE)],
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Returns the string value of a key after deleting the key.",
        syntax: "key:key",
        reply: ts("string | null"),
        ..STRING
    },
    Command {
        name: "getex",
        handler: Some(getex),
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE)],
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Returns the string value of a key after setting its expiration time.",
        syntax: "key:key [expiration(EX seconds:integer | PX milliseconds:integer | \
            EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | PERSIST)]",
        reply: ts("string | null"),
        ..STRING
    },
    Command {
        name: "getrange",
        handler: Some(getrange),
        arity: 4,
        flags: flag::READONLY,
        keys: READ,
        since: "2.4.0",
        complexity: SUBSTRING_COMPLEXITY,
        summary: "Returns a substring of the string stored at a key.",
        syntax: "key:key start:integer end:integer",
        reply: ts("string"),
        ..STRING
    },
    Command {
        name: "getset",
        handler: Some(getset),
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE)],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the previous string value of a key after setting it to a new value.",
        syntax: "key:key value",
        reply: ts("string | null"),
        deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
        ..STRING
    },
    Command {
        name: "mget",
        handler: Some(mget),
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::from(1, -1, 1, key::RO | key::ACCESS)],
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys to retrieve.",
        summary: "Atomically returns the string values of one or more keys.",
        syntax: "key:key...",
        reply: ts("(string | null)[]"),
        tips: &["request_policy:multi_shard"],
        ..STRING
    },
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
        syntax: "key:key value [condition(NX | XX)] [GET] [expiration(EX seconds:integer | \
            PX milliseconds:integer | EXAT unix-time-seconds:unix-time | \
            PXAT unix-time-milliseconds:unix-time | KEEPTTL)]",
        reply: ts("string | null"),
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
    Command {
        name: "setrange",
        handler: Some(setrange),
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
        since: "2.2.0",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, \
            this string is very small so the amortized complexity is O(1). Otherwise, complexity \
            is O(M) with M being the length of the value argument.",
        summary: "Overwrites a part of a string value with another by an offset. Creates the key \
            if it doesn't exist.",
        syntax: "key:key offset:integer value",
        reply: ts("number"),
        ..STRING
    },
    Command {
        name: "strlen",
        handler: Some(strlen),
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::at(1, key::RO)],
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Returns the length of a string value.",
        syntax: "key:key",
        reply: ts("number"),
        ..STRING
    },
    Command {
        name: "substr",
        handler: Some(getrange),
        arity: 4,
        flags: flag::READONLY,
        keys: READ,
        since: "1.0.0",
        complexity: SUBSTRING_COMPLEXITY,
        summary: "Returns a substring from a string value.",
        syntax: "key:key start:integer end:integer",
        reply: ts("string"),
        deprecated: Some(("2.0.0", "`GETRANGE`")),
        ..STRING
    },
];

/// A value as it is stored.
fn encode(bytes: &[u8]) -> Result<StringValue, Error> {
    StringValue::encode(bytes).map_err(|_| Error::OUT_OF_MEMORY)
}

/// Answers the string at `key`, or null; whether it was there.
fn reply_string(c: &mut Ctx<'_>, key: &[u8], out: &mut Writer<'_>) -> Result<bool, Error> {
    match c.read_string(key)? {
        Some(value) => value.with_bytes(|bytes| out.bulk(bytes)),
        None => {
            out.null();
            return Ok(false);
        }
    }
    Ok(true)
}

fn get(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    reply_string(c, args.take()?, out)?;
    Ok(())
}

fn getdel(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    if reply_string(c, key, out)? {
        c.remove(key);
        c.notify(class::GENERIC, "del", key);
        c.effect(&[b"DEL", key]);
    }
    Ok(())
}

fn getex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let (mut expiry, mut persisted) = (None, false);
    while !args.is_empty() {
        if expiry.is_none() && args.accept("PERSIST") {
            persisted = true;
        } else if persisted || !Expiry::accept(args, &mut expiry)? {
            return Err(Error::SYNTAX);
        }
    }
    if !reply_string(c, key, out)? {
        return Ok(());
    }
    if let Some(expiry) = expiry {
        expire_at(c, key, expiry.positive(c, "getex")?);
    } else if persisted {
        persist(c, key);
    }
    Ok(())
}

fn getset(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, value) = (args.take()?, args.take()?);
    let string = encode(value)?;
    reply_string(c, key, out)?;
    c.set(key, string, None);
    c.notify(class::STRING, "set", key);
    c.effect(&[b"SET", key, value]);
    Ok(())
}

fn mget(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.array(args.len());
    for key in args {
        match c.read(key).and_then(|object| object.value.as_string()) {
            Some(value) => value.with_bytes(|bytes| out.bulk(bytes)),
            None => out.null(),
        }
    }
    Ok(())
}

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

/// `NX` or `XX`.
#[derive(Clone, Copy, PartialEq)]
enum Condition {
    Absent,
    Present,
}

#[derive(Default)]
struct SetOptions<'a> {
    condition: Option<Condition>,
    get: bool,
    keep_ttl: bool,
    expiry: Option<Expiry<'a>>,
}

impl<'a> SetOptions<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Error> {
        let mut options = Self::default();
        while !args.is_empty() {
            if options.condition != Some(Condition::Present) && args.accept("NX") {
                options.condition = Some(Condition::Absent);
            } else if options.condition != Some(Condition::Absent) && args.accept("XX") {
                options.condition = Some(Condition::Present);
            } else if args.accept("GET") {
                options.get = true;
            } else if options.expiry.is_none() && args.accept("KEEPTTL") {
                options.keep_ttl = true;
            } else if options.keep_ttl || !Expiry::accept(args, &mut options.expiry)? {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }

    /// Nothing that depends on what the key held.
    fn is_plain(&self) -> bool {
        self.condition.is_none() && !self.get && !self.keep_ttl
    }
}

fn set(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, value) = (args.take()?, args.take()?);
    let options = SetOptions::parse(args)?;
    let expires_at = options.expiry.as_ref().map(|expiry| expiry.positive(c, "set")).transpose()?;
    let string = encode(value)?;
    if options.is_plain() {
        match expires_at {
            Some(at) => set_expiring(c, key, value, string, at),
            None => {
                c.set(key, string, None);
                c.notify(class::STRING, "set", key);
                c.changed();
            }
        }
        out.ok();
        return Ok(());
    }
    if options.get {
        reply_string(c, key, out)?;
    }
    let old = c.lookup(key).map(|object| object.expires_at());
    let wanted = match options.condition {
        Some(Condition::Absent) => old.is_none(),
        Some(Condition::Present) => old.is_some(),
        None => true,
    };
    match (options.get, wanted) {
        (true, _) => {}
        (false, true) => out.ok(),
        (false, false) => out.null(),
    }
    if !wanted {
        return Ok(());
    }
    if let Some(at) = expires_at {
        set_expiring(c, key, value, string, at);
        return Ok(());
    }
    c.set(key, string, old.flatten().filter(|_| options.keep_ttl));
    c.notify(class::STRING, "set", key);
    if options.keep_ttl {
        c.effect(&[b"SET", key, value, b"KEEPTTL"]);
    } else {
        c.effect(&[b"SET", key, value]);
    }
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

/// The longest string that a command of this moment may make, in bytes. What is replayed was
/// allowed when it was made.
fn string_len_max(c: &Ctx<'_>) -> usize {
    if c.engine.is_loading() { usize::MAX } else { c.engine.config.proto_max_bulk_len }
}

fn check_len(max: usize, len: usize, more: usize) -> Result<(), Error> {
    let total = len.checked_add(more).filter(|total| *total <= max);
    total.map(|_| ()).ok_or(Error::STRING_TOO_LONG)
}

fn append(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, tail) = (args.take()?, args.take()?);
    let max = string_len_max(c);
    let len = match c.string_mut(key)? {
        Some(string) => {
            check_len(max, string.len(), tail.len())?;
            string.append(tail).map_err(|_| Error::OUT_OF_MEMORY)?
        }
        None => {
            c.set(key, encode(tail)?, None);
            tail.len()
        }
    };
    c.modified(class::STRING, "append", key);
    c.changed();
    out.count(len);
    Ok(())
}

fn setrange(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, offset, value) = (args.take()?, args.take_integer()?, args.take()?);
    let offset = u64::try_from(offset).map_err(|_| Error::fixed("ERR offset is out of range"))?;
    // An offset beyond the address space is beyond every limit.
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let max = string_len_max(c);
    let string = c.string_mut(key)?;
    if value.is_empty() {
        out.count(string.map_or(0, |string| string.len()));
        return Ok(());
    }
    check_len(max, offset, value.len())?;
    let written = match string {
        Some(string) => string.write_at(offset, value),
        None => StringValue::padded(offset, value).map(|string| {
            let len = string.len();
            c.set(key, string, None);
            len
        }),
    };
    let len = written.map_err(|_| Error::OUT_OF_MEMORY)?;
    c.modified(class::STRING, "setrange", key);
    c.changed();
    out.count(len);
    Ok(())
}

fn getrange(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, start, end) = (args.take()?, args.take_integer()?, args.take_integer()?);
    match c.read_string(key)? {
        Some(string) => string.with_bytes(|bytes| out.bulk(range(bytes, start, end))),
        None => out.bulk(b""),
    }
    Ok(())
}

/// The bytes from `start` to `end` inclusive; negative positions count from the end, and those
/// before the beginning mean the beginning, `end` too.
fn range(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let len = bytes.len() as i64;
    let place = |at: i64| if at < 0 { (at + len).max(0) } else { at };
    let (start, end) = (place(start), place(end).min(len - 1));
    let places = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    places.and_then(|(start, end)| bytes.get(start..=end)).unwrap_or_default()
}

fn strlen(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let len = c.read_string(args.take()?)?.map_or(0, StringValue::len);
    out.count(len);
    Ok(())
}
