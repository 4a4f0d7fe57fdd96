//! What is counted of a stream of pictures: how many, how large, when the first and the last one came, and how often
//! it stood still.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::shared::LegCounters;

/// A stream without a new picture for this long stands still. Screens on which nothing moves send about one a second.
const FROZEN: Duration = Duration::from_secs(2);

/// So far behind the newest timestamp a packet still belongs to a picture before, and not to another stream: 2 s.
const LATE_TICKS: u32 = 180_000;

/// What moments are counted from.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One way's pictures, written by the worker and read by anybody.
#[derive(Debug, Default)]
pub struct PictureCounts {
    /// Pictures, by their timestamps.
    pub pictures: AtomicU64,
    /// Times it stood still and went on.
    pub freezes: AtomicU64,
    /// How long that was in all.
    pub frozen_ms: AtomicU64,
    /// Times another of its sender's layers was given.
    pub layer_switches: AtomicU64,
    timestamp: AtomicU32,
    layer: AtomicU32,
    /// Width and height of the last key frame, 16 bits each; 0 is unknown.
    size: AtomicU32,
    /// Milliseconds since `EPOCH` and 1; 0 is never.
    first: AtomicU64,
    last: AtomicU64,
    /// The last one since it was agreed to run, from which freezes are counted; 0 while it rests.
    runs_from: AtomicU64,
}

impl PictureCounts {
    /// A packet of a picture went by at `now`; `size` where it is of a key frame that tells it.
    pub fn note(&self, now: Instant, timestamp: u32, layer: u8, size: Option<(u16, u16)>) {
        if let Some((width, height)) = size {
            self.size.store(u32::from(width) << 16 | u32::from(height), Relaxed);
        }
        let at = since_epoch(now) + 1;
        let is_first = self.last.swap(at, Relaxed) == 0;
        if is_first {
            self.first.store(at, Relaxed);
        }
        // Of a picture before: it came again, or late.
        let behind = self.timestamp.load(Relaxed).wrapping_sub(timestamp);
        if behind < LATE_TICKS && !is_first {
            return;
        }
        self.timestamp.store(timestamp, Relaxed);
        LegCounters::add(&self.pictures, 1);
        let switched = self.layer.swap(u32::from(layer), Relaxed) != u32::from(layer) && !is_first;
        LegCounters::add(&self.layer_switches, u64::from(switched));
        let before = self.runs_from.swap(at, Relaxed);
        let still = at.saturating_sub(before);
        if before > 0 && u128::from(still) >= FROZEN.as_millis() {
            LegCounters::add(&self.freezes, 1);
            LegCounters::add(&self.frozen_ms, still);
        }
    }

    /// It is not to run any more, or anew: what is missing from here to the next picture is no freeze.
    pub fn rest(&self) {
        self.runs_from.store(0, Relaxed);
    }

    /// Width and height of the last key frame that told them.
    pub fn size(&self) -> Option<(u16, u16)> {
        let size = self.size.load(Relaxed);
        (size > 0).then_some(((size >> 16) as u16, size as u16))
    }

    /// How long ago the first packet went by, and the last one.
    pub fn since(&self, now: Instant) -> Option<(Duration, Duration)> {
        let ago = |at: &AtomicU64| {
            let at = at.load(Relaxed).checked_sub(1)?;
            Some(Duration::from_millis(since_epoch(now).saturating_sub(at)))
        };
        Some((ago(&self.first)?, ago(&self.last)?))
    }
}

/// How long each of a few ways of giving something lasted.
#[derive(Debug, Default)]
pub struct WayTimes {
    lasted_ms: [AtomicU64; 7],
    noted: AtomicU64,
}

impl WayTimes {
    /// At `now` it is done in the way of that number, as it was since the last look.
    pub fn note(&self, way: usize, now: Instant) {
        let at = since_epoch(now) + 1;
        let before = self.noted.swap(at, Relaxed);
        if before > 0
            && let Some(lasted) = self.lasted_ms.get(way)
        {
            LegCounters::add(lasted, at.saturating_sub(before));
        }
    }

    /// Milliseconds in each way.
    pub fn lasted_ms(&self) -> [u64; 7] {
        std::array::from_fn(|way| self.lasted_ms[way].load(Relaxed))
    }
}

fn since_epoch(now: Instant) -> u64 {
    now.saturating_duration_since(*EPOCH).as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> impl Fn(u64) -> Instant {
        let start = *EPOCH + Duration::from_secs(1);
        move |ms| start + Duration::from_millis(ms)
    }

    #[test]
    fn packets_of_one_timestamp_are_one_picture_and_two_seconds_without_one_are_a_freeze() {
        let (counts, at) = (PictureCounts::default(), clock());

        for (ms, timestamp, size) in
            [(0, 0, Some((640, 360))), (1, 0, None), (66, 9000, None), (2066, 18_000, None), (2067, 9000, None)]
        {
            counts.note(at(ms), timestamp, 0, size);
        }

        assert_eq!(counts.pictures.load(Relaxed), 3);
        assert_eq!((counts.freezes.load(Relaxed), counts.frozen_ms.load(Relaxed)), (1, 2000));
        assert_eq!(counts.size(), Some((640, 360)));
        assert_eq!(counts.since(at(3067)), Some((Duration::from_millis(3067), Duration::from_millis(1000))));
    }

    #[test]
    fn a_rest_is_no_freeze_and_another_layer_is_a_switch() {
        let (counts, at) = (PictureCounts::default(), clock());

        counts.note(at(0), 0, 1, None);
        counts.rest();
        counts.note(at(9000), 1, 0, None);
        counts.note(at(9066), 2, 0, None);

        assert_eq!((counts.freezes.load(Relaxed), counts.layer_switches.load(Relaxed)), (0, 1));
    }

    #[test]
    fn each_way_lasts_from_the_look_before_to_the_look_that_finds_it() {
        let (ways, at) = (WayTimes::default(), clock());

        for (ms, way) in [(0, 2), (250, 2), (500, 3), (750, 3)] {
            ways.note(way, at(ms));
        }

        assert_eq!(ways.lasted_ms(), [0, 0, 250, 500, 0, 0, 0]);
    }
}
