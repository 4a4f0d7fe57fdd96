//! Decoders that are given whatever strangers send: sound or an error, never more than was asked for.
//!
//! Two seconds of all with the other tests; a minute of each with `--ignored`, which `make test` runs beneath others.

mod common;

use std::time::{Duration, Instant};

use common::{Random, tone};
use ringback_audio::{Codec, Decoder, Encoder, OpusDecoder, OpusFrames, OpusSettings, opus_ticks};

fn decoders_for(codecs: &[Codec], time: Duration) {
    let mut random = Random(23);
    let mut decoders: Vec<Decoder> = codecs
        .iter()
        .flat_map(|&codec| [8_000, 16_000, 48_000].map(|rate| Decoder::new(codec, rate).unwrap()))
        .collect();
    let mut opus = OpusDecoder::new(16_000).unwrap();
    let mut encoder = Encoder::new(Codec::Opus, OpusSettings { fec: true, expected_loss: 20, ..Default::default() });
    let speech: Vec<Vec<u8>> = tone(16_000, 300.0, 9000.0, 320 * 30)
        .chunks_exact(320)
        .map(|pcm| {
            let mut payload = Vec::new();
            encoder.encode(pcm, 16_000, &mut payload).unwrap();
            payload
        })
        .collect();
    let end = Instant::now() + time;
    let mut pcm = Vec::new();
    while Instant::now() < end {
        let mut bytes =
            if random.below(3) == 0 { random.bytes(400) } else { speech[random.below(30) as usize].clone() };
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len().max(1) as u64) as usize;
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
        if random.below(4) == 0 {
            bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        }
        for decoder in &mut decoders {
            pcm.clear();
            let _ = decoder.decode(&bytes, &mut pcm);
            assert!(pcm.len() <= decoder.sample_rate() as usize * 120 / 1000);
        }
        pcm.clear();
        let _ = opus.decode_fec(&bytes, 320, &mut pcm);
        let _ = opus.conceal(320, &mut pcm);
        assert!(pcm.len() <= 640);
        assert!(opus_ticks(&bytes).is_none_or(|ticks| (120..=5760).contains(&ticks)));
        if let Some(frames) = OpusFrames::parse(&bytes) {
            let _ = OpusFrames::parse(&speech[0]).and_then(|other| frames.join(&other));
        }
    }
}

#[test]
fn any_bytes_are_sound_or_an_error_to_every_decoder() {
    decoders_for(&[Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus], Duration::from_secs(2));
}

#[test]
#[ignore = "a minute"]
fn any_bytes_are_sound_or_an_error_to_pcmu_for_a_minute() {
    decoders_for(&[Codec::Pcmu], Duration::from_secs(60));
}

#[test]
#[ignore = "a minute"]
fn any_bytes_are_sound_or_an_error_to_pcma_for_a_minute() {
    decoders_for(&[Codec::Pcma], Duration::from_secs(60));
}

#[test]
#[ignore = "a minute"]
fn any_bytes_are_sound_or_an_error_to_g722_for_a_minute() {
    decoders_for(&[Codec::G722], Duration::from_secs(60));
}

#[test]
#[ignore = "a minute"]
fn any_bytes_are_sound_or_an_error_to_opus_for_a_minute() {
    decoders_for(&[Codec::Opus], Duration::from_secs(60));
}
