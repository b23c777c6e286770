//! A connection that speaks RESP: bytes in, bytes out.

use super::Engine;
use super::session::SessionId;
use crate::resp::{Limits, Request, RequestParser};
use smallvec::SmallVec;

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

    /// Runs every command that `bytes` completes, and appends replies, and messages to this
    /// session, to `out`. After QUIT or a protocol error nothing more is read.
    pub fn receive(&mut self, engine: &mut Engine, bytes: &[u8], out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        loop {
            self.parser.set_bulk_limit(engine.config.proto_max_bulk_len);
            match self.parser.next(&self.buffer) {
                Ok(Some(request)) => self.run(engine, &request, out),
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
