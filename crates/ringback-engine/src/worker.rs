//! The worker thread: one loop over sockets, commands and timers, each with bounded work per turn.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use ringback_rtp::Certificate;
use ringback_sfu::{Identity, Transmit};
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::time::{ClockId, clock_gettime};

use crate::command::Command;
use crate::counters::{EngineCounters, count};
use crate::demux::{Demux, Source};
use crate::event::{Event, Mailbox};
use crate::handover::Arriving;
use crate::leg::{Kind, Leg};
use crate::listening::wall;
use crate::moments::Moments;
use crate::outbox::Outbox;
use crate::pcm::PcmLeg;
use crate::phone::PhoneLeg;
use crate::room::Room;
use crate::seen::MaySee;
use crate::shared::{LegShared, WebrtcState};
use crate::sound::Legs;
use crate::sys;
use crate::tcp::{ConnectionKey, Reading, TcpPeers};
use crate::timers::Timers;
use crate::tracks::{TrackKey, Tracks};
use crate::webrtc::{Broken, WebrtcLeg, guarded};

/// Number of a leg, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegKey(pub u64);

/// What a wake-up is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    Peer(LegKey),
    Keyframe(TrackKey),
    Layers(LegKey),
    Connection(ConnectionKey),
    Phone(LegKey),
    Held(LegKey),
    Handshake(LegKey),
    PhoneVideo(LegKey),
    Tick(Arc<str>),
}

/// Datagrams read from one socket, commands taken and timers fired per turn.
const AT_ONCE: usize = 64;
/// No further timer is fired in a turn that has lasted this long: who else waits, on a socket or for the processor, waits no
/// longer than this and one room.
const LONGEST_TURN: Duration = Duration::from_millis(1);
const LONGEST_DATAGRAM: usize = 2048;
/// Telephones' sockets are looked at once in this time while packets come: one turn takes what all of them sent.
const GATHER: Duration = Duration::from_micros(750);
/// How often in a row they are, for those who sent several packets.
const LOOKS: usize = 8;
const CPU_EVERY: Duration = Duration::from_millis(100);

/// Wakes the worker after a command was queued.
pub struct Wake(OwnedFd);

impl Wake {
    pub fn new() -> io::Result<Wake> {
        Ok(Wake(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub fn wake(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

/// Where commands for a worker are put; it takes them in their order.
#[derive(Clone)]
pub struct Inbox {
    commands: Sender<Command>,
    pub wake: Arc<Wake>,
}

impl Inbox {
    /// An empty one, and its other end.
    pub fn new() -> io::Result<(Inbox, Receiver<Command>)> {
        let (commands, receiver) = crossbeam_channel::unbounded();
        Ok((Inbox { commands, wake: Arc::new(Wake::new()?) }, receiver))
    }

    /// Put one in; a worker that has stopped takes none.
    pub fn put(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            self.wake.wake();
        }
    }
}

/// Numbers of legs and tracks of one worker are below those of the next: what moves keeps its own.
pub const NUMBERS_EACH: u64 = 1 << 40;

/// What the worker is made of.
pub struct Parts {
    /// Which of the workers it is, from 0.
    pub number: usize,
    /// What the moments at which rooms tick are counted from.
    pub began: Instant,
    pub udp: UdpSocket,
    pub tcp: TcpListener,
    pub advertised: Vec<IpAddr>,
    /// What browsers are shown by DTLS.
    pub identity: Identity,
    /// What phones are shown.
    pub certificate: Arc<Certificate>,
    pub commands: Receiver<Command>,
    pub wake: Arc<Wake>,
    pub mailbox: Arc<Mailbox>,
    pub counters: Arc<EngineCounters>,
}

pub struct Worker {
    /// When this turn began: the only clock there is below this file.
    pub now: Instant,
    /// The same on the machine's clock, by which the kernel stamps what arrives.
    pub wall: Duration,
    /// The moments at which rooms tick.
    pub moments: Moments,
    pub identity: Identity,
    /// What phones are shown by DTLS.
    pub certificate: Arc<Certificate>,
    pub local: Vec<SocketAddr>,
    pub tcp: TcpPeers,
    pub demux: Demux,
    pub timers: Timers<Timer>,
    pub rooms: HashMap<Arc<str>, Room>,
    pub legs: Legs,
    pub tracks: Tracks,
    pub dirty: Vec<LegKey>,
    /// The datagram looked at is the only one of this turn: what it brings may leave at once, while its listeners are in
    /// the processor's cache.
    pub alone: bool,
    /// Bytes of one packet being made.
    pub scratch: Vec<u8>,
    /// Space for a phone's datagram.
    pub datagram: Vec<u8>,
    /// Space for what waited on a phone's socket, and for the members of a room.
    pub taken: Option<Box<sys::Taken>>,
    pub members: Vec<LegKey>,
    pub mailbox: Arc<Mailbox>,
    pub counters: Arc<EngineCounters>,
    pub epoll: OwnedFd,
    /// The program that makes pictures, the rooms that have a maker, and the newest numbers of makers and pictures.
    pub pixels: Option<PathBuf>,
    pub makers: HashMap<u64, Arc<str>>,
    pub last_maker: u64,
    pub last_picture: u64,
    /// Telephones' sockets. `epoll` tells that one is ready, once, until it is asked to again.
    pub phones: OwnedFd,
    /// When they are looked at next, without being told.
    gathered: Option<Instant>,
    pub by_id: HashMap<Arc<str>, LegKey>,
    /// Phones on their way from another worker, and what waits for them.
    pub arriving: HashMap<String, Arriving>,
    last_key: u64,
    udp: UdpSocket,
    outbox: Outbox,
    commands: Receiver<Command>,
    wake: Arc<Wake>,
    cpu_read: Instant,
    stopped: bool,
}

/// What an epoll event is about: the kind in the upper byte, its number below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Wake,
    Udp,
    Listener,
    Connection(ConnectionKey),
    Rtp(LegKey),
    Rtcp(LegKey),
    Phones,
    VideoRtp(LegKey),
    VideoRtcp(LegKey),
    Maker(u64),
}

impl Token {
    pub fn data(self) -> epoll::EventData {
        let (kind, number) = match self {
            Token::Wake => (0, 0),
            Token::Udp => (1, 0),
            Token::Listener => (2, 0),
            Token::Connection(key) => (3, key.0),
            Token::Rtp(key) => (4, key.0),
            Token::Rtcp(key) => (5, key.0),
            Token::Phones => (6, 0),
            Token::VideoRtp(key) => (7, key.0),
            Token::VideoRtcp(key) => (8, key.0),
            Token::Maker(number) => (9, number),
        };
        epoll::EventData::new_u64(kind << 56 | number)
    }

    fn read(data: epoll::EventData) -> Option<Token> {
        let number = data.u64() & ((1 << 56) - 1);
        match data.u64() >> 56 {
            0 => Some(Token::Wake),
            1 => Some(Token::Udp),
            2 => Some(Token::Listener),
            3 => Some(Token::Connection(ConnectionKey(number))),
            4 => Some(Token::Rtp(LegKey(number))),
            5 => Some(Token::Rtcp(LegKey(number))),
            6 => Some(Token::Phones),
            7 => Some(Token::VideoRtp(LegKey(number))),
            8 => Some(Token::VideoRtcp(LegKey(number))),
            9 => Some(Token::Maker(number)),
            _ => None,
        }
    }
}

/// Start the thread.
pub fn spawn(parts: Parts) -> io::Result<JoinHandle<()>> {
    let name = format!("ringback-media{}", parts.number);
    let mut worker = Worker::new(parts)?;
    std::thread::Builder::new().name(name).spawn(move || {
        // What is not of one leg or one room should not fail; if it does, no leg can be trusted, and the next call can.
        while let Err(Broken::Bug(reason)) = guarded(|| worker.run()) {
            let legs: Vec<LegKey> = worker.legs.keys().copied().collect();
            legs.into_iter().for_each(|key| drop(guarded(|| worker.fail_leg(key, &reason))));
        }
    })
}

impl Worker {
    pub fn new(parts: Parts) -> io::Result<Worker> {
        parts.udp.set_nonblocking(true)?;
        let port = parts.udp.local_addr()?.port();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let phones = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let tcp = TcpPeers::new(parts.tcp)?;
        let now = Instant::now();
        let first = parts.number as u64 * NUMBERS_EACH;
        epoll::add(&epoll, &parts.wake.0, Token::Wake.data(), epoll::EventFlags::IN)?;
        epoll::add(&epoll, &parts.udp, Token::Udp.data(), epoll::EventFlags::IN)?;
        epoll::add(&epoll, tcp.listener(), Token::Listener.data(), epoll::EventFlags::IN)?;
        epoll::add(&epoll, &phones, Token::Phones.data(), epoll::EventFlags::IN | epoll::EventFlags::ONESHOT)?;
        Ok(Worker {
            now,
            wall: wall(),
            moments: Moments::new(parts.began),
            identity: parts.identity,
            certificate: parts.certificate,
            local: parts.advertised.iter().map(|ip| SocketAddr::new(*ip, port)).collect(),
            tcp,
            demux: Demux::default(),
            timers: Timers::new(),
            rooms: HashMap::new(),
            legs: Legs::default(),
            tracks: Tracks::above(first),
            dirty: Vec::new(),
            alone: false,
            scratch: Vec::new(),
            datagram: Vec::new(),
            taken: None,
            members: Vec::new(),
            mailbox: parts.mailbox,
            counters: parts.counters,
            epoll,
            pixels: None,
            makers: HashMap::new(),
            last_maker: 0,
            last_picture: 0,
            phones,
            gathered: None,
            by_id: HashMap::new(),
            arriving: HashMap::new(),
            last_key: first,
            udp: parts.udp,
            outbox: Outbox::default(),
            commands: parts.commands,
            wake: parts.wake,
            cpu_read: now,
            stopped: false,
        })
    }

    fn run(&mut self) {
        sys::run_first();
        let must_yield = sys::runs_until_it_waits();
        let mut ready = Vec::with_capacity(256);
        let mut more_commands = false;
        while !self.stopped {
            ready.clear();
            let timeout = if more_commands { Some(Duration::ZERO) } else { self.until_next_timer() };
            if must_yield && timeout.is_some_and(|t| t.is_zero()) {
                std::thread::yield_now();
            }
            let timeout = timeout.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: t.subsec_nanos().into() });
            let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), timeout.as_ref());
            (self.now, self.wall) = (Instant::now(), wall());
            for event in &ready {
                if let Some(token) = Token::read(event.data) {
                    self.ready(token, event.flags);
                }
            }
            self.gather(&mut ready);
            more_commands = self.take_commands();
            self.counters.legs.store(self.legs.len() as u64, Relaxed);
            self.counters.rooms.store(self.rooms.len() as u64, Relaxed);
            self.fire_timers(Some(self.now + LONGEST_TURN));
            self.flush();
            self.read_cpu();
        }
        let legs: Vec<LegKey> = self.legs.keys().copied().collect();
        legs.into_iter().for_each(|key| self.remove_leg(key));
        self.flush();
    }

    fn until_next_timer(&self) -> Option<Duration> {
        let next = self.timers.next().into_iter().chain(self.gathered).min();
        next.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Take what telephones sent, if it is time to. While they send, nobody is woken for each of their packets.
    fn gather(&mut self, ready: &mut Vec<epoll::Event>) {
        if self.gathered.is_none_or(|at| self.now < at) {
            return;
        }
        self.gathered = None;
        for _ in 0..LOOKS {
            ready.clear();
            let _ = epoll::wait(&self.phones, rustix::buffer::spare_capacity(ready), Some(&Timespec::default()));
            if ready.is_empty() {
                break;
            }
            self.gathered = Some(self.now + GATHER);
            for event in ready.iter() {
                if let Some(token) = Token::read(event.data) {
                    self.ready(token, event.flags);
                }
            }
        }
        if self.gathered.is_none() {
            let once = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
            let _ = epoll::modify(&self.epoll, &self.phones, Token::Phones.data(), once);
        }
    }

    fn ready(&mut self, token: Token, flags: epoll::EventFlags) {
        match token {
            Token::Wake => {
                let _ = rustix::io::read(&self.wake.0, &mut [0u8; 8]);
            }
            Token::Udp => self.read_udp(),
            Token::Listener => self.accept(),
            Token::Connection(key) => self.connection_ready(key, flags),
            Token::Rtp(key) => self.of_leg(key, |worker| worker.read_rtp(key, flags.contains(epoll::EventFlags::ERR))),
            Token::Rtcp(key) => self.of_leg(key, |worker| worker.read_rtcp(key)),
            Token::Phones => self.gathered = Some(self.now),
            Token::VideoRtp(key) => self.of_leg(key, |worker| worker.read_video_rtp(key)),
            Token::VideoRtcp(key) => self.of_leg(key, |worker| worker.read_video_rtcp(key)),
            Token::Maker(number) => self.maker_ready(number),
        }
    }

    /// Do something for a whole room; a bug in it costs that room.
    fn of_room(&mut self, room: &str, what: impl FnOnce(&mut Worker)) {
        if let Err(Broken::Bug(reason)) = guarded(|| what(self)) {
            let legs = self.rooms.get(room).map(|room| room.legs.clone()).unwrap_or_default();
            legs.into_iter().for_each(|key| self.fail_leg(key, &reason));
        }
    }

    /// Do something for one leg; a bug in it costs that leg.
    pub fn of_leg(&mut self, key: LegKey, what: impl FnOnce(&mut Worker)) {
        if let Err(broken) = guarded(|| what(self)) {
            self.broke(key, broken);
        }
    }

    fn read_udp(&mut self) {
        let (mut buffer, mut other) = (&mut [0; LONGEST_DATAGRAM], &mut [0; LONGEST_DATAGRAM]);
        let mut read = self.udp.recv_from(buffer);
        for n in 1..=AT_ONCE {
            // It was empty. What has come since is epoll's to tell of: read now it would be nobody's.
            if was_empty(&read) {
                return;
            }
            // Read before the one at hand is looked at: it is to be known whether more came.
            let next = (n < AT_ONCE).then(|| self.udp.recv_from(other));
            // An ICMP error of an earlier send is reported here, too: it is nobody's end.
            if let Ok((length, address)) = read {
                self.alone = n == 1 && next.as_ref().is_some_and(was_empty);
                self.webrtc_packet(Source { tcp: false, address }, &buffer[..length]);
                self.alone = false;
            }
            let Some(next) = next else { return };
            read = next;
            std::mem::swap(&mut buffer, &mut other);
        }
    }

    fn accept(&mut self) {
        for _ in 0..AT_ONCE {
            match self.tcp.accept(self.now) {
                Ok(Some(key)) => {
                    if let Some(stream) = self.tcp.stream(key) {
                        let _ = epoll::add(&self.epoll, stream, Token::Connection(key).data(), epoll::EventFlags::IN);
                    }
                    self.wake_connection(key);
                }
                Ok(None) => return,
                Err(()) => count(&self.counters.tcp_refused),
            }
        }
    }

    fn connection_ready(&mut self, key: ConnectionKey, flags: epoll::EventFlags) {
        if flags.contains(epoll::EventFlags::OUT) && !self.tcp.write(key) {
            self.want_write(key, false);
        }
        if !flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            return;
        }
        let Some(address) = self.tcp.address(key) else { return };
        match self.tcp.read(key, self.now) {
            Reading::Packets(packets) => {
                for packet in packets {
                    self.webrtc_packet(Source { tcp: true, address }, &packet);
                }
            }
            Reading::Over => self.close_connection(key),
        }
    }

    fn wake_connection(&mut self, key: ConnectionKey) {
        match self.tcp.look_again(key, self.now) {
            Some(at) => self.timers.set(at, Timer::Connection(key)),
            None => {
                if self.tcp.address(key).is_some() {
                    count(&self.counters.tcp_refused);
                    self.close_connection(key);
                }
            }
        }
    }

    fn close_connection(&mut self, key: ConnectionKey) {
        if let Some(address) = self.tcp.close(key) {
            self.tcp_closed(address);
        }
    }

    fn want_write(&mut self, key: ConnectionKey, want: bool) {
        let Some(stream) = self.tcp.stream(key) else { return };
        let flags = if want { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
        let _ = epoll::modify(&self.epoll, stream, Token::Connection(key).data(), flags);
    }

    /// Send what a peer wants sent, now or at the end of this turn.
    pub fn transmit(&mut self, transmit: Transmit) {
        if !transmit.tcp {
            self.outbox.push(transmit.destination, transmit.contents);
        } else if let Some(key) = self.tcp.by_address(transmit.destination)
            && self.tcp.send(key, &transmit.contents)
        {
            self.want_write(key, true);
        }
    }

    /// Take some commands; `true` when more wait.
    pub fn take_commands(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            match self.commands.try_recv() {
                Ok(command) => self.command(command),
                Err(crossbeam_channel::TryRecvError::Empty) => return false,
                // The handle is gone, and with it everybody who could want anything.
                Err(crossbeam_channel::TryRecvError::Disconnected) => {
                    self.stopped = true;
                    return false;
                }
            }
        }
        true
    }

    /// Do what is due, and begin nothing more after `until`.
    pub fn fire_timers(&mut self, until: Option<Instant>) {
        for n in 0..AT_ONCE * 16 {
            if n > 0 && until.is_some_and(|until| Instant::now() >= until) {
                return;
            }
            match self.timers.pop_due(self.now) {
                Some(Timer::Peer(key)) => self.wake_peer(key),
                Some(Timer::Keyframe(key)) => self.wake_keyframe(key),
                Some(Timer::Layers(key)) => self.of_leg(key, |worker| worker.wake_layers(key)),
                Some(Timer::Connection(key)) => self.wake_connection(key),
                Some(Timer::Phone(key)) => self.of_leg(key, |worker| worker.wake_phone(key)),
                Some(Timer::Held(key)) => self.of_leg(key, |worker| worker.wake_held(key)),
                Some(Timer::Handshake(key)) => self.of_leg(key, |worker| worker.wake_handshake(key)),
                Some(Timer::PhoneVideo(key)) => self.of_leg(key, |worker| worker.wake_phone_video(key)),
                Some(Timer::Tick(room)) => self.of_room(&room.clone(), |worker| worker.tick(room)),
                None => return,
            }
        }
    }

    pub fn flush(&mut self) {
        while let Some(key) = self.dirty.pop() {
            if self.webrtc_leg(key).is_some_and(|leg| leg.dirty) {
                self.pass_time(key);
            }
        }
        self.outbox.flush(&self.udp);
    }

    fn read_cpu(&mut self) {
        if self.now >= self.cpu_read + CPU_EVERY {
            self.cpu_read = self.now;
            let cpu = clock_gettime(ClockId::ThreadCPUTime);
            let us = cpu.tv_sec.unsigned_abs() * 1_000_000 + cpu.tv_nsec.unsigned_abs() / 1000;
            self.counters.cpu_us.store(us, Relaxed);
        }
    }

    pub fn command(&mut self, command: Command) {
        let Some(command) = self.unless_it_waits(command) else { return };
        match command {
            Command::OpenRoom(room) => {
                self.room(&room).kept = true;
            }
            Command::CloseRoom(room) => self.close_room(&room),
            Command::OpenWebrtc { room, leg, shared } => {
                shared.counters.set_webrtc(WebrtcState::Connecting);
                self.enter(&room, &leg, shared, |worker, key| Kind::Webrtc(Box::new(worker.open_webrtc(key))));
            }
            Command::Offer { leg, sdp, request } => self.offer(&leg, &sdp, request),
            Command::SetPublished { leg, tracks } => self.set_published(&leg, &tracks),
            Command::SetSubscriptions { leg, tracks } => self.set_subscriptions(&leg, tracks),
            Command::SetLayers { leg, asked } => self.set_layers(&leg, asked),
            Command::OpenPhone { room, leg, rtp, rtcp, shared } => {
                let now = self.now;
                let key = self.enter(&room, &leg, shared, |_, _| Kind::Phone(Box::new(PhoneLeg::new(rtp, rtcp, now))));
                self.phone_opened(key);
            }
            Command::SetPhone { leg, media } => self.set_phone(&leg, *media),
            Command::OpenPhoneVideo { leg, rtp, rtcp } => self.open_phone_video(&leg, rtp, rtcp),
            Command::SetPhoneVideo { leg, media } => self.set_phone_video(&leg, media.map(|media| *media)),
            Command::WantPicture { leg } => {
                let key = self.leg_key(&leg);
                key.into_iter().for_each(|key| self.phone_wants_picture(key));
            }
            Command::SetPixels(program) => self.set_pixels(program),
            Command::SetName { leg, name } => {
                let leg = self.leg_key(&leg).and_then(|key| self.legs.get_mut(&key));
                leg.into_iter().for_each(|leg| leg.name.clone_from(&name));
            }
            Command::MovePhone { leg, room } => self.move_phone(&leg, &room),
            Command::HandOver { leg, to } => self.hand_over(&leg, to),
            Command::ExpectPhone { leg, room } => self.expect_arrival(leg, room),
            Command::Arrived { leg, phone } => self.arrived_from_elsewhere(&leg, phone),
            Command::SendDigits { leg, digits, duration_ms, gap_ms } => {
                self.send_digits(&leg, &digits, duration_ms, gap_ms);
            }
            Command::PlayTone { leg, shape } => self.play_tone(&leg, shape),
            Command::PlaySound { leg, player } => self.play_sound(&leg, player),
            Command::OpenPcm { room, leg, shared } => {
                let key = self.enter(&room, &leg, shared, |_, _| Kind::Pcm(Box::new(PcmLeg::new())));
                self.pcm_opened(key);
            }
            Command::SetViewing { leg, is_seen, tracks } => self.set_viewing(&leg, is_seen, MaySee::these(tracks)),
            Command::SetSources { leg, sources } => {
                let leg = self.leg_key(&leg).and_then(|key| self.legs.get_mut(&key));
                leg.into_iter().for_each(|leg| leg.sources = sources.clone());
            }
            Command::SetMuted { leg, muted } => self.set_muted(&leg, muted),
            Command::CloseLeg(leg) => {
                let key = self.leg_key(&leg);
                key.into_iter().for_each(|key| self.remove_leg(key));
            }
            #[cfg(test)]
            Command::Break => panic!("a bug"),
            Command::Stop => self.stopped = true,
        }
    }

    fn enter(
        &mut self,
        room: &str,
        id: &str,
        shared: Arc<LegShared>,
        kind: impl FnOnce(&mut Worker, LegKey) -> Kind,
    ) -> LegKey {
        if let Some(before) = self.leg_key(id) {
            self.remove_leg(before);
        }
        self.last_key += 1;
        let key = LegKey(self.last_key);
        let kind = kind(self, key);
        let room = self.room(room);
        room.legs.push(key);
        let id: Arc<str> = id.into();
        let leg = Leg {
            id: id.clone(),
            room: room.id.clone(),
            shared,
            muted: false,
            spurt: 0,
            sources: None,
            is_seen: true,
            may_see: MaySee::default(),
            name: String::new(),
            kind,
        };
        self.legs.insert(key, leg);
        self.by_id.insert(id, key);
        key
    }

    pub fn room(&mut self, id: &str) -> &mut Room {
        if !self.rooms.contains_key(id) {
            let id: Arc<str> = id.into();
            self.rooms.insert(id.clone(), Room::new(id));
        }
        self.rooms.get_mut(id).expect("it was just made")
    }

    fn close_room(&mut self, id: &str) {
        self.turn_away(id);
        let Some(room) = self.rooms.get_mut(id) else { return };
        room.kept = false;
        let legs = room.legs.clone();
        legs.into_iter().for_each(|key| self.remove_leg(key));
        self.forget_room(id);
    }

    fn forget_room(&mut self, id: &str) {
        if let Some(at) = self.rooms.remove(id).and_then(|room| room.sound.next_tick) {
            self.moments.give_back(at);
        }
    }

    pub fn leg_key(&self, id: &str) -> Option<LegKey> {
        self.by_id.get(id).copied()
    }

    pub fn webrtc_leg(&mut self, key: LegKey) -> Option<&mut WebrtcLeg> {
        self.legs.get_mut(&key)?.webrtc()
    }

    fn set_muted(&mut self, id: &str, muted: bool) {
        let Some(key) = self.leg_key(id) else { return };
        let Some(leg) = self.legs.get_mut(&key) else { return };
        if leg.muted == muted {
            return;
        }
        leg.muted = muted;
        leg.spurt += 1;
        if let Some(room) = self.rooms.get_mut(&leg.room)
            && muted
        {
            room.speaker.forget(key.0);
        }
    }

    /// Close a leg and forget everything about it.
    pub fn remove_leg(&mut self, key: LegKey) {
        let Some(leg) = self.legs.remove(&key) else { return };
        self.by_id.remove(&leg.id);
        let room_id = leg.room.clone();
        match leg.kind {
            Kind::Webrtc(webrtc) => self.close_webrtc(key, &room_id, webrtc),
            Kind::Phone(mut phone) => {
                if let Some(video) = phone.video.take() {
                    self.close_phone_video(key, &room_id, video);
                }
                self.close_phone(*phone);
            }
            Kind::Pcm(pcm) => self.close_pcm(*pcm),
        }
        self.leave_room(&room_id, key);
    }

    /// A leg is no longer in this room.
    pub fn leave_room(&mut self, id: &str, key: LegKey) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        room.legs.retain(|other| *other != key);
        room.viewers.retain(|other| *other != key);
        room.making.as_deref_mut().into_iter().for_each(|making| making.leave(key));
        room.speaker.forget(key.0);
        if room.legs.is_empty() && !room.kept {
            self.forget_room(id);
        }
        self.ask_senders(id, true);
    }

    /// A bug of ours hit this leg: it goes, the others stay.
    pub fn fail_leg(&mut self, key: LegKey, reason: &str) {
        let Some(leg) = self.legs.get(&key) else { return };
        count(&self.counters.leg_failures);
        self.mailbox.push(Event::LegFailed { leg: leg.id.to_string(), reason: reason.into() });
        self.remove_leg(key);
    }
}

/// Whether there was nothing to be read.
fn was_empty<T>(read: &io::Result<T>) -> bool {
    read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::testing;

    /// Between two datagrams of a burst the socket may be empty for a moment. The one that came just then was read to
    /// see whether there was more, and then thrown away: a browser's pictures lost a packet of almost every frame.
    #[test]
    fn every_datagram_is_looked_at_wherever_it_falls_between_two_looks() {
        const ALL: u64 = 5_000;
        let mut worker = testing::worker();
        let to = worker.udp.local_addr().unwrap();
        let counters = worker.counters.clone();
        let sending = std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let end = Instant::now() + Duration::from_secs(30);
            for sent in 0..ALL {
                // No more than the kernel has room for.
                while sent > counters.garbage.load(Relaxed) + 50 && Instant::now() < end {
                    std::hint::spin_loop();
                }
                socket.send_to(b"?", to).unwrap();
            }
        });

        while !sending.is_finished() {
            worker.read_udp();
        }
        while worker.counters.garbage.load(Relaxed) < ALL && worker.udp.peek(&mut [0]).is_ok() {
            worker.read_udp();
        }

        sending.join().unwrap();
        assert_eq!(worker.counters.garbage.load(Relaxed), ALL);
    }

    #[test]
    fn a_flood_of_datagrams_or_commands_takes_only_so_much_of_a_turn_and_nothing_of_it_is_lost() {
        let (mut worker, inbox) = testing::numbered(0);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = worker.udp.local_addr().unwrap();
        (0..150).for_each(|_| assert_eq!(socket.send_to(b"?", to).unwrap(), 1));
        (0..150).for_each(|n| inbox.put(Command::OpenRoom(format!("room {n}"))));

        let turns: Vec<(u64, usize, bool)> = (0..3)
            .map(|_| {
                worker.read_udp();
                let more = worker.take_commands();
                (worker.counters.garbage.load(Relaxed), worker.rooms.len(), more)
            })
            .collect();

        assert_eq!(turns, [(64, 64, true), (128, 128, true), (150, 150, false)]);
    }
}
