//! The interpreter: the only place that knows which one it is.
//!
//! It runs Lua 5.1 with limits that hold: on the instructions of a script, on the memory of the
//! interpreter, and on how deeply calls nest. A script that goes beyond one ends there; nothing in it
//! can catch that. [`PRELUDE`] makes the globals of scripts.

mod bits;
mod cjson;
mod cmsgpack;
mod convert;
mod json;
mod native;
mod packing;

use super::call::Run;
use super::source;
use crate::resp::Writer;
use omnilua::{
    Function, Lua, LuaVersion, Sandbox, SandboxConfig, Table, TripReason, Value, Variadic,
};
use std::cell::RefCell;

const PRELUDE: &[u8] = include_bytes!("prelude.lua");

/// What a script may execute at most.
const INSTRUCTIONS_MAX: u64 = 1 << 40;
/// What an interpreter may have allocated, caches of scripts included: bytes.
const MEMORY_MAX: usize = 32 << 20;
/// Instructions from one look at memory to the next: no string can double often enough in between to
/// be of consequence.
const CHECK_INTERVAL: u32 = 4;
/// No string that a single function makes is longer.
const STRING_MAX: usize = 8 << 20;

/// What has been compiled.
#[derive(Clone)]
pub struct Chunk(Function);

/// Why a script ended early: an error as it is answered, and whether a command has been counted for
/// it already.
pub struct Failure {
    /// Code and text.
    pub text: Vec<u8>,
    /// The commands of the script have been through the statistics of errors.
    pub is_counted: bool,
}

impl Failure {
    fn new(text: impl Into<Vec<u8>>) -> Self {
        Self { text: text.into(), is_counted: false }
    }
}

/// An interpreter, with all that its scripts have compiled.
pub struct Interpreter {
    lua: Lua,
    sandbox: Sandbox,
    compile: Function,
    run: Function,
    load: Function,
    instructions: u64,
    _wrapped: native::Wrapped,
}

fn limits(instructions: u64) -> SandboxConfig {
    SandboxConfig {
        instruction_limit: Some(instructions),
        memory_limit_bytes: Some(MEMORY_MAX),
        check_interval: CHECK_INTERVAL,
        remove_globals: Vec::new(),
    }
}

impl Interpreter {
    /// A new one, which knows nothing yet.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new(version: &str) -> Result<Self, Failure> {
        Self::build(version).map_err(|error| Failure::new(format!("ERR {error}")))
    }

    fn build(version: &str) -> omnilua::Result<Self> {
        let lua = Lua::try_new_versioned(LuaVersion::V51)?;
        let random = native::Random::default();
        let wrapped = native::Wrapped::default();
        let native = native::table(&lua, &random, &wrapped)?;
        let prelude = lua.load(PRELUDE).set_name("=lodis").into_function()?;
        let longest = STRING_MAX as f64;
        let words = Variadic::from(vec![
            Value::Table(native),
            Value::Number(longest),
            Value::String(lua.create_string(version)?),
            Value::Number(number_of(version)),
        ]);
        let (compile, run, load) = prelude.call(words)?;
        let sandbox = lua.install_sandbox(limits(INSTRUCTIONS_MAX))?;
        let instructions = INSTRUCTIONS_MAX;
        Ok(Self { lua, sandbox, compile, run, load, instructions, _wrapped: wrapped })
    }

    /// Sets what a script may execute.
    pub fn limit(&mut self, instructions: u64) {
        if self.instructions != instructions {
            self.instructions = instructions;
            // It sets the limits of what is there, and cannot fail.
            let _ = self.lua.install_sandbox(limits(instructions));
        }
    }

    /// Compiles the body of a script, or the code of a library.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn compile(&self, text: &[u8], name: &str) -> Result<Chunk, Vec<u8>> {
        self.sandbox.reset();
        self.compile_chunk(text, name).map(Chunk)
    }

    fn compile_chunk(&self, text: &[u8], name: &str) -> Result<Function, Vec<u8>> {
        let words = [text, name.as_bytes()].map(|word| self.lua.create_string(word));
        let [Ok(text), Ok(name)] = words else { return Err(b"not enough memory".to_vec()) };
        let (made, problem): (Value, Value) =
            self.compile.call((text, name)).map_err(|error| error.message_lossy().into_bytes())?;
        match (made, problem) {
            (Value::Function(made), _) => Ok(made),
            (_, Value::String(problem)) => Err(problem.as_bytes().unwrap_or_default()),
            _ => Err(b"not enough memory".to_vec()),
        }
    }

    /// Runs a script, or a function, and writes what it answers.
    ///
    /// # Errors
    /// What it fails with.
    pub fn run(
        &self,
        call: &Call<'_>,
        run: &mut Run<'_>,
        out: &mut Writer<'_>,
    ) -> Result<(), Failure> {
        self.sandbox.reset();
        let run = RefCell::new(run);
        let result = self.lua.scope(|scope| {
            let host = scope.create_function(&self.lua, |lua, words: Variadic<Value>| {
                // The engine never calls back.
                let mut run = run.try_borrow_mut().map_err(|_| native::error("busy"))?;
                native::host(lua, &mut run, &words)
            })?;
            let words = Variadic::from(vec![
                Value::Function(call.chunk.0.clone()),
                Value::Table(self.strings(call.keys)?),
                Value::Table(self.strings(call.argv)?),
                Value::Function(host),
                Value::Boolean(call.is_function),
            ]);
            self.run.call::<_, (bool, Value)>(words)
        });
        let outcome = match result {
            Ok((true, value)) => {
                let protocol = run.borrow().protocol();
                convert::write(&value, protocol, out)
            }
            Ok((false, problem)) => Err(explain(&problem, call.name)),
            Err(error) => Err(Failure::new(format!("ERR {error}"))),
        };
        self.limited(outcome)
    }

    /// Runs the code of a library; `register` is given what it registers, and answers why not.
    ///
    /// # Errors
    /// What it fails with.
    pub fn load(
        &self,
        chunk: &Chunk,
        register: &mut dyn FnMut(Registered) -> Result<(), &'static str>,
    ) -> Result<(), Failure> {
        self.sandbox.reset();
        let register = RefCell::new(register);
        let result = self.lua.scope(|scope| {
            let with = scope.create_function(&self.lua, |lua, words: Variadic<Value>| {
                let Ok(mut register) = register.try_borrow_mut() else { return Ok(Value::Nil) };
                let done = native::registered(&words).and_then(&mut **register);
                match done {
                    Ok(()) => Ok(Value::Nil),
                    Err(problem) => Ok(Value::String(lua.create_string(problem)?)),
                }
            })?;
            self.load.call::<_, (bool, Value)>((chunk.0.clone(), with))
        });
        let outcome = match result {
            Ok((true, _)) => Ok(()),
            Ok((false, problem)) => Err(explain(&problem, b"")),
            Err(error) => Err(Failure::new(format!("ERR {error}"))),
        };
        self.limited(outcome)
    }

    /// Says by which limit a script was ended, if it was.
    fn limited(&self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let Some(reason) = self.sandbox.tripped() else { return outcome };
        self.sandbox.reset();
        self.lua.gc_collect();
        Err(Failure::new(match reason {
            TripReason::Instructions => {
                "ERR Script ended: it ran for more instructions than a script may"
            }
            TripReason::Memory => "ERR Script ended: it used more memory than a script may",
        }))
    }

    fn strings(&self, words: &[&[u8]]) -> omnilua::Result<Table> {
        let table = self.lua.create_table()?;
        for (at, word) in words.iter().enumerate() {
            table.raw_set((at + 1) as f64, self.lua.create_string(word)?)?;
        }
        Ok(table)
    }
}

impl Drop for Interpreter {
    /// Coroutines own the interpreter that they are in: they have to go before it.
    fn drop(&mut self) {
        self.lua.gc_collect();
    }
}

/// An error as it is answered: what, and where.
fn explain(problem: &Value, name: &[u8]) -> Failure {
    let Value::Table(problem) = problem else {
        let text = convert::text(problem).unwrap_or_else(|| b"execution failure".to_vec());
        return Failure::new([b"ERR Error running script ", name, b", ", &text].concat());
    };
    let text = |name: &str| convert::text(&convert::field(problem, name));
    let mut failure = Failure::new(text("err").unwrap_or_else(|| b"ERR unknown error".to_vec()));
    let field = convert::field(problem, "ignore_error_stats_update");
    failure.is_counted = matches!(field, Value::Boolean(true));
    if let (Some(source), Some(line), false) = (text("source"), text("line"), name.is_empty()) {
        let place = [b" script: ", name, b", on ", &source, b":", &line, b"."].concat();
        failure.text.extend(place);
    }
    failure
}

/// What is to be run.
pub struct Call<'a> {
    /// What was compiled.
    pub chunk: &'a Chunk,
    /// What errors call it.
    pub name: &'a [u8],
    /// It is given its keys and arguments; a script finds them in `KEYS` and `ARGV`.
    pub is_function: bool,
    /// The keys.
    pub keys: &'a [&'a [u8]],
    /// What comes after the keys.
    pub argv: &'a [&'a [u8]],
}

/// What a library registers.
pub struct Registered {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is.
    pub chunk: Chunk,
    /// What it says about itself.
    pub description: Option<Vec<u8>>,
    /// The names of its flags.
    pub flags: Vec<Vec<u8>>,
}

/// A version as `REDIS_VERSION_NUM` writes it: a byte for each part.
fn number_of(version: &str) -> f64 {
    let parts = version.split('.').filter_map(|part| part.parse::<f64>().ok());
    parts.fold(0.0, |number, part| number * 256.0 + part)
}

/// Text that may be compiled, in place of the one that was given.
fn prepare(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    if text.first() == Some(&0x1b) {
        return Err("bytecode is not allowed");
    }
    Ok(source::split_concatenations(text))
}
