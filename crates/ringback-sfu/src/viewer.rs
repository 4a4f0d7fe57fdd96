//! One who sees a picture: which layer is forwarded to it, and the packets of several layers as one stream.
//!
//! It knows no WebRTC: a browser's m-line and a telephone's video are fed alike. For somebody who is no browser:
//!
//! 1. keep a [`Viewer`] for each picture it sees, made with random first numbers;
//! 2. for each packet of the source ask [`Viewer::take`]; what it answers goes out with that sequence number and
//!    timestamp, and with [`PictureNumbers::write`] applied to a copy of the payload where there are numbers;
//! 3. ask the source for a key frame of [`Viewer::waits_for`] while that is not `None`, by [`Layers::want_keyframe`];
//! 4. choose the layer now and then by [`share`].
//!
//! A source that is no browser has one layer: feed [`Layers::heard`] with layer 0 and an SSRC that changes only when its
//! stream does.

use std::time::{Duration, Instant};

use crate::layers::Layers;
use crate::peer::Packet;
use crate::picture::{Picture, PictureNumbers};
use crate::rewrite::Rewriter;

/// A layer dearer than the present one must fit with this much to spare, in percent.
const TO_SPARE: u64 = 115;
/// After a move down for want of bandwidth it stays there this long: what was probed once need not be true again.
const STAYS_DOWN: Duration = Duration::from_secs(4);

/// How a packet leaves towards a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Extended to 64 bits.
    pub sequence: u64,
    /// In the source's clock rate.
    pub timestamp: u32,
    /// VP8 numbers in place of the packet's own; `None`: they stay.
    pub numbers: Option<PictureNumbers>,
}

/// One who sees one picture.
#[derive(Debug)]
pub struct Viewer {
    rewriter: Rewriter,
    /// The highest layer it asked for.
    highest: Option<u8>,
    target: u8,
    /// Layer and stream that are forwarded.
    current: Option<(u8, u32)>,
    counter: Counter,
    down_until: Option<Instant>,
}

/// VP8 numbers on their way out: one line whatever feeds it.
#[derive(Debug, Default)]
struct Counter {
    offset: PictureOffset,
    last: PictureNumbers,
}

#[derive(Debug, Default, Clone, Copy)]
struct PictureOffset {
    picture_id: u16,
    tl0: u8,
}

impl Viewer {
    /// One who has seen nothing. First numbers as for [`Rewriter::new`].
    pub fn new(clock_rate: u32, first_sequence: u16, first_timestamp: u32) -> Viewer {
        Viewer {
            rewriter: Rewriter::new(clock_rate, first_sequence, first_timestamp),
            highest: None,
            target: 0,
            current: None,
            counter: Counter::default(),
            down_until: None,
        }
    }

    /// The same where others were sent on its m-line before, as for [`Rewriter::behind`].
    pub fn behind(mut self, newest: Option<u64>) -> Viewer {
        self.rewriter = self.rewriter.behind(newest);
        self
    }

    /// It wants no higher layer than this, counted among those that are sent; `None`: the best there is.
    pub fn ask(&mut self, highest: Option<u8>) {
        self.highest = highest;
    }

    /// Aim at a layer: it is forwarded from its next key frame on, until then what was.
    pub fn aim(&mut self, layer: u8) {
        self.target = layer;
    }

    /// The layer that is forwarded.
    pub fn layer(&self) -> Option<u8> {
        self.current.map(|(layer, _)| layer)
    }

    /// The layer a key frame of which it waits for.
    pub fn waits_for(&self) -> Option<u8> {
        (self.layer() != Some(self.target)).then_some(self.target)
    }

    /// It lost its place (a key frame was asked for by its decoder, or its source stopped): which layer to ask.
    pub fn layer_to_ask(&self) -> u8 {
        self.waits_for().or(self.layer()).unwrap_or(0)
    }

    /// Whether and how a packet is forwarded to it. `picture` is what [`Picture::of`] says of it.
    pub fn take(&mut self, packet: &Packet, picture: &Picture, now: Instant) -> Option<Place> {
        let this = (packet.layer, packet.ssrc);
        if self.current != Some(this) {
            let wanted = packet.layer == self.target || self.current.is_none_or(|(layer, _)| layer == packet.layer);
            if !wanted || !picture.starts_key_frame {
                // Its stream was followed by another one: what was forwarded ends here.
                if self.layer() == Some(packet.layer) {
                    self.current = None;
                }
                return None;
            }
            self.current = Some(this);
            self.counter.join(picture.numbers);
        }
        let source = u64::from(packet.ssrc) << 8 | u64::from(packet.layer);
        let (sequence, timestamp) = self.rewriter.rewrite(source, packet.sequence, packet.timestamp, now)?;
        Some(Place { sequence, timestamp, numbers: self.counter.rewrite(picture.numbers) })
    }

    /// What it would like to see, for [`share`].
    pub fn wish(&self, layers: &Layers, now: Instant) -> Wish {
        let may_rise = self.down_until.is_none_or(|until| now >= until);
        let mut costs: Vec<(u8, u64)> = layers.live(now).map(|layer| (layer, layers.bitrate(layer))).collect();
        if let Some(highest) = self.highest {
            costs.truncate(usize::from(highest) + 1);
        }
        Wish { costs, present: self.layer(), may_rise }
    }

    /// Take the layer that [`share`] gave; `true` when that is another one than before. `dear`: a higher one was wished
    /// for and did not fit.
    pub fn settle(&mut self, layer: Option<u8>, dear: bool, now: Instant) -> bool {
        let Some(layer) = layer else { return false };
        if dear && self.layer().is_some_and(|present| layer < present) && layer < self.target {
            self.down_until = Some(now + STAYS_DOWN);
        }
        std::mem::replace(&mut self.target, layer) != layer
    }
}

impl Counter {
    fn join(&mut self, first: PictureNumbers) {
        let next_id = self.last.picture_id.map(|id| id.wrapping_add(1));
        let next_tl0 = self.last.tl0.map(|tl0| tl0.wrapping_add(1));
        if let (Some(next), Some(first)) = (next_id, first.picture_id) {
            self.offset.picture_id = next.wrapping_sub(first);
        }
        if let (Some(next), Some(first)) = (next_tl0, first.tl0) {
            self.offset.tl0 = next.wrapping_sub(first);
        }
    }

    fn rewrite(&mut self, source: PictureNumbers) -> Option<PictureNumbers> {
        let out = PictureNumbers {
            picture_id: source.picture_id.map(|id| id.wrapping_add(self.offset.picture_id) & 0x7fff),
            tl0: source.tl0.map(|tl0| tl0.wrapping_add(self.offset.tl0)),
        };
        let newer = |new: u16, old: u16| new.wrapping_sub(old) & 0x7fff < 0x4000;
        if let Some(id) = out.picture_id
            && self.last.picture_id.is_none_or(|last| newer(id, last))
        {
            self.last.picture_id = Some(id);
        }
        if let Some(tl0) = out.tl0
            && self.last.tl0.is_none_or(|last| tl0.wrapping_sub(last) < 0x80)
        {
            self.last.tl0 = Some(tl0);
        }
        (out != source).then_some(out)
    }
}

/// What a viewer would like: the layers it may be given with their cost in bits per second, lowest first.
#[derive(Debug, Clone)]
pub struct Wish {
    costs: Vec<(u8, u64)>,
    present: Option<u8>,
    may_rise: bool,
}

impl Wish {
    /// What its dearest layer costs.
    pub fn dearest(&self) -> u64 {
        self.costs.iter().map(|(_, cost)| *cost).max().unwrap_or(0)
    }
}

/// The layer of each wish within a budget in bits per second, and whether one got less than it would like.
///
/// Everybody is given the lowest layer, whether it fits or not: a picture that does not move says more than none. Then
/// all rise step by step, in order, as far as it goes.
pub fn share(budget: u64, wishes: &[Wish]) -> Vec<(Option<u8>, bool)> {
    let mut steps = vec![0usize; wishes.len()];
    let cost_at = |wish: &Wish, step: usize| wish.costs.get(step).map_or(0, |(_, cost)| *cost);
    let mut spent: u64 = wishes.iter().map(|wish| cost_at(wish, 0)).sum();
    let mut rising = true;
    while rising {
        rising = false;
        for (wish, step) in wishes.iter().zip(&mut steps) {
            let Some((layer, cost)) = wish.costs.get(*step + 1) else { continue };
            let risen = wish.present.is_some_and(|present| *layer <= present);
            if !risen && wish.present.is_some() && !wish.may_rise {
                continue;
            }
            let asked = if risen { *cost } else { cost.saturating_mul(TO_SPARE) / 100 };
            let others = spent - cost_at(wish, *step);
            if others.saturating_add(asked) <= budget {
                spent = others + cost;
                *step += 1;
                rising = true;
            }
        }
    }
    let given =
        |(wish, step): (&Wish, &usize)| (wish.costs.get(*step).map(|(layer, _)| *layer), *step + 1 < wish.costs.len());
    wishes.iter().zip(&steps).map(given).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Extensions, FormatKind, Mid};

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn packet(layer: u8, sequence: u64, timestamp: u32) -> Packet {
        Packet {
            mid: Mid::from("0"),
            ssrc: 100 + u32::from(layer),
            layer,
            format: FormatKind::Vp8.plain(),
            sequence,
            timestamp,
            marker: true,
            payload: [0; 10].as_slice().into(),
            redundant: None,
            extensions: Extensions::default(),
        }
    }

    fn picture(key: bool, picture_id: u16, tl0: u8) -> Picture {
        let numbers = PictureNumbers { picture_id: Some(picture_id), tl0: Some(tl0) };
        Picture { starts_key_frame: key, numbers }
    }

    fn alive(layers: &mut Layers, number: u8, now: Instant) {
        for layer in 0..number {
            layers.heard(layer, 100 + u32::from(layer), 500, now);
        }
    }

    #[test]
    fn nothing_is_seen_before_a_key_frame() {
        let now = Instant::now();
        let mut viewer = Viewer::new(90_000, 0, 0);
        viewer.aim(0);

        assert_eq!(viewer.take(&packet(0, 7, 0), &picture(false, 1, 1), now), None);
        assert_eq!(viewer.waits_for(), Some(0));
        assert!(viewer.take(&packet(0, 8, 3000), &picture(true, 2, 2), now).is_some());
        assert_eq!(viewer.waits_for(), None);
    }

    #[test]
    fn a_switch_waits_for_the_key_frame_and_goes_on_as_one_stream() {
        let start = Instant::now();
        let mut viewer = Viewer::new(90_000, 0, 0);
        viewer.aim(0);
        let a = viewer.take(&packet(0, 500, 1000), &picture(true, 30_000, 250), start).unwrap();
        viewer.aim(2);
        let b = viewer.take(&packet(0, 501, 4000), &picture(false, 30_001, 251), start + ms(33)).unwrap();
        assert_eq!(viewer.take(&packet(2, 9000, 77), &picture(false, 5, 5), start + ms(40)), None);
        let c = viewer.take(&packet(2, 9001, 3077), &picture(true, 6, 6), start + ms(66)).unwrap();

        assert_eq!(viewer.take(&packet(0, 502, 7000), &picture(false, 30_002, 252), start + ms(67)), None);
        let d = viewer.take(&packet(2, 9002, 6077), &picture(false, 7, 7), start + ms(99)).unwrap();

        assert_eq!([b.sequence, c.sequence, d.sequence].map(|s| s - a.sequence), [1, 2, 3]);
        assert!((c.timestamp - b.timestamp).abs_diff(2970) < 10 && d.timestamp - c.timestamp == 3000);
        assert_eq!(b.numbers, None, "the first stream keeps its own");
        assert_eq!(c.numbers, Some(PictureNumbers { picture_id: Some(30_002), tl0: Some(252) }));
        assert_eq!(d.numbers, Some(PictureNumbers { picture_id: Some(30_003), tl0: Some(253) }));
    }

    #[test]
    fn picture_numbers_wrap_with_their_width() {
        let now = Instant::now();
        let mut viewer = Viewer::new(90_000, 0, 0);
        viewer.aim(0);
        viewer.take(&packet(0, 1, 0), &picture(true, 0x7fff, 255), now).unwrap();
        viewer.aim(1);

        let joined = viewer.take(&packet(1, 1, 0), &picture(true, 0x7000, 9), now + ms(33)).unwrap();

        assert_eq!(joined.numbers, Some(PictureNumbers { picture_id: Some(0), tl0: Some(0) }));
    }

    #[test]
    fn a_late_packet_of_the_layer_joined_does_not_take_a_number_of_the_one_left() {
        let now = Instant::now();
        let mut viewer = Viewer::new(90_000, 0, 0);
        viewer.aim(0);
        for n in 1..=5 {
            viewer.take(&packet(0, n, 0), &picture(n == 1, 1, 1), now);
        }
        viewer.aim(1);
        viewer.take(&packet(1, 1000, 0), &picture(true, 1, 1), now).unwrap();

        assert_eq!(viewer.take(&packet(1, 998, 0), &picture(false, 1, 1), now), None);
    }

    #[test]
    fn a_stream_that_begins_anew_on_the_same_layer_is_joined_at_its_key_frame() {
        let now = Instant::now();
        let mut viewer = Viewer::new(90_000, 0, 0);
        viewer.aim(0);
        let before = viewer.take(&packet(0, 1, 0), &picture(true, 1, 1), now).unwrap();
        let anew = |sequence| Packet { ssrc: 900, ..packet(0, sequence, 0) };

        assert_eq!(viewer.take(&anew(4000), &picture(false, 1, 1), now), None);
        let after = viewer.take(&anew(4001), &picture(true, 2, 1), now).unwrap();

        assert_eq!(after.sequence, before.sequence + 1);
    }

    fn wish(costs: &[u64], present: Option<u8>) -> Wish {
        Wish { costs: (0..).zip(costs.iter().copied()).collect(), present, may_rise: true }
    }

    #[test]
    fn bandwidth_is_shared_step_by_step_and_the_lowest_layer_is_always_given() {
        let three = wish(&[100, 500, 2000], None);
        let given = |budget| share(budget, &[three.clone(), three.clone()]);

        assert_eq!(given(u64::MAX), [(Some(2), false); 2]);
        assert_eq!(given(1500), [(Some(1), true); 2]);
        assert_eq!(given(800), [(Some(1), true), (Some(0), true)]);
        assert_eq!(given(10), [(Some(0), true); 2]);
        assert_eq!(share(10, &[wish(&[], None)]), [(None, false)]);
    }

    #[test]
    fn a_layer_that_is_seen_stays_while_it_fits_and_a_higher_one_needs_room_to_spare() {
        assert_eq!(share(520, &[wish(&[100, 500], Some(1))]), [(Some(1), false)]);
        assert_eq!(share(520, &[wish(&[100, 500], Some(0))]), [(Some(0), true)]);
        assert_eq!(share(600, &[wish(&[100, 500], Some(0))]), [(Some(1), false)]);
    }

    #[test]
    fn a_request_caps_the_layer_and_one_that_stopped_is_left() {
        let start = Instant::now();
        let mut layers = Layers::default();
        alive(&mut layers, 3, start);
        let mut viewer = Viewer::new(90_000, 0, 0);
        let chosen = |viewer: &Viewer, now| share(u64::MAX, &[viewer.wish(&layers, now)])[0].0;

        assert_eq!(chosen(&viewer, start), Some(2));
        viewer.ask(Some(1));
        assert_eq!(chosen(&viewer, start), Some(1));
        viewer.ask(Some(0));
        assert_eq!(chosen(&viewer, start), Some(0));
        assert_eq!(chosen(&viewer, start + ms(2000)), None, "nothing is alive");
    }

    #[test]
    fn after_a_move_down_it_stays_there_for_a_while() {
        let start = Instant::now();
        let mut layers = Layers::default();
        alive(&mut layers, 2, start);
        let mut viewer = Viewer::new(90_000, 0, 0);
        viewer.settle(Some(1), false, start);
        viewer.take(&packet(1, 1, 0), &picture(true, 1, 1), start).unwrap();

        assert!(viewer.settle(Some(0), true, start));
        viewer.take(&packet(0, 1, 0), &picture(true, 1, 1), start).unwrap();

        assert_eq!(share(u64::MAX, &[viewer.wish(&layers, start + ms(100))])[0].0, Some(0));
        let later = start + STAYS_DOWN;
        alive(&mut layers, 2, later);
        assert_eq!(share(u64::MAX, &[viewer.wish(&layers, later)])[0].0, Some(1));
    }
}
