//! Values of Lua as replies, and replies as values of Lua.

use super::Failure;
use crate::resp::{Protocol, Writer};
use omnilua::{Lua, Result, Table, Value};

/// How deeply replies nest.
const DEPTH_MAX: usize = 100;
/// How long the reply of a script may be: bytes, where each value counts as some more than it has.
const REPLY_MAX: usize = 64 << 20;
const VALUE: usize = 64;

/// A field of a table; nil if there is none.
pub fn field(table: &Table, name: &str) -> Value {
    table.raw_get(name).unwrap_or(Value::Nil)
}

/// A string, or a number as one.
pub fn text(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(string) => string.as_bytes().ok(),
        Value::Integer(number) => Some(number.to_string().into_bytes()),
        Value::Number(number) => Some(argument(*number)),
        _ => None,
    }
}

/// A number as the argument of a command: an integer without a point.
pub fn argument(number: f64) -> Vec<u8> {
    let mut text = Vec::new();
    if number == number.trunc() && number.abs() < 9.2e18 {
        text.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
    } else {
        crate::number::write_double(number, &mut text);
    }
    text
}

/// A number with so many digits, as `%.14g` writes it.
pub fn format_g(number: f64, digits: usize) -> String {
    if number == 0.0 {
        return if number.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() };
    }
    let digits = digits.max(1);
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.unsigned_abs());
    }
    let places = usize::try_from(digits as i32 - 1 - exponent).unwrap_or_default();
    trim(&format!("{number:.places$}"))
}

/// Writes what a script answers; `script` is the protocol that it has chosen.
pub fn write(
    value: &Value,
    script: Protocol,
    out: &mut Writer<'_>,
) -> std::result::Result<(), Failure> {
    let start = out.position();
    let written = Replying { script, start, values: 0 }.write(value, 0, out);
    if written.is_none() {
        out.truncate(start);
        return Err(Failure {
            text: b"ERR the reply of the script is too long, or nested too deeply".to_vec(),
            is_counted: false,
        });
    }
    Ok(())
}

/// A number without its fraction; one that is no 64-bit integer is the least, as processors have it.
fn truncated(number: f64) -> i64 {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if (-BEYOND..BEYOND).contains(&number) { number as i64 } else { i64::MIN }
}

struct Replying {
    script: Protocol,
    start: usize,
    values: usize,
}

impl Replying {
    fn write(&mut self, value: &Value, depth: usize, out: &mut Writer<'_>) -> Option<()> {
        let len = out.position().checked_sub(self.start)?;
        self.values += 1;
        if len.saturating_add(self.values.saturating_mul(VALUE)) > REPLY_MAX {
            return None;
        }
        match value {
            Value::String(string) => out.bulk(&string.as_bytes().ok()?),
            Value::Boolean(value) if self.script == Protocol::Resp3 => out.boolean(*value),
            Value::Boolean(true) => out.integer(1),
            Value::Integer(number) => out.integer(*number),
            Value::Number(number) => out.integer(truncated(*number)),
            Value::Table(table) if depth < DEPTH_MAX => self.table(table, depth + 1, out)?,
            // Redis reaches the limit of its stack some thousand levels later.
            Value::Table(_) => out.error(b"ERR reached lua stack limit"),
            _ => out.null(),
        }
        Some(())
    }

    fn table(&mut self, table: &Table, depth: usize, out: &mut Writer<'_>) -> Option<()> {
        if let Value::String(error) = field(table, "err") {
            out.error(&one_line(&error.as_bytes().ok()?));
        } else if let Value::String(status) = field(table, "ok") {
            let line = one_line(&status.as_bytes().ok()?);
            out.raw(&[b"+", line.as_slice(), b"\r\n"].concat());
        } else if let Value::Number(number) = field(table, "double") {
            out.double(number);
        } else if let Value::String(number) = field(table, "big_number") {
            let line = one_line(&number.as_bytes().ok()?);
            match out.protocol() {
                Protocol::Resp3 => out.raw(&[b"(", line.as_slice(), b"\r\n"].concat()),
                Protocol::Resp2 => out.bulk(&line),
            }
        } else if let Some((format, text)) = verbatim(table) {
            out.verbatim(&format, &text);
        } else if let Value::Table(map) = field(table, "map") {
            let pairs = map.raw_pairs().ok()?;
            out.map(pairs.len());
            for (key, value) in pairs {
                self.write(&key, depth, out)?;
                self.write(&value, depth, out)?;
            }
        } else if let Value::Table(set) = field(table, "set") {
            let members = set.raw_pairs().ok()?;
            out.set(members.len());
            for (member, _) in members {
                self.write(&member, depth, out)?;
            }
        } else {
            self.array(table, depth, out)?;
        }
        Some(())
    }

    /// As far as the first nil.
    fn array(&mut self, table: &Table, depth: usize, out: &mut Writer<'_>) -> Option<()> {
        let mut items = Vec::new();
        loop {
            match table.raw_get::<_, Value>((items.len() + 1) as f64).ok()? {
                Value::Nil => break,
                item => items.push(item),
            }
        }
        out.array(items.len());
        items.iter().try_for_each(|item| self.write(item, depth, out))
    }
}

fn verbatim(table: &Table) -> Option<(String, Vec<u8>)> {
    let Value::Table(verbatim) = field(table, "verbatim_string") else { return None };
    let (Value::String(format), Value::String(text)) =
        (field(&verbatim, "format"), field(&verbatim, "string"))
    else {
        return None;
    };
    let format = String::from_utf8_lossy(&format.as_bytes().ok()?).into_owned();
    // It has three letters, whatever the script says.
    let format = format.chars().filter(char::is_ascii_graphic).chain("   ".chars()).take(3);
    Some((format.collect(), text.as_bytes().ok()?))
}

fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

/// What a command has answered, as a value; nil where it is no RESP, which does not happen.
pub fn read(lua: &Lua, reply: &[u8]) -> Result<Value> {
    Reading { lua, reply, at: 0 }.value()
}

struct Reading<'a> {
    lua: &'a Lua,
    reply: &'a [u8],
    at: usize,
}

impl<'a> Reading<'a> {
    fn line(&mut self) -> (u8, &'a [u8]) {
        let rest = self.reply.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
        self.at += end + 2;
        let line = rest.get(..end).unwrap_or_default();
        line.split_first().map_or((b'_', line), |(kind, line)| (*kind, line))
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let start = self.at;
        self.at = start.saturating_add(len).saturating_add(2);
        self.reply.get(start..start.saturating_add(len)).unwrap_or_default()
    }

    fn single(&self, name: &str, value: Value) -> Result<Value> {
        let table = self.lua.create_table()?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    fn string(&self, bytes: &[u8]) -> Result<Value> {
        Ok(Value::String(self.lua.create_string(bytes)?))
    }

    fn value(&mut self) -> Result<Value> {
        let lua = self.lua;
        let (kind, line) = self.line();
        let number = || std::str::from_utf8(line).ok()?.parse::<i64>().ok();
        let len = number().and_then(|len| usize::try_from(len).ok());
        match kind {
            b':' => Ok(Value::Number(number().unwrap_or_default() as f64)),
            b'+' => self.single("ok", self.string(line)?),
            b'-' => {
                let table = lua.create_table()?;
                table.raw_set("err", lua.create_string(line)?)?;
                table.raw_set("ignore_error_stats_update", true)?;
                Ok(Value::Table(table))
            }
            b'#' => Ok(Value::Boolean(line == b"t")),
            b',' => {
                let number = crate::number::parse_double(line).unwrap_or(f64::NAN);
                self.single("double", Value::Number(number))
            }
            b'(' => self.single("big_number", self.string(line)?),
            b'$' => match len {
                Some(len) => {
                    let bytes = self.bytes(len);
                    self.string(bytes)
                }
                None => Ok(Value::Boolean(false)),
            },
            b'=' => self.verbatim(len.unwrap_or_default()),
            b'*' | b'>' => match len {
                Some(len) => self.array(len),
                None => Ok(Value::Boolean(false)),
            },
            b'%' => {
                let map = lua.create_table()?;
                for _ in 0..len.unwrap_or_default() {
                    let (key, value) = (self.value()?, self.value()?);
                    map.raw_set(key, value)?;
                }
                self.single("map", Value::Table(map))
            }
            b'~' => {
                let set = lua.create_table()?;
                for _ in 0..len.unwrap_or_default() {
                    set.raw_set(self.value()?, true)?;
                }
                self.single("set", Value::Table(set))
            }
            _ => Ok(Value::Nil),
        }
    }

    fn array(&mut self, len: usize) -> Result<Value> {
        let table = self.lua.create_table()?;
        for at in 1..=len {
            let value = self.value()?;
            table.raw_set(at as f64, value)?;
        }
        Ok(Value::Table(table))
    }

    fn verbatim(&mut self, len: usize) -> Result<Value> {
        let bytes = self.bytes(len);
        let (format, text) = bytes.split_at_checked(4).unwrap_or((b"txt:", bytes));
        let table = self.lua.create_table()?;
        table.raw_set("format", self.string(format.get(..3).unwrap_or_default())?)?;
        table.raw_set("string", self.string(text)?)?;
        self.single("verbatim_string", Value::Table(table))
    }
}
