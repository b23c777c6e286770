//! Group *string*: strings as numbers.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::StringValue;
use crate::number::Extended;
use crate::resp::Writer;

const NUMERIC: Command = Command {
    group: Group::String,
    flags: flag::WRITE | flag::DENYOOM | flag::FAST,
    keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE)],
    complexity: "O(1)",
    ..Command::BASE
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "decr",
        handler: Some(decr),
        arity: 2,
        since: "1.0.0",
        summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the \
            key doesn't exist.",
        syntax: "key:key",
        reply: ts("number | bigint"),
        ..NUMERIC
    },
    Command {
        name: "decrby",
        handler: Some(decrby),
        arity: 3,
        since: "1.0.0",
        summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if \
            the key doesn't exist.",
        syntax: "key:key decrement:integer",
        reply: ts("number | bigint"),
        ..NUMERIC
    },
    Command {
        name: "incr",
        handler: Some(incr),
        arity: 2,
        since: "1.0.0",
        summary: "Increments the integer value of a key by one. Uses 0 as initial value if the \
            key doesn't exist.",
        syntax: "key:key",
        reply: ts("number | bigint"),
        ..NUMERIC
    },
    Command {
        name: "incrby",
        handler: Some(incrby),
        arity: 3,
        since: "1.0.0",
        summary: "Increments the integer value of a key by a number. Uses 0 as initial value if \
            the key doesn't exist.",
        syntax: "key:key increment:integer",
        reply: ts("number | bigint"),
        ..NUMERIC
    },
    Command {
        name: "incrbyfloat",
        handler: Some(incrbyfloat),
        arity: 3,
        since: "2.6.0",
        summary: "Increment the floating point value of a key by a number. Uses 0 as initial \
            value if the key doesn't exist.",
        syntax: "key:key increment:double",
        reply: ts("string"),
        ..NUMERIC
    },
];

fn incr(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    increment(c, args.take()?, 1, out)
}

fn decr(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    increment(c, args.take()?, -1, out)
}

fn incrby(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, by) = (args.take()?, args.take_integer()?);
    increment(c, key, by, out)
}

fn decrby(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, by) = (args.take()?, args.take_integer()?);
    let by = by.checked_neg().ok_or(Error::fixed("ERR decrement would overflow"))?;
    increment(c, key, by, out)
}

/// Adds to the integer at `key`, in place.
fn increment(c: &mut Ctx<'_>, key: &[u8], by: i64, out: &mut Writer<'_>) -> Result<(), Error> {
    let sum = match c.string_mut(key)? {
        Some(string) => {
            let old = string.integer().ok_or(Error::NOT_AN_INTEGER)?;
            let sum = old.checked_add(by).ok_or(Error::OVERFLOW)?;
            string.set_integer(sum);
            sum
        }
        None => {
            c.set(key, StringValue::from(by), None);
            by
        }
    };
    c.modified(class::STRING, "incrby", key);
    c.changed();
    out.integer(sum);
    Ok(())
}

fn incrbyfloat(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, by) = (args.take()?, args.take()?);
    let string = c.string_mut(key)?;
    let old = match &string {
        Some(string) => string.with_bytes(Extended::parse).ok_or(Error::NOT_A_FLOAT)?,
        None => Extended::ZERO,
    };
    let by = Extended::parse(by).ok_or(Error::NOT_A_FLOAT)?;
    let sum = old
        .plus(by)
        .filter(|sum| !sum.is_infinite())
        .ok_or(Error::fixed("ERR increment would produce NaN or Infinity"))?;
    let mut text = Vec::new();
    sum.write(&mut text);
    let value = StringValue::text(&text).map_err(|_| Error::OUT_OF_MEMORY)?;
    match string {
        Some(string) => *string = value,
        None => c.set(key, value, None),
    }
    c.modified(class::STRING, "incrbyfloat", key);
    c.effect(&[b"SET", key, &text, b"KEEPTTL"]);
    out.bulk(&text);
    Ok(())
}
