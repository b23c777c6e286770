//! `cargo xtask test`: every check and every test.

use crate::process::{Program, cargo};
use crate::setup::{self, Npm, debian, npm};
use crate::workspace::{path, target};
use crate::{bench, fuzz, generate, package, size};
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// A part of the whole, as `--only` calls it.
struct Part {
    name: &'static str,
    title: &'static str,
    /// Parts that must have passed before.
    after: &'static [&'static str],
    /// Not run with all the others: one of them includes it.
    is_included: bool,
    run: fn() -> anyhow::Result<()>,
}

const PARTS: &[Part] = &[
    Part { name: "fmt", title: "Rust's format", after: &[], is_included: false, run: format },
    Part { name: "lint", title: "Clippy", after: &[], is_included: false, run: clippy },
    Part {
        name: "native",
        title: "Native tests, conformance and tidiness among them",
        after: &[],
        is_included: false,
        run: native,
    },
    Part {
        name: "fuzz",
        title: "What nobody would send, for a while",
        after: &[],
        is_included: false,
        run: fuzz::short,
    },
    Part {
        name: "conformance",
        title: "Conformance, beside a real redis-server",
        after: &[],
        is_included: true,
        run: conformance,
    },
    Part {
        name: "tidy",
        title: "The rules of the house",
        after: &[],
        is_included: true,
        run: tidy,
    },
    Part {
        name: "package",
        title: "The npm package",
        after: &[],
        is_included: false,
        run: package::build,
    },
    Part {
        name: "size",
        title: "The wasm file's size",
        after: &["package"],
        is_included: false,
        run: size::check,
    },
    Part {
        name: "types",
        title: "TypeScript's types",
        after: &["package"],
        is_included: false,
        run: types,
    },
    Part {
        name: "node",
        title: "Tests in Node",
        after: &["package"],
        is_included: false,
        run: node,
    },
    Part {
        name: "builds",
        title: "Apps, built by bundlers and run; other runtimes",
        after: &["package"],
        is_included: false,
        run: builds,
    },
    Part {
        name: "bench",
        title: "The benchmarks' work, done once",
        after: &["package"],
        is_included: false,
        run: bench::short,
    },
    Part {
        name: "wasm",
        title: "wasm-bindgen tests in Chromium",
        after: &[],
        is_included: false,
        run: wasm,
    },
    Part {
        name: "browser",
        title: "The playground in Chromium",
        after: &["package"],
        is_included: false,
        run: browser,
    },
    Part {
        name: "firefox",
        title: "Tabs in Firefox",
        after: &["package"],
        is_included: false,
        run: firefox,
    },
];

/// What `--only` takes.
pub fn part_names() -> Vec<&'static str> {
    PARTS.iter().map(|part| part.name).collect()
}

/// The parts that the arguments ask for; empty for all.
///
/// # Errors
/// They are not `--only` and names of parts.
pub fn parts(args: &[String]) -> anyhow::Result<Vec<String>> {
    let Some((option, names)) = args.split_first() else { return Ok(Vec::new()) };
    if option != "--only" || names.is_empty() {
        bail!("test takes `--only PART…` or nothing; parts: {}", part_names().join(", "));
    }
    let names: Vec<String> =
        names.iter().flat_map(|name| name.split(',')).map(str::to_owned).collect();
    if let Some(name) = names.iter().find(|name| !part_names().contains(&name.as_str())) {
        bail!("no part is called `{name}`; parts: {}", part_names().join(", "));
    }
    Ok(names)
}

/// Runs the parts, all if none is named; a failed one does not keep the others from running.
///
/// # Errors
/// At least one failed.
pub fn run(names: &[String]) -> anyhow::Result<()> {
    let outcomes = run_all(&chosen(names));
    println!("\n{}", table(&outcomes));
    let failed: Vec<_> = outcomes.iter().filter(|o| o.error.is_some()).map(|o| o.name).collect();
    match failed.as_slice() {
        [] => Ok(()),
        names => bail!("failed: {}", names.join(", ")),
    }
}

/// How a part ended.
struct Outcome {
    name: &'static str,
    took: Duration,
    error: Option<String>,
}

/// The named parts and what they come after; all but the included ones if none is named.
fn chosen(names: &[String]) -> Vec<&'static Part> {
    let mut wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    for part in PARTS.iter().rev() {
        if wanted.contains(part.name) {
            wanted.extend(part.after);
        }
    }
    let is_chosen = |part: &&Part| match names {
        [] => !part.is_included,
        _ => wanted.contains(part.name),
    };
    PARTS.iter().filter(is_chosen).collect()
}

fn run_all(parts: &[&'static Part]) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for part in parts {
        println!("\n== {} ({}) ==", part.title, part.name);
        let started = Instant::now();
        let failed_before = |name: &&&str| {
            outcomes.iter().any(|outcome| outcome.name == **name && outcome.error.is_some())
        };
        let result = match part.after.iter().find(failed_before) {
            Some(name) => Err(anyhow::anyhow!("not run, because {name} failed")),
            None => (part.run)(),
        };
        let error = result.err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            println!("  failed: {error}");
        }
        outcomes.push(Outcome { name: part.name, took: started.elapsed(), error });
    }
    outcomes
}

fn table(outcomes: &[Outcome]) -> String {
    let mut out = String::from("part         seconds\n");
    for outcome in outcomes {
        let seconds = outcome.took.as_secs_f64();
        let verdict = match &outcome.error {
            None => "passed".to_owned(),
            Some(error) => format!("FAILED: {}", error.lines().next().unwrap_or_default()),
        };
        out += &format!("{:12} {seconds:7.1}  {verdict}\n", outcome.name);
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    out + &format!("{:12} {:7.1}", "together", total.as_secs_f64())
}

fn format() -> anyhow::Result<()> {
    cargo().args(["fmt", "--all", "--check"]).show()
}

fn clippy() -> anyhow::Result<()> {
    generate::check()?;
    let native = ["clippy", "--workspace", "--all-targets", "--all-features"];
    cargo().args(native).args(["--", "-D", "warnings"]).show()?;
    setup::wasm_target()?;
    wasm_tests(cargo().args(["clippy", "--lib"]))?.args(["--", "-D", "warnings"]).show()?;
    // As the smaller of the two modules is compiled.
    let core = ["clippy", "--package", "lodis", "--lib", "--no-default-features"];
    let target_option = ["--target", "wasm32-unknown-unknown"];
    cargo().args(core).args(target_option).args(["--", "-D", "warnings"]).show()
}

fn native() -> anyhow::Result<()> {
    debian::redis()?;
    cargo().args(["test", "--package", "lodis", "--package", "xtask"]).show()
}

/// The tests that start a redis-server.
fn conformance() -> anyhow::Result<()> {
    debian::redis()?;
    let tests = test_files(|_, text| text.contains("mod real_redis;"))?;
    cargo().args(["test", "--package", "lodis"]).args(as_options(&tests)).show()
}

fn tidy() -> anyhow::Result<()> {
    cargo().args(["test", "--package", "lodis", "--test", "tidy"]).show()
}

fn types() -> anyhow::Result<()> {
    for (directory, script) in [(Npm::Pkg, "check"), (Npm::Tests, "types"), (Npm::Www, "check")] {
        setup::npm_packages(directory)?;
        let title = format!("types of {}", directory.dir());
        npm().args(["run", "--silent", script]).dir(path(directory.dir())).step(&title)?;
    }
    Ok(())
}

fn node() -> anyhow::Result<()> {
    debian::redis()?;
    setup::npm_packages(Npm::Tests)?;
    npm().args(["run", "--silent", "node"]).dir(path("tests")).show()
}

fn builds() -> anyhow::Result<()> {
    debian::browser()?;
    for directory in [Npm::Tests, Npm::Builds] {
        setup::npm_packages(directory)?;
    }
    npm().args(["run", "--silent", "builds"]).dir(path("tests")).show()
}

fn wasm() -> anyhow::Result<()> {
    debian::browser()?;
    setup::wasm_target()?;
    let features = ["--features", "test-runner", "--bin", "lodis-test-runner"];
    cargo()
        .args(["build", "--package", "lodis-bindgen"])
        .args(features)
        .step("compiling wasm-bindgen's test runner (minutes, the first time)")?;
    let driver = debian::find("chromedriver").context("chromedriver is gone")?;
    let runner = target().join("debug/lodis-test-runner");
    wasm_tests(cargo().args(["test"]))?
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner)
        .env("CHROMEDRIVER", driver)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
        .show()
}

fn browser() -> anyhow::Result<()> {
    debian::browser()?;
    setup::npm_packages(Npm::Www)?;
    setup::npm_packages(Npm::Tests)?;
    npm().args(["run", "--silent", "build"]).dir(path("www")).step("building www/dist")?;
    npm().args(["run", "--silent", "browser"]).dir(path("tests")).show()
}

fn firefox() -> anyhow::Result<()> {
    debian::firefox()?;
    let driver = setup::geckodriver()?;
    setup::npm_packages(Npm::Tests)?;
    npm().args(["run", "--silent", "firefox"]).dir(path("tests")).env("GECKODRIVER", driver).show()
}

/// `cargo`, applied to the tests that run inside a browser.
fn wasm_tests(cargo: Program) -> anyhow::Result<Program> {
    let tests = test_files(|name, _| name.starts_with("web_"))?;
    let package = ["--package", "lodis", "--target", "wasm32-unknown-unknown"];
    Ok(cargo.args(package).args(as_options(&tests)))
}

/// The names of the files `tests/*.rs` that `is_wanted` wants, by name and text.
fn test_files(is_wanted: fn(&str, &str) -> bool) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(path("tests")).context("read tests")? {
        let file = entry?.path();
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if is_wanted(&name, &fs::read_to_string(&file)?) {
            names.insert(name);
        }
    }
    if names.is_empty() {
        bail!("no such tests in tests/*.rs");
    }
    Ok(names)
}

fn as_options(tests: &BTreeSet<String>) -> impl Iterator<Item = &str> {
    tests.iter().flat_map(|name| ["--test", name])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSES: Part =
        Part { name: "a", title: "", after: &[], is_included: false, run: || Ok(()) };

    #[test]
    fn a_failed_part_keeps_only_those_that_need_it_from_running() {
        static FIRST: Part = Part { name: "first", run: || bail!("broken\nmore"), ..PASSES };
        static SECOND: Part = Part { name: "second", after: &["first"], ..PASSES };
        static THIRD: Part = Part { name: "third", after: &["fourth"], ..PASSES };
        let outcomes = run_all(&[&FIRST, &SECOND, &THIRD]);
        let errors: Vec<_> = outcomes.iter().map(|o| o.error.as_deref()).collect();
        assert_eq!(errors, [Some("broken\nmore"), Some("not run, because first failed"), None]);
        let table = table(&outcomes);
        assert!(table.contains("FAILED: broken\nsecond"), "{table}");
        assert!(table.contains("third            0.0  passed"), "{table}");
    }

    #[test]
    fn parts_bring_what_they_need_and_all_are_each_once() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(&names).iter().map(|part| part.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["browser"]), ["package", "browser"]);
        assert_eq!(names(&["tidy", "fmt"]), ["fmt", "tidy"]);
        assert!(!names(&[]).contains(&"tidy") && names(&[]).contains(&"native"));
        for part in PARTS {
            assert!(part.after.iter().all(|name| part_names().contains(name)), "{}", part.name);
        }
    }
}
