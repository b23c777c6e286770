//! The commands of functions.

use super::Counts;
use super::call::Run;
use super::eval::{Scripts, fail, keys_and_arguments, steps};
use super::lua::{Call, Chunk, Interpreter, Registered};
use super::shebang::{self, Flags};
use crate::engine::args::Args;
use crate::engine::commands::wrong_subcommand;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::glob::glob_match;
use crate::engine::libraries::{self, Libraries};
use crate::engine::rdb;
use crate::engine::{Engine, REDIS_VERSION};
use crate::resp::Writer;
use std::collections::BTreeMap;

/// What loading a library may execute.
const LOAD_STEPS: u64 = 5_000_000;

struct Function {
    library: Vec<u8>,
    name: Vec<u8>,
    chunk: Chunk,
    flags: Flags,
    flag_names: Vec<Vec<u8>>,
    description: Option<Vec<u8>>,
}

/// The libraries as they can be called.
pub struct Functions {
    /// By their names in lower case. They may hold coroutines, and go first.
    functions: BTreeMap<Vec<u8>, Function>,
    interpreter: Interpreter,
    /// Of the libraries that these are of.
    generation: u64,
}

impl Functions {
    fn new() -> Result<Self, Error> {
        let mut interpreter =
            Interpreter::new(REDIS_VERSION).map_err(|why| Error::new(why.text))?;
        interpreter.limit(LOAD_STEPS);
        Ok(Self { interpreter, functions: BTreeMap::new(), generation: 0 })
    }

    /// Those of `libraries`; where `is_lenient`, without those that cannot be loaded.
    fn of(libraries: &Libraries, is_lenient: bool) -> Result<Self, Error> {
        let mut all = Self::new()?;
        for (name, code) in libraries.iter() {
            match all.load(name, code) {
                Err(error) if !is_lenient => return Err(error),
                _ => {}
            }
        }
        all.generation = libraries.generation();
        Ok(all)
    }

    /// Loads a library, in place of the one that has its name.
    fn load(&mut self, library: &[u8], code: &[u8]) -> Result<(), Error> {
        let end = memchr::memchr(b'\n', code).unwrap_or(code.len());
        let body = code.get(end..).unwrap_or_default();
        self.interpreter.limit(LOAD_STEPS);
        let chunk = self.interpreter.compile(body, "@user_function").map_err(|why| {
            Error::new([b"ERR Error compiling function: ", why.as_slice()].concat())
        })?;
        let mut added: BTreeMap<Vec<u8>, Function> = BTreeMap::new();
        let mut register = |registered: Registered| {
            if !libraries::is_name(&registered.name) {
                return Err(
                    "Library names can only contain letters, numbers, or underscores(_) and \
                            must be at least one character long",
                );
            }
            let mut flags = Flags { declared: true, ..Flags::default() };
            if !registered.flags.iter().all(|flag| flags.set(flag)) {
                return Err("unknown flag given");
            }
            let Registered { name, chunk, description, flags: flag_names } = registered;
            let key = name.to_ascii_lowercase();
            let library = library.to_vec();
            let function = Function { library, name, chunk, flags, flag_names, description };
            match added.insert(key, function) {
                None => Ok(()),
                Some(_) => Err("Function already exists in the library"),
            }
        };
        self.interpreter.load(&chunk, &mut register).map_err(|why| {
            Error::new([b"ERR Error registering functions: ", why.text.as_slice()].concat())
        })?;
        if added.is_empty() {
            return Err(Error::fixed("ERR No functions registered"));
        }
        let is_taken = |function: &&Function| {
            let key = function.name.to_ascii_lowercase();
            self.functions.get(&key).is_some_and(|other| other.library != library)
        };
        if let Some(taken) = added.values().find(is_taken) {
            return Err(Error::new(
                [b"ERR Function ", &taken.name[..], b" already exists"].concat(),
            ));
        }
        self.functions.retain(|_, function| function.library != library);
        self.functions.append(&mut added);
        Ok(())
    }
}

impl Scripts {
    /// The functions of the libraries that there are.
    fn functions(&mut self, libraries: &Libraries) -> Result<&mut Functions, Error> {
        let generation = libraries.generation();
        if self.functions.as_ref().is_none_or(|functions| functions.generation != generation) {
            self.functions = Some(Box::new(Functions::of(libraries, true)?));
        }
        self.functions.as_deref_mut().ok_or(Error::OUT_OF_MEMORY)
    }
}

fn call(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    reads_only: bool,
) -> Result<(), Error> {
    let word = args.take()?;
    c.engine.scripts.functions(&c.engine.libraries)?;
    let Some(mut functions) = c.engine.scripts.functions.take() else {
        return Err(Error::OUT_OF_MEMORY);
    };
    let done = run(c, &mut functions, word, args, out, reads_only);
    c.engine.scripts.functions = Some(functions);
    done
}

fn run(
    c: &mut Ctx<'_>,
    functions: &mut Functions,
    word: &[u8],
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    reads_only: bool,
) -> Result<(), Error> {
    let Some(function) = functions.functions.get(&word.to_ascii_lowercase()) else {
        return Err(Error::fixed("ERR Function not found"));
    };
    let (keys, argv) = keys_and_arguments(args, Error::fixed("ERR Bad number of keys provided"))?;
    let steps = steps(c);
    functions.interpreter.limit(steps);
    let call = Call { chunk: &function.chunk, name: &function.name, is_function: true, keys, argv };
    let done = {
        let mut run = Run::begin(c, function.flags, reads_only, steps)?;
        functions.interpreter.run(&call, &mut run, out)
    };
    if let Err(failure) = done {
        fail(c, &failure, out);
    }
    Ok(())
}

/// FCALL.
pub fn fcall(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    call(c, args, out, false)
}

/// FCALL_RO.
pub fn fcall_ro(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    call(c, args, out, true)
}

fn log_load(c: &mut Ctx<'_>, code: &[u8]) {
    c.effect(&[b"FUNCTION", b"LOAD", b"REPLACE", code]);
}

/// FUNCTION LOAD.
pub fn function_load(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    if c.replay_libraries(args)? {
        out.ok();
        return Ok(());
    }
    let mut replaces = false;
    while args.len() > 1 {
        if !args.accept("REPLACE") {
            let word = args.take()?;
            return Err(Error::new([b"ERR Unknown option given: ", word].concat()));
        }
        replaces = true;
    }
    let code = args.take()?;
    let name = libraries::name_of(code)?;
    if !replaces && c.engine.libraries.get(name).is_some() {
        return Err(Error::new([b"ERR Library '", name, b"' already exists"].concat()));
    }
    c.engine.scripts.functions(&c.engine.libraries)?.load(name, code)?;
    c.engine.libraries.put(name, code);
    settle(c);
    log_load(c, code);
    out.bulk(name);
    Ok(())
}

/// The functions are those of the libraries that there are now.
fn settle(c: &mut Ctx<'_>) {
    if let Some(functions) = &mut c.engine.scripts.functions {
        functions.generation = c.engine.libraries.generation();
    }
}

/// FUNCTION DELETE.
pub fn function_delete(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    if !c.replay_libraries(args)? {
        let name = args.take()?;
        c.engine.scripts.functions(&c.engine.libraries)?;
        if !c.engine.libraries.remove(name) {
            settle(c);
            return Err(Error::fixed("ERR Library not found"));
        }
        if let Some(functions) = &mut c.engine.scripts.functions {
            functions.functions.retain(|_, function| function.library != name);
        }
        settle(c);
        c.changed();
    }
    out.ok();
    Ok(())
}

/// FUNCTION FLUSH.
pub fn function_flush(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    if args.len() > 1 {
        return Err(wrong_subcommand(args));
    }
    if !args.is_empty() && !args.accept("ASYNC") && !args.accept("SYNC") {
        return Err(Error::fixed("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    c.engine.libraries.clear();
    c.engine.scripts.functions = None;
    c.effect(&[b"FUNCTION", b"FLUSH"]);
    out.ok();
    Ok(())
}

/// FUNCTION DUMP.
pub fn function_dump(c: &mut Ctx<'_>, _: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    out.bulk(&rdb::dump_libraries(c.engine.libraries.iter().map(|(_, code)| code)));
    Ok(())
}

/// FUNCTION RESTORE.
pub fn function_restore(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    if args.len() > 2 {
        return Err(wrong_subcommand(args));
    }
    let payload = args.take()?;
    let flushes = args.accept("FLUSH");
    let replaces = !flushes && args.accept("REPLACE");
    if !args.is_empty() && !args.accept("APPEND") {
        return Err(Error::fixed(
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ));
    }
    let codes = rdb::restore_libraries(payload).map_err(|why| match why {
        rdb::RdbError::Footer => Error::fixed("ERR DUMP payload version or checksum are wrong"),
        rdb::RdbError::Data => Error::fixed("ERR failed loading the given functions payload"),
    })?;
    let mut wanted = if flushes { Libraries::default() } else { c.engine.libraries.clone() };
    for code in &codes {
        let name = libraries::name_of(code)?;
        if !replaces && wanted.get(name).is_some() {
            return Err(Error::new([b"ERR Library ", name, b" already exists"].concat()));
        }
        wanted.put(name, code);
    }
    let functions = Functions::of(&wanted, false)?;
    c.engine.libraries.replace(wanted);
    c.engine.scripts.functions = Some(Box::new(functions));
    settle(c);
    if flushes {
        c.effect(&[b"FUNCTION", b"FLUSH"]);
    }
    codes.iter().for_each(|code| log_load(c, code));
    out.ok();
    Ok(())
}

/// FUNCTION LIST.
pub fn function_list(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let (mut pattern, mut with_code) = (None, false);
    while !args.is_empty() {
        if !with_code && args.accept("WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.accept("LIBRARYNAME") {
            let missing = Error::fixed("ERR library name argument was not given");
            pattern = Some(args.take().map_err(|_| missing)?);
        } else {
            let word = args.take()?;
            return Err(Error::new([b"ERR Unknown argument ", word].concat()));
        }
    }
    c.engine.scripts.functions(&c.engine.libraries)?;
    let Some(functions) = &c.engine.scripts.functions else { return Err(Error::OUT_OF_MEMORY) };
    let is_wanted =
        |(name, _): &(&[u8], &[u8])| pattern.is_none_or(|pattern| glob_match(pattern, name, true));
    let wanted: Vec<_> = c.engine.libraries.iter().filter(is_wanted).collect();
    out.array(wanted.len());
    for (name, code) in wanted {
        out.map(if with_code { 4 } else { 3 });
        out.bulk(b"library_name");
        out.bulk(name);
        out.bulk(b"engine");
        out.bulk(b"LUA");
        out.bulk(b"functions");
        let own: Vec<&Function> =
            functions.functions.values().filter(|function| function.library == name).collect();
        out.array(own.len());
        own.iter().for_each(|function| describe(function, out));
        if with_code {
            out.bulk(b"library_code");
            out.bulk(code);
        }
    }
    Ok(())
}

fn describe(function: &Function, out: &mut Writer<'_>) {
    out.map(3);
    out.bulk(b"name");
    out.bulk(&function.name);
    out.bulk(b"description");
    match &function.description {
        Some(description) => out.bulk(description),
        None => out.null(),
    }
    out.bulk(b"flags");
    out.set(function.flag_names.len());
    for flag in &function.flag_names {
        out.simple(&String::from_utf8_lossy(flag));
    }
}

/// Whether what a command runs says that it only reads.
pub fn only_reads(engine: &mut Engine, command: &str, argv: &[&[u8]]) -> bool {
    let Some(word) = argv.get(1) else { return false };
    let flags = match command {
        "eval" => shebang::parse(word).ok().map(|(flags, _)| flags),
        "evalsha" => engine.scripts.flags_of(word),
        "fcall" => {
            let functions = engine.scripts.functions(&engine.libraries).ok();
            let name = word.to_ascii_lowercase();
            functions.and_then(|all| all.functions.get(&name)).map(|function| function.flags)
        }
        _ => None,
    };
    flags.is_some_and(|flags| flags.declared && flags.no_writes)
}

/// How much there is to run. Libraries that cannot be loaded have no functions.
pub fn counts(engine: &mut Engine) -> Counts {
    let functions = if engine.libraries.is_empty() {
        0
    } else {
        engine.scripts.functions(&engine.libraries).map_or(0, |all| all.functions.len())
    };
    Counts { functions, ..engine.scripts.counts() }
}

/// FUNCTION STATS: nobody can ask while something runs.
pub fn function_stats(
    c: &mut Ctx<'_>,
    _: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    let libraries = c.engine.libraries.len();
    let functions = c.engine.scripts.functions(&c.engine.libraries)?.functions.len();
    out.map(2);
    out.bulk(b"running_script");
    out.null();
    out.bulk(b"engines");
    out.map(1);
    out.bulk(b"LUA");
    out.map(2);
    out.bulk(b"libraries_count");
    out.count(libraries);
    out.bulk(b"functions_count");
    out.count(functions);
    Ok(())
}
