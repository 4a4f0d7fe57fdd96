//! One call as the worker holds it: its peer, its sockets, and both ways of its sound.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use ringback_audio::Codec;
use ringback_engine::{Broken, guarded};
use ringback_sfu::{Changes, Identity, Mid, Offer, Output, Packet, Peer, PeerEvent, PeerState, Transmit};

use crate::callers::Shared;
use crate::counters::Counters;
use crate::event::Event;
use crate::hearing::Hearing;
use crate::voice::Voice;

/// Most server addresses that are tried.
const MOST_CANDIDATES: usize = 16;

/// What a bot speaks.
#[derive(Debug, Clone)]
pub struct Speaks {
    /// The codec of the first of these m-lines that was heard.
    pub follows: Vec<Mid>,
    /// The codec when there is none of them, or none was heard.
    pub otherwise: Codec,
}

/// One call.
pub struct Caller {
    pub number: u64,
    pub shared: Arc<Shared>,
    pub sockets: Vec<UdpSocket>,
    /// The wake-up that stands in the heap.
    pub wake: Option<Instant>,
    pub next_tick: Instant,
    peer: Peer,
    hearing: Hearing,
    voice: Voice,
    speaks: Speaks,
    sending: Option<Mid>,
    /// An offer of ours asked for another path.
    rebind: bool,
    connected: bool,
    /// The machine has no way to the server just now: sending says so.
    cut_off: bool,
    /// Speech waits for the path to come back.
    held: bool,
}

/// What came of a call's turn.
#[derive(Default)]
pub struct Outcome {
    pub events: Vec<Event>,
    pub wake: Option<Instant>,
}

impl Caller {
    pub fn new(number: u64, shared: Arc<Shared>, identity: &Identity, now: Instant, next_tick: Instant) -> Caller {
        Caller {
            number,
            sockets: Vec::new(),
            wake: None,
            next_tick,
            peer: Peer::calling(identity, now),
            hearing: Hearing::new(shared.rate),
            voice: Voice::new(shared.rate),
            shared,
            speaks: Speaks { follows: Vec::new(), otherwise: Codec::Opus },
            sending: None,
            rebind: true,
            connected: false,
            cut_off: false,
            held: false,
        }
    }

    /// What it speaks from its next pause on.
    pub fn speak(&mut self, speaks: Speaks) {
        self.speaks = speaks;
    }

    /// Make an offer.
    pub fn offer(&mut self, changes: &Changes) -> Option<Offer> {
        changes.stop.iter().for_each(|mid| self.hearing.forget(mid));
        self.rebind |= changes.restart;
        let offer = self.peer.make_offer(changes)?;
        self.sending = offer.sending.or(self.sending);
        Some(offer)
    }

    /// Take the answer to it; the sockets may be others afterwards.
    pub fn answered(&mut self, sdp: &str) -> Result<(), String> {
        self.peer.answered(sdp)?;
        if self.rebind {
            let servers = candidates(sdp);
            self.sockets = bind_towards(&servers)
                .map_err(|e| format!("no socket of this machine reaches the server's media at {servers:?}: {e}"))?;
            for socket in &self.sockets {
                if let Ok(address) = socket.local_addr() {
                    self.peer.reach_at(address);
                }
            }
            self.rebind = false;
        }
        Ok(())
    }

    /// A datagram came.
    pub fn receive(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) -> Result<Outcome, Broken> {
        match guarded(|| self.peer.receive(false, source, datagram, now))? {
            Ok(true) => self.drain(now),
            Ok(false) => Ok(Outcome::default()),
            Err(_) => Err(Broken::Closed),
        }
    }

    /// Let time pass in the peer.
    pub fn pass_time(&mut self, now: Instant) -> Result<Outcome, Broken> {
        guarded(|| self.peer.timeout(now))?.map_err(|_| Broken::Closed)?;
        self.drain(now)
    }

    fn drain(&mut self, now: Instant) -> Result<Outcome, Broken> {
        let mut outcome = Outcome::default();
        loop {
            match guarded(|| self.peer.poll())?.map_err(|_| Broken::Closed)? {
                Output::Transmit(transmit) => self.transmit(&transmit),
                Output::Event(PeerEvent::State(state)) => {
                    self.connected = state == PeerState::Connected;
                    outcome.events.push(Event::State { call: self.number, state: state.name() });
                }
                Output::Event(PeerEvent::Packet(packet)) => self.packet(&packet, now),
                Output::Event(PeerEvent::KeyframeWanted(_) | PeerEvent::Estimate(_)) => {}
                Output::Wait(at) => {
                    if self.wake.is_none_or(|wake| at < wake) {
                        self.wake = Some(at);
                        outcome.wake = Some(at);
                    }
                    return Ok(outcome);
                }
            }
        }
    }

    fn packet(&mut self, packet: &Packet, now: Instant) {
        Counters::add(&self.shared.counters.packets_received, 1);
        self.hearing.packet(packet, self.shared.ears.is_anybody(), now);
    }

    /// What the kernel does not take is lost, as the network might lose it; that there is no network is remembered.
    fn transmit(&mut self, transmit: &Transmit) {
        let same = |socket: &&UdpSocket| {
            socket.local_addr().is_ok_and(|local| local.is_ipv4() == transmit.destination.is_ipv4())
        };
        if let Some(socket) = self.sockets.iter().find(same) {
            match socket.send_to(&transmit.contents, transmit.destination) {
                Ok(_) => self.cut_off = false,
                Err(e) => self.cut_off |= is_cut_off(&e),
            }
        }
    }

    /// 20 ms pass.
    pub fn tick(&mut self, now: Instant, late: bool) -> Result<Outcome, Broken> {
        let mut events = self.say(now, late)?;
        let told = guarded(|| self.hearing.tick(&self.shared.ears, &self.shared.counters, now))?;
        events.extend(told.into_iter().map(|ear| Event::Heard { call: self.number, ear }));
        let mut outcome = self.pass_time(now)?;
        events.append(&mut outcome.events);
        Ok(Outcome { events, ..outcome })
    }

    fn say(&mut self, now: Instant, late: bool) -> Result<Vec<Event>, Broken> {
        let counters = &self.shared.counters;
        let Some(mid) = self.sending.filter(|_| self.connected && !self.cut_off) else {
            self.voice.pass();
            let held = self.sending.is_some() && self.shared.speech.waiting() > 0;
            if held && !std::mem::replace(&mut self.held, true) {
                Counters::add(&counters.underruns_path, 1);
            }
            return Ok(Vec::new());
        };
        self.held = false;
        let codec = self.codec();
        let before = self.shared.speech.waiting();
        let (packet, taken) = guarded(|| self.voice.tick(&self.shared.speech, codec, mid))?;
        let said = before.saturating_sub(self.shared.speech.waiting());
        Counters::add(&counters.samples_said, said as u64);
        if said > 0 && late {
            Counters::add(&counters.ticks_late, 1);
        }
        if taken.late {
            Counters::add(&counters.underruns_bot, 1);
        }
        if let Some(packet) = packet
            && guarded(|| self.peer.write(mid, &packet, packet.sequence, packet.timestamp, now))?
        {
            Counters::add(&counters.packets_sent, 1);
        }
        Ok(taken.marks.into_iter().map(|mark| Event::Mark { call: self.number, mark }).collect())
    }

    fn codec(&self) -> Codec {
        let heard = self.speaks.follows.iter().find_map(|mid| self.hearing.codec_of(mid));
        heard.unwrap_or(self.speaks.otherwise)
    }

    /// Say goodbye.
    pub fn close(&mut self, now: Instant) {
        let words = guarded(|| self.peer.last_words(now)).unwrap_or_default();
        words.iter().for_each(|transmit| self.transmit(transmit));
    }
}

/// Whether an error of sending says that no network is there, and not that a queue is full or a packet unwelcome.
fn is_cut_off(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), AddrNotAvailable | HostUnreachable | NetworkDown | NetworkUnreachable)
}

/// The UDP addresses in an answer (RFC 8839 §5.1).
fn candidates(sdp: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.trim_end().strip_prefix("a=candidate:")?.split(' ').skip(2);
        words.next().filter(|transport| transport.eq_ignore_ascii_case("udp"))?;
        let ip: IpAddr = words.nth(1)?.parse().ok()?;
        Some(SocketAddr::new(ip, words.next()?.parse().ok()?))
    };
    let mut all: Vec<SocketAddr> = Vec::new();
    for found in sdp.lines().filter_map(address) {
        if !all.contains(&found) && all.len() < MOST_CANDIDATES {
            all.push(found);
        }
    }
    all
}

/// A socket per address of ours from which some of these are reached.
fn bind_towards(servers: &[SocketAddr]) -> io::Result<Vec<UdpSocket>> {
    let mut sockets: Vec<UdpSocket> = Vec::new();
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "the answer names no UDP address");
    for server in servers {
        match bind_one(server, &sockets) {
            Ok(socket) => sockets.extend(socket),
            Err(error) => problem = error,
        }
    }
    if sockets.is_empty() { Err(problem) } else { Ok(sockets) }
}

fn bind_one(server: &SocketAddr, known: &[UdpSocket]) -> io::Result<Option<UdpSocket>> {
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let probe = UdpSocket::bind((any, 0))?;
    // Sends nothing: the kernel chooses the route.
    probe.connect(server)?;
    let ip = probe.local_addr()?.ip();
    if known.iter().any(|socket| socket.local_addr().is_ok_and(|local| local.is_ipv4() == ip.is_ipv4())) {
        return Ok(None);
    }
    let socket = UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    Ok(Some(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udp_addresses_are_read_from_an_answer_and_nothing_else() {
        let sdp = "v=0\r\na=candidate:1 1 udp 2130706175 192.0.2.1 7882 typ host ufrag x\r\n\
                   a=candidate:2 1 tcp 2105524479 192.0.2.1 7882 typ host tcptype passive\r\n\
                   a=candidate:3 1 UDP 1 2001:db8::1 7882 typ host\r\na=candidate:4 1 udp 1 host.example 1 typ host\r\n\
                   a=candidate:1 1 udp 2130706175 192.0.2.1 7882 typ host\r\na=candidate:\r\n";

        let found: Vec<String> = candidates(sdp).iter().map(SocketAddr::to_string).collect();

        assert_eq!(found, ["192.0.2.1:7882", "[2001:db8::1]:7882"]);
    }
}
