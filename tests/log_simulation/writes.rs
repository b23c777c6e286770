//! Writes of every kind, to few keys.

use crate::generator::Dice;

/// One command, or a transaction of some.
pub fn some(dice: &mut Dice) -> Vec<Vec<String>> {
    if !dice.one_in(5) {
        return vec![one(dice)];
    }
    let mut commands = vec![words(["MULTI"])];
    commands.extend((0..1 + dice.below(4)).map(|_| one(dice)));
    commands.push(words(["EXEC"]));
    commands
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

fn one(dice: &mut Dice) -> Vec<String> {
    let key = |dice: &mut Dice, of: &str| format!("{of}{}", dice.below(4));
    let number = |dice: &mut Dice| dice.below(100).to_string();
    let value = |dice: &mut Dice| {
        "v".repeat(if dice.one_in(8) { dice.below(3000) } else { dice.below(20) })
    };
    let many = |dice: &mut Dice| -> Vec<String> {
        let count = if dice.one_in(6) { 200 } else { 1 + dice.below(5) };
        (0..count).map(|_| dice.below(400).to_string()).collect()
    };
    let with = |command: &str, key: String, rest: Vec<String>| {
        [vec![command.to_owned(), key], rest].concat()
    };
    match dice.below(22) {
        0..3 => with("SET", key(dice, "s"), vec![value(dice)]),
        3 => with("APPEND", key(dice, "s"), vec![value(dice)]),
        4 => with("INCR", key(dice, "n"), vec![]),
        5 => with("HSET", key(dice, "h"), vec![number(dice), value(dice)]),
        6 => with("HDEL", key(dice, "h"), vec![number(dice)]),
        7 => with("RPUSH", key(dice, "l"), many(dice)),
        8 => with("LPOP", key(dice, "l"), vec![]),
        9 => with("SADD", key(dice, "t"), many(dice)),
        10 => with("SPOP", key(dice, "t"), vec!["3".to_owned()]),
        11 => {
            let members = many(dice);
            let pairs = members.into_iter().flat_map(|member| [member.clone(), member]);
            with("ZADD", key(dice, "z"), pairs.collect())
        }
        12 => with("ZPOPMIN", key(dice, "z"), vec![]),
        13 => with("XADD", key(dice, "x"), vec!["*".into(), "f".into(), value(dice)]),
        14 => with("PEXPIREAT", key(dice, "s"), vec!["4000000000000".to_owned()]),
        15 => with("PERSIST", key(dice, "s"), vec![]),
        16 => {
            let of = dice.pick(&["s", "h", "l", "t", "z", "x"]);
            with("DEL", key(dice, of), vec![])
        }
        17 => with("COPY", key(dice, "t"), vec![key(dice, "t"), "REPLACE".to_owned()]),
        18 => words(["SELECT", if dice.one_in(2) { "0" } else { "1" }]),
        19 if dice.one_in(6) => words(["FLUSHDB"]),
        20 if dice.one_in(4) => words(["SWAPDB", "0", "1"]),
        21 => with("SMOVE", key(dice, "t"), vec![key(dice, "t"), number(dice)]),
        _ => with("SETRANGE", key(dice, "s"), vec![number(dice), value(dice)]),
    }
}
