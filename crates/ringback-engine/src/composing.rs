//! Pictures that are made because none can be passed on: one for all phones of a room that want the same, one more for
//! whoever speaks among them, and copies of a camera for browsers that cannot decode it.
//!
//! The maker is a room's own (see `maker`); what it makes enters the phones' streams at a key frame, like a switch
//! between cameras, so that nobody sees grey.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ringback_rtp::video::{Depacketizer, Frame, Missing, Packetizer, VideoCodec};
use ringback_sfu::{Extensions, Format, FormatKind, Mid, Packet};
use rustix::event::epoll;

use crate::counters::count;
use crate::leg::Leg;
use crate::maker::Maker;
use crate::pictures::{Encoding, Health, Layout, Made, PictureId, Pictures, Scene, SourceId, Tile};
use crate::seen::{Arranged, MaySee, Seen};
use crate::shared::LegCounters;
use crate::sys;
use crate::tracks::TrackKey;
use crate::viewing::codec_of;
use crate::worker::{LegKey, Token, Worker};

/// Most tiles of a composed picture.
const MOST_TILES: usize = 9;
/// From so many tiles on nobody is shown larger than others.
const EQUALS: usize = 6;
/// Marks streams that are made among those that are passed on.
const MADE: u64 = 1 << 63;
/// Pictures in a second of one on which there are only names.
const NAMES_FPS: u8 = 5;
/// What a copy for browsers is at most.
const COPY: Encoding =
    Encoding { codec: VideoCodec::Vp8, mode: 0, width: 1280, height: 720, fps: 30, bitrate_bps: 1_200_000 };

/// What several viewers share.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// Everybody, for phones: with this encoding, without one of them, of those that they may see.
    Everybody { encoding: Encoding, without: Option<LegKey>, may_see: MaySee },
    /// A camera in another codec, for browsers.
    Copy(TrackKey),
}

struct Group {
    wanted: Wanted,
    scene: Scene,
    phones: Vec<LegKey>,
    browsers: Vec<(LegKey, Mid)>,
    packetizer: Packetizer,
    sequence: u64,
}

/// The stream of a camera that is decoded.
struct Fed {
    stream: u64,
    codec: VideoCodec,
    frames: Depacketizer,
    missing: Missing,
    /// Whether anything of it was given on: before, its tile has a name alone.
    begun: bool,
}

/// What is made for a room.
pub struct Making {
    maker: Box<dyn Pictures>,
    groups: BTreeMap<PictureId, Group>,
    fed: HashMap<TrackKey, Fed>,
}

impl Making {
    fn start(program: &Path) -> Option<Making> {
        Some(Making::by(Box::new(Maker::new(program.to_owned()).ok()?)))
    }

    /// With this maker; nothing is made yet.
    pub fn by(maker: Box<dyn Pictures>) -> Making {
        Making { maker, groups: BTreeMap::new(), fed: HashMap::new() }
    }

    fn shows(&self, track: TrackKey) -> bool {
        let is = |tile: &Tile| tile.source == Some(SourceId(track.0));
        self.groups.values().any(|group| group.scene.tiles.iter().any(is))
    }

    /// How its maker is.
    pub fn health(&self) -> Health {
        self.maker.health()
    }

    /// How often its maker died since the last call.
    pub fn take_deaths(&mut self) -> u64 {
        self.maker.take_deaths()
    }

    /// What is seen in a picture that is made.
    pub fn seen_in(&self, picture: PictureId) -> Option<Seen> {
        let scene = &self.groups.get(&picture)?.scene;
        let tracks: Vec<TrackKey> = scene.tiles.iter().filter_map(|tile| Some(TrackKey(tile.source?.0))).collect();
        let arranged = match scene.layout {
            Layout::Grid if tracks.len() > 1 => Arranged::Grid,
            Layout::Speaker if tracks.len() > 1 => Arranged::Speaker,
            _ => Arranged::One,
        };
        Some(Seen { arranged, tracks })
    }

    /// A leg has gone, or is shown something else.
    pub fn leave(&mut self, leg: LegKey) {
        for group in self.groups.values_mut() {
            group.phones.retain(|phone| *phone != leg);
            group.browsers.retain(|(browser, _)| *browser != leg);
        }
        self.tidy();
    }

    /// Nobody watches these any more.
    fn tidy(&mut self) {
        let (maker, fed) = (&mut self.maker, &mut self.fed);
        self.groups.retain(|picture, group| {
            let watched = !group.phones.is_empty() || !group.browsers.is_empty();
            if !watched {
                maker.drop_picture(*picture);
            }
            watched
        });
        let shown: HashSet<u64> =
            self.groups.values().flat_map(|g| &g.scene.tiles).filter_map(|t| t.source).map(|s| s.0).collect();
        fed.retain(|track, _| shown.contains(&track.0));
    }

    /// A camera went off.
    pub fn forget(&mut self, track: TrackKey) {
        self.maker.forget(SourceId(track.0));
        self.fed.remove(&track);
        let copies = |group: &&mut Group| group.wanted == Wanted::Copy(track);
        self.groups.values_mut().filter(copies).for_each(|group| group.browsers.clear());
        self.tidy();
    }

    /// Give whole frames on; whether a key frame is needed first.
    fn feed(&mut self, track: TrackKey, stream: u64, packet: &Packet, now: Instant) -> bool {
        let codec = codec_of(packet.format);
        let new = || Fed { stream, codec, frames: Depacketizer::new(codec), missing: Missing::new(true), begun: false };
        let fed = self.fed.entry(track).or_insert_with(new);
        if (fed.stream, fed.codec) != (stream, codec) {
            *fed = new();
        }
        fed.frames.push(packet.sequence, packet.timestamp, packet.marker, &packet.payload);
        let lost = fed.missing.receive(packet.sequence, now);
        loop {
            while let Some(frame) = fed.frames.pop() {
                fed.begun = true;
                self.maker.feed(SourceId(track.0), codec, &frame);
            }
            if !lost || !fed.frames.has_gap() {
                return fed.frames.wants_key_frame();
            }
            fed.frames.give_up();
        }
    }

    /// Whether the first of those in a picture is seen in it, and not its name alone.
    fn has_begun(&self, picture: PictureId) -> bool {
        let first = self.groups.get(&picture).and_then(|group| group.scene.tiles.first()?.source);
        first.is_none_or(|source| self.fed.get(&TrackKey(source.0)).is_some_and(|fed| fed.begun))
    }

    /// The group that wants this; it is new when nobody did.
    fn group(&mut self, wanted: Wanted, scene: Scene, last: &mut u64) -> PictureId {
        let known = self.groups.iter_mut().find(|(_, group)| group.wanted == wanted);
        let Some((&picture, group)) = known else {
            *last += 1;
            let picture = PictureId(*last);
            let packetizer = Packetizer::new(scene.encoding.codec, scene.encoding.mode, sys::random_u64() as u16);
            self.maker.show(picture, scene.clone());
            let (phones, browsers) = (Vec::new(), Vec::new());
            self.groups.insert(picture, Group { wanted, scene, phones, browsers, packetizer, sequence: 1 });
            return picture;
        };
        if group.scene != scene {
            self.maker.show(picture, scene.clone());
            group.scene = scene;
        }
        picture
    }
}

impl Worker {
    /// The program that makes pictures; without one they are passed on alone.
    pub fn set_pixels(&mut self, program: std::path::PathBuf) {
        self.pixels = Some(program);
    }

    /// Do something with a room's maker, which is started where it has none.
    fn making<T>(&mut self, room: &str, what: impl FnOnce(&mut Making, &mut u64) -> T) -> Option<T> {
        let program = self.pixels.as_deref()?;
        let id = self.rooms.get_key_value(room)?.0.clone();
        if self.rooms.get(room)?.making.is_none() {
            let making = Making::start(program)?;
            self.last_maker += 1;
            let number = self.last_maker;
            let events = epoll::EventFlags::IN;
            epoll::add(&self.epoll, making.maker.event_fd(), Token::Maker(number).data(), events).ok()?;
            self.makers.insert(number, id.clone());
            self.rooms.get_mut(room)?.making = Some(Box::new(making));
        }
        let mut last = self.last_picture;
        let done = self.rooms.get_mut(room)?.making.as_deref_mut().map(|making| what(making, &mut last));
        self.last_picture = last;
        done
    }

    /// A phone is to be shown a picture that is made for it, from its next key frame on.
    pub fn compose_for(&mut self, viewer: LegKey) {
        let Some((room, wanted, scene)) = self.scene_for(viewer) else { return self.stop_composing(viewer) };
        let joined = self.making(&room, |making, last| {
            let picture = making.group(wanted, scene, last);
            for (other, group) in &mut making.groups {
                if *other != picture {
                    group.phones.retain(|phone| *phone != viewer);
                }
            }
            let group = making.groups.get_mut(&picture)?;
            if !group.phones.contains(&viewer) {
                group.phones.push(viewer);
                making.maker.key_frame(picture);
            }
            making.tidy();
            Some(picture)
        });
        let picture = joined.flatten();
        let Some(video) = self.phone_video(viewer) else { return };
        video.out.next = None;
        video.out.making = picture;
    }

    /// A phone is shown something that is passed on, or nothing.
    pub fn stop_composing(&mut self, viewer: LegKey) {
        let Some(leg) = self.legs.get_mut(&viewer) else { return };
        let room = leg.room.clone();
        if let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) {
            (video.out.making, video.out.made) = (None, None);
        }
        let making = self.rooms.get_mut(&room).and_then(|room| room.making.as_deref_mut());
        making.into_iter().for_each(|making| making.leave(viewer));
    }

    /// Everybody whom a phone may see, whoever speaks first. The same for all that want the same, but for the first.
    /// Where nobody has a picture: the names of those who are there.
    fn scene_for(&mut self, viewer: LegKey) -> Option<(Arc<str>, Wanted, Scene)> {
        let leg = self.legs.get_mut(&viewer)?;
        let (room_id, may_see) = (leg.room.clone(), leg.may_see.clone());
        let media = leg.phone()?.video.as_deref()?.media.as_ref()?;
        let mut encoding = Encoding {
            codec: media.codec,
            mode: media.mode,
            width: media.width,
            height: media.height,
            fps: media.fps,
            bitrate_bps: media.bitrate_bps,
        };
        let room = self.rooms.get(&room_id)?;
        let speaker = room.speaker.active().map(LegKey);
        let allowed = |leg: &LegKey, is_screen: bool| {
            *leg == viewer || self.legs.get(leg).is_some_and(|leg| may_see.allows(&leg.id, is_screen))
        };
        let mut live: Vec<(TrackKey, LegKey, bool)> = room.pictures.live(self.now).collect();
        live.retain(|(_, leg, is_screen)| allowed(leg, *is_screen));
        live.sort_by_key(|&(track, leg, is_screen)| (!is_screen, speaker != Some(leg), track));
        let mut without = live.first().is_some_and(|(_, leg, _)| *leg == viewer).then_some(viewer);
        live.retain(|(_, leg, _)| without != Some(*leg));
        live.truncate(MOST_TILES);
        let tile = |&(track, leg, whole): &(TrackKey, LegKey, bool)| {
            let about = self.legs.get(&leg);
            let name = about.map_or(String::new(), |leg| leg.name.clone());
            let muted = about.is_some_and(|leg| leg.muted);
            Tile { source: Some(SourceId(track.0)), name, muted, whole }
        };
        let mut tiles: Vec<Tile> = live.iter().map(tile).collect();
        if tiles.is_empty() {
            (encoding.fps, without) = (encoding.fps.min(NAMES_FPS), None);
            let here = room.legs.iter().filter(|leg| allowed(leg, false)).filter_map(|leg| self.legs.get(leg));
            let named = |leg: &Leg| Tile { source: None, name: leg.name.clone(), muted: leg.muted, whole: false };
            tiles.extend(here.take(MOST_TILES).map(named));
        }
        let layout = if tiles.len() < EQUALS { Layout::Speaker } else { Layout::Grid };
        let scene = Scene { encoding, layout, tiles };
        Some((room_id, Wanted::Everybody { encoding, without, may_see }, scene))
    }

    /// A browser cannot decode this camera: it is made another, once for all such browsers.
    pub fn want_copy(&mut self, track: TrackKey, key: LegKey, mid: Mid) {
        let Some(room) = self.legs.get(&key).map(|leg| leg.room.clone()) else { return };
        if !self.webrtc_leg(key).is_some_and(|leg| leg.peer.takes(mid, FormatKind::Vp8.plain())) {
            return;
        }
        self.making(&room, |making, last| {
            let tile = Tile { source: Some(SourceId(track.0)), name: String::new(), muted: false, whole: true };
            let scene = Scene { encoding: COPY, layout: Layout::Copy, tiles: vec![tile] };
            let picture = making.group(Wanted::Copy(track), scene, last);
            let Some(group) = making.groups.get_mut(&picture) else { return };
            if !group.browsers.contains(&(key, mid)) {
                group.browsers.push((key, mid));
                making.maker.key_frame(picture);
            }
        });
    }

    /// A browser no longer takes what is copied for it.
    pub fn drop_copy(&mut self, room: &str, key: LegKey, mid: Mid) {
        if let Some(making) = self.rooms.get_mut(room).and_then(|room| room.making.as_deref_mut()) {
            making.groups.values_mut().for_each(|group| group.browsers.retain(|browser| *browser != (key, mid)));
            making.tidy();
        }
    }

    /// Whoever watches something that is made needs a key frame of it; `false`: nothing is made for them.
    pub fn want_made_key_frame(&mut self, key: LegKey, mid: Option<Mid>) -> bool {
        let Some(room) = self.legs.get(&key).map(|leg| leg.room.clone()) else { return false };
        let Some(making) = self.rooms.get_mut(&room).and_then(|room| room.making.as_deref_mut()) else { return false };
        let watches = |group: &Group| match mid {
            Some(mid) => group.browsers.contains(&(key, mid)),
            None => group.phones.contains(&key),
        };
        let pictures: Vec<PictureId> =
            making.groups.iter().filter(|(_, group)| watches(group)).map(|(&picture, _)| picture).collect();
        pictures.iter().for_each(|picture| making.maker.key_frame(*picture));
        !pictures.is_empty()
    }

    /// A packet of somebody's picture, for the maker where it is shown in something that is made.
    pub fn feed_maker(&mut self, room: &str, track: TrackKey, stream: u64, packet: &Packet) {
        let now = self.now;
        let making = self.rooms.get_mut(room).and_then(|room| room.making.as_deref_mut());
        let Some(making) = making.filter(|making| making.shows(track)) else { return };
        if making.feed(track, stream, packet, now) {
            self.want_picture(track);
        }
    }

    /// Something was made, or its maker has something to say.
    pub fn maker_ready(&mut self, number: u64) {
        let Some(room) = self.makers.get(&number).cloned() else { return };
        let making = self.rooms.get_mut(&room).and_then(|room| room.making.as_deref_mut());
        let Some(making) = making else {
            self.makers.remove(&number);
            return;
        };
        for made in making.maker.take() {
            match made {
                Made::Frame { picture, frame } => self.made_frame(&room, picture, &frame),
                Made::KeyFrameWanted(source) => self.want_picture(TrackKey(source.0)),
                Made::Lost(pictures) => self.made_no_more(&room, &pictures),
            }
        }
    }

    fn made_no_more(&mut self, room: &str, pictures: &[PictureId]) {
        let Some(making) = self.rooms.get_mut(room).and_then(|room| room.making.as_deref_mut()) else { return };
        making.groups.retain(|picture, _| !pictures.contains(picture));
        making.tidy();
    }

    fn made_frame(&mut self, room: &str, picture: PictureId, frame: &Frame) {
        let Some(making) = self.rooms.get_mut(room).and_then(|room| room.making.as_deref_mut()) else { return };
        let Some(group) = making.groups.get_mut(&picture) else { return };
        count(&self.counters.pictures_made);
        let packets = group.packets(frame);
        let (phones, browsers) = (group.phones.clone(), group.browsers.clone());
        let shown = group.scene.tiles.first().and_then(|tile| tile.source);
        let stream = MADE | picture.0;
        let has_begun = making.has_begun(picture);
        let mut waits = false;
        for phone in phones {
            // Who sees a camera now is not shown its name in its place.
            if has_begun || !self.sees_a_camera(phone) {
                waits |= !self.show_made(phone, picture, stream, frame.key, shown, &packets);
            }
        }
        if waits && let Some(making) = self.rooms.get_mut(room).and_then(|room| room.making.as_deref_mut()) {
            making.maker.key_frame(picture);
        }
        for (key, mid) in browsers {
            for packet in &packets {
                if let Err(broken) = self.send_to(key, mid, stream, packet, true) {
                    self.broke(key, broken);
                    break;
                }
            }
        }
    }

    fn sees_a_camera(&mut self, phone: LegKey) -> bool {
        self.phone_video(phone).is_some_and(|video| video.out.shown.is_some())
    }

    /// `false`: it begins with the next whole picture.
    fn show_made(
        &mut self,
        phone: LegKey,
        picture: PictureId,
        stream: u64,
        key: bool,
        shown: Option<SourceId>,
        packets: &[Packet],
    ) -> bool {
        let now = self.now;
        let of = shown.and_then(|source| self.tracks.get(TrackKey(source.0))).and_then(|track| track.source);
        let shown_as = of.and_then(|(leg, _)| self.legs.get(&leg)).map(|leg| leg.id.clone());
        let Some(leg) = self.legs.get_mut(&phone) else { return true };
        let shared = leg.shared.clone();
        let Some(video) = leg.phone().and_then(|phone| phone.video.as_deref_mut()) else { return true };
        if video.out.making != Some(picture) {
            return true;
        }
        let joins = video.out.made != Some(picture);
        if joins && !key {
            return false;
        }
        video.out.made = Some(picture);
        video.out.shown = None;
        LegCounters::add(&shared.video.pictures_made, 1);
        shared.video.set_shown(shown_as.as_deref().unwrap_or(""));
        for (index, packet) in packets.iter().enumerate() {
            video.send(stream, packet, joins && index == 0, &shared.video, now);
        }
        true
    }
}

impl Group {
    /// A frame cut for its viewers.
    fn packets(&mut self, frame: &Frame) -> Vec<Packet> {
        let encoding = self.scene.encoding;
        let format = match encoding.codec {
            VideoCodec::Vp8 => FormatKind::Vp8.plain(),
            VideoCodec::H264 => Format { kind: FormatKind::H264, h264: Some((0x42e0, encoding.mode)) },
        };
        let payloads = self.packetizer.packetize(&frame.data);
        let last = payloads.len().saturating_sub(1);
        let first = self.sequence;
        self.sequence += payloads.len() as u64;
        let packet = |(index, payload): (usize, Vec<u8>)| Packet {
            mid: Mid::from(""),
            ssrc: 0,
            layer: 0,
            format,
            sequence: first + index as u64,
            timestamp: frame.timestamp,
            marker: index == last,
            payload: payload.into(),
            redundant: None,
            extensions: Extensions::default(),
        };
        payloads.into_iter().enumerate().map(packet).collect()
    }
}
