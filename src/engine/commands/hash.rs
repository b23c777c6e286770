//! Group *hash*: fields and values.

use super::scan::{ScanOptions, Scanned, reply_cursor, scan_buckets, take_cursor};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::{Hash, Item};
use crate::number::{Extended, parse_integer};
use crate::resp::{Protocol, Writer};

pub(super) const HASH: Command = Command { group: Group::Hash, ..Command::BASE };

const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];
const LENGTH: &[KeySpec] = &[KeySpec::at(1, key::RO)];
const UPDATE: &[KeySpec] = &[KeySpec::at(1, key::RW | key::UPDATE)];
const INSERT: &[KeySpec] = &[KeySpec::at(1, key::RW | key::INSERT)];
const INCREMENT: Command = Command {
    arity: 4,
    flags: flag::WRITE | flag::DENYOOM | flag::FAST,
    keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE)],
    complexity: "O(1)",
    ..HASH
};
const ALL: Command = Command {
    arity: 2,
    flags: flag::READONLY,
    keys: READ,
    since: "2.0.0",
    complexity: "O(N) where N is the size of the hash.",
    syntax: "key:key",
    tips: &["nondeterministic_output_order"],
    ..HASH
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "hdel",
        handler: Some(hdel),
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::DELETE)],
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields to be removed.",
        summary: "Deletes one or more fields and their values from a hash. Deletes the hash if no \
            fields remain.",
        syntax: "key:key field...",
        reply: ts("number"),
        ..HASH
    },
    Command {
        name: "hexists",
        handler: Some(hexists),
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: LENGTH,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Determines whether a field exists in a hash.",
        syntax: "key:key field",
        reply: ts("0 | 1"),
        ..HASH
    },
    Command {
        name: "hget",
        handler: Some(hget),
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: READ,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Returns the value of a field in a hash.",
        syntax: "key:key field",
        reply: ts("string | null"),
        ..HASH
    },
    Command {
        name: "hgetall",
        handler: Some(hgetall),
        summary: "Returns all fields and values in a hash.",
        reply: ts("{ [field: string]: string }"),
        ..ALL
    },
    Command {
        name: "hincrby",
        handler: Some(hincrby),
        since: "2.0.0",
        summary: "Increments the integer value of a field in a hash by a number. Uses 0 as initial \
            value if the field doesn't exist.",
        syntax: "key:key field increment:integer",
        reply: ts("number | bigint"),
        ..INCREMENT
    },
    Command {
        name: "hincrbyfloat",
        handler: Some(hincrbyfloat),
        since: "2.6.0",
        summary: "Increments the floating point value of a field by a number. Uses 0 as initial \
            value if the field doesn't exist.",
        syntax: "key:key field increment:double",
        reply: ts("string"),
        ..INCREMENT
    },
    Command {
        name: "hkeys",
        handler: Some(hkeys),
        summary: "Returns all fields in a hash.",
        reply: ts("string[]"),
        ..ALL
    },
    Command {
        name: "hlen",
        handler: Some(hlen),
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: LENGTH,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Returns the number of fields in a hash.",
        syntax: "key:key",
        reply: ts("number"),
        ..HASH
    },
    Command {
        name: "hmget",
        handler: Some(hmget),
        arity: -3,
        flags: flag::READONLY | flag::FAST,
        keys: READ,
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields being requested.",
        summary: "Returns the values of all fields in a hash.",
        syntax: "key:key field...",
        reply: ts("(string | null)[]"),
        ..HASH
    },
    Command {
        name: "hmset",
        handler: Some(hmset),
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: UPDATE,
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Sets the values of multiple fields.",
        syntax: "key:key data{field value}...",
        reply: ts("\"OK\""),
        deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
        ..HASH
    },
    Command {
        name: "hrandfield",
        handler: Some(hrandfield),
        arity: -2,
        flags: flag::READONLY,
        keys: READ,
        since: "6.2.0",
        complexity: "O(N) where N is the number of fields returned",
        summary: "Returns one or more random fields from a hash.",
        syntax: "key:key [options{count:integer [WITHVALUES]}]",
        reply: ts(
            "string | null // With<S, \"WITHVALUES\", [field: string, value: string][], string[]>",
        ),
        tips: &["nondeterministic_output"],
        ..HASH
    },
    Command {
        name: "hscan",
        handler: Some(hscan),
        arity: -3,
        flags: flag::READONLY,
        keys: READ,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
            calls for the cursor to return back to 0. N is the number of elements inside the \
            collection.",
        summary: "Iterates over fields and values of a hash.",
        syntax: "key:key cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [NOVALUES]",
        reply: ts("[cursor: string, fieldsAndValues: string[]]"),
        tips: &["nondeterministic_output"],
        ..HASH
    },
    Command {
        name: "hset",
        handler: Some(hset),
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: UPDATE,
        since: "2.0.0",
        complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when \
            the command is called with multiple field/value pairs.",
        summary: "Creates or modifies the value of a field in a hash.",
        syntax: "key:key data{field value}...",
        reply: ts("number"),
        ..HASH
    },
    Command {
        name: "hsetnx",
        handler: Some(hsetnx),
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: INSERT,
        since: "2.0.0",
        complexity: "O(1)",
        summary: "Sets the value of a field in a hash only when the field doesn't exist.",
        syntax: "key:key field value",
        reply: ts("0 | 1"),
        ..HASH
    },
    Command {
        name: "hstrlen",
        handler: Some(hstrlen),
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: LENGTH,
        since: "3.2.0",
        complexity: "O(1)",
        summary: "Returns the length of the value of a field.",
        syntax: "key:key field",
        reply: ts("number"),
        ..HASH
    },
    Command {
        name: "hvals",
        handler: Some(hvals),
        summary: "Returns all values in a hash.",
        reply: ts("string[]"),
        ..ALL
    },
];

fn bulk(item: Item<'_>, out: &mut Writer<'_>) {
    item.with_bytes(|bytes| out.bulk(bytes));
}

pub(super) fn bulk_or_null(item: Option<Item<'_>>, out: &mut Writer<'_>) {
    match item {
        Some(item) => bulk(item, out),
        None => out.null(),
    }
}

/// The hash at `key` has changed: tells those who watch it, and publishes the event.
pub(super) fn modified(c: &mut Ctx<'_>, event: &str, key: &[u8]) {
    c.db().note_field_expiry(key);
    c.modified(class::HASH, event, key);
}

fn hset(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let created = set_pairs(c, args, "hset")?;
    out.count(created);
    Ok(())
}

fn hmset(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    set_pairs(c, args, "hmset")?;
    out.ok();
    Ok(())
}

/// Sets fields, which then do not expire any more; answers how many are new.
fn set_pairs(c: &mut Ctx<'_>, args: &mut Args<'_>, name: &str) -> Result<usize, Error> {
    let key = args.take()?;
    let (pairs, []) = args.rest().as_chunks::<2>() else {
        return Err(Error::new(format!("ERR wrong number of arguments for '{name}' command")));
    };
    let limits = c.limits();
    let hash = c.get_or_create::<Hash>(key)?;
    let mut created = 0;
    for [field, value] in pairs {
        created += usize::from(hash.set(field, value, limits));
        hash.set_expiry(field, None);
    }
    modified(c, "hset", key);
    c.changed();
    Ok(created)
}

fn hsetnx(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, field, value) = (args.take()?, args.take()?, args.take()?);
    let limits = c.limits();
    if c.get_mut::<Hash>(key)?.is_some_and(|hash| hash.contains(field)) {
        out.integer(0);
        return Ok(());
    }
    c.get_or_create::<Hash>(key)?.set(field, value, limits);
    modified(c, "hset", key);
    c.changed();
    out.integer(1);
    Ok(())
}

fn hget(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, field) = (args.take()?, args.take()?);
    let value = c.read_as::<Hash>(key)?.and_then(|hash| hash.get(field));
    bulk_or_null(value, out);
    Ok(())
}

fn hmget(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let hash = c.read_as::<Hash>(args.take()?)?;
    out.array(args.len());
    for field in args {
        bulk_or_null(hash.and_then(|hash| hash.get(field)), out);
    }
    Ok(())
}

fn hexists(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, field) = (args.take()?, args.take()?);
    let found = c.read_as::<Hash>(key)?.is_some_and(|hash| hash.contains(field));
    out.integer(i64::from(found));
    Ok(())
}

fn hlen(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.count(c.read_as::<Hash>(args.take()?)?.map_or(0, Hash::len));
    Ok(())
}

fn hstrlen(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, field) = (args.take()?, args.take()?);
    let value = c.read_as::<Hash>(key)?.and_then(|hash| hash.get(field));
    out.count(value.map_or(0, Item::len));
    Ok(())
}

fn hgetall(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let hash = c.read_as::<Hash>(args.take()?)?;
    out.map(hash.map_or(0, Hash::len));
    if let Some(hash) = hash {
        hash.visit(|field, value| {
            bulk(field, out);
            bulk(value, out);
        });
    }
    Ok(())
}

fn hkeys(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let hash = c.read_as::<Hash>(args.take()?)?;
    out.array(hash.map_or(0, Hash::len));
    if let Some(hash) = hash {
        hash.visit(|field, _| bulk(field, out));
    }
    Ok(())
}

fn hvals(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let hash = c.read_as::<Hash>(args.take()?)?;
    out.array(hash.map_or(0, Hash::len));
    if let Some(hash) = hash {
        hash.visit(|_, value| bulk(value, out));
    }
    Ok(())
}

fn hdel(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let fields = args.rest();
    let removed = match c.get_mut::<Hash>(key)? {
        Some(hash) => fields.iter().filter(|field| hash.remove(field)).count(),
        None => 0,
    };
    if removed > 0 {
        modified(c, "hdel", key);
        c.remove_if_empty(key);
        c.changed();
    }
    out.count(removed);
    Ok(())
}

fn hincrby(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, field, by) = (args.take()?, args.take()?, args.take_integer()?);
    let limits = c.limits();
    let old = match c.get_mut::<Hash>(key)?.and_then(|hash| hash.get(field)) {
        Some(Item::Int(value)) => value,
        Some(Item::Bytes(bytes)) => {
            parse_integer(bytes).ok_or(Error::fixed("ERR hash value is not an integer"))?
        }
        None => 0,
    };
    let sum = old.checked_add(by).ok_or(Error::OVERFLOW)?;
    let text = &mut itoa::Buffer::new();
    c.get_or_create::<Hash>(key)?.set(field, text.format(sum).as_bytes(), limits);
    modified(c, "hincrby", key);
    c.changed();
    out.integer(sum);
    Ok(())
}

fn hincrbyfloat(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, field, by) = (args.take()?, args.take()?, args.take()?);
    let by = Extended::parse(by).ok_or(Error::NOT_A_FLOAT)?;
    if by.is_infinite() {
        return Err(Error::fixed("ERR value is NaN or Infinity"));
    }
    let limits = c.limits();
    let hash = c.get_mut::<Hash>(key)?;
    let expires = hash.as_ref().is_some_and(|hash| hash.expiry(field).is_some());
    let old = match hash.and_then(|hash| hash.get(field)) {
        Some(value) => value
            .with_bytes(Extended::parse)
            .ok_or(Error::fixed("ERR hash value is not a float"))?,
        None => Extended::ZERO,
    };
    let sum = old
        .plus(by)
        .filter(|sum| !sum.is_infinite())
        .ok_or(Error::fixed("ERR increment would produce NaN or Infinity"))?;
    let mut text = Vec::new();
    sum.write(&mut text);
    c.get_or_create::<Hash>(key)?.set(field, &text, limits);
    modified(c, "hincrbyfloat", key);
    if expires {
        c.effect(&[b"HSETEX", key, b"KEEPTTL", b"FIELDS", b"1", field, &text]);
    } else {
        c.effect(&[b"HSET", key, field, &text]);
    }
    out.bulk(&text);
    Ok(())
}

/// Redis takes a count of this size for an error when values are asked for as well.
const HALF: i64 = i64::MAX / 2;

fn hrandfield(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    if args.is_empty() {
        c.read_as::<Hash>(key)?;
        let random = c.get_mut_rng::<Hash>(key)?.and_then(|(hash, rng)| hash.random(rng));
        bulk_or_null(random.map(|(field, _)| field), out);
        return Ok(());
    }
    let count = random_count(args)?;
    let with_values = args.accept("WITHVALUES");
    args.finish()?;
    if with_values && !(-HALF..=HALF).contains(&count) {
        return Err(Error::fixed("ERR value is out of range"));
    }
    c.read_as::<Hash>(key)?;
    let Some((hash, rng)) = c.get_mut_rng::<Hash>(key)?.filter(|_| count != 0) else {
        out.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let pairs = out.protocol() == Protocol::Resp3;
    let reply = |number: usize, out: &mut Writer<'_>| {
        let Some((field, value)) = hash.nth(number) else { return };
        if with_values && pairs {
            out.array(2);
        }
        bulk(field, out);
        if with_values {
            bulk(value, out);
        }
    };
    let words = if with_values && !pairs { 2 } else { 1 };
    if count < 0 {
        out.reserve(wanted.saturating_mul(8)).map_err(|_| Error::OUT_OF_MEMORY)?;
        out.array(wanted * words);
        (0..wanted).for_each(|_| reply(rng.below(hash.len()), out));
    } else {
        let numbers = rng.sample(hash.len(), wanted);
        out.array(numbers.len() * words);
        numbers.into_iter().for_each(|number| reply(number, out));
    }
    Ok(())
}

/// The count of a command that answers random elements; negative to allow repetitions.
pub(super) fn random_count(args: &mut Args<'_>) -> Result<i64, Error> {
    let count = args.take_integer()?;
    if count == i64::MIN {
        return Err(Error::fixed(
            "ERR value is out of range, value must between -9223372036854775807 and \
             9223372036854775807",
        ));
    }
    Ok(count)
}

fn hscan(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let cursor = take_cursor(args)?;
    let Some(hash) = c.read_as::<Hash>(key)? else {
        reply_cursor(0, out);
        out.array(0);
        return Ok(());
    };
    let options = ScanOptions::parse(args, Scanned::Fields)?;
    let mut found = Vec::new();
    let cursor = scan_buckets(cursor, options.count, |cursor| {
        let mut visited = 0;
        let next = hash.scan(cursor, |field, value| {
            visited += 1;
            if field.with_bytes(|field| options.matches(field)) {
                found.push((field, value));
            }
        });
        (next, visited)
    });
    reply_cursor(cursor, out);
    out.array(found.len() * if options.no_values { 1 } else { 2 });
    for (field, value) in found {
        bulk(field, out);
        if !options.no_values {
            bulk(value, out);
        }
    }
    Ok(())
}
