//! A tab that loads everything: from the store, or from another tab.

use super::message::{Kind, Message, numbers};
use super::peer::{Action, Peer, Role};
use crate::persist::lineage::Lineage;

/// How the copy is being loaded.
#[derive(Default)]
pub(super) enum Loading {
    #[default]
    No,
    /// From the store.
    Store,
    /// From another tab.
    Sync(Sync),
}

/// What another tab sends.
pub(super) struct Sync {
    source: u64,
    /// Whose stream it is.
    lineage: Lineage,
    /// The number of its snapshot, once that has begun.
    snapshot: Option<u64>,
    /// The offset of the snapshot, and up to which offset the store had the stream then.
    offset: u64,
    stored: u64,
    /// How many pieces have come, and were taken by the driver.
    came: u64,
    taken: u64,
    is_complete: bool,
    /// The source is to have sent more by then.
    until: i64,
}

impl Loading {
    /// When the source of what is loaded has been silent for too long.
    pub(super) fn wake_at(&self) -> Option<i64> {
        match self {
            Self::Sync(sync) if !sync.is_complete && sync.taken == sync.came => Some(sync.until),
            _ => None,
        }
    }
}

impl Peer {
    /// The keyspace is the one of the store, or of the pieces, up to `offset`; it has the stream of
    /// `lineage`.
    pub fn loaded(&mut self, lineage: Lineage, offset: u64, now_ms: i64) {
        let is_synced = match std::mem::take(&mut self.loading) {
            Loading::No => return,
            Loading::Store => {
                self.lineage = Some(lineage);
                self.backlog.reset(offset, offset);
                false
            }
            Loading::Sync(sync) if sync.is_complete && sync.offset == offset => {
                self.lineage = Some(sync.lineage);
                self.backlog.reset(offset, sync.stored);
                true
            }
            // That was another one.
            other => return self.loading = other,
        };
        self.is_stale = false;
        self.applied = offset;
        self.settle();
        match &self.role {
            Role::Candidate(_) => self.loaded_as_candidate(is_synced, now_ms),
            Role::Follower(_) => self.greet_anew(now_ms),
            _ => {}
        }
    }

    /// What [`Action::Load`] asked for cannot be done. A follower asks the leader for everything from now
    /// on; a candidate lets somebody else try.
    pub fn load_failed(&mut self, now_ms: i64) {
        if !matches!(self.loading, Loading::Store) {
            return;
        }
        self.loading = Loading::No;
        match self.role {
            Role::Follower(_) => {
                self.cannot_load = true;
                self.greet_anew(now_ms);
            }
            _ => self.claim_failed(now_ms),
        }
    }

    /// The copy cannot be read any more: effects could not be applied, or there is no memory for it. A
    /// leader leads no longer.
    pub fn copy_lost(&mut self, now_ms: i64) {
        self.end_snapshots();
        self.forget_copy();
        match self.role {
            Role::Follower(_) => self.greet_anew(now_ms),
            Role::Candidate(_) | Role::Leader(_) => self.step_down(now_ms),
            Role::Out => {}
        }
    }

    /// There is no memory for a copy: this tab holds none from now on.
    pub fn hold_no_copy(&mut self, now_ms: i64) {
        self.settings.replica = false;
        self.loading = Loading::No;
        self.copy_lost(now_ms);
    }

    /// The driver has taken what a [`Action::LoadPiece`] gave it, and has room for more. After the last
    /// one comes [`Peer::loaded`].
    pub fn piece_taken(&mut self, now_ms: i64) {
        let until = self.source_until(now_ms);
        let Loading::Sync(sync) = &mut self.loading else { return };
        if sync.taken == sync.came {
            return;
        }
        sync.taken += 1;
        sync.until = until;
        let (source, taken) = (sync.source, sync.taken);
        self.send_to(source, Kind::Sync, taken, 0, Vec::new());
    }

    /// Loads the store.
    pub(super) fn load(&mut self) {
        // What is loaded takes the place of what was being loaded.
        self.loading = Loading::Store;
        self.actions.push_back(Action::Load);
    }

    /// Asks a tab for everything. What is here stays until that has come.
    pub(super) fn sync_from(&mut self, source: u64, lineage: Lineage, now_ms: i64) {
        self.end_load();
        let until = self.source_until(now_ms);
        self.loading = Loading::Sync(Sync {
            source,
            lineage,
            snapshot: None,
            offset: 0,
            stored: 0,
            came: 0,
            taken: 0,
            is_complete: false,
            until,
        });
        self.send_to(source, Kind::Sync, 0, 0, Vec::new());
    }

    pub(super) fn is_syncing(&self) -> bool {
        matches!(self.loading, Loading::Sync(_))
    }

    /// What another tab sends is not wanted any more.
    pub(super) fn end_sync(&mut self) {
        if self.is_syncing() {
            self.end_load();
        }
    }

    fn end_load(&mut self) {
        let has_begun = match std::mem::take(&mut self.loading) {
            Loading::No => false,
            Loading::Store => true,
            Loading::Sync(sync) => sync.came > 0,
        };
        if has_begun {
            self.actions.push_back(Action::EndLoad);
        }
    }

    /// [`Kind::Snapshot`] or [`Kind::Piece`].
    pub(super) fn sync_answered(&mut self, message: Message, now_ms: i64) {
        let until = self.source_until(now_ms);
        let greeting = self.greeting;
        let Loading::Sync(sync) = &mut self.loading else { return };
        if sync.source != message.from || message.epoch != self.term {
            return;
        }
        if message.kind == Kind::Snapshot {
            let Some(([stored], _)) = numbers(&message.payload) else { return };
            if message.greeting != greeting {
                return;
            }
            if std::mem::take(&mut sync.came) > 0 {
                // The source had to begin anew.
                self.actions.push_back(Action::EndLoad);
            }
            (sync.snapshot, sync.is_complete) = (Some(message.seq), false);
            (sync.offset, sync.stored, sync.taken) = (message.offset, stored, 0);
            sync.until = until;
        } else if sync.snapshot == Some(message.greeting) && !sync.is_complete {
            if message.seq != sync.came + 1 {
                return self.sync_broke(now_ms);
            }
            sync.came += 1;
            sync.until = until;
            sync.is_complete = message.offset == 1;
            let (lineage, offset, is_last) = (sync.lineage, sync.offset, sync.is_complete);
            let (is_first, bytes) = (sync.came == 1, message.payload);
            self.actions.push_back(Action::LoadPiece { lineage, offset, is_first, is_last, bytes });
        }
    }

    /// Gives up what another tab has not sent for too long.
    pub(super) fn wake_loading(&mut self, now_ms: i64) {
        let Some(due) = self.loading.wake_at() else { return };
        let (late, again) = (now_ms.saturating_sub(due), self.source_until(now_ms));
        if late > self.settings.silence_ms / 4
            && let Loading::Sync(sync) = &mut self.loading
        {
            // It was this tab that slept.
            sync.until = again;
        } else if late >= 0 {
            self.sync_broke(now_ms);
        }
    }

    fn sync_broke(&mut self, now_ms: i64) {
        match self.role {
            Role::Follower(_) => self.greet_anew(now_ms),
            Role::Candidate(_) => self.drop_source(now_ms),
            _ => self.end_sync(),
        }
    }

    /// The source may wait for others, who may be silent themselves.
    fn source_until(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.settings.silence_ms.saturating_mul(2))
    }
}
