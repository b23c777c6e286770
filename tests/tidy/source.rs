//! A Rust file as rules look at it: words and signs without comments and literals.

/// One word, sign or literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// A literal is `""`; `::` is one sign.
    pub text: &'a str,
    pub line: usize,
    /// Line ends inside it.
    pub inner_lines: usize,
}

/// A path in an expression or a type, or one leaf of a `use` tree.
#[derive(Debug, PartialEq, Eq)]
pub struct Path<'a> {
    pub segments: Vec<&'a str>,
    pub line: usize,
}

/// A committed file.
pub struct Source {
    /// From the root of the repository on.
    pub path: String,
    pub text: String,
}

impl Source {
    /// The words and signs outside `#[cfg(test)]` modules.
    pub fn code(&self) -> Vec<Token<'_>> {
        without_tests(&tokens(&self.text))
    }

    /// Every path outside `#[cfg(test)]` modules.
    pub fn paths(&self) -> Vec<Path<'_>> {
        paths(&self.code())
    }
}

/// Cuts a text into tokens.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let rest = &text[at..];
        let (len, shown) = next(rest);
        let inner_lines = rest[..len].matches('\n').count();
        if let Some(shown) = shown {
            out.push(Token { text: shown, line, inner_lines });
        }
        line += inner_lines;
        at += len;
    }
    out
}

/// The length of what `rest` begins with, and the token that it is, if any.
fn next(rest: &str) -> (usize, Option<&str>) {
    const LITERAL: Option<&str> = Some("\"\"");
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if let Some(len) = raw_string(rest) {
        return (len, LITERAL);
    }
    let quoted_after = |prefix: &&str| {
        let body = rest.strip_prefix(*prefix)?;
        let end = prefix.chars().last()?;
        (end == '"' || is_char(body)).then(|| prefix.len() + quoted(body, end))
    };
    if let Some(len) = ["b\"", "c\"", "\"", "b'", "'"].iter().find_map(quoted_after) {
        return (len, LITERAL);
    }
    if rest.starts_with("::") {
        return (2, Some("::"));
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let len = if word > 0 { word } else { rest.chars().next().map_or(1, char::len_utf8) };
    (len, Some(&rest[..len]).filter(|token| !token.trim().is_empty()))
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        let step = if here.starts_with(b"/*") {
            depth += 1;
            2
        } else if here.starts_with(b"*/") {
            depth -= 1;
            2
        } else {
            1
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string(rest: &str) -> Option<usize> {
    let hashes_from = ["br", "cr", "r"].iter().find(|p| rest.starts_with(**p))?.len();
    let hashes = rest[hashes_from..].bytes().take_while(|byte| *byte == b'#').count();
    let body = hashes_from + hashes + 1;
    if rest.as_bytes().get(body - 1) != Some(&b'"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()))
}

/// The length of a quoted text, its end included, after its beginning.
fn quoted(rest: &str, end: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices() {
        if !is_escaped && c == end {
            return at + 1;
        }
        is_escaped = !is_escaped && c == '\\';
    }
    rest.len()
}

/// Whether a character literal, not a lifetime, goes on here after its `'`.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars();
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

/// Leaves out every item after `#[cfg(test)]`, and every function after `#[test]`.
fn without_tests<'a>(all: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let starts = |words: &[&str]| {
            all[at..].len() >= words.len() && all[at..].iter().zip(words).all(|(t, w)| t.text == *w)
        };
        if starts(&["#", "[", "cfg", "(", "test", ")", "]"]) || starts(&["#", "[", "test", "]"]) {
            while at < all.len() && !["{", ";"].contains(&all[at].text) {
                at += 1;
            }
            at = block_end(all, at) + 1;
        } else {
            out.push(all[at]);
            at += 1;
        }
    }
    out
}

/// The index of the `}` that belongs to the `{` at `from`; `from` if there is none there.
pub fn block_end(all: &[Token<'_>], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in all.iter().enumerate().skip(from) {
        depth += i32::from(token.text == "{") - i32::from(token.text == "}");
        if depth == 0 {
            return at;
        }
    }
    all.len()
}

/// Every path among the tokens; those of `use` trees are put together.
pub fn paths<'a>(all: &[Token<'a>]) -> Vec<Path<'a>> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if is_name(all[at].text) {
            at = path(all, at, &[], &mut out);
        } else {
            at += 1;
        }
    }
    out
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') || text == "*"
}

/// Reads one path, or tree, that continues `before`; answers where it ends.
fn path<'a>(all: &[Token<'a>], from: usize, before: &[&'a str], out: &mut Vec<Path<'a>>) -> usize {
    let mut segments = before.to_vec();
    let mut at = from;
    let text = |at: usize| all.get(at).map_or("", |token| token.text);
    while is_name(text(at)) {
        segments.push(text(at));
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
        if text(at) == "{" {
            let end = block_end(all, at);
            at += 1;
            while at < end {
                at = if is_name(text(at)) { path(all, at, &segments, out) } else { at + 1 };
            }
            return end + 1;
        }
    }
    out.push(Path { segments, line: all[from].line });
    at.max(from + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_are_no_words() {
        let text = "a /* b /* c */ d */ \"e \\\" f\" g // h\nr#\"i \" j\"# k b'l' '\\'' m 'n <'o>";
        assert_eq!(
            texts(text),
            ["a", "\"\"", "g", "\"\"", "k", "\"\"", "\"\"", "m", "'", "n", "<", "'", "o", ">"]
        );
        assert_eq!(tokens("\"1\n2\"\n\nx").last().map(|token| token.line), Some(4));
    }

    #[test]
    fn trees_of_use_become_paths() {
        let all = tokens("use crate::{a::{self, B}, resp::*};\nlet x: std::fs::File = y::<z>();");
        let all: Vec<_> = paths(&all).iter().map(|path| path.segments.join("::")).collect();
        assert_eq!(
            all,
            ["use", "crate::a::self", "crate::a::B", "crate::resp::*", "let", "x", "std::fs::File"]
                .into_iter()
                .chain(["y", "z"])
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn tests_are_left_out() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c } }\n#[test]\nfn d() {}\nfn e() {}";
        let source = Source { path: String::new(), text: text.to_owned() };
        let words: Vec<_> = source.code().iter().map(|token| token.text).collect();
        assert_eq!(words.concat(), "fna(){}fne(){}");
    }
}
