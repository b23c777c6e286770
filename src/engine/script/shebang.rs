//! The first line of a script that says how it is to be run: `#!lua flags=no-writes,allow-oom`.

use crate::engine::error::Error;

/// What a script may do, as it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// It began with a shebang: what it does not say, it must not do.
    pub declared: bool,
    /// It only reads.
    pub no_writes: bool,
    /// It may run when memory is short.
    pub allow_oom: bool,
}

/// The names of all flags; those that matter only in a cluster, or to a replica without its master,
/// change nothing here. Nor does the last, which Upstash has and Redis has not: its clients send it.
const NAMES: [&[u8]; 6] = [
    b"no-writes",
    b"allow-oom",
    b"allow-stale",
    b"no-cluster",
    b"allow-cross-slot-keys",
    b"allow-key-locking",
];

impl Flags {
    /// Sets the flag with this name; whether there is one.
    pub fn set(&mut self, name: &[u8]) -> bool {
        self.no_writes |= name == b"no-writes";
        self.allow_oom |= name == b"allow-oom";
        NAMES.contains(&name)
    }
}

fn bad(text: &str, what: &[u8]) -> Error {
    Error::new([b"ERR ", text.as_bytes(), what].concat())
}

/// The flags of a script, and what there is to compile, from the end of the first line on.
///
/// # Errors
/// It begins with a shebang that says something else.
pub fn parse(body: &[u8]) -> Result<(Flags, &[u8]), Error> {
    let mut flags = Flags::default();
    if !body.starts_with(b"#!") {
        return Ok((flags, body));
    }
    let Some(end) = memchr::memchr(b'\n', body) else {
        return Err(Error::fixed("ERR Invalid script shebang"));
    };
    let (line, rest) = body.split_at(end);
    let mut words = line.split(|byte| *byte == b' ');
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(bad("Unexpected engine in script shebang: ", engine));
    }
    flags.declared = true;
    for word in words {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return Err(bad("Unknown lua shebang option: ", word));
        };
        for name in names.split(|byte| *byte == b',').filter(|_| !names.is_empty()) {
            if !flags.set(name) {
                return Err(bad("Unexpected flag in script shebang: ", name));
            }
        }
    }
    Ok((flags, rest))
}
