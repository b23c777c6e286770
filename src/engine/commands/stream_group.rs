//! Group *stream*: consumer groups, and what is pending in them.

use super::help;
use super::stream::{STREAM, interval_id, strict_id};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, KeySpec, flag, key, ts};
use crate::engine::types::Stream;
use crate::engine::types::stream::{Group, StreamId};
use crate::resp::Writer;

const UPDATE: &[KeySpec] = &[KeySpec::at(1, key::RW | key::UPDATE)];
const GROUP_UPDATE: &[KeySpec] = &[KeySpec::at(2, key::RW | key::UPDATE)];
const GROUP: Command = Command {
    arity: 5,
    flags: flag::WRITE,
    keys: GROUP_UPDATE,
    since: "5.0.0",
    complexity: "O(1)",
    ..STREAM
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "xack",
        handler: Some(xack),
        arity: -4,
        flags: flag::WRITE | flag::FAST,
        keys: UPDATE,
        since: "5.0.0",
        complexity: "O(1) for each message ID processed.",
        summary: "Returns the number of messages that were successfully acknowledged by the \
            consumer group member of a stream.",
        syntax: "key:key group id...",
        reply: ts("number"),
        ..STREAM
    },
    Command {
        name: "xgroup",
        handler: None,
        arity: -2,
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for consumer groups commands.",
        subcommands: &[
            Command {
                name: "create",
                handler: Some(create),
                arity: -5,
                flags: flag::WRITE | flag::DENYOOM,
                keys: &[KeySpec::at(2, key::RW | key::INSERT)],
                summary: "Creates a consumer group.",
                syntax: "key:key group id-selector(id | new-id(\"$\")) [MKSTREAM] \
                    [ENTRIESREAD entries-read:integer]",
                reply: ts("\"OK\""),
                ..GROUP
            },
            Command {
                name: "createconsumer",
                handler: Some(createconsumer),
                flags: flag::WRITE | flag::DENYOOM,
                keys: &[KeySpec::at(2, key::RW | key::INSERT)],
                since: "6.2.0",
                summary: "Creates a consumer in a consumer group.",
                syntax: "key:key group consumer",
                reply: ts("0 | 1"),
                ..GROUP
            },
            Command {
                name: "delconsumer",
                handler: Some(delconsumer),
                keys: &[KeySpec::at(2, key::RW | key::DELETE)],
                summary: "Deletes a consumer from a consumer group.",
                syntax: "key:key group consumer",
                reply: ts("number"),
                ..GROUP
            },
            Command {
                name: "destroy",
                handler: Some(destroy),
                arity: 4,
                keys: &[KeySpec::at(2, key::RW | key::DELETE)],
                complexity: "O(N) where N is the number of entries in the group's pending entries \
                    list (PEL).",
                summary: "Destroys a consumer group.",
                syntax: "key:key group",
                reply: ts("0 | 1"),
                ..GROUP
            },
            Command {
                name: "help",
                handler: Some(group_help),
                arity: 2,
                flags: flag::LOADING | flag::STALE,
                keys: &[],
                summary: "Returns helpful text about the different subcommands.",
                reply: ts("string[] @bytes string[]"),
                ..GROUP
            },
            Command {
                name: "setid",
                handler: Some(setid),
                arity: -5,
                summary: "Sets the last-delivered ID of a consumer group.",
                syntax: "key:key group id-selector(id | new-id(\"$\")) \
                    [ENTRIESREAD entries-read:integer]",
                reply: ts("\"OK\""),
                ..GROUP
            },
        ],
        ..STREAM
    },
    Command {
        name: "xpending",
        handler: Some(xpending),
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::at(1, key::RO | key::ACCESS)],
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements returned, so asking for a small fixed \
            number of entries per call is O(1). O(M), where M is the total number of entries \
            scanned when used with the IDLE filter. When the command returns just the summary and \
            the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) \
            time for iterating every consumer.",
        summary: "Returns the information and entries from a stream consumer group's pending \
            entries list.",
        syntax: "key:key group [filters{[IDLE min-idle-time:integer] start end count:integer \
            [consumer]}]",
        reply: ts("PendingSummary // PendingEntry[]"),
        tips: &["nondeterministic_output"],
        ..STREAM
    },
];

/// The error when a key or a group is not there.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> Error {
    let parts: [&[u8]; 5] = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"];
    Error::new(parts.concat())
}

/// The group `name` of the stream at `key`, counted as a hit or miss of the key.
pub(super) fn read_group<'a>(
    c: &'a mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
) -> Result<&'a Group, Error> {
    let stream = c.read_as::<Stream>(key)?;
    stream.and_then(|stream| stream.groups.get(name)).ok_or_else(|| no_group(key, name))
}

/// The group `name` of the stream at `key`.
pub(super) fn group_mut<'a>(
    c: &'a mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
) -> Result<Option<&'a mut Group>, Error> {
    Ok(c.get_mut::<Stream>(key)?.and_then(|stream| stream.groups.get_mut(name)))
}

/// Logs how far a group has read.
pub(super) fn log_group_id(c: &mut Ctx<'_>, key: &[u8], name: &[u8]) -> Result<(), Error> {
    let Some(group) = group_mut(c, key, name)? else { return Ok(()) };
    let (id, read) = (group.last_id.to_vec(), group.entries_read);
    let read = read.map_or("-1".to_owned(), |read| read.to_string());
    c.effect(&[b"XGROUP", b"SETID", key, name, &id, b"ENTRIESREAD", read.as_bytes()]);
    Ok(())
}

/// Logs what an entry that is pending has come to, or that it is no longer pending.
pub(super) fn log_pending(
    c: &mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
    id: StreamId,
) -> Result<(), Error> {
    let Some(group) = group_mut(c, key, name)? else { return Ok(()) };
    let id_text = id.to_vec();
    let Some(pending) = group.pending.get(&id).cloned() else {
        c.effect(&[b"XACK", key, name, &id_text]);
        return Ok(());
    };
    let last = group.last_id.to_vec();
    let (time, count) = (pending.delivered_ms.to_string(), pending.deliveries.to_string());
    c.effect(&[
        b"XCLAIM",
        key,
        name,
        &pending.consumer,
        b"0",
        &id_text,
        b"TIME",
        time.as_bytes(),
        b"RETRYCOUNT",
        count.as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        &last,
    ]);
    Ok(())
}

/// Makes sure of a consumer, who has been seen; says so if it is new.
pub(super) fn see_consumer(
    c: &mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
    consumer: &[u8],
) -> Result<(), Error> {
    let now = c.now_ms();
    let Some(group) = group_mut(c, key, name)? else { return Ok(()) };
    let created = group.create_consumer(consumer, now);
    if let Some(consumer) = group.consumers.get_mut(consumer) {
        consumer.seen_ms = now;
    }
    if created {
        c.notify(class::STREAM, "xgroup-createconsumer", key);
        c.effect(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer]);
    }
    Ok(())
}

fn xack(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name) = (args.take()?, args.take()?);
    if !c.read_as::<Stream>(key)?.is_some_and(|stream| stream.groups.contains_key(name)) {
        out.integer(0);
        return Ok(());
    }
    let ids = args.map(|word| strict_id(word, 0)).collect::<Result<Vec<_>, _>>()?;
    let Some(group) = group_mut(c, key, name)? else { return Ok(()) };
    let acknowledged = ids.into_iter().filter(|id| group.acknowledge(*id)).count();
    if acknowledged > 0 {
        c.changed();
    }
    out.count(acknowledged);
    Ok(())
}

/// The options of XGROUP CREATE and SETID.
fn group_options(args: &mut Args<'_>, creates: bool) -> Result<(bool, Option<Option<u64>>), Error> {
    let (mut make, mut read) = (false, None);
    while !args.is_empty() {
        if creates && args.accept("MKSTREAM") {
            make = true;
        } else if args.len() > 1 && args.accept("ENTRIESREAD") {
            let value = args.take_integer()?;
            if value < -1 {
                return Err(Error::fixed("ERR value for ENTRIESREAD must be positive or -1"));
            }
            read = Some(u64::try_from(value).ok());
        } else {
            return Err(help::wrong_subcommand(args));
        }
    }
    Ok((make, read))
}

/// The counter of ENTRIESREAD: no more than were ever added, unless the log says so.
fn capped(read: Option<Option<u64>>, stream: Option<&Stream>, loading: bool) -> Option<u64> {
    let added = stream.map_or(0, |stream| stream.entries_added);
    read.flatten().map(|read| if loading { read } else { read.min(added) })
}

const NO_KEY: Error = Error::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use \
     the MKSTREAM option to create an empty stream automatically.",
);

/// Reads where a group begins: an id, or `$` for the end of the stream.
fn group_id(word: &[u8], stream: Option<&Stream>) -> Result<StreamId, Error> {
    match word {
        b"$" => Ok(stream.map_or(StreamId::MIN, |stream| stream.last_id)),
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => strict_id(word, 0),
    }
}

fn create(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name, id) = (args.take()?, args.take()?, args.take()?);
    let (make, read) = group_options(args, true)?;
    let loading = c.engine.is_repeating();
    let stream = c.get_mut::<Stream>(key)?;
    if stream.is_none() && !make {
        return Err(NO_KEY);
    }
    let id = group_id(id, stream.as_deref())?;
    if stream.as_ref().is_some_and(|stream| stream.groups.contains_key(name)) {
        return Err(Error::fixed("BUSYGROUP Consumer Group name already exists"));
    }
    let created = stream.is_none();
    let read = capped(read, stream.as_deref(), loading);
    let group = Group::new(id, read);
    c.get_or_create::<Stream>(key)?.groups.insert(name.to_vec(), group);
    if created {
        c.db().touch(key);
    }
    c.notify(class::STREAM, "xgroup-create", key);
    let (id, read) = (id.to_vec(), read.map_or("-1".to_owned(), |r| r.to_string()));
    let head: [&[u8]; 6] = [b"XGROUP", b"CREATE", key, name, &id, b"MKSTREAM"];
    c.effect(&[&head[..], &[b"ENTRIESREAD", read.as_bytes()]].concat());
    out.ok();
    Ok(())
}

/// A group that must be there, for the subcommands of XGROUP but CREATE.
fn existing<'a>(c: &'a mut Ctx<'_>, key: &[u8], name: &[u8]) -> Result<&'a mut Group, Error> {
    let stream = c.get_mut::<Stream>(key)?.ok_or(NO_KEY)?;
    stream.groups.get_mut(name).ok_or_else(|| {
        let parts: [&[u8]; 5] =
            [b"NOGROUP No such consumer group '", name, b"' for key name '", key, b"'"];
        Error::new(parts.concat())
    })
}

fn setid(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name, id) = (args.take()?, args.take()?, args.take()?);
    let (_, read) = group_options(args, false)?;
    existing(c, key, name)?;
    let loading = c.engine.is_repeating();
    let stream = c.get_mut::<Stream>(key)?;
    let id = group_id(id, stream.as_deref())?;
    let read = capped(read, stream.as_deref(), loading);
    let group = existing(c, key, name)?;
    (group.last_id, group.entries_read) = (id, read);
    c.notify(class::STREAM, "xgroup-setid", key);
    log_group_id(c, key, name)?;
    out.ok();
    Ok(())
}

fn destroy(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name) = (args.take()?, args.take()?);
    let stream = c.get_mut::<Stream>(key)?.ok_or(NO_KEY)?;
    let destroyed = stream.groups.remove(name).is_some();
    if destroyed {
        c.notify(class::STREAM, "xgroup-destroy", key);
        c.db().wake(key);
        c.changed();
    }
    out.integer(i64::from(destroyed));
    Ok(())
}

fn createconsumer(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name, consumer) = (args.take()?, args.take()?, args.take()?);
    let now = c.now_ms();
    let created = existing(c, key, name)?.create_consumer(consumer, now);
    if created {
        c.notify(class::STREAM, "xgroup-createconsumer", key);
        c.changed();
    }
    out.integer(i64::from(created));
    Ok(())
}

fn delconsumer(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name, consumer) = (args.take()?, args.take()?, args.take()?);
    let pending = existing(c, key, name)?.remove_consumer(consumer);
    if pending.is_some() {
        c.notify(class::STREAM, "xgroup-delconsumer", key);
        c.changed();
    }
    out.count(pending.unwrap_or(0));
    Ok(())
}

const HELP: &[&str] = &[
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
];

fn group_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(out, "XGROUP", HELP);
    Ok(())
}

fn xpending(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name) = (args.take()?, args.take()?);
    if !args.is_empty() {
        return xpending_entries(c, key, name, args, out);
    }
    let group = read_group(c, key, name)?;
    out.array(4);
    out.count(group.pending.len());
    let ends = [group.pending.first(), group.pending.last()];
    for end in ends {
        match end {
            Some((id, _)) => out.bulk(&id.to_vec()),
            None => out.null(),
        }
    }
    if group.pending.is_empty() {
        out.null_array();
        return Ok(());
    }
    let busy: Vec<_> = group.consumers.iter().filter(|(_, c)| !c.pending.is_empty()).collect();
    out.array(busy.len());
    for (consumer, state) in busy {
        out.array(2);
        out.bulk(consumer);
        out.bulk(state.pending.len().to_string().as_bytes());
    }
    Ok(())
}

fn xpending_entries(
    c: &mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    if !(3..=6).contains(&args.len()) {
        return Err(Error::SYNTAX);
    }
    let mut min_idle = 0;
    if args.accept("IDLE") {
        min_idle = args.take_integer()?;
        if args.len() < 3 {
            return Err(Error::SYNTAX);
        }
    }
    let (start, end, count) = (args.take()?, args.take()?, args.take_integer()?);
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    let (start, end) = (interval_id(start, true)?, interval_id(end, false)?);
    let consumer = args.next();
    let now = c.now_ms();
    let group = read_group(c, key, name)?;
    let found: Vec<_> = group
        .pending
        .from(&start)
        .take_while(|(id, _)| **id <= end)
        .filter(|(_, pending)| consumer.is_none_or(|name| *pending.consumer == *name))
        .filter(|(_, pending)| now.saturating_sub(pending.delivered_ms) >= min_idle)
        .take(count)
        .collect();
    out.array(found.len());
    for (id, pending) in found {
        out.array(4);
        out.bulk(&id.to_vec());
        out.bulk(&pending.consumer);
        out.integer(now.saturating_sub(pending.delivered_ms).max(0));
        out.integer(i64::try_from(pending.deliveries).unwrap_or(i64::MAX));
    }
    Ok(())
}
