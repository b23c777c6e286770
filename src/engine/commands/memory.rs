//! MEMORY: how much of it is used, and for what.

use super::help;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::dict::Dict;
use crate::engine::error::Error;
use crate::engine::key::Key;
use crate::engine::keyspace::Object;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::resp::Writer;

/// Parts of a value that are looked at if nobody says how many.
const SAMPLES: usize = 5;
/// With less than this in use, proportions say nothing.
const LITTLE: u64 = 5 * 1024 * 1024;

const MEMORY: Command = Command { arity: 2, group: Group::Server, since: "4.0.0", ..Command::BASE };

const ALL_SHARDS: &[&str] =
    &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "memory",
    arity: -2,
    complexity: "Depends on subcommand.",
    summary: "A container for memory diagnostics commands.",
    subcommands: SUBCOMMANDS,
    ..MEMORY
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "doctor",
        handler: Some(doctor),
        complexity: "O(1)",
        summary: "Outputs a memory problems report.",
        reply: ts("string"),
        tips: ALL_SHARDS,
        ..MEMORY
    },
    Command {
        name: "help",
        handler: Some(memory_help),
        flags: flag::LOADING | flag::STALE,
        complexity: "O(1)",
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..MEMORY
    },
    Command {
        name: "malloc-stats",
        handler: Some(malloc_stats),
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Returns the allocator statistics.",
        reply: ts("string"),
        tips: ALL_SHARDS,
        ..MEMORY
    },
    Command {
        name: "purge",
        handler: Some(purge),
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Asks the allocator to release memory.",
        reply: ts("\"OK\""),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..MEMORY
    },
    Command {
        name: "stats",
        handler: Some(stats),
        complexity: "O(1)",
        summary: "Returns details about memory usage.",
        reply: ts("Record<string, number | Record<string, number>>"),
        tips: ALL_SHARDS,
        ..MEMORY
    },
    Command {
        name: "usage",
        handler: Some(usage),
        arity: -3,
        flags: flag::READONLY,
        keys: &[KeySpec::at(2, key::RO)],
        complexity: "O(N) where N is the number of samples.",
        summary: "Estimates the memory usage of a key.",
        syntax: "key:key [SAMPLES count:integer]",
        reply: ts("number | null"),
        ..MEMORY
    },
];

fn usage(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, db) = (args.take()?, c.db_index());
    let mut samples = SAMPLES;
    while !args.is_empty() {
        if !args.accept("SAMPLES") || args.is_empty() {
            return Err(Error::SYNTAX);
        }
        samples = args.take_integer()?.try_into().map_err(|_| Error::SYNTAX)?;
    }
    match c.lookup_in(db, key) {
        Some(object) => {
            let name = Key::from(key).heap_len();
            out.count(Dict::<Object>::ENTRY_BYTES + name + object.value.heap_bytes(samples));
        }
        None => out.null(),
    }
    Ok(())
}

fn stats(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let engine = &*c.engine;
    let (used, total) = ((engine.meter.used)(), (engine.meter.total)());
    let peak = (engine.meter.peak)().max(used);
    let net = used.saturating_sub(engine.startup_bytes);
    let keys: usize = engine.keyspace.iter().map(|db| db.len()).sum();
    let dataset = engine.dataset_bytes();
    let percentage = |part: f64, whole: usize| part * 100.0 / whole.max(1) as f64;
    let dbs = || engine.keyspace.iter().enumerate().filter(|(_, db)| !db.is_empty());
    let number = |out: &mut Writer<'_>, name: &str, value: u64| {
        out.bulk(name.as_bytes());
        out.integer(value.try_into().unwrap_or(i64::MAX));
    };
    out.map(13 + dbs().count());
    number(out, "peak.allocated", peak as u64);
    number(out, "total.allocated", used as u64);
    number(out, "startup.allocated", engine.startup_bytes as u64);
    number(out, "aof.buffer", engine.not_counted_bytes());
    for (index, db) in dbs() {
        out.bulk(format!("db.{index}").as_bytes());
        out.map(2);
        let (main, expires) = db.overhead_bytes();
        number(out, "overhead.hashtable.main", main as u64);
        number(out, "overhead.hashtable.expires", expires as u64);
    }
    number(out, "overhead.total", engine.overhead_bytes());
    number(out, "keys.count", keys as u64);
    number(out, "keys.bytes-per-key", net.checked_div(keys).unwrap_or(0) as u64);
    number(out, "dataset.bytes", dataset);
    out.bulk(b"dataset.percentage");
    out.double(percentage(dataset as f64, net));
    out.bulk(b"peak.percentage");
    out.double(percentage(used as f64, peak));
    number(out, "allocator.resident", total as u64);
    out.bulk(b"fragmentation");
    out.double(percentage(total as f64, used) / 100.0);
    out.bulk(b"fragmentation.bytes");
    out.integer(total as i64 - used as i64);
    Ok(())
}

fn doctor(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let meter = c.engine.meter;
    let (used, peak, total) =
        ((meter.used)() as u64, (meter.peak)() as u64, (meter.total)() as u64);
    let text = if used < LITTLE {
        "Hardly any memory is used: there is nothing to say about it yet."
    } else if peak / 3 > used / 2 {
        "Peak memory: in the past more than 150% of what is used now was used. Memory that has been \
         taken from the system is not given back to it, but is used again before more is taken."
    } else if total / 7 > used / 5 {
        "Fragmentation: more than 140% of what is used has been taken from the system. It is used \
         again by values that fit into the gaps."
    } else {
        "No memory issue was found."
    };
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Linear memory does not shrink: there is only what waits to be freed.
fn purge(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    while c.engine.lazyfree.step(usize::MAX) {}
    out.ok();
    Ok(())
}

fn malloc_stats(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.verbatim("txt", b"Stats not supported for the current allocator");
    Ok(())
}

fn memory_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "MEMORY",
        &[
            "DOCTOR",
            "    Return memory problems reports.",
            "MALLOC-STATS",
            "    Return internal statistics report from the memory allocator.",
            "PURGE",
            "    Attempt to purge dirty pages for reclamation by the allocator.",
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return memory in bytes used by <key> and its value. Nested values are",
            "    sampled up to <count> times (default: 5, 0 means sample all).",
        ],
    );
    Ok(())
}
