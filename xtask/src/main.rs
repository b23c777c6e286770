//! `cargo xtask`: every developer task, in one place.

mod bench;
mod fuzz;
mod generate;
mod package;
mod process;
mod run;
mod setup;
mod size;
mod stamp;
mod test;
mod wasm;
mod workspace;

use anyhow::bail;
use std::process::ExitCode;

/// A task: how it is called, what it does, and itself, taking the arguments after its name.
struct Task {
    usage: &'static str,
    about: &'static str,
    run: fn(&[String]) -> anyhow::Result<()>,
}

const TASKS: &[Task] = &[
    Task {
        usage: "run [--port N]",
        about: "set up, build, and serve the playground on this machine",
        run: |args| run::serve(run::port(args)?),
    },
    Task {
        usage: "test [--only PART…]",
        about: "set up, and run every check and test, or those of the parts",
        run: |args| test::run(&test::parts(args)?),
    },
    Task {
        usage: "setup",
        about: "add the wasm target and install the npm packages",
        run: |args| none(args).and_then(|()| setup::for_builds(&setup::Npm::ALL)),
    },
    Task {
        usage: "wasm",
        about: "build the engine for WebAssembly into pkg/wasm and pkg/wasm-full",
        run: |args| none(args).and_then(|()| wasm::build()),
    },
    Task {
        usage: "pkg",
        about: "build the npm package into pkg/dist",
        run: |args| none(args).and_then(|()| package::build()),
    },
    Task {
        usage: "docs",
        about: "build the reference of the npm package into target/docs",
        run: |args| none(args).and_then(|()| package::docs()),
    },
    Task {
        usage: "generate [--check]",
        about: "write what is made from the command table, or see whether it is up to date",
        run: |args| match args {
            [] => generate::write(),
            [check] if check == "--check" => generate::check(),
            _ => bail!("generate takes `--check` or nothing"),
        },
    },
    Task {
        usage: "bench [--only NAME]",
        about: "measure in release, beside others that do the same",
        run: bench::run,
    },
    Task {
        usage: "fuzz [TARGET]",
        about: "feed it what nobody would send: `--minutes N`, or files to run again",
        run: fuzz::run,
    },
    Task {
        usage: "size",
        about: "build the engine for WebAssembly, and print its size by sections",
        run: |args| none(args).and_then(|()| size::show()),
    },
    Task {
        usage: "fmt",
        about: "format the Rust code",
        run: |args| none(args).and_then(|()| process::cargo().args(["fmt", "--all"]).show()),
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> anyhow::Result<()> {
    let Some((name, rest)) = args.split_first() else {
        print!("{}", help());
        return Ok(());
    };
    if ["--help", "-h", "help"].contains(&name.as_str()) || rest.iter().any(|arg| arg == "--help") {
        print!("{}", help());
        return Ok(());
    }
    let Some(task) = TASKS.iter().find(|task| task.usage.split(' ').next() == Some(name)) else {
        bail!("no task is called `{name}`; `cargo xtask --help` lists them");
    };
    process::end_children_on_interrupt()?;
    (task.run)(rest)
}

fn help() -> String {
    let width = TASKS.iter().map(|task| task.usage.chars().count()).max().unwrap_or(0);
    let mut out = String::from("usage: cargo xtask TASK\n\n");
    for task in TASKS {
        out += &format!("  {:width$}  {}\n", task.usage, task.about);
    }
    out += &format!("\nparts of `test`:\n  {}\n", test::part_names().join(" "));
    out + &format!("names of `bench`:\n  {}\n", bench::NAMES.join(" "))
}

/// For a task without arguments.
fn none(args: &[String]) -> anyhow::Result<()> {
    match args.first() {
        Some(arg) => bail!("what is `{arg}`? this task takes no arguments"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn help_has_every_task_in_one_line_that_fits() {
        for task in TASKS {
            let line = help().lines().filter(|line| line.contains(task.about)).count();
            assert_eq!(line, 1, "{}", task.usage);
        }
        assert!(help().lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn what_is_not_understood_is_refused_before_anything_runs() {
        for line in
            ["nosuchtask", "generate --chek", "test --only nosuchpart", "test fast", "bench x"]
        {
            assert!(dispatch(&words(line)).is_err(), "{line}");
        }
        assert!(none(&words("x")).is_err());
        assert!(run::port(&words("--port 70000")).is_err());
        assert!(run::port(&words("8080")).is_err());
        assert_eq!(run::port(&words("--port 8080")).unwrap(), Some(8080));
        assert_eq!(run::port(&[]).unwrap(), None);
    }
}
