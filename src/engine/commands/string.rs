//! Group *string*.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "get",
    handler: Some(get),
    arity: 2,
    flags: flag::READONLY | flag::FAST,
    keys: &[KeySpec::at(1, key::RO | key::ACCESS)],
    group: Group::String,
    since: "1.0.0",
    complexity: "O(1)",
    summary: "Returns the string value of a key.",
    syntax: "key:key",
    reply: ts("string | null"),
    ..Command::BASE
}];

fn get(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    match c.read_string(args.take()?)? {
        Some(value) => value.with_bytes(|bytes| out.bulk(bytes)),
        None => out.null(),
    }
    Ok(())
}
