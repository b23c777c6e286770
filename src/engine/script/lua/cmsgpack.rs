//! The library `cmsgpack`: MessagePack.

use super::STRING_MAX;
use super::native::{error, number, number_at, string_at};
use omnilua::{Error, Lua, Result, Table, Value, Variadic};

/// What is nested more deeply is written as nil.
const PACK_DEPTH: usize = 16;
/// What is nested more deeply is not read.
const UNPACK_DEPTH: usize = 100;

/// The table `cmsgpack`.
pub fn table(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    let pack = lua.create_function(|lua, words: Variadic<Value>| {
        if words.is_empty() {
            return Err(error("bad argument #0 to 'pack' (MessagePack pack needs input.)"));
        }
        let mut out = Vec::new();
        words.iter().try_for_each(|word| write(word, 0, &mut out))?;
        lua.create_string(out)
    })?;
    table.raw_set("pack", pack)?;
    let unpack = lua.create_function(|lua, words: Variadic<Value>| {
        let (_, values) = read_some(lua, &string_at(&words, 0, "unpack")?, 0, usize::MAX)?;
        Ok(Variadic::from(values))
    })?;
    table.raw_set("unpack", unpack)?;
    let unpack_one = lua.create_function(|lua, words: Variadic<Value>| {
        let from = if words.len() > 1 { number_at(&words, 1, "unpack_one")? } else { 0.0 };
        partly(lua, &string_at(&words, 0, "unpack_one")?, 1.0, from)
    })?;
    table.raw_set("unpack_one", unpack_one)?;
    let unpack_limit = lua.create_function(|lua, words: Variadic<Value>| {
        let most = number_at(&words, 1, "unpack_limit")?;
        let from = if words.len() > 2 { number_at(&words, 2, "unpack_limit")? } else { 0.0 };
        partly(lua, &string_at(&words, 0, "unpack_limit")?, most, from)
    })?;
    table.raw_set("unpack_limit", unpack_limit)?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    Ok(table)
}

/// Where to go on, or -1 at the end, and what there is before.
fn partly(lua: &Lua, bytes: &[u8], most: f64, from: f64) -> Result<Variadic<Value>> {
    if most < 0.0 || from < 0.0 {
        return Err(error("Invalid request to unpack with offset of -1 and limit of -1."));
    }
    if from > bytes.len() as f64 {
        return Err(error(&format!(
            "Start offset {from} greater than input length {}.",
            bytes.len()
        )));
    }
    let (end, mut values) = read_some(lua, bytes, from as usize, most as usize)?;
    let next = if end < bytes.len() { end as f64 } else { -1.0 };
    values.insert(0, Value::Number(next));
    Ok(Variadic::from(values))
}

fn read_some(lua: &Lua, bytes: &[u8], at: usize, most: usize) -> Result<(usize, Vec<Value>)> {
    let mut reader = Reader { lua, bytes, at };
    let mut values = Vec::new();
    let most = if most == 0 { usize::MAX } else { most };
    while reader.at < bytes.len() && values.len() < most {
        values.push(reader.value(0)?);
    }
    Ok((reader.at, values))
}

/// The head of something with a length: its short form, or the first of up to three longer ones.
fn head(out: &mut Vec<u8>, len: usize, short: Option<(u8, usize)>, long: [Option<u8>; 3]) {
    let [one, two, four] = long;
    match (short, one) {
        (Some((base, below)), _) if len < below => out.push(base | len as u8),
        (_, Some(kind)) if len <= 0xff => out.extend([kind, len as u8]),
        _ if len <= 0xffff => {
            out.extend(two);
            out.extend((len as u16).to_be_bytes());
        }
        _ => {
            out.extend(four);
            out.extend((len as u32).to_be_bytes());
        }
    }
}

fn write(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<()> {
    if out.len() > STRING_MAX {
        return Err(error("not enough memory"));
    }
    match value {
        Value::String(text) => {
            let text = text.as_bytes()?;
            head(out, text.len(), Some((0xa0, 32)), [Some(0xd9), Some(0xda), Some(0xdb)]);
            out.extend_from_slice(&text);
        }
        Value::Boolean(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Number(_) | Value::Integer(_) => {
            write_number(number(value).unwrap_or_default(), out)
        }
        Value::Table(table) if depth < PACK_DEPTH => write_table(table, depth, out)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn write_number(number: f64, out: &mut Vec<u8>) {
    if number != number.trunc() || number.abs() >= 9.2e18 {
        let single = number as f32;
        if f64::from(single) == number {
            out.push(0xca);
            out.extend(single.to_be_bytes());
        } else {
            out.push(0xcb);
            out.extend(number.to_be_bytes());
        }
        return;
    }
    let number = number as i64;
    match number {
        0..=127 => out.push(number as u8),
        128..=0xff => out.extend([0xcc, number as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((number as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend(number.to_be_bytes());
        }
        -32..=-1 => out.push(number as i8 as u8),
        -128..=-33 => out.extend([0xd0, number as i8 as u8]),
        -0x8000..=-129 => {
            out.push(0xd1);
            out.extend((number as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            out.push(0xd2);
            out.extend((number as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend(number.to_be_bytes());
        }
    }
}

fn write_table(table: &Table, depth: usize, out: &mut Vec<u8>) -> Result<()> {
    let pairs = table.raw_pairs()?;
    let is_place = |key: &Value| match key {
        Value::Number(_) | Value::Integer(_) => number(key)
            .is_some_and(|key| key >= 1.0 && key.fract() == 0.0 && key <= pairs.len() as f64),
        _ => false,
    };
    if pairs.iter().all(|(key, _)| is_place(key)) {
        head(out, pairs.len(), Some((0x90, 16)), [None, Some(0xdc), Some(0xdd)]);
        for at in 1..=pairs.len() {
            write(&table.raw_get(at as f64)?, depth + 1, out)?;
        }
        return Ok(());
    }
    head(out, pairs.len(), Some((0x80, 16)), [None, Some(0xde), Some(0xdf)]);
    for (key, value) in pairs {
        write(&key, depth + 1, out)?;
        write(&value, depth + 1, out)?;
    }
    Ok(())
}

struct Reader<'a> {
    lua: &'a Lua,
    bytes: &'a [u8],
    at: usize,
}

fn missing() -> Error {
    error("Missing bytes in input.")
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(len).ok_or_else(missing)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(missing)?;
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self, len: usize) -> Result<u64> {
        Ok(self.take(len)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// A signed integer of so many bytes.
    fn signed(&mut self, len: usize) -> Result<f64> {
        let unused = 64 - 8 * len as u32;
        Ok(((self.number(len)? << unused) as i64 >> unused) as f64)
    }

    fn string(&mut self, len: usize) -> Result<Value> {
        Ok(Value::String(self.lua.create_string(self.take(len)?)?))
    }

    fn len(&mut self, bytes: usize) -> Result<usize> {
        Ok(self.number(bytes)? as usize)
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > UNPACK_DEPTH {
            return Err(error("Bad data format in input."));
        }
        let kind = self.take(1)?.first().copied().unwrap_or_default();
        Ok(match kind {
            0x00..=0x7f => Value::Number(kind.into()),
            0xe0..=0xff => Value::Number((kind as i8).into()),
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => Value::Number(f32::from_bits(self.number(4)? as u32).into()),
            0xcb => Value::Number(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => Value::Number(self.number(1 << (kind - 0xcc))? as f64),
            0xd0..=0xd3 => Value::Number(self.signed(1 << (kind - 0xd0))?),
            0xa0..=0xbf => self.string((kind & 0x1f).into())?,
            0xc4..=0xc6 => {
                let len = self.len(1 << (kind - 0xc4))?;
                self.string(len)?
            }
            0xd9..=0xdb => {
                let len = self.len(1 << (kind - 0xd9))?;
                self.string(len)?
            }
            0x90..=0x9f => self.array((kind & 0x0f).into(), depth)?,
            0xdc | 0xdd => {
                let len = self.len(2 << (kind - 0xdc))?;
                self.array(len, depth)?
            }
            0x80..=0x8f => self.map((kind & 0x0f).into(), depth)?,
            0xde | 0xdf => {
                let len = self.len(2 << (kind - 0xde))?;
                self.map(len, depth)?
            }
            _ => return Err(error("Bad data format in input.")),
        })
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<Value> {
        let table = self.lua.create_table()?;
        for at in 1..=len {
            table.raw_set(at as f64, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<Value> {
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let (key, value) = (self.value(depth + 1)?, self.value(depth + 1)?);
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}
