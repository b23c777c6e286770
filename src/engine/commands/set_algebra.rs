//! Group *set*: intersection, union and difference.

use super::set::{SET, bulk};
use crate::collections::sort_by;
use crate::engine::args::Args;
use crate::engine::config::Limits;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Begin, Command, Find, KeySpec, flag, key, ts};
use crate::engine::types::{Item, Set};
use crate::resp::Writer;

const SOURCES: &[KeySpec] = &[KeySpec::from(1, -1, 1, key::RO | key::ACCESS)];
const STORE: &[KeySpec] =
    &[KeySpec::at(1, key::OW | key::UPDATE), KeySpec::from(2, -1, 1, key::RO | key::ACCESS)];
const READING: Command = Command {
    arity: -2,
    flags: flag::READONLY | flag::COPIES,
    keys: SOURCES,
    since: "1.0.0",
    syntax: "key:key...",
    reply: ts("string[]"),
    tips: &["nondeterministic_output_order"],
    ..SET
};
const STORING: Command = Command {
    arity: -3,
    flags: flag::WRITE | flag::DENYOOM | flag::COPIES,
    keys: STORE,
    since: "1.0.0",
    syntax: "destination:key key:key...",
    reply: ts("number"),
    ..SET
};
const INTERSECTION: &str = "O(N*M) worst case where N is the cardinality of the smallest set and M \
    is the number of sets.";
const TOTAL: &str = "O(N) where N is the total number of elements in all given sets.";

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "sdiff",
        handler: Some(sdiff),
        complexity: TOTAL,
        summary: "Returns the difference of multiple sets.",
        ..READING
    },
    Command {
        name: "sdiffstore",
        handler: Some(sdiffstore),
        complexity: TOTAL,
        summary: "Stores the difference of multiple sets in a key.",
        ..STORING
    },
    Command {
        name: "sinter",
        handler: Some(sinter),
        complexity: INTERSECTION,
        summary: "Returns the intersect of multiple sets.",
        ..READING
    },
    Command {
        name: "sintercard",
        handler: Some(sintercard),
        arity: -3,
        flags: flag::READONLY | flag::MOVABLEKEYS,
        keys: &[KeySpec {
            flags: key::RO | key::ACCESS,
            begin: Begin::Index(1),
            find: Find::Keynum { index: 0, first: 1, step: 1 },
        }],
        since: "7.0.0",
        complexity: INTERSECTION,
        summary: "Returns the number of members of the intersect of multiple sets.",
        syntax: "numkeys:integer key:key... [LIMIT limit:integer]",
        reply: ts("number"),
        ..SET
    },
    Command {
        name: "sinterstore",
        handler: Some(sinterstore),
        keys: &[
            KeySpec::at(1, key::RW | key::UPDATE),
            KeySpec::from(2, -1, 1, key::RO | key::ACCESS),
        ],
        complexity: INTERSECTION,
        summary: "Stores the intersect of multiple sets in a key.",
        ..STORING
    },
    Command {
        name: "sunion",
        handler: Some(sunion),
        complexity: TOTAL,
        summary: "Returns the union of multiple sets.",
        ..READING
    },
    Command {
        name: "sunionstore",
        handler: Some(sunionstore),
        complexity: TOTAL,
        summary: "Stores the union of multiple sets in a key.",
        ..STORING
    },
];

/// Calls `f` with the members that are in all sets, up to where it answers false.
fn intersect<'a>(sets: &[Option<&'a Set>], mut f: impl FnMut(Item<'a>) -> bool) {
    let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<&Set>>>() else { return };
    sort_by(&mut sets, |one, other| one.len().cmp(&other.len()));
    let Some((smallest, others)) = sets.split_first() else { return };
    smallest.visit(|member| {
        let in_all = member.with_bytes(|word| others.iter().all(|set| set.contains(word)));
        !in_all || f(member)
    });
}

/// A way to make a set of several.
type Operation = fn(&[Option<&Set>], Limits) -> Set;

/// As in Redis, encoded like the smallest set, or as an intset if it can be one.
fn intersection(sets: &[Option<&Set>], limits: Limits) -> Set {
    let smallest = sets.iter().flatten().min_by_key(|set| set.len());
    let mut result = smallest.map_or_else(Set::default, |set| set.empty_like(limits));
    intersect(sets, |member| {
        member.with_bytes(|word| result.add(word, limits));
        true
    });
    result.make_intset(limits);
    result
}

fn union(sets: &[Option<&Set>], limits: Limits) -> Set {
    let mut result = Set::default();
    for set in sets.iter().flatten() {
        set.visit(|member| {
            member.with_bytes(|word| result.add(word, limits));
            true
        });
    }
    result
}

fn difference(sets: &[Option<&Set>], limits: Limits) -> Set {
    let Some((Some(first), others)) = sets.split_first() else { return Set::default() };
    let others: Vec<&Set> = others.iter().copied().flatten().collect();
    // To look every member up in the others, or to take the others' members away: the cheaper.
    let lookups = first.len().saturating_mul(others.len());
    let removals = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if lookups / 2 > removals {
        let mut result = (*first).clone();
        for set in others {
            set.visit(|member| {
                member.with_bytes(|word| result.remove(word));
                true
            });
        }
        return result;
    }
    let mut result = Set::default();
    first.visit(|member| {
        member.with_bytes(|word| {
            if !others.iter().any(|set| set.contains(word)) {
                result.add(word, limits);
            }
        });
        true
    });
    result
}

fn reply(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    operation: Operation,
) -> Result<(), Error> {
    // Nobody sees the encoding, and a table finds members sooner than a listpack.
    let limits = Limits { set_max_listpack_entries: 0, ..c.limits() };
    let result = operation(&c.read_many::<Set>(args.rest())?, limits);
    out.set(result.len());
    result.visit(|member| {
        bulk(member, out);
        true
    });
    Ok(())
}

fn store(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    operation: Operation,
    event: &str,
) -> Result<(), Error> {
    let destination = args.take()?;
    let limits = c.limits();
    let result = operation(&c.read_many::<Set>(args.rest())?, limits);
    out.count(result.len());
    let result = (!result.is_empty()).then_some(result);
    if c.store(destination, result, class::SET, event) {
        c.changed();
    }
    Ok(())
}

fn sinter(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let mut found = Vec::new();
    intersect(&c.read_many::<Set>(args.rest())?, |member| {
        found.push(member);
        true
    });
    out.set(found.len());
    found.into_iter().for_each(|member| bulk(member, out));
    Ok(())
}

fn sunion(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    reply(c, args, out, union)
}

fn sdiff(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    reply(c, args, out, difference)
}

fn sinterstore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    store(c, args, out, intersection, "sinterstore")
}

fn sunionstore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    store(c, args, out, union, "sunionstore")
}

fn sdiffstore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    store(c, args, out, difference, "sdiffstore")
}

/// `numkeys key...` of a command that only counts.
pub(super) fn counted_keys<'a>(args: &mut Args<'a>) -> Result<&'a [&'a [u8]], Error> {
    args.take_counted(
        Error::fixed("ERR numkeys should be greater than 0"),
        Error::fixed("ERR Number of keys can't be greater than number of args"),
    )
}

/// `[LIMIT n]`; 0 is no limit.
pub(super) fn limit(args: &mut Args<'_>) -> Result<usize, Error> {
    let mut limit = 0;
    while !args.is_empty() {
        if args.len() < 2 || !args.accept("LIMIT") {
            return Err(Error::SYNTAX);
        }
        let error = Error::fixed("ERR LIMIT can't be negative");
        let value = args.take_integer_or(error.clone())?;
        let value = u64::try_from(value).map_err(|_| error)?;
        limit = usize::try_from(value).unwrap_or(usize::MAX);
    }
    Ok(limit)
}

fn sintercard(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let keys = counted_keys(args)?;
    let limit = limit(args)?;
    let mut count = 0;
    intersect(&c.read_many::<Set>(keys)?, |_| {
        count += 1;
        count != limit
    });
    out.count(count);
    Ok(())
}
