//! Sequence numbers and timestamps of a forwarded stream: one line towards the listener, whatever feeds it.

use std::time::Instant;

/// Joins streams end to end: continuous sequence numbers, timestamps that advance with the clock.
///
/// A gap the network made stays a gap (the listener asks for it or conceals it); a packet taken out on purpose
/// ([`Rewriter::leave_out`]) leaves none.
#[derive(Debug)]
pub struct Rewriter {
    clock_rate: u32,
    source: Option<u64>,
    /// What the present source is not older than: earlier numbers are taken.
    joined_at: u64,
    sequence_offset: u64,
    timestamp_offset: u32,
    next_sequence: u64,
    last_timestamp: u32,
    last_at: Option<Instant>,
}

impl Rewriter {
    /// `first_sequence` is the first number sent (RFC 3550 §5.1: random, kept below 2^15 so that no wrap comes early);
    /// `first_timestamp` likewise.
    pub fn new(clock_rate: u32, first_sequence: u16, first_timestamp: u32) -> Rewriter {
        Rewriter {
            clock_rate,
            source: None,
            joined_at: 0,
            sequence_offset: 0,
            timestamp_offset: 0,
            next_sequence: u64::from(first_sequence & 0x7fff) + 1,
            last_timestamp: first_timestamp,
            last_at: None,
        }
    }

    /// The same where numbers up to `newest` were sent before under the same SSRC: none of them is sent again, which would
    /// be taken for a repetition, and would seal two packets alike (RFC 3711 §9.1).
    pub fn behind(mut self, newest: Option<u64>) -> Rewriter {
        self.next_sequence = newest.map_or(self.next_sequence, |newest| newest + 1);
        self
    }

    /// The listener's sequence number and timestamp for a packet; `None` for one older than the stream it belongs to.
    ///
    /// `source` names the incoming stream (another number: another stream, joined on); `sequence` is extended to
    /// 64 bits by the receiver.
    pub fn rewrite(&mut self, source: u64, sequence: u64, timestamp: u32, now: Instant) -> Option<(u64, u32)> {
        if self.source != Some(source) {
            self.join(source, sequence, timestamp, now);
        }
        let out = sequence.wrapping_add(self.sequence_offset);
        if out > u64::MAX / 2 || out < self.joined_at {
            return None;
        }
        let stamp = timestamp.wrapping_add(self.timestamp_offset);
        if out >= self.next_sequence {
            self.next_sequence = out + 1;
            self.last_timestamp = stamp;
            self.last_at = Some(now);
        }
        Some((out, stamp))
    }

    /// A packet of the stream is not forwarded: those after it move up.
    pub fn leave_out(&mut self, source: u64) {
        if self.source == Some(source) {
            self.sequence_offset = self.sequence_offset.wrapping_sub(1);
        }
    }

    fn join(&mut self, source: u64, sequence: u64, timestamp: u32, now: Instant) {
        self.joined_at = self.next_sequence;
        let passed = self.last_at.map_or(1, |at| {
            let ticks = now.duration_since(at).as_micros() * u128::from(self.clock_rate) / 1_000_000;
            (ticks as u32).max(1)
        });
        self.source = Some(source);
        self.sequence_offset = self.next_sequence.wrapping_sub(sequence);
        self.timestamp_offset = self.last_timestamp.wrapping_add(passed).wrapping_sub(timestamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn another_source_joins_on_with_the_next_number_and_the_time_that_passed() {
        let start = Instant::now();
        let mut rewriter = Rewriter::new(48_000, 100, 1000);

        let a = rewriter.rewrite(1, 70_000, 5_000_000, start).unwrap();
        let b = rewriter.rewrite(1, 70_001, 5_000_960, start + Duration::from_millis(20)).unwrap();
        let c = rewriter.rewrite(2, 3, 77, start + Duration::from_millis(40)).unwrap();

        assert_eq!((b.0 - a.0, b.1 - a.1), (1, 960));
        assert_eq!((c.0 - b.0, c.1 - b.1), (1, 960));
    }

    #[test]
    fn a_gap_of_the_network_stays_and_the_late_packet_fits_in() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(8_000, 0, 0);

        let first = rewriter.rewrite(1, 10, 0, now).unwrap().0;

        assert_eq!(rewriter.rewrite(1, 12, 320, now).unwrap().0, first + 2);
        assert_eq!(rewriter.rewrite(1, 11, 160, now).unwrap().0, first + 1);
        assert_eq!(rewriter.rewrite(1, 13, 480, now).unwrap().0, first + 3);
    }

    #[test]
    fn a_packet_left_out_on_purpose_leaves_no_gap() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(8_000, 0, 0);

        let first = rewriter.rewrite(1, 10, 0, now).unwrap().0;
        rewriter.leave_out(1);

        assert_eq!(rewriter.rewrite(1, 12, 320, now).unwrap().0, first + 1);
    }

    #[test]
    fn a_packet_from_before_the_join_is_not_given_a_number_below_zero() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(8_000, 0, 0);

        rewriter.rewrite(1, 10, 0, now).unwrap();

        assert_eq!(rewriter.rewrite(1, 2, 0, now), None);
    }

    #[test]
    fn numbers_that_were_sent_under_the_same_ssrc_are_not_sent_again() {
        let now = Instant::now();

        let mut rewriter = Rewriter::new(8_000, 100, 0).behind(Some(90_000));

        assert_eq!(rewriter.rewrite(1, 10, 0, now).unwrap().0, 90_001);
        assert_eq!(Rewriter::new(8_000, 100, 0).behind(None).rewrite(1, 10, 0, now).unwrap().0, 101);
    }
}
