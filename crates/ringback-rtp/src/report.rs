//! The RTCP that a leg of ours sends: a report and its CNAME every five seconds, and the round trip out of answers.

use std::time::{Duration, Instant};

use crate::reception::Reception;
use crate::rtcp::{ReportBlock, Rtcp, SenderInfo, write_compound};

/// §6.2: five seconds on average.
const INTERVAL: Duration = Duration::from_secs(5);

/// What a leg has sent so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SentTotals {
    /// The SSRC it sends with.
    pub ssrc: u32,
    /// RTP packets.
    pub packets: u64,
    /// Payload octets.
    pub octets: u64,
    /// Timestamp of the next tick's media.
    pub timestamp: u32,
}

/// When a leg's RTCP is due, and what it says.
#[derive(Debug)]
pub struct Reporter {
    cname: String,
    due: Instant,
    sent_before: u64,
}

impl Reporter {
    /// The first report is due half an interval after `now` (§6.2). `random` as for [`report`](Self::report).
    pub fn new(now: Instant, cname: &str, random: u32) -> Self {
        Self { cname: cname.to_owned(), due: now + varied(random) / 2, sent_before: 0 }
    }

    /// When the next report is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Append the report of `now` to `out`: SR when something was sent since the last one, else RR; then SDES.
    ///
    /// `ntp` is the wall clock in NTP format (seconds since 1900 in the upper half); `random` says when the next one is
    /// due, so that the reports of many legs that began together do not stay together (§6.3.1).
    pub fn report(
        &mut self,
        now: Instant,
        ntp: u64,
        sent: &SentTotals,
        reception: Option<&mut Reception>,
        random: u32,
        out: &mut Vec<u8>,
    ) {
        self.due = now + varied(random);
        let blocks: Vec<ReportBlock> = reception.map(|reception| reception.report(now)).into_iter().collect();
        let report = if sent.packets > self.sent_before {
            let info = SenderInfo {
                ntp,
                rtp_timestamp: sent.timestamp,
                packets: sent.packets as u32,
                octets: sent.octets as u32,
            };
            Rtcp::SenderReport { ssrc: sent.ssrc, info, blocks }
        } else {
            Rtcp::ReceiverReport { ssrc: sent.ssrc, blocks }
        };
        self.sent_before = sent.packets;
        let description = Rtcp::SourceDescription(vec![(sent.ssrc, Some(self.cname.clone()))]);
        write_compound(&[report, description], out);
    }

    /// The last words of a leg: an empty report, the CNAME, BYE (§6.6).
    pub fn goodbye(&self, ssrc: u32, out: &mut Vec<u8>) {
        let report = Rtcp::ReceiverReport { ssrc, blocks: Vec::new() };
        let description = Rtcp::SourceDescription(vec![(ssrc, Some(self.cname.clone()))]);
        write_compound(&[report, description, Rtcp::Goodbye { sources: vec![ssrc], reason: None }], out);
    }
}

/// §6.3.1: half to one and a half times the interval.
fn varied(random: u32) -> Duration {
    INTERVAL / 2 + Duration::from_secs_f64(INTERVAL.as_secs_f64() * f64::from(random) / 4_294_967_296.0)
}

impl ReportBlock {
    /// The round trip that this block about our stream shows, when it arrives at wall clock `ntp` (§6.4.1).
    pub fn round_trip(&self, ntp: u64) -> Option<Duration> {
        if self.last_sr == 0 {
            return None;
        }
        let trip = ((ntp >> 16) as u32).wrapping_sub(self.last_sr).wrapping_sub(self.delay_since_last_sr);
        // Clock readings that cross would look like half a day.
        (trip < 60 << 16).then(|| Duration::from_micros(u64::from(trip) * 1_000_000 / 65_536))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::parse_compound;

    #[test]
    fn a_leg_that_sends_makes_sender_reports_and_a_silent_one_receiver_reports() {
        let now = Instant::now();
        let mut reporter = Reporter::new(now, "leg@host", 1 << 31);
        let sent = SentTotals { ssrc: 5, packets: 10, octets: 1600, timestamp: 99 };
        let mut reception = Reception::new(6, 8000);
        reception.receive(now, 1, 1);
        let mut first = Vec::new();
        let mut second = Vec::new();

        reporter.report(now, 7 << 32, &sent, Some(&mut reception), 1 << 31, &mut first);
        reporter.report(now, 8 << 32, &sent, None, 0, &mut second);

        let first = parse_compound(&first).unwrap();
        let Rtcp::SenderReport { ssrc: 5, info, blocks } = &first[0] else { panic!("{first:?}") };
        assert_eq!((info.packets, info.rtp_timestamp, blocks[0].ssrc), (10, 99, 6));
        assert_eq!(first[1], Rtcp::SourceDescription(vec![(5, Some("leg@host".into()))]));
        let second = parse_compound(&second).unwrap();
        assert_eq!(second[0], Rtcp::ReceiverReport { ssrc: 5, blocks: vec![] });
        assert_eq!(reporter.due(), now + INTERVAL / 2, "the earliest it can be");
    }

    #[test]
    fn the_round_trip_is_what_the_far_end_did_not_spend() {
        let block = ReportBlock { last_sr: 10 << 16, delay_since_last_sr: 2 << 16, ..ReportBlock::default() };

        assert_eq!(block.round_trip((12 << 32) + (1 << 31)), Some(Duration::from_millis(500)));
        assert_eq!(block.round_trip(11 << 32), None);
        assert_eq!(ReportBlock::default().round_trip(11 << 32), None);
    }
}
