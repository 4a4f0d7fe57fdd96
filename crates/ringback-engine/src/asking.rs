//! What senders of pictures are asked for because phones watch them: less of one layer, so that it need not be made anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::event::Event;
use crate::fitting::Ask;
use crate::tracks::TrackKey;
use crate::worker::Worker;

/// A sender is told something else at most so often.
const PAUSE: Duration = Duration::from_secs(1);
/// A bitrate that differs less from what was asked for, in percent, is not worth a word.
const WORTH: u32 = 15;

/// It is looked at what a room's phones want so often, however many of them they are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What was asked of a room's senders, and when it is looked at next.
#[derive(Default)]
pub struct Asked {
    senders: BTreeMap<TrackKey, (Instant, Vec<Ask>)>,
    due: Option<Instant>,
}

impl Asked {
    /// A camera is there no more.
    pub fn remove(&mut self, track: &TrackKey) {
        self.senders.remove(track);
    }
}

/// What several phones ask of one camera: the least of each layer.
fn least(asks: impl Iterator<Item = Ask>) -> Vec<Ask> {
    let mut layers: BTreeMap<u8, Ask> = BTreeMap::new();
    for ask in asks {
        let known = layers.entry(ask.layer).or_insert(ask);
        known.bitrate_bps = known.bitrate_bps.min(ask.bitrate_bps);
        known.fps = [known.fps, ask.fps].into_iter().filter(|fps| *fps > 0).min().unwrap_or(0);
    }
    layers.into_values().collect()
}

fn is_news(before: &[Ask], after: &[Ask]) -> bool {
    let same = |(a, b): (&Ask, &Ask)| {
        let near = a.bitrate_bps.abs_diff(b.bitrate_bps) <= a.bitrate_bps / 100 * WORTH;
        (a.layer, a.fps) == (b.layer, b.fps) && near
    };
    before.len() != after.len() || !before.iter().zip(after).all(same)
}

impl Worker {
    /// Ask a room's senders for what its phones can take, where that is news; `at_once`: a phone has gone.
    pub fn ask_senders(&mut self, room: &str, at_once: bool) {
        let now = self.now;
        let Some(room) = self.rooms.get_mut(room) else { return };
        if !at_once && room.asked.due.is_some_and(|due| now < due) {
            return;
        }
        room.asked.due = Some(now + LOOK_EVERY);
        let mut wanted: BTreeMap<TrackKey, Vec<Ask>> = BTreeMap::new();
        for viewer in &room.viewers {
            let video = self.legs.get_mut(viewer).and_then(|leg| leg.phone()?.video.as_deref());
            let ask = video.filter(|video| video.is_open()).and_then(|video| video.out.asks);
            ask.into_iter().for_each(|(track, ask)| wanted.entry(track).or_default().push(ask));
        }
        let asked = &mut room.asked.senders;
        for track in asked.keys() {
            wanted.entry(*track).or_default();
        }
        for (track, asks) in wanted {
            let asks = least(asks.into_iter());
            let before = asked.get(&track);
            let is_due = at_once || before.is_none_or(|(at, _)| now >= *at + PAUSE);
            if !is_due || !is_news(before.map_or(&[], |(_, asks)| asks), &asks) {
                continue;
            }
            let Some((entry, (leg, _))) = self.tracks.get(track).and_then(|entry| Some((entry, entry.source?))) else {
                asked.remove(&track);
                continue;
            };
            if let Some(leg) = self.legs.get(&leg).filter(|leg| leg.is_webrtc()) {
                let layers = asks.iter().map(|ask| (ask.layer, ask.bitrate_bps, ask.fps)).collect();
                let (leg, track) = (leg.id.to_string(), entry.name().to_owned());
                self.mailbox.push(Event::EncodingAsked { leg, track, layers });
            }
            match asks.is_empty() {
                true => asked.remove(&track),
                false => asked.insert(track, (now, asks)),
            };
        }
    }
}
