//! A reply in the notation of redis-cli in a terminal.

/// The first reply in `bytes` as redis-cli shows it, without the last newline, and what follows it.
///
/// # Errors
/// The bytes as text, if they are no whole reply.
pub fn show(bytes: &[u8]) -> Result<(String, &[u8]), String> {
    match shown(bytes, 0) {
        Some((text, rest)) => Ok((text, rest)),
        None => Err(format!("not a whole reply: {:?}", String::from_utf8_lossy(bytes))),
    }
}

/// `indent`: how far the lines of a nested reply stand from the left, all but its first.
fn shown(bytes: &[u8], indent: usize) -> Option<(String, &[u8])> {
    let (kind, after) = bytes.split_first()?;
    let end = after.windows(2).position(|pair| pair == b"\r\n")?;
    let head = String::from_utf8_lossy(after.get(..end)?).into_owned();
    let rest = after.get(end + 2..)?;
    let text = match kind {
        b'+' | b'(' => head,
        b'-' => format!("(error) {head}"),
        b':' => format!("(integer) {head}"),
        b',' => format!("(double) {head}"),
        b'#' if head == "t" => "(true)".to_owned(),
        b'#' if head == "f" => "(false)".to_owned(),
        b'_' => "(nil)".to_owned(),
        b'$' | b'*' if head == "-1" => "(nil)".to_owned(),
        b'$' | b'=' => {
            let len = head.parse().ok()?;
            let (content, rest) = rest.split_at_checked(len)?;
            let text = match kind {
                b'$' => quoted(content),
                // A verbatim string begins with its kind, such as "txt:".
                _ => String::from_utf8_lossy(content.get(4..)?).into_owned(),
            };
            return Some((text, rest.strip_prefix(b"\r\n")?));
        }
        b'*' | b'~' | b'%' | b'>' => return elements(*kind, head.parse().ok()?, rest, indent),
        _ => return None,
    };
    Some((text, rest))
}

/// The numbered elements of an array, a set, a map or a push message.
fn elements(kind: u8, len: usize, bytes: &[u8], indent: usize) -> Option<(String, &[u8])> {
    let (name, mark) = match kind {
        b'~' => ("set", '~'),
        b'%' => ("hash", '#'),
        b'>' => ("push", ')'),
        _ => ("array", ')'),
    };
    if len == 0 {
        return Some((format!("(empty {name})"), bytes));
    }
    let width = len.to_string().len();
    let inner = indent + width + 2;
    let mut rest = bytes;
    let mut lines = Vec::new();
    for number in 1..=len {
        let before = if number == 1 { 0 } else { indent };
        let (mut text, after) = shown(rest, inner)?;
        rest = after;
        if kind == b'%' {
            // redis-cli begins a value of several elements on a line of its own.
            let gap = match has_several_elements(rest) {
                true => format!("\n{:inner$}", ""),
                false => String::new(),
            };
            let (value, after) = shown(rest, inner)?;
            rest = after;
            text = format!("{text} => {gap}{value}");
        }
        lines.push(format!("{:before$}{number:>width$}{mark} {text}", ""));
    }
    Some((lines.join("\n"), rest))
}

fn has_several_elements(reply: &[u8]) -> bool {
    let line = reply.split(|&byte| byte == b'\r').next().and_then(|line| line.split_first());
    line.is_some_and(|(kind, len)| b"*~%>".contains(kind) && !matches!(len, b"0" | b"1" | b"-1"))
}

fn quoted(content: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in content {
        match byte {
            b'\\' | b'"' => text.extend(['\\', char::from(byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}
