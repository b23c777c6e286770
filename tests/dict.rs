//! The dictionary against a model, while it grows and shrinks.

use lodis::engine::dict::Dict;
use lodis::engine::rng::Rng;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

#[derive(Clone, Debug)]
enum Op {
    Insert(u16, u32),
    InsertRange(Range<u16>),
    Remove(u16),
    RemoveRange(Range<u16>),
    Change(u16, u32),
    GetOrInsert(u16, u32),
    Rehash(usize),
    Clear,
}

/// Names that the dictionary keeps inline and on the heap, and the empty one.
fn key(number: u16) -> Vec<u8> {
    match number {
        0 => Vec::new(),
        _ if number.is_multiple_of(7) => {
            format!("a name too long to be kept inline {number}").into()
        }
        _ => number.to_le_bytes().to_vec(),
    }
}

fn range() -> impl Strategy<Value = Range<u16>> {
    (0..2000u16, 0..1500u16).prop_map(|(from, len)| from..from + len)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..50u16, any::<u32>()).prop_map(|(k, v)| Op::Insert(k, v)),
        8 => (0..50u16).prop_map(Op::Remove),
        3 => range().prop_map(Op::InsertRange),
        4 => range().prop_map(Op::RemoveRange),
        4 => (0..50u16, any::<u32>()).prop_map(|(k, v)| Op::Change(k, v)),
        4 => (0..50u16, any::<u32>()).prop_map(|(k, v)| Op::GetOrInsert(k, v)),
        2 => (0..64usize).prop_map(Op::Rehash),
        1 => Just(Op::Clear),
    ]
}

/// What makes a dictionary grow and shrink many times over.
fn swing() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..4000u16).prop_map(|len| Op::InsertRange(0..len)),
        (0..4000u16).prop_map(|from| Op::RemoveRange(from..4000)),
        Just(Op::RemoveRange(0..4000)),
        (0..8192usize).prop_map(Op::Rehash),
    ]
}

/// Does the same to both; every answer is compared.
fn apply(dict: &mut Dict<u32>, model: &mut BTreeMap<Vec<u8>, u32>, op: Op) {
    match op {
        Op::Insert(k, v) => assert_eq!(dict.insert(&key(k), v), model.insert(key(k), v)),
        Op::Remove(k) => assert_eq!(dict.remove(&key(k)), model.remove(&key(k))),
        Op::InsertRange(keys) => {
            for k in keys {
                apply(dict, model, Op::Insert(k, u32::from(k)));
            }
        }
        Op::RemoveRange(keys) => {
            for k in keys {
                apply(dict, model, Op::Remove(k));
            }
        }
        Op::Change(k, v) => {
            let slot = dict.locate(&key(k));
            assert_eq!(slot.map(|slot| *dict.at(slot)), model.get(&key(k)).copied());
            if let Some(slot) = slot {
                *dict.at_mut(slot) = v;
                model.insert(key(k), v);
            }
        }
        Op::GetOrInsert(k, v) => {
            let expected = *model.entry(key(k)).or_insert(v);
            assert_eq!(*dict.get_or_insert_with(&key(k), || v), expected);
        }
        Op::Rehash(buckets) => {
            dict.rehash(buckets);
        }
        Op::Clear => {
            dict.clear();
            model.clear();
        }
    }
    assert_eq!(dict.len(), model.len());
}

fn scan_all(dict: &Dict<u32>) -> Vec<(Vec<u8>, u32)> {
    let (mut cursor, mut seen) = (0, Vec::new());
    loop {
        cursor = dict.scan(cursor, |key, value| seen.push((key.to_vec(), *value)));
        if cursor == 0 {
            seen.sort_unstable();
            return seen;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_does_what_a_map_does(seed: u64, ops in vec(op(), 0..60)) {
        let (mut dict, mut model) = (Dict::new(seed), BTreeMap::new());
        for op in ops {
            apply(&mut dict, &mut model, op);
            let content: Vec<_> = model.clone().into_iter().collect();
            let mut entries: Vec<_> = dict.iter().map(|(k, v)| (k.to_vec(), *v)).collect();
            entries.sort_unstable();
            prop_assert_eq!(&entries, &content);
            prop_assert_eq!(&scan_all(&dict), &content, "a scan without changes sees each key once");
            for (k, v) in &model {
                prop_assert_eq!(dict.get(k), Some(v));
                let found = dict.find_by_hash(dict.hash(k), |key, value| key == k && value == v);
                prop_assert_eq!(found.map(|(key, value)| (&**key, value)), Some((&**k, v)));
            }
            prop_assert!(!dict.contains(&key(60_000)));
        }
    }

    #[test]
    fn a_scan_sees_what_is_there_throughout(
        seed: u64,
        stable in 0..300u16,
        ops in vec((swing(), 1..1000usize), 1..30),
    ) {
        let (mut dict, mut model) = (Dict::new(seed), BTreeMap::new());
        // Beyond the reach of the operations.
        let stable: BTreeSet<Vec<u8>> = (10_000..10_000 + stable).map(key).collect();
        for k in &stable {
            dict.insert(k, 0);
            model.insert(k.clone(), 0);
        }
        let mut ops = ops.into_iter();
        let (mut cursor, mut seen) = (0, BTreeSet::new());
        loop {
            let mut steps = 1;
            if let Some((op, steps_after)) = ops.next() {
                apply(&mut dict, &mut model, op);
                steps = steps_after;
            }
            for _ in 0..steps {
                cursor = dict.scan(cursor, |key, value| {
                    assert_eq!(model.get(key), Some(value), "a scan answers what is there");
                    seen.insert(key.to_vec());
                });
                if cursor == 0 {
                    break;
                }
            }
            if cursor == 0 {
                break;
            }
        }
        let missed: Vec<_> = stable.difference(&seen).collect();
        prop_assert!(missed.is_empty(), "missed {missed:?}");
    }

    #[test]
    fn every_entry_is_drawn(seed: u64, keys in 1..300u16, removed in 0..300u16) {
        let mut dict = Dict::new(seed);
        for k in 0..keys {
            dict.insert(&key(k), u32::from(k));
        }
        for k in 0..removed.min(keys - 1) {
            dict.remove(&key(k));
        }
        let mut rng = Rng::new(seed);
        // The chance to miss one of n in 40 n draws is below n * e^-40.
        let drawn: BTreeSet<u32> =
            (0..40 * dict.len()).filter_map(|_| dict.random(&mut rng).map(|(_, v)| *v)).collect();
        prop_assert_eq!(drawn.len(), dict.len());
    }
}

#[test]
fn memory_is_given_back() {
    let mut dict = Dict::new(1);
    assert_eq!((dict.buckets(), dict.scan(0, |_, _: &u32| ())), (0, 0));
    for k in 0..20_000 {
        dict.insert(&key(k), 0);
    }
    assert!(dict.buckets() >= 20_000);
    for k in 0..19_990 {
        dict.remove(&key(k));
    }
    while dict.rehash(100) {}
    assert!(dict.buckets() <= 20_000 / 100, "{} buckets for 10 entries", dict.buckets());
    for k in 19_990..20_000 {
        dict.remove(&key(k));
    }
    assert_eq!((dict.len(), dict.buckets()), (0, 0));
    assert!(dict.random(&mut Rng::new(0)).is_none());
}
