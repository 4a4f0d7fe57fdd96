//! When rooms tick: at one of a few moments of every 20 ms, so that a wake-up serves many of them and none serves all.

use std::time::{Duration, Instant};

use crate::sound::TICK;

/// Moments of a tick.
const MOMENTS: usize = 20;
/// From one to the next.
pub const APART: Duration = TICK.checked_div(MOMENTS as u32).expect("not by zero");

/// How many rooms tick at each moment.
pub struct Moments {
    /// What they are counted from.
    began: Instant,
    rooms: [usize; MOMENTS],
}

impl Moments {
    /// None tick yet. Workers that begin a part of `APART` from each other do not all have work at once.
    pub fn new(began: Instant) -> Moments {
        Moments { began, rooms: [0; MOMENTS] }
    }

    /// The next time after `now` at which one more room is to tick: among the moments with fewest rooms the first.
    pub fn take(&mut self, now: Instant) -> Instant {
        let passed = (now.saturating_duration_since(self.began).as_nanos() / APART.as_nanos()) as u64;
        let coming = passed + 1..=passed + MOMENTS as u64;
        let least = coming.min_by_key(|number| self.rooms[moment(*number)]).expect("there are some");
        self.rooms[moment(least)] += 1;
        self.began + Duration::from_nanos(least * APART.as_nanos() as u64)
    }

    /// A room ticks no longer; `at` is any of its times.
    pub fn give_back(&mut self, at: Instant) {
        let passed = (at.saturating_duration_since(self.began).as_nanos() / APART.as_nanos()) as u64;
        let rooms = &mut self.rooms[moment(passed)];
        debug_assert!(*rooms > 0, "it was taken");
        *rooms = rooms.saturating_sub(1);
    }
}

fn moment(number: u64) -> usize {
    (number % MOMENTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_shared_out_over_the_moments_of_a_tick() {
        let began = Instant::now();
        let mut moments = Moments::new(began);
        let now = began + Duration::from_micros(5_300);

        let mut times: Vec<Instant> = (0..3 * MOMENTS).map(|_| moments.take(now)).collect();

        assert_eq!(times[0], began + Duration::from_millis(6));
        assert!(times.iter().all(|at| *at > now && *at <= now + TICK));
        times.sort_unstable();
        assert!(times.chunk_by(|a, b| a == b).all(|same| same.len() == 3));
        assert_eq!(moments.rooms, [3; MOMENTS]);
    }

    #[test]
    fn a_moment_that_is_given_back_is_the_next_to_be_taken() {
        let mut moments = Moments::new(Instant::now());
        let times: Vec<Instant> = (0..MOMENTS).map(|_| moments.take(moments.began)).collect();

        moments.give_back(times[4] + TICK * 700);

        assert_eq!(moments.take(moments.began), times[4]);
    }
}
