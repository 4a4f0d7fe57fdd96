//! WebRTC legs: offers, packets in, packets on to those who subscribed, and key frames back.

use std::any::Any;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use ringback_rtp::Reception;
use ringback_sfu::{
    Format, FormatKind, MOST_LAYERS, Mid, Output, Packet, Peer, PeerEvent, PeerState, Picture, Rewriter, Viewer, ufrag,
};

use crate::counters::count;
use crate::demux::Source;
use crate::event::Event;
use crate::layers::{AskedLayers, new_viewer};
use crate::leg::Kind;
use crate::shared::{LegCounters, WebrtcState};
use crate::sys;
use crate::tracks::TrackKey;
use crate::worker::{LegKey, Timer, Worker};

/// A browser or bot.
pub struct WebrtcLeg {
    pub peer: Peer,
    pub ufrag: String,
    /// m-line → track name, as told; packets on other m-lines are dropped.
    pub published: HashMap<Mid, Published>,
    /// m-line → what is received on it.
    pub received: HashMap<Mid, Received>,
    /// The wake-up that stands in the heap.
    pub wake: Option<Instant>,
    /// When its peer has something to do, as it last said: later than `wake` if something came between.
    pub due: Instant,
    /// Changed since it was last told the time.
    pub dirty: bool,
    pub connected: bool,
    /// The highest layers it asked for.
    pub asked: AskedLayers,
    /// What its path carries, in bits per second; `None` while that is unknown.
    pub estimate: Option<u64>,
    /// When the layers of what it sees are looked at next.
    pub looks: Option<Instant>,
}

pub struct Published {
    pub track: TrackKey,
    pub name: String,
    pub is_audio: bool,
    heard: bool,
    /// Of each stream, with what it had lost when it was last looked at.
    receptions: Vec<(Reception, u64)>,
}

impl Published {
    fn new(track: TrackKey, name: String, is_audio: bool) -> Published {
        Published { track, name, is_audio, heard: false, receptions: Vec::new() }
    }

    /// Loss and jitter of its streams, into the leg's counters.
    fn count(&mut self, packet: &Packet, counters: &LegCounters, now: Instant) {
        let clock = packet.format.kind.clock_rate();
        let known = self.receptions.iter().position(|(reception, _)| reception.ssrc() == packet.ssrc);
        let at = known.unwrap_or_else(|| {
            if self.receptions.len() >= MOST_LAYERS {
                self.receptions.remove(0);
            }
            self.receptions.push((Reception::new(packet.ssrc, clock), 0));
            self.receptions.len() - 1
        });
        let (reception, before) = &mut self.receptions[at];
        reception.receive(now, packet.sequence as u16, packet.timestamp);
        let lost = reception.lost().max(0) as u64;
        counters.packets_lost.fetch_add(lost.wrapping_sub(std::mem::replace(before, lost)), Relaxed);
        if self.is_audio {
            counters.jitter_us.store(reception.jitter().as_micros() as u64, Relaxed);
        }
    }
}

/// One receiving m-line.
pub struct Received {
    pub track: TrackKey,
    pub source: (String, String),
    pub rewriter: Option<Rewriter>,
    /// Of a picture: which of its layers is seen.
    pub viewer: Option<Viewer>,
    /// Sound keeps its payload type for the life of the m-line's SSRC (RFC 7160): what was sent first.
    pub format: Option<Format>,
    /// It is encoded for this listener; what the source itself sends does not suit it.
    pub made: bool,
    /// `format` was chosen for a tone: the source's own of the same clock rate may take its place.
    pub toned: bool,
}

/// What became of a packet for one leg.
#[derive(PartialEq, Eq)]
enum Written {
    /// Its peer has to be drained for it to leave.
    Waits,
    /// It leaves with this turn's.
    Gone,
    /// The far end does not take it as it is.
    Refused,
    /// Nothing can be sent to the leg at present.
    Nowhere,
}

/// Why a peer is done for.
pub enum Broken {
    /// str0m said so: the far end's DTLS failed, for example.
    Closed,
    /// A bug; the panic's words.
    Bug(String),
}

/// Run something of one leg so that a panic in it costs this leg only.
pub fn guarded<T>(what: impl FnOnce() -> T) -> Result<T, Broken> {
    catch_unwind(AssertUnwindSafe(what)).map_err(|panic| Broken::Bug(words(&*panic)))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".into())
}

impl WebrtcLeg {
    pub fn new(peer: Peer, ufrag: String, now: Instant) -> WebrtcLeg {
        WebrtcLeg {
            peer,
            ufrag,
            published: HashMap::new(),
            received: HashMap::new(),
            wake: None,
            due: now,
            dirty: false,
            connected: false,
            asked: AskedLayers::default(),
            estimate: None,
            looks: None,
        }
    }

    /// Send a packet of `source` on `mid`; `false` when the far end cannot take it there as it is.
    ///
    /// `made`: it was encoded for those who cannot take what `source` sends.
    pub fn send(&mut self, mid: Mid, source: u64, packet: &Packet, made: bool, now: Instant) -> Result<bool, Broken> {
        let Some(received) = self.received.get_mut(&mid) else { return Ok(false) };
        let fixed =
            received.format.filter(|f| !received.toned || f.kind.clock_rate() != packet.format.kind.clock_rate());
        if packet.format.kind.is_audio() && fixed.is_some_and(|f| f != packet.format) {
            return Ok(false);
        }
        let peer = &mut self.peer;
        if received.format != Some(packet.format) && !guarded(|| peer.takes(mid, packet.format))? {
            return Ok(false);
        }
        received.format = Some(packet.format);
        received.made = made;
        received.toned &= made;
        let clock = packet.format.kind.clock_rate();
        let rewriter = received.rewriter.get_or_insert_with(|| {
            let random = sys::random_u64();
            Rewriter::new(clock, random as u16, (random >> 32) as u32).behind(peer.newest(mid))
        });
        let Some((sequence, timestamp)) = rewriter.rewrite(source, packet.sequence, packet.timestamp, now) else {
            return Ok(true);
        };
        guarded(|| peer.write(mid, packet, sequence, timestamp, now))
    }

    /// Send a packet of a picture on `mid`, if it belongs to the layer that is seen there.
    pub fn send_picture(&mut self, mid: Mid, packet: &Packet, picture: &Picture, now: Instant) -> Result<bool, Broken> {
        let Some(received) = self.received.get_mut(&mid) else { return Ok(false) };
        let Some(viewer) = &mut received.viewer else { return Ok(false) };
        let peer = &mut self.peer;
        // A profile of H.264, say, that the far end does not decode.
        if received.format != Some(packet.format) {
            if !guarded(|| peer.takes(mid, packet.format))? {
                return Ok(false);
            }
            received.format = Some(packet.format);
        }
        let Some(place) = viewer.take(packet, picture, now) else { return Ok(false) };
        guarded(|| peer.write_at(mid, packet, &place, now))
    }

    /// The format sound for `mid` is to be made in when it cannot be forwarded: what was sent there before, else the
    /// best the far end takes. For a tone that is G.711: most likely the phone will speak it too, and be forwarded.
    pub fn format_for(&mut self, mid: Mid, tone: bool) -> Option<Format> {
        let received = self.received.get_mut(&mid)?;
        if let Some(format) = received.format {
            return Some(format);
        }
        received.toned = tone;
        let mut order = [FormatKind::Opus, FormatKind::G722, FormatKind::Pcmu, FormatKind::Pcma];
        if tone {
            order.rotate_left(2);
        }
        let peer = &mut self.peer;
        order.into_iter().map(FormatKind::plain).find(|format| peer.takes(mid, *format))
    }
}

impl Worker {
    pub fn open_webrtc(&mut self, key: LegKey) -> WebrtcLeg {
        let mut peer = Peer::new(&self.identity, &self.local, self.now);
        let ufrag = peer.ufrag();
        self.demux.name(key, "", &ufrag);
        WebrtcLeg::new(peer, ufrag, self.now)
    }

    pub fn offer(&mut self, id: &str, sdp: &str, request: u64) {
        let result = self.negotiate(id, sdp);
        self.mailbox.push(Event::Reply { request, result });
    }

    fn negotiate(&mut self, id: &str, sdp: &str) -> Result<String, String> {
        let gone = || "this participant has no connection".to_owned();
        let key = self.leg_key(id).ok_or_else(gone)?;
        let leg = self.webrtc_leg(key).ok_or_else(gone)?;
        let answered = guarded(|| {
            let answer = leg.peer.offer(sdp);
            (answer, leg.peer.ufrag())
        });
        match answered {
            Ok((answer, ufrag)) => {
                let before = std::mem::replace(&mut leg.ufrag, ufrag.clone());
                if before != ufrag {
                    self.demux.name(key, &before, &ufrag);
                }
                self.touch(key);
                self.begin_anew(key);
                answer
            }
            Err(broken) => {
                self.broke(key, broken);
                Err("the offer could not be handled".into())
            }
        }
    }

    pub fn set_published(&mut self, id: &str, tracks: &HashMap<String, String>) {
        let Some(key) = self.leg_key(id) else { return };
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let (id, room) = (leg.id.clone(), leg.room.clone());
        let Some(webrtc) = leg.webrtc() else { return };
        let before = std::mem::take(&mut webrtc.published);
        let mut kept = HashMap::new();
        for (mid, published) in before {
            if tracks.get(&*mid.to_string()).is_some_and(|name| *name == published.name) {
                kept.insert(mid, published);
            } else {
                self.drop_audio(published.track);
                self.forget_picture(key, published.track);
                self.tracks.unpublish(published.track);
            }
        }
        for (mid, name) in tracks {
            let mid = Mid::from(mid.as_str());
            if kept.contains_key(&mid) {
                continue;
            }
            let track = self.tracks.publish(&room, &id, name, key, Some(mid));
            let is_audio = self.tracks.get(track).is_some_and(|t| t.is_audio());
            kept.insert(mid, Published::new(track, name.clone(), is_audio));
        }
        if let Some(webrtc) = self.webrtc_leg(key) {
            webrtc.published = kept;
        }
    }

    pub fn set_subscriptions(&mut self, id: &str, tracks: HashMap<String, (String, String)>) {
        let Some(key) = self.leg_key(id) else { return };
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let room = leg.room.clone();
        let Some(webrtc) = leg.webrtc() else { return };
        let mut received = std::mem::take(&mut webrtc.received);
        received.retain(|mid, old| {
            let stays = tracks.get(&*mid.to_string()).is_some_and(|source| *source == old.source);
            if !stays {
                self.tracks.unsubscribe(old.track, key, *mid);
                self.drop_copy(&room, key, *mid);
            }
            stays
        });
        let mut new = Vec::new();
        for (mid, source) in tracks {
            let mid = Mid::from(mid.as_str());
            if received.contains_key(&mid) {
                continue;
            }
            let track = self.tracks.subscribe(&room, &source.0, &source.1, key, mid);
            let is_audio = self.tracks.get(track).is_some_and(|track| track.is_audio());
            let newest = self.webrtc_leg(key).and_then(|leg| leg.peer.newest(mid));
            let viewer = (!is_audio).then(|| new_viewer().behind(newest));
            received.insert(
                mid,
                Received { track, source, rewriter: None, viewer, format: None, made: false, toned: false },
            );
            new.push((track, mid));
        }
        if let Some(webrtc) = self.webrtc_leg(key) {
            webrtc.received = received;
        }
        for (track, mid) in new {
            if self.is_made_here(track) {
                self.want_transcoding(track, key, mid);
            }
        }
        self.look_at_layers(key);
    }

    /// A packet on the WebRTC port.
    pub fn webrtc_packet(&mut self, source: Source, datagram: &[u8]) {
        let Some(key) = self.whose(&source, datagram) else {
            count(&self.counters.garbage);
            return;
        };
        let now = self.now;
        let Some(leg) = self.webrtc_leg(key) else { return };
        match guarded(|| leg.peer.receive(source.tcp, source.address, datagram, now)) {
            Ok(Ok(true)) => self.drain(key),
            Ok(Ok(false)) => count(&self.counters.garbage),
            Ok(Err(_)) => self.broke(key, Broken::Closed),
            Err(broken) => self.broke(key, broken),
        }
    }

    /// By its address if that proved itself; else a STUN request that names a peer and proves to be meant for it.
    fn whose(&mut self, source: &Source, datagram: &[u8]) -> Option<LegKey> {
        let known = self.demux.by_source(source);
        let named = ufrag(datagram).and_then(|ufrag| self.demux.by_ufrag(ufrag));
        let key = match (known, named) {
            (Some(known), None) => return Some(known),
            (Some(known), Some(named)) if known == named => return Some(known),
            (_, named) => named?,
        };
        let now = self.now;
        let leg = self.webrtc_leg(key)?;
        if !guarded(|| leg.peer.proves(source.tcp, source.address, datagram, now)).unwrap_or(false) {
            return None;
        }
        self.demux.learn(*source, key);
        if source.tcp
            && let Some(connection) = self.tcp.by_address(source.address)
        {
            self.tcp.prove(connection);
        }
        Some(key)
    }

    /// Do everything the peer has to say, and note when to wake it.
    pub fn drain(&mut self, key: LegKey) {
        loop {
            let Some(leg) = self.webrtc_leg(key) else { return };
            match guarded(|| leg.peer.poll()) {
                Ok(Ok(Output::Transmit(transmit))) => self.transmit(transmit),
                Ok(Ok(Output::Event(event))) => self.peer_event(key, event),
                Ok(Ok(Output::Wait(at))) => {
                    return self.wake_at(key, at);
                }
                Ok(Err(_)) => return self.broke(key, Broken::Closed),
                Err(broken) => return self.broke(key, broken),
            }
        }
    }

    fn wake_at(&mut self, key: LegKey, at: Instant) {
        let Some(leg) = self.webrtc_leg(key) else { return };
        leg.due = at;
        if leg.wake.is_none_or(|wake| at < wake) {
            leg.wake = Some(at);
            self.timers.set(at, Timer::Peer(key));
        }
    }

    /// The peer's wake-up is due, unless something that came between has put it off.
    pub fn wake_peer(&mut self, key: LegKey) {
        let now = self.now;
        let Some(leg) = self.webrtc_leg(key) else { return };
        // One that was set before an earlier one: the leg has a wake-up of its own, and two would never be one again.
        if leg.wake.is_some_and(|wake| wake > now) {
            return;
        }
        leg.wake = None;
        match leg.due {
            due if due > now => self.wake_at(key, due),
            _ => self.pass_time(key),
        }
    }

    /// Let time pass in a peer and drain it: also what makes written packets leave.
    pub fn pass_time(&mut self, key: LegKey) {
        let now = self.now;
        let Some(leg) = self.webrtc_leg(key) else { return };
        leg.dirty = false;
        match guarded(|| leg.peer.timeout(now)) {
            Ok(Ok(())) => self.drain(key),
            Ok(Err(_)) => self.broke(key, Broken::Closed),
            Err(broken) => self.broke(key, broken),
        }
    }

    /// The peer was written to or changed: it is drained once before the worker waits again.
    pub fn touch(&mut self, key: LegKey) {
        if let Some(leg) = self.webrtc_leg(key)
            && !leg.dirty
        {
            leg.dirty = true;
            self.dirty.push(key);
        }
    }

    fn peer_event(&mut self, key: LegKey, event: PeerEvent) {
        match event {
            PeerEvent::State(state) => {
                let Some(leg) = self.legs.get_mut(&key) else { return };
                let id = leg.id.to_string();
                match state {
                    PeerState::Connected => leg.shared.counters.set_webrtc(WebrtcState::Connected),
                    PeerState::Disconnected => leg.shared.counters.set_webrtc(WebrtcState::Disconnected),
                    PeerState::Closed => {}
                }
                if let Some(webrtc) = leg.webrtc() {
                    let connected = state == PeerState::Connected;
                    if std::mem::replace(&mut webrtc.connected, connected) == connected && connected {
                        return;
                    }
                }
                self.mailbox.push(Event::WebrtcState { leg: id, state: state.name() });
                if state == PeerState::Connected {
                    self.begin_anew(key);
                }
            }
            PeerEvent::Packet(packet) => self.published_packet(key, &packet),
            PeerEvent::KeyframeWanted(mid) => {
                if self.want_made_key_frame(key, Some(mid)) {
                    return;
                }
                let received = self.webrtc_leg(key).and_then(|leg| leg.received.get(&mid));
                let wanted = received.and_then(|r| Some((r.track, r.viewer.as_ref()?.layer_to_ask())));
                wanted.into_iter().for_each(|(track, layer)| self.want_keyframe(track, layer));
            }
            PeerEvent::Estimate(bps) => {
                if let Some(leg) = self.webrtc_leg(key) {
                    leg.estimate = Some(bps);
                    self.look_at_layers(key);
                }
            }
        }
    }

    /// A packet of something that it publishes.
    pub fn published_packet(&mut self, key: LegKey, packet: &Packet) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return };
        LegCounters::add(&leg.shared.counters.packets_received, 1);
        LegCounters::add(&leg.shared.counters.bytes_received, packet.payload.len() as u64);
        leg.shared.counters.heard(now);
        let (muted, spurt, shared) = (leg.muted, leg.spurt, leg.shared.clone());
        let id = leg.id.clone();
        let Some(published) = leg.webrtc().and_then(|w| w.published.get_mut(&packet.mid)) else { return };
        let (track, is_audio) = (published.track, published.is_audio);
        let Some(entry) = self.tracks.get_mut(track) else { return };
        let Some(new) = entry.layers.heard(packet.layer, packet.ssrc, packet.payload.len(), now) else { return };
        published.count(packet, &shared.counters, now);
        if !std::mem::replace(&mut published.heard, true) {
            let name = published.name.clone();
            self.mailbox.push(Event::MediaStarted { leg: id.to_string(), track: name });
        }
        if is_audio != packet.format.kind.is_audio() || (muted && is_audio) {
            return;
        }
        if !is_audio {
            self.picture_packet(track, packet, new);
            let stream = u64::from(packet.ssrc) << 16 ^ track.0.rotate_right(16);
            self.show_to_phones(key, track, stream, packet);
            return;
        }
        if let Some(level) = packet.extensions.audio_level {
            shared.counters.note_level(level.into());
        }
        self.heard_level(key, track, packet.extensions.audio_level);
        self.audio_packet(key, track, packet);
        let stream = u64::from(packet.ssrc) << 16 | u64::from(spurt & 0xffff);
        let source = stream ^ track.0.rotate_right(16);
        self.forward(track, source, packet);
    }

    /// Pass a packet on to every WebRTC leg that takes it as it is.
    pub fn forward(&mut self, track: TrackKey, source: u64, packet: &Packet) {
        let at_once = self.alone;
        let (mut broken, mut refused, mut n) = (Vec::new(), Vec::new(), 0);
        while let Some(&(key, mid)) = self.tracks.get(track).and_then(|track| track.subscribers.get(n)) {
            n += 1;
            match self.write_to(key, mid, source, packet, false) {
                Ok(Written::Waits) if at_once => self.pass_time(key),
                Ok(Written::Waits) => self.touch(key),
                Ok(Written::Refused) => refused.push((key, mid)),
                Ok(Written::Gone | Written::Nowhere) => {}
                Err(what) => broken.push((key, what)),
            }
        }
        for (key, mid) in refused {
            match packet.format.kind.is_audio() {
                true => self.want_transcoding(track, key, mid),
                false => self.want_copy(track, key, mid),
            }
        }
        broken.into_iter().for_each(|(key, what)| self.broke(key, what));
    }

    /// Send one packet to one WebRTC leg.
    pub fn send_to(&mut self, key: LegKey, mid: Mid, source: u64, packet: &Packet, made: bool) -> Result<bool, Broken> {
        let written = self.write_to(key, mid, source, packet, made)?;
        if written == Written::Waits {
            self.touch(key);
        }
        Ok(written != Written::Refused)
    }

    /// Write one packet for one WebRTC leg.
    fn write_to(&mut self, key: LegKey, mid: Mid, source: u64, packet: &Packet, made: bool) -> Result<Written, Broken> {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return Ok(Written::Nowhere) };
        let Kind::Webrtc(webrtc) = &mut leg.kind else { return Ok(Written::Nowhere) };
        if !webrtc.connected {
            return Ok(Written::Nowhere);
        }
        if !webrtc.send(mid, source, packet, made, now)? {
            return Ok(Written::Refused);
        }
        leg.shared.counters.sent(now, packet.payload.len());
        let Some(straight) = webrtc.peer.take_straight() else { return Ok(Written::Waits) };
        self.transmit(straight);
        Ok(Written::Gone)
    }

    /// A packet of the stream goes to nobody: those after it move up.
    pub fn leave_out(&mut self, track: TrackKey, source: u64) {
        let Some(subscribers) = self.tracks.get(track).map(|t| t.subscribers.clone()) else { return };
        for (key, mid) in subscribers {
            let received = self.webrtc_leg(key).and_then(|leg| leg.received.get_mut(&mid));
            received.and_then(|r| r.rewriter.as_mut()).into_iter().for_each(|rewriter| rewriter.leave_out(source));
        }
    }

    /// A TCP connection is over.
    pub fn tcp_closed(&mut self, address: SocketAddr) {
        self.demux.forget_source(&Source { tcp: true, address });
    }

    /// A peer cannot go on.
    pub fn broke(&mut self, key: LegKey, broken: Broken) {
        let Some(leg) = self.legs.get(&key) else { return };
        let id = leg.id.to_string();
        match broken {
            Broken::Closed => {
                self.mailbox.push(Event::WebrtcState { leg: id, state: PeerState::Closed.name() });
                self.remove_leg(key);
            }
            Broken::Bug(reason) => self.fail_leg(key, &reason),
        }
    }

    /// Undo everything a WebRTC leg was entered in; its last words are sent.
    pub fn close_webrtc(&mut self, key: LegKey, room: &str, mut webrtc: Box<WebrtcLeg>) {
        for (_, published) in webrtc.published.drain() {
            self.drop_audio(published.track);
            self.forget_picture_in(room, key, published.track);
            self.tracks.unpublish(published.track);
        }
        for (mid, received) in webrtc.received.drain() {
            self.tracks.unsubscribe(received.track, key, mid);
        }
        let now = self.now;
        let last_words = guarded(|| webrtc.peer.last_words(now)).unwrap_or_default();
        last_words.into_iter().for_each(|transmit| self.transmit(transmit));
        for source in self.demux.forget(key, &webrtc.ufrag) {
            if source.tcp
                && let Some(connection) = self.tcp.by_address(source.address)
            {
                self.tcp.close(connection);
            }
        }
    }
}
