//! The resampler on tones: those it should keep, and those it should not let through.

mod common;

use common::{snr_db, take_apart, tone};
use ringback_audio::Resampler;

const RATIOS: [(u32, u32); 6] =
    [(8000, 16_000), (8000, 48_000), (16_000, 48_000), (16_000, 8000), (48_000, 8000), (48_000, 16_000)];

/// A second of sound, 20 ms at a time, without the first 50 ms.
fn convert(pcm: &[i16], from: u32, to: u32) -> Vec<i16> {
    let mut resampler = Resampler::new(from, to).unwrap();
    let mut out = Vec::new();
    for frame in pcm.chunks_exact(from as usize / 50) {
        let before = out.len();
        resampler.process(frame, &mut out);
        assert_eq!(out.len() - before, to as usize / 50);
    }
    out.split_off(to as usize / 20)
}

#[test]
fn tones_below_the_edge_are_kept_as_they_are() {
    for (from, to) in RATIOS {
        let low = f64::from(from.min(to));
        for share in [0.01, 0.1, 0.25, 0.4] {
            let out = convert(&tone(from, low * share, 10_000.0, from as usize), from, to);

            let (amplitude, _) = take_apart(&out, to, low * share);
            let snr = snr_db(&out, to, low * share);
            assert!((amplitude / 10_000.0 - 1.0).abs() < 0.02, "{from} to {to}, {share}: {amplitude}");
            assert!(snr > 60.0, "{from} to {to}, {share}: {snr} dB");
        }
    }
}

#[test]
fn tones_above_the_new_edge_are_gone() {
    for (from, to) in RATIOS.into_iter().filter(|(from, to)| from > to) {
        for share in [0.55, 0.7, 0.95] {
            let hertz = f64::from(to) * share;
            let out = convert(&tone(from, hertz, 20_000.0, from as usize), from, to);

            let loudest = out.iter().map(|sample| i32::from(*sample).abs()).max().unwrap();
            assert!(loudest <= 20, "{from} to {to}: {loudest} left of {hertz} Hz");
        }
    }
}

#[test]
fn however_the_sound_is_cut_the_result_is_the_same() {
    for (from, to) in RATIOS {
        let pcm = tone(from, 300.0, 12_000.0, 4800);
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        Resampler::new(from, to).unwrap().process(&pcm, &mut whole);
        let mut resampler = Resampler::new(from, to).unwrap();
        for piece in pcm.chunks(7) {
            resampler.process(piece, &mut pieces);
        }

        assert_eq!(whole, pieces);
    }
}

#[test]
fn full_scale_does_not_wrap_around() {
    let square: Vec<i16> = (0..4800).map(|at| if at / 24 % 2 == 0 { 32_767 } else { -32_768 }).collect();
    for (from, to) in RATIOS {
        let out = convert(&square, from, to);
        // An overflow that wrapped would jump by nearly the whole range within one sample of a smooth edge.
        let wraps = out.windows(2).filter(|p| p[0] > 30_000 && p[1] < -30_000 || p[0] < -30_000 && p[1] > 30_000);
        assert_eq!(wraps.count(), 0, "{from} to {to}");
    }
}

#[test]
fn equal_rates_change_nothing_and_strange_rates_are_refused() {
    let mut out = Vec::new();
    Resampler::new(16_000, 16_000).unwrap().process(&[1, 2, 3], &mut out);

    assert_eq!(out, [1, 2, 3]);
    assert!(Resampler::new(44_100, 8000).is_none());
}
