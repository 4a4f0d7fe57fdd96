//! A bad network between a far end and the server, the same one for the same seed.

use std::time::Duration;

/// What becomes of each packet on its way.
#[derive(Debug, Clone)]
pub struct Impairment {
    /// Share of packets that are lost, 0 to 1.
    pub loss: f64,
    /// Packets lost together, on average; 1 for losses that know nothing of each other.
    pub burst: f64,
    /// Most that a packet is held; each as long as chance says.
    pub jitter: Duration,
    state: u64,
    losing: bool,
}

impl Impairment {
    /// A network that does nothing, until its fields are set.
    pub fn new(seed: u64) -> Impairment {
        Impairment { loss: 0.0, burst: 1.0, jitter: Duration::ZERO, state: seed, losing: false }
    }

    /// How long the next packet is held; `None`: it is lost.
    pub fn fate(&mut self) -> Option<Duration> {
        // Gilbert's two states: the bad one loses everything, and is left after `burst` packets on average.
        let (leaves, enters) = (1.0 / self.burst.max(1.0), self.loss / (1.0 - self.loss).max(1e-9));
        let chance = self.chance();
        self.losing = if self.losing { chance >= leaves } else { chance < enters * leaves };
        if self.losing {
            return None;
        }
        Some(self.jitter.mul_f64(self.chance()))
    }

    /// SplitMix64, 0 to 1.
    fn chance(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_lost_as_was_asked_for_in_groups_as_long_as_was_asked_for() {
        for (loss, burst) in [(0.0, 1.0), (0.05, 1.0), (0.05, 3.0), (0.1, 5.0)] {
            let mut network = Impairment { loss, burst, ..Impairment::new(7) };
            let fates: Vec<bool> = (0..200_000).map(|_| network.fate().is_none()).collect();

            let lost = fates.iter().filter(|lost| **lost).count() as f64;
            let groups = fates.windows(2).filter(|pair| pair[1] && !pair[0]).count() as f64;

            assert!((lost / 200_000.0 - loss).abs() < 0.005, "{loss}: {}", lost / 200_000.0);
            assert!(loss == 0.0 || (lost / groups / burst - 1.0).abs() < 0.15, "{burst}: {}", lost / groups);
        }
    }

    #[test]
    fn the_same_seed_is_the_same_network() {
        let make = |seed| {
            let jitter = Duration::from_millis(30);
            let mut network = Impairment { loss: 0.1, jitter, ..Impairment::new(seed) };
            (0..100).map(|_| network.fate()).collect::<Vec<_>>()
        };

        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
        assert!(make(3).iter().flatten().all(|held| *held <= Duration::from_millis(30)));
    }
}
