//! Inputs that are commands, as RESP, so that they can be read, replayed and cut.

use crate::generator::spoil::spoil;
use crate::generator::{Dice, Forms, Times};
use crate::mutate::EDGES;
use crate::targets::NOW_MS;
use lodis::engine::registry;
use lodis::resp::{Request, RequestParser};
use std::sync::LazyLock;

/// A command's words.
pub type Argv = Vec<Vec<u8>>;

pub static FORMS: LazyLock<Forms> = LazyLock::new(|| Forms::load(|_| true));

/// Reads as many commands as there are.
pub fn read(bytes: &[u8]) -> Vec<Argv> {
    let mut parser = RequestParser::default();
    let mut commands = Vec::new();
    while let Ok(Some(request)) = parser.next(bytes) {
        commands.push(match request {
            Request::Array(words) => words.into_iter().map(|word| bytes[word].to_vec()).collect(),
            Request::Inline(words) => words,
        });
    }
    commands
}

/// The commands as RESP.
pub fn write(commands: &[Argv]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for argv in commands {
        bytes.extend_from_slice(format!("*{}\r\n", argv.len()).as_bytes());
        for word in argv {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes
}

/// A command of a form.
pub fn any(dice: &mut Dice) -> (Argv, usize) {
    let times = if dice.one_in(2) { Times::Far } else { Times::Near(NOW_MS) };
    let (argv, form) = FORMS.command(dice, times);
    (argv, form.name.len())
}

/// A command that has only its name from the table.
fn made_up(dice: &mut Dice) -> Argv {
    let table: Vec<_> = registry::commands().collect();
    let command = table[dice.below(table.len())];
    let mut argv = vec![command.name.as_bytes().to_vec()];
    if !command.subcommands.is_empty() {
        let sub = &command.subcommands[dice.below(command.subcommands.len())];
        argv.push(sub.name.as_bytes().to_vec());
    }
    for _ in 0..dice.below(8) {
        let (other, _) = any(dice);
        argv.push(match dice.below(3) {
            0 => dice.pick(EDGES).into(),
            _ => other[dice.below(other.len())].clone(),
        });
    }
    argv
}

/// Changes some commands.
pub fn mutate(dice: &mut Dice, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
    let mut commands = read(input);
    for _ in 0..1 + dice.below(6) {
        let at = dice.below(commands.len() + 1);
        match dice.below(16) {
            0..5 => commands.insert(at, any(dice).0),
            5 => commands.insert(at, made_up(dice)),
            6 | 7 => {
                let (mut argv, literal) = any(dice);
                spoil(dice, &mut argv, literal);
                commands.insert(at, argv);
            }
            8 => commands.insert(at, vec![b"@".to_vec(), dice.pick(EDGES).into()]),
            9 => {
                let other = read(&corpus[dice.below(corpus.len())]);
                let from = dice.below(other.len() + 1);
                let some = other.into_iter().skip(from).take(1 + dice.below(8));
                commands.splice(at..at, some);
            }
            10 if at < commands.len() => drop(commands.remove(at)),
            11 if at < commands.len() => commands.insert(at, commands[at].clone()),
            _ if at < commands.len() => word(dice, &mut commands[at]),
            _ => {}
        }
    }
    commands.truncate(60);
    *input = write(&commands);
}

/// Changes a word of a command.
fn word(dice: &mut Dice, argv: &mut Argv) {
    if argv.is_empty() {
        return argv.push(b"ping".to_vec());
    }
    let at = dice.below(argv.len());
    match dice.below(8) {
        0..3 => argv[at] = dice.pick(EDGES).into(),
        3 => drop(argv.remove(at)),
        4 => argv.insert(at, argv[at].clone()),
        5 => {
            let many = 1usize << dice.below(9);
            let part: Argv = argv[at..].iter().take(1 + dice.below(2)).cloned().collect();
            argv.splice(at..at, std::iter::repeat_n(part, many).flatten());
        }
        6 => argv[at] = argv[at].repeat(1 << dice.below(10)),
        _ => {
            let (other, _) = any(dice);
            argv[at] = other[dice.below(other.len())].clone();
        }
    }
    // What grows and grows says nothing new.
    argv.truncate(2000);
    argv.iter_mut().for_each(|word| word.truncate(20_000));
}
