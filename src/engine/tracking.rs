//! Client-side caching: who has read which keys, and is told when they change (`CLIENT TRACKING`).
//!
//! While anybody tracks, databases collect the keys that change ([`super::keyspace::Db::changed`]).
//! After every command those who have read them are told, and once the outermost one is done, those who
//! asked for prefixes. As in Redis, the table knows keys by their names, whatever the database.
//!
//! Who cannot be told of keys one by one is told `null`: everything that it remembers may be out of date.
//! Here that is so, beyond what Redis does, when databases are exchanged or replaced, when there is no
//! memory for more, and when a session goes on at another leader.
//!
//! Live queries ([`super::live`]) are in the same table.

use super::Engine;
use super::dict::Dict;
use super::key::Key;
use super::registry::Resolved;
use super::session::{Session, SessionId, Sessions};
use super::table::flag;
use crate::resp::Protocol;
use std::cell::Cell;
use std::rc::Rc;

/// Whether and how a session tracks, as bits.
pub mod mode {
    /// `BCAST`.
    pub const BCAST: u8 = 1;
    /// `OPTIN`.
    pub const OPTIN: u8 = 2;
    /// `OPTOUT`.
    pub const OPTOUT: u8 = 4;
    /// `NOLOOP`.
    pub const NOLOOP: u8 = 8;
    /// CLIENT CACHING was called for the next command.
    pub const CACHING: u8 = 16;
    /// The client that messages go to is gone.
    pub const BROKEN: u8 = 32;
    /// All that a session takes with it to another leader.
    pub const ALL: u8 = 63;
    /// A message was lost: `null` is to follow it.
    pub(in crate::engine) const OWED: u8 = 64;
}

/// After so many keys of a prefix a message is sent before the command is done.
const BATCH: usize = 1024;
/// So many changes of one command are not told one by one.
const CHANGES: usize = 16 * 1024;
/// Where RESP2 sessions hear of keys.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// How a session tracks.
#[derive(Debug, Default)]
pub struct Tracked {
    /// Bits of [`mode`].
    pub mode: u8,
    /// The number of the client that messages go to, if not to the session itself; or 0.
    pub redirect: u64,
    /// For BCAST, in order; and the keys that have changed and the session is yet to be told of, in order.
    pub prefixes: Vec<(Key, Vec<Key>)>,
}

impl Tracked {
    /// Whether any of these bits is set.
    pub fn is(&self, mode: u8) -> bool {
        self.mode & mode != 0
    }

    /// Whether what the session reads now is to be remembered, without BCAST.
    fn remembers(&self) -> bool {
        self.is(mode::OPTIN) == self.is(mode::CACHING)
    }
}

/// Whether anything has changed, in whichever database.
pub(super) type News = Rc<Cell<bool>>;

/// The keys of a database that have changed.
#[derive(Debug)]
pub struct Changed {
    keys: Vec<Key>,
    /// Any key may have.
    is_all: bool,
    news: News,
}

impl Changed {
    pub(super) fn new(news: News) -> Self {
        Self { keys: Vec::new(), is_all: false, news }
    }

    /// What has changed since this was called last: the keys, and whether any key may have.
    fn take(&mut self) -> (Vec<Key>, bool) {
        (std::mem::take(&mut self.keys), std::mem::take(&mut self.is_all))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn add(&mut self, key: &[u8]) {
        self.news.set(true);
        if self.keys.len() >= CHANGES {
            self.add_all();
        } else if !self.is_all {
            self.keys.push(key.into());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.is_all
    }

    pub(super) fn add_all(&mut self) {
        self.news.set(true);
        (self.keys, self.is_all) = (Vec::new(), true);
    }
}

/// Who has read a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reader {
    pub(super) session: SessionId,
    /// The number of its live query, or 0: the session tracks.
    pub(super) query: u32,
}

/// What there is while any session tracks, or has live queries.
pub(super) struct Tracking {
    /// Whether there is anything to tell.
    news: News,
    /// Those that track.
    sessions: Vec<SessionId>,
    /// Those that have live queries.
    live: Vec<SessionId>,
    /// Who has read a key.
    readers: Dict<Vec<Reader>>,
    /// Pairs of a key and a reader.
    items: usize,
    /// Live queries that any change may concern.
    of_all: Vec<Reader>,
    /// Live queries that are to be run again.
    stale: Vec<Reader>,
}

impl Tracking {
    /// A key has changed: tells who has read it, and takes note of it for those who asked for prefixes.
    fn invalidate(&mut self, sessions: &mut Sessions, key: &Key, by: Option<SessionId>) {
        for id in &self.sessions {
            let Some(tracked) = sessions.tracked_mut(*id) else {
                continue;
            };
            if tracked.is(mode::NOLOOP) && by == Some(*id) {
                continue;
            }
            let mut batches = tracked.prefixes.iter_mut();
            if let Some((_, keys)) = batches.find(|(prefix, _)| key.starts_with(prefix))
                && let Err(at) = keys.binary_search_by(|known| (**known).cmp(key))
            {
                keys.insert(at, key.clone());
                if keys.len() >= BATCH {
                    send(sessions, *id);
                }
            }
        }
        self.forget(sessions, key, by);
    }

    /// Tells who has read a key.
    #[inline(never)]
    fn forget(&mut self, sessions: &mut Sessions, key: &[u8], by: Option<SessionId>) {
        let readers = self.readers.remove(key).unwrap_or_default();
        self.items -= readers.len();
        for reader in readers {
            let Reader { session: id, query: 0 } = reader else {
                self.spoil(reader);
                continue;
            };
            let tracked = sessions.get(id).and_then(Session::tracked);
            if !tracked.is_some_and(|tracked| tracked.is(mode::NOLOOP) && by == Some(id)) {
                tell(sessions, id, Some(&[key]));
            }
        }
    }

    /// A live query is to be run again.
    fn spoil(&mut self, reader: Reader) {
        if let Err(at) = self.stale.binary_search(&reader) {
            self.stale.insert(at, reader);
        }
    }

    /// Any key may have changed.
    fn forget_all(&mut self) {
        let empty = Dict::new(self.readers.seed());
        let readers = std::mem::replace(&mut self.readers, empty);
        self.items = 0;
        for (_, readers) in readers.iter() {
            readers.iter().filter(|reader| reader.query > 0).for_each(|reader| self.spoil(*reader));
        }
    }

    /// Forgets what a session has read: its live queries, or it because it tracks.
    fn drop_readers(&mut self, id: SessionId, is_live: bool) {
        for readers in self.readers.values_mut() {
            self.items -= drop_of(readers, id, is_live);
        }
        drop_of(&mut self.of_all, id, is_live);
        drop_of(&mut self.stale, id, is_live);
    }

    /// Tells sessions which of their live queries are to be run again.
    #[cold]
    #[inline(never)]
    fn tell_stale(&mut self, sessions: &mut Sessions) {
        for id in &self.live {
            let is_own = |reader: &&Reader| reader.session == *id;
            let count = self.stale.iter().filter(is_own).count();
            if count == 0 {
                continue;
            }
            let is_told = sessions.deliver(*id, |out| {
                out.push(2);
                out.bulk(b"lodis.live");
                out.array(count);
                let own = self.stale.iter().filter(is_own);
                own.for_each(|reader| out.integer(i64::from(reader.query)));
            });
            // What there was no memory for is told later.
            if is_told || sessions.get(*id).is_none_or(|session| session.closing) {
                drop_of(&mut self.stale, *id, true);
            }
        }
    }
}

/// Drops one reader; whether it was there.
fn drop_one(readers: &mut Vec<Reader>, by: Reader) -> bool {
    let at = readers.iter().position(|reader| *reader == by);
    at.map(|at| readers.swap_remove(at)).is_some()
}

/// Drops what a session has read, and answers how much that was.
#[inline(never)]
fn drop_of(readers: &mut Vec<Reader>, id: SessionId, is_live: bool) -> usize {
    let before = readers.len();
    readers.retain(|reader| reader.session != id || (reader.query > 0) != is_live);
    before - readers.len()
}

/// Tells a session what has changed of its prefixes, a message for each.
fn send(sessions: &mut Sessions, id: SessionId) {
    for at in 0.. {
        let tracked = sessions.tracked_mut(id);
        let Some((_, keys)) = tracked.and_then(|tracked| tracked.prefixes.get_mut(at)) else {
            return;
        };
        if !keys.is_empty() {
            let keys = std::mem::take(keys);
            let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
            tell(sessions, id, Some(&keys));
        }
    }
}

/// Tells a session that keys have changed, or all (`None`).
fn tell(sessions: &mut Sessions, id: SessionId, keys: Option<&[&[u8]]>) {
    let Some(tracked) = sessions.get(id).and_then(Session::tracked) else { return };
    let redirect = tracked.redirect;
    let mut to = id;
    if redirect > 0 {
        let found = sessions.client(redirect).filter(|_| !tracked.is(mode::BROKEN));
        let Some(found) = found else { return tell_broken(sessions, id, redirect) };
        to = found;
    }
    let Some(session) = sessions.get_mut(to) else { return };
    let is_push = session.own_protocol() == Protocol::Resp3;
    let is_heard = is_push || (redirect > 0 && session.is_subscriber());
    if !is_heard {
        return;
    }
    let is_told = sessions.deliver(to, |out| {
        if is_push {
            out.push(2);
            out.bulk(b"invalidate");
        } else {
            out.push(3);
            out.bulk(b"message");
            out.bulk(CHANNEL);
        }
        let Some(keys) = keys else { return out.null() };
        out.array(keys.len());
        keys.iter().for_each(|key| out.bulk(key));
    });
    if let Some(tracked) = sessions.tracked_mut(id) {
        tracked.mode &= !mode::OWED;
        if !is_told {
            tracked.mode |= mode::OWED;
        }
    }
}

/// The one that messages go to is gone.
fn tell_broken(sessions: &mut Sessions, id: SessionId, redirect: u64) {
    let Some(session) = sessions.get_mut(id) else { return };
    if let Some(tracked) = &mut session.tracked {
        tracked.mode |= mode::BROKEN;
    }
    if session.protocol == Protocol::Resp3 {
        sessions.deliver(id, |out| {
            out.push(2);
            out.bulk(b"tracking-redir-broken");
            out.integer(redirect.cast_signed());
        });
    }
}

impl Engine {
    /// Makes a session track, or track in another way; what it has read, and its prefixes, are
    /// remembered on.
    pub(crate) fn track(&mut self, id: SessionId, mode: u8, redirect: u64) {
        self.begin_tracking();
        let (Some(tracking), Some(session)) = (&mut self.tracking, self.sessions.get_mut(id))
        else {
            return;
        };
        if session.tracked.is_none() {
            tracking.sessions.push(id);
        }
        let tracked = session.tracked.get_or_insert_default();
        (tracked.mode, tracked.redirect) = (mode, redirect);
    }

    fn begin_tracking(&mut self) {
        if self.tracking.is_none() {
            let news = News::default();
            self.collect_changed(Some(&news));
            self.tracking = Some(Box::new(Tracking {
                news,
                sessions: Vec::new(),
                live: Vec::new(),
                readers: Dict::new(self.rng.next_u64()),
                items: 0,
                of_all: Vec::new(),
                stale: Vec::new(),
            }));
        }
    }

    fn end_tracking_if_unused(&mut self) -> bool {
        let is_used =
            |tracking: &Tracking| !(tracking.sessions.is_empty() && tracking.live.is_empty());
        let is_unused = !self.tracking.as_deref().is_some_and(is_used);
        if is_unused {
            self.tracking = None;
            self.collect_changed(None);
        }
        is_unused
    }

    /// A live query has read these keys; none stands for all.
    pub(super) fn remember_query(&mut self, by: Reader, keys: &[&[u8]]) {
        self.begin_tracking();
        let Some(tracking) = &mut self.tracking else { return };
        if !tracking.live.contains(&by.session) {
            tracking.live.push(by.session);
        }
        if keys.is_empty() && !tracking.of_all.contains(&by) {
            tracking.of_all.push(by);
        }
        for key in keys {
            let readers = tracking.readers.get_or_insert_with(key, Vec::new);
            if !readers.contains(&by) {
                readers.push(by);
                tracking.items += 1;
            }
        }
    }

    /// A live query that has read these keys is over.
    pub(super) fn forget_query(&mut self, by: Reader, keys: &[&[u8]]) {
        let Some(tracking) = &mut self.tracking else { return };
        for key in keys {
            let Some(readers) = tracking.readers.get_mut(key) else { continue };
            if drop_one(readers, by) {
                tracking.items -= 1;
                if readers.is_empty() {
                    tracking.readers.remove(key);
                }
            }
        }
        drop_one(&mut tracking.of_all, by);
    }

    /// All live queries of a session are over.
    pub(super) fn end_live(&mut self, id: SessionId) {
        let Some(tracking) = &mut self.tracking else { return };
        let Some(at) = tracking.live.iter().position(|other| *other == id) else { return };
        tracking.live.swap_remove(at);
        if !self.end_tracking_if_unused()
            && let Some(tracking) = &mut self.tracking
        {
            tracking.drop_readers(id, true);
        }
    }

    /// Makes a session track no longer.
    #[inline(never)]
    pub(crate) fn untrack(&mut self, id: SessionId) {
        let Some(tracking) = &mut self.tracking else { return };
        let Some(at) = tracking.sessions.iter().position(|other| *other == id) else { return };
        tracking.sessions.swap_remove(at);
        if let Some(session) = self.sessions.get_mut(id) {
            session.tracked = None;
        }
        if !self.end_tracking_if_unused()
            && let Some(tracking) = &mut self.tracking
        {
            // Its number may soon be another one's.
            tracking.drop_readers(id, false);
        }
    }

    fn collect_changed(&mut self, news: Option<&News>) {
        for index in 0..self.keyspace.databases() {
            self.keyspace.db_mut(index).collect_changed(news);
        }
    }

    /// Makes no session track any longer, and ends all live queries.
    pub(super) fn untrack_all(&mut self) {
        while let Some(id) = self.tracking.as_ref().and_then(|t| t.sessions.last().copied()) {
            self.untrack(id);
        }
        while let Some(id) = self.tracking.as_ref().and_then(|t| t.live.last().copied()) {
            self.end_live(id);
        }
    }

    /// Tells a session that everything it remembers may be out of date.
    pub(super) fn invalidate_all_of(&mut self, id: SessionId) {
        tell(&mut self.sessions, id, None);
    }

    /// A session has run a command: tells who has read what that has changed, and remembers what it has
    /// read.
    #[cold]
    pub(super) fn note_command(&mut self, id: SessionId, resolved: Resolved, argv: &[&[u8]]) {
        let session = self.sessions.get(id);
        let id = session.and_then(|session| session.acts_for).unwrap_or(id);
        self.invalidate(Some(id));
        let Some(tracked) = self.sessions.get(id).and_then(Session::tracked) else { return };
        if tracked.is(mode::BCAST) {
            return;
        }
        // The host may not answer a copy of what is to be asked for.
        self.copied = None;
        if !resolved.command.has(flag::READONLY) || !tracked.remembers() {
            return;
        }
        let has_room = (self.meter.has_reserve)() && self.ask_for_words(argv).is_ok();
        let Some(tracking) = self.tracking.as_mut().filter(|_| has_room) else {
            return self.invalidate_all_of(id);
        };
        for (at, _) in resolved.command.key_positions(argv).unwrap_or_default() {
            let Some(key) = argv.get(at) else { continue };
            let readers = tracking.readers.get_or_insert_with(key, Vec::new);
            let reader = Reader { session: id, query: 0 };
            if !readers.contains(&reader) {
                readers.push(reader);
                tracking.items += 1;
            }
        }
    }

    /// Tells who has read what has changed since this was called last. `by` has changed it: nobody, if
    /// it has expired or was evicted.
    #[cold]
    #[inline(never)]
    pub(super) fn invalidate(&mut self, by: Option<SessionId>) {
        let Some(tracking) = self.tracking.as_mut().filter(|t| t.news.take()) else { return };
        let mut is_all = false;
        for index in 0..self.keyspace.databases() {
            let changed = self.keyspace.db_mut(index).changed().filter(|c| !c.is_empty());
            let Some((keys, are_all)) = changed.map(Changed::take) else { continue };
            is_all |= are_all;
            for reader in std::mem::take(&mut tracking.of_all) {
                tracking.spoil(reader);
            }
            for key in &keys {
                tracking.invalidate(&mut self.sessions, key, by);
            }
        }
        if is_all {
            tracking.forget_all();
            for id in &tracking.sessions {
                tell(&mut self.sessions, *id, None);
            }
        }
    }

    /// A command of the outermost level is done, or a tick: tells everything there is to tell, and
    /// forgets who has read what if that is too much.
    #[cold]
    #[inline(never)]
    pub(super) fn settle_tracking(&mut self) {
        self.invalidate(None);
        let Some(tracking) = &mut self.tracking else { return };
        let most = self.config.tracking_table_max_keys;
        while most > 0 && tracking.readers.len() > most {
            let Some((key, _)) = tracking.readers.random(&mut self.rng) else { break };
            let key = Key::from(key);
            tracking.forget(&mut self.sessions, &key, None);
        }
        if !tracking.stale.is_empty() {
            tracking.tell_stale(&mut self.sessions);
        }
        for id in &tracking.sessions {
            send(&mut self.sessions, *id);
            let tracked = self.sessions.get(*id).and_then(Session::tracked);
            if tracked.is_some_and(|tracked| tracked.is(mode::OWED)) {
                tell(&mut self.sessions, *id, None);
            }
        }
    }

    /// CLIENT CACHING was for one command, or a transaction.
    #[cold]
    pub(super) fn end_caching(&mut self, id: SessionId, command: Option<&str>) {
        if let Some(session) = self.sessions.get_mut(id)
            && session.queue.is_none()
            && command != Some("client")
            && let Some(tracked) = &mut session.tracked
        {
            tracked.mode &= !mode::CACHING;
        }
    }

    /// For INFO: sessions that track; keys, and pairs of a key and a reader, that are tracked.
    pub(super) fn tracking_counts(&self) -> [usize; 3] {
        self.tracking.as_ref().map_or([0; 3], |tracking| {
            [tracking.sessions.len(), tracking.readers.len(), tracking.items]
        })
    }

    /// How many different prefixes are tracked.
    pub(super) fn tracking_prefixes(&self) -> usize {
        let mut known: Vec<&[u8]> = Vec::new();
        let tracked = |id: &SessionId| self.sessions.get(*id)?.tracked();
        for tracked in self.tracking.iter().flat_map(|all| &all.sessions).filter_map(tracked) {
            for (prefix, _) in &tracked.prefixes {
                if !known.contains(&&**prefix) {
                    known.push(prefix);
                }
            }
        }
        known.len()
    }
}
