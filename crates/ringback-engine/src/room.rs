//! A room as the worker holds it: its legs, and who speaks in it.

use std::sync::Arc;

use ringback_sfu::Speaker;

use crate::asking::Asked;
use crate::composing::Making;
use crate::sound::Sound;
use crate::viewing::Pictures;
use crate::worker::LegKey;

pub struct Room {
    pub id: Arc<str>,
    pub legs: Vec<LegKey>,
    /// Opened by name: it stays when its last leg goes.
    pub kept: bool,
    pub speaker: Speaker,
    pub sound: Sound,
    /// Cameras and screens that send.
    pub pictures: Pictures,
    /// Phones that can be shown pictures.
    pub viewers: Vec<LegKey>,
    /// What those who send pictures were asked for, for their sake.
    pub asked: Asked,
    /// What is made because it cannot be passed on.
    pub making: Option<Box<Making>>,
}

impl Room {
    pub fn new(id: Arc<str>) -> Room {
        Room {
            id,
            legs: Vec::new(),
            kept: false,
            speaker: Speaker::default(),
            sound: Sound::default(),
            pictures: Pictures::default(),
            viewers: Vec::new(),
            asked: Asked::default(),
            making: None,
        }
    }
}
