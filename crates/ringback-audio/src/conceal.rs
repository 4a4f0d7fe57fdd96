//! Hides gaps in decoded sound: repeats the last pitch period, fading out within 60 ms, and crossfades back
//! (after ITU-T G.711 Appendix I, without its delay). For G.711 and G.722; Opus conceals itself.

/// How long a guess may sound.
const FADE_END_MS: usize = 60;
/// It is at full strength for so long.
const FADE_START_MS: usize = 10;
const HISTORY_MS: usize = 40;
/// Pitch between 66 and 400 Hz.
const SHORTEST_HZ: usize = 400;
const LONGEST_HZ: usize = 66;
/// Correlation is taken over this much.
const WINDOW_MS: usize = 20;
/// Below this the sound has no pitch worth repeating.
const VOICED: f32 = 0.5;

/// Conceals one stream of int16 mono sound.
#[derive(Debug)]
pub struct Concealer {
    rate: usize,
    /// The last 40 ms; the oldest sample is at `oldest`.
    history: Vec<i16>,
    oldest: usize,
    /// Samples made up since sound last came; at the start, as if the fade were over.
    lost: usize,
    cycle: Vec<i16>,
    at: usize,
}

impl Concealer {
    /// For sound at 8000 or 16000 Hz (any rate works).
    pub fn new(sample_rate: u32) -> Self {
        let rate = sample_rate.max(1000) as usize;
        let history = vec![0; rate * HISTORY_MS / 1000];
        Self { rate, history, oldest: 0, lost: rate * FADE_END_MS / 1000, cycle: Vec::new(), at: 0 }
    }

    /// Sound came. After a gap its beginning is crossfaded in place with the guess; answers whether it was changed.
    pub fn receive(&mut self, pcm: &mut [i16]) -> bool {
        let gap = self.lost;
        if gap > 0 {
            // The longer the gap, the longer the way back: 4 ms to 10 ms.
            let overlap = (self.rate * 4 / 1000 + gap / 4).min(self.rate / 100).min(pcm.len());
            let mut guess = Vec::with_capacity(overlap);
            self.guess(overlap, &mut guess);
            for (at, (sample, guess)) in pcm.iter_mut().zip(guess).enumerate() {
                let weight = (at + 1) as i32;
                let whole = overlap as i32 + 1;
                *sample = ((i32::from(*sample) * weight + i32::from(guess) * (whole - weight)) / whole) as i16;
            }
            self.lost = 0;
        }
        self.remember(pcm);
        gap > 0 && !pcm.is_empty()
    }

    /// Append `samples` of made-up sound; all zeros once 60 ms have been made up.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        let start = out.len();
        self.guess(samples, out);
        let made = out[start..].to_vec();
        self.remember(&made);
    }

    /// Whether the last sound was made up.
    pub fn is_concealing(&self) -> bool {
        self.lost > 0
    }

    fn guess(&mut self, samples: usize, out: &mut Vec<i16>) {
        let (fade_start, fade_end) = (self.rate * FADE_START_MS / 1000, self.rate * FADE_END_MS / 1000);
        if self.lost == 0 {
            self.begin();
        }
        for _ in 0..samples {
            let gain = match self.lost {
                lost if lost < fade_start => 1.0,
                lost if lost < fade_end => (fade_end - lost) as f32 / (fade_end - fade_start) as f32,
                _ => 0.0,
            };
            out.push(if gain > 0.0 { (f32::from(self.next()) * gain) as i16 } else { 0 });
            self.lost += 1;
        }
    }

    /// Cut the last pitch period out of the history, its joint smoothed so that it can follow itself.
    fn begin(&mut self) {
        self.history.rotate_left(self.oldest);
        self.oldest = 0;
        let period = self.period();
        let end = self.history.len();
        self.cycle = self.history[end - period..].to_vec();
        self.at = 0;
        // The first sample should follow the last: spread the step that is there over a quarter of the period.
        let step = f32::from(self.history[end - 1]) - f32::from(self.history[end - period - 1]);
        let quarter = period / 4;
        for (at, sample) in self.cycle.iter_mut().take(quarter).enumerate() {
            let share = 1.0 - at as f32 / quarter as f32;
            *sample = (f32::from(*sample) + step * share) as i16;
        }
    }

    fn next(&mut self) -> i16 {
        let sample = self.cycle.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        if self.at >= self.cycle.len() {
            self.at = 0;
        }
        sample
    }

    /// The lag at which the last 20 ms resemble what was before; the longest when they resemble nothing.
    fn period(&self) -> usize {
        let (shortest, longest) = (self.rate / SHORTEST_HZ, self.rate / LONGEST_HZ);
        let window = self.rate * WINDOW_MS / 1000;
        let sound: Vec<f32> = self.history.iter().map(|sample| f32::from(*sample)).collect();
        let recent = sound.len() - window;
        let energy = |from: usize| 1 + self.history[from..from + window].iter().map(|s| square(*s)).sum::<i64>();
        let (energy_recent, mut energy_earlier) = (energy(recent) as f32, energy(recent - shortest));
        let mut best = (VOICED, longest);
        for lag in shortest..=longest {
            let from = recent - lag;
            let cross = product(&sound[recent..], &sound[from..from + window]);
            let likeness = cross / (energy_recent * energy_earlier as f32).sqrt();
            // A multiple of the period is no better unless it is clearly better.
            if likeness > best.0 + 0.02 {
                best = (likeness, lag);
            }
            if lag < longest {
                // The window moves back by one sample.
                energy_earlier += square(self.history[from - 1]) - square(self.history[from + window - 1]);
            }
        }
        best.1
    }

    fn remember(&mut self, pcm: &[i16]) {
        let keep = self.history.len();
        let pcm = &pcm[pcm.len().saturating_sub(keep)..];
        let (first, rest) = pcm.split_at(pcm.len().min(keep - self.oldest));
        self.history[self.oldest..self.oldest + first.len()].copy_from_slice(first);
        self.history[..rest.len()].copy_from_slice(rest);
        self.oldest = (self.oldest + pcm.len()) % keep;
    }
}

fn square(sample: i16) -> i64 {
    let sample = i64::from(sample);
    sample * sample
}

/// The sum of products, in eight columns that the processor adds up side by side. A thousand telephones that miss a packet
/// at once look for their pitch at once.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, in whole numbers and one after the other.
    fn period_by_the_book(concealer: &Concealer) -> usize {
        let window = concealer.rate * WINDOW_MS / 1000;
        let recent = concealer.history.len() - window;
        let mut best = (VOICED, concealer.rate / LONGEST_HZ);
        for lag in concealer.rate / SHORTEST_HZ..=concealer.rate / LONGEST_HZ {
            let (a, b) = (&concealer.history[recent..], &concealer.history[recent - lag..recent - lag + window]);
            let sum = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum::<i64>();
            let likeness = sum(a, b) as f32 / ((sum(a, a) + 1) as f32 * (sum(b, b) + 1) as f32).sqrt();
            if likeness > best.0 + 0.02 {
                best = (likeness, lag);
            }
        }
        best.1
    }

    #[test]
    fn the_pitch_is_found_in_voices_high_and_low_loud_and_soft_and_in_noise() {
        for rate in [8_000, 11_025, 16_000, 48_000] {
            for (hertz, loud) in [(70.0, 32_000.0), (110.0, 900.0), (180.0, 12_000.0), (330.0, 40.0), (0.0, 8_000.0)] {
                let mut noise = 1u32;
                let pcm: Vec<i16> = (0..rate * HISTORY_MS as u32 / 1000)
                    .map(|at| {
                        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let turn = at as f32 * hertz / rate as f32 * std::f32::consts::TAU;
                        let hiss = (noise >> 16) as f32 / 65_536.0 - 0.5;
                        (loud * (turn.sin() * 0.6 + (2.0 * turn).sin() * 0.3 + hiss * 0.2)) as i16
                    })
                    .collect();
                let mut concealer = Concealer::new(rate);
                concealer.remember(&pcm);

                assert_eq!(concealer.period(), period_by_the_book(&concealer), "{hertz} Hz at {rate}");
            }
        }
    }
}
