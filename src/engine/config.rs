//! Settings that CONFIG reads and changes.
//!
//! A parameter is here only if it is honoured, or states a fact.

use super::acl::Acl;
use super::clients::OutputLimits;
use super::error::Error;
use super::eviction::{MaxMemory, Policy};
use super::host::HOSTED;
use super::notify::{format_classes, parse_classes};
use crate::number::parse_integer;

/// When a write is acknowledged with respect to the log (`appendfsync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AppendFsync {
    /// After it has been stored with strict durability.
    Always,
    /// At once; it is stored within a second.
    #[default]
    Everysec,
    /// At once; it is stored when the host finds it convenient.
    No,
}

/// Up to where values keep their compact encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `list-max-listpack-size`: entries of a listpack; -1 to -5 for 4, 8, 16, 32, 64 kB.
    pub list_max_listpack_size: i32,
    /// `hash-max-listpack-entries`: fields.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`: bytes of the longest field or value.
    pub hash_max_listpack_value: usize,
    /// `set-max-intset-entries`.
    pub set_max_intset_entries: usize,
    /// `set-max-listpack-entries`.
    pub set_max_listpack_entries: usize,
    /// `set-max-listpack-value`: bytes of the longest member.
    pub set_max_listpack_value: usize,
    /// `zset-max-listpack-entries`.
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`: bytes of the longest member.
    pub zset_max_listpack_value: usize,
    /// `hll-sparse-max-bytes`.
    pub hll_sparse_max_bytes: usize,
    /// `stream-node-max-bytes`; 0 for no limit.
    pub stream_node_max_bytes: usize,
    /// `stream-node-max-entries`; 0 for no limit.
    pub stream_node_max_entries: usize,
    /// Seeds the hash tables that values become: no setting, but as old as the engine.
    pub hash_seed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            list_max_listpack_size: -2,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            hll_sparse_max_bytes: 3000,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            hash_seed: 0,
        }
    }
}

/// Which values are freed bit by bit after they are gone, and not at once. In Redis all of these are
/// off; it has a server to itself, and here a page would stand still meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LazyFreeSettings {
    /// `lazyfree-lazy-eviction`: those that go because of `maxmemory`.
    pub eviction: bool,
    /// `lazyfree-lazy-expire`: those whose time has come.
    pub expire: bool,
    /// `lazyfree-lazy-server-del`: those that commands overwrite.
    pub server_del: bool,
    /// `lazyfree-lazy-user-del`: those that DEL removes.
    pub user_del: bool,
    /// `lazyfree-lazy-user-flush`: those of FLUSHALL and FLUSHDB without SYNC and ASYNC.
    pub user_flush: bool,
}

impl Default for LazyFreeSettings {
    fn default() -> Self {
        Self { eviction: true, expire: true, server_del: true, user_del: true, user_flush: true }
    }
}

/// `auto-aof-rewrite-min-size` by default: 64 MB in Redis, which has a disk to itself.
const REWRITE_MIN_SIZE: u64 = 4 << 20;

/// Who may use DEBUG (`enable-debug-command`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DebugCommand {
    /// Nobody.
    No,
    /// Everybody.
    Yes,
    /// What is embedded, and connections from this machine.
    #[default]
    Local,
}

impl DebugCommand {
    /// Each with its name, in Redis's order.
    const NAMES: &[(Self, &str)] = &[(Self::No, "no"), (Self::Yes, "yes"), (Self::Local, "local")];

    /// Reads a setting.
    ///
    /// # Errors
    /// Which words there are.
    pub fn parse(word: &[u8]) -> Result<Self, String> {
        parse_name(Self::NAMES, word)
    }
}

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// `databases`: fixed at open.
    pub databases: usize,
    /// `appendonly`: whether effects go to the store.
    pub append_only: bool,
    /// `appendfsync`.
    pub append_fsync: AppendFsync,
    /// `auto-aof-rewrite-percentage`: by how much the log has to grow; 0 for never.
    pub rewrite_percentage: u64,
    /// `auto-aof-rewrite-min-size` in bytes.
    pub rewrite_min_size: u64,
    /// `notify-keyspace-events`: bits of [`super::notify::class`].
    pub notify: u32,
    /// `client-output-buffer-limit`.
    pub output_limits: OutputLimits,
    /// `client-query-buffer-limit` in bytes.
    pub query_buffer_limit: u64,
    /// `maxclients`.
    pub max_clients: u32,
    /// `timeout`: how long a connection may be silent, in seconds; 0 for ever.
    pub timeout_s: u32,
    /// `tcp-keepalive` in seconds; 0 for never.
    pub tcp_keepalive_s: u32,
    /// `proto-max-bulk-len` in bytes.
    pub proto_max_bulk_len: usize,
    /// `busy-reply-threshold`: how long a script may run, in milliseconds, or what is taken for one.
    pub busy_reply_threshold: usize,
    /// Where encodings change.
    pub limits: Limits,
    /// What is freed bit by bit.
    pub lazyfree: LazyFreeSettings,
    /// How much memory may be used, and what goes when that is not enough.
    pub maxmemory: MaxMemory,
    /// `tracking-table-max-keys`: of how many keys it is remembered who has read them; 0 for any number.
    pub tracking_table_max_keys: usize,
    /// `slowlog-log-slower-than`: microseconds; -1, as here by default, for no slow log: the clock is
    /// slower than most commands.
    pub slowlog_log_slower_than: i64,
    /// `slowlog-max-len`: entries.
    pub slowlog_max_len: usize,
    /// `latency-monitor-threshold`: milliseconds; 0 for no monitor.
    pub latency_monitor_threshold: usize,
    /// `latency-tracking`: whether every command is measured. In Redis it is.
    pub latency_tracking: bool,
    /// `enable-debug-command`: fixed at open.
    pub debug_command: DebugCommand,
    /// Whether any setting asks how long commands take.
    pub(super) is_timed: bool,
    /// Who may do what.
    pub(super) acl: Acl,
    /// `requirepass`: as it was last set here.
    pub(super) requirepass: Vec<u8>,
    /// `acllog-max-len`: entries.
    pub acllog_max_len: usize,
    /// `save`: after so many seconds, if there were so many changes. Empty where there is no file.
    pub save: Vec<(u32, u32)>,
    /// Whether there is a file to save to.
    pub has_file: bool,
    /// `stop-writes-on-bgsave-error`.
    pub stop_writes_on_bgsave_error: bool,
    /// Counts changes by CONFIG SET, so that a host can see that there was one.
    pub generation: u64,
    /// What CONFIG SET has changed, in the order of the names.
    pub(super) changed: Vec<&'static str>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            databases: 16,
            append_only: false,
            append_fsync: AppendFsync::Everysec,
            rewrite_percentage: 100,
            rewrite_min_size: REWRITE_MIN_SIZE,
            notify: 0,
            output_limits: OutputLimits::default(),
            query_buffer_limit: 1 << 30,
            max_clients: 10_000,
            timeout_s: 0,
            tcp_keepalive_s: 300,
            proto_max_bulk_len: 512 * 1024 * 1024,
            busy_reply_threshold: 5000,
            limits: Limits::default(),
            lazyfree: LazyFreeSettings::default(),
            maxmemory: MaxMemory::default(),
            tracking_table_max_keys: 1_000_000,
            slowlog_log_slower_than: -1,
            slowlog_max_len: 128,
            latency_monitor_threshold: 0,
            latency_tracking: false,
            debug_command: DebugCommand::default(),
            is_timed: false,
            acl: Acl::default(),
            requirepass: Vec::new(),
            acllog_max_len: 128,
            save: Vec::new(),
            has_file: false,
            stop_writes_on_bgsave_error: true,
            generation: 0,
            changed: Vec::new(),
        }
    }
}

/// One parameter of CONFIG: how it is read, and how it is changed.
pub struct Parameter {
    /// Lower case.
    pub name: &'static str,
    get: fn(&Config) -> String,
    /// `None` for one that cannot be changed.
    set: Option<Setter>,
}

/// Changes a setting; the error is the reason, for CONFIG SET to wrap.
type Setter = fn(&mut Config, &[u8]) -> Result<(), String>;

/// A parameter that is one of the [`Limits`]; `parse` reads a count or a memory size.
macro_rules! limit {
    ($name:literal, $field:ident, $parse:ident) => {
        Parameter {
            name: $name,
            get: |config| config.limits.$field.to_string(),
            set: Some(|config, value| {
                config.limits.$field = $parse(value)?;
                Ok(())
            }),
        }
    };
}

/// A parameter that is one of the [`LazyFreeSettings`].
macro_rules! lazyfree {
    ($name:literal, $field:ident) => {
        Parameter {
            name: $name,
            get: |config| yes_or_no(config.lazyfree.$field),
            set: Some(|config, value| {
                config.lazyfree.$field = parse_yes_or_no(value)?;
                Ok(())
            }),
        }
    };
}

/// A parameter that is one of the [`MaxMemory`] numbers, with the least and the most that it can be.
macro_rules! maxmemory {
    ($name:literal, $field:ident, $min:literal, $max:expr) => {
        Parameter {
            name: $name,
            get: |config| config.maxmemory.$field.to_string(),
            set: Some(|config, value| {
                config.maxmemory.$field = parse_within(value, $min, $max)?;
                Ok(())
            }),
        }
    };
}

/// A parameter that is a number, with the least and the most that it can be.
macro_rules! within {
    ($name:literal, $field:ident, $min:literal, $max:expr) => {
        Parameter {
            name: $name,
            get: |config| config.$field.to_string(),
            set: Some(|config, value| {
                config.$field = parse_within(value, $min, $max)?;
                Ok(())
            }),
        }
    };
}

/// A parameter that is a number.
macro_rules! number {
    ($name:literal, $field:ident) => {
        Parameter {
            name: $name,
            get: |config| config.$field.to_string(),
            set: Some(|config, value| {
                config.$field = parse_count(value)?;
                Ok(())
            }),
        }
    };
}

/// Every parameter: those that can be changed, then facts that clients ask for.
pub static PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "appendonly",
        get: |config| yes_or_no(config.append_only),
        set: Some(|config, value| {
            config.append_only = parse_yes_or_no(value)?;
            Ok(())
        }),
    },
    Parameter {
        name: "appendfsync",
        get: |config| config.append_fsync.name().to_owned(),
        set: Some(|config, value| {
            config.append_fsync = AppendFsync::parse(value)?;
            Ok(())
        }),
    },
    Parameter {
        name: "auto-aof-rewrite-percentage",
        get: |config| config.rewrite_percentage.to_string(),
        set: Some(|config, value| {
            config.rewrite_percentage = parse_count(value)? as u64;
            Ok(())
        }),
    },
    Parameter {
        name: "auto-aof-rewrite-min-size",
        get: |config| config.rewrite_min_size.to_string(),
        set: Some(|config, value| {
            config.rewrite_min_size =
                parse_memory(value).ok_or("argument must be a memory value")?;
            Ok(())
        }),
    },
    Parameter {
        name: "tracking-table-max-keys",
        get: |config| config.tracking_table_max_keys.to_string(),
        set: Some(|config, value| {
            config.tracking_table_max_keys = parse_count(value)?;
            Ok(())
        }),
    },
    Parameter {
        name: "notify-keyspace-events",
        get: |config| format_classes(config.notify),
        set: Some(|config, value| {
            config.notify = parse_classes(value)
                .ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
            Ok(())
        }),
    },
    Parameter {
        name: "proto-max-bulk-len",
        get: |config| config.proto_max_bulk_len.to_string(),
        set: Some(|config, value| {
            let bytes = parse_long_memory(value)?;
            // More than the address space holds is no limit at all.
            config.proto_max_bulk_len = usize::try_from(bytes).unwrap_or(usize::MAX);
            Ok(())
        }),
    },
    Parameter {
        name: "client-query-buffer-limit",
        get: |config| config.query_buffer_limit.to_string(),
        set: Some(|config, value| {
            config.query_buffer_limit = parse_long_memory(value)?;
            Ok(())
        }),
    },
    Parameter {
        name: "client-output-buffer-limit",
        get: |config| config.output_limits.text(),
        set: Some(|config, value| config.output_limits.set(value)),
    },
    within!("maxclients", max_clients, 1, u32::MAX),
    within!("timeout", timeout_s, 0, i32::MAX as u32),
    within!("tcp-keepalive", tcp_keepalive_s, 0, i32::MAX as u32),
    number!("busy-reply-threshold", busy_reply_threshold),
    Parameter {
        name: "slowlog-log-slower-than",
        get: |config| config.slowlog_log_slower_than.to_string(),
        set: Some(|config, value| {
            let value = parse_integer(value).ok_or(NOT_A_NUMBER)?;
            if value < -1 {
                return Err(format!("argument must be between -1 and {} inclusive", i64::MAX));
            }
            config.slowlog_log_slower_than = value;
            Ok(())
        }),
    },
    number!("latency-monitor-threshold", latency_monitor_threshold),
    Parameter {
        name: "latency-tracking",
        get: |config| yes_or_no(config.latency_tracking),
        set: Some(|config, value| {
            config.latency_tracking = parse_yes_or_no(value)?;
            Ok(())
        }),
    },
    number!("slowlog-max-len", slowlog_max_len),
    number!("acllog-max-len", acllog_max_len),
    Parameter {
        name: "acl-pubsub-default",
        get: |config| {
            (if config.acl.all_channels { ALL_CHANNELS } else { NO_CHANNELS }).1.to_owned()
        },
        set: Some(|config, value| {
            config.acl.all_channels = parse_name(&[ALL_CHANNELS, NO_CHANNELS], value)?;
            Ok(())
        }),
    },
    Parameter {
        name: "requirepass",
        get: |config| String::from_utf8_lossy(&config.requirepass).into_owned(),
        set: Some(|config, value| {
            config.acl.set_password(value);
            config.requirepass = value.to_vec();
            Ok(())
        }),
    },
    number!("lua-time-limit", busy_reply_threshold),
    limit!("list-max-listpack-size", list_max_listpack_size, parse_int),
    limit!("list-max-ziplist-size", list_max_listpack_size, parse_int),
    limit!("hash-max-listpack-entries", hash_max_listpack_entries, parse_count),
    limit!("hash-max-ziplist-entries", hash_max_listpack_entries, parse_count),
    limit!("hash-max-listpack-value", hash_max_listpack_value, parse_size),
    limit!("hash-max-ziplist-value", hash_max_listpack_value, parse_size),
    limit!("set-max-intset-entries", set_max_intset_entries, parse_count),
    limit!("set-max-listpack-entries", set_max_listpack_entries, parse_count),
    limit!("set-max-listpack-value", set_max_listpack_value, parse_size),
    limit!("zset-max-listpack-entries", zset_max_listpack_entries, parse_count),
    limit!("zset-max-ziplist-entries", zset_max_listpack_entries, parse_count),
    limit!("zset-max-listpack-value", zset_max_listpack_value, parse_size),
    limit!("zset-max-ziplist-value", zset_max_listpack_value, parse_size),
    limit!("hll-sparse-max-bytes", hll_sparse_max_bytes, parse_size),
    limit!("stream-node-max-bytes", stream_node_max_bytes, parse_size),
    limit!("stream-node-max-entries", stream_node_max_entries, parse_count),
    lazyfree!("lazyfree-lazy-eviction", eviction),
    lazyfree!("lazyfree-lazy-expire", expire),
    lazyfree!("lazyfree-lazy-server-del", server_del),
    lazyfree!("lazyfree-lazy-user-del", user_del),
    lazyfree!("lazyfree-lazy-user-flush", user_flush),
    Parameter {
        name: "maxmemory",
        get: |config| config.maxmemory.bytes.to_string(),
        set: Some(|config, value| {
            config.maxmemory.bytes = parse_memory(value).ok_or(NOT_A_SIZE)?;
            Ok(())
        }),
    },
    Parameter {
        name: "maxmemory-policy",
        get: |config| config.maxmemory.policy.name().to_owned(),
        set: Some(|config, value| {
            config.maxmemory.policy = Policy::parse(value)?;
            Ok(())
        }),
    },
    maxmemory!("maxmemory-samples", samples, 1, i32::MAX as u32),
    maxmemory!("maxmemory-eviction-tenacity", tenacity, 0, 100),
    maxmemory!("lfu-log-factor", lfu_log_factor, 0, i32::MAX as u32),
    maxmemory!("lfu-decay-time", lfu_decay_time, 0, i32::MAX as u32),
    Parameter { name: "databases", get: |config| config.databases.to_string(), set: None },
    Parameter {
        name: "enable-debug-command",
        get: |config| {
            let known = DebugCommand::NAMES.iter().find(|known| known.0 == config.debug_command);
            known.map_or_else(String::new, |(_, name)| (*name).to_owned())
        },
        set: None,
    },
    Parameter {
        name: "save",
        get: |config| {
            if !HOSTED {
                return String::new();
            }
            let words = config.save.iter().map(|(seconds, changes)| format!("{seconds} {changes}"));
            words.collect::<Vec<_>>().join(" ")
        },
        set: Some(|config, value| {
            if !HOSTED {
                return Err(IMMUTABLE.to_owned());
            }
            let save = parse_save(value).ok_or("Invalid save parameters")?;
            if !save.is_empty() && !config.has_file {
                return Err("there is no file to save to".to_owned());
            }
            config.save = save;
            Ok(())
        }),
    },
    Parameter {
        name: "stop-writes-on-bgsave-error",
        get: |config| yes_or_no(config.stop_writes_on_bgsave_error),
        set: Some(|config, value| {
            config.stop_writes_on_bgsave_error = parse_yes_or_no(value)?;
            Ok(())
        }),
    },
    Parameter { name: "aclfile", get: |_| String::new(), set: None },
    Parameter { name: "cluster-enabled", get: |_| "no".to_owned(), set: None },
];

impl Parameter {
    /// The value, as CONFIG GET answers it.
    pub fn value(&self, config: &Config) -> String {
        (self.get)(config)
    }
}

impl AppendFsync {
    /// Each with its name, in Redis's order.
    const NAMES: &[(Self, &str)] =
        &[(Self::Everysec, "everysec"), (Self::Always, "always"), (Self::No, "no")];

    /// The name in CONFIG.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(value, _)| *value == self).map_or("", |(_, name)| name)
    }

    fn parse(word: &[u8]) -> Result<Self, String> {
        parse_name(Self::NAMES, word)
    }
}

/// What a word names, in any case.
pub(super) fn parse_name<T: Copy>(names: &[(T, &str)], word: &[u8]) -> Result<T, String> {
    let found = names.iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(value, _)| *value).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
        format!("argument(s) must be one of the following: {}", names.join(", "))
    })
}

const ALL_CHANNELS: (bool, &str) = (true, "allchannels");
const NO_CHANNELS: (bool, &str) = (false, "resetchannels");

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn parse_yes_or_no(word: &[u8]) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err("argument must be 'yes' or 'no'".to_owned()),
    }
}

const IMMUTABLE: &str = "can't set immutable config";
const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";
const NOT_A_NUMBER: &str = "argument couldn't be parsed into an integer";
const NOT_A_SIZE: &str = "argument must be a memory value";
/// What a client may send is limited to no less.
const LONG_MIN: u64 = 1024 * 1024;

fn parse_long_memory(word: &[u8]) -> Result<u64, String> {
    let bytes = parse_memory(word).ok_or(NOT_A_SIZE)?;
    if bytes < LONG_MIN || i64::try_from(bytes).is_err() {
        return Err(format!("argument must be between {LONG_MIN} and {} inclusive", i64::MAX));
    }
    Ok(bytes)
}

/// Seconds and changes in turn.
fn parse_save(text: &[u8]) -> Option<Vec<(u32, u32)>> {
    let words: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
    if words == [b""] {
        return Some(Vec::new());
    }
    let (pairs, rest) = words.as_chunks::<2>();
    let number = |word: &[u8], min: u32| parse_within(word, min, i32::MAX as u32).ok();
    let points: Option<_> =
        pairs.iter().map(|[s, changes]| Some((number(s, 1)?, number(changes, 0)?))).collect();
    points.filter(|_| rest.is_empty())
}

fn parse_int(word: &[u8]) -> Result<i32, String> {
    let value = parse_integer(word).ok_or(NOT_A_NUMBER)?;
    value
        .try_into()
        .map_err(|_| format!("argument must be between {} and {} inclusive", i32::MIN, i32::MAX))
}

fn parse_within(word: &[u8], min: u32, max: u32) -> Result<u32, String> {
    let value = parse_integer(word).ok_or(NOT_A_NUMBER)?;
    let value = u32::try_from(value).ok().filter(|value| (min..=max).contains(value));
    value.ok_or_else(|| format!("argument must be between {min} and {max} inclusive"))
}

fn parse_count(word: &[u8]) -> Result<usize, String> {
    let value = parse_integer(word).ok_or(NOT_A_NUMBER)?;
    let value = u64::try_from(value)
        .map_err(|_| format!("argument must be between 0 and {} inclusive", i64::MAX))?;
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}

fn parse_size(word: &[u8]) -> Result<usize, String> {
    let bytes = parse_memory(word).ok_or(NOT_A_SIZE)?;
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// A number of bytes with an optional unit: `k` is 1000, `kb` 1024, and so on up to `gb`.
pub(super) fn parse_memory(word: &[u8]) -> Option<u64> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = word.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    std::str::from_utf8(number).ok()?.parse::<u64>().ok()?.checked_mul(factor)
}

/// The parameter called `name`, in any case.
pub fn parameter(name: &[u8]) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|known| name.eq_ignore_ascii_case(known.name.as_bytes()))
}

impl Config {
    /// Changes settings, all of `pairs` or none.
    ///
    /// # Errors
    /// Redis's own, for an unknown, repeated or immutable parameter and for a value that does not
    /// fit; then nothing has changed.
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let mut changed = self.clone();
        let mut setters = Vec::with_capacity(pairs.len());
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in pairs {
            let Some(parameter) = parameter(name) else {
                let text = b"ERR Unknown option or number of arguments for CONFIG SET - '";
                return Err(Error::new([text, *name, b"'"].concat()));
            };
            let Some(set) = parameter.set else {
                return Err(failed(parameter.name, IMMUTABLE));
            };
            if seen.contains(&parameter.name) {
                return Err(failed(parameter.name, "duplicate parameter"));
            }
            seen.push(parameter.name);
            setters.push((parameter.name, set, value));
        }
        for (name, set, value) in setters {
            set(&mut changed, value).map_err(|why| failed(name, &why))?;
        }
        changed.generation += 1;
        changed.look_at_timing();
        *self = changed;
        Ok(())
    }

    fn look_at_timing(&mut self) {
        self.is_timed = self.slowlog_log_slower_than >= 0
            || self.latency_monitor_threshold > 0
            || self.latency_tracking;
    }
}

impl Config {
    /// Sets what is given when the engine begins, also what cannot be changed later.
    ///
    /// # Errors
    /// The reason alone.
    pub fn configure(&mut self, name: &str, value: &str) -> Result<(), String> {
        let set = parameter(name.as_bytes()).and_then(|known| known.set);
        set.ok_or(BAD_DIRECTIVE)?(self, value.as_bytes())?;
        self.look_at_timing();
        Ok(())
    }

    /// A line of rules for each user, if there is anything to tell.
    pub fn users(&self) -> Vec<Vec<u8>> {
        self.acl.lines()
    }

    /// As [`Config::set`]; [`Config::changes`] tells of it from then on.
    pub fn change(&mut self, pairs: &[(&[u8], &[u8])]) -> Result<(), Error> {
        self.set(pairs)?;
        for known in pairs.iter().filter_map(|(name, _)| parameter(name)) {
            if let Err(at) = self.changed.binary_search(&known.name) {
                self.changed.insert(at, known.name);
            }
        }
        Ok(())
    }

    /// What was changed since the engine began, for [`Config::adopt`]: names and values in turn, each
    /// after its length (u32, little-endian); of users, lines of rules.
    pub fn changes(&self) -> Vec<u8> {
        let known = self.changed.iter().filter_map(|name| parameter(name.as_bytes()));
        let settings = known.map(|known| (known.name, known.value(self).into_bytes()));
        let users = self.acl.lines().into_iter().map(|line| (USER, line));
        settings.chain(users).fold(Vec::new(), |mut bytes, (name, value)| {
            for word in [name.as_bytes(), &value] {
                bytes.extend_from_slice(&(word.len() as u32).to_le_bytes());
                bytes.extend_from_slice(word);
            }
            bytes
        })
    }

    /// Changes what another engine's [`Config::changes`] tells, all of it or nothing.
    pub fn adopt(&mut self, mut changes: &[u8]) {
        let mut words = Vec::new();
        while let Some((len, rest)) = changes.split_first_chunk() {
            let Some((word, rest)) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)
            else {
                return;
            };
            words.push(word);
            changes = rest;
        }
        let (pairs, _) = words.as_chunks::<2>();
        let pairs: Vec<(&[u8], &[u8])> =
            pairs.iter().map(|[name, value]| (*name, *value)).collect();
        // Users come last.
        let settings = pairs.iter().take_while(|(name, _)| *name != USER.as_bytes()).count();
        let (settings, users) = pairs.split_at(settings);
        if !settings.is_empty() {
            // One of another version, with other settings, keeps its own.
            let _ = self.change(settings);
        }
        if !users.is_empty() {
            self.acl.adopt(users);
        }
    }
}

/// What [`Config::changes`] calls a user.
const USER: &str = "user";

pub(super) fn failed(name: &str, why: &str) -> Error {
    Error::new(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_adopted_whole_or_not() {
        let mut config = Config::default();
        config.set(&[(b"maxmemory", b"1mb")]).unwrap();
        assert_eq!(config.changes(), []);
        config.change(&[(b"Appendfsync", b"always"), (b"notify-keyspace-events", b"KEA")]).unwrap();
        config.change(&[(b"appendfsync", b"no")]).unwrap();
        let changes = config.changes();
        let mut other = Config::default();
        for bad in
            [&changes[..changes.len() - 1], b"\x01\0\0\0x\0\0\0\0", b"\xff\xff\xff\xff", b"x", b""]
        {
            other.adopt(bad);
            assert_eq!((other.generation, other.changes()), (0, Vec::new()));
        }
        other.adopt(&changes);
        assert_eq!((other.append_fsync, other.notify), (AppendFsync::No, config.notify));
        assert_eq!((other.changes(), other.maxmemory.bytes), (changes, 0));
    }
}
