//! The value type behind the stream commands.

/// An append-only log of entries, with its consumer groups.
#[derive(Clone, Debug, Default)]
pub struct Stream;
