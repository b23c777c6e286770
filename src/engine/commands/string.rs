//! Group *string*: whole strings that are read, and parts of strings.

use super::expire::{Expiry, expire_at, persist};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::dict::Slot;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::StringValue;
use crate::resp::Writer;

pub(super) const STRING: Command = Command { group: Group::String, ..Command::BASE };

const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];
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
pub(super) fn encode(bytes: &[u8]) -> Result<StringValue, Error> {
    StringValue::encode(bytes).map_err(|_| Error::OUT_OF_MEMORY)
}

/// Answers the string at `key`, or null; where it is, if it is there.
#[inline]
pub(super) fn reply_string(
    c: &mut Ctx<'_>,
    key: &[u8],
    out: &mut Writer<'_>,
) -> Result<Option<Slot>, Error> {
    let Some(slot) = c.read_slot(key) else {
        out.null();
        return Ok(None);
    };
    let string = c.db().at(slot).value.as_string().ok_or(Error::WRONG_TYPE)?;
    string.with_bytes(|bytes| out.bulk(bytes));
    Ok(Some(slot))
}

fn get(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if let Some(slot) = reply_string(c, args.take()?, out)? {
        c.copied(slot);
    }
    Ok(())
}

fn getdel(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    if reply_string(c, key, out)?.is_some() {
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
    if reply_string(c, key, out)?.is_none() {
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
