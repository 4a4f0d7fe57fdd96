//! Whatever comes to the WebRTC port gives a value or an error: STUN, DTLS and SRTP of a real call, changed at random.
//!
//! Two seconds each with the other tests; a minute each with `--ignored`, which `make test` runs beneath others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_sfu::{
    Changes, Deframer, Extensions, FormatKind, Identity, Output, Packet, Peer, Redundant, frame, ufrag,
};

const QUICK: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);
const LONGEST_FRAME: usize = 1500;

fn server_at() -> SocketAddr {
    ([127, 0, 0, 1], 7882).into()
}

fn caller_at() -> SocketAddr {
    ([127, 0, 0, 1], 50_000).into()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A copy of one of these with up to eight changes: bits, octets, lengths, parts of others.
    fn changed(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = samples[self.below(samples.len())].clone();
        for _ in 0..self.below(9) {
            let at = self.below(bytes.len());
            match self.next() % 6 {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << (self.next() % 8),
                1 if !bytes.is_empty() => bytes[at] = self.next() as u8,
                2 => bytes.truncate(at),
                3 => {
                    let more = self.below(40);
                    bytes.extend((0..more).map(|_| self.next() as u8));
                }
                4 => {
                    let other = &samples[self.below(samples.len())];
                    let from = self.below(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                _ => drop(bytes.drain(..self.below(at.min(8) + 1))),
            }
        }
        bytes
    }
}

/// A server's peer with its call up, what its caller sent it so far, and when that was.
struct Call {
    server: Peer,
    said: Vec<Vec<u8>>,
    now: Instant,
}

fn call(identities: &[Identity; 2]) -> Call {
    let mut now = Instant::now();
    let mut caller = Peer::calling(&identities[0], now);
    let mut server = Peer::new(&identities[1], &[server_at()], now);
    let offer = caller.make_offer(&Changes { send: true, receive: 1, ..Changes::default() }).unwrap();
    let answer = server.offer(&offer.sdp).unwrap();
    caller.answered(&answer).unwrap();
    caller.reach_at(caller_at());
    let mut said = Vec::new();
    let sound = Packet {
        mid: "x".into(),
        ssrc: 1,
        layer: 0,
        format: FormatKind::Pcmu.plain(),
        sequence: 0,
        timestamp: 0,
        marker: false,
        payload: vec![7; 160].into(),
        redundant: None,
        extensions: Extensions::default(),
    };
    for step in 0..400u32 {
        now += Duration::from_millis(5);
        if step > 300 && step % 4 == 0 {
            caller.write(offer.sending.unwrap(), &sound, u64::from(step), step * 40, now);
        }
        caller.timeout(now).unwrap();
        for datagram in drain(&mut caller).unwrap() {
            server.receive(false, caller_at(), &datagram, now).unwrap();
            said.push(datagram);
        }
        server.timeout(now).unwrap();
        for datagram in drain(&mut server).unwrap() {
            caller.receive(false, server_at(), &datagram, now).unwrap();
        }
    }
    Call { server, said, now }
}

fn drain(peer: &mut Peer) -> Result<Vec<Vec<u8>>, String> {
    let mut sent = Vec::new();
    loop {
        match peer.poll()? {
            Output::Wait(_) => return Ok(sent),
            Output::Transmit(transmit) => sent.push(transmit.contents),
            Output::Event(_) => {}
        }
    }
}

fn identities() -> [Identity; 2] {
    [(); 2].map(|()| Identity::generate().unwrap())
}

fn stun_for(time: Duration) {
    let Call { server: mut idle, said, now } = call(&identities());
    let named = said.iter().filter(|datagram| ufrag(datagram) == Some(&idle.ufrag())).count();
    assert!(named > 0, "the caller names the server in {named} of {} datagrams", said.len());
    let mut random = Random(0x5eed);
    let end = Instant::now() + time;
    let mut deframer = Deframer::new(LONGEST_FRAME);
    while Instant::now() < end {
        let datagram = random.changed(&said);
        if let Some(name) = ufrag(&datagram) {
            assert!(name.len() < datagram.len());
        }
        idle.proves(random.next().is_multiple_of(2), caller_at(), &datagram, now);
        let mut framed = Vec::new();
        assert!(frame(&datagram, &mut framed));
        if random.next().is_multiple_of(4) {
            let at = random.below(framed.len());
            framed[at] = random.next() as u8;
        }
        deframer.push(&framed);
        loop {
            match deframer.next_packet() {
                Ok(Some(packet)) => assert!(packet.len() <= LONGEST_FRAME),
                Ok(None) => break,
                Err(_) => {
                    deframer = Deframer::new(LONGEST_FRAME);
                    break;
                }
            }
        }
    }
}

/// What comes in a call: whatever it is, the peer lives or says that it is closed.
fn call_for(time: Duration) {
    let identities = identities();
    let mut random = Random(0xca11);
    let end = Instant::now() + time;
    while Instant::now() < end {
        let Call { mut server, said, mut now } = call(&identities);
        for _ in 0..5000 {
            let datagram = random.changed(&said);
            now += Duration::from_micros(random.next() % 4000);
            let taken = server.receive(false, caller_at(), &datagram, now).and_then(|_| server.timeout(now));
            if taken.and_then(|()| drain(&mut server)).is_err() || !server.is_alive() || Instant::now() > end {
                break;
            }
        }
    }
}

/// What browsers offer, changed.
fn offers_for(time: Duration) {
    let identities = identities();
    let mut caller = Peer::calling(&identities[0], Instant::now());
    let samples: Vec<Vec<u8>> = (1..6)
        .filter_map(|receive| caller.make_offer(&Changes { send: true, receive, ..Changes::default() }))
        .map(|offer| offer.sdp.into_bytes())
        .collect();
    let mut random = Random(0x0ffe);
    let end = Instant::now() + time;
    while Instant::now() < end {
        let mut server = Peer::new(&identities[1], &[server_at()], Instant::now());
        for _ in 0..4 {
            let offer = String::from_utf8_lossy(&random.changed(&samples)).into_owned();
            let _ = server.offer(&offer).map(|_| drain(&mut server));
        }
    }
}

/// Sound with earlier sound in it (RFC 2198), changed: what is read is in the packet, and stays what it is by another name.
fn blocks_for(time: Duration) {
    let heads = [[0x80 | 111, 0x1e, 0x00, 60], [0x80 | 111, 0x0f, 0x01, 44]];
    let two = [&heads.concat()[..], &[111], &[1; 60], &[2; 300], &[3; 80]].concat();
    let samples = [two, [&[111][..], &[3; 80]].concat(), [heads[0]; 40].concat()];
    let mut random = Random(0x4ed);
    let (end, mut read) = (Instant::now() + time, 0u64);
    while Instant::now() < end {
        let packet: Arc<[u8]> = random.changed(&samples).into();
        let Some(blocks) = Redundant::read(&packet, 111) else { continue };
        read += 1;
        assert!(packet.ends_with(&blocks.newest()));
        let named = blocks.named(96);
        assert_eq!(named.len(), packet.len());
        let again = Redundant::read(&named, 96).expect("it is the same by another name");
        assert_eq!(*again.named(111), *packet);
        assert_eq!(again.newest(), blocks.newest());
    }
    assert!(read > 100, "{read} could be read");
}

#[test]
fn changed_blocks_of_sound_give_a_value_or_nothing() {
    blocks_for(QUICK);
}

#[test]
#[ignore = "a minute"]
fn changed_blocks_of_sound_give_a_value_or_nothing_for_a_minute() {
    blocks_for(LONG);
}

#[test]
fn changed_stun_and_frames_give_a_value_or_an_error() {
    stun_for(QUICK);
}

#[test]
fn changed_datagrams_of_a_call_give_a_value_or_an_error() {
    call_for(QUICK);
}

#[test]
fn changed_offers_give_an_answer_or_an_error() {
    offers_for(QUICK);
}

#[test]
#[ignore = "a minute"]
fn changed_stun_and_frames_give_a_value_or_an_error_for_a_minute() {
    stun_for(LONG);
}

#[test]
#[ignore = "a minute"]
fn changed_datagrams_of_a_call_give_a_value_or_an_error_for_a_minute() {
    call_for(LONG);
}

#[test]
#[ignore = "a minute"]
fn changed_offers_give_an_answer_or_an_error_for_a_minute() {
    offers_for(LONG);
}
