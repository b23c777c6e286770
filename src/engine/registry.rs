//! The command table: every family's declarations, found by name.

use super::commands::FAMILIES;
use super::table::Command;
use std::fmt;

/// Every top-level command, family by family.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// Every command, each followed by its subcommands, which come with it.
#[inline(never)]
pub fn every() -> Vec<Resolved> {
    let mut all = Vec::new();
    for command in commands() {
        all.push(Resolved { command, container: None });
        for sub in command.subcommands {
            all.push(Resolved { command: sub, container: Some(command) });
        }
    }
    all
}

const BUCKETS: usize = 1024;
/// The longest command name; a longer word is no command.
const NAME_LEN: usize = 32;

/// A command as a request names it.
#[derive(Clone, Copy)]
pub struct Resolved {
    /// What runs.
    pub command: &'static Command,
    /// The container, when `command` is a subcommand.
    pub container: Option<&'static Command>,
}

impl Resolved {
    /// `get`, or `config|get`.
    pub fn full_name(self) -> String {
        full_name(self.container, self.command)
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_name())
    }
}

/// `get`, or `config|get`.
pub fn full_name(container: Option<&Command>, command: &Command) -> String {
    match container {
        Some(container) => [container.name, "|", command.name].concat(),
        None => command.name.to_owned(),
    }
}

/// Finds a command by its name in any case.
pub struct Registry {
    /// In the order of [`commands`].
    all: Vec<&'static Command>,
    /// Open addressing: at most a third of the slots are taken.
    slots: Vec<Option<&'static Command>>,
}

impl Registry {
    /// A registry of the whole table.
    pub fn new() -> Self {
        let mut slots = vec![None; BUCKETS];
        let all: Vec<_> = commands().collect();
        for command in &all {
            let mut slot = slot_of(command.name.as_bytes());
            while slots[slot].is_some() {
                slot = (slot + 1) % BUCKETS;
            }
            slots[slot] = Some(*command);
        }
        Self { all, slots }
    }

    /// The command with a number: its place among [`commands`].
    pub fn nth(&self, number: usize) -> Option<&'static Command> {
        self.all.get(number).copied()
    }

    /// The command called `name`.
    pub fn get(&self, name: &[u8]) -> Option<&'static Command> {
        if name.len() > NAME_LEN {
            return None;
        }
        let mut slot = slot_of(name);
        while let Some(command) = self.slots[slot] {
            if command.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(command);
            }
            slot = (slot + 1) % BUCKETS;
        }
        None
    }

    /// The command called `name`, or `container|subcommand`; the container comes with the latter.
    pub fn find(&self, name: &[u8]) -> Option<(Option<&'static Command>, &'static Command)> {
        let mut parts = name.splitn(2, |byte| *byte == b'|');
        let command = self.get(parts.next()?)?;
        match parts.next() {
            None => Some((None, command)),
            Some(name) => subcommand(command, name).map(|sub| (Some(command), sub)),
        }
    }

    /// The command, or subcommand, that the words of a request name.
    pub fn resolve(&self, argv: &[&[u8]]) -> Option<&'static Command> {
        let command = self.get(argv.first()?)?;
        match argv.get(1) {
            Some(name) if !command.subcommands.is_empty() => subcommand(command, name),
            _ => Some(command),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

/// The subcommand of a container called `name`.
pub fn subcommand(container: &'static Command, name: &[u8]) -> Option<&'static Command> {
    container.subcommands.iter().find(|sub| sub.name.as_bytes().eq_ignore_ascii_case(name))
}

/// FNV-1a of the lower-cased name.
fn slot_of(name: &[u8]) -> usize {
    let hash = name.iter().fold(0x811c_9dc5u32, |hash, byte| {
        (hash ^ u32::from(byte | 0x20)).wrapping_mul(0x0100_0193)
    });
    (hash ^ (hash >> 15)) as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::syntax;
    use crate::engine::table::flag;

    fn everything() -> Vec<(String, &'static Command)> {
        let mut all = Vec::new();
        for command in commands() {
            all.push((command.name.to_owned(), command));
            for sub in command.subcommands {
                all.push((format!("{} {}", command.name, sub.name), sub));
            }
        }
        all
    }

    #[test]
    fn every_command_is_found_by_its_name_in_any_case() {
        let registry = Registry::new();
        for command in commands() {
            for name in [command.name.to_owned(), command.name.to_uppercase()] {
                let found = registry.get(name.as_bytes()).expect(&name);
                assert!(std::ptr::eq(found, command), "{name} is declared twice");
            }
        }
        assert!(registry.get(b"nosuchcommand").is_none());
        assert!(registry.get(&[b'a'; 100]).is_none());
    }

    #[test]
    fn every_declaration_is_whole() {
        for (name, command) in everything() {
            assert!(
                !command.summary.is_empty() && command.summary.ends_with('.'),
                "{name}: summary"
            );
            assert!(
                command.handler.is_some() || !command.subcommands.is_empty(),
                "{name}: no handler"
            );
            if command.handler.is_some() {
                assert!(!command.complexity.is_empty(), "{name}: complexity");
                assert!(!command.reply.is_empty(), "{name}: reply");
                assert_ne!(command.arity, 0, "{name}: arity");
            }
            assert!(!command.has(flag::WRITE | flag::READONLY), "{name}: both write and readonly");
        }
    }

    #[test]
    fn arity_is_what_the_syntax_says() {
        for (name, command) in everything() {
            let args = syntax::parse(command.syntax).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            // What these take besides, the reference does not declare.
            if command.handler.is_none() || ["quit", "command", "monitor"].contains(&name.as_str())
            {
                continue;
            }
            let words = name.split(' ').count() as i32;
            let (least, exact) = words_of(&args);
            let arity = if exact { words + least } else { -(words + least) };
            assert_eq!(command.arity, arity, "{name}: {}", syntax::hint(&args));
        }
    }

    /// The least number of words, and whether it is the only one.
    fn words_of(args: &[syntax::Arg<'_>]) -> (i32, bool) {
        args.iter().fold((0, true), |(sum, exact), arg| {
            if arg.optional {
                return (sum, false);
            }
            let (least, only) = match &arg.kind {
                syntax::Kind::Value(_) => (1, true),
                syntax::Kind::PureToken => (0, true),
                syntax::Kind::Block(members) => words_of(members),
                syntax::Kind::OneOf(options) => {
                    let words: Vec<_> =
                        options.iter().map(|o| words_of(std::slice::from_ref(o))).collect();
                    let least = words.iter().map(|w| w.0).min().unwrap_or(0);
                    (least, words.iter().all(|w| *w == (least, true)))
                }
            };
            (sum + least + i32::from(arg.token.is_some()), exact && only && !arg.multiple)
        })
    }
}
