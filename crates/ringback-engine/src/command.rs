//! What the caller asks of the worker; every one is a value in a queue.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use ringback_audio::ToneShape;

use crate::config::PhoneMedia;
use crate::layers::AskedLayers;
use crate::phone_video::VideoMedia;
use crate::player::Player;
use crate::ports::PhoneSocket;
use crate::shared::LegShared;

/// One thing to do. A command for an unknown leg does nothing.
pub enum Command {
    OpenRoom(String),
    CloseRoom(String),
    OpenWebrtc { room: String, leg: String, shared: Arc<LegShared> },
    Offer { leg: String, sdp: String, request: u64 },
    SetPublished { leg: String, tracks: HashMap<String, String> },
    SetSubscriptions { leg: String, tracks: HashMap<String, (String, String)> },
    SetLayers { leg: String, asked: AskedLayers },
    OpenPhone { room: String, leg: String, rtp: PhoneSocket, rtcp: PhoneSocket, shared: Arc<LegShared> },
    SetPhone { leg: String, media: Box<PhoneMedia> },
    OpenPhoneVideo { leg: String, rtp: PhoneSocket, rtcp: PhoneSocket },
    SetPhoneVideo { leg: String, media: Option<Box<VideoMedia>> },
    WantPicture { leg: String },
    SetPixels(PathBuf),
    SetName { leg: String, name: String },
    MovePhone { leg: String, room: String },
    SendDigits { leg: String, digits: String, duration_ms: u32, gap_ms: u32 },
    PlayTone { leg: String, shape: Option<ToneShape> },
    PlaySound { leg: String, player: Option<Player> },
    OpenPcm { room: String, leg: String, shared: Arc<LegShared> },
    SetViewing { leg: String, is_seen: bool, tracks: Option<BTreeSet<(String, String)>> },
    SetSources { leg: String, sources: Option<HashSet<String>> },
    SetMuted { leg: String, muted: bool },
    CloseLeg(String),
    Stop,
}
