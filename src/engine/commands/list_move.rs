//! Group *list*: moving elements between lists, finding them, and the forms that wait.

use super::list::{LIST, take};
use crate::engine::args::Args;
use crate::engine::blocking::{BlockOn, Nothing, Timeout};
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Begin, Command, Find, KeySpec, flag, key, ts};
use crate::engine::types::list::{End, List};
use crate::resp::Writer;

const MOVE: &[KeySpec] =
    &[KeySpec::at(1, key::RW | key::ACCESS | key::DELETE), KeySpec::at(2, key::RW | key::INSERT)];
const POP_MANY: u32 = key::RW | key::ACCESS | key::DELETE;
const KEYS_THEN_TIMEOUT: &[KeySpec] = &[KeySpec::from(1, -2, 1, POP_MANY)];

/// Keys after their number, which is at word `index`.
const fn counted(index: i32) -> KeySpec {
    KeySpec {
        flags: POP_MANY,
        begin: Begin::Index(index),
        find: Find::Keynum { index: 0, first: 1, step: 1 },
    }
}

const BLOCKING_POP: Command = Command {
    arity: -3,
    flags: flag::WRITE | flag::BLOCKING,
    keys: KEYS_THEN_TIMEOUT,
    since: "2.0.0",
    complexity: "O(N) where N is the number of provided keys.",
    syntax: "key:key... timeout:double",
    reply: ts("[key: string, element: string] | null"),
    ..LIST
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "blmove",
        handler: Some(blmove),
        arity: 6,
        flags: flag::WRITE | flag::DENYOOM | flag::BLOCKING,
        keys: MOVE,
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Pops an element from a list, pushes it to another list and returns it. Blocks \
            until an element is available otherwise. Deletes the list if the last element was \
            moved.",
        syntax: "source:key destination:key wherefrom(LEFT | RIGHT) whereto(LEFT | RIGHT) \
            timeout:double",
        reply: ts("string | null"),
        ..LIST
    },
    Command {
        name: "blmpop",
        handler: Some(blmpop),
        arity: -5,
        flags: flag::WRITE | flag::BLOCKING | flag::MOVABLEKEYS,
        keys: &[counted(2)],
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of \
            elements returned.",
        summary: "Pops the first element from one of multiple lists. Blocks until an element is \
            available otherwise. Deletes the list if the last element was popped.",
        syntax: "timeout:double numkeys:integer key:key... where(LEFT | RIGHT) \
            [COUNT count:integer]",
        reply: ts("[key: string, elements: string[]] | null"),
        ..LIST
    },
    Command {
        name: "blpop",
        handler: Some(blpop),
        summary: "Removes and returns the first element in a list. Blocks until an element is \
            available otherwise. Deletes the list if the last element was popped.",
        ..BLOCKING_POP
    },
    Command {
        name: "brpop",
        handler: Some(brpop),
        summary: "Removes and returns the last element in a list. Blocks until an element is \
            available otherwise. Deletes the list if the last element was popped.",
        ..BLOCKING_POP
    },
    Command {
        name: "brpoplpush",
        handler: Some(brpoplpush),
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM | flag::BLOCKING,
        keys: MOVE,
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Pops an element from a list, pushes it to another list and returns it. Block \
            until an element is available otherwise. Deletes the list if the last element was \
            popped.",
        syntax: "source:key destination:key timeout:double",
        reply: ts("string | null"),
        deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
        ..LIST
    },
    Command {
        name: "lmove",
        handler: Some(lmove),
        arity: 5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: MOVE,
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Returns an element after popping it from one list and pushing it to another. \
            Deletes the list if the last element was moved.",
        syntax: "source:key destination:key wherefrom(LEFT | RIGHT) whereto(LEFT | RIGHT)",
        reply: ts("string | null"),
        ..LIST
    },
    Command {
        name: "lmpop",
        handler: Some(lmpop),
        arity: -4,
        flags: flag::WRITE | flag::MOVABLEKEYS,
        keys: &[counted(1)],
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of \
            elements returned.",
        summary: "Returns multiple elements from a list after removing them. Deletes the list if \
            the last element was popped.",
        syntax: "numkeys:integer key:key... where(LEFT | RIGHT) [COUNT count:integer]",
        reply: ts("[key: string, elements: string[]] | null"),
        ..LIST
    },
    Command {
        name: "lpos",
        handler: Some(lpos),
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::at(1, key::RO | key::ACCESS)],
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements in the list, for the average case. \
            When searching for elements near the head or the tail of the list, or when the MAXLEN \
            option is provided, the command may run in constant time.",
        summary: "Returns the index of matching elements in a list.",
        syntax: "key:key element [RANK rank:integer] [COUNT num-matches:integer] \
            [MAXLEN len:integer]",
        reply: ts("With<S, \"COUNT\", number[], number | null>"),
        ..LIST
    },
    Command {
        name: "rpoplpush",
        handler: Some(rpoplpush),
        arity: 3,
        flags: flag::WRITE | flag::DENYOOM,
        keys: MOVE,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Returns the last element of a list after removing and pushing it to another \
            list. Deletes the list if the last element was popped.",
        syntax: "source:key destination:key",
        reply: ts("string | null"),
        deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
        ..LIST
    },
];

fn end(args: &mut Args<'_>) -> Result<End, Error> {
    if args.accept("LEFT") {
        Ok(End::Left)
    } else if args.accept("RIGHT") {
        Ok(End::Right)
    } else {
        Err(Error::SYNTAX)
    }
}

fn lmove(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (source, destination) = (args.take()?, args.take()?);
    let (from, to) = (end(args)?, end(args)?);
    if move_element(c, source, destination, (from, to), out)? {
        c.changed();
    } else {
        out.null();
    }
    Ok(())
}

fn rpoplpush(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (source, destination) = (args.take()?, args.take()?);
    if move_element(c, source, destination, (End::Right, End::Left), out)? {
        c.changed();
    } else {
        out.null();
    }
    Ok(())
}

/// Moves one element and answers it; whether there was one. Logs nothing.
fn move_element(
    c: &mut Ctx<'_>,
    source: &[u8],
    destination: &[u8],
    (from, to): (End, End),
    out: &mut Writer<'_>,
) -> Result<bool, Error> {
    let limits = c.limits();
    if c.get_mut::<List>(source)?.is_none() {
        return Ok(false);
    }
    c.get_mut::<List>(destination)?;
    let mut element = Vec::new();
    if let Some(list) = c.get_mut::<List>(source)? {
        list.pop(from, limits, |item| item.with_bytes(|bytes| element.extend_from_slice(bytes)));
    }
    c.get_or_create::<List>(destination)?.push(to, &[&element], limits);
    c.modified(class::LIST, to.push_name(), destination);
    c.modified(class::LIST, from.pop_name(), source);
    c.remove_if_empty(source);
    out.bulk(&element);
    Ok(true)
}

fn blmove(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (source, destination) = (args.take()?, args.take()?);
    let ends = (end(args)?, end(args)?);
    let timeout = Timeout::seconds(args.take()?, c.now_ms())?;
    if !move_element(c, source, destination, ends, out)? {
        return c.block(&[source], BlockOn::List, timeout, Nothing::Element, out);
    }
    let name = |end| if end == End::Left { b"LEFT".as_slice() } else { b"RIGHT" };
    c.effect(&[b"LMOVE", source, destination, name(ends.0), name(ends.1)]);
    Ok(())
}

fn brpoplpush(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (source, destination) = (args.take()?, args.take()?);
    let timeout = Timeout::seconds(args.take()?, c.now_ms())?;
    if !move_element(c, source, destination, (End::Right, End::Left), out)? {
        return c.block(&[source], BlockOn::List, timeout, Nothing::Element, out);
    }
    c.effect(&[b"RPOPLPUSH", source, destination]);
    Ok(())
}

fn blpop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    blocking_pop(c, args, out, End::Left)
}

fn brpop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    blocking_pop(c, args, out, End::Right)
}

fn blocking_pop(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    end: End,
) -> Result<(), Error> {
    let Some((timeout, keys)) = args.rest().split_last() else { return Err(Error::SYNTAX) };
    let timeout = Timeout::seconds(timeout, c.now_ms())?;
    for key in keys {
        if c.get_mut::<List>(key)?.is_some() {
            out.array(2);
            out.bulk(key);
            take(c, key, end, 1, out)?;
            c.effect(&[pop_command(end), key]);
            return Ok(());
        }
    }
    c.block(keys, BlockOn::List, timeout, Nothing::NullArray, out)
}

fn pop_command(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LPOP",
        End::Right => b"RPOP",
    }
}

fn lmpop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let many = Many::parse(args)?;
    if !many.pop(c, out)? {
        out.null_array();
    }
    Ok(())
}

fn blmpop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let timeout = Timeout::seconds(args.take()?, c.now_ms())?;
    let many = Many::parse(args)?;
    if many.pop(c, out)? {
        return Ok(());
    }
    c.block(many.keys, BlockOn::List, timeout, Nothing::NullArray, out)
}

/// The arguments of LMPOP.
struct Many<'a> {
    keys: &'a [&'a [u8]],
    end: End,
    count: usize,
}

impl<'a> Many<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Self, Error> {
        let keys =
            args.take_counted(Error::fixed("ERR numkeys should be greater than 0"), Error::SYNTAX)?;
        let end = end(args)?;
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

    /// Answers elements of the first list that there is; whether there is one.
    fn pop(&self, c: &mut Ctx<'_>, out: &mut Writer<'_>) -> Result<bool, Error> {
        for key in self.keys {
            let Some(list) = c.get_mut::<List>(key)? else { continue };
            let count = self.count.min(list.len());
            out.array(2);
            out.bulk(key);
            out.array(count);
            take(c, key, self.end, count, out)?;
            let digits = &mut itoa::Buffer::new();
            c.effect(&[pop_command(self.end), key, digits.format(count).as_bytes()]);
            return Ok(true);
        }
        Ok(false)
    }
}

/// The options of LPOS.
struct Search {
    /// How many matches to pass over, and from which end to look.
    skip: u64,
    backwards: bool,
    /// 0: all.
    count: Option<usize>,
    /// How many elements to look at; 0: all.
    most: usize,
}

impl Search {
    fn parse(args: &mut Args<'_>) -> Result<Self, Error> {
        let mut search = Self { skip: 0, backwards: false, count: None, most: 0 };
        while args.len() >= 2 {
            if args.accept("RANK") {
                let rank = args.take_integer()?;
                if rank == i64::MIN {
                    return Err(Error::fixed(
                        "ERR value is out of range, value must between -9223372036854775807 and \
                         9223372036854775807",
                    ));
                }
                search.skip = rank.unsigned_abs().checked_sub(1).ok_or(Error::fixed(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the \
                     second ... or use negative to start from the end of the list",
                ))?;
                search.backwards = rank < 0;
            } else if args.accept("COUNT") {
                search.count = Some(not_negative(args, "ERR COUNT can't be negative")?);
            } else if args.accept("MAXLEN") {
                search.most = not_negative(args, "ERR MAXLEN can't be negative")?;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        args.finish()?;
        Ok(search)
    }

    /// The indexes of the elements that are `word`.
    fn run(&self, list: &List, word: &[u8]) -> Vec<usize> {
        let wanted = crate::engine::types::Item::of(word);
        let most = if self.most == 0 { usize::MAX } else { self.most };
        let enough = self.count.unwrap_or(1);
        let (mut skip, mut looked, mut found) = (self.skip, 0usize, Vec::new());
        let len = list.len();
        let look = |item| {
            let index = if self.backwards { len - 1 - looked } else { looked };
            looked += 1;
            if item == wanted {
                if skip > 0 {
                    skip -= 1;
                } else {
                    found.push(index);
                }
            }
            looked < most && (enough == 0 || found.len() < enough)
        };
        if self.backwards {
            list.visit_back(look);
        } else {
            list.visit(0, look);
        }
        found
    }
}

fn not_negative(args: &mut Args<'_>, error: &'static str) -> Result<usize, Error> {
    let value = args.take_integer_or(Error::fixed(error))?;
    let value = u64::try_from(value).map_err(|_| Error::fixed(error))?;
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}

fn lpos(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, element) = (args.take()?, args.take()?);
    let search = Search::parse(args)?;
    let found = c.read_as::<List>(key)?.map(|list| search.run(list, element));
    let found = found.unwrap_or_default();
    match (search.count, found.first()) {
        (None, Some(index)) => out.count(*index),
        (None, None) => out.null(),
        (Some(_), _) => {
            out.array(found.len());
            found.iter().for_each(|index| out.count(*index));
        }
    }
    Ok(())
}
