//! The engine: everything Redis does with data, as a state machine.
//!
//! It has no clock, no randomness and no I/O of its own: the host hands in the time
//! ([`Engine::set_time`]) and a seed, and gets bytes back. The same inputs give the same bytes.
//!
//! A command comes in through [`Engine::call`] (words) or a [`Connection`] (bytes of RESP), is
//! looked up in the command table ([`table`], [`commands`]), and its handler works on a
//! [`context::Ctx`]. What it changes is recorded in the effect stream ([`effects`]). Messages for
//! other sessions wait in their outboxes until the host takes them.
#![forbid(unsafe_code)]

mod acl;
pub mod args;
mod atomic;
pub mod blocking;
mod calls;
pub mod clients;
pub mod commands;
pub mod config;
mod connection;
pub mod context;
pub mod deadlines;
mod describe;
pub mod dict;
mod digest;
mod dispatch;
pub mod effects;
pub mod error;
pub mod eviction;
mod follower;
pub mod generations;
pub mod glob;
pub mod host;
pub mod import;
mod info;
pub mod key;
mod keys;
pub mod keyspace;
pub mod last_use;
pub mod lazyfree;
pub mod libraries;
mod live;
pub mod meter;
mod monitor;
pub mod notify;
mod outbox;
pub(crate) mod pause;
pub mod pubsub;
pub mod rdb;
pub mod registry;
mod renames;
pub mod requests;
pub mod rng;
mod room;
mod script;
pub mod session;
pub mod session_state;
pub mod snapshot;
pub mod stats;
pub mod status;
pub mod syntax;
pub mod table;
mod timing;
pub mod tracking;
pub mod types;
mod undo;
mod upstream;

pub use connection::Connection;

use acl::Guard;
use atomic::Atomic;
use blocking::Waiting;
use calls::Calls;
use config::{Config, Limits};
use effects::Effects;
use eviction::Eviction;
use generations::Copied;
use keyspace::{Keyspace, Object};
use lazyfree::LazyFree;
use libraries::Libraries;
use meter::Meter;
use pause::Pause;
use pubsub::{PubSub, Space};
use registry::Registry;
use renames::Rename;
use requests::Requests;
use rng::Rng;
#[cfg(feature = "scripting")]
use script::Scripts;
use session::{SessionId, Sessions};
use snapshot::Snapshot;
use stats::Stats;
use status::PersistenceStatus;
use timing::Timing;
use tracking::Tracking;
use types::Value;

/// The Redis version whose behaviour is implemented; clients read it from HELLO and INFO.
pub const REDIS_VERSION: &str = "8.4.0";

/// What one [`Engine::tick`] does at most: keys or fields that expire, buckets that move, and parts
/// of values that are freed.
const TICK_EXPIRES: usize = 64;
const TICK_MOVES: usize = 512;
const TICK_FREES: usize = 512;

/// How an engine is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seeds hashing and every random choice.
    pub seed: u64,
    /// Unix time in microseconds.
    pub now_us: i64,
    /// How many databases there are (Redis: 16).
    pub databases: usize,
    /// What tells how much memory there is.
    pub meter: Meter,
    /// A clock that only goes forward, in microseconds since some moment: asked only where somebody
    /// wants to know how long commands take.
    pub clock: fn() -> u64,
    /// Bits that nobody can guess: asked only for passwords (ACL GENPASS).
    pub random: fn() -> u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            now_us: 0,
            databases: 16,
            meter: Meter::default(),
            clock: || 0,
            random: || 0,
        }
    }
}

/// A whole Redis, without a process around it.
pub struct Engine {
    /// The databases.
    pub keyspace: Keyspace,
    /// The stream of writes.
    pub effects: Effects,
    /// The sessions.
    pub sessions: Sessions,
    /// The subscriptions.
    pub pubsub: PubSub,
    /// The settings.
    pub config: Config,
    /// The counters.
    pub stats: Stats,
    /// What waits to be freed.
    pub lazyfree: LazyFree,
    /// What was executed for other tabs.
    pub requests: Requests,
    /// What the host has told of the log.
    pub persistence: PersistenceStatus,
    /// Random choices.
    pub rng: Rng,
    /// How many others follow the effect stream, as the host tells it.
    pub replicas: usize,
    /// Identifies this run (`INFO server`, `run_id`): 40 hexadecimal digits.
    pub run_id: String,
    /// When the engine was made: Unix time in microseconds.
    pub started_us: i64,
    /// What tells how much memory there is.
    pub(crate) meter: Meter,
    clock: fn() -> u64,
    random: fn() -> u64,
    guard: Guard,
    renames: Vec<Rename>,
    timing: Timing,
    calls: Calls,
    /// Bytes that were allocated when the engine was made.
    pub(crate) startup_bytes: usize,
    eviction: Eviction,
    registry: Registry,
    libraries: Libraries,
    #[cfg(feature = "scripting")]
    scripts: Scripts,
    waiting: Waiting,
    tracking: Option<Box<Tracking>>,
    atomic: Option<Box<Atomic>>,
    /// Who is shown what is run.
    monitors: Vec<SessionId>,
    pause: Option<Box<Pause>>,
    /// What the process around it brings.
    pub host: host::Host,
    /// SHUTDOWN: the host is to end, and takes note of that.
    pub shutdown: bool,
    /// Whether keys go when their time has come, and not only once they are looked for.
    active_expire: bool,
    /// What a replica would know the stream by: 40 hexadecimal digits.
    replication_id: String,
    now: Now,
    loading: bool,
    follower: bool,
    copied: Option<(usize, dict::Slot)>,
    /// When to look at clients that may have to go.
    clients_due_ms: i64,
    snapshot: Option<Box<Snapshot>>,
    /// Bytes of what is being loaded beside the keyspace.
    beside: usize,
}

/// 40 hexadecimal digits.
fn hex_id(rng: &mut Rng) -> String {
    (0..5).map(|_| format!("{:08x}", rng.next_u64() as u32)).collect()
}

/// One moment in three units: divisions are not cheap enough to be repeated at every command.
#[derive(Clone, Copy)]
struct Now {
    us: i64,
    ms: i64,
    s: u32,
}

impl Now {
    fn new(us: i64) -> Self {
        let s = u32::try_from(us.div_euclid(1_000_000)).unwrap_or_default();
        Self { us, ms: us.div_euclid(1000), s }
    }
}

impl Engine {
    /// An engine with an empty keyspace.
    pub fn new(options: &Options) -> Self {
        let mut rng = Rng::new(options.seed);
        let databases = options.databases.max(1);
        let run_id = hex_id(&mut rng);
        let mut engine = Self {
            keyspace: Keyspace::new(databases, &mut rng),
            effects: Effects::default(),
            sessions: Sessions::default(),
            pubsub: PubSub::new(rng.next_u64()),
            config: Config {
                databases,
                limits: Limits { hash_seed: rng.next_u64(), ..Limits::default() },
                ..Config::default()
            },
            stats: Stats::default(),
            lazyfree: LazyFree::default(),
            requests: Requests::default(),
            persistence: PersistenceStatus::default(),
            rng,
            replicas: 0,
            run_id,
            started_us: options.now_us,
            meter: options.meter,
            clock: options.clock,
            random: options.random,
            guard: Guard::default(),
            renames: Vec::new(),
            timing: Timing::default(),
            calls: Calls::new(),
            startup_bytes: 0,
            eviction: Eviction::default(),
            registry: Registry::new(),
            libraries: Libraries::default(),
            #[cfg(feature = "scripting")]
            scripts: Scripts::default(),
            waiting: Waiting::default(),
            tracking: None,
            atomic: None,
            monitors: Vec::new(),
            pause: None,
            host: host::Host::default(),
            shutdown: false,
            active_expire: true,
            replication_id: String::new(),
            now: Now::new(options.now_us),
            loading: false,
            follower: false,
            copied: None,
            clients_due_ms: 0,
            snapshot: None,
            beside: 0,
        };
        engine.replication_id.clone_from(&engine.run_id);
        engine.startup_bytes = (engine.meter.used)();
        engine
    }

    /// Another number for the stream of effects.
    pub(crate) fn change_replication_id(&mut self) {
        self.replication_id = hex_id(&mut self.rng);
    }

    /// Sets the time: Unix microseconds. It stays so until the next call, and to the end of a unit that is
    /// put together.
    pub fn set_time(&mut self, now_us: i64) {
        if now_us != self.now.us && self.atomic.is_none() {
            self.now = Now::new(now_us);
        }
    }

    /// The time in Unix microseconds.
    pub fn now_us(&self) -> i64 {
        self.now.us
    }

    /// The time in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.now.ms
    }

    /// The time in Unix seconds.
    pub(crate) fn now_s(&self) -> u32 {
        self.now.s
    }

    /// What the reply of the last command is a copy of, if it is one, and not the first one of this
    /// value. To be asked once, before anything else happens.
    pub fn take_copied(&mut self) -> Option<Copied> {
        let (db, slot) = self.copied.take()?;
        if !self.monitors.is_empty() || self.pause.is_some() {
            return None;
        }
        self.keyspace.db_mut(db).copied(slot)
    }

    /// The command table by name.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Begins a session.
    pub fn connect(&mut self) -> SessionId {
        let id = self.connect_owner();
        self.forget_user(id);
        id
    }

    /// Begins a session in the database, with the protocol, the name and the user of session `like`.
    pub fn fork(&mut self, like: SessionId) -> SessionId {
        let id = self.connect();
        let Some(session) = self.sessions.get(like) else { return id };
        let (db, protocol, name) = (session.db, session.protocol, session.name.clone());
        let (user, is_authenticated) = (session.user.clone(), session.is_authenticated);
        let acts_for = Some(session.acts_for.unwrap_or(like));
        self.set_user(id, user.as_deref(), is_authenticated);
        if let Some(session) = self.sessions.get_mut(id) {
            (session.db, session.protocol, session.name) = (db, protocol, name);
            session.acts_for = acts_for;
        }
        id
    }

    /// Ends a session: its watches, subscriptions and what it tracks go with it.
    pub fn disconnect(&mut self, id: SessionId) {
        self.unpark(id);
        self.discard(id);
        self.drop_subscriptions(id);
        self.untrack(id);
        self.end_live(id);
        self.set_monitor(id, false);
        self.sessions.close(id);
    }

    /// Marks a session for closing by its host (`CLIENT KILL`). It runs nothing any more, waits for
    /// nothing and hears nothing; the host finds it among those with messages.
    pub fn kill(&mut self, id: SessionId) {
        self.unpark(id);
        self.drop_subscriptions(id);
        self.set_monitor(id, false);
        self.sessions.kill(id);
    }

    /// Ends every subscription of a session, silently.
    pub(crate) fn drop_subscriptions(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let spaces = [
            (Space::Channel, std::mem::take(&mut session.channels)),
            (Space::Pattern, std::mem::take(&mut session.patterns)),
            (Space::Shard, std::mem::take(&mut session.shard_channels)),
        ];
        for (space, names) in spaces {
            names.iter().for_each(|name| self.pubsub.remove(space, name, id));
        }
    }

    /// Loading replays what has happened already: nothing expires, nothing is recorded, and who is
    /// blocked waits for its end.
    pub fn set_loading(&mut self, loading: bool) {
        self.loading = loading;
        self.serve_blocked();
    }

    /// Whether the log is being replayed.
    pub fn is_loading(&self) -> bool {
        self.loading
    }

    /// Does some of what is due: lets keys expire, goes on with resizes, frees what nobody needs any
    /// more. What one call does is bounded, to well below a millisecond; a host that has time calls
    /// it again. Answers when to come back: Unix milliseconds, not before now; `None` when nothing is
    /// planned.
    pub fn tick(&mut self) -> Option<i64> {
        let now = self.now_ms();
        self.stats.sample(now);
        if self.pause.is_some() {
            self.settle_pause();
        }
        let mut expires_left = TICK_EXPIRES;
        let mut next: Option<i64> = None;
        for index in 0..self.keyspace.databases() {
            self.expire_some(index, &mut expires_left);
            let resizing = self.keyspace.db_mut(index).rehash(TICK_MOVES);
            let due = if resizing { Some(now) } else { self.next_deadline(index) };
            next = [next, due].into_iter().flatten().min();
        }
        if self.lazyfree.step(TICK_FREES) || self.evict_on() {
            next = Some(now);
        }
        self.serve_blocked();
        self.time_out_blocked();
        if self.tracking.is_some() {
            self.settle_tracking();
        }
        next = [next, self.next_timeout(), self.look_at_clients()].into_iter().flatten().min();
        next = [next, self.next_timeout(), self.pause_ends()].into_iter().flatten().min();
        next.map(|at| at.max(now))
    }

    /// When to let something of a database expire.
    fn next_deadline(&self, db: usize) -> Option<i64> {
        if self.keeps_all() || !self.active_expire {
            None
        } else {
            self.keyspace.db(db).next_deadline()
        }
    }

    fn expire_some(&mut self, db: usize, left: &mut usize) {
        if self.loading || self.keeps_all() || !self.active_expire {
            return;
        }
        let now = self.now_ms();
        while *left > 0 {
            let Some(key) = self.keyspace.db_mut(db).next_expired(now) else { return };
            self.effects.begin_unit();
            let gone = self.expire_if_due(db, &key);
            *left -= if gone { 1 } else { self.expire_fields(db, &key, *left).max(1) };
            self.effects.end_unit();
        }
    }

    /// Removes `key` if its time has come, and says so in the stream; whether it has. A follower leaves
    /// it where it is.
    pub(crate) fn expire_if_due(&mut self, db: usize, key: &[u8]) -> bool {
        let due = self.keyspace.db(db).get(key).is_some_and(|object| self.is_due(object));
        if due && !self.keeps_all() {
            self.remove_key(db, key, self.config.lazyfree.expire);
            self.expired(db, key);
            self.changed_by_itself();
        }
        due
    }

    /// Removes up to `most` fields of the hash at `key` whose time has come, and says so in the
    /// stream; answers how many. The hash goes with its last field.
    pub(crate) fn expire_fields(&mut self, db: usize, key: &[u8], most: usize) -> usize {
        let (now, limits) = (self.now_ms(), self.config.limits);
        let keys = self.keyspace.db_mut(db);
        let Some(Value::Hash(hash)) = keys.value_mut(key) else { return 0 };
        hash.show_all(limits);
        let mut gone: Vec<Vec<u8>> = Vec::new();
        while gone.len() < most
            && let Some(field) = hash.pop_expired(now)
        {
            gone.push(field);
        }
        if gone.is_empty() {
            return 0;
        }
        let spent = hash.is_empty();
        keys.note_field_expiry(key);
        keys.touch(key);
        if spent {
            keys.remove(key);
        }
        let mut effect: Vec<&[u8]> = vec![b"HDEL", key];
        effect.extend(gone.iter().map(Vec::as_slice));
        self.effects.append_alone(db, &effect);
        self.stats.expired_fields += gone.len() as u64;
        self.notify(notify::class::HASH, "hexpired", db, key);
        if spent {
            self.notify(notify::class::GENERIC, "del", db, key);
        }
        self.changed_by_itself();
        gone.len()
    }

    /// Something has expired or was evicted, which is no part of a command that is being run: also who
    /// asked not to be told of its own changes is told.
    pub(crate) fn changed_by_itself(&mut self) {
        if self.tracking.is_some() {
            self.invalidate(None);
        }
    }

    /// Removes `key`, and frees what it held as [`Engine::free`] does; whether it was there.
    pub(crate) fn remove_key(&mut self, db: usize, key: &[u8], lazy: bool) -> bool {
        let Some((_, old)) = self.keyspace.db_mut(db).discard(key) else { return false };
        self.free(old, lazy);
        true
    }

    /// Removes every key, silently.
    pub(crate) fn clear(&mut self) {
        self.libraries.clear();
        for index in 0..self.keyspace.databases() {
            self.lazyfree.add_keys(self.keyspace.db_mut(index).clear());
        }
    }

    /// Frees what a key held, if it held something: a large value in the ticks to come, if that is to
    /// be `lazy`. Whether it did.
    pub(crate) fn free(&mut self, old: Option<Object>, lazy: bool) -> bool {
        let Some(old) = old else { return false };
        if lazy {
            self.lazyfree.add(old.value);
        }
        true
    }

    /// Whether what a key holds is past its time, and may be let go, or be hidden.
    pub(crate) fn is_due(&self, object: &Object) -> bool {
        self.is_past(object.expires_at())
    }

    /// Whether what expires at this time may be let go, or be hidden.
    pub(crate) fn is_past(&self, expires_at: Option<i64>) -> bool {
        !self.loading && expires_at.is_some_and(|at| at <= self.now_ms())
    }

    /// Says that `key`, which has been removed or overwritten, was past its time.
    pub(crate) fn expired(&mut self, db: usize, key: &[u8]) {
        self.effects.append_alone(db, &[b"DEL", key]);
        self.stats.expired_keys += 1;
        self.notify(notify::class::EXPIRED, "expired", db, key);
    }

    /// Publishes a keyspace notification if its class is enabled.
    #[inline]
    pub(crate) fn notify(&mut self, class: u32, event: &str, db: usize, key: &[u8]) {
        if self.config.notify & class != 0 && !self.loading {
            self.publish_event(event, db, key);
        }
    }

    fn publish_event(&mut self, event: &str, db: usize, key: &[u8]) {
        if self.is_trial() {
            return;
        }
        let enabled = self.config.notify;
        if enabled & notify::class::KEYSPACE != 0 {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(Space::Channel, &channel, event.as_bytes());
        }
        if enabled & notify::class::KEYEVENT != 0 {
            let channel = format!("__keyevent@{db}__:{event}");
            self.publish(Space::Channel, channel.as_bytes(), key);
        }
    }

    /// Delivers a message; answers how many subscriptions received it.
    pub fn publish(&mut self, space: Space, channel: &[u8], message: &[u8]) -> usize {
        if self.atomic.is_some() {
            return self.hold_message(space, channel, message);
        }
        let receivers = self.pubsub.publish(&mut self.sessions, space, channel, message);
        self.requests.messages += u64::from(receivers > 0);
        receivers
    }
}
