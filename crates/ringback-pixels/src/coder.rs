//! One decoder and one encoder for both codings: nothing outside this file asks which library is behind them.

use ringback_pictures::Coding;

use crate::limits::{Fault, inspect};
use crate::picture::Picture;
use crate::sys::{avc, vpx};

/// What an encoder is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// How it encodes.
    pub coding: Coding,
    /// Longest NAL unit of H.264; 0: no limit.
    pub longest_unit: u16,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Pictures a second.
    pub rate: u32,
    /// Bits a second.
    pub bitrate_bps: u32,
}

enum Encoding {
    Vp8(vpx::Encoder),
    H264(avc::Encoder, Steering),
}

/// Holds OpenH264 to its bitrate: without leaving out pictures it keeps a tenth or more away from it.
struct Steering {
    wanted_bps: u32,
    set_bps: u32,
    pictures: u32,
    bytes: usize,
}

impl Steering {
    fn new(wanted_bps: u32) -> Steering {
        Steering { wanted_bps, set_bps: wanted_bps, pictures: 0, bytes: 0 }
    }

    /// Count a picture; once a second what the encoder is to be told, if it changes.
    fn count(&mut self, bytes: usize, key: bool, rate: u32) -> Option<u32> {
        // A key frame is an expense that returns seldom: it says nothing about the pictures after it.
        if key {
            return None;
        }
        self.pictures += 1;
        self.bytes += bytes;
        if self.pictures < rate.max(8) {
            return None;
        }
        let had_bps = (self.bytes as f64 * 8.0 * f64::from(rate) / f64::from(self.pictures)).max(1.0);
        (self.pictures, self.bytes) = (0, 0);
        let wanted = f64::from(self.wanted_bps);
        let step = (wanted / had_bps).clamp(0.85, 1.15);
        // Pictures that need fewer bits than they may have are no reason to ask for ever more.
        let next = (f64::from(self.set_bps) * step).clamp(wanted * 0.7, wanted * 1.3) as u32;
        let changed = next.abs_diff(self.set_bps) > self.wanted_bps / 50;
        changed.then(|| {
            self.set_bps = next;
            next
        })
    }
}

/// An encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// It needs no picture before it.
    pub key: bool,
    /// A VP8 frame, or NAL units behind start codes.
    pub data: Vec<u8>,
}

/// Encodes pictures of one size; its bitrate may change.
pub struct Encoder {
    quality: Quality,
    encoding: Encoding,
}

impl Encoder {
    /// `None`: the library is not here, or refuses.
    pub fn new(quality: Quality) -> Option<Encoder> {
        let encoding = match quality.coding {
            Coding::Vp8 => Encoding::Vp8(vpx::Encoder::new(&quality)?),
            Coding::H264 => Encoding::H264(avc::Encoder::new(&quality)?, Steering::new(quality.bitrate_bps)),
        };
        Some(Encoder { quality, encoding })
    }

    /// What it was made for, with the bitrate of now.
    pub fn quality(&self) -> Quality {
        self.quality
    }

    /// Change the bitrate, from the next picture on.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) {
        self.quality.bitrate_bps = bitrate_bps;
        match &mut self.encoding {
            Encoding::Vp8(encoder) => encoder.set_bitrate(bitrate_bps),
            Encoding::H264(encoder, steering) => {
                *steering = Steering::new(bitrate_bps);
                encoder.set_bitrate(bitrate_bps);
            }
        }
    }

    /// Encode a picture of its size; times must grow. `None`: the library made nothing of it.
    pub fn encode(&mut self, picture: &Picture, at_us: u64, key: bool) -> Option<Encoded> {
        let mut data = Vec::with_capacity(16 << 10);
        let key = match &mut self.encoding {
            Encoding::Vp8(encoder) => encoder.encode(picture, at_us, key, &mut data)?,
            Encoding::H264(encoder, steering) => {
                let key = encoder.encode(picture, (at_us / 1000) as i64, key, &mut data)?;
                if let Some(bitrate_bps) = steering.count(data.len(), key, self.quality.rate) {
                    encoder.set_bitrate(bitrate_bps);
                }
                key
            }
        };
        Some(Encoded { key, data })
    }
}

enum Decoding {
    Vp8(vpx::Decoder),
    H264(avc::Decoder),
}

/// Decodes one stream of a stranger: every picture passes [`inspect`] first.
pub struct Decoder(Decoding);

impl Decoder {
    /// `None`: the library is not here, or refuses.
    pub fn new(coding: Coding) -> Option<Decoder> {
        Some(Decoder(match coding {
            Coding::Vp8 => Decoding::Vp8(vpx::Decoder::new()?),
            Coding::H264 => Decoding::H264(avc::Decoder::new()?),
        }))
    }

    /// Whether it decodes this coding.
    pub fn takes(&self, coding: Coding) -> bool {
        matches!((&self.0, coding), (Decoding::Vp8(_), Coding::Vp8) | (Decoding::H264(_), Coding::H264))
    }

    /// Decode one encoded picture. `Ok(None)`: nothing to be shown. After an error only a key frame makes sense.
    pub fn decode(&mut self, data: &[u8]) -> Result<Option<Picture>, Fault> {
        match &mut self.0 {
            Decoding::Vp8(decoder) => {
                inspect(Coding::Vp8, data)?;
                decoder.decode(data).map_err(|()| Fault::Broken)
            }
            Decoding::H264(decoder) => {
                inspect(Coding::H264, data)?;
                decoder.decode(data).map_err(|()| Fault::Broken)
            }
        }
    }
}

/// Whether this machine can encode and decode it.
pub fn is_here(coding: Coding) -> bool {
    match coding {
        Coding::Vp8 => vpx::is_here(),
        Coding::H264 => true,
    }
}
