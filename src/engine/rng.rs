//! Randomness from a seed that is handed in, so that a run can be replayed.

use crate::collections::Sorted;

/// A small generator (SplitMix64): uniform, not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose sequence `seed` determines.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; 0 for an empty range.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// `count` different numbers in `0..bound`, in random order; all of them if there are no more.
    pub fn sample(&mut self, bound: usize, count: usize) -> Vec<usize> {
        if count >= bound {
            return (0..bound).collect();
        }
        if count > bound / 3 {
            let mut all: Vec<usize> = (0..bound).collect();
            for index in 0..count {
                let other = index + self.below(bound - index);
                all.swap(index, other);
            }
            all.truncate(count);
            return all;
        }
        let mut taken = Sorted::new();
        let mut sample = Vec::with_capacity(count);
        while sample.len() < count {
            let number = self.below(bound);
            if taken.insert(number, ()).is_none() {
                sample.push(number);
            }
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_no_number_twice_and_every_number_a_chance() {
        let mut rng = Rng::new(1);
        for (bound, count) in [(0, 5), (5, 5), (5, 9), (100, 3), (100, 60), (7, 1)] {
            let mut seen = vec![0usize; bound];
            for _ in 0..500 {
                let mut sample = rng.sample(bound, count);
                assert_eq!(sample.len(), count.min(bound));
                sample.iter().for_each(|number| seen[*number] += 1);
                sample.sort_unstable();
                sample.dedup();
                assert_eq!(sample.len(), count.min(bound));
            }
            assert!(seen.iter().all(|times| *times > 0), "{bound} {count}");
        }
    }
}
