//! Group *cluster*: what a server answers that is not part of one (`cluster-enabled no`).

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, acl, flag, ts};
use crate::resp::Writer;

const CONNECTION: Command = Command {
    handler: Some(disabled),
    arity: 1,
    flags: flag::LOADING | flag::STALE | flag::FAST,
    acl: acl::CONNECTION,
    group: Group::Cluster,
    since: "3.0.0",
    complexity: "O(1)",
    reply: ts("Reply"),
    ..Command::BASE
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "asking",
        flags: flag::FAST,
        summary: "Signals that a cluster client is following an -ASK redirect.",
        reply: ts("never"),
        ..CONNECTION
    },
    Command {
        name: "cluster",
        handler: Some(cluster),
        arity: -2,
        flags: 0,
        acl: 0,
        complexity: "Depends on subcommand.",
        summary: "A container for Redis Cluster commands.",
        syntax: "subcommand [arg...]",
        ..CONNECTION
    },
    Command {
        name: "readonly",
        summary: "Enables read-only queries for a connection to a Redis Cluster replica node.",
        reply: ts("never"),
        ..CONNECTION
    },
    Command {
        name: "readwrite",
        summary: "Enables read-write queries for a connection to a Redis Cluster replica node.",
        reply: ts("never"),
        ..CONNECTION
    },
];

/// Every subcommand of CLUSTER with its arity. None does anything, and so none is declared.
const SUBCOMMANDS: &[(&str, i32)] = &[
    ("addslots", -3),
    ("addslotsrange", -4),
    ("bumpepoch", 2),
    ("count-failure-reports", 3),
    ("countkeysinslot", 3),
    ("delslots", -3),
    ("delslotsrange", -4),
    ("failover", -2),
    ("flushslots", 2),
    ("forget", 3),
    ("getkeysinslot", 4),
    ("help", 2),
    ("info", 2),
    ("keyslot", 3),
    ("links", 2),
    ("meet", -4),
    ("myid", 2),
    ("nodes", 2),
    ("replicas", 3),
    ("replicate", 3),
    ("reset", -2),
    ("saveconfig", 2),
    ("set-config-epoch", 3),
    ("setslot", -4),
    ("shards", 2),
    ("slaves", 3),
    ("slots", 2),
];

fn disabled(_: &mut Ctx<'_>, _: &mut Args<'_>, _: &mut Writer<'_>) -> Result<(), Error> {
    Err(Error::fixed("ERR This instance has cluster support disabled"))
}

fn cluster(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let words = args.argv().len();
    let name = args.take()?;
    let known = SUBCOMMANDS.iter().find(|known| name.eq_ignore_ascii_case(known.0.as_bytes()));
    let Some((name, arity)) = known else {
        let shown = String::from_utf8_lossy(&name[..name.len().min(128)]);
        return Err(Error::new(format!("ERR unknown subcommand '{shown}'. Try CLUSTER HELP.")));
    };
    if !(Command { arity: *arity, ..CONNECTION }).accepts(words) {
        let text = format!("ERR wrong number of arguments for 'cluster|{name}' command");
        return Err(Error::new(text));
    }
    disabled(c, args, out)
}
