//! The Redis serialisation protocol, versions 2 and 3: reading requests, writing replies.
//!
//! It knows bytes and numbers, and nothing else. Specification:
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
#![forbid(unsafe_code)]

mod inline;
mod request;
mod writer;

pub use inline::{UnbalancedQuotes, split_words};
pub use request::{Limits, ProtocolError, Request, RequestParser};
pub use writer::{Protocol, Writer, write_command};
