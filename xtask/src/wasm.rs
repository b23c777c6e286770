//! `cargo xtask wasm`: the engine as `lodis_bg.wasm`, with its JavaScript glue: in `pkg/wasm`, and with
//! scripting in `pkg/wasm-full`.

use crate::process::{cargo, program};
use crate::setup::{self, Npm};
use crate::size;
use crate::stamp::Stamp;
use crate::workspace::{path, target};
use anyhow::{Context, bail};
use std::fs;
use std::path::Path;

/// What rustc lets the module use; wasm-opt must know, and may use no more.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];
/// Structured anew, code needs fewer blocks and locals. Nothing lies in the first KiB of memory: it is
/// the far end of the stack.
const OPTIMIZATION: [&str; 5] = ["--low-memory-unused", "--flatten", "--rereloop", "-O2", "-Os"];
/// rustc inlines functions without `#[inline]` up to this size: a third smaller than with what it
/// does by itself, and what every command runs through says `#[inline]`. Loops are not written out
/// several times over for counts that only the run knows: engines do without, at the same speed.
const CODE: &str = concat!(
    r#"target.wasm32-unknown-unknown.rustflags=["-Cllvm-args=-inline-threshold=60","#,
    r#""-Cllvm-args=-unroll-runtime=false"]"#
);

/// A module: where it goes, and how it is compiled.
struct Module {
    directory: &'static str,
    title: &'static str,
    options: &'static [&'static str],
}

const MODULES: [Module; 2] = [
    Module {
        directory: "pkg/wasm",
        title: "compiling the engine for WebAssembly",
        options: &["--no-default-features"],
    },
    Module {
        directory: "pkg/wasm-full",
        title: "compiling the engine with scripting",
        options: &["--no-default-features", "--features", "scripting,host"],
    },
];

/// Builds, binds, optimizes; does nothing that is done.
///
/// # Errors
/// A tool is missing, or a step failed.
pub fn build() -> anyhow::Result<()> {
    println!("WebAssembly");
    setup::wasm_target()?;
    setup::npm_packages(Npm::Pkg)?;
    MODULES.iter().try_for_each(build_one)
}

fn build_one(module: &Module) -> anyhow::Result<()> {
    let target_option = ["--target", "wasm32-unknown-unknown"];
    cargo()
        .args(["build", "--profile", "wasm", "--package", "lodis", "--lib"])
        .args(module.options)
        .args(target_option)
        .args(["--config", CODE])
        .step(module.title)?;
    let compiled = target().join("wasm32-unknown-unknown/wasm/lodis.wasm");
    let directory = path(module.directory);
    let stamp = Stamp::new(directory.join(".stamp"))
        .file(&compiled)
        .file(&path("xtask/bindgen/src/names.rs"))
        .file(&path("xtask/bindgen/src/panics.rs"))
        .file(&path("xtask/bindgen/src/order.rs"))
        .file(&path("Cargo.lock"))
        .file(&path("pkg/package-lock.json"))
        .text(&FEATURES.concat())
        .text(&OPTIMIZATION.concat());
    let file = directory.join("lodis_bg.wasm");
    if !stamp.is_current() || !file.exists() {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).with_context(|| format!("create {}", module.directory))?;
        bind(&compiled, &directory)?;
        optimize(&file)?;
        order(&file)?;
        stamp.set()?;
    }
    let sizes = size::line(&file).context("measure the wasm file")?;
    println!("  {}/lodis_bg.wasm: {sizes}", module.directory);
    Ok(())
}

fn bind(compiled: &Path, directory: &Path) -> anyhow::Result<()> {
    cargo()
        .args(["build", "--package", "lodis-bindgen", "--bins"])
        .step("compiling wasm-bindgen (minutes, the first time)")?;
    program(target().join("debug/lodis-bindgen"))
        .args([compiled, directory])
        .step("writing the JavaScript glue")?;
    let glue = fs::read_to_string(directory.join("lodis.js")).context("read the glue")?;
    if !glue.contains("export class Lodis ") {
        bail!("the module has no class `Lodis`: src/web does not make the facade part of it");
    }
    Ok(())
}

fn optimize(module: &Path) -> anyhow::Result<()> {
    let optimized = module.with_extension("optimized");
    program("node")
        .args([path("pkg/node_modules/binaryen/bin/wasm-opt")])
        .args(FEATURES)
        .args(OPTIMIZATION)
        .args([module, Path::new("-o"), &optimized])
        .step("optimizing the wasm file")?;
    fs::rename(&optimized, module).context("replace the wasm file by the optimized one")
}

/// Last, because it is about the very bytes.
fn order(module: &Path) -> anyhow::Result<()> {
    program(target().join("debug/lodis-order"))
        .args([module, module])
        .step("ordering its functions for compression")
}
