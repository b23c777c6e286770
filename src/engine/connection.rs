//! A connection that speaks RESP: bytes in, bytes out.

use super::Engine;
use super::error::Error;
use super::session::SessionId;
use crate::resp::{Limits, Request, RequestParser};
use smallvec::SmallVec;

/// Once this many bytes of replies wait, the rest of the requests stays where it is.
const REPLY_PAUSE: usize = 1024 * 1024;

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
        let session = engine.connect();
        if let Some(session) = engine.sessions.get_mut(session) {
            session.is_connection = true;
        }
        Self { session, parser: RequestParser::new(limits), buffer: Vec::new(), closed: false }
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
        if self.buffer.try_reserve(bytes.len()).is_err() {
            self.closed = true;
            return;
        }
        self.buffer.extend_from_slice(bytes);
        engine.stats.net_input += bytes.len() as u64;
        let before = out.len();
        self.run_all(engine, out);
        engine.stats.net_output += out.len().saturating_sub(before) as u64;
    }

    /// Runs what has arrived whole.
    fn run_all(&mut self, engine: &mut Engine, out: &mut Vec<u8>) {
        while !self.is_blocked(engine) {
            self.parser.set_bulk_limit(engine.config.proto_max_bulk_len);
            self.parser.set_strangers(engine.must_authenticate(self.session));
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
        self.note_query(engine);
    }

    /// Takes note of what has come and is no whole command yet; too much of that ends the connection.
    fn note_query(&mut self, engine: &mut Engine) {
        let now_ms = engine.now_ms();
        let Some(session) = engine.sessions.get_mut(self.session) else { return };
        session.active_ms = now_ms;
        session.query_bytes = self.buffer.len();
        // What waits for EXEC has not been run either.
        let queued = session.queue.as_ref().map_or(0, |queue| queue.bytes);
        let waiting = self.buffer.len().saturating_add(queued) as u64;
        if waiting > engine.config.query_buffer_limit {
            engine.stats.query_limit_disconnections += 1;
            self.closed = true;
        }
    }

    fn run(&self, engine: &mut Engine, request: &Request, out: &mut Vec<u8>) {
        let mut argv: SmallVec<[&[u8]; 8]> = SmallVec::new();
        if let Request::Array(ranges) = request
            && argv.try_reserve(ranges.len()).is_err()
        {
            return crate::resp::Writer::new(out, Default::default())
                .error(Error::OUT_OF_MEMORY.as_bytes());
        }
        match request {
            Request::Array(ranges) => {
                argv.extend(ranges.iter().map(|r| self.buffer.get(r.clone()).unwrap_or_default()));
            }
            Request::Inline(words) => argv.extend(words.iter().map(Vec::as_slice)),
        }
        engine.call(self.session, &argv, out);
        if engine.sessions.have_messages() {
            let messages = engine.sessions.take_messages_of(self.session);
            if out.try_reserve(messages.len()).is_err() {
                return engine.sessions.kill(self.session);
            }
            out.extend_from_slice(&messages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Options;

    #[test]
    fn who_has_not_authenticated_sends_little() {
        let request = |words: &[&str]| {
            let start = format!("*{}\r\n", words.len());
            words.iter().fold(start, |all, word| all + &format!("${}\r\n{word}\r\n", word.len()))
        };
        let long = "v".repeat(16_385);
        let many = request(&["DEL"; 11]);
        let cases = [
            (&many, "-ERR Protocol error: unauthenticated multibulk length\r\n"),
            (
                &request(&["SET", "k", &long]),
                "-ERR Protocol error: unauthenticated bulk length\r\n",
            ),
            (&request(&["SET", "k", &long[1..]]), "-NOAUTH Authentication required.\r\n"),
            (&(request(&["AUTH", "pw"]) + &many), "+OK\r\n:0\r\n"),
        ];
        let mut engine = Engine::new(&Options::default());
        engine.config.set(&[(b"requirepass", b"pw")]).unwrap();
        for (bytes, reply) in cases {
            let mut connection = Connection::open(&mut engine);
            let mut out = Vec::new();
            connection.receive(&mut engine, bytes.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), reply);
            assert_eq!(connection.is_closed(), reply.contains("Protocol"));
        }
    }

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
