//! What a session takes with it from one leader to the next.
//!
//! A tab's session is at the leader. When that is gone, the tab tells its successor the database, the
//! name and the user, whether a MULTI or a WATCH was open, and how it tracks. What was queued, what happened to
//! the watched keys meanwhile, and what the tab has read, nobody knows: EXEC must not run any of it, and
//! whatever the tab has cached counts as changed.
//!
//! As bytes, all integers little-endian: database `u32`, flags `u8` (1: in a transaction, 2: watching, 4:
//! tracking, 8: restricted, 16: with a user), length of the name `u16`, the name; of one that has
//! authenticated the length of the user's name `u16` and that name; of one that tracks also the mode `u8`, the client that
//! messages go to `u64` or 0, and of each prefix the length `u16` and the prefix.

use super::Engine;
use super::commands::is_client_name;
use super::session::{Queue, SessionId};
use super::tracking::{Tracked, mode};
use std::fmt;

const IN_TRANSACTION: u8 = 1;
const WATCHING: u8 = 2;
const TRACKING: u8 = 4;
const RESTRICTED: u8 = 8;
const WITH_USER: u8 = 16;
/// Prefixes that are longer together are the empty one: who tracks hears of more than it asked for.
const PREFIXES: usize = 16 * 1024;

/// What a session takes with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// The selected database.
    pub db: u32,
    /// MULTI was called, and not yet EXEC.
    pub in_transaction: bool,
    /// Keys are watched, or the watch is broken.
    pub watching: bool,
    /// Set by CLIENT SETNAME; empty for none.
    pub name: Vec<u8>,
    /// Whose it is, if it has authenticated.
    pub user: Option<Vec<u8>>,
    /// Not everything is allowed: it reads nothing but where that is known for certain.
    pub is_restricted: bool,
    /// How it tracks, if it does.
    pub tracking: Option<TrackingState>,
}

/// How a session tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackingState {
    /// Bits of [`mode`].
    pub mode: u8,
    /// The number of the client that messages go to; 0 for none.
    pub redirect: u64,
    /// For BCAST, in order, as they are encoded.
    prefixes: Vec<u8>,
}

impl TrackingState {
    fn of(tracked: &Tracked) -> Self {
        let mut prefixes = Vec::new();
        for (prefix, _) in &tracked.prefixes {
            prefixes.extend_from_slice(&(prefix.len() as u16).to_le_bytes());
            prefixes.extend_from_slice(prefix);
            if prefixes.len() > PREFIXES {
                prefixes = vec![0, 0];
                break;
            }
        }
        Self { mode: tracked.mode & mode::ALL, redirect: tracked.redirect, prefixes }
    }

    fn decode(bytes: &[u8]) -> Result<Self, SessionStateError> {
        let split = bytes.split_first().and_then(|(mode, rest)| {
            let (redirect, rest) = rest.split_first_chunk()?;
            Some((*mode, u64::from_le_bytes(*redirect), rest))
        });
        let (mode, redirect, prefixes) = split.ok_or(SessionStateError::Length)?;
        if mode & !mode::ALL != 0 {
            return Err(SessionStateError::Flags(mode));
        }
        let mut rest = prefixes;
        while !rest.is_empty() {
            (_, rest) = split_short(rest).ok_or(SessionStateError::Length)?;
        }
        Ok(Self { mode, redirect, prefixes: prefixes.to_vec() })
    }
}

/// The bytes whose length comes first, and the rest.
fn split_short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}

/// Why bytes are no [`SessionState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStateError {
    /// They end too early, or go on after the name.
    Length,
    /// A flag that is not known.
    Flags(u8),
    /// A name that CLIENT SETNAME refuses.
    Name,
}

impl fmt::Display for SessionStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "the state of a session has the wrong length"),
            Self::Flags(flags) => write!(f, "the state of a session has unknown flags: {flags}"),
            Self::Name => write!(f, "the state of a session has a name that no client can have"),
        }
    }
}

impl std::error::Error for SessionStateError {}

impl SessionState {
    /// What the tab has to know of how its session tracks: 0 for nothing, 1 that it does, 2 that all of
    /// its reads have to be the leader's, also because not all is allowed.
    pub fn tracks(&self) -> u8 {
        if self.is_restricted {
            return 2;
        }
        self.tracking.as_ref().map_or(0, |how| if how.mode & mode::BCAST == 0 { 2 } else { 1 })
    }

    /// As bytes. A name of 65,536 bytes or more is left out; users have none that is longer.
    pub fn encode(&self) -> Vec<u8> {
        let len = u16::try_from(self.name.len());
        let name = if len.is_ok() { self.name.as_slice() } else { &[] };
        let flags = [
            (self.in_transaction, IN_TRANSACTION),
            (self.watching, WATCHING),
            (self.tracking.is_some(), TRACKING),
            (self.is_restricted, RESTRICTED),
            (self.user.is_some(), WITH_USER),
        ];
        let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, flag)| all | flag);
        let mut bytes =
            [&self.db.to_le_bytes(), &[flags][..], &len.unwrap_or(0).to_le_bytes(), name].concat();
        if let Some(user) = &self.user {
            bytes.extend_from_slice(&(user.len() as u16).to_le_bytes());
            bytes.extend_from_slice(user);
        }
        if let Some(tracking) = &self.tracking {
            bytes.push(tracking.mode);
            bytes.extend_from_slice(&tracking.redirect.to_le_bytes());
            bytes.extend_from_slice(&tracking.prefixes);
        }
        bytes
    }

    /// From the bytes of [`SessionState::encode`], all of them.
    ///
    /// # Errors
    /// [`SessionStateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SessionStateError> {
        let split = || {
            let (db, rest) = bytes.split_first_chunk()?;
            let (flags, rest) = rest.split_first()?;
            let (name, rest) = split_short(rest)?;
            Some((u32::from_le_bytes(*db), *flags, name, rest))
        };
        let (db, flags, name, mut rest) = split().ok_or(SessionStateError::Length)?;
        if flags & !(IN_TRANSACTION | WATCHING | TRACKING | RESTRICTED | WITH_USER) != 0 {
            return Err(SessionStateError::Flags(flags));
        }
        let mut user = None;
        if flags & WITH_USER != 0 {
            let (name, after) = split_short(rest).ok_or(SessionStateError::Length)?;
            (user, rest) = (Some(name.to_vec()), after);
        }
        let tracking = match flags & TRACKING {
            0 if rest.is_empty() => None,
            0 => return Err(SessionStateError::Length),
            _ => Some(TrackingState::decode(rest)?),
        };
        if !is_client_name(name) {
            return Err(SessionStateError::Name);
        }
        let is = |flag: u8| flags & flag != 0;
        Ok(Self {
            db,
            in_transaction: is(IN_TRANSACTION),
            watching: is(WATCHING),
            name: name.to_vec(),
            user,
            is_restricted: is(RESTRICTED),
            tracking,
        })
    }
}

impl Engine {
    /// What a session takes with it to another engine; `None` if there is no such session.
    pub fn session_state(&self, id: SessionId) -> Option<SessionState> {
        let session = self.sessions.get(id)?;
        Some(SessionState {
            db: u32::try_from(session.db).unwrap_or(u32::MAX),
            in_transaction: session.queue.is_some(),
            watching: session.watch_lost || !session.watched.is_empty(),
            name: session.name.clone(),
            user: session.user.as_deref().map(<[u8]>::to_vec),
            is_restricted: !session.is_free(),
            tracking: session.tracked().map(TrackingState::of),
        })
    }

    /// Puts a session, which is not blocked, where another one was: in its database, with its name and its
    /// user. One of a user who is not there may do nothing but authenticate. A
    /// MULTI that was open is open, and EXEC answers EXECABORT; of a WATCH without one the next EXEC
    /// answers that a key has changed. One that tracks, and has not done so here, is told that all that
    /// it has cached may be out of date, or that nobody here is the client which messages went to.
    /// Subscriptions are not touched.
    ///
    /// Answers whether it could: changes nothing if there is no such session, or no such database.
    pub fn restore_session(&mut self, id: SessionId, state: &SessionState) -> bool {
        let db = usize::try_from(state.db).ok().filter(|db| *db < self.keyspace.databases());
        let (Some(db), Some(_)) = (db, self.sessions.get(id)) else { return false };
        self.discard(id);
        let user = state.user.as_deref();
        if self.sessions.get(id).is_some_and(|session| session.user.as_deref() != user) {
            self.restore_user(id, user, false);
        }
        let Some(session) = self.sessions.get_mut(id) else { return false };
        session.db = db;
        session.name.clone_from(&state.name);
        session.watch_lost = state.watching;
        let poisoned = Queue { aborted: true, ..Queue::default() };
        session.queue = state.in_transaction.then_some(poisoned);
        if session.tracked().map(TrackingState::of) != state.tracking {
            self.restore_tracking(id, state.tracking.as_ref());
        }
        true
    }

    fn restore_tracking(&mut self, id: SessionId, state: Option<&TrackingState>) {
        self.untrack(id);
        let Some(TrackingState { mode, redirect, prefixes }) = state else { return };
        // A client with this number is another one here.
        let broken = if *redirect > 0 { mode::BROKEN } else { 0 };
        self.track(id, mode | broken, *redirect);
        let mut rest = prefixes.as_slice();
        while let (Some((prefix, more)), Some(session)) =
            (split_short(rest), self.sessions.get_mut(id))
        {
            session.add_prefix(prefix);
            rest = more;
        }
        self.invalidate_all_of(id);
    }
}
