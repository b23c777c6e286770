//! Writing replies and commands.

use crate::number::write_double;

/// The protocol version that a session has chosen with `HELLO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RESP2: maps, sets and pushes are arrays; doubles are bulk strings; null is `$-1` or `*-1`.
    #[default]
    Resp2,
    /// RESP3: every type has its own form.
    Resp3,
}

/// Appends replies to a buffer, in the form that the session's protocol gives them.
///
/// Aggregates are written as a header with the number of elements, then the elements.
pub struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
    protocol: Protocol,
    /// Something is missing, for which there was no memory.
    torn: bool,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `buffer`.
    pub fn new(buffer: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { buffer, protocol, torn: false }
    }

    /// The protocol in force.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol for what is written from here on (`HELLO`, `RESET`).
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Bytes in the buffer so far.
    pub fn position(&self) -> usize {
        self.buffer.len()
    }

    /// Forgets what was written after `position`.
    pub fn truncate(&mut self, position: usize) {
        self.buffer.truncate(position);
    }

    /// Whether there was no memory for something that was written since this was last asked.
    pub fn take_torn(&mut self) -> bool {
        std::mem::take(&mut self.torn)
    }

    /// Makes room for `bytes` more.
    ///
    /// # Errors
    /// When the allocator refuses.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), std::collections::TryReserveError> {
        self.buffer.try_reserve(bytes)
    }

    /// Appends bytes that are already encoded in this writer's protocol.
    #[inline(always)]
    pub fn raw(&mut self, encoded: &[u8]) {
        let room = self.buffer.capacity() - self.buffer.len();
        if encoded.len() <= room || self.grow(encoded.len()) {
            self.buffer.extend_from_slice(encoded);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) -> bool {
        // What is torn is not going to be read.
        self.torn = self.torn
            || self.buffer.try_reserve(more).is_err()
                && self.buffer.try_reserve_exact(more).is_err();
        !self.torn
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A simple string; `text` must hold no line break.
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']));
        self.raw(b"+");
        self.raw(text.as_bytes());
        self.crlf();
    }

    /// An error; `text` begins with its code (`ERR`, `WRONGTYPE`, …). Line breaks become spaces.
    pub fn error(&mut self, text: &[u8]) {
        self.raw(b"-");
        for (number, line) in text.split(|byte| matches!(byte, b'\r' | b'\n')).enumerate() {
            if number > 0 {
                self.raw(b" ");
            }
            self.raw(line);
        }
        self.crlf();
    }

    /// A 64-bit integer.
    pub fn integer(&mut self, value: i64) {
        self.header(b':', value);
    }

    /// A length or count, as an integer.
    pub fn count(&mut self, value: usize) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A binary-safe string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.length(b'$', bytes.len());
        self.raw(bytes);
        self.crlf();
    }

    /// An integer as a bulk string, as `GET` of a counter answers it.
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// No value where a string was asked for.
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"$-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// No value where an array was asked for.
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"*-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// A truth value; an integer in RESP2.
    pub fn boolean(&mut self, value: bool) {
        match self.protocol {
            Protocol::Resp2 => self.integer(i64::from(value)),
            Protocol::Resp3 => self.raw(if value { b"#t\r\n" } else { b"#f\r\n" }),
        }
    }

    /// A double; a bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        let mut text = Vec::with_capacity(25);
        write_double(value, &mut text);
        match self.protocol {
            Protocol::Resp2 => self.bulk(&text),
            Protocol::Resp3 => {
                self.raw(b",");
                self.raw(&text);
                self.crlf();
            }
        }
    }

    /// A double that is text already; a bulk string in RESP2.
    pub fn human_double(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.raw(b",");
                self.raw(text.as_bytes());
                self.crlf();
            }
        }
    }

    /// Text with a format of three letters (`txt`, `mkd`); a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3);
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.length(b'=', text.len() + 4);
                self.raw(format.as_bytes());
                self.raw(b":");
                self.raw(text);
                self.crlf();
            }
        }
    }

    /// The header of an array of `len` elements.
    pub fn array(&mut self, len: usize) {
        self.length(b'*', len);
    }

    /// The header of a map of `pairs` pairs; an array of `2 * pairs` in RESP2.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.length(b'*', pairs * 2),
            Protocol::Resp3 => self.length(b'%', pairs),
        }
    }

    /// The header of a set of `len` elements; an array in RESP2.
    pub fn set(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.length(b'*', len),
            Protocol::Resp3 => self.length(b'~', len),
        }
    }

    /// The header of an out-of-band message of `len` elements; an array in RESP2.
    pub fn push(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.length(b'*', len),
            Protocol::Resp3 => self.length(b'>', len),
        }
    }

    #[inline(always)]
    fn length(&mut self, kind: u8, len: usize) {
        self.header(kind, i64::try_from(len).unwrap_or(i64::MAX));
    }

    #[inline(always)]
    fn header(&mut self, kind: u8, value: i64) {
        // Most are short, and a copy of known size is an instruction or two.
        match value {
            0..=9 => return self.raw(&[kind, b'0' + value as u8, b'\r', b'\n']),
            10..=99 => {
                let (tens, ones) = (b'0' + value as u8 / 10, b'0' + value as u8 % 10);
                return self.raw(&[kind, tens, ones, b'\r', b'\n']);
            }
            _ => {}
        }
        self.raw(&[kind]);
        self.raw(itoa::Buffer::new().format(value).as_bytes());
        self.crlf();
    }

    #[inline(always)]
    fn crlf(&mut self) {
        self.raw(b"\r\n");
    }
}

/// Appends one command as an array of bulk strings: the form of a request and of the log.
pub fn write_command(buffer: &mut Vec<u8>, argv: &[&[u8]]) {
    // Nothing of it may be missing.
    const AROUND: usize = 32;
    buffer.reserve(argv.iter().map(|argument| argument.len() + AROUND).sum::<usize>() + AROUND);
    let mut writer = Writer::new(buffer, Protocol::Resp2);
    writer.array(argv.len());
    for argument in argv {
        writer.bulk(argument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl Fn(&mut Writer<'_>)) -> String {
        let mut buffer = Vec::new();
        write(&mut Writer::new(&mut buffer, protocol));
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn every_form_in_both_protocols() {
        let all = |w: &mut Writer<'_>| {
            w.ok();
            w.error(b"ERR a\r\nb");
            w.integer(-7);
            w.bulk(b"hi");
            w.null();
            w.null_array();
            w.boolean(true);
            w.double(1.5);
            w.verbatim("txt", b"hi");
            w.map(1);
            w.set(2);
            w.push(3);
        };
        assert_eq!(
            written(Protocol::Resp2, all),
            "+OK\r\n-ERR a  b\r\n:-7\r\n$2\r\nhi\r\n$-1\r\n*-1\r\n:1\r\n$3\r\n1.5\r\n$2\r\nhi\r\n*2\r\n*2\r\n*3\r\n"
        );
        assert_eq!(
            written(Protocol::Resp3, all),
            "+OK\r\n-ERR a  b\r\n:-7\r\n$2\r\nhi\r\n_\r\n_\r\n#t\r\n,1.5\r\n=6\r\ntxt:hi\r\n%1\r\n~2\r\n>3\r\n"
        );
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let mut buffer = Vec::new();
        write_command(&mut buffer, &[b"SET", b"k", b"a\0b"]);
        assert_eq!(buffer, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na\0b\r\n");
    }
}
