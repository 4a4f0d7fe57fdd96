//! The stream of pictures towards one phone: its numbers, what of it may be sent again, and the totals of its reports.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ringback_rtp::SentTotals;
use ringback_rtp::video::{Missing, VideoCodec, vp8::Descriptor};
use ringback_sfu::{Packet, Rewriter};

use crate::fitting::Ask;
use crate::pictures::PictureId;
use crate::sys;
use crate::thinning::Thinner;
use crate::tracks::TrackKey;

/// What was sent is kept this long for a phone that may ask for it again, so many packets, each sent again so often.
const KEPT: Duration = Duration::from_secs(1);
const MOST_KEPT: usize = 256;
const MOST_REPEATS: u8 = 3;

/// A layer of somebody's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Of {
    pub track: TrackKey,
    pub layer: u8,
}

/// The stream towards a phone.
pub struct Outgoing {
    pub ssrc: u32,
    rewriter: Rewriter,
    /// What is shown, and what is to be shown once its key frame comes.
    pub shown: Option<Of>,
    pub next: Option<Of>,
    /// What is not sent of it.
    pub thinner: Thinner,
    /// Of this it was passed on too much: until then no more than it has now is tried.
    pub down: Option<(TrackKey, Instant)>,
    /// What it would have its sender do.
    pub asks: Option<(TrackKey, Ask)>,
    pub chosen: Option<Instant>,
    /// What is made for it, and whether it is shown that already.
    pub making: Option<PictureId>,
    pub made: Option<PictureId>,
    /// Added to VP8's picture ids and to its count of lowest layers.
    picture_offset: u16,
    layer_offset: u8,
    last_picture: u16,
    last_layer: u8,
    packets: u64,
    octets: u64,
    /// Of the packet sent last, and when that was.
    timestamp: u32,
    sent: Option<Instant>,
    /// What of the source that is shown has not come.
    missing: (u64, Missing),
    /// What may be asked for again, oldest first.
    kept: VecDeque<Kept>,
}

/// A packet as it was sent.
struct Kept {
    sequence: u16,
    sent: Instant,
    repeats: u8,
    datagram: Vec<u8>,
}

/// A packet of a source as it is to be sent.
pub struct Numbered {
    pub sequence: u16,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

impl Outgoing {
    pub fn new() -> Outgoing {
        let random = sys::random_u64();
        Outgoing {
            ssrc: random as u32,
            rewriter: Rewriter::new(VideoCodec::CLOCK_RATE, (random >> 32) as u16, sys::random_u64() as u32),
            shown: None,
            next: None,
            thinner: Thinner::default(),
            down: None,
            asks: None,
            chosen: None,
            making: None,
            made: None,
            picture_offset: 0,
            layer_offset: 0,
            last_picture: (random >> 48) as u16 & 0x7fff,
            last_layer: 0,
            packets: 0,
            octets: 0,
            timestamp: 0,
            sent: None,
            missing: (0, Missing::new(true)),
            kept: VecDeque::new(),
        }
    }

    /// Whether it was sent anything: what was sent last stands still until something else is.
    pub fn has_sent(&self) -> bool {
        self.packets > 0
    }

    /// A packet of the source that is shown, with its numbers continued; `joins`: the first of another source. `None`: it is
    /// not sent.
    pub fn numbered(
        &mut self,
        source: u64,
        packet: &Packet,
        codec: VideoCodec,
        joins: bool,
        now: Instant,
    ) -> Option<Numbered> {
        let (payload, moved) = self.renumbered(source, packet.sequence, codec, &packet.payload, joins)?;
        let sequence = packet.sequence.wrapping_sub(moved);
        let (sequence, timestamp) = self.rewriter.rewrite(source, sequence, packet.timestamp, now)?;
        Some(Numbered { sequence: sequence as u16, timestamp, payload })
    }

    /// The payload with its picture numbers continued, and by how much its packet moves up; `joins`: the first of another
    /// source. `None`: it is not sent.
    fn renumbered(
        &mut self,
        source: u64,
        sequence: u64,
        codec: VideoCodec,
        payload: &[u8],
        joins: bool,
    ) -> Option<(Vec<u8>, u64)> {
        if codec != VideoCodec::Vp8 {
            return Some((payload.to_vec(), self.thinner.take(source, sequence, None)?.packets));
        }
        let (mut descriptor, data) = Descriptor::parse(payload)?;
        let moved = self.thinner.take(source, sequence, Some(&descriptor))?;
        if joins {
            let picture = descriptor.picture_id.unwrap_or(0);
            self.picture_offset = self.last_picture.wrapping_add(1).wrapping_sub(picture);
            self.layer_offset = self.last_layer.wrapping_add(1).wrapping_sub(descriptor.tl0_index.unwrap_or(0));
        }
        if let Some(picture) = &mut descriptor.picture_id {
            *picture = picture.wrapping_add(self.picture_offset).wrapping_sub(moved.pictures) & 0x7fff;
            self.last_picture = *picture;
        }
        if let Some(layer) = &mut descriptor.tl0_index {
            *layer = layer.wrapping_add(self.layer_offset);
            self.last_layer = *layer;
        }
        let mut out = Vec::with_capacity(payload.len() + 2);
        descriptor.write(&mut out);
        out.extend_from_slice(data);
        Some((out, moved.packets))
    }

    /// For a report of `now`: its timestamp is that of the report, whenever the last picture was (RFC 3550 §6.4.1), as
    /// the far end lays sound and pictures side by side with it.
    pub fn totals(&self, now: Instant) -> SentTotals {
        let passed = self.sent.map_or(0, |sent| now.saturating_duration_since(sent).as_micros());
        let ticks = (passed * u128::from(VideoCodec::CLOCK_RATE) / 1_000_000) as u32;
        let timestamp = self.timestamp.wrapping_add(ticks);
        SentTotals { ssrc: self.ssrc, packets: self.packets, octets: self.octets, timestamp }
    }

    /// A packet was sent.
    pub fn count(&mut self, packet: &Numbered, now: Instant) {
        self.packets += 1;
        self.octets += packet.payload.len() as u64;
        (self.timestamp, self.sent) = (packet.timestamp, Some(now));
    }

    /// A packet of a source is to be sent; `true`: one before it never came.
    pub fn note(&mut self, source: u64, sequence: u64, now: Instant) -> bool {
        if self.missing.0 != source {
            self.missing = (source, Missing::new(true));
        }
        self.missing.1.receive(sequence, now)
    }

    pub fn keep(&mut self, sequence: u16, datagram: Vec<u8>, now: Instant) {
        let old = |kept: &Kept| now >= kept.sent + KEPT;
        while self.kept.len() >= MOST_KEPT || self.kept.front().is_some_and(old) {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept { sequence, sent: now, repeats: 0, datagram });
    }

    /// What was sent under a number, where it is kept and was not sent again too often already.
    pub fn again(&mut self, sequence: u16) -> Option<&[u8]> {
        let kept = self.kept.iter_mut().rev().find(|kept| kept.sequence == sequence)?;
        if kept.repeats >= MOST_REPEATS {
            return None;
        }
        kept.repeats += 1;
        Some(&kept.datagram)
    }
}
