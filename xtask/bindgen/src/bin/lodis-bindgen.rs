//! `lodis-bindgen <input.wasm> <directory>`: writes the JavaScript glue of a wasm file, and the
//! wasm file that belongs to it, for the target `web`.

#[path = "../panics.rs"]
mod panics;

use anyhow::{Context, bail};
use std::env::args_os;

fn main() -> anyhow::Result<()> {
    let mut args = args_os().skip(1);
    let (Some(input), Some(directory), None) = (args.next(), args.next(), args.next()) else {
        bail!("usage: lodis-bindgen <input.wasm> <directory>");
    };
    let mut output = wasm_bindgen_cli_support::Bindgen::new()
        .input_path(&input)
        .web(true)?
        .typescript(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate_output()
        .with_context(|| format!("wasm-bindgen of {}", input.display()))?;
    panics::strip(output.wasm_mut());
    output.emit(&directory).with_context(|| format!("write {}", directory.display()))
}
