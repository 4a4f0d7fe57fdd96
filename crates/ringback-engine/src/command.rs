//! What the caller asks of the worker; every one is a value in a queue.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use ringback_audio::ToneShape;

use crate::config::PhoneMedia;
use crate::handover::Handover;
use crate::layers::AskedLayers;
use crate::leg::Leg;
use crate::player::Player;
use crate::ports::PhoneSocket;
use crate::shared::LegShared;
use crate::video_media::VideoMedia;
use crate::worker::LegKey;

/// One thing to do. A command for an unknown leg does nothing.
pub enum Command {
    OpenRoom(String),
    CloseRoom(String),
    OpenWebrtc {
        room: String,
        leg: String,
        shared: Arc<LegShared>,
    },
    Offer {
        leg: String,
        sdp: String,
        request: u64,
    },
    SetPublished {
        leg: String,
        tracks: HashMap<String, String>,
    },
    SetSubscriptions {
        leg: String,
        tracks: HashMap<String, (String, String)>,
    },
    SetLayers {
        leg: String,
        asked: AskedLayers,
    },
    OpenPhone {
        room: String,
        leg: String,
        rtp: PhoneSocket,
        rtcp: PhoneSocket,
        shared: Arc<LegShared>,
    },
    SetPhone {
        leg: String,
        media: Box<PhoneMedia>,
    },
    OpenPhoneVideo {
        leg: String,
        rtp: PhoneSocket,
        rtcp: PhoneSocket,
    },
    SetPhoneVideo {
        leg: String,
        media: Option<Box<VideoMedia>>,
    },
    WantPicture {
        leg: String,
    },
    SetPixels(PathBuf),
    SetName {
        leg: String,
        name: String,
    },
    MovePhone {
        leg: String,
        room: String,
    },
    /// A phone goes to another worker's room.
    HandOver {
        leg: String,
        to: Handover,
    },
    /// A phone comes from another worker; what is said to it meanwhile waits.
    ExpectPhone {
        leg: String,
        room: String,
    },
    /// Here it is; `None`: it was not there any more.
    Arrived {
        leg: String,
        phone: Option<(LegKey, Box<Leg>)>,
    },
    SendDigits {
        leg: String,
        digits: String,
        duration_ms: u32,
        gap_ms: u32,
    },
    PlayTone {
        leg: String,
        shape: Option<ToneShape>,
    },
    PlaySound {
        leg: String,
        player: Option<Player>,
    },
    OpenPcm {
        room: String,
        leg: String,
        shared: Arc<LegShared>,
    },
    SetViewing {
        leg: String,
        is_seen: bool,
        tracks: Option<BTreeSet<(String, String)>>,
    },
    SetSources {
        leg: String,
        sources: Option<HashSet<String>>,
    },
    SetMuted {
        leg: String,
        muted: bool,
    },
    CloseLeg(String),
    /// A bug.
    #[cfg(test)]
    Break,
    Stop,
}

impl Command {
    /// The leg that it is for, where it is for one that may be on its way.
    pub fn leg(&self) -> Option<&str> {
        match self {
            Command::OpenWebrtc { leg, .. }
            | Command::Offer { leg, .. }
            | Command::SetPublished { leg, .. }
            | Command::SetSubscriptions { leg, .. }
            | Command::SetLayers { leg, .. }
            | Command::OpenPhone { leg, .. }
            | Command::SetPhone { leg, .. }
            | Command::OpenPhoneVideo { leg, .. }
            | Command::SetPhoneVideo { leg, .. }
            | Command::WantPicture { leg }
            | Command::SetName { leg, .. }
            | Command::MovePhone { leg, .. }
            | Command::HandOver { leg, .. }
            | Command::SendDigits { leg, .. }
            | Command::PlayTone { leg, .. }
            | Command::PlaySound { leg, .. }
            | Command::OpenPcm { leg, .. }
            | Command::SetViewing { leg, .. }
            | Command::SetSources { leg, .. }
            | Command::SetMuted { leg, .. }
            | Command::CloseLeg(leg) => Some(leg),
            Command::OpenRoom(_)
            | Command::CloseRoom(_)
            | Command::SetPixels(_)
            | Command::ExpectPhone { .. }
            | Command::Arrived { .. }
            | Command::Stop => None,
            #[cfg(test)]
            Command::Break => None,
        }
    }
}
