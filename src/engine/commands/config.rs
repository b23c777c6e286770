//! CONFIG.

use super::help;
use crate::collections::Sorted;
use crate::engine::args::Args;
use crate::engine::blocking::{BlockOn, Nothing, Timeout};
use crate::engine::config::{PARAMETERS, failed};
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::glob::glob_match;
use crate::engine::table::{Command, Group, flag, ts};
use crate::resp::Writer;

const CONFIG: Command = Command {
    flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
    group: Group::Server,
    since: "2.0.0",
    ..Command::BASE
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "config",
    arity: -2,
    flags: 0,
    complexity: "Depends on subcommand.",
    summary: "A container for server configuration commands.",
    subcommands: SUBCOMMANDS,
    ..CONFIG
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "get",
        handler: Some(get),
        arity: -3,
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Returns the effective values of configuration parameters.",
        syntax: "parameter{parameter}...",
        reply: ts("Record<string, string>"),
        ..CONFIG
    },
    Command {
        name: "help",
        handler: Some(config_help),
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..CONFIG
    },
    Command {
        name: "resetstat",
        handler: Some(resetstat),
        arity: 2,
        complexity: "O(1)",
        summary: "Resets the server's statistics.",
        reply: ts("\"OK\""),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..CONFIG
    },
    Command {
        name: "rewrite",
        handler: Some(rewrite),
        arity: 2,
        since: "2.8.0",
        complexity: "O(1)",
        summary: "Persists the effective configuration to file.",
        reply: ts("\"OK\""),
        ..CONFIG
    },
    Command {
        name: "set",
        handler: Some(set),
        arity: -4,
        complexity: "O(N) when N is the number of configuration parameters provided",
        summary: "Sets configuration parameters in-flight.",
        syntax: "data{parameter value}...",
        reply: ts("\"OK\""),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..CONFIG
    },
];

fn get(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let patterns = args.rest();
    let matches = |name: &str| patterns.iter().any(|p| glob_match(p, name.as_bytes(), true));
    let found: Vec<_> = PARAMETERS.iter().filter(|known| matches(known.name)).collect();
    let of_host = c.engine.host.settings().iter().filter(|(name, _)| matches(name));
    let of_host: Vec<&(String, String)> = of_host.collect();
    out.map(found.len() + of_host.len());
    for parameter in found {
        out.bulk(parameter.name.as_bytes());
        out.bulk(parameter.value(&c.engine.config).as_bytes());
    }
    for (name, value) in of_host {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    }
    Ok(())
}

fn set(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (pairs, rest) = args.rest().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Error::SYNTAX);
    }
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
    for (name, _) in &pairs {
        if c.engine.host.setting(name).is_some() {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let is_protected = name == "dir" || name == "dbfilename";
            let kind = if is_protected { "protected" } else { "immutable" };
            return Err(failed(&name, &format!("can't set {kind} config")));
        }
    }
    c.engine.config.change(&pairs)?;
    c.engine.users_changed(Some(c.session_id), None);
    c.engine.look_at_clients();
    c.engine.evict_soon();
    out.ok();
    Ok(())
}

/// The host writes the file, if it has one. Nobody else waits.
fn rewrite(c: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (goal, may_block) = (c.saves_goal(), c.may_block());
    let Some(file) = c.engine.host.file_mut() else {
        return Err(Error::fixed("ERR The server is running without a config file"));
    };
    if goal.is_some_and(|goal| file.done >= goal) {
        if let Some(why) = &file.error {
            return Err(Error::new(format!("ERR Rewriting config file: {why}")));
        }
        out.ok();
        return Ok(());
    }
    let goal = match goal {
        Some(goal) => goal,
        None if may_block => file.want(),
        None => file.done,
    };
    c.block(&[], BlockOn::Rewritten(goal), Timeout(None), Nothing::Unwritten, out)
}

fn resetstat(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    c.engine.lazyfree.reset_freed();
    c.engine.sessions.slow_dropped = 0;
    c.engine.timing.histograms = Sorted::default();
    c.engine.calls.reset();
    c.engine.stats.reset();
    out.ok();
    Ok(())
}

fn config_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "CONFIG",
        &[
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
        ],
    );
    Ok(())
}
