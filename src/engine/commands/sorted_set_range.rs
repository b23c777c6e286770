//! Group *sorted-set*: ranges by rank, by score and by the order of bytes.

use super::list::bounds;
use super::sorted_set::{READ, SORTED_SET, Scores};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, KeySpec, flag, key, ts};
use crate::engine::types::{Item, SortedSet};
use crate::number::{parse_bound, parse_integer};
use crate::resp::Writer;
use std::ops::Range;

const REMOVE: &[KeySpec] = &[KeySpec::at(1, key::RW | key::DELETE)];
const RANGE_COST: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M \
    the number of elements being returned. If M is constant (e.g. always asking for the first 10 \
    elements with LIMIT), you can consider it O(log(N)).";
const REMOVE_COST: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M \
    the number of elements removed by the operation.";
const MEMBERS: &str = "string[] | [member: string, score: number][]";
const READING: Command = Command {
    arity: -4,
    flags: flag::READONLY,
    keys: READ,
    complexity: RANGE_COST,
    reply: ts(MEMBERS),
    ..SORTED_SET
};
const COUNTING: Command = Command {
    arity: 4,
    flags: flag::READONLY | flag::FAST,
    keys: READ,
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    reply: ts("number"),
    ..SORTED_SET
};
const REMOVING: Command = Command {
    arity: 4,
    flags: flag::WRITE,
    keys: REMOVE,
    complexity: REMOVE_COST,
    reply: ts("number"),
    ..SORTED_SET
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "zcount",
        handler: Some(zcount),
        since: "2.0.0",
        summary: "Returns the count of members in a sorted set that have scores within a range.",
        syntax: "key:key min:double max:double",
        ..COUNTING
    },
    Command {
        name: "zlexcount",
        handler: Some(zlexcount),
        since: "2.8.9",
        summary: "Returns the number of members in a sorted set within a lexicographical range.",
        syntax: "key:key min max",
        ..COUNTING
    },
    Command {
        name: "zrange",
        handler: Some(zrange),
        since: "1.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements returned.",
        summary: "Returns members in a sorted set within a range of indexes.",
        syntax: "key:key start stop [sortby(BYSCORE | BYLEX)] [REV] \
            [LIMIT limit{offset:integer count:integer}] [WITHSCORES]",
        reply: ts("With<S, \"WITHSCORES\", [member: string, score: number][], string[]>"),
        ..READING
    },
    Command {
        name: "zrangebylex",
        handler: Some(zrangebylex),
        since: "2.8.9",
        summary: "Returns members in a sorted set within a lexicographical range.",
        syntax: "key:key min max [LIMIT limit{offset:integer count:integer}]",
        reply: ts("string[]"),
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
        ..READING
    },
    Command {
        name: "zrangebyscore",
        handler: Some(zrangebyscore),
        since: "1.0.5",
        summary: "Returns members in a sorted set within a range of scores.",
        syntax: "key:key min:double max:double [WITHSCORES] \
            [LIMIT limit{offset:integer count:integer}]",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
        reply: ts("With<S, \"WITHSCORES\", [member: string, score: number][], string[]>"),
        ..READING
    },
    Command {
        name: "zrangestore",
        handler: Some(zrangestore),
        arity: -5,
        flags: flag::WRITE | flag::DENYOOM | flag::COPIES,
        keys: &[KeySpec::at(1, key::OW | key::UPDATE), KeySpec::at(2, key::RO | key::ACCESS)],
        since: "6.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements stored into the destination key.",
        summary: "Stores a range of members from sorted set in a key.",
        syntax: "dst:key src:key min max [sortby(BYSCORE | BYLEX)] [REV] \
            [LIMIT limit{offset:integer count:integer}]",
        reply: ts("number"),
        ..SORTED_SET
    },
    Command {
        name: "zremrangebylex",
        handler: Some(zremrangebylex),
        since: "2.8.9",
        summary: "Removes members in a sorted set within a lexicographical range. Deletes the \
            sorted set if all members were removed.",
        syntax: "key:key min max",
        ..REMOVING
    },
    Command {
        name: "zremrangebyrank",
        handler: Some(zremrangebyrank),
        since: "2.0.0",
        summary: "Removes members in a sorted set within a range of indexes. Deletes the sorted \
            set if all members were removed.",
        syntax: "key:key start:integer stop:integer",
        ..REMOVING
    },
    Command {
        name: "zremrangebyscore",
        handler: Some(zremrangebyscore),
        since: "1.2.0",
        summary: "Removes members in a sorted set within a range of scores. Deletes the sorted set \
            if all members were removed.",
        syntax: "key:key min:double max:double",
        ..REMOVING
    },
    Command {
        name: "zrevrange",
        handler: Some(zrevrange),
        since: "1.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
            number of elements returned.",
        summary: "Returns members in a sorted set within a range of indexes in reverse order.",
        syntax: "key:key start:integer stop:integer [WITHSCORES]",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
        reply: ts("With<S, \"WITHSCORES\", [member: string, score: number][], string[]>"),
        ..READING
    },
    Command {
        name: "zrevrangebylex",
        handler: Some(zrevrangebylex),
        since: "2.8.9",
        summary: "Returns members in a sorted set within a lexicographical range in reverse order.",
        syntax: "key:key max min [LIMIT limit{offset:integer count:integer}]",
        reply: ts("string[]"),
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
        ..READING
    },
    Command {
        name: "zrevrangebyscore",
        handler: Some(zrevrangebyscore),
        since: "2.2.0",
        summary: "Returns members in a sorted set within a range of scores in reverse order.",
        syntax: "key:key max:double min:double [WITHSCORES] \
            [LIMIT limit{offset:integer count:integer}]",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
        reply: ts("With<S, \"WITHSCORES\", [member: string, score: number][], string[]>"),
        ..READING
    },
];

/// What a range is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// An end of a range in the order of bytes.
#[derive(Clone, Copy)]
enum Lex<'a> {
    /// `-`: before everything.
    Least,
    /// `+`: after everything.
    Greatest,
    /// A string, and whether it is in the range.
    At(&'a [u8], bool),
}

impl<'a> Lex<'a> {
    fn parse(word: &'a [u8]) -> Result<Self, Error> {
        match word {
            b"-" => Ok(Self::Least),
            b"+" => Ok(Self::Greatest),
            [b'[', rest @ ..] => Ok(Self::At(rest, true)),
            [b'(', rest @ ..] => Ok(Self::At(rest, false)),
            _ => Err(Error::fixed("ERR min or max not valid string range item")),
        }
    }

    /// How many members are before it as the beginning of a range, or up to it as the end.
    fn rank(self, set: &SortedSet, is_end: bool) -> usize {
        match self {
            Self::Least => 0,
            Self::Greatest => set.len(),
            Self::At(bound, inclusive) => set.count_below_member(bound, inclusive == is_end),
        }
    }
}

/// A score as the end of a range, and whether it is in the range.
#[derive(Clone, Copy)]
struct Bound(f64, bool);

impl Bound {
    /// As `strtod` reads it: spaces before it do not matter, and nothing at all is 0.
    fn parse(word: &[u8]) -> Result<Self, Error> {
        let (text, inclusive) = match word {
            [b'(', rest @ ..] => (rest, false),
            _ => (word, true),
        };
        let text = text.trim_ascii_start();
        let score = if text.is_empty() { Some(0.0) } else { parse_bound(text) };
        let score = score.ok_or(Error::fixed("ERR min or max is not a float"))?;
        Ok(Self(score, inclusive))
    }
}

/// A range, its lower end first.
#[derive(Clone, Copy)]
enum Ends<'a> {
    Rank(i64, i64),
    Score(Bound, Bound),
    Lex(Lex<'a>, Lex<'a>),
}

impl<'a> Ends<'a> {
    fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, Error> {
        let integer = |word| parse_integer(word).ok_or(Error::NOT_AN_INTEGER);
        Ok(match by {
            By::Rank => Self::Rank(integer(min)?, integer(max)?),
            By::Score => Self::Score(Bound::parse(min)?, Bound::parse(max)?),
            By::Lex => Self::Lex(Lex::parse(min)?, Lex::parse(max)?),
        })
    }

    /// The ranks in it; of a range by rank, from the end that `reverse` says.
    fn ranks(self, set: &SortedSet, reverse: bool) -> Range<usize> {
        let (start, end) = match self {
            Self::Rank(start, stop) => {
                let (start, end) = bounds(start, stop, set.len());
                if reverse { (set.len() - end, set.len() - start) } else { (start, end) }
            }
            Self::Score(min, max) => {
                (set.count_below(min.0, !min.1), set.count_below(max.0, max.1))
            }
            Self::Lex(min, max) => (min.rank(set, false), max.rank(set, true)),
        };
        start..end.max(start)
    }
}

/// The arguments of ZRANGE and its kin.
struct Query<'a> {
    ends: Ends<'a>,
    reverse: bool,
    offset: i64,
    /// Negative for all.
    limit: i64,
    with_scores: bool,
}

impl<'a> Query<'a> {
    /// Reads a range and options; what is given beforehand cannot be an option.
    fn parse(
        args: &mut Args<'a>,
        by: Option<By>,
        reverse: Option<bool>,
        stores: bool,
    ) -> Result<Self, Error> {
        let (first, second) = (args.take()?, args.take()?);
        let (mut chosen, mut reversed) = (by, reverse);
        let (mut offset, mut limit, mut with_scores) = (0, -1, false);
        while !args.is_empty() {
            if !stores && args.accept("WITHSCORES") {
                with_scores = true;
            } else if args.len() > 2 && args.accept("LIMIT") {
                (offset, limit) = (args.take_integer()?, args.take_integer()?);
            } else if reversed.is_none() && args.accept("REV") {
                reversed = Some(true);
            } else if chosen.is_none() && args.accept("BYLEX") {
                chosen = Some(By::Lex);
            } else if chosen.is_none() && args.accept("BYSCORE") {
                chosen = Some(By::Score);
            } else {
                return Err(Error::SYNTAX);
            }
        }
        let (by, reverse) = (chosen.unwrap_or(By::Rank), reversed.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(Error::fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or \
                 BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(Error::fixed(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let swapped = reverse && by != By::Rank;
        let (min, max) = if swapped { (second, first) } else { (first, second) };
        Ok(Self { ends: Ends::parse(by, min, max)?, reverse, offset, limit, with_scores })
    }

    /// The ranks that are asked for.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let Range { start, end } = self.ends.ranks(set, self.reverse);
        let len = end - start;
        let skipped = usize::try_from(self.offset).unwrap_or(len).min(len);
        let taken = usize::try_from(self.limit).unwrap_or(len).min(len - skipped);
        if self.reverse {
            end - skipped - taken..end - skipped
        } else {
            start + skipped..start + skipped + taken
        }
    }

    fn reply(&self, set: &SortedSet, out: &mut Writer<'_>) {
        let scores = Scores::with(self.with_scores, out);
        scores.array(self.ranks(set).len(), out);
        self.visit(set, |member, score| scores.member(member, score, out));
    }

    /// Calls `f` with what is asked for, in the order that is asked for.
    fn visit(&self, set: &SortedSet, mut f: impl FnMut(Item<'_>, f64)) {
        let ranks = self.ranks(set);
        let mut left = ranks.len();
        if left == 0 {
            return;
        }
        let start = if self.reverse { ranks.end - 1 } else { ranks.start };
        set.visit(start, self.reverse, |member, score| {
            f(member, score);
            left -= 1;
            left > 0
        });
    }
}

fn range(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    by: Option<By>,
    reverse: Option<bool>,
) -> Result<(), Error> {
    let key = args.take()?;
    let query = Query::parse(args, by, reverse, false)?;
    match c.read_as::<SortedSet>(key)? {
        Some(set) => query.reply(set, out),
        None => out.array(0),
    }
    Ok(())
}

fn zrange(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    range(c, args, out, None, None)
}

fn zrevrange(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    range(c, args, out, Some(By::Rank), Some(true))
}

fn zrangebyscore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    range(c, args, out, Some(By::Score), Some(false))
}

fn zrevrangebyscore(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    range(c, args, out, Some(By::Score), Some(true))
}

fn zrangebylex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    range(c, args, out, Some(By::Lex), Some(false))
}

fn zrevrangebylex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    range(c, args, out, Some(By::Lex), Some(true))
}

fn zrangestore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (destination, source) = (args.take()?, args.take()?);
    let query = Query::parse(args, None, None, true)?;
    let limits = c.limits();
    let mut result = SortedSet::default();
    if let Some(set) = c.read_as::<SortedSet>(source)? {
        // Of ranks it is known before how many there will be.
        if matches!(query.ends, Ends::Rank(..)) {
            result = SortedSet::for_len(query.ranks(set).len(), limits);
        }
        query.visit(set, |member, score| {
            member.with_bytes(|member| result.insert(member, score, limits));
        });
    }
    store(c, destination, result, "zrangestore", out);
    Ok(())
}

/// Stores a result, or deletes the key if it is empty, and answers its size.
pub(super) fn store(
    c: &mut Ctx<'_>,
    destination: &[u8],
    result: SortedSet,
    event: &str,
    out: &mut Writer<'_>,
) {
    out.count(result.len());
    let result = (!result.is_empty()).then_some(result);
    if c.store(destination, result, class::ZSET, event) {
        c.changed();
    }
}

fn count(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>, by: By) -> Result<(), Error> {
    let key = args.take()?;
    let ends = Ends::parse(by, args.take()?, args.take()?)?;
    let set = c.read_as::<SortedSet>(key)?;
    out.count(set.map_or(0, |set| ends.ranks(set, false).len()));
    Ok(())
}

fn zcount(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    count(c, args, out, By::Score)
}

fn zlexcount(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    count(c, args, out, By::Lex)
}

fn remove(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    by: By,
    event: &str,
) -> Result<(), Error> {
    let key = args.take()?;
    let ends = Ends::parse(by, args.take()?, args.take()?)?;
    let mut removed = 0;
    if let Some(set) = c.get_mut::<SortedSet>(key)? {
        let ranks = ends.ranks(set, false);
        removed = ranks.len();
        set.remove_range(ranks);
    }
    if removed > 0 {
        c.modified(class::ZSET, event, key);
        c.remove_if_empty(key);
        c.changed();
    }
    out.count(removed);
    Ok(())
}

fn zremrangebyrank(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    remove(c, args, out, By::Rank, "zremrangebyrank")
}

fn zremrangebyscore(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    remove(c, args, out, By::Score, "zremrangebyscore")
}

fn zremrangebylex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    remove(c, args, out, By::Lex, "zremrangebylex")
}
