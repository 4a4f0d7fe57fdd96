//! Streaming conversion between 8, 16, 24 and 48 kHz by polyphase filters.
//!
//! The filter is a Kaiser-windowed sinc that spans 48 samples of the lower rate: flat to 0.42 of it, down by 70 dB from
//! 0.52. It delays sound by half its span: 3 ms at 8 kHz, 1.5 ms at 16 kHz.

use std::f64::consts::PI;
use std::sync::{Arc, OnceLock};

/// Samples of the lower rate that a filter spans.
const SPAN: usize = 48;
/// Half amplitude, as a share of the lower rate.
const CUTOFF: f64 = 0.471;
/// Kaiser's β for 70 dB.
const BETA: f64 = 6.76;
const LANES: usize = 8;

/// `phases` filters of `taps` each, to be laid over consecutive input samples.
#[derive(Debug)]
struct Filter {
    up: usize,
    down: usize,
    taps: usize,
    phases: Vec<Vec<f32>>,
}

impl Filter {
    fn new(up: usize, down: usize) -> Self {
        let wide = up.max(down);
        let length = SPAN * wide;
        let centre = (length as f64 - 1.0) / 2.0;
        let prototype: Vec<f64> = (0..length)
            .map(|at| {
                let offset = at as f64 - centre;
                let x = 2.0 * CUTOFF / wide as f64 * offset;
                let sinc = if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
                let edge = offset / (length as f64 / 2.0);
                sinc * bessel(BETA * (1.0 - edge * edge).max(0.0).sqrt())
            })
            .collect();
        let sum: f64 = prototype.iter().sum();
        let taps = length / up;
        // Phase p of the prototype, backwards: newest input sample last.
        let phases = (0..up)
            .map(|phase| (0..taps).rev().map(|tap| (prototype[tap * up + phase] / sum * up as f64) as f32).collect())
            .collect();
        Self { up, down, taps, phases }
    }

    /// Filters are made once per ratio.
    fn shared(up: usize, down: usize) -> Option<Arc<Self>> {
        static FILTERS: [OnceLock<Arc<Filter>>; 6] = [const { OnceLock::new() }; 6];
        let ratios = [(2, 1), (3, 1), (6, 1), (1, 2), (1, 3), (1, 6)];
        let at = ratios.iter().position(|ratio| *ratio == (up, down))?;
        Some(Arc::clone(FILTERS[at].get_or_init(|| Arc::new(Self::new(up, down)))))
    }
}

/// Modified Bessel function of the first kind, order zero.
fn bessel(x: f64) -> f64 {
    let mut sum = 1.0;
    let mut term = 1.0;
    for k in 1..30 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

/// Converts one stream from one rate to another.
#[derive(Debug)]
pub struct Resampler {
    from: u32,
    to: u32,
    filter: Option<Arc<Filter>>,
    history: Vec<f32>,
}

impl Resampler {
    /// Rates are 8000, 16000, 24000 or 48000; `None` for others, and between 16000 and 24000. Equal rates are passed on untouched.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        let known = |rate| matches!(rate, 8000 | 16000 | 24000 | 48000);
        if !known(from) || !known(to) {
            return None;
        }
        if !from.max(to).is_multiple_of(from.min(to)) {
            return None;
        }
        let filter = if from == to {
            None
        } else {
            Some(Filter::shared((to / from).max(1) as usize, (from / to).max(1) as usize)?)
        };
        let history = vec![0.0; filter.as_ref().map_or(0, |filter| filter.taps - filter.down)];
        Some(Self { from, to, filter, history })
    }

    /// Rate of what goes in.
    pub fn from_rate(&self) -> u32 {
        self.from
    }

    /// Rate of what comes out.
    pub fn to_rate(&self) -> u32 {
        self.to
    }

    /// Append `pcm` (int16 mono) converted. 20 ms in give exactly 20 ms out.
    pub fn process(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        let Some(filter) = &self.filter else {
            out.extend_from_slice(pcm);
            return;
        };
        self.history.extend(pcm.iter().map(|sample| f32::from(*sample)));
        let mut at = 0;
        while at + filter.taps <= self.history.len() {
            let window = &self.history[at..at + filter.taps];
            out.extend(filter.phases.iter().map(|phase| round(dot(window, phase))));
            at += filter.down;
        }
        debug_assert!(filter.up == 1 || filter.down == 1);
        self.history.drain(..at);
    }

    /// Forget the sound so far.
    pub fn reset(&mut self) {
        let length = self.filter.as_ref().map_or(0, |filter| filter.taps - filter.down);
        self.history.clear();
        self.history.resize(length, 0.0);
    }
}

/// Written so that the compiler uses vectors. Both have the same length, a multiple of 8.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

fn round(sample: f32) -> i16 {
    // `as` saturates.
    sample.round_ties_even() as i16
}
