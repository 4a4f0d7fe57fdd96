//! The pictures of a phone leg: their own two sockets, whose packets count, reports, and key frames asked for.
//!
//! What comes in becomes a track of its room like a browser's camera, unchanged. What goes out is somebody's track, its
//! numbers rewritten so that the phone sees one stream, whoever is shown (see `viewing`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ringback_rtp::video::{Missing, VideoCodec};
use ringback_rtp::{
    Extended16, Feedback, Latch, LatchConfig, Network, PayloadTypes, Reception, Reporter, Rtcp, RtpHeader, RtpPacket,
    Verdict, is_rtcp, missing_of, parse_compound, parse_feedback, write_compound, write_fir, write_nack, write_pli,
};
use ringback_sfu::{Extensions, Format, FormatKind, Mid, Packet};
use rustix::event::epoll;

use crate::crypto::Crypto;
use crate::event::Event;
use crate::outgoing::{Numbered, Outgoing};
use crate::phone::ntp_at;
use crate::ports::PhoneSocket;
use crate::seen::Seen;
use crate::shared::{LegCounters, VideoCounters, VideoWay};
use crate::sys::{self, LONGEST};
use crate::tracks::TrackKey;
use crate::video_media::VideoMedia;
use crate::worker::{LegKey, Timer, Token, Worker};

/// Datagrams read at once: a key frame comes as a burst.
const AT_ONCE: usize = 64;
/// A whole picture is asked for again so often until one comes.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How often it is looked at what a phone is shown when no packet makes us look.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A phone's pictures.
pub struct PhoneVideo {
    rtp: PhoneSocket,
    rtcp: PhoneSocket,
    pub track: Option<TrackKey>,
    pub media: Option<VideoMedia>,
    latch: Latch,
    crypto: Option<Crypto>,
    reception: Option<Reception>,
    reporter: Reporter,
    extended: Extended16,
    stream: u64,
    started: bool,
    rtcp_from: Option<SocketAddr>,
    missing: Missing,
    /// A whole picture is wanted of it and has not come; asked for at that time.
    asked: Option<Instant>,
    /// Timestamp of the whole picture that was counted last: it may begin with several packets.
    whole: Option<u32>,
    fir_sequence: u8,
    last_fir: Option<u8>,
    pub out: Outgoing,
    /// Whether what comes may be shown, as far as was agreed on; whether others may see it is its leg's.
    pub listens: bool,
    /// What it was said to be shown, and in which way (see `seen`).
    pub told: (Seen, VideoWay),
}

impl PhoneVideo {
    /// `cname` is that of the sound beside it: what has one name is played in step (RFC 3550 §6.5.1).
    pub fn new(rtp: PhoneSocket, rtcp: PhoneSocket, cname: &str, now: Instant) -> PhoneVideo {
        PhoneVideo {
            rtp,
            rtcp,
            track: None,
            media: None,
            latch: Latch::new(now, LatchConfig::default()),
            crypto: None,
            reception: None,
            reporter: Reporter::new(now, cname, sys::random_u64() as u32),
            extended: Extended16::default(),
            stream: 0,
            started: false,
            rtcp_from: None,
            missing: Missing::new(false),
            asked: None,
            whole: None,
            fir_sequence: 0,
            last_fir: None,
            out: Outgoing::new(),
            listens: false,
            told: (Seen::default(), VideoWay::None),
        }
    }

    /// The format of what it sends and takes.
    pub fn format(&self) -> Option<Format> {
        self.media.as_ref().map(|media| match media.codec {
            VideoCodec::Vp8 => FormatKind::Vp8.plain(),
            VideoCodec::H264 => Format { kind: FormatKind::H264, h264: Some((0x42e0, media.mode)) },
        })
    }

    /// Whether it is sent pictures at all.
    pub fn is_open(&self) -> bool {
        self.media.as_ref().is_some_and(|m| m.send && m.remote.is_some())
    }

    fn open<'a>(&mut self, now: Instant, datagram: &'a mut [u8], counters: &VideoCounters) -> Option<&'a [u8]> {
        let Some(crypto) = &mut self.crypto else { return Some(datagram) };
        let rtcp = is_rtcp(datagram);
        let opened = crypto.open(now, datagram, rtcp);
        if opened.is_err() {
            LegCounters::add(&counters.packets_rejected, 1);
        }
        opened.ok().map(|opened| &*opened)
    }

    /// Send a packet of the source that is shown; `joins`: it is the first of it. `true`: one before it never came, so
    /// that only a whole picture helps.
    pub fn send(&mut self, source: u64, packet: &Packet, joins: bool, counters: &VideoCounters, now: Instant) -> bool {
        let lost = self.out.note(source, packet.sequence, now);
        self.put(source, packet, joins, counters, now);
        lost
    }

    fn put(&mut self, source: u64, packet: &Packet, joins: bool, counters: &VideoCounters, now: Instant) {
        let Some(media) = self.media.as_ref().filter(|m| m.send) else { return };
        let (codec, payload_type, nack) = (media.codec, media.payload_type, media.nack);
        let Some(to) = self.latch.destination() else { return };
        if !self.latch.may_send(now) {
            LegCounters::add(&counters.packets_withheld, 1);
            return;
        }
        let Some(numbered) = self.out.numbered(source, packet, codec, joins, now) else { return };
        let Numbered { sequence, timestamp, ref payload } = numbered;
        let mut datagram = Vec::with_capacity(payload.len() + 40);
        let ssrc = self.out.ssrc;
        RtpHeader { payload_type, marker: packet.marker, sequence, timestamp, ssrc }.write(payload, &mut datagram);
        if let Some(protect) = self.crypto.as_mut().and_then(Crypto::sender)
            && !protect.rtp(&mut datagram)
        {
            return;
        }
        // An ICMP answer to an earlier packet is told here, and this one has not left then.
        let sent = self.rtp.send_to(&datagram, to).or_else(|_| self.rtp.send_to(&datagram, to));
        if sent.is_ok() {
            self.out.count(&numbered, now);
            LegCounters::add(&counters.packets_sent, 1);
            LegCounters::add(&counters.bytes_sent, payload.len() as u64);
            counters.sent.note(now, timestamp, packet.layer, codec.size(payload));
        }
        if nack {
            self.out.keep(sequence, datagram, now);
        }
    }

    /// It asks for packets again. Each is sent a few times at most, whoever asks: nobody else's line is flooded.
    fn repeat(&mut self, packets: (u16, u16), counters: &VideoCounters) {
        let Some(to) = self.latch.destination() else { return };
        for sequence in missing_of(packets) {
            let Some(datagram) = self.out.again(sequence) else { continue };
            let _ = self.rtp.send_to(datagram, to);
            LegCounters::add(&counters.packets_repeated, 1);
        }
    }

    /// Ask it for what is missing, where it can send that again.
    fn ask_for_missing(&mut self, now: Instant) {
        let Some(ssrc) = self.reception.as_ref().map(Reception::ssrc) else { return };
        if !self.media.as_ref().is_some_and(|media| media.nack) {
            return;
        }
        let missing: Vec<u16> = self.missing.to_ask(now).into_iter().map(|sequence| sequence as u16).collect();
        if missing.is_empty() {
            return;
        }
        let mut request = Vec::new();
        write_compound(&[Rtcp::ReceiverReport { ssrc: self.out.ssrc, blocks: vec![] }], &mut request);
        write_nack(self.out.ssrc, ssrc, &missing, &mut request);
        self.send_rtcp(request);
    }

    fn send_rtcp(&mut self, mut report: Vec<u8>) {
        let Some(to) = self.rtcp_destination() else { return };
        if let Some(protect) = self.crypto.as_mut().and_then(Crypto::sender)
            && !protect.rtcp(&mut report)
        {
            return;
        }
        let muxed = self.media.as_ref().is_some_and(|m| m.remote.is_some_and(|r| m.rtcp_port == Some(r.port())));
        let _ = if muxed { self.rtp.send_to(&report, to) } else { self.rtcp.send_to(&report, to) };
    }

    fn rtcp_destination(&self) -> Option<SocketAddr> {
        let rtp = self.latch.destination()?;
        let media = self.media.as_ref()?;
        if media.remote.is_some_and(|remote| media.rtcp_port == Some(remote.port())) {
            return Some(rtp);
        }
        self.rtcp_from.filter(|from| from.ip() == rtp.ip()).or_else(|| {
            let port = media.rtcp_port.or_else(|| rtp.port().checked_add(1))?;
            Some(SocketAddr::new(rtp.ip(), port))
        })
    }

    /// Ask it for a whole picture by RTCP; `false`: it was not agreed on.
    fn ask_by_rtcp(&mut self) -> bool {
        let Some(media) = self.media.as_ref().filter(|m| m.pli || m.fir) else { return false };
        let Some((_, theirs)) = self.latch.source() else { return true };
        let (pli, ours) = (media.pli, self.out.ssrc);
        let mut request = Vec::new();
        write_compound(&[Rtcp::ReceiverReport { ssrc: ours, blocks: vec![] }], &mut request);
        if pli {
            write_pli(ours, theirs, &mut request);
        } else {
            self.fir_sequence = self.fir_sequence.wrapping_add(1);
            write_fir(ours, theirs, self.fir_sequence, &mut request);
        }
        self.send_rtcp(request);
        true
    }
}

impl Worker {
    /// A phone has a second pair of ports, for pictures.
    pub fn open_phone_video(&mut self, id: &str, rtp: PhoneSocket, rtcp: PhoneSocket) {
        let Some(key) = self.leg_key(id) else { return };
        let now = self.now;
        let Some(phone) = self.legs.get_mut(&key).and_then(|leg| leg.phone()) else { return };
        if phone.video.is_some() {
            return;
        }
        phone.video = Some(Box::new(PhoneVideo::new(rtp, rtcp, &phone.cname, now)));
        self.watch_video_ports(key);
        self.watch_pictures(key);
    }

    /// Be told of what comes to the ports of a phone's pictures, and look after them.
    pub fn watch_video_ports(&mut self, key: LegKey) {
        let Some(video) = self.legs.get_mut(&key).and_then(|leg| leg.phone()?.video.as_deref()) else { return };
        for (socket, token) in [(&video.rtp, Token::VideoRtp(key)), (&video.rtcp, Token::VideoRtcp(key))] {
            for socket in socket.each() {
                let watched = epoll::add(&self.epoll, socket, token.data(), epoll::EventFlags::IN);
                debug_assert!(watched.is_ok(), "a socket that nobody watches can be watched");
            }
        }
        self.timers.set(self.now, Timer::PhoneVideo(key));
    }

    /// No longer.
    pub fn leave_video_ports(&self, video: &PhoneVideo) {
        for socket in video.rtp.each().chain(video.rtcp.each()) {
            let _ = epoll::delete(&self.epoll, socket);
        }
    }

    /// Apply an offer/answer to a phone's pictures; `None`: there are none any more.
    pub fn set_phone_video(&mut self, id: &str, media: Option<VideoMedia>) {
        let Some(key) = self.leg_key(id) else { return };
        let (now, certificate) = (self.now, self.certificate.clone());
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let (room, id, shared, is_seen) = (leg.room.clone(), leg.id.clone(), leg.shared.clone(), leg.is_seen);
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return };
        let Some(mut media) = media else {
            video.media = None;
            (video.out.shown, video.out.next) = (None, None);
            shared.video.set_shown("");
            shared.video.sent.rest();
            shared.video.received.rest();
            self.stop_composing(key);
            self.hide_phone_video(key);
            return;
        };
        media.remote = media.remote.filter(|remote| !video.rtp.is_own(*remote));
        video.listens = media.listen;
        media.listen &= is_seen;
        let config = LatchConfig {
            signalled: media.remote,
            payload_types: std::iter::once(media.receive_payload_type).collect::<PayloadTypes>(),
            networks: media.networks.iter().copied().chain(media.signalling_host.map(Network::host)).collect(),
            nat: true,
            trusted: media.trusted,
            hold_fire: media.hold_fire,
            ice: false,
        };
        video.crypto = match (video.crypto.take(), media.crypto.clone()) {
            (Some(mut crypto), Some(keys)) => {
                crypto.set(now, keys);
                Some(crypto)
            }
            (_, keys) => keys.map(|keys| Crypto::new(now, keys, &certificate)),
        };
        let before = video.media.replace(media);
        let media = video.media.as_ref().expect("it was just put there");
        match &before {
            Some(_) => video.latch.update(now, config),
            None => video.latch = Latch::new(now, config),
        }
        if !media.send {
            shared.video.sent.rest();
        }
        if !media.listen {
            shared.video.received.rest();
        }
        let changed =
            before.as_ref().is_some_and(|b| (b.codec, b.mode, b.send) != (media.codec, media.mode, media.send));
        if changed {
            (video.out.shown, video.out.next) = (None, None);
        }
        video.out.chosen = None;
        video.stream += 1;
        let (shows, listened) = (media.listen, before.as_ref().is_some_and(|m| m.listen));
        if changed {
            self.stop_composing(key);
        }
        if shows && !listened {
            let track = self.tracks.publish(&room, &id, "video", key, None);
            let Some(video) = self.phone_video(key) else { return };
            video.asked = None;
            video.track = Some(track);
        } else if !shows {
            self.hide_phone_video(key);
        }
    }

    /// Nobody is shown its pictures any more.
    pub fn hide_phone_video(&mut self, key: LegKey) {
        let Some(video) = self.phone_video(key) else { return };
        let Some(track) = video.track.take() else { return };
        video.started = false;
        self.forget_picture(key, track);
        self.tracks.unpublish(track);
    }

    /// It went to another room, and its pictures with it.
    pub fn move_phone_video(&mut self, key: LegKey) {
        self.hide_phone_video(key);
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let (room, id) = (leg.room.clone(), leg.id.clone());
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return };
        (video.out.shown, video.out.next, video.out.chosen) = (None, None, None);
        (video.out.making, video.out.made) = (None, None);
        (video.out.asks, video.out.down) = (None, None);
        video.stream += 1;
        if video.media.as_ref().is_some_and(|m| m.listen) {
            video.track = Some(self.tracks.publish(&room, &id, "video", key, None));
        }
        self.watch_pictures(key);
    }

    pub fn phone_video(&mut self, key: LegKey) -> Option<&mut PhoneVideo> {
        self.legs.get_mut(&key)?.phone()?.video.as_deref_mut()
    }

    pub fn read_video_rtp(&mut self, key: LegKey) {
        for _ in 0..AT_ONCE {
            let mut buffer = [0; LONGEST];
            let Some(video) = self.phone_video(key) else { return };
            match video.rtp.recv_from(&mut buffer) {
                Ok((n, from)) if is_rtcp(&buffer[..n]) => self.video_rtcp(key, from, &mut buffer[..n]),
                Ok((n, from)) => self.video_rtp(key, from, &mut buffer[..n]),
                Err(_) => return,
            }
        }
    }

    /// A datagram as the socket would give it.
    #[cfg(test)]
    pub fn video_datagram(&mut self, key: LegKey, from: SocketAddr, datagram: &mut [u8]) {
        if is_rtcp(datagram) { self.video_rtcp(key, from, datagram) } else { self.video_rtp(key, from, datagram) }
    }

    pub fn read_video_rtcp(&mut self, key: LegKey) {
        let mut buffer = [0; LONGEST];
        let Some(video) = self.phone_video(key) else { return };
        if let Ok((n, from)) = video.rtcp.recv_from(&mut buffer) {
            let expected = video.latch.destination().is_some_and(|to| to.ip() == from.ip());
            video.rtcp_from = Some(from).filter(|_| expected);
            self.video_rtcp(key, from, &mut buffer[..n]);
        }
    }

    fn video_rtp(&mut self, key: LegKey, from: SocketAddr, datagram: &mut [u8]) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let (shared, id) = (leg.shared.clone(), leg.id.clone());
        let counters = &shared.video;
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return };
        let Some(datagram) = video.open(now, datagram, counters) else { return };
        let Ok(packet) = RtpPacket::parse(datagram) else {
            LegCounters::add(&counters.packets_rejected, 1);
            return;
        };
        let verdict = match video.crypto {
            Some(_) => video.latch.receive_authentic(now, from, &packet),
            None => video.latch.receive(now, from, &packet),
        };
        let fresh = match verdict {
            Verdict::Accept => false,
            Verdict::AcceptFresh => true,
            Verdict::Reject(_) => return LegCounters::add(&counters.packets_rejected, 1),
        };
        LegCounters::add(&counters.packets_received, 1);
        LegCounters::add(&counters.bytes_received, packet.payload.len() as u64);
        if fresh {
            video.stream += 1;
            video.extended = Extended16::default();
            video.missing = Missing::new(video.media.as_ref().is_some_and(|media| media.nack));
        }
        if fresh || video.reception.as_ref().is_none_or(|r| r.ssrc() != packet.ssrc) {
            video.reception = Some(Reception::new(packet.ssrc, VideoCodec::CLOCK_RATE));
        }
        if let Some(reception) = &mut video.reception {
            reception.receive(now, packet.sequence, packet.timestamp);
            counters.packets_lost.store(reception.lost().max(0).unsigned_abs(), Relaxed);
        }
        let sequence = video.extended.extend(packet.sequence);
        let lost = video.missing.receive(sequence, now);
        video.ask_for_missing(now);
        let stream = u64::from(packet.ssrc) << 20 ^ video.stream;
        let Some(media) = video.media.as_ref().filter(|m| m.listen) else { return };
        let (Some(track), codec) = (video.track, media.codec) else { return };
        // Two phones may have chosen the same SSRC.
        let stream = stream ^ track.0.rotate_right(16);
        let Some(format) = video.format() else { return };
        let begins = codec.starts_key_frame(packet.payload);
        counters.received.note(now, packet.timestamp, 0, if begins { codec.size(packet.payload) } else { None });
        if begins {
            video.asked = None;
            let is_another = video.whole.replace(packet.timestamp) != Some(packet.timestamp);
            LegCounters::add(&counters.key_frames_received, is_another.into());
        }
        let wants = lost || fresh && !begins || video.asked.is_some_and(|at| now >= at + ASK_AGAIN);
        if !std::mem::replace(&mut video.started, true) {
            self.mailbox.push(Event::MediaStarted { leg: id.to_string(), track: "video".into() });
        }
        let forwarded = Packet {
            mid: Mid::from(""),
            ssrc: packet.ssrc,
            layer: 0,
            format,
            sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: Arc::from(packet.payload),
            redundant: None,
            extensions: Extensions::default(),
        };
        self.picture_from_phone(track, &forwarded);
        if wants {
            self.want_picture(track);
        }
        self.show_to_phones(key, track, stream, &forwarded);
    }

    fn video_rtcp(&mut self, key: LegKey, from: SocketAddr, datagram: &mut [u8]) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let shared = leg.shared.clone();
        let counters = &shared.video;
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return };
        let Some(datagram) = video.open(now, datagram, counters) else { return };
        if video.crypto.is_some() {
            video.latch.receive_authentic_rtcp(now);
        } else if !video.latch.receive_rtcp(now, from) {
            return LegCounters::add(&counters.packets_rejected, 1);
        }
        let ours = video.out.ssrc;
        for packet in parse_compound(datagram).unwrap_or_default() {
            let blocks = match packet {
                Rtcp::SenderReport { ssrc, info, blocks } => {
                    if let Some(reception) = video.reception.as_mut().filter(|r| r.ssrc() == ssrc) {
                        reception.sender_report(now, info.ntp);
                    }
                    blocks
                }
                Rtcp::ReceiverReport { blocks, .. } => blocks,
                _ => continue,
            };
            for block in blocks.iter().filter(|block| block.ssrc == ours) {
                counters.remote_lost.store(u64::from(block.cumulative_lost.max(0).unsigned_abs()), Relaxed);
            }
        }
        let mut wanted = false;
        for asked in parse_feedback(datagram) {
            // Some phones name another stream, or none: there is only one that they can mean.
            wanted |= match asked {
                Feedback::PictureLoss { .. } => true,
                Feedback::FullIntra { sequence, .. } => {
                    sequence.is_none() || video.last_fir.replace(sequence.unwrap_or(0)) != sequence
                }
                Feedback::Missing { packets, .. } => {
                    video.repeat(packets, counters);
                    false
                }
            };
        }
        if wanted {
            self.phone_wants_picture(key);
        }
    }

    /// The phone needs a whole picture of what it is shown: it said so by RTCP, or by SIP.
    pub fn phone_wants_picture(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        LegCounters::add(&leg.shared.video.key_frames_wanted, 1);
        if self.want_made_key_frame(key, None) {
            return;
        }
        let shown = self.phone_video(key).and_then(|video| video.out.next.or(video.out.shown));
        shown.into_iter().for_each(|of| self.want_keyframe(of.track, of.layer));
    }

    /// Ask a phone for a whole picture, by RTCP where that was agreed on, else by SIP.
    pub fn ask_phone_picture(&mut self, key: LegKey) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let (id, shared) = (leg.id.clone(), leg.shared.clone());
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return };
        if !video.started {
            return;
        }
        video.asked = Some(now);
        LegCounters::add(&shared.video.key_frames_asked, 1);
        if !video.ask_by_rtcp() {
            self.mailbox.push(Event::PictureWanted { leg: id.to_string() });
        }
    }

    /// A report on pictures is due.
    pub fn wake_phone_video(&mut self, key: LegKey) {
        let now = self.now;
        let Some(video) = self.phone_video(key) else { return };
        if now >= video.reporter.due() && video.media.is_some() {
            let mut report = Vec::new();
            let (sent, random) = (video.out.totals(now), sys::random_u64() as u32);
            video.reporter.report(now, ntp_at(now), &sent, video.reception.as_mut(), random, &mut report);
            video.send_rtcp(report);
        }
        let wait = if video.is_open() { LOOK_EVERY } else { Duration::from_secs(1) };
        self.timers.set(now + wait, Timer::PhoneVideo(key));
        self.look_at_picture(key);
        self.tell_seen(key);
        if let Some(room) = self.legs.get(&key).map(|leg| leg.room.clone()) {
            self.ask_senders(&room, false);
        }
    }

    /// Undo everything a phone's pictures were entered in.
    pub fn close_phone_video(&mut self, key: LegKey, room: &str, mut video: Box<PhoneVideo>) {
        self.leave_video_ports(&video);
        if let Some(track) = video.track.take() {
            self.forget_picture_in(room, key, track);
            self.tracks.unpublish(track);
        }
        if video.out.has_sent() {
            let mut goodbye = Vec::new();
            video.reporter.goodbye(video.out.ssrc, &mut goodbye);
            video.send_rtcp(goodbye);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::command::Command;
    use crate::seen::MaySee;
    use crate::shared::LegShared;
    use crate::{ports, testing};
    use ringback_rtp::video::vp8;
    use ringback_rtp::video::vp8::Descriptor;

    /// Sequence number, timestamp, SSRC, picture id and mark of a frame.
    type Seen = (u16, u32, u32, u16, u8);

    /// A far end: a socket, the leg it belongs to, and where it sends.
    struct Far {
        socket: UdpSocket,
        id: &'static str,
        key: LegKey,
        sequence: u16,
    }

    fn media(far: &UdpSocket) -> VideoMedia {
        let remote = far.local_addr().unwrap();
        VideoMedia {
            remote: Some(remote),
            trusted: true,
            rtcp_port: Some(remote.port()),
            pli: true,
            ..VideoMedia::plain(VideoCodec::Vp8, 96)
        }
    }

    fn phone(worker: &mut Worker, id: &'static str) -> Far {
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        let (room, leg) = ("room".to_owned(), id.to_owned());
        worker.command(Command::OpenPhone { room, leg, rtp, rtcp, shared: Arc::new(LegShared::default()) });
        let (rtp, rtcp) = ports::bind_pair(&testing::config()).unwrap();
        worker.command(Command::OpenPhoneVideo { leg: id.to_owned(), rtp, rtcp });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        worker.set_phone_video(id, Some(media(&socket)));
        let key = worker.leg_key(id).unwrap();
        Far { socket, id, key, sequence: 100 }
    }

    impl Far {
        /// One frame of one packet, a key frame or not, whose last byte is `mark`.
        fn shows(&mut self, worker: &mut Worker, is_key: bool, picture: u16, mark: u8) {
            let frame = [u8::from(!is_key), 0, 0, 0x9d, 1, 0x2a, 0, 1, 0, 1, mark];
            let [payload] = &vp8::packetize(&frame, picture, 1000)[..] else { panic!("one packet") };
            let mut datagram = Vec::new();
            let (sequence, ssrc) = (self.sequence, 7 + u32::from(self.sequence) / 10_000);
            let timestamp = u32::from(sequence) * 3000;
            RtpHeader { payload_type: 96, marker: true, sequence, timestamp, ssrc }.write(payload, &mut datagram);
            self.sequence += 1;
            worker.video_rtp(self.key, self.socket.local_addr().unwrap(), &mut datagram);
        }

        /// What it was sent: frames, and how many requests.
        fn seen(&self) -> (Vec<Seen>, usize) {
            let (mut frames, mut asked) = (Vec::new(), 0);
            let mut buffer = [0; 2000];
            while let Ok(n) = self.socket.recv(&mut buffer) {
                if is_rtcp(&buffer[..n]) {
                    asked += parse_feedback(&buffer[..n]).len();
                    continue;
                }
                let packet = RtpPacket::parse(&buffer[..n]).unwrap();
                let (descriptor, data) = Descriptor::parse(packet.payload).unwrap();
                let picture = descriptor.picture_id.unwrap();
                frames.push((packet.sequence, packet.timestamp, packet.ssrc, picture, *data.last().unwrap()));
            }
            (frames, asked)
        }
    }

    fn stage() -> (Worker, Far, Far, Far) {
        let mut worker = testing::worker();
        let (ann, bob, cat) = (phone(&mut worker, "ann"), phone(&mut worker, "bob"), phone(&mut worker, "cat"));
        (worker, ann, bob, cat)
    }

    /// Packets until a phone's stream is believed and its first whole picture came.
    fn begin(worker: &mut Worker, far: &mut Far, mark: u8) {
        for n in 0..4 {
            far.shows(worker, n == 3, n, mark);
        }
    }

    #[test]
    fn a_phone_is_shown_another_from_a_whole_picture_on_and_asked_for_it() {
        let (mut worker, mut ann, bob, _) = stage();

        begin(&mut worker, &mut ann, 1);
        ann.shows(&mut worker, false, 4, 2);

        let (frames, _) = bob.seen();
        assert_eq!(frames.iter().map(|frame| frame.4).collect::<Vec<_>>(), [1, 2]);
        assert!(ann.seen().1 >= 1, "a whole picture was asked for");
        assert_eq!(worker.legs[&bob.key].shared.video.shown(), ann.id);
        assert!(ann.seen().0.is_empty(), "nobody sees oneself");
    }

    #[test]
    fn whom_a_phone_may_not_see_is_not_shown_and_whoever_may_not_be_seen_is_shown_to_nobody() {
        let (mut worker, mut ann, bob, cat) = stage();
        let sees_nobody = || MaySee::these(Some(std::collections::BTreeSet::default()));
        worker.set_viewing("bob", true, sees_nobody());

        begin(&mut worker, &mut ann, 1);
        assert_eq!((bob.seen().0.len(), cat.seen().0.len()), (0, 1));

        worker.set_viewing("bob", true, MaySee::default());
        testing::pass(&mut worker, Duration::from_millis(200));
        ann.shows(&mut worker, false, 4, 2);
        ann.shows(&mut worker, true, 5, 3);
        assert_eq!(bob.seen().0.iter().map(|frame| frame.4).collect::<Vec<_>>(), [3]);

        worker.set_viewing("bob", true, sees_nobody());
        worker.set_viewing("ann", false, MaySee::default());
        cat.seen();
        testing::pass(&mut worker, Duration::from_millis(200));
        ann.shows(&mut worker, true, 6, 4);
        assert_eq!((bob.seen().0.len(), cat.seen().0.len()), (0, 0));

        worker.set_viewing("ann", true, MaySee::default());
        testing::pass(&mut worker, Duration::from_millis(200));
        begin(&mut worker, &mut ann, 5);
        assert_eq!((bob.seen().0.len(), cat.seen().0.len()), (0, 1));
    }

    #[test]
    fn the_speaker_takes_the_place_at_its_whole_picture_in_one_stream_of_numbers() {
        let (mut worker, mut ann, mut bob, cat) = stage();
        begin(&mut worker, &mut ann, 1);
        begin(&mut worker, &mut bob, 2);
        let before = cat.seen().0;
        let room = worker.rooms.get_mut("room").unwrap();
        for n in 0..100 {
            let now = worker.now + Duration::from_millis(20 * n);
            room.speaker.report(bob.key.0, -20, now);
        }
        testing::pass(&mut worker, Duration::from_millis(200));

        ann.shows(&mut worker, false, 4, 1);
        bob.shows(&mut worker, false, 900, 2);
        ann.shows(&mut worker, false, 5, 1);
        bob.shows(&mut worker, true, 901, 3);
        ann.shows(&mut worker, false, 6, 1);
        bob.shows(&mut worker, false, 902, 4);

        let (after, _) = cat.seen();
        assert_eq!(before.last().unwrap().4, 1);
        assert_eq!(after.iter().map(|frame| frame.4).collect::<Vec<_>>(), [1, 1, 3, 4]);
        let all: Vec<_> = before.iter().chain(&after).collect();
        for pair in all.windows(2) {
            assert_eq!(pair[1].0, pair[0].0.wrapping_add(1), "no gap in sequence");
            assert_eq!(pair[1].3, (pair[0].3 + 1) & 0x7fff, "nor in pictures");
            assert_eq!(pair[1].2, pair[0].2, "one SSRC");
            assert!(pair[1].1.wrapping_sub(pair[0].1) < 90_000, "time goes on");
        }
    }

    #[test]
    fn who_hides_or_goes_is_replaced_by_whoever_is_there() {
        let (mut worker, mut ann, mut bob, cat) = stage();
        begin(&mut worker, &mut ann, 1);
        begin(&mut worker, &mut bob, 2);
        cat.seen();

        let hidden = VideoMedia { listen: false, ..media(&ann.socket) };
        worker.set_phone_video("ann", Some(hidden));
        testing::pass(&mut worker, Duration::from_millis(150));
        bob.shows(&mut worker, true, 5, 3);
        bob.shows(&mut worker, true, 6, 4);

        assert_eq!(cat.seen().0.iter().map(|frame| frame.4).collect::<Vec<_>>().last(), Some(&4));
        worker.command(Command::CloseLeg("bob".into()));
        assert_eq!(worker.legs[&cat.key].shared.video.shown(), "");
        worker.command(Command::CloseLeg("ann".into()));
        worker.command(Command::CloseLeg("cat".into()));
        assert!(worker.tracks.is_empty() && worker.rooms.is_empty() && worker.legs.is_empty());
    }

    #[test]
    fn a_phone_that_lost_the_picture_makes_its_source_be_asked_once_in_half_a_second() {
        let (mut worker, mut ann, bob, _) = stage();
        begin(&mut worker, &mut ann, 1);
        testing::pass(&mut worker, Duration::from_secs(1));
        ann.seen();

        let mut lost = Vec::new();
        write_pli(1, 2, &mut lost);
        for _ in 0..20 {
            worker.video_rtcp(bob.key, bob.socket.local_addr().unwrap(), &mut lost.clone());
        }
        let at_once = ann.seen().1;
        testing::pass(&mut worker, Duration::from_millis(600));

        assert_eq!((at_once, ann.seen().1), (1, 1));
        assert_eq!(worker.legs[&bob.key].shared.video.key_frames_wanted.load(Relaxed), 20);
    }

    #[test]
    fn a_phone_without_such_rtcp_is_asked_by_sip() {
        let (mut worker, mut ann, _, _) = stage();
        worker.set_phone_video("ann", Some(VideoMedia { pli: false, ..media(&ann.socket) }));

        begin(&mut worker, &mut ann, 1);

        let told = worker.mailbox.drain();
        assert!(told.contains(&Event::PictureWanted { leg: "ann".into() }), "{told:?}");
    }

    #[test]
    fn a_whole_picture_that_begins_with_several_packets_is_counted_once() {
        let (mut worker, mut ann, _, _) = stage();
        begin(&mut worker, &mut ann, 1);
        let before = worker.legs[&ann.key].shared.video.key_frames_received.load(Relaxed);
        ann.shows(&mut worker, true, 5, 1);
        let timestamp = u32::from(ann.sequence - 1) * 3000;

        let begins_too = vp8::packetize(&[0, 0, 0, 0x9d, 1, 0x2a, 0, 1, 0, 1, 1], 5, 1000);
        for sequence in [ann.sequence, ann.sequence + 1] {
            let mut datagram = Vec::new();
            RtpHeader { payload_type: 96, marker: true, sequence, timestamp, ssrc: 7 }
                .write(&begins_too[0], &mut datagram);
            worker.video_rtp(ann.key, ann.socket.local_addr().unwrap(), &mut datagram);
        }

        let video = &worker.legs[&ann.key].shared.video;
        assert_eq!(video.packets_received.load(Relaxed), 4 + 3);
        assert_eq!(video.key_frames_received.load(Relaxed), before + 1);
    }

    #[test]
    fn a_packet_that_stays_away_makes_us_ask() {
        let (mut worker, mut ann, _, _) = stage();
        begin(&mut worker, &mut ann, 1);
        testing::pass(&mut worker, Duration::from_secs(1));
        ann.shows(&mut worker, true, 8, 1);
        ann.seen();

        ann.sequence += 1;
        ann.shows(&mut worker, false, 9, 1);
        assert_eq!(ann.seen().1, 0, "it may only be late");
        testing::pass(&mut worker, Duration::from_millis(50));
        ann.shows(&mut worker, false, 10, 1);

        assert_eq!(ann.seen().1, 1);
    }

    #[test]
    fn strangers_and_garbage_change_nothing() {
        let (mut worker, mut ann, bob, _) = stage();
        begin(&mut worker, &mut ann, 1);
        bob.seen();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut seed = 1u64;

        for n in 0..2000usize {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut bytes: Vec<u8> = (0..n % 60).map(|i| (seed >> (i % 56)) as u8).collect();
            if let Some(first) = bytes.first_mut() {
                *first = 0x80;
            }
            worker.video_rtp(ann.key, stranger, &mut bytes.clone());
            worker.video_rtcp(ann.key, stranger, &mut bytes.clone());
            worker.video_rtp(bob.key, ann.socket.local_addr().unwrap(), &mut bytes);
        }

        assert!(bob.seen().0.is_empty());
        ann.shows(&mut worker, false, 4, 5);
        assert_eq!(bob.seen().0.len(), 1);
    }
}
