//! Group *sorted-set*: members and scores.

use super::hash::random_count;
use super::scan::{ScanOptions, Scanned, reply_cursor, scan_buckets, take_cursor};
use super::set::bulk;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::{Item, SortedSet};
use crate::resp::{Protocol, Writer};
use smallvec::SmallVec;

pub(super) const SORTED_SET: Command = Command { group: Group::SortedSet, ..Command::BASE };

pub(super) const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];
const UPDATE: &[KeySpec] = &[KeySpec::at(1, key::RW | key::UPDATE)];
const RANK: Command = Command {
    arity: -3,
    flags: flag::READONLY | flag::FAST,
    keys: READ,
    since: "2.0.0",
    complexity: "O(log(N))",
    syntax: "key:key member [WITHSCORE]",
    reply: ts("number | [rank: number, score: number] | null"),
    ..SORTED_SET
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "zadd",
        handler: Some(zadd),
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: UPDATE,
        since: "1.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted \
            set.",
        summary: "Adds one or more members to a sorted set, or updates their scores. Creates the \
            key if it doesn't exist.",
        syntax: "key:key [condition(NX | XX)] [comparison(GT | LT)] [change(\"CH\")] \
            [increment(\"INCR\")] data{score:double member}...",
        reply: ts("With<S, \"INCR\", number | null, number>"),
        ..SORTED_SET
    },
    Command {
        name: "zcard",
        handler: Some(zcard),
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::at(1, key::RO)],
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Returns the number of members in a sorted set.",
        syntax: "key:key",
        reply: ts("number"),
        ..SORTED_SET
    },
    Command {
        name: "zincrby",
        handler: Some(zincrby),
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE)],
        since: "1.2.0",
        complexity: "O(log(N)) where N is the number of elements in the sorted set.",
        summary: "Increments the score of a member in a sorted set.",
        syntax: "key:key increment:integer member",
        reply: ts("number"),
        ..SORTED_SET
    },
    Command {
        name: "zmscore",
        handler: Some(zmscore),
        arity: -3,
        flags: flag::READONLY | flag::FAST,
        keys: READ,
        since: "6.2.0",
        complexity: "O(N) where N is the number of members being requested.",
        summary: "Returns the score of one or more members in a sorted set.",
        syntax: "key:key member...",
        reply: ts("(number | null)[]"),
        ..SORTED_SET
    },
    Command {
        name: "zrandmember",
        handler: Some(zrandmember),
        arity: -2,
        flags: flag::READONLY,
        keys: READ,
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements returned",
        summary: "Returns one or more random members from a sorted set.",
        syntax: "key:key [options{count:integer [WITHSCORES]}]",
        reply: ts(
            "string | null // With<S, \"WITHSCORES\", [member: string, score: number][], string[]>",
        ),
        tips: &["nondeterministic_output"],
        ..SORTED_SET
    },
    Command {
        name: "zrank",
        handler: Some(zrank),
        summary: "Returns the index of a member in a sorted set ordered by ascending scores.",
        reply: ts("With<S, \"WITHSCORE\", [rank: number, score: number] | null, number | null>"),
        ..RANK
    },
    Command {
        name: "zrem",
        handler: Some(zrem),
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::DELETE)],
        since: "1.2.0",
        complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the \
            number of elements to be removed.",
        summary: "Removes one or more members from a sorted set. Deletes the sorted set if all \
            members were removed.",
        syntax: "key:key member...",
        reply: ts("number"),
        ..SORTED_SET
    },
    Command {
        name: "zrevrank",
        handler: Some(zrevrank),
        summary: "Returns the index of a member in a sorted set ordered by descending scores.",
        reply: ts("With<S, \"WITHSCORE\", [rank: number, score: number] | null, number | null>"),
        ..RANK
    },
    Command {
        name: "zscan",
        handler: Some(zscan),
        arity: -3,
        flags: flag::READONLY,
        keys: READ,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
            calls for the cursor to return back to 0. N is the number of elements inside the \
            collection.",
        summary: "Iterates over members and scores of a sorted set.",
        syntax: "key:key cursor:integer [MATCH pattern:pattern] [COUNT count:integer]",
        reply: ts("[cursor: string, membersAndScores: string[]]"),
        tips: &["nondeterministic_output"],
        ..SORTED_SET
    },
    Command {
        name: "zscore",
        handler: Some(zscore),
        arity: 3,
        flags: flag::READONLY | flag::FAST,
        keys: READ,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Returns the score of a member in a sorted set.",
        syntax: "key:key member",
        reply: ts("number | null"),
        ..SORTED_SET
    },
];

/// The options of ZADD.
#[derive(Clone, Copy, Default)]
pub(super) struct AddOptions {
    pub(super) absent: bool,
    pub(super) present: bool,
    greater: bool,
    less: bool,
    pub(super) changed: bool,
    increment: bool,
}

impl AddOptions {
    fn parse(args: &mut Args<'_>) -> Self {
        let mut options = Self::default();
        loop {
            let option = if args.accept("NX") {
                &mut options.absent
            } else if args.accept("XX") {
                &mut options.present
            } else if args.accept("GT") {
                &mut options.greater
            } else if args.accept("LT") {
                &mut options.less
            } else if args.accept("CH") {
                &mut options.changed
            } else if args.accept("INCR") {
                &mut options.increment
            } else {
                return options;
            };
            *option = true;
        }
    }

    fn check(self, pairs: usize) -> Result<(), Error> {
        if self.absent && self.present {
            return Err(Error::fixed("ERR XX and NX options at the same time are not compatible"));
        }
        if [self.absent, self.greater, self.less].iter().filter(|set| **set).count() > 1 {
            return Err(Error::fixed(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if self.increment && pairs > 1 {
            return Err(Error::fixed("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The score that a member is to get, if any.
    fn wanted(self, old: Option<f64>, score: f64) -> Result<Option<f64>, Error> {
        let Some(old) = old else { return Ok((!self.present).then_some(score)) };
        if self.absent {
            return Ok(None);
        }
        let score = if self.increment { old + score } else { score };
        if score.is_nan() {
            return Err(Error::fixed("ERR resulting score is not a number (NaN)"));
        }
        let refused = (self.less && score >= old) || (self.greater && score <= old);
        Ok((!refused).then_some(score))
    }
}

fn zadd(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let options = AddOptions::parse(args);
    let (pairs, rest) = args.rest().as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(Error::SYNTAX);
    }
    options.check(pairs.len())?;
    let pairs = pairs
        .iter()
        .map(|[score, member]| Ok((Args::new(&[score], 0).take_double()?, *member)))
        .collect::<Result<SmallVec<[_; 4]>, Error>>()?;
    if add(c, key, options, &pairs, out)? {
        c.changed();
    }
    Ok(())
}

fn zincrby(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, by, member) = (args.take()?, args.take_double()?, args.take()?);
    let options = AddOptions { increment: true, ..AddOptions::default() };
    if add(c, key, options, &[(by, member)], out)? {
        c.changed();
    }
    Ok(())
}

/// Adds members and answers what ZADD does. Whether anything changed, which is not logged yet.
pub(super) fn add(
    c: &mut Ctx<'_>,
    key: &[u8],
    options: AddOptions,
    pairs: &[(f64, &[u8])],
    out: &mut Writer<'_>,
) -> Result<bool, Error> {
    let limits = c.limits();
    let (mut added, mut updated, mut result) = (0, 0, None);
    if !options.present || c.get_mut::<SortedSet>(key)?.is_some() {
        let set = c.get_or_create::<SortedSet>(key)?;
        for (score, member) in pairs {
            // Only an increment of a score that is there may fail, and it comes alone.
            let (old, new) = set.update(member, limits, |old| options.wanted(old, *score))?;
            result = new.or(result);
            if new.is_some() && old != new {
                added += usize::from(old.is_none());
                updated += usize::from(old.is_some());
            }
        }
    }
    match (options.increment, result) {
        (true, Some(score)) => out.double(score),
        (true, None) => out.null(),
        (false, _) => out.count(if options.changed { added + updated } else { added }),
    }
    let is_changed = added + updated > 0;
    if is_changed {
        c.modified(class::ZSET, if options.increment { "zincr" } else { "zadd" }, key);
    }
    Ok(is_changed)
}

fn zrem(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let removed = match c.get_mut::<SortedSet>(key)? {
        Some(set) => args.filter(|member| set.remove(member).is_some()).count(),
        None => 0,
    };
    if removed > 0 {
        c.modified(class::ZSET, "zrem", key);
        c.remove_if_empty(key);
        c.changed();
    }
    out.count(removed);
    Ok(())
}

fn zcard(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.count(c.read_as::<SortedSet>(args.take()?)?.map_or(0, SortedSet::len));
    Ok(())
}

fn double_or_null(score: Option<f64>, out: &mut Writer<'_>) {
    match score {
        Some(score) => out.double(score),
        None => out.null(),
    }
}

fn zscore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, member) = (args.take()?, args.take()?);
    let score = c.read_as::<SortedSet>(key)?.and_then(|set| set.score(member));
    double_or_null(score, out);
    Ok(())
}

fn zmscore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let set = c.read_as::<SortedSet>(args.take()?)?;
    out.array(args.len());
    for member in args {
        double_or_null(set.and_then(|set| set.score(member)), out);
    }
    Ok(())
}

fn zrank(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    rank(c, args, out, "zrank", |rank, _| rank)
}

fn zrevrank(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    rank(c, args, out, "zrevrank", |rank, len| len - 1 - rank)
}

fn rank(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    name: &str,
    direction: fn(usize, usize) -> usize,
) -> Result<(), Error> {
    let (key, member) = (args.take()?, args.take()?);
    if args.len() > 1 {
        return Err(Error::new(format!("ERR wrong number of arguments for '{name}' command")));
    }
    let with_score = args.accept("WITHSCORE");
    args.finish()?;
    let set = c.read_as::<SortedSet>(key)?;
    let found =
        set.and_then(|set| set.rank(member).map(|(r, score)| (direction(r, set.len()), score)));
    match (found, with_score) {
        (Some((rank, _)), false) => out.count(rank),
        (Some((rank, score)), true) => {
            out.array(2);
            out.count(rank);
            out.double(score);
        }
        (None, false) => out.null(),
        (None, true) => out.null_array(),
    }
    Ok(())
}

/// How members are answered with their scores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scores {
    /// Not at all.
    Left,
    /// After each member.
    Flat,
    /// Member and score as an array.
    Paired,
}

impl Scores {
    /// As `WITHSCORES` is answered: in pairs in RESP3.
    pub(super) fn with(wanted: bool, out: &Writer<'_>) -> Self {
        match (wanted, out.protocol()) {
            (false, _) => Self::Left,
            (true, Protocol::Resp2) => Self::Flat,
            (true, Protocol::Resp3) => Self::Paired,
        }
    }

    /// Begins an array of so many members.
    pub(super) fn array(self, members: usize, out: &mut Writer<'_>) {
        out.array(if self == Self::Flat { members * 2 } else { members });
    }

    /// Answers a member.
    pub(super) fn member(self, member: Item<'_>, score: f64, out: &mut Writer<'_>) {
        if self == Self::Paired {
            out.array(2);
        }
        bulk(member, out);
        if self != Self::Left {
            out.double(score);
        }
    }
}

fn zrandmember(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    if args.is_empty() {
        c.read_as::<SortedSet>(key)?;
        match c.get_mut_rng::<SortedSet>(key)?.and_then(|(set, rng)| set.random(rng)) {
            Some((member, _)) => bulk(member, out),
            None => out.null(),
        }
        return Ok(());
    }
    let count = random_count(args)?;
    let with_scores = args.accept("WITHSCORES");
    args.finish()?;
    if with_scores && !(-(i64::MAX / 2)..=i64::MAX / 2).contains(&count) {
        return Err(Error::fixed("ERR value is out of range"));
    }
    c.read_as::<SortedSet>(key)?;
    let Some((set, rng)) = c.get_mut_rng::<SortedSet>(key)?.filter(|_| count != 0) else {
        out.array(0);
        return Ok(());
    };
    let scores = Scores::with(with_scores, out);
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        out.reserve(wanted.saturating_mul(8)).map_err(|_| Error::OUT_OF_MEMORY)?;
        scores.array(wanted, out);
        for _ in 0..wanted {
            set.random(rng).into_iter().for_each(|(m, score)| scores.member(m, score, out));
        }
        return Ok(());
    }
    let numbers = rng.sample(set.len(), wanted);
    scores.array(numbers.len(), out);
    let members = numbers.into_iter().filter_map(|number| set.any(number));
    members.for_each(|(member, score)| scores.member(member, score, out));
    Ok(())
}

fn zscan(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let cursor = take_cursor(args)?;
    let Some(set) = c.read_as::<SortedSet>(key)? else {
        reply_cursor(0, out);
        out.array(0);
        return Ok(());
    };
    let options = ScanOptions::parse(args, Scanned::Members)?;
    let mut found = Vec::new();
    let cursor = scan_buckets(cursor, options.count, |cursor| {
        let mut visited = 0;
        let next = set.scan(cursor, |member, score| {
            visited += 1;
            if member.with_bytes(|member| options.matches(member)) {
                found.push((member, score));
            }
        });
        (next, visited)
    });
    reply_cursor(cursor, out);
    out.array(found.len() * 2);
    for (member, score) in found {
        bulk(member, out);
        let mut text = Vec::with_capacity(25);
        set.write_score(score, &mut text);
        out.bulk(&text);
    }
    Ok(())
}
