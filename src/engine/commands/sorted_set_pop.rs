//! Group *sorted-set*: taking out the lowest and the highest, and the forms that wait.

use super::sorted_set::{SORTED_SET, Scores};
use crate::engine::args::Args;
use crate::engine::blocking::{BlockOn, Nothing, Timeout};
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Begin, Command, Find, KeySpec, flag, key, ts};
use crate::engine::types::SortedSet;
use crate::number::write_double;
use crate::resp::{Protocol, Writer};

const TAKE: u32 = key::RW | key::ACCESS | key::DELETE;
const POP: Command = Command {
    arity: -2,
    flags: flag::WRITE | flag::FAST,
    keys: &[KeySpec::at(1, TAKE)],
    since: "5.0.0",
    complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being \
        the number of elements popped.",
    syntax: "key:key [count:integer]",
    reply: ts("[member: string, score: number] | [member: string, score: number][] | []"),
    ..SORTED_SET
};
const BLOCKING_POP: Command = Command {
    arity: -3,
    flags: flag::WRITE | flag::FAST | flag::BLOCKING,
    keys: &[KeySpec::from(1, -2, 1, TAKE)],
    since: "5.0.0",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    syntax: "key:key... timeout:double",
    reply: ts("[key: string, member: string, score: number] | null"),
    ..SORTED_SET
};
const POP_MANY: Command = Command {
    complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of \
        elements in the sorted set, and M being the number of elements popped.",
    since: "7.0.0",
    reply: ts("[key: string, members: [member: string, score: number][]] | null"),
    ..SORTED_SET
};

/// Keys after their number, which is at word `index`.
const fn counted(index: i32) -> KeySpec {
    KeySpec {
        flags: TAKE,
        begin: Begin::Index(index),
        find: Find::Keynum { index: 0, first: 1, step: 1 },
    }
}

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "bzmpop",
        handler: Some(bzmpop),
        arity: -5,
        flags: flag::WRITE | flag::BLOCKING | flag::MOVABLEKEYS,
        keys: &[counted(2)],
        summary: "Removes and returns a member by score from one or more sorted sets. Blocks until \
            a member is available otherwise. Deletes the sorted set if the last element was popped.",
        syntax: "timeout:double numkeys:integer key:key... where(MIN | MAX) [COUNT count:integer]",
        ..POP_MANY
    },
    Command {
        name: "bzpopmax",
        handler: Some(bzpopmax),
        summary: "Removes and returns the member with the highest score from one or more sorted \
            sets. Blocks until a member available otherwise.  Deletes the sorted set if the last \
            element was popped.",
        ..BLOCKING_POP
    },
    Command {
        name: "bzpopmin",
        handler: Some(bzpopmin),
        summary: "Removes and returns the member with the lowest score from one or more sorted \
            sets. Blocks until a member is available otherwise. Deletes the sorted set if the last \
            element was popped.",
        ..BLOCKING_POP
    },
    Command {
        name: "zmpop",
        handler: Some(zmpop),
        arity: -4,
        flags: flag::WRITE | flag::MOVABLEKEYS,
        keys: &[counted(1)],
        summary: "Returns the highest- or lowest-scoring members from one or more sorted sets \
            after removing them. Deletes the sorted set if the last member was popped.",
        syntax: "numkeys:integer key:key... where(MIN | MAX) [COUNT count:integer]",
        ..POP_MANY
    },
    Command {
        name: "zpopmax",
        handler: Some(zpopmax),
        summary: "Returns the highest-scoring members from a sorted set after removing them. \
            Deletes the sorted set if the last member was popped.",
        reply: ts("[member: string, score: number] | [] // [member: string, score: number][]"),
        ..POP
    },
    Command {
        name: "zpopmin",
        handler: Some(zpopmin),
        summary: "Returns the lowest-scoring members from a sorted set after removing them. \
            Deletes the sorted set if the last member was popped.",
        reply: ts("[member: string, score: number] | [] // [member: string, score: number][]"),
        ..POP
    },
];

/// Which end of the order is taken from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Min,
    Max,
}

impl Where {
    fn event(self) -> &'static str {
        match self {
            Self::Min => "zpopmin",
            Self::Max => "zpopmax",
        }
    }

    fn command(self) -> &'static [u8] {
        match self {
            Self::Min => b"ZPOPMIN",
            Self::Max => b"ZPOPMAX",
        }
    }
}

/// Takes up to `count` members out of the sorted set at `key` and answers each.
fn take(
    c: &mut Ctx<'_>,
    key: &[u8],
    end: Where,
    count: usize,
    scores: Scores,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let mut undo = c.begin_undo(key);
    let Some(set) = c.get_mut::<SortedSet>(key)? else { return Ok(()) };
    let count = count.min(set.len());
    let reverse = end == Where::Max;
    let (mut left, start) = (count, if reverse { set.len() - 1 } else { 0 });
    set.visit(start, reverse, |member, score| {
        scores.member(member, score, out);
        if undo.is_wanted() {
            let mut text = Vec::new();
            write_double(score, &mut text);
            member.with_bytes(|bytes| undo.add(bytes));
            undo.add(&text);
        }
        left -= 1;
        left > 0
    });
    let ranks = if reverse { set.len() - count..set.len() } else { 0..count };
    set.remove_range(ranks);
    c.note_undo(b"ZADD", key, &undo);
    c.modified(class::ZSET, end.event(), key);
    c.remove_if_empty(key);
    Ok(())
}

fn zpopmin(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    pop(c, args, out, Where::Min)
}

fn zpopmax(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    pop(c, args, out, Where::Max)
}

fn pop(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    end: Where,
) -> Result<(), Error> {
    let key = args.take()?;
    if args.len() > 1 {
        return Err(Error::SYNTAX);
    }
    let count = if args.is_empty() { None } else { Some(args.take_count()?) };
    let len = c.get_mut::<SortedSet>(key)?.map_or(0, |set| set.len());
    let taken = count.unwrap_or(1).min(len);
    let paired = count.is_some() && out.protocol() == Protocol::Resp3;
    let scores = if paired { Scores::Paired } else { Scores::Flat };
    scores.array(taken, out);
    if taken > 0 {
        take(c, key, end, taken, scores, out)?;
        c.changed();
    }
    Ok(())
}

fn bzpopmin(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    blocking_pop(c, args, out, Where::Min)
}

fn bzpopmax(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    blocking_pop(c, args, out, Where::Max)
}

fn blocking_pop(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    end: Where,
) -> Result<(), Error> {
    let Some((timeout, keys)) = args.rest().split_last() else { return Err(Error::SYNTAX) };
    let timeout = Timeout::seconds(timeout, c.now_ms())?;
    for key in keys {
        if c.get_mut::<SortedSet>(key)?.is_some() {
            out.array(3);
            out.bulk(key);
            take(c, key, end, 1, Scores::Flat, out)?;
            c.effect(&[end.command(), key]);
            return Ok(());
        }
    }
    c.block(keys, BlockOn::SortedSet, timeout, Nothing::NullArray, out)
}

/// The arguments of ZMPOP.
struct Many<'a> {
    keys: &'a [&'a [u8]],
    end: Where,
    count: usize,
}

impl<'a> Many<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Error> {
        let keys =
            args.take_counted(Error::fixed("ERR numkeys should be greater than 0"), Error::SYNTAX)?;
        let end = if args.accept("MIN") {
            Where::Min
        } else if args.accept("MAX") {
            Where::Max
        } else {
            return Err(Error::SYNTAX);
        };
        let mut count = None;
        while !args.is_empty() {
            if count.is_some() || args.len() < 2 || !args.accept("COUNT") {
                return Err(Error::SYNTAX);
            }
            let error = Error::fixed("ERR count should be greater than 0");
            let wanted = args.take_integer_or(error.clone())?;
            count = Some(usize::try_from(wanted).ok().filter(|count| *count > 0).ok_or(error)?);
        }
        Ok(Self { keys, end, count: count.unwrap_or(1) })
    }

    /// Answers members of the first sorted set that there is; whether there is one.
    fn pop(&self, c: &mut Ctx<'_>, out: &mut Writer<'_>) -> Result<bool, Error> {
        for key in self.keys {
            let Some(set) = c.get_mut::<SortedSet>(key)? else { continue };
            let count = self.count.min(set.len());
            out.array(2);
            out.bulk(key);
            out.array(count);
            take(c, key, self.end, count, Scores::Paired, out)?;
            let digits = &mut itoa::Buffer::new();
            c.effect(&[self.end.command(), key, digits.format(count).as_bytes()]);
            return Ok(true);
        }
        Ok(false)
    }
}

fn zmpop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let many = Many::parse(args)?;
    if !many.pop(c, out)? {
        out.null_array();
    }
    Ok(())
}

fn bzmpop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let timeout = Timeout::seconds(args.take()?, c.now_ms())?;
    let many = Many::parse(args)?;
    if many.pop(c, out)? {
        return Ok(());
    }
    c.block(many.keys, BlockOn::SortedSet, timeout, Nothing::NullArray, out)
}
