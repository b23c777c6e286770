//! The text of INFO.
//!
//! Only fields whose value is known here are shown: what a page cannot measure (resident memory,
//! processor time, sockets) is left out rather than made up.

use super::Engine;
use super::REDIS_VERSION;
use super::calls::Counts;
use super::pubsub::Space;
use super::script;
use crate::number::fixed;
use std::fmt::Write;

/// Writes a section.
type Section = fn(&mut Engine, &mut String);

/// Every section by its name and title, in Redis's order.
const SECTIONS: &[(&str, &str, Section)] = &[
    ("server", "Server", server),
    ("clients", "Clients", clients),
    ("memory", "Memory", memory),
    ("persistence", "Persistence", persistence),
    ("stats", "Stats", stats),
    ("replication", "Replication", replication),
    ("modules", "Modules", modules),
    ("commandstats", "Commandstats", commandstats),
    ("errorstats", "Errorstats", errorstats),
    ("latencystats", "Latencystats", latencystats),
    ("cluster", "Cluster", cluster),
    ("keyspace", "Keyspace", keyspace),
];

/// Those that are long, and not shown unless they are asked for.
const LONG: &[&str] = &["commandstats", "latencystats"];

/// The sections that are named, in any case and order; all of them for `all` and `everything`, for none
/// and `default` those that are not long. Unknown names add nothing.
pub(super) fn text(engine: &mut Engine, wanted: &[&[u8]]) -> String {
    let is_wanted = |name: &str| {
        let default = if LONG.contains(&name) { name } else { "default" };
        (wanted.is_empty() && default != name)
            || wanted.iter().any(|word| {
                let groups = [name, default, "all", "everything"];
                groups.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
            })
    };
    engine.stats.sample(engine.now_ms());
    let mut text = String::new();
    for (name, title, write) in SECTIONS {
        if !is_wanted(name) {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "# {title}\r\n");
        write(engine, &mut text);
    }
    text
}

fn field(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(text, "{name}:{value}\r\n");
}

/// What there is none of here: of processes and their copies, of replicas on the wire, of a cluster.
fn none(text: &mut String, names: &[&str]) {
    names.iter().for_each(|name| field(text, name, 0));
}

fn server(engine: &mut Engine, text: &mut String) {
    let uptime_s = engine.now_us().saturating_sub(engine.started_us).max(0) / 1_000_000;
    field(text, "redis_version", REDIS_VERSION);
    field(text, "lodis_version", env!("CARGO_PKG_VERSION"));
    field(text, "redis_git_sha1", "00000000");
    none(text, &["redis_git_dirty"]);
    field(text, "redis_mode", "standalone");
    field(text, "os", if cfg!(target_arch = "wasm32") { "wasm" } else { std::env::consts::OS });
    field(text, "arch_bits", usize::BITS);
    field(text, "process_supervised", "no");
    field(text, "run_id", &engine.run_id);
    field(text, "server_time_usec", engine.now_us());
    field(text, "uptime_in_seconds", uptime_s);
    field(text, "uptime_in_days", uptime_s / 86_400);
    field(text, "lru_clock", engine.now_s() & 0x00ff_ffff);
    if let Some(port) = engine.host.setting(b"port") {
        field(text, "tcp_port", port);
    }
    field(text, "config_file", engine.host.config_file());
    none(text, &["io_threads_active"]);
}

fn clients(engine: &mut Engine, text: &mut String) {
    let sessions = || engine.sessions.iter().map(|(_, s)| s).filter(|s| !s.closing);
    field(text, "connected_clients", sessions().count());
    field(text, "maxclients", engine.config.max_clients);
    none(text, &["cluster_connections"]);
    field(text, "blocked_clients", engine.blocked_len());
    field(text, "tracking_clients", engine.tracking_counts()[0]);
    field(text, "clients_in_timeout_table", engine.alarms_len());
    field(text, "pubsub_clients", sessions().filter(|s| s.is_subscriber()).count());
    field(text, "watching_clients", sessions().filter(|s| !s.watched.is_empty()).count());
    let watched: usize = sessions().map(|s| s.watched.len()).sum();
    field(text, "total_watched_keys", watched);
}

fn memory(engine: &mut Engine, text: &mut String) {
    let (used, total) = ((engine.meter.used)() as u64, (engine.meter.total)() as u64);
    let peak = ((engine.meter.peak)() as u64).max(used);
    let percent = |part: u64, whole: u64| fixed(ratio(part, whole) * 100.0, 2) + "%";
    let maxmemory = engine.config.maxmemory;
    let (overhead, dataset) = (engine.overhead_bytes(), engine.dataset_bytes());
    let net = used.saturating_sub(engine.startup_bytes as u64);
    bytes(text, "used_memory", used);
    bytes(text, "used_memory_rss", total);
    bytes(text, "used_memory_peak", peak);
    field(text, "used_memory_peak_perc", percent(used, peak));
    field(text, "used_memory_overhead", overhead);
    field(text, "used_memory_startup", engine.startup_bytes);
    field(text, "used_memory_dataset", dataset);
    field(text, "used_memory_dataset_perc", percent(dataset, net));
    field(text, "allocator_allocated", used);
    field(text, "allocator_active", total);
    field(text, "allocator_resident", total);
    scripts(engine, text);
    bytes(text, "maxmemory", maxmemory.bytes);
    field(text, "maxmemory_policy", maxmemory.policy.name());
    field(text, "allocator_frag_ratio", fixed(ratio(total, used), 2));
    field(text, "allocator_frag_bytes", total as i64 - used as i64);
    field(text, "allocator_rss_ratio", "1.00");
    none(text, &["allocator_rss_bytes"]);
    field(text, "rss_overhead_ratio", "1.00");
    none(text, &["rss_overhead_bytes"]);
    field(text, "mem_fragmentation_ratio", fixed(ratio(total, used), 2));
    field(text, "mem_fragmentation_bytes", total as i64 - used as i64);
    field(text, "mem_not_counted_for_evict", engine.not_counted_bytes());
    none(text, &["mem_replication_backlog", "mem_total_replication_buffers"]);
    none(text, &["mem_clients_slaves"]);
    field(text, "mem_clients_normal", engine.sessions.memory_bytes());
    none(text, &["mem_cluster_links"]);
    field(text, "mem_aof_buffer", engine.not_counted_bytes());
    let is_wasm = cfg!(target_arch = "wasm32");
    field(text, "mem_allocator", if is_wasm { "dlmalloc" } else { "libc" });
    none(text, &["active_defrag_running"]);
    field(text, "lazyfree_pending_objects", engine.lazyfree.pending());
    field(text, "lazyfreed_objects", engine.lazyfree.freed());
}

/// Of scripts and functions, what is kept to run them again.
fn scripts(engine: &mut Engine, text: &mut String) {
    let counts = script::counts(engine);
    let code: usize = engine.libraries.iter().map(|(_, code)| code.len()).sum();
    field(text, "number_of_cached_scripts", counts.scripts);
    field(text, "number_of_functions", counts.functions);
    field(text, "number_of_libraries", engine.libraries.len());
    field(text, "used_memory_scripts_eval", counts.bytes);
    field(text, "used_memory_functions", code);
    bytes(text, "used_memory_scripts", (counts.bytes + code) as u64);
}

/// A size as it is, and for people.
fn bytes(text: &mut String, name: &str, bytes: u64) {
    const UNITS: [&str; 4] = ["K", "M", "G", "T"];
    field(text, name, bytes);
    let unit = (1..UNITS.len()).take_while(|unit| bytes >> (10 * (unit + 1)) > 0).count();
    let human = match bytes {
        0..1024 => format!("{bytes}B"),
        _ => fixed(bytes as f64 / f64::from(1 << 10).powi(unit as i32 + 1), 2) + UNITS[unit],
    };
    field(text, &format!("{name}_human"), human);
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn persistence(engine: &mut Engine, text: &mut String) {
    let status = &engine.persistence;
    let config = &engine.config;
    field(text, "loading", u8::from(engine.is_loading()));
    field(text, "async_loading", 0);
    let no_fork = ["current_cow_peak", "current_cow_size", "current_cow_size_age"];
    none(text, &no_fork);
    field(text, "current_fork_perc", "0.00");
    field(text, "rdb_changes_since_last_save", engine.stats.changes);
    // Where the host has no file there is one kind of saving: a new base, which is an RDB file, and an
    // empty log after it.
    let rewriting = u8::from(status.rewriting);
    let took_s = status.rewrite_took_ms.map_or(-1, |ms| ms / 1000);
    let current_s = if status.rewriting {
        engine.now_ms().saturating_sub(status.rewrite_began_ms).max(0) / 1000
    } else {
        -1
    };
    let saved = if status.save_error.is_none() { "ok" } else { "err" };
    let (mut rdb, mut rdb_at_s) = ((rewriting, saved, took_s, current_s), status.last_save_s);
    if let Some(file) = engine.host.rdb() {
        let now_ms = engine.now_ms();
        let current_s = now_ms.saturating_sub(file.began_ms).max(0) / 1000;
        rdb = (
            u8::from(file.is_running()),
            if file.error.is_none() { "ok" } else { "err" },
            file.took_ms.map_or(-1, |ms| ms / 1000),
            if file.is_running() { current_s } else { -1 },
        );
        rdb_at_s = file.done_s;
    }
    field(text, "rdb_bgsave_in_progress", rdb.0);
    field(text, "rdb_last_save_time", rdb_at_s);
    field(text, "rdb_last_bgsave_status", rdb.1);
    field(text, "rdb_last_bgsave_time_sec", rdb.2);
    field(text, "rdb_current_bgsave_time_sec", rdb.3);
    field(text, "rdb_saves", engine.saves());
    none(text, &["rdb_last_cow_size"]);
    field(text, "aof_enabled", u8::from(config.append_only));
    field(text, "aof_rewrite_in_progress", rewriting);
    field(text, "aof_rewrite_scheduled", u8::from(status.requests.rewrite));
    field(text, "aof_last_rewrite_time_sec", took_s);
    field(text, "aof_current_rewrite_time_sec", current_s);
    field(text, "aof_last_bgrewrite_status", saved);
    field(text, "aof_rewrites", status.saves);
    if let Some(why) = &status.save_error {
        field(text, "aof_last_bgrewrite_error", why.replace(['\r', '\n'], " "));
    }
    let is_well = status.write_error.is_none();
    field(text, "aof_last_write_status", if is_well { "ok" } else { "err" });
    if let Some(why) = &status.write_error {
        field(text, "aof_last_write_error", why.replace(['\r', '\n'], " "));
    }
    none(text, &["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
    field(text, "store_attached", u8::from(status.attached));
    if config.append_only {
        field(text, "aof_current_size", status.current_size);
        field(text, "aof_base_size", status.base_size);
        field(text, "aof_buffer_length", status.buffered);
        field(text, "aof_durable_offset", status.durable_offset);
    }
}

fn stats(engine: &mut Engine, text: &mut String) {
    let stats = &engine.stats;
    field(text, "total_connections_received", stats.connections);
    field(text, "total_commands_processed", stats.commands);
    field(text, "rejected_connections", stats.rejected_connections);
    let [commands, input, output] = stats.rates(engine.now_ms());
    field(text, "instantaneous_ops_per_sec", commands);
    field(text, "total_net_input_bytes", stats.net_input);
    field(text, "total_net_output_bytes", stats.net_output);
    none(text, &["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    let kbps = |rate: u64| fixed(rate as f64 / 1024.0, 2);
    field(text, "instantaneous_input_kbps", kbps(input));
    field(text, "instantaneous_output_kbps", kbps(output));
    field(text, "instantaneous_input_repl_kbps", "0.00");
    field(text, "instantaneous_output_repl_kbps", "0.00");
    none(text, &["sync_full", "sync_partial_ok", "sync_partial_err"]);
    field(text, "expired_keys", stats.expired_keys);
    field(text, "expired_stale_perc", "0.00");
    none(text, &["expired_time_cap_reached_count"]);
    field(text, "expired_subkeys", stats.expired_fields);
    field(text, "evicted_keys", stats.evicted_keys);
    let exceeded_us = engine.eviction_exceeded_us();
    let total_us = stats.eviction_exceeded_us + exceeded_us;
    none(text, &["evicted_clients"]);
    field(text, "total_eviction_exceeded_time", total_us / 1000);
    field(text, "current_eviction_exceeded_time", exceeded_us / 1000);
    field(text, "keyspace_hits", stats.keyspace_hits);
    field(text, "keyspace_misses", stats.keyspace_misses);
    field(text, "pubsub_channels", engine.pubsub.subscribers(Space::Channel).len());
    field(text, "pubsub_patterns", engine.pubsub.pattern_count());
    field(text, "pubsubshard_channels", engine.pubsub.subscribers(Space::Shard).len());
    none(text, &["latest_fork_usec", "total_forks", "migrate_cached_sockets"]);
    none(text, &["slave_expires_tracked_keys", "active_defrag_hits", "active_defrag_misses"]);
    none(text, &["active_defrag_key_hits", "active_defrag_key_misses"]);
    none(text, &["total_active_defrag_time", "current_active_defrag_time"]);
    let [_, keys, items] = engine.tracking_counts();
    field(text, "tracking_total_keys", keys);
    field(text, "tracking_total_items", items);
    field(text, "tracking_total_prefixes", engine.tracking_prefixes());
    none(text, &["unexpected_error_replies"]);
    field(text, "total_error_replies", stats.errors);
    for (reason, count) in [("auth", 3), ("cmd", 0), ("key", 1), ("channel", 2)] {
        field(text, &["acl_access_denied_", reason].concat(), stats.denied[count]);
    }
    let by_query = stats.query_limit_disconnections;
    field(text, "client_query_buffer_limit_disconnections", by_query);
    let by_output = engine.sessions.slow_dropped;
    field(text, "client_output_buffer_limit_disconnections", by_output);
}

fn replication(engine: &mut Engine, text: &mut String) {
    field(text, "role", if engine.is_follower() { "slave" } else { "master" });
    field(text, "connected_slaves", engine.replicas);
    field(text, "master_failover_state", "no-failover");
    field(text, "master_replid", &engine.replication_id);
    field(text, "master_replid2", "0".repeat(40));
    field(text, "master_repl_offset", engine.effects.offset());
    field(text, "second_repl_offset", -1);
    none(text, &["repl_backlog_active", "repl_backlog_size"]);
    none(text, &["repl_backlog_first_byte_offset", "repl_backlog_histlen"]);
}

fn modules(_: &mut Engine, _: &mut String) {}

fn errorstats(engine: &mut Engine, text: &mut String) {
    for (code, count) in &engine.stats.errors_by_code {
        let code = String::from_utf8_lossy(code);
        field(text, &format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

/// Where no clock is asked for, nothing takes any time.
fn commandstats(engine: &mut Engine, text: &mut String) {
    for Counts { name, calls, us, rejected, failed } in engine.calls.iter() {
        let each_us = fixed(ratio(us, calls), 2);
        let _ = write!(
            text,
            "cmdstat_{name}:calls={calls},usec={us},usec_per_call={each_us},\
             rejected_calls={rejected},failed_calls={failed}\r\n"
        );
    }
}

/// Of every command that was measured, the times that so many of its calls took no longer than.
fn latencystats(engine: &mut Engine, text: &mut String) {
    for (name, histogram) in engine.timing.histograms.iter() {
        let [p50, p99, p999] = [500, 990, 999].map(|permille| {
            let ns = histogram.percentile_ns(permille);
            format!("{}.{:03}", ns / 1000, ns % 1000)
        });
        let _ =
            write!(text, "latency_percentiles_usec_{name}:p50={p50},p99={p99},p99.9={p999}\r\n");
    }
}

fn cluster(_: &mut Engine, text: &mut String) {
    field(text, "cluster_enabled", 0);
}

fn keyspace(engine: &mut Engine, text: &mut String) {
    for (index, db) in engine.keyspace.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        let counts = format!("keys={},expires={}", db.len(), db.volatile_len());
        field(text, &format!("db{index}"), counts);
    }
}
