//! Sound as a listener gets it after a network that loses, delays and reorders packets.
//!
//! Reads signed 16-bit mono samples from standard input at `--rate`, encodes 20 ms packets, sends them through a seeded
//! network on a virtual clock, and writes what the receiving end of a leg plays. One JSON line of counters goes to
//! standard error: `{"sent", "lost", "concealed", "frames", "target_ms", "delay_ms", "ideal_ms"}`; `ideal_ms` is the
//! delay with which 99 of 100 packets that came would have been there in time.
//!
//! `cargo run --release -p ringback-audio --example through_loss -- --codec PCMU --rate 8000 --loss 5 < in > out`

use std::collections::HashMap;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use ringback_audio::{Codec, Decoder, Encoder, Expected, OpusSettings, Origin, Receiver, ReceiverConfig};
use ringback_rtp::{JitterConfig, RtpHeader, RtpPacket};

const TICK: Duration = Duration::from_millis(20);
const PAYLOAD_TYPE: u8 = 96;

struct Options(HashMap<String, String>);

impl Options {
    /// `--name value` pairs.
    fn read() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        Self(words.chunks(2).map(|pair| (pair[0].clone(), pair.get(1).cloned().unwrap_or_default())).collect())
    }

    fn text(&self, name: &str, otherwise: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| otherwise.to_owned())
    }

    fn number(&self, name: &str, otherwise: f64) -> f64 {
        self.0.get(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} wants a number")))
    }
}

/// SplitMix64, and what a network draws from it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 up to and without 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Which packets are lost: a chain of two states (Gilbert) whose bursts have the mean length asked for.
struct Losses {
    enter: f64,
    leave: f64,
    losing: bool,
}

impl Losses {
    fn new(percent: f64, burst: f64) -> Self {
        let (share, leave) = (percent / 100.0, 1.0 / burst.max(1.0));
        // One lost packet alone: each is lost or not, whatever became of the one before it.
        let (enter, leave) = if burst <= 1.0 { (share, 1.0 - share) } else { (leave * share / (1.0 - share), leave) };
        Self { enter, leave, losing: false }
    }

    fn next(&mut self, random: &mut Random) -> bool {
        self.losing = if self.losing { random.share() >= self.leave } else { random.share() < self.enter };
        self.losing
    }
}

/// A packet on its way.
struct Flying {
    at: Duration,
    number: u64,
    payload: Vec<u8>,
}

fn main() {
    let options = Options::read();
    let codec = Codec::from_name(&options.text("--codec", "PCMU")).expect("--codec wants PCMU, PCMA, G722 or OPUS");
    let rate = options.number("--rate", f64::from(codec.sample_rate())) as u32;
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).expect("sound on standard input");
    let pcm: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let (flying, lost) = send(&options, codec, rate, &pcm);
    let frames = pcm.len() / (rate as usize / 50);
    let played = if options.text("--fill", "conceal") == "silence" {
        fill_with_silence(codec, rate, &flying, frames)
    } else {
        receive(&options, codec, rate, &flying, frames, lost)
    };
    let out: Vec<u8> = played.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::io::stdout().write_all(&out).expect("standard output");
}

/// Encode and launch; answers what will arrive, in order of arrival, and how many are lost.
fn send(options: &Options, codec: Codec, rate: u32, pcm: &[i16]) -> (Vec<Flying>, u64) {
    let loss = options.number("--loss", 0.0);
    let settings = OpusSettings {
        complexity: options.number("--complexity", 5.0) as u8,
        bitrate_bps: options.number("--bitrate", 24_000.0) as u32,
        fec: options.text("--fec", "off") == "on",
        expected_loss: loss.ceil() as u8,
    };
    let mut encoder = Encoder::new(codec, settings);
    let mut random = Random(options.number("--seed", 1.0) as u64);
    let mut losses = Losses::new(loss, options.number("--burst", 1.0));
    let jitter = options.number("--jitter", 0.0) / 1000.0;
    let skew = 1.0 + options.number("--skew", 0.0) / 1e6;
    let mut flying = Vec::new();
    let mut lost = 0;
    for (number, frame) in pcm.chunks_exact(rate as usize / 50).enumerate() {
        let mut payload = Vec::new();
        encoder.encode(frame, rate, &mut payload).expect("a frame of sound can be encoded");
        let delay = random.share() * jitter;
        if losses.next(&mut random) {
            lost += 1;
            continue;
        }
        let at = (TICK * number as u32).mul_f64(skew) + Duration::from_secs_f64(delay);
        flying.push(Flying { at, number: number as u64, payload });
    }
    flying.sort_by_key(|packet| (packet.at, packet.number));
    (flying, lost)
}

/// Every packet at its place, nothing where none came.
fn fill_with_silence(codec: Codec, rate: u32, flying: &[Flying], frames: usize) -> Vec<i16> {
    let mut decoder = Decoder::new(codec, rate).expect("a decoder");
    let samples = decoder.sample_rate() as usize / 50;
    let mut came: Vec<Option<&Flying>> = (0..frames).map(|_| None).collect();
    flying.iter().for_each(|packet| came[packet.number as usize] = Some(packet));
    let mut out = Vec::new();
    for packet in came {
        let mut pcm = Vec::new();
        if let Some(packet) = packet {
            decoder.decode(&packet.payload, &mut pcm).expect("what was encoded can be decoded");
        }
        pcm.resize(samples, 0);
        out.extend(pcm);
    }
    out
}

/// What the receiving end of a leg plays from its first sound on.
fn receive(options: &Options, codec: Codec, rate: u32, flying: &[Flying], frames: usize, lost: u64) -> Vec<i16> {
    let config = ReceiverConfig {
        codecs: vec![Expected { payload_type: PAYLOAD_TYPE, codec }],
        dtmf: None,
        comfort_noise: None,
        opus_rate: rate,
        jitter: JitterConfig::new(codec.clock_rate()),
    };
    let mut receiver = Receiver::new(config);
    receiver.set_decoding(true);
    let start = Instant::now();
    let mut waiting = flying.iter().peekable();
    let mut out = Vec::new();
    let (mut begun, mut delays, mut targets) = (false, Vec::new(), Vec::new());
    // A tick of ours lies anywhere between two packets of theirs.
    let offset = Duration::from_secs_f64(options.number("--phase", 7.0) / 1000.0);
    for tick in 0..frames as u32 + 25 {
        let now = TICK * tick + offset;
        while let Some(packet) = waiting.next_if(|packet| packet.at <= now) {
            let datagram = rtp(codec, packet);
            receiver.push(start + packet.at, &RtpPacket::parse(&datagram).expect("our own packet"));
        }
        let frame = receiver.pull(start + now);
        begun |= frame.origin() != Origin::Silence;
        if begun && out.len() < frames * rate as usize / 50 {
            let before = out.len();
            out.extend_from_slice(frame.pcm());
            out.resize(before + (rate / 50) as usize, 0);
            delays.push(receiver.jitter().delay(start + now).as_secs_f64());
            targets.push(receiver.jitter().target().as_secs_f64());
        }
    }
    let stats = receiver.stats();
    eprintln!(
        r#"{{"sent": {frames}, "lost": {lost}, "concealed": {}, "starved": {}, "frames": {}, "stretched": {}, "shrunk": {}, "target_ms": {:.1}, "delay_ms": {:.1}, "ideal_ms": {:.1}}}"#,
        stats.frames_concealed,
        stats.jitter.starved,
        stats.frames_heard + stats.frames_concealed,
        stats.frames_stretched,
        stats.frames_shrunk,
        mean(&targets) * 1000.0,
        mean(&delays) * 1000.0,
        ideal(flying) * 1000.0,
    );
    out
}

/// Its datagram.
fn rtp(codec: Codec, packet: &Flying) -> Vec<u8> {
    let header = RtpHeader {
        payload_type: PAYLOAD_TYPE,
        marker: packet.number == 0,
        sequence: packet.number as u16,
        timestamp: (packet.number as u32).wrapping_mul(codec.clock_rate() / 50),
        ssrc: 1,
    };
    let mut datagram = header.to_bytes().to_vec();
    datagram.extend_from_slice(&packet.payload);
    datagram
}

/// In seconds, beyond the fastest packet.
fn ideal(flying: &[Flying]) -> f64 {
    let mut transits: Vec<f64> =
        flying.iter().map(|packet| packet.at.as_secs_f64() - packet.number as f64 * 0.02).collect();
    transits.sort_by(f64::total_cmp);
    let at = (transits.len().saturating_sub(1)) * 99 / 100;
    transits.get(at).zip(transits.first()).map_or(0.0, |(slow, fast)| slow - fast)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
