//! Group *stream*: taking over what is pending for others.

use super::stream::{INVALID_ID, STREAM, interval_id, reply_entry, strict_id};
use super::stream_group::{
    group_mut, log_group_id, log_pending, no_group, read_group, see_consumer,
};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, KeySpec, flag, key, ts};
use crate::engine::types::Stream;
use crate::engine::types::stream::StreamId;
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "xautoclaim",
        handler: Some(xautoclaim),
        arity: -6,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::DELETE)],
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        summary: "Changes, or acquires, ownership of messages in a consumer group, as if the \
            messages were delivered to as consumer group member.",
        syntax: "key:key group consumer min-idle-time start [COUNT count:integer] \
            [justid(\"JUSTID\")]",
        reply: ts(
            "[next: string, entries: With<S, \"JUSTID\", string[], StreamEntry[]>, deleted: \
                string[]]",
        ),
        tips: &["nondeterministic_output"],
        ..STREAM
    },
    Command {
        name: "xclaim",
        handler: Some(xclaim),
        arity: -6,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
        since: "5.0.0",
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
        summary: "Changes, or acquires, ownership of a message in a consumer group, as if the \
            message was delivered a consumer group member.",
        syntax: "key:key group consumer min-idle-time id... [IDLE ms:integer] \
            [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [force(\"FORCE\")] \
            [justid(\"JUSTID\")] [LASTID lastid]",
        reply: ts("With<S, \"JUSTID\", string[], StreamEntry[]>"),
        tips: &["nondeterministic_output"],
        ..STREAM
    },
];

/// The arguments of XCLAIM after the ids.
#[derive(Default)]
struct Claim {
    /// Unix milliseconds.
    delivered_ms: Option<i64>,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

impl Claim {
    fn parse(args: &mut Args<'_>, now: i64) -> Result<Self, Error> {
        let integer = |args: &mut Args<'_>, name: &str| {
            let error = Error::new(format!("ERR Invalid {name} option argument for XCLAIM"));
            args.take_integer_or(error)
        };
        let mut claim = Self::default();
        while !args.is_empty() {
            let more = args.len() > 1;
            if args.accept("FORCE") {
                claim.force = true;
            } else if args.accept("JUSTID") {
                claim.just_id = true;
            } else if more && args.accept("IDLE") {
                claim.delivered_ms = Some(now.saturating_sub(integer(args, "IDLE")?));
            } else if more && args.accept("TIME") {
                claim.delivered_ms = Some(integer(args, "TIME")?);
            } else if more && args.accept("RETRYCOUNT") {
                claim.deliveries = u64::try_from(integer(args, "RETRYCOUNT")?).ok();
            } else if more && args.accept("LASTID") {
                claim.last_id = strict_id(args.take()?, 0)?;
            } else {
                let option = args.take()?;
                let parts: [&[u8]; 3] = [b"ERR Unrecognized XCLAIM option '", option, b"'"];
                return Err(Error::new(parts.concat()));
            }
        }
        Ok(claim)
    }
}

fn xclaim(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name, consumer) = (args.take()?, args.take()?, args.take()?);
    let now = c.now_ms();
    read_group(c, key, name)?;
    let min_idle =
        args.take_integer_or(Error::fixed("ERR Invalid min-idle-time argument for XCLAIM"))?.max(0);
    let mut ids = Vec::new();
    while let Some(id) = args.peek().and_then(|word| StreamId::parse(word, 0)) {
        ids.push(id);
        args.take()?;
    }
    if ids.is_empty() && args.is_empty() {
        return Err(INVALID_ID);
    }
    let claim = Claim::parse(args, now)?;
    see_consumer(c, key, name, consumer)?;
    // What is replayed may be of a clock that was ahead of this one.
    let latest = if c.engine.is_repeating() { i64::MAX } else { now };
    let delivered = claim.delivered_ms.filter(|at| (0..=latest).contains(at)).unwrap_or(now);
    let group = group_mut(c, key, name)?.ok_or_else(|| no_group(key, name))?;
    let ahead = claim.last_id > group.last_id;
    if ahead {
        group.last_id = claim.last_id;
    }
    let mut claimed = Vec::new();
    for id in ids {
        match claim_one(c, key, name, id, (min_idle, claim.force))? {
            Claimed::Gone => log_pending(c, key, name, id)?,
            Claimed::Kept => {}
            Claimed::Free(deliveries) => {
                let more = deliveries.saturating_add(u64::from(!claim.just_id));
                let deliveries = claim.deliveries.unwrap_or(more);
                take_over(c, key, name, consumer, (id, delivered, deliveries))?;
                claimed.push(id);
            }
        }
    }
    if ahead && claimed.is_empty() {
        log_group_id(c, key, name)?;
    }
    reply_claimed(c, key, &claimed, claim.just_id, out)
}

/// What becomes of an entry that somebody claims.
pub(super) enum Claimed {
    /// It was pending, but is no longer in the stream: it is pending no more.
    Gone,
    /// It stays with whom it was.
    Kept,
    /// It may be had; so often it was delivered.
    Free(u64),
}

pub(super) fn claim_one(
    c: &mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
    id: StreamId,
    (min_idle, force): (i64, bool),
) -> Result<Claimed, Error> {
    let now = c.now_ms();
    let Some(stream) = c.get_mut::<Stream>(key)? else { return Ok(Claimed::Kept) };
    let exists = stream.contains(id);
    let Some(group) = stream.groups.get_mut(name) else { return Ok(Claimed::Kept) };
    let pending = group.pending.get(&id);
    Ok(match pending {
        Some(_) if !exists => {
            group.acknowledge(id);
            Claimed::Gone
        }
        Some(pending) if min_idle > 0 && now.saturating_sub(pending.delivered_ms) < min_idle => {
            Claimed::Kept
        }
        Some(pending) => Claimed::Free(pending.deliveries),
        None if force && exists => Claimed::Free(0),
        None => Claimed::Kept,
    })
}

/// Makes an entry pending for a consumer, and logs it.
pub(super) fn take_over(
    c: &mut Ctx<'_>,
    key: &[u8],
    name: &[u8],
    consumer: &[u8],
    (id, delivered_ms, deliveries): (StreamId, i64, u64),
) -> Result<(), Error> {
    let now = c.now_ms();
    let Some(group) = group_mut(c, key, name)? else { return Ok(()) };
    group.deliver(id, consumer, delivered_ms, deliveries);
    if let Some(consumer) = group.consumers.get_mut(consumer) {
        consumer.active_ms = Some(now);
    }
    log_pending(c, key, name, id)
}

fn reply_claimed(
    c: &mut Ctx<'_>,
    key: &[u8],
    ids: &[StreamId],
    just_id: bool,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    out.array(ids.len());
    let Some(stream) = c.get_mut::<Stream>(key)? else { return Ok(()) };
    for id in ids {
        match stream.get(*id) {
            Some(entry) if !just_id => reply_entry(&entry, out),
            _ => out.bulk(&id.to_vec()),
        }
    }
    Ok(())
}

fn xautoclaim(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, name, consumer) = (args.take()?, args.take()?, args.take()?);
    c.read(key);
    let min_idle = args
        .take_integer_or(Error::fixed("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?
        .max(0);
    let start = interval_id(args.take()?, true)?;
    let (mut count, mut just_id) = (100usize, false);
    while !args.is_empty() {
        if args.len() > 1 && args.accept("COUNT") {
            let error = Error::fixed("ERR COUNT must be > 0");
            let value = args.take_integer_or(error.clone())?;
            let value = usize::try_from(value).ok().filter(|value| *value > 0);
            count = value.filter(|value| *value <= isize::MAX as usize / 16).ok_or(error)?;
        } else if args.accept("JUSTID") {
            just_id = true;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let now = c.now_ms();
    let group = group_mut(c, key, name)?.ok_or_else(|| no_group(key, name))?;
    let attempts = count.saturating_mul(10);
    let mut looked: Vec<StreamId> =
        group.pending.from(&start).map(|(id, _)| *id).take(attempts.saturating_add(1)).collect();
    let beyond = if looked.len() > attempts { looked.pop() } else { None };
    see_consumer(c, key, name, consumer)?;
    let (mut claimed, mut gone, mut next) = (Vec::new(), Vec::new(), beyond);
    for id in looked {
        if claimed.len() + gone.len() == count {
            next = Some(id);
            break;
        }
        match claim_one(c, key, name, id, (min_idle, false))? {
            Claimed::Gone => {
                log_pending(c, key, name, id)?;
                gone.push(id);
            }
            Claimed::Kept => {}
            Claimed::Free(deliveries) => {
                let deliveries = deliveries.saturating_add(u64::from(!just_id));
                take_over(c, key, name, consumer, (id, now, deliveries))?;
                claimed.push(id);
            }
        }
    }
    out.array(3);
    out.bulk(&next.unwrap_or(StreamId::MIN).to_vec());
    reply_claimed(c, key, &claimed, just_id, out)?;
    out.array(gone.len());
    gone.iter().for_each(|id| out.bulk(&id.to_vec()));
    Ok(())
}
