//! Datagrams of one turn, sent together.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

/// Datagrams per system call.
const BATCH: usize = 64;

/// What waits to be sent from the WebRTC port.
#[derive(Default)]
pub struct Outbox {
    waiting: Vec<(SocketAddr, Vec<u8>)>,
}

impl Outbox {
    pub fn push(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        self.waiting.push((to, datagram));
    }

    /// Send everything. What the kernel does not take now is lost, as the network might lose it.
    pub fn flush(&mut self, socket: &UdpSocket) {
        for batch in self.waiting.chunks(BATCH) {
            send_batch(socket, batch);
        }
        self.waiting.clear();
    }
}

fn send_batch(socket: &UdpSocket, batch: &[(SocketAddr, Vec<u8>)]) {
    if let [(to, datagram)] = batch {
        let _ = socket.send_to(datagram, to);
        return;
    }
    let addresses: Vec<SocketAddrAny> = batch.iter().map(|(to, _)| SocketAddrAny::from(*to)).collect();
    let slices: Vec<[IoSlice<'_>; 1]> = batch.iter().map(|(_, datagram)| [IoSlice::new(datagram)]).collect();
    let mut control: Vec<SendAncillaryBuffer<'_, '_, '_>> = batch.iter().map(|_| Default::default()).collect();
    let mut messages: Vec<MMsgHdr<'_>> = addresses
        .iter()
        .zip(&slices)
        .zip(&mut control)
        .map(|((address, slice), control)| MMsgHdr::new_with_addr(address, slice, control))
        .collect();
    let mut rest = &mut messages[..];
    while !rest.is_empty() {
        // A datagram that cannot go (its peer's host is unreachable) must not hold up those behind it.
        let sent = sendmmsg(socket, rest, SendFlags::empty()).unwrap_or(1).clamp(1, rest.len());
        rest = &mut rest[sent..];
    }
}
