//! Talkers at one loudness: the quiet are raised and the loud lowered, slowly, while they speak; peaks are held below full
//! scale at once.

use crate::level::level_dbov;

/// What speech is brought to, in dBov.
const WANTED: f32 = -23.0;
const MOST: f32 = 20.0;
const LEAST: f32 = -15.0;
/// dB in a frame of 20 ms: up slowly, or pauses would be pumped up; down faster.
const UP: f32 = 0.08;
const DOWN: f32 = 0.3;
/// Speech stands this far above what is always there, in dB.
const ABOVE_FLOOR: f32 = 9.0;
const QUIETEST_SPEECH: f32 = -60.0;
/// Highest sample that leaves.
const CEILING: f32 = 30_000.0;

/// One talker's gain.
#[derive(Debug)]
pub struct Gain {
    floor: f32,
    speech: Option<f32>,
    gain_db: f32,
    applied: f32,
}

impl Default for Gain {
    fn default() -> Gain {
        Gain { floor: -60.0, speech: None, gain_db: 0.0, applied: 1.0 }
    }
}

impl Gain {
    /// 20 ms, in place.
    pub fn process(&mut self, pcm: &mut [i16]) {
        let level = level_dbov(pcm);
        // The floor falls at once and rises by 2 dB in a second.
        self.floor = if level < self.floor { level.max(-90.0) } else { self.floor + 0.04 };
        if level > self.floor + ABOVE_FLOOR && level > QUIETEST_SPEECH {
            let known = self.speech.unwrap_or(level);
            let share = if level > known { 0.2 } else { 0.02 };
            let speech = known + (level - known) * share;
            self.speech = Some(speech);
            let wanted = (WANTED - speech).clamp(LEAST, MOST);
            self.gain_db += (wanted - self.gain_db).clamp(-DOWN, UP);
        }
        self.apply(pcm);
    }

    fn apply(&mut self, pcm: &mut [i16]) {
        let peak = pcm.iter().map(|sample| f32::from(*sample).abs()).fold(1.0, f32::max);
        let wanted = 10f32.powf(self.gain_db / 20.0);
        let most = CEILING.max(peak.min(32767.0) * wanted.min(1.0)) / peak;
        let target = wanted.min(most);
        let from = self.applied.min(most);
        let step = (target - from) / pcm.len().max(1) as f32;
        for (n, sample) in pcm.iter_mut().enumerate() {
            *sample = (f32::from(*sample) * (from + step * n as f32)).clamp(-32768.0, 32767.0) as i16;
        }
        self.applied = target;
    }
}
