//! The receiving end of a leg: RTP packets in as they come, one frame of 20 ms out per tick.
//!
//! Frames keep the payload they came in, so they can be forwarded without decoding. G.711 is always decoded too (it
//! costs nothing, and lost frames can then be concealed in the forwarded stream); G.722 and Opus only when somebody
//! asks ([`Receiver::set_decoding`]) or when Opus comes in frames that cannot be cut to 20 ms.

use std::time::{Duration, Instant};

use ringback_rtp::{Buffered, DtmfReceiver, JitterBuffer, JitterConfig, JitterStats, KeyPress, Pace, Pull, RtpPacket};

use crate::codec::{Codec, Decoder};
use crate::conceal::Concealer;
use crate::frame::{Frame, Origin, TICK_MS};
use crate::g711;
use crate::level::level_dbov;
use crate::staged::{Staged, can_be_cut};

/// Sound below this is quiet: time may be left out or inserted there.
const QUIET_DBOV: f32 = -45.0;
/// Ticks after which a buffer that is too long no longer waits for quiet.
const PATIENCE: u32 = 100;
/// Ticks between two changes of the pace.
const PACE_EVERY: u32 = 10;
const PACE_EVERY_URGENT: u32 = 4;
/// An Opus frame of this size says that nobody speaks.
const OPUS_QUIET_BYTES: usize = 12;

/// A payload type that may arrive, and what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// RTP payload type.
    pub payload_type: u8,
    /// Its codec.
    pub codec: Codec,
}

/// What a leg may receive.
#[derive(Debug, Clone)]
pub struct ReceiverConfig {
    /// Every codec the far end may send without asking again.
    pub codecs: Vec<Expected>,
    /// Payload type and clock rate of telephone-event, if negotiated.
    pub dtmf: Option<(u8, u32)>,
    /// Payload type of comfort noise (RFC 3389). It is taken as silence: nothing is made up behind it.
    pub comfort_noise: Option<u8>,
    /// What Opus is decoded at: 8000, 16000 or 48000.
    pub opus_rate: u32,
    /// Bounds of the jitter buffer; its clock rate follows the codec.
    pub jitter: JitterConfig,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Of the jitter buffer.
    pub jitter: JitterStats,
    /// Payloads that could not be decoded or measured.
    pub bad_payloads: u64,
    /// Frames in which something is made up.
    pub frames_concealed: u64,
    /// Frames with sound from the far end.
    pub frames_heard: u64,
    /// Frames left out, and inserted, to hold the delay.
    pub frames_shrunk: u64,
    /// See `frames_shrunk`.
    pub frames_stretched: u64,
}

/// Receives one stream. See the module's documentation.
#[derive(Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    jitter: JitterBuffer,
    digits: Option<DtmfReceiver>,
    wanted: bool,
    forced: bool,
    decoder: Option<Decoder>,
    concealer: Concealer,
    codec: Option<Codec>,
    staged: Staged,
    /// The last 20 ms of G.722, to stand in for a loss while it is not decoded.
    last_bytes: Vec<u8>,
    frame: Frame,
    other: Frame,
    since_pace: u32,
    too_long: u32,
    quiet: bool,
    stats: ReceiverStats,
}

impl Receiver {
    /// A stream that has not begun.
    pub fn new(config: ReceiverConfig) -> Self {
        Self {
            jitter: JitterBuffer::new(config.jitter),
            digits: config.dtmf.map(|(_, clock_rate)| DtmfReceiver::new(clock_rate)),
            config,
            wanted: false,
            forced: false,
            decoder: None,
            concealer: Concealer::new(8000),
            codec: None,
            staged: Staged::default(),
            last_bytes: Vec::new(),
            frame: Frame::default(),
            other: Frame::default(),
            since_pace: 0,
            too_long: 0,
            quiet: true,
            stats: ReceiverStats::default(),
        }
    }

    /// Apply a later offer/answer. Packets that wait are played if their payload type is still known.
    pub fn configure(&mut self, config: ReceiverConfig) {
        if config.dtmf.map(|(_, rate)| rate) != self.config.dtmf.map(|(_, rate)| rate) {
            self.digits = config.dtmf.map(|(_, clock_rate)| DtmfReceiver::new(clock_rate));
        }
        if config.opus_rate != self.config.opus_rate {
            self.decoder = None;
        }
        self.config = config;
    }

    /// Whether frames need samples (somebody mixes or transcodes them). Off at first.
    pub fn set_decoding(&mut self, wanted: bool) {
        if wanted && !self.wanted {
            // What is staged was not decoded: a fresh decoder fades in from the next packet on.
            self.decoder = None;
        }
        self.wanted = wanted;
    }

    /// Another source or SSRC takes the stream's place. Its sound follows what waits of the old one.
    pub fn restart(&mut self) {
        self.jitter.rejoin();
        self.forced = false;
        if self.codec != Some(Codec::Pcmu) && self.codec != Some(Codec::Pcma) {
            self.decoder = None;
        }
    }

    /// A packet of the accepted source arrived. Telephone-events go to [`poll_digit`](Self::poll_digit).
    pub fn push(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        if let (Some((payload_type, _)), Some(digits)) = (self.config.dtmf, &mut self.digits)
            && payload_type == packet.payload_type
        {
            digits.push(now, packet.timestamp, packet.marker, packet.payload);
            return;
        }
        if self.config.comfort_noise == Some(packet.payload_type) {
            return self.pause(now, packet);
        }
        let Some(codec) = self.codec_of(packet.payload_type) else {
            self.stats.bad_payloads += 1;
            return;
        };
        let Some(ticks) = codec.ticks(packet.payload) else {
            self.stats.bad_payloads += 1;
            return;
        };
        if codec.clock_rate() != self.jitter.clock_rate() {
            self.jitter.reset(codec.clock_rate());
            self.staged.clear();
        }
        self.jitter.push(now, packet.sequence, packet.timestamp, ticks, packet.payload_type, packet.payload);
    }

    /// A packet of the accepted source says that nobody speaks from its timestamp on, whatever its type.
    pub fn pause(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        self.jitter.push_pause(now, packet.sequence, packet.timestamp, packet.payload_type);
    }

    fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        self.config.codecs.iter().find(|expected| expected.payload_type == payload_type).map(|expected| expected.codec)
    }

    /// The next key press that is complete by `now`; ask until there is none, at least once a tick.
    pub fn poll_digit(&mut self, now: Instant) -> Option<KeyPress> {
        self.digits.as_mut()?.poll(now)
    }

    /// The next 20 ms.
    pub fn pull(&mut self, now: Instant) -> &Frame {
        self.since_pace = self.since_pace.saturating_add(1);
        if !self.stretch(now) {
            self.next_frame(now);
            self.shrink(now);
        }
        match self.frame.origin {
            Origin::Heard => self.stats.frames_heard += 1,
            Origin::Concealed => self.stats.frames_concealed += 1,
            Origin::Silence => {}
        }
        &self.frame
    }

    /// The frame of the last `pull`.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The jitter buffer, for its delay and target.
    pub fn jitter(&self) -> &JitterBuffer {
        &self.jitter
    }

    /// Counters since the start.
    pub fn stats(&self) -> ReceiverStats {
        ReceiverStats { jitter: self.jitter.stats(), ..self.stats }
    }

    fn tick(&self) -> u32 {
        self.jitter.clock_rate() / 1000 * TICK_MS
    }

    /// Fill `frame` with 20 ms, or with silence.
    fn next_frame(&mut self, now: Instant) {
        self.frame.clear();
        while self.staged.ticks < self.tick() {
            match self.jitter.pull(now, self.staged.ticks) {
                Pull::Packet(packet) => self.take(packet),
                Pull::Lost { ticks } => self.conceal(ticks, true),
                Pull::Starved => self.conceal(self.tick(), false),
                Pull::Idle if self.staged.ticks == 0 => return self.fall_silent(),
                Pull::Idle => self.conceal(self.tick() - self.staged.ticks, false),
            }
        }
        self.cut_frame();
    }

    fn fall_silent(&mut self) {
        self.staged.clear();
        self.last_bytes.clear();
        self.quiet = true;
        self.too_long = 0;
    }

    fn is_decoding(&self, codec: Codec) -> bool {
        self.wanted || self.forced || matches!(codec, Codec::Pcmu | Codec::Pcma)
    }

    /// Stage a packet.
    fn take(&mut self, packet: Buffered) {
        let Some(codec) = self.codec_of(packet.payload_type) else {
            self.stats.bad_payloads += 1;
            return self.conceal(packet.ticks, false);
        };
        if self.codec != Some(codec) {
            self.staged.clear();
            self.last_bytes.clear();
            self.decoder = None;
            self.codec = Some(codec);
        }
        if codec == Codec::Opus {
            self.stage_opus(packet);
        } else {
            self.stage_bytes(codec, &packet);
        }
    }

    fn stage_bytes(&mut self, codec: Codec, packet: &Buffered) {
        let start = self.staged.bytes.len();
        self.staged.bytes.extend_from_slice(&packet.payload);
        self.staged.ticks += packet.ticks;
        self.remember(codec, &packet.payload);
        if !self.is_decoding(codec) {
            return;
        }
        let pcm_start = self.staged.pcm.len();
        if !self.decode(codec, &packet.payload) {
            return;
        }
        let changed = self.concealer.receive(&mut self.staged.pcm[pcm_start..]);
        if changed {
            self.encode_again(codec, start, pcm_start);
        }
    }

    /// Decode into the staged samples, with a decoder made when it is first needed.
    fn decode(&mut self, codec: Codec, payload: &[u8]) -> bool {
        if self.decoder.as_ref().is_none_or(|decoder| decoder.codec() != codec) {
            let Ok(decoder) = Decoder::new(codec, self.config.opus_rate) else {
                self.stats.bad_payloads += 1;
                return false;
            };
            self.concealer = Concealer::new(decoder.sample_rate());
            self.decoder = Some(decoder);
        }
        let done = self.decoder.as_mut().is_some_and(|decoder| decoder.decode(payload, &mut self.staged.pcm).is_ok());
        if !done {
            self.stats.bad_payloads += 1;
        }
        done
    }

    /// G.711 whose samples were changed: change the bytes with them.
    fn encode_again(&mut self, codec: Codec, start: usize, pcm_start: usize) {
        let encode = match codec {
            Codec::Pcmu => g711::encode_mu,
            Codec::Pcma => g711::encode_a,
            Codec::G722 | Codec::Opus => return,
        };
        self.staged.bytes.truncate(start);
        encode(&self.staged.pcm[pcm_start..], &mut self.staged.bytes);
    }

    /// G.711 is always decoded, and concealed from its samples.
    fn remember(&mut self, codec: Codec, payload: &[u8]) {
        if matches!(codec, Codec::Pcmu | Codec::Pcma) {
            return;
        }
        let keep = payload.len().min(160);
        let old = (self.last_bytes.len() + keep).saturating_sub(160).min(self.last_bytes.len());
        self.last_bytes.drain(..old);
        self.last_bytes.extend_from_slice(&payload[payload.len() - keep..]);
    }

    fn stage_opus(&mut self, packet: Buffered) {
        let (tick, ticks) = (self.tick(), packet.ticks);
        // Frames of 40 or 60 ms: the payload is of no use here.
        self.forced |= !can_be_cut(&packet.payload, ticks, tick);
        if self.is_decoding(Codec::Opus) {
            self.decode_opus(&packet.payload, ticks);
        }
        self.staged.push_opus(packet.payload, ticks, tick);
    }

    /// Stage the samples of an Opus packet; what does not decode is concealed, so that samples and time stay together.
    fn decode_opus(&mut self, payload: &[u8], ticks: u32) {
        let start = self.staged.pcm.len();
        if !self.decode(Codec::Opus, payload) {
            self.staged.pcm.truncate(start);
            self.staged.concealed = true;
            self.conceal_opus(ticks, false);
        }
        self.staged.pcm.resize(start + self.samples(ticks), 0);
    }

    fn samples(&self, ticks: u32) -> usize {
        let rate = self.decoder.as_ref().map_or(0, Decoder::sample_rate);
        let clock = self.jitter.clock_rate();
        (u64::from(ticks) * u64::from(rate) / u64::from(clock)) as usize
    }

    /// Stage `ticks` of made-up media. `lost`: the packet after it may be there already.
    fn conceal(&mut self, ticks: u32, lost: bool) {
        self.staged.concealed = true;
        self.staged.ticks += ticks;
        let Some(codec) = self.codec else { return };
        if codec == Codec::Opus {
            self.staged.packets.push_back((ticks, None));
            if self.is_decoding(codec) {
                self.conceal_opus(ticks, lost);
            }
            return;
        }
        let start = self.staged.bytes.len();
        let pcm_start = self.staged.pcm.len();
        // While it is not decoded the best guess is the last 20 ms again.
        let guess = self.last_bytes.iter().cycle().take(if self.last_bytes.is_empty() { 0 } else { ticks as usize });
        self.staged.bytes.extend(guess);
        if self.is_decoding(codec) && self.decoder.is_some() {
            let samples = self.samples(ticks);
            self.concealer.conceal(samples, &mut self.staged.pcm);
            self.encode_again(codec, start, pcm_start);
        }
    }

    fn conceal_opus(&mut self, ticks: u32, lost: bool) {
        let start = self.staged.pcm.len();
        let samples = self.samples(ticks);
        let next = if lost { self.jitter.peek() } else { None };
        if let Some(opus) = self.decoder.as_mut().and_then(Decoder::opus) {
            // A pull conceals whole steps; libopus wants multiples of 2.5 ms and says no to others: then it is silence.
            let _ = match next {
                Some(next) => opus.decode_fec(&next.payload, samples, &mut self.staged.pcm),
                None => opus.conceal(samples, &mut self.staged.pcm),
            };
        }
        self.staged.pcm.resize(start + samples, 0);
    }

    /// Take 20 ms off what is staged.
    fn cut_frame(&mut self) {
        let tick = self.tick();
        let Some(codec) = self.codec else { return self.staged.clear() };
        self.frame.codec = Some(codec);
        self.frame.origin = if self.staged.concealed { Origin::Concealed } else { Origin::Heard };
        self.frame.sample_rate = self.decoder.as_ref().map_or(0, Decoder::sample_rate);
        let samples = self.samples(tick);
        if self.is_decoding(codec) && samples > 0 && self.staged.pcm.len() >= samples {
            move_first(&mut self.staged.pcm, samples, &mut self.frame.pcm);
        } else {
            self.staged.pcm.clear();
        }
        if codec == Codec::Opus {
            self.staged.cut_opus(tick, &mut self.frame.payload);
        } else {
            let bytes = self.staged.bytes.len().min(tick as usize);
            move_first(&mut self.staged.bytes, bytes, &mut self.frame.payload);
            if bytes < tick as usize {
                self.frame.payload.clear();
            }
        }
        self.staged.ticks -= tick;
        self.staged.concealed &= self.staged.ticks > 0;
        self.quiet = self.is_quiet(codec);
    }

    fn is_quiet(&self, codec: Codec) -> bool {
        if !self.frame.pcm.is_empty() {
            return level_dbov(&self.frame.pcm) < QUIET_DBOV;
        }
        codec == Codec::Opus && self.frame.payload.len() <= OPUS_QUIET_BYTES
    }

    /// Insert 20 ms into quiet sound when the buffer runs short. Answers whether it did.
    fn stretch(&mut self, now: Instant) -> bool {
        let Some(codec) = self.codec else { return false };
        let possible = self.quiet && self.staged.ticks == 0 && !self.frame.pcm.is_empty();
        if !possible || self.since_pace < PACE_EVERY || self.jitter.pace(now, 0) != Pace::Stretch {
            return false;
        }
        self.frame.clear();
        self.conceal(self.tick(), false);
        self.staged.concealed = false;
        self.cut_frame();
        self.frame.codec = Some(codec);
        self.since_pace = 0;
        self.stats.frames_stretched += 1;
        true
    }

    /// Leave out 20 ms when the buffer is too long: this frame and the next become one.
    fn shrink(&mut self, now: Instant) {
        if self.frame.origin == Origin::Silence {
            return;
        }
        // This frame is taken: the next one is for the next tick.
        let Pace::Shrink { urgent } = self.jitter.pace(now + Duration::from_millis(TICK_MS.into()), self.staged.ticks)
        else {
            self.too_long = 0;
            return;
        };
        self.too_long = self.too_long.saturating_add(1);
        let every = if urgent { PACE_EVERY_URGENT } else { PACE_EVERY };
        if self.since_pace < every || !(self.quiet || urgent || self.too_long > PATIENCE) {
            return;
        }
        std::mem::swap(&mut self.frame, &mut self.other);
        self.next_frame(now);
        if self.frame.origin == Origin::Silence {
            std::mem::swap(&mut self.frame, &mut self.other);
            return;
        }
        self.merge();
        self.since_pace = 0;
        self.stats.frames_shrunk += 1;
    }

    /// Crossfade from the earlier frame (`other`) to the later one (`frame`).
    fn merge(&mut self) {
        let length = self.frame.pcm.len();
        if length == 0 || self.other.pcm.len() != length {
            return;
        }
        for (at, (later, earlier)) in self.frame.pcm.iter_mut().zip(&self.other.pcm).enumerate() {
            let (weight, whole) = (at as i32 + 1, length as i32 + 1);
            *later = ((i32::from(*later) * weight + i32::from(*earlier) * (whole - weight)) / whole) as i16;
        }
        let encode = match self.frame.codec {
            Some(Codec::Pcmu) => g711::encode_mu,
            Some(Codec::Pcma) => g711::encode_a,
            _ => return,
        };
        self.frame.payload.clear();
        encode(&self.frame.pcm, &mut self.frame.payload);
    }
}

/// Move the first elements to another buffer, which is empty: all of them without copying any.
fn move_first<T>(from: &mut Vec<T>, count: usize, to: &mut Vec<T>) {
    if from.len() == count && to.is_empty() {
        std::mem::swap(from, to);
    } else {
        to.extend(from.drain(..count));
    }
}
