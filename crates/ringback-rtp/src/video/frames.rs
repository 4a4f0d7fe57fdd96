//! Packets put in order and joined to whole frames; after a loss nothing until the next key frame.

use std::collections::BTreeMap;

use super::{LONGEST_FRAME, VideoCodec, h264, vp8};

/// Packets that wait for others: beyond, those that miss are lost.
const MOST_WAITING: usize = 512;
/// A missing packet is lost once so many later ones are there; reordering moves packets by a few places.
const REORDERED: u64 = 24;
/// Most bytes that wait.
const MOST_BYTES: usize = 2 * LONGEST_FRAME;

/// One whole picture, as a decoder takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// 90 kHz, as the sender counts.
    pub timestamp: u32,
    /// It needs no other.
    pub key: bool,
    /// A VP8 frame, or NAL units behind start codes.
    pub data: Vec<u8>,
}

#[derive(Debug)]
struct Waiting {
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

/// Makes frames of packets that come in any order.
///
/// A frame that follows a lost one is held back until a key frame comes: a decoder would paint grey. Whoever drives
/// it asks the sender for one while [`wants_key_frame`](Self::wants_key_frame) says so.
#[derive(Debug)]
pub struct Depacketizer {
    codec: VideoCodec,
    waiting: BTreeMap<u64, Waiting>,
    bytes: usize,
    /// The next packet to be joined; `None` before the first.
    next: Option<u64>,
    /// Timestamp of the last frame that was whole.
    last: Option<u32>,
    broken: bool,
    lost: u64,
    /// Timestamp of the last frame that was counted as lost.
    lost_last: Option<u32>,
    /// Timestamp of the last frame of which a part was thrown away.
    torn: Option<u32>,
}

impl Depacketizer {
    /// Nothing seen yet: it begins with a key frame.
    pub fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            waiting: BTreeMap::new(),
            bytes: 0,
            next: None,
            last: None,
            broken: true,
            lost: 0,
            lost_last: None,
            torn: None,
        }
    }

    /// Whether only a key frame can be shown next.
    pub fn wants_key_frame(&self) -> bool {
        self.broken
    }

    /// Whether something that comes before what waits has not come.
    pub fn has_gap(&self) -> bool {
        let last = self.waiting.last_key_value().map(|(last, _)| *last);
        self.next.zip(last).is_some_and(|(next, last)| last - next + 1 > self.waiting.len() as u64)
    }

    /// What is missing does not come any more: go on behind it. Whoever has a clock says so; without one only many
    /// later packets do.
    pub fn give_up(&mut self) {
        let Some(mut expected) = self.next else { return };
        let mut begun = None;
        while let Some(packet) = self.waiting.get(&expected) {
            begun = Some(packet.timestamp);
            expected += 1;
        }
        let Some((&behind, _)) = self.waiting.range(expected..).next() else { return };
        self.drop_through(behind - 1);
        self.next = Some(behind);
        self.broken = true;
        begun.into_iter().for_each(|timestamp| self.tear(timestamp));
    }

    /// Frames that were dropped because a part of them, or of one they need, never came.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Take a packet. `sequence` is extended to 64 bits; one that is too late or empty is ignored.
    pub fn push(&mut self, sequence: u64, timestamp: u32, marker: bool, payload: &[u8]) {
        if self.next.is_some_and(|next| sequence < next) || payload.len() > LONGEST_FRAME {
            return;
        }
        let packet = Waiting { timestamp, marker, payload: payload.to_vec() };
        self.bytes += payload.len();
        if let Some(twice) = self.waiting.insert(sequence, packet) {
            self.bytes -= twice.payload.len();
        }
        while self.waiting.len() > MOST_WAITING || self.bytes > MOST_BYTES {
            self.skip();
        }
    }

    /// The next whole frame, in order.
    pub fn pop(&mut self) -> Option<Frame> {
        loop {
            let (&first, _) = self.waiting.first_key_value()?;
            let next = *self.next.get_or_insert(first);
            if first > next {
                let (&newest, _) = self.waiting.last_key_value()?;
                if newest - next < REORDERED {
                    return None;
                }
                self.broken = true;
                self.next = Some(first);
                continue;
            }
            let end = self.end_of_frame(first)?;
            if let Some(frame) = self.join(first, end) {
                return Some(frame);
            }
        }
    }

    /// The last packet of the frame that begins with `first`: marked, or followed by another timestamp (§5.1 of both
    /// formats: the marker may be missing). `None` until it is there.
    fn end_of_frame(&mut self, first: u64) -> Option<u64> {
        let timestamp = self.waiting.get(&first)?.timestamp;
        let mut expected = first;
        let mut gap = false;
        for (&sequence, packet) in self.waiting.range(first..) {
            gap |= sequence != expected;
            if packet.timestamp != timestamp && !gap {
                return Some(sequence - 1);
            }
            if gap {
                break;
            }
            if packet.marker {
                return Some(sequence);
            }
            expected = sequence + 1;
        }
        let newest = self.waiting.last_key_value().map_or(first, |(newest, _)| *newest);
        if gap && newest - expected >= REORDERED {
            // A part of this frame is lost: what there is of it goes.
            self.drop_through(expected - 1);
            self.next = self.waiting.first_key_value().map(|(first, _)| *first);
            self.tear(timestamp);
            return self.next.and_then(|first| self.end_of_frame(first));
        }
        None
    }

    /// Join the packets of one frame; `None` when it cannot be shown.
    fn join(&mut self, first: u64, end: u64) -> Option<Frame> {
        let first = self.waiting.range(first..).next().map_or(first, |(first, _)| *first);
        let timestamp = self.waiting.get(&first)?.timestamp;
        let mut data = Vec::new();
        // The rest of a frame of which something is lost is no frame, even where it could be decoded.
        let mut whole = self.last != Some(timestamp) && self.torn != Some(timestamp);
        let mut started = false;
        for (_, packet) in self.waiting.range(first..=end) {
            whole &= match self.codec {
                VideoCodec::Vp8 => match vp8::Descriptor::parse(&packet.payload) {
                    Some((descriptor, part)) => {
                        started |= data.is_empty() && descriptor.starts_frame();
                        data.extend_from_slice(part);
                        true
                    }
                    None => false,
                },
                VideoCodec::H264 => h264::append(&packet.payload, &mut data),
            };
        }
        self.drop_through(end);
        self.next = Some(end + 1);
        let key = self.codec.is_key_frame(&data);
        if self.codec == VideoCodec::H264 {
            started = h264::starts_picture(&data);
        }
        if data.is_empty() {
            return None;
        }
        if !whole || !started || data.len() > LONGEST_FRAME {
            self.broken = true;
        } else if key {
            self.broken = false;
        }
        if self.broken {
            self.lose(timestamp);
            return None;
        }
        self.last = Some(timestamp);
        Some(Frame { timestamp, key, data })
    }

    /// Too much waits: the oldest frame goes.
    fn skip(&mut self) {
        let Some((&first, packet)) = self.waiting.first_key_value() else { return };
        let timestamp = packet.timestamp;
        let end = self.waiting.iter().take_while(|(_, p)| p.timestamp == timestamp).last().map_or(first, |(n, _)| *n);
        self.drop_through(end);
        self.next = Some(end + 1);
        self.tear(timestamp);
    }

    fn tear(&mut self, timestamp: u32) {
        self.torn = Some(timestamp);
        self.lose(timestamp);
    }

    fn lose(&mut self, timestamp: u32) {
        self.broken = true;
        self.lost += u64::from(self.lost_last.replace(timestamp) != Some(timestamp));
    }

    fn drop_through(&mut self, end: u64) {
        let rest = self.waiting.split_off(&(end + 1));
        let gone = std::mem::replace(&mut self.waiting, rest);
        self.bytes -= gone.values().map(|packet| packet.payload.len()).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;
    use crate::video::Packetizer;

    /// A VP8 frame of this length that says whether it is a key frame.
    fn picture(key: bool, length: usize, seed: u8) -> Vec<u8> {
        let mut frame = vec![seed; length.max(10)];
        frame[..6].copy_from_slice(&[u8::from(!key), 0, 0, 0x9d, 1, 0x2a]);
        frame
    }

    /// (sequence, timestamp, marker, payload) of frames, from sequence 1000 on.
    fn sent(codec: VideoCodec, frames: &[Vec<u8>]) -> Vec<(u64, u32, bool, Vec<u8>)> {
        let mut packetizer = Packetizer::new(codec, 1, 0);
        let mut sequence = 1000;
        let mut packets = Vec::new();
        for (n, frame) in frames.iter().enumerate() {
            let payloads = packetizer.packetize(frame);
            let last = payloads.len() - 1;
            for (at, payload) in payloads.into_iter().enumerate() {
                packets.push((sequence, n as u32 * 6000, at == last, payload));
                sequence += 1;
            }
        }
        packets
    }

    fn shown(depacketizer: &mut Depacketizer, packets: &[(u64, u32, bool, Vec<u8>)]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (sequence, timestamp, marker, payload) in packets {
            depacketizer.push(*sequence, *timestamp, *marker, payload);
            frames.extend(std::iter::from_fn(|| depacketizer.pop()));
        }
        frames
    }

    #[test]
    fn frames_come_back_as_they_were_though_their_packets_change_places() {
        let frames: Vec<Vec<u8>> = (0..20).map(|n| picture(n == 0, 900 * (n % 4 + 1), n as u8)).collect();
        let mut packets = sent(VideoCodec::Vp8, &frames);
        for at in (2..packets.len() - 3).step_by(5) {
            packets.swap(at, at + 3);
        }

        let shown = shown(&mut Depacketizer::new(VideoCodec::Vp8), &packets);

        assert_eq!(shown.iter().map(|f| f.data.clone()).collect::<Vec<_>>(), frames);
        assert_eq!(shown.iter().map(|f| f.timestamp / 6000).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        assert!(shown[0].key && !shown[1].key);
    }

    #[test]
    fn after_a_lost_packet_nothing_is_shown_before_the_next_key_frame() {
        let frames: Vec<Vec<u8>> = (0..60).map(|n| picture(n % 40 == 0, 2500, n as u8)).collect();
        let mut packets = sent(VideoCodec::Vp8, &frames);
        packets.remove(3 * 5 + 1);
        let mut depacketizer = Depacketizer::new(VideoCodec::Vp8);

        let before = shown(&mut depacketizer, &packets[..60]);
        assert!(depacketizer.wants_key_frame());
        let after = shown(&mut depacketizer, &packets[60..]);

        assert_eq!(before.iter().map(|f| f.timestamp / 6000).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(after.iter().map(|f| f.timestamp / 6000).collect::<Vec<_>>(), (40..60).collect::<Vec<_>>());
        assert!(!depacketizer.wants_key_frame());
        assert_eq!(depacketizer.lost(), 35);
    }

    #[test]
    fn what_is_missing_is_given_up_by_the_clock_before_many_packets_come_behind_it() {
        let frames: Vec<Vec<u8>> = (0..4).map(|n| picture(n == 0 || n == 3, 2500, n as u8)).collect();
        let mut packets = sent(VideoCodec::Vp8, &frames);
        packets.remove(4);
        let mut depacketizer = Depacketizer::new(VideoCodec::Vp8);

        let before = shown(&mut depacketizer, &packets);
        assert!(depacketizer.has_gap() && !depacketizer.wants_key_frame());
        depacketizer.give_up();
        let after: Vec<Frame> = std::iter::from_fn(|| depacketizer.pop()).collect();

        assert_eq!(before.len(), 1);
        assert_eq!(after.iter().map(|f| f.timestamp / 6000).collect::<Vec<_>>(), [3], "from the next whole one on");
        assert!(!depacketizer.has_gap() && !depacketizer.wants_key_frame());
    }

    #[test]
    fn the_rest_of_a_key_frame_in_slices_is_no_key_frame() {
        let slice = |first: bool| [&[0, 0, 0, 1, 0x65, if first { 0x80 } else { 0x20 }][..], &[7; 50]].concat();
        let mut frame = vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2];
        (0..4).for_each(|n| frame.extend(slice(n == 0)));
        let mut packetizer = Packetizer::new(VideoCodec::H264, 0, 0);
        for lost in 0..6 {
            let mut depacketizer = Depacketizer::new(VideoCodec::H264);
            depacketizer.push(99, 0, true, &[0x41, 0x9a]);
            assert_eq!(depacketizer.pop(), None);
            for (at, payload) in packetizer.packetize(&frame).iter().enumerate().filter(|(at, _)| *at != lost) {
                depacketizer.push(100 + at as u64, 3000, at == 5, payload);
            }
            // The next frame shows that the last packet is lost, too.
            depacketizer.push(106, 6000, true, &[0x41, 0x9a]);
            depacketizer.give_up();
            let shown = std::iter::from_fn(|| depacketizer.pop()).next();
            // Without the parameters before it the picture is whole; a decoder has them, or says that it has not.
            assert_eq!(shown.is_some(), lost < 1, "{lost}");
        }
    }

    #[test]
    fn whoever_comes_late_begins_with_a_key_frame() {
        let frames: Vec<Vec<u8>> = (0..6).map(|n| picture(n == 4, 100, n as u8)).collect();

        let shown = shown(&mut Depacketizer::new(VideoCodec::Vp8), &sent(VideoCodec::Vp8, &frames)[1..]);

        assert_eq!(shown.iter().map(|f| f.timestamp / 6000).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn a_frame_without_a_marker_ends_where_the_next_begins() {
        let frames: Vec<Vec<u8>> = (0..4).map(|n| picture(n == 0, 2000, n as u8)).collect();
        let mut packets = sent(VideoCodec::Vp8, &frames);
        packets.iter_mut().for_each(|packet| packet.2 = false);

        let shown = shown(&mut Depacketizer::new(VideoCodec::Vp8), &packets);

        assert_eq!(shown.len(), 3);
    }

    #[test]
    fn an_endless_frame_is_given_up_and_the_memory_with_it() {
        let mut depacketizer = Depacketizer::new(VideoCodec::H264);

        for sequence in 0..5000 {
            depacketizer.push(sequence, 0, false, &[0x7c; 700]);
            assert_eq!(depacketizer.pop(), None);
        }

        assert!(depacketizer.waiting.len() <= MOST_WAITING && depacketizer.bytes <= MOST_BYTES);
        assert!(depacketizer.wants_key_frame());
    }

    #[test]
    fn any_packets_give_frames_or_nothing_and_the_count_of_bytes_holds() {
        let mut random = Random::new(5);
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            let mut depacketizer = Depacketizer::new(codec);
            for round in 0..60_000u64 {
                let payload = random.bytes(30);
                let sequence =
                    if random.below(50) == 0 { random.next() >> 1 } else { 0x1_0000 + round + random.below(40) };
                depacketizer.push(sequence, random.below(3) as u32 * 3000, random.below(3) == 0, &payload);
                while let Some(frame) = depacketizer.pop() {
                    assert!(!frame.data.is_empty());
                }
                if round % 1000 == 0 {
                    depacketizer = Depacketizer::new(codec);
                }
                assert_eq!(depacketizer.bytes, depacketizer.waiting.values().map(|p| p.payload.len()).sum::<usize>());
            }
        }
    }
}
