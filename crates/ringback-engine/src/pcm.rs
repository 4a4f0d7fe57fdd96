//! In-process participants: the greeter, the terminal's telephone, tests. Their sound is two queues of samples.

use crate::source::Source;
use crate::tracks::TrackKey;
use crate::voice::Ears;
use crate::worker::{LegKey, Worker};

pub struct PcmLeg {
    pub track: Option<TrackKey>,
    pub ears: Ears,
}

impl PcmLeg {
    pub fn new() -> PcmLeg {
        PcmLeg { track: None, ears: Ears::default() }
    }
}

impl Worker {
    pub fn pcm_opened(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let (id, room, shared) = (leg.id.clone(), leg.room.clone(), leg.shared.clone());
        let track = self.tracks.publish(&room, &id, "audio", key, None);
        if let crate::leg::Kind::Pcm(pcm) = &mut leg.kind {
            pcm.track = Some(track);
        }
        if let Some(room) = self.rooms.get_mut(&room) {
            room.sound.sources.insert(track, Source::of_pcm(key, shared));
        }
        // Somebody may have asked for its voice before it came.
        let waiting = self.tracks.get(track).map(|t| t.subscribers.clone()).unwrap_or_default();
        waiting.into_iter().for_each(|(listener, mid)| self.want_transcoding(track, listener, mid));
        self.need_tick(key);
    }

    pub fn close_pcm(&mut self, pcm: PcmLeg) {
        if let Some(track) = pcm.track {
            self.drop_audio(track);
            self.tracks.unpublish(track);
        }
    }
}
