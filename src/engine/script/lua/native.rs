//! What the prelude gets from Rust.

use super::{Chunk, Registered, bits, cjson, cmsgpack, convert, packing, prepare};
use crate::engine::script::call::Run;
use crate::resp::Protocol;
use omnilua::{Error, Function, Lua, LuaError, Result, Table, Value, Variadic};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// An error with this text.
pub fn error(text: &str) -> Error {
    LuaError::runtime(format_args!("{text}")).into()
}

/// The error of an argument that is not what a function takes.
pub fn bad_argument(at: usize, function: &str, why: &str) -> Error {
    error(&format!("bad argument #{at} to '{function}' ({why})"))
}

/// The name of a value's type.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::UserData(_) | Value::LightUserData(_) => "userdata",
        Value::Thread(_) => "thread",
    }
}

/// A number, if the value is one.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Integer(number) => Some(*number as f64),
        Value::String(string) => {
            let text = string.to_str().ok()?;
            text.trim().parse().ok().filter(|number: &f64| number.is_finite())
        }
        _ => None,
    }
}

/// The number at a place among the arguments of a function.
///
/// # Errors
/// There is none.
pub fn number_at(words: &[Value], at: usize, function: &str) -> Result<f64> {
    let value = words.get(at).unwrap_or(&Value::Nil);
    number(value).ok_or_else(|| {
        let given = words.get(at).map_or("no value", type_of);
        bad_argument(at + 1, function, &format!("number expected, got {given}"))
    })
}

/// The string at a place among the arguments of a function.
///
/// # Errors
/// There is none.
pub fn string_at(words: &[Value], at: usize, function: &str) -> Result<Vec<u8>> {
    convert::text(words.get(at).unwrap_or(&Value::Nil)).ok_or_else(|| {
        let given = words.get(at).map_or("no value", type_of);
        bad_argument(at + 1, function, &format!("string expected, got {given}"))
    })
}

/// Random numbers as Redis gives them to scripts: 48 bits, linear congruential.
#[derive(Clone)]
pub struct Random(Rc<Cell<u64>>);

impl Default for Random {
    /// As it is before anybody has seeded it.
    fn default() -> Self {
        Self(Rc::new(Cell::new(0x1234_abcd_330e)))
    }
}

impl Random {
    /// Begins anew.
    pub fn seed(&self, seed: u32) {
        self.0.set((u64::from(seed) << 16) | 0x330e);
    }

    fn next(&self) -> f64 {
        let next = self.0.get().wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff;
        self.0.set(next);
        let most = f64::from(i32::MAX);
        ((next >> 17) as f64 % most) / most
    }
}

/// What functions of the interpreter call. They must not own it: a function owns its interpreter, which
/// would then own itself.
pub type Wrapped = Rc<RefCell<Vec<Rc<Function>>>>;

/// The table that the prelude is given.
pub fn table(lua: &Lua, random: &Random, wrapped: &Wrapped) -> Result<Table> {
    let table = lua.create_table()?;
    let of_script = random.clone();
    table.raw_set("random", lua.create_function(move |_, ()| Ok(of_script.next()))?)?;
    let of_script = random.clone();
    let seed = lua.create_function(move |_, seed: Value| {
        of_script.seed(number(&seed).unwrap_or_default() as i64 as u32);
        Ok(())
    })?;
    table.raw_set("randomseed", seed)?;
    let int = |_: &Lua, value: Value| Ok(f64::from(number(&value).unwrap_or_default() as i32));
    table.raw_set("int", lua.create_function(int)?)?;
    let sha1hex = lua.create_function(|lua, words: Variadic<Value>| {
        let text = string_at(&words, 0, "sha1hex")?;
        lua.create_string(super::super::eval::sha1(&text))
    })?;
    table.raw_set("sha1hex", sha1hex)?;
    let check = lua.create_function(|lua, words: Variadic<Value>| {
        match prepare(&string_at(&words, 0, "loadstring")?) {
            Ok(text) => Ok((Value::String(lua.create_string(text)?), Value::Nil)),
            Err(problem) => Ok((Value::Nil, Value::String(lua.create_string(problem)?))),
        }
    })?;
    table.raw_set("prepare", check)?;
    let all = Rc::downgrade(wrapped);
    let wrap = lua.create_function(move |lua, function: Function| {
        let function = Rc::new(function);
        let inner = Rc::downgrade(&function);
        if let Some(all) = all.upgrade() {
            all.borrow_mut().push(function);
        }
        lua.create_function(move |_, words: Variadic<Value>| {
            let function = inner.upgrade().ok_or_else(|| error("the interpreter has ended"))?;
            function.call::<_, Variadic<Value>>(words)
        })
    })?;
    table.raw_set("wrap", wrap)?;
    table.raw_set("null", Value::LightUserData(std::ptr::null_mut()))?;
    table.raw_set("bit", bits::table(lua)?)?;
    table.raw_set("cjson", cjson::table(lua)?)?;
    table.raw_set("cmsgpack", cmsgpack::table(lua)?)?;
    table.raw_set("struct", packing::table(lua)?)?;
    Ok(table)
}

/// Does what a script asks of Redis: `words` says what, and with what.
pub fn host(lua: &Lua, run: &mut Run<'_>, words: &[Value]) -> Result<Variadic<Value>> {
    let Some((Value::String(what), words)) = words.split_first() else {
        return Err(error("nothing is asked for"));
    };
    let answer = match what.as_bytes()?.as_slice() {
        b"call" => return call(lua, run, words),
        b"check" => return check(lua, run, words),
        b"clock" => Value::Number(run.seconds()),
        _ => {
            let is_three = words.first().and_then(number) == Some(3.0);
            run.set_protocol(if is_three { Protocol::Resp3 } else { Protocol::Resp2 });
            Value::Nil
        }
    };
    Ok(Variadic::from(vec![answer]))
}

/// The words of a command.
fn arguments(words: &[Value]) -> std::result::Result<Vec<Vec<u8>>, &'static str> {
    if words.is_empty() {
        return Err("ERR Please specify at least one argument for this redis lib call");
    }
    let texts: Option<Vec<_>> = words.iter().map(convert::text).collect();
    texts.ok_or("ERR Lua redis lib command arguments must be strings or integers")
}

fn failed(lua: &Lua, text: &str) -> Result<Variadic<Value>> {
    let table = lua.create_table()?;
    table.raw_set("err", text)?;
    Ok(Variadic::from(vec![Value::Table(table), Value::Boolean(true)]))
}

/// Answers a value, whether it is an error, and whether the script must end.
fn call(lua: &Lua, run: &mut Run<'_>, words: &[Value]) -> Result<Variadic<Value>> {
    let argv = match arguments(words) {
        Ok(argv) => argv,
        Err(problem) => return failed(lua, problem),
    };
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    let reply = run.call(&argv);
    let is_error = reply.bytes.first() == Some(&b'-');
    let value = convert::read(lua, &reply.bytes)?;
    Ok(Variadic::from(vec![value, Value::Boolean(is_error), Value::Boolean(reply.spent)]))
}

/// Whether the user may run a command.
fn check(lua: &Lua, run: &mut Run<'_>, words: &[Value]) -> Result<Variadic<Value>> {
    let argv = match arguments(words) {
        Ok(argv) => argv,
        Err(problem) => return failed(lua, problem),
    };
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    match run.may(&argv) {
        Some(may) => Ok(Variadic::from(vec![Value::Boolean(may)])),
        None => failed(lua, "ERR Invalid command passed to redis.acl_check_cmd()"),
    }
}

/// What a call of `redis.register_function` registers.
pub fn registered(words: &[Value]) -> std::result::Result<Registered, &'static str> {
    const WRONG: &str = "wrong number of arguments to redis.register_function";
    match words {
        [Value::Table(table)] => named(table),
        [_] => Err("calling redis.register_function with a single argument is only applicable to \
                    Lua table (representing named arguments)."),
        [name, callback] => {
            let Some(name) = convert::text(name) else {
                return Err("first argument to redis.register_function must be a string");
            };
            let Value::Function(callback) = callback else {
                return Err("second argument to redis.register_function must be a function");
            };
            let (chunk, flags) = (Chunk(callback.clone()), Vec::new());
            Ok(Registered { name, chunk, description: None, flags })
        }
        _ => Err(WRONG),
    }
}

fn named(table: &Table) -> std::result::Result<Registered, &'static str> {
    let (mut name, mut chunk, mut description, mut flags) = (None, None, None, Vec::new());
    let pairs = table.raw_pairs().unwrap_or_default();
    for (key, value) in pairs {
        let key = match &key {
            Value::String(key) => key.as_bytes().unwrap_or_default(),
            _ => return Err("named argument key given to redis.register_function is not a string"),
        };
        match (key.as_slice(), &value) {
            (b"function_name", value) => {
                name = convert::text(value);
                if name.is_none() {
                    return Err(
                        "function_name argument given to redis.register_function must be a string",
                    );
                }
            }
            (b"description", value) => {
                description = convert::text(value);
                if description.is_none() {
                    return Err(
                        "description argument given to redis.register_function must be a string",
                    );
                }
            }
            (b"callback", Value::Function(callback)) => chunk = Some(Chunk(callback.clone())),
            (b"callback", _) => {
                return Err(
                    "callback argument given to redis.register_function must be a function",
                );
            }
            (b"flags", Value::Table(list)) => {
                let texts = (1..)
                    .map(|at| list.raw_get::<_, Value>(f64::from(at)).unwrap_or(Value::Nil))
                    .take_while(|value| !matches!(value, Value::Nil));
                for flag in texts {
                    flags.push(convert::text(&flag).ok_or("unknown flag given")?);
                }
            }
            (b"flags", _) => {
                return Err(
                    "flags argument to redis.register_function must be a table representing \
                     function flags",
                );
            }
            _ => return Err("unknown argument given to redis.register_function"),
        }
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    let chunk = chunk.ok_or("redis.register_function must get a callback argument")?;
    Ok(Registered { name, chunk, description, flags })
}
