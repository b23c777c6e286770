//! The commands, one file a family: each declared once, beside its handler.

use super::table::Command;

mod expire;
mod generic;
mod lcs;
mod string;
mod string_numeric;

/// The command table.
pub static FAMILIES: &[&[Command]] = &[
    generic::COMMANDS,
    expire::COMMANDS,
    string::COMMANDS,
    string_numeric::COMMANDS,
    lcs::COMMANDS,
];
