//! What a receiver of pictures asks for by RTCP: a key frame (PLI, FIR), lost packets (RFC 4585, 5104, 2032).
//!
//! Taken alone or behind a report, whatever was agreed on: phones send it under plain AVP, too (RFC 5506 for the form).

use crate::packet::be32;

/// Transport-layer feedback: generic NACK.
const TRANSPORT: u8 = 205;
/// Payload-specific feedback: PLI, FIR.
const PAYLOAD: u8 = 206;
/// The FIR of H.261 (RFC 2032 §5.2.1), which some phones send for every codec.
const OLD_FIR: u8 = 192;

/// One thing asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// A picture is lost; `ssrc` is the stream's.
    PictureLoss {
        /// Whose.
        ssrc: u32,
    },
    /// A whole picture is wanted. The same `sequence` is the same request again; the old kind has none.
    FullIntra {
        /// Of which stream.
        ssrc: u32,
        /// Number of the request.
        sequence: Option<u8>,
    },
    /// Packets are missing.
    Missing {
        /// Of which stream.
        ssrc: u32,
        /// The first of them, and a bit for each of the 16 after it.
        packets: (u16, u16),
    },
}

/// Everything a datagram asks for; empty when nothing, or when its lengths do not add up.
pub fn parse_feedback(datagram: &[u8]) -> Vec<Feedback> {
    let mut found = Vec::new();
    let mut rest = datagram;
    while let Some((head, tail)) = rest.split_at_checked(4) {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        let Some((body, after)) = tail.split_at_checked(length) else { break };
        if head[0] >> 6 != 2 {
            break;
        }
        read(head[1], head[0] & 0x1f, body, &mut found);
        rest = after;
    }
    found
}

fn read(packet_type: u8, format: u8, body: &[u8], found: &mut Vec<Feedback>) {
    match (packet_type, format, body) {
        (OLD_FIR, _, [_, _, _, _, ..]) => found.push(Feedback::FullIntra { ssrc: be32(body), sequence: None }),
        (PAYLOAD, 1, [_, _, _, _, ssrc @ ..]) if ssrc.len() >= 4 => {
            found.push(Feedback::PictureLoss { ssrc: be32(ssrc) });
        }
        (PAYLOAD, 4, _) => {
            let entries = body.get(8..).unwrap_or_default().chunks_exact(8);
            found.extend(entries.map(|entry| Feedback::FullIntra { ssrc: be32(entry), sequence: Some(entry[4]) }));
        }
        (TRANSPORT, 1, _) if body.len() >= 12 => {
            let ssrc = be32(&body[4..]);
            let pair =
                |entry: &[u8]| (u16::from_be_bytes([entry[0], entry[1]]), u16::from_be_bytes([entry[2], entry[3]]));
            found.extend(body[8..].chunks_exact(4).map(|entry| Feedback::Missing { ssrc, packets: pair(entry) }));
        }
        _ => {}
    }
}

/// Append a PLI (RFC 4585 §6.3.1): `from` lost a picture of `ssrc`. It belongs behind a report.
pub fn write_pli(from: u32, ssrc: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x81, PAYLOAD, 0, 2]);
    out.extend_from_slice(&from.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
}

/// Append a generic NACK (RFC 4585 §6.2.1): `from` misses these packets of `ssrc`, in ascending order.
pub fn write_nack(from: u32, ssrc: u32, missing: &[u16], out: &mut Vec<u8>) {
    let mut entries: Vec<(u16, u16)> = Vec::new();
    for &sequence in missing {
        match entries.last_mut() {
            Some((first, mask)) if (1..=16).contains(&sequence.wrapping_sub(*first)) => {
                *mask |= 1 << (sequence.wrapping_sub(*first) - 1);
            }
            _ => entries.push((sequence, 0)),
        }
    }
    out.extend_from_slice(&[0x81, TRANSPORT]);
    out.extend_from_slice(&(2 + entries.len() as u16).to_be_bytes());
    out.extend_from_slice(&from.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    for (first, mask) in entries {
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
}

/// The packets that one entry of a generic NACK names.
pub fn missing_of((first, mask): (u16, u16)) -> impl Iterator<Item = u16> {
    let others = (0..16).filter(move |bit| mask & 1 << bit != 0).map(move |bit| first.wrapping_add(bit + 1));
    std::iter::once(first).chain(others)
}

/// Append a FIR (RFC 5104 §4.3.1): `from` wants a whole picture of `ssrc`; `sequence` rises with each request.
pub fn write_fir(from: u32, ssrc: u32, sequence: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x84, PAYLOAD, 0, 4]);
    out.extend_from_slice(&from.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&[sequence, 0, 0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Rtcp, parse_compound, write_compound};
    use crate::testing::Random;

    #[test]
    fn requests_behind_a_report_are_read_back_and_the_report_stays_readable() {
        let mut datagram = Vec::new();
        write_compound(&[Rtcp::ReceiverReport { ssrc: 1, blocks: vec![] }], &mut datagram);
        write_pli(1, 2, &mut datagram);
        write_fir(1, 3, 9, &mut datagram);

        let asked = [Feedback::PictureLoss { ssrc: 2 }, Feedback::FullIntra { ssrc: 3, sequence: Some(9) }];
        assert_eq!(parse_feedback(&datagram), asked);
        assert_eq!(parse_compound(&datagram).unwrap().len(), 3);
    }

    #[test]
    fn a_request_alone_a_very_old_one_and_missing_packets_are_understood() {
        let mut alone = Vec::new();
        write_pli(1, 7, &mut alone);
        let old = [0x80, 192, 0, 1, 0, 0, 0, 8];
        let nack = [0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 10, 0, 1, 1, 0, 0, 0];

        assert_eq!(parse_feedback(&alone), [Feedback::PictureLoss { ssrc: 7 }]);
        assert_eq!(parse_feedback(&old), [Feedback::FullIntra { ssrc: 8, sequence: None }]);
        assert_eq!(
            parse_feedback(&nack),
            [Feedback::Missing { ssrc: 2, packets: (10, 1) }, Feedback::Missing { ssrc: 2, packets: (256, 0) },]
        );
    }

    #[test]
    fn missing_packets_are_named_and_read_back_across_the_wrap() {
        let missing = [65_530, 65_535, 0, 10, 11, 500];
        let mut datagram = Vec::new();
        write_nack(1, 2, &missing, &mut datagram);

        let asked = parse_feedback(&datagram);
        let named = |asked: &Feedback| match asked {
            Feedback::Missing { ssrc: 2, packets } => missing_of(*packets).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };

        assert_eq!(asked.iter().flat_map(named).collect::<Vec<_>>(), missing);
        assert_eq!(asked.len(), 3, "sixteen behind one share its entry");
    }

    #[test]
    fn any_bytes_ask_for_something_or_nothing() {
        let mut random = Random::new(6);
        for _ in 0..100_000 {
            let mut bytes = random.bytes(48);
            if let [first, kind, high, ..] = &mut bytes[..] {
                (*first, *kind, *high) = (*first & 0x1f | 0x80, *kind % 20 + 190, 0);
            }
            assert!(parse_feedback(&bytes).len() <= 12);
        }
    }
}
