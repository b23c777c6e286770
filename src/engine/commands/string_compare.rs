//! Group *string*: digests, and deleting what has not changed.

use super::string::STRING;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, KeySpec, flag, key, ts};
use crate::engine::types::StringValue;
use crate::resp::Writer;
use xxhash_rust::xxh3::xxh3_64;

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "delex",
        handler: Some(delex),
        arity: -2,
        flags: flag::WRITE | flag::FAST,
        keys: &[KeySpec::at(1, key::RW | key::DELETE | key::VARIABLE_FLAGS)],
        since: "8.4.0",
        complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string \
            value.",
        summary: "Conditionally removes the specified key based on value or digest comparison.",
        syntax: "key:key [condition(IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | \
            IFDNE ifdne-digest)]",
        reply: ts("0 | 1"),
        ..STRING
    },
    Command {
        name: "digest",
        handler: Some(digest),
        arity: 2,
        flags: flag::READONLY | flag::FAST,
        keys: &[KeySpec::at(1, key::RO | key::ACCESS)],
        since: "8.4.0",
        complexity: "O(N) where N is the length of the string value.",
        summary: "Returns the XXH3 hash of a string value.",
        syntax: "key:key",
        reply: ts("string | null"),
        ..STRING
    },
];

/// What a string has to be: `IFEQ`, `IFNE`, `IFDEQ` or `IFDNE` and the word after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison<'a> {
    with: With,
    negated: bool,
    word: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum With {
    Value,
    Digest,
}

const KINDS: [(&str, With, bool); 4] = [
    ("IFEQ", With::Value, false),
    ("IFNE", With::Value, true),
    ("IFDEQ", With::Digest, false),
    ("IFDNE", With::Digest, true),
];

impl<'a> Comparison<'a> {
    /// Reads an option, if it is one of these. The same one may be given again, and the last counts.
    pub(super) fn accept(args: &mut Args<'a>, seen: &mut Option<Self>) -> Result<bool, Error> {
        let Some((_, with, negated)) = KINDS.into_iter().find(|(name, ..)| args.accept(name))
        else {
            return Ok(false);
        };
        if seen.is_some_and(|seen| (seen.with, seen.negated) != (with, negated)) {
            return Err(Error::SYNTAX);
        }
        let word = args.next().ok_or(Error::SYNTAX)?;
        *seen = Some(Self { with, negated, word });
        Ok(true)
    }

    /// Whether a key that does not exist will do.
    pub(super) fn is_met_by_none(self) -> bool {
        self.negated
    }

    /// Whether `string` will do.
    ///
    /// # Errors
    /// When the word is no digest but has to be.
    pub(super) fn is_met_by(self, string: &StringValue) -> Result<bool, Error> {
        let is_equal = match self.with {
            With::Value => string.with_bytes(|bytes| bytes == self.word),
            With::Digest if self.word.len() != DIGEST_LEN => {
                return Err(Error::fixed("ERR must be exactly 16 hexadecimal characters"));
            }
            With::Digest => digest_of(string).as_bytes().eq_ignore_ascii_case(self.word),
        };
        Ok(is_equal != self.negated)
    }
}

/// The length of a digest as text: 64 bits in hexadecimal.
const DIGEST_LEN: usize = 16;

fn digest_of(string: &StringValue) -> String {
    format!("{:016x}", string.with_bytes(xxh3_64))
}

fn digest(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    match c.read_string(args.take()?)?.map(digest_of) {
        Some(digest) => out.bulk(digest.as_bytes()),
        None => out.null(),
    }
    Ok(())
}

fn delex(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    if !matches!(args.len(), 0 | 2) {
        return Err(Error::fixed("ERR wrong number of arguments for 'delex' command"));
    }
    let wanted = match c.lookup(key).map(|object| object.value.as_string()) {
        None => false,
        Some(_) if args.is_empty() => true,
        Some(None) => {
            return Err(Error::fixed(
                "ERR Key should be of string type if conditions are specified",
            ));
        }
        Some(Some(string)) => {
            let mut condition = None;
            Comparison::accept(args, &mut condition)?;
            condition
                .ok_or_else(|| {
                    Error::fixed("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE")
                })?
                .is_met_by(string)?
        }
    };
    if wanted {
        c.remove(key);
        c.notify(class::GENERIC, "del", key);
        c.effect(&[b"DEL", key]);
    }
    out.integer(i64::from(wanted));
    Ok(())
}
