//! Twenty milliseconds of sound on their way from a source to its listeners.

use crate::codec::Codec;

/// Length of a tick of the whole media path.
pub const TICK_MS: u32 = 20;

/// Where a frame's sound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// The far end sent it.
    Heard,
    /// At least some of it is made up for what did not come.
    Concealed,
    /// Nothing to play.
    #[default]
    Silence,
}

/// What a listener's sender is given for a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media<'a> {
    /// 20 ms of int16 mono samples at 8000, 16000 or 48000 Hz.
    Pcm {
        /// The samples.
        pcm: &'a [i16],
        /// Their rate.
        sample_rate: u32,
    },
    /// 20 ms in the listener's own codec, to be forwarded as they are.
    Encoded {
        /// What it is.
        codec: Codec,
        /// A payload of exactly 20 ms.
        payload: &'a [u8],
    },
    /// 20 ms did not come, and there is nothing to conceal them with here: the far end should.
    Lost,
    /// Nobody speaks.
    Silence,
}

/// 20 ms of one source. Buffers are reused from tick to tick.
#[derive(Debug, Default)]
pub struct Frame {
    pub(crate) origin: Origin,
    pub(crate) codec: Option<Codec>,
    pub(crate) sample_rate: u32,
    pub(crate) pcm: Vec<i16>,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Where its sound comes from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The codec it arrived in.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// Rate of [`pcm`](Self::pcm).
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Its samples, int16 mono; empty for silence and when decoding is off.
    pub fn pcm(&self) -> &[i16] {
        &self.pcm
    }

    /// Its payload of exactly 20 ms; empty when it did not come or cannot be cut to 20 ms without decoding.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What to give to a sender of `codec`: the payload untouched if it fits, else the samples.
    pub fn media(&self, codec: Codec) -> Media<'_> {
        if self.codec == Some(codec) && !self.payload.is_empty() {
            Media::Encoded { codec, payload: &self.payload }
        } else if !self.pcm.is_empty() {
            Media::Pcm { pcm: &self.pcm, sample_rate: self.sample_rate }
        } else if self.origin == Origin::Silence {
            Media::Silence
        } else {
            Media::Lost
        }
    }

    pub(crate) fn clear(&mut self) {
        self.origin = Origin::Silence;
        self.pcm.clear();
        self.payload.clear();
    }
}
