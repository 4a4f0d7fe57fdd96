//! A gateway with a buffer of 40 ms that never grows, as many have, and talkers whose network stalls: what it hears of them.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ringback_audio::{Codec, Decoder, Encoder, OpusSettings};
use ringback_rtp::{RtpHeader, RtpPacket, is_rtcp};

use crate::browser::Browser;
use crate::command::Command;
use crate::config::{PhoneCodec, PhoneMedia};
use crate::ports;
use crate::shared::LegShared;
use crate::testing;
use crate::worker::{LegKey, Worker};

/// Milliseconds of a trial, and of what is not judged: until then the room learns how the talker's network is.
const LONG: u64 = 20_000;
const SETTLED: u64 = 3_000;
const BUFFER_MS: u64 = 40;

fn tone(at: f64) -> f64 {
    8000.0 * (at * 400.0 * std::f64::consts::TAU).sin()
}

fn media(codec: Codec) -> PhoneMedia {
    let payload_type = match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 107,
    };
    let ptime = Duration::from_millis(20);
    PhoneMedia::plain(PhoneCodec { codec, payload_type, receive_payload_type: payload_type, ptime })
}

fn open(worker: &mut Worker, name: &str, media: PhoneMedia) -> LegKey {
    let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
    let (room, leg) = ("room".to_owned(), name.to_owned());
    worker.command(Command::OpenPhone { room, leg, rtp, rtcp, shared: Arc::new(LegShared::default()) });
    worker.set_phone(name, media);
    worker.leg_key(name).unwrap()
}

/// The far end that plays each packet 40 ms after it should have come, by the first one it judges.
struct Gateway {
    socket: UdpSocket,
    codec: Codec,
    arrived: Vec<(u64, u16, Vec<u8>)>,
}

/// What it made of it.
struct Verdict {
    packets: usize,
    late: usize,
    /// The longest silence, and when it was from `SETTLED` on.
    gap_ms: usize,
    gap_at_ms: usize,
}

impl Gateway {
    fn new(worker: &mut Worker, codec: Codec) -> Gateway {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let remote = socket.local_addr().ok();
        open(worker, "gateway", PhoneMedia { remote, trusted: true, ..media(codec) });
        Gateway { socket, codec, arrived: Vec::new() }
    }

    fn listen(&mut self, now_ms: u64) {
        let mut buffer = [0; 2048];
        while let Ok(n) = self.socket.recv(&mut buffer) {
            if !is_rtcp(&buffer[..n]) {
                let packet = RtpPacket::parse(&buffer[..n]).unwrap();
                self.arrived.push((now_ms, packet.sequence, packet.payload.to_vec()));
            }
        }
    }

    fn verdict(&self) -> Verdict {
        let settled: Vec<_> = self.arrived.iter().filter(|(at, ..)| *at >= SETTLED).collect();
        let (begin, first, _) = settled[0];
        let due = |sequence: u16| begin + BUFFER_MS + 20 * u64::from(sequence.wrapping_sub(*first));
        let late = settled.iter().filter(|(at, sequence, _)| *at > due(*sequence)).count();
        let mut decoder = Decoder::new(self.codec, 8000).unwrap();
        let mut sound = Vec::new();
        self.arrived.iter().for_each(|(_, _, payload)| decoder.decode(payload, &mut sound).unwrap());
        let ms = decoder.sample_rate() as usize / 1000;
        let judged = &sound[sound.len() - settled.len() * 20 * ms..];
        let loud: Vec<bool> = judged.chunks(ms).map(|ms| ms.iter().any(|s| s.abs() > 1500)).collect();
        let (mut at, mut gap, mut gap_at) = (0, 0, 0);
        for run in loud.chunk_by(|a, b| a == b) {
            if !run[0] && run.len() > gap {
                (gap, gap_at) = (run.len(), at);
            }
            at += run.len();
        }
        Verdict { packets: settled.len(), late, gap_ms: gap, gap_at_ms: gap_at }
    }
}

/// The seeded uplink of a laptop on a bad wireless network: it stalls for 60 to 120 ms, three times a second, and then
/// gives everything at once. For each packet of 20 ms, in milliseconds, when it arrives.
fn stalling(seed: u64, packets: u64) -> Vec<u64> {
    let mut seed = seed;
    let mut free_at = 0;
    (0..packets)
        .map(|n| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if (seed >> 33).is_multiple_of(16) {
                free_at = n * 20 + 60 + (seed >> 40) % 61;
            }
            (n * 20).max(free_at)
        })
        .collect()
}

fn packet(encoder: &mut Encoder, n: u64) -> Vec<u8> {
    let codec = encoder.codec();
    let rate = codec.sample_rate();
    let at = |sample: u32| n as f64 * 0.02 + f64::from(sample) / f64::from(rate);
    let pcm: Vec<i16> = (0..rate / 50).map(|sample| tone(at(sample)) as i16).collect();
    let mut payload = Vec::new();
    encoder.encode(&pcm, rate, &mut payload).unwrap();
    let payload_type = media(codec).codec.payload_type;
    let timestamp = n as u32 * (codec.clock_rate() / 50);
    let mut datagram = Vec::new();
    RtpHeader { payload_type, marker: false, sequence: n as u16, timestamp, ssrc: 5 }.write(&payload, &mut datagram);
    datagram
}

/// A telephone talks over such a network. Answers also the share of frames that were made up once it had settled.
fn of_a_phone(seed: u64, talks: Codec, listens: Codec, mixed: bool) -> (Verdict, f64) {
    let mut worker = testing::worker();
    let from = "127.0.0.1:40000".parse().unwrap();
    let talker = open(&mut worker, "talker", PhoneMedia { remote: Some(from), ..media(talks) });
    let third_at = "127.0.0.1:40100".parse().unwrap();
    let third = mixed.then(|| open(&mut worker, "third", PhoneMedia { remote: Some(third_at), ..media(Codec::Pcmu) }));
    let mut gateway = Gateway::new(&mut worker, listens);
    let (mut encoder, mut silent) = (Encoder::new(talks, OpusSettings::default()), 0);
    let mut sent = stalling(seed, LONG / 20).into_iter().zip(0u64..).peekable();
    let mut before = 0;
    let concealed = |worker: &Worker| worker.legs[&talker].shared.counters.frames_concealed.load(Relaxed);
    for now in 0..LONG {
        while let Some((_, n)) = sent.next_if(|(at, _)| *at <= now) {
            worker.rtp_packet(talker, from, &mut packet(&mut encoder, n));
        }
        if let Some(third) = third.filter(|_| now % 20 == 0) {
            let mut datagram = Vec::new();
            let (sequence, timestamp) = (silent as u16, silent * 160);
            let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 6 };
            header.write(&[0xff; 160], &mut datagram);
            silent += 1;
            worker.rtp_packet(third, third_at, &mut datagram);
        }
        testing::pass(&mut worker, Duration::from_millis(1));
        gateway.listen(now);
        if now == SETTLED {
            before = concealed(&worker);
        }
    }
    let made_up = concealed(&worker) - before;
    (gateway.verdict(), made_up as f64 / ((LONG - SETTLED) / 20) as f64)
}

#[test]
fn a_gateway_with_a_buffer_of_40_ms_hears_a_stalling_talker_without_a_gap() {
    for seed in [7, 8, 9] {
        for (talks, listens, mixed) in [
            (Codec::Pcmu, Codec::Pcmu, false),
            (Codec::G722, Codec::G722, false),
            (Codec::Opus, Codec::Pcma, false),
            (Codec::Pcma, Codec::Pcmu, true),
        ] {
            let (heard, made_up) = of_a_phone(seed, talks, listens, mixed);

            let what = format!("{talks:?} to {listens:?}, mixed: {mixed}, seed {seed}");
            assert!(heard.packets >= 845, "{what}: {} packets", heard.packets);
            assert_eq!(heard.late, 0, "{what}: each packet is there when the gateway plays it");
            assert!(heard.gap_ms <= 20, "{what}: {} ms of silence after {} ms", heard.gap_ms, heard.gap_at_ms);
            assert!(made_up <= 0.02, "{what}: {made_up} of the frames are made up");
        }
    }
}

#[test]
fn a_gateway_with_a_buffer_of_40_ms_hears_a_browser_on_a_stalling_network_without_a_gap() {
    for codec in [Codec::Opus, Codec::Pcmu] {
        let mut worker = testing::worker();
        let mut gateway = Gateway::new(&mut worker, Codec::Pcmu);
        let mut browser = Browser::new(&mut worker, "laptop", codec, "gateway");
        let arrivals = stalling(7, LONG / 20);
        for now in 0..LONG {
            if now % 20 == 0 {
                let held = arrivals[(now / 20) as usize] - now;
                browser.stall(worker.now + Duration::from_millis(held));
                browser.say(&mut worker, &tone);
            }
            testing::pass(&mut worker, Duration::from_millis(1));
            browser.turn(&mut worker);
            gateway.listen(now);
        }

        let heard = gateway.verdict();
        assert!(heard.packets >= 845, "{codec:?}: {} packets", heard.packets);
        assert_eq!(heard.late, 0, "{codec:?}: each packet is there when the gateway plays it");
        assert!(heard.gap_ms <= 20, "{codec:?}: {} ms of silence after {} ms", heard.gap_ms, heard.gap_at_ms);
    }
}
