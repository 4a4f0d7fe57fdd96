//! Opus (RFC 6716) at 8, 16 or 48 kHz mono, by libopus. Its RTP clock is always 48000 Hz (RFC 7587).

use std::fmt;

use opusic_sys as ffi;

use crate::sys;

/// 20 ms of silence, as a fullband CELT packet.
pub const OPUS_SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
/// The longest packet is 120 ms.
const LONGEST_MS: usize = 120;
/// More than any packet we make.
const LARGEST_PACKET: usize = 1275;

/// libopus said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusError {
    /// libopus' number: −1 bad argument, −2 buffer too small, −4 invalid packet, −7 no memory.
    pub code: i32,
}

impl fmt::Display for OpusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "libopus error {}", self.code)
    }
}

impl std::error::Error for OpusError {}

impl From<sys::Code> for OpusError {
    fn from(code: sys::Code) -> Self {
        Self { code: code.0 }
    }
}

/// How an encoder works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusSettings {
    /// 0 (cheap) to 10.
    pub complexity: u8,
    /// Bits per second, 6000 to 510000.
    pub bitrate_bps: u32,
    /// Whether packets carry a coarse copy of the one before (in-band forward error correction).
    pub fec: bool,
    /// Loss to prepare for, in percent.
    pub expected_loss: u8,
}

impl Default for OpusSettings {
    fn default() -> Self {
        Self { complexity: 5, bitrate_bps: 24_000, fec: false, expected_loss: 0 }
    }
}

/// Turns mono sound into Opus packets.
#[derive(Debug)]
pub struct OpusEncoder {
    inner: sys::Encoder,
    sample_rate: u32,
}

impl OpusEncoder {
    /// An encoder for speech at `sample_rate` (8000, 12000, 16000, 24000 or 48000).
    pub fn new(sample_rate: u32, settings: OpusSettings) -> Result<Self, OpusError> {
        let mut encoder = Self { inner: sys::Encoder::new(sample_rate)?, sample_rate };
        encoder.inner.set(ffi::OPUS_SET_SIGNAL_REQUEST, ffi::OPUS_SIGNAL_VOICE)?;
        encoder.apply(settings)?;
        Ok(encoder)
    }

    /// Change the settings in mid-stream.
    pub fn apply(&mut self, settings: OpusSettings) -> Result<(), OpusError> {
        let inner = &mut self.inner;
        inner.set(ffi::OPUS_SET_COMPLEXITY_REQUEST, i32::from(settings.complexity.min(10)))?;
        inner.set(ffi::OPUS_SET_BITRATE_REQUEST, settings.bitrate_bps.clamp(6_000, 510_000) as i32)?;
        inner.set(ffi::OPUS_SET_INBAND_FEC_REQUEST, i32::from(settings.fec))?;
        inner.set(ffi::OPUS_SET_PACKET_LOSS_PERC_REQUEST, i32::from(settings.expected_loss.min(100)))?;
        Ok(())
    }

    /// Rate of the sound it takes.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Append one packet made of 2.5, 5, 10, 20, 40 or 60 ms of int16 mono samples.
    pub fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), OpusError> {
        let start = out.len();
        out.resize(start + LARGEST_PACKET, 0);
        let result = self.inner.encode(pcm, &mut out[start..]);
        out.truncate(start + result.unwrap_or(0));
        Ok(result.map(drop)?)
    }

    /// Forget the sound so far.
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}

/// Turns Opus packets into mono sound; stereo is mixed down.
#[derive(Debug)]
pub struct OpusDecoder {
    inner: sys::Decoder,
    sample_rate: u32,
}

impl OpusDecoder {
    /// A decoder that gives sound at `sample_rate` (8000, 12000, 16000, 24000 or 48000).
    pub fn new(sample_rate: u32) -> Result<Self, OpusError> {
        Ok(Self { inner: sys::Decoder::new(sample_rate)?, sample_rate })
    }

    /// Rate of the sound it gives.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Append the int16 mono samples of one packet, at most 120 ms.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) -> Result<(), OpusError> {
        if packet.is_empty() {
            return Err(OpusError { code: ffi::OPUS_INVALID_PACKET });
        }
        let room = self.sample_rate as usize / 1000 * LONGEST_MS;
        self.run(Some(packet), false, room, out)
    }

    /// Append `samples` (a multiple of 2.5 ms, at most 120 ms) of a guess at what was lost.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) -> Result<(), OpusError> {
        self.run(None, false, samples, out)
    }

    /// Append `samples` for the packet lost before `next`, out of the copy `next` carries, or concealed if it has none.
    pub fn decode_fec(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) -> Result<(), OpusError> {
        if next.is_empty() {
            return self.conceal(samples, out);
        }
        self.run(Some(next), true, samples, out)
    }

    fn run(&mut self, packet: Option<&[u8]>, fec: bool, room: usize, out: &mut Vec<i16>) -> Result<(), OpusError> {
        let start = out.len();
        out.resize(start + room, 0);
        let result = self.inner.decode(packet, fec, &mut out[start..]);
        out.truncate(start + result.unwrap_or(0).min(room));
        Ok(result.map(drop)?)
    }

    /// Forget the sound so far.
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}
