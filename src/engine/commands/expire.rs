//! Group *generic*: expiry times.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, Group, KeySpec, acl, flag, key, ts};
use crate::number::parse_integer;
use crate::resp::Writer;

const SETTING: Command = Command {
    group: Group::Generic,
    flags: flag::WRITE | flag::FAST,
    acl: acl::KEYSPACE,
    keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
    complexity: "O(1)",
    reply: ts("0 | 1"),
    ..Command::BASE
};

const READING: Command = Command {
    arity: 2,
    flags: flag::READONLY | flag::FAST,
    keys: &[KeySpec::at(1, key::RO | key::ACCESS)],
    syntax: "key:key",
    reply: ts("number"),
    ..SETTING
};

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "expire",
        handler: Some(expire),
        arity: -3,
        since: "1.0.0",
        summary: "Sets the expiration time of a key in seconds.",
        syntax: "key:key seconds:integer [condition(NX | XX | GT | LT)]",
        ..SETTING
    },
    Command {
        name: "expireat",
        handler: Some(expireat),
        arity: -3,
        since: "1.2.0",
        summary: "Sets the expiration time of a key to a Unix timestamp.",
        syntax: "key:key unix-time-seconds:unix-time [condition(NX | XX | GT | LT)]",
        ..SETTING
    },
    Command {
        name: "expiretime",
        handler: Some(expiretime),
        since: "7.0.0",
        summary: "Returns the expiration time of a key as a Unix timestamp.",
        ..READING
    },
    Command {
        name: "persist",
        handler: Some(persist_command),
        arity: 2,
        since: "2.2.0",
        summary: "Removes the expiration time of a key.",
        syntax: "key:key",
        ..SETTING
    },
    Command {
        name: "pexpire",
        handler: Some(pexpire),
        arity: -3,
        since: "2.6.0",
        summary: "Sets the expiration time of a key in milliseconds.",
        syntax: "key:key milliseconds:integer [condition(NX | XX | GT | LT)]",
        ..SETTING
    },
    Command {
        name: "pexpireat",
        handler: Some(pexpireat),
        arity: -3,
        since: "2.6.0",
        summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.",
        syntax: "key:key unix-time-milliseconds:unix-time [condition(NX | XX | GT | LT)]",
        ..SETTING
    },
    Command {
        name: "pexpiretime",
        handler: Some(pexpiretime),
        since: "7.0.0",
        summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.",
        ..READING
    },
    Command {
        name: "pttl",
        handler: Some(pttl),
        since: "2.6.0",
        summary: "Returns the expiration time in milliseconds of a key.",
        tips: &["nondeterministic_output"],
        ..READING
    },
    Command {
        name: "ttl",
        handler: Some(ttl),
        since: "1.0.0",
        summary: "Returns the expiration time in seconds of a key.",
        tips: &["nondeterministic_output"],
        ..READING
    },
];

/// How an expiry time is written.
#[derive(Debug, PartialEq)]
pub(super) struct Unit {
    token: &'static str,
    /// Milliseconds in one.
    factor: i64,
    /// Counted from now; otherwise from the Unix epoch.
    from_now: bool,
}

/// `EX`.
pub(super) const SECONDS: Unit = Unit { token: "EX", factor: 1000, from_now: true };
/// `PX`.
pub(super) const MILLISECONDS: Unit = Unit { token: "PX", factor: 1, from_now: true };
const UNIX_SECONDS: Unit = Unit { token: "EXAT", factor: 1000, from_now: false };
const UNIX_MILLISECONDS: Unit = Unit { token: "PXAT", factor: 1, from_now: false };
static UNITS: [Unit; 4] = [SECONDS, MILLISECONDS, UNIX_SECONDS, UNIX_MILLISECONDS];

/// An expiry time as an argument gives it.
pub(super) struct Expiry<'a> {
    unit: &'static Unit,
    text: &'a [u8],
}

impl<'a> Expiry<'a> {
    /// `text` in `unit`.
    pub(super) fn new(unit: &'static Unit, text: &'a [u8]) -> Self {
        Self { unit, text }
    }

    /// Reads an option of SET or GETEX, if it is one of `EX`, `PX`, `EXAT` and `PXAT`. The same
    /// one may be given again, and the last counts.
    pub(super) fn accept(args: &mut Args<'a>, seen: &mut Option<Self>) -> Result<bool, Error> {
        let Some(unit) = UNITS.iter().find(|unit| args.accept(unit.token)) else {
            return Ok(false);
        };
        if seen.as_ref().is_some_and(|seen| seen.unit != unit) {
            return Err(Error::SYNTAX);
        }
        *seen = Some(Self::new(unit, args.take()?));
        Ok(true)
    }

    /// The moment in Unix milliseconds, for a command that wants a number above zero.
    pub(super) fn positive(&self, c: &Ctx<'_>, command: &str) -> Result<i64, Error> {
        let at = self.moment(c, command)?;
        // The number itself and the moment have the same sign unless it is counted from now.
        match parse_integer(self.text) {
            Some(1..) if at > 0 => Ok(at),
            _ => Err(invalid_time(command)),
        }
    }

    /// The moment in Unix milliseconds.
    fn moment(&self, c: &Ctx<'_>, command: &str) -> Result<i64, Error> {
        let number = parse_integer(self.text).ok_or(Error::NOT_AN_INTEGER)?;
        let base = if self.unit.from_now { c.now_ms() } else { 0 };
        number
            .checked_mul(self.unit.factor)
            .and_then(|number| number.checked_add(base))
            .ok_or_else(|| invalid_time(command))
    }
}

fn invalid_time(command: &str) -> Error {
    Error::new(format!("ERR invalid expire time in '{command}' command"))
}

/// Lets an existing key expire at `at`, at once if that has passed, and logs what came of it.
pub(super) fn expire_at(c: &mut Ctx<'_>, key: &[u8], at: i64) {
    if at <= c.now_ms() && !c.engine.is_loading() {
        c.discard(key, c.engine.config.lazyfree.expire);
        c.notify(class::GENERIC, "del", key);
        c.effect(&[b"DEL", key]);
    } else {
        c.db().set_expiry(key, Some(at));
        c.notify(class::GENERIC, "expire", key);
        c.effect(&[b"PEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()]);
    }
}

/// Takes away the expiry time of `key`, if it has one; whether it had.
pub(super) fn persist(c: &mut Ctx<'_>, key: &[u8]) -> bool {
    let volatile = c.lookup(key).is_some_and(|object| object.expires_at().is_some());
    if volatile {
        c.db().set_expiry(key, None);
        c.notify(class::GENERIC, "persist", key);
        c.effect(&[b"PERSIST", key]);
    }
    volatile
}

fn persist_command(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    out.integer(i64::from(persist(c, args.take()?)));
    Ok(())
}

/// Which expiry times the EXPIRE family replaces.
#[derive(Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn parse(args: &mut Args<'_>) -> Result<Self, Error> {
        let mut conditions = Self::default();
        while let Some(word) = args.peek() {
            if args.accept("NX") {
                conditions.nx = true;
            } else if args.accept("XX") {
                conditions.xx = true;
            } else if args.accept("GT") {
                conditions.gt = true;
            } else if args.accept("LT") {
                conditions.lt = true;
            } else {
                return Err(Error::new([b"ERR Unsupported option ", word].concat()));
            }
        }
        let Self { nx, xx, gt, lt } = conditions;
        if nx && (xx || gt || lt) {
            return Err(Error::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if gt && lt {
            return Err(Error::fixed("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Whether `old` may become `new`. No expiry time counts as one that never comes.
    fn allow(&self, old: Option<i64>, new: i64) -> bool {
        !(self.nx && old.is_some()
            || self.xx && old.is_none()
            || self.gt && old.is_none_or(|old| new <= old)
            || self.lt && old.is_some_and(|old| new >= old))
    }
}

fn expire(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    expire_in(c, args, out, &SECONDS, "expire")
}

fn expireat(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    expire_in(c, args, out, &UNIX_SECONDS, "expireat")
}

fn pexpire(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    expire_in(c, args, out, &MILLISECONDS, "pexpire")
}

fn pexpireat(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    expire_in(c, args, out, &UNIX_MILLISECONDS, "pexpireat")
}

fn expire_in(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    unit: &'static Unit,
    command: &str,
) -> Result<(), Error> {
    let (key, text) = (args.take()?, args.take()?);
    let conditions = Conditions::parse(args)?;
    let at = Expiry::new(unit, text).moment(c, command)?;
    let allowed = c.lookup(key).is_some_and(|object| conditions.allow(object.expires_at(), at));
    if allowed {
        expire_at(c, key, at);
    }
    out.integer(i64::from(allowed));
    Ok(())
}

fn ttl(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    answer_time(c, args, out, |at, now| to_seconds(left(at, now)))
}

fn pttl(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    answer_time(c, args, out, left)
}

fn expiretime(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    answer_time(c, args, out, |at, _| to_seconds(at.max(0)))
}

fn pexpiretime(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    answer_time(c, args, out, |at, _| at.max(0))
}

/// Answers -2 for no key, -1 for no expiry time, or what `form` makes of it and the time now.
fn answer_time(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    form: impl Fn(i64, i64) -> i64,
) -> Result<(), Error> {
    let now = c.now_ms();
    out.integer(match c.peek(args.take()?).map(|object| object.expires_at()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => form(at, now),
    });
    Ok(())
}

fn left(at: i64, now: i64) -> i64 {
    at.saturating_sub(now).max(0)
}

/// To the nearest second. `ms` is not negative.
fn to_seconds(ms: i64) -> i64 {
    ((ms.unsigned_abs() + 500) / 1000) as i64
}
