//! Group *generic*: keys, whatever they hold.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::glob::glob_match;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, acl, flag, key, ts};
use crate::resp::Writer;

const GENERIC: Command = Command { group: Group::Generic, acl: acl::KEYSPACE, ..Command::BASE };

const EVERY_KEY: &[KeySpec] = &[KeySpec::from(1, -1, 1, key::RO)];
const REMOVED_KEYS: &[KeySpec] = &[KeySpec::from(1, -1, 1, key::RM | key::DELETE)];
const SUMMED: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "copy",
        handler: Some(copy),
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::COPIES,
        keys: &[KeySpec::at(1, key::RO | key::ACCESS), KeySpec::at(2, key::OW | key::UPDATE)],
        since: "6.2.0",
        complexity: "O(N) worst case for collections, where N is the number of nested items. \
            O(1) for string values.",
        summary: "Copies the value of a key to a new key.",
        syntax: "source:key destination:key [DB destination-db:integer] [REPLACE]",
        reply: ts("0 | 1"),
        ..GENERIC
    },
    Command {
        name: "del",
        handler: Some(del),
        arity: -2,
        flags: flag::WRITE,
        keys: REMOVED_KEYS,
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys that will be removed. When a key to \
            remove holds a value other than a string, the individual complexity for this key is \
            O(M) where M is the number of elements in the list, set, sorted set or hash. Removing \
            a single key that holds a string value is O(1).",
        summary: "Deletes one or more keys.",
        syntax: "key:key...",
        reply: ts("number"),
        tips: SUMMED,
        ..GENERIC
    },
    Command {
        name: "exists",
        handler: Some(exists),
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: EVERY_KEY,
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys to check.",
        summary: "Determines whether one or more keys exist.",
        syntax: "key:key...",
        reply: ts("number"),
        tips: SUMMED,
        ..GENERIC
    },
    Command {
        name: "keys",
        handler: Some(keys),
        arity: 2,
        flags: flag::READONLY,
        acl: acl::KEYSPACE | acl::DANGEROUS,
        since: "1.0.0",
        complexity: "O(N) with N being the number of keys in the database, under the assumption \
            that the key names in the database and the given pattern have limited length.",
        summary: "Returns all key names that match a pattern.",
        syntax: "pattern:pattern",
        reply: ts("string[]"),
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        ..GENERIC
    },
    Command {
        name: "move",
        handler: Some(move_key),
        arity: 3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::ACCESS | key::UPDATE)],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Moves a key to another database.",
        syntax: "key:key db:integer",
        reply: ts("0 | 1"),
        ..GENERIC
    },
    Command {
        name: "randomkey",
        handler: Some(randomkey),
        arity: 1,
        flags: flag::READONLY,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns a random key name from the database.",
        reply: ts("string | null"),
        tips: &["request_policy:all_shards", "nondeterministic_output"],
        ..GENERIC
    },
    Command {
        name: "rename",
        handler: Some(rename),
        arity: 3,
        flags: flag::WRITE,
        keys: &[
            KeySpec::at(1, key::RW | key::ACCESS | key::DELETE),
            KeySpec::at(2, key::OW | key::UPDATE),
        ],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Renames a key and overwrites the destination.",
        syntax: "key:key newkey:key",
        reply: ts("\"OK\""),
        ..GENERIC
    },
    Command {
        name: "renamenx",
        handler: Some(renamenx),
        arity: 3,
        flags: flag::WRITE | flag::FAST,
        keys: &[
            KeySpec::at(1, key::RW | key::ACCESS | key::DELETE),
            KeySpec::at(2, key::OW | key::INSERT),
        ],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Renames a key only when the target key name doesn't exist.",
        syntax: "key:key newkey:key",
        reply: ts("0 | 1"),
        ..GENERIC
    },
    Command {
        name: "touch",
        handler: Some(touch),
        arity: -2,
        flags: flag::READONLY | flag::FAST,
        keys: EVERY_KEY,
        since: "3.2.1",
        complexity: "O(N) where N is the number of keys that will be touched.",
        summary: "Returns the number of existing keys out of those specified after updating the \
            time they were last accessed.",
        syntax: "key:key...",
        reply: ts("number"),
        tips: SUMMED,
        ..GENERIC
    },
    Command {
        name: "type",
        handler: Some(type_of),
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::at(1, key::RO)],
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Determines the type of value stored at a key.",
        syntax: "key:key",
        reply: ts("\"none\" | \"string\" | \"list\" | \"set\" | \"zset\" | \"hash\" | \"stream\""),
        ..GENERIC
    },
    Command {
        name: "unlink",
        handler: Some(unlink),
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: REMOVED_KEYS,
        since: "4.0.0",
        complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) \
            work in a different thread in order to reclaim memory, where N is the number of \
            allocations the deleted objects where composed of.",
        summary: "Asynchronously deletes one or more keys.",
        syntax: "key:key...",
        reply: ts("number"),
        tips: SUMMED,
        ..GENERIC
    },
];

fn del(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let lazy = c.engine.config.lazyfree.user_del;
    remove_all(c, args, lazy, out)
}

fn unlink(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    remove_all(c, args, true, out)
}

fn remove_all(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    lazy: bool,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let mut removed = 0;
    for key in args {
        if c.discard(key, lazy) {
            c.notify(class::GENERIC, "del", key);
            c.changed();
            removed += 1;
        }
    }
    out.count(removed);
    Ok(())
}

/// A key given twice counts twice.
fn exists(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let found = args.filter(|key| c.peek(key).is_some()).count();
    out.count(found);
    Ok(())
}

fn touch(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let found = args.filter(|key| c.touch(key).is_some()).count();
    out.count(found);
    Ok(())
}

fn type_of(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let name = c.peek(args.take()?).map_or("none", |object| object.value.type_name());
    out.simple(name);
    Ok(())
}

fn keys(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let pattern = args.take()?;
    let keys = c.engine.keyspace.db(c.db_index()).keys();
    let live = keys.iter().filter(|(_, object)| !c.engine.is_due(object)).map(|(key, _)| key);
    let mut found: Vec<&[u8]> = Vec::new();
    found.try_reserve_exact(keys.len()).map_err(|_| Error::OUT_OF_MEMORY)?;
    found.extend(live.filter(|key| pattern == b"*" || glob_match(pattern, key, false)));
    out.array(found.len());
    found.iter().for_each(|key| out.bulk(key));
    Ok(())
}

/// How many keys a follower takes at random before it looks at one after the other.
const RANDOM_TRIES: usize = 100;

fn randomkey(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let db = c.db_index();
    for tries in 0.. {
        let engine = &mut *c.engine;
        if tries == RANDOM_TRIES && engine.is_follower() {
            break;
        }
        let Some((key, object)) = engine.keyspace.db(db).keys().random(&mut engine.rng) else {
            break;
        };
        if !engine.is_due(object) {
            out.bulk(key);
            return Ok(());
        }
        // One key fewer, so this ends, unless it stays.
        let key = key.to_vec();
        engine.expire_if_due(db, &key);
    }
    let mut rest = c.engine.keyspace.db(db).keys().iter();
    match rest.find(|(_, object)| !c.engine.is_due(object)) {
        Some((key, _)) => out.bulk(key),
        None => out.null(),
    }
    Ok(())
}

/// The number of a database that exists.
fn take_db(c: &Ctx<'_>, args: &mut Args<'_>) -> Result<usize, Error> {
    let index = i32::try_from(args.take_integer()?).map_err(|_| {
        Error::fixed("ERR value is out of range, value must between -2147483648 and 2147483647")
    })?;
    let index = usize::try_from(index).ok().filter(|i| *i < c.engine.keyspace.databases());
    index.ok_or(Error::NO_SUCH_DATABASE)
}

const SAME_OBJECT: Error = Error::fixed("ERR source and destination objects are the same");

fn copy(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (from, to) = (args.take()?, args.take()?);
    let (mut db, mut replace) = (c.db_index(), false);
    while !args.is_empty() {
        if args.accept("REPLACE") {
            replace = true;
        } else if args.accept("DB") && !args.is_empty() {
            db = take_db(c, args)?;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    if db == c.db_index() && from == to {
        return Err(SAME_OBJECT);
    }
    let copied = c.read(from).cloned();
    let taken = copied.is_some() && c.lookup_in(db, to).is_some();
    let Some(object) = copied.filter(|_| replace || !taken) else {
        out.integer(0);
        return Ok(());
    };
    // In Redis the key that is replaced goes first, so that the copy counts as new.
    c.engine.remove_key(db, to, c.engine.config.lazyfree.server_del);
    let expires_at = object.expires_at();
    c.set_in(db, to, object.value, expires_at);
    c.notify_in(class::GENERIC, "copy_to", db, to);
    c.changed();
    out.integer(1);
    Ok(())
}

fn move_key(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, from) = (args.take()?, c.db_index());
    let to = take_db(c, args)?;
    if from == to {
        return Err(SAME_OBJECT);
    }
    let movable = c.locate(key).is_some() && c.lookup_in(to, key).is_none();
    if let Some(object) = movable.then(|| c.remove(key)).flatten() {
        let (expires_at, last_use) = (object.expires_at(), object.last_use());
        c.set_in(to, key, object.value, expires_at);
        c.engine.keyspace.db_mut(to).set_last_use(key, last_use);
        c.notify(class::GENERIC, "move_from", key);
        c.notify_in(class::GENERIC, "move_to", to, key);
        c.changed();
    }
    out.integer(i64::from(movable));
    Ok(())
}

fn rename(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (from, to) = (args.take()?, args.take()?);
    c.locate(from).ok_or(Error::NO_SUCH_KEY)?;
    if from != to {
        c.discard(to, c.engine.config.lazyfree.server_del);
        replace_name(c, from, to);
    }
    out.ok();
    Ok(())
}

fn renamenx(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (from, to) = (args.take()?, args.take()?);
    c.locate(from).ok_or(Error::NO_SUCH_KEY)?;
    let free = from != to && c.locate(to).is_none();
    if free {
        replace_name(c, from, to);
    }
    out.integer(i64::from(free));
    Ok(())
}

/// Gives what `from` holds the name `to`, which is free.
fn replace_name(c: &mut Ctx<'_>, from: &[u8], to: &[u8]) {
    let Some(object) = c.remove(from) else { return };
    let (expires_at, last_use) = (object.expires_at(), object.last_use());
    c.set(to, object.value, expires_at);
    c.db().set_last_use(to, last_use);
    c.notify(class::GENERIC, "rename_from", from);
    c.notify(class::GENERIC, "rename_to", to);
    c.changed();
}
