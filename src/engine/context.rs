//! What a handler works with.

use super::Engine;
use super::error::Error;
use super::keyspace::{Db, Object};
use super::notify::class;
use super::pubsub::Space;
use super::session::{Session, SessionId};
use super::types::{StringValue, Value};

/// The engine as one command of one session sees it.
///
/// Reading a key through here lets it expire first. A handler that changes something says so:
/// [`Ctx::changed`] logs the command as it was given, [`Ctx::effect`] logs something deterministic
/// in its place.
pub struct Ctx<'a> {
    /// The whole engine.
    pub engine: &'a mut Engine,
    /// Whose command this is.
    pub session_id: SessionId,
    pub(super) dirty: bool,
    pub(super) rewritten: bool,
}

impl<'a> Ctx<'a> {
    pub(super) fn new(engine: &'a mut Engine, session_id: SessionId) -> Self {
        Self { engine, session_id, dirty: false, rewritten: false }
    }

    /// The session that runs the command.
    pub fn session(&mut self) -> &mut Session {
        self.engine.sessions.get_mut(self.session_id).expect("a running session is open")
    }

    /// The number of the selected database.
    pub fn db_index(&self) -> usize {
        self.engine.sessions.get(self.session_id).map_or(0, |session| session.db)
    }

    /// The selected database.
    pub fn db(&mut self) -> &mut Db {
        let index = self.db_index();
        self.engine.keyspace.db_mut(index)
    }

    /// Unix time in milliseconds, the same throughout a command.
    pub fn now_ms(&self) -> i64 {
        self.engine.now_ms()
    }

    /// What `key` of the selected database holds.
    pub fn lookup(&mut self, key: &[u8]) -> Option<&Object> {
        let db = self.db_index();
        self.lookup_in(db, key)
    }

    /// What `key` of database `db` holds.
    pub fn lookup_in(&mut self, db: usize, key: &[u8]) -> Option<&Object> {
        self.engine.expire_if_due(db, key);
        self.engine.keyspace.db(db).get(key)
    }

    /// As [`Ctx::lookup`], counted as a keyspace hit or miss: for commands that answer the value.
    pub fn read(&mut self, key: &[u8]) -> Option<&Object> {
        let found = self.lookup(key).is_some();
        self.engine.stats.count_lookup(found);
        if !found {
            self.notify(class::KEY_MISS, "keymiss", key);
        }
        self.db().get(key)
    }

    /// The string at `key`, counted as a hit or miss.
    ///
    /// # Errors
    /// [`Error::WRONG_TYPE`].
    pub fn read_string(&mut self, key: &[u8]) -> Result<Option<&StringValue>, Error> {
        string_of(self.read(key))
    }

    /// The string at `key`, for a command that writes it.
    ///
    /// # Errors
    /// [`Error::WRONG_TYPE`].
    pub fn lookup_string(&mut self, key: &[u8]) -> Result<Option<&StringValue>, Error> {
        string_of(self.lookup(key))
    }

    /// The command changed the keyspace and is logged word for word.
    pub fn changed(&mut self) {
        self.dirty = true;
        self.engine.stats.changes += 1;
    }

    /// The command changed the keyspace and is logged as `argv`; may be called several times.
    pub fn effect(&mut self, argv: &[&[u8]]) {
        let db = self.db_index();
        self.effect_in(db, argv);
    }

    /// As [`Ctx::effect`], on another database than the selected one.
    pub fn effect_in(&mut self, db: usize, argv: &[&[u8]]) {
        self.changed();
        self.rewritten = true;
        self.engine.effects.append(db, argv);
    }

    /// Publishes a keyspace notification, if the class of the event is enabled.
    pub fn notify(&mut self, class: u32, event: &str, key: &[u8]) {
        let db = self.db_index();
        self.engine.notify(class, event, db, key);
    }

    /// Delivers a message; answers how many subscriptions received it.
    pub fn publish(&mut self, space: Space, channel: &[u8], message: &[u8]) -> usize {
        self.engine.publish(space, channel, message)
    }
}

fn string_of(object: Option<&Object>) -> Result<Option<&StringValue>, Error> {
    match object.map(|object| &object.value) {
        None => Ok(None),
        Some(Value::String(string)) => Ok(Some(string)),
    }
}
