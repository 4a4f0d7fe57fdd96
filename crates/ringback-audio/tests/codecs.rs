//! G.722 and Opus: what goes in comes out, and nothing a stranger sends does harm.

mod common;

use common::{Random, snr_db, tone};
use ringback_audio::{
    Codec, Decoder, Encoder, G722Decoder, G722Encoder, OPUS_SILENCE, OpusDecoder, OpusEncoder, OpusFrames,
    OpusSettings, opus_ticks,
};

fn fnv(bytes: &[u8], hash: u64) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// The numbers were made with the public-domain reference translation that SpanDSP and others use.
#[test]
fn g722_agrees_with_another_implementation_bit_by_bit() {
    let mut random = Random(722);
    let (mut encoder, mut decoder) = (G722Encoder::default(), G722Decoder::default());
    let (mut encoded, mut decoded) = (0xcbf2_9ce4_8422_2325, 0xcbf2_9ce4_8422_2325);
    for frame in 0..200u32 {
        // Noise of changing loudness, then square waves at full scale.
        let pcm: Vec<i16> = (0..320u32)
            .map(|at| match frame {
                0..150 => (random.next() as i16) >> (frame % 13),
                _ if (at / (frame - 140)).is_multiple_of(2) => 32767,
                _ => -32768,
            })
            .collect();
        let (mut code, mut sound) = (Vec::new(), Vec::new());
        encoder.encode(&pcm, &mut code);
        decoder.decode(&code, &mut sound);
        encoded = fnv(&code, encoded);
        decoded = sound.iter().fold(decoded, |hash, sample| fnv(&sample.to_le_bytes(), hash));
    }

    assert_eq!((encoded, decoded), (0xfb62_2264_c282_a746, 0xc9e6_a31d_0fc4_3510));
}

/// A tone through a codec, 20 ms at a time; the first 200 ms left out.
fn through(codec: Codec, rate: u32, hertz: f64) -> Vec<i16> {
    let settings = OpusSettings { bitrate_bps: 64_000, ..OpusSettings::default() };
    let mut encoder = Encoder::new(codec, settings);
    let mut decoder = Decoder::new(codec, rate).unwrap();
    let mut heard = Vec::new();
    for frame in tone(rate, hertz, 10_000.0, rate as usize * 2).chunks_exact(rate as usize / 50) {
        let mut payload = Vec::new();
        encoder.encode(frame, rate, &mut payload).unwrap();
        assert_eq!(codec.ticks(&payload), Some(codec.clock_rate() / 50));
        decoder.decode(&payload, &mut heard).unwrap();
    }
    assert_eq!(heard.len(), rate as usize * 2);
    heard.split_off(rate as usize / 5)
}

#[test]
fn tones_pass_through_every_codec() {
    for (codec, rate, hertz, floor) in [
        (Codec::Pcmu, 8000, 1004.0, 35.0),
        (Codec::Pcma, 8000, 1004.0, 35.0),
        (Codec::G722, 16_000, 500.0, 30.0),
        (Codec::G722, 16_000, 3000.0, 25.0),
        (Codec::G722, 16_000, 6000.0, 10.0),
        (Codec::Opus, 8000, 1000.0, 15.0),
        (Codec::Opus, 16_000, 3000.0, 10.0),
        (Codec::Opus, 48_000, 3000.0, 10.0),
    ] {
        let snr = snr_db(&through(codec, rate, hertz), rate, hertz);
        assert!(snr > floor, "{codec:?} at {rate}, {hertz} Hz: {snr} dB");
    }
}

#[test]
fn names_and_clocks_are_those_of_sdp() {
    assert_eq!(Codec::from_name("pcmu"), Some(Codec::Pcmu));
    assert_eq!(Codec::from_name("opus"), Some(Codec::Opus));
    assert_eq!(Codec::from_name("G729"), None);
    assert_eq!((Codec::G722.clock_rate(), Codec::G722.sample_rate()), (8000, 16_000));
}

#[test]
fn opus_made_at_one_rate_is_heard_at_any_other() {
    for made in [8000u32, 16_000, 48_000] {
        for heard in [8000u32, 16_000, 48_000] {
            let mut encoder = OpusEncoder::new(made, OpusSettings::default()).unwrap();
            let mut decoder = OpusDecoder::new(heard).unwrap();
            let mut pcm = Vec::new();
            for frame in tone(made, 700.0, 8000.0, made as usize).chunks_exact(made as usize / 50) {
                let mut packet = Vec::new();
                encoder.encode(frame, &mut packet).unwrap();
                decoder.decode(&packet, &mut pcm).unwrap();
            }
            let snr = snr_db(&pcm[heard as usize / 5..], heard, 700.0);
            assert!(snr > 10.0, "{made} to {heard}: {snr} dB");
        }
    }
}

#[test]
fn the_copy_in_the_next_opus_packet_is_better_than_a_guess() {
    let settings = OpusSettings { fec: true, expected_loss: 20, ..OpusSettings::default() };
    let mut random = Random(1);
    let mut encoder = OpusEncoder::new(16_000, settings).unwrap();
    // A sliding tone: what a guess cannot know.
    let mut phase = 0.0f64;
    let speech: Vec<i16> = (0..32_000)
        .map(|at| {
            phase += 0.05 + 0.04 * (f64::from(at) / 1500.0).sin();
            (phase.sin() * 8000.0) as i16 + (random.below(400) as i16 - 200)
        })
        .collect();
    let packets: Vec<Vec<u8>> = speech
        .chunks_exact(320)
        .map(|frame| {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet).unwrap();
            packet
        })
        .collect();
    let error = |fec: bool| {
        let mut whole = OpusDecoder::new(16_000).unwrap();
        let mut holed = OpusDecoder::new(16_000).unwrap();
        let mut sum = 0.0;
        for (at, packet) in packets.iter().enumerate() {
            let (mut good, mut guess) = (Vec::new(), Vec::new());
            whole.decode(packet, &mut good).unwrap();
            match (at % 5 == 3, packets.get(at + 1)) {
                (true, Some(next)) if fec => holed.decode_fec(next, 320, &mut guess).unwrap(),
                (true, _) => holed.conceal(320, &mut guess).unwrap(),
                _ => holed.decode(packet, &mut guess).unwrap(),
            }
            if at % 5 == 3 && at > 10 {
                sum += good.iter().zip(&guess).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
            }
        }
        sum
    };

    assert!(error(true) < error(false) * 0.7, "{} {}", error(true), error(false));
}

#[test]
fn a_stereo_packet_comes_out_as_mono() {
    let mut decoder = OpusDecoder::new(48_000).unwrap();
    let mut pcm = Vec::new();

    decoder.decode(&[OPUS_SILENCE[0] | 4, 0xff, 0xfe], &mut pcm).unwrap();

    assert_eq!(pcm, [0; 960]);
}

fn opus_packets(count: usize) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(48_000, OpusSettings::default()).unwrap();
    tone(48_000, 440.0, 9000.0, 960 * count)
        .chunks_exact(960)
        .map(|frame| {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet).unwrap();
            packet
        })
        .collect()
}

#[test]
fn opus_frames_sound_the_same_in_whatever_packets_they_travel() {
    let packets = opus_packets(40);
    let (mut apart, mut joined) = (Vec::new(), Vec::new());
    let (mut decoder, mut other) = (OpusDecoder::new(48_000).unwrap(), OpusDecoder::new(48_000).unwrap());
    for pair in packets.chunks_exact(2) {
        for packet in pair {
            decoder.decode(packet, &mut apart).unwrap();
        }
        let frames = [OpusFrames::parse(&pair[0]).unwrap(), OpusFrames::parse(&pair[1]).unwrap()];
        let Some(double) = frames[0].join(&frames[1]) else {
            // The encoder changed its mode between the two.
            pair.iter().for_each(|packet| other.decode(packet, &mut joined).unwrap());
            continue;
        };
        assert_eq!(opus_ticks(&double), Some(1920));
        other.decode(&double, &mut joined).unwrap();
        assert_eq!(OpusFrames::parse(&double).unwrap().repacketise(960).unwrap(), pair);
    }

    assert_eq!(apart, joined);
}

#[test]
fn the_length_of_an_opus_packet_is_in_its_first_bytes() {
    assert_eq!(opus_ticks(&OPUS_SILENCE), Some(960));
    assert_eq!(opus_ticks(&[0x18]), Some(2880), "SILK of 60 ms");
    assert_eq!(opus_ticks(&[0x83, 1]), Some(120), "CELT of 2.5 ms");
    assert_eq!(opus_ticks(&[0x1b, 3]), None, "180 ms");
    assert_eq!((opus_ticks(&[]), opus_ticks(&[0x03]), opus_ticks(&[0x03, 0])), (None, None, None));
    assert_eq!(OpusFrames::parse(&[0x18, 1, 2]).unwrap().repacketise(960), None);
}

#[test]
fn garbage_is_an_error_or_noise() {
    let mut random = Random(3);
    let packets = opus_packets(10);
    let mut opus = OpusDecoder::new(16_000).unwrap();
    let mut g722 = G722Decoder::default();
    for round in 0..100_000 {
        let mut bytes = random.bytes(40);
        if round % 2 == 0 {
            bytes = packets[random.below(10) as usize].clone();
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
            bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        }
        let ticks = opus_ticks(&bytes);
        if let Some(frames) = OpusFrames::parse(&bytes) {
            assert!(ticks.is_some());
            for part in frames.repacketise(960).into_iter().flatten() {
                assert_eq!(opus_ticks(&part), Some(960));
            }
        }
        if round % 10 == 0 {
            let mut pcm = Vec::new();
            if opus.decode(&bytes, &mut pcm).is_ok() {
                assert_eq!(ticks.map(|ticks| ticks as usize / 3), Some(pcm.len()));
            }
            let (mut first, mut second) = (Vec::new(), Vec::new());
            let _ = opus.decode_fec(&bytes, 320, &mut first);
            g722.decode(&bytes, &mut second);
            assert!(first.len() <= 320 && second.len() == bytes.len() * 2);
        }
    }
}
