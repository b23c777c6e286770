//! What Lodis tells of itself beside what a real redis-server tells: its commands, and the fields of
//! INFO. Skipped, saying so, where redis-server is not installed.

use lodis::engine::{Engine, Options};
use real_redis::Redis;
use std::collections::BTreeSet;

mod real_redis;

/// Commands of the real server that there are not here, and why.
const ABSENT: &[(&str, &str)] = &[
    ("migrate", "a page opens no connection to another server"),
    ("psync", "nobody replicates over RESP"),
    ("replconf", "nobody replicates over RESP"),
    ("restore-asking", "there is no cluster whose keys move"),
    ("sync", "nobody replicates over RESP"),
];

/// Fields of INFO of the real server that there are not here, and why.
const UNKNOWN: &[(&str, &str)] = &[
    ("aof_rewrites_consecutive_failures", "not counted"),
    ("atomicvar_api", "of its build"),
    ("client_recent_max_input_buffer", "not measured"),
    ("client_recent_max_output_buffer", "not measured"),
    ("configured_hz", "what is due is done when it is due"),
    ("current_save_keys_processed", "not counted"),
    ("current_save_keys_total", "not counted"),
    ("dump_payload_sanitizations", "not counted apart"),
    ("executable", "of its process"),
    ("expire_cycle_cpu_milliseconds", "a page does not know its processor time"),
    ("gcc_version", "of its build"),
    ("hz", "what is due is done when it is due"),
    ("io_threaded_reads_processed", "the host reads"),
    ("io_threaded_writes_processed", "the host writes"),
    ("monotonic_clock", "of its build"),
    ("multiplexing_api", "of its build"),
    ("process_id", "of its process"),
    ("rdb_last_load_keys_expired", "not counted"),
    ("rdb_last_load_keys_loaded", "not counted"),
    ("redis_build_id", "of its build"),
    ("reply_buffer_expands", "the host has the buffers"),
    ("reply_buffer_shrinks", "the host has the buffers"),
    ("tcp_port", "the host listens"),
    ("total_reads_processed", "the host reads"),
    ("total_system_memory", "a page is not told"),
    ("total_system_memory_human", "a page is not told"),
    ("total_writes_processed", "the host writes"),
    ("used_cpu_sys", "a page does not know its processor time"),
    ("used_cpu_sys_children", "a page does not know its processor time"),
    ("used_cpu_sys_main_thread", "a page does not know its processor time"),
    ("used_cpu_user", "a page does not know its processor time"),
    ("used_cpu_user_children", "a page does not know its processor time"),
    ("used_cpu_user_main_thread", "a page does not know its processor time"),
    ("used_memory_lua", "the interpreter does not tell"),
    ("used_memory_lua_human", "the interpreter does not tell"),
    ("used_memory_vm_eval", "the interpreter does not tell"),
    ("used_memory_vm_functions", "the interpreter does not tell"),
    ("used_memory_vm_total", "the interpreter does not tell"),
    ("used_memory_vm_total_human", "the interpreter does not tell"),
];

fn ours(argv: &[&[u8]]) -> String {
    let mut engine = Engine::new(&Options { now_us: 1_700_000_000_000_000, ..Options::default() });
    let session = engine.connect();
    let mut reply = Vec::new();
    engine.call(session, argv, &mut reply);
    String::from_utf8(reply).unwrap()
}

/// What the first has and the second has not, besides what the table says; and what the table says
/// in vain.
fn compare(theirs: &BTreeSet<String>, ours: &BTreeSet<String>, table: &[(&str, &str)]) {
    let excused: BTreeSet<String> = table.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<_> = theirs.difference(ours).cloned().collect();
    let unexcused: Vec<_> = missing.iter().filter(|name| !excused.contains(*name)).collect();
    assert!(unexcused.is_empty(), "not here: {unexcused:?}");
    let vain: Vec<_> = excused.iter().filter(|name| !missing.contains(name)).collect();
    assert!(vain.is_empty(), "no exceptions any more: {vain:?}");
}

#[test]
fn the_commands_are_those_of_redis() {
    let Some(mut redis) = Redis::start() else { return };
    let words = |reply: &str| -> BTreeSet<String> {
        reply.lines().filter(|line| !line.starts_with(['*', '$'])).map(str::to_owned).collect()
    };
    let theirs = String::from_utf8(redis.call(&[b"COMMAND", b"LIST"])).unwrap();
    let mut theirs = words(&theirs);
    // Those of an absent container need no reasons of their own.
    theirs.retain(|name| {
        let container = name.split_once('|').map(|(container, _)| container);
        container.is_none_or(|name| {
            name != "cluster" && !ABSENT.iter().any(|(absent, _)| *absent == name)
        })
    });
    compare(&theirs, &words(&ours(&[b"COMMAND", b"LIST"])), ABSENT);
}

#[test]
fn info_has_the_fields_of_redis() {
    let Some(mut redis) = Redis::start() else { return };
    let fields = |reply: &str| -> BTreeSet<String> {
        let names = reply.lines().filter_map(|line| line.split_once(':'));
        let names = names.map(|(name, _)| name.to_owned());
        names.filter(|name| !name.starts_with("cmdstat_") && !name.contains("usec_")).collect()
    };
    let theirs = String::from_utf8(redis.call(&[b"INFO", b"everything"])).unwrap();
    compare(&fields(&theirs), &fields(&ours(&[b"INFO", b"everything"])), UNKNOWN);
}

/// The helps whose subcommands are the same.
#[test]
fn help_is_that_of_redis() {
    let Some(mut redis) = Redis::start() else { return };
    let containers = [
        "CONFIG", "OBJECT", "MEMORY", "PUBSUB", "XINFO", "XGROUP", "SCRIPT", "FUNCTION", "SLOWLOG",
        "LATENCY", "CLUSTER", "COMMAND", "MODULE",
    ];
    for name in containers {
        let argv = [name.as_bytes(), b"HELP"];
        let theirs = String::from_utf8(redis.call(&argv)).unwrap();
        assert_eq!(ours(&argv), theirs, "{name} HELP");
    }
}

#[test]
fn calls_are_counted() {
    let clock = || 0;
    let mut engine = Engine::new(&Options { clock, ..Options::default() });
    let session = engine.connect();
    let mut run = |line: &str| {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        engine.call(session, &words, &mut reply);
        String::from_utf8(reply).unwrap()
    };
    for line in
        ["SET k v", "GET k", "GET none", "GET", "INCR k", "LPOP k", "NONSENSE", "CONFIG GET x"]
    {
        run(line);
    }
    for line in ["MULTI", "GET k", "GET k", "INCR k", "EXEC"] {
        run(line);
    }
    let info = run("INFO commandstats");
    let stat = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:")));
        line.map(str::to_owned)
    };
    let counted = |calls, rejected, failed| {
        let rest = format!("rejected_calls={rejected},failed_calls={failed}");
        Some(format!("calls={calls},usec=0,usec_per_call=0.00,{rest}"))
    };
    assert_eq!(stat("get"), counted(4, 1, 0));
    assert_eq!(stat("incr"), counted(2, 0, 2));
    assert_eq!(stat("lpop"), counted(1, 0, 1));
    assert_eq!(stat("config|get"), counted(1, 0, 0));
    assert_eq!(stat("exec"), counted(1, 0, 0));
    assert_eq!(stat("info"), None, "it is counted once it has run");
    assert!(run("INFO all").contains("# Latencystats"));
    assert!(!run("INFO").contains("# Commandstats"));
    run("CONFIG RESETSTAT");
    let info = run("INFO commandstats");
    let lines: Vec<&str> = info.lines().filter(|line| line.starts_with("cmdstat_")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
}
