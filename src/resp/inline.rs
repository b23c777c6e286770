//! Inline commands: a line of words, as typed into telnet.

/// A quote that is not closed, or is followed by something other than a space.
#[derive(Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// Splits a line into words with redis-cli's quoting: `"…"` knows `\n \r \t \b \a \\ \" \xHH`,
/// `'…'` knows `\'`. The words are binary-safe.
///
/// # Errors
/// [`UnbalancedQuotes`] as Redis has it.
pub fn split_words(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        // sdssplitargs treats a NUL as the end of the line.
        if rest.is_empty() || rest[0] == 0 {
            return Ok(words);
        }
        let (word, tail) = take_word(rest)?;
        words.push(word);
        rest = tail;
    }
}

fn take_word(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    let mut word = Vec::new();
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' | 0 => break,
            b'"' => return take_quoted(word, tail, b'"'),
            b'\'' => return take_quoted(word, tail, b'\''),
            _ => word.push(byte),
        }
        rest = tail;
    }
    Ok((word, rest))
}

fn take_quoted(
    mut word: Vec<u8>,
    mut rest: &[u8],
    quote: u8,
) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    loop {
        match rest {
            [b'\\', b'x', high, low, tail @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex_digit(*high) << 4 | hex_digit(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] if quote == b'"' => {
                word.push(unescape(*escaped));
                rest = tail;
            }
            [b'\\', b'\'', tail @ ..] if quote == b'\'' => {
                word.push(b'\'');
                rest = tail;
            }
            [byte, tail @ ..] if *byte == quote => {
                return match tail.first() {
                    Some(next) if !next.is_ascii_whitespace() => Err(UnbalancedQuotes),
                    _ => Ok((word, tail)),
                };
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
            [] => return Err(UnbalancedQuotes),
        }
    }
}

fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.to_ascii_uppercase() - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes() {
        let words = |line: &str| {
            split_words(line.as_bytes()).map(|words| {
                words.into_iter().map(|w| String::from_utf8(w).unwrap()).collect::<Vec<_>>()
            })
        };
        assert_eq!(words("  set  a b ").unwrap(), ["set", "a", "b"]);
        assert_eq!(words(r#"set "a b\x41\n" ''"#).unwrap(), ["set", "a bA\n", ""]);
        assert_eq!(words(r"'it\'s'").unwrap(), ["it's"]);
        assert_eq!(words(r#""a"b"#), Err(UnbalancedQuotes));
        assert_eq!(words(r#"set "a"#), Err(UnbalancedQuotes));
        assert_eq!(words("").unwrap(), Vec::<String>::new());
    }
}
