//! Threads, sockets and timers around the pure crates: rooms, the legs in them, and who hears whom.
//!
//! Each worker thread owns its rooms with their peers and a port; nothing on the media path is shared or locked. The
//! caller's side ([`Engine`]) queues commands, wakes the worker of the room, and reads events from a mailbox. The one contract of the worker:
//! change one thing, then drain all its output until it answers with a time.

mod asking;
mod audio;
#[cfg(test)]
mod browser;
mod command;
mod composing;
mod config;
#[cfg(test)]
mod content;
mod counters;
mod crypto;
mod demux;
mod dtls;
mod engine;
mod event;
mod fitting;
#[cfg(test)]
mod gateway;
mod handover;
#[cfg(test)]
mod heard;
#[cfg(test)]
mod layered;
mod layers;
mod leg;
mod listening;
mod maker;
mod measured;
mod moments;
mod numbered;
mod outbox;
mod outgoing;
mod pcm;
mod phone;
mod phone_secure;
mod phone_video;
mod picture_counts;
pub mod pictures;
mod placement;
mod player;
mod ports;
mod room;
#[cfg(test)]
mod screens;
mod seen;
#[cfg(test)]
mod several;
mod shared;
mod sound;
mod source;
mod sys;
mod tcp;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod theatre;
mod thinning;
mod timers;
mod tracks;
#[cfg(test)]
mod ugly_carrier;
mod video_media;
mod viewing;
mod voice;
mod webrtc;
mod worker;
#[cfg(test)]
mod wrap;

pub use config::{Config, PhoneCodec, PhoneMedia};
pub use crypto::{PhoneCrypto, SdesKeys};
pub use dtls::DtlsTerms;
pub use engine::Engine;
pub use event::{Event, Mailbox};
pub use maker::Maker;
pub use ringback_audio::{Codec, Polishing, ToneShape, decode_mp3};
pub use ringback_rtp::video::VideoCodec;
pub use ringback_rtp::{Fingerprint, IceCredentials, MasterKey, Network, Suite};
pub use shared::{LegCounters, Places, VideoCounters, VideoWay, Way};
pub use source::{as_datagram, codec_of, expected_of_browsers, format_kind};
pub use sys::{raise_file_limit, random_u64, run_first};
pub use timers::Timers;
pub use video_media::VideoMedia;
pub use webrtc::{Broken, guarded};
