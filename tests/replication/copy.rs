//! A keyspace that tells everything about its history: a list to which each write appends its number.

use std::collections::BTreeMap;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Append a number; the reply is the length.
    Append(u64),
    /// Append a number if the length is even; the reply is the length, or 0 if nothing was done.
    AppendIfEven(u64),
    /// As `Append`, but of a leader's own page only, and the effect tells nobody: there is another list.
    Replace(u64),
    /// The length.
    Read,
}

impl Op {
    pub fn call(self) -> Vec<u8> {
        let (kind, number) = match self {
            Self::Append(number) => (0, number),
            Self::AppendIfEven(number) => (1, number),
            Self::Read => (2, 0),
            Self::Replace(number) => (3, number),
        };
        let mut frame = vec![kind];
        frame.extend_from_slice(&number.to_le_bytes());
        frame
    }

    pub fn of(call: &[u8]) -> Self {
        let number = u64::from_le_bytes(call[1..9].try_into().unwrap());
        match call[0] {
            0 => Self::Append(number),
            1 => Self::AppendIfEven(number),
            3 => Self::Replace(number),
            _ => Self::Read,
        }
    }

    pub fn is_read(self) -> bool {
        self == Self::Read
    }
}

/// Whose request it is, and its number: none for what a leader does for itself.
pub type Origin = (u64, u64);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    pub list: Vec<u64>,
    /// Replies by tab and number.
    records: BTreeMap<Origin, u64>,
    /// Where in the stream it is.
    pub offset: u64,
}

const ENTRY_LEN: usize = 40;

impl Copy {
    pub fn record(&self, origin: Origin) -> Option<u64> {
        self.records.get(&origin).copied()
    }

    /// Runs an operation; its reply and its effect, which may be empty.
    pub fn run(&mut self, op: Op, origin: Origin, acked: u64) -> (u64, Vec<u8>) {
        let number = match op {
            Op::Read => return (self.list.len() as u64, Vec::new()),
            Op::AppendIfEven(_) if self.list.len() % 2 == 1 => return (0, Vec::new()),
            Op::Append(number) | Op::AppendIfEven(number) | Op::Replace(number) => number,
        };
        let mut effect = Vec::new();
        let reply = self.list.len() as u64 + 1;
        for value in [number, origin.0, origin.1, acked, reply] {
            effect.extend_from_slice(&value.to_le_bytes());
        }
        self.apply(&effect);
        (reply, effect)
    }

    /// Applies effects.
    pub fn apply(&mut self, effects: &[u8]) {
        assert_eq!(effects.len() % ENTRY_LEN, 0);
        for entry in effects.chunks_exact(ENTRY_LEN) {
            let field = |at: usize| u64::from_le_bytes(entry[at * 8..][..8].try_into().unwrap());
            let (number, tab, seq, acked, reply) =
                (field(0), field(1), field(2), field(3), field(4));
            self.list.push(number);
            self.offset += ENTRY_LEN as u64;
            assert_eq!(self.list.len() as u64, reply, "an effect was applied out of its place");
            if tab != 0 {
                self.records.retain(|(owner, seq), _| *owner != tab || *seq > acked);
                self.records.insert((tab, seq), reply);
            }
        }
    }

    /// All of it.
    pub fn encode(&self) -> Vec<u8> {
        let records = self.records.iter().flat_map(|((tab, seq), reply)| [*tab, *seq, *reply]);
        let head = [self.offset, self.list.len() as u64];
        let numbers = head.into_iter().chain(self.list.iter().copied()).chain(records);
        numbers.flat_map(u64::to_le_bytes).collect()
    }

    pub fn decode(bytes: &[u8]) -> Self {
        let numbers: Vec<u64> =
            bytes.chunks_exact(8).map(|n| u64::from_le_bytes(n.try_into().unwrap())).collect();
        let (list, records) = numbers[2..].split_at(numbers[1] as usize);
        let records = records.chunks_exact(3).map(|record| ((record[0], record[1]), record[2]));
        Self { list: list.to_vec(), records: records.collect(), offset: numbers[0] }
    }
}
