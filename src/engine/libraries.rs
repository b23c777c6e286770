//! Libraries of functions, as the text that they were loaded from.
//!
//! They are data: they are saved, and they are effects. A build without scripting keeps them too, for
//! those that run them.

use super::Engine;
use super::args::Args;
use super::context::Ctx;
use super::error::Error;

/// All libraries, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Libraries {
    all: Vec<(Vec<u8>, Vec<u8>)>,
    changes: u64,
}

impl Libraries {
    /// Names and texts.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.all.iter().map(|(name, code)| (name.as_slice(), code.as_slice()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Changes whenever a library does.
    #[cfg(feature = "scripting")]
    pub(super) fn generation(&self) -> u64 {
        self.changes
    }

    /// The text of a library.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == name).map(|(_, code)| code)
    }

    /// Puts a library where its name belongs, in place of one that has it.
    pub(super) fn put(&mut self, name: &[u8], code: &[u8]) {
        self.remove(name);
        let at = self.all.partition_point(|(other, _)| other.as_slice() < name);
        self.all.insert(at, (name.to_vec(), code.to_vec()));
    }

    /// Takes a library away; whether it was there.
    pub(super) fn remove(&mut self, name: &[u8]) -> bool {
        let before = self.all.len();
        self.all.retain(|(other, _)| other != name);
        self.changes += 1;
        self.all.len() < before
    }

    /// Takes all away.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.changes += 1;
    }

    /// Has these, and no others.
    pub(super) fn replace(&mut self, libraries: Self) {
        self.all = libraries.all;
        self.changes += 1;
    }
}

/// The name of a library, which its first line gives: `#!lua name=mylib`.
///
/// # Errors
/// It has no such line.
pub fn name_of(code: &[u8]) -> Result<&[u8], Error> {
    let Some(rest) = code.strip_prefix(b"#!") else {
        return Err(Error::fixed("ERR Missing library metadata"));
    };
    let Some(end) = memchr::memchr(b'\n', rest) else {
        return Err(Error::fixed("ERR Invalid library metadata"));
    };
    let line = rest.get(..end).unwrap_or_default();
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (engine, mut name) = (words.next().unwrap_or_default(), None);
    let bad = |text: &str, word: &[u8], end: &str| {
        Error::new([text.as_bytes(), word, end.as_bytes()].concat())
    };
    for word in words {
        match word.split_at_checked(5) {
            Some((key, _)) if key.eq_ignore_ascii_case(b"name=") && name.is_some() => {
                return Err(Error::fixed(
                    "ERR Invalid metadata value, name argument was given multiple times",
                ));
            }
            Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => name = Some(value),
            _ => return Err(bad("ERR Invalid metadata value given: ", word, "")),
        }
    }
    let name = name.ok_or(Error::fixed("ERR Library name was not given"))?;
    if !is_name(name) {
        return Err(BAD_NAME);
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(bad("ERR Engine '", engine, "' not found"));
    }
    Ok(name)
}

/// What is wrong with a name.
pub const BAD_NAME: Error = Error::fixed(
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one \
     character long",
);

/// Whether a library or a function may be called so.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

impl Engine {
    /// The libraries of functions.
    pub fn libraries(&self) -> &Libraries {
        &self.libraries
    }
}

impl Ctx<'_> {
    /// Does what the effect of a change of libraries says: whoever wrote it has compiled them. Whether
    /// this is one.
    ///
    /// # Errors
    /// It is no effect.
    pub(super) fn replay_libraries(&mut self, args: &mut Args<'_>) -> Result<bool, Error> {
        if !self.engine.is_loading() {
            return Ok(false);
        }
        let libraries = &mut self.engine.libraries;
        if args.is_empty() {
            libraries.clear();
        } else if args.accept("REPLACE") {
            let code = args.take()?;
            libraries.put(name_of(code)?, code);
        } else {
            libraries.remove(args.take()?);
        }
        Ok(true)
    }
}
