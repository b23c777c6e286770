//! The README's table of commands.

use anyhow::Context;
use lodis::engine::table::Command;
use std::fmt::Write;

const BEGIN: &str = "<!-- commands: written by `cargo xtask generate` -->\n";
const END: &str = "<!-- end of commands -->";

/// `readme` with its table replaced by one of `commands`.
///
/// # Errors
/// The marks of the table's place are not there.
pub fn with_table<'a>(
    readme: &str,
    commands: impl Iterator<Item = &'a Command>,
) -> anyhow::Result<String> {
    let (before, rest) = readme.split_once(BEGIN).context("README.md: no mark before the table")?;
    let (_, after) = rest.split_once(END).context("README.md: no mark after the table")?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", table(commands)))
}

/// One row a group, in the order in which the groups first come.
fn table<'a>(commands: impl Iterator<Item = &'a Command>) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for command in commands {
        let group = command.group.name();
        let entry = describe(command);
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, entries)) => entries.push(entry),
            None => groups.push((group, vec![entry])),
        }
    }
    let mut out = String::from("| group | commands | |\n| --- | --: | --- |\n");
    let mut total = 0;
    for (group, entries) in &mut groups {
        entries.sort();
        total += entries.len();
        let _ = writeln!(out, "| {group} | {} | {} |", entries.len(), entries.join(", "));
    }
    let _ = writeln!(out, "| together | {total} | |");
    out
}

/// `GET`, or `CONFIG (GET, SET)`.
fn describe(command: &Command) -> String {
    let name = command.name.to_uppercase();
    if command.subcommands.is_empty() {
        return name;
    }
    let mut subs: Vec<_> = command.subcommands.iter().map(|s| s.name.to_uppercase()).collect();
    subs.sort();
    format!("{name} ({})", subs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodis::engine::table::Group;

    #[test]
    fn the_table_replaces_what_is_between_the_marks() {
        const SUBS: &[Command] =
            &[Command { name: "set", ..Command::BASE }, Command { name: "get", ..Command::BASE }];
        let commands = [
            Command { name: "set", group: Group::String, ..Command::BASE },
            Command { name: "config", group: Group::Server, subcommands: SUBS, ..Command::BASE },
            Command { name: "get", group: Group::String, ..Command::BASE },
        ];
        let readme = format!("before\n{BEGIN}old\n{END}\nafter\n");
        let expected = format!(
            "before\n{BEGIN}\n| group | commands | |\n| --- | --: | --- |\n\
             | string | 2 | GET, SET |\n| server | 1 | CONFIG (GET, SET) |\n| together | 3 | |\n\
             \n{END}\nafter\n"
        );
        let once = with_table(&readme, commands.iter()).unwrap();
        assert_eq!(once, expected);
        assert_eq!(with_table(&once, commands.iter()).unwrap(), expected);
        assert!(with_table("no marks", commands.iter()).is_err());
    }
}
