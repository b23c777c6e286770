//! Reading requests: arrays of bulk strings and inline commands, fed in any pieces.

use super::inline::split_words;

/// Who has not authenticated sends no more arguments than these, and no longer ones.
const STRANGERS_ARGUMENTS: i64 = 10;
const STRANGERS_BULK: i64 = 16_384;
/// Room for this many arguments is kept from one request to the next.
const ARGUMENTS_KEPT: usize = 1024;

/// How much a client may send, as Redis limits it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest argument in bytes (`proto-max-bulk-len`).
    pub bulk_len: usize,
    /// The most arguments in one command.
    pub arguments: usize,
    /// The longest inline command, and the longest length line, in bytes.
    pub line_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bulk_len: 512 * 1024 * 1024, arguments: i32::MAX as usize, line_len: 64 * 1024 }
    }
}

/// The bytes are not RESP. The connection cannot go on: where the next request starts is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolError(String);

impl ProtocolError {
    /// The text of the error reply, code included: `ERR Protocol error: …`.
    pub fn reply(&self) -> String {
        format!("ERR Protocol error: {}", self.0)
    }
}

/// One whole request.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Arguments as ranges of the buffer that was given to the parser. May be empty (`*0`).
    Array(Vec<std::ops::Range<usize>>),
    /// The words of an inline command, unquoted. May be empty (a blank line).
    Inline(Vec<Vec<u8>>),
}

/// An incremental parser of requests.
///
/// It keeps what it has understood of an unfinished request, so that each byte is looked at once.
/// The buffer belongs to the caller, who must keep the unfinished part in place between calls and
/// tell of any move with [`RequestParser::rebase`].
#[derive(Debug, Default)]
pub struct RequestParser {
    limits: Limits,
    position: usize,
    missing: usize,
    arguments: Vec<std::ops::Range<usize>>,
    bulk_len: Option<usize>,
    in_array: bool,
    scanned: usize,
    is_strangers: bool,
}

impl RequestParser {
    /// A parser with limits of the caller's choice.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Changes the longest argument, in bytes, for arguments that are still to come.
    pub fn set_bulk_limit(&mut self, bytes: usize) {
        self.limits.bulk_len = bytes;
    }

    /// Whether what is still to come is of somebody who has yet to authenticate.
    pub fn set_strangers(&mut self, is_strangers: bool) {
        self.is_strangers = is_strangers;
    }

    /// Where the next byte will be read: everything before it may be dropped, unless a request is
    /// unfinished.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Whether a request has begun and is not yet whole.
    pub fn is_unfinished(&self) -> bool {
        self.in_array
    }

    /// The caller dropped the first `dropped` bytes of the buffer.
    pub fn rebase(&mut self, dropped: usize) {
        self.position -= dropped;
        self.scanned = self.scanned.saturating_sub(dropped);
        for range in &mut self.arguments {
            *range = range.start - dropped..range.end - dropped;
        }
    }

    /// The first byte that must stay in the buffer.
    pub fn needed_from(&self) -> usize {
        self.arguments.first().map_or(self.position, |range| range.start)
    }

    /// The next whole request in `buffer`, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`ProtocolError`], after which the parser must not be used again.
    pub fn next(&mut self, buffer: &[u8]) -> Result<Option<Request>, ProtocolError> {
        if !self.in_array {
            match buffer.get(self.position) {
                None => return Ok(None),
                Some(b'*') => {}
                Some(_) => return self.inline(buffer),
            }
            let Some(count) = self.length_line(buffer, "too big mbulk count string")? else {
                return Ok(None);
            };
            let count = count
                .filter(|count| *count <= self.limits.arguments as i64)
                .ok_or_else(|| error("invalid multibulk length"))?;
            if self.is_strangers && count > STRANGERS_ARGUMENTS {
                return Err(error("unauthenticated multibulk length"));
            }
            if count <= 0 {
                return Ok(Some(Request::Array(Vec::new())));
            }
            self.in_array = true;
            self.missing = count as usize;
        }
        while self.missing > 0 {
            if !self.argument(buffer)? {
                return Ok(None);
            }
        }
        self.in_array = false;
        Ok(Some(Request::Array(std::mem::take(&mut self.arguments))))
    }

    /// Takes back a request that has been dealt with, so that the next one need not allocate.
    pub fn reuse(&mut self, request: Request) {
        if let Request::Array(mut ranges) = request
            && self.arguments.capacity() == 0
            && ranges.capacity() <= ARGUMENTS_KEPT
        {
            ranges.clear();
            self.arguments = ranges;
        }
    }

    fn argument(&mut self, buffer: &[u8]) -> Result<bool, ProtocolError> {
        let len = match self.bulk_len {
            Some(len) => len,
            None => {
                match buffer.get(self.position) {
                    None => return Ok(false),
                    Some(b'$') => {}
                    Some(other) => {
                        return Err(error(&format!("expected '$', got '{}'", char::from(*other))));
                    }
                }
                let Some(len) = self.length_line(buffer, "too big bulk count string")? else {
                    return Ok(false);
                };
                let len = len
                    .filter(|len| *len >= 0 && *len as u64 <= self.limits.bulk_len as u64)
                    .ok_or_else(|| error("invalid bulk length"))?;
                if self.is_strangers && len > STRANGERS_BULK {
                    return Err(error("unauthenticated bulk length"));
                }
                let len = len as usize;
                self.bulk_len = Some(len);
                len
            }
        };
        // The two bytes after the payload are skipped unseen, as Redis does.
        if buffer.len() - self.position < len.saturating_add(2) {
            return Ok(false);
        }
        if self.arguments.try_reserve(1).is_err() {
            return Err(error("no memory for so many arguments"));
        }
        self.arguments.push(self.position..self.position + len);
        self.position += len + 2;
        self.scanned = self.position;
        self.bulk_len = None;
        self.missing -= 1;
        Ok(true)
    }

    /// Reads `<kind><number>\r\n`. The inner `None` is a number that does not parse.
    fn length_line(
        &mut self,
        buffer: &[u8],
        too_long: &str,
    ) -> Result<Option<Option<i64>>, ProtocolError> {
        let line = &buffer[self.position..];
        if let Some((number, len)) = short_length(line) {
            self.position += len;
            self.scanned = self.position;
            return Ok(Some(Some(number)));
        }
        let seen = self.scanned.saturating_sub(self.position).min(line.len());
        let Some(end) = memchr::memchr(b'\r', &line[seen..]).map(|at| at + seen) else {
            self.scanned = buffer.len();
            if line.len() > self.limits.line_len {
                return Err(error(too_long));
            }
            return Ok(None);
        };
        if line.len() < end + 2 {
            return Ok(None);
        }
        let number = parse_length(&line[1..end]);
        self.position += end + 2;
        self.scanned = self.position;
        Ok(Some(number))
    }

    fn inline(&mut self, buffer: &[u8]) -> Result<Option<Request>, ProtocolError> {
        let line = &buffer[self.position..];
        let seen = self.scanned.saturating_sub(self.position).min(line.len());
        let Some(end) = memchr::memchr(b'\n', &line[seen..]).map(|at| at + seen) else {
            self.scanned = buffer.len();
            if line.len() > self.limits.line_len {
                return Err(error("too big inline request"));
            }
            return Ok(None);
        };
        let text = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
        let words = split_words(text).map_err(|_| error("unbalanced quotes in request"))?;
        self.position += end + 1;
        self.scanned = self.position;
        Ok(Some(Request::Inline(words)))
    }
}

fn error(text: &str) -> ProtocolError {
    ProtocolError(text.to_owned())
}

/// The number in a whole line of one or two digits, which most are, and the length of the line.
fn short_length(line: &[u8]) -> Option<(i64, usize)> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    match *line {
        [_, ones, b'\r', _, ..] => Some((digit(ones)?, 4)),
        [_, tens @ b'1'..=b'9', ones, b'\r', _, ..] => Some((digit(tens)? * 10 + digit(ones)?, 5)),
        _ => None,
    }
}

fn parse_length(digits: &[u8]) -> Option<i64> {
    let (negative, digits) = match digits.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(parser: &mut RequestParser, buffer: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
        let mut requests = Vec::new();
        while let Some(request) = parser.next(buffer)? {
            requests.push(match request {
                Request::Array(ranges) => ranges.into_iter().map(|r| buffer[r].to_vec()).collect(),
                Request::Inline(words) => words,
            });
        }
        Ok(requests)
    }

    #[test]
    fn arrays_and_inline_commands_in_one_buffer() {
        let buffer =
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING \"a b\"\r\n\r\n*0\r\n*1\r\n$0\r\n\r\nECHO x\n";
        let requests = all(&mut RequestParser::default(), buffer).unwrap();
        let expected: Vec<Vec<&[u8]>> = vec![
            vec![b"GET", b"k"],
            vec![b"PING", b"a b"],
            vec![],
            vec![],
            vec![b""],
            vec![b"ECHO", b"x"],
        ];
        assert_eq!(requests, expected);
    }

    #[test]
    fn errors_are_those_of_redis() {
        for (bytes, text) in [
            (&b"*x\r\n"[..], "invalid multibulk length"),
            (b"*2147483648\r\n", "invalid multibulk length"),
            (b"*1\r\n:1\r\n", "expected '$', got ':'"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$536870913\r\n", "invalid bulk length"),
            (b"get \"a\r\n", "unbalanced quotes in request"),
        ] {
            let error = all(&mut RequestParser::default(), bytes).unwrap_err();
            assert_eq!(error.reply(), format!("ERR Protocol error: {text}"));
        }
        for (first, text) in [
            (b"*".as_slice(), "too big mbulk count string"),
            (b"a", "too big inline request"),
            (b"*1\r\n$", "too big bulk count string"),
        ] {
            let mut bytes = first.to_vec();
            bytes.resize(first.len() + 64 * 1024 + 1, b'1');
            let error = all(&mut RequestParser::default(), &bytes).unwrap_err();
            assert_eq!(error.reply(), format!("ERR Protocol error: {text}"));
        }
    }
}
