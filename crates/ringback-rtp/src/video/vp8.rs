//! The VP8 payload descriptor, and what the header of a frame tells (RFC 7741 §4.2, RFC 6386 §9.1).

/// What stands before the VP8 data of each packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// N: no other frame needs this one.
    pub non_reference: bool,
    /// S: a partition begins with this packet.
    pub start: bool,
    /// Partition index, 0 to 7.
    pub partition: u8,
    /// Number of the picture: 7 or 15 bits on the wire.
    pub picture_id: Option<u16>,
    /// Running number of the lowest temporal layer.
    pub tl0_index: Option<u8>,
    /// Temporal layer (0 to 3), and Y: it needs only the lowest layer.
    pub layer: Option<(u8, bool)>,
    /// Running number of the key frames, 5 bits.
    pub key_index: Option<u8>,
}

impl Descriptor {
    /// Read a payload; answers with the VP8 data behind the descriptor. `None`: cut short, or nothing behind it.
    pub fn parse(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (&first, mut rest) = payload.split_first()?;
        let mut found = Self {
            non_reference: first & 0x20 != 0,
            start: first & 0x10 != 0,
            partition: first & 0x07,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            let has = take(&mut rest)?;
            if has & 0x80 != 0 {
                let high = take(&mut rest)?;
                found.picture_id = Some(match high & 0x80 {
                    0 => u16::from(high),
                    _ => u16::from_be_bytes([high & 0x7f, take(&mut rest)?]),
                });
            }
            if has & 0x40 != 0 {
                found.tl0_index = Some(take(&mut rest)?);
            }
            if has & 0x30 != 0 {
                let bits = take(&mut rest)?;
                found.layer = (has & 0x20 != 0).then_some((bits >> 6, bits & 0x20 != 0));
                found.key_index = (has & 0x10 != 0).then_some(bits & 0x1f);
            }
        }
        (!rest.is_empty()).then_some((found, rest))
    }

    /// Append it, the picture id always with 15 bits.
    pub fn write(&self, out: &mut Vec<u8>) {
        let has = u8::from(self.picture_id.is_some()) << 7
            | u8::from(self.tl0_index.is_some()) << 6
            | u8::from(self.layer.is_some()) << 5
            | u8::from(self.key_index.is_some()) << 4;
        let flags = u8::from(self.non_reference) << 5 | u8::from(self.start) << 4 | self.partition & 0x07;
        out.push(flags | u8::from(has != 0) << 7);
        if has == 0 {
            return;
        }
        out.push(has);
        if let Some(picture_id) = self.picture_id {
            out.extend_from_slice(&(picture_id | 0x8000).to_be_bytes());
        }
        out.extend(self.tl0_index);
        if has & 0x30 != 0 {
            let (layer, y) = self.layer.unwrap_or_default();
            out.push((layer & 3) << 6 | u8::from(y) << 5 | self.key_index.unwrap_or_default() & 0x1f);
        }
    }

    /// Whether this packet is the first of a frame.
    pub fn starts_frame(&self) -> bool {
        self.start && self.partition == 0
    }
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    Some(first)
}

/// Whether a payload is the first of a key frame.
pub fn starts_key_frame(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|(descriptor, data)| descriptor.starts_frame() && is_key_frame(data))
}

/// Whether a frame is a key frame: P of its header is 0, and the start code follows (RFC 6386 §9.1).
pub fn is_key_frame(frame: &[u8]) -> bool {
    matches!(frame, [tag, _, _, 0x9d, 0x01, 0x2a, ..] if tag & 1 == 0)
}

/// Width and height in pixels, which a key frame tells.
pub fn size(frame: &[u8]) -> Option<(u16, u16)> {
    let fields = frame.get(6..10).filter(|_| is_key_frame(frame))?;
    let field = |at: usize| u16::from_le_bytes([fields[at], fields[at + 1]]) & 0x3fff;
    Some((field(0), field(2)))
}

/// The payloads of one frame, each of at most `longest` bytes, about equally long.
pub fn packetize(frame: &[u8], picture_id: u16, longest: usize) -> Vec<Vec<u8>> {
    const DESCRIPTOR: usize = 4;
    let most = longest.saturating_sub(DESCRIPTOR).max(1);
    let each = frame.len().div_ceil(frame.len().div_ceil(most).max(1)).max(1);
    let mut start = true;
    let cut = frame.chunks(each).map(|chunk| {
        let descriptor = Descriptor { start, picture_id: Some(picture_id), ..Descriptor::default() };
        start = false;
        let mut payload = Vec::with_capacity(DESCRIPTOR + chunk.len());
        descriptor.write(&mut payload);
        payload.extend_from_slice(chunk);
        payload
    });
    cut.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    const KEY: [u8; 12] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02, 7, 7];

    #[test]
    fn a_descriptor_with_everything_in_it_is_read_and_written_back() {
        let bytes = [0xb3, 0xf0, 0x81, 0x02, 0x55, 0xa7, 0xee];

        let (descriptor, data) = Descriptor::parse(&bytes).unwrap();

        let expected = Descriptor {
            non_reference: true,
            start: true,
            partition: 3,
            picture_id: Some(0x0102),
            tl0_index: Some(0x55),
            layer: Some((2, true)),
            key_index: Some(7),
        };
        assert_eq!((descriptor, data), (expected, &[0xee][..]));
        let mut written = Vec::new();
        descriptor.write(&mut written);
        assert_eq!(written, bytes[..6]);
    }

    #[test]
    fn a_short_picture_id_is_written_as_a_long_one() {
        let (descriptor, _) = Descriptor::parse(&[0x90, 0x80, 0x11, 1]).unwrap();

        let mut written = Vec::new();
        descriptor.write(&mut written);

        assert_eq!(descriptor.picture_id, Some(0x11));
        assert_eq!(written, [0x90, 0x80, 0x80, 0x11]);
    }

    #[test]
    fn the_smallest_descriptor_is_one_byte_and_an_empty_payload_is_none() {
        assert_eq!(
            Descriptor::parse(&[0x10, 9]),
            Some((Descriptor { start: true, ..Descriptor::default() }, &[9][..]))
        );
        for short in [&[][..], &[0x10], &[0x90, 0x80], &[0x90, 0x80, 0x80, 0], &[0x90, 0xf0, 1, 2]] {
            assert_eq!(Descriptor::parse(short), None, "{short:02x?}");
        }
    }

    #[test]
    fn a_key_frame_tells_its_size_and_only_its_first_packet_starts_it() {
        let payloads = packetize(&KEY, 5, 10);

        assert_eq!(size(&KEY), Some((1280, 720)));
        assert_eq!(payloads.iter().map(|p| starts_key_frame(p)).collect::<Vec<_>>(), [true, false]);
        let mut delta = KEY;
        delta[0] |= 1;
        assert!(!is_key_frame(&delta));
        assert_eq!(size(&delta), None);
    }

    #[test]
    fn a_frame_is_cut_into_payloads_that_are_not_too_long_and_of_one_picture() {
        let frame: Vec<u8> = (0..5000).map(|n| n as u8).collect();

        let payloads = packetize(&frame, 0x7fff, 1150);

        assert_eq!(payloads.len(), 5);
        assert!(payloads.iter().all(|p| p.len() <= 1150));
        let parsed: Vec<_> = payloads.iter().map(|p| Descriptor::parse(p).unwrap()).collect();
        assert!(parsed.iter().all(|(d, _)| d.picture_id == Some(0x7fff)));
        assert_eq!(parsed.iter().flat_map(|(_, data)| data.to_vec()).collect::<Vec<_>>(), frame);
    }

    #[test]
    fn any_bytes_give_a_descriptor_or_nothing() {
        let mut random = Random::new(3);
        for _ in 0..200_000 {
            let bytes = random.bytes(16);
            if let Some((descriptor, data)) = Descriptor::parse(&bytes) {
                let mut written = Vec::new();
                descriptor.write(&mut written);
                written.extend_from_slice(data);
                assert_eq!(Descriptor::parse(&written), Some((descriptor, data)));
            }
            let _ = (starts_key_frame(&bytes), size(&bytes));
        }
    }
}
