//! What an offer and its answer settled about a phone's pictures.

use std::net::{IpAddr, SocketAddr};

use ringback_rtp::Network;
use ringback_rtp::video::VideoCodec;

use crate::crypto::PhoneCrypto;

/// How a phone leg's pictures run, after an offer/answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoMedia {
    /// Where RTP goes; `None` while unknown or on hold by 0.0.0.0.
    pub remote: Option<SocketAddr>,
    /// Both ways.
    pub codec: VideoCodec,
    /// H.264's packetization-mode.
    pub mode: u8,
    /// Payload type we send with.
    pub payload_type: u8,
    /// Payload type the far end sends with.
    pub receive_payload_type: u8,
    /// Whether we send.
    pub send: bool,
    /// Whether what comes is shown.
    pub listen: bool,
    /// As for sound.
    pub trusted: bool,
    /// As for sound.
    pub signalling_host: Option<IpAddr>,
    /// As for sound.
    pub hold_fire: bool,
    /// As for sound.
    pub networks: Vec<Network>,
    /// Port of the far end's RTCP when it is not the one above its RTP; RTP's own: one for both.
    pub rtcp_port: Option<u16>,
    /// Keys of SRTP and SRTCP.
    pub crypto: Option<PhoneCrypto>,
    /// The far end takes PLI.
    pub pli: bool,
    /// The far end takes FIR.
    pub fir: bool,
    /// Packets that are missing are asked for and sent again, both ways (generic NACK).
    pub nack: bool,
    /// Bits in a second that it is sent at most.
    pub bitrate_bps: u32,
    /// Pixels across of a picture that is made for it.
    pub width: u16,
    /// Pixels down.
    pub height: u16,
    /// Pictures in a second.
    pub fps: u8,
}

impl VideoMedia {
    /// Both ways in the clear, with a far end that has yet to be heard and asks for nothing; 720p as by default.
    pub fn plain(codec: VideoCodec, payload_type: u8) -> VideoMedia {
        VideoMedia {
            remote: None,
            codec,
            mode: 0,
            payload_type,
            receive_payload_type: payload_type,
            send: true,
            listen: true,
            trusted: false,
            signalling_host: None,
            hold_fire: false,
            networks: Vec::new(),
            rtcp_port: None,
            crypto: None,
            pli: false,
            fir: false,
            nack: false,
            bitrate_bps: 900_000,
            width: 1280,
            height: 720,
            fps: 15,
        }
    }
}
