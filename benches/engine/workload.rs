//! The commands of `benches/commands.txt`, as redis-benchmark makes them.

use lodis::engine::rng::Rng;
use lodis::resp::write_command;

const RANDOM: &str = "__rand_int__";
/// Commands that are sent at once when filling.
const BATCH: usize = 1000;

/// Commands that are sent at once.
pub struct Pipeline {
    pub bytes: Vec<u8>,
    /// How many commands.
    pub len: usize,
}

/// A command, and what there is before it is run.
pub struct Workload {
    pub name: String,
    /// Random numbers are below this.
    pub keys: usize,
    pub command: Vec<String>,
    /// How often to run what fills: `None` for as many times as the command is run.
    times: Option<usize>,
    filling: Vec<String>,
}

/// Reads the file.
pub fn workloads(text: &str) -> Vec<Workload> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| workload(line).unwrap_or_else(|| panic!("not understood: {line}"))).collect()
}

fn workload(line: &str) -> Option<Workload> {
    let mut fields = line.split('|').map(str::trim);
    let (name, keys, command, fill) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (times, filling) = match fill.split_once(' ') {
        None => (Some(0), ""),
        Some(("all", filling)) => (None, filling),
        Some((times, filling)) => (Some(times.parse().ok()?), filling),
    };
    let words = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect();
    Some(Workload {
        name: name.to_owned(),
        keys: keys.parse().ok()?,
        command: words(command),
        times,
        filling: words(filling),
    })
}

impl Workload {
    /// A pipeline of commands.
    pub fn commands(&self, count: usize, rng: &mut Rng) -> Pipeline {
        let mut bytes = Vec::new();
        for _ in 0..count {
            append(&mut bytes, &self.command, || rng.below(self.keys));
        }
        Pipeline { bytes, len: count }
    }

    /// Pipelines that make what there is before `count` commands are run.
    pub fn fill(&self, count: usize) -> impl Iterator<Item = Pipeline> {
        let times = self.times.unwrap_or(count);
        (0..times).step_by(BATCH).map(move |start| {
            let numbers = start..times.min(start + BATCH);
            let (mut bytes, len) = (Vec::new(), numbers.len());
            for number in numbers {
                append(&mut bytes, &self.filling, || number);
            }
            Pipeline { bytes, len }
        })
    }
}

fn append(request: &mut Vec<u8>, words: &[String], mut number: impl FnMut() -> usize) {
    let words: Vec<String> =
        words.iter().map(|word| word.replace(RANDOM, &format!("{:012}", number()))).collect();
    let argv: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
    write_command(request, &argv);
}
