//! Collections made for a small module.
#![forbid(unsafe_code)]

mod sort;
mod sorted;

pub use sort::sort_by;
pub use sorted::{Iter, Sorted, SortedKeys};
