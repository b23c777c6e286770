//! Where a copy is in the stream, and whether two copies are of the same stream.

/// How many leaders are remembered.
pub const REMEMBERED: usize = 8;

/// The latest leaders of a stream, the last one first: whose effects it ends with.
///
/// Each leader goes on where the longest surviving copy ended. What a copy has beyond that, of a
/// leader before, was never heard of by anybody who survived, and is no part of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Lineage {
    /// Those that there were; the others are 0.
    pub leaders: [Reign; REMEMBERED],
}

/// One leader of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reign {
    /// Its epoch.
    pub epoch: u64,
    /// The offset at which it began.
    pub begin: u64,
}

impl Lineage {
    /// The epoch of the last leader; 0 if there was none.
    pub fn epoch(&self) -> u64 {
        self.leaders[0].epoch
    }

    /// Whether a copy that has followed the leader of `epoch` up to `offset` is a part of this stream.
    /// One that has followed a leader whom nobody remembers is taken for none.
    pub fn admits(&self, epoch: u64, offset: u64) -> bool {
        let later = self.leaders.iter().take_while(|leader| leader.epoch != epoch);
        later.clone().count() < REMEMBERED && later.clone().all(|leader| offset <= leader.begin)
    }

    /// The lineage of what there is of the stream before `offset`: of leaders that began later it has
    /// nothing.
    pub fn until(&self, offset: u64) -> Self {
        let later = self.leaders.iter().take_while(|leader| leader.begin > offset).count();
        let mut leaders = self.leaders;
        leaders.rotate_left(later.min(REMEMBERED - 1));
        // Those that were forgotten are not to look as if there had been none.
        leaders[REMEMBERED - later.min(REMEMBERED - 1)..].fill(self.leaders[REMEMBERED - 1]);
        Self { leaders }
    }

    /// The lineage of a leader that goes on with this stream at `begin`.
    pub fn succeeded(&self, epoch: u64, begin: u64) -> Self {
        let mut leaders = [Reign { epoch, begin }; REMEMBERED];
        leaders[1..].copy_from_slice(&self.leaders[..REMEMBERED - 1]);
        Self { leaders }
    }
}

/// A copy of a stream: whose, and up to which offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Position {
    /// Whose effects it ends with.
    pub lineage: Lineage,
    /// The offset after the last effect.
    pub offset: u64,
}

impl Position {
    /// Whether this copy is a part of the stream of `lineage`.
    pub fn is_of(&self, lineage: &Lineage) -> bool {
        lineage.admits(self.lineage.epoch(), self.offset)
    }

    /// Orders copies by what of them survives: a later leader first, then the longer one.
    pub fn rank(&self) -> (u64, u64) {
        (self.lineage.epoch(), self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_of_the_stream_up_to_where_each_later_leader_began() {
        let none = Lineage::default();
        assert!(none.admits(0, 100) && !none.admits(1, 0));
        let first = none.succeeded(3, 0);
        let second = first.succeeded(5, 100);
        let third = second.succeeded(6, 90);
        assert!(second.admits(5, 90) && second.admits(5, 1000));
        assert!(second.admits(3, 100) && !second.admits(3, 101));
        assert!(!second.admits(4, 50), "that one never led");
        assert!(third.admits(3, 90) && !third.admits(3, 91));
        let last =
            (7..=6 + REMEMBERED as u64).fold(third, |before, epoch| before.succeeded(epoch, 200));
        assert!(!last.admits(6, 50), "too long ago to be known");
        assert!(last.admits(7, 50));
    }

    #[test]
    fn what_ends_early_is_not_of_later_leaders() {
        let none = Lineage::default();
        let two = none.succeeded(3, 10).succeeded(5, 100);
        assert_eq!((two.until(100), two.until(99)), (two, none.succeeded(3, 10)));
        assert_eq!(two.until(9), none);
        let all = (1..=2 * REMEMBERED as u64).fold(none, |all, epoch| all.succeeded(epoch, epoch));
        let part = all.until(13);
        assert_eq!((part.epoch(), part.admits(13, 20), part.admits(9, 10)), (13, true, true));
        assert!(!part.admits(8, 1), "nobody knows");
        assert_eq!(all.until(2).epoch(), 9, "the first that is known");
    }
}
