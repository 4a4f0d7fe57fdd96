//! Two video phones that speak different codecs, an engine between them, and the real pixel process.

mod common;

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{BLUE, GREEN, camera};
use ringback_engine::{Config, Engine, VideoCodec, VideoMedia};
use ringback_pictures::Coding;
use ringback_pixels::{Decoder, Encoder, Picture, Quality};
use ringback_rtp::video::{Depacketizer, Packetizer};
use ringback_rtp::{RtpHeader, RtpPacket};

const PATIENCE: Duration = Duration::from_secs(40);
const PROGRAM: &str = env!("CARGO_BIN_EXE_ringback-pixels");

/// A phone: what it sends and what it has been shown.
struct Phone {
    leg: &'static str,
    colour: [u8; 3],
    socket: UdpSocket,
    to: u16,
    encoder: Encoder,
    packetizer: Packetizer,
    sequence: u16,
    number: usize,
    ssrc: u32,
    frames: Depacketizer,
    decoder: Decoder,
    sequences: Vec<u16>,
}

fn coding(codec: VideoCodec) -> Coding {
    if codec == VideoCodec::Vp8 { Coding::Vp8 } else { Coding::H264 }
}

impl Phone {
    fn call(engine: &Engine, leg: &'static str, codec: VideoCodec, colour: [u8; 3]) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout");
        engine.open_phone("room", leg).expect("ports for sound");
        engine.set_name(leg, leg);
        let to = engine.open_phone_video(leg).expect("ports for pictures");
        let media = VideoMedia {
            remote: Some(socket.local_addr().expect("an address")),
            trusted: true,
            pli: true,
            bitrate_bps: 500_000,
            width: 640,
            height: 360,
            ..VideoMedia::plain(codec, 97)
        };
        engine.set_phone_video(leg, Some(media));
        let coding = coding(codec);
        let quality = Quality { coding, longest_unit: 1100, width: 320, height: 180, rate: 15, bitrate_bps: 300_000 };
        Phone {
            leg,
            colour,
            socket,
            to,
            encoder: Encoder::new(quality).expect("libvpx is here: make peers installs it"),
            packetizer: Packetizer::new(codec, 0, 7),
            sequence: 1,
            number: 0,
            ssrc: leg.len() as u32 * 1000 + to as u32,
            frames: Depacketizer::new(codec),
            decoder: Decoder::new(coding).expect("a decoder"),
            sequences: Vec::new(),
        }
    }

    /// A picture of its camera; every fifteenth needs no other, which stands for asking.
    fn film(&mut self) {
        self.number += 1;
        let picture = camera(320, 180, self.colour, self.number);
        let key = self.number % 15 == 1;
        let made = self.encoder.encode(&picture, self.number as u64 * 66_667, key).expect("a picture");
        let payloads = self.packetizer.packetize(&made.data);
        let last = payloads.len() - 1;
        for (index, payload) in payloads.into_iter().enumerate() {
            let header = RtpHeader {
                payload_type: 97,
                marker: index == last,
                sequence: self.sequence,
                timestamp: self.number as u32 * 6000,
                ssrc: self.ssrc,
            };
            self.sequence = self.sequence.wrapping_add(1);
            let mut datagram = Vec::new();
            header.write(&payload, &mut datagram);
            self.socket.send_to(&datagram, ("127.0.0.1", self.to)).expect("it is sent");
        }
    }

    /// The pictures that came since.
    fn watch(&mut self) -> Vec<Picture> {
        let mut seen = Vec::new();
        let mut buffer = [0; 2048];
        while let Ok((n, _)) = self.socket.recv_from(&mut buffer) {
            let Ok(packet) = RtpPacket::parse(&buffer[..n]) else { continue };
            if packet.payload_type != 97 {
                continue;
            }
            self.sequences.push(packet.sequence);
            self.frames.push(packet.sequence.into(), packet.timestamp, packet.marker, packet.payload);
            while let Some(frame) = self.frames.pop() {
                let decoded = self.decoder.decode(&frame.data).expect("nothing grey is sent to anybody");
                seen.extend(decoded);
            }
        }
        seen
    }
}

fn engine() -> Engine {
    let local = [127, 0, 0, 1].into();
    let engine = Engine::start(Config {
        workers: 1,
        webrtc_host: local,
        webrtc_port: 0,
        webrtc_advertised: vec![local],
        rtp_host: local,
        rtp_other_host: None,
        rtp_first: 33_000,
        rtp_last: 33_999,
    })
    .expect("an engine");
    engine.set_pixels(PROGRAM.into());
    engine.open_room("room");
    engine
}

fn is(picture: &Picture, colour: [u8; 3]) -> bool {
    let [_, u, v] = picture.mean(200, 100, 240, 100);
    u.abs_diff(colour[1]) < 24 && v.abs_diff(colour[2]) < 24
}

/// Everybody films and watches until everybody has seen the other's colour `times` times.
fn until_seen(phones: &mut [Phone; 2], times: usize) {
    let begun = Instant::now();
    let mut seen = [0; 2];
    while seen.iter().any(|&seen| seen < times) {
        assert!(begun.elapsed() < PATIENCE, "they saw {seen:?}");
        for index in 0..2 {
            let colour = phones[1 - index].colour;
            phones[index].film();
            for picture in phones[index].watch() {
                assert_eq!((picture.width, picture.height), (640, 360), "as its settings say");
                seen[index] += usize::from(is(&picture, colour));
            }
        }
    }
}

/// The program that this test's engine started, found among our own children.
fn pixel_processes() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("our threads");
    let children = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let all: String = tasks.flatten().map(children).collect();
    let name = |id: &i32| std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    all.split_whitespace()
        .filter_map(|id| id.parse().ok())
        .filter(|id| name(id).starts_with("ringback-pixels"))
        .collect()
}

#[test]
fn phones_of_different_codecs_see_each_other_and_go_on_when_the_process_is_killed() {
    assert!(Path::new(PROGRAM).exists());
    let engine = engine();
    let green = Phone::call(&engine, "green", VideoCodec::H264, GREEN);
    let blue = Phone::call(&engine, "blue", VideoCodec::Vp8, BLUE);
    let mut phones = [green, blue];

    until_seen(&mut phones, 10);

    let running = pixel_processes();
    assert_eq!(running.len(), 1, "one for the room");
    let pid = rustix::process::Pid::from_raw(running[0]).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
    until_seen(&mut phones, 30);
    assert_ne!(pixel_processes(), running);

    for phone in &mut phones {
        let gaps = phone.sequences.windows(2).filter(|pair| pair[1] != pair[0].wrapping_add(1)).count();
        assert_eq!(gaps, 0, "{} sees one stream", phone.leg);
        engine.close_leg(phone.leg);
    }
    let begun = Instant::now();
    while !pixel_processes().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "nobody watches: it is gone");
        std::thread::yield_now();
    }
}

#[test]
fn phones_of_one_codec_need_no_process() {
    let engine = engine();
    let green = Phone::call(&engine, "green", VideoCodec::H264, GREEN);
    let blue = Phone::call(&engine, "blue", VideoCodec::H264, BLUE);
    let mut phones = [green, blue];
    let begun = Instant::now();
    let mut seen = 0;
    while seen < 10 && begun.elapsed() < PATIENCE {
        for phone in &mut phones {
            phone.film();
            seen += phone.watch().iter().filter(|picture| (picture.width, picture.height) == (320, 180)).count();
        }
    }
    assert!(seen >= 10, "passed on as it is");
}
