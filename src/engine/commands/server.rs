//! Group *server*: databases as a whole, time.

use super::connection::database;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::info;
use crate::engine::table::{Command, Group, acl, flag, ts};
use crate::engine::{Engine, REDIS_VERSION};
use crate::number::parse_integer;
use crate::resp::Writer;

const SERVER: Command = Command { group: Group::Server, ..Command::BASE };

const FLUSH: Command = Command {
    arity: -1,
    flags: flag::WRITE,
    acl: acl::KEYSPACE | acl::DANGEROUS,
    syntax: "[flush-type(ASYNC | SYNC)]",
    reply: ts("\"OK\""),
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..SERVER
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "dbsize",
        handler: Some(dbsize),
        arity: 1,
        flags: flag::READONLY | flag::FAST,
        acl: acl::KEYSPACE,
        complexity: "O(1)",
        summary: "Returns the number of keys in the database.",
        reply: ts("number"),
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        ..SERVER
    },
    Command {
        name: "flushall",
        handler: Some(flushall),
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Removes all keys from all databases.",
        ..FLUSH
    },
    Command {
        name: "flushdb",
        handler: Some(flushdb),
        complexity: "O(N) where N is the number of keys in the selected database",
        summary: "Removes all keys from the current database.",
        ..FLUSH
    },
    Command {
        name: "info",
        handler: Some(info),
        arity: -1,
        flags: flag::LOADING | flag::STALE,
        acl: acl::DANGEROUS,
        complexity: "O(1)",
        summary: "Returns information and statistics about the server.",
        syntax: "[section...]",
        reply: ts("string"),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        ..SERVER
    },
    Command {
        name: "lolwut",
        handler: Some(lolwut),
        arity: -1,
        flags: flag::READONLY | flag::FAST,
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Displays computer art and the Redis version.",
        syntax: "[VERSION version:integer]",
        reply: ts("string"),
        ..SERVER
    },
    Command {
        name: "swapdb",
        handler: Some(swapdb),
        arity: 3,
        flags: flag::WRITE | flag::FAST,
        acl: acl::KEYSPACE | acl::DANGEROUS,
        since: "4.0.0",
        complexity: "O(N) where N is the count of clients watching or blocking on keys from both \
            databases.",
        summary: "Swaps two Redis databases.",
        syntax: "index1:integer index2:integer",
        reply: ts("\"OK\""),
        ..SERVER
    },
    Command {
        name: "time",
        handler: Some(time),
        arity: 1,
        flags: flag::LOADING | flag::STALE | flag::FAST,
        since: "2.6.0",
        complexity: "O(1)",
        summary: "Returns the server time.",
        reply: ts("[seconds: string, microseconds: string]"),
        tips: &["nondeterministic_output"],
        ..SERVER
    },
];

fn dbsize(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.count(c.db().len());
    Ok(())
}

/// Whether what is flushed is to be freed in the ticks to come: ASYNC, SYNC, or as it is set.
fn take_flush_type(c: &Ctx<'_>, args: &mut Args<'_>) -> Result<bool, Error> {
    let is_async = args.accept("ASYNC");
    let is_sync = !is_async && args.accept("SYNC");
    args.finish()?;
    Ok(is_async || (!is_sync && c.engine.config.lazyfree.user_flush))
}

fn clear(engine: &mut Engine, db: usize, lazy: bool) {
    let keys = engine.keyspace.db_mut(db).clear();
    if lazy {
        engine.lazyfree.add_keys(keys);
    }
}

fn flushdb(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let lazy = take_flush_type(c, args)?;
    clear(c.engine, c.db_index(), lazy);
    c.effect(&[b"FLUSHDB"]);
    out.ok();
    Ok(())
}

fn flushall(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let lazy = take_flush_type(c, args)?;
    for index in 0..c.engine.keyspace.databases() {
        clear(c.engine, index, lazy);
    }
    c.effect(&[b"FLUSHALL"]);
    out.ok();
    Ok(())
}

fn swapdb(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let is_index = |index: &i64| i32::try_from(*index).is_ok();
    let mut take = |error| parse_integer(args.take()?).filter(is_index).ok_or(error);
    let first = take(Error::fixed("ERR invalid first DB index"))?;
    let second = take(Error::fixed("ERR invalid second DB index"))?;
    let (first, second) = (database(c, first)?, database(c, second)?);
    c.engine.keyspace.swap(first, second);
    c.changed();
    out.ok();
    Ok(())
}

/// The art would be larger than most commands: only the version comes, as from a version without art.
fn lolwut(_: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if args.len() > 1 && args.accept("VERSION") {
        args.take_integer()?;
    }
    out.verbatim("txt", format!("Redis ver. {REDIS_VERSION}\n").as_bytes());
    Ok(())
}

fn time(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let now_us = c.engine.now_us();
    out.array(2);
    out.bulk_integer(now_us.div_euclid(1_000_000));
    out.bulk_integer(now_us.rem_euclid(1_000_000));
    Ok(())
}

fn info(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let text = info::text(c.engine, args.rest());
    out.verbatim("txt", text.as_bytes());
    Ok(())
}
