//! Sealing beside another sender that has the same keys: packets whose numbers are handed out, each to one of the two.

use super::cipher::{Cipher, Name};
use super::replay::Replay;
use super::{MasterKey, rtp_header_length, rtp_numbers};
use crate::packet::be32;

/// Indices have 48 bits (RFC 3711 §3.3.1); beyond them a key is used up.
const INDICES: u64 = 1 << 48;
const ENCRYPTED: u32 = 1 << 31;
/// Octets of an RTCP packet that are not encrypted.
const CLEAR: usize = 8;

/// The numbers of one stream under one key: two packets sealed under one number would give the key stream away, so each
/// is handed out once, and only a number that was handed out seals.
#[derive(Debug, Default)]
pub struct Numbers(Replay);

/// A number that nothing was sealed under. Whoever seals with it, here or elsewhere, has spent it.
#[derive(Debug)]
pub struct Unused(u64);

impl Numbers {
    /// A number, extended to 48 bits; `None` for one that was handed out, or lies too far behind to know.
    pub fn claim(&mut self, number: u64) -> Option<Unused> {
        if number >= INDICES || !self.0.is_new(number) {
            return None;
        }
        self.0.take(number);
        Some(Unused(number))
    }

    /// The highest that was handed out.
    pub fn newest(&self) -> Option<u64> {
        self.0.newest()
    }
}

impl Unused {
    /// For a sender that is not of this module.
    pub fn spend(self) -> u64 {
        self.0
    }
}

/// What seals under the keys of another sender. Nothing shows the keys.
#[derive(Debug)]
pub struct Sealer {
    master: MasterKey,
    rtp: Cipher,
}

impl Sealer {
    /// By the key of what is sent.
    pub fn new(master: MasterKey) -> Sealer {
        let rtp = Cipher::for_rtp(&master);
        Sealer { master, rtp }
    }

    /// Octets by which a packet grows.
    pub fn tag_length(&self) -> usize {
        self.rtp.tag_length()
    }

    /// Seal an RTP packet in place; it grows by its tag. `false`: it is no RTP packet of that number, and must not be
    /// sent.
    pub fn rtp(&self, number: Unused, packet: &mut Vec<u8>) -> bool {
        let Some(clear) = rtp_header_length(packet) else { return false };
        let (sequence, ssrc) = rtp_numbers(packet);
        let index = number.spend();
        if sequence != index as u16 {
            return false;
        }
        let tag = self.rtp.seal(Name { ssrc, index, word: None }, packet, clear);
        packet.extend_from_slice(tag.bytes());
        true
    }

    /// Change an RTCP packet that the other sender has sealed, under the index that it has. It must not have left, nor
    /// leave as it was: of two packets with one index the network may see one. The first SSRC stays. `false`: it was not
    /// sealed by this key, and nothing has changed.
    pub fn rtcp_again(&self, packet: &mut [u8], change: impl FnOnce(&mut [u8])) -> bool {
        // Made anew each time: reports are rare, and a cipher is half a kilobyte.
        let cipher = Cipher::for_rtcp(&self.master);
        let tag = cipher.tag_length();
        let Some(end) = packet.len().checked_sub(tag + 4).filter(|end| *end >= CLEAR) else { return false };
        let (tag_at, word_at) = if self.master.suite().is_aead() { (end, end + tag) } else { (end + 4, end) };
        let mut word = [0; 4];
        word.copy_from_slice(&packet[word_at..word_at + 4]);
        if be32(&word) & ENCRYPTED == 0 {
            return false;
        }
        let (ssrc, index) = (be32(&packet[4..8]), u64::from(be32(&word) & !ENCRYPTED));
        let name = Name { ssrc, index, word: Some(word) };
        let mut opened = packet.to_vec();
        if cipher.open(name, &mut opened, CLEAR, end, tag_at).is_err() {
            return false;
        }
        change(&mut opened[..end]);
        opened.truncate(end);
        let tag = cipher.seal(name, &mut opened, CLEAR);
        packet[..end].copy_from_slice(&opened);
        packet[tag_at..tag_at + tag.bytes().len()].copy_from_slice(tag.bytes());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Protect, Suite, Unprotect};
    use super::*;
    use crate::RtpHeader;

    const SUITES: [Suite; 3] = [Suite::AesCm128Sha1_80, Suite::Aead128Gcm, Suite::Aead256Gcm];

    fn key(suite: Suite, seed: u8) -> MasterKey {
        MasterKey::new(suite, &vec![seed; suite.key_length() + suite.salt_length()]).unwrap()
    }

    fn packet(sequence: u16) -> Vec<u8> {
        let mut packet = Vec::new();
        RtpHeader { payload_type: 111, marker: false, sequence, timestamp: 7, ssrc: 9 }.write(&[5; 80], &mut packet);
        packet
    }

    #[test]
    fn each_number_is_handed_out_once_and_none_beyond_what_a_key_is_good_for() {
        let mut numbers = Numbers::default();

        let handed: Vec<u64> = [70_000, 70_002, 70_001, 70_002, 70_000, 69_000, INDICES, INDICES - 1, 70_003]
            .into_iter()
            .filter_map(|number| numbers.claim(number).map(Unused::spend))
            .collect();

        assert_eq!(handed, [70_000, 70_002, 70_001, INDICES - 1]);
        assert_eq!(numbers.newest(), Some(INDICES - 1));
    }

    #[test]
    fn what_two_senders_seal_in_turn_is_one_stream_to_who_opens_it_over_the_wrap_too() {
        for suite in SUITES {
            let (ours, mut theirs) = (Sealer::new(key(suite, 3)), Protect::new(key(suite, 3)));
            let (mut numbers, mut far) = (Numbers::default(), Unprotect::new(key(suite, 3), b""));
            for number in 65_500..65_600u64 {
                let mut sealed = packet(number as u16);
                if number % 7 == 0 {
                    assert!(theirs.rtp(&mut sealed));
                } else {
                    assert!(ours.rtp(numbers.claim(number).unwrap(), &mut sealed));
                    assert_eq!(sealed.len(), 92 + ours.tag_length());
                }

                let length = far.rtp(&mut sealed).unwrap();

                assert_eq!(sealed[..length], packet(number as u16), "{suite:?} {number}");
            }
        }
    }

    #[test]
    fn a_packet_is_not_sealed_under_a_number_that_is_not_its_own() {
        let (sealer, mut numbers) = (Sealer::new(key(Suite::Aead128Gcm, 3)), Numbers::default());

        assert!(!sealer.rtp(numbers.claim(8).unwrap(), &mut packet(9)));
        assert!(!sealer.rtp(numbers.claim(9).unwrap(), &mut vec![0; 40]));
    }

    #[test]
    fn a_sealed_report_is_changed_under_its_own_index_and_one_of_another_key_is_left_alone() {
        for suite in SUITES {
            let (sealer, mut other) = (Sealer::new(key(suite, 3)), Protect::new(key(suite, 3)));
            let mut far = Unprotect::new(key(suite, 3), b"");
            for turn in 0..3u8 {
                let mut report = vec![turn; 28];
                assert!(other.rtcp(&mut report));
                let before = report.len();

                assert!(sealer.rtcp_again(&mut report, |clear| clear[20] = 77));

                assert_eq!(report.len(), before);
                let length = far.rtcp(&mut report).unwrap();
                let mut expected = vec![turn; 28];
                expected[20] = 77;
                assert_eq!(report[..length], expected, "{suite:?}");
            }
            let mut strange = vec![1; 28];
            assert!(Protect::new(key(suite, 4)).rtcp(&mut strange));
            let before = strange.clone();

            assert!(!sealer.rtcp_again(&mut strange, |_| panic!("it was opened")));
            assert!(!sealer.rtcp_again(&mut [0x80; 9], |_| panic!("it was opened")));
            assert_eq!(strange, before);
        }
    }

    #[test]
    fn nothing_shows_a_key() {
        let shown = format!("{:?}", Sealer::new(key(Suite::AesCm128Sha1_80, 0xab)));

        assert!(!shown.contains("171") && !shown.to_lowercase().contains("ab, ab"), "{shown}");
    }
}
