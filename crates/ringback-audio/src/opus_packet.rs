//! The inside of Opus packets, without decoding them: how long they are, and the same frames in other packets
//! (RFC 6716 §3).

/// Ticks of the Opus RTP clock in a millisecond.
const TICKS_PER_MS: u32 = 48;
/// §3.2.5: a packet holds at most 120 ms.
const LONGEST: u32 = 120 * TICKS_PER_MS;
const LONGEST_FRAME: usize = 1275;
const MAX_FRAMES: usize = 48;

/// An Opus packet taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusFrames<'a> {
    /// Mode, bandwidth, frame size and stereo flag: the TOC byte without its count code.
    toc: u8,
    frames: Vec<&'a [u8]>,
}

/// Ticks (at 48000 Hz) of sound in a packet, without looking at its frames; `None` when it cannot be valid.
pub fn opus_ticks(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let ticks = frame_ticks(toc) * count;
    (ticks > 0 && ticks <= LONGEST).then_some(ticks)
}

/// §3.1, table 2.
fn frame_ticks(toc: u8) -> u32 {
    let config = toc >> 3;
    match config {
        0..=11 => [10, 20, 40, 60][usize::from(config & 3)] * TICKS_PER_MS,
        12..=15 => [10, 20][usize::from(config & 1)] * TICKS_PER_MS,
        _ => 120 << (config & 3),
    }
}

impl<'a> OpusFrames<'a> {
    /// Take a packet apart (§3.2). `None` when it breaks a rule of §3.4.
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        opus_ticks(packet)?;
        let (&toc, rest) = packet.split_first()?;
        let frames = match toc & 3 {
            0 => vec![rest],
            1 => equal(rest, 2)?,
            2 => {
                let (length, rest) = split_length(rest)?;
                let (first, second) = rest.split_at_checked(length)?;
                vec![first, second]
            }
            _ => several(rest)?,
        };
        let valid = frames.iter().all(|frame| frame.len() <= LONGEST_FRAME);
        valid.then_some(Self { toc: toc & 0xfc, frames })
    }

    /// Ticks of one frame, at 48000 Hz.
    pub fn frame_ticks(&self) -> u32 {
        frame_ticks(self.toc)
    }

    /// The same frames in packets of `ticks` each; `None` when frames would have to be cut.
    pub fn repacketise(&self, ticks: u32) -> Option<Vec<Vec<u8>>> {
        let each = (ticks / self.frame_ticks()) as usize;
        if each == 0 || !ticks.is_multiple_of(self.frame_ticks()) || !self.frames.len().is_multiple_of(each) {
            return None;
        }
        Some(self.frames.chunks(each).map(|frames| pack(self.toc, frames)).collect())
    }

    /// One packet of the frames of both; `None` when they are of different kinds or too long together.
    pub fn join(&self, other: &Self) -> Option<Vec<u8>> {
        let frames: Vec<&[u8]> = self.frames.iter().chain(&other.frames).copied().collect();
        let fits = self.toc == other.toc && self.frame_ticks() * frames.len() as u32 <= LONGEST;
        fits.then(|| pack(self.toc, &frames))
    }
}

fn equal(bytes: &[u8], count: usize) -> Option<Vec<&[u8]>> {
    if !bytes.len().is_multiple_of(count) {
        return None;
    }
    let length = bytes.len() / count;
    Some((0..count).map(|at| &bytes[at * length..(at + 1) * length]).collect())
}

/// §3.2.1: one byte up to 251, else two.
fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 252 {
        return Some((usize::from(first), rest));
    }
    let (&second, rest) = rest.split_first()?;
    Some((usize::from(second) * 4 + usize::from(first), rest))
}

/// §3.2.5: code 3 packets.
fn several(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (&head, mut rest) = bytes.split_first()?;
    let count = usize::from(head & 0x3f);
    if count == 0 || count > MAX_FRAMES {
        return None;
    }
    if head & 0x40 != 0 {
        let mut padding = 0;
        loop {
            let (&more, after) = rest.split_first()?;
            rest = after;
            padding += usize::from(more).min(254);
            if more != 255 {
                break;
            }
        }
        rest = &rest[..rest.len().checked_sub(padding)?];
    }
    if head & 0x80 == 0 {
        return equal(rest, count);
    }
    let mut lengths = Vec::with_capacity(count - 1);
    for _ in 1..count {
        let (length, after) = split_length(rest)?;
        lengths.push(length);
        rest = after;
    }
    let mut frames = Vec::with_capacity(count);
    for length in lengths {
        let (frame, after) = rest.split_at_checked(length)?;
        frames.push(frame);
        rest = after;
    }
    frames.push(rest);
    Some(frames)
}

fn pack(toc: u8, frames: &[&[u8]]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 2).sum::<usize>() + 2);
    match frames {
        [only] => {
            packet.push(toc);
            packet.extend_from_slice(only);
        }
        _ => {
            packet.extend([toc | 3, 0x80 | frames.len() as u8]);
            for frame in &frames[..frames.len() - 1] {
                push_length(frame.len(), &mut packet);
            }
            frames.iter().for_each(|frame| packet.extend_from_slice(frame));
        }
    }
    packet
}

fn push_length(length: usize, packet: &mut Vec<u8>) {
    if length < 252 {
        packet.push(length as u8);
    } else {
        let first = 252 + (length & 3);
        packet.extend([first as u8, ((length - first) / 4) as u8]);
    }
}
