//! Keys as sound: what is made is what is found, within what ITU-T Q.24 asks for, and speech is none of it.

mod common;

use std::f64::consts::TAU;
use std::path::Path;

use common::Random;
use ringback_audio::{KeyEars, KeyHeard, KeyTones, Resampler, g711};

const ALL: &str = "0123456789*#ABCD";
const PAIRS: [(char, f64, f64); 3] = [('1', 697.0, 1209.0), ('5', 770.0, 1336.0), ('D', 941.0, 1633.0)];

/// Two tones (peaks `low` and `high`), this far beside their frequencies, between two silences.
fn press(pair: (f64, f64), (low, high): (f64, f64), beside: f64, ms: usize) -> Vec<i16> {
    let mut sound = vec![0; 400];
    sound.extend((0..ms * 8).map(|at| {
        let at = at as f64 / 8000.0 * TAU * (1.0 + beside);
        (low * (at * pair.0).sin() + high * (at * pair.1).sin()) as i16
    }));
    sound.extend([0; 800]);
    sound
}

fn heard(sound: &[i16], rate: u32) -> Vec<KeyHeard> {
    let mut ears = KeyEars::new();
    sound.chunks(rate as usize / 50).for_each(|frame| ears.push(frame, rate));
    for _ in 0..5 {
        ears.push(&[], rate);
    }
    std::iter::from_fn(|| ears.poll()).collect()
}

fn digits(sound: &[i16]) -> String {
    heard(sound, 8000).iter().map(|key| key.digit).collect()
}

fn dialled(keys: &str, duration_ms: u32, gap_ms: u32) -> Vec<i16> {
    let mut tones = KeyTones::default();
    assert_eq!(tones.queue(keys, duration_ms, gap_ms), keys.len());
    let (mut sound, mut tick) = (vec![0; 160], Vec::new());
    while tones.tick(&mut tick) {
        tick.resize(160, 0);
        sound.extend_from_slice(&tick);
    }
    assert!(!tones.is_busy());
    sound
}

#[test]
fn every_key_that_is_sent_is_heard_once_with_its_length_and_level() {
    let sound = dialled(ALL, 100, 60);

    let found = heard(&sound, 8000);

    assert_eq!(found.iter().map(|key| key.digit).collect::<String>(), ALL);
    for key in found {
        assert!((85..=115).contains(&key.duration_ms), "{key:?}");
        // Two tones of -9 dBm0 are -6 dBm0 together.
        assert!((5..=7).contains(&key.volume), "{key:?}");
    }
}

#[test]
fn keys_survive_g711_and_are_heard_at_the_rates_of_other_codecs() {
    let sound = dialled(ALL, 80, 60);
    let (mut bytes, mut back) = (Vec::new(), Vec::new());
    g711::encode_mu(&sound, &mut bytes);
    g711::decode_mu(&bytes, &mut back);
    assert_eq!(digits(&back), ALL);

    let mut wide = Vec::new();
    Resampler::new(8000, 16_000).unwrap().process(&sound, &mut wide);
    assert_eq!(heard(&wide, 16_000).iter().map(|key| key.digit).collect::<String>(), ALL);
}

#[test]
fn the_same_key_twice_is_two_presses_and_a_long_one_is_one() {
    assert_eq!(digits(&dialled("1155", 60, 60)), "1155");

    let long = heard(&dialled("7", 5000, 60), 8000);
    assert_eq!(long.len(), 1);
    assert!((4900..=5050).contains(&long[0].duration_ms), "{long:?}");
}

#[test]
fn forty_milliseconds_are_a_press_and_twenty_three_are_none() {
    for (digit, low, high) in PAIRS {
        for start in 0..8 {
            let mut sound = vec![0; start * 11];
            sound.extend(press((low, high), (6000.0, 6000.0), 0.0, 40));
            assert_eq!(digits(&sound), digit.to_string(), "{digit} at {start}");
        }
        assert_eq!(digits(&press((low, high), (6000.0, 6000.0), 0.0, 23)), "");
    }
}

#[test]
fn a_pause_of_forty_milliseconds_is_one_and_a_lost_packet_is_none() {
    let with_gap = |ms: usize| {
        let mut sound = press((770.0, 1336.0), (6000.0, 6000.0), 0.0, 60);
        sound.truncate(400 + 480);
        sound.extend(vec![0; ms * 8]);
        sound.extend(press((770.0, 1336.0), (6000.0, 6000.0), 0.0, 60).split_off(400));
        digits(&sound)
    };

    assert_eq!(with_gap(40), "55");
    assert_eq!(with_gap(10), "5");
    assert_eq!(with_gap(20), "5");
}

#[test]
fn twist_and_frequencies_within_what_telephones_do_are_taken() {
    for (digit, low, high) in PAIRS {
        for (low_peak, high_peak) in [(6000.0, 6000.0), (8000.0, 3600.0), (4500.0, 6800.0)] {
            for beside in [0.0, 0.015, -0.015] {
                let sound = press((low, high), (low_peak, high_peak), beside, 60);
                assert_eq!(digits(&sound), digit.to_string(), "{digit} {low_peak} {high_peak} {beside}");
            }
        }
    }
}

#[test]
fn what_no_telephone_makes_is_not_taken() {
    for (_, low, high) in PAIRS {
        assert_eq!(digits(&press((low, high), (12_000.0, 3000.0), 0.0, 200)), "", "12 dB of twist");
        assert_eq!(digits(&press((low, high), (3000.0, 9000.0), 0.0, 200)), "", "10 dB of twist");
        assert_eq!(digits(&press((low, high), (6000.0, 0.0), 0.0, 200)), "", "one tone");
        assert_eq!(digits(&press((low, high), (200.0, 200.0), 0.0, 200)), "", "too quiet");
        assert_eq!(digits(&press((low, high), (6000.0, 6000.0), 0.06, 200)), "", "6 % beside");
    }
}

#[test]
fn quiet_keys_and_keys_in_noise_are_heard() {
    let mut random = Random(7);
    for (digit, low, high) in PAIRS {
        assert_eq!(digits(&press((low, high), (900.0, 900.0), 0.0, 60)), digit.to_string(), "-28 dBm0 each");
        let mut noisy = press((low, high), (4000.0, 4000.0), 0.0, 80);
        noisy.iter_mut().for_each(|sample| *sample += random.below(2400) as i16 - 1200);
        assert_eq!(digits(&noisy), digit.to_string(), "15 dB above noise");
    }
}

#[test]
fn noise_of_any_height_presses_nothing() {
    let mut random = Random(11);
    for peak in [500, 4000, 30_000u64] {
        let noise: Vec<i16> = (0..60 * 8000).map(|_| (random.below(2 * peak) as i64 - peak as i64) as i16).collect();
        assert_eq!(digits(&noise), "", "a minute at {peak}");
    }
}

/// Voices as a machine can make them: a pulse train of a changing pitch through three resonances that wander.
fn babble(seconds: usize, seed: u64) -> Vec<i16> {
    let mut random = Random(seed);
    let (mut sound, mut phase, mut pitch) = (Vec::new(), 0.0, 140.0);
    let mut formants = [(500.0, [0.0; 2]), (1400.0, [0.0; 2]), (2500.0, [0.0; 2])];
    while sound.len() < seconds * 8000 {
        pitch = (pitch + random.below(41) as f64 - 20.0).clamp(80.0, 420.0);
        for (hz, _) in &mut formants {
            *hz = (*hz + random.below(401) as f64 - 200.0).clamp(250.0, 3200.0);
        }
        let voiced = random.below(5) > 0;
        for _ in 0..400 + random.below(1200) {
            phase += pitch / 8000.0;
            let mut x = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase %= 1.0;
            if !voiced {
                x = (random.below(2000) as f64 - 1000.0) / 8000.0;
            }
            let mut y = 0.0;
            for (hz, memory) in &mut formants {
                let r: f64 = 0.97;
                let new = x + 2.0 * r * (TAU * *hz / 8000.0).cos() * memory[0] - r * r * memory[1];
                *memory = [new, memory[0]];
                y += new;
            }
            sound.push((y * 2500.0).clamp(-32_000.0, 32_000.0) as i16);
        }
    }
    sound
}

#[test]
fn ten_minutes_of_voices_press_nothing() {
    for seed in 0..10 {
        assert_eq!(digits(&babble(60, seed)), "", "seed {seed}");
    }
}

#[test]
fn our_own_greetings_press_nothing_at_any_pitch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/ringback/cli/sounds");
    for name in ["greeting.wav", "reply.wav"] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let at = bytes.windows(4).position(|window| window == b"data").unwrap() + 8;
        let rate = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
        let pcm: Vec<i16> = bytes[at..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        assert!(pcm.len() > rate as usize / 4, "{name} is speech");
        // Taken for sound of another rate, the same speech has other pitches.
        for percent in (60..=180).step_by(5) {
            let faster: Vec<i16> =
                (0..).map(|n| n * percent / 100).take_while(|n| *n < pcm.len()).map(|n| pcm[n]).collect();
            let found = heard(&faster, rate);
            assert!(found.is_empty(), "{name} at {percent} %: {found:?}");
        }
    }
}

#[test]
fn pauses_among_keys_are_silent_seconds_and_strange_keys_are_left_out() {
    let mut tones = KeyTones::default();
    assert_eq!(tones.queue("1,x!2", 100, 100), 3);
    let (mut ticks, mut out) = (0, Vec::new());
    while tones.tick(&mut out) {
        ticks += 1;
    }
    assert_eq!(ticks, 10 + 50 + 10);
    assert_eq!(tones.queue(&"1".repeat(500), 100, 100), 128);
    tones.clear();
    assert!(!tones.is_busy());
}
