//! What was executed for other tabs, so that a request that is sent twice is executed once.
//!
//! A tab forwards frames of commands, and numbers them. All that a frame changes is one unit of the
//! effect stream, together with a record of it: the last command of the unit is
//!
//! ```text
//! LODIS.DONE tab seq acked commands-done replies [undo]
//! ```
//!
//! which only those know who apply the stream. So whoever has the effects has the record, and after
//! a failover the new leader answers with it. All requests up to `acked` were answered, and their
//! records are forgotten; `LODIS.LEFT tab` forgets all of a tab that has taken its leave. What of them is
//! to be undone then ([`super::undo`]) is in the same unit. A tab may be away for a while, as one in the
//! back/forward cache is, which looks as if it had ended: `LODIS.AWAY tab 1` says that its records are to
//! be kept, and `LODIS.AWAY tab 0` that it is back. `LODIS.GONE tab` forgets one that seems to have
//! ended, and is remembered, in case that it was only away.
//!
//! A frame without effects (a message that somebody received is one) has no record: it may be executed
//! again. But not after what the tab asked for later: as long as it is not acknowledged, its record
//! goes with the next one of its tab.
//!
//! What may block runs beside everything else of its tab, for as long as it takes. It has numbers of its
//! own, so that what comes meanwhile is acknowledged without it, and each is acknowledged by itself:
//! `LODIS.ACKED tab seq ...` tells which.
//!
//! A frame that blocks is recorded in parts. Each has the replies since the part before, and says how
//! many commands of the frame are done by then.

use super::Engine;
use super::atomic::parse_commands;
use super::effects::Effects;
use super::outbox::{self, Outbox};
use super::session::SessionId;
use super::undo;
use std::collections::VecDeque;

const DONE: &[u8] = b"LODIS.DONE";
const ACKED: &[u8] = b"LODIS.ACKED";
const AWAY: &[u8] = b"LODIS.AWAY";
const GONE: &[u8] = b"LODIS.GONE";
const LEFT: &[u8] = b"LODIS.LEFT";

/// So many tabs are remembered to be gone.
const GONE_MAX: usize = 256;

/// What the numbers of requests have that may block: all of them come after the others.
const BLOCKS: u64 = 1 << 63;

/// A request: the number of a tab, and the number that the tab gave it. They ascend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId {
    /// The tab.
    pub tab: u64,
    /// The number of the request.
    pub seq: u64,
}

impl RequestId {
    /// Request `seq` of a tab, a number below 2^63. `blocks`: it may block, runs beside the others, and
    /// is acknowledged by itself ([`Engine::acknowledge_blocking`]).
    pub fn new(tab: u64, seq: u64, blocks: bool) -> Self {
        Self { tab, seq: if blocks { seq | BLOCKS } else { seq } }
    }

    fn blocks(self) -> bool {
        self.seq & BLOCKS != 0
    }
}

/// How far a request was executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// How many of its commands are done.
    pub done: u32,
    /// Their replies: fewer, if there was no memory for all of them.
    pub reply: Vec<u8>,
    /// Some replies are missing: no more are added.
    is_cut: bool,
    /// How to put back what its blocking pops took out ([`super::undo`]).
    undo: Vec<u8>,
    streamed: Streamed,
}

/// How much of a record is in the stream: commands, and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Streamed {
    done: u32,
    reply: usize,
    undo: usize,
}

impl Record {
    fn add(&mut self, reply: &[u8], undo: &[u8], done: u32) {
        self.done = self.done.saturating_add(done);
        self.is_cut |= self.reply.try_reserve(reply.len()).is_err();
        if !self.is_cut {
            self.reply.extend_from_slice(reply);
        }
        if self.undo.try_reserve(undo.len()).is_ok() {
            self.undo.extend_from_slice(undo);
        }
    }

    /// Whether the stream tells of it, since it had effects.
    pub fn is_told(&self) -> bool {
        self.streamed.done > 0
    }

    /// Forgets what is not in the stream.
    fn cut(&mut self) {
        self.done = self.streamed.done;
        self.reply.truncate(self.streamed.reply);
        self.undo.truncate(self.streamed.undo);
    }

    fn is_streamed(&self) -> bool {
        self.streamed.done == self.done
    }

    fn streamed_all(&mut self) {
        let (reply, undo) = (self.reply.len(), self.undo.len());
        self.streamed = Streamed { done: self.done, reply, undo };
    }

    /// What is not in the stream: replies, and how to put back what was taken out.
    fn unstreamed(&self) -> [&[u8]; 2] {
        let Streamed { reply, undo, .. } = self.streamed;
        [self.reply.get(reply..), self.undo.get(undo..)].map(Option::unwrap_or_default)
    }

    /// What is in the stream.
    fn streamed(&self) -> [&[u8]; 2] {
        let Streamed { reply, undo, .. } = self.streamed;
        [self.reply.get(..reply), self.undo.get(..undo)].map(Option::unwrap_or_default)
    }

    fn memory_bytes(&self) -> usize {
        size_of::<(u64, Self)>() + self.reply.capacity() + self.undo.capacity()
    }
}

#[derive(Debug)]
struct Tab {
    number: u64,
    acked: u64,
    /// By the numbers of the requests, which ascend.
    records: VecDeque<(u64, Record)>,
    /// There was a record in the stream.
    is_streamed: bool,
    /// It has left, and comes back for replies.
    is_away: bool,
}

impl Tab {
    fn find(&self, seq: u64) -> Result<usize, usize> {
        self.records.binary_search_by_key(&seq, |(seq, _)| *seq)
    }
}

/// The records of all tabs.
#[derive(Debug, Default)]
pub struct Requests {
    /// In the order of their numbers.
    tabs: Vec<Tab>,
    /// The latest tabs that seemed to have ended, and have asked for nothing since.
    gone: VecDeque<u64>,
    /// The request of which commands are being run, and the session.
    open: Option<(RequestId, SessionId, Before)>,
    /// The request that the command which is being run is a part of: that one, or of a session that
    /// was blocked and is served meanwhile.
    pub(super) running: Option<RequestId>,
    /// How many messages somebody has received.
    pub(super) messages: u64,
    /// What waits for upstream, if there is one.
    pub(super) outbox: Option<Box<Outbox>>,
}

/// What had happened when a part of a request began: effects of the unit, and messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before(usize, u64);

impl Requests {
    /// How far a request was executed; `None` if it was not, or has been acknowledged.
    pub fn find(&self, id: RequestId) -> Option<&Record> {
        let tab = self.tabs.get(self.tab_at(id.tab).ok()?)?;
        let (_, record) = tab.records.get(tab.find(id.seq).ok()?)?;
        Some(record).filter(|record| record.done > 0)
    }

    fn tab_at(&self, number: u64) -> Result<usize, usize> {
        self.tabs.binary_search_by_key(&number, |tab| tab.number)
    }

    fn tab(&mut self, number: u64) -> Option<&mut Tab> {
        let at = self.tab_at(number).ok()?;
        self.tabs.get_mut(at)
    }

    /// The replies to all requests of a tab up to this number have reached it, apart from those that
    /// may block: their records are forgotten, and nothing of them is undone. A leader may be told so at
    /// any time, apart from a request; the stream tells it with the next record of the tab.
    pub fn acknowledge(&mut self, tab: u64, acked: u64) {
        let Some(tab) = self.tab(tab) else { return };
        let acked = acked.min(BLOCKS - 1);
        tab.acked = tab.acked.max(acked);
        while tab.records.front().is_some_and(|(seq, _)| *seq <= acked) {
            tab.records.pop_front();
        }
    }

    /// Forgets requests of a tab that may block, and whose numbers are wanted; answers those of them of
    /// which the stream has told.
    fn forget_blocking(&mut self, tab: u64, is_wanted: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut told = Vec::new();
        let Some(tab) = self.tab(tab) else { return told };
        tab.records.retain(|(seq, record)| {
            let is_forgotten = seq & BLOCKS != 0 && is_wanted(seq & !BLOCKS);
            if is_forgotten && record.is_told() {
                told.push(*seq);
            }
            !is_forgotten
        });
        told
    }

    /// The tabs of which something is remembered, and whether each is known to be away.
    pub fn tabs(&self) -> impl Iterator<Item = (u64, bool)> {
        self.tabs.iter().map(|tab| (tab.number, tab.is_away))
    }

    /// The latest tabs whose records were forgotten though they may come back, and whether there were
    /// more of them.
    pub fn gone(&self) -> (impl Iterator<Item = u64>, bool) {
        (self.gone.iter().copied(), self.gone.len() >= GONE_MAX)
    }

    /// What the stream has told: every request with a record in it, with that.
    pub fn iter(&self) -> impl Iterator<Item = (RequestId, u32, &[u8])> {
        self.tabs.iter().flat_map(|tab| {
            let streamed = tab.records.iter().filter(|(_, record)| record.is_told());
            streamed.map(|(seq, record)| {
                (
                    RequestId { tab: tab.number, seq: *seq },
                    record.streamed.done,
                    record.streamed()[0],
                )
            })
        })
    }

    /// Bytes of memory that the records take up.
    pub(super) fn memory_bytes(&self) -> usize {
        let records = self.tabs.iter().flat_map(|tab| &tab.records);
        let outbox = self.outbox.as_ref().map_or(0, |outbox| outbox.memory_bytes());
        records.map(|(_, record)| record.memory_bytes()).sum::<usize>() + outbox
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets what is not in the stream, and what has begun.
    pub(super) fn forget_unrecorded(&mut self) {
        (self.open, self.running) = (None, None);
        let records = self.tabs.iter_mut().flat_map(|tab| &mut tab.records);
        records.for_each(|(_, record)| record.cut());
    }

    fn tab_or_new(&mut self, number: u64) -> Option<&mut Tab> {
        let at = self.tab_at(number).unwrap_or_else(|at| {
            let records = VecDeque::new();
            let new = Tab { number, acked: 0, records, is_streamed: false, is_away: false };
            self.tabs.insert(at, new);
            at
        });
        self.tabs.get_mut(at)
    }

    fn record(&mut self, id: RequestId) -> Option<&mut Record> {
        // What it asks for from now on is known.
        self.gone.retain(|gone| *gone != id.tab);
        let tab = self.tab_or_new(id.tab)?;
        let at = tab.find(id.seq).unwrap_or_else(|at| {
            tab.records.insert(at, (id.seq, Record::default()));
            at
        });
        tab.records.get_mut(at).map(|(_, record)| record)
    }

    fn remove(&mut self, tab: u64) -> Option<Tab> {
        self.tab_at(tab).ok().map(|at| self.tabs.remove(at))
    }

    fn add_gone(&mut self, tab: u64) {
        self.gone.retain(|gone| *gone != tab);
        if self.gone.len() >= GONE_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back(tab);
    }

    /// Notes that a tab is away, or back; whether that is new.
    fn set_away(&mut self, tab: u64, is_away: bool) -> bool {
        let known = if is_away { self.tab_or_new(tab) } else { self.tab(tab) };
        known.is_some_and(|tab| {
            tab.is_streamed |= is_away;
            std::mem::replace(&mut tab.is_away, is_away) != is_away
        })
    }

    /// Where it is said how to put back what the command takes out that is being run.
    pub(super) fn running_undo(&mut self) -> Option<&mut Vec<u8>> {
        let id = self.running?;
        self.known(id).map(|record| &mut record.undo)
    }

    /// The record of a request that is not acknowledged, of a tab that is not gone.
    fn known(&mut self, id: RequestId) -> Option<&mut Record> {
        let tab = self.tab(id.tab)?;
        let at = tab.find(id.seq).ok()?;
        tab.records.get_mut(at).map(|(_, record)| record)
    }

    /// Adds what the stream, or a file, tells of a request.
    fn add_streamed(&mut self, id: RequestId, reply: &[u8], undo: &[u8], done: u32) -> Option<()> {
        undo::parse(undo)?;
        let record = self.record(id)?;
        record.add(reply, undo, done.checked_sub(record.done)?);
        record.streamed_all();
        self.tab(id.tab)?.is_streamed = true;
        Some(())
    }

    /// Appends the record of a request, and all of its tab that are not in the stream. What may block is
    /// not ordered with the others, and has only its own.
    fn write(&mut self, id: RequestId, effects: &mut Effects) {
        let tab = id.tab;
        let Some(state) = self.tab(tab) else { return };
        for (seq, record) in &mut state.records {
            let is_wanted = if id.blocks() { *seq == id.seq } else { *seq & BLOCKS == 0 };
            if !is_wanted || record.is_streamed() {
                continue;
            }
            let [reply, undo] = record.unstreamed();
            if !effects.reserve(reply.len() + undo.len()) {
                let Streamed { reply, undo, .. } = record.streamed;
                record.reply.truncate(reply);
                record.undo.truncate(undo);
                record.is_cut = true;
            }
            let [reply, undo] = record.unstreamed();
            let numbers = [tab, *seq, state.acked, record.done.into()];
            let [tab, seq, acked, done] = numbers.map(|number| number.to_string().into_bytes());
            let argv = [DONE, &tab, &seq, &acked, &done, reply, undo];
            effects.append_record(if undo.is_empty() { &argv[..6] } else { &argv });
            record.streamed_all();
            state.is_streamed = true;
        }
    }

    /// Does what a command of the stream says, if it is one of those here; whether it was well formed.
    pub fn apply(&mut self, argv: &[&[u8]]) -> Option<bool> {
        if let Some(is_good) = outbox::apply(&mut self.outbox, argv) {
            return Some(is_good);
        }
        let is = |name: &[u8]| argv.first().is_some_and(|word| word.eq_ignore_ascii_case(name));
        if is(GONE) || is(LEFT) {
            let tab = argv.get(1).filter(|_| argv.len() == 2).and_then(|word| number(word));
            if let Some(tab) = tab {
                self.remove(tab);
                if is(GONE) {
                    self.add_gone(tab);
                }
            }
            return Some(tab.is_some());
        }
        if is(AWAY) {
            return Some(self.apply_away(argv).is_some());
        }
        if is(ACKED) {
            return Some(self.apply_acked(argv).is_some());
        }
        is(DONE).then(|| self.apply_done(argv).is_some())
    }

    fn apply_away(&mut self, argv: &[&[u8]]) -> Option<()> {
        let [_, tab, is_away] = argv else { return None };
        let (tab, is_away) = (number(tab)?, number(is_away).filter(|is_away| *is_away < 2)?);
        self.set_away(tab, is_away == 1);
        Some(())
    }

    fn apply_acked(&mut self, argv: &[&[u8]]) -> Option<()> {
        let [_, tab, seqs @ ..] = argv else { return None };
        let (tab, seqs) = (number(tab)?, seqs.iter().map(|seq| number(seq)));
        let seqs: Vec<u64> =
            seqs.collect::<Option<_>>().filter(|seqs: &Vec<_>| !seqs.is_empty())?;
        self.forget_blocking(tab, |seq| seqs.contains(&(seq | BLOCKS)));
        Some(())
    }

    fn apply_done(&mut self, argv: &[&[u8]]) -> Option<()> {
        let (argv, undo) = match argv {
            [argv @ .., undo] if argv.len() == 6 => (argv, *undo),
            _ => (argv, &[][..]),
        };
        let [_, tab, seq, acked, done, reply] = argv else { return None };
        let [tab, seq, acked] = [number(tab)?, number(seq)?, number(acked)?];
        let done = u32::try_from(number(done)?).ok()?;
        self.add_streamed(RequestId { tab, seq }, reply, undo, done)?;
        self.acknowledge(tab, acked);
        Some(())
    }

    /// The names of the words about a file that are records, of those that say how to put back what was
    /// taken out, which follow the record, and of those that say which tabs are away, or gone.
    const AUX: &str = "lodis-request";
    const AUX_UNDO: &str = "lodis-undo";
    const AUX_AWAY: &str = "lodis-away";
    const AUX_GONE: &str = "lodis-gone";

    /// Calls `write` with every record in the stream as words about a file, name and bytes, as long
    /// as it answers true; whether it always has.
    pub(super) fn save(&self, mut write: impl FnMut(&str, &[u8]) -> bool) -> bool {
        if !self.gone.iter().all(|tab| write(Self::AUX_GONE, &tab.to_le_bytes())) {
            return false;
        }
        for tab in &self.tabs {
            if tab.is_away && !write(Self::AUX_AWAY, &tab.number.to_le_bytes()) {
                return false;
            }
            for (seq, record) in &tab.records {
                let [reply, undo] = record.streamed();
                let [tab, seq] = [tab.number, *seq].map(u64::to_le_bytes);
                let done = &record.streamed.done.to_le_bytes()[..];
                if record.is_told()
                    && !(write(Self::AUX, &[&tab, &seq, done, reply].concat())
                        && (undo.is_empty() || write(Self::AUX_UNDO, &[&tab, &seq, undo].concat())))
                {
                    return false;
                }
            }
        }
        outbox::save(self.outbox.as_deref(), write)
    }

    /// Puts what [`Requests::save`] gave in the place of all records; `aux` is all that a file tells
    /// about itself. Whether it was well formed.
    pub fn load(&mut self, aux: &[(Vec<u8>, Vec<u8>)]) -> bool {
        self.clear();
        let mut loaded = aux.iter().map(|(name, saved)| match name.as_slice() {
            name if name == Self::AUX.as_bytes() => self.load_record(saved),
            name if name == Self::AUX_UNDO.as_bytes() => self.load_undo(saved),
            name if name == Self::AUX_AWAY.as_bytes() => {
                saved_number(saved).map(|tab| _ = self.set_away(tab, true))
            }
            name if name == Self::AUX_GONE.as_bytes() => {
                saved_number(saved).map(|tab| self.add_gone(tab))
            }
            name if name == outbox::AUX.as_bytes() => self.load_outbox(saved),
            _ => Some(()),
        });
        loaded.all(|loaded| loaded.is_some())
    }

    fn load_record(&mut self, saved: &[u8]) -> Option<()> {
        let (id, rest) = split_id(saved)?;
        let (done, reply) = rest.split_first_chunk()?;
        self.add_streamed(id, reply, &[], u32::from_le_bytes(*done))
    }

    fn load_outbox(&mut self, saved: &[u8]) -> Option<()> {
        let records = parse_commands(saved)?;
        records.iter().all(|argv| outbox::apply(&mut self.outbox, argv) == Some(true)).then_some(())
    }

    fn load_undo(&mut self, saved: &[u8]) -> Option<()> {
        let (id, undo) = split_id(saved)?;
        let done = self.find(id)?.done;
        self.add_streamed(id, &[], undo, done)
    }
}

fn split_id(saved: &[u8]) -> Option<(RequestId, &[u8])> {
    let (tab, rest) = saved.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let [tab, seq] = [*tab, *seq].map(u64::from_le_bytes);
    Some((RequestId { tab, seq }, rest))
}

fn saved_number(saved: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(saved.try_into().ok()?))
}

fn number(word: &[u8]) -> Option<u64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

impl Engine {
    /// Begins a request, or another part of one, which `session` runs: what is called until
    /// [`Engine::end_request`] is one unit. All replies up to `acked` have reached the tab.
    ///
    /// The caller has looked for a record ([`Requests::find`]): commands that are done are not to be
    /// called again. A command that blocks is the last of a part.
    pub fn begin_request(&mut self, session: SessionId, id: RequestId, acked: u64) {
        self.requests.record(id);
        self.requests.acknowledge(id.tab, acked);
        self.effects.hold();
        self.requests.open = Some((id, session, self.begin_part()));
        self.requests.running = Some(id);
    }

    /// Ends what [`Engine::begin_request`] began: so many commands are done, and these are their
    /// replies. If one blocks, which is not among them, it ends the next part: when it is answered.
    pub fn end_request(&mut self, reply: &[u8], done: u32) {
        let Some((id, session, before)) = self.requests.open.take() else { return };
        self.requests.running = None;
        self.end_part(id, reply, done, before);
        self.note_unit(true);
        self.effects.release();
        let session = self.sessions.get_mut(session);
        if let Some(blocked) = session.and_then(|session| session.blocked.as_mut()) {
            blocked.request = Some(id);
        }
    }

    /// The replies to the requests of a tab that may block, from number `first` to `last`, have reached
    /// it, but for those `pending`, which ascend: their records are forgotten, and nothing of them is
    /// undone. Not to be called while a request is open.
    pub fn acknowledge_blocking(&mut self, tab: u64, first: u64, last: u64, pending: &[u64]) {
        let is_acked =
            |seq: u64| (first..=last).contains(&seq) && pending.binary_search(&seq).is_err();
        let told = self.requests.forget_blocking(tab, is_acked);
        if told.is_empty() {
            return;
        }
        let words: Vec<Vec<u8>> =
            [tab].iter().chain(&told).map(|number| number.to_string().into_bytes()).collect();
        let argv: Vec<&[u8]> = [ACKED].into_iter().chain(words.iter().map(Vec::as_slice)).collect();
        self.tell(&argv);
    }

    /// A tab is away, or back: its records are kept, whatever it looks like meanwhile. Not to be called
    /// while a request is open.
    pub fn set_away(&mut self, tab: u64, is_away: bool) {
        if self.requests.set_away(tab, is_away) {
            let is_away: &[u8] = if is_away { b"1" } else { b"0" };
            self.tell(&[AWAY, itoa::Buffer::new().format(tab).as_bytes(), is_away]);
        }
    }

    /// A unit with nothing else in it.
    fn tell(&mut self, argv: &[&[u8]]) {
        self.effects.hold();
        self.effects.append_record(argv);
        self.effects.release();
    }

    /// As [`Engine::forget_tab`], of a tab that has taken its leave. `settled`: it has got all its replies,
    /// so that nothing is undone.
    pub fn leave_tab(&mut self, tab: u64, settled: bool) {
        if let Some(tab) = self.requests.tab(tab).filter(|_| settled) {
            tab.records.clear();
        }
        self.drop_tab(tab, LEFT);
    }

    /// Forgets the records of a tab, which is gone, and what it still waits for; what its blocking
    /// pops took out, and it has not acknowledged, is put back ([`super::undo`]), the latest first. All
    /// of that is one unit. Not to be called while a request is open. Whether something was forgotten that
    /// the tab would ask for if it came back.
    pub fn forget_tab(&mut self, tab: u64) -> bool {
        let is_forgotten = self.drop_tab(tab, GONE);
        if is_forgotten {
            self.requests.add_gone(tab);
        }
        is_forgotten
    }

    /// Whether the stream tells of it.
    fn drop_tab(&mut self, tab: u64, why: &[u8]) -> bool {
        let blocked: Vec<SessionId> = self.blocked().collect();
        for id in blocked {
            let blocked = self.sessions.get(id).and_then(|session| session.blocked.as_ref());
            let request = blocked.and_then(|blocked| blocked.request);
            if request.is_some_and(|request| request.tab == tab) {
                self.unpark(id);
            }
        }
        let Some(state) = self.requests.remove(tab) else { return false };
        self.watch_for_upstream();
        self.effects.hold();
        if state.is_streamed {
            self.effects.append_record(&[why, itoa::Buffer::new().format(tab).as_bytes()]);
        }
        if !self.follower {
            self.put_back(state.records.iter().map(|(_, record)| record.undo.as_slice()));
        }
        self.note_unit(true);
        self.effects.release();
        if self.tracking.is_some() {
            self.settle_tracking();
        }
        state.is_streamed
    }

    /// A part of a request begins, in a unit that has begun.
    pub(super) fn begin_part(&self) -> Before {
        Before(self.effects.unit_len(), self.requests.messages)
    }

    /// A part of a request has ended, the unit has not.
    pub(super) fn end_part(&mut self, id: RequestId, reply: &[u8], done: u32, before: Before) {
        self.note_part(id, reply, done);
        let Before(effects, messages) = before;
        if self.effects.unit_len() > effects || self.requests.messages > messages {
            self.requests.write(id, &mut self.effects);
        }
    }

    /// A part of a request has ended, without effects.
    pub(super) fn note_part(&mut self, id: RequestId, reply: &[u8], done: u32) {
        // Who has acknowledged it does not want it any more; a tab that is gone wants nothing.
        if let Some(record) = self.requests.known(id) {
            record.add(reply, &[], done);
        }
    }
}
