//! The jitter buffer: packets go in as they come, media comes out when its time has come.
//!
//! Time is the whole idea. A packet's media should sound at `base + media time + target`, where `base` is the fastest
//! recent way through the network and `target` covers nearly all slower ones ([`DelayEstimate`]). The *cursor* is the
//! media time that comes next. Lost media moves the cursor; media that is merely late does not, so a late packet is
//! still played, and the buffer is longer from then on until [`JitterBuffer::pace`] asks for it to be shortened.
//!
//! Carriers jump: another SSRC when the callee answers, other timestamps after a transfer. Sound that goes on is not made
//! to wait for a new buffer to fill: the new timeline is *joined* on to the end of the old one.
//!
//! A far end that falls silent may say so (comfort noise, RFC 3389). Nothing is made up behind such a packet, and what it
//! says next is no loss, however much time lies between.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::delay::DelayEstimate;
use crate::sequence::{Extended16, Extended32, Seen};

/// Share of packets that should be there in time.
const SHARE: f64 = 0.97;
/// A first packet that has waited this much longer than the target gives way to the next one.
const START_SLACK_US: i64 = 30_000;
/// Slack above the target before the buffer asks to be shortened by a tick: that tick and a little more.
const SLACK_US: i64 = 21_000;
/// As much more, at most, the less evenly packets come: without it they would be missed too often after a tick was left out.
const UNEVEN_SLACK_US: i64 = 9_000;
/// This far above the target, shortening should no longer wait for a quiet moment.
const URGENT_US: i64 = 100_000;
/// A packet this far from where its timestamp puts it belongs to another timeline.
const JUMP_US: i64 = 1_000_000;
/// A pause in the timestamps that is this much longer than the time that passed is a jump.
const LEAP_US: i64 = 100_000;
/// Sequence numbers over which such a jump is looked for.
const LEAP_PACKETS: u64 = 100;
/// A new timeline that begins at most this long after the old one ended is the same talk, and follows without a gap.
const JOIN_MS: u32 = 60;
/// Concealment ends after this long; then there is silence (which need not be continuous with anything).
const CONCEAL_MS: u32 = 60;
/// A pull conceals at most this much at once.
const STEP_MS: u32 = 20;
/// One packet carries at most this much.
const LONGEST_PACKET_MS: u32 = 200;

/// Bounds of a jitter buffer.
#[derive(Debug, Clone, Copy)]
pub struct JitterConfig {
    /// RTP clock of the payload, 8000 or 48000.
    pub clock_rate: u32,
    /// The target delay never falls below this.
    pub min_delay: Duration,
    /// Nor rises above this.
    pub max_delay: Duration,
    /// Packets held at most; the oldest goes first.
    pub capacity: usize,
}

impl JitterConfig {
    /// 20 to 200 ms, 128 packets.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: clock_rate.max(1000),
            min_delay: Duration::from_millis(20),
            max_delay: Duration::from_millis(200),
            capacity: 128,
        }
    }
}

/// A packet in the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffered {
    /// Extended sequence number.
    pub sequence: u64,
    /// Extended timestamp, in ticks of the RTP clock.
    pub timestamp: u64,
    /// How much media it carries, in ticks; none: the far end fell silent here.
    pub ticks: u32,
    /// RTP payload type.
    pub payload_type: u8,
    /// The media.
    pub payload: Vec<u8>,
}

/// What became of a packet that was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits for its time.
    Queued,
    /// It has been here before.
    Duplicate,
    /// Its time is over.
    Late,
    /// Its timestamp fits nothing; if the next packet agrees with it, the stream starts anew from here.
    Suspect,
    /// The stream started anew with this packet and the one before it.
    Restarted,
    /// It carries nothing, or impossibly much.
    Refused,
}

/// The next piece of media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pull {
    /// This packet is next.
    Packet(Buffered),
    /// This much is lost for good: conceal it. If [`JitterBuffer::peek`] shows the packet after it, that may carry its
    /// forward error correction.
    Lost {
        /// At most 20 ms, in ticks.
        ticks: u32,
    },
    /// Nothing has come in time: conceal 20 ms. The missing media is played if it still comes.
    Starved,
    /// Nothing to play: silence.
    Idle,
}

/// Whether media should pass faster or slower for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As it is.
    Keep,
    /// Leave out 20 ms where nobody notices; at once if `urgent`.
    Shrink {
        /// The buffer is far too long.
        urgent: bool,
    },
    /// Insert 20 ms where nobody notices.
    Stretch,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets pushed, of whatever kind.
    pub received: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after their time.
    pub late: u64,
    /// Packets thrown away for room, or because the stream resumed far behind.
    pub discarded: u64,
    /// Times another timeline was joined on.
    pub restarts: u64,
    /// Pulls answered with `Lost` or `Starved`.
    pub concealed: u64,
    /// Those of them that were answered with `Starved`: nothing was there in time.
    pub starved: u64,
    /// Pulls answered with a packet.
    pub played: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Silence until a packet's time has come. `fresh`: nothing of this timeline has been played.
    Waiting { fresh: bool },
    /// `starved` ticks have been concealed without moving the cursor, `lost` ticks in a row with moving it.
    Playing { starved: u64, lost: u64 },
}

/// A packet as it came, at so many µs: numbers as on the wire.
#[derive(Debug, Clone, Copy)]
struct Arrived<Payload> {
    at: i64,
    sequence: u16,
    timestamp: u32,
    ticks: u32,
    payload_type: u8,
    payload: Payload,
}

impl<Payload> Arrived<Payload> {
    fn with<Other>(&self, payload: Other) -> Arrived<Other> {
        let Arrived { at, sequence, timestamp, ticks, payload_type, .. } = *self;
        Arrived { at, sequence, timestamp, ticks, payload_type, payload }
    }
}

/// A jitter buffer for one stream. See the module's documentation.
#[derive(Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    epoch: Option<Instant>,
    packets: VecDeque<Buffered>,
    sequences: Extended16,
    timestamps: Extended32,
    seen: Seen,
    estimate: DelayEstimate,
    phase: Phase,
    cursor: u64,
    last_played: Option<u64>,
    /// Added to extended numbers, so that joined timelines are one.
    sequence_shift: u64,
    timestamp_shift: u64,
    /// The next packet begins another timeline.
    joining: bool,
    /// The newest packet by sequence: number, where its media ends, and when it came.
    newest: Option<(u64, u64, i64)>,
    suspect: Option<Arrived<Vec<u8>>>,
    stats: JitterStats,
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new(config: JitterConfig) -> Self {
        Self {
            config,
            epoch: None,
            packets: VecDeque::new(),
            sequences: Extended16::default(),
            timestamps: Extended32::default(),
            seen: Seen::default(),
            estimate: DelayEstimate::default(),
            phase: Phase::Waiting { fresh: true },
            cursor: 0,
            last_played: None,
            sequence_shift: 0,
            timestamp_shift: 0,
            joining: false,
            newest: None,
            suspect: None,
            stats: JitterStats::default(),
        }
    }

    /// Forget the stream, keep the counters: for a new SSRC, source or clock.
    pub fn reset(&mut self, clock_rate: u32) {
        let stats = self.stats;
        *self = Self::new(JitterConfig { clock_rate: clock_rate.max(1000), ..self.config });
        self.stats = stats;
    }

    /// A packet arrived at `now`, carrying `ticks` of media.
    pub fn push(
        &mut self,
        now: Instant,
        sequence: u16,
        timestamp: u32,
        ticks: u32,
        payload_type: u8,
        payload: &[u8],
    ) -> Pushed {
        self.stats.received += 1;
        if ticks == 0 || ticks > self.ticks(LONGEST_PACKET_MS) || payload.is_empty() {
            return Pushed::Refused;
        }
        let at = self.micros(now);
        self.place(Arrived { at, sequence, timestamp, ticks, payload_type, payload })
    }

    /// A packet that arrived at `now` says that the far end is silent from `timestamp` on (RFC 3389).
    pub fn push_pause(&mut self, now: Instant, sequence: u16, timestamp: u32, payload_type: u8) -> Pushed {
        self.stats.received += 1;
        let at = self.micros(now);
        self.place(Arrived { at, sequence, timestamp, ticks: 0, payload_type, payload: &[] })
    }

    fn place(&mut self, packet: Arrived<&[u8]>) -> Pushed {
        let Arrived { at, sequence, timestamp, .. } = packet;
        let joining = std::mem::take(&mut self.joining);
        if self.fresh_timeline() {
            return self.insert(packet);
        }
        if joining || self.leaps(at, sequence, timestamp) {
            self.suspect = None;
            self.join(at, sequence, timestamp);
            self.insert(packet);
            return Pushed::Restarted;
        }
        let transit = at - self.media_us(self.timestamps.peek(timestamp).wrapping_add(self.timestamp_shift));
        if (transit - self.estimate.base_us()).abs() <= JUMP_US {
            self.suspect = None;
            return self.insert(packet);
        }
        self.doubt(packet)
    }

    /// Whether nothing of the current timeline has been accepted.
    fn fresh_timeline(&self) -> bool {
        self.phase == Phase::Waiting { fresh: true } && self.packets.is_empty() && self.last_played.is_none()
    }

    /// A packet from nowhere: believed when its successor comes from the same nowhere.
    fn doubt(&mut self, packet: Arrived<&[u8]>) -> Pushed {
        let agrees = self.suspect.take().filter(|before| {
            let step = packet.timestamp.wrapping_sub(before.timestamp);
            packet.sequence.wrapping_sub(before.sequence) == 1 && step > 0 && step <= self.ticks(JUMP_US as u32 / 1000)
        });
        let Some(before) = agrees else {
            self.suspect = Some(packet.with(packet.payload.to_vec()));
            return Pushed::Suspect;
        };
        self.join(before.at, before.sequence, before.timestamp);
        self.insert(before.with(&before.payload));
        self.insert(packet);
        Pushed::Restarted
    }

    /// The next packet is of another stream (SSRC, source) in the same clock, which takes this one's place.
    pub fn rejoin(&mut self) {
        self.joining = true;
    }

    /// Whether a packet that follows the newest by its number does not by its timestamp: it goes back, or it leaves out
    /// more time than has passed.
    fn leaps(&self, at: i64, sequence: u16, timestamp: u32) -> bool {
        let Some((newest, end, came)) = self.newest else { return false };
        let number = self.sequences.peek(sequence).wrapping_add(self.sequence_shift);
        let steps = number.wrapping_sub(newest);
        if steps == 0 || steps > LEAP_PACKETS {
            return false;
        }
        let begins = self.timestamps.peek(timestamp).wrapping_add(self.timestamp_shift);
        let left_out = self.media_us(begins) - self.media_us(end);
        let back = left_out < -self.media_us(u64::from(self.ticks(STEP_MS))) / 2;
        back && steps == 1 || left_out - (at - came) > LEAP_US
    }

    /// Let the timeline that begins with this packet follow the present one: at its end if the talk goes on, else when
    /// it has come.
    fn join(&mut self, at: i64, sequence: u16, stamp: u32) {
        let waiting = self.packets.back().map_or(self.cursor, |last| last.timestamp + u64::from(last.ticks));
        let end = waiting.max(self.cursor);
        let due = (at - self.estimate.base_us()).max(0) as u128 * u128::from(self.config.clock_rate) / 1_000_000;
        let near = end + u64::from(self.ticks(JOIN_MS));
        let starved = match self.phase {
            Phase::Playing { starved, .. } => starved,
            Phase::Waiting { .. } => 0,
        };
        let begins = if due as u64 <= near + starved { end } else { due as u64 };
        let last = self.packets.back().map(|last| last.sequence).or(self.last_played);
        self.sequences = Extended16::default();
        self.timestamps = Extended32::default();
        self.sequence_shift = (last.unwrap_or(0) + 1).wrapping_sub(self.sequences.peek(sequence));
        self.timestamp_shift = begins.wrapping_sub(self.timestamps.peek(stamp));
        self.estimate.rebase(at, at - self.media_us(begins));
        self.newest = None;
        self.stats.restarts += 1;
    }

    fn insert(&mut self, packet: Arrived<&[u8]>) -> Pushed {
        let Arrived { at, ticks, payload_type, payload, .. } = packet;
        let timestamp = self.timestamps.extend(packet.timestamp).wrapping_add(self.timestamp_shift);
        let sequence = self.sequences.extend(packet.sequence).wrapping_add(self.sequence_shift);
        if self.newest.is_none_or(|(newest, ..)| sequence > newest) {
            self.newest = Some((sequence, timestamp + u64::from(ticks), at));
        }
        if !self.seen.note(sequence) {
            self.stats.duplicates += 1;
            return Pushed::Duplicate;
        }
        self.estimate.record(at, at - self.media_us(timestamp));
        // A sender whose timestamps do not quite fit its payloads is still in time while half of a packet is.
        let playing = !self.fresh();
        if playing && timestamp + u64::from(ticks / 2) < self.cursor {
            self.stats.late += 1;
            return Pushed::Late;
        }
        let place = self.packets.iter().rposition(|held| held.timestamp <= timestamp).map_or(0, |at| at + 1);
        if let Some(same) = self.packets.get_mut(place.wrapping_sub(1)).filter(|held| held.timestamp == timestamp) {
            if same.ticks > 0 || ticks == 0 {
                self.stats.duplicates += 1;
                return Pushed::Duplicate;
            }
            // It was said to be silence, and is not.
            *same = Buffered { sequence, timestamp, ticks, payload_type, payload: payload.to_vec() };
            return Pushed::Queued;
        }
        self.packets.insert(place, Buffered { sequence, timestamp, ticks, payload_type, payload: payload.to_vec() });
        if self.packets.len() > self.config.capacity {
            self.packets.pop_front();
            self.stats.discarded += 1;
        }
        Pushed::Queued
    }

    fn fresh(&self) -> bool {
        self.phase == Phase::Waiting { fresh: true }
    }

    /// The next piece of media, wanted at `now` for a listener who still has `buffered` ticks to play before it.
    pub fn pull(&mut self, now: Instant, buffered: u32) -> Pull {
        let at = self.micros(now) + self.media_us(u64::from(buffered));
        let pull = match self.phase {
            Phase::Waiting { fresh } => self.resume(at, fresh),
            Phase::Playing { starved, lost } => self.play(at, starved, lost),
        };
        match pull {
            Pull::Packet(_) => self.stats.played += 1,
            Pull::Lost { .. } => self.stats.concealed += 1,
            Pull::Starved => {
                self.stats.concealed += 1;
                self.stats.starved += 1;
            }
            Pull::Idle => {}
        }
        pull
    }

    /// Silence until the oldest packet's time has come.
    fn resume(&mut self, at: i64, fresh: bool) -> Pull {
        let target = self.target_us();
        let longest = if fresh { target + START_SLACK_US } else { self.max_us() + START_SLACK_US };
        while self.packets.len() > 1 && self.delay_us(at, self.packets[0].timestamp) > longest {
            self.packets.pop_front();
            self.stats.discarded += 1;
        }
        match self.packets.front() {
            Some(head) if self.delay_us(at, head.timestamp) >= target => self.take(at),
            _ => Pull::Idle,
        }
    }

    fn play(&mut self, at: i64, starved: u64, lost: u64) -> Pull {
        let conceal = u64::from(self.ticks(CONCEAL_MS));
        let step = u64::from(self.ticks(STEP_MS));
        let Some(head) = self.packets.front() else {
            if starved + lost >= conceal {
                self.phase = Phase::Waiting { fresh: false };
                return Pull::Idle;
            }
            self.phase = Phase::Playing { starved: starved + step, lost };
            return Pull::Starved;
        };
        // Time already concealed is taken from the gap before the next packet, so a loss adds no delay.
        let gap = head.timestamp.saturating_sub(self.cursor);
        let paid = gap.min(starved);
        let left = gap - paid;
        if left <= u64::from(head.ticks / 4) {
            return self.take(at);
        }
        self.cursor += paid;
        let pause = self.last_played.is_some_and(|last| head.sequence == last + 1);
        if pause || lost + starved >= conceal {
            self.phase = Phase::Waiting { fresh: false };
            return self.resume(at, false);
        }
        let ticks = left.min(step);
        self.cursor += ticks;
        self.phase = Phase::Playing { starved: 0, lost: lost + ticks };
        Pull::Lost { ticks: ticks as u32 }
    }

    fn take(&mut self, at: i64) -> Pull {
        let Some(packet) = self.packets.pop_front() else { return Pull::Idle };
        self.cursor = packet.timestamp + u64::from(packet.ticks);
        self.last_played = Some(packet.sequence);
        if packet.ticks == 0 {
            self.phase = Phase::Waiting { fresh: false };
            return self.resume(at, false);
        }
        self.phase = Phase::Playing { starved: 0, lost: 0 };
        Pull::Packet(packet)
    }

    /// The packet that would be played after a `Lost`, if nothing is missing between.
    pub fn peek(&self) -> Option<&Buffered> {
        self.packets.front().filter(|head| head.timestamp <= self.cursor + u64::from(head.ticks / 4))
    }

    /// Whether to go faster or slower, for a listener whose next media sounds at `now`, behind `buffered` ticks that it still
    /// has.
    pub fn pace(&self, now: Instant, buffered: u32) -> Pace {
        // In a gap the cursor does not tell the delay: what has been concealed is still to be taken from it.
        if !matches!(self.phase, Phase::Playing { starved: 0, .. }) || self.peek().is_none() {
            return Pace::Keep;
        }
        let at = self.peek_micros(now) + self.media_us(u64::from(buffered));
        let (held, need, target) = (self.delay_us(at, self.cursor), self.need_us(), self.target_us());
        if held > target + SLACK_US + (need / 2).min(UNEVEN_SLACK_US) {
            return Pace::Shrink { urgent: held > target + URGENT_US };
        }
        if held < target - 10_000 { Pace::Stretch } else { Pace::Keep }
    }

    /// How long the next media will have been held behind the fastest way through the network, if played at `now`;
    /// zero while nothing plays.
    pub fn delay(&self, now: Instant) -> Duration {
        if matches!(self.phase, Phase::Waiting { .. }) {
            return Duration::ZERO;
        }
        let held = self.delay_us(self.peek_micros(now), self.cursor);
        Duration::from_micros(u64::try_from(held).unwrap_or(0))
    }

    /// The delay aimed for.
    pub fn target(&self) -> Duration {
        Duration::from_micros(self.target_us().unsigned_abs())
    }

    /// Packets waiting.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether no packet waits.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Counters since the start, over resets.
    pub fn stats(&self) -> JitterStats {
        self.stats
    }

    /// RTP clock the buffer counts in.
    pub fn clock_rate(&self) -> u32 {
        self.config.clock_rate
    }

    /// How long packets have to be held so that nearly all are in time.
    fn need_us(&self) -> i64 {
        self.estimate.percentile_us(SHARE).min(self.max_us())
    }

    fn target_us(&self) -> i64 {
        let min = i64::try_from(self.config.min_delay.as_micros()).unwrap_or(i64::MAX);
        self.need_us().max(min)
    }

    fn max_us(&self) -> i64 {
        i64::try_from(self.config.max_delay.as_micros()).unwrap_or(i64::MAX)
    }

    /// Delay that media of `timestamp` has if it is played at `at`.
    fn delay_us(&self, at: i64, timestamp: u64) -> i64 {
        at - self.media_us(timestamp) - self.estimate.base_us()
    }

    fn media_us(&self, ticks: u64) -> i64 {
        (u128::from(ticks) * 1_000_000 / u128::from(self.config.clock_rate)) as i64
    }

    fn ticks(&self, milliseconds: u32) -> u32 {
        self.config.clock_rate / 1000 * milliseconds
    }

    fn micros(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        now.saturating_duration_since(epoch).as_micros() as i64
    }

    fn peek_micros(&self, now: Instant) -> i64 {
        self.epoch.map_or(0, |epoch| now.saturating_duration_since(epoch).as_micros() as i64)
    }
}
