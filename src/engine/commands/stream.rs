//! Group *stream*: adding, reading, deleting, trimming.

use super::set::bulk;
use super::stream_delete::Options;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::Stream;
use crate::engine::types::stream::{Entry, StreamId, parse_unsigned};
use crate::number::parse_integer;
use crate::resp::Writer;

pub(super) const STREAM: Command = Command { group: Group::Stream, ..Command::BASE };

const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];
const RANGE_COST: &str = "O(N) with N being the number of elements being returned. If N is constant \
    (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).";

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "xadd",
        handler: Some(xadd),
        arity: -5,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
        since: "5.0.0",
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of \
            entries evicted.",
        summary: "Appends a new message to a stream. Creates the key if it doesn't exist.",
        syntax: "key:key [NOMKSTREAM] [condition(KEEPREF | DELREF | ACKED)] [trim{strategy(MAXLEN | MINID) [operator(\"=\" | \"~\")] \
            threshold [LIMIT count:integer]}] id-selector(auto-id(\"*\") | id) \
            data{field value}...",
        reply: ts("With<S, \"NOMKSTREAM\", string | null, string>"),
        tips: &["nondeterministic_output"],
        ..STREAM
    },
    Command {
        name: "xlen",
        handler: Some(xlen),
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::at(1, key::RO)],
        since: "5.0.0",
        complexity: "O(1)",
        summary: "Return the number of messages in a stream.",
        syntax: "key:key",
        reply: ts("number"),
        ..STREAM
    },
    Command {
        name: "xrange",
        handler: Some(xrange),
        arity: -4,
        flags: flag::READONLY,
        keys: READ,
        since: "5.0.0",
        complexity: RANGE_COST,
        summary: "Returns the messages from a stream within a range of IDs.",
        syntax: "key:key start end [COUNT count:integer]",
        reply: ts("StreamEntry[]"),
        ..STREAM
    },
    Command {
        name: "xrevrange",
        handler: Some(xrevrange),
        arity: -4,
        flags: flag::READONLY,
        keys: READ,
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. \
            always asking for the first 10 elements with COUNT), you can consider it O(1).",
        summary: "Returns the messages from a stream within a range of IDs in reverse order.",
        syntax: "key:key end start [COUNT count:integer]",
        reply: ts("StreamEntry[]"),
        ..STREAM
    },
    Command {
        name: "xsetid",
        handler: Some(xsetid),
        arity: -3,
        flags: flag::WRITE | flag::DENYOOM | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
        since: "5.0.0",
        complexity: "O(1)",
        summary: "An internal command for replicating stream values.",
        syntax: "key:key last-id [ENTRIESADDED entries-added:integer] [MAXDELETEDID max-deleted-id]",
        reply: ts("\"OK\""),
        ..STREAM
    },
];

pub(super) const INVALID_ID: Error =
    Error::fixed("ERR Invalid stream ID specified as stream command argument");

/// Reads an id; a number that is missing is `seq`.
pub(super) fn strict_id(word: &[u8], seq: u64) -> Result<StreamId, Error> {
    StreamId::parse(word, seq).ok_or(INVALID_ID)
}

/// Reads the beginning or the end of a range: an id, `-` or `+`, and `(` before an id that is not
/// in the range.
pub(super) fn interval_id(word: &[u8], is_start: bool) -> Result<StreamId, Error> {
    let missing = if is_start { 0 } else { u64::MAX };
    match word {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        [b'(', rest @ ..] if !rest.is_empty() => {
            let id = strict_id(rest, missing)?;
            if is_start {
                id.next().ok_or(Error::fixed("ERR invalid start ID for the interval"))
            } else {
                id.previous().ok_or(Error::fixed("ERR invalid end ID for the interval"))
            }
        }
        _ => strict_id(word, missing),
    }
}

/// Answers one entry: its id, and fields and values in a row.
pub(super) fn reply_entry(entry: &Entry<'_>, out: &mut Writer<'_>) {
    out.array(2);
    reply_entry_parts(entry, out);
}

/// As [`reply_entry`], without the beginning of the array.
pub(super) fn reply_entry_parts(entry: &Entry<'_>, out: &mut Writer<'_>) {
    entry.id.with_text(|id| out.bulk(id));
    out.array(entry.fields.len() * 2);
    for (field, value) in &entry.fields {
        bulk(*field, out);
        bulk(*value, out);
    }
}

/// Answers the entries of a range, at most `count`.
pub(super) fn reply_range(
    stream: &Stream,
    start: StreamId,
    end: StreamId,
    reverse: bool,
    count: usize,
    out: &mut Writer<'_>,
) {
    let mut entries = Vec::new();
    if count > 0 {
        stream.visit(start, end, reverse, |entry| {
            entries.push(entry);
            entries.len() < count
        });
    }
    out.array(entries.len());
    entries.iter().for_each(|entry| reply_entry(entry, out));
}

/// The id that XADD is given.
enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    InMillisecond(u64),
    Exact(StreamId),
}

impl NewId {
    fn parse(word: &[u8]) -> Result<Self, Error> {
        if word == b"*" {
            return Ok(Self::Auto);
        }
        match word.strip_suffix(b"-*") {
            Some(ms) => parse_unsigned(ms).map(Self::InMillisecond).ok_or(INVALID_ID),
            None => strict_id(word, 0).map(Self::Exact),
        }
    }

    /// The id after `last`.
    fn resolve(&self, last: StreamId, now_ms: i64) -> Result<StreamId, Error> {
        let now = u64::try_from(now_ms).unwrap_or(0);
        let next = match *self {
            Self::Auto if now > last.ms => Some(StreamId { ms: now, seq: 0 }),
            Self::Auto => last.next(),
            Self::InMillisecond(ms) if ms == last.ms => {
                let seq = last.seq.checked_add(1);
                let error = Error::fixed("ERR Elements are too large to be stored");
                Some(StreamId { ms, seq: seq.ok_or(error)? })
            }
            Self::InMillisecond(ms) => Some(StreamId { ms, seq: 0 }),
            Self::Exact(id) => Some(id),
        };
        next.filter(|id| *id > last).ok_or(Error::fixed(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ))
    }
}

fn xadd(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let options = Options::parse(c, args, true)?;
    let new_id = NewId::parse(args.next().unwrap_or_default())?;
    let (fields, []) = args.rest().as_chunks::<2>() else { return Err(xadd_arity()) };
    if fields.is_empty() {
        return Err(xadd_arity());
    }
    if matches!(new_id, NewId::Exact(StreamId::MIN)) {
        return Err(Error::fixed("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let (limits, now) = (c.limits(), c.now_ms());
    let existing = c.get_mut::<Stream>(key)?;
    if existing.is_none() && options.no_make {
        out.null();
        return Ok(());
    }
    let last = existing.map_or(StreamId::MIN, |stream| stream.last_id);
    if last == StreamId::MAX {
        return Err(Error::fixed(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let id = new_id.resolve(last, now)?;
    let stream = c.get_or_create::<Stream>(key)?;
    stream.append(id, fields, limits);
    let trimmed = options.trimming.as_ref().map(|trimming| trimming.apply(stream));
    let id_text = id.to_vec();
    out.bulk(&id_text);
    c.modified(class::STREAM, "xadd", key);
    let mut effect: Vec<&[u8]> = Vec::with_capacity(6 + 2 * fields.len());
    effect.extend([&b"XADD"[..], key]);
    if let Some([strategy, threshold]) = trimmed.as_ref().and_then(|t| t.exact.as_ref()) {
        effect.extend([strategy.as_slice(), b"=", threshold]);
    }
    if trimmed.as_ref().is_some_and(|trimmed| trimmed.count > 0) {
        c.notify(class::STREAM, "xtrim", key);
    }
    effect.push(&id_text);
    effect.extend(fields.as_flattened());
    c.effect(&effect);
    trimmed.map_or(Ok(()), |trimmed| trimmed.finish(c, key))
}

fn xadd_arity() -> Error {
    Error::fixed("ERR wrong number of arguments for 'xadd' command")
}

fn xlen(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.count(c.read_as::<Stream>(args.take()?)?.map_or(0, Stream::len));
    Ok(())
}

fn xrange(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    range(c, args, out, false)
}

fn xrevrange(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    range(c, args, out, true)
}

fn range(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    reverse: bool,
) -> Result<(), Error> {
    let (key, first, second) = (args.take()?, args.take()?, args.take()?);
    let (start, end) = if reverse { (second, first) } else { (first, second) };
    let (start, end) = (interval_id(start, true)?, interval_id(end, false)?);
    let mut count = None;
    while !args.is_empty() {
        if args.len() < 2 || !args.accept("COUNT") {
            return Err(Error::SYNTAX);
        }
        count = Some(usize::try_from(args.take_integer()?.max(0)).unwrap_or(usize::MAX));
    }
    let Some(stream) = c.read_as::<Stream>(key)? else {
        out.array(0);
        return Ok(());
    };
    if count == Some(0) {
        out.null_array();
    } else {
        reply_range(stream, start, end, reverse, count.unwrap_or(usize::MAX), out);
    }
    Ok(())
}

fn xsetid(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, id) = (args.take()?, strict_id(args.take()?, 0)?);
    let (mut added, mut max_deleted) = (None, None);
    while !args.is_empty() {
        if args.len() > 1 && args.accept("ENTRIESADDED") {
            let value = parse_integer(args.take()?).ok_or(Error::NOT_AN_INTEGER)?;
            let value = u64::try_from(value)
                .map_err(|_| Error::fixed("ERR entries_added must be positive"))?;
            added = Some(value);
        } else if args.len() > 1 && args.accept("MAXDELETEDID") {
            let deleted = strict_id(args.take()?, 0)?;
            if id < deleted {
                return Err(Error::fixed(
                    "ERR The ID specified in XSETID is smaller than the provided \
                     max_deleted_entry_id",
                ));
            }
            max_deleted = Some(deleted);
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let stream = c.get_mut::<Stream>(key)?.ok_or(Error::NO_SUCH_KEY)?;
    if !stream.is_empty() {
        if id < stream.last_entry_id() {
            return Err(Error::fixed(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if added.is_some_and(|added| added < stream.len() as u64) {
            return Err(Error::fixed(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
    }
    if id < stream.max_deleted_id {
        return Err(Error::fixed(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    stream.last_id = id;
    stream.entries_added = added.unwrap_or(stream.entries_added);
    stream.max_deleted_id =
        max_deleted.filter(|deleted| *deleted != StreamId::MIN).unwrap_or(stream.max_deleted_id);
    c.notify(class::STREAM, "xsetid", key);
    c.changed();
    out.ok();
    Ok(())
}
