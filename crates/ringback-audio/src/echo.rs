//! A line's echo kept from the room: a telephone that sends back what it is sent (a hybrid, a loud handset).
//!
//! Only levels are compared, so that codecs, jitter buffers and clocks on the way do not matter: if what comes back follows
//! what was sent at some delay, always weaker by about as much, it is echo, and is turned down by 40 dB until something
//! louder comes back: then somebody speaks.

use crate::level::level_dbov;

/// Longest way there and back, in frames of 20 ms.
const LONGEST: usize = 50;
/// What is sent counts from here on, in dBov.
const AUDIBLE: f32 = -50.0;
/// Frames in which echo has followed before it is believed.
const PROOF: f32 = 40.0;
/// An echo's loss wavers by less than this, in dB (standard deviation).
const STEADY: f32 = 5.0;
/// What is louder than the echo by this much is somebody's voice.
const LOUDER: f32 = 7.0;
/// Frames on either side of the delay that an echo is smeared over.
const SMEAR: usize = 2;
const TURNED_DOWN: f32 = 0.01;
const FORGET: f32 = 0.98;

#[derive(Debug, Clone, Copy, Default)]
struct Lag {
    weight: f32,
    sum: f32,
    squares: f32,
}

impl Lag {
    fn note(&mut self, loss: f32) {
        self.weight = self.weight * FORGET + 1.0;
        self.sum = self.sum * FORGET + loss;
        self.squares = self.squares * FORGET + loss * loss;
    }

    fn mean(&self) -> f32 {
        self.sum / self.weight.max(1.0)
    }

    fn wavers(&self) -> f32 {
        (self.squares / self.weight.max(1.0) - self.mean().powi(2)).max(0.0).sqrt()
    }
}

/// One line.
#[derive(Debug)]
pub struct EchoGuard {
    /// Levels of what was sent, the newest first.
    sent: [f32; LONGEST + SMEAR + 1],
    lags: [Lag; LONGEST],
    gain: f32,
}

impl Default for EchoGuard {
    fn default() -> EchoGuard {
        EchoGuard { sent: [-127.0; LONGEST + SMEAR + 1], lags: [Lag::default(); LONGEST], gain: 1.0 }
    }
}

impl EchoGuard {
    /// 20 ms that came back, in place; `sent_dbov` is the level of the 20 ms that were sent meanwhile.
    pub fn process(&mut self, pcm: &mut [i16], sent_dbov: f32) {
        self.sent.rotate_right(1);
        self.sent[0] = sent_dbov;
        let level = level_dbov(pcm).max(-90.0);
        let wanted = if self.is_echo(level) { TURNED_DOWN } else { 1.0 };
        self.learn(level);
        let (from, step) = (self.gain, (wanted - self.gain) / pcm.len().max(1) as f32);
        for (n, sample) in pcm.iter_mut().enumerate() {
            *sample = (f32::from(*sample) * (from + step * n as f32)) as i16;
        }
        self.gain = wanted;
    }

    /// The delay at which what comes back follows what was sent, and how much of it does, in dB.
    fn found(&self) -> Option<(usize, f32)> {
        let steady = |(_, lag): &(usize, &Lag)| lag.weight >= PROOF && lag.mean() < -1.0 && lag.wavers() < STEADY;
        let known = self.lags.iter().enumerate().filter(steady);
        known.min_by(|a, b| a.1.wavers().total_cmp(&b.1.wavers())).map(|(at, lag)| (at, lag.mean()))
    }

    fn is_echo(&self, level: f32) -> bool {
        let Some((at, loss)) = self.found() else { return false };
        let near = &self.sent[at.saturating_sub(SMEAR)..=at + SMEAR];
        let loudest = near.iter().copied().fold(-127.0, f32::max);
        loudest > AUDIBLE && level < loudest + loss + LOUDER
    }

    fn learn(&mut self, level: f32) {
        for (at, lag) in self.lags.iter_mut().enumerate() {
            let sent = self.sent[at];
            if sent > AUDIBLE {
                lag.note(level - sent);
            }
        }
    }
}
