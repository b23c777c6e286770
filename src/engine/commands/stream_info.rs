//! Group *stream*: XINFO.

use super::help;
use super::stream::{STREAM, reply_entry, reply_range};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, KeySpec, flag, key, ts};
use crate::engine::types::Stream;
use crate::engine::types::stream::{Group, StreamId};
use crate::resp::Writer;

const INFO: Command = Command {
    arity: 3,
    flags: flag::READONLY,
    keys: &[KeySpec::at(2, key::RO | key::ACCESS)],
    since: "5.0.0",
    complexity: "O(1)",
    reply: ts("Reply"),
    ..STREAM
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "xinfo",
    handler: None,
    arity: -2,
    since: "5.0.0",
    complexity: "Depends on subcommand.",
    summary: "A container for stream introspection commands.",
    subcommands: &[
        Command {
            name: "consumers",
            handler: Some(consumers),
            arity: 4,
            summary: "Returns a list of the consumers in a consumer group.",
            syntax: "key:key group",
            tips: &["nondeterministic_output"],
            reply: ts("StreamConsumer[]"),
            ..INFO
        },
        Command {
            name: "groups",
            handler: Some(groups),
            summary: "Returns a list of the consumer groups of a stream.",
            syntax: "key:key",
            reply: ts("StreamGroup[]"),
            ..INFO
        },
        Command {
            name: "help",
            handler: Some(info_help),
            arity: 2,
            flags: flag::LOADING | flag::STALE,
            keys: &[],
            summary: "Returns helpful text about the different subcommands.",
            reply: ts("string[] @bytes string[]"),
            ..INFO
        },
        Command {
            name: "stream",
            handler: Some(stream),
            arity: -3,
            summary: "Returns information about a stream.",
            syntax: "key:key [FULL full-block{[COUNT count:integer]}]",
            reply: ts("With<S, \"FULL\", FullStreamInfo, StreamInfo>"),
            ..INFO
        },
    ],
    ..STREAM
}];

/// The stream at `key`, which must be there.
fn existing<'a>(c: &'a mut Ctx<'_>, key: &[u8]) -> Result<&'a Stream, Error> {
    c.read_as::<Stream>(key)?.ok_or(Error::NO_SUCH_KEY)
}

fn number(out: &mut Writer<'_>, name: &str, value: usize) {
    out.bulk(name.as_bytes());
    out.count(value);
}

fn id(out: &mut Writer<'_>, name: &str, id: StreamId) {
    out.bulk(name.as_bytes());
    out.bulk(&id.to_vec());
}

fn optional(out: &mut Writer<'_>, name: &str, value: Option<u64>) {
    out.bulk(name.as_bytes());
    match value {
        Some(value) => out.integer(i64::try_from(value).unwrap_or(i64::MAX)),
        None => out.null(),
    }
}

/// The fields that both forms of XINFO STREAM begin with. The nodes of Redis's tree are counted as
/// if each had one of its own, and one above them.
fn head(stream: &Stream, out: &mut Writer<'_>) {
    let nodes = stream.nodes().len();
    number(out, "length", stream.len());
    number(out, "radix-tree-keys", nodes);
    number(out, "radix-tree-nodes", nodes + 1);
    id(out, "last-generated-id", stream.last_id);
    id(out, "max-deleted-entry-id", stream.max_deleted_id);
    number(out, "entries-added", usize::try_from(stream.entries_added).unwrap_or(usize::MAX));
    id(out, "recorded-first-entry-id", stream.first_id());
}

fn stream(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    if args.is_empty() {
        let stream = existing(c, key)?;
        out.map(10);
        head(stream, out);
        number(out, "groups", stream.groups.len());
        for (name, reverse) in [("first-entry", false), ("last-entry", true)] {
            out.bulk(name.as_bytes());
            let mut found = false;
            stream.visit(StreamId::MIN, StreamId::MAX, reverse, |entry| {
                reply_entry(&entry, out);
                found = true;
                false
            });
            if !found {
                out.null();
            }
        }
        return Ok(());
    }
    if !args.accept("FULL") {
        return Err(help::wrong_subcommand(args));
    }
    let mut count = 10;
    if !args.is_empty() {
        if args.len() != 2 || !args.accept("COUNT") {
            return Err(help::wrong_subcommand(args));
        }
        count = match args.take_integer()? {
            value @ 0.. => usize::try_from(value).unwrap_or(usize::MAX),
            _ => 10,
        };
    }
    let count = if count == 0 { usize::MAX } else { count };
    let stream = existing(c, key)?;
    out.map(9);
    head(stream, out);
    out.bulk(b"entries");
    reply_range(stream, StreamId::MIN, StreamId::MAX, false, count, out);
    out.bulk(b"groups");
    out.array(stream.groups.len());
    for (name, group) in &stream.groups {
        full_group(stream, name, group, count, out);
    }
    Ok(())
}

fn full_group(stream: &Stream, name: &[u8], group: &Group, count: usize, out: &mut Writer<'_>) {
    out.map(7);
    out.bulk(b"name");
    out.bulk(name);
    id(out, "last-delivered-id", group.last_id);
    optional(out, "entries-read", group.entries_read);
    optional(out, "lag", stream.lag(group));
    number(out, "pel-count", group.pending.len());
    out.bulk(b"pending");
    out.array(group.pending.len().min(count));
    for (id, pending) in group.pending.iter().take(count) {
        out.array(4);
        out.bulk(&id.to_vec());
        out.bulk(&pending.consumer);
        out.integer(pending.delivered_ms);
        out.integer(i64::try_from(pending.deliveries).unwrap_or(i64::MAX));
    }
    out.bulk(b"consumers");
    out.array(group.consumers.len());
    for (name, consumer) in &group.consumers {
        out.map(5);
        out.bulk(b"name");
        out.bulk(name);
        out.bulk(b"seen-time");
        out.integer(consumer.seen_ms);
        out.bulk(b"active-time");
        out.integer(consumer.active_ms.unwrap_or(-1));
        number(out, "pel-count", consumer.pending.len());
        out.bulk(b"pending");
        out.array(consumer.pending.len().min(count));
        for id in consumer.pending.keys().take(count) {
            let pending = group.pending.get(id);
            out.array(3);
            out.bulk(&id.to_vec());
            out.integer(pending.map_or(0, |pending| pending.delivered_ms));
            out.integer(pending.map_or(0, |pending| pending.deliveries as i64));
        }
    }
}

fn groups(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let stream = existing(c, args.take()?)?;
    out.array(stream.groups.len());
    for (name, group) in &stream.groups {
        out.map(6);
        out.bulk(b"name");
        out.bulk(name);
        number(out, "consumers", group.consumers.len());
        number(out, "pending", group.pending.len());
        id(out, "last-delivered-id", group.last_id);
        optional(out, "entries-read", group.entries_read);
        optional(out, "lag", stream.lag(group));
    }
    Ok(())
}

fn consumers(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name) = (args.take()?, args.take()?);
    let now = c.now_ms();
    let group = existing(c, key)?.groups.get(name).ok_or_else(|| {
        let parts: [&[u8]; 5] =
            [b"NOGROUP No such consumer group '", name, b"' for key name '", key, b"'"];
        Error::new(parts.concat())
    })?;
    out.array(group.consumers.len());
    for (name, consumer) in &group.consumers {
        let since = |ms: i64| now.saturating_sub(ms).max(0);
        out.map(4);
        out.bulk(b"name");
        out.bulk(name);
        number(out, "pending", consumer.pending.len());
        out.bulk(b"idle");
        out.integer(since(consumer.seen_ms));
        out.bulk(b"inactive");
        out.integer(consumer.active_ms.map_or(-1, since));
    }
    Ok(())
}

const HELP: &[&str] = &[
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
];

fn info_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(out, "XINFO", HELP);
    Ok(())
}
