//! Group *sorted-set*: union, intersection and difference, of sets as well.

use super::set_algebra::{counted_keys, limit};
use super::sorted_set::{SORTED_SET, Scores};
use super::sorted_set_range::store;
use crate::collections::sort_by;
use crate::engine::args::Args;
use crate::engine::config::Limits;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Begin, Command, Find, KeySpec, flag, key, ts};
use crate::engine::types::{Item, Set, SortedSet, Value};
use crate::resp::Writer;

const MEMBERS: &str = "string[] | [member: string, score: number][]";
const READING: Command = Command {
    arity: -3,
    flags: flag::READONLY | flag::MOVABLEKEYS | flag::COPIES,
    keys: &[counted(1)],
    since: "6.2.0",
    reply: ts(MEMBERS),
    ..SORTED_SET
};
const STORING: Command = Command {
    arity: -4,
    flags: flag::WRITE | flag::DENYOOM | flag::MOVABLEKEYS | flag::COPIES,
    keys: &[KeySpec::at(1, key::OW | key::UPDATE), counted(2)],
    reply: ts("number"),
    ..SORTED_SET
};
const DIFF_COST: &str = "O(L + (N-K)log(N)) worst case where L is the total number of elements in \
    all the sets, N is the size of the first set, and K is the size of the result set.";
const INTER_COST: &str = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted \
    set, K being the number of input sorted sets and M being the number of elements in the \
    resulting sorted set.";
const UNION_COST: &str = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted \
    sets, and M being the number of elements in the resulting sorted set.";

/// Keys after their number, which is at word `index`.
const fn counted(index: i32) -> KeySpec {
    KeySpec {
        flags: key::RO | key::ACCESS,
        begin: Begin::Index(index),
        find: Find::Keynum { index: 0, first: 1, step: 1 },
    }
}

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "zdiff",
        handler: Some(zdiff),
        complexity: DIFF_COST,
        summary: "Returns the difference between multiple sorted sets.",
        syntax: "numkeys:integer key:key... [WITHSCORES]",
        reply: ts("With<S, \"WITHSCORES\", [member: string, score: number][], string[]>"),
        ..READING
    },
    Command {
        name: "zdiffstore",
        handler: Some(zdiffstore),
        since: "6.2.0",
        complexity: DIFF_COST,
        summary: "Stores the difference of multiple sorted sets in a key.",
        syntax: "destination:key numkeys:integer key:key...",
        ..STORING
    },
    Command {
        name: "zinter",
        handler: Some(zinter),
        complexity: INTER_COST,
        summary: "Returns the intersect of multiple sorted sets.",
        syntax: "numkeys:integer key:key... [WEIGHTS weight:integer...] \
            [AGGREGATE aggregate(SUM | MIN | MAX)] [WITHSCORES]",
        reply: ts("With<S, \"WITHSCORES\", [member: string, score: number][], string[]>"),
        ..READING
    },
    Command {
        name: "zintercard",
        handler: Some(zintercard),
        flags: flag::READONLY | flag::MOVABLEKEYS,
        since: "7.0.0",
        complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the \
            number of input sorted sets.",
        summary: "Returns the number of members of the intersect of multiple sorted sets.",
        syntax: "numkeys:integer key:key... [LIMIT limit:integer]",
        reply: ts("number"),
        ..READING
    },
    Command {
        name: "zinterstore",
        handler: Some(zinterstore),
        since: "2.0.0",
        complexity: INTER_COST,
        summary: "Stores the intersect of multiple sorted sets in a key.",
        syntax: "destination:key numkeys:integer key:key... [WEIGHTS weight:integer...] \
            [AGGREGATE aggregate(SUM | MIN | MAX)]",
        ..STORING
    },
    Command {
        name: "zunion",
        handler: Some(zunion),
        complexity: UNION_COST,
        summary: "Returns the union of multiple sorted sets.",
        syntax: "numkeys:integer key:key... [WEIGHTS weight:integer...] \
            [AGGREGATE aggregate(SUM | MIN | MAX)] [WITHSCORES]",
        reply: ts("With<S, \"WITHSCORES\", [member: string, score: number][], string[]>"),
        ..READING
    },
    Command {
        name: "zunionstore",
        handler: Some(zunionstore),
        since: "2.0.0",
        complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, \
            and M being the number of elements in the resulting sorted set.",
        summary: "Stores the union of multiple sorted sets in a key.",
        syntax: "destination:key numkeys:integer key:key... [WEIGHTS weight:integer...] \
            [AGGREGATE aggregate(SUM | MIN | MAX)]",
        ..STORING
    },
];

/// What is combined: a sorted set, or a set, whose members have the score 1.
#[derive(Clone, Copy)]
enum Source<'a> {
    Sorted(&'a SortedSet),
    Plain(&'a Set),
}

impl<'a> Source<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::SortedSet(set) => Some(Self::Sorted(set)),
            Value::Set(set) => Some(Self::Plain(set)),
            _ => None,
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Sorted(set) => set.len(),
            Self::Plain(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Sorted(set) => set.score(member),
            Self::Plain(set) => set.contains(member).then_some(1.0),
        }
    }

    /// Calls `f` with members and scores, up to where it answers false.
    fn visit(self, mut f: impl FnMut(Item<'a>, f64) -> bool) {
        match self {
            Self::Sorted(set) => set.visit(0, false, f),
            Self::Plain(set) => {
                set.visit(|member| f(member, 1.0));
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    /// Infinities of opposite sign are 0, as in Redis.
    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Sum => Some(one + other).filter(|sum| !sum.is_nan()).unwrap_or(0.0),
            Self::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Self::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

/// The arguments from `numkeys` on.
struct Query<'a> {
    keys: &'a [&'a [u8]],
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
}

impl<'a> Query<'a> {
    fn parse(
        c: &mut Ctx<'_>,
        args: &mut Args<'a>,
        operation: Operation,
        stores: bool,
        name: &str,
    ) -> Result<Self, Error> {
        let count = args.take_integer()?;
        if count < 1 {
            return Err(Error::new(format!(
                "ERR at least 1 input key is needed for '{name}' command"
            )));
        }
        let count = usize::try_from(count).ok().filter(|count| *count <= args.len());
        let count = count.ok_or(Error::SYNTAX)?;
        let (keys, options) = args.rest().split_at(count);
        for key in keys {
            if c.read(key).is_some_and(|object| Source::of(&object.value).is_none()) {
                return Err(Error::WRONG_TYPE);
            }
        }
        let weights = vec![1.0; keys.len()];
        let mut query = Self { keys, weights, aggregate: Aggregate::Sum, with_scores: false };
        let mut options = Args::new(options, 0);
        while !options.is_empty() {
            let combines = operation != Operation::Diff;
            if combines && options.len() > keys.len() && options.accept("WEIGHTS") {
                for weight in &mut query.weights {
                    *weight =
                        options.take_double_or(Error::fixed("ERR weight value is not a float"))?;
                }
            } else if combines && options.len() >= 2 && options.accept("AGGREGATE") {
                query.aggregate = if options.accept("SUM") {
                    Aggregate::Sum
                } else if options.accept("MIN") {
                    Aggregate::Min
                } else if options.accept("MAX") {
                    Aggregate::Max
                } else {
                    return Err(Error::SYNTAX);
                };
            } else if !stores && options.accept("WITHSCORES") {
                query.with_scores = true;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(query)
    }

    /// What the operation comes to, not compact: it keeps the sign of -0 while it is computed.
    fn run(&self, c: &Ctx<'_>, operation: Operation) -> SortedSet {
        let limits = Limits { zset_max_listpack_entries: 0, ..c.limits() };
        let sources = sources(c, self.keys);
        if operation == Operation::Diff {
            return difference(&sources, limits);
        }
        let mut weighted: Vec<(Option<Source<'_>>, f64)> =
            sources.into_iter().zip(self.weights.iter().copied()).collect();
        let len = |(source, _): &(Option<Source<'_>>, f64)| source.map_or(0, Source::len);
        sort_by(&mut weighted, |one, other| len(one).cmp(&len(other)));
        let mut result = SortedSet::default();
        if operation == Operation::Union {
            for (source, weight) in weighted.iter().filter_map(|(s, w)| Some(((*s)?, *w))) {
                source.visit(|member, score| {
                    let score = weigh(weight, score);
                    member.with_bytes(|member| {
                        let old = result.score(member);
                        let score = old.map_or(score, |old| self.aggregate.of(old, score));
                        // 0 is equal to -0, but takes its place.
                        if score == 0.0 && old == Some(0.0) {
                            result.remove(member);
                        }
                        result.insert(member, score, limits)
                    });
                    true
                });
            }
            return result;
        }
        let whole: Option<Vec<(Source<'_>, f64)>> =
            weighted.into_iter().map(|(source, weight)| Some((source?, weight))).collect();
        let Some(((first, weight), others)) = whole.as_deref().and_then(<[_]>::split_first) else {
            return result;
        };
        first.visit(|member, score| {
            member.with_bytes(|member| {
                let score =
                    others.iter().try_fold(weigh(*weight, score), |sum, (other, weight)| {
                        // Only the first product is 0 when there is none; as in Redis.
                        Some(self.aggregate.of(sum, weight * other.score(member)?))
                    });
                if let Some(score) = score {
                    result.insert(member, score, limits);
                }
            });
            true
        });
        result
    }
}

fn sources<'a>(c: &'a Ctx<'_>, keys: &[&[u8]]) -> Vec<Option<Source<'a>>> {
    keys.iter().map(|key| c.seen(key).and_then(|object| Source::of(&object.value))).collect()
}

/// Nothing times infinity is 0, as in Redis.
fn weigh(weight: f64, score: f64) -> f64 {
    Some(weight * score).filter(|product| !product.is_nan()).unwrap_or(0.0)
}

fn difference(sources: &[Option<Source<'_>>], limits: Limits) -> SortedSet {
    let mut result = SortedSet::default();
    let Some((Some(first), others)) = sources.split_first() else { return result };
    let others: Vec<Source<'_>> = others.iter().copied().flatten().collect();
    first.visit(|member, score| {
        member.with_bytes(|member| {
            if !others.iter().any(|other| other.score(member).is_some()) {
                result.insert(member, score, limits);
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
    name: &str,
) -> Result<(), Error> {
    let query = Query::parse(c, args, operation, false, name)?;
    let result = query.run(c, operation);
    let scores = Scores::with(query.with_scores, out);
    scores.array(result.len(), out);
    result.visit(0, false, |member, score| {
        scores.member(member, score, out);
        true
    });
    Ok(())
}

fn store_result(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    operation: Operation,
    name: &str,
) -> Result<(), Error> {
    let destination = args.take()?;
    let query = Query::parse(c, args, operation, true, name)?;
    let result = query.run(c, operation).compacted(c.limits());
    store(c, destination, result, name, out);
    Ok(())
}

fn zunion(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    reply(c, args, out, Operation::Union, "zunion")
}

fn zinter(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    reply(c, args, out, Operation::Inter, "zinter")
}

fn zdiff(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    reply(c, args, out, Operation::Diff, "zdiff")
}

fn zunionstore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    store_result(c, args, out, Operation::Union, "zunionstore")
}

fn zinterstore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    store_result(c, args, out, Operation::Inter, "zinterstore")
}

fn zdiffstore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    store_result(c, args, out, Operation::Diff, "zdiffstore")
}

fn zintercard(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    // The error for a number that is none is that of ZUNION and its kin.
    let number = args.clone().take_integer()?;
    if number < 1 {
        return Err(Error::fixed("ERR at least 1 input key is needed for 'zintercard' command"));
    }
    if usize::try_from(number).is_ok_and(|number| number >= args.len()) {
        return Err(Error::SYNTAX);
    }
    let keys = counted_keys(args)?;
    for key in keys {
        if c.read(key).is_some_and(|object| Source::of(&object.value).is_none()) {
            return Err(Error::WRONG_TYPE);
        }
    }
    let limit = limit(args)?;
    let sources: Option<Vec<Source<'_>>> = sources(c, keys).into_iter().collect();
    let mut sources = sources.unwrap_or_default();
    sort_by(&mut sources, |one, other| one.len().cmp(&other.len()));
    let mut count = 0;
    if let Some((first, others)) = sources.split_first() {
        first.visit(|member, _| {
            let in_all = member
                .with_bytes(|member| others.iter().all(|other| other.score(member).is_some()));
            count += usize::from(in_all);
            !in_all || count != limit
        });
    }
    out.count(count);
    Ok(())
}
