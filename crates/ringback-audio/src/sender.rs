//! The sending end of a leg: whatever it is given, the far end gets one unbroken stream.
//!
//! One tick of 20 ms in, RTP packets of the negotiated ptime out. Sequence numbers and timestamps run on over changes
//! of source, between forwarding, transcoding and mixing, over digits, and over changes of codec at one clock rate.
//!
//! Packets of 10, 30 or 50 ms end at every other tick's middle. Those that end with a tick are held for half of one, so
//! that all leave at the distance that was agreed on: see [`Sender::half_tick`].

use ringback_rtp::{DtmfSender, RtpHeader, SentTotals};

use crate::codec::{Codec, Encoder};
use crate::frame::{Media, TICK_MS};
use crate::g711;
use crate::keys::KeyTones;
use crate::opus::{OPUS_SILENCE, OpusSettings};
use crate::resample::Resampler;
use crate::tone::TONE_RATE;

/// A gap left to the far end's concealment is at most this long; then it gets silence.
const LONGEST_GAP: u32 = 3;
/// Ticks of silence that an Opus encoder still makes itself.
const ENCODED_SILENCE: u32 = 10;
/// A step between two sources is spread over this many samples (5 ms at 8 kHz).
const DECLICK: usize = 40;

/// How a stream is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderConfig {
    /// What sound is encoded as.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// 10 to 60, in tens. Opus always goes out in packets of 20 ms.
    pub ptime_ms: u32,
    /// Payload type and clock rate of telephone-event, if negotiated.
    pub dtmf: Option<(u8, u32)>,
    /// For Opus.
    pub opus: OpusSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Silence,
    Pcm,
    Encoded,
}

/// A packet without its number, as that of the next one to leave.
#[derive(Debug)]
struct Held {
    payload_type: u8,
    marker: bool,
    timestamp: u32,
    payload: Vec<u8>,
}

/// Makes one stream. See the module's documentation.
#[derive(Debug)]
pub struct Sender {
    config: SenderConfig,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    encoder: Encoder,
    resampler: Option<Resampler>,
    digits: DtmfSender,
    /// Keys as sound, and their present 20 ms.
    tones: KeyTones,
    sounding: Vec<i16>,
    /// Bytewise codecs: what has not filled a packet yet.
    pending: Vec<u8>,
    /// A packet that leaves half a tick later than it is whole.
    held: Option<Held>,
    mode: Mode,
    /// Ticks without sound, and without anything.
    silent: u32,
    lost: u32,
    cut: bool,
    last_sample: i16,
    scratch: Vec<i16>,
    packets: u64,
    octets: u64,
    errors: u64,
}

impl Sender {
    /// A stream that begins with these (randomly chosen) numbers.
    pub fn new(config: SenderConfig, ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        let config = SenderConfig { ptime_ms: ptime(config.ptime_ms), ..config };
        Self {
            config,
            ssrc,
            sequence,
            timestamp,
            marker: true,
            encoder: Encoder::new(config.codec, config.opus),
            resampler: None,
            digits: DtmfSender::new(config.dtmf.map_or(config.codec.clock_rate(), |(_, rate)| rate)),
            tones: KeyTones::default(),
            sounding: Vec::new(),
            pending: Vec::new(),
            held: None,
            mode: Mode::Silence,
            silent: 0,
            lost: 0,
            cut: false,
            last_sample: 0,
            scratch: Vec::new(),
            packets: 0,
            octets: 0,
            errors: 0,
        }
    }

    /// Apply a later offer/answer. Another clock rate makes another stream: a new SSRC (RFC 7160).
    pub fn configure(&mut self, config: SenderConfig) {
        let config = SenderConfig { ptime_ms: ptime(config.ptime_ms), ..config };
        let before = std::mem::replace(&mut self.config, config);
        if let Some((_, rate)) = config.dtmf {
            self.digits.set_clock_rate(rate);
        } else {
            self.digits.clear();
        }
        if before.codec != config.codec {
            self.encoder = Encoder::new(config.codec, config.opus);
            self.resampler = None;
            self.pending.clear();
            self.marker = true;
            self.mode = Mode::Silence;
            self.last_sample = 0;
        } else if before.opus != config.opus && self.encoder.apply(config.opus).is_err() {
            self.errors += 1;
        }
        if before.codec.clock_rate() != config.codec.clock_rate() {
            self.held = None;
            self.ssrc = another(self.ssrc, self.sequence);
        }
    }

    /// How it encodes Opus.
    pub fn opus(&self) -> OpusSettings {
        self.config.opus
    }

    /// Encode Opus like this from now on.
    pub fn set_opus(&mut self, opus: OpusSettings) {
        if opus != self.config.opus {
            self.configure(SenderConfig { opus, ..self.config });
        }
    }

    /// What it sends.
    pub fn codec(&self) -> Codec {
        self.config.codec
    }

    /// Queue digits for RFC 4733; answers how many were taken, 0 when telephone-event was not negotiated.
    pub fn queue_digits(&mut self, digits: &str, duration_ms: u32, gap_ms: u32) -> usize {
        if self.config.dtmf.is_none() {
            return 0;
        }
        self.digits.queue(digits, duration_ms, gap_ms)
    }

    /// Queue digits to be heard as tones in place of what is said; answers how many were taken.
    pub fn queue_tones(&mut self, digits: &str, duration_ms: u32, gap_ms: u32) -> usize {
        self.tones.queue(digits, duration_ms, gap_ms)
    }

    /// Whether digits are on their way.
    pub fn is_dialling(&self) -> bool {
        self.digits.is_busy() || self.tones.is_busy()
    }

    /// The next frame comes from another source: smooth the step.
    pub fn source_changed(&mut self) {
        self.cut = true;
    }

    /// Packets and octets sent so far, and where the clock stands.
    pub fn totals(&self) -> SentTotals {
        SentTotals { ssrc: self.ssrc, packets: self.packets, octets: self.octets, timestamp: self.timestamp }
    }

    /// Frames that could not be encoded (silence went out instead).
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// 20 ms pass in which nothing is sent (on hold). Timestamps count on, sequence numbers do not.
    pub fn pass(&mut self) {
        self.pending.clear();
        self.held = None;
        self.timestamp = self.timestamp.wrapping_add(self.tick_ticks());
        self.marker = true;
        self.mode = Mode::Silence;
        self.last_sample = 0;
    }

    /// 20 ms pass. Packets go to `emit` as header and payload, in order; there may be none, one or two.
    pub fn tick(&mut self, media: Media<'_>, emit: &mut dyn FnMut(RtpHeader, &[u8])) {
        self.half_tick(emit);
        let event = self
            .config
            .dtmf
            .and_then(|(payload_type, _)| self.digits.tick(self.timestamp).map(|event| (payload_type, event)));
        if let Some((payload_type, event)) = event {
            self.flush(emit);
            self.emit(payload_type, event.marker, event.timestamp, &event.payload, emit);
            self.mode = Mode::Silence;
            self.last_sample = 0;
        } else {
            let mut sounding = std::mem::take(&mut self.sounding);
            let media = match self.tones.tick(&mut sounding) {
                false => media,
                true if sounding.is_empty() => Media::Silence,
                true => Media::Pcm { pcm: &sounding, sample_rate: TONE_RATE },
            };
            if self.config.codec.is_bytewise() {
                self.tick_bytewise(media, emit);
            } else {
                self.tick_opus(media, emit);
            }
            self.sounding = sounding;
        }
        self.timestamp = self.timestamp.wrapping_add(self.tick_ticks());
    }

    /// Whether a packet waits for [`half_tick`](Self::half_tick).
    pub fn has_held(&self) -> bool {
        self.held.is_some()
    }

    /// 10 ms have passed since the tick: what was held then leaves. What nobody asked for leaves with the next tick.
    pub fn half_tick(&mut self, emit: &mut dyn FnMut(RtpHeader, &[u8])) {
        if let Some(held) = self.held.take() {
            self.emit(held.payload_type, held.marker, held.timestamp, &held.payload, emit);
        }
    }

    fn tick_ticks(&self) -> u32 {
        self.config.codec.clock_rate() / 1000 * TICK_MS
    }

    fn tick_bytewise(&mut self, media: Media<'_>, emit: &mut dyn FnMut(RtpHeader, &[u8])) {
        let start = self.pending.len();
        let end = start + self.tick_ticks() as usize;
        let mode = match media {
            Media::Encoded { codec, payload } if codec == self.config.codec => {
                self.pending.extend_from_slice(payload);
                self.encoder.follow(payload);
                Mode::Encoded
            }
            Media::Pcm { pcm, sample_rate } => self.encode(pcm, sample_rate, start),
            _ => Mode::Silence,
        };
        if mode == Mode::Silence || self.pending.len() < end {
            self.fill_silence(end);
        }
        self.pending.truncate(end);
        if mode != self.mode || self.cut {
            self.declick(start);
        }
        self.mode = mode;
        self.cut = false;
        self.last_sample = self.decode_last();
        self.send_full(emit);
    }

    /// Samples to bytes, behind what is pending.
    fn encode(&mut self, pcm: &[i16], sample_rate: u32, start: usize) -> Mode {
        let mut pending = std::mem::take(&mut self.pending);
        let done = self.encode_into(pcm, sample_rate, &mut pending);
        self.pending = pending;
        if done {
            return Mode::Pcm;
        }
        self.errors += 1;
        self.pending.truncate(start);
        Mode::Silence
    }

    fn encode_into(&mut self, pcm: &[i16], sample_rate: u32, out: &mut Vec<u8>) -> bool {
        let wanted = self.encoder.wants(sample_rate);
        if wanted == sample_rate {
            return self.encoder.encode(pcm, sample_rate, out).is_ok();
        }
        if self.resampler.as_ref().is_none_or(|r| r.from_rate() != sample_rate || r.to_rate() != wanted) {
            self.resampler = Resampler::new(sample_rate, wanted);
        }
        let Some(resampler) = &mut self.resampler else { return false };
        self.scratch.clear();
        resampler.process(pcm, &mut self.scratch);
        self.encoder.encode(&self.scratch, wanted, out).is_ok()
    }

    fn fill_silence(&mut self, end: usize) {
        match self.config.codec {
            Codec::Pcmu => self.pending.resize(end, g711::MU_SILENCE),
            Codec::Pcma => self.pending.resize(end, g711::A_SILENCE),
            _ => {
                let samples = end.saturating_sub(self.pending.len()) * 2;
                let mut pending = std::mem::take(&mut self.pending);
                let silence = [0; 640];
                let done = self.encoder.encode(&silence[..samples.min(640)], 16_000, &mut pending);
                debug_assert!(done.is_ok(), "G.722 encodes anything");
                self.pending = pending;
            }
        }
    }

    /// G.711: spread the step from the last sample to what begins at `start`.
    fn declick(&mut self, start: usize) {
        let bytes = &self.pending[start..];
        let bytes = &bytes[..bytes.len().min(DECLICK)];
        self.scratch.clear();
        match self.config.codec {
            Codec::Pcmu => g711::decode_mu(bytes, &mut self.scratch),
            Codec::Pcma => g711::decode_a(bytes, &mut self.scratch),
            _ => return,
        }
        let Some(&first) = self.scratch.first() else { return };
        let step = i32::from(self.last_sample) - i32::from(first);
        let length = self.scratch.len() as i32;
        for (at, sample) in (0i32..).zip(&mut self.scratch) {
            let share = step * (length - at) / (length + 1);
            *sample = (i32::from(*sample) + share).clamp(-32_768, 32_767) as i16;
        }
        let mut smooth = Vec::with_capacity(DECLICK);
        match self.config.codec {
            Codec::Pcma => g711::encode_a(&self.scratch, &mut smooth),
            _ => g711::encode_mu(&self.scratch, &mut smooth),
        }
        self.pending[start..start + smooth.len()].copy_from_slice(&smooth);
    }

    fn decode_last(&mut self) -> i16 {
        let last = &self.pending[self.pending.len().saturating_sub(1)..];
        self.scratch.clear();
        match self.config.codec {
            Codec::Pcmu => g711::decode_mu(last, &mut self.scratch),
            Codec::Pcma => g711::decode_a(last, &mut self.scratch),
            _ => {}
        }
        self.scratch.first().copied().unwrap_or(0)
    }

    /// Send what fills whole packets. `pending` ends where this tick ends.
    fn send_full(&mut self, emit: &mut dyn FnMut(RtpHeader, &[u8])) {
        let size = (self.config.ptime_ms * self.config.codec.clock_rate() / 1000) as usize;
        let pending = std::mem::take(&mut self.pending);
        let begins = self.timestamp.wrapping_add(self.tick_ticks()).wrapping_sub(pending.len() as u32);
        let mut sent = 0;
        while pending.len() - sent >= size {
            let marker = std::mem::take(&mut self.marker);
            let timestamp = begins.wrapping_add(sent as u32);
            let (payload_type, payload) = (self.config.payload_type, &pending[sent..sent + size]);
            sent += size;
            if sent == pending.len() && !self.config.ptime_ms.is_multiple_of(TICK_MS) {
                self.held = Some(Held { payload_type, marker, timestamp, payload: payload.to_vec() });
            } else {
                self.emit(payload_type, marker, timestamp, payload, emit);
            }
        }
        self.pending = pending;
        self.pending.drain(..sent);
    }

    /// Send what is pending in a short packet, because something else begins at the present tick.
    fn flush(&mut self, emit: &mut dyn FnMut(RtpHeader, &[u8])) {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            let marker = std::mem::take(&mut self.marker);
            let timestamp = self.timestamp.wrapping_sub(pending.len() as u32);
            self.emit(self.config.payload_type, marker, timestamp, &pending, emit);
        }
    }

    fn tick_opus(&mut self, media: Media<'_>, emit: &mut dyn FnMut(RtpHeader, &[u8])) {
        let (payload_type, timestamp) = (self.config.payload_type, self.timestamp);
        self.pending.clear();
        self.silent = if media == Media::Silence { self.silent.saturating_add(1) } else { 0 };
        self.lost = if media == Media::Lost { self.lost.saturating_add(1) } else { 0 };
        let mode = match media {
            Media::Encoded { codec: Codec::Opus, payload } => {
                self.pending.extend_from_slice(payload);
                Mode::Encoded
            }
            Media::Pcm { pcm, sample_rate } => self.encode(pcm, sample_rate, 0),
            Media::Lost if self.lost <= LONGEST_GAP && self.mode == Mode::Encoded => {
                // A hole in the numbers lets the far end conceal, or use the copy in the next packet.
                self.sequence = self.sequence.wrapping_add(1);
                return;
            }
            Media::Silence if self.mode == Mode::Pcm && self.silent <= ENCODED_SILENCE => {
                let silence = [0; 960];
                let rate = self.encoder.wants(48_000);
                self.encode(&silence[..(rate / 50) as usize], rate, 0)
            }
            _ => Mode::Silence,
        };
        if self.pending.is_empty() {
            self.pending.extend_from_slice(&OPUS_SILENCE);
        }
        self.mode = mode;
        self.cut = false;
        let payload = std::mem::take(&mut self.pending);
        let marker = std::mem::take(&mut self.marker);
        self.emit(payload_type, marker, timestamp, &payload, emit);
        self.pending = payload;
        self.pending.clear();
    }

    fn emit(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
        emit: &mut dyn FnMut(RtpHeader, &[u8]),
    ) {
        emit(RtpHeader { payload_type, marker, sequence: self.sequence, timestamp, ssrc: self.ssrc }, payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.octets += payload.len() as u64;
    }
}

/// What we can send: tens from 10 to 60, else 20.
fn ptime(wanted: u32) -> u32 {
    if wanted.is_multiple_of(10) && (10..=60).contains(&wanted) { wanted } else { TICK_MS }
}

/// Another SSRC that nobody can tell from the first (SplitMix64's mixing).
fn another(ssrc: u32, sequence: u16) -> u32 {
    let mut z = (u64::from(ssrc) << 16 | u64::from(sequence)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 32) as u32
}
