//! A browser made of str0m alone, none of our code in it: it answers with real reports, and asks for what it lost.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::sys::{Taker, stamp_arrivals};

/// Packets that leave in one go, and how soon after now is now.
const MOST_AT_ONCE: usize = 500;
const PACER: Duration = Duration::from_millis(1);

/// What a browser does with the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    /// It shows and says something.
    Media,
    /// It watches and listens.
    Nothing,
}

/// A stream that came.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// Packets of it.
    pub packets: u64,
    /// When the last one came.
    pub last: Instant,
    /// The longest time in which none did.
    pub longest: Duration,
}

impl Flow {
    fn note(&mut self, now: Instant) {
        self.packets += 1;
        self.longest = self.longest.max(now.saturating_duration_since(self.last));
        self.last = now;
    }
}

/// One browser.
pub struct Browser {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    taker: Taker,
    pending: Option<SdpPendingOffer>,
    /// M-line of its sound, or of the sound that it hears.
    pub audio: Mid,
    /// The same for pictures, if it has any.
    pub video: Option<Mid>,
    /// M-lines of the sound and the pictures of others.
    pub takes: Vec<(Mid, Mid)>,
    sequence: u64,
    /// Packets of media that came.
    pub received: u64,
    /// The streams that came, by SSRC.
    pub flows: HashMap<u32, Flow>,
    /// A whole picture is asked of it.
    pub key_wanted: bool,
    /// What it says, 20 ms each; packets of it, and of pictures, that were sent.
    speech: Vec<Vec<u8>>,
    said: u32,
    shown: u64,
}

impl Browser {
    /// A browser and its offer, in SDP.
    pub fn new(sends: Sends, pictures: bool) -> io::Result<(Browser, String)> {
        let direction = if sends == Sends::Media { Direction::SendOnly } else { Direction::RecvOnly };
        Browser::with(direction, pictures, 0)
    }

    /// One that shows and says something, and takes what so many others do.
    pub fn among(others: usize) -> io::Result<(Browser, String)> {
        Browser::with(Direction::SendOnly, true, others)
    }

    fn with(direction: Direction, pictures: bool, others: usize) -> io::Result<(Browser, String)> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        stamp_arrivals(&socket)?;
        let local = socket.local_addr()?;
        let mut rtc = Rtc::builder().set_rtp_mode(true).enable_pcmu(true, false).build(Instant::now());
        let candidate = Candidate::host(local, Protocol::Udp).map_err(io::Error::other)?;
        rtc.add_local_candidate(candidate);
        let mut api = rtc.sdp_api();
        let audio = api.add_media(MediaKind::Audio, direction, None, None, None);
        let video = pictures.then(|| api.add_media(MediaKind::Video, direction, None, None, None));
        let mut take = |kind| api.add_media(kind, Direction::RecvOnly, None, None, None);
        let takes = (0..others).map(|_| (take(MediaKind::Audio), take(MediaKind::Video))).collect();
        let (offer, pending) = api.apply().ok_or_else(|| io::Error::other("there is something to offer"))?;
        let browser = Browser {
            rtc,
            socket,
            local,
            taker: Taker::default(),
            pending: Some(pending),
            audio,
            video,
            takes,
            sequence: 0,
            received: 0,
            flows: HashMap::new(),
            key_wanted: false,
            speech: Vec::new(),
            said: 0,
            shown: 0,
        };
        Ok((browser, offer.to_sdp_string()))
    }

    /// Wait for ICE and DTLS.
    pub fn connect(&mut self, patience: Duration) -> io::Result<()> {
        let end = Instant::now() + patience;
        while !self.is_connected() {
            if Instant::now() > end {
                return Err(io::Error::other("the browser does not connect"));
            }
            self.run(|_, _| {});
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The server's answer.
    pub fn accept(&mut self, answer: &str) -> io::Result<()> {
        let answer = SdpAnswer::from_sdp_string(answer).map_err(io::Error::other)?;
        let pending = self.pending.take().ok_or_else(|| io::Error::other("nothing was offered"))?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(io::Error::other)
    }

    /// Whether ICE and DTLS are up.
    pub fn is_connected(&self) -> bool {
        self.rtc.is_connected()
    }

    /// Take what came, and let time pass. `heard`: packets of media, and when the kernel had them in nanoseconds.
    pub fn run(&mut self, mut heard: impl FnMut(u64, &[u8])) {
        let Browser { rtc, socket, local, taker, received, flows, key_wanted, .. } = self;
        while taker.take(socket, |datagram| {
            let source = SocketAddr::V4(datagram.from);
            let Ok(receive) = Receive::new(Protocol::Udp, source, *local, datagram.bytes) else { return };
            if rtc.handle_input(Input::Receive(Instant::now(), receive)).is_ok() {
                let (asked, _) = drain(rtc, socket, |ssrc, payload| {
                    *received += 1;
                    let now = Instant::now();
                    flows.entry(ssrc).or_insert(Flow { packets: 0, last: now, longest: Duration::ZERO }).note(now);
                    heard(datagram.at_ns, payload);
                });
                *key_wanted |= asked;
            }
        }) > 0
        {}
        self.send_all();
    }

    /// What it says, 20 ms a packet, again and again; encoded as it speaks.
    pub fn learn(&mut self, speech: Vec<Vec<u8>>) {
        self.speech = speech;
    }

    /// The next 20 ms of it, if it says anything.
    pub fn speak(&mut self) {
        if self.speech.is_empty() {
            return;
        }
        let payload = self.speech[self.said as usize % self.speech.len()].clone();
        self.said += 1;
        self.write(self.audio, u64::from(self.said), payload, self.said.wrapping_mul(960), false);
    }

    /// Send the payloads of one picture.
    pub fn show(&mut self, payloads: &[Vec<u8>], timestamp: u32) {
        let Some(mid) = self.video else { return };
        for (index, payload) in payloads.iter().enumerate() {
            self.shown += 1;
            self.write(mid, self.shown, payload.clone(), timestamp, index + 1 == payloads.len());
        }
    }

    fn write(&mut self, mid: Mid, sequence: u64, payload: Vec<u8>, timestamp: u32, marker: bool) {
        let Some(pt) = self.rtc.media(mid).and_then(|media| media.remote_pts().first().copied()) else { return };
        let now = Instant::now();
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return };
        stream.write_rtp(RtpWrite::new(pt, SeqNo::from(sequence), timestamp, now, payload).marker(marker));
        self.send_all();
    }

    /// What was written leaves now: str0m lets a packet go each time that it is told the time, and wants it to pass.
    fn send_all(&mut self) {
        let begun = Instant::now();
        let mut now = begun;
        for _ in 0..MOST_AT_ONCE {
            if self.rtc.handle_input(Input::Timeout(now)).is_err() {
                return;
            }
            let (asked, due) = drain(&mut self.rtc, &self.socket, |_, _| {});
            self.key_wanted |= asked;
            match due {
                Some(due) if due <= begun + PACER => now = now.max(due),
                _ => return,
            }
        }
    }

    /// Send packets of so many bytes: the pictures of 20 ms, and 20 ms of sound behind them.
    pub fn publish(&mut self, pictures: &[usize], sound: usize) {
        let video = self.video.into_iter().flat_map(|mid| pictures.iter().map(move |size| (mid, *size)));
        let packets: Vec<(Mid, usize)> = video.chain([(self.audio, sound)]).collect();
        for (mid, size) in packets {
            let Some(pt) = self.rtc.media(mid).and_then(|media| media.remote_pts().first().copied()) else { continue };
            self.sequence += 1;
            let (sequence, now) = (SeqNo::from(self.sequence), Instant::now());
            let time = (self.sequence * 257) as u32;
            let mut api = self.rtc.direct_api();
            let Some(stream) = api.stream_tx_by_mid(mid, None) else { continue };
            stream.write_rtp(RtpWrite::new(pt, sequence, time, now, vec![0x10; size]));
            if self.rtc.handle_input(Input::Timeout(now)).is_ok() {
                drain(&mut self.rtc, &self.socket, |_, _| {});
            }
        }
    }
}

/// Whether a whole picture was asked for, and when there is more to do.
fn drain(rtc: &mut Rtc, socket: &UdpSocket, mut heard: impl FnMut(u32, &[u8])) -> (bool, Option<Instant>) {
    let mut asked = false;
    loop {
        match rtc.poll_output() {
            Ok(Output::Transmit(transmit)) => drop(socket.send_to(&transmit.contents, transmit.destination)),
            Ok(Output::Event(Event::RtpPacket(packet))) => heard(*packet.header.ssrc, &packet.payload),
            Ok(Output::Event(Event::KeyframeRequest(_))) => asked = true,
            Ok(Output::Event(_)) => {}
            Ok(Output::Timeout(due)) => return (asked, Some(due)),
            Err(_) => return (asked, None),
        }
    }
}
