//! Users.

use super::selector::{Asked, Selector, add};
use super::sha256::{Digest, hex, parse_hex, sha256};
use super::{Denial, Reason};

/// So many patterns, passwords, rules and selectors a user has at most.
const MOST: usize = 4096;

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    pub name: Vec<u8>,
    /// Whether anybody may authenticate as this user.
    pub is_on: bool,
    /// Whether every password is right.
    pub is_nopass: bool,
    skips_sanitizing: bool,
    pub passwords: Vec<Digest>,
    /// The rules that stand in no parentheses.
    pub root: Selector,
    pub selectors: Vec<Selector>,
}

impl User {
    /// A user who may do nothing, except, with `all_channels`, with channels.
    pub fn new(name: &[u8], all_channels: bool) -> Self {
        Self {
            name: name.to_vec(),
            is_on: false,
            is_nopass: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
        }
    }

    fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// Whether this user may do everything.
    pub fn is_unrestricted(&self) -> bool {
        self.all_selectors().any(Selector::is_everything)
    }

    /// Whether a password is right.
    pub fn knows(&self, password: &[u8]) -> bool {
        let digest = sha256(password);
        // What differs where is not told by the time that it takes.
        let is_same = |known: &Digest| {
            known.iter().zip(&digest).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
        };
        self.is_on && (self.is_nopass || self.passwords.iter().any(is_same))
    }

    /// Applies a rule; `all_channels` is what new selectors have.
    ///
    /// # Errors
    /// Redis's reason; nothing has changed.
    pub fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), &'static str> {
        let selectors: usize = self.all_selectors().map(Selector::len).sum();
        if self.passwords.len() + self.selectors.len() + selectors >= MOST {
            return Err("The user has too many rules");
        }
        const WORDS: [&str; 9] = [
            "",
            "on",
            "off",
            "skip-sanitize-payload",
            "sanitize-payload",
            "nopass",
            "resetpass",
            "clearselectors",
            "reset",
        ];
        let word = WORDS.iter().position(|word| rule.eq_ignore_ascii_case(word.as_bytes()));
        match (word, rule) {
            (Some(0), _) => {}
            (Some(at @ 1..3), _) => self.is_on = at == 1,
            (Some(at @ 3..5), _) => self.skips_sanitizing = at == 3,
            (Some(at @ 5..7), _) => (self.is_nopass, self.passwords) = (at == 5, Vec::new()),
            (Some(7), _) => self.selectors.clear(),
            (Some(_), _) => *self = Self::new(&self.name, all_channels),
            (None, [sign @ (b'>' | b'#' | b'<' | b'!'), ..]) => {
                let digest = digest_of(rule)?;
                let known = self.passwords.iter().position(|known| *known == digest);
                match (matches!(sign, b'>' | b'#'), known) {
                    (true, None) => self.passwords.push(digest),
                    (true, Some(_)) => {}
                    (false, Some(at)) => drop(self.passwords.remove(at)),
                    (false, None) => {
                        return Err(
                            "The password you are trying to remove from the user does not \
                                    exist",
                        );
                    }
                }
                self.is_nopass &= !matches!(sign, b'>' | b'#');
            }
            (None, [b'(', rules @ .., b')']) => {
                let mut selector = Selector::new(all_channels);
                for rule in words(rules) {
                    selector.apply(rule)?;
                }
                self.selectors.push(selector);
            }
            _ => self.root.apply(rule)?,
        }
        Ok(())
    }

    /// The flags, as they are shown.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let is_on = if self.is_on { "on" } else { "off" };
        let nopass = self.is_nopass.then_some("nopass");
        let sanitize =
            if self.skips_sanitizing { "skip-sanitize-payload" } else { "sanitize-payload" };
        [Some(is_on), nopass, Some(sanitize)].into_iter().flatten()
    }

    /// All rules, which make such a user again.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = b"user ".to_vec();
        text.extend_from_slice(&self.name);
        self.flags().for_each(|flag| add(&mut text, b"", flag.as_bytes()));
        self.passwords.iter().for_each(|password| add(&mut text, b"#", &hex(password)));
        add(&mut text, b"", &self.root.describe());
        for selector in &self.selectors {
            add(&mut text, b"(", &selector.describe());
            text.push(b')');
        }
        text
    }

    /// Whether a request is allowed: by any selector. Otherwise why not, as far as it came.
    pub fn check(&self, asked: &mut Asked<'_>) -> Result<(), Denial> {
        let mut why = Denial { reason: Reason::Command, at: 0 };
        for selector in self.all_selectors() {
            match selector.check(asked) {
                Ok(()) => return Ok(()),
                Err(denial) => why = why.max(denial),
            }
        }
        Err(why)
    }

    /// Whether a request is allowed, and then may read any key.
    pub fn may_read_all(&self, asked: &mut Asked<'_>) -> bool {
        let mut all = self.all_selectors();
        all.any(|selector| selector.may_read_all() && selector.check(asked).is_ok())
    }

    /// Whether a subscription is allowed.
    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_selectors().any(|selector| selector.allows_channel(channel, is_pattern))
    }
}

/// The words of a line of rules.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).filter(|word| !word.is_empty())
}

/// The digest of `>password` and `<password`, or in `#digits` and `!digits`.
fn digest_of(rule: &[u8]) -> Result<Digest, &'static str> {
    match rule {
        [b'#' | b'!', digits @ ..] => parse_hex(digits).ok_or(
            "The password hash must be exactly 64 characters and contain only lowercase \
             hexadecimal characters",
        ),
        [_, password @ ..] => Ok(sha256(password)),
        [] => Err(super::SYNTAX),
    }
}

/// Puts what stands between parentheses, over several arguments, together.
///
/// # Errors
/// The argument at which a parenthesis is opened that is not closed.
pub fn merge<'a>(rules: &[&'a [u8]]) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for rule in rules {
        let ends = rule.ends_with(b")");
        match &mut open {
            // As in Redis, also what is open already begins anew.
            _ if rule.starts_with(b"(") && !ends => open = Some((rule, rule.to_vec())),
            None => merged.push(rule.to_vec()),
            Some((_, text)) => {
                text.push(b' ');
                text.extend_from_slice(rule);
                if ends {
                    merged.push(std::mem::take(text));
                    open = None;
                }
            }
        }
    }
    match open {
        Some((start, _)) => Err(start),
        None => Ok(merged),
    }
}
