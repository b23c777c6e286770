//! What a session takes with it from one leader to the next.
//!
//! A tab's session is at the leader. When that is gone, the tab tells its successor the database and
//! the name, and whether a MULTI or a WATCH was open. What was queued, and what happened to the watched
//! keys meanwhile, nobody knows: EXEC must not run any of it.
//!
//! As bytes, all integers little-endian: database `u32`, flags `u8` (1: in a transaction, 2: watching),
//! length of the name `u16`, the name.

use super::Engine;
use super::commands::is_client_name;
use super::session::{Queue, SessionId};
use std::fmt;

const IN_TRANSACTION: u8 = 1;
const WATCHING: u8 = 2;

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
    /// As bytes. A name of 65,536 bytes or more is left out.
    pub fn encode(&self) -> Vec<u8> {
        let len = u16::try_from(self.name.len());
        let name = if len.is_ok() { self.name.as_slice() } else { &[] };
        let flags = [(self.in_transaction, IN_TRANSACTION), (self.watching, WATCHING)];
        let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, flag)| all | flag);
        [&self.db.to_le_bytes(), &[flags][..], &len.unwrap_or(0).to_le_bytes(), name].concat()
    }

    /// From the bytes of [`SessionState::encode`], all of them.
    ///
    /// # Errors
    /// [`SessionStateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SessionStateError> {
        let split = || {
            let (db, rest) = bytes.split_first_chunk()?;
            let (flags, rest) = rest.split_first()?;
            let (len, name) = rest.split_first_chunk()?;
            Some((u32::from_le_bytes(*db), *flags, usize::from(u16::from_le_bytes(*len)), name))
        };
        let (db, flags, len, name) = split().ok_or(SessionStateError::Length)?;
        if name.len() != len {
            return Err(SessionStateError::Length);
        }
        if flags & !(IN_TRANSACTION | WATCHING) != 0 {
            return Err(SessionStateError::Flags(flags));
        }
        if !is_client_name(name) {
            return Err(SessionStateError::Name);
        }
        let is = |flag: u8| flags & flag != 0;
        Ok(Self {
            db,
            in_transaction: is(IN_TRANSACTION),
            watching: is(WATCHING),
            name: name.to_vec(),
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
        })
    }

    /// Puts a session, which is not blocked, where another one was: in its database, with its name. A
    /// MULTI that was open is open, and EXEC answers EXECABORT; of a WATCH without one the next EXEC
    /// answers that a key has changed. Subscriptions are not touched.
    ///
    /// Answers whether it could: changes nothing if there is no such session, or no such database.
    pub fn restore_session(&mut self, id: SessionId, state: &SessionState) -> bool {
        let db = usize::try_from(state.db).ok().filter(|db| *db < self.keyspace.databases());
        let (Some(db), Some(_)) = (db, self.sessions.get(id)) else { return false };
        self.discard(id);
        let Some(session) = self.sessions.get_mut(id) else { return false };
        session.db = db;
        session.name.clone_from(&state.name);
        session.watch_lost = state.watching;
        let poisoned = Queue { commands: Vec::new(), aborted: true };
        session.queue = state.in_transaction.then_some(poisoned);
        true
    }
}
