//! Group *list*: putting in, taking out, reading, removing.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::list::{End, List};
use crate::resp::Writer;

pub(super) const LIST: Command = Command { group: Group::List, ..Command::BASE };

const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];
const INSERT: &[KeySpec] = &[KeySpec::at(1, key::RW | key::INSERT)];
const TAKE: &[KeySpec] = &[KeySpec::at(1, key::RW | key::ACCESS | key::DELETE)];
const PUSH: Command = Command {
    flags: flag::WRITE | flag::DENYOOM | flag::FAST,
    keys: INSERT,
    arity: -3,
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is called \
        with multiple arguments.",
    syntax: "key:key element...",
    reply: ts("number"),
    ..LIST
};
const POP: Command = Command {
    flags: flag::WRITE | flag::FAST,
    keys: TAKE,
    arity: -2,
    complexity: "O(N) where N is the number of elements returned",
    syntax: "key:key [count:integer]",
    reply: ts("string | string[] | null"),
    ..LIST
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "lindex",
        handler: Some(lindex),
        arity: 3,
        flags: flag::READONLY,
        keys: READ,
        since: "1.0.0",
        complexity: "O(N) where N is the number of elements to traverse to get to the element at \
            index. This makes asking for the first or the last element of the list O(1).",
        summary: "Returns an element from a list by its index.",
        syntax: "key:key index:integer",
        reply: ts("string | null"),
        ..LIST
    },
    Command {
        name: "linsert",
        handler: Some(linsert),
        arity: 5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: INSERT,
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements to traverse before seeing the value \
            pivot. This means that inserting somewhere on the left end on the list (head) can be \
            considered O(1) and inserting somewhere on the right end (tail) is O(N).",
        summary: "Inserts an element before or after another element in a list.",
        syntax: "key:key where(BEFORE | AFTER) pivot element",
        reply: ts("number"),
        ..LIST
    },
    Command {
        name: "llen",
        handler: Some(llen),
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::at(1, key::RO)],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the length of a list.",
        syntax: "key:key",
        reply: ts("number"),
        ..LIST
    },
    Command {
        name: "lpop",
        handler: Some(lpop),
        since: "1.0.0",
        summary: "Returns and removes one or more elements from the beginning of a list. Deletes \
            the list if the last element was popped.",
        reply: ts("string | null // string[] | null"),
        ..POP
    },
    Command {
        name: "lpush",
        handler: Some(lpush),
        since: "1.0.0",
        summary: "Prepends one or more elements to a list. Creates the key if it doesn't exist.",
        ..PUSH
    },
    Command {
        name: "lpushx",
        handler: Some(lpushx),
        since: "2.2.0",
        summary: "Prepends one or more elements to a list only when the list exists.",
        ..PUSH
    },
    Command {
        name: "lrange",
        handler: Some(lrange),
        arity: 4,
        flags: flag::READONLY,
        keys: READ,
        since: "1.0.0",
        complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, \
            from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in \
            the specified range.",
        summary: "Returns a range of elements from a list.",
        syntax: "key:key start:integer stop:integer",
        reply: ts("string[]"),
        ..LIST
    },
    Command {
        name: "lrem",
        handler: Some(lrem),
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::at(1, key::RW | key::DELETE)],
        since: "1.0.0",
        complexity: "O(N+M) where N is the length of the list and M is the number of elements \
            removed.",
        summary: "Removes elements from a list. Deletes the list if the last element was removed.",
        syntax: "key:key count:integer element",
        reply: ts("number"),
        ..LIST
    },
    Command {
        name: "lset",
        handler: Some(lset),
        arity: 4,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
        since: "1.0.0",
        complexity: "O(N) where N is the length of the list. Setting either the first or the last \
            element of the list is O(1).",
        summary: "Sets the value of an element in a list by its index.",
        syntax: "key:key index:integer element",
        reply: ts("\"OK\""),
        ..LIST
    },
    Command {
        name: "ltrim",
        handler: Some(ltrim),
        arity: 4,
        flags: flag::WRITE,
        keys: &[KeySpec::at(1, key::RW | key::DELETE)],
        since: "1.0.0",
        complexity: "O(N) where N is the number of elements to be removed by the operation.",
        summary: "Removes elements from both ends a list. Deletes the list if all elements were \
            trimmed.",
        syntax: "key:key start:integer stop:integer",
        reply: ts("\"OK\""),
        ..LIST
    },
    Command {
        name: "rpop",
        handler: Some(rpop),
        since: "1.0.0",
        summary: "Returns and removes one or more elements from the end of a list. Deletes the \
            list if the last element was popped.",
        reply: ts("string | null // string[] | null"),
        ..POP
    },
    Command {
        name: "rpush",
        handler: Some(rpush),
        since: "1.0.0",
        summary: "Appends one or more elements to a list. Creates the key if it doesn't exist.",
        ..PUSH
    },
    Command {
        name: "rpushx",
        handler: Some(rpushx),
        since: "2.2.0",
        summary: "Appends one or more elements to a list only when the list exists.",
        ..PUSH
    },
];

impl End {
    /// The event and the command of putting an element in here.
    pub(super) fn push_name(self) -> &'static str {
        match self {
            Self::Left => "lpush",
            Self::Right => "rpush",
        }
    }

    /// The command of putting an element in here, as it is logged.
    fn push_command(self) -> &'static [u8] {
        match self {
            Self::Left => b"LPUSH",
            Self::Right => b"RPUSH",
        }
    }

    /// The event and the command of taking an element out here.
    pub(super) fn pop_name(self) -> &'static str {
        match self {
            Self::Left => "lpop",
            Self::Right => "rpop",
        }
    }
}

/// The first and the last index of a range as numbers of elements: from, and up to before.
pub(super) fn bounds(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let from_end = |index: i64| if index < 0 { index.saturating_add(len as i64) } else { index };
    let start = usize::try_from(from_end(start)).unwrap_or(0);
    let stop = from_end(stop).saturating_add(1);
    let end = usize::try_from(stop).unwrap_or(0).min(len);
    if start >= end { (0, 0) } else { (start, end) }
}

fn lpush(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    push(c, args, out, End::Left, false)
}

fn rpush(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    push(c, args, out, End::Right, false)
}

fn lpushx(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    push(c, args, out, End::Left, true)
}

fn rpushx(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    push(c, args, out, End::Right, true)
}

fn push(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    end: End,
    only_existing: bool,
) -> Result<(), Error> {
    let key = args.take()?;
    if only_existing && c.get_mut::<List>(key)?.is_none() {
        out.integer(0);
        return Ok(());
    }
    let limits = c.limits();
    let list = c.get_or_create::<List>(key)?;
    list.push(end, args.rest(), limits);
    out.count(list.len());
    c.modified(class::LIST, end.push_name(), key);
    c.changed();
    Ok(())
}

fn lpop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    pop(c, args, out, End::Left)
}

fn rpop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    pop(c, args, out, End::Right)
}

fn pop(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>, end: End) -> Result<(), Error> {
    let key = args.take()?;
    if args.len() > 1 {
        let name = end.pop_name();
        return Err(Error::new(format!("ERR wrong number of arguments for '{name}' command")));
    }
    let count = if args.is_empty() { None } else { Some(args.take_count()?) };
    let Some(len) = c.get_mut::<List>(key)?.map(|list| list.len()) else {
        if count.is_some() {
            out.null_array();
        } else {
            out.null();
        }
        return Ok(());
    };
    match count {
        Some(0) => {
            out.array(0);
            return Ok(());
        }
        Some(count) => {
            out.array(count.min(len));
            take(c, key, end, count, out)?;
        }
        None => take(c, key, end, 1, out)?,
    }
    c.changed();
    Ok(())
}

/// Takes up to `count` elements out of the list at `key` and answers each; publishes the events.
pub(super) fn take(
    c: &mut Ctx<'_>,
    key: &[u8],
    end: End,
    count: usize,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let limits = c.limits();
    let mut undo = c.begin_undo(key);
    let Some(list) = c.get_mut::<List>(key)? else { return Ok(()) };
    for _ in 0..count.min(list.len()) {
        list.pop(end, limits, |item| {
            item.with_bytes(|bytes| {
                out.bulk(bytes);
                undo.add(bytes);
            });
        });
    }
    c.note_undo(end.push_command(), key, &undo);
    c.modified(class::LIST, end.pop_name(), key);
    c.remove_if_empty(key);
    Ok(())
}

fn llen(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.count(c.read_as::<List>(args.take()?)?.map_or(0, List::len));
    Ok(())
}

fn lindex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let Some(list) = c.read_as::<List>(args.take()?)? else {
        out.null();
        return Ok(());
    };
    match list.get(args.take_integer()?) {
        Some(item) => item.with_bytes(|bytes| out.bulk(bytes)),
        None => out.null(),
    }
    Ok(())
}

fn lrange(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, start, stop) = (args.take()?, args.take_integer()?, args.take_integer()?);
    let Some(list) = c.read_as::<List>(key)? else {
        out.array(0);
        return Ok(());
    };
    let (start, end) = bounds(start, stop, list.len());
    let mut left = end - start;
    out.array(left);
    if left > 0 {
        list.visit(start, |item| {
            item.with_bytes(|bytes| out.bulk(bytes));
            left -= 1;
            left > 0
        });
    }
    Ok(())
}

fn ltrim(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, start, stop) = (args.take()?, args.take_integer()?, args.take_integer()?);
    let limits = c.limits();
    if let Some(list) = c.get_mut::<List>(key)? {
        let len = list.len();
        let (start, end) = bounds(start, stop, len);
        list.trim(start, end, limits);
        c.modified(class::LIST, "ltrim", key);
        c.remove_if_empty(key);
        if end - start < len {
            c.changed();
        }
    }
    out.ok();
    Ok(())
}

fn lrem(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, count, element) = (args.take()?, args.take_integer()?, args.take()?);
    let limits = c.limits();
    let removed = c.get_mut::<List>(key)?.map_or(0, |list| list.remove(element, count, limits));
    if removed > 0 {
        c.modified(class::LIST, "lrem", key);
        c.remove_if_empty(key);
        c.changed();
    }
    out.count(removed);
    Ok(())
}

fn lset(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let limits = c.limits();
    let list = c.get_mut::<List>(key)?.ok_or(Error::NO_SUCH_KEY)?;
    let index = args.take_integer()?;
    if !list.set(index, args.take()?, limits) {
        return Err(Error::OUT_OF_RANGE);
    }
    c.modified(class::LIST, "lset", key);
    c.changed();
    out.ok();
    Ok(())
}

fn linsert(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let before = args.accept("BEFORE");
    if !before && !args.accept("AFTER") {
        return Err(Error::SYNTAX);
    }
    let (pivot, element, limits) = (args.take()?, args.take()?, c.limits());
    let Some(list) = c.get_mut::<List>(key)? else {
        out.integer(0);
        return Ok(());
    };
    if !list.insert(pivot, before, element, limits) {
        out.integer(-1);
        return Ok(());
    }
    out.count(list.len());
    c.modified(class::LIST, "linsert", key);
    c.changed();
    Ok(())
}
