//! Whose packets count on an unprotected phone leg: the answer to RTP bleed and injection.
//!
//! Sound is sent at once to the address in the SDP. It is accepted from there, from the same host with another port
//! (two packets in sequence), from the trunk's media networks (the same), and, behind a NAT, from one stranger who
//! sends five packets in sequence with one SSRC within the first three seconds. After that the source stands: a new
//! SSRC from it counts after two packets in sequence, another source only after two seconds of silence and only from
//! the signalled host or those networks. Only negotiated payload types count.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::packet::RtpPacket;
use crate::sequence::{SequenceCheck, SourceValidator};

/// How long strangers may try after an offer/answer.
const NAT_WINDOW: Duration = Duration::from_secs(3);
const NAT_PACKETS: u8 = 5;
const KNOWN_PACKETS: u8 = 2;
const RELATCH_SILENCE: Duration = Duration::from_secs(2);
/// Strangers judged side by side; the oldest makes room.
const CANDIDATES: usize = 4;
/// Packets to an address that has sent nothing: this many in this time.
const UNPROVED_PACKETS: u32 = 50;
const UNPROVED_WINDOW: Duration = Duration::from_secs(2);

/// A set of RTP payload types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PayloadTypes(u128);

impl PayloadTypes {
    /// Whether `payload_type` is among them.
    pub fn contains(self, payload_type: u8) -> bool {
        payload_type < 128 && self.0 >> payload_type & 1 == 1
    }
}

impl FromIterator<u8> for PayloadTypes {
    fn from_iter<I: IntoIterator<Item = u8>>(types: I) -> Self {
        Self(types.into_iter().filter(|t| *t < 128).fold(0, |set, t| set | 1 << t))
    }
}

/// A network in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Any address in it.
    pub address: IpAddr,
    /// Leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in it. IPv4-mapped IPv6 addresses are taken as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32 - u32::from(self.prefix.min(32));
                u64::from(u32::from(ours)) >> shift == u64::from(u32::from(theirs)) >> shift
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let shift = 128 - u32::from(self.prefix.min(128));
                let cut = |bits: u128| if shift == 128 { 0 } else { bits >> shift };
                cut(u128::from(ours)) == cut(u128::from(theirs))
            }
            _ => false,
        }
    }
}

/// What the offer/answer and the operator say about a leg.
#[derive(Debug, Clone, Default)]
pub struct LatchConfig {
    /// The far end's RTP address in its SDP; `None` while unknown or on hold by 0.0.0.0.
    pub signalled: Option<SocketAddr>,
    /// Payload types the far end may send, telephone-event and comfort noise included.
    pub payload_types: PayloadTypes,
    /// Media networks of the trunk, when it has named them.
    pub networks: Vec<Network>,
    /// Whether the far end may be behind a NAT, so that its packets come from elsewhere.
    pub nat: bool,
    /// Whether the far end is known (a trunk, a registered client): no cap on what is sent before it sends.
    pub trusted: bool,
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
            unproved_sent: (now, 0),
            stats: LatchStats::default(),
        }
    }

    /// Apply a later offer/answer. A new signalled address is waited for anew (the old source counts until it speaks).
    pub fn update(&mut self, now: Instant, config: LatchConfig) {
        let moved = config.signalled != self.config.signalled;
        self.config = config;
        if moved {
            // The old source is believed no longer than a new one takes to speak.
            if let Some(latched) = &mut self.latched {
                latched.last_heard = now.checked_sub(RELATCH_SILENCE).unwrap_or(latched.last_heard);
            }
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

    fn judge(&mut self, now: Instant, from: SocketAddr, packet: &RtpPacket<'_>) -> Verdict {
        if !self.config.payload_types.contains(packet.payload_type) {
            return Verdict::Reject(Rejection::PayloadType);
        }
        let silent =
            self.latched.is_none_or(|latched| now.saturating_duration_since(latched.last_heard) >= RELATCH_SILENCE);
        match &mut self.latched {
            Some(latched) if latched.from == from => latched.receive(now, packet),
            Some(_) if !silent => Verdict::Reject(Rejection::Source),
            _ => self.consider(now, from, packet),
        }
    }

    /// A packet while nobody is latched, or the latched source has been silent.
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
        let signalled = self.config.signalled.map(canonical);
        if signalled == Some(from) {
            return Some(1);
        }
        let same_host = signalled.is_some_and(|signalled| signalled.ip() == from.ip());
        if same_host || self.config.networks.iter().any(|network| network.contains(from.ip())) {
            return Some(KNOWN_PACKETS);
        }
        let early = now.saturating_duration_since(self.window_opened) <= NAT_WINDOW;
        let open = self.config.nat && early && (self.latched.is_none() || self.moved_since_latch());
        open.then_some(NAT_PACKETS)
    }

    /// Whether an offer/answer named a new address after the present source was latched.
    fn moved_since_latch(&self) -> bool {
        self.latched.is_some_and(|latched| latched.last_heard < self.window_opened)
    }

    fn latch(&mut self, now: Instant, from: SocketAddr, ssrc: u32, sequence: SourceValidator) -> Verdict {
        self.latched = Some(Latched { from, ssrc, sequence, last_heard: now, next: None });
        self.candidates.clear();
        Verdict::AcceptFresh
    }

    /// Whether an RTCP packet from `from` counts: only from the host that RTP comes from, or that was signalled.
    pub fn receive_rtcp(&mut self, now: Instant, from: SocketAddr) -> bool {
        let from = canonical(from).ip();
        let expected = match &self.latched {
            Some(latched) => Some(latched.from.ip()),
            None => self.config.signalled.map(|signalled| canonical(signalled).ip()),
        };
        let counts = expected == Some(from) || self.config.networks.iter().any(|network| network.contains(from));
        if counts {
            self.proved = Some(from);
        } else {
            self.stats.source += 1;
        }
        let _ = now;
        counts
    }

    /// Where sound goes: the latched source (RFC 4961), before that the signalled address.
    pub fn destination(&self) -> Option<SocketAddr> {
        let signalled = self.config.signalled?;
        match &self.latched {
            Some(latched) if !self.moved_since_latch() => Some(latched.from),
            _ => Some(signalled),
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
