//! Words spoken at one end of a room and heard at the other, in every codec and every way: none lost, none twice.
//!
//! A word is a tone of its own pitch, so that a far end can write down what it heard. Telephones are far ends on sockets
//! of their own, browsers (and bots, which are the same to a server) come over ICE, DTLS and SRTP, participants inside the
//! process push all they have to say at once. The clock is the test's.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ringback_audio::{Codec, Decoder, Encoder, OpusSettings};
use ringback_rtp::{RtpHeader, RtpPacket, is_rtcp};

use crate::browser::Browser;
use crate::command::Command;
use crate::config::{PhoneCodec, PhoneMedia};
use crate::event::Event;
use crate::ports;
use crate::shared::{LegShared, PcmQueues, Way};
use crate::source::format_kind;
use crate::testing;
use crate::worker::{LegKey, Worker};

const TICK: Duration = Duration::from_millis(20);
pub const CODECS: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];
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
pub struct Phone {
    socket: UdpSocket,
    to: SocketAddr,
    pub key: LegKey,
    payload_type: u8,
    encoder: Encoder,
    decoder: Decoder,
    sequence: u16,
    /// Milliseconds of each packet it sends.
    packet_ms: u32,
    /// Milliseconds of its life, and of those what it has spoken for.
    lived_ms: u32,
    spoken_ms: u32,
    pub heard: Vec<i16>,
    /// How long each packet was that it was sent, in ticks of its clock.
    lengths: Vec<u32>,
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

pub fn media(codec: Codec, remote: SocketAddr) -> PhoneMedia {
    PhoneMedia { remote: Some(remote), trusted: true, ..PhoneMedia::plain(wire(codec)) }
}

impl Phone {
    pub fn new(worker: &mut Worker, name: &str, codec: Codec) -> Phone {
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
            packet_ms: 20,
            lived_ms: 0,
            spoken_ms: 0,
            heard: Vec::new(),
            lengths: Vec::new(),
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// 20 ms of what `sound` says at a time in seconds; `None`: nothing is sent.
    pub fn say(&mut self, worker: &mut Worker, sound: Option<&dyn Fn(f64) -> f64>) {
        self.lived_ms += 20;
        while self.spoken_ms + self.packet_ms <= self.lived_ms {
            if let Some(sound) = sound {
                self.packet(worker, sound);
            }
            self.spoken_ms += self.packet_ms;
        }
    }

    fn packet(&mut self, worker: &mut Worker, sound: &dyn Fn(f64) -> f64) {
        let (rate, begin) = (self.encoder.codec().sample_rate(), f64::from(self.spoken_ms) / 1000.0);
        let samples = rate / 1000 * self.packet_ms;
        let pcm: Vec<i16> = (0..samples).map(|n| sound(begin + f64::from(n) / f64::from(rate)) as i16).collect();
        let mut payload = Vec::new();
        self.encoder.encode(&pcm, rate, &mut payload).unwrap();
        self.send(worker, self.payload_type, false, &payload);
    }

    /// A packet of any type, as long into its life as it has spoken for.
    pub fn send(&mut self, worker: &mut Worker, payload_type: u8, marker: bool, payload: &[u8]) {
        let timestamp = self.spoken_ms * (self.encoder.codec().clock_rate() / 1000);
        let header = RtpHeader { payload_type, marker, sequence: self.sequence, timestamp, ssrc: 5 };
        let mut datagram = Vec::new();
        header.write(payload, &mut datagram);
        self.sequence = self.sequence.wrapping_add(1);
        worker.rtp_packet(self.key, self.socket.local_addr().unwrap(), &mut datagram);
    }

    /// What it was sent, of whatever type.
    pub fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2048];
        std::iter::from_fn(|| self.socket.recv(&mut buffer).ok().map(|n| buffer[..n].to_vec())).collect()
    }

    pub fn listen(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok((n, from)) = self.socket.recv_from(&mut buffer) {
            // Of another test, it may be for who had this port before. What is missing then is found by its content.
            if from != self.to || is_rtcp(&buffer[..n]) {
                continue;
            }
            let packet = RtpPacket::parse(&buffer[..n]).unwrap();
            assert_eq!(packet.payload_type, self.payload_type, "nothing but the agreed codec");
            self.lengths.extend(self.decoder.codec().ticks(packet.payload));
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

/// One end of what is said or heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Phone(Codec),
    /// What a browser speaks, who hears any codec.
    Browser(Codec),
    /// A participant inside the process.
    Inside,
}

/// Somebody at such an end.
enum Party {
    Phone(Box<Phone>),
    Browser(Box<Browser>),
    Inside(Arc<LegShared>, Vec<i16>),
}

impl Party {
    /// `other`: whom it listens to, where that has to be said.
    fn new(worker: &mut Worker, name: &str, end: End, other: &str) -> Party {
        match end {
            End::Phone(codec) => Party::Phone(Box::new(Phone::new(worker, name, codec))),
            End::Browser(codec) => Party::Browser(Box::new(Browser::new(worker, name, codec, other))),
            End::Inside => Party::Inside(insider(worker, name), Vec::new()),
        }
    }

    fn say(&mut self, worker: &mut Worker) {
        match self {
            Party::Phone(phone) => phone.say(worker, Some(&said)),
            Party::Browser(browser) => browser.say(worker, &said),
            Party::Inside(..) => {}
        }
    }

    fn listen(&mut self, worker: &mut Worker) {
        match self {
            Party::Phone(phone) => phone.listen(),
            Party::Browser(browser) => browser.turn(worker),
            Party::Inside(shared, heard) => heard.extend(shared.pcm.as_ref().unwrap().read()),
        }
    }

    fn words(&self) -> Vec<(usize, usize)> {
        match self {
            Party::Phone(phone) => words(&phone.heard, phone.decoder.sample_rate()),
            Party::Browser(browser) => words(&browser.heard, browser.rate()),
            Party::Inside(_, heard) => words(heard, OWN_RATE),
        }
    }
}

/// Who talks and who listens.
type Ends = (End, End);

/// Lets `ends.0` say everything; what `ends.1` hears, and which way it came.
fn heard((talks, listens): Ends, mixed: bool) -> (Vec<(usize, usize)>, Way) {
    let mut worker = testing::worker();
    let mut talker = Party::new(&mut worker, "talker", talks, "listener");
    let mut listener = Party::new(&mut worker, "listener", listens, "talker");
    let mut third = mixed.then(|| Phone::new(&mut worker, "third", Codec::Pcma));
    let lasts = SPEECH.len() as f64 * (WORD + PAUSE);
    if let Party::Inside(speaker, _) = &talker {
        let samples = (lasts * f64::from(OWN_RATE)) as usize;
        let all = (0..samples).map(|n| said(n as f64 / f64::from(OWN_RATE)) as i16);
        speaker.pcm.as_ref().unwrap().push(all);
    }
    let mut way = Way::None;
    for tick in 0..((lasts + 0.5) * 50.0) as usize {
        talker.say(&mut worker);
        if let Some(third) = &mut third {
            third.say(&mut worker, Some(&hum));
        }
        testing::pass(&mut worker, TICK);
        listener.listen(&mut worker);
        if tick == 90 {
            way = match &listener {
                Party::Browser(browser) if browser.kind == spoken(talks).map(format_kind) => Way::Forward,
                Party::Browser(_) => Way::Transcode,
                _ => worker.legs[&worker.leg_key("listener").unwrap()].shared.counters.way(),
            };
        }
    }
    (listener.words(), way)
}

/// The codec in which an end sends its packets.
fn spoken(end: End) -> Option<Codec> {
    match end {
        End::Phone(codec) | End::Browser(codec) => Some(codec),
        End::Inside => None,
    }
}

fn talkers() -> impl Iterator<Item = End> {
    let of = |end: fn(Codec) -> End| CODECS.into_iter().map(end);
    of(End::Phone).chain(of(End::Browser)).chain([End::Inside])
}

fn phones_and_insiders() -> impl Iterator<Item = End> {
    CODECS.into_iter().map(End::Phone).chain([End::Inside])
}

#[test]
fn every_word_of_everybody_is_heard_once_and_in_order_by_everybody_forwarded_or_transcoded() {
    for talks in talkers() {
        for listens in phones_and_insiders().chain([End::Browser(Codec::Opus)]) {
            let (heard, way) = heard((talks, listens), false);

            assert_whole(&heard, &format!("{talks:?} to {listens:?}"));
            let as_it_came = match listens {
                End::Phone(codec) => spoken(talks) == Some(codec),
                End::Browser(_) => talks != End::Inside,
                End::Inside => false,
            };
            let expected = if as_it_came { Way::Forward } else { Way::Transcode };
            assert_eq!(way, expected, "{talks:?} to {listens:?}");
        }
    }
}

#[test]
fn every_word_of_everybody_is_heard_once_and_in_order_by_everybody_among_others() {
    for talks in talkers() {
        for listens in phones_and_insiders() {
            let (heard, way) = heard((talks, listens), true);

            assert_whole(&heard, &format!("{talks:?} to {listens:?}"));
            assert_eq!(way, Way::Mix, "{talks:?} to {listens:?}");
        }
    }
}

#[test]
fn every_word_is_heard_whatever_the_lengths_of_packets_on_either_side() {
    for (talks, listens) in [
        (Codec::Pcmu, Codec::Pcmu),
        (Codec::G722, Codec::G722),
        (Codec::Opus, Codec::Opus),
        (Codec::Pcmu, Codec::Pcma),
        (Codec::Opus, Codec::Pcmu),
        (Codec::Pcma, Codec::Opus),
    ] {
        let lengths =
            [(10, 60), (60, 10), (30, 20), (20, 30), (40, 40), (60, 60), (30, 10), (10, 40), (50, 30), (30, 50)];
        for (theirs, ours) in lengths {
            if talks == Codec::Opus && [30, 50].contains(&theirs) {
                // No Opus frame lasts so long.
                continue;
            }
            let mut worker = testing::worker();
            let mut talker = Phone::new(&mut worker, "talker", talks);
            let mut listener = Phone::new(&mut worker, "listener", listens);
            talker.packet_ms = theirs;
            let mut agreed = media(listens, listener.socket.local_addr().unwrap());
            agreed.codec.ptime = Duration::from_millis(ours.into());
            worker.set_phone("listener", agreed);
            for _ in 0..((SPEECH.len() as f64 * (WORD + PAUSE) + 0.5) * 50.0) as usize {
                talker.say(&mut worker, Some(&said));
                testing::pass(&mut worker, TICK);
                listener.listen();
            }

            let what = format!("{talks:?} of {theirs} ms to {listens:?} of {ours} ms");
            assert_whole(&words(&listener.heard, listener.decoder.sample_rate()), &what);
            // Opus says in each packet how long it is, and ours are of 20 ms.
            let length = if listens == Codec::Opus { 20 } else { ours } * listens.clock_rate() / 1000;
            assert!(listener.lengths.iter().all(|ticks| *ticks == length), "{what}: {:?}", listener.lengths);
        }
    }
}

#[test]
fn packets_of_any_length_leave_at_that_distance_to_the_millisecond_and_the_words_in_them_are_whole() {
    for (talks, listens) in [(Codec::Pcmu, Codec::Pcmu), (Codec::G722, Codec::G722), (Codec::Opus, Codec::Pcma)] {
        for ours in [10, 20, 30, 40, 50, 60] {
            let mut worker = testing::worker();
            let mut talker = Phone::new(&mut worker, "talker", talks);
            let mut listener = Phone::new(&mut worker, "listener", listens);
            let mut agreed = media(listens, listener.socket.local_addr().unwrap());
            agreed.codec.ptime = Duration::from_millis(ours);
            worker.set_phone("listener", agreed);
            let began = worker.now;
            let mut left = Vec::new();
            for ms in 0..((SPEECH.len() as f64 * (WORD + PAUSE) + 0.5) * 1000.0) as u32 {
                if ms % 20 == 0 {
                    talker.say(&mut worker, Some(&said));
                }
                testing::pass(&mut worker, Duration::from_millis(1));
                listener.listen();
                left.resize(listener.lengths.len(), worker.now - began);
            }

            let what = format!("{talks:?} to {listens:?} of {ours} ms");
            assert_whole(&words(&listener.heard, listener.decoder.sample_rate()), &what);
            let wanted = Duration::from_millis(ours);
            // What was already on its way when the length was agreed on comes first.
            let off = left[2..].windows(2).filter(|pair| (pair[1] - pair[0]).abs_diff(wanted) > TICK / 20).count();
            assert_eq!(off, 0, "{what}: {left:?}");
            let (first, last) = (left[2], left[left.len() - 1]);
            assert!((last - first).abs_diff(wanted * (left.len() - 3) as u32) <= TICK / 20, "{what}: it drifts");
        }
    }
}

#[test]
fn a_far_end_that_says_when_it_is_silent_is_heard_as_silent_and_nothing_is_made_up_or_counted_as_lost() {
    const COMFORT_NOISE: u8 = 13;
    // Its pauses, from the first 20 ms behind a word on, are longer than what is concealed.
    let hushed = |at: f64| at % 0.6 >= 0.3;
    let tone = |at: f64| 8000.0 * (at * 700.0 * std::f64::consts::TAU).sin();
    for talks in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
        for listens in [End::Phone(talks), End::Phone(Codec::Opus), End::Inside] {
            for every in [1, 4, 100] {
                let mut worker = testing::worker();
                let mut talker = Phone::new(&mut worker, "talker", talks);
                let mut listener = Party::new(&mut worker, "listener", listens, "talker");
                let mut silent = 0;
                for tick in 0..300u32 {
                    if hushed(f64::from(tick) * 0.02 + 0.001) {
                        talker.lived_ms += 20;
                        if silent % every == 0 {
                            talker.send(&mut worker, COMFORT_NOISE, false, &[60, 10, 20]);
                        }
                        talker.spoken_ms += 20;
                        silent += 1;
                    } else {
                        silent = 0;
                        talker.say(&mut worker, Some(&tone));
                    }
                    testing::pass(&mut worker, TICK);
                    listener.listen(&mut worker);
                }

                let what = format!("{talks:?} to {listens:?}, noise in every {every}th of its 20 ms");
                let (sound, rate) = match &listener {
                    Party::Phone(phone) => (&phone.heard, phone.decoder.sample_rate()),
                    Party::Inside(_, heard) => (heard, OWN_RATE),
                    Party::Browser(_) => unreachable!("none listens"),
                };
                let loud = sound.chunks_exact(rate as usize / 200).map(|part| part.iter().any(|s| s.abs() > 800));
                let loud: Vec<bool> = loud.collect();
                let lasted: Vec<usize> =
                    loud.chunk_by(|a, b| a == b).filter(|run| run[0]).map(|run| run.len() * 5).collect();
                assert_eq!(lasted.len(), 10, "{what}: {lasted:?}");
                assert!(lasted.iter().all(|ms| (290..=315).contains(ms)), "{what}: {lasted:?}");
                let counters = &worker.legs[&talker.key].shared.counters;
                let wrong = [&counters.frames_concealed, &counters.packets_lost, &counters.packets_rejected];
                assert_eq!(wrong.map(|counter| counter.load(Relaxed)), [0, 0, 0], "{what}");
            }
        }
    }
}

#[test]
fn keys_and_comfort_noise_are_taken_out_of_what_is_forwarded_and_the_words_around_them_are_whole() {
    const EVENTS: u8 = 101;
    const COMFORT_NOISE: u8 = 13;
    for listens in [End::Phone(Codec::Pcmu), End::Phone(Codec::Opus), End::Browser(Codec::Opus), End::Inside] {
        let mut worker = testing::worker();
        let mut talker = Phone::new(&mut worker, "talker", Codec::Pcmu);
        let mut listener = Party::new(&mut worker, "listener", listens, "talker");
        let agreed = media(Codec::Pcmu, talker.socket.local_addr().unwrap());
        let events = Some(EVENTS);
        let agreed = PhoneMedia { dtmf_payload_type: events, dtmf_receive_payload_type: events, ..agreed };
        worker.set_phone("talker", agreed);
        // In the pause behind each word: keys behind the even ones, noise of the far end's room behind the odd ones.
        let pause = |at: f64| (at % (WORD + PAUSE) > WORD + 0.02).then_some((at / (WORD + PAUSE)) as usize);
        let mut pressed = Vec::new();
        for tick in 0..((SPEECH.len() as f64 * (WORD + PAUSE) + 0.5) * 50.0) as u32 {
            match pause(f64::from(tick) * 0.02 + 0.001).filter(|word| *word < SPEECH.len()) {
                Some(word) => {
                    talker.lived_ms += 20;
                    let step = (f64::from(tick) * 0.02 - (word as f64 * (WORD + PAUSE) + WORD + 0.02)) / 0.02;
                    let step = step.round() as u16;
                    if word % 2 == 1 {
                        if step == 0 {
                            talker.send(&mut worker, COMFORT_NOISE, false, &[60, 10, 20]);
                        }
                        talker.spoken_ms += 20;
                    } else {
                        // One event of 80 ms: its packets carry the time at which it began.
                        let ends = if step == 3 { 3 } else { 1 };
                        for again in 0..ends {
                            let [high, low] = ((step + 1) * 160).to_be_bytes();
                            let end = if step == 3 { 0x80 } else { 0 };
                            let first = step == 0 && again == 0;
                            talker.send(&mut worker, EVENTS, first, &[(word / 2) as u8, end | 10, high, low]);
                        }
                        if step == 3 {
                            talker.spoken_ms = talker.lived_ms;
                        }
                    }
                }
                None => talker.say(&mut worker, Some(&said)),
            }
            testing::pass(&mut worker, TICK);
            listener.listen(&mut worker);
            pressed.extend(worker.mailbox.drain().into_iter().filter_map(|event| match event {
                Event::Digit { leg, digit, .. } if leg == "talker" => Some(digit),
                _ => None,
            }));
        }

        let order: Vec<usize> = listener.words().iter().map(|(word, _)| *word).collect();
        assert_eq!(order, SPEECH, "{listens:?}: {:?}", listener.words());
        assert_eq!(pressed, ['0', '1', '2', '3', '4', '5'], "{listens:?}: each key is told once");
        let counters = &worker.legs[&talker.key].shared.counters;
        let made_up = [&counters.frames_concealed, &counters.packets_lost].map(|counter| counter.load(Relaxed));
        assert_eq!(made_up, [0, 0], "{listens:?}: a key and a silence are no losses");
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
