//! Fewer pictures in a second of a stream whose temporal layers let some be left out, without a trace in its numbers.

use std::collections::VecDeque;

use ringback_rtp::video::vp8::Descriptor;

use crate::measured::WHOLE;

/// So many packets that were left out are remembered, for those that come late.
const REMEMBERED: usize = 256;

/// What is sent of a stream.
#[derive(Debug)]
pub struct Thinner {
    source: u64,
    /// The highest temporal layer that is sent, and that is to be.
    present: u8,
    wanted: u8,
    /// How much was left out in all, and packets of it lately, with whether a picture began with them.
    all: Moved,
    left_out: VecDeque<(u64, bool)>,
}

/// By how much numbers are moved up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    pub packets: u64,
    pub pictures: u16,
}

impl Default for Thinner {
    fn default() -> Thinner {
        let (all, left_out) = (Moved::default(), VecDeque::new());
        Thinner { source: 0, present: WHOLE, wanted: WHOLE, all, left_out }
    }
}

impl Thinner {
    /// Send no temporal layer above this, from where the stream allows it.
    pub fn want(&mut self, highest: u8) {
        self.wanted = highest;
    }

    /// A packet of a stream, which begins at a whole picture; `None`: it is left out.
    pub fn take(&mut self, source: u64, sequence: u64, descriptor: Option<&Descriptor>) -> Option<Moved> {
        if self.source != source {
            *self = Thinner { source, present: self.wanted, wanted: self.wanted, ..Thinner::default() };
        }
        let Some(descriptor) = descriptor else { return Some(self.moved(sequence)) };
        let (temporal, syncs) = descriptor.layer.unwrap_or_default();
        if descriptor.starts_frame() {
            self.change(temporal, syncs);
        }
        if temporal <= self.present {
            return Some(self.moved(sequence));
        }
        let at = self.left_out.partition_point(|(other, _)| *other < sequence);
        if self.left_out.get(at).is_none_or(|(other, _)| *other != sequence) {
            self.left_out.insert(at, (sequence, descriptor.starts_frame()));
            self.all.add(descriptor.starts_frame());
            self.left_out.drain(..self.left_out.len().saturating_sub(REMEMBERED));
        }
        None
    }

    /// Down at once, up layer by layer: where a picture needs none of those that were left out.
    fn change(&mut self, temporal: u8, syncs: bool) {
        if temporal <= self.wanted && self.wanted < self.present {
            self.present = self.wanted;
        } else if temporal <= self.wanted && temporal == self.present + 1 && syncs {
            self.present = temporal;
        }
    }

    fn moved(&self, sequence: u64) -> Moved {
        let mut later = Moved::default();
        let lately = self.left_out.iter().rev().take_while(|(other, _)| *other > sequence);
        lately.for_each(|(_, begins)| later.add(*begins));
        Moved { packets: self.all.packets - later.packets, pictures: self.all.pictures.wrapping_sub(later.pictures) }
    }
}

impl Moved {
    fn add(&mut self, begins: bool) {
        self.packets += 1;
        self.pictures = self.pictures.wrapping_add(begins.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chromium's order of three temporal layers.
    const LAYERS: [u8; 4] = [0, 2, 1, 2];

    fn of(picture: u64, packet: u64) -> Descriptor {
        let temporal = LAYERS[picture as usize % 4];
        Descriptor { start: packet == 0, layer: Some((temporal, temporal > 0)), ..Descriptor::default() }
    }

    /// Pictures of two packets each; what is sent of them: (picture, sequence number, how far pictures moved up).
    fn sent(thinner: &mut Thinner, pictures: std::ops::Range<u64>) -> Vec<(u64, u64, u16)> {
        let packets = pictures.flat_map(|picture| [(picture, 0), (picture, 1)]);
        let placed = packets.filter_map(|(picture, packet)| {
            let sequence = 2 * picture + packet;
            let moved = thinner.take(1, sequence, Some(&of(picture, packet)))?;
            Some((picture, sequence - moved.packets, moved.pictures))
        });
        placed.collect()
    }

    #[test]
    fn half_of_the_pictures_or_a_quarter_are_sent_without_a_gap() {
        for (highest, expected) in [(WHOLE, 1), (2, 1), (1, 2), (0, 4)] {
            let mut thinner = Thinner::default();
            thinner.want(highest);

            let sent = sent(&mut thinner, 0..40);

            let numbers: Vec<u64> = sent.iter().map(|(_, sequence, _)| *sequence).collect();
            assert_eq!(numbers, (0..80 / expected).collect::<Vec<_>>(), "{highest}");
            let names: Vec<u64> = sent.iter().map(|(picture, _, up)| picture - u64::from(*up)).collect();
            assert!(names.iter().zip(&numbers).all(|(name, number)| *name == number / 2), "{highest}: {names:?}");
        }
    }

    #[test]
    fn more_are_sent_again_from_where_they_need_none_that_was_left_out() {
        let mut thinner = Thinner::default();
        thinner.want(0);
        sent(&mut thinner, 0..8);
        thinner.want(WHOLE);

        let pictures: Vec<u64> = sent(&mut thinner, 8..16).iter().map(|(picture, ..)| *picture).collect();

        assert_eq!(pictures, [8, 8, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15]);
    }

    #[test]
    fn what_comes_late_or_twice_has_the_number_it_would_have_had() {
        let mut thinner = Thinner::default();
        thinner.want(0);
        let place = |thinner: &mut Thinner, picture, packet| {
            let sequence = 2 * picture + packet;
            Some(sequence - thinner.take(1, sequence, Some(&of(picture, packet)))?.packets)
        };
        for (picture, packet, expected) in [
            (0, 0, Some(0)),
            (1, 0, None),
            (1, 0, None),
            (2, 0, None),
            (2, 1, None),
            (1, 1, None),
            (3, 1, None),
            (3, 0, None),
            (4, 1, Some(3)),
            (0, 1, Some(1)),
            (4, 0, Some(2)),
        ] {
            assert_eq!(place(&mut thinner, picture, packet), expected, "{picture}.{packet}");
        }
    }

    #[test]
    fn another_stream_and_one_without_layers_are_sent_whole() {
        let mut thinner = Thinner::default();
        thinner.want(0);
        sent(&mut thinner, 0..2000);
        let plain = Descriptor { start: true, ..Descriptor::default() };

        assert_eq!(thinner.take(2, 9, Some(&plain)), Some(Moved::default()));
        assert_eq!(thinner.take(2, 10, None), Some(Moved::default()));
    }

    #[test]
    fn what_is_remembered_has_an_end_and_numbers_go_on() {
        let mut thinner = Thinner::default();
        thinner.want(0);

        let sent = sent(&mut thinner, 0..4000);

        assert!(thinner.left_out.len() <= REMEMBERED);
        assert!(sent.iter().zip(0..).all(|((_, sequence, _), expected)| *sequence == expected));
    }
}
