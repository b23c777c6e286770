//! Group *set*: members.

use super::hash::random_count;
use super::scan::{ScanOptions, Scanned, reply_cursor, scan_buckets, take_cursor};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::{Item, Set};
use crate::resp::Writer;

pub(super) const SET: Command = Command { group: Group::Set, ..Command::BASE };

const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];
const LOOK: &[KeySpec] = &[KeySpec::at(1, key::RO)];
const REMOVE: &[KeySpec] = &[KeySpec::at(1, key::RW | key::DELETE)];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        handler: Some(sadd),
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::INSERT)],
        since: "1.0.0",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
            called with multiple arguments.",
        summary: "Adds one or more members to a set. Creates the key if it doesn't exist.",
        syntax: "key:key member...",
        reply: ts("number"),
        ..SET
    },
    Command {
        name: "scard",
        handler: Some(scard),
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: LOOK,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the number of members in a set.",
        syntax: "key:key",
        reply: ts("number"),
        ..SET
    },
    Command {
        name: "sismember",
        handler: Some(sismember),
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: LOOK,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Determines whether a member belongs to a set.",
        syntax: "key:key member",
        reply: ts("0 | 1"),
        ..SET
    },
    Command {
        name: "smembers",
        handler: Some(smembers),
        arity: 2,
        flags: flag::READONLY,
        keys: READ,
        since: "1.0.0",
        complexity: "O(N) where N is the set cardinality.",
        summary: "Returns all members of a set.",
        syntax: "key:key",
        reply: ts("string[]"),
        tips: &["nondeterministic_output_order"],
        ..SET
    },
    Command {
        name: "smismember",
        handler: Some(smismember),
        arity: -3,
        flags: flag::READONLY | flag::FAST,
        keys: READ,
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements being checked for membership",
        summary: "Determines whether multiple members belong to a set.",
        syntax: "key:key member...",
        reply: ts("(0 | 1)[]"),
        ..SET
    },
    Command {
        name: "smove",
        handler: Some(smove),
        arity: 4,
        flags: flag::WRITE | flag::FAST,
        keys: &[
            KeySpec::at(1, key::RW | key::ACCESS | key::DELETE),
            KeySpec::at(2, key::RW | key::INSERT),
        ],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Moves a member from one set to another.",
        syntax: "source:key destination:key member",
        reply: ts("0 | 1"),
        ..SET
    },
    Command {
        name: "spop",
        handler: Some(spop),
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::DELETE)],
        since: "1.0.0",
        complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the \
            passed count.",
        summary: "Returns one or more random members from a set after removing them. Deletes the \
            set if the last member was popped.",
        syntax: "key:key [count:integer]",
        reply: ts("string | null // string[]"),
        tips: &["nondeterministic_output"],
        ..SET
    },
    Command {
        name: "srandmember",
        handler: Some(srandmember),
        arity: -2,
        flags: flag::READONLY,
        keys: READ,
        since: "1.0.0",
        complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value \
            of the passed count.",
        summary: "Get one or multiple random members from a set.",
        syntax: "key:key [count:integer]",
        reply: ts("string | null // string[]"),
        tips: &["nondeterministic_output"],
        ..SET
    },
    Command {
        name: "srem",
        handler: Some(srem),
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: REMOVE,
        since: "1.0.0",
        complexity: "O(N) where N is the number of members to be removed.",
        summary: "Removes one or more members from a set. Deletes the set if the last member was \
            removed.",
        syntax: "key:key member...",
        reply: ts("number"),
        ..SET
    },
    Command {
        name: "sscan",
        handler: Some(sscan),
        arity: -3,
        flags: flag::READONLY,
        keys: READ,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
            calls for the cursor to return back to 0. N is the number of elements inside the \
            collection.",
        summary: "Iterates over members of a set.",
        syntax: "key:key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
        reply: ts("[cursor: string, members: string[]]"),
        tips: &["nondeterministic_output"],
        ..SET
    },
];

pub(super) fn bulk(item: Item<'_>, out: &mut Writer<'_>) {
    item.with_bytes(|bytes| out.bulk(bytes));
}

fn sadd(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let limits = c.limits();
    let set = c.get_or_create::<Set>(key)?;
    set.prepare(args.peek().unwrap_or_default(), args.len(), limits);
    let added = args.filter(|member| set.add(member, limits)).count();
    if added > 0 {
        c.modified(class::SET, "sadd", key);
        c.changed();
    }
    out.count(added);
    Ok(())
}

fn srem(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let removed = match c.get_mut::<Set>(key)? {
        Some(set) => args.filter(|member| set.remove(member)).count(),
        None => 0,
    };
    if removed > 0 {
        c.modified(class::SET, "srem", key);
        c.remove_if_empty(key);
        c.changed();
    }
    out.count(removed);
    Ok(())
}

fn smove(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (source, destination, member) = (args.take()?, args.take()?, args.take()?);
    let limits = c.limits();
    [source, destination].into_iter().for_each(|key| _ = c.locate(key));
    if c.get_mut::<Set>(source)?.is_none() {
        out.integer(0);
        return Ok(());
    }
    c.get_mut::<Set>(destination)?;
    let Some(set) = c.get_mut::<Set>(source)? else { return Ok(()) };
    let moved = if source == destination { set.contains(member) } else { set.remove(member) };
    out.integer(i64::from(moved));
    if !moved || source == destination {
        return Ok(());
    }
    c.modified(class::SET, "srem", source);
    c.remove_if_empty(source);
    let set = c.get_or_create::<Set>(destination)?;
    set.prepare(member, 1, limits);
    if set.add(member, limits) {
        c.modified(class::SET, "sadd", destination);
    }
    c.changed();
    Ok(())
}

fn scard(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.count(c.read_as::<Set>(args.take()?)?.map_or(0, Set::len));
    Ok(())
}

fn sismember(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, member) = (args.take()?, args.take()?);
    let found = c.read_as::<Set>(key)?.is_some_and(|set| set.contains(member));
    out.integer(i64::from(found));
    Ok(())
}

fn smismember(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let set = c.read_as::<Set>(args.take()?)?;
    out.array(args.len());
    for member in args {
        out.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

fn smembers(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let set = c.read_as::<Set>(args.take()?)?;
    out.set(set.map_or(0, Set::len));
    if let Some(set) = set {
        set.visit(|member| {
            bulk(member, out);
            true
        });
    }
    Ok(())
}

fn spop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    if !args.is_empty() {
        return spop_many(c, key, args, out);
    }
    let Some((set, rng)) = c.get_mut_rng::<Set>(key)? else {
        out.null();
        return Ok(());
    };
    let member = set.random(rng).map(Item::to_vec).unwrap_or_default();
    set.remove(&member);
    out.bulk(&member);
    c.modified(class::SET, "spop", key);
    c.remove_if_empty(key);
    c.effect(&[b"SREM", key, &member]);
    Ok(())
}

fn spop_many(
    c: &mut Ctx<'_>,
    key: &[u8],
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    if args.len() > 1 {
        return Err(Error::SYNTAX);
    }
    let (count, limits) = (args.take_count()?, c.limits());
    let Some((set, rng)) = c.get_mut_rng::<Set>(key)?.filter(|_| count > 0) else {
        out.set(0);
        return Ok(());
    };
    if count >= set.len() {
        out.set(set.len());
        set.visit(|member| {
            bulk(member, out);
            true
        });
        c.discard(key, c.engine.config.lazyfree.server_del);
        c.notify(class::SET, "spop", key);
        c.notify(class::GENERIC, "del", key);
        c.effect(&[b"DEL", key]);
        return Ok(());
    }
    out.set(count);
    let mut popped: Vec<Vec<u8>> = Vec::new();
    for _ in 0..count {
        let member = set.random(rng).map(Item::to_vec).unwrap_or_default();
        set.remove(&member);
        out.bulk(&member);
        popped.push(member);
    }
    // There Redis makes a new set of what is left, instead of taking the others out of the old one.
    if set.len().saturating_mul(5) <= count {
        set.shrink(limits);
    }
    c.modified(class::SET, "spop", key);
    let mut effect: Vec<&[u8]> = vec![b"SREM", key];
    effect.extend(popped.iter().map(Vec::as_slice));
    c.effect(&effect);
    Ok(())
}

fn srandmember(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    if args.is_empty() {
        c.read_as::<Set>(key)?;
        match c.get_mut_rng::<Set>(key)?.and_then(|(set, rng)| set.random(rng)) {
            Some(member) => bulk(member, out),
            None => out.null(),
        }
        return Ok(());
    }
    if args.len() > 1 {
        return Err(Error::SYNTAX);
    }
    let count = random_count(args)?;
    c.read_as::<Set>(key)?;
    let Some((set, rng)) = c.get_mut_rng::<Set>(key)?.filter(|_| count != 0) else {
        out.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let numbers = if count > 0 {
        rng.sample(set.len(), wanted)
    } else {
        out.reserve(wanted.saturating_mul(8)).map_err(|_| Error::OUT_OF_MEMORY)?;
        out.array(wanted);
        for _ in 0..wanted {
            set.random(rng).into_iter().for_each(|member| bulk(member, out));
        }
        return Ok(());
    };
    out.array(numbers.len());
    numbers.into_iter().filter_map(|number| set.nth(number)).for_each(|member| bulk(member, out));
    Ok(())
}

fn sscan(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let cursor = take_cursor(args)?;
    let Some(set) = c.read_as::<Set>(key)? else {
        reply_cursor(0, out);
        out.array(0);
        return Ok(());
    };
    let options = ScanOptions::parse(args, Scanned::Members)?;
    let mut found = Vec::new();
    let cursor = scan_buckets(cursor, options.count, |cursor| {
        let mut visited = 0;
        let next = set.scan(cursor, |member| {
            visited += 1;
            if member.with_bytes(|member| options.matches(member)) {
                found.push(member);
            }
        });
        (next, visited)
    });
    reply_cursor(cursor, out);
    out.array(found.len());
    found.into_iter().for_each(|member| bulk(member, out));
    Ok(())
}
