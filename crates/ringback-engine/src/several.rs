//! An engine of two workers, whole: its threads, its sockets, and telephones on others of this machine.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use ringback_audio::{Codec, Decoder, Encoder, OpusSettings};
use ringback_rtp::{RtpHeader, RtpPacket, is_rtcp};

use crate::command::Command;
use crate::config::{Config, PhoneCodec, PhoneMedia};
use crate::engine::Engine;
use crate::event::Event;
use crate::testing;

const TICK: Duration = Duration::from_millis(20);
/// For what takes a second on a machine left alone.
const PATIENCE: Duration = Duration::from_secs(30);

fn engine(workers: usize, first: u16) -> Engine {
    let config = Config { workers, rtp_first: first, rtp_last: first + 99, ..testing::config() };
    Engine::start(config).unwrap()
}

/// A telephone that hums a pitch of its own.
struct Phone {
    leg: &'static str,
    port: u16,
    socket: UdpSocket,
    hertz: f64,
    packets: u32,
    encoder: Encoder,
    decoder: Decoder,
    heard: Vec<i16>,
}

impl Phone {
    fn call(engine: &Engine, room: &str, leg: &'static str, hertz: f64) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = engine.open_phone(room, leg).unwrap();
        let codec = PhoneCodec { codec: Codec::Pcmu, payload_type: 0, receive_payload_type: 0, ptime: TICK };
        let remote = socket.local_addr().ok();
        engine.set_phone(leg, PhoneMedia { remote, trusted: true, ..PhoneMedia::plain(codec) });
        let encoder = Encoder::new(Codec::Pcmu, OpusSettings::default());
        let decoder = Decoder::new(Codec::Pcmu, 8_000).unwrap();
        Phone { leg, port, socket, hertz, packets: 0, encoder, decoder, heard: Vec::new() }
    }

    /// 20 ms each way.
    fn tick(&mut self) {
        let angle = |n: u32| f64::from(self.packets * 160 + n) * self.hertz / 8_000.0 * std::f64::consts::TAU;
        let pcm: Vec<i16> = (0..160).map(|n| (8_000.0 * angle(n).sin()) as i16).collect();
        let (mut payload, mut packet) = (Vec::new(), Vec::new());
        self.encoder.encode(&pcm, 8_000, &mut payload).unwrap();
        let sequence = self.packets as u16;
        RtpHeader { payload_type: 0, marker: false, sequence, timestamp: self.packets * 160, ssrc: 7 }
            .write(&payload, &mut packet);
        self.packets += 1;
        let to: SocketAddr = ([127, 0, 0, 1], self.port).into();
        self.socket.send_to(&packet, to).unwrap();
        let mut buffer = [0; 2048];
        while let Ok((n, _)) = self.socket.recv_from(&mut buffer) {
            if !is_rtcp(&buffer[..n])
                && let Ok(packet) = RtpPacket::parse(&buffer[..n])
            {
                self.decoder.decode(packet.payload, &mut self.heard).unwrap();
            }
        }
    }

    /// Whether the last half second it heard was this pitch, and nothing else of note.
    fn hears(&self, hertz: f64) -> bool {
        let Some(from) = self.heard.len().checked_sub(4_000) else { return false };
        let sound = &self.heard[from..];
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (n, sample) in sound.iter().enumerate() {
            let (angle, sample) = (n as f64 * hertz / 8_000.0 * std::f64::consts::TAU, f64::from(*sample));
            (re, im, all) = (re + sample * angle.cos(), im + sample * angle.sin(), all + sample * sample);
        }
        let share = (re * re + im * im) * 2.0 / (all * sound.len() as f64);
        all / sound.len() as f64 > 1e6 && share > 0.8
    }
}

/// Everybody hums and listens until it is so.
fn until(phones: &mut [&mut Phone], what: &str, so: impl Fn(&[&mut Phone]) -> bool) {
    let begun = Instant::now();
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    for n in 1.. {
        phones.iter_mut().for_each(|phone| phone.tick());
        if so(phones) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep((begun + TICK * n).saturating_duration_since(Instant::now()));
    }
}

fn of_each(engine: &Engine, name: &str) -> Vec<u64> {
    let find = |of: Vec<(&str, u64)>| of.into_iter().find(|(known, _)| *known == name).unwrap().1;
    engine.worker_counters().into_iter().map(find).collect()
}

#[test]
fn each_room_has_a_worker_and_a_bug_in_one_leaves_the_others_rooms() {
    let engine = engine(2, 34_000);
    let mut ann = Phone::call(&engine, "one", "ann", 400.0);
    let mut bob = Phone::call(&engine, "one", "bob", 700.0);
    let mut cid = Phone::call(&engine, "two", "cid", 1_000.0);
    let mut dan = Phone::call(&engine, "two", "dan", 1_300.0);
    let all_hear =
        |of: &[&mut Phone]| of[0].hears(700.0) && of[1].hears(400.0) && of[2].hears(1_300.0) && of[3].hears(1_000.0);

    until(&mut [&mut ann, &mut bob, &mut cid, &mut dan], "all hear the other of their room", all_hear);

    assert_eq!(of_each(&engine, "legs"), [2, 2]);
    assert!(engine.counters().contains(&("legs", 4)));
    engine.tell_worker(0, Command::Break);
    let mut failed = Vec::new();
    let begun = Instant::now();
    while failed.len() < 2 {
        failed.extend(engine.drain().into_iter().filter_map(|event| match event {
            Event::LegFailed { leg, .. } => Some(leg),
            _ => None,
        }));
        assert!(begun.elapsed() < PATIENCE, "{failed:?}");
        std::thread::sleep(TICK);
    }
    failed.sort();
    assert_eq!(failed, ["ann", "bob"]);
    let others_hear = |of: &[&mut Phone]| of[0].hears(1_300.0) && of[1].hears(1_000.0);
    until(&mut [&mut cid, &mut dan], "the other room goes on", others_hear);
    assert_eq!(of_each(&engine, "leg_failures"), [2, 0]);
    // And so does the worker that had the bug.
    let mut eve = Phone::call(&engine, "three", "eve", 400.0);
    let mut fay = Phone::call(&engine, "three", "fay", 700.0);
    let both_hear = |of: &[&mut Phone]| of[0].hears(700.0) && of[1].hears(400.0);
    until(&mut [&mut eve, &mut fay], "the next call there can be heard", both_hear);
    assert_eq!(of_each(&engine, "legs"), [2, 2]);
}

#[test]
fn a_telephone_goes_to_a_room_of_another_worker_with_its_port_and_is_heard_there() {
    let engine = engine(2, 34_100);
    engine.open_room("lobby");
    engine.open_room("talk");
    let mut ann = Phone::call(&engine, "lobby", "ann", 400.0);
    let mut bob = Phone::call(&engine, "lobby", "bob", 700.0);
    let mut cid = Phone::call(&engine, "talk", "cid", 1_000.0);
    until(&mut [&mut ann, &mut bob], "they hear each other in the lobby", |of| {
        of[0].hears(700.0) && of[1].hears(400.0)
    });
    let sent = |leg: &str| engine.shared(leg).unwrap().counters.packets_sent.load(std::sync::atomic::Ordering::Relaxed);
    let before = sent("ann");

    engine.move_phone("ann", "talk");
    engine.set_muted("ann", true);
    engine.set_muted("ann", false);

    until(&mut [&mut ann, &mut bob, &mut cid], "it talks with who is there", |of| {
        of[0].hears(1_000.0) && of[2].hears(400.0)
    });
    assert!(!bob.hears(400.0), "it has left the lobby");
    assert_eq!(of_each(&engine, "legs"), [1, 2]);
    assert!(sent(ann.leg) > before, "its counters go on");
    engine.move_phone("ann", "lobby");
    until(&mut [&mut ann, &mut bob, &mut cid], "it is back", |of| of[0].hears(700.0) && of[1].hears(400.0));
    engine.close_leg("ann");
    engine.close_room("talk");
    let begun = Instant::now();
    while of_each(&engine, "legs") != [1, 0] {
        assert!(begun.elapsed() < PATIENCE, "{:?}", of_each(&engine, "legs"));
        std::thread::sleep(TICK);
    }
}

#[test]
fn who_is_unknown_is_not_looked_for_and_an_offer_of_theirs_is_answered() {
    let engine = engine(3, 34_200);

    engine.set_muted("nobody", true);
    engine.move_phone("nobody", "nowhere");
    engine.close_leg("nobody");
    engine.close_room("nowhere");
    engine.open_webrtc("room", "browser");
    engine.move_phone("browser", "elsewhere");
    let asked = engine.webrtc_offer("nobody", "v=0\r\n");

    let begun = Instant::now();
    loop {
        if let Some(Event::Reply { request, result }) = engine.drain().pop() {
            assert_eq!((request, result.is_err()), (asked, true));
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "somebody answers");
        std::thread::sleep(TICK);
    }
    assert!(engine.shared("nobody").is_none());
}

#[test]
fn workers_listen_on_ports_that_follow_each_other_and_a_taken_one_is_named() {
    // Three in a row that are free: looked for, as nobody can reserve them.
    let (first, engine) = (40_000..60_000)
        .step_by(7)
        .find_map(|first| {
            let config = Config { workers: 3, webrtc_port: first, ..testing::config() };
            Some((first, Engine::start(config).ok()?))
        })
        .expect("three free ports in a row");
    assert_eq!(engine.webrtc_ports(), [first, first + 1, first + 2]);
    drop(engine);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let held = UdpSocket::bind(taken).unwrap();
    let start = |workers, port| {
        let config = Config { workers, webrtc_port: port, ..testing::config() };
        Engine::start(config).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let said = start(2, taken.port() - 1);
    assert!(said.contains(&format!(":{}", taken.port())) || said.contains(&format!(":{}", taken.port() - 1)), "{said}");
    drop(held);
    assert!(start(3, 65_534).contains("65535"));
}

#[test]
fn ports_that_nobody_names_are_all_different() {
    let mut ports = engine(4, 34_300).webrtc_ports();
    ports.sort_unstable();
    ports.dedup();

    assert_eq!(ports.len(), 4);
}
