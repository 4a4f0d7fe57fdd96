//! Sound.
use std::sync::Arc;
use ringback_sfu::{Mid, Packet};
use crate::event::Event;
use crate::tracks::TrackKey;
use crate::worker::{LegKey, Worker};

impl Worker {
    pub fn drop_audio(&mut self, _track: TrackKey) {}
    pub fn audio_packet(&mut self, _track: TrackKey, _packet: &Packet) {}
    pub fn want_transcoding(&mut self, _track: TrackKey, _key: LegKey, _mid: Mid, _packet: &Packet) {}
    pub fn tick(&mut self, _room: Arc<str>) {}

    /// A level of somebody's microphone: it may make them the speaker.
    pub fn heard_level(&mut self, key: LegKey, track: TrackKey, level: Option<i8>) {
        let (Some(level), Some(leg)) = (level, self.legs.get(&key)) else { return };
        if self.tracks.get(track).is_none_or(|t| t.name() != "audio") {
            return;
        }
        let Some(room) = self.rooms.get_mut(&leg.room) else { return };
        if room.speaker.report(key.0, level, self.now).is_some() {
            let event = Event::ActiveSpeaker { room: room.id.to_string(), leg: leg.id.to_string() };
            self.mailbox.push(event);
        }
    }
}
