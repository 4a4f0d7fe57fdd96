//! The two ways to protect a packet: counter mode with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2), and GCM (RFC 7714).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::{constant_time, hmac};

use super::derive::{Label, counter_key, counter_mode, derive};
use super::{MasterKey, SrtpError};

/// Octets of the tag of SRTCP in counter mode, whatever the suite says of SRTP.
const RTCP_TAG: usize = 10;

/// Session keys of one direction, for RTP or for RTCP.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "two of them per leg, and no hop to memory per packet")]
pub(super) enum Cipher {
    Counter { key: EncryptingKey, auth: hmac::Key, salt: [u8; 14], tag: usize },
    Gcm { key: LessSafeKey, salt: [u8; 12] },
}

/// Which packet it is: what its nonce is made of, and what is authenticated with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub ssrc: u32,
    /// 48 bits for RTP (ROC and sequence number), 31 for RTCP.
    pub index: u64,
    /// For RTCP its index as it is sent, with the bit that says it is encrypted.
    pub word: Option<[u8; 4]>,
}

impl Cipher {
    pub(super) fn for_rtp(master: &MasterKey) -> Cipher {
        Cipher::new(master, [Label::RtpKey, Label::RtpAuth, Label::RtpSalt], master.suite.rtp_tag())
    }

    pub(super) fn for_rtcp(master: &MasterKey) -> Cipher {
        Cipher::new(master, [Label::RtcpKey, Label::RtcpAuth, Label::RtcpSalt], RTCP_TAG)
    }

    fn new(master: &MasterKey, [key, auth, salt]: [Label; 3], tag: usize) -> Cipher {
        let key = derive(master, key, master.suite.key_length());
        if master.suite.is_aead() {
            let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
            let key = UnboundKey::new(algorithm, &key).expect("the derived key has the cipher's length");
            let salt = fixed(&derive(master, salt, 12));
            return Cipher::Gcm { key: LessSafeKey::new(key), salt };
        }
        let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &derive(master, auth, 20));
        Cipher::Counter { key: counter_key(&key), auth, salt: fixed(&derive(master, salt, 14)), tag }
    }

    /// Octets of its tag.
    pub(super) fn tag_length(&self) -> usize {
        match self {
            Cipher::Counter { tag, .. } => *tag,
            Cipher::Gcm { .. } => 16,
        }
    }

    /// Encrypt `packet` from `clear` on, and say its tag.
    pub(super) fn seal(&self, name: Name, packet: &mut [u8], clear: usize) -> Tag {
        match self {
            Cipher::Counter { key, auth, salt, tag } => {
                counter_mode(key, counter_iv(salt, name), &mut packet[clear..]);
                Tag::new(&sign(auth, name, packet).as_ref()[..*tag])
            }
            Cipher::Gcm { key, salt } => {
                let (header, body) = packet.split_at_mut(clear);
                let nonce = gcm_nonce(salt, name);
                // RTP has no index in it, and nothing has to be put together.
                let made = match name.word {
                    None => key.seal_in_place_separate_tag(nonce, Aad::from(&*header), body),
                    Some(_) => key.seal_in_place_separate_tag(nonce, additional(header, name), body),
                };
                Tag::new(made.expect("packets are far below GCM's longest").as_ref())
            }
        }
    }

    /// The other way round: check the tag that begins at `tag_at`, decrypt `packet` from `clear` to `end`. A forged
    /// packet may be left in any state.
    pub(super) fn open(
        &self,
        name: Name,
        packet: &mut [u8],
        clear: usize,
        end: usize,
        tag_at: usize,
    ) -> Result<(), SrtpError> {
        match self {
            Cipher::Counter { key, salt, .. } => {
                self.authenticate(name, &packet[..end], &packet[tag_at..])?;
                counter_mode(key, counter_iv(salt, name), &mut packet[clear..end]);
                Ok(())
            }
            Cipher::Gcm { key, salt } => {
                let (header, body) = packet[..tag_at + 16].split_at_mut(clear);
                let opened = key.open_in_place(gcm_nonce(salt, name), additional(header, name), body);
                opened.map(drop).map_err(|_| SrtpError::Forged)
            }
        }
    }

    /// Check the tag of a packet alone: an SRTCP packet that its sender left unencrypted. GCM knows no such thing.
    pub(super) fn authenticate(&self, name: Name, packet: &[u8], tag: &[u8]) -> Result<(), SrtpError> {
        let Cipher::Counter { auth, tag: length, .. } = self else { return Err(SrtpError::Forged) };
        let made = sign(auth, name, packet);
        let given = tag.get(..*length).ok_or(SrtpError::Malformed)?;
        constant_time::verify_slices_are_equal(&made.as_ref()[..*length], given).map_err(|_| SrtpError::Forged)
    }
}

/// What shows that a packet is genuine, at most 16 octets.
pub(super) struct Tag([u8; 16], usize);

impl Tag {
    fn new(bytes: &[u8]) -> Tag {
        let mut tag = [0; 16];
        tag[..bytes.len()].copy_from_slice(bytes);
        Tag(tag, bytes.len())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

/// RFC 3711 §4.2: over the packet and the ROC; for RTCP, over the packet and its index.
fn sign(auth: &hmac::Key, name: Name, packet: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(auth);
    context.update(packet);
    context.update(&name.word.unwrap_or(((name.index >> 16) as u32).to_be_bytes()));
    context.sign()
}

/// RFC 3711 §4.1.1: salt · 2^16 ⊕ SSRC · 2^64 ⊕ index · 2^16.
fn counter_iv(salt: &[u8; 14], name: Name) -> [u8; 16] {
    let mut iv = [0u8; 16];
    iv[..14].copy_from_slice(salt);
    mix(&mut iv[4..8], &name.ssrc.to_be_bytes());
    mix(&mut iv[8..14], &name.index.to_be_bytes()[2..]);
    iv
}

/// RFC 7714 §8.1 and §9.1: two octets of zero, the SSRC, the index in six; salted.
fn gcm_nonce(salt: &[u8; 12], name: Name) -> Nonce {
    let mut nonce = *salt;
    mix(&mut nonce[2..6], &name.ssrc.to_be_bytes());
    mix(&mut nonce[6..12], &name.index.to_be_bytes()[2..]);
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 §8.2, §9.2: the header; for RTCP its index too. The ROC is in the nonce already.
fn additional(header: &[u8], name: Name) -> Aad<Vec<u8>> {
    let word = name.word.as_ref().map_or(&[][..], |word| &word[..]);
    Aad::from([header, word].concat())
}

fn mix(into: &mut [u8], what: &[u8]) {
    into.iter_mut().zip(what).for_each(|(a, b)| *a ^= b);
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn gcm_seals_and_opens_the_packets_of_rfc_7714_section_16() {
        let plain = hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
                         61727465 73207472 6573");
        let sealed = [
            (
                16,
                "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833
                  899d7f27 beb16a91 52cf765e e4390cce",
            ),
            (
                32,
                "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b
                  7aa3db36 dfffd6b0 f9bb7878 d7a76c13",
            ),
        ];
        for (length, expected) in sealed {
            let key: Vec<u8> = (0..length).collect();
            let algorithm = if length == 32 { &AES_256_GCM } else { &AES_128_GCM };
            let key = LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap());
            let cipher = Cipher::Gcm { key, salt: fixed(&hex("517569642070726f2071756f")) };
            let name = Name { ssrc: 0x5501_a0b2, index: 0xf17b, word: None };
            let mut packet = plain.clone();

            let tag = cipher.seal(name, &mut packet, 12);
            packet.extend_from_slice(tag.bytes());

            assert_eq!(packet[12..], hex(expected));
            let end = plain.len();
            cipher.open(name, &mut packet, 12, end, end).unwrap();
            assert_eq!(packet[..end], plain);
        }
    }
}
