//! A leg as the worker holds it: what all kinds have in common.

use std::collections::HashSet;
use std::sync::Arc;

use crate::pcm::PcmLeg;
use crate::phone::PhoneLeg;
use crate::seen::MaySee;
use crate::shared::LegShared;
use crate::tracks::TrackKey;
use crate::webrtc::WebrtcLeg;

/// One participant's connection.
pub struct Leg {
    pub id: Arc<str>,
    pub room: Arc<str>,
    pub shared: Arc<LegShared>,
    /// Its sound is kept from everybody.
    pub muted: bool,
    /// Rises with every change of `muted`, so that a stream that pauses joins on where it left.
    pub spurt: u32,
    /// Whose sound it hears, for phones and in-process participants; `None`: everybody else's.
    pub sources: Option<HashSet<String>>,
    /// Whether others are shown its pictures, for phones.
    pub is_seen: bool,
    /// Whom it may be shown, for phones.
    pub may_see: MaySee,
    /// What is written on its picture: hostile text.
    pub name: String,
    pub kind: Kind,
}

pub enum Kind {
    Webrtc(Box<WebrtcLeg>),
    Phone(Box<PhoneLeg>),
    Pcm(Box<PcmLeg>),
}

impl Kind {
    /// The microphone of a phone or an in-process participant.
    pub fn own_track(&self) -> Option<TrackKey> {
        match self {
            Kind::Webrtc(_) => None,
            Kind::Phone(phone) => phone.track,
            Kind::Pcm(pcm) => pcm.track,
        }
    }
}

impl Leg {
    pub fn webrtc(&mut self) -> Option<&mut WebrtcLeg> {
        match &mut self.kind {
            Kind::Webrtc(leg) => Some(leg),
            _ => None,
        }
    }

    pub fn is_webrtc(&self) -> bool {
        matches!(self.kind, Kind::Webrtc(_))
    }

    pub fn phone(&mut self) -> Option<&mut PhoneLeg> {
        match &mut self.kind {
            Kind::Phone(leg) => Some(leg),
            _ => None,
        }
    }
}
