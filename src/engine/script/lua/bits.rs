//! The library `bit`: operations on 32-bit integers.

use super::native::number_at;
use omnilua::{Lua, Result, Table, Value, Variadic};

/// As a 32-bit integer: what is beyond wraps around.
fn bits(words: &[Value], at: usize, function: &str) -> Result<u32> {
    let number = number_at(words, at, function)?.round_ties_even();
    if number.is_finite() { Ok(number.rem_euclid(4_294_967_296.0) as u32) } else { Ok(0) }
}

fn answer(bits: u32) -> f64 {
    f64::from(bits as i32)
}

/// The table `bit`.
pub fn table(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    one(lua, &table, "tobit", |bits| bits)?;
    one(lua, &table, "bnot", |bits| !bits)?;
    one(lua, &table, "bswap", u32::swap_bytes)?;
    many(lua, &table, "band", |a, b| a & b)?;
    many(lua, &table, "bor", |a, b| a | b)?;
    many(lua, &table, "bxor", |a, b| a ^ b)?;
    shift(lua, &table, "lshift", |a, by| a << by)?;
    shift(lua, &table, "rshift", |a, by| a >> by)?;
    shift(lua, &table, "arshift", |a, by| ((a as i32) >> by) as u32)?;
    shift(lua, &table, "rol", u32::rotate_left)?;
    shift(lua, &table, "ror", u32::rotate_right)?;
    let tohex = lua.create_function(|lua, words: Variadic<Value>| {
        let bits = bits(&words, 0, "tohex")?;
        let digits = if words.len() > 1 { number_at(&words, 1, "tohex")? as i32 } else { 8 };
        let width = digits.unsigned_abs().min(8) as usize;
        let text = if digits < 0 { format!("{bits:08X}") } else { format!("{bits:08x}") };
        lua.create_string(text.get(8 - width..).unwrap_or_default())
    })?;
    table.raw_set("tohex", tohex)?;
    Ok(table)
}

fn one(lua: &Lua, table: &Table, name: &'static str, what: fn(u32) -> u32) -> Result<()> {
    let function = lua.create_function(move |_, words: Variadic<Value>| {
        Ok(answer(what(bits(&words, 0, name)?)))
    })?;
    table.raw_set(name, function)
}

fn many(lua: &Lua, table: &Table, name: &'static str, what: fn(u32, u32) -> u32) -> Result<()> {
    let function = lua.create_function(move |_, words: Variadic<Value>| {
        let mut result = bits(&words, 0, name)?;
        for at in 1..words.len() {
            result = what(result, bits(&words, at, name)?);
        }
        Ok(answer(result))
    })?;
    table.raw_set(name, function)
}

fn shift(lua: &Lua, table: &Table, name: &'static str, what: fn(u32, u32) -> u32) -> Result<()> {
    let function = lua.create_function(move |_, words: Variadic<Value>| {
        Ok(answer(what(bits(&words, 0, name)?, bits(&words, 1, name)? & 31)))
    })?;
    table.raw_set(name, function)
}
