//! Group *generic*: waiting for copies of what was written.

use crate::engine::args::Args;
use crate::engine::blocking::{BlockOn, Nothing, Timeout};
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, acl, flag, ts};
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "wait",
        handler: Some(wait),
        arity: 3,
        flags: flag::BLOCKING,
        acl: acl::CONNECTION,
        group: Group::Generic,
        since: "3.0.0",
        complexity: "O(1)",
        summary: "Blocks until the asynchronous replication of all preceding write commands sent \
            by the connection is completed.",
        syntax: "numreplicas:integer timeout:integer",
        reply: ts("number"),
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        ..Command::BASE
    },
    Command {
        name: "waitaof",
        handler: Some(waitaof),
        arity: 4,
        flags: flag::BLOCKING,
        acl: acl::CONNECTION,
        group: Group::Generic,
        since: "7.2.0",
        complexity: "O(1)",
        summary: "Blocks until all of the preceding write commands sent by the connection are \
            written to the append-only file of the master and/or replicas.",
        syntax: "numlocal:integer numreplicas:integer timeout:integer",
        reply: ts("[local: number, replicas: number]"),
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        ..Command::BASE
    },
];

/// There are no replicas: above 0, only the time can end it.
fn wait(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let replicas = args.take_integer()?;
    let timeout = Timeout::milliseconds(args.take()?, c.now_ms())?;
    if replicas <= 0 {
        out.integer(0);
        return Ok(());
    }
    c.block(&[], BlockOn::Timeout, timeout, Nothing::Replicas, out)
}

/// Waits for the log to have stored everything up to now, whoever wrote it.
fn waitaof(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let local = args.take_integer()?;
    if !(0..=1).contains(&local) {
        return Err(Error::fixed("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = args.take_count()?;
    let timeout = Timeout::milliseconds(args.take()?, c.now_ms())?;
    if local > 0 && !c.engine.config.append_only {
        return Err(Error::fixed(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    // A command that waits already is run again with the offset of the moment it came.
    let offset = c.durable_goal().unwrap_or_else(|| c.engine.effects.offset());
    let stored = c.engine.persistence.durable_offset >= offset;
    if replicas == 0 && (local == 0 || stored) {
        out.array(2);
        out.integer(i64::from(c.engine.config.append_only && stored));
        out.integer(0);
        return Ok(());
    }
    c.engine.persistence.want_durable(offset);
    let on = if replicas == 0 { BlockOn::Durable(offset) } else { BlockOn::Timeout };
    c.block(&[], on, timeout, Nothing::Stored(offset), out)
}
