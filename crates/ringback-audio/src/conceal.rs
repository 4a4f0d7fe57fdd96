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
        let end = self.history.len();
        let recent = &self.history[end - window..];
        let mut best = (VOICED, longest);
        for lag in shortest..=longest {
            let earlier = &self.history[end - window - lag..end - lag];
            let likeness = correlation(recent, earlier);
            // A multiple of the period is no better unless it is clearly better.
            if likeness > best.0 + 0.02 {
                best = (likeness, lag);
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

fn correlation(a: &[i16], b: &[i16]) -> f32 {
    let mut cross = 0i64;
    let mut energy_a = 1i64;
    let mut energy_b = 1i64;
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (i32::from(*a), i32::from(*b));
        cross += i64::from(a * b);
        energy_a += i64::from(a * a);
        energy_b += i64::from(b * b);
    }
    cross as f32 / (energy_a as f32 * energy_b as f32).sqrt()
}
