//! Group *bitmap*: single bits, counts, and combinations.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::StringValue;
use crate::engine::types::bits::{self, Operation};
use crate::number::parse_integer;
use crate::resp::Writer;

pub(super) const BITMAP: Command = Command { group: Group::Bitmap, ..Command::BASE };

const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "bitcount",
        handler: Some(bitcount),
        arity: -2,
        flags: flag::READONLY,
        keys: READ,
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Counts the number of set bits (population counting) in a string.",
        syntax: "key:key [range{start:integer end:integer [unit(BYTE | BIT)]}]",
        reply: ts("number"),
        ..BITMAP
    },
    Command {
        name: "bitop",
        handler: Some(bitop),
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[
            KeySpec::at(2, key::OW | key::UPDATE),
            KeySpec::from(3, -1, 1, key::RO | key::ACCESS),
        ],
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Performs bitwise operations on multiple strings, and stores the result.",
        syntax: "operation(AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE) destkey:key key:key...",
        reply: ts("number"),
        ..BITMAP
    },
    Command {
        name: "bitpos",
        handler: Some(bitpos),
        arity: -3,
        flags: flag::READONLY,
        keys: READ,
        since: "2.8.7",
        complexity: "O(N)",
        summary: "Finds the first set (1) or clear (0) bit in a string.",
        syntax: "key:key bit:integer [range{start:integer \
            [end-unit-block{end:integer [unit(BYTE | BIT)]}]}]",
        reply: ts("number"),
        ..BITMAP
    },
    Command {
        name: "getbit",
        handler: Some(getbit),
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: READ,
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Returns a bit value by offset.",
        syntax: "key:key offset:integer",
        reply: ts("0 | 1"),
        ..BITMAP
    },
    Command {
        name: "setbit",
        handler: Some(setbit),
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE)],
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Sets or clears the bit at offset of the string value. Creates the key if it \
            doesn't exist.",
        syntax: "key:key offset:integer value:integer",
        reply: ts("0 | 1"),
        ..BITMAP
    },
];

/// Reads an offset in bits. `width` is set for offsets in integers of that many bits, after `#`.
pub(super) fn bit_offset(c: &Ctx<'_>, word: &[u8], width: Option<u32>) -> Result<usize, Error> {
    let error = Error::fixed("ERR bit offset is not an integer or out of range");
    let (digits, factor) = match (word, width) {
        ([b'#', rest @ ..], Some(width)) => (rest, u64::from(width)),
        _ => (word, 1),
    };
    let offset = parse_integer(digits).and_then(|offset| u64::try_from(offset).ok());
    let offset = offset.and_then(|offset| offset.checked_mul(factor)).ok_or(error.clone())?;
    let max = c.engine.config.proto_max_bulk_len as u64;
    usize::try_from(offset).ok().filter(|_| offset >> 3 < max).ok_or(error)
}

/// The string at `key`, at least `len` bytes long; whether it was made or grew.
pub(super) fn string_of<'a>(
    c: &'a mut Ctx<'_>,
    key: &[u8],
    len: usize,
) -> Result<(&'a mut StringValue, bool), Error> {
    let created = c.string_mut(key)?.is_none();
    if created {
        let string = StringValue::padded(len, b"").map_err(|_| Error::OUT_OF_MEMORY)?;
        c.set(key, string, None);
    }
    let Some(string) = c.string_mut(key)? else { return Err(Error::OUT_OF_MEMORY) };
    let grown = string.grow(len).map_err(|_| Error::OUT_OF_MEMORY)?;
    Ok((string, created || grown))
}

fn setbit(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, offset, value) = (args.take()?, args.take()?, args.take()?);
    let offset = bit_offset(c, offset, None)?;
    let on = match parse_integer(value) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(Error::fixed("ERR bit is not an integer or out of range")),
    };
    let (string, grown) = string_of(c, key, offset / 8 + 1)?;
    let old = string.with_bytes(|bytes| bits::bit(bytes, offset));
    if old != on {
        bits::set(string.bytes_mut(), offset, 1, u64::from(on));
    }
    out.integer(i64::from(old));
    if grown || old != on {
        c.modified(class::STRING, "setbit", key);
        c.changed();
    }
    Ok(())
}

fn getbit(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, offset) = (args.take()?, args.take()?);
    let offset = bit_offset(c, offset, None)?;
    let string = c.read_string(key)?;
    let on = string.is_some_and(|string| string.with_bytes(|bytes| bits::bit(bytes, offset)));
    out.integer(i64::from(on));
    Ok(())
}

/// A range in bytes or bits, as given.
struct Range {
    start: i64,
    end: i64,
    in_bits: bool,
}

impl Range {
    fn take_unit(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        if args.is_empty() {
            return Ok(());
        }
        self.in_bits = args.accept("BIT");
        if !self.in_bits && !args.accept("BYTE") {
            return Err(Error::SYNTAX);
        }
        args.finish()
    }

    /// The bits from and to before, in a string of `len` bytes; `None` if there are none.
    fn bits(&self, len: usize) -> Option<(usize, usize)> {
        let total = (if self.in_bits { len * 8 } else { len }) as i64;
        let from_end =
            |index: i64| if index < 0 { (index.saturating_add(total)).max(0) } else { index };
        let (start, end) = (from_end(self.start), from_end(self.end).min(total - 1));
        if start > end {
            return None;
        }
        let factor = if self.in_bits { 1 } else { 8 };
        Some((start as usize * factor, (end as usize + 1) * factor))
    }
}

fn bitcount(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let mut range = Range { start: 0, end: -1, in_bits: false };
    if !args.is_empty() {
        range.start = args.take_integer()?;
        range.end = args
            .next()
            .map_or(Err(Error::SYNTAX), |word| parse_integer(word).ok_or(Error::NOT_AN_INTEGER))?;
        range.take_unit(args)?;
    }
    // Two indexes from the end in the wrong order; BITPOS takes both for the first byte if they
    // are before it.
    let reversed = range.end < 0 && range.start < 0 && range.start > range.end;
    let count = c.read_string(key)?.filter(|_| !reversed).map_or(0, |string| {
        string.with_bytes(|bytes| {
            range.bits(bytes.len()).map_or(0, |(start, end)| bits::count_range(bytes, start, end))
        })
    });
    out.count(count);
    Ok(())
}

fn bitpos(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let wanted = match args.take_integer()? {
        0 => false,
        1 => true,
        _ => return Err(Error::fixed("ERR The bit argument must be 1 or 0.")),
    };
    let mut range = Range { start: 0, end: -1, in_bits: false };
    if !args.is_empty() {
        range.start = args.take_integer()?;
    }
    let end_given = !args.is_empty();
    if end_given {
        range.end = args.take_integer()?;
        range.take_unit(args)?;
    }
    let Some(string) = c.read_string(key)? else {
        out.integer(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let found = string.with_bytes(|bytes| {
        let (start, end) = range.bits(bytes.len())?;
        // After the end of a string there are zeros, unless an end was given.
        let beyond = (!wanted && !end_given).then_some(bytes.len() * 8);
        bits::position(bytes, wanted, start, end).or(beyond)
    });
    match found {
        Some(position) => out.count(position),
        None => out.integer(-1),
    }
    Ok(())
}

const OPERATIONS: [(&str, Operation, usize); 8] = [
    ("AND", Operation::And, 1),
    ("OR", Operation::Or, 1),
    ("XOR", Operation::Xor, 1),
    ("NOT", Operation::Not, 1),
    ("DIFF", Operation::Diff, 2),
    ("DIFF1", Operation::Diff1, 2),
    ("ANDOR", Operation::AndOr, 2),
    ("ONE", Operation::One, 1),
];

fn bitop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let operation = OPERATIONS.iter().find(|(name, ..)| args.accept(name));
    let &(name, operation, least) = operation.ok_or(Error::SYNTAX)?;
    let (destination, sources) = (args.take()?, args.rest());
    if operation == Operation::Not && sources.len() != 1 {
        return Err(Error::fixed("ERR BITOP NOT must be called with a single source key."));
    }
    if sources.len() < least {
        return Err(Error::new(format!(
            "ERR BITOP {name} must be called with at least two source keys."
        )));
    }
    let mut strings: Vec<Vec<u8>> = Vec::with_capacity(sources.len());
    for source in sources {
        let string = c.read_string(source)?;
        strings.push(string.map(|string| string.bytes().into_owned()).unwrap_or_default());
    }
    let strings: Vec<&[u8]> = strings.iter().map(Vec::as_slice).collect();
    let result = bits::combine(operation, &strings).ok_or(Error::OUT_OF_MEMORY)?;
    out.count(result.len());
    let string = match result.as_slice() {
        [] => None,
        bytes => Some(StringValue::padded(0, bytes).map_err(|_| Error::OUT_OF_MEMORY)?),
    };
    if c.store(destination, string, class::STRING, "set") {
        c.changed();
    }
    Ok(())
}
