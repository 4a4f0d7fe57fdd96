//! What a camera's layers are like as they arrive: size, pictures in a second and bits in a second, also of a part of
//! their temporal layers (RFC 7741 §4.2).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ringback_rtp::video::{VideoCodec, vp8};
use ringback_sfu::{MOST_LAYERS, Packet};

use crate::viewing::codec_of;

/// Rates are of so long a time, counted in slots; before the least of it they are not known.
const SLOT: Duration = Duration::from_millis(500);
const SLOTS: usize = 8;
const LATE: usize = 4;
const LEAST: Duration = Duration::from_secs(1);
/// A layer that is so far behind the others of its camera has stopped: its sender saves bandwidth or CPU.
const BEHIND: Duration = Duration::from_millis(400);
/// Header of each packet, which a line carries, too.
const HEADER: usize = 12;
/// Temporal layers have numbers below this.
pub const TEMPORAL: usize = 4;
/// All temporal layers.
pub const WHOLE: u8 = TEMPORAL as u8 - 1;

/// What passes in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// With RTP's headers. Whole pictures count like others: they are asked for now and then, and paid for by those after.
    pub bits: f64,
    /// The same of the last part of that time.
    pub lately: f64,
    pub pictures: f64,
    /// Measured for so long.
    pub seconds: f64,
}

/// The layers of one camera or screen.
#[derive(Debug, Default)]
pub struct Measured {
    layers: Vec<Option<Layer>>,
}

#[derive(Debug)]
struct Layer {
    ssrc: u32,
    heard: Instant,
    size: Option<(u16, u16)>,
    /// Of the picture that came last.
    timestamp: Option<u32>,
    /// Of the whole picture that came last.
    key: Option<u32>,
    slots: VecDeque<Slot>,
}

/// By temporal layer.
#[derive(Debug)]
struct Slot {
    begun: Instant,
    counts: [Count; TEMPORAL],
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    bits: u64,
    pictures: u32,
    key_bits: u64,
    keys: u32,
}

impl Measured {
    /// A packet came.
    pub fn note(&mut self, packet: &Packet, now: Instant) {
        let at = usize::from(packet.layer);
        if at >= MOST_LAYERS {
            return;
        }
        if self.layers.len() <= at {
            self.layers.resize_with(at + 1, || None);
        }
        let layer = &mut self.layers[at];
        if layer.as_ref().is_none_or(|known| known.ssrc != packet.ssrc) {
            let slots = VecDeque::with_capacity(SLOTS + 1);
            *layer = Some(Layer { ssrc: packet.ssrc, heard: now, size: None, timestamp: None, key: None, slots });
        }
        layer.as_mut().into_iter().for_each(|layer| layer.note(packet, now));
    }

    /// Layers that send now, highest first.
    pub fn live(&self) -> impl Iterator<Item = u8> + '_ {
        let newest = self.layers.iter().flatten().map(|layer| layer.heard).max();
        let lives = move |layer: &Layer| newest.is_some_and(|newest| newest < layer.heard + BEHIND);
        let numbers = (0..self.layers.len() as u8).rev();
        numbers.filter(move |number| self.layer(*number).is_some_and(lives))
    }

    /// Pixels across and down; `None` before the first whole picture.
    pub fn size(&self, layer: u8) -> Option<(u16, u16)> {
        self.layer(layer)?.size
    }

    /// What a layer is without the temporal layers above `highest`; `None` while that is not known.
    pub fn rate(&self, layer: u8, highest: u8, now: Instant) -> Option<Rate> {
        let slots = &self.layer(layer)?.slots;
        let passed = now.saturating_duration_since(slots.front()?.begun);
        if passed < LEAST {
            return None;
        }
        let temporal = ..=usize::from(highest).min(TEMPORAL - 1);
        let late = slots.len().saturating_sub(LATE);
        let lasted = |first: usize| now.saturating_duration_since(slots[first].begun).as_secs_f64();
        let all = Count::of(slots.iter().flat_map(|slot| &slot.counts[temporal]));
        let lately = Count::of(slots.iter().skip(late).flat_map(|slot| &slot.counts[temporal]));
        let seconds = lasted(0);
        Some(Rate {
            bits: all.all_bits() / seconds,
            lately: lately.all_bits() / lasted(late).max(SLOT.as_secs_f64()),
            pictures: f64::from(all.pictures) / seconds,
            seconds,
        })
    }

    fn layer(&self, layer: u8) -> Option<&Layer> {
        self.layers.get(usize::from(layer))?.as_ref()
    }
}

impl Count {
    fn of<'a>(counts: impl Iterator<Item = &'a Count>) -> Count {
        counts.fold(Count::default(), |a, b| Count {
            bits: a.bits + b.bits,
            pictures: a.pictures + b.pictures,
            key_bits: a.key_bits + b.key_bits,
            keys: a.keys + b.keys,
        })
    }

    /// Bits, as if none of the pictures were whole, if most are not.
    fn all_bits(&self) -> f64 {
        if self.keys * 2 >= self.pictures {
            return self.bits as f64;
        }
        let others = f64::from(self.pictures - self.keys);
        (self.bits - self.key_bits) as f64 * f64::from(self.pictures) / others
    }
}

impl Layer {
    fn note(&mut self, packet: &Packet, now: Instant) {
        self.heard = now;
        let (temporal, size) = look(packet);
        self.size = size.or(self.size);
        if self.slots.back().is_none_or(|slot| now >= slot.begun + SLOT) {
            self.slots.push_back(Slot { begun: now, counts: [Count::default(); TEMPORAL] });
            self.slots.drain(..self.slots.len().saturating_sub(SLOTS + 1));
        }
        if codec_of(packet.format).starts_key_frame(&packet.payload) {
            self.key = Some(packet.timestamp);
        }
        let Some(slot) = self.slots.back_mut() else { return };
        let (count, is_key) = (&mut slot.counts[temporal], self.key == Some(packet.timestamp));
        let bits = 8 * (packet.payload.len() + HEADER) as u64;
        let newer = |last: u32| packet.timestamp != last && packet.timestamp.wrapping_sub(last) < 1 << 31;
        let begins = self.timestamp.is_none_or(newer);
        count.bits += bits;
        count.pictures += u32::from(begins);
        if is_key {
            count.key_bits += bits;
            count.keys += u32::from(begins);
        }
        if begins {
            self.timestamp = Some(packet.timestamp);
        }
    }
}

/// The temporal layer of a packet, and the size of the picture where it begins a whole one.
fn look(packet: &Packet) -> (usize, Option<(u16, u16)>) {
    let codec = codec_of(packet.format);
    let descriptor = match codec {
        VideoCodec::Vp8 => vp8::Descriptor::parse(&packet.payload).map(|(descriptor, _)| descriptor),
        VideoCodec::H264 => None,
    };
    let temporal = descriptor.and_then(|descriptor| descriptor.layer).map_or(0, |(temporal, _)| temporal.into());
    (temporal, codec.size(&packet.payload))
}

#[cfg(test)]
mod tests {
    use ringback_sfu::{Extensions, FormatKind, Mid};

    use super::*;

    /// A packet of 988 bytes: a thousand with its header.
    fn packet(layer: u8, temporal: u8, picture: u32, key: bool) -> Packet {
        let descriptor = vp8::Descriptor {
            start: true,
            picture_id: Some(picture as u16),
            layer: Some((temporal, true)),
            ..vp8::Descriptor::default()
        };
        let mut payload = Vec::new();
        descriptor.write(&mut payload);
        payload.extend_from_slice(&[u8::from(!key), 0, 0, 0x9d, 1, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
        payload.resize(988, 0);
        Packet {
            mid: Mid::from("0"),
            ssrc: 100 + u32::from(layer),
            layer,
            format: FormatKind::Vp8.plain(),
            sequence: u64::from(picture),
            timestamp: picture * 3000,
            marker: true,
            payload: payload.into(),
            extensions: Extensions::default(),
            redundant: None,
        }
    }

    fn ms(n: u32) -> Duration {
        Duration::from_millis(n.into())
    }

    #[test]
    fn rates_are_told_of_the_whole_and_without_upper_temporal_layers() {
        let (mut measured, start) = (Measured::default(), Instant::now());
        for picture in 0..120 {
            let temporal = [0, 2, 1, 2][picture as usize % 4];
            measured.note(&packet(1, temporal, picture, picture == 0), start + ms(picture * 1000 / 30));
        }
        let now = start + ms(4000);

        let about = |highest, pictures: f64| {
            let rate = measured.rate(1, highest, now).unwrap();
            assert!((rate.pictures - pictures).abs() < 0.6, "{rate:?}");
            assert!((rate.bits - 8000.0 * pictures).abs() < 5000.0, "{rate:?}");
        };
        about(WHOLE, 30.0);
        about(1, 15.0);
        about(0, 7.5);
        assert_eq!(measured.size(1), Some((1280, 720)));
        assert_eq!((measured.size(0), measured.rate(0, WHOLE, now)), (None, None));
    }

    #[test]
    fn nothing_is_known_in_the_first_second_and_another_stream_begins_anew() {
        let (mut measured, start) = (Measured::default(), Instant::now());
        for picture in 0..40 {
            measured.note(&packet(0, 0, picture, picture == 0), start + ms(picture * 50));
        }
        assert_eq!(measured.rate(0, WHOLE, start + ms(900)), None);
        assert!(measured.rate(0, WHOLE, start + ms(2000)).is_some());

        measured.note(&Packet { ssrc: 7, ..packet(0, 0, 1, false) }, start + ms(2050));

        assert_eq!((measured.size(0), measured.rate(0, WHOLE, start + ms(2100))), (None, None));
    }

    #[test]
    fn a_layer_that_stops_while_others_go_on_is_gone_soon_and_a_camera_that_freezes_keeps_all() {
        let (mut measured, start) = (Measured::default(), Instant::now());
        for picture in 0..40 {
            measured.note(&packet(0, 0, picture, picture == 0), start + ms(picture * 50));
            if picture < 20 {
                measured.note(&packet(2, 0, picture, picture == 0), start + ms(picture * 50));
            }
            let live: Vec<u8> = measured.live().collect();
            assert_eq!(live, if picture < 27 { vec![2, 0] } else { vec![0] }, "{picture}");
        }
    }

    #[test]
    fn whole_pictures_do_not_make_a_layer_dear_unless_there_are_no_others() {
        for (each, expected) in [(15, 120_000.0), (1, 1_200_000.0)] {
            let (mut measured, start) = (Measured::default(), Instant::now());
            for picture in 0..45 {
                let is_key = picture % each == 0;
                for _ in 0..if is_key { 10 } else { 1 } {
                    measured.note(&packet(0, 0, picture, is_key), start + ms(picture * 1000 / 15));
                }
            }
            let rate = measured.rate(0, WHOLE, start + ms(3000)).unwrap();
            assert!((rate.bits - expected).abs() < expected / 20.0, "{rate:?}");
        }
    }

    #[test]
    fn the_size_of_an_h264_picture_is_read_from_its_parameters() {
        let sps = [0x67, 66, 0, 31, 0xda, 0x01, 0x40, 0x16, 0xc4];
        let of = |payload: &[u8]| Packet {
            format: ringback_sfu::Format { kind: FormatKind::H264, h264: Some((0x42e0, 1)) },
            payload: payload.into(),
            ..packet(0, 0, 1, true)
        };
        assert_eq!(look(&of(&sps)), (0, Some((1280, 720))));
        let together = [&[0x78, 0, sps.len() as u8][..], &sps, &[0, 2, 0x68, 1]].concat();
        assert_eq!(look(&of(&together)), (0, Some((1280, 720))));
        assert_eq!(look(&of(&[0x65, 1, 2])), (0, None));
        for length in 0..sps.len() - 1 {
            assert_eq!(look(&of(&sps[..length])), (0, None));
        }
    }
}
