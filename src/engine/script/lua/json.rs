//! Reading JSON. What is nested waits on a stack of its own, not on that of the program.

use super::cjson::expected;
use super::native::error;
use omnilua::{Lua, Result, Table, Value};

/// A value that has been begun.
enum Open {
    Array(Table, usize),
    Object(Table, Option<Value>),
}

/// What has been read of a value.
enum Step {
    Whole(Value),
    Begun(Open),
}

/// A value written as JSON.
///
/// # Errors
/// It is none, or nests too deeply.
pub fn decode(lua: &Lua, json: &[u8], depth: usize) -> Result<Value> {
    let mut reader = Reader { lua, json, at: 0 };
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut value = match reader.value("value")? {
            Step::Whole(value) => value,
            Step::Begun(begun) => {
                if open.len() >= depth {
                    let (depth, at) = (open.len() + 1, reader.at);
                    return Err(error(&format!(
                        "Found too many nested data structures ({depth}) at character {at}"
                    )));
                }
                open.push(begun);
                match reader.first(&mut open)? {
                    None => continue,
                    Some(value) => value,
                }
            }
        };
        loop {
            let Some(last) = open.last_mut() else { return reader.end(value) };
            if reader.next(last, value)? {
                break;
            }
            value = closed(&mut open);
        }
    }
}

fn closed(open: &mut Vec<Open>) -> Value {
    match open.pop() {
        Some(Open::Array(table, _) | Open::Object(table, _)) => Value::Table(table),
        None => Value::Nil,
    }
}

struct Reader<'a> {
    lua: &'a Lua,
    json: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.json.get(self.at) {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }

    /// What is here, as errors call it.
    fn found(&mut self) -> &'static str {
        match self.peek() {
            None => "T_END",
            Some(b'{') => "T_OBJ_BEGIN",
            Some(b'}') => "T_OBJ_END",
            Some(b'[') => "T_ARR_BEGIN",
            Some(b']') => "T_ARR_END",
            Some(b'"') => "T_STRING",
            Some(b':') => "T_COLON",
            Some(b',') => "T_COMMA",
            Some(b'-' | b'0'..=b'9') => "T_NUMBER",
            Some(_) if self.starts_with("true") || self.starts_with("false") => "T_BOOLEAN",
            Some(_) if self.starts_with("null") => "T_NULL",
            Some(_) => "invalid token",
        }
    }

    fn starts_with(&self, word: &str) -> bool {
        self.json.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()))
    }

    fn fail<T>(&mut self, what: &str) -> Result<T> {
        let found = self.found();
        Err(expected(what, found, self.at))
    }

    fn value(&mut self, what: &str) -> Result<Step> {
        let byte = self.peek();
        let whole = match byte {
            Some(b'"') => Value::String(self.lua.create_string(self.string()?)?),
            Some(b'{') => {
                self.at += 1;
                return Ok(Step::Begun(Open::Object(self.lua.create_table()?, None)));
            }
            Some(b'[') => {
                self.at += 1;
                return Ok(Step::Begun(Open::Array(self.lua.create_table()?, 0)));
            }
            _ if self.starts_with("true") => self.word(4, Value::Boolean(true)),
            _ if self.starts_with("false") => self.word(5, Value::Boolean(false)),
            _ if self.starts_with("null") => {
                self.word(4, Value::LightUserData(std::ptr::null_mut()))
            }
            _ => match self.number() {
                Some(number) => Value::Number(number),
                None => return self.fail(what),
            },
        };
        Ok(Step::Whole(whole))
    }

    fn word(&mut self, len: usize, value: Value) -> Value {
        self.at += len;
        value
    }

    fn number(&mut self) -> Option<f64> {
        let rest = self.json.get(self.at..)?;
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let len = rest.iter().take_while(|byte| is_part(byte)).count();
        let text = std::str::from_utf8(rest.get(..len)?).ok()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let number = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
            Some(hex) => u64::from_str_radix(hex, 16).ok()? as f64,
            None => digits.parse().ok()?,
        };
        self.at += len;
        Some(if digits.len() == text.len() { number } else { -number })
    }

    /// Reads as far as the first member of what has just been begun; answers it whole if it has none.
    fn first(&mut self, open: &mut Vec<Open>) -> Result<Option<Value>> {
        let byte = self.peek();
        match open.last_mut() {
            Some(Open::Array(..)) if byte == Some(b']') => {}
            Some(Open::Object(..)) if byte == Some(b'}') => {}
            Some(Open::Object(_, key)) => {
                *key = Some(self.key()?);
                return Ok(None);
            }
            _ => return Ok(None),
        }
        self.at += 1;
        Ok(Some(closed(open)))
    }

    fn key(&mut self) -> Result<Value> {
        if self.peek() != Some(b'"') {
            return self.fail("object key string");
        }
        let key = Value::String(self.lua.create_string(self.string()?)?);
        if self.peek() != Some(b':') {
            return self.fail("colon");
        }
        self.at += 1;
        Ok(key)
    }

    /// Puts a value into what it belongs to; whether another one follows.
    fn next(&mut self, open: &mut Open, value: Value) -> Result<bool> {
        let byte = self.peek();
        match open {
            Open::Array(table, len) => {
                *len += 1;
                table.raw_set(*len as f64, value)?;
                match byte {
                    Some(b',') => self.at += 1,
                    Some(b']') => {
                        self.at += 1;
                        return Ok(false);
                    }
                    _ => return self.fail("comma or array end"),
                }
            }
            Open::Object(table, key) => {
                if let Some(key) = key.take() {
                    table.raw_set(key, value)?;
                }
                match byte {
                    Some(b',') => {
                        self.at += 1;
                        *key = Some(self.key()?);
                    }
                    Some(b'}') => {
                        self.at += 1;
                        return Ok(false);
                    }
                    _ => return self.fail("comma or object end"),
                }
            }
        }
        Ok(true)
    }

    fn end(&mut self, value: Value) -> Result<Value> {
        match self.peek() {
            None => Ok(value),
            Some(_) => self.fail("the end"),
        }
    }

    fn string(&mut self) -> Result<Vec<u8>> {
        let start = self.at;
        let bad = |why: &str| Err(expected("value", why, start));
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = self.json.get(self.at..).unwrap_or_default();
            let plain =
                rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..32)).count();
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            self.at += plain + 1;
            match rest.get(plain) {
                Some(b'"') => return Ok(out),
                Some(b'\\') => {}
                Some(b'\t' | 1..32) => {
                    if let Some(byte) = rest.get(plain) {
                        out.push(*byte);
                    }
                    continue;
                }
                _ => return bad("unexpected end of string"),
            }
            let escape = self.json.get(self.at).copied();
            self.at += 1;
            match escape {
                Some(byte @ (b'"' | b'\\' | b'/')) => out.push(byte),
                Some(b'b') => out.push(8),
                Some(b'f') => out.push(12),
                Some(b'n') => out.push(10),
                Some(b'r') => out.push(13),
                Some(b't') => out.push(9),
                Some(b'u') => {
                    let Some(letter) = self.letter() else {
                        return bad("invalid unicode escape code");
                    };
                    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return bad("invalid escape code"),
            }
        }
    }

    /// What comes after `\u`.
    fn letter(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.starts_with("\\u") {
            return None;
        }
        self.at += 2;
        let second = self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + second)
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.json.get(self.at..self.at + 4)?;
        self.at += 4;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }
}
