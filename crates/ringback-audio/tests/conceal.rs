//! Concealment of G.711 and G.722 sound.

mod common;

use common::{Random, largest_step, snr_db, tone};
use ringback_audio::Concealer;

/// A tone with a hole of `lost` frames at frame 10.
fn with_hole(rate: u32, hertz: f64, lost: usize) -> Vec<i16> {
    let frame = rate as usize / 50;
    let mut concealer = Concealer::new(rate);
    let mut out = Vec::new();
    for (at, pcm) in tone(rate, hertz, 8000.0, frame * 30).chunks_exact(frame).enumerate() {
        if (10..10 + lost).contains(&at) {
            concealer.conceal(frame, &mut out);
        } else {
            let mut pcm = pcm.to_vec();
            concealer.receive(&mut pcm);
            out.extend(pcm);
        }
    }
    out
}

#[test]
fn one_lost_frame_of_a_steady_tone_is_hardly_heard() {
    for (rate, hertz) in [(8000, 200.0), (8000, 440.0), (16_000, 200.0), (16_000, 500.0)] {
        let out = with_hole(rate, hertz, 1);
        let frame = rate as usize / 50;
        let around = &out[frame * 9..frame * 12];

        let steepest = largest_step(&tone(rate, hertz, 8000.0, frame));
        assert!(largest_step(around) < steepest * 2, "{rate} {hertz}: {}", largest_step(around));
        let snr = snr_db(&out[frame * 5..], rate, hertz);
        assert!(snr > 10.0, "{rate} {hertz}: {snr} dB");
    }
}

#[test]
fn a_guess_fades_to_silence_within_60_ms_and_sound_comes_back_smoothly() {
    let out = with_hole(8000, 300.0, 8);

    let loudest = |from: usize, to: usize| out[from * 160..to * 160].iter().map(|s| s.unsigned_abs()).max().unwrap();
    assert!(loudest(10, 11) > 6000);
    assert!(loudest(12, 13) < 4000);
    assert_eq!(loudest(13, 18), 0);
    assert!(largest_step(&out[17 * 160..20 * 160]) < 2600);
    assert!(loudest(20, 21) > 7900);
}

#[test]
fn the_first_sound_is_faded_in() {
    let mut concealer = Concealer::new(8000);
    let mut pcm = vec![8000; 160];

    assert!(concealer.receive(&mut pcm));

    assert!(pcm[0] < 200 && pcm[159] == 8000);
    assert!(!concealer.receive(&mut pcm), "the next frame is left as it is");
}

#[test]
fn noise_and_silence_are_concealed_without_harm() {
    let mut random = Random(5);
    let mut concealer = Concealer::new(16_000);
    for round in 0..2000 {
        let mut pcm: Vec<i16> = (0..random.below(400)).map(|_| random.next() as i16 >> (round % 16)).collect();
        match random.below(3) {
            0 => concealer.conceal(random.below(700) as usize, &mut pcm),
            _ => drop(concealer.receive(&mut pcm)),
        }
    }
    let mut out = Vec::new();
    concealer.conceal(320, &mut out);

    assert_eq!(out.len(), 320);
}

#[test]
fn what_is_made_up_does_not_depend_on_the_pieces_in_which_sound_came() {
    let sound = tone(8000, 300.0, 8000.0, 1000);
    let guess = |piece: usize| {
        let mut concealer = Concealer::new(8000);
        sound.clone().chunks_mut(piece).for_each(|pcm| {
            concealer.receive(pcm);
        });
        let mut out = Vec::new();
        concealer.conceal(160, &mut out);
        out
    };

    let whole = guess(100);

    assert!(whole.iter().any(|sample| sample.unsigned_abs() > 4000));
    for piece in [1, 7, 160, 319, 321, 1000] {
        // How the sound begins, after nothing, does depend on them: the last 40 ms are all that counts.
        assert_eq!(guess(piece), whole, "{piece}");
    }
}
