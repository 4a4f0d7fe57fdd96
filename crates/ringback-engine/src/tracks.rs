//! Tracks of a room by name, before and after their sender exists: who subscribed to what.

use std::collections::HashMap;

use ringback_sfu::{Layers, Mid};

use crate::measured::Measured;
use crate::numbered::Numbered;
use crate::worker::LegKey;

/// Number of a track, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackKey(pub u64);

/// One microphone, camera or screen.
pub struct Track {
    /// Room, source leg and track name it goes by.
    name: Name,
    /// The leg that sends it, and on which m-line when that is a WebRTC leg.
    pub source: Option<(LegKey, Option<Mid>)>,
    /// WebRTC legs that receive it, and on which m-line.
    pub subscribers: Vec<(LegKey, Mid)>,
    /// The encodings of a picture, and key frames asked of each.
    pub layers: Layers,
    /// What they are like.
    pub measured: Measured,
    /// The layer that makers of pictures are given.
    pub for_makers: Option<u8>,
}

impl Track {
    /// `audio`, `video`, `screenAudio`, `screenVideo`.
    pub fn name(&self) -> &str {
        &self.name.2
    }

    /// The room it is in.
    pub fn room(&self) -> &str {
        &self.name.0
    }

    /// Whether it is sound.
    pub fn is_audio(&self) -> bool {
        matches!(self.name(), "audio" | "screenAudio")
    }
}

type Name = (String, String, String);

/// All tracks of the worker.
#[derive(Default)]
pub struct Tracks {
    tracks: Numbered<TrackKey, Track>,
    by_name: HashMap<Name, TrackKey>,
    last: u64,
}

impl Tracks {
    /// None yet; their numbers are above this one.
    pub fn above(last: u64) -> Tracks {
        Tracks { last, ..Tracks::default() }
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty() && self.by_name.is_empty()
    }

    pub fn get(&self, key: TrackKey) -> Option<&Track> {
        self.tracks.get(&key)
    }

    pub fn get_mut(&mut self, key: TrackKey) -> Option<&mut Track> {
        self.tracks.get_mut(&key)
    }

    /// Whether any WebRTC leg receives it.
    pub fn is_subscribed(&self, key: TrackKey) -> bool {
        self.get(key).is_some_and(|track| !track.subscribers.is_empty())
    }

    /// The leg sends this track from now on.
    pub fn publish(&mut self, room: &str, leg_id: &str, name: &str, leg: LegKey, mid: Option<Mid>) -> TrackKey {
        let key = self.entry(room, leg_id, name);
        self.tracks.get_mut(&key).expect("entry makes it").source = Some((leg, mid));
        key
    }

    /// Nobody sends it any more.
    pub fn unpublish(&mut self, key: TrackKey) {
        if let Some(track) = self.tracks.get_mut(&key) {
            track.source = None;
            track.layers = Layers::default();
            track.measured = Measured::default();
            track.for_makers = None;
        }
        self.drop_if_unused(key);
    }

    /// The leg receives this track on `mid` from now on.
    pub fn subscribe(&mut self, room: &str, leg_id: &str, name: &str, leg: LegKey, mid: Mid) -> TrackKey {
        let key = self.entry(room, leg_id, name);
        self.tracks.get_mut(&key).expect("entry makes it").subscribers.push((leg, mid));
        key
    }

    /// It no longer does.
    pub fn unsubscribe(&mut self, key: TrackKey, leg: LegKey, mid: Mid) {
        if let Some(track) = self.tracks.get_mut(&key) {
            track.subscribers.retain(|s| *s != (leg, mid));
        }
        self.drop_if_unused(key);
    }

    fn entry(&mut self, room: &str, leg_id: &str, name: &str) -> TrackKey {
        let full = (room.to_owned(), leg_id.to_owned(), name.to_owned());
        if let Some(key) = self.by_name.get(&full) {
            return *key;
        }
        self.last += 1;
        let key = TrackKey(self.last);
        self.by_name.insert(full.clone(), key);
        let (layers, measured, subscribers) = (Layers::default(), Measured::default(), Vec::new());
        self.tracks.insert(key, Track { name: full, source: None, subscribers, layers, measured, for_makers: None });
        key
    }

    fn drop_if_unused(&mut self, key: TrackKey) {
        let unused = self.tracks.get(&key).is_some_and(|t| t.source.is_none() && t.subscribers.is_empty());
        if unused && let Some(track) = self.tracks.remove(&key) {
            self.by_name.remove(&track.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_may_come_before_the_track() {
        let mut tracks = Tracks::default();

        let wanted = tracks.subscribe("r", "ann", "video", LegKey(2), "1".into());
        let sent = tracks.publish("r", "ann", "video", LegKey(1), Some("0".into()));

        assert_eq!(wanted, sent);
        assert_eq!(tracks.get(sent).unwrap().subscribers, [(LegKey(2), "1".into())]);
    }

    #[test]
    fn a_track_of_the_same_name_in_another_room_is_another_track() {
        let mut tracks = Tracks::default();

        assert_ne!(
            tracks.publish("r", "ann", "audio", LegKey(1), None),
            tracks.publish("s", "ann", "audio", LegKey(2), None)
        );
    }

    #[test]
    fn nothing_is_left_once_nobody_sends_or_receives() {
        let mut tracks = Tracks::default();
        let key = tracks.publish("r", "ann", "audio", LegKey(1), None);
        tracks.subscribe("r", "ann", "audio", LegKey(2), "1".into());

        tracks.unpublish(key);
        tracks.unsubscribe(key, LegKey(2), "1".into());

        assert!(tracks.tracks.is_empty() && tracks.by_name.is_empty());
    }
}
