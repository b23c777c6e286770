//! MODULE: there are none, and none can be loaded.

use super::help;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, flag, ts};
use crate::resp::Writer;

const MODULE: Command = Command {
    handler: Some(refuse),
    flags: flag::ADMIN | flag::NOSCRIPT | flag::NO_ASYNC_LOADING,
    group: Group::Server,
    since: "4.0.0",
    complexity: "O(1)",
    reply: ts("\"OK\""),
    ..Command::BASE
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "module",
    handler: None,
    arity: -2,
    flags: 0,
    complexity: "Depends on subcommand.",
    summary: "A container for module commands.",
    subcommands: SUBCOMMANDS,
    ..MODULE
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "help",
        handler: Some(module_help),
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..MODULE
    },
    Command {
        name: "list",
        handler: Some(list),
        arity: 2,
        flags: flag::ADMIN | flag::NOSCRIPT,
        complexity: "O(N) where N is the number of loaded modules.",
        summary: "Returns all loaded modules.",
        reply: ts("{ name: string; ver: number; path: string; args: string[] }[]"),
        tips: &["nondeterministic_output_order"],
        ..MODULE
    },
    Command {
        name: "load",
        arity: -3,
        summary: "Loads a module.",
        syntax: "path [arg...]",
        ..MODULE
    },
    Command {
        name: "loadex",
        arity: -3,
        since: "7.0.0",
        summary: "Loads a module using extended parameters.",
        syntax: "path [CONFIG configs{name value}].... [ARGS args{arg}]...",
        ..MODULE
    },
    Command { name: "unload", arity: 3, summary: "Unloads a module.", syntax: "name", ..MODULE },
];

fn list(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.array(0);
    Ok(())
}

/// What Redis answers where `enable-module-command` is what it is by default.
fn refuse(_: &mut Ctx<'_>, _: &mut Args<'_>, _: &mut Writer<'_>) -> Result<(), Error> {
    Err(Error::fixed(
        "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you \
         can run it from a local connection, otherwise you need to set this option in the \
         configuration file, and then restart the server.",
    ))
}

fn module_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "MODULE",
        &[
            "LIST",
            "    Return a list of loaded modules.",
            "LOAD <path> [<arg> ...]",
            "    Load a module library from <path>, passing to it any optional arguments.",
            "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
            "    Load a module library from <path>, while passing it module configurations and \
             optional arguments.",
            "UNLOAD <name>",
            "    Unload a module.",
        ],
    );
    Ok(())
}
