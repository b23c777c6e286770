//! `cargo xtask pkg`: the npm package in `pkg/dist`; `cargo xtask docs`: its reference.

use crate::setup::{self, Npm, npm};
use crate::workspace::path;
use crate::{generate, wasm};

/// Builds it from the sources as they are.
///
/// # Errors
/// A tool is missing, a generated file is out of date, or a step failed.
pub fn build() -> anyhow::Result<()> {
    generate::check()?;
    wasm::build()?;
    println!("Package");
    setup::npm_packages(Npm::Pkg)?;
    npm().args(["run", "--silent", "build"]).dir(path("pkg")).step("building pkg/dist")
}

/// Builds the reference of its API.
///
/// # Errors
/// As those of [`build`], or a declaration is not one.
pub fn docs() -> anyhow::Result<()> {
    build()?;
    setup::npm_packages(Npm::Tests)?;
    npm().args(["run", "--silent", "docs"]).dir(path("tests")).show()?;
    println!("{}", path("target/docs/index.html").display());
    Ok(())
}
