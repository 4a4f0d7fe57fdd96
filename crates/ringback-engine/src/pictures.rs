//! What the engine asks of whoever makes pictures: whole encoded frames in, whole encoded frames out, never a wait.
//!
//! The engine forwards pictures where it can. Where it cannot (the far end speaks another codec, or wants another size
//! or rate, or several people in one picture), it describes the picture it needs and feeds the frames of those who are
//! in it; what is made comes back by [`Pictures::take`]. Makers work elsewhere, in processes that may die: then
//! [`Made::Lost`] says so, and the picture is asked for anew.

use std::os::fd::BorrowedFd;

use ringback_rtp::video::{Frame, VideoCodec};

/// Number of somebody's camera or screen, as the engine counts tracks; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u64);

/// Number of a picture that is made; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PictureId(pub u64);

/// How a made picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// Its codec.
    pub codec: VideoCodec,
    /// H.264 only: packetization-mode. In mode 0 no NAL unit may be longer than `ringback_rtp::video::PAYLOAD`.
    pub mode: u8,
    /// In pixels, even.
    pub width: u16,
    /// In pixels, even.
    pub height: u16,
    /// Frames in a second.
    pub fps: u8,
    /// Bits in a second.
    pub bitrate_bps: u32,
}

/// One of those who are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Whose frames; `None`: somebody without a camera, of whom the name is shown.
    pub source: Option<SourceId>,
    /// Name on the tile, as the participant gave it: hostile text.
    pub name: String,
    /// Whether it says that no sound comes from there.
    pub muted: bool,
    /// Shown whole instead of filling its tile: a screen.
    pub whole: bool,
}

/// How tiles stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The first large, the others small beside it. With one tile: that one alone.
    Speaker,
    /// All alike.
    Grid,
    /// The first alone, at its own size and pace where those are within the encoding's: the same in another codec.
    Copy,
}

/// A picture that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// How it is encoded.
    pub encoding: Encoding,
    /// How its tiles stand.
    pub layout: Layout,
    /// Who is shown, the most important first.
    pub tiles: Vec<Tile>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// The next frame; its timestamp counts at 90 kHz from anywhere, without a jump while the picture lives.
    Frame {
        /// Of which picture.
        picture: PictureId,
        /// In the picture's encoding.
        frame: Frame,
    },
    /// A decoder cannot go on before a key frame of this source.
    KeyFrameWanted(SourceId),
    /// The maker died or gave up: nothing more comes of these pictures.
    Lost(Vec<PictureId>),
}

/// How a maker is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// It died lately and has not been started again.
    pub is_down: bool,
    /// It neither reads nor makes VP8: a library is missing.
    pub lacks_vp8: bool,
    /// The same of H.264.
    pub lacks_h264: bool,
}

impl Health {
    /// Whether pictures in this codec can be read and made.
    pub fn can(self, codec: VideoCodec) -> bool {
        !(if codec == VideoCodec::Vp8 { self.lacks_vp8 } else { self.lacks_h264 })
    }
}

/// Makes pictures. Every verb queues; nothing waits and nothing fails. Unknown numbers are ignored.
pub trait Pictures: Send {
    /// Make this picture from now on, or change what is in it. Its next frame is a key frame when the encoding changed.
    fn show(&mut self, picture: PictureId, scene: Scene);

    /// Make it no longer.
    fn drop_picture(&mut self, picture: PictureId);

    /// A whole frame of a source that is in a picture, in order. After a loss the next one is a key frame.
    fn feed(&mut self, source: SourceId, codec: VideoCodec, frame: &Frame);

    /// The source has stopped or is muted: what was last seen of it is not shown any more.
    fn forget(&mut self, source: SourceId);

    /// The next frame of this picture is to be a key frame.
    fn key_frame(&mut self, picture: PictureId);

    /// Another bitrate from now on.
    fn bitrate(&mut self, picture: PictureId, bps: u32);

    /// Readable while something can be taken.
    fn event_fd(&self) -> BorrowedFd<'_>;

    /// How it is.
    fn health(&self) -> Health {
        Health::default()
    }

    /// How often it died since the last call.
    fn take_deaths(&mut self) -> u64 {
        0
    }

    /// Everything that came since the last call, oldest first.
    fn take(&mut self) -> Vec<Made>;
}
