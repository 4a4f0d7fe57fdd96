//! Pictures made by a pixel process: started when the first is needed, started again when it dies, its pictures shown on.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringback_pictures::{Arrangement, Coding, Order, Process, Tile as Shown, View, Yield};
use ringback_rtp::video::{Frame, PAYLOAD, VideoCodec};
use rustix::event::epoll;
use rustix::time::{ClockId, clock_gettime};

use crate::pictures::{Health, Layout, Made, PictureId, Pictures, Scene, SourceId};

/// Who lived this long has not died of what it began with.
const LIVED: Duration = Duration::from_secs(10);
/// After that many deaths in a row the next one is waited for longer and longer.
const AT_ONCE: u32 = 2;
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// One pixel process and what it is to make: a room's.
pub struct Maker {
    program: PathBuf,
    process: Option<Process>,
    /// Ready to be read while the process's socket is: a number that stays when the process does not.
    ready: OwnedFd,
    writes: bool,
    scenes: BTreeMap<PictureId, Scene>,
    /// Sources of which a frame was dropped: nothing of them makes sense before a key frame.
    behind: HashSet<SourceId>,
    made: Vec<Made>,
    started: Option<Instant>,
    deaths: u32,
    retry: Option<Instant>,
    health: Health,
    untold_deaths: u64,
}

impl Maker {
    /// Nothing is started before a picture is asked for.
    pub fn new(program: PathBuf) -> io::Result<Maker> {
        Ok(Maker {
            program,
            process: None,
            ready: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            writes: false,
            scenes: BTreeMap::new(),
            behind: HashSet::new(),
            made: Vec::new(),
            started: None,
            deaths: 0,
            retry: None,
            health: Health::default(),
            untold_deaths: 0,
        })
    }

    /// Number of the process, while one runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref()?.id()
    }

    fn say(&mut self, order: &Order) -> bool {
        self.revive();
        let Some(process) = &mut self.process else { return true };
        let said = process.say(order);
        let flushed = process.flush();
        self.outcome(flushed.map(|()| said)).unwrap_or(true)
    }

    /// Start a process where one is needed and none is.
    fn revive(&mut self) {
        let now = Instant::now();
        if self.process.is_some() || self.scenes.is_empty() || self.retry.is_some_and(|at| now < at) {
            return;
        }
        let Ok(mut process) = Process::start(&self.program, now) else { return self.died(now) };
        for (picture, scene) in &self.scenes {
            process.say(&Order::View { view: picture.0, what: view(scene) });
        }
        if epoll::add(&self.ready, &process, epoll::EventData::new_u64(0), epoll::EventFlags::IN).is_err() {
            return self.died(now);
        }
        self.writes = false;
        self.behind.clear();
        self.started = Some(now);
        let flushed = process.flush();
        self.process = Some(process);
        self.outcome(flushed);
    }

    /// Go on with what came, or without the process.
    fn outcome<T>(&mut self, result: Result<T, ringback_pictures::Broken>) -> Option<T> {
        let Ok(value) = result else {
            self.died(Instant::now());
            return None;
        };
        if let Some(process) = &self.process
            && process.is_behind() != self.writes
        {
            self.writes = process.is_behind();
            let flags =
                if self.writes { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            let _ = epoll::modify(&self.ready, process, epoll::EventData::new_u64(0), flags);
        }
        Some(value)
    }

    fn died(&mut self, now: Instant) {
        (self.health.is_down, self.untold_deaths) = (true, self.untold_deaths + 1);
        if let Some(process) = self.process.take() {
            let _ = epoll::delete(&self.ready, &process);
        }
        let lived = self.started.take().is_some_and(|at| now >= at + LIVED);
        self.deaths = if lived { 1 } else { self.deaths + 1 };
        let doubled = self.deaths.saturating_sub(AT_ONCE).min(8);
        let wait = (Duration::from_millis(100) * (1 << doubled)).min(LONGEST_WAIT);
        self.retry = (self.deaths > AT_ONCE).then(|| now + wait);
    }

    fn heard(&mut self, answer: Yield) {
        if let Yield::Ready { vp8, h264 } = answer {
            return self.able(vp8, h264);
        }
        self.made.extend(made(answer));
    }

    /// Pictures that this machine cannot make are given up.
    fn able(&mut self, vp8: bool, h264: bool) {
        self.health = Health { is_down: false, lacks_vp8: !vp8, lacks_h264: !h264 };
        let can = |codec| if codec == VideoCodec::Vp8 { vp8 } else { h264 };
        let lost: Vec<PictureId> =
            self.scenes.iter().filter(|(_, scene)| !can(scene.encoding.codec)).map(|(&picture, _)| picture).collect();
        if !lost.is_empty() {
            self.scenes.retain(|picture, _| !lost.contains(picture));
            self.made.push(Made::Lost(lost));
        }
    }

    /// Nobody needs a process that makes nothing.
    fn rest(&mut self) {
        if self.scenes.is_empty()
            && let Some(process) = self.process.take()
        {
            let _ = epoll::delete(&self.ready, &process);
        }
    }
}

impl Pictures for Maker {
    fn show(&mut self, picture: PictureId, scene: Scene) {
        let order = Order::View { view: picture.0, what: view(&scene) };
        // A process that is started now is told of all scenes anyway: twice harms nobody.
        self.scenes.insert(picture, scene);
        self.say(&order);
    }

    fn drop_picture(&mut self, picture: PictureId) {
        if self.scenes.remove(&picture).is_some() {
            self.say(&Order::Close { view: picture.0 });
            self.rest();
        }
    }

    fn feed(&mut self, source: SourceId, codec: VideoCodec, frame: &Frame) {
        let now_us = now_us();
        if frame.key {
            self.behind.remove(&source);
        } else if self.behind.contains(&source) {
            return;
        }
        let order = Order::Frame { source: source.0, coding: coding(codec), at_us: now_us, data: frame.data.clone() };
        if !self.say(&order) {
            self.behind.insert(source);
            self.say(&Order::Lost { source: source.0 });
        }
        if let Some(process) = &mut self.process {
            let watched = process.watch(Instant::now());
            self.outcome(watched);
        }
    }

    fn forget(&mut self, source: SourceId) {
        self.behind.remove(&source);
        self.say(&Order::Gone { source: source.0 });
    }

    fn key_frame(&mut self, picture: PictureId) {
        self.say(&Order::Key { view: picture.0 });
    }

    fn bitrate(&mut self, picture: PictureId, bps: u32) {
        let Some(scene) = self.scenes.get_mut(&picture) else { return };
        if scene.encoding.bitrate_bps != bps {
            scene.encoding.bitrate_bps = bps;
            let order = Order::View { view: picture.0, what: view(scene) };
            self.say(&order);
        }
    }

    fn health(&self) -> Health {
        self.health
    }

    fn take_deaths(&mut self) -> u64 {
        std::mem::take(&mut self.untold_deaths)
    }

    fn event_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }

    fn take(&mut self) -> Vec<Made> {
        if let Some(process) = &mut self.process {
            let heard = process.hear(Instant::now());
            let flushed = process.flush();
            if let Some(heard) = self.outcome(heard.and_then(|heard| flushed.map(|()| heard))) {
                heard.into_iter().for_each(|answer| self.heard(answer));
            }
        }
        self.revive();
        std::mem::take(&mut self.made)
    }
}

/// What an answer of the process means to the engine.
pub fn made(answer: Yield) -> Option<Made> {
    match answer {
        Yield::Picture { view, key, at_us, data, .. } => {
            let timestamp = (u128::from(at_us) * 9 / 100) as u32;
            Some(Made::Frame { picture: PictureId(view), frame: Frame { timestamp, key, data } })
        }
        Yield::WantKey { source } | Yield::Refused { source } => Some(Made::KeyFrameWanted(SourceId(source))),
        Yield::Ready { .. } | Yield::Pong { .. } => None,
    }
}

pub fn coding(codec: VideoCodec) -> Coding {
    match codec {
        VideoCodec::Vp8 => Coding::Vp8,
        VideoCodec::H264 => Coding::H264,
    }
}

/// A scene as the process is told of it.
pub fn view(scene: &Scene) -> View {
    let encoding = scene.encoding;
    let (least, most) = (*ringback_pictures::SIDES.start(), *ringback_pictures::SIDES.end());
    let tile = |tile: &crate::pictures::Tile| Shown {
        source: tile.source.map(|source| source.0),
        name: tile.name.clone(),
        muted: tile.muted,
        whole: tile.whole,
    };
    View {
        coding: coding(encoding.codec),
        longest_unit: if encoding.mode == 0 { PAYLOAD as u16 } else { 0 },
        width: encoding.width.clamp(least, most) & !1,
        height: encoding.height.clamp(least, most) & !1,
        rate: encoding.fps.clamp(1, 60),
        bitrate_bps: encoding.bitrate_bps,
        arrangement: match scene.layout {
            Layout::Speaker => Arrangement::Speaker,
            Layout::Grid => Arrangement::Grid,
            Layout::Copy => Arrangement::Alone,
        },
        tiles: scene.tiles.iter().map(tile).collect(),
    }
}

/// The clock that server and process share.
fn now_us() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1000
}
