//! Digits into telephone-events, paced by the caller's 20 ms ticks (RFC 4733 §2.5.1).

use std::collections::VecDeque;

/// Length of a tick.
const TICK_MS: u32 = 20;
/// §2.5.1.4: the end is sent three times.
const ENDS: u8 = 3;
/// A `w` or `,` among the digits.
const PAUSE_MS: u32 = 1000;
/// −10 dBm0.
const VOLUME: u8 = 10;
/// Digits that may wait; more are refused.
pub const MAX_QUEUED_DIGITS: usize = 128;

/// The telephone-event packet of a tick, to be sent in place of speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// Set on the first packet of an event.
    pub marker: bool,
    /// Where the event began; the same in all its packets.
    pub timestamp: u32,
    /// Event, end and volume, duration.
    pub payload: [u8; 4],
}

#[derive(Debug, Clone, Copy)]
enum Item {
    Digit { event: u8, duration_ms: u32, gap_ms: u32 },
    Pause,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Sounding { event: u8, timestamp: u32, sent: u32, total: u32, gap_ms: u32 },
    Ending { event: u8, timestamp: u32, duration: u16, left: u8, gap_ms: u32 },
    Resting { left: u32 },
}

/// A queue of digits on their way out.
#[derive(Debug)]
pub struct DtmfSender {
    clock_rate: u32,
    queue: VecDeque<Item>,
    state: State,
}

impl DtmfSender {
    /// `clock_rate` is that of the telephone-event payload type.
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate: clock_rate.max(1000), queue: VecDeque::new(), state: State::Idle }
    }

    /// The payload type's clock changed (a new offer/answer). What sounds goes on.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate.max(1000);
    }

    /// Queue digits behind those already there. `0`–`9 * # A`–`D`; `w` and `,` wait a second; others are left out.
    ///
    /// `duration_ms` is held between 40 ms and what the duration field can say, `gap_ms` to at least 40 ms.
    /// Returns how many were queued: at most [`MAX_QUEUED_DIGITS`] wait.
    pub fn queue(&mut self, digits: &str, duration_ms: u32, gap_ms: u32) -> usize {
        let longest = u32::from(u16::MAX) / (self.clock_rate / 1000);
        let duration_ms = duration_ms.clamp(40, longest.max(40));
        let gap_ms = gap_ms.clamp(40, 10_000);
        let before = self.queue.len();
        for character in digits.chars() {
            if self.queue.len() >= MAX_QUEUED_DIGITS {
                break;
            }
            match event(character) {
                Some(event) => self.queue.push_back(Item::Digit { event, duration_ms, gap_ms }),
                None if matches!(character, 'w' | 'W' | ',') => self.queue.push_back(Item::Pause),
                None => {}
            }
        }
        self.queue.len() - before
    }

    /// Whether digits are waiting or sounding.
    pub fn is_busy(&self) -> bool {
        !self.queue.is_empty() || !matches!(self.state, State::Idle)
    }

    /// Forget what waits; what sounds is ended properly.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// 20 ms pass, beginning at `timestamp` of the speech clock. `Some`: send this instead of speech.
    pub fn tick(&mut self, timestamp: u32) -> Option<EventPacket> {
        if let State::Resting { left } = self.state {
            if left > 0 {
                self.state = State::Resting { left: left - 1 };
                return None;
            }
            self.state = State::Idle;
        }
        if let State::Idle = self.state {
            self.begin(timestamp);
        }
        match self.state {
            State::Sounding { .. } => Some(self.sound()),
            State::Ending { .. } => Some(self.end()),
            State::Idle | State::Resting { .. } => None,
        }
    }

    fn begin(&mut self, timestamp: u32) {
        self.state = match self.queue.pop_front() {
            None => State::Idle,
            Some(Item::Pause) => State::Resting { left: PAUSE_MS / TICK_MS - 1 },
            Some(Item::Digit { event, duration_ms, gap_ms }) => {
                State::Sounding { event, timestamp, sent: 0, total: duration_ms.div_ceil(TICK_MS), gap_ms }
            }
        };
    }

    fn sound(&mut self) -> EventPacket {
        let State::Sounding { event, timestamp, sent, total, gap_ms } = self.state else {
            unreachable!("sound is called while a digit sounds")
        };
        let sent = sent + 1;
        let ticks = sent * (self.clock_rate / 1000 * TICK_MS);
        let duration = u16::try_from(ticks).unwrap_or(u16::MAX);
        let marker = sent == 1;
        if sent < total {
            self.state = State::Sounding { event, timestamp, sent, total, gap_ms };
            return packet(marker, timestamp, event, false, duration);
        }
        self.state = State::Ending { event, timestamp, duration, left: ENDS - 1, gap_ms };
        packet(marker, timestamp, event, true, duration)
    }

    fn end(&mut self) -> EventPacket {
        let State::Ending { event, timestamp, duration, left, gap_ms } = self.state else {
            unreachable!("end is called while a digit ends")
        };
        self.state = if left > 1 {
            State::Ending { event, timestamp, duration, left: left - 1, gap_ms }
        } else {
            // The repeated ends already were part of the gap.
            let spent = u32::from(ENDS - 1) * TICK_MS;
            State::Resting { left: gap_ms.saturating_sub(spent).div_ceil(TICK_MS) }
        };
        packet(false, timestamp, event, true, duration)
    }
}

fn packet(marker: bool, timestamp: u32, event: u8, end: bool, duration: u16) -> EventPacket {
    let [high, low] = duration.to_be_bytes();
    EventPacket { marker, timestamp, payload: [event, VOLUME | if end { 0x80 } else { 0 }, high, low] }
}

fn event(digit: char) -> Option<u8> {
    match digit.to_ascii_uppercase() {
        digit @ '0'..='9' => Some(digit as u8 - b'0'),
        '*' => Some(10),
        '#' => Some(11),
        digit @ 'A'..='D' => Some(digit as u8 - b'A' + 12),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::DtmfReceiver;

    /// (tick, packet) for as long as the sender is busy.
    fn run(sender: &mut DtmfSender) -> Vec<(u32, EventPacket)> {
        let mut seen = Vec::new();
        for tick in 0..10_000 {
            if !sender.is_busy() {
                break;
            }
            if let Some(packet) = sender.tick(5000 + tick * 160) {
                seen.push((tick, packet));
            }
        }
        seen
    }

    #[test]
    fn a_digit_has_one_marker_a_rising_duration_and_three_ends() {
        let mut sender = DtmfSender::new(8000);
        sender.queue("5", 100, 100);

        let seen = run(&mut sender);

        let ticks: Vec<u32> = seen.iter().map(|(tick, _)| *tick).collect();
        let durations: Vec<u16> = seen.iter().map(|(_, p)| u16::from_be_bytes([p.payload[2], p.payload[3]])).collect();
        let ends: Vec<bool> = seen.iter().map(|(_, p)| p.payload[1] & 0x80 != 0).collect();
        let markers: Vec<bool> = seen.iter().map(|(_, p)| p.marker).collect();
        assert_eq!(ticks, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        assert_eq!(ends, [false, false, false, false, true, true, true]);
        assert_eq!(markers, [true, false, false, false, false, false, false]);
        assert!(seen.iter().all(|(_, p)| p.timestamp == 5000 && p.payload[0] == 5 && p.payload[1] & 0x3f == 10));
    }

    #[test]
    fn digits_are_apart_by_the_gap_and_pauses_last_a_second() {
        let mut sender = DtmfSender::new(8000);
        sender.queue("1w2", 100, 100);

        let starts: Vec<(u32, u8)> =
            run(&mut sender).iter().filter(|(_, p)| p.marker).map(|(tick, p)| (*tick, p.payload[0])).collect();

        // 5 ticks of tone, 5 of gap (2 of them repeat the end), 50 of pause.
        assert_eq!(starts, [(0, 1), (60, 2)]);
    }

    #[test]
    fn every_digit_is_heard_as_it_was_sent() {
        let mut sender = DtmfSender::new(8000);
        let mut receiver = DtmfReceiver::new(8000);
        let mut now = Instant::now();
        sender.queue("0123456789*#ABCDabcd", 80, 60);
        let mut heard = String::new();

        for tick in 0..1000u32 {
            if let Some(packet) = sender.tick(tick * 160) {
                receiver.push(now, packet.timestamp, packet.marker, &packet.payload);
            }
            while let Some(press) = receiver.poll(now) {
                assert_eq!(press.duration_ms, 80);
                heard.push(press.digit);
            }
            now += Duration::from_millis(20);
        }

        assert_eq!(heard, "0123456789*#ABCDABCD");
    }

    #[test]
    fn the_queue_is_bounded_and_strange_characters_are_left_out() {
        let mut sender = DtmfSender::new(8000);

        assert_eq!(sender.queue("1x-é2", 100, 100), 2);
        assert_eq!(sender.queue(&"7".repeat(500), 100, 100), MAX_QUEUED_DIGITS - 2);
    }

    #[test]
    fn a_digit_at_48_khz_is_cut_to_what_its_duration_can_say() {
        let mut sender = DtmfSender::new(48000);
        sender.queue("1", 5000, 100);

        let last = run(&mut sender).last().copied().unwrap().1;

        assert!(u16::from_be_bytes([last.payload[2], last.payload[3]]) >= 64_000);
    }
}
