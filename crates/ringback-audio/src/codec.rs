//! The codecs of a phone leg, and an encoder and a decoder that can be any of them.

use ringback_rtp::Impairment;

use crate::g711;
use crate::g722::{G722Decoder, G722Encoder};
use crate::opus::{OpusDecoder, OpusEncoder, OpusError, OpusSettings};
use crate::opus_packet::opus_ticks;

/// What sound is encoded as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Opus.
    Opus,
}

impl Codec {
    /// By its encoding name in SDP, in whatever case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus]
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Its encoding name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "OPUS",
        }
    }

    /// Its RTP clock. G.722's is 8000, though it is sampled at 16000 (RFC 3551 §4.5.2).
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8000,
            Self::Opus => 48000,
        }
    }

    /// The rate of the sound it carries. Opus can be made from, and made into, lower rates as well.
    pub fn sample_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::G722 => 16000,
            Self::Opus => 48000,
        }
    }

    /// What loss does to it (G.113 appendix I for the first three with concealment; Opus as measured elsewhere).
    pub fn impairment(self) -> Impairment {
        let (codec, robustness) = match self {
            Self::Pcmu | Self::Pcma => (0.0, 25.1),
            Self::G722 => (0.0, 14.0),
            Self::Opus => (0.0, 20.0),
        };
        Impairment { codec, robustness }
    }

    /// Ticks of the RTP clock that a payload carries; `None` when it cannot be a payload of this codec.
    pub fn ticks(self, payload: &[u8]) -> Option<u32> {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => u32::try_from(payload.len()).ok().filter(|ticks| *ticks > 0),
            Self::Opus => opus_ticks(payload),
        }
    }

    /// Whether a payload can be cut and joined at any byte, one byte being one tick.
    pub fn is_bytewise(self) -> bool {
        self != Self::Opus
    }
}

/// An encoder of any codec.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
    settings: OpusSettings,
    g722: G722Encoder,
    opus: Option<OpusEncoder>,
}

impl Encoder {
    /// An encoder; `settings` matter for Opus only.
    pub fn new(codec: Codec, settings: OpusSettings) -> Self {
        Self { codec, settings, g722: G722Encoder::default(), opus: None }
    }

    /// What it makes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The rate of sound it wants, given what there is: Opus takes 8, 16 and 48 kHz as they are.
    pub fn wants(&self, sample_rate: u32) -> u32 {
        match self.codec {
            Codec::Opus if matches!(sample_rate, 8000 | 16000 | 48000) => sample_rate,
            codec => codec.sample_rate(),
        }
    }

    /// Append the payload of 20 ms of int16 mono samples at a rate it [`wants`](Self::wants).
    pub fn encode(&mut self, pcm: &[i16], sample_rate: u32, out: &mut Vec<u8>) -> Result<(), OpusError> {
        match self.codec {
            Codec::Pcmu => g711::encode_mu(pcm, out),
            Codec::Pcma => g711::encode_a(pcm, out),
            Codec::G722 => self.g722.encode(pcm, out),
            Codec::Opus => return self.opus(sample_rate)?.encode(pcm, out),
        }
        Ok(())
    }

    /// The far end was sent this payload, which another encoder of this codec made: join on to it.
    pub fn follow(&mut self, payload: &[u8]) {
        if self.codec == Codec::G722 {
            self.g722.follow(payload);
        }
    }

    fn opus(&mut self, sample_rate: u32) -> Result<&mut OpusEncoder, OpusError> {
        if self.opus.as_ref().is_none_or(|opus| opus.sample_rate() != sample_rate) {
            self.opus = Some(OpusEncoder::new(sample_rate, self.settings)?);
        }
        self.opus.as_mut().ok_or(OpusError { code: -7 })
    }

    /// Change Opus' settings in mid-stream.
    pub fn apply(&mut self, settings: OpusSettings) -> Result<(), OpusError> {
        self.settings = settings;
        self.opus.as_mut().map_or(Ok(()), |opus| opus.apply(settings))
    }
}

/// A decoder of any codec.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    g722: G722Decoder,
    opus: Option<OpusDecoder>,
    sample_rate: u32,
}

impl Decoder {
    /// A decoder; `opus_rate` (8000, 16000 or 48000) is what Opus is decoded at.
    pub fn new(codec: Codec, opus_rate: u32) -> Result<Self, OpusError> {
        let opus = if codec == Codec::Opus { Some(OpusDecoder::new(opus_rate)?) } else { None };
        let sample_rate = if codec == Codec::Opus { opus_rate } else { codec.sample_rate() };
        Ok(Self { codec, g722: G722Decoder::default(), opus, sample_rate })
    }

    /// What it takes.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Rate of the sound it gives.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Append the int16 mono samples of a payload.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), OpusError> {
        match (&mut self.opus, self.codec) {
            (Some(opus), _) => return opus.decode(payload, out),
            (None, Codec::Pcma) => g711::decode_a(payload, out),
            (None, Codec::G722) => self.g722.decode(payload, out),
            (None, _) => g711::decode_mu(payload, out),
        }
        Ok(())
    }

    /// The Opus decoder inside, if it is one.
    pub(crate) fn opus(&mut self) -> Option<&mut OpusDecoder> {
        self.opus.as_mut()
    }
}
