//! Sealing what is sent.

use super::cipher::{Cipher, Name};
use super::{MasterKey, rtp_header_length, rtp_numbers};
use crate::packet::be32;

/// RFC 3711 §9.2: a key seals at most 2^31 RTCP packets.
const RTCP_INDICES: u32 = 1 << 31;
const ENCRYPTED: u32 = 1 << 31;

/// The sending side of one key.
#[derive(Debug)]
pub struct Protect {
    master: MasterKey,
    rtp: Cipher,
    rtcp: Cipher,
    /// The stream, its ROC and its last sequence number.
    stream: Option<(u32, u32, u16)>,
    rtcp_index: u32,
}

impl Protect {
    /// A key that has sealed nothing yet.
    pub fn new(master: MasterKey) -> Protect {
        let (rtp, rtcp) = (Cipher::for_rtp(&master), Cipher::for_rtcp(&master));
        Protect { master, rtp, rtcp, stream: None, rtcp_index: 0 }
    }

    /// The key.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }

    /// Seal an RTP packet in place; it grows by its tag. Packets of a stream come in the order of their sequence
    /// numbers. `false`: it is no RTP packet, or its stream has used up the key; then it must not be sent.
    pub fn rtp(&mut self, packet: &mut Vec<u8>) -> bool {
        let Some(clear) = rtp_header_length(packet) else { return false };
        let (sequence, ssrc) = rtp_numbers(packet);
        let roc = match self.stream {
            Some((of, roc, last)) if of == ssrc => roc.checked_add(u32::from(sequence < last)),
            _ => Some(0),
        };
        let Some(roc) = roc else { return false };
        self.stream = Some((ssrc, roc, sequence));
        let index = u64::from(roc) << 16 | u64::from(sequence);
        let tag = self.rtp.seal(Name { ssrc, index, word: None }, packet, clear);
        packet.extend_from_slice(tag.bytes());
        true
    }

    /// Seal a compound RTCP packet in place; it grows by its index and its tag. `false` as in [`rtp`](Self::rtp).
    pub fn rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        if packet.len() < 8 || self.rtcp_index >= RTCP_INDICES {
            return false;
        }
        let index = self.rtcp_index;
        self.rtcp_index += 1;
        let word = (index | ENCRYPTED).to_be_bytes();
        let ssrc = be32(&packet[4..8]);
        let tag = self.rtcp.seal(Name { ssrc, index: index.into(), word: Some(word) }, packet, 8);
        let parts = if self.master.suite().is_aead() { [tag.bytes(), &word] } else { [&word, tag.bytes()] };
        parts.into_iter().for_each(|part| packet.extend_from_slice(part));
        true
    }
}
