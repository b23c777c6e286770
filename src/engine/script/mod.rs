//! Scripts: EVAL, and functions that stay.
//!
//! Everything but the interpreter itself is here; of that, only [`lua`] knows which one it is. A build
//! without the feature `scripting` has the commands, which answer how to get it.

#[cfg(not(feature = "scripting"))]
mod absent;
#[cfg(feature = "scripting")]
mod call;
#[cfg(feature = "scripting")]
mod eval;
#[cfg(feature = "scripting")]
mod library;
#[cfg(feature = "scripting")]
mod lua;
#[cfg(feature = "scripting")]
mod shebang;
#[cfg(feature = "scripting")]
mod source;

#[cfg(not(feature = "scripting"))]
pub use absent::*;
#[cfg(feature = "scripting")]
pub use eval::*;
#[cfg(feature = "scripting")]
pub use library::*;

/// How much of scripts and functions there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Scripts that are kept.
    pub scripts: usize,
    /// Bytes of what is kept of them.
    pub bytes: usize,
    /// Functions that the libraries have registered.
    pub functions: usize,
}
