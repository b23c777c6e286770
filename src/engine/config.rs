//! Settings that CONFIG reads and changes.
//!
//! A parameter is here only if it is honoured, or states a fact.

use super::error::Error;
use super::notify::{format_classes, parse_classes};

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

/// The settings in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// `databases`: fixed at open.
    pub databases: usize,
    /// `appendonly`: whether effects go to the store.
    pub append_only: bool,
    /// `appendfsync`.
    pub append_fsync: AppendFsync,
    /// `notify-keyspace-events`: bits of [`super::notify::class`].
    pub notify: u32,
    /// `proto-max-bulk-len` in bytes.
    pub proto_max_bulk_len: usize,
    /// Counts changes by CONFIG SET, so that a host can see that there was one.
    pub generation: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            databases: 16,
            append_only: false,
            append_fsync: AppendFsync::Everysec,
            notify: 0,
            proto_max_bulk_len: 512 * 1024 * 1024,
            generation: 0,
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
            config.proto_max_bulk_len = parse_bulk_len(value)?;
            Ok(())
        }),
    },
    Parameter { name: "databases", get: |config| config.databases.to_string(), set: None },
    Parameter { name: "save", get: |_| String::new(), set: None },
    Parameter { name: "maxmemory", get: |_| "0".to_owned(), set: None },
    Parameter { name: "maxmemory-policy", get: |_| "noeviction".to_owned(), set: None },
    Parameter { name: "requirepass", get: |_| String::new(), set: None },
    Parameter { name: "timeout", get: |_| "0".to_owned(), set: None },
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
        let found = Self::NAMES.iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(value, _)| *value).ok_or_else(|| {
            let names: Vec<&str> = Self::NAMES.iter().map(|(_, name)| *name).collect();
            format!("argument(s) must be one of the following: {}", names.join(", "))
        })
    }
}

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

const BULK_LEN_MIN: u64 = 1024 * 1024;

fn parse_bulk_len(word: &[u8]) -> Result<usize, String> {
    let bytes = parse_memory(word).ok_or("argument must be a memory value")?;
    let outside = || format!("argument must be between {BULK_LEN_MIN} and {} inclusive", i64::MAX);
    if bytes < BULK_LEN_MIN || i64::try_from(bytes).is_err() {
        return Err(outside());
    }
    // More than the address space holds is no limit at all.
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// A number of bytes with an optional unit: `k` is 1000, `kb` 1024, and so on up to `gb`.
fn parse_memory(word: &[u8]) -> Option<u64> {
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
                return Err(failed(parameter.name, "can't set immutable config"));
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
        *self = changed;
        Ok(())
    }
}

fn failed(name: &str, why: &str) -> Error {
    Error::new(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
}
