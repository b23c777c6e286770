//! Collections made for a small module.
#![forbid(unsafe_code)]

mod sorted;

pub use sorted::{Iter, Sorted, SortedKeys};
