//! The encodings of one picture as they arrive: which are alive, what they cost, and key frames asked of each.

use std::time::{Duration, Instant};

use crate::keyframes::KeyframeThrottle;

/// Most encodings of one picture; what goes beyond is not taken.
pub const MOST_LAYERS: usize = 4;
/// After this long without a packet an encoding has stopped: its sender saves bandwidth or CPU.
const STOPPED: Duration = Duration::from_millis(1500);
/// After this long without a packet of its stream another stream of the same layer may follow.
const SUCCEEDED: Duration = Duration::from_millis(500);
/// Bit rates are measured over this long.
const WINDOW: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Layer {
    stream: u32,
    heard: Instant,
    window: Instant,
    bytes: u64,
    bitrate: Option<u64>,
    keyframes: KeyframeThrottle,
}

/// The layers of one source, lowest first. A source without simulcast has layer 0 only.
#[derive(Debug, Default)]
pub struct Layers {
    all: Vec<Option<Layer>>,
}

impl Layers {
    /// A packet of `bytes` arrived on `layer`. `None`: it is not to be forwarded, as it belongs to no layer or to a
    /// second stream beside the one that counts; else whether its stream is new.
    pub fn heard(&mut self, layer: u8, stream: u32, bytes: usize, now: Instant) -> Option<bool> {
        let at = usize::from(layer);
        if at >= MOST_LAYERS {
            return None;
        }
        if self.all.len() <= at {
            self.all.resize_with(at + 1, || None);
        }
        let known = self.all[at].as_ref().map(|layer| (layer.stream, layer.heard));
        let new = match known {
            Some((known, heard)) if known != stream && now < heard + SUCCEEDED => return None,
            Some((known, _)) => known != stream,
            None => true,
        };
        if new {
            let keyframes = KeyframeThrottle::default();
            self.all[at] = Some(Layer { stream, heard: now, window: now, bytes: 0, bitrate: None, keyframes });
        }
        self.all[at].as_mut()?.count(bytes, now);
        Some(new)
    }

    /// Layers that are alive, lowest first.
    pub fn live(&self, now: Instant) -> impl Iterator<Item = u8> + '_ {
        (0u8..).zip(&self.all).filter(move |(_, l)| l.as_ref().is_some_and(|l| now < l.heard + STOPPED)).map(|(n, _)| n)
    }

    /// What a layer costs in bits per second; 0 while that is not known yet.
    pub fn bitrate(&self, layer: u8) -> u64 {
        self.layer(layer).and_then(|layer| layer.bitrate).unwrap_or(0)
    }

    /// The stream (SSRC) of a layer.
    pub fn stream(&self, layer: u8) -> Option<u32> {
        self.layer(layer).map(|layer| layer.stream)
    }

    /// Somebody needs a key frame of a layer. `true`: ask its stream now; else it was asked lately and is owed, or there
    /// is no such layer.
    pub fn want_keyframe(&mut self, layer: u8, now: Instant) -> bool {
        self.layer_mut(layer).is_some_and(|layer| layer.keyframes.want(now))
    }

    /// The same for somebody who is to see this picture in place of another, and asks for it the first time.
    pub fn want_keyframe_soon(&mut self, layer: u8, now: Instant) -> bool {
        self.layer_mut(layer).is_some_and(|layer| layer.keyframes.want_soon(now))
    }

    /// When the next owed request may go out.
    pub fn due(&self) -> Option<Instant> {
        self.all.iter().flatten().filter_map(|layer| layer.keyframes.due()).min()
    }

    /// Layers whose owed requests are to go out now.
    pub fn take_due(&mut self, now: Instant) -> Vec<u8> {
        let due = |(n, layer): (u8, &mut Option<Layer>)| layer.as_mut()?.keyframes.take_due(now).then_some(n);
        (0u8..).zip(&mut self.all).filter_map(due).collect()
    }

    fn layer(&self, layer: u8) -> Option<&Layer> {
        self.all.get(usize::from(layer))?.as_ref()
    }

    fn layer_mut(&mut self, layer: u8) -> Option<&mut Layer> {
        self.all.get_mut(usize::from(layer))?.as_mut()
    }
}

impl Layer {
    fn count(&mut self, bytes: usize, now: Instant) {
        self.heard = now;
        self.bytes += bytes as u64;
        let passed = now.saturating_duration_since(self.window);
        if passed < WINDOW {
            return;
        }
        let measured = (self.bytes * 8_000_000).checked_div(passed.as_micros() as u64).unwrap_or(0);
        // A key frame makes one window dear: believed half, so that nobody is moved for it.
        self.bitrate = Some(self.bitrate.map_or(measured, |before| (before + measured) / 2));
        (self.window, self.bytes) = (now, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_layers_cost_is_measured_and_it_ends_with_its_packets() {
        let start = Instant::now();
        let mut layers = Layers::default();

        for n in 0..100 {
            layers.heard(0, 10, 250, start + ms(n * 20));
            if n < 50 {
                layers.heard(2, 30, 2500, start + ms(n * 20));
            }
        }

        assert!(layers.bitrate(0).abs_diff(100_000) < 5_000 && layers.bitrate(2).abs_diff(1_000_000) < 50_000);
        assert_eq!(layers.live(start + ms(2000)).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(layers.live(start + ms(2600)).collect::<Vec<_>>(), [0]);
        assert_eq!(layers.stream(2), Some(30));
    }

    #[test]
    fn a_second_stream_waits_until_the_first_has_stopped() {
        let start = Instant::now();
        let mut layers = Layers::default();

        assert_eq!(layers.heard(0, 1, 100, start), Some(true));
        assert_eq!(layers.heard(0, 2, 100, start + ms(100)), None);
        assert_eq!(layers.heard(0, 1, 100, start + ms(200)), Some(false));
        assert_eq!(layers.heard(0, 2, 100, start + ms(700)), Some(true));
        assert_eq!(layers.heard(MOST_LAYERS as u8, 3, 100, start), None, "no such layer");
    }

    #[test]
    fn wishes_for_key_frames_are_merged_for_each_layer_by_itself() {
        let start = Instant::now();
        let mut layers = Layers::default();
        layers.heard(0, 1, 100, start);
        layers.heard(1, 2, 100, start);

        let asked: Vec<bool> = (0..6).map(|n| layers.want_keyframe(n % 2, start + ms(n.into()))).collect();

        assert_eq!(asked, [true, true, false, false, false, false]);
        assert!(!layers.want_keyframe(3, start), "nobody to ask");
        assert_eq!(layers.due(), Some(start + ms(500)));
        assert_eq!(layers.take_due(start + ms(501)), [0, 1]);
        assert_eq!(layers.due(), None);
    }
}
