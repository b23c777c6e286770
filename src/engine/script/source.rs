//! The text of a script before it is compiled.
//!
//! The interpreter joins the operands of `a .. b .. c` in one instruction, and looks at memory only
//! between instructions. Long chains of the same long string would be more than there is, and end the
//! program. `..` binds to the right, so `a .. b .. (c .. d)` is the same: after every third one a
//! parenthesis is opened, and all are closed where the chain ends.

/// So many operands are joined at once, and one more.
const AT_ONCE: usize = 3;

/// The chain of concatenations that has been begun inside one pair of brackets.
#[derive(Default)]
struct Chain {
    operators: usize,
    open: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// A value, or what can end one.
    Operand,
    Name,
    Concat,
    /// Binds more tightly, or is part of an operand.
    Inner,
    Open,
    Close,
    /// Ends any chain.
    End,
    Blank,
}

/// The same program, with the operands of no concatenation too many.
pub fn split_concatenations(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 16);
    let mut chains = vec![Chain::default()];
    let (mut at, mut after_operand) = (0, false);
    while at < text.len() {
        let (token, len) = next_token(text.get(at..).unwrap_or_default());
        let begins_statement = token == Token::Name && after_operand;
        if begins_statement || matches!(token, Token::End | Token::Close) {
            close(&mut chains, &mut out);
        }
        out.extend_from_slice(text.get(at..at + len).unwrap_or_default());
        at += len;
        match token {
            Token::Open => chains.push(Chain::default()),
            Token::Close if chains.len() > 1 => {
                chains.pop();
            }
            Token::Concat => {
                if let Some(chain) = chains.last_mut() {
                    chain.operators += 1;
                    if chain.operators.is_multiple_of(AT_ONCE) {
                        chain.open += 1;
                        out.extend_from_slice(b" (");
                    }
                }
            }
            _ => {}
        }
        if token != Token::Blank {
            after_operand = matches!(token, Token::Operand | Token::Name | Token::Close);
        }
    }
    close(&mut chains, &mut out);
    out
}

/// Ends the chain of the innermost brackets.
fn close(chains: &mut [Chain], out: &mut Vec<u8>) {
    if let Some(chain) = chains.last_mut() {
        out.resize(out.len() + chain.open, b')');
        *chain = Chain::default();
    }
}

fn count(text: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_part(**byte)).count()
}

/// The length of `[==[ … ]==]` at the beginning of a text, if there is one.
fn long_bracket(text: &[u8]) -> Option<usize> {
    let level = count(text.strip_prefix(b"[")?, |byte| byte == b'=');
    if text.get(1 + level) != Some(&b'[') {
        return None;
    }
    let end = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
    let body = text.get(2 + level..).unwrap_or_default();
    let found = memchr::memmem::find(body, &end);
    Some(found.map_or(text.len(), |at| 2 + level + at + end.len()))
}

fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        at += match *byte {
            b'\\' => 2,
            byte if byte == quote => return at + 1,
            b'\n' => return at,
            _ => 1,
        };
    }
    text.len()
}

fn next_token(text: &[u8]) -> (Token, usize) {
    let Some(first) = text.first().copied() else { return (Token::Blank, 1) };
    let blank = count(text, |byte| byte.is_ascii_whitespace() || byte == 0x0b);
    if blank > 0 {
        return (Token::Blank, blank);
    }
    if let Some(comment) = text.strip_prefix(b"--") {
        let len = long_bracket(comment).unwrap_or_else(|| count(comment, |byte| byte != b'\n'));
        return (Token::Blank, 2 + len);
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let begins_number =
        first.is_ascii_digit() || (first == b'.' && text.get(1).is_some_and(u8::is_ascii_digit));
    if begins_number {
        return (Token::Operand, number(text));
    }
    if is_name(first) {
        let len = count(text, is_name);
        return (word(text.get(..len).unwrap_or_default()), len);
    }
    match first {
        b'"' | b'\'' => (Token::Operand, quoted(text, first).min(text.len())),
        b'[' => match long_bracket(text) {
            Some(len) => (Token::Operand, len),
            None => (Token::Open, 1),
        },
        b'(' | b'{' => (Token::Open, 1),
        b')' | b'}' | b']' => (Token::Close, 1),
        b'.' if text.starts_with(b"...") => (Token::Operand, 3),
        b'.' if text.starts_with(b"..") => (Token::Concat, 2),
        b'.' | b':' | b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'#' => (Token::Inner, 1),
        _ => (Token::End, 1),
    }
}

/// As Lua reads a number: the letters and digits after it, and the sign of an exponent.
fn number(text: &[u8]) -> usize {
    let mut len = count(text, |byte| byte.is_ascii_digit() || byte == b'.');
    let is_exponent = |byte: &u8| matches!(byte, b'e' | b'E');
    if text.get(len).is_some_and(is_exponent) {
        len += 1;
        len += usize::from(matches!(text.get(len), Some(b'+' | b'-')));
    }
    len + count(text.get(len..).unwrap_or_default(), |byte| {
        byte.is_ascii_alphanumeric() || byte == b'_'
    })
}

fn word(word: &[u8]) -> Token {
    match word {
        b"not" => Token::Inner,
        b"nil" | b"true" | b"false" | b"end" => {
            if word == b"end" {
                Token::End
            } else {
                Token::Operand
            }
        }
        b"and" | b"or" | b"then" | b"do" | b"else" | b"elseif" | b"until" | b"local"
        | b"return" | b"if" | b"while" | b"for" | b"repeat" | b"function" | b"break" | b"in" => {
            Token::End
        }
        _ => Token::Name,
    }
}

#[cfg(test)]
mod tests {
    use super::split_concatenations;

    fn split(text: &str) -> String {
        String::from_utf8(split_concatenations(text.as_bytes())).unwrap()
    }

    #[test]
    fn long_chains_are_nested() {
        assert_eq!(split("return a..b..c"), "return a..b..c");
        assert_eq!(split("return a..b..c..d"), "return a..b..c.. (d)");
        assert_eq!(split("x=a..b..c..d..e y=1"), "x=a..b..c.. (d..e )y=1");
        assert_eq!(split("f(a..b..c..d, 1)"), "f(a..b..c.. (d), 1)");
        assert_eq!(split("a=1 ..2 ..3 ..4 ..5 ..6 ..7"), "a=1 ..2 ..3 .. (4 ..5 ..6 .. (7))");
        assert_eq!(split("a=b..c..d..f'x'..g==h"), "a=b..c..d.. (f'x'..g)==h");
        assert_eq!(split("return a..(b..c)..d[e..f]..g+1"), "return a..(b..c)..d[e..f].. (g+1)");
    }

    #[test]
    fn what_is_no_operator_is_left_alone() {
        for text in [
            "return '..' .. \"..\" -- a..b..c..d..e",
            "return [[..]]..[==[ ]] .. .. .. .. ]==]",
            "return ... , 1.5 , .5, 1e-5, t.a.b:c()",
            "--[[ a..b..c..d ]] return 1",
            "return 'a\\'..b'..'unfinished",
        ] {
            assert_eq!(split(text), text);
        }
    }
}
