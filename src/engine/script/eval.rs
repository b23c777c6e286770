//! The commands that run scripts, and the cache of scripts.

use super::call::Run;
use super::library::Functions;
use super::lua::{Call, Chunk, Failure, Interpreter};
use super::shebang::{self, Flags};
use crate::engine::REDIS_VERSION;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::number::parse_integer;
use crate::resp::Writer;
use std::collections::{BTreeMap, VecDeque};

/// The digits of a SHA-1 digest.
pub type Sha = [u8; 40];

/// So many scripts that only EVAL has brought are kept.
const EVALED_MAX: usize = 500;

const STEPS_PER_MS: u64 = 10_000;
const STEPS_MS_MAX: u64 = 60_000;

#[derive(Clone)]
struct Script {
    flags: Flags,
    chunk: Chunk,
}

/// What an engine keeps for scripts.
#[derive(Default)]
pub struct Scripts {
    interpreter: Option<Box<Interpreter>>,
    scripts: BTreeMap<Sha, Script>,
    /// Those that EVAL has brought, the oldest first.
    evaled: VecDeque<Sha>,
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

    /// Compiles a script that is not there.
    fn add(&mut self, body: &[u8], is_kept: bool) -> Result<Sha, Error> {
        let sha = sha1(body);
        if self.scripts.contains_key(&sha) {
            if is_kept {
                self.evaled.retain(|other| *other != sha);
            }
            return Ok(sha);
        }
        let (flags, code) = shebang::parse(body)?;
        let compiled = self.interpreter()?.compile(code, "@user_script");
        let chunk = compiled.map_err(|why| {
            Error::new([b"ERR Error compiling script (new function): ", why.as_slice()].concat())
        })?;
        self.scripts.insert(sha, Script { flags, chunk });
        if !is_kept {
            self.evaled.push_back(sha);
            if self.evaled.len() > EVALED_MAX
                && let Some(oldest) = self.evaled.pop_front()
            {
                self.scripts.remove(&oldest);
            }
        }
        Ok(sha)
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

/// What a script may execute. There is no clock to look at; so many instructions take a millisecond,
/// if not less. None of them is to freeze a page, so no setting makes them endless.
pub(super) fn steps(c: &Ctx<'_>) -> u64 {
    let ms = u64::try_from(c.engine.config.busy_reply_threshold).unwrap_or(u64::MAX);
    let ms = if ms == 0 { STEPS_MS_MAX } else { ms.min(STEPS_MS_MAX) };
    ms * STEPS_PER_MS
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
    let Some(script) = c.engine.scripts.scripts.get(&sha).cloned() else { return Err(NO_SCRIPT) };
    let mut interpreter = c.engine.scripts.interpreter.take().ok_or(NO_SCRIPT)?;
    let steps = steps(c);
    interpreter.limit(steps);
    let call = Call { chunk: &script.chunk, name: &sha, is_function: false, keys, argv };
    let begun = Run::begin(c, script.flags, reads_only, steps.saturating_mul(4));
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
