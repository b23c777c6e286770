//! Requests as JavaScript writes them into linear memory.
//!
//! A frame is commands one after the other: `u32` argc, then argc times `u32` length and bytes. If
//! the highest bit of argc is set, then the first word is the `u32` number of a command.
//!
//! Or it is a table: [`TABLE`], `u32` how many numbers there are, the numbers, and after them the
//! bytes of all words. The numbers are argc, the number of a command, and the lengths of the other
//! words, once and again. That many words are converted as one text is what it is good for.

use crate::engine::registry::Registry;
use crate::engine::table::Command;
use smallvec::SmallVec;

/// Set in an argc that is followed by a command's number in place of its name.
const NUMBERED: u32 = 1 << 31;
/// What a table begins with.
const TABLE: u32 = u32::MAX;

/// The words of a command.
pub(super) type Argv<'a> = SmallVec<[&'a [u8]; 16]>;

/// What is left of a request.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    table: Option<&'a [u8]>,
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A whole request.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let table = || {
            let mut rest = bytes;
            let is_table = read_u32(&mut rest)? == TABLE;
            let len = (read_u32(&mut rest)? as usize).checked_mul(4)?;
            if is_table { rest.split_at_checked(len) } else { None }
        };
        match table() {
            Some((table, bytes)) => Self { table: Some(table), bytes },
            None => Self { table: None, bytes },
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.table.unwrap_or(self.bytes).is_empty()
    }

    /// What is left, as a whole request.
    pub(super) fn to_vec(self) -> Vec<u8> {
        let Some(table) = self.table else { return self.bytes.to_vec() };
        let len = (table.len() / 4) as u32;
        [&TABLE.to_le_bytes(), &len.to_le_bytes(), table, self.bytes].concat()
    }

    /// Reads the words of the next command into `argv`; answers what the first of them names, or
    /// `None` if the frame is broken.
    pub(super) fn next(
        &mut self,
        registry: &Registry,
        argv: &mut Argv<'a>,
    ) -> Option<Option<&'static Command>> {
        argv.clear();
        let argc = self.number()?;
        let is_numbered = self.table.is_some() || argc & NUMBERED != 0;
        let mut command = None;
        if is_numbered {
            let known = registry.nth(self.number()? as usize)?;
            argv.push(known.name.as_bytes());
            command = Some(known);
        }
        for _ in argv.len() as u32..argc & !NUMBERED {
            let len = self.number()? as usize;
            let (word, rest) = self.bytes.split_at_checked(len)?;
            argv.push(word);
            self.bytes = rest;
        }
        if !is_numbered {
            command = argv.first().and_then(|name| registry.get(name));
        }
        Some(command)
    }

    /// How many commands are left; those that cannot be read count as one.
    pub(super) fn count(mut self, registry: &Registry) -> u32 {
        let mut argv = Argv::new();
        let mut count = 0;
        while !self.is_empty() {
            count += 1;
            if self.next(registry, &mut argv).is_none() {
                break;
            }
        }
        count
    }

    /// Passes over so many commands.
    pub(super) fn skip(&mut self, commands: u32, registry: &Registry) {
        let mut argv = Argv::new();
        for _ in 0..commands {
            if self.is_empty() || self.next(registry, &mut argv).is_none() {
                break;
            }
        }
    }

    fn number(&mut self) -> Option<u32> {
        read_u32(self.table.as_mut().unwrap_or(&mut self.bytes))
    }
}

fn read_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}
