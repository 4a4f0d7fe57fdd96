//! Pictures: every packet to those who see its layer, which layer that is for each of them, and key frames.
//!
//! Makers of pictures are given one layer of each source (`composing`), each phone the one that fits it (`viewing`); a
//! phone's own picture has one layer.

use std::collections::HashMap;
use std::time::Duration;

use ringback_sfu::{Mid, Packet, Picture, Viewer, share};

use crate::leg::Kind;
use crate::shared::LegCounters;
use crate::sys;
use crate::tracks::TrackKey;
use crate::webrtc::guarded;
use crate::worker::{LegKey, Timer, Worker};

/// How often the layers of what somebody sees are looked at, besides when something changes.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What else a path carries beside pictures, in bits per second: sound.
const FOR_SOUND_BPS: u64 = 64_000;
/// So much more than what is wished for is looked for, in percent: layers vary.
const DESIRED: u64 = 130;
/// The layer of which pictures are made.
const FOR_MAKERS: u8 = 1;
/// Whoever is not named himself in a table of layers.
const EVERYBODY: &str = "*";

/// The highest layers asked for: (source leg or `*`, track) → layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedLayers(pub HashMap<(String, String), u8>);

impl AskedLayers {
    fn of(&self, leg: &str, track: &str) -> Option<u8> {
        let asked = |leg: &str| self.0.get(&(leg.to_owned(), track.to_owned())).copied();
        if self.0.is_empty() { None } else { asked(leg).or_else(|| asked(EVERYBODY)) }
    }
}

/// Somebody who sees a picture from now on.
pub fn new_viewer() -> Viewer {
    let random = sys::random_u64();
    Viewer::new(90_000, random as u16, (random >> 32) as u32)
}

impl Worker {
    /// A packet of a phone's picture: its stream is layer 0.
    pub fn picture_from_phone(&mut self, track: TrackKey, packet: &Packet) {
        let now = self.now;
        let Some(entry) = self.tracks.get_mut(track) else { return };
        if entry.layers.heard(packet.layer, packet.ssrc, packet.payload.len(), now).is_some() {
            self.picture_packet(track, packet, false);
        }
    }

    /// Whether makers of pictures are given this packet: of several layers the second, which is about the size of a
    /// tile, as soon as it begins; another while there is no such.
    pub fn is_for_makers(&mut self, track: TrackKey, packet: &Packet) -> bool {
        let now = self.now;
        let Some(track) = self.tracks.get_mut(track) else { return false };
        let present = track.for_makers.filter(|present| track.layers.live(now).any(|layer| layer == *present));
        let better = present.is_none_or(|present| present < packet.layer && packet.layer <= FOR_MAKERS);
        if better && Picture::of(packet.format.kind, &packet.payload).starts_key_frame {
            track.for_makers = Some(packet.layer);
        }
        track.for_makers == Some(packet.layer)
    }

    /// A picture that is made needs a key frame of what it is made of.
    pub fn want_picture(&mut self, track: TrackKey) {
        let now = self.now;
        let given = self.tracks.get(track).and_then(|t| t.for_makers.or_else(|| t.layers.live(now).next()));
        self.want_keyframe(track, given.unwrap_or(0));
    }

    /// A phone is to be shown this layer in place of something else, from now on.
    pub fn want_keyframe_soon(&mut self, track: TrackKey, layer: u8) {
        let now = self.now;
        let Some(entry) = self.tracks.get_mut(track) else { return };
        if entry.layers.want_keyframe_soon(layer, now) {
            self.ask_keyframe(track, layer);
        } else {
            self.want_keyframe(track, layer);
        }
    }

    /// A packet of a picture that counts; `new`: the first of its stream.
    pub fn picture_packet(&mut self, track: TrackKey, packet: &Packet, new: bool) {
        let now = self.now;
        if new {
            self.want_keyframe(track, packet.layer);
        }
        let Some(subscribers) = self.tracks.get_mut(track).map(|t| std::mem::take(&mut t.subscribers)) else { return };
        let picture = Picture::of(packet.format.kind, &packet.payload);
        let mut broken = Vec::new();
        for &(key, mid) in &subscribers {
            let Some(leg) = self.legs.get_mut(&key) else { continue };
            let Kind::Webrtc(webrtc) = &mut leg.kind else { continue };
            if !webrtc.connected {
                continue;
            }
            match webrtc.send_picture(mid, packet, &picture, now) {
                Ok(true) => {
                    leg.shared.counters.sent(now, packet.payload.len());
                    self.touch(key);
                }
                Ok(false) => {}
                Err(what) => broken.push((key, what)),
            }
        }
        if let Some(track) = self.tracks.get_mut(track) {
            track.subscribers = subscribers;
        }
        broken.into_iter().for_each(|(key, what)| self.broke(key, what));
    }

    /// The whole table of the layers that a leg asks for.
    pub fn set_layers(&mut self, id: &str, asked: AskedLayers) {
        let Some(key) = self.leg_key(id) else { return };
        let Some(leg) = self.webrtc_leg(key) else { return };
        leg.asked = asked;
        self.look_at_layers(key);
    }

    /// The far end sees pictures from now on, or was given other m-lines: each needs a key frame.
    pub fn begin_anew(&mut self, key: LegKey) {
        let Some(leg) = self.webrtc_leg(key) else { return };
        let seen = leg.received.values().filter_map(|r| Some((r.track, r.viewer.as_ref()?.layer_to_ask())));
        let seen: Vec<(TrackKey, u8)> = seen.collect();
        seen.into_iter().for_each(|(track, layer)| self.want_keyframe(track, layer));
    }

    /// Choose the layer of everything a leg sees: by what it asked for, what there is, and what its path carries.
    pub fn look_at_layers(&mut self, key: LegKey) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let Kind::Webrtc(webrtc) = &mut leg.kind else { return };
        let mut wishes = Vec::new();
        let mut seen: Vec<(Mid, TrackKey)> = Vec::new();
        for (mid, received) in &mut webrtc.received {
            let Some(viewer) = &mut received.viewer else { continue };
            let Some(track) = self.tracks.get(received.track) else { continue };
            viewer.ask(webrtc.asked.of(&received.source.0, &received.source.1));
            wishes.push(viewer.wish(&track.layers, now));
            seen.push((*mid, received.track));
        }
        if seen.is_empty() {
            return;
        }
        let desired: u64 = wishes.iter().map(|wish| wish.dearest()).sum();
        let budget = webrtc.estimate.map_or(u64::MAX, |estimate| estimate.saturating_sub(FOR_SOUND_BPS));
        let mut waits = Vec::new();
        for ((layer, dear), (mid, track)) in share(budget, &wishes).into_iter().zip(seen) {
            let viewer = webrtc.received.get_mut(&mid).and_then(|received| received.viewer.as_mut());
            let Some(viewer) = viewer else { continue };
            viewer.settle(layer, dear, now);
            if layer.is_some() && viewer.waits_for().is_some() {
                waits.push((track, viewer.layer_to_ask()));
            }
        }
        if webrtc.looks.is_none_or(|at| at <= now) {
            webrtc.looks = Some(now + LOOK_EVERY);
            self.timers.set(now + LOOK_EVERY, Timer::Layers(key));
        }
        let peer = &mut webrtc.peer;
        let wanted = desired.saturating_mul(DESIRED) / 100 + FOR_SOUND_BPS;
        let told = guarded(|| peer.set_desired_bitrate(wanted));
        if let Err(broken) = told {
            return self.broke(key, broken);
        }
        waits.into_iter().for_each(|(track, layer)| self.want_keyframe(track, layer));
    }

    /// Somebody needs a key frame of a layer: ask its sender, not too often.
    pub fn want_keyframe(&mut self, key: TrackKey, layer: u8) {
        let now = self.now;
        let Some(track) = self.tracks.get_mut(key).filter(|track| !track.is_audio()) else { return };
        if track.layers.want_keyframe(layer, now) {
            self.ask_keyframe(key, layer);
        } else if let Some(due) = track.layers.due() {
            self.timers.set(due, Timer::Keyframe(key));
        }
    }

    /// Key frames that were asked for too early may be asked for now.
    pub fn wake_keyframe(&mut self, key: TrackKey) {
        let now = self.now;
        let due = self.tracks.get_mut(key).map(|track| track.layers.take_due(now)).unwrap_or_default();
        due.into_iter().for_each(|layer| self.ask_keyframe(key, layer));
    }

    /// Ask the leg that sends it, whatever kind that is.
    fn ask_keyframe(&mut self, key: TrackKey, layer: u8) {
        let Some(track) = self.tracks.get(key) else { return };
        let (Some((leg, _)), Some(stream)) = (track.source, track.layers.stream(layer)) else { return };
        let Some(entry) = self.legs.get_mut(&leg) else { return };
        LegCounters::add(&entry.shared.counters.keyframes_asked, 1);
        let Kind::Webrtc(webrtc) = &mut entry.kind else { return self.ask_phone_picture(leg) };
        match guarded(|| webrtc.peer.request_keyframe(stream)) {
            Ok(()) => self.touch(leg),
            Err(broken) => self.broke(leg, broken),
        }
    }

    /// It is time to look at a leg's layers again.
    pub fn wake_layers(&mut self, key: LegKey) {
        let now = self.now;
        if let Some(leg) = self.webrtc_leg(key)
            && leg.looks.is_some_and(|at| at <= now)
        {
            self.look_at_layers(key);
        }
    }
}
