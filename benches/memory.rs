//! Bytes per element, beside what a real redis-server uses for the same data.
//!
//! `cargo xtask bench --only memory`; a number after `--` of `cargo bench` sets how many elements.
//! Lodis is measured as it is shipped, by how much the memory of its WebAssembly module grew, if the
//! package is built and there is Node; and in 64-bit code, where pointers are twice as long, by what
//! the allocator was asked for. Redis is measured by `used_memory`.

use lodis::engine::registry::Registry;
use lodis::engine::{Engine, Options};
use lodis::resp::write_command;
use real_redis::{Client, Redis};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

#[path = "../tests/real_redis/mod.rs"]
mod real_redis;

/// The system's allocator, which keeps count.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to `System` as it is; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The words of the command that adds element `i`.
type Words = fn(usize) -> String;

/// What there are many of, and how one comes to be.
const DATA: &[(&str, Words)] = &[
    ("strings", |i| format!("SET key:{i} value{i}")),
    ("small hashes", |i| format!("HSET user:{i} name user{i} age {} city Bern", i % 100)),
    ("small sets of integers", |i| format!("SADD set:{i} {i} {} {}", i + 1, i + 2)),
    ("small sets of words", |i| format!("SADD set:{i} a{i} b{i} c{i}")),
    ("small sorted sets", |i| format!("ZADD zset:{i} {i} a 1.5 b 2 c")),
    ("fields of a hash", |i| format!("HSET hash field{i} value{i}")),
    ("members of a set", |i| format!("SADD set member{i}")),
    ("members of a sorted set", |i| format!("ZADD zset {} member{i}", i * 7919 % 1_000_003)),
    ("elements of a list", |i| format!("RPUSH list element{i}")),
    ("entries of a stream", |i| format!("XADD stream {}-1 field value{i}", i + 1)),
];

/// Commands that are sent at once.
const BATCH: usize = 1000;

fn argv(line: &str) -> Vec<&[u8]> {
    line.split(' ').map(str::as_bytes).collect()
}

/// Bytes that Lodis uses for the data.
fn ours(words: Words, count: usize) -> usize {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let mut engine = Engine::new(&Options::default());
    let session = engine.connect();
    let empty = ALLOCATED.load(Ordering::Relaxed) - before;
    let mut reply = Vec::new();
    for i in 0..count {
        reply.clear();
        engine.call(session, &argv(&words(i)), &mut reply);
        assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
    }
    drop(reply);
    ALLOCATED.load(Ordering::Relaxed) - before - empty
}

fn used_memory(redis: &mut Redis) -> usize {
    let info = String::from_utf8(redis.call(&[b"INFO", b"memory"])).expect("INFO is text");
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|number| number.parse().ok()).expect("a server tells what it uses")
}

/// Bytes that a real server uses for the data.
fn theirs(words: Words, count: usize) -> Option<usize> {
    let mut redis = Redis::start()?;
    let mut client: Client = redis.connect();
    let before = used_memory(&mut redis);
    for start in (0..count).step_by(BATCH) {
        let batch = start..(start + BATCH).min(count);
        let mut request = Vec::new();
        batch.clone().for_each(|i| write_command(&mut request, &argv(&words(i))));
        client.send_bytes(&request);
        for _ in batch {
            let reply = client.read();
            assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
        }
    }
    drop(client);
    // What it counts for the connection goes when it has seen its end.
    std::thread::sleep(std::time::Duration::from_millis(200));
    Some(used_memory(&mut redis) - before)
}

/// Bytes that the built package uses for the data.
fn wasm(words: Words, count: usize) -> Option<usize> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("pkg/dist/node.js").exists() {
        return None;
    }
    let mut node = Command::new("node")
        .arg(root.join("benches/memory.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut commands = BufWriter::new(node.stdin.take()?);
    (0..count).try_for_each(|i| writeln!(commands, "{}", words(i))).ok()?;
    drop(commands.into_inner().ok()?);
    String::from_utf8(node.wait_with_output().ok()?.stdout).ok()?.trim().parse().ok()
}

fn main() {
    let count = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let registry = Registry::new();
    println!("Bytes per element, {count} of each\n");
    println!("{:26} {:>8} {:>8} {:>8} {:>7}", "", "wasm", "64-bit", "Redis", "ratio");
    for (what, words) in DATA {
        let command = words(0);
        if registry.resolve(&argv(&command)).is_none() {
            println!("{what:26} not there: {command}");
            continue;
        }
        let each = |bytes: usize| bytes as f64 / count as f64;
        let wasm = wasm(*words, count).map(each);
        let native = each(ours(*words, count));
        let theirs = theirs(*words, count).map(each);
        let ratio = theirs.map(|theirs| wasm.unwrap_or(native) / theirs);
        let shown =
            |value: Option<f64>| value.map_or("-".to_owned(), |bytes| format!("{bytes:.1}"));
        let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}x"));
        let (wasm, theirs) = (shown(wasm), shown(theirs));
        println!("{what:26} {wasm:>8} {native:8.1} {theirs:>8} {ratio:>7}");
    }
}
