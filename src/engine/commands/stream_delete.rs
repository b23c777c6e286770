//! Group *stream*: deleting and trimming entries, and what becomes of references to them.

use super::stream::{STREAM, strict_id};
use super::stream_group::group_mut;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, KeySpec, flag, key, ts};
use crate::engine::types::Stream;
use crate::engine::types::stream::{StreamId, Trim};
use crate::resp::Writer;

const DELETE: &[KeySpec] = &[KeySpec::at(1, key::RW | key::DELETE)];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "xackdel",
        handler: Some(xackdel),
        arity: -6,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::UPDATE | key::DELETE)],
        since: "8.2.0",
        complexity: "O(1) for each entry ID processed.",
        summary: "Acknowledges and deletes one or multiple messages for a stream consumer group.",
        syntax: "key:key group [condition(KEEPREF | DELREF | ACKED)] \
            IDS ids{numids:integer id...}",
        reply: ts("(-1 | 1 | 2)[]"),
        ..STREAM
    },
    Command {
        name: "xdel",
        handler: Some(xdel),
        arity: -3,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::DELETE)],
        since: "5.0.0",
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream \
            size.",
        summary: "Returns the number of messages after removing them from a stream.",
        syntax: "key:key id...",
        reply: ts("number"),
        ..STREAM
    },
    Command {
        name: "xdelex",
        handler: Some(xdelex),
        arity: -5,
        flags: flag::WRITE | flag::FAST,
        keys: DELETE,
        since: "8.2.0",
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream \
            size.",
        summary: "Deletes one or multiple entries from the stream.",
        syntax: "key:key [condition(KEEPREF | DELREF | ACKED)] IDS ids{numids:integer id...}",
        reply: ts("(-1 | 1 | 2)[]"),
        ..STREAM
    },
    Command {
        name: "xtrim",
        handler: Some(xtrim),
        arity: -4,
        flags: flag::WRITE,
        keys: &[KeySpec::at(1, key::RW | key::DELETE)],
        since: "5.0.0",
        complexity: "O(N), with N being the number of evicted entries. Constant times are very \
            small however, since entries are organized in macro nodes containing multiple entries \
            that can be released with a single deallocation.",
        summary: "Deletes messages from the beginning of a stream.",
        syntax: "key:key trim{strategy(MAXLEN | MINID) [operator(\"=\" | \"~\")] threshold \
            [LIMIT count:integer]} [condition(KEEPREF | DELREF | ACKED)]",
        reply: ts("number"),
        tips: &["nondeterministic_output"],
        ..STREAM
    },
];

/// What becomes of references to entries that are deleted: entries that are pending in groups.
#[derive(Clone, Copy, Debug, PartialEq)]
enum References {
    /// `KEEPREF`: they stay.
    Keep,
    /// `DELREF`: they go too.
    Delete,
    /// `ACKED`: an entry that any group refers to, or has still to read, is not deleted.
    Acked,
}

impl References {
    /// Reads an option, if it is one and none has been.
    fn accept(args: &mut Args<'_>, seen: &mut Option<Self>) -> bool {
        let names = [("KEEPREF", Self::Keep), ("DELREF", Self::Delete), ("ACKED", Self::Acked)];
        if seen.is_some() {
            return false;
        }
        *seen = names.into_iter().find(|(name, _)| args.accept(name)).map(|(_, which)| which);
        seen.is_some()
    }
}

/// How a stream is to be trimmed, as XADD and XTRIM are told.
pub(super) struct Trimming {
    trim: Trim,
    approximate: bool,
    limit: usize,
    references: References,
}

/// What trimming has come to.
pub(super) struct Trimmed {
    /// How many entries are gone.
    pub(super) count: usize,
    /// If the first ones are, the arguments of XTRIM that trim the same ones.
    pub(super) exact: Option<[Vec<u8>; 2]>,
    /// The ids to be logged: deleted where they stood among others,
    deleted: Vec<StreamId>,
    /// or no longer pending.
    forgotten: Vec<StreamId>,
}

impl Trimming {
    /// Trims the stream. Nothing is logged yet.
    pub(super) fn apply(&self, stream: &mut Stream) -> Trimmed {
        let Self { trim, approximate, limit, references } = *self;
        if references == References::Acked && !stream.groups.is_empty() {
            let deleted = stream.trim_unreferenced(trim, approximate, limit);
            let count = deleted.len();
            return Trimmed { count, exact: None, deleted, forgotten: Vec::new() };
        }
        let pending = references == References::Delete
            && stream.groups.values().any(|group| !group.pending.is_empty());
        let mut ids = if pending { stream.surplus_ids(trim) } else { Vec::new() };
        let count = stream.trim(trim, approximate, limit);
        ids.truncate(count);
        ids.retain(|id| stream.is_pending(*id));
        let exact = Some(exact_trim(stream, self));
        Trimmed { count, exact, deleted: Vec::new(), forgotten: ids }
    }
}

impl Trimmed {
    /// Deletes references, and logs what an exact threshold does not tell.
    pub(super) fn finish(&self, c: &mut Ctx<'_>, key: &[u8]) -> Result<(), Error> {
        log_deleted(c, key, &self.deleted);
        forget(c, key, &self.forgotten)
    }
}

/// Logs entries that were deleted.
fn log_deleted(c: &mut Ctx<'_>, key: &[u8], ids: &[StreamId]) {
    if !ids.is_empty() {
        log_ids(c, &[b"XDEL", key], ids);
    }
}

fn log_ids(c: &mut Ctx<'_>, head: &[&[u8]], ids: &[StreamId]) {
    let ids: Vec<Vec<u8>> = ids.iter().map(|id| id.to_vec()).collect();
    let words: Vec<&[u8]> = head.iter().copied().chain(ids.iter().map(Vec::as_slice)).collect();
    c.effect(&words);
}

/// Takes entries out of what is pending in any group, and logs it.
fn forget(c: &mut Ctx<'_>, key: &[u8], ids: &[StreamId]) -> Result<(), Error> {
    let Some(stream) = c.get_mut::<Stream>(key)? else { return Ok(()) };
    let mut forgotten = Vec::new();
    for (name, group) in stream.groups.iter_mut() {
        let ids: Vec<StreamId> = ids.iter().copied().filter(|id| group.acknowledge(*id)).collect();
        if !ids.is_empty() {
            forgotten.push((name.clone(), ids));
        }
    }
    for (name, ids) in forgotten {
        log_ids(c, &[b"XACK", key, &name], &ids);
    }
    Ok(())
}

/// The options before the id.
#[derive(Default)]
pub(super) struct Options {
    pub(super) trimming: Option<Trimming>,
    pub(super) no_make: bool,
}

impl Options {
    pub(super) fn parse(c: &Ctx<'_>, args: &mut Args<'_>, adds: bool) -> Result<Self, Error> {
        let mut options = Self::default();
        let (mut limit, mut references) = (None, None);
        while !args.is_empty() {
            let more = args.len() > 1;
            if adds && args.peek() == Some(b"*") {
                break;
            } else if more && args.accept("MAXLEN") {
                options.threshold(args, true)?;
            } else if more && args.accept("MINID") {
                options.threshold(args, false)?;
            } else if more && args.accept("LIMIT") {
                let value = args.take_integer()?;
                let value = u64::try_from(value)
                    .map_err(|_| Error::fixed("ERR The LIMIT argument must be >= 0."))?;
                limit = Some(usize::try_from(value).unwrap_or(usize::MAX));
            } else if References::accept(args, &mut references) {
            } else if adds && args.accept("NOMKSTREAM") {
                options.no_make = true;
            } else if adds {
                break;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        options.set_limit(c, limit, adds)?;
        if let (Some(trimming), Some(references)) = (&mut options.trimming, references) {
            trimming.references = references;
        }
        Ok(options)
    }

    fn threshold(&mut self, args: &mut Args<'_>, max_len: bool) -> Result<(), Error> {
        if self.trimming.is_some() {
            return Err(Error::fixed(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let many = args.len() > 1;
        let approximate = many && args.accept("~");
        if many && !approximate {
            args.accept("=");
        }
        let trim = if max_len {
            let most = args.take_integer()?;
            let most = u64::try_from(most)
                .map_err(|_| Error::fixed("ERR The MAXLEN argument must be >= 0."))?;
            Trim::MaxLen(usize::try_from(most).unwrap_or(usize::MAX))
        } else {
            Trim::MinId(strict_id(args.take()?, 0)?)
        };
        self.trimming =
            Some(Trimming { trim, approximate, limit: 0, references: References::Keep });
        Ok(())
    }

    fn set_limit(&mut self, c: &Ctx<'_>, limit: Option<usize>, adds: bool) -> Result<(), Error> {
        let Some(trimming) = &mut self.trimming else {
            if limit.is_some_and(|limit| limit > 0) {
                return Err(Error::fixed(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                ));
            }
            if !adds {
                return Err(Error::fixed(
                    "ERR syntax error, XTRIM must be called with a trimming strategy",
                ));
            }
            return Ok(());
        };
        if limit.is_some() && !trimming.approximate {
            return Err(Error::fixed(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        if trimming.approximate {
            let most = c.limits().stream_node_max_entries.saturating_mul(100);
            let usual = if most == 0 { 10_000 } else { most.min(1_000_000) };
            trimming.limit = limit.unwrap_or(usual);
        }
        Ok(())
    }
}

/// What was trimmed approximately, as an exact threshold.
fn exact_trim(stream: &Stream, trimming: &Trimming) -> [Vec<u8>; 2] {
    match trimming.trim {
        Trim::MaxLen(most) => {
            let most = if trimming.approximate { stream.len() } else { most };
            [b"MAXLEN".to_vec(), most.to_string().into_bytes()]
        }
        Trim::MinId(id) => {
            let id = match stream.is_empty() {
                _ if !trimming.approximate => id,
                true => StreamId::MAX,
                false => stream.first_id(),
            };
            [b"MINID".to_vec(), id.to_vec()]
        }
    }
}

fn xtrim(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let options = Options::parse(c, args, false)?;
    let Some(trimming) = options.trimming else { return Err(Error::SYNTAX) };
    let Some(stream) = c.get_mut::<Stream>(key)? else {
        out.integer(0);
        return Ok(());
    };
    let trimmed = trimming.apply(stream);
    if trimmed.count > 0 {
        c.modified(class::STREAM, "xtrim", key);
        if let Some([strategy, threshold]) = &trimmed.exact {
            c.effect(&[b"XTRIM", key, strategy, b"=", threshold]);
        }
        trimmed.finish(c, key)?;
    }
    out.count(trimmed.count);
    Ok(())
}

fn xdel(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    if c.get_mut::<Stream>(key)?.is_none() {
        out.count(0);
        return Ok(());
    }
    let ids = args.map(|word| strict_id(word, 0)).collect::<Result<Vec<_>, _>>()?;
    let deleted = match c.get_mut::<Stream>(key)? {
        Some(stream) => ids.into_iter().filter(|id| stream.delete(*id)).count(),
        None => 0,
    };
    if deleted > 0 {
        c.modified(class::STREAM, "xdel", key);
        c.changed();
    }
    out.count(deleted);
    Ok(())
}

/// The arguments of XDELEX and XACKDEL after the key and the group.
struct DeleteArgs {
    references: References,
    ids: Vec<StreamId>,
}

impl DeleteArgs {
    fn parse(args: &mut Args<'_>) -> Result<Self, Error> {
        let (mut references, mut ids) = (None, None);
        while !args.is_empty() {
            if References::accept(args, &mut references) {
                continue;
            }
            if args.len() < 2 || !args.accept("IDS") {
                return Err(Error::SYNTAX);
            }
            let error = Error::fixed("ERR Number of IDs must be a positive integer");
            let too_many =
                Error::fixed("ERR The `numids` parameter must match the number of arguments");
            ids = Some(args.take_counted(error, too_many)?);
        }
        let ids = ids.ok_or(Error::fixed("ERR IDS option is required"))?;
        let ids = ids.iter().map(|word| strict_id(word, 0)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { references: references.unwrap_or(References::Keep), ids })
    }

    /// Answers that there is nothing.
    fn reply_none(&self, out: &mut Writer<'_>) {
        out.array(self.ids.len());
        self.ids.iter().for_each(|_| out.integer(NOT_FOUND));
    }
}

/// The code of an entry that is not there, or not pending.
const NOT_FOUND: i64 = -1;
/// The code of an entry that was deleted.
const DELETED: i64 = 1;
/// The code of an entry that was not, since a group refers to it.
const REFERENCED: i64 = 2;

fn xdelex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let args = DeleteArgs::parse(args)?;
    let Some(stream) = c.get_mut::<Stream>(key)? else {
        args.reply_none(out);
        return Ok(());
    };
    let mut deleted = Vec::new();
    out.array(args.ids.len());
    for id in &args.ids {
        let acked = args.references == References::Acked;
        let code = if acked && stream.is_pending(*id) {
            REFERENCED
        } else if !stream.contains(*id) {
            NOT_FOUND
        } else if acked && stream.is_referenced(*id) {
            REFERENCED
        } else {
            stream.delete(*id);
            deleted.push(*id);
            DELETED
        };
        out.integer(code);
    }
    if !deleted.is_empty() {
        c.modified(class::STREAM, "xdel", key);
    }
    log_deleted(c, key, &deleted);
    if args.references == References::Delete {
        forget(c, key, &args.ids)?;
    }
    Ok(())
}

fn xackdel(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name) = (args.take()?, args.take()?);
    let args = DeleteArgs::parse(args)?;
    if group_mut(c, key, name)?.is_none() {
        args.reply_none(out);
        return Ok(());
    }
    let (mut acknowledged, mut deleted) = (Vec::new(), Vec::new());
    out.array(args.ids.len());
    for id in &args.ids {
        let Some(stream) = c.get_mut::<Stream>(key)? else { return Ok(()) };
        let group = stream.groups.get_mut(name);
        if !group.is_some_and(|group| group.acknowledge(*id)) {
            out.integer(NOT_FOUND);
            continue;
        }
        acknowledged.push(*id);
        if args.references == References::Acked && stream.is_referenced(*id) {
            out.integer(REFERENCED);
            continue;
        }
        if stream.delete(*id) {
            deleted.push(*id);
        }
        out.integer(DELETED);
    }
    if !deleted.is_empty() {
        c.modified(class::STREAM, "xdel", key);
    }
    if !acknowledged.is_empty() {
        log_ids(c, &[b"XACK", key, name], &acknowledged);
    }
    log_deleted(c, key, &deleted);
    if args.references == References::Delete {
        forget(c, key, &acknowledged)?;
    }
    Ok(())
}
