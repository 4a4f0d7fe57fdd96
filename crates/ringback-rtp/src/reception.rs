//! What a receiver knows about a stream: loss, jitter, and what goes into a report about it (RFC 3550 A.3, A.8).

use std::time::{Duration, Instant};

use crate::rtcp::ReportBlock;
use crate::sequence::Extended16;

/// Reception statistics of one SSRC.
#[derive(Debug)]
pub struct Reception {
    ssrc: u32,
    clock_rate: u32,
    epoch: Option<Instant>,
    sequences: Extended16,
    first: u64,
    highest: u64,
    received: u64,
    reported_expected: u64,
    reported_received: u64,
    transit: Option<i64>,
    last_timestamp: Option<u32>,
    /// §A.8: sixteen times the jitter, in ticks.
    jitter: u64,
    sender_report: Option<(Instant, u32)>,
}

impl Reception {
    /// A stream that has sent nothing yet.
    pub fn new(ssrc: u32, clock_rate: u32) -> Self {
        Self {
            ssrc,
            clock_rate: clock_rate.max(1),
            epoch: None,
            sequences: Extended16::default(),
            first: 0,
            highest: 0,
            received: 0,
            reported_expected: 0,
            reported_received: 0,
            transit: None,
            last_timestamp: None,
            jitter: 0,
            sender_report: None,
        }
    }

    /// Whose statistics these are.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// A packet of the stream arrived.
    pub fn receive(&mut self, now: Instant, sequence: u16, timestamp: u32) {
        let sequence = self.sequences.extend(sequence);
        if self.received == 0 {
            (self.first, self.highest) = (sequence, sequence);
        }
        self.first = self.first.min(sequence);
        self.highest = self.highest.max(sequence);
        self.received += 1;
        self.take_jitter(now, timestamp);
    }

    /// §A.8. Packets of one timestamp (a telephone-event) say nothing about the network's jitter beyond the first.
    fn take_jitter(&mut self, now: Instant, timestamp: u32) {
        if self.last_timestamp.replace(timestamp) == Some(timestamp) {
            return;
        }
        let epoch = *self.epoch.get_or_insert(now);
        let elapsed = now.saturating_duration_since(epoch).as_micros();
        let arrival = (elapsed * u128::from(self.clock_rate) / 1_000_000) as u32;
        let transit = i64::from(arrival.wrapping_sub(timestamp) as i32);
        if let Some(before) = self.transit.replace(transit) {
            let difference = u64::from((transit as i32).wrapping_sub(before as i32).unsigned_abs());
            // A jump of the timeline is no jitter.
            if difference < u64::from(self.clock_rate) {
                self.jitter = (self.jitter + difference).saturating_sub((self.jitter + 8) >> 4);
            }
        }
    }

    /// A sender report of the stream arrived; `ntp` is its whole timestamp (§4).
    pub fn sender_report(&mut self, now: Instant, ntp: u64) {
        self.sender_report = Some((now, (ntp >> 16) as u32));
    }

    /// Packets that arrived.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that did not; negative when some came twice (A.3).
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Interarrival jitter (§6.4.1).
    pub fn jitter(&self) -> Duration {
        Duration::from_micros((self.jitter >> 4) * 1_000_000 / u64::from(self.clock_rate))
    }

    fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.highest - self.first + 1 }
    }

    /// A report on the stream since the last one (A.3).
    pub fn report(&mut self, now: Instant) -> ReportBlock {
        let expected = self.expected() - self.reported_expected;
        let received = self.received - self.reported_received;
        self.reported_expected = self.expected();
        self.reported_received = self.received;
        let lost = expected.saturating_sub(received);
        let (last_sr, delay) = self.sender_report.map_or((0, 0), |(at, middle)| {
            let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (middle, u32::try_from(delay).unwrap_or(u32::MAX))
        });
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: self.highest as u32,
            jitter: (self.jitter >> 4) as u32,
            last_sr,
            delay_since_last_sr: delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    const TICK: Duration = Duration::from_millis(20);

    #[test]
    fn a_report_counts_what_was_lost_since_the_last_one() {
        let mut reception = Reception::new(7, 8000);
        let mut now = Instant::now();
        for sequence in (65_500u32..65_600).filter(|s| s % 4 != 0) {
            reception.receive(now, sequence as u16, sequence * 160);
            now += TICK;
        }

        let first = reception.report(now);
        let second = reception.report(now);

        assert_eq!((first.fraction_lost, first.cumulative_lost), (62, 24));
        assert_eq!(first.highest_sequence & 0xffff, 65_599 - 65_536);
        assert_eq!((second.fraction_lost, second.cumulative_lost), (0, 24));
    }

    #[test]
    fn packets_that_come_twice_make_the_loss_negative() {
        let mut reception = Reception::new(7, 8000);
        let now = Instant::now();
        for sequence in [1, 2, 2, 2, 3] {
            reception.receive(now, sequence, 0);
        }

        assert_eq!(reception.report(now).cumulative_lost, -2);
    }

    #[test]
    fn steady_arrival_has_no_jitter_and_uneven_arrival_has_its_mean() {
        let start = Instant::now();
        let mut steady = Reception::new(1, 8000);
        let mut uneven = Reception::new(1, 8000);
        let mut random = Random::new(5);
        for packet in 0..2000u32 {
            let due = start + TICK * packet;
            steady.receive(due, packet as u16, packet.wrapping_mul(160).wrapping_add(u32::MAX - 1000));
            uneven.receive(due + Duration::from_micros(random.below(30_000)), packet as u16, packet * 160);
        }

        assert_eq!(steady.jitter(), Duration::ZERO);
        // The mean difference of two even draws from 0..30 ms is 10 ms.
        let jitter = uneven.jitter().as_millis();
        assert!((6..=14).contains(&jitter), "{jitter}");
    }

    #[test]
    fn a_long_digit_is_no_jitter() {
        let start = Instant::now();
        let mut reception = Reception::new(1, 8000);
        for packet in 0..100u32 {
            // Packets 40 to 59 are a telephone-event: one timestamp, for 400 ms.
            let timestamp = if (40..60).contains(&packet) { 40 * 160 } else { packet * 160 };
            reception.receive(start + TICK * packet, packet as u16, timestamp);
        }

        assert_eq!(reception.jitter(), Duration::ZERO);
    }

    #[test]
    fn the_delay_since_the_last_sender_report_is_told() {
        let mut reception = Reception::new(1, 8000);
        let now = Instant::now();
        reception.receive(now, 1, 0);
        reception.sender_report(now, 0x1122_3344_5566_7788);

        let block = reception.report(now + Duration::from_millis(1500));

        assert_eq!((block.last_sr, block.delay_since_last_sr), (0x3344_5566, 98_304));
    }
}
