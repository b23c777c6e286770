//! CPU time per command: of the engine alone, fed with RESP in pipelines of 100, beside that of a
//! real redis-server under `redis-benchmark -P 100`, for the commands of `benches/commands.txt`.
//!
//! `cargo xtask bench --only engine`. With `--short` nothing is measured: both run every command,
//! and have to answer the same. Else the table goes to `benches/results`.
//!
//! The time of redis-server is that of its process, so the system's share, which is nearly all of
//! it reading and writing sockets, is also shown apart: the engine alone has no such share.

use lodis::engine::rng::Rng;
use lodis::engine::{Connection, Engine, Options};
use real_redis::Redis;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use workload::{Pipeline, Workload, workloads};

#[path = "../tests/real_redis/mod.rs"]
mod real_redis;
#[path = "engine/workload.rs"]
mod workload;

/// As with redis-benchmark: so many connections in turn, with so many commands at once.
const CONNECTIONS: usize = 50;
const PIPELINE: usize = 100;
/// Pipelines made before they are run, with the clock stopped.
const CHUNK: usize = 50;
const ROUNDS: usize = 7;
/// CPU time that a sample of redis-server is to take: its clock ticks a hundred times a second.
const SAMPLE: Duration = Duration::from_millis(600);
/// Commands of the sample from which the others' number is computed, and of `--short`.
const FIRST: usize = 30_000;
const SHORT: usize = 2_000;

/// The engine, with connections.
struct Ours {
    engine: Engine,
    connections: Vec<Connection>,
    turn: usize,
    out: Vec<u8>,
}

impl Ours {
    fn new() -> Self {
        let mut engine = Engine::new(&Options { now_us: now_us(), ..Options::default() });
        let connections = (0..CONNECTIONS).map(|_| Connection::open(&mut engine)).collect();
        Self { engine, connections, turn: 0, out: Vec::new() }
    }

    /// Runs a pipeline; the replies are then in `out`.
    fn run(&mut self, pipeline: &Pipeline) {
        self.out.clear();
        self.turn = (self.turn + 1) % CONNECTIONS;
        self.connections[self.turn].receive(&mut self.engine, &pipeline.bytes, &mut self.out);
    }

    /// What the host does for every chunk that it reads, and ten times a second.
    fn serve(&mut self, pipelines: &[Pipeline]) {
        for pipeline in pipelines {
            self.engine.set_time(now_us());
            self.run(pipeline);
        }
        self.engine.tick();
    }

    /// Nanoseconds of CPU time per command.
    fn measure(&mut self, workload: &Workload, count: usize, rng: &mut Rng) -> f64 {
        let mut spent = Duration::ZERO;
        let mut left = count;
        while left > 0 {
            let mut pipelines = Vec::with_capacity(CHUNK);
            while left > 0 && pipelines.len() < CHUNK {
                let len = left.min(PIPELINE);
                pipelines.push(workload.commands(len, rng));
                left -= len;
            }
            let before = cpu_time();
            self.serve(&pipelines);
            spent += cpu_time() - before;
            assert_eq!(errors(&self.out), None, "{}", workload.name);
        }
        spent.as_nanos() as f64 / count as f64
    }
}

/// A redis-server's nanoseconds of CPU time per command, and the system's share of it.
fn measure_redis(redis: &Redis, workload: &Workload, count: usize) -> (f64, f64) {
    let before = process_times(redis.pid());
    let status = Command::new("redis-benchmark")
        .args(["-p", &redis.port().to_string(), "-c", &CONNECTIONS.to_string(), "-q"])
        .args(["-P", &PIPELINE.to_string(), "-n", &count.to_string()])
        .args(["-r", &workload.keys.to_string()])
        .args(&workload.command)
        .stdout(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "redis-benchmark fails");
    let after = process_times(redis.pid());
    let each = |spent: Duration| spent.as_nanos() as f64 / count as f64;
    let [user, system] = [0, 1].map(|which| each(after[which] - before[which]));
    (user + system, system)
}

/// The first error among replies.
fn errors(replies: &[u8]) -> Option<String> {
    let mut lines = replies.split(|byte| *byte == b'\n');
    let error = lines.find(|line| line.starts_with(b"-"))?;
    Some(error.escape_ascii().to_string())
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or_default()
}

/// CPU time that a process has used, its own and the system's for it.
fn process_times(pid: u32) -> [Duration; 2] {
    // Linux counts in hundredths of a second here, whatever its own ticks are.
    const TICK: Duration = Duration::from_millis(10);
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("this is Linux");
    // The second field is the program's name, in parentheses.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split(' ').collect();
    [12, 13].map(|field| TICK * fields[field].parse::<u32>().expect("a number of ticks"))
}

/// CPU time that this process has used.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a `timespec` that lives throughout the call.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0, "this system has no clock for CPU time");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs the same commands by both, in pipelines, and compares replies.
fn compare(workload: &Workload, ours: &mut Ours, redis: &mut Redis, rng: &mut Rng) {
    let mut pipelines: Vec<Pipeline> = workload.fill(SHORT).collect();
    pipelines.extend((0..SHORT / PIPELINE).map(|_| workload.commands(PIPELINE, rng)));
    for pipeline in &pipelines {
        ours.run(pipeline);
        let theirs = redis.answer(&pipeline.bytes, pipeline.len);
        // Ids of streams are made from the clock, and SPOP chooses.
        let is_free = ["XADD", "XRANGE", "SPOP"].contains(&workload.command[0].as_str());
        let comparable = |replies: &[u8]| -> Vec<u8> {
            if !is_free {
                return replies.to_vec();
            }
            let digit = |byte: &u8| if byte.is_ascii_digit() { b'0' } else { *byte };
            let mut shape: Vec<u8> = replies.iter().map(digit).collect();
            shape.dedup_by(|a, b| (*a, *b) == (b'0', b'0'));
            shape
        };
        assert_eq!(errors(&ours.out), None, "{}", workload.name);
        assert!(comparable(&ours.out) == comparable(&theirs), "{}: other replies", workload.name);
    }
}

/// Starts both over with what the workload needs.
fn prepare(workload: &Workload, redis: &mut Redis, count: usize) -> Ours {
    let mut ours = Ours::new();
    redis.call(&[b"FLUSHALL"]);
    for pipeline in workload.fill(count) {
        ours.run(&pipeline);
        assert_eq!(errors(&ours.out), None, "{}", workload.name);
        let theirs = redis.answer(&pipeline.bytes, pipeline.len);
        assert_eq!(errors(&theirs), None, "{}", workload.name);
    }
    ours
}

/// Median and quartiles.
struct Summary {
    median: f64,
    low: f64,
    high: f64,
}

impl Summary {
    fn new(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |part: f64| samples[((samples.len() - 1) as f64 * part).round() as usize];
        Self { median: at(0.5), low: at(0.25), high: at(0.75) }
    }

    fn text(&self) -> String {
        let spread = (self.high - self.low) / self.median.max(1.0) * 50.0;
        format!("{:.0} ±{spread:.0} %", self.median)
    }

    fn json(&self) -> String {
        let Self { median, low, high } = self;
        format!("{{\"median\":{median:.1},\"low\":{low:.1},\"high\":{high:.1}}}")
    }
}

/// What one workload came to, in nanoseconds per command.
struct Outcome {
    name: String,
    count: usize,
    engine: Summary,
    redis: Summary,
    user: Summary,
}

fn measure(workload: &Workload, redis: &mut Redis, rng: &mut Rng) -> Outcome {
    prepare(workload, redis, FIRST);
    let (first, _) = measure_redis(redis, workload, FIRST);
    let count = (SAMPLE.as_nanos() as f64 / first.max(100.0)) as usize;
    let (mut engine, mut all, mut user) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut ours = prepare(workload, redis, count);
        engine.push(ours.measure(workload, count, rng));
        let (both, system) = measure_redis(redis, workload, count);
        all.push(both);
        user.push(both - system);
    }
    let [engine, redis, user] = [engine, all, user].map(Summary::new);
    Outcome { name: workload.name.clone(), count, engine, redis, user }
}

fn markdown(outcomes: &[Outcome], about: &str) -> String {
    let mut out = format!(
        "# CPU time per command\n\n{about}. Nanoseconds: median, and how far the middle half spreads.\n\n\
         The engine alone, fed with RESP in pipelines of {PIPELINE} from {CONNECTIONS} connections, beside\n\
         a redis-server under `redis-benchmark -P {PIPELINE} -c {CONNECTIONS}`. The time of redis-server is that of\n\
         its process: what it spends in the system, on sockets, is part of it, and left out of its user\n\
         time. The commands: `benches/commands.txt`.\n\n\
         | | engine | redis-server | its user time | engine / redis-server | engine / user time |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for one in outcomes {
        let ratio = |other: &Summary| one.engine.median / other.median.max(1.0);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {:.2} | {:.2} |",
            one.name,
            one.engine.text(),
            one.redis.text(),
            one.user.text(),
            ratio(&one.redis),
            ratio(&one.user)
        );
    }
    out
}

fn json(outcomes: &[Outcome], about: &str) -> String {
    let each = outcomes.iter().map(|one| {
        format!(
            "  {{\"workload\":\"{}\",\"commands\":{},\"engine\":{},\"redis\":{},\"redisUser\":{}}}",
            one.name,
            one.count,
            one.engine.json(),
            one.redis.json(),
            one.user.json()
        )
    });
    let each: Vec<String> = each.collect();
    format!("{{\n \"about\":\"{about}\",\n \"results\":[\n{}\n ]\n}}\n", each.join(",\n"))
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let is_short = args.iter().any(|arg| arg == "--short");
    let wanted = args.iter().find(|arg| !arg.starts_with('-'));
    let mut rng = Rng::new(now_us() as u64);
    let Some(mut redis) = Redis::start() else { return };
    let all = workloads(include_str!("commands.txt"));
    let chosen =
        all.iter().filter(|one| wanted.is_none_or(|text| one.name.contains(text.as_str())));
    let mut outcomes = Vec::new();
    for workload in chosen {
        if is_short {
            redis.call(&[b"FLUSHALL"]);
            compare(workload, &mut Ours::new(), &mut redis, &mut rng);
            continue;
        }
        let one = measure(workload, &mut redis, &mut rng);
        let (engine, redis, user) = (one.engine.text(), one.redis.text(), one.user.text());
        println!(
            "{:18} engine {engine:>12}   redis-server {redis:>12}   user {user:>12}",
            one.name
        );
        outcomes.push(one);
    }
    if is_short {
        println!("{} workloads: the engine answers what redis-server answers", all.len());
    } else if wanted.is_none() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let about = format!("{cores} cores, {ROUNDS} rounds");
        std::fs::create_dir_all(&folder).expect("a folder for results");
        for (name, text) in
            [("engine.md", markdown(&outcomes, &about)), ("engine.json", json(&outcomes, &about))]
        {
            std::fs::write(folder.join(name), text).expect("results are written");
        }
    }
}
