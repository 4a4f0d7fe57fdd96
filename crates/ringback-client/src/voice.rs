//! What a bot says, as packets: one every 20 ms while it speaks and a little longer, none while it is silent.

use ringback_audio::{Codec, Encoder, OpusSettings, level_dbov};
use ringback_engine::{format_kind, random_u64};
use ringback_sfu::{Extensions, Mid, Packet};

use crate::converter::Converter;
use crate::speech::{Speech, Taken};

/// Ticks of silence sent after speech, so that its end is heard as it was and not made up.
const TAIL: u32 = 50;
/// For speech of a bot: what it costs is a bot's, not the server's.
const OPUS: OpusSettings = OpusSettings { complexity: 8, bitrate_bps: 32_000, fec: true, expected_loss: 3 };

/// The sending half of a call.
pub struct Voice {
    rate: u32,
    codec: Codec,
    encoder: Encoder,
    converter: Option<Converter>,
    sequence: u64,
    timestamp: u32,
    silent: u32,
    pcm: Vec<i16>,
}

impl Voice {
    /// Silence, at `rate` samples per second.
    pub fn new(rate: u32) -> Voice {
        let random = random_u64();
        Voice {
            rate,
            codec: Codec::Pcmu,
            encoder: Encoder::new(Codec::Pcmu, OPUS),
            converter: None,
            // RFC 3711 §3.3.1: below 2^15, so that losing its first packets does not hide a wrap.
            sequence: random & 0x7fff,
            timestamp: (random >> 32) as u32,
            silent: TAIL + 1,
            pcm: Vec::new(),
        }
    }

    /// 20 ms pass. `codec`: what to speak, taken up in a pause.
    pub fn tick(&mut self, speech: &Speech, codec: Codec, mid: Mid) -> (Option<Packet>, Taken) {
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock_rate() / 50);
        self.pcm.clear();
        let taken = speech.take(&mut self.pcm);
        if self.silent > 0 && self.may_become(codec) {
            self.codec = codec;
            self.encoder = Encoder::new(codec, OPUS);
            self.converter = None;
        }
        if self.pcm.is_empty() {
            self.silent = self.silent.saturating_add(1);
            if self.silent > TAIL {
                return (None, taken);
            }
            self.pcm.resize(self.rate as usize / 50, 0);
            return (self.packet(mid, false), taken);
        }
        let begins = self.silent > TAIL;
        self.silent = 0;
        (self.packet(mid, begins), taken)
    }

    /// 20 ms pass in which nothing can be sent.
    pub fn pass(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock_rate() / 50);
        self.silent = TAIL + 1;
    }

    /// Another clock means another timeline (RFC 7160): only where nothing of the old one is on its way.
    fn may_become(&self, codec: Codec) -> bool {
        codec != self.codec && (codec.clock_rate() == self.codec.clock_rate() || self.silent > TAIL)
    }

    fn packet(&mut self, mid: Mid, marker: bool) -> Option<Packet> {
        let wanted = self.encoder.wants(self.rate);
        if self.converter.as_ref().is_none_or(|converter| !converter.fits(self.rate, wanted)) {
            self.converter = Converter::new(self.rate, wanted);
        }
        let level = level_dbov(&self.pcm).round() as i8;
        let mut payload = Vec::new();
        let pcm = if wanted == self.rate { &self.pcm[..] } else { self.converter.as_mut()?.process(&self.pcm) };
        self.encoder.encode(pcm, wanted, &mut payload).ok()?;
        self.sequence += 1;
        Some(Packet {
            mid,
            ssrc: 0,
            layer: 0,
            format: format_kind(self.codec).plain(),
            sequence: self.sequence,
            timestamp: self.timestamp,
            marker,
            payload: payload.into(),
            redundant: None,
            extensions: Extensions { audio_level: Some(level), ..Extensions::default() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(voice: &mut Voice, speech: &Speech, codec: Codec) -> Option<Packet> {
        voice.tick(speech, codec, Mid::from("0")).0
    }

    #[test]
    fn packets_count_on_and_time_passes_in_silence_too() {
        let (mut voice, speech) = (Voice::new(8000), Speech::new(8000));
        assert!(speech.push([1000; 320].into_iter(), None));

        let first = tick(&mut voice, &speech, Codec::Pcmu).unwrap();
        assert!(first.marker && tick(&mut voice, &speech, Codec::Pcmu).is_some_and(|p| !p.marker));
        let tail = (0..100).filter(|_| tick(&mut voice, &speech, Codec::Pcmu).is_some()).count();
        assert!(speech.push([1000; 160].into_iter(), None));
        let later = tick(&mut voice, &speech, Codec::Pcmu).unwrap();

        assert_eq!(tail, TAIL as usize);
        assert_eq!(later.sequence - first.sequence, 2 + u64::from(TAIL));
        assert_eq!(later.timestamp.wrapping_sub(first.timestamp), 102 * 160);
        assert!(later.marker && later.payload.len() == 160);
    }

    #[test]
    fn a_codec_of_the_same_clock_is_taken_up_in_a_pause_and_another_after_it() {
        let (mut voice, speech) = (Voice::new(24_000), Speech::new(24_000));
        let kind = |packet: Option<Packet>| packet.map(|p| p.format);
        assert!(speech.push([1000; 960].into_iter(), None));

        assert_eq!(kind(tick(&mut voice, &speech, Codec::Pcmu)), Some(format_kind(Codec::Pcmu).plain()));
        assert_eq!(kind(tick(&mut voice, &speech, Codec::G722)), Some(format_kind(Codec::Pcmu).plain()));
        assert_eq!(kind(tick(&mut voice, &speech, Codec::G722)), Some(format_kind(Codec::Pcmu).plain()));
        assert_eq!(kind(tick(&mut voice, &speech, Codec::G722)), Some(format_kind(Codec::G722).plain()));
        assert_eq!(kind(tick(&mut voice, &speech, Codec::Opus)), Some(format_kind(Codec::G722).plain()));
        (0..TAIL).for_each(|_| drop(tick(&mut voice, &speech, Codec::Opus)));
        assert!(speech.push([1000; 480].into_iter(), None));
        assert_eq!(kind(tick(&mut voice, &speech, Codec::Opus)), Some(format_kind(Codec::Opus).plain()));
    }
}
