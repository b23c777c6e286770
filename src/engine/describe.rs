//! A declaration in the forms of COMMAND INFO and COMMAND DOCS.

use super::acl;
use super::registry::full_name;
use super::syntax::{self, Arg, Kind};
use super::table::{Begin, Command, Find, KeySpec, flag, key};
use crate::resp::Writer;

/// The entry of COMMAND INFO: an array of ten elements.
pub(super) fn info(out: &mut Writer<'_>, container: Option<&Command>, command: &Command) {
    out.array(10);
    out.bulk(full_name(container, command).as_bytes());
    out.integer(i64::from(command.arity));
    let flags: Vec<&str> = names(flag::NAMES, command.flags).collect();
    status_set(out, &flags);
    let (first, last, step) = first_last_step(command.keys);
    [first, last, step].iter().for_each(|number| out.integer(i64::from(*number)));
    let categories: Vec<String> =
        acl::names(acl::categories(command)).map(|name| ["@", name].concat()).collect();
    status_set(out, &categories);
    out.set(command.tips.len());
    command.tips.iter().for_each(|tip| out.bulk(tip.as_bytes()));
    out.set(command.keys.len());
    command.keys.iter().for_each(|spec| key_spec(out, spec));
    if command.subcommands.is_empty() {
        return out.set(0);
    }
    out.array(command.subcommands.len());
    command.subcommands.iter().for_each(|sub| info(out, Some(command), sub));
}

fn status_set(out: &mut Writer<'_>, words: &[impl AsRef<str>]) {
    out.set(words.len());
    words.iter().for_each(|word| out.simple(word.as_ref()));
}

fn names(table: &'static [(u32, &'static str)], bits: u32) -> impl Iterator<Item = &'static str> {
    table.iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| *name)
}

/// The flags of a key, as a set of simple strings.
pub(super) fn key_flags(out: &mut Writer<'_>, flags: u32) {
    let flags: Vec<&str> = names(key::NAMES, flags).collect();
    status_set(out, &flags);
}

/// The old notation: first key, last key and step; zeros when there is none. Several ranges that
/// follow one another are one.
fn first_last_step(specs: &[KeySpec]) -> (i32, i32, i32) {
    let range = |spec: &KeySpec| match (spec.begin, spec.find) {
        (Begin::Index(first), Find::Range { last, step, .. }) => {
            Some((first, if last < 0 { last } else { first + last }, step))
        }
        _ => None,
    };
    if let [only] = specs {
        return range(only).unwrap_or_default();
    }
    let mut whole: Option<(i32, i32)> = None;
    for (first, last, _) in specs.iter().filter_map(range).filter(|(.., step)| *step == 1) {
        whole = match whole {
            Some((begin, end)) if end == first - 1 => Some((begin, last)),
            None => Some((first, last)),
            other => other,
        };
    }
    whole.map_or((0, 0, 0), |(first, last)| (first, last, 1))
}

fn pair(out: &mut Writer<'_>, name: &str, value: &str) {
    out.bulk(name.as_bytes());
    out.bulk(value.as_bytes());
}

fn number(out: &mut Writer<'_>, name: &str, value: i32) {
    out.bulk(name.as_bytes());
    out.integer(i64::from(value));
}

fn unknown(out: &mut Writer<'_>) {
    pair(out, "type", "unknown");
    out.bulk(b"spec");
    out.map(0);
}

fn key_spec(out: &mut Writer<'_>, spec: &KeySpec) {
    out.map(3);
    out.bulk(b"flags");
    key_flags(out, spec.flags);
    out.bulk(b"begin_search");
    out.map(2);
    match spec.begin {
        Begin::Index(index) => {
            pair(out, "type", "index");
            out.bulk(b"spec");
            out.map(1);
            number(out, "index", index);
        }
        Begin::Keyword(keyword, from) => {
            pair(out, "type", "keyword");
            out.bulk(b"spec");
            out.map(2);
            pair(out, "keyword", keyword);
            number(out, "startfrom", from);
        }
        Begin::Unknown(_) => {
            unknown(out);
            out.bulk(b"find_keys");
            out.map(2);
            return unknown(out);
        }
    }
    out.bulk(b"find_keys");
    out.map(2);
    let (kind, fields) = match spec.find {
        Find::Range { last, step, limit } => {
            ("range", [("lastkey", last), ("keystep", step), ("limit", limit)])
        }
        Find::Keynum { index, first, step } => {
            ("keynum", [("keynumidx", index), ("firstkey", first), ("keystep", step)])
        }
    };
    pair(out, "type", kind);
    out.bulk(b"spec");
    out.map(fields.len());
    fields.iter().for_each(|(name, value)| number(out, name, *value));
}

/// The entry of COMMAND DOCS: a map.
pub(super) fn docs(out: &mut Writer<'_>, container: Option<&Command>, command: &Command) {
    // A test parses the syntax of the whole table.
    let args = syntax::parse(command.syntax).unwrap_or_default();
    let pairs = 3
        + usize::from(!command.complexity.is_empty())
        + 3 * usize::from(command.deprecated.is_some())
        + usize::from(!args.is_empty())
        + usize::from(!command.subcommands.is_empty());
    out.map(pairs);
    pair(out, "summary", command.summary);
    pair(out, "since", command.since);
    pair(out, "group", container.unwrap_or(command).group.name());
    if !command.complexity.is_empty() {
        pair(out, "complexity", command.complexity);
    }
    if let Some((since, replaced_by)) = command.deprecated {
        out.bulk(b"doc_flags");
        status_set(out, &["deprecated"]);
        pair(out, "deprecated_since", since);
        pair(out, "replaced_by", replaced_by);
    }
    if !args.is_empty() {
        out.bulk(b"arguments");
        arguments(out, &args, &mut KeySpecs::of(command));
    }
    if !command.subcommands.is_empty() {
        out.bulk(b"subcommands");
        out.map(command.subcommands.len());
        for sub in command.subcommands {
            out.bulk(full_name(Some(command), sub).as_bytes());
            docs(out, Some(command), sub);
        }
    }
}

/// Which key specification the next key argument belongs to: the first to the first, and so on;
/// keys that are left belong to the last.
struct KeySpecs {
    next: usize,
    len: usize,
    /// The specification for keys that are made from patterns.
    patterns: Option<usize>,
}

impl KeySpecs {
    fn of(command: &Command) -> Self {
        let made = |spec: &KeySpec| matches!(spec.begin, Begin::Unknown(_));
        Self { next: 0, len: command.keys.len(), patterns: command.keys.iter().position(made) }
    }

    fn take(&mut self) -> i32 {
        self.next += usize::from(self.patterns == Some(self.next));
        let index = self.next.min(self.len.saturating_sub(1));
        self.next += 1;
        i32::try_from(index).unwrap_or(i32::MAX)
    }
}

fn arguments(out: &mut Writer<'_>, args: &[Arg<'_>], key_specs: &mut KeySpecs) {
    out.array(args.len());
    args.iter().for_each(|arg| argument(out, arg, key_specs));
}

fn argument(out: &mut Writer<'_>, arg: &Arg<'_>, key_specs: &mut KeySpecs) {
    let (kind, members) = match &arg.kind {
        Kind::Value(kind) => (*kind, None),
        Kind::PureToken => ("pure-token", None),
        Kind::OneOf(options) => ("oneof", Some(options)),
        Kind::Block(members) => ("block", Some(members)),
    };
    let key_spec = match kind {
        "key" => Some(key_specs.take()),
        "pattern" => key_specs.patterns.and_then(|index| i32::try_from(index).ok()),
        _ => None,
    };
    let flags: Vec<&str> = [
        (arg.optional, "optional"),
        (arg.multiple, "multiple"),
        (arg.multiple_token, "multiple_token"),
    ]
    .iter()
    .filter(|(is_set, _)| *is_set)
    .map(|(_, name)| *name)
    .collect();
    let pairs = 3 + [key_spec.is_some(), arg.token.is_some(), !flags.is_empty()]
        .map(usize::from)
        .iter()
        .sum::<usize>();
    out.map(pairs);
    pair(out, "name", &arg.name);
    pair(out, "type", kind);
    if members.is_none() {
        pair(out, "display_text", &arg.name);
    }
    if let Some(index) = key_spec {
        number(out, "key_spec_index", index);
    }
    if let Some(token) = arg.token {
        pair(out, "token", token);
    }
    if !flags.is_empty() {
        out.bulk(b"flags");
        status_set(out, &flags);
    }
    if let Some(members) = members {
        out.bulk(b"arguments");
        arguments(out, members, key_specs);
    }
}
