//! Reading a transcript. The format: see `tests/conformance.rs`.

/// One thing to do.
pub struct Step {
    /// The line it is on, from 1.
    pub line: usize,
    pub action: Action,
    /// The oldest Redis that this holds for; `(0, 0)`: every one.
    pub since: (u32, u32),
}

pub enum Action {
    /// A command, its text, and the lines that its reply is.
    Call { text: String, argv: Vec<Vec<u8>>, expected: Vec<String> },
    /// A command that is not answered now.
    Block { text: String, argv: Vec<Vec<u8>> },
    /// A message that was pushed to the client: the lines that it is.
    Message { expected: Vec<String> },
    /// From here on this client speaks, in RESP2 until it says HELLO 3.
    Client(String),
    /// Milliseconds go by.
    Advance(u64),
}

/// Reads a transcript.
///
/// # Errors
/// `LINE: what is wrong there`.
pub fn parse(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut since = (0, 0);
    // Whether lines of a reply may come.
    let mut replying = false;
    for (number, content) in text.lines().enumerate() {
        let line = number + 1;
        let wrong = |what: &str| format!("{line}: {what}: {content}");
        if let Some(directive) = content.strip_prefix('@') {
            replying = false;
            let action = match directive.split(' ').collect::<Vec<_>>()[..] {
                ["client", name] => Action::Client(name.to_owned()),
                ["advance", time] => Action::Advance(time.parse().map_err(|_| wrong("no time"))?),
                ["since", version] => {
                    since = parse_version(version).ok_or_else(|| wrong("no version"))?;
                    continue;
                }
                ["end"] if since != (0, 0) => {
                    since = (0, 0);
                    continue;
                }
                _ => return Err(wrong("no such directive")),
            };
            steps.push(Step { line, action, since });
        } else if let Some(text) = content.strip_prefix("> ") {
            let argv = lodis::resp::split_words(text.as_bytes()).map_err(|_| wrong("quotes"))?;
            let action = Action::Call { text: text.to_owned(), argv, expected: Vec::new() };
            steps.push(Step { line, action, since });
            replying = true;
        } else if let Some(text) = content.strip_prefix(">> ") {
            let argv = lodis::resp::split_words(text.as_bytes()).map_err(|_| wrong("quotes"))?;
            let action = Action::Block { text: text.to_owned(), argv };
            steps.push(Step { line, action, since });
            replying = false;
        } else if content == "<" {
            steps.push(Step { line, action: Action::Message { expected: Vec::new() }, since });
            replying = true;
        } else if content.is_empty() || content.starts_with('#') {
            replying = false;
        } else {
            match steps.last_mut().map(|step| &mut step.action) {
                Some(Action::Call { expected, .. } | Action::Message { expected }) if replying => {
                    expected.push(content.to_owned());
                }
                _ => return Err(wrong("a reply to nothing")),
            }
        }
    }
    let is_silent = |step: &&Step| match &step.action {
        Action::Call { expected, .. } | Action::Message { expected } => expected.is_empty(),
        _ => false,
    };
    if since != (0, 0) {
        return Err(format!("{}: @since without @end", text.lines().count()));
    }
    match steps.iter().find(is_silent) {
        Some(step) => Err(format!("{}: no reply is expected", step.line)),
        None => Ok(steps),
    }
}

/// The first two numbers of a version: `7.0.15` and `7.0` are `(7, 0)`.
pub fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Whether the lines that came are those that were expected.
pub fn matches(expected: &[String], got: &str) -> bool {
    let got: Vec<&str> = got.lines().collect();
    expected.len() == got.len()
        && expected.iter().zip(got).all(|(expected, got)| match expected.strip_prefix("~ ") {
            Some(pattern) => fits(pattern, got),
            None => expected == got,
        })
}

/// Whether a line fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == line };
    line.strip_prefix(before).is_some_and(|rest| {
        (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|s| fits(after, s)))
    })
}
