//! `cargo xtask bench`: what is measured, not tested.

use crate::setup::{self, Npm, debian};
use crate::workspace::path;
use crate::{package, process};
use anyhow::bail;

/// What `--only` takes.
pub const NAMES: [&str; 7] = ["memory", "complexity", "engine", "serve", "store", "tabs", "speed"];
/// Those that need no package.
const NATIVE: [&str; 2] = ["complexity", "engine"];

/// Runs the benchmarks that the arguments name, or all, in release.
pub fn run(args: &[String]) -> anyhow::Result<()> {
    let benches = chosen(args)?;
    if !benches.iter().all(|bench| NATIVE.contains(bench)) {
        package::build()?;
    }
    for bench in benches {
        match bench {
            "speed" => speed(&[])?,
            "serve" => serve(&[])?,
            "store" => in_browser("benches/store/main.mjs", &[])?,
            "tabs" => in_browser("benches/tabs/main.mjs", &[])?,
            native => {
                debian::redis()?;
                process::cargo()
                    .args(["bench", "--quiet", "-p", "lodis", "--bench", native])
                    .show()?;
            }
        }
    }
    Ok(())
}

/// The short forms of those that answer commands: no time is looked at.
///
/// # Errors
/// Some work was not done, or not done right.
pub fn short() -> anyhow::Result<()> {
    debian::redis()?;
    // Not in release: what is checked are replies.
    process::cargo()
        .args(["bench", "--quiet", "-p", "lodis", "--bench", "engine", "--profile", "dev"])
        .args(["--", "--short"])
        .show()?;
    serve(&["--short"])?;
    in_browser("benches/store/main.mjs", &["--short"])?;
    in_browser("benches/tabs/main.mjs", &["--short"])?;
    speed(&["--short"])
}

/// `redis-benchmark` against `lodis serve` and a redis-server.
fn serve(options: &[&str]) -> anyhow::Result<()> {
    debian::redis()?;
    process::program("node").args(["benches/serve/main.mjs"]).args(options).dir(path("")).show()
}

/// The benchmark of the built package beside its peers.
///
/// # Errors
/// Some work was not done, or not done right.
fn speed(options: &[&str]) -> anyhow::Result<()> {
    debian::redis()?;
    in_browser("benches/speed/main.mjs", options)
}

/// A script that opens pages in Chromium, with the built package.
fn in_browser(script: &str, options: &[&str]) -> anyhow::Result<()> {
    debian::browser()?;
    // Chromium is driven with what the tests drive it with.
    setup::npm_packages(Npm::Tests)?;
    setup::npm_packages(Npm::Benches)?;
    process::program("node").args([script]).args(options).dir(path("")).show()
}

fn chosen(args: &[String]) -> anyhow::Result<Vec<&'static str>> {
    match args {
        [] => Ok(NAMES.to_vec()),
        [only, name] if only == "--only" && NAMES.contains(&name.as_str()) => {
            Ok(NAMES.into_iter().filter(|bench| bench == name).collect())
        }
        _ => bail!("bench takes `--only` and one of {}, or nothing", NAMES.join(", ")),
    }
}
