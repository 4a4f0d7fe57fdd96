//! The receiving end of a leg: what a far end sends, and what is pulled every 20 ms.

mod common;

use std::time::{Duration, Instant};

use common::{Random, largest_step, snr_db, tone};
use ringback_audio::{Codec, Encoder, Expected, Media, OpusFrames, OpusSettings, Origin, Receiver, ReceiverConfig};
use ringback_rtp::{DtmfSender, JitterConfig, RtpHeader, RtpPacket};

const TICK: Duration = Duration::from_millis(20);

fn config() -> ReceiverConfig {
    let codecs = [(0, Codec::Pcmu), (8, Codec::Pcma), (9, Codec::G722), (96, Codec::Opus)];
    ReceiverConfig {
        codecs: codecs.map(|(payload_type, codec)| Expected { payload_type, codec }).into(),
        dtmf: Some((101, 8000)),
        comfort_noise: Some(13),
        opus_rate: 16_000,
        jitter: JitterConfig::new(8000),
    }
}

/// A far end and a receiver, 20 ms after 20 ms.
struct Leg {
    receiver: Receiver,
    now: Instant,
    sequence: u16,
    timestamp: u32,
    payloads: Vec<Vec<u8>>,
    pcm: Vec<i16>,
    origins: Vec<Origin>,
}

impl Leg {
    fn new() -> Self {
        Self {
            receiver: Receiver::new(config()),
            now: Instant::now(),
            sequence: 65_530,
            timestamp: u32::MAX - 4000,
            payloads: Vec::new(),
            pcm: Vec::new(),
            origins: Vec::new(),
        }
    }

    fn send(&mut self, payload_type: u8, payload: &[u8], ticks: u32) {
        self.push(payload_type, self.sequence, self.timestamp, payload);
        self.skip(ticks);
    }

    /// A packet that is lost on the way.
    fn skip(&mut self, ticks: u32) {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    fn push(&mut self, payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) {
        let mut datagram = Vec::new();
        RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc: 1 }.write(payload, &mut datagram);
        self.receiver.push(self.now, &RtpPacket::parse(&datagram).unwrap());
    }

    fn pull(&mut self) {
        let frame = self.receiver.pull(self.now);
        self.origins.push(frame.origin());
        self.payloads.push(frame.payload().to_vec());
        self.pcm.extend_from_slice(frame.pcm());
        self.now += TICK;
    }

    /// The payloads of the frames that were heard, in one piece.
    fn heard(&self) -> Vec<u8> {
        self.payloads.concat()
    }

    fn count(&self, origin: Origin) -> usize {
        self.origins.iter().filter(|o| **o == origin).count()
    }
}

/// 20 ms payloads of a tone.
fn encoded(codec: Codec, rate: u32, frames: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, OpusSettings::default());
    tone(rate, 440.0, 9000.0, rate as usize / 50 * frames)
        .chunks_exact(rate as usize / 50)
        .map(|pcm| {
            let mut payload = Vec::new();
            encoder.encode(pcm, rate, &mut payload).unwrap();
            payload
        })
        .collect()
}

#[test]
fn g722_and_opus_are_forwarded_bit_by_bit_without_being_decoded() {
    for (codec, payload_type, ticks) in [(Codec::G722, 9, 160), (Codec::Opus, 96, 960)] {
        let sent = encoded(codec, 16_000, 100);
        let mut leg = Leg::new();
        for payload in &sent {
            leg.send(payload_type, payload, ticks);
            leg.pull();
        }

        let frames: Vec<&Vec<u8>> = leg.payloads.iter().filter(|payload| !payload.is_empty()).collect();
        assert!(frames.len() > 95);
        assert!(frames.iter().zip(&sent).all(|(got, sent)| *got == sent));
        assert!(leg.pcm.is_empty());
        let media = leg.receiver.frame().media(codec);
        assert!(matches!(media, Media::Encoded { codec: c, .. } if c == codec));
    }
}

#[test]
fn g711_of_any_ptime_comes_out_in_frames_of_20_ms_with_its_sound() {
    for ptime in [10, 20, 30, 40, 60] {
        let sent = encoded(Codec::Pcmu, 8000, 300).concat();
        let mut leg = Leg::new();
        let mut packets = sent.chunks_exact(ptime * 8);
        for millisecond in 0..5900 {
            if millisecond % ptime == 0 {
                leg.send(0, packets.next().unwrap(), ptime as u32 * 8);
            }
            if millisecond % 20 == 7 {
                leg.pull();
                leg.now -= TICK;
            }
            leg.now += Duration::from_millis(1);
        }

        // The first frame is faded in; from the second on everything is as it was sent.
        let heard = leg.heard();
        let faded = 160;
        assert!(heard.len() > 5700 * 8, "{ptime}: {}", heard.len());
        assert_eq!(heard[faded..], sent[faded..heard.len()], "{ptime}");
        assert_eq!(leg.count(Origin::Concealed), 0);
        assert_eq!(leg.pcm.len(), heard.len());
        assert!(snr_db(&leg.pcm[800..], 8000, 440.0) > 30.0);
    }
}

#[test]
fn a_lost_g711_packet_is_concealed_in_what_is_forwarded_too() {
    let sent = encoded(Codec::Pcma, 8000, 100);
    let mut leg = Leg::new();
    for (at, payload) in sent.iter().enumerate() {
        if at % 20 == 15 {
            leg.skip(160);
        } else {
            leg.send(8, payload, 160);
        }
        leg.pull();
    }

    assert_eq!(leg.count(Origin::Concealed), 5);
    assert_eq!(leg.count(Origin::Silence), 1);
    assert!(leg.payloads[1..].iter().all(|payload| payload.len() == 160));
    assert!(snr_db(&leg.pcm[800..], 8000, 440.0) > 12.0, "{}", snr_db(&leg.pcm[800..], 8000, 440.0));
    assert!(largest_step(&leg.pcm) < 6300, "{}", largest_step(&leg.pcm));
}

#[test]
fn a_lost_opus_packet_is_left_to_the_far_end_or_taken_from_the_next() {
    let mut encoder = Encoder::new(Codec::Opus, OpusSettings { fec: true, expected_loss: 20, ..Default::default() });
    for decoding in [false, true] {
        let mut leg = Leg::new();
        leg.receiver.set_decoding(decoding);
        for (at, pcm) in tone(16_000, 440.0, 9000.0, 32_000).chunks_exact(320).enumerate() {
            let mut payload = Vec::new();
            encoder.encode(pcm, 16_000, &mut payload).unwrap();
            if at % 20 == 15 {
                leg.skip(960);
            } else {
                leg.send(96, &payload, 960);
            }
            leg.pull();
            if leg.origins.last() == Some(&Origin::Concealed) {
                assert!(leg.receiver.frame().payload().is_empty());
                let media = leg.receiver.frame().media(Codec::Opus);
                assert_eq!(matches!(media, Media::Pcm { .. }), decoding);
                assert_eq!(media == Media::Lost, !decoding);
            }
        }

        assert_eq!(leg.count(Origin::Concealed), 5);
        assert_eq!(leg.pcm.len(), if decoding { 99 * 320 } else { 0 });
    }
}

#[test]
fn a_lost_g722_frame_is_filled_while_it_is_not_decoded() {
    let sent = encoded(Codec::G722, 16_000, 50);
    let mut leg = Leg::new();
    for (at, payload) in sent.iter().enumerate() {
        if at == 20 {
            leg.skip(160)
        } else {
            leg.send(9, payload, 160)
        }
        leg.pull();
    }

    assert_eq!(leg.count(Origin::Concealed), 1);
    let place = leg.origins.iter().position(|origin| *origin == Origin::Concealed).unwrap();
    assert_eq!(leg.payloads[place], leg.payloads[place - 1]);
}

#[test]
fn opus_in_packets_of_40_ms_is_forwarded_in_halves() {
    let sent = encoded(Codec::Opus, 16_000, 100);
    let mut leg = Leg::new();
    for pair in sent.chunks_exact(2) {
        let frames = [&pair[0], &pair[1]].map(|packet| OpusFrames::parse(packet).unwrap());
        match frames[0].join(&frames[1]) {
            Some(double) => leg.send(96, &double, 1920),
            None => pair.iter().for_each(|packet| leg.send(96, packet, 960)),
        }
        leg.pull();
        leg.pull();
    }

    let frames: Vec<&Vec<u8>> = leg.payloads.iter().filter(|payload| !payload.is_empty()).collect();
    assert!(frames.len() > 95);
    assert!(frames.iter().zip(&sent).all(|(got, sent)| *got == sent));
}

#[test]
fn opus_in_packets_of_10_ms_is_forwarded_in_pairs() {
    let mut encoder = ringback_audio::OpusEncoder::new(16_000, OpusSettings::default()).unwrap();
    let mut leg = Leg::new();
    for pair in tone(16_000, 440.0, 9000.0, 16_000).chunks_exact(320) {
        for half in pair.chunks_exact(160) {
            let mut payload = Vec::new();
            encoder.encode(half, &mut payload).unwrap();
            leg.send(96, &payload, 480);
        }
        leg.pull();
    }

    let lengths: Vec<_> = leg.payloads.iter().filter(|p| !p.is_empty()).map(|p| Codec::Opus.ticks(p)).collect();
    assert!(lengths.len() > 45, "{}", lengths.len());
    assert!(lengths.iter().all(|ticks| *ticks == Some(960)));
}

#[test]
fn opus_that_cannot_be_cut_is_decoded_unasked() {
    let mut encoder = ringback_audio::OpusEncoder::new(16_000, OpusSettings::default()).unwrap();
    let mut leg = Leg::new();
    for pcm in tone(16_000, 440.0, 9000.0, 960 * 30).chunks_exact(960) {
        let mut payload = Vec::new();
        encoder.encode(pcm, &mut payload).unwrap();
        leg.send(96, &payload, 2880);
        for _ in 0..3 {
            leg.pull();
        }
    }

    assert!(leg.pcm.len() > 320 * 80, "{}", leg.pcm.len());
    assert!(snr_db(&leg.pcm[3200..], 16_000, 440.0) > 10.0);
    assert!(matches!(leg.receiver.frame().media(Codec::Opus), Media::Pcm { sample_rate: 16_000, .. }));
}

#[test]
fn decoding_can_be_switched_on_in_mid_call() {
    for (codec, payload_type, ticks) in [(Codec::G722, 9, 160), (Codec::Opus, 96, 960)] {
        let mut leg = Leg::new();
        for (at, payload) in encoded(codec, 16_000, 100).iter().enumerate() {
            leg.receiver.set_decoding(at >= 50);
            leg.send(payload_type, payload, ticks);
            leg.pull();
        }

        assert_eq!(leg.pcm.len(), 50 * 320);
        assert!(snr_db(&leg.pcm[3200..], 16_000, 440.0) > 10.0);
    }
}

#[test]
fn the_far_end_may_change_its_codec_at_any_time() {
    let mut leg = Leg::new();
    leg.receiver.set_decoding(true);
    let plan = [
        (0, Codec::Pcmu, 8000, 160),
        (9, Codec::G722, 16_000, 160),
        (96, Codec::Opus, 16_000, 960),
        (8, Codec::Pcma, 8000, 160),
    ];
    for (payload_type, codec, rate, ticks) in plan {
        for payload in encoded(codec, rate, 50) {
            leg.send(payload_type, &payload, ticks);
            leg.pull();
        }
        let frame = leg.receiver.frame();
        assert_eq!((frame.codec(), frame.sample_rate(), frame.pcm().len()), (Some(codec), rate, rate as usize / 50));
    }
    assert!(leg.count(Origin::Heard) > 190);
}

#[test]
fn silence_comes_out_when_nothing_comes_in() {
    let mut leg = Leg::new();
    for _ in 0..10 {
        leg.pull();
    }
    assert_eq!(leg.count(Origin::Silence), 10);
    assert_eq!(leg.receiver.frame().media(Codec::Pcmu), Media::Silence);

    for payload in encoded(Codec::Pcmu, 8000, 20) {
        leg.send(0, &payload, 160);
        leg.pull();
    }
    for _ in 0..10 {
        leg.pull();
    }

    assert!(leg.count(Origin::Concealed) <= 3);
    assert_eq!(leg.receiver.frame().media(Codec::Pcmu), Media::Silence);
    assert!(leg.pcm[leg.pcm.len() - 4..].iter().all(|sample| sample.abs() < 30), "the guess has faded out");
}

#[test]
fn digits_are_told_and_not_heard_and_speech_goes_on_after_them() {
    let mut leg = Leg::new();
    let mut digits = DtmfSender::new(8000);
    let mut presses = String::new();
    let speech = encoded(Codec::Pcmu, 8000, 200);
    for (at, payload) in speech.iter().enumerate() {
        if at == 50 {
            digits.queue("5#", 100, 100);
        }
        match digits.tick(leg.timestamp) {
            Some(event) => {
                leg.push(101, leg.sequence, event.timestamp, &event.payload);
                leg.skip(160);
            }
            None => leg.send(0, payload, 160),
        }
        leg.pull();
        while let Some(press) = leg.receiver.poll_digit(leg.now) {
            assert_eq!(press.duration_ms, 100);
            presses.push(press.digit);
        }
    }

    assert_eq!(presses, "5#");
    assert!(leg.count(Origin::Heard) >= 180, "{}", leg.count(Origin::Heard));
    assert!(leg.count(Origin::Concealed) <= 8);
    assert!(leg.receiver.jitter().delay(leg.now) < Duration::from_millis(70));
}

#[test]
fn comfort_noise_is_silence() {
    let mut leg = Leg::new();
    for _ in 0..20 {
        leg.send(13, &[40], 160);
        leg.pull();
    }

    assert_eq!(leg.count(Origin::Silence), 20);
    assert_eq!(leg.receiver.stats().bad_payloads, 0);
}

#[test]
fn a_sender_with_a_fast_clock_is_followed_without_gaps_or_clicks() {
    let sent = encoded(Codec::Pcmu, 8000, 3000);
    let mut leg = Leg::new();
    let start = leg.now;
    let mut next = sent.iter().enumerate().peekable();
    for tick in 0..2900u32 {
        let now = start + TICK * tick;
        // Half a percent fast: 15 seconds of it make up for an hour of a bad clock.
        while let Some((at, payload)) = next.next_if(|(at, _)| TICK.mul_f64(0.995) * *at as u32 <= TICK * tick) {
            leg.now = start + TICK.mul_f64(0.995) * at as u32;
            leg.send(0, payload, 160);
        }
        leg.now = now;
        leg.pull();
    }

    let stats = leg.receiver.stats();
    assert!((8..=16).contains(&stats.frames_shrunk), "{stats:?}");
    assert!(leg.count(Origin::Concealed) == 0, "{stats:?}");
    assert!(largest_step(&leg.pcm) < 6300, "{}", largest_step(&leg.pcm));
    assert!(leg.payloads[1..].iter().all(|payload| payload.len() == 160));
}

#[test]
fn any_packets_at_any_time_are_survived() {
    let mut random = Random(17);
    let mut leg = Leg::new();
    let opus = encoded(Codec::Opus, 16_000, 20);
    for round in 0..100_000u32 {
        let payload_type = [0, 8, 9, 96, 96, 101, 13, 77][random.below(8) as usize];
        let mut payload = random.bytes(if payload_type == 96 { 30 } else { 500 });
        if payload_type == 96 && random.below(2) == 0 {
            payload.clone_from(&opus[random.below(20) as usize]);
        }
        let wild = random.below(50) == 0;
        let (sequence, timestamp) =
            if wild { (random.next() as u16, random.next() as u32) } else { (leg.sequence, leg.timestamp) };
        leg.push(payload_type, sequence, timestamp, &payload);
        leg.skip(random.below(2000) as u32);
        if round % 1000 == 0 {
            leg.receiver.set_decoding(random.below(2) == 0);
            leg.receiver
                .configure(ReceiverConfig { opus_rate: [8000, 16_000, 48_000][random.below(3) as usize], ..config() });
        }
        if random.below(400) == 0 {
            leg.receiver.restart();
        }
        let frame = leg.receiver.pull(leg.now);
        assert!(matches!(frame.pcm().len(), 0 | 160 | 320 | 960));
        if frame.codec() == Some(Codec::Opus) && !frame.payload().is_empty() {
            assert_eq!(Codec::Opus.ticks(frame.payload()), Some(960));
        }
        let _ = leg.receiver.poll_digit(leg.now);
        leg.now += Duration::from_micros(random.below(40_000));
    }
    let stats = leg.receiver.stats();
    assert!(stats.frames_heard > 1000 && stats.bad_payloads > 1000, "{stats:?}");
}
