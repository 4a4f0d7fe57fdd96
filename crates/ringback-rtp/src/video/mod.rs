//! Pictures in RTP: VP8 (RFC 7741) and H.264 (RFC 6184), packets to frames and frames to packets.
//!
//! Frames are what decoders take and encoders give: one VP8 frame as it is, or the NAL units of one H.264 picture, each
//! behind a start code (Annex B). Nothing here decodes a pixel.

mod frames;
pub mod h264;
mod missing;
pub mod sps;
pub mod vp8;

pub use frames::{Depacketizer, Frame};
pub use missing::Missing;

/// Payload bytes of a packet that fits everywhere: with RTP, SRTP, UDP and IPv6 headers it stays below 1280.
pub const PAYLOAD: usize = 1150;

/// Longest frame that is put together, in bytes: several times a 1080p key frame.
pub const LONGEST_FRAME: usize = 1 << 20;

/// A codec of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// RFC 7741.
    Vp8,
    /// RFC 6184.
    H264,
}

impl VideoCodec {
    /// Ticks of the RTP clock in a second, of all video.
    pub const CLOCK_RATE: u32 = 90_000;

    /// As SDP writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
        }
    }

    /// By the name of SDP, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Vp8, Self::H264].into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Whether a decoder can begin with this packet: it is the first of a picture that needs no other.
    pub fn starts_key_frame(self, payload: &[u8]) -> bool {
        match self {
            Self::Vp8 => vp8::starts_key_frame(payload),
            Self::H264 => h264::starts_key_frame(payload),
        }
    }

    /// Width and height in pixels, where a packet is the one of a key frame that tells them.
    pub fn size(self, payload: &[u8]) -> Option<(u16, u16)> {
        match self {
            Self::Vp8 => vp8::Descriptor::parse(payload)
                .filter(|(descriptor, _)| descriptor.starts_frame())
                .and_then(|(_, frame)| vp8::size(frame)),
            Self::H264 => h264::size(payload),
        }
    }

    /// Whether a whole frame needs no other.
    pub fn is_key_frame(self, frame: &[u8]) -> bool {
        match self {
            Self::Vp8 => vp8::is_key_frame(frame),
            Self::H264 => h264::is_key_frame(frame),
        }
    }
}

/// Cuts frames into payloads.
#[derive(Debug)]
pub struct Packetizer {
    codec: VideoCodec,
    /// H.264 only: whether NAL units may be joined and cut (packetization-mode 1).
    joined: bool,
    picture_id: u16,
}

impl Packetizer {
    /// `mode`: H.264's packetization-mode, 0 or 1. `picture_id`: VP8's first, 15 bits, random.
    pub fn new(codec: VideoCodec, mode: u8, picture_id: u16) -> Self {
        Self { codec, joined: mode == 1, picture_id: picture_id & 0x7fff }
    }

    /// The payloads of one frame in order; the marker belongs on the last. Empty for a frame that is none.
    ///
    /// In H.264's mode 0 a NAL unit is a packet, however long: the encoder has to make slices of at most [`PAYLOAD`].
    pub fn packetize(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        match self.codec {
            VideoCodec::Vp8 => {
                let payloads = vp8::packetize(frame, self.picture_id, PAYLOAD);
                self.picture_id = (self.picture_id + 1) & 0x7fff;
                payloads
            }
            VideoCodec::H264 => h264::packetize(frame, self.joined, PAYLOAD),
        }
    }
}
