//! SHUTDOWN.

use crate::engine::args::Args;
use crate::engine::blocking::{BlockOn, Nothing, Timeout};
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, flag, ts};
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "shutdown",
    handler: Some(shutdown),
    arity: -1,
    flags: flag::ADMIN
        | flag::NOSCRIPT
        | flag::LOADING
        | flag::STALE
        | flag::NO_MULTI
        | flag::ALLOW_BUSY,
    group: Group::Server,
    complexity: "O(N) when saving, where N is the total number of keys in all databases when saving \
        data, otherwise O(1)",
    summary: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
    syntax: "[save-selector(NOSAVE | SAVE)] [NOW] [FORCE] [ABORT]",
    reply: ts("\"OK\""),
    ..Command::BASE
}];

/// The host stores what is pending, and ends, after it has saved to its file, if there is one. Nobody lags
/// behind who would have to be waited for.
fn shutdown(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (mut nosave, mut save, mut force, mut abort, mut any) = (false, false, false, false, false);
    while !args.is_empty() {
        if args.accept("ABORT") {
            abort = true;
            continue;
        }
        any = true;
        if args.accept("NOSAVE") {
            nosave = true;
        } else if args.accept("SAVE") {
            save = true;
        } else if args.accept("FORCE") {
            force = true;
        } else if !args.accept("NOW") {
            return Err(Error::SYNTAX);
        }
    }
    if (abort && any) || (nosave && save) {
        return Err(Error::SYNTAX);
    }
    if abort {
        return Err(Error::fixed("ERR No shutdown in progress."));
    }
    if c.engine.persistence.write_error.is_some() && !force && !nosave {
        return Err(Error::fixed("ERR Errors trying to SHUTDOWN. Check logs."));
    }
    if !nosave && c.engine.host.rdb().is_some() && (save || !c.engine.config.save.is_empty()) {
        let saves = c.engine.saves();
        let Some(goal) = c.saves_goal() else {
            let goal = c.engine.want_save();
            return c.block(&[], BlockOn::Saved(goal), Timeout(None), Nothing::Unsaved, out);
        };
        if saves == goal && !force && c.engine.save_outcome("").is_err() {
            return Err(Error::fixed("ERR Errors trying to SHUTDOWN. Check logs."));
        }
    }
    c.engine.shutdown = true;
    // Connections end without a reply.
    if c.session().deny_blocking {
        out.ok();
    }
    Ok(())
}
