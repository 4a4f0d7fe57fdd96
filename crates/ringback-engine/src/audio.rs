//! The worker's side of sound: packets into sources, ticks when they are due, and what comes of them.

use std::sync::Arc;

use ringback_audio::ToneShape;
use ringback_rtp::RtpPacket;
use ringback_sfu::{Mid, Packet};

use crate::counters::count;
use crate::event::Event;
use crate::leg::Kind;
use crate::sound::{HALF, Outcome, TICK};
use crate::source::{Source, as_datagram, codec_of, expected_of, expected_of_browsers};
use crate::tracks::TrackKey;
use crate::worker::{LegKey, Timer, Worker};

/// Ticks made up for after the worker was held up; beyond them time is skipped.
const CATCH_UP: u32 = 10;
/// Marks streams that we encode ourselves among those that are forwarded.
const MADE: u64 = 1 << 63;

impl Worker {
    /// The leg's room needs ticks from now on, if it does.
    pub fn need_tick(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get(&key) else { return };
        let Some(room) = self.rooms.get_mut(&leg.room) else { return };
        if room.sound.next_tick.is_none() && room.sound.is_needed(&self.legs, &room.legs) {
            let at = self.moments.take(self.now);
            room.sound.next_tick = Some(at);
            self.timers.set(at, Timer::Tick(room.id.clone()));
        }
    }

    /// A room's ticks are due.
    pub fn tick(&mut self, id: Arc<str>) {
        let next = self.rooms.get(&id).and_then(|room| room.sound.next_tick);
        if next.is_some_and(|at| at <= self.now) {
            self.listen_to_phones(&id);
        }
        for made_up in 0.. {
            let Some(room) = self.rooms.get_mut(&id) else { return };
            let Some(at) = room.sound.next_tick else { return };
            if at > self.now {
                self.timers.set(at, Timer::Tick(id));
                return;
            }
            if !room.sound.is_needed(&self.legs, &room.legs) {
                room.sound.rest();
                self.moments.give_back(at);
                self.watch_phones(&id);
                return;
            }
            if self.now >= at + TICK * 2 {
                count(&self.counters.ticks_late);
            }
            let missed = if made_up < CATCH_UP { 0 } else { (self.now - at).as_millis() / TICK.as_millis() };
            room.sound.next_tick = Some(at + TICK * (missed as u32 + 1));
            let mut sound = std::mem::take(&mut room.sound);
            let outcome = sound.tick(at, &mut self.legs, &room.legs);
            room.sound = sound;
            outcome.held.iter().for_each(|key| self.timers.set(at + HALF, Timer::Held(*key)));
            self.tick_done(&id, outcome);
        }
    }

    fn tick_done(&mut self, room: &str, outcome: Outcome) {
        for (track, key, mid, packet) in outcome.packets {
            let stream = MADE | track.0 << 8 | codec_of(packet.format.kind).map_or(0, |c| c as u64);
            if let Err(broken) = self.send_to(key, mid, stream, &packet, true) {
                self.broke(key, broken);
            }
        }
        if let Some(room) = self.rooms.get_mut(room) {
            for (key, level) in outcome.levels {
                if room.speaker.report(key.0, level, self.now).is_some()
                    && let Some(leg) = self.legs.get(&key)
                {
                    let (room, leg) = (room.id.to_string(), leg.id.to_string());
                    self.mailbox.push(Event::ActiveSpeaker { room, leg });
                }
            }
        }
        for key in outcome.started {
            let Some(leg) = self.legs.get(&key) else { continue };
            self.mailbox.push(Event::MediaStarted { leg: leg.id.to_string(), track: "audio".into() });
        }
        for (key, press) in outcome.presses {
            let Some(leg) = self.legs.get(&key) else { continue };
            self.mailbox.push(Event::Digit {
                leg: leg.id.to_string(),
                digit: press.digit,
                duration_ms: press.duration_ms,
                volume: press.volume,
                in_band: false,
            });
        }
        for (key, heard) in outcome.keys {
            let Some(leg) = self.legs.get(&key) else { continue };
            self.mailbox.push(Event::Digit {
                leg: leg.id.to_string(),
                digit: heard.digit,
                duration_ms: heard.duration_ms,
                volume: heard.volume,
                in_band: true,
            });
        }
        for (key, sound) in outcome.played {
            let Some(leg) = self.legs.get(&key) else { continue };
            self.mailbox.push(Event::Played { leg: leg.id.to_string(), sound });
        }
        for key in outcome.failed {
            self.fail_leg(key, "its sound could not be handled");
        }
    }

    /// A track is no longer sent.
    pub fn drop_audio(&mut self, track: TrackKey) {
        let Some(room) = self.tracks.get(track).map(|t| t.room().to_owned()) else { return };
        if let Some(room) = self.rooms.get_mut(&*room) {
            room.sound.remove(track);
        }
    }

    /// A browser's sound, for the phones of its room if there are any.
    pub fn audio_packet(&mut self, key: LegKey, track: TrackKey, packet: &Packet) {
        let Some(codec) = codec_of(packet.format.kind) else { return };
        let Some(leg) = self.legs.get(&key) else { return };
        let Some(room) = self.rooms.get_mut(&leg.room) else { return };
        if room.sound.next_tick.is_none() {
            return;
        }
        let source = room
            .sound
            .sources
            .entry(track)
            .or_insert_with(|| Source::of_packets(key, leg.shared.clone(), expected_of_browsers()));
        as_datagram(packet, codec, &mut self.scratch);
        if let Ok(parsed) = RtpPacket::parse(&self.scratch) {
            source.push_browser(self.now, &parsed, codec, packet.extensions.audio_level.is_some());
        }
    }

    /// What a phone may send changed.
    pub fn expect_phone(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get(&key) else { return };
        let Kind::Phone(phone) = &leg.kind else { return };
        let (Some(track), Some(media)) = (phone.track, &phone.media) else { return };
        let Some(room) = self.rooms.get_mut(&leg.room) else { return };
        let expected = expected_of(media);
        match room.sound.sources.get_mut(&track) {
            Some(source) => source.expect(expected),
            None => {
                let source = Source::of_packets(key, leg.shared.clone(), expected);
                room.sound.sources.insert(track, source);
            }
        }
        self.polish_phone(key);
    }

    /// What a phone's room hears of it until its own sound arrives.
    pub fn play_tone(&mut self, id: &str, shape: Option<ToneShape>) {
        let Some(key) = self.leg_key(id) else { return };
        let Some(leg) = self.legs.get(&key) else { return };
        let Kind::Phone(phone) = &leg.kind else { return };
        let Some(track) = phone.track else { return };
        let Some(room) = self.rooms.get_mut(&leg.room) else { return };
        let expected = phone.media.as_ref().map(expected_of).unwrap_or_default();
        let playing = shape.is_some();
        let source = room.sound.sources.entry(track);
        source.or_insert_with(|| Source::of_packets(key, leg.shared.clone(), expected)).set_tone(shape);
        if playing {
            let listeners = self.tracks.get(track).map(|t| t.subscribers.clone()).unwrap_or_default();
            listeners.into_iter().for_each(|(listener, mid)| self.want_transcoding(track, listener, mid));
        }
    }

    /// Whether a track has no payloads to forward: an in-process participant's voice, a tone, or what was polished.
    pub fn is_made_here(&self, track: TrackKey) -> bool {
        let room = self.tracks.get(track).and_then(|track| self.rooms.get(track.room()));
        let source = room.and_then(|room| room.sound.sources.get(&track));
        source.is_some_and(Source::is_made)
    }

    /// What a phone's sound is to go through. Browsers that have it forwarded are sent what was made of it.
    fn polish_phone(&mut self, key: LegKey) {
        let Some(leg) = self.legs.get(&key) else { return };
        let Kind::Phone(phone) = &leg.kind else { return };
        let (Some(track), Some(wanted)) = (phone.track, phone.media.as_ref().map(|media| media.polish)) else { return };
        let source = self.rooms.get_mut(&leg.room).and_then(|room| room.sound.sources.get_mut(&track));
        let Some(source) = source else { return };
        source.set_polish(wanted);
        if !wanted.is_none() {
            let listeners = self.tracks.get(track).map(|t| t.subscribers.clone()).unwrap_or_default();
            listeners.into_iter().for_each(|(listener, mid)| self.want_transcoding(track, listener, mid));
        }
    }

    /// A browser cannot take this source as it is: it is encoded for it from the next tick on.
    pub fn want_transcoding(&mut self, track: TrackKey, key: LegKey, mid: Mid) {
        let Some((source_leg, _)) = self.tracks.get(track).filter(|t| t.is_audio()).and_then(|t| t.source) else {
            return;
        };
        let Some(received) = self.webrtc_leg(key).and_then(|leg| leg.received.get_mut(&mid)) else { return };
        received.made = true;
        let Some(leg) = self.legs.get(&source_leg) else { return };
        let Some(room) = self.rooms.get_mut(&leg.room) else { return };
        let source = room
            .sound
            .sources
            .entry(track)
            .or_insert_with(|| Source::of_packets(source_leg, leg.shared.clone(), expected_of_browsers()));
        if !source.browsers.contains(&(key, mid)) {
            source.browsers.push((key, mid));
        }
        self.need_tick(source_leg);
    }

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
