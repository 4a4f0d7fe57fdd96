//! One microphone as the phones of its room hear it: held until its time, decoded once, at every rate that is asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ringback_audio::{
    Codec, Encoder, Expected, Media, OpusSettings, Origin, Polish, Polishing, Receiver, ReceiverConfig, Resampler,
    TONE_RATE, Tone, ToneShape, level_dbov,
};
use ringback_rtp::{JitterConfig, RtpHeader, RtpPacket};
use ringback_sfu::{Extensions, FormatKind, Mid, Packet};

use crate::config::PhoneMedia;
use crate::shared::{LegCounters, LegShared};
use crate::worker::LegKey;

/// A source that has sent nothing for this long is not there: who hears it and one other is not given a mix.
const PRESENT: Duration = Duration::from_secs(2);
/// Rate Opus is decoded at for phones: none of them hears more, and mixing at 48 kHz costs three times as much.
const OPUS_RATE: u32 = 16_000;
/// Of what is sent in a pause instead of sound (RFC 3551 §6); nobody has to agree on it to send it.
pub const COMFORT_NOISE: u8 = 13;
/// Ticks of silence still sent to browsers after sound that we encode ourselves.
const ENCODED_SILENCE: u32 = 10;

/// One microphone.
pub struct Source {
    pub leg: LegKey,
    pub shared: Arc<LegShared>,
    pub feed: Feed,
    /// A tone in place of its own sound, and the present 20 ms of it.
    tone: Option<(Tone, Vec<i16>)>,
    /// Codec of the last packet.
    codec: Option<Codec>,
    ssrc: Option<u32>,
    last_sound: Option<Instant>,
    begun: bool,
    /// How loud its last 20 ms were, in dBov.
    pub level: i8,
    /// Its 20 ms at other rates than its own.
    resampled: Vec<Rated>,
    /// What is made for browsers that cannot take it as it is.
    pub browsers: Vec<(LegKey, Mid)>,
    encoders: Vec<Encoded>,
    concealed_before: u64,
    /// A browser that says with each packet how loud it is: that is counted where it arrives.
    tells_level: bool,
    /// What its sound goes through before anybody hears it, and its present 20 ms behind that.
    polish: Option<Box<(Polish, Vec<i16>)>>,
}

/// Where its sound comes from.
pub enum Feed {
    /// RTP.
    Packets(Box<Receiver>),
    /// A queue of an in-process participant, and its present 20 ms.
    Pcm(Vec<i16>),
}

struct Rated {
    rate: u32,
    resampler: Resampler,
    pcm: Vec<i16>,
    done: bool,
}

/// One codec's stream of this source, made once for all browsers that take it.
struct Encoded {
    codec: Codec,
    encoder: Encoder,
    resampler: Option<Resampler>,
    rate: u32,
    sequence: u64,
    timestamp: u32,
    silent: u32,
}

impl Source {
    /// A source that sends packets. `expected` is what a phone may send; a browser says it with each packet.
    pub fn of_packets(leg: LegKey, shared: Arc<LegShared>, expected: Vec<Expected>) -> Source {
        let config = receiver_config(expected);
        Source::new(leg, shared, Feed::Packets(Box::new(Receiver::new(config))))
    }

    /// An in-process participant.
    pub fn of_pcm(leg: LegKey, shared: Arc<LegShared>) -> Source {
        Source::new(leg, shared, Feed::Pcm(Vec::new()))
    }

    fn new(leg: LegKey, shared: Arc<LegShared>, feed: Feed) -> Source {
        Source {
            leg,
            shared,
            feed,
            tone: None,
            codec: None,
            ssrc: None,
            last_sound: None,
            begun: false,
            level: -127,
            resampled: Vec::new(),
            browsers: Vec::new(),
            encoders: Vec::new(),
            concealed_before: 0,
            tells_level: false,
            polish: None,
        }
    }

    /// What its sound is to go through from now on.
    pub fn set_polish(&mut self, wanted: Polishing) {
        if wanted.is_none() {
            self.polish = None;
            return;
        }
        self.polish.get_or_insert_default().0.set(wanted);
    }

    /// Whether what it was sent is kept from coming back.
    pub fn looks_for_echo(&self) -> bool {
        self.polish.as_deref().is_some_and(|(polish, _)| polish.wanted().echo)
    }

    /// Whether its sound is not that of its payloads: they cannot be forwarded.
    pub fn is_made(&self) -> bool {
        self.has_tone() || self.polish.is_some() || matches!(self.feed, Feed::Pcm(_))
    }

    /// A later offer/answer of a phone.
    pub fn expect(&mut self, expected: Vec<Expected>) {
        if let Feed::Packets(receiver) = &mut self.feed {
            receiver.configure(receiver_config(expected));
        }
    }

    /// A packet arrived.
    pub fn push(&mut self, now: Instant, packet: &RtpPacket<'_>, codec: Codec, fresh: bool) {
        let Feed::Packets(receiver) = &mut self.feed else { return };
        if fresh {
            receiver.restart();
        }
        receiver.push(now, packet);
        self.codec = Some(codec);
        self.last_sound = Some(now);
        self.tone = None;
    }

    /// A packet arrived that says that nobody speaks there now.
    pub fn push_pause(&mut self, now: Instant, packet: &RtpPacket<'_>, fresh: bool) {
        let Feed::Packets(receiver) = &mut self.feed else { return };
        if fresh {
            receiver.restart();
        }
        receiver.pause(now, packet);
    }

    /// Whether packets wait for their time.
    pub fn has_waiting(&self) -> bool {
        matches!(&self.feed, Feed::Packets(receiver) if !receiver.jitter().is_empty())
    }

    /// Play a tone from its beginning, or none; it ends with the first packet.
    pub fn set_tone(&mut self, shape: Option<ToneShape>) {
        self.tone = shape.map(|shape| (Tone::new(shape), Vec::new()));
    }

    /// Whether a tone is heard in place of its own sound.
    pub fn has_tone(&self) -> bool {
        self.tone.is_some()
    }

    /// The codec of its payloads, where there are any to forward.
    pub fn codec(&self) -> Option<Codec> {
        self.codec.filter(|_| self.tone.is_none() && self.polish.is_none())
    }

    /// A browser's packet, in the clothes of a phone's; another SSRC is another stream.
    /// `tells_level`: it says how loud it is, which is counted where it arrives.
    pub fn push_browser(&mut self, now: Instant, packet: &RtpPacket<'_>, codec: Codec, tells_level: bool) {
        self.tells_level = tells_level;
        let fresh = self.ssrc.replace(packet.ssrc).is_some_and(|before| before != packet.ssrc);
        self.push(now, packet, codec, fresh);
    }

    /// Whether it sends anything these days.
    pub fn is_present(&self, at: Instant) -> bool {
        self.last_sound.is_some_and(|last| at.saturating_duration_since(last) < PRESENT)
            || matches!(self.feed, Feed::Pcm(_)) && self.shared.pcm.as_ref().is_some_and(|pcm| !pcm.is_empty())
    }

    /// The next 20 ms. `decode`: samples are needed, not only the payload. `sent_dbov`: level of what a telephone was
    /// sent last, which may come back as an echo.
    pub fn pull(&mut self, at: Instant, decode: bool, sent_dbov: f32) {
        self.resampled.iter_mut().for_each(|rated| rated.done = false);
        if let Some((tone, pcm)) = &mut self.tone {
            tone.tick(pcm);
            self.last_sound = Some(at);
            return;
        }
        match &mut self.feed {
            Feed::Packets(receiver) => {
                receiver.set_decoding(decode);
                let frame = receiver.pull(at);
                let mut pcm = frame.pcm();
                if let Some((polish, polished)) = self.polish.as_deref_mut() {
                    polished.clear();
                    polished.extend_from_slice(pcm);
                    if !pcm.is_empty() {
                        polish.process(polished, frame.sample_rate(), sent_dbov);
                    }
                    pcm = polished;
                }
                if !pcm.is_empty() || frame.origin() == Origin::Silence {
                    let level = level_dbov(pcm);
                    self.level = level.round() as i8;
                    if frame.origin() == Origin::Heard && !self.tells_level {
                        self.shared.counters.note_sound(pcm, level);
                    }
                }
                let stats = receiver.stats();
                let counters = &self.shared.counters;
                let concealed = stats.frames_concealed - self.concealed_before;
                self.concealed_before = stats.frames_concealed;
                LegCounters::add(&counters.frames_concealed, concealed);
                counters.packets_late.store(stats.jitter.late, Relaxed);
                counters.frames_heard.store(stats.frames_heard, Relaxed);
                counters.frames_stretched.store(stats.frames_stretched, Relaxed);
                counters.frames_shrunk.store(stats.frames_shrunk, Relaxed);
                counters.underruns_late.store(stats.jitter.starved, Relaxed);
                counters.underruns_lost.store(stats.jitter.concealed - stats.jitter.starved, Relaxed);
                if stats.jitter.received % 32 == 1 {
                    counters.buffer_us.store(receiver.jitter().target().as_micros() as u64, Relaxed);
                }
            }
            Feed::Pcm(frame) => {
                frame.clear();
                let Some(pcm) = &self.shared.pcm else { return };
                let wanted = (pcm.rate / 50) as usize;
                pcm.take(wanted, frame);
                if !frame.is_empty() {
                    frame.resize(wanted, 0);
                    self.last_sound = Some(at);
                }
                let level = level_dbov(frame);
                self.level = level.round() as i8;
                if !frame.is_empty() {
                    self.shared.counters.note_sound(frame, level);
                }
            }
        }
    }

    /// Whether an in-process participant has just spoken for the first time.
    pub fn begins(&mut self) -> bool {
        matches!(&self.feed, Feed::Pcm(pcm) if !pcm.is_empty()) && !std::mem::replace(&mut self.begun, true)
    }

    /// Its 20 ms, for a listener of `codec`: as they came if that fits.
    pub fn media(&self, codec: Codec) -> Media<'_> {
        match (&self.feed, self.sound()) {
            (Feed::Packets(receiver), _) if self.tone.is_none() && self.polish.is_none() => {
                receiver.frame().media(codec)
            }
            (_, ([], _)) => Media::Silence,
            (_, (pcm, sample_rate)) => Media::Pcm { pcm, sample_rate },
        }
    }

    /// Its present 20 ms as samples, empty for silence, and their rate.
    pub fn sound(&self) -> (&[i16], u32) {
        sound(&self.feed, &self.tone, &self.shared, &self.polish)
    }

    /// Its 20 ms at `rate`; empty for silence.
    pub fn pcm_at(&mut self, rate: u32) -> &[i16] {
        let (pcm, own) = sound(&self.feed, &self.tone, &self.shared, &self.polish);
        if own == rate || pcm.is_empty() {
            return pcm;
        }
        let known = self.resampled.iter().position(|r| r.rate == rate && r.resampler.from_rate() == own);
        let index = known.unwrap_or_else(|| {
            self.resampled.retain(|r| r.rate != rate);
            if let Some(resampler) = Resampler::new(own, rate) {
                self.resampled.push(Rated { rate, resampler, pcm: Vec::new(), done: false });
            }
            self.resampled.len().saturating_sub(1)
        });
        let Some(rated) = self.resampled.get_mut(index).filter(|r| r.rate == rate) else { return &[] };
        if !std::mem::replace(&mut rated.done, true) {
            rated.pcm.clear();
            rated.resampler.process(pcm, &mut rated.pcm);
        }
        &rated.pcm
    }

    /// This tick's packet for browsers that take `codec` and not what the source sends; `None` while it is silent.
    pub fn encoded(&mut self, codec: Codec) -> Option<Packet> {
        let (pcm, rate) = sound(&self.feed, &self.tone, &self.shared, &self.polish);
        if !self.encoders.iter().any(|e| e.codec == codec) {
            self.encoders.push(Encoded::new(codec));
        }
        let encoded = self.encoders.iter_mut().find(|e| e.codec == codec)?;
        encoded.encode(pcm, rate, self.level)
    }
}

/// The present 20 ms of a source, empty for silence, and their rate.
fn sound<'a>(
    feed: &'a Feed,
    tone: &'a Option<(Tone, Vec<i16>)>,
    shared: &LegShared,
    polish: &'a Option<Box<(Polish, Vec<i16>)>>,
) -> (&'a [i16], u32) {
    match (tone, feed) {
        (Some((_, pcm)), _) => (pcm, TONE_RATE),
        (None, Feed::Packets(receiver)) => {
            let polished = polish.as_deref().map(|(_, pcm)| &pcm[..]);
            (polished.unwrap_or(receiver.frame().pcm()), receiver.frame().sample_rate())
        }
        (None, Feed::Pcm(pcm)) => (pcm, shared.pcm.as_ref().map_or(16_000, |queues| queues.rate)),
    }
}

impl Encoded {
    fn new(codec: Codec) -> Encoded {
        let encoder = Encoder::new(codec, OpusSettings::default());
        Encoded { codec, encoder, resampler: None, rate: 16_000, sequence: 0, timestamp: 0, silent: ENCODED_SILENCE }
    }

    fn encode(&mut self, pcm: &[i16], rate: u32, level: i8) -> Option<Packet> {
        let began = self.silent >= ENCODED_SILENCE;
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock_rate() / 50);
        let mut payload = Vec::new();
        if pcm.is_empty() {
            self.silent = self.silent.saturating_add(1);
            if self.silent >= ENCODED_SILENCE {
                return None;
            }
            let silence = vec![0; (self.rate / 50) as usize];
            self.encode_into(&silence, &mut payload)?;
        } else {
            self.silent = 0;
            self.rate = rate;
            self.encode_into(pcm, &mut payload)?;
        }
        self.sequence += 1;
        Some(Packet {
            mid: Mid::from(""),
            ssrc: 0,
            layer: 0,
            format: format_kind(self.codec).plain(),
            sequence: self.sequence,
            timestamp: self.timestamp,
            marker: began,
            payload: payload.into(),
            redundant: None,
            extensions: Extensions { audio_level: Some(level), ..Extensions::default() },
        })
    }

    fn encode_into(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Option<()> {
        let wanted = self.encoder.wants(self.rate);
        if wanted == self.rate {
            return self.encoder.encode(pcm, wanted, out).ok();
        }
        if self.resampler.as_ref().is_none_or(|r| r.from_rate() != self.rate || r.to_rate() != wanted) {
            self.resampler = Resampler::new(self.rate, wanted);
        }
        let mut resampled = Vec::new();
        self.resampler.as_mut()?.process(pcm, &mut resampled);
        self.encoder.encode(&resampled, wanted, out).ok()
    }
}

fn receiver_config(codecs: Vec<Expected>) -> ReceiverConfig {
    let clock_rate = codecs.first().map_or(8_000, |e| e.codec.clock_rate());
    ReceiverConfig {
        codecs,
        dtmf: None,
        comfort_noise: None,
        opus_rate: OPUS_RATE,
        jitter: JitterConfig::new(clock_rate),
    }
}

/// What a phone may send.
pub fn expected_of(media: &PhoneMedia) -> Vec<Expected> {
    let all = std::iter::once(&media.codec).chain(&media.receive);
    all.map(|c| Expected { payload_type: c.receive_payload_type, codec: c.codec }).collect()
}

/// What browsers may send, under payload types of our own.
pub fn expected_of_browsers() -> Vec<Expected> {
    [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus]
        .map(|codec| Expected { payload_type: payload_type(codec), codec })
        .to_vec()
}

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 111,
    }
}

/// A browser's packet as a phone's would look, in `buffer`.
pub fn as_datagram(packet: &Packet, codec: Codec, buffer: &mut Vec<u8>) {
    let header = RtpHeader {
        payload_type: payload_type(codec),
        marker: packet.marker,
        sequence: packet.sequence as u16,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
    };
    buffer.clear();
    header.write(&packet.payload, buffer);
}

/// The audio codec of a browser's packet.
pub fn codec_of(kind: FormatKind) -> Option<Codec> {
    match kind {
        FormatKind::Pcmu => Some(Codec::Pcmu),
        FormatKind::Pcma => Some(Codec::Pcma),
        FormatKind::G722 => Some(Codec::G722),
        FormatKind::Opus => Some(Codec::Opus),
        FormatKind::Vp8 | FormatKind::H264 => None,
    }
}

/// A codec as browsers name it.
pub fn format_kind(codec: Codec) -> FormatKind {
    match codec {
        Codec::Pcmu => FormatKind::Pcmu,
        Codec::Pcma => FormatKind::Pcma,
        Codec::G722 => FormatKind::G722,
        Codec::Opus => FormatKind::Opus,
    }
}
