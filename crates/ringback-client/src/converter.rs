//! From any of our rates to any other, 20 ms at a time.

use ringback_audio::Resampler;

/// Between 16 and 24 kHz there is no whole ratio: by way of this.
const BETWEEN: u32 = 48_000;

/// Converts one stream.
#[derive(Debug)]
pub struct Converter {
    from: u32,
    to: u32,
    steps: Vec<Resampler>,
    before: Vec<i16>,
    pcm: Vec<i16>,
}

impl Converter {
    /// Rates are 8000, 16000, 24000 or 48000; `None` for others.
    pub fn new(from: u32, to: u32) -> Option<Converter> {
        let steps = match Resampler::new(from, to) {
            Some(one) => vec![one],
            None => vec![Resampler::new(from, BETWEEN)?, Resampler::new(BETWEEN, to)?],
        };
        Some(Converter { from, to, steps, before: Vec::new(), pcm: Vec::new() })
    }

    /// Whether it converts between these.
    pub fn fits(&self, from: u32, to: u32) -> bool {
        (self.from, self.to) == (from, to)
    }

    /// 20 ms of int16 mono converted to exactly 20 ms.
    pub fn process(&mut self, pcm: &[i16]) -> &[i16] {
        self.pcm.clear();
        self.pcm.extend_from_slice(pcm);
        for step in &mut self.steps {
            std::mem::swap(&mut self.before, &mut self.pcm);
            self.pcm.clear();
            step.process(&self.before, &mut self.pcm);
        }
        &self.pcm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_milliseconds_stay_twenty_milliseconds_between_any_two_rates() {
        for from in [8_000, 16_000, 24_000, 48_000] {
            for to in [8_000, 16_000, 24_000, 48_000] {
                let mut converter = Converter::new(from, to).unwrap();
                for _ in 0..5 {
                    assert_eq!(converter.process(&vec![7; from as usize / 50]).len(), to as usize / 50, "{from} {to}");
                }
            }
        }
        assert!(Converter::new(44_100, 48_000).is_none());
    }
}
