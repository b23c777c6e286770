//! Group *stream*: XREAD and XREADGROUP.

use super::stream::{STREAM, reply_entry, reply_entry_parts, reply_range, strict_id};
use super::stream_claim::{Claimed, claim_one, take_over};
use super::stream_group::{group_mut, log_group_id, log_pending, see_consumer};
use crate::engine::args::Args;
use crate::engine::blocking::{BlockOn, Nothing, Timeout};
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Begin, Command, Find, KeySpec, flag, key, ts};
use crate::engine::types::Stream;
use crate::engine::types::stream::{Entry, StreamId};
use crate::resp::{Protocol, Writer};

const fn streams(flags: u32, from: i32) -> KeySpec {
    KeySpec {
        flags,
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range { last: -1, step: 1, limit: 2 },
    }
}

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "xread",
        handler: Some(xread),
        arity: -4,
        flags: flag::READONLY | flag::BLOCKING | flag::MOVABLEKEYS,
        keys: &[streams(key::RO | key::ACCESS, 1)],
        since: "5.0.0",
        complexity: "For each stream mentioned: O(N) with N being the number of elements being \
            returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK \
            option is used, XADD will pay O(M) time in order to serve the M clients blocked on the \
            stream getting new data.",
        summary: "Returns messages from multiple streams with IDs greater than the ones requested. \
            Blocks until a message is available otherwise.",
        syntax: "[COUNT count:integer] [BLOCK milliseconds:integer] \
            STREAMS streams{key:key... id...}",
        reply: ts("Record<string, StreamEntry[]> | null"),
        ..STREAM
    },
    Command {
        name: "xreadgroup",
        handler: Some(xreadgroup),
        arity: -7,
        flags: flag::WRITE | flag::BLOCKING | flag::MOVABLEKEYS,
        keys: &[streams(key::RO | key::ACCESS, 4)],
        since: "5.0.0",
        complexity: "For each stream mentioned: O(M) with M being the number of elements returned. \
            If M is constant (e.g. always asking for the first 10 elements with COUNT), you can \
            consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time \
            in order to serve the N clients blocked on the stream getting new data.",
        summary: "Returns new or historical messages from a stream for a consumer in a group. \
            Blocks until a message is available otherwise.",
        syntax: "GROUP group-block{group consumer} [COUNT count:integer] \
            [BLOCK milliseconds:integer] [CLAIM min-idle-time:integer] [noack(\"NOACK\")] \
            STREAMS streams{key:key... id...}",
        reply: ts(
            "Record<string, With<S, \"CLAIM\", [id: string, fields: string[], idle: number, \
                deliveries: number], StreamEntry | [id: string, fields: null]>[]> | null",
        ),
        ..STREAM
    },
];

/// From where a stream is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// After this id; of a group, what is pending for the consumer.
    After(StreamId),
    /// XREADGROUP: what the group has not read yet.
    New,
}

struct Query<'a> {
    group: Option<(&'a [u8], &'a [u8])>,
    /// `None` for all.
    count: Option<usize>,
    timeout: Option<Timeout>,
    no_ack: bool,
    /// What has been pending for so many milliseconds is claimed.
    min_idle_ms: Option<i64>,
    keys: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
}

impl<'a> Query<'a> {
    fn parse(c: &Ctx<'_>, args: &mut Args<'a>, grouped: bool) -> Result<Self, Error> {
        let (mut group, mut count, mut timeout, mut no_ack) = (None, None, None, false);
        let mut min_idle_ms = None;
        while !args.is_empty() {
            let more = args.len() > 1;
            if more && args.accept("BLOCK") {
                timeout = Some(Timeout::milliseconds(args.take()?, c.now_ms())?);
            } else if more && args.accept("COUNT") {
                let value = args.take_integer()?.max(0);
                count = usize::try_from(value).ok().filter(|count| *count > 0);
            } else if more && args.accept("STREAMS") {
                let words = args.rest();
                if !words.len().is_multiple_of(2) {
                    let (lower, id) =
                        if grouped { ("xreadgroup", "'>'") } else { ("xread", "'$'") };
                    return Err(Error::new(format!(
                        "ERR Unbalanced '{lower}' list of streams: for each stream key an ID or \
                         {id} must be specified."
                    )));
                }
                if grouped && group.is_none() {
                    return Err(Error::fixed("ERR Missing GROUP option for XREADGROUP"));
                }
                let (keys, ids) = words.split_at(words.len() / 2);
                return Ok(Self { group, count, timeout, no_ack, min_idle_ms, keys, ids });
            } else if args.len() > 2 && args.accept("GROUP") {
                if !grouped {
                    return Err(only_grouped("GROUP"));
                }
                group = Some((args.take()?, args.take()?));
            } else if more && args.accept("CLAIM") {
                if !grouped {
                    return Err(only_grouped("CLAIM"));
                }
                let error = Error::fixed("ERR min-idle-time is not an integer");
                let idle_ms = args.take_integer_or(error)?;
                if idle_ms < 0 {
                    return Err(Error::fixed("ERR min-idle-time must be a positive integer"));
                }
                min_idle_ms = Some(idle_ms);
            } else if args.accept("NOACK") {
                if !grouped {
                    return Err(only_grouped("NOACK"));
                }
                no_ack = true;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Err(Error::SYNTAX)
    }

    /// Where each stream is read from.
    fn starts(&self, c: &mut Ctx<'_>) -> Result<Vec<From>, Error> {
        let mut starts = Vec::with_capacity(self.keys.len());
        for (key, id) in self.keys.iter().zip(self.ids) {
            let stream = c.read_as::<Stream>(key)?;
            if let Some((group, _)) = self.group
                && !stream.is_some_and(|stream| stream.groups.contains_key(group))
            {
                let parts: [&[u8]; 5] = [
                    b"NOGROUP No such key '",
                    key,
                    b"' or consumer group '",
                    group,
                    b"' in XREADGROUP with GROUP option",
                ];
                return Err(Error::new(parts.concat()));
            }
            starts.push(match (*id, self.group.is_some()) {
                (b"$", false) => From::After(stream.map_or(StreamId::MIN, |stream| stream.last_id)),
                (b"+", false) => {
                    let last = stream.map_or(StreamId::MIN, Stream::last_entry_id);
                    From::After(last.previous().unwrap_or(StreamId::MIN))
                }
                (b"$", true) => return Err(MEANINGLESS),
                (b">", true) => From::New,
                (b">", false) => {
                    return Err(Error::fixed(
                        "ERR The > ID can be specified only when calling XREADGROUP using the \
                         GROUP <group> <consumer> option.",
                    ));
                }
                (word, _) => From::After(strict_id(word, 0)?),
            });
        }
        Ok(starts)
    }

    fn limit(&self) -> usize {
        self.count.unwrap_or(usize::MAX)
    }
}

const MEANINGLESS: Error = Error::fixed(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
     consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just \
     return an empty result set.",
);

fn only_grouped(option: &str) -> Error {
    Error::new(format!(
        "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
    ))
}

/// Begins the reply for so many streams.
fn reply_streams(count: usize, out: &mut Writer<'_>) {
    match out.protocol() {
        Protocol::Resp2 => out.array(count),
        Protocol::Resp3 => out.map(count),
    }
}

fn reply_key(key: &[u8], out: &mut Writer<'_>) {
    if out.protocol() == Protocol::Resp2 {
        out.array(2);
    }
    out.bulk(key);
}

fn xread(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let argv = args.argv();
    let query = Query::parse(c, args, false)?;
    let starts = query.starts(c)?;
    let mut found = Vec::new();
    for (key, start) in query.keys.iter().zip(&starts) {
        let From::After(id) = *start else { continue };
        let stream = c.read_as::<Stream>(key)?;
        if let Some(first) = id.next()
            && stream.is_some_and(|stream| !stream.is_empty() && stream.last_entry_id() > id)
        {
            found.push((*key, first));
        }
    }
    if !found.is_empty() {
        reply_streams(found.len(), out);
        for (key, first) in found {
            reply_key(key, out);
            if let Some(stream) = c.get_mut::<Stream>(key)? {
                reply_range(stream, first, StreamId::MAX, false, query.limit(), out);
            }
        }
        return Ok(());
    }
    let Some(timeout) = query.timeout else {
        out.null_array();
        return Ok(());
    };
    c.block(query.keys, BlockOn::Stream, timeout, Nothing::NullArray, out)?;
    // `$` is the end of the stream as it is now.
    let mut again: Vec<Box<[u8]>> = argv.iter().map(|word| Box::from(*word)).collect();
    let ids = again.len() - starts.len();
    for (word, start) in again[ids..].iter_mut().zip(&starts) {
        if let From::After(id) = start {
            *word = id.to_vec().into();
        }
    }
    c.resume_with(again);
    Ok(())
}

fn xreadgroup(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let query = Query::parse(c, args, true)?;
    let starts = query.starts(c)?;
    let Some((group, consumer)) = query.group else { return Err(Error::SYNTAX) };
    let mut served = Vec::new();
    for (key, start) in query.keys.iter().zip(&starts) {
        let now = c.now_ms();
        let stream = c.read_as::<Stream>(key)?;
        let Some((stream, group)) = stream.and_then(|s| Some((s, s.groups.get(group)?))) else {
            continue;
        };
        let claims = || {
            let at = query.min_idle_ms.and_then(|min| stream.claimable_at(group, min));
            at.is_some_and(|at| at <= now)
        };
        if *start != From::New || stream.last_entry_id() > group.last_id || claims() {
            served.push((*key, *start));
        }
    }
    if served.is_empty() {
        for key in query.keys {
            see_consumer(c, key, group, consumer)?;
        }
        return match query.timeout {
            None => {
                out.null_array();
                Ok(())
            }
            Some(timeout) => {
                let next = query.next_claim(c, group)?;
                c.block(query.keys, BlockOn::StreamGroup, timeout, Nothing::NullArray, out)?;
                c.resume_at(next);
                Ok(())
            }
        };
    }
    reply_streams(served.len(), out);
    for (key, start) in served {
        reply_key(key, out);
        see_consumer(c, key, group, consumer)?;
        match start {
            From::New => deliver(c, key, &query, out)?,
            From::After(id) => history(c, key, &query, id, out)?,
        }
    }
    Ok(())
}

/// How long, in milliseconds, a command that claims may sleep at least when nothing is pending.
const LEAST_SLEEP_MS: i64 = 100;

impl Query<'_> {
    /// When something may be old enough to be claimed: Unix milliseconds.
    fn next_claim(&self, c: &mut Ctx<'_>, group: &[u8]) -> Result<Option<i64>, Error> {
        let Some(min_idle) = self.min_idle_ms else { return Ok(None) };
        let now = c.now_ms();
        // What somebody else takes after this is not old enough before that.
        let mut next = now.saturating_add(min_idle.max(LEAST_SLEEP_MS));
        for key in self.keys {
            if let Some(stream) = c.get_mut::<Stream>(key)?
                && let Some(group) = stream.groups.get(group)
                && let Some(at) = stream.claimable_at(group, min_idle)
            {
                next = next.min(at.max(now.saturating_add(1)));
            }
        }
        Ok(Some(next))
    }
}

/// Delivers what is claimed, and then entries that the group has not read yet.
fn deliver(
    c: &mut Ctx<'_>,
    key: &[u8],
    query: &Query<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let Some((name, consumer)) = query.group else { return Ok(()) };
    let claimed = match query.min_idle_ms {
        Some(min_idle) => claim_idle(c, key, name, consumer, (min_idle, query.limit()))?,
        None => Vec::new(),
    };
    let limit = query.limit() - claimed.len();
    let now = c.now_ms();
    let Some(stream) = c.get_mut::<Stream>(key)? else { return Ok(()) };
    let Some(last) = stream.groups.get(name).map(|group| group.last_id) else { return Ok(()) };
    let mut entries = Vec::new();
    if let Some(first) = last.next().filter(|_| limit > 0) {
        stream.visit(first, StreamId::MAX, false, |entry| {
            entries.push(entry);
            entries.len() < limit
        });
    }
    out.array(claimed.len() + entries.len());
    for Idle { id, idle_ms, deliveries } in claimed {
        if let Some(entry) = stream.get(id) {
            reply_claimed_entry(&entry, (idle_ms, deliveries), out);
        }
    }
    for entry in &entries {
        match query.min_idle_ms {
            Some(_) => reply_claimed_entry(entry, (0, 0), out),
            None => reply_entry(entry, out),
        }
    }
    let ids: Vec<StreamId> = entries.into_iter().map(|entry| entry.id).collect();
    let Some(read) = stream.groups.get(name).and_then(|group| stream.read_after(group, &ids))
    else {
        return Ok(());
    };
    if let Some(group) = stream.groups.get_mut(name) {
        (group.last_id, group.entries_read) = read;
    }
    if !query.no_ack {
        for id in ids {
            take_over(c, key, name, consumer, (id, now, 1))?;
        }
    } else if let Some(group) = group_mut(c, key, name)?
        && let Some(consumer) = group.consumers.get_mut(consumer)
    {
        consumer.active_ms = Some(now);
    }
    log_group_id(c, key, name)
}

/// An entry that was pending, for how long, and how often it had been delivered.
struct Idle {
    id: StreamId,
    idle_ms: i64,
    deliveries: u64,
}

/// Makes entries pending for the consumer that have been pending long enough, those first that
/// were delivered first. Those that are deleted are no longer pending then.
fn claim_idle(
    c: &mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
    consumer: &[u8],
    (min_idle, most): (i64, usize),
) -> Result<Vec<Idle>, Error> {
    let now = c.now_ms();
    let Some(group) = group_mut(c, key, name)? else { return Ok(Vec::new()) };
    let mut claimed = Vec::new();
    for (since, id) in group.idle_longest(now, min_idle) {
        if claimed.len() == most {
            break;
        }
        match claim_one(c, key, name, id, (min_idle, false))? {
            Claimed::Gone => log_pending(c, key, name, id)?,
            Claimed::Kept => {}
            Claimed::Free(deliveries) => {
                take_over(c, key, name, consumer, (id, now, deliveries.saturating_add(1)))?;
                claimed.push(Idle { id, idle_ms: now.saturating_sub(since), deliveries });
            }
        }
    }
    Ok(claimed)
}

fn reply_claimed_entry(entry: &Entry<'_>, (idle_ms, deliveries): (i64, u64), out: &mut Writer<'_>) {
    out.array(4);
    reply_entry_parts(entry, out);
    out.integer(idle_ms.max(0));
    out.integer(i64::try_from(deliveries).unwrap_or(i64::MAX));
}

/// Answers what is pending for the consumer after `id`; it counts as delivered once more.
fn history(
    c: &mut Ctx<'_>,
    key: &[u8],
    query: &Query<'_>,
    id: StreamId,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let Some((name, consumer)) = query.group else { return Ok(()) };
    let now = c.now_ms();
    let Some(stream) = c.get_mut::<Stream>(key)? else { return Ok(()) };
    let ids: Vec<StreamId> = match (stream.groups.get(name), id.next()) {
        (Some(group), Some(first)) => group
            .consumers
            .get(consumer)
            .map(|consumer| {
                consumer.pending.from(&first).map(|(id, ())| *id).take(query.limit()).collect()
            })
            .unwrap_or_default(),
        _ => Vec::new(),
    };
    out.array(ids.len());
    let mut read = Vec::new();
    for id in ids {
        match stream.get(id) {
            Some(entry) => reply_entry(&entry, out),
            None => {
                out.array(2);
                out.bulk(&id.to_vec());
                out.null_array();
                continue;
            }
        }
        if let Some(pending) =
            stream.groups.get_mut(name).and_then(|group| group.pending.get_mut(&id))
        {
            pending.delivered_ms = now;
            pending.deliveries = pending.deliveries.saturating_add(1);
        }
        read.push(id);
    }
    read.into_iter().try_for_each(|id| log_pending(c, key, name, id))
}
