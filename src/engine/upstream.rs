//! The engine's side of an upstream: which writes are queued for it ([`super::outbox`]), and the command
//! by which whoever sends them works.
//!
//! `LODIS.UPSTREAM` is in no table: it is for the package, and for sessions that may do everything. Between
//! MULTI and EXEC it is run at once, for the session is one that others use as well.
//!
//! | words | does, and answers |
//! | --- | --- |
//! | `ATTACH client db prefix max` | queues writes from here on; the client that it has had before, if any |
//! | `DETACH` | forgets the queue; how many entries it had |
//! | `STATUS` | client, db, prefix, entries, bytes, max, first and last number, stale, lost; or nothing |
//! | `LEASE token ms` | 1 if nobody else sends, and this one may for so long; 2 if nobody else has since |
//! | `RELEASE token` | gives that back |
//! | `NEXT token bytes` | the first entries, about so many bytes: each its number, and its commands |
//! | `TRIM token id` | entries up to this one have been applied upstream |
//! | `TELL message` | publishes that to all that have an upstream |
//! | `KEYS token cursor` | some of the keys there are, and where to go on, or 0 |
//! | `APPLY token [key payload expires-at]...` | what upstream has: 1 for each key, 0 if writes to it wait, or an error |
//!
//! Keys that expire or are evicted here do so upstream in their own time: that is not queued. What has keys
//! inside and outside the prefix, databases other than the one, very many words, or a name that is newer
//! than what servers have, is queued by value: what its keys hold after the unit.

use super::Engine;
use super::atomic::parse_commands;
use super::dict::Dict;
use super::effects::Captured;
use super::error::Error;
use super::outbox::{CLOSED, EntryId, Outbox, queued, sent};
use super::pubsub::Space;
use super::rdb::{self, Purpose};
use super::registry::Resolved;
use super::room::{SAMPLES, ask};
use super::session::SessionId;
use super::table::flag;
use crate::number::parse_integer;
use crate::resp::{Protocol, Writer, write_command};

const NAME: &[u8] = b"LODIS.UPSTREAM";
/// Where whoever sends hears that there is something to send.
const CHANNEL: &[u8] = b"__lodis__:upstream";
/// A script upstream cannot hand on more words than some 8,000.
const MOST_WORDS: usize = 4000;
/// So many keys are looked at in one step.
const SCANNED: usize = 1000;
/// Commands that are newer are queued by value.
const NEWEST: &str = "7.4.99";

const FULL: Error = Error::fixed(
    "UPSTREAMFULL too many writes wait for upstream: keys of its prefix cannot be changed now",
);
const LOST: Error = Error::fixed("NOLEASE another one sends to upstream, or nobody does");
const NONE: Error = Error::fixed("ERR there is no upstream");

/// What becomes of an effect.
enum Fate {
    /// Nothing: it is about other keys.
    Other,
    /// Upstream does the same.
    Same,
    /// Upstream gets what the keys hold.
    Value,
    /// All has to be compared again.
    Stale,
}

impl Engine {
    /// Has effects captured if they are queued: not those of which a stream tells, as it tells of the entries.
    #[inline]
    pub(super) fn watch_for_upstream(&mut self) {
        let is_told = self.follower || self.loading;
        let captures = self.requests.outbox.is_some() && !is_told;
        if captures != self.effects.captures() {
            self.change_captures(captures);
        }
    }

    #[cold]
    fn change_captures(&mut self, captures: bool) {
        let outbox = self.requests.outbox.as_ref().filter(|_| captures);
        self.effects.set_captures(outbox.map(|outbox| outbox.prefix.as_slice()));
    }

    /// A unit is about to end; one that goes on over several commands only if it `is_over`.
    #[inline]
    pub(super) fn note_unit(&mut self, is_over: bool) {
        if self.effects.has_captured() && (is_over || !self.effects.is_held()) {
            self.queue_unit();
        }
    }

    /// Puts what has been captured into the queue.
    #[cold]
    fn queue_unit(&mut self) {
        let Captured { bytes, dbs, is_torn } = self.effects.take_captured();
        let now_ms = self.now_ms();
        let Some(mut outbox) = self.requests.outbox.take() else { return };
        let entry = if is_torn { None } else { self.entry_of(&mut outbox, &bytes, &dbs) };
        let is_new = match entry {
            Some(entry) if !entry.is_empty() && self.effects.reserve(entry.len() + 128) => {
                let id = outbox.next_id(now_ms);
                self.effects.append_record(&queued(&id.record_words(), &entry));
                if !outbox.add(id, entry) {
                    outbox.lost += 1;
                }
                true
            }
            Some(entry) if entry.is_empty() => outbox.stale > 0,
            _ => {
                (outbox.lost, outbox.stale) = (outbox.lost + 1, outbox.stale + 1);
                true
            }
        };
        let tells = is_new && !std::mem::replace(&mut outbox.is_told, true);
        self.requests.outbox = Some(outbox);
        if tells {
            self.publish(Space::Channel, CHANNEL, b"");
        }
    }

    /// What of a unit is for upstream, in RESP; `None` if there is no memory for it.
    fn entry_of(&self, outbox: &mut Outbox, bytes: &[u8], dbs: &[usize]) -> Option<Vec<u8>> {
        let commands = parse_commands(bytes)?;
        let mut entry = Vec::new();
        entry.try_reserve(bytes.len()).ok()?;
        let mut keys: Dict<()> = Dict::new(0);
        let mut is_by_value = false;
        for (argv, db) in commands.iter().zip(dbs) {
            match self.fate_of(outbox, *db, argv, &mut keys) {
                Fate::Other => {}
                Fate::Same => write_command(&mut entry, argv),
                Fate::Value => is_by_value = true,
                Fate::Stale => outbox.stale += 1,
            }
        }
        if is_by_value {
            entry.clear();
            for (key, ()) in keys.iter() {
                self.write_value(&mut entry, outbox.db, key)?;
            }
        }
        Some(entry)
    }

    /// Decides about one effect, and adds its keys that upstream has.
    fn fate_of(&self, outbox: &Outbox, db: usize, argv: &[&[u8]], keys: &mut Dict<()>) -> Fate {
        let Some(command) = argv.first().and_then(|name| self.registry.get(name)) else {
            return Fate::Other;
        };
        let is_ours = db == outbox.db;
        let crosses = match command.name {
            "flushall" | "swapdb" => return Fate::Stale,
            "flushdb" if is_ours => return Fate::Stale,
            "move" => true,
            "copy" => argv.len() > 4,
            "sort" => true,
            _ => false,
        };
        if !is_ours && !crosses {
            return Fate::Other;
        }
        let positions = command.key_positions(argv).unwrap_or_default();
        let mut inside = 0;
        for (at, _) in &positions {
            if let Some(key) = argv.get(*at).filter(|key| key.starts_with(&outbox.prefix)) {
                keys.insert(key, ());
                inside += 1;
            }
        }
        let is_plain = inside == positions.len() && argv.len() <= MOST_WORDS;
        match inside {
            0 => Fate::Other,
            _ if is_plain && !crosses && command.since <= NEWEST => Fate::Same,
            _ => Fate::Value,
        }
    }

    /// Writes the command that makes a key what it is here; `None` if there is no memory for it.
    fn write_value(&self, entry: &mut Vec<u8>, db: usize, key: &[u8]) -> Option<()> {
        let object = self.keyspace.db(db).get(key);
        let Some(object) = object.filter(|object| !self.is_due(object)) else {
            write_command(entry, &[b"DEL", key]);
            return Some(());
        };
        ask(object.value.heap_bytes(SAMPLES).saturating_mul(3)).ok()?;
        let payload = rdb::dump(&object.value, Purpose::Travel);
        let mut digits = itoa::Buffer::new();
        let at = digits.format(object.expires_at().unwrap_or(0)).as_bytes();
        entry.try_reserve(payload.len() + key.len() + 128).ok()?;
        write_command(entry, &[b"RESTORE", key, at, &payload, b"REPLACE", b"ABSTTL"]);
        Some(())
    }

    /// Refuses to change keys whose changes could not be queued.
    ///
    /// # Errors
    /// `UPSTREAMFULL`.
    #[cold]
    pub(super) fn admit_upstream(&self, resolved: Resolved, argv: &[&[u8]]) -> Result<(), Error> {
        let Some(outbox) = self.requests.outbox.as_ref().filter(|it| it.is_full()) else {
            return Ok(());
        };
        if resolved.command.has(flag::READONLY) {
            return Ok(());
        }
        let positions = resolved.command.key_positions(argv);
        let is_inside =
            |at: &(usize, u32)| argv.get(at.0).is_some_and(|key| key.starts_with(&outbox.prefix));
        if positions.unwrap_or_default().iter().any(is_inside) { Err(FULL) } else { Ok(()) }
    }

    /// Whether so much waits for upstream that no more may.
    #[inline]
    pub(super) fn is_upstream_full(&self) -> bool {
        self.requests.outbox.as_ref().is_some_and(|outbox| outbox.is_full())
    }

    /// Runs `LODIS.UPSTREAM`, if that is what the words are; what else they are is wrong with `error`.
    #[cold]
    pub(super) fn run_upstream(
        &mut self,
        id: SessionId,
        argv: &[&[u8]],
        has_room: bool,
        out: &mut Writer<'_>,
    ) -> Option<Result<(), Error>> {
        let [NAME, rest @ ..] = argv else { return None };
        let session = self.sessions.get(id)?;
        if !session.is_free() {
            return Some(Err(Error::fixed(
                "NOPERM an upstream is for users who may do everything",
            )));
        }
        if self.atomic.is_some() {
            return Some(Err(Error::fixed("ERR LODIS.UPSTREAM is no part of a transaction")));
        }
        if self.follower {
            return Some(Err(Error::READ_ONLY));
        }
        if let Some(error) = self.write_refusal() {
            return Some(Err(error));
        }
        Some(self.upstream(id, rest, has_room, out))
    }

    fn upstream(
        &mut self,
        id: SessionId,
        words: &[&[u8]],
        has_room: bool,
        out: &mut Writer<'_>,
    ) -> Result<(), Error> {
        match words {
            [b"ATTACH", client, db, prefix, max] => self.attach([client, db, prefix, max], out),
            [b"DETACH"] => {
                let outbox = self.requests.outbox.take();
                if outbox.is_some() {
                    self.effects.append_record(&CLOSED);
                }
                out.count(outbox.map_or(0, |outbox| outbox.entries.len()));
                Ok(())
            }
            [b"STATUS"] => {
                match &self.requests.outbox {
                    Some(outbox) => write_status(outbox, out),
                    None => out.null(),
                }
                Ok(())
            }
            [b"LEASE", token, ms] => self.lease(token, ms, out),
            [b"RELEASE", token] => {
                let outbox = self.leased(token)?;
                outbox.lease = None;
                out.ok();
                Ok(())
            }
            [b"NEXT", token, bytes] => self.next_entries(token, bytes, out),
            [b"TRIM", token, number] => self.trim(token, number, out),
            [b"TELL", message] => {
                self.publish(Space::Channel, CHANNEL, message);
                out.ok();
                Ok(())
            }
            [b"KEYS", token, cursor] => self.own_keys(token, cursor, out),
            [b"APPLY", token, values @ ..] if values.len() % 3 == 0 => {
                self.leased(token)?;
                if !has_room {
                    return Err(Error::OUT_OF_MEMORY);
                }
                self.apply_values(id, values, out);
                Ok(())
            }
            _ => Err(Error::SYNTAX),
        }
    }

    fn attach(&mut self, words: [&[u8]; 4], out: &mut Writer<'_>) -> Result<(), Error> {
        let [client, db, prefix, max] = words;
        let [db, max] = [db, max]
            .map(|word| parse_integer(word).and_then(|number| usize::try_from(number).ok()));
        let (Some(db), Some(max)) = (db, max) else { return Err(Error::NOT_AN_INTEGER) };
        if db >= self.keyspace.databases() {
            return Err(Error::NO_SUCH_DATABASE);
        }
        let same =
            self.requests.outbox.as_deref_mut().filter(|it| it.db == db && it.prefix == prefix);
        if let Some(outbox) = same {
            if outbox.max != max {
                outbox.max = max;
                let record = outbox.record();
                self.effects.append_record(&record.each_ref().map(Vec::as_slice));
            }
        } else {
            if let Some(waiting) = self.requests.outbox.as_ref().map(|it| it.entries.len())
                && waiting > 0
            {
                return Err(Error::new(format!(
                    "ERR {waiting} writes wait for an upstream of another prefix or database"
                )));
            }
            let (client, prefix) = (client.to_vec(), prefix.to_vec());
            let outbox = Outbox { client, db, prefix, max, ..Outbox::default() };
            let record = outbox.record();
            self.effects.append_record(&record.each_ref().map(Vec::as_slice));
            self.requests.outbox = Some(Box::new(outbox));
            // It may be another prefix.
            self.change_captures(true);
        }
        match &self.requests.outbox {
            Some(outbox) => out.bulk(&outbox.client),
            None => out.null(),
        }
        Ok(())
    }

    /// The queue, of which the token says that it may be worked on.
    fn leased(&mut self, token: &[u8]) -> Result<&mut Outbox, Error> {
        let now_ms = self.now_ms();
        let outbox = self.requests.outbox.as_deref_mut().ok_or(NONE)?;
        let is_good = |lease: &(Vec<u8>, i64)| lease.0 == token && lease.1 > now_ms;
        if outbox.lease.as_ref().is_some_and(is_good) { Ok(outbox) } else { Err(LOST) }
    }

    fn lease(&mut self, token: &[u8], ms: &[u8], out: &mut Writer<'_>) -> Result<(), Error> {
        let now_ms = self.now_ms();
        let ms = parse_integer(ms).filter(|ms| *ms > 0).ok_or(Error::NOT_POSITIVE)?;
        let outbox = self.requests.outbox.as_deref_mut().ok_or(NONE)?;
        let granted = match &outbox.lease {
            Some((holder, _)) if holder == token => 2,
            Some((_, until)) if *until > now_ms => 0,
            _ => 1,
        };
        if granted > 0 {
            outbox.lease = Some((token.to_vec(), now_ms.saturating_add(ms)));
        }
        out.integer(granted);
        Ok(())
    }

    fn next_entries(
        &mut self,
        token: &[u8],
        bytes: &[u8],
        out: &mut Writer<'_>,
    ) -> Result<(), Error> {
        let bytes = parse_integer(bytes).and_then(|bytes| usize::try_from(bytes).ok());
        let mut left = bytes.ok_or(Error::NOT_AN_INTEGER)?;
        let outbox = self.leased(token)?;
        outbox.is_told = false;
        let mut count = 0;
        for (_, commands) in &outbox.entries {
            if count > 0 && commands.len() > left {
                break;
            }
            left = left.saturating_sub(commands.len());
            count += 1;
        }
        out.array(count);
        for (id, commands) in outbox.entries.iter().take(count) {
            let commands = parse_commands(commands).unwrap_or_default();
            out.array(2);
            out.bulk(&id.text());
            out.array(commands.len());
            for words in commands {
                out.array(words.len());
                words.iter().for_each(|word| out.bulk(word));
            }
        }
        Ok(())
    }

    fn trim(&mut self, token: &[u8], id: &[u8], out: &mut Writer<'_>) -> Result<(), Error> {
        let id = EntryId::parse(id).ok_or(Error::NOT_AN_INTEGER)?;
        let outbox = self.leased(token)?;
        let is_trimmed = outbox.trim(id);
        out.count(outbox.entries.len());
        if is_trimmed {
            self.effects.append_record(&sent(&id.record_words()));
        }
        Ok(())
    }

    fn own_keys(&mut self, token: &[u8], cursor: &[u8], out: &mut Writer<'_>) -> Result<(), Error> {
        let cursor = parse_integer(cursor).and_then(|cursor| u64::try_from(cursor).ok());
        let mut cursor = cursor.ok_or(Error::NOT_AN_INTEGER)?;
        let outbox = self.leased(token)?;
        let (db, prefix) = (outbox.db, outbox.prefix.clone());
        let (mut found, mut visited) = (Vec::new(), 0);
        while visited < SCANNED {
            cursor = self.keyspace.db(db).keys().scan(cursor, |key, _| {
                visited += 1;
                if key.starts_with(&prefix) {
                    found.push(key);
                }
            });
            visited += 1;
            if cursor == 0 {
                break;
            }
        }
        out.array(2);
        out.bulk(itoa::Buffer::new().format(cursor).as_bytes());
        out.array(found.len());
        found.iter().for_each(|key| out.bulk(key));
        Ok(())
    }

    /// Makes keys what they are upstream, unless writes to them wait.
    fn apply_values(&mut self, id: SessionId, values: &[&[u8]], out: &mut Writer<'_>) {
        let Some(outbox) = self.requests.outbox.take() else { return };
        let mut waiting: Dict<()> = Dict::new(0);
        for (_, commands) in &outbox.entries {
            for argv in parse_commands(commands).unwrap_or_default() {
                self.fate_of(&outbox, outbox.db, &argv, &mut waiting);
            }
        }
        let captured = self.effects.captured();
        let selected = self.sessions.get_mut(id).map(|it| std::mem::replace(&mut it.db, outbox.db));
        out.array(values.len() / 3);
        for value in values.chunks_exact(3) {
            let [key, payload, at] = value else { continue };
            if waiting.contains(key) || !key.starts_with(&outbox.prefix) {
                out.integer(0);
                continue;
            }
            match self.apply_value(id, outbox.db, [key, payload, at]) {
                Ok(()) => out.integer(1),
                Err(text) => out.error(&text),
            }
        }
        if let (Some(session), Some(selected)) = (self.sessions.get_mut(id), selected) {
            session.db = selected;
        }
        // It came from upstream.
        self.effects.forget_captured(captured);
        self.requests.outbox = Some(outbox);
    }

    fn apply_value(&mut self, id: SessionId, db: usize, value: [&[u8]; 3]) -> Result<(), Vec<u8>> {
        let [key, payload, at] = value;
        let object = self.keyspace.db(db).get(key).filter(|object| !self.is_due(object));
        let argv: [&[u8]; 6] = [b"RESTORE", key, at, payload, b"REPLACE", b"ABSTTL"];
        let argv = match (payload.is_empty(), object) {
            (true, None) => return Ok(()),
            (true, Some(_)) => vec![b"DEL".as_slice(), key],
            (false, Some(object)) if self.is_same(object, payload, at) => return Ok(()),
            _ => argv.to_vec(),
        };
        let resolved = self.resolve(&argv).map_err(|error| error.as_bytes().to_vec())?;
        let mut reply = Vec::new();
        self.run(id, resolved, &argv, &mut Writer::new(&mut reply, Protocol::Resp2));
        match reply.strip_prefix(b"-") {
            Some(text) => Err(text.strip_suffix(b"\r\n").unwrap_or(text).to_vec()),
            None => Ok(()),
        }
    }

    /// Whether a key has this value and this time to go already.
    fn is_same(&self, object: &super::keyspace::Object, payload: &[u8], at: &[u8]) -> bool {
        object.expires_at().unwrap_or(0) == parse_integer(at).unwrap_or(-1)
            && rdb::restore(payload, self.config.limits)
                .is_ok_and(|value| value.digest() == object.value.digest())
    }
}

fn write_status(outbox: &Outbox, out: &mut Writer<'_>) {
    out.array(10);
    out.bulk(&outbox.client);
    out.count(outbox.db);
    out.bulk(&outbox.prefix);
    [outbox.entries.len(), outbox.bytes, outbox.max].iter().for_each(|number| out.count(*number));
    match outbox.entries.front() {
        Some((first, _)) => out.bulk(&first.text()),
        None => out.null(),
    }
    out.bulk(&outbox.last.text());
    for number in [outbox.stale, outbox.lost] {
        out.integer(i64::try_from(number).unwrap_or(i64::MAX));
    }
}
