//! ICE over TCP (RFC 6544): connections in, framed packets out of them, and limits on what strangers can hold open.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ringback_sfu::{Deframer, frame};

/// From accept to the first packet that proves a peer.
pub const PROOF: Duration = Duration::from_secs(10);
/// Without a byte: a live peer sends consent checks every few seconds (RFC 7675).
pub const IDLE: Duration = Duration::from_secs(60);
const MOST: usize = 4096;
const MOST_PER_ADDRESS: usize = 64;
const LONGEST_FRAME: usize = 2000;
/// A peer that reads slower than it is sent to loses packets beyond this, as it would over UDP.
const MOST_UNSENT: usize = 512 * 1024;
const READ_AT_ONCE: usize = 16 * 1024;

/// Number of a connection, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey(pub u64);

struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    deframer: Deframer,
    unsent: Vec<u8>,
    proved: bool,
    opened: Instant,
    heard: Instant,
}

/// What a read brought.
pub enum Reading {
    /// Whole packets; the connection goes on.
    Packets(Vec<Vec<u8>>),
    /// The connection is over, or broke a rule.
    Over,
}

/// All TCP connections of WebRTC peers.
pub struct TcpPeers {
    listener: TcpListener,
    connections: HashMap<ConnectionKey, Connection>,
    by_address: HashMap<SocketAddr, ConnectionKey>,
    per_address: HashMap<IpAddr, usize>,
    last_key: u64,
    buffer: Vec<u8>,
}

impl TcpPeers {
    pub fn new(listener: TcpListener) -> std::io::Result<TcpPeers> {
        listener.set_nonblocking(true)?;
        Ok(TcpPeers {
            listener,
            connections: HashMap::new(),
            by_address: HashMap::new(),
            per_address: HashMap::new(),
            last_key: 0,
            buffer: vec![0; READ_AT_ONCE],
        })
    }

    pub fn listener(&self) -> &TcpListener {
        &self.listener
    }

    pub fn stream(&self, key: ConnectionKey) -> Option<&TcpStream> {
        self.connections.get(&key).map(|c| &c.stream)
    }

    pub fn address(&self, key: ConnectionKey) -> Option<SocketAddr> {
        self.connections.get(&key).map(|c| c.address)
    }

    pub fn by_address(&self, address: SocketAddr) -> Option<ConnectionKey> {
        self.by_address.get(&address).copied()
    }

    /// One waiting connection: `Ok(None)` when there is none, `Err` when it was refused.
    pub fn accept(&mut self, now: Instant) -> Result<Option<ConnectionKey>, ()> {
        let (stream, address) = match self.listener.accept() {
            Ok(accepted) => accepted,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(_) => return Err(()),
        };
        let from_there = self.per_address.get(&address.ip()).copied().unwrap_or(0);
        let full = self.connections.len() >= MOST && !self.close_oldest_unproved();
        if full || from_there >= MOST_PER_ADDRESS || stream.set_nonblocking(true).is_err() {
            return Err(());
        }
        let _ = stream.set_nodelay(true);
        self.last_key += 1;
        let key = ConnectionKey(self.last_key);
        *self.per_address.entry(address.ip()).or_default() += 1;
        self.by_address.insert(address, key);
        let connection = Connection {
            stream,
            address,
            deframer: Deframer::new(LONGEST_FRAME),
            unsent: Vec::new(),
            proved: false,
            opened: now,
            heard: now,
        };
        self.connections.insert(key, connection);
        Ok(Some(key))
    }

    fn close_oldest_unproved(&mut self) -> bool {
        let strangers = self.connections.iter().filter(|(_, c)| !c.proved);
        let Some((&key, _)) = strangers.min_by_key(|(_, c)| c.opened) else { return false };
        self.close(key);
        true
    }

    /// Read once.
    pub fn read(&mut self, key: ConnectionKey, now: Instant) -> Reading {
        let Some(connection) = self.connections.get_mut(&key) else { return Reading::Over };
        match connection.stream.read(&mut self.buffer) {
            Ok(0) => Reading::Over,
            Ok(n) => {
                connection.heard = now;
                connection.deframer.push(&self.buffer[..n]);
                let mut packets = Vec::new();
                loop {
                    match connection.deframer.next_packet() {
                        Ok(Some(packet)) => packets.push(packet.to_vec()),
                        Ok(None) => return Reading::Packets(packets),
                        Err(_) => return Reading::Over,
                    }
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock || e.kind() == ErrorKind::Interrupted => {
                Reading::Packets(Vec::new())
            }
            Err(_) => Reading::Over,
        }
    }

    /// A packet over it proved whose it is.
    pub fn prove(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.proved = true;
        }
    }

    /// When the connection is to be looked at again, or `None` when it has to go now.
    pub fn look_again(&self, key: ConnectionKey, now: Instant) -> Option<Instant> {
        let connection = self.connections.get(&key)?;
        let end = if connection.proved { connection.heard + IDLE } else { connection.opened + PROOF };
        (end > now).then_some(end)
    }

    /// Send a packet; `true` when some of it has to wait until the connection can be written to.
    pub fn send(&mut self, key: ConnectionKey, packet: &[u8]) -> bool {
        let Some(connection) = self.connections.get_mut(&key) else { return false };
        if connection.unsent.len() > MOST_UNSENT {
            return true;
        }
        frame(packet, &mut connection.unsent);
        self.write(key)
    }

    /// Write what waits; `true` when some still does.
    pub fn write(&mut self, key: ConnectionKey) -> bool {
        let Some(connection) = self.connections.get_mut(&key) else { return false };
        while !connection.unsent.is_empty() {
            match connection.stream.write(&connection.unsent) {
                Ok(n) if n > 0 => {
                    connection.unsent.drain(..n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return true,
                // Broken: the reading side notices and closes it.
                _ => {
                    connection.unsent.clear();
                    return false;
                }
            }
        }
        false
    }

    /// Close it; its address is returned.
    pub fn close(&mut self, key: ConnectionKey) -> Option<SocketAddr> {
        let connection = self.connections.remove(&key)?;
        let address = connection.address;
        if self.by_address.get(&address) == Some(&key) {
            self.by_address.remove(&address);
        }
        if let Some(n) = self.per_address.get_mut(&address.ip()) {
            *n -= 1;
            if *n == 0 {
                self.per_address.remove(&address.ip());
            }
        }
        Some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers() -> (TcpPeers, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (TcpPeers::new(listener).unwrap(), address)
    }

    fn accept(peers: &mut TcpPeers, now: Instant) -> Result<ConnectionKey, ()> {
        loop {
            if let Some(key) = peers.accept(now)? {
                return Ok(key);
            }
        }
    }

    #[test]
    fn a_connection_that_proves_nothing_in_ten_seconds_has_to_go() {
        let (mut peers, address) = peers();
        let now = Instant::now();
        let _client = TcpStream::connect(address).unwrap();
        let key = accept(&mut peers, now).unwrap();

        assert_eq!(peers.look_again(key, now), Some(now + PROOF));
        assert_eq!(peers.look_again(key, now + PROOF), None);
        peers.prove(key);
        assert_eq!(peers.look_again(key, now + PROOF), Some(now + IDLE));
    }

    #[test]
    fn the_sixty_fifth_connection_of_one_address_is_refused() {
        let (mut peers, address) = peers();
        let now = Instant::now();
        let clients: Vec<_> = (0..65).map(|_| TcpStream::connect(address).unwrap()).collect();

        let taken: Vec<_> = (0..64).map(|_| accept(&mut peers, now).unwrap()).collect();

        assert!(accept(&mut peers, now).is_err());
        taken.into_iter().for_each(|key| assert!(peers.close(key).is_some()));
        assert!(peers.per_address.is_empty() && peers.by_address.is_empty());
        drop(clients);
    }

    #[test]
    fn an_overlong_frame_ends_the_connection() {
        let (mut peers, address) = peers();
        let now = Instant::now();
        let mut client = TcpStream::connect(address).unwrap();
        let key = accept(&mut peers, now).unwrap();

        client.write_all(&[0xff, 0xff, 1, 2, 3]).unwrap();

        loop {
            match peers.read(key, now) {
                Reading::Over => break,
                Reading::Packets(packets) => assert!(packets.is_empty()),
            }
        }
    }
}
