//! The library `cjson`: JSON, read and written as Redis's does it.

use super::STRING_MAX;
use super::convert::format_g;
use super::native::{error, number, string_at, type_of};
use omnilua::{Error, Lua, Result, Table, Value, Variadic};
use std::cell::Cell;
use std::rc::Rc;

/// How deeply values nest, in both directions.
const DEPTH: usize = 1000;
/// An array with more holes than entries is refused from this length on.
const SPARSE_FROM: usize = 10;

#[derive(Clone, Copy)]
struct Settings {
    encode_depth: usize,
    decode_depth: usize,
    precision: usize,
    sparse_as_object: bool,
    sparse_ratio: usize,
    sparse_from: usize,
}

/// The table `cjson`.
pub fn table(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    let settings = Rc::new(Cell::new(Settings {
        encode_depth: DEPTH,
        decode_depth: DEPTH,
        precision: 14,
        sparse_as_object: false,
        sparse_ratio: 2,
        sparse_from: SPARSE_FROM,
    }));
    let of = settings.clone();
    let encode = lua.create_function(move |lua, words: Variadic<Value>| {
        let [value] = words.as_slice() else {
            return Err(error("bad argument #1 to 'encode' (expected 1 argument)"));
        };
        let mut encoder = Encoder { out: Vec::new(), settings: of.get() };
        encoder.encode(value)?;
        lua.create_string(encoder.out)
    })?;
    table.raw_set("encode", encode)?;
    let of = settings.clone();
    let decode = lua.create_function(move |lua, words: Variadic<Value>| {
        let [_] = words.as_slice() else {
            return Err(error("bad argument #1 to 'decode' (expected 1 argument)"));
        };
        let json = string_at(&words, 0, "decode")?;
        super::json::decode(lua, &json, of.get().decode_depth)
    })?;
    table.raw_set("decode", decode)?;
    setting(lua, &table, &settings, "encode_max_depth", |s| &mut s.encode_depth)?;
    setting(lua, &table, &settings, "decode_max_depth", |s| &mut s.decode_depth)?;
    setting(lua, &table, &settings, "encode_number_precision", |s| &mut s.precision)?;
    let sparse = lua.create_function(move |_, words: Variadic<Value>| {
        let mut s = settings.get();
        if let Some(convert) = words.first() {
            s.sparse_as_object = matches!(convert, Value::Boolean(true));
        }
        let whole = |at: usize| words.get(at).and_then(number).map(|number| number as usize);
        s.sparse_ratio = whole(1).unwrap_or(s.sparse_ratio);
        s.sparse_from = whole(2).unwrap_or(s.sparse_from);
        settings.set(s);
        Ok((s.sparse_as_object, s.sparse_ratio as f64, s.sparse_from as f64))
    })?;
    table.raw_set("encode_sparse_array", sparse)?;
    for name in ["encode_keep_buffer", "encode_invalid_numbers", "decode_invalid_numbers"] {
        let answer = |_: &Lua, word: Value| {
            Ok(if matches!(word, Value::Nil) { Value::Boolean(true) } else { word })
        };
        table.raw_set(name, lua.create_function(answer)?)?;
    }
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok(table)
}

fn setting(
    lua: &Lua,
    table: &Table,
    settings: &Rc<Cell<Settings>>,
    name: &'static str,
    which: fn(&mut Settings) -> &mut usize,
) -> Result<()> {
    let settings = settings.clone();
    let function = lua.create_function(move |_, words: Variadic<Value>| {
        let mut s = settings.get();
        if let Some(wanted) = words.first().and_then(number) {
            let most = if name == "encode_number_precision" { 14 } else { DEPTH };
            if !(1.0..=i32::MAX.into()).contains(&wanted) {
                return Err(error(&format!(
                    "bad argument #1 to '{name}' (expected integer between 1 and {most})"
                )));
            }
            *which(&mut s) = (wanted as usize).min(most);
            settings.set(s);
        }
        Ok(*which(&mut s) as f64)
    })?;
    table.raw_set(name, function)
}

struct Encoder {
    out: Vec<u8>,
    settings: Settings,
}

/// A table that has been begun.
enum Open {
    /// What is left of an array, backwards.
    Array(Vec<Value>),
    /// What is left of an object, backwards.
    Object(Vec<(Value, Value)>),
}

impl Encoder {
    fn encode(&mut self, value: &Value) -> Result<()> {
        let mut open = Vec::new();
        self.value(value, &mut open)?;
        while let Some(last) = open.last_mut() {
            if self.out.len() > STRING_MAX {
                return Err(error("not enough memory"));
            }
            let is_first = matches!(self.out.last(), Some(b'[' | b'{'));
            let next = match last {
                Open::Array(items) => items.pop().map(|item| (None, item)),
                Open::Object(pairs) => pairs.pop().map(|(key, value)| (Some(key), value)),
            };
            let Some((key, value)) = next else {
                self.out.push(if matches!(last, Open::Array(_)) { b']' } else { b'}' });
                open.pop();
                continue;
            };
            if !is_first {
                self.out.push(b',');
            }
            if let Some(key) = key {
                self.key(&key)?;
            }
            self.value(&value, &mut open)?;
        }
        Ok(())
    }

    fn key(&mut self, key: &Value) -> Result<()> {
        match key {
            Value::String(text) => self.quoted(&text.as_bytes()?),
            Value::Number(_) | Value::Integer(_) => {
                self.out.push(b'"');
                self.number(number(key).unwrap_or_default())?;
                self.out.push(b'"');
            }
            other => {
                let kind = type_of(other);
                return Err(error(&format!(
                    "Cannot serialise {kind}: table key must be a number or string"
                )));
            }
        }
        self.out.push(b':');
        Ok(())
    }

    fn value(&mut self, value: &Value, open: &mut Vec<Open>) -> Result<()> {
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.is_null() => {
                self.out.extend_from_slice(b"null");
            }
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Number(_) | Value::Integer(_) => {
                self.number(number(value).unwrap_or_default())?
            }
            Value::String(text) => self.quoted(&text.as_bytes()?),
            Value::Table(table) => {
                if open.len() >= self.settings.encode_depth {
                    let depth = open.len() + 1;
                    return Err(error(&format!("Cannot serialise, excessive nesting ({depth})")));
                }
                open.push(self.begin(table)?);
            }
            other => {
                let kind = type_of(other);
                return Err(error(&format!("Cannot serialise {kind}: type not supported")));
            }
        }
        Ok(())
    }

    fn begin(&mut self, table: &Table) -> Result<Open> {
        let mut pairs = table.raw_pairs()?;
        let mut longest = 0;
        let is_array = pairs.iter().all(|(key, _)| {
            let key = match key {
                Value::Number(_) | Value::Integer(_) => number(key).unwrap_or_default(),
                _ => return false,
            };
            longest = longest.max(key as usize);
            key >= 1.0 && key.fract() == 0.0
        });
        let is_sparse = longest > pairs.len().saturating_mul(self.settings.sparse_ratio)
            && longest > self.settings.sparse_from
            && self.settings.sparse_ratio > 0;
        if !is_array || pairs.is_empty() || (is_sparse && self.settings.sparse_as_object) {
            self.out.push(b'{');
            pairs.reverse();
            return Ok(Open::Object(pairs));
        }
        if is_sparse || longest > STRING_MAX {
            return Err(error("Cannot serialise table: excessively sparse array"));
        }
        self.out.push(b'[');
        let items: Result<Vec<Value>> =
            (1..=longest).rev().map(|at| table.raw_get(at as f64)).collect();
        Ok(Open::Array(items?))
    }

    fn number(&mut self, number: f64) -> Result<()> {
        if !number.is_finite() {
            return Err(error("Cannot serialise number: must not be NaN or Inf"));
        }
        self.out.extend_from_slice(format_g(number, self.settings.precision).as_bytes());
        Ok(())
    }

    fn quoted(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for byte in text {
            match byte {
                b'"' | b'\\' | b'/' => self.out.extend([b'\\', *byte]),
                8 => self.out.extend_from_slice(b"\\b"),
                9 => self.out.extend_from_slice(b"\\t"),
                10 => self.out.extend_from_slice(b"\\n"),
                12 => self.out.extend_from_slice(b"\\f"),
                13 => self.out.extend_from_slice(b"\\r"),
                0..32 | 127 => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.out.push(*byte),
            }
        }
        self.out.push(b'"');
    }
}

/// The error at a place in JSON.
pub fn expected(what: &str, found: &str, at: usize) -> Error {
    error(&format!("Expected {what} but found {found} at character {}", at + 1))
}
