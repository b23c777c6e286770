//! Runs inputs, one after the other.

use crate::coverage::Seen;
use crate::generator::Dice;
use crate::memory;
use crate::options::Options;
use crate::targets::{Target, dice_of};
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// An input that takes so long has no end.
const HANGS_MS: u64 = 60_000;
/// An input that takes so long does more than it should.
const SLOW: Duration = Duration::from_secs(5);
/// How often a worker that died is followed by another one.
const DEATHS_MAX: u64 = 20;
/// The most inputs that are kept.
const CORPUS_MAX: usize = 20_000;
/// How many bytes a target's corpus has at most.
const MINIMAL: usize = 24 << 10;
/// And how many inputs.
const INPUTS_MAX: usize = 64;
/// What one worker leaves behind when it is killed by what it runs.
const RUNNING: &str = "running";

static BEGAN_MS: AtomicU64 = AtomicU64::new(0);

/// Has a process of its own run the inputs, so that somebody is left to tell of its death.
pub fn watch(target: &Target, options: &Options) -> bool {
    let output = output(target, options);
    if let Err(why) = fs::create_dir_all(&output) {
        eprintln!("{}: {why}", output.display());
        return false;
    }
    let running = output.join(RUNNING);
    let began = Instant::now();
    for death in 0..DEATHS_MAX {
        let _ = fs::remove_file(&running);
        let mut command = match std::env::current_exe() {
            Ok(program) => Command::new(program),
            Err(why) => {
                eprintln!("this program: {why}");
                return false;
            }
        };
        let left = options.seconds.saturating_sub(began.elapsed().as_secs());
        command.args([target.name, "--worker"]);
        command.args(["--runs", &options.runs.to_string(), "--seconds", &left.to_string()]);
        command.args(["--seed", &options.seed.wrapping_add(death).to_string()]);
        command.arg("--corpus").arg(&options.corpus);
        command.args(options.output.iter().flat_map(|base| [Path::new("--output"), base]));
        command.args(options.minimises.then_some("--minimise")).args(&options.files);
        let status = match command.status() {
            Ok(status) => status,
            Err(why) => {
                eprintln!("a worker: {why}");
                return false;
            }
        };
        if status.code().is_some_and(|code| code < 2) {
            return status.success() && death == 0;
        }
        let input = fs::read(&running).unwrap_or_default();
        report(target, &output, "death", &input, &status.to_string());
        if options.runs != u64::MAX || !options.files.is_empty() {
            return false;
        }
    }
    false
}

/// Runs inputs; whether all was well.
pub fn work(target: &Target, options: &Options) -> bool {
    let output = output(target, options);
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let began = BEGAN_MS.load(Relaxed);
            if began > 0 && now_ms().saturating_sub(began) > HANGS_MS {
                eprintln!("no end is in sight");
                std::process::abort();
            }
        }
    });
    let mut worker = Worker {
        target,
        running: output.join(RUNNING),
        output,
        seen: Seen::new(),
        corpus: Vec::new(),
        gains: Vec::new(),
        runs: 0,
        findings: 0,
    };
    if !options.files.is_empty() {
        for file in &options.files {
            match fs::read(file) {
                Ok(input) => worker.run(&input),
                Err(why) => {
                    eprintln!("{}: {why}", file.display());
                    return false;
                }
            };
        }
        return worker.findings == 0;
    }
    worker.begin(options);
    if options.minimises {
        return worker.write_corpus(&options.corpus.join(target.name));
    }
    worker.go_on(options);
    let _ = fs::remove_file(&worker.running);
    worker.findings == 0
}

struct Worker<'a> {
    target: &'a Target,
    output: PathBuf,
    running: PathBuf,
    seen: Seen,
    corpus: Vec<Vec<u8>>,
    /// What those of the beginning reached that the shorter ones had not.
    gains: Vec<usize>,
    runs: u64,
    findings: u64,
}

impl Worker<'_> {
    /// Runs what there is already, the shortest first.
    fn begin(&mut self, options: &Options) {
        let mut inputs = (self.target.seeds)();
        inputs.extend(files(&options.corpus.join(self.target.name)));
        inputs.extend(files(&self.output.join("corpus")));
        inputs.sort_by(|a, b| a.len().cmp(&b.len()).then(a.cmp(b)));
        inputs.dedup();
        for input in inputs {
            let gain = self.run(&input);
            if gain > 0 || self.seen.edges().1 == 0 {
                self.corpus.push(input);
                self.gains.push(gain);
            }
        }
        if self.corpus.is_empty() {
            self.corpus.push(Vec::new());
        }
    }

    /// Makes inputs of others, and keeps those that reach something new.
    fn go_on(&mut self, options: &Options) {
        let mut dice = Dice::new(options.seed);
        let (began, mut told) = (Instant::now(), Instant::now());
        let until = Duration::from_secs(options.seconds);
        let mut runs = 0;
        while runs < options.runs && began.elapsed() < until {
            runs += 1;
            let count = self.corpus.len();
            // What came last has had the fewest children.
            let at = dice.below(count);
            let at = if dice.one_in(2) { at.max(dice.below(count)) } else { at };
            let mut input = self.corpus[at].clone();
            (self.target.mutate)(&mut dice, &self.corpus, &mut input);
            if self.run(&input) > 0 && self.corpus.len() < CORPUS_MAX {
                let directory = self.output.join("corpus");
                let _ = fs::create_dir_all(&directory);
                let _ = fs::write(directory.join(name_of(&input)), &input);
                self.corpus.push(input);
            }
            if told.elapsed() > Duration::from_secs(60) {
                told = Instant::now();
                self.tell(began.elapsed());
            }
        }
        self.tell(began.elapsed());
    }

    fn tell(&self, elapsed: Duration) {
        let (reached, edges) = self.seen.edges();
        println!(
            "{:10} {:>9} runs, {:>5} s, {} inputs kept, {reached} of {edges} edges, {} findings",
            self.target.name,
            self.runs,
            elapsed.as_secs(),
            self.corpus.len(),
            self.findings,
        );
    }

    /// Runs an input; how much it reached that none had.
    fn run(&mut self, input: &[u8]) -> usize {
        self.runs += 1;
        let _ = fs::write(&self.running, input);
        let (before, began) = (memory::used(), Instant::now());
        BEGAN_MS.store(now_ms(), Relaxed);
        self.seen.begin();
        let result = catch_unwind(|| (self.target.run)(input));
        let new = self.seen.add();
        let is_leak = result.is_ok() && memory::used() > before && self.leaks(input);
        BEGAN_MS.store(0, Relaxed);
        let why = match result {
            Err(_) => "panic",
            Ok(()) if is_leak => "leak",
            // The short form has no machine to itself.
            Ok(()) if began.elapsed() > SLOW && self.seen.edges().1 > 0 => "slow",
            Ok(()) => return new,
        };
        self.findings += 1;
        let took = format!("{} ms", began.elapsed().as_millis());
        report(self.target, &self.output, why, input, &took);
        // What is broken already tells nothing when it breaks again in another way.
        0
    }

    /// Whether there is more memory in use each time. What is made once for the whole program is not
    /// meant.
    fn leaks(&self, input: &[u8]) -> bool {
        (0..2).all(|_| {
            let before = memory::used();
            (self.target.run)(input);
            memory::used() > before
        })
    }

    /// Writes those that reach the most for their length, in the place of what there was.
    fn write_corpus(&self, directory: &Path) -> bool {
        let made = fs::remove_dir_all(directory).or_else(|why| match why.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(why),
        });
        let seeds = (self.target.seeds)();
        let mut best: Vec<_> = self.corpus.iter().zip(&self.gains).collect();
        best.retain(|(input, _)| !seeds.contains(input));
        best.sort_by_key(|(input, gain)| std::cmp::Reverse(*gain * 1000 / (input.len() + 64)));
        let mut left = MINIMAL;
        let best = best.into_iter().map(|(input, _)| input).take(INPUTS_MAX);
        let mut kept = best.take_while(|input| {
            let fits = input.len() <= left;
            left = left.saturating_sub(input.len());
            fits
        });
        let write = || -> std::io::Result<()> {
            made?;
            fs::create_dir_all(directory)?;
            kept.try_for_each(|input| fs::write(directory.join(name_of(input)), input))
        };
        let done = write();
        self.tell(Duration::ZERO);
        done.is_ok()
    }
}

/// Keeps an input that broke something, and says how to run it again.
fn report(target: &Target, output: &Path, why: &str, input: &[u8], more: &str) {
    let file = output.join(format!("{why}-{}", name_of(input)));
    let _ = fs::write(&file, input);
    let shown: String = input.escape_ascii().to_string().chars().take(600).collect();
    println!("{}: {why} ({more}): {shown}", target.name);
    println!("again: cargo xtask fuzz {} {}", target.name, file.display());
}

fn name_of(input: &[u8]) -> String {
    format!("{:016x}", dice_of(input).next())
}

fn output(target: &Target, options: &Options) -> PathBuf {
    let base = options.output.clone();
    base.unwrap_or_else(|| std::env::temp_dir().join("lodis-fuzz")).join(target.name)
}

fn files(directory: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

fn now_ms() -> u64 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64)
}
