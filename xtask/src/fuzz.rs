//! `cargo xtask fuzz`: what nobody would send, made at random; `fuzz/README.md` says what of it.

use crate::process::cargo;
use crate::workspace::target;
use anyhow::{Context, bail};

/// Inputs of each target in a test run: about half a minute, for all of them.
const SHORT_RUNS: &str = "1000";

/// Runs a target, or all, for so many minutes each, guided by what inputs reach; or some inputs again.
///
/// # Errors
/// Something was found.
pub fn run(args: &[String]) -> anyhow::Result<()> {
    let mut words: Vec<String> = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--minutes" => {
                let minutes = args.next().context("--minutes needs a number")?;
                let minutes: u64 = minutes.parse().context("--minutes needs a number")?;
                words.extend(["--seconds".to_owned(), (minutes * 60).to_string()]);
            }
            other => words.push(other.to_owned()),
        }
    }
    if words.first().is_none_or(|word| word.starts_with('-')) {
        words.insert(0, "all".to_owned());
    }
    let Some(host) = host() else { bail!("rustc does not say for which machine it compiles") };
    // A counter at each edge: of what is compiled for this machine, and not of what runs meanwhile.
    let counters = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
                    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters";
    cargo()
        .args(["run", "--quiet", "--package", "lodis-fuzz", "--profile", "fuzz"])
        .args(["--target", &host, "--target-dir"])
        .args([target().join("fuzz")])
        .args(["--".to_owned(), words.remove(0)])
        .args(["--output".into(), target().join("fuzz/output")])
        .args(words)
        .env("RUSTFLAGS", counters)
        .show()
}

/// The short form: the same inputs each time, besides those of the corpus.
///
/// # Errors
/// Something was found.
pub fn short() -> anyhow::Result<()> {
    let run = ["run", "--quiet", "--package", "lodis-fuzz", "--", "all", "--runs", SHORT_RUNS];
    cargo().args(run).args(["--output".into(), target().join("fuzz/short")]).show()
}

/// What this machine is called in Rust.
fn host() -> Option<String> {
    let about = crate::process::program("rustc").args(["-vV"]).answer()?;
    about.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
