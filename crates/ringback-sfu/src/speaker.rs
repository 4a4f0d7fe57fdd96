//! Who speaks: smoothed levels and hysteresis, so that a cough or a pause changes nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Louder than this counts as speech, in dBov (0 is full scale).
const SPEECH_DBOV: f32 = -50.0;
/// A challenger must be this much louder than the present speaker.
const LOUDER_BY_DB: f32 = 6.0;
/// For this long.
const FOR_AT_LEAST: Duration = Duration::from_millis(400);
/// How fast levels rise and fall: the share of a new level per report (20 ms).
const RISE: f32 = 0.2;
const FALL: f32 = 0.05;

#[derive(Debug)]
struct Voice {
    level: f32,
    reported: Instant,
    louder_since: Option<Instant>,
}

/// The active speaker of one room.
#[derive(Debug, Default)]
pub struct Speaker {
    voices: HashMap<u64, Voice>,
    active: Option<u64>,
}

impl Speaker {
    /// A level of `who` (dBov, 0..-127), reported about every 20 ms. Answers with the new speaker when it changes.
    pub fn report(&mut self, who: u64, level_dbov: i8, now: Instant) -> Option<u64> {
        let level = f32::from(level_dbov).clamp(-127.0, 0.0);
        let voice = self.voices.entry(who).or_insert(Voice { level: -127.0, reported: now, louder_since: None });
        let share = if level > voice.level { RISE } else { FALL };
        voice.level += (level - voice.level) * share;
        voice.reported = now;
        let mine = voice.level;
        if self.active == Some(who) {
            return None;
        }
        let to_beat = self.active_level(now).map_or(SPEECH_DBOV, |level| (level + LOUDER_BY_DB).max(SPEECH_DBOV));
        let voice = self.voices.get_mut(&who)?;
        if mine < to_beat {
            voice.louder_since = None;
            return None;
        }
        let since = *voice.louder_since.get_or_insert(now);
        if self.active.is_some() && now < since + FOR_AT_LEAST {
            return None;
        }
        voice.louder_since = None;
        self.active = Some(who);
        Some(who)
    }

    /// Somebody left or was muted.
    pub fn forget(&mut self, who: u64) {
        self.voices.remove(&who);
        if self.active == Some(who) {
            self.active = None;
        }
    }

    /// Who speaks, or spoke last.
    pub fn active(&self) -> Option<u64> {
        self.active
    }

    /// The speaker's level; one that stopped reporting (muted its microphone) counts as silent.
    fn active_level(&self, now: Instant) -> Option<f32> {
        let voice = self.voices.get(&self.active?)?;
        let silent = now.duration_since(voice.reported) > Duration::from_millis(500);
        Some(if silent { -127.0 } else { voice.level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels of several people, every 20 ms for `ms`; returns the changes as (ms, who).
    fn talk(speaker: &mut Speaker, start: Instant, from_ms: u64, ms: u64, levels: &[(u64, i8)]) -> Vec<(u64, u64)> {
        let mut changes = Vec::new();
        for at in (from_ms..from_ms + ms).step_by(20) {
            for &(who, level) in levels {
                let change = speaker.report(who, level, start + Duration::from_millis(at));
                changes.extend(change.map(|who| (at, who)));
            }
        }
        changes
    }

    #[test]
    fn the_first_voice_is_the_speaker_and_silence_is_not() {
        let mut speaker = Speaker::default();
        let start = Instant::now();

        let quiet = talk(&mut speaker, start, 0, 2000, &[(1, -90), (2, -100)]);
        let speech = talk(&mut speaker, start, 2000, 1000, &[(1, -25), (2, -100)]);

        assert!(quiet.is_empty());
        assert_eq!(speech.iter().map(|c| c.1).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_cough_does_not_take_the_floor_and_an_answer_does() {
        let mut speaker = Speaker::default();
        let start = Instant::now();
        talk(&mut speaker, start, 0, 1000, &[(1, -25), (2, -90)]);

        let cough = talk(&mut speaker, start, 1000, 200, &[(1, -25), (2, -15)]);
        let on = talk(&mut speaker, start, 1200, 1000, &[(1, -25), (2, -90)]);
        let answer = talk(&mut speaker, start, 2200, 3000, &[(1, -90), (2, -25)]);

        assert!(cough.is_empty() && on.is_empty());
        assert_eq!(answer.iter().map(|c| c.1).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn two_equal_voices_do_not_take_turns() {
        let mut speaker = Speaker::default();
        let start = Instant::now();

        let changes = talk(&mut speaker, start, 0, 10_000, &[(1, -25), (2, -24)]);

        assert_eq!(changes.len(), 1);
    }

    #[test]
    fn a_speaker_that_muted_itself_is_followed_by_the_next_voice() {
        let mut speaker = Speaker::default();
        let start = Instant::now();
        talk(&mut speaker, start, 0, 1000, &[(1, -10)]);

        let changes = talk(&mut speaker, start, 1000, 2000, &[(2, -40)]);

        assert_eq!(changes.iter().map(|c| c.1).collect::<Vec<_>>(), [2]);
    }
}
