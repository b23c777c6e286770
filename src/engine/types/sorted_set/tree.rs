//! A counted B+ tree over entries of a dictionary, ordered by score and then by member.
//!
//! Leaves hold scores and the numbers of entries (12 bytes each); the members stay where they are in
//! the dictionary. Every link knows how many entries are below it, so that a rank is found, and an
//! entry by its rank, in O(log n).

use crate::engine::dict::{Dict, extrapolate};

const LEAF_MAX: usize = 64;
const INNER_MAX: usize = 32;

/// A place in the order: all entries up to there come before it, none from there on.
#[derive(Clone, Copy)]
pub(super) enum Probe<'a> {
    /// That of a member with a score.
    Entry(f64, &'a [u8]),
    /// Before the scores from the bound on, or after it if inclusive.
    Score { bound: f64, inclusive: bool },
    /// Before the members from the bound on, or after it if inclusive, where all scores are the same.
    Member { bound: &'a [u8], inclusive: bool },
}

impl Probe<'_> {
    /// Whether an entry with this score comes before it; `None` if its member decides.
    pub(super) fn by_score(self, score: f64) -> Option<bool> {
        match self {
            Self::Entry(wanted, _) if score == wanted => None,
            Self::Entry(wanted, _) => Some(score < wanted),
            Self::Score { bound, inclusive } => {
                Some(score < bound || (inclusive && score == bound))
            }
            Self::Member { .. } => None,
        }
    }

    /// Whether an entry with this member comes before it, where scores do not decide.
    pub(super) fn by_member(self, member: &[u8]) -> bool {
        match self {
            Self::Entry(_, wanted) => member < wanted,
            Self::Score { .. } => false,
            Self::Member { bound, inclusive: true } => member <= bound,
            Self::Member { bound, inclusive: false } => member < bound,
        }
    }
}

/// The order of the entries; members and scores are in a [`Dict`] that every call is given.
#[derive(Clone)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// Numbers of nodes that are not used.
    free: Vec<u32>,
    root: u32,
}

#[derive(Clone)]
enum Node {
    Leaf(Leaf),
    Inner(Vec<Child>),
}

#[derive(Clone, Default)]
struct Leaf {
    scores: Vec<f64>,
    /// Numbers of the entries in the dictionary.
    ids: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Child {
    node: u32,
    /// How many entries are below.
    len: u32,
    /// The score of the first of them.
    first: f64,
}

type Members = Dict<f64>;

#[inline]
fn member(members: &Members, id: u32) -> &[u8] {
    members.nth(id as usize).map_or(&[], |(member, _)| member)
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::Leaf(Leaf::default())], free: Vec::new(), root: 0 }
    }

    /// Bytes of memory that the nodes take up, by the average of so many of them (0: all).
    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        let lens = self.nodes.iter().map(|node| match node {
            Node::Leaf(leaf) => {
                leaf.scores.capacity() * size_of::<f64>() + leaf.ids.capacity() * size_of::<u32>()
            }
            Node::Inner(children) => children.capacity() * size_of::<Child>(),
        });
        self.nodes.capacity() * size_of::<Node>()
            + self.free.capacity() * size_of::<u32>()
            + extrapolate(lens, self.nodes.len(), samples)
    }

    /// Frees up to `most` nodes; answers how many. What is left is good for nothing else.
    pub(super) fn free_nodes(&mut self, most: usize) -> usize {
        let left = self.nodes.len().saturating_sub(most);
        let freed = self.nodes.len() - left;
        self.nodes.truncate(left);
        freed
    }

    /// How many entries are before the place that `probe` stands for.
    pub(super) fn rank(&self, members: &Members, probe: Probe<'_>) -> usize {
        let (mut at, mut rank) = (self.root, 0usize);
        loop {
            match self.node(at) {
                Node::Leaf(leaf) => return rank + leaf.rank(members, probe),
                Node::Inner(children) => {
                    let index = self.child_index(children, members, probe);
                    rank += children[..index].iter().map(|child| child.len as usize).sum::<usize>();
                    at = children[index].node;
                }
            }
        }
    }

    /// The leaf with entry number `rank` in the order: the scores and ids from there on, and those
    /// before it.
    pub(super) fn leaf_at(&self, rank: usize) -> Option<LeafAt<'_>> {
        let (mut at, mut left) = (self.root, rank);
        loop {
            match self.node(at) {
                Node::Leaf(leaf) => {
                    return (left < leaf.ids.len()).then_some(LeafAt {
                        scores: &leaf.scores,
                        ids: &leaf.ids,
                        index: left,
                    });
                }
                Node::Inner(children) => {
                    let child = children.iter().find(|child| {
                        let inside = left < child.len as usize;
                        if !inside {
                            left -= child.len as usize;
                        }
                        inside
                    })?;
                    at = child.node;
                }
            }
        }
    }

    /// Adds entry `id` of the dictionary, whose member and score no other entry has.
    pub(super) fn insert(&mut self, members: &Members, score: f64, id: u32) {
        if let Some(right) = self.insert_below(self.root, members, score, id) {
            let left = self.summary(self.root);
            let root = Node::Inner(vec![left, right]);
            self.root = self.add(root);
        }
    }

    /// Removes an entry that is there.
    pub(super) fn remove(&mut self, members: &Members, score: f64, id: u32) {
        self.remove_below(self.root, members, score, id);
        if let Node::Inner(children) = self.node(self.root)
            && let [only] = children.as_slice()
        {
            let only = only.node;
            self.drop_node(self.root);
            self.root = only;
        }
    }

    /// The entry that was number `from` in the dictionary is going to be number `to`.
    pub(super) fn renumber(&mut self, members: &Members, score: f64, from: u32, to: u32) {
        let at = self.leaf_with(members, score, from);
        if let Node::Leaf(leaf) = &mut self.nodes[at as usize]
            && let Some(id) = leaf.ids.iter_mut().find(|id| **id == from)
        {
            *id = to;
        }
    }

    /// Gives an entry that is there another score, if it then is where it was; whether it is.
    pub(super) fn rescore(&mut self, members: &Members, old: f64, new: f64, id: u32) -> bool {
        let at = self.leaf_with(members, old, id);
        let is_root = at == self.root;
        let Node::Leaf(leaf) = &mut self.nodes[at as usize] else { return false };
        let name = member(members, id);
        let index = leaf.rank(members, Probe::Entry(old, name));
        let probe = Probe::Entry(new, name);
        // What is beyond the leaf is not looked at.
        let follows = match index.checked_sub(1) {
            Some(before) => leaf.is_before(before, members, probe),
            None => is_root,
        };
        let precedes = match index + 1 < leaf.ids.len() {
            true => !leaf.is_before(index + 1, members, probe),
            false => is_root,
        };
        let stays = follows && precedes && leaf.ids.get(index) == Some(&id);
        if stays {
            leaf.scores[index] = new;
        }
        stays
    }

    /// The leaf with an entry that is there.
    fn leaf_with(&self, members: &Members, score: f64, id: u32) -> u32 {
        let mut at = self.root;
        while let Node::Inner(children) = self.node(at) {
            at = children[self.child_with(children, members, score, id)].node;
        }
        at
    }

    /// The child below which there is an entry.
    fn child_with(&self, children: &[Child], members: &Members, score: f64, id: u32) -> usize {
        let index = self.child_index(children, members, Probe::Entry(score, member(members, id)));
        // The entry itself is not before its place: it may begin the next child.
        let begins = |next: &Child| next.first == score && self.first_id(next.node) == id;
        index + usize::from(children.get(index + 1).is_some_and(begins))
    }

    #[inline]
    fn node(&self, number: u32) -> &Node {
        &self.nodes[number as usize]
    }

    fn add(&mut self, node: Node) -> u32 {
        match self.free.pop() {
            Some(number) => {
                self.nodes[number as usize] = node;
                number
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        }
    }

    fn drop_node(&mut self, number: u32) {
        self.nodes[number as usize] = Node::Leaf(Leaf::default());
        self.free.push(number);
    }

    /// A link to a node.
    #[inline]
    fn summary(&self, node: u32) -> Child {
        match self.node(node) {
            Node::Leaf(leaf) => Child {
                node,
                len: leaf.ids.len() as u32,
                first: leaf.scores.first().copied().unwrap_or_default(),
            },
            Node::Inner(children) => Child {
                node,
                len: children.iter().map(|child| child.len).sum(),
                first: children.first().map_or(0.0, |child| child.first),
            },
        }
    }

    fn first_score(&self, node: u32) -> f64 {
        match self.node(node) {
            Node::Leaf(leaf) => leaf.scores.first().copied().unwrap_or_default(),
            Node::Inner(children) => children.first().map_or(0.0, |child| child.first),
        }
    }

    fn first_id(&self, node: u32) -> u32 {
        let mut at = node;
        loop {
            match self.node(at) {
                Node::Leaf(leaf) => return leaf.ids.first().copied().unwrap_or_default(),
                Node::Inner(children) => at = children[0].node,
            }
        }
    }

    /// The last child that begins before the place, or the first.
    #[inline]
    fn child_index(&self, children: &[Child], members: &Members, probe: Probe<'_>) -> usize {
        let begins_before = |child: &Child| {
            probe
                .by_score(child.first)
                .unwrap_or_else(|| probe.by_member(member(members, self.first_id(child.node))))
        };
        children[1..].partition_point(begins_before)
    }

    /// Adds an entry below a node; answers the new node to its right, if it was split.
    fn insert_below(&mut self, at: u32, members: &Members, score: f64, id: u32) -> Option<Child> {
        let probe = Probe::Entry(score, member(members, id));
        let children = match &mut self.nodes[at as usize] {
            Node::Leaf(leaf) => {
                let index = leaf.rank(members, probe);
                leaf.scores.insert(index, score);
                leaf.ids.insert(index, id);
                let right = leaf.split()?;
                let right = self.add(Node::Leaf(right));
                return Some(self.summary(right));
            }
            Node::Inner(children) => std::mem::take(children),
        };
        let index = self.child_index(&children, members, probe);
        let mut children = children;
        let child = &mut children[index];
        match self.insert_below(child.node, members, score, id) {
            None => {
                child.len += 1;
                child.first = self.first_score(child.node);
            }
            Some(right) => {
                *child = self.summary(child.node);
                children.insert(index + 1, right);
            }
        }
        let tail = (children.len() > INNER_MAX).then(|| children.split_off(children.len() / 2));
        self.nodes[at as usize] = Node::Inner(children);
        let tail = tail.map(|tail| self.add(Node::Inner(tail)))?;
        Some(self.summary(tail))
    }

    /// Removes an entry below a node; whether it was there.
    fn remove_below(&mut self, at: u32, members: &Members, score: f64, id: u32) -> bool {
        let mut children = match &mut self.nodes[at as usize] {
            Node::Leaf(leaf) => {
                let index = leaf.rank(members, Probe::Entry(score, member(members, id)));
                let is_there = leaf.ids.get(index) == Some(&id);
                if is_there {
                    leaf.scores.remove(index);
                    leaf.ids.remove(index);
                }
                return is_there;
            }
            Node::Inner(children) => std::mem::take(children),
        };
        let index = self.child_with(&children, members, score, id);
        let child = &mut children[index];
        let is_removed = self.remove_below(child.node, members, score, id);
        if is_removed {
            child.len -= 1;
            child.first = self.first_score(child.node);
            self.tidy_child(&mut children, index);
        }
        self.nodes[at as usize] = Node::Inner(children);
        is_removed
    }

    /// Drops a child that is empty, and merges one that is nearly so with the next.
    fn tidy_child(&mut self, children: &mut Vec<Child>, index: usize) {
        if children[index].len == 0 && children.len() > 1 {
            let child = children.remove(index);
            return self.drop_node(child.node);
        }
        let left = if index + 1 < children.len() { index } else { index.saturating_sub(1) };
        let (Some(one), Some(other)) = (children.get(left), children.get(left + 1)) else { return };
        let (one, other) = (one.node, other.node);
        if self.merge(one, other) {
            children[left] = self.summary(one);
            children.remove(left + 1);
            self.drop_node(other);
        }
    }

    /// Moves all of `other` to the end of `one` if both together are no more than half a node.
    fn merge(&mut self, one: u32, other: u32) -> bool {
        match (self.node(one), self.node(other)) {
            (Node::Leaf(a), Node::Leaf(b)) if a.ids.len() + b.ids.len() <= LEAF_MAX / 2 => {}
            (Node::Inner(a), Node::Inner(b)) if a.len() + b.len() <= INNER_MAX / 2 => {}
            _ => return false,
        }
        let taken = std::mem::replace(&mut self.nodes[other as usize], Node::Inner(Vec::new()));
        match (&mut self.nodes[one as usize], taken) {
            (Node::Leaf(a), Node::Leaf(mut b)) => {
                a.scores.append(&mut b.scores);
                a.ids.append(&mut b.ids);
            }
            (Node::Inner(a), Node::Inner(mut b)) => a.append(&mut b),
            _ => {}
        }
        true
    }
}

impl Leaf {
    #[inline]
    fn is_before(&self, index: usize, members: &Members, probe: Probe<'_>) -> bool {
        let by_score = probe.by_score(self.scores[index]);
        by_score.unwrap_or_else(|| probe.by_member(member(members, self.ids[index])))
    }

    fn rank(&self, members: &Members, probe: Probe<'_>) -> usize {
        let (mut low, mut high) = (0, self.ids.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.is_before(middle, members, probe) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The upper part, once there are too many. What is added in order leaves full leaves behind.
    fn split(&mut self) -> Option<Self> {
        if self.ids.len() <= LEAF_MAX {
            return None;
        }
        let at = self.ids.len() / 2;
        Some(Self { scores: self.scores.split_off(at), ids: self.ids.split_off(at) })
    }
}

/// A place in a leaf.
pub(super) struct LeafAt<'a> {
    pub(super) scores: &'a [f64],
    pub(super) ids: &'a [u32],
    pub(super) index: usize,
}
