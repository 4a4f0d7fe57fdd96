//! What is encoded is seen again, at the size, rate and bitrate that were asked for.

mod common;

use common::{GREEN, apart, camera, psnr};
use ringback_pictures::Coding;
use ringback_pixels::{Decoder, Encoded, Encoder, Picture, Quality, inspect};

const BOTH: [Coding; 2] = [Coding::Vp8, Coding::H264];

fn quality(coding: Coding) -> Quality {
    Quality { coding, longest_unit: 0, width: 640, height: 360, rate: 15, bitrate_bps: 400_000 }
}

fn encoder(quality: Quality) -> Encoder {
    Encoder::new(quality).expect("libvpx is here: make peers installs it")
}

fn encode(encoder: &mut Encoder, count: usize, from: usize) -> Vec<Encoded> {
    let quality = encoder.quality();
    let us = |number: usize| (number * 1_000_000) as u64 / u64::from(quality.rate);
    let picture = |number| camera(quality.width, quality.height, GREEN, number);
    (from..from + count).map(|n| encoder.encode(&picture(n), us(n), false).expect("a picture")).collect()
}

fn bits_a_second(made: &[Encoded], rate: u32) -> u32 {
    let bytes: usize = made.iter().map(|made| made.data.len()).sum();
    (bytes * 8) as u32 * rate / made.len() as u32
}

#[test]
fn what_is_decoded_is_what_was_encoded() {
    for coding in BOTH {
        let mut encoder = encoder(quality(coding));
        let mut decoder = Decoder::new(coding).expect("a decoder");
        for (number, made) in encode(&mut encoder, 30, 0).into_iter().enumerate() {
            let seen = decoder.decode(&made.data).expect("it is ours").expect("a picture");
            let shown = camera(640, 360, GREEN, number);
            assert_eq!((seen.width, seen.height), (640, 360));
            assert!(psnr(&seen, &shown) > 26.0, "{coding:?} {number}: {}", psnr(&seen, &shown));
            assert!(apart(seen.mean(0, 100, 640, 200), shown.mean(0, 100, 640, 200)) <= 4);
        }
    }
}

#[test]
fn the_first_picture_is_a_key_frame_and_others_are_when_asked_for() {
    for coding in BOTH {
        let mut encoder = encoder(quality(coding));
        let keys: Vec<bool> = (0..40)
            .map(|n| {
                let made = encoder.encode(&camera(640, 360, GREEN, n), n as u64 * 66_667, n == 25).expect("a picture");
                assert_eq!(inspect(coding, &made.data).expect("a header").key, made.key);
                made.key
            })
            .collect();
        assert_eq!(keys.iter().enumerate().filter(|(_, key)| **key).map(|(n, _)| n).collect::<Vec<_>>(), [0, 25]);
    }
}

#[test]
fn the_bitrate_is_held_within_a_tenth_and_changes_in_mid_stream() {
    for coding in BOTH {
        let mut encoder = encoder(Quality { width: 1280, height: 720, bitrate_bps: 900_000, ..quality(coding) });
        encode(&mut encoder, 30, 0);
        let before = bits_a_second(&encode(&mut encoder, 75, 30), 15);
        encoder.set_bitrate(400_000);
        encode(&mut encoder, 30, 105);
        let after = encode(&mut encoder, 75, 135);

        assert!(before.abs_diff(900_000) < 90_000, "{coding:?}: {before}");
        assert!(bits_a_second(&after, 15).abs_diff(400_000) < 60_000, "{coding:?}: {}", bits_a_second(&after, 15));
        assert!(after.iter().all(|made| !made.key), "the change costs no key frame");
    }
}

#[test]
fn no_unit_is_longer_than_a_packet_where_packets_cannot_be_cut() {
    let small =
        Quality { longest_unit: 1200, width: 1280, height: 720, bitrate_bps: 2_000_000, ..quality(Coding::H264) };
    let mut encoder = encoder(small);
    let mut decoder = Decoder::new(Coding::H264).expect("a decoder");
    for made in encode(&mut encoder, 20, 0) {
        let starts: Vec<usize> = (0..made.data.len() - 2).filter(|&at| made.data[at..at + 3] == [0, 0, 1]).collect();
        let ends = starts.iter().skip(1).copied().chain([made.data.len()]);
        for (start, end) in starts.iter().zip(ends) {
            assert!(end - start - 3 <= 1201, "{}", end - start - 3);
        }
        assert!(decoder.decode(&made.data).expect("it is ours").is_some());
    }
}

#[test]
fn a_key_frame_of_h264_brings_its_parameter_sets_and_a_profile_that_all_phones_know() {
    let mut encoder = encoder(quality(Coding::H264));
    encode(&mut encoder, 10, 0);
    let made = encoder.encode(&camera(640, 360, GREEN, 11), 11 * 66_667, true).expect("a picture");

    let sps = made.data.windows(4).position(|at| at[..3] == [0, 0, 1] && at[3] & 0x1f == 7).expect("an SPS");
    assert_eq!(made.data[sps + 4], 66, "baseline");
    assert_eq!(made.data[sps + 6], 31, "level 3.1");
    let mut decoder = Decoder::new(Coding::H264).expect("a decoder");
    assert!(decoder.decode(&made.data).expect("it is whole").is_some());
}

#[test]
fn odd_and_tiny_sizes_are_made_even_and_encoded() {
    for coding in BOTH {
        for (width, height) in [(16, 16), (176, 144), (318, 182), (720, 1280)] {
            let mut encoder = encoder(Quality { width, height, ..quality(coding) });
            let mut decoder = Decoder::new(coding).expect("a decoder");
            let made = encoder.encode(&Picture::new(width, height, GREEN), 0, true).expect("a picture");
            let seen = decoder.decode(&made.data).expect("it is ours").expect("a picture");
            assert_eq!((seen.width, seen.height), (width, height), "{coding:?}");
            let seen = seen.mean(0, 0, width, height);
            assert!(apart(seen, GREEN) <= 8, "{coding:?} {width}x{height}: {seen:?}");
        }
    }
}
