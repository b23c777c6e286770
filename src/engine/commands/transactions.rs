//! Group *transactions*.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::key::Key;
use crate::engine::session::{Queue, WatchedKey};
use crate::engine::table::{Command, Group, KeySpec, acl, flag, key, ts};
use crate::resp::Writer;

const TRANSACTION: Command = Command {
    flags: flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::ALLOW_BUSY,
    acl: acl::TRANSACTION,
    group: Group::Transactions,
    ..Command::BASE
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "discard",
        handler: Some(discard),
        arity: 1,
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        summary: "Discards a transaction.",
        reply: ts("\"OK\""),
        ..TRANSACTION
    },
    Command {
        name: "exec",
        handler: Some(exec),
        arity: 1,
        flags: flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::SKIP_SLOWLOG,
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        summary: "Executes all commands in a transaction.",
        reply: ts("Reply[] | null"),
        ..TRANSACTION
    },
    Command {
        name: "multi",
        handler: Some(multi),
        arity: 1,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Starts a transaction.",
        reply: ts("\"OK\""),
        ..TRANSACTION
    },
    Command {
        name: "unwatch",
        handler: Some(unwatch),
        arity: 1,
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Forgets about watched keys of a transaction.",
        reply: ts("\"OK\""),
        ..TRANSACTION
    },
    Command {
        name: "watch",
        handler: Some(watch),
        arity: -2,
        keys: &[KeySpec::from(1, -1, 1, key::RO)],
        since: "2.2.0",
        complexity: "O(1) for every key.",
        summary: "Monitors changes to keys to determine the execution of a transaction.",
        syntax: "key:key...",
        reply: ts("\"OK\""),
        ..TRANSACTION
    },
];

fn multi(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let session = c.session();
    if session.queue.is_some() {
        return Err(Error::fixed("ERR MULTI calls can not be nested"));
    }
    session.queue = Some(Queue::default());
    out.ok();
    Ok(())
}

fn discard(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if c.session().queue.is_none() {
        return Err(Error::fixed("ERR DISCARD without MULTI"));
    }
    c.engine.discard(c.session_id);
    out.ok();
    Ok(())
}

fn exec(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let Some(queue) = c.session().queue.take() else {
        return Err(Error::fixed("ERR EXEC without MULTI"));
    };
    let touched = c.engine.is_touched(c.session_id);
    c.engine.discard(c.session_id);
    if queue.aborted {
        return Err(Error::fixed("EXECABORT Transaction discarded because of previous errors."));
    }
    if touched {
        out.null_array();
        return Ok(());
    }
    c.session().executing = true;
    out.array(queue.commands.len());
    for words in &queue.commands {
        let argv: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
        // It was resolved when it was queued, and the table does not change.
        match c.engine.resolve(&argv) {
            Ok(resolved) => match c.engine.admit_user(c.session_id, resolved, &argv) {
                Ok(()) => c.engine.run(c.session_id, resolved, &argv, out),
                Err(error) => {
                    c.engine.stats.count_error(error.code());
                    out.error(error.as_bytes());
                }
            },
            Err(error) => out.error(error.as_bytes()),
        }
    }
    c.session().executing = false;
    Ok(())
}

fn watch(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if c.session().queue.is_some() {
        return Err(Error::fixed("ERR WATCH inside MULTI is not allowed"));
    }
    let db = c.db_index();
    for key in args.by_ref() {
        let is_watched = |watch: &WatchedKey| watch.db == db && *watch.key == *key;
        if c.session().watched.iter().any(is_watched) {
            continue;
        }
        // A key past its time goes first: that it goes later is then no change.
        c.engine.expire_if_due(db, key);
        let version = c.db().watch(key);
        c.session().watched.push(WatchedKey { db, key: Key::from(key), version });
    }
    out.ok();
    Ok(())
}

fn unwatch(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    c.engine.unwatch(c.session_id);
    out.ok();
    Ok(())
}
