//! Selectors: sets of commands, keys and channels that go together.

use super::category::{categories, category, find};
use super::{Denial, Reason, SYNTAX};
use crate::engine::glob::glob_match;
use crate::engine::registry::{Resolved, every};
use crate::engine::table::{Command, flag, key};

/// Commands and subcommands, in the order of [`every`]: a bit each.
const WORDS: usize = 16;

/// What may be done to keys.
const READ: u8 = 1;
const WRITE: u8 = 2;

const UNKNOWN: &str = "Unknown command or category name in ACL";

/// A request that is checked.
pub struct Asked<'a> {
    /// The number of the command among [`every`].
    pub number: usize,
    pub command: &'static Command,
    /// It is a subcommand.
    pub is_sub: bool,
    pub argv: &'a [&'a [u8]],
    /// Where the keys are, and their flags, once somebody has asked.
    pub keys: Option<Vec<(usize, u32)>>,
}

impl Asked<'_> {
    fn keys(&mut self) -> &[(usize, u32)] {
        let find = || self.command.key_positions(self.argv).unwrap_or_default();
        self.keys.get_or_insert_with(find)
    }
}

/// A selector.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    commands: [u32; WORDS],
    /// Every command may be called.
    all_commands: bool,
    /// What is taken away is taken away from all.
    from_all: bool,
    /// `command|argument`: commands that may be called with this first argument only.
    first_args: Vec<Vec<u8>>,
    /// The rules for commands since the last one for all.
    rules: Vec<Vec<u8>>,
    all_keys: bool,
    /// What may be done to keys, a byte, and the pattern of the keys.
    keys: Vec<Vec<u8>>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
}

impl Selector {
    /// One that allows nothing, except, with `all_channels`, these.
    pub fn new(all_channels: bool) -> Self {
        Self { all_channels, ..Self::default() }
    }

    /// Whether everything is allowed.
    pub fn is_everything(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// How much there is in it.
    pub fn len(&self) -> usize {
        self.first_args.len() + self.rules.len() + self.keys.len() + self.channels.len()
    }

    /// Applies a rule.
    ///
    /// # Errors
    /// Redis's reason; nothing has changed.
    pub fn apply(&mut self, rule: &[u8]) -> Result<(), &'static str> {
        const WORDS: [&str; 10] = [
            "resetkeys",
            "allkeys",
            "~*",
            "resetchannels",
            "allchannels",
            "&*",
            "nocommands",
            "allcommands",
            "+@all",
            "-@all",
        ];
        let word = WORDS.iter().position(|word| rule.eq_ignore_ascii_case(word.as_bytes()));
        match (word, rule) {
            (Some(at @ 0..3), _) => self.reset_keys(at > 0),
            (Some(at @ 3..6), _) => self.reset_channels(at > 3),
            (Some(at), _) => self.reset_commands(at == 7 || at == 8),
            (None, [b'~' | b'%', ..]) => return self.add_keys(rule),
            (None, [b'&', pattern @ ..]) => return self.add_channels(pattern),
            (None, [sign @ (b'+' | b'-'), name @ ..]) => return self.change(name, *sign == b'+'),
            _ => return Err(SYNTAX),
        }
        Ok(())
    }

    fn reset_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn reset_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn reset_commands(&mut self, all: bool) {
        self.commands = if all { [u32::MAX; WORDS] } else { [0; WORDS] };
        (self.all_commands, self.from_all) = (all, all);
        self.first_args.clear();
        self.rules.clear();
    }

    fn add_keys(&mut self, rule: &[u8]) -> Result<(), &'static str> {
        if self.all_keys {
            return Err(
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid \
                        and does not have any effect. Try 'resetkeys' to start with an empty list \
                        of patterns",
            );
        }
        // Redis takes one without a `~` for one with nothing after it.
        let end = rule.iter().position(|byte| *byte == b'~').unwrap_or(rule.len());
        let (letters, pattern) = rule.split_at(end);
        let pattern = pattern.get(1..).unwrap_or_default();
        let mut access = if letters.is_empty() { READ | WRITE } else { 0 };
        for letter in letters.get(1..).unwrap_or_default() {
            let bit = match letter {
                b'R' | b'r' => READ,
                b'W' | b'w' => WRITE,
                _ => return Err(SYNTAX),
            };
            if access & bit != 0 {
                return Err(SYNTAX);
            }
            access |= bit;
        }
        if access == 0 || has_spaces(pattern) {
            return Err(SYNTAX);
        }
        for known in &mut self.keys {
            if let [known, same @ ..] = known.as_mut_slice()
                && same == pattern
            {
                *known |= access;
                return Ok(());
            }
        }
        self.keys.push([&[access], pattern].concat());
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), &'static str> {
        if self.all_channels {
            return Err("Adding a pattern after the * pattern (or the 'allchannels' flag) is not \
                        valid and does not have any effect. Try 'resetchannels' to start with an \
                        empty list of channels");
        }
        if has_spaces(pattern) {
            return Err(SYNTAX);
        }
        if !self.channels.iter().any(|known| known == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    /// Allows or forbids what `name` names.
    fn change(&mut self, name: &[u8], allow: bool) -> Result<(), &'static str> {
        let name = name.to_ascii_lowercase();
        if let [b'@', category_name @ ..] = name.as_slice() {
            let bit = category(category_name).ok_or(UNKNOWN)?;
            for (number, known) in every().iter().enumerate() {
                if categories(known.command) & bit != 0 {
                    self.allow(number, *known, allow);
                }
            }
        } else if let Some((number, known)) = find(&name) {
            self.allow(number, known, allow);
        } else {
            self.add_first_arg(&name, allow)?;
        }
        self.note(name, allow);
        Ok(())
    }

    /// A command and its subcommands.
    fn allow(&mut self, number: usize, known: Resolved, allow: bool) {
        for number in number..=number + known.command.subcommands.len() {
            let Some(word) = self.commands.get_mut(number / 32) else { continue };
            let bit = 1 << (number % 32);
            *word = if allow { *word | bit } else { *word & !bit };
        }
        if known.container.is_none() {
            self.first_args.retain(|first| first_arg(first, known.command).is_none());
        }
        self.all_commands &= allow;
    }

    /// `command|argument`.
    fn add_first_arg(&mut self, rule: &[u8], allow: bool) -> Result<(), &'static str> {
        let bar = rule.iter().rposition(|byte| *byte == b'|').filter(|_| allow).ok_or(UNKNOWN)?;
        let (name, argument) = rule.split_at(bar);
        let (_, known) = find(name).ok_or(UNKNOWN)?;
        if known.container.is_some() {
            return Err("Allowing first-arg of a subcommand is not supported");
        }
        if argument.len() == 1 {
            return Err(SYNTAX);
        }
        if !known.command.subcommands.is_empty() {
            return Err(UNKNOWN);
        }
        if !self.first_args.iter().any(|known| known == rule) {
            self.first_args.push(rule.to_vec());
        }
        Ok(())
    }

    /// Keeps a rule for commands, instead of those that it makes void.
    fn note(&mut self, mut name: Vec<u8>, allow: bool) {
        self.rules.retain(|rule| {
            let rest = rule.get(1..).and_then(|known| known.strip_prefix(name.as_slice()));
            !matches!(rest, Some([] | [b'|', ..]))
        });
        name.insert(0, if allow { b'+' } else { b'-' });
        self.rules.push(name);
    }

    /// The rules for commands.
    pub fn describe_commands(&self) -> Vec<u8> {
        let mut text = if self.from_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        self.rules.iter().for_each(|rule| add(&mut text, b"", rule));
        text
    }

    /// The rules for keys. Those of ACL LIST are to be applied one after the other, in which nothing can
    /// come after `~*`.
    pub fn describe_keys(&self, are_applied: bool) -> Vec<u8> {
        let mut text = if self.all_keys { b"~*".to_vec() } else { Vec::new() };
        for rule in &self.keys {
            let Some((access, pattern)) = rule.split_first() else { continue };
            let before: &[u8] = match *access {
                READ => b"%R~",
                WRITE => b"%W~",
                _ if are_applied && pattern == b"*" => b"%RW~",
                _ => b"~",
            };
            add(&mut text, before, pattern);
        }
        text
    }

    /// The rules for channels.
    pub fn describe_channels(&self) -> Vec<u8> {
        let mut text = if self.all_channels { b"&*".to_vec() } else { Vec::new() };
        self.channels.iter().for_each(|pattern| add(&mut text, b"&", pattern));
        text
    }

    /// All rules.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = self.describe_keys(true);
        if !self.all_channels {
            add(&mut text, b"", b"resetchannels");
        }
        for rules in [self.describe_channels(), self.describe_commands()] {
            if !rules.is_empty() {
                add(&mut text, b"", &rules);
            }
        }
        text
    }

    /// Whether a request is allowed.
    pub fn check(&self, asked: &mut Asked<'_>) -> Result<(), Denial> {
        if !self.allows_command(asked) {
            return Err(Denial { reason: Reason::Command, at: 0 });
        }
        let argv = asked.argv;
        if !self.all_keys && !asked.command.keys.is_empty() {
            let denied = |(at, flags): &&(usize, u32)| {
                let key = argv.get(*at).copied().unwrap_or_default();
                flags & key::NOT_KEY == 0 && !self.allows_key(key, *flags)
            };
            if let Some((at, _)) = asked.keys().iter().find(denied) {
                return Err(Denial { reason: Reason::Key, at: *at });
            }
        }
        let (most, is_pattern) = match asked.command.name {
            "publish" | "spublish" => (1, false),
            "subscribe" | "ssubscribe" => (usize::MAX, false),
            "psubscribe" => (usize::MAX, true),
            _ => (0, false),
        };
        if self.all_channels || most == 0 {
            return Ok(());
        }
        let mut channels = argv.iter().enumerate().skip(1).take(most);
        match channels.find(|(_, channel)| !self.allows_channel(channel, is_pattern)) {
            Some((at, _)) => Err(Denial { reason: Reason::Channel, at }),
            None => Ok(()),
        }
    }

    fn allows_command(&self, asked: &Asked<'_>) -> bool {
        let word = self.commands.get(asked.number / 32).copied().unwrap_or(0);
        let first = asked.argv.get(1).copied().unwrap_or_default();
        let is_first = |rule: &Vec<u8>| {
            first_arg(rule, asked.command).is_some_and(|known| known.eq_ignore_ascii_case(first))
        };
        self.all_commands
            || asked.command.has(flag::NO_AUTH)
            || word & 1 << (asked.number % 32) != 0
            || !asked.is_sub && self.first_args.iter().any(is_first)
    }

    fn allows_key(&self, key: &[u8], flags: u32) -> bool {
        let needed = access_of(flags);
        let allows = |rule: &Vec<u8>| {
            let (access, pattern) = rule.split_first().unwrap_or((&0, &[]));
            access & needed == needed && glob_match(pattern, key, false)
        };
        self.keys.iter().any(allows)
    }

    /// Whether any key may be read.
    pub fn may_read_all(&self) -> bool {
        let is_all =
            |rule: &Vec<u8>| matches!(rule.as_slice(), [access, b'*'] if access & READ != 0);
        self.all_keys || self.keys.iter().any(is_all)
    }

    /// Whether a channel is allowed: for a pattern, the pattern itself must be.
    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        let allows = |known: &Vec<u8>| match is_pattern {
            true => known == channel,
            false => glob_match(known, channel, false),
        };
        self.all_channels || self.channels.iter().any(allows)
    }
}

/// Adds a rule, and a blank before it.
pub fn add(text: &mut Vec<u8>, before: &[u8], rule: &[u8]) {
    if !text.is_empty() {
        text.push(b' ');
    }
    text.extend_from_slice(before);
    text.extend_from_slice(rule);
}

/// The argument in `command|argument`, if it is this command.
fn first_arg<'a>(rule: &'a [u8], command: &Command) -> Option<&'a [u8]> {
    rule.strip_prefix(command.name.as_bytes())?.strip_prefix(b"|")
}

fn access_of(flags: u32) -> u8 {
    let read = if flags & key::ACCESS != 0 { READ } else { 0 };
    let is_write = flags & (key::INSERT | key::DELETE | key::UPDATE) != 0;
    read | if is_write { WRITE } else { 0 }
}

/// Whether a name or a pattern could not be written in a line of rules.
pub fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | 0 | b'\t'..=b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn every_command_has_a_bit() {
        assert!(every().len() < WORDS * 32);
        for (number, known) in every().iter().enumerate() {
            let name = known.full_name();
            assert_eq!(find(name.as_bytes()).map(|(number, _)| number), Some(number), "{name}");
        }
    }

    #[test]
    fn rules_that_are_void_are_not_kept() {
        let mut selector = Selector::default();
        for rule in ["+@read", "+config|get", "-get", "+CONFIG|set", "+get", "-config", "+@READ"] {
            selector.apply(rule.as_bytes()).unwrap();
        }
        assert_eq!(selector.describe_commands(), b"-@all +get -config +@read");
        selector.apply(b"+@all").unwrap();
        selector.apply(b"+select|0").unwrap();
        assert_eq!(selector.describe_commands(), b"+@all +select|0");
    }
}
