//! H.264 NAL units in RTP: alone, joined (STAP-A) and cut (FU-A), which is modes 0 and 1 (RFC 6184 §5).

use super::sps;

/// NAL unit types that matter here (H.264 table 7-1, RFC 6184 table 1).
pub mod nal {
    /// Slice of a picture that needs others.
    pub const SLICE: u8 = 1;
    /// Slice of a picture that needs none and after which nothing refers back.
    pub const IDR: u8 = 5;
    /// Sequence parameters: size and profile.
    pub const SPS: u8 = 7;
    /// Picture parameters.
    pub const PPS: u8 = 8;
    /// Several NAL units in one packet.
    pub const STAP_A: u8 = 24;
    /// Part of a NAL unit.
    pub const FU_A: u8 = 28;
}

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of a frame in Annex B form, without start codes, trailing zeros or empty ones.
pub fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(frame).unwrap_or_default();
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = rest.windows(3).position(|w| matches!(w, [0, 0, 1])).unwrap_or(rest.len());
            let unit = trimmed(&rest[..end]);
            rest = rest.get(end + 3..).unwrap_or_default();
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    })
}

fn after_start_code(frame: &[u8]) -> Option<&[u8]> {
    let at = frame.windows(3).position(|w| matches!(w, [0, 0, 1]))?;
    Some(&frame[at + 3..])
}

/// A NAL unit does not end with zeros: they belong to the next start code (H.264 §7.4.1).
fn trimmed(unit: &[u8]) -> &[u8] {
    let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &unit[..length]
}

/// The type of a NAL unit, or of a payload.
pub fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

/// Whether a frame has a picture that needs no other.
pub fn is_key_frame(frame: &[u8]) -> bool {
    units(frame).any(|unit| kind(unit) == nal::IDR)
}

/// Whether the first slice of a frame is the first of its picture: `first_mb_in_slice` is 0 (H.264 §7.3.3). Without a
/// slice it is whole for what it is.
pub fn starts_picture(frame: &[u8]) -> bool {
    let slice = units(frame).find(|unit| matches!(kind(unit), nal::SLICE | nal::IDR));
    slice.is_none_or(|slice| slice.get(1).is_some_and(|first| first & 0x80 != 0))
}

/// Whether a decoder can begin with this packet: parameters, or the beginning of a picture that needs no other.
pub fn starts_key_frame(payload: &[u8]) -> bool {
    match kind(payload) {
        nal::IDR | nal::SPS => true,
        nal::STAP_A => aggregated(&payload[1..]).any(|unit| matches!(kind(unit), nal::IDR | nal::SPS)),
        nal::FU_A => payload.get(1).is_some_and(|fu| fu & 0x80 != 0 && fu & 0x1f == nal::IDR),
        _ => false,
    }
}

/// Width and height in whole macroblocks, of a payload that has sequence parameters.
pub fn size(payload: &[u8]) -> Option<(u16, u16)> {
    let of = |unit: &[u8]| {
        let (width, height) = sps::size(unit.get(1..)?).ok()?;
        Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
    };
    match kind(payload) {
        nal::SPS => of(payload),
        nal::STAP_A => aggregated(&payload[1..]).filter(|unit| kind(unit) == nal::SPS).find_map(of),
        _ => None,
    }
}

/// The NAL units behind the header of a STAP-A (§5.7.1), up to the first that does not fit.
fn aggregated(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (size, after) = rest.split_at_checked(2)?;
        let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes([size[0], size[1]])))?;
        rest = after;
        (!unit.is_empty()).then_some(unit)
    })
}

/// Append what a payload carries to a frame in Annex B form; `false` for a packet that is none of modes 0 and 1.
///
/// The packets of a frame have to come in order and without a gap.
pub fn append(payload: &[u8], frame: &mut Vec<u8>) -> bool {
    match kind(payload) {
        1..=23 => push_unit(payload, frame),
        nal::STAP_A => aggregated(&payload[1..]).for_each(|unit| push_unit(unit, frame)),
        nal::FU_A => {
            let [indicator, header, data @ ..] = payload else { return false };
            if header & 0x80 != 0 {
                frame.extend_from_slice(&START_CODE);
                frame.push(indicator & 0xe0 | header & 0x1f);
            }
            frame.extend_from_slice(data);
        }
        _ => return false,
    }
    true
}

fn push_unit(unit: &[u8], frame: &mut Vec<u8>) {
    frame.extend_from_slice(&START_CODE);
    frame.extend_from_slice(unit);
}

/// The payloads of one frame. `joined`: mode 1, in which small units share a packet and long ones are cut; each
/// payload then has at most `longest` bytes. Mode 0 sends each unit as it is.
pub fn packetize(frame: &[u8], joined: bool, longest: usize) -> Vec<Vec<u8>> {
    if !joined {
        return units(frame).map(<[u8]>::to_vec).collect();
    }
    let mut payloads = Vec::new();
    let mut small: Vec<&[u8]> = Vec::new();
    for unit in units(frame) {
        let waiting: usize = small.iter().map(|unit| unit.len() + 2).sum();
        if unit.len() + 2 + waiting + 1 > longest {
            flush(&mut small, &mut payloads);
        }
        if unit.len() <= longest {
            small.push(unit);
        } else {
            fragment(unit, longest, &mut payloads);
        }
    }
    flush(&mut small, &mut payloads);
    payloads
}

fn flush(small: &mut Vec<&[u8]>, payloads: &mut Vec<Vec<u8>>) {
    match small[..] {
        [] => return,
        [unit] => payloads.push(unit.to_vec()),
        [..] => {
            // §5.7.1: F is the or, NRI the highest of all that are joined.
            let forbidden = small.iter().fold(0, |f, unit| f | unit[0] & 0x80);
            let importance = small.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
            let mut payload = vec![forbidden | importance | nal::STAP_A];
            for unit in small.iter() {
                payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
                payload.extend_from_slice(unit);
            }
            payloads.push(payload);
        }
    }
    small.clear();
}

/// FU-A (§5.8): about equally long parts, the first marked S, the last E.
fn fragment(unit: &[u8], longest: usize, payloads: &mut Vec<Vec<u8>>) {
    let Some((&header, data)) = unit.split_first() else { return };
    let most = longest.saturating_sub(2).max(1);
    let each = data.len().div_ceil(data.len().div_ceil(most).max(1)).max(1);
    let parts = data.len().div_ceil(each);
    for (n, part) in data.chunks(each).enumerate() {
        let flags = u8::from(n == 0) << 7 | u8::from(n + 1 == parts) << 6;
        let mut payload = vec![header & 0xe0 | nal::FU_A, flags | header & 0x1f];
        payload.extend_from_slice(part);
        payloads.push(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn annex_b(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&START_CODE[..], unit].concat()).collect()
    }

    fn joined_again(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut frame = Vec::new();
        assert!(payloads.iter().all(|payload| append(payload, &mut frame)));
        frame
    }

    #[test]
    fn units_are_found_behind_short_and_long_start_codes() {
        let frame = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4, 0];

        let found: Vec<&[u8]> = units(&frame).collect();

        assert_eq!(found, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4]]);
        assert_eq!(units(&[1, 2, 3]).count() + units(&[0, 0, 1, 0, 0, 0]).count(), 0);
    }

    #[test]
    fn parameters_share_a_packet_and_a_long_slice_is_cut() {
        let slice: Vec<u8> = std::iter::once(0x65).chain((1..3000).map(|n| (n % 255) as u8 + 1)).collect();
        let frame = annex_b(&[&[0x67, 1, 2, 3], &[0x28, 9], &slice]);

        let payloads = packetize(&frame, true, 1150);

        assert_eq!(payloads[0], [0x78, 0, 4, 0x67, 1, 2, 3, 0, 2, 0x28, 9], "the highest importance of the two");
        assert_eq!(
            payloads.iter().skip(1).map(|p| (p[0], p[1])).collect::<Vec<_>>(),
            [(0x7c, 0x85), (0x7c, 0x05), (0x7c, 0x45)]
        );
        assert!(payloads.iter().all(|payload| payload.len() <= 1150));
        assert_eq!(joined_again(&payloads), frame);
    }

    #[test]
    fn in_mode_0_every_unit_is_a_packet() {
        let frame = annex_b(&[&[0x67, 1], &[0x68, 2], &[0x65; 1100]]);

        let payloads = packetize(&frame, false, 1150);

        assert_eq!(payloads.iter().map(|p| kind(p)).collect::<Vec<_>>(), [nal::SPS, nal::PPS, nal::IDR]);
        assert_eq!(joined_again(&payloads), frame);
    }

    #[test]
    fn a_key_frame_is_known_by_its_first_packet_in_every_form() {
        let starts: [&[u8]; 5] =
            [&[0x67, 1], &[0x65, 1], &[0x7c, 0x85, 1], &[0x78, 0, 2, 0x67, 1], &[0x78, 0, 1, 9, 0, 1, 5]];
        let others: [&[u8]; 6] = [&[], &[0x41, 1], &[0x7c, 0x05, 1], &[0x7c], &[0x78, 0, 9, 0x67], &[0x68, 1]];

        assert!(starts.iter().all(|payload| starts_key_frame(payload)));
        assert!(!others.iter().any(|payload| starts_key_frame(payload)));
        assert!(
            is_key_frame(&annex_b(&[&[0x67, 1], &[0x65, 2]])) && !is_key_frame(&annex_b(&[&[0x67, 1], &[0x41, 2]]))
        );
    }

    #[test]
    fn packets_of_other_modes_are_refused() {
        for kind in [0, 25, 26, 27, 29, 30, 31] {
            assert!(!append(&[0x60 | kind, 0, 0, 1, 0x65], &mut Vec::new()));
        }
        assert!(!append(&[0x7c], &mut Vec::new()));
        assert!(!append(&[], &mut Vec::new()));
    }

    #[test]
    fn any_bytes_are_taken_apart_and_any_units_come_back_whole() {
        let mut random = Random::new(4);
        for round in 0..20_000u64 {
            let bytes = random.bytes(40);
            let mut frame = Vec::new();
            let _ = (append(&bytes, &mut frame), starts_key_frame(&bytes), is_key_frame(&bytes));
            assert!(frame.len() <= bytes.len() * 5);

            let units: Vec<Vec<u8>> = (0..1 + random.below(5))
                .map(|_| {
                    let mut unit: Vec<u8> = random.bytes(if round % 2 == 0 { 20 } else { 400 });
                    unit.iter_mut().for_each(|byte| *byte |= 1);
                    unit.insert(0, 0x60 | (1 + random.below(23)) as u8);
                    unit
                })
                .collect();
            let frame = annex_b(&units.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let payloads = packetize(&frame, true, 100);
            assert!(payloads.iter().all(|payload| payload.len() <= 100));
            assert_eq!(joined_again(&payloads), frame);
        }
    }
}
