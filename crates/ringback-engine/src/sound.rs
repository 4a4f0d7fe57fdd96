//! Twenty milliseconds of a room's sound: what every source has, and what every phone is given of it.
//!
//! Three ways, the cheapest that will do. *Forward*: one source in the phone's own codec, its payload untouched.
//! *Transcode*: one source in another. *Mix*: two or more. The last two are the same path: sources are decoded once,
//! summed once per rate, and encoded for each phone without its own voice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringback_audio::{Codec, Hears, KeyHeard, Media, MixBus};
use ringback_rtp::KeyPress;
use ringback_sfu::{Mid, Packet};

use crate::leg::{Kind, Leg};
use crate::numbered::Numbered;
use crate::phone::PhoneLeg;
use crate::shared::{LegCounters, Way};
use crate::source::{Feed, Source, codec_of};
use crate::tracks::TrackKey;
use crate::webrtc::guarded;
use crate::worker::LegKey;

pub const TICK: Duration = Duration::from_millis(20);
/// Behind a tick, what is left of it for phones whose packets end in the middle of the next one.
pub const HALF: Duration = Duration::from_millis(10);

pub type Legs = Numbered<LegKey, Leg>;

/// The sound of one room.
#[derive(Default)]
pub struct Sound {
    pub sources: BTreeMap<TrackKey, Source>,
    buses: Vec<MixBus>,
    /// When its next 20 ms are due, while anybody needs them.
    pub next_tick: Option<Instant>,
}

/// What a tick brought, beyond the packets phones were sent.
#[derive(Default)]
pub struct Outcome {
    /// For browsers: source, leg, m-line, packet.
    pub packets: Vec<(TrackKey, LegKey, Mid, Packet)>,
    /// Microphones whose level was measured.
    pub levels: Vec<(LegKey, i8)>,
    /// In-process participants that spoke for the first time.
    pub started: Vec<LegKey>,
    /// Phones whose recorded sound came to its end, and its id.
    pub played: Vec<(LegKey, String)>,
    /// Keys pressed.
    pub presses: Vec<(LegKey, KeyPress)>,
    /// Keys found in the sound.
    pub keys: Vec<(LegKey, KeyHeard)>,
    /// Phones that something is left for, half a tick later.
    pub held: Vec<LegKey>,
    /// Legs in which something panicked.
    pub failed: Vec<LegKey>,
}

/// How a listener is served in this tick.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plan {
    Silence,
    /// The payloads of this source. With a rate: a bus fills at it meanwhile, so that the next tick hears it ungapped.
    Forward(TrackKey, Option<u32>),
    /// A recorded sound.
    Play,
    /// What is on the bus of this rate, of so many sources.
    Bus(u32, Hears, usize),
}

/// A microphone that there is something of.
struct Audible {
    track: TrackKey,
    leg: LegKey,
    /// What its payloads are, where there are any.
    codec: Option<Codec>,
}

impl Plan {
    fn rate(&self) -> Option<u32> {
        match self {
            Plan::Silence | Plan::Play => None,
            Plan::Forward(_, rate) => *rate,
            Plan::Bus(rate, ..) => Some(*rate),
        }
    }
}

impl Sound {
    /// Whether anybody needs ticks.
    pub fn is_needed(&self, legs: &Legs, members: &[LegKey]) -> bool {
        let listens = members.iter().filter_map(|key| legs.get(key)).any(|leg| match &leg.kind {
            Kind::Phone(phone) => phone.media.is_some(),
            Kind::Pcm(_) => true,
            Kind::Webrtc(_) => false,
        });
        listens || self.sources.values().any(|source| !source.browsers.is_empty())
    }

    /// A source is gone.
    pub fn remove(&mut self, track: TrackKey) {
        self.sources.remove(&track);
        self.buses.iter_mut().for_each(|bus| bus.remove(track.0));
    }

    /// Nobody needs ticks for now.
    pub fn rest(&mut self) {
        self.next_tick = None;
        self.buses.clear();
        self.sources.retain(|_, source| matches!(source.feed, Feed::Pcm(_)) || source.has_tone());
    }

    /// One tick of 20 ms, nominally at `at`.
    pub fn tick(&mut self, at: Instant, legs: &mut Legs, members: &[LegKey]) -> Outcome {
        let mut outcome = Outcome::default();
        let audible = self.audible(legs, at);
        let plans: Vec<(LegKey, Plan)> =
            members.iter().filter_map(|key| Some((*key, self.plan(*key, legs, &audible)?))).collect();
        let mut rates: Vec<u32> = plans.iter().filter_map(|(_, plan)| plan.rate()).collect();
        rates.sort_unstable();
        rates.dedup();
        self.pull(at, legs, !rates.is_empty(), &mut outcome);
        self.fill_buses(&rates, at, legs);
        for (key, plan) in plans {
            let Some(leg) = legs.get_mut(&key) else { continue };
            match guarded(|| self.serve(leg, plan, at)) {
                Ok(played) => outcome.played.extend(played.map(|sound| (key, sound))),
                Err(_) => outcome.failed.push(key),
            }
            outcome.held.extend(leg.phone().filter(|phone| phone.voice.has_held()).map(|_| key));
        }
        self.serve_browsers(legs, &mut outcome);
        outcome
    }

    /// What is there to be heard, whoever hears it.
    fn audible(&self, legs: &Legs, at: Instant) -> Vec<Audible> {
        let present = self.sources.iter().filter(|(_, source)| source.is_present(at));
        present
            .filter(|(_, source)| legs.get(&source.leg).is_some_and(|from| !from.muted))
            .map(|(track, source)| Audible { track: *track, leg: source.leg, codec: source.codec() })
            .collect()
    }

    fn plan(&self, key: LegKey, legs: &Legs, audible: &[Audible]) -> Option<Plan> {
        let leg = legs.get(&key)?;
        if matches!(leg.kind, Kind::Webrtc(_)) {
            return None;
        }
        let wanted = |from: LegKey| {
            leg.sources.as_ref().is_none_or(|sources| legs.get(&from).is_some_and(|from| sources.contains(&*from.id)))
        };
        let heard = || audible.iter().filter(|source| source.leg != key && wanted(source.leg));
        let count = heard().count();
        let hears = || match &leg.sources {
            None => Hears::AllBut(leg.kind.own_track().map(|track| track.0)),
            Some(_) => Hears::Only(heard().map(|source| source.track.0).collect()),
        };
        match &leg.kind {
            Kind::Phone(phone) if phone.is_played_to() => Some(Plan::Play),
            _ if count == 0 => Some(Plan::Silence),
            Kind::Phone(phone) => Some(self.phone_plan(phone, count, heard, hears)?),
            _ => Some(Plan::Bus(leg.shared.pcm.as_ref()?.rate, hears(), count)),
        }
    }

    fn phone_plan<'a, H: Iterator<Item = &'a Audible>>(
        &self,
        phone: &PhoneLeg,
        count: usize,
        heard: impl Fn() -> H,
        hears: impl Fn() -> Hears,
    ) -> Option<Plan> {
        let codec = phone.voice.sender.as_ref()?.codec();
        let same = |source: &&Audible| source.codec == Some(codec);
        if count == 1
            && let Some(only) = heard().find(same)
        {
            return Some(Plan::Forward(only.track, None));
        }
        let rate = bus_rate(codec);
        let filled = self.buses.iter().any(|bus| bus.sample_rate() == rate);
        let before = phone.voice.forwarded.filter(|track| heard().filter(same).any(|source| source.track == *track));
        Some(match before {
            Some(track) if !filled => Plan::Forward(track, Some(rate)),
            _ => Plan::Bus(rate, hears(), count),
        })
    }

    fn pull(&mut self, at: Instant, legs: &mut Legs, mixing: bool, outcome: &mut Outcome) {
        // An echo is found by the level of what was sent: also of what is only forwarded.
        let echoes = self.sources.values().any(Source::looks_for_echo);
        for source in self.sources.values_mut() {
            let Some(leg) = legs.get_mut(&source.leg) else { continue };
            let is_phone = matches!(leg.kind, Kind::Phone(_));
            // A phone is always decoded: its level is known in no other way.
            let decode = mixing || is_phone || echoes || !source.browsers.is_empty();
            let sent = leg.phone().map_or(-127.0, |phone| phone.sent_dbov);
            if guarded(|| source.pull(at, decode, sent)).is_err() {
                outcome.failed.push(source.leg);
                continue;
            }
            if source.begins() {
                outcome.started.push(source.leg);
            }
            if !leg.muted && !source.has_tone() && (is_phone || matches!(source.feed, Feed::Pcm(_))) {
                outcome.levels.push((source.leg, source.level));
            }
            if let Some(phone) = leg.phone() {
                if let Some(keys) = phone.keys.as_mut().filter(|_| !source.has_tone()) {
                    let (pcm, rate) = source.sound();
                    keys.push(pcm, rate);
                    outcome.keys.extend(std::iter::from_fn(|| keys.poll()).map(|key| (source.leg, key)));
                }
                outcome.presses.extend(std::iter::from_fn(|| phone.dtmf.poll(at)).map(|press| (source.leg, press)));
            }
        }
    }

    fn fill_buses(&mut self, rates: &[u32], at: Instant, legs: &Legs) {
        self.buses.retain(|bus| rates.contains(&bus.sample_rate()));
        for &rate in rates {
            if !self.buses.iter().any(|bus| bus.sample_rate() == rate) {
                self.buses.push(MixBus::new(rate));
            }
        }
        for bus in &mut self.buses {
            bus.begin();
            for (track, source) in &mut self.sources {
                let audible = legs.get(&source.leg).is_some_and(|leg| !leg.muted) && source.is_present(at);
                let pcm = if audible { source.pcm_at(bus.sample_rate()) } else { &[] };
                if !pcm.is_empty() {
                    bus.add(track.0, pcm);
                }
            }
            bus.finish();
        }
    }

    /// Give a phone or an in-process participant its 20 ms. Answers the id of a recorded sound that is over.
    fn serve(&self, leg: &mut Leg, plan: Plan, at: Instant) -> Option<String> {
        let bus = plan.rate().and_then(|rate| self.buses.iter().find(|bus| bus.sample_rate() == rate));
        match &mut leg.kind {
            Kind::Webrtc(_) => {}
            Kind::Phone(phone) if plan == Plan::Play => return phone.play(&leg.shared.counters, at),
            Kind::Phone(phone) => self.serve_phone(phone, &leg.shared.counters, plan, bus, at),
            Kind::Pcm(pcm) => {
                let queues = leg.shared.pcm.as_ref()?;
                if let (Plan::Bus(_, hears, heard), Some(bus)) = (plan, bus) {
                    queues.hear(pcm.ears.hear(hears, bus));
                    leg.shared.counters.set_way(way(heard), None);
                } else {
                    pcm.ears.rest();
                    queues.hear(&vec![0; (queues.rate / 50) as usize]);
                    leg.shared.counters.set_way(Way::None, None);
                }
            }
        }
        None
    }

    fn serve_phone(&self, phone: &mut PhoneLeg, counters: &LegCounters, plan: Plan, bus: Option<&MixBus>, at: Instant) {
        let Some(codec) = phone.voice.sender.as_ref().map(|sender| sender.codec()) else { return };
        match (plan, bus) {
            (Plan::Forward(track, _), _) => {
                phone.voice.ears.rest();
                let source = self.sources.get(&track);
                let media = source.map_or(Media::Silence, |source| source.media(codec));
                phone.say(media, Some(track), Way::Forward, counters, at);
                phone.sent_dbov = source.map_or(-127.0, |source| f32::from(source.level));
            }
            (Plan::Bus(rate, hears, heard), Some(bus)) => {
                let mut ears = std::mem::take(&mut phone.voice.ears);
                let pcm = ears.hear(hears, bus);
                phone.say(Media::Pcm { pcm, sample_rate: rate }, None, way(heard), counters, at);
                phone.voice.ears = ears;
            }
            _ => {
                phone.voice.ears.rest();
                phone.say(Media::Silence, None, Way::None, counters, at);
            }
        }
    }

    /// Packets for browsers that cannot take a source as it is, encoded once per codec.
    fn serve_browsers(&mut self, legs: &mut Legs, outcome: &mut Outcome) {
        for (track, source) in &mut self.sources {
            if source.browsers.is_empty() {
                continue;
            }
            let muted = legs.get(&source.leg).is_none_or(|leg| leg.muted);
            let tone = source.has_tone();
            let mut wanted: Vec<(Codec, LegKey, Mid)> = Vec::new();
            source.browsers.retain(|&(key, mid)| {
                let Some(webrtc) = legs.get_mut(&key).and_then(|leg| leg.webrtc()) else { return false };
                if webrtc.received.get(&mid).is_none_or(|r| r.track != *track || !r.made) {
                    return false;
                }
                let codec = webrtc.format_for(mid, tone).and_then(|format| codec_of(format.kind));
                wanted.extend(codec.map(|codec| (codec, key, mid)));
                true
            });
            wanted.sort_unstable_by_key(|(codec, ..)| *codec as u8);
            for listeners in wanted.chunk_by(|a, b| a.0 == b.0) {
                let Some(packet) = source.encoded(listeners[0].0).filter(|_| !muted) else { continue };
                outcome.packets.extend(listeners.iter().map(|(_, key, mid)| (*track, *key, *mid, packet.clone())));
            }
        }
    }
}

fn way(heard: usize) -> Way {
    match heard {
        0 => Way::None,
        1 => Way::Transcode,
        _ => Way::Mix,
    }
}

/// The rate that loses nothing a phone could hear.
fn bus_rate(codec: Codec) -> u32 {
    match codec {
        Codec::Pcmu | Codec::Pcma => 8_000,
        Codec::G722 | Codec::Opus => 16_000,
    }
}
