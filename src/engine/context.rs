//! What a handler works with.

use super::Engine;
use super::blocking::{BlockOn, Parked};
use super::config::Limits;
use super::dict::Slot;
use super::error::Error;
use super::keyspace::{Db, Object};
use super::last_use::{LastUse, Moment};
use super::notify::class;
use super::pubsub::Space;
use super::rng::Rng;
use super::session::{Session, SessionId};
use super::types::{DataType, StringValue, Value};

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
    /// Set by [`Ctx::block`].
    pub(super) parked: Option<Box<Parked>>,
    /// What the command has waited for, when it is run again.
    pub(super) resumed: Option<BlockOn>,
    /// Whether what it takes out goes to a tab that may be gone before it has it.
    pub(super) is_undoable: bool,
    /// Whether what the command looks up counts as used (CLIENT NO-TOUCH).
    uses: bool,
    /// The database that was selected when the command began.
    db: usize,
}

impl<'a> Ctx<'a> {
    pub(super) fn new(
        engine: &'a mut Engine,
        session_id: SessionId,
        resumed: Option<BlockOn>,
    ) -> Self {
        let session = engine.sessions.get(session_id);
        let (db, uses) = session.map_or((0, true), |session| (session.db, !session.no_touch));
        Self {
            engine,
            session_id,
            dirty: false,
            rewritten: false,
            parked: None,
            resumed,
            is_undoable: false,
            uses,
            db,
        }
    }

    /// The session that runs the command.
    pub fn session(&mut self) -> &mut Session {
        self.engine.sessions.get_mut(self.session_id).expect("a running session is open")
    }

    /// The number of the database that was selected when the command began.
    pub fn db_index(&self) -> usize {
        self.db
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
        let slot = self.locate(key)?;
        Some(self.db().at(slot))
    }

    /// What `key` of database `db` holds. It does not count as used.
    pub fn lookup_in(&mut self, db: usize, key: &[u8]) -> Option<&Object> {
        let slot = self.locate_in(db, key)?;
        Some(self.engine.keyspace.db(db).at(slot))
    }

    /// Where `key` is in the selected database. It counts as used.
    pub fn locate(&mut self, key: &[u8]) -> Option<Slot> {
        let moment = self.uses.then(|| self.engine.moment());
        let keys = self.engine.keyspace.db_mut(self.db);
        let slot = keys.locate(key)?;
        if keys.use_unless_volatile(slot, moment) {
            return Some(slot);
        }
        let slot = self.locate_volatile(self.db, key, slot)?;
        if let Some(moment) = moment {
            self.engine.keyspace.db_mut(self.db).used(slot, moment);
        }
        Some(slot)
    }

    fn locate_in(&mut self, db: usize, key: &[u8]) -> Option<Slot> {
        let keys = self.engine.keyspace.db(db);
        let slot = keys.locate(key)?;
        if keys.at(slot).is_volatile() { self.locate_volatile(db, key, slot) } else { Some(slot) }
    }

    /// Where a key is of which something may be due to go.
    #[inline(never)]
    fn locate_volatile(&mut self, db: usize, key: &[u8], slot: Slot) -> Option<Slot> {
        if self.engine.expire_if_due(db, key) {
            return None;
        }
        let object = self.engine.keyspace.db(db).at(slot);
        let Some(at) = object.value.next_field_expiry() else { return Some(slot) };
        if self.engine.is_loading() {
            self.engine.show_fields(db, slot);
        } else if self.engine.keeps_all() {
            return self.engine.hide_fields(db, slot).then_some(slot);
        } else if at <= self.engine.now_ms() {
            self.engine.expire_fields(db, key, usize::MAX);
            return self.engine.keyspace.db(db).locate(key);
        }
        Some(slot)
    }

    /// What `key` of the selected database holds, which has been looked up in this command.
    pub fn seen(&self, key: &[u8]) -> Option<&Object> {
        self.engine.seen(self.db, key)
    }

    /// As [`Ctx::lookup`], counted as a keyspace hit or miss: for commands that read.
    pub fn read(&mut self, key: &[u8]) -> Option<&Object> {
        let slot = self.read_slot(key)?;
        Some(self.db().at(slot))
    }

    /// As [`Ctx::read`]; answers where the key is.
    pub fn read_slot(&mut self, key: &[u8]) -> Option<Slot> {
        let slot = self.locate(key);
        self.count(key, slot)
    }

    /// The reply is the value at `slot`, and nothing else. Uses that are counted must all be heard of.
    pub fn copied(&mut self, slot: Slot) {
        if !self.engine.config.maxmemory.policy.is_lfu() {
            self.engine.copied = Some((self.db, slot));
        }
    }

    /// As [`Ctx::read`], for commands that ask about the key: it does not count as used.
    pub fn peek(&mut self, key: &[u8]) -> Option<&Object> {
        let db = self.db_index();
        let slot = self.locate_in(db, key);
        let slot = self.count(key, slot)?;
        Some(self.db().at(slot))
    }

    /// As [`Ctx::read`]; the key counts as used, whatever CLIENT NO-TOUCH says.
    pub fn touch(&mut self, key: &[u8]) -> Option<&Object> {
        let uses = std::mem::replace(&mut self.uses, true);
        let slot = self.locate(key);
        self.uses = uses;
        let slot = self.count(key, slot)?;
        Some(self.db().at(slot))
    }

    #[inline]
    fn count(&mut self, key: &[u8], slot: Option<Slot>) -> Option<Slot> {
        self.engine.stats.count_lookup(slot.is_some());
        if slot.is_none() {
            self.notify(class::KEY_MISS, "keymiss", key);
        }
        slot
    }

    /// The string at `key`, counted as a hit or miss.
    ///
    /// # Errors
    /// [`Error::WRONG_TYPE`].
    pub fn read_string(&mut self, key: &[u8]) -> Result<Option<&StringValue>, Error> {
        let Some(object) = self.read(key) else { return Ok(None) };
        object.value.as_string().map(Some).ok_or(Error::WRONG_TYPE)
    }

    /// The string at `key`, to be changed in place: that keeps the expiry time. Once it has
    /// changed, [`Ctx::modified`] must be called.
    ///
    /// # Errors
    /// [`Error::WRONG_TYPE`].
    #[inline]
    pub fn string_mut(&mut self, key: &[u8]) -> Result<Option<&mut StringValue>, Error> {
        let Some(slot) = self.locate(key) else { return Ok(None) };
        self.db().value_at(slot).as_string_mut().map(Some).ok_or(Error::WRONG_TYPE)
    }

    /// The collection at `key`, counted as a hit or miss.
    ///
    /// # Errors
    /// [`Error::WRONG_TYPE`].
    pub fn read_as<T: DataType>(&mut self, key: &[u8]) -> Result<Option<&T>, Error> {
        let Some(object) = self.read(key) else { return Ok(None) };
        T::of(&object.value).map(Some).ok_or(Error::WRONG_TYPE)
    }

    /// The collections at several keys, to be read together.
    ///
    /// # Errors
    /// [`Error::WRONG_TYPE`] if one of them is of another type.
    pub fn read_many<T: DataType>(&mut self, keys: &[&[u8]]) -> Result<Vec<Option<&T>>, Error> {
        for key in keys {
            self.read_as::<T>(key)?;
        }
        Ok(keys.iter().map(|key| self.seen(key).and_then(|object| T::of(&object.value))).collect())
    }

    /// The collection at `key`, to be changed in place. Once it has changed, [`Ctx::modified`]
    /// must be called, and [`Ctx::remove_if_empty`] if something was taken out of it.
    ///
    /// # Errors
    /// [`Error::WRONG_TYPE`].
    pub fn get_mut<T: DataType>(&mut self, key: &[u8]) -> Result<Option<&mut T>, Error> {
        let Some(slot) = self.locate(key) else { return Ok(None) };
        T::of_mut(self.db().value_at(slot)).map(Some).ok_or(Error::WRONG_TYPE)
    }

    /// As [`Ctx::get_mut`], with the source of random choices.
    ///
    /// # Errors
    /// [`Error::WRONG_TYPE`].
    pub fn get_mut_rng<T: DataType>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<(&mut T, &mut Rng)>, Error> {
        let Some(slot) = self.locate(key) else { return Ok(None) };
        let db = self.db_index();
        let Engine { keyspace, rng, .. } = &mut *self.engine;
        let value = T::of_mut(keyspace.db_mut(db).value_at(slot)).ok_or(Error::WRONG_TYPE)?;
        Ok(Some((value, rng)))
    }

    /// The collection at `key`, to be changed in place, an empty one if the key was not there;
    /// that logs the `new` event. The caller puts something into it: nothing may fail any more.
    ///
    /// # Errors
    /// [`Error::WRONG_TYPE`].
    pub fn get_or_create<T: DataType>(&mut self, key: &[u8]) -> Result<&mut T, Error> {
        let slot = match self.locate(key) {
            Some(slot) => slot,
            None => {
                let moment = self.engine.moment();
                let slot = self.db().create(key, T::default().into(), moment);
                self.notify(class::NEW, "new", key);
                slot
            }
        };
        T::of_mut(self.db().value_at(slot)).ok_or(Error::WRONG_TYPE)
    }

    /// Removes `key` if it holds a collection in which nothing is left, and publishes `del`;
    /// whether it did. Logs nothing: the effect that emptied it does the same when replayed.
    pub fn remove_if_empty(&mut self, key: &[u8]) -> bool {
        let spent = self.db().get(key).is_some_and(|object| object.value.is_spent());
        if spent {
            self.db().remove(key);
            self.notify(class::GENERIC, "del", key);
        }
        spent
    }

    /// Where encodings change.
    pub fn limits(&self) -> Limits {
        self.engine.config.limits
    }

    /// Sets what `key` of the selected database holds, its expiry time included, and logs the
    /// `new` event if the key was not there. One lookup.
    pub fn set(&mut self, key: &[u8], value: impl Into<Value>, expires_at: Option<i64>) {
        let db = self.db_index();
        self.set_in(db, key, value.into(), expires_at);
    }

    /// Makes `key` of the selected database hold a string, without an expiry time. What SET does most
    /// is to write over a value of the same size: that allocates nothing.
    ///
    /// # Errors
    /// [`Error::OUT_OF_MEMORY`]; nothing has changed.
    pub fn set_string(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), Error> {
        let moment = self.engine.moment();
        if !self.db().replace_string(key, bytes, moment) {
            let string = StringValue::encode(bytes).map_err(|_| Error::OUT_OF_MEMORY)?;
            self.set(key, string, None);
        }
        Ok(())
    }

    /// As [`Ctx::set`], in database `db`.
    pub fn set_in(&mut self, db: usize, key: &[u8], value: Value, expires_at: Option<i64>) {
        let moment = self.engine.moment();
        let old = self.engine.keyspace.db_mut(db).set(key, value, expires_at, moment);
        if let Some((expired_at, old)) = old {
            let due = self.engine.is_past(expired_at);
            self.engine.free(old, self.engine.config.lazyfree.server_del);
            if !due {
                return;
            }
            self.engine.expired(db, key);
        }
        self.notify_in(class::NEW, "new", db, key);
    }

    /// Puts the result of a command at `key`, or deletes the key if that is nothing, and publishes
    /// the event, or `del`; whether anything has changed. The caller logs it.
    pub fn store(
        &mut self,
        key: &[u8],
        result: Option<impl Into<Value>>,
        class: u32,
        event: &str,
    ) -> bool {
        let Some(result) = result else { return self.delete(key) };
        self.set(key, result, None);
        self.notify(class, event, key);
        true
    }

    /// Deletes `key`, whether its time has come or not, and publishes `del`; whether it was there.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let (db, lazy) = (self.db_index(), self.engine.config.lazyfree.server_del);
        let deleted = self.engine.remove_key(db, key, lazy);
        if deleted {
            self.notify(class::GENERIC, "del", key);
        }
        deleted
    }

    /// Removes `key` of the selected database and frees what it held, a large value in the ticks to
    /// come if that is to be `lazy`; whether the key was there.
    pub fn discard(&mut self, key: &[u8], lazy: bool) -> bool {
        let db = self.db_index();
        let Some((expires_at, old)) = self.engine.keyspace.db_mut(db).discard(key) else {
            return false;
        };
        let is_due = self.engine.is_past(expires_at);
        let lazy = if is_due { self.engine.config.lazyfree.expire } else { lazy };
        self.engine.free(old, lazy);
        if is_due {
            self.engine.expired(db, key);
        }
        !is_due
    }

    /// Makes `key` one that has not been used for so many seconds, if the policy asks for that.
    pub fn set_idle(&mut self, key: &[u8], idle_s: i64) {
        if !self.engine.config.maxmemory.policy.is_lfu() {
            let idle_s = u32::try_from(idle_s).unwrap_or(u32::MAX);
            let used_s = self.engine.now_s().saturating_sub(idle_s);
            self.db().set_last_use(key, LastUse::new(Moment::Time(used_s)));
        }
    }

    /// Makes `key` one that was used so often, if the policy asks for that.
    pub fn set_frequency(&mut self, key: &[u8], counter: u8) {
        if self.engine.config.maxmemory.policy.is_lfu() {
            let now_s = self.engine.now_s();
            self.db().set_last_use(key, LastUse::counted(now_s, counter));
        }
    }

    /// Removes `key` of the selected database; answers what it held. One lookup.
    pub fn remove(&mut self, key: &[u8]) -> Option<Object> {
        let db = self.db_index();
        let object = self.engine.keyspace.db_mut(db).remove(key)?;
        if self.engine.is_due(&object) {
            self.engine.free(Some(object), self.engine.config.lazyfree.expire);
            self.engine.expired(db, key);
            return None;
        }
        Some(object)
    }

    /// The value of `key` was changed in place: tells those who watch it, and publishes the event.
    pub fn modified(&mut self, class: u32, event: &str, key: &[u8]) {
        self.db().touch(key);
        self.notify(class, event, key);
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

    /// As [`Ctx::effect`], of what nobody has asked for: it is not for upstream.
    pub fn effect_alone(&mut self, argv: &[&[u8]]) {
        let db = self.db_index();
        self.changed();
        self.rewritten = true;
        self.engine.effects.append_alone(db, argv);
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
        self.notify_in(class, event, db, key);
    }

    /// As [`Ctx::notify`], for a key of database `db`.
    pub fn notify_in(&mut self, class: u32, event: &str, db: usize, key: &[u8]) {
        self.engine.notify(class, event, db, key);
    }

    /// Delivers a message; answers how many subscriptions received it.
    pub fn publish(&mut self, space: Space, channel: &[u8], message: &[u8]) -> usize {
        self.engine.publish(space, channel, message)
    }
}
