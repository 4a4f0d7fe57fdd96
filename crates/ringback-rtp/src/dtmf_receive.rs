//! Key presses out of telephone-events: one press per event, whatever is lost or comes twice (RFC 4733 §2.5.2).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const DIGITS: &[u8; 16] = b"0123456789*#ABCD";
/// An event that falls silent without its end is over.
const LOST_END: Duration = Duration::from_millis(200);
/// Nobody holds a key longer; what goes on is not reported again.
const LONGEST_MS: u64 = 60_000;
/// Events remembered so that their stragglers are not taken for new presses.
const REMEMBERED: usize = 8;
/// Presses that wait to be polled; more are dropped.
const WAITING: usize = 32;

/// A key that was pressed and released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPress {
    /// `0`–`9`, `*`, `#`, `A`–`D`.
    pub digit: char,
    /// How long it sounded, at most 60 s.
    pub duration_ms: u32,
    /// Power, in dBm0 without its sign: 0 (loud) to 63.
    pub volume: u8,
}

#[derive(Debug, Clone, Copy)]
struct Sounding {
    timestamp: u32,
    event: u8,
    volume: u8,
    /// Ticks of earlier segments of a long event (§2.5.1.3), and of this one.
    before: u64,
    duration: u16,
    last_heard: Instant,
}

/// Takes telephone-event payloads, gives presses.
#[derive(Debug)]
pub struct DtmfReceiver {
    clock_rate: u32,
    sounding: Option<Sounding>,
    reported: VecDeque<(u32, u8)>,
    waiting: VecDeque<KeyPress>,
    malformed: u64,
}

impl DtmfReceiver {
    /// `clock_rate` is that of the telephone-event payload type.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: clock_rate.max(1000),
            sounding: None,
            reported: VecDeque::new(),
            waiting: VecDeque::new(),
            malformed: 0,
        }
    }

    /// A telephone-event payload came. Presses are then had from `poll`.
    pub fn push(&mut self, now: Instant, timestamp: u32, marker: bool, payload: &[u8]) {
        let &[event, flags, high, low, ..] = payload else {
            self.malformed += 1;
            return;
        };
        if usize::from(event) >= DIGITS.len() {
            self.malformed += 1;
            return;
        }
        if self.reported.contains(&(timestamp, event)) {
            return;
        }
        let duration = u16::from_be_bytes([high, low]);
        let Some(sounding) = self.follow(now, timestamp, event, marker) else { return };
        sounding.duration = sounding.duration.max(duration);
        sounding.volume = flags & 0x3f;
        sounding.last_heard = now;
        let too_long = sounding.before + u64::from(sounding.duration) > LONGEST_MS * u64::from(self.clock_rate) / 1000;
        if flags & 0x80 != 0 || too_long {
            self.release();
        }
    }

    /// The event this packet belongs to; `None` when it is older than the one that sounds.
    fn follow(&mut self, now: Instant, timestamp: u32, event: u8, marker: bool) -> Option<&mut Sounding> {
        if let Some(sounding) = self.sounding {
            let step = timestamp.wrapping_sub(sounding.timestamp);
            if step != 0 && step > u32::MAX / 2 {
                return None;
            }
            // §2.5.1.3: an event longer than its duration field goes on as a new segment, without a marker.
            let segment = step != 0 && !marker && event == sounding.event && sounding.duration >= 0xf000;
            if segment && step <= u32::from(u16::MAX) {
                self.remember(sounding.timestamp, sounding.event);
                let before = sounding.before + u64::from(step);
                self.sounding = Some(Sounding { timestamp, before, duration: 0, ..sounding });
            } else if step != 0 || event != sounding.event {
                self.release();
            }
        }
        Some(self.sounding.get_or_insert(Sounding {
            timestamp,
            event,
            volume: 0,
            before: 0,
            duration: 0,
            last_heard: now,
        }))
    }

    /// The next press, if one is complete by `now`.
    pub fn poll(&mut self, now: Instant) -> Option<KeyPress> {
        if self.sounding.is_some_and(|sounding| now.saturating_duration_since(sounding.last_heard) >= LOST_END) {
            self.release();
        }
        self.waiting.pop_front()
    }

    /// Whether a key is held down (the stream carries no speech meanwhile).
    pub fn is_sounding(&self) -> bool {
        self.sounding.is_some()
    }

    /// Payloads that were no telephone-event of ours.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    fn release(&mut self) {
        let Some(sounding) = self.sounding.take() else { return };
        self.remember(sounding.timestamp, sounding.event);
        let ticks = sounding.before + u64::from(sounding.duration);
        if ticks == 0 || self.waiting.len() >= WAITING {
            return;
        }
        let duration_ms = (ticks * 1000 / u64::from(self.clock_rate)).min(LONGEST_MS) as u32;
        let digit = char::from(DIGITS[usize::from(sounding.event)]);
        self.waiting.push_back(KeyPress { digit, duration_ms, volume: sounding.volume });
    }

    fn remember(&mut self, timestamp: u32, event: u8) {
        if self.reported.len() >= REMEMBERED {
            self.reported.pop_front();
        }
        self.reported.push_back((timestamp, event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    struct Line {
        receiver: DtmfReceiver,
        now: Instant,
        heard: Vec<(char, u32, u8)>,
    }

    impl Line {
        fn new() -> Self {
            Self { receiver: DtmfReceiver::new(8000), now: Instant::now(), heard: Vec::new() }
        }

        /// One packet, then 20 ms.
        fn packet(&mut self, timestamp: u32, event: u8, end: bool, duration: u16) {
            let flags = 10 | if end { 0x80 } else { 0 };
            let [high, low] = duration.to_be_bytes();
            self.receiver.push(self.now, timestamp, duration == 160, &[event, flags, high, low]);
            self.pass(20);
        }

        fn pass(&mut self, milliseconds: u64) {
            self.now += Duration::from_millis(milliseconds);
            while let Some(press) = self.receiver.poll(self.now) {
                self.heard.push((press.digit, press.duration_ms, press.volume));
            }
        }
    }

    #[test]
    fn a_press_is_reported_once_though_its_end_comes_three_times() {
        let mut line = Line::new();
        for tick in 1..=5 {
            line.packet(1000, 5, false, tick * 160);
        }
        for _ in 0..3 {
            line.packet(1000, 5, true, 800);
        }
        line.packet(1000, 5, false, 640);

        assert_eq!(line.heard, [('5', 100, 10)]);
    }

    #[test]
    fn a_press_whose_ends_are_lost_is_reported_when_it_falls_silent() {
        let mut line = Line::new();
        for tick in 1..=5 {
            line.packet(1000, 11, false, tick * 160);
        }
        assert_eq!(line.heard, []);

        line.pass(200);
        line.packet(1000, 11, true, 800);

        assert_eq!(line.heard, [('#', 100, 10)]);
    }

    #[test]
    fn a_press_whose_ends_are_lost_is_reported_before_the_next_one() {
        let mut line = Line::new();
        line.packet(1000, 1, false, 160);
        line.packet(1000, 1, false, 320);
        line.packet(2000, 1, false, 160);
        line.packet(2000, 1, true, 480);

        assert_eq!(line.heard, [('1', 40, 10), ('1', 60, 10)]);
    }

    #[test]
    fn a_press_of_which_only_one_end_arrives_is_reported() {
        let mut line = Line::new();
        line.packet(1000, 15, true, 800);

        assert_eq!(line.heard, [('D', 100, 10)]);
    }

    #[test]
    fn the_same_digit_twice_is_two_presses() {
        let mut line = Line::new();
        for timestamp in [1000, 2600] {
            line.packet(timestamp, 7, false, 160);
            line.packet(timestamp, 7, true, 320);
            line.packet(timestamp, 7, true, 320);
        }

        assert_eq!(line.heard, [('7', 40, 10), ('7', 40, 10)]);
    }

    #[test]
    fn a_straggler_of_an_older_event_does_not_end_the_present_one() {
        let mut line = Line::new();
        line.packet(2000, 2, false, 160);
        line.packet(1000, 1, true, 800);
        line.packet(2000, 2, true, 800);

        assert_eq!(line.heard, [('2', 100, 10)]);
    }

    #[test]
    fn a_key_held_beyond_the_duration_field_is_one_press() {
        let mut line = Line::new();
        line.packet(0, 3, false, 160);
        line.packet(0, 3, false, 0xffff);
        line.packet(0xffff, 3, false, 161);
        line.packet(0xffff, 3, true, 8000);

        assert_eq!(line.heard, [('3', (0xffff + 8000) / 8, 10)]);
    }

    #[test]
    fn a_key_that_never_ends_is_cut_at_a_minute_and_reported_once() {
        let mut line = Line::new();
        for segment in 0..10u32 {
            line.packet(segment * 0xffff, 3, false, if segment == 0 { 160 } else { 161 });
            line.packet(segment * 0xffff, 3, false, 0xffff);
        }
        line.pass(500);

        assert_eq!(line.heard[0], ('3', 60_000, 10));
    }

    #[test]
    fn what_is_no_digit_is_counted_and_ignored() {
        let mut line = Line::new();
        line.packet(1000, 16, true, 800);
        line.receiver.push(line.now, 5, true, &[1, 2, 3]);
        line.packet(3000, 4, true, 0);
        line.pass(300);

        assert_eq!(line.heard, []);
        assert_eq!(line.receiver.malformed(), 2);
    }

    #[test]
    fn any_bytes_are_survived_and_the_queue_stays_bounded() {
        let mut random = Random::new(9);
        let mut receiver = DtmfReceiver::new(8000);
        let now = Instant::now();
        for _ in 0..100_000 {
            let payload = random.bytes(8);
            receiver.push(now, random.next() as u32, random.below(2) == 0, &payload);
        }

        let mut count = 0;
        while receiver.poll(now).is_some() {
            count += 1;
        }

        assert!(count <= WAITING);
    }
}
