//! Tones, and how much of a tone is in a sound.
#![allow(dead_code)]

use std::f64::consts::TAU;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, longest: u64) -> Vec<u8> {
        (0..self.below(longest + 1)).map(|_| self.next() as u8).collect()
    }
}

/// `length` samples of a sine.
pub fn tone(rate: u32, hertz: f64, amplitude: f64, length: usize) -> Vec<i16> {
    (0..length).map(|at| (amplitude * (TAU * hertz * at as f64 / f64::from(rate)).sin()) as i16).collect()
}

/// Amplitude of the sine of this frequency in the sound, and the root mean square of all the rest.
pub fn take_apart(pcm: &[i16], rate: u32, hertz: f64) -> (f64, f64) {
    let step = TAU * hertz / f64::from(rate);
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (at, sample) in pcm.iter().enumerate() {
        let (sin, cos) = (step * at as f64).sin_cos();
        let x = f64::from(*sample);
        (ss, cc, sc, xs, xc) = (ss + sin * sin, cc + cos * cos, sc + sin * cos, xs + x * sin, xc + x * cos);
    }
    let determinant = ss * cc - sc * sc;
    let a = (xs * cc - xc * sc) / determinant;
    let b = (xc * ss - xs * sc) / determinant;
    let rest: f64 = pcm
        .iter()
        .enumerate()
        .map(|(at, sample)| {
            let (sin, cos) = (step * at as f64).sin_cos();
            (f64::from(*sample) - a * sin - b * cos).powi(2)
        })
        .sum();
    (a.hypot(b), (rest / pcm.len() as f64).sqrt())
}

/// How far the tone stands above everything else, in dB.
pub fn snr_db(pcm: &[i16], rate: u32, hertz: f64) -> f64 {
    let (amplitude, rest) = take_apart(pcm, rate, hertz);
    20.0 * (amplitude / 2f64.sqrt() / rest.max(1e-6)).log10()
}

/// The largest step between two samples that follow each other.
pub fn largest_step(pcm: &[i16]) -> i32 {
    pcm.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}
