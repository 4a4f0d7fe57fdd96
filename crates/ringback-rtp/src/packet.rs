//! An RTP packet, read and written (RFC 3550 §5.1, §5.3.1).

use std::fmt;

const FIXED_HEADER: usize = 12;

/// Why bytes are not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtpError {
    /// Shorter than its header, its contributing sources or its extension say.
    Truncated,
    /// The version is not 2.
    Version(u8),
    /// The padding count is zero or larger than what follows the header.
    Padding,
    /// An RTCP packet type where RTP was expected (RFC 5761 §4).
    Rtcp,
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the packet is shorter than its header says"),
            Self::Version(version) => write!(f, "RTP version {version} instead of 2"),
            Self::Padding => f.write_str("the padding count does not fit the packet"),
            Self::Rtcp => f.write_str("an RTCP packet where RTP was expected"),
        }
    }
}

impl std::error::Error for RtpError {}

/// Whether a datagram on a port shared by RTP and RTCP is RTCP (RFC 5761 §4: packet types 192 to 223).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 2 && datagram[0] >> 6 == 2 && (192..=223).contains(&datagram[1])
}

/// A header extension, uninterpreted (RFC 3550 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The 16 bits "defined by profile"; 0xBEDE for one-byte headers (RFC 8285).
    pub profile: u16,
    /// The extension's words, without its own four-byte header.
    pub data: &'a [u8],
}

/// A received RTP packet, borrowed from its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// First packet of a talk spurt, or of a telephone-event.
    pub marker: bool,
    /// Wraps at 2^16.
    pub sequence: u16,
    /// In units of the payload type's clock; wraps at 2^32.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The header extension, if there is one.
    pub extension: Option<Extension<'a>>,
    /// The media, padding removed.
    pub payload: &'a [u8],
    csrc: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Read one datagram. Refuses anything whose lengths do not add up.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtpError> {
        if datagram.len() < FIXED_HEADER {
            return Err(RtpError::Truncated);
        }
        let version = datagram[0] >> 6;
        if version != 2 {
            return Err(RtpError::Version(version));
        }
        if is_rtcp(datagram) {
            return Err(RtpError::Rtcp);
        }
        let csrc_bytes = usize::from(datagram[0] & 0x0f) * 4;
        let rest = &datagram[FIXED_HEADER..];
        let (csrc, rest) = rest.split_at_checked(csrc_bytes).ok_or(RtpError::Truncated)?;
        let (extension, rest) = if datagram[0] & 0x10 != 0 { split_extension(rest)? } else { (None, rest) };
        let payload = if datagram[0] & 0x20 != 0 { strip_padding(rest)? } else { rest };
        Ok(Self {
            payload_type: datagram[1] & 0x7f,
            marker: datagram[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([datagram[2], datagram[3]]),
            timestamp: be32(&datagram[4..]),
            ssrc: be32(&datagram[8..]),
            extension,
            payload,
            csrc,
        })
    }

    /// Contributing sources, at most 15.
    pub fn contributors(&self) -> impl Iterator<Item = u32> + 'a {
        self.csrc.chunks_exact(4).map(be32)
    }
}

fn split_extension(rest: &[u8]) -> Result<(Option<Extension<'_>>, &[u8]), RtpError> {
    let (head, rest) = rest.split_at_checked(4).ok_or(RtpError::Truncated)?;
    let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (data, rest) = rest.split_at_checked(words * 4).ok_or(RtpError::Truncated)?;
    let profile = u16::from_be_bytes([head[0], head[1]]);
    Ok((Some(Extension { profile, data }), rest))
}

/// §5.1: the last octet counts the padding, itself included.
fn strip_padding(rest: &[u8]) -> Result<&[u8], RtpError> {
    let count = usize::from(*rest.last().ok_or(RtpError::Padding)?);
    if count == 0 || count > rest.len() {
        return Err(RtpError::Padding);
    }
    Ok(&rest[..rest.len() - count])
}

pub(crate) fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The header of a packet we send: no contributing sources, no extension, no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    /// 0 to 127.
    pub payload_type: u8,
    /// First packet of a talk spurt, or of a telephone-event.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// In units of the payload type's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl RtpHeader {
    /// The twelve bytes of the header.
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0u8; FIXED_HEADER];
        bytes[0] = 0x80;
        bytes[1] = self.payload_type & 0x7f | if self.marker { 0x80 } else { 0 };
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }

    /// Append header and payload to `out`, which is then one datagram.
    pub fn write(self, payload: &[u8], out: &mut Vec<u8>) {
        out.reserve(FIXED_HEADER + payload.len());
        out.extend_from_slice(&self.to_bytes());
        out.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    const HEADER: RtpHeader =
        RtpHeader { payload_type: 101, marker: true, sequence: 0xfffe, timestamp: 0x1234_5678, ssrc: 0xdead_beef };

    #[test]
    fn what_is_written_is_read_back() {
        let mut datagram = Vec::new();
        HEADER.write(b"sound", &mut datagram);

        let packet = RtpPacket::parse(&datagram).unwrap();

        assert_eq!((packet.payload_type, packet.marker), (101, true));
        assert_eq!((packet.sequence, packet.timestamp, packet.ssrc), (0xfffe, 0x1234_5678, 0xdead_beef));
        assert_eq!(packet.payload, b"sound");
        assert_eq!(packet.extension, None);
        assert_eq!(packet.contributors().count(), 0);
    }

    #[test]
    fn contributors_extension_and_padding_are_taken_apart() {
        let mut datagram = vec![0xb2, 0x00, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        datagram.extend([0, 0, 0, 7, 0, 0, 0, 8]);
        datagram.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        datagram.extend([9, 9, 9, 0, 0, 3]);

        let packet = RtpPacket::parse(&datagram).unwrap();

        assert_eq!(packet.contributors().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(packet.extension, Some(Extension { profile: 0xbede, data: &[1, 2, 3, 4] }));
        assert_eq!(packet.payload, [9, 9, 9]);
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        let mut whole = Vec::new();
        HEADER.write(&[], &mut whole);
        let with = |first: u8, tail: &[u8]| {
            let mut bytes = whole.clone();
            bytes[0] = first;
            bytes.extend_from_slice(tail);
            bytes
        };

        assert_eq!(RtpPacket::parse(&whole[..11]), Err(RtpError::Truncated));
        assert_eq!(RtpPacket::parse(&with(0x40, &[])), Err(RtpError::Version(1)));
        assert_eq!(RtpPacket::parse(&with(0x81, &[0, 0, 0])), Err(RtpError::Truncated));
        assert_eq!(RtpPacket::parse(&with(0x90, &[0, 0, 0])), Err(RtpError::Truncated));
        assert_eq!(RtpPacket::parse(&with(0x90, &[0, 0, 0, 2, 1, 2, 3, 4])), Err(RtpError::Truncated));
        assert_eq!(RtpPacket::parse(&with(0xa0, &[])), Err(RtpError::Padding));
        assert_eq!(RtpPacket::parse(&with(0xa0, &[1, 2, 0])), Err(RtpError::Padding));
        assert_eq!(RtpPacket::parse(&with(0xa0, &[1, 2, 4])), Err(RtpError::Padding));
        assert_eq!(RtpPacket::parse(&with(0xa0, &[1, 2, 3])).unwrap().payload, b"");
    }

    #[test]
    fn a_sender_report_is_not_mistaken_for_sound() {
        let report = [0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0];

        assert!(is_rtcp(&report));
        assert_eq!(RtpPacket::parse(&report), Err(RtpError::Rtcp));
    }

    #[test]
    fn any_bytes_give_a_packet_or_an_error() {
        let mut random = Random::new(1);
        for _ in 0..100_000 {
            let mut bytes = random.bytes(64);
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                assert!(packet.payload.len() + 12 <= bytes.len());
                assert!(packet.contributors().count() <= 15);
            }
        }
    }
}
