//! CPU time of the audio path for every 20 ms of sound, as JSON lines: `{"name", "us", "unit"}`.
//!
//! `cargo run --release -p ringback-audio --example bench_audio`. Thread CPU time, the best of several runs, so that a
//! busy machine disturbs little. The sound is like speech: voiced with a moving pitch, noise, pauses.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ringback_audio::{
    Codec, Concealer, Decoder, Encoder, Expected, Hears, Listener, Media, MixBus, OpusDecoder, OpusEncoder,
    OpusSettings, Receiver, ReceiverConfig, Resampler, Sender, SenderConfig,
};
use ringback_rtp::{JitterConfig, RtpHeader, RtpPacket};
use rustix::time::{ClockId, clock_gettime};

/// Two seconds of sound, ten times.
const FRAMES: usize = 100;
const ROUNDS: usize = 10;

fn main() {
    floor();
    g711_and_g722();
    opus();
    resampling();
    mixing();
    legs();
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Run `frame` for each of the frames, several times; print the best mean.
fn measure(name: &str, mut frame: impl FnMut(usize)) {
    let best = (0..ROUNDS)
        .map(|_| {
            let before = cpu();
            (0..FRAMES).for_each(&mut frame);
            cpu().saturating_sub(before)
        })
        .min()
        .unwrap_or_default();
    let us = best.as_secs_f64() * 1e6 / FRAMES as f64;
    println!(r#"{{"name": "audio/{name}", "us": {us:.3}, "unit": "CPU us per 20 ms"}}"#);
}

/// Copying the samples: nothing can be cheaper.
fn floor() {
    let pcm = speech(48_000);
    let mut out = vec![0i16; 960];
    measure("floor: copy 48 kHz", |at| out.copy_from_slice(black_box(frame(&pcm, 48_000, at))));
}

fn g711_and_g722() {
    for (codec, rate) in [(Codec::Pcmu, 8000), (Codec::Pcma, 8000), (Codec::G722, 16_000)] {
        let pcm = speech(rate);
        let mut encoder = Encoder::new(codec, OpusSettings::default());
        let mut out = Vec::new();
        measure(&format!("{} encode", codec.name()), |at| {
            out.clear();
            encoder.encode(frame(&pcm, rate, at), rate, &mut out).expect("these codecs encode anything");
        });
        let payloads = encoded(codec, rate);
        let mut decoder = Decoder::new(codec, rate).expect("no memory");
        let mut sound = Vec::new();
        measure(&format!("{} decode", codec.name()), |at| {
            sound.clear();
            decoder.decode(&payloads[at], &mut sound).expect("these codecs decode anything");
        });
    }
    let pcm = speech(8000);
    let mut concealer = Concealer::new(8000);
    let mut out = Vec::new();
    measure("conceal one of two at 8 kHz", |at| {
        out.clear();
        if at % 2 == 0 {
            out.extend_from_slice(frame(&pcm, 8000, at));
            concealer.receive(&mut out);
        } else {
            concealer.conceal(160, &mut out);
        }
    });
}

fn opus() {
    for rate in [8000u32, 16_000, 48_000] {
        let pcm = speech(rate);
        for (complexity, fec) in [(0, false), (5, false), (5, true), (10, false)] {
            let expected_loss = if fec { 10 } else { 0 };
            let settings = OpusSettings { complexity, fec, expected_loss, ..OpusSettings::default() };
            let mut encoder = OpusEncoder::new(rate, settings).expect("no memory");
            let mut out = Vec::new();
            let name = format!("OPUS encode {} kHz cx{complexity}{}", rate / 1000, if fec { " fec" } else { "" });
            measure(&name, |at| {
                out.clear();
                encoder.encode(frame(&pcm, rate, at), &mut out).expect("a frame of 20 ms");
            });
        }
        let payloads = encoded(Codec::Opus, rate);
        let mut decoder = OpusDecoder::new(rate).expect("no memory");
        let mut sound = Vec::new();
        measure(&format!("OPUS decode {} kHz", rate / 1000), |at| {
            sound.clear();
            decoder.decode(&payloads[at], &mut sound).expect("our own packet");
        });
        measure(&format!("OPUS conceal {} kHz", rate / 1000), |_| {
            sound.clear();
            decoder.conceal(rate as usize / 50, &mut sound).expect("20 ms");
        });
    }
}

fn resampling() {
    let rates = [8000u32, 16_000, 48_000];
    for (from, to) in rates.iter().flat_map(|from| rates.map(|to| (*from, to))).filter(|(from, to)| from != to) {
        let pcm = speech(from);
        let Some(mut resampler) = Resampler::new(from, to) else { continue };
        let mut out = Vec::new();
        measure(&format!("resample {} to {} kHz", from / 1000, to / 1000), |at| {
            out.clear();
            resampler.process(frame(&pcm, from, at), &mut out);
        });
    }
}

fn mixing() {
    for legs in [3u64, 20] {
        for rate in [8000u32, 16_000, 48_000] {
            let pcm = speech(rate);
            let mut bus = MixBus::new(rate);
            let mut listeners: Vec<_> = (0..legs).map(|own| Listener::new(Hears::AllBut(Some(own)))).collect();
            measure(&format!("mix {legs} legs at {} kHz, all legs", rate / 1000), |at| {
                bus.begin();
                for leg in 0..legs {
                    bus.add(leg, frame(&pcm, rate, (at + leg as usize * 7) % FRAMES));
                }
                bus.finish();
                for listener in &mut listeners {
                    black_box(listener.mix(&bus));
                }
            });
        }
    }
}

/// Whole legs without sockets: packet in, packet out.
fn legs() {
    let ways = [
        ("forward PCMU", Codec::Pcmu, Codec::Pcmu),
        ("forward G722", Codec::G722, Codec::G722),
        ("forward OPUS", Codec::Opus, Codec::Opus),
        ("transcode PCMU to PCMA", Codec::Pcmu, Codec::Pcma),
        ("transcode PCMU to OPUS", Codec::Pcmu, Codec::Opus),
        ("transcode OPUS to PCMU", Codec::Opus, Codec::Pcmu),
        ("transcode G722 to OPUS", Codec::G722, Codec::Opus),
    ];
    for (name, from, to) in ways {
        leg(name, from, to);
    }
}

fn leg(name: &str, from: Codec, to: Codec) {
    let opus_rate = if to == Codec::Opus { 16_000 } else { to.sample_rate() };
    let payloads = encoded(from, from.sample_rate().min(16_000));
    let mut receiver = Receiver::new(ReceiverConfig {
        codecs: vec![Expected { payload_type: 96, codec: from }],
        dtmf: Some((101, from.clock_rate())),
        comfort_noise: None,
        opus_rate,
        jitter: JitterConfig::new(from.clock_rate()),
    });
    receiver.set_decoding(from != to);
    let config = SenderConfig { codec: to, payload_type: 97, ptime_ms: 20, dtmf: None, opus: OpusSettings::default() };
    let mut sender = Sender::new(config, 1, 1, 1);
    let mut now = Instant::now();
    let (mut sequence, mut timestamp) = (0u16, 0u32);
    let (mut datagram, mut sent) = (Vec::new(), 0usize);
    measure(&format!("leg: {name}"), |at| {
        datagram.clear();
        RtpHeader { payload_type: 96, marker: false, sequence, timestamp, ssrc: 7 }.write(&payloads[at], &mut datagram);
        let packet = RtpPacket::parse(&datagram).expect("our own packet");
        receiver.push(now, &packet);
        let frame = receiver.pull(now);
        let media: Media<'_> = frame.media(to);
        sender.tick(media, &mut |_, payload| sent += payload.len());
        sequence = sequence.wrapping_add(1);
        timestamp = timestamp.wrapping_add(from.clock_rate() / 50);
        now += Duration::from_millis(20);
    });
    black_box(sent);
}

fn frame(pcm: &[i16], rate: u32, at: usize) -> &[i16] {
    let length = rate as usize / 50;
    &pcm[at * length..(at + 1) * length]
}

fn encoded(codec: Codec, rate: u32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, OpusSettings::default());
    speech(rate)
        .chunks_exact(rate as usize / 50)
        .map(|pcm| {
            let mut payload = Vec::new();
            encoder.encode(pcm, rate, &mut payload).expect("a frame of 20 ms");
            payload
        })
        .collect()
}

/// Two seconds: harmonics of a moving pitch under a syllable's envelope, a little noise.
fn speech(rate: u32) -> Vec<i16> {
    let mut phase = 0.0f64;
    let mut noise = 1u32;
    (0..FRAMES * rate as usize / 50)
        .map(|at| {
            let time = at as f64 / f64::from(rate);
            let pitch = 130.0 + 40.0 * (time * 4.0).sin();
            phase += std::f64::consts::TAU * pitch / f64::from(rate);
            let envelope = (time * 9.0).sin().max(0.0);
            let voice: f64 = (1..20).map(|h| (phase * f64::from(h)).sin() / f64::from(h)).sum();
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (voice * envelope * 6000.0 + f64::from(noise >> 16) / 65_536.0 * 300.0) as i16
        })
        .collect()
}
