//! The commands, one file a family: each declared once, beside its handler.

use super::table::Command;

mod string;

/// The command table.
pub static FAMILIES: &[&[Command]] = &[string::COMMANDS];
