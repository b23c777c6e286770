//! The rules. Each takes a file and answers what is wrong with it, line by line.

use super::source::{Source, block_end, tokens};

/// Something against a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub line: usize,
    pub what: String,
}

/// A rule about one file.
pub type Rule = fn(&Source) -> Vec<Finding>;

/// The layers from the top down, each with those of which it may know.
pub const LAYERS: [(&str, &[&str]); 7] = [
    ("web", &["replication", "persist", "engine", "resp", "number", "collections"]),
    ("replication", &["persist", "resp", "collections"]),
    ("persist", &["engine", "resp", "number", "collections"]),
    ("engine", &["resp", "number", "collections"]),
    ("resp", &["number"]),
    ("number", &[]),
    ("collections", &[]),
];

/// The layers that know neither JavaScript nor clocks nor I/O.
pub const PURE: [&str; 6] = ["replication", "persist", "engine", "resp", "number", "collections"];

/// Crates that are JavaScript, or the system, in disguise.
const FOREIGN_CRATES: [&str; 8] = [
    "getrandom",
    "js_sys",
    "rand",
    "serde_wasm_bindgen",
    "wasm_bindgen",
    "wasm_bindgen_futures",
    "web_sys",
    "libc",
];

/// What a state machine has no business with.
const SYSTEM: [&[&str]; 9] = [
    &["std", "time"],
    &["core", "time"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "thread"],
    &["std", "env"],
    &["std", "process"],
    &["std", "io"],
    &["std", "os"],
];
const SYSTEM_NAMES: [&str; 4] = ["Instant", "SystemTime", "thread_rng", "unsafe"];
const MACROS: [&str; 7] =
    ["println", "eprintln", "print", "eprint", "dbg", "todo", "unimplemented"];

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 70;

/// Panics that cannot happen: how many a file has, and why they cannot.
pub const JUSTIFIED_PANICS: &[(&str, usize, &str)] = &[
    ("src/engine/context.rs", 1, "a command runs for a session that is open, and none closes one"),
    ("src/engine/dict.rs", 2, "an entry that is removed lies in a chunk, and no chunk is empty"),
    (
        "src/engine/types/hash.rs",
        1,
        "the lines before have made the representation the one matched",
    ),
    ("src/engine/types/list.rs", 1, "the lines before have made the encoding the one matched"),
    ("src/engine/types/string.rs", 1, "the line before has made the encoding the one matched"),
];

/// The layer that a file belongs to.
pub fn layer(source: &Source) -> Option<&str> {
    let inside = source.path.strip_prefix("src/")?;
    let (layer, _) = inside.split_once('/')?;
    source.path.ends_with(".rs").then_some(layer)
}

fn pure_layer(source: &Source) -> Option<&str> {
    layer(source).filter(|layer| PURE.contains(layer))
}

fn finding(line: usize, what: impl Into<String>) -> Finding {
    Finding { line, what: what.into() }
}

/// A layer uses only those below it that it may know.
pub fn layers_point_downwards(source: &Source) -> Vec<Finding> {
    let Some(own) = layer(source) else { return Vec::new() };
    let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == own) else {
        return vec![finding(1, format!("`{own}` is no layer"))];
    };
    let is_module_file = source.path.ends_with("/mod.rs");
    let depth = source.path.matches('/').count() - usize::from(is_module_file);
    let mut out = Vec::new();
    for path in source.paths() {
        let supers = path.segments.iter().take_while(|name| **name == "super").count();
        let other = match path.segments.first() {
            Some(&"crate") => path.segments.get(1),
            _ if supers >= depth && supers > 0 => path.segments.get(supers),
            _ => None,
        };
        if let Some(other) = other.filter(|name| **name != own && !below.contains(*name)) {
            out.push(finding(path.line, format!("`{own}` must not know `{other}`")));
        }
    }
    out
}

/// Only the layer `web` knows JavaScript.
pub fn only_web_knows_javascript(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("src/") || layer(source) == Some("web") {
        return Vec::new();
    }
    let uses = source.paths().into_iter().filter_map(|path| {
        let name = path.segments.iter().find(|name| FOREIGN_CRATES.contains(name))?;
        Some(finding(path.line, format!("`{name}` is for `web` only")))
    });
    uses.collect()
}

/// The engine and the protocols are state machines: time, chance and I/O are handed in.
pub fn state_machines_are_pure(source: &Source) -> Vec<Finding> {
    if pure_layer(source).is_none() {
        return Vec::new();
    }
    let mut out = Vec::new();
    for path in source.paths() {
        // What was known when it was compiled is no state of the system.
        if path.segments.starts_with(&["std", "env", "consts"]) {
            continue;
        }
        if SYSTEM.iter().any(|banned| path.segments.starts_with(banned)) {
            out.push(finding(
                path.line,
                format!("`{}` in a state machine", path.segments.join("::")),
            ));
        } else if let Some(name) = path.segments.iter().find(|name| SYSTEM_NAMES.contains(name)) {
            out.push(finding(path.line, format!("`{name}` in a state machine")));
        }
    }
    out
}

/// Nothing is left to do, and nothing is printed.
pub fn no_stubs_and_no_printing(source: &Source) -> Vec<Finding> {
    if layer(source).is_none() {
        return Vec::new();
    }
    let code = source.code();
    let calls = code.windows(2).filter(|two| two[1].text == "!" && MACROS.contains(&two[0].text));
    calls.map(|two| finding(two[0].line, format!("`{}!`", two[0].text))).collect()
}

/// A pure layer forbids unsafe code itself, so that the compiler sees to it.
pub fn unsafe_code_is_forbidden(source: &Source) -> Vec<Finding> {
    let Some(layer) = pure_layer(source) else { return Vec::new() };
    let forbids = source.text.contains("\n#![forbid(unsafe_code)]\n");
    if source.path != format!("src/{layer}/mod.rs") || forbids {
        return Vec::new();
    }
    vec![finding(1, "`#![forbid(unsafe_code)]` is missing")]
}

/// Nothing traps: a panic poisons the page.
pub fn nothing_panics(source: &Source) -> Vec<Finding> {
    if layer(source).is_none() {
        return Vec::new();
    }
    let code = source.code();
    let is_panic = |at: &usize| {
        let text = |at: usize| code.get(at).map_or("", |token| token.text);
        let before = at.checked_sub(1).map_or("", text);
        match text(*at) {
            // A parser's own method may be called `expect`.
            "unwrap" | "expect" => {
                let is_own = *at >= 2 && text(*at - 2) == "self";
                before == "." && text(at + 1) == "(" && !is_own
            }
            "panic" | "unreachable" => text(at + 1) == "!",
            _ => false,
        }
    };
    let found: Vec<_> = (0..code.len()).filter(is_panic).collect();
    let justified = JUSTIFIED_PANICS.iter().find(|(path, ..)| *path == source.path);
    let allowed = justified.map_or(0, |(_, count, _)| *count);
    if found.len() == allowed {
        return Vec::new();
    }
    if found.len() < allowed {
        return vec![finding(1, format!("{} panics, {allowed} are justified", found.len()))];
    }
    found.iter().map(|at| finding(code[*at].line, format!("`{}`", code[*at].text))).collect()
}

/// Files stay short.
pub fn files_are_short(source: &Source) -> Vec<Finding> {
    let extensions = [".rs", ".ts", ".mjs", ".js", ".css", ".html"];
    let is_generated = source.path.contains("/generated/");
    let lines = source.text.lines().count();
    let is_code = extensions.iter().any(|extension| source.path.ends_with(extension));
    if !is_code || is_generated || lines <= FILE_LINES {
        return Vec::new();
    }
    vec![finding(FILE_LINES + 1, format!("{lines} lines: at most {FILE_LINES}"))]
}

/// Functions stay short; the lines inside a literal are not counted.
pub fn functions_are_short(source: &Source) -> Vec<Finding> {
    if !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let all = tokens(&source.text);
    let mut out = Vec::new();
    for (at, two) in all.windows(2).enumerate() {
        let is_declared = two[1].text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if two[0].text != "fn" || !is_declared {
            continue;
        }
        // The `;` inside `[u8; 2]` ends no declaration.
        let mut depth = 0;
        let body = (at..all.len()).find(|at| {
            let text = all[*at].text;
            depth += i32::from(["(", "["].contains(&text)) - i32::from([")", "]"].contains(&text));
            depth == 0 && ["{", ";"].contains(&text)
        });
        let Some(end) = body.map(|body| block_end(&all, body)).filter(|end| *end < all.len())
        else {
            continue;
        };
        // A text of many lines is data.
        let data: usize = all[at..end].iter().map(|token| token.inner_lines).sum();
        let lines = all[end].line - two[0].line + 1 - data;
        if lines > FUNCTION_LINES {
            let what = format!("`{}` has {lines} lines: at most {FUNCTION_LINES}", two[1].text);
            out.push(finding(two[0].line, what));
        }
    }
    out
}

/// A file is called after what it holds.
pub fn names_say_something(source: &Source) -> Vec<Finding> {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default();
    let is_empty_word = ["util", "utils", "helper", "helpers", "misc", "common"].contains(&stem);
    if is_empty_word { vec![finding(1, format!("`{file}` says nothing"))] } else { Vec::new() }
}

/// Nothing of the machine it was written on.
pub fn no_traces_of_a_machine(source: &Source) -> Vec<Finding> {
    // Put together, so that this file does not contain them.
    let places = ["work", "root", "home", "Users", "tmp/team"].map(|place| format!("/{place}/"));
    let hosts = [["registry.", "npmjs"], ["index.", "crates.io"], ["static.", "crates.io"]];
    let hosts = hosts.map(|parts| parts.concat());
    let resolved = ["\"resolved\": ", "\"http"].concat();
    let mut out = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let is_start = |found: usize| {
            !line[..found].ends_with(|c: char| c.is_alphanumeric() || "_-./*}>)".contains(c))
        };
        let place = places.iter().find(|p| line.match_indices(*p).any(|(at, _)| is_start(at)));
        let host = hosts.iter().chain([&resolved]).find(|host| line.contains(*host));
        if let Some(trace) = place.or(host) {
            out.push(finding(at + 1, format!("`{trace}` is of this machine")));
        }
    }
    out
}
