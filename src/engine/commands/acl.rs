//! ACL: users and what they may do.

use super::help;
use crate::engine::acl::{CATEGORIES, DEFAULT, Selector, User, categories, category, hex, sha256};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::registry::every;
use crate::engine::table::{Command, Group, flag, ts};
use crate::resp::Writer;

const ACL: Command = Command {
    flags: flag::NOSCRIPT | flag::LOADING | flag::STALE,
    group: Group::Server,
    since: "6.0.0",
    complexity: "O(1)",
    ..Command::BASE
};

const ADMIN: Command = Command { flags: ACL.flags | flag::ADMIN, ..ACL };

/// The family's declarations.
pub static COMMANDS: &[Command] = &[Command {
    name: "acl",
    arity: -2,
    flags: 0,
    complexity: "Depends on subcommand.",
    summary: "A container for Access List Control commands.",
    subcommands: SUBCOMMANDS,
    ..ACL
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "cat",
        handler: Some(cat),
        arity: -2,
        complexity: "O(1) since the categories and commands are a fixed set.",
        summary: "Lists the ACL categories, or the commands inside a category.",
        syntax: "[category]",
        reply: ts("string[]"),
        ..ACL
    },
    Command {
        name: "deluser",
        handler: Some(deluser),
        arity: -3,
        complexity: "O(1) amortized time considering the typical user.",
        summary: "Deletes ACL users, and terminates their connections.",
        syntax: "username...",
        reply: ts("number"),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..ADMIN
    },
    Command {
        name: "dryrun",
        handler: Some(dryrun),
        arity: -4,
        since: "7.0.0",
        complexity: "O(1).",
        summary: "Simulates the execution of a command by a user, without executing the command.",
        syntax: "username command [arg...]",
        reply: ts("string @bytes \"OK\" | Uint8Array"),
        ..ADMIN
    },
    Command {
        name: "genpass",
        handler: Some(genpass),
        arity: -2,
        summary: "Generates a pseudorandom, secure password that can be used to identify ACL users.",
        syntax: "[bits:integer]",
        reply: ts("string"),
        ..ACL
    },
    Command {
        name: "getuser",
        handler: Some(getuser),
        arity: 3,
        complexity: "O(N). Where N is the number of password, command and pattern rules that the \
            user has.",
        summary: "Lists the ACL rules of a user.",
        syntax: "username",
        reply: ts("AclUser | null"),
        ..ADMIN
    },
    Command {
        name: "help",
        handler: Some(acl_help),
        arity: 2,
        flags: flag::LOADING | flag::STALE,
        summary: "Returns helpful text about the different subcommands.",
        reply: ts("string[] @bytes string[]"),
        ..ACL
    },
    Command {
        name: "list",
        handler: Some(list),
        arity: 2,
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Dumps the effective rules in ACL file format.",
        reply: ts("string[]"),
        ..ADMIN
    },
    Command {
        name: "load",
        handler: Some(no_file),
        arity: 2,
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Reloads the rules from the configured ACL file.",
        reply: ts("\"OK\""),
        ..ADMIN
    },
    Command {
        name: "log",
        handler: Some(log),
        arity: -2,
        complexity: "O(N) with N being the number of entries shown.",
        summary: "Lists recent security events generated due to ACL rules.",
        syntax: "[operation(count:integer | RESET)]",
        reply: ts("AclLogEntry[] // \"OK\" // AclLogEntry[]"),
        ..ADMIN
    },
    Command {
        name: "save",
        handler: Some(no_file),
        arity: 2,
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Saves the effective ACL rules in the configured ACL file.",
        reply: ts("\"OK\""),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..ADMIN
    },
    Command {
        name: "setuser",
        handler: Some(setuser),
        arity: -3,
        complexity: "O(N). Where N is the number of rules provided.",
        summary: "Creates and modifies an ACL user and its rules.",
        syntax: "username [rule...]",
        reply: ts("\"OK\""),
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..ADMIN
    },
    Command {
        name: "users",
        handler: Some(users),
        arity: 2,
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Lists all ACL users.",
        reply: ts("string[]"),
        ..ADMIN
    },
    Command {
        name: "whoami",
        handler: Some(whoami),
        arity: 2,
        summary: "Returns the authenticated username of the current connection.",
        reply: ts("string"),
        ..ACL
    },
];

fn cat(_: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let Some(name) = args.next() else {
        out.array(CATEGORIES.len());
        CATEGORIES.iter().for_each(|name| out.bulk(name.as_bytes()));
        return Ok(());
    };
    if !args.is_empty() {
        return Err(help::wrong_subcommand(args));
    }
    let bit = category(name).ok_or_else(|| {
        let shown = &name[..name.len().min(128)];
        Error::new([b"ERR Unknown category '", shown, b"'"].concat())
    })?;
    let mut found = every();
    found.retain(|known| categories(known.command) & bit != 0);
    out.array(found.len());
    found.iter().for_each(|known| out.bulk(known.full_name().as_bytes()));
    Ok(())
}

fn deluser(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let names = args.rest();
    if names.contains(&DEFAULT) {
        return Err(Error::fixed("ERR The 'default' user cannot be removed"));
    }
    let count = names.iter().filter(|name| c.engine.config.acl.remove(name)).count();
    if count > 0 {
        c.engine.config.generation += 1;
        c.engine.users_changed(Some(c.session_id), None);
    }
    out.count(count);
    Ok(())
}

fn dryrun(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let user = args.take()?;
    let argv = args.rest();
    if c.engine.config.acl.user(user).is_none() {
        return Err(Error::new([b"ERR User '", user, b"' not found"].concat()));
    }
    if c.engine.registry().resolve(argv).is_none() {
        let name = argv.first().copied().unwrap_or_default();
        return Err(Error::new([b"ERR Command '", name, b"' not found"].concat()));
    }
    let resolved = c.engine.resolve(argv)?;
    match c.engine.dry_run(user, resolved.command, argv) {
        Some(Err(denial)) => out.bulk(&denial.text(user, resolved, argv, true)),
        _ => out.ok(),
    }
    Ok(())
}

fn genpass(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    const MOST: i64 = 4096;
    let bits = if args.is_empty() { 256 } else { args.take_integer()? };
    if !args.is_empty() {
        return Err(help::wrong_subcommand(args));
    }
    if !(1..=MOST).contains(&bits) {
        return Err(Error::fixed(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive \
             number up to 4096",
        ));
    }
    let digits = usize::try_from(bits).unwrap_or(0).div_ceil(4);
    let mut password = Vec::new();
    while password.len() < digits {
        let mut random = [0; 40];
        for bytes in random.as_chunks_mut().0 {
            *bytes = c.engine.unguessable().to_le_bytes();
        }
        password.extend_from_slice(&hex(&sha256(&random)));
    }
    password.truncate(digits);
    out.bulk(&password);
    Ok(())
}

fn getuser(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let Some(user) = c.engine.config.acl.user(args.take()?) else {
        out.null();
        return Ok(());
    };
    out.map(6);
    out.bulk(b"flags");
    out.set(user.flags().count());
    user.flags().for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"passwords");
    out.array(user.passwords.len());
    user.passwords.iter().for_each(|password| out.bulk(&hex(password)));
    selector(out, &user.root);
    out.bulk(b"selectors");
    out.array(user.selectors.len());
    for other in &user.selectors {
        out.map(3);
        selector(out, other);
    }
    Ok(())
}

fn selector(out: &mut Writer<'_>, selector: &Selector) {
    let fields = [
        ("commands", selector.describe_commands()),
        ("keys", selector.describe_keys(false)),
        ("channels", selector.describe_channels()),
    ];
    for (name, rules) in &fields {
        out.bulk(name.as_bytes());
        out.bulk(rules);
    }
}

fn list(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    every_user(c, out, User::describe);
    Ok(())
}

fn users(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    every_user(c, out, |user| user.name.clone());
    Ok(())
}

fn every_user(c: &Ctx<'_>, out: &mut Writer<'_>, show: fn(&User) -> Vec<u8>) {
    let users = c.engine.config.acl.users();
    out.array(users.len());
    users.iter().for_each(|user| out.bulk(&show(user)));
}

fn no_file(_: &mut Ctx<'_>, _: &mut Args<'_>, _: &mut Writer<'_>) -> Result<(), Error> {
    Err(Error::fixed(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users \
         via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis \
         configuration file set) in order to store users in the Redis configuration.",
    ))
}

fn log(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if args.accept("RESET") && args.is_empty() {
        c.engine.guard.log.entries.clear();
        out.ok();
        return Ok(());
    }
    let count = if args.is_empty() { 10 } else { args.take_integer()? };
    if !args.is_empty() {
        return Err(help::wrong_subcommand(args));
    }
    let entries = &c.engine.guard.log.entries;
    let count = usize::try_from(count).unwrap_or(0).min(entries.len());
    out.array(count);
    for entry in entries.iter().take(count) {
        out.map(10);
        out.bulk(b"count");
        out.integer(entry.count);
        let texts: [(&str, &[u8]); 4] = [
            ("reason", entry.reason.name().as_bytes()),
            ("context", entry.context.name().as_bytes()),
            ("object", &entry.object),
            ("username", &entry.username),
        ];
        for (name, text) in texts {
            out.bulk(name.as_bytes());
            out.bulk(text);
        }
        out.bulk(b"age-seconds");
        out.double(c.engine.now_ms().saturating_sub(entry.updated_ms) as f64 / 1000.0);
        out.bulk(b"client-info");
        out.bulk(&entry.info);
        let numbers = [
            ("entry-id", entry.id),
            ("timestamp-created", entry.created_ms),
            ("timestamp-last-updated", entry.updated_ms),
        ];
        for (name, number) in numbers {
            out.bulk(name.as_bytes());
            out.integer(number);
        }
    }
    Ok(())
}

fn setuser(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let name = args.take()?;
    c.engine.config.acl.set_user(name, args.rest())?;
    c.engine.config.generation += 1;
    c.engine.users_changed(Some(c.session_id), Some(name));
    out.ok();
    Ok(())
}

fn whoami(c: &mut Ctx<'_>, _args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.bulk(c.session().username());
    Ok(())
}

fn acl_help(_: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    help::write(
        out,
        "ACL",
        &[
            "CAT [<category>]",
            "    List all commands that belong to <category>, or all command categories",
            "    when no category is specified.",
            "DELUSER <username> [<username> ...]",
            "    Delete a list of users.",
            "DRYRUN <username> <command> [<arg> ...]",
            "    Returns whether the user can execute the given command without executing the command.",
            "GETUSER <username>",
            "    Get the user's details.",
            "GENPASS [<bits>]",
            "    Generate a secure 256-bit user password. The optional `bits` argument can",
            "    be used to specify a different size.",
            "LIST",
            "    Show users details in config file format.",
            "LOAD",
            "    Reload users from the ACL file.",
            "LOG [<count> | RESET]",
            "    Show the ACL log entries.",
            "SAVE",
            "    Save the current config to the ACL file.",
            "SETUSER <username> <attribute> [<attribute> ...]",
            "    Create or modify a user with the specified attributes.",
            "USERS",
            "    List all the registered usernames.",
            "WHOAMI",
            "    Return the current connection username.",
        ],
    );
    Ok(())
}
