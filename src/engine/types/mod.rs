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

    /// The string, if it is one.
    pub fn as_string(&self) -> Option<&StringValue> {
        match self {
            Self::String(string) => Some(string),
        }
    }

    /// The string, if it is one, to be changed.
    pub fn as_string_mut(&mut self) -> Option<&mut StringValue> {
        match self {
            Self::String(string) => Some(string),
        }
    }
}

impl From<StringValue> for Value {
    fn from(string: StringValue) -> Self {
        Self::String(string)
    }
}
