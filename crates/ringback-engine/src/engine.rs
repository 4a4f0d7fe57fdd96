//! The caller's side of the engine: commands in, events out, never waiting for the network.
//!
//! Each worker has its rooms, and every command goes to the worker of its room or leg, in the order in which it was given.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use ringback_audio::ToneShape;
use ringback_rtp::Certificate;
use ringback_sfu::Identity;
use rustix::net::sockopt;

use crate::command::Command;
use crate::config::{Config, PhoneMedia};
use crate::counters::EngineCounters;
use crate::event::{Event, Mailbox};
use crate::handover::Handover;
use crate::layers::AskedLayers;
use crate::moments;
use crate::placement::{Newcomer, Placement, WorkerIndex};
use crate::player::{Clips, Player};
use crate::shared::{LegShared, PcmQueues};
use crate::sys;
use crate::video_media::VideoMedia;
use crate::worker::{self, Inbox};

/// Most workers: the command of a thread each is all that they share.
const MOST_WORKERS: usize = 64;

/// A running engine. Dropping it stops it.
pub struct Engine {
    config: Config,
    workers: Vec<Running>,
    mailbox: Arc<Mailbox>,
    placement: Mutex<Placement>,
    clips: Clips,
    next_request: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
    certificate: Arc<Certificate>,
}

/// A worker as it is seen from outside.
struct Running {
    port: u16,
    inbox: Inbox,
    counters: Arc<EngineCounters>,
}

impl Engine {
    /// Bind the WebRTC ports and start the workers. The error of a port in use names the address.
    pub fn start(mut config: Config) -> io::Result<Engine> {
        sys::raise_file_limit();
        if config.webrtc_advertised.is_empty() {
            config.webrtc_advertised.push(config.webrtc_host);
        }
        if let Some(address) = config.webrtc_advertised.iter().find(|a| a.is_unspecified() || a.is_multicast()) {
            let text = format!("{address} cannot be advertised to browsers: name an address that they can reach");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let sockets = bind_all(&config)?;
        let mailbox = Arc::new(Mailbox::new()?);
        let no_certificate = || io::Error::other("no DTLS certificate could be made");
        let certificate = Arc::new(Certificate::generate().ok_or_else(no_certificate)?);
        let identity = Identity::generate().ok_or_else(no_certificate)?;
        let mut engine = Engine {
            workers: Vec::new(),
            mailbox: mailbox.clone(),
            placement: Mutex::new(Placement::new(sockets.len())),
            clips: Clips::default(),
            next_request: AtomicU64::new(1),
            threads: Mutex::default(),
            certificate: certificate.clone(),
            config,
        };
        // Rooms of different workers tick at different moments: where they share a processor, none waits for the others.
        let (began, count) = (Instant::now(), sockets.len());
        for (number, (udp, tcp)) in sockets.into_iter().enumerate() {
            let port = udp.local_addr()?.port();
            let (inbox, commands) = Inbox::new()?;
            let counters = Arc::new(EngineCounters::default());
            let parts = worker::Parts {
                number,
                began: moments::begin(began, number, count),
                udp,
                tcp,
                advertised: engine.config.webrtc_advertised.clone(),
                identity: identity.clone(),
                certificate: certificate.clone(),
                commands,
                wake: inbox.wake.clone(),
                mailbox: mailbox.clone(),
                counters: counters.clone(),
            };
            // One that fails drops the engine, which stops those before it.
            let thread = worker::spawn(parts)?;
            engine.threads.get_mut().unwrap_or_else(|e| e.into_inner()).push(thread);
            engine.workers.push(Running { port, inbox, counters });
        }
        Ok(engine)
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
                self.placement().leave(leg);
            }
        }
        events
    }

    /// The UDP and TCP ports of WebRTC peers, one for each worker.
    pub fn webrtc_ports(&self) -> Vec<u16> {
        self.workers.iter().map(|worker| worker.port).collect()
    }

    /// What `a=fingerprint` says to telephones.
    pub fn fingerprint(&self) -> &str {
        self.certificate.fingerprint()
    }

    /// Stop the workers and close every socket. Doing it twice does nothing.
    pub fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(|e| e.into_inner()));
        if !threads.is_empty() {
            self.workers.iter().for_each(|worker| worker.inbox.put(Command::Stop));
            threads.into_iter().for_each(|thread| drop(thread.join()));
            self.placement().clear();
        }
    }

    /// Make a room.
    pub fn open_room(&self, room: &str) {
        let mut placement = self.placement();
        let worker = placement.open_room(room);
        self.put(worker, Command::OpenRoom(room.into()));
    }

    /// Close a room and every leg in it.
    pub fn close_room(&self, room: &str) {
        let mut placement = self.placement();
        if let Some(worker) = placement.close_room(room) {
            self.put(worker, Command::CloseRoom(room.into()));
        }
    }

    /// A browser or bot, before its first offer.
    pub fn open_webrtc(&self, room: &str, leg: &str) {
        self.enter(room, leg, false, LegShared::default(), |shared| Command::OpenWebrtc {
            room: room.into(),
            leg: leg.into(),
            shared,
        });
    }

    /// Queue an offer; `Event::Reply` with the returned number brings the answer.
    pub fn webrtc_offer(&self, leg: &str, sdp: &str) -> u64 {
        let request = self.next_request.fetch_add(1, Relaxed);
        let offer = Command::Offer { leg: leg.into(), sdp: sdp.into(), request };
        let placement = self.placement();
        // Of an unknown leg: anybody can say so.
        self.put(placement.of_leg(leg).unwrap_or_default(), offer);
        request
    }

    /// Name what a WebRTC leg sends: mid → track.
    pub fn set_published(&self, leg: &str, tracks: HashMap<String, String>) {
        self.send(leg, Command::SetPublished { leg: leg.into(), tracks });
    }

    /// The whole receive table of a WebRTC leg: mid → (source leg, track).
    pub fn set_subscriptions(&self, leg: &str, tracks: HashMap<String, (String, String)>) {
        self.send(leg, Command::SetSubscriptions { leg: leg.into(), tracks });
    }

    /// The whole table of the highest layers a WebRTC leg asks for: (source leg or `*`, track) → layer.
    pub fn set_layers(&self, leg: &str, layers: HashMap<(String, String), u8>) {
        self.send(leg, Command::SetLayers { leg: leg.into(), asked: AskedLayers(layers) });
    }

    /// Bind an even RTP port and the next one for RTCP; returns the RTP port.
    pub fn open_phone(&self, room: &str, leg: &str) -> io::Result<u16> {
        let (rtp, rtcp) = crate::ports::bind_pair(&self.config)?;
        let port = rtp.local_addr()?.port();
        self.enter(room, leg, true, LegShared::default(), |shared| Command::OpenPhone {
            room: room.into(),
            leg: leg.into(),
            rtp,
            rtcp,
            shared,
        });
        Ok(port)
    }

    /// Apply an offer/answer to a phone leg.
    pub fn set_phone(&self, leg: &str, media: PhoneMedia) {
        self.send(leg, Command::SetPhone { leg: leg.into(), media: Box::new(media) });
    }

    /// Bind another pair of ports for a phone's pictures; returns the RTP port.
    pub fn open_phone_video(&self, leg: &str) -> io::Result<u16> {
        let (rtp, rtcp) = crate::ports::bind_pair(&self.config)?;
        let port = rtp.local_addr()?.port();
        self.send(leg, Command::OpenPhoneVideo { leg: leg.into(), rtp, rtcp });
        Ok(port)
    }

    /// Apply an offer/answer to a phone's pictures; `None`: it has none any more.
    pub fn set_phone_video(&self, leg: &str, media: Option<VideoMedia>) {
        self.send(leg, Command::SetPhoneVideo { leg: leg.into(), media: media.map(Box::new) });
    }

    /// A phone needs a whole picture of what it is shown.
    pub fn want_picture(&self, leg: &str) {
        self.send(leg, Command::WantPicture { leg: leg.into() });
    }

    /// The program that makes pictures where none can be passed on; it is started when one is needed.
    pub fn set_pixels(&self, program: PathBuf) {
        self.workers.iter().for_each(|worker| worker.inbox.put(Command::SetPixels(program.clone())));
    }

    /// What is written on a leg's picture where it is shown among others.
    pub fn set_name(&self, leg: &str, name: &str) {
        self.send(leg, Command::SetName { leg: leg.into(), name: name.into() });
    }

    /// Take a phone leg to another room, its port and its streams with it.
    pub fn move_phone(&self, leg: &str, room: &str) {
        let mut placement = self.placement();
        let Some((from, to)) = placement.move_leg(leg, room) else { return };
        let (leg, room) = (leg.to_owned(), room.to_owned());
        if from == to {
            return self.put(from, Command::MovePhone { leg, room });
        }
        // What it is told from now on waits there until it comes.
        self.put(to, Command::ExpectPhone { leg: leg.clone(), room });
        let to = Handover::new(leg.clone(), self.workers[to].inbox.clone());
        self.put(from, Command::HandOver { leg, to });
    }

    /// Queue RFC 4733 events behind those already queued.
    pub fn send_digits(&self, leg: &str, digits: &str, duration_ms: u32, gap_ms: u32) {
        self.send(leg, Command::SendDigits { leg: leg.into(), digits: digits.into(), duration_ms, gap_ms });
    }

    /// A phone sounds like this to its room, until `stop_tone` or its own sound.
    pub fn play_tone(&self, leg: &str, shape: ToneShape) {
        self.send(leg, Command::PlayTone { leg: leg.into(), shape: Some(shape) });
    }

    /// It no longer does.
    pub fn stop_tone(&self, leg: &str) {
        self.send(leg, Command::PlayTone { leg: leg.into(), shape: None });
    }

    /// A phone hears this sound instead of its room, `times` times, until `stop_sound`. `samples` is asked for when no
    /// other leg is played a clip of that id.
    pub fn play_sound(&self, leg: &str, id: &str, rate: u32, times: u32, samples: impl FnOnce() -> Vec<i16>) {
        let player = Player::new(self.clips.shared(id, rate, samples), times);
        self.send(leg, Command::PlaySound { leg: leg.into(), player: Some(player) });
    }

    /// It hears its room again.
    pub fn stop_sound(&self, leg: &str) {
        self.send(leg, Command::PlaySound { leg: leg.into(), player: None });
    }

    /// A participant inside this process.
    pub fn open_pcm(&self, room: &str, leg: &str, sample_rate: u32) {
        let shared = LegShared { pcm: Some(PcmQueues::new(sample_rate)), ..LegShared::default() };
        self.enter(room, leg, false, shared, |shared| Command::OpenPcm { room: room.into(), leg: leg.into(), shared });
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
        self.send(leg, Command::SetViewing { leg: leg.into(), is_seen, tracks });
    }

    /// Whose audio a phone or PCM leg hears; `None` is everybody else.
    pub fn set_sources(&self, leg: &str, sources: Option<HashSet<String>>) {
        self.send(leg, Command::SetSources { leg: leg.into(), sources });
    }

    /// Whether a leg's audio is kept from everybody.
    pub fn set_muted(&self, leg: &str, muted: bool) {
        self.send(leg, Command::SetMuted { leg: leg.into(), muted });
    }

    /// Close a leg.
    pub fn close_leg(&self, leg: &str) {
        let mut placement = self.placement();
        if let Some(worker) = placement.leave(leg) {
            self.put(worker, Command::CloseLeg(leg.into()));
        }
    }

    /// What is shared of a leg, its counters among it; `None` for an unknown one.
    pub fn shared(&self, leg: &str) -> Option<Arc<LegShared>> {
        self.placement().shared(leg)
    }

    /// Counters of the whole engine by name: those of all workers together.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut all = EngineCounters::default().list();
        for of in self.worker_counters() {
            all.iter_mut().zip(of).for_each(|(sum, (_, count))| sum.1 += count);
        }
        all.push(("events_dropped", self.mailbox.dropped()));
        all
    }

    /// Counters of each worker by name.
    pub fn worker_counters(&self) -> Vec<Vec<(&'static str, u64)>> {
        self.workers.iter().map(|worker| worker.counters.list()).collect()
    }

    fn enter(
        &self,
        room: &str,
        leg: &str,
        can_move: bool,
        shared: LegShared,
        command: impl FnOnce(Arc<LegShared>) -> Command,
    ) {
        let shared = Arc::new(shared);
        let mut placement = self.placement();
        let (worker, before) = placement.enter(Newcomer { leg, room, can_move, shared: shared.clone() });
        if let Some(before) = before {
            self.put(before, Command::CloseLeg(leg.into()));
        }
        self.put(worker, command(shared));
    }

    fn placement(&self) -> MutexGuard<'_, Placement> {
        self.placement.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Tell a leg's worker; nobody, where there is no such leg.
    fn send(&self, leg: &str, command: Command) {
        let placement = self.placement();
        if let Some(worker) = placement.of_leg(leg) {
            self.put(worker, command);
        }
    }

    /// Tell a worker something that is of no leg.
    #[cfg(test)]
    pub fn tell_worker(&self, worker: WorkerIndex, command: Command) {
        self.put(worker, command);
    }

    /// Tell a worker. Who calls holds the placement, so that commands keep the order of what they were decided by.
    fn put(&self, worker: WorkerIndex, command: Command) {
        if let Some(worker) = self.workers.get(worker) {
            worker.inbox.put(command);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

/// A port for each worker: those that follow the first, or any that are free.
fn bind_all(config: &Config) -> io::Result<Vec<(UdpSocket, TcpListener)>> {
    let bound = (0..config.workers.clamp(1, MOST_WORKERS)).map(|n| {
        let port = match config.webrtc_port {
            0 => Some(0),
            first => first.checked_add(n as u16),
        };
        let none_left = || io::Error::new(io::ErrorKind::InvalidInput, "there is no port above 65535");
        bind_webrtc(config.webrtc_host, port.ok_or_else(none_left)?)
    });
    bound.collect()
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
