//! Group *generic*: values in Redis's own serialisation.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::rdb::{self, Purpose, RdbError};
use crate::engine::table::{Command, Group, KeySpec, acl, flag, key, ts};
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "dump",
        handler: Some(dump),
        arity: 2,
        flags: flag::READONLY | flag::COPIES,
        acl: acl::KEYSPACE,
        keys: &[KeySpec::at(1, key::RO | key::ACCESS)],
        group: Group::Generic,
        since: "2.6.0",
        complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the \
            number of Redis objects composing the value and M their average size. For small string \
            values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
        summary: "Returns a serialized representation of the value stored at a key.",
        syntax: "key:key",
        reply: ts("string | null"),
        tips: &["nondeterministic_output"],
        ..Command::BASE
    },
    Command {
        name: "restore",
        handler: Some(restore),
        arity: -4,
        flags: flag::WRITE | flag::DENYOOM,
        acl: acl::KEYSPACE | acl::DANGEROUS,
        keys: &[KeySpec::at(1, key::OW | key::UPDATE)],
        group: Group::Generic,
        since: "2.6.0",
        complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the serialized \
            value, where N is the number of Redis objects composing the value and M their average \
            size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, \
            so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) because \
            inserting values into sorted sets is O(log(N)).",
        summary: "Creates a key from the serialized representation of a value.",
        syntax: "key:key ttl:integer serialized-value [REPLACE] [ABSTTL] \
            [IDLETIME seconds:integer] [FREQ frequency:integer]",
        reply: ts("\"OK\""),
        ..Command::BASE
    },
];

fn dump(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    match c.read(args.take()?) {
        Some(object) => out.bulk(&rdb::dump(&object.value, Purpose::Travel)),
        None => out.null(),
    }
    Ok(())
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_s: Option<i64>,
    counter: Option<u8>,
}

impl Options {
    fn parse(args: &mut Args<'_>) -> Result<Self, Error> {
        let mut options = Self::default();
        while !args.is_empty() {
            if args.accept("REPLACE") {
                options.replace = true;
            } else if args.accept("ABSTTL") {
                options.absolute = true;
            } else if options.counter.is_none() && args.len() > 1 && args.accept("IDLETIME") {
                let idle_s = args.take_integer()?;
                if idle_s < 0 {
                    return Err(Error::fixed("ERR Invalid IDLETIME value, must be >= 0"));
                }
                options.idle_s = Some(idle_s);
            } else if options.idle_s.is_none() && args.len() > 1 && args.accept("FREQ") {
                let counter = u8::try_from(args.take_integer()?)
                    .map_err(|_| Error::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255"))?;
                options.counter = Some(counter);
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }
}

fn restore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, ttl, payload) = (args.take()?, args.take()?, args.take()?);
    let options = Options::parse(args)?;
    if !options.replace && c.locate(key).is_some() {
        return Err(Error::fixed("BUSYKEY Target key name already exists."));
    }
    let ttl = Args::new(&[ttl], 0).take_integer()?;
    if ttl < 0 {
        return Err(Error::fixed("ERR Invalid TTL value, must be >= 0"));
    }
    let value = rdb::restore(payload, c.limits()).map_err(|error| match error {
        RdbError::Footer => Error::fixed("ERR DUMP payload version or checksum are wrong"),
        RdbError::Data => Error::fixed("ERR Bad data format"),
    })?;
    let base = if options.absolute { 0 } else { c.now_ms() };
    let expires_at = (ttl > 0).then(|| ttl.saturating_add(base));
    out.ok();
    if expires_at.is_some_and(|at| at <= c.now_ms()) && !c.engine.is_loading() {
        if c.delete(key) {
            c.effect(&[b"DEL", key]);
        }
        return Ok(());
    }
    c.set(key, value, expires_at);
    if let Some(idle_s) = options.idle_s {
        c.set_idle(key, idle_s);
    }
    if let Some(counter) = options.counter {
        c.set_frequency(key, counter);
    }
    c.notify(class::GENERIC, "restore", key);
    let mut digits = itoa::Buffer::new();
    let at = digits.format(expires_at.unwrap_or(0)).as_bytes();
    c.effect(&[b"RESTORE", key, at, payload, b"REPLACE", b"ABSTTL"]);
    Ok(())
}
