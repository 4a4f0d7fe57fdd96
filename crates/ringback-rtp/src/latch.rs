//! Whose packets count on an unprotected phone leg: the answer to RTP bleed and injection.
//!
//! Sound is sent at once to the address in the SDP. It is accepted from there, from the same host with another port
//! (two packets in sequence), from the trunk's media networks (the same), and, behind a NAT, from one stranger who
//! sends five packets in sequence with one SSRC within the first three seconds. After that the source stands: a new
//! SSRC from it counts after two packets in sequence, another source only after two seconds of silence and only from
//! the signalled host, the source's own host (a NAT's new port) or those networks. Only negotiated payload types count.
//!
//! Within those three seconds the signalled address itself takes the place of any other source by two packets in
//! sequence: what came first may have been the end of somebody else's call that had our port before.
//!
//! With `hold_fire` the signalled address is one we must not send to on the far end's word alone: it counts no more than
//! any stranger's, and nothing is sent anywhere before somebody is latched.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::network::Network;
use crate::packet::RtpPacket;
use crate::payload_types::PayloadTypes;
use crate::sequence::{SequenceCheck, SourceValidator};

/// How long strangers may try after an offer/answer.
const NAT_WINDOW: Duration = Duration::from_secs(3);
const NAT_PACKETS: u8 = 5;
const KNOWN_PACKETS: u8 = 2;
const RELATCH_SILENCE: Duration = Duration::from_secs(2);
/// Behind a NAT, an old source that goes on for this many packets after a new address was signalled is the new one.
const OUTDATED_PACKETS: u8 = 50;
/// Strangers judged side by side; the oldest makes room.
const CANDIDATES: usize = 4;
/// Packets to an address that has sent nothing: this many in this time.
const UNPROVED_PACKETS: u32 = 50;
const UNPROVED_WINDOW: Duration = Duration::from_secs(2);

/// What the offer/answer and the operator say about a leg.
#[derive(Debug, Clone, Default)]
pub struct LatchConfig {
    /// The far end's RTP address in its SDP; `None` while unknown or on hold by 0.0.0.0.
    pub signalled: Option<SocketAddr>,
    /// Payload types the far end may send, telephone-event and comfort noise included.
    pub payload_types: PayloadTypes,
    /// Media networks of the trunk, when it has named them, and the host that the far end signals from.
    pub networks: Vec<Network>,
    /// Whether the far end may be behind a NAT, so that its packets come from elsewhere.
    pub nat: bool,
    /// Whether the far end is known (a trunk, a registered client): no cap on what is sent before it sends.
    pub trusted: bool,
    /// Whether nothing may be sent before a source is latched, and the signalled address proves nothing.
    pub hold_fire: bool,
    /// Whether the far end names by ICE where its packets go: that address stands above all others.
    pub ice: bool,
}

/// Why a packet does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// A payload type that was not negotiated.
    PayloadType,
    /// Somebody else's address.
    Source,
    /// The right source with an SSRC it has not proved yet.
    Ssrc,
    /// A jump in the sequence that nothing has confirmed.
    Sequence,
}

/// Whether a packet counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Play it.
    Accept,
    /// Play it in a fresh jitter buffer: the source or its SSRC is new.
    AcceptFresh,
    /// Drop it.
    Reject(Rejection),
}

/// Packets dropped, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LatchStats {
    /// [`Rejection::PayloadType`].
    pub payload_type: u64,
    /// [`Rejection::Source`], RTCP included.
    pub source: u64,
    /// [`Rejection::Ssrc`].
    pub ssrc: u64,
    /// [`Rejection::Sequence`].
    pub sequence: u64,
}

impl LatchStats {
    /// All together.
    pub fn total(&self) -> u64 {
        self.payload_type + self.source + self.ssrc + self.sequence
    }
}

#[derive(Debug, Clone, Copy)]
struct Latched {
    from: SocketAddr,
    ssrc: u32,
    sequence: SourceValidator,
    last_heard: Instant,
    /// Above zero: an offer/answer has named another address since, and this source is believed only until that speaks.
    outdated: u8,
    /// An SSRC that has sent one packet from the latched source.
    next: Option<(u32, SourceValidator)>,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: SourceValidator,
}

/// The rule for one leg. See the module's documentation.
#[derive(Debug)]
pub struct Latch {
    config: LatchConfig,
    window_opened: Instant,
    latched: Option<Latched>,
    candidates: Vec<Candidate>,
    proved: Option<IpAddr>,
    named: Option<SocketAddr>,
    last_rtcp: Option<Instant>,
    unproved_sent: (Instant, u32),
    stats: LatchStats,
}

impl Latch {
    /// A leg whose offer/answer is done at `now`.
    pub fn new(now: Instant, config: LatchConfig) -> Self {
        Self {
            config,
            window_opened: now,
            latched: None,
            candidates: Vec::new(),
            proved: None,
            named: None,
            last_rtcp: None,
            unproved_sent: (now, 0),
            stats: LatchStats::default(),
        }
    }

    /// Apply a later offer/answer. A new signalled address is waited for anew (the old source counts until it speaks).
    pub fn update(&mut self, now: Instant, config: LatchConfig) {
        let moved = config.signalled != self.config.signalled;
        self.config = config;
        if moved && let Some(latched) = &mut self.latched {
            let reached = self.config.signalled.map(canonical) == Some(latched.from);
            latched.outdated = if reached { 0 } else { OUTDATED_PACKETS };
        }
        if moved || self.latched.is_none() {
            self.window_opened = now;
            self.candidates.clear();
        }
    }

    /// Judge an RTP packet that came from `from`.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, packet: &RtpPacket<'_>) -> Verdict {
        let from = canonical(from);
        let verdict = self.judge(now, from, packet);
        match verdict {
            Verdict::Accept | Verdict::AcceptFresh => self.proved = Some(from.ip()),
            Verdict::Reject(Rejection::PayloadType) => self.stats.payload_type += 1,
            Verdict::Reject(Rejection::Source) => self.stats.source += 1,
            Verdict::Reject(Rejection::Ssrc) => self.stats.ssrc += 1,
            Verdict::Reject(Rejection::Sequence) => self.stats.sequence += 1,
        }
        verdict
    }

    /// Judge an RTP packet that has proved by its keys who sent it: it counts wherever it comes from, and sound goes
    /// there from now on (a NAT's new port, a moved phone), unless it was only late.
    pub fn receive_authentic(&mut self, now: Instant, from: SocketAddr, packet: &RtpPacket<'_>) -> Verdict {
        let from = canonical(from);
        if !self.config.payload_types.contains(packet.payload_type) {
            self.stats.payload_type += 1;
            return Verdict::Reject(Rejection::PayloadType);
        }
        let verdict = match &mut self.latched {
            Some(latched) if latched.ssrc == packet.ssrc => latched.receive_authentic(now, from, packet),
            _ => self.latch(now, from, packet.ssrc, SourceValidator::new(packet.sequence, 1)),
        };
        self.proved = self.latched.map(|latched| latched.from.ip());
        verdict
    }

    /// The far end has proved, by ICE or DTLS, that it is at this address: sound goes there before any has come.
    pub fn name(&mut self, address: SocketAddr) {
        self.named = Some(address);
        self.proved = Some(canonical(address).ip());
    }

    /// RTCP that has proved by its keys who sent it.
    pub fn receive_authentic_rtcp(&mut self, now: Instant) {
        self.last_rtcp = Some(now);
    }

    fn judge(&mut self, now: Instant, from: SocketAddr, packet: &RtpPacket<'_>) -> Verdict {
        if !self.config.payload_types.contains(packet.payload_type) {
            return Verdict::Reject(Rejection::PayloadType);
        }
        let overrules = self.overrules(now, from);
        match &mut self.latched {
            Some(latched) if latched.from == from => {
                if self.config.nat {
                    latched.outdated = latched.outdated.saturating_sub(1);
                }
                latched.receive(now, packet)
            }
            Some(latched) if !latched.gives_way(now) && !overrules => Verdict::Reject(Rejection::Source),
            _ => self.consider(now, from, packet),
        }
    }

    /// Whether `from` may take the place of a source that has not been silent: it is the signalled address, early on.
    fn overrules(&self, now: Instant, from: SocketAddr) -> bool {
        self.believed() == Some(from) && self.is_early(now)
    }

    fn is_early(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.window_opened) <= NAT_WINDOW
    }

    /// A packet while nobody is latched, the latched source has been silent, or a better one speaks.
    fn consider(&mut self, now: Instant, from: SocketAddr, packet: &RtpPacket<'_>) -> Verdict {
        let Some(required) = self.required(now, from) else { return Verdict::Reject(Rejection::Source) };
        if required <= 1 {
            return self.latch(now, from, packet.ssrc, SourceValidator::new(packet.sequence, 1));
        }
        let known = self.candidates.iter_mut().find(|c| c.from == from && c.ssrc == packet.ssrc);
        let Some(candidate) = known else {
            if self.candidates.len() >= CANDIDATES {
                self.candidates.remove(0);
            }
            let sequence = SourceValidator::new(packet.sequence, required);
            self.candidates.push(Candidate { from, ssrc: packet.ssrc, sequence });
            return Verdict::Reject(Rejection::Source);
        };
        candidate.sequence.check(packet.sequence);
        let sequence = candidate.sequence;
        if sequence.is_valid() {
            return self.latch(now, from, packet.ssrc, sequence);
        }
        Verdict::Reject(Rejection::Source)
    }

    /// Packets in sequence that `from` has to send to be believed; `None` when it never will be.
    fn required(&self, now: Instant, from: SocketAddr) -> Option<u8> {
        let signalled = self.believed();
        if signalled == Some(from) || self.named.map(canonical) == Some(from) {
            let stands = self.latched.is_some_and(|latched| !latched.gives_way(now));
            return Some(if stands { KNOWN_PACKETS } else { 1 });
        }
        // The host that was believed may come back with another port: a NAT has forgotten its mapping.
        let same_host = signalled.is_some_and(|signalled| signalled.ip() == from.ip())
            || self.latched.is_some_and(|latched| latched.from.ip() == from.ip());
        if same_host || self.config.networks.iter().any(|network| network.contains(from.ip())) {
            return Some(KNOWN_PACKETS);
        }
        let open = self.config.nat && self.is_early(now) && self.latched.is_none_or(|latched| latched.outdated > 0);
        open.then_some(NAT_PACKETS)
    }

    /// The signalled address, where it counts by itself.
    fn believed(&self) -> Option<SocketAddr> {
        self.config.signalled.filter(|_| !self.config.hold_fire).map(canonical)
    }

    fn latch(&mut self, now: Instant, from: SocketAddr, ssrc: u32, sequence: SourceValidator) -> Verdict {
        self.latched = Some(Latched { from, ssrc, sequence, last_heard: now, outdated: 0, next: None });
        self.candidates.clear();
        Verdict::AcceptFresh
    }

    /// Whether an RTCP packet from `from` counts: only from the host that RTP comes from, or that was signalled.
    pub fn receive_rtcp(&mut self, now: Instant, from: SocketAddr) -> bool {
        let from = canonical(from).ip();
        let expected = match &self.latched {
            Some(latched) => Some(latched.from.ip()),
            None => self.believed().map(|signalled| signalled.ip()),
        };
        let counts = expected == Some(from) || self.config.networks.iter().any(|network| network.contains(from));
        if counts {
            self.proved = Some(from);
            self.last_rtcp = Some(now);
        } else {
            self.stats.source += 1;
        }
        counts
    }

    /// Where sound goes: the latched source (RFC 4961), before that the signalled address.
    pub fn destination(&self) -> Option<SocketAddr> {
        if self.named.is_some() && (self.config.ice || self.latched.is_none()) {
            return self.named;
        }
        let signalled = self.config.signalled?;
        match &self.latched {
            Some(latched) if latched.outdated == 0 || self.config.hold_fire => Some(latched.from),
            _ => Some(signalled).filter(|_| !self.config.hold_fire),
        }
    }

    /// Whether a packet may leave for `destination` now; counts it if so. An address that has proved nothing and
    /// belongs to nobody we know gets at most 50 packets in 2 s, so that nobody can be flooded through us.
    pub fn may_send(&mut self, now: Instant) -> bool {
        let Some(destination) = self.destination() else { return false };
        if self.config.trusted || self.proved == Some(canonical(destination).ip()) {
            return true;
        }
        let (since, sent) = self.unproved_sent;
        if now.saturating_duration_since(since) >= UNPROVED_WINDOW {
            self.unproved_sent = (now, 1);
            return true;
        }
        self.unproved_sent.1 = sent.saturating_add(1);
        sent < UNPROVED_PACKETS
    }

    /// When the latched source was last heard.
    pub fn last_heard(&self) -> Option<Instant> {
        self.latched.map(|latched| latched.last_heard)
    }

    /// When anything that counts was last heard, RTP or RTCP.
    pub fn last_activity(&self) -> Option<Instant> {
        self.last_heard().max(self.last_rtcp)
    }

    /// The latched source and its SSRC.
    pub fn source(&self) -> Option<(SocketAddr, u32)> {
        self.latched.map(|latched| (latched.from, latched.ssrc))
    }

    /// What was dropped.
    pub fn stats(&self) -> LatchStats {
        self.stats
    }
}

impl Latched {
    /// Whether another source may take its place.
    fn gives_way(&self, now: Instant) -> bool {
        self.outdated > 0 || now.saturating_duration_since(self.last_heard) >= RELATCH_SILENCE
    }

    fn receive(&mut self, now: Instant, packet: &RtpPacket<'_>) -> Verdict {
        if packet.ssrc != self.ssrc {
            return self.receive_other_ssrc(now, packet);
        }
        match self.sequence.check(packet.sequence) {
            SequenceCheck::Valid => {
                self.last_heard = now;
                Verdict::Accept
            }
            SequenceCheck::Restarted => {
                self.last_heard = now;
                Verdict::AcceptFresh
            }
            SequenceCheck::Jump | SequenceCheck::Probation => Verdict::Reject(Rejection::Sequence),
        }
    }

    fn receive_authentic(&mut self, now: Instant, from: SocketAddr, packet: &RtpPacket<'_>) -> Verdict {
        let before = self.sequence.highest();
        self.last_heard = now;
        match self.sequence.check(packet.sequence) {
            SequenceCheck::Valid | SequenceCheck::Restarted if self.sequence.highest() == before => Verdict::Accept,
            SequenceCheck::Valid => {
                (self.from, self.outdated) = (from, 0);
                Verdict::Accept
            }
            SequenceCheck::Restarted | SequenceCheck::Jump | SequenceCheck::Probation => {
                *self = Self { from, sequence: SourceValidator::new(packet.sequence, 1), outdated: 0, ..*self };
                Verdict::AcceptFresh
            }
        }
    }

    /// Carriers change their SSRC in mid-call; two packets in sequence prove it.
    fn receive_other_ssrc(&mut self, now: Instant, packet: &RtpPacket<'_>) -> Verdict {
        match &mut self.next {
            Some((ssrc, sequence)) if *ssrc == packet.ssrc => {
                sequence.check(packet.sequence);
                if !sequence.is_valid() {
                    return Verdict::Reject(Rejection::Ssrc);
                }
                *self = Self { ssrc: packet.ssrc, sequence: *sequence, last_heard: now, next: None, ..*self };
                Verdict::AcceptFresh
            }
            _ => {
                self.next = Some((packet.ssrc, SourceValidator::new(packet.sequence, KNOWN_PACKETS)));
                Verdict::Reject(Rejection::Ssrc)
            }
        }
    }
}

/// IPv4-mapped IPv6 addresses are the IPv4 address they mean.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::RtpHeader;
    use crate::testing::Random;

    const SIGNALLED: &str = "192.0.2.7:4000";
    const ACCEPTED: [Verdict; 2] = [Verdict::AcceptFresh, Verdict::Accept];

    struct Line {
        latch: Latch,
        now: Instant,
    }

    impl Line {
        fn new(nat: bool) -> Self {
            let now = Instant::now();
            Self { latch: Latch::new(now, config(SIGNALLED, nat)), now }
        }

        /// A packet of payload type 0 from `from`, then 20 ms.
        fn packet(&mut self, from: &str, ssrc: u32, sequence: u16) -> Verdict {
            self.typed(from, ssrc, sequence, 0)
        }

        fn typed(&mut self, from: &str, ssrc: u32, sequence: u16, payload_type: u8) -> Verdict {
            let mut datagram = Vec::new();
            RtpHeader { payload_type, marker: false, sequence, timestamp: 0, ssrc }.write(&[0; 160], &mut datagram);
            let packet = RtpPacket::parse(&datagram).unwrap();
            let verdict = self.latch.receive(self.now, from.parse().unwrap(), &packet);
            self.now += Duration::from_millis(20);
            verdict
        }

        fn accepted(&mut self, from: &str, ssrc: u32, sequences: std::ops::Range<u16>) -> usize {
            sequences.filter(|sequence| ACCEPTED.contains(&self.packet(from, ssrc, *sequence))).count()
        }

        fn destination(&self) -> String {
            self.latch.destination().unwrap().to_string()
        }
    }

    fn config(signalled: &str, nat: bool) -> LatchConfig {
        LatchConfig {
            signalled: Some(signalled.parse().unwrap()),
            payload_types: [0, 8, 101].into_iter().collect(),
            nat,
            ..LatchConfig::default()
        }
    }

    #[test]
    fn the_signalled_address_is_sent_to_and_believed_at_once() {
        let mut line = Line::new(false);

        assert_eq!(line.destination(), SIGNALLED);
        assert_eq!(line.packet(SIGNALLED, 1, 10), Verdict::AcceptFresh);
        assert_eq!(line.packet(SIGNALLED, 1, 11), Verdict::Accept);
    }

    #[test]
    fn another_port_of_the_signalled_host_is_believed_after_two_packets_and_then_sent_to() {
        let mut line = Line::new(false);

        assert_eq!(line.accepted("192.0.2.7:5555", 1, 10..20), 9);
        assert_eq!(line.destination(), "192.0.2.7:5555");
    }

    #[test]
    fn the_end_of_another_call_of_the_same_host_does_not_keep_the_signalled_address_out() {
        let mut line = Line::new(false);
        assert_eq!(line.accepted("192.0.2.7:5555", 9, 700..704), 3);

        assert_eq!(line.packet(SIGNALLED, 1, 10), Verdict::Reject(Rejection::Source));
        assert_eq!(line.packet(SIGNALLED, 1, 11), Verdict::AcceptFresh);
        assert_eq!(line.accepted(SIGNALLED, 1, 12..40), 28);
        assert_eq!(line.accepted("192.0.2.7:5555", 9, 704..710), 0, "there is no way back");
        assert_eq!(line.destination(), SIGNALLED);
    }

    #[test]
    fn who_stands_for_three_seconds_is_not_replaced_by_the_signalled_address_either() {
        let mut line = Line::new(false);
        assert_eq!(line.accepted("192.0.2.7:5555", 9, 0..160), 159);

        assert_eq!(line.accepted(SIGNALLED, 1, 10..14), 0);
        assert_eq!(line.destination(), "192.0.2.7:5555");
    }

    #[test]
    fn packets_sprayed_by_strangers_make_us_send_nothing_to_them() {
        let mut line = Line::new(false);

        assert_eq!(line.accepted("203.0.113.9:9", 1, 0..200), 0);
        assert_eq!(line.destination(), SIGNALLED);
        assert_eq!(line.latch.stats().source, 200);
    }

    #[test]
    fn behind_a_nat_one_stranger_is_believed_after_five_packets_in_sequence() {
        let mut line = Line::new(true);

        assert_eq!(line.accepted("203.0.113.9:9", 1, 10..20), 6);
        assert_eq!(line.destination(), "203.0.113.9:9");
        assert_eq!(line.accepted("198.51.100.4:4", 2, 10..20), 0);
    }

    #[test]
    fn behind_a_nat_packets_out_of_sequence_or_of_changing_ssrcs_prove_nothing() {
        let mut line = Line::new(true);
        let mut random = Random::new(4);

        for _ in 0..100 {
            let verdict = line.packet("203.0.113.9:9", random.next() as u32, random.next() as u16);
            assert_eq!(verdict, Verdict::Reject(Rejection::Source));
        }
        assert_eq!(line.destination(), SIGNALLED);
    }

    #[test]
    fn behind_a_nat_strangers_are_too_late_after_three_seconds() {
        let mut line = Line::new(true);
        line.now += Duration::from_millis(3010);

        assert_eq!(line.accepted("203.0.113.9:9", 1, 10..50), 0);
    }

    #[test]
    fn behind_a_nat_a_late_phone_is_heard_from_the_host_it_signals_from() {
        let mut line = Line::new(true);
        line.latch.update(line.now, LatchConfig { networks: vec![host("203.0.113.9")], ..config(SIGNALLED, true) });
        line.now += Duration::from_secs(30);

        assert_eq!(line.accepted("198.51.100.4:4", 2, 10..50), 0);
        assert_eq!(line.accepted("203.0.113.9:4711", 1, 10..20), 9);
        assert_eq!(line.destination(), "203.0.113.9:4711");
    }

    fn holding_fire() -> Line {
        let mut line = Line::new(true);
        let networks = vec![host("203.0.113.9")];
        line.latch = Latch::new(line.now, LatchConfig { networks, hold_fire: true, ..config(SIGNALLED, true) });
        line
    }

    #[test]
    fn an_address_that_must_not_be_sent_to_is_left_alone_until_the_phone_itself_is_heard() {
        let mut line = holding_fire();

        assert!(!line.latch.may_send(line.now));
        assert_eq!(line.latch.destination(), None);
        assert_eq!(line.accepted("203.0.113.9:4711", 1, 10..20), 9);
        assert_eq!(line.destination(), "203.0.113.9:4711");
        assert!(line.latch.may_send(line.now));
    }

    #[test]
    fn an_address_that_must_not_be_sent_to_proves_nothing_by_one_forged_packet_or_report() {
        let mut line = holding_fire();

        assert!(!line.latch.receive_rtcp(line.now, "192.0.2.7:4001".parse().unwrap()));
        assert_eq!(line.packet(SIGNALLED, 1, 10), Verdict::Reject(Rejection::Source));
        assert!(line.latch.receive_rtcp(line.now, "203.0.113.9:4712".parse().unwrap()));
        assert_eq!(line.latch.destination(), None);
        line.now += Duration::from_secs(4);
        assert_eq!(line.accepted(SIGNALLED, 1, 10..50), 0);
    }

    #[test]
    fn a_new_address_that_must_not_be_sent_to_leaves_the_sound_with_the_source_that_speaks() {
        let mut line = holding_fire();
        line.accepted("203.0.113.9:4711", 1, 10..20);

        let networks = vec![host("203.0.113.9")];
        line.latch.update(line.now, LatchConfig { networks, hold_fire: true, ..config("10.0.0.1:22", true) });

        assert_eq!(line.destination(), "203.0.113.9:4711");
        assert_eq!(line.accepted("203.0.113.9:5000", 2, 10..20), 9, "its new port");
    }

    fn host(address: &str) -> Network {
        Network::host(address.parse().unwrap())
    }

    #[test]
    fn the_signalled_address_wins_over_strangers_still_on_trial() {
        let mut line = Line::new(true);
        line.accepted("203.0.113.9:9", 1, 10..14);

        assert_eq!(line.packet(SIGNALLED, 2, 10), Verdict::AcceptFresh);
        assert_eq!(line.packet("203.0.113.9:9", 1, 14), Verdict::Reject(Rejection::Source));
    }

    #[test]
    fn nobody_takes_over_from_a_source_that_speaks() {
        let mut line = Line::new(true);
        line.accepted(SIGNALLED, 1, 0..10);

        for sequence in 10..200 {
            assert_eq!(line.packet("203.0.113.9:9", 1, sequence), Verdict::Reject(Rejection::Source));
            assert_eq!(line.packet("192.0.2.7:5555", 1, sequence), Verdict::Reject(Rejection::Source));
            assert_eq!(line.packet(SIGNALLED, 1, sequence), Verdict::Accept);
        }
    }

    #[test]
    fn after_two_seconds_of_silence_only_the_signalled_host_and_its_networks_may_take_over() {
        let mut line = Line::new(true);
        let network = Network { address: "198.51.100.0".parse().unwrap(), prefix: 24 };
        let trunk = LatchConfig { networks: vec![network], ..config(SIGNALLED, true) };
        line.latch.update(line.now, trunk);
        line.accepted(SIGNALLED, 1, 0..200);
        line.now += Duration::from_secs(2);

        assert_eq!(line.accepted("203.0.113.9:9", 2, 0..20), 0);
        assert_eq!(line.accepted("192.0.2.7:5555", 2, 0..20), 19);
        line.now += Duration::from_secs(2);
        assert_eq!(line.accepted("198.51.100.200:7000", 3, 0..20), 19);
    }

    #[test]
    fn a_phone_whose_nat_gave_it_another_port_while_it_was_silent_is_heard_again() {
        let mut line = Line::new(true);
        line.accepted("203.0.113.9:9", 1, 0..20);
        line.now += Duration::from_secs(60);

        assert_eq!(line.accepted("203.0.113.10:9", 1, 20..40), 0, "another host");
        assert_eq!(line.accepted("203.0.113.9:4711", 1, 20..40), 19);
        assert_eq!(line.destination(), "203.0.113.9:4711");
    }

    #[test]
    fn a_new_ssrc_from_the_source_counts_after_two_packets_in_sequence_in_a_fresh_buffer() {
        let mut line = Line::new(false);
        line.accepted(SIGNALLED, 1, 0..10);

        assert_eq!(line.packet(SIGNALLED, 2, 500), Verdict::Reject(Rejection::Ssrc));
        assert_eq!(line.packet(SIGNALLED, 2, 501), Verdict::AcceptFresh);
        assert_eq!(line.packet(SIGNALLED, 2, 502), Verdict::Accept);
    }

    #[test]
    fn injected_ssrcs_and_wild_sequence_numbers_are_dropped_and_the_stream_goes_on() {
        let mut line = Line::new(false);
        let mut random = Random::new(6);
        line.packet(SIGNALLED, 1, 0);
        for sequence in 1..500u16 {
            let other = line.packet(SIGNALLED, 0x8000_0000 | random.next() as u32, random.next() as u16);
            assert_eq!(other, Verdict::Reject(Rejection::Ssrc));
            let wild = line.packet(SIGNALLED, 1, 30_000 + (sequence % 2) * 9_000);
            assert_eq!(wild, Verdict::Reject(Rejection::Sequence));
            assert_eq!(line.packet(SIGNALLED, 1, sequence), Verdict::Accept);
        }
    }

    #[test]
    fn payload_types_that_were_not_negotiated_are_dropped() {
        let mut line = Line::new(false);

        assert_eq!(line.typed(SIGNALLED, 1, 1, 9), Verdict::Reject(Rejection::PayloadType));
        assert_eq!(line.typed(SIGNALLED, 1, 2, 101), Verdict::AcceptFresh);
        assert_eq!(line.latch.stats().payload_type, 1);
    }

    #[test]
    fn a_newly_signalled_address_takes_over_as_soon_as_it_speaks() {
        let mut line = Line::new(false);
        line.accepted(SIGNALLED, 1, 0..10);

        line.latch.update(line.now, config("198.51.100.9:6000", false));

        assert_eq!(line.destination(), "198.51.100.9:6000");
        assert_eq!(line.packet(SIGNALLED, 1, 10), Verdict::Accept);
        assert_eq!(line.packet("198.51.100.9:6000", 2, 77), Verdict::AcceptFresh);
        assert_eq!(line.packet(SIGNALLED, 1, 11), Verdict::Reject(Rejection::Source));
    }

    #[test]
    fn a_phone_behind_a_nat_that_only_changes_its_sdp_is_found_again() {
        let mut line = Line::new(true);
        line.accepted("203.0.113.9:9", 1, 0..20);

        line.latch.update(line.now, config("192.0.2.7:4444", true));
        line.accepted("203.0.113.9:9", 1, 20..80);

        assert_eq!(line.destination(), "203.0.113.9:9");
    }

    #[test]
    fn rtcp_counts_only_from_where_rtp_comes() {
        let mut line = Line::new(true);

        assert!(line.latch.receive_rtcp(line.now, "192.0.2.7:4001".parse().unwrap()));
        assert_eq!(line.latch.last_activity(), Some(line.now));
        line.accepted("203.0.113.9:9", 1, 10..20);
        assert!(line.latch.receive_rtcp(line.now, "203.0.113.9:10".parse().unwrap()));
        assert!(!line.latch.receive_rtcp(line.now, "192.0.2.7:4001".parse().unwrap()));
    }

    #[test]
    fn an_address_that_never_answers_gets_50_packets_in_2_seconds_unless_it_is_trusted() {
        let mut line = Line::new(false);
        let start = line.now;
        let allowed =
            |latch: &mut Latch| (0..500u32).filter(|n| latch.may_send(start + Duration::from_millis(20) * *n)).count();

        assert_eq!(allowed(&mut line.latch), 250);
        line.latch.update(start, LatchConfig { trusted: true, ..config(SIGNALLED, false) });
        assert_eq!(allowed(&mut line.latch), 500);
        line.latch.update(start, config(SIGNALLED, false));
        line.packet(SIGNALLED, 1, 1);
        assert_eq!(allowed(&mut line.latch), 500);
    }

    #[test]
    fn addresses_mapped_into_ipv6_are_the_addresses_they_mean() {
        let mut line = Line::new(false);

        assert_eq!(line.packet("[::ffff:192.0.2.7]:4000", 1, 1), Verdict::AcceptFresh);
    }

    #[test]
    fn on_hold_without_an_address_nothing_is_sent() {
        let mut line = Line::new(false);
        line.accepted(SIGNALLED, 1, 0..10);
        line.latch.update(line.now, LatchConfig { signalled: None, ..config(SIGNALLED, false) });

        assert_eq!(line.latch.destination(), None);
        assert!(!line.latch.may_send(line.now));
    }

    #[test]
    fn who_proves_himself_by_keys_counts_wherever_he_is_and_is_answered_there() {
        let mut line = Line::new(false);
        let (home, away) = (SIGNALLED, "198.51.100.200:9");
        let mut authentic = |from: &str, ssrc: u32, sequence: u16| {
            let mut datagram = Vec::new();
            RtpHeader { payload_type: 0, marker: false, sequence, timestamp: 0, ssrc }.write(&[0; 160], &mut datagram);
            let packet = RtpPacket::parse(&datagram).unwrap();
            let verdict = line.latch.receive_authentic(line.now, from.parse().unwrap(), &packet);
            (verdict, line.latch.destination().unwrap().to_string())
        };

        assert_eq!(authentic(home, 1, 10), (Verdict::AcceptFresh, home.into()));
        assert_eq!(authentic(away, 1, 12), (Verdict::Accept, away.into()));
        assert_eq!(authentic(home, 1, 11), (Verdict::Accept, away.into()), "a late packet moves nothing");
        assert_eq!(authentic(away, 1, 40_000), (Verdict::AcceptFresh, away.into()), "a jump of its own is believed");
        assert_eq!(authentic(home, 2, 5), (Verdict::AcceptFresh, home.into()), "and a new stream at once");
    }
}
