//! Phone legs: their two sockets, whose packets count, key presses, reports, and the silence that ends a call.
//!
//! Silence ends a call only where sound is due. Who is on hold owes none: a far end that we hold sends nothing because
//! we asked it to (`listen` is off), and one that holds us may play music or nothing at all (`send` is off, as it does
//! not want our sound, or there is no address for it). Whether such a far end still lives is for SIP to find out.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringback_audio::{Codec, KeyEars, Media, level_dbov};
use ringback_rtp::{
    DtmfReceiver, Extended16, Latch, LatchConfig, Network, Reception, Rejection, ReportBlock, Reporter, Rtcp,
    RtpPacket, SrtpError, Verdict, is_rtcp, parse_compound,
};
use ringback_sfu::{Extensions, Mid, Packet};
use rustix::event::epoll;

use crate::config::PhoneMedia;
use crate::crypto::Crypto;
use crate::event::Event;
use crate::leg::{Kind, Leg};
use crate::phone_secure::{Guard, Port};
use crate::phone_video::PhoneVideo;
use crate::player::Player;
use crate::ports::PhoneSocket;
use crate::seen::MaySee;
use crate::shared::{LegCounters, Way};
use crate::source::{COMFORT_NOISE, format_kind};
use crate::sys::{self, LONGEST};
use crate::tracks::TrackKey;
use crate::voice::{Line, Voice};
use crate::worker::{LegKey, Timer, Token, Worker};

/// Without RTP and RTCP for this long a call is dead.
const SILENCE: Duration = Duration::from_secs(60);
/// Seconds from 1900, NTP's epoch, to 1970.
const NTP_OFFSET: u64 = 2_208_988_800;

/// A telephone.
pub struct PhoneLeg {
    pub rtp: PhoneSocket,
    pub rtcp: PhoneSocket,
    /// Whether its sound is taken as it comes, not when its room ticks.
    pub watched: bool,
    /// Whether the last datagram brought a whole tick's sound that was still needed.
    pub in_time: bool,
    pub track: Option<TrackKey>,
    pub media: Option<PhoneMedia>,
    pub latch: Latch,
    /// Keys and checks of each port.
    pub guard: Guard,
    pub rtcp_guard: Guard,
    /// DTLS that came before the answer did.
    pub early: Option<(SocketAddr, Vec<u8>)>,
    pub handshake_at: Option<Instant>,
    pub unprotected_told: bool,
    /// Level of the 20 ms it was sent last, where its echo is looked for.
    pub sent_dbov: f32,
    reception: Option<Reception>,
    /// Of everything it is sent.
    pub cname: String,
    reporter: Reporter,
    pub dtmf: DtmfReceiver,
    /// Looks for keys in its sound, where it has no better way to send them.
    pub keys: Option<KeyEars>,
    /// The stream as browsers are sent it.
    extended: Extended16,
    stream: u64,
    /// A packet of a stream that was not believed yet: it comes first once it is.
    held: (SocketAddr, Vec<u8>),
    /// Packets lost of streams before the present one.
    lost_before: i64,
    /// What it is sent.
    pub voice: Voice,
    /// Its pictures, where it has any.
    pub video: Option<Box<PhoneVideo>>,
    pub rtcp_from: Option<SocketAddr>,
    alive: Instant,
    silence_told: bool,
    started: bool,
}

impl PhoneLeg {
    pub fn new(rtp: PhoneSocket, rtcp: PhoneSocket, now: Instant) -> PhoneLeg {
        let cname = format!("{:016x}", sys::random_u64());
        PhoneLeg {
            rtp,
            rtcp,
            watched: true,
            in_time: false,
            track: None,
            media: None,
            latch: Latch::new(now, LatchConfig::default()),
            guard: Guard::default(),
            rtcp_guard: Guard::default(),
            early: None,
            handshake_at: None,
            unprotected_told: false,
            sent_dbov: -127.0,
            reception: None,
            reporter: Reporter::new(now, &cname, sys::random_u64() as u32),
            cname,
            dtmf: DtmfReceiver::new(8000),
            keys: None,
            extended: Extended16::default(),
            stream: 0,
            held: (SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), Vec::new()),
            lost_before: 0,
            voice: Voice::new(),
            video: None,
            rtcp_from: None,
            alive: now,
            silence_told: false,
            started: false,
        }
    }

    /// The codec of a payload type the far end may send.
    fn codec(&self, payload_type: u8) -> Option<Codec> {
        let media = self.media.as_ref()?;
        let all = std::iter::once(&media.codec).chain(&media.receive);
        all.clone().find(|c| c.receive_payload_type == payload_type).map(|c| c.codec)
    }

    fn is_press(&self, payload_type: u8) -> bool {
        self.media.as_ref().is_some_and(|m| m.dtmf_receive_payload_type == Some(payload_type))
    }

    /// 20 ms for the phone: `from` is the source whose payloads these are, if they are one's.
    pub fn say(&mut self, media: Media<'_>, from: Option<TrackKey>, way: Way, counters: &LegCounters, at: Instant) {
        let open = self.is_open();
        self.sent_dbov = match media {
            Media::Pcm { pcm, .. } if self.returns_echo() => level_dbov(pcm),
            _ => -127.0,
        };
        let protect = self.guard.crypto.as_mut().and_then(Crypto::sender);
        let line = Line { socket: &self.rtp, latch: &mut self.latch, counters, open, protect };
        self.voice.send(media, from, way, line, at);
    }

    /// What is left of the last 20 ms, where packets do not end with ticks.
    fn say_held(&mut self, counters: &LegCounters, now: Instant) {
        let open = self.is_open();
        let protect = self.guard.crypto.as_mut().and_then(Crypto::sender);
        let line = Line { socket: &self.rtp, latch: &mut self.latch, counters, open, protect };
        self.voice.send_held(line, now);
    }

    /// Whether it is to be kept from returning what it is sent.
    pub fn returns_echo(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.polish.echo)
    }

    /// Whether it hears a recorded sound now: not before there is somewhere to send it.
    pub fn is_played_to(&self) -> bool {
        self.voice.player.is_some() && self.is_open() && self.latch.destination().is_some()
    }

    /// 20 ms of its recorded sound; the id of one that is over.
    pub fn play(&mut self, counters: &LegCounters, at: Instant) -> Option<String> {
        self.voice.ears.rest();
        let mut player = self.voice.player.take()?;
        let mut pcm = Vec::new();
        if player.tick(&mut pcm) {
            let sample_rate = player.rate();
            self.voice.player = Some(player);
            self.say(Media::Pcm { pcm: &pcm, sample_rate }, None, Way::Play, counters, at);
            return None;
        }
        self.say(Media::Silence, None, Way::None, counters, at);
        Some(player.id().to_owned())
    }

    fn is_open(&self) -> bool {
        self.guard.is_ready() && self.media.as_ref().is_some_and(|m| m.send && m.has_remote())
    }

    /// Whether an address is this leg's own: a far end that claims it would make us speak with ourselves.
    pub fn is_own(&self, address: SocketAddr) -> bool {
        self.rtp.is_own(address)
    }

    /// Open a datagram in place where the leg is protected; `None` and a count when it does not prove itself.
    fn open<'a>(&mut self, now: Instant, datagram: &'a mut [u8], counters: &LegCounters) -> Option<&'a [u8]> {
        let rtcp = is_rtcp(datagram);
        let crypto = if rtcp { self.rtcp_crypto() } else { self.guard.crypto.as_mut() };
        let Some(crypto) = crypto else { return Some(datagram) };
        match crypto.open(now, datagram, rtcp) {
            Ok(opened) => Some(opened),
            Err(why) => {
                let counter =
                    if why == SrtpError::Replayed { &counters.packets_replayed } else { &counters.packets_forged };
                LegCounters::add(counter, 1);
                LegCounters::add(&counters.packets_rejected, 1);
                None
            }
        }
    }

    /// What the far end says of our stream.
    fn reported(&mut self, now: Instant, block: &ReportBlock, counters: &LegCounters) {
        if let Some(trip) = block.round_trip(ntp_at(now)) {
            counters.round_trip_us.store(trip.as_micros() as u64 + 1, Relaxed);
        }
        counters.remote_lost.store(u64::from(block.cumulative_lost.max(0).unsigned_abs()), Relaxed);
        counters.remote_fraction.store(u64::from(block.fraction_lost) + 1, Relaxed);
        let clock = self.media.as_ref().map_or(8000, |m| m.codec.codec.clock_rate());
        counters.remote_jitter_us.store(u64::from(block.jitter) * 1_000_000 / u64::from(clock), Relaxed);
        self.voice.heard_loss(block.fraction_lost);
    }

    /// Send RTCP, protected where the leg is.
    fn send_rtcp(&mut self, mut report: Vec<u8>) {
        let Some(to) = self.rtcp_destination() else { return };
        if let Some(crypto) = self.rtcp_crypto()
            && !crypto.sender().is_some_and(|protect| protect.rtcp(&mut report))
        {
            return;
        }
        let muxed = self.media.as_ref().is_some_and(PhoneMedia::is_muxed);
        let _ = if muxed { self.rtp.send_to(&report, to) } else { self.rtcp.send_to(&report, to) };
    }

    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        let rtp = self.latch.destination()?;
        let media = self.media.as_ref()?;
        if media.is_muxed() {
            return Some(rtp);
        }
        let named = media.ice.is_some();
        self.rtcp_from.filter(|from| named || from.ip() == rtp.ip()).or_else(|| {
            let port = media.rtcp_port.or_else(|| rtp.port().checked_add(1))?;
            Some(SocketAddr::new(rtp.ip(), port))
        })
    }
}

/// The wall clock in NTP format at a moment of the worker's: read once and counted on, so that the reports of one phone's
/// sound and pictures agree, whatever is done to the clock between them.
pub fn ntp_at(now: Instant) -> u64 {
    static READ: LazyLock<(Instant, Duration)> = LazyLock::new(|| {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (Instant::now(), wall)
    });
    let (read, wall) = *READ;
    let wall = (wall + now.saturating_duration_since(read)).saturating_sub(read.saturating_duration_since(now));
    let fraction = (u64::from(wall.subsec_nanos()) << 32) / 1_000_000_000;
    ((wall.as_secs() + NTP_OFFSET) << 32) | fraction
}

impl Worker {
    pub fn phone_opened(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let (id, room) = (leg.id.clone(), leg.room.clone());
        let track = self.tracks.publish(&room, &id, "audio", key, None);
        let Some(phone) = leg.phone() else { return };
        phone.track = Some(track);
        phone.rtp.each().for_each(sys::tell_unreachable);
        phone.rtp.each().for_each(sys::stamp_arrivals);
        self.watch_ports(key);
    }

    /// Be told of what comes to a phone's ports.
    pub fn watch_ports(&mut self, key: LegKey) {
        let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) else { return };
        phone.watched = true;
        for (socket, token) in [(&phone.rtp, Token::Rtp(key)), (&phone.rtcp, Token::Rtcp(key))] {
            for socket in socket.each() {
                let watched = epoll::add(&self.phones, socket, token.data(), epoll::EventFlags::IN);
                debug_assert!(watched.is_ok(), "a socket that nobody watches can be watched");
            }
        }
    }

    /// No longer.
    pub fn leave_ports(&self, phone: &PhoneLeg) {
        for socket in phone.rtp.each().chain(phone.rtcp.each()) {
            let _ = epoll::delete(&self.phones, socket);
        }
    }

    pub fn set_phone(&mut self, id: &str, mut media: PhoneMedia) {
        let Some(key) = self.leg_key(id) else { return };
        let now = self.now;
        self.set_guards(key, &media);
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let shared = leg.shared.clone();
        let Some(phone) = leg.phone() else { return };
        media.remote = media.remote.filter(|remote| !phone.is_own(*remote));
        let config = LatchConfig {
            signalled: media.remote,
            payload_types: payload_types(&media).collect(),
            networks: media.networks.iter().copied().chain(media.signalling_host.map(Network::host)).collect(),
            nat: true,
            trusted: media.trusted,
            hold_fire: media.hold_fire,
            ice: media.ice.is_some(),
        };
        shared.counters.set_srtp(phone.guard.crypto.as_ref().and_then(Crypto::suite));
        let before = phone.media.replace(media);
        let media = phone.media.as_ref().expect("it was just put there");
        let listened = before.as_ref().is_some_and(|m| m.listen);
        let was_due = before.as_ref().is_some_and(is_sound_due);
        if before.is_none() {
            phone.latch = Latch::new(now, config);
        } else {
            phone.latch.update(now, config);
        }
        phone.voice.set(media);
        if before.as_ref().is_none_or(|m| m.event_clock() != media.event_clock()) {
            phone.dtmf = DtmfReceiver::new(media.event_clock());
        }
        let detects = media.dtmf_detect && media.dtmf_receive_payload_type.is_none();
        phone.keys = phone.keys.take().or_else(|| Some(KeyEars::new())).filter(|_| detects);
        if is_sound_due(media) && !was_due {
            phone.alive = now;
            phone.silence_told = false;
        }
        if before.is_some() && media.listen != listened {
            // What browsers get of it pauses or goes on: it joins on where it left.
            phone.stream += 1;
        }
        if before.is_none() {
            self.timers.set(now, Timer::Phone(key));
        }
        self.shake_hands(key);
        self.expect_phone(key);
        self.need_tick(key);
    }

    /// A phone goes to another room, with its port and its streams, and hears everybody there.
    pub fn move_phone(&mut self, id: &str, to: &str) {
        let Some(key) = self.leg_key(id) else { return };
        if self.legs.get(&key).is_some_and(|leg| &*leg.room != to) && self.leave_for_another(key) {
            self.come_into(key, to);
        }
    }

    /// A phone is no longer in its room; `false` for a leg that is no phone, which stays.
    pub fn leave_for_another(&mut self, key: LegKey) -> bool {
        let Some(leg) = self.legs.get_mut(&key) else { return false };
        let from = leg.room.clone();
        let Some(phone) = leg.phone() else { return false };
        // What browsers get of it joins on where it left, should it come back.
        phone.stream += 1;
        phone.voice.ears.rest();
        let track = phone.track.take();
        leg.sources = None;
        leg.may_see = MaySee::default();
        if let Some(track) = track {
            self.forget_track(track);
        }
        self.hide_phone_video(key);
        self.leave_room(&from, key);
        true
    }

    /// A phone that is in no room comes into this one.
    pub fn come_into(&mut self, key: LegKey, to: &str) {
        let room = self.room(to);
        room.legs.push(key);
        let room = room.id.clone();
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let track = self.tracks.publish(&room, &leg.id, "audio", key, None);
        leg.room = room;
        if let Some(phone) = leg.phone() {
            phone.track = Some(track);
        }
        self.move_phone_video(key);
        self.expect_phone(key);
        self.need_tick(key);
    }

    /// A phone's track is no longer sent. Who receives it waits for the next one of its name.
    fn forget_track(&mut self, track: TrackKey) {
        let waiting = self.tracks.get(track).map(|t| t.subscribers.clone()).unwrap_or_default();
        for (listener, mid) in waiting {
            let received = self.webrtc_leg(listener).and_then(|leg| leg.received.get_mut(&mid));
            received.into_iter().for_each(|received| received.made = false);
        }
        self.drop_audio(track);
        self.tracks.unpublish(track);
    }

    /// Press keys, as events or as tones; they follow those that wait.
    pub fn send_digits(&mut self, id: &str, digits: &str, duration_ms: u32, gap_ms: u32) {
        let Some(key) = self.leg_key(id) else { return };
        if let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) {
            let tones = phone.media.as_ref().is_some_and(|media| media.dtmf_tones);
            phone.voice.send_digits(digits, duration_ms, gap_ms, tones);
        }
    }

    /// Let a phone hear a recorded sound, or its room again.
    pub fn play_sound(&mut self, id: &str, player: Option<Player>) {
        let Some(key) = self.leg_key(id) else { return };
        if let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) {
            phone.voice.player = player;
        }
    }

    /// One datagram: a phone sends one in 20 ms, and a second one makes the socket ready again.
    ///
    /// `errors`: ICMP messages wait about something we sent: the far end is not there yet, or no longer.
    pub fn read_rtp(&mut self, key: LegKey, errors: bool) {
        let Some(Leg { shared, kind: Kind::Phone(phone), .. }) = self.legs.get_mut(&key) else { return };
        if errors {
            LegCounters::add(&shared.counters.unreachable, phone.rtp.each().map(sys::take_unreachable).sum());
        }
        let mut buffer = std::mem::take(&mut self.datagram);
        buffer.resize(LONGEST, 0);
        if let Ok((n, from)) = phone.rtp.recv_from(&mut buffer) {
            self.phone_datagram(key, from, self.now, &mut buffer[..n]);
        }
        self.datagram = buffer;
    }

    pub fn read_rtcp(&mut self, key: LegKey) {
        let mut buffer = [0; LONGEST];
        let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) else { return };
        if let Ok((n, from)) = phone.rtcp.recv_from(&mut buffer) {
            if self.took_apart(key, Port::Rtcp, from, &buffer[..n]) {
                return;
            }
            let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) else { return };
            let expected = phone.latch.destination().is_some_and(|to| to.ip() == from.ip());
            phone.rtcp_from = Some(from).filter(|_| expected);
            self.rtcp_packet(key, from, &mut buffer[..n]);
        }
    }

    /// RTP that arrived at `now`.
    pub fn rtp_packet_at(&mut self, key: LegKey, from: SocketAddr, now: Instant, datagram: &mut [u8]) {
        let Some(Leg { shared, kind: Kind::Phone(phone), .. }) = self.legs.get_mut(&key) else { return };
        let counters = &shared.counters;
        let Some(datagram) = phone.open(now, datagram, counters) else { return };
        let Ok(packet) = RtpPacket::parse(datagram) else {
            LegCounters::add(&counters.packets_rejected, 1);
            return;
        };
        let verdict = match phone.guard.crypto {
            Some(_) => phone.latch.receive_authentic(now, from, &packet),
            None => phone.latch.receive(now, from, &packet),
        };
        match verdict {
            Verdict::Accept => self.take_packet(key, now, &packet, false),
            Verdict::AcceptFresh => {
                let (held_from, held) = std::mem::replace(&mut phone.held, (from, Vec::new()));
                match RtpPacket::parse(&held) {
                    Ok(before) if held_from == from && is_next(&before, &packet) => {
                        self.take_packet(key, now, &before, true);
                        self.take_packet(key, now, &packet, false);
                    }
                    _ => self.take_packet(key, now, &packet, true),
                }
            }
            Verdict::Reject(why) => {
                LegCounters::add(&counters.packets_rejected, 1);
                note_rejected(counters, why, from, &packet);
                if why != Rejection::PayloadType {
                    phone.held.0 = from;
                    phone.held.1.clear();
                    phone.held.1.extend_from_slice(datagram);
                }
            }
        }
    }

    /// A packet that counts. `fresh`: its stream is another than before.
    fn take_packet(&mut self, key: LegKey, now: Instant, packet: &RtpPacket<'_>, fresh: bool) {
        let Some(Leg { shared, id, room, muted, spurt, kind: Kind::Phone(phone), .. }) = self.legs.get_mut(&key) else {
            return;
        };
        let (muted, spurt, counters) = (*muted, *spurt, &shared.counters);
        phone.alive = now;
        phone.silence_told = false;
        counters.heard(now);
        LegCounters::add(&counters.packets_received, 1);
        LegCounters::add(&counters.bytes_received, packet.payload.len() as u64);
        if fresh {
            let source = phone.latch.source().map(|(from, _)| from);
            counters.place(|places| places.source = source);
            phone.stream += 1;
            phone.extended = Extended16::default();
        }
        let clock = phone.media.as_ref().map_or(8000, |m| m.codec.codec.clock_rate());
        if fresh || phone.reception.as_ref().is_none_or(|r| r.ssrc() != packet.ssrc) {
            let before = phone.reception.replace(Reception::new(packet.ssrc, clock));
            phone.lost_before += before.map_or(0, |reception| reception.lost().max(0));
        }
        if let Some(reception) = &mut phone.reception {
            reception.receive(now, packet.sequence, packet.timestamp);
            let lost = phone.lost_before + reception.lost().max(0);
            counters.packets_lost.store(lost.unsigned_abs(), Relaxed);
            counters.jitter_us.store(reception.jitter().as_micros() as u64, Relaxed);
        }
        let sequence = phone.extended.extend(packet.sequence);
        let stream = u64::from(packet.ssrc) << 20 ^ phone.stream << 8 ^ u64::from(spurt);
        let Some(track) = phone.track else { return };
        let is_press = phone.is_press(packet.payload_type);
        if is_press {
            phone.dtmf.push(now, packet.timestamp, packet.marker, packet.payload);
        }
        if is_press || packet.payload_type == COMFORT_NOISE && phone.codec(COMFORT_NOISE).is_none() {
            // Where a press begins, what is said ends.
            let source = self.rooms.get_mut(room).and_then(|room| room.sound.sources.get_mut(&track));
            let ends = source.filter(|_| !is_press || packet.marker);
            ends.into_iter().for_each(|source| source.push_pause(now, packet, fresh));
            self.leave_out(track, stream);
            return;
        }
        let listening = phone.media.as_ref().is_some_and(|m| m.listen);
        let polished = phone.media.as_ref().is_some_and(|m| !m.polish.is_none());
        let Some(codec) = phone.codec(packet.payload_type).filter(|_| listening) else { return };
        if !std::mem::replace(&mut phone.started, true) {
            self.mailbox.push(Event::MediaStarted { leg: id.to_string(), track: "audio".into() });
        }
        let source = self.rooms.get_mut(room).and_then(|room| room.sound.sources.get_mut(&track));
        let source = source.map(|source| {
            source.push(now, packet, codec, fresh);
            (source.level, source.has_waiting())
        });
        phone.in_time = source.is_some_and(|(_, waits)| waits) && is_a_tick(codec, packet.payload.len());
        let level = source.map(|(level, _)| level);
        // What is polished is sent to browsers as it was made, tick by tick.
        if muted || polished || !self.tracks.is_subscribed(track) {
            return;
        }
        let forwarded = Packet {
            mid: Mid::from(""),
            ssrc: packet.ssrc,
            layer: 0,
            format: format_kind(codec).plain(),
            sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: Arc::from(packet.payload),
            redundant: None,
            extensions: Extensions { audio_level: level, ..Extensions::default() },
        };
        self.forward(track, stream, &forwarded);
    }

    pub fn rtcp_packet(&mut self, key: LegKey, from: SocketAddr, datagram: &mut [u8]) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let shared = leg.shared.clone();
        let Some(phone) = leg.phone() else { return };
        let Some(datagram) = phone.open(now, datagram, &shared.counters) else { return };
        let Ok(packets) = parse_compound(datagram) else {
            LegCounters::add(&shared.counters.packets_rejected, 1);
            return;
        };
        if phone.guard.crypto.is_some() {
            phone.latch.receive_authentic_rtcp(now);
        } else if !phone.latch.receive_rtcp(now, from) {
            LegCounters::add(&shared.counters.packets_rejected, 1);
            return;
        }
        // A BYE is not believed: the call ends by SIP, or by silence.
        phone.alive = now;
        phone.silence_told = false;
        LegCounters::add(&shared.counters.reports_received, 1);
        let ours = phone.voice.sent().ssrc;
        for packet in packets {
            let blocks = match packet {
                Rtcp::SenderReport { ssrc, info, blocks } => {
                    if let Some(reception) = phone.reception.as_mut().filter(|r| r.ssrc() == ssrc) {
                        reception.sender_report(now, info.ntp);
                    }
                    blocks
                }
                Rtcp::ReceiverReport { blocks, .. } => blocks,
                _ => continue,
            };
            for block in blocks.iter().filter(|block| block.ssrc == ours) {
                LegCounters::add(&shared.counters.reports_on_ours, 1);
                phone.reported(now, block, &shared.counters);
            }
        }
    }

    /// A report is due, and with it a look whether the far end still lives.
    pub fn wake_phone(&mut self, key: LegKey) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let id = leg.id.clone();
        let Some(phone) = leg.phone() else { return };
        let due = phone.media.as_ref().is_some_and(is_sound_due);
        if due && !phone.silence_told && now >= phone.alive + SILENCE {
            phone.silence_told = true;
            self.mailbox.push(Event::LegSilent { leg: id.to_string() });
        }
        if now >= phone.reporter.due() {
            let mut report = Vec::new();
            let sent = phone.voice.sent();
            let random = sys::random_u64() as u32;
            phone.reporter.report(now, ntp_at(now), &sent, phone.reception.as_mut(), random, &mut report);
            phone.send_rtcp(report);
        }
        let due = phone.reporter.due();
        self.timers.set(due, Timer::Phone(key));
    }

    /// Half a tick has passed since a phone was given 20 ms.
    pub fn wake_held(&mut self, key: LegKey) {
        let now = self.now;
        if let Some(Leg { shared, kind: Kind::Phone(phone), .. }) = self.legs.get_mut(&key) {
            phone.say_held(&shared.counters, now);
        }
    }

    pub fn close_phone(&mut self, mut phone: PhoneLeg) {
        self.leave_ports(&phone);
        if let Some(track) = phone.track {
            self.drop_audio(track);
            self.tracks.unpublish(track);
        }
        let sent = phone.voice.sent();
        if sent.packets > 0 {
            let mut goodbye = Vec::new();
            phone.reporter.goodbye(sent.ssrc, &mut goodbye);
            phone.send_rtcp(goodbye);
        }
    }
}

fn note_rejected(counters: &LegCounters, why: Rejection, from: SocketAddr, packet: &RtpPacket<'_>) {
    let counter = match why {
        Rejection::PayloadType => {
            counters.wrong_type.store(packet.payload_type + 1, Relaxed);
            &counters.rejected_type
        }
        Rejection::Source => {
            counters.place(|places| places.refused = Some(from));
            &counters.rejected_source
        }
        Rejection::Ssrc | Rejection::Sequence => &counters.rejected_stream,
    };
    LegCounters::add(counter, 1);
}

/// Whether the far end has to be heard of: neither side holds the other.
fn is_sound_due(media: &PhoneMedia) -> bool {
    media.listen && media.send && media.has_remote()
}

fn payload_types(media: &PhoneMedia) -> impl Iterator<Item = u8> {
    let speech = std::iter::once(&media.codec).chain(&media.receive);
    // It has the clock of telephones' codecs; gateways send it in pauses though nobody asked for it.
    let has_noise = speech.clone().any(|codec| codec.codec.clock_rate() == 8000);
    let speech = speech.map(|codec| codec.receive_payload_type);
    speech.chain(media.dtmf_receive_payload_type).chain(has_noise.then_some(COMFORT_NOISE))
}

/// Whether a payload holds 20 ms or more, where its length tells.
fn is_a_tick(codec: Codec, length: usize) -> bool {
    codec.is_bytewise() && length >= (codec.clock_rate() / 50) as usize
}

/// Whether a packet follows another of its stream.
fn is_next(before: &RtpPacket<'_>, packet: &RtpPacket<'_>) -> bool {
    before.ssrc == packet.ssrc && packet.sequence.wrapping_sub(before.sequence) == 1
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::command::Command;
    use crate::config::PhoneCodec;
    use crate::ports;
    use crate::shared::LegShared;
    use crate::testing;
    use ringback_rtp::{RtpHeader, write_compound};

    const FAR: ([u8; 4], u16) = ([127, 0, 0, 1], 40_000);

    fn far() -> SocketAddr {
        FAR.into()
    }

    fn media() -> PhoneMedia {
        let codec = PhoneCodec {
            codec: Codec::Pcmu,
            payload_type: 0,
            receive_payload_type: 0,
            ptime: Duration::from_millis(20),
        };
        PhoneMedia {
            remote: Some(far()),
            dtmf_payload_type: Some(101),
            dtmf_receive_payload_type: Some(101),
            ..PhoneMedia::plain(codec)
        }
    }

    /// A worker with one phone that has been answered, at the moment of the answer.
    fn answered() -> (Worker, LegKey) {
        let mut worker = testing::worker();
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        let (room, leg) = ("room".to_owned(), "ann".to_owned());
        worker.command(Command::OpenPhone { room, leg, rtp, rtcp, shared: Arc::new(LegShared::default()) });
        worker.set_phone("ann", media());
        let key = worker.leg_key("ann").unwrap();
        (worker, key)
    }

    fn rtp(sequence: u16) -> Vec<u8> {
        let timestamp = u32::from(sequence) * 160;
        let mut out = Vec::new();
        RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 7 }.write(&[0xff; 160], &mut out);
        out
    }

    fn report() -> Vec<u8> {
        let mut out = Vec::new();
        write_compound(&[Rtcp::ReceiverReport { ssrc: 7, blocks: vec![] }], &mut out);
        out
    }

    fn silent_for(worker: &mut Worker, seconds: u64) -> usize {
        for _ in 0..seconds {
            testing::pass(worker, Duration::from_secs(1));
        }
        worker.mailbox.drain().iter().filter(|e| matches!(e, Event::LegSilent { .. })).count()
    }

    #[test]
    fn a_phone_that_is_silent_for_a_minute_is_told_of_once() {
        let (mut worker, key) = answered();
        worker.rtp_packet(key, far(), &mut rtp(1));

        assert_eq!(silent_for(&mut worker, 59), 0);
        assert_eq!(silent_for(&mut worker, 10), 1);
        assert_eq!(silent_for(&mut worker, 120), 0);
    }

    #[test]
    fn reports_alone_keep_a_call_alive() {
        let (mut worker, key) = answered();

        for _ in 0..20 {
            assert_eq!(silent_for(&mut worker, 10), 0);
            worker.rtcp_packet(key, far(), &mut report());
        }
    }

    #[test]
    fn on_hold_silence_means_nothing_whoever_holds_whom() {
        let we_hold = PhoneMedia { listen: false, ..media() };
        let it_holds = PhoneMedia { send: false, ..media() };
        let both = PhoneMedia { listen: false, send: false, ..media() };
        let no_address = PhoneMedia { remote: None, ..media() };
        for hold in [we_hold, it_holds, both, no_address] {
            let (mut worker, _) = answered();
            worker.set_phone("ann", hold);

            assert_eq!(silent_for(&mut worker, 300), 0);
            worker.set_phone("ann", media());
            assert_eq!(silent_for(&mut worker, 59), 0);
            assert_eq!(silent_for(&mut worker, 10), 1);
        }
    }

    #[test]
    fn from_hold_to_another_hold_and_back_silence_is_counted_anew() {
        let (mut worker, _) = answered();
        worker.set_phone("ann", PhoneMedia { send: false, ..media() });
        silent_for(&mut worker, 50);
        worker.set_phone("ann", PhoneMedia { listen: false, ..media() });
        silent_for(&mut worker, 50);
        worker.set_phone("ann", media());

        assert_eq!(silent_for(&mut worker, 59), 0);
        assert_eq!(silent_for(&mut worker, 10), 1);
    }

    #[test]
    fn a_late_phone_is_heard_from_the_host_it_signals_from_and_from_nowhere_else() {
        let (mut worker, key) = answered();
        let remote = Some(([10, 0, 0, 1], 4000).into());
        let host = Some([203, 0, 113, 9].into());
        worker.set_phone("ann", PhoneMedia { remote, signalling_host: host, hold_fire: true, ..media() });
        silent_for(&mut worker, 10);

        for sequence in 0..10 {
            worker.rtp_packet(key, ([198, 51, 100, 4], 4).into(), &mut rtp(sequence));
            worker.rtp_packet(key, ([203, 0, 113, 9], 4711).into(), &mut rtp(sequence));
        }

        let phone = worker.legs.get_mut(&key).unwrap().phone().unwrap();
        assert_eq!(phone.latch.destination(), Some(([203, 0, 113, 9], 4711).into()));
        let counters = &worker.legs[&key].shared.counters;
        assert_eq!(counters.packets_received.load(Relaxed), 9);
        assert!(counters.since_heard(worker.now).is_some_and(|since| since <= Duration::from_millis(1)));
    }

    #[test]
    fn neither_sound_nor_reports_go_to_an_address_we_hold_fire_on() {
        let (mut worker, key) = answered();
        let far_rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        far_rtp.set_nonblocking(true).unwrap();
        let remote = far_rtp.local_addr().ok();

        worker.set_phone("ann", PhoneMedia { remote, hold_fire: true, trusted: true, ..media() });
        silent_for(&mut worker, 20);

        assert!(far_rtp.recv(&mut [0; LONGEST]).is_err(), "nothing came");
        let phone = worker.legs.get_mut(&key).unwrap().phone().unwrap();
        assert_eq!(phone.rtcp_destination(), None);
    }

    #[test]
    fn a_goodbye_by_rtcp_is_not_believed() {
        let (mut worker, key) = answered();
        let mut bye = report();
        write_compound(&[Rtcp::Goodbye { sources: vec![7], reason: None }], &mut bye);

        worker.rtcp_packet(key, far(), &mut bye);
        worker.rtp_packet(key, far(), &mut rtp(1));

        assert_eq!(worker.legs[&key].shared.counters.packets_received.load(Relaxed), 1);
        assert!(worker.mailbox.drain().iter().all(|e| matches!(e, Event::MediaStarted { .. })));
    }

    #[test]
    fn garbage_and_strangers_are_counted_and_change_nothing() {
        let (mut worker, key) = answered();
        let stranger: SocketAddr = ([10, 0, 0, 9], 5004).into();

        // 128 bytes of 128 happen to be an RTP packet, and 141 of 141 comfort noise.
        for n in (0..=200u8).filter(|n| ![128, 141].contains(n)) {
            worker.rtp_packet(key, far(), &mut vec![n; usize::from(n)]);
            worker.rtcp_packet(key, stranger, &mut report());
        }

        let counters = worker.legs[&key].shared.counters.packets_rejected.load(Relaxed);
        assert_eq!(counters, 398);
        assert!(worker.mailbox.drain().is_empty());
    }

    #[test]
    fn a_far_end_that_claims_our_own_port_is_sent_nothing() {
        let (mut worker, key) = answered();
        let own = worker.legs.get_mut(&key).unwrap().phone().unwrap().rtp.local_addr().unwrap();

        worker.set_phone("ann", PhoneMedia { remote: Some(own), ..media() });
        worker.legs[&key].shared.counters.packets_sent.store(0, Relaxed);
        testing::pass(&mut worker, Duration::from_secs(1));

        assert_eq!(worker.legs[&key].shared.counters.packets_sent.load(Relaxed), 0);
    }

    #[test]
    fn a_bug_costs_the_leg_it_hits_and_no_other() {
        let (mut worker, ann) = answered();
        let (rtp_socket, rtcp_socket) = ports::bind_pair(&testing::config()).unwrap();
        let (room, leg) = ("room".to_owned(), "bob".to_owned());
        let shared = Arc::new(LegShared::default());
        worker.command(Command::OpenPhone { room, leg, rtp: rtp_socket, rtcp: rtcp_socket, shared });
        worker.set_phone("bob", media());
        let bob = worker.leg_key("bob").unwrap();

        worker.of_leg(ann, |_| panic!("a bug"));
        worker.rtp_packet(bob, far(), &mut rtp(1));

        let failed = Event::LegFailed { leg: "ann".into(), reason: "a bug".into() };
        assert!(worker.mailbox.drain().contains(&failed));
        assert_eq!(worker.leg_key("ann"), None);
        assert_eq!(worker.legs[&bob].shared.counters.packets_received.load(Relaxed), 1);
    }

    #[test]
    fn a_phone_that_moves_is_heard_where_it_is_and_leaves_nothing_where_it_was() {
        let (mut worker, key) = answered();
        worker.rtp_packet(key, far(), &mut rtp(1));

        worker.command(Command::MovePhone { leg: "ann".into(), room: "elsewhere".into() });
        worker.rtp_packet(key, far(), &mut rtp(2));

        assert!(!worker.rooms.contains_key("room"));
        assert_eq!(worker.rooms["elsewhere"].legs, [key]);
        assert_eq!(worker.rooms["elsewhere"].sound.sources.len(), 1);
        assert_eq!(worker.legs[&key].shared.counters.packets_received.load(Relaxed), 2);
        worker.command(Command::CloseLeg("ann".into()));
        assert!(worker.legs.is_empty() && worker.rooms.is_empty() && worker.tracks.is_empty());
    }

    #[test]
    fn nothing_is_left_of_a_phone_that_hung_up() {
        let (mut worker, key) = answered();
        worker.rtp_packet(key, far(), &mut rtp(1));

        worker.command(Command::CloseLeg("ann".into()));

        assert!(worker.legs.is_empty() && worker.rooms.is_empty());
        assert!(worker.tracks.is_empty());
        assert_eq!(worker.leg_key("ann"), None);
        silent_for(&mut worker, 120);
        assert_eq!(worker.timers.next(), None, "no timer stays behind");
    }

    fn about(now: Instant, ssrc: u32, fraction_lost: u8) -> Vec<u8> {
        let block = ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost: 12,
            jitter: 80,
            last_sr: (ntp_at(now) >> 16) as u32 - (1 << 16),
            delay_since_last_sr: 1 << 15,
            ..ReportBlock::default()
        };
        let mut out = Vec::new();
        write_compound(&[Rtcp::ReceiverReport { ssrc: 7, blocks: vec![block] }], &mut out);
        out
    }

    #[test]
    fn what_the_far_end_hears_is_taken_from_its_reports_on_our_stream() {
        let (mut worker, key) = answered();
        testing::pass(&mut worker, Duration::from_millis(100));
        worker.rtp_packet(key, far(), &mut rtp(1));
        let ours = worker.legs.get_mut(&key).unwrap().phone().unwrap().voice.sent().ssrc;

        let now = worker.now;
        worker.rtcp_packet(key, far(), &mut about(now, ours ^ 1, 200));
        let shared = worker.legs[&key].shared.clone();
        assert_eq!(shared.counters.quality(Codec::Pcmu).remote_loss, None, "a report on somebody else's stream");
        worker.rtcp_packet(key, far(), &mut about(now, ours, 64));

        let quality = shared.counters.quality(Codec::Pcmu);
        assert_eq!(quality.remote_loss, Some(0.25));
        assert!(quality.round_trip.unwrap().abs_diff(Duration::from_millis(500)) < Duration::from_millis(100));
        assert!(quality.remote_mos.is_some_and(|mos| mos < 3.0), "a quarter of it is lost");
        assert_eq!(shared.counters.remote_lost.load(Relaxed), 12);
        assert_eq!(shared.counters.remote_jitter_us.load(Relaxed), 10_000);
    }

    #[test]
    fn what_is_refused_is_counted_by_its_reason_and_the_last_one_is_known() {
        let (mut worker, key) = answered();
        worker.rtp_packet(key, far(), &mut rtp(1));
        let stranger = SocketAddr::from(([127, 0, 0, 9], 5000));
        let mut wrong_type = Vec::new();
        RtpHeader { payload_type: 18, marker: false, sequence: 2, timestamp: 320, ssrc: 7 }
            .write(&[0; 20], &mut wrong_type);

        worker.rtp_packet(key, stranger, &mut rtp(2));
        worker.rtp_packet(key, far(), &mut wrong_type);

        let counters = &worker.legs[&key].shared.counters;
        assert_eq!([&counters.rejected_source, &counters.rejected_type].map(|c| c.load(Relaxed)), [1, 1]);
        assert_eq!(counters.wrong_type.load(Relaxed), 19);
        assert_eq!((counters.places().source, counters.places().refused), (Some(far()), Some(stranger)));
    }

    #[test]
    fn a_far_end_that_nobody_is_at_is_told_by_the_network() {
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (mut worker, key) = answered();
        worker.set_phone("ann", PhoneMedia { remote: Some(closed), ..media() });

        testing::pass(&mut worker, Duration::from_millis(100));
        worker.read_rtp(key, true);

        let counters = &worker.legs[&key].shared.counters;
        assert!(counters.unreachable.load(Relaxed) > 0);
        assert!(counters.packets_sent.load(Relaxed) >= 4, "it is tried on");
    }

    #[test]
    fn opus_carries_copies_while_the_far_end_loses_packets_and_not_much_longer() {
        let (mut worker, key) = answered();
        let codec = PhoneCodec { codec: Codec::Opus, payload_type: 107, receive_payload_type: 107, ..media().codec };
        worker.set_phone("ann", PhoneMedia { codec, ..media() });
        worker.rtcp_packet(key, far(), &mut report());
        let mut fec = |fraction: u8| {
            let phone = worker.legs.get_mut(&key).unwrap().phone().unwrap();
            let ours = phone.voice.sent().ssrc;
            let now = worker.now;
            worker.rtcp_packet(key, far(), &mut about(now, ours, fraction));
            let phone = worker.legs.get_mut(&key).unwrap().phone().unwrap();
            phone.voice.sender.as_ref().unwrap().opus()
        };

        assert!(!fec(0).fec);
        let lossy = fec(26);
        assert!(lossy.fec && (10..=12).contains(&lossy.expected_loss));
        assert!(fec(0).fec, "losses come in groups");
        assert!(!(0..12).map(|_| fec(0)).last().unwrap().fec);
    }
}
