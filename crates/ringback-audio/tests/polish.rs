//! Echo, noise and loudness by measure: what is to go is gone by so many dB, and speech is still there.

use ringback_audio::{Polish, Polishing, level_dbov};

const RATE: u32 = 8000;
const FRAME: usize = 160;

/// A voice: harmonics of a gliding pitch in four syllables a second, with a pause after 2.2 s of every 3.
fn voice(seconds: f64, pitch: f64, peak: f64) -> Vec<i16> {
    let mut phase = 0.0;
    (0..(seconds * f64::from(RATE)) as usize)
        .map(|n| {
            let at = n as f64 / f64::from(RATE);
            phase += pitch * (1.0 + 0.15 * (at * 2.1).sin()) / f64::from(RATE);
            let envelope = ((at * 4.0 * std::f64::consts::TAU).sin().max(0.0)).sqrt();
            let pressed = at % 3.0 < 2.2;
            let tone: f64 = (1..12)
                .map(|h| {
                    let formant = 1.0 / (1.0 + ((f64::from(h) * pitch - 600.0) / 500.0).powi(2));
                    formant * (phase * f64::from(h) * std::f64::consts::TAU).sin()
                })
                .sum();
            if pressed { (tone * envelope * peak * 0.4) as i16 } else { 0 }
        })
        .collect()
}

fn noise(seconds: f64, peak: f64, mut seed: u64) -> Vec<i16> {
    (0..(seconds * f64::from(RATE)) as usize)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (((seed >> 33) as f64 / f64::from(1u32 << 31) * 2.0 - 1.0) * peak) as i16
        })
        .collect()
}

fn polished(wanted: Polishing, sound: &[i16], sent: impl Fn(usize) -> f32) -> Vec<i16> {
    let mut polish = Polish::default();
    polish.set(wanted);
    let mut out = Vec::new();
    for (n, frame) in sound.chunks_exact(FRAME).enumerate() {
        let mut frame = frame.to_vec();
        polish.process(&mut frame, RATE, sent(n));
        assert_eq!(frame.len(), FRAME);
        out.extend(frame);
    }
    out
}

/// The level of the loud frames: those of speech.
fn loud(sound: &[i16]) -> f32 {
    let mut levels: Vec<f32> = sound.chunks_exact(FRAME).map(level_dbov).collect();
    levels.sort_by(f32::total_cmp);
    levels[levels.len() * 9 / 10]
}

#[test]
fn noise_between_words_falls_by_15_db_and_words_stay() {
    let (speech, hiss) = (voice(12.0, 140.0, 9000.0), noise(12.0, 900.0, 3));
    let both: Vec<i16> = speech.iter().zip(&hiss).map(|(a, b)| a.saturating_add(*b)).collect();

    let clean = polished(Polishing { noise: true, ..Polishing::default() }, &both, |_| -127.0);

    // The pause from 8.3 s to 8.9 s, and the words before it.
    let part = |sound: &[i16], from: f64, to: f64| {
        sound[(from * f64::from(RATE)) as usize..(to * f64::from(RATE)) as usize].to_vec()
    };
    let fell = level_dbov(&part(&both, 8.4, 8.9)) - level_dbov(&part(&clean, 8.4, 8.9));
    assert!(fell > 15.0, "the noise fell by {fell:.1} dB");
    let kept = loud(&part(&clean, 6.0, 8.2)) - loud(&part(&speech, 6.0, 8.2));
    assert!(kept.abs() < 3.0, "speech changed by {kept:.1} dB");
}

#[test]
fn talkers_18_db_apart_come_within_5_db_of_each_other_and_nobody_is_cut() {
    let gain = Polishing { gain: true, ..Polishing::default() };
    let levels: Vec<f32> = [1000.0, 8000.0, 30_000.0]
        .into_iter()
        .map(|peak| {
            let out = polished(gain, &voice(20.0, 120.0, peak), |_| -127.0);
            assert!(out.iter().all(|sample| sample.abs() < 32_700));
            loud(&out[15 * RATE as usize..])
        })
        .collect();

    let apart = levels.iter().copied().fold(f32::MIN, f32::max) - levels.iter().copied().fold(f32::MAX, f32::min);
    assert!(apart < 5.0, "{levels:?}");
}

#[test]
fn pauses_and_noise_alone_are_not_raised() {
    let hiss = noise(20.0, 60.0, 9);

    let out = polished(Polishing { gain: true, ..Polishing::default() }, &hiss, |_| -127.0);

    let raised = level_dbov(&out[10 * RATE as usize..]) - level_dbov(&hiss);
    assert!(raised < 1.0, "{raised:.1} dB");
}

/// A line that returns what it is sent `delay` frames later and `loss` dB weaker, with a word of its own now and then.
fn line(sent: &[i16], delay: usize, loss: f64, own: &[i16]) -> Vec<i16> {
    let by = 10f64.powf(-loss / 20.0);
    (0..sent.len())
        .map(|n| {
            let echo = n.checked_sub(delay * FRAME + 37).map_or(0.0, |at| f64::from(sent[at]) * by);
            (echo + f64::from(own[n])) as i16
        })
        .collect()
}

#[test]
fn an_echo_comes_back_30_db_weaker_whatever_its_delay_and_loss() {
    let sent = voice(20.0, 150.0, 12_000.0);
    let levels: Vec<f32> = sent.chunks_exact(FRAME).map(level_dbov).collect();
    for (delay, loss) in [(3, 12.0), (12, 20.0), (30, 26.0)] {
        let back = line(&sent, delay, loss, &vec![0; sent.len()]);

        let out = polished(Polishing { echo: true, ..Polishing::default() }, &back, |n| levels[n]);

        let tail = 6 * RATE as usize;
        let fell = level_dbov(&back[tail..]) - level_dbov(&out[tail..]);
        assert!(fell > 30.0, "{delay} frames, {loss} dB: {fell:.1} dB");
    }
}

#[test]
fn who_speaks_into_the_echo_is_heard() {
    let sent = voice(20.0, 150.0, 12_000.0);
    let levels: Vec<f32> = sent.chunks_exact(FRAME).map(level_dbov).collect();
    let mut own = vec![0; sent.len()];
    let word = voice(4.0, 210.0, 16_000.0);
    own[12 * RATE as usize..16 * RATE as usize].copy_from_slice(&word);
    let back = line(&sent, 8, 20.0, &own);

    let out = polished(Polishing { echo: true, ..Polishing::default() }, &back, |n| levels[n]);

    let kept = loud(&out[12 * RATE as usize..14 * RATE as usize]) - loud(&word[..2 * RATE as usize]);
    assert!(kept.abs() < 3.0, "the word changed by {kept:.1} dB");
}

#[test]
fn without_an_echo_nobody_is_turned_down() {
    let sent = voice(20.0, 150.0, 12_000.0);
    let levels: Vec<f32> = sent.chunks_exact(FRAME).map(level_dbov).collect();
    // In the same rhythm: the hardest to tell from an echo.
    let own = voice(20.0, 97.0, 9_000.0);

    let out = polished(Polishing { echo: true, ..Polishing::default() }, &own, |n| levels[n]);

    let changed = level_dbov(&out) - level_dbov(&own);
    assert!(changed.abs() < 2.0, "{changed:.1} dB");
}
