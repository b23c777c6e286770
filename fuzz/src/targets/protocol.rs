//! What comes over the wire, and what tabs say to each other.

use super::{Here, Target, dice_of};
use crate::commands;
use crate::generator::Dice;
use crate::mutate;
use lodis::engine::Connection;
use lodis::persist::lineage::Position;
use lodis::replication::message::{Greeting, Kind, Message, Welcome};

pub const RESP: Target = Target { name: "resp", run: resp, mutate: mutate_resp, seeds: resp_seeds };

pub const MESSAGES: Target =
    Target { name: "messages", run: messages, mutate: mutate_messages, seeds: message_seeds };

fn resp_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "PING\r\n",
        "SET k \"a\\x00b\\\"\" \r\nget 'k'\n",
        "*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n",
        "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n\r\n\r\n",
        "*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nEXEC\r\n",
        "HELLO 3\r\nSUBSCRIBE a b\r\nPUBLISH a x\r\nPSUBSCRIBE *\r\nRESET\r\nQUIT\r\n",
        "BLPOP l 1\r\nRPUSH l x\r\n",
    ]
    .iter()
    .map(|seed| seed.as_bytes().to_vec())
    .collect();
    let mut dice = Dice::new(2);
    let mut some = || (0..4).map(|_| commands::any(&mut dice).0).collect::<Vec<_>>();
    seeds.extend((0..20).map(|_| commands::write(&some())));
    seeds
}

const RESP_WORDS: &[&[u8]] = &[
    b"\r\n",
    b"*",
    b"$",
    b"*1\r\n$",
    b"*3\r\n",
    b"$0\r\n\r\n",
    b"$-1\r\n",
    b"\"",
    b"'",
    b"\\x",
    b" ",
    b"MULTI\r\n",
    b"EXEC\r\n",
    b"HELLO 3\r\n",
    b"CLIENT REPLY SKIP\r\n",
    b"SUBSCRIBE c\r\n",
    b"PUBLISH c m\r\n",
    b"RESET\r\n",
    b"BLPOP l 0\r\n",
    b"*1048577\r\n",
    b"$536870913\r\n",
    b"CLIENT TRACKING on BCAST\r\n",
    b"SET k v\r\n",
];

fn mutate_resp(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    if dice.one_in(3) {
        commands::mutate(dice, corpus, input);
    }
    mutate::bytes(dice, corpus, input, RESP_WORDS);
    input.truncate(8192);
}

/// Whatever the bytes are cut into, the replies are the same.
fn resp(input: &[u8]) {
    let mut whole = Here::without_memory();
    let at_once = receive(&mut whole, &[input]);
    let mut dice = dice_of(input);
    let most = dice.pick(&[1, 7, 100]);
    let (mut pieces, mut rest) = (Vec::new(), input);
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(rest.len().min(1 + dice.below(most)));
        pieces.push(piece);
        rest = later;
    }
    let mut cut = Here::without_memory();
    let in_pieces = receive(&mut cut, &pieces);
    // CLIENT LIST and INFO tell what has come of a request, and what was answered, until then.
    let tells = [b" qbuf=".as_slice(), b"total_net_"]
        .iter()
        .any(|told| at_once.windows(told.len()).any(|window| window == *told));
    assert!(
        tells || at_once == in_pieces,
        "at once {}\nin pieces {}",
        at_once.escape_ascii(),
        in_pieces.escape_ascii()
    );
    cut.check();
    whole.same_as(&cut.engine, "the same bytes in pieces");
}

fn receive(here: &mut Here, pieces: &[&[u8]]) -> Vec<u8> {
    let mut connection = Connection::open(&mut here.engine);
    let mut all = Vec::new();
    for piece in pieces {
        let mut bytes = *piece;
        loop {
            let mut out = Vec::new();
            connection.receive(&mut here.engine, bytes, &mut out);
            let is_much = out.len() > 1 << 20;
            all.extend_from_slice(&out);
            all.truncate(1 << 20);
            bytes = &[];
            if !is_much || connection.is_closed() {
                break;
            }
        }
    }
    here.engine.disconnect(connection.session());
    all
}

fn message_seeds() -> Vec<Vec<u8>> {
    let kinds = [Kind::Hello, Kind::Welcome, Kind::Effects, Kind::Request, Kind::Tail, Kind::Piece];
    let seed = |kind: &Kind| {
        let mut post = Vec::new();
        let payload = Position::default().encode();
        Message { payload, ..Message::new(*kind, 2, 1) }.post(&mut post);
        Message::new(*kind, 3, 1).post(&mut post);
        post
    };
    kinds.iter().map(seed).collect()
}

fn mutate_messages(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    mutate::bytes(dice, corpus, input, &[&[0; 8], &[1, 0, 0, 0, 0, 0, 0, 0], &[49, 0, 0, 0]]);
    input.truncate(4096);
}

/// What is read is what was written.
fn messages(input: &[u8]) {
    let Ok(messages) = Message::read_all(input) else { return };
    let mut post = Vec::new();
    messages.iter().for_each(|message| message.post(&mut post));
    assert!(messages.is_empty() || post == input, "{messages:?}");
    for message in messages {
        let payload = &message.payload;
        if let Some(greeting) = Greeting::decode(payload) {
            assert_eq!(Greeting::decode(&greeting.encode()), Some(greeting));
        }
        if let Some(welcome) = Welcome::decode(payload) {
            assert_eq!(Welcome::decode(&welcome.encode()), Some(welcome));
        }
    }
}
