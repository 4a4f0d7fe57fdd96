//! When rooms tick: at one of a few moments of every 20 ms, so that a wake-up serves many of them and none serves all.
//!
//! Waking up costs as much as a telephone does, and a moment with much to do makes the next one wait. So few rooms share
//! five moments, 4 ms apart, and with more of them more are opened, until there is one each millisecond. A room keeps its
//! moment as long as it ticks: only where new ones may go changes.

use std::time::{Duration, Instant};

use crate::sound::TICK;

/// Moments of a tick.
const MOMENTS: usize = 20;
/// From one to the next.
const APART: Duration = TICK.checked_div(MOMENTS as u32).expect("not by zero");
/// Moments that rooms are always shared out over.
const FEWEST: usize = 5;
/// Rooms for which a moment is open, beyond those.
const ROOMS_EACH: usize = 20;
/// In which order moments are opened: first five, each as far from the next, then five between these, then the others.
const ORDER: [usize; MOMENTS] = [0, 8, 16, 4, 12, 10, 18, 6, 14, 2, 1, 9, 17, 5, 13, 11, 19, 7, 15, 3];

/// How many rooms tick at each moment.
pub struct Moments {
    /// What they are counted from.
    began: Instant,
    rooms: [usize; MOMENTS],
}

/// When one of several workers counts from: where they share a processor none has work at the moments of the others, be
/// five of these in use or all.
pub fn begin(first: Instant, worker: usize, workers: usize) -> Instant {
    let (worker, workers) = (worker as u32, workers.max(1) as u32);
    let whole = worker * (MOMENTS / FEWEST) as u32 / workers;
    first + APART * whole + APART * ((workers - worker) % workers) / workers
}

impl Moments {
    /// None tick yet.
    pub fn new(began: Instant) -> Moments {
        Moments { began, rooms: [0; MOMENTS] }
    }

    /// The next time after `now` at which one more room is to tick: among the open moments with fewest rooms the first.
    pub fn take(&mut self, now: Instant) -> Instant {
        let passed = self.number(now);
        let open = &ORDER[..self.open()];
        let coming = (passed + 1..=passed + MOMENTS as u64).filter(|number| open.contains(&moment(*number)));
        let least = coming.min_by_key(|number| self.rooms[moment(*number)]).expect("some are open");
        self.rooms[moment(least)] += 1;
        self.began + Duration::from_nanos(least * APART.as_nanos() as u64)
    }

    /// A room ticks no longer; `at` is any of its times.
    pub fn give_back(&mut self, at: Instant) {
        let rooms = &mut self.rooms[moment(self.number(at))];
        debug_assert!(*rooms > 0, "it was taken");
        *rooms = rooms.saturating_sub(1);
    }

    /// How many moments one more room may go to.
    fn open(&self) -> usize {
        let rooms = self.rooms.iter().sum::<usize>() + 1;
        rooms.div_ceil(ROOMS_EACH).clamp(FEWEST, MOMENTS)
    }

    /// How many moments have passed.
    fn number(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.began).as_nanos() / APART.as_nanos()) as u64
    }
}

fn moment(number: u64) -> usize {
    (number % MOMENTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments() -> Moments {
        Moments::new(Instant::now())
    }

    fn take(moments: &mut Moments, rooms: usize) -> Vec<Instant> {
        let now = moments.began + Duration::from_micros(5_300);
        (0..rooms).map(|_| moments.take(now)).collect()
    }

    #[test]
    fn few_rooms_share_five_moments_evenly_apart() {
        let mut moments = moments();

        let mut times = take(&mut moments, 30);

        assert_eq!(times[0], moments.began + Duration::from_millis(8));
        times.sort_unstable();
        let apart = Duration::from_millis(4);
        assert!(times.chunk_by(|a, b| a == b).all(|same| same.len() == 6));
        times.dedup();
        assert!(times.len() == 5 && times.windows(2).all(|two| two[1] - two[0] == apart), "{times:?}");
    }

    #[test]
    fn with_more_rooms_more_moments_open_until_all_have_as_many() {
        let mut moments = moments();
        let used = |moments: &Moments| moments.rooms.iter().filter(|rooms| **rooms > 0).count();

        take(&mut moments, 100);
        assert_eq!((used(&moments), moments.rooms[0]), (5, 20));
        take(&mut moments, 1);
        assert_eq!((used(&moments), moments.rooms[10]), (6, 1), "between two that were open");
        take(&mut moments, 99);
        assert_eq!(used(&moments), 10);
        take(&mut moments, 400);

        assert_eq!(moments.rooms, [30; MOMENTS]);
    }

    #[test]
    fn a_room_ticks_within_twenty_milliseconds_and_never_at_once() {
        let mut moments = moments();
        for n in 0..1_000 {
            let now = moments.began + Duration::from_micros(n * 377);
            let at = moments.take(now);
            assert!(at > now && at <= now + TICK);
        }
    }

    #[test]
    fn a_moment_that_is_given_back_is_the_next_to_be_taken() {
        let mut moments = moments();
        let times = take(&mut moments, 2 * FEWEST);

        moments.give_back(times[4] + TICK * 700);

        assert_eq!(take(&mut moments, 1), [times[4]]);
    }

    #[test]
    fn when_rooms_go_those_left_keep_their_moments_and_new_ones_go_to_the_first_five() {
        let mut moments = moments();
        let times = take(&mut moments, 400);
        assert_eq!(moments.rooms, [20; MOMENTS]);

        times[..390].iter().for_each(|at| moments.give_back(*at));
        let new = take(&mut moments, 50);

        assert!(new.iter().all(|at| ORDER[..FEWEST].contains(&moment(moments.number(*at)))));
        assert_eq!(moments.rooms.iter().sum::<usize>(), 60);
    }

    #[test]
    fn workers_do_not_have_work_at_the_same_time() {
        let first = Instant::now();
        for workers in 1..=4 {
            let places = |in_use: usize| {
                let mut places: Vec<u128> = (0..workers)
                    .flat_map(|worker| ORDER[..in_use].iter().map(move |moment| (worker, *moment as u32)))
                    .map(|(worker, moment)| begin(first, worker, workers) + APART * moment - first)
                    .map(|place| place.as_nanos() % TICK.as_nanos())
                    .collect();
                places.sort_unstable();
                places.windows(2).map(|two| two[1] - two[0]).min().unwrap()
            };
            let least = |in_use: usize| TICK.as_nanos() / (in_use * workers) as u128 / 2;
            assert!(places(FEWEST) >= least(FEWEST) && places(MOMENTS) >= least(MOMENTS), "{workers}");
        }
    }
}
