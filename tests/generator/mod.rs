//! Random commands, made from the forms in `tests/forms`.
//!
//! A file there is a family; a line of it is a form of a command. Words are literal except for
//! placeholders (`<list>`, `<value>`: [`words`] has them all). `A|B` is one of the alternatives, a
//! trailing `?` makes a word or a `[ ... ]` group optional, a trailing `...` repeats it one to
//! three times. After ` # ` come flags:
//!
//! - `unordered`: the order of the reply's elements is free,
//! - `random`: the reply is not comparable, only its shape,
//! - `span`: large integers in the reply depend on when the command ran,
//! - `quiet`: an older server publishes other events,
//! - `here`: not compared with a real server,
//! - `rare`: made less often than others,
//! - `since 7.2`: not known to an older server.

// Every test binary that includes this uses its own part of it.
#![allow(dead_code)]

pub mod form;
pub mod spoil;
pub mod words;

use form::Form;
use std::fmt::Display;
use std::path::Path;

/// SplitMix64, so that a run is its seed.
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as `seed` says.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Whether something happens that happens once in so many times.
    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// The moments and spans that commands name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Long ago or in centuries, so that it does not matter when a command runs.
    Far,
    /// Soon after this Unix time in milliseconds, so that keys expire during a run.
    Near(i64),
}

/// All forms.
pub struct Forms {
    forms: Vec<Form>,
    /// Indexes of forms; one that is not rare is there more than once.
    weighted: Vec<usize>,
}

/// How much more often a form is made than a rare one.
const WEIGHT: usize = 16;

impl Forms {
    /// The forms of `tests/forms`, those without `keep` left out.
    ///
    /// # Panics
    /// With file and line, if one cannot be read.
    pub fn load(keep: impl Fn(&Form) -> bool) -> Self {
        // The crate that includes this may be one in a directory of the repository.
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut places = above.map(|directory| directory.join("tests/forms"));
        let directory = places.find(|place| place.is_dir()).expect("tests/forms is there");
        let entries = std::fs::read_dir(&directory).expect("tests/forms is there");
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "forms"));
        paths.sort();
        let mut forms = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.file_name().unwrap().to_str().unwrap();
            match form::parse_file(file, &text) {
                Ok(parsed) => forms.extend(parsed),
                Err(error) => panic!("tests/forms/{error}"),
            }
        }
        forms.retain(keep);
        Self::new(forms)
    }

    fn new(forms: Vec<Form>) -> Self {
        let weight = |form: &Form| if form.rare { 1 } else { WEIGHT };
        let all = forms.iter().enumerate();
        let weighted =
            all.flat_map(|(index, form)| std::iter::repeat_n(index, weight(form))).collect();
        Self { forms, weighted }
    }

    /// Every form.
    pub fn iter(&self) -> impl Iterator<Item = &Form> {
        self.forms.iter()
    }

    /// A command, and the form it was made from.
    pub fn command(&self, dice: &mut Dice, times: Times) -> (Vec<Vec<u8>>, &Form) {
        let form = &self.forms[dice.pick(&self.weighted)];
        (form.words(dice, times), form)
    }
}

/// The seeds of a run of `runs` simulations: always the same ones, so that a change is to blame for
/// what fails, or other ones each time if it is `random`; or the one that `LODIS_SEED` asks for.
pub fn seeds(runs: u64, random: bool) -> Vec<u64> {
    if let Ok(seed) = std::env::var("LODIS_SEED") {
        return vec![seed.parse().expect("LODIS_SEED is a number")];
    }
    let entropy = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let start = if random { entropy ^ u64::from(std::process::id()) } else { 0 };
    let mut dice = Dice::new(start);
    (0..runs).map(|_| dice.next()).collect()
}

/// The command as one would type it, for messages.
pub fn shown(argv: &[Vec<u8>]) -> impl Display {
    let word = |word: &Vec<u8>| {
        let plain = !word.is_empty() && word.iter().all(|byte| (b'!'..=b'~').contains(byte));
        let text = word.escape_ascii().to_string();
        if plain && !word.contains(&b'"') { text } else { format!("\"{text}\"") }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::form::parse_file;
    use super::{Dice, Times, shown};

    #[test]
    fn forms_are_made_as_they_are_written() {
        let text = "# x\n\nFOO A|B? [LIMIT <count>]... # unordered since 7.2\n";
        let forms = parse_file("foo.forms", text).unwrap();
        let [form] = forms.as_slice() else { panic!("one form") };
        assert_eq!((form.place.as_str(), form.since), ("foo.forms:3", Some((7, 2))));
        assert!(form.unordered && !form.random);
        let mut dice = Dice::new(1);
        let mut lens = [0; 12];
        for _ in 0..1000 {
            let words = form.words(&mut dice, Times::Far);
            let limits = words.iter().filter(|word| *word == b"LIMIT").count();
            assert!((1..=3).contains(&limits), "{}", shown(&words));
            assert!(words.len() == 1 + 2 * limits || words.len() == 2 + 2 * limits);
            lens[words.len()] += 1;
        }
        assert!(lens[3..=8].iter().all(|count| *count > 50), "{lens:?}");
    }

    #[test]
    fn bad_forms_are_refused_with_their_place() {
        for (line, error) in [
            ("GET <nothing>", "no placeholder is called <nothing>"),
            ("GET <key", "'<key' is no placeholder"),
            ("GET A||B", "an empty alternative in 'A||B'"),
            ("GET <key>..", "'..' is neither '?' nor '...'"),
            ("GET [<key>", "a group without its ']'"),
            ("GET [A [B]]", "a group inside a group"),
            ("GET []", "an empty group"),
            ("GET A]", "a ']' without its '['"),
            ("GET <key> # often", "no flag is called 'often'"),
            ("GET <key> # since ever", "'since' needs a version such as 7.2"),
            ("<key> GET", "a form begins with the name of a command"),
        ] {
            let Err(actual) = parse_file("x.forms", &format!("#\n{line}\n")) else {
                panic!("{line} is accepted");
            };
            assert_eq!(actual, format!("x.forms:2: {error}"));
        }
    }
}
