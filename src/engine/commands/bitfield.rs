//! Group *bitmap*: integers of any width inside strings.

use super::bitmap::{BITMAP, bit_offset, string_of};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, KeySpec, flag, key, ts};
use crate::engine::types::bits;
use crate::number::parse_integer;
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "bitfield",
        handler: Some(bitfield),
        arity: -2,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE | key::VARIABLE_FLAGS)],
        since: "3.2.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Performs arbitrary bitfield integer operations on strings.",
        syntax: "key:key [operation(GET get-block{encoding offset:integer} | \
            write{[OVERFLOW overflow-block(WRAP | SAT | FAIL)] \
            write-operation(SET set-block{encoding offset:integer value:integer} | \
            INCRBY incrby-block{encoding offset:integer increment:integer})})]...",
        reply: ts("(number | bigint | null)[]"),
        ..BITMAP
    },
    Command {
        name: "bitfield_ro",
        handler: Some(bitfield_ro),
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::at(1, key::RO | key::ACCESS)],
        since: "6.0.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Performs arbitrary read-only bitfield integer operations on strings.",
        syntax: "key:key [GET get-block{encoding offset:integer}]....",
        reply: ts("(number | bigint)[]"),
        ..BITMAP
    },
];

/// An integer's type: `i8`, `u63`.
#[derive(Clone, Copy)]
struct Encoding {
    signed: bool,
    width: u32,
}

impl Encoding {
    fn parse(word: &[u8]) -> Result<Self, Error> {
        let error = Error::fixed(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported \
             but i64 is.",
        );
        let (signed, digits) = match word {
            [b'i', digits @ ..] => (true, digits),
            [b'u', digits @ ..] => (false, digits),
            _ => return Err(error),
        };
        let most = if signed { 64 } else { 63 };
        let width = parse_integer(digits).filter(|width| (1..=most).contains(width));
        width.map(|width| Self { signed, width: width as u32 }).ok_or(error)
    }

    fn get(self, bytes: &[u8], offset: usize) -> i64 {
        let value = bits::get(bytes, offset, self.width);
        if self.signed {
            // The highest bit becomes the sign.
            let shift = 64 - self.width;
            ((value << shift) as i64) >> shift
        } else {
            value as i64
        }
    }

    fn range(self) -> (i128, i128) {
        if self.signed {
            let half = 1i128 << (self.width - 1);
            (-half, half - 1)
        } else {
            (0, (1i128 << self.width) - 1)
        }
    }

    /// A signed value that is to be set. As in Redis, where the distance to the highest one is an
    /// integer of 64 bits that overflows, the lowest ones saturate at the top.
    fn saturated(self, value: i64, overflow: Overflow) -> i128 {
        let value = i128::from(value);
        let (_, max) = self.range();
        let overflows = self.width < 64 && max - value > i128::from(i64::MAX);
        if overflow == Overflow::Saturate && overflows { max } else { value }
    }

    /// What a result comes to that may not fit; `None` if it is refused.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = self.range();
        if (min..=max).contains(&value) {
            return i64::try_from(value).ok();
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => i64::try_from(if value < min { min } else { max }).ok(),
            Overflow::Wrap => {
                let wrapped = (value - min).rem_euclid(max - min + 1) + min;
                i64::try_from(wrapped).ok()
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

struct Operation {
    encoding: Encoding,
    offset: usize,
    action: Action,
    overflow: Overflow,
}

fn parse(c: &Ctx<'_>, args: &mut Args<'_>, read_only: bool) -> Result<Vec<Operation>, Error> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    while !args.is_empty() {
        if args.len() >= 2 && args.accept("OVERFLOW") {
            overflow = if args.accept("WRAP") {
                Overflow::Wrap
            } else if args.accept("SAT") {
                Overflow::Saturate
            } else if args.accept("FAIL") {
                Overflow::Fail
            } else {
                return Err(Error::fixed("ERR Invalid OVERFLOW type specified"));
            };
            continue;
        }
        let name = if args.len() >= 3 && args.accept("GET") {
            "GET"
        } else if args.len() >= 4 && args.accept("SET") {
            "SET"
        } else if args.len() >= 4 && args.accept("INCRBY") {
            "INCRBY"
        } else {
            return Err(Error::SYNTAX);
        };
        let encoding = Encoding::parse(args.take()?)?;
        let offset = bit_offset(c, args.take()?, Some(encoding.width))?;
        let action = match name {
            "GET" => Action::Get,
            "SET" => Action::Set(args.take_integer()?),
            _ => Action::Increment(args.take_integer()?),
        };
        operations.push(Operation { encoding, offset, action, overflow });
    }
    if read_only && operations.iter().any(|operation| !matches!(operation.action, Action::Get)) {
        return Err(Error::fixed("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    Ok(operations)
}

fn bitfield(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let operations = parse(c, args, false)?;
    run(c, key, &operations, out)
}

fn bitfield_ro(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let operations = parse(c, args, true)?;
    run(c, key, &operations, out)
}

fn run(
    c: &mut Ctx<'_>,
    key: &[u8],
    operations: &[Operation],
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let writes = operations.iter().filter(|operation| !matches!(operation.action, Action::Get));
    let Some(end) = writes.map(|write| write.offset + write.encoding.width as usize).max() else {
        let string = c.read_string(key)?;
        out.array(operations.len());
        for Operation { encoding, offset, .. } in operations {
            let value = string.map(|string| string.with_bytes(|b| encoding.get(b, *offset)));
            out.integer(value.unwrap_or(0));
        }
        return Ok(());
    };
    let (string, grown) = string_of(c, key, end.div_ceil(8))?;
    let bytes = string.bytes_mut();
    let mut changed = false;
    out.array(operations.len());
    for Operation { encoding, offset, action, overflow } in operations {
        let old = encoding.get(bytes, *offset);
        let wanted = match action {
            Action::Get => {
                out.integer(old);
                continue;
            }
            // What is set has the range of the type too.
            Action::Set(value) if encoding.signed => encoding.saturated(*value, *overflow),
            Action::Set(value) => i128::from(*value as u64),
            Action::Increment(by) => i128::from(old) + i128::from(*by),
        };
        let Some(new) = encoding.fit(wanted, *overflow) else {
            out.null();
            continue;
        };
        bits::set(bytes, *offset, encoding.width, new as u64);
        out.integer(if matches!(action, Action::Set(_)) { old } else { new });
        changed |= grown || old != new;
    }
    if changed {
        c.modified(class::STRING, "setbit", key);
    } else if grown {
        c.db().touch(key);
    }
    if changed || grown {
        c.changed();
    }
    Ok(())
}
