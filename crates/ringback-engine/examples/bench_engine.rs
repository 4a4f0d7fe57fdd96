//! CPU time of the media thread for each packet and each 20 ms, as JSON lines: `{"name", "us", "unit"}`.
//!
//! `cargo run --release -p ringback-engine --example bench_engine`. The whole engine runs, over real sockets on
//! loopback; what is measured is the CPU time of its thread alone, beside the floor of the bare system calls.

use std::f64::consts::TAU;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ringback_audio::{Encoder, OpusSettings};
use ringback_engine::{Codec, Config, Engine, Event, PhoneCodec, PhoneMedia};
use ringback_rtp::{MasterKey, Protect, RtpHeader, Suite, Unprotect};
use rustix::time::{ClockId, clock_gettime};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Candidate, Input, Output, Rtc};

const LOCAL: [u8; 4] = [127, 0, 0, 1];
const TICK: Duration = Duration::from_millis(20);
const LISTENERS: usize = 50;
const VIDEO_BYTES: usize = 1100;
const VIDEO_PER_TICK: usize = 6;
const TICKS: u32 = 150;

fn main() {
    floor();
    protection();
    forwarding();
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
    for (name, size) in
        [("floor: send and receive of a video packet", VIDEO_BYTES), ("floor: of a phone's packet", 172)]
    {
        let (a, b) = (socket(), socket());
        let to = b.local_addr().unwrap();
        let (packet, mut buffer) = (vec![0; size], [0; 2048]);
        let best = (0..10).map(|_| {
            let before = cpu();
            for _ in 0..1000 {
                a.send_to(&packet, to).unwrap();
                b.recv_from(&mut buffer).unwrap();
            }
            (cpu() - before).as_secs_f64() * 1e6 / 1000.0
        });
        print(name, best.fold(f64::MAX, f64::min), "CPU us per packet");
    }
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

/// One browser sends video and sound, fifty receive both.
fn forwarding() {
    let engine = engine();
    let mut sender = Browser::join(&engine, "sender", Direction::SendOnly);
    let sent = [(sender.audio.to_string(), "audio".to_owned()), (sender.video.to_string(), "video".to_owned())];
    engine.set_published("sender", sent.into());
    let mut listeners: Vec<Browser> =
        (0..LISTENERS).map(|n| Browser::join(&engine, &format!("listener-{n}"), Direction::RecvOnly)).collect();
    for listener in &listeners {
        let table = [(listener.audio, "audio"), (listener.video, "video")]
            .map(|(mid, track)| (mid.to_string(), ("sender".to_owned(), track.to_owned())));
        engine.set_subscriptions(&listener.leg, table.into());
    }
    let mut everybody: Vec<&mut Browser> = std::iter::once(&mut sender).chain(&mut listeners).collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    while everybody.iter().any(|browser| !browser.rtc.is_connected()) {
        assert!(Instant::now() < deadline, "the browsers do not connect");
        everybody.iter_mut().for_each(|browser| browser.run());
        std::thread::sleep(Duration::from_millis(1));
    }
    pace(25, |_| {
        sender.publish();
        listeners.iter_mut().for_each(Browser::run);
    });
    let (before, sent) = (engine_cpu_us(&engine), forwarded(&engine, &listeners));
    pace(TICKS, |_| {
        sender.publish();
        listeners.iter_mut().for_each(Browser::run);
    });
    let used = engine_cpu_us(&engine) - before;
    let packets = forwarded(&engine, &listeners) - sent;
    let wanted = u64::from(TICKS) * (VIDEO_PER_TICK as u64 + 1) * LISTENERS as u64;
    assert!(packets > wanted / 2, "{packets} of {wanted} were forwarded");
    print("forwarded WebRTC packet, 50 listeners", used as f64 / packets as f64, "CPU us per packet");
}

fn forwarded(engine: &Engine, listeners: &[Browser]) -> u64 {
    let sent = |leg: &str| engine.shared(leg).map_or(0, |shared| shared.counters.packets_sent.load(Relaxed));
    listeners.iter().map(|listener| sent(&listener.leg)).sum()
}

/// A browser made of str0m, which answers with real reports.
struct Browser {
    leg: String,
    rtc: Rtc,
    socket: UdpSocket,
    audio: Mid,
    video: Mid,
    sequence: u64,
    buffer: Vec<u8>,
}

impl Browser {
    fn join(engine: &Engine, leg: &str, direction: Direction) -> Browser {
        let socket = socket();
        let mut rtc = Rtc::builder().set_rtp_mode(true).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), Protocol::Udp).unwrap());
        let mut api = rtc.sdp_api();
        let audio = api.add_media(MediaKind::Audio, direction, None, None, None);
        let video = api.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = api.apply().unwrap();
        engine.open_webrtc("room", leg);
        let request = engine.webrtc_offer(leg, &offer.to_sdp_string());
        let answer = answer(engine, request);
        accept(&mut rtc, pending, &answer);
        Browser { leg: leg.to_owned(), rtc, socket, audio, video, sequence: 0, buffer: vec![0; 2048] }
    }

    fn run(&mut self) {
        let local = self.socket.local_addr().unwrap();
        while let Ok((n, source)) = self.socket.recv_from(&mut self.buffer) {
            let Ok(receive) = Receive::new(Protocol::Udp, source, local, &self.buffer[..n]) else { continue };
            self.rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
            Self::drain(&mut self.rtc, &self.socket);
        }
        self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
        Self::drain(&mut self.rtc, &self.socket);
    }

    fn drain(rtc: &mut Rtc, socket: &UdpSocket) {
        loop {
            match rtc.poll_output().unwrap() {
                Output::Timeout(_) => return,
                Output::Transmit(t) => drop(socket.send_to(&t.contents, t.destination)),
                Output::Event(_) => {}
            }
        }
    }

    fn publish(&mut self) {
        self.run();
        let kinds = std::iter::repeat_n((self.video, VIDEO_BYTES), VIDEO_PER_TICK).chain([(self.audio, 80)]);
        for (mid, size) in kinds {
            let pt = self.rtc.media(mid).unwrap().remote_pts()[0];
            self.sequence += 1;
            let (sequence, now) = (SeqNo::from(self.sequence), Instant::now());
            let time = (self.sequence / 7 * 1800) as u32;
            let mut api = self.rtc.direct_api();
            let stream = api.stream_tx_by_mid(mid, None).unwrap();
            stream.write_rtp(RtpWrite::new(pt, sequence, time, now, vec![0; size]));
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
            Self::drain(&mut self.rtc, &self.socket);
        }
    }
}

fn answer(engine: &Engine, request: u64) -> String {
    loop {
        for event in engine.drain() {
            match event {
                Event::Reply { request: of, result } if of == request => return result.unwrap(),
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn accept(rtc: &mut Rtc, pending: SdpPendingOffer, answer: &str) {
    rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(answer).unwrap()).unwrap();
}
