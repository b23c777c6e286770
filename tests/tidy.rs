//! The rules of the house, kept by reading the sources. Each is shown to be able to fail.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use rules::{Finding, JUSTIFIED_PANICS, LAYERS, PURE, Rule, layer};
use source::Source;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file that is committed, or would be.
fn committed() -> Vec<Source> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).unwrap();
    let names: BTreeSet<&str> = names.split_terminator('\0').collect();
    let sources: Vec<Source> = names
        .into_iter()
        .filter_map(|name| {
            // A listed file may be deleted, or not be text.
            let text = fs::read_to_string(root().join(name)).ok()?;
            Some(Source { path: name.to_owned(), text })
        })
        .collect();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "files are missing");
    sources
}

/// Fails, naming each file and line, unless the whole repository keeps the rule.
fn keeps(rule: Rule) {
    let mut broken = Vec::new();
    for source in committed() {
        for Finding { line, what } in rule(&source) {
            broken.push(format!("{}:{line}: {what}", source.path));
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// The lines of a file with this text that break the rule.
fn lines(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    rule(&source).iter().map(|finding| finding.line).collect()
}

#[test]
fn layers_point_downwards() {
    let rule = rules::layers_point_downwards;
    keeps(rule);
    let text = "use crate::engine::Engine;\nuse crate::{persist::{log, record}, resp};\n";
    assert_eq!(lines(rule, "src/engine/x.rs", text), [2, 2]);
    assert_eq!(lines(rule, "src/resp/mod.rs", text), [1, 2, 2]);
    assert_eq!(lines(rule, "src/persist/x.rs", text), []);
    assert_eq!(lines(rule, "src/web/x.rs", text), []);
    let inline = "fn f() {\n crate::web::x();\n super::super::persist::y();\n super::z();\n}";
    assert_eq!(lines(rule, "src/engine/x.rs", inline), [2, 3]);
    assert_eq!(lines(rule, "src/engine/types/x.rs", inline), [2]);
    assert_eq!(lines(rule, "src/unknown/x.rs", ""), [1]);
}

#[test]
fn only_web_knows_javascript() {
    let rule = rules::only_web_knows_javascript;
    keeps(rule);
    let text = "// js_sys\nuse js_sys::Array;\nfn f() -> wasm_bindgen::JsValue {}";
    assert_eq!(lines(rule, "src/engine/x.rs", text), [2, 3]);
    assert_eq!(lines(rule, "src/lib.rs", text), [2, 3]);
    assert_eq!(lines(rule, "src/web/x.rs", text), []);
    assert_eq!(lines(rule, "tests/web_x.rs", text), []);
}

#[test]
fn state_machines_are_pure() {
    let rule = rules::state_machines_are_pure;
    keeps(rule);
    let text = "use std::{collections, time::Duration};\nlet n = Instant::now();\n\
                \"std::fs\";\nunsafe { x }\n#[cfg(test)]\nmod tests { use std::fs; }\n\
                std::thread::sleep(n);\nstd::env::consts::OS;";
    assert_eq!(lines(rule, "src/persist/x.rs", text), [1, 2, 4, 7]);
    assert_eq!(lines(rule, "src/web/x.rs", text), []);
}

#[test]
fn no_stubs_and_no_printing() {
    let rule = rules::no_stubs_and_no_printing;
    keeps(rule);
    let text = "fn f() {\n todo!();\n println!(\"x\");\n let print = !dbg;\n dbg!(1);\n}";
    assert_eq!(lines(rule, "src/engine/x.rs", text), [2, 3, 5]);
    assert_eq!(lines(rule, "src/web/x.rs", text), [2, 3, 5]);
    assert_eq!(lines(rule, "xtask/src/x.rs", text), []);
}

#[test]
fn unsafe_code_is_forbidden() {
    let rule = rules::unsafe_code_is_forbidden;
    keeps(rule);
    for layer in PURE {
        assert_eq!(lines(rule, &format!("src/{layer}/mod.rs"), "//! x\npub mod y;\n"), [1]);
    }
    assert_eq!(lines(rule, "src/resp/mod.rs", "//! x\n#![forbid(unsafe_code)]\n"), []);
}

#[test]
fn nothing_panics() {
    let rule = rules::nothing_panics;
    keeps(rule);
    let text = "x.unwrap();\n// y.unwrap()\nx.unwrap_or(1);\nx.expect(\"z\");\npanic!();\n\
                fn unwrap() { self.expect(1) }\n#[cfg(test)]\nmod tests { fn t() { x.unwrap() } }";
    assert_eq!(lines(rule, "src/engine/x.rs", text), [1, 4, 5]);
    assert_eq!(lines(rule, "tests/x.rs", text), []);
    for (path, count, why) in JUSTIFIED_PANICS {
        assert!(*count > 0 && why.len() > 20, "{path}: say why");
        assert_eq!(lines(rule, path, "fn f() {}"), [1], "fewer than justified");
        assert_eq!(lines(rule, path, &"x.unwrap();\n".repeat(count + 1)).len(), count + 1);
    }
}

#[test]
fn files_are_short() {
    let rule = rules::files_are_short;
    keeps(rule);
    assert_eq!(lines(rule, "www/src/x.ts", &"x\n".repeat(800)), []);
    assert_eq!(lines(rule, "www/src/x.ts", &"x\n".repeat(801)), [801]);
    assert_eq!(lines(rule, "pkg/src/generated/x.ts", &"x\n".repeat(801)), []);
}

#[test]
fn functions_are_short() {
    let rule = rules::functions_are_short;
    keeps(rule);
    let function = |lines: usize| {
        let body = "x;\n".repeat(lines - 2);
        format!("trait T {{ fn d(); }}\nfn f(a: [u8; 2]) {{\n{body}}}\nfn g() {{}}\n")
    };
    assert_eq!(lines(rule, "tests/x.rs", &function(70)), []);
    assert_eq!(lines(rule, "tests/x.rs", &function(71)), [2]);
    let data = format!("fn f() {{\n r\"{}\"\n}}", "x\n".repeat(100));
    assert_eq!(lines(rule, "tests/x.rs", &data), []);
}

#[test]
fn names_say_something() {
    let rule = rules::names_say_something;
    keeps(rule);
    assert_eq!(lines(rule, "src/engine/utils.rs", ""), [1]);
    assert_eq!(lines(rule, "www/src/helpers.test.ts", ""), [1]);
    assert_eq!(lines(rule, "src/engine/dict.rs", ""), []);
}

#[test]
fn no_traces_of_a_machine() {
    let rule = rules::no_traces_of_a_machine;
    keeps(rule);
    let slash = "/";
    let text = format!(
        "cd {slash}work{slash}main\nsee docs{slash}work{slash}x\n\
                        \"resolved\": {slash}\n\"resolved\": \"{}://x\"",
        "http"
    );
    assert_eq!(lines(rule, "x.md", &text), [1, 4]);
    assert_eq!(lines(rule, "x.json", &["https://registry", ".npmjs", ".org"].concat()), [1]);
}

#[test]
fn every_family_of_commands_is_in_the_table() {
    let missing = |files: &[Source]| -> Vec<String> {
        let path = "src/engine/commands/mod.rs";
        let families = files.iter().find(|file| file.path == path).map(Source::paths);
        let families = families.unwrap_or_default();
        let declares = |file: &&Source| {
            file.path.starts_with("src/engine/commands/")
                && file
                    .code()
                    .windows(2)
                    .any(|two| [two[0].text, two[1].text] == ["static", "COMMANDS"])
        };
        let names = files.iter().filter(declares).filter_map(|file| file.path.rsplit('/').next());
        names
            .filter_map(|name| name.strip_suffix(".rs"))
            .filter(|name| !families.iter().any(|path| path.segments == [*name, "COMMANDS"]))
            .map(str::to_owned)
            .collect()
    };
    let committed = committed();
    assert_eq!(missing(&committed), [""; 0]);
    let file = |name: &str, text: &str| Source {
        path: format!("src/engine/commands/{name}.rs"),
        text: text.to_owned(),
    };
    let table = file("mod", "static FAMILIES: T = &[string::COMMANDS];");
    let [string, hash] = ["string", "hash"].map(|n| file(n, "pub static COMMANDS: T = &[];"));
    assert_eq!(missing(&[table, string, hash, file("help", "fn f() {}")]), ["hash"]);
}

#[test]
fn the_table_of_layers_is_the_one_enforced() {
    /// The layers that a doc table lists, each with what it must not know.
    fn rows(text: &str) -> Vec<(&str, Vec<&str>)> {
        let rows = text.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(2);
        let cells = rows.map(|row| row.trim_end_matches(" |").split(" | ").collect::<Vec<_>>());
        cells
            .filter_map(|cells| {
                let name = cells.first()?.trim_matches(|c| "[`]".contains(c));
                Some((name, cells.get(2)?.split(", ").collect()))
            })
            .collect()
    }
    let committed = committed();
    let documented = committed.iter().find(|file| file.path == "src/lib.rs").unwrap();
    let rows = rows(&documented.text);
    let names: Vec<_> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, LAYERS.map(|(name, _)| name));
    for (name, banned) in rows {
        let expected: &[&str] = match name {
            "web" => &["commands", "formats"],
            "resp" | "number" | "collections" => &["everything else"],
            _ => &["clocks", "I/O", "JavaScript"],
        };
        assert_eq!(banned, expected, "{name}");
        assert_eq!(PURE.contains(&name), name != "web");
    }
    let there: BTreeSet<_> = committed.iter().filter_map(layer).collect();
    assert_eq!(there, LAYERS.iter().map(|(name, _)| *name).collect());
}
