//! Lists: the encodings `listpack` and `quicklist`.

use super::listpack::{Item, Listpack, Position, entry_len};
use crate::engine::config::Limits;
use crate::engine::dict::extrapolate;
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

/// How many bytes or entries a node may have (`list-max-listpack-size`).
#[derive(Clone, Copy)]
enum NodeLimit {
    Bytes(usize),
    Entries(usize),
}

impl NodeLimit {
    fn of(limits: Limits) -> Self {
        match limits.list_max_listpack_size {
            size @ 0.. => Self::Entries((size as usize).max(1)),
            size => Self::Bytes(4096 << (size.unsigned_abs() - 1).min(4)),
        }
    }

    fn allows(self, node: &Listpack, item: Item<'_>) -> bool {
        self.holds(node.byte_len() + entry_len(item), node.len() + 1)
    }

    fn holds(self, bytes: usize, entries: usize) -> bool {
        match self {
            Self::Bytes(most) => bytes <= most,
            Self::Entries(most) => bytes <= SIZE_SAFETY_LIMIT && entries <= most,
        }
    }

    /// Whether a quicklist that has shrunk to one node is to become a listpack.
    fn is_half_empty(self, node: &Listpack) -> bool {
        match self {
            Self::Bytes(most) => node.byte_len() <= most / 2,
            Self::Entries(most) => node.len() <= most / 2,
        }
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
        self.nodes_from(0)
    }

    /// The listpacks from number `start` on.
    pub fn nodes_from(
        &self,
        start: usize,
    ) -> impl DoubleEndedIterator<Item = &Listpack> + ExactSizeIterator {
        let (front, back) = self.slices();
        // A deque's slices are read as one, with a length that is known.
        (start..front.len() + back.len())
            .map(move |index| front.get(index).unwrap_or_else(|| &back[index - front.len()]))
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Encoding::Listpack(listpack) => listpack.len(),
            Encoding::Quicklist(quicklist) => quicklist.len,
        }
    }

    /// See [`super::Value::parts`].
    pub(super) fn parts(&self) -> usize {
        self.nodes().len()
    }

    /// See [`super::Value::heap_bytes`].
    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Encoding::Listpack(listpack) => listpack.heap_len(),
            Encoding::Quicklist(quicklist) => {
                let nodes = &quicklist.nodes;
                let lens = nodes.iter().map(Listpack::heap_len);
                size_of::<Quicklist>()
                    + nodes.capacity() * size_of::<Listpack>()
                    + extrapolate(lens, nodes.len(), samples)
            }
        }
    }

    /// See [`super::Value::free_parts`].
    pub(super) fn free_parts(&mut self, most: usize) -> usize {
        let Encoding::Quicklist(quicklist) = &mut self.0 else { return 0 };
        let left = quicklist.nodes.len().saturating_sub(most);
        let freed = quicklist.nodes.len() - left;
        quicklist.nodes.truncate(left);
        freed
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

    /// Adds elements at an end, one after the other.
    pub fn push(&mut self, end: End, words: &[impl AsRef<[u8]>], limits: Limits) {
        self.make_room(words, limits);
        let limit = NodeLimit::of(limits);
        for word in words {
            let item = Item::of(word.as_ref());
            match &mut self.0 {
                Encoding::Listpack(listpack) => push(listpack, end, item),
                Encoding::Quicklist(quicklist) => quicklist.push(end, item, limit),
            }
        }
    }

    /// A listpack that is too small for `words` becomes a quicklist. As in Redis, the sum of their
    /// lengths counts, not how they will be encoded.
    fn make_room(&mut self, words: &[impl AsRef<[u8]>], limits: Limits) {
        let Encoding::Listpack(listpack) = &self.0 else { return };
        let added: usize = words.iter().map(|word| word.as_ref().len()).sum();
        let entries = listpack.len() + words.len();
        if !NodeLimit::of(limits).holds(listpack.byte_len() + added, entries) {
            self.quicklist();
        }
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
        self.make_room(&[word], limits);
        self.replace(place, Item::of(word), NodeLimit::of(limits));
        self.shrink(limits);
        true
    }

    fn replace(&mut self, place: Place, item: Item<'_>, limit: NodeLimit) {
        let (number, position) = place;
        let Encoding::Quicklist(quicklist) = &mut self.0 else {
            return self.node_mut(0).into_iter().for_each(|node| node.replace(position, item));
        };
        let Some(node) = quicklist.nodes.get_mut(number) else { return };
        let grown = node.byte_len() + entry_len(item) - entry_len(node.get(position));
        if node.len() == 1 || limit.holds(grown, node.len()) {
            return node.replace(position, item);
        }
        // Only the node that it leaves may become empty, and it had more than one element.
        let next = node.remove(position);
        quicklist.len -= 1;
        match next {
            Some(next) => quicklist.insert((number, next), item, limit),
            None => quicklist.insert_between(number + 1, item, limit),
        }
    }

    /// Puts an element beside the first one that is `pivot`; whether there is one.
    pub fn insert(&mut self, pivot: &[u8], before: bool, word: &[u8], limits: Limits) -> bool {
        let place = self.nodes().enumerate().find_map(|(number, node)| {
            node.find(node.first(), pivot, 0).map(|position| (number, position))
        });
        let Some((number, position)) = place else { return false };
        self.make_room(&[word], limits);
        let (limit, item) = (NodeLimit::of(limits), Item::of(word));
        match &mut self.0 {
            Encoding::Listpack(node) if before => node.insert_before(position, item),
            Encoding::Listpack(node) => node.insert_after(position, item),
            Encoding::Quicklist(quicklist) if before => {
                quicklist.insert((number, position), item, limit);
            }
            Encoding::Quicklist(quicklist) => {
                quicklist.insert_after((number, position), item, limit)
            }
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
        if let Encoding::Quicklist(quicklist) = &mut self.0 {
            quicklist.len -= removed;
            quicklist.nodes.retain(|node| !node.is_empty());
            self.shrink(limits);
        }
        removed
    }

    /// Keeps the elements from `start` to before `end`.
    pub fn trim(&mut self, start: usize, end: usize, limits: Limits) {
        let len = self.len();
        let end = end.min(len);
        let start = start.min(end);
        match &mut self.0 {
            Encoding::Listpack(listpack) => {
                cut_front(listpack, start);
                cut_back(listpack, len - end);
            }
            Encoding::Quicklist(quicklist) => {
                quicklist.cut_front(start);
                quicklist.cut_back(len - end);
                self.shrink(limits);
            }
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

    /// A quicklist of one node that is half empty becomes a listpack again.
    fn shrink(&mut self, limits: Limits) {
        let Encoding::Quicklist(quicklist) = &mut self.0 else { return };
        if quicklist.nodes.len() > 1 {
            return;
        }
        match quicklist.nodes.front_mut() {
            None => self.0 = Encoding::Listpack(Listpack::new()),
            Some(node) if NodeLimit::of(limits).is_half_empty(node) => {
                self.0 = Encoding::Listpack(std::mem::take(node));
            }
            Some(_) => {}
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
            None => self.push_node(end, item),
        }
    }

    /// Adds a node of one element at an end. The one that was there is full.
    fn push_node(&mut self, end: End, item: Item<'_>) {
        let node: Listpack = [item].into_iter().collect();
        let full = match end {
            End::Left => {
                self.nodes.push_front(node);
                self.nodes.get_mut(1)
            }
            End::Right => {
                self.nodes.push_back(node);
                self.nodes.len().checked_sub(2).and_then(|number| self.nodes.get_mut(number))
            }
        };
        full.into_iter().for_each(Listpack::shrink);
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

    /// Puts an element after the one at `place`.
    fn insert_after(&mut self, (number, position): Place, item: Item<'_>, limit: NodeLimit) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        if limit.allows(node, item) {
            node.insert_after(position, item);
            self.len += 1;
            return;
        }
        match node.next(position) {
            Some(next) => self.insert((number, next), item, limit),
            None => self.insert_between(number + 1, item, limit),
        }
    }

    /// Takes the first `count` elements away.
    fn cut_front(&mut self, mut count: usize) {
        self.len -= count;
        while let Some(node) = self.nodes.front_mut().filter(|_| count > 0) {
            if node.len() > count {
                return cut_front(node, count);
            }
            count -= node.len();
            self.nodes.pop_front();
        }
    }

    /// Takes the last `count` elements away.
    fn cut_back(&mut self, mut count: usize) {
        self.len -= count;
        while let Some(node) = self.nodes.back_mut().filter(|_| count > 0) {
            if node.len() > count {
                return cut_back(node, count);
            }
            count -= node.len();
            self.nodes.pop_back();
        }
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

fn cut_front(node: &mut Listpack, count: usize) {
    if let Some(first) = node.first() {
        node.remove_some(first, count);
    }
}

fn cut_back(node: &mut Listpack, count: usize) {
    if let Some(from) = node.seek(-(count as i64)) {
        node.remove_some(from, count);
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
            list.push(End::Right, &[index.to_string()], small());
        }
        assert_eq!((list.encoding(), list.nodes().len()), ("quicklist", 2));
        for left in [4, 3] {
            assert!(list.pop(End::Right, small(), |_| {}));
            assert_eq!((list.len(), list.encoding()), (left, "quicklist"));
        }
        assert!(list.pop(End::Left, small(), |_| {}));
        assert_eq!((list.len(), list.encoding()), (2, "listpack"));
        let limits = Limits::default();
        list.push(End::Right, &[[b'x'; 9000]], limits);
        assert_eq!(list.encoding(), "quicklist");
    }

    #[test]
    fn the_lengths_of_words_decide_before_they_are_encoded() {
        for (len, encoding) in [(8185, "listpack"), (8186, "quicklist")] {
            let mut list = List::default();
            list.push(End::Left, &[vec![b'x'; len]], Limits::default());
            assert_eq!(list.encoding(), encoding, "{len}");
            assert!(list.set(0, b"short", Limits::default()));
            assert_eq!(list.encoding(), "listpack");
        }
        let mut list = List::default();
        let numbers: Vec<String> = (0..5).map(|number| number.to_string()).collect();
        list.push(End::Left, &numbers, small());
        assert_eq!((list.encoding(), list.nodes().len()), ("quicklist", 2));
    }

    #[test]
    fn a_trimmed_list_loses_whole_nodes() {
        let numbers: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        for (start, end) in [(0, 0), (0, 100), (3, 97), (4, 8), (50, 51), (98, 100), (0, 5)] {
            let mut list = List::default();
            list.push(End::Right, &numbers, small());
            list.trim(start, end, small());
            let expected: Vec<&[u8]> = numbers[start..end].iter().map(|n| n.as_bytes()).collect();
            assert!(words(&list) == expected && list.len() == end - start, "{start} to {end}");
            assert!(list.encoding() == "listpack" || list.nodes().all(|node| !node.is_empty()));
        }
    }

    #[test]
    fn a_large_list_is_many_nodes_of_bounded_size() {
        let mut list = List::default();
        for index in 0..100_000 {
            list.push(End::Right, &[format!("element {index}")], Limits::default());
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
                    0 | 1 => { list.push(End::Right, &[&word], limits); model.push(word); }
                    2 => { list.push(End::Left, &[&word], limits); model.insert(0, word); }
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
