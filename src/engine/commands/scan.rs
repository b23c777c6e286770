//! SCAN, and what it shares with the commands that go through a collection.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::glob::glob_match;
use crate::engine::table::{Command, Group, acl, flag, ts};
use crate::resp::Writer;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "scan",
    handler: Some(scan),
    arity: -2,
    flags: flag::READONLY,
    since: "2.8.0",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
            calls for the cursor to return back to 0. N is the number of elements inside the \
            collection.",
    summary: "Iterates over the key names in the database.",
    syntax: "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type]",
    reply: ts("[cursor: string, keys: string[]]"),
    tips: &["nondeterministic_output", "request_policy:special"],
    group: Group::Generic,
    acl: acl::KEYSPACE,
    ..Command::BASE
}];

/// What SCAN and its kin are asked for.
pub(super) struct ScanOptions<'a> {
    pattern: Option<&'a [u8]>,
    /// How many entries to look at, about.
    pub(super) count: usize,
    type_name: Option<&'a [u8]>,
    /// HSCAN: fields only.
    pub(super) no_values: bool,
}

/// Which command the options are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    Keys,
    Fields,
    Members,
}

impl<'a> ScanOptions<'a> {
    pub(super) fn parse(args: &mut Args<'a>, scanned: Scanned) -> Result<Self, Error> {
        let mut options = Self { pattern: None, count: 10, type_name: None, no_values: false };
        while !args.is_empty() {
            if args.accept("COUNT") {
                let count = Args::new(&[args.take()?], 0).take_integer()?;
                if count < 1 {
                    return Err(Error::SYNTAX);
                }
                options.count = usize::try_from(count).unwrap_or(usize::MAX);
            } else if args.accept("MATCH") {
                options.pattern = Some(args.take()?).filter(|pattern| pattern != b"*");
            } else if scanned == Scanned::Fields && args.accept("NOVALUES") {
                options.no_values = true;
            } else if scanned == Scanned::Keys && args.accept("TYPE") {
                options.type_name = Some(args.take()?);
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }

    /// Whether a field or member matches.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob_match(pattern, name, false))
    }

    fn want(&self, key: &[u8], type_name: &str) -> bool {
        self.matches(key)
            && self.type_name.is_none_or(|name| name.eq_ignore_ascii_case(type_name.as_bytes()))
    }
}

fn scan(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let mut cursor = take_cursor(args)?;
    let options = ScanOptions::parse(args, Scanned::Keys)?;
    let db = c.db_index();
    let engine = &*c.engine;
    let (mut found, mut due): (Vec<&[u8]>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    let most = options.count.min(engine.keyspace.db(db).len());
    found.try_reserve_exact(most).map_err(|_| Error::OUT_OF_MEMORY)?;
    cursor = scan_buckets(cursor, options.count, |cursor| {
        let mut visited = 0;
        let next = engine.keyspace.db(db).keys().scan(cursor, |key, object| {
            visited += 1;
            match options.want(key, object.value.type_name()) {
                true if engine.is_due(object) => due.push(key.to_vec()),
                true => found.push(key),
                false => {}
            }
        });
        (next, visited)
    });
    reply_cursor(cursor, out);
    out.array(found.len());
    found.iter().for_each(|key| out.bulk(key));
    for key in due {
        c.engine.expire_if_due(db, &key);
    }
    Ok(())
}

/// The next argument as a cursor.
pub(super) fn take_cursor(args: &mut Args<'_>) -> Result<u64, Error> {
    parse_cursor(args.take()?).ok_or(Error::fixed("ERR invalid cursor"))
}

/// Begins the reply: the array of cursor and entries, and the cursor.
pub(super) fn reply_cursor(cursor: u64, out: &mut Writer<'_>) {
    out.array(2);
    out.bulk(itoa::Buffer::new().format(cursor).as_bytes());
}

/// Goes on with a scan at `cursor`, with `step` for each bucket, which answers the next cursor and
/// how many entries it has visited. As in Redis the buckets are bounded too, should most be empty.
pub(super) fn scan_buckets(
    mut cursor: u64,
    count: usize,
    mut step: impl FnMut(u64) -> (u64, usize),
) -> u64 {
    let mut visited = 0usize;
    for _ in 0..count.saturating_mul(10) {
        let (next, seen) = step(cursor);
        cursor = next;
        visited = visited.saturating_add(seen);
        if cursor == 0 || visited >= count {
            break;
        }
    }
    cursor
}

/// An unsigned 64-bit number.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
