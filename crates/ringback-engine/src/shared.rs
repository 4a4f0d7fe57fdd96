//! What the caller's thread and the worker both touch of a leg: counters, and the sound of in-process participants.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI8, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use ringback_audio::Codec;
use ringback_rtp::video::VideoCodec;
use ringback_rtp::{Suite, mos};

use crate::picture_counts::{PictureCounts, WayTimes};

/// How a leg is given its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// Nothing is sent, or silence.
    None = 0,
    /// The source's own payload.
    Forward = 1,
    /// One source in another codec.
    Transcode = 2,
    /// Several sources in one.
    Mix = 3,
    /// A recorded sound.
    Play = 4,
}

impl Way {
    /// Its name in the statistics.
    pub fn name(self) -> &'static str {
        ["none", "forward", "transcode", "mix", "play"][self as usize]
    }
}

/// How a WebRTC connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum WebrtcState {
    /// No way was found yet.
    Connecting = 1,
    /// ICE and DTLS are up.
    Connected = 2,
    /// ICE lost it; it may return.
    Disconnected = 3,
}

/// What moments of counters are counted from.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Counters of a leg, written by the worker and read by anybody.
#[derive(Debug, Default)]
pub struct LegCounters {
    /// RTP packets taken.
    pub packets_received: AtomicU64,
    /// Their payload bytes.
    pub bytes_received: AtomicU64,
    /// RTP packets sent.
    pub packets_sent: AtomicU64,
    /// Their payload bytes.
    pub bytes_sent: AtomicU64,
    /// Packets that never came.
    pub packets_lost: AtomicU64,
    /// Packets that came too late to be played.
    pub packets_late: AtomicU64,
    /// Frames made up for missing ones.
    pub frames_concealed: AtomicU64,
    /// Frames of its sound that were played as they came.
    pub frames_heard: AtomicU64,
    /// Frames inserted, and left out, to hold the delay.
    pub frames_stretched: AtomicU64,
    /// See `frames_stretched`.
    pub frames_shrunk: AtomicU64,
    /// Of the missing frames: those whose packets were lost.
    pub underruns_lost: AtomicU64,
    /// Of the missing frames: those whose packets had not come yet.
    pub underruns_late: AtomicU64,
    /// What the jitter buffer aims at, in microseconds.
    pub buffer_us: AtomicU64,
    /// Round trip in microseconds and 1, by the far end's reports; 0 is unknown.
    pub round_trip_us: AtomicU64,
    /// What the far end says of our stream: packets lost so far.
    pub remote_lost: AtomicU64,
    /// Share lost between its last two reports, in 1/256, and 1; 0 is unknown.
    pub remote_fraction: AtomicU64,
    /// Jitter it sees, in microseconds.
    pub remote_jitter_us: AtomicU64,
    /// Inter-arrival jitter in microseconds (RFC 3550 §6.4.1).
    pub jitter_us: AtomicU64,
    /// Packets from a wrong source or of a wrong payload type.
    pub packets_rejected: AtomicU64,
    /// Packets whose protection did not fit; among those rejected.
    pub packets_forged: AtomicU64,
    /// Protected packets that came twice; among those rejected.
    pub packets_replayed: AtomicU64,
    /// Packets from elsewhere than where its sound is believed to come from; among those rejected.
    pub rejected_source: AtomicU64,
    /// Packets of a payload type that was not agreed on; among those rejected.
    pub rejected_type: AtomicU64,
    /// Packets of a stream that has not proved itself; among those rejected.
    pub rejected_stream: AtomicU64,
    /// The last payload type that was not agreed on, and 1; 0 is none.
    pub wrong_type: AtomicU8,
    /// Frames of its sound by loudness: see [`LegCounters::note_level`].
    pub frames_speech: AtomicU64,
    /// See `frames_speech`.
    pub frames_quiet: AtomicU64,
    /// See `frames_speech`.
    pub frames_silent: AtomicU64,
    /// Frames whose sound hits the limits of its codec.
    pub frames_clipped: AtomicU64,
    /// How loud its last 20 ms were, in dBov.
    level: AtomicI8,
    /// RTCP packets taken.
    pub reports_received: AtomicU64,
    /// Of the reports: those that say how our stream arrives.
    pub reports_on_ours: AtomicU64,
    /// Packets that the kernel did not take: no route, a firewall of this machine.
    pub send_errors: AtomicU64,
    /// ICMP messages that what we sent did not arrive.
    pub unreachable: AtomicU64,
    /// Packets kept back because the far end has not proved that it wants them.
    pub packets_withheld: AtomicU64,
    /// Key frames that its pictures were asked for.
    pub keyframes_asked: AtomicU64,
    /// Times the way of giving it its sound changed.
    pub way_switches: AtomicU64,
    /// 20 ms each that it was given its sound in each way, by the number of `Way`.
    ticks: [AtomicU64; 5],
    /// When the last packet was taken, in milliseconds since `EPOCH` and 1; 0 is never.
    heard: AtomicU64,
    first_heard: AtomicU64,
    first_sent: AtomicU64,
    last_way: AtomicU8,
    webrtc: AtomicU8,
    places: Mutex<Places>,
    way: AtomicU8,
    codec: AtomicU8,
    srtp: AtomicU8,
}

/// Where a leg's packets come from and go to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Places {
    /// Where what is taken comes from.
    pub source: Option<SocketAddr>,
    /// Where what was refused last came from.
    pub refused: Option<SocketAddr>,
    /// Where its sound is sent.
    pub destination: Option<SocketAddr>,
}

/// Below this, in dBov, nobody speaks.
const SILENT_DBOV: f32 = -60.0;
/// Below this speech is hard to hear; commonly it is at -26.
const QUIET_DBOV: f32 = -42.0;
/// What G.711 can just carry; Opus and G.722 can be a little louder.
const CLIPPED: u16 = 31_900;
/// Samples of a frame at the limit that can be heard.
const CLIPPED_SAMPLES: usize = 5;

/// How good a leg sounds, as far as anybody knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// To the far end and back, by its reports.
    pub round_trip: Option<Duration>,
    /// Share of its packets that never came, 0 to 1.
    pub loss: Option<f64>,
    /// Mean opinion score of what we hear of it.
    pub mos: Option<f64>,
    /// Share of our packets that it lost lately, by its reports.
    pub remote_loss: Option<f64>,
    /// Mean opinion score of what it hears of us.
    pub remote_mos: Option<f64>,
}

/// Making and playing a packet takes its length.
const PACKET: Duration = Duration::from_millis(20);
/// What a far end commonly holds packets for; it does not say.
const THEIR_BUFFER: Duration = Duration::from_millis(40);

impl LegCounters {
    /// Add to a counter: the worker of its leg alone does, so that no other processor has to be kept from it.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Note that a packet was taken at `now`.
    pub fn heard(&self, now: Instant) {
        let since = now.saturating_duration_since(*EPOCH).as_millis() as u64;
        self.heard.store(since + 1, Relaxed);
        if self.first_heard.load(Relaxed) == 0 {
            self.first_heard.store(since + 1, Relaxed);
        }
    }

    /// Note that a packet of so many payload bytes left at `now`.
    pub fn sent(&self, now: Instant, bytes: usize) {
        Self::add(&self.bytes_sent, bytes as u64);
        Self::add(&self.packets_sent, 1);
        if self.first_sent.load(Relaxed) == 0 {
            self.first_sent.store(now.saturating_duration_since(*EPOCH).as_millis() as u64 + 1, Relaxed);
        }
    }

    /// How long ago the first packet was taken, and how long ago the first one left.
    pub fn since_first(&self, now: Instant) -> (Option<Duration>, Option<Duration>) {
        let since = |at: &AtomicU64| {
            let at = Duration::from_millis(at.load(Relaxed).checked_sub(1)?);
            Some(now.saturating_duration_since(*EPOCH).saturating_sub(at))
        };
        (since(&self.first_heard), since(&self.first_sent))
    }

    /// Note 20 ms of its sound: speech, quiet (below -42 dBov), or silence (below -60).
    pub fn note_level(&self, dbov: f32) {
        self.level.store(dbov.round() as i8, Relaxed);
        let counter = match dbov {
            level if level < SILENT_DBOV => &self.frames_silent,
            level if level < QUIET_DBOV => &self.frames_quiet,
            _ => &self.frames_speech,
        };
        Self::add(counter, 1);
    }

    /// The same for samples that are known: they may be clipped, too.
    pub fn note_sound(&self, pcm: &[i16], dbov: f32) {
        self.note_level(dbov);
        // A sine that touches the limits is at -3 dBov; speech that does is rarely far below it.
        if dbov > -15.0 && pcm.iter().filter(|s| s.unsigned_abs() >= CLIPPED).count() >= CLIPPED_SAMPLES {
            Self::add(&self.frames_clipped, 1);
        }
    }

    /// How loud its last 20 ms were, in dBov; meaningless before any were.
    pub fn level(&self) -> i8 {
        self.level.load(Relaxed)
    }

    /// Change where packets come from or go to.
    pub fn place(&self, change: impl FnOnce(&mut Places)) {
        change(&mut lock(&self.places));
    }

    /// Where packets come from and go to.
    pub fn places(&self) -> Places {
        *lock(&self.places)
    }

    /// 20 ms each that it was given its sound in each way, in the order of `Way`.
    pub fn ticks(&self) -> [u64; 5] {
        std::array::from_fn(|way| self.ticks[way].load(Relaxed))
    }

    /// Note how its WebRTC connection is.
    pub fn set_webrtc(&self, state: WebrtcState) {
        self.webrtc.store(state as u8, Relaxed);
    }

    /// How its WebRTC connection is; empty for other legs.
    pub fn webrtc(&self) -> &'static str {
        ["", "connecting", "connected", "disconnected"][usize::from(self.webrtc.load(Relaxed)).min(3)]
    }

    /// How long ago the last packet was taken; `None` when none ever was.
    pub fn since_heard(&self, now: Instant) -> Option<Duration> {
        let heard = Duration::from_millis(self.heard.load(Relaxed).checked_sub(1)?);
        Some(now.saturating_duration_since(*EPOCH).saturating_sub(heard))
    }

    /// Note how the leg is given its next 20 ms of sound, and in which codec.
    pub fn set_way(&self, way: Way, codec: Option<Codec>) {
        self.way.store(way as u8, Relaxed);
        Self::add(&self.ticks[way as usize], 1);
        if way != Way::None {
            let before = self.last_way.load(Relaxed);
            self.last_way.store(way as u8, Relaxed);
            Self::add(&self.way_switches, u64::from(before != 0 && before != way as u8));
        }
        self.codec.store(codec.map_or(0, |c| c as u8 + 1), Relaxed);
    }

    /// Note how its packets are protected.
    pub fn set_srtp(&self, suite: Option<Suite>) {
        let number = suite.and_then(|suite| Suite::ALL.iter().position(|s| *s == suite)).map_or(0, |at| at as u8 + 1);
        self.srtp.store(number, Relaxed);
    }

    /// How its packets are protected, by the name of SDP; `None`: not at all.
    pub fn srtp(&self) -> Option<&'static str> {
        let number = usize::from(self.srtp.load(Relaxed));
        number.checked_sub(1).and_then(|at| Suite::ALL.get(at)).map(|suite| suite.name())
    }

    /// What is known of the sound's quality; by `codec` both ways.
    pub fn quality(&self, codec: Codec) -> Quality {
        let (heard, concealed) = (self.frames_heard.load(Relaxed), self.frames_concealed.load(Relaxed));
        let round_trip = self.round_trip_us.load(Relaxed).checked_sub(1).map(Duration::from_micros);
        let path = round_trip.unwrap_or_default() / 2 + PACKET;
        let buffer = Duration::from_micros(self.buffer_us.load(Relaxed));
        let remote_loss = self.remote_fraction.load(Relaxed).checked_sub(1).map(|n| n as f64 / 256.0);
        let received = self.packets_received.load(Relaxed);
        let lost = self.packets_lost.load(Relaxed);
        let share = |part: u64, rest: u64| part as f64 / (part + rest) as f64;
        Quality {
            round_trip,
            loss: (received > 0).then(|| share(lost, received)),
            mos: (heard > 0).then(|| mos(codec.impairment(), path + buffer, share(concealed, heard))),
            remote_loss,
            remote_mos: remote_loss.map(|loss| mos(codec.impairment(), path + THEIR_BUFFER, loss)),
        }
    }

    /// How the leg is given its sound.
    pub fn way(&self) -> Way {
        [Way::None, Way::Forward, Way::Transcode, Way::Mix, Way::Play][usize::from(self.way.load(Relaxed)).min(4)]
    }

    /// The codec in which the leg is given its sound.
    pub fn codec_in_use(&self) -> Option<Codec> {
        Codec::from_name(self.codec())
    }

    /// Name of the codec in which the leg is given its sound; empty for none.
    pub fn codec(&self) -> &'static str {
        ["", "PCMU", "PCMA", "G722", "OPUS"][usize::from(self.codec.load(Relaxed)).min(4)]
    }
}

/// Most that waits to be spoken, in seconds.
const PLAY_SECONDS: usize = 600;
/// Most that is kept of what was heard, in seconds.
const HEARD_SECONDS: usize = 5;

/// The two queues of an in-process participant; int16 mono at `rate`.
#[derive(Debug)]
pub struct PcmQueues {
    /// Samples per second of both queues.
    pub rate: u32,
    play: Mutex<VecDeque<i16>>,
    heard: Mutex<VecDeque<i16>>,
}

impl PcmQueues {
    /// Empty queues.
    pub fn new(rate: u32) -> PcmQueues {
        PcmQueues { rate, play: Mutex::default(), heard: Mutex::default() }
    }

    /// Queue speech; what goes beyond ten minutes is refused. Returns the samples now queued.
    pub fn push(&self, samples: impl Iterator<Item = i16>) -> usize {
        let mut play = lock(&self.play);
        let room = (PLAY_SECONDS * self.rate as usize).saturating_sub(play.len());
        play.extend(samples.take(room));
        play.len()
    }

    /// Drop what is queued; returns how much that was.
    pub fn flush(&self) -> usize {
        let mut play = lock(&self.play);
        let dropped = play.len();
        *play = VecDeque::new();
        dropped
    }

    /// Move the next `n` samples to `out`, fewer when the queue runs out.
    pub fn take(&self, n: usize, out: &mut Vec<i16>) {
        let mut play = lock(&self.play);
        let n = n.min(play.len());
        out.extend(play.drain(..n));
    }

    /// Whether nothing waits to be spoken.
    pub fn is_empty(&self) -> bool {
        lock(&self.play).is_empty()
    }

    /// Keep what the participant hears; the oldest goes when nobody reads.
    pub fn hear(&self, samples: &[i16]) {
        let mut heard = lock(&self.heard);
        heard.extend(samples);
        let too_many = heard.len().saturating_sub(HEARD_SECONDS * self.rate as usize);
        heard.drain(..too_many);
    }

    /// Everything heard since the last read.
    pub fn read(&self) -> Vec<i16> {
        lock(&self.heard).drain(..).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// Counters of a phone's pictures.
#[derive(Debug, Default)]
pub struct VideoCounters {
    /// RTP packets taken.
    pub packets_received: AtomicU64,
    /// Payload octets taken.
    pub bytes_received: AtomicU64,
    /// RTP packets sent.
    pub packets_sent: AtomicU64,
    /// Payload octets sent.
    pub bytes_sent: AtomicU64,
    /// Packets of the present stream that never came.
    pub packets_lost: AtomicU64,
    /// Packets of ours that the far end says it lost.
    pub remote_lost: AtomicU64,
    /// Packets from a wrong source, of a wrong payload type, or whose protection did not fit.
    pub packets_rejected: AtomicU64,
    /// Packets kept back because the far end has not proved that it wants them.
    pub packets_withheld: AtomicU64,
    /// Packets sent again because it asked for them.
    pub packets_repeated: AtomicU64,
    /// Whole pictures that came.
    pub key_frames_received: AtomicU64,
    /// Times we asked it for one.
    pub key_frames_asked: AtomicU64,
    /// Times it asked us.
    pub key_frames_wanted: AtomicU64,
    /// Times somebody else was shown.
    pub switches: AtomicU64,
    /// Pictures sent that were made for it (and for others like it).
    pub pictures_made: AtomicU64,
    /// Of its pictures.
    pub received: PictureCounts,
    /// Of what it is sent.
    pub sent: PictureCounts,
    /// How long it was given pictures in each way, by the number of `VideoWay`.
    pub ways: WayTimes,
    way: AtomicU8,
    lacks: AtomicU8,
    lacked: AtomicU8,
    shown: Mutex<String>,
}

/// How a phone is given pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum VideoWay {
    /// It takes none.
    None = 0,
    /// Nobody has any.
    Nobody = 1,
    /// Somebody's, unchanged.
    Forward = 2,
    /// Made for it.
    Make = 3,
    /// Of somebody, whose whole picture has not come; or the first that is made has not.
    Waiting = 4,
    /// Those that there are do not fit, and there is no program that makes others.
    NoMaker = 5,
    /// The program that makes them does not run.
    MakerDown = 6,
}

impl VideoWay {
    /// By their numbers.
    pub const NAMES: [&'static str; 7] = ["none", "nobody", "forward", "make", "waiting", "no-maker", "maker-down"];
}

impl VideoCounters {
    /// Note how it is given pictures at `now`, and what the maker of its room lacks.
    pub fn set_way(&self, way: VideoWay, lacks: Option<VideoCodec>, now: Instant) {
        self.ways.note(way as usize, now);
        self.way.store(way as u8, Relaxed);
        let lacks = lacks.map_or(0, |codec| 1 + u8::from(codec == VideoCodec::H264));
        self.lacks.store(lacks, Relaxed);
        if lacks > 0 {
            self.lacked.store(lacks, Relaxed);
        }
    }

    /// How it is given pictures, by name.
    pub fn way(&self) -> &'static str {
        VideoWay::NAMES[usize::from(self.way.load(Relaxed)).min(6)]
    }

    /// The codec that the maker of its room neither reads nor makes; empty: none.
    pub fn lacks(&self) -> &'static str {
        ["", "VP8", "H264"][usize::from(self.lacks.load(Relaxed)).min(2)]
    }

    /// The codec that it lacked last, though it may be wanted no more; empty: none ever.
    pub fn lacked(&self) -> &'static str {
        ["", "VP8", "H264"][usize::from(self.lacked.load(Relaxed)).min(2)]
    }

    /// Note whose picture is shown; empty: nobody's.
    pub fn set_shown(&self, leg: &str) {
        lock(&self.shown).replace_range(.., leg);
    }

    /// The leg whose picture is shown; empty: nobody's.
    pub fn shown(&self) -> String {
        lock(&self.shown).clone()
    }
}

/// What both sides hold of a leg.
#[derive(Debug, Default)]
pub struct LegShared {
    /// Its counters.
    pub counters: LegCounters,
    /// Of its pictures, for a phone that has some.
    pub video: VideoCounters,
    /// Its sound, for an in-process participant.
    pub pcm: Option<PcmQueues>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_ago_a_leg_was_heard_is_known_once_it_was() {
        let counters = LegCounters::default();
        let now = Instant::now() + Duration::from_secs(1);

        assert_eq!(counters.since_heard(now), None);
        counters.heard(now);
        let since = counters.since_heard(now + Duration::from_secs(2)).unwrap();

        assert!(since.abs_diff(Duration::from_secs(2)) <= Duration::from_millis(2), "{since:?}");
    }

    #[test]
    fn sound_is_counted_by_its_loudness_and_what_hits_the_limits_besides() {
        let counters = LegCounters::default();
        let square = |amplitude: i16| (0..160).map(|n| if n % 2 == 0 { amplitude } else { -amplitude }).collect();
        let sound: [Vec<i16>; 4] = [square(0), square(150), square(3000), square(32_124)];

        sound.iter().for_each(|pcm| counters.note_sound(pcm, ringback_audio::level_dbov(pcm)));

        let counted = [&counters.frames_silent, &counters.frames_quiet, &counters.frames_speech];
        assert_eq!(counted.map(|counter| counter.load(Relaxed)), [1, 1, 2]);
        assert_eq!(counters.frames_clipped.load(Relaxed), 1);
        assert_eq!(counters.level(), 0);
    }

    #[test]
    fn a_pause_is_no_other_way_of_giving_sound() {
        let counters = LegCounters::default();

        for way in [Way::Forward, Way::None, Way::Forward, Way::Mix, Way::None, Way::Forward] {
            counters.set_way(way, None);
        }

        assert_eq!(counters.ticks(), [2, 3, 0, 1, 0]);
        assert_eq!(counters.way_switches.load(Relaxed), 2);
    }

    #[test]
    fn speech_is_queued_taken_in_order_and_flushed_with_its_count() {
        let pcm = PcmQueues::new(8000);

        assert_eq!(pcm.push(0..500), 500);
        let mut taken = Vec::new();
        pcm.take(160, &mut taken);

        assert_eq!(taken, (0..160).collect::<Vec<i16>>());
        assert_eq!(pcm.flush(), 340);
        assert!(pcm.is_empty());
    }

    #[test]
    fn speech_beyond_ten_minutes_is_refused() {
        let pcm = PcmQueues::new(8000);

        let queued = pcm.push(std::iter::repeat_n(1, 8000 * 700));

        assert_eq!(queued, 8000 * 600);
    }

    #[test]
    fn only_the_last_five_seconds_heard_are_kept() {
        let pcm = PcmQueues::new(8000);

        pcm.hear(&[1; 8000 * 4]);
        pcm.hear(&[2; 8000 * 4]);

        let heard = pcm.read();
        assert_eq!(heard.len(), 8000 * 5);
        assert_eq!((heard[0], heard[7999], heard[8000]), (1, 1, 2));
        assert!(pcm.read().is_empty());
    }
}
