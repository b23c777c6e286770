//! The listpack: a row of strings and integers in one piece of memory, as Redis lays it out.
//!
//! A header (total bytes `u32`, elements `u16`, both little-endian; 65535 elements or more count as
//! unknown), the entries, a byte 0xFF. An entry is its encoding byte with a length or an integer,
//! the content, and its own length once more in a form that is read backwards, so that a listpack
//! is walked from either end. A text that is a canonical integer is stored as one.

use crate::number::parse_integer;
use foldhash::fast::FixedState;
use smallvec::SmallVec;
use std::hash::BuildHasher;

const HEADER_LEN: usize = 6;
const END: u8 = 0xff;
const COUNT_UNKNOWN: u16 = u16::MAX;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;
const TEXT_32: u8 = 0xf0;

/// Redis's compact sequence. Cost of a change: O(bytes after it).
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack(Vec<u8>);

/// A listpack with so many times the capacity that it needs gives memory back.
const WASTED: usize = 4;

/// Where an entry begins: a byte offset, good until the listpack changes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(usize);

/// An entry's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A canonical integer.
    Int(i64),
    /// Anything else.
    Bytes(&'a [u8]),
}

impl<'a> Item<'a> {
    /// The item that stores `word`.
    pub fn of(word: &'a [u8]) -> Self {
        // The longest canonical integer has 20 bytes.
        let integer = if word.len() <= 20 { parse_integer(word) } else { None };
        integer.map_or(Self::Bytes(word), Self::Int)
    }

    /// Calls `f` with the text, without an allocation.
    #[inline(always)]
    pub fn with_bytes<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Int(value) => f(itoa::Buffer::new().format(value).as_bytes()),
            Self::Bytes(bytes) => f(bytes),
        }
    }

    /// The text, copied.
    pub fn to_vec(self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }

    /// The length of the text in bytes.
    pub fn len(self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// Whether the text is empty.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether the text is `word`.
    pub fn is(self, word: &[u8]) -> bool {
        match self {
            Self::Int(value) => parse_integer(word) == Some(value),
            Self::Bytes(bytes) => bytes == word,
        }
    }

    /// Encoding byte with length, or with the integer: up to 9 bytes.
    #[inline]
    fn head(self) -> Head {
        let mut head = Head { bytes: [0; 9], len: 0 };
        match self {
            Self::Int(value) => head.integer(value),
            Self::Bytes(bytes) => head.text(bytes.len()),
        }
        head
    }

    fn body(self) -> &'a [u8] {
        match self {
            Self::Int(_) => &[],
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// The first bytes of an entry.
struct Head {
    bytes: [u8; 9],
    len: usize,
}

impl Head {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn integer(&mut self, value: i64) {
        let bytes = value.to_le_bytes();
        match value {
            0..=127 => self.push(&[bytes[0]]),
            -4096..=4095 => {
                let bits = (value as u16) & 0x1fff;
                self.push(&[0xc0 | (bits >> 8) as u8, bits as u8]);
            }
            -0x8000..=0x7fff => self.tagged(INT_16, &bytes[..2]),
            -0x80_0000..=0x7f_ffff => self.tagged(INT_24, &bytes[..3]),
            -0x8000_0000..=0x7fff_ffff => self.tagged(INT_32, &bytes[..4]),
            _ => self.tagged(INT_64, &bytes),
        }
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.push(&[tag]);
        self.push(bytes);
    }

    fn text(&mut self, len: usize) {
        match len {
            0..64 => self.push(&[0x80 | len as u8]),
            64..4096 => self.push(&[0xe0 | (len >> 8) as u8, len as u8]),
            _ => self.tagged(TEXT_32, &(len as u32).to_le_bytes()),
        }
    }
}

/// The bytes that an item takes in a listpack.
pub fn entry_len(item: Item<'_>) -> usize {
    let len = item.head().len + item.body().len();
    len + back_len_size(len)
}

fn hash(word: &[u8]) -> u32 {
    FixedState::default().hash_one(word) as u32
}

fn back_len_size(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        2_097_152..=268_435_455 => 4,
        _ => 5,
    }
}

fn write_back_len(out: &mut [u8], len: usize) {
    let mut rest = len;
    for (index, byte) in out.iter_mut().enumerate().rev() {
        *byte = (rest & 127) as u8 | if index == 0 { 0 } else { 128 };
        rest >>= 7;
    }
}

/// The length of the entry whose last byte is before `end`, its own back length left out.
fn read_back_len(bytes: &[u8], end: usize) -> Option<usize> {
    let mut len = 0usize;
    for index in 0..5 {
        let byte = *bytes.get(end.checked_sub(index + 1)?)?;
        len |= usize::from(byte & 127).checked_shl(7 * index as u32)?;
        if byte & 128 == 0 {
            return Some(len);
        }
    }
    None
}

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Self {
        Self(vec![HEADER_LEN as u8 + 1, 0, 0, 0, 0, 0, END])
    }

    /// Takes bytes that claim to be a listpack. `None` unless every length in them is right.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let total = u32::from_le_bytes(*bytes.first_chunk()?);
        if total as usize != bytes.len() || bytes.len() <= HEADER_LEN || bytes.last() != Some(&END)
        {
            return None;
        }
        let listpack = Self(bytes);
        let end = listpack.0.len() - 1;
        let (mut at, mut count) = (HEADER_LEN, 0usize);
        while at < end {
            let (len, _) = listpack.decode(at)?;
            let back = back_len_size(len);
            let next = at.checked_add(len)?.checked_add(back).filter(|next| *next <= end)?;
            if read_back_len(&listpack.0, next) != Some(len) {
                return None;
            }
            at = next;
            count += 1;
        }
        let stored = listpack.stored_count();
        (stored == COUNT_UNKNOWN || usize::from(stored) == count).then_some(listpack)
    }

    /// The bytes, header and end included: what Redis stores in an RDB.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes it is.
    pub fn byte_len(&self) -> usize {
        self.0.len()
    }

    /// How many bytes it takes on the heap.
    pub fn heap_len(&self) -> usize {
        self.0.capacity()
    }

    /// How many entries there are. O(1) below 65535 entries.
    pub fn len(&self) -> usize {
        match self.stored_count() {
            COUNT_UNKNOWN => self.positions().count(),
            count => usize::from(count),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER_LEN + 1
    }

    /// The first entry.
    pub fn first(&self) -> Option<Position> {
        (!self.is_empty()).then_some(Position(HEADER_LEN))
    }

    /// The last entry.
    pub fn last(&self) -> Option<Position> {
        self.before(self.0.len() - 1)
    }

    /// The entry after `position`.
    pub fn next(&self, position: Position) -> Option<Position> {
        let next = self.end_of(position)?;
        (next < self.0.len() - 1).then_some(Position(next))
    }

    /// The entry before `position`.
    pub fn previous(&self, position: Position) -> Option<Position> {
        self.before(position.0)
    }

    /// Entry number `index`, walked to from the nearer end; negative ones count from the last.
    pub fn seek(&self, index: i64) -> Option<Position> {
        let len = self.len() as i64;
        let index = if index < 0 { index.checked_add(len)? } else { index };
        if !(0..len).contains(&index) {
            return None;
        }
        if index <= len / 2 {
            self.positions().nth(index as usize)
        } else {
            let mut at = self.last()?;
            for _ in index..len - 1 {
                at = self.previous(at)?;
            }
            Some(at)
        }
    }

    /// The entry at `position`; an empty text if there is none.
    #[inline]
    pub fn get(&self, position: Position) -> Item<'_> {
        self.decode(position.0).map_or(Item::Bytes(&[]), |(_, item)| item)
    }

    /// Entry number `index`; negative ones count from the last.
    pub fn at(&self, index: i64) -> Option<Item<'_>> {
        self.seek(index).map(|position| self.get(position))
    }

    /// Where each entry is, first to last.
    pub fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        let mut at = self.first();
        std::iter::from_fn(move || {
            let current = at?;
            at = self.next(current);
            Some(current)
        })
    }

    /// Every entry, from either end.
    pub fn iter(&self) -> Iter<'_> {
        Iter { listpack: self, front: HEADER_LEN, back: self.0.len() - 1 }
    }

    /// The entries from `position` on.
    pub fn iter_from(&self, position: Position) -> Iter<'_> {
        Iter { listpack: self, front: position.0, back: self.0.len() - 1 }
    }

    /// The entries before `position` and the one there, to be read backwards.
    pub fn iter_up_to(&self, position: Position) -> Iter<'_> {
        let back = self.end_of(position).unwrap_or(HEADER_LEN);
        Iter { listpack: self, front: HEADER_LEN, back }
    }

    /// Cuts off the entries from `position` on; answers them.
    pub fn split_off(&mut self, position: Position) -> Self {
        let tail: Self = self.iter_from(position).collect();
        self.remove_some(position, usize::MAX);
        tail
    }

    /// The first entry, looked for from `from` on and `skip` entries after each miss, whose text
    /// is `word`.
    pub fn find(&self, from: Option<Position>, word: &[u8], skip: usize) -> Option<Position> {
        let wanted = Item::of(word);
        let mut at = from;
        while let Some(position) = at {
            if self.get(position) == wanted {
                return at;
            }
            at = self.next(position);
            for _ in 0..skip {
                at = self.next(at?);
            }
        }
        None
    }

    /// Whether its words in groups of `step` can be found by the first of each: those differ, and are
    /// stored as [`Item::of`] has it.
    pub fn is_keyed(&self, step: usize) -> bool {
        let mut hashes = SmallVec::<[u32; 64]>::new();
        for item in self.iter().step_by(step) {
            if let Item::Bytes(bytes) = item
                && Item::of(bytes) != item
            {
                return false;
            }
            hashes.push(item.with_bytes(hash));
        }
        hashes.sort_unstable();
        if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
            return true;
        }
        // Different words may have the same hash.
        let mut positions = self.positions().step_by(step);
        positions.all(|at| {
            self.get(at).with_bytes(|word| self.find(self.first(), word, step - 1) == Some(at))
        })
    }

    /// Adds an entry at the end.
    pub fn push_back(&mut self, item: Item<'_>) {
        let (head, body) = (item.head(), item.body());
        let len = head.len + body.len();
        let back = back_len_size(len);
        self.reserve(self.0.len() + len + back);
        self.0.pop();
        self.0.extend_from_slice(&head.bytes[..head.len]);
        self.0.extend_from_slice(body);
        if back == 1 {
            self.0.push(len as u8);
        } else {
            let at = self.0.len();
            self.0.resize(at + back, 0);
            write_back_len(&mut self.0[at..], len);
        }
        self.0.push(END);
        self.note_len(1);
    }

    /// Adds an entry at the beginning.
    pub fn push_front(&mut self, item: Item<'_>) {
        self.splice(HEADER_LEN, HEADER_LEN, Some(item), 1);
    }

    /// Adds an entry before `position`.
    pub fn insert_before(&mut self, position: Position, item: Item<'_>) {
        self.splice(position.0, position.0, Some(item), 1);
    }

    /// Adds an entry after `position`.
    pub fn insert_after(&mut self, position: Position, item: Item<'_>) {
        let at = self.end_of(position).unwrap_or(self.0.len() - 1);
        self.splice(at, at, Some(item), 1);
    }

    /// Gives the entry at `position` another content; it still begins there.
    pub fn replace(&mut self, position: Position, item: Item<'_>) {
        if let Some(end) = self.end_of(position) {
            self.splice(position.0, end, Some(item), 0);
        }
    }

    /// Removes the entry at `position`; the one after it, if any, then begins there.
    pub fn remove(&mut self, position: Position) -> Option<Position> {
        self.remove_some(position, 1)
    }

    /// Removes up to `count` entries from `position` on; the one after them then begins there.
    pub fn remove_some(&mut self, position: Position, count: usize) -> Option<Position> {
        let (mut end, mut removed) = (position.0, 0);
        while removed < count && end < self.0.len() - 1 {
            end = self.end_of(Position(end))?;
            removed += 1;
        }
        self.splice(position.0, end, None, -(removed as i64));
        (position.0 < self.0.len() - 1).then_some(position)
    }

    /// Gives back memory that is not used.
    pub fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    #[inline]
    fn stored_count(&self) -> u16 {
        u16::from_le_bytes([self.0[4], self.0[5]])
    }

    #[inline]
    fn end_of(&self, position: Position) -> Option<usize> {
        let (len, _) = self.decode(position.0)?;
        Some(position.0 + len + back_len_size(len))
    }

    fn before(&self, end: usize) -> Option<Position> {
        if end <= HEADER_LEN {
            return None;
        }
        let len = read_back_len(&self.0, end)?;
        end.checked_sub(len + back_len_size(len)).map(Position)
    }

    /// The entry that begins at `at`: its length without the back length, and its content.
    #[inline]
    fn decode(&self, at: usize) -> Option<(usize, Item<'_>)> {
        let bytes = self.0.get(at..)?;
        let (tag, rest) = bytes.split_first()?;
        let text = |head: usize, len: usize| {
            let end = head.checked_add(len)?;
            Some((end, Item::Bytes(bytes.get(head..end)?)))
        };
        match *tag {
            0..=0x7f => Some((1, Item::Int(i64::from(*tag)))),
            0x80..=0xbf => text(1, usize::from(tag & 0x3f)),
            0xc0..=0xdf => {
                let bits = (u16::from(tag & 0x1f) << 8) | u16::from(*rest.first()?);
                // The sign is bit 12.
                let value = i64::from(((bits << 3) as i16) >> 3);
                Some((2, Item::Int(value)))
            }
            0xe0..=0xef => text(2, (usize::from(tag & 0x0f) << 8) | usize::from(*rest.first()?)),
            TEXT_32 => text(5, u32::from_le_bytes(*rest.first_chunk()?) as usize),
            INT_16 => Some((3, Item::Int(i16::from_le_bytes(*rest.first_chunk()?).into()))),
            INT_24 => {
                let [a, b, c] = *rest.first_chunk()?;
                Some((4, Item::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8))))
            }
            INT_32 => Some((5, Item::Int(i32::from_le_bytes(*rest.first_chunk()?).into()))),
            INT_64 => Some((9, Item::Int(i64::from_le_bytes(*rest.first_chunk()?)))),
            _ => None,
        }
    }

    /// Puts an entry, or nothing, in the place of the bytes from `start` to `end`; `count` is by
    /// how much the number of entries changes.
    fn splice(&mut self, start: usize, end: usize, item: Option<Item<'_>>, count: i64) {
        let head = item.map(Item::head);
        let head = head.as_ref().map_or(&[][..], |head| &head.bytes[..head.len]);
        let body = item.map_or(&[][..], Item::body);
        let len = head.len() + body.len();
        let back = if item.is_some() { back_len_size(len) } else { 0 };
        let (old_len, added) = (self.0.len(), len + back);
        let new_len = old_len - (end - start) + added;
        if new_len > old_len {
            self.reserve(new_len);
            self.0.resize(new_len, 0);
        }
        self.0.copy_within(end..old_len, start + added);
        self.0.truncate(new_len);
        if new_len < self.0.capacity() / WASTED {
            self.0.shrink_to(new_len + new_len / 8);
        }
        let (head_end, body_end) = (start + head.len(), start + len);
        self.0[start..head_end].copy_from_slice(head);
        self.0[head_end..body_end].copy_from_slice(body);
        write_back_len(&mut self.0[body_end..body_end + back], len);
        self.note_len(count);
    }

    /// Writes the header, after a change of the number of entries by `count`.
    fn note_len(&mut self, count: i64) {
        let len = self.0.len() as u32;
        self.0[..4].copy_from_slice(&len.to_le_bytes());
        if self.stored_count() != COUNT_UNKNOWN {
            let stored = (i64::from(self.stored_count()) + count).clamp(0, COUNT_UNKNOWN.into());
            self.0[4..HEADER_LEN].copy_from_slice(&(stored as u16).to_le_bytes());
        }
    }

    /// An eighth more than needed: few moves, little waste.
    fn reserve(&mut self, len: usize) {
        if len > self.0.capacity() {
            self.0.reserve_exact(len + len / 8 - self.0.len());
        }
    }
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Listpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> FromIterator<Item<'a>> for Listpack {
    fn from_iter<I: IntoIterator<Item = Item<'a>>>(items: I) -> Self {
        let mut listpack = Self::new();
        items.into_iter().for_each(|item| listpack.push_back(item));
        listpack
    }
}

/// The entries of a listpack, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    listpack: &'a Listpack,
    front: usize,
    back: usize,
}

impl Iter<'_> {
    /// Where the next entry from the front is.
    pub fn position(&self) -> Option<Position> {
        (self.front < self.back).then_some(Position(self.front))
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (len, item) = self.listpack.decode(self.front)?;
        self.front += len + back_len_size(len);
        Some(item)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let Position(at) = self.listpack.before(self.back)?;
        self.back = at;
        self.listpack.decode(at).map(|(_, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(words: &[&[u8]]) -> Listpack {
        words.iter().map(|word| Item::of(word)).collect()
    }

    #[test]
    fn keys_are_told_from_each_other() {
        assert!(of(&[b"a", b"1", b"b", b"1"]).is_keyed(2));
        assert!(!of(&[b"a", b"1", b"b", b"1"]).is_keyed(1));
        assert!(!of(&[b"1", b"a", b"1", b"b"]).is_keyed(2));
        let text_12 = [10, 0, 0, 0, 1, 0, 0x82, b'1', b'2', 3, 0xff];
        let text_12 = [&[11u8][..], &text_12[1..]].concat();
        let text_12 = Listpack::from_bytes(text_12).expect("every length is right");
        assert!(!text_12.is_keyed(1), "nobody would find it");
        let mut seen = std::collections::HashMap::new();
        let (one, other) = (0u64..)
            .find_map(|number| {
                let word = format!("word {number}").into_bytes();
                seen.insert(hash(&word), word.clone()).map(|before| (before, word))
            })
            .expect("there are only so many hashes");
        assert!(of(&[&one, b"x", &other]).is_keyed(1));
        assert!(!of(&[&one, b"x", &other, &one]).is_keyed(1));
    }

    #[test]
    fn the_bytes_are_those_of_redis() {
        let listpack = of(&[b"a", b"1", b"-1", b"4096"]);
        let expected =
            [18, 0, 0, 0, 4, 0, 0x81, b'a', 2, 1, 1, 0xdf, 0xff, 2, 0xf1, 0x00, 0x10, 3, 0xff];
        assert_eq!(listpack.as_bytes()[6..], expected[6..]);
        assert_eq!(usize::from(listpack.as_bytes()[0]), listpack.byte_len());
        assert_eq!(format!("{listpack:?}"), "[Bytes([97]), Int(1), Int(-1), Int(4096)]");
    }

    #[test]
    fn every_width_of_integer_and_text_comes_back() {
        let mut words: Vec<Vec<u8>> = Vec::new();
        for shift in 0..64 {
            for value in
                [1i64 << shift, (1i64 << shift).wrapping_neg(), (1i64 << shift).wrapping_sub(1)]
            {
                words.push(value.to_string().into_bytes());
            }
        }
        for len in [0, 1, 63, 64, 127, 4095, 4096, 16_383, 20_000, 2_100_000] {
            words.push(vec![b'x'; len]);
        }
        let listpack: Listpack = words.iter().map(|word| Item::of(word)).collect();
        let back: Vec<_> = listpack.iter().map(Item::to_vec).collect();
        assert_eq!(back, words);
        let reversed: Vec<_> = listpack.iter().rev().map(Item::to_vec).collect();
        assert_eq!(reversed, words.iter().rev().cloned().collect::<Vec<_>>());
        assert_eq!(Listpack::from_bytes(listpack.as_bytes().to_vec()), Some(listpack.clone()));
        for index in 0..words.len() as i64 {
            assert!(listpack.at(index).unwrap().is(&words[index as usize]));
            assert_eq!(listpack.at(index), listpack.at(index - words.len() as i64));
        }
    }

    #[test]
    fn beyond_65534_entries_the_count_is_walked() {
        let mut listpack = Listpack::new();
        (0..70_000).for_each(|_| listpack.push_back(Item::Int(7)));
        assert_eq!(listpack.len(), 70_000);
        let first = listpack.first().unwrap();
        listpack.remove_some(first, 69_999);
        assert_eq!(listpack.len(), 1);
    }

    proptest! {
        #[test]
        fn like_a_vec(steps in prop::collection::vec((0u8..6, any::<u16>(), "[a-c0-9-]{0,3}|x{60,70}"), 1..60)) {
            let mut model: Vec<Vec<u8>> = Vec::new();
            let mut listpack = Listpack::new();
            for (kind, at, word) in &steps {
                let word = word.as_bytes();
                let index = usize::from(*at) % (model.len() + 1);
                match (kind, listpack.seek(index as i64)) {
                    (0, _) => { listpack.push_back(Item::of(word)); model.push(word.to_vec()); }
                    (1, _) => { listpack.push_front(Item::of(word)); model.insert(0, word.to_vec()); }
                    (2, Some(p)) => { listpack.insert_before(p, Item::of(word)); model.insert(index, word.to_vec()); }
                    (3, Some(p)) => { listpack.insert_after(p, Item::of(word)); model.insert(index + 1, word.to_vec()); }
                    (4, Some(p)) => { listpack.replace(p, Item::of(word)); model[index] = word.to_vec(); }
                    (5, Some(p)) => { listpack.remove(p); model.remove(index); }
                    (_, position) => prop_assert_eq!(position.is_none(), index == model.len()),
                }
                let found = listpack.find(listpack.first(), word, 0).map(|p| listpack.get(p).to_vec());
                prop_assert_eq!(found.is_some(), model.iter().any(|known| known == word));
            }
            prop_assert_eq!(listpack.iter().map(Item::to_vec).collect::<Vec<_>>(), model.clone());
            prop_assert_eq!(listpack.len(), model.len());
            prop_assert!(Listpack::from_bytes(listpack.as_bytes().to_vec()).is_some());
        }

        #[test]
        fn damaged_bytes_are_refused_or_whole(words in prop::collection::vec("[a-z]{0,9}|[0-9]{1,18}", 0..9), at: prop::sample::Index, byte: u8) {
            let listpack: Listpack = words.iter().map(|word| Item::of(word.as_bytes())).collect();
            let mut bytes = listpack.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Some(other) = Listpack::from_bytes(bytes) {
                prop_assert_eq!(other.iter().count(), other.len());
                prop_assert_eq!(other.iter().rev().count(), other.len());
            }
        }
    }
}
