//! Sources, views and what is made of them: orders and time in, answers out.

use std::collections::HashMap;

use ringback_pictures::{Arrangement, Coding, Order, View, Yield};
use rustix::time::{ClockId, clock_gettime};

use crate::canvas::Canvas;
use crate::coder::{self, Decoder, Encoder, Quality};
use crate::limits::{Fault, inspect};
use crate::picture::Picture;
use crate::scale::{Part, Scratch};

/// Most views, and most sources, of one process.
const MOST: usize = 64;
/// A key frame is asked for again after this long.
const ASK_AGAIN_US: u64 = 500_000;
/// A picture that waited so long to be decoded is not.
const STALE_US: u64 = 1_000_000;
/// How long a source that broke a limit is shown as nobody.
const REFUSED_US: u64 = 5_000_000;
/// Processor time that one picture may take to decode, and that one source may take of a second.
const MOST_PER_PICTURE_US: u64 = 250_000;
const MOST_PER_SECOND_US: u64 = 700_000;

/// Load what has to be loaded before the process gives up its rights; what it can do from then on.
pub fn prepare() -> Yield {
    let works = |coding| {
        let quality = Quality { coding, longest_unit: 0, width: 64, height: 64, rate: 15, bitrate_bps: 100_000 };
        let encoder = coder::is_here(coding).then(|| Encoder::new(quality)).flatten();
        let made = encoder.and_then(|mut encoder| encoder.encode(&Picture::new(64, 64, [16, 128, 128]), 1, true));
        made.is_some_and(|made| Decoder::new(coding).is_some_and(|mut decoder| decoder.decode(&made.data).is_ok()))
    };
    Yield::Ready { vp8: works(Coding::Vp8), h264: works(Coding::H264) }
}

#[derive(Default)]
struct Source {
    decoder: Option<Decoder>,
    picture: Option<Picture>,
    /// Grows with each picture.
    number: u64,
    newest_us: u64,
    /// Nothing makes sense before a key frame.
    needs_key: bool,
    asked_us: Option<u64>,
    refused_until_us: u64,
    /// Processor time in the second that began then.
    spent: (u64, u64),
}

struct Showing {
    what: View,
    canvas: Canvas,
    encoder: Option<Encoder>,
    key: bool,
    next_us: u64,
    /// Of `Arrangement::Alone`: the picture that was encoded last.
    encoded: u64,
    sized: Option<Picture>,
}

/// All sources and views of one process.
#[derive(Default)]
pub struct Studio {
    sources: HashMap<u64, Source>,
    views: HashMap<u64, Showing>,
    scratch: Scratch,
}

impl Studio {
    /// Take an order; `now_us` is on the clock of every `at_us`.
    pub fn order(&mut self, order: Order, now_us: u64, out: &mut Vec<Yield>) {
        match order {
            Order::Frame { source, coding, at_us, data } => self.frame(source, coding, at_us, &data, now_us, out),
            Order::Lost { source } => {
                if let Some(about) = self.sources.get_mut(&source) {
                    about.needs_key = true;
                    about.ask(source, now_us, out);
                }
            }
            Order::Gone { source } => {
                if let Some(about) = self.sources.get_mut(&source) {
                    about.picture = None;
                    about.needs_key = true;
                }
            }
            Order::View { view, what } => self.view(view, what, now_us, out),
            Order::Close { view } => {
                self.views.remove(&view);
                self.forget_unseen();
            }
            Order::Key { view } => {
                if let Some(view) = self.views.get_mut(&view) {
                    view.key = true;
                }
            }
            Order::Ping { number } => out.push(Yield::Pong { number }),
        }
    }

    /// When the next picture is due.
    pub fn next_wake_us(&self) -> Option<u64> {
        let paced = self.views.values().filter(|view| view.what.arrangement != Arrangement::Alone);
        paced.map(|view| view.next_us).min()
    }

    /// Compose and encode every picture that is due.
    pub fn wake(&mut self, now_us: u64, out: &mut Vec<Yield>) {
        for (&id, view) in &mut self.views {
            if view.what.arrangement != Arrangement::Alone && view.next_us <= now_us {
                view.tick(id, &self.sources, now_us, out);
            }
        }
        for (&id, source) in &mut self.sources {
            if source.needs_key && source.refused_until_us <= now_us {
                source.ask(id, now_us, out);
            }
        }
    }

    fn view(&mut self, id: u64, what: View, now_us: u64, out: &mut Vec<Yield>) {
        if !self.views.contains_key(&id) && self.views.len() >= MOST {
            return;
        }
        let sources: Vec<u64> = what.tiles.iter().filter_map(|tile| tile.source).collect();
        match self.views.get_mut(&id) {
            Some(showing) => showing.change(what),
            None => {
                self.views.insert(id, Showing::new(what, now_us));
            }
        }
        self.forget_unseen();
        let showing = self.views.get(&id).map_or(0, |view| view.canvas.shown());
        for id in sources.into_iter().take(showing.max(1)) {
            if self.sources.len() >= MOST && !self.sources.contains_key(&id) {
                continue;
            }
            let source = self.sources.entry(id).or_insert_with(|| Source { needs_key: true, ..Source::default() });
            if source.needs_key && source.refused_until_us <= now_us {
                source.ask(id, now_us, out);
            }
        }
    }

    /// What no view shows is not decoded.
    fn forget_unseen(&mut self) {
        let views = &self.views;
        self.sources.retain(|id, _| views.values().any(|view| view.shows(*id)));
    }

    fn frame(&mut self, id: u64, coding: Coding, at_us: u64, data: &[u8], now_us: u64, out: &mut Vec<Yield>) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        if !source.take(id, coding, at_us, data, now_us, out) {
            return;
        }
        for (&view_id, view) in &mut self.views {
            let alone = view.what.arrangement == Arrangement::Alone && view.shows(id);
            if alone {
                view.copy(view_id, source, now_us, &mut self.scratch, out);
            }
        }
    }
}

impl Source {
    fn ask(&mut self, id: u64, now_us: u64, out: &mut Vec<Yield>) {
        if self.asked_us.is_none_or(|asked| now_us >= asked + ASK_AGAIN_US) {
            self.asked_us = Some(now_us);
            out.push(Yield::WantKey { source: id });
        }
    }

    /// Decode a picture; whether there is a new one to show.
    fn take(&mut self, id: u64, coding: Coding, at_us: u64, data: &[u8], now_us: u64, out: &mut Vec<Yield>) -> bool {
        if now_us < self.refused_until_us {
            return false;
        }
        let header = match inspect(coding, data) {
            Ok(header) => header,
            Err(Fault::TooMuch) => return self.refuse(id, now_us, out),
            Err(Fault::Broken) => return self.broke(id, now_us, out),
        };
        if self.decoder.as_ref().is_none_or(|decoder| !decoder.takes(coding)) {
            self.decoder = Decoder::new(coding);
            self.needs_key = true;
        }
        // On a machine that cannot keep up what waited is left out, up to a key frame that did not.
        let stale = now_us > at_us.saturating_add(STALE_US);
        if stale || self.needs_key && !header.key {
            self.needs_key = true;
            self.ask(id, now_us, out);
            return false;
        }
        let Some(decoder) = &mut self.decoder else { return false };
        let begun = processor_us();
        let decoded = decoder.decode(data);
        let spent = processor_us().saturating_sub(begun);
        if self.too_slow(spent, now_us) {
            return self.refuse(id, now_us, out);
        }
        match decoded {
            Ok(picture) => {
                self.needs_key = false;
                self.newest_us = at_us;
                let Some(picture) = picture else { return false };
                self.picture = Some(picture);
                self.number += 1;
                true
            }
            Err(_) => self.broke(id, now_us, out),
        }
    }

    fn too_slow(&mut self, spent_us: u64, now_us: u64) -> bool {
        if now_us >= self.spent.0 + 1_000_000 {
            self.spent = (now_us, 0);
        }
        self.spent.1 += spent_us;
        spent_us > MOST_PER_PICTURE_US || self.spent.1 > MOST_PER_SECOND_US
    }

    /// The last good picture stays until a key frame comes.
    fn broke(&mut self, id: u64, now_us: u64, out: &mut Vec<Yield>) -> bool {
        self.needs_key = true;
        self.ask(id, now_us, out);
        false
    }

    fn refuse(&mut self, id: u64, now_us: u64, out: &mut Vec<Yield>) -> bool {
        self.refused_until_us = now_us + REFUSED_US;
        self.needs_key = true;
        self.decoder = None;
        self.picture = None;
        out.push(Yield::Refused { source: id });
        false
    }
}

impl Showing {
    fn new(what: View, now_us: u64) -> Showing {
        let mut canvas = Canvas::new(what.width.into(), what.height.into());
        canvas.arrange(what.arrangement, what.tiles.len());
        Showing { what, canvas, encoder: None, key: true, next_us: now_us, encoded: 0, sized: None }
    }

    fn change(&mut self, what: View) {
        if (what.width, what.height) != (self.what.width, self.what.height) {
            self.canvas = Canvas::new(what.width.into(), what.height.into());
        }
        self.canvas.arrange(what.arrangement, what.tiles.len());
        self.encoded = 0;
        self.what = what;
    }

    /// Whether a source has a place on it.
    fn shows(&self, id: u64) -> bool {
        self.what.tiles.iter().take(self.canvas.shown()).any(|tile| tile.source == Some(id))
    }

    /// One picture at its pace. One that comes late is not made up for: the pace goes on from now.
    fn tick(&mut self, id: u64, sources: &HashMap<u64, Source>, now_us: u64, out: &mut Vec<Yield>) {
        let interval = 1_000_000 / u64::from(self.what.rate.max(1));
        self.next_us = if now_us > self.next_us + interval { now_us + interval } else { self.next_us + interval };
        let mut newest_us = 0;
        for (index, tile) in self.what.tiles.iter().enumerate().take(self.canvas.shown()) {
            let source = tile.source.and_then(|source| sources.get(&source));
            let picture = source.and_then(|source| Some((source.number, source.picture.as_ref()?)));
            newest_us = newest_us.max(picture.and(source).map_or(0, |source| source.newest_us));
            self.canvas.show(index, tile, picture);
        }
        let size = (self.what.width.into(), self.what.height.into());
        let Some(encoder) = encoder_for(&mut self.encoder, &self.what, size) else { return };
        if let Some(made) = encoder.encode(self.canvas.picture(), now_us, self.key) {
            self.key = false;
            out.push(Yield::Picture { view: id, key: made.key, at_us: now_us, newest_us, data: made.data });
        }
    }

    /// A transcoded copy of a source's new picture, at most as large as asked for.
    fn copy(&mut self, id: u64, source: &Source, now_us: u64, scratch: &mut Scratch, out: &mut Vec<Yield>) {
        let Some(picture) = source.picture.as_ref().filter(|_| source.number != self.encoded) else { return };
        let interval = 1_000_000 / u64::from(self.what.rate.max(1));
        // A third of a picture early is a camera's own unevenness.
        if now_us + interval / 3 < self.next_us && !self.key {
            return;
        }
        self.next_us = if now_us > self.next_us + interval { now_us + interval } else { self.next_us + interval };
        self.encoded = source.number;
        let size = within(picture, self.what.width.into(), self.what.height.into());
        let picture = match &mut self.sized {
            _ if size == (picture.width, picture.height) => picture,
            Some(sized) if (sized.width, sized.height) == size => shrink(picture, sized, scratch),
            sized => shrink(picture, sized.insert(Picture::new(size.0, size.1, [16, 128, 128])), scratch),
        };
        let Some(encoder) = encoder_for(&mut self.encoder, &self.what, size) else { return };
        if let Some(made) = encoder.encode(picture, now_us, self.key) {
            self.key = false;
            let newest_us = source.newest_us;
            out.push(Yield::Picture { view: id, key: made.key, at_us: now_us, newest_us, data: made.data });
        }
    }
}

/// The encoder of a view: another where size or rate changed, the same with another bitrate.
fn encoder_for<'a>(encoder: &'a mut Option<Encoder>, what: &View, size: (usize, usize)) -> Option<&'a mut Encoder> {
    let wanted = Quality {
        coding: what.coding,
        longest_unit: what.longest_unit,
        width: size.0,
        height: size.1,
        rate: what.rate.into(),
        bitrate_bps: what.bitrate_bps.clamp(30_000, 20_000_000),
    };
    let fits = |has: Quality| Quality { bitrate_bps: wanted.bitrate_bps, ..has } == wanted;
    if encoder.as_ref().is_none_or(|encoder| !fits(encoder.quality())) {
        *encoder = Encoder::new(wanted);
    }
    let encoder = encoder.as_mut()?;
    if encoder.quality().bitrate_bps != wanted.bitrate_bps {
        encoder.set_bitrate(wanted.bitrate_bps);
    }
    Some(encoder)
}

/// The largest even size in the shape of a picture that is no larger than it and fits.
fn within(picture: &Picture, width: usize, height: usize) -> (usize, usize) {
    if picture.width <= width && picture.height <= height {
        return (picture.width.max(16), picture.height.max(16));
    }
    let fitted = (width, picture.height * width / picture.width);
    let (across, down) = if fitted.1 <= height { fitted } else { (picture.width * height / picture.height, height) };
    (across.max(16) & !1, down.max(16) & !1)
}

fn shrink<'a>(from: &Picture, to: &'a mut Picture, scratch: &mut Scratch) -> &'a Picture {
    let (from_height, to_height) = (from.height, to.height);
    for (index, ((source, from_across), (target, to_across))) in
        from.planes().into_iter().zip(to.planes_mut()).enumerate()
    {
        let half = usize::from(index > 0);
        let all = |across, height: usize| Part { across, x: 0, y: 0, width: across, height: height >> half };
        scratch.scale(source, all(from_across, from_height), target, all(to_across, to_height));
    }
    to
}

/// What this thread has used of the processor.
fn processor_us() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1000
}
