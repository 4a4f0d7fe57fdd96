//! Words spoken at one end of a room and heard at the other, in every codec and every way: none lost, none twice.
//!
//! A word is a tone of its own pitch, so that a far end can write down what it heard. Telephones are far ends on sockets
//! of their own, participants inside the process push all they have to say at once. The clock is the test's.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ringback_audio::{Codec, Decoder, Encoder, OpusSettings};
use ringback_rtp::{RtpHeader, RtpPacket, is_rtcp};

use crate::command::Command;
use crate::config::{PhoneCodec, PhoneMedia};
use crate::ports;
use crate::shared::{LegShared, PcmQueues, Way};
use crate::testing;
use crate::worker::{LegKey, Worker};

const TICK: Duration = Duration::from_millis(20);
const CODECS: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];
/// What is said; one word twice in a row.
const SPEECH: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 7, 0, 5, 2];
const WORD: f64 = 0.2;
const PAUSE: f64 = 0.1;
/// Rate of participants inside the process.
const OWN_RATE: u32 = 16_000;

fn hertz(word: usize) -> f64 {
    500.0 + 230.0 * word as f64
}

/// The speech `at` seconds after its beginning.
fn said(at: f64) -> f64 {
    let (index, inside) = ((at / (WORD + PAUSE)) as usize, at % (WORD + PAUSE));
    match SPEECH.get(index).filter(|_| at >= 0.0 && inside < WORD) {
        Some(word) => {
            let ramp = (inside.min(WORD - inside) / 0.005).min(1.0);
            8000.0 * ramp * (at * hertz(*word) * std::f64::consts::TAU).sin()
        }
        None => 0.0,
    }
}

/// The words in a recording, with the milliseconds each lasted.
fn words(sound: &[i16], rate: u32) -> Vec<(usize, usize)> {
    let window = rate as usize / 100;
    let heard: Vec<Option<usize>> = sound.chunks_exact(window).map(|part| word(part, rate)).collect();
    let runs = heard.chunk_by(|a, b| a == b);
    runs.filter_map(|run| Some((run[0]?, run.len() * 10))).filter(|(_, ms)| *ms > 40).collect()
}

/// The word in 10 ms: the pitch that holds most of what there is.
fn word(part: &[i16], rate: u32) -> Option<usize> {
    let energy: f64 = part.iter().map(|s| f64::from(*s).powi(2)).sum();
    if (energy / part.len() as f64).sqrt() < 2000.0 {
        return None;
    }
    let power = |hertz: f64| {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in part.iter().enumerate() {
            let angle = n as f64 * hertz / f64::from(rate) * std::f64::consts::TAU;
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
        }
        re * re + im * im
    };
    (0..8).max_by(|a, b| power(hertz(*a)).total_cmp(&power(hertz(*b))))
}

/// A telephone at the other end of its leg.
struct Phone {
    socket: UdpSocket,
    to: SocketAddr,
    key: LegKey,
    payload_type: u8,
    encoder: Encoder,
    decoder: Decoder,
    sequence: u16,
    /// Ticks sent so far.
    ticks: u32,
    heard: Vec<i16>,
}

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 107,
    }
}

fn wire(codec: Codec) -> PhoneCodec {
    let payload_type = payload_type(codec);
    PhoneCodec { codec, payload_type, receive_payload_type: payload_type, ptime: TICK }
}

fn media(codec: Codec, remote: SocketAddr) -> PhoneMedia {
    PhoneMedia { remote: Some(remote), trusted: true, ..PhoneMedia::plain(wire(codec)) }
}

impl Phone {
    fn new(worker: &mut Worker, name: &str, codec: Codec) -> Phone {
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        let to = rtp.local_addr().unwrap();
        let (room, leg) = ("room".to_owned(), name.to_owned());
        worker.command(Command::OpenPhone { room, leg, rtp, rtcp, shared: Arc::new(LegShared::default()) });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        worker.set_phone(name, media(codec, socket.local_addr().unwrap()));
        let key = worker.leg_key(name).unwrap();
        Phone {
            socket,
            to,
            key,
            payload_type: payload_type(codec),
            encoder: Encoder::new(codec, OpusSettings::default()),
            decoder: Decoder::new(codec, 8000).unwrap(),
            sequence: 100,
            ticks: 0,
            heard: Vec::new(),
        }
    }

    /// 20 ms of what `sound` says at a time in seconds; `None`: nothing is sent.
    fn say(&mut self, worker: &mut Worker, sound: Option<&dyn Fn(f64) -> f64>) {
        let (rate, ticks) = (self.encoder.codec().sample_rate(), self.ticks);
        self.ticks += 1;
        let Some(sound) = sound else { return };
        let at = |n: u32| f64::from(ticks) * 0.02 + f64::from(n) / f64::from(rate);
        let pcm: Vec<i16> = (0..rate / 50).map(|n| sound(at(n)) as i16).collect();
        let mut payload = Vec::new();
        self.encoder.encode(&pcm, rate, &mut payload).unwrap();
        let mut datagram = Vec::new();
        let timestamp = ticks * self.encoder.codec().clock_rate() / 50;
        let header =
            RtpHeader { payload_type: self.payload_type, marker: false, sequence: self.sequence, timestamp, ssrc: 5 };
        header.write(&payload, &mut datagram);
        self.sequence = self.sequence.wrapping_add(1);
        worker.rtp_packet(self.key, self.socket.local_addr().unwrap(), &mut datagram);
    }

    fn listen(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((n, from)) = self.socket.recv_from(&mut buffer) {
            assert_eq!(from, self.to);
            if is_rtcp(&buffer[..n]) {
                continue;
            }
            let packet = RtpPacket::parse(&buffer[..n]).unwrap();
            assert_eq!(packet.payload_type, self.payload_type, "nothing but the agreed codec");
            self.decoder.decode(packet.payload, &mut self.heard).unwrap();
        }
    }

    fn change(&mut self, worker: &mut Worker, name: &str, codec: Codec) {
        self.payload_type = payload_type(codec);
        self.decoder = Decoder::new(codec, 8000).unwrap();
        worker.set_phone(name, media(codec, self.socket.local_addr().unwrap()));
    }
}

fn hum(at: f64) -> f64 {
    500.0 * (at * 300.0 * std::f64::consts::TAU).sin()
}

fn insider(worker: &mut Worker, name: &str) -> Arc<LegShared> {
    let shared = Arc::new(LegShared { pcm: Some(PcmQueues::new(OWN_RATE)), ..LegShared::default() });
    let (room, leg) = ("room".to_owned(), name.to_owned());
    worker.command(Command::OpenPcm { room, leg, shared: shared.clone() });
    shared
}

fn assert_whole(heard: &[(usize, usize)], what: &str) {
    let order: Vec<usize> = heard.iter().map(|(word, _)| *word).collect();
    assert_eq!(order, SPEECH, "{what}: {heard:?}");
    assert!(heard.iter().all(|(_, ms)| (150..=240).contains(ms)), "{what}: {heard:?}");
}

/// Who talks and who listens; `None`: inside the process.
type Ends = (Option<Codec>, Option<Codec>);

/// Lets `ends.0` say everything; what `ends.1` hears, and which way it came.
fn heard((talks, listens): Ends, mixed: bool) -> (Vec<(usize, usize)>, Way) {
    let mut worker = testing::worker();
    let mut talker = talks.map(|codec| Phone::new(&mut worker, "talker", codec));
    let speaker = talks.is_none().then(|| insider(&mut worker, "speaker"));
    let mut listener = listens.map(|codec| Phone::new(&mut worker, "listener", codec));
    let ear = listens.is_none().then(|| insider(&mut worker, "ear"));
    let mut third = mixed.then(|| Phone::new(&mut worker, "third", Codec::Pcma));
    let lasts = SPEECH.len() as f64 * (WORD + PAUSE);
    if let Some(speaker) = &speaker {
        let samples = (lasts * f64::from(OWN_RATE)) as usize;
        let all = (0..samples).map(|n| said(n as f64 / f64::from(OWN_RATE)) as i16);
        speaker.pcm.as_ref().unwrap().push(all);
    }
    let mut own = Vec::new();
    let mut way = Way::None;
    for tick in 0..((lasts + 0.5) * 50.0) as usize {
        if let Some(talker) = &mut talker {
            talker.say(&mut worker, Some(&said));
        }
        if let Some(third) = &mut third {
            third.say(&mut worker, Some(&hum));
        }
        testing::pass(&mut worker, TICK);
        if let Some(listener) = &mut listener {
            listener.listen();
        }
        own.extend(ear.iter().flat_map(|ear| ear.pcm.as_ref().unwrap().read()));
        if tick == 90 {
            let key = listener.as_ref().map_or_else(|| worker.leg_key("ear").unwrap(), |listener| listener.key);
            way = worker.legs[&key].shared.counters.way();
        }
    }
    match listener {
        Some(listener) => (words(&listener.heard, listener.decoder.sample_rate()), way),
        None => (words(&own, OWN_RATE), way),
    }
}

fn everybody() -> impl Iterator<Item = Option<Codec>> + Clone {
    CODECS.into_iter().map(Some).chain([None])
}

#[test]
fn every_word_of_everybody_is_heard_once_and_in_order_by_everybody_forwarded_or_transcoded() {
    for talks in everybody() {
        for listens in everybody() {
            let (heard, way) = heard((talks, listens), false);

            assert_whole(&heard, &format!("{talks:?} to {listens:?}"));
            let expected = if talks.is_some() && talks == listens { Way::Forward } else { Way::Transcode };
            assert_eq!(way, expected, "{talks:?} to {listens:?}");
        }
    }
}

#[test]
fn every_word_of_everybody_is_heard_once_and_in_order_by_everybody_among_others() {
    for talks in everybody() {
        for listens in everybody() {
            let (heard, way) = heard((talks, listens), true);

            assert_whole(&heard, &format!("{talks:?} to {listens:?}"));
            assert_eq!(way, Way::Mix, "{talks:?} to {listens:?}");
        }
    }
}

/// How much of a steady tone is missing at its quietest 5 ms, as a share of its usual level.
fn dip(sound: &[i16]) -> f64 {
    let levels: Vec<f64> = sound
        .chunks_exact(40)
        .map(|part| (part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 40.0).sqrt())
        .collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    1.0 - sorted[0] / sorted[sorted.len() / 2]
}

#[test]
fn somebody_who_joins_and_leaves_in_mid_word_leaves_no_gap_in_what_is_heard() {
    for codec in CODECS {
        let mut worker = testing::worker();
        let mut talker = Phone::new(&mut worker, "talker", codec);
        let mut listener = Phone::new(&mut worker, "listener", codec);
        let mut third = Phone::new(&mut worker, "third", codec);
        let tone = |at: f64| 8000.0 * (at * 800.0 * std::f64::consts::TAU).sin();
        let mut ways = Vec::new();
        for tick in 0..400 {
            talker.say(&mut worker, Some(&tone));
            // From forwarding to the mix at 2 s, and back two seconds after it falls silent at 4 s.
            third.say(&mut worker, Some(&hum as &dyn Fn(f64) -> f64).filter(|_| (100..200).contains(&tick)));
            testing::pass(&mut worker, TICK);
            listener.listen();
            ways.push(worker.legs[&listener.key].shared.counters.way());
        }

        assert_eq!([ways[50], ways[150], ways[390]], [Way::Forward, Way::Mix, Way::Forward], "{codec:?}");
        let gap = dip(&listener.heard[4000..]);
        assert!(gap < 0.6, "{codec:?}: {gap:.2} of the tone is missing somewhere");
        assert_eq!(worker.legs[&talker.key].shared.counters.frames_concealed.load(Relaxed), 0);
    }
}

#[test]
fn another_codec_in_mid_word_costs_at_most_20_ms() {
    let mut worker = testing::worker();
    let mut talker = Phone::new(&mut worker, "talker", Codec::Pcmu);
    let mut listener = Phone::new(&mut worker, "listener", Codec::Pcmu);
    let tone = |at: f64| 8000.0 * (at * 800.0 * std::f64::consts::TAU).sin();
    for (from, codec) in [(0, Codec::Pcmu), (100, Codec::Pcma), (200, Codec::G722), (300, Codec::Pcmu)] {
        listener.listen();
        listener.change(&mut worker, "listener", codec);
        for _ in from..from + 100 {
            talker.say(&mut worker, Some(&tone));
            testing::pass(&mut worker, TICK);
            listener.listen();
        }
    }

    // G.722 is decoded at 16 kHz: its part is twice as long.
    let quiet = listener.heard[4000..].chunks(8).map(|ms| ms.iter().all(|s| s.abs() < 1500)).collect::<Vec<_>>();
    let longest = quiet.split(|quiet| !quiet).map(<[bool]>::len).max().unwrap_or(0);
    assert!(longest <= 20, "{longest} ms are missing");
}
