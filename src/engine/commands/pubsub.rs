//! Group *pubsub*.

use super::help;
use crate::collections::Sorted;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::glob::glob_match;
use crate::engine::key::Key;
use crate::engine::pubsub::Space;
use crate::engine::session::{ReplyMode, Session};
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::resp::Writer;

const PUBSUB: Command = Command {
    flags: flag::PUBSUB | flag::NOSCRIPT | flag::LOADING | flag::STALE,
    group: Group::Pubsub,
    reply: ts("null"),
    ..Command::BASE
};

const PUBLISH: Command = Command {
    flags: flag::PUBSUB | flag::LOADING | flag::STALE | flag::FAST | flag::MAY_REPLICATE,
    reply: ts("number"),
    ..PUBSUB
};

const LOOK: Command =
    Command { flags: flag::PUBSUB | flag::LOADING | flag::STALE, since: "2.8.0", ..PUBSUB };

const SHARD_CHANNELS: &[KeySpec] = &[KeySpec::from(1, -1, 1, key::NOT_KEY)];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "psubscribe",
        handler: Some(psubscribe),
        arity: -2,
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns to subscribe to.",
        summary: "Listens for messages published to channels that match one or more patterns.",
        syntax: "pattern{pattern:pattern}...",
        ..PUBSUB
    },
    Command {
        name: "publish",
        handler: Some(publish),
        arity: 3,
        since: "2.0.0",
        complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel \
            and M is the total number of subscribed patterns (by any client).",
        summary: "Posts a message to a channel.",
        syntax: "channel message",
        ..PUBLISH
    },
    Command {
        name: "pubsub",
        arity: -2,
        flags: 0,
        since: "2.8.0",
        complexity: "Depends on subcommand.",
        summary: "A container for Pub/Sub commands.",
        subcommands: SUBCOMMANDS,
        ..PUBSUB
    },
    Command {
        name: "punsubscribe",
        handler: Some(punsubscribe),
        arity: -1,
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns to unsubscribe.",
        summary: "Stops listening to messages published to channels that match one or more \
            patterns.",
        syntax: "[pattern:pattern...]",
        ..PUBSUB
    },
    Command {
        name: "spublish",
        handler: Some(spublish),
        arity: 3,
        keys: &[KeySpec::at(1, key::NOT_KEY)],
        since: "7.0.0",
        complexity: "O(N) where N is the number of clients subscribed to the receiving shard \
            channel.",
        summary: "Post a message to a shard channel.",
        syntax: "shardchannel message",
        ..PUBLISH
    },
    Command {
        name: "ssubscribe",
        handler: Some(ssubscribe),
        arity: -2,
        keys: SHARD_CHANNELS,
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to subscribe to.",
        summary: "Listens for messages published to shard channels.",
        syntax: "shardchannel...",
        ..PUBSUB
    },
    Command {
        name: "subscribe",
        handler: Some(subscribe),
        arity: -2,
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels to subscribe to.",
        summary: "Listens for messages published to channels.",
        syntax: "channel...",
        ..PUBSUB
    },
    Command {
        name: "sunsubscribe",
        handler: Some(sunsubscribe),
        arity: -1,
        keys: SHARD_CHANNELS,
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to unsubscribe.",
        summary: "Stops listening to messages posted to shard channels.",
        syntax: "[shardchannel...]",
        ..PUBSUB
    },
    Command {
        name: "unsubscribe",
        handler: Some(unsubscribe),
        arity: -1,
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels to unsubscribe.",
        summary: "Stops listening to messages posted to channels.",
        syntax: "[channel...]",
        ..PUBSUB
    },
];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "channels",
        handler: Some(channels),
        arity: -2,
        complexity: "O(N) where N is the number of active channels, and assuming constant time \
            pattern matching (relatively short channels and patterns)",
        summary: "Returns the active channels.",
        syntax: "[pattern:pattern]",
        reply: ts("string[]"),
        ..LOOK
    },
    Command {
        name: "help",
        handler: Some(pubsub_help),
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..LOOK
    },
    Command {
        name: "numpat",
        handler: Some(numpat),
        arity: 2,
        complexity: "O(1)",
        summary: "Returns a count of unique pattern subscriptions.",
        reply: ts("number"),
        ..LOOK
    },
    Command {
        name: "numsub",
        handler: Some(numsub),
        arity: -2,
        complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        summary: "Returns a count of subscribers to channels.",
        syntax: "[channel...]",
        reply: ts("(string | number)[]"),
        ..LOOK
    },
    Command {
        name: "shardchannels",
        handler: Some(shardchannels),
        arity: -2,
        since: "7.0.0",
        complexity: "O(N) where N is the number of active shard channels, and assuming constant \
            time pattern matching (relatively short shard channels).",
        summary: "Returns the active shard channels.",
        syntax: "[pattern:pattern]",
        reply: ts("string[]"),
        ..LOOK
    },
    Command {
        name: "shardnumsub",
        handler: Some(shardnumsub),
        arity: -2,
        since: "7.0.0",
        complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested \
            shard channels",
        summary: "Returns the count of subscribers of shard channels.",
        syntax: "[shardchannel...]",
        reply: ts("(string | number)[]"),
        ..LOOK
    },
];

fn subscribe(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    add(c, args, out, Space::Channel);
    Ok(())
}

fn psubscribe(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    add(c, args, out, Space::Pattern);
    Ok(())
}

fn ssubscribe(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if c.session().executing {
        return Err(Error::fixed("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    add(c, args, out, Space::Shard);
    Ok(())
}

fn unsubscribe(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    remove(c, args, out, Space::Channel);
    Ok(())
}

fn punsubscribe(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    remove(c, args, out, Space::Pattern);
    Ok(())
}

fn sunsubscribe(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    remove(c, args, out, Space::Shard);
    Ok(())
}

fn subscribed(session: &mut Session, space: Space) -> &mut Vec<Key> {
    match space {
        Space::Channel => &mut session.channels,
        Space::Pattern => &mut session.patterns,
        Space::Shard => &mut session.shard_channels,
    }
}

fn add(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>, space: Space) {
    for name in args.by_ref() {
        if !c.engine.pubsub.has(space, name, c.session_id) {
            subscribed(c.session(), space).push(Key::from(name));
            c.engine.pubsub.add(space, name, c.session_id);
        }
        let kind = match space {
            Space::Channel => "subscribe",
            Space::Pattern => "psubscribe",
            Space::Shard => "ssubscribe",
        };
        let count = told(c.session(), space);
        announce(c, out, kind, Some(name), count);
    }
}

/// How many subscriptions are told of one of this space.
fn told(session: &Session, space: Space) -> usize {
    match space {
        Space::Shard => session.shard_channels.len(),
        Space::Channel | Space::Pattern => session.subscriptions(),
    }
}

/// Ends the subscriptions that are named, or all of the space.
fn remove(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>, space: Space) {
    let kind = match space {
        Space::Channel => "unsubscribe",
        Space::Pattern => "punsubscribe",
        Space::Shard => "sunsubscribe",
    };
    let mut count = told(c.session(), space);
    let is_all = args.is_empty();
    let mut names: Vec<Key> = args.by_ref().map(Key::from).collect();
    if is_all {
        names = std::mem::take(subscribed(c.session(), space));
        if names.is_empty() {
            return announce(c, out, kind, None, count);
        }
    }
    for name in &names {
        if c.engine.pubsub.has(space, name, c.session_id) {
            c.engine.pubsub.remove(space, name, c.session_id);
            count = count.saturating_sub(1);
        }
        announce(c, out, kind, Some(name), count);
    }
    if !is_all {
        // There may be many, of both. To sort them would take the module 3 KB.
        let mut named: Sorted<Vec<u8>, u64> = Sorted::default();
        names.iter().for_each(|name| _ = named.insert(name.to_vec(), 0));
        subscribed(c.session(), space).retain(|name| !named.contains_key(&**name));
    }
}

/// Writes what (un)subscribing answers: a push, which CLIENT REPLY does not silence.
fn announce(c: &mut Ctx<'_>, out: &mut Writer<'_>, kind: &str, name: Option<&[u8]>, count: usize) {
    let session = c.session();
    let write = |out: &mut Writer<'_>| {
        out.push(3);
        out.bulk(kind.as_bytes());
        match name {
            Some(name) => out.bulk(name),
            None => out.null(),
        }
        out.count(count);
    };
    if session.reply_mode == ReplyMode::On {
        write(out);
    } else {
        c.engine.sessions.deliver(c.session_id, write);
    }
}

fn publish(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (channel, message) = (args.take()?, args.take()?);
    out.count(c.publish(Space::Channel, channel, message));
    Ok(())
}

fn spublish(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (channel, message) = (args.take()?, args.take()?);
    out.count(c.publish(Space::Shard, channel, message));
    Ok(())
}

fn channels(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    list(c, args, out, Space::Channel)
}

fn shardchannels(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    list(c, args, out, Space::Shard)
}

fn list(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    space: Space,
) -> Result<(), Error> {
    let pattern = args.next();
    if !args.is_empty() {
        return Err(help::wrong_subcommand(args));
    }
    let names: Vec<&[u8]> = c
        .engine
        .pubsub
        .subscribers(space)
        .iter()
        .map(|(name, _)| name)
        .filter(|name| pattern.is_none_or(|pattern| glob_match(pattern, name, false)))
        .collect();
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name));
    Ok(())
}

fn numpat(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.count(c.engine.pubsub.pattern_count());
    Ok(())
}

fn numsub(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    count(c, args, out, Space::Channel);
    Ok(())
}

fn shardnumsub(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    count(c, args, out, Space::Shard);
    Ok(())
}

fn count(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>, space: Space) {
    let subscribers = c.engine.pubsub.subscribers(space);
    out.array(args.len() * 2);
    for name in args.by_ref() {
        out.bulk(name);
        out.count(subscribers.get(name).map_or(0, Vec::len));
    }
}

fn pubsub_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    Return the currently active channels matching a <pattern> (default: '*').",
            "NUMPAT",
            "    Return number of subscriptions to patterns.",
            "NUMSUB [<channel> ...]",
            "    Return the number of subscribers for the specified channels, excluding",
            "    pattern subscriptions(default: no channels).",
            "SHARDCHANNELS [<pattern>]",
            "    Return the currently active shard level channels matching a <pattern> (default: '*').",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return the number of subscribers for the specified shard level channel(s)",
        ],
    );
    Ok(())
}
