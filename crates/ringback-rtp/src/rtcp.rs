//! RTCP compound packets: SR, RR, SDES with a CNAME, BYE (RFC 3550 §6).

use std::fmt;

use crate::packet::be32;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const CNAME: u8 = 1;

/// Why bytes are not an RTCP compound packet (RFC 3550 A.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpError {
    /// A length that does not fit.
    Truncated,
    /// The version is not 2.
    Version,
    /// The first packet is neither SR nor RR.
    First,
    /// Padding anywhere but at the end, or a padding count that does not fit.
    Padding,
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the packet is shorter than its lengths say",
            Self::Version => "the RTCP version is not 2",
            Self::First => "a compound packet does not begin with a report",
            Self::Padding => "the padding does not fit",
        })
    }
}

impl std::error::Error for RtcpError {}

/// What a sender says about its own stream (§6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// Wall clock: seconds since 1900 in the upper 32 bits, fraction below.
    pub ntp: u64,
    /// The same moment on the stream's clock.
    pub rtp_timestamp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload octets sent so far.
    pub octets: u32,
}

/// What a receiver says about one stream (§6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits signed.
    pub cumulative_lost: i32,
    /// Highest extended sequence number.
    pub highest_sequence: u32,
    /// In ticks of the stream's clock.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0 when none came.
    pub last_sr: u32,
    /// Since then, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// One packet of a compound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rtcp {
    /// SR.
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// On its own stream.
        info: SenderInfo,
        /// On others'.
        blocks: Vec<ReportBlock>,
    },
    /// RR.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// On others' streams.
        blocks: Vec<ReportBlock>,
    },
    /// SDES: each source with its CNAME, if that is valid UTF-8.
    SourceDescription(Vec<(u32, Option<String>)>),
    /// BYE.
    Goodbye {
        /// Who leaves.
        sources: Vec<u32>,
        /// Why, if said in valid UTF-8.
        reason: Option<String>,
    },
    /// Anything else, skipped.
    Other {
        /// Its packet type.
        packet_type: u8,
    },
}

/// Read a datagram of one or more RTCP packets, the first of them a report (A.2).
pub fn parse_compound(datagram: &[u8]) -> Result<Vec<Rtcp>, RtcpError> {
    let mut packets = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let (head, body, after) = split_packet(rest)?;
        if packets.is_empty() && !matches!(head.packet_type, SENDER_REPORT | RECEIVER_REPORT) {
            return Err(RtcpError::First);
        }
        if head.padded && !after.is_empty() {
            return Err(RtcpError::Padding);
        }
        packets.push(parse_packet(&head, body)?);
        rest = after;
    }
    if packets.is_empty() { Err(RtcpError::Truncated) } else { Ok(packets) }
}

struct Head {
    packet_type: u8,
    count: usize,
    padded: bool,
}

fn split_packet(rest: &[u8]) -> Result<(Head, &[u8], &[u8]), RtcpError> {
    let (head, tail) = rest.split_at_checked(4).ok_or(RtcpError::Truncated)?;
    if head[0] >> 6 != 2 {
        return Err(RtcpError::Version);
    }
    let length = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
    let (mut body, after) = tail.split_at_checked(length).ok_or(RtcpError::Truncated)?;
    let padded = head[0] & 0x20 != 0;
    if padded {
        let count = usize::from(*body.last().ok_or(RtcpError::Padding)?);
        if count == 0 || count % 4 != 0 || count > body.len() {
            return Err(RtcpError::Padding);
        }
        body = &body[..body.len() - count];
    }
    Ok((Head { packet_type: head[1], count: usize::from(head[0] & 0x1f), padded }, body, after))
}

fn parse_packet(head: &Head, body: &[u8]) -> Result<Rtcp, RtcpError> {
    match head.packet_type {
        SENDER_REPORT => {
            let (own, rest) = body.split_at_checked(24).ok_or(RtcpError::Truncated)?;
            let info = SenderInfo {
                ntp: u64::from(be32(&own[4..])) << 32 | u64::from(be32(&own[8..])),
                rtp_timestamp: be32(&own[12..]),
                packets: be32(&own[16..]),
                octets: be32(&own[20..]),
            };
            Ok(Rtcp::SenderReport { ssrc: be32(own), info, blocks: parse_blocks(head.count, rest)? })
        }
        RECEIVER_REPORT => {
            let (own, rest) = body.split_at_checked(4).ok_or(RtcpError::Truncated)?;
            Ok(Rtcp::ReceiverReport { ssrc: be32(own), blocks: parse_blocks(head.count, rest)? })
        }
        SOURCE_DESCRIPTION => parse_descriptions(head.count, body),
        GOODBYE => parse_goodbye(head.count, body),
        packet_type => Ok(Rtcp::Other { packet_type }),
    }
}

fn parse_blocks(count: usize, bytes: &[u8]) -> Result<Vec<ReportBlock>, RtcpError> {
    let bytes = bytes.get(..count * 24).ok_or(RtcpError::Truncated)?;
    Ok(bytes.chunks_exact(24).map(parse_block).collect())
}

fn parse_block(bytes: &[u8]) -> ReportBlock {
    let lost = be32(&bytes[4..]);
    ReportBlock {
        ssrc: be32(bytes),
        fraction_lost: (lost >> 24) as u8,
        cumulative_lost: (lost << 8) as i32 >> 8,
        highest_sequence: be32(&bytes[8..]),
        jitter: be32(&bytes[12..]),
        last_sr: be32(&bytes[16..]),
        delay_since_last_sr: be32(&bytes[20..]),
    }
}

/// §6.5: chunks of items, each chunk ended by a null octet and padded to a word.
fn parse_descriptions(count: usize, body: &[u8]) -> Result<Rtcp, RtcpError> {
    let mut sources = Vec::new();
    let mut at = 0;
    for _ in 0..count {
        let ssrc = be32(body.get(at..at + 4).ok_or(RtcpError::Truncated)?);
        at += 4;
        let mut cname = None;
        loop {
            let item = *body.get(at).ok_or(RtcpError::Truncated)?;
            if item == 0 {
                break;
            }
            let length = usize::from(*body.get(at + 1).ok_or(RtcpError::Truncated)?);
            let text = body.get(at + 2..at + 2 + length).ok_or(RtcpError::Truncated)?;
            if item == CNAME {
                cname = std::str::from_utf8(text).ok().map(str::to_owned);
            }
            at += 2 + length;
        }
        at = (at / 4 + 1) * 4;
        sources.push((ssrc, cname));
    }
    Ok(Rtcp::SourceDescription(sources))
}

fn parse_goodbye(count: usize, body: &[u8]) -> Result<Rtcp, RtcpError> {
    let (sources, rest) = body.split_at_checked(count * 4).ok_or(RtcpError::Truncated)?;
    let reason = match rest.split_first() {
        Some((&length, text)) => {
            let text = text.get(..usize::from(length)).ok_or(RtcpError::Truncated)?;
            std::str::from_utf8(text).ok().map(str::to_owned)
        }
        None => None,
    };
    Ok(Rtcp::Goodbye { sources: sources.chunks_exact(4).map(be32).collect(), reason })
}

/// Append the packets to `out`, as one datagram. At most 31 blocks, sources or chunks each are written.
///
/// [`Rtcp::Other`] has no contents and is left out.
pub fn write_compound(packets: &[Rtcp], out: &mut Vec<u8>) {
    for packet in packets {
        match packet {
            Rtcp::SenderReport { ssrc, info, blocks } => {
                let start = begin(out, SENDER_REPORT, blocks.len());
                put32(out, *ssrc);
                out.extend_from_slice(&info.ntp.to_be_bytes());
                put32(out, info.rtp_timestamp);
                put32(out, info.packets);
                put32(out, info.octets);
                write_blocks(blocks, out);
                finish(out, start);
            }
            Rtcp::ReceiverReport { ssrc, blocks } => {
                let start = begin(out, RECEIVER_REPORT, blocks.len());
                put32(out, *ssrc);
                write_blocks(blocks, out);
                finish(out, start);
            }
            Rtcp::SourceDescription(sources) => {
                let start = begin(out, SOURCE_DESCRIPTION, sources.len());
                for (ssrc, cname) in sources.iter().take(31) {
                    put32(out, *ssrc);
                    if let Some(cname) = cname {
                        write_text(out, Some(CNAME), cname);
                    }
                    out.push(0);
                    pad(out, start);
                }
                finish(out, start);
            }
            Rtcp::Goodbye { sources, reason } => {
                let start = begin(out, GOODBYE, sources.len());
                sources.iter().take(31).for_each(|ssrc| put32(out, *ssrc));
                if let Some(reason) = reason {
                    write_text(out, None, reason);
                    pad(out, start);
                }
                finish(out, start);
            }
            Rtcp::Other { .. } => {}
        }
    }
}

fn begin(out: &mut Vec<u8>, packet_type: u8, count: usize) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count.min(31) as u8, packet_type, 0, 0]);
    start
}

fn finish(out: &mut [u8], start: usize) {
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn pad(out: &mut Vec<u8>, start: usize) {
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Item type (if any), length, text; cut at 255 octets between characters.
fn write_text(out: &mut Vec<u8>, item: Option<u8>, text: &str) {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.extend(item);
    out.push(end as u8);
    out.extend_from_slice(&text.as_bytes()[..end]);
}

fn write_blocks(blocks: &[ReportBlock], out: &mut Vec<u8>) {
    for block in blocks.iter().take(31) {
        put32(out, block.ssrc);
        put32(out, u32::from(block.fraction_lost) << 24 | block.cumulative_lost as u32 & 0x00ff_ffff);
        put32(out, block.highest_sequence);
        put32(out, block.jitter);
        put32(out, block.last_sr);
        put32(out, block.delay_since_last_sr);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn compound() -> Vec<Rtcp> {
        let block = ReportBlock {
            ssrc: 9,
            fraction_lost: 12,
            cumulative_lost: -3,
            highest_sequence: 0x1_0005,
            jitter: 77,
            last_sr: 0xaabb_ccdd,
            delay_since_last_sr: 65_536,
        };
        let info = SenderInfo { ntp: 0x0102_0304_0506_0708, rtp_timestamp: 1600, packets: 10, octets: 1600 };
        vec![
            Rtcp::SenderReport { ssrc: 1, info, blocks: vec![block] },
            Rtcp::ReceiverReport { ssrc: 2, blocks: vec![] },
            Rtcp::SourceDescription(vec![(1, Some("ännchen@host".into())), (2, None)]),
            Rtcp::Goodbye { sources: vec![1, 2], reason: Some("done".into()) },
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut datagram = Vec::new();
        write_compound(&compound(), &mut datagram);

        assert_eq!(datagram.len() % 4, 0);
        assert_eq!(parse_compound(&datagram), Ok(compound()));
    }

    #[test]
    fn a_compound_has_to_begin_with_a_report_and_end_where_it_says() {
        let mut goodbye = Vec::new();
        write_compound(&compound()[3..], &mut goodbye);
        let mut report = Vec::new();
        write_compound(&compound()[..1], &mut report);

        assert_eq!(parse_compound(&goodbye), Err(RtcpError::First));
        assert_eq!(parse_compound(&report[..report.len() - 1]), Err(RtcpError::Truncated));
        assert_eq!(parse_compound(&[]), Err(RtcpError::Truncated));
        let mut padded = report.clone();
        padded[0] |= 0x20;
        assert_eq!(parse_compound(&padded), Err(RtcpError::Padding));
        let mut old = report;
        old[0] = 0x41;
        assert_eq!(parse_compound(&old), Err(RtcpError::Version));
    }

    #[test]
    fn a_count_that_promises_more_than_there_is_is_refused() {
        let mut report = Vec::new();
        write_compound(&compound()[..1], &mut report);
        report[0] = 0x9f;

        assert_eq!(parse_compound(&report), Err(RtcpError::Truncated));
    }

    #[test]
    fn any_bytes_give_packets_or_an_error() {
        let mut random = Random::new(2);
        let mut valid = Vec::new();
        write_compound(&compound(), &mut valid);
        for _ in 0..100_000 {
            let mut bytes = valid.clone();
            for _ in 0..random.below(6) + 1 {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.next() as u8;
            }
            bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
            let _ = parse_compound(&bytes);
            let _ = parse_compound(&random.bytes(80));
        }
    }
}
