//! A browser, or a bot, at the other end of its leg: real ICE, DTLS and SRTP on the test's clock, over an uplink that can
//! be stopped for a while.

use std::collections::{HashMap, VecDeque};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringback_audio::{Codec, Decoder, Encoder, OpusSettings};
use ringback_sfu::{Changes, Extensions, FormatKind, Identity, Mid, Output, Packet, Peer, PeerEvent, PeerState};

use crate::command::Command;
use crate::demux::Source;
use crate::event::Event;
use crate::shared::LegShared;
use crate::source::{codec_of, format_kind};
use crate::testing;
use crate::worker::Worker;

/// Rate it hears Opus at.
const RATE: u32 = 16_000;

pub struct Browser {
    peer: Peer,
    socket: UdpSocket,
    sending: Mid,
    encoder: Encoder,
    ticks: u32,
    connected: bool,
    /// What is on its way to the server, and before when nothing more arrives there.
    uplink: VecDeque<(Instant, Vec<u8>)>,
    stalled: Instant,
    /// What it was sent, decoded.
    pub heard: Vec<i16>,
    /// The kind of all that it was sent, while it is one.
    pub kind: Option<FormatKind>,
    decoder: Option<Decoder>,
}

impl Browser {
    /// Joined as `name`, speaking `codec` and listening to `to`.
    pub fn new(worker: &mut Worker, name: &str, codec: Codec, to: &str) -> Browser {
        let (room, leg) = ("room".to_owned(), name.to_owned());
        worker.command(Command::OpenWebrtc { room, leg: leg.clone(), shared: Arc::new(LegShared::default()) });
        let mut peer = Peer::calling(&Identity::generate().unwrap(), worker.now);
        let offer = peer.make_offer(&Changes { send: true, receive: 1, ..Changes::default() }).unwrap();
        worker.command(Command::Offer { leg: leg.clone(), sdp: offer.sdp, request: 1 });
        let answer = worker.mailbox.drain().into_iter().find_map(|event| match event {
            Event::Reply { request: 1, result } => Some(result.unwrap()),
            _ => None,
        });
        peer.answered(&answer.expect("offers are answered at once")).unwrap();
        let sending = offer.sending.unwrap();
        let published = HashMap::from([(sending.to_string(), "audio".to_owned())]);
        worker.command(Command::SetPublished { leg: leg.clone(), tracks: published });
        let heard = HashMap::from([(offer.receiving[0].to_string(), (to.to_owned(), "audio".to_owned()))]);
        worker.command(Command::SetSubscriptions { leg, tracks: heard });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        peer.reach_at(socket.local_addr().unwrap());
        let mut browser = Browser {
            peer,
            socket,
            sending,
            encoder: Encoder::new(codec, OpusSettings::default()),
            ticks: 0,
            connected: false,
            uplink: VecDeque::new(),
            stalled: worker.now,
            heard: Vec::new(),
            kind: None,
            decoder: None,
        };
        for _ in 0..1000 {
            testing::pass(worker, Duration::from_millis(5));
            browser.turn(worker);
            if browser.connected {
                return browser;
            }
        }
        panic!("it is not connected within five seconds");
    }

    /// What it sends from now on does not arrive before that.
    pub fn stall(&mut self, until: Instant) {
        self.stalled = self.stalled.max(until);
    }

    /// 20 ms of what `sound` says at a time in seconds.
    pub fn say(&mut self, worker: &mut Worker, sound: &dyn Fn(f64) -> f64) {
        let codec = self.encoder.codec();
        let (rate, ticks) = (codec.sample_rate(), self.ticks);
        self.ticks += 1;
        let at = |n: u32| f64::from(ticks) * 0.02 + f64::from(n) / f64::from(rate);
        let pcm: Vec<i16> = (0..rate / 50).map(|n| sound(at(n)) as i16).collect();
        let mut payload = Vec::new();
        self.encoder.encode(&pcm, rate, &mut payload).unwrap();
        let packet = Packet {
            mid: self.sending,
            ssrc: 0,
            layer: 0,
            format: format_kind(codec).plain(),
            sequence: u64::from(ticks),
            timestamp: ticks * (codec.clock_rate() / 50),
            marker: ticks == 0,
            payload: payload.into(),
            redundant: None,
            extensions: Extensions::default(),
        };
        assert!(self.peer.write(self.sending, &packet, packet.sequence, packet.timestamp, worker.now));
        self.turn(worker);
    }

    /// Let it do what is due, and hear what has come.
    pub fn turn(&mut self, worker: &mut Worker) {
        let now = worker.now;
        self.peer.timeout(now).unwrap();
        self.drain(now);
        let address = self.socket.local_addr().unwrap();
        while self.uplink.front().is_some_and(|(at, _)| *at <= now) {
            let (_, datagram) = self.uplink.pop_front().unwrap();
            worker.webrtc_packet(Source { tcp: false, address }, &datagram);
        }
        worker.flush();
        let mut buffer = [0; 2048];
        while let Ok((n, from)) = self.socket.recv_from(&mut buffer) {
            self.peer.receive(false, from, &buffer[..n], now).unwrap();
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Instant) {
        loop {
            match self.peer.poll().unwrap() {
                Output::Wait(_) => return,
                Output::Transmit(transmit) => self.uplink.push_back((now.max(self.stalled), transmit.contents)),
                Output::Event(PeerEvent::State(state)) => self.connected = state == PeerState::Connected,
                Output::Event(PeerEvent::Packet(packet)) => self.hear(&packet),
                Output::Event(_) => {}
            }
        }
    }

    fn hear(&mut self, packet: &Packet) {
        let kind = packet.format.kind;
        assert_eq!(*self.kind.get_or_insert(kind), kind, "what is sent on a line keeps its codec");
        let decoder = self.decoder.get_or_insert_with(|| Decoder::new(codec_of(kind).unwrap(), RATE).unwrap());
        decoder.decode(&packet.payload, &mut self.heard).unwrap();
    }

    /// Samples per second of what it heard.
    pub fn rate(&self) -> u32 {
        self.decoder.as_ref().map_or(RATE, Decoder::sample_rate)
    }
}
