//! MONITOR.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, flag, ts};
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "monitor",
    handler: Some(monitor),
    arity: -1,
    flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
    group: Group::Server,
    summary: "Listens for all requests received by the server in real-time.",
    complexity: "O(1)",
    reply: ts("\"OK\""),
    ..Command::BASE
}];

/// An embedded client goes on with other commands, and so has a way to end it: `MONITOR OFF`.
fn monitor(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let session = c.session();
    let (is_embedded, is_over) = (session.deny_blocking, args.accept("OFF"));
    if !args.is_empty() || (is_over && !is_embedded) {
        return Err(Error::fixed("ERR wrong number of arguments for 'monitor' command"));
    }
    if session.executing {
        return Err(Error::fixed("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if session.monitors && !is_embedded {
        // As Redis does: who monitors already is not even answered.
        return Ok(());
    }
    c.engine.set_monitor(c.session_id, !is_over);
    out.ok();
    Ok(())
}
