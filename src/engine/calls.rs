//! How often each command was called: what INFO shows as `commandstats`.

use super::Engine;
use super::registry::{Resolved, every, full_name};
use super::table::Command;
use crate::collections::Sorted;

/// The counts of all commands.
///
/// A command is counted at nearly every crossing, so that nothing is looked up for it: declarations are
/// constants of one program, and which one it is follows from where it lies.
#[derive(Debug)]
pub(super) struct Calls {
    /// Where the first declaration lies.
    first: usize,
    /// By [`Calls::place`].
    calls: Box<[u64]>,
    /// What is rare, or asked for: by place.
    others: Sorted<usize, Others>,
}

/// Of one command, besides its calls.
#[derive(Clone, Copy, Debug, Default)]
struct Others {
    us: u64,
    rejected: u64,
    failed: u64,
}

/// What is known of a command.
pub(super) struct Counts {
    pub(super) name: String,
    pub(super) calls: u64,
    pub(super) us: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
}

fn address(command: &'static Command) -> usize {
    std::ptr::from_ref(command).addr()
}

impl Calls {
    /// Nothing has been called.
    pub(super) fn new() -> Self {
        let first = every().iter().map(|known| address(known.command)).min().unwrap_or_default();
        let last = every().iter().map(|known| address(known.command)).max().unwrap_or_default();
        let places = (last - first) / size_of::<Command>() + 1;
        Self { first, calls: vec![0; places].into(), others: Sorted::default() }
    }

    /// Another number for each declaration: no two begin within the size of one.
    #[inline]
    fn place(&self, command: &'static Command) -> usize {
        address(command).wrapping_sub(self.first) / size_of::<Command>()
    }

    /// A command has run.
    #[inline]
    pub(super) fn count(&mut self, command: &'static Command) {
        self.count_many(command, 1);
    }

    /// A command has run so often.
    #[inline]
    pub(super) fn count_many(&mut self, command: &'static Command, times: u64) {
        let place = self.place(command);
        if let Some(calls) = self.calls.get_mut(place) {
            *calls += times;
        }
    }

    /// A command that has run was answered with an error.
    #[cold]
    pub(super) fn count_failed(&mut self, command: &'static Command) {
        if let Some(others) = self.others_mut(command) {
            others.failed += 1;
        }
    }

    /// A command was not allowed to run.
    #[cold]
    pub(super) fn count_rejected(&mut self, command: &'static Command) {
        if let Some(others) = self.others_mut(command) {
            others.rejected += 1;
        }
    }

    /// A command took so long.
    pub(super) fn count_us(&mut self, command: &'static Command, us: u64) {
        if let Some(others) = self.others_mut(command) {
            others.us += us;
        }
    }

    fn others_mut(&mut self, command: &'static Command) -> Option<&mut Others> {
        let place = self.place(command);
        if !self.others.contains_key(&place) {
            self.others.insert(place, Others::default());
        }
        self.others.get_mut(&place)
    }

    /// Nothing has been called.
    pub(super) fn reset(&mut self) {
        self.calls.fill(0);
        self.others = Sorted::default();
    }

    /// What is known of every command that was called, or would have been, in the order of the table.
    pub(super) fn iter(&self) -> impl Iterator<Item = Counts> {
        every().into_iter().filter_map(|Resolved { command, container }| {
            let place = self.place(command);
            let calls = self.calls.get(place).copied().unwrap_or_default();
            let Others { us, rejected, failed } =
                self.others.get(&place).copied().unwrap_or_default();
            let is_known = calls + rejected + failed > 0;
            let name = || full_name(container, command);
            is_known.then(|| Counts { name: name(), calls, us, rejected, failed })
        })
    }
}

impl Engine {
    /// Counts GETs whose replies the host had copies of.
    pub fn count_copies(&mut self, replies: u64) {
        self.stats.count_copies(replies);
        if let Some(get) = self.registry.get(b"get") {
            self.calls.count_many(get, replies);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_place_of_its_own() {
        let mut calls = Calls::new();
        every().iter().for_each(|known| calls.count(known.command));
        assert_eq!(calls.iter().count(), every().len());
        assert!(calls.iter().all(|counts| counts.calls == 1));
        assert!(calls.calls.len() < 1 << 14, "{} places", calls.calls.len());
        calls.reset();
        assert_eq!(calls.iter().count(), 0);
    }
}
