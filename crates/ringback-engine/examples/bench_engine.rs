//! CPU time of the media thread for each packet and each 20 ms, as JSON lines: `{"name", "us", "unit"}`.
//!
//! `cargo run --release -p ringback-engine --example bench_engine`. The whole engine runs, over real sockets on
//! loopback; what is measured is the CPU time of its thread alone, beside the floor of the bare system calls.

use std::f64::consts::TAU;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ringback_audio::{Encoder, OpusSettings};
use ringback_engine::{Codec, Config, Engine, PhoneCodec, PhoneMedia};
use ringback_rtp::{MasterKey, Protect, RtpHeader, Suite, Unprotect};
use rustix::time::{ClockId, clock_gettime};

const LOCAL: [u8; 4] = [127, 0, 0, 1];
const TICK: Duration = Duration::from_millis(20);
const TICKS: u32 = 150;

fn main() {
    floor();
    protection();
    rooms("transcoded leg (G.711 and Opus)", &[Codec::Pcmu, Codec::Opus], 25);
    rooms("forwarded leg (G.711)", &[Codec::Pcmu, Codec::Pcmu], 50);
    rooms("leg in a mix of three (G.711)", &[Codec::Pcmu, Codec::Pcmu, Codec::Pcmu], 33);
}

fn print(name: &str, us: f64, unit: &str) {
    println!(r#"{{"name": "engine/{name}", "us": {us:.2}, "unit": "{unit}"}}"#);
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// SRTP of a phone's packet of 20 ms of G.711, each way.
fn protection() {
    for suite in [Suite::AesCm128Sha1_80, Suite::Aead128Gcm] {
        let master = || MasterKey::new(suite, &vec![7; suite.key_length() + suite.salt_length()]).unwrap();
        let (mut out, mut into) = (Protect::new(master()), Unprotect::new(master(), b""));
        let mut sequence = 0u16;
        let mut packets = || -> Vec<Vec<u8>> {
            let make = |_| {
                sequence = sequence.wrapping_add(1);
                let mut packet = Vec::with_capacity(256);
                RtpHeader { payload_type: 0, marker: false, sequence, timestamp: 0, ssrc: 7 }
                    .write(&[0; 160], &mut packet);
                packet
            };
            (0..1000).map(make).collect()
        };
        let (mut seal, mut open) = (f64::MAX, f64::MAX);
        for _ in 0..20 {
            let mut batch = packets();
            let begun = cpu();
            batch.iter_mut().for_each(|packet| assert!(out.rtp(packet)));
            let sealed = cpu();
            batch.iter_mut().for_each(|packet| assert_eq!(into.rtp(packet), Ok(172)));
            seal = seal.min((sealed - begun).as_secs_f64() * 1e3);
            open = open.min((cpu() - sealed).as_secs_f64() * 1e3);
        }
        print(&format!("SRTP: seal a phone's packet ({})", suite.name()), seal, "CPU us per packet");
        print(&format!("SRTP: open a phone's packet ({})", suite.name()), open, "CPU us per packet");
    }
}

/// Bare sends and receives of the same packets: nothing over sockets can be cheaper.
fn floor() {
    let (a, b) = (socket(), socket());
    let to = b.local_addr().unwrap();
    let (packet, mut buffer) = ([0; 172], [0; 2048]);
    let best = (0..10).map(|_| {
        let before = cpu();
        for _ in 0..1000 {
            a.send_to(&packet, to).unwrap();
            b.recv_from(&mut buffer).unwrap();
        }
        (cpu() - before).as_secs_f64() * 1e6 / 1000.0
    });
    print("floor: of a phone's packet", best.fold(f64::MAX, f64::min), "CPU us per packet");
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from((LOCAL, 0))).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn engine() -> Engine {
    let local = LOCAL.into();
    Engine::start(Config {
        workers: 1,
        webrtc_host: local,
        webrtc_port: 0,
        webrtc_advertised: vec![local],
        rtp_host: local,
        rtp_other_host: None,
        rtp_first: 26_000,
        rtp_last: 27_999,
    })
    .unwrap()
}

fn engine_cpu_us(engine: &Engine) -> u64 {
    // The thread tells its clock every 100 ms.
    std::thread::sleep(Duration::from_millis(120));
    engine.counters().into_iter().find(|(name, _)| *name == "cpu_us").unwrap().1
}

/// Do something every 20 ms.
fn pace(ticks: u32, mut each: impl FnMut(u32)) {
    let start = Instant::now();
    for n in 0..ticks {
        each(n);
        std::thread::sleep((start + TICK * (n + 1)).saturating_duration_since(Instant::now()));
    }
}

/// Rooms of phones that all talk, for three seconds.
fn rooms(name: &str, codecs: &[Codec], rooms: usize) {
    let engine = engine();
    let mut phones = Vec::new();
    for room in 0..rooms {
        for (n, codec) in codecs.iter().enumerate() {
            phones.push(Phone::call(&engine, &format!("room-{room}"), &format!("leg-{room}-{n}"), *codec));
        }
    }
    pace(50, |n| phones.iter_mut().for_each(|phone| phone.tick(n)));
    let before = engine_cpu_us(&engine);
    pace(TICKS, |n| phones.iter_mut().for_each(|phone| phone.tick(50 + n)));
    let used = engine_cpu_us(&engine) - before;
    print(name, used as f64 / f64::from(TICKS) / phones.len() as f64, "CPU us per 20 ms");
}

/// A telephone that says the same second over and over.
struct Phone {
    socket: UdpSocket,
    to: SocketAddr,
    codec: Codec,
    payloads: Vec<Vec<u8>>,
    packet: Vec<u8>,
    buffer: [u8; 2048],
}

impl Phone {
    fn call(engine: &Engine, room: &str, leg: &str, codec: Codec) -> Phone {
        let socket = socket();
        let port = engine.open_phone(room, leg).unwrap();
        let payload_type = payload_type(codec);
        let codec_on_wire = PhoneCodec { codec, payload_type, receive_payload_type: payload_type, ptime: TICK };
        let media = PhoneMedia {
            remote: Some(socket.local_addr().unwrap()),
            trusted: true,
            ..PhoneMedia::plain(codec_on_wire)
        };
        engine.set_phone(leg, media);
        Phone {
            socket,
            to: (LOCAL, port).into(),
            codec,
            payloads: speech(codec),
            packet: Vec::new(),
            buffer: [0; 2048],
        }
    }

    fn tick(&mut self, n: u32) {
        let header = RtpHeader {
            payload_type: payload_type(self.codec),
            marker: false,
            sequence: n as u16,
            timestamp: n * self.codec.clock_rate() / 50,
            ssrc: 7,
        };
        self.packet.clear();
        header.write(&self.payloads[n as usize % self.payloads.len()], &mut self.packet);
        self.socket.send_to(&self.packet, self.to).unwrap();
        while self.socket.recv_from(&mut self.buffer).is_ok() {}
    }
}

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 107,
    }
}

/// A second of something with the shape of a voice: a buzz whose pitch and loudness move.
fn speech(codec: Codec) -> Vec<Vec<u8>> {
    let rate = codec.sample_rate();
    let mut encoder = Encoder::new(codec, OpusSettings::default());
    let mut phase = 0.0f64;
    let frame = (rate / 50) as usize;
    (0..50)
        .map(|n| {
            let pitch = 120.0 + 30.0 * (n as f64 / 7.0).sin();
            let loud = 6000.0 * (0.3 + (n as f64 / 5.0).sin().abs());
            let pcm: Vec<i16> = (0..frame)
                .map(|_| {
                    phase += pitch / f64::from(rate);
                    let buzz: f64 = (1..12).map(|h| (phase * f64::from(h) * TAU).sin() / f64::from(h)).sum();
                    (buzz * loud).clamp(-32_000.0, 32_000.0) as i16
                })
                .collect();
            let mut payload = Vec::new();
            encoder.encode(&pcm, rate, &mut payload).unwrap();
            payload
        })
        .collect()
}
