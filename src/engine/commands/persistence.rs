//! Group *server*: saving the keyspace.

use crate::engine::args::Args;
use crate::engine::blocking::{BlockOn, Nothing, Timeout};
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, acl, flag, ts};
use crate::resp::Writer;

const SAVING: Command = Command {
    flags: flag::ADMIN | flag::NOSCRIPT | flag::NO_ASYNC_LOADING,
    group: Group::Server,
    ..Command::BASE
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "bgrewriteaof",
        handler: Some(bgrewriteaof),
        arity: 1,
        complexity: "O(1)",
        summary: "Asynchronously rewrites the append-only file to disk.",
        reply: ts("string @bytes string"),
        ..SAVING
    },
    Command {
        name: "bgsave",
        handler: Some(bgsave),
        arity: -1,
        complexity: "O(1)",
        summary: "Asynchronously saves the database(s) to disk.",
        syntax: "[schedule(SCHEDULE)]",
        reply: ts("string @bytes string"),
        ..SAVING
    },
    Command {
        name: "lastsave",
        handler: Some(lastsave),
        arity: 1,
        flags: flag::LOADING | flag::STALE | flag::FAST,
        acl: acl::ADMIN | acl::DANGEROUS,
        complexity: "O(1)",
        summary: "Returns the Unix timestamp of the last successful save to disk.",
        reply: ts("number"),
        tips: &["nondeterministic_output"],
        ..SAVING
    },
    Command {
        name: "save",
        handler: Some(save),
        arity: 1,
        flags: SAVING.flags | flag::NO_MULTI | flag::BLOCKING,
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Synchronously saves the database(s) to disk.",
        reply: ts("\"OK\""),
        ..SAVING
    },
];

const NO_STORE: Error = Error::fixed("ERR there is no store to save to");
const SAVING_ALREADY: Error = Error::fixed("ERR Background save already in progress");

/// Without a fork there is one way to save: a new base, after which the log begins anew.
fn bgrewriteaof(c: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let status = &mut c.engine.persistence;
    if !status.attached {
        return Err(NO_STORE);
    }
    if status.rewriting {
        return Err(Error::fixed("ERR Background append only file rewriting already in progress"));
    }
    status.want_rewrite();
    out.simple("Background append only file rewriting started");
    Ok(())
}

fn bgsave(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let is_scheduled = args.accept("SCHEDULE");
    if !args.is_empty() {
        return Err(Error::SYNTAX);
    }
    if !c.engine.can_save() {
        return Err(NO_STORE);
    }
    let is_later = c.engine.is_saving();
    if is_later && !is_scheduled {
        return Err(SAVING_ALREADY);
    }
    c.engine.want_save();
    out.simple(if is_later { "Background saving scheduled" } else { "Background saving started" });
    Ok(())
}

fn lastsave(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let file = c.engine.host.rdb().map(|rdb| rdb.done_s);
    out.integer(file.unwrap_or(c.engine.persistence.last_save_s));
    Ok(())
}

/// Waits until a base, or the host's file, is stored, and with it everything up to now. Nobody else
/// waits.
fn save(c: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (goal, may_block) = (c.saves_goal(), c.may_block());
    let saves = c.engine.saves();
    if let Some(goal) = goal.filter(|goal| saves >= *goal) {
        if saves == goal {
            c.engine.save_outcome("ERR ")?;
        }
        out.ok();
        return Ok(());
    }
    if !c.engine.can_save() {
        return Err(NO_STORE);
    }
    let goal = match goal {
        Some(goal) => goal,
        None if c.engine.is_saving() => return Err(SAVING_ALREADY),
        None if may_block => c.engine.want_save(),
        None => saves + 1,
    };
    c.block(&[], BlockOn::Saved(goal), Timeout(None), Nothing::Unsaved, out)
}
