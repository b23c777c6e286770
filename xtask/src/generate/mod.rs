//! `cargo xtask generate`: files, and parts of files, that are made from the command table.

mod examples;
mod readme;
mod signatures;
mod typescript;

use crate::workspace::path;
use anyhow::{Context, bail};
use lodis::engine::registry::commands;
use std::fs;

const TYPESCRIPT: &str = "pkg/src/generated/commands.ts";
const README: &str = "README.md";

/// Writes what has changed.
///
/// # Errors
/// A declaration does not parse, the README has no place for the table, or a file cannot be
/// written.
pub fn write() -> anyhow::Result<()> {
    for (file, text) in files()? {
        if current(file) != text {
            fs::write(path(file), text).with_context(|| format!("write {file}"))?;
            println!("wrote {file}");
        }
    }
    Ok(())
}

/// Compares.
///
/// # Errors
/// As those of [`write`]; or a file is not what the table gives.
pub fn check() -> anyhow::Result<()> {
    for (file, text) in files()? {
        let current = current(file);
        if current != text {
            let line = current.lines().zip(text.lines()).take_while(|(a, b)| a == b).count() + 1;
            bail!(
                "{file}:{line} is not what the command table gives: run `cargo xtask generate`, \
                 and commit the file"
            );
        }
    }
    Ok(())
}

fn files() -> anyhow::Result<[(&'static str, String); 2]> {
    Ok([
        (TYPESCRIPT, typescript::typescript(commands())?),
        (README, readme::with_table(&current(README), commands())?),
    ])
}

/// The file as it is; empty if it is not.
fn current(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_committed_is_what_the_table_gives() {
        super::check().unwrap();
    }
}
