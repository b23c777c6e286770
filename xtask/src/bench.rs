//! `cargo xtask bench`: what is measured, not tested.

use crate::{package, process};
use anyhow::bail;

const BENCHES: [&str; 2] = ["memory", "complexity"];

/// Runs the benchmarks that the arguments name, or all, in release.
pub fn run(args: &[String]) -> anyhow::Result<()> {
    let benches = chosen(args)?;
    if benches.contains(&"memory") {
        package::build()?;
    }
    for bench in benches {
        process::cargo().args(["bench", "--quiet", "-p", "lodis", "--bench", bench]).show()?;
    }
    Ok(())
}

fn chosen(args: &[String]) -> anyhow::Result<Vec<&'static str>> {
    match args {
        [] => Ok(BENCHES.to_vec()),
        [only, name] if only == "--only" && BENCHES.contains(&name.as_str()) => {
            Ok(BENCHES.into_iter().filter(|bench| bench == name).collect())
        }
        _ => bail!("bench takes `--only` and one of {}, or nothing", BENCHES.join(", ")),
    }
}
