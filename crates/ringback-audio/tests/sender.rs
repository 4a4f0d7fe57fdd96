//! The sending end of a leg: whatever it is given, one unbroken stream leaves.

mod common;

use common::{Random, largest_step, snr_db, tone};
use ringback_audio::{Codec, Decoder, Encoder, Media, OPUS_SILENCE, OpusSettings, Sender, SenderConfig, g711};
use ringback_rtp::{DtmfReceiver, RtpHeader};

fn config(codec: Codec, ptime_ms: u32) -> SenderConfig {
    let payload_type = match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 96,
    };
    let dtmf = Some((101, codec.clock_rate()));
    SenderConfig { codec, payload_type, ptime_ms, dtmf, opus: OpusSettings::default() }
}

/// A sender and everything it has sent.
struct Line {
    sender: Sender,
    sent: Vec<(RtpHeader, Vec<u8>)>,
}

impl Line {
    fn new(codec: Codec, ptime_ms: u32) -> Self {
        let sender = Sender::new(config(codec, ptime_ms), 0x1234, 65_533, u32::MAX - 300);
        Self { sender, sent: Vec::new() }
    }

    fn tick(&mut self, media: Media<'_>) {
        self.sender.tick(media, &mut |header, payload| self.sent.push((header, payload.to_vec())));
    }

    fn half_tick(&mut self) {
        self.sender.half_tick(&mut |header, payload| self.sent.push((header, payload.to_vec())));
    }

    fn pcm(&mut self, pcm: &[i16], sample_rate: u32) {
        for pcm in pcm.chunks_exact(sample_rate as usize / 50) {
            self.tick(Media::Pcm { pcm, sample_rate });
        }
    }

    /// Sequence numbers rise by one, timestamps by what the packets carry, with one SSRC; the first alone is marked.
    fn assert_unbroken(&self) {
        for pair in self.sent.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            let ticks = if before.0.payload_type == 96 { 960 } else { before.1.len() as u32 };
            assert_eq!(after.0.sequence, before.0.sequence.wrapping_add(1));
            assert_eq!(after.0.timestamp, before.0.timestamp.wrapping_add(ticks));
            assert_eq!(after.0.ssrc, before.0.ssrc);
        }
        assert!(self.sent[0].0.marker);
    }

    fn decoded(&self, codec: Codec, rate: u32) -> Vec<i16> {
        let mut decoder = Decoder::new(codec, rate).unwrap();
        let mut pcm = Vec::new();
        for (_, payload) in self.sent.iter().filter(|(header, _)| header.payload_type != 101) {
            decoder.decode(payload, &mut pcm).unwrap();
        }
        pcm
    }
}

#[test]
fn sound_of_any_rate_leaves_in_any_codec() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
        for rate in [8000u32, 16_000, 48_000] {
            let mut line = Line::new(codec, 20);
            line.pcm(&tone(rate, 440.0, 9000.0, rate as usize), rate);

            let heard = codec.sample_rate().min(16_000);
            let pcm = line.decoded(codec, heard);
            assert_eq!(line.sent.len(), 50);
            line.assert_unbroken();
            assert!(snr_db(&pcm[pcm.len() / 4..], heard, 440.0) > 10.0, "{codec:?} {rate}");
        }
    }
}

#[test]
fn packets_are_as_long_as_was_negotiated() {
    for codec in [Codec::Pcmu, Codec::G722] {
        let times = [(10, 10), (20, 20), (30, 30), (40, 40), (50, 50), (60, 60), (25, 20), (0, 20), (500, 20)];
        for (ptime, expected) in times {
            let mut line = Line::new(codec, ptime);
            line.pcm(&tone(8000, 440.0, 9000.0, 8000 * 12 / 10), 8000);
            line.half_tick();

            assert!(line.sent.iter().all(|(_, payload)| payload.len() == expected * 8), "{codec:?} {ptime}");
            assert_eq!(line.sent.len(), 1200 / expected);
            assert!(line.sent.iter().skip(1).all(|(header, _)| !header.marker));
            line.assert_unbroken();
        }
    }
}

#[test]
fn a_forwarded_frame_leaves_as_it_came() {
    let payload: Vec<u8> = (0..160).map(|at| at as u8).collect();
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
        let mut line = Line::new(codec, 20);
        line.tick(Media::Encoded { codec, payload: &payload });
        line.tick(Media::Encoded { codec, payload: &payload });

        assert_eq!(line.sent[1].1, payload);
    }
}

#[test]
fn nobody_can_tell_forwarding_transcoding_mixing_and_silence_apart_by_the_numbers() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut encoder = Encoder::new(codec, OpusSettings::default());
        let mut line = Line::new(codec, 20);
        for (at, pcm) in tone(16_000, 440.0, 9000.0, 16_000 * 2).chunks_exact(320).enumerate() {
            let mut payload = Vec::new();
            match at / 10 % 3 {
                0 => {
                    let (pcm, rate): (Vec<i16>, u32) = match codec {
                        Codec::Pcmu => (pcm.iter().step_by(2).copied().collect(), 8000),
                        _ => (pcm.to_vec(), 16_000),
                    };
                    encoder.encode(&pcm, rate, &mut payload).unwrap();
                    line.tick(Media::Encoded { codec, payload: &payload });
                }
                1 => line.tick(Media::Pcm { pcm, sample_rate: 16_000 }),
                _ => line.tick(Media::Silence),
            }
        }

        assert_eq!(line.sent.len(), 100);
        assert!(line.sent.iter().skip(1).all(|(header, _)| !header.marker));
        line.assert_unbroken();
    }
}

#[test]
fn silence_is_sent_rather_than_nothing() {
    for (codec, payload) in [
        (Codec::Pcmu, vec![g711::MU_SILENCE; 160]),
        (Codec::Pcma, vec![g711::A_SILENCE; 160]),
        (Codec::Opus, OPUS_SILENCE.to_vec()),
    ] {
        let mut line = Line::new(codec, 20);
        for _ in 0..20 {
            line.tick(Media::Silence);
        }
        assert!(line.sent.iter().all(|sent| sent.1 == payload));
        assert_eq!(line.sent.len(), 20);
    }
    let mut line = Line::new(Codec::G722, 20);
    line.pcm(&tone(16_000, 440.0, 9000.0, 3200), 16_000);
    for _ in 0..20 {
        line.tick(Media::Silence);
    }
    let pcm = line.decoded(Codec::G722, 16_000);
    assert!(pcm[pcm.len() - 3200..].iter().all(|sample| sample.abs() < 30));
}

#[test]
fn opus_falls_silent_softly_and_then_cheaply() {
    let mut line = Line::new(Codec::Opus, 20);
    line.pcm(&tone(48_000, 440.0, 9000.0, 48_000 / 5), 48_000);
    for _ in 0..20 {
        line.tick(Media::Silence);
    }

    assert_ne!(line.sent[12].1, OPUS_SILENCE);
    assert_eq!(line.sent.last().unwrap().1, OPUS_SILENCE);
    line.assert_unbroken();
}

#[test]
fn a_g711_stream_does_not_click_where_its_source_changes() {
    let tones = [tone(8000, 200.0, 12_000.0, 8000), tone(8000, 310.0, 12_000.0, 8000)];
    let mut line = Line::new(Codec::Pcmu, 20);
    for at in 0..50 {
        let pcm = &tones[at / 5 % 2][at * 160..(at + 1) * 160];
        let mut payload = Vec::new();
        g711::encode_mu(pcm, &mut payload);
        if at % 5 == 0 {
            line.sender.source_changed();
        }
        match at / 5 % 4 {
            3 => line.tick(Media::Silence),
            2 => line.tick(Media::Pcm { pcm, sample_rate: 8000 }),
            _ => line.tick(Media::Encoded { codec: Codec::Pcmu, payload: &payload }),
        }
    }

    // A tone of 310 Hz steps by 2900, and µ-law rounds by up to 512 there.
    let step = largest_step(&line.decoded(Codec::Pcmu, 8000)[160..]);
    assert!(step < 4200, "{step}");
}

#[test]
fn digits_take_the_place_of_speech_and_their_clock_is_its_clock() {
    for (codec, ptime) in [(Codec::Pcmu, 20), (Codec::Pcmu, 30), (Codec::G722, 60), (Codec::Opus, 20)] {
        let step = codec.clock_rate() / 50;
        let mut line = Line::new(codec, ptime);
        line.pcm(&tone(16_000, 440.0, 9000.0, 320 * 25), 16_000);
        assert_eq!(line.sender.queue_digits("7*", 100, 100), 2);
        line.pcm(&tone(16_000, 440.0, 9000.0, 320 * 75), 16_000);
        assert!(!line.sender.is_dialling());

        let (events, speech): (Vec<_>, Vec<_>) = line.sent.iter().partition(|(header, _)| header.payload_type == 101);
        assert_eq!(events.len(), 14, "five packets and two more ends for each digit");
        assert_eq!(events.iter().filter(|(header, _)| header.marker).count(), 2);
        for (at, pair) in line.sent.windows(2).enumerate() {
            assert_eq!(pair[1].0.sequence, pair[0].0.sequence.wrapping_add(1), "{at}");
        }
        // Speech carries the time it is spoken at: what was cut out is missing, and nothing else.
        let first = speech[0].0.timestamp;
        let begin = events[0].0.timestamp;
        assert_eq!(begin.wrapping_sub(first), 25 * step);
        assert_eq!(events[7].0.timestamp.wrapping_sub(begin), 10 * step);
        let after = speech.iter().find(|(h, _)| h.timestamp.wrapping_sub(begin) < 1 << 20).unwrap();
        assert_eq!(after.0.timestamp.wrapping_sub(begin), 7 * step);
        let mut receiver = DtmfReceiver::new(codec.clock_rate());
        let now = std::time::Instant::now();
        for (header, payload) in &events {
            receiver.push(now, header.timestamp, header.marker, payload);
        }
        let heard: Vec<_> = std::iter::from_fn(|| receiver.poll(now)).map(|p| (p.digit, p.duration_ms)).collect();
        assert_eq!(heard, [('7', 100), ('*', 100)]);
    }
}

#[test]
fn without_telephone_event_no_digits_are_taken() {
    let mut sender = Sender::new(SenderConfig { dtmf: None, ..config(Codec::Pcmu, 20) }, 1, 1, 1);

    assert_eq!(sender.queue_digits("123", 100, 100), 0);
}

#[test]
fn on_hold_time_passes_and_speech_begins_with_a_marker() {
    let mut line = Line::new(Codec::Pcmu, 20);
    line.tick(Media::Silence);
    for _ in 0..100 {
        line.sender.pass();
    }
    line.tick(Media::Silence);

    let (before, after) = (line.sent[0].0, line.sent[1].0);
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 101 * 160);
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert!(after.marker);
}

#[test]
fn another_codec_at_the_same_clock_continues_the_stream_and_another_clock_begins_one() {
    let mut line = Line::new(Codec::Pcmu, 20);
    line.pcm(&tone(8000, 440.0, 9000.0, 1600), 8000);
    line.sender.configure(config(Codec::G722, 20));
    line.pcm(&tone(8000, 440.0, 9000.0, 1600), 8000);

    line.assert_unbroken();
    assert_eq!((line.sent[10].0.payload_type, line.sent[10].0.marker), (9, true));

    let before = line.sender.totals().ssrc;
    line.sender.configure(config(Codec::Opus, 20));
    line.pcm(&tone(8000, 440.0, 9000.0, 1600), 8000);
    assert_ne!(line.sent.last().unwrap().0.ssrc, before);
    assert_eq!(line.sent.last().unwrap().0.payload_type, 96);
}

#[test]
fn a_lost_opus_frame_is_a_hole_in_the_numbers_for_at_most_three_frames() {
    let mut line = Line::new(Codec::Opus, 20);
    line.tick(Media::Encoded { codec: Codec::Opus, payload: &[0xf8, 1, 2] });
    for _ in 0..5 {
        line.tick(Media::Lost);
    }

    let first = line.sent[0].0;
    assert_eq!(line.sent.len(), 3);
    assert_eq!(line.sent[1].0.sequence, first.sequence.wrapping_add(4));
    assert_eq!(line.sent[1].0.timestamp, first.timestamp.wrapping_add(4 * 960));
    assert_eq!(line.sent[1].1, OPUS_SILENCE);
}

#[test]
fn totals_count_what_was_sent() {
    let mut line = Line::new(Codec::Pcma, 20);
    line.pcm(&[0; 1600], 8000);

    let totals = line.sender.totals();
    assert_eq!((totals.packets, totals.octets), (10, 1600));
    assert_eq!(totals.timestamp, line.sent.last().unwrap().0.timestamp.wrapping_add(160));
}

#[test]
fn whatever_it_is_given_it_sends_and_does_not_panic() {
    let mut random = Random(11);
    let codecs = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];
    let mut line = Line::new(Codec::Pcmu, 20);
    for round in 0..100_000 {
        if round % 100 == 0 {
            let codec = codecs[random.below(4) as usize];
            line.sender.configure(config(codec, random.below(8) as u32 * 10));
            line.sender.queue_digits("1#", 40, 40);
        }
        let codec = codecs[random.below(4) as usize];
        let payload = random.bytes(200);
        let pcm = vec![random.next() as i16; [0, 160, 320, 960, 100, 37][random.below(6) as usize]];
        // Opus encodes slowly: speech seldom.
        let kind = if line.sender.codec() == Codec::Opus { random.below(40) } else { random.below(5) };
        match kind {
            0 => line.tick(Media::Pcm { pcm: &pcm, sample_rate: [8000, 16_000, 48_000, 44_100][round % 4] }),
            1 => line.tick(Media::Lost),
            2 => line.tick(Media::Silence),
            3 => line.sender.pass(),
            _ => line.tick(Media::Encoded { codec, payload: &payload }),
        }
        line.sent.clear();
    }
    assert!(line.sender.totals().packets > 50_000);
}

#[test]
fn packets_that_do_not_end_with_ticks_leave_at_the_distance_that_was_agreed_on() {
    for ptime in [10, 20, 30, 40, 50, 60] {
        let mut line = Line::new(Codec::Pcmu, ptime);
        let (mut left, mut longest) = (Vec::new(), 0);
        for half in 0..600u32 {
            if half % 2 == 0 {
                line.tick(Media::Silence);
            } else {
                line.half_tick();
            }
            left.extend(vec![half * 10; line.sent.len() - left.len()]);
            // What it was given and has not sent: what a packet needs, and half a tick.
            let given = (half / 2 + 1) * 20;
            longest = longest.max(given - left.len() as u32 * ptime);
        }

        assert!(left.windows(2).all(|pair| pair[1] - pair[0] == ptime), "{ptime}: {left:?}");
        assert!(longest <= ptime.max(20), "{ptime}: {longest}");
        line.assert_unbroken();
    }
}

#[test]
fn a_packet_that_is_held_is_in_its_place_whatever_comes_behind_it() {
    let mut line = Line::new(Codec::Pcmu, 30);
    for at in 0..60 {
        if at == 20 {
            line.sender.queue_digits("5", 60, 60);
        }
        if at == 50 {
            line.sender.configure(config(Codec::Pcma, 20));
        }
        line.tick(Media::Silence);
    }

    for pair in line.sent.windows(2) {
        assert_eq!(pair[1].0.sequence, pair[0].0.sequence.wrapping_add(1));
        let back = pair[0].0.timestamp.wrapping_sub(pair[1].0.timestamp);
        assert!(back == 0 || back > u32::MAX / 2, "time goes on: {:?} {:?}", pair[0].0, pair[1].0);
    }
    let spoken: usize = line.sent.iter().filter(|(header, _)| header.payload_type != 101).map(|(_, p)| p.len()).sum();
    // 60 ticks without five of the digit; what waited when the codec changed is not said.
    assert!((55 * 160 - 240..=55 * 160).contains(&spoken), "{spoken}");
}
