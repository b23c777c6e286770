//! Properties of the protocol: any bytes, in any pieces.
#![cfg(not(target_arch = "wasm32"))]

use lodis::engine::{Connection, Engine, Options};
use lodis::resp::{Limits, ProtocolError, Request, RequestParser, write_command};
use proptest::prelude::*;

type Words = Vec<Vec<u8>>;

/// Feeds `bytes` in pieces, as a connection does: what is done is dropped from the buffer.
fn parse(bytes: &[u8], cuts: &[usize]) -> (Vec<Words>, Option<ProtocolError>) {
    let mut parser = RequestParser::new(Limits { bulk_len: 1000, arguments: 50, line_len: 100 });
    let (mut buffer, mut requests, mut from) = (Vec::new(), Vec::new(), 0);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    for end in ends {
        buffer.extend_from_slice(&bytes[from..end]);
        from = end;
        loop {
            match parser.next(&buffer) {
                Ok(Some(Request::Array(ranges))) => {
                    requests.push(ranges.into_iter().map(|range| buffer[range].to_vec()).collect());
                }
                Ok(Some(Request::Inline(words))) => requests.push(words),
                Ok(None) => break,
                Err(error) => return (requests, Some(error)),
            }
        }
        let done = parser.needed_from();
        buffer.drain(..done);
        parser.rebase(done);
    }
    (requests, None)
}

/// Bytes that look like RESP often enough to get far into the parser.
fn resp_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"*2\r\n".to_vec()),
        Just(b"*1\r\n".to_vec()),
        Just(b"*-1\r\n".to_vec()),
        Just(b"$3\r\nSET\r\n".to_vec()),
        Just(b"$4\r\nPING\r\n".to_vec()),
        Just(b"$0\r\n\r\n".to_vec()),
        Just(b"$1001\r\n".to_vec()),
        Just(b"ping \"a\\x41\" 'b'\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn pieces_make_no_difference(bytes in resp_like(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        prop_assert_eq!(parse(&bytes, &cuts), parse(&bytes, &[]));
    }

    #[test]
    fn commands_come_back_as_they_were_written(
        commands in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let mut bytes = Vec::new();
        for words in &commands {
            write_command(&mut bytes, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        prop_assert_eq!(parse(&bytes, &cuts), (commands, None));
    }

    #[test]
    fn no_bytes_make_a_connection_panic(pieces in prop::collection::vec(resp_like(), 0..6)) {
        let mut engine = Engine::new(&Options::default());
        let mut connection = Connection::open(&mut engine);
        let mut out = Vec::new();
        for piece in pieces {
            let was_closed = connection.is_closed();
            let before = out.len();
            connection.receive(&mut engine, &piece, &mut out);
            prop_assert!(!was_closed || out.len() == before, "a closed connection answered");
        }
    }
}
