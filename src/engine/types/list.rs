//! Lists: the encodings `listpack` and `quicklist`.

use super::listpack::{Item, Listpack, Position, entry_len};
use crate::engine::config::Limits;
use std::collections::VecDeque;

/// Where a list is entered or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

/// Strings in order. The ends are O(1); an element in the middle is O(elements), a node at a time.
#[derive(Clone, Debug)]
pub struct List(Encoding);

#[derive(Clone, Debug)]
enum Encoding {
    Listpack(Listpack),
    Quicklist(Box<Quicklist>),
}

/// Listpacks in a row, none of them empty.
#[derive(Clone, Debug, Default)]
struct Quicklist {
    nodes: VecDeque<Listpack>,
    len: usize,
}

/// An element: the number of its node, and where it is in there.
type Place = (usize, Position);

/// Bytes that a listpack may have when entries are what is limited.
const SIZE_SAFETY_LIMIT: usize = 8192;

/// How many bytes and entries a node may have (`list-max-listpack-size`).
#[derive(Clone, Copy)]
struct NodeLimit {
    bytes: usize,
    entries: usize,
}

impl NodeLimit {
    fn of(limits: Limits) -> Self {
        match limits.list_max_listpack_size {
            size @ 0.. => Self { bytes: SIZE_SAFETY_LIMIT, entries: (size as usize).max(1) },
            size => {
                let step = (size.unsigned_abs() - 1).min(4);
                Self { bytes: 4096 << step, entries: usize::MAX }
            }
        }
    }

    fn allows(self, node: &Listpack, item: Item<'_>) -> bool {
        self.holds(node.byte_len() + entry_len(item), node.len() + 1)
    }

    fn holds(self, bytes: usize, entries: usize) -> bool {
        bytes <= self.bytes && entries <= self.entries
    }

    fn half(self) -> Self {
        Self { bytes: self.bytes / 2, entries: self.entries / 2 }
    }
}

impl List {
    /// A list of whole listpacks, as an RDB stores it.
    pub fn from_nodes(nodes: impl IntoIterator<Item = Listpack>, limits: Limits) -> Self {
        let nodes: VecDeque<Listpack> = nodes.into_iter().filter(|node| !node.is_empty()).collect();
        let len = nodes.iter().map(Listpack::len).sum();
        let mut list = Self(Encoding::Quicklist(Box::new(Quicklist { nodes, len })));
        if let Encoding::Quicklist(quicklist) = &mut list.0
            && let [node] = quicklist.nodes.make_contiguous()
            && NodeLimit::of(limits).holds(node.byte_len(), node.len())
        {
            list.0 = Encoding::Listpack(std::mem::take(node));
        }
        list
    }

    /// The listpacks that make up the list.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = &Listpack> + ExactSizeIterator {
        let (front, back) = self.slices();
        // A deque's slices are read as one, with a length that is known.
        (0..front.len() + back.len())
            .map(move |index| front.get(index).unwrap_or_else(|| &back[index - front.len()]))
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Encoding::Listpack(listpack) => listpack.len(),
            Encoding::Quicklist(quicklist) => quicklist.len,
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
            Encoding::Quicklist(_) => "quicklist",
        }
    }

    /// The element at `index`; negative ones count from the last.
    pub fn get(&self, index: i64) -> Option<Item<'_>> {
        let (node, position) = self.place(self.index(index)?)?;
        Some(self.node(node)?.get(position))
    }

    /// An index from the beginning, if there is such an element.
    pub fn index(&self, index: i64) -> Option<usize> {
        let len = self.len();
        let index = if index < 0 {
            len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
        } else {
            usize::try_from(index).ok()?
        };
        (index < len).then_some(index)
    }

    /// Calls `f` with elements, from number `start` on, up to where it answers false.
    pub fn visit<'a>(&'a self, start: usize, mut f: impl FnMut(Item<'a>) -> bool) {
        let Some((node, position)) = self.place(start) else { return };
        let nodes = self.nodes().skip(node);
        for (number, listpack) in nodes.enumerate() {
            let mut items =
                if number == 0 { listpack.iter_from(position) } else { listpack.iter() };
            if !items.all(&mut f) {
                return;
            }
        }
    }

    /// As [`List::visit`], from the last element to the first.
    pub fn visit_back<'a>(&'a self, mut f: impl FnMut(Item<'a>) -> bool) {
        for listpack in self.nodes().rev() {
            if !listpack.iter().rev().all(&mut f) {
                return;
            }
        }
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, word: &[u8], limits: Limits) {
        let limit = NodeLimit::of(limits);
        let item = Item::of(word);
        if let Encoding::Listpack(listpack) = &mut self.0
            && limit.allows(listpack, item)
        {
            return push(listpack, end, item);
        }
        self.quicklist().push(end, item, limit);
    }

    /// Takes the element at an end and hands it to `f`; whether there was one.
    pub fn pop(&mut self, end: End, limits: Limits, f: impl FnOnce(Item<'_>)) -> bool {
        let node = match &mut self.0 {
            Encoding::Listpack(listpack) => Some(listpack),
            Encoding::Quicklist(quicklist) => match end {
                End::Left => quicklist.nodes.front_mut(),
                End::Right => quicklist.nodes.back_mut(),
            },
        };
        let Some(node) = node else { return false };
        let position = match end {
            End::Left => node.first(),
            End::Right => node.last(),
        };
        let Some(position) = position else { return false };
        f(node.get(position));
        node.remove(position);
        if let Encoding::Quicklist(quicklist) = &mut self.0 {
            quicklist.len -= 1;
            match end {
                End::Left if quicklist.nodes.front().is_some_and(Listpack::is_empty) => {
                    quicklist.nodes.pop_front();
                }
                End::Right if quicklist.nodes.back().is_some_and(Listpack::is_empty) => {
                    quicklist.nodes.pop_back();
                }
                _ => {}
            }
            self.shrink(limits);
        }
        true
    }

    /// Gives the element at `index` another content; whether there is such an element.
    pub fn set(&mut self, index: i64, word: &[u8], limits: Limits) -> bool {
        let Some(place) = self.index(index).and_then(|index| self.place(index)) else {
            return false;
        };
        let item = Item::of(word);
        let limit = NodeLimit::of(limits);
        let (number, position) = place;
        let Some(node) = self.node_mut(number) else { return false };
        let grown = node.byte_len() + entry_len(item) - entry_len(node.get(position));
        if node.len() == 1 || limit.holds(grown, node.len()) {
            node.replace(position, item);
            if !limit.holds(grown, 1) {
                self.quicklist();
            }
            return true;
        }
        self.quicklist().insert(place, item, limit);
        // The element that was there is now the one after.
        if let Some(place) = self.index(index).and_then(|index| self.place(index + 1)) {
            self.remove_at(place);
        }
        true
    }

    /// Puts an element beside the first one that is `pivot`; whether there is one.
    pub fn insert(&mut self, pivot: &[u8], before: bool, word: &[u8], limits: Limits) -> bool {
        let place = self.nodes().enumerate().find_map(|(number, node)| {
            node.find(node.first(), pivot, 0).map(|position| (number, position))
        });
        let Some((number, position)) = place else { return false };
        let (limit, item) = (NodeLimit::of(limits), Item::of(word));
        if let Some(node) = self.node_mut(number)
            && limit.allows(node, item)
        {
            if before {
                node.insert_before(position, item);
            } else {
                node.insert_after(position, item);
            }
            self.grew(1);
            return true;
        }
        let next = self.node(number).and_then(|node| node.next(position));
        let quicklist = self.quicklist();
        match next {
            _ if before => quicklist.insert((number, position), item, limit),
            Some(next) => quicklist.insert((number, next), item, limit),
            None => quicklist.insert_between(number + 1, item, limit),
        }
        true
    }

    /// Removes elements that are `word`: the first `count`, the last `-count`, or all if it is 0.
    /// Answers how many.
    pub fn remove(&mut self, word: &[u8], count: i64, limits: Limits) -> usize {
        let most = if count == 0 { usize::MAX } else { saturated(count) };
        let nodes = self.nodes().len();
        let mut removed = 0;
        for step in 0..nodes {
            let number = if count < 0 { nodes - 1 - step } else { step };
            if removed == most {
                break;
            }
            if let Some(node) = self.node_mut(number) {
                removed += remove_from(node, word, most - removed, count < 0);
            }
        }
        self.shrank(removed, limits);
        removed
    }

    /// Keeps the elements from `start` to before `end`.
    pub fn trim(&mut self, start: usize, end: usize, limits: Limits) {
        let len = self.len();
        let end = end.min(len);
        let start = start.min(end);
        self.cut_front(start);
        self.cut_back(len - end);
        self.shrank(len - (end - start), limits);
    }

    fn cut_front(&mut self, mut count: usize) {
        for number in 0.. {
            let Some(node) = self.node_mut(number).filter(|_| count > 0) else { return };
            let removed = node.len().min(count);
            if let Some(first) = node.first() {
                node.remove_some(first, removed);
            }
            count -= removed;
        }
    }

    fn cut_back(&mut self, mut count: usize) {
        let nodes = self.nodes().len();
        for number in (0..nodes).rev() {
            let Some(node) = self.node_mut(number).filter(|_| count > 0) else { return };
            let removed = node.len().min(count);
            if let Some(from) = node.seek(-(removed as i64)) {
                node.remove_some(from, removed);
            }
            count -= removed;
        }
    }

    fn slices(&self) -> (&[Listpack], &[Listpack]) {
        match &self.0 {
            Encoding::Listpack(listpack) => (std::slice::from_ref(listpack), &[]),
            Encoding::Quicklist(quicklist) => quicklist.nodes.as_slices(),
        }
    }

    fn node(&self, number: usize) -> Option<&Listpack> {
        match &self.0 {
            Encoding::Listpack(listpack) => (number == 0).then_some(listpack),
            Encoding::Quicklist(quicklist) => quicklist.nodes.get(number),
        }
    }

    fn node_mut(&mut self, number: usize) -> Option<&mut Listpack> {
        match &mut self.0 {
            Encoding::Listpack(listpack) => (number == 0).then_some(listpack),
            Encoding::Quicklist(quicklist) => quicklist.nodes.get_mut(number),
        }
    }

    /// Where element number `index` is, looked for from the nearer end.
    fn place(&self, index: usize) -> Option<Place> {
        match &self.0 {
            Encoding::Listpack(listpack) => Some((0, listpack.seek(i64::try_from(index).ok()?)?)),
            Encoding::Quicklist(quicklist) => quicklist.place(index),
        }
    }

    fn quicklist(&mut self) -> &mut Quicklist {
        if let Encoding::Listpack(listpack) = &mut self.0 {
            let node = std::mem::take(listpack);
            let len = node.len();
            let nodes = if len == 0 { VecDeque::new() } else { VecDeque::from([node]) };
            self.0 = Encoding::Quicklist(Box::new(Quicklist { nodes, len }));
        }
        match &mut self.0 {
            Encoding::Quicklist(quicklist) => quicklist,
            Encoding::Listpack(_) => unreachable!("made a quicklist above"),
        }
    }

    fn remove_at(&mut self, (number, position): Place) {
        if let Some(node) = self.node_mut(number) {
            node.remove(position);
        }
        if let Encoding::Quicklist(quicklist) = &mut self.0 {
            quicklist.len -= 1;
            quicklist.nodes.retain(|node| !node.is_empty());
        }
    }

    fn grew(&mut self, count: usize) {
        if let Encoding::Quicklist(quicklist) = &mut self.0 {
            quicklist.len += count;
        }
    }

    /// Elements have been removed from the nodes.
    fn shrank(&mut self, count: usize, limits: Limits) {
        if let Encoding::Quicklist(quicklist) = &mut self.0 {
            quicklist.len -= count;
            quicklist.nodes.retain(|node| !node.is_empty());
            self.shrink(limits);
        }
    }

    /// A quicklist of one node that is half empty becomes a listpack again.
    fn shrink(&mut self, limits: Limits) {
        let Encoding::Quicklist(quicklist) = &mut self.0 else { return };
        let half = NodeLimit::of(limits).half();
        match quicklist.nodes.make_contiguous() {
            [] => self.0 = Encoding::Listpack(Listpack::new()),
            [node] if half.holds(node.byte_len(), node.len()) => {
                self.0 = Encoding::Listpack(std::mem::take(node));
            }
            _ => {}
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self(Encoding::Listpack(Listpack::new()))
    }
}

impl Quicklist {
    fn push(&mut self, end: End, item: Item<'_>, limit: NodeLimit) {
        self.len += 1;
        let node = match end {
            End::Left => self.nodes.front_mut(),
            End::Right => self.nodes.back_mut(),
        };
        match node.filter(|node| limit.allows(node, item)) {
            Some(node) => push(node, end, item),
            None => {
                let node: Listpack = [item].into_iter().collect();
                match end {
                    End::Left => self.nodes.push_front(node),
                    End::Right => self.nodes.push_back(node),
                }
            }
        }
    }

    /// Puts an element before the one at `place`.
    fn insert(&mut self, (number, position): Place, item: Item<'_>, limit: NodeLimit) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        if limit.allows(node, item) {
            node.insert_before(position, item);
            self.len += 1;
            return;
        }
        if node.first() != Some(position) {
            let tail = node.split_off(position);
            self.nodes.insert(number + 1, tail);
            return self.insert_between(number + 1, item, limit);
        }
        self.insert_between(number, item, limit);
    }

    /// Puts an element between two nodes: into one that has room, or into one of its own.
    fn insert_between(&mut self, number: usize, item: Item<'_>, limit: NodeLimit) {
        self.len += 1;
        if let Some(before) = number.checked_sub(1).and_then(|before| self.nodes.get_mut(before))
            && limit.allows(before, item)
        {
            return before.push_back(item);
        }
        match self.nodes.get_mut(number).filter(|after| limit.allows(after, item)) {
            Some(after) => after.push_front(item),
            None => self.nodes.insert(number, [item].into_iter().collect()),
        }
    }

    fn place(&self, index: usize) -> Option<Place> {
        let mut from_end = self.len.checked_sub(index)?;
        if index < from_end {
            let mut left = index;
            for (number, node) in self.nodes.iter().enumerate() {
                let len = node.len();
                if left < len {
                    return Some((number, node.seek(left as i64)?));
                }
                left -= len;
            }
        } else {
            for (number, node) in self.nodes.iter().enumerate().rev() {
                let len = node.len();
                if from_end <= len {
                    return Some((number, node.seek(-(from_end as i64))?));
                }
                from_end -= len;
            }
        }
        None
    }
}

fn push(node: &mut Listpack, end: End, item: Item<'_>) {
    match end {
        End::Left => node.push_front(item),
        End::Right => node.push_back(item),
    }
}

fn remove_from(node: &mut Listpack, word: &[u8], most: usize, backwards: bool) -> usize {
    let wanted = Item::of(word);
    let mut removed = 0;
    let mut at = if backwards { node.last() } else { node.first() };
    while let Some(position) = at.filter(|_| removed < most) {
        let found = node.get(position) == wanted;
        if backwards {
            at = node.previous(position);
            if found {
                node.remove(position);
            }
        } else {
            at = if found { node.remove(position) } else { node.next(position) };
        }
        removed += usize::from(found);
    }
    removed
}

fn saturated(count: i64) -> usize {
    usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> Limits {
        Limits { list_max_listpack_size: 4, ..Limits::default() }
    }

    fn words(list: &List) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        list.visit(0, |item| {
            words.push(item.to_vec());
            true
        });
        words
    }

    #[test]
    fn encodings_follow_the_limit_both_ways() {
        let mut list = List::default();
        for index in 0..5 {
            assert_eq!(list.encoding(), "listpack");
            list.push(End::Right, index.to_string().as_bytes(), small());
        }
        assert_eq!((list.encoding(), list.nodes().len()), ("quicklist", 2));
        for left in [4, 3] {
            assert!(list.pop(End::Right, small(), |_| {}));
            assert_eq!((list.len(), list.encoding()), (left, "quicklist"));
        }
        assert!(list.pop(End::Left, small(), |_| {}));
        assert_eq!((list.len(), list.encoding()), (2, "listpack"));
        let limits = Limits::default();
        list.push(End::Right, &[b'x'; 9000], limits);
        assert_eq!(list.encoding(), "quicklist");
    }

    #[test]
    fn a_large_list_is_many_nodes_of_bounded_size() {
        let mut list = List::default();
        for index in 0..100_000 {
            list.push(End::Right, format!("element {index}").as_bytes(), Limits::default());
        }
        assert!(list.nodes().all(|node| node.byte_len() <= 8192));
        for index in [0i64, 1, 49_999, 50_000, 99_999, -1, -100_000] {
            let wanted = format!("element {}", index.rem_euclid(100_000));
            assert!(list.get(index).unwrap().is(wanted.as_bytes()));
        }
        assert_eq!((list.get(100_000), list.get(-100_001), list.get(i64::MIN)), (None, None, None));
    }

    proptest! {
        #[test]
        fn like_a_vec(
            steps in prop::collection::vec((0u8..9, any::<i8>(), "[a-c]|[0-9]{1,3}|x{60,70}"), 1..120),
            size in prop::sample::select(vec![1, 2, 4, -1, 0]),
        ) {
            let limits = Limits { list_max_listpack_size: size, ..Limits::default() };
            let mut model: Vec<Vec<u8>> = Vec::new();
            let mut list = List::default();
            for (kind, number, word) in &steps {
                let (word, number) = (word.as_bytes().to_vec(), i64::from(*number) % 8);
                let index = if number < 0 { number + model.len() as i64 } else { number };
                let inside = usize::try_from(index).ok().filter(|index| *index < model.len());
                match kind {
                    0 | 1 => { list.push(End::Right, &word, limits); model.push(word); }
                    2 => { list.push(End::Left, &word, limits); model.insert(0, word); }
                    3 => {
                        let mut got = None;
                        list.pop(End::Left, limits, |item| got = Some(item.to_vec()));
                        let expected = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(got, expected);
                    }
                    4 => {
                        let mut got = None;
                        list.pop(End::Right, limits, |item| got = Some(item.to_vec()));
                        prop_assert_eq!(got, model.pop());
                    }
                    5 => {
                        prop_assert_eq!(list.set(number, &word, limits), inside.is_some());
                        if let Some(index) = inside { model[index] = word; }
                    }
                    6 => {
                        let pivot = model.get(index.unsigned_abs() as usize).cloned().unwrap_or(b"no".to_vec());
                        let at = model.iter().position(|known| *known == pivot);
                        let before = number % 2 == 0;
                        prop_assert_eq!(list.insert(&pivot, before, &word, limits), at.is_some());
                        if let Some(at) = at { model.insert(at + usize::from(!before), word); }
                    }
                    7 => {
                        let mut left = if number == 0 { usize::MAX } else { number.unsigned_abs() as usize };
                        let all = model.len();
                        if number < 0 { model.reverse(); }
                        model.retain(|known| { let gone = *known == word && left > 0; left -= usize::from(gone); !gone });
                        if number < 0 { model.reverse(); }
                        prop_assert_eq!(list.remove(&word, number, limits), all - model.len());
                    }
                    _ => {
                        let (start, end) = (usize::from(number > 3), model.len().saturating_sub(usize::from(number < -3)));
                        list.trim(start, end, limits);
                        model.truncate(end);
                        model.drain(..start.min(end));
                    }
                }
                prop_assert_eq!(words(&list), model.clone());
                prop_assert_eq!(list.len(), model.len());
                for index in -9..9i64 {
                    let at = if index < 0 { index + model.len() as i64 } else { index };
                    let expected = usize::try_from(at).ok().and_then(|at| model.get(at).cloned());
                    prop_assert_eq!(list.get(index).map(Item::to_vec), expected);
                }
                let mut backwards = Vec::new();
                list.visit_back(|item| { backwards.push(item.to_vec()); true });
                backwards.reverse();
                prop_assert_eq!(&backwards, &model);
                prop_assert!(list.encoding() == "listpack" || list.nodes().all(|node| !node.is_empty()));
            }
            let again = List::from_nodes(list.nodes().cloned(), limits);
            prop_assert_eq!(words(&again), model);
        }
    }
}
