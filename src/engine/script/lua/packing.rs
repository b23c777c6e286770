//! The library `struct`: values as the bytes of C's structures.

use super::STRING_MAX;
use super::native::{bad_argument, error, number_at, string_at};
use omnilua::{Lua, Result, Table, Value, Variadic};

/// The largest alignment that anything has by itself.
const ALIGNMENT: usize = 8;

/// The table `struct`.
pub fn table(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", lua.create_function(|lua, words: Variadic<Value>| pack(lua, &words))?)?;
    let unpacked = |lua: &Lua, words: Variadic<Value>| unpack(lua, &words);
    table.raw_set("unpack", lua.create_function(unpacked)?)?;
    table.raw_set("size", lua.create_function(|_, words: Variadic<Value>| size(&words))?)?;
    Ok(table)
}

/// What the letters of a format say, one after the other.
struct Format {
    text: Vec<u8>,
    function: &'static str,
    at: usize,
    is_little: bool,
    align: usize,
}

/// A part of a structure.
#[derive(Clone, Copy)]
struct Part {
    kind: u8,
    size: usize,
}

impl Format {
    fn new(words: &[Value], function: &'static str) -> Result<Self> {
        let text = string_at(words, 0, function)?;
        Ok(Self { text, function, at: 0, is_little: true, align: 1 })
    }

    fn digits(&mut self) -> Result<Option<usize>> {
        let mut number: Option<usize> = None;
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            let so_far = number.unwrap_or_default();
            if so_far > STRING_MAX {
                return Err(error("integral size overflow"));
            }
            number = Some(so_far * 10 + usize::from(digit - b'0'));
            self.at += 1;
        }
        Ok(number)
    }

    fn next(&mut self) -> Result<Option<Part>> {
        while let Some(kind) = self.text.get(self.at).copied() {
            self.at += 1;
            let size = match kind {
                b'b' | b'B' | b'x' => 1,
                b'h' | b'H' => 2,
                b'l' | b'L' | b'T' | b'd' => 8,
                b'f' => 4,
                b's' => 0,
                b'c' => self.digits()?.unwrap_or(1),
                b'i' | b'I' => {
                    let size = self.digits()?.unwrap_or(4);
                    if size > 32 || size == 0 {
                        return Err(error(&format!(
                            "integral size {size} is larger than limit of 32"
                        )));
                    }
                    size
                }
                b' ' => continue,
                b'>' => {
                    self.is_little = false;
                    continue;
                }
                b'<' => {
                    self.is_little = true;
                    continue;
                }
                b'!' => {
                    self.align = self.digits()?.unwrap_or(ALIGNMENT);
                    if self.align == 0 || !self.align.is_power_of_two() {
                        return Err(error("alignment is not a power of 2"));
                    }
                    continue;
                }
                _ => {
                    let letter = char::from(kind);
                    let why = format!("invalid format option '{letter}'");
                    return Err(bad_argument(1, self.function, &why));
                }
            };
            return Ok(Some(Part { kind, size }));
        }
        Ok(None)
    }

    /// What is left out before a part that begins at `at`, so that it is aligned.
    fn padding(&self, part: Part, at: usize) -> usize {
        let align =
            if matches!(part.kind, b'c' | b's' | b'x') { 1 } else { part.size.min(self.align) };
        if align <= 1 { 0 } else { (align - (at & (align - 1))) & (align - 1) }
    }

    fn ordered(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if !self.is_little {
            bytes.reverse();
        }
        bytes
    }
}

/// An integer in so many bytes, the least first.
fn integer(number: f64, size: usize) -> Vec<u8> {
    let wide = if number < 0.0 { i128::from(number as i64) } else { i128::from(number as u64) };
    let fill = if number < 0.0 { 0xff } else { 0 };
    (0..size).map(|at| wide.to_le_bytes().get(at).copied().unwrap_or(fill)).collect()
}

fn pack(lua: &Lua, words: &[Value]) -> Result<omnilua::LuaString> {
    let mut format = Format::new(words, "pack")?;
    let (mut out, mut at) = (Vec::new(), 1);
    while let Some(part) = format.next()? {
        out.resize(out.len() + format.padding(part, out.len()), 0);
        match part.kind {
            b'x' => {
                out.push(0);
                continue;
            }
            b'f' => {
                let bytes = (number_at(words, at, "pack")? as f32).to_le_bytes();
                out.extend(format.ordered(bytes.to_vec()));
            }
            b'd' => {
                out.extend(format.ordered(number_at(words, at, "pack")?.to_le_bytes().to_vec()));
            }
            b's' | b'c' => {
                let text = string_at(words, at, "pack")?;
                let size = if part.size == 0 { text.len() } else { part.size };
                let Some(text) = text.get(..size) else {
                    return Err(bad_argument(at + 1, "pack", "string too short"));
                };
                out.extend_from_slice(text);
                out.extend((part.kind == b's').then_some(0));
            }
            _ => out.extend(format.ordered(integer(number_at(words, at, "pack")?, part.size))),
        }
        if out.len() > STRING_MAX {
            return Err(error("not enough memory"));
        }
        at += 1;
    }
    lua.create_string(out)
}

fn size(words: &[Value]) -> Result<f64> {
    let mut format = Format::new(words, "size")?;
    let mut total = 0usize;
    while let Some(part) = format.next()? {
        total += format.padding(part, total);
        if part.kind == b's' || (part.kind == b'c' && part.size == 0) {
            let letter = char::from(part.kind);
            let why = format!("option '{letter}' has no fixed size");
            return Err(bad_argument(1, "size", &why));
        }
        total = total.saturating_add(part.size);
    }
    Ok(total as f64)
}

/// An integer from bytes, the least first.
fn number_from(bytes: &[u8], is_signed: bool) -> f64 {
    let low =
        bytes.iter().take(8).rev().fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    if !is_signed {
        return low as f64;
    }
    let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    ((low << unused) as i64 >> unused) as f64
}

fn unpack(lua: &Lua, words: &[Value]) -> Result<Variadic<Value>> {
    let mut format = Format::new(words, "unpack")?;
    let data = string_at(words, 1, "unpack")?;
    let start = if words.len() > 2 { number_at(words, 2, "unpack")? } else { 1.0 };
    if start < 1.0 {
        return Err(bad_argument(3, "unpack", "offset must be 1 or greater"));
    }
    let mut at = start as usize - 1;
    let mut values: Vec<Value> = Vec::new();
    let short = || bad_argument(2, "unpack", "data string too short");
    while let Some(part) = format.next()? {
        at = at.saturating_add(format.padding(part, at));
        let mut size = part.size;
        let rest = data.get(at..).ok_or_else(short)?;
        if part.kind == b's' {
            let end = memchr::memchr(0, rest);
            size = end.ok_or_else(|| error("unfinished string in data"))?;
        } else if part.kind == b'c' && size == 0 {
            // As long as the number before says, which is taken away.
            size = match values.pop() {
                Some(Value::Number(size)) if size >= 0.0 => size as usize,
                _ => return Err(error("format 'c0' needs a previous size")),
            };
        }
        let bytes = rest.get(..size).ok_or_else(short)?;
        let ordered = || format.ordered(bytes.to_vec());
        match part.kind {
            b'x' => {}
            b's' | b'c' => values.push(Value::String(lua.create_string(bytes)?)),
            b'f' => {
                let bits = number_from(&ordered(), false) as u32;
                values.push(Value::Number(f32::from_bits(bits).into()));
            }
            b'd' => {
                let bytes = ordered().try_into().unwrap_or_default();
                values.push(Value::Number(f64::from_le_bytes(bytes)));
            }
            kind => {
                let number = number_from(&ordered(), kind.is_ascii_lowercase());
                values.push(Value::Number(number));
            }
        }
        at += size + usize::from(part.kind == b's');
    }
    values.push(Value::Number((at + 1) as f64));
    Ok(Variadic::from(values))
}
