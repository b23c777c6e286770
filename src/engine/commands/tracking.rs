//! CLIENT TRACKING and its kin: client-side caching.

use super::client::CLIENT;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::session::Session;
use crate::engine::table::{Command, ts};
use crate::engine::tracking::{Tracked, mode};
use crate::resp::Writer;

pub(super) const CACHING: Command = Command {
    name: "caching",
    handler: Some(caching),
    arity: 3,
    since: "6.0.0",
    summary: "Instructs the server whether to track the keys in the next request.",
    syntax: "mode(YES | NO)",
    ..CLIENT
};

pub(super) const GETREDIR: Command = Command {
    name: "getredir",
    handler: Some(getredir),
    arity: 2,
    since: "6.0.0",
    summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
    reply: ts("number"),
    ..CLIENT
};

pub(super) const TRACKING: Command = Command {
    name: "tracking",
    handler: Some(tracking),
    arity: -3,
    since: "6.0.0",
    complexity: "O(1). Some options may introduce additional complexity.",
    summary: "Controls server-assisted client-side caching for the connection.",
    syntax: "status(ON | OFF) [REDIRECT client-id:integer] [PREFIX prefix].... [BCAST] [OPTIN] \
        [OPTOUT] [NOLOOP]",
    ..CLIENT
};

pub(super) const TRACKINGINFO: Command = Command {
    name: "trackinginfo",
    handler: Some(trackinginfo),
    arity: 2,
    since: "6.2.0",
    summary: "Returns information about server-assisted client-side caching for the connection.",
    reply: ts("{ flags: string[]; redirect: number; prefixes: string[] }"),
    ..CLIENT
};

fn caching(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let Some(tracked) = &mut c.session().tracked else {
        return Err(Error::fixed(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN \
             or OPTOUT mode enabled",
        ));
    };
    let (is_valid, why_not) = if args.accept("YES") {
        let why_not =
            "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
        (tracked.is(mode::OPTIN), why_not)
    } else if args.accept("NO") {
        let why_not =
            "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
        (tracked.is(mode::OPTOUT), why_not)
    } else {
        return Err(Error::SYNTAX);
    };
    if !is_valid {
        return Err(Error::fixed(why_not));
    }
    tracked.mode |= mode::CACHING;
    out.ok();
    Ok(())
}

/// To whom messages go: -1 if nobody tracks, 0 if not to another one.
pub(super) fn redirect_of(session: &Session) -> i64 {
    session.tracked().map_or(-1, |tracked| tracked.redirect.cast_signed())
}

fn getredir(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.integer(redirect_of(c.session()));
    Ok(())
}

fn tracking(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let status = args.take()?;
    let (mut new, mut redirect) = (0, 0);
    let mut prefixes = Vec::new();
    while !args.is_empty() {
        if args.len() > 1 && args.accept("REDIRECT") {
            if redirect > 0 {
                return fixed("ERR A client can only redirect to a single other client");
            }
            redirect = args.take_integer()?.cast_unsigned();
            if c.engine.sessions.client(redirect).is_none() {
                return fixed("ERR The client ID you want redirect to does not exist");
            }
        } else if args.len() > 1 && args.accept("PREFIX") {
            prefixes.push(args.take()?);
        } else {
            let bit = OPTIONS.iter().find(|(name, _)| args.accept(name));
            let Some((_, bit)) = bit else { return Err(Error::SYNTAX) };
            new |= bit;
        }
    }
    if status.eq_ignore_ascii_case(b"on") {
        if c.engine.is_follower() {
            // What is read at a copy nobody would be told of after a failover.
            return Err(Error::READ_ONLY);
        }
        let mode = merged(new, &prefixes, c.session().tracked())?;
        c.engine.track(c.session_id, mode, redirect);
        if mode & mode::BCAST != 0 && prefixes.is_empty() {
            prefixes.push(b"");
        }
        prefixes.iter().for_each(|prefix| c.session().add_prefix(prefix));
    } else if status.eq_ignore_ascii_case(b"off") {
        c.engine.untrack(c.session_id);
    } else {
        return Err(Error::SYNTAX);
    }
    out.ok();
    Ok(())
}

const OPTIONS: [(&str, u8); 4] = [
    ("BCAST", mode::BCAST),
    ("OPTIN", mode::OPTIN),
    ("OPTOUT", mode::OPTOUT),
    ("NOLOOP", mode::NOLOOP),
];

fn fixed<T>(text: &'static str) -> Result<T, Error> {
    Err(Error::fixed(text))
}

/// How a session tracks that tracks already, or does not, and is to do it so.
fn merged(new: u8, prefixes: &[&[u8]], old: Option<&Tracked>) -> Result<u8, Error> {
    let is_bcast = new & mode::BCAST != 0;
    let was = old.map_or(new & mode::BCAST, |old| old.mode);
    if !is_bcast && !prefixes.is_empty() {
        return fixed("ERR PREFIX option requires BCAST mode to be enabled");
    }
    if (was ^ new) & mode::BCAST != 0 {
        return fixed(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and \
             then re-enabling it with a different mode.",
        );
    }
    let opts = mode::OPTIN | mode::OPTOUT;
    if is_bcast && new & opts != 0 {
        return fixed("ERR OPTIN and OPTOUT are not compatible with BCAST");
    }
    if new & opts == opts {
        return fixed("ERR You can't specify both OPTIN mode and OPTOUT mode");
    }
    if (new | was) & opts == opts {
        return fixed(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and \
             then re-enabling it with a different mode.",
        );
    }
    let known = old.map_or(&[][..], |old| old.prefixes.as_slice());
    for (index, prefix) in prefixes.iter().enumerate() {
        if let Some((other, _)) = known.iter().find(|(other, _)| overlap(prefix, other)) {
            return Err(overlapping(prefix, b"an existing prefix", other));
        }
        let others = prefixes.get(index + 1..).unwrap_or_default();
        if let Some(other) = others.iter().find(|other| overlap(prefix, other)) {
            return Err(overlapping(prefix, b"another provided prefix", other));
        }
    }
    // CLIENT CACHING is no part of it.
    Ok(new | (was & mode::CACHING))
}

fn overlap(one: &[u8], other: &[u8]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn overlapping(prefix: &[u8], what: &[u8], other: &[u8]) -> Error {
    let text = [
        b"ERR Prefix '",
        prefix,
        b"' overlaps with ",
        what,
        b" '",
        other,
        b"'. Prefixes for a single client must not overlap.",
    ];
    Error::new(text.concat())
}

fn trackinginfo(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let session = c.session();
    let tracked = session.tracked();
    let mode = tracked.map_or(0, |tracked| tracked.mode);
    const FLAGS: [(u8, &str); 7] = [
        (mode::BCAST, "bcast"),
        (mode::OPTIN, "optin"),
        (mode::OPTIN | mode::CACHING, "caching-yes"),
        (mode::OPTOUT, "optout"),
        (mode::OPTOUT | mode::CACHING, "caching-no"),
        (mode::NOLOOP, "noloop"),
        (mode::BROKEN, "broken_redirect"),
    ];
    let flags = || FLAGS.iter().filter(|(bits, _)| mode & bits == *bits);
    out.map(3);
    out.bulk(b"flags");
    out.set(1 + flags().count());
    out.bulk(if tracked.is_some() { b"on" } else { b"off" });
    flags().for_each(|(_, name)| out.bulk(name.as_bytes()));
    out.bulk(b"redirect");
    out.integer(redirect_of(session));
    out.bulk(b"prefixes");
    let prefixes = tracked.map_or(&[][..], |tracked| tracked.prefixes.as_slice());
    out.array(prefixes.len());
    prefixes.iter().for_each(|(prefix, _)| out.bulk(prefix));
    Ok(())
}
