//! What the engine is told: where to listen, and how a phone's stream runs.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringback_audio::{Codec, Polishing};
use ringback_rtp::{IceCredentials, Network};

use crate::crypto::PhoneCrypto;

/// Where an engine listens.
#[derive(Debug, Clone)]
pub struct Config {
    /// Threads that carry media, each with rooms of its own; 1 to 64.
    pub workers: usize,
    /// Address of the UDP and the TCP port that each worker has for its WebRTC peers.
    pub webrtc_host: IpAddr,
    /// Their number for the first worker, counting up for the others; 0 takes any that are free for both.
    pub webrtc_port: u16,
    /// Addresses written into ICE candidates. Empty: `webrtc_host`.
    pub webrtc_advertised: Vec<IpAddr>,
    /// Address of the RTP ports of phones.
    pub rtp_host: IpAddr,
    /// Address of the same ports in the other IP version; `None`: only one is spoken.
    pub rtp_other_host: Option<IpAddr>,
    /// First port of their range.
    pub rtp_first: u16,
    /// Last port of their range.
    pub rtp_last: u16,
}

/// A codec on a phone's wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneCodec {
    /// Which.
    pub codec: Codec,
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
    /// Clock in which the durations of events are told both ways, where it is not the codec's.
    pub dtmf_clock_rate: Option<u32>,
    /// Whether keys that we press are tones in what we say.
    pub dtmf_tones: bool,
    /// Whether keys are looked for in what is heard, where no telephone-event payload type is agreed on.
    pub dtmf_detect: bool,
    /// Whether we send.
    pub send: bool,
    /// Whether we take what comes.
    pub listen: bool,
    /// Whether the far end is known, so that it is sent everything before it has sent anything.
    pub trusted: bool,
    /// Where the far end signals from: RTP from there counts however late it begins, whatever its SDP says.
    pub signalling_host: Option<IpAddr>,
    /// Whether `remote` is no address to send to unasked: nothing is sent before the far end has been heard.
    pub hold_fire: bool,
    /// Networks that a trunk's media may come from, whatever its SDP says.
    pub networks: Vec<Network>,
    /// Port of the far end's RTCP when it is not the one above its RTP; its RTP port itself: one port for both.
    pub rtcp_port: Option<u16>,
    /// Keys, or how they come about; without them the stream is in the clear.
    pub crypto: Option<PhoneCrypto>,
    /// Names and password of ICE, where the far end offered that: it finds out itself where it reaches us.
    pub ice: Option<IceCredentials>,
    /// What its sound goes through before anybody hears it.
    pub polish: Polishing,
}

impl PhoneMedia {
    /// Both ways in the clear, with a far end that has yet to be heard; all else is left out.
    pub fn plain(codec: PhoneCodec) -> PhoneMedia {
        PhoneMedia {
            remote: None,
            codec,
            receive: Vec::new(),
            dtmf_payload_type: None,
            dtmf_receive_payload_type: None,
            dtmf_clock_rate: None,
            dtmf_tones: false,
            dtmf_detect: false,
            send: true,
            listen: true,
            trusted: false,
            signalling_host: None,
            hold_fire: false,
            networks: Vec::new(),
            rtcp_port: None,
            crypto: None,
            ice: None,
            polish: Polishing::default(),
        }
    }

    /// Clock of telephone-events: that of the speech beside them (RFC 4733 §2.1), or what was agreed on instead.
    pub fn event_clock(&self) -> u32 {
        self.dtmf_clock_rate.unwrap_or(self.codec.codec.clock_rate())
    }

    /// Whether RTP and RTCP share a port (RFC 5761).
    pub fn is_muxed(&self) -> bool {
        self.rtcp_port.is_some_and(|port| self.remote.is_none_or(|remote| remote.port() == port))
    }

    /// Whether there is somebody to send to: an address, or a far end that will say where it is.
    pub fn has_remote(&self) -> bool {
        self.remote.is_some() || self.ice.is_some()
    }
}
