//! Whose packet is it? One port serves every WebRTC peer: by source address once known, by ufrag before that.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::worker::LegKey;

/// Where a packet came from: UDP, or the TCP connection with that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source {
    pub tcp: bool,
    pub address: SocketAddr,
}

/// Most addresses remembered per peer: a browser has a handful, a stranger with its ufrag must not fill the table.
const MOST_ADDRESSES: usize = 16;

#[derive(Default)]
pub struct Demux {
    by_source: HashMap<Source, LegKey>,
    by_ufrag: HashMap<String, LegKey>,
    addresses: HashMap<LegKey, Vec<Source>>,
}

impl Demux {
    pub fn by_source(&self, source: &Source) -> Option<LegKey> {
        self.by_source.get(source).copied()
    }

    pub fn by_ufrag(&self, ufrag: &str) -> Option<LegKey> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// A peer goes by this ufrag now, and by the old one no longer.
    pub fn name(&mut self, leg: LegKey, old: &str, new: &str) {
        self.by_ufrag.remove(old);
        self.by_ufrag.insert(new.into(), leg);
    }

    /// This address proved to be the peer's.
    pub fn learn(&mut self, source: Source, leg: LegKey) {
        if let Some(before) = self.by_source.insert(source, leg)
            && let Some(list) = self.addresses.get_mut(&before)
        {
            list.retain(|s| *s != source);
        }
        let list = self.addresses.entry(leg).or_default();
        list.push(source);
        if list.len() > MOST_ADDRESSES {
            let oldest = list.remove(0);
            self.by_source.remove(&oldest);
        }
    }

    /// A TCP connection is gone.
    pub fn forget_source(&mut self, source: &Source) {
        if let Some(leg) = self.by_source.remove(source)
            && let Some(list) = self.addresses.get_mut(&leg)
        {
            list.retain(|s| s != source);
        }
    }

    /// A peer is gone; its addresses are returned.
    pub fn forget(&mut self, leg: LegKey, ufrag: &str) -> Vec<Source> {
        self.by_ufrag.remove(ufrag);
        let addresses = self.addresses.remove(&leg).unwrap_or_default();
        for source in &addresses {
            self.by_source.remove(source);
        }
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(port: u16) -> Source {
        Source { tcp: false, address: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn an_address_taken_over_by_another_peer_is_the_other_peers() {
        let mut demux = Demux::default();
        demux.learn(udp(1), LegKey(1));
        demux.learn(udp(1), LegKey(2));

        demux.forget(LegKey(1), "a");

        assert_eq!(demux.by_source(&udp(1)), Some(LegKey(2)));
    }

    #[test]
    fn a_peer_with_endless_addresses_keeps_only_the_latest() {
        let mut demux = Demux::default();

        (1..=100).for_each(|port| demux.learn(udp(port), LegKey(1)));

        assert_eq!(demux.by_source.len(), MOST_ADDRESSES);
        assert_eq!(demux.by_source(&udp(100)), Some(LegKey(1)));
        assert_eq!(demux.by_source(&udp(1)), None);
    }

    #[test]
    fn nothing_is_left_of_a_peer_that_is_gone() {
        let mut demux = Demux::default();
        demux.name(LegKey(1), "", "abc");
        demux.learn(udp(1), LegKey(1));

        assert_eq!(demux.forget(LegKey(1), "abc"), [udp(1)]);

        assert!(demux.by_source.is_empty() && demux.by_ufrag.is_empty() && demux.addresses.is_empty());
    }
}
