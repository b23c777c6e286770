//! Group *string*: LCS.

use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::keyspace::Object;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::resp::Writer;
use std::borrow::Cow;

const NO_MEMORY: Error =
    Error::fixed("ERR Insufficient memory, failed allocating transient memory for LCS");

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "lcs",
    handler: Some(lcs),
    arity: -3,
    flags: flag::READONLY,
    keys: &[KeySpec::from(1, 1, 1, key::RO | key::ACCESS)],
    group: Group::String,
    since: "7.0.0",
    complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
    summary: "Finds the longest common substring.",
    syntax: "key1:key key2:key [LEN] [IDX] [MINMATCHLEN len:integer] [WITHMATCHLEN]",
    reply: ts("With<S, \"LEN\", number, With<S, \"IDX\", CommonParts<S>, string>>"),
    ..Command::BASE
}];

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    min_match_len: i64,
    with_match_len: bool,
}

fn lcs(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let keys = [args.take()?, args.take()?];
    // Both are looked up before either is refused.
    let mut is_other = |key| c.read(key).is_some_and(|object| object.value.as_string().is_none());
    if keys.map(&mut is_other).contains(&true) {
        return Err(Error::fixed("ERR The specified keys must contain string values"));
    }
    let options = parse(args)?;
    let len_max = c.engine.config.proto_max_bulk_len;
    let [a, b] = keys.map(|key| content(c.seen(key)));
    if a.len().max(b.len()) >= u32::MAX as usize - 1 {
        return Err(Error::fixed("ERR String too long for LCS"));
    }
    // As much as Redis would need, which has a number of four bytes for each pair of positions.
    let table_len = (a.len() as u128 + 1) * (b.len() as u128 + 1) * 4;
    if table_len > len_max as u128 {
        return Err(Error::fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    if options.len {
        let (long, short) = if a.len() < b.len() { (&b, &a) } else { (&a, &b) };
        out.integer(i64::from(walk(long, short, |_, _| {})?));
        return Ok(());
    }
    let mut trace = Trace::new(a.len(), b.len())?;
    let len = walk(&a, &b, |i, j| trace.set_up(i, j))?;
    if options.idx {
        let matches = trace.matches(&a, &b);
        write_matches(out, &matches, len, &options);
    } else {
        let mut common = Vec::new();
        common.try_reserve_exact(len as usize).map_err(|_| NO_MEMORY)?;
        trace.follow(&a, &b, |i, _| common.push(a[i]));
        common.reverse();
        out.bulk(&common);
    }
    Ok(())
}

fn parse(args: &mut Args<'_>) -> Result<Options, Error> {
    let mut options = Options::default();
    while !args.is_empty() {
        if args.accept("IDX") {
            options.idx = true;
        } else if args.accept("LEN") {
            options.len = true;
        } else if args.accept("WITHMATCHLEN") {
            options.with_match_len = true;
        } else if args.accept("MINMATCHLEN") {
            let len = args.take()?;
            options.min_match_len = Args::new(&[len], 0).take_integer()?;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    if options.idx && options.len {
        return Err(Error::fixed(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    Ok(options)
}

fn content(object: Option<&Object>) -> Cow<'_, [u8]> {
    let string = object.and_then(|object| object.value.as_string());
    string.map_or(Cow::Borrowed(b""), |string| string.bytes())
}

/// Fills the table row by row, keeping one row. Tells `up` of the cells where the way back goes to
/// the row above; answers the length of the longest common subsequence.
fn walk(a: &[u8], b: &[u8], mut up: impl FnMut(usize, usize)) -> Result<u32, Error> {
    let mut row: Vec<u32> = Vec::new();
    row.try_reserve_exact(b.len()).map_err(|_| NO_MEMORY)?;
    row.resize(b.len(), 0);
    for (i, x) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (0, 0);
        for (j, (y, cell)) in b.iter().zip(&mut row).enumerate() {
            let above = *cell;
            if x == y {
                *cell = diagonal + 1;
            } else if above > left {
                up(i, j);
            } else {
                *cell = left;
            }
            (diagonal, left) = (above, *cell);
        }
    }
    Ok(row.last().copied().unwrap_or(0))
}

/// For each pair of positions whose bytes differ: whether the way back goes up, or left.
struct Trace {
    bits: Vec<u8>,
    width: u64,
}

/// A run of common bytes: first and last position in each string.
struct Match {
    a: (usize, usize),
    b: (usize, usize),
}

impl Trace {
    fn new(height: usize, width: usize) -> Result<Self, Error> {
        let len = (height as u64).saturating_mul(width as u64).div_ceil(8);
        let len = usize::try_from(len).map_err(|_| NO_MEMORY)?;
        let mut bits = Vec::new();
        bits.try_reserve_exact(len).map_err(|_| NO_MEMORY)?;
        bits.resize(len, 0);
        Ok(Self { bits, width: width as u64 })
    }

    fn place(&self, i: usize, j: usize) -> (usize, u8) {
        let cell = i as u64 * self.width + j as u64;
        ((cell / 8) as usize, 1 << (cell % 8))
    }

    fn set_up(&mut self, i: usize, j: usize) {
        let (byte, bit) = self.place(i, j);
        self.bits[byte] |= bit;
    }

    /// Visits the pairs of positions of the longest common subsequence, from the last.
    fn follow(&self, a: &[u8], b: &[u8], mut visit: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                visit(i, j);
            } else {
                let (byte, bit) = self.place(i - 1, j - 1);
                *(if self.bits[byte] & bit != 0 { &mut i } else { &mut j }) -= 1;
            }
        }
    }

    fn matches(&self, a: &[u8], b: &[u8]) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        self.follow(a, b, |i, j| match matches.last_mut() {
            Some(run) if run.a.0 == i + 1 && run.b.0 == j + 1 => (run.a.0, run.b.0) = (i, j),
            _ => matches.push(Match { a: (i, i), b: (j, j) }),
        });
        matches
    }
}

fn write_matches(out: &mut Writer<'_>, matches: &[Match], len: u32, options: &Options) {
    let run_len = |run: &Match| (run.a.1 - run.a.0 + 1) as i64;
    let wanted = || matches.iter().filter(|run| run_len(run) >= options.min_match_len);
    out.map(2);
    out.bulk(b"matches");
    out.array(wanted().count());
    for run in wanted() {
        out.array(2 + usize::from(options.with_match_len));
        for (first, last) in [run.a, run.b] {
            out.array(2);
            out.count(first);
            out.count(last);
        }
        if options.with_match_len {
            out.integer(run_len(run));
        }
    }
    out.bulk(b"len");
    out.integer(i64::from(len));
}
