//! Messages between tabs, as bytes.
//!
//! ```text
//! 0   u8   protocol version, 1
//! 1   u8   kind
//! 2   u64  owner: a random number for one ownership
//! 10  u64  tab: a random number for one guest
//! 18  u64  number of a request of that guest, or of its greeting
//! 26       payload: a frame of commands, RESP3 replies, or RESP3 push messages
//! ```
//!
//! All numbers are little-endian; a field that a kind does not use is 0.

const VERSION: u8 = 1;
const HEADER_LEN: usize = 26;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A guest: I am here (repeated until welcomed; the number rises when another owner is sought).
    Hello,
    /// An owner: I have begun to serve.
    Serving,
    /// An owner, to one guest: you have a session. It answers the greeting of the same number.
    Welcome,
    /// A guest: run these commands.
    Request,
    /// An owner: they answered this.
    Reply,
    /// An owner: your session received these messages.
    Push,
    /// A guest, or an owner: I am leaving.
    Bye,
    /// A guest: run these commands, which may block, in a session of their own.
    Block,
    /// A guest: let the commands of this number block no longer.
    Cancel,
}

const KINDS: [Kind; 9] = [
    Kind::Hello,
    Kind::Serving,
    Kind::Welcome,
    Kind::Request,
    Kind::Reply,
    Kind::Push,
    Kind::Bye,
    Kind::Block,
    Kind::Cancel,
];

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub kind: Kind,
    /// The ownership that it is from or for; 0 where there is none.
    pub owner: u64,
    /// The guest that it is from or for; 0 where there is none.
    pub tab: u64,
    /// The request, or the greeting; 0 where there is none.
    pub seq: u64,
    /// See the module.
    pub payload: Vec<u8>,
}

/// The bytes are no message of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// Another version of the protocol, with its number.
    Version(u8),
    /// Too short, or of an unknown kind.
    Malformed,
}

impl Message {
    /// The message as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let kind = KINDS.iter().position(|kind| *kind == self.kind).unwrap_or_default() as u8;
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.payload.len());
        bytes.extend_from_slice(&[VERSION, kind]);
        for number in [self.owner, self.tab, self.seq] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`]; such a message is to be ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let (&version, rest) = bytes.split_first().ok_or(MessageError::Malformed)?;
        if version != VERSION {
            return Err(MessageError::Version(version));
        }
        let (&kind, rest) = rest.split_first().ok_or(MessageError::Malformed)?;
        let kind = *KINDS.get(usize::from(kind)).ok_or(MessageError::Malformed)?;
        let (owner, rest) = number(rest)?;
        let (tab, rest) = number(rest)?;
        let (seq, payload) = number(rest)?;
        Ok(Self { kind, owner, tab, seq, payload: payload.to_vec() })
    }
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8]), MessageError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(MessageError::Malformed)?;
    Ok((u64::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_messages_are_told_apart() {
        assert_eq!(Message::decode(&[]), Err(MessageError::Malformed));
        assert_eq!(Message::decode(&[2, 0]), Err(MessageError::Version(2)));
        assert_eq!(Message::decode(&[1, 99]), Err(MessageError::Malformed));
        assert_eq!(Message::decode(&[1, 0, 1, 2, 3]), Err(MessageError::Malformed));
    }

    #[test]
    fn what_is_encoded_decodes() {
        for kind in KINDS {
            let message = Message { kind, owner: 1, tab: u64::MAX, seq: 3, payload: vec![0, 255] };
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }
}
