//! What each phone with a screen is shown, told when it changes: for the room's page and whoever looks into a call.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ringback_rtp::video::VideoCodec;

use crate::event::Event;
use crate::pictures::Health;
use crate::shared::VideoWay;
use crate::tracks::TrackKey;
use crate::video_media::VideoMedia;
use crate::worker::{LegKey, Worker};

/// How what is shown stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arranged {
    /// Nothing is shown.
    #[default]
    Nothing,
    /// One alone.
    One,
    /// The first large, others beside.
    Speaker,
    /// All alike.
    Grid,
}

impl Arranged {
    fn name(self) -> &'static str {
        ["none", "one", "speaker", "grid"][self as usize]
    }
}

/// What a phone is shown: how it stands, and whose tracks, the most important first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub arranged: Arranged,
    pub tracks: Vec<TrackKey>,
}

/// Which cameras and screens a phone may be shown: (leg, track name); everybody's unless it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaySee(Option<Arc<BTreeSet<(String, String)>>>);

impl MaySee {
    pub fn these(tracks: Option<BTreeSet<(String, String)>>) -> MaySee {
        MaySee(tracks.map(Arc::new))
    }

    pub fn allows(&self, leg: &str, is_screen: bool) -> bool {
        let name = if is_screen { "screenVideo" } else { "video" };
        self.0.as_ref().is_none_or(|tracks| tracks.contains(&(leg.to_owned(), name.to_owned())))
    }
}

impl Worker {
    /// Whether others are shown a phone's pictures, and whom it may be shown, from now on.
    pub fn set_viewing(&mut self, id: &str, is_seen: bool, may_see: MaySee) {
        let Some(key) = self.leg_key(id) else { return };
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let (was_seen, could_see) = (leg.is_seen, std::mem::replace(&mut leg.may_see, may_see.clone()));
        leg.is_seen = is_seen;
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return };
        let media = video.media.clone().map(|media| VideoMedia { listen: video.listens, ..media });
        if could_see != may_see {
            (video.out.shown, video.out.next, video.out.chosen) = (None, None, None);
            self.stop_composing(key);
        }
        if was_seen != is_seen && media.is_some() {
            self.set_phone_video(id, media);
        }
    }

    /// Tell what a phone is shown and how, if that is something else than was told last.
    pub fn tell_seen(&mut self, viewer: LegKey) {
        let Some(way) = self.note_way(viewer) else { return };
        let seen = self.seen_by(viewer);
        let Some(video) = self.phone_video(viewer) else { return };
        if video.told.0 == seen && video.told.1 == way {
            return;
        }
        video.told = (seen.clone(), way);
        let Some(leg) = self.legs.get(&viewer) else { return };
        let of = seen.tracks.iter().filter_map(|track| {
            let track = self.tracks.get(*track)?;
            let (source, _) = track.source?;
            Some((self.legs.get(&source)?.id.to_string(), track.name().to_owned()))
        });
        let (layout, way) = (seen.arranged.name(), VideoWay::NAMES[way as usize]);
        self.mailbox.push(Event::PicturesShown { leg: leg.id.to_string(), layout, of: of.collect(), way });
    }

    /// Note how a phone is given pictures, for whoever asks why it has none.
    fn note_way(&mut self, viewer: LegKey) -> Option<VideoWay> {
        let leg = self.legs.get_mut(&viewer)?;
        let (room, shared) = (leg.room.clone(), leg.shared.clone());
        let video = leg.phone().and_then(|phone| phone.video.as_deref())?;
        let (is_open, out) = (video.is_open(), &video.out);
        let (is_passed_on, is_made) = (out.shown.is_some(), out.made.is_some());
        let (waits, is_asked) = (out.next.is_some(), out.making.is_some());
        let room = self.rooms.get_mut(&room)?;
        let making = room.making.as_deref_mut();
        let health = making.map_or(Health::default(), |making| {
            self.counters.pixel_deaths.fetch_add(making.take_deaths(), Relaxed);
            making.health()
        });
        let nobody = !room.pictures.live(self.now).any(|(_, leg, _)| leg != viewer);
        let way = match () {
            () if !is_open => VideoWay::None,
            () if is_passed_on => VideoWay::Forward,
            () if nobody => VideoWay::Nobody,
            () if is_asked && health.is_down => VideoWay::MakerDown,
            () if is_made => VideoWay::Make,
            () if is_asked || waits => VideoWay::Waiting,
            () if self.pixels.is_none() => VideoWay::NoMaker,
            () => VideoWay::Waiting,
        };
        let lacks = [VideoCodec::Vp8, VideoCodec::H264].into_iter().find(|codec| is_asked && !health.can(*codec));
        shared.video.set_way(way, lacks, self.now);
        Some(way)
    }

    fn seen_by(&mut self, viewer: LegKey) -> Seen {
        let Some(leg) = self.legs.get_mut(&viewer) else { return Seen::default() };
        let room = leg.room.clone();
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref()) else { return Seen::default() };
        if !video.is_open() {
            return Seen::default();
        }
        if let Some(of) = video.out.shown {
            return Seen { arranged: Arranged::One, tracks: vec![of.track] };
        }
        let Some(picture) = video.out.made else { return Seen::default() };
        let making = self.rooms.get(&room).and_then(|room| room.making.as_deref());
        making.and_then(|making| making.seen_in(picture)).unwrap_or_default()
    }
}
