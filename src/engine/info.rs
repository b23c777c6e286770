//! The text of INFO.
//!
//! Only fields whose value is known here are shown: what a page cannot measure (resident memory,
//! processor time, sockets) is left out rather than made up.

use super::Engine;
use super::REDIS_VERSION;
use super::pubsub::Space;
use std::fmt::Write;

type Section = fn(&Engine, &mut String);

/// Every section by its name and title, in Redis's order.
const SECTIONS: &[(&str, &str, Section)] = &[
    ("server", "Server", server),
    ("clients", "Clients", clients),
    ("memory", "Memory", memory),
    ("persistence", "Persistence", persistence),
    ("stats", "Stats", stats),
    ("replication", "Replication", replication),
    ("modules", "Modules", modules),
    ("errorstats", "Errorstats", errorstats),
    ("cluster", "Cluster", cluster),
    ("keyspace", "Keyspace", keyspace),
];

/// The sections that are named, in any case and order; all of them for none, `default`, `all` or
/// `everything`. Unknown names add nothing.
pub(super) fn text(engine: &Engine, wanted: &[&[u8]]) -> String {
    let is_wanted = |name: &str| {
        wanted.is_empty()
            || wanted.iter().any(|word| {
                let groups = [name, "default", "all", "everything"];
                groups.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
            })
    };
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

fn server(engine: &Engine, text: &mut String) {
    let uptime_s = engine.now_us().saturating_sub(engine.started_us).max(0) / 1_000_000;
    field(text, "redis_version", REDIS_VERSION);
    field(text, "lodis_version", env!("CARGO_PKG_VERSION"));
    field(text, "redis_mode", "standalone");
    field(text, "os", if cfg!(target_arch = "wasm32") { "wasm" } else { std::env::consts::OS });
    field(text, "arch_bits", usize::BITS);
    field(text, "run_id", &engine.run_id);
    field(text, "server_time_usec", engine.now_us());
    field(text, "uptime_in_seconds", uptime_s);
    field(text, "uptime_in_days", uptime_s / 86_400);
}

fn clients(engine: &Engine, text: &mut String) {
    let sessions = || engine.sessions.iter().map(|(_, s)| s).filter(|s| !s.closing);
    field(text, "connected_clients", sessions().count());
    field(text, "maxclients", engine.config.max_clients);
    field(text, "blocked_clients", engine.blocked_len());
    field(text, "tracking_clients", engine.tracking_counts()[0]);
    field(text, "pubsub_clients", sessions().filter(|s| s.is_subscriber()).count());
    field(text, "watching_clients", sessions().filter(|s| !s.watched.is_empty()).count());
    let watched: usize = sessions().map(|s| s.watched.len()).sum();
    field(text, "total_watched_keys", watched);
}

fn memory(engine: &Engine, text: &mut String) {
    let (used, total) = ((engine.meter.used)() as u64, (engine.meter.total)() as u64);
    let peak = ((engine.meter.peak)() as u64).max(used);
    let percent = |part: u64, whole: u64| format!("{:.2}%", ratio(part, whole) * 100.0);
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
    bytes(text, "maxmemory", maxmemory.bytes);
    field(text, "maxmemory_policy", maxmemory.policy.name());
    field(text, "mem_fragmentation_ratio", format!("{:.2}", ratio(total, used)));
    field(text, "mem_fragmentation_bytes", total as i64 - used as i64);
    field(text, "mem_not_counted_for_evict", engine.not_counted_bytes());
    field(text, "mem_aof_buffer", engine.not_counted_bytes());
    field(text, "lazyfree_pending_objects", engine.lazyfree.pending());
    field(text, "lazyfreed_objects", engine.lazyfree.freed());
}

/// A size as it is, and for people.
fn bytes(text: &mut String, name: &str, bytes: u64) {
    const UNITS: [&str; 4] = ["K", "M", "G", "T"];
    field(text, name, bytes);
    let unit = (1..UNITS.len()).take_while(|unit| bytes >> (10 * (unit + 1)) > 0).count();
    let human = match bytes {
        0..1024 => format!("{bytes}B"),
        _ => {
            format!("{:.2}{}", bytes as f64 / f64::from(1 << 10).powi(unit as i32 + 1), UNITS[unit])
        }
    };
    field(text, &format!("{name}_human"), human);
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn persistence(engine: &Engine, text: &mut String) {
    let status = &engine.persistence;
    let config = &engine.config;
    field(text, "loading", u8::from(engine.is_loading()));
    field(text, "async_loading", 0);
    field(text, "rdb_changes_since_last_save", engine.stats.changes);
    // There is one kind of saving: a new base, which is an RDB file, and an empty log after it.
    let rewriting = u8::from(status.rewriting);
    let took_s = status.rewrite_took_ms.map_or(-1, |ms| ms / 1000);
    let saved = if status.save_error.is_none() { "ok" } else { "err" };
    field(text, "rdb_bgsave_in_progress", rewriting);
    field(text, "rdb_last_save_time", status.last_save_s);
    field(text, "rdb_last_bgsave_status", saved);
    field(text, "rdb_last_bgsave_time_sec", took_s);
    field(text, "rdb_saves", status.saves);
    field(text, "aof_enabled", u8::from(config.append_only));
    field(text, "aof_rewrite_in_progress", rewriting);
    field(text, "aof_rewrite_scheduled", u8::from(status.requests.rewrite));
    field(text, "aof_last_rewrite_time_sec", took_s);
    field(text, "aof_last_bgrewrite_status", saved);
    if let Some(why) = &status.save_error {
        field(text, "aof_last_bgrewrite_error", why.replace(['\r', '\n'], " "));
    }
    let is_well = status.write_error.is_none();
    field(text, "aof_last_write_status", if is_well { "ok" } else { "err" });
    if let Some(why) = &status.write_error {
        field(text, "aof_last_write_error", why.replace(['\r', '\n'], " "));
    }
    field(text, "store_attached", u8::from(status.attached));
    if config.append_only {
        field(text, "aof_current_size", status.current_size);
        field(text, "aof_base_size", status.base_size);
        field(text, "aof_buffer_length", status.buffered);
        field(text, "aof_durable_offset", status.durable_offset);
    }
}

fn stats(engine: &Engine, text: &mut String) {
    let stats = &engine.stats;
    field(text, "total_connections_received", stats.connections);
    field(text, "total_commands_processed", stats.commands);
    field(text, "rejected_connections", stats.rejected_connections);
    field(text, "expired_keys", stats.expired_keys);
    field(text, "expired_subkeys", stats.expired_fields);
    field(text, "evicted_keys", stats.evicted_keys);
    let exceeded_us = engine.eviction_exceeded_us();
    let total_us = stats.eviction_exceeded_us + exceeded_us;
    field(text, "total_eviction_exceeded_time", total_us / 1000);
    field(text, "current_eviction_exceeded_time", exceeded_us / 1000);
    field(text, "keyspace_hits", stats.keyspace_hits);
    field(text, "keyspace_misses", stats.keyspace_misses);
    field(text, "pubsub_channels", engine.pubsub.subscribers(Space::Channel).len());
    field(text, "pubsub_patterns", engine.pubsub.pattern_count());
    field(text, "pubsubshard_channels", engine.pubsub.subscribers(Space::Shard).len());
    let [_, keys, items] = engine.tracking_counts();
    field(text, "tracking_total_keys", keys);
    field(text, "tracking_total_items", items);
    field(text, "tracking_total_prefixes", engine.tracking_prefixes());
    field(text, "total_error_replies", stats.errors);
    for (reason, count) in [("auth", 3), ("cmd", 0), ("key", 1), ("channel", 2)] {
        field(text, &["acl_access_denied_", reason].concat(), stats.denied[count]);
    }
    let by_query = stats.query_limit_disconnections;
    field(text, "client_query_buffer_limit_disconnections", by_query);
    let by_output = engine.sessions.slow_dropped;
    field(text, "client_output_buffer_limit_disconnections", by_output);
}

fn replication(engine: &Engine, text: &mut String) {
    field(text, "role", if engine.is_follower() { "slave" } else { "master" });
    field(text, "connected_slaves", engine.replicas);
    field(text, "master_replid", &engine.run_id);
    field(text, "master_repl_offset", engine.effects.offset());
}

fn modules(_: &Engine, _: &mut String) {}

fn errorstats(engine: &Engine, text: &mut String) {
    for (code, count) in &engine.stats.errors_by_code {
        let code = String::from_utf8_lossy(code);
        field(text, &format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn cluster(_: &Engine, text: &mut String) {
    field(text, "cluster_enabled", 0);
}

fn keyspace(engine: &Engine, text: &mut String) {
    for (index, db) in engine.keyspace.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        let counts = format!("keys={},expires={}", db.len(), db.volatile_len());
        field(text, &format!("db{index}"), counts);
    }
}
