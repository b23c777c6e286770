//! Gives what a module and its glue call each other by short names.
//!
//! wasm-bindgen ends the name of an import with a hash, which no compression makes smaller, and both the module
//! and the glue say it. Nobody else sees these names, except that of the memory.

use anyhow::ensure;
use std::collections::BTreeMap;
use walrus::Module;

/// What `load` in the package asks for.
const KEPT: &str = "memory";
/// What the glue calls the object of its imports.
const IMPORTS: &str = "./lodis_bg.js";
const IMPORTS_SHORT: &str = "a";

/// What is called otherwise now.
pub struct Names {
    imports: BTreeMap<String, String>,
    exports: BTreeMap<String, String>,
}

impl Names {
    /// Shortens the names in a module, and takes away exports that its glue does not ask for.
    pub fn shorten(module: &mut Module, glue: &str) -> Self {
        let mut names = Self { imports: BTreeMap::new(), exports: BTreeMap::new() };
        for (number, import) in module.imports.iter_mut().enumerate() {
            let short = letters(number);
            names.imports.insert(std::mem::replace(&mut import.name, short.clone()), short);
            IMPORTS_SHORT.clone_into(&mut import.module);
        }
        let asked: Vec<&str> = exports_in(glue).collect();
        let is_idle = |name: &str| name != KEPT && !asked.contains(&name);
        let idle: Vec<_> =
            module.exports.iter().filter(|one| is_idle(&one.name)).map(|one| one.id()).collect();
        for export in idle {
            module.exports.delete(export);
        }
        let exports = module.exports.iter_mut().filter(|export| export.name != KEPT);
        for (number, export) in exports.enumerate() {
            let short = letters(number);
            names.exports.insert(std::mem::replace(&mut export.name, short.clone()), short);
        }
        names
    }

    /// The same glue, with the new names.
    ///
    /// # Errors
    /// It does not name every import once.
    pub fn in_glue(&self, glue: &str) -> anyhow::Result<String> {
        let mut renamed = String::with_capacity(glue.len());
        let mut rest = glue;
        while let Some(at) = rest.find(EXPORTS) {
            let (before, after) = rest.split_at(at + EXPORTS.len());
            let name = word(after);
            renamed += before;
            renamed += self.exports.get(name).map_or(name, String::as_str);
            rest = &after[name.len()..];
        }
        renamed += rest;
        for (name, short) in &self.imports {
            let key = format!(" {name}: ");
            ensure!(renamed.matches(&key).count() == 1, "the glue does not define {name} once");
            renamed = renamed.replace(&key, &format!(" {short}: "));
        }
        let key = format!("\"{IMPORTS}\": ");
        ensure!(renamed.contains(&key), "the glue has no {IMPORTS}");
        Ok(renamed.replace(&key, &format!("{IMPORTS_SHORT}: ")))
    }

    /// The same declarations, with the new names of exports.
    #[must_use]
    pub fn in_types(&self, types: &str) -> String {
        let lines = types.split_inclusive('\n').filter_map(|line| {
            let Some((indent, declared)) = line.split_once(EXPORT) else {
                return Some(line.to_owned());
            };
            let name = word(declared);
            let short = if name == KEPT { name } else { self.exports.get(name)? };
            Some(format!("{indent}{EXPORT}{short}{}", &declared[name.len()..]))
        });
        lines.collect()
    }
}

/// How the glue names an export.
const EXPORTS: &str = "wasm.";
/// And how the declarations do.
const EXPORT: &str = "readonly ";

/// The names of the exports that the glue asks for.
fn exports_in(glue: &str) -> impl Iterator<Item = &str> {
    glue.split(EXPORTS).skip(1).map(word)
}

/// The name with which a text begins.
fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

/// `a` … `z`, `aa`, `ab` …
fn letters(number: usize) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    match number / 26 {
        0 => letter.to_string(),
        more => letters(more - 1) + &letter.to_string(),
    }
}
