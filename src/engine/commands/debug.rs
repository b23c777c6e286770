//! DEBUG: what tests and tools ask of a server, as far as it makes sense here.

use super::help;
use crate::engine::Engine;
use crate::engine::args::Args;
use crate::engine::blocking::{BlockOn, Nothing, Timeout};
use crate::engine::config::DebugCommand;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::glob::glob_match;
use crate::engine::rdb::{self, Purpose};
use crate::engine::table::{Command, Group, flag, ts};
use crate::engine::types::{Sha, Value};
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "debug",
    handler: Some(debug),
    arity: -2,
    flags: flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE,
    group: Group::Server,
    complexity: "Depends on subcommand.",
    summary: "A container for debugging commands.",
    syntax: "subcommand [arg...]",
    reply: ts("Reply"),
    ..Command::BASE
}];

const NO_SUCH_KEY: Error = Error::fixed("ERR no such key");
const NOT_LOADED: Error = Error::fixed("ERR Error trying to load the RDB dump, check server logs.");

/// Whether the session may use it.
fn is_allowed(c: &mut Ctx<'_>) -> bool {
    let setting = c.engine.config.debug_command;
    let address = c.session().address.as_str();
    // What is embedded has no address, or that of a tab.
    let is_embedded = address.is_empty() || address.starts_with("tab:");
    match setting {
        DebugCommand::No => false,
        DebugCommand::Yes => true,
        DebugCommand::Local => {
            is_embedded || ["127.", "[::1]", "/"].iter().any(|local| address.starts_with(local))
        }
    }
}

fn debug(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if !is_allowed(c) {
        return Err(Error::fixed(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", \
             you can run it from a local connection, otherwise you need to set this option in the \
             configuration file, and then restart the server.",
        ));
    }
    let name = args.take()?.to_ascii_lowercase();
    match (name.as_slice(), args.rest()) {
        (b"help", []) => help::write(out, "DEBUG", HELP),
        (b"digest", []) => out.simple(&digest(c.engine).digits()),
        (b"digest-value", keys) => digest_values(c, keys, out),
        (b"object", [key] | [key, _]) => return object(c, key, out),
        (b"sleep", [seconds]) => return sleep(c, seconds, out),
        (b"set-active-expire", [on]) => {
            c.engine.active_expire = Timeout::seconds(on, 0).is_ok_and(|at| at.0.is_some());
            out.ok();
        }
        (b"reload", options) => {
            for option in options {
                let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
                if is("NOSAVE") {
                    return Err(NOT_LOADED);
                }
                if !is("MERGE") && !is("NOFLUSH") {
                    return Err(Error::fixed(
                        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                    ));
                }
            }
            reload(c.engine)?;
            out.ok();
        }
        (b"loadaof", []) => {
            reload(c.engine)?;
            out.ok();
        }
        (b"change-repl-id", []) => {
            c.engine.change_replication_id();
            out.ok();
        }
        (b"listpack", [key]) => {
            let db = c.db_index();
            let object = c.lookup_in(db, key).ok_or(NO_SUCH_KEY)?;
            if object.value.encoding() != "listpack" || matches!(object.value, Value::List(_)) {
                return Err(Error::fixed("ERR Not a listpack encoded object."));
            }
            out.simple("Listpack structure printed on stdout");
        }
        (b"quicklist-packed-threshold", [size]) => {
            // Elements of any length are packed.
            let size = crate::engine::config::parse_memory(size);
            if size.is_none_or(|size| size > 4 << 30) {
                return Err(Error::fixed(
                    "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
                ));
            }
            out.ok();
        }
        (b"stringmatch-len", [pattern, text]) => {
            out.integer(i64::from(glob_match(pattern, text, false)));
        }
        _ => return Err(help::wrong_subcommand(args)),
    }
    Ok(())
}

/// Of everything there is, whatever is past its time included.
fn digest(engine: &Engine) -> Sha {
    let mut all = Sha::default();
    for (index, db) in engine.keyspace.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        all.mix_number(u32::try_from(index).unwrap_or(u32::MAX));
        for (key, object) in db.keys().iter() {
            let mut digest = Sha::default();
            digest.mix(key);
            digest.mix_value(&object.value, object.expires_at().is_some());
            all.add_digest(digest);
        }
    }
    all
}

fn digest_values(c: &mut Ctx<'_>, keys: &[&[u8]], out: &mut Writer<'_>) {
    out.array(keys.len());
    for key in keys {
        let mut digest = Sha::default();
        let db = c.db_index();
        if let Some(object) = c.lookup_in(db, key) {
            digest.mix_value(&object.value, object.expires_at().is_some());
        }
        out.simple(&digest.digits());
    }
}

fn object(c: &mut Ctx<'_>, key: &[u8], out: &mut Writer<'_>) -> Result<(), Error> {
    /// What is in a payload beside the value: its type, a version and a checksum.
    const FRAME: usize = 11;
    let (db, now_s) = (c.db_index(), c.engine.now_s());
    let is_lfu = c.engine.config.maxmemory.policy.is_lfu();
    let object = c.lookup_in(db, key).ok_or(NO_SUCH_KEY)?;
    let value = &object.value;
    let idle_s = if is_lfu { 0 } else { object.last_use().idle_s(now_s) };
    let len = rdb::dump(value, Purpose::Travel).len().saturating_sub(FRAME);
    let (encoding, lru) = (value.encoding(), now_s.saturating_sub(idle_s) & 0x00ff_ffff);
    out.simple(&format!(
        "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{len} lru:{lru} \
         lru_seconds_idle:{idle_s}"
    ));
    Ok(())
}

/// Nothing ever stands still: everybody is paused instead, and who asked for it is answered then.
fn sleep(c: &mut Ctx<'_>, seconds: &[u8], out: &mut Writer<'_>) -> Result<(), Error> {
    let now = c.now_ms();
    // As in Redis, what is no time is none.
    let Some(until) = Timeout::seconds(seconds, now).ok().and_then(|timeout| timeout.0) else {
        out.ok();
        return Ok(());
    };
    c.engine.begin_pause(until, true);
    c.block(&[], BlockOn::Timeout, Timeout(Some(until)), Nothing::Ok, out)
}

/// Writes every value as in an RDB file, and reads it. Only if all of them can be read, and are what they
/// were, does what was read take their places.
fn reload(engine: &mut Engine) -> Result<(), Error> {
    let limits = engine.config.limits;
    let loaded = |value: &Value| {
        let loaded = rdb::restore(&rdb::dump(value, Purpose::Keep), limits).ok();
        loaded.filter(|loaded| loaded.digest() == value.digest())
    };
    let all = engine.keyspace.iter().flat_map(|db| db.keys().iter());
    for (_, object) in all {
        loaded(&object.value).ok_or(NOT_LOADED)?;
    }
    for index in 0..engine.keyspace.databases() {
        let db = engine.keyspace.db_mut(index);
        let keys: Vec<Vec<u8>> = db.keys().iter().map(|(key, _)| key.to_vec()).collect();
        for key in keys {
            if let Some(value) = db.value_mut(&key)
                && let Some(mut loaded) = loaded(value)
            {
                // The keyspace has noted it already.
                loaded.note_field_expiry();
                *value = loaded;
                db.touch(&key);
            }
        }
    }
    Ok(())
}

const HELP: &[&str] = &[
    "CHANGE-REPL-ID",
    "    Change the replication IDs of the instance.",
    "    Dangerous: should be used only for testing the replication subsystem.",
    "DIGEST",
    "    Output a hex signature representing the current DB content.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Output a hex signature of the values of all the specified keys.",
    "LOADAOF",
    "    Flush the AOF buffers on disk and reload the AOF in memory.",
    "OBJECT <key>",
    "    Show low level info about `key` and associated value.",
    "RELOAD [option ...]",
    "    Save the RDB on disk and reload it back to memory.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not",
    "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
    "    default.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Sets the threshold for elements to be inserted as plain vs packed nodes",
    "    Default value is 1GB, allows values up to 4GB. Setting to 0 restores to default.",
    "SLEEP <seconds>",
    "    Stop the server for <seconds>. Decimals allowed.",
    "STRINGMATCH-LEN <pattern> <string>",
    "    Tell whether the string matches the pattern.",
    "LISTPACK <key>",
    "    Show low level info about the listpack encoding of <key>.",
];
