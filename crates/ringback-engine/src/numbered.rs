//! Maps by numbers that we give out ourselves: nobody else can choose them, so their hash need not resist anybody.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are numbers of ours.
pub type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Spreads numbers that follow each other over all 64 bits: the map looks at the lowest and at the highest.
#[derive(Debug, Default, Clone, Copy)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::LegKey;

    #[test]
    fn what_is_put_in_is_found_and_numbers_that_follow_each_other_do_not_meet() {
        let map: Numbered<LegKey, u64> = (0..100_000).map(|n| (LegKey(n), n)).collect();

        assert!((0..100_000).all(|n| map.get(&LegKey(n)) == Some(&n)));
        let hash = |n: u64| {
            let mut hasher = Spread::default();
            hasher.write_u64(n);
            hasher.finish()
        };
        for of in [|hash: u64| hash & 0x3ff, |hash: u64| hash >> 57] {
            let mut counts = std::collections::HashMap::new();
            (0..10_240).for_each(|n| *counts.entry(of(hash(n))).or_insert(0) += 1);
            let even = 10_240 / counts.len();
            assert!(counts.len() >= 128 && counts.values().all(|n| *n <= even * 3), "{counts:?}");
        }
    }
}
