//! Takes out of a module what only the text of a panic needs.
//!
//! In a page a panic is the trap `unreachable`, and nothing prints its message: rustc's own hook
//! writes to a standard error that is not there. So every function that does nothing but panic
//! becomes the trap itself, and `wasm-opt` takes away what was computed for it. The places of the
//! panics in the sources, which the data still hold, become zeros.

use std::ops::Range;
use walrus::ir::{Instr, InstrSeqId};
use walrus::{DataKind, FunctionId, FunctionKind, Module};

/// Functions that never come back, by how their names begin.
const PANICS: &[&str] = &[
    "alloc::alloc::handle_alloc_error",
    "alloc::raw_vec::capacity_overflow",
    "alloc::raw_vec::handle_error",
    "core::cell::lazy::panic_",
    "core::cell::once::panic_",
    "core::cell::panic_",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::panicking::",
    "core::result::unwrap_failed",
    "core::slice::copy_from_slice_impl::len_mismatch_fail",
    "core::slice::index::slice_",
    "core::slice::sort::shared::smallsort::panic_on_ord_violation",
    "core::str::slice_error_fail",
    "std::panicking::begin_panic",
    "std::thread::local::panic_access_error",
];
/// The same in methods, by a part of their names.
const METHODS: &[&str] = &["::assert_failed", "<std::panicking::"];

/// How the functions end that write a value for programmers: only panics need them, and clippy sees to it
/// that nothing else in the crate asks for them.
const DEBUG: &str = " as core::fmt::Debug>::fmt";
/// What interprets scripts, whose errors may be written so.
const INTERPRETER: &str = "lua_vm::";

/// Makes panics traps, and has nothing written for programmers.
pub fn strip(module: &mut Module) {
    let trap = Instr::Unreachable(walrus::ir::Unreachable {});
    replace(module, &trap, is_panic);
    let names = |part: &'static str| {
        move |function: &walrus::Function| {
            function.name.as_deref().is_some_and(|name| without_hashes(name).contains(part))
        }
    };
    if !module.funcs.iter().any(names(INTERPRETER)) {
        let written = Instr::Const(walrus::ir::Const { value: walrus::ir::Value::I32(0) });
        replace(module, &written, |name| name.contains(DEBUG));
    }
    clear_locations(module);
}

/// Makes `body` all that the functions of those names do.
fn replace(module: &mut Module, body: &Instr, is_meant: impl Fn(&str) -> bool) {
    let meant: Vec<FunctionId> = module
        .funcs
        .iter()
        .filter(|function| {
            function.name.as_deref().is_some_and(|name| is_meant(&without_hashes(name)))
        })
        .map(walrus::Function::id)
        .collect();
    for id in meant {
        if let FunctionKind::Local(function) = &mut module.funcs.get_mut(id).kind {
            let entry: InstrSeqId = function.entry_block();
            function.block_mut(entry).instrs = vec![(body.clone(), Default::default())];
        }
    }
}

fn is_panic(plain: &str) -> bool {
    PANICS.iter().any(|panic| plain.starts_with(panic))
        || METHODS.iter().any(|method| plain.contains(method))
}

/// `core[0123456789abcdef]::panicking::panic` is `core::panicking::panic`.
fn without_hashes(name: &str) -> String {
    let mut parts = name.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once(']').map_or(part, |(_, rest)| rest))
}

/// Zeroes every `core::panic::Location` in the data, and the file names they hold.
fn clear_locations(module: &mut Module) {
    let ids: Vec<_> = module.data.iter().map(walrus::Data::id).collect();
    for id in ids {
        let data = module.data.get_mut(id);
        let DataKind::Active {
            offset: walrus::ConstExpr::Value(walrus::ir::Value::I32(base)), ..
        } = data.kind
        else {
            continue;
        };
        let found: Vec<_> = (0..data.value.len())
            .step_by(4)
            .filter_map(|at| Some((at, file_of_location(&data.value, at, base as u32 as usize)?)))
            .collect();
        for (at, file) in found {
            data.value[at..at + LOCATION].fill(0);
            data.value[file].fill(0);
        }
    }
}

/// Address and length of the file's name, line, column.
const LOCATION: usize = 16;
const LINES_MAX: usize = 100_000;

/// Where the file's name is, if a location is at `at`.
fn file_of_location(data: &[u8], at: usize, base: usize) -> Option<Range<usize>> {
    let word = |index: usize| {
        let bytes = data.get(at + 4 * index..at + 4 * index + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let (file, length, line, column) = (word(0)?, word(1)?, word(2)?, word(3)?);
    let start = file.checked_sub(base)?;
    let name = data.get(start..start.checked_add(length)?)?;
    let is_location = name.ends_with(b".rs")
        && name.iter().all(u8::is_ascii_graphic)
        && (1..LINES_MAX).contains(&line)
        && (1..LINES_MAX).contains(&column);
    is_location.then_some(start..start + length)
}
