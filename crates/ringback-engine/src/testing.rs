//! A worker without its thread, whose clock a test turns.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_sfu::Identity;

use crate::config::Config;
use crate::counters::EngineCounters;
use crate::event::Mailbox;
use crate::listening::wall;
use crate::worker::{Inbox, LegKey, Parts, Worker};

/// Ports of their own.
pub fn config() -> Config {
    let local = [127, 0, 0, 1].into();
    Config {
        workers: 1,
        webrtc_host: local,
        webrtc_port: 0,
        webrtc_advertised: vec![local],
        rtp_host: local,
        rtp_other_host: None,
        rtp_first: 32_000,
        rtp_last: 32_999,
    }
}

pub fn worker() -> Worker {
    numbered(0).0
}

/// One of several, and where it is told what to do.
pub fn numbered(number: usize) -> (Worker, Inbox) {
    let (inbox, commands) = Inbox::new().unwrap();
    let worker = Worker::new(Parts {
        number,
        began: Instant::now(),
        udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
        tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
        advertised: config().webrtc_advertised,
        identity: Identity::generate().unwrap(),
        certificate: Arc::new(ringback_rtp::Certificate::generate().unwrap()),
        commands,
        wake: inbox.wake.clone(),
        mailbox: Arc::new(Mailbox::new().unwrap()),
        counters: Arc::new(EngineCounters::default()),
    });
    (worker.unwrap(), inbox)
}

impl Worker {
    /// RTP that arrives now.
    pub fn rtp_packet(&mut self, key: LegKey, from: SocketAddr, datagram: &mut [u8]) {
        self.rtp_packet_at(key, from, self.now, datagram);
    }
}

/// Time passes, in ticks as they would be due.
pub fn pass(worker: &mut Worker, time: Duration) {
    let end = worker.now + time;
    while worker.now < end {
        worker.now = worker.timers.next().unwrap_or(end).clamp(worker.now, end);
        worker.wall = wall();
        worker.fire_timers(None);
        worker.flush();
        if worker.timers.next().is_none_or(|at| at > end) {
            worker.now = end;
        }
    }
}
