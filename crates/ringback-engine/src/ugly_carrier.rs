//! Carriers as they are: streams that jump, change, move and disagree with their SDP, packet by packet on a clock that
//! the test turns, and a listener in the room whose every sample is looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ringback_audio::{Codec, Encoder, OpusSettings};
use ringback_rtp::{Network, RtpHeader};

use crate::command::Command;
use crate::config::{PhoneCodec, PhoneMedia};
use crate::ports;
use crate::shared::{LegShared, PcmQueues};
use crate::testing;
use crate::worker::{LegKey, Worker};

const TICK: Duration = Duration::from_millis(20);
const SIGNALLED: &str = "127.0.0.1:40000";

fn codec(codec: Codec, payload_type: u8) -> PhoneCodec {
    PhoneCodec { codec, payload_type, receive_payload_type: payload_type, ptime: TICK }
}

fn media() -> PhoneMedia {
    PhoneMedia {
        remote: SIGNALLED.parse().ok(),
        receive: vec![codec(Codec::Pcma, 8), codec(Codec::G722, 9)],
        dtmf_payload_type: Some(101),
        dtmf_receive_payload_type: Some(101),
        ..PhoneMedia::plain(codec(Codec::Pcmu, 0))
    }
}

/// A room with a carrier's leg that plays a tone, and somebody who listens at 8 kHz.
struct Line {
    worker: Worker,
    key: LegKey,
    listener: Arc<LegShared>,
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    phase: u32,
    encoder: Encoder,
    payload_type: u8,
    marker: bool,
    heard: Vec<i16>,
}

impl Line {
    fn new() -> Line {
        let mut worker = testing::worker();
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        let listener = Arc::new(LegShared { pcm: Some(PcmQueues::new(8000)), ..LegShared::default() });
        let room = || "room".to_owned();
        worker.command(Command::OpenPcm { room: room(), leg: "ear".into(), shared: listener.clone() });
        let shared = Arc::new(LegShared::default());
        worker.command(Command::OpenPhone { room: room(), leg: "carrier".into(), rtp, rtcp, shared });
        worker.set_phone("carrier", media());
        let key = worker.leg_key("carrier").unwrap();
        Line {
            worker,
            key,
            listener,
            from: SIGNALLED.parse().unwrap(),
            ssrc: 1,
            sequence: 500,
            timestamp: 9_000,
            phase: 0,
            encoder: Encoder::new(Codec::Pcmu, OpusSettings::default()),
            payload_type: 0,
            marker: false,
            heard: Vec::new(),
        }
    }

    fn speak_in(&mut self, codec: Codec, payload_type: u8) {
        self.encoder = Encoder::new(codec, OpusSettings::default());
        self.payload_type = payload_type;
    }

    /// One packet of so many milliseconds of the tone, and that time.
    fn talk(&mut self, ms: u32) {
        self.packet(ms);
        self.wait(ms);
    }

    fn talk_for(&mut self, packets: usize, ms: u32) {
        (0..packets).for_each(|_| self.talk(ms));
    }

    fn packet(&mut self, ms: u32) {
        let mut datagram = self.made(ms);
        self.worker.rtp_packet(self.key, self.from, &mut datagram);
    }

    /// The next packet, still on its way.
    fn made(&mut self, ms: u32) -> Vec<u8> {
        let rate = self.encoder.codec().sample_rate();
        let samples = rate / 1000 * ms;
        let pcm: Vec<i16> = (0..samples)
            .map(|n| {
                let at = f64::from(self.phase) / 8000.0 + f64::from(n) / f64::from(rate);
                ((at * 400.0 * std::f64::consts::TAU).sin() * 8000.0) as i16
            })
            .collect();
        let mut payload = Vec::new();
        self.encoder.encode(&pcm, rate, &mut payload).unwrap();
        self.phase += 8 * ms;
        let mut datagram = Vec::new();
        let header = RtpHeader {
            payload_type: self.payload_type,
            marker: self.marker,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        header.write(&payload, &mut datagram);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(8 * ms);
        datagram
    }

    fn wait(&mut self, ms: u32) {
        testing::pass(&mut self.worker, Duration::from_millis(ms.into()));
        self.heard.extend(self.listener.pcm.as_ref().unwrap().read());
    }

    /// Forget what was heard so far.
    fn listen(&mut self) {
        self.heard.clear();
    }

    /// The longest stretch of silence heard, in milliseconds.
    fn longest_gap(&self) -> usize {
        let loud: Vec<bool> = self.heard.chunks(8).map(|ms| ms.iter().any(|s| s.abs() > 1500)).collect();
        loud.split(|loud| *loud).map(<[bool]>::len).max().unwrap_or(0)
    }

    fn concealed(&self) -> u64 {
        self.worker.legs[&self.key].shared.counters.frames_concealed.load(Relaxed)
    }

    fn received(&self) -> u64 {
        self.worker.legs[&self.key].shared.counters.packets_received.load(Relaxed)
    }

    fn destination(&mut self) -> String {
        let leg = self.worker.legs.get_mut(&self.key).unwrap();
        leg.phone().unwrap().latch.destination().unwrap().to_string()
    }

    /// What follows is heard with at most 20 ms made up and no silence.
    fn assert_seamless(&mut self, packets: usize, ms: u32, what: &str) {
        let before = self.concealed();
        self.listen();
        self.talk_for(packets, ms);
        let (gap, concealed) = (self.longest_gap(), self.concealed() - before);
        // A tone of 400 Hz passes zero, and a decoder that begins needs a few samples.
        assert!(gap <= 6, "{what}: {gap} ms of silence");
        assert!(concealed <= 1, "{what}: {concealed} frames made up");
    }
}

#[test]
fn another_ssrc_when_the_callee_answers_is_heard_without_a_gap() {
    for (sequence, timestamp) in [(40_000, 3_000_000_000), (501, 9_000), (600, 0), (0, 4_294_967_000)] {
        let mut line = Line::new();
        line.talk_for(50, 20);

        (line.ssrc, line.sequence, line.timestamp) = (2, sequence, timestamp);
        line.assert_seamless(50, 20, "a new SSRC");
        assert_eq!(line.received(), 100, "also its first packet is played");
    }
}

#[test]
fn numbers_that_jump_within_a_stream_are_heard_without_a_gap() {
    for (sequence, timestamp) in [
        (0, 800_000),
        (0, 4_000),
        (0, u32::MAX - 3_999),
        (0, u32::MAX - 800_000),
        (7_000, 0),
        (7_000, 800_000),
        (40_000, 3_000_000_000),
        (20, 1_600),
    ] {
        let mut line = Line::new();
        line.talk_for(50, 20);

        line.sequence = line.sequence.wrapping_add(sequence);
        line.timestamp = line.timestamp.wrapping_add(timestamp);
        line.assert_seamless(50, 20, &format!("sequence +{sequence}, timestamp +{timestamp}"));
    }
}

#[test]
fn a_jump_does_not_make_the_delay_grow() {
    let mut line = Line::new();
    line.talk_for(50, 20);
    for ssrc in 2..12 {
        (line.ssrc, line.sequence, line.timestamp) = (ssrc, ssrc as u16 * 6_000, ssrc * 1_000_000);
        line.talk_for(50, 20);
    }
    line.listen();
    line.wait(200);

    let tail = line.heard.chunks(8).take_while(|ms| ms.iter().any(|s| s.abs() > 500)).count();
    assert!(tail <= 120, "{tail} ms were still waiting (60 ms of them are made up)");
}

#[test]
fn a_jump_with_a_pause_is_a_pause() {
    let mut line = Line::new();
    line.talk_for(50, 20);
    line.wait(500);

    (line.ssrc, line.sequence, line.timestamp) = (2, 9, 77);
    line.listen();
    line.talk_for(50, 20);

    let silent = line.heard.chunks(8).take_while(|ms| ms.iter().all(|s| s.abs() < 1500)).count();
    assert!((20..=80).contains(&silent), "{silent} ms until it is heard");
    line.assert_seamless(20, 20, "and from then on without a gap");
}

#[test]
fn packets_of_any_length_are_heard_also_when_it_changes() {
    let mut line = Line::new();
    for ms in [10, 20, 30, 40, 60, 20, 10, 60] {
        // A longer packet comes later than its first sample was due: the buffer learns it once.
        line.talk_for(1200 / ms as usize, ms);
        let frames = 1200 / ms as usize;
        line.assert_seamless(frames, ms, &format!("packets of {ms} ms"));
    }
}

#[test]
fn another_payload_type_in_mid_call_is_heard_without_a_gap() {
    let mut line = Line::new();
    line.talk_for(50, 20);
    line.speak_in(Codec::Pcma, 8);
    line.assert_seamless(50, 20, "PCMA after PCMU");
    line.speak_in(Codec::G722, 9);
    line.assert_seamless(50, 20, "G722 after PCMA");
    line.speak_in(Codec::Pcmu, 0);
    line.assert_seamless(50, 20, "PCMU after G722");
}

#[test]
fn markers_say_nothing() {
    let mut line = Line::new();
    line.marker = true;
    line.talk_for(50, 20);
    line.assert_seamless(50, 20, "a marker on every packet");
    line.marker = false;
    line.talk_for(5, 20);
    line.marker = true;
    line.assert_seamless(1, 20, "one late marker");
    line.marker = false;
    line.assert_seamless(50, 20, "none");
}

#[test]
fn media_from_a_trunks_own_networks_is_heard_and_answered_there() {
    let mut line = Line::new();
    let network = Network { address: [203, 0, 113, 0].into(), prefix: 24 };
    line.worker.set_phone("carrier", PhoneMedia { networks: vec![network], ..media() });
    line.wait(10_000);

    line.from = "198.51.100.9:5000".parse().unwrap();
    line.talk_for(10, 20);
    assert_eq!((line.received(), line.destination().as_str()), (0, SIGNALLED), "not from anywhere else");
    line.from = "203.0.113.9:5000".parse().unwrap();
    line.sequence = 1;
    line.talk_for(50, 20);

    assert_eq!(line.received(), 50);
    assert_eq!(line.destination(), "203.0.113.9:5000");
    line.assert_seamless(50, 20, "from another network");
}

#[test]
fn another_phones_description_takes_the_place_of_the_one_before() {
    // 183 of one fork, then 200 of another: its address, and nobody else's, is heard and answered from then on.
    let mut line = Line::new();
    line.talk_for(50, 20);

    line.worker.set_phone("carrier", PhoneMedia { remote: "127.0.0.2:4100".parse().ok(), ..media() });
    assert_eq!(line.destination(), "127.0.0.2:4100", "it is sent sound at once");
    (line.from, line.ssrc, line.sequence, line.timestamp) = ("127.0.0.2:4100".parse().unwrap(), 9, 7, 7);
    line.assert_seamless(50, 20, "the other fork");
    assert_eq!(line.received(), 100);

    (line.from, line.ssrc) = (SIGNALLED.parse().unwrap(), 1);
    line.talk_for(20, 20);
    assert_eq!((line.received(), line.destination().as_str()), (100, "127.0.0.2:4100"), "the first one is over");
}

#[test]
fn a_reinvite_to_another_port_is_followed_when_its_sound_comes() {
    let mut line = Line::new();
    line.talk_for(50, 20);

    line.worker.set_phone("carrier", PhoneMedia { remote: "127.0.0.1:40444".parse().ok(), ..media() });
    line.talk_for(10, 20);
    assert_eq!(line.received(), 60, "until then the old one is heard");
    line.from = "127.0.0.1:40444".parse().unwrap();
    line.assert_seamless(50, 20, "the same stream from its new port");

    assert_eq!(line.destination(), "127.0.0.1:40444");
}

#[test]
fn sound_that_comes_before_the_description_is_heard_from_the_description_on() {
    let mut worker = testing::worker();
    let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
    let (room, leg) = ("room".to_owned(), "carrier".to_owned());
    worker.command(Command::OpenPhone { room, leg, rtp, rtcp, shared: Arc::new(LegShared::default()) });
    let key = worker.leg_key("carrier").unwrap();
    let mut line = Line::new();
    std::mem::swap(&mut line.worker, &mut worker);
    line.key = key;
    let listener = Arc::new(LegShared { pcm: Some(PcmQueues::new(8000)), ..LegShared::default() });
    line.worker.command(Command::OpenPcm { room: "room".into(), leg: "ear".into(), shared: listener.clone() });
    line.listener = listener;
    line.talk_for(10, 20);
    assert_eq!(line.received(), 0);

    line.worker.set_phone("carrier", media());
    line.talk_for(10, 20);

    line.assert_seamless(50, 20, "early media");
    assert_eq!(line.received(), 60);
}
