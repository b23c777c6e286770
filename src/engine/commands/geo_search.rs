//! Group *geo*: what is near.

use super::geo::{GEO, coordinate, distance, number, take_place, take_unit};
use crate::collections::sort_by;
use crate::engine::args::Args;
use crate::engine::context::Ctx;
use crate::engine::error::Error;
use crate::engine::notify::class;
use crate::engine::table::{Begin, Command, Find, KeySpec, flag, key, ts};
use crate::engine::types::SortedSet;
use crate::engine::types::geo::{Place, Shape};
use crate::resp::Writer;

const READ: &[KeySpec] = &[KeySpec::at(1, key::RO | key::ACCESS)];
const RANGE: Find = Find::Range { last: 0, step: 1, limit: 0 };
const COST: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the \
    circular area delimited by center and radius and M is the number of items inside the index.";
const SEARCH_COST: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned \
    bounding box area around the shape provided as the filter and M is the number of items inside \
    the shape";
const fn stored(keyword: &'static str, from: i32) -> KeySpec {
    KeySpec { flags: key::OW | key::UPDATE, begin: Begin::Keyword(keyword, from), find: RANGE }
}

/// The family's declarations.
pub static COMMANDS: &[Command] = &[
    Command {
        name: "georadius",
        handler: Some(georadius),
        arity: -6,
        flags: flag::WRITE | flag::DENYOOM | flag::MOVABLEKEYS | flag::COPIES,
        keys: &[KeySpec::at(1, key::RO | key::ACCESS), stored("STORE", 6), stored("STOREDIST", 6)],
        since: "3.2.0",
        complexity: COST,
        summary: "Queries a geospatial index for members within a distance from a coordinate, \
            optionally stores the result.",
        syntax: "key:key longitude:double latitude:double radius:double \
            unit(M | KM | FT | MI) [withcoord(\"WITHCOORD\")] \
            [withdist(\"WITHDIST\")] [withhash(\"WITHHASH\")] \
            [count-block{COUNT count:integer [any(\"ANY\")]}] [order(ASC | DESC)] \
            [store(STORE storekey:key | STOREDIST storedistkey:key)]",
        reply: ts("With<S, \"STORE\" | \"STOREDIST\", number, Located<S>>"),
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        )),
        ..GEO
    },
    Command {
        name: "georadius_ro",
        handler: Some(georadius_ro),
        arity: -6,
        flags: flag::READONLY | flag::COPIES,
        keys: READ,
        since: "3.2.10",
        complexity: COST,
        summary: "Returns members from a geospatial index that are within a distance from a \
            coordinate.",
        syntax: "key:key longitude:double latitude:double radius:double \
            unit(M | KM | FT | MI) [withcoord(\"WITHCOORD\")] \
            [withdist(\"WITHDIST\")] [withhash(\"WITHHASH\")] \
            [count-block{COUNT count:integer [any(\"ANY\")]}] [order(ASC | DESC)]",
        reply: ts("Located<S>"),
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
        ..GEO
    },
    Command {
        name: "georadiusbymember",
        handler: Some(georadiusbymember),
        arity: -5,
        flags: flag::WRITE | flag::DENYOOM | flag::MOVABLEKEYS | flag::COPIES,
        keys: &[KeySpec::at(1, key::RO | key::ACCESS), stored("STORE", 5), stored("STOREDIST", 5)],
        since: "3.2.0",
        complexity: COST,
        summary: "Queries a geospatial index for members within a distance from a member, \
            optionally stores the result.",
        syntax: "key:key member radius:double unit(M | KM | FT | MI) \
            [withcoord(\"WITHCOORD\")] [withdist(\"WITHDIST\")] [withhash(\"WITHHASH\")] \
            [count-block{COUNT count:integer [any(\"ANY\")]}] [order(ASC | DESC)] \
            [store(STORE storekey:key | STOREDIST storedistkey:key)]",
        reply: ts("With<S, \"STORE\" | \"STOREDIST\", number, Located<S>>"),
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        )),
        ..GEO
    },
    Command {
        name: "georadiusbymember_ro",
        handler: Some(georadiusbymember_ro),
        arity: -5,
        flags: flag::READONLY | flag::COPIES,
        keys: READ,
        since: "3.2.10",
        complexity: COST,
        summary: "Returns members from a geospatial index that are within a distance from a member.",
        syntax: "key:key member radius:double unit(M | KM | FT | MI) \
            [withcoord(\"WITHCOORD\")] [withdist(\"WITHDIST\")] [withhash(\"WITHHASH\")] \
            [count-block{COUNT count:integer [any(\"ANY\")]}] [order(ASC | DESC)]",
        reply: ts("Located<S>"),
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
        ..GEO
    },
    Command {
        name: "geosearch",
        handler: Some(geosearch),
        arity: -7,
        flags: flag::READONLY | flag::COPIES,
        keys: READ,
        since: "6.2.0",
        complexity: SEARCH_COST,
        summary: "Queries a geospatial index for members inside an area of a box or a circle.",
        syntax: "key:key from(FROMMEMBER member | \
            FROMLONLAT fromlonlat{longitude:double latitude:double}) \
            by(circle{BYRADIUS radius:double unit(M | KM | FT | MI)} | \
            box{BYBOX width:double height:double \
            unit(M | KM | FT | MI)}) [order(ASC | DESC)] \
            [count-block{COUNT count:integer [any(\"ANY\")]}] [withcoord(\"WITHCOORD\")] \
            [withdist(\"WITHDIST\")] [withhash(\"WITHHASH\")]",
        reply: ts("Located<S>"),
        ..GEO
    },
    Command {
        name: "geosearchstore",
        handler: Some(geosearchstore),
        arity: -8,
        flags: flag::WRITE | flag::DENYOOM | flag::COPIES,
        keys: &[KeySpec::at(1, key::OW | key::UPDATE), KeySpec::at(2, key::RO | key::ACCESS)],
        since: "6.2.0",
        complexity: SEARCH_COST,
        summary: "Queries a geospatial index for members inside an area of a box or a circle, \
            optionally stores the result.",
        syntax: "destination:key source:key from(FROMMEMBER member | \
            FROMLONLAT fromlonlat{longitude:double latitude:double}) \
            by(circle{BYRADIUS radius:double unit(M | KM | FT | MI)} | \
            box{BYBOX width:double height:double \
            unit(M | KM | FT | MI)}) [order(ASC | DESC)] \
            [count-block{COUNT count:integer [any(\"ANY\")]}] [storedist(\"STOREDIST\")]",
        reply: ts("number"),
        ..GEO
    },
];

/// Which command is asking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// GEORADIUS and GEORADIUSBYMEMBER; whether they may store.
    Radius(bool),
    Search,
    SearchStore,
}

/// The arguments after the source key.
struct Query<'a> {
    center: Option<Place>,
    shape: Option<Shape>,
    unit: f64,
    with_distance: bool,
    with_hash: bool,
    with_place: bool,
    count: Option<usize>,
    any: bool,
    /// Whether the nearest come first; `None` for no order.
    ascending: Option<bool>,
    store: Option<&'a [u8]>,
    store_distance: bool,
}

/// A member that was found.
struct Found {
    member: Vec<u8>,
    score: f64,
    metres: f64,
}

const NO_MEMBER: Error = Error::fixed("ERR could not decode requested zset member");

/// Where a member is; without the key it does not matter.
fn member_place(c: &mut Ctx<'_>, key: &[u8], member: &[u8]) -> Result<Place, Error> {
    let nowhere = Place { longitude: 0.0, latitude: 0.0 };
    let Some(set) = c.get_mut::<SortedSet>(key)? else { return Ok(nowhere) };
    set.score(member).map(Place::from_score).ok_or(NO_MEMBER)
}

/// A length that is not negative.
fn take_length(args: &mut Args<'_>, what: &str, negative: &'static str) -> Result<f64, Error> {
    let length = args.take_double_or(Error::new(format!("ERR need numeric {what}")))?;
    if length < 0.0 { Err(Error::fixed(negative)) } else { Ok(length) }
}

impl<'a> Query<'a> {
    fn new(center: Option<Place>, shape: Option<Shape>, unit: f64) -> Self {
        Self {
            center,
            shape,
            unit,
            with_distance: false,
            with_hash: false,
            with_place: false,
            count: None,
            any: false,
            ascending: None,
            store: None,
            store_distance: false,
        }
    }

    /// Reads radius and unit, which a circle is given by.
    fn circle(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        let radius = take_length(args, "radius", "ERR radius cannot be negative")?;
        self.unit = take_unit(args)?;
        self.shape = Some(Shape::Circle(radius * self.unit));
        Ok(())
    }

    fn rectangle(&mut self, args: &mut Args<'_>) -> Result<(), Error> {
        const NEGATIVE: &str = "ERR height or width cannot be negative";
        let width = args.take_double_or(Error::fixed("ERR need numeric width"))?;
        let height = args.take_double_or(Error::fixed("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(Error::fixed(NEGATIVE));
        }
        self.unit = take_unit(args)?;
        self.shape = Some(Shape::Box(width * self.unit, height * self.unit));
        Ok(())
    }

    fn options(
        &mut self,
        c: &mut Ctx<'_>,
        key: &[u8],
        args: &mut Args<'a>,
        form: Form,
    ) -> Result<(), Error> {
        let searches = matches!(form, Form::Search | Form::SearchStore);
        while !args.is_empty() {
            let more = args.len() - 1;
            if args.accept("WITHDIST") {
                self.with_distance = true;
            } else if args.accept("WITHHASH") {
                self.with_hash = true;
            } else if args.accept("WITHCOORD") {
                self.with_place = true;
            } else if args.accept("ANY") {
                self.any = true;
            } else if args.accept("ASC") {
                self.ascending = Some(true);
            } else if args.accept("DESC") {
                self.ascending = Some(false);
            } else if more > 0 && args.accept("COUNT") {
                let count = args.take_integer()?;
                let count = usize::try_from(count).ok().filter(|count| *count > 0);
                self.count = Some(count.ok_or(Error::fixed("ERR COUNT must be > 0"))?);
            } else if form == Form::Radius(true) && more > 0 && args.accept("STORE") {
                (self.store, self.store_distance) = (Some(args.take()?), false);
            } else if form == Form::Radius(true) && more > 0 && args.accept("STOREDIST") {
                (self.store, self.store_distance) = (Some(args.take()?), true);
            } else if form == Form::SearchStore && args.accept("STOREDIST") {
                self.store_distance = true;
            } else if searches && self.center.is_none() && more > 0 && args.accept("FROMMEMBER") {
                self.center = Some(member_place(c, key, args.take()?)?);
            } else if searches && self.center.is_none() && more > 1 && args.accept("FROMLONLAT") {
                self.center = Some(take_place(args)?);
            } else if searches && self.shape.is_none() && more > 1 && args.accept("BYRADIUS") {
                self.circle(args)?;
            } else if searches && self.shape.is_none() && more > 2 && args.accept("BYBOX") {
                self.rectangle(args)?;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        self.check(form, args.argv().first().copied().unwrap_or_default())
    }

    /// `name` is the command as it was written.
    fn check(&mut self, form: Form, name: &[u8]) -> Result<(), Error> {
        let name = String::from_utf8_lossy(name);
        let shows = self.with_distance || self.with_hash || self.with_place;
        if shows && (self.store.is_some() || form == Form::SearchStore) {
            let name = match form {
                Form::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(Error::new(format!(
                "ERR {name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if self.center.is_none() {
            return Err(Error::new(format!(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if self.shape.is_none() {
            return Err(Error::new(format!(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"
            )));
        }
        if self.any && self.count.is_none() {
            return Err(Error::fixed("ERR the ANY argument requires COUNT argument"));
        }
        // The nearest are meant, if not just any.
        if self.count.is_some() && !self.any && self.ascending.is_none() {
            self.ascending = Some(true);
        }
        Ok(())
    }

    fn run(&self, set: &SortedSet) -> Vec<Found> {
        let (Some(center), Some(shape)) = (self.center, self.shape) else { return Vec::new() };
        let enough = if self.any { self.count.unwrap_or(usize::MAX) } else { usize::MAX };
        let mut found = Vec::new();
        for (min, max) in shape.score_ranges(center) {
            let start = set.count_below(min, false);
            if found.len() >= enough || start == set.len() {
                continue;
            }
            set.visit(start, false, |member, score| {
                if score >= max {
                    return false;
                }
                if let Some(metres) = shape.contains(center, Place::from_score(score)) {
                    found.push(Found { member: member.to_vec(), score, metres });
                }
                found.len() < enough
            });
        }
        if let Some(ascending) = self.ascending {
            sort_by(&mut found, |a, b| {
                let order = a.metres.total_cmp(&b.metres);
                if ascending { order } else { order.reverse() }
            });
        }
        found.truncate(self.count.unwrap_or(usize::MAX));
        found
    }

    fn reply(&self, found: &[Found], out: &mut Writer<'_>) {
        let parts = usize::from(self.with_distance)
            + usize::from(self.with_hash)
            + usize::from(self.with_place);
        out.array(found.len());
        for Found { member, score, metres } in found {
            if parts > 0 {
                out.array(1 + parts);
            }
            out.bulk(member);
            if self.with_distance {
                distance(*metres, self.unit, out);
            }
            if self.with_hash {
                out.integer(*score as i64);
            }
            if self.with_place {
                let Place { longitude, latitude } = Place::from_score(*score);
                out.array(2);
                coordinate(longitude, out);
                coordinate(latitude, out);
            }
        }
    }

    fn finish(
        &self,
        c: &mut Ctx<'_>,
        key: &[u8],
        event: &str,
        out: &mut Writer<'_>,
    ) -> Result<(), Error> {
        let found = c.get_mut::<SortedSet>(key)?.map(|set| self.run(set)).unwrap_or_default();
        let Some(destination) = self.store else {
            self.reply(&found, out);
            return Ok(());
        };
        let score = |found: &Found| match self.store_distance {
            true => found.metres / self.unit,
            false => found.score,
        };
        store(c, destination, found.iter().map(|found| (&found.member[..], score(found))), event);
        out.count(found.len());
        Ok(())
    }
}

/// Stores what was found, or deletes the key if that is nothing. It is logged as what it came to:
/// distances need not be the same to the last bit elsewhere.
fn store<'a>(
    c: &mut Ctx<'_>,
    destination: &[u8],
    found: impl Iterator<Item = (&'a [u8], f64)>,
    event: &str,
) {
    let (limits, mut result) = (c.limits(), SortedSet::default());
    let mut words = vec![b"ZADD".to_vec(), destination.to_vec()];
    for (member, score) in found {
        result.insert(member, score, limits);
        words.extend([number(score), member.to_vec()]);
    }
    if c.db().get(destination).is_some() {
        c.effect(&[b"DEL", destination]);
    }
    let result = (!result.is_empty()).then_some(result);
    let is_some = result.is_some();
    c.store(destination, result, class::ZSET, event);
    if is_some {
        c.effect(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}

fn radius(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
    by_member: bool,
    stores: bool,
) -> Result<(), Error> {
    let key = args.take()?;
    c.read_as::<SortedSet>(key)?;
    let center = if by_member { member_place(c, key, args.take()?)? } else { take_place(args)? };
    let mut query = Query::new(Some(center), None, 1.0);
    query.circle(args)?;
    query.options(c, key, args, Form::Radius(stores))?;
    query.finish(c, key, "georadiusstore", out)
}

fn georadius(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    radius(c, args, out, false, true)
}

fn georadius_ro(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    radius(c, args, out, false, false)
}

fn georadiusbymember(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    radius(c, args, out, true, true)
}

fn georadiusbymember_ro(
    c: &mut Ctx<'_>,
    args: &mut Args<'_>,
    out: &mut Writer<'_>,
) -> Result<(), Error> {
    radius(c, args, out, true, false)
}

fn geosearch(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let key = args.take()?;
    c.read_as::<SortedSet>(key)?;
    let mut query = Query::new(None, None, 1.0);
    query.options(c, key, args, Form::Search)?;
    query.finish(c, key, "", out)
}

fn geosearchstore(c: &mut Ctx<'_>, args: &mut Args<'_>, out: &mut Writer<'_>) -> Result<(), Error> {
    let (destination, key) = (args.take()?, args.take()?);
    c.read_as::<SortedSet>(key)?;
    let mut query = Query::new(None, None, 1.0);
    query.options(c, key, args, Form::SearchStore)?;
    query.store = Some(destination);
    query.finish(c, key, "geosearchstore", out)
}
