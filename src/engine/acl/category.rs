//! The categories of commands.

use crate::engine::registry::{Resolved, every};
use crate::engine::table::{Command, Group, acl, flag};

/// The categories in Redis's order.
pub const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The categories of a command, a bit each: those that its flags and its group imply, and those that it
/// declares.
pub fn categories(command: &Command) -> u32 {
    let flag = |flags| command.has(flags);
    let acl = |bit| command.acl & bit != 0;
    let is_container = command.handler.is_none();
    let group = |group| command.group == group && !is_container;
    let is_in: [bool; CATEGORIES.len()] = [
        acl(acl::KEYSPACE),
        flag(flag::READONLY) && !acl(acl::SCRIPTING),
        flag(flag::WRITE),
        acl(acl::SET) || group(Group::Set),
        acl(acl::SORTED_SET) || group(Group::SortedSet),
        acl(acl::LIST) || group(Group::List),
        group(Group::Hash),
        acl(acl::STRING) || group(Group::String),
        acl(acl::BITMAP) || group(Group::Bitmap),
        group(Group::Hyperloglog),
        group(Group::Geo),
        group(Group::Stream),
        flag(flag::PUBSUB),
        flag(flag::ADMIN) || acl(acl::ADMIN),
        flag(flag::FAST),
        !flag(flag::FAST),
        flag(flag::BLOCKING),
        flag(flag::ADMIN) || acl(acl::DANGEROUS),
        acl(acl::CONNECTION),
        acl(acl::TRANSACTION),
        acl(acl::SCRIPTING),
    ];
    is_in.iter().enumerate().fold(0, |bits, (at, is_in)| bits | u32::from(*is_in) << at)
}

/// The names of categories.
pub fn names(bits: u32) -> impl Iterator<Item = &'static str> {
    CATEGORIES.iter().enumerate().filter(move |(at, _)| bits & 1 << at != 0).map(|(_, name)| *name)
}

/// The bit of a category.
pub fn category(name: &[u8]) -> Option<u32> {
    let at = CATEGORIES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    at.map(|at| 1 << at)
}

/// What is called `name`, or `container|subcommand`, with its number among all.
pub fn find(name: &[u8]) -> Option<(usize, Resolved)> {
    let mut parts = name.splitn(2, |byte| *byte == b'|');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let is = |word: &[u8], command: &Command| word.eq_ignore_ascii_case(command.name.as_bytes());
    let is_wanted = |known: &Resolved| match (known.container, second) {
        (None, None) => is(first, known.command),
        (Some(container), Some(second)) => is(first, container) && is(second, known.command),
        _ => false,
    };
    let all = every();
    let number = all.iter().position(is_wanted)?;
    Some((number, *all.get(number)?))
}
