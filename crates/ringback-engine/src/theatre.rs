//! Video phones on a clock that a test turns: cameras that film, screens that decode, networks that lose, and a studio
//! that composes, with nothing real about them but the codecs.

use std::collections::VecDeque;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringback_audio::Codec;
use ringback_pictures::{Order, Yield};
use ringback_pixels::{Decoder, Encoder, Picture, Quality, Studio};
use ringback_rtp::video::{Depacketizer, Frame, Missing, Packetizer, VideoCodec};
use ringback_rtp::{
    Extended16, Feedback, Rtcp, RtpHeader, RtpPacket, is_rtcp, missing_of, parse_compound, parse_feedback,
    write_compound, write_nack, write_pli,
};
use ringback_sfu::Speaker;
use rustix::event::epoll;

use crate::command::Command;
use crate::composing::Making;
use crate::config::{PhoneCodec, PhoneMedia};
use crate::maker::{coding, made, view};
use crate::pictures::{Made, PictureId, Pictures, Scene, SourceId};
use crate::shared::LegShared;
use crate::video_media::VideoMedia;
use crate::worker::{LegKey, Worker};
use crate::{ports, testing};

/// How far apart blueness and redness of the same colour may be after coding.
const ALIKE: u8 = 24;
const STEP: Duration = Duration::from_millis(5);
/// From a phone to the engine, or back.
const ONE_WAY: Duration = Duration::from_millis(30);
/// A flash, and a beep with it, lasts so long and comes every second.
const FLASH: Duration = Duration::from_millis(300);
/// The maker's number among the worker's.
const STUDIO: u64 = 77;

pub const GREEN: [u8; 3] = [145, 54, 34];
pub const BLUE: [u8; 3] = [41, 240, 110];
pub const RED: [u8; 3] = [81, 90, 240];
pub const WHITE: [u8; 3] = [235, 128, 128];

/// What a phone is like.
#[derive(Clone)]
pub struct Terms {
    pub codec: VideoCodec,
    /// Packets that miss are asked for and sent again.
    pub nack: bool,
    /// Of its pictures and, as wanted, of those that are made for it.
    pub size: (u16, u16),
    pub fps: u8,
    pub bitrate_bps: u32,
}

pub fn terms(codec: VideoCodec) -> Terms {
    Terms { codec, nack: false, size: (320, 180), fps: 15, bitrate_bps: 300_000 }
}

/// A picture as it was shown.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub at: Instant,
    pub size: (usize, usize),
    /// Mean of a spot left of the middle, which is in the largest tile of every layout.
    pub colour: [u8; 3],
    pub timestamp: u32,
}

impl Seen {
    pub fn shows(&self, colour: [u8; 3]) -> bool {
        (1..3).all(|plane| self.colour[plane].abs_diff(colour[plane]) < ALIKE)
    }
}

/// A microphone that beeps while its camera flashes, and what is heard: 20 ms of PCMU a packet.
struct Sound {
    socket: UdpSocket,
    due: Instant,
    sequence: u16,
    /// Hums all the time instead.
    hums: bool,
}

/// What a stream says of itself: the last report's wall clock and timestamp, and whose they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clock {
    ntp: u64,
    timestamp: u32,
    rate: u32,
    pub cname: String,
}

impl Clock {
    /// The wall clock of a timestamp, in milliseconds from anywhere, as a receiver that plays in step reckons it.
    pub fn wall_ms(&self, timestamp: u32) -> f64 {
        let since = f64::from(timestamp.wrapping_sub(self.timestamp) as i32) * 1000.0 / f64::from(self.rate);
        (self.ntp & 0xffff_ffff_ffff) as f64 * 1000.0 / 4_294_967_296.0 + since
    }

    fn read(&mut self, datagram: &[u8], rate: u32) {
        for packet in parse_compound(datagram).unwrap_or_default() {
            match packet {
                Rtcp::SenderReport { info, .. } => {
                    (self.ntp, self.timestamp, self.rate) = (info.ntp, info.rtp_timestamp, rate);
                }
                Rtcp::SourceDescription(of) => {
                    self.cname = of.first().and_then(|(_, name)| name.clone()).unwrap_or_default();
                }
                _ => {}
            }
        }
    }
}

pub struct Camera {
    colour: [u8; 3],
    pub encoder: Encoder,
    packetizer: Packetizer,
    number: u32,
    due: Instant,
    sequence: u16,
    pub key_wanted: bool,
    sent: VecDeque<(u16, Vec<u8>)>,
    pub frozen: bool,
}

struct Screen {
    frames: Depacketizer,
    decoder: Decoder,
    extended: Extended16,
    missing: Missing,
    asked: Option<Instant>,
    ssrc: u32,
}

/// A phone far away.
pub struct Far {
    pub id: &'static str,
    pub key: LegKey,
    socket: UdpSocket,
    terms: Terms,
    camera: Option<Camera>,
    screen: Screen,
    pub seen: Vec<Seen>,
    /// When each RTP packet came and how long it was with its header.
    pub received: Vec<(Instant, usize)>,
    pub broken: usize,
    gone: bool,
    sound: Option<Sound>,
    /// When beeps began, with their timestamps.
    pub beeps: Vec<(Instant, u32)>,
    silent_since: Option<Instant>,
    /// Of the pictures, and of the sound.
    pub clocks: (Clock, Clock),
}

/// Everything.
pub struct Theatre {
    pub worker: Worker,
    pub far: Vec<Far>,
    /// Of a thousand packets so many are lost on each way.
    pub loss: usize,
    random: u64,
    up: VecDeque<(Instant, usize, Vec<u8>)>,
    spoken: VecDeque<(Instant, usize, Vec<u8>)>,
    pub flashes: bool,
    down: VecDeque<(Instant, usize, Vec<u8>)>,
    studio_us: Arc<AtomicU64>,
    begun: Instant,
}

/// What composes, called directly.
struct OnStage {
    studio: Mutex<Studio>,
    now_us: Arc<AtomicU64>,
    said: Vec<Yield>,
    ready: OwnedFd,
}

impl OnStage {
    fn order(&mut self, order: Order) {
        let now_us = self.now_us.load(Relaxed);
        self.studio.lock().expect("one thread").order(order, now_us, &mut self.said);
    }
}

impl Pictures for OnStage {
    fn show(&mut self, picture: PictureId, scene: Scene) {
        self.order(Order::View { view: picture.0, what: view(&scene) });
    }

    fn drop_picture(&mut self, picture: PictureId) {
        self.order(Order::Close { view: picture.0 });
    }

    fn feed(&mut self, source: SourceId, codec: VideoCodec, frame: &Frame) {
        let at_us = self.now_us.load(Relaxed);
        self.order(Order::Frame { source: source.0, coding: coding(codec), at_us, data: frame.data.clone() });
    }

    fn forget(&mut self, source: SourceId) {
        self.order(Order::Gone { source: source.0 });
    }

    fn key_frame(&mut self, picture: PictureId) {
        self.order(Order::Key { view: picture.0 });
    }

    fn bitrate(&mut self, _: PictureId, _: u32) {}

    fn event_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }

    fn take(&mut self) -> Vec<Made> {
        let now_us = self.now_us.load(Relaxed);
        self.studio.lock().expect("one thread").wake(now_us, &mut self.said);
        std::mem::take(&mut self.said).into_iter().filter_map(made).collect()
    }
}

impl Theatre {
    pub fn open() -> Theatre {
        let mut worker = testing::worker();
        worker.set_pixels("/nowhere".into());
        let begun = worker.now;
        let studio_us = Arc::new(AtomicU64::new(1_000_000));
        let (up, down, spoken) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let (far, flashes) = (Vec::new(), false);
        Theatre { worker, far, loss: 0, random: 1, up, spoken, flashes, down, studio_us, begun }
    }

    /// A phone calls; `colour`: it has a camera that films it.
    pub fn call(&mut self, id: &'static str, terms: Terms, colour: Option<[u8; 3]>) -> usize {
        let worker = &mut self.worker;
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        let (room, leg) = ("room".to_owned(), id.to_owned());
        worker.command(Command::OpenPhone { room, leg, rtp, rtcp, shared: Arc::new(LegShared::default()) });
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        worker.command(Command::OpenPhoneVideo { leg: id.to_owned(), rtp, rtcp });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        worker.set_phone_video(id, Some(media(&socket, &terms)));
        let key = worker.leg_key(id).unwrap();
        self.build_studio();
        let now = self.worker.now;
        let screen = Screen::new(&terms);
        let camera = colour.map(|colour| Camera::new(&terms, colour, now));
        let (seen, received) = (Vec::new(), Vec::new());
        self.far.push(Far {
            id,
            key,
            socket,
            terms,
            camera,
            screen,
            seen,
            received,
            broken: 0,
            gone: false,
            sound: None,
            beeps: vec![],
            silent_since: None,
            clocks: Default::default(),
        });
        self.far.len() - 1
    }

    /// Give a phone a microphone and an ear. `hums`: it is one more sound in the room, so that all is mixed.
    pub fn listen(&mut self, who: usize, hums: bool) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let at = socket.local_addr().unwrap();
        let codec = PhoneCodec {
            codec: Codec::Pcmu,
            payload_type: 0,
            receive_payload_type: 0,
            ptime: Duration::from_millis(20),
        };
        let media =
            PhoneMedia { remote: Some(at), trusted: true, rtcp_port: Some(at.port()), ..PhoneMedia::plain(codec) };
        self.worker.set_phone(self.far[who].id, media);
        self.far[who].sound = Some(Sound { socket, due: self.worker.now, sequence: 1, hums });
    }

    /// Sound both ways: it travels as long as pictures do.
    fn speak_and_hear(&mut self, who: usize, now: Instant) {
        let (begun, far) = (self.begun, &mut self.far[who]);
        let Some(sound) = &mut far.sound else { return };
        if now >= sound.due {
            sound.due += Duration::from_millis(20);
            sound.sequence += 1;
            let payload = match is_flash(now - begun) {
                _ if sound.hums => [[0x58u8, 0xd8]; 80].concat(),
                true => [[0x10u8, 0x90]; 80].concat(),
                false => vec![0xff; 160],
            };
            let (sequence, timestamp) = (sound.sequence, u32::from(sound.sequence) * 160);
            let mut datagram = Vec::new();
            RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 9 }.write(&payload, &mut datagram);
            self.spoken.push_back((now + ONE_WAY, who, datagram));
        }
        let mut buffer = [0; 2048];
        while let Ok(n) = sound.socket.recv(&mut buffer) {
            if is_rtcp(&buffer[..n]) {
                far.clocks.1.read(&buffer[..n], 8000);
                continue;
            }
            let packet = RtpPacket::parse(&buffer[..n]).unwrap();
            if packet.payload.iter().filter(|byte| **byte & 0x7f < 0x30).count() < 40 {
                far.silent_since.get_or_insert(now);
            } else if far.silent_since.take().is_some_and(|since| now >= since + FLASH) {
                far.beeps.push((now + ONE_WAY, packet.timestamp));
            }
        }
    }

    fn build_studio(&mut self) {
        let room = self.worker.rooms.get_mut("room").unwrap();
        if room.making.is_none() {
            let ready = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
            let (studio, now_us) = (Mutex::new(Studio::default()), self.studio_us.clone());
            room.making = Some(Box::new(Making::by(Box::new(OnStage { studio, now_us, said: Vec::new(), ready }))));
            let id = room.id.clone();
            self.worker.makers.insert(STUDIO, id);
        }
    }

    pub fn hang_up(&mut self, who: usize) {
        self.worker.command(Command::CloseLeg(self.far[who].id.into()));
        self.far[who].gone = true;
    }

    /// The room takes somebody for its speaker from now on.
    pub fn speaks(&mut self, who: usize) {
        let (now, key) = (self.worker.now, self.far[who].key.0);
        let speaker = &mut self.worker.rooms.get_mut("room").unwrap().speaker;
        *speaker = Speaker::default();
        while speaker.active() != Some(key) {
            speaker.report(key, -20, now);
        }
    }

    /// Its camera sends nothing, or goes on.
    pub fn freeze(&mut self, who: usize, frozen: bool) {
        self.far[who].camera.as_mut().unwrap().frozen = frozen;
    }

    pub fn pass(&mut self, ms: u64) {
        let end = self.worker.now + Duration::from_millis(ms);
        while self.worker.now < end {
            self.step();
        }
    }

    fn is_lost(&mut self) -> bool {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) as usize) % 1000 < self.loss
    }

    fn step(&mut self) {
        testing::pass(&mut self.worker, STEP);
        let now = self.worker.now;
        self.studio_us.store(1_000_000 + (now - self.begun).as_micros() as u64, Relaxed);
        for who in 0..self.far.len() {
            if self.far[who].gone {
                continue;
            }
            self.speak_and_hear(who, now);
            let flash = self.flashes && is_flash(now - self.begun);
            for datagram in self.far[who].film(now, flash) {
                self.send_up(who, datagram);
            }
            let mut buffer = [0; 2048];
            while let Ok(n) = self.far[who].socket.recv(&mut buffer) {
                if !self.is_lost() {
                    self.down.push_back((now + ONE_WAY, who, buffer[..n].to_vec()));
                }
            }
        }
        while self.up.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, who, mut datagram) = self.up.pop_front().unwrap();
            let (key, from) = (self.far[who].key, self.far[who].socket.local_addr().unwrap());
            self.worker.video_datagram(key, from, &mut datagram);
        }
        while self.spoken.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, who, mut datagram) = self.spoken.pop_front().unwrap();
            let (key, from) = (self.far[who].key, self.far[who].sound.as_ref().unwrap().socket.local_addr().unwrap());
            self.worker.rtp_packet(key, from, &mut datagram);
        }
        self.worker.maker_ready(STUDIO);
        while self.down.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, who, datagram) = self.down.pop_front().unwrap();
            for answer in self.far[who].receive(&datagram, now) {
                self.send_up(who, answer);
            }
        }
    }

    fn send_up(&mut self, who: usize, datagram: Vec<u8>) {
        if !self.is_lost() {
            self.up.push_back((self.worker.now + ONE_WAY, who, datagram));
        }
    }

    /// When `who` first saw `colour` in the spot, counted from `since`.
    pub fn first_seen(&self, who: usize, colour: [u8; 3], since: Instant) -> Option<Duration> {
        let seen = self.far[who].seen.iter().find(|seen| seen.at >= since && seen.shows(colour));
        seen.map(|seen| seen.at - since)
    }

    /// The longest that a picture stood still between two moments.
    pub fn longest_still(&self, who: usize, from: Instant, to: Instant) -> Duration {
        let within = self.far[who].seen.iter().map(|seen| seen.at).filter(|at| (from..to).contains(at));
        let times: Vec<Instant> = std::iter::once(from).chain(within).chain([to]).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }
}

fn media(far: &UdpSocket, terms: &Terms) -> VideoMedia {
    let remote = far.local_addr().unwrap();
    VideoMedia {
        remote: Some(remote),
        trusted: true,
        rtcp_port: Some(remote.port()),
        pli: true,
        nack: terms.nack,
        bitrate_bps: terms.bitrate_bps,
        width: terms.size.0,
        height: terms.size.1,
        fps: terms.fps,
        ..VideoMedia::plain(terms.codec, 96)
    }
}

/// Three tenths of each second, from its half on.
fn is_flash(since: Duration) -> bool {
    (Duration::from_millis(500)..Duration::from_millis(500) + FLASH)
        .contains(&Duration::from_millis(since.as_millis() as u64 % 1000))
}

fn pli(ssrc: u32) -> Vec<u8> {
    let mut request = Vec::new();
    write_compound(&[Rtcp::ReceiverReport { ssrc: 5, blocks: vec![] }], &mut request);
    write_pli(5, ssrc, &mut request);
    request
}

impl Camera {
    pub fn new(terms: &Terms, colour: [u8; 3], now: Instant) -> Camera {
        let quality = Quality {
            coding: coding(terms.codec),
            longest_unit: 1100,
            width: terms.size.0.into(),
            height: terms.size.1.into(),
            rate: terms.fps.into(),
            bitrate_bps: terms.bitrate_bps,
        };
        Camera {
            colour,
            encoder: Encoder::new(quality).expect("libvpx is here: make peers installs it"),
            packetizer: Packetizer::new(terms.codec, 0, 7),
            number: 0,
            due: now,
            sequence: 65_000,
            key_wanted: true,
            sent: VecDeque::new(),
            frozen: false,
        }
    }

    /// The picture that is due: its timestamp and payloads.
    pub fn film(&mut self, now: Instant, flash: bool) -> Option<(u32, Vec<Vec<u8>>)> {
        if now < self.due {
            return None;
        }
        let fps = self.encoder.quality().rate;
        self.due += Duration::from_secs(1) / fps;
        self.number += 1;
        if self.frozen {
            return None;
        }
        let key = std::mem::take(&mut self.key_wanted);
        let at_us = u64::from(self.number) * 1_000_000 / u64::from(fps);
        let mut picture = self.look();
        if flash {
            let (width, height) = (picture.width, picture.height);
            picture.fill(0, 0, width, height, WHITE);
        }
        let made = self.encoder.encode(&picture, at_us, key).expect("a picture");
        Some(((at_us * 9 / 100) as u32, self.packetizer.packetize(&made.data)))
    }

    /// A room with a bar that moves and noise that costs bits.
    fn look(&self) -> Picture {
        let quality = self.encoder.quality();
        let mut picture = Picture::new(quality.width, quality.height, self.colour);
        let mut noise = u64::from(self.number) | 1;
        for (at, pixel) in picture.y.iter_mut().enumerate() {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            *pixel = (usize::from(*pixel) / 2 + 50 + (at / 16 + self.number as usize) % 24 + noise as usize % 8) as u8;
        }
        let bar = (self.number as usize * 8 % quality.width) & !1;
        picture.fill(bar, 0, 16.min(quality.width - bar), (quality.height / 8) & !1, [235, 128, 128]);
        picture
    }
}

impl Screen {
    fn new(terms: &Terms) -> Screen {
        Screen {
            frames: Depacketizer::new(terms.codec),
            decoder: Decoder::new(coding(terms.codec)).expect("libvpx is here: make peers installs it"),
            extended: Extended16::default(),
            missing: Missing::new(terms.nack),
            asked: None,
            ssrc: 0,
        }
    }
}

impl Far {
    /// Packets of the picture that is due.
    fn film(&mut self, now: Instant, flash: bool) -> Vec<Vec<u8>> {
        let Some(camera) = &mut self.camera else { return vec![] };
        let Some((timestamp, payloads)) = camera.film(now, flash) else { return vec![] };
        let last = payloads.len() - 1;
        let mut datagrams = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            let (marker, sequence, ssrc) = (index == last, camera.sequence, 1000 + self.key.0 as u32);
            let mut datagram = Vec::new();
            RtpHeader { payload_type: 96, marker, sequence, timestamp, ssrc }.write(payload, &mut datagram);
            camera.sequence = sequence.wrapping_add(1);
            camera.sent.push_back((sequence, datagram.clone()));
            datagrams.push(datagram);
        }
        camera.sent.drain(..camera.sent.len().saturating_sub(300));
        datagrams
    }

    /// A datagram came; what is answered to it.
    fn receive(&mut self, datagram: &[u8], now: Instant) -> Vec<Vec<u8>> {
        if is_rtcp(datagram) {
            self.clocks.0.read(datagram, VideoCodec::CLOCK_RATE);
            return parse_feedback(datagram).into_iter().flat_map(|asked| self.asked(asked)).collect();
        }
        self.received.push((now, datagram.len()));
        let packet = RtpPacket::parse(datagram).unwrap();
        let screen = &mut self.screen;
        screen.ssrc = packet.ssrc;
        let sequence = screen.extended.extend(packet.sequence);
        let lost = screen.missing.receive(sequence, now);
        screen.frames.push(sequence, packet.timestamp, packet.marker, packet.payload);
        if lost && screen.frames.has_gap() {
            screen.frames.give_up();
        }
        while let Some(frame) = screen.frames.pop() {
            match screen.decoder.decode(&frame.data) {
                Ok(Some(picture)) => {
                    let even = |n: usize| n & !1;
                    let (x, y) = (even(picture.width * 3 / 10), even(picture.height / 2));
                    let colour = picture.mean(x, y, even(picture.width / 10), even(picture.height / 10));
                    let size = (picture.width, picture.height);
                    self.seen.push(Seen { at: now, size, colour, timestamp: frame.timestamp });
                }
                Ok(None) => {}
                Err(_) => self.broken += 1,
            }
        }
        let mut answers = Vec::new();
        let missing: Vec<u16> = screen.missing.to_ask(now).into_iter().map(|n| n as u16).collect();
        if self.terms.nack && !missing.is_empty() {
            let mut request = Vec::new();
            write_compound(&[Rtcp::ReceiverReport { ssrc: 5, blocks: vec![] }], &mut request);
            write_nack(5, packet.ssrc, &missing, &mut request);
            answers.push(request);
        }
        if screen.frames.wants_key_frame() && screen.asked.is_none_or(|at| now >= at + Duration::from_millis(300)) {
            screen.asked = Some(now);
            answers.push(pli(packet.ssrc));
        }
        answers
    }

    fn asked(&mut self, asked: Feedback) -> Vec<Vec<u8>> {
        let Some(camera) = &mut self.camera else { return vec![] };
        match asked {
            Feedback::Missing { packets, .. } => {
                let named = |sequence: u16| camera.sent.iter().find(|(sent, _)| *sent == sequence);
                missing_of(packets).filter_map(named).map(|(_, datagram)| datagram.clone()).collect()
            }
            _ => {
                camera.key_wanted = true;
                vec![]
            }
        }
    }
}
