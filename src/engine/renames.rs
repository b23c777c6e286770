//! Commands that sessions know by other names, or not at all (`rename-command`).
//!
//! Only what sessions and scripts ask for is concerned: everything else, the effects above all, goes by
//! the names of the table.

use super::Engine;
use super::error::Error;
use super::table::Command;

/// A command that has another name.
pub(super) struct Rename {
    command: &'static Command,
    /// Empty for none.
    name: Vec<u8>,
}

/// What a request names.
pub(super) enum Named<'a> {
    /// What its words say.
    AsItSays,
    /// The command that these words name in the table.
    Other(&'static Command, Vec<&'a [u8]>),
    /// Nothing.
    Nothing,
}

#[cfg(feature = "scripting")]
impl<'a> Named<'a> {
    /// The words by the names of the table, of a request with the words `argv`; `None` if it names nothing.
    pub(super) fn words<'w>(&'w self, argv: &'w [&'a [u8]]) -> Option<&'w [&'a [u8]]> {
        match self {
            Self::AsItSays => Some(argv),
            Self::Other(_, words) => Some(words),
            Self::Nothing => None,
        }
    }
}

impl Engine {
    /// Gives a command another name, or takes it away with an empty one.
    ///
    /// # Errors
    /// There is no such command, or another one has the new name.
    pub fn rename_command(&mut self, old: &[u8], new: &[u8]) -> Result<(), Error> {
        let command = self.registry.get(old).filter(|known| !self.is_renamed(known));
        let command = command.ok_or(Error::fixed("ERR No such command in rename-command"))?;
        let by_table = self.registry.get(new).filter(|known| !self.is_renamed(known));
        if by_table.is_some() || self.renamed_to(new).is_some() {
            return Err(Error::fixed("ERR Target command name already exists in rename-command"));
        }
        self.renames.push(Rename { command, name: new.to_vec() });
        Ok(())
    }

    /// Whether sessions know a command by its name.
    pub fn is_renamed(&self, command: &'static Command) -> bool {
        self.renames.iter().any(|known| std::ptr::eq(known.command, command))
    }

    fn renamed_to(&self, name: &[u8]) -> Option<&'static Command> {
        let is = |known: &&Rename| !name.is_empty() && known.name.eq_ignore_ascii_case(name);
        self.renames.iter().find(is).map(|known| known.command)
    }

    /// What the words of a session's request name.
    #[cold]
    pub(super) fn named<'a>(&self, argv: &[&'a [u8]]) -> Named<'a> {
        let Some((name, arguments)) = argv.split_first() else { return Named::AsItSays };
        if let Some(command) = self.renamed_to(name) {
            let words = std::iter::once(command.name.as_bytes()).chain(arguments.iter().copied());
            return Named::Other(command, words.collect());
        }
        match self.registry.get(name) {
            Some(command) if self.is_renamed(command) => Named::Nothing,
            _ => Named::AsItSays,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::session::SessionId;
    use crate::engine::{Engine, Options};

    fn call(engine: &mut Engine, session: SessionId, line: &str) -> String {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        engine.call(session, &argv, &mut reply);
        String::from_utf8(reply).unwrap()
    }

    #[test]
    fn a_renamed_command_is_known_by_its_new_name_only() {
        let mut engine = Engine::new(&Options::default());
        engine.effects.set_enabled(true);
        for (old, new) in [("FLUSHALL", ""), ("config", "Secret"), ("set", "put"), ("get", "set")] {
            engine.rename_command(old.as_bytes(), new.as_bytes()).unwrap();
        }
        for (old, new) in
            [("nosuch", ""), ("incr", "DECR"), ("incr", "PUT"), ("config", "x"), ("put", "x")]
        {
            assert!(engine.rename_command(old.as_bytes(), new.as_bytes()).is_err(), "{old} {new}");
        }
        let session = engine.connect();
        let mut call = |line: &str| call(&mut engine, session, line);
        let unknown = "-ERR unknown command 'flushall', with args beginning with: \r\n";
        assert_eq!(call("flushall"), unknown);
        assert_eq!(call(""), "-ERR unknown command '', with args beginning with: \r\n");
        assert!(call("CONFIG GET databases").starts_with("-ERR unknown command 'CONFIG'"));
        assert!(call("SECRET GET databases").starts_with("*2\r\n"));
        assert_eq!(call("put k 1"), "+OK\r\n");
        assert_eq!(call("set k"), "$1\r\n1\r\n");
        assert!(call("get k").starts_with("-ERR unknown command 'get'"));
        for line in ["multi", "put k 2", "set k", "flushall"] {
            call(line);
        }
        assert!(call("exec").starts_with("-EXECABORT"));
        for line in ["multi", "put k 2", "set k"] {
            call(line);
        }
        assert_eq!(call("exec"), "*2\r\n+OK\r\n$1\r\n2\r\n");
        assert_eq!(call("acl setuser u on nopass +get +set ~*"), "+OK\r\n");
        assert_eq!(call("acl dryrun u get k"), "+OK\r\n");
        // The log, and who replays it, know the real names.
        let effects = String::from_utf8(engine.effects.take()).unwrap().to_lowercase();
        assert!(effects.contains("set") && !effects.contains("put"), "{effects}");
        let owner = engine.connect_owner();
        assert_eq!(self::call(&mut engine, owner, "get k"), "$1\r\n2\r\n");
    }

    #[cfg(feature = "scripting")]
    #[test]
    fn scripts_know_the_new_names() {
        let mut engine = Engine::new(&Options::default());
        engine.rename_command(b"set", b"put").unwrap();
        let session = engine.connect();
        let mut eval = |script: &[u8]| {
            let mut reply = Vec::new();
            engine.call(session, &[b"EVAL", script, b"0"], &mut reply);
            String::from_utf8(reply).unwrap()
        };
        assert_eq!(eval(b"return redis.call('put', 'k', 1)"), "+OK\r\n");
        assert!(
            eval(b"return redis.call('set', 'k', 1)").starts_with("-ERR Unknown Redis command")
        );
        assert_eq!(eval(b"return redis.acl_check_cmd('put', 'k', '1')"), ":1\r\n");
        assert!(
            eval(b"return redis.acl_check_cmd('set', 'k')").starts_with("-ERR Invalid command")
        );
    }
}
