//! What a telephone's sound may go through before anybody hears it: echo, then noise, then loudness.

use crate::denoise::Denoiser;
use crate::echo::EchoGuard;
use crate::gain::Gain;

/// What is wanted of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polishing {
    /// Keep back what the line returns of what it was sent.
    pub echo: bool,
    /// Take noise out of speech.
    pub noise: bool,
    /// Bring quiet and loud talkers to one loudness.
    pub gain: bool,
}

impl Polishing {
    /// Whether sound passes through unchanged.
    pub fn is_none(self) -> bool {
        self == Polishing::default()
    }
}

/// One telephone's sound on its way.
#[derive(Debug, Default)]
pub struct Polish {
    wanted: Polishing,
    echo: EchoGuard,
    denoiser: Option<Denoiser>,
    gain: Gain,
}

impl Polish {
    /// What a later offer/answer or the room wants; what goes on keeps what it has learned.
    pub fn set(&mut self, wanted: Polishing) {
        self.wanted = wanted;
    }

    /// What is wanted.
    pub fn wanted(&self) -> Polishing {
        self.wanted
    }

    /// 20 ms, in place. `sent_dbov`: level of the 20 ms that the telephone was sent last.
    pub fn process(&mut self, pcm: &mut Vec<i16>, rate: u32, sent_dbov: f32) {
        if self.wanted.echo {
            self.echo.process(pcm, sent_dbov);
        }
        if self.wanted.noise {
            if self.denoiser.as_ref().is_none_or(|denoiser| denoiser.rate() != rate) {
                self.denoiser = Denoiser::new(rate);
            }
            self.denoiser.iter_mut().for_each(|denoiser| denoiser.process(pcm));
        }
        if self.wanted.gain {
            self.gain.process(pcm);
        }
    }
}
