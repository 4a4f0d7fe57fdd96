//! A room's mix: every source is summed once, every listener hears the sum without itself (mix-minus).
//!
//! Each tick: [`MixBus::begin`], [`MixBus::add`] each source's 20 ms at the room's rate, [`MixBus::finish`], then
//! [`Listener::mix`] for each listener or set of listeners that hear the same. Joins, leaves, mutes and changes of a
//! listener's set are ramped; a loud sum is turned down, not clipped.

/// Names a source on a bus; the caller's choice.
pub type SourceKey = u64;

/// A source that leaves, or sends nothing, fades from its last sample to silence in this many milliseconds.
const TAIL_MS: usize = 5;
/// A limiter that has turned down comes back by this much a tick.
const RELEASE: f32 = 1.05;
/// Share of a tick within which a limiter turns down.
const ATTACK: usize = 4;
const LIMIT: f32 = 32_000.0;
/// A sum up to here passes as it is.
const LOUDEST: u32 = 32_768;

#[derive(Debug)]
struct Source {
    key: SourceKey,
    muted: bool,
    gain: f32,
    heard: bool,
    leaving: bool,
    last: i32,
    frame: Vec<i16>,
}

/// The sum of a room's sources at one rate.
#[derive(Debug)]
pub struct MixBus {
    rate: u32,
    length: usize,
    /// In the order of their keys.
    sources: Vec<Source>,
    total: Vec<i32>,
}

impl MixBus {
    /// A bus at `sample_rate` (8000, 16000 or 48000), with ticks of 20 ms.
    pub fn new(sample_rate: u32) -> Self {
        let length = (sample_rate / 50) as usize;
        Self { rate: sample_rate, length, sources: Vec::new(), total: vec![0; length] }
    }

    /// The room's rate.
    pub fn sample_rate(&self) -> u32 {
        self.rate
    }

    /// Samples of a tick.
    pub fn frame_length(&self) -> usize {
        self.length
    }

    /// A new tick.
    pub fn begin(&mut self) {
        self.sources.retain(|source| source.heard || !source.leaving);
        self.sources.iter_mut().for_each(|source| source.heard = false);
    }

    /// This tick's sound of a source: int16 mono at the bus' rate. A new source is faded in.
    ///
    /// What is missing of 20 ms is silence, what is too much is left out.
    pub fn add(&mut self, key: SourceKey, pcm: &[i16]) {
        let length = self.length;
        let source = self.source(key);
        let target = if source.muted { 0.0 } else { 1.0 };
        source.frame.clear();
        source.frame.extend_from_slice(&pcm[..pcm.len().min(length)]);
        source.frame.resize(length, 0);
        if source.gain != 1.0 || target != 1.0 {
            ramp(&mut source.frame, source.gain, target);
        }
        source.gain = target;
        source.heard = true;
        source.leaving = false;
        source.last = source.frame.last().map_or(0, |sample| i32::from(*sample));
    }

    fn source(&mut self, key: SourceKey) -> &mut Source {
        let at = self.find(key).unwrap_or_else(|at| {
            let frame = Vec::with_capacity(self.length);
            let source = Source { key, muted: false, gain: 0.0, heard: false, leaving: false, last: 0, frame };
            self.sources.insert(at, source);
            at
        });
        &mut self.sources[at]
    }

    /// Where a source is, or would be.
    fn find(&self, key: SourceKey) -> Result<usize, usize> {
        self.sources.binary_search_by_key(&key, |source| source.key)
    }

    /// Keep a source from everybody, or let it be heard again, from the next tick on.
    pub fn set_muted(&mut self, key: SourceKey, muted: bool) {
        self.source(key).muted = muted;
    }

    /// A source has left: it fades out in the first tick in which it adds nothing, and is forgotten.
    pub fn remove(&mut self, key: SourceKey) {
        if let Ok(at) = self.find(key) {
            self.sources[at].leaving = true;
        }
    }

    /// All sources of this tick have been added: build the sum. Those that added nothing fade out.
    pub fn finish(&mut self) {
        let tail = (self.rate as usize * TAIL_MS / 1000).min(self.length);
        self.total.fill(0);
        for source in &mut self.sources {
            if !source.heard {
                source.frame.clear();
                source.frame.extend((0..tail).map(|at| (source.last * (tail - at) as i32 / tail as i32) as i16));
                source.frame.resize(self.length, 0);
                source.last = 0;
                source.gain = 0.0;
            }
            for (sum, sample) in self.total.iter_mut().zip(&source.frame) {
                *sum += i32::from(*sample);
            }
        }
    }

    /// Whether anything of this source sounds in this tick.
    pub fn is_heard(&self, key: SourceKey) -> bool {
        self.find(key).is_ok_and(|at| self.sources[at].heard)
    }

    fn sum(&self, hears: &Hears, out: &mut Vec<i32>) {
        out.clear();
        match hears {
            Hears::AllBut(own) => {
                out.extend_from_slice(&self.total);
                if let Some(own) = self.frame(*own) {
                    out.iter_mut().zip(own).for_each(|(sum, sample)| *sum -= i32::from(*sample));
                }
            }
            Hears::Only(keys) => {
                out.resize(self.length, 0);
                for source in self.sources.iter().filter(|source| keys.contains(&source.key)) {
                    out.iter_mut().zip(&source.frame).for_each(|(sum, sample)| *sum += i32::from(*sample));
                }
            }
        }
    }

    /// What a source adds in this tick.
    fn frame(&self, key: Option<SourceKey>) -> Option<&[i16]> {
        let at = self.find(key?).ok()?;
        Some(&self.sources[at].frame)
    }

    /// Everybody but `own`, as it is, where no sample of it is beyond full scale.
    fn sum_as_it_is(&self, own: Option<SourceKey>, out: &mut Vec<i16>) -> bool {
        out.clear();
        let mut peak = 0;
        let mut add = |sum: i32| {
            peak = peak.max(sum.unsigned_abs());
            clip(sum)
        };
        match self.frame(own) {
            Some(own) => out.extend(self.total.iter().zip(own).map(|(sum, own)| add(*sum - i32::from(*own)))),
            None => out.extend(self.total.iter().map(|sum| add(*sum))),
        }
        peak <= LOUDEST
    }
}

/// Turn from one gain to another, evenly over the frame.
fn ramp<S: Sample>(frame: &mut [S], from: f32, to: f32) {
    let length = frame.len() as f32;
    for (at, sample) in frame.iter_mut().enumerate() {
        let gain = from + (to - from) * (at as f32 + 1.0) / length;
        *sample = sample.times(gain);
    }
}

/// A sample of one source, or of a sum.
trait Sample: Copy {
    fn times(self, gain: f32) -> Self;
}

impl Sample for i16 {
    fn times(self, gain: f32) -> i16 {
        (f32::from(self) * gain) as i16
    }
}

impl Sample for i32 {
    fn times(self, gain: f32) -> i32 {
        (self as f32 * gain) as i32
    }
}

/// What a listener hears of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hears {
    /// Everybody but, perhaps, itself.
    AllBut(Option<SourceKey>),
    /// These sources.
    Only(Vec<SourceKey>),
}

/// One set of ears on a bus: what it hears, and its limiter.
#[derive(Debug)]
pub struct Listener {
    hears: Hears,
    before: Option<Hears>,
    gain: f32,
    sum: Vec<i32>,
    other: Vec<i32>,
    pcm: Vec<i16>,
}

impl Listener {
    /// A listener who hears `hears`.
    pub fn new(hears: Hears) -> Self {
        Self { hears, before: None, gain: 1.0, sum: Vec::new(), other: Vec::new(), pcm: Vec::new() }
    }

    /// What it hears.
    pub fn hears(&self) -> &Hears {
        &self.hears
    }

    /// Hear something else from the next tick on; that tick crossfades.
    pub fn set(&mut self, hears: Hears) {
        if hears != self.hears {
            let before = std::mem::replace(&mut self.hears, hears);
            self.before.get_or_insert(before);
        }
    }

    /// This tick's sound: int16 mono at the bus' rate.
    pub fn mix(&mut self, bus: &MixBus) -> &[i16] {
        // Nearly always nothing is to be faded or turned down: then the sum need not be kept.
        if let (Hears::AllBut(own), None) = (&self.hears, &self.before)
            && self.gain == 1.0
            && bus.sum_as_it_is(*own, &mut self.pcm)
        {
            return &self.pcm;
        }
        bus.sum(&self.hears, &mut self.sum);
        if let Some(before) = self.before.take() {
            bus.sum(&before, &mut self.other);
            ramp(&mut self.sum, 0.0, 1.0);
            ramp(&mut self.other, 1.0, 0.0);
            self.sum.iter_mut().zip(&self.other).for_each(|(sum, other)| *sum += other);
        }
        self.limit();
        &self.pcm
    }

    /// Turn the sum down as far as its peak needs, quickly down and slowly up again. One loud source alone passes as
    /// it is.
    fn limit(&mut self) {
        self.pcm.clear();
        let peak = self.sum.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
        let needed = if peak > LOUDEST { LIMIT / peak as f32 } else { 1.0 };
        let target = needed.min(self.gain * RELEASE).min(1.0);
        if self.gain == 1.0 && target == 1.0 {
            self.pcm.extend(self.sum.iter().map(|sample| clip(*sample)));
            return;
        }
        let length = self.sum.len();
        // Down within the first quarter, up over the whole frame.
        let slope = if target < self.gain { (length / ATTACK).max(1) } else { length.max(1) };
        for (at, sample) in self.sum.iter().enumerate() {
            let share = ((at + 1) as f32 / slope as f32).min(1.0);
            let gain = self.gain + (target - self.gain) * share;
            self.pcm.push(soft_clip(*sample as f32 * gain));
        }
        self.gain = if target > 0.999 { 1.0 } else { target };
    }
}

fn clip(sample: i32) -> i16 {
    sample.clamp(-32_768, 32_767) as i16
}

/// What the limiter is too late for is bent, not cut.
fn soft_clip(sample: f32) -> i16 {
    const KNEE: f32 = 28_000.0;
    const ROOM: f32 = 32_767.0 - KNEE;
    let size = sample.abs();
    if size <= KNEE {
        return sample as i16;
    }
    let over = (size - KNEE) / ROOM;
    ((KNEE + ROOM * over / (1.0 + over)) * sample.signum()) as i16
}
