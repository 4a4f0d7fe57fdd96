//! What the engine is told: where to listen, and how a phone's stream runs.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Where an engine listens.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the one UDP and the one TCP port for all WebRTC peers.
    pub webrtc_host: IpAddr,
    /// Their number; 0 takes any that is free for both.
    pub webrtc_port: u16,
    /// Addresses written into ICE candidates. Empty: `webrtc_host`.
    pub webrtc_advertised: Vec<IpAddr>,
    /// Address of the RTP ports of phones.
    pub rtp_host: IpAddr,
    /// First port of their range.
    pub rtp_first: u16,
    /// Last port of their range.
    pub rtp_last: u16,
}

/// An audio codec that crosses the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Opus (RFC 6716, RFC 7587).
    Opus,
}

impl AudioCodec {
    /// From its SDP name, in any case.
    pub fn from_name(name: &str) -> Option<AudioCodec> {
        match name.to_ascii_uppercase().as_str() {
            "PCMU" => Some(AudioCodec::Pcmu),
            "PCMA" => Some(AudioCodec::Pcma),
            "G722" => Some(AudioCodec::G722),
            "OPUS" => Some(AudioCodec::Opus),
            _ => None,
        }
    }

    /// Its SDP name in capitals.
    pub fn name(self) -> &'static str {
        match self {
            AudioCodec::Pcmu => "PCMU",
            AudioCodec::Pcma => "PCMA",
            AudioCodec::G722 => "G722",
            AudioCodec::Opus => "OPUS",
        }
    }

    /// RTP clock in Hz. G.722 says 8000 though it samples at 16000 (RFC 3551 §4.5.2).
    pub fn clock_rate(self) -> u32 {
        match self {
            AudioCodec::Opus => 48_000,
            _ => 8_000,
        }
    }

    /// Samples per second worth decoding to: what the codec can carry.
    pub fn sample_rate(self) -> u32 {
        match self {
            AudioCodec::Pcmu | AudioCodec::Pcma => 8_000,
            AudioCodec::G722 => 16_000,
            AudioCodec::Opus => 48_000,
        }
    }
}

/// A codec on a phone's wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneCodec {
    /// Which.
    pub codec: AudioCodec,
    /// Payload type we send with.
    pub payload_type: u8,
    /// Payload type the far end sends with.
    pub receive_payload_type: u8,
    /// Packet time we send.
    pub ptime: Duration,
}

/// How a phone leg's stream runs, after an offer/answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneMedia {
    /// Where RTP goes; `None` while unknown or on hold by 0.0.0.0.
    pub remote: Option<SocketAddr>,
    /// What we send.
    pub codec: PhoneCodec,
    /// What may arrive, `codec` included or not.
    pub receive: Vec<PhoneCodec>,
    /// telephone-event payload type towards the far end.
    pub dtmf_payload_type: Option<u8>,
    /// telephone-event payload type from the far end.
    pub dtmf_receive_payload_type: Option<u8>,
    /// Whether we send.
    pub send: bool,
    /// Whether we take what comes.
    pub listen: bool,
}
