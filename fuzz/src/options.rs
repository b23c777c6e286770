//! What is asked for.

use crate::targets::TARGETS;
use std::path::PathBuf;

/// What is asked for.
pub struct Options {
    /// One target, or all.
    pub target: Option<&'static str>,
    /// How many inputs to run for each.
    pub runs: u64,
    /// How long, for each.
    pub seconds: u64,
    /// Decides which.
    pub seed: u64,
    /// Inputs to begin with, in directories named after the targets.
    pub corpus: PathBuf,
    /// Where inputs go that broke something, and those that reached something new.
    pub output: Option<PathBuf>,
    /// Inputs to run, and no others.
    pub files: Vec<PathBuf>,
    /// To leave out of the corpus what is not needed.
    pub minimises: bool,
    /// This process runs inputs; another one sees to it that it lives.
    pub is_worker: bool,
}

impl Options {
    /// Understands the words of a command line.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self {
            target: None,
            runs: u64::MAX,
            seconds: u64::MAX,
            seed: 1,
            corpus: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")),
            output: None,
            files: Vec::new(),
            minimises: false,
            is_worker: false,
        };
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        let mut words = words.iter();
        let name = words.next().ok_or("which target?")?;
        if name != "all" {
            let known = names.iter().find(|known| *known == name);
            let wrong = || format!("no target is called `{name}`; there are {}", names.join(", "));
            options.target = Some(*known.ok_or_else(wrong)?);
        }
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or(format!("{word} needs a value"));
            let number =
                |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
            match word.as_str() {
                "--runs" => options.runs = number(value()?)?,
                "--seconds" => options.seconds = number(value()?)?,
                "--seed" => options.seed = number(value()?)?,
                "--corpus" => options.corpus = value()?.into(),
                "--output" => options.output = Some(value()?.into()),
                "--minimise" => options.minimises = true,
                "--worker" => options.is_worker = true,
                file if !file.starts_with('-') => options.files.push(file.into()),
                other => return Err(format!("what is {other}?")),
            }
        }
        if options.runs == u64::MAX && options.seconds == u64::MAX {
            options.seconds = 60;
        }
        Ok(options)
    }
}
