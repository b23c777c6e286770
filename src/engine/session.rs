//! Sessions: what Redis calls clients.

use super::blocking::Blocked;
use super::clients::{OutputLimits, Unsent};
use super::key::Key;
use super::registry::Resolved;
use super::tracking::{Tracked, mode};
use crate::resp::Protocol;

/// A session of an [`crate::engine::Engine`]. Numbers are used again after a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u32);

/// Whether a session's replies are sent (`CLIENT REPLY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReplyMode {
    /// All.
    #[default]
    On,
    /// None.
    Off,
    /// None for the next command.
    SkipNext,
    /// None for this command.
    Skip,
}

/// Commands queued by MULTI.
#[derive(Debug, Default)]
pub struct Queue {
    /// Each command's words.
    pub commands: Vec<Vec<Box<[u8]>>>,
    /// A command was refused while queueing: EXEC answers EXECABORT.
    pub aborted: bool,
    /// Bytes of all words.
    pub bytes: usize,
}

/// A key that the session watches.
#[derive(Debug)]
pub struct WatchedKey {
    /// Its database.
    pub db: usize,
    /// The key.
    pub key: Key,
    /// Its version when WATCH ran.
    pub version: u64,
}

/// One session's state.
#[derive(Debug)]
pub struct Session {
    /// The number that CLIENT ID answers: unique, ascending.
    pub client_id: u64,
    /// The selected database.
    pub db: usize,
    /// Set by HELLO.
    pub protocol: Protocol,
    /// Set by CLIENT SETNAME; empty for none.
    pub name: Vec<u8>,
    /// Set by CLIENT SETINFO.
    pub lib_name: Vec<u8>,
    /// Set by CLIENT SETINFO.
    pub lib_ver: Vec<u8>,
    /// The peer's address, as the host tells it; empty for embedded sessions.
    pub address: String,
    /// When the session began: Unix milliseconds.
    pub created_ms: i64,
    /// When it last ran a command: Unix milliseconds.
    pub active_ms: i64,
    /// The last command.
    pub last_command: Option<Resolved>,
    /// Present between MULTI and EXEC.
    pub queue: Option<Queue>,
    /// Whether EXEC is running what was queued.
    pub executing: bool,
    /// The command that waits, if the session is blocked: until it has been answered, the session
    /// runs nothing else.
    pub blocked: Option<Box<Blocked>>,
    /// Whether it speaks RESP over a connection, which is closed when it is silent for too long.
    pub is_connection: bool,
    /// Bytes that have come, and are not yet a whole command.
    pub query_bytes: usize,
    /// What its host has for it and could not send yet.
    pub unsent: Unsent,
    /// Whether its host asks for its messages by its number alone.
    pub is_remote: bool,
    /// Whether commands that would block answer that they found nothing, as in a transaction.
    pub deny_blocking: bool,
    /// Keys under WATCH.
    pub watched: Vec<WatchedKey>,
    /// A WATCH was in force at a leader that is gone: the keys count as changed.
    pub(super) watch_lost: bool,
    /// Subscribed channels.
    pub channels: Vec<Key>,
    /// Subscribed patterns.
    pub patterns: Vec<Key>,
    /// Subscribed shard channels.
    pub shard_channels: Vec<Key>,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// The host should end the session after sending what is there (QUIT, CLIENT KILL).
    pub closing: bool,
    /// Whose it is (AUTH); `None` for the default user, who has not said so.
    pub(super) user: Option<Box<[u8]>>,
    /// Whether it has authenticated, or began when that took no password.
    pub(super) is_authenticated: bool,
    /// It is the host's own, and may do everything.
    pub(super) is_owner: bool,
    /// Whether it may do everything, which need then not be checked.
    pub(super) is_free: bool,
    /// MONITOR.
    pub(super) monitors: bool,
    /// CLIENT TRACKING.
    pub(super) tracked: Option<Box<Tracked>>,
    /// A script is being run: `protocol` is the script's, and this one the session's own.
    pub(super) in_script: Option<Protocol>,
    /// Who has called the blocking command that the session was made for.
    pub(super) acts_for: Option<SessionId>,
    /// Messages for the session that are not replies, encoded in its protocol.
    pub(super) outbox: Vec<u8>,
}

impl Session {
    fn new(client_id: u64, now_ms: i64) -> Self {
        Self {
            client_id,
            db: 0,
            protocol: Protocol::Resp2,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_ver: Vec::new(),
            address: String::new(),
            created_ms: now_ms,
            active_ms: now_ms,
            last_command: None,
            queue: None,
            executing: false,
            blocked: None,
            is_connection: false,
            query_bytes: 0,
            unsent: Unsent::default(),
            is_remote: false,
            deny_blocking: false,
            watched: Vec::new(),
            watch_lost: false,
            channels: Vec::new(),
            patterns: Vec::new(),
            shard_channels: Vec::new(),
            reply_mode: ReplyMode::On,
            no_evict: false,
            no_touch: false,
            closing: false,
            user: None,
            is_authenticated: true,
            is_owner: true,
            is_free: true,
            monitors: false,
            tracked: None,
            in_script: None,
            acts_for: None,
            outbox: Vec::new(),
        }
    }

    /// Whether nothing that the session calls has to be checked: it has authenticated, and its user may do
    /// everything.
    pub fn is_free(&self) -> bool {
        self.is_free
    }

    /// The protocol of what the session is told.
    pub(super) fn own_protocol(&self) -> Protocol {
        self.in_script.unwrap_or(self.protocol)
    }

    /// How the session tracks, if it does.
    pub fn tracked(&self) -> Option<&Tracked> {
        self.tracked.as_deref()
    }

    /// Adds a prefix of which the session wants to know, if it tracks.
    pub(super) fn add_prefix(&mut self, prefix: &[u8]) {
        let Some(tracked) = &mut self.tracked else { return };
        if let Err(at) = tracked.prefixes.binary_search_by(|(known, _)| (**known).cmp(prefix)) {
            tracked.prefixes.insert(at, (prefix.into(), Vec::new()));
        }
    }

    /// Whether the engine has to see everything that the session reads.
    pub fn tracks_reads(&self) -> bool {
        self.tracked().is_some_and(|tracked| !tracked.is(mode::BCAST))
    }

    /// How many channels and patterns the session is subscribed to, shard channels apart.
    pub fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }

    /// Whether commands run as they come: no transaction has begun, and neither its user nor a
    /// subscription restricts what may be called.
    pub(super) fn is_plain(&self) -> bool {
        self.is_free
            && self.queue.is_none()
            && !self.monitors
            && (self.protocol == Protocol::Resp3 || !self.is_subscriber())
    }

    /// Whether any subscription is in force.
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions() + self.shard_channels.len() > 0
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    free: Vec<u32>,
    next_client_id: u64,
    /// Sessions that have something in their outbox, each once.
    with_messages: Vec<SessionId>,
    /// `client-output-buffer-limit`.
    pub(super) output_limits: OutputLimits,
    /// More waits for some session than should for long.
    pub(super) is_slow: bool,
    /// How many sessions were dropped since too much waited for them.
    pub(super) slow_dropped: u64,
}

impl Sessions {
    /// Begins a session.
    pub fn open(&mut self, now_ms: i64) -> SessionId {
        self.next_client_id += 1;
        let session = Some(Box::new(Session::new(self.next_client_id, now_ms)));
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = session;
                SessionId(slot)
            }
            None => {
                self.slots.push(session);
                SessionId(self.slots.len() as u32 - 1)
            }
        }
    }

    /// Ends a session; answers its state.
    pub(super) fn close(&mut self, id: SessionId) -> Option<Box<Session>> {
        let session = self.slots.get_mut(id.0 as usize)?.take()?;
        self.free.push(id.0);
        self.with_messages.retain(|other| *other != id);
        Some(session)
    }

    /// A session that has not ended.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    /// A session that has not ended, to be changed.
    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    /// How a session tracks, if it does, to be changed.
    pub(super) fn tracked_mut(&mut self, id: SessionId) -> Option<&mut Tracked> {
        self.get_mut(id)?.tracked.as_deref_mut()
    }

    /// All sessions, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        let numbered = self.slots.iter().enumerate();
        numbered.filter_map(|(slot, s)| s.as_deref().map(|s| (SessionId(slot as u32), s)))
    }

    /// The session with the number that CLIENT ID answers, unless it is about to end.
    pub fn client(&self, client_id: u64) -> Option<SessionId> {
        let mut all = self.iter();
        all.find(|(_, s)| s.client_id == client_id && !s.closing).map(|(id, _)| id)
    }

    /// The numbers of all sessions.
    pub(super) fn numbers(&self) -> Vec<SessionId> {
        self.iter().map(|(id, _)| id).collect()
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that they take up, what they wait with and subscribe to apart.
    pub(super) fn memory_bytes(&self) -> usize {
        let own = |session: &Session| size_of::<Session>() + session.outbox.capacity();
        self.iter().map(|(_, session)| own(session)).sum()
    }

    /// Gives a session a message that is not a reply; `write` encodes it. Whether the session gets it.
    pub(super) fn deliver(
        &mut self,
        id: SessionId,
        write: impl FnOnce(&mut crate::resp::Writer<'_>),
    ) -> bool {
        let Some(session) = self.slots.get_mut(id.0 as usize).and_then(Option::as_deref_mut) else {
            return false;
        };
        if session.closing {
            return false;
        }
        if session.outbox.is_empty() {
            self.with_messages.push(id);
        }
        let protocol = session.own_protocol();
        let len = session.outbox.len();
        let mut writer = crate::resp::Writer::new(&mut session.outbox, protocol);
        write(&mut writer);
        // A message for which there is no memory is lost, as one is that its reader is too slow for.
        let is_torn = writer.take_torn();
        if is_torn {
            writer.truncate(len);
        }
        !is_torn && !self.drop_if_slow(id)
    }

    /// Sets `closing`, and makes the session one that has messages, so that its host looks at it.
    pub(super) fn kill(&mut self, id: SessionId) {
        let Some(session) = self.get_mut(id).filter(|session| !session.closing) else { return };
        session.closing = true;
        session.outbox.clear();
        if !self.with_messages.contains(&id) {
            self.with_messages.push(id);
        }
    }

    /// Whether any session has messages waiting, or was killed.
    pub fn have_messages(&self) -> bool {
        !self.with_messages.is_empty()
    }

    /// The messages of the session that has waited longest and is not remote; none at all if it was
    /// killed.
    pub fn take_messages(&mut self) -> Option<(SessionId, Vec<u8>)> {
        let is_here = |id: &SessionId| self.get(*id).is_some_and(|session| !session.is_remote);
        let at = self.with_messages.iter().position(is_here)?;
        let id = self.with_messages.remove(at);
        let session = self.get_mut(id)?;
        Some((id, std::mem::take(&mut session.outbox)))
    }

    /// Whether this session has messages waiting, or was killed.
    pub fn has_messages(&self, id: SessionId) -> bool {
        self.with_messages.contains(&id)
    }

    /// The messages of one session, which may be none.
    pub fn take_messages_of(&mut self, id: SessionId) -> Vec<u8> {
        self.with_messages.retain(|other| *other != id);
        self.get_mut(id).map(|session| std::mem::take(&mut session.outbox)).unwrap_or_default()
    }
}
