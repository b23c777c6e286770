//! Group *connection*, CLIENT apart.

use crate::engine::REDIS_VERSION;
use crate::engine::acl::DEFAULT;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::session::ReplyMode;
use crate::engine::table::{Command, Group, acl, flag, ts};
use crate::number::parse_integer;
use crate::resp::{Protocol, Writer};

const CONNECTION: Command = Command {
    flags: flag::LOADING | flag::STALE | flag::FAST,
    acl: acl::CONNECTION,
    group: Group::Connection,
    ..Command::BASE
};

/// Commands that are allowed before authentication.
const UNAUTHENTICATED: Command = Command {
    flags: CONNECTION.flags | flag::NOSCRIPT | flag::NO_AUTH | flag::ALLOW_BUSY,
    ..CONNECTION
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "auth",
        handler: Some(auth),
        arity: -2,
        since: "1.0.0",
        complexity: "O(N) where N is the number of passwords defined for the user",
        summary: "Authenticates the connection.",
        syntax: "[username] password",
        reply: ts("\"OK\""),
        ..UNAUTHENTICATED
    },
    Command {
        name: "echo",
        handler: Some(echo),
        arity: 2,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the given string.",
        syntax: "message",
        reply: ts("string"),
        ..CONNECTION
    },
    Command {
        name: "hello",
        handler: Some(hello),
        arity: -1,
        since: "6.0.0",
        complexity: "O(1)",
        summary: "Handshakes with the Redis server.",
        syntax: "[arguments{protover:integer [AUTH auth{username password}] [SETNAME clientname]}]",
        reply: ts("Record<string, Reply>"),
        ..UNAUTHENTICATED
    },
    Command {
        name: "ping",
        handler: Some(ping),
        arity: -1,
        flags: flag::FAST,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Returns the server's liveliness response.",
        syntax: "[message]",
        reply: ts("\"PONG\" // string"),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..CONNECTION
    },
    Command {
        name: "quit",
        handler: Some(quit),
        arity: -1,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Closes the connection.",
        reply: ts("\"OK\""),
        deprecated: Some(("7.2.0", "just closing the connection")),
        ..UNAUTHENTICATED
    },
    Command {
        name: "reset",
        handler: Some(reset),
        arity: 1,
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Resets the connection.",
        reply: ts("\"RESET\""),
        ..UNAUTHENTICATED
    },
    Command {
        name: "select",
        handler: Some(select),
        arity: 2,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "Changes the selected database.",
        syntax: "index:integer",
        reply: ts("\"OK\""),
        ..CONNECTION
    },
];

fn auth(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (user, password) = match args.rest() {
        [password] => (DEFAULT, password),
        [user, password] => (*user, password),
        _ => return Err(Error::SYNTAX),
    };
    if args.argv().len() == 2 && c.engine.config.acl.user(DEFAULT).is_some_and(|u| u.is_nopass) {
        return Err(Error::fixed(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        ));
    }
    c.engine.authenticate(c.session_id, user, password, args.argv())?;
    out.ok();
    Ok(())
}

fn echo(_: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.bulk(args.take()?);
    Ok(())
}

fn hello(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let protocol = args.next().map(parse_protocol).transpose()?;
    let mut user = None;
    let mut name = None;
    while let Some(option) = args.next() {
        if option.eq_ignore_ascii_case(b"AUTH") && args.len() >= 2 {
            user = Some((args.take()?, args.take()?));
        } else if option.eq_ignore_ascii_case(b"SETNAME") && !args.is_empty() {
            name = Some(super::client::valid_name(args.take()?)?);
        } else {
            let text = [b"ERR Syntax error in HELLO option '", option, b"'"].concat();
            return Err(Error::new(text));
        }
    }
    if let Some((user, password)) = user {
        c.engine.authenticate(c.session_id, user, password, args.argv())?;
    }
    if c.engine.must_authenticate(c.session_id) {
        return Err(Error::fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
             <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
             RESP protocol version at the same time",
        ));
    }
    let session = c.session();
    if let Some(name) = name {
        session.name = name.to_vec();
    }
    if let Some(protocol) = protocol {
        session.protocol = protocol;
        out.set_protocol(protocol);
    }
    let id = i64::try_from(session.client_id).unwrap_or(i64::MAX);
    let role = if c.engine.is_follower() { "replica" } else { "master" };
    let version = if out.protocol() == Protocol::Resp3 { 3 } else { 2 };
    out.map(7);
    let pair = |out: &mut Writer<'_>, name: &str, value: &str| {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    };
    pair(out, "server", "redis");
    pair(out, "version", REDIS_VERSION);
    out.bulk(b"proto");
    out.integer(version);
    out.bulk(b"id");
    out.integer(id);
    pair(out, "mode", "standalone");
    pair(out, "role", role);
    out.bulk(b"modules");
    out.array(0);
    Ok(())
}

fn parse_protocol(word: &[u8]) -> Result<Protocol, Error> {
    match parse_integer(word) {
        Some(2) => Ok(Protocol::Resp2),
        Some(3) => Ok(Protocol::Resp3),
        Some(_) => Err(Error::fixed("NOPROTO unsupported protocol version")),
        None => Err(Error::fixed("ERR Protocol version is not an integer or out of range")),
    }
}

fn ping(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let message = args.next();
    if !args.is_empty() {
        return Err(Error::fixed("ERR wrong number of arguments for 'ping' command"));
    }
    if out.protocol() == Protocol::Resp2 && c.session().is_subscriber() {
        out.array(2);
        out.bulk(b"pong");
        out.bulk(message.unwrap_or_default());
        return Ok(());
    }
    match message {
        Some(message) => out.bulk(message),
        None => out.simple("PONG"),
    }
    Ok(())
}

fn quit(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    c.session().closing = true;
    out.ok();
    Ok(())
}

fn reset(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    c.engine.discard(c.session_id);
    c.engine.drop_subscriptions(c.session_id);
    c.engine.untrack(c.session_id);
    c.engine.forget_user(c.session_id);
    c.engine.set_monitor(c.session_id, false);
    let session = c.session();
    session.db = 0;
    session.protocol = Protocol::Resp2;
    session.name.clear();
    session.reply_mode = ReplyMode::On;
    session.no_evict = false;
    session.no_touch = false;
    out.set_protocol(Protocol::Resp2);
    out.simple("RESET");
    Ok(())
}

fn select(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let index = args.take_integer()?;
    if i32::try_from(index).is_err() {
        return Err(Error::fixed(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    c.session().db = database(c, index)?;
    out.ok();
    Ok(())
}

/// `index` as the number of a database.
///
/// # Errors
/// [`Error::NO_SUCH_DATABASE`].
pub(super) fn database(c: &Ctx<'_>, index: i64) -> Result<usize, Error> {
    usize::try_from(index)
        .ok()
        .filter(|index| *index < c.engine.keyspace.databases())
        .ok_or(Error::NO_SUCH_DATABASE)
}
