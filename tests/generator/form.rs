//! A form: what is between the literal words of a command.

use super::words::Placeholder;
use super::{Dice, Times};

/// One line of a file in `tests/forms`.
pub struct Form {
    /// `file:line`.
    pub place: String,
    /// The literal words it begins with, in lower case: the command and, perhaps, the subcommand.
    pub name: Vec<String>,
    /// The order of the reply's elements is free.
    pub unordered: bool,
    /// Only the reply's shape can be compared.
    pub random: bool,
    /// Large integers in the reply depend on when the command ran.
    pub span: bool,
    /// An older server publishes other events.
    pub quiet: bool,
    /// Not to be compared with a real server.
    pub here: bool,
    /// To be made less often.
    pub rare: bool,
    /// The server version that knows it.
    pub since: Option<(u32, u32)>,
    parts: Vec<Part>,
}

struct Part {
    what: What,
    optional: bool,
    repeated: bool,
}

enum What {
    OneOf(Vec<Atom>),
    Group(Vec<Part>),
}

enum Atom {
    Literal(String),
    Placeholder(Placeholder),
}

impl Form {
    /// A command of this form.
    pub fn words(&self, dice: &mut Dice, times: Times) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        write(&self.parts, dice, times, &mut words);
        words
    }
}

fn write(parts: &[Part], dice: &mut Dice, times: Times, words: &mut Vec<Vec<u8>>) {
    for part in parts {
        let times_over = match (part.optional && dice.one_in(2), part.repeated) {
            (true, _) => 0,
            (false, true) => 1 + dice.below(3),
            (false, false) => 1,
        };
        for _ in 0..times_over {
            match &part.what {
                What::Group(parts) => write(parts, dice, times, words),
                What::OneOf(atoms) => words.push(match &atoms[dice.below(atoms.len())] {
                    Atom::Literal(word) => word.clone().into_bytes(),
                    Atom::Placeholder(placeholder) => placeholder.word(dice, times),
                }),
            }
        }
    }
}

/// The forms of a file.
pub fn parse_file(file: &str, text: &str) -> Result<Vec<Form>, String> {
    let mut forms = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{file}:{number}");
        forms.push(parse_line(&place, line).map_err(|error| format!("{place}: {error}"))?);
    }
    Ok(forms)
}

fn parse_line(place: &str, line: &str) -> Result<Form, String> {
    let (words, flags) = match line.split_once(" # ") {
        Some((words, flags)) => (words, flags),
        None => (line, ""),
    };
    let parts = parse_parts(words)?;
    let literal = |part: &Part| match &part.what {
        What::OneOf(atoms) if !part.optional && !part.repeated => match atoms.as_slice() {
            [Atom::Literal(word)] => Some(word.to_ascii_lowercase()),
            _ => None,
        },
        _ => None,
    };
    let name: Vec<String> = parts.iter().map_while(literal).collect();
    if name.is_empty() {
        return Err("a form begins with the name of a command".to_owned());
    }
    let mut form = Form {
        place: place.to_owned(),
        name,
        unordered: false,
        random: false,
        span: false,
        quiet: false,
        here: false,
        rare: false,
        since: None,
        parts,
    };
    form.set_flags(flags)?;
    Ok(form)
}

impl Form {
    /// Whether it is of this command or subcommand.
    pub fn is_of(&self, name: &[&str]) -> bool {
        self.name.len() >= name.len() && self.name.iter().zip(name).all(|(ours, word)| ours == word)
    }

    fn set_flags(&mut self, flags: &str) -> Result<(), String> {
        let mut flags = flags.split_whitespace();
        while let Some(flag) = flags.next() {
            match flag {
                "unordered" => self.unordered = true,
                "random" => self.random = true,
                "span" => self.span = true,
                "quiet" => self.quiet = true,
                "here" => self.here = true,
                "rare" => self.rare = true,
                "since" => {
                    let version = flags.next().and_then(parse_version);
                    self.since = Some(version.ok_or("'since' needs a version such as 7.2")?);
                }
                other => return Err(format!("no flag is called '{other}'")),
            }
        }
        Ok(())
    }
}

/// `major.minor`, whatever follows.
pub fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The parts of a line. Groups are flat.
fn parse_parts(words: &str) -> Result<Vec<Part>, String> {
    // Opening brackets stand alone, closing ones end their word.
    let spaced = words.replace(" [", " [ ");
    let mut tokens = spaced.split_whitespace();
    let mut parts = Vec::new();
    while let Some(token) = tokens.next() {
        parts.push(match token {
            "[" => {
                let (group, suffix) = parse_group(&mut tokens)?;
                part(What::Group(group), suffix)?
            }
            word => parse_word(word)?,
        });
    }
    Ok(parts)
}

fn parse_group<'a>(
    tokens: &mut impl Iterator<Item = &'a str>,
) -> Result<(Vec<Part>, &'a str), String> {
    let mut parts = Vec::new();
    for token in tokens {
        if token == "[" {
            return Err("a group inside a group".to_owned());
        }
        match token.split_once(']') {
            None => parts.push(parse_word(token)?),
            Some((last, suffix)) => {
                if !last.is_empty() {
                    parts.push(parse_word(last)?);
                }
                if parts.is_empty() {
                    return Err("an empty group".to_owned());
                }
                return Ok((parts, suffix));
            }
        }
    }
    Err("a group without its ']'".to_owned())
}

fn parse_word(token: &str) -> Result<Part, String> {
    let end = token.trim_end_matches(['?', '.']).len();
    let (word, suffix) = token.split_at(end);
    let atom = |word: &str| {
        if word.is_empty() {
            return Err(format!("an empty alternative in '{token}'"));
        }
        if word.starts_with(']') || word.ends_with(']') {
            return Err("a ']' without its '['".to_owned());
        }
        match word.strip_prefix('<').and_then(|word| word.strip_suffix('>')) {
            Some(name) => Placeholder::parse(name).map(Atom::Placeholder),
            None if word.starts_with('<') => Err(format!("'{word}' is no placeholder")),
            None => Ok(Atom::Literal(word.to_owned())),
        }
    };
    part(What::OneOf(word.split('|').map(atom).collect::<Result<_, String>>()?), suffix)
}

fn part(what: What, suffix: &str) -> Result<Part, String> {
    let (optional, repeated) = match suffix {
        "" => (false, false),
        "?" => (true, false),
        "..." => (false, true),
        "...?" | "?..." => (true, true),
        _ => return Err(format!("'{suffix}' is neither '?' nor '...'")),
    };
    Ok(Part { what, optional, repeated })
}
