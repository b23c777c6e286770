//! Places on earth as 52-bit numbers, and the areas around them: Redis's interleaved geohash.

use crate::number::{cosine, sine};
use std::f64::consts::PI;

/// Latitudes beyond this cannot be stored: the limit of the Mercator projection.
pub const LATITUDE_MAX: f64 = 85.051_128_78;
/// Longitudes beyond this are no places.
pub const LONGITUDE_MAX: f64 = 180.0;
const EARTH_RADIUS_M: f64 = 6_372_797.560_856;
const MERCATOR_MAX_M: f64 = 20_037_726.37;
const STEP_MAX: u32 = 26;

/// Degrees east, and degrees north.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// From -180 to 180.
    pub longitude: f64,
    /// From -85.05112878 to 85.05112878.
    pub latitude: f64,
}

/// A square of the earth: so many bits of each coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    bits: u64,
    step: u32,
}

/// The sides of an area in degrees.
#[derive(Clone, Copy)]
struct Bounds {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Place {
    /// Whether it can be stored.
    pub fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The 52 bits, which a score holds exactly.
    pub fn to_score(self) -> f64 {
        Cell::of(self, LATITUDE_MAX, STEP_MAX).bits as f64
    }

    /// The middle of the square that a score stands for.
    pub fn from_score(score: f64) -> Self {
        let area = Cell { bits: bits_of(score), step: STEP_MAX }.bounds();
        let middle = |min: f64, max: f64, most: f64| ((min + max) / 2.0).clamp(-most, most);
        Self {
            longitude: middle(area.west, area.east, LONGITUDE_MAX),
            latitude: middle(area.south, area.north, LATITUDE_MAX),
        }
    }

    /// The eleven letters that other programs know.
    pub fn geohash(self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::of(self, 90.0, STEP_MAX).bits;
        let mut letters = [LETTERS[0]; 11];
        // There are bits for ten letters and a bit; Redis ends with a 0.
        for (index, letter) in letters.iter_mut().take(10).enumerate() {
            *letter = LETTERS[(bits >> (47 - index * 5)) as usize & 31];
        }
        letters
    }

    /// Metres along the earth's surface, taken for a sphere.
    pub fn distance(self, other: Self) -> f64 {
        let v = sine((radians(other.longitude) - radians(self.longitude)) / 2.0);
        if v == 0.0 {
            return latitude_distance(self.latitude, other.latitude);
        }
        let (one, two) = (radians(self.latitude), radians(other.latitude));
        let u = sine((two - one) / 2.0);
        let a = u * u + cosine(one) * cosine(two) * v * v;
        2.0 * EARTH_RADIUS_M * a.sqrt().asin()
    }
}

/// The bits of a score. What is no place has those that Redis sees in it, on usual processors.
fn bits_of(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    let signed = |value: f64| {
        if (-HALF..HALF).contains(&value) { value as i64 } else { i64::MIN }
    };
    if score >= HALF { signed(score - HALF) as u64 ^ 1 << 63 } else { signed(score) as u64 }
}

fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

fn latitude_distance(one: f64, two: f64) -> f64 {
    EARTH_RADIUS_M * (radians(two) - radians(one)).abs()
}

/// What is searched around a place; metres.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Everything up to this distance.
    Circle(f64),
    /// Width and height of a box, with the place in the middle.
    Box(f64, f64),
}

impl Shape {
    /// How far away `place` is, if it is inside the shape around `center`.
    pub fn contains(self, center: Place, place: Place) -> Option<f64> {
        match self {
            Self::Circle(radius) => {
                Some(center.distance(place)).filter(|distance| *distance <= radius)
            }
            Self::Box(width, height) => {
                if latitude_distance(place.latitude, center.latitude) > height / 2.0 {
                    return None;
                }
                let beside = Place { longitude: center.longitude, latitude: place.latitude };
                if place.distance(beside) > width / 2.0 {
                    return None;
                }
                Some(center.distance(place))
            }
        }
    }

    fn bounds(self, center: Place) -> Bounds {
        let (width, height) = match self {
            Self::Circle(radius) => (radius, radius),
            Self::Box(width, height) => (width / 2.0, height / 2.0),
        };
        let latitude_delta = degrees(height / EARTH_RADIUS_M);
        let delta = |latitude: f64| degrees(width / EARTH_RADIUS_M / cosine(radians(latitude)));
        // Nearer to the pole the same width is more degrees.
        let delta = if center.latitude < 0.0 {
            delta(center.latitude - latitude_delta)
        } else {
            delta(center.latitude + latitude_delta)
        };
        Bounds {
            west: center.longitude - delta,
            east: center.longitude + delta,
            south: center.latitude - latitude_delta,
            north: center.latitude + latitude_delta,
        }
    }

    fn reach(self) -> f64 {
        match self {
            Self::Circle(radius) => radius,
            Self::Box(width, height) => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        }
    }

    /// Ranges of scores, the first inclusive and the second not, in which all places of the shape
    /// are: those of the square around `center`, and of its neighbours.
    pub fn score_ranges(self, center: Place) -> Vec<(f64, f64)> {
        let bounds = self.bounds(center);
        let mut cell = Cell::of(center, LATITUDE_MAX, steps_for(self.reach(), center.latitude));
        let too_small = {
            let north = cell.moved(0, 1).bounds();
            let south = cell.moved(0, -1).bounds();
            let east = cell.moved(1, 0).bounds();
            let west = cell.moved(-1, 0).bounds();
            north.north < bounds.north
                || south.south > bounds.south
                || east.east < bounds.east
                || west.west > bounds.west
        };
        if cell.step > 1 && too_small {
            cell = Cell::of(center, LATITUDE_MAX, cell.step - 1);
        }
        let area = cell.bounds();
        let steps = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let needed = |(x, y): &(i8, i8)| {
            cell.step < 2
                || !((*y < 0 && area.south < bounds.south)
                    || (*y > 0 && area.north > bounds.north)
                    || (*x < 0 && area.west < bounds.west)
                    || (*x > 0 && area.east > bounds.east))
        };
        let mut cells: Vec<Cell> = Vec::with_capacity(9);
        for (x, y) in steps.iter().filter(|step| needed(step)) {
            let neighbour = cell.moved(*x, *y);
            // Of few squares the neighbours on both sides are the same.
            if !cells.contains(&neighbour) {
                cells.push(neighbour);
            }
        }
        cells.into_iter().map(Cell::scores).collect()
    }
}

/// How many bits of each coordinate make squares of about `reach` metres.
fn steps_for(reach: f64, latitude: f64) -> u32 {
    if reach == 0.0 {
        return STEP_MAX;
    }
    let (mut reach, mut step) = (reach, 1i32);
    while reach < MERCATOR_MAX_M && step < 64 {
        reach *= 2.0;
        step += 1;
    }
    step -= 2;
    if latitude.abs() > 66.0 {
        step -= 1;
        if latitude.abs() > 80.0 {
            step -= 1;
        }
    }
    step.clamp(1, STEP_MAX as i32) as u32
}

impl Cell {
    fn of(place: Place, latitude_max: f64, step: u32) -> Self {
        let scale = |value: f64, most: f64| {
            let offset = (value + most) / (2.0 * most) * (1u64 << step) as f64;
            offset as u32
        };
        let x = scale(place.longitude, LONGITUDE_MAX);
        let y = scale(place.latitude, latitude_max);
        Self { bits: spread(y) | spread(x) << 1, step }
    }

    fn bounds(self) -> Bounds {
        let (y, x) = (gather(self.bits), gather(self.bits >> 1));
        let count = (1u64 << self.step) as f64;
        let edge = |index: u32, most: f64| -most + f64::from(index) / count * (2.0 * most);
        let far = |index: u32, most: f64| -most + (f64::from(index) + 1.0) / count * (2.0 * most);
        Bounds {
            west: edge(x, LONGITUDE_MAX),
            east: far(x, LONGITUDE_MAX),
            south: edge(y, LATITUDE_MAX),
            north: far(y, LATITUDE_MAX),
        }
    }

    /// The cell so many squares to the east and to the north, around the earth.
    fn moved(self, east: i8, north: i8) -> Self {
        let mask = ((1u64 << self.step) - 1) as u32;
        // The outermost places are in a square beyond the last one, until it is left.
        let shift = |index: u32, by: i8| match by {
            0 => index,
            _ => index.wrapping_add_signed(i32::from(by)) & mask,
        };
        let (y, x) = (gather(self.bits), gather(self.bits >> 1));
        Self { bits: spread(shift(y, north)) | spread(shift(x, east)) << 1, ..self }
    }

    fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEP_MAX - self.step);
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }
}

/// Puts a zero between any two bits.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Takes every second bit.
fn gather(value: u64) -> u32 {
    let mut bits = value & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> impl Strategy<Value = Place> {
        (-180.0..180.0, -85.0..85.0).prop_map(|(longitude, latitude)| Place { longitude, latitude })
    }

    proptest! {
        #[test]
        fn a_score_is_within_a_metre(place in place()) {
            prop_assert!(place.distance(Place::from_score(place.to_score())) < 1.0);
        }

        #[test]
        fn every_place_of_a_shape_is_in_its_ranges(
            center in (-170.0..170.0, -75.0..75.0).prop_map(|(longitude, latitude)| Place { longitude, latitude }),
            east in -1.0..1.0f64, north in -1.0..1.0f64, reach in 1.0..500_000.0f64, is_box: bool,
        ) {
            let scale = reach / 111_000.0;
            let place = Place { longitude: center.longitude + east * scale, latitude: center.latitude + north * scale };
            prop_assume!(place.is_valid());
            let shape = if is_box { Shape::Box(reach, reach / 3.0) } else { Shape::Circle(reach) };
            let score = place.to_score();
            let stored = Place::from_score(score);
            if shape.contains(center, stored).is_some() {
                let ranges = shape.score_ranges(center);
                prop_assert!(ranges.iter().any(|(min, max)| (*min..*max).contains(&score)), "{:?}", ranges);
            }
        }
    }
}
