//! Group *geo*: places as members of sorted sets.

use super::sorted_set::{AddOptions, add};
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::table::{Command, Group, KeySpec, flag, key, ts};
use crate::engine::types::SortedSet;
use crate::engine::types::geo::Place;
use crate::number::{fixed, write_double};
use crate::resp::Writer;

pub(super) const GEO: Command = Command { group: Group::Geo, ..Command::BASE };

const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "geoadd",
        handler: Some(geoadd),
        arity: -5,
        flags: flag::WRITE | flag::DENYOOM,
        keys: &[KeySpec::at(1, key::RW | key::UPDATE)],
        since: "3.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted \
            set.",
        summary: "Adds one or more members to a geospatial index. The key is created if it doesn't \
            exist.",
        syntax: "key:key [condition(NX | XX)] [change(\"CH\")] \
            data{longitude:double latitude:double member}...",
        reply: ts("number"),
        ..GEO
    },
    Command {
        name: "geodist",
        handler: Some(geodist),
        arity: -4,
        flags: flag::READONLY,
        keys: READ,
        since: "3.2.0",
        complexity: "O(1)",
        summary: "Returns the distance between two members of a geospatial index.",
        syntax: "key:key member1 member2 [unit(M | KM | FT | MI)]",
        reply: ts("string | null"),
        ..GEO
    },
    Command {
        name: "geohash",
        handler: Some(geohash),
        arity: -2,
        flags: flag::READONLY,
        keys: READ,
        since: "3.2.0",
        complexity: "O(1) for each member requested.",
        summary: "Returns members from a geospatial index as geohash strings.",
        syntax: "key:key [member...]",
        reply: ts("(string | null)[]"),
        ..GEO
    },
    Command {
        name: "geopos",
        handler: Some(geopos),
        arity: -2,
        flags: flag::READONLY,
        keys: READ,
        since: "3.2.0",
        complexity: "O(1) for each member requested.",
        summary: "Returns the longitude and latitude of members from a geospatial index.",
        syntax: "key:key [member...]",
        reply: ts("([longitude: number, latitude: number] | null)[]"),
        ..GEO
    },
];

/// A unit of length, in metres.
pub(super) fn take_unit(args: &mut Args<'_>) -> Result<f64, Error> {
    let units = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    units
        .into_iter()
        .find_map(|(name, metres)| args.accept(name).then_some(metres))
        .ok_or(Error::fixed("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// Longitude and latitude.
pub(super) fn take_place(args: &mut Args<'_>) -> Result<Place, Error> {
    let place = Place { longitude: args.take_double()?, latitude: args.take_double()? };
    if place.is_valid() {
        return Ok(place);
    }
    let Place { longitude, latitude } = place;
    let (longitude, latitude) = (fixed(longitude, 6), fixed(latitude, 6));
    Err(Error::new(format!("ERR invalid longitude,latitude pair {longitude},{latitude}")))
}

/// A score as ZADD takes it.
pub(super) fn number(score: f64) -> Vec<u8> {
    let mut text = Vec::new();
    write_double(score, &mut text);
    text
}

/// A number with 17 decimals, less the zeros at the end.
pub(super) fn coordinate(value: f64, out: &mut Writer<'_>) {
    let text = fixed(value, 17);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    out.human_double(text);
}

/// A distance with four decimals.
pub(super) fn distance(metres: f64, unit: f64, out: &mut Writer<'_>) {
    out.bulk(fixed(metres / unit, 4).as_bytes());
}

fn geoadd(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    let mut options = AddOptions::default();
    // Logged as the scores that the places have, which the arithmetic of another machine need not
    // come to.
    let mut effect = vec![b"ZADD".to_vec(), key.to_vec()];
    loop {
        let (option, name) = if args.accept("NX") {
            (&mut options.absent, b"NX")
        } else if args.accept("XX") {
            (&mut options.present, b"XX")
        } else if args.accept("CH") {
            (&mut options.changed, b"CH")
        } else {
            break;
        };
        *option = true;
        effect.push(name.to_vec());
    }
    if !args.len().is_multiple_of(3) || args.is_empty() || (options.absent && options.present) {
        return Err(Error::SYNTAX);
    }
    let mut pairs = Vec::with_capacity(args.len() / 3);
    while !args.is_empty() {
        let (score, member) = (take_place(args)?.to_score(), args.take()?);
        effect.extend([number(score), member.to_vec()]);
        pairs.push((score, member));
    }
    if add(c, key, options, &pairs, out)? {
        let effect: Vec<&[u8]> = effect.iter().map(Vec::as_slice).collect();
        c.effect(&effect);
    }
    Ok(())
}

fn geodist(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (key, one, other) = (args.take()?, args.take()?, args.take()?);
    if args.len() > 1 {
        return Err(Error::SYNTAX);
    }
    let unit = if args.is_empty() { 1.0 } else { take_unit(args)? };
    let set = c.read_as::<SortedSet>(key)?;
    let place = |member| set.and_then(|set| set.score(member)).map(Place::from_score);
    match (place(one), place(other)) {
        (Some(one), Some(other)) => distance(one.distance(other), unit, out),
        _ => out.null(),
    }
    Ok(())
}

fn geohash(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let set = c.read_as::<SortedSet>(args.take()?)?;
    out.array(args.len());
    for member in args {
        match set.and_then(|set| set.score(member)) {
            Some(score) => out.bulk(&Place::from_score(score).geohash()),
            None => out.null(),
        }
    }
    Ok(())
}

fn geopos(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let set = c.read_as::<SortedSet>(args.take()?)?;
    out.array(args.len());
    for member in args {
        match set.and_then(|set| set.score(member)) {
            Some(score) => {
                let Place { longitude, latitude } = Place::from_score(score);
                out.array(2);
                coordinate(longitude, out);
                coordinate(latitude, out);
            }
            None => out.null_array(),
        }
    }
    Ok(())
}
