//! `cargo xtask setup`: what must be on the machine before anything can be built.

pub mod debian;

use crate::process::{cargo, program};
use crate::stamp::Stamp;
use crate::workspace::{path, target};
use anyhow::{Context, bail};
use std::path::PathBuf;

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const NODE_MAJOR: u32 = 20;
const GECKODRIVER: &str = "0.37.1";

/// A directory with a package.json.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Npm {
    /// The package and its build tools.
    Pkg,
    /// The playground.
    Www,
    /// The tests' clients and runners.
    Tests,
    /// What apps are built with.
    Builds,
    /// What Lodis is compared with.
    Benches,
}

impl Npm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pkg, Self::Www, Self::Tests, Self::Builds, Self::Benches];

    /// Its place in the repository.
    pub const fn dir(self) -> &'static str {
        match self {
            Self::Pkg => "pkg",
            Self::Www => "www",
            Self::Tests => "tests",
            Self::Builds => "tests/builds",
            Self::Benches => "benches",
        }
    }
}

/// What builds need, and the npm packages of these directories.
///
/// # Errors
/// A tool is missing, or a step failed.
pub fn for_builds(directories: &[Npm]) -> anyhow::Result<()> {
    println!("Set-up");
    wasm_target()?;
    for npm in directories.iter().copied() {
        npm_packages(npm)?;
    }
    println!("  everything is there");
    Ok(())
}

/// The Rust target for WebAssembly.
///
/// # Errors
/// Neither is it there nor is rustup, or rustup failed.
pub fn wasm_target() -> anyhow::Result<()> {
    let libraries = program("rustc").args(["--print", "target-libdir", "--target", WASM_TARGET]);
    if libraries.answer().is_some_and(|dir| std::path::Path::new(&dir).is_dir()) {
        return Ok(());
    }
    if program("rustup").args(["--version"]).answer().is_none() {
        bail!(
            "rustup is missing: install it (https://rustup.rs), or the Rust target {WASM_TARGET}"
        );
    }
    program("rustup")
        .args(["target", "add", WASM_TARGET])
        .step(&format!("adding the Rust target {WASM_TARGET}"))
}

/// Node, new enough, with npm.
///
/// # Errors
/// One of them is missing, or Node is too old.
pub fn node() -> anyhow::Result<()> {
    let Some(version) = program("node").args(["--version"]).answer() else {
        bail!("node is missing: install Node.js {NODE_MAJOR} or later (https://nodejs.org)");
    };
    if major(&version).is_none_or(|major| major < NODE_MAJOR) {
        bail!("node is {version}: install Node.js {NODE_MAJOR} or later (https://nodejs.org)");
    }
    if npm().args(["--version"]).answer().is_none() {
        bail!("npm is missing: install it (it comes with Node.js; Debian's package is `npm`)");
    }
    Ok(())
}

/// The packages of one directory, exactly those of its lock file if it has one.
///
/// # Errors
/// Node or npm is missing, or npm failed.
pub fn npm_packages(directory: Npm) -> anyhow::Result<()> {
    node()?;
    let dir = path(directory.dir());
    let lock = dir.join("package-lock.json");
    let verb = if lock.exists() { "ci" } else { "install" };
    // npm links the command of our own package only once that is built.
    let links = directory == Npm::Tests && path("pkg/dist/cli.js").exists();
    let stamp = || {
        Stamp::new(dir.join("node_modules/.lodis-stamp"))
            .file(&dir.join("package.json"))
            .file(&dir.join("package-lock.json"))
            .file(&dir.join(".npmrc"))
            .text(if links { "with the command" } else { "" })
    };
    if stamp().is_current() {
        return Ok(());
    }
    npm()
        .args([verb, "--no-audit", "--no-fund", "--loglevel=error"])
        .dir(dir.clone())
        .step(&format!("npm packages in {}", directory.dir()))
        .with_context(|| format!("install the npm packages of {}", directory.dir()))?;
    stamp().set()
}

/// Firefox's driver: the one that is there, or one built from its crate.
///
/// # Errors
/// It could not be built.
pub fn geckodriver() -> anyhow::Result<PathBuf> {
    if let Some(driver) = debian::find("geckodriver") {
        return Ok(driver);
    }
    let root = target().join("geckodriver");
    let driver = root.join(format!("bin/geckodriver{}", std::env::consts::EXE_SUFFIX));
    let said = program(&driver).args(["--version"]).answer().unwrap_or_default();
    let is_current = said.split_whitespace().nth(1) == Some(GECKODRIVER);
    if !is_current {
        cargo()
            .args(["install", "geckodriver", "--version", GECKODRIVER, "--locked", "--force"])
            .args(["--root".as_ref(), root.as_os_str()])
            .step("compiling geckodriver (minutes, the first time)")?;
    }
    Ok(driver)
}

/// npm itself.
pub fn npm() -> crate::process::Program {
    program(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// The first number in `v20.1.0`.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("v8.1"), Some(8));
        assert_eq!(major("nightly"), None);
    }
}
