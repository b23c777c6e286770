//! Puts functions that are alike next to each other.
//!
//! Compression looks 32 KiB back, and what it finds there it need not say again: the order of the
//! functions, which means nothing to the module, is worth a twentieth of the download.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// So many bytes in a row are what two functions can have in common.
const RUN: usize = 6;
/// The next function is chosen by what it has in common with so many bytes before it.
const WINDOW: usize = 32 * 1024;

/// The same module, its functions in another order.
///
/// # Errors
/// `module` is not one.
pub fn sort(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut imported = 0;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
            _ => {}
        }
    }
    let order = order(&bodies);
    let mut places = vec![0; order.len()];
    for (place, &function) in (imported..).zip(&order) {
        places[function] = place;
    }
    let mut sorted = Module::new();
    Sorter { imported, order, places }.parse_core_module(&mut sorted, Parser::new(0), module)?;
    Ok(sorted.finish())
}

/// What a function is likened by: the runs of bytes in it that others have, too.
fn runs(bodies: &[&[u8]]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let mut holders: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (function, body) in bodies.iter().enumerate() {
        for run in body.windows(RUN) {
            let holders = holders.entry(run).or_default();
            if holders.last() != Some(&function) {
                holders.push(function);
            }
        }
    }
    let mut runs = vec![Vec::new(); bodies.len()];
    let shared: Vec<_> = holders.into_values().filter(|holders| holders.len() > 1).collect();
    for (run, holders) in shared.iter().enumerate() {
        for &holder in holders {
            runs[holder].push(run);
        }
    }
    (runs, shared)
}

/// What the functions chosen last hold, and how much of it every function holds.
struct Window<'a> {
    bodies: &'a [&'a [u8]],
    runs: Vec<Vec<usize>>,
    holders: Vec<Vec<usize>>,
    functions: VecDeque<usize>,
    len: usize,
    /// How often each run is in the window.
    held: Vec<usize>,
    /// What each function has in common with the window: its runs, the rarer the heavier.
    in_common: Vec<f64>,
}

impl<'a> Window<'a> {
    fn new(bodies: &'a [&'a [u8]]) -> Self {
        let (runs, holders) = runs(bodies);
        let (functions, held) = (VecDeque::new(), vec![0; holders.len()]);
        let in_common = vec![0.0; bodies.len()];
        Self { bodies, runs, holders, functions, len: 0, held, in_common }
    }

    /// Takes in a function, and leaves out those that are too far from it.
    fn push(&mut self, function: usize) {
        self.functions.push_back(function);
        self.len += self.bodies[function].len();
        for &run in &self.runs[function] {
            self.held[run] += 1;
            if self.held[run] == 1 {
                weigh(&self.holders[run], 1.0, &mut self.in_common);
            }
        }
        while self.len > WINDOW
            && let Some(first) = self.functions.pop_front()
        {
            self.len -= self.bodies[first].len();
            for &run in &self.runs[first] {
                self.held[run] -= 1;
                if self.held[run] == 0 {
                    weigh(&self.holders[run], -1.0, &mut self.in_common);
                }
            }
        }
    }

    fn likeness(&self, function: usize) -> f64 {
        self.in_common[function] / (self.bodies[function].len() as f64).sqrt()
    }
}

fn weigh(holders: &[usize], sign: f64, in_common: &mut [f64]) {
    let weight = sign / (holders.len() as f64).sqrt();
    for &holder in holders {
        in_common[holder] += weight;
    }
}

/// From the largest function on, always the one that is most like those just before it.
fn order(bodies: &[&[u8]]) -> Vec<usize> {
    let mut window = Window::new(bodies);
    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let mut order = Vec::with_capacity(bodies.len());
    let mut next = left.iter().copied().max_by_key(|&function| bodies[function].len());
    while let Some(function) = next {
        left.retain(|&other| other != function);
        order.push(function);
        window.push(function);
        let likeness = |function: usize| window.likeness(function);
        next = left.iter().copied().max_by(|&a, &b| likeness(a).total_cmp(&likeness(b)));
    }
    order
}

/// Writes a module anew with its functions in another order.
struct Sorter {
    imported: u32,
    /// Which function comes where: functions of the module by their old places.
    order: Vec<usize>,
    /// The new index of each.
    places: Vec<u32>,
}

impl Reencode for Sorter {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, Error> {
        let own = index.checked_sub(self.imported);
        Ok(own.map_or(index, |own| self.places[own as usize]))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        let types = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for &function in &self.order {
            functions.function(types[function]);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error> {
        let bodies = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for function in self.order.clone() {
            self.parse_function_body(code, bodies[function].clone())?;
        }
        Ok(())
    }
}
