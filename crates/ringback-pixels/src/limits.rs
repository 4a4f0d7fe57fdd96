//! What a decoder may be given: the headers of a stranger's picture, read with bounds before any decoder sees it.

use ringback_pictures::Coding;
use ringback_rtp::video::sps::{self, BadSps};

/// Longest encoded picture.
pub const LONGEST_FRAME: usize = 512 << 10;
/// Most pixels of a picture: 1920x1088.
pub const MOST_PIXELS: usize = 1920 * 1088;
/// Most pixels across or down.
const MOST_ACROSS: usize = 2048;
/// Most NAL units of one access unit.
const MOST_UNITS: usize = 2048;

/// Why a picture is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is no picture of its coding.
    Broken,
    /// It, or what it says of itself, is beyond a limit.
    TooMuch,
}

/// What a picture says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// It needs no picture before it.
    pub key: bool,
    /// Its sides, where it says them.
    pub size: Option<(usize, usize)>,
}

/// Read the headers of one encoded picture.
pub fn inspect(coding: Coding, data: &[u8]) -> Result<Header, Fault> {
    if data.len() > LONGEST_FRAME {
        return Err(Fault::TooMuch);
    }
    match coding {
        Coding::Vp8 => inspect_vp8(data),
        Coding::H264 => inspect_h264(data),
    }
}

/// RFC 6386 §9.1: three bytes of tag; in a key frame the start code and both sides.
fn inspect_vp8(data: &[u8]) -> Result<Header, Fault> {
    let tag = data.first_chunk::<3>().ok_or(Fault::Broken)?;
    let first_part = (u32::from_le_bytes([tag[0], tag[1], tag[2], 0]) >> 5) as usize;
    if tag[0] & 1 == 1 {
        return if first_part <= data.len() - 3 { Ok(Header::default()) } else { Err(Fault::Broken) };
    }
    let key = data.first_chunk::<10>().ok_or(Fault::Broken)?;
    if key[3..6] != [0x9d, 0x01, 0x2a] || first_part > data.len() - 10 {
        return Err(Fault::Broken);
    }
    let side = |low, high| (usize::from(low) | usize::from(high) << 8) & 0x3fff;
    let size = (side(key[6], key[7]), side(key[8], key[9]));
    fits(size)?;
    Ok(Header { key: true, size: Some(size) })
}

fn fits((width, height): (usize, usize)) -> Result<(), Fault> {
    match (width, height) {
        (0..2, _) | (_, 0..2) => Err(Fault::Broken),
        _ if width > MOST_ACROSS || height > MOST_ACROSS || width * height > MOST_PIXELS => Err(Fault::TooMuch),
        _ => Ok(()),
    }
}

fn fault(sps: BadSps) -> Fault {
    match sps {
        BadSps::Broken => Fault::Broken,
        BadSps::TooMuch => Fault::TooMuch,
    }
}

fn inspect_h264(data: &[u8]) -> Result<Header, Fault> {
    let mut header = Header::default();
    let mut pictures = 0;
    for (index, unit) in units(data).enumerate() {
        if index >= MOST_UNITS {
            return Err(Fault::TooMuch);
        }
        match unit.first().map(|first| first & 0x1f) {
            Some(5) => {
                header.key = true;
                pictures += 1;
            }
            Some(1) => pictures += 1,
            Some(7) => {
                let size = sps::size(&unit[1..]).map_err(fault)?;
                fits(size)?;
                header.size = Some(size);
            }
            Some(6 | 8 | 9 | 12) => {}
            // Partitions, scalable and multiview extensions: nothing that we negotiate.
            _ => return Err(Fault::Broken),
        }
    }
    if pictures == 0 && header.size.is_none() { Err(Fault::Broken) } else { Ok(header) }
}

/// NAL units between start codes (Annex B.1), without the zeros behind them.
pub fn units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(data, 0).map(|at| &data[at + 3..]);
    std::iter::from_fn(move || {
        let here = rest?;
        let next = start_code(here, 0);
        rest = next.map(|at| &here[at + 3..]);
        let unit = next.map_or(here, |at| &here[..at]);
        let zeros = unit.iter().rev().take_while(|&&byte| byte == 0).count();
        Some(&unit[..unit.len() - zeros])
    })
    .filter(|unit| !unit.is_empty())
}

fn start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at + 3 <= data.len() {
        match data[at + 2] {
            1 if data[at] == 0 && data[at + 1] == 0 => return Some(at),
            0 => at += 1,
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes what [`Bits`] reads.
    #[derive(Default)]
    struct Writer(Vec<u8>, usize);

    impl Writer {
        fn bits(mut self, value: u32, n: u32) -> Writer {
            for shift in (0..n).rev() {
                if self.1.is_multiple_of(8) {
                    self.0.push(0);
                }
                *self.0.last_mut().expect("a byte") |= ((value >> shift & 1) as u8) << (7 - self.1 % 8);
                self.1 += 1;
            }
            self
        }

        fn ue(self, value: u32) -> Writer {
            let length = 32 - (value + 1).leading_zeros();
            self.bits(0, length - 1).bits(value + 1, length)
        }
    }

    fn sps(profile: u32, across: u32, down: u32, references: u32) -> Vec<u8> {
        let head = Writer::default().bits(profile, 8).bits(0, 16).ue(0).ue(0).ue(2).ue(references).bits(0, 1);
        let whole = head.ue(across - 1).ue(down - 1).bits(1, 1).bits(1, 8);
        [&[0, 0, 0, 1, 0x67][..], &whole.0].concat()
    }

    #[test]
    fn the_sides_of_a_picture_are_read_from_its_sps() {
        let header = inspect(Coding::H264, &sps(66, 80, 45, 1)).expect("an SPS");
        assert_eq!(header.size, Some((1280, 720)));
    }

    #[test]
    fn a_huge_sps_is_refused_before_a_decoder_sees_it() {
        for (across, down) in [(121, 69), (1024, 1024), (65535, 1), (1, 60000), (129, 1)] {
            assert_eq!(inspect(Coding::H264, &sps(66, across, down, 1)), Err(Fault::TooMuch), "{across}x{down}");
        }
        assert_eq!(inspect(Coding::H264, &sps(66, 80, 45, 17)), Err(Fault::TooMuch));
        assert_eq!(inspect(Coding::H264, &sps(244, 80, 45, 1)), Err(Fault::Broken));
        assert_eq!(inspect(Coding::H264, &[0, 0, 1, 0x67, 66, 0, 31, 0, 0, 0, 0, 0, 0, 0]), Err(Fault::Broken));
    }

    #[test]
    fn a_huge_vp8_key_frame_is_refused() {
        let key = |width: u16, height: u16| {
            let (w, h) = (width.to_le_bytes(), height.to_le_bytes());
            [0x10, 0, 0, 0x9d, 0x01, 0x2a, w[0], w[1], h[0], h[1], 0, 0]
        };
        assert_eq!(inspect(Coding::Vp8, &key(1280, 720)).map(|header| header.size), Ok(Some((1280, 720))));
        assert_eq!(inspect(Coding::Vp8, &key(16383, 16383)), Err(Fault::TooMuch));
        assert_eq!(inspect(Coding::Vp8, &key(0, 720)), Err(Fault::Broken));
        assert_eq!(inspect(Coding::Vp8, &key(1280, 720)[..9]), Err(Fault::Broken));
    }

    #[test]
    fn an_oversize_picture_is_refused_unread() {
        assert_eq!(inspect(Coding::Vp8, &vec![1; LONGEST_FRAME + 1]), Err(Fault::TooMuch));
        let many = [0, 0, 1, 0x41, 9].repeat(MOST_UNITS + 1);
        assert_eq!(inspect(Coding::H264, &many), Err(Fault::TooMuch));
    }

    #[test]
    fn units_are_what_lies_between_start_codes() {
        let data = [9, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0, 0, 1, 0x65, 0, 0, 3, 1];
        let found: Vec<&[u8]> = units(&data).collect();
        assert_eq!(found, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0, 0, 3, 1]]);
        assert_eq!(units(&[]).count() + units(&[0, 0]).count() + units(&[0, 0, 1]).count(), 0);
    }

    #[test]
    fn any_bytes_are_a_header_or_a_fault() {
        let mut seed = 7u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as u8
        };
        for round in 0..30_000 {
            let mut data: Vec<u8> = (0..random()).map(|_| random() & random()).collect();
            data.splice(0..0, [0, 0, 1, 0x67, [66, 77, 100][round % 3]]);
            let _ = inspect(Coding::H264, &data);
            let _ = inspect(Coding::Vp8, &data);
        }
    }
}
