//! Steps that need not be done again: a file beside the product says from what it was made.

use anyhow::Context;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// A note of what something was made from.
pub struct Stamp {
    file: PathBuf,
    inputs: DefaultHasher,
}

impl Stamp {
    /// The stamp in `file`, which goes away with the product if it lies inside it.
    pub fn new(file: PathBuf) -> Self {
        Self { file, inputs: DefaultHasher::new() }
    }

    /// Made from this text, too.
    pub fn text(mut self, text: &str) -> Self {
        text.hash(&mut self.inputs);
        self
    }

    /// Made from the content of this file, too, or from its absence.
    pub fn file(mut self, path: &Path) -> Self {
        fs::read(path).ok().hash(&mut self.inputs);
        self
    }

    /// Whether the product was made from exactly this.
    pub fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|text| text == self.content())
    }

    /// Notes that the product is made from this now.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&self) -> anyhow::Result<()> {
        fs::write(&self.file, self.content())
            .with_context(|| format!("write {}", self.file.display()))
    }

    fn content(&self) -> String {
        format!("{:016x}\n", self.inputs.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_current_until_an_input_changes_or_it_is_gone() {
        let directory = std::env::temp_dir().join(format!("lodis-stamp-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let stamp = || Stamp::new(directory.join("stamp")).text("v1").file(&directory.join("lock"));
        assert!(!stamp().is_current());
        stamp().set().unwrap();
        assert!(stamp().is_current());
        fs::write(directory.join("lock"), "").unwrap();
        assert!(!stamp().is_current(), "an empty file is not an absent one");
        stamp().set().unwrap();
        assert!(!stamp().text("v2").is_current());
        assert!(stamp().is_current());
        fs::remove_file(directory.join("stamp")).unwrap();
        assert!(!stamp().is_current());
        fs::remove_dir_all(directory).unwrap();
    }
}
