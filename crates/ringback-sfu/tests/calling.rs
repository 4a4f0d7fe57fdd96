//! A peer that calls another of ours, joined in memory on a clock that jumps.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringback_sfu::{Changes, Extensions, FormatKind, Identity, Mid, Output, Packet, Peer, PeerEvent, PeerState};

fn server_at() -> SocketAddr {
    ([127, 0, 0, 1], 7882).into()
}

fn caller_at(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

struct Pair {
    now: Instant,
    caller: Peer,
    server: Peer,
    at: SocketAddr,
    heard: [Vec<PeerEvent>; 2],
    datagrams: usize,
}

impl Pair {
    fn new() -> Pair {
        let now = Instant::now();
        let identity = || Identity::generate().unwrap();
        let (caller, server) = (Peer::calling(&identity(), now), Peer::new(&identity(), &[server_at()], now));
        Pair { now, caller, server, at: caller_at(50_000), heard: [vec![], vec![]], datagrams: 0 }
    }

    fn offer(&mut self, changes: &Changes) -> (Option<Mid>, Vec<Mid>) {
        let offer = self.caller.make_offer(changes).unwrap();
        let answer = self.server.offer(&offer.sdp).unwrap();
        self.caller.answered(&answer).unwrap();
        (offer.sending, offer.receiving)
    }

    fn connect(&mut self) -> (Mid, Vec<Mid>) {
        let (sending, receiving) = self.offer(&Changes { send: true, receive: 1, ..Changes::default() });
        self.caller.reach_at(self.at);
        assert!(self.until(|pair| pair.is(0, PeerState::Connected) && pair.is(1, PeerState::Connected)));
        (sending.unwrap(), receiving)
    }

    fn is(&self, who: usize, state: PeerState) -> bool {
        let mut states =
            self.heard[who].iter().rev().filter_map(|e| if let PeerEvent::State(s) = e { Some(*s) } else { None });
        states.next() == Some(state)
    }

    fn until(&mut self, done: impl Fn(&Pair) -> bool) -> bool {
        (0..2000).any(|_| {
            self.step();
            done(self)
        })
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(5);
        let (now, at) = (self.now, self.at);
        self.caller.timeout(now).unwrap();
        for datagram in drain(&mut self.caller, &mut self.heard[0]) {
            self.datagrams += 1;
            self.server.receive(false, at, &datagram, now).unwrap();
        }
        self.server.timeout(now).unwrap();
        for datagram in drain(&mut self.server, &mut self.heard[1]) {
            self.datagrams += 1;
            self.caller.receive(false, server_at(), &datagram, now).unwrap();
        }
    }

    fn packets(&self, who: usize) -> Vec<(FormatKind, usize)> {
        let packet = |event: &PeerEvent| match event {
            PeerEvent::Packet(packet) => Some((packet.format.kind, packet.payload.len())),
            _ => None,
        };
        self.heard[who].iter().filter_map(packet).collect()
    }
}

fn drain(peer: &mut Peer, events: &mut Vec<PeerEvent>) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    loop {
        match peer.poll().unwrap() {
            Output::Wait(_) => return sent,
            Output::Transmit(transmit) => sent.push(transmit.contents),
            Output::Event(event) => events.push(event),
        }
    }
}

fn packet(kind: FormatKind, bytes: usize) -> Packet {
    Packet {
        mid: Mid::from("x"),
        ssrc: 1,
        layer: 0,
        format: kind.plain(),
        sequence: 0,
        timestamp: 0,
        marker: false,
        payload: vec![7; bytes].into(),
        redundant: None,
        extensions: Extensions::default(),
    }
}

#[test]
fn a_caller_is_heard_in_whatever_codec_it_speaks_and_hears_whatever_it_is_sent() {
    let mut pair = Pair::new();
    let (sending, receiving) = pair.connect();
    let kinds = [FormatKind::Pcmu, FormatKind::Pcma, FormatKind::G722, FormatKind::Opus];

    for (n, kind) in (1u64..).zip(kinds) {
        assert!(pair.caller.write(sending, &packet(kind, 60), n, n as u32 * 160, pair.now));
        assert!(pair.server.write(receiving[0], &packet(kind, 80), n, n as u32 * 160, pair.now));
        pair.step();
    }
    (0..4).for_each(|_| pair.step());

    assert_eq!(pair.packets(1), kinds.map(|kind| (kind, 60)));
    assert_eq!(pair.packets(0), kinds.map(|kind| (kind, 80)));
}

#[test]
fn sound_alone_asks_for_no_congestion_feedback() {
    let mut pair = Pair::new();
    let (sending, _) = pair.connect();
    pair.datagrams = 0;

    for n in 1..=250u64 {
        assert!(pair.caller.write(sending, &packet(FormatKind::Pcmu, 160), n, n as u32 * 160, pair.now));
        (0..4).for_each(|_| pair.step());
    }

    assert!(pair.datagrams < 250 + 50, "{} datagrams for five seconds of sound", pair.datagrams);
}

#[test]
fn more_are_heard_on_lines_of_their_own_and_a_stopped_one_is_not_used_again() {
    let mut pair = Pair::new();
    let (_, first) = pair.connect();

    let (none, second) = pair.offer(&Changes { receive: 1, stop: first.clone(), ..Changes::default() });
    pair.step();

    assert_eq!(none, None);
    assert!(second[0] != first[0] && pair.server.takes(second[0], FormatKind::Pcmu.plain()));
    assert!(pair.caller.make_offer(&Changes::default()).is_none());
}

#[test]
fn another_path_is_found_from_another_address_with_the_same_keys() {
    let mut pair = Pair::new();
    let (sending, _) = pair.connect();

    pair.at = caller_at(50_001);
    pair.offer(&Changes { restart: true, ..Changes::default() });
    pair.caller.reach_at(pair.at);
    (0..100).for_each(|_| pair.step());
    assert!(pair.caller.write(sending, &packet(FormatKind::Pcmu, 60), 1, 160, pair.now));
    (0..4).for_each(|_| pair.step());

    assert_eq!(pair.packets(1), [(FormatKind::Pcmu, 60)]);
}

#[test]
fn sound_goes_on_to_the_other_address_once_that_is_the_path() {
    let mut pair = Pair::new();
    let (_, receiving) = pair.connect();
    let mut went = Vec::new();

    for n in 1..=300u64 {
        if n == 100 {
            pair.at = caller_at(50_001);
            pair.offer(&Changes { restart: true, ..Changes::default() });
            pair.caller.reach_at(pair.at);
        }
        assert!(pair.server.write(receiving[0], &packet(FormatKind::Opus, 60), n, n as u32 * 960, pair.now));
        if let Some(transmit) = pair.server.take_straight() {
            went.push((n, transmit.destination));
            pair.caller.receive(false, server_at(), &transmit.contents, pair.now).unwrap();
        }
        (0..4).for_each(|_| pair.step());
    }

    let last_old = went.iter().filter(|(_, to)| *to == caller_at(50_000)).map(|(n, _)| *n).max().unwrap();
    let first_new = went.iter().find(|(_, to)| *to == caller_at(50_001)).map(|(n, _)| *n).unwrap();
    assert!(last_old < first_new && first_new < 150, "{last_old} {first_new}");
    assert_eq!(went.last(), Some(&(300, caller_at(50_001))));
    let heard = pair.packets(0).len();
    assert!(heard >= 280, "{heard} of 300 were heard");
}

#[test]
fn a_path_that_is_gone_is_noticed_within_ten_seconds() {
    let mut pair = Pair::new();
    pair.connect();
    let gone = pair.now;

    while !pair.is(0, PeerState::Disconnected) {
        pair.now += Duration::from_millis(5);
        pair.caller.timeout(pair.now).unwrap();
        drain(&mut pair.caller, &mut pair.heard[0]);
        assert!(pair.now < gone + Duration::from_secs(10), "nobody noticed");
    }
}

#[test]
fn what_is_no_answer_is_refused_in_a_sentence() {
    let mut pair = Pair::new();

    assert_eq!(pair.caller.answered("v=0").unwrap_err(), "nothing was offered");
    for bad in ["", "hello", "v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\n"] {
        assert!(pair.caller.make_offer(&Changes { send: true, ..Changes::default() }).is_some());
        assert!(pair.caller.answered(bad).unwrap_err().starts_with("the answer"), "{bad:?}");
    }
}
