//! What people download: the wasm file's size, and its budget.

use crate::process::{Program, program};
use crate::wasm;
use crate::workspace::path;
use anyhow::{Context, bail};
use std::path::Path;

/// The wasm file in the package, gzip level 9, may be this long: bytes. The goal is 250,000; this is
/// what was reached, rounded up a little, so that nothing is lost again unnoticed.
const GZIP_MAX: usize = 445_300;
/// The same of the one with scripting.
const FULL_GZIP_MAX: usize = 773_500;

/// Prints the sizes of the built module, by sections.
///
/// # Errors
/// It cannot be built.
pub fn show() -> anyhow::Result<()> {
    wasm::build()?;
    for (file, budget) in
        [("pkg/wasm/lodis_bg.wasm", GZIP_MAX), ("pkg/wasm-full/lodis_bg.wasm", FULL_GZIP_MAX)]
    {
        let module = path(file);
        let sections = measure(&module).args(["sections"]).answer();
        println!("{file}\n{}", sections.context("measure the wasm file")?);
        println!("budget: gzip {budget} bytes, used {}", gzip(&module)?);
    }
    Ok(())
}

/// Raw, gzip and brotli in one line.
pub fn line(module: &Path) -> Option<String> {
    measure(module).answer()
}

/// Sees to it that each module in the built package is within its budget.
///
/// # Errors
/// One is not.
pub fn check() -> anyhow::Result<()> {
    for (file, budget) in [("lodis_bg.wasm", GZIP_MAX), ("lodis_full_bg.wasm", FULL_GZIP_MAX)] {
        let size = gzip(&path("pkg/dist").join(file))?;
        println!("  {file}: gzip {size} of {budget} bytes");
        within(size, budget)?;
    }
    Ok(())
}

fn within(size: usize, budget: usize) -> anyhow::Result<()> {
    if size > budget {
        bail!("the wasm file is {size} bytes in gzip, {} above its budget", size - budget);
    }
    Ok(())
}

fn gzip(module: &Path) -> anyhow::Result<usize> {
    let answer = measure(module).args(["gzip"]).answer().context("measure the wasm file")?;
    answer.parse().with_context(|| format!("`{answer}` is no size"))
}

fn measure(module: &Path) -> Program {
    program("node").args([path("xtask/src/size.mjs")]).args([module])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_above_the_budget_is_too_much() {
        assert!(within(1000, 1000).is_ok());
        assert_eq!(
            within(1001, 1000).unwrap_err().to_string(),
            "the wasm file is 1001 bytes in gzip, 1 above its budget"
        );
    }
}
