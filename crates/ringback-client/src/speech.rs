//! What a bot has to say: queued however fast it comes, taken 20 ms at a time, cut off at once when it is interrupted.
//!
//! Positions are counted in samples since the first one ever queued. A mark stands behind a piece of speech; it is
//! reached when less than 20 ms of that piece are left, so that who waits for it has time to bring the next one.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

/// Most that waits to be spoken, in seconds.
const MOST_SECONDS: usize = 600;
/// Most pieces that wait.
const MOST_MARKS: usize = 100_000;
/// Ticks of silence within which the next piece belongs to the same talk: it came too late.
const SAME_TALK: u32 = 15;

/// What is left of a piece that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Its mark.
    pub mark: u64,
    /// How many of its samples have gone out.
    pub said: u64,
}

/// What a flush did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Samples of the present talk that have gone out.
    pub said: u64,
    /// Samples that never will.
    pub dropped: u64,
    /// The pieces that were not said to their end, oldest first.
    pub cut: Vec<Cut>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    mark: u64,
    begins: u64,
    ends: u64,
}

#[derive(Debug, Default)]
struct Queue {
    samples: VecDeque<i16>,
    pieces: VecDeque<Piece>,
    /// Samples ever queued and ever taken.
    queued: u64,
    taken: u64,
    /// Where the present talk began.
    began: u64,
    /// The last tick left less than 20 ms, which wait for more.
    waits: bool,
    /// Ticks since something was taken; counted while the talk was not ended on purpose.
    dry: Option<u32>,
}

/// What a tick takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Marks that are reached.
    pub marks: Vec<u64>,
    /// This is the first of a talk's next piece, which came too late.
    pub late: bool,
}

/// The queue of one call; int16 mono.
#[derive(Debug)]
pub struct Speech {
    frame: usize,
    most: usize,
    queue: Mutex<Queue>,
}

impl Speech {
    /// Nothing to say, at `rate` samples per second.
    pub fn new(rate: u32) -> Speech {
        Speech { frame: rate as usize / 50, most: MOST_SECONDS * rate as usize, queue: Mutex::default() }
    }

    /// Queue a piece; `false` when it would be more than ten minutes: then nothing is queued.
    pub fn push(&self, samples: impl ExactSizeIterator<Item = i16>, mark: Option<u64>) -> bool {
        let mut queue = self.lock();
        let full = queue.samples.len() + samples.len() > self.most;
        if full || mark.is_some() && queue.pieces.len() >= MOST_MARKS {
            return false;
        }
        let begins = queue.queued;
        queue.queued += samples.len() as u64;
        queue.samples.extend(samples);
        if let Some(mark) = mark {
            let ends = queue.queued;
            queue.pieces.push_back(Piece { mark, begins, ends });
        }
        true
    }

    /// Samples that wait.
    pub fn waiting(&self) -> usize {
        self.lock().samples.len()
    }

    /// The next 20 ms into `out`: nothing in silence, the last of a talk filled up with silence.
    pub fn take(&self, out: &mut Vec<i16>) -> Taken {
        let mut queue = self.lock();
        let there = queue.samples.len();
        let mut taken = Taken::default();
        if there < self.frame && !(there > 0 && queue.waits) {
            // What is less than 20 ms waits a tick for the rest.
            queue.waits = there > 0;
            queue.dry = queue.dry.map(|ticks| ticks.saturating_add(1));
        } else {
            let n = there.min(self.frame);
            taken.late = queue.dry.is_some_and(|ticks| (1..SAME_TALK).contains(&ticks));
            if queue.dry.is_none_or(|ticks| ticks >= SAME_TALK) {
                queue.began = queue.taken;
            }
            queue.dry = Some(0);
            out.extend(queue.samples.drain(..n));
            out.resize(self.frame, 0);
            queue.taken += n as u64;
            queue.waits = false;
        }
        let reached = queue.taken + self.frame as u64;
        while let Some(piece) = queue.pieces.front().filter(|piece| piece.ends < reached) {
            taken.marks.push(piece.mark);
            queue.pieces.pop_front();
        }
        taken
    }

    /// Cut it off: what has not gone out never will.
    pub fn flush(&self) -> Flushed {
        let mut queue = self.lock();
        let taken = queue.taken;
        let said = if queue.dry.is_some_and(|ticks| ticks < SAME_TALK) { taken - queue.began } else { 0 };
        let dropped = queue.samples.len() as u64;
        let pieces = std::mem::take(&mut queue.pieces);
        let cut = |piece: Piece| Cut { mark: piece.mark, said: taken.saturating_sub(piece.begins) };
        queue.samples.clear();
        queue.taken = queue.queued;
        queue.waits = false;
        queue.dry = None;
        Flushed { said, dropped, cut: pieces.into_iter().map(cut).collect() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(speech: &Speech) -> (Vec<i16>, Taken) {
        let mut out = Vec::new();
        let taken = speech.take(&mut out);
        (out, taken)
    }

    fn marks(speech: &Speech) -> Vec<u64> {
        tick(speech).1.marks
    }

    #[test]
    fn a_burst_comes_out_whole_in_order_and_20_ms_at_a_time() {
        let speech = Speech::new(8000);
        for piece in 0..10i16 {
            assert!(speech.push((0..800).map(move |n| piece * 800 + n), None));
        }

        let said: Vec<i16> = (0..50).flat_map(|_| tick(&speech).0).collect();

        assert_eq!(said, (0..8000).collect::<Vec<i16>>());
        assert!(tick(&speech).0.is_empty());
    }

    #[test]
    fn a_mark_is_reached_early_enough_to_bring_the_next_piece_without_a_gap() {
        let speech = Speech::new(8000);
        assert!(speech.push([1; 320].into_iter(), Some(1)));

        assert_eq!(marks(&speech), []);
        assert_eq!(marks(&speech), [1]);
        assert!(speech.push([2; 240].into_iter(), Some(2)));
        assert_eq!(marks(&speech), [2], "its last 10 ms wait for what comes next");
        assert!(speech.push([3; 80].into_iter(), Some(3)));
        let (said, taken) = tick(&speech);

        assert_eq!((&said[..80], &said[80..]), (&[2; 80][..], &[3; 80][..]));
        assert_eq!(taken, Taken { marks: vec![3], late: false });
    }

    #[test]
    fn the_end_of_a_talk_is_said_after_a_tick_without_more() {
        let speech = Speech::new(8000);
        assert!(speech.push([5; 200].into_iter(), None));

        let said: Vec<usize> = (0..4).map(|_| tick(&speech).0.iter().filter(|s| **s == 5).count()).collect();

        assert_eq!(said, [160, 0, 40, 0]);
    }

    #[test]
    fn a_flush_says_how_much_was_said_of_what() {
        let speech = Speech::new(8000);
        assert!(speech.push([1; 320].into_iter(), Some(1)));
        assert!(speech.push([2; 800].into_iter(), Some(2)));
        (0..3).for_each(|_| drop(tick(&speech)));

        let flushed = speech.flush();

        assert_eq!(flushed, Flushed { said: 480, dropped: 640, cut: vec![Cut { mark: 2, said: 160 }] });
        assert!(tick(&speech).0.is_empty());
        assert!(speech.push([3; 160].into_iter(), None));
        assert_eq!(tick(&speech), (vec![3; 160], Taken::default()), "what is said next is not late");
        assert_eq!(speech.flush(), Flushed { said: 160, dropped: 0, cut: vec![] });
    }

    #[test]
    fn a_piece_that_comes_a_little_late_is_late_and_one_after_a_pause_is_not() {
        let speech = Speech::new(8000);
        let piece = || assert!(speech.push([1; 160].into_iter(), None));
        piece();
        tick(&speech);
        tick(&speech);
        piece();

        assert!(tick(&speech).1.late);
        (0..SAME_TALK).for_each(|_| drop(tick(&speech)));
        piece();
        assert!(!tick(&speech).1.late);
    }

    #[test]
    fn more_than_ten_minutes_are_refused_whole() {
        let speech = Speech::new(8000);

        assert!(speech.push(vec![0; 8000 * 600].into_iter(), None));
        assert!(!speech.push([0].into_iter(), None));
        assert_eq!(speech.waiting(), 8000 * 600);
    }
}
