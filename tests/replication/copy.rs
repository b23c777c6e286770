//! A keyspace that tells everything about its history: a list to which each write appends its number, and
//! jobs in a queue, which are taken out, or moved to where they stay.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Append a number; the reply is the length.
    Append(u64),
    /// Append a number if the length is even; the reply is the length, or 0 if nothing was done.
    AppendIfEven(u64),
    /// The length.
    Read,
    /// As `Append`, but of a leader's own page only, and the effect tells nobody: there is another list.
    Replace(u64),
    /// Add a job to the queue; the reply is its number.
    Push(u64),
    /// Wait for a job, and take it out; the reply is its number.
    Pop,
    /// Wait for a job, and put it where it stays; the reply is its number.
    Move,
}

impl Op {
    pub fn call(self) -> Vec<u8> {
        let (kind, number) = match self {
            Self::Append(number) => (0, number),
            Self::AppendIfEven(number) => (1, number),
            Self::Read => (2, 0),
            Self::Replace(number) => (3, number),
            Self::Push(number) => (4, number),
            Self::Pop => (5, 0),
            Self::Move => (6, 0),
        };
        let mut frame = vec![kind];
        frame.extend_from_slice(&u64::to_le_bytes(number));
        frame
    }

    pub fn of(call: &[u8]) -> Self {
        let number = u64::from_le_bytes(call[1..9].try_into().unwrap());
        match call[0] {
            0 => Self::Append(number),
            1 => Self::AppendIfEven(number),
            3 => Self::Replace(number),
            4 => Self::Push(number),
            5 => Self::Pop,
            6 => Self::Move,
            _ => Self::Read,
        }
    }

    pub fn is_read(self) -> bool {
        self == Self::Read
    }

    pub fn blocks(self) -> bool {
        matches!(self, Self::Pop | Self::Move)
    }
}

/// Whose request it is, and its number: none for what a leader does for itself.
pub type Origin = (u64, u64);

/// What the numbers of requests have that may block.
const BLOCKS: u64 = 1 << 63;

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    reply: u64,
    /// The job to be put back if the tab is gone; 0 for none.
    taken: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    pub list: Vec<u64>,
    pub jobs: VecDeque<u64>,
    /// Where jobs stay.
    pub moved: Vec<u64>,
    records: BTreeMap<Origin, Record>,
    /// Tabs that come back for replies.
    pub away: BTreeSet<u64>,
    /// Tabs that were forgotten though they may come back, and have asked for nothing since.
    pub gone: BTreeSet<u64>,
    /// Where in the stream it is.
    pub offset: u64,
}

const APPENDED: u64 = 0;
const PUSHED: u64 = 1;
const POPPED: u64 = 2;
const MOVED: u64 = 3;
const PUT_BACK: u64 = 4;
const ACKED: u64 = 5;
const GONE: u64 = 6;
const AWAY: u64 = 7;

const ENTRY_LEN: usize = 48;

fn entry(kind: u64, value: u64, (tab, seq): Origin, acked: u64, reply: u64) -> Vec<u8> {
    [kind, value, tab, seq, acked, reply].into_iter().flat_map(u64::to_le_bytes).collect()
}

impl Copy {
    /// Whose request it is, and how its record is called.
    pub fn origin(tab: u64, seq: u64, blocks: bool) -> Origin {
        (tab, if blocks { seq | BLOCKS } else { seq })
    }

    pub fn record(&self, origin: Origin) -> Option<u64> {
        self.records.get(&origin).map(|record| record.reply)
    }

    /// The job that would be put back if the tab of a request was gone.
    pub fn taken_by(&self, origin: Origin) -> Option<u64> {
        self.records.get(&origin).map(|record| record.taken).filter(|taken| *taken != 0)
    }

    /// Requests with a record, of any tab, that may block.
    pub fn blocking_records(&self) -> impl Iterator<Item = &Origin> {
        self.records.keys().filter(|(_, seq)| seq & BLOCKS != 0)
    }

    /// Jobs that were taken out by those of whom it is not known whether they have got them.
    pub fn taken(&self) -> BTreeSet<u64> {
        self.records.values().map(|record| record.taken).collect()
    }

    /// Tabs with a record.
    pub fn tabs(&self) -> BTreeSet<u64> {
        self.records.keys().map(|(tab, _)| *tab).collect()
    }

    /// Runs an operation; its reply and its effect, which may be empty. None if it has to wait.
    pub fn run(&mut self, op: Op, origin: Origin, acked: u64) -> Option<(u64, Vec<u8>)> {
        let length = self.list.len() as u64;
        let (kind, value, reply) = match op {
            Op::Read => return Some((length, Vec::new())),
            Op::AppendIfEven(_) if length % 2 == 1 => return Some((0, Vec::new())),
            Op::Append(number) | Op::AppendIfEven(number) | Op::Replace(number) => {
                (APPENDED, number, length + 1)
            }
            Op::Push(number) => (PUSHED, number, number),
            Op::Pop => (POPPED, *self.jobs.front()?, *self.jobs.front()?),
            Op::Move => (MOVED, *self.jobs.front()?, *self.jobs.front()?),
        };
        let effect = entry(kind, value, origin, acked, reply);
        self.apply(&effect);
        Some((reply, effect))
    }

    /// Replies to what may block have reached a tab; the effect.
    pub fn acknowledge(&mut self, tab: u64, first: u64, last: u64, pending: &[u64]) -> Vec<u8> {
        let known: Vec<Origin> = self.blocking_records().copied().collect();
        let is_acked = |origin: &Origin| {
            let seq = origin.1 & !BLOCKS;
            origin.0 == tab && (first..=last).contains(&seq) && !pending.contains(&seq)
        };
        let acked = known.into_iter().filter(is_acked);
        let effect: Vec<u8> = acked.flat_map(|origin| entry(ACKED, 0, origin, 0, 0)).collect();
        self.apply(&effect);
        effect
    }

    /// A tab is gone, or has taken its leave; the effect. `settled`: it has got all its replies.
    pub fn forget(&mut self, tab: u64, has_left: bool, settled: bool) -> Vec<u8> {
        let mine = self.records.iter().filter(|(origin, _)| origin.0 == tab);
        let taken: Vec<u64> =
            mine.map(|(_, record)| record.taken).filter(|taken| *taken != 0 && !settled).collect();
        if !self.tabs().contains(&tab) && !self.away.contains(&tab) {
            return Vec::new();
        }
        let mut effect = entry(GONE, has_left.into(), (tab, 0), 0, 0);
        for job in taken.into_iter().rev() {
            effect.extend(entry(PUT_BACK, job, (0, 0), 0, 0));
        }
        self.apply(&effect);
        effect
    }

    /// A tab is away, or back; the effect.
    pub fn set_away(&mut self, tab: u64, is_away: bool) -> Vec<u8> {
        if self.away.contains(&tab) == is_away {
            return Vec::new();
        }
        let effect = entry(AWAY, is_away.into(), (tab, 0), 0, 0);
        self.apply(&effect);
        effect
    }

    /// Applies effects.
    pub fn apply(&mut self, effects: &[u8]) {
        assert_eq!(effects.len() % ENTRY_LEN, 0);
        for entry in effects.chunks_exact(ENTRY_LEN) {
            let field = |at: usize| u64::from_le_bytes(entry[at * 8..][..8].try_into().unwrap());
            let (kind, value) = (field(0), field(1));
            let (tab, seq, acked, reply) = (field(2), field(3), field(4), field(5));
            self.offset += ENTRY_LEN as u64;
            match kind {
                APPENDED => {
                    self.list.push(value);
                    let length = self.list.len() as u64;
                    assert_eq!(length, reply, "an effect was applied out of its place");
                }
                PUSHED => self.jobs.push_back(value),
                PUT_BACK => self.jobs.push_front(value),
                POPPED => assert_eq!(self.jobs.pop_front(), Some(value)),
                MOVED => {
                    assert_eq!(self.jobs.pop_front(), Some(value));
                    self.moved.push(value);
                }
                ACKED => _ = self.records.remove(&(tab, seq)),
                GONE => {
                    self.records.retain(|(owner, _), _| *owner != tab);
                    self.away.remove(&tab);
                    if value == 0 {
                        self.gone.insert(tab);
                    }
                }
                AWAY if value == 1 => _ = self.away.insert(tab),
                AWAY => _ = self.away.remove(&tab),
                _ => unreachable!("{kind}"),
            }
            if kind <= MOVED && tab != 0 {
                self.records.retain(|(owner, seq), _| *owner != tab || *seq > acked);
                let taken = if kind == POPPED { value } else { 0 };
                self.records.insert((tab, seq), Record { reply, taken });
                self.gone.remove(&tab);
            }
        }
    }

    /// All of it.
    pub fn encode(&self) -> Vec<u8> {
        let records: Vec<u64> = self
            .records
            .iter()
            .flat_map(|((tab, seq), record)| [*tab, *seq, record.reply, record.taken])
            .collect();
        let jobs: Vec<u64> = self.jobs.iter().copied().collect();
        let away: Vec<u64> = self.away.iter().copied().collect();
        let gone: Vec<u64> = self.gone.iter().copied().collect();
        let parts = [&self.list, &jobs, &self.moved, &away, &gone, &records];
        let lengths = parts.iter().map(|part| part.len() as u64);
        let values = parts.iter().flat_map(|part| part.iter().copied());
        let numbers = [self.offset].into_iter().chain(lengths).chain(values);
        numbers.flat_map(u64::to_le_bytes).collect()
    }

    pub fn decode(bytes: &[u8]) -> Self {
        let numbers: Vec<u64> =
            bytes.chunks_exact(8).map(|n| u64::from_le_bytes(n.try_into().unwrap())).collect();
        let mut rest = numbers[7..].iter().copied();
        let [list, jobs, moved, away, gone, records]: [Vec<u64>; 6] =
            [1, 2, 3, 4, 5, 6].map(|part| rest.by_ref().take(numbers[part] as usize).collect());
        let records = records.chunks_exact(4);
        Self {
            list,
            jobs: jobs.into(),
            moved,
            records: records
                .map(|one| ((one[0], one[1]), Record { reply: one[2], taken: one[3] }))
                .collect(),
            away: away.into_iter().collect(),
            gone: gone.into_iter().collect(),
            offset: numbers[0],
        }
    }
}
