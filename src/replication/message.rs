//! Messages between tabs, as bytes.
//!
//! What a tab has to say at a time is one post: a `u8`, the version of the protocol, then each message
//! after its length, a `u32`:
//!
//! ```text
//! 0   u8   kind
//! 1   u64  from: the tab that sends
//! 9   u64  to: the tab that is meant, or 0 for all
//! 17  u64  epoch of the leader that it is of or for; 0 for none
//! 25  u64  seq
//! 33  u64  offset in the effect stream
//! 41  u64  greeting: which of a tab's greetings this follows
//! 49       payload
//! ```
//!
//! All numbers are little-endian; what a kind does not use is 0 or empty.

use crate::persist::lineage::{Lineage, Position, Reign};

/// The version of the protocol that this code speaks.
pub const VERSION: u8 = 3;
const HEADER_LEN: usize = 49;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// I look for the leader; `payload` is a [`Greeting`].
    Hello,
    /// I lead from now on.
    Serving,
    /// You have a session; `payload` is a [`Welcome`].
    Welcome,
    /// Effects from `offset` on; everything before `seq` is stored; `greeting` 1: and nothing after it
    /// will be.
    Effects,
    /// Run `payload`; replies up to number `offset` have reached me, but for those to what may block.
    Request,
    /// As `Request`, for commands that may block.
    Block,
    /// The replies to what may block have reached me, from number `seq` to `offset`, but for the numbers
    /// in `payload`.
    Ack,
    /// Let the commands of request `seq` block no longer.
    Cancel,
    /// What request `seq` answered, which was true at `offset`.
    Reply,
    /// Messages of your session.
    Push,
    /// Are you there?
    Ping,
    /// I am there.
    Pong,
    /// I leave. `seq` 1: I shall come back; 2: and for replies.
    Bye,
    /// I shall lead in this epoch: what has everybody got?
    Gather,
    /// I have got `payload`, a [`Position`].
    Have,
    /// Send me what you have got from `offset` on.
    Want,
    /// That is this, from `offset` on; `seq` 1: and no more.
    Tail,
    /// Send me everything; `seq` pieces of that have I taken.
    Sync,
    /// Everything up to `offset` comes in pieces, as snapshot `seq`; `payload`: the offset up to which
    /// it is stored.
    Snapshot,
    /// The piece with number `seq` of the snapshot with number `greeting`; `offset` 1: the last one.
    Piece,
    /// The settings that were changed are these now: `payload` is of the engine's making.
    Config,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 21] = [
        Self::Hello,
        Self::Serving,
        Self::Welcome,
        Self::Effects,
        Self::Request,
        Self::Block,
        Self::Ack,
        Self::Cancel,
        Self::Reply,
        Self::Push,
        Self::Ping,
        Self::Pong,
        Self::Bye,
        Self::Gather,
        Self::Have,
        Self::Want,
        Self::Tail,
        Self::Sync,
        Self::Snapshot,
        Self::Piece,
        Self::Config,
    ];
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub kind: Kind,
    /// The tab that sends.
    pub from: u64,
    /// The tab that is meant, or 0 for all.
    pub to: u64,
    /// The leader's epoch, or 0.
    pub epoch: u64,
    /// A number; see [`Kind`].
    pub seq: u64,
    /// An offset; see [`Kind`].
    pub offset: u64,
    /// The number of a greeting, in a dialogue of a tab and its leader: what belongs to an older one
    /// counts for nothing.
    pub greeting: u64,
    /// See [`Kind`].
    pub payload: Vec<u8>,
}

/// The bytes are no post of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// Another version of the protocol, with its number.
    Version(u8),
    /// A message is too short, or of an unknown kind.
    Malformed,
}

impl Message {
    /// A message to all, with nothing in it.
    pub fn new(kind: Kind, from: u64, epoch: u64) -> Self {
        Self { kind, from, to: 0, epoch, seq: 0, offset: 0, greeting: 0, payload: Vec::new() }
    }

    /// Whether a leader is asked to run something.
    pub fn is_request(&self) -> bool {
        matches!(self.kind, Kind::Request | Kind::Block | Kind::Cancel)
    }

    /// Adds the message to a post.
    pub fn post(&self, post: &mut Vec<u8>) {
        self.begin(post);
        post.extend_from_slice(&self.payload);
    }

    /// Adds the message but for its payload, which has to follow.
    pub fn begin(&self, post: &mut Vec<u8>) {
        if post.is_empty() {
            post.push(VERSION);
        }
        let kind = Kind::ALL.iter().position(|kind| *kind == self.kind).unwrap_or_default() as u8;
        let len = HEADER_LEN + self.payload.len();
        post.extend_from_slice(&(len as u32).to_le_bytes());
        post.push(kind);
        for number in [self.from, self.to, self.epoch, self.seq, self.offset, self.greeting] {
            post.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Reads the messages of a post.
    ///
    /// # Errors
    /// [`MessageError`]; such a post is to be ignored.
    pub fn read_all(post: &[u8]) -> Result<Vec<Self>, MessageError> {
        let (&version, mut rest) = post.split_first().ok_or(MessageError::Malformed)?;
        if version != VERSION {
            return Err(MessageError::Version(version));
        }
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let message = Self::read(&mut rest).ok_or(MessageError::Malformed)?;
            messages.push(message);
        }
        Ok(messages)
    }

    /// Reads the next message of a post.
    fn read(post: &mut &[u8]) -> Option<Self> {
        let (len, rest) = post.split_first_chunk()?;
        let (message, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        *post = rest;
        let (&kind, message) = message.split_first()?;
        let kind = *Kind::ALL.get(usize::from(kind))?;
        let ([from, to, epoch, seq, offset, greeting], payload) = numbers::<6>(message)?;
        Some(Self { kind, from, to, epoch, seq, offset, greeting, payload: payload.to_vec() })
    }
}

/// What a tab that looks for the leader has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Whether it holds a copy, or is going to.
    pub replica: bool,
    /// Its copy, if it has one.
    pub position: Option<Position>,
    /// Whether it can load what is in the store.
    pub loads: bool,
    /// It comes back for replies.
    pub returns: bool,
}

/// What a leader answers to a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Whose stream it is now.
    pub lineage: Lineage,
    /// Whether the copy goes on: what it lacks follows. If not, it has to be loaded anew.
    pub goes_on: bool,
    /// Whether that is to be done from the store; if not, the leader is to be asked for everything.
    pub from_store: bool,
    /// What the tab had executed was forgotten, or may have been, since it was away.
    pub forgotten: bool,
}

const REPLICA: u64 = 1;
const HAS_POSITION: u64 = 2;
const LOADS: u64 = 4;
const RETURNS: u64 = 8;
const GOES_ON: u64 = 1;
const FORGOTTEN: u64 = 2;
const FROM_STORE: u64 = 4;

impl Greeting {
    /// As a payload.
    pub fn encode(&self) -> Vec<u8> {
        let flags =
            flag(self.replica, REPLICA) | flag(self.loads, LOADS) | flag(self.returns, RETURNS);
        match self.position {
            None => joined(&[flags]),
            Some(position) => [joined(&[flags | HAS_POSITION]), position.encode()].concat(),
        }
    }

    /// From a payload.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let ([flags], rest) = numbers::<1>(bytes)?;
        let has_position = flags & HAS_POSITION != 0;
        let position = if has_position { Some(Position::decode(rest)?) } else { None };
        let is = |flag: u64| flags & flag != 0;
        Some(Self { replica: is(REPLICA), position, loads: is(LOADS), returns: is(RETURNS) })
    }
}

impl Welcome {
    /// As a payload.
    pub fn encode(&self) -> Vec<u8> {
        let flags = flag(self.goes_on, GOES_ON)
            | flag(self.forgotten, FORGOTTEN)
            | flag(self.from_store, FROM_STORE);
        Position { lineage: self.lineage, offset: flags }.encode()
    }

    /// From a payload.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let Position { lineage, offset: flags } = Position::decode(bytes)?;
        let (goes_on, forgotten) = (flags & GOES_ON != 0, flags & FORGOTTEN != 0);
        Some(Self { lineage, goes_on, from_store: flags & FROM_STORE != 0, forgotten })
    }
}

impl Position {
    /// As a payload.
    pub fn encode(&self) -> Vec<u8> {
        let leaders = self.lineage.leaders.iter().flat_map(|leader| [leader.epoch, leader.begin]);
        joined(&[self.offset].into_iter().chain(leaders).collect::<Vec<_>>())
    }

    /// From a payload.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let ([offset], mut rest) = numbers::<1>(bytes)?;
        let mut lineage = Lineage::default();
        for leader in &mut lineage.leaders {
            let ([epoch, begin], after) = numbers::<2>(rest)?;
            (*leader, rest) = (Reign { epoch, begin }, after);
        }
        Some(Self { lineage, offset })
    }
}

fn flag(is_set: bool, flag: u64) -> u64 {
    if is_set { flag } else { 0 }
}

pub(super) fn joined(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// All numbers of some bytes.
pub(super) fn all_numbers(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number)).collect()
}

/// The first numbers of some bytes, and the rest.
pub(super) fn numbers<const N: usize>(mut bytes: &[u8]) -> Option<([u64; N], &[u8])> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let (first, rest) = bytes.split_first_chunk()?;
        *number = u64::from_le_bytes(*first);
        bytes = rest;
    }
    Some((numbers, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_messages_are_told_apart() {
        let whole = {
            let mut post = Vec::new();
            Message::new(Kind::Ping, 1, 2).post(&mut post);
            post
        };
        assert_eq!(Message::read_all(&whole).map(|all| all.len()), Ok(1));
        assert_eq!(Message::read_all(&[]), Err(MessageError::Malformed));
        assert_eq!(Message::read_all(&[1, 0]), Err(MessageError::Version(1)));
        for len in 2..whole.len() {
            assert_eq!(Message::read_all(&whole[..len]), Err(MessageError::Malformed), "{len}");
        }
        let mut unknown = whole.clone();
        unknown[5] = 99;
        assert_eq!(Message::read_all(&unknown), Err(MessageError::Malformed));
        let mut short = whole;
        short[1] -= 1;
        assert_eq!(Message::read_all(&short), Err(MessageError::Malformed));
    }

    #[test]
    fn what_is_encoded_decodes() {
        let (mut post, mut messages) = (Vec::new(), Vec::new());
        for kind in Kind::ALL {
            let payload = vec![0, 255];
            let (from, to, epoch, seq, offset, greeting) = (1, u64::MAX, 2, 3, 4, 5);
            let message = Message { kind, from, to, epoch, seq, offset, greeting, payload };
            message.post(&mut post);
            messages.push(message);
            assert_eq!(Message::read_all(&post).as_ref(), Ok(&messages));
        }
        let lineage = Lineage::default().succeeded(9, 8).succeeded(10, 11);
        let position = Position { lineage, offset: 6 };
        for greeting in [
            Greeting { replica: true, position: Some(position), loads: false, returns: false },
            Greeting { replica: false, position: None, loads: true, returns: false },
            Greeting { replica: false, position: None, loads: false, returns: true },
        ] {
            assert_eq!(Greeting::decode(&greeting.encode()), Some(greeting));
        }
        for (goes_on, from_store, forgotten) in
            [(true, false, false), (false, true, false), (false, false, true)]
        {
            let welcome = Welcome { lineage, goes_on, from_store, forgotten };
            assert_eq!(Welcome::decode(&welcome.encode()), Some(welcome));
        }
        assert_eq!(Position::decode(&position.encode()), Some(position));
        assert_eq!(Position::decode(&[1, 2]), None);
    }
}
