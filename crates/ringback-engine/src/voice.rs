//! What a phone is sent: one unbroken stream, whether it is forwarded, transcoded, mixed or silent.

use std::net::SocketAddr;
use std::time::Instant;

use ringback_audio::{Hears, Listener, Media, MixBus, OpusSettings, Sender, SenderConfig};
use ringback_rtp::{Latch, Protect, RtpHeader, SentTotals};

use crate::config::PhoneMedia;
use crate::player::Player;
use crate::ports::PhoneSocket;
use crate::shared::{LegCounters, Way};
use crate::sys;
use crate::tracks::TrackKey;

/// A listener that begins to listen with what it is to hear first.
#[derive(Default)]
pub struct Ears(Option<Listener>);

impl Ears {
    /// This tick's 20 ms of the bus.
    pub fn hear(&mut self, hears: Hears, bus: &MixBus) -> &[i16] {
        let listener = self.0.get_or_insert_with(|| Listener::new(hears.clone()));
        listener.set(hears);
        listener.mix(bus)
    }

    /// Nothing of a bus is heard for now; what is heard next is not blended with what was heard last.
    pub fn rest(&mut self) {
        self.0 = None;
    }
}

/// The sending half of a phone leg.
pub struct Voice {
    pub sender: Option<Sender>,
    pub ears: Ears,
    /// What it hears instead of its room.
    pub player: Option<Player>,
    /// The source whose payloads it was given last.
    pub forwarded: Option<TrackKey>,
    /// Where its packets go.
    to: Option<SocketAddr>,
    packet: Vec<u8>,
    /// Smoothed, in percent.
    loss: f32,
}

/// Below this, in percent, copies are not worth their cost.
const LITTLE_LOSS: f32 = 1.0;
/// What libopus needs at this complexity to find room for copies of wide-band speech: at 24 kbit/s it leaves them out
/// (PESQ 2.8 instead of 3.9 with 5 % lost, `make bench`).
const WITH_COPIES_BPS: u32 = 32_000;

impl Voice {
    pub fn new() -> Voice {
        Voice {
            sender: None,
            ears: Ears::default(),
            player: None,
            forwarded: None,
            to: None,
            packet: Vec::new(),
            loss: 0.0,
        }
    }

    /// Apply an offer/answer.
    pub fn set(&mut self, media: &PhoneMedia) {
        let config = SenderConfig {
            codec: media.codec.codec,
            payload_type: media.codec.payload_type,
            ptime_ms: media.codec.ptime.as_millis() as u32,
            dtmf: media.dtmf_payload_type.map(|pt| (pt, media.event_clock())),
            opus: self.sender.as_ref().map_or_else(OpusSettings::default, Sender::opus),
        };
        match &mut self.sender {
            Some(sender) => sender.configure(config),
            None => {
                let random = sys::random_u64();
                // RFC 3711 §3.3.1: below 2^15, so that losing its first packets does not hide a wrap.
                let (ssrc, sequence) = (random as u32, (random >> 32) as u16 & 0x7fff);
                self.sender = Some(Sender::new(config, ssrc, sequence, sys::random_u64() as u32));
            }
        }
    }

    /// Press keys: as telephone-events, or as `tones`.
    pub fn send_digits(&mut self, digits: &str, duration_ms: u32, gap_ms: u32, tones: bool) {
        match &mut self.sender {
            Some(sender) if tones => sender.queue_tones(digits, duration_ms, gap_ms),
            Some(sender) => sender.queue_digits(digits, duration_ms, gap_ms),
            None => 0,
        };
    }

    /// The far end lost this share (of 256) of what it was sent lately: Opus carries a copy of each frame in the next one
    /// while that helps.
    pub fn heard_loss(&mut self, fraction: u8) {
        let percent = (u32::from(fraction) * 100).div_ceil(256) as f32;
        // Up at once, down slowly: losses come in groups.
        self.loss = if percent > self.loss { percent } else { self.loss * 0.7 + percent * 0.3 };
        let settings = match self.loss {
            loss if loss < LITTLE_LOSS => OpusSettings::default(),
            loss => OpusSettings {
                fec: true,
                bitrate_bps: WITH_COPIES_BPS,
                expected_loss: loss.min(30.0) as u8,
                ..OpusSettings::default()
            },
        };
        if let Some(sender) = &mut self.sender {
            sender.set_opus(settings);
        }
    }

    pub fn sent(&self) -> SentTotals {
        self.sender.as_ref().map(Sender::totals).unwrap_or_default()
    }
}

/// Where a phone's packets go.
pub struct Line<'a> {
    pub socket: &'a PhoneSocket,
    pub latch: &'a mut Latch,
    pub counters: &'a LegCounters,
    /// Whether anything is sent at all (it is not while on hold).
    pub open: bool,
    /// What seals packets, where they are protected.
    pub protect: Option<&'a mut Protect>,
}

impl Voice {
    /// 20 ms for the phone.
    pub fn send(&mut self, media: Media<'_>, from: Option<TrackKey>, way: Way, mut line: Line<'_>, now: Instant) {
        let Some(sender) = &mut self.sender else { return };
        line.counters.set_way(if line.open { way } else { Way::None }, Some(sender.codec()));
        if std::mem::replace(&mut self.forwarded, from) != from {
            sender.source_changed();
        }
        let to = line.latch.destination().filter(|_| line.open);
        if std::mem::replace(&mut self.to, to) != to {
            line.counters.place(|places| places.destination = to);
        }
        let Some(to) = to else {
            sender.pass();
            return;
        };
        let packet = &mut self.packet;
        sender.tick(media, &mut |header, payload| line.send(header, payload, to, packet, now));
    }

    /// Whether something is left of the last 20 ms, to be sent half a tick after the rest.
    pub fn has_held(&self) -> bool {
        self.sender.as_ref().is_some_and(Sender::has_held)
    }

    /// What is left of the last 20 ms.
    pub fn send_held(&mut self, mut line: Line<'_>, now: Instant) {
        let (Some(sender), Some(to)) = (&mut self.sender, line.latch.destination().filter(|_| line.open)) else {
            return;
        };
        let packet = &mut self.packet;
        sender.half_tick(&mut |header, payload| line.send(header, payload, to, packet, now));
    }
}

impl Line<'_> {
    /// One packet, made in `packet`.
    fn send(&mut self, header: RtpHeader, payload: &[u8], to: SocketAddr, packet: &mut Vec<u8>, now: Instant) {
        if !self.latch.may_send(now) {
            LegCounters::add(&self.counters.packets_withheld, 1);
            return;
        }
        packet.clear();
        header.write(payload, packet);
        if !self.protect.as_mut().is_none_or(|protect| protect.rtp(packet)) {
            return;
        }
        // What the kernel does not take is lost, as the network might lose it. It may tell here of an earlier
        // packet that did not arrive: this one has not left then.
        let refused = |sent: &std::io::Result<usize>| {
            sent.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        };
        let mut sent = self.socket.send_to(packet, to);
        if refused(&sent) {
            let told = self.socket.each().map(sys::take_unreachable).sum();
            LegCounters::add(&self.counters.unreachable, told);
            sent = self.socket.send_to(packet, to);
        }
        match sent {
            Ok(_) => self.counters.sent(now, payload.len()),
            Err(_) => LegCounters::add(&self.counters.send_errors, 1),
        }
    }
}
