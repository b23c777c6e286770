//! Group *server*: who leads. Engines follow one another by their hosts, which no command changes.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, acl, flag, ts};
use crate::number::parse_integer;
use crate::resp::Writer;

const REPLICATION: Command = Command {
    flags: flag::ADMIN | flag::NOSCRIPT | flag::STALE,
    group: Group::Server,
    complexity: "O(1)",
    reply: ts("\"OK\""),
    ..Command::BASE
};

const REPLICAOF: Command = Command {
    name: "replicaof",
    handler: Some(replicaof),
    arity: 3,
    flags: REPLICATION.flags | flag::NO_ASYNC_LOADING,
    since: "5.0.0",
    summary: "Configures a server as replica of another, or promotes it to a master.",
    syntax: "args(host-port{host port:integer} | no-one{NO ONE})",
    ..REPLICATION
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "failover",
        handler: Some(failover),
        arity: -1,
        since: "6.2.0",
        summary: "Starts a coordinated failover from a server to one of its replicas.",
        syntax: "[TO target{host port:integer [FORCE]}] [ABORT] [TIMEOUT milliseconds:integer]",
        ..REPLICATION
    },
    REPLICAOF,
    Command {
        name: "role",
        handler: Some(role),
        arity: 1,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST,
        acl: acl::ADMIN | acl::DANGEROUS,
        since: "2.8.12",
        summary: "Returns the replication role.",
        reply: ts("Reply[]"),
        ..REPLICATION
    },
    Command {
        name: "slaveof",
        since: "1.0.0",
        summary: "Sets a Redis server as a replica of another, or promotes it to being a master.",
        deprecated: Some(("5.0.0", "`REPLICAOF`")),
        ..REPLICAOF
    },
];

/// Followers have no address, so that a leader names none.
fn role(c: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let offset = i64::try_from(c.engine.effects.offset()).unwrap_or(i64::MAX);
    if c.engine.is_follower() {
        out.array(5);
        out.bulk(b"slave");
        out.bulk(b"");
        out.integer(0);
        out.bulk(b"connected");
        out.integer(offset);
    } else {
        out.array(3);
        out.bulk(b"master");
        out.integer(offset);
        out.array(0);
    }
    Ok(())
}

fn replicaof(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (host, port) = (args.take()?, args.take()?);
    let is_no_one = host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one");
    if !is_no_one && !parse_integer(port).is_some_and(|port| (0..=65535).contains(&port)) {
        return Err(Error::fixed("ERR Invalid master port"));
    }
    if !is_no_one || c.engine.is_follower() {
        return Err(Error::fixed("ERR who leads is decided by the host, and not by REPLICAOF"));
    }
    out.ok();
    Ok(())
}

fn failover(c: &mut Ctx<'_>, args: &mut Args<'_>, _: &mut Writer<'_>) -> Result<(), Error> {
    if args.len() == 1 && args.accept("ABORT") {
        return Err(Error::fixed("ERR No failover in progress."));
    }
    let (mut has_timeout, mut has_target, mut is_forced) = (false, false, false);
    while !args.is_empty() {
        if !has_timeout && args.len() > 1 && args.accept("TIMEOUT") {
            if args.take_integer()? <= 0 {
                return Err(Error::fixed("ERR FAILOVER timeout must be greater than 0"));
            }
            has_timeout = true;
        } else if !has_target && args.len() > 2 && args.accept("TO") {
            args.take()?;
            args.take_integer()?;
            has_target = true;
        } else if !is_forced && args.accept("FORCE") {
            is_forced = true;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    if c.engine.is_follower() {
        return Err(Error::fixed("ERR FAILOVER is not valid when server is a replica."));
    }
    // Other tabs follow without an address, and decide among themselves who leads after this one.
    Err(Error::fixed("ERR FAILOVER requires connected replicas."))
}
