//! Group *scripting*: functions, which stay.

use super::help;
use super::scripting::{READING, SOMEWHERE, SUBCOMMAND, WRITING};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::script;
use crate::engine::table::{Command, Group, flag, ts};
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "fcall",
        handler: Some(script::fcall),
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        summary: "Invokes a function.",
        syntax: "function numkeys:integer [key:key...] [arg...]",
        ..WRITING
    },
    Command {
        name: "fcall_ro",
        handler: Some(script::fcall_ro),
        complexity: "Depends on the function that is executed.",
        summary: "Invokes a read-only function.",
        syntax: "function numkeys:integer [key:key...] [arg...]",
        ..READING
    },
    Command {
        name: "function",
        arity: -2,
        group: Group::Scripting,
        since: "7.0.0",
        complexity: "Depends on subcommand.",
        summary: "A container for function commands.",
        subcommands: FUNCTION,
        ..Command::BASE
    },
];

const CHANGING: Command = Command {
    flags: flag::WRITE | flag::NOSCRIPT,
    since: "7.0.0",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..SUBCOMMAND
};

const FUNCTION: &[Command] = &[
    Command {
        name: "delete",
        handler: Some(script::function_delete),
        arity: 3,
        summary: "Deletes a library and its functions.",
        syntax: "library-name",
        reply: ts("\"OK\""),
        ..CHANGING
    },
    Command {
        name: "dump",
        handler: Some(script::function_dump),
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        summary: "Dumps all libraries into a serialized binary payload.",
        reply: ts("string"),
        ..SUBCOMMAND
    },
    Command {
        name: "flush",
        handler: Some(script::function_flush),
        arity: -2,
        complexity: "O(N) where N is the number of functions deleted",
        summary: "Deletes all libraries and functions.",
        syntax: "[flush-type(ASYNC | SYNC)]",
        reply: ts("\"OK\""),
        ..CHANGING
    },
    Command {
        name: "help",
        handler: Some(function_help),
        flags: flag::LOADING | flag::STALE,
        since: "7.0.0",
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..SUBCOMMAND
    },
    Command {
        name: "kill",
        handler: Some(script::kill),
        flags: flag::NOSCRIPT | flag::ALLOW_BUSY,
        since: "7.0.0",
        summary: "Terminates a function during execution.",
        reply: ts("\"OK\""),
        tips: SOMEWHERE,
        ..SUBCOMMAND
    },
    Command {
        name: "list",
        handler: Some(script::function_list),
        arity: -2,
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        summary: "Returns information about all libraries.",
        syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
        reply: ts("FunctionLibrary<S>[]"),
        tips: &["nondeterministic_output_order"],
        ..SUBCOMMAND
    },
    Command {
        name: "load",
        handler: Some(script::function_load),
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::NOSCRIPT,
        complexity: "O(1) (considering compilation time is redundant)",
        summary: "Creates a library.",
        syntax: "[REPLACE] function-code",
        reply: ts("string"),
        ..CHANGING
    },
    Command {
        name: "restore",
        handler: Some(script::function_restore),
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::NOSCRIPT,
        complexity: "O(N) where N is the number of functions on the payload",
        summary: "Restores all libraries from a payload.",
        syntax: "serialized-value [policy(FLUSH | APPEND | REPLACE)]",
        reply: ts("\"OK\""),
        ..CHANGING
    },
    Command {
        name: "stats",
        handler: Some(script::function_stats),
        flags: flag::NOSCRIPT | flag::ALLOW_BUSY,
        since: "7.0.0",
        summary: "Returns information about a function during execution.",
        reply: ts("FunctionStats"),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        ..SUBCOMMAND
    },
];

fn function_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "FUNCTION",
        &[
            "LOAD [REPLACE] <FUNCTION CODE>",
            "    Create a new library with the given library name and code.",
            "DELETE <LIBRARY NAME>",
            "    Delete the given library.",
            "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            "    Return general information on all the libraries:",
            "    * Library name",
            "    * The engine used to run the Library",
            "    * Library description",
            "    * Functions list",
            "    * Library code (if WITHCODE is given)",
            "    It also possible to get only function that matches a pattern using LIBRARYNAME \
             argument.",
            "STATS",
            "    Return information about the current function running:",
            "    * Function name",
            "    * Command used to run the function",
            "    * Duration in MS that the function is running",
            "    If no function is running, return nil",
            "    In addition, returns a list of available engines.",
            "KILL",
            "    Kill the current running function.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all the libraries.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the libraries.",
            "    * SYNC: Synchronously flush the libraries.",
            "DUMP",
            "    Return a serialized payload representing the current libraries, can be restored \
             using FUNCTION RESTORE command",
            "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            "    Restore the libraries represented by the given payload, it is possible to give a \
             restore policy to",
            "    control how to handle existing libraries (default APPEND):",
            "    * FLUSH: delete all existing libraries.",
            "    * APPEND: appends the restored libraries to the existing libraries. On collision, \
             abort.",
            "    * REPLACE: appends the restored libraries to the existing libraries, On collision, \
             replace the old",
            "      libraries with the new libraries (notice that even on this option there is a \
             chance of failure",
            "      in case of functions name collision with another library).",
        ],
    );
    Ok(())
}
