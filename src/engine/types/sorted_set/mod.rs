//! Sorted sets: the encodings `listpack` and `skiplist`.

mod tree;

use super::listpack::{Item, Listpack, Position};
use crate::engine::config::Limits;
use crate::engine::dict::{Dict, Slot};
use crate::engine::rng::Rng;
use crate::number::{parse_double, write_double};
use std::ops::Range;
use tree::{Probe, Tree};

/// Different strings with scores, ordered by score and then by bytes. A score is found in O(1), a
/// rank in O(log n).
#[derive(Clone)]
pub struct SortedSet(Encoding);

#[derive(Clone)]
enum Encoding {
    /// Member, score, member, score, … in order.
    Listpack(Listpack),
    /// What Redis calls a skiplist.
    Tree(Box<Ordered>),
}

#[derive(Clone)]
struct Ordered {
    members: Dict<f64>,
    tree: Tree,
}

impl SortedSet {
    /// Takes a listpack of members and scores, as an RDB stores it. As in Redis it may have longer
    /// members than it would get here. `None` if a member is there twice, or a score is no number.
    pub fn from_listpack(listpack: Listpack, limits: Limits) -> Option<Self> {
        let len = listpack.len();
        if len % 2 == 1 {
            return None;
        }
        let is_short = len / 2 <= limits.zset_max_listpack_entries;
        if is_short && is_ordered(&listpack) && listpack.is_keyed(2) {
            return Some(Self(Encoding::Listpack(listpack)));
        }
        let mut set = Self::for_len(len / 2, limits);
        let mut items = listpack.iter();
        while let (Some(member), Some(score)) = (items.next(), items.next()) {
            let score = parse_score(score)?;
            let old = member.with_bytes(|member| set.insert(member, score, limits));
            old.is_none().then_some(())?;
        }
        Some(set)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Encoding::Listpack(listpack) => listpack.len() / 2,
            Encoding::Tree(ordered) => ordered.members.len(),
        }
    }

    /// See [`crate::engine::types::Value::parts`].
    pub(in crate::engine::types) fn parts(&self) -> usize {
        match &self.0 {
            Encoding::Listpack(_) => 1,
            Encoding::Tree(ordered) => ordered.members.len(),
        }
    }

    /// See [`crate::engine::types::Value::heap_bytes`].
    pub(in crate::engine::types) fn heap_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Encoding::Listpack(listpack) => listpack.heap_len(),
            Encoding::Tree(ordered) => {
                let members = ordered.members.memory_bytes(samples, |_| 0);
                size_of::<Ordered>() + members + ordered.tree.heap_bytes(samples)
            }
        }
    }

    /// See [`crate::engine::types::Value::free_parts`].
    pub(in crate::engine::types) fn free_parts(&mut self, most: usize) -> usize {
        let Encoding::Tree(ordered) = &mut self.0 else { return 0 };
        match ordered.members.dismantle(most, drop) {
            0 => ordered.tree.free_nodes(most),
            freed => freed,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name that `OBJECT ENCODING` answers.
    pub fn encoding(&self) -> &'static str {
        match self.0 {
            Encoding::Listpack(_) => "listpack",
            Encoding::Tree(_) => "skiplist",
        }
    }

    /// The listpack of members and scores, while the sorted set is one.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.0 {
            Encoding::Listpack(listpack) => Some(listpack),
            Encoding::Tree(_) => None,
        }
    }

    /// Appends a score as `ZSCAN` tells it: a listpack has integral ones as integers, without an
    /// exponent.
    pub fn write_score(&self, score: f64, out: &mut Vec<u8>) {
        match (&self.0, integral(score)) {
            (Encoding::Listpack(_), Some(score)) => {
                out.extend_from_slice(itoa::Buffer::new().format(score).as_bytes());
            }
            _ => write_double(score, out),
        }
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Encoding::Listpack(listpack) => {
                Some(score_at(listpack, listpack.next(find(listpack, member)?)?))
            }
            Encoding::Tree(ordered) => ordered.members.get(member).copied(),
        }
    }

    /// Gives a member the score that `wanted` makes of the one it has, if any; answers both. It must
    /// not be NaN. One lookup.
    ///
    /// # Errors
    /// That of `wanted`; nothing has changed then.
    pub fn update<E>(
        &mut self,
        member: &[u8],
        limits: Limits,
        wanted: impl FnOnce(Option<f64>) -> Result<Option<f64>, E>,
    ) -> Result<(Option<f64>, Option<f64>), E> {
        let slot = match &self.0 {
            Encoding::Listpack(_) => None,
            Encoding::Tree(ordered) => ordered.members.locate(member),
        };
        let old = match (&self.0, slot) {
            (Encoding::Tree(ordered), slot) => slot.map(|slot| *ordered.members.at(slot)),
            (Encoding::Listpack(_), _) => self.score(member),
        };
        let new = wanted(old)?;
        match (&mut self.0, slot, new) {
            (_, _, None) => {}
            (Encoding::Tree(ordered), Some(slot), Some(new)) => ordered.rescore(slot, new),
            (Encoding::Tree(ordered), None, Some(new)) => ordered.add(member, new),
            (Encoding::Listpack(_), _, Some(new)) if old == Some(new) => {}
            (Encoding::Listpack(_), _, Some(new)) => {
                self.insert(member, new, limits);
            }
        }
        Ok((old, new))
    }

    /// Sets the score of a member, which must not be NaN; answers the score it had.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: Limits) -> Option<f64> {
        if let Encoding::Listpack(listpack) = &mut self.0 {
            if let Some(position) = find(listpack, member) {
                let old = listpack.next(position).map(|at| score_at(listpack, at));
                if old != Some(score) {
                    listpack.remove_some(position, 2);
                    insert_in_order(listpack, member, score);
                }
                return old;
            }
            if listpack.len() / 2 < limits.zset_max_listpack_entries
                && member.len() <= limits.zset_max_listpack_value
            {
                insert_in_order(listpack, member, score);
                return None;
            }
            self.make_tree(limits);
        }
        match &mut self.0 {
            Encoding::Tree(ordered) => ordered.insert(member, score),
            Encoding::Listpack(_) => None,
        }
    }

    /// An empty one in the encoding that so many members will have.
    pub fn for_len(len: usize, limits: Limits) -> Self {
        let mut set = Self::default();
        if len > limits.zset_max_listpack_entries {
            set.make_tree(limits);
        }
        set
    }

    /// The same as a listpack, if it may be one.
    pub fn compacted(self, limits: Limits) -> Self {
        if self.as_listpack().is_some() || self.len() > limits.zset_max_listpack_entries {
            return self;
        }
        let mut compact = Self::default();
        self.visit(0, false, |member, score| {
            member.with_bytes(|member| compact.insert(member, score, limits));
            compact.as_listpack().is_some()
        });
        if compact.as_listpack().is_some() { compact } else { self }
    }

    /// Removes a member; answers its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Encoding::Listpack(listpack) => {
                let position = find(listpack, member)?;
                let score = score_at(listpack, listpack.next(position)?);
                listpack.remove_some(position, 2);
                Some(score)
            }
            Encoding::Tree(ordered) => ordered.remove(member),
        }
    }

    /// Removes the members with these ranks.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        if let Encoding::Listpack(listpack) = &mut self.0 {
            if let Some(from) = listpack.seek(ranks.start.saturating_mul(2) as i64) {
                listpack.remove_some(from, ranks.len().saturating_mul(2));
            }
            return;
        }
        for _ in ranks.clone() {
            let Some(member) = self.nth(ranks.start).map(|(member, _)| member.to_vec()) else {
                return;
            };
            self.remove(&member);
        }
    }

    /// The rank of a member, from the lowest score on, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.partition(Probe::Entry(score, member)), score))
    }

    /// How many members have a score below `bound`, or up to it if `inclusive`.
    pub fn count_below(&self, bound: f64, inclusive: bool) -> usize {
        self.partition(Probe::Score { bound, inclusive })
    }

    /// How many members are below `bound` in the order of bytes, or up to it if `inclusive`, where
    /// all scores are the same.
    pub fn count_below_member(&self, bound: &[u8], inclusive: bool) -> usize {
        self.partition(Probe::Member { bound, inclusive })
    }

    /// Member and score with this rank.
    pub fn nth(&self, rank: usize) -> Option<(Item<'_>, f64)> {
        let mut found = None;
        self.visit(rank, false, |member, score| {
            found = Some((member, score));
            false
        });
        found
    }

    /// Calls `f` with members and scores, from the one with rank `start` on, upwards or, if
    /// `reverse`, downwards; up to where it answers false.
    pub fn visit<'a>(
        &'a self,
        start: usize,
        reverse: bool,
        mut f: impl FnMut(Item<'a>, f64) -> bool,
    ) {
        match &self.0 {
            Encoding::Listpack(listpack) => {
                let mut at = listpack.seek(start.saturating_mul(2) as i64);
                while let Some(position) = at {
                    let Some(score) = listpack.next(position) else { return };
                    if !f(listpack.get(position), score_at(listpack, score)) {
                        return;
                    }
                    at = if reverse {
                        listpack.previous(position).and_then(|score| listpack.previous(score))
                    } else {
                        listpack.next(score)
                    };
                }
            }
            Encoding::Tree(ordered) => ordered.visit(start, reverse, &mut f),
        }
    }

    /// Member and score number `index`, in no particular order. O(1), in a listpack O(n).
    pub fn any(&self, index: usize) -> Option<(Item<'_>, f64)> {
        match &self.0 {
            Encoding::Listpack(_) => self.nth(index),
            Encoding::Tree(ordered) => {
                ordered.members.nth(index).map(|(member, score)| (Item::Bytes(member), *score))
            }
        }
    }

    /// A member, each with the same probability, and its score.
    pub fn random(&self, rng: &mut Rng) -> Option<(Item<'_>, f64)> {
        self.any(rng.below(self.len()))
    }

    /// Visits the members under `cursor` and answers the next cursor; see [`Dict::scan`]. A listpack
    /// is visited whole.
    pub fn scan<'a>(&'a self, cursor: u64, mut f: impl FnMut(Item<'a>, f64)) -> u64 {
        match &self.0 {
            Encoding::Listpack(_) => {
                self.visit(0, false, |member, score| {
                    f(member, score);
                    true
                });
                0
            }
            Encoding::Tree(ordered) => {
                ordered.members.scan(cursor, |member, score| f(Item::Bytes(member), *score))
            }
        }
    }

    fn partition(&self, probe: Probe<'_>) -> usize {
        match &self.0 {
            Encoding::Listpack(_) => {
                let mut rank = 0;
                self.visit(0, false, |member, score| {
                    let before = probe
                        .by_score(score)
                        .unwrap_or_else(|| member.with_bytes(|member| probe.by_member(member)));
                    rank += usize::from(before);
                    before
                });
                rank
            }
            Encoding::Tree(ordered) => ordered.tree.rank(&ordered.members, probe),
        }
    }

    fn make_tree(&mut self, limits: Limits) {
        let mut ordered = Ordered { members: Dict::new(limits.hash_seed), tree: Tree::new() };
        self.visit(0, false, |member, score| {
            member.with_bytes(|member| ordered.insert(member, score));
            true
        });
        self.0 = Encoding::Tree(Box::new(ordered));
    }
}

impl Ordered {
    fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let Some(slot) = self.members.locate(member) else {
            self.add(member, score);
            return None;
        };
        let old = *self.members.at(slot);
        self.rescore(slot, score);
        Some(old)
    }

    /// Adds a member that is not there.
    fn add(&mut self, member: &[u8], score: f64) {
        let slot = self.members.add(member, score);
        self.tree.insert(&self.members, score, slot.index());
    }

    fn rescore(&mut self, slot: Slot, score: f64) {
        let old = std::mem::replace(self.members.at_mut(slot), score);
        // Zeros of either sign are the same: the one that came first stays.
        if old == score {
            *self.members.at_mut(slot) = old;
        } else if !self.tree.rescore(&self.members, old, score, slot.index()) {
            self.tree.remove(&self.members, old, slot.index());
            self.tree.insert(&self.members, score, slot.index());
        }
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let slot = self.members.locate(member)?;
        let score = *self.members.at(slot);
        self.tree.remove(&self.members, score, slot.index());
        // The dictionary moves its last entry into the place that becomes free.
        let last = self.members.len() as u32 - 1;
        if slot.index() != last
            && let Some((_, moved)) = self.members.nth(last as usize)
        {
            self.tree.renumber(&self.members, *moved, last, slot.index());
        }
        self.members.remove(member);
        Some(score)
    }

    fn visit<'a>(&'a self, start: usize, reverse: bool, f: &mut dyn FnMut(Item<'a>, f64) -> bool) {
        let mut rank = start;
        while let Some(leaf) = self.tree.leaf_at(rank) {
            let mut emit = |index: usize| match self.members.nth(leaf.ids[index] as usize) {
                Some((member, _)) => f(Item::Bytes(member), leaf.scores[index]),
                None => false,
            };
            let (go_on, seen) = if reverse {
                ((0..=leaf.index).rev().all(&mut emit), leaf.index + 1)
            } else {
                ((leaf.index..leaf.ids.len()).all(&mut emit), leaf.ids.len() - leaf.index)
            };
            let next = if reverse { rank.checked_sub(seen) } else { Some(rank + seen) };
            match next {
                Some(next) if go_on => rank = next,
                _ => return,
            }
        }
    }
}

impl Default for SortedSet {
    fn default() -> Self {
        Self(Encoding::Listpack(Listpack::new()))
    }
}

impl std::fmt::Debug for SortedSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut list = f.debug_list();
        self.visit(0, false, |member, score| {
            list.entry(&(member, score));
            true
        });
        list.finish()
    }
}

fn find(listpack: &Listpack, member: &[u8]) -> Option<Position> {
    listpack.find(listpack.first(), member, 1)
}

fn score_at(listpack: &Listpack, position: Position) -> f64 {
    parse_score(listpack.get(position)).unwrap_or(0.0)
}

fn parse_score(item: Item<'_>) -> Option<f64> {
    match item {
        Item::Int(value) => Some(value as f64),
        Item::Bytes(text) => parse_double(text).filter(|score| !score.is_nan()),
    }
}

/// Whether every score is a number, and the entries come in order.
fn is_ordered(listpack: &Listpack) -> bool {
    let mut items = listpack.iter();
    let mut last: Option<(f64, Item<'_>)> = None;
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let Some(score) = parse_score(score) else { return false };
        let follows = last.is_none_or(|(before, other)| {
            member.with_bytes(|member| {
                let probe = Probe::Entry(score, member);
                let by_member = || other.with_bytes(|other| probe.by_member(other));
                probe.by_score(before).unwrap_or_else(by_member)
            })
        });
        if !follows {
            return false;
        }
        last = Some((score, member));
    }
    true
}

/// The integer that a listpack stores for this score.
fn integral(score: f64) -> Option<i64> {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    (score.abs() <= LIMIT && score.fract() == 0.0).then_some(score as i64)
}

fn insert_in_order(listpack: &mut Listpack, member: &[u8], score: f64) {
    let mut text = Vec::with_capacity(25);
    // This forgets the sign of -0, as Redis does.
    let item = integral(score).map_or_else(
        || {
            write_double(score, &mut text);
            Item::Bytes(&text)
        },
        Item::Int,
    );
    let mut at = listpack.first();
    while let Some(position) = at {
        let Some(score_position) = listpack.next(position) else { break };
        let probe = Probe::Entry(score, member);
        let before = probe
            .by_score(score_at(listpack, score_position))
            .unwrap_or_else(|| listpack.get(position).with_bytes(|other| probe.by_member(other)));
        if !before {
            // The score first, so that the member comes before it.
            listpack.insert_before(position, item);
            listpack.insert_before(position, Item::of(member));
            return;
        }
        at = listpack.next(score_position);
    }
    listpack.push_back(Item::of(member));
    listpack.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng::Rng;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn pairs(set: &SortedSet) -> Vec<(Vec<u8>, f64)> {
        let mut pairs = Vec::new();
        set.visit(0, false, |member, score| {
            pairs.push((member.to_vec(), score));
            true
        });
        pairs
    }

    #[test]
    fn encodings() {
        let limits = Limits { zset_max_listpack_entries: 2, ..Limits::default() };
        let mut set = SortedSet::default();
        set.insert(b"a", 1.0, limits);
        set.insert(b"b", f64::INFINITY, limits);
        assert_eq!((set.encoding(), set.score(b"b")), ("listpack", Some(f64::INFINITY)));
        set.insert(b"b", 0.1, limits);
        assert_eq!(set.encoding(), "listpack");
        set.insert(b"c", -0.0, limits);
        assert_eq!((set.encoding(), set.score(b"b")), ("skiplist", Some(0.1)));
        let mut long = SortedSet::default();
        long.insert(&[b'x'; 65], 1.0, limits);
        assert_eq!(long.encoding(), "skiplist");
    }

    #[test]
    fn what_is_read_from_a_listpack_is_in_order() {
        let of = |words: &[&str], most: usize| {
            let items = words.iter().map(|word| Item::of(word.as_bytes()));
            let limits = Limits { zset_max_listpack_entries: most, ..Limits::default() };
            let set = SortedSet::from_listpack(items.collect(), limits)?;
            Some((set.encoding(), pairs(&set).into_iter().map(|(m, _)| m).collect::<Vec<_>>()))
        };
        let abc = vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
        let words = ["a", "-inf", "b", "1.5", "c", "1.5"];
        assert_eq!(of(&words, 3), Some(("listpack", abc.clone())));
        assert_eq!(of(&words, 2), Some(("skiplist", abc.clone())));
        assert_eq!(of(&["c", "1", "b", "0.5", "a", "0"], 3), Some(("listpack", abc.clone())));
        assert_eq!(of(&["b", "1", "a", "1", "c", "2"], 3), Some(("listpack", abc)));
        for bad in [&["a", "1", "a", "2"][..], &["a"], &["a", "x"], &["a", "nan"]] {
            assert_eq!((of(bad, 3), of(bad, 0)), (None, None), "{bad:?}");
        }
    }

    #[test]
    fn a_large_one_keeps_its_order_through_everything() {
        let limits = Limits::default();
        let mut rng = Rng::new(7);
        let mut set = SortedSet::default();
        let mut model: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
        for step in 0..60_000 {
            let member = format!("m{}", rng.below(5000)).into_bytes();
            let score = rng.below(50) as f64;
            // Some move a little, and stay between their neighbours or not.
            if rng.below(3) == 0 {
                let by = rng.below(5) as f64 / 4.0 - 0.5;
                let wanted =
                    |old: Option<f64>| Ok::<_, ()>(Some(old.map_or(score, |old| old + by)));
                let new = wanted(model.get(&member).copied()).unwrap();
                let old = model.insert(member.clone(), new.unwrap());
                assert_eq!(set.update(&member, limits, wanted), Ok((old, new)));
                continue;
            }
            // It grows, and then all but vanishes.
            if rng.below(10) < if step < 30_000 { 8 } else { 2 } {
                assert_eq!(set.insert(&member, score, limits), model.insert(member, score));
            } else {
                assert_eq!(set.remove(&member), model.remove(&member));
            }
            if step % 1500 == 0 || step == 59_999 {
                let mut sorted: Vec<_> = model.iter().map(|(m, s)| (m.clone(), *s)).collect();
                sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
                assert_eq!(pairs(&set), sorted);
                for (rank, (member, score)) in sorted.iter().enumerate() {
                    assert_eq!(set.rank(member), Some((rank, *score)));
                }
                let mut backwards = Vec::new();
                set.visit(set.len().saturating_sub(1), true, |member, score| {
                    backwards.push((member.to_vec(), score));
                    true
                });
                backwards.reverse();
                assert_eq!(backwards, sorted);
                let below = sorted.iter().filter(|(_, score)| *score < 25.0).count();
                let up_to = sorted.iter().filter(|(_, score)| *score <= 25.0).count();
                assert_eq!(
                    (set.count_below(25.0, false), set.count_below(25.0, true)),
                    (below, up_to)
                );
            }
        }
    }

    proptest! {
        #[test]
        fn like_a_map(
            steps in prop::collection::vec((0u8..5, "[a-f]{1,2}|[0-9]", prop::sample::select(vec![0.0, -0.0, 1.0, 1.5, -2.0, 1e300, f64::INFINITY])), 1..80),
            most in prop::sample::select(vec![2usize, 128]),
            from in 0usize..10, len in 0usize..5,
        ) {
            let limits = Limits { zset_max_listpack_entries: most, ..Limits::default() };
            let (mut model, mut set) = (BTreeMap::new(), SortedSet::default());
            for (kind, member, score) in steps {
                let member = member.into_bytes();
                if kind > 0 {
                    prop_assert_eq!(set.insert(&member, score, limits), model.insert(member, score));
                } else {
                    prop_assert_eq!(set.remove(&member), model.remove(&member));
                }
            }
            let mut sorted: Vec<(Vec<u8>, f64)> = model.into_iter().collect();
            sorted.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then(a.0.cmp(&b.0)));
            prop_assert_eq!(pairs(&set), sorted.clone());
            for (rank, (member, score)) in sorted.iter().enumerate() {
                prop_assert_eq!(set.rank(member), Some((rank, *score)));
                let nth = set.nth(rank).map(|(m, s)| (m.to_vec(), s));
                prop_assert_eq!(nth, Some((member.clone(), *score)));
            }
            prop_assert_eq!(set.nth(sorted.len()), None);
            let to = (from + len).min(sorted.len());
            let from = from.min(to);
            set.remove_range(from..to);
            sorted.drain(from..to);
            prop_assert_eq!(pairs(&set), sorted);
        }
    }
}
