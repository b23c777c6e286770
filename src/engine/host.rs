//! What the process around the engine knows, and does when commands ask for it.

use super::Engine;
use super::error::Error;

/// What a host brings. In a page there is nothing of all this, and the module for pages does without the
/// feature `host`, without which this is always empty.
#[derive(Debug, Default)]
pub struct Host {
    settings: Vec<(String, String)>,
    rdb: Option<Errand>,
    config_file: String,
    file: Option<Errand>,
}

/// Whether there is any host at all.
pub(super) const HOSTED: bool = cfg!(feature = "host");

/// Something that is done when a command asks for it.
#[derive(Debug, Default)]
pub struct Errand {
    /// How often it is to have been done: the host is at it while that is more than `done`.
    pub wanted: u64,
    /// How often it was done, or could not be.
    pub done: u64,
    /// Why it could not be done the last time.
    pub error: Option<String>,
    /// When it was done the last time: Unix seconds.
    pub done_s: i64,
    /// When it was begun the last time: Unix milliseconds.
    pub began_ms: i64,
    /// How long it took the last time, in milliseconds.
    pub took_ms: Option<i64>,
    /// How many changes there were when it began.
    pub changes: u64,
}

impl Errand {
    /// Whether it is being done.
    pub fn is_running(&self) -> bool {
        self.wanted > self.done
    }

    /// Asks for it, after what is being done; answers how often it is done then.
    pub fn want(&mut self) -> u64 {
        self.wanted += 1;
        self.wanted
    }
}

impl Host {
    /// Settings that are the host's own, with their names, which CONFIG GET answers.
    pub fn settings(&self) -> &[(String, String)] {
        if HOSTED { &self.settings } else { &[] }
    }

    /// Saving to an RDB file; without one, SAVE and its like are about the log.
    pub fn rdb(&self) -> Option<&Errand> {
        self.rdb.as_ref().filter(|_| HOSTED)
    }

    /// Writing the configuration file, if there is one.
    pub fn file(&self) -> Option<&Errand> {
        self.file.as_ref().filter(|_| HOSTED)
    }

    /// The same, to be asked for.
    pub(super) fn file_mut(&mut self) -> Option<&mut Errand> {
        self.file.as_mut().filter(|_| HOSTED)
    }

    /// Where the configuration file is; empty without one.
    pub fn config_file(&self) -> &str {
        if HOSTED { &self.config_file } else { "" }
    }

    /// What is the value of a setting of the host's, in any case.
    pub fn setting(&self, name: &[u8]) -> Option<&str> {
        let is_it = |known: &&(String, String)| name.eq_ignore_ascii_case(known.0.as_bytes());
        self.settings().iter().find(is_it).map(|(_, value)| value.as_str())
    }

    /// Sets it.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.settings.iter_mut().find(|known| known.0 == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.settings.push((name.to_owned(), value.to_owned())),
        }
    }

    /// How often anything was asked for.
    pub fn wanted(&self) -> u64 {
        let wanted = |errand: Option<&Errand>| errand.map_or(0, |errand| errand.wanted);
        wanted(self.rdb()) + wanted(self.file())
    }
}

impl Engine {
    /// How often SAVE and its like have been done, or could not be.
    pub(super) fn saves(&self) -> u64 {
        self.host.rdb().map_or(self.persistence.saves, |rdb| rdb.done)
    }

    /// Whether that is under way.
    pub(super) fn is_saving(&self) -> bool {
        self.host.rdb().map_or(self.persistence.rewriting, Errand::is_running)
    }

    /// Whether there is anything to save to.
    pub(super) fn can_save(&self) -> bool {
        self.persistence.attached || self.host.rdb.is_some()
    }

    /// Asks for it; answers how often it has been done then.
    pub(super) fn want_save(&mut self) -> u64 {
        if HOSTED && let Some(rdb) = &mut self.host.rdb {
            return rdb.want();
        }
        self.persistence.want_rewrite();
        self.persistence.saves + 1
    }

    /// How the last one went.
    pub(super) fn save_outcome(&self, prefix: &str) -> Result<(), Error> {
        let error = match self.host.rdb() {
            Some(rdb) => &rdb.error,
            None => &self.persistence.save_error,
        };
        error.as_ref().map_or(Ok(()), |why| Err(Error::new(format!("{prefix}{why}"))))
    }

    /// The host writes an RDB file when it is asked to, if it `saves`, and a configuration file, if
    /// there is one at `config_file`.
    pub fn attach_host(&mut self, saves: bool, config_file: String) {
        let done_s = self.now_ms().div_euclid(1000);
        self.config.has_file = saves;
        self.host.rdb = saves.then(|| Errand { done_s, ..Errand::default() });
        self.host.file = (!config_file.is_empty()).then(Errand::default);
        self.host.config_file = config_file;
    }

    /// The host has begun to write the RDB file.
    pub fn began_saving(&mut self) {
        let (now_ms, changes) = (self.now_ms(), self.stats.changes);
        if let Some(rdb) = &mut self.host.rdb {
            (rdb.began_ms, rdb.changes) = (now_ms, changes);
        }
    }

    /// The host has written the RDB file, or could not for this reason.
    pub fn saved(&mut self, error: Option<String>) {
        let now_ms = self.now_ms();
        let Some(rdb) = &mut self.host.rdb else { return };
        if error.is_none() {
            self.stats.changes = self.stats.changes.saturating_sub(rdb.changes);
            rdb.done_s = now_ms.div_euclid(1000);
        }
        rdb.took_ms = Some(now_ms.saturating_sub(rdb.began_ms));
        rdb.done += 1;
        // What it began by itself, nobody has asked for.
        rdb.wanted = rdb.wanted.max(rdb.done);
        rdb.error = error;
        self.serve_durable();
    }

    /// The host has written the configuration file, or could not for this reason.
    pub fn rewrote_config(&mut self, error: Option<String>) {
        let Some(file) = &mut self.host.file else { return };
        file.done += 1;
        file.error = error;
        self.serve_durable();
    }

    /// Whether writes are refused, since what was written could not be stored.
    pub(super) fn refuses_writes(&self) -> bool {
        self.persistence.write_error.is_some() || self.has_unsaved()
    }

    /// With which error.
    pub(super) fn write_refusal(&self) -> Option<Error> {
        if let Some(why) = &self.persistence.write_error {
            return Some(Error::new(format!("MISCONF Errors writing to the AOF file: {why}")));
        }
        self.has_unsaved().then_some(UNSAVED)
    }

    fn has_unsaved(&self) -> bool {
        self.host.rdb().is_some_and(|rdb| rdb.error.is_some())
            && self.config.stop_writes_on_bgsave_error
            && !self.config.save.is_empty()
    }
}

const UNSAVED: Error = Error::fixed(
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
     Commands that may modify the data set are disabled, because this instance is configured to report \
     errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check \
     the Redis logs for details about the RDB error.",
);
