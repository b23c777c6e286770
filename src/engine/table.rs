//! What a command is: the declaration from which everything about it is derived.

use super::args::Args;
use super::context::Ctx;
use super::error::Error;
use crate::resp::Writer;

/// Runs a command: reads its arguments, changes the keyspace, writes its reply.
///
/// A handler either writes exactly one reply and answers `Ok`, or changes nothing and answers the
/// error that becomes the reply.
pub type Handler =
    for<'c, 'a, 'w> fn(&mut Ctx<'c>, &mut Args<'a>, &mut Writer<'w>) -> Result<(), Error>;

/// A command, declared once, beside its handler.
#[derive(Clone, Copy)]
pub struct Command {
    /// Lower case. A subcommand has its own name only (`get` in `config`).
    pub name: &'static str,
    /// `None` for a container that has only subcommands.
    pub handler: Option<Handler>,
    /// Words in the command, its name (and subcommand) included; negative for a minimum.
    pub arity: i32,
    /// A sum of [`flag`]s.
    pub flags: u32,
    /// Categories beyond those that flags and group imply; a sum of [`acl`] bits.
    pub acl: u32,
    /// Where the keys are.
    pub keys: &'static [KeySpec],
    /// The group of the Redis command reference.
    pub group: Group,
    /// The Redis version that first had the command.
    pub since: &'static str,
    /// Time complexity, as the reference states it.
    pub complexity: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Arguments in the notation of [`crate::engine::syntax`].
    pub syntax: &'static str,
    /// The TypeScript type of the reply; empty on `wasm32`. Written with [`ts`].
    pub reply: &'static str,
    /// Command tips of the reference (`nondeterministic_output`, …).
    pub tips: &'static [&'static str],
    /// `(since, replaced by)` for a command that the reference calls deprecated.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Subcommands of a container.
    pub subcommands: &'static [Command],
}

impl Command {
    /// What a declaration leaves out.
    pub const BASE: Self = Self {
        name: "",
        handler: None,
        arity: 0,
        flags: 0,
        acl: 0,
        keys: &[],
        group: Group::Generic,
        since: "1.0.0",
        complexity: "",
        summary: "",
        syntax: "",
        reply: "",
        tips: &[],
        deprecated: None,
        subcommands: &[],
    };

    /// Whether all of `flags` are set.
    pub const fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// Whether a command of `words` words can run: it has a handler, and they fit its arity.
    #[inline]
    pub fn can_run(&self, words: usize) -> bool {
        self.handler.is_some() && self.accepts(words)
    }

    /// Whether a command of `words` words fits the arity.
    #[inline]
    pub fn accepts(&self, words: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { words >= wanted } else { words == wanted }
    }
}

/// Keeps text that only code generation reads out of the wasm file.
pub const fn ts(text: &'static str) -> &'static str {
    if cfg!(target_arch = "wasm32") { "" } else { text }
}

/// Command flags, with the names that `COMMAND INFO` gives them.
pub mod flag {
    /// May change the keyspace.
    pub const WRITE: u32 = 1 << 0;
    /// Reads the keyspace and changes nothing.
    pub const READONLY: u32 = 1 << 1;
    /// Refused when memory is short.
    pub const DENYOOM: u32 = 1 << 2;
    /// For administrators.
    pub const ADMIN: u32 = 1 << 3;
    /// About channels.
    pub const PUBSUB: u32 = 1 << 4;
    /// Not from a script.
    pub const NOSCRIPT: u32 = 1 << 5;
    /// May block the session.
    pub const BLOCKING: u32 = 1 << 6;
    /// Allowed while the data is being loaded.
    pub const LOADING: u32 = 1 << 7;
    /// Allowed on a replica whose data is out of date.
    pub const STALE: u32 = 1 << 8;
    /// Not shown by MONITOR.
    pub const SKIP_MONITOR: u32 = 1 << 9;
    /// Not in the slow log.
    pub const SKIP_SLOWLOG: u32 = 1 << 10;
    /// Runs in constant or logarithmic time.
    pub const FAST: u32 = 1 << 11;
    /// Allowed before AUTH.
    pub const NO_AUTH: u32 = 1 << 12;
    /// May replicate although it is not a write. Not shown.
    pub const MAY_REPLICATE: u32 = 1 << 13;
    /// Not inside MULTI.
    pub const NO_MULTI: u32 = 1 << 14;
    /// Keys depend on more than position.
    pub const MOVABLEKEYS: u32 = 1 << 15;
    /// Allowed while another command is being executed asynchronously.
    pub const ALLOW_BUSY: u32 = 1 << 16;
    /// Not from an asynchronous loading.
    pub const NO_ASYNC_LOADING: u32 = 1 << 17;

    /// May be given no key, where it takes some.
    pub const NO_MANDATORY_KEYS: u32 = 1 << 18;

    /// Makes something as large as the values at its keys. Not a flag of Redis, and not shown.
    pub const COPIES: u32 = 1 << 31;

    /// Every flag with its name, in the order of Redis's own list.
    pub const NAMES: &[(u32, &str)] = &[
        (WRITE, "write"),
        (READONLY, "readonly"),
        (DENYOOM, "denyoom"),
        (ADMIN, "admin"),
        (PUBSUB, "pubsub"),
        (NOSCRIPT, "noscript"),
        (BLOCKING, "blocking"),
        (LOADING, "loading"),
        (STALE, "stale"),
        (SKIP_MONITOR, "skip_monitor"),
        (SKIP_SLOWLOG, "skip_slowlog"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MULTI, "no_multi"),
        (NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (MOVABLEKEYS, "movablekeys"),
        (ALLOW_BUSY, "allow_busy"),
        (NO_ASYNC_LOADING, "no_async_loading"),
    ];
}

/// ACL categories that a declaration adds to the implied ones.
pub mod acl {
    /// `@keyspace`.
    pub const KEYSPACE: u32 = 1 << 0;
    /// `@dangerous`.
    pub const DANGEROUS: u32 = 1 << 1;
    /// `@connection`.
    pub const CONNECTION: u32 = 1 << 2;
    /// `@transaction`.
    pub const TRANSACTION: u32 = 1 << 3;
    /// `@scripting`.
    pub const SCRIPTING: u32 = 1 << 4;
    /// `@string`.
    pub const STRING: u32 = 1 << 5;
    /// `@bitmap`.
    pub const BITMAP: u32 = 1 << 6;
    /// `@admin`, without the flag.
    pub const ADMIN: u32 = 1 << 7;
    /// `@set`.
    pub const SET: u32 = 1 << 8;
    /// `@sortedset`.
    pub const SORTED_SET: u32 = 1 << 9;
    /// `@list`.
    pub const LIST: u32 = 1 << 10;
}

/// The groups of the Redis command reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Group {
    Generic,
    String,
    List,
    Hash,
    Set,
    SortedSet,
    Stream,
    Bitmap,
    Hyperloglog,
    Geo,
    Connection,
    Transactions,
    Pubsub,
    Scripting,
    Server,
    Cluster,
}

impl Group {
    /// The name in `COMMAND DOCS` and `COMMAND LIST FILTERBY`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::String => "string",
            Self::List => "list",
            Self::Hash => "hash",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Stream => "stream",
            Self::Bitmap => "bitmap",
            Self::Hyperloglog => "hyperloglog",
            Self::Geo => "geo",
            Self::Connection => "connection",
            Self::Transactions => "transactions",
            Self::Pubsub => "pubsub",
            Self::Scripting => "scripting",
            Self::Server => "server",
            Self::Cluster => "cluster",
        }
    }
}

/// Where some of a command's keys are, and what happens to them.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// A sum of [`key`] flags.
    pub flags: u32,
    /// Where to begin looking.
    pub begin: Begin,
    /// How the keys lie from there.
    pub find: Find,
}

/// Where a key specification begins.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// At a fixed word of the command, 0 being its name.
    Index(i32),
    /// After a keyword, looked for from a word on (negative: from the end, backwards).
    Keyword(&'static str, i32),
    /// Where no rule leads: the function answers the word, if there is such a key.
    Unknown(fn(&[&[u8]]) -> Option<usize>),
}

/// How keys lie from where a specification begins.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// In a row.
    Range {
        /// The last key, relative to the first; negative counts from the end.
        last: i32,
        /// Words from one key to the next.
        step: i32,
        /// Takes only `1 / limit` of the words left, if above 1.
        limit: i32,
    },
    /// As many as a number among the arguments says.
    Keynum {
        /// Where the count is, relative to the beginning.
        index: i32,
        /// Where the first key is, relative to the beginning.
        first: i32,
        /// Words from one key to the next.
        step: i32,
    },
}

impl KeySpec {
    /// One key at word `index`.
    pub const fn at(index: i32, flags: u32) -> Self {
        Self { flags, begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 } }
    }

    /// One key where no rule leads.
    pub const fn unknown(find: fn(&[&[u8]]) -> Option<usize>, flags: u32) -> Self {
        let begin = Begin::Unknown(find);
        Self { flags, begin, find: Find::Range { last: 0, step: 1, limit: 0 } }
    }

    /// Keys from word `index` on, every `step` words, up to `last` (-1: to the end).
    pub const fn from(index: i32, last: i32, step: i32, flags: u32) -> Self {
        Self { flags, begin: Begin::Index(index), find: Find::Range { last, step, limit: 0 } }
    }
}

/// Key flags, with the names that `COMMAND INFO` gives them.
pub mod key {
    /// Read and written.
    pub const RW: u32 = 1 << 0;
    /// Read.
    pub const RO: u32 = 1 << 1;
    /// Overwritten without being read.
    pub const OW: u32 = 1 << 2;
    /// Removed.
    pub const RM: u32 = 1 << 3;
    /// The value is answered or copied.
    pub const ACCESS: u32 = 1 << 4;
    /// The value is changed.
    pub const UPDATE: u32 = 1 << 5;
    /// Something is added to the value.
    pub const INSERT: u32 = 1 << 6;
    /// Something is removed from the value.
    pub const DELETE: u32 = 1 << 7;
    /// Not a key, but routed like one (a shard channel).
    pub const NOT_KEY: u32 = 1 << 8;
    /// The specification may miss keys.
    pub const INCOMPLETE: u32 = 1 << 9;
    /// The access depends on the arguments.
    pub const VARIABLE_FLAGS: u32 = 1 << 10;

    /// Makes something as large as the values at its keys. Not a flag of Redis, and not shown.
    pub const COPIES: u32 = 1 << 31;

    /// Every flag with its name, in the order of Redis's own list.
    pub const NAMES: &[(u32, &str)] = &[
        (RW, "RW"),
        (RO, "RO"),
        (OW, "OW"),
        (RM, "RM"),
        (ACCESS, "access"),
        (UPDATE, "update"),
        (INSERT, "insert"),
        (DELETE, "delete"),
        (NOT_KEY, "not_key"),
        (INCOMPLETE, "incomplete"),
        (VARIABLE_FLAGS, "variable_flags"),
    ];
}
