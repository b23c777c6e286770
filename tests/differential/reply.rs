//! What has to be the same in two replies.

use lodis::number::{parse_double, write_double};
use std::fmt;

/// How replies are compared.
#[derive(Clone, Debug, Default)]
pub struct Compare {
    /// The order of elements is free.
    pub unordered: bool,
    /// Only the shape has to be the same.
    pub random: bool,
    /// Large integers may differ by some seconds.
    pub span: bool,
    /// Events need not be the same.
    pub quiet: bool,
    /// Nothing has to be the same: what a server tells about itself.
    pub skipped: bool,
    /// For the reply of EXEC: how its elements are compared.
    pub inner: Vec<Compare>,
}

impl Compare {
    /// Whether it is so of this reply, or of one in it.
    pub fn any(&self, is: impl Fn(&Self) -> bool) -> bool {
        is(self) || self.inner.iter().any(is)
    }
}

/// A reply, of either protocol.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// Type and content of what has no elements.
    Leaf(u8, Vec<u8>),
    /// Type and elements; a map's keys and values follow each other.
    Elements(u8, Vec<Reply>),
}

/// Integers above it depend on the clock, where a form says so.
const LARGE: i64 = 1_000_000;
/// How long, in milliseconds, the one may run a command after the other.
const TOLERANCE: u64 = 60_000;

impl Reply {
    /// Reads the one reply that `bytes` are.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let reply = read(&mut rest);
        assert!(rest.is_empty(), "more than a reply: {}", bytes.escape_ascii());
        reply
    }

    /// Reads the replies that `bytes` are.
    pub fn parse_all(bytes: &[u8]) -> Vec<Self> {
        let mut rest = bytes;
        let mut replies = Vec::new();
        while !rest.is_empty() {
            replies.push(read(&mut rest));
        }
        replies
    }

    /// Sorts the elements at every depth.
    fn sort(&mut self) {
        if let Self::Elements(_, elements) = self {
            elements.iter_mut().for_each(Self::sort);
            elements.sort();
        }
    }

    /// Whether this is what `expected` is.
    pub fn is_as(&self, expected: &Self, how: &Compare) -> bool {
        if how.skipped {
            return true;
        }
        match (self, expected) {
            (Self::Elements(..), Self::Elements(..)) if !how.inner.is_empty() => {
                let ([Self::Elements(_, ours), Self::Elements(_, theirs)], inner) =
                    ([self, expected], &how.inner)
                else {
                    return false;
                };
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).zip(inner).all(|((a, b), how)| a.is_as(b, how))
            }
            _ if how.random => self.has_shape_of(expected),
            _ if how.unordered => {
                let [mut ours, mut theirs] = [self.clone(), expected.clone()];
                ours.sort();
                theirs.sort();
                ours.equals(&theirs, how)
            }
            _ => self.equals(expected, how),
        }
    }

    fn equals(&self, expected: &Self, how: &Compare) -> bool {
        match (self, expected) {
            (Self::Elements(a, ours), Self::Elements(b, theirs)) => {
                let mut pairs = ours.iter().zip(theirs);
                a == b && ours.len() == theirs.len() && pairs.all(|(a, b)| a.equals(b, how))
            }
            (Self::Leaf(b':', a), Self::Leaf(b':', b)) if how.span => {
                let [a, b]: [i64; 2] =
                    [a, b].map(|text| String::from_utf8_lossy(text).parse().unwrap());
                a == b || (a > LARGE && b > LARGE && a.abs_diff(b) < TOLERANCE)
            }
            // Up to 10^17 the older format has no exponent, and seventeen digits.
            (Self::Leaf(b'$' | b',', ours), Self::Leaf(b'$' | b',', theirs))
                if ours != theirs
                    && (ours.windows(2).any(|two| two == b"e+")
                        || theirs.iter().filter(|byte| byte.is_ascii_digit()).count() == 17) =>
            {
                let mut text = Vec::new();
                parse_double(theirs).inspect(|value| write_double(*value, &mut text));
                text == *ours
            }
            _ => self == expected,
        }
    }

    fn has_shape_of(&self, expected: &Self) -> bool {
        match (self, expected) {
            (Self::Leaf(b'-', _), _) | (_, Self::Leaf(b'-', _)) => self == expected,
            (Self::Leaf(a, _), Self::Leaf(b, _)) => a == b,
            (Self::Elements(a, ours), Self::Elements(b, theirs)) => {
                a == b && ours.len() == theirs.len()
            }
            _ => false,
        }
    }
}

fn read(rest: &mut &[u8]) -> Reply {
    let end = rest.windows(2).position(|two| two == b"\r\n").expect("a whole line");
    let (kind, line) = (rest[0], &rest[1..end]);
    *rest = &rest[end + 2..];
    let len = || String::from_utf8_lossy(line).parse::<usize>().ok();
    match kind {
        b'*' | b'~' | b'>' | b'%' => match len() {
            Some(len) => {
                let len = if kind == b'%' { 2 * len } else { len };
                Reply::Elements(kind, (0..len).map(|_| read(rest)).collect())
            }
            None => Reply::Leaf(kind, line.to_vec()),
        },
        b'$' | b'=' => match len() {
            Some(len) => {
                let content = shortest(&rest[..len]);
                *rest = &rest[len + 2..];
                Reply::Leaf(kind, content)
            }
            // A null is not an empty string.
            None => Reply::Leaf(b'_', line.to_vec()),
        },
        b',' => Reply::Leaf(kind, shortest(line)),
        _ => Reply::Leaf(kind, line.to_vec()),
    }
}

/// Redis before 7.2 writes doubles with seventeen digits, later ones with as many as it takes.
fn shortest(text: &[u8]) -> Vec<u8> {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let exponent = text.windows(2).any(|two| two == b"e+" || two == b"e-");
    match parse_double(text) {
        Some(value) if exponent || (digits >= 9 && text.contains(&b'.')) => {
            let mut shortest = Vec::new();
            write_double(value, &mut shortest);
            shortest
        }
        _ => text.to_vec(),
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(kind, content) => {
                write!(f, "{}{}", char::from(*kind), content.escape_ascii())
            }
            Self::Elements(kind, elements) => {
                write!(f, "{}", char::from(*kind))?;
                f.debug_list().entries(elements).finish()
            }
        }
    }
}
