//! Value types: data and algorithms, no replies.

mod string;

pub use string::StringValue;

/// What a key holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// A binary-safe string, or an integer.
    String(StringValue),
}

impl Value {
    /// The name that `TYPE` answers.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
        }
    }
}
