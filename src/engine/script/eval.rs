//! The commands that run scripts, and the cache of scripts.

use super::Counts;
use super::call::{Run, STEPS_PER_US};
use super::library::Functions;
use super::lua::{Call, Chunk, Failure, Interpreter};
use super::shebang::{self, Flags};
use crate::engine::REDIS_VERSION;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::number::parse_integer;
use crate::resp::Writer;
use std::collections::BTreeMap;

/// The digits of a SHA-1 digest.
pub type Sha = [u8; 40];

/// So many scripts that only EVAL has brought are kept, as in Redis; and of all scripts so many bytes of
/// text: what is compiled is several times as long, and is part of the memory that scripts may have.
const EVALED_MAX: usize = 500;
const TEXTS_MAX: usize = 1 << 20;

const STEPS_MS_MAX: u64 = 60_000;

struct Script {
    flags: Flags,
    chunk: Chunk,
    /// The length of its text.
    len: usize,
    /// SCRIPT LOAD has brought it.
    is_loaded: bool,
    /// When it was used last, by [`Scripts::uses`].
    used: u64,
}

/// What an engine keeps for scripts.
#[derive(Default)]
pub struct Scripts {
    interpreter: Option<Box<Interpreter>>,
    scripts: BTreeMap<Sha, Script>,
    /// How many of them only EVAL has brought.
    evaled: usize,
    /// How long their texts are.
    len: usize,
    /// How often scripts have been used.
    uses: u64,
    /// Those of the libraries, once they have been asked for.
    pub(super) functions: Option<Box<Functions>>,
}

/// The digest of a script, in lower-case digits.
pub fn sha1(text: &[u8]) -> Sha {
    let digest = sha1_smol::Sha1::from(text).digest().bytes();
    let mut digits = [0; 40];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(digest) {
        let hex = |digit: u8| char::from_digit(digit.into(), 16).map_or(b'0', |digit| digit as u8);
        pair.copy_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
    }
    digits
}

/// A digest as somebody writes it.
fn parse_sha(word: &[u8]) -> Option<Sha> {
    word.to_ascii_lowercase().try_into().ok()
}

impl Scripts {
    fn interpreter(&mut self) -> Result<&mut Interpreter, Error> {
        if self.interpreter.is_none() {
            let made = Interpreter::new(REDIS_VERSION).map_err(|why| Error::new(why.text))?;
            self.interpreter = Some(Box::new(made));
        }
        self.interpreter.as_deref_mut().ok_or(Error::OUT_OF_MEMORY)
    }

    /// Compiles a script that is not there; the one that is used now.
    fn add(&mut self, body: &[u8], is_loaded: bool) -> Result<Sha, Error> {
        let sha = sha1(body);
        if let Some(script) = self.scripts.get_mut(&sha) {
            self.evaled -= usize::from(is_loaded && !script.is_loaded);
            script.is_loaded |= is_loaded;
            return Ok(sha);
        }
        let (flags, code) = shebang::parse(body)?;
        let compiled = self.interpreter()?.compile(code, "@user_script");
        let chunk = compiled.map_err(|why| {
            Error::new([b"ERR Error compiling script (new function): ", why.as_slice()].concat())
        })?;
        self.evaled += usize::from(!is_loaded);
        self.len += body.len();
        self.uses += 1;
        let script = Script { flags, chunk, len: body.len(), is_loaded, used: self.uses };
        self.scripts.insert(sha, script);
        while self.evaled > EVALED_MAX || (self.len > TEXTS_MAX && self.scripts.len() > 1) {
            self.forget_one();
        }
        Ok(sha)
    }

    /// Forgets the script that was used before all others: one that EVAL has brought, if there is one. The
    /// newest is not the only one of them.
    fn forget_one(&mut self) {
        let age = |(sha, script): (&Sha, &Script)| {
            let is_new = script.used == self.uses;
            (is_new, script.is_loaded, script.used, *sha)
        };
        let Some((.., sha)) = self.scripts.iter().map(age).min() else { return };
        if let Some(script) = self.scripts.remove(&sha) {
            self.evaled -= usize::from(!script.is_loaded);
            self.len -= script.len;
        }
    }

    pub(super) fn flags_of(&self, sha: &[u8]) -> Option<Flags> {
        self.scripts.get(&parse_sha(sha)?).map(|script| script.flags)
    }

    pub(super) fn counts(&self) -> Counts {
        let bytes = self.scripts.values().map(|script| size_of::<Sha>() + script.len).sum();
        Counts { scripts: self.scripts.len(), bytes, functions: 0 }
    }

    fn clear(&mut self) {
        *self = Self { functions: self.functions.take(), ..Self::default() };
    }
}

/// The keys and arguments after a script.
pub(super) type Counted<'a> = (&'a [&'a [u8]], &'a [&'a [u8]]);

pub(super) fn keys_and_arguments<'a>(
    args: &mut Args<'a>,
    no_number: Error,
) -> Result<Counted<'a>, Error> {
    let count = parse_integer(args.take()?).ok_or(no_number)?;
    if count < 0 {
        return Err(Error::fixed("ERR Number of keys can't be negative"));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let too_many = Error::fixed("ERR Number of keys can't be greater than number of args");
    let keys = args.take_many(count).ok_or(too_many)?;
    Ok((keys, args.rest()))
}

/// What a script may execute. There is no clock to look at while it calls nothing: instructions are counted. None of them is to freeze a page, so no setting makes them endless.
pub(super) fn steps(c: &Ctx<'_>) -> u64 {
    let ms = u64::try_from(c.engine.config.busy_reply_threshold).unwrap_or(u64::MAX);
    let ms = if ms == 0 { STEPS_MS_MAX } else { ms.min(STEPS_MS_MAX) };
    ms * 1000 * STEPS_PER_US
}

/// Writes the error in which a script has ended.
pub(super) fn fail(c: &mut Ctx<'_>, failure: &Failure, out: &mut Writer<'_>) {
    if !failure.is_counted {
        c.engine.stats.count_error(Error::new(failure.text.as_slice()).code());
    }
    out.error(&failure.text);
}

fn run(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    reads_only: bool,
    find: impl FnOnce(&mut Scripts, &[u8]) -> Result<Sha, Error>,
) -> Result<(), Error> {
    let word = args.take()?;
    let (keys, argv) = keys_and_arguments(args, Error::NOT_AN_INTEGER)?;
    let sha = find(&mut c.engine.scripts, word)?;
    let scripts = &mut c.engine.scripts;
    let Some(script) = scripts.scripts.get_mut(&sha) else { return Err(NO_SCRIPT) };
    scripts.uses += 1;
    script.used = scripts.uses;
    let (flags, chunk) = (script.flags, script.chunk.clone());
    let mut interpreter = c.engine.scripts.interpreter.take().ok_or(NO_SCRIPT)?;
    let steps = steps(c);
    interpreter.limit(steps);
    let call = Call { chunk: &chunk, name: &sha, is_function: false, keys, argv };
    let begun = Run::begin(c, flags, reads_only, steps);
    let done = begun.map(|mut run| interpreter.run(&call, &mut run, out));
    c.engine.scripts.interpreter = Some(interpreter);
    if let Err(failure) = done? {
        fail(c, &failure, out);
    }
    Ok(())
}

const NO_SCRIPT: Error = Error::fixed("NOSCRIPT No matching script. Please use EVAL.");

fn cached(scripts: &mut Scripts, word: &[u8]) -> Result<Sha, Error> {
    parse_sha(word).filter(|sha| scripts.scripts.contains_key(sha)).ok_or(NO_SCRIPT)
}

fn compiled(scripts: &mut Scripts, word: &[u8]) -> Result<Sha, Error> {
    scripts.add(word, false)
}

/// EVAL.
pub fn eval(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    run(c, args, out, false, compiled)
}

/// EVAL_RO.
pub fn eval_ro(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    run(c, args, out, true, compiled)
}

/// EVALSHA.
pub fn evalsha(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    run(c, args, out, false, cached)
}

/// EVALSHA_RO.
pub fn evalsha_ro(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    run(c, args, out, true, cached)
}

/// SCRIPT LOAD.
pub fn load(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let sha = c.engine.scripts.add(args.take()?, true)?;
    out.bulk(&sha);
    Ok(())
}

/// SCRIPT EXISTS.
pub fn exists(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let words = args.rest();
    out.array(words.len());
    for word in words {
        out.integer(cached(&mut c.engine.scripts, word).is_ok().into());
    }
    Ok(())
}

/// SCRIPT FLUSH.
pub fn flush(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let is_mode = args.is_empty() || args.accept("ASYNC") || args.accept("SYNC");
    if !is_mode || !args.is_empty() {
        return Err(Error::fixed("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    c.engine.scripts.clear();
    out.ok();
    Ok(())
}

/// SCRIPT KILL, FUNCTION KILL: what runs has ended before anybody could say so.
pub fn kill(_: &mut Ctx<'_>, _: &mut Args<'_>, _: &mut Writer<'_>) -> Result<(), Error> {
    Err(Error::fixed("NOTBUSY No scripts in execution right now."))
}

/// SCRIPT DEBUG: there is no debugger to be turned on.
pub fn debug(_: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    if args.accept("NO") {
        out.ok();
        return Ok(());
    }
    if args.accept("YES") || args.accept("SYNC") {
        return Err(Error::fixed("ERR there is no debugger for scripts in Lodis"));
    }
    Err(Error::fixed("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}
