//! Sound without sockets and without a clock: codecs, resampling, concealment, mixing, and the two ends of a leg.
//!
//! Drive loop of a room, every 20 ms: [`Receiver::pull`] each source once (packets were [`Receiver::push`]ed as they
//! came), then give each listener's [`Sender::tick`] either a source's [`Frame::media`] (which is forwarded untouched
//! when the codecs are equal) or what its [`Listener`] hears of the room's [`MixBus`]. Sound is int16 mono everywhere.

mod codec;
mod conceal;
mod denoise;
mod echo;
mod frame;
pub mod g711;
mod g722;
mod gain;
mod keys;
mod level;
mod mix;
mod mp3;
mod opus;
mod opus_packet;
mod polish;
mod receiver;
mod resample;
mod sender;
mod staged;
mod sys;
mod tone;

pub use codec::{Codec, Decoder, Encoder};
pub use conceal::Concealer;
pub use frame::{Frame, Media, Origin, TICK_MS};
pub use g722::{G722Decoder, G722Encoder};
pub use keys::{KeyEars, KeyHeard, KeyTones};
pub use level::level_dbov;
pub use mix::{Hears, Listener, MixBus, SourceKey};
pub use mp3::{Mp3Error, decode_mp3};
pub use opus::{OPUS_SILENCE, OpusDecoder, OpusEncoder, OpusError, OpusSettings};
pub use opus_packet::{OpusFrames, opus_ticks};
pub use polish::{Polish, Polishing};
pub use receiver::{Expected, Receiver, ReceiverConfig, ReceiverStats};
pub use resample::Resampler;
pub use sender::{Sender, SenderConfig};
pub use tone::{TONE_RATE, Tone, ToneShape};
