//! The keys of a phone leg: the present ones, and those before them for as long as they may still matter.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_rtp::{Certificate, MasterKey, Protect, SrtpError, Suite, Unprotect};

use crate::dtls::{Association, Datagrams, DtlsTerms, Progress};

/// Packets under the key before are still opened for this long: they were on their way when the key changed.
const GRACE: Duration = Duration::from_secs(2);
/// Keys kept: one that comes back must go on where it left, or two packets would be sealed alike.
const KEPT: usize = 4;

/// Keys of an offer/answer, or how they come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhoneCrypto {
    /// Told in SDP (RFC 4568).
    Sdes(SdesKeys),
    /// Agreed on over the port itself (RFC 5764).
    Dtls(DtlsTerms),
}

/// Keys that SDP told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdesKeys {
    /// Ours.
    pub send: MasterKey,
    /// The far end's.
    pub receive: MasterKey,
    /// What stands in each packet of the far end, usually nothing.
    pub receive_mki: Vec<u8>,
}

/// What seals and opens the packets of one port; the present keys come last.
///
/// One for each RTP port of a leg, whatever kind of stream runs there. `set` follows each offer/answer; DTLS datagrams
/// go to `receive`, and `wake` is called when `next_wake` says. Until `is_ready` nothing may be sent.
#[derive(Debug)]
pub struct Crypto {
    senders: Vec<Protect>,
    receivers: Vec<Unprotect>,
    changed: Option<Instant>,
    association: Option<Association>,
    certificate: Arc<Certificate>,
}

impl Crypto {
    pub fn new(now: Instant, terms: PhoneCrypto, certificate: &Arc<Certificate>) -> Crypto {
        let certificate = certificate.clone();
        let (senders, receivers) = (Vec::new(), Vec::new());
        let mut crypto = Crypto { senders, receivers, changed: None, association: None, certificate };
        crypto.set(now, terms);
        crypto
    }

    /// Apply a later offer/answer. A key that stays goes on counting, and so does what DTLS agreed on while both
    /// certificates and roles stay.
    pub fn set(&mut self, now: Instant, terms: PhoneCrypto) {
        match terms {
            PhoneCrypto::Sdes(keys) => {
                self.association = None;
                self.take(now, keys);
            }
            PhoneCrypto::Dtls(terms) => {
                if self.association.as_ref().is_none_or(|known| *known.terms() != terms) {
                    self.association = Some(Association::new(self.certificate.clone(), terms));
                }
            }
        }
    }

    /// Whether there are keys: before that nothing is sent, and nothing that comes can be opened.
    pub fn is_ready(&self) -> bool {
        !self.senders.is_empty()
    }

    /// Speak first, where DTLS has us do so and that has not been done.
    pub fn begin(&mut self, now: Instant, with: SocketAddr, out: &mut Datagrams) -> Progress {
        let progress = self.association.as_mut().map_or(Progress::Going, |a| a.begin(now, with, out));
        self.note(now, progress)
    }

    /// A DTLS datagram from `from`; `is_believed`: the far end is known to be there.
    pub fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        is_believed: bool,
        datagram: &[u8],
        out: &mut Datagrams,
    ) -> Progress {
        let association = self.association.as_mut();
        let progress = association.map_or(Progress::Going, |a| a.receive(now, from, is_believed, datagram, out));
        self.note(now, progress)
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Instant, out: &mut Datagrams) -> Progress {
        let progress = self.association.as_mut().map_or(Progress::Going, |a| a.wake(now, out));
        self.note(now, progress)
    }

    /// When [`wake`](Self::wake) is due.
    pub fn next_wake(&self) -> Option<Instant> {
        self.association.as_ref().and_then(Association::next_wake)
    }

    fn note(&mut self, now: Instant, progress: Progress) -> Progress {
        if let Progress::Keyed(keys, _) = &progress {
            let (send, receive) = (keys.send.clone(), keys.receive.clone());
            self.take(now, SdesKeys { send, receive, receive_mki: Vec::new() });
        }
        progress
    }

    fn take(&mut self, now: Instant, keys: SdesKeys) {
        let known = self.senders.iter().position(|sender| *sender.master() == keys.send);
        let sender = known.map(|at| self.senders.remove(at)).unwrap_or_else(|| Protect::new(keys.send));
        push(&mut self.senders, sender);
        let is_present = |r: &Unprotect| *r.master() == keys.receive && r.mki() == keys.receive_mki;
        if self.receivers.last().is_some_and(is_present) {
            return;
        }
        self.changed = Some(now).filter(|_| !self.receivers.is_empty());
        let known = self.receivers.iter().position(is_present);
        let receiver = known.map(|at| self.receivers.remove(at));
        push(&mut self.receivers, receiver.unwrap_or_else(|| Unprotect::new(keys.receive, &keys.receive_mki)));
    }

    /// How packets are protected.
    pub fn suite(&self) -> Option<Suite> {
        self.senders.last().map(|sender| sender.master().suite())
    }

    /// What seals our packets.
    pub fn sender(&mut self) -> Option<&mut Protect> {
        self.senders.last_mut()
    }

    /// Open a packet in place; what remains of it.
    pub fn open<'a>(&mut self, now: Instant, packet: &'a mut [u8], is_rtcp: bool) -> Result<&'a mut [u8], SrtpError> {
        let open = |receiver: &mut Unprotect, packet: &mut [u8]| match is_rtcp {
            true => receiver.rtcp(packet),
            false => receiver.rtp(packet),
        };
        let [older @ .., present] = &mut self.receivers[..] else { return Err(SrtpError::Forged) };
        let before = older.last_mut().filter(|_| self.changed.is_some_and(|at| now < at + GRACE));
        let Some(before) = before else {
            let length = open(present, packet)?;
            return Ok(&mut packet[..length]);
        };
        let mut copy = packet.to_vec();
        let length = match open(present, packet) {
            Ok(length) => length,
            Err(why) => {
                let length = open(before, &mut copy).map_err(|_| why)?;
                packet.copy_from_slice(&copy);
                length
            }
        };
        Ok(&mut packet[..length])
    }
}

fn push<T>(kept: &mut Vec<T>, new: T) {
    if kept.len() >= KEPT {
        kept.remove(0);
    }
    kept.push(new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_rtp::RtpHeader;

    fn key(seed: u8) -> MasterKey {
        MasterKey::new(Suite::AesCm128Sha1_80, &[seed; 30]).unwrap()
    }

    fn keys(send: u8, receive: u8) -> PhoneCrypto {
        PhoneCrypto::Sdes(SdesKeys { send: key(send), receive: key(receive), receive_mki: vec![] })
    }

    fn with(now: Instant, keys: PhoneCrypto) -> Crypto {
        Crypto::new(now, keys, &Arc::new(Certificate::generate().unwrap()))
    }

    fn rtp(sequence: u16) -> Vec<u8> {
        let mut packet = Vec::new();
        RtpHeader { payload_type: 0, marker: false, sequence, timestamp: 0, ssrc: 7 }.write(&[1; 160], &mut packet);
        packet
    }

    fn sealed(out: &mut Protect, sequence: u16) -> Vec<u8> {
        let mut packet = rtp(sequence);
        assert!(out.rtp(&mut packet));
        packet
    }

    #[test]
    fn a_reinvite_with_the_same_keys_goes_on_counting_over_the_wrap_and_back() {
        let now = Instant::now();
        let (mut far, mut crypto) = (Protect::new(key(2)), with(now, keys(1, 2)));
        for sequence in [65_534, 65_535, 0, 1] {
            crypto.open(now, &mut sealed(&mut far, sequence), false).unwrap();
        }

        crypto.set(now, keys(1, 2));

        let mut packet = sealed(&mut far, 2);
        assert_eq!(crypto.open(now, &mut packet, false).unwrap(), rtp(2));
        let mut early = sealed(&mut Protect::new(key(2)), 1);
        assert_eq!(crypto.open(now, &mut early, false), Err(SrtpError::Replayed), "what came before is still known");
    }

    #[test]
    fn what_was_on_its_way_under_the_old_key_is_opened_for_two_seconds() {
        let now = Instant::now();
        let (mut old, mut new) = (Protect::new(key(2)), Protect::new(key(3)));
        let mut crypto = with(now, keys(1, 2));
        crypto.open(now, &mut sealed(&mut old, 10), false).unwrap();

        crypto.set(now, keys(1, 3));

        assert_eq!(crypto.open(now, &mut sealed(&mut old, 11), false).unwrap(), rtp(11));
        assert_eq!(crypto.open(now, &mut sealed(&mut new, 12), false).unwrap(), rtp(12));
        let later = now + GRACE;
        assert_eq!(crypto.open(later, &mut sealed(&mut old, 13), false), Err(SrtpError::Forged));
        assert_eq!(crypto.open(later, &mut sealed(&mut new, 14), false).unwrap(), rtp(14));
    }

    #[test]
    fn a_key_of_ours_that_comes_back_seals_no_two_packets_alike() {
        let now = Instant::now();
        let mut crypto = with(now, keys(1, 2));
        let first: Vec<Vec<u8>> = (0..3).map(|n| sealed(crypto.sender().unwrap(), 65_534u16.wrapping_add(n))).collect();

        crypto.set(now, keys(4, 2));
        sealed(crypto.sender().unwrap(), 1);
        crypto.set(now, keys(1, 2));

        let mut far = Unprotect::new(key(1), b"");
        for mut packet in first {
            far.rtp(&mut packet).unwrap();
        }
        let mut packet = sealed(crypto.sender().unwrap(), 2);
        let length = far.rtp(&mut packet).unwrap();
        assert_eq!(packet[..length], rtp(2));
    }
}
