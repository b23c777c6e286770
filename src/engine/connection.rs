//! A connection that speaks RESP: bytes in, bytes out.

use super::Engine;
use super::session::SessionId;
use crate::resp::{Limits, Request, RequestParser};
use smallvec::SmallVec;

/// Once this many bytes of replies wait, the rest of the requests stays where it is.
const REPLY_PAUSE: usize = 1024 * 1024;

/// A peer that sends more than this while it is blocked is disconnected.
const QUERY_BUFFER_MAX: usize = 32 * 1024 * 1024;

/// One peer's connection: its session, and what of a request has arrived so far.
pub struct Connection {
    session: SessionId,
    parser: RequestParser,
    buffer: Vec<u8>,
    closed: bool,
}

impl Connection {
    /// Begins a session, in RESP2 until it says HELLO 3.
    pub fn open(engine: &mut Engine) -> Self {
        let limits = Limits { bulk_len: engine.config.proto_max_bulk_len, ..Limits::default() };
        Self {
            session: engine.connect(),
            parser: RequestParser::new(limits),
            buffer: Vec::new(),
            closed: false,
        }
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Whether the peer should be disconnected once it has been sent what there is.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the session waits for the end of a blocking command.
    pub fn is_blocked(&self, engine: &Engine) -> bool {
        engine.sessions.get(self.session).is_some_and(|session| session.blocked.is_some())
    }

    /// Runs every command that `bytes` completes, and appends replies, and messages to this
    /// session, to `out`. After QUIT or a protocol error nothing more is read.
    ///
    /// A few bytes may ask for gigabytes of replies. So it stops when `out` has grown to 1 MiB; the
    /// host sends what there is, and calls again (with no bytes) until less comes.
    ///
    /// It also stops at a command that blocks. Once that has been answered, which the session's
    /// messages bring, the host calls again.
    pub fn receive(&mut self, engine: &mut Engine, bytes: &[u8], out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        if self.is_blocked(engine) && self.buffer.len() + bytes.len() > QUERY_BUFFER_MAX {
            self.closed = true;
            return;
        }
        self.buffer.extend_from_slice(bytes);
        while !self.is_blocked(engine) {
            self.parser.set_bulk_limit(engine.config.proto_max_bulk_len);
            match self.parser.next(&self.buffer) {
                Ok(Some(request)) => {
                    self.run(engine, &request, out);
                    self.parser.reuse(request);
                }
                Ok(None) => break,
                Err(error) => {
                    crate::resp::Writer::new(out, Default::default())
                        .error(error.reply().as_bytes());
                    self.closed = true;
                }
            }
            self.closed |= engine.sessions.get(self.session).is_none_or(|session| session.closing);
            if self.closed {
                return;
            }
            if out.len() >= REPLY_PAUSE {
                break;
            }
        }
        let done = self.parser.needed_from();
        self.buffer.drain(..done);
        self.parser.rebase(done);
    }

    fn run(&self, engine: &mut Engine, request: &Request, out: &mut Vec<u8>) {
        let argv: SmallVec<[&[u8]; 8]> = match request {
            Request::Array(ranges) => ranges.iter().map(|r| &self.buffer[r.clone()]).collect(),
            Request::Inline(words) => words.iter().map(Vec::as_slice).collect(),
        };
        engine.call(self.session, &argv, out);
        if engine.sessions.have_messages() {
            out.extend_from_slice(&engine.sessions.take_messages_of(self.session));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Options;

    #[test]
    fn replies_come_a_mebibyte_at_a_time_and_none_is_lost() {
        let mut engine = Engine::new(&Options::default());
        let mut connection = Connection::open(&mut engine);
        let value = "v".repeat(100_000);
        let mut out = Vec::new();
        let set = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n{value}\r\n");
        connection.receive(&mut engine, set.as_bytes(), &mut out);
        let mut request = "GET k\r\n".repeat(100).into_bytes();
        request.extend_from_slice(b"*2\r\n$3\r\nGET\r\n$1\r\n");
        let mut total = 0;
        let mut bytes = request.as_slice();
        loop {
            out.clear();
            connection.receive(&mut engine, bytes, &mut out);
            total += out.len();
            assert!(out.len() < REPLY_PAUSE + 100_011);
            if out.len() < REPLY_PAUSE {
                break;
            }
            bytes = &[];
        }
        assert_eq!(total, 100 * 100_011);
        out.clear();
        connection.receive(&mut engine, b"k\r\n", &mut out);
        assert_eq!(out.len(), 100_011);
    }
}
