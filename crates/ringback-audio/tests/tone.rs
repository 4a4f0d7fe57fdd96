//! Tones as they sound: their frequencies, their rhythm, their level.

use ringback_audio::{Tone, ToneShape};

fn play(shape: ToneShape, seconds: usize) -> Vec<i16> {
    let mut tone = Tone::new(shape);
    let mut sound = Vec::new();
    let mut tick = Vec::new();
    for _ in 0..seconds * 50 {
        tone.tick(&mut tick);
        tick.resize(160, 0);
        sound.extend_from_slice(&tick);
    }
    sound
}

/// Peak of one frequency (Goertzel).
fn peak_of(sound: &[i16], hz: f64) -> f64 {
    let step = std::f64::consts::TAU * hz / 8000.0;
    let (re, im) = sound.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, s)| {
        let (sin, cos) = (step * n as f64).sin_cos();
        (re + f64::from(*s) * cos, im + f64::from(*s) * sin)
    });
    2.0 * f64::hypot(re, im) / sound.len() as f64
}

#[test]
fn north_american_ringing_is_two_seconds_of_two_tones_and_four_of_silence() {
    let shape = ToneShape::new(vec![440.0, 480.0], vec![2000, 4000], -19.0).unwrap();

    let sound = play(shape, 12);

    for period in sound.chunks(48_000) {
        let (on, off) = (&period[800..15_200], &period[16_000..]);
        for hz in [440.0, 480.0] {
            let level = 20.0 * (peak_of(on, hz) / 22_746.0).log10();
            assert!((level + 19.0).abs() < 0.2, "{hz} Hz has {level} dBm0");
        }
        assert!(peak_of(on, 425.0) < 60.0);
        assert!(off.iter().all(|sample| *sample == 0));
    }
}

#[test]
fn a_double_ring_is_heard_twice_in_each_period() {
    let shape = ToneShape::new(vec![400.0, 450.0], vec![400, 200, 400, 2000], -19.0).unwrap();

    let sound = play(shape, 3);

    let loud: Vec<bool> = sound.chunks(800).map(|c| c.iter().any(|s| s.abs() > 1000)).collect();
    let expected: Vec<bool> = (0..30).map(|tenth| tenth < 4 || (6..10).contains(&tenth)).collect();
    assert_eq!(loud, expected);
}

#[test]
fn a_tone_begins_and_ends_without_a_click() {
    let sound = play(ToneShape::new(vec![425.0], vec![1000, 4000], 0.0).unwrap(), 5);

    let step = sound.windows(2).map(|w| (i32::from(w[0]) - i32::from(w[1])).abs()).max().unwrap();

    assert!(step < 8000, "a sine of 425 Hz at full level moves by at most 7600 from sample to sample, not by {step}");
    assert!(sound[..8].iter().all(|s| s.abs() < 5000), "it rises slowly");
}

#[test]
fn without_a_rhythm_it_goes_on() {
    let sound = play(ToneShape::new(vec![350.0], vec![], -10.0).unwrap(), 3);

    assert!(sound.chunks(160).skip(1).all(|c| c.iter().any(|s| s.abs() > 5000)));
}

#[test]
fn a_tone_that_cannot_be_is_refused() {
    let refused = |hz: &[f64], rhythm: &[u32], level| ToneShape::new(hz.to_vec(), rhythm.to_vec(), level).is_err();

    assert!(refused(&[], &[], -19.0) && refused(&[1.0; 5], &[], -19.0));
    assert!(refused(&[4000.0], &[], -19.0) && refused(&[f64::NAN], &[], -19.0) && refused(&[-1.0], &[], -19.0));
    assert!(refused(&[400.0], &[100], -19.0) && refused(&[400.0], &[100, 5], -19.0));
    assert!(refused(&[400.0], &[100, 60_001], -19.0) && refused(&[400.0], &[100; 18], -19.0));
    assert!(refused(&[400.0], &[], 1.0) && refused(&[400.0], &[], f64::NAN));
}
