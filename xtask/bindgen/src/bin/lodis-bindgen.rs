//! `lodis-bindgen <input.wasm> <directory>`: writes the JavaScript glue of a wasm file, and the
//! wasm file that belongs to it, for the target `web`.

#[path = "../names.rs"]
mod names;
#[path = "../panics.rs"]
mod panics;

use anyhow::{Context, bail};
use std::env::args_os;
use std::fs;
use std::path::Path;

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
    let glue = output.js().to_owned();
    let names = names::Names::shorten(output.wasm_mut(), &glue);
    output.emit(&directory).with_context(|| format!("write {}", directory.display()))?;
    let directory = Path::new(&directory);
    rewrite(&directory.join("lodis.js"), |glue| names.in_glue(glue))?;
    rewrite(&directory.join("lodis.d.ts"), |types| Ok(names.in_types(types)))?;
    // The module is nobody's but the glue's.
    fs::remove_file(directory.join("lodis_bg.wasm.d.ts")).context("remove the types of the exports")
}

fn rewrite(file: &Path, change: impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let changed = change(&text).with_context(|| format!("rename in {}", file.display()))?;
    fs::write(file, changed).with_context(|| format!("write {}", file.display()))
}
