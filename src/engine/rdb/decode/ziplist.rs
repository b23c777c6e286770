//! The compact forms that Redis wrote before the listpack: ziplist and zipmap.

use super::read::{Read, Reader, Stop};
use crate::engine::types::Item;

const END: u8 = 0xff;

/// Hands the entries of a ziplist to `f`, as a listpack stores them; an error if not every length in it is
/// right.
pub(super) fn entries(bytes: &[u8], f: &mut dyn FnMut(Item<'_>)) -> Read<()> {
    let mut reader = Reader(bytes);
    let total = u32::from_le_bytes(reader.array()?) as usize;
    let _tail: [u8; 4] = reader.array()?;
    let expected = u16::from_le_bytes(reader.array()?);
    if total != bytes.len() {
        return Err(Stop::Bad);
    }
    let (mut count, mut previous) = (0, 0);
    loop {
        let before = reader.0.len();
        let len = match reader.byte()? {
            END => break,
            254 => u32::from_le_bytes(reader.array()?) as usize,
            short => usize::from(short),
        };
        if len != previous {
            return Err(Stop::Bad);
        }
        f(entry(&mut reader)?);
        count += 1;
        previous = before - reader.0.len();
    }
    let counted = expected == u16::MAX || usize::from(expected) == count;
    if reader.0.is_empty() && counted { Ok(()) } else { Err(Stop::Bad) }
}

fn entry<'a>(reader: &mut Reader<'a>) -> Read<Item<'a>> {
    let tag = reader.byte()?;
    let value = match tag {
        0..=0x3f => return reader.bytes(usize::from(tag)).map(Item::of),
        0x40..=0x7f => {
            let len = usize::from(tag & 0x3f) << 8 | usize::from(reader.byte()?);
            return reader.bytes(len).map(Item::of);
        }
        0x80 => {
            let len = u32::from_be_bytes(reader.array()?) as usize;
            return reader.bytes(len).map(Item::of);
        }
        0xc0 => i64::from(i16::from_le_bytes(reader.array()?)),
        0xd0 => i64::from(i32::from_le_bytes(reader.array()?)),
        0xe0 => i64::from_le_bytes(reader.array()?),
        0xf0 => {
            let [a, b, c] = reader.array()?;
            i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
        }
        0xfe => i64::from(i8::from_le_bytes(reader.array()?)),
        0xf1..=0xfd => i64::from(tag & 0x0f) - 1,
        _ => return Err(Stop::Bad),
    };
    Ok(Item::Int(value))
}

/// As [`entries`], of a zipmap: fields and values, one after the other.
pub(super) fn zipmap(bytes: &[u8], f: &mut dyn FnMut(Item<'_>)) -> Read<()> {
    let mut reader = Reader(bytes);
    let expected = reader.byte()?;
    let mut count = 0;
    while let Some(field) = zipmap_len(&mut reader)? {
        f(Item::of(reader.bytes(field)?));
        let value = zipmap_len(&mut reader)?.ok_or(Stop::Bad)?;
        let free = usize::from(reader.byte()?);
        f(Item::of(reader.bytes(value)?));
        reader.bytes(free)?;
        count += 1;
    }
    let counted = expected >= 254 || usize::from(expected) == count;
    if reader.0.is_empty() && counted { Ok(()) } else { Err(Stop::Bad) }
}

/// A length, or the end of the zipmap.
fn zipmap_len(reader: &mut Reader<'_>) -> Read<Option<usize>> {
    Ok(match reader.byte()? {
        END => None,
        254 => Some(u32::from_le_bytes(reader.array()?) as usize),
        short => Some(usize::from(short)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entries = fn(&[u8], &mut dyn FnMut(Item<'_>)) -> Read<()>;

    fn words(of: Entries, bytes: &[u8]) -> Read<Vec<Vec<u8>>> {
        let mut words = Vec::new();
        of(bytes, &mut |item| words.push(item.to_vec()))?;
        Ok(words)
    }

    #[test]
    fn a_ziplist_of_every_encoding() {
        let parts: [(&[u8], &str); 8] = [
            (b"\x02hi", "hi"),
            (b"\xf1", "0"),
            (b"\xfd", "12"),
            (b"\xfe\xff", "-1"),
            (b"\xc0\x00\x01", "256"),
            (b"\xf0\x00\x00\x80", "-8388608"),
            (b"\xd0\x00\x00\x00\x01", "16777216"),
            (b"\xe0\x00\x00\x00\x00\x01\x00\x00\x00", "4294967296"),
        ];
        let mut body = Vec::new();
        let mut previous = 0u8;
        for (bytes, _) in parts {
            body.push(previous);
            body.extend_from_slice(bytes);
            previous = bytes.len() as u8 + 1;
        }
        body.push(END);
        let mut ziplist = ((body.len() + 10) as u32).to_le_bytes().to_vec();
        ziplist.extend_from_slice(&[0, 0, 0, 0, parts.len() as u8, 0]);
        ziplist.extend_from_slice(&body);
        let expected: Vec<&[u8]> = parts.iter().map(|(_, text)| text.as_bytes()).collect();
        assert_eq!(words(entries, &ziplist).unwrap(), expected);
        for cut in 0..ziplist.len() {
            assert!(words(entries, &ziplist[..cut]).is_err());
        }
    }

    #[test]
    fn a_zipmap() {
        let pairs = words(zipmap, b"\x02\x01a\x01\x000\x02bb\x02\x01xy-\xff").unwrap();
        assert_eq!(pairs, [&b"a"[..], b"0", b"bb", b"xy"]);
        assert!(words(zipmap, b"\x01\x01a\xff").is_err());
        assert_eq!(words(zipmap, b"\x00\xff"), Ok(vec![]));
    }
}
