//! `lodis-order <input.wasm> <output.wasm>`: the same module in an order that compresses better.

#[path = "../order.rs"]
mod order;

use anyhow::{Context, bail};
use std::env::args_os;
use std::fs;

fn main() -> anyhow::Result<()> {
    let mut args = args_os().skip(1);
    let (Some(input), Some(output), None) = (args.next(), args.next(), args.next()) else {
        bail!("usage: lodis-order <input.wasm> <output.wasm>");
    };
    let module = fs::read(&input).with_context(|| format!("read {}", input.display()))?;
    let sorted = order::sort(&module).with_context(|| format!("sort {}", input.display()))?;
    fs::write(&output, sorted).with_context(|| format!("write {}", output.display()))
}
