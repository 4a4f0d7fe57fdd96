//! One heap of wake-ups for everything the worker waits for: its cost grows with what is due, not with what exists.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Wake-ups by time; equal times in the order they were set.
#[derive(Debug)]
pub struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, u64, K)>>,
    set: u64,
}

impl<K: Ord> Default for Timers<K> {
    fn default() -> Timers<K> {
        Timers::new()
    }
}

impl<K: Ord> Timers<K> {
    /// None.
    pub fn new() -> Timers<K> {
        Timers { heap: BinaryHeap::new(), set: 0 }
    }

    /// Wake `key` at `at`. Nothing is ever taken back: whoever is woken looks whether there is something to do.
    pub fn set(&mut self, at: Instant, key: K) {
        self.set += 1;
        self.heap.push(Reverse((at, self.set, key)));
    }

    /// The earliest wake-up.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The next one that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, _, key))| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_due_comes_in_order_of_time_and_nothing_else() {
        let start = Instant::now();
        let mut timers = Timers::new();
        for (ms, key) in [(30, "c"), (10, "a"), (10, "b"), (50, "d")] {
            timers.set(start + Duration::from_millis(ms), key);
        }

        let now = start + Duration::from_millis(30);
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(now)).collect();

        assert_eq!(due, ["a", "b", "c"]);
        assert_eq!(timers.next(), Some(start + Duration::from_millis(50)));
    }
}
