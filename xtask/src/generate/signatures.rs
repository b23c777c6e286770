//! The parameters of a command's method, from the syntax of its declaration.
//!
//! What always comes first is named. What follows by name is an object of options, or words whose types
//! `pkg/src/words.ts` checks against a grammar: every token with what follows it.

use super::typescript::capitalized;
use lodis::engine::syntax::{Arg, Kind};
use std::fmt::Write;

/// One way to call a method.
#[derive(Debug, PartialEq, Eq)]
pub struct Signature {
    /// What it is generic over; empty, or with its angle brackets.
    pub generics: String,
    pub parameters: String,
    /// The type that holds what was said, for replies that depend on it.
    pub said: String,
}

/// The ways to call a method, and its grammar, if it has one.
#[derive(Default)]
pub struct Signatures {
    pub all: Vec<Signature>,
    /// Every token with its values.
    pub grammar: Vec<(String, String)>,
}

/// What is known of a command beside its arguments.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The name of the method.
    pub method: &'a str,
    /// It may wait, and takes an `AbortSignal`.
    pub waits: bool,
    /// Its reply depends on what is said.
    pub dependent: bool,
    /// Its reply depends on how many arguments there are.
    pub counted: bool,
}

/// The ways to call a command with these arguments.
pub fn signatures(args: &[Arg<'_>], about: About<'_>) -> Signatures {
    let mut maker = Maker { about, out: Signatures::default() };
    maker.expand(&Parameters::default(), &flattened(args));
    maker.out
}

/// Blocks that are always there, once, give way to their members.
fn flattened<'a>(args: &[Arg<'a>]) -> Vec<Arg<'a>> {
    let mut flat = Vec::new();
    for arg in args {
        match &arg.kind {
            Kind::Block(members) if !arg.optional && !arg.multiple && arg.token.is_none() => {
                flat.extend(flattened(members));
            }
            // One value, repeated.
            Kind::Block(members) if arg.multiple && arg.token.is_none() && members.len() == 1 => {
                let all = members.iter().cloned();
                flat.extend(all.map(|member| Arg {
                    optional: arg.optional,
                    multiple: true,
                    ..member
                }));
            }
            _ => flat.push(arg.clone()),
        }
    }
    flat
}

struct Maker<'a> {
    about: About<'a>,
    out: Signatures,
}

impl Maker<'_> {
    /// Adds the ways to go on with `rest`.
    fn expand(&mut self, fixed: &Parameters, rest: &[Arg<'_>]) {
        let Some((first, more)) = rest.split_first() else { return self.push(fixed) };
        if is_fixed(first) {
            return self.expand(&fixed.with(&first.name, &type_of(first)), more);
        }
        if first.kind == Kind::PureToken && !first.optional {
            return self.expand(&fixed.with(&first.name, &type_of(first)), more);
        }
        if rest.iter().all(is_named) {
            return self.named(fixed, rest);
        }
        if rest.iter().any(|arg| arg.multiple) {
            return self.repeated(fixed, rest);
        }
        if more.is_empty() && is_value(first) && !self.about.counted {
            return self.push(&fixed.optional(&first.name, "Argument"));
        }
        if first.optional {
            self.expand(fixed, more);
            let members = [Arg { optional: false, ..first.clone() }];
            let all: Vec<_> = flattened(&members).into_iter().chain(more.to_vec()).collect();
            return self.expand(fixed, &all);
        }
        match &first.kind {
            Kind::OneOf(options) => {
                // Words that are known before those that may be anything.
                let (known, any): (Vec<_>, Vec<_>) = options.iter().partition(|arg| is_named(arg));
                for option in known.into_iter().chain(any) {
                    let all: Vec<_> = flattened(std::slice::from_ref(option))
                        .into_iter()
                        .chain(more.to_vec())
                        .collect();
                    self.expand(fixed, &all);
                }
            }
            // A token with its value: two words.
            _ => {
                let token = first.token.unwrap_or_default();
                let word = fixed.with(&token.to_lowercase(), &cased(&[token]));
                let value = Arg { token: None, ..first.clone() };
                let all: Vec<_> = flattened(&[value]).into_iter().chain(more.to_vec()).collect();
                self.expand(&word, &all);
            }
        }
    }

    /// Everything that follows has a name.
    fn named(&mut self, fixed: &Parameters, rest: &[Arg<'_>]) {
        self.note(rest, true);
        let grammar = self.grammar();
        let needed = needed(rest);
        let mut options = format!("Options<{grammar}>");
        for tokens in &needed {
            let _ = write!(options, " & OneOf<{grammar}, {tokens}>");
        }
        let mark = if needed.is_empty() { "?" } else { "" };
        let default = if needed.is_empty() { " = {}" } else { "" };
        if self.about.dependent {
            self.out.all.push(Signature {
                generics: format!("<const O extends {options}{default}>"),
                parameters: fixed.and(&format!("options{mark}: Only<O, {grammar}>")).text(),
                said: "O".to_owned(),
            });
        } else {
            self.push(&fixed.and(&format!("options{mark}: {options}")));
        }
        if let [only] = rest
            && !self.about.waits
            && !self.about.dependent
            && is_choice(only)
        {
            let parameters =
                if only.optional { fixed.optional(&only.name, &type_of(only)) } else { return };
            return self.push(&parameters);
        }
        self.words(fixed, "\"none\"", &needed);
    }

    /// Something is repeated that has no name.
    fn repeated(&mut self, fixed: &Parameters, rest: &[Arg<'_>]) {
        let (first, more) = (&rest[0], &rest[1..]);
        if is_value(first) && first.multiple {
            return self.values(fixed, first, more);
        }
        if is_data(first) {
            return self.data(fixed, more);
        }
        // Options, then what is repeated.
        self.note(rest, false);
        if let Some(at) = rest.iter().position(is_data) {
            let before = rest[..at].iter().filter(|arg| !arg.optional);
            if !before.clone().all(is_named) {
                let all = before.fold(fixed.clone(), |all, arg| all.with(&arg.name, "Argument"));
                self.push(&all.and("data: Data"));
            }
            self.add("data", "true");
        }
        let count: usize =
            rest.iter().filter(|arg| !arg.optional && !is_named(arg)).map(width).sum();
        self.words(fixed, &count.to_string(), &needed(rest));
    }

    /// Values, and what follows them.
    fn values(&mut self, fixed: &Parameters, first: &Arg<'_>, more: &[Arg<'_>]) {
        if let [last] = more
            && is_fixed(last)
        {
            let (name, last) = (camel(&first.name), camel(&last.name));
            let keys = format!("{name}: Repeated, ...more: Repeated[], {last}: Argument");
            self.push_plain(&fixed.and(&format!("...words: [{keys}]")));
            if self.about.waits {
                self.push_plain(&fixed.and(&format!("...words: [{keys}, options: Waiting]")));
            }
            return;
        }
        if more.is_empty() || more.iter().all(|arg| is_value(arg) && arg.multiple) {
            let all =
                if first.optional { fixed.clone() } else { fixed.with(&first.name, "Repeated") };
            let name = if first.optional {
                camel(&first.name)
            } else {
                format!("more{}", capitalized(&camel(&first.name)))
            };
            return self.push_plain(&all.and(&format!("...{name}: Repeated[]")));
        }
        self.note(more, false);
        self.words(&fixed.with(&first.name, "Repeated"), "\"many\"", &needed(more));
    }

    /// Names with values, and options after them.
    fn data(&mut self, fixed: &Parameters, more: &[Arg<'_>]) {
        if more.is_empty() {
            self.push(&fixed.and("data: Data"));
            return self.push(&fixed.and("...pairs: [Repeated, Repeated, ...Repeated[]]"));
        }
        self.note(more, false);
        let grammar = self.grammar();
        self.push(&fixed.and("data: Data").and(&format!("options?: Options<{grammar}>")));
        self.words(&fixed.and("data: Data"), "\"none\"", &[]);
        let pair = fixed.with("name", "Argument").with("value", "Argument");
        self.words(&pair, "\"many\"", &needed(more));
    }

    fn words(&mut self, fixed: &Parameters, loose: &str, needed: &[String]) {
        let grammar = self.grammar();
        let needed =
            if needed.is_empty() { String::new() } else { format!(", [{}]", needed.join(", ")) };
        self.out.all.push(Signature {
            generics: "<const R extends readonly Word[]>".to_owned(),
            parameters: fixed
                .and(&format!("...words: Words<R, {grammar}, {loose}{needed}>"))
                .text(),
            said: format!("Said<R, {grammar}>"),
        });
    }

    fn push(&mut self, parameters: &Parameters) {
        if self.about.waits && !parameters.has("options") {
            return self.push_plain(&parameters.and("options?: Waiting"));
        }
        self.push_plain(parameters);
    }

    fn push_plain(&mut self, parameters: &Parameters) {
        self.out.all.push(Signature {
            generics: String::new(),
            parameters: parameters.text(),
            said: "{}".to_owned(),
        });
    }

    fn grammar(&self) -> String {
        format!("Grammars[\"{}\"]", self.about.method)
    }

    /// Adds the tokens of `args` to the grammar.
    fn note(&mut self, args: &[Arg<'_>], to_the_end: bool) {
        if self.about.waits {
            self.add("signal", "AbortSignal");
        }
        for (index, arg) in args.iter().enumerate() {
            let is_last = to_the_end && index + 1 == args.len();
            if !is_named(arg) && is_fixed(arg) {
                continue;
            }
            for (token, shape) in entries(arg, if is_last { "\"all\"" } else { "\"many\"" }) {
                self.add(&token, &shape);
            }
        }
    }

    fn add(&mut self, token: &str, shape: &str) {
        let known = &mut self.out.grammar;
        if !known.iter().any(|(name, _)| name == token) {
            known.push((token.to_owned(), shape.to_owned()));
        }
    }
}

/// The tokens of an argument, each with what follows it; `open` is what stands for many values.
fn entries(arg: &Arg<'_>, open: &str) -> Vec<(String, String)> {
    let one = |shape: String| match arg.token {
        Some(token) => vec![(token.to_uppercase(), shape)],
        None => Vec::new(),
    };
    match &arg.kind {
        Kind::PureToken => one("[]".to_owned()),
        Kind::Value(_) if arg.multiple && !arg.multiple_token => one(open.to_owned()),
        Kind::Value(_) => {
            let list = if arg.multiple_token { "[]" } else { "" };
            one(format!("[{}: Argument]{list}", camel(&arg.name)))
        }
        Kind::OneOf(options) if arg.token.is_some() => {
            let tokens: Vec<_> = options.iter().filter_map(|option| option.token).collect();
            let mut shape = format!("[{}: {}", camel(&arg.name), cased(&tokens));
            if options.iter().any(|option| option.kind != Kind::PureToken) {
                shape.push_str(", value: Argument");
            }
            one(shape + "]")
        }
        Kind::OneOf(options) => options.iter().flat_map(|option| entries(option, open)).collect(),
        Kind::Block(members) => block(arg, members, open),
    }
}

/// Values in a block follow the token before them.
fn block(arg: &Arg<'_>, members: &[Arg<'_>], open: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    if let Some(token) = arg.token {
        found.push((token.to_uppercase(), Vec::new()));
    }
    let mut others = Vec::new();
    for member in members {
        let value = format!("{}: {}", camel(&member.name), type_of(member));
        if member.multiple && member.token.is_none() {
            if let Some((_, values)) = found.last_mut() {
                *values = vec![open.to_owned()];
            }
        } else if is_fixed(member) && !found.is_empty() {
            if let Some((_, values)) = found.last_mut()
                && values.first().is_none_or(|first| first != open)
            {
                values.push(value);
            }
        } else if is_fixed(member) && member.kind == Kind::PureToken {
            others.extend(entries(member, open));
        } else if let (Some(token), Kind::Value(_), false) =
            (member.token, &member.kind, member.optional)
        {
            found.push((token.to_uppercase(), vec![format!("{}: Argument", camel(&member.name))]));
        } else {
            others.extend(entries(member, open));
        }
    }
    if let [(_, values)] = found.as_mut_slice()
        && arg.multiple
        && !arg.multiple_token
    {
        *values = vec![open.to_owned()];
    }
    let shaped = found.into_iter().map(|(token, values)| match values.as_slice() {
        [only] if only == open => (token, only.clone()),
        _ => (token, format!("[{}]", values.join(", "))),
    });
    shaped.chain(others).collect()
}

/// For every argument that has to be there: its tokens, one of which is needed.
fn needed(args: &[Arg<'_>]) -> Vec<String> {
    let required = args.iter().filter(|arg| !arg.optional && is_named(arg));
    required
        .map(|arg| {
            let first = match &arg.kind {
                Kind::OneOf(options) if arg.token.is_none() => options
                    .iter()
                    .filter_map(|option| entries(option, "").into_iter().next())
                    .map(|(token, _)| token)
                    .collect(),
                _ => {
                    entries(arg, "").into_iter().take(1).map(|(token, _)| token).collect::<Vec<_>>()
                }
            };
            first.iter().map(|token| format!("\"{token}\"")).collect::<Vec<_>>().join(" | ")
        })
        .collect()
}

/// Whether every word of the argument is a token, or follows one.
fn is_named(arg: &Arg<'_>) -> bool {
    arg.token.is_some()
        || match &arg.kind {
            Kind::PureToken => true,
            Kind::Value(_) => false,
            Kind::OneOf(options) => options.iter().all(is_named),
            Kind::Block(members) => {
                let certain = members.iter().position(|member| !member.optional);
                certain.is_some_and(|at| members[..=at].iter().all(is_named))
            }
        }
}

/// A value, without a token, of any number.
fn is_value(arg: &Arg<'_>) -> bool {
    matches!(arg.kind, Kind::Value(_)) && arg.token.is_none()
}

fn is_choice(arg: &Arg<'_>) -> bool {
    arg.token.is_none()
        && !arg.multiple
        && match &arg.kind {
            Kind::OneOf(options) => options.iter().all(|option| option.kind == Kind::PureToken),
            kind => *kind == Kind::PureToken,
        }
}

/// Whether the argument is always there, once, as one word.
fn is_fixed(arg: &Arg<'_>) -> bool {
    let one_word = match &arg.kind {
        Kind::Value(_) => true,
        Kind::OneOf(options) => {
            options.iter().all(|option| option.kind == Kind::PureToken)
                || options.iter().all(|option| is_value(option) || is_symbol(option))
        }
        Kind::PureToken | Kind::Block(_) => false,
    };
    one_word && !arg.optional && !arg.multiple && arg.token.is_none()
}

/// A token that is no word.
fn is_symbol(arg: &Arg<'_>) -> bool {
    let has_letters = |token: &str| token.bytes().any(|byte| byte.is_ascii_alphabetic());
    arg.kind == Kind::PureToken && !arg.token.is_some_and(has_letters)
}

/// How many words an argument has at least.
fn width(arg: &Arg<'_>) -> usize {
    if let Kind::Block(members) = &arg.kind { members.len() } else { 1 }
}

/// A repeated pair of name and value.
pub fn is_data(arg: &Arg<'_>) -> bool {
    let pair = matches!(&arg.kind, Kind::Block(members) if members.len() == 2);
    arg.multiple && !arg.multiple_token && arg.token.is_none() && pair
}

fn type_of(arg: &Arg<'_>) -> String {
    let tokens: Vec<_> = match &arg.kind {
        Kind::OneOf(options) => options.iter().map(|option| option.token).collect(),
        Kind::PureToken => vec![arg.token],
        _ => vec![None],
    };
    // One that may also be a value is any word.
    match tokens.into_iter().collect::<Option<Vec<_>>>() {
        Some(tokens) => cased(&tokens),
        None => "Argument".to_owned(),
    }
}

/// The tokens as they are, and in lower case.
fn cased(tokens: &[&str]) -> String {
    let quoted: Vec<_> =
        tokens.iter().map(|token| format!("\"{}\"", token.to_uppercase())).collect();
    format!("Cased<{}>", quoted.join(" | "))
}

/// Parameters so far: camel case, each name once, none a reserved word.
#[derive(Clone, Default)]
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn with(&self, name: &str, kind: &str) -> Self {
        self.then(name, &format!(": {kind}"))
    }

    fn optional(&self, name: &str, kind: &str) -> Self {
        self.then(name, &format!("?: {kind}"))
    }

    fn then(&self, name: &str, tail: &str) -> Self {
        let mut name = camel(name);
        while self.has(&name) {
            name.push('2');
        }
        self.raw(&name, tail)
    }

    /// All of them, and `last`.
    fn and(&self, last: &str) -> Self {
        let (name, tail) = last.split_at(last.find([':', '?']).unwrap_or(last.len()));
        self.raw(name, tail)
    }

    fn raw(&self, name: &str, tail: &str) -> Self {
        let mut all = self.0.clone();
        all.push((name.to_owned(), tail.to_owned()));
        Self(all)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    fn text(&self) -> String {
        let all: Vec<_> = self.0.iter().map(|(name, tail)| format!("{name}{tail}")).collect();
        all.join(", ")
    }
}

/// A name of the reference as that of a parameter.
fn camel(name: &str) -> String {
    let mut words = name.split(['-', '_']);
    let mut camel = words.next().unwrap_or_default().to_owned();
    words.for_each(|word| camel.push_str(&capitalized(word)));
    let reserved = ["arguments", "default", "delete", "function", "in", "new", "options"];
    if reserved.contains(&camel.as_str()) {
        camel.push('_');
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodis::engine::syntax::parse;

    fn made(syntax: &'static str, about: About<'_>) -> (Vec<String>, String) {
        let made = signatures(&parse(syntax).unwrap(), about);
        let all = made.all.iter().map(|each| format!("{}({})", each.generics, each.parameters));
        let grammar = made.grammar.iter().map(|(token, shape)| format!("{token}: {shape}"));
        (all.collect(), grammar.collect::<Vec<_>>().join("; "))
    }

    const PLAIN: About<'_> = About { method: "x", waits: false, dependent: false, counted: false };

    #[test]
    fn what_has_no_name_stays_where_it_is() {
        let calls = |syntax| made(syntax, PLAIN).0;
        assert_eq!(calls("key:key"), ["(key: Argument)"]);
        assert_eq!(calls("[message]"), ["(message?: Argument)"]);
        assert_eq!(calls("key:key..."), ["(key: Repeated, ...moreKey: Repeated[])"]);
        assert_eq!(calls("[key:key...]"), ["(...key: Repeated[])"]);
        let data = ["(data: Data)", "(...pairs: [Repeated, Repeated, ...Repeated[]])"];
        assert_eq!(calls("data{key:key value}..."), data);
        assert_eq!(
            calls("[username] password"),
            ["(password: Argument)", "(username: Argument, password: Argument)"]
        );
        assert_eq!(
            calls("to(at{host port} | none{NO ONE})"),
            ["(no: Cased<\"NO\">, one: Cased<\"ONE\">)", "(host: Argument, port: Argument)",]
        );
    }

    #[test]
    fn what_has_a_name_is_an_option_or_a_word() {
        let (calls, grammar) =
            made("key:key [condition(NX | XX)] [EX seconds:integer] [LIMIT limit{a b}]", PLAIN);
        assert_eq!(
            calls,
            [
                "(key: Argument, options?: Options<Grammars[\"x\"]>)",
                "<const R extends readonly Word[]>(key: Argument, \
             ...words: Words<R, Grammars[\"x\"], \"none\">)",
            ]
        );
        assert_eq!(
            grammar,
            "NX: []; XX: []; EX: [seconds: Argument]; LIMIT: [a: Argument, b: Argument]"
        );
        let (calls, grammar) = made("key:key where(LEFT | RIGHT) [mode(ASYNC | SYNC)]", PLAIN);
        assert_eq!(
            calls[1],
            "(key: Argument, where: Cased<\"LEFT\" | \"RIGHT\">, mode?: Cased<\"ASYNC\" | \"SYNC\">)"
        );
        assert_eq!(grammar, "ASYNC: []; SYNC: []");
    }

    #[test]
    fn what_has_to_be_there_is_needed() {
        let (calls, grammar) = made("[NX] FIELDS fields{numfields field...}", PLAIN);
        let needed = "OneOf<Grammars[\"x\"], \"FIELDS\">";
        assert_eq!(calls[0], format!("(options: Options<Grammars[\"x\"]> & {needed})"));
        assert!(calls[1].ends_with("Words<R, Grammars[\"x\"], \"none\", [\"FIELDS\"]>)"));
        assert_eq!(grammar, "NX: []; FIELDS: \"all\"");
    }

    #[test]
    fn a_command_that_waits_takes_a_signal() {
        let about = About { waits: true, ..PLAIN };
        assert_eq!(made("key:key", about).0, ["(key: Argument, options?: Waiting)"]);
        assert_eq!(
            made("key:key... timeout", about).0,
            [
                "(...words: [key: Repeated, ...more: Repeated[], timeout: Argument])",
                "(...words: [key: Repeated, ...more: Repeated[], timeout: Argument, options: Waiting])",
            ]
        );
        assert_eq!(made("[COUNT count]", about).1, "signal: AbortSignal; COUNT: [count: Argument]");
    }

    #[test]
    fn a_reply_may_depend_on_what_is_said_or_on_how_much() {
        let about = About { dependent: true, ..PLAIN };
        let said: Vec<_> =
            signatures(&parse("[GET]").unwrap(), about).all.into_iter().map(|s| s.said).collect();
        assert_eq!(said, ["O", "Said<R, Grammars[\"x\"]>"]);
        let about = About { counted: true, ..PLAIN };
        assert_eq!(
            made("key:key [count]", about).0,
            ["(key: Argument)", "(key: Argument, count: Argument)"]
        );
    }
}
