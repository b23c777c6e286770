//! SLOWLOG: the commands that took longest.

use super::help;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, flag, ts};
use crate::resp::Writer;

const SLOWLOG: Command = Command {
    arity: 2,
    flags: flag::ADMIN | flag::LOADING | flag::STALE,
    group: Group::Server,
    since: "2.2.12",
    ..Command::BASE
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "slowlog",
    arity: -2,
    flags: 0,
    complexity: "Depends on subcommand.",
    summary: "A container for slow log commands.",
    subcommands: SUBCOMMANDS,
    ..SLOWLOG
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "get",
        handler: Some(get),
        arity: -2,
        complexity: "O(N) where N is the number of entries returned",
        summary: "Returns the slow log's entries.",
        syntax: "[count:integer]",
        reply: ts("SlowlogEntry[]"),
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        ..SLOWLOG
    },
    Command {
        name: "help",
        handler: Some(slowlog_help),
        flags: flag::LOADING | flag::STALE,
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..SLOWLOG
    },
    Command {
        name: "len",
        handler: Some(len),
        complexity: "O(1)",
        summary: "Returns the number of entries in the slow log.",
        reply: ts("number"),
        tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        ..SLOWLOG
    },
    Command {
        name: "reset",
        handler: Some(reset),
        complexity: "O(N) where N is the number of entries in the slowlog",
        summary: "Clears all entries from the slow log.",
        reply: ts("\"OK\""),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..SLOWLOG
    },
];

fn get(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    const WRONG: Error = Error::fixed("ERR count should be greater than or equal to -1");
    let count = if args.is_empty() { 10 } else { args.take_integer_or(WRONG)? };
    if !args.is_empty() {
        return Err(help::wrong_subcommand(args));
    }
    let slow = &c.engine.timing.slow;
    let count = match count {
        -1 => slow.len(),
        _ => usize::try_from(count).map_err(|_| WRONG)?.min(slow.len()),
    };
    out.array(count);
    for entry in slow.iter().rev().take(count) {
        out.array(6);
        out.integer(entry.id);
        out.integer(entry.at_s);
        out.integer(entry.took_us);
        out.array(entry.words.len());
        entry.words.iter().for_each(|word| out.bulk(word));
        out.bulk(entry.address.as_bytes());
        out.bulk(&entry.name);
    }
    Ok(())
}

fn len(c: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.count(c.engine.timing.slow.len());
    Ok(())
}

fn reset(c: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    c.engine.timing.slow.clear();
    out.ok();
    Ok(())
}

fn slowlog_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
            "    Entries are made of:",
            "    id, timestamp, time in microseconds, arguments array, client IP and port,",
            "    client name",
            "LEN",
            "    Return the length of the slowlog.",
            "RESET",
            "    Reset the slowlog.",
        ],
    );
    Ok(())
}
