//! Live queries: reads whose caller is told when what they have read may have changed (`LODIS.LIVE`).
//!
//! `LODIS.LIVE ON query db command [arg ...]` runs a command that only reads, in this database, whatever the
//! session is in the middle of, and remembers which keys it has read. The reply is `[due, reply]`: when the
//! first of these keys, or a field of one, ceases to exist (Unix milliseconds) or null, and what the command
//! has answered, an error included. The table is
//! that of [`super::tracking`]; once a key has changed the session gets the push `lodis.live` with the
//! numbers of the queries that have read it, which are then to be run again. Commands that read what they
//! do not name hear of every change. `LODIS.LIVE OFF query command [arg ...]` forgets a query, and
//! `LODIS.LIVE OFF` all of the session.
//!
//! This is how hosts keep replies up to date, in the engine that leads and in one that follows alike; it is
//! no command for others, and not in the table.

use super::Engine;
use super::error::Error;
use super::registry::Resolved;
use super::renames::Named;
use super::session::SessionId;
use super::table::{Command, flag};
use super::tracking::Reader;
use crate::number::parse_integer;
use crate::resp::{Protocol, Writer};

/// What the words of such a request begin with.
pub(super) const LIVE: &[u8] = b"LODIS.LIVE";

const ONLY_READS: Error = Error::fixed("ERR a live query only reads");

impl Engine {
    /// Runs `LODIS.LIVE` with these words after its name.
    ///
    /// # Errors
    /// There is no such form of it, or the query cannot be remembered, or the user may not ask it: it has not
    /// been run then.
    #[cold]
    pub(super) fn live(
        &mut self,
        id: SessionId,
        words: &[&[u8]],
        has_room: bool,
        out: &mut Writer<'_>,
    ) -> Result<(), Error> {
        match words {
            [b"ON", query, db, argv @ ..] => self.live_on(id, query, Some(db), argv, has_room, out),
            [b"OFF", query, argv @ ..] => self.live_on(id, query, None, argv, has_room, out),
            [b"OFF"] => {
                self.end_live(id);
                out.ok();
                Ok(())
            }
            _ => Err(Error::SYNTAX),
        }
    }

    /// Begins a query in a database, or ends it (`None`).
    fn live_on(
        &mut self,
        id: SessionId,
        query: &[u8],
        db: Option<&[u8]>,
        argv: &[&[u8]],
        has_room: bool,
        out: &mut Writer<'_>,
    ) -> Result<(), Error> {
        let query = parse_integer(query).and_then(|number| u32::try_from(number).ok());
        let query = query.filter(|number| *number > 0).ok_or(Error::NOT_AN_INTEGER)?;
        let by = Reader { session: id, query };
        if argv.is_empty() {
            return Err(Error::SYNTAX);
        }
        let named = if self.renames.is_empty() { Named::AsItSays } else { self.named(argv) };
        let argv = match &named {
            Named::AsItSays => argv,
            Named::Other(_, words) => words,
            Named::Nothing => return self.resolve_with(None, argv).map(|_| ()),
        };
        let resolved = self.resolve(argv)?;
        let keys = read_by(resolved.command, argv);
        let Some(db) = db else {
            self.forget_query(by, &keys);
            out.ok();
            return Ok(());
        };
        let session = self.sessions.get(id).filter(|_| self.atomic.is_none());
        let session = session.ok_or(Error::fixed("ERR LODIS.LIVE is no part of a unit"))?;
        if session.own_protocol() != Protocol::Resp3 {
            return Err(Error::fixed("ERR LODIS.LIVE speaks RESP3"));
        }
        if !resolved.command.has(flag::READONLY) {
            return Err(ONLY_READS);
        }
        let db = parse_integer(db).and_then(|db| usize::try_from(db).ok());
        let db = db.filter(|db| *db < self.keyspace.databases()).ok_or(Error::NO_SUCH_DATABASE)?;
        self.ask_for_words(argv)?;
        // Who may not read a key is not to learn when it changes.
        self.admit_user(id, resolved, argv)?;
        out.array(2);
        match self.soonest_end(db, &keys) {
            Some(due) => out.integer(due),
            None => out.null(),
        }
        self.run_aside(id, db, resolved, argv, has_room, out);
        self.remember_query(by, &keys);
        Ok(())
    }

    /// Runs a command outside of what the session is in the middle of.
    fn run_aside(
        &mut self,
        id: SessionId,
        db: usize,
        resolved: Resolved,
        argv: &[&[u8]],
        has_room: bool,
        out: &mut Writer<'_>,
    ) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let selected = std::mem::replace(&mut session.db, db);
        let denied = std::mem::replace(&mut session.deny_blocking, true);
        let queue = session.queue.take();
        let command = resolved.container.unwrap_or(resolved.command);
        self.process(id, Some(command), argv, has_room, out);
        if let Some(session) = self.sessions.get_mut(id) {
            (session.db, session.deny_blocking, session.queue) = (selected, denied, queue);
        }
    }

    /// When the first of these keys, or a field of one, ceases to exist.
    fn soonest_end(&self, db: usize, keys: &[&[u8]]) -> Option<i64> {
        let objects = keys.iter().filter_map(|key| self.keyspace.db(db).get(key));
        let times =
            objects.flat_map(|object| [object.expires_at(), object.value.next_field_expiry()]);
        times.flatten().filter(|at| *at > self.now_ms()).min()
    }
}

/// The keys that a command reads; none if it may read others as well.
fn read_by<'a>(command: &Command, argv: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let is_pattern =
        |word: &&[u8]| word.eq_ignore_ascii_case(b"by") || word.eq_ignore_ascii_case(b"get");
    let reads_more = command.has(flag::SKIP_MONITOR)
        || (command.name == "sort_ro" && argv.iter().skip(2).any(is_pattern));
    if reads_more {
        return Vec::new();
    }
    let positions = command.key_positions(argv).unwrap_or_default();
    positions.iter().filter_map(|(at, _)| argv.get(*at).copied()).collect()
}
