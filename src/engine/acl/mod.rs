//! Who may do what: users, their passwords, and what they may call (ACL, AUTH).
//!
//! The users are a setting ([`super::config::Config`]), so that other tabs hear of them as of the rest.
//! A session knows whose it is by name, and whether it may do everything: then nothing is checked. Else
//! every command is, before it runs or is queued, when EXEC runs it, and when a script calls it.

mod category;
mod log;
mod selector;
mod sha256;
mod user;

pub(super) use category::{CATEGORIES, categories, category, names};
pub(super) use log::Context;
pub(super) use selector::{Selector, has_spaces};
pub(super) use sha256::{hex, sha256};
pub(super) use user::User;

use super::Engine;
use super::commands::describe_client;
use super::error::Error;
use super::registry::{Resolved, every};
use super::session::{Session, SessionId};
use super::table::{Command, flag};
use log::{Entry, Log};
use selector::Asked;

/// So many users there are at most.
const USERS: usize = 4096;
/// The longest name that a session can take with it.
const NAME_MAX: usize = 1024;
const SYNTAX: &str = "Syntax error";
/// Whose a session is that has not said so.
pub(super) const DEFAULT: &[u8] = b"default";

/// Why something is denied; what comes later is closer to being allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The command may not be called.
    Command,
    /// A key may not be used.
    Key,
    /// A channel may not be used.
    Channel,
    /// The password is wrong.
    Auth,
}

impl Reason {
    /// The name in ACL LOG and INFO.
    pub(super) const NAMES: [&str; 4] = ["command", "key", "channel", "auth"];

    /// The name in ACL LOG.
    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A request that is denied, because of the word at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Denial {
    pub(super) reason: Reason,
    pub(super) at: usize,
}

impl Denial {
    /// The error, without its code; `tells_all` names keys and channels.
    pub(super) fn text(
        self,
        user: &[u8],
        resolved: Resolved,
        argv: &[&[u8]],
        tells_all: bool,
    ) -> Vec<u8> {
        let word = argv.get(self.at).copied().unwrap_or_default();
        match (self.reason, tells_all) {
            (Reason::Key, false) => b"No permissions to access a key".to_vec(),
            (Reason::Channel, false) => b"No permissions to access a channel".to_vec(),
            (Reason::Key | Reason::Channel, true) => {
                let what = self.reason.name().as_bytes();
                [b"User ", user, b" has no permissions to access the '", word, b"' ", what].concat()
            }
            _ => {
                let name = resolved.full_name();
                let name = name.as_bytes();
                [b"User ", user, b" has no permissions to run the '", name, b"' command"].concat()
            }
        }
    }
}

/// The users.
#[derive(Clone, Debug)]
pub struct Acl {
    /// In the order of their names.
    users: Vec<User>,
    /// Whether new users may use all channels (`acl-pubsub-default`).
    pub(super) all_channels: bool,
    /// Whether there is more than there is in every engine.
    is_set: bool,
}

impl Default for Acl {
    fn default() -> Self {
        let mut user = User::new(DEFAULT, true);
        for rule in [&b"+@all"[..], b"~*", b"on", b"nopass"] {
            let is_done = user.apply(rule, true);
            debug_assert_eq!(is_done, Ok(()));
        }
        Self { users: vec![user], all_channels: false, is_set: false }
    }
}

impl Acl {
    /// All users.
    pub(super) fn users(&self) -> &[User] {
        &self.users
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.users.binary_search_by(|user| user.name.as_slice().cmp(name))
    }

    /// The user with this name.
    pub(super) fn user(&self, name: &[u8]) -> Option<&User> {
        self.users.get(self.place(name).ok()?)
    }

    /// Applies rules to a user, who is new if there is none with this name: all of them or none.
    ///
    /// # Errors
    /// Redis's own.
    pub(super) fn set_user(&mut self, name: &[u8], rules: &[&[u8]]) -> Result<(), Error> {
        if has_spaces(name) || name.len() > NAME_MAX {
            return Err(Error::fixed("ERR Usernames can't contain spaces or null characters"));
        }
        let merged = user::merge(rules).map_err(|start| {
            let text = b"ERR Unmatched parenthesis in acl selector starting at '";
            Error::new([text, start, b"'."].concat())
        })?;
        let place = self.place(name);
        let known = place.ok().and_then(|at| self.users.get(at));
        if known.is_none() && self.users.len() >= USERS {
            return Err(Error::fixed("ERR there are too many users"));
        }
        let mut user = known.cloned().unwrap_or_else(|| User::new(name, self.all_channels));
        for rule in &merged {
            user.apply(rule, self.all_channels).map_err(|why| {
                let text = b"ERR Error in ACL SETUSER modifier '";
                Error::new([text, rule.as_slice(), b"': ", why.as_bytes()].concat())
            })?;
        }
        self.is_set = true;
        match place {
            Ok(at) => self.users[at] = user,
            Err(at) => self.users.insert(at, user),
        }
        Ok(())
    }

    /// A user as a line of rules, with the word `user` before the name or without.
    ///
    /// # Errors
    /// As [`Acl::set_user`].
    pub(super) fn add_line(&mut self, line: &[u8]) -> Result<(), Error> {
        let mut words: Vec<&[u8]> = user::words(line).collect();
        if words.first() == Some(&&b"user"[..]) && words.len() > 1 {
            words.remove(0);
        }
        match words.as_slice() {
            [name, rules @ ..] => self.set_user(name, rules),
            [] => Err(Error::fixed("ERR a user has a name")),
        }
    }

    /// Removes a user; whether there was one.
    pub(super) fn remove(&mut self, name: &[u8]) -> bool {
        let found = self.place(name);
        if let Ok(at) = found {
            self.users.remove(at);
            self.is_set = true;
        }
        found.is_ok()
    }

    /// Sets the only password of the default user, or that every one is right (`requirepass`).
    pub(super) fn set_password(&mut self, password: &[u8]) {
        let rule = [b">", password].concat();
        let rules: [&[u8]; 2] =
            if password.is_empty() { [b"nopass", b""] } else { [b"resetpass", &rule] };
        let is_done = self.set_user(DEFAULT, &rules);
        debug_assert_eq!(is_done, Ok(()));
    }

    /// Whether sessions have to authenticate before they call anything.
    pub(super) fn asks_for_password(&self) -> bool {
        self.user(DEFAULT).is_none_or(|user| !user.is_nopass || !user.is_on)
    }

    /// All users as lines, if there is more to tell than in every engine.
    pub(super) fn lines(&self) -> Vec<Vec<u8>> {
        let users = if self.is_set { self.users.as_slice() } else { &[] };
        users.iter().map(User::describe).collect()
    }

    /// Has the users that [`Acl::lines`] of another one tells of, and no others; or stays as it is.
    pub(super) fn adopt(&mut self, lines: &[(&[u8], &[u8])]) {
        let mut new = Self { all_channels: self.all_channels, ..Self::default() };
        new.users[0] = User::new(DEFAULT, false);
        if lines.iter().all(|(_, line)| new.add_line(line).is_ok()) {
            *self = new;
        }
    }
}

/// What an engine knows besides the users.
#[derive(Default)]
pub(super) struct Guard {
    pub(super) log: Log,
    /// What [`every`] answers, once somebody has asked.
    commands: Vec<Resolved>,
}

impl Guard {
    fn asked<'a>(&mut self, command: &'static Command, argv: &'a [&'a [u8]]) -> Asked<'a> {
        if self.commands.is_empty() {
            self.commands = every();
        }
        let number = self.commands.iter().position(|known| std::ptr::eq(known.command, command));
        let number = number.unwrap_or(usize::MAX);
        let is_sub = self.commands.get(number).is_none_or(|known| known.container.is_some());
        Asked { number, command, is_sub, argv, keys: None }
    }
}

impl Session {
    /// Whose the session is.
    pub(super) fn username(&self) -> &[u8] {
        self.user.as_deref().unwrap_or(DEFAULT)
    }
}

impl Engine {
    /// Applies a line of rules, the user's name first.
    ///
    /// # Errors
    /// As ACL SETUSER.
    pub fn add_user(&mut self, line: &[u8]) -> Result<(), Error> {
        self.config.acl.add_line(line)?;
        self.users_changed(None, None);
        Ok(())
    }

    /// Bits for a password.
    pub(super) fn unguessable(&mut self) -> u64 {
        (self.random)() ^ self.rng.next_u64()
    }

    /// Begins a session that may do everything, whatever users there are: the host's own.
    pub(crate) fn connect_owner(&mut self) -> SessionId {
        self.stats.connections += 1;
        self.sessions.open(self.now_ms())
    }

    /// Makes a session one of the default user, who has authenticated if that takes no password.
    pub(super) fn forget_user(&mut self, id: SessionId) {
        let is_authenticated = !self.config.acl.asks_for_password();
        self.set_user(id, None, is_authenticated);
    }

    /// Makes a session one of a user who has authenticated elsewhere, or one that nobody has;
    /// `is_known` if it has been seen to be free to do everything.
    pub fn restore_user(&mut self, id: SessionId, user: Option<&[u8]>, is_known: bool) {
        let acl = &self.config.acl;
        let is_there = match user {
            Some(name) => acl.user(name).is_some(),
            None => is_known || !acl.asks_for_password(),
        };
        self.set_user(id, user, is_there);
    }

    /// Makes a session one of a user.
    pub(super) fn set_user(&mut self, id: SessionId, user: Option<&[u8]>, is_authenticated: bool) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let was_free = session.is_free;
        session.user = user.map(Box::from);
        session.is_authenticated = is_authenticated;
        session.is_owner = false;
        settle(&self.config.acl, session);
        if session.is_free != was_free {
            self.keyspace.forget_copies();
        }
    }

    /// The users have changed, perhaps by a command of this session: ends the sessions of those that are
    /// gone, and those with subscriptions that the user `changed` may not have any more; and finds out
    /// what the others may do.
    pub(super) fn users_changed(&mut self, by: Option<SessionId>, changed: Option<&[u8]>) {
        for id in self.sessions.numbers() {
            let Some(session) = self.sessions.get_mut(id) else { continue };
            settle(&self.config.acl, session);
            let is_changed = changed == Some(session.username());
            // One that was restored may be of a user who was gone before.
            let may_stay = !session.is_authenticated
                || session.is_owner
                || self
                    .config
                    .acl
                    .user(session.username())
                    .is_some_and(|user| !is_changed || keeps_subscriptions(user, session));
            if !may_stay {
                self.expel(id, by);
            }
        }
        self.keyspace.forget_copies();
    }

    /// Ends a session, that of the command which is being run once it has its reply.
    pub(super) fn expel(&mut self, id: SessionId, by: Option<SessionId>) {
        if by == Some(id) {
            self.sessions.kill(id);
        } else {
            self.kill(id);
        }
    }

    /// Changes settings as another engine's [`super::config::Config::changes`] tells.
    pub fn adopt_settings(&mut self, changes: &[u8]) {
        self.config.adopt(changes);
        self.users_changed(None, None);
    }

    /// Makes a session one of the user, if the password is right.
    ///
    /// # Errors
    /// It is not, or nobody may authenticate as this user.
    pub(super) fn authenticate(
        &mut self,
        id: SessionId,
        user: &[u8],
        password: &[u8],
        argv: &[&[u8]],
    ) -> Result<(), Error> {
        if self.config.acl.user(user).is_some_and(|known| known.knows(password)) {
            self.set_user(id, Some(user), true);
            return Ok(());
        }
        let object = argv.first().copied().unwrap_or_default();
        self.log_denial(id, Reason::Auth, self.context_of(id), object, Some(user));
        Err(Error::fixed("WRONGPASS invalid username-password pair or user is disabled."))
    }

    fn context_of(&self, id: SessionId) -> Context {
        match self.sessions.get(id) {
            Some(session) if session.in_script.is_some() => Context::Lua,
            Some(session) if session.queue.is_some() || session.executing => Context::Multi,
            _ => Context::Toplevel,
        }
    }

    /// Whether a session has to authenticate first.
    pub(super) fn must_authenticate(&self, id: SessionId) -> bool {
        let acl = &self.config.acl;
        let must = |session: &Session| {
            let is_known = session.is_owner || session.is_authenticated;
            !is_known && (acl.asks_for_password() || acl.user(session.username()).is_none())
        };
        self.sessions.get(id).is_some_and(must)
    }

    /// Why the user of a session may not run a command; `None` if it may.
    pub(super) fn denial(
        &mut self,
        id: SessionId,
        command: &'static Command,
        argv: &[&[u8]],
    ) -> Option<Denial> {
        let session = self.sessions.get(id).filter(|session| !session.is_free)?;
        let mut asked = self.guard.asked(command, argv);
        match self.config.acl.user(session.username()) {
            Some(user) => user.check(&mut asked).err(),
            None if command.has(flag::NO_AUTH) => None,
            None => Some(Denial { reason: Reason::Command, at: 0 }),
        }
    }

    /// Why a user may not run a command, or that it may, or that there is no such user.
    pub(super) fn dry_run(
        &mut self,
        user: &[u8],
        command: &'static Command,
        argv: &[&[u8]],
    ) -> Option<Result<(), Denial>> {
        let mut asked = self.guard.asked(command, argv);
        Some(self.config.acl.user(user)?.check(&mut asked))
    }

    /// Whether the user of a session may run a command that reads any key.
    pub(super) fn may_read_all(&mut self, id: SessionId, argv: &[&[u8]]) -> bool {
        let Some(session) = self.sessions.get(id).filter(|session| !session.is_free) else {
            return true;
        };
        let Some(command) = self.registry.resolve(argv) else { return false };
        let mut asked = self.guard.asked(command, argv);
        let user = self.config.acl.user(session.username());
        user.is_some_and(|user| user.may_read_all(&mut asked))
    }

    /// Whether a session may run a command.
    ///
    /// # Errors
    /// It has to authenticate first, or its user may not.
    #[cold]
    pub(super) fn admit_user(
        &mut self,
        id: SessionId,
        resolved: Resolved,
        argv: &[&[u8]],
    ) -> Result<(), Error> {
        if self.sessions.get(id).is_none_or(|session| session.is_free) {
            return Ok(());
        }
        if self.must_authenticate(id) && !resolved.command.has(flag::NO_AUTH) {
            return Err(Error::fixed("NOAUTH Authentication required."));
        }
        let Some(denial) = self.denial(id, resolved.command, argv) else { return Ok(()) };
        let context = self.context_of(id);
        let (object, name);
        if denial.reason == Reason::Command {
            name = resolved.full_name();
            object = name.as_bytes();
        } else {
            object = argv.get(denial.at).copied().unwrap_or_default();
        }
        let Some(session) = self.sessions.get_mut(id) else { return Ok(()) };
        let is_executing = session.executing && context == Context::Multi;
        if context != Context::Lua {
            session.last_command = Some(resolved);
        }
        let text = denial.text(session.username(), resolved, argv, false);
        self.log_denial(id, denial.reason, context, object, None);
        if context == Context::Lua {
            return Err(Error::new([b"ERR ACL failure in script: ", text.as_slice()].concat()));
        }
        if !is_executing {
            return Err(Error::new([b"NOPERM ", text.as_slice()].concat()));
        }
        let reason = match denial.reason {
            Reason::Key => "no permission to touch the specified keys",
            Reason::Channel => {
                "no permission to access one of the channels used as arguments to the command"
            }
            _ => "no permission to execute the command or subcommand",
        };
        let text = "NOPERM ACLs rules changed between the moment the transaction was accumulated and \
                    the EXEC call. This command is no longer allowed for the following reason: ";
        Err(Error::new([text, reason].concat()))
    }

    fn log_denial(
        &mut self,
        id: SessionId,
        reason: Reason,
        context: Context,
        object: &[u8],
        username: Option<&[u8]>,
    ) {
        let now = self.now_ms();
        self.stats.denied[reason as usize] += 1;
        let Some(session) = self.sessions.get(id) else { return };
        let mut info = describe_client(self, id, session);
        info.pop();
        let entry = Entry {
            count: 1,
            reason,
            context,
            object: object.to_vec(),
            username: username.unwrap_or(session.username()).to_vec(),
            info,
            id: 0,
            created_ms: now,
            updated_ms: now,
        };
        self.guard.log.add(entry, self.config.acllog_max_len);
    }
}

/// Finds out whether a session may do everything.
fn settle(acl: &Acl, session: &mut Session) {
    let may_all = |user: &User| {
        (session.is_authenticated || !acl.asks_for_password()) && user.is_unrestricted()
    };
    session.is_free = session.is_owner || acl.user(session.username()).is_some_and(may_all);
}

/// Whether a session has only subscriptions that its user may have.
fn keeps_subscriptions(user: &User, session: &Session) -> bool {
    let all =
        [(&session.channels, false), (&session.shard_channels, false), (&session.patterns, true)];
    let mut all = all.iter().flat_map(|(names, is_pattern)| names.iter().map(|n| (n, *is_pattern)));
    all.all(|(name, is_pattern)| user.allows_channel(name, is_pattern))
}
