//! SRTP and SRTCP: a stream that nobody on the way can hear, change or repeat (RFC 3711, 6188, 7714).
//!
//! Keys come from SDP (RFC 4568), one for each direction. [`Protect`] seals what is sent, [`Unprotect`] opens what
//! comes. Both know packets by their index: sequence number and how often that has wrapped (the ROC), which is never
//! sent; so whoever keeps a key over a re-INVITE keeps these values, and only a new key begins anew.

mod cipher;
mod derive;
mod numbered;
mod protect;
mod replay;
mod unprotect;

use std::fmt;

use zeroize::Zeroize;

pub use numbered::{Numbers, Sealer, Unused};
pub use protect::Protect;
pub use unprotect::Unprotect;

/// How a stream is encrypted and authenticated, by the names of SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 4568 §6.2.1).
    AesCm128Sha1_80,
    /// `AES_CM_128_HMAC_SHA1_32` (RFC 4568 §6.2.2); its RTCP has a tag of 80 bits all the same.
    AesCm128Sha1_32,
    /// `AES_256_CM_HMAC_SHA1_80` (RFC 6188).
    AesCm256Sha1_80,
    /// `AES_256_CM_HMAC_SHA1_32` (RFC 6188).
    AesCm256Sha1_32,
    /// `AEAD_AES_128_GCM` (RFC 7714).
    Aead128Gcm,
    /// `AEAD_AES_256_GCM` (RFC 7714).
    Aead256Gcm,
}

impl Suite {
    /// All there are.
    pub const ALL: [Suite; 6] = [
        Suite::AesCm128Sha1_80,
        Suite::AesCm128Sha1_32,
        Suite::AesCm256Sha1_80,
        Suite::AesCm256Sha1_32,
        Suite::Aead128Gcm,
        Suite::Aead256Gcm,
    ];

    /// By its name in `a=crypto`.
    pub fn from_name(name: &str) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Its name in `a=crypto`.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AesCm256Sha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::AesCm256Sha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Suite::Aead128Gcm => "AEAD_AES_128_GCM",
            Suite::Aead256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Octets of its master key.
    pub fn key_length(self) -> usize {
        match self {
            Suite::AesCm128Sha1_80 | Suite::AesCm128Sha1_32 | Suite::Aead128Gcm => 16,
            Suite::AesCm256Sha1_80 | Suite::AesCm256Sha1_32 | Suite::Aead256Gcm => 32,
        }
    }

    /// Octets of its master salt.
    pub fn salt_length(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    fn is_aead(self) -> bool {
        matches!(self, Suite::Aead128Gcm | Suite::Aead256Gcm)
    }

    /// Octets of the tag at the end of an RTP packet.
    fn rtp_tag(self) -> usize {
        match self {
            Suite::AesCm128Sha1_32 | Suite::AesCm256Sha1_32 => 4,
            Suite::AesCm128Sha1_80 | Suite::AesCm256Sha1_80 => 10,
            Suite::Aead128Gcm | Suite::Aead256Gcm => 16,
        }
    }
}

/// A master key with its salt, for one direction. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    key: Vec<u8>,
    salt: Vec<u8>,
}

impl MasterKey {
    /// Key and salt in one, as `inline:` carries them; `None` when that has not the suite's length.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<MasterKey> {
        if key_and_salt.len() != suite.key_length() + suite.salt_length() {
            return None;
        }
        let (key, salt) = key_and_salt.split_at(suite.key_length());
        Some(MasterKey { suite, key: key.to_vec(), salt: salt.to_vec() })
    }

    /// What it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// Why a packet was not opened. It is dropped; nothing else follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpError {
    /// Too short, or not RTP or RTCP at all.
    Malformed,
    /// Its tag does not fit: another key, or it was changed on the way.
    Forged,
    /// It came before, or is too old to tell.
    Replayed,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SrtpError::Malformed => "not a protected packet",
            SrtpError::Forged => "the packet's tag does not fit",
            SrtpError::Replayed => "the packet came before",
        })
    }
}

impl std::error::Error for SrtpError {}

/// Octets of an RTP header with its contributors and extension: what is authenticated but not encrypted.
fn rtp_header_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let mut length = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    (first >> 6 == 2 && packet.len() >= length).then_some(length)
}

fn rtp_numbers(packet: &[u8]) -> (u16, u32) {
    (u16::from_be_bytes([packet[2], packet[3]]), crate::packet::be32(&packet[8..12]))
}
