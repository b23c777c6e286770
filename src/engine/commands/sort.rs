//! Group *generic*: SORT and SORT_RO.

use crate::collections::sort_by;
use crate::engine::args::Args;
use crate::engine::config::Limits;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Command, KeySpec, acl, flag, key, ts};
use crate::engine::types::list::End;
use crate::engine::types::{Item, List, Value};
use crate::number::parse_double;
use crate::resp::Writer;
use std::cmp::Ordering;
use std::ops::Range;

const SORT: Command = Command {
    arity: -2,
    acl: acl::SET | acl::SORTED_SET | acl::LIST | acl::DANGEROUS,
    complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M \
        the number of returned elements. When the elements are not sorted, complexity is O(N).",
    ..Command::BASE
};

const SOURCE: KeySpec = KeySpec::at(1, key::RO | key::ACCESS);
/// The keys of BY and GET come from what is sorted.
const MADE: KeySpec = KeySpec::unknown(|_| None, key::RO | key::ACCESS);

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "sort",
        handler: Some(sort),
        flags: flag::WRITE | flag::DENYOOM | flag::MOVABLEKEYS | flag::COPIES,
        keys: &[SOURCE, MADE, KeySpec::unknown(destination, key::OW | key::UPDATE)],
        since: "1.0.0",
        summary: "Sorts the elements in a list, a set, or a sorted set, optionally storing the \
            result.",
        syntax: "key:key [BY by-pattern:pattern] [LIMIT limit{offset:integer count:integer}] \
            [GET get-pattern:pattern].... [order(ASC | DESC)] [sorting(\"ALPHA\")] \
            [STORE destination:key]",
        reply: ts("With<S, \"STORE\", number, With<S, \"GET\", (string | null)[], string[]>>"),
        ..SORT
    },
    Command {
        name: "sort_ro",
        handler: Some(sort_ro),
        flags: flag::READONLY | flag::MOVABLEKEYS | flag::COPIES,
        keys: &[SOURCE, MADE],
        since: "7.0.0",
        summary: "Returns the sorted elements of a list, a set, or a sorted set.",
        syntax: "key:key [BY by-pattern:pattern] [LIMIT limit{offset:integer count:integer}] \
            [GET get-pattern:pattern].... [order(ASC | DESC)] [sorting(\"ALPHA\")]",
        reply: ts("With<S, \"GET\", (string | null)[], string[]>"),
        ..SORT
    },
];

/// Where the key after the last STORE is.
fn destination(argv: &[&[u8]]) -> Option<usize> {
    let (mut at, mut found) = (2, None);
    while let Some(word) = argv.get(at) {
        let is = |option: &[u8]| word.eq_ignore_ascii_case(option);
        if is(b"limit") {
            at += 2;
        } else if is(b"get") || is(b"by") {
            at += 1;
        } else if is(b"store") && at + 1 < argv.len() {
            found = Some(at + 1);
        }
        at += 1;
    }
    found
}

/// A pattern of BY or GET.
enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// One without a `*`: no value.
    Fixed,
    /// The element put between two texts is a key, of a string or of a hash with the field.
    Key { before: &'a [u8], after: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    fn of(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Self::Element;
        }
        let Some(star) = c_string(text).iter().position(|byte| *byte == b'*') else {
            return Self::Fixed;
        };
        let (before, after) = (&text[..star], &text[star + 1..]);
        let arrow = c_string(after).windows(2).position(|pair| pair == b"->");
        match arrow.map(|at| (&after[..at], &after[at + 2..])) {
            Some((after, field)) if !c_string(field).is_empty() => {
                Self::Key { before, after, field: Some(field) }
            }
            _ => Self::Key { before, after, field: None },
        }
    }

    /// Calls `f` with the value that the pattern gives for an element.
    fn value(&self, c: &mut Ctx<'_>, element: &[u8], f: &mut dyn FnMut(Option<&[u8]>)) {
        let (before, after, field) = match self {
            Self::Element => return f(Some(element)),
            Self::Fixed => return f(None),
            Self::Key { before, after, field } => (before, after, field),
        };
        let key = [before, element, after].concat();
        match (c.read(&key).map(|object| &object.value), field) {
            (Some(Value::String(string)), None) => string.with_bytes(|bytes| f(Some(bytes))),
            (Some(Value::Hash(hash)), Some(field)) => match hash.get(field) {
                Some(value) => value.with_bytes(|bytes| f(Some(bytes))),
                None => f(None),
            },
            _ => f(None),
        }
    }
}

/// What Redis sees of a text where it takes it for a C string.
fn c_string(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    &text[..end]
}

/// A number as `strtod` reads it: space before it is skipped, nothing is 0.
fn score(text: &[u8]) -> Option<f64> {
    let text = c_string(text);
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    if text.is_empty() { Some(0.0) } else { parse_double(&text[start..]) }
}

#[derive(Default)]
struct Options<'a> {
    by: Option<&'a [u8]>,
    /// A BY without a `*` was among them: the order stays.
    unsorted: bool,
    offset: i64,
    /// Negative for all.
    count: i64,
    get: Vec<Pattern<'a>>,
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(c: &mut Ctx<'_>, args: &mut Args<'a>, may_store: bool) -> Result<Self, Error> {
        let reads_all = c.engine.may_read_all(c.session_id, args.argv());
        let mut options = Self { count: -1, ..Self::default() };
        while !args.is_empty() {
            let left = args.len() - 1;
            if args.accept("ASC") {
                options.descending = false;
            } else if args.accept("DESC") {
                options.descending = true;
            } else if args.accept("ALPHA") {
                options.alpha = true;
            } else if left >= 2 && args.accept("LIMIT") {
                options.offset = args.take_integer()?;
                options.count = args.take_integer()?;
            } else if may_store && left >= 1 && args.accept("STORE") {
                options.store = Some(args.take()?);
            } else if left >= 1 && args.accept("BY") {
                let by = args.take()?;
                options.by = Some(by);
                let reads_keys = c_string(by).contains(&b'*');
                if reads_keys && !reads_all {
                    return Err(Error::fixed(
                        "ERR BY option of SORT denied due to insufficient ACL permissions.",
                    ));
                }
                options.unsorted |= !reads_keys;
            } else if left >= 1 && args.accept("GET") {
                if !reads_all {
                    return Err(Error::fixed(
                        "ERR GET option of SORT denied due to insufficient ACL permissions.",
                    ));
                }
                options.get.push(Pattern::of(args.take()?));
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }

    /// Which of `len` elements are wanted.
    fn range(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.offset.max(0)).unwrap_or(usize::MAX).min(len);
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        start..start.saturating_add(count).min(len)
    }
}

struct Entry {
    element: Vec<u8>,
    weight: Weight,
}

/// What an entry is sorted by.
enum Weight {
    /// The element, or for BY nothing at all.
    None,
    Number(f64),
    Text(Vec<u8>),
}

/// The elements of `value` in its own order: those of `range`, if that order stays.
fn load(value: &Value, options: &Options<'_>, range: &Range<usize>) -> Result<Vec<Entry>, Error> {
    let mut entries: Vec<Entry> = Vec::new();
    let (start, wanted) =
        if options.unsorted { (range.start, range.len()) } else { (0, usize::MAX) };
    if wanted == 0 {
        return Ok(entries);
    }
    let mut failed = false;
    let reversed = options.unsorted && options.descending;
    let mut take = |item: Item<'_>| {
        failed = entries.try_reserve(1).is_err();
        if !failed {
            entries.push(Entry { element: item.to_vec(), weight: Weight::None });
        }
        !failed && entries.len() < wanted
    };
    let mut skip = start;
    let mut after_skip = |item: Item<'_>| {
        let skipped = skip > 0;
        skip = skip.saturating_sub(1);
        skipped || take(item)
    };
    match value {
        Value::List(list) if reversed => list.visit_back(after_skip),
        Value::List(list) => list.visit(start, take),
        Value::Set(set) => {
            set.visit(&mut after_skip);
        }
        Value::SortedSet(set) => {
            let first = if reversed { set.len().saturating_sub(start + 1) } else { start };
            set.visit(first, reversed, |member, _| take(member));
        }
        _ => return Err(Error::WRONG_TYPE),
    }
    if failed { Err(Error::OUT_OF_MEMORY) } else { Ok(entries) }
}

/// Finds out what each entry is sorted by.
fn weigh(c: &mut Ctx<'_>, entries: &mut [Entry], options: &Options<'_>) -> Result<(), Error> {
    let by = options.by.map(Pattern::of);
    let mut all_numbers = true;
    for entry in entries {
        let weight = &mut entry.weight;
        let mut set = |text: Option<&[u8]>| match text {
            None => {}
            Some(text) if options.alpha => *weight = Weight::Text(text.to_vec()),
            Some(text) => match score(text) {
                Some(number) => *weight = Weight::Number(number),
                None => all_numbers = false,
            },
        };
        match &by {
            Some(pattern) => pattern.value(c, &entry.element, &mut set),
            None if options.alpha => {}
            None => set(Some(&entry.element)),
        }
    }
    if all_numbers {
        Ok(())
    } else {
        Err(Error::fixed("ERR One or more scores can't be converted into double"))
    }
}

/// The order of two entries. Without STORE Redis compares texts as C strings.
fn compare(one: &Entry, other: &Entry, options: &Options<'_>) -> Ordering {
    let texts = |one: &[u8], other: &[u8]| match options.store {
        Some(_) => one.cmp(other),
        None => c_string(one).cmp(c_string(other)),
    };
    let order = if options.alpha {
        match (&one.weight, &other.weight) {
            _ if options.by.is_none() => texts(&one.element, &other.element),
            (Weight::Text(one), Weight::Text(other)) => texts(one, other),
            (Weight::Text(_), _) => Ordering::Greater,
            (_, Weight::Text(_)) => Ordering::Less,
            _ => Ordering::Equal,
        }
    } else {
        let number = |entry: &Entry| match entry.weight {
            Weight::Number(number) => number,
            _ => 0.0,
        };
        let order = number(one).partial_cmp(&number(other)).unwrap_or(Ordering::Equal);
        order.then_with(|| one.element.cmp(&other.element))
    };
    if options.descending { order.reverse() } else { order }
}

/// The elements that are wanted, in order.
fn sorted(c: &mut Ctx<'_>, key: &[u8], options: &mut Options<'_>) -> Result<Vec<Entry>, Error> {
    let Some(value) = c.read(key).map(|object| &object.value) else { return Ok(Vec::new()) };
    let len = match value {
        Value::List(list) => list.len(),
        Value::Set(set) => set.len(),
        Value::SortedSet(set) => set.len(),
        _ => return Err(Error::WRONG_TYPE),
    };
    let is_set = matches!(value, Value::Set(_));
    if is_set && options.unsorted && options.store.is_some() {
        // A set has no order of its own; what is stored has to be the same wherever this runs.
        (options.unsorted, options.alpha, options.by) = (false, true, None);
    }
    let range = options.range(len);
    let mut entries = load(value, options, &range)?;
    if options.unsorted {
        return Ok(entries);
    }
    weigh(c, &mut entries, options)?;
    sort_by(&mut entries, |one, other| {
        let order = compare(one, other, options);
        if is_set { order.then_with(|| one.element.cmp(&other.element)) } else { order }
    });
    entries.truncate(range.end);
    entries.drain(..range.start);
    Ok(entries)
}

fn sort(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let mut options = Options::parse(c, args, true)?;
    let entries = sorted(c, key, &mut options)?;
    match options.store {
        Some(destination) => {
            let limits = c.limits();
            let list = collect(c, &entries, &options.get, limits);
            store(c, destination, list, out);
        }
        None => reply(c, &entries, &options.get, out),
    }
    Ok(())
}

fn sort_ro(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let mut options = Options::parse(c, args, false)?;
    let entries = sorted(c, key, &mut options)?;
    reply(c, &entries, &options.get, out);
    Ok(())
}

fn reply(c: &mut Ctx<'_>, entries: &[Entry], get: &[Pattern<'_>], out: &mut Writer<'_>) {
    out.array(entries.len().saturating_mul(get.len().max(1)));
    for entry in entries {
        if get.is_empty() {
            out.bulk(&entry.element);
        }
        for pattern in get {
            pattern.value(c, &entry.element, &mut |value| match value {
                Some(value) => out.bulk(value),
                None => out.null(),
            });
        }
    }
}

/// The list that STORE makes: no value is an empty one.
fn collect(c: &mut Ctx<'_>, entries: &[Entry], get: &[Pattern<'_>], limits: Limits) -> List {
    let mut list = List::default();
    for entry in entries {
        if get.is_empty() {
            list.push(End::Right, &[&entry.element], limits);
        }
        for pattern in get {
            pattern.value(c, &entry.element, &mut |value| {
                list.push(End::Right, &[value.unwrap_or_default()], limits);
            });
        }
    }
    list
}

fn store(c: &mut Ctx<'_>, destination: &[u8], list: List, out: &mut Writer<'_>) {
    out.count(list.len());
    let list = (!list.is_empty()).then_some(list);
    if c.store(destination, list, class::LIST, "sortstore") {
        c.changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, value) in [
            (&b""[..], Some(0.0)),
            (b" ", None),
            (b"\0x", Some(0.0)),
            (b"\t\n\x0b\x0c\r +2.5", Some(2.5)),
            (b"2 ", None),
            (b"2\0abc", Some(2.0)),
            (b"0x10", Some(16.0)),
            (b"-inf", Some(f64::NEG_INFINITY)),
            (b"nan", None),
            (b"1e309", None),
            (b"-", None),
        ] {
            assert_eq!(score(text), value, "{text:?}");
        }
    }

    #[test]
    fn wanted_ranges() {
        let range = |offset, count| Options { offset, count, ..Options::default() }.range(5);
        assert_eq!(range(0, -1), 0..5);
        assert_eq!(range(-3, 2), 0..2);
        assert_eq!(range(3, 9), 3..5);
        assert_eq!(range(3, -9), 3..5);
        assert_eq!(range(i64::MAX, i64::MAX), 5..5);
        assert_eq!(range(1, 0), 1..1);
        assert_eq!(range(i64::MIN, i64::MAX), 0..5);
    }
}
