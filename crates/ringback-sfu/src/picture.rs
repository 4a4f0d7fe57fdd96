//! What of a picture's packet matters to forwarding: where key frames begin, and VP8's running numbers (RFC 7741 §4.2).

use crate::peer::FormatKind;

/// Running numbers of a VP8 stream that decoders follow; rewritten so that joined streams look like one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PictureNumbers {
    /// PictureID, 7 or 15 bits on the wire.
    pub picture_id: Option<u16>,
    /// TL0PICIDX.
    pub tl0: Option<u8>,
}

/// A packet of a picture, looked at once for all who receive it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Picture {
    /// The first packet of a key frame: decoding can begin here.
    pub starts_key_frame: bool,
    /// As the source wrote them.
    pub numbers: PictureNumbers,
}

impl Picture {
    /// Look at a payload. What cannot be read begins nothing and has no numbers.
    pub fn of(kind: FormatKind, payload: &[u8]) -> Picture {
        match kind {
            FormatKind::Vp8 => Descriptor::parse(payload).map(|d| d.picture(payload)).unwrap_or_default(),
            FormatKind::H264 => Picture { starts_key_frame: h264_begins(payload), ..Picture::default() },
            _ => Picture::default(),
        }
    }
}

impl PictureNumbers {
    /// Put these numbers in place of those that a VP8 payload has; its length stays.
    pub fn write(self, payload: &mut [u8]) {
        let Some(descriptor) = Descriptor::parse(payload) else { return };
        if let (Some((at, long)), Some(id)) = (descriptor.picture_id, self.picture_id) {
            if long {
                payload[at] = 0x80 | (id >> 8) as u8 & 0x7f;
                payload[at + 1] = id as u8;
            } else {
                payload[at] = id as u8 & 0x7f;
            }
        }
        if let (Some(at), Some(tl0)) = (descriptor.tl0, self.tl0) {
            payload[at] = tl0;
        }
    }
}

/// Where things are in a VP8 payload.
struct Descriptor {
    /// Of the PictureID, and whether it has 15 bits.
    picture_id: Option<(usize, bool)>,
    tl0: Option<usize>,
    /// Of the VP8 bitstream.
    body: usize,
}

impl Descriptor {
    fn parse(payload: &[u8]) -> Option<Descriptor> {
        let mut found = Descriptor { picture_id: None, tl0: None, body: 1 };
        if payload.first()? & 0x80 != 0 {
            let has = *payload.get(1)?;
            found.body = 2;
            if has & 0x80 != 0 {
                let long = payload.get(found.body)? & 0x80 != 0;
                found.picture_id = Some((found.body, long));
                found.body += if long { 2 } else { 1 };
            }
            if has & 0x40 != 0 {
                found.tl0 = Some(found.body);
                found.body += 1;
            }
            if has & 0x30 != 0 {
                found.body += 1;
            }
        }
        (found.body < payload.len()).then_some(found)
    }

    fn picture(&self, payload: &[u8]) -> Picture {
        let starts_frame = payload[0] & 0x10 != 0 && payload[0] & 0x07 == 0;
        let picture_id = self.picture_id.map(|(at, long)| match long {
            true => u16::from(payload[at] & 0x7f) << 8 | u16::from(payload[at + 1]),
            false => u16::from(payload[at]),
        });
        Picture {
            starts_key_frame: starts_frame && payload[self.body] & 0x01 == 0,
            numbers: PictureNumbers { picture_id, tl0: self.tl0.map(|at| payload[at]) },
        }
    }
}

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Whether a packet begins an IDR picture or carries the parameters before one (RFC 6184 §5).
fn h264_begins(payload: &[u8]) -> bool {
    let begins = |nal: u8| matches!(nal & 0x1f, IDR | SPS);
    match payload.first().map(|header| header & 0x1f) {
        Some(STAP_A) => {
            let mut rest = &payload[1..];
            while let [high, low, nal, ..] = *rest {
                if begins(nal) {
                    return true;
                }
                let next = 2 + usize::from(u16::from_be_bytes([high, low]));
                rest = rest.get(next..).unwrap_or_default();
            }
            false
        }
        Some(FU_A) => payload.get(1).is_some_and(|fragment| fragment & 0x80 != 0 && fragment & 0x1f == IDR),
        Some(nal) => begins(nal),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X, I with 15 bits, L, T: what Chromium sends with temporal layers.
    const CHROMIUM_KEY: [u8; 8] = [0x90, 0xe0, 0x81, 0x02, 0x33, 0x00, 0x10, 0x9d];

    #[test]
    fn a_vp8_key_frame_is_seen_where_it_starts_and_its_numbers_are_read() {
        let picture = Picture::of(FormatKind::Vp8, &CHROMIUM_KEY);

        assert!(picture.starts_key_frame);
        assert_eq!(picture.numbers, PictureNumbers { picture_id: Some(0x0102), tl0: Some(0x33) });
        let mut delta = CHROMIUM_KEY;
        delta[6] |= 1;
        assert!(!Picture::of(FormatKind::Vp8, &delta).starts_key_frame);
        let mut later_part = CHROMIUM_KEY;
        later_part[0] &= !0x10;
        assert!(!Picture::of(FormatKind::Vp8, &later_part).starts_key_frame);
    }

    #[test]
    fn numbers_are_written_in_the_width_they_have() {
        let mut long = CHROMIUM_KEY;
        let mut short = [0x90, 0x80, 0x05, 0x10, 0x01];
        let mut none = [0x10, 0x10, 0x01];
        let numbers = PictureNumbers { picture_id: Some(0x7abc), tl0: Some(9) };

        [&mut long[..], &mut short[..], &mut none[..]].into_iter().for_each(|payload| numbers.write(payload));

        assert_eq!(Picture::of(FormatKind::Vp8, &long).numbers, numbers);
        assert_eq!(short, [0x90, 0x80, 0x3c, 0x10, 0x01]);
        assert_eq!(none, [0x10, 0x10, 0x01]);
    }

    #[test]
    fn h264_begins_with_parameters_or_an_idr_in_each_kind_of_packet() {
        let begins = |payload: &[u8]| Picture::of(FormatKind::H264, payload).starts_key_frame;

        assert!(begins(&[0x67, 0x42]) && begins(&[0x65, 0x88]));
        assert!(begins(&[0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 0x42]), "parameters after a delimiter");
        assert!(begins(&[0x7c, 0x85, 1]), "the first fragment of an IDR");
        assert!(!begins(&[0x7c, 0x05, 1]) && !begins(&[0x7c, 0x81, 1]) && !begins(&[0x41, 0x9a]));
    }

    #[test]
    fn bytes_cut_short_begin_nothing_and_are_left_alone() {
        for length in 0..CHROMIUM_KEY.len() {
            let mut cut = CHROMIUM_KEY[..length].to_vec();
            PictureNumbers { picture_id: Some(1), tl0: Some(1) }.write(&mut cut);
            assert!(
                length > 6 || (cut == CHROMIUM_KEY[..length] && !Picture::of(FormatKind::Vp8, &cut).starts_key_frame)
            );
        }
        for stap in [&[0x78][..], &[0x78, 0xff], &[0x78, 0xff, 0xff, 0x01], &[0x78, 0, 0, 0, 0, 0, 0], &[0x7c]] {
            assert!(!Picture::of(FormatKind::H264, stap).starts_key_frame);
        }
    }
}
