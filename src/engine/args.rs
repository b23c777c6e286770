//! Reading a command's arguments.

use super::error::Error;
use crate::number::{parse_double, parse_integer};

/// A cursor over the arguments after the command's name, borrowed from the request.
///
/// Arity has been checked before a handler runs, so [`Args::take`] on a required argument cannot
/// miss; past the end it answers a syntax error rather than panic.
#[derive(Clone)]
pub struct Args<'a> {
    argv: &'a [&'a [u8]],
    position: usize,
}

impl<'a> Args<'a> {
    /// A cursor that begins after the first `skip` words of `argv` (name, and subcommand if any).
    pub fn new(argv: &'a [&'a [u8]], skip: usize) -> Self {
        Self { argv, position: skip.min(argv.len()) }
    }

    /// Every word of the command, its name first.
    pub fn argv(&self) -> &'a [&'a [u8]] {
        self.argv
    }

    /// How many arguments are left.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.argv.len() - self.position
    }

    /// Whether all arguments have been read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next argument.
    ///
    /// # Errors
    /// [`Error::SYNTAX`] when there is none.
    #[inline(always)]
    pub fn take(&mut self) -> Result<&'a [u8], Error> {
        // Not `ok_or`: an error that is made has to be dropped.
        match self.next() {
            Some(word) => Ok(word),
            None => Err(Error::SYNTAX),
        }
    }

    /// The next argument as a canonical 64-bit integer.
    ///
    /// # Errors
    /// [`Error::NOT_AN_INTEGER`].
    pub fn take_integer(&mut self) -> Result<i64, Error> {
        self.take_integer_or(Error::NOT_AN_INTEGER)
    }

    /// The next argument as a canonical 64-bit integer, with an error of the caller's.
    ///
    /// # Errors
    /// `error` when it is not one.
    pub fn take_integer_or(&mut self, error: Error) -> Result<i64, Error> {
        parse_integer(self.take()?).ok_or(error)
    }

    /// The next argument as a double ([`parse_double`]).
    ///
    /// # Errors
    /// [`Error::NOT_A_FLOAT`].
    pub fn take_double(&mut self) -> Result<f64, Error> {
        self.take_double_or(Error::NOT_A_FLOAT)
    }

    /// The next argument as a double, with an error of the caller's.
    ///
    /// # Errors
    /// `error` when it is not one.
    pub fn take_double_or(&mut self, error: Error) -> Result<f64, Error> {
        parse_double(self.take()?).ok_or(error)
    }

    /// The next argument as an integer not below 0.
    ///
    /// # Errors
    /// `value is out of range, must be positive` when it is negative or no integer.
    pub fn take_count(&mut self) -> Result<usize, Error> {
        let value = self.take_integer_or(Error::NOT_POSITIVE)?;
        let value = u64::try_from(value).map_err(|_| Error::NOT_POSITIVE)?;
        Ok(usize::try_from(value).unwrap_or(usize::MAX))
    }

    /// As many of the next arguments as the argument before them says: keys of `numkeys`.
    ///
    /// # Errors
    /// `error` when the number is no integer above 0; `too_many` when there are not so many.
    pub fn take_counted(&mut self, error: Error, too_many: Error) -> Result<&'a [&'a [u8]], Error> {
        let count = self.take_integer_or(error.clone())?;
        if count <= 0 {
            return Err(error);
        }
        self.take_many(usize::try_from(count).unwrap_or(usize::MAX)).ok_or(too_many)
    }

    /// The next `count` arguments, if there are so many.
    pub fn take_many(&mut self, count: usize) -> Option<&'a [&'a [u8]]> {
        let end = self.position.checked_add(count)?;
        let words = self.argv.get(self.position..end)?;
        self.position = end;
        Some(words)
    }

    /// The next argument, not consumed.
    #[inline(always)]
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.argv.get(self.position).copied()
    }

    /// Consumes the next argument if it is `token`, in any case.
    pub fn accept(&mut self, token: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.eq_ignore_ascii_case(token.as_bytes()));
        self.position += usize::from(found);
        found
    }

    /// All arguments that are left, consumed.
    pub fn rest(&mut self) -> &'a [&'a [u8]] {
        let rest = &self.argv[self.position..];
        self.position = self.argv.len();
        rest
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`Error::SYNTAX`] when something is.
    pub fn finish(&self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(Error::SYNTAX) }
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let word = self.peek()?;
        self.position += 1;
        Some(word)
    }
}
