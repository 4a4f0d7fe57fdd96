//! Who is seen on a phone with a screen: the one who speaks, as long as its pictures fit, unchanged.
//!
//! Another one is shown from its next key frame on; until that comes the one before stays, so that nobody ever sees
//! grey. A phone that nothing fits is shown nothing here.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringback_rtp::video::VideoCodec;
use ringback_sfu::{Format, FormatKind, Packet};

use crate::shared::LegCounters;
use crate::tracks::TrackKey;
use crate::worker::{LegKey, Worker};

/// Whoever sent nothing for this long has no picture now.
const GONE: Duration = Duration::from_secs(1);
/// A screen on which nothing moves sends about one picture a second.
const SCREEN_GONE: Duration = Duration::from_secs(3);
/// How often the choice is looked at, and the sender told how much it may send.
const LOOK: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(1);

/// One live picture of a room.
pub struct Picture {
    pub leg: LegKey,
    format: Format,
    ssrc: u32,
    seen: Instant,
    is_screen: bool,
    limited: Option<Instant>,
}

/// The live pictures of a room, oldest track first.
#[derive(Default)]
pub struct Pictures {
    live: BTreeMap<TrackKey, Picture>,
}

impl Picture {
    fn is_live(&self, now: Instant) -> bool {
        now < self.seen + if self.is_screen { SCREEN_GONE } else { GONE }
    }
}

impl Pictures {
    /// Whose pictures come now, and whether it is a screen.
    pub fn live(&self, now: Instant) -> impl Iterator<Item = (TrackKey, LegKey, bool)> {
        let live = self.live.iter().filter(move |(_, picture)| picture.is_live(now));
        live.map(|(track, picture)| (*track, picture.leg, picture.is_screen))
    }

    fn forget(&mut self, track: TrackKey) {
        self.live.remove(&track);
    }
}

/// Whether a phone that speaks `phone` can be sent `source` as it is. H.264 in pieces fits only who can join them.
fn fits(source: Format, phone: Format) -> bool {
    let mode = |format: Format| format.h264.map_or(0, |(_, mode)| mode);
    source.kind == phone.kind && (source.kind == FormatKind::Vp8 || mode(source) <= mode(phone))
}

pub fn codec_of(format: Format) -> VideoCodec {
    if format.kind == FormatKind::H264 { VideoCodec::H264 } else { VideoCodec::Vp8 }
}

impl Worker {
    /// A packet of somebody's picture: to every phone of the room that is shown it.
    pub fn show_to_phones(&mut self, from: LegKey, track: TrackKey, source: u64, packet: &Packet) {
        let now = self.now;
        let Some(leg) = self.legs.get(&from) else { return };
        let Some(room) = self.rooms.get_mut(&leg.room) else { return };
        let is_screen = self.tracks.get(track).is_some_and(|t| t.name() == "screenVideo");
        let picture =
            Picture { leg: from, format: packet.format, ssrc: packet.ssrc, seen: now, is_screen, limited: None };
        let known = room.pictures.live.entry(track).or_insert(picture);
        (known.format, known.ssrc, known.seen) = (packet.format, packet.ssrc, now);
        let (id, viewers) = (room.id.clone(), room.viewers.clone());
        self.feed_maker(&id, track, source, packet);
        for viewer in viewers.into_iter().filter(|viewer| *viewer != from) {
            self.show_to_phone(viewer, from, track, source, packet);
        }
    }

    fn show_to_phone(&mut self, viewer: LegKey, from: LegKey, track: TrackKey, source: u64, packet: &Packet) {
        let now = self.now;
        self.look_at_picture(viewer);
        let shown_as = self.legs.get(&from).map(|leg| leg.id.clone());
        let Some(leg) = self.legs.get_mut(&viewer) else { return };
        let shared = leg.shared.clone();
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return };
        let mut joins = false;
        if video.out.next == Some(track) && codec_of(packet.format).starts_key_frame(&packet.payload) {
            video.out.shown = video.out.next.take();
            joins = true;
            LegCounters::add(&shared.video.switches, 1);
            shared.video.set_shown(shown_as.as_deref().unwrap_or(""));
        }
        let lost = video.out.shown == Some(track) && video.send(source, packet, joins, &shared.video, now);
        if joins {
            self.stop_composing(viewer);
        }
        if lost {
            self.want_picture(track);
        }
    }

    /// Look whether a phone is to be shown something else, not too often.
    pub fn look_at_picture(&mut self, viewer: LegKey) {
        let now = self.now;
        let Some(video) = self.phone_video(viewer) else { return };
        if video.out.chosen.is_none_or(|at| now >= at + LOOK) {
            video.out.chosen = Some(now);
            self.choose_picture(viewer);
            self.tell_seen(viewer);
        }
    }

    /// Decide whom a phone is to be shown: the speaker, else who is shown, else whoever has been here longest. Where
    /// nobody has a picture any more a phone that was shown one is shown who is there.
    fn choose_picture(&mut self, viewer: LegKey) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&viewer) else { return };
        let (room, may_see) = (leg.room.clone(), leg.may_see.clone());
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return };
        let Some(format) = video.format().filter(|_| video.is_open()) else { return };
        let shown = video.out.next.or(video.out.shown);
        let bitrate = video.media.as_ref().map_or(0, |media| media.bitrate_bps);
        let seen_some = video.out.has_sent();
        let Some(room) = self.rooms.get(&room) else { return };
        let speaker = room.speaker.active().map(LegKey);
        let may = |picture: &Picture| {
            self.legs.get(&picture.leg).is_some_and(|leg| may_see.allows(&leg.id, picture.is_screen))
        };
        let live = || {
            room.pictures
                .live
                .iter()
                .filter(|(_, picture)| picture.leg != viewer && picture.is_live(now) && may(picture))
        };
        let rank = |(track, picture): &(&TrackKey, &Picture)| {
            let spoke = speaker == Some(picture.leg);
            (picture.is_screen, spoke, shown == Some(**track), std::cmp::Reverse(**track))
        };
        let fitting = |(_, picture): &(&TrackKey, &Picture)| fits(picture.format, format);
        let best = live().max_by_key(rank);
        if self.pixels.is_some() && best.map_or(seen_some, |best| !fitting(&best)) {
            return self.compose_for(viewer);
        }
        let Some((&best, _)) = live().filter(fitting).max_by_key(rank) else { return };
        let Some(video) = self.phone_video(viewer) else { return };
        let (is_shown, is_made) = (video.out.shown == Some(best), video.out.making.is_some());
        let before = std::mem::replace(&mut video.out.next, (!is_shown).then_some(best));
        match is_shown {
            true if is_made => self.stop_composing(viewer),
            true => {}
            // Asked for again as long as none comes; the track merges what comes too often.
            false if before == Some(best) => self.want_picture(best),
            false => self.want_picture_soon(best),
        }
        self.limit_picture(best, bitrate);
    }

    /// Tell whose picture is forwarded how much the phone can take.
    fn limit_picture(&mut self, track: TrackKey, bitrate_bps: u32) {
        let now = self.now;
        let Some(room) = self.tracks.get(track).map(|track| track.room().to_owned()) else { return };
        let picture = self.rooms.get_mut(&*room).and_then(|room| room.pictures.live.get_mut(&track));
        let Some(picture) = picture else { return };
        if picture.limited.is_some_and(|at| now < at + LIMIT) {
            return;
        }
        picture.limited = Some(now);
        // Of several layers a phone is given one that is small enough; the others are not for it to limit.
        if self.tracks.get(track).is_some_and(|track| track.layers.live(now).count() > 1) {
            return;
        }
        let (leg, ssrc) = (picture.leg, picture.ssrc);
        if let Some(webrtc) = self.webrtc_leg(leg) {
            webrtc.peer.limit(ssrc, bitrate_bps);
            self.touch(leg);
        }
    }

    /// A phone of this room can be shown pictures.
    pub fn watch_pictures(&mut self, viewer: LegKey) {
        let Some(room) = self.legs.get(&viewer).map(|leg| leg.room.clone()) else { return };
        let Some(room) = self.rooms.get_mut(&room) else { return };
        if !room.viewers.contains(&viewer) {
            room.viewers.push(viewer);
        }
    }

    /// A track is no longer sent: no phone is shown it.
    pub fn forget_picture(&mut self, leg: LegKey, track: TrackKey) {
        let Some(room) = self.legs.get(&leg).map(|leg| leg.room.clone()) else { return };
        self.forget_picture_in(&room, leg, track);
    }

    /// The same for a leg that is gone already.
    pub fn forget_picture_in(&mut self, room: &str, leg: LegKey, track: TrackKey) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        room.pictures.forget(track);
        room.making.as_deref_mut().into_iter().for_each(|making| making.forget(track));
        let viewers = room.viewers.clone();
        for viewer in viewers.into_iter().filter(|viewer| *viewer != leg) {
            let Some(leg) = self.legs.get_mut(&viewer) else { continue };
            let shared = leg.shared.clone();
            let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { continue };
            if video.out.next == Some(track) {
                video.out.next = None;
            }
            if video.out.shown == Some(track) {
                video.out.shown = None;
                shared.video.set_shown("");
            }
            video.out.chosen = None;
            self.look_at_picture(viewer);
        }
    }
}
