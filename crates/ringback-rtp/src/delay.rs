//! How long packets of one stream have to be held so that nearly all of them are there in time.

/// Width of a histogram bucket and how many there are: 0 to 400 ms.
const BUCKET_US: i64 = 2_000;
const BUCKETS: usize = 200;
/// An observation weighs half after about 350 others (7 s of 20 ms packets).
const FORGET: f64 = 0.998;
/// The fastest packet is looked for in the last one to two windows.
const WINDOW_US: i64 = 5_000_000;

/// Transit times of a stream: the fastest recent one, and how far behind it the others arrive.
///
/// A *transit* is arrival time minus media time, in microseconds on two unrelated clocks, so only differences mean
/// something. The fastest of the last 5 to 10 s is the base; it follows a clock that runs fast or slow.
#[derive(Debug, Clone)]
pub struct DelayEstimate {
    weights: [f64; BUCKETS],
    total: f64,
    weight: f64,
    window_started: i64,
    fastest: i64,
    fastest_before: i64,
}

impl Default for DelayEstimate {
    fn default() -> Self {
        Self {
            weights: [0.0; BUCKETS],
            total: 0.0,
            weight: 1.0,
            window_started: i64::MIN,
            fastest: i64::MAX,
            fastest_before: i64::MAX,
        }
    }
}

impl DelayEstimate {
    /// Take in one packet that arrived at `at_us` after `transit_us`.
    pub fn record(&mut self, at_us: i64, transit_us: i64) {
        if self.window_started == i64::MIN {
            self.window_started = at_us;
        }
        let age = at_us.saturating_sub(self.window_started);
        if age >= WINDOW_US {
            self.fastest_before = if age >= 2 * WINDOW_US { i64::MAX } else { self.fastest };
            self.fastest = i64::MAX;
            self.window_started = at_us;
        }
        self.fastest = self.fastest.min(transit_us);
        let behind = transit_us.saturating_sub(self.base_us()).max(0);
        let bucket = usize::try_from(behind / BUCKET_US).unwrap_or(BUCKETS).min(BUCKETS - 1);
        self.weights[bucket] += self.weight;
        self.total += self.weight;
        self.weight /= FORGET;
        if self.weight > 1e12 {
            self.rescale();
        }
    }

    /// From now on transits are on another scale, of which `transit_us` at `at_us` is the first. How they vary is
    /// expected to stay as it was.
    pub fn rebase(&mut self, at_us: i64, transit_us: i64) {
        self.window_started = at_us;
        self.fastest = transit_us;
        self.fastest_before = i64::MAX;
    }

    /// The fastest recent transit, in microseconds. Zero before the first packet.
    pub fn base_us(&self) -> i64 {
        match self.fastest.min(self.fastest_before) {
            i64::MAX => 0,
            base => base,
        }
    }

    /// How far behind the fastest the given share (0 to 1) of packets arrives at most, in microseconds.
    pub fn percentile_us(&self, share: f64) -> i64 {
        let mut sum = 0.0;
        for (bucket, weight) in self.weights.iter().enumerate() {
            sum += weight;
            if sum >= share * self.total {
                return if bucket == 0 { 0 } else { (bucket as i64 + 1) * BUCKET_US };
            }
        }
        BUCKETS as i64 * BUCKET_US
    }

    /// Old observations weigh less because new ones weigh more; keep the numbers small.
    fn rescale(&mut self) {
        for weight in &mut self.weights {
            *weight /= self.weight;
        }
        self.total /= self.weight;
        self.weight = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn the_percentile_of_even_jitter_is_found() {
        let mut estimate = DelayEstimate::default();
        let mut random = Random::new(3);
        for packet in 0..20_000i64 {
            let jitter = random.below(30_000) as i64;
            estimate.record(packet * 20_000 + jitter, 777_000 + jitter);
        }

        let seen = estimate.percentile_us(0.95);

        assert!((26_000..=32_000).contains(&seen), "{seen}");
    }

    #[test]
    fn the_base_follows_a_slow_clock_within_two_windows() {
        let mut estimate = DelayEstimate::default();
        for packet in 0..3000i64 {
            estimate.record(packet * 20_000, packet * 4);
        }

        let behind = 3000 * 4 - estimate.base_us();

        assert!((0..=2100).contains(&behind), "{behind}");
        assert!(estimate.percentile_us(0.95) <= 4_000);
    }

    #[test]
    fn a_calm_network_is_trusted_again_after_a_storm() {
        let mut estimate = DelayEstimate::default();
        let mut random = Random::new(4);
        for packet in 0..500i64 {
            estimate.record(packet * 20_000, random.below(150_000) as i64);
        }
        assert!(estimate.percentile_us(0.95) > 120_000);

        for packet in 500..2500i64 {
            estimate.record(packet * 20_000, 0);
        }

        assert_eq!(estimate.percentile_us(0.95), 0);
    }
}
