//! Telephones with cameras and screens on one socket: each plays a film that was encoded before, and says when what it
//! is shown came.
//!
//! Whoever forwards a packet leaves the end of its payload as it is: by that a packet is known again, and how long it
//! was on its way. What is composed is kept, to be decoded after the run: decoders would take the processor from what
//! is measured.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_rtp::video::{Depacketizer, Frame, PAYLOAD, VideoCodec, h264, vp8};
use ringback_rtp::{
    Extended16, Feedback, Rtcp, RtpHeader, RtpPacket, is_rtcp, parse_feedback, write_compound, write_pli,
};

use crate::browser::{Browser, Flow};
use crate::figures::Delays;
use crate::sys::{Taker, now_ns, send_all, stamp_arrivals};

/// A report is sent so often, and a whole picture that does not come is asked for again.
const REPORT: Duration = Duration::from_secs(1);
const ASK_AGAIN: Duration = Duration::from_millis(500);
const PAYLOAD_TYPE: u8 = 96;
/// What str0m puts into a packet at most.
const BROWSERS_PAYLOAD: usize = 1050;
/// Pictures of a camera whose times are remembered.
const MOST_PICTURES: usize = 8192;
/// Bytes at the end of a payload by which it is known.
const KNOWN_BY: usize = 16;
/// A packet that took longer is another one that ends alike.
const LONGEST_WAY_NS: u64 = 1_000_000_000;

/// Encoded pictures that are shown again and again; the first needs no other.
#[derive(Debug, Clone)]
pub struct Film {
    /// How it is encoded.
    pub codec: VideoCodec,
    /// H.264's packetization-mode.
    pub mode: u8,
    /// Pictures in a second.
    pub fps: u32,
    /// Each as its encoder gave it.
    pub frames: Vec<Vec<u8>>,
}

/// One camera: what of its film is due.
struct Camera {
    film: Arc<Film>,
    /// Longest payload.
    longest: usize,
    /// Its next picture, and how many it has shown.
    at: usize,
    shown: u32,
    due: Duration,
}

impl Camera {
    fn new(film: Arc<Film>, number: usize, longest: usize) -> Camera {
        // Cameras of strangers do not film in step.
        let due = Duration::from_micros(number as u64 * 13_700 % 66_000);
        Camera { film, longest, at: 0, shown: 0, due }
    }

    /// What is due of it: the number of the picture in the film, its time at 90 kHz, and its payloads.
    fn film(&mut self, passed: Duration) -> Option<(usize, u32, Vec<Vec<u8>>)> {
        if passed < self.due {
            return None;
        }
        self.due += Duration::from_secs(1) / self.film.fps;
        let (at, shown) = (self.at, self.shown);
        self.at = (at + 1) % self.film.frames.len();
        self.shown += 1;
        let frame = &self.film.frames[at];
        let payloads = match self.film.codec {
            VideoCodec::Vp8 => vp8::packetize(frame, shown as u16 & 0x7fff, self.longest),
            VideoCodec::H264 => h264::packetize(frame, self.film.mode == 1, self.longest),
        };
        Some((at, shown * (VideoCodec::CLOCK_RATE / self.film.fps), payloads))
    }
}

/// When what was sent: packets by the camera and their ends, pictures by the camera.
#[derive(Default)]
struct Sent {
    packets: HashMap<(usize, u16, [u8; KNOWN_BY]), u64>,
    pictures: HashMap<usize, Vec<(usize, u64)>>,
}

impl Sent {
    fn note(&mut self, camera: usize, payload: &[u8], at_ns: u64) {
        if let Some(end) = payload.last_chunk::<KNOWN_BY>() {
            self.packets.insert((camera, payload.len() as u16, *end), at_ns);
        }
    }

    fn show(&mut self, camera: usize, picture: usize, at_ns: u64) {
        let pictures = self.pictures.entry(camera).or_default();
        if pictures.len() >= MOST_PICTURES {
            pictures.drain(..MOST_PICTURES / 2);
        }
        pictures.push((picture, at_ns));
    }

    /// How long this packet of that camera took; `None`: it is not one of it as it was sent. VP8's numbers may have
    /// grown by the way.
    fn way(&self, camera: usize, payload: &[u8], at_ns: u64) -> Option<u64> {
        let end = payload.last_chunk::<KNOWN_BY>()?;
        let sent = self.packets.get(&(camera, payload.len() as u16, *end))?;
        at_ns.checked_sub(*sent).filter(|way| *way < LONGEST_WAY_NS)
    }
}

/// Where a video telephone sits.
pub struct VideoSeat {
    /// The server's port for its pictures.
    pub to: SocketAddrV4,
    /// What it shows; `None`: it only watches.
    pub film: Option<Arc<Film>>,
    /// How what it is shown is encoded.
    pub watches: VideoCodec,
    /// Whose pictures it is passed on: as `sit` and `film_by` numbered them.
    pub passed_on: Option<usize>,
    /// What it is shown is kept.
    pub keeps: bool,
}

struct Phone {
    seat: VideoSeat,
    camera: Option<Camera>,
    sequence: u16,
    frames: Depacketizer,
    extended: Extended16,
    ssrc: u32,
    asked: Option<Instant>,
    reported: Instant,
    kept: Vec<(u64, Frame)>,
    /// Whole pictures that came, when the last one did, and the longest time without.
    pictures: u64,
    last: Option<Instant>,
    longest: Duration,
}

/// What the screens of a run saw.
#[derive(Debug, Default)]
pub struct Watched {
    /// Packets of cameras.
    pub sent: u64,
    /// Packets of pictures that came.
    pub received: u64,
    /// Bits that came, RTP headers and all.
    pub bits: u64,
    /// Pictures that came whole.
    pub pictures: u64,
    /// The least that any screen was shown.
    pub least: u64,
    /// The longest that any screen stood still.
    pub longest_still: Duration,
    /// Times a camera was asked for a whole picture.
    pub restarts: u64,
    /// From the camera to the screen, of packets that were passed on.
    pub ways: Delays,
}

/// Browsers that film what telephones watch.
struct Filming {
    browser: Browser,
    camera: Camera,
    number: usize,
}

/// The telephones, and the browsers that film for them.
pub struct VideoPhones {
    socket: UdpSocket,
    taker: Taker,
    phones: Vec<Phone>,
    by_source: HashMap<SocketAddrV4, usize>,
    browsers: Vec<Filming>,
    sent: Sent,
    began: Instant,
    passed_ms: u64,
}

impl VideoPhones {
    /// None yet, behind one address of this machine.
    pub fn new() -> io::Result<VideoPhones> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        stamp_arrivals(&socket)?;
        Ok(VideoPhones {
            socket,
            taker: Taker::default(),
            phones: Vec::new(),
            by_source: HashMap::new(),
            browsers: Vec::new(),
            sent: Sent::default(),
            began: Instant::now(),
            passed_ms: 0,
        })
    }

    /// Where the server is to send RTP and RTCP.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it was bound")
    }

    /// Somebody calls; its number.
    pub fn sit(&mut self, seat: VideoSeat) -> usize {
        let number = self.phones.len();
        self.by_source.insert(seat.to, number);
        let camera = seat.film.clone().map(|film| Camera::new(film, number, PAYLOAD));
        let frames = Depacketizer::new(seat.watches);
        self.phones.push(Phone {
            seat,
            camera,
            sequence: 1,
            frames,
            extended: Extended16::default(),
            ssrc: 0,
            asked: None,
            reported: Instant::now(),
            kept: Vec::new(),
            pictures: 0,
            last: None,
            longest: Duration::ZERO,
        });
        number
    }

    /// A browser films, too; its number is what `passed_on` names it by.
    pub fn film_by(&mut self, browser: Browser, film: Arc<Film>) -> usize {
        let number = usize::MAX - self.browsers.len();
        let camera = Camera::new(film, self.browsers.len(), BROWSERS_PAYLOAD);
        self.browsers.push(Filming { browser, camera, number });
        number
    }

    /// The same with what a telephone is passed on, once that is known.
    pub fn watch(&mut self, phone: usize, camera: usize) {
        self.phones[phone].seat.passed_on = Some(camera);
    }

    /// Film and watch for a time.
    pub fn run(&mut self, time: Duration) -> Watched {
        if self.passed_ms == 0 {
            self.began = Instant::now();
        }
        let mut watched = Watched::default();
        self.phones.iter_mut().for_each(|phone| phone.longest = Duration::ZERO);
        let before: Vec<u64> = self.phones.iter().map(|phone| phone.pictures).collect();
        let end = self.passed_ms + time.as_millis() as u64;
        while self.passed_ms < end {
            self.passed_ms += 1;
            let due = self.began + Duration::from_millis(self.passed_ms);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.film(&mut watched);
            self.watch_all(&mut watched);
            self.ask_and_report();
        }
        let seen = self.phones.iter().zip(before).map(|(phone, before)| phone.pictures - before);
        watched.least = seen.clone().min().unwrap_or(0);
        watched.pictures = seen.sum();
        let now = Instant::now();
        let still = |phone: &Phone| phone.longest.max(phone.last.map_or(Duration::ZERO, |last| now - last));
        watched.longest_still = self.phones.iter().map(still).max().unwrap_or_default();
        watched
    }

    fn film(&mut self, watched: &mut Watched) {
        let VideoPhones { phones, browsers, sent, socket, passed_ms, .. } = self;
        let passed = Duration::from_millis(*passed_ms);
        for (number, phone) in phones.iter_mut().enumerate() {
            let Some((at, timestamp, payloads)) = phone.camera.as_mut().and_then(|camera| camera.film(passed)) else {
                continue;
            };
            let mut datagrams = Vec::with_capacity(payloads.len());
            for (index, payload) in payloads.iter().enumerate() {
                let (marker, ssrc) = (index + 1 == payloads.len(), 0x5000 + number as u32);
                let mut datagram = Vec::with_capacity(12 + payload.len());
                let header =
                    RtpHeader { payload_type: PAYLOAD_TYPE, marker, sequence: phone.sequence, timestamp, ssrc };
                header.write(payload, &mut datagram);
                phone.sequence = phone.sequence.wrapping_add(1);
                datagrams.push((phone.seat.to, datagram));
            }
            let now = now_ns();
            payloads.iter().for_each(|payload| sent.note(number, payload, now));
            send_all(socket, &datagrams);
            sent.show(number, at, now);
            watched.sent += payloads.len() as u64;
        }
        for Filming { browser, camera, number } in browsers {
            if std::mem::take(&mut browser.key_wanted) {
                camera.at = 0;
                watched.restarts += 1;
            }
            if *passed_ms % 20 == 0 {
                browser.speak();
            }
            if let Some((at, timestamp, payloads)) = camera.film(passed) {
                let now = now_ns();
                payloads.iter().for_each(|payload| sent.note(*number, payload, now));
                browser.show(&payloads, timestamp);
                sent.show(*number, at, now);
                watched.sent += payloads.len() as u64;
            }
            browser.run(|_, _| {});
        }
    }

    fn watch_all(&mut self, watched: &mut Watched) {
        let VideoPhones { socket, taker, phones, by_source, sent, .. } = self;
        while taker.take(socket, |datagram| {
            let Some(phone) = by_source.get(&datagram.from).map(|number| &mut phones[*number]) else { return };
            if is_rtcp(datagram.bytes) {
                let wanted = |asked: &Feedback| !matches!(asked, Feedback::Missing { .. });
                if let Some(camera) =
                    phone.camera.as_mut().filter(|_| parse_feedback(datagram.bytes).iter().any(wanted))
                {
                    camera.at = 0;
                    watched.restarts += 1;
                }
                return;
            }
            let Ok(packet) = RtpPacket::parse(datagram.bytes) else { return };
            phone.ssrc = packet.ssrc;
            watched.received += 1;
            watched.bits += datagram.bytes.len() as u64 * 8;
            let way = phone.seat.passed_on.and_then(|camera| sent.way(camera, packet.payload, datagram.at_ns));
            way.into_iter().for_each(|way| watched.ways.add(way as i64));
            let sequence = phone.extended.extend(packet.sequence);
            phone.frames.push(sequence, packet.timestamp, packet.marker, packet.payload);
            while let Some(frame) = phone.frames.pop() {
                phone.pictures += 1;
                let now = Instant::now();
                let still = phone.last.replace(now).map_or(Duration::ZERO, |last| now - last);
                phone.longest = phone.longest.max(still);
                if phone.seat.keeps {
                    phone.kept.push((datagram.at_ns, frame));
                }
            }
        }) > 0
        {}
    }

    /// RTCP of each: that it is there, and that it needs a whole picture.
    fn ask_and_report(&mut self) {
        let now = Instant::now();
        let mut datagrams = Vec::new();
        for (number, phone) in self.phones.iter_mut().enumerate() {
            let asks = phone.frames.wants_key_frame() && phone.asked.is_none_or(|at| now >= at + ASK_AGAIN);
            if !asks && now < phone.reported + REPORT {
                continue;
            }
            let (ssrc, mut datagram) = (0x5000 + number as u32, Vec::new());
            write_compound(&[Rtcp::ReceiverReport { ssrc, blocks: vec![] }], &mut datagram);
            if asks {
                write_pli(ssrc, phone.ssrc, &mut datagram);
                phone.asked = Some(now);
            }
            phone.reported = now;
            datagrams.push((phone.seat.to, datagram));
        }
        send_all(&self.socket, &datagrams);
    }

    /// What each browser that films was sent.
    pub fn flows(&self) -> impl Iterator<Item = &HashMap<u32, Flow>> {
        self.browsers.iter().map(|filming| &filming.browser.flows)
    }

    /// What a telephone that keeps was shown: when each picture was there, and the picture.
    pub fn kept(&mut self, phone: usize) -> Vec<(u64, Frame)> {
        std::mem::take(&mut self.phones[phone].kept)
    }

    /// When picture `number` of a camera's film was sent last before then.
    pub fn filmed(&self, camera: usize, number: usize, before_ns: u64) -> Option<u64> {
        let pictures = self.sent.pictures.get(&camera)?;
        pictures.iter().rev().find(|(at, sent)| *at == number && *sent < before_ns).map(|(_, sent)| *sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film() -> Arc<Film> {
        let frame = |n: u8| [vec![0x9d, 0x01, n], vec![n; 3000]].concat();
        Arc::new(Film { codec: VideoCodec::Vp8, mode: 0, fps: 25, frames: (0..10).map(frame).collect() })
    }

    #[test]
    fn a_camera_shows_its_film_at_its_pace_and_from_the_beginning_when_that_is_wanted() {
        let mut camera = Camera::new(film(), 0, PAYLOAD);
        let at = |camera: &mut Camera, ms| camera.film(Duration::from_millis(ms)).map(|(at, time, _)| (at, time));

        assert_eq!(at(&mut camera, 0), Some((0, 0)));
        assert_eq!(at(&mut camera, 39), None);
        assert_eq!(at(&mut camera, 40), Some((1, 3600)));
        camera.at = 0;
        assert_eq!(at(&mut camera, 80), Some((0, 7200)));
    }

    #[test]
    fn a_packet_is_known_by_its_end_and_by_whose_it_is() {
        let mut sent = Sent::default();
        let payload = [vec![1, 2, 3], vec![9; 100]].concat();
        sent.note(7, &payload, 1_000);

        let renumbered = [vec![4, 5, 6], vec![9; 100]].concat();
        assert_eq!(sent.way(7, &renumbered, 3_500), Some(2_500));
        assert_eq!(sent.way(8, &renumbered, 3_500), None);
        assert_eq!(sent.way(7, &renumbered[1..], 3_500), None, "it is shorter");
        assert_eq!(sent.way(7, &renumbered, 999), None, "it came before it was sent");
    }
}
