//! Programs that only tests need, from Debian's packages.

use crate::process::{Program, program};
use anyhow::bail;
use std::path::PathBuf;
use std::sync::Once;

/// A program, and the Debian package that has it.
struct Tool {
    name: &'static str,
    package: &'static str,
}

const BROWSER: &[Tool] = &[
    Tool { name: "chromium", package: "chromium" },
    Tool { name: "chromedriver", package: "chromium-driver" },
];
const FIREFOX: &[Tool] = &[Tool { name: "firefox-esr", package: "firefox-esr" }];
const REDIS: &[Tool] = &[
    Tool { name: "redis-server", package: "redis-server" },
    Tool { name: "redis-cli", package: "redis-tools" },
];

/// Chromium and its driver.
///
/// # Errors
/// They are missing, and could not be installed.
pub fn browser() -> anyhow::Result<()> {
    install(BROWSER)
}

/// Firefox; its driver is not among Debian's packages.
///
/// # Errors
/// It is missing, and could not be installed.
pub fn firefox() -> anyhow::Result<()> {
    install(FIREFOX)
}

/// A Redis to compare with.
///
/// # Errors
/// It is missing, and could not be installed.
pub fn redis() -> anyhow::Result<()> {
    install(REDIS)
}

/// Where a program is.
pub fn find(name: &str) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH")?;
    std::env::split_paths(&directories).map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn install(tools: &[Tool]) -> anyhow::Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| find(tool.name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    let Some(apt) = apt_get() else {
        let names: Vec<_> = missing.iter().map(|tool| tool.name).collect();
        bail!(
            "missing: {}. Install them (Debian: `apt-get install {}`)",
            names.join(", "),
            packages.join(" ")
        );
    };
    static UPDATE: Once = Once::new();
    // Without the newest lists the packages may be there all the same.
    UPDATE.call_once(|| drop(apt().args(["update"]).step("updating Debian's package lists")));
    apt()
        .args(["install", "--yes", "--no-install-recommends"])
        .args(&packages)
        .step(&format!("installing {}", packages.join(", ")))
}

/// How to call apt-get, if this user may.
fn apt_get() -> Option<fn() -> Program> {
    find("apt-get")?;
    const NONINTERACTIVE: &str = "DEBIAN_FRONTEND=noninteractive";
    if program("id").args(["-u"]).answer().as_deref() == Some("0") {
        return Some(|| program("env").args([NONINTERACTIVE, "apt-get"]));
    }
    program("sudo").args(["-n", "true"]).answer()?;
    Some(|| program("sudo").args(["-n", NONINTERACTIVE, "apt-get"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_the_system_looks() {
        assert!(find("env").is_some_and(|path| path.ends_with("env")));
        assert!(find("no-such-program-anywhere").is_none());
    }
}
