//! What the caller's thread and the worker both touch of a leg: counters, and the sound of in-process participants.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use ringback_audio::Codec;
use ringback_rtp::{Suite, mos};

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
    /// When the last packet was taken, in milliseconds since `EPOCH` and 1; 0 is never.
    heard: AtomicU64,
    way: AtomicU8,
    codec: AtomicU8,
    srtp: AtomicU8,
}

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
    /// Add to a counter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    /// Note that a packet was taken at `now`.
    pub fn heard(&self, now: Instant) {
        let since = now.saturating_duration_since(*EPOCH).as_millis() as u64;
        self.heard.store(since + 1, Relaxed);
    }

    /// How long ago the last packet was taken; `None` when none ever was.
    pub fn since_heard(&self, now: Instant) -> Option<Duration> {
        let heard = Duration::from_millis(self.heard.load(Relaxed).checked_sub(1)?);
        Some(now.saturating_duration_since(*EPOCH).saturating_sub(heard))
    }

    /// Note how the leg is given its sound, and in which codec.
    pub fn set_way(&self, way: Way, codec: Option<Codec>) {
        self.way.store(way as u8, Relaxed);
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

/// What both sides hold of a leg.
#[derive(Debug, Default)]
pub struct LegShared {
    /// Its counters.
    pub counters: LegCounters,
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
