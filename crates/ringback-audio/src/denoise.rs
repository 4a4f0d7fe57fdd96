//! Noise out of speech by a small recurrent network (RNNoise, Valin 2018), which hears 48 kHz in steps of 10 ms.

use nnnoiseless::{DenoiseState, FRAME_SIZE};

use crate::resample::Resampler;

const RATE: u32 = 48_000;

/// One talker's noise. It delays what passes by 10 ms and the two resamplings.
pub struct Denoiser {
    up: Resampler,
    down: Resampler,
    state: Box<DenoiseState<'static>>,
    wide: Vec<i16>,
    clean: Vec<i16>,
}

impl Denoiser {
    /// `None` for a rate that cannot be resampled.
    pub fn new(rate: u32) -> Option<Denoiser> {
        let (up, down) = (Resampler::new(rate, RATE)?, Resampler::new(RATE, rate)?);
        Some(Denoiser { up, down, state: DenoiseState::new(), wide: Vec::new(), clean: Vec::new() })
    }

    /// The rate it was made for.
    pub fn rate(&self) -> u32 {
        self.up.from_rate()
    }

    /// Take the noise out of some multiple of 10 ms, in place.
    pub fn process(&mut self, pcm: &mut Vec<i16>) {
        self.wide.clear();
        self.clean.clear();
        self.up.process(pcm, &mut self.wide);
        let (mut heard, mut said) = ([0.0; FRAME_SIZE], [0.0; FRAME_SIZE]);
        for frame in self.wide.chunks_exact(FRAME_SIZE) {
            heard.iter_mut().zip(frame).for_each(|(to, from)| *to = f32::from(*from));
            self.state.process_frame(&mut said, &heard);
            self.clean.extend(said.iter().map(|sample| sample.clamp(-32768.0, 32767.0) as i16));
        }
        let length = pcm.len();
        pcm.clear();
        self.down.process(&self.clean, pcm);
        pcm.resize(length, 0);
    }
}

impl std::fmt::Debug for Denoiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Denoiser").field("rate", &self.rate()).finish_non_exhaustive()
    }
}
