//! Opening what comes.

use super::cipher::{Cipher, Name};
use super::replay::Replay;
use super::{MasterKey, SrtpError, rtp_header_length, rtp_numbers};
use crate::packet::be32;

/// Streams of one key that are known side by side; the one heard longest ago makes room. Only genuine packets get here.
const STREAMS: usize = 8;
const ENCRYPTED: u32 = 1 << 31;

/// The receiving side of one key.
#[derive(Debug)]
pub struct Unprotect {
    master: MasterKey,
    mki: Vec<u8>,
    rtp: Cipher,
    rtcp: Cipher,
    /// By SSRC; the one heard last comes last.
    streams: Vec<(u32, Replay)>,
    reports: Vec<(u32, Replay)>,
}

impl Unprotect {
    /// A key under which nothing has come yet. `mki` stands in each packet, and is usually empty (RFC 4568 §6.1).
    pub fn new(master: MasterKey, mki: &[u8]) -> Unprotect {
        let (rtp, rtcp) = (Cipher::for_rtp(&master), Cipher::for_rtcp(&master));
        Unprotect { master, mki: mki.to_vec(), rtp, rtcp, streams: Vec::new(), reports: Vec::new() }
    }

    /// The key.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }

    /// What stands in each packet to say which key it is.
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// Open an RTP packet in place; answers how long it is now. What was not opened may be left in any state.
    pub fn rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let clear = rtp_header_length(packet).ok_or(SrtpError::Malformed)?;
        let tag = self.rtp.tag_length();
        let end = packet.len().checked_sub(tag + self.mki.len()).filter(|end| *end >= clear);
        let end = end.ok_or(SrtpError::Malformed)?;
        let tag_at = self.tag_at(end, packet)?;
        let (sequence, ssrc) = rtp_numbers(packet);
        let known = self.streams.iter().find(|(of, _)| *of == ssrc).map(|(_, replay)| *replay);
        let mut replay = known.unwrap_or_default();
        let name = |index| Name { ssrc, index, word: None };
        let index = match replay.newest() {
            Some(newest) => {
                let index = nearest(newest, sequence).filter(|index| replay.is_new(*index));
                let index = index.ok_or(SrtpError::Replayed)?;
                self.rtp.open(name(index), packet, clear, end, tag_at)?;
                index
            }
            None => {
                // The first that gets through. Those before it may have been lost, and a wrap with them.
                let (begun, wrapped) = (u64::from(sequence), 1 << 16 | u64::from(sequence));
                let mut copy = packet.to_vec();
                if self.rtp.open(name(begun), &mut copy, clear, end, tag_at).is_ok() {
                    packet.copy_from_slice(&copy);
                    begun
                } else {
                    self.rtp.open(name(wrapped), packet, clear, end, tag_at)?;
                    wrapped
                }
            }
        };
        replay.take(index);
        remember(&mut self.streams, ssrc, replay);
        Ok(end)
    }

    /// Open a compound RTCP packet in place; answers how long it is now.
    pub fn rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let tag = self.rtcp.tag_length();
        let end = packet.len().checked_sub(tag + 4 + self.mki.len()).filter(|end| *end >= 8);
        let end = end.ok_or(SrtpError::Malformed)?;
        let is_aead = self.master.suite().is_aead();
        let (word_at, tag_at) = if is_aead { (end + tag, end) } else { (end, end + 4 + self.mki.len()) };
        let mki_at = word_at + 4;
        if packet[mki_at..mki_at + self.mki.len()] != self.mki {
            return Err(SrtpError::Forged);
        }
        let word: [u8; 4] = packet[word_at..word_at + 4].try_into().map_err(|_| SrtpError::Malformed)?;
        let (ssrc, index) = (be32(&packet[4..8]), u64::from(be32(&word) & !ENCRYPTED));
        let known = self.reports.iter().find(|(of, _)| *of == ssrc).map(|(_, replay)| *replay);
        let mut replay = known.unwrap_or_default();
        if !replay.is_new(index) {
            return Err(SrtpError::Replayed);
        }
        let name = Name { ssrc, index, word: Some(word) };
        if be32(&word) & ENCRYPTED != 0 {
            self.rtcp.open(name, packet, 8, end, tag_at)?;
        } else {
            self.rtcp.authenticate(name, &packet[..end], &packet[tag_at..])?;
        }
        replay.take(index);
        remember(&mut self.reports, ssrc, replay);
        Ok(end)
    }

    /// Where the tag of an RTP packet begins: the MKI stands before it in counter mode, behind it in GCM.
    fn tag_at(&self, end: usize, packet: &[u8]) -> Result<usize, SrtpError> {
        let is_aead = self.master.suite().is_aead();
        let (tag_at, mki_at) = if is_aead { (end, end + self.rtp.tag_length()) } else { (end + self.mki.len(), end) };
        if packet[mki_at..mki_at + self.mki.len()] != self.mki {
            return Err(SrtpError::Forged);
        }
        Ok(tag_at)
    }
}

/// The index of `sequence` that lies nearest to the newest taken (RFC 3711 §3.3.1); `None` for one before the first.
fn nearest(newest: u64, sequence: u16) -> Option<u64> {
    let step = i64::from(sequence.wrapping_sub(newest as u16) as i16);
    newest.checked_add_signed(step)
}

fn remember(streams: &mut Vec<(u32, Replay)>, ssrc: u32, replay: Replay) {
    match streams.last_mut() {
        Some(last) if last.0 == ssrc => last.1 = replay,
        _ => {
            streams.retain(|(of, _)| *of != ssrc);
            if streams.len() >= STREAMS {
                streams.remove(0);
            }
            streams.push((ssrc, replay));
        }
    }
}
