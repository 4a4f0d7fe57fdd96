//! Bursts of tones, and ears that find them again: which tone began, and in which sample.
//!
//! Every tone has a whole number of periods in 20 ms, so that one frame of it follows itself, and tones do not disturb
//! each other where they are looked for.

use std::f32::consts::TAU;

use ringback_audio::g711;

/// Samples of a packet: 20 ms of G.711.
pub const FRAME: usize = 160;
const RATE: f32 = 8000.0;
const AMPLITUDE: f32 = 8000.0;
/// Louder than this is a burst, not the quiet between two.
const LOUD: u16 = 1500;
/// Quiet samples before a burst can begin.
const GAP: usize = 80;
const LOWEST: usize = 6;
/// How many tones there are, 50 Hz apart from 300 Hz.
pub const TONES: usize = 60;

/// The frequency of a tone, in Hz; after sixty they come again.
pub fn frequency(tone: usize) -> f32 {
    ((LOWEST + tone % TONES) * 50) as f32
}

/// 20 ms of a tone as G.711 (µ-law).
pub fn tone(number: usize) -> Vec<u8> {
    let pcm: Vec<i16> =
        (0..FRAME).map(|at| ((at as f32 * frequency(number) / RATE * TAU).cos() * AMPLITUDE) as i16).collect();
    encoded(&pcm)
}

/// 20 ms of hardly anything, another for every number.
pub fn quiet(number: usize) -> Vec<u8> {
    let pcm: Vec<i16> = (0..FRAME).map(|at| ((at * 7 + number * 13) % 17) as i16 - 8).collect();
    encoded(&pcm)
}

fn encoded(pcm: &[i16]) -> Vec<u8> {
    let mut out = Vec::new();
    g711::encode_mu(pcm, &mut out);
    out
}

/// A burst that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onset {
    /// When its first sample arrived: its packet's arrival and its place in it, in nanoseconds.
    pub at_ns: u64,
    /// Which tone.
    pub tone: usize,
}

/// Listens to one stream of µ-law packets.
#[derive(Debug, Default)]
pub struct Ears {
    quiet: usize,
    begun: Option<u64>,
    pcm: Vec<i16>,
}

impl Ears {
    /// A packet that arrived; the burst that it makes certain.
    pub fn hear(&mut self, at_ns: u64, payload: &[u8]) -> Option<Onset> {
        self.pcm.clear();
        g711::decode_mu(payload, &mut self.pcm);
        if let Some(begun) = self.begun.take() {
            // The first whole frame behind the beginning tells which tone it is.
            self.quiet = 0;
            return loudest(&self.pcm).map(|tone| Onset { at_ns: begun, tone });
        }
        for (at, sample) in self.pcm.iter().enumerate() {
            if sample.unsigned_abs() < LOUD {
                self.quiet += 1;
                continue;
            }
            if self.quiet >= GAP && self.begun.is_none() {
                self.begun = Some(at_ns + at as u64 * 125_000);
            }
            self.quiet = 0;
        }
        None
    }
}

/// The tone that makes up most of these samples, if one does.
fn loudest(pcm: &[i16]) -> Option<usize> {
    let energy: f32 = pcm.iter().map(|sample| f32::from(*sample) * f32::from(*sample)).sum();
    let best = (0..TONES).map(|tone| (power(pcm, frequency(tone)), tone)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    // A pure tone's power, so measured, is half its energy times the number of samples.
    (best.0 > 0.3 * energy * pcm.len() as f32 / 2.0 && energy > 0.0).then_some(best.1)
}

/// Goertzel's algorithm.
fn power(pcm: &[i16], hertz: f32) -> f32 {
    let turn = 2.0 * (TAU * hertz / RATE).cos();
    let (mut one, mut two) = (0.0f32, 0.0f32);
    for sample in pcm {
        let next = f32::from(*sample) + turn * one - two;
        (two, one) = (one, next);
    }
    one * one + two * two - turn * one * two
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tone_is_told_from_every_other_and_its_first_sample_is_found() {
        for number in 0..TONES {
            let mut ears = Ears::default();
            assert_eq!(ears.hear(0, &quiet(1)), None);
            assert_eq!(ears.hear(20_000_000, &quiet(2)), None);
            // Shifted by half a packet, as a resampled or merged stream may be.
            let shifted = [&quiet(3)[..80], &tone(number)[..80]].concat();
            assert_eq!(ears.hear(40_000_000, &shifted), None);

            let onset = ears.hear(60_000_000, &tone(number)).unwrap();

            assert_eq!(onset.tone, number);
            assert!(onset.at_ns.abs_diff(50_000_000) <= 500_000, "{onset:?}");
            assert_eq!(ears.hear(80_000_000, &tone(number)), None, "it has begun already");
        }
    }

    #[test]
    fn noise_and_two_tones_at_once_are_no_burst_of_anybody() {
        let mut seed = 1u32;
        let mut noise = || {
            let pcm: Vec<i16> = (0..FRAME)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 17) as i16 - 16_384
                })
                .collect();
            encoded(&pcm)
        };
        let mut ears = Ears::default();
        ears.hear(0, &quiet(1));
        for n in 1..50 {
            assert_eq!(ears.hear(n * 20_000_000, &noise()), None);
        }
    }
}
