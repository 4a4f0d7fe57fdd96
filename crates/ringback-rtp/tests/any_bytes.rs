//! Whatever strangers send gives a value or an error: real packets, changed at random, into every decoder there is.
//!
//! Two seconds each with the other tests; a minute each with `--ignored`, which `make test` runs beneath others.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringback_rtp::{
    DtmfReceiver, JitterBuffer, JitterConfig, Latch, LatchConfig, MasterKey, Protect, ReportBlock, Rtcp, RtpHeader,
    RtpPacket, SenderInfo, Suite, Unprotect, parse_compound, write_compound,
};

const QUICK: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Call `decode` with changed copies of the samples until the time is over.
fn feed(time: Duration, samples: &[Vec<u8>], mut decode: impl FnMut(&mut Random, Vec<u8>)) {
    let mut random = Random(0x5eed);
    let end = Instant::now() + time;
    while Instant::now() < end {
        for _ in 0..500 {
            let sample = &samples[below(&mut random, samples.len())];
            let changed = change(&mut random, sample.clone(), samples);
            decode(&mut random, changed);
        }
    }
}

fn below(random: &mut Random, end: usize) -> usize {
    (random.next() % end.max(1) as u64) as usize
}

/// One to eight changes: bits, octets, lengths, parts of other samples.
fn change(random: &mut Random, mut bytes: Vec<u8>, samples: &[Vec<u8>]) -> Vec<u8> {
    for _ in 0..1 + below(random, 8) {
        let at = below(random, bytes.len());
        match random.next() % 7 {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << (random.next() % 8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][below(random, 5)],
            3 => bytes.truncate(at),
            4 => bytes.extend((0..below(random, 40)).map(|_| random.next() as u8)),
            5 => {
                let other = &samples[below(random, samples.len())];
                let from = below(random, other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => drop(bytes.drain(..below(random, at.min(8) + 1))),
        }
    }
    bytes
}

fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    RtpHeader { payload_type: 0, marker: false, sequence, timestamp: u32::from(sequence) * 160, ssrc: 7 }
        .write(payload, &mut out);
    out
}

fn speech() -> Vec<Vec<u8>> {
    let adorned = [&[0xb2, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3][..], &[1; 8], &[0xbe, 0xde, 0, 1, 1, 2, 3, 4, 9, 9, 9, 3]];
    let mut samples: Vec<Vec<u8>> = (0..20).map(|n| rtp(n, &[n as u8; 160])).collect();
    samples.push(adorned.concat());
    samples.push(rtp(3, &[5, 0x8a, 3, 0xc0]));
    samples
}

fn reports() -> Vec<Vec<u8>> {
    let blocks = vec![ReportBlock { ssrc: 7, fraction_lost: 3, ..ReportBlock::default() }; 2];
    let kinds = [
        vec![Rtcp::SenderReport { ssrc: 7, info: SenderInfo::default(), blocks: blocks.clone() }],
        vec![Rtcp::ReceiverReport { ssrc: 7, blocks }, Rtcp::SourceDescription(vec![(7, Some("a@b".into()))])],
        vec![
            Rtcp::ReceiverReport { ssrc: 7, blocks: vec![] },
            Rtcp::Goodbye { sources: vec![7, 8], reason: Some("over".into()) },
        ],
    ];
    kinds
        .iter()
        .map(|packets| {
            let mut out = Vec::new();
            write_compound(packets, &mut out);
            out
        })
        .collect()
}

/// A whole leg's reception: the latch, then the buffer, pulled now and then.
fn rtp_for(time: Duration) {
    let start = Instant::now();
    let far: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let config =
        LatchConfig { signalled: Some(far), payload_types: [0, 101].into_iter().collect(), ..Default::default() };
    let (mut latch, mut buffer) = (Latch::new(start, config), JitterBuffer::new(JitterConfig::new(8000)));
    let mut at = 0u64;
    feed(time, &speech(), |random, bytes| {
        at += random.next() % 30;
        let now = start + Duration::from_millis(at);
        if let Ok(packet) = RtpPacket::parse(&bytes) {
            assert!(packet.payload.len() + 12 <= bytes.len());
            latch.receive(now, far, &packet);
            let ticks = packet.payload.len() as u32;
            buffer.push(now, packet.sequence, packet.timestamp, ticks, packet.payload_type, packet.payload);
        }
        if random.next() % 3 == 0 {
            buffer.pull(now, 0);
            buffer.pace(now, 0);
        }
        if random.next() % 500 == 0 {
            buffer.rejoin();
        }
        assert!(buffer.len() <= JitterConfig::new(8000).capacity);
    });
}

fn rtcp_for(time: Duration) {
    feed(time, &reports(), |_, bytes| {
        if let Ok(packets) = parse_compound(&bytes) {
            // What was understood can be said again, and means the same.
            let known: Vec<Rtcp> = packets.into_iter().filter(|p| !matches!(p, Rtcp::Other { .. })).collect();
            let mut out = Vec::new();
            write_compound(&known, &mut out);
            assert_eq!(parse_compound(&out).map(|again| again.len()), Ok(known.len()));
        }
    });
}

/// Nothing that was changed gets through, whatever the suite.
fn srtp_for(time: Duration) {
    for suite in Suite::ALL {
        let master = || MasterKey::new(suite, &vec![7; suite.key_length() + suite.salt_length()]).unwrap();
        let mut out = Protect::new(master());
        let mut samples: Vec<Vec<u8>> = speech();
        assert!(samples.iter_mut().all(|packet| out.rtp(packet)));
        let mut sealed = reports();
        assert!(sealed.iter_mut().all(|packet| out.rtcp(packet)));
        samples.extend(sealed);
        let mut into = Unprotect::new(master(), b"");
        feed(time / Suite::ALL.len() as u32, &samples, |_, mut bytes| {
            if samples.contains(&bytes) {
                return;
            }
            let mut copy = bytes.clone();
            let opened = (into.rtp(&mut bytes).is_ok(), into.rtcp(&mut copy).is_ok());
            // Tags of four octets are guessed once in four thousand million times.
            assert_eq!(opened, (false, false), "{suite:?}");
        });
    }
}

fn events_for(time: Duration) {
    let start = Instant::now();
    let mut receiver = DtmfReceiver::new(8000);
    let mut at = 0u64;
    let samples: Vec<Vec<u8>> = (0..16).map(|event| vec![event, 10, 0, 160]).collect();
    feed(time, &samples, |random, bytes| {
        at += random.next() % 50;
        let now = start + Duration::from_millis(at);
        receiver.push(now, (random.next() % 4) as u32 * 800, random.next() % 2 == 0, &bytes);
        while let Some(press) = receiver.poll(now) {
            assert!("0123456789*#ABCD".contains(press.digit) && press.volume < 64, "{press:?}");
        }
    });
}

#[test]
fn changed_rtp_packets_give_a_value_or_an_error() {
    rtp_for(QUICK);
}

#[test]
fn changed_rtcp_packets_give_a_value_or_an_error() {
    rtcp_for(QUICK);
}

#[test]
fn changed_srtp_packets_give_a_value_or_an_error() {
    srtp_for(QUICK);
}

#[test]
fn changed_telephone_events_packets_give_a_value_or_an_error() {
    events_for(QUICK);
}

#[test]
#[ignore = "a minute"]
fn changed_rtp_packets_give_a_value_or_an_error_for_a_minute() {
    rtp_for(LONG);
}

#[test]
#[ignore = "a minute"]
fn changed_rtcp_packets_give_a_value_or_an_error_for_a_minute() {
    rtcp_for(LONG);
}

#[test]
#[ignore = "a minute"]
fn changed_srtp_packets_give_a_value_or_an_error_for_a_minute() {
    srtp_for(LONG);
}

#[test]
#[ignore = "a minute"]
fn changed_telephone_events_packets_give_a_value_or_an_error_for_a_minute() {
    events_for(LONG);
}
