//! Sorting, the code of which does not grow with every type that is sorted.
//!
//! The standard library's sort is a little faster, and five kilobytes of code for each type and
//! each order. Here the order is found among indices, the same way for all.

use std::cmp::Ordering;
use std::mem::swap;

/// Sorts, and leaves what is equal in the order it is in. O(n log n).
pub fn sort_by<T>(items: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    merge_sort(&mut order, &mut |one, other| compare(&items[one], &items[other]).is_gt());
    for start in 0..order.len() {
        // Each cycle of the permutation, once: what is in place points to itself.
        let mut to = start;
        loop {
            let from = order[to];
            order[to] = to;
            if from == start {
                break;
            }
            items.swap(to, from);
            to = from;
        }
    }
}

/// Merges runs of 1, 2, 4, … into runs twice as long.
fn merge_sort(order: &mut Vec<usize>, is_above: &mut dyn FnMut(usize, usize) -> bool) {
    let mut merged = Vec::with_capacity(order.len());
    let mut len = 1;
    while len < order.len() {
        for runs in order.chunks(2 * len) {
            let (mut left, mut right) = runs.split_at(len.min(runs.len()));
            while let (Some((&one, below)), Some((&other, above))) =
                (left.split_first(), right.split_first())
            {
                if is_above(one, other) {
                    merged.push(other);
                    right = above;
                } else {
                    merged.push(one);
                    left = below;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        swap(order, &mut merged);
        merged.clear();
        len *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn like_the_standard_library(keys in prop::collection::vec(0u8..20, 0..200)) {
            let mut items: Vec<(u8, usize)> = keys.into_iter().zip(0..).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            sort_by(&mut items, |one, other| one.0.cmp(&other.0));
            prop_assert_eq!(items, expected);
        }
    }
}
