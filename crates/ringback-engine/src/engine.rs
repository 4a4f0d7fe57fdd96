//! The caller's side of the engine: commands in, events out, never waiting for the network.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use ringback_audio::ToneShape;
use ringback_rtp::Certificate;
use rustix::net::sockopt;

use crate::command::Command;
use crate::config::{Config, PhoneMedia};
use crate::counters::EngineCounters;
use crate::event::{Event, Mailbox};
use crate::layers::AskedLayers;
use crate::phone_video::VideoMedia;
use crate::player::{Clips, Player};
use crate::shared::{LegShared, PcmQueues};
use crate::sys;
use crate::worker::{self, Wake};

/// A running engine. Dropping it stops it.
pub struct Engine {
    config: Config,
    port: u16,
    commands: Sender<Command>,
    wake: Arc<Wake>,
    mailbox: Arc<Mailbox>,
    counters: Arc<EngineCounters>,
    legs: Mutex<HashMap<String, Entry>>,
    clips: Clips,
    next_request: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
    certificate: Arc<Certificate>,
}

struct Entry {
    room: String,
    shared: Arc<LegShared>,
}

impl Engine {
    /// Bind the WebRTC ports and start the worker. The error of a port in use names the address.
    pub fn start(mut config: Config) -> io::Result<Engine> {
        sys::raise_file_limit();
        if config.webrtc_advertised.is_empty() {
            config.webrtc_advertised.push(config.webrtc_host);
        }
        if let Some(address) = config.webrtc_advertised.iter().find(|a| a.is_unspecified() || a.is_multicast()) {
            let text = format!("{address} cannot be advertised to browsers: name an address that they can reach");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (udp, tcp) = bind_webrtc(config.webrtc_host, config.webrtc_port)?;
        let port = udp.local_addr()?.port();
        let (sender, receiver) = crossbeam_channel::unbounded();
        let wake = Arc::new(Wake::new()?);
        let mailbox = Arc::new(Mailbox::new()?);
        let counters = Arc::new(EngineCounters::default());
        let no_certificate = || io::Error::other("no DTLS certificate could be made");
        let certificate = Arc::new(Certificate::generate().ok_or_else(no_certificate)?);
        let parts = worker::Parts {
            udp,
            tcp,
            advertised: config.webrtc_advertised.clone(),
            certificate: certificate.clone(),
            commands: receiver,
            wake: wake.clone(),
            mailbox: mailbox.clone(),
            counters: counters.clone(),
        };
        let thread = worker::spawn(parts)?;
        Ok(Engine {
            config,
            port,
            commands: sender,
            wake,
            mailbox,
            counters,
            legs: Mutex::default(),
            clips: Clips::default(),
            next_request: AtomicU64::new(1),
            thread: Mutex::new(Some(thread)),
            certificate,
        })
    }

    /// Readable while events wait.
    pub fn event_fd(&self) -> RawFd {
        self.mailbox.fd()
    }

    /// All waiting events, oldest first.
    pub fn drain(&self) -> Vec<Event> {
        let events = self.mailbox.drain();
        for event in &events {
            if let Event::LegFailed { leg, .. } = event {
                self.legs().remove(leg);
            }
        }
        events
    }

    /// The UDP and TCP port of all WebRTC peers.
    pub fn webrtc_port(&self) -> u16 {
        self.port
    }

    /// What `a=fingerprint` says to telephones.
    pub fn fingerprint(&self) -> &str {
        self.certificate.fingerprint()
    }

    /// Stop the worker and close every socket. Doing it twice does nothing.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(thread) = thread {
            self.send(Command::Stop);
            let _ = thread.join();
            self.legs().clear();
        }
    }

    /// Make a room.
    pub fn open_room(&self, room: &str) {
        self.send(Command::OpenRoom(room.into()));
    }

    /// Close a room and every leg in it.
    pub fn close_room(&self, room: &str) {
        self.legs().retain(|_, entry| entry.room != room);
        self.send(Command::CloseRoom(room.into()));
    }

    /// A browser or bot, before its first offer.
    pub fn open_webrtc(&self, room: &str, leg: &str) {
        let shared = self.enter(room, leg, LegShared::default());
        self.send(Command::OpenWebrtc { room: room.into(), leg: leg.into(), shared });
    }

    /// Queue an offer; `Event::Reply` with the returned number brings the answer.
    pub fn webrtc_offer(&self, leg: &str, sdp: &str) -> u64 {
        let request = self.next_request.fetch_add(1, Relaxed);
        self.send(Command::Offer { leg: leg.into(), sdp: sdp.into(), request });
        request
    }

    /// Name what a WebRTC leg sends: mid → track.
    pub fn set_published(&self, leg: &str, tracks: HashMap<String, String>) {
        self.send(Command::SetPublished { leg: leg.into(), tracks });
    }

    /// The whole receive table of a WebRTC leg: mid → (source leg, track).
    pub fn set_subscriptions(&self, leg: &str, tracks: HashMap<String, (String, String)>) {
        self.send(Command::SetSubscriptions { leg: leg.into(), tracks });
    }

    /// The whole table of the highest layers a WebRTC leg asks for: (source leg or `*`, track) → layer.
    pub fn set_layers(&self, leg: &str, layers: HashMap<(String, String), u8>) {
        self.send(Command::SetLayers { leg: leg.into(), asked: AskedLayers(layers) });
    }

    /// Bind an even RTP port and the next one for RTCP; returns the RTP port.
    pub fn open_phone(&self, room: &str, leg: &str) -> io::Result<u16> {
        let (rtp, rtcp) = crate::ports::bind_pair(&self.config)?;
        let port = rtp.local_addr()?.port();
        let shared = self.enter(room, leg, LegShared::default());
        self.send(Command::OpenPhone { room: room.into(), leg: leg.into(), rtp, rtcp, shared });
        Ok(port)
    }

    /// Apply an offer/answer to a phone leg.
    pub fn set_phone(&self, leg: &str, media: PhoneMedia) {
        self.send(Command::SetPhone { leg: leg.into(), media: Box::new(media) });
    }

    /// Bind another pair of ports for a phone's pictures; returns the RTP port.
    pub fn open_phone_video(&self, leg: &str) -> io::Result<u16> {
        let (rtp, rtcp) = crate::ports::bind_pair(&self.config)?;
        let port = rtp.local_addr()?.port();
        self.send(Command::OpenPhoneVideo { leg: leg.into(), rtp, rtcp });
        Ok(port)
    }

    /// Apply an offer/answer to a phone's pictures; `None`: it has none any more.
    pub fn set_phone_video(&self, leg: &str, media: Option<VideoMedia>) {
        self.send(Command::SetPhoneVideo { leg: leg.into(), media: media.map(Box::new) });
    }

    /// A phone needs a whole picture of what it is shown.
    pub fn want_picture(&self, leg: &str) {
        self.send(Command::WantPicture { leg: leg.into() });
    }

    /// The program that makes pictures where none can be passed on; it is started when one is needed.
    pub fn set_pixels(&self, program: PathBuf) {
        self.send(Command::SetPixels(program));
    }

    /// What is written on a leg's picture where it is shown among others.
    pub fn set_name(&self, leg: &str, name: &str) {
        self.send(Command::SetName { leg: leg.into(), name: name.into() });
    }

    /// Take a phone leg to another room, its port and its streams with it.
    pub fn move_phone(&self, leg: &str, room: &str) {
        if let Some(entry) = self.legs().get_mut(leg) {
            entry.room = room.into();
        }
        self.send(Command::MovePhone { leg: leg.into(), room: room.into() });
    }

    /// Queue RFC 4733 events behind those already queued.
    pub fn send_digits(&self, leg: &str, digits: &str, duration_ms: u32, gap_ms: u32) {
        self.send(Command::SendDigits { leg: leg.into(), digits: digits.into(), duration_ms, gap_ms });
    }

    /// A phone sounds like this to its room, until `stop_tone` or its own sound.
    pub fn play_tone(&self, leg: &str, shape: ToneShape) {
        self.send(Command::PlayTone { leg: leg.into(), shape: Some(shape) });
    }

    /// It no longer does.
    pub fn stop_tone(&self, leg: &str) {
        self.send(Command::PlayTone { leg: leg.into(), shape: None });
    }

    /// A phone hears this sound instead of its room, `times` times, until `stop_sound`. `samples` is asked for when no
    /// other leg is played a clip of that id.
    pub fn play_sound(&self, leg: &str, id: &str, rate: u32, times: u32, samples: impl FnOnce() -> Vec<i16>) {
        let player = Player::new(self.clips.shared(id, rate, samples), times);
        self.send(Command::PlaySound { leg: leg.into(), player: Some(player) });
    }

    /// It hears its room again.
    pub fn stop_sound(&self, leg: &str) {
        self.send(Command::PlaySound { leg: leg.into(), player: None });
    }

    /// A participant inside this process.
    pub fn open_pcm(&self, room: &str, leg: &str, sample_rate: u32) {
        let shared = LegShared { pcm: Some(PcmQueues::new(sample_rate)), ..LegShared::default() };
        let shared = self.enter(room, leg, shared);
        self.send(Command::OpenPcm { room: room.into(), leg: leg.into(), shared });
    }

    /// Queue speech; returns the samples now queued.
    pub fn push_pcm(&self, leg: &str, samples: impl Iterator<Item = i16>) -> usize {
        self.shared(leg).and_then(|s| s.pcm.as_ref().map(|pcm| pcm.push(samples))).unwrap_or(0)
    }

    /// Drop queued speech; returns how many samples were dropped unheard.
    pub fn flush_pcm(&self, leg: &str) -> usize {
        self.shared(leg).and_then(|s| s.pcm.as_ref().map(PcmQueues::flush)).unwrap_or(0)
    }

    /// What an in-process participant heard since the last read.
    pub fn read_pcm(&self, leg: &str) -> Vec<i16> {
        self.shared(leg).and_then(|s| s.pcm.as_ref().map(PcmQueues::read)).unwrap_or_default()
    }

    /// Whether others are shown a phone's pictures, and which tracks (leg, name) it may be shown; `None` is everybody's.
    pub fn set_viewing(&self, leg: &str, is_seen: bool, tracks: Option<BTreeSet<(String, String)>>) {
        self.send(Command::SetViewing { leg: leg.into(), is_seen, tracks });
    }

    /// Whose audio a phone or PCM leg hears; `None` is everybody else.
    pub fn set_sources(&self, leg: &str, sources: Option<HashSet<String>>) {
        self.send(Command::SetSources { leg: leg.into(), sources });
    }

    /// Whether a leg's audio is kept from everybody.
    pub fn set_muted(&self, leg: &str, muted: bool) {
        self.send(Command::SetMuted { leg: leg.into(), muted });
    }

    /// Close a leg.
    pub fn close_leg(&self, leg: &str) {
        self.legs().remove(leg);
        self.send(Command::CloseLeg(leg.into()));
    }

    /// What is shared of a leg, its counters among it; `None` for an unknown one.
    pub fn shared(&self, leg: &str) -> Option<Arc<LegShared>> {
        self.legs().get(leg).map(|entry| entry.shared.clone())
    }

    /// Counters of the whole engine by name.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut all = self.counters.list();
        all.push(("events_dropped", self.mailbox.dropped()));
        all
    }

    fn enter(&self, room: &str, leg: &str, shared: LegShared) -> Arc<LegShared> {
        let shared = Arc::new(shared);
        self.legs().insert(leg.into(), Entry { room: room.into(), shared: shared.clone() });
        shared
    }

    fn legs(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.legs.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn send(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            self.wake.wake();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

fn bind_webrtc(host: IpAddr, port: u16) -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = None;
    for _ in 0..if port == 0 { 50 } else { 1 } {
        let udp = UdpSocket::bind((host, port)).map_err(|e| named(e, "udp", (host, port).into()))?;
        widen(&udp);
        let address = udp.local_addr()?;
        match TcpListener::bind(address) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(e) => last = Some(named(e, "tcp", address)),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no free WebRTC port")))
}

/// Room for what arrives while the worker is busy: key frames of many browsers at once. As much as the system allows.
fn widen(udp: &UdpSocket) {
    const WANTED: usize = 4 << 20;
    if sockopt::set_socket_recv_buffer_size_force(udp, WANTED).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(udp, WANTED);
    }
    let _ = sockopt::set_socket_send_buffer_size(udp, WANTED);
}

fn named(error: io::Error, transport: &str, address: SocketAddr) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {transport} {address}: {error}"))
}
