//! Group *hyperloglog*.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, acl, flag, key, ts};
use crate::engine::types::StringValue;
use crate::engine::types::hyperloglog::{HllError, HyperLogLog, cardinality};
use crate::resp::Writer;

const HLL: Command = Command { group: Group::Hyperloglog, ..Command::BASE };

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "pfadd",
        handler: Some(pfadd),
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::INSERT)],
        since: "2.8.9",
        complexity: "O(1) to add every element.",
        summary: "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
        syntax: "key:key [element...]",
        reply: ts("0 | 1"),
        ..HLL
    },
    Command {
        name: "pfcount",
        handler: Some(pfcount),
        arity: -2,
        flags: flag::READONLY | flag::MAY_REPLICATE,
        keys: &[KeySpec::from(1, -1, 1, key::RW | key::ACCESS)],
        since: "2.8.9",
        complexity: "O(1) with a very small average constant time when called with a single key. \
            O(N) with N being the number of keys, and much bigger constant times, when called with \
            multiple keys.",
        summary: "Returns the approximated cardinality of the set(s) observed by the HyperLogLog \
            key(s).",
        syntax: "key:key...",
        reply: ts("number"),
        ..HLL
    },
    Command {
        name: "pfdebug",
        handler: Some(pfdebug),
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM | flag::ADMIN,
        keys: &[KeySpec::at(2, key::RW | key::ACCESS)],
        since: "2.8.9",
        complexity: "N/A",
        summary: "Internal commands for debugging HyperLogLog values.",
        syntax: "subcommand key:key",
        reply: ts("Reply"),
        ..HLL
    },
    Command {
        name: "pfmerge",
        handler: Some(pfmerge),
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::at(1, key::RW | key::ACCESS | key::INSERT),
            KeySpec::from(2, -1, 1, key::RO | key::ACCESS),
        ],
        since: "2.8.9",
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        summary: "Merges one or more HyperLogLog values into a single key.",
        syntax: "destkey:key [sourcekey:key...]",
        reply: ts("\"OK\""),
        ..HLL
    },
    Command {
        name: "pfselftest",
        handler: Some(pfselftest),
        arity: 1,
        flags: flag::ADMIN,
        acl: acl::ADMIN,
        since: "2.8.9",
        complexity: "N/A",
        summary: "An internal command for testing HyperLogLog values.",
        syntax: "",
        reply: ts("\"OK\""),
        ..HLL
    },
];

fn error_of(error: HllError) -> Error {
    match error {
        HllError::Invalid => Error::fixed("WRONGTYPE Key is not a valid HyperLogLog string value."),
        HllError::Corrupt => Error::fixed("INVALIDOBJ Corrupted HLL object detected"),
    }
}

/// The HyperLogLog at `key`, which is to change.
fn get(c: &mut Ctx<'_>, key: &[u8]) -> Result<Option<HyperLogLog>, Error> {
    let Some(string) = c.string_mut(key)? else { return Ok(None) };
    HyperLogLog::from_bytes(string.bytes().into_owned()).map(Some).map_err(error_of)
}

/// The HyperLogLog at `key`, counted as a hit or miss.
fn read(c: &mut Ctx<'_>, key: &[u8]) -> Result<Option<HyperLogLog>, Error> {
    let Some(string) = c.read_string(key)? else { return Ok(None) };
    HyperLogLog::from_bytes(string.bytes().into_owned()).map(Some).map_err(error_of)
}

/// Puts a HyperLogLog in the place of the string at `key`, whose expiry time stays.
fn write(c: &mut Ctx<'_>, key: &[u8], hll: &HyperLogLog) -> Result<(), Error> {
    let value = StringValue::padded(0, hll.as_bytes()).map_err(|_| Error::OUT_OF_MEMORY)?;
    match c.string_mut(key)? {
        Some(string) => *string = value,
        None => c.set(key, value, None),
    }
    Ok(())
}

fn pfadd(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let sparse_max = c.limits().hll_sparse_max_bytes;
    let existing = get(c, key)?;
    let mut changed = existing.is_none();
    let mut hll = existing.unwrap_or_default();
    for element in args {
        changed |= hll.add(element, sparse_max).map_err(error_of)?;
    }
    if changed {
        hll.invalidate();
        write(c, key, &hll)?;
        c.modified(class::STRING, "pfadd", key);
        c.changed();
    }
    out.integer(i64::from(changed));
    Ok(())
}

fn pfcount(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let keys = args.rest();
    let [key] = keys else {
        let registers = merged(c, keys)?;
        out.count(usize::try_from(cardinality(&registers)).unwrap_or(usize::MAX));
        return Ok(());
    };
    let Some(mut hll) = read(c, key)? else {
        out.integer(0);
        return Ok(());
    };
    let counted = match hll.cached() {
        Some(counted) => counted,
        None => {
            let counted = cardinality(&hll.registers().map_err(error_of)?);
            // What a leader counts comes as its effect.
            if !c.engine.is_follower() {
                hll.set_cached(counted);
                write(c, key, &hll)?;
                c.db().touch(key);
                // Upstream may have more elements by then.
                c.effect_alone(&[b"SETRANGE", key, b"8", &counted.to_le_bytes()]);
            }
            counted
        }
    };
    out.integer(i64::try_from(counted).unwrap_or(i64::MAX));
    Ok(())
}

/// The highest of each register.
fn merged(c: &mut Ctx<'_>, keys: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let mut highest = HyperLogLog::new().registers().map_err(error_of)?;
    for key in keys {
        if let Some(hll) = read(c, key)? {
            raise(&mut highest, &hll)?;
        }
    }
    Ok(highest)
}

fn raise(highest: &mut [u8], hll: &HyperLogLog) -> Result<(), Error> {
    let registers = hll.registers().map_err(error_of)?;
    for (highest, value) in highest.iter_mut().zip(registers) {
        *highest = value.max(*highest);
    }
    Ok(())
}

fn pfmerge(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let keys = args.rest();
    let Some(destination) = keys.first() else { return Err(Error::SYNTAX) };
    let sparse_max = c.limits().hll_sparse_max_bytes;
    let mut highest = HyperLogLog::new().registers().map_err(error_of)?;
    let mut dense = false;
    for key in keys {
        // Key by key, so that the first one that is wrong makes the error.
        let Some(hll) = read(c, key)? else { continue };
        raise(&mut highest, &hll)?;
        dense |= hll.encoding() == "dense";
    }
    let mut hll = get(c, destination)?.unwrap_or_default();
    if dense {
        hll.make_dense().map_err(error_of)?;
    }
    for (index, value) in highest.into_iter().enumerate().filter(|(_, value)| *value > 0) {
        hll.raise(index, value, sparse_max).map_err(error_of)?;
    }
    hll.invalidate();
    write(c, destination, &hll)?;
    c.modified(class::STRING, "pfadd", destination);
    c.changed();
    out.ok();
    Ok(())
}

fn pfdebug(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (subcommand, key) = (args.take()?, args.take()?);
    let Some(mut hll) = get(c, key)? else {
        return Err(Error::fixed("ERR The specified key does not exist"));
    };
    match subcommand.to_ascii_lowercase().as_slice() {
        b"getreg" => {
            let converted = hll.encoding() == "sparse";
            hll.make_dense().map_err(error_of)?;
            let registers = hll.registers().map_err(error_of)?;
            if converted {
                write(c, key, &hll)?;
                c.db().touch(key);
                c.changed();
            }
            out.array(registers.len());
            registers.iter().for_each(|value| out.integer(i64::from(*value)));
        }
        b"encoding" => out.simple(hll.encoding()),
        b"todense" => {
            let converted = hll.encoding() == "sparse";
            hll.make_dense().map_err(error_of)?;
            if converted {
                write(c, key, &hll)?;
                c.db().touch(key);
                c.changed();
            }
            out.integer(i64::from(converted));
        }
        b"decode" => {
            if hll.encoding() == "dense" {
                return Err(Error::fixed("ERR HLL encoding is not sparse"));
            }
            out.bulk(hll.decode().map_err(error_of)?.as_bytes());
        }
        _ => {
            let parts: [&[u8]; 3] = [b"ERR Unknown PFDEBUG subcommand '", subcommand, b"'"];
            return Err(Error::new(parts.concat()));
        }
    }
    Ok(())
}

/// Counts known elements in both encodings.
fn pfselftest(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let failed = || Error::fixed("ERR TESTFAILED the count is off by more than its error");
    let mut hll = HyperLogLog::new();
    for number in 0..10_000u64 {
        hll.add(&number.to_le_bytes(), 3000).map_err(error_of)?;
        if (number + 1).is_multiple_of(2000) {
            let counted = cardinality(&hll.registers().map_err(error_of)?);
            if counted.abs_diff(number + 1) * 20 > number + 1 {
                return Err(failed());
            }
        }
    }
    out.ok();
    Ok(())
}
