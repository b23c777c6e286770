//! Finding the keys of a command by its key specifications.

use super::table::{Begin, Command, Find, KeySpec, flag, key};
use crate::number::parse_integer;

impl Command {
    /// Where the keys are in `argv`, each with the flags of its specification; `None` when the
    /// arguments do not fit the specifications. Cost: O(words).
    pub fn key_positions(&self, argv: &[&[u8]]) -> Option<Vec<(usize, u32)>> {
        let mut positions = Vec::new();
        for spec in self.keys {
            // A keyword that is not there has no keys.
            let Some(begin) = begin_of(spec, argv) else { continue };
            if self.has(flag::NO_MANDATORY_KEYS) && argv.get(begin) == Some(&b"0".as_slice()) {
                continue;
            }
            let (first, last, step) = range_of(spec, begin, argv)?;
            let flags = flags_of(self, spec, argv);
            positions.extend((first..=last).step_by(step).map(|at| (at, flags)));
        }
        positions.iter().all(|(at, _)| *at < argv.len()).then_some(positions)
    }
}

/// What happens to the keys of a specification, as far as the arguments decide it.
fn flags_of(command: &Command, spec: &KeySpec, argv: &[&[u8]]) -> u32 {
    if spec.flags & key::VARIABLE_FLAGS == 0 {
        return spec.flags;
    }
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match command.name {
        // A key or a value may be called so too.
        "set" if !argv.iter().skip(3).any(|word| is(word, "get")) => key::OW | key::UPDATE,
        "bitfield" => {
            let mut rest = argv.iter().skip(2);
            while let Some(word) = rest.next() {
                let arguments = match word {
                    word if is(word, "get") => 2,
                    word if is(word, "overflow") => 1,
                    _ => return key::RW | key::ACCESS | key::UPDATE,
                };
                if rest.len() < arguments {
                    return key::RW | key::ACCESS | key::UPDATE;
                }
                rest.nth(arguments - 1);
            }
            key::RO | key::ACCESS
        }
        _ => spec.flags & !key::VARIABLE_FLAGS,
    }
}

fn begin_of(spec: &KeySpec, argv: &[&[u8]]) -> Option<usize> {
    match spec.begin {
        Begin::Index(index) => usize::try_from(index).ok(),
        Begin::Keyword(keyword, from) => {
            let is_keyword = |at: &usize| {
                argv.get(*at).is_some_and(|word| word.eq_ignore_ascii_case(keyword.as_bytes()))
            };
            let found = if from >= 0 {
                (usize::try_from(from).ok()?..argv.len()).find(is_keyword)
            } else {
                let start = argv.len().checked_sub(from.unsigned_abs() as usize)?;
                (1..=start).rev().find(is_keyword)
            };
            found.map(|at| at + 1)
        }
        Begin::Unknown(find) => find(argv),
    }
}

/// The first and last positions, and the step between keys.
fn range_of(spec: &KeySpec, begin: usize, argv: &[&[u8]]) -> Option<(usize, usize, usize)> {
    match spec.find {
        Find::Range { last, step, limit } => {
            let last = if last >= 0 {
                begin.checked_add(usize::try_from(last).ok()?)?
            } else {
                let left = argv.len().saturating_sub(begin);
                let used = if limit > 1 { left / usize::try_from(limit).ok()? } else { left };
                (begin + used).checked_sub(last.unsigned_abs() as usize)?
            };
            Some((begin, last, usize::try_from(step).ok()?.max(1)))
        }
        Find::Keynum { index, first, step } => {
            let at = begin.checked_add(usize::try_from(index).ok()?)?;
            let count = usize::try_from(parse_integer(argv.get(at)?)?).ok()?;
            let first = begin.checked_add(usize::try_from(first).ok()?)?;
            let step = usize::try_from(step).ok()?.max(1);
            let last = count.checked_sub(1)?.checked_mul(step)?.checked_add(first)?;
            (last < argv.len()).then_some((first, last, step))
        }
    }
}
