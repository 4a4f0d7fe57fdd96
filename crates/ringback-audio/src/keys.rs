//! Keys as sound (ITU-T Q.23): made for far ends that agreed on nothing better, and recognised where they send nothing
//! better (ITU-T Q.24).
//!
//! A press is eight pairs of numbers away from speech: two tones of about the same height and hardly anything else, for
//! 35 ms or longer. Speech has such moments, but they are shorter, or there is more in them.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use crate::tone::{Tone, ToneShape};

const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Length of a tick.
const TICK_MS: u32 = 20;
/// A `w` or `,` among the keys.
const PAUSE_MS: u32 = 1000;
/// Looks at the sound: so many in a second, each at twice as much sound as lies between two of them.
const LOOKS_PER_SECOND: u32 = 160;
/// Looks that have to agree before a key is believed: 35 ms of it.
const AGREE: u32 = 4;
/// Looks without the key after which it is released. A packet that was lost (20 ms) is bridged, a pause of 40 ms is not.
const RELEASED: u32 = 6;
/// Share of all energy that the two tones have at least; with both 1.5 % beside their frequencies, 0.8 is left.
const SHARE: f64 = 0.72;
/// The other tones of a group are weaker than the loudest by this factor.
const ALONE: f64 = 6.3;
/// Q.24: the low group may be 8 dB above the high one, the high one 4 dB above the low one (and a little for our filters).
const LOW_ABOVE: f64 = 7.9;
const HIGH_ABOVE: f64 = 3.2;
/// Weaker tones are none: peak of a sine of -38 dBm0, squared.
const QUIETEST: f64 = 286.0 * 286.0;
/// Peak of a sine of 0 dBm0: G.711 carries 3.17 dB more.
const ZERO_DBM0: f64 = 22_746.0;
/// Of each of the two tones we send.
const LEVEL_DBM0: f64 = -9.0;
/// Keys that may wait; more are refused.
const MOST_WAITING: usize = 128;

/// A key that was pressed and released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHeard {
    /// `0`-`9`, `*`, `#`, `A`-`D`.
    pub digit: char,
    /// How long it was held, within some 10 ms.
    pub duration_ms: u32,
    /// Power level in dBm0 without its sign, 0..63.
    pub volume: u8,
}

/// What a look at the sound found: a key, and the power of its tones.
type Look = Option<(char, f64)>;

/// Finds keys in sound.
#[derive(Debug)]
pub struct KeyEars {
    rate: u32,
    /// Samples between two looks.
    hop: usize,
    /// Factors of the eight filters.
    factors: [f64; 8],
    waiting: Vec<i16>,
    candidate: Option<(char, u32)>,
    held: Option<Held>,
    heard: VecDeque<KeyHeard>,
}

#[derive(Debug)]
struct Held {
    digit: char,
    looks: u32,
    missed: u32,
    loudest: f64,
}

impl Default for KeyEars {
    fn default() -> KeyEars {
        KeyEars::new()
    }
}

impl KeyEars {
    /// Nothing heard yet.
    pub fn new() -> KeyEars {
        let mut ears = KeyEars {
            rate: 0,
            hop: 0,
            factors: [0.0; 8],
            waiting: Vec::new(),
            candidate: None,
            held: None,
            heard: VecDeque::new(),
        };
        ears.set_rate(8_000);
        ears
    }

    fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
        self.hop = (rate / LOOKS_PER_SECOND) as usize;
        self.waiting.clear();
        for (factor, hz) in self.factors.iter_mut().zip(ROWS.iter().chain(&COLUMNS)) {
            *factor = 2.0 * (TAU * hz / f64::from(rate)).cos();
        }
    }

    /// The next sound, int16 mono at `rate` (8000 or more); empty for 20 ms of silence.
    pub fn push(&mut self, pcm: &[i16], rate: u32) {
        if rate < 8_000 {
            return;
        }
        if rate != self.rate {
            self.set_rate(rate);
        }
        if pcm.is_empty() {
            self.waiting.resize(self.waiting.len() + (rate / 1000 * TICK_MS) as usize, 0);
        } else {
            self.waiting.extend_from_slice(pcm);
        }
        let (mut from, window) = (0, 2 * self.hop);
        while from + window <= self.waiting.len() {
            let look = look(&self.waiting[from..from + window], &self.factors);
            self.saw(look);
            from += self.hop;
        }
        self.waiting.drain(..from);
    }

    /// The next key that was released.
    pub fn poll(&mut self) -> Option<KeyHeard> {
        self.heard.pop_front()
    }

    fn saw(&mut self, look: Look) {
        let digit = look.map(|(digit, _)| digit);
        if let Some(held) = &mut self.held {
            if let Some((_, power)) = look.filter(|_| digit == Some(held.digit)) {
                held.looks += held.missed + 1;
                held.missed = 0;
                held.loudest = held.loudest.max(power);
                return;
            }
            held.missed += 1;
            if held.missed >= RELEASED {
                self.release();
            }
        }
        self.candidate = match (look, self.candidate) {
            (None, _) => None,
            (Some((digit, _)), Some((before, seen))) if before == digit => Some((digit, seen + 1)),
            (Some((digit, _)), _) => Some((digit, 1)),
        };
        if let (Some((digit, seen)), Some((_, power))) = (self.candidate, look)
            && seen >= AGREE
        {
            self.release();
            self.candidate = None;
            self.held = Some(Held { digit, looks: seen, missed: 0, loudest: power });
        }
    }

    fn release(&mut self) {
        let Some(held) = self.held.take() else { return };
        // A look sees two hops; at either end the key fills only part of one.
        let duration_ms = (held.looks + 1) * 1000 / LOOKS_PER_SECOND;
        let dbm0 = 10.0 * (held.loudest / (ZERO_DBM0 * ZERO_DBM0)).log10();
        let volume = (-dbm0).clamp(0.0, 63.0).round() as u8;
        if self.heard.len() < MOST_WAITING {
            self.heard.push_back(KeyHeard { digit: held.digit, duration_ms, volume });
        }
    }
}

/// Goertzel's algorithm at the eight frequencies, and whether what it finds is a key. Powers are squares of peaks.
fn look(pcm: &[i16], factors: &[f64; 8]) -> Look {
    let energy: f64 = pcm.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum();
    let length = pcm.len() as f64;
    if energy < QUIETEST * length / 2.0 {
        return None;
    }
    let mut powers = [0.0; 8];
    for (power, factor) in powers.iter_mut().zip(factors) {
        let (mut one, mut two) = (0.0, 0.0);
        for sample in pcm {
            (one, two) = (f64::from(*sample) + factor * one - two, one);
        }
        *power = (one * one + two * two - factor * one * two) * 4.0 / (length * length);
    }
    let (row, low) = loudest(&powers[..4])?;
    let (column, high) = loudest(&powers[4..])?;
    let both = low + high;
    let fits = low >= QUIETEST
        && high >= QUIETEST
        && low <= high * LOW_ABOVE
        && high <= low * HIGH_ABOVE
        && both * length / 2.0 >= SHARE * energy;
    fits.then_some((KEYS[row][column], both))
}

/// The loudest of a group, if the others are far below it.
fn loudest(group: &[f64]) -> Option<(usize, f64)> {
    let (at, power) = group.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = group.iter().enumerate().all(|(other, weaker)| other == at || weaker * ALONE <= power);
    alone.then_some((at, power))
}

/// Plays keys, 20 ms at a time.
#[derive(Debug, Default)]
pub struct KeyTones {
    waiting: VecDeque<(char, u32, u32)>,
    /// What sounds (nothing in a pause), and for how many ticks more.
    playing: Option<(Option<Tone>, u32)>,
}

impl KeyTones {
    /// Queue keys behind those already there. `0`-`9 * # A-D`; `w` and `,` wait a second; others are left out.
    ///
    /// Returns how many were queued. Times are rounded up to 20 ms, 60 ms to 10 s.
    pub fn queue(&mut self, digits: &str, duration_ms: u32, gap_ms: u32) -> usize {
        let before = self.waiting.len();
        let room = MOST_WAITING.saturating_sub(before);
        let known = digits.chars().map(|key| key.to_ascii_uppercase()).filter(|key| is_key(*key) || is_pause(*key));
        let whole = |ms: u32| ms.clamp(60, 10_000).next_multiple_of(TICK_MS);
        self.waiting.extend(known.take(room).map(|key| (key, whole(duration_ms), whole(gap_ms))));
        self.waiting.len() - before
    }

    /// Whether keys are waiting or sounding.
    pub fn is_busy(&self) -> bool {
        self.playing.is_some() || !self.waiting.is_empty()
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.playing = None;
    }

    /// 20 ms pass: whether `out` (int16 mono at [`TONE_RATE`](crate::TONE_RATE)) goes out in place of speech. It is
    /// empty between two keys.
    pub fn tick(&mut self, out: &mut Vec<i16>) -> bool {
        out.clear();
        if self.playing.is_none() {
            self.playing = self.waiting.pop_front().and_then(begin);
        }
        let Some((tone, left)) = &mut self.playing else { return false };
        if let Some(tone) = tone {
            tone.tick(out);
        }
        *left -= 1;
        if *left == 0 {
            self.playing = None;
        }
        true
    }
}

fn is_key(key: char) -> bool {
    KEYS.iter().flatten().any(|known| *known == key)
}

fn is_pause(key: char) -> bool {
    matches!(key, 'W' | ',')
}

fn begin((key, duration_ms, gap_ms): (char, u32, u32)) -> Option<(Option<Tone>, u32)> {
    if is_pause(key) {
        return Some((None, PAUSE_MS / TICK_MS));
    }
    let row = KEYS.iter().position(|row| row.contains(&key))?;
    let column = KEYS[row].iter().position(|known| *known == key)?;
    let shape = ToneShape::new(vec![ROWS[row], COLUMNS[column]], vec![duration_ms, gap_ms], LEVEL_DBM0).ok()?;
    Some((Some(Tone::new(shape)), (duration_ms + gap_ms) / TICK_MS))
}
