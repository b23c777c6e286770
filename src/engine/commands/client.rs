//! CLIENT: the sessions.

use super::{help, tracking};
use crate::engine::Engine;
use crate::engine::acl::Acl;
use crate::engine::args::Args;
use crate::engine::blocking::{Timeout, Unblock};
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::registry::Resolved;
use crate::engine::session::{ReplyMode, Session, SessionId};
use crate::engine::table::{Command, Group, acl, flag, ts};
use crate::engine::tracking::mode;
use crate::resp::{Protocol, Writer};

pub(super) const CLIENT: Command = Command {
    flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
    acl: acl::CONNECTION,
    group: Group::Connection,
    complexity: "O(1)",
    reply: ts("\"OK\""),
    ..Command::BASE
};

const ADMIN: Command = Command { flags: CLIENT.flags | flag::ADMIN, ..CLIENT };

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "client",
    arity: -2,
    flags: 0,
    acl: 0,
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    summary: "A container for client connection commands.",
    subcommands: SUBCOMMANDS,
    ..CLIENT
}];

const SUBCOMMANDS: &[Command] = &[
    tracking::CACHING,
    Command {
        name: "getname",
        handler: Some(getname),
        arity: 2,
        since: "2.6.9",
        summary: "Returns the name of the connection.",
        reply: ts("string | null"),
        ..CLIENT
    },
    tracking::GETREDIR,
    Command {
        name: "help",
        handler: Some(client_help),
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..CLIENT
    },
    Command {
        name: "id",
        handler: Some(client_id),
        arity: 2,
        since: "5.0.0",
        summary: "Returns the unique client ID of the connection.",
        reply: ts("number"),
        ..CLIENT
    },
    Command {
        name: "info",
        handler: Some(info),
        arity: 2,
        since: "6.2.0",
        summary: "Returns information about the connection.",
        reply: ts("string"),
        tips: &["nondeterministic_output"],
        ..CLIENT
    },
    Command {
        name: "kill",
        handler: Some(kill),
        arity: -3,
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Terminates open connections.",
        syntax: "filter(old-format | new-format(ID client-id:integer | TYPE client-type(NORMAL | \
            MASTER | SLAVE | REPLICA | PUBSUB) | USER username | ADDR addr | LADDR laddr | \
            SKIPME skipme(YES | NO) | MAXAGE maxage:integer)...)",
        reply: ts("number // number // \"OK\""),
        ..ADMIN
    },
    Command {
        name: "list",
        handler: Some(list),
        arity: -2,
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        summary: "Lists open connections.",
        syntax: "[TYPE client-type(NORMAL | MASTER | REPLICA | PUBSUB)] \
            [ID client-id:integer...]",
        reply: ts("string"),
        tips: &["nondeterministic_output"],
        ..ADMIN
    },
    Command {
        name: "no-evict",
        handler: Some(no_evict),
        arity: 3,
        since: "7.0.0",
        summary: "Sets the client eviction mode of the connection.",
        syntax: "enabled(ON | OFF)",
        ..ADMIN
    },
    Command {
        name: "no-touch",
        handler: Some(no_touch),
        arity: 3,
        since: "7.2.0",
        summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed \
            keys.",
        syntax: "enabled(ON | OFF)",
        ..CLIENT
    },
    Command {
        name: "pause",
        handler: Some(pause),
        arity: -3,
        since: "2.9.50",
        summary: "Suspends commands processing.",
        syntax: "timeout:integer [mode(WRITE | ALL)]",
        ..ADMIN
    },
    Command {
        name: "reply",
        handler: Some(reply),
        arity: 3,
        since: "3.2.0",
        summary: "Instructs the server whether to reply to commands.",
        syntax: "action(ON | OFF | SKIP)",
        ..CLIENT
    },
    Command {
        name: "setinfo",
        handler: Some(setinfo),
        arity: 4,
        since: "7.2.0",
        summary: "Sets information specific to the client or connection.",
        syntax: "attr(\"lib-name\" libname | \"lib-ver\" libver)",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..CLIENT
    },
    Command {
        name: "setname",
        handler: Some(setname),
        arity: 3,
        since: "2.6.9",
        summary: "Sets the connection name.",
        syntax: "connection-name",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..CLIENT
    },
    tracking::TRACKING,
    tracking::TRACKINGINFO,
    Command {
        name: "unblock",
        handler: Some(unblock),
        arity: -3,
        since: "5.0.0",
        complexity: "O(log N) where N is the number of client connections",
        summary: "Unblocks a client blocked by a blocking command from a different connection.",
        syntax: "client-id:integer [unblock-type(TIMEOUT | ERROR)]",
        reply: ts("0 | 1"),
        ..ADMIN
    },
    Command {
        name: "unpause",
        handler: Some(unpause),
        arity: 2,
        since: "6.2.0",
        complexity: "O(N) Where N is the number of paused clients",
        summary: "Resumes processing commands from paused clients.",
        ..ADMIN
    },
];

/// A name may hold any printable ASCII but the space.
pub(in crate::engine) fn is_printable(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

/// Checks a name for a session; an empty one takes the name away.
///
/// # Errors
/// Redis's own, for spaces and special characters.
pub(super) fn valid_name(name: &[u8]) -> Result<&[u8], Error> {
    if is_printable(name) {
        return Ok(name);
    }
    Err(Error::fixed("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn getname(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    match c.session().name.as_slice() {
        [] => out.null(),
        name => out.bulk(name),
    }
    Ok(())
}

fn setname(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    c.session().name = valid_name(args.take()?)?.to_vec();
    out.ok();
    Ok(())
}

fn setinfo(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (attribute, value) = (args.take()?, args.take()?);
    let session = c.session();
    let target = if attribute.eq_ignore_ascii_case(b"lib-name") {
        &mut session.lib_name
    } else if attribute.eq_ignore_ascii_case(b"lib-ver") {
        &mut session.lib_ver
    } else {
        return Err(Error::new([b"ERR Unrecognized option '", attribute, b"'"].concat()));
    };
    if !is_printable(value) {
        let rule = b" cannot contain spaces, newlines or special characters.";
        return Err(Error::new([b"ERR ", attribute, rule].concat()));
    }
    *target = value.to_vec();
    out.ok();
    Ok(())
}

fn client_id(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.integer(i64::try_from(c.session().client_id).unwrap_or(i64::MAX));
    Ok(())
}

fn info(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let id = c.session_id;
    let text = c.engine.sessions.get(id).map(|session| describe(c.engine, id, session));
    out.verbatim("txt", &text.unwrap_or_default());
    Ok(())
}

fn list(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let mut wanted_type = None;
    let mut wanted_ids = None;
    if args.len() == 2 && args.accept("TYPE") {
        wanted_type = Some(ClientType::parse(args.take()?)?);
    } else if args.len() > 1 && args.accept("ID") {
        let ids: Result<Vec<i64>, Error> =
            args.clone().map(|_| args.take_integer_or(INVALID_ID)).collect();
        wanted_ids = Some(ids?);
    } else {
        args.finish()?;
    }
    let mut text = Vec::new();
    for (number, session) in alive(c) {
        let id = i64::try_from(session.client_id).unwrap_or(i64::MAX);
        if wanted_type.is_none_or(|wanted| wanted == ClientType::of(session))
            && wanted_ids.as_ref().is_none_or(|ids| ids.contains(&id))
        {
            text.extend_from_slice(&describe(c.engine, number, session));
        }
    }
    out.verbatim("txt", &text);
    Ok(())
}

const INVALID_ID: Error = Error::fixed("ERR Invalid client ID");

fn alive<'a>(c: &'a Ctx<'_>) -> impl Iterator<Item = (SessionId, &'a Session)> {
    c.engine.sessions.iter().filter(|(_, session)| !session.closing)
}

/// One line of CLIENT LIST: of Redis's fields those that say something here.
pub(in crate::engine) fn describe(engine: &Engine, id: SessionId, session: &Session) -> Vec<u8> {
    let seconds_since = |then: i64| engine.now_ms().saturating_sub(then).max(0) / 1000;
    let queued = session.queue.as_ref().map_or(-1, |queue| queue.commands.len() as i64);
    let multi_bytes = session.queue.as_ref().map_or(0, |queue| queue.bytes);
    let mut line = format!("id={} addr={} name=", session.client_id, session.address).into_bytes();
    line.extend_from_slice(&session.name);
    let fields = format!(
        " age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} watch={} qbuf={} \
         multi-mem={} obl={} oll={} omem={} tot-mem={} cmd={} user=",
        seconds_since(session.created_ms),
        seconds_since(session.active_ms),
        flags_of(session, engine.is_touched(id)),
        session.db,
        session.channels.len(),
        session.patterns.len(),
        session.shard_channels.len(),
        queued,
        session.watched.len(),
        session.query_bytes,
        multi_bytes,
        session.outbox.len(),
        u8::from(session.unsent.host > 0),
        session.unsent.host,
        (size_of::<Session>() + session.query_bytes + multi_bytes + session.outbox.len()) as u64
            + session.unsent.host,
        session.last_command.map_or("NULL".to_owned(), Resolved::full_name),
    );
    line.extend_from_slice(fields.as_bytes());
    line.extend_from_slice(session.username());
    let fields = format!(
        " redir={} resp={} lib-name=",
        tracking::redirect_of(session),
        if session.protocol == Protocol::Resp3 { 3 } else { 2 },
    );
    line.extend_from_slice(fields.as_bytes());
    line.extend_from_slice(&session.lib_name);
    line.extend_from_slice(b" lib-ver=");
    line.extend_from_slice(&session.lib_ver);
    line.push(b'\n');
    line
}

fn flags_of(session: &Session, is_touched: bool) -> String {
    let is_tracking = |mode| session.tracked().is_some_and(|tracked| tracked.is(mode));
    let flags = [
        (session.monitors, 'O'),
        (session.is_subscriber(), 'P'),
        (session.queue.is_some() || session.executing, 'x'),
        (session.blocked.is_some(), 'b'),
        (session.tracked().is_some(), 't'),
        (is_tracking(mode::BROKEN), 'R'),
        (is_tracking(mode::BCAST), 'B'),
        (is_touched, 'd'),
        (session.closing, 'c'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
    ];
    let set: String = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}

/// The types by which CLIENT LIST and KILL select. No session is a master or a replica.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientType {
    Normal,
    Master,
    Replica,
    Pubsub,
}

impl ClientType {
    fn parse(name: &[u8]) -> Result<Self, Error> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(Self::Normal),
            b"master" => Ok(Self::Master),
            b"slave" | b"replica" => Ok(Self::Replica),
            b"pubsub" => Ok(Self::Pubsub),
            _ => Err(Error::new([b"ERR Unknown client type '", name, b"'"].concat())),
        }
    }

    fn of(session: &Session) -> Self {
        if session.is_subscriber() { Self::Pubsub } else { Self::Normal }
    }
}

/// What CLIENT KILL selects by.
#[derive(Default)]
struct KillFilter<'a> {
    id: Option<i64>,
    client_type: Option<ClientType>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    older_than_s: Option<i64>,
    user: Option<&'a [u8]>,
    skip_me: bool,
}

impl<'a> KillFilter<'a> {
    fn parse(args: &mut Args<'a>, acl: &Acl) -> Result<Self, Error> {
        let mut filter = Self { skip_me: true, ..Self::default() };
        while let Some(option) = args.next() {
            let value = args.take()?;
            match option.to_ascii_lowercase().as_slice() {
                b"id" => filter.id = Some(positive(value, "client-id", None)?),
                b"type" => filter.client_type = Some(ClientType::parse(value)?),
                b"addr" => filter.address = Some(value),
                b"laddr" => filter.local_address = Some(value),
                b"user" if acl.user(value).is_some() => filter.user = Some(value),
                b"user" => {
                    return Err(Error::new([b"ERR No such user '", value, b"'"].concat()));
                }
                b"skipme" if value.eq_ignore_ascii_case(b"yes") => filter.skip_me = true,
                b"skipme" if value.eq_ignore_ascii_case(b"no") => filter.skip_me = false,
                b"maxage" => {
                    let not_integer = "ERR maxage is not an integer or out of range";
                    filter.older_than_s = Some(positive(value, "maxage", Some(not_integer))?);
                }
                _ => return Err(Error::SYNTAX),
            }
        }
        Ok(filter)
    }

    /// Sessions know no address of their own side, so that LADDR selects none; and an embedded one may
    /// have none at all, which nobody can mean.
    fn selects(&self, session: &Session, now_ms: i64) -> bool {
        let age_s = now_ms.saturating_sub(session.created_ms) / 1000;
        self.local_address.is_none()
            && self.id.is_none_or(|id| u64::try_from(id) == Ok(session.client_id))
            && self.client_type.is_none_or(|wanted| wanted == ClientType::of(session))
            && self
                .address
                .is_none_or(|address| !address.is_empty() && address == session.address.as_bytes())
            && self.older_than_s.is_none_or(|limit| age_s >= limit)
            && self.user.is_none_or(|user| user == session.username())
    }
}

fn positive(word: &[u8], name: &str, not_integer: Option<&'static str>) -> Result<i64, Error> {
    let too_small = || Error::new(format!("ERR {name} should be greater than 0"));
    match crate::number::parse_integer(word) {
        Some(value) if value > 0 => Ok(value),
        Some(_) => Err(too_small()),
        None => Err(not_integer.map_or_else(too_small, Error::fixed)),
    }
}

fn kill(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let is_old_form = args.len() == 1;
    let filter = if is_old_form {
        KillFilter { address: args.next(), ..KillFilter::default() }
    } else {
        KillFilter::parse(args, &c.engine.config.acl)?
    };
    let me = c.session_id;
    let now = c.now_ms();
    let selected: Vec<SessionId> = alive(c)
        .filter(|(id, session)| filter.selects(session, now) && !(filter.skip_me && *id == me))
        .map(|(id, _)| id)
        .collect();
    if is_old_form && selected.is_empty() {
        return Err(Error::fixed("ERR No such client"));
    }
    for id in &selected {
        // What this one holds goes with it, once it has its reply.
        c.engine.expel(*id, Some(me));
    }
    if is_old_form {
        out.ok();
    } else {
        out.count(selected.len());
    }
    Ok(())
}

fn take_switch(args: &mut Args<'_>) -> Result<bool, Error> {
    if args.accept("ON") {
        Ok(true)
    } else if args.accept("OFF") {
        Ok(false)
    } else {
        Err(Error::SYNTAX)
    }
}

fn no_evict(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    c.session().no_evict = take_switch(args)?;
    out.ok();
    Ok(())
}

fn no_touch(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    c.session().no_touch = take_switch(args)?;
    out.ok();
    Ok(())
}

fn reply(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let session = c.session();
    if args.accept("ON") {
        session.reply_mode = ReplyMode::On;
        out.ok();
    } else if args.accept("OFF") {
        session.reply_mode = ReplyMode::Off;
    } else if args.accept("SKIP") {
        if session.reply_mode != ReplyMode::Off {
            session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(Error::SYNTAX);
    }
    Ok(())
}

fn pause(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if args.len() > 2 {
        return Err(help::wrong_subcommand(args));
    }
    let (timeout, now) = (args.take()?, c.now_ms());
    let is_all = args.is_empty() || args.accept("ALL");
    if !is_all && !args.accept("WRITE") {
        return Err(Error::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL"));
    }
    let until = Timeout::milliseconds(timeout, now)?.0.unwrap_or(now);
    c.engine.begin_pause(until, is_all);
    out.ok();
    Ok(())
}

fn unpause(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    c.engine.end_pause();
    out.ok();
    Ok(())
}

fn unblock(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if args.len() > 2 {
        return Err(help::wrong_subcommand(args));
    }
    let id = args.take()?;
    let why = if args.is_empty() || args.accept("TIMEOUT") {
        Unblock::Timeout
    } else if args.accept("ERROR") {
        Unblock::Error
    } else {
        return Err(Error::fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
    };
    let client = crate::number::parse_integer(id).ok_or(Error::NOT_AN_INTEGER)?;
    let client = u64::try_from(client).ok();
    let found = alive(c).find(|(_, session)| Some(session.client_id) == client);
    let unblocked = found.map(|(id, _)| id).is_some_and(|id| c.engine.unblock(id, why));
    out.integer(i64::from(unblocked));
    Ok(())
}

const HELP: &[&str] = &[
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "    * ID <client-id>",
    "      Kill connections by client id.",
    "    * MAXAGE <maxage>",
    "      Kill connections older than the specified age.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
];

fn client_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(out, "CLIENT", HELP);
    Ok(())
}
