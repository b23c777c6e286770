//! Group *scripting*: EVAL and its like, and the cache of scripts.

use super::help;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::script;
use crate::engine::table::{Begin, Command, Find, Group, KeySpec, acl, flag, key, ts};
use crate::resp::Writer;

const COUNTED: Find = Find::Keynum { index: 0, first: 1, step: 1 };

/// What a script that may write has.
pub(super) const WRITING: Command = Command {
    arity: -3,
    flags: flag::NOSCRIPT
        | flag::STALE
        | flag::SKIP_MONITOR
        | flag::NO_MANDATORY_KEYS
        | flag::MOVABLEKEYS,
    acl: acl::SCRIPTING,
    keys: &[KeySpec {
        flags: key::RW | key::ACCESS | key::UPDATE,
        begin: Begin::Index(2),
        find: COUNTED,
    }],
    group: Group::Scripting,
    since: "2.6.0",
    complexity: "Depends on the script that is executed.",
    reply: ts("Reply"),
    ..Command::BASE
};

/// What a script that may only read has.
pub(super) const READING: Command = Command {
    flags: WRITING.flags | flag::READONLY,
    keys: &[KeySpec { flags: key::RO | key::ACCESS, begin: Begin::Index(2), find: COUNTED }],
    since: "7.0.0",
    ..WRITING
};

/// A subcommand of SCRIPT or FUNCTION.
pub(super) const SUBCOMMAND: Command = Command {
    arity: 2,
    flags: flag::NOSCRIPT,
    acl: acl::SCRIPTING,
    group: Group::Scripting,
    since: "2.6.0",
    complexity: "O(1)",
    ..Command::BASE
};

/// What every node of a cluster is asked for.
pub(super) const EVERYWHERE: &[&str] =
    &["request_policy:all_nodes", "response_policy:all_succeeded"];
/// What is asked for until somebody says yes.
pub(super) const SOMEWHERE: &[&str] =
    &["request_policy:all_shards", "response_policy:one_succeeded"];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "eval",
        handler: Some(script::eval),
        summary: "Executes a server-side Lua script.",
        syntax: "script numkeys:integer [key:key...] [arg...]",
        ..WRITING
    },
    Command {
        name: "evalsha",
        handler: Some(script::evalsha),
        summary: "Executes a server-side Lua script by SHA1 digest.",
        syntax: "sha1 numkeys:integer [key:key...] [arg...]",
        ..WRITING
    },
    Command {
        name: "evalsha_ro",
        handler: Some(script::evalsha_ro),
        summary: "Executes a read-only server-side Lua script by SHA1 digest.",
        syntax: "sha1 numkeys:integer [key:key...] [arg...]",
        ..READING
    },
    Command {
        name: "eval_ro",
        handler: Some(script::eval_ro),
        summary: "Executes a read-only server-side Lua script.",
        syntax: "script numkeys:integer [key:key...] [arg...]",
        ..READING
    },
    Command {
        name: "script",
        arity: -2,
        group: Group::Scripting,
        since: "2.6.0",
        complexity: "Depends on subcommand.",
        summary: "A container for Lua scripts management commands.",
        subcommands: SCRIPT,
        ..Command::BASE
    },
];

const SCRIPT: &[Command] = &[
    Command {
        name: "debug",
        handler: Some(script::debug),
        arity: 3,
        since: "3.2.0",
        summary: "Sets the debug mode of server-side Lua scripts.",
        syntax: "mode(YES | SYNC | NO)",
        reply: ts("\"OK\""),
        ..SUBCOMMAND
    },
    Command {
        name: "exists",
        handler: Some(script::exists),
        arity: -3,
        complexity: "O(N) with N being the number of scripts to check (so checking a single script \
            is an O(1) operation).",
        summary: "Determines whether server-side Lua scripts exist in the script cache.",
        syntax: "sha1...",
        reply: ts("(0 | 1)[]"),
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        ..SUBCOMMAND
    },
    Command {
        name: "flush",
        handler: Some(script::flush),
        arity: -2,
        complexity: "O(N) with N being the number of scripts in cache",
        summary: "Removes all server-side Lua scripts from the script cache.",
        syntax: "[flush-type(ASYNC | SYNC)]",
        reply: ts("\"OK\""),
        tips: EVERYWHERE,
        ..SUBCOMMAND
    },
    Command {
        name: "help",
        handler: Some(script_help),
        flags: flag::LOADING | flag::STALE,
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..SUBCOMMAND
    },
    Command {
        name: "kill",
        handler: Some(script::kill),
        flags: flag::NOSCRIPT | flag::ALLOW_BUSY,
        summary: "Terminates a server-side Lua script during execution.",
        reply: ts("\"OK\""),
        tips: SOMEWHERE,
        ..SUBCOMMAND
    },
    Command {
        name: "load",
        handler: Some(script::load),
        arity: 3,
        flags: flag::NOSCRIPT | flag::STALE,
        complexity: "O(N) with N being the length in bytes of the script body.",
        summary: "Loads a server-side Lua script to the script cache.",
        syntax: "script",
        reply: ts("string"),
        tips: EVERYWHERE,
        ..SUBCOMMAND
    },
];

fn script_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Set the debug mode for subsequent scripts executed.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Return information about the existence of the scripts in the script cache.",
            "FLUSH [ASYNC|SYNC]",
            "    Flush the Lua scripts cache. Very dangerous on replicas.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the scripts cache.",
            "    * SYNC: Synchronously flush the scripts cache.",
            "KILL",
            "    Kill the currently executing Lua script.",
            "LOAD <script>",
            "    Load a script into the scripts cache without executing it.",
        ],
    );
    Ok(())
}
