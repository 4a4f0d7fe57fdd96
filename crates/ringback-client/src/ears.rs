//! Who listens in a call: queues of samples that the worker fills and the bot empties when it likes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

/// Most that is kept for somebody who does not come, in seconds.
const MOST_SECONDS: usize = 30;

#[derive(Debug)]
struct Ear {
    /// The m-line it hears; `None`: everybody together.
    of: Option<String>,
    /// Tell when so many samples are there.
    wants: usize,
    /// Whether to tell.
    armed: bool,
    samples: VecDeque<i16>,
}

/// The ears of one call; int16 mono.
#[derive(Debug)]
pub struct Ears {
    most: usize,
    ears: Mutex<HashMap<u64, Ear>>,
}

impl Ears {
    /// Nobody listens, at `rate` samples per second.
    pub fn new(rate: u32) -> Ears {
        Ears { most: MOST_SECONDS * rate as usize, ears: Mutex::default() }
    }

    /// Listen to an m-line, or to everybody together; `wants`: how many samples to tell of. What is heard already stays.
    pub fn listen(&self, ear: u64, of: Option<String>, wants: usize) {
        let mut ears = self.lock();
        let entry = ears.entry(ear).or_insert(Ear { of: None, wants: 0, armed: true, samples: VecDeque::new() });
        entry.of = of;
        entry.wants = wants.clamp(1, self.most);
    }

    /// Listen no longer.
    pub fn rest(&self, ear: u64) {
        self.lock().remove(&ear);
    }

    /// What was heard since the last time, in whole pieces of what was wanted; the next one is told of.
    pub fn read(&self, ear: u64) -> Vec<i16> {
        let mut ears = self.lock();
        let Some(ear) = ears.get_mut(&ear) else { return Vec::new() };
        let n = ear.samples.len() - ear.samples.len() % ear.wants;
        ear.armed = true;
        ear.samples.drain(..n).collect()
    }

    /// Whether anybody listens at all.
    pub fn is_anybody(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Whether anybody listens to everybody together, and to which m-lines.
    pub fn wanted(&self) -> Wanted {
        let ears = self.lock();
        let alone = ears.values().filter_map(|ear| ear.of.clone()).collect();
        Wanted { together: ears.values().any(|ear| ear.of.is_none()), alone }
    }

    /// 20 ms for those who listen to `of`. Answers who is to be told, and how many samples nobody came for.
    pub fn hear(&self, of: Option<&str>, pcm: &[i16]) -> (Vec<u64>, u64) {
        let mut ears = self.lock();
        let (mut told, mut dropped) = (Vec::new(), 0);
        for (number, ear) in ears.iter_mut().filter(|(_, ear)| ear.of.as_deref() == of) {
            ear.samples.extend(pcm);
            let too_many = ear.samples.len().saturating_sub(self.most);
            ear.samples.drain(..too_many);
            dropped += too_many as u64;
            if ear.armed && ear.samples.len() >= ear.wants {
                ear.armed = false;
                told.push(*number);
            }
        }
        (told, dropped)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Ear>> {
        self.ears.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// What is listened to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Everybody together.
    pub together: bool,
    /// These m-lines by themselves.
    pub alone: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_told_once_there_is_enough_and_again_after_reading() {
        let ears = Ears::new(8000);
        ears.listen(7, None, 320);

        assert_eq!(ears.hear(None, &[1; 160]), (vec![], 0));
        assert_eq!(ears.hear(None, &[2; 160]), (vec![7], 0));
        assert_eq!(ears.hear(None, &[3; 160]), (vec![], 0));
        assert_eq!(ears.read(7).len(), 320);
        assert_eq!(ears.hear(None, &[4; 160]), (vec![7], 0));
        assert_eq!((ears.read(7)[0], ears.read(7).len()), (3, 0));
    }

    #[test]
    fn an_ear_hears_its_m_line_and_nothing_else() {
        let ears = Ears::new(8000);
        ears.listen(1, Some("4".into()), 160);
        ears.listen(2, None, 160);

        assert_eq!(ears.wanted(), Wanted { together: true, alone: vec!["4".into()] });
        assert_eq!(ears.hear(Some("4"), &[1; 160]).0, [1]);
        ears.rest(1);
        assert_eq!(ears.hear(Some("4"), &[1; 160]).0, []);
        assert_eq!(ears.wanted(), Wanted { together: true, alone: vec![] });
    }

    #[test]
    fn the_oldest_goes_when_nobody_reads() {
        let ears = Ears::new(8000);
        ears.listen(1, None, 160);

        let dropped: u64 = (0..31 * 50).map(|_| ears.hear(None, &[0; 160]).1).sum();

        assert_eq!((dropped, ears.read(1).len()), (8000, 8000 * 30));
    }
}
