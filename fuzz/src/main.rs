//! Feeds Lodis what nobody would send: `cargo xtask fuzz`, and `fuzz/README.md`.
//!
//! ```text
//! lodis-fuzz TARGET|all [--runs N] [--seconds N] [--seed N] [--corpus DIR] [--findings DIR]
//! lodis-fuzz TARGET FILE…        runs these inputs
//! lodis-fuzz TARGET --minimise   keeps of the corpus what the rest does not reach
//! ```

mod commands;
mod coverage;
#[path = "../../tests/generator/mod.rs"]
mod generator;
mod memory;
mod mutate;
mod options;
mod run;
mod targets;

use options::Options;
use std::process::ExitCode;
use targets::TARGETS;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::parse(&words) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::FAILURE;
        }
    };
    let chosen: Vec<_> = TARGETS
        .iter()
        .filter(|target| options.target.is_none_or(|name| name == target.name))
        .collect();
    let mut is_good = true;
    for target in chosen {
        is_good &= if options.is_worker {
            run::work(target, &options)
        } else {
            run::watch(target, &options)
        };
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
