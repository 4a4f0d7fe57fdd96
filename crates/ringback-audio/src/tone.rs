//! Tones in a rhythm: what a caller hears while the other side rings (ITU-T E.180).

use std::f64::consts::TAU;

/// Rate of the sound a tone is made of.
pub const TONE_RATE: u32 = 8_000;
/// Samples of a tick.
const TICK: usize = 160;
/// Peak of a sine of 0 dBm0: G.711 carries 3.17 dB more.
const ZERO_DBM0: f64 = 22_746.0;
/// Samples over which a tone begins and ends (5 ms), so that nobody hears a click.
const SLOPE: f64 = 40.0;

/// What a tone sounds like.
#[derive(Debug, Clone, PartialEq)]
pub struct ToneShape {
    frequencies: Vec<f64>,
    rhythm_ms: Vec<u32>,
    peak: f64,
}

impl ToneShape {
    /// One to four sine waves (above 0, below 4000 Hz) of `level_dbm0` each (−60 to 0), sounding together on, off, on …
    /// for these many milliseconds (10 to 60 000; none: without a pause), again and again.
    pub fn new(frequencies: Vec<f64>, rhythm_ms: Vec<u32>, level_dbm0: f64) -> Result<ToneShape, &'static str> {
        if frequencies.is_empty() || frequencies.len() > 4 {
            return Err("a tone has one to four frequencies");
        }
        if frequencies.iter().any(|hz| !(*hz > 0.0 && *hz < 4_000.0)) {
            return Err("a frequency of a tone lies above 0 and below 4000 Hz");
        }
        if !rhythm_ms.len().is_multiple_of(2) || rhythm_ms.len() > 16 {
            return Err("a tone's rhythm is pairs of on and off, at most eight");
        }
        if rhythm_ms.iter().any(|ms| !(10..=60_000).contains(ms)) {
            return Err("each part of a tone's rhythm lasts 10 to 60000 ms");
        }
        if !(-60.0..=0.0).contains(&level_dbm0) {
            return Err("a tone's level lies between -60 and 0 dBm0");
        }
        let peak = ZERO_DBM0 * 10f64.powf(level_dbm0 / 20.0);
        // Together they never exceed what the codec can carry.
        let peak = peak.min(32_000.0 / frequencies.len() as f64);
        Ok(ToneShape { frequencies, rhythm_ms, peak })
    }
}

/// Plays a tone, 20 ms at a time.
#[derive(Debug)]
pub struct Tone {
    shape: ToneShape,
    /// Samples since the beginning.
    at: u64,
}

impl Tone {
    /// From the beginning of its rhythm.
    pub fn new(shape: ToneShape) -> Tone {
        Tone { shape, at: 0 }
    }

    /// The next 20 ms, int16 mono at [`TONE_RATE`], in `out`; nothing while it pauses.
    pub fn tick(&mut self, out: &mut Vec<i16>) {
        out.clear();
        let first = self.at;
        self.at += TICK as u64;
        if (first..self.at).all(|at| self.gain(at) == 0.0) {
            return;
        }
        out.extend((first..self.at).map(|at| {
            let seconds = at as f64 / f64::from(TONE_RATE);
            let wave: f64 = self.shape.frequencies.iter().map(|hz| (TAU * hz * seconds).sin()).sum();
            (wave * self.shape.peak * self.gain(at)) as i16
        }));
    }

    /// How much of the tone there is at a sample: 1 while on, 0 while off, and slopes at either end of on.
    fn gain(&self, at: u64) -> f64 {
        let samples = |ms: u32| u64::from(ms) * u64::from(TONE_RATE) / 1000;
        let period: u64 = self.shape.rhythm_ms.iter().map(|ms| samples(*ms)).sum();
        if period == 0 {
            return (at as f64 / SLOPE).min(1.0);
        }
        let mut into = at % period;
        for (part, ms) in self.shape.rhythm_ms.iter().enumerate() {
            let length = samples(*ms);
            if into < length {
                let slope = (into as f64).min((length - into) as f64) / SLOPE;
                return if part % 2 == 0 { slope.min(1.0) } else { 0.0 };
            }
            into -= length;
        }
        0.0
    }
}
