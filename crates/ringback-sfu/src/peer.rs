//! One browser or bot: str0m in RTP mode behind names of our own. str0m changes its API monthly; it ends here.
//!
//! Contract, as str0m's: after every change drain [`Peer::poll`] until it answers with a time. One departure, measured
//! and held by a test: several packets may be written before one drain.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_rtp::{is_rtcp, is_stun};
use str0m::bwe::{Bitrate, BweKind};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::config::DtlsCert;
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Pt, Rid, Rids};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{Extension, ExtensionValues, RtpWrite, SeqNo, VideoOrientation, Vp8Descriptor, Vp8Patch};
use str0m::{Candidate, Event, IceConnectionState, Input, PacerReason, Reason, Rtc, RtcConfig};

pub use str0m::media::Mid;

use crate::crypto;
use crate::offer::{self, TELLS_ARRIVALS};
use crate::picture::PictureNumbers;
use crate::red::Redundant;
use crate::straight::{Declared, Sound, Straight, short};
use crate::viewer::Place;

/// Most m-lines an offer may have: each costs state for as long as the peer lives.
const MOST_MEDIA: usize = 500;
/// What a path is believed to carry before anything is known of it, in bits per second.
const FIRST_ESTIMATE_BPS: u64 = 2_000_000;
/// The least by which time must pass for str0m's pacer between two packets that may go at once.
const PACER_STEP: Duration = Duration::from_micros(1);
/// How long str0m may wait to be told that the last packet of sound left: the next one commonly tells it before.
const SOUND_PAUSE: Duration = Duration::from_millis(100);
/// How often str0m is told the time for the sake of its estimate alone while nothing is sent that depends on it; and
/// while something comes in, since a request for what is missing may be due behind it. Left to itself it wants to be told
/// once in the path's round trip, and says something on the path every 5 ms.
const IDLE: Duration = Duration::from_millis(500);
const IDLE_RECEIVING: Duration = Duration::from_millis(25);
/// It is idle so long after a picture, and after what looks for the path's limit: both may wait for their time.
const AFTER_PICTURES: Duration = Duration::from_secs(3);
const AFTER_PROBE: Duration = Duration::from_millis(200);
/// The least datagram that looks for the path's limit; what only keeps the path open is shorter.
const PROBE: usize = 200;
/// Sent packets of a picture kept for those who lost some, and for how long a far end may ask: what 2.5 Mbit/s sends in
/// two seconds. Each is 0.5 kB of state.
const KEPT_PICTURES: usize = 600;
/// Most SSRCs remembered per peer; beyond it they are looked up each time.
const MOST_STREAMS: usize = 2000;

/// What an encoded stream is, beyond its payload type (which differs per peer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// The codec.
    pub kind: FormatKind,
    /// H.264: profile-idc and constraint flags (upper 16 bits of profile-level-id) and packetization-mode.
    pub h264: Option<(u16, u8)>,
}

/// Codecs that browsers and the engine share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum FormatKind {
    Opus,
    Pcmu,
    Pcma,
    G722,
    Vp8,
    H264,
}

impl FormatKind {
    /// The format of an audio codec.
    pub fn plain(self) -> Format {
        Format { kind: self, h264: None }
    }

    /// Whether it is sound.
    pub fn is_audio(self) -> bool {
        !matches!(self, FormatKind::Vp8 | FormatKind::H264)
    }

    /// RTP clock in Hz (G.722: 8000, RFC 3551 §4.5.2).
    pub fn clock_rate(self) -> u32 {
        match self {
            FormatKind::Opus => 48_000,
            FormatKind::Pcmu | FormatKind::Pcma | FormatKind::G722 => 8_000,
            FormatKind::Vp8 | FormatKind::H264 => 90_000,
        }
    }
}

/// Header extensions that mean the same to everybody. The others (mid, rid, transport-cc) belong to one connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extensions {
    /// RFC 6464, in dBov: 0 is full scale, -127 silence.
    pub audio_level: Option<i8>,
    /// RFC 6464's voice flag.
    pub voice: Option<bool>,
    /// How the picture is turned.
    pub orientation: Option<VideoOrientation>,
}

/// One RTP packet, header undone.
#[derive(Debug, Clone)]
pub struct Packet {
    /// M-line it came on.
    pub mid: Mid,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Which of a picture's encodings it belongs to, by the order of the sender's offer: the lowest is 0.
    pub layer: u8,
    /// What it carries.
    pub format: Format,
    /// Sequence number extended to 64 bits.
    pub sequence: u64,
    /// Timestamp as on the wire.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// Payload.
    pub payload: Arc<[u8]>,
    /// Sound: the same with earlier sound in it, for those who agreed on that.
    pub redundant: Option<Redundant>,
    /// What may travel on.
    pub extensions: Extensions,
}

/// What a peer reports.
#[derive(Debug)]
pub enum PeerEvent {
    /// The connection changed.
    State(PeerState),
    /// Media arrived.
    Packet(Packet),
    /// The far end needs a key frame of what we send on this m-line.
    KeyframeWanted(Mid),
    /// The path to the far end carries so many bits per second.
    Estimate(u64),
}

/// Connection of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    /// ICE and DTLS are up.
    Connected,
    /// ICE lost it; it may return.
    Disconnected,
    /// The far end closed it; it does not return.
    Closed,
}

impl PeerState {
    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            PeerState::Connected => "connected",
            PeerState::Disconnected => "disconnected",
            PeerState::Closed => "closed",
        }
    }
}

/// A datagram, or a packet for a TCP connection, to be sent.
#[derive(Debug)]
pub struct Transmit {
    /// Over the TCP connection with `destination` instead of UDP.
    pub tcp: bool,
    /// Where to.
    pub destination: SocketAddr,
    /// What.
    pub contents: Vec<u8>,
}

/// What [`Peer::poll`] answers.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// This happened.
    Event(PeerEvent),
    /// Nothing more; call [`Peer::timeout`] then.
    Wait(Instant),
}

/// The DTLS certificate of all peers of an engine: made once, since a key pair costs more than a join should.
#[derive(Clone)]
pub struct Identity(DtlsCert);

impl Identity {
    /// A fresh one; `None` when the crypto library cannot.
    pub fn generate() -> Option<Identity> {
        crypto::provider().dtls_provider.generate_certificate().map(Identity)
    }
}

type Known = (Format, Option<Pt>);

struct Stream {
    mid: Mid,
    layer: u8,
    /// By payload type: what it is, and the type of its blocks if it is sound with earlier sound in it.
    formats: Vec<(Pt, Known)>,
}

/// What an offer of ours changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Add an m-line on which we send sound.
    pub send: bool,
    /// Add so many m-lines on which we hear somebody.
    pub receive: usize,
    /// These m-lines are not needed any more.
    pub stop: Vec<Mid>,
    /// Look for a path anew, by other addresses perhaps (RFC 8445 §9).
    pub restart: bool,
}

/// An offer of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// To be sent as it is.
    pub sdp: String,
    /// The m-line that was added for what we send.
    pub sending: Option<Mid>,
    /// Those that were added for what we hear.
    pub receiving: Vec<Mid>,
}

/// One WebRTC peer: of a server, ICE-lite and answering offers ([`Peer::new`]); or of a client, making them
/// ([`Peer::calling`]).
pub struct Peer {
    rtc: Rtc,
    local: Vec<SocketAddr>,
    pending: Option<SdpPendingOffer>,
    streams: HashMap<u32, Stream>,
    payload_types: HashMap<(Mid, Format), Option<Pt>>,
    /// M-lines on which the far end takes sound with earlier sound in it.
    redundant: Vec<Mid>,
    connected: bool,
    /// What it was made of, until its first offer has said whether its path can be estimated.
    unoffered: Option<Identity>,
    /// The time as last told.
    now: Instant,
    /// Its offers had pictures: time matters to what is paced and probed.
    pictures: bool,
    /// Packets written that have not left.
    waiting: usize,
    /// A packet of media left since the time was told.
    sent: bool,
    /// When str0m was last told the time, and before when it is told exactly when it wants to be.
    told: Instant,
    exact_until: Instant,
    /// When ICE wants to be told the time, if nothing does before.
    ice_at: Option<Instant>,
    /// The highest number of each picture that was written, by its m-line.
    shown: HashMap<Mid, u64>,
    /// Sound that str0m does not have to know of.
    straight: Straight,
}

impl Peer {
    /// A peer that can be reached at `local` (UDP, and TCP of the same number).
    pub fn new(identity: &Identity, local: &[SocketAddr], now: Instant) -> Peer {
        let mut peer = Peer::of(|| serving(identity, local, None, now), local, now);
        peer.unoffered = Some(identity.clone());
        peer
    }

    /// A peer that calls a server: sound only. It is reached nowhere before [`Peer::reach_at`].
    pub fn calling(identity: &Identity, now: Instant) -> Peer {
        let mut config = RtcConfig::new()
            .set_crypto_provider(crypto::provider())
            .set_dtls_cert(identity.0.clone())
            .set_rtp_mode(true)
            // Congestion is controlled where there are pictures: sound alone would pay for its feedback and use none.
            .clear_extension_map()
            .set_extension(1, Extension::AudioLevel)
            .set_extension(4, Extension::RtpMid)
            .clear_codecs()
            .enable_pcmu(true, false)
            .enable_pcma(true, false)
            .enable_g722(true, false)
            .enable_opus(true, false);
        // A path that is gone is noticed within 10 s, and looked at every 2 s.
        config.set_max_stun_rto(Duration::from_secs(2));
        config.set_max_stun_retransmits(5);
        Peer::of(|| config.build(now), &[], now)
    }

    fn of(build: impl FnOnce() -> Rtc, local: &[SocketAddr], now: Instant) -> Peer {
        let (rtc, keys) = crypto::keyed(build);
        Peer {
            rtc,
            local: local.to_vec(),
            pending: None,
            streams: HashMap::new(),
            payload_types: HashMap::new(),
            redundant: Vec::new(),
            connected: false,
            unoffered: None,
            now,
            pictures: false,
            waiting: 0,
            sent: false,
            told: now,
            exact_until: now,
            ice_at: None,
            shown: HashMap::new(),
            straight: Straight::new(keys),
        }
    }

    /// Make an offer; `None` when there is nothing to change. One that was made before and not answered is void.
    pub fn make_offer(&mut self, changes: &Changes) -> Option<Offer> {
        let mut api = self.rtc.sdp_api();
        let mut add = |direction| api.add_media(MediaKind::Audio, direction, None, None, None);
        let sending = changes.send.then(|| add(Direction::SendOnly));
        let receiving = (0..changes.receive).map(|_| add(Direction::RecvOnly)).collect();
        changes.stop.iter().for_each(|mid| api.stop_media(*mid));
        if changes.restart {
            api.ice_restart(false);
            self.local.clear();
        }
        let (offer, pending) = api.apply()?;
        self.pending = Some(pending);
        Some(Offer { sdp: offer.to_sdp_string(), sending, receiving })
    }

    /// The answer to the offer made last, or what is wrong with it in one sentence. Drain afterwards.
    pub fn answered(&mut self, sdp: &str) -> Result<(), String> {
        let pending = self.pending.take().ok_or("nothing was offered")?;
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|e| format!("the answer cannot be read: {e}"))?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(|e| format!("the answer is of no use: {e}"))?;
        self.agreed();
        Ok(())
    }

    /// What is agreed on has changed.
    fn agreed(&mut self) {
        self.payload_types.clear();
        self.streams.clear();
        self.straight.agree_anew();
    }

    /// We send from this UDP address, and receive there. Drain afterwards.
    pub fn reach_at(&mut self, address: SocketAddr) {
        if let Ok(candidate) = Candidate::host(address, Protocol::Udp) {
            self.rtc.add_local_candidate(candidate);
            self.local.push(address);
        }
    }

    /// The ufrag by which the far end's first STUN packet names this peer. It changes with an ICE restart.
    pub fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Take an offer, first or later; the answer as SDP, or what is wrong in one sentence. Drain afterwards.
    pub fn offer(&mut self, sdp: &str) -> Result<String, String> {
        if sdp.lines().filter(|line| line.starts_with("m=")).count() > MOST_MEDIA {
            return Err(format!("the offer has more than {MOST_MEDIA} m-lines"));
        }
        let heard = offer::heard(sdp);
        let offer = SdpOffer::from_sdp_string(&heard).map_err(|e| format!("the offer cannot be read: {e}"))?;
        if let Some(identity) = self.unoffered.take()
            && sdp.contains(TELLS_ARRIVALS)
        {
            let build = || serving(&identity, &self.local, Some(FIRST_ESTIMATE_BPS), self.now);
            let (rtc, keys) = crypto::keyed(build);
            (self.rtc, self.straight) = (rtc, Straight::new(keys));
        }
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|e| format!("the offer is refused: {e}"))?;
        self.agreed();
        self.pictures |= sdp.contains("\nm=video");
        let (answer, redundant) = offer::agreed(sdp, &answer.to_sdp_string());
        self.redundant = redundant.iter().map(|mid| Mid::from(&**mid)).collect();
        Ok(answer)
    }

    /// Whether a datagram from an address not seen before is provably this peer's (STUN integrity, RFC 8445 §7.3).
    pub fn proves(&self, tcp: bool, source: SocketAddr, datagram: &[u8], now: Instant) -> bool {
        self.receive_of(tcp, source, datagram).is_some_and(|r| self.rtc.accepts(&Input::Receive(now, r)))
    }

    /// A packet from the network. Drain afterwards. `false`: not understood, nothing changed.
    pub fn receive(&mut self, tcp: bool, source: SocketAddr, datagram: &[u8], now: Instant) -> Result<bool, String> {
        let Some(receive) = self.receive_of(tcp, source, datagram) else { return Ok(false) };
        (self.now, self.sent) = (now, false);
        if is_stun(datagram) {
            self.straight.is_in_doubt();
        }
        self.rtc.handle_input(Input::Receive(now, receive)).map_err(|e| e.to_string())?;
        Ok(true)
    }

    fn receive_of<'a>(&self, tcp: bool, source: SocketAddr, datagram: &'a [u8]) -> Option<Receive<'a>> {
        let proto = if tcp { Protocol::Tcp } else { Protocol::Udp };
        let same_family = self.local.iter().find(|a| a.is_ipv4() == source.is_ipv4());
        let destination = *same_family.or(self.local.first())?;
        Receive::new(proto, source, destination, datagram).ok()
    }

    /// Time passed. Drain afterwards.
    pub fn timeout(&mut self, now: Instant) -> Result<(), String> {
        (self.now, self.told, self.sent) = (now, now, false);
        if self.ice_at.is_some_and(|at| now >= at) {
            self.straight.is_in_doubt();
        }
        self.rtc.handle_input(Input::Timeout(now)).map_err(|e| e.to_string())
    }

    /// The next thing to do, until it is to wait.
    pub fn poll(&mut self) -> Result<Output, String> {
        if let Some(transmit) = self.straight.take() {
            return Ok(Output::Transmit(transmit));
        }
        let mut told = false;
        loop {
            // Its pacer lets one packet go each time that it is told the time: what may go now is to go now.
            if self.sent && (self.pictures || self.waiting > 0) {
                self.timeout(self.now)?;
                told = true;
            }
            match self.rtc.poll_output().map_err(|e| e.to_string())? {
                str0m::Output::Timeout(at) if told && at > self.now && at <= self.now + PACER_STEP => {
                    self.timeout(at)?;
                    told = false;
                }
                str0m::Output::Timeout(at) => {
                    self.straight.look_for_keys();
                    self.ice_at = (self.rtc.last_timeout_reason() == Reason::Ice).then_some(at);
                    // After sound str0m wants to be told at once that time passes, though nothing is left to do.
                    let idle = std::mem::take(&mut self.sent) && at <= self.now + PACER_STEP;
                    self.waiting = 0;
                    return Ok(Output::Wait(if idle { self.now + SOUND_PAUSE } else { self.soon_enough(at) }));
                }
                str0m::Output::Transmit(t) => {
                    if is_media(&t.contents) {
                        self.sent = true;
                        self.waiting = self.waiting.saturating_sub(1);
                        if t.contents.len() >= PROBE {
                            self.stay_exact(AFTER_PROBE);
                        }
                    }
                    let (tcp, destination) = (!matches!(t.proto, Protocol::Udp), t.destination);
                    let mut contents: Vec<u8> = t.contents.into();
                    if !is_stun(&contents) {
                        // str0m paces pictures by the times that it is told, and sound tells it some.
                        self.straight.goes((!tcp && !self.pictures).then_some(destination));
                    }
                    if is_rtcp(&contents) {
                        self.straight.correct(&mut contents, self.now);
                    }
                    return Ok(Output::Transmit(Transmit { tcp, destination, contents }));
                }
                str0m::Output::Event(event) => {
                    if let Some(event) = self.translate(event) {
                        return Ok(Output::Event(event));
                    }
                }
            }
        }
    }

    /// When the time is to be told, of which str0m says `at`.
    fn soon_enough(&mut self, at: Instant) -> Instant {
        match self.rtc.last_timeout_reason() {
            Reason::BweDelayControl | Reason::Pacer(PacerReason::Handle | PacerReason::Padding) => {}
            Reason::Pacer(_) | Reason::BweProbeControl | Reason::BweProbeEstimator => {
                self.stay_exact(AFTER_PROBE);
                return at;
            }
            _ => return at,
        }
        if self.now < self.exact_until {
            return at;
        }
        at.max(self.told + if self.streams.is_empty() { IDLE } else { IDLE_RECEIVING })
    }

    fn stay_exact(&mut self, time: Duration) {
        self.exact_until = self.exact_until.max(self.now + time);
    }

    fn translate(&mut self, event: Event) -> Option<PeerEvent> {
        if matches!(event, Event::IceConnectionStateChange(_)) {
            self.straight.is_in_doubt();
        }
        match event {
            Event::Connected => {
                self.connected = true;
                Some(PeerEvent::State(PeerState::Connected))
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                Some(PeerEvent::State(PeerState::Disconnected))
            }
            Event::IceConnectionStateChange(state) if state.is_connected() && self.connected => {
                Some(PeerEvent::State(PeerState::Connected))
            }
            Event::Closed => Some(PeerEvent::State(PeerState::Closed)),
            Event::KeyframeRequest(request) => Some(PeerEvent::KeyframeWanted(request.mid)),
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
                Some(PeerEvent::Estimate(estimate.as_u64()))
            }
            Event::RtpPacket(packet) => self.packet(packet).map(PeerEvent::Packet),
            _ => None,
        }
    }

    fn packet(&mut self, packet: str0m::rtp::RtpPacket) -> Option<Packet> {
        let header = packet.header;
        let ssrc = *header.ssrc;
        let (mid, layer, (format, blocks)) = self.stream(ssrc, header.payload_type)?;
        let (payload, redundant) = match blocks {
            None => (packet.payload, None),
            Some(pt) => {
                let redundant = Redundant::read(&packet.payload, *pt)?;
                (redundant.newest(), Some(redundant))
            }
        };
        Some(Packet {
            mid,
            ssrc,
            layer,
            format,
            sequence: *packet.seq_no,
            timestamp: header.timestamp,
            marker: header.marker,
            payload,
            redundant,
            extensions: Extensions {
                audio_level: header.ext_vals.audio_level,
                voice: header.ext_vals.voice_activity,
                orientation: header.ext_vals.video_orientation,
            },
        })
    }

    /// M-line, layer and format of an incoming packet; `None` for what is neither sound nor picture (comfort noise).
    fn stream(&mut self, ssrc: u32, pt: Pt) -> Option<(Mid, u8, Known)> {
        let known = self.streams.get(&ssrc);
        if let Some(stream) = known
            && let Some((_, known)) = stream.formats.iter().find(|(p, _)| *p == pt)
        {
            return Some((stream.mid, stream.layer, *known));
        }
        let params = self.rtc.codec_config().params().iter().find(|p| p.pt() == pt || p.red() == Some(pt))?;
        let format = (format_of(params.spec())?, (params.pt() != pt).then(|| params.pt()));
        let (mid, layer) = match known {
            Some(stream) => (stream.mid, stream.layer),
            None => {
                let (mid, rid) =
                    self.rtc.direct_api().stream_rx(&ssrc.into()).map(|stream| (stream.mid(), stream.rid()))?;
                (mid, self.layer(mid, rid))
            }
        };
        if self.streams.len() < MOST_STREAMS {
            let stream = self.streams.entry(ssrc).or_insert(Stream { mid, layer, formats: Vec::new() });
            stream.formats.push((pt, format));
        }
        Some((mid, layer, format))
    }

    fn layer(&self, mid: Mid, rid: Option<Rid>) -> u8 {
        let rids = self.rtc.media(mid).map(|media| media.rids_rx());
        let (Some(Rids::Specific(rids)), Some(rid)) = (rids, rid) else { return 0 };
        rids.iter().position(|known| *known == rid).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
    }

    /// Whether the far end takes this format on that m-line.
    pub fn takes(&mut self, mid: Mid, format: Format) -> bool {
        self.payload_type(mid, format).is_some()
    }

    fn payload_type(&mut self, mid: Mid, format: Format) -> Option<Pt> {
        if let Some(known) = self.payload_types.get(&(mid, format)) {
            return *known;
        }
        let media = self.rtc.media(mid)?;
        let agreed = media.remote_pts();
        let params = self.rtc.codec_config().params();
        let pt = params.iter().filter(|p| agreed.contains(&p.pt())).find(|p| format_of(p.spec()) == Some(format));
        let pt = pt.map(|p| p.pt());
        self.payload_types.insert((mid, format), pt);
        pt
    }

    /// The payload type of sound of type `pt` with earlier sound in it, where the far end takes that.
    fn redundant_type(&self, mid: Mid, pt: Pt) -> Option<Pt> {
        let params = self.rtc.codec_config().params();
        self.redundant.contains(&mid).then(|| params.iter().find(|p| p.pt() == pt)?.red())?
    }

    /// Send a packet on an m-line; `mid`, `ssrc` of `packet` are ignored, its numbers are the listener's already.
    /// `false` when the far end does not take it there. Drain afterwards, with [`Peer::timeout`] before.
    pub fn write(&mut self, mid: Mid, packet: &Packet, sequence: u64, timestamp: u32, now: Instant) -> bool {
        self.write_at(mid, packet, &Place { sequence, timestamp, numbers: None }, now)
    }

    /// The next datagram of what was written that needs no drain to leave.
    pub fn take_straight(&mut self) -> Option<Transmit> {
        self.straight.take()
    }

    /// The highest number of what was sent on an m-line: whoever writes there next goes on behind it.
    pub fn newest(&self, mid: Mid) -> Option<u64> {
        self.straight.newest(mid).or_else(|| self.shown.get(&mid).copied())
    }

    /// Payload types of sound on an m-line, plain and with earlier sound in it; `None` when it is not taken there.
    fn sound_types(&mut self, mid: Mid, format: Format) -> Option<(Pt, Option<Pt>)> {
        if let Some(stream) = self.straight.stream(mid)
            && let Some((known, pt, redundant)) = stream.agreed
            && known == format
        {
            return Some((pt, redundant));
        }
        let pt = self.payload_type(mid, format)?;
        let redundant = self.redundant_type(mid, pt);
        let declared = sound_of(&mut self.rtc, mid)?;
        self.straight.declare(mid, declared).agreed = Some((format, pt, redundant));
        Some((pt, redundant))
    }

    fn write_sound(&mut self, mid: Mid, packet: &Packet, place: &Place, now: Instant) -> bool {
        let Some((pt, redundant)) = self.sound_types(mid, packet.format) else { return false };
        let whole = packet.redundant.as_ref().and_then(|whole| Some((redundant?, whole.named(*pt))));
        let (pt, payload) = whole.as_ref().map_or((pt, &packet.payload), |(pt, whole)| (*pt, whole));
        let Place { sequence, timestamp, .. } = *place;
        let (marker, extensions) = (packet.marker, packet.extensions);
        let sound = Sound { mid, pt, sequence, timestamp, marker, extensions, payload };
        let Some(sequence) = self.straight.write(&sound, packet.format.kind.clock_rate(), now) else { return true };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return false };
        let extensions = ExtensionValues {
            audio_level: extensions.audio_level,
            voice_activity: extensions.voice,
            ..ExtensionValues::default()
        };
        let rtp = RtpWrite::new(pt, SeqNo::from(sequence), timestamp, now, payload.clone());
        stream.write_rtp(rtp.marker(marker).ext_vals(extensions));
        self.waiting += 1;
        true
    }

    /// The same for a picture whose own numbers may have to change.
    pub fn write_at(&mut self, mid: Mid, packet: &Packet, place: &Place, now: Instant) -> bool {
        if packet.format.kind.is_audio() {
            return self.write_sound(mid, packet, place, now);
        }
        let Some(pt) = self.payload_type(mid, packet.format) else { return false };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return false };
        let extensions =
            ExtensionValues { video_orientation: packet.extensions.orientation, ..ExtensionValues::default() };
        let mut rtp = RtpWrite::new(pt, SeqNo::from(place.sequence), place.timestamp, now, packet.payload.clone())
            .marker(packet.marker)
            .ext_vals(extensions)
            .nackable(true);
        if let Some(patch) = place.numbers.and_then(|numbers| patch_of(&packet.payload, numbers)) {
            rtp = rtp.vp8_patch(patch);
        }
        stream.write_rtp(rtp);
        let newest = self.shown.entry(mid).or_default();
        *newest = place.sequence.max(*newest);
        self.waiting += 1;
        self.stay_exact(AFTER_PICTURES);
        true
    }

    /// What the far end would be sent if its path allowed it, in bits per second: so much is looked for.
    pub fn set_desired_bitrate(&mut self, bps: u64) {
        self.rtc.bwe().set_desired_bitrate(Bitrate::bps(bps));
    }

    /// Ask the far end for a key frame of a stream it sends. Drain afterwards.
    pub fn request_keyframe(&mut self, ssrc: u32) {
        if let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc.into()) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// Say goodbye (RTCP BYE, DTLS close): what is to be sent for it, bounded. Nothing comes of the peer afterwards.
    pub fn last_words(&mut self, now: Instant) -> Vec<Transmit> {
        let mut said = Vec::new();
        let _ = self.rtc.close();
        for _ in 0..64 {
            match self.poll() {
                Ok(Output::Transmit(transmit)) => said.push(transmit),
                Ok(Output::Event(_)) => {}
                Ok(Output::Wait(at)) if self.is_alive() && at <= now => {
                    if self.timeout(now).is_err() {
                        break;
                    }
                }
                _ => break,
            }
        }
        said
    }

    /// Whether anything can still come of this peer.
    pub fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }
}

/// str0m for a server: `estimated` from the start with so many bits per second, or without looking at its path.
fn serving(identity: &Identity, local: &[SocketAddr], estimated: Option<u64>, now: Instant) -> Rtc {
    let mut config = RtcConfig::new()
        .set_crypto_provider(crypto::provider())
        .set_dtls_cert(identity.0.clone())
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .enable_bwe(estimated.map(Bitrate::bps))
        .set_send_buffer_video(KEPT_PICTURES)
        .clear_codecs()
        .enable_opus(true, true)
        .enable_g722(true, false)
        .enable_pcmu(true, false)
        .enable_pcma(true, false)
        .enable_vp8(true);
    let constrained_baseline = 0x42_e0_1f;
    config.codec_config().add_h264(127.into(), Some(121.into()), true, constrained_baseline);
    config.codec_config().add_h264(125.into(), Some(107.into()), false, constrained_baseline);
    let mut rtc = config.build(now);
    for &address in local {
        if let Ok(candidate) = Candidate::host(address, Protocol::Udp) {
            rtc.add_local_candidate(candidate);
        }
        if let Ok(candidate) = Candidate::builder().tcp().host(address).tcptype(TcpType::Passive).build() {
            rtc.add_local_candidate(candidate);
        }
    }
    rtc
}

/// SSRC and header extensions (m-line, audio level) of what is sent on an m-line.
fn sound_of(rtc: &mut Rtc, mid: Mid) -> Option<Declared> {
    let ids = rtc.media(mid)?.remote_extmap();
    let ids = (short(ids.id_of(Extension::RtpMid)), short(ids.id_of(Extension::AudioLevel)));
    let mut api = rtc.direct_api();
    Some((*api.stream_tx_by_mid(mid, None)?.ssrc(), ids))
}

/// Whether a datagram is RTP (RFC 7983 §7, RFC 5761 §4).
fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, kind, ..] if !(64..96).contains(&(kind & 0x7f)))
}

/// Numbers as str0m writes them while it copies the payload.
fn patch_of(payload: &[u8], numbers: PictureNumbers) -> Option<Vp8Patch> {
    let mut patch = Vp8Descriptor::parse(payload).ok()?.patch();
    if let Some(picture_id) = numbers.picture_id {
        let short = payload.get(2).is_some_and(|byte| byte & 0x80 == 0);
        patch = patch.picture_id(if short { picture_id & 0x7f } else { picture_id });
    }
    if let Some(tl0) = numbers.tl0 {
        patch = patch.tl0_pic_idx(tl0);
    }
    patch.build().ok()
}

fn format_of(spec: str0m::format::CodecSpec) -> Option<Format> {
    let kind = match spec.codec {
        Codec::Opus => FormatKind::Opus,
        Codec::PCMU => FormatKind::Pcmu,
        Codec::PCMA => FormatKind::Pcma,
        Codec::G722 => FormatKind::G722,
        Codec::Vp8 => FormatKind::Vp8,
        Codec::H264 => {
            let profile = spec.format.profile_level_id.unwrap_or(0x42_00_0a) >> 8;
            let mode = spec.format.packetization_mode.unwrap_or(0);
            return Some(Format { kind: FormatKind::H264, h264: Some((profile as u16, mode)) });
        }
        _ => return None,
    };
    Some(kind.plain())
}
