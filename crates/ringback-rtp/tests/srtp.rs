//! Protected streams from end to end: known packets, wraps, losses, repeats, forgeries and new keys.

use ringback_rtp::{MasterKey, Protect, RtpHeader, SrtpError, Suite, Unprotect};

const SUITES: [Suite; 6] = [
    Suite::AesCm128Sha1_80,
    Suite::AesCm128Sha1_32,
    Suite::AesCm256Sha1_80,
    Suite::AesCm256Sha1_32,
    Suite::Aead128Gcm,
    Suite::Aead256Gcm,
];

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn master(suite: Suite, seed: u8) -> MasterKey {
    let length = suite.key_length() + suite.salt_length();
    let bytes: Vec<u8> = (0..length).map(|n| seed.wrapping_add(n as u8)).collect();
    MasterKey::new(suite, &bytes).unwrap()
}

fn pair(suite: Suite) -> (Protect, Unprotect) {
    (Protect::new(master(suite, 1)), Unprotect::new(master(suite, 1), b""))
}

fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp: 160, ssrc };
    header.write(&[sequence as u8; 160], &mut packet);
    packet
}

fn sealed(out: &mut Protect, sequence: u16) -> Vec<u8> {
    let mut packet = rtp(sequence, 7);
    assert!(out.rtp(&mut packet));
    packet
}

fn open(into: &mut Unprotect, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let length = into.rtp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

#[test]
fn packets_look_as_libsrtp_makes_them() {
    let plain = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
    let report = hex("81c8000b cafebabe abababab abababab abababab abababab");
    let counter = ("e1f97a0d 3e018be0 d64fa32c 06de4139 0ec675ad 498afeeb b6960b3a abe6", Suite::AesCm128Sha1_80);
    let gcm = ("00010203 04050607 08090a0b 0c0d0e0f a0a1a2a3 a4a5a6a7 a8a9aaab", Suite::Aead128Gcm);
    let cases = [
        (
            counter,
            "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb",
            "81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 993e08cd 54d6c123 0798",
        ),
        (
            gcm,
            "800f1234 decafbad cafebabe c5002ede 04cfdd2e b91159e0 880aa06e d2976826 f796b201 df3131a1 27e8a392",
            "81c8000b cafebabe c98b8b5d f0392a55 852b6c21 ac8e7025 c52c6fbe a2b3b446 ea31123b a88ce61e 80000001",
        ),
    ];
    for ((key, suite), sealed, sealed_report) in cases {
        let key = MasterKey::new(suite, &hex(key)).unwrap();
        let (mut out, mut into) = (Protect::new(key.clone()), Unprotect::new(key, b""));
        let mut packet = plain.clone();
        let mut first = report.clone();

        assert!(out.rtp(&mut packet));
        assert_eq!(packet, hex(sealed));
        assert_eq!(open(&mut into, &packet).unwrap(), plain);
        // libsrtp's first report has index 1, ours 0: theirs is opened, our second one is the same.
        assert!(out.rtcp(&mut first));
        let mut second = report.clone();
        assert!(out.rtcp(&mut second));
        assert_eq!(second, hex(sealed_report));
        let length = into.rtcp(&mut second).unwrap();
        assert_eq!(second[..length], report);
    }
}

#[test]
fn every_suite_opens_what_it_sealed_with_and_without_contributors_and_extension() {
    for suite in SUITES {
        let (mut out, mut into) = pair(suite);
        let mut adorned = hex("92000001 00000002 00000007 00000008 00000009 bede0001 01020304 cafe");
        let plain = adorned.clone();

        assert!(out.rtp(&mut adorned));

        assert_eq!(adorned[..28], plain[..28], "{suite:?}: the header stays readable");
        assert_ne!(adorned[28..30], plain[28..30]);
        assert_eq!(open(&mut into, &adorned).unwrap(), plain);
        assert_eq!(Suite::from_name(suite.name()), Some(suite));
    }
}

#[test]
fn a_stream_goes_on_over_many_wraps_with_loss_and_disorder_around_them() {
    for suite in [Suite::AesCm128Sha1_80, Suite::AesCm128Sha1_32, Suite::Aead128Gcm] {
        let (mut out, mut into) = pair(suite);
        let mut held = None;
        let mut opened = 0;
        for n in 0..200_000u32 {
            let sequence = (n + 30_000) as u16;
            let packet = sealed(&mut out, sequence);
            let near = !(1_000..=64_000).contains(&sequence);
            // Away from the wraps one in a hundred is enough; at them a third is lost, a third comes after its successor.
            let deliver = if near { n % 3 != 0 } else { n % 100 == 0 };
            if near && n % 3 == 1 {
                held = Some(packet);
                continue;
            }
            if deliver {
                assert_eq!(open(&mut into, &packet).unwrap(), rtp(sequence, 7), "{suite:?} {n}");
                opened += 1;
            }
            if let Some(late) = held.take() {
                open(&mut into, &late).unwrap();
                opened += 1;
            }
        }
        assert!(opened > 5_000);
    }
}

#[test]
fn a_hundred_packets_lost_across_the_wrap_cost_nothing_more() {
    let (mut out, mut into) = pair(Suite::AesCm128Sha1_80);
    open(&mut into, &sealed(&mut out, 65_480)).unwrap();

    let after: Vec<Vec<u8>> = (1..=200).map(|n| sealed(&mut out, 65_480u16.wrapping_add(n))).collect();

    assert_eq!(open(&mut into, &after[150]).unwrap(), rtp(65_480u16.wrapping_add(151), 7));
    assert!(open(&mut into, &after[20]).is_err(), "older than what is remembered");
    open(&mut into, &after[60]).unwrap();
}

#[test]
fn a_stream_whose_beginning_was_lost_with_its_first_wrap_is_opened() {
    for suite in SUITES {
        let (mut out, mut into) = pair(suite);
        for sequence in 65_500..=65_535 {
            sealed(&mut out, sequence);
        }

        assert_eq!(open(&mut into, &sealed(&mut out, 3)).unwrap(), rtp(3, 7));
        assert_eq!(open(&mut into, &sealed(&mut out, 4)).unwrap(), rtp(4, 7));
    }
}

#[test]
fn what_came_before_is_refused_and_what_follows_is_taken() {
    for suite in SUITES {
        let (mut out, mut into) = pair(suite);
        let packets: Vec<Vec<u8>> = (10..20).map(|sequence| sealed(&mut out, sequence)).collect();

        for packet in &packets {
            open(&mut into, packet).unwrap();
        }

        for packet in &packets {
            assert_eq!(open(&mut into, packet), Err(SrtpError::Replayed));
        }
        assert_eq!(open(&mut into, &sealed(&mut out, 20)).unwrap(), rtp(20, 7));
    }
}

#[test]
fn a_changed_bit_anywhere_is_noticed_and_costs_that_packet_only() {
    for suite in SUITES {
        let (mut out, mut into) = pair(suite);
        open(&mut into, &sealed(&mut out, 1)).unwrap();
        for n in 2..60u16 {
            let packet = sealed(&mut out, n);
            let mut forged = packet.clone();
            let at = usize::from(n) * 37 % (forged.len() * 8);
            forged[at / 8] ^= 1 << (at % 8);

            assert!(open(&mut into, &forged).is_err(), "{suite:?}, bit {at}");
            assert_eq!(open(&mut into, &packet).unwrap(), rtp(n, 7));
        }
    }
}

#[test]
fn another_key_opens_nothing() {
    for suite in SUITES {
        let mut out = Protect::new(master(suite, 1));
        let mut into = Unprotect::new(master(suite, 2), b"");
        let mut report = hex("80c90001 00000007");
        assert!(out.rtcp(&mut report));

        assert_eq!(open(&mut into, &sealed(&mut out, 1)), Err(SrtpError::Forged));
        assert_eq!(into.rtcp(&mut report), Err(SrtpError::Forged));
    }
}

#[test]
fn reports_are_opened_once_and_never_when_changed() {
    for suite in SUITES {
        let (mut out, mut into) = pair(suite);
        let plain = hex("80c90001 00000007");
        let mut report = plain.clone();
        assert!(out.rtcp(&mut report));
        for at in 0..report.len() {
            let mut forged = report.clone();
            forged[at] ^= 0x10;
            assert!(into.rtcp(&mut forged).is_err(), "{suite:?}, octet {at}");
        }

        let mut copy = report.clone();
        let length = into.rtcp(&mut copy).unwrap();

        assert_eq!(copy[..length], plain);
        assert_eq!(into.rtcp(&mut report), Err(SrtpError::Replayed));
    }
}

#[test]
fn a_key_identifier_is_expected_where_it_was_agreed() {
    for suite in SUITES {
        let mut out = Protect::new(master(suite, 1));
        let mut into = Unprotect::new(master(suite, 1), &[0, 1]);
        let tag = if suite.name().starts_with("AEAD") { 16 } else { packet_tag(suite) };
        let with = |packet: &[u8], mki: &[u8]| {
            let at = if suite.name().starts_with("AEAD") { packet.len() } else { packet.len() - tag };
            [&packet[..at], mki, &packet[at..]].concat()
        };
        let packet = sealed(&mut out, 1);

        assert_eq!(open(&mut into, &with(&packet, &[0, 2])), Err(SrtpError::Forged));
        assert_eq!(open(&mut into, &with(&packet, &[0, 1])).unwrap(), rtp(1, 7));
    }
}

fn packet_tag(suite: Suite) -> usize {
    if suite.name().ends_with("_32") { 4 } else { 10 }
}

#[test]
fn another_stream_under_the_same_key_counts_for_itself() {
    let (mut out, mut into) = pair(Suite::AesCm128Sha1_80);
    for sequence in [65_535, 0, 1] {
        open(&mut into, &sealed(&mut out, sequence)).unwrap();
    }
    for ssrc in 100..120 {
        let mut packet = rtp(9, ssrc);
        assert!(out.rtp(&mut packet));

        assert_eq!(open(&mut into, &packet).unwrap(), rtp(9, ssrc));
    }
}

#[test]
fn bytes_that_are_no_packet_are_refused() {
    for suite in SUITES {
        let (mut out, mut into) = pair(suite);
        for length in 0..40 {
            for first in [0x00, 0x80, 0x8f, 0x90, 0xbf, 0xff] {
                let mut bytes = vec![first; length];
                assert!(into.rtp(&mut bytes).is_err() && into.rtcp(&mut bytes).is_err());
            }
        }
        assert!(!out.rtp(&mut vec![0x80; 11]) && !out.rtcp(&mut vec![0x80; 7]));
        assert!(MasterKey::new(suite, &[0; 3]).is_none());
    }
    assert!(!format!("{:?}", master(Suite::Aead128Gcm, 0x2a)).contains("42"), "keys are not shown");
}
