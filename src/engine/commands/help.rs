//! What `HELP` of a container answers.

use crate::engine::args::Args;
use crate::engine::error::Error;
use crate::resp::Writer;

/// Writes the lines of a container's help between Redis's first and last ones.
pub(super) fn write(out: &mut Writer<'_>, container: &str, lines: &[&str]) {
    out.array(lines.len() + 3);
    out.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    lines.iter().for_each(|line| out.simple(line));
    out.simple("HELP");
    out.simple("    Prints this help.");
}

/// The error for a subcommand with arguments that its arity allows, but nothing else does.
pub(in crate::engine) fn wrong_subcommand(args: &Args<'_>) -> Error {
    let words = args.argv();
    let [container, name, ..] = words else { return Error::SYNTAX };
    let shown = String::from_utf8_lossy(&name[..name.len().min(128)]);
    let container = String::from_utf8_lossy(container).to_ascii_uppercase();
    Error::new(format!(
        "ERR unknown subcommand or wrong number of arguments for '{shown}'. Try {container} HELP."
    ))
}
