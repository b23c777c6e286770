//! Group *stream*: consumer groups, and what is pending in them.

use super::help;
use super::stream::{INVALID_ID, STREAM, interval_id, reply_entry, strict_id};
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
        name: "xautoclaim",
        handler: Some(xautoclaim),
        arity: -6,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::DELETE)],
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        summary: "Changes, or acquires, ownership of messages in a consumer group, as if the \
            messages were delivered to as consumer group member.",
        syntax: "key:key group consumer min-idle-time start [COUNT count:integer] \
            [justid(\"JUSTID\")]",
        reply: ts("[next: string, entries: [id: string, fields: string[]][] | string[], \
            deleted: string[]]"),
        tips: &["nondeterministic_output"],
        ..STREAM
    },
    Command {
        name: "xclaim",
        handler: Some(xclaim),
        arity: -6,
        flags: flag::WRITE | flag::FAST,
        keys: UPDATE,
        since: "5.0.0",
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
        summary: "Changes, or acquires, ownership of a message in a consumer group, as if the \
            message was delivered a consumer group member.",
        syntax: "key:key group consumer min-idle-time id... [IDLE ms:integer] \
            [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [force(\"FORCE\")] \
            [justid(\"JUSTID\")] [LASTID lastid]",
        reply: ts("[id: string, fields: string[]][] | string[]"),
        tips: &["nondeterministic_output"],
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
                reply: ts("string[]"),
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
        reply: ts("Reply"),
        tips: &["nondeterministic_output"],
        ..STREAM
    },
];

/// The error when a key or a group is not there.
fn no_group(key: &[u8], group: &[u8]) -> Error {
    let parts: [&[u8]; 5] = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"];
    Error::new(parts.concat())
}

/// The group `name` of the stream at `key`, counted as a hit or miss of the key.
fn read_group<'a>(c: &'a mut Ctx<'_>, key: &[u8], name: &[u8]) -> Result<&'a Group, Error> {
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
    let stream = c.get_mut::<Stream>(key)?;
    if stream.is_none() && !make {
        return Err(NO_KEY);
    }
    let id = group_id(id, stream.as_deref())?;
    if stream.as_ref().is_some_and(|stream| stream.groups.contains_key(name)) {
        return Err(Error::fixed("BUSYGROUP Consumer Group name already exists"));
    }
    let created = stream.is_none();
    let group = Group::new(id, read.flatten());
    c.get_or_create::<Stream>(key)?.groups.insert(name.to_vec(), group);
    if created {
        c.db().touch(key);
    }
    c.notify(class::STREAM, "xgroup-create", key);
    let (id, read) = (id.to_vec(), read.flatten().map_or("-1".to_owned(), |r| r.to_string()));
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
    let id = group_id(id, c.get_mut::<Stream>(key)?.as_deref())?;
    let group = existing(c, key, name)?;
    group.last_id = id;
    group.entries_read = read.flatten();
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
    let ends = [group.pending.keys().next(), group.pending.keys().next_back()];
    for end in ends {
        match end {
            Some(id) => out.bulk(&id.to_vec()),
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
    let in_range = if start <= end { Some(group.pending.range(start..=end)) } else { None };
    let found: Vec<_> = in_range
        .into_iter()
        .flatten()
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

/// The arguments of XCLAIM after the ids.
#[derive(Default)]
struct Claim {
    /// Unix milliseconds.
    delivered_ms: Option<i64>,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

impl Claim {
    fn parse(args: &mut Args<'_>, now: i64) -> Result<Self, Error> {
        let integer = |args: &mut Args<'_>, name: &str| {
            let error = Error::new(format!("ERR Invalid {name} option argument for XCLAIM"));
            args.take_integer_or(error)
        };
        let mut claim = Self::default();
        while !args.is_empty() {
            let more = args.len() > 1;
            if args.accept("FORCE") {
                claim.force = true;
            } else if args.accept("JUSTID") {
                claim.just_id = true;
            } else if more && args.accept("IDLE") {
                claim.delivered_ms = Some(now.saturating_sub(integer(args, "IDLE")?));
            } else if more && args.accept("TIME") {
                claim.delivered_ms = Some(integer(args, "TIME")?);
            } else if more && args.accept("RETRYCOUNT") {
                claim.deliveries = u64::try_from(integer(args, "RETRYCOUNT")?).ok();
            } else if more && args.accept("LASTID") {
                claim.last_id = strict_id(args.take()?, 0)?;
            } else {
                let option = args.take()?;
                let parts: [&[u8]; 3] = [b"ERR Unrecognized XCLAIM option '", option, b"'"];
                return Err(Error::new(parts.concat()));
            }
        }
        Ok(claim)
    }
}

fn xclaim(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name, consumer) = (args.take()?, args.take()?, args.take()?);
    let now = c.now_ms();
    read_group(c, key, name)?;
    let min_idle =
        args.take_integer_or(Error::fixed("ERR Invalid min-idle-time argument for XCLAIM"))?.max(0);
    let mut ids = Vec::new();
    while let Some(id) = args.peek().and_then(|word| StreamId::parse(word, 0)) {
        ids.push(id);
        args.take()?;
    }
    if ids.is_empty() && args.is_empty() {
        return Err(INVALID_ID);
    }
    let claim = Claim::parse(args, now)?;
    see_consumer(c, key, name, consumer)?;
    // What is replayed may be of a clock that was ahead of this one.
    let latest = if c.engine.is_loading() { i64::MAX } else { now };
    let delivered = claim.delivered_ms.filter(|at| (0..=latest).contains(at)).unwrap_or(now);
    let group = group_mut(c, key, name)?.ok_or_else(|| no_group(key, name))?;
    let ahead = claim.last_id > group.last_id;
    if ahead {
        group.last_id = claim.last_id;
    }
    let mut claimed = Vec::new();
    for id in ids {
        match claim_one(c, key, name, id, (min_idle, claim.force))? {
            Claimed::Gone => log_pending(c, key, name, id)?,
            Claimed::Kept => {}
            Claimed::Free(deliveries) => {
                let more = deliveries.saturating_add(u64::from(!claim.just_id));
                let deliveries = claim.deliveries.unwrap_or(more);
                take_over(c, key, name, consumer, (id, delivered, deliveries))?;
                claimed.push(id);
            }
        }
    }
    if ahead && claimed.is_empty() {
        log_group_id(c, key, name)?;
    }
    reply_claimed(c, key, &claimed, claim.just_id, out)
}

/// What becomes of an entry that somebody claims.
enum Claimed {
    /// It was pending, but is no longer in the stream: it is pending no more.
    Gone,
    /// It stays with whom it was.
    Kept,
    /// It may be had; so often it was delivered.
    Free(u64),
}

fn claim_one(
    c: &mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
    id: StreamId,
    (min_idle, force): (i64, bool),
) -> Result<Claimed, Error> {
    let now = c.now_ms();
    let Some(stream) = c.get_mut::<Stream>(key)? else { return Ok(Claimed::Kept) };
    let exists = stream.contains(id);
    let Some(group) = stream.groups.get_mut(name) else { return Ok(Claimed::Kept) };
    let pending = group.pending.get(&id);
    Ok(match pending {
        Some(_) if !exists => {
            group.acknowledge(id);
            Claimed::Gone
        }
        Some(pending) if min_idle > 0 && now.saturating_sub(pending.delivered_ms) < min_idle => {
            Claimed::Kept
        }
        Some(pending) => Claimed::Free(pending.deliveries),
        None if force && exists => Claimed::Free(0),
        None => Claimed::Kept,
    })
}

/// Makes an entry pending for a consumer, and logs it.
pub(super) fn take_over(
    c: &mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
    consumer: &[u8],
    (id, delivered_ms, deliveries): (StreamId, i64, u64),
) -> Result<(), Error> {
    let now = c.now_ms();
    let Some(group) = group_mut(c, key, name)? else { return Ok(()) };
    group.deliver(id, consumer, delivered_ms, deliveries);
    if let Some(consumer) = group.consumers.get_mut(consumer) {
        consumer.active_ms = Some(now);
    }
    log_pending(c, key, name, id)
}

fn reply_claimed(
    c: &mut Ctx<'_>,
    key: &[u8],
    ids: &[StreamId],
    just_id: bool,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    out.array(ids.len());
    let Some(stream) = c.get_mut::<Stream>(key)? else { return Ok(()) };
    for id in ids {
        match stream.get(*id) {
            Some(entry) if !just_id => reply_entry(&entry, out),
            _ => out.bulk(&id.to_vec()),
        }
    }
    Ok(())
}

fn xautoclaim(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name, consumer) = (args.take()?, args.take()?, args.take()?);
    c.read(key);
    let min_idle = args
        .take_integer_or(Error::fixed("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?
        .max(0);
    let start = interval_id(args.take()?, true)?;
    let (mut count, mut just_id) = (100usize, false);
    while !args.is_empty() {
        if args.len() > 1 && args.accept("COUNT") {
            let error = Error::fixed("ERR COUNT must be > 0");
            let value = args.take_integer_or(error.clone())?;
            let value = usize::try_from(value).ok().filter(|value| *value > 0);
            count = value.filter(|value| *value <= isize::MAX as usize / 16).ok_or(error)?;
        } else if args.accept("JUSTID") {
            just_id = true;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let now = c.now_ms();
    let group = group_mut(c, key, name)?.ok_or_else(|| no_group(key, name))?;
    let attempts = count.saturating_mul(10);
    let mut looked: Vec<StreamId> =
        group.pending.range(start..).map(|(id, _)| *id).take(attempts.saturating_add(1)).collect();
    let beyond = if looked.len() > attempts { looked.pop() } else { None };
    see_consumer(c, key, name, consumer)?;
    let (mut claimed, mut gone, mut next) = (Vec::new(), Vec::new(), beyond);
    for id in looked {
        if claimed.len() + gone.len() == count {
            next = Some(id);
            break;
        }
        match claim_one(c, key, name, id, (min_idle, false))? {
            Claimed::Gone => {
                log_pending(c, key, name, id)?;
                gone.push(id);
            }
            Claimed::Kept => {}
            Claimed::Free(deliveries) => {
                let deliveries = deliveries.saturating_add(u64::from(!just_id));
                take_over(c, key, name, consumer, (id, now, deliveries))?;
                claimed.push(id);
            }
        }
    }
    out.array(3);
    out.bulk(&next.unwrap_or(StreamId::MIN).to_vec());
    reply_claimed(c, key, &claimed, just_id, out)?;
    out.array(gone.len());
    gone.iter().for_each(|id| out.bulk(&id.to_vec()));
    Ok(())
}
