//! Group *generic*: OBJECT, what is known of a key beside its value.

use super::help;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::keyspace::Object;
use crate::engine::table::{Command, Group, KeySpec, acl, flag, key, ts};
use crate::engine::types::Value;
use crate::resp::Writer;

/// The integers from 0 to below this are one shared object each in Redis.
const SHARED_INTEGERS: i64 = 10_000;
/// The number of references that a shared object claims to have.
const SHARED_REFERENCES: i64 = i32::MAX as i64;

const SUBCOMMAND: Command = Command {
    arity: 3,
    flags: flag::READONLY,
    acl: acl::KEYSPACE,
    keys: &[KeySpec::at(2, key::RO)],
    since: "2.2.3",
    complexity: "O(1)",
    syntax: "key:key",
    tips: &["nondeterministic_output"],
    ..Command::BASE
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "object",
    arity: -2,
    group: Group::Generic,
    since: "2.2.3",
    complexity: "Depends on subcommand.",
    summary: "A container for object introspection commands.",
    subcommands: &[
        Command {
            name: "encoding",
            handler: Some(encoding),
            summary: "Returns the internal encoding of a Redis object.",
            reply: ts("string | null"),
            ..SUBCOMMAND
        },
        Command {
            name: "freq",
            handler: Some(freq),
            since: "4.0.0",
            summary: "Returns the logarithmic access frequency counter of a Redis object.",
            reply: ts("number | null"),
            ..SUBCOMMAND
        },
        Command {
            name: "help",
            handler: Some(help),
            arity: 2,
            flags: flag::LOADING | flag::STALE,
            acl: acl::KEYSPACE,
            since: "6.2.0",
            complexity: "O(1)",
            summary: "Returns helpful text about the different subcommands.",
            reply: ts("string[] @bytes string[]"),
            ..Command::BASE
        },
        Command {
            name: "idletime",
            handler: Some(idletime),
            summary: "Returns the time since the last access to a Redis object.",
            reply: ts("number | null"),
            ..SUBCOMMAND
        },
        Command {
            name: "refcount",
            handler: Some(refcount),
            summary: "Returns the reference count of a value of a key.",
            reply: ts("number | null"),
            ..SUBCOMMAND
        },
    ],
    ..Command::BASE
}];

/// What the key holds; that is not a use of the key, and no miss is published.
fn find<'c>(c: &'c mut Ctx<'_>, args: &mut Args<'_>) -> Result<Option<&'c Object>, Error> {
    let (key, db) = (args.take()?, c.db_index());
    let found = c.lookup_in(db, key).is_some();
    c.engine.stats.count_lookup(found);
    Ok(c.seen(key))
}

fn encoding(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    match find(c, args)? {
        Some(object) => out.bulk(object.value.encoding().as_bytes()),
        None => out.null(),
    }
    Ok(())
}

fn freq(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (now_s, maxmemory) = (c.engine.now_s(), c.engine.config.maxmemory);
    match find(c, args)?.map(Object::last_use) {
        None => out.null(),
        Some(last_use) if maxmemory.policy.is_lfu() => {
            out.integer(last_use.frequency(now_s, maxmemory.lfu_decay_time).into());
        }
        Some(_) => {
            return Err(Error::fixed(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. \
                 Please note that when switching between policies at runtime LRU and LFU data \
                 will take some time to adjust.",
            ));
        }
    }
    Ok(())
}

fn idletime(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (now_s, maxmemory) = (c.engine.now_s(), c.engine.config.maxmemory);
    match find(c, args)?.map(Object::last_use) {
        None => out.null(),
        Some(last_use) if !maxmemory.policy.is_lfu() => {
            out.integer(last_use.idle_s(now_s).into());
        }
        Some(_) => {
            return Err(Error::fixed(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that \
                 when switching between policies at runtime LRU and LFU data will take some time \
                 to adjust.",
            ));
        }
    }
    Ok(())
}

fn refcount(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    match find(c, args)?.map(|object| &object.value) {
        Some(Value::String(string)) if string.encoding() == "int" => {
            let shared =
                string.integer().is_some_and(|value| (0..SHARED_INTEGERS).contains(&value));
            out.integer(if shared { SHARED_REFERENCES } else { 1 });
        }
        Some(_) => out.integer(1),
        None => out.null(),
    }
    Ok(())
}

fn help(_c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "OBJECT",
        &[
            "ENCODING <key>",
            "    Return the kind of internal representation used in order to store the value",
            "    associated with a <key>.",
            "FREQ <key>",
            "    Return the access frequency index of the <key>. The returned integer is",
            "    proportional to the logarithm of the recent access frequency of the key.",
            "IDLETIME <key>",
            "    Return the idle time of the <key>, that is the approximated number of",
            "    seconds elapsed since the last access to the key.",
            "REFCOUNT <key>",
            "    Return the number of references of the value associated with the specified",
            "    <key>.",
        ],
    );
    Ok(())
}
