//! The notation in which a declaration writes its arguments.
//!
//! ```text
//! key:key value [condition(NX | XX)] [GET] [expiration(EX seconds:integer | KEEPTTL)]
//! {data(key:key value)}...                  a block, repeated
//! key:key...                                repeated at least once
//! [MATCH pattern:pattern]                   a token before a value
//! [keyword(A | B)]...                       optional and repeated
//! [GET pattern:pattern]....                 repeated with its token
//! ```
//!
//! An upper-case word alone is a token; an upper-case word before a lower-case one is that
//! argument's token; `name:type` names and types a value (`string` when left out); `name( | )` is
//! a choice, `name{ }` a block, `[ ]` optional, `...` repeated. A word in double quotes is a token
//! that is not upper case (`"="`), and `name("TOKEN")` a token with a name of its own.
//!
//! The types are those of the reference: `key string integer double pattern unix-time`.

/// One argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg<'a> {
    /// Lower case; of a pure token, the token in lower case.
    pub name: String,
    /// What it is.
    pub kind: Kind<'a>,
    /// The word before the value, or the pure token itself.
    pub token: Option<&'a str>,
    /// May be left out.
    pub optional: bool,
    /// May be given more than once.
    pub multiple: bool,
    /// Its token is repeated with it.
    pub multiple_token: bool,
}

/// The kind of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A value of a type of the reference.
    Value(&'a str),
    /// The word itself is all.
    PureToken,
    /// One of several.
    OneOf(Vec<Arg<'a>>),
    /// Several in a row.
    Block(Vec<Arg<'a>>),
}

/// Where a declaration's syntax does not follow the notation: a byte offset.
#[derive(Debug, PartialEq, Eq)]
pub struct SyntaxError(pub usize);

/// Reads a declaration's arguments.
///
/// # Errors
/// [`SyntaxError`]; a test walks the whole table, so a shipped declaration has none.
pub fn parse(text: &str) -> Result<Vec<Arg<'_>>, SyntaxError> {
    let mut parser = Parser { text, at: 0 };
    let args = parser.sequence()?;
    parser.skip_spaces();
    if parser.at == text.len() { Ok(args) } else { Err(SyntaxError(parser.at)) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn sequence(&mut self) -> Result<Vec<Arg<'a>>, SyntaxError> {
        let mut args = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                None | Some(b')' | b'}' | b']' | b'|') => return Ok(args),
                Some(_) => args.push(self.arg()?),
            }
        }
    }

    fn arg(&mut self) -> Result<Arg<'a>, SyntaxError> {
        let mut arg = if self.accept("[") {
            let mut inner = self.arg()?;
            inner.optional = true;
            self.skip_spaces();
            self.expect("]")?;
            inner
        } else {
            self.bare_arg()?
        };
        if self.accept("...") {
            arg.multiple = true;
            arg.multiple_token = self.accept(".");
        }
        Ok(arg)
    }

    fn bare_arg(&mut self) -> Result<Arg<'a>, SyntaxError> {
        let word = self.word()?;
        if !is_token(word) {
            return self.named(word);
        }
        let token = word.trim_matches('"');
        // A token before `name` belongs to it; before anything else it stands alone.
        let mark = self.at;
        self.skip_spaces();
        let names_value =
            self.at > mark && self.peek().is_some_and(|byte| byte.is_ascii_lowercase());
        if names_value {
            let name = self.word()?;
            let mut arg = self.named(name)?;
            arg.token = Some(token);
            return Ok(arg);
        }
        self.at = mark;
        Ok(plain(token.to_ascii_lowercase(), Kind::PureToken, Some(token)))
    }

    fn named(&mut self, name: &'a str) -> Result<Arg<'a>, SyntaxError> {
        if self.accept("(") {
            return self.choice(name);
        }
        if self.accept("{") {
            let members = self.sequence()?;
            self.expect("}")?;
            return Ok(plain(name.to_owned(), Kind::Block(members), None));
        }
        let kind = if self.accept(":") { self.word()? } else { "string" };
        Ok(plain(name.to_owned(), Kind::Value(kind), None))
    }

    fn choice(&mut self, name: &'a str) -> Result<Arg<'a>, SyntaxError> {
        let mut options = Vec::new();
        loop {
            let mut members = self.sequence()?;
            match members.len() {
                0 => return Err(SyntaxError(self.at)),
                1 => options.append(&mut members),
                _ => return Err(SyntaxError(self.at)),
            }
            if self.accept("|") {
                continue;
            }
            self.expect(")")?;
            break;
        }
        // `name("TOKEN")`: a pure token with a name of its own.
        if let [only] = options.as_slice()
            && only.kind == Kind::PureToken
        {
            return Ok(plain(name.to_owned(), Kind::PureToken, only.token));
        }
        Ok(plain(name.to_owned(), Kind::OneOf(options), None))
    }

    fn word(&mut self) -> Result<&'a str, SyntaxError> {
        let rest = &self.text[self.at..];
        let len = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.find('"').map_or(0, |end| end + 2)
        } else {
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
                .unwrap_or(rest.len())
        };
        if len == 0 {
            return Err(SyntaxError(self.at));
        }
        self.at += len;
        Ok(&rest[..len])
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = self.text[self.at..].starts_with(symbol);
        self.at += if found { symbol.len() } else { 0 };
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), SyntaxError> {
        if self.accept(symbol) { Ok(()) } else { Err(SyntaxError(self.at)) }
    }
}

fn is_token(word: &str) -> bool {
    word.starts_with('"') || !word.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn plain<'a>(name: String, kind: Kind<'a>, token: Option<&'a str>) -> Arg<'a> {
    Arg { name, kind, token, optional: false, multiple: false, multiple_token: false }
}

/// The arguments as the reference and redis-cli print them: `key value [NX | XX] [EX seconds]`.
pub fn hint(args: &[Arg<'_>]) -> String {
    args.iter().map(hint_of).collect::<Vec<_>>().join(" ")
}

fn hint_of(arg: &Arg<'_>) -> String {
    let mut text = match &arg.kind {
        Kind::Value(_) => arg.name.clone(),
        Kind::PureToken => arg.token.unwrap_or_default().to_owned(),
        Kind::OneOf(options) => options.iter().map(hint_of).collect::<Vec<_>>().join(" | "),
        Kind::Block(members) => hint(members),
    };
    if matches!(arg.kind, Kind::OneOf(_)) && !arg.optional {
        text = format!("<{text}>");
    }
    if arg.multiple && !arg.multiple_token {
        text = format!("{text} [{text} ...]");
    }
    if let (Some(token), false) = (arg.token, arg.kind == Kind::PureToken) {
        text = if token.is_empty() { format!("\"\" {text}") } else { format!("{token} {text}") };
    }
    if arg.multiple_token {
        text = format!("{text} [{text} ...]");
    }
    if arg.optional { format!("[{text}]") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_reads_as_in_the_reference() {
        let args = parse(
            "key:key value [condition(NX | XX)] [GET] [expiration(EX seconds:integer | KEEPTTL)]",
        )
        .unwrap();
        assert_eq!(hint(&args), "key value [NX | XX] [GET] [EX seconds | KEEPTTL]");
        assert_eq!(args[0].kind, Kind::Value("key"));
        assert!(matches!(&args[4].kind, Kind::OneOf(options) if options[0].token == Some("EX")));
    }

    #[test]
    fn blocks_and_repetition() {
        let args = parse("data{key:key value}...").unwrap();
        assert_eq!(hint(&args), "key value [key value ...]");
        assert_eq!(hint(&parse("key:key...").unwrap()), "key [key ...]");
        assert_eq!(hint(&parse("[arguments...]").unwrap()), "[arguments [arguments ...]]");
        assert_eq!(hint(&parse("[W weight]...").unwrap()), "[W weight [weight ...]]");
        assert_eq!(hint(&parse("[GET p]....").unwrap()), "[GET p [GET p ...]]");
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(parse("key:"), Err(SyntaxError(4)));
        assert_eq!(parse("[key"), Err(SyntaxError(4)));
        assert_eq!(parse("a )"), Err(SyntaxError(2)));
    }
}
