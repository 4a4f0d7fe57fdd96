//! Who is seen on a phone with a screen: the one who speaks, unchanged, by the layer that fits it, as long as there is one.
//!
//! Another one, or another layer, is shown from its next key frame on; until that comes the one before stays, so that
//! nobody ever sees grey. A phone that nothing fits is shown a picture that is made for it (`composing`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringback_rtp::video::VideoCodec;
use ringback_sfu::{Format, FormatKind, Packet};

use crate::fitting::{Fit, Limits, ask, fit};
use crate::measured::WHOLE;
use crate::outgoing::Of;
use crate::shared::LegCounters;
use crate::tracks::TrackKey;
use crate::worker::{LegKey, Worker};

/// Whoever sent nothing for this long has no picture now.
const GONE: Duration = Duration::from_secs(1);
/// A screen on which nothing moves sends about one picture a second.
const SCREEN_GONE: Duration = Duration::from_secs(3);
/// How often the choice is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// After a layer was too much for a phone no more than what it has then is tried for so long.
const STAYS_DOWN: Duration = Duration::from_secs(4);

/// One live picture of a room.
pub struct Picture {
    pub leg: LegKey,
    format: Format,
    seen: Instant,
    is_screen: bool,
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

/// Whether a phone that speaks `phone` can read `source` as it is. H.264 in pieces suits only who can join them.
fn is_spoken(source: Format, phone: Format) -> bool {
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
        let Some(entry) = self.tracks.get_mut(track) else { return };
        entry.measured.note(packet, now);
        let is_screen = entry.name() == "screenVideo";
        let picture = Picture { leg: from, format: packet.format, seen: now, is_screen };
        let known = room.pictures.live.entry(track).or_insert(picture);
        (known.format, known.seen) = (packet.format, now);
        let (id, viewers) = (room.id.clone(), room.viewers.clone());
        if self.is_for_makers(track, packet) {
            self.feed_maker(&id, track, source, packet);
        }
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
        let of = Of { track, layer: packet.layer };
        let mut joins = false;
        if video.out.next == Some(of) && codec_of(packet.format).starts_key_frame(&packet.payload) {
            video.out.shown = video.out.next.take();
            joins = true;
            LegCounters::add(&shared.video.switches, 1);
            shared.video.set_shown(shown_as.as_deref().unwrap_or(""));
        }
        let lost = video.out.shown == Some(of) && video.send(source, packet, joins, &shared.video, now);
        if joins {
            self.stop_composing(viewer);
        }
        if lost {
            self.want_keyframe(track, packet.layer);
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

    /// Decide whom a phone is to be shown: the speaker, else who is shown, else whoever has been here longest; and by
    /// which layer. Where nobody has a picture any more a phone that was shown one is shown who is there.
    fn choose_picture(&mut self, viewer: LegKey) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&viewer) else { return };
        let (room, may_see) = (leg.room.clone(), leg.may_see.clone());
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return };
        let Some(format) = video.format().filter(|_| video.is_open()) else { return };
        let Some(limits) = video.media.as_ref().map(Limits::from) else { return };
        let (shown, down, seen_some) = (video.out.next.or(video.out.shown), video.out.down, video.out.has_sent());
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
            let is_shown = shown.is_some_and(|shown| shown.track == **track);
            (picture.is_screen, spoke, is_shown, std::cmp::Reverse(**track))
        };
        let speaks = |(_, picture): &(&TrackKey, &Picture)| is_spoken(picture.format, format);
        // Where nothing can be made a picture that is too large says more than none.
        let makes = self.pixels.is_some();
        let best = if makes { live().max_by_key(rank).filter(speaks) } else { live().filter(speaks).max_by_key(rank) };
        let (is_nobody, best) = (best.is_none() && live().next().is_none(), best.map(|(track, _)| *track));
        let measured = best.and_then(|track| self.tracks.get(track)).map(|track| &track.measured);
        let present = shown.filter(|shown| best == Some(shown.track)).map(|shown| shown.layer);
        let may_rise = down.is_none_or(|(track, until)| best != Some(track) || now >= until);
        let fit = measured.map_or(Fit::None, |measured| fit(measured, &limits, present, may_rise, now));
        let lowest = measured.and_then(|measured| measured.live().last());
        let asks = measured.and_then(|measured| ask(measured, &limits, now));
        let Some(video) = self.phone_video(viewer) else { return };
        video.out.asks = best.zip(asks);
        if let (Some(track), Some(present)) = (best, present)
            && !matches!(fit, Fit::Layer { layer, .. } | Fit::Unknown(layer) if layer >= present)
        {
            video.out.down = Some((track, now + STAYS_DOWN));
        }
        match (best, fit) {
            (Some(track), Fit::Layer { layer, temporal }) => self.pass_on(viewer, Of { track, layer }, temporal),
            (Some(track), Fit::Unknown(layer)) => self.pass_on(viewer, Of { track, layer }, WHOLE),
            (Some(track), Fit::None) if !makes => {
                let layer = lowest.unwrap_or(0);
                self.pass_on(viewer, Of { track, layer }, WHOLE);
            }
            _ if makes && (seen_some || !is_nobody) => self.compose_for(viewer),
            _ => {}
        }
    }

    /// A phone is to be shown this from its next key frame on, without the temporal layers above `temporal`.
    fn pass_on(&mut self, viewer: LegKey, of: Of, temporal: u8) {
        let Some(video) = self.phone_video(viewer) else { return };
        video.out.thinner.want(temporal);
        let (is_shown, is_made) = (video.out.shown == Some(of), video.out.making.is_some());
        let before = std::mem::replace(&mut video.out.next, (!is_shown).then_some(of));
        match is_shown {
            true if is_made => self.stop_composing(viewer),
            true => {}
            // Asked for again as long as none comes; the track merges what comes too often.
            false if before == Some(of) => self.want_keyframe(of.track, of.layer),
            false => self.want_keyframe_soon(of.track, of.layer),
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
        room.asked.remove(&track);
        room.making.as_deref_mut().into_iter().for_each(|making| making.forget(track));
        let viewers = room.viewers.clone();
        for viewer in viewers.into_iter().filter(|viewer| *viewer != leg) {
            let Some(leg) = self.legs.get_mut(&viewer) else { continue };
            let shared = leg.shared.clone();
            let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { continue };
            video.out.next = video.out.next.filter(|of| of.track != track);
            video.out.asks = video.out.asks.filter(|(asked, _)| *asked != track);
            if video.out.shown.is_some_and(|of| of.track == track) {
                video.out.shown = None;
                shared.video.set_shown("");
            }
            video.out.chosen = None;
            self.look_at_picture(viewer);
        }
    }
}
