//! A recorded sound on its way to a phone, 20 ms at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

/// A recorded sound, shared by all legs that are played it.
#[derive(Debug, PartialEq, Eq)]
pub struct Clip {
    /// Names its content.
    pub id: String,
    /// Samples per second, a multiple of 50.
    pub rate: u32,
    /// int16 mono.
    pub samples: Vec<i16>,
}

/// The clips that somebody is being played, by id.
#[derive(Default)]
pub struct Clips(Mutex<HashMap<String, Weak<Clip>>>);

impl Clips {
    /// The clip of that id; made by `samples` when nobody has it.
    pub fn shared(&self, id: &str, rate: u32, samples: impl FnOnce() -> Vec<i16>) -> Arc<Clip> {
        let mut clips = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(clip) = clips.get(id).and_then(Weak::upgrade) {
            return clip;
        }
        clips.retain(|_, clip| clip.strong_count() > 0);
        let clip = Arc::new(Clip { id: id.into(), rate, samples: samples() });
        clips.insert(id.into(), Arc::downgrade(&clip));
        clip
    }
}

/// Plays a clip so many times without a gap.
#[derive(Debug)]
pub struct Player {
    clip: Arc<Clip>,
    at: usize,
    /// Times it is still to begin.
    left: u32,
}

impl Player {
    /// From the beginning, `times` times.
    pub fn new(clip: Arc<Clip>, times: u32) -> Player {
        let at = clip.samples.len();
        Player { clip, at, left: times }
    }

    /// What it plays.
    pub fn id(&self) -> &str {
        &self.clip.id
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.clip.rate
    }

    /// The next 20 ms in `out`, filled up with silence at the end; false, and nothing, when it is over.
    pub fn tick(&mut self, out: &mut Vec<i16>) -> bool {
        out.clear();
        let wanted = (self.clip.rate / 50) as usize;
        while out.len() < wanted {
            if self.at == self.clip.samples.len() {
                if self.left == 0 || self.clip.samples.is_empty() {
                    break;
                }
                self.left -= 1;
                self.at = 0;
            }
            let rest = &self.clip.samples[self.at..];
            let part = &rest[..rest.len().min(wanted - out.len())];
            out.extend_from_slice(part);
            self.at += part.len();
        }
        let playing = !out.is_empty();
        if playing {
            out.resize(wanted, 0);
        }
        playing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(samples: Vec<i16>, times: u32) -> Vec<i16> {
        let clip = Clip { id: "clip".into(), rate: 8_000, samples };
        let mut player = Player::new(Arc::new(clip), times);
        let (mut all, mut tick) = (Vec::new(), Vec::new());
        while player.tick(&mut tick) {
            assert_eq!(tick.len(), 160);
            all.extend_from_slice(&tick);
        }
        assert!(tick.is_empty() && !player.tick(&mut tick), "it stays over");
        all
    }

    #[test]
    fn a_clip_is_repeated_without_a_gap_and_filled_up_at_its_end() {
        let clip: Vec<i16> = (1..=250).collect();

        let heard = played(clip.clone(), 2);

        assert_eq!(heard.len(), 640);
        assert_eq!(heard[..250], clip);
        assert_eq!(heard[250..500], clip);
        assert!(heard[500..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn a_clip_of_whole_ticks_ends_without_an_empty_one() {
        assert_eq!(played(vec![7; 320], 1).len(), 320);
        assert_eq!(played(vec![7; 320], 3).len(), 960);
    }

    #[test]
    fn an_empty_clip_is_over_at_once() {
        assert!(played(Vec::new(), 5).is_empty());
    }

    #[test]
    fn clips_of_one_id_are_shared_while_somebody_has_them() {
        let clips = Clips::default();
        let first = clips.shared("a", 8_000, || vec![1]);

        let second = clips.shared("a", 8_000, || unreachable!("it is there"));

        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        assert_eq!(clips.shared("a", 8_000, || vec![2]).samples, [2]);
        assert_eq!(clips.0.lock().unwrap().len(), 1);
    }
}
