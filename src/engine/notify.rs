//! Keyspace notifications: `notify-keyspace-events`.

/// Event classes, as bits of the setting.
pub mod class {
    /// `K`: publish to `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: u32 = 1 << 0;
    /// `E`: publish to `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: u32 = 1 << 1;
    /// `g`: DEL, EXPIRE, RENAME, …
    pub const GENERIC: u32 = 1 << 2;
    /// `$`
    pub const STRING: u32 = 1 << 3;
    /// `l`
    pub const LIST: u32 = 1 << 4;
    /// `s`
    pub const SET: u32 = 1 << 5;
    /// `h`
    pub const HASH: u32 = 1 << 6;
    /// `z`
    pub const ZSET: u32 = 1 << 7;
    /// `x`
    pub const EXPIRED: u32 = 1 << 8;
    /// `e`
    pub const EVICTED: u32 = 1 << 9;
    /// `t`
    pub const STREAM: u32 = 1 << 10;
    /// `m`: not among `A`.
    pub const KEY_MISS: u32 = 1 << 11;
    /// `d`
    pub const MODULE: u32 = 1 << 12;
    /// `n`: not among `A`.
    pub const NEW: u32 = 1 << 13;
    /// `A`: `g$lshzxetd`.
    pub const ALL: u32 =
        GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;
}

const LETTERS: &[(u8, u32)] = &[
    (b'g', class::GENERIC),
    (b'$', class::STRING),
    (b'l', class::LIST),
    (b's', class::SET),
    (b'h', class::HASH),
    (b'z', class::ZSET),
    (b'x', class::EXPIRED),
    (b'e', class::EVICTED),
    (b't', class::STREAM),
    (b'd', class::MODULE),
    (b'n', class::NEW),
    (b'K', class::KEYSPACE),
    (b'E', class::KEYEVENT),
    (b'm', class::KEY_MISS),
];

/// Reads the setting; `None` when a letter is unknown.
pub fn parse_classes(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |classes, letter| {
        if *letter == b'A' {
            return Some(classes | class::ALL);
        }
        LETTERS.iter().find(|(known, _)| known == letter).map(|(_, bit)| classes | bit)
    })
}

/// Writes the setting as Redis does: `A` for all, then the rest.
pub fn format_classes(classes: u32) -> String {
    let all = classes & class::ALL == class::ALL;
    let mut text = String::from(if all { "A" } else { "" });
    for (letter, bit) in LETTERS {
        if classes & bit != 0 && !(all && class::ALL & bit != 0) {
            text.push(char::from(*letter));
        }
    }
    text
}
