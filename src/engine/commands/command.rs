//! COMMAND: what the command table says about itself.

use super::help;
use crate::engine::acl::{categories, category};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::describe;
use crate::engine::error::Error;
use crate::engine::glob::glob_match;
use crate::engine::registry::{self, Resolved, commands, every};
use crate::engine::table::{Command, Group, acl, flag, ts};
use crate::resp::Writer;

const COMMAND: Command = Command {
    flags: flag::LOADING | flag::STALE,
    acl: acl::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    ..Command::BASE
};

const UNORDERED: &[&str] = &["nondeterministic_output_order"];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "command",
    handler: Some(command),
    arity: -1,
    complexity: "O(N) where N is the total number of Redis commands",
    summary: "Returns detailed information about all commands.",
    reply: ts("CommandInfo[] @bytes CommandInfo<Uint8Array>[]"),
    tips: UNORDERED,
    subcommands: SUBCOMMANDS,
    ..COMMAND
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "count",
        handler: Some(count),
        arity: 2,
        complexity: "O(1)",
        summary: "Returns a count of commands.",
        reply: ts("number"),
        ..COMMAND
    },
    Command {
        name: "docs",
        handler: Some(docs),
        arity: -2,
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Returns documentary information about one, multiple or all commands.",
        syntax: "[command-name...]",
        reply: ts("Record<string, CommandDocs>"),
        tips: UNORDERED,
        ..COMMAND
    },
    Command {
        name: "getkeys",
        handler: Some(getkeys),
        arity: -3,
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extracts the key names from an arbitrary command.",
        syntax: "command [arg...]",
        reply: ts("string[]"),
        ..COMMAND
    },
    Command {
        name: "getkeysandflags",
        handler: Some(getkeysandflags),
        arity: -3,
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments to the command",
        summary: "Extracts the key names and access flags for an arbitrary command.",
        syntax: "command [arg...]",
        reply: ts("[key: string, flags: KeyFlag[]][]"),
        ..COMMAND
    },
    Command {
        name: "help",
        handler: Some(command_help),
        arity: 2,
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..COMMAND
    },
    Command {
        name: "info",
        handler: Some(info),
        arity: -2,
        complexity: "O(N) where N is the number of commands to look up",
        summary: "Returns information about one, multiple or all commands.",
        syntax: "[command-name...]",
        reply: ts("(CommandInfo | null)[] @bytes (CommandInfo<Uint8Array> | null)[]"),
        tips: UNORDERED,
        ..COMMAND
    },
    Command {
        name: "list",
        handler: Some(list),
        arity: -2,
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Redis commands",
        summary: "Returns a list of command names.",
        syntax: "[FILTERBY filterby(MODULE module-name | ACLCAT category | \
            PATTERN pattern:pattern)]",
        reply: ts("string[]"),
        tips: UNORDERED,
        ..COMMAND
    },
];

fn command(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.array(commands().count());
    commands().for_each(|command| describe::info(out, None, command));
    Ok(())
}

fn count(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.count(commands().count());
    Ok(())
}

fn info(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if args.is_empty() {
        return command(c, args, out);
    }
    out.array(args.len());
    for name in args.by_ref() {
        match c.engine.registry().find(name) {
            Some((container, command)) => describe::info(out, container, command),
            None => out.null(),
        }
    }
    Ok(())
}

fn docs(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let found: Vec<_> = if args.is_empty() {
        commands().map(|command| (None, command)).collect()
    } else {
        args.by_ref().filter_map(|name| c.engine.registry().find(name)).collect()
    };
    out.map(found.len());
    for (container, command) in found {
        out.bulk(registry::full_name(container, command).as_bytes());
        describe::docs(out, container, command);
    }
    Ok(())
}

fn list(_: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let names: Vec<String> = if args.is_empty() {
        every().into_iter().map(Resolved::full_name).collect()
    } else {
        if args.len() != 3 || !args.accept("FILTERBY") {
            return Err(Error::SYNTAX);
        }
        let (kind, wanted) = (args.take()?, args.take()?);
        let matches: &dyn Fn(&str, &Command) -> bool = match kind.to_ascii_lowercase().as_slice() {
            // There are no modules.
            b"module" => &|_, _| false,
            b"aclcat" => {
                let bit = category(wanted).unwrap_or(0);
                &move |_, command| categories(command) & bit != 0
            }
            b"pattern" => &|name, _| glob_match(wanted, name.as_bytes(), true),
            _ => return Err(Error::SYNTAX),
        };
        every()
            .into_iter()
            .map(|known| (known.full_name(), known.command))
            .filter(|(name, command)| matches(name, command))
            .map(|(name, _)| name)
            .collect()
    };
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name.as_bytes()));
    Ok(())
}

/// The keys of the command among the arguments, with the flags of their specifications.
fn keys_of<'a>(c: &Ctx<'_>, args: &mut Args<'a>) -> Result<Vec<(&'a [u8], u32)>, Error> {
    let argv = args.rest();
    let command =
        c.engine.registry().resolve(argv).ok_or(Error::fixed("ERR Invalid command specified"))?;
    if command.keys.is_empty() {
        return Err(Error::fixed("ERR The command has no key arguments"));
    }
    if !command.accepts(argv.len()) {
        return Err(Error::fixed("ERR Invalid number of arguments specified for command"));
    }
    command
        .key_positions(argv)
        .filter(|positions| !positions.is_empty() || command.has(flag::NO_MANDATORY_KEYS))
        .map(|positions| {
            let with_word = |(at, flags)| argv.get(at).map(|word| (*word, flags));
            positions.into_iter().filter_map(with_word).collect()
        })
        .ok_or(Error::fixed("ERR Invalid arguments specified for command"))
}

fn getkeys(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let keys = keys_of(c, args)?;
    out.array(keys.len());
    keys.iter().for_each(|(key, _)| out.bulk(key));
    Ok(())
}

fn getkeysandflags(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let keys = keys_of(c, args)?;
    out.array(keys.len());
    for (key, flags) in keys {
        out.array(2);
        out.bulk(key);
        describe::key_flags(out, flags);
    }
    Ok(())
}

fn command_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "COMMAND",
        &[
            "(no subcommand)",
            "    Return details about all Redis commands.",
            "COUNT",
            "    Return the total number of commands in this Redis server.",
            "LIST",
            "    Return a list of all commands in this Redis server.",
            "INFO [<command-name> ...]",
            "    Return details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "DOCS [<command-name> ...]",
            "    Return documentation details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "GETKEYS <full-command>",
            "    Return the keys from a full Redis command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Return the keys and the access flags from a full Redis command.",
        ],
    );
    Ok(())
}
