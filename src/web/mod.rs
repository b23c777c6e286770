//! The boundary to JavaScript: the facade, and thin drivers of the browser's own machinery.
//!
//! The only layer that knows JavaScript. It holds no logic of its own: commands are the engine's,
//! formats and decisions those of `persist` and `replication`.

mod adapter;
mod allocator;
mod channel;
mod connection;
mod facade;
mod files;
mod frame;
#[cfg(feature = "host")]
mod hosted;
mod indexed_db;
mod locks;
mod log;
mod opening;
mod reader;
mod store;
mod tabs;
mod timer;

pub use facade::Lodis;
pub use log::Log;
pub use tabs::Tabs;
